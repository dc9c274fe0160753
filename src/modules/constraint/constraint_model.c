// SPDX-License-Identifier: Apache-2.0
//
// The model of constraint_model.h.
#include "modules/constraint/constraint_model.h"

#include <stdlib.h>

#define MODEL_CELLS_MAX       64u
#define MODEL_CONSTRAINTS_MAX 4096u
#define MODEL_BREACHES_MAX    65536u
#define MODEL_ACCOUNTS_MAX    4096u
#define MAGNITUDE_MAX         ((((u128)1) << 125) - 1)

struct model_cell {
    u32 number;
    char name[48];
    bool has[MODEL_ACCOUNTS_MAX]; // By row.
};

struct model_constraint {
    u32 number;
    char name[48];
    bool is_closed;
    i128 bound;
    u32 count;
    struct constraint_term terms[8];
    i128 headroom_before;
};

struct model_breach {
    struct breach_view view;
    u32 row; // Of the account.
};

struct constraint_model {
    const struct book_model *books;
    struct model_cell cells[MODEL_CELLS_MAX];
    struct model_constraint constraints[MODEL_CONSTRAINTS_MAX];
    struct model_breach breaches[MODEL_BREACHES_MAX];
    u32 cell_count;
    u32 constraint_count;
    u32 breach_count;
};

struct constraint_model *constraint_model_new(const struct book_model *books)
{
    struct constraint_model *model = calloc(1, sizeof *model);
    if (model == NULL) abort();
    model->books = books;
    return model;
}

void constraint_model_free(struct constraint_model *model)
{
    free(model);
}

static struct book_reply refused(u32 result, u128 value, u128 limit)
{
    return (struct book_reply){.result = result, .evidence = {value, limit}};
}

static struct book_reply done(void)
{
    return refused(MODULE_DONE, 0, 0);
}

// --- whole records -------------------------------------------------------------------------------

static bool all_zero(const u8 *bytes, size_t size)
{
    u8 all = 0;
    for (size_t i = 0; i < size; i++) all |= bytes[i];
    return all == 0;
}

// Zeros only behind the text.
static bool is_text(const u8 *field)
{
    size_t size = 0;
    while (size < 48 && field[size] != 0) size++;
    return all_zero(field + size, 48 - size);
}

static bool is_identifier(const char name[48])
{
    char text[49] = {0};
    memcpy(text, name, 48);
    return text[0] != 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
               strlen(text);
}

static bool is_bound(const u8 *field)
{
    i128 bound;
    memcpy(&bound, field, sizeof bound);
    return bound <= (i128)1 << 126 && bound >= -((i128)1 << 126);
}

// A record of `head` bytes whose last four count terms.
static u32 terms_size(u32 head, const u8 *body, u32 left)
{
    u32 count;
    if (left < head) return 0;
    memcpy(&count, body + head - sizeof count, sizeof count);
    if (count > 8 || left < head + 16 * count) return 0;
    for (u32 i = 0; i < count; i++) {
        if (!all_zero(body + head + 16 * i + 4, 4)) return 0;
    }
    return head + 16 * count;
}

u32 constraint_model_record_size(u16 record, const u8 *body, u32 left)
{
    switch (record) {
    case 0x0601: return left >= 64 && all_zero(body + 4, 12) && is_text(body + 16) ? 64 : 0;
    case 0x0602:
    case 0x0603: return left >= 32 && all_zero(body + 8, 8) ? 32 : 0;
    case 0x0604: {
        const u32 size = terms_size(96, body, left);
        return size > 0 && all_zero(body + 4, 12) && is_bound(body + 16) && is_text(body + 32) &&
                       all_zero(body + 80, 12)
                   ? size
                   : 0;
    }
    case 0x0605: {
        const u32 size = terms_size(48, body, left);
        return size > 0 && body[4] <= 1 && body[5] <= 1 && all_zero(body + 6, 10) &&
                       is_bound(body + 16) && all_zero(body + 32, 12)
                   ? size
                   : 0;
    }
    case 0x0606: return left >= 16 && all_zero(body + 4, 12) ? 16 : 0;
    default: return left >= 16 && all_zero(body + 8, 8) ? 16 : 0;
    }
}

// --- sums ----------------------------------------------------------------------------------------

static struct model_cell *find_cell(struct constraint_model *model, u32 number)
{
    for (u32 i = 0; i < model->cell_count; i++) {
        if (model->cells[i].number == number) return &model->cells[i];
    }
    return NULL;
}

static struct model_constraint *find_constraint(struct constraint_model *model, u32 number)
{
    for (u32 i = 0; i < model->constraint_count; i++) {
        if (model->constraints[i].number == number) return &model->constraints[i];
    }
    return NULL;
}

