// SPDX-License-Identifier: Apache-2.0
//
// Hashes sorted by their high halves, in runs; the low halves compared within the few that agree.
#include "audit/ids.h"

#include "base/sort.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define CAPACITY_FIRST 65536u

enum status audit_key_draw(struct hash_key *key, struct failure *failure)
{
    static_assert(sizeof *key <= 256, "so much comes at once or not at all");
    if (getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "drawing a key");
}

void audit_ids_init(struct audit_ids *ids, const struct hash_key *key, u64 run_max)
{
    assert(run_max > 0 && run_max < U32_MAX);
    *ids = (struct audit_ids){.key = *key, .run_max = run_max, .file = -1};
}

void audit_ids_free(struct audit_ids *ids)
{
    if (ids->file >= 0) (void)close(ids->file);
    free(ids->hashes);
    free(ids->scratch);
    free(ids->runs);
    *ids = (struct audit_ids){.file = -1};
}

// Room for so many hashes, and as much to sort them.
static void room_make(struct audit_ids *ids, u64 capacity)
{
    ids->hashes = realloc(ids->hashes, capacity * sizeof *ids->hashes);
    free(ids->scratch);
    ids->scratch = malloc(capacity * sizeof *ids->scratch);
    assert(ids->hashes != NULL && ids->scratch != NULL);
    ids->capacity = capacity;
}

// --- sorting -------------------------------------------------------------------------------------

static int hashes_compare(const void *a, const void *b)
{
    const u64 left = *(const u64 *)a;
    const u64 right = *(const u64 *)b;
    return (left > right) - (left < right);
}

// Sorts what is in memory. Of a hash that is there more often it leaves two.
static void hashes_sort(struct audit_ids *ids)
{
    u64 *hashes = ids->hashes;
    u64 kept = 0;
    if (ids->count == 0) return;
    sort_u64_by_high32(hashes, ids->scratch, ids->count);
    for (u64 first = 0, end; first < ids->count; first = end) {
        for (end = first + 1; end < ids->count; end++) {
            if (hashes[end] >> 32 != hashes[first] >> 32) break;
        }
        if (end - first > 1) qsort(hashes + first, end - first, sizeof *hashes, hashes_compare);
        for (u64 i = first; i < end; i++) {
            const bool is_third =
                kept >= 2 && hashes[kept - 1] == hashes[i] && hashes[kept - 2] == hashes[i];
            if (!is_third) hashes[kept++] = hashes[i];
        }
    }
    ids->count = kept;
}

// --- runs ----------------------------------------------------------------------------------------

static enum status file_make(struct audit_ids *ids, struct failure *failure)
{
    char path[512];
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/tael-audit-XXXXXX", parent == NULL ? "/tmp" : parent);
    ids->file = mkstemp(path);
    if (ids->file < 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "making a file like %s", path);
    }
    (void)unlink(path); // It goes with the process.
    ids->runs = calloc(AUDIT_IDS_RUNS_MAX, sizeof *ids->runs);
    assert(ids->runs != NULL);
    return STATUS_OK;
}

static enum status hashes_write(const struct audit_ids *ids, u64 first, struct failure *failure)
{
    const u8 *bytes = (const u8 *)ids->hashes;
    const u64 size = ids->count * sizeof *ids->hashes;
    for (u64 done = 0; done < size;) {
        const ssize_t part = pwrite(ids->file, bytes + done, size - done,
                                    (off_t)(first * sizeof *ids->hashes + done));
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) {
            (void)failure_set_errno(failure, errno == ENOSPC ? STATUS_FULL : STATUS_IO, errno,
                                    "writing hashes of ids");
            failure_hint(failure, "set TMPDIR to a folder with 8 bytes of space a transfer");
            return failure->status;
        }
        done += (u64)part;
    }
    return STATUS_OK;
}

