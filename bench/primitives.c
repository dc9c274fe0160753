// SPDX-License-Identifier: Apache-2.0
//
// Measures the primitives of base, each beside a reference in the same run.
//
// Each row runs the subject and its reference in turn and takes the fastest run of each, so that
// a noisy neighbour slows neither alone; the ratio is what compares between machines. Rows over
// bytes print GB/s, others ns an item. TAEL_CPU (base/cpu.h) measures the slower paths. An argument
// keeps only the rows whose name begins with it.
#include "base/btree.h"
#include "base/checksum.h"
#include "base/filter.h"
#include "base/hash.h"
#include "base/index.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "ledger/ledger_cell.h"
#include "os/disk_memory.h"
#include "row.h"

#include <stdlib.h>
#include <time.h>

#if defined(BENCH_HAS_LIBCRYPTO)
#include <openssl/sha.h>
#endif

enum {
    BODY_SIZE = 1 << 20,
    ROW_COUNT = 8189,
    ROW_SIZE = 54,
    ROW_STRIDE = 64,
    SORT_COUNT = 524288,
    KEY_COUNT = 1 << 16,      // Hashes looked up a run.
    ACCOUNT_COUNT = 10000000, // Of the large index and the array beside it.
    ORDERED_COUNT = 1 << 20,  // Of the tree and what stands beside it.
    PLAN_COUNT = 2000,        // Postings of a run, each a plan.
    PLAN_ACCOUNTS = 256,      // That they take turns on, half of them in cells.
    CELL_COUNT = 8,           // That each of those is in.
    REPEAT_COUNT = 15,
};

static u8 body[BODY_SIZE + 64], copy[BODY_SIZE];
static struct digest digests[ROW_COUNT], chunk_digests[BODY_SIZE / 4096];
static u64 unsorted[SORT_COUNT], entries[SORT_COUNT], scratch[SORT_COUNT];
static u8 filter[SORT_COUNT * 2];
static u64 probes[KEY_COUNT];
static struct index index_large;
static struct index index_ordered;
static struct btree tree;
static u64 ordered[ORDERED_COUNT], sorted[ORDERED_COUNT]; // Keys by row; in their order.
static u64 *array_large;
static struct hash_key key;
static volatile u64 sink; // What keeps the compiler from dropping the work.

static u64 now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

static u64 random_next(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// Subjects and references. Each does its row's work once.

static void run_checksum(void)
{
    sink = (u64)checksum(body, BODY_SIZE);
}

static void run_checksum_header(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < 1000; i++) sum += (u64)checksum(body + i % 4 * 256, 256);
    sink = sum;
}

static void run_memcpy(void)
{
    memcpy(copy, body, BODY_SIZE);
    sink = copy[sink % BODY_SIZE];
}

static void run_memcpy_header(void)
{
    for (size_t i = 0; i < 1000; i++) {
        memcpy(copy + i % 4 * 256, body + i % 4 * 256, 256);
        __asm__ volatile("" : : : "memory");
    }
}

static void reference_sha256(const void *data, size_t size, struct digest *out)
{
#if defined(BENCH_HAS_LIBCRYPTO)
    (void)SHA256(data, size, out->bytes);
#else
    sha256(data, size, out);
#endif
}

static void run_sha256(void)
{
    sha256(body, BODY_SIZE, &digests[0]);
}

static void run_sha256_chunks(void)
{
    sha256_chunks(body, BODY_SIZE, 4096, chunk_digests);
}

static void run_sha256_chunks_few(void)
{
    sha256_chunks(body, BODY_SIZE, BODY_SIZE / 4, chunk_digests);
}

static void reference_sha256_body(void)
{
    reference_sha256(body, BODY_SIZE, &digests[0]);
}

static void run_leaves(void)
{
    merkle_leaves(body, ROW_SIZE, ROW_STRIDE, ROW_COUNT, digests);
}

static void reference_leaves(void)
{
    u8 message[1 + ROW_SIZE] = {0};
    for (size_t i = 0; i < ROW_COUNT; i++) {
        memcpy(message + 1, body + i * ROW_STRIDE, ROW_SIZE);
        reference_sha256(message, sizeof message, &digests[i]);
    }
}

