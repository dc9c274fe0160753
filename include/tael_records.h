// SPDX-License-Identifier: Apache-2.0
//
// The records of tael's modules as programs send and receive them (tael.h): made from the
// modules' descriptions, and compared with them by a test. Numbers are little-endian, as the
// processor must be; records begin at multiples of 16 bytes. `_count` items of an array follow
// their record, one after the other. What is reserved is zero.
#ifndef TAEL_RECORDS_H
#define TAEL_RECORDS_H

#include <stdbool.h>
#include <tael.h>

#ifdef __cplusplus
#define TAEL_LAYOUT(holds) static_assert(holds, "the wire's layout")
#else
#define TAEL_LAYOUT(holds) _Static_assert(holds, "the wire's layout")
#endif

// --- module ---

// Why a record was refused by what all modules share.
enum tael_module_result {
    // The ledger refused a posting.
    TAEL_MODULE_RESULT_POSTING_REFUSED = 200,
    // A table of records or of effects is full.
    TAEL_MODULE_RESULT_FULL = 201,
    // The command breaks its description.
    TAEL_MODULE_RESULT_MALFORMED = 202,
    // No module of this log knows the record.
    TAEL_MODULE_RESULT_UNKNOWN = 203,
    // The command's id was used with another content.
    TAEL_MODULE_RESULT_REUSED = 204,
    // This very record was carried out before.
    TAEL_MODULE_RESULT_EXISTS = 205,
    // Another record with this id was carried out before.
    TAEL_MODULE_RESULT_EXISTS_WITH_DIFFERENT_CONTENT = 206,
    // Its time was over before it was applied.
    TAEL_MODULE_RESULT_EXPIRED = 207,
    // A constraint would be below its bound, or further below it.
    TAEL_MODULE_RESULT_CONSTRAINT_BROKEN = 208,
    // The position or the time that is asked about has not come yet.
    TAEL_MODULE_RESULT_IN_THE_FUTURE = 209,
    // The records would no longer sum to their control account.
    TAEL_MODULE_RESULT_SUB_LEDGER_BROKEN = 210,
    // The principal that asks is closed.
    TAEL_MODULE_RESULT_PRINCIPAL_CLOSED = 211,
    // An import is being carried out whole: commands wait until it is done.
    TAEL_MODULE_RESULT_HELD_UP = 212,
    // Who gave the command may not act in the name that it is in.
    TAEL_MODULE_RESULT_NOT_DELEGATED = 213,
};

// --- entity ---

// What a calendar says of a day that its week does not.
enum tael_calendar_day_kind {
    // No business day, though the week has it as one.
    TAEL_CALENDAR_DAY_KIND_HOLIDAY = 1,
    // A business day, though the week has it as none: a weekend made up for.
    TAEL_CALENDAR_DAY_KIND_WORKING = 2,
    // A business day on which business was suspended, by a typhoon or likewise: none.
    TAEL_CALENDAR_DAY_KIND_SUSPENDED = 3,
    // As the week has it; takes back what was said before.
    TAEL_CALENDAR_DAY_KIND_USUAL = 4,
};

// Why a command on entities was refused, in order of precedence.
enum tael_entity_result {
    // The entity's id must not be 0.
    TAEL_ENTITY_RESULT_ID_MUST_NOT_BE_ZERO = 1,
    // The name is empty or has other characters than letters, digits and - _ . :
    TAEL_ENTITY_RESULT_NAME_INVALID = 2,
    // The jurisdiction is no code of ISO 3166: two capitals, or two, a hyphen and up to three more.
    TAEL_ENTITY_RESULT_JURISDICTION_INVALID = 3,
    // ISO 4217 has no such currency.
    TAEL_ENTITY_RESULT_CURRENCY_UNKNOWN = 4,
    // The calendar's name is empty or has other characters than letters, digits and - _ . :
    TAEL_ENTITY_RESULT_CALENDAR_INVALID = 7,
    // A calendar has at least one day of business a week.
    TAEL_ENTITY_RESULT_CALENDAR_WITHOUT_BUSINESS = 8,
    // The calendar exists.
    TAEL_ENTITY_RESULT_CALENDAR_EXISTS = 9,
    // There is no such calendar.
    TAEL_ENTITY_RESULT_CALENDAR_NOT_FOUND = 10,
    // No day is given.
    TAEL_ENTITY_RESULT_DAYS_EMPTY = 11,
    // A day is before 1970-01-02 or after 9999-12-31.
    TAEL_ENTITY_RESULT_DAY_OUT_OF_RANGE = 12,
    // The entity exists.
    TAEL_ENTITY_RESULT_EXISTS = 5,
    // There is no such entity.
    TAEL_ENTITY_RESULT_NOT_FOUND = 6,
    // Another day is open.
    TAEL_ENTITY_RESULT_DAY_NOT_OPEN = 14,
    // The calendar has no business day in the year that follows.
    TAEL_ENTITY_RESULT_NO_NEXT_DAY = 15,
    // The period is closed up to this day, or to a later one.
    TAEL_ENTITY_RESULT_PERIOD_CLOSED_ALREADY = 16,
    // The last day of the period is not closed yet.
    TAEL_ENTITY_RESULT_PERIOD_NOT_OVER = 17,
    // The calendar has no business on this day.
    TAEL_ENTITY_RESULT_NOT_A_BUSINESS_DAY = 18,
};

// A day that is not as its week has it.
struct tael_calendar_day {
    // The day.
    int32_t day;
    // What it is.
    uint8_t kind;
    // Zero.
    uint8_t reserved[3];
};
TAEL_LAYOUT(sizeof(struct tael_calendar_day) == 8);

// Opens a calendar of business days.
#define TAEL_RECORD_CALENDAR_OPEN 0x0202u
struct tael_calendar_open {
    // Its name: HK, CN, US; letters, digits and - _ . : only.
    char calendar[16];
    // The days of the week without business, a bit each: 1 Monday, 2 Tuesday, 4, ... 64 Sunday; 96
    // is Saturday and Sunday.
    uint8_t weekend;
    // Zero.
    uint8_t reserved[15];
};
TAEL_LAYOUT(sizeof(struct tael_calendar_open) == 32);

// Marks days that are not as their week has them. Days that an entity has closed stay as they were.
#define TAEL_RECORD_CALENDAR_MARK 0x0203u
struct tael_calendar_mark {
    // The calendar.
    char calendar[16];
    // Zero.
    uint8_t reserved[12];
    // The days: 2027-01-01:holiday; or working, a weekend made up for; suspended, by a typhoon;
    // usual, as the week has it.
    uint32_t days_count;
};
TAEL_LAYOUT(sizeof(struct tael_calendar_mark) == 32);

// Closes an entity's business day and opens its next one.
#define TAEL_RECORD_DAY_CLOSE 0x0204u
struct tael_day_close {
    // The entity.
    struct tael_u128 entity_id;
    // The day that is open, so that none is closed twice.
    int32_t day;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_day_close) == 32);

// Closes an entity's books up to a day: nothing is posted with an effective day in that time any
// more.
#define TAEL_RECORD_PERIOD_CLOSE 0x0205u
struct tael_period_close {
    // The entity.
    struct tael_u128 entity_id;
    // The last day of it; before the open day.
    int32_t through;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_period_close) == 32);

// Opens a legal entity.
#define TAEL_RECORD_ENTITY_OPEN 0x0201u
struct tael_entity_open {
    // Chosen by the client; not 0.
    struct tael_u128 entity_id;
    // What it is called here: letters, digits and - _ . : only.
    char name[48];
    // Where it is registered, by ISO 3166: HK, CN, US-NY.
    char jurisdiction[8];
    // Its functional currency (IAS 21.8), by ISO 4217: HKD.
    char currency[8];
    // The calendar of its business days; every day is one when not given.
    char calendar[16];
    // Its first business day, which is open from now on.
    int32_t day;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_entity_open) == 112);

// A legal entity.
#define TAEL_RECORD_ENTITY 0x0210u
struct tael_entity {
    // The entity.
    struct tael_u128 entity_id;
    // What it is called.
    char name[48];
    // Where it is registered.
    char jurisdiction[8];
    // Its functional currency.
    char currency[8];
    // Its first business day.
    int32_t first_day;
    // The business day that is open.
    int32_t day;
    // When it was opened here.
    uint64_t opened_at;
    // The calendar of its business days.
    char calendar[16];
    // The last day of its closed periods; the day before the first one when there is none.
    int32_t closed_through;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_entity) == 128);

// A calendar of business days.
#define TAEL_RECORD_CALENDAR 0x0211u
struct tael_calendar {
    // Its name.
    char calendar[16];
    // The days of the week without business, a bit each from Monday on.
    uint8_t weekend;
    // Zero.
    uint8_t reserved[47];
};
TAEL_LAYOUT(sizeof(struct tael_calendar) == 64);

// A day that is not as its week has it.
#define TAEL_RECORD_CALENDAR_EXCEPTION 0x0212u
struct tael_calendar_exception {
    // Row of the calendar, and day.
    struct tael_u128 key;
    // The calendar.
    char calendar[16];
    // The day.
    int32_t day;
    // What it is.
    uint8_t kind;
    // Zero.
    uint8_t reserved[27];
};
TAEL_LAYOUT(sizeof(struct tael_calendar_exception) == 64);

// A business day of an entity that was closed.
#define TAEL_RECORD_BUSINESS_DAY 0x0213u
struct tael_business_day {
    // Row of the entity, and day.
    struct tael_u128 key;
    // The entity.
    struct tael_u128 entity_id;
    // The day.
    int32_t day;
    // The one that was opened instead.
    int32_t next;
    // When it was closed.
    uint64_t closed_at;
    // The row of history behind what was posted up to then.
    uint64_t row_end;
    // Of the last one in a closed period: the row behind the last posting with an effective day in
    // that period; 0 is none yet.
    uint64_t final_row;
};
TAEL_LAYOUT(sizeof(struct tael_business_day) == 64);

// The legal entities, in the order in which they were opened.
#define TAEL_RECORD_ENTITY_LIST 0x0220u
struct tael_entity_list {
    // Only this one; 0 is all.
    struct tael_u128 entity_id;
};
TAEL_LAYOUT(sizeof(struct tael_entity_list) == 16);

// The calendars.
#define TAEL_RECORD_CALENDAR_LIST 0x0221u
struct tael_calendar_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_calendar_list) == 16);

// The days of a calendar that its week has otherwise, in the order in which they were first said.
#define TAEL_RECORD_CALENDAR_DAYS 0x0222u
struct tael_calendar_days {
    // The calendar.
    char calendar[16];
};
TAEL_LAYOUT(sizeof(struct tael_calendar_days) == 16);

// The business days of an entity that were closed, in their order.
#define TAEL_RECORD_DAY_LIST 0x0223u
struct tael_day_list {
    // The entity.
    struct tael_u128 entity_id;
};
TAEL_LAYOUT(sizeof(struct tael_day_list) == 16);

// --- book ---

// What an asset is.
enum tael_asset_kind {
    // A currency of ISO 4217; its decimals are those of the standard.
    TAEL_ASSET_KIND_CURRENCY = 1,
    // A token, of this group or another's.
    TAEL_ASSET_KIND_COIN = 2,
    // Units of a fund.
    TAEL_ASSET_KIND_FUND_UNIT = 3,
    // A weight of precious metal.
    TAEL_ASSET_KIND_METAL = 4,
    // Anything else that is counted.
    TAEL_ASSET_KIND_OTHER = 5,
};

// The class of an account; the first and the last grow by debits, the others by credits.
enum tael_account_kind {
    // What is owned.
    TAEL_ACCOUNT_KIND_ASSET = 1,
    // What is owed.
    TAEL_ACCOUNT_KIND_LIABILITY = 2,
    // What is left for the owners.
    TAEL_ACCOUNT_KIND_EQUITY = 3,
    // What is earned in a period.
    TAEL_ACCOUNT_KIND_INCOME = 4,
    // What is spent in a period.
    TAEL_ACCOUNT_KIND_EXPENSE = 5,
};

// What the freeze of an account refuses.
enum tael_frozen_sides {
    // Nothing; to a command, both sides.
    TAEL_FROZEN_SIDES_NONE = 0,
    // Debits.
    TAEL_FROZEN_SIDES_DEBITS = 1,
    // Credits.
    TAEL_FROZEN_SIDES_CREDITS = 2,
    // Debits and credits.
    TAEL_FROZEN_SIDES_BOTH = 3,
};

// What is summed into one line of turnover.
enum tael_turnover_group {
    // All accounts of a code.
    TAEL_TURNOVER_GROUP_CODE = 0,
    // All accounts of a class: asset, liability, ...
    TAEL_TURNOVER_GROUP_KIND = 1,
    // All accounts that are reported in a line.
    TAEL_TURNOVER_GROUP_LINE = 2,
    // All accounts of the book.
    TAEL_TURNOVER_GROUP_BOOK = 3,
    // One account.
    TAEL_TURNOVER_GROUP_ACCOUNT = 4,
};

// What a line of a statement says.
enum tael_statement_kind {
    // The balance before the first line.
    TAEL_STATEMENT_KIND_OPENING = 1,
    // An amount was posted.
    TAEL_STATEMENT_KIND_POSTED = 2,
    // An amount was held.
    TAEL_STATEMENT_KIND_HELD = 3,
    // A hold was posted, whole or in part.
    TAEL_STATEMENT_KIND_HOLD_POSTED = 4,
    // A hold was given up.
    TAEL_STATEMENT_KIND_HOLD_VOIDED = 5,
    // A hold's time was over.
    TAEL_STATEMENT_KIND_HOLD_EXPIRED = 6,
    // The balance behind the last line.
    TAEL_STATEMENT_KIND_CLOSING = 7,
};

// The limits of an account in a book; they are the ledger's.
enum tael_book_account_flags {
    // Debits, holds included, stay within posted credits.
    TAEL_BOOK_ACCOUNT_FLAGS_DEBITS_MUST_NOT_EXCEED_CREDITS = 1 << 1,
    // Credits, holds included, stay within posted debits.
    TAEL_BOOK_ACCOUNT_FLAGS_CREDITS_MUST_NOT_EXCEED_DEBITS = 1 << 2,
};

