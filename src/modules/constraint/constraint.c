// SPDX-License-Identifier: Apache-2.0
//
// Deciding on cells, constraints and breaches, and telling how they stand.
#include "modules/constraint/constraint.h"

#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/identifier.h"

#define SCHEMA_MODULE constraint
#define SCHEMA_TABLE  "modules/constraint/constraint.def"
#include "schema/make_descriptors.h"

enum { TABLE_CELLS, TABLE_CONSTRAINTS };

// The rows of a cell and a constraint, or MODULE_ROW_NONE.
static u64 cell_row(const struct module_context *context, u32 number)
{
    return module_find_row(context, TABLE_CELLS, number);
}

static u64 constraint_row(const struct module_context *context, u32 number)
{
    return module_find_row(context, TABLE_CONSTRAINTS, number);
}

// --- cells ---------------------------------------------------------------------------------------

static u32 cell_open_decide(const struct module_context *context, const struct cell_open *open,
                            struct plan *plan)
{
    if (open->cell == 0) return CONSTRAINT_NUMBER_MUST_NOT_BE_ZERO;
    if (!identifier_is_valid(open->name, sizeof open->name)) return CONSTRAINT_NAME_INVALID;
    plan->evidence[0] = open->cell;
    if (cell_row(context, open->cell) != MODULE_ROW_NONE) return CONSTRAINT_CELL_EXISTS;
    struct cell cell = {.cell = open->cell};
    memcpy(cell.name, open->name, sizeof cell.name);
    plan->change = (struct ledger_change){.kind = LEDGER_CHANGE_CELL_OPEN, .number = open->cell};
    plan_add_write(plan, TABLE_CELLS, module_record_count(context, TABLE_CELLS), &cell,
                   sizeof cell);
    return MODULE_DONE;
}

// Both commands on members have this layout.
static_assert(sizeof(struct cell_add) == sizeof(struct cell_remove) &&
                  offsetof(struct cell_add, account_id) == offsetof(struct cell_remove, account_id),
              "one layout");

static u32 member_decide(const struct module_context *context, const struct cell_add *member,
                         bool is_added, struct plan *plan)
{
    const struct ledger *ledger = context->ledger;
    const u64 cell = cell_row(context, member->cell);
    plan->evidence[0] = member->cell;
    if (cell == MODULE_ROW_NONE) return CONSTRAINT_CELL_NOT_FOUND;
    plan->evidence[0] = member->book;
    if (book_find(context, member->book) == NULL) return CONSTRAINT_BOOK_NOT_FOUND;
    const u32 account = ledger_class_account_row(ledger, member->book, member->account_id);
    plan->evidence[0] = member->account_id;
    if (account == U32_MAX) return CONSTRAINT_ACCOUNT_NOT_FOUND;
    plan->evidence[1] = member->cell;
    const bool is_member = ledger_cell_has(ledger, (u32)cell, account);
    if (is_member && is_added) return CONSTRAINT_ACCOUNT_IN_CELL;
    if (!is_member && !is_added) return CONSTRAINT_ACCOUNT_NOT_IN_CELL;
    const struct account_sidecar *sidecar = ledger_sidecar(ledger, account);
    const u32 count = sidecar == NULL ? 0 : sidecar->cell_count;
    plan->evidence[1] = LEDGER_ACCOUNT_CELLS_MAX;
    if (is_added && count == LEDGER_ACCOUNT_CELLS_MAX) return CONSTRAINT_ACCOUNT_IN_TOO_MANY;
    plan->evidence[0] = member->cell;
    plan->evidence[1] = ledger_cell(ledger, (u32)cell)->sum_max;
    if (!ledger_cell_takes(ledger, (u32)cell, account, is_added)) return CONSTRAINT_SUM_TOO_LARGE;
    plan->change = (struct ledger_change){
        .kind = is_added ? LEDGER_CHANGE_CELL_ADD : LEDGER_CHANGE_CELL_REMOVE,
        .cell = (u32)cell,
        .account_row = account,
    };
    return MODULE_DONE;
}

