// SPDX-License-Identifier: Apache-2.0
//
// The generator of book_random.h: entries, holds, reversals, rules.
#include "modules/book/book_random_internal.h"

#define LEGS_MAX 255u
#define RULES    6u // Pairs, and as many conversions.

// --- legs ----------------------------------------------------------------------------------------

static void put_leg(struct book_random *random, u8 *out, u32 i, u32 book, u8 side, u128 amount)
{
    struct entry_leg leg = {.book = book, .side = side, .amount = amount};
    leg.account_id = book_pick_account(random);
    memcpy(out + i * sizeof leg, &leg, sizeof leg);
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
        const u128 amount = book_pick_amount(random);
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
        u8 *at = out + i * sizeof a;
        const u64 j = below(random, count);
        u8 *with = out + j * sizeof a;
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
    default: leg.book = book_pick_book(random); break;
    }
    memcpy(leg_at, &leg, sizeof leg);
}

// Many legs of few accounts.
static u32 put_long(struct book_random *random, u8 *out)
{
    const u64 draw = below(random, 8);
    const u32 count = LEGS_MAX - (u32)draw;
    const u32 book = book_pick_book(random);
    for (u32 i = 1; i < count; i++) put_leg(random, out, i, book, SIDE_DEBIT, 1 + i % 3);
    u128 sum = 0;
    for (u32 i = 1; i < count; i++) sum += 1 + i % 3;
    put_leg(random, out, 0, book, SIDE_CREDIT, sum);
    return count;
}

// A debit and a credit of the same amount.
static u32 put_pair(struct book_random *random, u8 *out)
{
    const u32 book = book_pick_book(random);
    const u128 amount = book_pick_amount(random);
    put_leg(random, out, 0, book, SIDE_DEBIT, amount);
    put_leg(random, out, 1, book, SIDE_CREDIT, amount);
    return 2;
}

// Legs of an entry or a hold: mostly good ones. Returns how many.
static u32 put_legs(struct book_random *random, u8 *out)
{
    u32 count = 0;
    if (chance(random, 60)) return put_pair(random, out);
    const u64 books = 1 + below(random, 10) / 6 + below(random, 10) / 8;
    if (chance(random, 1)) {
        count = put_long(random, out);
    } else {
        for (u64 i = 0; i < books; i++) {
            const u32 book = book_pick_book(random);
            count = put_book(random, out, count, 16, book);
        }
        if (chance(random, 30)) swap_legs(random, out, count);
        if (chance(random, 2)) count = 1;
    }
    if (chance(random, 8)) {
        const u64 i = below(random, count);
        damage_leg(random, out + i * sizeof(struct entry_leg));
    }
    return count;
}

// --- entries -------------------------------------------------------------------------------------

// A record that was made before, byte for byte. Returns its size; 0 when there is none.
static u32 repeat_record(struct book_random *random, u16 record, u8 *out)
{
    const u32 count = MIN(random->recent_count, BOOK_RANDOM_RECENT_MAX);
    const u64 from = below(random, BOOK_RANDOM_RECENT_MAX);
    for (u32 i = 0; i < count; i++) {
        const struct book_recent *recent = &random->recent[(from + i) % count];
        if (recent->command.record != record || recent->command.count != 1) continue;
        memcpy(out, recent->body, recent->command.size);
        return recent->command.size;
    }
    return 0;
}

// What every record begins with: a new id, or one that was there before.
static struct posting_references pick_references(struct book_random *random)
{
    struct posting_references references = {0};
    const u64 back = below(random, 20);
    const u64 refers = below(random, 16);
    references.id = random->next_entry++;
    if (chance(random, 4)) references.id -= MIN((u128)back, references.id - 1);
    if (chance(random, 1)) references.id = 0;
    if (refers == 1) references.order_id = U128_MAX - back;
    if (refers == 2) references.scenario = back;
    if (refers == 3) references.purpose = (u32)back;
    if (chance(random, 30)) references.day = book_pick_day(random, 5);
    return references;
}

static u32 make_entry(struct book_random *random, u8 *out)
{
    struct entry_post post = {0};
    const struct posting_references references = pick_references(random);
    const u64 code = below(random, 65536);
    memcpy(&post, &references, sizeof references);
    if (chance(random, 50)) post.code = (u16)code;
    if (chance(random, 20)) post.nature = 1;
    if (chance(random, 1)) post.nature = 2;
    if (chance(random, 2)) post.reserved[below(random, sizeof post.reserved)] = 1;
    post.legs_count = put_legs(random, out + sizeof post);
    memcpy(out, &post, sizeof post);
    return (u32)(sizeof post + post.legs_count * sizeof(struct entry_leg));
}

