// SPDX-License-Identifier: Apache-2.0
//
// The past: which rows had happened by a time; balances at a row or an effective day; statements.
//
// Nearly every posting has the business day on which it was made as its effective day, so the end
// of a day is a row. The others are dated back; they have lists of their own (SECTION_DATED_DEBIT,
// _CREDIT), and a balance by effective day is the one at that row and those few.
#include "ledger/history_query_internal.h"

#include <stdlib.h>

// Postings dated back that one page of a statement puts in order.
#define DATED_MAX 4096u
// Chunks of rows that one page of a statement looks at.
#define CHUNKS_MAX 16u

// --- by time -------------------------------------------------------------------------------------

// The row behind the last one of an order at or before `timestamp` in a segment, or 0.
static enum status segment_row_by_time(const struct history_view *view,
                                       const struct history_segment *segment,
                                       enum history_order order, u64 timestamp, u64 *row_end,
                                       struct failure *failure)
{
    *row_end = 0;
    const u64 rows = MIN(history_segment_end(segment), view->row_end) - segment->first_row;
    const u64 *latest = history_latest(segment, order);
    const u64 count = history_fence_count(rows);
    // Blocks below `block` have nothing later; it may have both.
    u64 block = history_fence_find(latest, count, timestamp + 1);
    block = MIN(block, count - 1);
    for (;; block--) {
        // A block in which nothing of the order happened says what the one before it says.
        const u64 last = history_fence_read(latest, block);
        const bool is_same = block > 0 && last == history_fence_read(latest, block - 1);
        if (!is_same && last != 0) {
            u64 row = MIN((block + 1) * HISTORY_FENCE_ROWS, rows);
            while (row-- > block * HISTORY_FENCE_ROWS) {
                struct outcome outcome;
                enum status status = history_row(view->history, view->set, segment->first_row + row,
                                                 &outcome, failure);
                if (status != STATUS_OK) return status;
                if (!outcome_is_in_order(&outcome, order)) continue;
                if (outcome.timestamp > timestamp) continue;
                *row_end = segment->first_row + row + 1;
                return STATUS_OK;
            }
        }
        if (block == 0) return STATUS_OK;
    }
}

enum status history_row_by_time(const struct history_view *view, u64 timestamp, u64 *row_end,
                                struct failure *failure)
{
    *row_end = 0;
    timestamp = MIN(timestamp, LEDGER_TIMESTAMP_MAX); // Nothing happens later.
    for (u32 order = 0; order < ORDER_COUNT; order++) {
        u64 found = 0;
        for (u32 i = view->set->count; i-- > 0 && found == 0;) {
            const struct history_segment *segment = view->set->segments[i];
            if (segment->first_row >= view->row_end) continue;
            if (history_segment_end(segment) == segment->first_row) continue;
            enum status status = segment_row_by_time(view, segment, (enum history_order)order,
                                                     timestamp, &found, failure);
            if (status != STATUS_OK) return status;
        }
        *row_end = MAX(*row_end, found);
    }
    return STATUS_OK;
}

// --- postings dated back -------------------------------------------------------------------------

// A walk over the rows from `next` up to `end` in which one of two lists has an account.
struct walk {
    struct selection selection;
    u64 end;
    u32 chunks; // So far.
    bool done;
};

static struct walk walk_begin(u32 account_row, enum history_section debit,
                              enum history_section credit, u64 next, u64 end)
{
    struct walk walk = {.end = end, .done = next >= end};
    walk.selection = (struct selection){.order = ORDER_COUNT, .begun = true, .next = next};
    history_selection_period(&walk.selection, 0, 0);
    history_condition_add(&walk.selection, debit, account_row, true);
    history_condition_add(&walk.selection, credit, account_row, false);
    return walk;
}

// The next rows of the walk with their outcomes, in the chunk of the query.
static enum status walk_next(struct walk *walk, struct history_query *query,
                             struct history_view *view, u32 limit, u32 *count,
                             struct failure *failure)
{
    *count = 0;
    if (walk->done) return STATUS_OK;
    walk->chunks++;
    enum status status =
        history_selection_next(query, view, &walk->selection, limit, count, failure);
    if (status != STATUS_OK) return status;
    if (*count == 0 || walk->selection.ended) walk->done = true;
    for (u32 i = 0; i < *count; i++) {
        if (query->rows[i] < walk->end) continue;
        *count = i;
        walk->done = true;
    }
    return *count == 0 ? STATUS_OK : history_chunk_load(query, view, *count, failure);
}

static bool is_within(const struct history_moment *moment, i32 day, u64 row)
{
    return day < moment->day || (day == moment->day && row <= moment->day_row);
}

