// SPDX-License-Identifier: Apache-2.0
//
// The generator of book_random.h.
//
// A record is made good first, as far as the generator can know, and then, now and then, damaged.
// Draws are statements of their own: the order in which operands and arguments are evaluated is the
// compiler's, and it must not matter.
#include "modules/book/book_random_internal.h"

#include <stdio.h>

#define PRINCIPALS  3u
#define CHARTS      3u
#define CODES       4u
#define ENTITIES    6u
#define RECORDS_MAX 6u
#define BEGINNING   600u // Steps in which more is opened than posted.
#define RAW_IDS     12u
#define CELLS       11u

void book_random_init(struct book_random *random, u64 seed)
{
    memset(random, 0, sizeof *random);
    random->seed = seed;
    random_init(&random->random, seed);
    const u64 numbers = below(random, 6);
    const u64 ids = below(random, 12);
    random->numbers_max = 2 + (u32)numbers;
    random->ids_max = 4 + (u32)ids;
    random->large_percent = seed % 4 == 1 ? 12 : 2;
    random->next_id = 1000;
    random->next_entry = 1;
}

void book_random_grow_up(struct book_random *random)
{
    random->steps = MAX(random->steps, (u64)BEGINNING);
}

static u64 pick_principal(struct book_random *random)
{
    const u64 other = below(random, PRINCIPALS);
    return chance(random, 95) ? 5 : 5 + other;
}

// --- texts ---------------------------------------------------------------------------------------

const char *book_pick_name(struct book_random *random)
{
    static const char *const good[] = {"a", "name-1", "Z_z.9:", "main", "0"};
    static const char *const bad[] = {"", "a b", "a/b", "\xc3\xa4", " ", "a\n", "[", "@", "`", "{"};
    const u64 good_one = below(random, ARRAY_COUNT(good));
    const u64 bad_one = below(random, ARRAY_COUNT(bad));
    return chance(random, 96) ? good[good_one] : bad[bad_one];
}

static const char *pick_place(struct book_random *random)
{
    static const char *const good[] = {"HK", "CN", "US-NY", "FR-1", "GB-LND"};
    static const char *const bad[] = {"",        "H",    "HKG", "HK-",  "hk",
                                      "US-NYNY", "US-n", "1K",  "US_NY"};
    const u64 good_one = below(random, ARRAY_COUNT(good));
    const u64 bad_one = below(random, ARRAY_COUNT(bad));
    return chance(random, 94) ? good[good_one] : bad[bad_one];
}

static const char *pick_currency(struct book_random *random)
{
    static const char *const good[] = {"HKD", "USD", "AED", "ZWG", "XXX"};
    static const char *const bad[] = {"", "hkd", "HK", "HKDX", "AAA", "ZZZ"};
    const u64 good_one = below(random, ARRAY_COUNT(good));
    const u64 bad_one = below(random, ARRAY_COUNT(bad));
    return chance(random, 94) ? good[good_one] : bad[bad_one];
}

struct asset_row {
    const char *asset;
    u8 kind;
    u8 scale;
};
static const struct asset_row asset_rows[] = {
    {"HKD", ASSET_CURRENCY, 2}, {"USD", ASSET_CURRENCY, 2}, {"JPY", ASSET_CURRENCY, 0},
    {"tHKD", ASSET_COIN, 18},   {"XAU", ASSET_METAL, 3},    {"fund-1", ASSET_FUND_UNIT, 4},
    {"thing", ASSET_OTHER, 0},  {"XDR", ASSET_METAL, 0},    {"HKX", ASSET_CURRENCY, 2},
    {"a b", ASSET_OTHER, 0},    {"", ASSET_OTHER, 0},
};

static u32 pick_chart(struct book_random *random)
{
    const u64 chart = below(random, CHARTS);
    const u64 odd_one = below(random, 2);
    return chance(random, 94) ? 1 + (u32)chart : (u32)odd_one * 77;
}

static u16 pick_code(struct book_random *random)
{
    static const u16 odd[] = {0, 65534, 9};
    const u64 code = below(random, CODES);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 95) ? (u16)(1 + code) : odd[odd_one];
}

