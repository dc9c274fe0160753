// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h.
#include "modules/book/book_model.h"

#include "modules/constraint/constraint_model.h"
#include "money/currency.h"

#include <stdlib.h>

#define THINGS_MAX     4096u
#define COMMANDS_MAX   65536u
#define PRINCIPALS_MAX 16u
#define POSTED_MAX     65536u

struct model_account {
    bool is_raw;
    u32 number; // The book, or the ledger number of a raw one.
    u128 id;
    u16 code;
    u16 flags;
    u64 owner;
    char name[64];
    u128 debits;
    u128 credits;
};

struct model_command {
    struct book_command command;
    u8 *body;
    u32 reply_count;
    struct book_reply *replies;
};

struct model_entity {
    struct entity_open open;
    i32 day;
    i32 closed_through;
};

struct model_mark {
    char calendar[16];
    struct calendar_day day;
};

struct model_closed {
    u128 entity_id;
    i32 day;
    i32 next;
};

// An entry that was carried out.
struct model_posted {
    u128 entry_id;
    u128 command_id;
    u32 record; // Of the command.
    u32 size;
    u8 *body;
};

struct book_model {
    u32 accounts_max;
    struct constraint_model *constraints;
    struct model_entity entities[THINGS_MAX];
    struct calendar_open calendars[THINGS_MAX];
    struct model_mark marks[THINGS_MAX];
    struct model_closed closed[THINGS_MAX];
    struct model_posted posted[POSTED_MAX];
    struct asset_open assets[THINGS_MAX];
    struct chart_add codes[THINGS_MAX];
    struct book_open books[THINGS_MAX];
    struct model_account accounts[THINGS_MAX];
    struct model_account before[THINGS_MAX]; // The accounts as they were before an entry.
    u32 entity_count;
    u32 calendar_count;
    u32 mark_count;
    u32 closed_count;
    u32 posted_count;
    u32 asset_count;
    u32 code_count;
    u32 book_count;
    u32 account_count;
    struct transfer *postings; // Ids, flags and times are 0.
    u32 posting_count;
    u32 posting_room;
    struct model_command commands[COMMANDS_MAX];
    u32 command_count;
    u64 principals[PRINCIPALS_MAX];
    u32 principal_count;
};

void book_model_principal(struct book_model *model, u64 principal)
{
    assert(model->principal_count < PRINCIPALS_MAX);
    model->principals[model->principal_count++] = principal;
}

