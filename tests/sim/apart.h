// SPDX-License-Identifier: Apache-2.0
//
// A world in a process of its own, which may fail: whether it did, and how.
#ifndef TAEL_TESTS_SIM_APART_H
#define TAEL_TESTS_SIM_APART_H

#include "base/base.h"

struct apart_failure {
    char cause[256]; // The line that says it; "" when the process said nothing.
    u64 step;        // At which it was; 0: not known.
};

// Runs `live` in a process of its own, whose words nobody sees. Whether it failed; `out` is filled
// in then.
bool apart_run(void (*live)(void *context), void *context, struct apart_failure *out);

#endif
