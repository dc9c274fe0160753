// SPDX-License-Identifier: Apache-2.0
//
// Constraints between cells, breaches, and the limits of accounts at the end of a plan.
//
// A constraint that changes is noted once, with how far it was above its bound. At the end of a
// plan those that were noted are looked at, and no others.
#include "ledger/ledger_internal.h"

#include "base/sort.h"
#include "os/memory.h"

#include <stdlib.h>

struct ledger_touched {
    u32 count;
    struct {
        i128 headroom; // Before.
        u32 row;
    } items[LEDGER_CONSTRAINTS_MAX];
    bool is_touched[LEDGER_CONSTRAINTS_MAX];
    u64 to_open[2 * LEDGER_CONSTRAINTS_MAX]; // Rows above, and what sorting them takes.
};

enum status constraints_init(struct ledger *ledger, struct failure *failure)
{
    enum status status = table_init(&ledger->constraints, sizeof(struct ledger_constraint),
                                    LEDGER_CONSTRAINTS_MAX, failure);
    if (status == STATUS_OK) {
        status = table_init(&ledger->breaches, sizeof(struct ledger_breach), LEDGER_BREACHES_MAX,
                            failure);
    }
    if (status == STATUS_OK) {
        status = table_init(&ledger->spans, sizeof(struct ledger_span), LEDGER_SPANS_MAX, failure);
    }
    void *touched = NULL;
    if (status == STATUS_OK) {
        status = memory_reserve(sizeof *ledger->touched, false, &touched, failure);
    }
    ledger->touched = touched;
    return status;
}

void constraints_free(struct ledger *ledger)
{
    table_free(&ledger->constraints);
    table_free(&ledger->breaches);
    table_free(&ledger->spans);
    memory_release(ledger->touched, sizeof *ledger->touched);
}

static struct ledger_constraint *constraint_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->constraints.count);
    return (struct ledger_constraint *)(void *)ledger->constraints.memory + row;
}

const struct ledger_constraint *ledger_constraint(const struct ledger *ledger, u32 row)
{
    return constraint_at(ledger, row);
}

static struct ledger_breach *breach_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->breaches.count);
    return (struct ledger_breach *)(void *)ledger->breaches.memory + row;
}

const struct ledger_breach *ledger_breach(const struct ledger *ledger, u32 row)
{
    return breach_at(ledger, row);
}

static struct ledger_span *span_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->spans.count);
    return (struct ledger_span *)(void *)ledger->spans.memory + row;
}

const struct ledger_span *ledger_span(const struct ledger *ledger, u32 row)
{
    return span_at(ledger, row);
}

bool ledger_has_room_for_limits(const struct ledger *ledger, enum ledger_change_kind kind,
                                bool is_fact, u32 shortfalls)
{
    if (kind == LEDGER_CHANGE_CELL_OPEN) return ledger->cells.count < ledger->cells.capacity;
    const bool opens = kind == LEDGER_CHANGE_CONSTRAINT_OPEN;
    if (opens && ledger->constraints.count == ledger->constraints.capacity) return false;
    // What days, breaches and the closing begin has room that what we choose does not take.
    const bool is_chosen = opens || (kind == LEDGER_CHANGE_CONSTRAINT_SET && !is_fact);
    if (is_chosen && ledger->spans.count + LEDGER_SPANS_RESERVE >= ledger->spans.capacity) {
        return false;
    }
    if (!opens && !is_fact && shortfalls == 0) return true;
    return ledger->breaches.count + ledger->constraints.count + 1 + shortfalls <=
           ledger->breaches.capacity;
}

// --- values --------------------------------------------------------------------------------------

static i128 headroom_of(const struct ledger_constraint *constraint)
{
    return constraint->value - constraint->bound; // Exact by G5.
}

// Must come before every change of a constraint that is open.
static void constraint_touch(struct ledger *ledger, u32 row)
{
    struct ledger_touched *touched = ledger->touched;
    const struct ledger_constraint *constraint = constraint_at(ledger, row);
    table_touch(&ledger->constraints, row);
    if (touched->is_touched[row]) return;
    assert(touched->count < LEDGER_CONSTRAINTS_MAX);
    touched->is_touched[row] = true;
    touched->items[touched->count].row = row;
    touched->items[touched->count].headroom = headroom_of(constraint);
    touched->count++;
}

