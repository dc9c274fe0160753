// SPDX-License-Identifier: Apache-2.0
//
// Turnover by account and month, by code and month.
#include "ledger/turnover.h"

#include "codec/civil.h"

#include <stdlib.h>

enum status turnovers_init(struct turnovers *turnovers, const struct history *history, u64 capacity,
                           struct failure *failure)
{
    turnovers->history = history;
    turnovers->month = turnover_month(turnovers->day);
    enum status status = table_init(&turnovers->table, sizeof(struct turnover), capacity, failure);
    return status == STATUS_OK ? index_init(&turnovers->index, 0, failure) : status;
}

void turnovers_free(struct turnovers *turnovers)
{
    table_free(&turnovers->table);
    index_free(&turnovers->index);
}

static u64 key_hash(const struct turnovers *turnovers, u128 key)
{
    return hash_u128(&turnovers->history->resolution_key, key);
}

static struct turnover *turnover_at(const struct turnovers *turnovers, u64 row)
{
    return table_record(&turnovers->table, row);
}

enum status turnovers_loaded(struct turnovers *turnovers, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u64 row = 0; row < turnovers->table.count && status == STATUS_OK; row++) {
        status =
            index_insert(&turnovers->index, key_hash(turnovers, turnover_at(turnovers, row)->key),
                         (u32)row, failure);
    }
    return status;
}

u32 turnover_month(i32 day)
{
    const struct civil_date date = civil_date_from_day(day);
    return (u32)(date.year * 12 + date.month - 1);
}

// The row of a key plus one, or 0.
static u32 row_find(const struct turnovers *turnovers, u128 key)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&turnovers->index, key_hash(turnovers, key), &cursor); row != 0;
         row = index_next(&cursor)) {
        if (turnover_at(turnovers, row - 1)->key == key) return row;
    }
    return 0;
}

void turnover_fetch(const struct turnovers *turnovers, u128 key_of_first, u32 months, bool is_near)
{
    for (u32 i = 0; i < months; i++) {
        const u64 hash = key_hash(turnovers, key_of_first + i);
        struct index_cursor cursor;
        if (!is_near) index_prefetch(&turnovers->index, hash);
        else {
            const u32 row = index_first(&turnovers->index, hash, &cursor);
            if (row != 0) __builtin_prefetch(turnover_at(turnovers, row - 1));
        }
    }
}

const struct turnover *turnover_find(const struct turnovers *turnovers, u128 key)
{
    const u32 row = row_find(turnovers, key);
    return row == 0 ? NULL : turnover_at(turnovers, row - 1);
}

// Sums that would pass 2^128-1 stay there.
static u128 sum_saturated(u128 a, u128 b, u32 *saturated, u32 bit)
{
    if (a + b < a) *saturated |= bit;
    return (*saturated & bit) != 0 ? U128_MAX : a + b;
}

static void sums_add(struct turnover *to, u128 debits, u128 credits)
{
    to->debits = sum_saturated(to->debits, debits, &to->saturated, TURNOVER_DEBITS_SATURATED);
    to->credits = sum_saturated(to->credits, credits, &to->saturated, TURNOVER_CREDITS_SATURATED);
}

// The row of a code's key plus one, or 0.
static u32 code_find(struct turnovers *turnovers, u128 key)
{
    const u64 mixed = (u64)(key >> 32) * 0x9e3779b97f4a7c15ull + (u64)key;
    u32 *recent = &turnovers->recent[(mixed >> 32) % TURNOVER_RECENT];
    if (LIKELY(*recent != 0 && turnover_at(turnovers, *recent - 1)->key == key)) return *recent;
    const u32 row = row_find(turnovers, key);
    if (row != 0) *recent = row;
    return row;
}

static enum status key_add(struct turnovers *turnovers, u128 key, u128 debit, u128 credit,
                           struct failure *failure)
{
    const bool is_code = key >> 127 != 0;
    u32 row = is_code ? code_find(turnovers, key) : row_find(turnovers, key);
    if (row == 0) {
        assert(turnovers->table.count < turnovers->table.capacity);
        row = (u32)++turnovers->table.count;
        table_touch(&turnovers->table, row - 1);
        *turnover_at(turnovers, row - 1) = (struct turnover){.key = key};
        enum status status =
            index_insert(&turnovers->index, key_hash(turnovers, key), row - 1, failure);
        if (status != STATUS_OK) return status;
    }
    table_touch(&turnovers->table, row - 1);
    struct turnover *turnover = turnover_at(turnovers, row - 1);
    sums_add(turnover, debit, credit);
    turnover->count++;
    return STATUS_OK;
}

