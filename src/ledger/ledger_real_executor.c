// SPDX-License-Identifier: Apache-2.0
//
// The real ledger as an executor.
#include "ledger/ledger_real_executor.h"

#include "ledger/ledger_ask.h"
#include "os/disk_memory.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX   LEDGER_BATCH_EVENTS_MAX
#define WAITING_MAX (HISTORY_LIVE_SEGMENTS_MAX - 2) // Ended and not sealed.

struct ledger_real {
    struct ledger_ask ask; // First.
    u64 seed;
    u32 rotate_every;
    struct random random;
    struct disk_memory disk;
    struct history history;
    struct ledger ledger;
    struct ledger_resolved resolved;
    u8 *log;
    u64 log_size;
    u64 log_capacity;
    u32 batches; // Since the segment began.
    struct ledger_real_counts counts;
};

static void must(const char *what, enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, status_name(status), failure->message);
    abort();
}

// --- the log -------------------------------------------------------------------------------------

static enum status log_read(void *context, u64 place, void *out, size_t size,
                            struct failure *failure)
{
    struct ledger_real *real = context;
    if (place + size > real->log_size) {
        return failure_set(failure, STATUS_CORRUPT, "place %llu is behind the log",
                           (unsigned long long)place);
    }
    real->counts.log_reads++;
    memcpy(out, real->log + place, size);
    return STATUS_OK;
}

static void log_hint(void *context, u64 place, size_t size)
{
    (void)context;
    (void)place;
    (void)size;
}

static u64 log_append(struct ledger_real *real, const void *data, u64 size)
{
    u64 place = real->log_size;
    if (place + size > real->log_capacity) {
        real->log_capacity = MAX(real->log_capacity * 2, place + size);
        real->log = realloc(real->log, real->log_capacity);
        if (real->log == NULL) abort();
    }
    memcpy(real->log + place, data, size);
    real->log_size += size;
    return place;
}

// --- life ----------------------------------------------------------------------------------------

static void real_start(struct ledger_real *real)
{
    struct failure failure;
    struct hash_key key;
    const struct ledger_limits limits = {.accounts_max = 1u << 20, .holds_max = 1u << 20};
    const struct history_log log = {
        .context = real, .read = log_read, .prefetch = log_hint, .advise = log_hint};
    random_init(&real->random, real->seed);
    for (u32 i = 0; i < ARRAY_COUNT(key.words); i++) key.words[i] = random_u64(&real->random);
    disk_memory_init(&real->disk, real->seed);
    must("history", history_init(&real->history, &real->disk.disk, &key, &log, &failure), &failure);
    must("ledger", ledger_init(&real->ledger, &limits, &real->history, &failure), &failure);
    must("history", history_start(&real->history, 0, &failure), &failure);
    real->log_size = 0;
    real->batches = 0;
}

static void real_stop(struct ledger_real *real)
{
    ledger_free(&real->ledger);
    history_free(&real->history);
    disk_memory_free(&real->disk);
}

struct ledger_real *ledger_real_new(u64 seed, u32 rotate_every)
{
    struct failure failure;
    struct ledger_real *real = calloc(1, sizeof *real);
    if (real == NULL) abort();
    real->seed = seed;
    real->rotate_every = rotate_every;
    real->resolved.items = calloc(BATCH_MAX, sizeof *real->resolved.items);
    if (real->resolved.items == NULL) abort();
    must("query", history_query_new(&real->ask.query, &failure), &failure);
    real->ask.ledger = &real->ledger;
    real->ask.history = &real->history;
    real_start(real);
    return real;
}

void ledger_real_free(struct ledger_real *real)
{
    real_stop(real);
    history_query_free(real->ask.query);
    free(real->resolved.items);
    free(real->log);
    free(real);
}

struct ledger_real_counts ledger_real_counts(const struct ledger_real *real)
{
    return real->counts;
}

const struct ledger *ledger_real_ledger(const struct ledger_real *real)
{
    return &real->ledger;
}

static void real_reset(void *context)
{
    real_stop(context);
    real_start(context);
}

// --- segments ------------------------------------------------------------------------------------

// The oldest segment that has ended and is not sealed, or NULL; `*count` is how many there are.
static struct history_segment *waiting_segment(struct ledger_real *real, u32 *count)
{
    struct history_segment *first = NULL;
    struct history_set *set = history_set_acquire(&real->history);
    *count = 0;
    for (u32 i = set->count; i-- > 0;) {
        struct history_segment *segment = set->segments[i];
        if (segment->sealed || segment == real->history.active) continue;
        first = segment;
        (*count)++;
    }
    history_set_release(&real->history, set);
    return first;
}