// Why a command on assets, charts, books or accounts was refused, in order of precedence.
enum tael_book_result {
    // The asset's code is empty or has other characters than letters, digits and - _ . :
    TAEL_BOOK_RESULT_ASSET_INVALID = 1,
    // A name is empty or has other characters than letters, digits and - _ . :
    TAEL_BOOK_RESULT_NAME_INVALID = 2,
    // The reason is empty or has other characters than letters, digits and - _ . :
    TAEL_BOOK_RESULT_REASON_INVALID = 28,
    // ISO 4217 has no such currency.
    TAEL_BOOK_RESULT_CURRENCY_UNKNOWN = 3,
    // ISO 4217 gives the currency other decimals.
    TAEL_BOOK_RESULT_CURRENCY_SCALE_DIFFERS = 4,
    // The code is a currency's of ISO 4217, and the asset is none.
    TAEL_BOOK_RESULT_ASSET_IS_A_CURRENCY = 5,
    // The asset exists.
    TAEL_BOOK_RESULT_ASSET_EXISTS = 6,
    // The chart's number must not be 0.
    TAEL_BOOK_RESULT_CHART_MUST_NOT_BE_ZERO = 7,
    // The account code must not be 0.
    TAEL_BOOK_RESULT_CODE_MUST_NOT_BE_ZERO = 8,
    // The chart has this code.
    TAEL_BOOK_RESULT_CODE_EXISTS = 9,
    // The book's number must not be 0.
    TAEL_BOOK_RESULT_NUMBER_MUST_NOT_BE_ZERO = 10,
    // The book exists.
    TAEL_BOOK_RESULT_EXISTS = 11,
    // Raw accounts are on this ledger number.
    TAEL_BOOK_RESULT_NUMBER_IS_RAW = 12,
    // There is no such entity.
    TAEL_BOOK_RESULT_ENTITY_NOT_FOUND = 13,
    // There is no such asset.
    TAEL_BOOK_RESULT_ASSET_NOT_FOUND = 14,
    // The chart has no code yet.
    TAEL_BOOK_RESULT_CHART_NOT_FOUND = 15,
    // The account's id must not be 0 and must be below 2^128-2.
    TAEL_BOOK_RESULT_ACCOUNT_ID_INVALID = 16,
    // There is no such book.
    TAEL_BOOK_RESULT_NOT_FOUND = 17,
    // The book's chart has no such code.
    TAEL_BOOK_RESULT_CODE_NOT_FOUND = 18,
    // An account has one of the two limits at most.
    TAEL_BOOK_RESULT_LIMITS_EXCLUDE_EACH_OTHER = 19,
    // The owner is no principal that is open.
    TAEL_BOOK_RESULT_OWNER_NOT_FOUND = 40,
    // The book has this account.
    TAEL_BOOK_RESULT_ACCOUNT_EXISTS = 20,
    // A statement is of days or of times, not of both.
    TAEL_BOOK_RESULT_DAYS_AND_TIMES = 22,
    // It ends before it begins.
    TAEL_BOOK_RESULT_RANGE_REVERSED = 23,
    // The ledger number is raw: it has no business days.
    TAEL_BOOK_RESULT_RAW_HAS_NO_DAYS = 24,
    // A day is before the year 0 or after 9999-12-31.
    TAEL_BOOK_RESULT_DAY_OUT_OF_RANGE = 25,
    // An order, a scenario or a purpose must be given.
    TAEL_BOOK_RESULT_REFERENCE_MISSING = 26,
    // The book has no such account.
    TAEL_BOOK_RESULT_ACCOUNT_NOT_FOUND = 21,
    // The suspense account of a book is always open.
    TAEL_BOOK_RESULT_SUSPENSE_STAYS = 29,
    // The account is another principal's; only that one and the server's own may do this.
    TAEL_BOOK_RESULT_NOT_THE_OWNER = 30,
    // The account is closed.
    TAEL_BOOK_RESULT_ACCOUNT_CLOSED = 31,
    // The account is not closed.
    TAEL_BOOK_RESULT_ACCOUNT_NOT_CLOSED = 32,
    // The account is frozen like this already.
    TAEL_BOOK_RESULT_FROZEN_ALREADY = 33,
    // The account is not frozen.
    TAEL_BOOK_RESULT_NOT_FROZEN = 34,
    // The account has a balance.
    TAEL_BOOK_RESULT_BALANCE_LEFT = 35,
    // Something is held on the account.
    TAEL_BOOK_RESULT_HOLDS_LEFT = 36,
};

// Registers something that books count.
#define TAEL_RECORD_ASSET_OPEN 0x0301u
struct tael_asset_open {
    // Its code: HKD, tHKD, XAU-g. Letters, digits and - _ . : only.
    char asset[16];
    // What it is called; the same characters.
    char name[40];
    // What it is.
    uint8_t kind;
    // Digits behind the point of one unit: amounts are in the smallest part.
    uint8_t scale;
    // Zero.
    uint8_t reserved[6];
};
TAEL_LAYOUT(sizeof(struct tael_asset_open) == 64);

// Adds an account code to a chart of accounts.
#define TAEL_RECORD_CHART_ADD 0x0302u
struct tael_chart_add {
    // The chart, a number; not 0.
    uint32_t chart;
    // The code of accounts of this sort; not 0.
    uint16_t code;
    // Their class.
    uint8_t kind;
    // They grow on the other side than their class: depreciation, own shares.
    bool contra;
    // What it is called; letters, digits and - _ . : only.
    char name[40];
    // The line of the statements that it is reported in; the name when not given.
    char line[32];
};
TAEL_LAYOUT(sizeof(struct tael_chart_add) == 80);

// Opens a book of an entity in an asset.
#define TAEL_RECORD_BOOK_OPEN 0x0303u
struct tael_book_open {
    // Its ledger number, which no raw account has; not 0.
    uint32_t book;
    // Its chart of accounts.
    uint32_t chart;
    // Zero.
    uint64_t reserved;
    // The entity whose it is.
    struct tael_u128 entity_id;
    // What it counts.
    char asset[16];
    // What it is called; letters, digits and - _ . : only.
    char name[48];
};
TAEL_LAYOUT(sizeof(struct tael_book_open) == 96);

// Opens an account in a book.
#define TAEL_RECORD_BOOK_ACCOUNT_OPEN 0x0304u
struct tael_book_account_open {
    // Unique in the book; not 0 and below 2^128-2.
    struct tael_u128 account_id;
    // The principal who may post to it, one that is open; 0 is the one who opens it.
    uint64_t owner;
    // The book.
    uint32_t book;
    // A code of the book's chart.
    uint16_t code;
    // Its limits.
    uint16_t flags;
    // What it is called; letters, digits and - _ . : only.
    char name[64];
};
TAEL_LAYOUT(sizeof(struct tael_book_account_open) == 96);

// Freezes an account: entries of one side, or of both, are refused until it is thawed. What is held
// may be given up.
#define TAEL_RECORD_BOOK_ACCOUNT_FREEZE 0x0305u
struct tael_book_account_freeze {
    // The account.
    struct tael_u128 account_id;
    // Its book.
    uint32_t book;
    // What is refused; both sides when not given.
    uint8_t sides;
    // Zero.
    uint8_t reserved[11];
    // Why, a code: court-order; letters, digits and - _ . : only.
    char reason[16];
};
TAEL_LAYOUT(sizeof(struct tael_book_account_freeze) == 48);

// Ends the freeze of an account.
#define TAEL_RECORD_BOOK_ACCOUNT_THAW 0x0306u
struct tael_book_account_thaw {
    // The account.
    struct tael_u128 account_id;
    // Its book.
    uint32_t book;
    // Zero.
    uint8_t reserved[12];
    // Why, a code; letters, digits and - _ . : only.
    char reason[16];
};
TAEL_LAYOUT(sizeof(struct tael_book_account_thaw) == 48);

// Closes an account without a balance and without holds: nothing is posted to it any more.
#define TAEL_RECORD_BOOK_ACCOUNT_CLOSE 0x0307u
struct tael_book_account_close {
    // The account.
    struct tael_u128 account_id;
    // Its book.
    uint32_t book;
    // Zero.
    uint8_t reserved[12];
    // Why, a code; letters, digits and - _ . : only.
    char reason[16];
};
TAEL_LAYOUT(sizeof(struct tael_book_account_close) == 48);

// Opens a closed account again.
#define TAEL_RECORD_BOOK_ACCOUNT_REOPEN 0x0308u
struct tael_book_account_reopen {
    // The account.
    struct tael_u128 account_id;
    // Its book.
    uint32_t book;
    // Zero.
    uint8_t reserved[12];
    // Why, a code; letters, digits and - _ . : only.
    char reason[16];
};
TAEL_LAYOUT(sizeof(struct tael_book_account_reopen) == 48);

// Something that books count.
#define TAEL_RECORD_ASSET 0x0310u
struct tael_asset {
    // Its code.
    char asset[16];
    // What it is called.
    char name[40];
    // What it is.
    uint8_t kind;
    // Digits behind the point of one unit.
    uint8_t scale;
    // Zero.
    uint8_t reserved[6];
};
TAEL_LAYOUT(sizeof(struct tael_asset) == 64);

// An account code of a chart of accounts.
#define TAEL_RECORD_CHART_CODE 0x0311u
struct tael_chart_code {
    // Chart and code.
    struct tael_u128 key;
    // The chart.
    uint32_t chart;
    // The code.
    uint16_t code;
    // The class of its accounts.
    uint8_t kind;
    // They grow on the other side than their class.
    bool contra;
    // What it is called.
    char name[40];
    // The line that it is reported in.
    char line[32];
    // Zero.
    uint8_t reserved[32];
};
TAEL_LAYOUT(sizeof(struct tael_chart_code) == 128);

// A book: an entity, an asset, a chart of accounts.
#define TAEL_RECORD_BOOK 0x0312u
struct tael_book {
    // Its ledger number.
    struct tael_u128 book;
    // The entity whose it is.
    struct tael_u128 entity_id;
    // What it counts.
    char asset[16];
    // What it is called.
    char name[48];
    // Its chart of accounts.
    uint32_t chart;
    // How many accounts it has.
    uint32_t accounts;
    // Row of the last one, plus one.
    uint32_t account_last;
    // Zero.
    uint8_t reserved[20];
};
TAEL_LAYOUT(sizeof(struct tael_book) == 128);

// What a book knows of an account beside its balances.
#define TAEL_RECORD_BOOK_ACCOUNT 0x0313u
struct tael_book_account {
    // Of the account in the ledger.
    struct tael_u128 row;
    // The principal who may post to it.
    uint64_t owner;
    // The book.
    uint32_t book;
    // Row of the account before it in the book, plus one.
    uint32_t previous;
    // The code of the book's chart.
    uint16_t code;
    // What a freeze refuses.
    uint8_t frozen;
    // Nothing is posted to it.
    bool is_closed;
    // Zero.
    uint8_t reserved[4];
    // What it is called.
    char name[64];
    // Why it was frozen, thawed, closed or opened again last.
    char reason[16];
    // When; 0 is never.
    uint64_t since;
};
TAEL_LAYOUT(sizeof(struct tael_book_account) == 128);

// The assets, in the order in which they were registered.
#define TAEL_RECORD_ASSET_LIST 0x0320u
struct tael_asset_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_asset_list) == 16);

// The codes of the charts of accounts.
#define TAEL_RECORD_CHART_LIST 0x0321u
struct tael_chart_list {
    // Only of this one; 0 is all.
    uint32_t chart;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_chart_list) == 16);

// The books, in the order in which they were opened.
#define TAEL_RECORD_BOOK_LIST 0x0322u
struct tael_book_list {
    // Only those of this entity; 0 is all.
    struct tael_u128 entity_id;
};
TAEL_LAYOUT(sizeof(struct tael_book_list) == 16);

// Every account of a book with its balance: now, at the end of a day, or as it was known at a time
// or a position.
#define TAEL_RECORD_TRIAL_BALANCE 0x0323u
struct tael_trial_balance {
    // The book.
    uint32_t book;
    // At the end of this day, by effective days; the open day when not given.
    int32_t day;
    // By what was posted up to then; 0 is up to now.
    uint64_t time;
    // By what the commands up to this one did; 0 is up to now.
    uint64_t position;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_trial_balance) == 32);

// The balance of one account: now, at the end of a day, or as it was known at a time or a position.
#define TAEL_RECORD_BALANCE 0x0324u
struct tael_balance {
    // The account.
    struct tael_u128 account_id;
    // Its book, or the ledger number of a raw account.
    uint32_t book;
    // At the end of this day, by effective days; the open day when not given.
    int32_t day;
    // By what was posted up to then; 0 is up to now.
    uint64_t time;
    // By what the commands up to this one did; 0 is up to now.
    uint64_t position;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_balance) == 48);

// What was posted to an account and held on it, with the balance behind each line. By days in the
// order of effective days, else in the order in which it was posted.
#define TAEL_RECORD_STATEMENT 0x0325u
struct tael_statement {
    // The account.
    struct tael_u128 account_id;
    // Its book, or the ledger number of a raw account.
    uint32_t book;
    // From this effective day on.
    int32_t from_day;
    // Up to this effective day.
    int32_t to_day;
    // Zero.
    uint32_t reserved;
    // Posted from then on; not beside days.
    uint64_t from_time;
    // Posted up to then; not beside days.
    uint64_t to_time;
    // As it was known then; 0 is now.
    uint64_t time;
    // By what the commands up to this one did; 0 is up to now.
    uint64_t position;
};
TAEL_LAYOUT(sizeof(struct tael_statement) == 64);

// An account in a trial balance; one of the two balances is 0.
#define TAEL_RECORD_TRIAL_BALANCE_ROW 0x0330u
struct tael_trial_balance_row {
    // Its code in the chart.
    uint16_t code;
    // Its class.
    uint8_t kind;
    // Digits behind the point of the book's asset.
    uint8_t scale;
    // The book.
    uint32_t book;
    // The principal who may post to it.
    uint64_t owner;
    // The account.
    struct tael_u128 account_id;
    // What it is called.
    char name[64];
    // By how much posted debits exceed posted credits.
    struct tael_u128 debit;
    // By how much posted credits exceed posted debits.
    struct tael_u128 credit;
    // All of them.
    struct tael_u128 debits_posted;
    // All of them.
    struct tael_u128 credits_posted;
    // Held.
    struct tael_u128 debits_pending;
    // Held.
    struct tael_u128 credits_pending;
};
TAEL_LAYOUT(sizeof(struct tael_trial_balance_row) == 192);

// What was debited and credited in a book in whole months of the effective day, and the balances
// before and behind: by code, class, line or account, or all.
#define TAEL_RECORD_TURNOVER_LIST 0x0326u
struct tael_turnover_list {
    // The book.
    uint32_t book;
    // From the month of this day on; from the beginning when not given.
    int32_t from_day;
    // To the month of this day; to the open one when not given.
    int32_t to_day;
    // What is one line; the code when not given.
    uint8_t group;
    // Zero.
    uint8_t reserved[3];
};
TAEL_LAYOUT(sizeof(struct tael_turnover_list) == 16);

// The turnover of a code, a class, a line, an account or a book.
#define TAEL_RECORD_TURNOVER_ROW 0x0332u
struct tael_turnover_row {
    // The code, of a line by code or by account.
    uint16_t code;
    // The class; of all of a book 0.
    uint8_t kind;
    // Digits behind the point of the book's asset.
    uint8_t scale;
    // The book.
    uint32_t book;
    // Postings, each on both of its sides.
    uint64_t count;
    // The account, of a line by account.
    struct tael_u128 account_id;
    // Of the code, the line or the account.
    char name[64];
    // The balance before, when it is a debit.
    struct tael_u128 opening_debit;
    // The balance before, when it is a credit.
    struct tael_u128 opening_credit;
    // What was debited; a sum that would pass 2^128-1 stays there.
    struct tael_u128 debits;
    // What was credited; a sum that would pass 2^128-1 stays there.
    struct tael_u128 credits;
    // The balance behind, when it is a debit.
    struct tael_u128 closing_debit;
    // The balance behind, when it is a credit.
    struct tael_u128 closing_credit;
};
TAEL_LAYOUT(sizeof(struct tael_turnover_row) == 192);