// --- holds ---------------------------------------------------------------------------------------

static u32 make_hold(struct book_random *random, u8 *out)
{
    struct entry_hold hold = {0};
    const struct posting_references references = pick_references(random);
    const u64 code = below(random, 65536);
    const u64 timeout = 1 + below(random, BOOK_RANDOM_EXPIRY_S - 10);
    memcpy(&hold, &references, sizeof references);
    if (chance(random, 50)) hold.code = (u16)code;
    if (chance(random, 50)) PUT(hold.name, book_pick_name(random));
    if (chance(random, 25) && !random->never_expires) hold.timeout_s = (u32)timeout;
    if (chance(random, 1)) hold.reserved[below(random, sizeof hold.reserved)] = 1;
    if (chance(random, 1)) hold.reserved_2[below(random, sizeof hold.reserved_2)] = 1;
    hold.legs_count = put_legs(random, out + sizeof hold);
    memcpy(out, &hold, sizeof hold);
    random->holds[random->hold_count++ % BOOK_RANDOM_HOLDS_MAX] = hold.entry_id;
    return (u32)(sizeof hold + hold.legs_count * sizeof(struct entry_leg));
}

// One of the last holds, as far as the generator can know, or an odd id.
static u128 pick_hold(struct book_random *random)
{
    const u64 one = below(random, BOOK_RANDOM_HOLDS_MAX);
    const u64 back = below(random, 40);
    return chance(random, 95) ? random->holds[one] : random->next_entry - MIN(back, 1u);
}

static u32 make_hold_post(struct book_random *random, u8 *out)
{
    struct entry_hold_post post = {0};
    const struct posting_references references = pick_references(random);
    memcpy(&post, &references, sizeof references);
    post.hold_id = pick_hold(random);
    const u128 amount = book_pick_amount(random);
    if (chance(random, 50)) post.amount = amount;
    memcpy(out, &post, sizeof post);
    return sizeof post;
}

static u32 make_hold_void(struct book_random *random, u8 *out)
{
    struct entry_hold_void give = {0};
    const struct posting_references references = pick_references(random);
    memcpy(&give, &references, sizeof references);
    give.day = chance(random, 1);
    give.hold_id = pick_hold(random);
    memcpy(out, &give, sizeof give);
    return sizeof give;
}

// --- reversals -----------------------------------------------------------------------------------

static u32 make_reverse(struct book_random *random, u8 *out)
{
    struct entry_reverse reverse = {0};
    const struct posting_references references = pick_references(random);
    const u64 near = below(random, 16);
    const u64 far = below(random, 400);
    const u64 code = below(random, 65536);
    const u64 parts = 1 + below(random, 3);
    memcpy(&reverse, &references, sizeof references);
    reverse.reversed_id = random->next_entry - (chance(random, 80) ? near : far);
    if (chance(random, 5)) reverse.reversed_id = pick_hold(random);
    if (chance(random, 25)) reverse.reversed_id = random->reversed_id;
    random->reversed_id = reverse.reversed_id;
    if (chance(random, 20)) reverse.code = (u16)code;
    if (chance(random, 1)) reverse.reserved[below(random, sizeof reverse.reserved)] = 1;
    if (chance(random, 50)) reverse.parts_count = (u32)parts;
    for (u32 i = 0; i < reverse.parts_count; i++) {
        struct entry_part part = {.posting = i};
        const u64 posting = below(random, 4);
        const u64 small = below(random, 12);
        const u128 any = book_pick_amount(random);
        if (chance(random, 20)) part.posting = (u32)posting;
        part.amount = chance(random, 70) ? small : any;
        if (chance(random, 1)) part.reserved[below(random, sizeof part.reserved)] = 1;
        memcpy(out + sizeof reverse + i * sizeof part, &part, sizeof part);
    }
    memcpy(out, &reverse, sizeof reverse);
    return (u32)(sizeof reverse + reverse.parts_count * sizeof(struct entry_part));
}

// --- rules ---------------------------------------------------------------------------------------

// Ids of pairs, then those of conversions; now and then one of the others, or 0.
static u128 pick_rule(struct book_random *random, bool is_conversion)
{
    const u64 one = below(random, RULES);
    const u64 any = below(random, 2 * RULES + 2);
    return chance(random, 90) ? 1 + one + (is_conversion ? RULES : 0) : any;
}