static bool may_own(const struct book_model *model, u64 owner, u64 principal)
{
    if (owner == 1 || owner == principal) return true;
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
    for (u32 i = 0; i < model->posted_count; i++) free(model->posted[i].body);
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

// --- text ----------------------------------------------------------------------------------------

// A text of a record, terminated.
struct word {
    char text[65];
};

static struct word word_of(const char *field, size_t room)
{
    struct word word = {{0}};
    assert(room < sizeof word.text);
    memcpy(word.text, field, room);
    return word;
}
#define WORD(field) word_of(field, sizeof(field))

static bool word_is(struct word a, struct word b)
{
    return strcmp(a.text, b.text) == 0;
}

static bool is_identifier(struct word word)
{
    return word.text[0] != 0 &&
           strspn(word.text,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
               strlen(word.text);
}

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

// Zeros only behind the text.
static bool text_is_whole(const char *field, size_t room)
{
    bool has_ended = false;
    for (size_t i = 0; i < room; i++) {
        if (field[i] == 0) has_ended = true;
        else if (has_ended) return false;
    }
    return true;
}
#define WHOLE(field) text_is_whole(field, sizeof(field))

static bool all_zero(const u8 *bytes, size_t size)
{
    u8 all = 0;
    for (size_t i = 0; i < size; i++) all |= bytes[i];
    return all == 0;
}

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

static bool entry_post_is_whole(const u8 *body)
{
    struct entry_post post;
    memcpy(&post, body, sizeof post);
    for (u32 i = 0; i < post.legs_count; i++) {
        struct entry_leg leg;
        memcpy(&leg, body + sizeof post + i * sizeof leg, sizeof leg);
        if (leg.side != 1 && leg.side != 2) return false;
        if (!all_zero(leg.reserved, sizeof leg.reserved)) return false;
    }
    return post.nature <= 1 && all_zero(post.reserved, sizeof post.reserved);
}

// The bytes of a record of `head` bytes, whose last four are a count of at most `max` items.
static u32 array_size(u32 head, u32 item, u32 max, const u8 *body, u32 left)
{
    u32 count;
    if (left < head) return 0;
    memcpy(&count, body + head - sizeof count, sizeof count);
    return count <= max && left >= head + item * count ? head + item * count : 0;
}

// The bytes of the record that begins there; 0 when it is not whole.
static u32 record_size(u16 record, const u8 *body, u32 left)
{
    const u32 marks = record == 0x0203 ? array_size(32, 8, 32, body, left) : 0;
    const u32 legs = record == 0x0401 ? array_size(64, 48, 255, body, left) : 0;
    if (record >> 8 == 6) return constraint_model_record_size(record, body, left);
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
    default: return legs > 0 && entry_post_is_whole(body) ? legs : 0;
    }
}

// Where the record behind one of `size` bytes begins, or the end.
static u32 record_next(const struct book_command *command, u32 at, u32 size)
{
    const u32 next = (at + size + BOOK_MODEL_ALIGNMENT - 1) / BOOK_MODEL_ALIGNMENT;
    return MIN(next * BOOK_MODEL_ALIGNMENT, command->size);
}

// --- finding -------------------------------------------------------------------------------------

static struct model_entity *find_entity(struct book_model *model, u128 id)
{
    for (u32 i = 0; i < model->entity_count; i++) {
        if (model->entities[i].open.entity_id == id) return &model->entities[i];
    }
    return NULL;
}

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

static const struct asset_open *find_asset(const struct book_model *model, struct word asset)
{
    for (u32 i = 0; i < model->asset_count; i++) {
        if (word_is(WORD(model->assets[i].asset), asset)) return &model->assets[i];
    }
    return NULL;
}

static const struct chart_add *find_code(const struct book_model *model, u32 chart, u16 code)
{
    for (u32 i = 0; i < model->code_count; i++) {
        if (model->codes[i].chart == chart && model->codes[i].code == code) return &model->codes[i];
    }
    return NULL;
}

static bool has_chart(const struct book_model *model, u32 chart)
{
    for (u32 i = 0; i < model->code_count; i++) {
        if (model->codes[i].chart == chart) return true;
    }
    return false;
}

static const struct book_open *find_book(const struct book_model *model, u32 number)
{
    for (u32 i = 0; i < model->book_count; i++) {
        if (model->books[i].book == number) return &model->books[i];
    }
    return NULL;
}

static bool number_is_raw(const struct book_model *model, u32 number)
{
    for (u32 i = 0; i < model->account_count; i++) {
        if (model->accounts[i].is_raw && model->accounts[i].number == number) return true;
    }
    return false;
}

static struct model_account *find_account(struct book_model *model, u32 book, u128 id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        struct model_account *account = &model->accounts[i];
        if (!account->is_raw && account->number == book && account->id == id) return account;
    }
    return NULL;
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

// A value as evidence.
static u128 of_day(i32 day)
{
    return (u32)day;
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

// --- postings ------------------------------------------------------------------------------------

static bool sum_overflows(u128 a, u128 b)
{
    return b > U128_MAX - a;
}

static u32 row_of(const struct book_model *model, const struct model_account *account)
{
    return (u32)(account - model->accounts);
}

static enum create_transfer_result post(struct book_model *model, struct model_account *debit,
                                        struct model_account *credit, u128 amount)
{
    if (sum_overflows(debit->debits, amount)) return CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    if (sum_overflows(credit->credits, amount)) return CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    if (!constraint_model_takes(model->constraints, row_of(model, debit), true, amount)) {
        return CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    }
    if (!constraint_model_takes(model->constraints, row_of(model, credit), false, amount)) {
        return CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    }
    debit->debits += amount;
    credit->credits += amount;
    return CREATE_TRANSFER_CREATED;
}

// A posting as it was planned: accounts and amount.
struct model_posting {
    struct model_account *debit;
    struct model_account *credit;
    u128 amount;
};

// Whether the account's limit is kept.
static bool debits_exceed(const struct model_account *account)
{
    return (account->flags & 2) && account->debits > account->credits;
}
static bool credits_exceed(const struct model_account *account)
{
    return (account->flags & 4) && account->credits > account->debits;
}

// The first posting whose account breaks its limit when all are in.
static struct book_reply check_limits(const struct model_posting *postings, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        const struct model_account *debit = postings[i].debit;
        const struct model_account *credit = postings[i].credit;
        struct book_reply reply = done();
        if (debits_exceed(debit)) {
            reply = refused(MODULE_POSTING_REFUSED, debit->debits, debit->credits);
            reply.posting_result = CREATE_TRANSFER_EXCEEDS_CREDITS;
        } else if (credits_exceed(credit)) {
            reply = refused(MODULE_POSTING_REFUSED, credit->credits, credit->debits);
            reply.posting_result = CREATE_TRANSFER_EXCEEDS_DEBITS;
        }
        reply.posting = i;
        if (reply.result != MODULE_DONE) return reply;
    }
    return done();
}

static void keep_posting(struct book_model *model, const struct model_account *debit,
                         const struct model_account *credit, u128 amount, u16 code)
{
    if (model->posting_count == model->posting_room) {
        model->posting_room = 2 * model->posting_room + 1024;
        model->postings = realloc(model->postings, model->posting_room * sizeof *model->postings);
        if (model->postings == NULL) abort();
    }
    model->postings[model->posting_count++] = (struct transfer){
        .debit_account_id = debit->id,
        .credit_account_id = credit->id,
        .amount = amount,
        .ledger = debit->number,
        .code = code,
    };
}

// An entry being decided.
struct model_entry {
    u32 count;
    i32 day;
    struct entry_leg legs[255];
    struct model_account *accounts[255]; // Of the legs.
    bool is_suspended[255];
    u32 shortfall_count;
    struct {
        const struct model_account *account;
        u128 amount;
        i128 value;
    } shortfalls[255];
    u32 posting_count;
    struct {
        u32 debit; // Legs.
        u32 credit;
        u128 amount;
    } postings[510];
};

// Posts a plan whole, or takes it back.
static struct book_reply post_plan(struct book_model *model, const struct model_posting *postings,
                                   u32 count, bool is_fact, u16 code)
{
    struct book_reply reply = done();
    const u32 postings_before = model->posting_count;
    memcpy(model->before, model->accounts, sizeof model->before);
    constraint_model_begin(model->constraints);
    for (u32 i = 0; i < count && reply.result == MODULE_DONE; i++) {
        const u32 result =
            (u32)post(model, postings[i].debit, postings[i].credit, postings[i].amount);
        keep_posting(model, postings[i].debit, postings[i].credit, postings[i].amount, code);
        if (result == (u32)CREATE_TRANSFER_CREATED) continue;
        reply = refused(MODULE_POSTING_REFUSED, postings[i].amount, 0);
        reply.posting = i;
        reply.posting_result = result;
    }
    if (reply.result == MODULE_DONE) reply = check_limits(postings, count);
    if (reply.result == MODULE_DONE && !is_fact) {
        reply = constraint_model_judge(model->constraints);
    }
    if (reply.result == MODULE_DONE) {
        constraint_model_end(model->constraints);
    } else {
        memcpy(model->accounts, model->before, sizeof model->before);
        model->posting_count = postings_before;
    }
    return reply;
}

// What would be left to an account, as far as the type goes.
static i128 difference(u128 have, u128 used)
{
    const u128 most = U128_MAX >> 1;
    if (have >= used) return (i128)MIN(have - used, most);
    return -(i128)MIN(used - have, most);
}

// What a fact may not post to an account goes to suspense: all legs of the side on which the
// account's limit is broken.
static void suspend(struct model_entry *entry)
{
    bool is_seen[255] = {false};
    for (u32 first = 0; first < entry->count; first++) {
        for (u32 i = 0; i < entry->count; i++) { // The books in the order of their first legs.
            const struct model_account *account = entry->accounts[i];
            assert(account != NULL);
            if (is_seen[i] || entry->legs[i].book != entry->legs[first].book) continue;
            is_seen[i] = true;
            u128 debits = account->debits;
            u128 credits = account->credits;
            u128 sums[2] = {0, 0};
            bool is_first = true;
            for (u32 j = 0; j < entry->count; j++) {
                if (entry->accounts[j] != account) continue;
                sums[entry->legs[j].side == SIDE_CREDIT] += entry->legs[j].amount;
                is_first = is_first && (j >= i || entry->legs[j].side != entry->legs[i].side);
            }
            debits = sum_overflows(debits, sums[0]) ? U128_MAX : debits + sums[0];
            credits = sum_overflows(credits, sums[1]) ? U128_MAX : credits + sums[1];
            const bool is_debit = entry->legs[i].side == SIDE_DEBIT;
            const bool is_broken = is_debit ? (account->flags & 2) && debits > credits
                                            : (account->flags & 4) && credits > debits;
            if (!is_broken) continue;
            entry->is_suspended[i] = true;
            if (!is_first) continue;
            const u32 place = entry->shortfall_count++;
            entry->shortfalls[place].account = account;
            entry->shortfalls[place].amount = sums[!is_debit];
            entry->shortfalls[place].value =
                is_debit ? difference(credits, debits) : difference(debits, credits);
        }
    }
}

// The postings of an entry whose legs were paired.
static void entry_postings(struct book_model *model, const struct model_entry *entry,
                           struct model_posting postings[510])
{
    for (u32 i = 0; i < entry->posting_count; i++) {
        const u32 d = entry->postings[i].debit;
        const u32 c = entry->postings[i].credit;
        struct model_account *suspense =
            &model->accounts[book_model_account_row(model, entry->legs[d].book, U128_MAX - 1)];
        postings[i].debit = entry->is_suspended[d] ? suspense : entry->accounts[d];
        postings[i].credit = entry->is_suspended[c] ? suspense : entry->accounts[c];
        postings[i].amount = entry->postings[i].amount;
        if (postings[i].debit != postings[i].credit) continue;
        postings[i].debit = entry->accounts[d];
        postings[i].credit = entry->accounts[c];
        postings[i].amount = 0;
    }
}

static struct book_reply check_leg(struct book_model *model, struct model_entry *entry, u32 i,
                                   u64 principal)
{
    const struct entry_leg *leg = &entry->legs[i];
    struct model_account *account = find_account(model, leg->book, leg->account_id);
    if (leg->amount == 0) return refused(ENTRY_AMOUNT_MUST_NOT_BE_ZERO, i, 0);
    if (find_book(model, leg->book) == NULL) return refused(ENTRY_BOOK_NOT_FOUND, leg->book, 0);
    if (account == NULL) return refused(ENTRY_ACCOUNT_NOT_FOUND, leg->account_id, 0);
    if (account->owner != principal) {
        return refused(ENTRY_NOT_THE_OWNER, leg->account_id, account->owner);
    }
    const struct model_entity *entity = find_entity(model, find_book(model, leg->book)->entity_id);
    if (entry->day != 0 && entry->day <= entity->closed_through) {
        return refused(ENTRY_DAY_IN_CLOSED_PERIOD, of_day(entry->day),
                       of_day(entity->closed_through));
    }
    if (entry->day != 0 && entry->day > entity->day) {
        return refused(ENTRY_DAY_NOT_YET_OPEN, of_day(entry->day), of_day(entity->day));
    }
    entry->accounts[i] = account;
    return done();
}

// Balances one book of an entry and pairs its debits with its credits.
static struct book_reply check_book(struct model_entry *entry, u32 book)
{
    u128 debits = 0;
    u128 credits = 0;
    u128 left[255];
    for (u32 i = 0; i < entry->count; i++) {
        const struct entry_leg *leg = &entry->legs[i];
        left[i] = leg->book == book ? leg->amount : 0;
        u128 *sum = leg->side == SIDE_DEBIT ? &debits : &credits;
        if (sum_overflows(*sum, left[i])) return refused(ENTRY_AMOUNTS_OVERFLOW, book, 0);
        *sum += left[i];
    }
    if (debits != credits) return refused(ENTRY_UNBALANCED, debits, credits);
    for (u32 d = 0; d < entry->count; d++) {
        if (entry->legs[d].side != SIDE_DEBIT) continue;
        for (u32 c = 0; c < entry->count; c++) {
            if (entry->legs[c].side != SIDE_CREDIT || left[d] == 0 || left[c] == 0) continue;
            const u128 amount = left[d] < left[c] ? left[d] : left[c];
            if (entry->legs[d].account_id == entry->legs[c].account_id) {
                return refused(ENTRY_ACCOUNT_AGAINST_ITSELF, entry->legs[d].account_id, 0);
            }
            left[d] -= amount;
            left[c] -= amount;
            entry->postings[entry->posting_count].debit = d;
            entry->postings[entry->posting_count].credit = c;
            entry->postings[entry->posting_count].amount = amount;
            entry->posting_count++;
        }
    }
    return done();
}

// Every rule of the module.
static struct book_reply check_entry(struct book_model *model, struct model_entry *entry,
                                     u64 principal)
{
    for (u32 i = 0; i < entry->count; i++) {
        const struct book_reply reply = check_leg(model, entry, i, principal);
        if (reply.result != MODULE_DONE) return reply;
    }
    for (u32 i = 0; i < entry->count; i++) {
        bool is_first = true; // Of its book.
        for (u32 j = 0; j < i; j++) {
            is_first = is_first && entry->legs[j].book != entry->legs[i].book;
        }
        if (!is_first) continue;
        const struct book_reply reply = check_book(entry, entry->legs[i].book);
        if (reply.result != MODULE_DONE) return reply;
    }
    return done();
}

// What an entry is told whose id was taken before; `otherwise` when it was not.
static struct book_reply entry_exists(const struct book_model *model, u128 entry_id, const u8 *body,
                                      u32 size, struct book_reply otherwise)
{
    for (u32 i = 0; i < model->posted_count; i++) {
        const struct model_posted *posted = &model->posted[i];
        if (posted->entry_id != entry_id) continue;
        const bool same = posted->size == size && memcmp(posted->body, body, size) == 0;
        struct book_reply reply =
            refused(same ? MODULE_EXISTS : MODULE_EXISTS_WITH_DIFFERENT_CONTENT, entry_id, 0);
        reply.is_then = true;
        reply.then_command = posted->command_id;
        reply.then_record = posted->record;
        return reply;
    }
    return otherwise;
}

static void entry_keep(struct book_model *model, const struct book_command *command, u32 record,
                       u128 entry_id, const u8 *body, u32 size)
{
    assert(model->posted_count < POSTED_MAX);
    struct model_posted *posted = &model->posted[model->posted_count++];
    *posted = (struct model_posted){
        .entry_id = entry_id, .command_id = command->id, .record = record, .size = size};
    posted->body = malloc(size);
    if (posted->body == NULL) abort();
    memcpy(posted->body, body, size);
}

static struct book_reply post_entry(struct book_model *model, const struct book_command *command,
                                    u32 record, const u8 *body)
{
    struct entry_post head;
    struct model_entry entry = {0};
    memcpy(&head, body, sizeof head);
    entry.count = head.legs_count;
    entry.day = head.day;
    const u32 size = 64 + 48 * entry.count;
    memcpy(entry.legs, body + sizeof head, entry.count * sizeof *entry.legs);
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (entry.count < 2) return refused(ENTRY_TOO_FEW_LEGS, entry.count, 0);
    struct book_reply reply = check_entry(model, &entry, command->principal);
    if (reply.result == MODULE_DONE || reply.result == ENTRY_DAY_IN_CLOSED_PERIOD ||
        reply.result == ENTRY_DAY_NOT_YET_OPEN) {
        reply = entry_exists(model, head.entry_id, body, size, reply);
    }
    if (reply.result != MODULE_DONE) return reply;
    struct model_posting postings[510];
    if (head.nature == ENTRY_FACT) suspend(&entry);
    entry_postings(model, &entry, postings);
    const u16 code = head.code == 0 ? 1 : head.code;
    const struct book_reply posted =
        post_plan(model, postings, entry.posting_count, head.nature == ENTRY_FACT, code);
    if (posted.result != MODULE_DONE) return posted;
    for (u32 i = 0; i < entry.shortfall_count; i++) {
        constraint_model_shortfall(model->constraints, row_of(model, entry.shortfalls[i].account),
                                   entry.shortfalls[i].amount, entry.shortfalls[i].value);
    }
    entry_keep(model, command, record, head.entry_id, body, size);
    return reply;
}

// --- commands as a whole -------------------------------------------------------------------------

// Posts the amount of an account's breach from suspense to the account.
static struct book_reply settle_breach(struct book_model *model, const u8 *body)
{
    u32 row = 0;
    struct model_posting posting = {0};
    struct book_reply reply =
        constraint_model_breach(model->constraints, body, &row, &posting.amount);
    if (reply.result != MODULE_DONE) return reply;
    struct model_account *account = &model->accounts[row];
    struct model_account *suspense =
        &model->accounts[book_model_account_row(model, account->number, U128_MAX - 1)];
    posting.debit = account->flags & 2 ? account : suspense;
    posting.credit = account->flags & 2 ? suspense : account;
    reply = post_plan(model, &posting, 1, false, 2);
    if (reply.result == MODULE_DONE) constraint_model_settled(model->constraints, body);
    return reply;
}

static bool is_known(u16 record)
{
    return (record >= 0x0601 && record <= 0x0607) || (record >= 0x0201 && record <= 0x0205) ||
           (record >= 0x0301 && record <= 0x0304) || record == 0x0401;
}

// Runs record `i` of a command.
static struct book_reply run_record(struct book_model *model, const struct book_command *command,
                                    u32 i, const u8 *body)
{
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
    default: return post_entry(model, command, i, body);
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
            replies[count] = run_record(model, command, count, command->body + at);
            at = record_next(command, at,
                             record_size(command->record, command->body + at, command->size - at));
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
    const u32 result = (u32)post(model, debit, credit, event->amount);
    if (result == (u32)CREATE_TRANSFER_CREATED) {
        keep_posting(model, debit, credit, event->amount, event->code);
    }
    return result;
}

// --- what can be read ----------------------------------------------------------------------------

u32 book_model_account_count(const struct book_model *model)
{
    return model->account_count;
}

struct account book_model_account(const struct book_model *model, u32 row)
{
    const struct model_account *account = &model->accounts[row];
    return (struct account){
        .id = account->id,
        .debits_posted = account->debits,
        .credits_posted = account->credits,
        .ledger = account->number,
        .code = account->code,
        .flags = account->flags,
    };
}

u32 book_model_account_row(const struct book_model *model, u32 book, u128 account_id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        const struct model_account *account = &model->accounts[i];
        if (!account->is_raw && account->number == book && account->id == account_id) return i;
    }
    return U32_MAX;
}