// What a change of a cell is to a constraint in which it has this coefficient, modulo 2^128.
static u128 change_times(const struct cell_change *change, i64 coefficient)
{
    return (u128)(i128)coefficient * cell_measure(change->posted, change->debits_pending,
                                                  change->credits_pending, coefficient);
}

void constraints_move(struct ledger *ledger, const struct ledger_cell *cell,
                      const struct cell_change *change)
{
    for (u32 i = 0; i < LEDGER_CELL_CONSTRAINTS_MAX && cell->links[i].constraint != 0; i++) {
        const u32 row = cell->links[i].constraint - 1;
        constraint_touch(ledger, row);
        struct ledger_constraint *constraint = constraint_at(ledger, row);
        constraint->value =
            (i128)((u128)constraint->value + change_times(change, cell->links[i].coefficient));
    }
}

static i128 value_of(const struct ledger *ledger, const struct ledger_term *terms, u32 count)
{
    u128 value = 0;
    for (u32 i = 0; i < count; i++) {
        const struct ledger_cell *cell = ledger_cell(ledger, terms[i].cell);
        value += (u128)(i128)terms[i].coefficient *
                 cell_measure((u128)cell->posted, cell->debits_pending, cell->credits_pending,
                              terms[i].coefficient);
    }
    return (i128)value;
}

// What the coefficients allow the sums of their cells (G5).
static u128 sum_max_of(const struct ledger_term *terms, u32 count)
{
    u128 coefficients = 0;
    for (u32 i = 0; i < count; i++) {
        const i128 coefficient = terms[i].coefficient;
        coefficients += (u128)(coefficient < 0 ? -coefficient : coefficient);
    }
    assert(coefficients > 0); // There is a term, and none is 0.
    return LEDGER_MEASURE_MAX / coefficients;
}

bool ledger_terms_fit(const struct ledger *ledger, const struct ledger_term *terms, u32 count)
{
    const u128 sum_max = sum_max_of(terms, count);
    for (u32 i = 0; i < count; i++) {
        if (!cell_fits(ledger_cell(ledger, terms[i].cell), sum_max)) return false;
    }
    return true;
}

// --- history -------------------------------------------------------------------------------------

#define NS_PER_DAY (86400 * NS_PER_S)

static u16 span_state(const struct ledger_constraint *constraint)
{
    if (constraint->is_closed != 0) return LEDGER_SPAN_CLOSED;
    return constraint->breach != 0 ? LEDGER_SPAN_BREACHED : LEDGER_SPAN_OPEN;
}

// A span of the constraint behind its last one.
static struct ledger_span *span_begin(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    const u32 span = (u32)ledger->spans.count++;
    table_touch(&ledger->spans, span);
    *span_at(ledger, span) = (struct ledger_span){.least_value = constraint->value,
                                                  .least_bound = constraint->bound,
                                                  .least_at = timestamp,
                                                  .least_position = ledger->position,
                                                  .from_at = timestamp,
                                                  .from_position = ledger->position,
                                                  .constraint = row};
    if (constraint->span_last == 0) constraint->span_first = span + 1;
    else {
        table_touch(&ledger->spans, constraint->span_last - 1);
        span_at(ledger, constraint->span_last - 1)->next = span + 1;
    }
    constraint->span_last = span + 1;
    return span_at(ledger, span);
}

