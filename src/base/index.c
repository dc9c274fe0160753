// SPDX-License-Identifier: Apache-2.0
//
// Inserting, removing and growing of the hash index. The layout and its invariants I1 to I4 are
// in index.h.
//
// Growing never looks at keys: the tag in the slot gives the home in any table. Entries with
// equal homes move together, so `frontier` is always the first tag of a home of the old table.
#include "base/index.h"

#include <errno.h>
#include <sys/mman.h>

#define FRONTIER_NONE  ((u64)1 << 32)
#define HUGE_PAGE_SIZE (2 * MIB)
#define RELEASE_SIZE   (2 * MIB) // What the sweep gives back at a time.

static u64 entry_of(u64 hash, u32 row)
{
    assert(row <= INDEX_ROW_MAX);
    return (u64)index_tag(hash) << 32 | (row + 1);
}

static u64 home_of(const struct index_table *table, u64 entry)
{
    return entry >> 32 >> table->shift;
}

static u64 limit_of(const struct index_table *table)
{
    return table->home_count / 4 * 3;
}

static size_t table_size(const struct index_table *table)
{
    return (size_t)(table->home_count + INDEX_SPARE_SLOTS) * sizeof(u64);
}

// I4: this slot stays empty.
static const u64 *table_last(const struct index_table *table)
{
    return &table->slots[table->home_count + INDEX_SPARE_SLOTS - 1];
}

static enum status table_map(struct index_table *table, u64 home_count, struct failure *failure)
{
    assert((home_count & (home_count - 1)) == 0);
    assert(home_count >= INDEX_HOMES_MIN && home_count <= INDEX_HOMES_MAX);
    table->home_count = home_count;
    table->shift = 32 - (u32)__builtin_ctzll(home_count);
    const size_t size = table_size(table);
    const size_t slack = size >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : 0;
    u8 *begin = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) {
        const int error_number = errno;
        table->slots = NULL;
        const enum status status = failure_set_errno(failure, STATUS_FULL, error_number,
                                                     "mapping an index of %zu bytes", size);
        failure_hint(failure, "Raise the limit on address space (ulimit -v) or add memory.");
        return status;
    }
    // Begin at a huge page, and unmap what is left over on both sides.
    const size_t before = slack == 0 ? 0 : (size_t)(-(uintptr_t)begin % HUGE_PAGE_SIZE);
    const size_t after = slack - before;
    const size_t mapped = (size_t)align_up(size, PAGE_SIZE);
    if (before != 0) (void)munmap(begin, before);
    if (after != 0) (void)munmap(begin + before + mapped, after);
    table->slots = (u64 *)(void *)(begin + before);
    if (slack != 0) (void)madvise(table->slots, size, MADV_HUGEPAGE); // Advice only.
    return STATUS_OK;
}

static void table_unmap(struct index_table *table)
{
    if (table->slots != NULL) (void)munmap(table->slots, table_size(table));
    *table = (struct index_table){0};
}

enum status index_init(struct index *index, u64 capacity_hint, struct failure *failure)
{
    *index = (struct index){.frontier = FRONTIER_NONE};
    if (capacity_hint > INDEX_HOMES_MAX / 4 * 3) {
        return failure_set(failure, STATUS_FULL, "an index of %llu entries is beyond the maximum",
                           (unsigned long long)capacity_hint);
    }
    u64 home_count = INDEX_HOMES_MIN;
    while (home_count / 4 * 3 < capacity_hint) home_count *= 2;
    return table_map(&index->table, home_count, failure);
}

void index_free(struct index *index)
{
    table_unmap(&index->table);
    table_unmap(&index->old);
    *index = (struct index){0};
}

// The first slot from the entry's home on that is empty or not below it (I1, I2).
static u64 *slot_find(const struct index_table *table, u64 entry)
{
    u64 *slot = &table->slots[home_of(table, entry)];
    while (*slot != 0 && *slot < entry) slot++;
    return slot;
}

// Puts the entry in its place, moving larger ones of its cluster up. False if the cluster has
// reached the end of the spare slots; then nothing changed.
static bool table_insert(struct index_table *table, u64 entry)
{
    u64 *slot = slot_find(table, entry);
    assert(*slot != entry);
    u64 *empty = slot;
    while (*empty != 0) empty++;
    if (!expect(empty != table_last(table))) return false;
    memmove(slot + 1, slot, (size_t)(empty - slot) * sizeof *slot);
    *slot = entry;
    return true;
}