bool book_model_has_book(const struct book_model *model, u32 book)
{
    return find_book(model, book) != NULL;
}

const struct constraint_model *book_model_constraints(const struct book_model *model)
{
    return model->constraints;
}

u32 book_model_room(const struct book_model *model)
{
    return model->accounts_max - model->account_count;
}

bool book_model_posting(const struct book_model *model, u32 number, u32 i, struct transfer *out)
{
    for (u32 j = model->posting_count; j > 0; j--) {
        if (model->postings[j - 1].ledger != number || i-- > 0) continue;
        *out = model->postings[j - 1];
        return true;
    }
    return false;
}

bool book_model_entity(const struct book_model *model, u32 i, struct entity *out)
{
    if (i >= model->entity_count) return false;
    const struct entity_open *open = &model->entities[i].open;
    *out = (struct entity){.entity_id = open->entity_id,
                           .first_day = open->day,
                           .day = model->entities[i].day,
                           .closed_through = model->entities[i].closed_through};
    memcpy(out->calendar, open->calendar, sizeof out->calendar);
    memcpy(out->name, open->name, sizeof out->name);
    memcpy(out->jurisdiction, open->jurisdiction, sizeof out->jurisdiction);
    memcpy(out->currency, open->currency, sizeof out->currency);
    return true;
}