// Takes a constraint that was touched into its history, as it is behind the change.
static void span_note(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    const u16 state = span_state(constraint);
    struct ledger_span *span =
        constraint->span_last == 0 ? NULL : span_at(ledger, constraint->span_last - 1);
    const bool is_chosen = span == NULL || constraint->span_ends == 0;
    if (!is_chosen && span->value == constraint->value && span->bound == constraint->bound &&
        span->state == state) {
        return;
    }
    const bool is_over = is_chosen || timestamp >= constraint->span_ends || span->state != state;
    const bool has_room = ledger->spans.count < ledger->spans.capacity;
    constraint->span_ends = (timestamp / NS_PER_DAY + 1) * NS_PER_DAY;
    if (is_over && has_room) span = span_begin(ledger, row, timestamp);
    if (span == NULL) return;
    table_touch(&ledger->spans, constraint->span_last - 1);
    if (headroom_of(constraint) < span->least_value - span->least_bound) {
        span->least_value = constraint->value;
        span->least_bound = constraint->bound;
        span->least_at = timestamp;
        span->least_position = ledger->position;
    }
    span->value = constraint->value;
    span->bound = constraint->bound;
    span->state = state;
    span->is_merged |= is_over && !has_room;
    span->last_at = timestamp;
    span->last_position = ledger->position;
    span->changes += span->changes < U32_MAX;
}

// --- the end of a plan ---------------------------------------------------------------------------

static bool is_worse(i128 headroom, i128 before)
{
    return headroom < 0 && headroom < before;
}

static void refusal_set(struct ledger_refusal *refusal, u32 row, i128 value, i128 bound)
{
    *refusal = (struct ledger_refusal){
        .posting = ROW_NONE, .constraint = row, .value = (u128)value, .limit = (u128)bound};
}

bool constraints_hold(const struct ledger *ledger, struct ledger_refusal *refusal)
{
    const struct ledger_touched *touched = ledger->touched;
    u32 first = ROW_NONE;
    for (u32 i = 0; i < touched->count; i++) {
        const u32 row = touched->items[i].row;
        const i128 headroom = headroom_of(constraint_at(ledger, row));
        if (is_worse(headroom, touched->items[i].headroom)) first = MIN(first, row);
    }
    if (first == ROW_NONE) return true;
    const struct ledger_constraint *constraint = constraint_at(ledger, first);
    refusal_set(refusal, first, constraint->value, constraint->bound);
    return false;
}

static void breach_open(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    assert(ledger->breaches.count < ledger->breaches.capacity); // ledger_has_room_for_limits
    const u32 breach = (u32)ledger->breaches.count++;
    table_touch(&ledger->breaches, breach);
    *breach_at(ledger, breach) = (struct ledger_breach){
        .value = constraint->value,
        .bound = constraint->bound,
        .worst = constraint->value,
        .opened_position = ledger->position,
        .opened_at = timestamp,
        .constraint = row,
        .account_row = ROW_NONE,
    };
    constraint->breach = breach + 1;
    constraint->since = timestamp;
}

static void breach_cure(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_breach *breach = breach_at(ledger, row);
    assert(breach->cured_at == 0);
    table_touch(&ledger->breaches, row);
    breach->cured_position = ledger->position;
    breach->cured_at = timestamp;
}

// Cures or worsens the breach of one constraint. Whether one is to be opened.
static bool constraint_settle(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    const bool is_below = headroom_of(constraint) < 0;
    if (constraint->breach == 0) return is_below;
    if (!is_below) {
        breach_cure(ledger, constraint->breach - 1, timestamp);
        constraint->breach = 0;
        constraint->since = timestamp;
        return false;
    }
    struct ledger_breach *breach = breach_at(ledger, constraint->breach - 1);
    if (constraint->value >= breach->worst) return false;
    table_touch(&ledger->breaches, constraint->breach - 1);
    breach->worst = constraint->value;
    return false;
}

// Breaches of one plan are numbered in the order of their constraints, however it touches them.
void constraints_settle(struct ledger *ledger, u64 timestamp)
{
    struct ledger_touched *touched = ledger->touched;
    u32 opened = 0;
    for (u32 i = 0; i < touched->count; i++) {
        const u32 row = touched->items[i].row;
        touched->is_touched[row] = false;
        if (constraint_settle(ledger, row, timestamp)) touched->to_open[opened++] = (u64)row << 32;
    }
    if (opened > 1) {
        sort_u64_by_high32(touched->to_open, touched->to_open + LEDGER_CONSTRAINTS_MAX, opened);
    }
    for (u32 i = 0; i < opened; i++) {
        breach_open(ledger, (u32)(touched->to_open[i] >> 32), timestamp);
    }
    for (u32 i = 0; i < touched->count; i++) span_note(ledger, touched->items[i].row, timestamp);
    touched->count = 0;
}

