// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h.
#include "modules/book/book_model_internal.h"

#include "money/currency.h"

void book_model_principal(struct book_model *model, u64 principal)
{
    assert(model->principal_count < PRINCIPALS_MAX);
    model->principals[model->principal_count++] = principal;
}

static bool may_own(const struct book_model *model, u64 owner, u64 principal)
{
    if (owner == 1 || owner == principal || owner == U64_MAX) return true; // Of rules.
    for (u32 i = 0; i < model->principal_count; i++) {
        if (model->principals[i] == owner) return true;
    }
    return false;
}

struct book_model *book_model_new(u32 accounts_max)
{
    struct book_model *model = calloc(1, sizeof *model);
    if (model == NULL) abort();
    assert(accounts_max <= THINGS_MAX);
    model->accounts_max = accounts_max;
    model->constraints = constraint_model_new(model);
    return model;
}

void book_model_free(struct book_model *model)
{
    for (u32 i = 0; i < model->command_count; i++) {
        free(model->commands[i].body);
        free(model->commands[i].replies);
    }
    free(model->postings);
    constraint_model_free(model->constraints);
    for (u32 i = 0; i < model->posted_count; i++) {
        free(model->posted[i].body);
        free(model->posted[i].postings);
    }
    free(model);
}

// --- text ----------------------------------------------------------------------------------------

static bool is_place(struct word word)
{
    static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (strchr(capitals, word.text[0]) == NULL || word.text[0] == 0) return false;
    if (strchr(capitals, word.text[1]) == NULL || word.text[1] == 0) return false;
    if (word.text[2] == 0) return true;
    const size_t rest = strspn(word.text + 3, others);
    return word.text[2] == '-' && rest >= 1 && rest <= 3 && word.text[3 + rest] == 0;
}

static const struct currency *currency_of(struct word word)
{
    for (u32 i = 0; i < currency_count; i++) {
        if (strcmp(currencies[i].code, word.text) == 0) return &currencies[i];
    }
    return NULL;
}

// --- whole records -------------------------------------------------------------------------------

static bool entity_open_is_whole(const u8 *body)
{
    struct entity_open open;
    memcpy(&open, body, sizeof open);
    return WHOLE(open.name) && WHOLE(open.jurisdiction) && WHOLE(open.currency) &&
           WHOLE(open.calendar) && all_zero(open.reserved, sizeof open.reserved);
}

static bool calendar_open_is_whole(const u8 *body)
{
    struct calendar_open open;
    memcpy(&open, body, sizeof open);
    return WHOLE(open.calendar) && open.weekend <= 127 &&
           all_zero(open.reserved, sizeof open.reserved);
}

static bool calendar_mark_is_whole(const u8 *body)
{
    struct calendar_mark mark;
    memcpy(&mark, body, sizeof mark);
    for (u32 i = 0; i < mark.days_count; i++) {
        struct calendar_day day;
        memcpy(&day, body + sizeof mark + i * sizeof day, sizeof day);
        if (day.kind < 1 || day.kind > 4) return false;
        if (!all_zero(day.reserved, sizeof day.reserved)) return false;
    }
    return WHOLE(mark.calendar) && all_zero(mark.reserved, sizeof mark.reserved);
}

static bool close_is_whole(const u8 *body)
{
    return all_zero(body + 20, 12);
}

static bool asset_open_is_whole(const u8 *body)
{
    struct asset_open open;
    memcpy(&open, body, sizeof open);
    return WHOLE(open.asset) && WHOLE(open.name) && open.kind >= 1 && open.kind <= 5 &&
           open.scale <= 18 && all_zero(open.reserved, sizeof open.reserved);
}

static bool chart_add_is_whole(const u8 *body)
{
    struct chart_add add;
    memcpy(&add, body, sizeof add);
    return WHOLE(add.name) && WHOLE(add.line) && add.code <= 65534 && add.kind >= 1 &&
           add.kind <= 5 && body[offsetof(struct chart_add, contra)] <= 1;
}

static bool book_open_is_whole(const u8 *body)
{
    struct book_open open;
    memcpy(&open, body, sizeof open);
    return WHOLE(open.asset) && WHOLE(open.name) && open.reserved == 0;
}

