// SPDX-License-Identifier: Apache-2.0
//
// The generator of ledger_random.h.
//
// An account's ledger, code and flags follow from its id, so that asking again usually finds it as
// it is. A transfer is made good first, as far as the generator can know, and then, with the
// probability of the configuration, damaged in one field.
#include "ledger/ledger_random.h"

struct ledger_random_config ledger_random_config_default(void)
{
    return (struct ledger_random_config){
        .timestamp_start = LEDGER_TIMESTAMP_MAX - (1ull << 56), // Two years before the end.
        .batch_max = 16,
        .accounts_window = 24,
        .invalid_percent = 12,
        .imported_percent = 12,
        .chain_percent = 8,
        .question_percent = 25,
    };
}

void ledger_random_init(struct ledger_random *random, u64 seed, struct ledger_random_config config)
{
    assert(config.batch_max >= 1 && config.batch_max <= LEDGER_RANDOM_BATCH_MAX);
    assert(config.accounts_window >= 4);
    assert(config.timestamp_start < LEDGER_TIMESTAMP_MAX);
    *random = (struct ledger_random){
        .seed = seed,
        .config = config,
        .now = config.timestamp_start,
        .accounts_first = 1,
        .transfers_next = 1,
    };
    random_init(&random->random, seed);
}

u128 ledger_random_accounts_end(const struct ledger_random *random)
{
    return random->accounts_first + random->config.accounts_window + 8;
}

static u64 below(struct ledger_random *random, u64 bound)
{
    return random_below(&random->random, bound);
}

// The lower of two draws. Draws are statements of their own all over this file: the order in which
// operands, arguments and initialisers are evaluated is the compiler's, and it must not matter.
static u64 lower_of_two(struct ledger_random *random, u64 bound)
{
    const u64 a = below(random, bound);
    const u64 b = below(random, bound);
    return MIN(a, b);
}

static bool chance(struct ledger_random *random, u32 percent)
{
    return random_chance(&random->random, percent);
}

// --- Accounts -----------------------------------------------------------------------------------

static u128 pick_account_id(struct ledger_random *random)
{
    return random->accounts_first + below(random, random->config.accounts_window);
}

// What an account of that id is like; always the same.
static struct account account_of(u128 id)
{
    struct random traits;
    random_init(&traits, (u64)id);
    struct account account = {.id = id};
    account.ledger = random_chance(&traits, 85) ? 1 : 2;
    account.code = (u16)random_between(&traits, 1, 3);
    account.user_data_128 = random_below(&traits, 3);
    account.user_data_64 = random_below(&traits, 3);
    account.user_data_32 = (u32)random_below(&traits, 3);
    const u64 limit = random_below(&traits, 5);
    if (limit == 0) account.flags |= ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    if (limit == 1) account.flags |= ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    if (random_chance(&traits, 40)) account.flags |= ACCOUNT_HISTORY;
    if (random_chance(&traits, 3)) account.flags |= ACCOUNT_CLOSED;
    return account;
}

static void damage_account(struct ledger_random *random, struct account *a)
{
    switch (below(random, 17)) {
    case 0: a->timestamp = 1 + below(random, 3); break;
    case 1: a->reserved = 1; break;
    case 2: a->flags |= (u16)(64u << below(random, 10)); break;
    case 3: a->id = 0; break;
    case 4: a->id = U128_MAX; break;
    case 5: a->flags ^= ACCOUNT_HISTORY; break;
    case 6: a->user_data_128 += 1; break;
    case 7: a->user_data_64 += 1; break;
    case 8: a->user_data_32 += 1; break;
    case 9: a->ledger = 3 - MIN(a->ledger, 2u); break;
    case 10: a->code += 1; break;
    case 11:
        a->flags |= ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
        break;
    case 12: a->debits_pending = 1; break;
    case 13: a->debits_posted = 1; break;
    case 14: a->credits_pending = 1; break;
    case 15: a->credits_posted = 1; break;
    case 16:
        if (chance(random, 50)) a->ledger = 0;
        else a->code = 0;
        break;
    default: assert(false);
    }
}

// --- Imports ------------------------------------------------------------------------------------

