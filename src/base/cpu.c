// SPDX-License-Identifier: Apache-2.0
//
// Detection of processor features with CPUID and XGETBV.
//
// Guarantees: the features are written once, by a constructor, while the process has one thread.
#include "base/cpu.h"

#include <stdlib.h>

#if CPU_X86_64
#include <cpuid.h>
#endif

// The one mutable object of this file: written by the constructor, read-only ever after.
static struct cpu_features features;

#if CPU_X86_64

enum {
    // Register sets that the operating system saves (XCR0).
    XCR0_AVX = 0x06,    // SSE and the upper halves of YMM.
    XCR0_AVX512 = 0xe6, // As above, opmasks, the upper halves of ZMM, ZMM16 to 31.
};

static bool has_bit(u32 word, unsigned bit)
{
    return (word >> bit & 1) != 0;
}

static u32 enabled_register_sets(void)
{
    u32 low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct cpu_features detect(void)
{
    struct cpu_features found = {0};
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return found;
    const bool sse41 = has_bit(ecx, 9) && has_bit(ecx, 19); // SSSE3 and SSE4.1.
    const bool aes = has_bit(ecx, 25);
    const bool avx = has_bit(ecx, 28) && has_bit(ecx, 27); // AVX and OSXSAVE.
    const u32 saved = avx ? enabled_register_sets() : 0;
    const bool ymm = (saved & XCR0_AVX) == XCR0_AVX;
    const bool zmm = (saved & XCR0_AVX512) == XCR0_AVX512;

    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
    found.aes = aes && ymm;
    found.sha = sse41 && has_bit(ebx, 29);
    found.avx2 = ymm && has_bit(ebx, 5);
    found.bmi2 = has_bit(ebx, 3) && has_bit(ebx, 8);
    found.avx512 = zmm && has_bit(ebx, 16) && has_bit(ebx, 30) && has_bit(ebx, 31);
    found.vaes = found.avx2 && has_bit(ecx, 9);
    return found;
}

#else

static struct cpu_features detect(void)
{
    return (struct cpu_features){0};
}

#endif

__attribute__((constructor)) static void features_detect(void)
{
    const char *level = getenv("TAEL_CPU");
    if (level != NULL && strcmp(level, "portable") == 0) return;
    features = detect();
    if (level != NULL && strcmp(level, "no-avx512") == 0) {
        features.avx512 = false;
        features.vaes = false;
    }
}

const struct cpu_features *cpu_features(void)
{
    return &features;
}