static bool account_open_is_whole(const u8 *body)
{
    struct book_account_open open;
    memcpy(&open, body, sizeof open);
    return WHOLE(open.name) && (open.flags & ~6u) == 0;
}

// Of a freeze, a thaw, a close, a reopening: account, book, sides of a freeze, reason.
static bool account_stop_is_whole(u16 record, const u8 *body)
{
    const u32 from = record == 0x0305 ? 21 : 20;
    return text_is_whole((const char *)body + 32, 16) && all_zero(body + from, 32 - from) &&
           (record != 0x0305 || body[20] <= 3);
}

// The bytes of the record that begins there; 0 when it is not whole.
static u32 record_size(u16 record, const u8 *body, u32 left)
{
    const u32 marks = record == 0x0203 ? array_size(32, 8, 32, body, left) : 0;
    if (record >> 8 == 6) return constraint_model_record_size(record, body, left);
    if (record >> 8 == 4) return entry_model_record_size(record, body, left);
    switch (record) {
    case 0x0201: return left >= 112 && entity_open_is_whole(body) ? 112 : 0;
    case 0x0202: return left >= 32 && calendar_open_is_whole(body) ? 32 : 0;
    case 0x0203: return marks > 0 && calendar_mark_is_whole(body) ? marks : 0;
    case 0x0204:
    case 0x0205: return left >= 32 && close_is_whole(body) ? 32 : 0;
    case 0x0301: return left >= 64 && asset_open_is_whole(body) ? 64 : 0;
    case 0x0302: return left >= 80 && chart_add_is_whole(body) ? 80 : 0;
    case 0x0303: return left >= 96 && book_open_is_whole(body) ? 96 : 0;
    case 0x0304: return left >= 96 && account_open_is_whole(body) ? 96 : 0;
    default: return left >= 48 && account_stop_is_whole(record, body) ? 48 : 0;
    }
}

// Where the record behind one of `size` bytes begins, or the end.
static u32 record_next(const struct book_command *command, u32 at, u32 size)
{
    const u32 next = (at + size + BOOK_MODEL_ALIGNMENT - 1) / BOOK_MODEL_ALIGNMENT;
    return MIN(next * BOOK_MODEL_ALIGNMENT, command->size);
}

// --- finding -------------------------------------------------------------------------------------

static const struct calendar_open *find_calendar(const struct book_model *model,
                                                 struct word calendar)
{
    for (u32 i = 0; i < model->calendar_count; i++) {
        if (word_is(WORD(model->calendars[i].calendar), calendar)) return &model->calendars[i];
    }
    return NULL;
}

static struct model_mark *find_mark(struct book_model *model, struct word calendar, i32 day)
{
    for (u32 i = 0; i < model->mark_count; i++) {
        struct model_mark *mark = &model->marks[i];
        if (mark->day.day == day && word_is(WORD(mark->calendar), calendar)) return mark;
    }
    return NULL;
}

static bool has_business(struct book_model *model, struct word calendar, i32 day)
{
    static const u8 weekdays[] = {8, 16, 32, 64, 1, 2, 4}; // 1970-01-01 was a Thursday.
    const struct calendar_open *open = find_calendar(model, calendar);
    const struct model_mark *mark = find_mark(model, calendar, day);
    if (open == NULL) return true;
    if (mark != NULL && mark->day.kind == DAY_WORKING) return true;
    if (mark != NULL && mark->day.kind != DAY_USUAL) return false;
    return (open->weekend & weekdays[day % 7]) == 0;
}

static bool has_chart(const struct book_model *model, u32 chart)
{
    for (u32 i = 0; i < model->code_count; i++) {
        if (model->codes[i].chart == chart) return true;
    }
    return false;
}

static bool number_is_raw(const struct book_model *model, u32 number)
{
    for (u32 i = 0; i < model->account_count; i++) {
        if (model->accounts[i].is_raw && model->accounts[i].number == number) return true;
    }
    return false;
}

