// SPDX-License-Identifier: Apache-2.0
//
// Runs steps, compares replies, and prints the first difference so that a person can read it.
#include "ledger/ledger_compare.h"

#include "codec/number.h"

#include <stdlib.h>

static const char *const step_names[] = {
    [LEDGER_STEP_CREATE_ACCOUNTS] = "create_accounts",
    [LEDGER_STEP_CREATE_TRANSFERS] = "create_transfers",
    [LEDGER_STEP_EXPIRE] = "expire",
    [LEDGER_STEP_LOOKUP_ACCOUNTS] = "lookup_accounts",
    [LEDGER_STEP_LOOKUP_TRANSFERS] = "lookup_transfers",
    [LEDGER_STEP_GET_ACCOUNT_TRANSFERS] = "get_account_transfers",
    [LEDGER_STEP_GET_ACCOUNT_BALANCES] = "get_account_balances",
    [LEDGER_STEP_QUERY_ACCOUNTS] = "query_accounts",
    [LEDGER_STEP_QUERY_TRANSFERS] = "query_transfers",
    [LEDGER_STEP_GET_CHANGE_EVENTS] = "get_change_events",
};

void ledger_compare_execute(const struct ledger_executor *executor, const struct ledger_step *step,
                            struct ledger_reply *reply)
{
    void *context = executor->context;
    const u32 limit = MIN(step->limit, (u32)ARRAY_COUNT(reply->changes));
    memset(reply, 0, sizeof *reply);
    reply->count = step->count;
    switch (step->kind) {
    case LEDGER_STEP_CREATE_ACCOUNTS:
        executor->create_accounts(context, step->timestamp, step->accounts, step->count,
                                  reply->results);
        break;
    case LEDGER_STEP_CREATE_TRANSFERS:
        executor->create_transfers(context, step->timestamp, step->transfers, step->count,
                                   reply->results);
        break;
    case LEDGER_STEP_EXPIRE:
        reply->count = executor->expire(context, step->timestamp, step->limit);
        break;
    case LEDGER_STEP_LOOKUP_ACCOUNTS:
        for (u32 i = 0; i < step->count; i++) {
            reply->found[i] = executor->lookup_account(context, step->ids[i], &reply->accounts[i]);
        }
        break;
    case LEDGER_STEP_LOOKUP_TRANSFERS:
        for (u32 i = 0; i < step->count; i++) {
            reply->found[i] =
                executor->lookup_transfer(context, step->ids[i], &reply->transfers[i]);
        }
        break;
    case LEDGER_STEP_GET_ACCOUNT_TRANSFERS:
        reply->count = executor->get_account_transfers(context, &step->account_filter, limit,
                                                       reply->transfers);
        break;
    case LEDGER_STEP_GET_ACCOUNT_BALANCES:
        reply->count =
            executor->get_account_balances(context, &step->account_filter, limit, reply->balances);
        break;
    case LEDGER_STEP_QUERY_ACCOUNTS:
        reply->count =
            executor->query_accounts(context, &step->query_filter, limit, reply->accounts);
        break;
    case LEDGER_STEP_QUERY_TRANSFERS:
        reply->count =
            executor->query_transfers(context, &step->query_filter, limit, reply->transfers);
        break;
    case LEDGER_STEP_GET_CHANGE_EVENTS:
        reply->count = executor->get_change_events(context, &step->change_events_filter, limit,
                                                   reply->changes);
        break;
    }
}

static struct ledger_result_rows results_of(const struct ledger_step *step)
{
    return step->kind == LEDGER_STEP_CREATE_ACCOUNTS ? ledger_create_account_results()
                                                     : ledger_create_transfer_results();
}

static bool step_creates(const struct ledger_step *step)
{
    return step->kind == LEDGER_STEP_CREATE_ACCOUNTS || step->kind == LEDGER_STEP_CREATE_TRANSFERS;
}