// Writes what is in memory as a sorted run.
static enum status run_write(struct audit_ids *ids, struct failure *failure)
{
    if (ids->file < 0) {
        const enum status status = file_make(ids, failure);
        if (status != STATUS_OK) return status;
    }
    if (ids->run_count == AUDIT_IDS_RUNS_MAX) {
        return failure_set(failure, STATUS_FULL, "more transfers than %u runs of ids hold",
                           AUDIT_IDS_RUNS_MAX);
    }
    hashes_sort(ids);
    struct audit_ids_run *run = &ids->runs[ids->run_count];
    const u64 first = ids->written;
    u32 bucket = 0;
    for (u64 i = 0; i < ids->count; i++) {
        for (; bucket <= ids->hashes[i] >> 54; bucket++) run->starts[bucket] = first + i;
    }
    for (; bucket <= AUDIT_IDS_BUCKETS; bucket++) run->starts[bucket] = first + ids->count;
    const enum status status = hashes_write(ids, first, failure);
    ids->run_count++;
    ids->written += ids->count;
    ids->count = 0;
    return status;
}

enum status audit_ids_spill(struct audit_ids *ids, struct failure *failure)
{
    if (ids->capacity < ids->run_max) {
        room_make(ids, MIN(ids->run_max, MAX(CAPACITY_FIRST, 2 * ids->capacity)));
        return STATUS_OK;
    }
    return run_write(ids, failure);
}

// Reads the hashes of some buckets back from every run.
static enum status buckets_read(struct audit_ids *ids, u32 first, u32 end, struct failure *failure)
{
    u64 sum = 0;
    for (u32 i = 0; i < ids->run_count; i++) {
        sum += ids->runs[i].starts[end] - ids->runs[i].starts[first];
    }
    if (sum > ids->capacity) room_make(ids, sum);
    ids->count = 0;
    for (u32 i = 0; i < ids->run_count; i++) {
        const u64 from = ids->runs[i].starts[first] * sizeof *ids->hashes;
        const u64 to = ids->runs[i].starts[end] * sizeof *ids->hashes;
        for (u64 at = from; at < to;) {
            const ssize_t part = pread(ids->file, (u8 *)(ids->hashes + ids->count) + (at - from),
                                       to - at, (off_t)at);
            if (part < 0 && errno == EINTR) continue;
            if (part <= 0) {
                return failure_set_errno(failure, STATUS_IO, errno, "reading hashes of ids");
            }
            at += (u64)part;
        }
        ids->count += (to - from) / sizeof *ids->hashes;
    }
    return STATUS_OK;
}

// --- pairs ---------------------------------------------------------------------------------------

// Sorts what is in memory and adds what is there more than once.
static void pairs_find(struct audit_ids *ids, u64 suspects[AUDIT_SUSPECTS_MAX], u32 *found)
{
    hashes_sort(ids);
    for (u64 i = 1; i < ids->count && *found < AUDIT_SUSPECTS_MAX; i++) {
        const bool is_known = *found > 0 && suspects[*found - 1] == ids->hashes[i];
        if (ids->hashes[i] == ids->hashes[i - 1] && !is_known) {
            suspects[(*found)++] = ids->hashes[i];
        }
    }
}

enum status audit_ids_suspects(struct audit_ids *ids, u64 suspects[AUDIT_SUSPECTS_MAX], u32 *count,
                               struct failure *failure)
{
    *count = 0;
    if (ids->run_count == 0) {
        pairs_find(ids, suspects, count);
        ids->count = 0;
        return STATUS_OK;
    }
    enum status status = ids->count > 0 ? run_write(ids, failure) : STATUS_OK;
    // As many buckets at a time as fit; hashes are even, so half a run's worth will.
    u32 step = AUDIT_IDS_BUCKETS;
    while (step > 1 && ids->written * step / AUDIT_IDS_BUCKETS > ids->run_max / 2) step /= 2;
    for (u32 first = 0; first < AUDIT_IDS_BUCKETS && status == STATUS_OK; first += step) {
        status = buckets_read(ids, first, first + step, failure);
        if (status == STATUS_OK) pairs_find(ids, suspects, count);
    }
    ids->count = 0;
    return status;
}