enum status turnover_add(struct turnovers *turnovers, const struct ledger *ledger, u32 debit_row,
                         u32 credit_row, u128 amount, i32 day, struct failure *failure)
{
    if (day != turnovers->day) turnovers->month = turnover_month(day);
    turnovers->day = day;
    const u32 month = turnovers->month;
    const struct account *debit = ledger_account(ledger, debit_row);
    const struct account *credit = ledger_account(ledger, credit_row);
    enum status status =
        key_add(turnovers, turnover_account_key(debit_row, month), amount, 0, failure);
    if (status == STATUS_OK) {
        status = key_add(turnovers, turnover_account_key(credit_row, month), 0, amount, failure);
    }
    if (status == STATUS_OK) {
        status = key_add(turnovers, turnover_code_key(debit->ledger, debit->code, month), amount, 0,
                         failure);
    }
    if (status == STATUS_OK) {
        status = key_add(turnovers, turnover_code_key(credit->ledger, credit->code, month), 0,
                         amount, failure);
    }
    return status;
}

// Months whose records are fetched at once: each is a miss of its own otherwise.
#define FETCH_MONTHS 16u

struct turnover turnover_sum(const struct turnovers *turnovers, u128 key_of_first, u32 months)
{
    struct turnover sum = {.key = key_of_first};
    u32 rows[FETCH_MONTHS];
    for (u32 done = 0; done < months; done += FETCH_MONTHS) {
        const u32 count = MIN(months - done, FETCH_MONTHS);
        for (u32 i = 0; i < count; i++) {
            const u64 hash = key_hash(turnovers, key_of_first + done + i);
            struct index_cursor cursor;
            rows[i] = index_first(&turnovers->index, hash, &cursor);
            if (rows[i] != 0) __builtin_prefetch(turnover_at(turnovers, rows[i] - 1));
        }
        for (u32 i = 0; i < count; i++) {
            const u128 key = key_of_first + done + i;
            if (rows[i] == 0) continue;
            const struct turnover *turnover = turnover_at(turnovers, rows[i] - 1);
            if (turnover->key != key) turnover = turnover_find(turnovers, key);
            if (turnover == NULL) continue;
            sums_add(&sum, turnover->debits, turnover->credits);
            sum.saturated |= turnover->saturated;
            sum.count += turnover->count;
        }
    }
    return sum;
}

// The record that stands for all months of a code while they are summed.
static struct turnover *code_of(struct turnover *codes, u32 *count, u32 book, u16 code)
{
    const u128 key = turnover_code_key(book, code, 0);
    for (u32 i = 0; i < *count; i++) {
        if (codes[i].key == key) return &codes[i];
    }
    codes[*count] = (struct turnover){.key = key};
    return &codes[(*count)++];
}

void turnovers_check(const struct turnovers *turnovers, const struct ledger *ledger,
                     u16 owner_class)
{
    const u64 accounts = ledger->accounts.count;
    const u64 records = turnovers->table.count;
    struct turnover *sums = calloc(accounts + 2 * (accounts + records) + 1, sizeof *sums);
    assert(sums != NULL);
    struct turnover *kept = sums + accounts; // Of codes, by their records; then by accounts.
    struct turnover *made = kept + accounts + records;
    u32 kept_count = 0;
    u32 made_count = 0;
    for (u64 row = 0; row < records; row++) {
        const struct turnover *turnover = turnover_at(turnovers, row);
        const u64 above = (u64)(turnover->key >> 32);
        assert(turnover_find(turnovers, turnover->key) == turnover);
        struct turnover *sum = turnover->key >> 127 == 0
                                   ? &sums[above - 1]
                                   : code_of(kept, &kept_count, (u32)(above >> 16), (u16)above);
        sums_add(sum, turnover->debits, turnover->credits);
        sum->saturated |= turnover->saturated;
    }
    for (u32 row = 0; row < accounts; row++) {
        const struct account *account = ledger_account(ledger, row);
        if (account_class(account) != owner_class) continue;
        assert(sums[row].debits == account->debits_posted);   // U1
        assert(sums[row].credits == account->credits_posted); // U1
        sums_add(code_of(made, &made_count, account->ledger, account->code), account->debits_posted,
                 account->credits_posted);
    }
    for (u32 i = 0; i < made_count; i++) {
        const struct turnover *code =
            code_of(kept, &kept_count, (u32)(made[i].key >> 48), (u16)(made[i].key >> 32));
        // Once saturated, another order of the sums may have been before the limit.
        if ((code->saturated | made[i].saturated) != 0) continue;
        assert(code->debits == made[i].debits && code->credits == made[i].credits); // U1
    }
    free(sums);
}