void constraints_forget(struct ledger *ledger)
{
    struct ledger_touched *touched = ledger->touched;
    for (u32 i = 0; i < touched->count; i++) {
        const u32 row = touched->items[i].row;
        assert(headroom_of(constraint_at(ledger, row)) == touched->items[i].headroom);
        touched->is_touched[row] = false;
    }
    touched->count = 0;
}

// --- the limits of accounts ----------------------------------------------------------------------

static u128 sum_at_most(u128 a, u128 b)
{
    return a + b < a ? U128_MAX : a + b;
}

i128 ledger_account_left(const struct ledger *ledger, u32 row, u128 debits, u128 credits)
{
    const i128 max = (i128)(U128_MAX >> 1);
    const struct account *account = account_at(ledger, row);
    u128 used = 0;
    u128 have = 0;
    if (account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) {
        used = sum_at_most(account->debits_pending + account->debits_posted, debits);
        have = sum_at_most(account->credits_posted, credits);
    } else if (account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) {
        used = sum_at_most(account->credits_pending + account->credits_posted, credits);
        have = sum_at_most(account->debits_posted, debits);
    } else {
        return max;
    }
    const u128 left = have > used ? have - used : used - have;
    const i128 magnitude = left > (u128)max ? max : (i128)left;
    return have > used ? magnitude : -magnitude;
}