// What was posted in a book under a reference: an order, a scenario, a purpose; each one given must
// hold.
#define TAEL_RECORD_REFERENCE_TURNOVER 0x0327u
struct tael_reference_turnover {
    // The order; 0 is any.
    struct tael_u128 order_id;
    // The scenario; 0 is any.
    uint64_t scenario;
    // The purpose code; 0 is any.
    uint32_t purpose;
    // The book.
    uint32_t book;
    // Posted from then on; 0 is from the beginning.
    uint64_t from_time;
    // Posted up to then; 0 is up to now.
    uint64_t to_time;
};
TAEL_LAYOUT(sizeof(struct tael_reference_turnover) == 48);

// What was posted under a reference. With a cursor it is what was found so far.
#define TAEL_RECORD_REFERENCE_TURNOVER_ROW 0x0333u
struct tael_reference_turnover_row {
    // The book.
    uint32_t book;
    // Digits behind the point of the book's asset.
    uint8_t scale;
    // Zero.
    uint8_t reserved[3];
    // Postings.
    uint64_t count;
    // Their sum; one that would pass 2^128-1 stays there.
    struct tael_u128 amount;
};
TAEL_LAYOUT(sizeof(struct tael_reference_turnover_row) == 32);

// The accounts of a book: whose they are, and which are frozen or closed.
#define TAEL_RECORD_ACCOUNT_LIST 0x0328u
struct tael_account_list {
    // The book.
    uint32_t book;
    // Only those that are frozen or closed.
    bool only_stopped;
    // Zero.
    uint8_t reserved[11];
};
TAEL_LAYOUT(sizeof(struct tael_account_list) == 16);

// An account of a book.
#define TAEL_RECORD_ACCOUNT_ROW 0x0334u
struct tael_account_row {
    // The account.
    struct tael_u128 account_id;
    // The principal who may post to it.
    uint64_t owner;
    // The book.
    uint32_t book;
    // Its code in the chart.
    uint16_t code;
    // What a freeze refuses.
    uint8_t frozen;
    // Nothing is posted to it.
    bool is_closed;
    // What it is called.
    char name[64];
    // Why it was frozen, thawed, closed or opened again last.
    char reason[16];
    // When.
    uint64_t since;
    // Its limits.
    uint16_t limits;
    // Zero.
    uint8_t reserved[6];
};
TAEL_LAYOUT(sizeof(struct tael_account_row) == 128);

// A line of a statement; one of the two balances is 0.
#define TAEL_RECORD_STATEMENT_LINE 0x0331u
struct tael_statement_line {
    // The effective day; 1970-01-01 in a raw ledger, which has none.
    int32_t day;
    // What happened.
    uint8_t kind;
    // Digits behind the point of the book's asset.
    uint8_t scale;
    // The kind of entry or transfer.
    uint16_t code;
    // The book.
    uint32_t book;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its row of history.
    uint64_t row;
    // When it was posted.
    uint64_t timestamp;
    // The entry, or the transfer of a raw account.
    struct tael_u128 entry_id;
    // The account on the other side.
    struct tael_u128 account_id;
    // What was debited.
    struct tael_u128 debit;
    // What was credited.
    struct tael_u128 credit;
    // What is held from now on, or no longer.
    struct tael_u128 held;
    // By how much posted debits exceed posted credits behind it.
    struct tael_u128 balance_debit;
    // By how much posted credits exceed posted debits behind it.
    struct tael_u128 balance_credit;
    // Held behind it.
    struct tael_u128 debits_pending;
    // Held behind it.
    struct tael_u128 credits_pending;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_statement_line) == 208);

// --- entry ---

// The side of an account.
enum tael_entry_side {
    // Debit.
    TAEL_ENTRY_SIDE_DEBIT = 1,
    // Credit.
    TAEL_ENTRY_SIDE_CREDIT = 2,
};

// Whether an entry is ours to choose.
enum tael_entry_nature {
    // We choose it: a limit or a constraint that it breaks refuses it.
    TAEL_ENTRY_NATURE_DISCRETIONARY = 0,
    // It happened, like a bank's reversal: it is posted, what an account's limit forbids to
    // suspense, and opens the breach of what it breaks.
    TAEL_ENTRY_NATURE_FACT = 1,
};

// What became of a hold.
enum tael_hold_status {
    // It holds.
    TAEL_HOLD_STATUS_OPEN = 1,
    // It was posted, whole or in part; what was left is free.
    TAEL_HOLD_STATUS_POSTED = 2,
    // It was given up.
    TAEL_HOLD_STATUS_VOIDED = 3,
    // Its time was over.
    TAEL_HOLD_STATUS_EXPIRED = 4,
};

// How a converted amount is rounded; what is lost or gained by it goes to the dust account.
enum tael_entry_rounding {
    // Cut off.
    TAEL_ENTRY_ROUNDING_DOWN = 0,
    // Up if there is any fraction.
    TAEL_ENTRY_ROUNDING_UP = 1,
    // To the nearest; a half down.
    TAEL_ENTRY_ROUNDING_HALF_DOWN = 2,
    // To the nearest; a half up.
    TAEL_ENTRY_ROUNDING_HALF_UP = 3,
    // To the nearest; a half to the even neighbour.
    TAEL_ENTRY_ROUNDING_HALF_EVEN = 4,
};

// What a rule posts.
enum tael_rule_kind {
    // What entities owe each other.
    TAEL_RULE_KIND_DUE = 1,
    // The same value in books of other decimals.
    TAEL_RULE_KIND_CONVERSION = 2,
};

// Which holds.
enum tael_hold_status_any {
    // All.
    TAEL_HOLD_STATUS_ANY_ALL = 0,
    // Those that hold.
    TAEL_HOLD_STATUS_ANY_OPEN = 1,
    // Those that were posted.
    TAEL_HOLD_STATUS_ANY_POSTED = 2,
    // Those that were given up.
    TAEL_HOLD_STATUS_ANY_VOIDED = 3,
    // Those whose time was over.
    TAEL_HOLD_STATUS_ANY_EXPIRED = 4,
};

// Why an entry was refused, in order of precedence.
enum tael_entry_result {
    // The name has other characters than letters, digits and - _ . :
    TAEL_ENTRY_RESULT_NAME_INVALID = 15,
    // The entry's id must not be 0.
    TAEL_ENTRY_RESULT_ID_MUST_NOT_BE_ZERO = 1,
    // An entry has two legs at least.
    TAEL_ENTRY_RESULT_TOO_FEW_LEGS = 2,
    // The amount of a leg must not be 0.
    TAEL_ENTRY_RESULT_AMOUNT_MUST_NOT_BE_ZERO = 3,
    // A posting is given twice.
    TAEL_ENTRY_RESULT_PART_REPEATED = 28,
    // There is no such book.
    TAEL_ENTRY_RESULT_BOOK_NOT_FOUND = 5,
    // The book has no such account.
    TAEL_ENTRY_RESULT_ACCOUNT_NOT_FOUND = 6,
    // The account is another principal's.
    TAEL_ENTRY_RESULT_NOT_THE_OWNER = 7,
    // The account is closed.
    TAEL_ENTRY_RESULT_ACCOUNT_CLOSED = 13,
    // The account is frozen on this side.
    TAEL_ENTRY_RESULT_ACCOUNT_FROZEN = 14,
    // The effective day is in a closed period of the entity; post into an open one.
    TAEL_ENTRY_RESULT_DAY_IN_CLOSED_PERIOD = 11,
    // The effective day is behind the entity's open day.
    TAEL_ENTRY_RESULT_DAY_NOT_YET_OPEN = 12,
    // There is no such hold.
    TAEL_ENTRY_RESULT_HOLD_NOT_FOUND = 16,
    // The hold is another principal's.
    TAEL_ENTRY_RESULT_NOT_THE_HOLDER = 17,
    // The hold was posted.
    TAEL_ENTRY_RESULT_HOLD_POSTED_ALREADY = 18,
    // The hold was given up.
    TAEL_ENTRY_RESULT_HOLD_VOIDED_ALREADY = 19,
    // The time of the hold is over.
    TAEL_ENTRY_RESULT_HOLD_EXPIRED = 20,
    // A hold of several postings is posted whole.
    TAEL_ENTRY_RESULT_HOLD_HAS_PARTS = 21,
    // The amount is more than is held.
    TAEL_ENTRY_RESULT_MORE_THAN_HELD = 22,
    // There is no such entry.
    TAEL_ENTRY_RESULT_NOT_FOUND = 23,
    // It is a hold: what is held is given up, not reversed.
    TAEL_ENTRY_RESULT_IS_A_HOLD = 24,
    // It gave up a hold, and posted nothing.
    TAEL_ENTRY_RESULT_NOTHING_TO_REVERSE = 25,
    // All of it is reversed.
    TAEL_ENTRY_RESULT_REVERSED_ALREADY = 26,
    // The entry has no such posting.
    TAEL_ENTRY_RESULT_PART_NOT_FOUND = 27,
    // The amount is more than is left of the posting.
    TAEL_ENTRY_RESULT_MORE_THAN_LEFT = 29,
    // An order, a scenario or a purpose must be given.
    TAEL_ENTRY_RESULT_REFERENCE_MISSING = 30,
    // It ends before it begins.
    TAEL_ENTRY_RESULT_RANGE_REVERSED = 31,
    // There is no such rule.
    TAEL_ENTRY_RESULT_RULE_NOT_FOUND = 32,
    // The rule does not post this.
    TAEL_ENTRY_RESULT_RULE_OF_ANOTHER_KIND = 33,
    // The rule exists.
    TAEL_ENTRY_RESULT_RULE_EXISTS = 34,
    // The account's owner is not 2^64-1: it is not for rules.
    TAEL_ENTRY_RESULT_NOT_AN_ACCOUNT_OF_RULES = 35,
    // Another rule posts to the account.
    TAEL_ENTRY_RESULT_ACCOUNT_OF_ANOTHER_RULE = 36,
    // Both books are of one entity.
    TAEL_ENTRY_RESULT_SAME_ENTITY = 37,
    // The books are of different assets.
    TAEL_ENTRY_RESULT_ASSETS_DIFFER = 38,
    // The decimals differ, and there is no account for what rounding leaves.
    TAEL_ENTRY_RESULT_DUST_MISSING = 39,
    // The rule is not of this book.
    TAEL_ENTRY_RESULT_BOOK_NOT_OF_THE_RULE = 40,
    // The amount is less than the smallest part of the other asset.
    TAEL_ENTRY_RESULT_CONVERTS_TO_NOTHING = 41,
    // The day is not the last of its month.
    TAEL_ENTRY_RESULT_NOT_A_MONTH_END = 42,
    // The account is not of equity.
    TAEL_ENTRY_RESULT_NOT_EQUITY = 43,
    // No account of income or expenses has a balance then, of those that were looked at.
    TAEL_ENTRY_RESULT_NOTHING_TO_CLOSE = 44,
    // The amounts of a book sum to more than 2^128-1.
    TAEL_ENTRY_RESULT_AMOUNTS_OVERFLOW = 9,
    // In a book the debits do not equal the credits.
    TAEL_ENTRY_RESULT_UNBALANCED = 8,
    // An account would be debited and credited against itself.
    TAEL_ENTRY_RESULT_ACCOUNT_AGAINST_ITSELF = 10,
};

// What an entry does to one account.
struct tael_entry_leg {
    // The book of the account.
    uint32_t book;
    // On which side.
    uint8_t side;
    // Zero.
    uint8_t reserved[11];
    // The account.
    struct tael_u128 account_id;
    // How much; not 0.
    struct tael_u128 amount;
};
TAEL_LAYOUT(sizeof(struct tael_entry_leg) == 48);

// A part of an entry that is reversed.
struct tael_entry_part {
    // Which of its postings, from 0, as `entry show` has them.
    uint32_t posting;
    // Zero.
    uint8_t reserved[12];
    // How much of it; not 0.
    struct tael_u128 amount;
};
TAEL_LAYOUT(sizeof(struct tael_entry_part) == 32);

// Posts an entry: all its legs, or nothing. In each book its debits equal its credits.
#define TAEL_RECORD_ENTRY_POST 0x0401u
struct tael_entry_post {
    // Chosen by the client; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The kind of entry, as its postings show it; 1 when not given.
    uint16_t code;
    // Whether it is ours to choose; discretionary when not given.
    uint8_t nature;
    // Zero.
    uint8_t reserved[9];
    // The legs, at least two: 100:debit:1001:2500 debits 2500 to account 1001 of book 100.
    uint32_t legs_count;
};
TAEL_LAYOUT(sizeof(struct tael_entry_post) == 64);

// Holds what an entry would post, until it is posted or given up, or its time is over.
#define TAEL_RECORD_ENTRY_HOLD 0x0402u
struct tael_entry_hold {
    // The hold's id, chosen by the client as those of entries are; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The kind of entry, as its postings show it; 1 when not given.
    uint16_t code;
    // Zero.
    uint8_t reserved[2];
    // When it expires; 0 is never.
    uint32_t timeout_s;
    // What it is called: letters, digits and - _ . : only.
    char name[40];
    // Zero.
    uint8_t reserved_2[12];
    // The legs, as those of an entry.
    uint32_t legs_count;
};
TAEL_LAYOUT(sizeof(struct tael_entry_hold) == 112);

// Posts what is held: all of it, or of a hold with one posting a part; what is left is free again.
#define TAEL_RECORD_ENTRY_HOLD_POST 0x0403u
struct tael_entry_hold_post {
    // The id of the entry that this makes; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The hold.
    struct tael_u128 hold_id;
    // How much of it; 0 is all.
    struct tael_u128 amount;
};
TAEL_LAYOUT(sizeof(struct tael_entry_hold_post) == 80);

// Gives up what is held.
#define TAEL_RECORD_ENTRY_HOLD_VOID 0x0404u
struct tael_entry_hold_void {
    // The id of the entry that this makes; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Zero.
    int32_t day;
    // The hold.
    struct tael_u128 hold_id;
};
TAEL_LAYOUT(sizeof(struct tael_entry_hold_void) == 64);

// Reverses an entry: what is left of it, or parts; no part twice.
#define TAEL_RECORD_ENTRY_REVERSE 0x0405u
struct tael_entry_reverse {
    // The reversal's own id, chosen as those of entries are; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The entry that is reversed.
    struct tael_u128 reversed_id;
    // The kind of entry, as its postings show it; that of each posting when not given.
    uint16_t code;
    // Zero.
    uint8_t reserved[10];
    // What is reversed; all that is left when not given.
    uint32_t parts_count;
};
TAEL_LAYOUT(sizeof(struct tael_entry_reverse) == 80);

// Opens a pair of accounts in the books of two entities: what the first is due from the second, and
// the second due to the first. Only `due post` posts to them, to both at once.
#define TAEL_RECORD_DUE_OPEN 0x0406u
struct tael_due_open {
    // The pair's id, chosen by the client; not 0.
    struct tael_u128 rule_id;
    // The account of the first; its owner is 2^64-1.
    struct tael_u128 a_account;
    // The account of the second; its owner is 2^64-1.
    struct tael_u128 b_account;
    // The book of the first.
    uint32_t a_book;
    // The book of the second, of another entity in the same asset.
    uint32_t b_book;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_due_open) == 64);