// --- constraints ---------------------------------------------------------------------------------

// Fills the change's terms from those of the command, or says which rule the first bad one breaks.
static u32 terms_decide(const struct module_context *context, const struct constraint_term *terms,
                        u32 count, struct plan *plan)
{
    for (u32 i = 0; i < count; i++) {
        const u64 row = cell_row(context, terms[i].cell);
        plan->evidence[0] = terms[i].cell;
        if (terms[i].coefficient == 0) return CONSTRAINT_COEFFICIENT_MUST_NOT_BE_ZERO;
        if (row == MODULE_ROW_NONE) return CONSTRAINT_CELL_NOT_FOUND;
        for (u32 j = 0; j < i; j++) {
            if (terms[j].cell == terms[i].cell) return CONSTRAINT_CELL_TWICE;
        }
        plan->change.terms[i] =
            (struct ledger_term){.coefficient = terms[i].coefficient, .cell = (u32)row};
    }
    plan->change.term_count = count;
    return MODULE_DONE;
}

static u32 fit_decide(const struct module_context *context, struct plan *plan, u32 number)
{
    plan->evidence[0] = number;
    plan->evidence[1] = 0;
    return ledger_terms_fit(context->ledger, plan->change.terms, plan->change.term_count)
               ? MODULE_DONE
               : CONSTRAINT_SUM_TOO_LARGE;
}

static u32 constraint_open_decide(const struct module_context *context,
                                  const struct constraint_open *open, struct plan *plan)
{
    if (open->constraint == 0) return CONSTRAINT_NUMBER_MUST_NOT_BE_ZERO;
    if (!identifier_is_valid(open->name, sizeof open->name)) return CONSTRAINT_NAME_INVALID;
    plan->evidence[0] = open->constraint;
    if (constraint_row(context, open->constraint) != MODULE_ROW_NONE) return CONSTRAINT_EXISTS;
    if (open->terms_count == 0) return CONSTRAINT_TERMS_EMPTY;
    plan->change = (struct ledger_change){
        .kind = LEDGER_CHANGE_CONSTRAINT_OPEN, .number = open->constraint, .bound = open->bound};
    u32 refusal = terms_decide(context, (const void *)(open + 1), open->terms_count, plan);
    for (u32 i = 0; i < open->terms_count && refusal == MODULE_DONE; i++) {
        const struct ledger_cell *cell = ledger_cell(context->ledger, plan->change.terms[i].cell);
        if (cell->links[LEDGER_CELL_CONSTRAINTS_MAX - 1].constraint == 0) continue;
        plan->evidence[0] = cell->number;
        plan->evidence[1] = LEDGER_CELL_CONSTRAINTS_MAX;
        refusal = CONSTRAINT_CELL_IN_TOO_MANY;
    }
    if (refusal == MODULE_DONE) refusal = fit_decide(context, plan, open->constraint);
    if (refusal != MODULE_DONE) return refusal;
    struct constraint constraint = {.constraint = open->constraint};
    memcpy(constraint.name, open->name, sizeof constraint.name);
    plan_add_write(plan, TABLE_CONSTRAINTS, module_record_count(context, TABLE_CONSTRAINTS),
                   &constraint, sizeof constraint);
    return MODULE_DONE;
}

// Finds a constraint that is not closed.
static u32 constraint_find(const struct module_context *context, u32 number, struct plan *plan,
                           u32 *row)
{
    const u64 found = constraint_row(context, number);
    plan->evidence[0] = number;
    if (found == MODULE_ROW_NONE) return CONSTRAINT_NOT_FOUND;
    *row = (u32)found;
    return ledger_constraint(context->ledger, *row)->is_closed ? CONSTRAINT_IS_CLOSED : MODULE_DONE;
}