enum create_transfer_result limits_check(const struct ledger *ledger,
                                         const struct ledger_rows *rows, u32 count,
                                         struct ledger_refusal *refusal)
{
    *refusal = (struct ledger_refusal){.posting = ROW_NONE, .constraint = ROW_NONE};
    for (u32 i = 0; i < count; i++) {
        const struct account *debit = account_at(ledger, rows[i].debit);
        const struct account *credit = account_at(ledger, rows[i].credit);
        refusal->posting = i;
        refusal->value = debit->debits_pending + debit->debits_posted;
        refusal->limit = debit->credits_posted;
        if ((debit->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
            refusal->value > refusal->limit) {
            return CREATE_TRANSFER_EXCEEDS_CREDITS;
        }
        refusal->value = credit->credits_pending + credit->credits_posted;
        refusal->limit = credit->debits_posted;
        if ((credit->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
            refusal->value > refusal->limit) {
            return CREATE_TRANSFER_EXCEEDS_DEBITS;
        }
    }
    *refusal = (struct ledger_refusal){.posting = ROW_NONE, .constraint = ROW_NONE};
    return CREATE_TRANSFER_CREATED;
}

enum status ledger_shortfall(struct ledger *ledger, u32 account_row, u128 amount, i128 value,
                             u64 timestamp, struct failure *failure)
{
    struct account_sidecar *sidecar = NULL;
    const enum status status = sidecar_take(ledger, account_row, &sidecar, failure);
    if (status != STATUS_OK) return status;
    assert(value < 0);
    if (sidecar->breach == 0) {
        assert(ledger->breaches.count < ledger->breaches.capacity); // ledger_has_room_for_limits
        const u32 row = (u32)ledger->breaches.count++;
        table_touch(&ledger->breaches, row);
        *breach_at(ledger, row) = (struct ledger_breach){
            .value = value,
            .worst = value,
            .amount = amount,
            .opened_position = ledger->position,
            .opened_at = timestamp,
            .constraint = ROW_NONE,
            .account_row = account_row,
        };
        sidecar->breach = row + 1;
        return STATUS_OK;
    }
    struct ledger_breach *breach = breach_at(ledger, sidecar->breach - 1);
    table_touch(&ledger->breaches, sidecar->breach - 1);
    breach->amount = sum_at_most(breach->amount, amount);
    breach->worst = MIN(breach->worst, value);
    return STATUS_OK;
}

// --- changes -------------------------------------------------------------------------------------

// The cell takes what its constraints allow it.
static void cell_bound(struct ledger *ledger, u32 row)
{
    struct ledger_cell *cell = cell_touch(ledger, row);
    cell->sum_max = LEDGER_MEASURE_MAX;
    for (u32 i = 0; i < LEDGER_CELL_CONSTRAINTS_MAX && cell->links[i].constraint != 0; i++) {
        const struct ledger_constraint *constraint =
            constraint_at(ledger, cell->links[i].constraint - 1);
        cell->sum_max = MIN(cell->sum_max, constraint->sum_max);
    }
    assert(cell_fits(cell, cell->sum_max)); // G5
}

// The place of a constraint among a cell's links, or the first free one when it is not there.
static struct cell_link *link_find(struct ledger_cell *cell, u32 constraint)
{
    u32 i = 0;
    while (i < LEDGER_CELL_CONSTRAINTS_MAX && cell->links[i].constraint != 0 &&
           cell->links[i].constraint != constraint + 1) {
        i++;
    }
    assert(i < LEDGER_CELL_CONSTRAINTS_MAX);
    return &cell->links[i];
}

static void constraint_fill(struct ledger *ledger, u32 row, const struct ledger_change *change)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    constraint->bound = change->bound;
    constraint->term_count = change->term_count;
    memcpy(constraint->terms, change->terms, sizeof constraint->terms);
    constraint->sum_max = sum_max_of(change->terms, change->term_count);
    constraint->value = value_of(ledger, change->terms, change->term_count);
    for (u32 i = 0; i < change->term_count; i++) {
        struct ledger_cell *cell = cell_touch(ledger, change->terms[i].cell);
        *link_find(cell, row) =
            (struct cell_link){.coefficient = change->terms[i].coefficient, .constraint = row + 1};
        cell_bound(ledger, change->terms[i].cell);
    }
}

static void constraint_open(struct ledger *ledger, const struct ledger_change *change,
                            u64 timestamp)
{
    assert(ledger->constraints.count < ledger->constraints.capacity);
    const u32 row = (u32)ledger->constraints.count++;
    table_touch(&ledger->constraints, row);
    *constraint_at(ledger, row) =
        (struct ledger_constraint){.number = change->number, .since = timestamp};
    constraint_fill(ledger, row, change);
    if (headroom_of(constraint_at(ledger, row)) < 0) breach_open(ledger, row, timestamp);
    span_note(ledger, row, timestamp);
}

static void constraint_close(struct ledger *ledger, u32 row, u64 timestamp)
{
    struct ledger_constraint *constraint = constraint_at(ledger, row);
    assert(constraint->breach == 0 && constraint->is_closed == 0);
    for (u32 i = 0; i < constraint->term_count; i++) {
        struct ledger_cell *cell = cell_touch(ledger, constraint->terms[i].cell);
        struct cell_link *last = cell->links + LEDGER_CELL_CONSTRAINTS_MAX;
        struct cell_link *link = link_find(cell, row);
        assert(link->constraint == row + 1);
        for (; link + 1 < last; link++) *link = link[1];
        *link = (struct cell_link){0};
        cell_bound(ledger, constraint->terms[i].cell);
    }
    table_touch(&ledger->constraints, row);
    constraint->is_closed = 1;
    constraint->since = timestamp;
    span_note(ledger, row, timestamp);
}

// Whether a constraint refuses to become this.
static bool is_refused(const struct ledger *ledger, u32 row, i128 value, i128 bound,
                       struct ledger_refusal *refusal)
{
    if (!is_worse(value - bound, headroom_of(constraint_at(ledger, row)))) return false;
    if (refusal->constraint == ROW_NONE || row < refusal->constraint) {
        refusal_set(refusal, row, value, bound);
    }
    return true;
}

// Whether an account that joins a cell or leaves it breaks a constraint.
static bool member_is_refused(const struct ledger *ledger, const struct ledger_change *change,
                              struct ledger_refusal *refusal)
{
    const bool is_added = change->kind == LEDGER_CHANGE_CELL_ADD;
    const struct cell_change move = cell_change_of_member(ledger, change->account_row, is_added);
    const struct ledger_cell *cell = ledger_cell(ledger, change->cell);
    bool refused = false;
    for (u32 i = 0; i < LEDGER_CELL_CONSTRAINTS_MAX && cell->links[i].constraint != 0; i++) {
        const struct ledger_constraint *constraint =
            constraint_at(ledger, cell->links[i].constraint - 1);
        const i128 value =
            (i128)((u128)constraint->value + change_times(&move, cell->links[i].coefficient));
        refused |=
            is_refused(ledger, cell->links[i].constraint - 1, value, constraint->bound, refusal);
    }
    return refused;
}

// Whether a constraint is set to something else than it has.
static bool is_other(const struct ledger_constraint *constraint, const struct ledger_change *change)
{
    return constraint->bound != change->bound ||
           memcmp(constraint->terms, change->terms, sizeof constraint->terms) != 0;
}

enum status ledger_change_apply(struct ledger *ledger, const struct ledger_change *change,
                                bool is_fact, u64 timestamp, struct ledger_refusal *refusal,
                                struct failure *failure)
{
    enum status status = STATUS_OK;
    assert(!ledger->undo->active && ledger->touched->count == 0);
    *refusal = (struct ledger_refusal){.posting = ROW_NONE, .constraint = ROW_NONE};
    switch (change->kind) {
    case LEDGER_CHANGE_NONE: break;
    case LEDGER_CHANGE_CELL_OPEN: (void)cell_open(ledger, change->number); break;
    case LEDGER_CHANGE_CELL_ADD:
        if (!is_fact && member_is_refused(ledger, change, refusal)) return STATUS_OK;
        status = cell_add(ledger, change->cell, change->account_row, failure);
        break;
    case LEDGER_CHANGE_CELL_REMOVE:
        if (!is_fact && member_is_refused(ledger, change, refusal)) return STATUS_OK;
        cell_remove(ledger, change->cell, change->account_row);
        break;
    case LEDGER_CHANGE_CONSTRAINT_OPEN: constraint_open(ledger, change, timestamp); break;
    case LEDGER_CHANGE_CONSTRAINT_SET: {
        const i128 value = value_of(ledger, change->terms, change->term_count);
        if (!is_fact && is_refused(ledger, change->constraint, value, change->bound, refusal)) {
            return STATUS_OK;
        }
        constraint_touch(ledger, change->constraint);
        if (!is_fact && is_other(constraint_at(ledger, change->constraint), change)) {
            constraint_at(ledger, change->constraint)->span_ends = 0;
        }
        constraint_fill(ledger, change->constraint, change);
        break;
    }
    case LEDGER_CHANGE_CONSTRAINT_CLOSE:
        constraint_close(ledger, change->constraint, timestamp);
        break;
    case LEDGER_CHANGE_BREACH_SETTLE: {
        struct account_sidecar *sidecar = NULL;
        const u32 account_row = breach_at(ledger, change->breach)->account_row;
        status = sidecar_take(ledger, account_row, &sidecar, failure);
        assert(sidecar->breach == change->breach + 1);
        sidecar->breach = 0;
        breach_cure(ledger, change->breach, timestamp);
        break;
    }
    }
    constraints_settle(ledger, timestamp);
    return status;
}

// --- invariants ----------------------------------------------------------------------------------

// What the accounts in each cell sum to.
static struct ledger_cell *cells_sum(const struct ledger *ledger)
{
    struct ledger_cell *sums = calloc(MAX(ledger->cells.count, (u64)1), sizeof *sums);
    u64 members = 0;
    assert(sums != NULL);
    for (u32 row = 0; row < ledger->sidecars.count; row++) {
        const struct account_sidecar *sidecar = (const void *)table_record(&ledger->sidecars, row);
        const struct account *account = account_at(ledger, sidecar->account_row);
        assert(ledger_sidecar(ledger, sidecar->account_row) == sidecar);
        assert(account_has_cells(account) == (sidecar->cell_count > 0)); // G3
        members += sidecar->cell_count > 0;
        for (u32 i = 0; i < sidecar->cell_count; i++) {
            struct ledger_cell *sum = &sums[sidecar->cells[i]];
            sum->posted =
                (i128)((u128)sum->posted + account->debits_posted - account->credits_posted);
            sum->debits_pending += account->debits_pending;
            sum->credits_pending += account->credits_pending;
            sum->account_count++;
        }
        if (sidecar->breach == 0) continue;
        const struct ledger_breach *breach = breach_at(ledger, sidecar->breach - 1);
        assert(breach->account_row == sidecar->account_row && breach->cured_at == 0);
    }
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        const struct account *account = ledger_account(ledger, row);
        assert(!account_has_cells(account) || account_class(account) != 0);
        members -= account_has_cells(account);
    }
    assert(members == 0); // G3
    return sums;
}