// An account that rules may have, mostly.
static u128 pick_pool(struct book_random *random)
{
    const u64 one = below(random, ACCOUNTS_OF_RULES);
    const u128 other = book_pick_account(random);
    return chance(random, 95) ? random->ids_max + 1 + one : other;
}

static u32 make_due(struct book_random *random, u8 *out)
{
    struct due_open open = {.rule_id = pick_rule(random, false)};
    open.a_book = book_pick_book(random);
    open.b_book = book_pick_book(random);
    open.a_account = pick_pool(random);
    open.b_account = pick_pool(random);
    open.reserved = chance(random, 1);
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

static u32 make_conversion(struct book_random *random, u8 *out)
{
    struct conversion_open open = {.rule_id = pick_rule(random, true)};
    const u64 rounding = below(random, 5);
    open.a_book = book_pick_book(random);
    open.b_book = book_pick_book(random);
    open.a_pool = pick_pool(random);
    open.b_pool = pick_pool(random);
    open.dust_account = pick_pool(random);
    if (chance(random, 20)) open.dust_account = 0;
    open.rounding = chance(random, 99) ? (u8)rounding : 5;
    if (chance(random, 1)) open.reserved[below(random, sizeof open.reserved)] = 1;
    memcpy(out, &open, sizeof open);
    return sizeof open;
}

// What is due, or a conversion: their fields are in the same places.
static u32 make_order(struct book_random *random, bool is_conversion, u8 *out)
{
    struct due_post post = {0};
    const struct posting_references references = pick_references(random);
    const u64 factor = below(random, 4);
    memcpy(&post, &references, sizeof references);
    post.rule_id = pick_rule(random, is_conversion);
    post.from_account = book_pick_account(random);
    post.to_account = book_pick_account(random);
    if (chance(random, 3)) post.from_account = pick_pool(random);
    post.amount = book_pick_amount(random);
    if (factor == 0) post.amount *= 50; // Halves of two decimals.
    if (factor == 1) post.amount *= 5000;
    post.from_book = book_pick_book(random);
    const u64 code = below(random, 65536);
    if (chance(random, 30)) post.code = (u16)code;
    if (chance(random, 1)) post.reserved[below(random, sizeof post.reserved)] = 1;
    memcpy(out, &post, sizeof post);
    return sizeof post;
}

static u32 make_year(struct book_random *random, u8 *out)
{
    struct year_close close = {0};
    const struct posting_references references = pick_references(random);
    const u64 skip = below(random, 8);
    memcpy(&close, &references, sizeof references);
    close.day = 20027; // 2024-10-31
    const i32 other = book_pick_day(random, 5);
    if (chance(random, 10)) close.day = other;
    close.retained_account = book_pick_account(random);
    close.book = book_pick_book(random);
    if (chance(random, 15)) close.skip = (u32)skip;
    if (chance(random, 1)) close.reserved[below(random, sizeof close.reserved)] = 1;
    memcpy(out, &close, sizeof close);
    return sizeof close;
}

u16 book_random_entry_pick(struct book_random *random)
{
    static const u16 records[] = {0x0402, 0x0402, 0x0402, 0x0403, 0x0403, 0x0403, 0x0404,
                                  0x0405, 0x0405, 0x0405, 0x0405, 0x0406, 0x0407, 0x0407,
                                  0x0407, 0x0408, 0x0409, 0x0409, 0x0409, 0x040a, 0x040a};
    const u64 one = below(random, ARRAY_COUNT(records));
    return chance(random, 40) ? 0x0401 : records[one];
}

u32 book_random_entry_record(struct book_random *random, u16 record, u8 *out)
{
    const u32 repeated = chance(random, 5) ? repeat_record(random, record, out) : 0;
    if (repeated > 0) return repeated;
    switch (record) {
    case 0x0402: return make_hold(random, out);
    case 0x0403: return make_hold_post(random, out);
    case 0x0404: return make_hold_void(random, out);
    case 0x0405: return make_reverse(random, out);
    case 0x0406: return make_due(random, out);
    case 0x0407: return make_order(random, false, out);
    case 0x0408: return make_conversion(random, out);
    case 0x0409: return make_order(random, true, out);
    case 0x040a: return make_year(random, out);
    default: return make_entry(random, out);
    }
}