// A timestamp for an imported event whose kind has `last` as its last one; mostly a good one.
static u64 pick_imported_timestamp(struct ledger_random *random, u64 last)
{
    const u64 gap = random->now > last ? random->now - last : 1;
    const u64 back = below(random, 3);
    switch (below(random, 16)) {
    case 0: return below(random, 2) == 0 ? 0 : LEDGER_TIMESTAMP_MAX + below(random, 3);
    case 1: return random->now + below(random, 100);
    case 2: return last - MIN(last - 1, back);
    case 3: return random->account_timestamp_last;
    case 4: return random->transfer_timestamp_last;
    case 5: return random->account_timestamp_last - MIN(random->account_timestamp_last - 1, 4ull);
    case 6: return last + below(random, gap) + 1;
    default: return last + 1 + below(random, MIN(gap, 50ull));
    }
}

// --- Transfers ----------------------------------------------------------------------------------

static u128 random_u128_of_any_size(struct ledger_random *random)
{
    const u64 shift = below(random, 128);
    return random_u128(&random->random) >> shift;
}

static u128 pick_amount(struct ledger_random *random)
{
    switch (below(random, 50)) {
    case 0: return 0;
    case 1: return U128_MAX;
    case 2: return U128_MAX - below(random, 100);
    case 3: return (u128)1 << 127;
    case 4: return (u128)1 << 126;
    case 5: return random_u128_of_any_size(random);
    default: return 1 + below(random, 100);
    }
}

static struct transfer *pick_recent(struct ledger_random *random)
{
    const u32 count = MIN(random->recent_count, (u32)LEDGER_RANDOM_RECENT_MAX);
    if (count == 0) return NULL;
    // Rather a young one.
    const u64 age = lower_of_two(random, count);
    return &random->recent[(random->recent_count - 1 - age) % LEDGER_RANDOM_RECENT_MAX];
}

// A pending one if a few tries find it.
static struct transfer *pick_recent_pending(struct ledger_random *random)
{
    struct transfer *recent = NULL;
    for (u32 i = 0; i < 8; i++) {
        recent = pick_recent(random);
        if (recent != NULL && (recent->flags & TRANSFER_PENDING)) break;
    }
    return recent;
}

static struct transfer make_simple(struct ledger_random *random)
{
    struct transfer t = {.id = random->transfers_next++};
    t.debit_account_id = pick_account_id(random);
    t.credit_account_id = pick_account_id(random);
    t.amount = pick_amount(random);
    t.user_data_128 = below(random, 3);
    t.user_data_64 = below(random, 3);
    t.user_data_32 = (u32)below(random, 3);
    t.code = (u16)(1 + below(random, 3));
    // Mostly accounts of one ledger that differ.
    const u32 ledger = account_of(t.debit_account_id).ledger;
    for (u32 i = 0; i < 6; i++) {
        if (t.credit_account_id != t.debit_account_id &&
            account_of(t.credit_account_id).ledger == ledger) {
            break;
        }
        t.credit_account_id = pick_account_id(random);
    }
    t.ledger = ledger;
    if (chance(random, 40)) {
        t.flags |= TRANSFER_PENDING;
        if (chance(random, 60)) t.timeout = (u32)(1 + below(random, 5));
        if (chance(random, 3)) t.timeout = U32_MAX - (u32)below(random, 5);
        if (chance(random, 4)) t.flags |= TRANSFER_CLOSING_DEBIT;
        if (chance(random, 4)) t.flags |= TRANSFER_CLOSING_CREDIT;
    }
    if (chance(random, 10)) t.flags |= TRANSFER_BALANCING_DEBIT;
    if (chance(random, 10)) t.flags |= TRANSFER_BALANCING_CREDIT;
    return t;
}

static struct transfer make_post_or_void(struct ledger_random *random, const struct transfer *p)
{
    const bool post = chance(random, 50);
    struct transfer t = {
        .id = random->transfers_next++,
        .pending_id = p->id,
        .flags = post ? TRANSFER_POST_PENDING : TRANSFER_VOID_PENDING,
        .amount = post ? U128_MAX : 0,
    };
    if (chance(random, 30)) t.amount = p->amount;
    if (chance(random, 15)) t.amount = below(random, 100);
    if (chance(random, 20)) t.debit_account_id = p->debit_account_id;
    if (chance(random, 20)) t.credit_account_id = p->credit_account_id;
    if (chance(random, 20)) t.ledger = p->ledger;
    if (chance(random, 20)) t.code = p->code;
    if (chance(random, 20)) t.user_data_128 = below(random, 3);
    if (chance(random, 20)) t.user_data_64 = below(random, 3);
    if (chance(random, 20)) t.user_data_32 = (u32)below(random, 3);
    return t;
}