static void check_spans(const struct ledger *ledger, u32 row)
{
    const struct ledger_constraint *constraint = constraint_at(ledger, row);
    const struct ledger_span *last = NULL;
    for (u32 next = constraint->span_first; next != 0; next = last->next) {
        const struct ledger_span *span = span_at(ledger, next - 1);
        assert(last == NULL || last->last_at <= span->from_at); // G6
        assert(span->constraint == row && span->changes > 0);
        assert(span->from_at <= span->least_at && span->least_at <= span->last_at);
        assert(span->least_value - span->least_bound <= span->value - span->bound); // G6
        assert(span->next != 0 || next == constraint->span_last);
        last = span;
    }
    if (last == NULL) {
        assert(constraint->span_last == 0 && ledger->spans.count == ledger->spans.capacity);
        return;
    }
    assert(last->value == constraint->value && last->bound == constraint->bound); // G6
    assert(last->state == span_state(constraint));                                // G6
}

static void check_constraint(const struct ledger *ledger, u32 row)
{
    const struct ledger_constraint *constraint = constraint_at(ledger, row);
    assert(!ledger->touched->is_touched[row]);
    check_spans(ledger, row);
    if (constraint->is_closed) {
        assert(constraint->breach == 0);
        return;
    }
    assert(constraint->value == value_of(ledger, constraint->terms, constraint->term_count)); // G4
    assert((headroom_of(constraint) < 0) == (constraint->breach != 0));                       // G4
    assert(ledger_terms_fit(ledger, constraint->terms, constraint->term_count));              // G5
    for (u32 i = 0; i < constraint->term_count; i++) {
        struct ledger_cell cell = *ledger_cell(ledger, constraint->terms[i].cell);
        const struct cell_link *link = link_find(&cell, row);
        assert(link->constraint == row + 1 &&
               link->coefficient == constraint->terms[i].coefficient);
        assert(cell.sum_max <= constraint->sum_max); // G5
    }
    if (constraint->breach == 0) return;
    const struct ledger_breach *breach = breach_at(ledger, constraint->breach - 1);
    assert(breach->constraint == row && breach->cured_at == 0);
    assert(breach->worst <= breach->value && breach->worst <= constraint->value);
}