static void run_tree(void)
{
    struct digest root;
    merkle_leaves(body, ROW_SIZE, ROW_STRIDE, ROW_COUNT, digests);
    merkle_root(digests, ROW_COUNT, &root);
    sink = root.bytes[0];
}

static void reference_tree(void)
{
    reference_leaves();
    u8 message[1 + 2 * sizeof(struct digest)] = {1};
    for (size_t count = ROW_COUNT; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i < count / 2; i++) {
            memcpy(message + 1, &digests[2 * i], 2 * sizeof(struct digest));
            reference_sha256(message, sizeof message, &digests[i]);
        }
        if (count % 2 == 1) digests[count / 2] = digests[count - 1];
    }
    sink = digests[0].bytes[0];
}

static void run_hash(void)
{
    u64 sum = 0;
    for (u64 i = 0; i < KEY_COUNT; i++) sum += hash_u128(&key, i);
    sink = sum;
}

static void run_hash_chained(void)
{
    u64 hash = 0;
    for (u64 i = 0; i < KEY_COUNT; i++) hash = hash_u128(&key, hash);
    sink = hash;
}

// splitmix64's finisher: two multiplications of 64 bits, no key.
static u64 mix(u64 value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static void reference_hash(void)
{
    u64 sum = 0;
    for (u64 i = 0; i < KEY_COUNT; i++) sum += mix(i);
    sink = sum;
}

static void reference_hash_chained(void)
{
    u64 hash = 1;
    for (u64 i = 0; i < KEY_COUNT; i++) hash = mix(hash + 1);
    sink = hash;
}

static void run_filter_has(void)
{
    u64 found = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) found += filter_has(filter, sizeof filter, probes[i]);
    sink = found;
}

static void run_filter_add(void)
{
    for (size_t i = 0; i < KEY_COUNT; i++) filter_add(filter, sizeof filter, probes[i]);
}

// One load of the same memory for each probe.
static void reference_filter(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        sum += load_u64(filter + filter_block(sizeof filter, probes[i]));
    }
    sink = sum;
}

static void run_sort(void)
{
    memcpy(entries, unsorted, sizeof entries);
    sort_u64_by_high32(entries, scratch, SORT_COUNT);
}

static int order_high32(const void *a, const void *b)
{
    const u64 x = load_u64(a) >> 32, y = load_u64(b) >> 32;
    return (x > y) - (x < y);
}

static void reference_sort(void)
{
    memcpy(entries, unsorted, sizeof entries);
    qsort(entries, SORT_COUNT, sizeof *entries, order_high32);
}

enum { AHEAD = 16 };

static void run_index_look_up(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        index_prefetch(&index_large, probes[(i + AHEAD) % KEY_COUNT]);
        struct index_cursor cursor;
        sum += index_first(&index_large, probes[i], &cursor);
    }
    sink = sum;
}

// An array as large, one prefetched load for each probe: the floor of any index.
static void reference_index_look_up(void)
{
    u64 sum = 0;
    const u64 count = index_large.table.home_count;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const u64 ahead = probes[(i + AHEAD) % KEY_COUNT];
        __builtin_prefetch(&array_large[(u128)ahead * count >> 64]);
        sum += array_large[(u128)probes[i] * count >> 64];
    }
    sink = sum;
}

static void run_index_build(void)
{
    struct index index;
    struct failure failure;
    if (index_init(&index, 0, &failure) != STATUS_OK) abort();
    for (u32 row = 0; row < SORT_COUNT; row++) {
        if (index_insert(&index, hash_u128(&key, row), row, &failure) != STATUS_OK) abort();
    }
    sink = index.count;
    index_free(&index);
}

static void run_index_build_hinted(void)
{
    struct index index;
    struct failure failure;
    if (index_init(&index, SORT_COUNT, &failure) != STATUS_OK) abort();
    for (u32 row = 0; row < SORT_COUNT; row++) {
        if (index_insert(&index, hash_u128(&key, row), row, &failure) != STATUS_OK) abort();
    }
    sink = index.count;
    index_free(&index);
}

static u64 ordered_head(const void *record)
{
    return load_u64(record);
}

static const struct btree_order ordered_order = {.head = ordered_head};

static void run_btree_look_up(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        sum += btree_find(&tree, &ordered[probes[i] % ORDERED_COUNT]);
    }
    sink = sum;
}

