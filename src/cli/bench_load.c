// SPDX-License-Identifier: Apache-2.0
//
// The load: what is sent, and the loop over the clients that send it.
#include "cli/bench_internal.h"

#include "base/checksum.h"
#include "codec/number.h"
#include "ledger/ledger_schema.h"

#include <stdio.h>
#include <stdlib.h>

// A server that is silent for longer has failed.
static const u64 answer_timeout_ns = 120 * NS_PER_S;
static const u64 connect_timeout_ns = 10 * NS_PER_S;
static const u64 tick_ns = 100 * NS_PER_MS;

// --- Content ---

// The output function of splitmix64: neighbouring inputs give unrelated outputs.
static u64 mix(u64 value)
{
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

static u64 below(u64 random, u64 bound)
{
    return (u64)(((u128)random * bound) >> 64);
}

static u128 transfer_id(const struct bench_content *content, u64 index)
{
    const u64 low = mix(content->seed ^ mix(index));
    const u64 high = content->is_random_ids ? mix(low) : content->id_base + index;
    const u128 id = (u128)high << 64 | low;
    return id == 0 || id == U128_MAX ? 1 : id;
}

void bench_transfer(const struct bench_content *content, u64 index, struct transfer *out)
{
    u64 random = mix(content->seed + 1) ^ index * 0xd1342543de82ef95ull;
    const u64 debit = below(mix(random + 1), content->accounts);
    u64 credit = below(mix(random + 2), content->accounts - 1);
    credit += credit >= debit;
    const u64 words[3] = {mix(random + 3), mix(random + 4), mix(random + 5)};
    *out = (struct transfer){
        .id = transfer_id(content, index),
        .debit_account_id = 1 + debit,
        .credit_account_id = 1 + credit,
        .amount = 1 + below(mix(random + 6), 10000),
        .user_data_128 = (u128)words[0] << 64 | words[1],
        .user_data_64 = words[2],
        .user_data_32 = (u32)(words[0] ^ words[2] >> 32),
        .ledger = BENCH_LEDGER,
        .code = (u16)(1 + (u16)words[1] % 8),
    };
    if (!content->is_two_phase) return;
    if (bench_is_verbatim(content, index)) {
        out->flags = TRANSFER_PENDING;
        out->timeout = 3600;
        return;
    }
    // Accounts, ledger and code are those of the pending transfer when they are not given.
    out->flags = TRANSFER_POST_PENDING;
    out->pending_id = transfer_id(content, index - content->batch);
    out->amount = U128_MAX;
    out->debit_account_id = out->credit_account_id = 0;
    out->ledger = 0;
    out->code = 0;
}

void bench_account(u64 index, struct account *out)
{
    *out = (struct account){
        .id = 1 + index,
        .user_data_64 = mix(index),
        .ledger = BENCH_LEDGER,
        .code = 1,
    };
}

// --- Latencies ---

void bench_latencies_add(struct bench_latencies *latencies, u64 ns)
{
    if (latencies->count == latencies->capacity) {
        latencies->capacity = latencies->capacity * 2 + 4096;
        latencies->values =
            realloc(latencies->values, latencies->capacity * sizeof *latencies->values);
        assert(latencies->values != NULL);
    }
    latencies->values[latencies->count++] = (u32)MIN(ns / 100, U32_MAX);
}

void bench_latencies_free(struct bench_latencies *latencies)
{
    free(latencies->values);
    *latencies = (struct bench_latencies){0};
}

static int values_compare(const void *a, const void *b)
{
    const u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return (x > y) - (x < y);
}

struct bench_quantiles bench_latencies_quantiles(struct bench_latencies *latencies)
{
    const size_t count = latencies->count;
    if (count == 0) return (struct bench_quantiles){0};
    qsort(latencies->values, count, sizeof *latencies->values, values_compare);
    const size_t middle = (count - 1) / 2;
    const size_t late = (count - 1) - (count - 1) / 100;
    return (struct bench_quantiles){
        .p50 = latencies->values[middle],
        .p99 = latencies->values[late],
        .max = latencies->values[count - 1],
    };
}

// --- Progress ---

static void progress_draw(struct bench_progress *progress, u64 now, u64 done, u64 total)
{
    enum { PROGRESS_WIDTH = 30 };
    if (!progress->is_shown || now - progress->began_at < NS_PER_S) return;
    if (total == 0) return;
    const u64 filled = MIN(done, total) * PROGRESS_WIDTH / total;
    const double seconds = (double)(now - progress->began_at) / 1e9;
    char bar[PROGRESS_WIDTH + 1];
    for (u32 i = 0; i < PROGRESS_WIDTH; i++) bar[i] = i < filled ? '#' : '.';
    bar[PROGRESS_WIDTH] = 0;
    (void)fprintf(stderr, "\r%-18s [%s] %3llu %%  %12.0f/s  %6.1f s ", progress->what, bar,
                  (unsigned long long)(MIN(done, total) * 100 / total), (double)done / seconds,
                  seconds);
    (void)fflush(stderr);
    progress->is_drawn = true;
}

void bench_progress_clear(struct bench_progress *progress)
{
    if (progress->is_drawn) (void)fprintf(stderr, "\r%90s\r", "");
    progress->is_drawn = false;
}

// --- Bodies ---

static u8 kind_operation(enum bench_kind kind)
{
    switch (kind) {
    case BENCH_ACCOUNTS: return COMPAT_OPERATION_BASE + COMPAT_CREATE_ACCOUNTS;
    case BENCH_TRANSFERS: return COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    case BENCH_LOOKUPS: return COMPAT_OPERATION_BASE + COMPAT_LOOKUP_TRANSFERS;
    case BENCH_ACCOUNT_TRANSFERS: return COMPAT_OPERATION_BASE + COMPAT_GET_ACCOUNT_TRANSFERS;
    }
    assert(false);
    return 0;
}

static bool is_question(const struct bench_actor *actor)
{
    return actor->kind == BENCH_LOOKUPS || actor->kind == BENCH_ACCOUNT_TRANSFERS;
}

// Takes the next indexes. Returns how many, 0 when there are none left.
static u32 indexes_take(struct bench_actor *actor, u64 *first)
{
    struct bench_source *source = actor->source;
    if (actor->take == 0) {
        const bool pairs = actor->kind == BENCH_TRANSFERS && actor->content->is_two_phase;
        actor->take = MIN((u64)actor->batch * (pairs ? 2 : 1), source->end - source->next);
        actor->take_next = source->next;
        source->next += actor->take;
    }
    const u32 count = (u32)MIN(actor->take, actor->batch);
    *first = actor->take_next;
    actor->take_next += count;
    actor->take -= count;
    return count;
}

static void question_make(struct bench_actor *actor, struct bench_body *body)
{
    actor->random = mix(actor->random);
    if (actor->kind == BENCH_ACCOUNT_TRANSFERS) {
        const struct account_filter filter = {
            .account_id = 1 + below(actor->random, actor->content->accounts),
            .limit = LEDGER_BATCH_EVENTS_MAX,
            .flags = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS,
        };
        memcpy(body->data, &filter, sizeof filter);
        body->first = (u64)filter.account_id;
        return;
    }
    u64 index = below(actor->random, actor->seen);
    if (!bench_is_verbatim(actor->content, index)) index -= actor->content->batch;
    const u128 id = transfer_id(actor->content, index);
    memcpy(body->data, &id, sizeof id);
    body->first = index;
}

// Makes the next body, if there is something left to send.
static void body_make(struct bench_actor *actor, struct bench_body *body)
{
    const bool asks = is_question(actor);
    u64 first;
    body->count = asks ? (actor->source->next < actor->source->end) : indexes_take(actor, &first);
    if (body->count == 0) return;
    body->operation = kind_operation(actor->kind);
    if (asks) {
        actor->source->next++;
        question_make(actor, body);
    } else {
        body->first = first;
        for (u32 i = 0; i < body->count; i++) {
            u8 *event = body->data + (size_t)i * 128;
            if (actor->kind == BENCH_ACCOUNTS) {
                bench_account(first + i, (struct account *)(void *)event);
            } else {
                bench_transfer(actor->content, first + i, (struct transfer *)(void *)event);
            }
        }
    }
    body->size = compat_body_finish(body->operation, body->data, body->count);
    body->checksum = checksum(body->data, body->size);
    body->is_ready = true;
}

// --- Answers ---

static enum status refusal_set(const struct bench_actor *actor, const struct bench_body *body,
                               u32 index, u32 result, struct failure *failure)
{
    const bool is_account = actor->kind == BENCH_ACCOUNTS;
    const struct schema_results *results =
        is_account ? &ledger_schema_create_account_result : &ledger_schema_create_transfer_result;
    char id[NUMBER_SIZE_MAX];
    (void)number_print_u128(load_u128(body->data + (size_t)index * 128), id);
    return failure_set(failure, STATUS_CANCELLED, "%s %llu, id %s, was refused: %s",
                       is_account ? "account" : "transfer",
                       (unsigned long long)(body->first + index), id,
                       ledger_result_name(results, result).text);
}

// A create must be created; an account may exist already, from a run before.
static enum status created_check(struct bench_actor *actor, const struct bench_body *body,
                                 const struct compat_batches *batches, struct failure *failure)
{
    for (u32 i = 0; i < body->count; i++) {
        struct create_result result;
        memcpy(&result, batches->events + (size_t)i * sizeof result, sizeof result);
        const bool exists = actor->kind == BENCH_ACCOUNTS && result.status == CREATE_ACCOUNT_EXISTS;
        if (exists) continue;
        if (result.status != U32_MAX) {
            return refusal_set(actor, body, i, result.status, failure);
        }
        if (result.timestamp <= actor->last_timestamp) {
            return failure_set(
                failure, STATUS_CANCELLED, "event %llu has timestamp %llu, and the one before %llu",
                (unsigned long long)(body->first + i), (unsigned long long)result.timestamp,
                (unsigned long long)actor->last_timestamp);
        }
        actor->last_timestamp = result.timestamp;
    }
    actor->acknowledged += body->count;
    actor->last_index = body->first + body->count - 1;
    return STATUS_OK;
}

static enum status lookup_check(const struct bench_actor *actor, const struct bench_body *body,
                                const struct compat_batches *batches, struct failure *failure)
{
    struct transfer expected, got;
    if (batches->event_count != 1) {
        return failure_set(failure, STATUS_CANCELLED, "transfer %llu is not found",
                           (unsigned long long)body->first);
    }
    bench_transfer(actor->content, body->first, &expected);
    memcpy(&got, batches->events, sizeof got);
    expected.timestamp = got.timestamp;
    if (got.timestamp == 0 || memcmp(&expected, &got, sizeof got) != 0) {
        return failure_set(failure, STATUS_CANCELLED, "transfer %llu is not as it was sent",
                           (unsigned long long)body->first);
    }
    return STATUS_OK;
}

static enum status account_transfers_check(const struct bench_body *body,
                                           const struct compat_batches *batches,
                                           struct failure *failure)
{
    u64 timestamp = 0;
    for (u32 i = 0; i < batches->event_count; i++) {
        struct transfer got;
        memcpy(&got, batches->events + (size_t)i * sizeof got, sizeof got);
        if (got.debit_account_id != body->first && got.credit_account_id != body->first) {
            return failure_set(failure, STATUS_CANCELLED, "a transfer of another account than %llu",
                               (unsigned long long)body->first);
        }
        if (got.timestamp <= timestamp) {
            return failure_set(failure, STATUS_CANCELLED,
                               "the transfers of account %llu are not in order of time",
                               (unsigned long long)body->first);
        }
        timestamp = got.timestamp;
    }
    return STATUS_OK;
}

static enum status answer_take(struct bench_actor *actor, struct failure *failure)
{
    struct bench_body *body = &actor->bodies[actor->current];
    const struct compat_answer *answer = compat_client_answer(&actor->client);
    enum status status = STATUS_OK;
    bench_latencies_add(&actor->latencies, answer->latency_ns + actor->late_ns);
    switch (actor->kind) {
    case BENCH_ACCOUNTS:
    case BENCH_TRANSFERS: status = created_check(actor, body, &answer->batches, failure); break;
    case BENCH_LOOKUPS: status = lookup_check(actor, body, &answer->batches, failure); break;
    case BENCH_ACCOUNT_TRANSFERS:
        status = account_transfers_check(body, &answer->batches, failure);
        break;
    }
    if (is_question(actor)) actor->acknowledged++;
    body->is_ready = false;
    actor->current ^= 1;
    return status;
}

// --- The loop ---

enum status bench_actor_open(struct bench_actor *actor, const struct compat_client_options *options,
                             struct failure *failure)
{
    const u32 size = is_question(actor) ? 2 * 128 : (actor->batch + 1) * 128;
    for (u32 i = 0; i < ARRAY_COUNT(actor->bodies); i++) {
        actor->bodies[i].data = aligned_alloc(PAGE_SIZE, align_up(size, PAGE_SIZE));
        if (actor->bodies[i].data == NULL) {
            return failure_set(failure, STATUS_FULL, "no memory for a batch");
        }
    }
    return cli_connect("bench", &actor->client, options, connect_timeout_ns, failure);
}

void bench_actor_close(struct bench_actor *actor)
{
    if (actor->client.buffer != NULL) compat_client_close(&actor->client);
    for (u32 i = 0; i < ARRAY_COUNT(actor->bodies); i++) free(actor->bodies[i].data);
    bench_latencies_free(&actor->latencies);
    memset(actor->bodies, 0, sizeof actor->bodies);
}

struct loop_state {
    u64 began_at, ended_at, ticked_at;
    u64 rate;         // As bench_loop.
    u64 sent;         // Events.
    u32 windows;      // Reported so far,
    u64 window_began; // and when the last one ended, and
    u64 window_first; // after how many events,
    u64 stolen_ms;    // and what had been stolen by then.
    bool is_stopping; // Those in the background send no more.
};

// When the next request is to be sent. What comes late does not shift what follows.
static u64 due_at(const struct loop_state *state)
{
    if (state->rate == 0 || state->began_at == 0) return 0;
    return state->began_at + (u64)((u128)state->sent * NS_PER_S / state->rate);
}

static enum status actor_submit(struct bench_actor *actor, struct loop_state *state,
                                struct failure *failure)
{
    struct bench_body *body = &actor->bodies[actor->current];
    if (!body->is_ready) body_make(actor, body);
    if (!body->is_ready) return STATUS_OK;
    if (actor->forgets != NULL) bench_folder_forget(actor->forgets);
    const u64 now = compat_client_now();
    if (state->began_at == 0) state->began_at = now;
    if (state->rate > 0) {
        // Waiting for a turn counts: a server that stalls must not thin out its own measurements.
        if (now < due_at(state)) return STATUS_OK;
        actor->late_ns = now - due_at(state);
    }
    state->sent += body->count;
    return compat_client_submit_sum(&actor->client, body->operation, body->data, body->size,
                                    body->checksum, now + answer_timeout_ns, failure);
}

enum status bench_actor_fire(struct bench_actor *actor, struct failure *failure)
{
    struct loop_state state = {0};
    compat_client_release(&actor->client);
    return actor_submit(actor, &state, failure);
}

// Lets one actor go on. `*is_done` when nothing is in flight and nothing will be sent.
static enum status actor_step(struct bench_actor *actor, struct loop_state *state, bool *is_done,
                              struct failure *failure)
{
    const bool stops = state->is_stopping && actor->is_background;
    const bool waited = !compat_client_is_idle(&actor->client);
    if (waited) {
        if (compat_client_step(&actor->client, failure) != STATUS_OK) return failure->status;
        if (!compat_client_is_idle(&actor->client)) return STATUS_OK;
        if (answer_take(actor, failure) != STATUS_OK) return failure->status;
        if (!actor->is_background) state->ended_at = compat_client_now();
    }
    if (!stops && actor_submit(actor, state, failure) != STATUS_OK) return failure->status;
    const bool has_more = !stops && actor->bodies[actor->current].is_ready; // Waits for its time.
    *is_done = compat_client_is_idle(&actor->client) && !has_more;
    return STATUS_OK;
}

// Makes one body ahead, unless bytes wait to be sent. True when something was made.
static bool body_make_ahead(const struct bench_loop *loop, const struct loop_state *state)
{
    for (u32 i = 0; i < loop->count; i++) {
        if (compat_client_is_sending(&loop->actors[i]->client)) return false;
    }
    for (u32 i = 0; i < loop->count; i++) {
        struct bench_actor *actor = loop->actors[i];
        struct bench_body *next = &actor->bodies[actor->current ^ 1];
        if (next->is_ready || (state->is_stopping && actor->is_background)) continue;
        body_make(actor, next);
        if (next->is_ready) return true;
    }
    return false;
}

// Reports what came since the last window.
static void window_end(const struct bench_loop *loop, struct loop_state *state, u64 now, u64 done)
{
    struct bench_latencies all = {0};
    for (u32 i = 0; i < loop->count; i++) {
        struct bench_actor *actor = loop->actors[i];
        for (; actor->reported < actor->latencies.count; actor->reported++) {
            bench_latencies_add(&all, (u64)actor->latencies.values[actor->reported] * 100);
        }
    }
    if (state->window_began == 0) state->window_began = state->began_at;
    const struct bench_quantiles batch = bench_latencies_quantiles(&all);
    const u64 elapsed_ns = MAX(now - state->window_began, (u64)1);
    const u64 transfers = done - state->window_first;
    const u64 stolen_ms = bench_machine_stolen_ms();
    loop->windows[state->windows++] = (struct bench_window){
        .transfers = transfers,
        .seconds = elapsed_ns / NS_PER_MS,
        .transfers_per_s = (u64)((u128)transfers * NS_PER_S / elapsed_ns),
        .batch_ms_p50 = batch.p50,
        .batch_ms_p99 = batch.p99,
        .batch_ms_max = batch.max,
        .rss_bytes = loop->rss(loop->context),
        .stolen_ms = bench_stolen_between(state->stolen_ms, stolen_ms),
    };
    bench_latencies_free(&all);
    state->window_began = now;
    state->stolen_ms = stolen_ms;
    state->window_first = done;
}

static void loop_tick(struct bench_loop *loop, struct loop_state *state, u64 now)
{
    if (now - state->ticked_at < tick_ns) return;
    state->ticked_at = now;
    if (loop->tick != NULL) loop->tick(loop->context);
    u64 done = 0, total = 0;
    for (u32 i = 0; i < loop->count; i++) {
        const struct bench_actor *actor = loop->actors[i];
        if (actor->is_background) continue;
        done += actor->acknowledged;
        // Sources may be shared: each is counted once.
        bool is_counted = false;
        for (u32 j = 0; j < i; j++) is_counted |= loop->actors[j]->source == actor->source;
        if (!is_counted) total += actor->source->end;
    }
    if (loop->progress != NULL) progress_draw(loop->progress, now, done, total);
    const bool is_over = state->windows + 1 < loop->window_count &&
                         done >= total / loop->window_count * (state->windows + 1);
    if (is_over) window_end(loop, state, now, done);
}

enum status bench_loop_run(struct bench_loop *loop, struct failure *failure)
{
    assert(loop->count <= BENCH_CLIENTS_MAX + 1);
    struct compat_client *clients[BENCH_CLIENTS_MAX + 1];
    bool done[BENCH_CLIENTS_MAX + 1] = {false};
    struct loop_state state = {.rate = loop->rate, .stolen_ms = bench_machine_stolen_ms()};
    if (loop->progress != NULL) {
        loop->progress->began_at = compat_client_now();
    }
    for (u32 i = 0; i < loop->count; i++) {
        clients[i] = &loop->actors[i]->client;
        compat_client_release(clients[i]);
        if (actor_step(loop->actors[i], &state, &done[i], failure) != STATUS_OK) {
            return failure->status;
        }
    }
    for (;;) {
        u32 left = 0, left_ahead = 0;
        for (u32 i = 0; i < loop->count; i++) {
            left += !done[i];
            left_ahead += !done[i] && !loop->actors[i]->is_background;
        }
        const u64 now = compat_client_now();
        state.is_stopping = now >= loop->until || (left_ahead == 0 && loop->until == U64_MAX);
        if (left == 0) break;
        if (cli_is_interrupted()) return bench_interrupted_set(failure);
        const bool made = body_make_ahead(loop, &state);
        // With a rate, the next request may be due before an answer comes.
        const u64 due = due_at(&state);
        u64 until = made ? 0 : now + tick_ns;
        if (due > now) until = MIN(until, due);
        compat_client_wait(clients, loop->count, until);
        loop_tick(loop, &state, now);
        for (u32 i = 0; i < loop->count; i++) {
            const bool is_turn = due != 0 && compat_client_is_idle(clients[i]);
            if (done[i] || (!is_turn && !compat_client_is_due(clients[i]))) continue;
            if (actor_step(loop->actors[i], &state, &done[i], failure) != STATUS_OK) {
                return failure->status;
            }
        }
    }
    if (loop->progress != NULL) bench_progress_clear(loop->progress);
    if (loop->windows != NULL) {
        u64 acknowledged = 0;
        for (u32 i = 0; i < loop->count; i++) acknowledged += loop->actors[i]->acknowledged;
        window_end(loop, &state, state.ended_at, acknowledged);
        loop->window_count = state.windows;
    }
    loop->elapsed_ns = MAX(state.ended_at, state.began_at + 1) - state.began_at;
    return STATUS_OK;
}
