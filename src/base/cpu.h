// SPDX-License-Identifier: Apache-2.0
//
// What the processor can do, asked once at run time.
//
// Code is compiled for the baseline of its architecture; a function that wants more is marked
// `__attribute__((target(...)))` and only called when its feature is present here. On anything
// that is not x86-64 every feature is absent and the portable paths run.
#ifndef TAEL_BASE_CPU_H
#define TAEL_BASE_CPU_H

#include "base/base.h"

#if defined(__x86_64__)
#define CPU_X86_64 1
#else
#define CPU_X86_64 0
#endif

// Each is true only if the processor has it and the operating system saves its registers.
struct cpu_features {
    bool aes;    // AES-NI, with the three-operand (AVX) encoding.
    bool sha;    // SHA-NI, with SSE4.1.
    bool avx2;   // AVX2.
    bool bmi2;   // BMI1 and BMI2.
    bool avx512; // AVX-512 F, BW and VL.
    bool vaes;   // AES on 256- and 512-bit vectors.
};

// The features, detected before `main`; no cost but the call. A constructor that runs earlier
// sees all of them absent, which is correct and slow. The environment variable TAEL_CPU narrows
// them, so that tests run every path on one machine: `portable` clears all, `no-avx512` clears
// avx512 and vaes; any other value is ignored.
const struct cpu_features *cpu_features(void);

#endif