static void reference_sorted_look_up(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const u64 wanted = ordered[probes[i] % ORDERED_COUNT];
        u32 low = 0;
        for (u32 high = ORDERED_COUNT; low < high;) {
            const u32 middle = (low + high) / 2;
            if (sorted[middle] < wanted) low = middle + 1;
            else high = middle;
        }
        sum += low;
    }
    sink = sum;
}

// The keyed hash of the same keys, without looking ahead; it knows no order.
static void reference_keyed_look_up(void)
{
    u64 sum = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct index_cursor cursor;
        const u64 wanted = ordered[probes[i] % ORDERED_COUNT];
        sum += index_first(&index_ordered, hash_u128(&key, wanted), &cursor);
    }
    sink = sum;
}

static void btree_build(struct btree *out, const u64 *keys)
{
    struct failure failure;
    if (btree_init(out, &ordered_order, keys, sizeof *keys, ORDERED_COUNT, &failure) != STATUS_OK) {
        abort();
    }
    for (u32 row = 0; row < ORDERED_COUNT; row++) btree_insert(out, row);
}

static void run_btree_build(void)
{
    struct btree built;
    btree_build(&built, ordered);
    sink = built.count;
    btree_free(&built);
}

static void run_btree_build_ascending(void)
{
    struct btree built;
    btree_build(&built, sorted);
    sink = built.count;
    btree_free(&built);
}

static void reference_index_ordered_build(void)
{
    struct index index;
    struct failure failure;
    if (index_init(&index, 0, &failure) != STATUS_OK) abort();
    for (u32 row = 0; row < ORDERED_COUNT; row++) {
        if (index_insert(&index, hash_u128(&key, ordered[row]), row, &failure) != STATUS_OK) {
            abort();
        }
    }
    sink = index.count;
    index_free(&index);
}

static void run_btree_walk(void)
{
    u64 sum = 0;
    struct btree_cursor cursor = btree_first(&tree);
    for (u32 row = 0; (row = btree_row(&tree, cursor)) != BTREE_ROW_NONE;
         btree_next(&tree, &cursor)) {
        sum += row;
    }
    sink = sum;
}

static void reference_sorted_walk(void)
{
    u64 sum = 0;
    for (u32 i = 0; i < ORDERED_COUNT; i++) sum += sorted[i];
    sink = sum;
}

// A ledger with accounts of a module, half of them in CELL_COUNT cells, each of which is in one
// constraint. A posting touches two accounts, and so each of the cells twice.
static struct disk_memory disk;
static struct history history;
static struct ledger ledger;
static u64 ledger_now;
static u128 ledger_id;

static enum status log_read(void *context, u64 place, void *out, size_t size,
                            struct failure *failure)
{
    (void)context;
    (void)place;
    (void)failure;
    memset(out, 0, size);
    return STATUS_OK;
}

static void log_hint(void *context, u64 place, size_t size)
{
    (void)context;
    (void)place;
    (void)size;
}

static void change_do(const struct ledger_change *change)
{
    struct ledger_refusal refusal;
    struct failure failure;
    if (ledger_change_apply(&ledger, change, false, ++ledger_now, &refusal, &failure)) abort();
}

static void ledger_set_up(void)
{
    const struct ledger_limits limits = {.accounts_max = PLAN_ACCOUNTS, .holds_max = 64};
    const struct history_log log = {.read = log_read, .prefetch = log_hint, .advise = log_hint};
    static struct account accounts[PLAN_ACCOUNTS];
    static struct create_result results[PLAN_ACCOUNTS];
    struct failure failure;
    disk_memory_init(&disk, 1);
    if (history_init(&history, &disk.disk, &key, &log, &failure) ||
        ledger_init(&ledger, &limits, &history, &failure) || history_start(&history, 0, &failure)) {
        abort();
    }
    for (u32 i = 0; i < PLAN_ACCOUNTS; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 7, .code = 1};
    }
    ledger_now = PLAN_ACCOUNTS;
    const struct ledger_batch batch = {.events = accounts,
                                       .count = PLAN_ACCOUNTS,
                                       .timestamp = ledger_now,
                                       .results = results,
                                       .owner_class = 3};
    if (ledger_create_accounts(&ledger, &batch, &failure)) abort();
    for (u32 cell = 0; cell < CELL_COUNT; cell++) {
        change_do(&(struct ledger_change){.kind = LEDGER_CHANGE_CELL_OPEN, .number = cell + 1});
        change_do(&(struct ledger_change){.kind = LEDGER_CHANGE_CONSTRAINT_OPEN,
                                          .number = cell + 1,
                                          .term_count = 1,
                                          .terms = {{.coefficient = 1, .cell = cell}}});
        for (u32 row = 0; row < PLAN_ACCOUNTS / 2; row++) {
            change_do(&(struct ledger_change){
                .kind = LEDGER_CHANGE_CELL_ADD, .cell = cell, .account_row = row});
        }
    }
}