void ledger_compare_count(const struct ledger_step *step, const struct ledger_reply *reply,
                          struct ledger_coverage *coverage)
{
    coverage->rows[step->kind] += reply->count;
    if (step->kind == LEDGER_STEP_EXPIRE) coverage->expired += reply->count;
    if (!step_creates(step)) return;
    const struct ledger_result_rows results = results_of(step);
    u64 *seen = step->kind == LEDGER_STEP_CREATE_ACCOUNTS ? coverage->account_results
                                                          : coverage->transfer_results;
    assert(results.count <= LEDGER_COMPARE_RESULTS_MAX);
    for (u32 i = 0; i < step->count; i++) {
        const struct ledger_result_row *row = ledger_result_find(results, reply->results[i].status);
        assert(row != NULL);
        seen[row - results.rows]++;
    }
}

// --- Traces -------------------------------------------------------------------------------------

static void print_u128(FILE *trace, const char *name, u128 value)
{
    char digits[NUMBER_SIZE_MAX];
    (void)number_print_u128(value, digits);
    if (value == U128_MAX) fprintf(trace, " %s max", name);
    else if (value != 0) fprintf(trace, " %s %s", name, digits);
}

static void print_account(FILE *trace, const struct account *a)
{
    print_u128(trace, "id", a->id);
    print_u128(trace, "dp", a->debits_pending);
    print_u128(trace, "dpo", a->debits_posted);
    print_u128(trace, "cp", a->credits_pending);
    print_u128(trace, "cpo", a->credits_posted);
    print_u128(trace, "u128", a->user_data_128);
    print_u128(trace, "u64", a->user_data_64);
    print_u128(trace, "u32", a->user_data_32);
    print_u128(trace, "reserved", a->reserved);
    fprintf(trace, " L%u C%u flags 0x%x", a->ledger, a->code, a->flags);
    print_u128(trace, "ts", a->timestamp);
}

static void print_transfer(FILE *trace, const struct transfer *t)
{
    print_u128(trace, "id", t->id);
    print_u128(trace, "debit", t->debit_account_id);
    print_u128(trace, "credit", t->credit_account_id);
    print_u128(trace, "amount", t->amount);
    print_u128(trace, "pending_id", t->pending_id);
    print_u128(trace, "u128", t->user_data_128);
    print_u128(trace, "u64", t->user_data_64);
    print_u128(trace, "u32", t->user_data_32);
    print_u128(trace, "timeout", t->timeout);
    fprintf(trace, " L%u C%u flags 0x%x", t->ledger, t->code, t->flags);
    print_u128(trace, "ts", t->timestamp);
}

static void print_balance(FILE *trace, const struct account_balance *b)
{
    print_u128(trace, "dp", b->debits_pending);
    print_u128(trace, "dpo", b->debits_posted);
    print_u128(trace, "cp", b->credits_pending);
    print_u128(trace, "cpo", b->credits_posted);
    print_u128(trace, "ts", b->timestamp);
}

static void print_change(FILE *trace, const struct change_event *c)
{
    fprintf(trace, " type %u", c->type);
    print_u128(trace, "transfer", c->transfer_id);
    print_u128(trace, "amount", c->transfer_amount);
    print_u128(trace, "ts", c->timestamp);
    print_u128(trace, "debit", c->debit_account_id);
    print_u128(trace, "dp", c->debit_account_debits_pending);
    print_u128(trace, "dpo", c->debit_account_debits_posted);
    print_u128(trace, "cp", c->debit_account_credits_pending);
    print_u128(trace, "cpo", c->debit_account_credits_posted);
    print_u128(trace, "credit", c->credit_account_id);
    print_u128(trace, "dp", c->credit_account_debits_pending);
    print_u128(trace, "dpo", c->credit_account_debits_posted);
    print_u128(trace, "cp", c->credit_account_credits_pending);
    print_u128(trace, "cpo", c->credit_account_credits_posted);
}

