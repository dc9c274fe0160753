// SPDX-License-Identifier: Apache-2.0
//
// Cells and constraints under plans of the ledger itself: holds, posts, voids, expiries, plans that
// are taken back, overflows, accounts that join with balances; and random plans beside sums that
// are made anew from lists.
#include "base/random.h"
#include "ledger/ledger_cell.h"
#include "os/disk_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLASS        3u
#define NUMBER       7u
#define ACCOUNTS     8u // Rows 0 to 5 plain; 6 and 7 with limits.
#define POSTINGS_MAX 6u

struct bench {
    struct disk_memory disk;
    struct history history;
    struct ledger ledger;
    struct ledger_resolved resolved;
    struct ledger_refusal refusal;
    struct create_result results[ACCOUNTS];
    u64 now;
    u128 next_id;
};

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) print_error("%s\n", failure->message);
    assert_int_equal(status, STATUS_OK);
}

static enum status log_read(void *context, u64 place, void *out, size_t size,
                            struct failure *failure)
{
    (void)context;
    (void)place;
    memset(out, 0, size);
    (void)failure;
    return STATUS_OK;
}

static void log_hint(void *context, u64 place, size_t size)
{
    (void)context;
    (void)place;
    (void)size;
}

static void accounts_make(struct bench *bench)
{
    struct failure failure;
    struct account accounts[ACCOUNTS] = {0};
    for (u32 i = 0; i < ACCOUNTS; i++) {
        accounts[i].id = i + 1;
        accounts[i].ledger = NUMBER;
        accounts[i].code = 1;
    }
    accounts[6].flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    accounts[7].flags = ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    bench->now += 1000;
    const struct ledger_batch batch = {.events = accounts,
                                       .count = ACCOUNTS,
                                       .timestamp = bench->now,
                                       .results = bench->results,
                                       .owner_class = CLASS};
    must(ledger_create_accounts(&bench->ledger, &batch, &failure), &failure);
    assert_int_equal(bench->ledger.accounts.count, ACCOUNTS);
}

