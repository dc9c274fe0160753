// SPDX-License-Identifier: Apache-2.0
//
// Hashes sorted by their high halves; the low ones compared within the few that agree.
#include "audit/ids.h"

#include "base/sort.h"

#include <stdlib.h>

void audit_ids_init(struct audit_ids *ids, const u64 key[4])
{
    *ids = (struct audit_ids){0};
    memcpy(ids->key.words, key, sizeof ids->key.words);
}

void audit_ids_free(struct audit_ids *ids)
{
    free(ids->hashes);
    *ids = (struct audit_ids){0};
}

void audit_ids_add(struct audit_ids *ids, u128 id)
{
    if (ids->count == ids->capacity) {
        ids->capacity = MAX(65536, 2 * ids->capacity);
        ids->hashes = realloc(ids->hashes, ids->capacity * sizeof *ids->hashes);
        assert(ids->hashes != NULL);
    }
    ids->hashes[ids->count++] = audit_ids_hash(ids, id);
}

static int hashes_compare(const void *a, const void *b)
{
    const u64 left = *(const u64 *)a;
    const u64 right = *(const u64 *)b;
    return (left > right) - (left < right);
}

u32 audit_ids_suspects(struct audit_ids *ids, u64 suspects[AUDIT_SUSPECTS_MAX])
{
    u64 *scratch = malloc(MAX(ids->count, 1) * sizeof *scratch);
    assert(scratch != NULL && ids->count < U32_MAX);
    sort_u64_by_high32(ids->hashes, scratch, ids->count);
    free(scratch);
    u32 found = 0;
    for (u64 first = 0, end; first < ids->count; first = end) {
        for (end = first + 1; end < ids->count; end++) {
            if (ids->hashes[end] >> 32 != ids->hashes[first] >> 32) break;
        }
        if (end - first == 1) continue;
        qsort(ids->hashes + first, end - first, sizeof *ids->hashes, hashes_compare);
        for (u64 i = first + 1; i < end && found < AUDIT_SUSPECTS_MAX; i++) {
            const bool is_known = found > 0 && suspects[found - 1] == ids->hashes[i];
            if (ids->hashes[i] == ids->hashes[i - 1] && !is_known) suspects[found++] = ids->hashes[i];
        }
    }
    ids->count = 0;
    return found;
}
