// SPDX-License-Identifier: Apache-2.0
//
// Ids that may be used once only (L3): collected as keyed 64-bit hashes, sorted, and looked at in
// pairs at the end.
//
// Two equal hashes are only a suspicion; the rows decide (walk.c). An id costs 8 bytes until the end,
// and 8 more while they are sorted. With a billion ids there is a chance of one in 37 that some pair
// collides by accident; it costs another reading of the rows and no false report.
#ifndef TAEL_AUDIT_IDS_H
#define TAEL_AUDIT_IDS_H

#include "base/hash.h"

#define AUDIT_SUSPECTS_MAX 4096u

struct audit_ids {
    struct hash_key key;
    u64 *hashes;
    u64 count;
    u64 capacity;
};

// Empty; audit_ids_free gives the memory back.
void audit_ids_init(struct audit_ids *ids, const u64 key[4]);
void audit_ids_free(struct audit_ids *ids);
static inline u64 audit_ids_hash(const struct audit_ids *ids, u128 id)
{
    return hash_u128(&ids->key, id);
}
// Takes an id down.
void audit_ids_add(struct audit_ids *ids, u128 id);
// Writes the hashes that were taken down more than once, each once, sorted, at most
// AUDIT_SUSPECTS_MAX of them. Returns how many there are. What was taken down is lost.
u32 audit_ids_suspects(struct audit_ids *ids, u64 suspects[AUDIT_SUSPECTS_MAX]);

#endif