static int setup(void **state)
{
    struct failure failure;
    const struct hash_key key = {.words = {1, 2, 3, 4}};
    const struct ledger_limits limits = {.accounts_max = 1024, .holds_max = 65536};
    const struct history_log log = {.read = log_read, .prefetch = log_hint, .advise = log_hint};
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->resolved.items = calloc(POSTINGS_MAX, sizeof *bench->resolved.items);
    bench->next_id = 1000;
    disk_memory_init(&bench->disk, 1);
    must(history_init(&bench->history, &bench->disk.disk, &key, &log, &failure), &failure);
    must(ledger_init(&bench->ledger, &limits, &bench->history, &failure), &failure);
    must(history_start(&bench->history, 0, &failure), &failure);
    accounts_make(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    ledger_free(&bench->ledger);
    history_free(&bench->history);
    disk_memory_free(&bench->disk);
    free(bench->resolved.items);
    free(bench);
    return 0;
}

// A posting of a plan: of a hold also its id and timeout.
struct step {
    u32 debit;
    u32 credit;
    u128 amount;
    u16 flags;
    u32 timeout_s;
    u128 pending_id;
    u128 id; // Out.
};

// Posts a plan; whether it stands.
static bool plan_post(struct bench *bench, struct step *steps, u32 count, bool is_fact)
{
    struct failure failure;
    struct transfer transfers[POSTINGS_MAX] = {0};
    struct ledger_rows rows[POSTINGS_MAX];
    for (u32 i = 0; i < count; i++) {
        steps[i].id = bench->next_id++;
        rows[i] = (struct ledger_rows){.debit = steps[i].debit, .credit = steps[i].credit};
        transfers[i] = (struct transfer){
            .id = steps[i].id,
            .debit_account_id = steps[i].debit + 1,
            .credit_account_id = steps[i].credit + 1,
            .amount = steps[i].amount,
            .pending_id = steps[i].pending_id,
            .timeout = steps[i].timeout_s,
            .ledger = NUMBER,
            .code = 1,
            .flags = (u16)(steps[i].flags | (i + 1 < count ? TRANSFER_LINKED : 0)),
        };
    }
    bench->now += 1000;
    bench->resolved.count = 0;
    bench->ledger.position++;
    const struct ledger_batch batch = {
        .events = transfers,
        .count = count,
        .timestamp = bench->now,
        .results = bench->results,
        .resolved = &bench->resolved,
        .owner_class = CLASS,
        .rows = rows,
        .is_fact = is_fact,
        .refusal = &bench->refusal,
    };
    bench->refusal = (struct ledger_refusal){.posting = U32_MAX, .constraint = U32_MAX};
    must(ledger_create_transfers(&bench->ledger, &batch, &failure), &failure);
    ledger_check(&bench->ledger);
    for (u32 i = 0; i < count; i++) {
        if (bench->results[i].status != (u32)CREATE_TRANSFER_CREATED) return false;
    }
    return true;
}

static bool post(struct bench *bench, u32 debit, u32 credit, u128 amount)
{
    struct step step = {.debit = debit, .credit = credit, .amount = amount};
    return plan_post(bench, &step, 1, false);
}

static u128 hold(struct bench *bench, u32 debit, u32 credit, u128 amount, u32 timeout_s)
{
    struct step step = {.debit = debit,
                        .credit = credit,
                        .amount = amount,
                        .flags = TRANSFER_PENDING,
                        .timeout_s = timeout_s};
    return plan_post(bench, &step, 1, false) ? step.id : 0;
}

static bool resolve(struct bench *bench, u32 debit, u32 credit, u128 pending_id, u128 amount,
                    u16 flags)
{
    struct step step = {.debit = debit,
                        .credit = credit,
                        .amount = amount,
                        .flags = flags,
                        .pending_id = pending_id};
    return plan_post(bench, &step, 1, false);
}

static bool change(struct bench *bench, const struct ledger_change *change, bool is_fact)
{
    struct failure failure;
    bench->now += 1000;
    bench->ledger.position++;
    must(
        ledger_change_apply(&bench->ledger, change, is_fact, bench->now, &bench->refusal, &failure),
        &failure);
    ledger_check(&bench->ledger);
    return bench->refusal.constraint == U32_MAX;
}

static u32 cell_open(struct bench *bench)
{
    const struct ledger_change open = {.kind = LEDGER_CHANGE_CELL_OPEN, .number = 1};
    assert_true(change(bench, &open, false));
    return (u32)bench->ledger.cells.count - 1;
}

static bool member(struct bench *bench, u32 cell, u32 account, bool add)
{
    const struct ledger_change one = {
        .kind = add ? LEDGER_CHANGE_CELL_ADD : LEDGER_CHANGE_CELL_REMOVE,
        .cell = cell,
        .account_row = account,
    };
    return change(bench, &one, false);
}

static u32 constraint_open(struct bench *bench, u32 cell, i64 coefficient, i128 bound)
{
    const struct ledger_change open = {
        .kind = LEDGER_CHANGE_CONSTRAINT_OPEN,
        .number = 1,
        .bound = bound,
        .term_count = 1,
        .terms = {{.coefficient = coefficient, .cell = cell}},
    };
    assert_true(change(bench, &open, false));
    return (u32)bench->ledger.constraints.count - 1;
}

static void cell_is(const struct bench *bench, u32 row, i128 posted, u128 debits_pending,
                    u128 credits_pending)
{
    const struct ledger_cell *cell = ledger_cell(&bench->ledger, row);
    assert_true(cell->posted == posted);
    assert_true(cell->debits_pending == debits_pending);
    assert_true(cell->credits_pending == credits_pending);
}

static void test_holds_posts_and_voids_change_their_cells(void **state)
{
    struct bench *bench = *state;
    const u32 left = cell_open(bench);
    const u32 right = cell_open(bench);
    assert_true(member(bench, left, 0, true) && member(bench, right, 1, true));
    const u128 first = hold(bench, 0, 1, 10, 0);
    cell_is(bench, left, 0, 10, 0);
    cell_is(bench, right, 0, 0, 10);
    const u128 second = hold(bench, 0, 2, 7, 0);
    cell_is(bench, left, 0, 17, 0);
    assert_true(resolve(bench, 0, 1, first, 4, TRANSFER_POST_PENDING)); // A part of it.
    cell_is(bench, left, 4, 7, 0);
    cell_is(bench, right, -4, 0, 0);
    assert_true(resolve(bench, 0, 2, second, 0, TRANSFER_VOID_PENDING));
    cell_is(bench, left, 4, 0, 0);
    assert_true(post(bench, 1, 0, 3));
    cell_is(bench, left, 1, 0, 0);
    cell_is(bench, right, -1, 0, 0);
}

// What becomes of a plain client's transfer that posts or voids a pending one.
static u32 client_resolve(struct bench *bench, u128 pending_id, u16 flags)
{
    struct failure failure;
    const struct transfer transfer = {
        .id = bench->next_id++, .amount = U128_MAX, .pending_id = pending_id, .flags = flags};
    bench->now += 1000;
    bench->resolved.count = 0;
    bench->ledger.position++;
    const struct ledger_batch batch = {.events = &transfer,
                                       .count = 1,
                                       .timestamp = bench->now,
                                       .results = bench->results,
                                       .resolved = &bench->resolved};
    must(ledger_create_transfers(&bench->ledger, &batch, &failure), &failure);
    ledger_check(&bench->ledger);
    return bench->results[0].status;
}

static void test_a_module_s_hold_is_not_there_for_a_client(void **state)
{
    struct bench *bench = *state;
    const u128 id = hold(bench, 0, 1, 10, 0);
    assert_int_equal(client_resolve(bench, id, TRANSFER_POST_PENDING),
                     CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND); // L11
    assert_int_equal(client_resolve(bench, id, TRANSFER_VOID_PENDING),
                     CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND);
    assert_true(ledger_account(&bench->ledger, 0)->debits_pending == 10);
    assert_true(resolve(bench, 0, 1, id, 0, TRANSFER_VOID_PENDING));
    assert_int_equal(client_resolve(bench, id, TRANSFER_POST_PENDING),
                     CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND);
}

static void test_holds_count_at_their_worst(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    assert_true(member(bench, cell, 0, true));
    assert_true(post(bench, 0, 1, 50));
    (void)constraint_open(bench, cell, 1, 0);    // Not below 0: held credits count.
    (void)constraint_open(bench, cell, -1, -80); // Not above 80: held debits count.
    const u128 credit = hold(bench, 1, 0, 30, 0);
    const u128 debit = hold(bench, 0, 1, 25, 0);
    assert_true(credit != 0 && debit != 0);
    assert_true(ledger_constraint(&bench->ledger, 0)->value == 20);
    assert_true(ledger_constraint(&bench->ledger, 1)->value == -75);
    assert_false(post(bench, 1, 0, 21));
    assert_int_equal(bench->refusal.constraint, 0);
    assert_true((i128)bench->refusal.value == -1 && bench->refusal.limit == 0);
    assert_false(post(bench, 0, 1, 6));
    assert_int_equal(bench->refusal.constraint, 1);
    assert_true((i128)bench->refusal.value == -81 && (i128)bench->refusal.limit == -80);
    assert_int_equal(hold(bench, 1, 0, 21, 0), 0);
    assert_int_equal(hold(bench, 0, 1, 6, 0), 0);
    assert_true(resolve(bench, 1, 0, credit, U128_MAX, TRANSFER_POST_PENDING));
    assert_true(ledger_constraint(&bench->ledger, 0)->value == 20);  // As it was feared.
    assert_true(ledger_constraint(&bench->ledger, 1)->value == -45); // 50 - 30 + 25.
    assert_true(resolve(bench, 0, 1, debit, 0, TRANSFER_VOID_PENDING));
    assert_true(ledger_constraint(&bench->ledger, 1)->value == -20);
}

static void test_an_expiry_releases_and_cures(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    assert_true(member(bench, cell, 0, true) && member(bench, cell, 1, true));
    struct step step = {
        .debit = 1, .credit = 0, .amount = 30, .flags = TRANSFER_PENDING, .timeout_s = 5};
    const u32 constraint = constraint_open(bench, cell, 1, -10);
    assert_false(plan_post(bench, &step, 1, false));
    assert_true(plan_post(bench, &step, 1, true));
    cell_is(bench, cell, 0, 30, 30);
    const struct ledger_constraint *of = ledger_constraint(&bench->ledger, constraint);
    assert_true(of->value == -30 && of->breach == 1);
    const u64 opened = bench->now;
    bench->now += 6 * NS_PER_S;
    bench->ledger.position = 77;
    assert_int_equal(ledger_expire(&bench->ledger, bench->now, 0, 10), 1);
    ledger_check(&bench->ledger);
    cell_is(bench, cell, 0, 0, 0);
    assert_true(of->value == 0 && of->breach == 0 && of->since == bench->now + 1);
    const struct ledger_breach *breach = ledger_breach(&bench->ledger, 0);
    assert_true(breach->value == -30 && breach->bound == -10 && breach->worst == -30);
    assert_true(breach->opened_at == opened && breach->cured_at == bench->now + 1);
    assert_int_equal(breach->cured_position, 77);
}

// Of a plan that is refused in its middle, by a limit or by a constraint nothing is left.
static void test_what_is_taken_back_leaves_cells_as_they_were(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    for (u32 i = 0; i < ACCOUNTS; i += 2) assert_true(member(bench, cell, i, true));
    assert_true(post(bench, 0, 1, 100));
    const u32 constraint = constraint_open(bench, cell, 2, 100);
    const u128 open = hold(bench, 2, 3, 9, 0);
    assert_true(open != 0);
    const struct ledger_cell before = *ledger_cell(&bench->ledger, cell);
    const struct ledger_constraint before_of = *ledger_constraint(&bench->ledger, constraint);
    struct step steps[5] = {
        {.debit = 0, .credit = 1, .amount = 5},
        {.debit = 2, .credit = 3, .amount = 6, .flags = TRANSFER_PENDING},
        {.debit = 2, .credit = 3, .amount = 4, .flags = TRANSFER_POST_PENDING, .pending_id = open},
        {.debit = 1, .credit = 4, .amount = 20},
        {.debit = 1, .credit = 2, .amount = 1, .flags = TRANSFER_POST_PENDING, .pending_id = 5},
    };
    assert_false(plan_post(bench, steps, 5, false)); // There is no such hold.
    assert_int_equal(bench->results[4].status, CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND);
    assert_memory_equal(&before, ledger_cell(&bench->ledger, cell), sizeof before);
    steps[4] = (struct step){.debit = 6, .credit = 0, .amount = 1};
    assert_false(plan_post(bench, steps, 5, true)); // The limit of 6, for a fact too.
    assert_int_equal(bench->refusal.posting, 4);
    assert_memory_equal(&before, ledger_cell(&bench->ledger, cell), sizeof before);
    steps[4] = (struct step){.debit = 1, .credit = 0, .amount = 60};
    assert_false(plan_post(bench, steps, 5, false)); // The constraint: 100+5+4-20-60 < 50.
    assert_int_equal(bench->refusal.constraint, constraint);
    assert_true(bench->refusal.value == 58);
    assert_memory_equal(&before, ledger_cell(&bench->ledger, cell), sizeof before);
    assert_memory_equal(&before_of, ledger_constraint(&bench->ledger, constraint),
                        sizeof before_of);
    for (u32 i = 0; i < 5; i++) {
        assert_int_equal(bench->results[i].status, CREATE_TRANSFER_LINKED_EVENT_FAILED);
    }
    assert_int_equal(bench->ledger.breaches.count, 0);
    steps[4].amount = 39;
    assert_true(plan_post(bench, steps, 5, false)); // Just enough: 100+5+4-20-39 = 50.
    cell_is(bench, cell, 50, 6, 0);
}

static void test_limits_are_looked_at_in_the_end(void **state)
{
    struct bench *bench = *state;
    struct step steps[3] = {
        {.debit = 6, .credit = 0, .amount = 5},
        {.debit = 0, .credit = 1, .amount = 1},
        {.debit = 2, .credit = 6, .amount = 5},
    };
    assert_true(plan_post(bench, steps, 3, false));
    steps[2].amount = 4;
    assert_false(plan_post(bench, steps, 3, false));
    assert_int_equal(bench->refusal.posting, 0);
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(bench->results[1].status, CREATE_TRANSFER_LINKED_EVENT_FAILED);
    assert_int_equal(bench->results[2].status, CREATE_TRANSFER_LINKED_EVENT_FAILED);
    assert_true(bench->refusal.value == 10 && bench->refusal.limit == 9);
    // A hold counts as what it holds.
    steps[0] = (struct step){.debit = 0, .credit = 7, .amount = 8, .flags = TRANSFER_PENDING};
    steps[2] = (struct step){.debit = 7, .credit = 2, .amount = 7};
    assert_false(plan_post(bench, steps, 3, false));
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_EXCEEDS_DEBITS);
    assert_true(bench->refusal.value == 8 && bench->refusal.limit == 7);
    steps[2].amount = 8;
    assert_true(plan_post(bench, steps, 3, false));
}