// Row i of a reply; false if there is none.
static bool reply_row(const struct ledger_step *step, const struct ledger_reply *reply, u32 i,
                      const void **row, size_t *size)
{
    switch (step->kind) {
    case LEDGER_STEP_CREATE_ACCOUNTS:
    case LEDGER_STEP_CREATE_TRANSFERS:
        *row = &reply->results[i];
        *size = sizeof reply->results[i];
        break;
    case LEDGER_STEP_EXPIRE: return false;
    case LEDGER_STEP_LOOKUP_ACCOUNTS:
    case LEDGER_STEP_QUERY_ACCOUNTS:
        *row = &reply->accounts[i];
        *size = sizeof reply->accounts[i];
        break;
    case LEDGER_STEP_LOOKUP_TRANSFERS:
    case LEDGER_STEP_QUERY_TRANSFERS:
    case LEDGER_STEP_GET_ACCOUNT_TRANSFERS:
        *row = &reply->transfers[i];
        *size = sizeof reply->transfers[i];
        break;
    case LEDGER_STEP_GET_ACCOUNT_BALANCES:
        *row = &reply->balances[i];
        *size = sizeof reply->balances[i];
        break;
    case LEDGER_STEP_GET_CHANGE_EVENTS:
        *row = &reply->changes[i];
        *size = sizeof reply->changes[i];
        break;
    }
    return i < reply->count;
}

static void print_row(FILE *trace, const char *name, const struct ledger_step *step,
                      const struct ledger_reply *reply, u32 i)
{
    const void *row = NULL;
    size_t size = 0;
    fprintf(trace, "  %s:", name);
    if (!reply_row(step, reply, i, &row, &size)) {
        fprintf(trace, " no row\n");
        return;
    }
    if (step_creates(step)) {
        const struct create_result *result = row;
        const struct ledger_result_row *found =
            ledger_result_find(results_of(step), result->status);
        fprintf(trace, " %s (%u) at %llu", found != NULL ? found->name : "unknown", result->status,
                (unsigned long long)result->timestamp);
    } else if (size == sizeof(struct change_event)) {
        print_change(trace, row);
    } else if (step->kind == LEDGER_STEP_GET_ACCOUNT_BALANCES) {
        print_balance(trace, row);
    } else if (step->kind == LEDGER_STEP_LOOKUP_ACCOUNTS ||
               step->kind == LEDGER_STEP_QUERY_ACCOUNTS) {
        print_account(trace, row);
    } else {
        print_transfer(trace, row);
    }
    fprintf(trace, "\n");
}

static void print_question(FILE *trace, const struct ledger_step *step, u32 i)
{
    switch (step->kind) {
    case LEDGER_STEP_CREATE_ACCOUNTS: print_account(trace, &step->accounts[i]); break;
    case LEDGER_STEP_CREATE_TRANSFERS: print_transfer(trace, &step->transfers[i]); break;
    case LEDGER_STEP_EXPIRE: fprintf(trace, " limit %u", step->limit); break;
    case LEDGER_STEP_LOOKUP_ACCOUNTS:
    case LEDGER_STEP_LOOKUP_TRANSFERS: print_u128(trace, "id", step->ids[i]); break;
    case LEDGER_STEP_GET_ACCOUNT_TRANSFERS:
    case LEDGER_STEP_GET_ACCOUNT_BALANCES: {
        const struct account_filter *f = &step->account_filter;
        print_u128(trace, "account", f->account_id);
        print_u128(trace, "u128", f->user_data_128);
        print_u128(trace, "u64", f->user_data_64);
        print_u128(trace, "u32", f->user_data_32);
        fprintf(trace, " C%u limit %u max %u flags 0x%x", f->code, f->limit, step->limit, f->flags);
        print_u128(trace, "from", f->timestamp_min);
        print_u128(trace, "to", f->timestamp_max);
        break;
    }
    case LEDGER_STEP_QUERY_ACCOUNTS:
    case LEDGER_STEP_QUERY_TRANSFERS: {
        const struct query_filter *f = &step->query_filter;
        print_u128(trace, "u128", f->user_data_128);
        print_u128(trace, "u64", f->user_data_64);
        print_u128(trace, "u32", f->user_data_32);
        fprintf(trace, " L%u C%u limit %u max %u flags 0x%x", f->ledger, f->code, f->limit,
                step->limit, f->flags);
        print_u128(trace, "from", f->timestamp_min);
        print_u128(trace, "to", f->timestamp_max);
        break;
    }
    case LEDGER_STEP_GET_CHANGE_EVENTS: {
        const struct change_events_filter *f = &step->change_events_filter;
        fprintf(trace, " limit %u max %u", f->limit, step->limit);
        print_u128(trace, "from", f->timestamp_min);
        print_u128(trace, "to", f->timestamp_max);
        break;
    }
    }
    fprintf(trace, "\n");
}