u32 book_pick_book(struct book_random *random)
{
    static const u32 odd[] = {0, U32_MAX, 99};
    const u64 few = chance(random, 50) ? 2 : random->numbers_max;
    const u64 book = below(random, few);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 99) ? 1 + (u32)book : odd[odd_one];
}

u128 book_pick_account(struct book_random *random)
{
    static const u128 odd[] = {0, U128_MAX, U128_MAX - 1, U128_MAX - 2, 999};
    const u64 few = chance(random, 50) ? 4 : random->ids_max;
    const u64 id = below(random, few);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 99) ? 1 + id : odd[odd_one];
}

// --- records -------------------------------------------------------------------------------------

// A day of a span of so many, or an odd one. The open days of entities begin in the first of it.
i32 book_pick_day(struct book_random *random, u32 span)
{
    static const i32 odd[] = {INT32_MIN, -1, 0, 1, 2932895, 2932896, 2932896, 2932897, INT32_MAX};
    const u64 day = below(random, span);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 92) ? DAY_FIRST + (i32)day : odd[odd_one];
}

static const char *pick_calendar(struct book_random *random)
{
    static const char *const good[] = {"HK", "CN", "Mon"};
    static const char *const odd[] = {"", "US", "a b", "\xc3\xa4"};
    const u64 good_one = below(random, ARRAY_COUNT(good));
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 92) ? good[good_one] : odd[odd_one];
}