// What is posted, and what is held, in the accounts of a cell.
struct model_sums {
    i128 posted;
    u128 debits_held;
    u128 credits_held;
};

static struct model_sums cell_sums(const struct constraint_model *model, u32 number)
{
    u128 sum = 0;
    struct model_sums sums = {0};
    for (u32 i = 0; i < model->cell_count; i++) {
        if (model->cells[i].number != number) continue;
        for (u32 row = 0; row < book_model_account_count(model->books); row++) {
            if (!model->cells[i].has[row]) continue;
            const struct account account = book_model_account(model->books, row);
            sum += account.debits_posted - account.credits_posted;
            sums.debits_held += account.debits_pending;
            sums.credits_held += account.credits_pending;
        }
    }
    sums.posted = (i128)sum;
    return sums;
}

static i128 value_of(const struct constraint_model *model, const struct constraint_term *terms,
                     u32 count)
{
    i128 value = 0;
    for (u32 i = 0; i < count; i++) {
        const struct model_sums sums = cell_sums(model, terms[i].cell);
        const i128 worst = terms[i].coefficient > 0 ? sums.posted - (i128)sums.credits_held
                                                    : sums.posted + (i128)sums.debits_held;
        value += terms[i].coefficient * worst;
    }
    return value;
}

// What the sums of a constraint's cells may be in magnitude.
static u128 allowed_by(const struct constraint_term *terms, u32 count)
{
    u128 sum = 0;
    for (u32 i = 0; i < count; i++) {
        const i128 coefficient = terms[i].coefficient;
        sum += (u128)(coefficient < 0 ? -coefficient : coefficient);
    }
    return MAGNITUDE_MAX / sum;
}

static bool within(i128 value, u128 max)
{
    return value >= -(i128)max && value <= (i128)max;
}

static bool sums_within(struct model_sums sums, u128 max)
{
    return within(sums.posted, max) && sums.debits_held <= max && sums.credits_held <= max;
}

// What the constraints that a cell is in allow it.
static u128 allowed(const struct constraint_model *model, u32 cell)
{
    u128 least = MAGNITUDE_MAX;
    for (u32 i = 0; i < model->constraint_count; i++) {
        const struct model_constraint *constraint = &model->constraints[i];
        for (u32 j = 0; j < constraint->count && !constraint->is_closed; j++) {
            if (constraint->terms[j].cell != cell) continue;
            least = MIN(least, allowed_by(constraint->terms, constraint->count));
        }
    }
    return least;
}

static bool terms_fit(const struct constraint_model *model, const struct constraint_term *terms,
                      u32 count)
{
    for (u32 i = 0; i < count; i++) {
        if (!sums_within(cell_sums(model, terms[i].cell), allowed_by(terms, count))) return false;
    }
    return true;
}

bool constraint_model_takes(const struct constraint_model *model, u32 row, bool is_debit,
                            u128 posted, u128 held)
{
    for (u32 i = 0; i < model->cell_count; i++) {
        if (!model->cells[i].has[row]) continue;
        const struct model_sums sums = cell_sums(model, model->cells[i].number);
        const u128 most = allowed(model, model->cells[i].number);
        const u128 pending = is_debit ? sums.debits_held : sums.credits_held;
        if (posted > (u128)1 << 126 || held > most || pending + held > most) return false;
        const i128 after = is_debit ? sums.posted + (i128)posted : sums.posted - (i128)posted;
        if (!within(after, most)) return false;
    }
    return true;
}

// --- the end of a plan ---------------------------------------------------------------------------

static i128 headroom(const struct constraint_model *model, const struct model_constraint *of)
{
    return value_of(model, of->terms, of->count) - of->bound;
}

void constraint_model_begin(struct constraint_model *model)
{
    for (u32 i = 0; i < model->constraint_count; i++) {
        if (model->constraints[i].is_closed) continue;
        model->constraints[i].headroom_before = headroom(model, &model->constraints[i]);
    }
}

struct book_reply constraint_model_judge(const struct constraint_model *model)
{
    for (u32 i = 0; i < model->constraint_count; i++) {
        const struct model_constraint *constraint = &model->constraints[i];
        if (constraint->is_closed) continue;
        const i128 left = headroom(model, constraint);
        if (left >= 0 || left >= constraint->headroom_before) continue;
        struct book_reply reply = refused(
            MODULE_CONSTRAINT_BROKEN, (u128)(left + constraint->bound), (u128)constraint->bound);
        reply.posting = constraint->number;
        return reply;
    }
    return done();
}