// Plans of one posting each between accounts from `first` on.
static void plans_post(u32 first)
{
    struct transfer resolved;
    struct ledger_resolved none = {.items = &resolved};
    struct ledger_refusal refusal;
    struct create_result result = {0};
    struct failure failure;
    if (!history_active_has_room(&history)) { // What was before is of no use any more.
        ledger_free(&ledger);
        history_free(&history);
        disk_memory_free(&disk);
        ledger_set_up();
    }
    for (u32 i = 0; i < PLAN_COUNT; i++) {
        const struct ledger_rows rows = {.debit = first + i % (PLAN_ACCOUNTS / 2),
                                         .credit = first + (i + 1) % (PLAN_ACCOUNTS / 2)};
        const struct transfer transfer = {
            .id = ++ledger_id,
            .debit_account_id = rows.debit + 1,
            .credit_account_id = rows.credit + 1,
            .amount = 1,
            .ledger = 7,
            .code = 1,
        };
        const struct ledger_batch batch = {.events = &transfer,
                                           .count = 1,
                                           .timestamp = ++ledger_now,
                                           .results = &result,
                                           .resolved = &none,
                                           .owner_class = 3,
                                           .rows = &rows,
                                           .refusal = &refusal};
        if (ledger_create_transfers(&ledger, &batch, &failure)) abort();
        sink = result.status;
    }
}

static void run_plans_with_cells(void)
{
    plans_post(0);
}

static void reference_plans(void)
{
    plans_post(PLAN_ACCOUNTS / 2);
}

struct row {
    const char *name;
    u64 size;  // Bytes a run, for rows in GB/s; else 0.
    u64 count; // Items a run, for rows in ns.
    void (*subject)(void);
    const char *reference_name;
    void (*reference)(void);
};

#define CELLS_ROW "posting, 16 touched cells"

static const struct row rows[] = {
    {"checksum, 1 MiB", BODY_SIZE, 0, run_checksum, "memcpy", run_memcpy},
    {"checksum, 256 bytes", 0, 1000, run_checksum_header, "memcpy", run_memcpy_header},
    {"sha256, 1 MiB", BODY_SIZE, 0, run_sha256, "OpenSSL", reference_sha256_body},
    {"sha256 chunks, 4 KiB", BODY_SIZE, 0, run_sha256_chunks, "OpenSSL", reference_sha256_body},
    {"sha256 chunks, 4 in all", BODY_SIZE, 0, run_sha256_chunks_few, "OpenSSL",
     reference_sha256_body},
    {"merkle leaves", 0, ROW_COUNT, run_leaves, "OpenSSL", reference_leaves},
    {"merkle leaves and root", 0, ROW_COUNT, run_tree, "OpenSSL", reference_tree},
    {"hash, independent", 0, KEY_COUNT, run_hash, "splitmix64", reference_hash},
    {"hash, chained", 0, KEY_COUNT, run_hash_chained, "splitmix64", reference_hash_chained},
    {"filter has", 0, KEY_COUNT, run_filter_has, "one load", reference_filter},
    {"filter add", 0, KEY_COUNT, run_filter_add, "one load", reference_filter},
    {"sort, 524,288", 0, SORT_COUNT, run_sort, "qsort", reference_sort},
    {"index look-up of 10 million", 0, KEY_COUNT, run_index_look_up, "one load",
     reference_index_look_up},
    {"index insert, growing", 0, SORT_COUNT, run_index_build, "sized at first",
     run_index_build_hinted},
    {"btree look-up of 1 million", 0, KEY_COUNT, run_btree_look_up, "sorted array",
     reference_sorted_look_up},
    {"btree look-up, beside hash", 0, KEY_COUNT, run_btree_look_up, "keyed hash",
     reference_keyed_look_up},
    {"btree insert, random", 0, ORDERED_COUNT, run_btree_build, "keyed hash",
     reference_index_ordered_build},
    {"btree insert, ascending", 0, ORDERED_COUNT, run_btree_build_ascending, "keyed hash",
     reference_index_ordered_build},
    {"btree walk", 0, ORDERED_COUNT, run_btree_walk, "array", reference_sorted_walk},
    {CELLS_ROW, 0, PLAN_COUNT, run_plans_with_cells, "posting without cells", reference_plans},
};

