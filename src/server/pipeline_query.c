// SPDX-License-Identifier: Apache-2.0
//
// Questions: asked and answered by the owner's thread, executed by the query threads.
#include "server/pipeline_internal.h"

#include "machine/commit.h"
#include "machine/past.h"

#include <stdlib.h>

// Puts a question behind the others; with the mutex held.
static void query_put(struct query_queue *queue, struct pipeline_query *query)
{
    query->next = NULL;
    if (queue->first == NULL) queue->first = query;
    else queue->last->next = query;
    queue->last = query;
}

// --- the query threads ---------------------------------------------------------------------------

// Executes the next batch of a question, or a turn of it.
static enum status query_batch(struct history_query *scratch, struct history_view *view,
                               struct pipeline_query *query, struct failure *failure)
{
    const u32 index = query->batch;
    u32 count = compat_batch_count(&query->batches, index);
    const u32 result_size = query->operation->result_size;
    const u8 *event = query->batches.events + (size_t)query->event * query->operation->event_size;
    u32 limit = compat_results_max(query->operation, query->batches.batch_count) -
                query->reply_size / result_size;
    u32 found = 0;
    enum status status = STATUS_OK;
    void *out = buffer_body(query->reply) + query->reply_size;
    union {
        struct account_filter account;
        struct query_filter query;
        struct change_events_filter change;
    } filter;
    if (compat_is_query(query->operation)) memcpy(&filter, event, query->operation->event_size);
    switch (query->operation->kind) {
    case COMPAT_KIND_LOOKUP_TRANSFERS:
        status = history_lookup_transfers(view, (const void *)event, count, out, &found, failure);
        break;
    case COMPAT_KIND_ACCOUNT_TRANSFERS:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_transfers(scratch, view, &filter.account, query->accounts[index],
                                           limit, out, &found, &query->turn, failure);
        break;
    case COMPAT_KIND_ACCOUNT_BALANCES:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_balances(scratch, view, &filter.account, query->accounts[index],
                                          limit, out, &found, &query->turn, failure);
        break;
    case COMPAT_KIND_QUERY_TRANSFERS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_transfers(scratch, view, &filter.query, limit, out, &found,
                                         &query->turn, failure);
        break;
    case COMPAT_KIND_QUERY_ACCOUNTS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_accounts(scratch, view, &filter.query, limit,
                                        query->accounts + query->accounts_found, &found,
                                        &query->turn, failure);
        break;
    case COMPAT_KIND_CHANGE_EVENTS:
        if (!change_events_filter_valid(&filter.change)) break;
        status = history_change_events(scratch, view, &filter.change, limit, out, &found, failure);
        break;
    default: assert(false);
    }
    if (query->turn.more) return status;
    query->turn = (struct history_turn){0};
    query->batch++;
    if (query->operation->kind == COMPAT_KIND_QUERY_ACCOUNTS) query->accounts_found += found;
    query->counts[index] = (u16)found;
    query->event += count;
    query->reply_size += found * result_size;
    return status;
}

// The segments are held for one batch at most: as long as a live one is, its memory is not free for
// what comes in (history_view_renew). Returns whether the answer is whole.
static bool query_advance(struct pipeline *pipeline, struct history_query *scratch,
                          struct pipeline_query *query)
{
    struct machine *machine = &pipeline->node->machine;
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)machine->ledger.accounts.memory, query->row_end);
    struct failure failure;
    enum status status = STATUS_OK;
    if (query->operation == NULL) {
        status = past_look(pipeline->node, scratch, &view, query->question,
                           buffer_body(query->body), &query->answer, &failure);
        query->reply_size = query->answer.size;
        query->result = query->answer.result;
        query->batch++;
    } else {
        status = query_batch(scratch, &view, query, &failure);
    }
    history_view_close(&view);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    return query->batch >= query->batches.batch_count;
}

