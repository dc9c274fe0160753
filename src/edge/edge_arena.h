// SPDX-License-Identifier: Apache-2.0
//
// Memory of one request: taken piece by piece, given back all at once.
//
// Blocks of a request's usual size are kept for the next one. No piece is given back alone. Runs
// out never: the process dies (asserted), since requests are bounded by the edge's limits.
#ifndef TAEL_EDGE_EDGE_ARENA_H
#define TAEL_EDGE_EDGE_ARENA_H

#include "base/base.h"

#define EDGE_ARENA_BLOCK (16u * KIB)

struct edge_arena_block;
struct edge_arena {
    struct edge_arena_block *blocks; // The newest first.
    size_t used;                     // Of the newest.
};

// `size` bytes at a multiple of 16, not zeroed; valid until edge_arena_free.
void *edge_arena_take(struct edge_arena *arena, size_t size);
// The same, zeroed.
void *edge_arena_zeroed(struct edge_arena *arena, size_t size);
// A copy of `size` bytes, with a zero behind it.
char *edge_arena_copy(struct edge_arena *arena, const char *text, size_t size);
// Gives everything back but one block; the arena is empty then.
void edge_arena_clear(struct edge_arena *arena);
// Gives everything back.
void edge_arena_free(struct edge_arena *arena);

#endif
