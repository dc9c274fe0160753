// SPDX-License-Identifier: Apache-2.0
//
// Questions for the change stream: pages made by the query threads, and questions that wait until
// there is something behind their row.
//
// A question that waits holds a place in a list and nothing else: no buffer, no thread, no segment
// of history. The list is looked at when a frame has become durable whose rows pass the lowest row
// that is waited for, and when the first deadline has come.
#include "server/pipeline_internal.h"

#include "modules/module.h"

void changes_ask(struct pipeline *pipeline, struct pipeline_query *query)
{
    struct pipeline_changes *changes = &query->changes;
    query->result = MODULE_DONE;
    query->answer.count = 0;
    changes->end = query->row_end;
    changes->is_ended = changes->question.wait_ms == 0 || pipeline->draining;
    changes->wait_until = 0;
    query->next = pipeline->waiting_changes;
    pipeline->waiting_changes = query;
    pipeline->changes_due = 0; // The next run looks at it.
}

// Takes a question out of the list; `*link` points to it.
static void unlink_at(struct pipeline_query **link)
{
    struct pipeline_query *query = *link;
    *link = query->next;
    query->next = NULL;
}

// Whether there are rows for it that are told, or that it may wait for with the frame under way.
static bool has_rows(const struct pipeline *pipeline, const struct pipeline_query *query)
{
    return pipeline->told_rows > query->changes.next &&
           pipeline->told_position >= query->changes.position_min;
}

static void told_show(const struct pipeline *pipeline, struct pipeline_query *query)
{
    query->position = pipeline->told_position;
    query->timestamp = pipeline->told_timestamp;
    query->sequence = pipeline->told_sequence;
    query->row_end = pipeline->told_rows;
    query->changes.end = pipeline->told_rows;
}

// Gives the question at `*link` to the query threads; false when there is no buffer now.
static bool page_begin(struct pipeline *pipeline, struct pipeline_query **link)
{
    struct pipeline_query *query = *link;
    query->reply = buffer_take(pipeline);
    if (query->reply == NULL) return false;
    told_show(pipeline, query);
    unlink_at(link);
    query_dispatch(pipeline, query);
    return true;
}

// Whether it is answered empty now: its time is over, and what it must show is told.
static bool is_over(const struct pipeline *pipeline, const struct pipeline_query *query)
{
    const struct pipeline_changes *changes = &query->changes;
    const bool ends = changes->is_ended || pipeline->draining ||
                      (changes->wait_until != 0 && pipeline->now >= changes->wait_until);
    return ends && pipeline->told_position >= changes->position_min;
}

u64 changes_run(struct pipeline *pipeline)
{
    const bool is_quiet = pipeline->changes_due > pipeline->now && !pipeline->draining &&
                          pipeline->told_rows <= pipeline->changes_next_min;
    if (is_quiet) {
        return pipeline->changes_due == U64_MAX ? U64_MAX : pipeline->changes_due - pipeline->now;
    }
    struct pipeline_query **link = &pipeline->waiting_changes;
    struct pipeline_query *over = NULL; // Handed out behind the walk: that may change the list.
    u64 due = U64_MAX;
    u64 next_min = U64_MAX;
    while (*link != NULL) {
        struct pipeline_query *query = *link;
        struct pipeline_changes *changes = &query->changes;
        if (changes->wait_until == 0) {
            changes->wait_until = pipeline->now + changes->question.wait_ms * NS_PER_MS;
        }
        if (has_rows(pipeline, query)) {
            if (page_begin(pipeline, link)) continue;
            due = MIN(due, pipeline->now + RETRY_NS);
        } else if (is_over(pipeline, query)) {
            told_show(pipeline, query);
            unlink_at(link);
            query->next = over;
            over = query;
            continue;
        }
        // Of one whose time is over, and that must show a frame under way, the frame says when.
        if (changes->wait_until > pipeline->now) due = MIN(due, changes->wait_until);
        next_min = MIN(next_min, changes->next);
        if (changes->position_min > pipeline->told_position) next_min = 0;
        link = &query->next;
    }
    pipeline->changes_due = due;
    pipeline->changes_next_min = next_min;
    while (over != NULL) {
        struct pipeline_query *query = over;
        over = query->next;
        query_hand_out(pipeline, query);
    }
    return due == U64_MAX ? U64_MAX : due - pipeline->now;
}

void pipeline_changes_end(struct pipeline *pipeline, struct pipeline_query *query)
{
    query->changes.is_ended = true;
    pipeline->changes_due = 0;
    struct pipeline_query **link = &pipeline->waiting_changes;
    while (*link != NULL && *link != query) link = &(*link)->next;
    if (*link == NULL) return;             // A query thread has it; it waits no more behind that.
    if (!is_over(pipeline, query)) return; // The frame that it must show is under way.
    told_show(pipeline, query);
    unlink_at(link);
    query_hand_out(pipeline, query);
}

bool changes_hold_on(struct pipeline *pipeline, struct pipeline_query *query)
{
    if (query->answer.count > 0) return false;
    // Nothing in those rows is told to whoever asked.
    buffer_give(pipeline, query->reply);
    query->reply = NULL;
    query->reply_size = 0;
    query->next = pipeline->waiting_changes;
    pipeline->waiting_changes = query;
    pipeline->changes_due = 0;
    return true;
}

bool changes_advance(struct pipeline *pipeline, struct changes_reader *reader,
                     struct pipeline_query *query)
{
    struct machine *machine = &pipeline->node->machine;
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)machine->ledger.accounts.memory, query->row_end);
    struct changes_page page = {.out = buffer_body(query->reply), .room = COMPAT_BODY_SIZE_MAX};
    struct failure failure;
    view.sees_modules = true;
    enum status status = changes_read(reader, &view, query->changes.next,
                                      query->changes.question.flags, &page, &failure);
    history_view_close(&view);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    query->changes.next = page.next;
    query->reply_size = page.size;
    query->answer.count = page.count;
    return page.count > 0 || page.next >= query->row_end;
}