// Puts the new coefficients over those that the constraint has.
static u32 coefficients_set(const struct ledger_constraint *constraint,
                            const struct constraint_term *terms, struct plan *plan)
{
    struct ledger_change *change = &plan->change;
    struct ledger_term given[LEDGER_TERMS_MAX];
    const u32 given_count = change->term_count;
    memcpy(given, change->terms, sizeof given);
    memcpy(change->terms, constraint->terms, sizeof change->terms);
    change->term_count = constraint->term_count;
    for (u32 i = 0; i < given_count; i++) {
        u32 place = 0;
        while (place < change->term_count && change->terms[place].cell != given[i].cell) place++;
        plan->evidence[0] = terms[i].cell;
        if (place == change->term_count) return CONSTRAINT_CELL_NOT_IN_CONSTRAINT;
        change->terms[place].coefficient = given[i].coefficient;
    }
    return MODULE_DONE;
}

static u32 constraint_set_decide(const struct module_context *context,
                                 const struct constraint_set *set, struct plan *plan)
{
    const struct constraint_term *terms = (const void *)(set + 1);
    u32 row = 0;
    u32 refusal = constraint_find(context, set->constraint, plan, &row);
    if (refusal != MODULE_DONE) return refusal;
    if (!set->set_bound && set->terms_count == 0) return CONSTRAINT_NOTHING_TO_SET;
    if (!set->set_bound && set->bound != 0) return CONSTRAINT_BOUND_NOT_SET;
    const struct ledger_constraint *constraint = ledger_constraint(context->ledger, row);
    plan->is_fact = set->nature == CONSTRAINT_FACT;
    plan->change = (struct ledger_change){
        .kind = LEDGER_CHANGE_CONSTRAINT_SET,
        .constraint = row,
        .bound = set->set_bound ? set->bound : constraint->bound,
    };
    refusal = terms_decide(context, terms, set->terms_count, plan);
    if (refusal == MODULE_DONE) refusal = coefficients_set(constraint, terms, plan);
    if (refusal == MODULE_DONE) refusal = fit_decide(context, plan, set->constraint);
    return refusal;
}

static u32 constraint_close_decide(const struct module_context *context,
                                   const struct constraint_close *close, struct plan *plan)
{
    u32 row = 0;
    const u32 refusal = constraint_find(context, close->constraint, plan, &row);
    if (refusal != MODULE_DONE) return refusal;
    const struct ledger_constraint *constraint = ledger_constraint(context->ledger, row);
    plan->evidence[0] = (u128)constraint->value;
    plan->evidence[1] = (u128)constraint->bound;
    if (constraint->breach != 0) return CONSTRAINT_IN_BREACH;
    plan->change =
        (struct ledger_change){.kind = LEDGER_CHANGE_CONSTRAINT_CLOSE, .constraint = row};
    return MODULE_DONE;
}

// --- breaches ------------------------------------------------------------------------------------