static void damage_transfer(struct ledger_random *random, struct transfer *t)
{
    switch (below(random, 26)) {
    case 0: t->timestamp = 1 + below(random, 3); break;
    case 1: t->flags |= (u16)(512u << below(random, 7)); break;
    case 2: t->id = 0; break;
    case 3: t->id = U128_MAX; break;
    case 4: t->flags ^= TRANSFER_PENDING; break;
    case 5: t->pending_id = random->transfers_next + 1000; break;
    case 6: t->timeout += 1; break;
    case 7: t->debit_account_id = pick_account_id(random); break;
    case 8: t->credit_account_id = pick_account_id(random); break;
    case 9: t->amount += 1; break;
    case 10: t->user_data_128 += 1; break;
    case 11: t->user_data_64 += 1; break;
    case 12: t->user_data_32 += 1; break;
    case 13: t->ledger += 1; break;
    case 14: t->code += 1; break;
    case 15: t->flags |= (u16)(1u << below(random, 9)); break;
    case 16: t->debit_account_id = 0; break;
    case 17: t->debit_account_id = U128_MAX; break;
    case 18: t->credit_account_id = 0; break;
    case 19: t->credit_account_id = U128_MAX; break;
    case 20: t->credit_account_id = t->debit_account_id; break;
    case 21: t->pending_id = 0; break;
    case 22: t->pending_id = U128_MAX; break;
    case 23: t->pending_id = t->id; break;
    case 24:
        if (chance(random, 50)) t->ledger = 0;
        else t->code = 0;
        break;
    case 25: t->flags |= TRANSFER_CLOSING_DEBIT; break;
    default: assert(false);
    }
}

static struct transfer make_transfer(struct ledger_random *random)
{
    const u64 choice = below(random, 100);
    const struct transfer *pending = pick_recent_pending(random);
    const struct transfer *recent = pick_recent(random);
    struct transfer t;
    if (random->aimed != 0 && chance(random, 60)) {
        t = make_post_or_void(random, &random->recent[random->aimed - 1]);
    } else if (choice < 15 && recent != NULL) {
        t = *recent; // Asked again.
        if (chance(random, 60)) damage_transfer(random, &t);
    } else if (choice < 40 && pending != NULL) {
        t = make_post_or_void(random, pending);
    } else {
        t = make_simple(random);
    }
    t.flags &= (u16) ~(TRANSFER_IMPORTED | TRANSFER_LINKED);
    t.timestamp = 0;
    if (chance(random, random->config.invalid_percent)) damage_transfer(random, &t);
    return t;
}

// --- Batches ------------------------------------------------------------------------------------

// To just before a recent hold is due; the next step will be about it, around that nanosecond.
static void aim_at_expiry(struct ledger_random *random)
{
    for (u32 i = 0; i < 8; i++) {
        const struct transfer *pending = pick_recent_pending(random);
        if (pending == NULL || pending->timeout == 0) continue;
        const u32 slot = (u32)(pending - random->recent);
        const u64 due =
            random->recent_timestamps[slot] + pending->timeout * NS_PER_S - 1 - below(random, 5);
        if (due <= random->now || due - random->now > 10 * NS_PER_S) continue;
        random->now = due;
        random->aimed = slot + 1;
        return;
    }
}

// Time goes on, by little or by much, so that imports find room and holds expire.
static void move_clock(struct ledger_random *random)
{
    switch (below(random, 5)) {
    case 0: break;
    case 1: random->now += below(random, 100); break;
    case 2: random->now += below(random, NS_PER_MS); break;
    case 3: aim_at_expiry(random); break;
    default: random->now += below(random, NS_PER_S); break;
    }
}

// Chains: the flags of a batch, as runs of linked events; the last may stay open.
static void link_batch(struct ledger_random *random, bool *linked, u32 count)
{
    assert(count > 0);
    bool in_chain = false;
    for (u32 i = 0; i < count; i++) {
        if (in_chain) in_chain = chance(random, 60);
        else in_chain = chance(random, random->config.chain_percent);
        linked[i] = in_chain;
    }
    if (linked[count - 1] && !chance(random, 20)) linked[count - 1] = false;
}

