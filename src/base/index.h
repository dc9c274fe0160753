// SPDX-License-Identifier: Apache-2.0
//
// A hash index from 64-bit hashes to 32-bit rows that grows without a pause.
//
// It holds (hash, row) pairs, no keys: a look-up iterates the rows whose hash agrees with the one
// asked for in its high 32 bits, and the caller compares keys by the row. Hashes must come from a
// secret key (base/hash.h), or clients can make clusters.
//
// Layout. A slot is 8 bytes: above, the hash's high 32 bits (the tag); below, the row plus one.
// Zero is the empty slot. A table has 2^(32 - shift) homes, and an entry's home is tag >> shift;
// it lies there or after (linear probing). There is no wrap: spare slots follow the last home.
//
//   I1  Entries ascend over the whole table, compared as 64-bit numbers.
//   I2  No entry lies before its home, and no slot between its home and it is empty.
//   I3  While migrating, entries whose tag is below `frontier` are in the new table and all
//       others in the old one, where slots with tags below it are stale copies. Else `frontier`
//       is above all tags.
//   I4  The last spare slot is empty, so every scan ends.
//
// I1 and I2 make the layout a function of the set of entries alone, whatever was inserted and
// removed before: probes are as short after years of churn as in a fresh table. They also make
// growth a sequential sweep: each insert moves the entries of a few homes, in order, from the old
// table to its double, and a look-up needs one table only, by comparing its tag with `frontier`.
//
// Memory is mapped unreserved with huge pages advised; what the sweep has passed is given back as
// it goes. A table never shrinks. Not safe for concurrent writers, nor readers beside a writer.
//
// Cost: a look-up is one cache miss and a comparison of eight slots, 5 to 6 ns among 10 million
// entries if prefetched; an insert 11 ns, or 27 ns on average with all growth. At the limit of
// 3/4 it moves about 8 slots within a cluster, and while migrating the entries of
// INDEX_SWEEP_HOMES homes besides: 12 on average, 33 at the worst among 10 million. The kernel
// clears a huge page (100 us or more) with every 8,000th of those.
#ifndef TAEL_BASE_INDEX_H
#define TAEL_BASE_INDEX_H

#include "base/base.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define INDEX_ROW_MAX   (U32_MAX - 1)
#define INDEX_HOMES_MIN ((u64)1 << 9)
#define INDEX_HOMES_MAX ((u64)1 << 32)

enum {
    INDEX_SPARE_SLOTS = 4096,
    INDEX_SWEEP_HOMES = 16, // That one insert migrates.
};

struct index_table {
    u64 *slots;     // home_count + INDEX_SPARE_SLOTS; NULL if there is no table.
    u64 home_count; // A power of two.
    u32 shift;      // From a tag to its home.
};

// Caller-owned. The fields are for the inline functions below and for tests; only read them.
struct index {
    struct index_table table; // While migrating the new one.
    struct index_table old;   // While migrating; else without slots.
    u64 frontier;             // See I3; a tag, or 2^32.
    u64 count;                // Entries.
    u64 released_size;        // Bytes of the old table given back.
    u32 moved_last;           // Entries migrated by the last insert, and by the worst so far.
    u32 moved_max;
};

// Where an iteration stands. Invalid after any insert or remove.
struct index_cursor {
    const u64 *slot;
    u32 tag;
};

// Makes an empty index that takes `capacity_hint` entries before it grows. STATUS_FULL if there
// is no address space, or the hint is beyond what the largest table takes (3/4 of 2^32); then
// nothing is held.
MUST_USE enum status index_init(struct index *index, u64 capacity_hint, struct failure *failure);
// Gives the memory back. The index may be initialised again.
void index_free(struct index *index);

// Inserts a pair. The same pair must not be in the index (asserted); other rows with the same
// hash may. `row` is at most INDEX_ROW_MAX. STATUS_FULL if the index must grow and cannot, or if
// more hashes are equal than a secret key explains; then the set of entries is as before.
MUST_USE enum status index_insert(struct index *index, u64 hash, u32 row, struct failure *failure);
// Removes a pair, which must be in the index (asserted).
void index_remove(struct index *index, u64 hash, u32 row);

// The part of a hash that a slot keeps beside the row.
static inline u32 index_tag(u64 hash)
{
    return (u32)(hash >> 32);
}

// The table that holds all entries with this tag (I3).
static inline const struct index_table *index_table_of(const struct index *index, u32 tag)
{
    return LIKELY(tag < index->frontier) ? &index->table : &index->old;
}

// Asks for the cache line where a look-up of `hash` begins.
static inline void index_prefetch(const struct index *index, u64 hash)
{
    const struct index_table *table = index_table_of(index, index_tag(hash));
    __builtin_prefetch(&table->slots[index_tag(hash) >> table->shift]);
}

// The next row plus one whose hash agrees in the tag, or 0 if there is none; after 0 the cursor
// must not be used.
static inline u32 index_next(struct index_cursor *cursor)
{
    const u64 wanted = (u64)cursor->tag << 32;
    u64 entry = *cursor->slot++;
    while (entry != 0 && entry < wanted) entry = *cursor->slot++;
    return entry >> 32 == cursor->tag ? (u32)entry : 0;
}

#if defined(__SSE2__)

enum { INDEX_WINDOW_SLOTS = 8 };

// Bit i is set if the tag of slot[i] is `tag`, for four slots.
static inline unsigned index_match_4(const u64 *slot, __m128i tags)
{
    const __m128 low = _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)slot));
    const __m128 high =
        _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)(const void *)(slot + 2)));
    const __m128i found = _mm_castps_si128(_mm_shuffle_ps(low, high, 0xdd));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(found, tags)));
}

// Moves the cursor to the first slot with its tag, if that is among the next eight, else to the
// last of them. Displacements vary so much that a loop ends with a branch mispredicted; eight
// comparisons at once do not. An empty slot matches tag 0, but only behind the entries that have
// it.
static inline void index_skip(struct index_cursor *cursor)
{
    const __m128i tags = _mm_set1_epi32((int)cursor->tag);
    const unsigned matches =
        index_match_4(cursor->slot, tags) | index_match_4(cursor->slot + 4, tags) << 4;
    cursor->slot +=
        LIKELY(matches != 0) ? (unsigned)__builtin_ctz(matches) : INDEX_WINDOW_SLOTS - 1u;
}

#else

// Without vectors the look-up does this itself, slot by slot.
static inline void index_skip(struct index_cursor *cursor)
{
    (void)cursor;
}

#endif

// As index_next for the first such row; begins the iteration.
static inline u32 index_first(const struct index *index, u64 hash, struct index_cursor *cursor)
{
    const u32 tag = index_tag(hash);
    const struct index_table *table = index_table_of(index, tag);
    *cursor = (struct index_cursor){.slot = &table->slots[tag >> table->shift], .tag = tag};
    index_skip(cursor);
    return index_next(cursor);
}

#endif