static u64 time_of(void (*run)(void))
{
    const u64 begin = now_ns();
    run();
    return now_ns() - begin;
}

static void row_print(const struct row *row)
{
    u64 subject_ns = U64_MAX, reference_ns = U64_MAX;
    for (unsigned i = 0; i < REPEAT_COUNT; i++) {
        const u64 subject = time_of(row->subject), reference = time_of(row->reference);
        subject_ns = MIN(subject_ns, subject);
        reference_ns = MIN(reference_ns, reference);
    }
    double subject = (double)subject_ns, reference = (double)reference_ns;
    if (row->size != 0) {
        subject = (double)row->size / subject;
        reference = (double)row->size / reference;
    } else {
        subject /= (double)row->count;
        reference /= (double)row->count;
    }
    const struct bench_row printed = {.name = row->name,
                                      .value = subject,
                                      .unit = row->size != 0 ? "GB/s" : "ns",
                                      .reference_name = row->reference_name,
                                      .reference = reference};
    bench_row_print(&printed);
    if (strcmp(row->name, CELLS_ROW) != 0) return;
    struct bench_row cell = printed;
    cell.name = "a touched cell";
    cell.value = (subject - reference) / (2 * CELL_COUNT);
    bench_row_print(&cell);
}

static int order_u64(const void *a, const void *b)
{
    const u64 x = load_u64(a), y = load_u64(b);
    return (x > y) - (x < y);
}

static void set_up_ordered(u64 *random)
{
    struct failure failure;
    if (index_init(&index_ordered, ORDERED_COUNT, &failure) != STATUS_OK) abort();
    for (u32 row = 0; row < ORDERED_COUNT; row++) {
        ordered[row] = random_next(random);
        const u64 hash = hash_u128(&key, ordered[row]);
        if (index_insert(&index_ordered, hash, row, &failure) != STATUS_OK) abort();
    }
    memcpy(sorted, ordered, sizeof sorted);
    qsort(sorted, ORDERED_COUNT, sizeof *sorted, order_u64);
    btree_build(&tree, ordered);
}

static void set_up(void)
{
    u64 random = 88172645463325252u;
    for (size_t i = 0; i < 4; i++) key.words[i] = random_next(&random);
    for (size_t i = 0; i < sizeof body; i++) body[i] = (u8)random_next(&random);
    for (u32 i = 0; i < SORT_COUNT; i++) {
        unsorted[i] = random_next(&random) >> 32 << 32 | i;
        filter_add(filter, sizeof filter, random_next(&random));
    }
    struct failure failure;
    if (index_init(&index_large, ACCOUNT_COUNT, &failure) != STATUS_OK) abort();
    for (u32 row = 0; row < ACCOUNT_COUNT; row++) {
        if (index_insert(&index_large, hash_u128(&key, row), row, &failure) != STATUS_OK) abort();
    }
    ledger_set_up();
    struct index array; // An index is the simplest way to huge pages; only its memory is used.
    if (index_init(&array, ACCOUNT_COUNT, &failure) != STATUS_OK) abort();
    array_large = array.table.slots;
    memset(array_large, 1, (size_t)array.table.home_count * sizeof *array_large);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        probes[i] = hash_u128(&key, random_next(&random) % ACCOUNT_COUNT);
    }
    set_up_ordered(&random);
}

int main(int argument_count, char **arguments)
{
    const char *wanted = argument_count > 1 ? arguments[1] : "";
    set_up();
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (strncmp(rows[i].name, wanted, strlen(wanted)) == 0) row_print(&rows[i]);
    }
    return 0;
}
