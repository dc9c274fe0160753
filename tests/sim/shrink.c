// SPDX-License-Identifier: Apache-2.0
//
// Delta debugging over the steps of a world.
#include "shrink.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

u64 shrink_count(const struct shrink *shrink)
{
    u64 count = 0;
    for (u64 i = 1; i <= shrink->steps; i++) count += shrink->kept[i];
    return count;
}

// What failed, without where and with which numbers: the name of the check where the line has one.
static void key_of(const struct apart_failure *failure, char out[256])
{
    static const char before[] = "FAILED at step ";
    const char *at = strstr(failure->cause, before);
    const bool is_check = at != NULL;
    if (is_check) at += strlen(before) + strspn(at + strlen(before), "0123456789") + 2;
    else at = failure->cause;
    const size_t size = is_check ? strcspn(at, ":") : strlen(at);
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        const bool is_number = isdigit((unsigned char)at[i]) != 0;
        // L1 is not L10, but frame 1 is frame 10.
        if (!is_number || (used > 0 && isalnum((unsigned char)out[used - 1]))) out[used++] = at[i];
    }
    out[used] = 0;
}

static bool fails_alike(struct shrink *shrink, const char *key, struct apart_failure *failure)
{
    char own[256];
    const u64 cost = shrink_count(shrink) + 1;
    shrink->budget -= MIN(cost, shrink->budget);
    if (!shrink->fails(shrink->context, shrink, failure)) return false;
    key_of(failure, own);
    return strcmp(own, key) == 0;
}

// What comes behind the step at which it fails is not needed.
static void cut_behind(struct shrink *shrink, const struct apart_failure *failure)
{
    if (failure->step > 0 && failure->step < shrink->steps) shrink->steps = failure->step;
}

// Tries to do without each run of `size` steps of those that are left. Returns how many went.
static u64 pass(struct shrink *shrink, u64 size, const char *key)
{
    u64 gone = 0;
    u64 *run = malloc(size * sizeof *run);
    if (run == NULL) abort();
    for (u64 at = 1; at <= shrink->steps && shrink->budget > 0;) {
        struct apart_failure failure;
        u64 count = 0;
        while (at <= shrink->steps && count < size) {
            if (shrink->kept[at]) run[count++] = at;
            at++;
        }
        if (count == 0) break;
        for (u64 i = 0; i < count; i++) shrink->kept[run[i]] = false;
        if (fails_alike(shrink, key, &failure)) {
            gone += count;
            cut_behind(shrink, &failure);
        } else {
            for (u64 i = 0; i < count; i++) shrink->kept[run[i]] = true;
        }
    }
    free(run);
    return gone;
}

bool shrink_run(struct shrink *shrink, struct apart_failure *first, bool *is_minimal)
{
    char key[256];
    *is_minimal = false;
    if (!shrink->fails(shrink->context, shrink, first)) return false;
    key_of(first, key);
    cut_behind(shrink, first);
    (void)fprintf(stderr, "steps: %llu", (unsigned long long)shrink_count(shrink));
    for (u64 size = MAX(1, shrink_count(shrink) / 2); shrink->budget > 0;) {
        const u64 gone = pass(shrink, size, key);
        if (gone > 0) {
            (void)fprintf(stderr, " %llu", (unsigned long long)shrink_count(shrink));
            continue;
        }
        *is_minimal = size == 1 && shrink->budget > 0;
        if (size == 1) break;
        size /= 2;
    }
    (void)fprintf(stderr, "\n");
    return true;
}