static struct model_breach *open_breach(struct constraint_model *model, u32 constraint, u32 row)
{
    for (u32 i = 0; i < model->breach_count; i++) {
        struct model_breach *breach = &model->breaches[i];
        if (breach->view.cured_at == 0 && breach->view.constraint == constraint &&
            (constraint != 0 || breach->row == row)) {
            return breach;
        }
    }
    return NULL;
}

static struct model_breach *add_breach(struct constraint_model *model, u32 constraint, u32 row,
                                       i128 value, i128 bound)
{
    assert(model->breach_count < MODEL_BREACHES_MAX);
    struct model_breach *breach = &model->breaches[model->breach_count++];
    breach->row = row;
    breach->view.breach = model->breach_count;
    breach->view.constraint = constraint;
    breach->view.value = value;
    breach->view.bound = bound;
    breach->view.worst = value;
    return breach;
}

void constraint_model_end(struct constraint_model *model)
{
    for (u32 i = 0; i < model->constraint_count; i++) {
        const struct model_constraint *constraint = &model->constraints[i];
        if (constraint->is_closed) continue;
        const i128 left = headroom(model, constraint);
        struct model_breach *breach = open_breach(model, constraint->number, 0);
        if (left >= 0 && breach != NULL) breach->view.cured_at = 1;
        if (left >= 0) continue;
        if (breach == NULL) {
            (void)add_breach(model, constraint->number, 0, left + constraint->bound,
                             constraint->bound);
        } else {
            breach->view.worst = MIN(breach->view.worst, left + constraint->bound);
        }
    }
}

void constraint_model_shortfall(struct constraint_model *model, u32 row, u128 amount, i128 value)
{
    struct model_breach *breach = open_breach(model, 0, row);
    if (breach == NULL) {
        breach = add_breach(model, 0, row, value, 0);
        const struct account account = book_model_account(model->books, row);
        breach->view.book = account.ledger;
        breach->view.account_id = account.id;
    }
    breach->view.worst = MIN(breach->view.worst, value);
    const u128 sum = breach->view.amount + amount;
    breach->view.amount = sum < amount ? U128_MAX : sum;
}

// --- commands ------------------------------------------------------------------------------------

static struct book_reply open_cell(struct constraint_model *model, const u8 *body)
{
    struct cell_open open;
    memcpy(&open, body, sizeof open);
    if (open.cell == 0) return refused(CONSTRAINT_NUMBER_MUST_NOT_BE_ZERO, 0, 0);
    if (!is_identifier(open.name)) return refused(CONSTRAINT_NAME_INVALID, 0, 0);
    if (find_cell(model, open.cell) != NULL) {
        return refused(CONSTRAINT_CELL_EXISTS, open.cell, 0);
    }
    assert(model->cell_count < MODEL_CELLS_MAX);
    struct model_cell *cell = &model->cells[model->cell_count++];
    cell->number = open.cell;
    memcpy(cell->name, open.name, sizeof cell->name);
    return done();
}

static struct book_reply change_member(struct constraint_model *model, const u8 *body, bool add)
{
    struct cell_add member;
    memcpy(&member, body, sizeof member);
    struct model_cell *cell = find_cell(model, member.cell);
    if (cell == NULL) return refused(CONSTRAINT_CELL_NOT_FOUND, member.cell, 0);
    if (!book_model_has_book(model->books, member.book)) {
        return refused(CONSTRAINT_BOOK_NOT_FOUND, member.book, 0);
    }
    const u32 row = book_model_account_row(model->books, member.book, member.account_id);
    if (row == U32_MAX) return refused(CONSTRAINT_ACCOUNT_NOT_FOUND, member.account_id, 0);
    if (add && cell->has[row]) {
        return refused(CONSTRAINT_ACCOUNT_IN_CELL, member.account_id, member.cell);
    }
    if (!add && !cell->has[row]) {
        return refused(CONSTRAINT_ACCOUNT_NOT_IN_CELL, member.account_id, member.cell);
    }
    u32 count = 0;
    for (u32 i = 0; i < model->cell_count; i++) count += model->cells[i].has[row];
    if (add && count == 8) return refused(CONSTRAINT_ACCOUNT_IN_TOO_MANY, member.account_id, 8);
    const struct account account = book_model_account(model->books, row);
    const u128 less = MIN(account.debits_posted, account.credits_posted);
    const u128 debits = account.debits_posted - less;
    const u128 credits = account.credits_posted - less;
    const u128 most = allowed(model, member.cell);
    constraint_model_begin(model);
    cell->has[row] = add;
    if (debits > (u128)1 << 126 || credits > (u128)1 << 126 || account.debits_pending > most ||
        account.credits_pending > most || !sums_within(cell_sums(model, member.cell), most)) {
        cell->has[row] = !add;
        return refused(CONSTRAINT_SUM_TOO_LARGE, member.cell, most);
    }
    const struct book_reply reply = constraint_model_judge(model);
    if (reply.result != MODULE_DONE) cell->has[row] = !add;
    else constraint_model_end(model);
    return reply;
}