// Whether the batch is imported, and, now and then, one event that is not as the batch.
static void import_batch(struct ledger_random *random, bool *imported, u32 count)
{
    const bool all = chance(random, random->config.imported_percent);
    for (u32 i = 0; i < count; i++) imported[i] = all;
    if (chance(random, 3)) imported[below(random, count)] = !all;
}

static void next_accounts(struct ledger_random *random, struct ledger_step *step)
{
    bool linked[LEDGER_RANDOM_BATCH_MAX];
    bool imported[LEDGER_RANDOM_BATCH_MAX];
    step->kind = LEDGER_STEP_CREATE_ACCOUNTS;
    step->count = (u32)(1 + below(random, random->config.batch_max));
    link_batch(random, linked, step->count);
    import_batch(random, imported, step->count);
    u64 last = random->account_timestamp_last;
    for (u32 i = 0; i < step->count; i++) {
        struct account a = account_of(pick_account_id(random));
        if (imported[i]) {
            a.flags |= ACCOUNT_IMPORTED;
            a.timestamp = pick_imported_timestamp(random, last);
            if (a.timestamp > last && a.timestamp <= random->now) last = a.timestamp;
        }
        if (chance(random, random->config.invalid_percent)) damage_account(random, &a);
        if (linked[i]) a.flags |= ACCOUNT_LINKED;
        step->accounts[i] = a;
    }
    random->now += step->count;
    step->timestamp = random->now;
    random->account_timestamp_last = imported[0] ? last : random->now;
}

static void next_transfers(struct ledger_random *random, struct ledger_step *step)
{
    bool linked[LEDGER_RANDOM_BATCH_MAX];
    bool imported[LEDGER_RANDOM_BATCH_MAX];
    step->kind = LEDGER_STEP_CREATE_TRANSFERS;
    step->count = (u32)(1 + below(random, random->config.batch_max));
    link_batch(random, linked, step->count);
    import_batch(random, imported, step->count);
    u64 last = random->transfer_timestamp_last;
    for (u32 i = 0; i < step->count; i++) {
        struct transfer t = make_transfer(random);
        if (imported[i]) {
            t.flags |= TRANSFER_IMPORTED;
            if (!chance(random, 10)) t.timeout = 0;
            t.timestamp = pick_imported_timestamp(random, last);
            if (t.timestamp > last && t.timestamp <= random->now) last = t.timestamp;
        }
        if (linked[i]) t.flags |= TRANSFER_LINKED;
        step->transfers[i] = t;
        const u32 slot = random->recent_count++ % LEDGER_RANDOM_RECENT_MAX;
        random->recent[slot] = t;
        random->recent_timestamps[slot] = random->now + i + 1;
    }
    random->now += step->count;
    step->timestamp = random->now;
    random->transfer_timestamp_last = imported[0] ? last : random->now;
}

static void next_expire(struct ledger_random *random, struct ledger_step *step)
{
    step->kind = LEDGER_STEP_EXPIRE;
    step->limit = (u32)(1 + below(random, chance(random, 50) ? 3 : 200));
    step->timestamp = random->now;
    random->now += step->limit;
}

// --- Questions ----------------------------------------------------------------------------------

static u64 pick_bound(struct ledger_random *random)
{
    const u64 span = random->now - random->config.timestamp_start + 1;
    switch (below(random, 8)) {
    case 0: return chance(random, 20) ? U64_MAX - below(random, 1ull << 63) : 1;
    case 1: return random->now - below(random, MIN(span, 100ull));
    case 2: return random->config.timestamp_start + below(random, span);
    case 3: return random->transfer_timestamp_last;
    default: return 0;
    }
}

static u32 pick_limit(struct ledger_random *random)
{
    switch (below(random, 8)) {
    case 0: return chance(random, 20) ? 0 : U32_MAX;
    case 1: return 1;
    case 2: return LEDGER_BATCH_EVENTS_MAX;
    default: return (u32)(1 + below(random, 50));
    }
}