// Moves money from one entity to another: out of an account of the one, into an account of the
// other, and what they owe each other with it.
#define TAEL_RECORD_DUE_POST 0x0407u
struct tael_due_post {
    // The id of the entry that this makes; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The pair of due-from and due-to.
    struct tael_u128 rule_id;
    // The account that pays: it is credited.
    struct tael_u128 from_account;
    // The account in the other book that is paid: it is debited.
    struct tael_u128 to_account;
    // How much; not 0.
    struct tael_u128 amount;
    // The book that pays: one of the pair's.
    uint32_t from_book;
    // The kind of entry; 1 when not given.
    uint16_t code;
    // Zero.
    uint8_t reserved[10];
};
TAEL_LAYOUT(sizeof(struct tael_due_post) == 128);

// Opens the conversion between two books of other decimals, at the same value, and says where goes
// what is rounded.
#define TAEL_RECORD_CONVERSION_OPEN 0x0408u
struct tael_conversion_open {
    // The rule's id, chosen by the client; not 0.
    struct tael_u128 rule_id;
    // The account of the first book that stands against it; its owner is 2^64-1.
    struct tael_u128 a_pool;
    // The account of the second; its owner is 2^64-1.
    struct tael_u128 b_pool;
    // In the book with more decimals, what rounding leaves; its owner is 2^64-1. 0 when the
    // decimals are the same.
    struct tael_u128 dust_account;
    // The first book.
    uint32_t a_book;
    // The second one.
    uint32_t b_book;
    // How an amount is rounded; down when not given.
    uint8_t rounding;
    // Zero.
    uint8_t reserved[7];
};
TAEL_LAYOUT(sizeof(struct tael_conversion_open) == 80);

// Converts an amount: out of an account of one book, into one of the other, dust by the rule;
// nothing is lost.
#define TAEL_RECORD_CONVERSION_POST 0x0409u
struct tael_conversion_post {
    // The id of the entry that this makes; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Its effective day; 1970-01-01, or nothing, is the open day of each entity.
    int32_t day;
    // The rule.
    struct tael_u128 rule_id;
    // The account that is debited.
    struct tael_u128 from_account;
    // The account in the other book that is credited.
    struct tael_u128 to_account;
    // How much of the first; not 0.
    struct tael_u128 amount;
    // The book that it comes from: one of the rule's.
    uint32_t from_book;
    // The kind of entry; 1 when not given.
    uint16_t code;
    // Zero.
    uint8_t reserved[10];
};
TAEL_LAYOUT(sizeof(struct tael_conversion_post) == 128);

// Closes income and expenses of a book into retained earnings, up to the end of a month: 255
// accounts at most; again, under another id, until nothing is left.
#define TAEL_RECORD_YEAR_CLOSE 0x040au
struct tael_year_close {
    // The id of the entry that this makes; not 0.
    struct tael_u128 entry_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // The last day of the year: the end of a month in a period that is not closed yet.
    int32_t day;
    // The account of equity that takes the result.
    struct tael_u128 retained_account;
    // The book.
    uint32_t book;
    // How many accounts, from the newest, are known to be closed: where to go on in a large book.
    uint32_t skip;
    // The kind of entry; 1 when not given.
    uint16_t code;
    // Zero.
    uint8_t reserved[6];
};
TAEL_LAYOUT(sizeof(struct tael_year_close) == 80);

// A rule that posts.
#define TAEL_RECORD_ENTRY_RULE 0x0413u
struct tael_entry_rule {
    // The rule.
    struct tael_u128 rule_id;
    // The first book.
    uint32_t a_book;
    // The second one.
    uint32_t b_book;
    // Row of the account in the first.
    uint32_t a_row;
    // Row of the account in the second.
    uint32_t b_row;
    // Row of the dust account; 2^32-1 is none.
    uint32_t dust_row;
    // What it posts.
    uint8_t kind;
    // How it rounds.
    uint8_t rounding;
    // Zero.
    uint8_t reserved[26];
};
TAEL_LAYOUT(sizeof(struct tael_entry_rule) == 64);

// A hold, and what became of it.
#define TAEL_RECORD_ENTRY_HOLD_RECORD 0x0410u
struct tael_entry_hold_record {
    // The hold.
    struct tael_u128 hold_id;
    // The principal who holds.
    uint64_t owner;
    // When it expires; 0 is never.
    uint64_t expires_at;
    // Of its first posting.
    struct tael_u128 amount;
    // The entry that posted it or gave it up; 0 is none.
    struct tael_u128 resolved_by;
    // How many it has.
    uint32_t postings;
    // Row of the account that the first one debits.
    uint32_t debit_row;
    // Row of the account that the first one credits.
    uint32_t credit_row;
    // The kind of entry.
    uint16_t code;
    // What became of it; one that expired is still open here.
    uint8_t status;
    // Zero.
    uint8_t reserved[9];
    // What it is called.
    char name[40];
};
TAEL_LAYOUT(sizeof(struct tael_entry_hold_record) == 128);

// That an entry reverses another one.
#define TAEL_RECORD_REVERSAL 0x0411u
struct tael_reversal {
    // The entry that reverses.
    struct tael_u128 reversal_id;
    // The entry that is reversed.
    struct tael_u128 entry_id;
    // When.
    uint64_t timestamp;
    // Zero.
    uint8_t reserved[24];
};
TAEL_LAYOUT(sizeof(struct tael_reversal) == 64);

// How much of a posting is reversed.
#define TAEL_RECORD_REVERSED_POSTING 0x0412u
struct tael_reversed_posting {
    // The posting.
    struct tael_u128 posting_id;
    // Its entry.
    struct tael_u128 entry_id;
    // The last reversal.
    struct tael_u128 reversal_id;
    // What it posted.
    struct tael_u128 amount;
    // What of it is reversed.
    struct tael_u128 reversed;
    // Which posting of the entry.
    uint32_t posting;
    // How often a part was.
    uint32_t reversals;
    // Zero.
    uint8_t reserved[40];
};
TAEL_LAYOUT(sizeof(struct tael_reversed_posting) == 128);

// What an entry posted, and what of it is reversed.
#define TAEL_RECORD_ENTRY_SHOW 0x0420u
struct tael_entry_show {
    // The entry, or a hold, or a reversal.
    struct tael_u128 entry_id;
};
TAEL_LAYOUT(sizeof(struct tael_entry_show) == 16);

// What was posted under a reference: an order, a scenario, a purpose; each condition given must
// hold.
#define TAEL_RECORD_ENTRY_SEARCH 0x0421u
struct tael_entry_search {
    // The order; 0 is any.
    struct tael_u128 order_id;
    // The scenario; 0 is any.
    uint64_t scenario;
    // The purpose code; 0 is any.
    uint32_t purpose;
    // The book; 0 is any.
    uint32_t book;
    // Posted from then on; 0 is from the beginning.
    uint64_t from_time;
    // Posted up to then; 0 is up to now.
    uint64_t to_time;
};
TAEL_LAYOUT(sizeof(struct tael_entry_search) == 48);

// Holds, in the order in which they were made.
#define TAEL_RECORD_HOLD_LIST 0x0422u
struct tael_hold_list {
    // Only those of this name.
    char name[40];
    // Only those in this book; 0 is all.
    uint32_t book;
    // Only those of which this became.
    uint8_t status;
    // Zero.
    uint8_t reserved[3];
};
TAEL_LAYOUT(sizeof(struct tael_hold_list) == 48);

// The rules that post, and what entities owe each other by them.
#define TAEL_RECORD_RULE_LIST 0x0424u
struct tael_rule_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_rule_list) == 16);

// A rule.
#define TAEL_RECORD_RULE_ROW 0x0442u
struct tael_rule_row {
    // The rule.
    struct tael_u128 rule_id;
    // What it posts.
    uint8_t kind;
    // How it rounds.
    uint8_t rounding;
    // Zero.
    uint8_t reserved[6];
    // The first book.
    uint32_t a_book;
    // The second one.
    uint32_t b_book;
    // The account in the first.
    struct tael_u128 a_account;
    // The account in the second.
    struct tael_u128 b_account;
    // What rounding leaves; 0 is none.
    struct tael_u128 dust_account;
    // What the second entity owes the first.
    struct tael_u128 due_to_a;
    // What the first entity owes the second.
    struct tael_u128 due_to_b;
    // What rounding has left.
    struct tael_u128 dust;
};
TAEL_LAYOUT(sizeof(struct tael_rule_row) == 128);

// A posting of an entry.
#define TAEL_RECORD_ENTRY_POSTING 0x0440u
struct tael_entry_posting {
    // The entry.
    struct tael_u128 entry_id;
    // Which of its postings, from 0.
    uint32_t posting;
    // The book.
    uint32_t book;
    // Its effective day as it was given; 1970-01-01 is the one that was open.
    int32_t day;
    // The kind of entry.
    uint16_t code;
    // Of a transfer: 2 holds, 4 posts and 8 voids a hold.
    uint16_t flags;
    // The account that was debited.
    struct tael_u128 debit_account_id;
    // The account that was credited.
    struct tael_u128 credit_account_id;
    // How much.
    struct tael_u128 amount;
    // How much of it is reversed; of `entry show`.
    struct tael_u128 reversed;
    // The last entry that reversed a part of it; 0 is none.
    struct tael_u128 reversal_id;
    // The entry that this one reverses; 0 is none.
    struct tael_u128 reverses_id;
    // The order that it belongs to; 0 is none.
    struct tael_u128 order_id;
    // The scenario that it belongs to; 0 is none.
    uint64_t scenario;
    // When it was posted.
    uint64_t timestamp;
    // A purpose code; 0 is none.
    uint32_t purpose;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_entry_posting) == 176);

// A hold.
#define TAEL_RECORD_HOLD_ROW 0x0441u
struct tael_hold_row {
    // The hold.
    struct tael_u128 hold_id;
    // What it is called.
    char name[40];
    // The principal who holds.
    uint64_t owner;
    // When it expires; 0 is never.
    uint64_t expires_at;
    // The book of its first posting.
    uint32_t book;
    // How many it has.
    uint32_t postings;
    // The account that the first one debits.
    struct tael_u128 debit_account_id;
    // The account that the first one credits.
    struct tael_u128 credit_account_id;
    // Of the first one.
    struct tael_u128 amount;
    // The entry that posted it or gave it up; 0 is none.
    struct tael_u128 resolved_by;
    // What became of it.
    uint8_t status;
    // Zero.
    uint8_t reserved[15];
};
TAEL_LAYOUT(sizeof(struct tael_hold_row) == 160);

// --- principal ---

// What a principal is.
enum tael_principal_kind {
    // One person.
    TAEL_PRINCIPAL_KIND_PERSON = 1,
    // A program of the house.
    TAEL_PRINCIPAL_KIND_SERVICE = 2,
    // A program that speaks with the outside: a bank, a chain.
    TAEL_PRINCIPAL_KIND_GATEWAY = 3,
};

// Whether a principal is let in.
enum tael_principal_status {
    // By its key, or as its user.
    TAEL_PRINCIPAL_STATUS_OPEN = 1,
    // No more.
    TAEL_PRINCIPAL_STATUS_CLOSED = 2,
};

// Why a command on principals was refused, in order of precedence.
enum tael_principal_result {
    // Only principal 1, who runs the server, may do this; keys, tokens and delegations also the
    // principal whose they are.
    TAEL_PRINCIPAL_RESULT_NOT_PERMITTED = 1,
    // The principal must not be 0, which is none, not 1, which is there without being opened and is
    // never closed, and not 2^64-1, whose the accounts of rules are. Principal 1 may be a delegate,
    // but nobody's but its own; and nobody acts for himself.
    TAEL_PRINCIPAL_RESULT_ID_INVALID = 2,
    // The name is empty or has other characters than letters, digits and - _ . :
    TAEL_PRINCIPAL_RESULT_NAME_INVALID = 3,
    // The key is none of Ed25519: not a point of the large order in its canonical form.
    TAEL_PRINCIPAL_RESULT_KEY_INVALID = 4,
    // The user id stands for nobody or for users that the system cannot name: 65534, 4294967295.
    TAEL_PRINCIPAL_RESULT_USER_INVALID = 5,
    // The hash of the token is all zero.
    TAEL_PRINCIPAL_RESULT_TOKEN_INVALID = 13,
    // The end is not behind the time of the command.
    TAEL_PRINCIPAL_RESULT_EXPIRY_INVALID = 14,
    // The principal exists.
    TAEL_PRINCIPAL_RESULT_EXISTS = 6,
    // There is no such principal.
    TAEL_PRINCIPAL_RESULT_NOT_FOUND = 7,
    // The principal is closed.
    TAEL_PRINCIPAL_RESULT_IS_CLOSED = 8,
    // The principal is open.
    TAEL_PRINCIPAL_RESULT_IS_OPEN = 9,
    // The key is another principal's, or was.
    TAEL_PRINCIPAL_RESULT_KEY_IN_USE = 10,
    // The user is another principal's.
    TAEL_PRINCIPAL_RESULT_USER_IN_USE = 11,
    // The principal has replaced its key 16 times; principal 1 may do it.
    TAEL_PRINCIPAL_RESULT_KEYS_TOO_MANY = 12,
    // There is such a token, or was.
    TAEL_PRINCIPAL_RESULT_TOKEN_IN_USE = 15,
    // The principal has had 32 tokens; principal 1 may open more.
    TAEL_PRINCIPAL_RESULT_TOKENS_TOO_MANY = 16,
    // The principal has had 32 delegates; principal 1 may give it more.
    TAEL_PRINCIPAL_RESULT_DELEGATES_TOO_MANY = 20,
    // There is no such token.
    TAEL_PRINCIPAL_RESULT_TOKEN_NOT_FOUND = 17,
    // The token is closed.
    TAEL_PRINCIPAL_RESULT_TOKEN_IS_CLOSED = 18,
    // There is no such delegation, or it was ended.
    TAEL_PRINCIPAL_RESULT_DELEGATION_NOT_FOUND = 19,
};

// Opens a principal: somebody who may give commands.
#define TAEL_RECORD_PRINCIPAL_OPEN 0x0501u
struct tael_principal_open {
    // Chosen by the client; not 0, not 2^64-1, and not 1, which is the user who runs the server.
    uint64_t principal_id;
    // The user id of the system who is let in as this principal over a unix socket, without a key;
    // 0 is none.
    uint32_t user;
    // What it is.
    uint8_t kind;
    // Zero.
    uint8_t reserved[3];
    // What it is called here, no person's name: letters, digits and - _ . : only.
    char name[48];
    // The Ed25519 key by which it proves who it is, as `tael key new` prints it; zero is none.
    uint8_t public_key[32];
};
TAEL_LAYOUT(sizeof(struct tael_principal_open) == 96);

// Replaces a principal's key. The old one lets nobody in any more, and sessions that it opened end.
#define TAEL_RECORD_PRINCIPAL_KEY 0x0502u
struct tael_principal_key {
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint64_t reserved;
    // The new key; zero is none.
    uint8_t public_key[32];
};
TAEL_LAYOUT(sizeof(struct tael_principal_key) == 48);

// Closes a principal: it is not let in any more, its sessions end, and what it owns stays its own.
#define TAEL_RECORD_PRINCIPAL_CLOSE 0x0503u
struct tael_principal_close {
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_close) == 16);

// Opens a principal again that was closed.
#define TAEL_RECORD_PRINCIPAL_REOPEN 0x0504u
struct tael_principal_reopen {
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_reopen) == 16);