static void test_a_hold_that_is_too_large_for_a_cell_overflows(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    const u128 most = LEDGER_MEASURE_MAX;
    assert_true(member(bench, cell, 0, true));
    assert_int_equal(hold(bench, 0, 1, most + 1, 0), 0);
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING);
    assert_int_equal(hold(bench, 1, 0, most + 1, 0), 0);
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING);
    const u128 pending = hold(bench, 0, 1, most, 0);
    assert_true(pending != 0);
    assert_int_equal(hold(bench, 0, 1, 1, 0), 0);
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING);
    // What is held counts when an account joins, and not when it leaves.
    const u32 other = cell_open(bench);
    assert_true(ledger_cell_takes(&bench->ledger, other, 0, true));
    assert_true(ledger_cell_takes(&bench->ledger, cell, 0, false));
    assert_true(member(bench, other, 2, true) && hold(bench, 2, 1, 1, 0) != 0);
    assert_false(ledger_cell_takes(&bench->ledger, other, 0, true));
    assert_false(ledger_cell_takes(&bench->ledger, other, 1, true)); // Credits: 2^125.
    assert_true(post(bench, 0, 1, 1));
    assert_false(resolve(bench, 0, 1, pending, most, TRANSFER_POST_PENDING));
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED);
    cell_is(bench, cell, 1, most, 0);
    assert_true(post(bench, 1, 0, 1));
    assert_true(resolve(bench, 0, 1, pending, most, TRANSFER_POST_PENDING));
    cell_is(bench, cell, (i128)most, 0, 0);
    assert_false(post(bench, 0, 1, 1));
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED);
    assert_true(post(bench, 1, 0, 2 * most)); // From one end to the other.
    assert_false(post(bench, 1, 0, 1));
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED);
}

