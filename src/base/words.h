// SPDX-License-Identifier: Apache-2.0
//
// Numbers in the words that a test or a harness is called with.
#ifndef TAEL_BASE_WORDS_H
#define TAEL_BASE_WORDS_H

#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// The number that the word at `at` of `count` is; `initial` when there is none. Ends the program
// with exit code 2, after `usage`, when the word is no number below 2^64.
static inline u64 word_number(int count, char *const *words, int at, u64 initial, const char *usage)
{
    if (at >= count) return initial;
    const char *word = words[at];
    const size_t digits = strspn(word, "0123456789");
    errno = 0;
    const u64 value = strtoull(word, NULL, 10);
    if (digits > 0 && word[digits] == 0 && errno == 0) return value;
    (void)fprintf(stderr, "\"%s\" is no number\nusage: %s\n", word, usage);
    exit(2);
}

#endif
