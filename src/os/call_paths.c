// SPDX-License-Identifier: Apache-2.0
//
// Ways through the program, by the addresses to which its calls return.
#include "os/call_paths.h"

#include <execinfo.h>

#define DEPTH_MAX 40

void call_paths_init(struct call_paths *paths, u32 last)
{
    *paths = (struct call_paths){.last = last};
}

void call_paths_begin(struct call_paths *paths)
{
    for (u32 i = 0; i < CALL_PATHS_MAX; i++) paths->items[i].seen = 0;
}

// Never 0.
static u64 way_digest(void)
{
    void *addresses[DEPTH_MAX];
    const int depth = backtrace(addresses, DEPTH_MAX);
    u64 digest = 1;
    for (int i = 0; i < depth; i++) {
        digest = (digest ^ (u64)(uintptr_t)addresses[i]) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 29;
    }
    return MAX(digest, 1u);
}

bool call_paths_refuse(struct call_paths *paths)
{
    const u64 digest = way_digest();
    u32 at = (u32)(digest >> 40) % CALL_PATHS_MAX;
    while (paths->items[at].digest != digest && paths->items[at].digest != 0) {
        at = (at + 1) % CALL_PATHS_MAX;
    }
    struct call_path *path = &paths->items[at];
    if (path->digest == 0) {
        paths->count++;
        assert(paths->count < CALL_PATHS_MAX);
        *path = (struct call_path){.digest = digest, .next = 1};
    }
    path->seen++;
    if (path->seen != path->next) return false;
    path->next = path->next < paths->last ? 2 * path->next : 0;
    return true;
}