enum status history_state_at(struct history_query *query, struct history_view *view,
                             u32 account_row, const struct history_moment *moment,
                             struct account_state *out, struct failure *failure)
{
    *out = (struct account_state){.account_row_plus_one = account_row + 1};
    history_temperature_begin(query);
    const u64 row_end = MIN(moment->row_end, view->row_end);
    const u64 dated_end = MIN(moment->dated_end, view->row_end);
    enum status status = STATUS_OK;
    if (row_end > 0) {
        status = history_account_state_at(query, view, account_row, row_end - 1, out, failure);
    }
    struct walk walk =
        walk_begin(account_row, SECTION_DATED_DEBIT, SECTION_DATED_CREDIT, row_end, dated_end);
    while (status == STATUS_OK && !walk.done) {
        u32 count = 0;
        status = walk_next(&walk, query, view, CHUNK_ROWS, &count, failure);
        for (u32 i = 0; i < count && status == STATUS_OK; i++) {
            const struct outcome *outcome = &query->outcomes[i];
            struct posting_references references;
            status = history_references_read(view, outcome, &references, failure);
            if (status != STATUS_OK) break;
            if (!is_within(moment, references.day, query->rows[i])) continue;
            status = history_account_state_apply(view, out, query->rows[i], outcome,
                                                 outcome->debit_row == account_row, failure);
        }
    }
    return status;
}

// A posting dated back, in the order of effective days.
struct dated {
    i32 day;
    u64 row;
};

static int dated_compare(const void *a, const void *b)
{
    const struct dated *left = a;
    const struct dated *right = b;
    if (left->day != right->day) return left->day < right->day ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

// The first postings dated back to the statement's days that it has not given yet, in order.
// `*whole` when there are no others.
static enum status dated_collect(struct history_query *query, struct history_view *view,
                                 const struct history_statement *statement, u64 from,
                                 struct dated *out, u32 *out_count, bool *whole,
                                 struct failure *failure)
{
    *out_count = 0;
    *whole = true;
    const struct dated last = {.day = statement->at.dated_day, .row = statement->at.dated_row};
    struct walk walk = walk_begin(statement->account_row, SECTION_DATED_DEBIT, SECTION_DATED_CREDIT,
                                  from, MIN(statement->dated_end, view->row_end));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !walk.done) {
        u32 count = 0;
        status = walk_next(&walk, query, view, CHUNK_ROWS, &count, failure);
        for (u32 i = 0; i < count && status == STATUS_OK; i++) {
            struct posting_references references;
            status = history_references_read(view, &query->outcomes[i], &references, failure);
            const struct dated one = {.day = references.day, .row = query->rows[i]};
            if (status != STATUS_OK) break;
            if (one.day < statement->day_min || one.day > statement->day_max) continue;
            if (last.day != 0 && dated_compare(&one, &last) <= 0) continue;
            out[(*out_count)++] = one;
            if (*out_count < 2 * DATED_MAX) continue;
            qsort(out, *out_count, sizeof *out, dated_compare);
            *out_count = DATED_MAX;
            *whole = false;
        }
    }
    if (*out_count > 0) qsort(out, *out_count, sizeof *out, dated_compare);
    if (*out_count > DATED_MAX) {
        *out_count = DATED_MAX;
        *whole = false;
    }
    return status;
}

// --- statements ----------------------------------------------------------------------------------

// The row at which the day behind all business days before `day` begins; behind the open day,
// none.
static u64 day_first_row(const struct history_statement *statement, i32 day)
{
    u64 row = 0;
    if (statement->open_day != 0 && day > statement->open_day) return U64_MAX;
    for (u32 i = 0; i < statement->day_count && statement->days[i].day < day; i++) {
        row = statement->days[i].row_end;
    }
    return row;
}

// The business day on which a row was made.
static i32 row_day(const struct history_statement *statement, u64 row)
{
    u32 low = 0;
    u32 high = statement->day_count;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (statement->days[middle].row_end <= row) low = middle + 1;
        else high = middle;
    }
    return low < statement->day_count ? statement->days[low].day : statement->open_day;
}

// Makes the line of a row, and the state as it is behind it.
static enum status line_make(const struct history_view *view,
                             const struct history_statement *statement, u64 row,
                             const struct outcome *outcome, struct account_state *state,
                             struct history_line *line, struct failure *failure)
{
    memset(line, 0, sizeof *line);
    line->row = row;
    line->outcome = *outcome;
    line->is_debit = outcome->debit_row == statement->account_row;
    line->id = outcome->id;
    line->day = row_day(statement, row);
    enum status status = STATUS_OK;
    if (outcome_is_transfer(outcome)) {
        status = history_transfer(view, row, outcome, &line->transfer, failure);
    }
    if (status == STATUS_OK && (outcome->flags & OUTCOME_REFERENCES) != 0) {
        struct posting_references references;
        status = history_references_read(view, outcome, &references, failure);
        line->id = references.id;
        if (outcome->flags & OUTCOME_DATED) line->day = references.day;
    }
    if (status != STATUS_OK) return status;
    status = history_account_state_apply(view, state, row, outcome, line->is_debit, failure);
    line->after = *state;
    return status;
}

