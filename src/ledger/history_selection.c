// SPDX-License-Identifier: Apache-2.0
//
// Selections: the rows that meet the conditions of a question, a chunk at a time. What a chunk
// reads is brought near before it is needed.
#include "ledger/history_query_internal.h"
#include "os/memory.h"

// What is read is brought towards the processor this many reads ahead.
#define PREFETCH_AHEAD 8u
// Whether a read waited for the device is looked at after each of the first ones, then after so
// many.
#define FIRST_READS 4u
#define WARM_READS  32u

// --- the walk ------------------------------------------------------------------------------------

void history_condition_add(struct selection *selection, enum history_section section, u32 key,
                           bool or_next)
{
    assert(selection->condition_count < CURSORS_MAX);
    selection->conditions[selection->condition_count++] =
        (struct condition){.section = section, .key = key, .or_next = or_next};
}

void history_condition_add_value(struct selection *selection, const struct history *history,
                                 enum history_section section, u128 value)
{
    if (value == 0) return;
    history_condition_add(selection, section, history_key(history, section, value), false);
}

// The rows of a segment that can hold what the period asks for, as [low, high).
static void period_rows(const struct selection *selection, const struct history_segment *segment,
                        u64 rows, u64 *low, u64 *high)
{
    *low = 0;
    *high = rows;
    if (selection->order == ORDER_COUNT) return;
    const u64 *fence = history_latest(segment, selection->order);
    u64 count = history_fence_count(rows);
    u64 first = history_fence_find(fence, count, selection->timestamp_min);
    u64 last = history_fence_find(fence, count, selection->timestamp_max + 1);
    *low = MIN(first * HISTORY_FENCE_ROWS, rows);
    *high = MIN((last + 1) * HISTORY_FENCE_ROWS, rows);
}

// Opens the join in the segment that has the next row.
static enum status selection_open(struct history_query *query, const struct history_view *view,
                                  struct selection *selection, struct failure *failure)
{
    const struct history_segment *segment =
        history_segment_of(view->set, selection->next - selection->reversed);
    u64 rows = MIN(history_segment_end(segment), view->row_end) - segment->first_row;
    u64 next = selection->next - segment->first_row;
    u64 low = 0;
    u64 high = 0;
    period_rows(selection, segment, rows, &low, &high);
    if (selection->reversed) high = MIN(high, next);
    else low = MAX(low, next);
    history_join_range(&selection->join, selection->reversed, low, high);
    for (u32 i = 0; i < selection->condition_count && !selection->join.done; i++) {
        const struct condition *condition = &selection->conditions[i];
        enum status status = history_cursor_open(
            &query->cursors[i], view->history, segment, condition->section, condition->key,
            selection->reversed, view->row_end, query->matches[i], failure);
        if (status != STATUS_OK) return status;
        bool continues = i > 0 && selection->conditions[i - 1].or_next;
        if (!continues) selection->join.groups[selection->join.count++].count = 0;
        struct history_group *group = &selection->join.groups[selection->join.count - 1];
        group->cursors[group->count++] = &query->cursors[i];
    }
    selection->first_row = segment->first_row;
    selection->end_row = segment->first_row + rows;
    selection->set_open = view->set->number;
    return STATUS_OK;
}

// Moves behind what the join has done.
static void selection_advance(struct selection *selection)
{
    u64 first = selection->first_row;
    bool done = selection->join.done;
    u32 next = selection->join.next;
    if (selection->reversed) selection->next = done ? first : first + ~next + 1;
    else selection->next = done ? selection->end_row : first + next;
    if (done) selection->set_open = 0;
}

// Rows and leaps of a turn: a millisecond or less when what is read is in memory.
#define TURN_WORK 16384u

u32 history_selection_turn_begin(struct selection *selection, const struct history_turn *turn)
{
    if (turn == NULL) return 0;
    selection->work_max = TURN_WORK;
    selection->begun = turn->begun;
    selection->next = turn->next;
    return turn->found;
}

void history_selection_turn_end(const struct selection *selection, struct history_turn *turn,
                                u32 found, bool whole)
{
    if (turn == NULL) return;
    *turn = (struct history_turn){.more = !whole && !selection->ended,
                                  .found = found,
                                  .begun = selection->begun,
                                  .next = selection->next};
}

