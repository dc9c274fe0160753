// SPDX-License-Identifier: Apache-2.0
//
// What was posted, by entry and by reference, with what of it is reversed.
#include "modules/entry/entry_internal.h"

#include <stdlib.h>

#define SEARCH_MAX 512u // Postings of a page.

// What `look` needs to know of an entry beside its rows.
struct task {
    u128 first_id; // Of its first posting.
    u128 reverses_id;
    u128 reversed[PLAN_POSTINGS_MAX]; // By posting.
    u128 reversal_id[PLAN_POSTINGS_MAX];
};
static_assert(sizeof(struct task) <= ANSWER_TASK_SIZE, "a question's room");

static u32 show_ask(const struct module_context *context, const struct entry_show *question,
                    struct module_answer *answer)
{
    struct task *task = answer->task;
    const struct reversal *reversal = module_find(context, TABLE_REVERSALS, question->entry_id);
    memset(task, 0, sizeof *task);
    task->first_id =
        plan_unique_posting_id(context->ledger, entry_module.number, question->entry_id, 0);
    task->reverses_id = reversal == NULL ? 0 : reversal->entry_id;
    for (u32 i = 0; i < PLAN_POSTINGS_MAX; i++) {
        const u128 id =
            plan_unique_posting_id(context->ledger, entry_module.number, question->entry_id, i);
        const struct reversed_posting *posting = module_find(context, TABLE_POSTINGS, id);
        if (posting == NULL) continue;
        task->reversed[i] = posting->reversed;
        task->reversal_id[i] = posting->reversal_id;
    }
    answer->looks = true;
    return MODULE_DONE;
}

u32 entry_find_ask(const struct module_context *context, const struct schema_record *question,
                   const void *body, struct module_answer *answer)
{
    answer->record = &entry_schema_entry_posting;
    if (question == &entry_schema_entry_show) return show_ask(context, body, answer);
    assert(question == &entry_schema_entry_search);
    const struct entry_search *search = body;
    if (search->order_id == 0 && search->scenario == 0 && search->purpose == 0) {
        return ENTRY_REFERENCE_MISSING;
    }
    answer->evidence[0] = search->from_time;
    answer->evidence[1] = search->to_time;
    if (search->to_time != 0 && search->to_time < search->from_time) return ENTRY_RANGE_REVERSED;
    answer->looks = true;
    return MODULE_DONE;
}

// Which posting of its entry has this id: those of the rows beside it need not be read.
static u32 posting_index(const struct history *history, u128 entry_id, u128 posting_id)
{
    u32 index = 0;
    while (history_posting_id(history, entry_module.number, entry_id, index) != posting_id) {
        index++;
        assert(index < PLAN_POSTINGS_MAX); // Entries alone have references.
    }
    return index;
}

// The view of a posting's row.
static enum status posting_view(const struct history_view *view, const struct outcome *outcome,
                                struct entry_posting *out, struct failure *failure)
{
    struct posting_references references;
    enum status status = history_references_read(view, outcome, &references, failure);
    *out = (struct entry_posting){
        .entry_id = references.id,
        .book = view->accounts[outcome->debit_row].ledger,
        .day = references.day,
        .code = outcome->code,
        .flags =
            outcome->flags & (TRANSFER_PENDING | TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING),
        .debit_account_id = view->accounts[outcome->debit_row].id,
        .credit_account_id = view->accounts[outcome->credit_row].id,
        .amount = outcome->amount,
        .order_id = references.order_id,
        .scenario = references.scenario,
        .timestamp = outcome->timestamp,
        .purpose = references.purpose,
    };
    return status;
}

// The postings of an entry, which lie one behind the other, balances between them.
static enum status show_look(struct history_view *view, struct module_answer *answer,
                             struct failure *failure)
{
    struct history *history = view->history;
    const struct task *task = answer->task;
    u64 row = 0;
    enum status status =
        history_find_row(history, view->set, task->first_id,
                         history_hash_id(history, task->first_id), view->row_end, &row, failure);
    u32 index = load_u32(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (status != STATUS_OK || row == 0) return status;
    u32 at = 0;
    for (row--; row < view->row_end && status == STATUS_OK; row++) {
        struct outcome outcome;
        struct entry_posting posting;
        status = history_row(history, view->set, row, &outcome, failure);
        if (status != STATUS_OK || outcome.kind == OUTCOME_COMMAND) return status;
        if (outcome.kind != OUTCOME_POSTING || at++ < index) continue;
        status = posting_view(view, &outcome, &posting, failure);
        posting.posting = at - 1;
        posting.reversed = task->reversed[at - 1];
        posting.reversal_id = task->reversal_id[at - 1];
        posting.reverses_id = task->reverses_id;
        if (answer_add(answer, &posting)) continue;
        store_u32(answer->cursor, at - 1);
        return status;
    }
    return status;
}

// A page of postings by reference. The cursor is the row to go on from.
static enum status search_look(struct history_query *query, struct history_view *view,
                               const struct entry_search *search, struct module_answer *answer,
                               struct failure *failure)
{
    const struct query_filter filter = {
        .user_data_128 = search->order_id,
        .user_data_64 = search->scenario,
        .user_data_32 = search->purpose,
        .ledger = search->book,
        .timestamp_min = search->from_time,
        .timestamp_max = search->to_time,
        .limit = LEDGER_BATCH_EVENTS_MAX,
    };
    const u32 room = (answer->room - answer->size) / (u32)sizeof(struct entry_posting);
    u64 rows[SEARCH_MAX];
    struct history_page page = {.next = load_u64(answer->cursor), .rows = rows};
    page.limit = MIN(room, SEARCH_MAX);
    memset(answer->cursor, 0, sizeof answer->cursor);
    enum status status = history_page_transfers(query, view, &filter, &page, failure);
    for (u32 i = 0; i < page.count && status == STATUS_OK; i++) {
        struct outcome outcome;
        struct entry_posting posting;
        status = history_row(view->history, view->set, rows[i], &outcome, failure);
        if (status != STATUS_OK || (outcome.flags & OUTCOME_REFERENCES) == 0) continue;
        status = posting_view(view, &outcome, &posting, failure);
        if (status != STATUS_OK) break;
        posting.posting = posting_index(view->history, posting.entry_id, outcome.id);
        (void)answer_add(answer, &posting);
    }
    if (!page.ended) store_u64(answer->cursor, page.next);
    return status;
}

enum status entry_find_look(struct history_query *query, struct history_view *view,
                            const struct schema_record *question, const void *body,
                            struct module_answer *answer, struct failure *failure)
{
    if (question == &entry_schema_entry_show) return show_look(view, answer, failure);
    return search_look(query, view, body, answer, failure);
}