// Amounts beside which a sum would come around, or which are no signed number any more.
static void test_what_is_beyond_every_sum_is_not_taken_for_a_small_one(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    assert_true(member(bench, cell, 0, true) && member(bench, cell, 2, true));
    assert_true(hold(bench, 0, 1, 10, 0) != 0);
    assert_int_equal(hold(bench, 2, 3, U128_MAX - 4, 0), 0); // 2^128 + 5 with what is held.
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING);
    assert_true(hold(bench, 1, 0, 10, 0) != 0);
    assert_int_equal(hold(bench, 3, 2, U128_MAX - 4, 0), 0);
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING);
    cell_is(bench, cell, 0, 10, 10);
    assert_false(post(bench, 0, 3, U128_MAX - 20)); // -21 as a signed number.
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED);
    assert_false(post(bench, 3, 0, U128_MAX - 20));
    assert_int_equal(bench->results[0].status, CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED);
    assert_true(post(bench, 4, 5, U128_MAX));
    assert_false(ledger_cell_takes(&bench->ledger, cell, 4, true));
    assert_false(ledger_cell_takes(&bench->ledger, cell, 5, true));
    assert_true(ledger_cell_takes(&bench->ledger, cell, 3, true));
}

// Of two coefficients whose magnitudes sum to 2^60, none of a cell's sums may pass 2^65 - 1.
static bool terms_fit(const struct bench *bench, u32 cell, u32 other)
{
    const i64 half = (i64)1 << 59;
    const struct ledger_term terms[2] = {{.coefficient = half, .cell = cell},
                                         {.coefficient = -half, .cell = other}};
    return ledger_terms_fit(&bench->ledger, terms, 2);
}

static void test_terms_fit_while_each_sum_of_each_cell_does(void **state)
{
    struct bench *bench = *state;
    const u128 most = ((u128)1 << 65) - 1;
    const u32 empty = cell_open(bench);
    for (u32 i = 0; i < 4; i++) {
        const u32 cell = cell_open(bench);
        const u32 account = i % 2 == 0 ? 2 * i : 2 * i - 1; // 0, 1, 4, 5: debit, credit.
        const u32 debit = i % 2 == 0 ? account : 3;
        const u32 credit = i % 2 == 0 ? 3 : account;
        assert_true(member(bench, cell, account, true));
        if (i < 2) assert_true(post(bench, debit, credit, most));
        else assert_true(hold(bench, debit, credit, most, 0) != 0);
        assert_true(terms_fit(bench, cell, empty) && terms_fit(bench, empty, cell));
        if (i < 2) assert_true(post(bench, debit, credit, 1));
        else assert_true(hold(bench, debit, credit, 1, 0) != 0);
        assert_false(terms_fit(bench, cell, empty));
        assert_false(terms_fit(bench, empty, cell));
    }
}

// --- random plans --------------------------------------------------------------------------------

#define CELLS       9u
#define CONSTRAINTS 10u
#define HOLDS_MAX   4096u
#define STEPS       6000u

struct sums {
    i128 debits_pending;
    i128 debits_posted;
    i128 credits_pending;
    i128 credits_posted;
};