static void seal_down_to(struct ledger_real *real, u32 keep)
{
    struct failure failure;
    for (;;) {
        u32 count = 0;
        struct history_segment *segment = waiting_segment(real, &count);
        if (count <= keep) break;
        must("seal", history_seal(&real->history, segment, &failure), &failure);
        real->counts.sealed++;
    }
}

// Ends the segment when it is time, and does some of what is waiting.
static void segments_move(struct ledger_real *real)
{
    struct failure failure;
    real->counts.batches++;
    if (real->rotate_every == 0 || ++real->batches < real->rotate_every) return;
    if (real->history.active->live->row_count == 0) return;
    real->batches = 0;
    seal_down_to(real, WAITING_MAX - 1);
    history_rotate(&real->history);
    real->counts.rotated++;
    seal_down_to(real, (u32)random_below(&real->random, WAITING_MAX + 1));
    if (random_chance(&real->random, 30)) return;
    bool merged = false;
    must("merge", history_merge(&real->history, &merged, &failure), &failure);
    if (!merged) return;
    real->counts.merged++;
    history_discard(&real->history, history_retired(&real->history));
}

// --- batches -------------------------------------------------------------------------------------

// Indexes the rows from `first_row` on, whose events begin at `events`.
static void index_rows(struct ledger_real *real, u64 first_row, const void *events)
{
    const u16 resolving = TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING;
    struct history_segment *segment = real->history.active;
    const u8 *event = events;
    u32 next_resolved = 0;
    for (u64 row = first_row; row < real->history.next_row; row++) {
        u32 at = (u32)(row - segment->first_row);
        const struct outcome *outcome = &segment->live->rows[at];
        const void *record = NULL;
        u32 number = 0;
        if (outcome->kind == OUTCOME_TRANSFER || outcome->kind == OUTCOME_ACCOUNT) {
            record = event;
            event += sizeof(struct transfer);
        }
        if (outcome->kind == OUTCOME_TRANSFER) {
            if (outcome->result != OUTCOME_CREATED) {
                if (!ledger_result_is_transient(outcome->result)) record = NULL;
            } else {
                if (outcome->flags & resolving) {
                    record = &real->resolved.items[next_resolved++];
                }
                number = ledger_account(&real->ledger, outcome->debit_row)->ledger;
            }
        }
        history_index_row(&real->history, segment, at, record, number);
        real->counts.rows++;
    }
    assert(next_resolved == real->resolved.count);
}

static struct ledger_batch batch_begin(struct ledger_real *real, u64 timestamp, const void *events,
                                       u32 count, struct create_result *results)
{
    assert(count <= BATCH_MAX);
    real->resolved.count = 0;
    return (struct ledger_batch){
        .events = events,
        .count = count,
        .timestamp = timestamp,
        .place = log_append(real, events, count * sizeof(struct transfer)),
        .results = results,
        .resolved = &real->resolved,
    };
}

static void batch_run(struct ledger_real *real, const struct ledger_batch *batch,
                      enum status (*create)(struct ledger *, const struct ledger_batch *,
                                            struct failure *))
{
    struct failure failure;
    u64 first_row = real->history.next_row;
    must("a batch", create(&real->ledger, batch, &failure), &failure);
    index_rows(real, first_row, batch->events);
    segments_move(real);
}

static void real_create_accounts(void *context, u64 timestamp, const struct account *events,
                                 u32 count, struct create_result *results)
{
    const struct ledger_batch batch = batch_begin(context, timestamp, events, count, results);
    batch_run(context, &batch, ledger_create_accounts);
}

static void real_create_transfers(void *context, u64 timestamp, const struct transfer *events,
                                  u32 count, struct create_result *results)
{
    const struct ledger_batch batch = batch_begin(context, timestamp, events, count, results);
    batch_run(context, &batch, ledger_create_transfers);
}

static u32 real_expire(void *context, u64 now, u32 limit)
{
    struct ledger_real *real = context;
    real->resolved.count = 0;
    u64 first_row = real->history.next_row;
    u32 count = ledger_expire(&real->ledger, now, 0, limit);
    index_rows(real, first_row, NULL);
    segments_move(real);
    return count;
}

struct ledger_executor ledger_real_executor(struct ledger_real *real)
{
    struct ledger_executor executor = {
        .name = "real",
        .context = real,
        .reset = real_reset,
        .create_accounts = real_create_accounts,
        .create_transfers = real_create_transfers,
        .expire = real_expire,
    };
    ledger_ask_fill(&executor);
    return executor;
}