static u32 make_calendar(struct book_random *random, u8 *out)
{
    static const u8 weekends[] = {96, 96, 48, 64, 0, 126, 42, 127, 128};
    struct calendar_open open = {0};
    PUT(open.calendar, pick_calendar(random));
    open.weekend = weekends[below(random, ARRAY_COUNT(weekends))];
    if (chance(random, 2)) open.reserved[below(random, sizeof open.reserved)] = 1;
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_mark(struct book_random *random, u8 *out)
{
    struct calendar_mark mark = {0};
    const u64 few = 1 + below(random, 4);
    const u64 many = below(random, 33);
    PUT(mark.calendar, pick_calendar(random));
    mark.days_count = (u32)(chance(random, 90) ? few : many);
    if (chance(random, 3)) mark.days_count = 0;
    if (chance(random, 1)) mark.reserved[below(random, sizeof mark.reserved)] = 1;
    memcpy(out, &mark, sizeof mark);
    for (u32 i = 0; i < mark.days_count; i++) {
        struct calendar_day day = {0};
        const u64 kind = 1 + below(random, 4);
        const u64 odd_day = below(random, 3);
        day.day = DAY_FIRST + (i32)below(random, 24);
        if (chance(random, 1)) day.day = odd_day == 0 ? -1 : odd_day == 1 ? 0 : 2932897;
        day.kind = (u8)kind;
        if (chance(random, 1)) day.kind = odd_day == 0 ? 0 : 5;
        if (chance(random, 1)) day.reserved[below(random, sizeof day.reserved)] = 1;
        memcpy(out + sizeof mark + i * sizeof day, &day, sizeof day);
    }
    return (u32)(sizeof mark + mark.days_count * sizeof(struct calendar_day));
}

static u32 make_day_close(struct book_random *random, u8 *out)
{
    struct day_close close = {0};
    const u64 id = below(random, ENTITIES + 2);
    close.entity_id = id;
    close.day = book_pick_day(random, 16);
    if (chance(random, 4)) close.day = 2932896; // 9999-12-31
    if (chance(random, 1)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

static u32 make_period_close(struct book_random *random, u8 *out)
{
    struct period_close close = {0};
    const u64 id = below(random, ENTITIES + 2);
    close.entity_id = id;
    close.through = book_pick_day(random, 16);
    if (chance(random, 1)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

static u32 make_entity(struct book_random *random, u8 *out)
{
    struct entity_open open = {0};
    const u64 id = below(random, ENTITIES + 1);
    open.entity_id = id;
    open.day = book_pick_day(random, 3);
    if (chance(random, 60)) PUT(open.calendar, pick_calendar(random));
    PUT(open.name, book_pick_name(random));
    PUT(open.jurisdiction, pick_place(random));
    PUT(open.currency, pick_currency(random));
    if (chance(random, 2)) open.name[sizeof open.name - 1] = 'x'; // Behind zeros.
    if (chance(random, 2)) open.reserved[below(random, sizeof open.reserved)] = 1;
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_asset(struct book_random *random, u8 *out)
{
    struct asset_open open = {0};
    const struct asset_row *row = &asset_rows[below(random, ARRAY_COUNT(asset_rows))];
    PUT(open.asset, row->asset);
    if (chance(random, 50)) PUT(open.name, book_pick_name(random));
    open.kind = row->kind;
    open.scale = row->scale;
    const u64 kind = below(random, 7);
    const u64 scale = below(random, 20);
    if (chance(random, 15)) open.kind = (u8)kind;
    if (chance(random, 10)) open.scale = (u8)scale;
    if (chance(random, 2)) open.reserved[5] = 1;
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_code(struct book_random *random, u8 *out)
{
    struct chart_add add = {0};
    add.chart = pick_chart(random);
    add.code = pick_code(random);
    const u64 kind = below(random, 5);
    const u64 odd_kind = below(random, 2);
    add.kind = (u8)(1 + kind);
    if (chance(random, 3)) add.kind = odd_kind == 0 ? 0 : 6;
    add.contra = chance(random, 30);
    PUT(add.name, book_pick_name(random));
    if (chance(random, 40)) PUT(add.line, book_pick_name(random));
    if (chance(random, 2)) add.code = UINT16_MAX;
    memcpy(out, &add, sizeof add);
    if (chance(random, 2)) out[offsetof(struct chart_add, contra)] = 2;
    return sizeof add;
}

static u32 make_book(struct book_random *random, u8 *out)
{
    struct book_open open = {0};
    const struct asset_row *row = &asset_rows[below(random, ARRAY_COUNT(asset_rows))];
    const u64 entity = below(random, ENTITIES + 2);
    open.book = book_pick_book(random);
    open.chart = pick_chart(random);
    open.entity_id = entity;
    if (chance(random, 40)) row = &asset_rows[0];
    if (chance(random, 15)) row = &asset_rows[5]; // Four decimals.
    PUT(open.asset, row->asset);
    PUT(open.name, book_pick_name(random));
    if (chance(random, 2)) open.reserved = 1ull << below(random, 64);
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_account(struct book_random *random, u8 *out)
{
    struct book_account_open open = {0};
    open.account_id = book_pick_account(random);
    open.book = book_pick_book(random);
    open.code = pick_code(random);
    const u64 flags = below(random, 4);
    if (chance(random, 40)) open.flags = (u16)(flags * 2);
    if (chance(random, 2)) open.flags |= 1;
    const u64 owner = below(random, PRINCIPALS);
    const u64 of_rules = below(random, ACCOUNTS_OF_RULES);
    if (chance(random, 5)) open.owner = 5 + owner;
    if (chance(random, 20)) {
        open.account_id = random->ids_max + 1 + of_rules;
        open.owner = BOOK_OWNER_RULES;
    }
    PUT(open.name, book_pick_name(random));
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

u128 book_pick_amount(struct book_random *random)
{
    const u64 small = below(random, 100);
    const u64 shift = below(random, 128);
    if (chance(random, 1)) return 0;
    if (!chance(random, random->large_percent)) return 1 + small;
    switch (below(random, 4)) {
    case 0: return U128_MAX;
    case 1: return U128_MAX - small;
    case 2: return (u128)1 << 127;
    default: return random_u128(&random->random) >> shift;
    }
}

// A freeze, a thaw, a close or a reopening.
static u32 make_stop(struct book_random *random, u16 record, u8 *out)
{
    struct book_account_freeze stop = {0};
    const u64 sides = below(random, 4);
    const u64 of_rules = below(random, ACCOUNTS_OF_RULES);
    stop.account_id = book_pick_account(random);
    if (chance(random, 10)) stop.account_id = random->ids_max + 1 + of_rules;
    if (chance(random, 3)) stop.account_id = BOOK_SUSPENSE_ID;
    stop.book = book_pick_book(random);
    if (record == 0x0305) stop.sides = (u8)sides;
    if (chance(random, 1)) stop.sides += 2;
    PUT(stop.reason, book_pick_name(random));
    if (chance(random, 1)) stop.reserved[below(random, sizeof stop.reserved)] = 1;
    memcpy(out, &stop, sizeof stop);
    return sizeof stop;
}

// --- limits --------------------------------------------------------------------------------------

static u32 pick_cell(struct book_random *random)
{
    static const u32 odd[] = {0, 99, U32_MAX};
    const u64 cell = below(random, CELLS);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 95) ? 1 + (u32)cell : odd[odd_one];
}

// Mostly one of those that were opened lately, as far as the generator can know.
static u32 pick_constraint(struct book_random *random)
{
    const u64 near = below(random, 12);
    const u64 any = below(random, random->next_constraint + 2);
    return chance(random, 80) ? (u32)(random->next_constraint - MIN(near, any)) : (u32)any;
}

static u32 make_cell(struct book_random *random, u8 *out)
{
    struct cell_open open = {0};
    open.cell = pick_cell(random);
    PUT(open.name, book_pick_name(random));
    if (chance(random, 2)) open.reserved[below(random, sizeof open.reserved)] = 1;
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_member(struct book_random *random, u8 *out)
{
    struct cell_add member = {0};
    member.cell = pick_cell(random);
    member.book = book_pick_book(random);
    member.account_id = book_pick_account(random);
    if (chance(random, 15)) member.book = 1; // One account that is in many.
    if (member.book == 1 && chance(random, 60)) member.account_id = 1;
    if (chance(random, 5)) member.account_id = BOOK_SUSPENSE_ID;
    if (chance(random, 2)) member.reserved = 1ull << below(random, 64);
    memcpy(out, &member, sizeof member);
    return sizeof member;
}

static i128 pick_bound(struct book_random *random)
{
    const i128 large = (i128)1 << 126;
    const u64 loose = below(random, 20000);
    const u64 tight = below(random, 400);
    const u64 odd = below(random, 6);
    if (chance(random, 3))
        return odd < 2 ? -large : odd < 4 ? large : odd < 5 ? large + 1 : -large - 1;
    return chance(random, 70) ? -(i128)loose : 200 - (i128)tight;
}

static u32 put_terms(struct book_random *random, u8 *out, u32 most)
{
    static const i64 large[] = {INT64_MAX, INT64_MIN, (i64)1 << 61, -((i64)1 << 40)};
    const u64 draw = below(random, most);
    const u32 count = chance(random, 98) ? 1 + (u32)draw : 0;
    for (u32 i = 0; i < count; i++) {
        struct constraint_term term = {0};
        const u64 small = below(random, 6);
        const u64 large_one = below(random, ARRAY_COUNT(large));
        term.cell = pick_cell(random);
        term.coefficient = (i64)small - 2;
        if (small == 2 && chance(random, 80)) term.coefficient = 1;
        if (chance(random, 3)) term.coefficient = large[large_one];
        if (chance(random, 1)) term.reserved = 1;
        memcpy(out + i * sizeof term, &term, sizeof term);
    }
    return count;
}

static u32 make_constraint(struct book_random *random, u8 *out)
{
    struct constraint_open open = {0};
    const u64 back = below(random, 8);
    random->next_constraint++;
    open.constraint = random->next_constraint - (chance(random, 10) ? (u32)back : 0);
    if (chance(random, 2)) open.constraint = 0;
    open.bound = pick_bound(random);
    PUT(open.name, book_pick_name(random));
    if (chance(random, 1)) open.reserved[below(random, sizeof open.reserved)] = 1;
    if (chance(random, 1)) open.reserved_2[below(random, sizeof open.reserved_2)] = 1;
    open.terms_count = put_terms(random, out + sizeof open, 3);
    memcpy(out, &open, sizeof open);
    return (u32)(sizeof open + open.terms_count * sizeof(struct constraint_term));
}

static u32 make_constraint_set(struct book_random *random, u8 *out)
{
    struct constraint_set set = {0};
    set.constraint = pick_constraint(random);
    set.nature = chance(random, 50);
    set.set_bound = chance(random, 60);
    if (set.set_bound || chance(random, 5)) set.bound = pick_bound(random);
    if (chance(random, 1)) set.nature = 2;
    if (chance(random, 1)) set.reserved[below(random, sizeof set.reserved)] = 1;
    if (chance(random, 60)) set.terms_count = put_terms(random, out + sizeof set, 2);
    memcpy(out, &set, sizeof set);
    return (u32)(sizeof set + set.terms_count * sizeof(struct constraint_term));
}

static u32 make_constraint_close(struct book_random *random, u8 *out)
{
    struct constraint_close close = {0};
    close.constraint = pick_constraint(random);
    if (chance(random, 2)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

static u32 make_settle(struct book_random *random, u8 *out)
{
    struct breach_settle settle = {0};
    settle.breach = below(random, 60);
    if (chance(random, 2)) settle.reserved = 1ull << below(random, 64);
    memcpy(out, &settle, sizeof settle);
    return sizeof settle;
}

static u16 pick_limit_record(struct book_random *random)
{
    static const u16 records[] = {0x0601, 0x0602, 0x0602, 0x0602, 0x0603, 0x0604,
                                  0x0605, 0x0605, 0x0606, 0x0607, 0x0607};
    return records[below(random, ARRAY_COUNT(records))];
}

// --- steps ---------------------------------------------------------------------------------------

static u32 make_record(struct book_random *random, u16 record, u8 *out)
{
    switch (record) {
    case 0x0201: return make_entity(random, out);
    case 0x0202: return make_calendar(random, out);
    case 0x0203: return make_mark(random, out);
    case 0x0204: return make_day_close(random, out);
    case 0x0205: return make_period_close(random, out);
    case 0x0301: return make_asset(random, out);
    case 0x0302: return make_code(random, out);
    case 0x0303: return make_book(random, out);
    case 0x0304: return make_account(random, out);
    case 0x0601: return make_cell(random, out);
    case 0x0602:
    case 0x0603: return make_member(random, out);
    case 0x0604: return make_constraint(random, out);
    case 0x0605: return make_constraint_set(random, out);
    case 0x0606: return make_constraint_close(random, out);
    case 0x0607: return make_settle(random, out);
    case 0x0305:
    case 0x0306:
    case 0x0307:
    case 0x0308: return make_stop(random, record, out);
    default: return book_random_entry_record(random, record, out);
    }
}

// More of what others need at the beginning, more entries later.
static u16 pick_record(struct book_random *random)
{
    const u64 draw = below(random, 100);
    const u64 early = random->steps < BEGINNING ? 1 : 4;
    const u64 of_days = below(random, 100);
    const bool freezes = chance(random, 40);
    if (chance(random, 15)) return pick_limit_record(random);
    if (of_days < 3) return 0x0203;
    if (of_days < 11) return 0x0204;
    if (of_days < 13) return 0x0205;
    if (draw < 4 / early) return 0x0202;
    if (draw < 16 / early) return 0x0201;
    if (draw < 24 / early) return 0x0301;
    if (draw < 36 / early) return 0x0302;
    if (draw < 52 / early) return 0x0303;
    if (draw < 80 / early) return 0x0304;
    if (of_days < 14) return freezes ? 0x0305 : 0x0306;
    if (of_days < 16) return 0x0306;
    if (of_days < 18) return 0x0307;
    if (of_days < 22) return 0x0308;
    return book_random_entry_pick(random);
}

static void make_command(struct book_random *random, struct book_command *command)
{
    static const u16 unknown[] = {0x0200, 0x02f6, 0x0310, 0x0320, 0x04f2, 0x0430, 0x1101};
    *command = (struct book_command){.body = random->body};
    command->record = pick_record(random);
    command->id = random->next_id++;
    command->principal = pick_principal(random);
    if (command->record >= 0x0305 && command->record <= 0x0308 && chance(random, 20)) {
        command->principal = 1;
    }
    const u64 more = below(random, RECORDS_MAX);
    const u64 count = chance(random, 70) ? 1 : 1 + more;
    for (u64 i = 0; i < count; i++) {
        const u32 at = (command->size + BOOK_MODEL_ALIGNMENT - 1) & ~(BOOK_MODEL_ALIGNMENT - 1);
        memset(random->body + command->size, 0, at - command->size);
        command->size = at + make_record(random, command->record, random->body + at);
        command->count++;
    }
    const u64 unknown_one = below(random, ARRAY_COUNT(unknown));
    const u64 claim = below(random, 4);
    if (chance(random, 1)) command->count = (u32)claim;
    if (chance(random, 1)) command->size -= BOOK_MODEL_ALIGNMENT;
    if (chance(random, 1)) command->record = unknown[unknown_one];
    if (command->size > BOOK_RANDOM_RECENT_SIZE) return;
    struct book_recent *recent = &random->recent[random->recent_count++ % BOOK_RANDOM_RECENT_MAX];
    recent->command = *command;
    memcpy(recent->body, random->body, command->size);
}

// An earlier command, as it was or almost.
static void repeat_command(struct book_random *random, struct book_command *command)
{
    const u32 count = MIN(random->recent_count, BOOK_RANDOM_RECENT_MAX);
    const struct book_recent *recent = &random->recent[below(random, count)];
    *command = recent->command;
    command->body = random->body;
    memcpy(random->body, recent->body, command->size);
    const u64 at = below(random, MAX(command->size, 1u));
    switch (below(random, 8)) {
    case 0: command->principal++; break;
    case 1: random->body[at] ^= 1; break;
    case 2: command->record = command->record == 0x0304 ? 0x0303 : 0x0304; break;
    case 3: command->size -= MIN(command->size, 16u); break;
    default: break;
    }
}

// Raw accounts are on numbers of their own, but for one that is contested.
static void make_raw_accounts(struct book_random *random, struct book_step *step)
{
    const u64 count = 1 + below(random, BOOK_RANDOM_ACCOUNTS_MAX);
    const bool is_chain = chance(random, 50);
    step->kind = BOOK_STEP_RAW_ACCOUNTS;
    step->account_count = (u32)count;
    for (u32 i = 0; i < count; i++) {
        const u64 id = below(random, RAW_IDS);
        const u64 number = below(random, 3);
        step->accounts[i] = (struct account){
            .id = chance(random, 98) ? 1 + id : 0,
            .ledger = chance(random, 98) ? random->numbers_max + (u32)number : 0,
            .code = 1,
            .flags = is_chain && i + 1 < count ? ACCOUNT_LINKED : 0,
        };
    }
}

static void make_raw_transfer(struct book_random *random, struct book_step *step)
{
    const u64 debit = below(random, RAW_IDS);
    const u64 credit = below(random, RAW_IDS);
    const u64 number = below(random, 3);
    step->kind = BOOK_STEP_RAW_TRANSFER;
    step->transfer = (struct transfer){
        .id = random->next_id++,
        .debit_account_id = 1 + debit,
        .credit_account_id = 1 + credit,
        .ledger = random->numbers_max + (u32)number,
        .code = 1,
    };
    step->transfer.amount = book_pick_amount(random);
}

void book_random_next(struct book_random *random, struct book_step *step)
{
    memset(step, 0, sizeof *step);
    random->steps++;
    const u64 draw = below(random, 1000);
    const bool expire = chance(random, 1);
    if (draw < 4) step->kind = BOOK_STEP_RESTART;
    else if (draw < 8) step->kind = BOOK_STEP_CHECKPOINT;
    else if (expire) step->kind = BOOK_STEP_EXPIRE;
    else if (draw < 40) make_raw_accounts(random, step);
    else if (draw < 70) make_raw_transfer(random, step);
    else if (draw < 110 && random->recent_count > 0) repeat_command(random, &step->command);
    else make_command(random, &step->command);
}