// Opens a token: a random secret by which its bearer is known over HTTP. The log has its hash
// alone.
#define TAEL_RECORD_PRINCIPAL_TOKEN_OPEN 0x0505u
struct tael_principal_token_open {
    // SHA-256 of the secret, as `tael token new` prints it.
    uint8_t token_hash[32];
    // Who its bearer is.
    uint64_t principal_id;
    // From when it is worth nothing; 0 is never.
    uint64_t expires_at;
    // What it is called here: letters, digits and - _ . : only.
    char name[48];
};
TAEL_LAYOUT(sizeof(struct tael_principal_token_open) == 96);

// Closes a token for ever.
#define TAEL_RECORD_PRINCIPAL_TOKEN_CLOSE 0x0506u
struct tael_principal_token_close {
    // SHA-256 of the secret.
    uint8_t token_hash[32];
};
TAEL_LAYOUT(sizeof(struct tael_principal_token_close) == 32);

// Lets a principal give commands and ask questions in another's name. One that there is gets
// another end.
#define TAEL_RECORD_PRINCIPAL_DELEGATE 0x0507u
struct tael_principal_delegate {
    // Who acts; 1 is the user who runs the server.
    uint64_t delegate_id;
    // In whose name; 0 is in that of all, but of principal 1.
    uint64_t for_id;
    // From when no more; 0 is never.
    uint64_t expires_at;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_delegate) == 32);

// Ends a delegation.
#define TAEL_RECORD_PRINCIPAL_DELEGATE_END 0x0508u
struct tael_principal_delegate_end {
    // Who acts.
    uint64_t delegate_id;
    // In whose name; 0 is in that of all.
    uint64_t for_id;
};
TAEL_LAYOUT(sizeof(struct tael_principal_delegate_end) == 16);

// Somebody who may give commands.
#define TAEL_RECORD_PRINCIPAL 0x0510u
struct tael_principal {
    // The principal.
    struct tael_u128 principal_id;
    // What it is called.
    char name[48];
    // Its key; zero is none.
    uint8_t public_key[32];
    // The user of the system who it is; 0 is none.
    uint32_t user;
    // What it is.
    uint8_t kind;
    // Whether it is let in.
    uint8_t status;
    // Zero.
    uint8_t reserved[2];
    // When it was first opened.
    uint64_t opened_at;
    // When its key was set; 0 when it never was.
    uint64_t key_since;
    // When it was closed or opened last.
    uint64_t status_since;
    // Of the command that opened it last: sessions from before have ended.
    uint64_t open_position;
    // Of the command that set its key: sessions by a key from before have ended.
    uint64_t key_position;
    // How many keys it has had.
    uint32_t keys;
    // How many tokens it has had.
    uint32_t tokens;
    // How many delegates of its own it has had.
    uint32_t delegates;
    // Zero.
    uint8_t reserved_2[100];
};
TAEL_LAYOUT(sizeof(struct tael_principal) == 256);

// Whose a user of the system is.
#define TAEL_RECORD_PRINCIPAL_USER 0x0511u
struct tael_principal_user {
    // The user id.
    struct tael_u128 user;
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint8_t reserved[40];
};
TAEL_LAYOUT(sizeof(struct tael_principal_user) == 64);

// Whose a key is, or was.
#define TAEL_RECORD_PRINCIPAL_KEY_USE 0x0512u
struct tael_principal_key_use {
    // The first half of the key.
    uint8_t head[16];
    // The other one.
    uint8_t rest[16];
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint8_t reserved[24];
};
TAEL_LAYOUT(sizeof(struct tael_principal_key_use) == 64);

// A token.
#define TAEL_RECORD_PRINCIPAL_TOKEN 0x0513u
struct tael_principal_token {
    // SHA-256 of the secret; no other token has its first half.
    uint8_t token_hash[32];
    // Who its bearer is.
    uint64_t principal_id;
    // From when it is worth nothing; 0 is never.
    uint64_t expires_at;
    // When it was opened.
    uint64_t opened_at;
    // When it was closed; 0 when it is not.
    uint64_t closed_at;
    // What it is called.
    char name[48];
    // The principal who opened it.
    uint64_t opened_by;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_token) == 128);

// Who acts for whom.
#define TAEL_RECORD_PRINCIPAL_DELEGATION 0x0514u
struct tael_principal_delegation {
    // Of both.
    struct tael_u128 key;
    // Who acts.
    uint64_t delegate_id;
    // In whose name; 0 is in that of all.
    uint64_t for_id;
    // When it was given last.
    uint64_t since;
    // From when no more; 0 is never.
    uint64_t expires_at;
    // When it was ended; 0 when it was not.
    uint64_t ended_at;
    // The principal who gave it.
    uint64_t given_by;
};
TAEL_LAYOUT(sizeof(struct tael_principal_delegation) == 64);

// The principals, in the order in which they were first opened.
#define TAEL_RECORD_PRINCIPAL_LIST 0x0520u
struct tael_principal_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_principal_list) == 16);

// One principal.
#define TAEL_RECORD_PRINCIPAL_FIND 0x0521u
struct tael_principal_find {
    // The principal.
    uint64_t principal_id;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_find) == 16);

// The tokens, in the order in which they were opened.
#define TAEL_RECORD_PRINCIPAL_TOKEN_LIST 0x0522u
struct tael_principal_token_list {
    // Of this principal alone; 0 is of all.
    uint64_t principal_id;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_principal_token_list) == 16);

// One token, closed or not.
#define TAEL_RECORD_PRINCIPAL_TOKEN_FIND 0x0523u
struct tael_principal_token_find {
    // SHA-256 of the secret.
    uint8_t token_hash[32];
};
TAEL_LAYOUT(sizeof(struct tael_principal_token_find) == 32);

// Who acts for whom, in the order in which it was first given.
#define TAEL_RECORD_PRINCIPAL_DELEGATION_LIST 0x0524u
struct tael_principal_delegation_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_principal_delegation_list) == 16);

// --- constraint ---

// Whether something is ours to choose.
enum tael_constraint_nature {
    // We choose it: a constraint that it breaks refuses it.
    TAEL_CONSTRAINT_NATURE_DISCRETIONARY = 0,
    // It happened, like a price: it is taken as it is, and opens the breach of what it breaks.
    TAEL_CONSTRAINT_NATURE_FACT = 1,
};

// How a constraint stands.
enum tael_constraint_state {
    // At its bound or above.
    TAEL_CONSTRAINT_STATE_OPEN = 1,
    // Below its bound.
    TAEL_CONSTRAINT_STATE_BREACHED = 2,
    // No longer looked at.
    TAEL_CONSTRAINT_STATE_CLOSED = 3,
};

// Why a command on cells, constraints or breaches was refused, in order of precedence.
enum tael_constraint_result {
    // The number must not be 0.
    TAEL_CONSTRAINT_RESULT_NUMBER_MUST_NOT_BE_ZERO = 1,
    // The name is empty or has other characters than letters, digits and - _ . :
    TAEL_CONSTRAINT_RESULT_NAME_INVALID = 2,
    // The cell exists.
    TAEL_CONSTRAINT_RESULT_CELL_EXISTS = 3,
    // The constraint exists.
    TAEL_CONSTRAINT_RESULT_EXISTS = 4,
    // There is no such constraint.
    TAEL_CONSTRAINT_RESULT_NOT_FOUND = 5,
    // The constraint is closed.
    TAEL_CONSTRAINT_RESULT_IS_CLOSED = 6,
    // A constraint has one term at least.
    TAEL_CONSTRAINT_RESULT_TERMS_EMPTY = 7,
    // Neither a bound nor a coefficient is set.
    TAEL_CONSTRAINT_RESULT_NOTHING_TO_SET = 8,
    // A bound is given, and it is not said that it be set.
    TAEL_CONSTRAINT_RESULT_BOUND_NOT_SET = 9,
    // A coefficient must not be 0.
    TAEL_CONSTRAINT_RESULT_COEFFICIENT_MUST_NOT_BE_ZERO = 10,
    // There is no such cell.
    TAEL_CONSTRAINT_RESULT_CELL_NOT_FOUND = 11,
    // A cell stands in two terms.
    TAEL_CONSTRAINT_RESULT_CELL_TWICE = 12,
    // The constraint has no term with this cell.
    TAEL_CONSTRAINT_RESULT_CELL_NOT_IN_CONSTRAINT = 13,
    // The cell is in eight constraints, and cannot be in more.
    TAEL_CONSTRAINT_RESULT_CELL_IN_TOO_MANY = 14,
    // There is no such book.
    TAEL_CONSTRAINT_RESULT_BOOK_NOT_FOUND = 15,
    // The book has no such account.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_NOT_FOUND = 16,
    // The account is in the cell.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_IN_CELL = 17,
    // The account is not in the cell.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_NOT_IN_CELL = 18,
    // The account is in eight cells, and cannot be in more.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_IN_TOO_MANY = 19,
    // The sums would be too large for the coefficients that they are multiplied by.
    TAEL_CONSTRAINT_RESULT_SUM_TOO_LARGE = 20,
    // The constraint is in breach; it is closed when that is cured, by a lower bound too.
    TAEL_CONSTRAINT_RESULT_IN_BREACH = 21,
    // There is no such breach.
    TAEL_CONSTRAINT_RESULT_BREACH_NOT_FOUND = 22,
    // The breach is a constraint's, which is cured by its value alone.
    TAEL_CONSTRAINT_RESULT_BREACH_OF_A_CONSTRAINT = 23,
    // The breach is cured.
    TAEL_CONSTRAINT_RESULT_BREACH_CURED = 24,
    // The account is closed.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_CLOSED = 25,
    // The account is frozen on this side.
    TAEL_CONSTRAINT_RESULT_ACCOUNT_FROZEN = 26,
    // It ends before it begins.
    TAEL_CONSTRAINT_RESULT_RANGE_REVERSED = 27,
};

// A cell of a constraint, and how often it counts.
struct tael_constraint_term {
    // The cell.
    uint32_t cell;
    // Zero.
    uint32_t reserved;
    // What its sum is multiplied by; not 0.
    int64_t coefficient;
};
TAEL_LAYOUT(sizeof(struct tael_constraint_term) == 16);

// Opens a cell: a running sum over accounts.
#define TAEL_RECORD_CELL_OPEN 0x0601u
struct tael_cell_open {
    // Its number, chosen by the client; not 0.
    uint32_t cell;
    // Zero.
    uint8_t reserved[12];
    // What it is called; letters, digits and - _ . : only.
    char name[48];
};
TAEL_LAYOUT(sizeof(struct tael_cell_open) == 64);

// Adds an account to a cell, with the balances that it has.
#define TAEL_RECORD_CELL_ADD 0x0602u
struct tael_cell_add {
    // The cell.
    uint32_t cell;
    // The book of the account.
    uint32_t book;
    // Zero.
    uint64_t reserved;
    // The account.
    struct tael_u128 account_id;
};
TAEL_LAYOUT(sizeof(struct tael_cell_add) == 32);

// Removes an account from a cell, with the balances that it has.
#define TAEL_RECORD_CELL_REMOVE 0x0603u
struct tael_cell_remove {
    // The cell.
    uint32_t cell;
    // The book of the account.
    uint32_t book;
    // Zero.
    uint64_t reserved;
    // The account.
    struct tael_u128 account_id;
};
TAEL_LAYOUT(sizeof(struct tael_cell_remove) == 32);

// Opens a constraint: the sum of its terms must not be below its bound.
#define TAEL_RECORD_CONSTRAINT_OPEN 0x0604u
struct tael_constraint_open {
    // Its number, chosen by the client; not 0.
    uint32_t constraint;
    // Zero.
    uint8_t reserved[12];
    // The least that the sum of its terms may be.
    struct tael_u128 bound;
    // What it is called; letters, digits and - _ . : only.
    char name[48];
    // Zero.
    uint8_t reserved_2[12];
    // Its terms: 1:1 2:-1 is cell 1 less cell 2.
    uint32_t terms_count;
};
TAEL_LAYOUT(sizeof(struct tael_constraint_open) == 96);

// Sets the bound of a constraint, coefficients, or both. A price is marked so.
#define TAEL_RECORD_CONSTRAINT_SET 0x0605u
struct tael_constraint_set {
    // The constraint.
    uint32_t constraint;
    // Whether it is ours to choose; discretionary when not given.
    uint8_t nature;
    // The bound is set to the one given; else it stays.
    bool set_bound;
    // Zero.
    uint8_t reserved[10];
    // The new bound.
    struct tael_u128 bound;
    // Zero.
    uint8_t reserved_2[12];
    // New coefficients of its cells; those of others stay.
    uint32_t terms_count;
};
TAEL_LAYOUT(sizeof(struct tael_constraint_set) == 48);

// Closes a constraint that is not in breach: it is not looked at any more.
#define TAEL_RECORD_CONSTRAINT_CLOSE 0x0606u
struct tael_constraint_close {
    // The constraint.
    uint32_t constraint;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_constraint_close) == 16);

// Settles the breach of an account: posts its amount from suspense to the account, within its
// limit; one that is frozen on that side, or closed, takes nothing.
#define TAEL_RECORD_BREACH_SETTLE 0x0607u
struct tael_breach_settle {
    // The breach's number, as it is listed.
    uint64_t breach;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_breach_settle) == 16);

// What a cell is called; its sums are the ledger's.
#define TAEL_RECORD_CELL 0x0610u
struct tael_cell {
    // Its number.
    struct tael_u128 cell;
    // What it is called.
    char name[48];
};
TAEL_LAYOUT(sizeof(struct tael_cell) == 64);

// What a constraint is called; its terms and value are the ledger's.
#define TAEL_RECORD_CONSTRAINT 0x0611u
struct tael_constraint {
    // Its number.
    struct tael_u128 constraint;
    // What it is called.
    char name[48];
};
TAEL_LAYOUT(sizeof(struct tael_constraint) == 64);

// The cells with their sums, in the order in which they were opened.
#define TAEL_RECORD_CELL_LIST 0x0620u
struct tael_cell_list {
    // Only this one; 0 is all.
    uint32_t cell;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_cell_list) == 16);

// The constraints as they stand, in the order in which they were opened.
#define TAEL_RECORD_CONSTRAINT_LIST 0x0621u
struct tael_constraint_list {
    // Only this one; 0 is all.
    uint32_t constraint;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_constraint_list) == 16);

// The breaches of constraints and of accounts, in the order in which they were opened.
#define TAEL_RECORD_BREACH_LIST 0x0622u
struct tael_breach_list {
    // Only those of this constraint; 0 is all.
    uint32_t constraint;
    // Only those that are not cured.
    bool open;
    // Zero.
    uint8_t reserved[11];
};
TAEL_LAYOUT(sizeof(struct tael_breach_list) == 16);

// How a constraint stood over time: its value, bound and headroom, span by span, from its opening
// on. A span ends with a change of state, with a bound or coefficient that we chose, and with the
// first change of another day of UTC.
#define TAEL_RECORD_CONSTRAINT_HISTORY 0x0623u
struct tael_constraint_history {
    // The constraint.
    uint32_t constraint;
    // Zero.
    uint32_t reserved;
    // Only the spans that were not over then; 0 is all.
    uint64_t from_time;
    // Only the spans that had begun by then; 0 is all.
    uint64_t to_time;
    // Zero.
    uint8_t reserved_2[8];
};
TAEL_LAYOUT(sizeof(struct tael_constraint_history) == 32);