// The first rule that a term breaks.
static struct book_reply check_terms(struct constraint_model *model,
                                     const struct constraint_term *terms, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        u32 result = MODULE_DONE;
        for (u32 j = 0; j < i; j++) {
            if (terms[j].cell == terms[i].cell) result = CONSTRAINT_CELL_TWICE;
        }
        if (find_cell(model, terms[i].cell) == NULL) result = CONSTRAINT_CELL_NOT_FOUND;
        if (terms[i].coefficient == 0) result = CONSTRAINT_COEFFICIENT_MUST_NOT_BE_ZERO;
        if (result != MODULE_DONE) return refused(result, terms[i].cell, 0);
    }
    return done();
}

static u32 constraints_with(const struct constraint_model *model, u32 cell)
{
    u32 count = 0;
    for (u32 i = 0; i < model->constraint_count; i++) {
        const struct model_constraint *constraint = &model->constraints[i];
        for (u32 j = 0; j < constraint->count && !constraint->is_closed; j++) {
            count += constraint->terms[j].cell == cell;
        }
    }
    return count;
}

static struct book_reply open_constraint(struct constraint_model *model, const u8 *body)
{
    struct constraint_open open;
    struct model_constraint new = {0};
    memcpy(&open, body, sizeof open);
    memcpy(new.terms, body + sizeof open, open.terms_count * sizeof *new.terms);
    if (open.constraint == 0) return refused(CONSTRAINT_NUMBER_MUST_NOT_BE_ZERO, 0, 0);
    if (!is_identifier(open.name)) return refused(CONSTRAINT_NAME_INVALID, 0, 0);
    if (find_constraint(model, open.constraint) != NULL) {
        return refused(CONSTRAINT_EXISTS, open.constraint, 0);
    }
    if (open.terms_count == 0) return refused(CONSTRAINT_TERMS_EMPTY, open.constraint, 0);
    const struct book_reply reply = check_terms(model, new.terms, open.terms_count);
    if (reply.result != MODULE_DONE) return reply;
    for (u32 i = 0; i < open.terms_count; i++) {
        if (constraints_with(model, new.terms[i].cell) < 8) continue;
        return refused(CONSTRAINT_CELL_IN_TOO_MANY, new.terms[i].cell, 8);
    }
    if (!terms_fit(model, new.terms, open.terms_count)) {
        return refused(CONSTRAINT_SUM_TOO_LARGE, open.constraint, 0);
    }
    new.number = open.constraint;
    new.bound = open.bound;
    new.count = open.terms_count;
    memcpy(new.name, open.name, sizeof new.name);
    assert(model->constraint_count < MODEL_CONSTRAINTS_MAX);
    model->constraints[model->constraint_count++] = new;
    constraint_model_end(model);
    return done();
}

static struct book_reply set_constraint(struct constraint_model *model, const u8 *body)
{
    struct constraint_set set;
    struct constraint_term terms[8];
    memcpy(&set, body, sizeof set);
    memcpy(terms, body + sizeof set, set.terms_count * sizeof *terms);
    struct model_constraint *constraint = find_constraint(model, set.constraint);
    if (constraint == NULL) return refused(CONSTRAINT_NOT_FOUND, set.constraint, 0);
    if (constraint->is_closed) return refused(CONSTRAINT_IS_CLOSED, set.constraint, 0);
    if (!set.set_bound && set.terms_count == 0) {
        return refused(CONSTRAINT_NOTHING_TO_SET, set.constraint, 0);
    }
    if (!set.set_bound && set.bound != 0) {
        return refused(CONSTRAINT_BOUND_NOT_SET, set.constraint, 0);
    }
    struct book_reply reply = check_terms(model, terms, set.terms_count);
    if (reply.result != MODULE_DONE) return reply;
    struct model_constraint new = *constraint;
    if (set.set_bound) new.bound = set.bound;
    for (u32 i = 0; i < set.terms_count; i++) {
        bool is_there = false;
        for (u32 j = 0; j < new.count; j++) {
            if (new.terms[j].cell != terms[i].cell) continue;
            new.terms[j].coefficient = terms[i].coefficient;
            is_there = true;
        }
        if (!is_there) return refused(CONSTRAINT_CELL_NOT_IN_CONSTRAINT, terms[i].cell, 0);
    }
    if (!terms_fit(model, new.terms, new.count)) {
        return refused(CONSTRAINT_SUM_TOO_LARGE, set.constraint, 0);
    }
    constraint_model_begin(model);
    const struct model_constraint before = *constraint;
    new.headroom_before = before.headroom_before;
    *constraint = new;
    if (set.nature == CONSTRAINT_DISCRETIONARY) reply = constraint_model_judge(model);
    if (reply.result != MODULE_DONE) *constraint = before;
    else constraint_model_end(model);
    return reply;
}