static struct model_account *find_raw(struct book_model *model, u128 id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        if (model->accounts[i].is_raw && model->accounts[i].id == id) return &model->accounts[i];
    }
    return NULL;
}

// --- commands ------------------------------------------------------------------------------------

static bool is_day(i32 day)
{
    return day >= 1 && day <= 2932896;
}

static struct book_reply open_entity(struct book_model *model, const u8 *body)
{
    struct entity_open open;
    memcpy(&open, body, sizeof open);
    const struct word calendar = WORD(open.calendar);
    if (open.entity_id == 0) return refused(ENTITY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (!is_identifier(WORD(open.name))) return refused(ENTITY_NAME_INVALID, 0, 0);
    if (!is_place(WORD(open.jurisdiction))) return refused(ENTITY_JURISDICTION_INVALID, 0, 0);
    if (currency_of(WORD(open.currency)) == NULL) return refused(ENTITY_CURRENCY_UNKNOWN, 0, 0);
    if (calendar.text[0] != 0 && find_calendar(model, calendar) == NULL) {
        return refused(ENTITY_CALENDAR_NOT_FOUND, 0, 0);
    }
    if (!is_day(open.day)) return refused(ENTITY_DAY_OUT_OF_RANGE, of_day(open.day), 0);
    if (find_entity(model, open.entity_id) != NULL) {
        return refused(ENTITY_EXISTS, open.entity_id, 0);
    }
    if (!has_business(model, calendar, open.day)) {
        return refused(ENTITY_NOT_A_BUSINESS_DAY, of_day(open.day), 0);
    }
    assert(model->entity_count < THINGS_MAX);
    model->entities[model->entity_count++] =
        (struct model_entity){.open = open, .day = open.day, .closed_through = open.day - 1};
    return done();
}

static struct book_reply open_calendar(struct book_model *model, const u8 *body)
{
    struct calendar_open open;
    memcpy(&open, body, sizeof open);
    if (!is_identifier(WORD(open.calendar))) return refused(ENTITY_CALENDAR_INVALID, 0, 0);
    if (open.weekend == 127) return refused(ENTITY_CALENDAR_WITHOUT_BUSINESS, 0, 0);
    if (find_calendar(model, WORD(open.calendar)) != NULL) {
        return refused(ENTITY_CALENDAR_EXISTS, 0, 0);
    }
    assert(model->calendar_count < THINGS_MAX);
    model->calendars[model->calendar_count++] = open;
    return done();
}

static struct book_reply mark_calendar(struct book_model *model, const u8 *body)
{
    struct calendar_mark mark;
    struct calendar_day days[32];
    memcpy(&mark, body, sizeof mark);
    memcpy(days, body + sizeof mark, mark.days_count * sizeof *days);
    if (find_calendar(model, WORD(mark.calendar)) == NULL) {
        return refused(ENTITY_CALENDAR_NOT_FOUND, 0, 0);
    }
    if (mark.days_count == 0) return refused(ENTITY_DAYS_EMPTY, 0, 0);
    for (u32 i = 0; i < mark.days_count; i++) {
        if (!is_day(days[i].day)) {
            return refused(ENTITY_DAY_OUT_OF_RANGE, i, of_day(days[i].day));
        }
    }
    for (u32 i = 0; i < mark.days_count; i++) {
        struct model_mark *known = find_mark(model, WORD(mark.calendar), days[i].day);
        if (known == NULL) {
            assert(model->mark_count < THINGS_MAX);
            known = &model->marks[model->mark_count++];
            memcpy(known->calendar, mark.calendar, sizeof known->calendar);
        }
        known->day = days[i];
    }
    return done();
}

static struct book_reply close_day(struct book_model *model, const u8 *body)
{
    struct day_close close;
    memcpy(&close, body, sizeof close);
    struct model_entity *entity = find_entity(model, close.entity_id);
    if (entity == NULL) return refused(ENTITY_NOT_FOUND, close.entity_id, 0);
    if (close.day != entity->day) {
        return refused(ENTITY_DAY_NOT_OPEN, of_day(close.day), of_day(entity->day));
    }
    i32 next = entity->day + 1;
    while (!has_business(model, WORD(entity->open.calendar), next)) next++;
    if (!is_day(next) || next > entity->day + 366) {
        return refused(ENTITY_NO_NEXT_DAY, of_day(close.day), 0);
    }
    assert(model->closed_count < THINGS_MAX);
    model->closed[model->closed_count++] =
        (struct model_closed){.entity_id = close.entity_id, .day = entity->day, .next = next};
    entity->day = next;
    return done();
}

static struct book_reply close_period(struct book_model *model, const u8 *body)
{
    struct period_close close;
    memcpy(&close, body, sizeof close);
    struct model_entity *entity = find_entity(model, close.entity_id);
    if (entity == NULL) return refused(ENTITY_NOT_FOUND, close.entity_id, 0);
    if (close.through <= entity->closed_through) {
        return refused(ENTITY_PERIOD_CLOSED_ALREADY, of_day(close.through),
                       of_day(entity->closed_through));
    }
    if (close.through >= entity->day) {
        return refused(ENTITY_PERIOD_NOT_OVER, of_day(close.through), of_day(entity->day));
    }
    entity->closed_through = close.through;
    return done();
}

static struct book_reply open_asset(struct book_model *model, const u8 *body)
{
    struct asset_open open;
    memcpy(&open, body, sizeof open);
    const struct word asset = WORD(open.asset);
    const struct word name = WORD(open.name);
    const struct currency *currency = currency_of(asset);
    const bool is_metal_code = strcmp(asset.text, "XAU") == 0 || strcmp(asset.text, "XAG") == 0 ||
                               strcmp(asset.text, "XPT") == 0 || strcmp(asset.text, "XPD") == 0;
    if (!is_identifier(asset)) return refused(BOOK_ASSET_INVALID, 0, 0);
    if (name.text[0] != 0 && !is_identifier(name)) return refused(BOOK_NAME_INVALID, 0, 0);
    if (open.kind == ASSET_CURRENCY && currency == NULL) {
        return refused(BOOK_CURRENCY_UNKNOWN, 0, 0);
    }
    if (open.kind == ASSET_CURRENCY && currency->minor_digits != open.scale) {
        return refused(BOOK_CURRENCY_SCALE_DIFFERS, open.scale, currency->minor_digits);
    }
    if (open.kind != ASSET_CURRENCY && currency != NULL &&
        !(open.kind == ASSET_METAL && is_metal_code)) {
        return refused(BOOK_ASSET_IS_A_CURRENCY, 0, 0);
    }
    if (find_asset(model, asset) != NULL) return refused(BOOK_ASSET_EXISTS, 0, 0);
    assert(model->asset_count < THINGS_MAX);
    model->assets[model->asset_count++] = open;
    return done();
}

static struct book_reply add_code(struct book_model *model, const u8 *body)
{
    struct chart_add add;
    memcpy(&add, body, sizeof add);
    const struct word line = WORD(add.line);
    if (!is_identifier(WORD(add.name))) return refused(BOOK_NAME_INVALID, 0, 0);
    if (line.text[0] != 0 && !is_identifier(line)) return refused(BOOK_NAME_INVALID, 0, 0);
    if (add.chart == 0) return refused(BOOK_CHART_MUST_NOT_BE_ZERO, 0, 0);
    if (add.code == 0) return refused(BOOK_CODE_MUST_NOT_BE_ZERO, 0, 0);
    if (find_code(model, add.chart, add.code) != NULL) return refused(BOOK_CODE_EXISTS, 0, 0);
    assert(model->code_count < THINGS_MAX);
    model->codes[model->code_count++] = add;
    return done();
}

static struct model_account *add_account(struct book_model *model)
{
    assert(model->account_count < model->accounts_max);
    struct model_account *account = &model->accounts[model->account_count++];
    memset(account, 0, sizeof *account);
    return account;
}

static struct book_reply open_book(struct book_model *model, const u8 *body)
{
    struct book_open open;
    memcpy(&open, body, sizeof open);
    if (!is_identifier(WORD(open.name))) return refused(BOOK_NAME_INVALID, 0, 0);
    if (open.book == 0) return refused(BOOK_NUMBER_MUST_NOT_BE_ZERO, 0, 0);
    if (find_book(model, open.book) != NULL) return refused(BOOK_EXISTS, open.book, 0);
    if (number_is_raw(model, open.book)) return refused(BOOK_NUMBER_IS_RAW, open.book, 0);
    if (find_entity(model, open.entity_id) == NULL) {
        return refused(BOOK_ENTITY_NOT_FOUND, open.entity_id, 0);
    }
    if (find_asset(model, WORD(open.asset)) == NULL) return refused(BOOK_ASSET_NOT_FOUND, 0, 0);
    if (!has_chart(model, open.chart)) return refused(BOOK_CHART_NOT_FOUND, open.chart, 0);
    if (book_model_room(model) == 0) return refused(MODULE_FULL, 0, 0);
    model->books[model->book_count++] = open;
    struct model_account *suspense = add_account(model);
    suspense->number = open.book;
    suspense->id = U128_MAX - 1;
    suspense->code = 65535;
    memcpy(suspense->name, "suspense", 8);
    return done();
}

static struct book_reply open_account(struct book_model *model, u64 principal, const u8 *body)
{
    struct book_account_open open;
    memcpy(&open, body, sizeof open);
    const struct book_open *book = find_book(model, open.book);
    if (!is_identifier(WORD(open.name))) return refused(BOOK_NAME_INVALID, 0, 0);
    if (open.account_id == 0 || open.account_id == U128_MAX || open.account_id == U128_MAX - 1) {
        return refused(BOOK_ACCOUNT_ID_INVALID, 0, 0);
    }
    if (book == NULL) return refused(BOOK_NOT_FOUND, open.book, 0);
    if (find_code(model, book->chart, open.code) == NULL) {
        return refused(BOOK_CODE_NOT_FOUND, open.code, book->chart);
    }
    if (open.flags == 6) return refused(BOOK_LIMITS_EXCLUDE_EACH_OTHER, 6, 0);
    if (open.owner != 0 && !may_own(model, open.owner, principal)) {
        return refused(BOOK_OWNER_NOT_FOUND, open.owner, 0);
    }
    if (find_account(model, open.book, open.account_id) != NULL) {
        return refused(BOOK_ACCOUNT_EXISTS, open.account_id, 0);
    }
    if (book_model_room(model) == 0) return refused(MODULE_FULL, 0, 0);
    struct model_account *account = add_account(model);
    account->number = open.book;
    account->id = open.account_id;
    account->code = open.code;
    account->flags = open.flags;
    account->owner = open.owner == 0 ? principal : open.owner;
    memcpy(account->name, open.name, sizeof open.name);
    return done();
}

// A freeze, a thaw, a close, a reopening: their fields are in the same places.
static struct book_reply stop_account(struct book_model *model, u64 principal, u16 record,
                                      const u8 *body)
{
    struct book_account_freeze stop;
    memcpy(&stop, body, sizeof stop);
    const u8 sides = stop.sides == 0 ? FROZEN_BOTH : stop.sides;
    struct model_account *account = find_account(model, stop.book, stop.account_id);
    if (!is_identifier(WORD(stop.reason))) return refused(BOOK_REASON_INVALID, 0, 0);
    if (find_book(model, stop.book) == NULL) return refused(BOOK_NOT_FOUND, stop.book, 0);
    if (account == NULL) return refused(BOOK_ACCOUNT_NOT_FOUND, stop.account_id, 0);
    if (stop.account_id == U128_MAX - 1) return refused(BOOK_SUSPENSE_STAYS, stop.account_id, 0);
    if (principal != 1 && principal != account->owner) {
        return refused(BOOK_NOT_THE_OWNER, stop.account_id, account->owner);
    }
    if ((record == 0x0305 || record == 0x0307) && account->is_closed) {
        return refused(BOOK_ACCOUNT_CLOSED, stop.account_id, 0);
    }
    if (record == 0x0308 && !account->is_closed) {
        return refused(BOOK_ACCOUNT_NOT_CLOSED, stop.account_id, 0);
    }
    if (record == 0x0305 && account->frozen == sides) {
        return refused(BOOK_FROZEN_ALREADY, stop.account_id, 0);
    }
    if (record == 0x0306 && account->frozen == 0) {
        return refused(BOOK_NOT_FROZEN, stop.account_id, 0);
    }
    if (record == 0x0307 && account->debits != account->credits) {
        return refused(BOOK_BALANCE_LEFT, account->debits, account->credits);
    }
    if (record == 0x0307 && (account->debits_held != 0 || account->credits_held != 0)) {
        return refused(BOOK_HOLDS_LEFT, account->debits_held, account->credits_held);
    }
    if (record == 0x0305) account->frozen = sides;
    if (record == 0x0306) account->frozen = 0;
    if (record >= 0x0307) account->is_closed = record == 0x0307;
    memcpy(account->reason, stop.reason, sizeof account->reason);
    account->has_since = true;
    return done();
}

// --- commands as a whole -------------------------------------------------------------------------

// Posts the amount of an account's breach from suspense to the account.
static struct book_reply settle_breach(struct book_model *model, const u8 *body)
{
    u32 row = 0;
    struct model_posting posting = {.code = 2};
    struct book_reply reply =
        constraint_model_breach(model->constraints, body, &row, &posting.amount);
    if (reply.result != MODULE_DONE) return reply;
    struct model_account *account = &model->accounts[row];
    struct model_account *suspense = model_suspense(model, account->number);
    if (account->is_closed) return refused(CONSTRAINT_ACCOUNT_CLOSED, account->id, 0);
    if (account->frozen & (account->flags & 2 ? FROZEN_DEBITS : FROZEN_CREDITS)) {
        return refused(CONSTRAINT_ACCOUNT_FROZEN, account->id, account->frozen);
    }
    posting.debit = account->flags & 2 ? account : suspense;
    posting.credit = account->flags & 2 ? suspense : account;
    posting.when.day = find_entity(model, find_book(model, account->number)->entity_id)->day;
    reply = model_post_plan(model, &posting, 1, false);
    if (reply.result == MODULE_DONE) constraint_model_settled(model->constraints, body);
    return reply;
}

static bool is_known(u16 record)
{
    return (record >= 0x0601 && record <= 0x0607) || (record >= 0x0201 && record <= 0x0205) ||
           (record >= 0x0301 && record <= 0x0308) || (record >= 0x0401 && record <= 0x040a);
}

// Runs record `i` of a command.
static struct book_reply run_record(struct book_model *model, const struct book_command *command,
                                    u32 i, const u8 *body, u32 size)
{
    if (command->record >> 8 == 4) return entry_model_run(model, command, i, body, size);
    if (command->record == 0x0607) return settle_breach(model, body);
    if (command->record >> 8 == 6) {
        return constraint_model_run(model->constraints, command->record, body);
    }
    switch (command->record) {
    case 0x0201: return open_entity(model, body);
    case 0x0202: return open_calendar(model, body);
    case 0x0203: return mark_calendar(model, body);
    case 0x0204: return close_day(model, body);
    case 0x0205: return close_period(model, body);
    case 0x0301: return open_asset(model, body);
    case 0x0302: return add_code(model, body);
    case 0x0303: return open_book(model, body);
    case 0x0304: return open_account(model, command->principal, body);
    default: return stop_account(model, command->principal, command->record, body);
    }
}

// Whether the body is as many whole records as it claims.
static bool is_whole(const struct book_command *command)
{
    u32 count = 0;
    u32 at = 0;
    while (at < command->size) {
        const u32 size = record_size(command->record, command->body + at, command->size - at);
        if (size == 0) return false;
        at = record_next(command, at, size);
        count++;
    }
    return count == command->count && count > 0;
}

static bool command_equal(const struct book_command *a, const struct book_command *b)
{
    return a->principal == b->principal && a->record == b->record && a->size == b->size &&
           memcmp(a->body, b->body, a->size) == 0;
}

static void command_keep(struct book_model *model, const struct book_command *command,
                         const struct book_reply *replies, u32 count)
{
    assert(model->command_count < COMMANDS_MAX && count > 0);
    struct model_command *kept = &model->commands[model->command_count++];
    kept->body = malloc(command->size + 1);
    kept->replies = malloc(count * sizeof *replies);
    if (kept->body == NULL || kept->replies == NULL) abort();
    memcpy(kept->body, command->body, command->size);
    memcpy(kept->replies, replies, count * sizeof *replies);
    kept->reply_count = count;
    kept->command = *command;
    kept->command.body = kept->body;
}

u32 book_model_command(struct book_model *model, const struct book_command *command,
                       struct book_reply replies[BOOK_MODEL_RECORDS_MAX], bool *is_repeated)
{
    *is_repeated = false;
    for (u32 i = 0; i < model->command_count; i++) {
        const struct model_command *kept = &model->commands[i];
        if (kept->command.id != command->id) continue;
        *is_repeated = command_equal(&kept->command, command);
        if (!*is_repeated) {
            replies[0] = refused(MODULE_REUSED, 0, 0);
            return 1;
        }
        memcpy(replies, kept->replies, kept->reply_count * sizeof *replies);
        return kept->reply_count;
    }
    u32 count = 0;
    if (!is_known(command->record)) {
        replies[count++] = refused(MODULE_UNKNOWN, 0, 0);
    } else if (!is_whole(command)) {
        replies[count++] = refused(MODULE_MALFORMED, 0, 0);
    } else {
        assert(command->count <= BOOK_MODEL_RECORDS_MAX);
        for (u32 at = 0; at < command->size; count++) {
            const u32 size = record_size(command->record, command->body + at, command->size - at);
            replies[count] = run_record(model, command, count, command->body + at, size);
            at = record_next(command, at, size);
        }
    }
    command_keep(model, command, replies, count);
    return count;
}

// --- raw accounts --------------------------------------------------------------------------------

static enum create_account_result raw_account(struct book_model *model, const struct account *event)
{
    if (event->id == 0) return CREATE_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (event->id == U128_MAX) return CREATE_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    const struct model_account *known = find_raw(model, event->id);
    if (known != NULL) {
        if (known->flags != event->flags) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS;
        if (known->number != event->ledger) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER;
        return CREATE_ACCOUNT_EXISTS;
    }
    if (event->ledger == 0) return CREATE_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    if (find_book(model, event->ledger) != NULL) return CREATE_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    struct model_account *account = add_account(model);
    account->is_raw = true;
    account->number = event->ledger;
    account->id = event->id;
    account->code = event->code;
    account->flags = event->flags;
    return CREATE_ACCOUNT_CREATED;
}

void book_model_raw_accounts(struct book_model *model, const struct account *events, u32 count,
                             u32 *results)
{
    const bool is_chain = (events[0].flags & ACCOUNT_LINKED) != 0;
    const u32 before = model->account_count;
    for (u32 i = 0; i < count; i++) {
        results[i] = (u32)raw_account(model, &events[i]);
        if (!is_chain || results[i] == (u32)CREATE_ACCOUNT_CREATED) continue;
        model->account_count = before;
        for (u32 j = 0; j < count; j++) {
            if (j != i) results[j] = CREATE_ACCOUNT_LINKED_EVENT_FAILED;
        }
        return;
    }
}

u32 book_model_raw_transfer(struct book_model *model, const struct transfer *event)
{
    struct model_account *debit = find_raw(model, event->debit_account_id);
    struct model_account *credit = find_raw(model, event->credit_account_id);
    if (event->debit_account_id == event->credit_account_id) {
        return CREATE_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT;
    }
    if (event->ledger == 0) return CREATE_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (debit == NULL) return CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    if (credit == NULL) return CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    if (debit->number != credit->number) return CREATE_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (debit->number != event->ledger) {
        return CREATE_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    }
    const struct model_posting posting = {
        .debit = debit, .credit = credit, .amount = event->amount, .code = event->code};
    const u32 result = model_post(model, &posting);
    if (result == (u32)CREATE_TRANSFER_CREATED) model_keep_posting(model, &posting);
    return result;
}
