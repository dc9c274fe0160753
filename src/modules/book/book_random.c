// SPDX-License-Identifier: Apache-2.0
//
// The generator of book_random.h.
//
// A record is made good first, as far as the generator can know, and then, now and then, damaged.
// Draws are statements of their own: the order in which operands and arguments are evaluated is the
// compiler's, and it must not matter.
#include "modules/book/book_random.h"

#include <stdio.h>

#define PRINCIPALS  3u
#define CHARTS      3u
#define CODES       4u
#define ENTITIES    6u
#define RECORDS_MAX 6u
#define RAW_IDS     12u
#define LEGS_MAX    255u

static u64 below(struct book_random *random, u64 bound)
{
    return random_below(&random->random, bound);
}

static bool chance(struct book_random *random, u32 percent)
{
    return random_chance(&random->random, percent);
}

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

static u64 pick_principal(struct book_random *random)
{
    const u64 other = below(random, PRINCIPALS);
    return chance(random, 95) ? 5 : 5 + other;
}

// --- texts ---------------------------------------------------------------------------------------

static void put_text(char *field, size_t room, const char *text)
{
    const size_t size = strlen(text);
    memcpy(field, text, MIN(size, room));
}
#define PUT(field, text) put_text(field, sizeof(field), text)

static const char *pick_name(struct book_random *random)
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

static u32 pick_book(struct book_random *random)
{
    static const u32 odd[] = {0, U32_MAX, 99};
    const u64 book = below(random, random->numbers_max);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 99) ? 1 + (u32)book : odd[odd_one];
}

static u128 pick_account(struct book_random *random)
{
    static const u128 odd[] = {0, U128_MAX, U128_MAX - 1, U128_MAX - 2, 999};
    const u64 id = below(random, random->ids_max);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 99) ? 1 + id : odd[odd_one];
}

// --- records -------------------------------------------------------------------------------------