struct naive_hold {
    u128 id;
    u32 debit;
    u32 credit;
    i128 amount;
    u64 expires_at;
};

// Everything again, by lists and from small numbers.
struct naive {
    struct sums accounts[ACCOUNTS];
    bool has[CELLS][ACCOUNTS];
    i64 coefficients[CONSTRAINTS][CELLS]; // 0: not a term.
    i128 bounds[CONSTRAINTS];
    bool open[CONSTRAINTS]; // Breach.
    struct naive_hold holds[HOLDS_MAX];
    u32 hold_count;
    u32 breach_count;
};

// All that became of a constraint, one after the other; its history is made of it in the end.
struct naive_change {
    i128 value;
    i128 bound;
    u64 at;
    u64 position;
    bool is_open;   // Breach.
    bool is_chosen; // By us: what follows is another span.
};

struct naive_history {
    u32 count;
    struct naive_change changes[8 * STEPS];
};

static struct naive_history histories[CONSTRAINTS];

static i128 naive_value(const struct naive *naive, u32 constraint)
{
    i128 value = 0;
    for (u32 i = 0; i < CELLS; i++) {
        const i64 coefficient = naive->coefficients[constraint][i];
        for (u32 j = 0; j < ACCOUNTS; j++) {
            const struct sums *sums = &naive->accounts[j];
            if (!naive->has[i][j]) continue;
            value += coefficient * (sums->debits_posted - sums->credits_posted);
            if (coefficient > 0) value -= coefficient * sums->credits_pending;
            if (coefficient < 0) value += coefficient * sums->debits_pending;
        }
    }
    return value;
}

static void naive_release(struct naive *naive, u32 i)
{
    const struct naive_hold *hold = &naive->holds[i];
    naive->accounts[hold->debit].debits_pending -= hold->amount;
    naive->accounts[hold->credit].credits_pending -= hold->amount;
    naive->holds[i] = naive->holds[--naive->hold_count];
}

static void naive_post(struct naive *naive, const struct step *step, u64 expires_at)
{
    const i128 amount = (i128)step->amount;
    for (u32 i = 0; i < naive->hold_count && step->pending_id != 0; i++) {
        if (naive->holds[i].id != step->pending_id) continue;
        naive_release(naive, i);
        break;
    }
    if (step->flags & TRANSFER_VOID_PENDING) return;
    if (step->flags & TRANSFER_PENDING) {
        naive->accounts[step->debit].debits_pending += amount;
        naive->accounts[step->credit].credits_pending += amount;
        naive->holds[naive->hold_count++] = (struct naive_hold){.id = step->id,
                                                                .debit = step->debit,
                                                                .credit = step->credit,
                                                                .amount = amount,
                                                                .expires_at = expires_at};
        return;
    }
    naive->accounts[step->debit].debits_posted += amount;
    naive->accounts[step->credit].credits_posted += amount;
}

static bool naive_limits_hold(const struct naive *naive)
{
    const struct sums *six = &naive->accounts[6];
    const struct sums *seven = &naive->accounts[7];
    return six->debits_pending + six->debits_posted <= six->credits_posted &&
           seven->credits_pending + seven->credits_posted <= seven->debits_posted;
}

// The first constraint that is below its bound and was not as far; U32_MAX when there is none.
static u32 naive_broken(const struct naive *before, const struct naive *after)
{
    for (u32 i = 0; i < CONSTRAINTS; i++) {
        const i128 was = naive_value(before, i) - before->bounds[i];
        const i128 is = naive_value(after, i) - after->bounds[i];
        if (is < 0 && is < was) return i;
    }
    return U32_MAX;
}

// `chosen` is the constraint that we have set; CONSTRAINTS when none was.
static void naive_settle(const struct bench *bench, struct naive *naive, u64 at, u32 chosen)
{
    for (u32 i = 0; i < CONSTRAINTS; i++) {
        const struct naive_change change = {.value = naive_value(naive, i),
                                            .bound = naive->bounds[i],
                                            .at = at,
                                            .position = bench->ledger.position,
                                            .is_open = naive_value(naive, i) < naive->bounds[i],
                                            .is_chosen = i == chosen};
        struct naive_history *history = &histories[i];
        const struct naive_change *last = &history->changes[history->count - 1];
        naive->breach_count += change.is_open && !naive->open[i];
        naive->open[i] = change.is_open;
        if (i != chosen && change.value == last->value && change.bound == last->bound) continue;
        assert_true(history->count < ARRAY_COUNT(history->changes));
        history->changes[history->count++] = change;
    }
}

#define NS_PER_DAY (86400 * NS_PER_S)

// A span from the first of some changes on; how many of them it has.
static u32 naive_span(const struct naive_change *changes, u32 count, struct ledger_span *out)
{
    const struct naive_change *least = changes;
    u32 i = 0;
    for (; i < count; i++) {
        const bool is_other_day = changes[i].at / NS_PER_DAY != changes[0].at / NS_PER_DAY;
        const bool is_other_state = changes[i].is_open != changes[0].is_open;
        if (i > 0 && (changes[i].is_chosen || is_other_day || is_other_state)) break;
        if (changes[i].value - changes[i].bound < least->value - least->bound) least = &changes[i];
    }
    *out = (struct ledger_span){
        .value = changes[i - 1].value,
        .bound = changes[i - 1].bound,
        .least_value = least->value,
        .least_bound = least->bound,
        .from_at = changes[0].at,
        .from_position = changes[0].position,
        .least_at = least->at,
        .least_position = least->position,
        .last_at = changes[i - 1].at,
        .last_position = changes[i - 1].position,
        .changes = i,
        .state = changes[0].is_open ? LEDGER_SPAN_BREACHED : LEDGER_SPAN_OPEN,
    };
    return i;
}