// What a fact had to leave in suspense goes where it belongs, if the account's limit allows it now.
static u32 breach_settle_decide(const struct module_context *context,
                                const struct breach_settle *settle, struct plan *plan)
{
    const struct ledger *ledger = context->ledger;
    plan->evidence[0] = settle->breach;
    if (settle->breach == 0 || settle->breach > ledger->breaches.count) {
        return CONSTRAINT_BREACH_NOT_FOUND;
    }
    const u32 row = (u32)(settle->breach - 1);
    const struct ledger_breach *breach = ledger_breach(ledger, row);
    if (breach->constraint != U32_MAX) return CONSTRAINT_BREACH_OF_A_CONSTRAINT;
    if (breach->cured_at != 0) return CONSTRAINT_BREACH_CURED;
    const struct account *account = ledger_account(ledger, breach->account_row);
    const bool is_debit = (account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0;
    const struct book_account *known = book_account_find(context, breach->account_row);
    assert(known != NULL); // Entries alone open breaches of accounts, and they post to books.
    if (!book_account_is_open(known, is_debit)) {
        plan->evidence[0] = account->id;
        plan->evidence[1] = known->is_closed ? 0 : known->frozen;
        return known->is_closed ? CONSTRAINT_ACCOUNT_CLOSED : CONSTRAINT_ACCOUNT_FROZEN;
    }
    const u32 suspense = ledger_class_account_row(ledger, account->ledger, BOOK_SUSPENSE_ID);
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = is_debit ? breach->account_row : suspense;
    posting->credit_row = is_debit ? suspense : breach->account_row;
    posting->amount = breach->amount;
    posting->code = CONSTRAINT_SETTLE_CODE;
    const struct book *book = book_find(context, account->ledger);
    posting->day = entity_find(context, book->entity_id)->day;
    plan->change = (struct ledger_change){.kind = LEDGER_CHANGE_BREACH_SETTLE, .breach = row};
    return MODULE_DONE;
}

static u32 constraint_decide(const struct module_context *context,
                             const struct schema_record *record, const void *body,
                             struct plan *plan)
{
    if (record == &constraint_schema_cell_open) return cell_open_decide(context, body, plan);
    if (record == &constraint_schema_cell_add) return member_decide(context, body, true, plan);
    if (record == &constraint_schema_cell_remove) return member_decide(context, body, false, plan);
    if (record == &constraint_schema_constraint_open) {
        return constraint_open_decide(context, body, plan);
    }
    if (record == &constraint_schema_constraint_set) {
        return constraint_set_decide(context, body, plan);
    }
    if (record == &constraint_schema_constraint_close) {
        return constraint_close_decide(context, body, plan);
    }
    assert(record == &constraint_schema_breach_settle);
    return breach_settle_decide(context, body, plan);
}

// --- questions -----------------------------------------------------------------------------------

static struct cell_view cell_view(const struct module_context *context, u64 row)
{
    const struct cell *known = module_record(context, TABLE_CELLS, row);
    const struct ledger_cell *cell = ledger_cell(context->ledger, (u32)row);
    struct cell_view view = {
        .cell = (u32)known->cell,
        .accounts = cell->account_count,
        .posted = cell->posted,
        .debits_pending = cell->debits_pending,
        .credits_pending = cell->credits_pending,
    };
    memcpy(view.name, known->name, sizeof view.name);
    return view;
}

static struct constraint_view constraint_view(const struct module_context *context, u64 row)
{
    const struct constraint *known = module_record(context, TABLE_CONSTRAINTS, row);
    const struct ledger_constraint *constraint = ledger_constraint(context->ledger, (u32)row);
    struct constraint_view view = {
        .constraint = (u32)known->constraint,
        .state = constraint->is_closed     ? CONSTRAINT_STATE_CLOSED
                 : constraint->breach != 0 ? CONSTRAINT_STATE_BREACHED
                                           : CONSTRAINT_STATE_OPEN,
        .since = constraint->since,
        .value = constraint->is_closed ? 0 : constraint->value,
        .bound = constraint->bound,
    };
    if (!constraint->is_closed) view.headroom = view.value - view.bound; // Exact (G5).
    memcpy(view.name, known->name, sizeof view.name);
    for (u32 i = 0; i < constraint->term_count; i++) {
        view.cells[i] = ledger_cell(context->ledger, constraint->terms[i].cell)->number;
        view.coefficients[i] = constraint->terms[i].coefficient;
    }
    return view;
}

static struct breach_view breach_view(const struct ledger *ledger, u64 row)
{
    const struct ledger_breach *breach = ledger_breach(ledger, (u32)row);
    struct breach_view view = {
        .breach = row + 1,
        .value = breach->value,
        .bound = breach->bound,
        .worst = breach->worst,
        .amount = breach->amount,
        .opened_at = breach->opened_at,
        .opened_position = breach->opened_position,
        .cured_at = breach->cured_at,
        .cured_position = breach->cured_position,
    };
    if (breach->constraint != U32_MAX) {
        view.constraint = ledger_constraint(ledger, breach->constraint)->number;
        return view;
    }
    const struct account *account = ledger_account(ledger, breach->account_row);
    view.book = account->ledger;
    view.account_id = account->id;
    return view;
}

static void cursor_set(struct module_answer *answer, u64 row, u64 count)
{
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
}

// The rows of an answer: all of `count` from the cursor on, or the one that was asked for.
static u32 rows_of(struct module_answer *answer, u32 asked, u64 found, u64 *row, u64 *count)
{
    *row = load_u64(answer->cursor);
    if (asked == 0) return MODULE_DONE;
    answer->evidence[0] = asked;
    *row = found;
    *count = found + 1;
    return found == MODULE_ROW_NONE ? CONSTRAINT_NOT_FOUND : MODULE_DONE;
}

static u32 cell_list_ask(const struct module_context *context, const struct cell_list *list,
                         struct module_answer *answer)
{
    u64 row = 0;
    u64 count = module_record_count(context, TABLE_CELLS);
    answer->record = &constraint_schema_cell_view;
    if (rows_of(answer, list->cell, cell_row(context, list->cell), &row, &count) != MODULE_DONE) {
        return CONSTRAINT_CELL_NOT_FOUND;
    }
    for (; row < count; row++) {
        const struct cell_view view = cell_view(context, row);
        if (!answer_add(answer, &view)) break;
    }
    cursor_set(answer, row, count);
    return MODULE_DONE;
}

static u32 constraint_list_ask(const struct module_context *context,
                               const struct constraint_list *list, struct module_answer *answer)
{
    u64 row = 0;
    u64 count = module_record_count(context, TABLE_CONSTRAINTS);
    answer->record = &constraint_schema_constraint_view;
    const u32 refusal =
        rows_of(answer, list->constraint, constraint_row(context, list->constraint), &row, &count);
    if (refusal != MODULE_DONE) return refusal;
    for (; row < count; row++) {
        const struct constraint_view view = constraint_view(context, row);
        if (!answer_add(answer, &view)) break;
    }
    cursor_set(answer, row, count);
    return MODULE_DONE;
}

static u32 breach_list_ask(const struct module_context *context, const struct breach_list *list,
                           struct module_answer *answer)
{
    const struct ledger *ledger = context->ledger;
    const u64 count = ledger->breaches.count;
    const u64 wanted = constraint_row(context, list->constraint);
    u64 row = load_u64(answer->cursor);
    answer->record = &constraint_schema_breach_view;
    answer->evidence[0] = list->constraint;
    if (list->constraint != 0 && wanted == MODULE_ROW_NONE) return CONSTRAINT_NOT_FOUND;
    for (u32 looks = 0; row < count && looks < ANSWER_LOOKS_MAX; row++, looks++) {
        const struct ledger_breach *breach = ledger_breach(ledger, (u32)row);
        if (list->constraint != 0 && breach->constraint != wanted) continue;
        if (list->open && breach->cured_at != 0) continue;
        const struct breach_view view = breach_view(ledger, row);
        if (!answer_add(answer, &view)) break;
    }
    cursor_set(answer, row, count);
    return MODULE_DONE;
}

static struct constraint_span span_view(const struct ledger *ledger, const struct ledger_span *span)
{
    static const u8 states[] = {[LEDGER_SPAN_OPEN] = CONSTRAINT_STATE_OPEN,
                                [LEDGER_SPAN_BREACHED] = CONSTRAINT_STATE_BREACHED,
                                [LEDGER_SPAN_CLOSED] = CONSTRAINT_STATE_CLOSED};
    return (struct constraint_span){
        .from_at = span->from_at,
        .constraint = ledger_constraint(ledger, span->constraint)->number,
        .state = states[span->state],
        .merged = span->is_merged != 0,
        .value = span->value,
        .bound = span->bound,
        .headroom = span->value - span->bound,
        .least_headroom = span->least_value - span->least_bound,
        .least_value = span->least_value,
        .least_bound = span->least_bound,
        .least_at = span->least_at,
        .least_position = span->least_position,
        .from_position = span->from_position,
        .last_position = span->last_position,
        .last_at = span->last_at,
        .changes = span->changes,
    };
}

// From the oldest span to the newest.
static u32 history_ask(const struct module_context *context,
                       const struct constraint_history *question, struct module_answer *answer)
{
    const struct ledger *ledger = context->ledger;
    const u64 row = constraint_row(context, question->constraint);
    const u64 to_time = question->to_time == 0 ? U64_MAX : question->to_time;
    u64 next = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->record = &constraint_schema_constraint_span;
    answer->evidence[0] = question->constraint;
    if (row == MODULE_ROW_NONE) return CONSTRAINT_NOT_FOUND;
    answer->evidence[0] = question->from_time;
    answer->evidence[1] = question->to_time;
    if (to_time < question->from_time) return CONSTRAINT_RANGE_REVERSED;
    if (next == 0) next = ledger_constraint(ledger, (u32)row)->span_first;
    for (u32 looks = 0; next != 0 && next <= ledger->spans.count; looks++) {
        const struct ledger_span *span = ledger_span(ledger, (u32)next - 1);
        // A cursor that this server did not give, or all that was asked for is told.
        if (span->constraint != row || span->from_at > to_time) break;
        const bool is_over =
            span->next != 0 && ledger_span(ledger, span->next - 1)->from_at <= question->from_time;
        const struct constraint_span view = span_view(ledger, span);
        if (looks == ANSWER_LOOKS_MAX || (!is_over && !answer_add(answer, &view))) {
            store_u64(answer->cursor, next);
            break;
        }
        next = span->next;
    }
    return MODULE_DONE;
}

static u32 constraint_ask(const struct module_context *context,
                          const struct schema_record *question, const void *body,
                          struct module_answer *answer)
{
    if (question == &constraint_schema_cell_list) return cell_list_ask(context, body, answer);
    if (question == &constraint_schema_constraint_list) {
        return constraint_list_ask(context, body, answer);
    }
    if (question == &constraint_schema_breach_list) return breach_list_ask(context, body, answer);
    assert(question == &constraint_schema_constraint_history);
    return history_ask(context, body, answer);
}

// --- invariants ----------------------------------------------------------------------------------

static void constraint_check(const struct module_context *context)
{
    const struct ledger *ledger = context->ledger;
    assert(ledger->cells.count == module_record_count(context, TABLE_CELLS));             // V1
    assert(ledger->constraints.count == module_record_count(context, TABLE_CONSTRAINTS)); // V1
    for (u64 row = 0; row < ledger->cells.count; row++) {
        const struct cell *cell = module_record(context, TABLE_CELLS, row);
        assert(cell->cell == ledger_cell(ledger, (u32)row)->number);
        assert(cell_row(context, (u32)cell->cell) == row); // V1
    }
    for (u64 row = 0; row < ledger->constraints.count; row++) {
        const struct constraint *constraint = module_record(context, TABLE_CONSTRAINTS, row);
        assert(constraint->constraint == ledger_constraint(ledger, (u32)row)->number);
        assert(constraint_row(context, (u32)constraint->constraint) == row); // V1
    }
}

const struct module constraint_module = {
    .name = "constraint",
    .number = 0x06,
    .version = 1,
    .account_class = BOOK_ACCOUNT_CLASS,
    .schema = &constraint_schema,
    .table_count = 2,
    .tables =
        {
            {.record_size = sizeof(struct cell), .record_max = LEDGER_CELLS_MAX, .keyed = true},
            {.record_size = sizeof(struct constraint),
             .record_max = LEDGER_CONSTRAINTS_MAX,
             .keyed = true},
        },
    .decide = constraint_decide,
    .ask = constraint_ask,
    .check = constraint_check,
};