// A day of a span of so many, or an odd one. The open days of entities begin in the first of it.
static i32 pick_day(struct book_random *random, u32 span)
{
    static const i32 odd[] = {INT32_MIN, -1, 0, 1, 2932895, 2932896, 2932896, 2932897, INT32_MAX};
    const u64 day = below(random, span);
    const u64 odd_one = below(random, ARRAY_COUNT(odd));
    return chance(random, 92) ? 20000 + (i32)day : odd[odd_one];
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
        day.day = 20000 + (i32)below(random, 24);
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
    close.day = pick_day(random, 16);
    if (chance(random, 1)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

static u32 make_period_close(struct book_random *random, u8 *out)
{
    struct period_close close = {0};
    const u64 id = below(random, ENTITIES + 2);
    close.entity_id = id;
    close.through = pick_day(random, 16);
    if (chance(random, 1)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

static u32 make_entity(struct book_random *random, u8 *out)
{
    struct entity_open open = {0};
    const u64 id = below(random, ENTITIES + 1);
    open.entity_id = id;
    open.day = pick_day(random, 3);
    if (chance(random, 60)) PUT(open.calendar, pick_calendar(random));
    PUT(open.name, pick_name(random));
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
    if (chance(random, 50)) PUT(open.name, pick_name(random));
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
    PUT(add.name, pick_name(random));
    if (chance(random, 40)) PUT(add.line, pick_name(random));
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
    open.book = pick_book(random);
    open.chart = pick_chart(random);
    open.entity_id = entity;
    PUT(open.asset, row->asset);
    PUT(open.name, pick_name(random));
    if (chance(random, 2)) open.reserved = 1ull << below(random, 64);
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_account(struct book_random *random, u8 *out)
{
    struct book_account_open open = {0};
    open.account_id = pick_account(random);
    open.book = pick_book(random);
    open.code = pick_code(random);
    const u64 flags = below(random, 4);
    if (chance(random, 40)) open.flags = (u16)(flags * 2);
    if (chance(random, 2)) open.flags |= 1;
    const u64 owner = below(random, PRINCIPALS);
    if (chance(random, 5)) open.owner = 5 + owner;
    PUT(open.name, pick_name(random));
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u128 pick_amount(struct book_random *random)
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

static void put_leg(struct book_random *random, u8 *out, u32 i, u32 book, u8 side, u128 amount)
{
    struct entry_leg leg = {.book = book, .side = side, .amount = amount};
    leg.account_id = pick_account(random);
    memcpy(out + sizeof(struct entry_post) + i * sizeof leg, &leg, sizeof leg);
}

// Legs of one book that balance: some of one side, and their sum in parts on the other. Returns
// where the next leg goes.
static u32 put_book(struct book_random *random, u8 *out, u32 from, u32 room, u32 book)
{
    const u64 draw = below(random, 4);
    const u32 firsts = 1 + (u32)MIN(draw, (u64)(room - 2));
    const u8 side = chance(random, 50) ? SIDE_DEBIT : SIDE_CREDIT;
    const u8 other = side == SIDE_DEBIT ? SIDE_CREDIT : SIDE_DEBIT;
    u128 sum = 0;
    u32 at = from;
    for (u32 i = 0; i < firsts; i++) {
        const u128 amount = pick_amount(random);
        sum += amount;
        put_leg(random, out, at++, book, side, amount);
    }
    const u64 parts = 1 + below(random, MIN(room - firsts, 4u));
    for (u64 i = 1; i < parts && sum > 1; i++) {
        const u128 part = sum / (1 + below(random, 4));
        if (part == sum) break;
        sum -= part;
        put_leg(random, out, at++, book, other, part);
    }
    put_leg(random, out, at++, book, other, sum);
    return at;
}

static void swap_legs(struct book_random *random, u8 *out, u32 count)
{
    struct entry_leg a;
    struct entry_leg b;
    for (u32 i = 0; i < count; i++) {
        u8 *at = out + sizeof(struct entry_post) + i * sizeof a;
        const u64 j = below(random, count);
        u8 *with = out + sizeof(struct entry_post) + j * sizeof a;
        memcpy(&a, at, sizeof a);
        memcpy(&b, with, sizeof b);
        memcpy(at, &b, sizeof b);
        memcpy(with, &a, sizeof a);
    }
}

static void damage_leg(struct book_random *random, u8 *leg_at)
{
    struct entry_leg leg;
    memcpy(&leg, leg_at, sizeof leg);
    switch (below(random, 8)) {
    case 0: leg.amount = 0; break;
    case 1: leg.amount += 1; break;
    case 2: leg.amount -= 1; break;
    case 3: leg.side = 0; break;
    case 4: leg.side = 3; break;
    case 5: leg.side = SIDE_DEBIT; break;
    case 6: leg.reserved[below(random, sizeof leg.reserved)] = 1; break;
    default: leg.book = pick_book(random); break;
    }
    memcpy(leg_at, &leg, sizeof leg);
}

// Many legs of few accounts.
static u32 put_long(struct book_random *random, u8 *out)
{
    const u64 draw = below(random, 8);
    const u32 count = LEGS_MAX - (u32)draw;
    const u32 book = pick_book(random);
    for (u32 i = 1; i < count; i++) put_leg(random, out, i, book, SIDE_DEBIT, 1 + i % 3);
    u128 sum = 0;
    for (u32 i = 1; i < count; i++) sum += 1 + i % 3;
    put_leg(random, out, 0, book, SIDE_CREDIT, sum);
    return count;
}

// An entry that was made before, byte for byte. Returns its size; 0 when there is none.
static u32 repeat_entry(struct book_random *random, u8 *out)
{
    const u32 count = MIN(random->recent_count, BOOK_RANDOM_RECENT_MAX);
    const u64 from = below(random, BOOK_RANDOM_RECENT_MAX);
    for (u32 i = 0; i < count; i++) {
        const struct book_recent *recent = &random->recent[(from + i) % count];
        const struct entry_post *post = (const void *)recent->body;
        const u64 size = sizeof *post + (u64)post->legs_count * sizeof(struct entry_leg);
        if (recent->command.record != 0x0401 || size > recent->command.size) continue;
        memcpy(out, recent->body, size);
        return (u32)size;
    }
    return 0;
}

static u32 make_entry(struct book_random *random, u8 *out)
{
    struct entry_post post = {0};
    const u64 back = below(random, 20);
    const u64 code = below(random, 65536);
    const u32 repeated = chance(random, 5) ? repeat_entry(random, out) : 0;
    if (repeated > 0) return repeated;
    post.entry_id = random->next_entry++;
    if (chance(random, 8)) post.entry_id -= MIN((u128)back, post.entry_id - 1);
    if (chance(random, 2)) post.entry_id = 0;
    if (chance(random, 30)) post.day = pick_day(random, 5);
    if (chance(random, 50)) post.code = (u16)code;
    if (chance(random, 2)) post.reserved[below(random, sizeof post.reserved)] = 1;
    u32 count = 0;
    const u64 books = 1 + below(random, 10) / 6 + below(random, 10) / 8;
    if (chance(random, 1)) {
        count = put_long(random, out);
    } else {
        for (u64 i = 0; i < books; i++) {
            const u32 book = pick_book(random);
            count = put_book(random, out, count, 16, book);
        }
        if (chance(random, 30)) swap_legs(random, out, count);
        if (chance(random, 2)) count = 1;
    }
    if (chance(random, 8)) {
        const u64 i = below(random, count);
        damage_leg(random, out + sizeof post + i * sizeof(struct entry_leg));
    }
    post.legs_count = count;
    memcpy(out, &post, sizeof post);
    return (u32)(sizeof post + count * sizeof(struct entry_leg));
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
    default: return make_entry(random, out);
    }
}

// More of what others need at the beginning, more entries later.
static u16 pick_record(struct book_random *random)
{
    const u64 draw = below(random, 100);
    const u64 early = random->steps < 600 ? 1 : 4;
    const u64 of_days = below(random, 100);
    if (of_days < 3) return 0x0203;
    if (of_days < 11) return 0x0204;
    if (of_days < 13) return 0x0205;
    if (draw < 4 / early) return 0x0202;
    if (draw < 16 / early) return 0x0201;
    if (draw < 24 / early) return 0x0301;
    if (draw < 36 / early) return 0x0302;
    if (draw < 52 / early) return 0x0303;
    if (draw < 80 / early) return 0x0304;
    return 0x0401;
}

static void make_command(struct book_random *random, struct book_command *command)
{
    static const u16 unknown[] = {0x0200, 0x0206, 0x0310, 0x0320, 0x0402, 0x0430, 0x0600};
    *command = (struct book_command){.body = random->body};
    command->record = pick_record(random);
    command->id = random->next_id++;
    command->principal = pick_principal(random);
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
    step->transfer.amount = pick_amount(random);
}

void book_random_next(struct book_random *random, struct book_step *step)
{
    memset(step, 0, sizeof *step);
    random->steps++;
    const u64 draw = below(random, 1000);
    if (draw < 4) step->kind = BOOK_STEP_RESTART;
    else if (draw < 8) step->kind = BOOK_STEP_CHECKPOINT;
    else if (draw < 40) make_raw_accounts(random, step);
    else if (draw < 70) make_raw_transfer(random, step);
    else if (draw < 110 && random->recent_count > 0) repeat_command(random, &step->command);
    else make_command(random, &step->command);
}
