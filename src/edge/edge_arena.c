// SPDX-License-Identifier: Apache-2.0
//
// Memory of one request.
#include "edge/edge_arena.h"

#include <stdlib.h>

struct edge_arena_block {
    struct edge_arena_block *next;
    size_t size; // Of what follows.
    _Alignas(16) u8 memory[];
};

static void block_add(struct edge_arena *arena, size_t size)
{
    struct edge_arena_block *block = malloc(sizeof *block + size);
    assert(block != NULL);
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used = 0;
}

void *edge_arena_take(struct edge_arena *arena, size_t size)
{
    size = align_up(MAX(size, (size_t)1), 16);
    if (arena->blocks == NULL || arena->blocks->size - arena->used < size) {
        block_add(arena, MAX(size, (size_t)EDGE_ARENA_BLOCK));
    }
    void *piece = arena->blocks->memory + arena->used;
    arena->used += size;
    return piece;
}

void *edge_arena_zeroed(struct edge_arena *arena, size_t size)
{
    void *piece = edge_arena_take(arena, size);
    memset(piece, 0, size);
    return piece;
}

char *edge_arena_copy(struct edge_arena *arena, const char *text, size_t size)
{
    char *copy = edge_arena_take(arena, size + 1);
    if (size > 0) memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

void edge_arena_clear(struct edge_arena *arena)
{
    struct edge_arena_block *kept = NULL;
    while (arena->blocks != NULL) {
        struct edge_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        if (kept == NULL && block->size == EDGE_ARENA_BLOCK) kept = block;
        else free(block);
    }
    if (kept != NULL) kept->next = NULL;
    arena->blocks = kept;
    arena->used = 0;
}

void edge_arena_free(struct edge_arena *arena)
{
    while (arena->blocks != NULL) {
        struct edge_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used = 0;
}