// How many spans there are.
static u32 histories_compare(const struct bench *bench)
{
    u32 spans = 0;
    for (u32 row = 0; row < CONSTRAINTS; row++) {
        const struct naive_history *history = &histories[row];
        u32 next = ledger_constraint(&bench->ledger, row)->span_first;
        for (u32 done = 0; done < history->count; spans++) {
            struct ledger_span expected;
            done += naive_span(history->changes + done, history->count - done, &expected);
            assert_true(next != 0);
            const struct ledger_span *span = ledger_span(&bench->ledger, next - 1);
            next = span->next;
            expected.constraint = row;
            expected.next = next;
            assert_memory_equal(span, &expected, sizeof expected);
        }
        assert_int_equal(next, 0);
    }
    return spans;
}

static void naive_compare(const struct bench *bench, const struct naive *naive)
{
    for (u32 i = 0; i < ACCOUNTS; i++) {
        const struct account *account = ledger_account(&bench->ledger, i);
        const struct sums *sums = &naive->accounts[i];
        assert_true(account->debits_pending == (u128)sums->debits_pending &&
                    account->debits_posted == (u128)sums->debits_posted &&
                    account->credits_pending == (u128)sums->credits_pending &&
                    account->credits_posted == (u128)sums->credits_posted);
    }
    for (u32 i = 0; i < CONSTRAINTS; i++) {
        const struct ledger_constraint *constraint = ledger_constraint(&bench->ledger, i);
        assert_true(constraint->value == naive_value(naive, i));
        assert_true((constraint->breach != 0) == naive->open[i]);
    }
    assert_int_equal(bench->ledger.breaches.count, naive->breach_count);
}

// A plan of some postings; posts and voids are of holds that are open before it.
static u32 steps_make(struct random *random, const struct naive *naive, struct step *steps)
{
    const u32 count = 1 + (u32)random_below(random, POSTINGS_MAX - 1);
    for (u32 i = 0; i < count; i++) {
        const u32 debit = (u32)random_below(random, ACCOUNTS);
        const u32 credit = (debit + 1 + (u32)random_below(random, ACCOUNTS - 1)) % ACCOUNTS;
        const u64 amount = random_below(random, 40);
        const u64 timeout = random_below(random, 30);
        const u64 kind = random_below(random, 10);
        steps[i] = (struct step){.debit = debit, .credit = credit, .amount = amount};
        if (kind < 4) steps[i].flags = TRANSFER_PENDING;
        if (kind < 4 && timeout < 20) steps[i].timeout_s = (u32)timeout;
        // Hold `i` from the end, so that no two postings of the plan are of one.
        if (kind < 7 || naive->hold_count <= i) continue;
        const struct naive_hold *hold = &naive->holds[naive->hold_count - 1 - i];
        steps[i].debit = hold->debit;
        steps[i].credit = hold->credit;
        steps[i].pending_id = hold->id;
        steps[i].flags = kind == 7 ? TRANSFER_VOID_PENDING : TRANSFER_POST_PENDING;
        steps[i].amount = kind == 7 ? 0 : random_below(random, (u64)hold->amount + 1);
    }
    return count;
}

static void random_plan(struct bench *bench, struct random *random, struct naive *naive,
                        struct naive *after)
{
    struct step steps[POSTINGS_MAX];
    const u32 count = steps_make(random, naive, steps);
    const bool is_fact = random_chance(random, 15);
    const bool done = plan_post(bench, steps, count, is_fact);
    *after = *naive;
    for (u32 i = 0; i < count; i++) {
        const u64 timestamp = bench->now - count + i + 1;
        const u64 timeout = steps[i].timeout_s * NS_PER_S;
        naive_post(after, &steps[i], timeout == 0 ? 0 : timestamp + timeout);
    }
    const u32 broken = naive_broken(naive, after);
    const bool limits_hold = naive_limits_hold(after);
    assert_int_equal(done, limits_hold && (is_fact || broken == U32_MAX));
    assert_int_equal(bench->refusal.constraint, done || !limits_hold ? U32_MAX : broken);
    if (!done) return;
    *naive = *after;
    naive_settle(bench, naive, bench->now, CONSTRAINTS);
}

static void random_member(struct bench *bench, struct random *random, struct naive *naive,
                          struct naive *after)
{
    const u32 cell = (u32)random_below(random, CELLS);
    const u32 account = (u32)random_below(random, ACCOUNTS);
    u32 cells = 0;
    for (u32 i = 0; i < CELLS; i++) cells += naive->has[i][account];
    *after = *naive;
    after->has[cell][account] = !naive->has[cell][account];
    if (after->has[cell][account] && cells == LEDGER_ACCOUNT_CELLS_MAX) return;
    const bool done = member(bench, cell, account, after->has[cell][account]);
    const u32 broken = naive_broken(naive, after);
    assert_int_equal(bench->refusal.constraint, broken);
    assert_int_equal(done, broken == U32_MAX);
    if (!done) return;
    *naive = *after;
    naive_settle(bench, naive, bench->now, CONSTRAINTS);
}

