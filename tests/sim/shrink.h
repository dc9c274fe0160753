// SPDX-License-Identifier: Apache-2.0
//
// Fewer steps of a world that fails in the same way, by delta debugging (Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input", 2002): halves, quarters and so on of what is
// left are left out, down to single steps, as long as the world still fails by the same check.
#ifndef TAEL_TESTS_SIM_SHRINK_H
#define TAEL_TESTS_SIM_SHRINK_H

#include "apart.h"

struct shrink {
    bool *kept; // Of each step up to `steps`, from 1 on: whether the world does it. The caller's.
    u64 steps;  // That the world lives, with those that it does not do.
    u64 budget; // Steps that may still be done in all; it ends when they are used up.
    // Whether the world with these steps fails, and how.
    bool (*fails)(void *context, const struct shrink *shrink, struct apart_failure *out);
    void *context;
};

// Leaves out what it can of a world that fails. False when the world does not fail. `first` says
// how it failed with all its steps; `is_minimal`, that without any single step of those that are
// left it does not.
bool shrink_run(struct shrink *shrink, struct apart_failure *first, bool *is_minimal);
// How many steps are left.
u64 shrink_count(const struct shrink *shrink);

#endif