static void next_account_filter(struct ledger_random *random, struct account_filter *filter)
{
    *filter = (struct account_filter){.account_id = pick_account_id(random)};
    filter->timestamp_min = pick_bound(random);
    filter->timestamp_max = pick_bound(random);
    filter->limit = pick_limit(random);
    filter->flags = (u32)below(random, 8);
    if (chance(random, 90)) filter->flags |= ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS;
    if (chance(random, 15)) filter->user_data_128 = 1 + below(random, 2);
    if (chance(random, 15)) filter->user_data_64 = 1 + below(random, 2);
    if (chance(random, 15)) filter->user_data_32 = (u32)(1 + below(random, 2));
    if (chance(random, 15)) filter->code = (u16)(1 + below(random, 3));
    if (chance(random, 2)) filter->account_id = chance(random, 50) ? 0 : U128_MAX;
    if (chance(random, 2)) filter->flags |= 8u << below(random, 29);
    if (chance(random, 2)) filter->reserved[below(random, sizeof filter->reserved)] = 1;
}

static void next_query_filter(struct ledger_random *random, struct query_filter *filter)
{
    *filter = (struct query_filter){.timestamp_min = pick_bound(random)};
    filter->timestamp_max = pick_bound(random);
    filter->limit = pick_limit(random);
    filter->flags = (u32)below(random, 2);
    if (chance(random, 20)) filter->user_data_128 = 1 + below(random, 2);
    if (chance(random, 20)) filter->user_data_64 = 1 + below(random, 2);
    if (chance(random, 20)) filter->user_data_32 = (u32)(1 + below(random, 2));
    if (chance(random, 20)) filter->ledger = (u32)(1 + below(random, 2));
    if (chance(random, 20)) filter->code = (u16)(1 + below(random, 3));
    if (chance(random, 4)) filter->flags |= 2u << lower_of_two(random, 31);
    if (chance(random, 2)) filter->reserved[below(random, sizeof filter->reserved)] = 1;
}

static void next_question(struct ledger_random *random, struct ledger_step *step)
{
    step->limit = (u32)(1 + below(random, 100));
    switch (below(random, 7)) {
    case 0:
        step->kind = LEDGER_STEP_LOOKUP_ACCOUNTS;
        step->count = (u32)(1 + below(random, random->config.batch_max));
        for (u32 i = 0; i < step->count; i++) step->ids[i] = pick_account_id(random);
        break;
    case 1:
        step->kind = LEDGER_STEP_LOOKUP_TRANSFERS;
        step->count = (u32)(1 + below(random, random->config.batch_max));
        for (u32 i = 0; i < step->count; i++) {
            step->ids[i] = below(random, random->transfers_next + 2);
        }
        break;
    case 2:
        step->kind = LEDGER_STEP_GET_ACCOUNT_TRANSFERS;
        next_account_filter(random, &step->account_filter);
        break;
    case 3:
        step->kind = LEDGER_STEP_GET_ACCOUNT_BALANCES;
        next_account_filter(random, &step->account_filter);
        break;
    case 4:
        step->kind = LEDGER_STEP_QUERY_ACCOUNTS;
        next_query_filter(random, &step->query_filter);
        break;
    case 5:
        step->kind = LEDGER_STEP_QUERY_TRANSFERS;
        next_query_filter(random, &step->query_filter);
        break;
    default:
        step->kind = LEDGER_STEP_GET_CHANGE_EVENTS;
        step->change_events_filter.timestamp_min = pick_bound(random);
        step->change_events_filter.timestamp_max = pick_bound(random);
        step->change_events_filter.limit = pick_limit(random);
        if (chance(random, 2)) step->change_events_filter.reserved[below(random, 44)] = 1;
        break;
    }
}

void ledger_random_next(struct ledger_random *random, struct ledger_step *step)
{
    memset(step, 0, sizeof *step);
    random->steps++;
    random->aimed = 0;
    move_clock(random);
    if (chance(random, 8)) random->accounts_first++;
    if (random->aimed != 0) {
        if (chance(random, 50)) next_expire(random, step);
        else next_transfers(random, step);
    } else if (chance(random, random->config.question_percent)) {
        next_question(random, step);
    } else if (chance(random, 25)) {
        next_accounts(random, step);
    } else if (chance(random, 8)) {
        next_expire(random, step);
    } else {
        next_transfers(random, step);
    }
    assert(random->now < LEDGER_TIMESTAMP_MAX);
}
