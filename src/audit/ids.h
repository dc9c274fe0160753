// SPDX-License-Identifier: Apache-2.0
//
// Ids that may be used once only (L3): collected as keyed 64-bit hashes, sorted, and looked at in
// pairs at the end.
//
// Two equal hashes are only a suspicion; the rows decide (walk_end.c). With a billion ids the
// chance is one in 37 that some pair collides by accident: that costs another reading of the rows,
// and no false report. The key is drawn for this audit alone, not that of the log: who made the
// folder knows the log's, and could let every id collide.
//
// Costs 8 bytes an id up to `run_max` of them, and as much again while they are sorted; from there
// on a sorted run of so many goes to a file without a name beneath TMPDIR, or /tmp, 8 bytes an id,
// and is read back once. An id that comes often takes the place of two in each run.
#ifndef TAEL_AUDIT_IDS_H
#define TAEL_AUDIT_IDS_H

#include "base/hash.h"

#define AUDIT_IDS_RUN      (16u << 20) // 128 MiB, twice while it is sorted.
#define AUDIT_IDS_RUNS_MAX 4096u
#define AUDIT_IDS_BUCKETS  1024u // By the highest bits of a hash.
#define AUDIT_SUSPECTS_MAX 4096u

struct audit_ids_run {
    u64 starts[AUDIT_IDS_BUCKETS + 1]; // Where in the run each bucket begins.
};

struct audit_ids {
    struct hash_key key;
    u64 *hashes;
    u64 *scratch;
    u64 count; // In memory.
    u64 capacity;
    u64 run_max;
    u64 total;   // That were taken down.
    u64 written; // That are in the file.
    struct audit_ids_run *runs;
    u32 run_count;
    int file;
};

// A key that nobody else knows, from the system.
MUST_USE enum status audit_key_draw(struct hash_key *key, struct failure *failure);
// Empty, with runs of `run_max` ids; audit_ids_free gives memory and file back.
void audit_ids_init(struct audit_ids *ids, const struct hash_key *key, u64 run_max);
void audit_ids_free(struct audit_ids *ids);
static inline u64 audit_ids_hash(const struct audit_ids *ids, u128 id)
{
    return hash_u128(&ids->key, id);
}
// Takes an id down by its hash. STATUS_FULL and STATUS_IO come from the file.
MUST_USE enum status audit_ids_spill(struct audit_ids *ids, struct failure *failure);
MUST_USE static inline enum status audit_ids_add(struct audit_ids *ids, u64 hash,
                                                 struct failure *failure)
{
    if (ids->count == ids->capacity) {
        const enum status status = audit_ids_spill(ids, failure);
        if (status != STATUS_OK) return status;
    }
    ids->hashes[ids->count++] = hash;
    ids->total++;
    return STATUS_OK;
}
// Writes the hashes that were taken down more than once, each once, sorted; those beyond
// AUDIT_SUSPECTS_MAX are left out. `*count` is how many there are. What was taken down is lost.
MUST_USE enum status audit_ids_suspects(struct audit_ids *ids, u64 suspects[AUDIT_SUSPECTS_MAX],
                                        u32 *count, struct failure *failure);

#endif