bool book_model_calendar(const struct book_model *model, u32 i, struct calendar *out)
{
    if (i >= model->calendar_count) return false;
    *out = (struct calendar){.weekend = model->calendars[i].weekend};
    memcpy(out->calendar, model->calendars[i].calendar, sizeof out->calendar);
    return true;
}

bool book_model_calendar_day(const struct book_model *model, const char calendar[16], u32 i,
                             struct calendar_exception *out)
{
    for (u32 j = 0; j < model->mark_count; j++) {
        const struct model_mark *mark = &model->marks[j];
        if (memcmp(mark->calendar, calendar, 16) != 0 || i-- > 0) continue;
        *out = (struct calendar_exception){.day = mark->day.day, .kind = mark->day.kind};
        memcpy(out->calendar, calendar, sizeof out->calendar);
        return true;
    }
    return false;
}

bool book_model_closed_day(const struct book_model *model, u128 entity_id, u32 i,
                           struct business_day *out)
{
    for (u32 j = 0; j < model->closed_count; j++) {
        const struct model_closed *closed = &model->closed[j];
        if (closed->entity_id != entity_id || i-- > 0) continue;
        *out =
            (struct business_day){.entity_id = entity_id, .day = closed->day, .next = closed->next};
        return true;
    }
    return false;
}

