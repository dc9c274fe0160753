// SPDX-License-Identifier: Apache-2.0
//
// Questions: asked and answered by the owner's thread, executed by the query threads.
#include "server/pipeline_internal.h"

#include <stdlib.h>

// --- the query threads ---------------------------------------------------------------------------

struct query_answer {
    u8 *reply;
    u32 size;
    u32 found; // Account rows found so far.
};

static enum status query_batch(struct history_query *scratch, const struct history_view *view,
                               struct pipeline_query *query, u32 index, const u8 *event, u32 count,
                               u32 limit, struct query_answer *answer, struct failure *failure)
{
    u32 found = 0;
    enum status status = STATUS_OK;
    void *out = answer->reply + answer->size;
    union {
        struct account_filter account;
        struct query_filter query;
        struct change_events_filter change;
    } filter;
    if (compat_is_query(query->operation)) memcpy(&filter, event, query->operation->event_size);
    switch (query->operation->kind) {
    case COMPAT_KIND_LOOKUP_TRANSFERS:
        status = history_lookup_transfers(scratch, view, (const void *)event, count, out, &found,
                                          failure);
        break;
    case COMPAT_KIND_ACCOUNT_TRANSFERS:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_transfers(scratch, view, &filter.account, query->accounts[index],
                                           limit, out, &found, failure);
        break;
    case COMPAT_KIND_ACCOUNT_BALANCES:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_balances(scratch, view, &filter.account, query->accounts[index],
                                          limit, out, &found, failure);
        break;
    case COMPAT_KIND_QUERY_TRANSFERS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_transfers(scratch, view, &filter.query, limit, out, &found, failure);
        break;
    case COMPAT_KIND_QUERY_ACCOUNTS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_accounts(scratch, view, &filter.query, limit,
                                        query->accounts + answer->found, &found, failure);
        answer->found += found;
        break;
    case COMPAT_KIND_CHANGE_EVENTS:
        if (!change_events_filter_valid(&filter.change)) break;
        status = history_change_events(scratch, view, &filter.change, limit, out, &found, failure);
        break;
    default: assert(false);
    }
    query->counts[index] = (u16)found;
    answer->size += found * query->operation->result_size;
    return status;
}

static void query_execute(struct pipeline *pipeline, struct history_query *scratch,
                          struct pipeline_query *query)
{
    struct machine *machine = &pipeline->node->machine;
    const struct history_view view = {
        .history = &machine->history,
        .set = history_set_acquire(&machine->history),
        .accounts = (const struct account *)machine->ledger.accounts.memory,
        .row_end = query->row_end,
    };
    struct query_answer answer = {.reply = buffer_body(query->reply)};
    struct failure failure;
    enum status status = STATUS_OK;
    u32 event = 0;
    u32 left = compat_results_max(query->operation, query->batches.batch_count);
    for (u32 i = 0; i < query->batches.batch_count && status == STATUS_OK; i++) {
        u32 count = compat_batch_count(&query->batches, i);
        u32 before = answer.size;
        status = query_batch(scratch, &view, query, i,
                             query->batches.events + (size_t)event * query->operation->event_size,
                             count, left, &answer, &failure);
        left -= (answer.size - before) / query->operation->result_size;
        event += count;
    }
    history_set_release(&machine->history, view.set);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    query->reply_size = answer.size;
}

void *query_thread(void *context)
{
    struct query_start start = *(struct query_start *)context;
    free(context);
    struct pipeline *pipeline = start.pipeline;
    pipeline_lock(pipeline);
    for (;;) {
        struct pipeline_query *query = pipeline->asked_first;
        if (query == NULL || pipeline->durable < query->sequence ||
            pipeline->indexed < query->sequence) {
            if (pipeline->stopping && query == NULL) break;
            (void)pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        pipeline->asked_first = query->next;
        pipeline_unlock(pipeline);
        query_execute(pipeline, start.scratch, query);
        pipeline_lock(pipeline);
        query->next = pipeline->answered;
        pipeline->answered = query;
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

void pipeline_ask(struct pipeline *pipeline, struct pipeline_query *query)
{
    bool valid = compat_decode(query->operation, buffer_body(query->body), query->body_size,
                               &query->batches);
    assert(valid); // The port checks before it asks.
    pipeline->outstanding++;
    query->position = pipeline->node->machine.position;
    query->timestamp = pipeline->node->machine.timestamp;
    query->sequence = pipeline->next_sequence - 1;
    query->row_end = pipeline->node->machine.history.next_row;
    query->next = NULL;
    if (machine_query_is_live(query->operation)) {
        query->reply_size = machine_lookup_accounts(&pipeline->node->machine, query->operation,
                                                    &query->batches, buffer_body(query->reply));
        query->next = pipeline->held;
        pipeline->held = query;
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
    pipeline_lock(pipeline);
    if (pipeline->asked_first == NULL) pipeline->asked_first = query;
    else pipeline->asked_last->next = query;
    pipeline->asked_last = query;
    pipeline_changed(pipeline);
    pipeline_unlock(pipeline);
}

// Completes an answer of the query threads. False when it shows live state and must be held.
static bool answer_complete(struct pipeline *pipeline, struct pipeline_query *query)
{
    bool live = query->operation->kind == COMPAT_KIND_QUERY_ACCOUNTS;
    u8 *reply = buffer_body(query->reply);
    if (live) {
        u32 found = query->reply_size / (u32)sizeof(struct account);
        for (u32 i = 0; i < found; i++) {
            struct account account;
            ledger_account_view(&pipeline->node->machine.ledger, query->accounts[i], &account);
            memcpy(reply + i * sizeof account, &account, sizeof account);
        }
        query->sequence = pipeline->next_sequence - 1;
        query->position = pipeline->node->machine.position;
        query->timestamp = pipeline->node->machine.timestamp;
    }
    if (query->operation->multi_batch) {
        query->reply_size =
            compat_trailer_write(reply, query->reply_size, query->operation->result_size,
                                 query->counts, query->batches.batch_count);
    }
    free(query->counts);
    free(query->accounts);
    query->counts = NULL;
    query->accounts = NULL;
    return !live || pipeline->durable >= query->sequence;
}

static void query_hand_out(struct pipeline *pipeline, struct pipeline_query *query)
{
    assert(pipeline->outstanding > 0);
    pipeline->outstanding--;
    pipeline->callbacks.query_done(pipeline->callbacks.context, query);
}

void answers_hand_out(struct pipeline *pipeline)
{
    pipeline_lock(pipeline);
    struct pipeline_query *answered = pipeline->answered;
    pipeline->answered = NULL;
    u64 durable = pipeline->durable;
    pipeline_unlock(pipeline);
    while (answered != NULL) {
        struct pipeline_query *query = answered;
        answered = query->next;
        if (answer_complete(pipeline, query)) {
            query_hand_out(pipeline, query);
        } else {
            query->next = pipeline->held;
            pipeline->held = query;
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