static void random_set(struct bench *bench, struct random *random, struct naive *naive,
                       struct naive *after)
{
    const u32 row = (u32)random_below(random, CONSTRAINTS);
    const struct ledger_constraint *constraint = ledger_constraint(&bench->ledger, row);
    struct ledger_change set = {.kind = LEDGER_CHANGE_CONSTRAINT_SET,
                                .constraint = row,
                                .term_count = constraint->term_count};
    memcpy(set.terms, constraint->terms, sizeof set.terms);
    const u64 place = random_below(random, set.term_count);
    const u64 coefficient = random_below(random, 6);
    const u64 bound = random_below(random, 2000);
    set.terms[place].coefficient = coefficient < 3 ? (i64)coefficient - 3 : (i64)coefficient - 2;
    set.bound = 200 - (i128)bound;
    *after = *naive;
    after->coefficients[row][set.terms[place].cell] = set.terms[place].coefficient;
    after->bounds[row] = set.bound;
    const bool is_fact = random_chance(random, 50);
    const bool is_chosen = !is_fact && (naive->bounds[row] != after->bounds[row] ||
                                        memcmp(naive->coefficients[row], after->coefficients[row],
                                               sizeof naive->coefficients[row]) != 0);
    const bool done = change(bench, &set, is_fact);
    const u32 broken = naive_broken(naive, after);
    assert_int_equal(done, is_fact || broken == U32_MAX);
    if (!done) assert_int_equal(bench->refusal.constraint, broken);
    if (!done) return;
    *naive = *after;
    naive_settle(bench, naive, bench->now, is_chosen ? row : CONSTRAINTS);
}

// The hold that is due next by `now`: in order of expiry, then of making; HOLDS_MAX when none is.
static u32 naive_due(const struct naive *naive, u64 now)
{
    u32 due = HOLDS_MAX;
    for (u32 i = 0; i < naive->hold_count; i++) {
        const struct naive_hold *hold = &naive->holds[i];
        if (hold->expires_at == 0 || hold->expires_at > now) continue;
        if (due == HOLDS_MAX || hold->expires_at < naive->holds[due].expires_at ||
            (hold->expires_at == naive->holds[due].expires_at && hold->id < naive->holds[due].id)) {
            due = i;
        }
    }
    return due;
}

static void random_expiries(struct bench *bench, struct random *random, struct naive *naive)
{
    bench->now += random_below(random, 8) * NS_PER_S + 1;
    if (random_chance(random, 5)) bench->now += NS_PER_DAY / 3;
    bench->ledger.position++;
    u32 due = 0;
    for (;; due++) {
        const u32 i = naive_due(naive, bench->now);
        if (i == HOLDS_MAX) break;
        naive_release(naive, i);
        naive_settle(bench, naive, bench->now + due + 1, CONSTRAINTS);
    }
    assert_int_equal(ledger_expire(&bench->ledger, bench->now, 0, U32_MAX), due);
    ledger_check(&bench->ledger);
    bench->now += due;
}

static void constraints_make(struct bench *bench, struct random *random, struct naive *naive)
{
    for (u32 i = 0; i < CELLS; i++) assert_int_equal(cell_open(bench), i);
    for (u32 i = 0; i < CONSTRAINTS; i++) {
        struct ledger_change open = {
            .kind = LEDGER_CHANGE_CONSTRAINT_OPEN, .number = i + 1, .bound = -1000};
        open.term_count = 1 + (u32)random_below(random, 4);
        for (u32 j = 0; j < open.term_count; j++) {
            const u32 cell = (i + 2 * j) % CELLS;
            const i64 coefficient = j % 2 == 0 ? 1 : -2;
            open.terms[j] = (struct ledger_term){.coefficient = coefficient, .cell = cell};
            naive->coefficients[i][cell] = coefficient;
        }
        naive->bounds[i] = open.bound;
        assert_true(change(bench, &open, false));
        histories[i].count = 1;
        histories[i].changes[0] = (struct naive_change){
            .bound = open.bound, .at = bench->now, .position = bench->ledger.position};
    }
}

static void test_random_plans_and_lists_agree(void **state)
{
    struct bench *bench = *state;
    struct naive *naive = calloc(2, sizeof *naive);
    struct random random;
    assert_non_null(naive);
    random_init(&random, 7);
    constraints_make(bench, &random, naive);
    for (u32 i = 0; i < STEPS && naive->hold_count + POSTINGS_MAX < HOLDS_MAX; i++) {
        const u64 kind = random_below(&random, 100);
        if (kind < 8) random_member(bench, &random, naive, naive + 1);
        else if (kind < 14) random_set(bench, &random, naive, naive + 1);
        else if (kind < 24) random_expiries(bench, &random, naive);
        else random_plan(bench, &random, naive, naive + 1);
        naive_compare(bench, naive);
    }
    assert_true(naive->breach_count > 20); // Or nothing was tried.
    assert_true(histories_compare(bench) > 2 * naive->breach_count + CONSTRAINTS);
    free(naive);
}

// A posting is not refused for it: the last span goes on, whatever the state.
static void test_a_history_without_room_goes_on(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    assert_true(member(bench, cell, 0, true));
    const u32 row = constraint_open(bench, cell, 1, 0);
    bench->ledger.spans.capacity = 1;
    assert_true(post(bench, 0, 1, 5));
    bench->now += NS_PER_DAY;
    struct step step = {.debit = 1, .credit = 0, .amount = 12};
    assert_true(plan_post(bench, &step, 1, true));
    const u32 late = constraint_open(bench, cell, 2, -100);
    assert_true(post(bench, 0, 1, 4));
    assert_int_equal(bench->ledger.spans.count, 1);
    const struct ledger_span *span = ledger_span(&bench->ledger, 0);
    assert_true(span->value == -3 && span->least_value == -7 &&
                span->state == LEDGER_SPAN_BREACHED);
    assert_true(span->changes == 4 && span->is_merged);
    assert_int_equal(ledger_constraint(&bench->ledger, row)->span_last, 1);
    assert_int_equal(ledger_constraint(&bench->ledger, late)->span_last, 0);
}