// --- Comparison ---------------------------------------------------------------------------------

// The first row in which the replies differ; count if it is only their number.
static u32 first_difference(const struct ledger_step *step, const struct ledger_reply *left,
                            const struct ledger_reply *right)
{
    const u32 count = MIN(left->count, right->count);
    for (u32 i = 0; i < count; i++) {
        const void *left_row = NULL;
        const void *right_row = NULL;
        size_t size = 0;
        if (!reply_row(step, left, i, &left_row, &size)) return 0;
        if (!reply_row(step, right, i, &right_row, &size)) return 0;
        if (memcmp(left_row, right_row, size) != 0) return i;
        if (i < LEDGER_RANDOM_BATCH_MAX && left->found[i] != right->found[i]) return i;
    }
    return count;
}

static void print_difference(const struct ledger_random *random, const struct ledger_executor *left,
                             const struct ledger_executor *right, const struct ledger_step *step,
                             const struct ledger_reply *left_reply,
                             const struct ledger_reply *right_reply, FILE *trace)
{
    const u32 i = first_difference(step, left_reply, right_reply);
    fprintf(trace, "seed %llu, step %llu, %s", (unsigned long long)random->seed,
            (unsigned long long)random->steps, step_names[step->kind]);
    if (step->timestamp != 0) fprintf(trace, " at %llu", (unsigned long long)step->timestamp);
    if (step->count != 0) fprintf(trace, ", event %u of %u", i + 1, step->count);
    fprintf(trace, "; rows %u and %u, the first that differs is %u\n ", left_reply->count,
            right_reply->count, i + 1);
    print_question(trace, step, MIN(i, LEDGER_RANDOM_BATCH_MAX - 1));
    print_row(trace, left->name, step, left_reply, i);
    print_row(trace, right->name, step, right_reply, i);
}

static bool balances_agree(const struct ledger_random *random, const struct ledger_executor *left,
                           const struct ledger_executor *right, FILE *trace)
{
    if (left->check != NULL) left->check(left->context);
    if (right->check != NULL) right->check(right->context);
    for (u128 id = 0; id < ledger_random_accounts_end(random); id++) {
        struct account left_account = {0};
        struct account right_account = {0};
        const bool left_found = left->lookup_account(left->context, id, &left_account);
        const bool right_found = right->lookup_account(right->context, id, &right_account);
        if (left_found == right_found &&
            memcmp(&left_account, &right_account, sizeof left_account) == 0) {
            continue;
        }
        fprintf(trace,
                "seed %llu, after step %llu, account\n  %s:", (unsigned long long)random->seed,
                (unsigned long long)random->steps, left->name);
        print_account(trace, &left_account);
        fprintf(trace, "\n  %s:", right->name);
        print_account(trace, &right_account);
        fprintf(trace, "\n");
        return false;
    }
    return true;
}

bool ledger_compare_run(struct ledger_random *random, const struct ledger_executor *left,
                        const struct ledger_executor *right, u64 steps, u64 balances_every,
                        FILE *trace, struct ledger_coverage *coverage)
{
    struct ledger_step *step = malloc(sizeof *step);
    struct ledger_reply *left_reply = malloc(sizeof *left_reply);
    struct ledger_reply *right_reply = malloc(sizeof *right_reply);
    if (step == NULL || left_reply == NULL || right_reply == NULL) abort();
    assert(balances_every > 0);
    bool agree = true;
    for (u64 i = 0; i < steps && agree; i++) {
        ledger_random_next(random, step);
        ledger_compare_execute(left, step, left_reply);
        ledger_compare_execute(right, step, right_reply);
        // NOLINTNEXTLINE: a reply is zeroed whole before it is filled in.
        agree = memcmp(left_reply, right_reply, sizeof *left_reply) == 0;
        if (!agree) {
            print_difference(random, left, right, step, left_reply, right_reply, trace);
        } else {
            if (coverage != NULL) ledger_compare_count(step, left_reply, coverage);
            if (i % balances_every == balances_every - 1 || i == steps - 1) {
                agree = balances_agree(random, left, right, trace);
            }
        }
    }
    free(step);
    free(left_reply);
    free(right_reply);
    return agree;
}