// A cell with its sums.
#define TAEL_RECORD_CELL_VIEW 0x0631u
struct tael_cell_view {
    // Its number.
    uint32_t cell;
    // How many accounts are in it.
    uint32_t accounts;
    // Zero.
    uint64_t reserved;
    // What it is called.
    char name[48];
    // Posted debits less posted credits.
    struct tael_u128 posted;
    // Held.
    struct tael_u128 debits_pending;
    // Held.
    struct tael_u128 credits_pending;
};
TAEL_LAYOUT(sizeof(struct tael_cell_view) == 112);

// A constraint as it stands. The headroom is how much more may be done.
#define TAEL_RECORD_CONSTRAINT_VIEW 0x0632u
struct tael_constraint_view {
    // Its number.
    uint32_t constraint;
    // How it stands.
    uint8_t state;
    // Zero.
    uint8_t reserved[3];
    // Since when it stands so.
    uint64_t since;
    // What it is called.
    char name[48];
    // The sum of its terms, holds at their worst.
    struct tael_u128 value;
    // The least that it may be.
    struct tael_u128 bound;
    // The value less the bound.
    struct tael_u128 headroom;
    // The cells of its terms.
    uint32_t cells[8];
    // Their coefficients.
    int64_t coefficients[8];
};
TAEL_LAYOUT(sizeof(struct tael_constraint_view) == 208);

// A breach, of a constraint or of an account's own limit.
#define TAEL_RECORD_BREACH_VIEW 0x0633u
struct tael_breach_view {
    // Its number, from 1.
    uint64_t breach;
    // The constraint; 0: it is an account's.
    uint32_t constraint;
    // The book of the account; 0: it is a constraint's.
    uint32_t book;
    // The account; 0: it is a constraint's.
    struct tael_u128 account_id;
    // The value that opened it; of an account what would have been left to it.
    struct tael_u128 value;
    // The bound then; of an account 0.
    struct tael_u128 bound;
    // The lowest value since.
    struct tael_u128 worst;
    // Of an account: what is in suspense for it.
    struct tael_u128 amount;
    // When it was opened.
    uint64_t opened_at;
    // By the command at this position of the log.
    uint64_t opened_position;
    // When it was cured; 0: it is open.
    uint64_t cured_at;
    // By the command at this position of the log.
    uint64_t cured_position;
};
TAEL_LAYOUT(sizeof(struct tael_breach_view) == 128);

// What a constraint was in a part of its history, up to the next one.
#define TAEL_RECORD_CONSTRAINT_SPAN 0x0634u
struct tael_constraint_span {
    // Since when: its first change.
    uint64_t from_at;
    // The constraint's number.
    uint32_t constraint;
    // How it stood.
    uint8_t state;
    // There was no room for the history's next spans, so this one went on: it has days and states
    // of those that should have been.
    bool merged;
    // Zero.
    uint8_t reserved[2];
    // The sum of its terms behind the last change, holds at their worst.
    struct tael_u128 value;
    // The least that it might be then.
    struct tael_u128 bound;
    // The value less the bound.
    struct tael_u128 headroom;
    // The least headroom that it had behind a change.
    struct tael_u128 least_headroom;
    // The value then.
    struct tael_u128 least_value;
    // The bound then.
    struct tael_u128 least_bound;
    // When it had it first.
    uint64_t least_at;
    // By the command at this position of the log.
    uint64_t least_position;
    // The first change was by the command at this position.
    uint64_t from_position;
    // The last change was by the command at this position.
    uint64_t last_position;
    // When the last change was.
    uint64_t last_at;
    // How often its value, bound or state changed, by an entry, a record of a command or an expiry;
    // stays at 2^32-1.
    uint64_t changes;
};
TAEL_LAYOUT(sizeof(struct tael_constraint_span) == 160);

// --- name ---

// What a name can name.
enum tael_named_kind {
    // An account in a book: the book's number, the account's id.
    TAEL_NAMED_KIND_ACCOUNT = 1,
    // A raw account of a plain client: its id.
    TAEL_NAMED_KIND_RAW_ACCOUNT = 2,
    // A book: its number.
    TAEL_NAMED_KIND_BOOK = 3,
    // A legal entity: its id.
    TAEL_NAMED_KIND_ENTITY = 4,
    // An asset: its code.
    TAEL_NAMED_KIND_ASSET = 5,
    // A constraint: its id. Nothing is looked up.
    TAEL_NAMED_KIND_CONSTRAINT = 6,
    // Anything else: an id and a number. Nothing is looked up.
    TAEL_NAMED_KIND_OTHER = 7,
};

// What became of a name.
enum tael_name_status {
    // It names something.
    TAEL_NAME_STATUS_STANDS = 1,
    // It names nothing any more: what it named has another name since; the path is free.
    TAEL_NAME_STATUS_MOVED = 2,
    // It names nothing any more; the path is free.
    TAEL_NAME_STATUS_DROPPED = 3,
};

// Why a command or a question on names was refused, in order of precedence.
enum tael_name_result {
    // A path has an empty part, or other characters than letters, digits and - _ . with : between
    // parts; the byte, counted from 1, and what it is.
    TAEL_NAME_RESULT_PATH_INVALID = 1,
    // A path has 16 parts at most.
    TAEL_NAME_RESULT_PATH_TOO_DEEP = 2,
    // What is named is not told as its kind is: an account by number and id, a raw account, an
    // entity or a constraint by id, a book by number, an asset by asset alone.
    TAEL_NAME_RESULT_THING_INVALID = 3,
    // There is no such entity.
    TAEL_NAME_RESULT_ENTITY_NOT_FOUND = 4,
    // There is no such asset.
    TAEL_NAME_RESULT_ASSET_NOT_FOUND = 5,
    // There is no such book.
    TAEL_NAME_RESULT_BOOK_NOT_FOUND = 6,
    // The book has no such account.
    TAEL_NAME_RESULT_ACCOUNT_NOT_FOUND = 7,
    // There is no such raw account.
    TAEL_NAME_RESULT_RAW_ACCOUNT_NOT_FOUND = 8,
    // There is no such name.
    TAEL_NAME_RESULT_NOT_FOUND = 9,
    // The name is another principal's; so is the first name before which this one would be.
    TAEL_NAME_RESULT_NOT_THE_SETTER = 10,
    // The path names something.
    TAEL_NAME_RESULT_EXISTS = 11,
    // A thing has 16 names at most.
    TAEL_NAME_RESULT_TOO_MANY = 12,
    // Sums are of a book or of an asset: one of the two must be given.
    TAEL_NAME_RESULT_SCOPE_INVALID = 13,
    // The balances sum to more than 2^128-1.
    TAEL_NAME_RESULT_SUM_OVERFLOW = 14,
    // Raw accounts have no effective days, and so no months.
    TAEL_NAME_RESULT_RAW_HAS_NO_DAYS = 15,
    // It ends before it begins.
    TAEL_NAME_RESULT_RANGE_REVERSED = 16,
    // A day is before the year 0 or after 9999-12-31.
    TAEL_NAME_RESULT_DAY_OUT_OF_RANGE = 17,
};

// Gives a name to something; it may have several, one of them first.
#define TAEL_RECORD_NAME_SET 0x0701u
struct tael_name_set {
    // The name: parts with : between them, of letters, digits and - _ . only; at most 16.
    char path[128];
    // Of the account, entity, constraint or other thing.
    struct tael_u128 id;
    // Of an asset: its code.
    char asset[16];
    // Of an account in a book and of a book: the book. Of another thing: any.
    uint32_t number;
    // What it names.
    uint8_t kind;
    // Make it the first of the names of what it names; else it is the last.
    bool first;
    // Zero.
    uint8_t reserved[10];
};
TAEL_LAYOUT(sizeof(struct tael_name_set) == 176);

// Gives what has a name another one in its place. The path is free then, and its record says so.
#define TAEL_RECORD_NAME_MOVE 0x0702u
struct tael_name_move {
    // The name as it is.
    char path[128];
    // The name as it shall be.
    char to[128];
};
TAEL_LAYOUT(sizeof(struct tael_name_move) == 256);

// Takes a name away. The path is free then, and its record says so.
#define TAEL_RECORD_NAME_DROP 0x0703u
struct tael_name_drop {
    // The name.
    char path[128];
};
TAEL_LAYOUT(sizeof(struct tael_name_drop) == 128);

// A name, as long as it stands and after.
#define TAEL_RECORD_NAME 0x0710u
struct tael_name {
    // The name.
    char path[128];
    // Of what it names.
    struct tael_u128 id;
    // Of an asset.
    char asset[16];
    // The book of an account, or the book.
    uint32_t number;
    // What it names.
    uint8_t kind;
    // What became of it.
    uint8_t status;
    // Zero.
    uint8_t reserved[2];
    // Of an account: its row in the ledger, plus one.
    uint32_t account_row;
    // Row of the name before it of the same thing, plus one.
    uint32_t previous;
    // Row of the name behind it of the same thing, plus one.
    uint32_t next;
    // Row of the name that came in its place, plus one.
    uint32_t moved_to;
    // Who set it, and may move and drop it.
    uint64_t principal;
    // Since when it stands.
    uint64_t set_at;
    // Until when it stood.
    uint64_t ended_at;
    // Zero.
    uint8_t reserved_2[48];
};
TAEL_LAYOUT(sizeof(struct tael_name) == 256);

// What a name names.
#define TAEL_RECORD_NAME_FIND 0x0720u
struct tael_name_find {
    // The name.
    char path[128];
};
TAEL_LAYOUT(sizeof(struct tael_name_find) == 128);

// A name and all that begin with it and a colon, in their order; all names when none is given.
#define TAEL_RECORD_NAME_LIST 0x0721u
struct tael_name_list {
    // What they begin with: whole parts. a:b stands for a:b and what is under a:b: but not for
    // a:bc.
    char prefix[128];
};
TAEL_LAYOUT(sizeof(struct tael_name_list) == 128);

// The names of something, the first one first.
#define TAEL_RECORD_NAME_OF 0x0722u
struct tael_name_of {
    // As it was given when the name was set.
    struct tael_u128 id;
    // Likewise.
    char asset[16];
    // Likewise.
    uint32_t number;
    // What it is.
    uint8_t kind;
    // Zero.
    uint8_t reserved[11];
};
TAEL_LAYOUT(sizeof(struct tael_name_of) == 48);

// The sums of the accounts that have a name under a prefix, in a book or in all books of an asset.
#define TAEL_RECORD_NAME_BALANCE 0x0723u
struct tael_name_balance {
    // What their names begin with, as in a list.
    char prefix[128];
    // Only in books of this asset.
    char asset[16];
    // Only in this book, or on this ledger number of raw accounts.
    uint32_t book;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_name_balance) == 160);

// What the accounts that have a name under a prefix turned over in whole months of the effective
// day, and their balances before and behind: in a book or in all books of an asset.
#define TAEL_RECORD_NAME_TURNOVER 0x0724u
struct tael_name_turnover {
    // What their names begin with, as in a list.
    char prefix[128];
    // Only in books of this asset.
    char asset[16];
    // Only in this book.
    uint32_t book;
    // From the month of this day on; from the beginning when not given.
    int32_t from_day;
    // To the month of this day; to the open one when not given.
    int32_t to_day;
    // A line for each part that comes behind the prefix; else one for all.
    bool parts;
    // Zero.
    uint8_t reserved[3];
};
TAEL_LAYOUT(sizeof(struct tael_name_turnover) == 160);

// Sums of accounts. They are of one state when the two positions are one; else some of the sums are
// of states between them.
#define TAEL_RECORD_NAME_BALANCE_ROW 0x0730u
struct tael_name_balance_row {
    // How many, each once however many names it has.
    uint64_t accounts;
    // How many names were looked at.
    uint64_t names;
    // All of theirs.
    struct tael_u128 debits_posted;
    // All of theirs.
    struct tael_u128 credits_posted;
    // Held.
    struct tael_u128 debits_pending;
    // Held.
    struct tael_u128 credits_pending;
    // The log's position where the adding began.
    uint64_t position_first;
    // The position where it ended.
    uint64_t position_last;
};
TAEL_LAYOUT(sizeof(struct tael_name_balance_row) == 96);

// What accounts turned over. It is of one state when the two positions are one; else some of it is
// of states between them.
#define TAEL_RECORD_NAME_TURNOVER_ROW 0x0731u
struct tael_name_turnover_row {
    // The prefix, or the prefix and the part behind it.
    char path[128];
    // How many, each once a line however many names it has.
    uint64_t accounts;
    // How many names were looked at.
    uint64_t names;
    // Postings, each on both of its sides.
    uint64_t count;
    // Digits behind the point of the asset.
    uint8_t scale;
    // Zero.
    uint8_t reserved[7];
    // The balance before, when it is a debit.
    struct tael_u128 opening_debit;
    // The balance before, when it is a credit.
    struct tael_u128 opening_credit;
    // What was debited; a sum that would pass 2^128-1 stays there.
    struct tael_u128 debits;
    // What was credited; a sum that would pass 2^128-1 stays there.
    struct tael_u128 credits;
    // The balance behind, when it is a debit.
    struct tael_u128 closing_debit;
    // The balance behind, when it is a credit.
    struct tael_u128 closing_credit;
    // The log's position where the adding began.
    uint64_t position_first;
    // The position where it ended.
    uint64_t position_last;
};
TAEL_LAYOUT(sizeof(struct tael_name_turnover_row) == 272);

// --- job ---

// Where a job is.
enum tael_job_status {
    // Its members are looked at, a slice at a tick; what comes of it is staged.
    TAEL_JOB_STATUS_RUNNING = 1,
    // All members were looked at; it waits to be committed or cancelled.
    TAEL_JOB_STATUS_STAGED = 2,
    // What is staged is about to count.
    TAEL_JOB_STATUS_COMMITTING = 3,
    // What was staged counts.
    TAEL_JOB_STATUS_COMMITTED = 4,
    // It was given up; nothing of it counts.
    TAEL_JOB_STATUS_CANCELLED = 5,
    // It could not go on; nothing of it counts.
    TAEL_JOB_STATUS_FAILED = 6,
};

// What happens to a job.
enum tael_job_event {
    // All members were looked at, and it waits.
    TAEL_JOB_EVENT_HOLD = 1,
    // All members were looked at, and it goes on by itself.
    TAEL_JOB_EVENT_PASS = 2,
    // Its principal commits it.
    TAEL_JOB_EVENT_COMMIT = 3,
    // Everything that its commit does is done.
    TAEL_JOB_EVENT_CONCLUDE = 4,
    // Its principal gives it up.
    TAEL_JOB_EVENT_CANCEL = 5,
    // A slice was refused.
    TAEL_JOB_EVENT_FAIL = 6,
};

// What a job does.
enum tael_job_kind {
    // Carries out an import, whole or not at all.
    TAEL_JOB_KIND_IMPORT_WHOLE = 2561,
    // Carries out an import without the rows that are refused.
    TAEL_JOB_KIND_IMPORT_PART = 2562,
    // Interest on loans; only in logs made for tests.
    TAEL_JOB_KIND_ACCRUAL = 32257,
    // Loans take over what committed jobs staged; only in logs made for tests.
    TAEL_JOB_KIND_TIDYING = 32258,
    // Entries are counted; only in logs made for tests.
    TAEL_JOB_KIND_COUNTING = 32259,
};