// What we choose leaves room for what comes by itself.
static void test_what_we_choose_does_not_fill_the_history(void **state)
{
    struct bench *bench = *state;
    const struct ledger *ledger = &bench->ledger;
    const u32 cell = cell_open(bench);
    const u32 row = constraint_open(bench, cell, 1, -7);
    struct ledger_change set = {.kind = LEDGER_CHANGE_CONSTRAINT_SET,
                                .constraint = row,
                                .bound = -7,
                                .term_count = 1,
                                .terms = {{.coefficient = 1, .cell = cell}}};
    assert_true(change(bench, &set, false)); // To what it is.
    assert_int_equal(ledger->spans.count, 1);
    set.bound = -8;
    assert_true(change(bench, &set, false));
    assert_int_equal(ledger->spans.count, 2);
    set.terms[0].coefficient = 2;
    assert_true(change(bench, &set, true)); // A price.
    assert_int_equal(ledger->spans.count, 2);
    set.terms[0].coefficient = 3;
    assert_true(change(bench, &set, false));
    assert_int_equal(ledger->spans.count, 3);
    for (u64 left = LEDGER_SPANS_RESERVE; left <= LEDGER_SPANS_RESERVE + 1; left++) {
        const bool has_room = left > LEDGER_SPANS_RESERVE;
        bench->ledger.spans.capacity = ledger->spans.count + left;
        assert_int_equal(
            ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_OPEN, false, 0), has_room);
        assert_int_equal(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_SET, false, 0),
                         has_room);
        assert_true(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_SET, true, 0));
        assert_true(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_CLOSE, false, 0));
        assert_true(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_NONE, true, 0));
    }
}

// A full table takes no more of what it holds, and everything else goes on.
static void test_full_tables_refuse_what_they_would_hold(void **state)
{
    struct bench *bench = *state;
    struct ledger *ledger = &bench->ledger;
    (void)constraint_open(bench, cell_open(bench), 1, -7);
    (void)constraint_open(bench, cell_open(bench), 1, -7);
    static const enum ledger_change_kind others[] = {
        LEDGER_CHANGE_NONE,           LEDGER_CHANGE_CELL_ADD,         LEDGER_CHANGE_CELL_REMOVE,
        LEDGER_CHANGE_CONSTRAINT_SET, LEDGER_CHANGE_CONSTRAINT_CLOSE, LEDGER_CHANGE_BREACH_SETTLE};
    for (u32 left = 0; left <= 1; left++) {
        ledger->cells.capacity = ledger->cells.count + left;
        ledger->constraints.capacity = ledger->constraints.count + left;
        assert_int_equal(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CELL_OPEN, false, 0),
                         left == 1);
        assert_int_equal(
            ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_OPEN, false, 0), left == 1);
        for (u32 i = 0; i < ARRAY_COUNT(others); i++) {
            assert_true(ledger_has_room_for_limits(ledger, others[i], false, 0));
            assert_true(ledger_has_room_for_limits(ledger, others[i], true, 3));
        }
    }
    assert_true(hold(bench, 0, 1, 1, 0) != 0);
    ledger->accounts.capacity = ACCOUNTS + 3;
    ledger->holds.capacity = 5;
    assert_true(ledger_has_room(ledger, 3, 4));
    assert_false(ledger_has_room(ledger, 4, 0));
    assert_false(ledger_has_room(ledger, 0, 5));
    // What may break every constraint, and one that is opened by it: three breaches.
    for (u32 left = 2; left <= 3; left++) {
        ledger->breaches.capacity = ledger->breaches.count + left;
        assert_int_equal(
            ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_OPEN, false, 0), left == 3);
        assert_int_equal(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_NONE, true, 0),
                         left == 3);
        assert_true(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_CONSTRAINT_SET, false, 0));
        ledger->breaches.capacity += 2;
        assert_int_equal(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_NONE, false, 2),
                         left == 3);
        assert_true(ledger_has_room_for_limits(ledger, LEDGER_CHANGE_NONE, true, 1));
    }
}

static void test_a_closed_constraint_has_a_last_span(void **state)
{
    struct bench *bench = *state;
    const u32 cell = cell_open(bench);
    const u32 row = constraint_open(bench, cell, 1, -7);
    const struct ledger_change close = {.kind = LEDGER_CHANGE_CONSTRAINT_CLOSE, .constraint = row};
    assert_true(change(bench, &close, false));
    const u32 last = ledger_constraint(&bench->ledger, row)->span_last;
    const struct ledger_span *span = ledger_span(&bench->ledger, last - 1);
    assert_int_equal(bench->ledger.spans.count, 2);
    assert_true(span->state == LEDGER_SPAN_CLOSED && span->bound == -7 && span->changes == 1);
    assert_true(span->from_at == bench->now && span->from_position == bench->ledger.position);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_holds_posts_and_voids_change_their_cells, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_module_s_hold_is_not_there_for_a_client, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_holds_count_at_their_worst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_expiry_releases_and_cures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_taken_back_leaves_cells_as_they_were, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_limits_are_looked_at_in_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hold_that_is_too_large_for_a_cell_overflows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_beyond_every_sum_is_not_taken_for_a_small_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_terms_fit_while_each_sum_of_each_cell_does, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_random_plans_and_lists_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_history_without_room_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_we_choose_does_not_fill_the_history, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_full_tables_refuse_what_they_would_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_closed_constraint_has_a_last_span, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