enum status history_selection_next(struct history_query *query, struct history_view *view,
                                   struct selection *selection, u32 limit, u32 *count,
                                   struct failure *failure)
{
    *count = 0;
    limit = MIN(limit, CHUNK_ROWS);
    if (!selection->begun) selection->next = selection->reversed ? view->row_end : 0;
    selection->begun = true;
    history_view_renew(view);
    while (*count < limit) {
        if (selection->work_max != 0 && selection->work >= selection->work_max) break;
        enum status status = STATUS_OK;
        if (selection->set_open != view->set->number) {
            selection->ended =
                selection->reversed ? selection->next == 0 : selection->next >= view->row_end;
            if (selection->ended) break;
            status = selection_open(query, view, selection, failure);
            if (status != STATUS_OK) return status;
        }
        u32 row = 0;
        bool found = false;
        status = history_join_next(&selection->join, selection->reversed, &row, &found, failure);
        if (status != STATUS_OK) return status;
        if (found) query->rows[(*count)++] = selection->first_row + row;
        if (!found || selection->join.done) selection_advance(selection);
        selection->work += found ? 1 : HISTORY_JOIN_LEAPS_MAX;
        if (!found) history_view_renew(view);
    }
    // Where to go on if the segments are others by then.
    if (selection->set_open != 0) selection_advance(selection);
    return STATUS_OK;
}

void history_selection_period(struct selection *selection, u64 min, u64 max)
{
    selection->timestamp_min = min == 0 ? LEDGER_TIMESTAMP_MIN : min;
    // Nothing happens later, and the one behind is a number, too.
    selection->timestamp_max = max == 0 ? LEDGER_TIMESTAMP_MAX : MIN(max, LEDGER_TIMESTAMP_MAX);
}

// --- the chunk -----------------------------------------------------------------------------------

void history_temperature_begin(struct history_query *query)
{
    query->cold = false;
    query->major_faults = memory_major_faults();
}

// Whether read `index` of a chunk is one at which to look, and the question is cold.
static bool found_cold(struct history_query *query, u32 index)
{
    if (index > FIRST_READS && index % WARM_READS != 0) return false;
    if (!query->cold) query->cold = memory_major_faults() != query->major_faults;
    return query->cold;
}

enum status history_chunk_load(struct history_query *query, const struct history_view *view,
                               u32 count, struct failure *failure)
{
    bool advised = false;
    for (u32 i = 0; i < count; i++) {
        u32 ahead = MIN(i + PREFETCH_AHEAD, count - 1);
        bool near = history_row_prefetch(view->history, view->set, query->rows[ahead]);
        if (!near) query->cold = true;
        if (!advised && (!near || found_cold(query, i))) {
            for (u32 j = i; j < count; j++) {
                history_row_advise(view->history, view->set, query->rows[j]);
            }
            advised = true;
        }
        enum status status =
            history_row(view->history, view->set, query->rows[i], &query->outcomes[i], failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

u32 history_chunk_keep(struct history_query *query, const struct selection *selection, u32 count)
{
    u32 kept = 0;
    for (u32 i = 0; i < count; i++) {
        const struct outcome *outcome = &query->outcomes[i];
        if (!outcome_is_in_order(outcome, ORDER_TRANSFER) ||
            !in_period(selection, outcome->timestamp))
            continue;
        query->rows[kept] = query->rows[i];
        query->outcomes[kept] = *outcome;
        kept++;
    }
    return kept;
}

void history_chunk_requests_ahead(struct history_query *query, const struct history_view *view,
                                  u32 index, u32 count, bool *advised)
{
    const struct history_log *log = &view->history->log;
    if (!*advised && found_cold(query, index)) {
        for (u32 i = index; i < count; i++) {
            log->advise(log->context, outcome_place(&query->outcomes[i]), sizeof(struct transfer));
        }
        *advised = true;
    }
    u32 ahead = MIN(index + PREFETCH_AHEAD, count - 1);
    log->prefetch(log->context, outcome_place(&query->outcomes[ahead]), sizeof(struct transfer));
}