// Which jobs; as job_status, and all.
enum tael_job_status_any {
    // All.
    TAEL_JOB_STATUS_ANY_ALL = 0,
    // Those that are running.
    TAEL_JOB_STATUS_ANY_RUNNING = 1,
    // Those that wait.
    TAEL_JOB_STATUS_ANY_STAGED = 2,
    // Those that are about to count.
    TAEL_JOB_STATUS_ANY_COMMITTING = 3,
    // Those that count.
    TAEL_JOB_STATUS_ANY_COMMITTED = 4,
    // Those that were given up.
    TAEL_JOB_STATUS_ANY_CANCELLED = 5,
    // Those that could not go on.
    TAEL_JOB_STATUS_ANY_FAILED = 6,
};

// Why a command on jobs was refused, in order of precedence.
enum tael_job_result {
    // There is no such job.
    TAEL_JOB_RESULT_NOT_FOUND = 1,
    // The job is another principal's.
    TAEL_JOB_RESULT_NOT_THE_OWNER = 2,
    // The job was committed or cancelled, or has failed.
    TAEL_JOB_RESULT_SETTLED = 3,
    // The job is being committed.
    TAEL_JOB_RESULT_COMMITTING = 4,
    // The job still looks at its members.
    TAEL_JOB_RESULT_NOT_STAGED = 5,
};

// Gives up a job that is running or staged: nothing of it counts, and its record stays.
#define TAEL_RECORD_JOB_CANCEL 0x0801u
struct tael_job_cancel {
    // The job.
    struct tael_u128 job_id;
};
TAEL_LAYOUT(sizeof(struct tael_job_cancel) == 16);

// Commits a job that is staged: what it staged counts from its conclusion on, all of it or nothing.
#define TAEL_RECORD_JOB_COMMIT 0x0802u
struct tael_job_commit {
    // The job.
    struct tael_u128 job_id;
};
TAEL_LAYOUT(sizeof(struct tael_job_commit) == 16);

// A job.
#define TAEL_RECORD_JOB_RECORD 0x0810u
struct tael_job_record {
    // Chosen by the client.
    struct tael_u128 job_id;
    // Of a failure: the value that a rule refuses.
    struct tael_u128 value;
    // Of a failure: the limit that it breaks.
    struct tael_u128 limit;
    // Members, as they were when it began.
    uint64_t total;
    // Members looked at.
    uint64_t cursor;
    // Of those, the ones for which something is staged.
    uint64_t done;
    // Of those, the ones that a rule left out.
    uint64_t refused;
    // Slices so far.
    uint64_t slices;
    // What its conclusion posted.
    uint64_t postings;
    // Who began it, and may commit and cancel it.
    uint64_t principal;
    // When it was begun.
    uint64_t begun_at;
    // When it last changed.
    uint64_t advanced_at;
    // When it was committed or cancelled, or failed.
    uint64_t ended_at;
    // Of its kind.
    uint64_t argument;
    // Counts from 1.
    uint32_t number;
    // Of a failure: the result of its module, or of those that all share.
    uint32_t result;
    // Of a failure: why the ledger refused a posting.
    uint32_t posting_result;
    // The effective day of what it does.
    int32_t day;
    // What it does.
    uint16_t kind;
    // Where it is.
    uint8_t status;
    // It waits to be committed when all members were looked at.
    bool holds;
    // Zero.
    uint8_t reserved[100];
};
TAEL_LAYOUT(sizeof(struct tael_job_record) == 256);

// The jobs, in the order in which they were begun.
#define TAEL_RECORD_JOB_LIST 0x0820u
struct tael_job_list {
    // Only those that are there; all when not given.
    uint8_t status;
    // Zero.
    uint8_t reserved[15];
};
TAEL_LAYOUT(sizeof(struct tael_job_list) == 16);

// A job and how far it is.
#define TAEL_RECORD_JOB_FIND 0x0821u
struct tael_job_find {
    // The job.
    struct tael_u128 job_id;
};
TAEL_LAYOUT(sizeof(struct tael_job_find) == 16);

// --- effect ---

// Where an effect is.
enum tael_effect_state {
    // In a question: wherever it is. No effect is so.
    TAEL_EFFECT_STATE_ANY = 0,
    // Planned; no gateway has it.
    TAEL_EFFECT_STATE_PENDING = 1,
    // A gateway has it and has not begun to send.
    TAEL_EFFECT_STATE_CLAIMED = 2,
    // A gateway may have sent it.
    TAEL_EFFECT_STATE_ATTEMPTED = 3,
    // It may have been sent, and nobody who could tell is left: for a person or a statement.
    TAEL_EFFECT_STATE_UNKNOWN = 4,
    // Its gateway told the outcome.
    TAEL_EFFECT_STATE_SETTLED = 5,
    // It was unknown; a person or a statement told the outcome.
    TAEL_EFFECT_STATE_RESOLVED = 6,
    // Taken back before anybody claimed it.
    TAEL_EFFECT_STATE_CANCELLED = 7,
};

// What happens to an effect.
enum tael_effect_event {
    // A gateway takes it.
    TAEL_EFFECT_EVENT_CLAIM = 1,
    // Its gateway is about to send.
    TAEL_EFFECT_EVENT_ATTEMPT = 2,
    // Its gateway knows the outcome.
    TAEL_EFFECT_EVENT_SETTLE = 3,
    // Its gateway knows that nothing was sent.
    TAEL_EFFECT_EVENT_RETRY = 4,
    // Its gateway wants more time.
    TAEL_EFFECT_EVENT_RENEW = 5,
    // Its gateway gives it back.
    TAEL_EFFECT_EVENT_RELEASE = 6,
    // The time of the claim is over.
    TAEL_EFFECT_EVENT_LEASE_END = 7,
    // The same, where the other side recognises a repeat.
    TAEL_EFFECT_EVENT_LEASE_END_REPEATABLE = 8,
    // A person or a statement tells the outcome.
    TAEL_EFFECT_EVENT_RESOLVE = 9,
    // It is taken back.
    TAEL_EFFECT_EVENT_CANCEL = 10,
    // The log is a copy, and the other one may have sent it.
    TAEL_EFFECT_EVENT_DOUBT = 11,
};

// What became of an act outside.
enum tael_effect_outcome {
    // Not known, or it never happened.
    TAEL_EFFECT_OUTCOME_NONE = 0,
    // It was done.
    TAEL_EFFECT_OUTCOME_DONE = 1,
    // It was not done and will not be.
    TAEL_EFFECT_OUTCOME_FAILED = 2,
    // It was certainly not done, and may be tried again.
    TAEL_EFFECT_OUTCOME_RETRY = 3,
};

// Why the outcome of an effect is unknown.
enum tael_effect_doubt {
    // It is, or was, not unknown.
    TAEL_EFFECT_DOUBT_NONE = 0,
    // Its gateway said that it would send it, and nothing more in its time.
    TAEL_EFFECT_DOUBT_LEASE_ENDED = 1,
    // The log is a copy: the one that it was copied from may have sent it.
    TAEL_EFFECT_DOUBT_COPIED = 2,
};

// Why a command on effects was refused, in order of precedence.
enum tael_effect_result {
    // The epoch is not the log's: another writer has taken over, or the log is a copy.
    TAEL_EFFECT_RESULT_OTHER_EPOCH = 1,
    // The reason must not be 0.
    TAEL_EFFECT_RESULT_REASON_MISSING = 2,
    // The outcome is none that can be told here.
    TAEL_EFFECT_RESULT_OUTCOME_MISSING = 3,
    // The count must not be 0.
    TAEL_EFFECT_RESULT_COUNT_MUST_NOT_BE_ZERO = 4,
    // The lease must not be 0.
    TAEL_EFFECT_RESULT_LEASE_MUST_NOT_BE_ZERO = 5,
    // No kind is named.
    TAEL_EFFECT_RESULT_KIND_MISSING = 6,
    // No module plans effects of this kind.
    TAEL_EFFECT_RESULT_KIND_NOT_FOUND = 7,
    // A kind is named twice.
    TAEL_EFFECT_RESULT_KIND_TWICE = 8,
    // The log is armed.
    TAEL_EFFECT_RESULT_IS_ARMED = 9,
    // The log is disarmed: an operator has to arm it when no other copy of it executes effects.
    TAEL_EFFECT_RESULT_IS_DISARMED = 10,
    // The log is a copy, and what its effects are in doubt about is still being looked at.
    TAEL_EFFECT_RESULT_DOUBT_REMAINS = 11,
    // As many effects are claimed as may be, by this gateway or by all.
    TAEL_EFFECT_RESULT_TOO_MANY_CLAIMED = 12,
    // Nothing of these kinds is pending.
    TAEL_EFFECT_RESULT_NONE_PENDING = 13,
    // There is no such effect.
    TAEL_EFFECT_RESULT_NOT_FOUND = 14,
    // The effect is over, and its place was given to another; the log has it.
    TAEL_EFFECT_RESULT_ARCHIVED = 15,
    // The effect is pending.
    TAEL_EFFECT_RESULT_IS_PENDING = 16,
    // The effect is claimed.
    TAEL_EFFECT_RESULT_IS_CLAIMED = 17,
    // The effect is attempted.
    TAEL_EFFECT_RESULT_IS_ATTEMPTED = 18,
    // What became of the effect is unknown.
    TAEL_EFFECT_RESULT_IS_UNKNOWN = 19,
    // The effect is settled.
    TAEL_EFFECT_RESULT_IS_SETTLED = 20,
    // The effect is resolved.
    TAEL_EFFECT_RESULT_IS_RESOLVED = 21,
    // The effect is cancelled.
    TAEL_EFFECT_RESULT_IS_CANCELLED = 22,
    // The effect is in another claim.
    TAEL_EFFECT_RESULT_OTHER_CLAIM = 23,
    // The time of the claim is over.
    TAEL_EFFECT_RESULT_LEASE_ENDED = 24,
};

// Claims pending effects for a gateway. The position of the reply is the claim's number.
#define TAEL_RECORD_EFFECT_CLAIM 0x0901u
struct tael_effect_claim {
    // The log's epoch, as the gateway was told it.
    uint64_t epoch;
    // How many at most.
    uint32_t count;
    // How long the claim stands.
    uint32_t lease_s;
    // The kind of effects: the number of the planning module times 65536, and the module's own.
    uint32_t kind;
    // More kinds, taken when there are not enough of the ones before; 0 is none.
    uint32_t more_kinds[7];
};
TAEL_LAYOUT(sizeof(struct tael_effect_claim) == 48);

// Says that the gateway is about to send: from here on a crash leaves the effect unknown.
#define TAEL_RECORD_EFFECT_ATTEMPT 0x0902u
struct tael_effect_attempt {
    // The effect.
    uint64_t effect;
    // The claim's number.
    uint64_t claim;
    // The log's epoch, as the gateway was told it.
    uint64_t epoch;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_effect_attempt) == 32);

// Tells the outcome of an attempted effect.
#define TAEL_RECORD_EFFECT_SETTLE 0x0903u
struct tael_effect_settle {
    // The effect.
    uint64_t effect;
    // The claim's number.
    uint64_t claim;
    // The log's epoch, as the gateway was told it.
    uint64_t epoch;
    // Done, failed, or retry: nothing was sent, and it is pending again.
    uint8_t outcome;
    // Zero.
    uint8_t reserved[3];
    // The other side's code, as the gateway numbers it.
    uint32_t code;
    // What the other side said: identifiers and digests, no personal data.
    uint8_t answer[64];
};
TAEL_LAYOUT(sizeof(struct tael_effect_settle) == 96);

// Sets the end of an effect's lease anew, from now.
#define TAEL_RECORD_EFFECT_RENEW 0x0904u
struct tael_effect_renew {
    // The effect.
    uint64_t effect;
    // The claim's number.
    uint64_t claim;
    // The log's epoch, as the gateway was told it.
    uint64_t epoch;
    // How long it stands from now on.
    uint32_t lease_s;
    // Zero.
    uint32_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_effect_renew) == 32);

// Gives a claimed effect back that was not attempted.
#define TAEL_RECORD_EFFECT_RELEASE 0x0905u
struct tael_effect_release {
    // The effect.
    uint64_t effect;
    // The claim's number.
    uint64_t claim;
    // The log's epoch, as the gateway was told it.
    uint64_t epoch;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_effect_release) == 32);

// Tells the outcome of an unknown effect, as a person or a statement has it.
#define TAEL_RECORD_EFFECT_RESOLVE 0x0906u
struct tael_effect_resolve {
    // The effect.
    uint64_t effect;
    // Done or failed.
    uint8_t outcome;
    // Zero.
    uint8_t reserved[3];
    // Why: a code of the operator's own; not 0.
    uint32_t reason;
    // The statement or the case that tells; 0 is none.
    struct tael_u128 reference;
};
TAEL_LAYOUT(sizeof(struct tael_effect_resolve) == 32);

// Takes a pending effect back: it is never sent.
#define TAEL_RECORD_EFFECT_CANCEL 0x0907u
struct tael_effect_cancel {
    // The effect.
    uint64_t effect;
    // Why: a code of the operator's own; not 0.
    uint32_t reason;
    // Zero.
    uint32_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_effect_cancel) == 16);

// Lets gateways claim effects of this log. Only while no other copy of it does.
#define TAEL_RECORD_EFFECT_ARM 0x0908u
struct tael_effect_arm {
    // Why: a code of the operator's own; not 0.
    uint32_t reason;
    // Zero.
    uint8_t reserved[12];
};
TAEL_LAYOUT(sizeof(struct tael_effect_arm) == 16);

// Lets no gateway send effects of this log any more.
#define TAEL_RECORD_EFFECT_DISARM 0x0909u
struct tael_effect_disarm {
    // Why: a code of the operator's own; not 0.
    uint32_t reason;
    // The log is a copy: what the other one may have sent becomes unknown.
    bool copied;
    // Zero.
    uint8_t reserved[11];
};
TAEL_LAYOUT(sizeof(struct tael_effect_disarm) == 16);

// An effect.
#define TAEL_RECORD_EFFECT 0x0910u
struct tael_effect {
    // Its number, from 1, for ever.
    uint64_t effect;
    // Where it is.
    uint8_t state;
    // What became of it.
    uint8_t outcome;
    // Why it is unknown, or was.
    uint8_t doubt;
    // The other side recognises a repeat by the key.
    bool repeatable;
    // The number of the planning module times 65536, and the module's own.
    uint32_t kind;
    // What the other side is told to recognise it by: the log's id, low half, times 2^64, and the
    // number.
    struct tael_u128 key;
    // When it was planned.
    uint64_t planned_at;
    // By the command at this position of the log.
    uint64_t planned_position;
    // When it was last changed.
    uint64_t changed_at;
    // How often it was attempted.
    uint32_t attempts;
    // The other side's code, or why it was resolved or cancelled.
    uint32_t code;
    // The number of the claim that it is in; 0 is none.
    uint64_t claim;
    // The principal that claimed it last.
    uint64_t gateway;
    // When the claim's time is over; 0: it is in none.
    uint64_t lease_end;
    // The principal that settled, resolved or cancelled it.
    uint64_t told_by;
    // The statement or the case that resolved it.
    struct tael_u128 reference;
    // What is to be done, as the planning module says it.
    uint8_t body[64];
    // What the other side said.
    uint8_t answer[64];
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_effect) == 256);