bool book_model_asset(const struct book_model *model, u32 i, struct asset *out)
{
    if (i >= model->asset_count) return false;
    const struct asset_open *open = &model->assets[i];
    *out = (struct asset){.kind = open->kind, .scale = open->scale};
    memcpy(out->asset, open->asset, sizeof out->asset);
    memcpy(out->name, open->name, sizeof out->name);
    return true;
}

bool book_model_chart_code(const struct book_model *model, u32 i, struct chart_code *out)
{
    if (i >= model->code_count) return false;
    const struct chart_add *add = &model->codes[i];
    *out = (struct chart_code){
        .chart = add->chart, .code = add->code, .kind = add->kind, .contra = add->contra};
    memcpy(out->name, add->name, sizeof out->name);
    memcpy(out->line, add->line[0] != 0 ? add->line : add->name, sizeof out->line);
    return true;
}

bool book_model_book(const struct book_model *model, u32 i, struct book *out)
{
    if (i >= model->book_count) return false;
    const struct book_open *open = &model->books[i];
    *out = (struct book){.book = open->book, .entity_id = open->entity_id, .chart = open->chart};
    memcpy(out->asset, open->asset, sizeof out->asset);
    memcpy(out->name, open->name, sizeof out->name);
    for (u32 j = 0; j < model->account_count; j++) {
        const struct model_account *account = &model->accounts[j];
        out->accounts += !account->is_raw && account->number == open->book;
    }
    return true;
}

bool book_model_trial_balance(const struct book_model *model, u32 book, u32 i,
                              struct trial_balance_row *out)
{
    const struct book_open *open = find_book(model, book);
    for (u32 j = model->account_count; j > 0; j--) { // The newest is first.
        const struct model_account *account = &model->accounts[j - 1];
        if (account->is_raw || account->number != book || i-- > 0) continue;
        const struct chart_add *code = find_code(model, open->chart, account->code);
        const u128 debits = account->debits;
        const u128 credits = account->credits;
        *out = (struct trial_balance_row){
            .code = account->code,
            .kind = code == NULL ? KIND_LIABILITY : code->kind,
            .scale = find_asset(model, WORD(open->asset))->scale,
            .book = book,
            .owner = account->owner,
            .account_id = account->id,
            .debit = debits > credits ? debits - credits : 0,
            .credit = credits > debits ? credits - debits : 0,
            .debits_posted = debits,
            .credits_posted = credits,
        };
        memcpy(out->name, account->name, sizeof out->name);
        return true;
    }
    return false;
}