void *query_thread(void *context)
{
    const struct query_start *start = context;
    struct pipeline *pipeline = start->pipeline;
    pipeline_lock(pipeline);
    for (;;) {
        struct pipeline_query *query = pipeline->asked.first;
        if (query == NULL || pipeline->durable < query->sequence ||
            pipeline->indexed < query->sequence) {
            if (pipeline->stopping) break; // What it waits for may never come: threads leave.
            pipeline_wait(pipeline, WAITER_QUERY);
            continue;
        }
        pipeline->asked.first = query->next;
        // One batch or turn each: a long question does not hold up those behind it.
        pipeline_unlock(pipeline);
        const bool is_done = query->changes.is_asked
                                 ? changes_advance(pipeline, start->reader, query)
                                 : query_advance(pipeline, start->scratch, query);
        pipeline_lock(pipeline);
        if (!is_done) {
            query_put(&pipeline->asked, query);
            continue;
        }
        query_put(&pipeline->answered, query);
        pipeline_notify(pipeline);
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- asking (the owner's thread) -----------------------------------------------------------------

static void accounts_resolve(struct pipeline *pipeline, struct pipeline_query *query)
{
    const struct ledger *ledger = &pipeline->node->machine.ledger;
    bool balances = query->operation->kind == COMPAT_KIND_ACCOUNT_BALANCES;
    for (u32 i = 0; i < query->batches.batch_count; i++) {
        const u8 *event = query->batches.events + (size_t)i * query->operation->event_size;
        u32 row = ledger_account_row(ledger, load_u128(event));
        // Only accounts that keep a history answer with balances (reference).
        if (row != U32_MAX && balances && !(ledger_account(ledger, row)->flags & ACCOUNT_HISTORY)) {
            row = U32_MAX;
        }
        query->accounts[i] = row;
    }
}

// Keeps an answer that shows the state as it is now, until that is durable.
static void answer_hold(struct pipeline *pipeline, struct pipeline_query *query)
{
    query->next = pipeline->held;
    pipeline->held = query;
}

void query_dispatch(struct pipeline *pipeline, struct pipeline_query *query)
{
    pipeline_lock(pipeline);
    query_put(&pipeline->asked, query);
    pipeline_wake(pipeline, WAITER_QUERY);
    pipeline_unlock(pipeline);
}

// What an answer of live state shows: the state as it is now.
static void answer_date(const struct pipeline *pipeline, struct pipeline_query *query)
{
    query->position = pipeline->node->machine.position;
    query->timestamp = pipeline->node->machine.timestamp;
    query->sequence = pipeline->next_sequence - 1;
}

// A turn of a module's answer. One that is not finished waits for its next behind the others; one
// that history has to finish goes to the query threads.
static void answer_turn(struct pipeline *pipeline, struct pipeline_query *query)
{
    struct module_answer *answer = &query->answer;
    query->result =
        commit_ask(&pipeline->node->machine, query->question, buffer_body(query->body), answer);
    if (query->result == MODULE_DONE && answer->is_unfinished) {
        query_put(&pipeline->unfinished, query);
        return;
    }
    query->reply_size = answer->size;
    answer_date(pipeline, query);
    if (query->result == MODULE_DONE && answer->looks) {
        query->row_end = pipeline->node->machine.history.next_row;
        query->batches.batch_count = 1;
        query_dispatch(pipeline, query);
        return;
    }
    free(answer->task);
    answer->task = NULL;
    answer_hold(pipeline, query);
}

// A module's question.
static void question_begin(struct pipeline *pipeline, struct pipeline_query *query)
{
    struct module_answer *answer = &query->answer;
    const u32 looks = pipeline->options.turn_looks;
    answer->views = buffer_body(query->reply);
    answer->room = COMPAT_BODY_SIZE_MAX;
    const struct schema_record *views = schema_record_views(query->question);
    if (query->limit != 0 && views != NULL) {
        const u64 room = query->limit * align_up(views->size, COMMAND_RECORD_ALIGNMENT);
        answer->room = (u32)MIN(room, (u64)COMPAT_BODY_SIZE_MAX);
    }
    answer->result = MODULE_DONE;
    answer->looks_max = looks != 0 ? looks : ANSWER_TURN_LOOKS;
    if (commit_looks(query->question)) {
        answer->task = malloc(ANSWER_TASK_SIZE);
        assert(answer->task != NULL);
    }
    answer_turn(pipeline, query);
}

bool answers_go_on(struct pipeline *pipeline)
{
    struct pipeline_query *query = pipeline->unfinished.first;
    if (query == NULL) return false;
    pipeline->unfinished.first = query->next;
    answer_turn(pipeline, query);
    return true;
}

void pipeline_ask(struct pipeline *pipeline, struct pipeline_query *query)
{
    pipeline->outstanding++;
    answer_date(pipeline, query);
    query->row_end = pipeline->node->machine.history.next_row;
    query->reply_size = 0;
    query->batch = 0;
    query->event = 0;
    query->turn = (struct history_turn){0};
    query->accounts_found = 0;
    query->accounts_end = (u32)pipeline->node->machine.ledger.accounts.count;
    if (query->changes.is_asked) {
        changes_ask(pipeline, query);
        return;
    }
    if (query->operation == NULL) {
        question_begin(pipeline, query);
        return;
    }
    bool valid = compat_decode(query->operation, buffer_body(query->body), query->body_size,
                               &query->batches);
    assert(valid); // The port checks before it asks.
    if (machine_query_is_live(query->operation)) {
        query->reply_size = machine_lookup_accounts(&pipeline->node->machine, query->operation,
                                                    &query->batches, buffer_body(query->reply));
        answer_hold(pipeline, query);
        return;
    }
    u32 batches = query->batches.batch_count;
    query->counts = calloc(batches, sizeof *query->counts);
    query->accounts = calloc(MAX(batches, LEDGER_BATCH_EVENTS_MAX), sizeof *query->accounts);
    assert(query->counts != NULL && query->accounts != NULL);
    if (query->operation->kind == COMPAT_KIND_ACCOUNT_TRANSFERS ||
        query->operation->kind == COMPAT_KIND_ACCOUNT_BALANCES) {
        accounts_resolve(pipeline, query);
    }
    query_dispatch(pipeline, query);
}

// Adds the accounts that one filter selects among those made since the question was asked, in its
// order, to the `found` that the query threads found. Returns how many there are then, `most` at
// most.
static u32 accounts_merge(const struct ledger *ledger, const struct query_filter *filter,
                          const u32 *found, u32 found_count, u32 first_row, u32 most, u32 *out)
{
    const bool is_reversed = (filter->flags & QUERY_FILTER_REVERSED) != 0;
    const u32 end = (u32)ledger->accounts.count;
    u32 count = 0;
    if (!query_filter_valid(filter)) return 0;
    most = MIN(most, filter->limit);
    if (!is_reversed) {
        count = MIN(found_count, most);
        memcpy(out, found, count * sizeof *out);
    }
    for (u32 i = first_row; i < end && count < most; i++) {
        const u32 row = is_reversed ? end - 1 - (i - first_row) : i;
        const struct account *account = ledger_account(ledger, row);
        if (account_class(account) == 0 && query_filter_takes(filter, account)) out[count++] = row;
    }
    if (is_reversed) {
        const u32 rest = MIN(found_count, most - count);
        memcpy(out + count, found, rest * sizeof *out);
        count += rest;
    }
    return count;
}

// Balances are shown as they are now; so which accounts there are must be told as of now, too: an
// answer is of one state. Costs a look at each account made since the question was asked, a batch.
static void accounts_add_since(const struct pipeline *pipeline, struct pipeline_query *query)
{
    const struct ledger *ledger = &pipeline->node->machine.ledger;
    const u32 batches = query->batches.batch_count;
    const u32 room = compat_results_max(query->operation, batches);
    const u32 *found = query->accounts;
    u32 total = 0;
    if (query->accounts_end == ledger->accounts.count) return;
    u32 *rows = calloc(MAX(room, 1u), sizeof *rows);
    assert(rows != NULL);
    for (u32 i = 0; i < batches; i++) {
        struct query_filter filter;
        memcpy(&filter, query->batches.events + (size_t)i * sizeof filter, sizeof filter);
        const u32 count = accounts_merge(ledger, &filter, found, query->counts[i],
                                         query->accounts_end, room - total, rows + total);
        found += query->counts[i];
        query->counts[i] = (u16)count;
        total += count;
    }
    free(query->accounts);
    query->accounts = rows;
    query->reply_size = total * (u32)sizeof(struct account);
}

// Frees what a question needs until it is answered.
static void query_scratch_free(struct pipeline_query *query)
{
    free(query->answer.task);
    free(query->counts);
    free(query->accounts);
    query->answer.task = NULL;
    query->counts = NULL;
    query->accounts = NULL;
}

void queries_drop(struct pipeline *pipeline)
{
    struct pipeline_query *lists[] = {pipeline->asked.first, pipeline->answered.first,
                                      pipeline->unfinished.first, pipeline->held,
                                      pipeline->waiting_changes};
    for (u32 i = 0; i < ARRAY_COUNT(lists); i++) {
        for (struct pipeline_query *query = lists[i]; query != NULL; query = query->next) {
            query_scratch_free(query);
        }
    }
    pipeline->asked.first = pipeline->answered.first = pipeline->unfinished.first = NULL;
    pipeline->held = pipeline->waiting_changes = NULL;
}

// Completes an answer of the query threads. False when it shows live state and must be held.
static bool answer_complete(struct pipeline *pipeline, struct pipeline_query *query)
{
    if (query->operation == NULL) {
        query_scratch_free(query);
        return true;
    }
    bool live = query->operation->kind == COMPAT_KIND_QUERY_ACCOUNTS;
    u8 *reply = buffer_body(query->reply);
    if (live) {
        accounts_add_since(pipeline, query);
        u32 found = query->reply_size / (u32)sizeof(struct account);
        for (u32 i = 0; i < found; i++) {
            struct account account;
            ledger_account_view(&pipeline->node->machine.ledger, query->accounts[i], &account);
            memcpy(reply + i * sizeof account, &account, sizeof account);
        }
        answer_date(pipeline, query);
    }
    if (query->operation->multi_batch) {
        query->reply_size =
            compat_trailer_write(reply, query->reply_size, query->operation->result_size,
                                 query->counts, query->batches.batch_count);
    }
    query_scratch_free(query);
    return !live;
}

void query_hand_out(struct pipeline *pipeline, struct pipeline_query *query)
{
    assert(pipeline->outstanding > 0);
    pipeline->outstanding--;
    pipeline->callbacks.query_done(pipeline->callbacks.context, query);
}

void answers_hand_out(struct pipeline *pipeline)
{
    pipeline_lock(pipeline);
    struct pipeline_query *answered = pipeline->answered.first;
    pipeline->answered.first = NULL;
    u64 durable = pipeline->durable;
    pipeline_unlock(pipeline);
    while (answered != NULL) {
        struct pipeline_query *query = answered;
        answered = query->next;
        if (query->changes.is_asked) {
            if (!changes_hold_on(pipeline, query)) query_hand_out(pipeline, query);
        } else if (answer_complete(pipeline, query)) {
            query_hand_out(pipeline, query);
        } else {
            answer_hold(pipeline, query);
        }
    }
    struct pipeline_query **link = &pipeline->held;
    while (*link != NULL) {
        struct pipeline_query *query = *link;
        if (query->sequence > durable) {
            link = &query->next;
            continue;
        }
        *link = query->next;
        query_hand_out(pipeline, query);
    }
}