// What is kept of all effects together.
#define TAEL_RECORD_EFFECT_GATE 0x0911u
struct tael_effect_gate {
    // How many were ever planned: the last number.
    uint64_t planned;
    // Effects from here on
    uint64_t doubt_next;
    // to here, this one included, are still to be looked at: the log is a copy.
    uint64_t doubt_end;
    // When it was last armed or disarmed.
    uint64_t changed_at;
    // The principal that did.
    uint64_t changed_by;
    // Why.
    uint32_t reason;
    // Effects may be claimed.
    bool armed;
    // It was disarmed because the log is a copy.
    bool copied;
    // Zero.
    uint8_t reserved[18];
};
TAEL_LAYOUT(sizeof(struct tael_effect_gate) == 64);

// Effects, the oldest first; of one state and one kind in the order in which they are claimed.
#define TAEL_RECORD_EFFECT_LIST 0x0920u
struct tael_effect_list {
    // Only those that this claim has now; 0 is all.
    uint64_t claim;
    // Only those planned before; 0 is all.
    uint64_t before;
    // Only those of this kind; 0 is all.
    uint32_t kind;
    // Only those in this state; all when not given.
    uint8_t state;
    // Zero.
    uint8_t reserved[11];
};
TAEL_LAYOUT(sizeof(struct tael_effect_list) == 32);

// One effect.
#define TAEL_RECORD_EFFECT_FIND 0x0921u
struct tael_effect_find {
    // Its number.
    uint64_t effect;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_effect_find) == 16);

// Whether effects may be claimed, and in which epoch.
#define TAEL_RECORD_EFFECT_STATUS 0x0922u
struct tael_effect_status {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_effect_status) == 16);

// Whether effects may be claimed, and in which epoch.
#define TAEL_RECORD_EFFECT_STATUS_VIEW 0x0930u
struct tael_effect_status_view {
    // The log's id; a copy that is served gets another.
    struct tael_u128 log_id;
    // The log's epoch, which gateways name.
    uint64_t epoch;
    // How many effects were ever planned.
    uint64_t planned;
    // How many are still to be looked at since the log was found to be a copy.
    uint64_t doubtful;
    // When it was last armed or disarmed; 0: when the log was made.
    uint64_t changed_at;
    // The principal that did.
    uint64_t changed_by;
    // Why.
    uint32_t reason;
    // Effects may be claimed.
    bool armed;
    // It was disarmed because the log is a copy.
    bool copied;
    // Zero.
    uint8_t reserved[2];
};
TAEL_LAYOUT(sizeof(struct tael_effect_status_view) == 64);

// --- import ---

// What a row is: the number of a record.
enum tael_import_kind {
    // It opens an account in a book (book_account_open).
    TAEL_IMPORT_KIND_ACCOUNTS = 772,
    // It posts an entry (entry_post).
    TAEL_IMPORT_KIND_ENTRIES = 1025,
};

// What is known of a row.
enum tael_import_row_status {
    // It came, and was not looked at.
    TAEL_IMPORT_ROW_STATUS_STAGED = 1,
    // Nothing stands against it.
    TAEL_IMPORT_ROW_STATUS_GOOD = 2,
    // A rule refuses it.
    TAEL_IMPORT_ROW_STATUS_REFUSED = 3,
    // It was carried out.
    TAEL_IMPORT_ROW_STATUS_DONE = 4,
};

// Where an import is.
enum tael_import_status {
    // Rows come.
    TAEL_IMPORT_STATUS_OPEN = 1,
    // They are its job's.
    TAEL_IMPORT_STATUS_RUN = 2,
    // It was given up before it was run.
    TAEL_IMPORT_STATUS_CANCELLED = 3,
};

// Why a command on imports was refused, in order of precedence.
enum tael_import_result {
    // An import's id must not be 0.
    TAEL_IMPORT_RESULT_ID_MUST_NOT_BE_ZERO = 1,
    // An import or a job of this id exists.
    TAEL_IMPORT_RESULT_EXISTS = 2,
    // Another import is under way; a log has one at a time.
    TAEL_IMPORT_RESULT_UNDER_WAY = 3,
    // There is no such import.
    TAEL_IMPORT_RESULT_NOT_FOUND = 4,
    // The import is another principal's.
    TAEL_IMPORT_RESULT_NOT_THE_OWNER = 5,
    // The import was run or given up: it takes no more rows.
    TAEL_IMPORT_RESULT_NOT_OPEN = 6,
    // Another number of rows came before.
    TAEL_IMPORT_RESULT_ROWS_OUT_OF_TURN = 7,
    // The rows are not what their head says: the row and its line are told.
    TAEL_IMPORT_RESULT_ROWS_MALFORMED = 8,
    // No row came.
    TAEL_IMPORT_RESULT_EMPTY = 9,
    // Another import was opened since, and has the place of its rows.
    TAEL_IMPORT_RESULT_SUPERSEDED = 10,
};

// Why a row of an import is refused, beside the reasons of its own module, or why its job failed.
enum tael_import_job_result {
    // A row before it opens the same account or posts the same entry.
    TAEL_IMPORT_JOB_RESULT_ROW_TWICE = 20,
    // An imported entry is not a fact: what of it would go to suspense is not known before it is
    // posted.
    TAEL_IMPORT_JOB_RESULT_FACT = 21,
    // Rows are refused, and the import is whole or not at all: how many, and the first one's line,
    // are told.
    TAEL_IMPORT_JOB_RESULT_ROWS_REFUSED = 22,
    // A row that was good is refused now, for lack of room: what stands before it was carried out.
    // Its line is told.
    TAEL_IMPORT_JOB_RESULT_HALTED = 23,
};

// Opens an import of records of one kind. Its rows take the place of those of the import before.
#define TAEL_RECORD_IMPORT_OPEN 0x0a01u
struct tael_import_open {
    // Chosen by the client, as the ids of jobs are; not 0.
    struct tael_u128 import_id;
    // What its rows are.
    uint16_t kind;
    // It is carried out whole or not at all; else without the rows that are refused.
    bool is_whole;
    // Zero.
    uint8_t reserved[13];
};
TAEL_LAYOUT(sizeof(struct tael_import_open) == 32);

// Rows of an import, behind those that came before: each a line number, a size and a record.
#define TAEL_RECORD_IMPORT_ROWS 0x0a02u
struct tael_import_rows {
    // The import.
    struct tael_u128 import_id;
    // How many rows came before: these are refused unless it is so.
    uint64_t first;
    // How many they are; 1 to 8192.
    uint32_t count;
    // Each begins at a multiple of 16: u32 line, u32 size, u64 zero, then the record of that size,
    // then zeros.
    uint32_t rows_size;
};
TAEL_LAYOUT(sizeof(struct tael_import_rows) == 32);

// Begins the job of an import, whose id is the import's: every row is looked at, and what is good
// is carried out once the job is committed.
#define TAEL_RECORD_IMPORT_RUN 0x0a03u
struct tael_import_run {
    // The import.
    struct tael_u128 import_id;
    // It is committed by itself when all rows were looked at; else it waits for `job commit` or
    // `job cancel`.
    bool goes_on;
    // Zero.
    uint8_t reserved[15];
};
TAEL_LAYOUT(sizeof(struct tael_import_run) == 32);

// Gives up an import that was not run yet.
#define TAEL_RECORD_IMPORT_CANCEL 0x0a04u
struct tael_import_cancel {
    // The import.
    struct tael_u128 import_id;
};
TAEL_LAYOUT(sizeof(struct tael_import_cancel) == 16);

// An import.
#define TAEL_RECORD_IMPORT_RECORD 0x0a10u
struct tael_import_record {
    // Chosen by the client.
    struct tael_u128 import_id;
    // Who opened it.
    uint64_t principal;
    // When.
    uint64_t opened_at;
    // Rows that came.
    uint64_t rows;
    // Counts from 1.
    uint32_t number;
    // Number of its job; 0 before it is run.
    uint32_t job;
    // Accounts that the rows looked at so far touch.
    uint32_t sums;
    // What its rows are.
    uint16_t kind;
    // Where it is.
    uint8_t status;
    // It is carried out whole or not at all.
    bool is_whole;
    // Zero.
    uint8_t reserved[72];
};
TAEL_LAYOUT(sizeof(struct tael_import_record) == 128);

// A row of the import under way, or of the last one.
#define TAEL_RECORD_IMPORT_ROW 0x0a11u
struct tael_import_row {
    // What must be there once: of a good row.
    struct tael_u128 key;
    // Of a refusal: the value that the rule refuses.
    struct tael_u128 value;
    // And the limit that it breaks.
    struct tael_u128 limit;
    // Of the record in the log.
    uint64_t place;
    // Checksum of the record.
    uint64_t content;
    // Of the record.
    uint32_t size;
    // The line that it stands on in the file.
    uint32_t line;
    // Number of its import.
    uint32_t import;
    // In which it was found good.
    uint32_t pass;
    // Of a refusal: which of its postings, from 0, the ledger refuses.
    uint32_t posting;
    // And why: a result of the ledger.
    uint32_t posting_result;
    // What is known of it.
    uint8_t status;
    // Of a refusal: its number among those of its module, or of those that all share.
    uint8_t result;
    // The refusal is the import's own, not that of the record's module.
    bool is_own;
    // Zero.
    uint8_t reserved[37];
};
TAEL_LAYOUT(sizeof(struct tael_import_row) == 128);

// What the good rows of an import do to an account.
#define TAEL_RECORD_IMPORT_SUM 0x0a12u
struct tael_import_sum {
    // They debit so much.
    struct tael_u128 debits;
    // They credit so much.
    struct tael_u128 credits;
    // Row of the account in the ledger.
    uint32_t account_row;
    // In which it was summed.
    uint32_t pass;
    // Zero.
    uint8_t reserved[24];
};
TAEL_LAYOUT(sizeof(struct tael_import_sum) == 64);

// The imports, in the order in which they were opened.
#define TAEL_RECORD_IMPORT_LIST 0x0a20u
struct tael_import_list {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_import_list) == 16);

// The rows of an import that are refused, each with its line and the reason; they are kept until
// the next import is opened.
#define TAEL_RECORD_IMPORT_REFUSED 0x0a21u
struct tael_import_refused {
    // The import.
    struct tael_u128 import_id;
};
TAEL_LAYOUT(sizeof(struct tael_import_refused) == 16);

// A row that is refused.
#define TAEL_RECORD_IMPORT_REFUSED_ROW 0x0a30u
struct tael_import_refused_row {
    // The value that the rule refuses.
    struct tael_u128 value;
    // The limit that it breaks.
    struct tael_u128 limit;
    // The line that it stands on in the file.
    uint32_t line;
    // The refusal: its number among those of the record's module, or of those that all share.
    uint32_t result;
    // Its name.
    char name[56];
    // What it means.
    char reason[128];
    // Which row of the import, from 0.
    uint64_t row;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_import_refused_row) == 240);

// --- tree ---

// What a row of a proof is.
enum tael_proved {
    // The transfer that was asked for.
    TAEL_PROVED_TRANSFER = 1,
    // The making of the account that it debits.
    TAEL_PROVED_DEBIT_ACCOUNT = 2,
    // The making of the account that it credits.
    TAEL_PROVED_CREDIT_ACCOUNT = 3,
    // Of a pending transfer that expired: its expiry.
    TAEL_PROVED_EXPIRY = 4,
};

// Why a question about proofs was refused.
enum tael_tree_result {
    // Nothing has happened in this log yet.
    TAEL_TREE_RESULT_EMPTY = 1,
    // The tree of size 0 holds nothing to prove.
    TAEL_TREE_RESULT_SIZE_ZERO = 2,
    // The log has not come as far as that head: is it another log's?
    TAEL_TREE_RESULT_SIZE_AHEAD = 3,
    // The earlier head has the larger tree.
    TAEL_TREE_RESULT_SIZES_REVERSED = 4,
    // There is no transfer with this id.
    TAEL_TREE_RESULT_TRANSFER_NOT_FOUND = 5,
    // The transfer is later than the head: sign one that covers it.
    TAEL_TREE_RESULT_TRANSFER_IS_LATER = 6,
};

// The head of the tree over all outcomes, as of now: unsigned.
#define TAEL_RECORD_TREE_HEAD 0x0b20u
struct tael_tree_head {
    // Zero.
    uint8_t reserved[16];
};
TAEL_LAYOUT(sizeof(struct tael_tree_head) == 16);

// What proves a transfer in the tree of a head.
#define TAEL_RECORD_TREE_INCLUSION 0x0b21u
struct tael_tree_inclusion {
    // Its id.
    struct tael_u128 transfer_id;
    // Of the head: frames with outcomes.
    uint64_t size;
    // Zero.
    uint64_t reserved;
};
TAEL_LAYOUT(sizeof(struct tael_tree_inclusion) == 32);

// What proves that the tree of one head is the beginning of that of another.
#define TAEL_RECORD_TREE_CONSISTENCY 0x0b22u
struct tael_tree_consistency {
    // Size of the earlier one.
    uint64_t from;
    // Size of the later one.
    uint64_t to;
};
TAEL_LAYOUT(sizeof(struct tael_tree_consistency) == 16);

// A head: whoever keeps it can tell every change of anything before it.
#define TAEL_RECORD_TREE_HEAD_VIEW 0x0b30u
struct tael_tree_head_view {
    // The log's id.
    struct tael_u128 log_id;
    // Of the last frame that has outcomes, as all that follows but the root.
    uint64_t epoch;
    // Its number.
    uint64_t sequence;
    // Of its first command.
    uint64_t position;
    // When it was made.
    uint64_t timestamp;
    // Frames with outcomes so far: leaves of the tree.
    uint64_t size;
    // Zero.
    uint64_t reserved;
    // SHA-256 of its header, on which all requests hang.
    uint8_t header[32];
    // Of the tree.
    uint8_t root[32];
};
TAEL_LAYOUT(sizeof(struct tael_tree_head_view) == 128);

// A row, and what proves it.
#define TAEL_RECORD_TREE_INCLUSION_PART 0x0b31u
struct tael_tree_inclusion_part {
    // Its frame among those that have outcomes, from 0.
    uint64_t leaf;
    // The row among those of its frame, from 0.
    uint32_t row_index;
    // Rows of the frame.
    uint32_t row_count;
    // What is proved: the row's first 54 bytes (FORMAT.md, section 3).
    uint8_t row[54];
    // What it is.
    uint8_t what;
    // Digests of the path to the frame's root.
    uint8_t row_path_count;
    // Digests of the path from there to the tree's root.
    uint8_t leaf_path_count;
    // Zero.
    uint8_t reserved[7];
    // The first, 32 bytes each.
    uint8_t row_path[640];
    // The second.
    uint8_t leaf_path[1152];
};
TAEL_LAYOUT(sizeof(struct tael_tree_inclusion_part) == 1872);

// What proves that one tree is the beginning of another.
#define TAEL_RECORD_TREE_CONSISTENCY_VIEW 0x0b32u
struct tael_tree_consistency_view {
    // Size of the earlier one.
    uint64_t from;
    // Size of the later one.
    uint64_t to;
    // Digests of the path.
    uint32_t path_count;
    // Zero.
    uint32_t reserved;
    // 32 bytes each.
    uint8_t path[1184];
};
TAEL_LAYOUT(sizeof(struct tael_tree_consistency_view) == 1208);

#endif
