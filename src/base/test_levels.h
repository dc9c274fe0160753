// SPDX-License-Identifier: Apache-2.0
//
// For tests of code that has one path per kind of processor: runs the whole test program once
// for each level of TAEL_CPU. Test code only.
#ifndef TAEL_BASE_TEST_LEVELS_H
#define TAEL_BASE_TEST_LEVELS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Called at the end of `main` with the result of this level's tests: after success starts the
// program again at the next level, and returns when the last has run or one has failed.
static inline int test_levels_next(int failed_count, char **arguments)
{
    const char *level = getenv("TAEL_CPU");
    if (failed_count != 0) return 1;
    if (level != NULL && strcmp(level, "portable") == 0) return 0;
    const char *next = level == NULL || level[0] == '\0' ? "no-avx512" : "portable";
    if (setenv("TAEL_CPU", next, 1) != 0) return 1;
    (void)fflush(NULL);
    (void)execv("/proc/self/exe", arguments);
    perror("execv");
    return 1;
}

// A fixed sequence of numbers for tests (splitmix64).
static inline u64 test_random(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#endif