void ledger_check_cells(const struct ledger *ledger)
{
    struct ledger_cell *sums = cells_sum(ledger);
    for (u32 row = 0; row < ledger->cells.count; row++) {
        const struct ledger_cell *cell = ledger_cell(ledger, row);
        assert(cell->posted == sums[row].posted);                   // G3
        assert(cell->debits_pending == sums[row].debits_pending);   // G3
        assert(cell->credits_pending == sums[row].credits_pending); // G3
        assert(cell->account_count == sums[row].account_count);
        assert(cell_fits(cell, cell->sum_max)); // G5
        for (u32 i = 0; i < LEDGER_CELL_CONSTRAINTS_MAX && cell->links[i].constraint != 0; i++) {
            assert(!constraint_at(ledger, cell->links[i].constraint - 1)->is_closed);
        }
    }
    free(sums);
    assert(ledger->touched->count == 0);
    u64 open = 0;
    for (u32 row = 0; row < ledger->constraints.count; row++) {
        check_constraint(ledger, row);
        open += constraint_at(ledger, row)->breach != 0;
    }
    for (u32 row = 0; row < ledger->breaches.count; row++) {
        const struct ledger_breach *breach = breach_at(ledger, row);
        assert((breach->constraint == ROW_NONE) != (breach->account_row == ROW_NONE));
        open -= breach->constraint != ROW_NONE && breach->cured_at == 0;
    }
    assert(open == 0); // G4: once.
}