static struct book_reply close_constraint(struct constraint_model *model, const u8 *body)
{
    struct constraint_close close;
    memcpy(&close, body, sizeof close);
    struct model_constraint *constraint = find_constraint(model, close.constraint);
    if (constraint == NULL) return refused(CONSTRAINT_NOT_FOUND, close.constraint, 0);
    if (constraint->is_closed) return refused(CONSTRAINT_IS_CLOSED, close.constraint, 0);
    const i128 left = headroom(model, constraint);
    if (left < 0) {
        return refused(CONSTRAINT_IN_BREACH, (u128)(left + constraint->bound),
                       (u128)constraint->bound);
    }
    constraint->is_closed = true;
    return done();
}

struct book_reply constraint_model_run(struct constraint_model *model, u16 record, const u8 *body)
{
    switch (record) {
    case 0x0601: return open_cell(model, body);
    case 0x0602: return change_member(model, body, true);
    case 0x0603: return change_member(model, body, false);
    case 0x0604: return open_constraint(model, body);
    case 0x0605: return set_constraint(model, body);
    default: return close_constraint(model, body);
    }
}

struct book_reply constraint_model_breach(const struct constraint_model *model, const u8 *body,
                                          u32 *account_row, u128 *amount)
{
    struct breach_settle settle;
    memcpy(&settle, body, sizeof settle);
    if (settle.breach == 0 || settle.breach > model->breach_count) {
        return refused(CONSTRAINT_BREACH_NOT_FOUND, settle.breach, 0);
    }
    const struct model_breach *breach = &model->breaches[settle.breach - 1];
    if (breach->view.constraint != 0) {
        return refused(CONSTRAINT_BREACH_OF_A_CONSTRAINT, settle.breach, 0);
    }
    if (breach->view.cured_at != 0) return refused(CONSTRAINT_BREACH_CURED, settle.breach, 0);
    *account_row = breach->row;
    *amount = breach->view.amount;
    return done();
}

void constraint_model_settled(struct constraint_model *model, const u8 *body)
{
    struct breach_settle settle;
    memcpy(&settle, body, sizeof settle);
    model->breaches[settle.breach - 1].view.cured_at = 1;
}

// --- what can be read ----------------------------------------------------------------------------

bool constraint_model_cell(const struct constraint_model *model, u32 i, struct cell_view *out)
{
    if (i >= model->cell_count) return false;
    const struct model_cell *cell = &model->cells[i];
    const struct model_sums sums = cell_sums(model, cell->number);
    *out = (struct cell_view){.cell = cell->number,
                              .posted = sums.posted,
                              .debits_pending = sums.debits_held,
                              .credits_pending = sums.credits_held};
    memcpy(out->name, cell->name, sizeof out->name);
    for (u32 row = 0; row < MODEL_ACCOUNTS_MAX; row++) out->accounts += cell->has[row];
    return true;
}

bool constraint_model_constraint(const struct constraint_model *model, u32 i,
                                 struct constraint_view *out)
{
    if (i >= model->constraint_count) return false;
    const struct model_constraint *constraint = &model->constraints[i];
    *out = (struct constraint_view){.constraint = constraint->number, .bound = constraint->bound};
    memcpy(out->name, constraint->name, sizeof out->name);
    for (u32 j = 0; j < constraint->count; j++) {
        out->cells[j] = constraint->terms[j].cell;
        out->coefficients[j] = constraint->terms[j].coefficient;
    }
    out->state = CONSTRAINT_STATE_CLOSED;
    if (constraint->is_closed) return true;
    out->headroom = headroom(model, constraint);
    out->value = out->headroom + out->bound;
    out->state = out->headroom < 0 ? CONSTRAINT_STATE_BREACHED : CONSTRAINT_STATE_OPEN;
    return true;
}

bool constraint_model_breach_view(const struct constraint_model *model, u32 i,
                                  struct breach_view *out)
{
    if (i >= model->breach_count) return false;
    *out = model->breaches[i].view;
    return true;
}