static enum status lines_by_row(struct history_query *query, struct history_view *view,
                                struct history_statement *statement, u32 limit,
                                struct account_state *state, struct history_line *lines, u32 *count,
                                struct failure *failure)
{
    struct walk walk = walk_begin(statement->account_row, SECTION_DEBIT, SECTION_CREDIT,
                                  statement->at.row, MIN(statement->row_end, view->row_end));
    u32 found = 0;
    bool advised = false;
    enum status status = walk_next(&walk, query, view, limit, &found, failure);
    for (u32 i = 0; i < found && status == STATUS_OK; i++) {
        history_chunk_requests_ahead(query, view, i, found, &advised);
        status = line_make(view, statement, query->rows[i], &query->outcomes[i], state,
                           &lines[(*count)++], failure);
        statement->at.row = query->rows[i] + 1;
    }
    statement->at.ended = walk.done;
    return status;
}

// Merges the rows that are in the order of their days with those dated back.
static enum status lines_by_day(struct history_query *query, struct history_view *view,
                                struct history_statement *statement, struct dated *dated, u32 limit,
                                struct account_state *state, struct history_line *lines, u32 *count,
                                struct failure *failure)
{
    const u64 first = day_first_row(statement, statement->day_min);
    const u64 end = MIN(day_first_row(statement, statement->day_max + 1), view->row_end);
    u32 dated_count = 0;
    bool whole = false;
    enum status status =
        dated_collect(query, view, statement, first, dated, &dated_count, &whole, failure);
    struct walk walk = walk_begin(statement->account_row, SECTION_DEBIT, SECTION_CREDIT,
                                  MAX(statement->at.row, first), end);
    u32 found = 0;
    u32 next = 0;
    u32 next_dated = 0;
    while (status == STATUS_OK && *count < limit) {
        if (next == found && !walk.done) {
            if (walk.chunks >= CHUNKS_MAX && *count > 0) return STATUS_OK;
            status = walk_next(&walk, query, view, CHUNK_ROWS, &found, failure);
            next = 0;
            continue;
        }
        if (next < found && (query->outcomes[next].flags & OUTCOME_DATED) != 0) {
            next++; // It comes under its day.
            continue;
        }
        if (next_dated == dated_count && !whole) return STATUS_OK;
        if (next == found && next_dated == dated_count) break;
        const bool takes_dated =
            next_dated < dated_count &&
            (next == found || dated[next_dated].day < row_day(statement, query->rows[next]));
        struct outcome outcome = {0};
        u64 row = 0;
        if (takes_dated) {
            row = dated[next_dated].row;
            status = history_row(view->history, view->set, row, &outcome, failure);
            statement->at.dated_day = dated[next_dated].day;
            statement->at.dated_row = dated[next_dated++].row;
        } else {
            row = query->rows[next];
            outcome = query->outcomes[next++];
            statement->at.row = row + 1;
        }
        if (status != STATUS_OK) return status;
        status = line_make(view, statement, row, &outcome, state, &lines[(*count)++], failure);
    }
    statement->at.ended = next == found && walk.done && next_dated == dated_count && whole;
    return status;
}

enum status history_statement_next(struct history_query *query, struct history_view *view,
                                   struct history_statement *statement, u32 limit,
                                   struct account_state *before, struct history_line *lines,
                                   u32 *count, struct failure *failure)
{
    *count = 0;
    limit = MIN(limit, HISTORY_LINES_MAX);
    struct history_moment moment = history_moment_of(statement->at.row);
    if (statement->by_day) {
        moment.row_end = MAX(statement->at.row, day_first_row(statement, statement->day_min));
        moment.dated_end = statement->dated_end;
        moment.day =
            statement->at.dated_day != 0 ? statement->at.dated_day : statement->day_min - 1;
        moment.day_row = statement->at.dated_day != 0 ? statement->at.dated_row : U64_MAX;
    }
    enum status status =
        history_state_at(query, view, statement->account_row, &moment, before, failure);
    if (status != STATUS_OK) return status;
    if (limit == 0) return STATUS_OK;
    struct account_state state = *before;
    if (!statement->by_day) {
        return lines_by_row(query, view, statement, limit, &state, lines, count, failure);
    }
    struct dated *dated = malloc(2 * DATED_MAX * sizeof *dated);
    assert(dated != NULL);
    status = lines_by_day(query, view, statement, dated, limit, &state, lines, count, failure);
    free(dated);
    return status;
}