// Takes the entry out and moves those behind it that are not at home down by one (I2).
static void table_remove(struct index_table *table, u64 entry)
{
    u64 *slot = slot_find(table, entry);
    assert(*slot == entry);
    u64 *after = slot + 1;
    while (*after != 0 && home_of(table, *after) < (u64)(after - table->slots)) after++;
    memmove(slot, slot + 1, (size_t)(after - slot - 1) * sizeof *slot);
    after[-1] = 0;
}

static bool is_migrating(const struct index *index)
{
    return index->old.slots != NULL;
}

static enum status growth_begin(struct index *index, struct failure *failure)
{
    assert(!is_migrating(index));
    const u64 home_count = index->table.home_count;
    if (home_count == INDEX_HOMES_MAX) {
        return failure_set(failure, STATUS_FULL, "the index has its maximum of %llu entries",
                           (unsigned long long)index->count);
    }
    struct index_table table;
    const enum status status = table_map(&table, 2 * home_count, failure);
    if (status != STATUS_OK) return status;
    index->old = index->table;
    index->table = table;
    index->frontier = 0;
    index->released_size = 0;
    return STATUS_OK;
}

// Appends the entries in the slots [from, end) of the old table to the new one; all are above
// those that it has (I1), and `next` is where the first may go at the earliest. Returns their
// number. Whether a slot is empty cannot be foreseen, so the loop does not ask: it writes the
// zero where the next entry will be.
static u32 entries_move(struct index_table *to, u64 *next, const u64 *from, const u64 *end)
{
    u32 count = 0;
    for (; from < end; from++) {
        const u64 entry = *from;
        u64 *home = &to->slots[home_of(to, entry)];
        u64 *slot = MAX(next, home);
        assert(*slot == 0);
        *slot = entry;
        next = slot + (entry != 0);
        count += entry != 0;
    }
    return count;
}

// Gives back the old table's memory below the first home that is still read.
static void old_release(struct index *index, u64 home)
{
    const u64 passed_size = home * sizeof(u64) / RELEASE_SIZE * RELEASE_SIZE;
    if (passed_size <= index->released_size) return;
    u8 *begin = (u8 *)index->old.slots + index->released_size;
    (void)madvise(begin, (size_t)(passed_size - index->released_size), MADV_DONTNEED);
    index->released_size = passed_size;
}

// Moves the next homes of the old table to the new one, and ends the migration after the last.
// Does nothing if the new table may have no room at its end: only equal hashes get there.
static void growth_sweep(struct index *index)
{
    struct index_table *old = &index->old;
    const u64 home = index->frontier >> old->shift;
    const u64 home_end = MIN(home + INDEX_SWEEP_HOMES, old->home_count);
    const u64 *begin = &old->slots[home];
    while (*begin != 0 && *begin >> 32 < index->frontier) begin++; // Stale copies (I3).
    const u64 *end = MAX(begin, (const u64 *)&old->slots[home_end]);
    while (*end != 0 && home_of(old, *end) < home_end) end++;

    // A home of the old table is two of the new one.
    struct index_table *table = &index->table;
    u64 *next = &table->slots[2 * home];
    while (*next != 0) next++;
    const u64 *home_last = &table->slots[2 * home_end];
    if (!expect(MAX((const u64 *)next, home_last) + (end - begin) <= table_last(table))) return;
    index->moved_last = entries_move(table, next, begin, end);
    index->moved_max = MAX(index->moved_max, index->moved_last);
    index->frontier = home_end << old->shift;
    if (home_end == old->home_count) {
        table_unmap(old);
        assert(index->frontier == FRONTIER_NONE);
    } else {
        old_release(index, home_end);
    }
}

enum status index_insert(struct index *index, u64 hash, u32 row, struct failure *failure)
{
    const u64 entry = entry_of(hash, row);
    index->moved_last = 0;
    if (UNLIKELY(index->count >= limit_of(&index->table)) && !is_migrating(index)) {
        const enum status status = growth_begin(index, failure);
        if (status != STATUS_OK) return status;
    }
    if (UNLIKELY(is_migrating(index))) growth_sweep(index);
    struct index_table *table = entry >> 32 < index->frontier ? &index->table : &index->old;
    if (!expect(index->count < limit_of(&index->table)) || !expect(table_insert(table, entry))) {
        const enum status status =
            failure_set(failure, STATUS_FULL, "too many equal hashes among %llu in the index",
                        (unsigned long long)index->count);
        failure_hint(failure, "The hash key is not random, or it is known to a client.");
        return status;
    }
    index->count++;
    return STATUS_OK;
}

void index_remove(struct index *index, u64 hash, u32 row)
{
    const u64 entry = entry_of(hash, row);
    assert(index->count > 0);
    table_remove(entry >> 32 < index->frontier ? &index->table : &index->old, entry);
    index->count--;
}
