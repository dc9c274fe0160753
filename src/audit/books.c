// SPDX-License-Identifier: Apache-2.0
//
// Accounts in an array, holds in a table.
#include "audit/books.h"

#include <stdlib.h>

void audit_books_init(struct audit_books *books)
{
    *books = (struct audit_books){.slot_count = 1024};
    books->slots = calloc(books->slot_count, sizeof *books->slots);
    assert(books->slots != NULL);
}

void audit_books_free(struct audit_books *books)
{
    free(books->accounts);
    free(books->slots);
    *books = (struct audit_books){0};
}

struct audit_account *audit_account_add(struct audit_books *books)
{
    if (books->account_count == books->account_capacity) {
        books->account_capacity = MAX(1024, 2 * books->account_capacity);
        books->accounts =
            realloc(books->accounts, books->account_capacity * sizeof *books->accounts);
        assert(books->accounts != NULL);
    }
    struct audit_account *account = &books->accounts[books->account_count++];
    *account = (struct audit_account){0};
    return account;
}

// --- holds ---------------------------------------------------------------------------------------

// Rows come one after the other, so a multiplication spreads them well enough.
static u64 slot_home(const struct audit_books *books, u64 row)
{
    return (row * 0x9e3779b97f4a7c15ull >> 20) & (books->slot_count - 1);
}

// The slot of a row, or the free one where it would go.
static u64 slot_find(const struct audit_books *books, u64 row)
{
    u64 slot = slot_home(books, row);
    while (books->slots[slot].row != 0 && books->slots[slot].row != row + 1) {
        slot = (slot + 1) & (books->slot_count - 1);
    }
    return slot;
}

static void slots_double(struct audit_books *books)
{
    struct audit_hold *old = books->slots;
    const u64 count = books->slot_count;
    books->slot_count = 2 * count;
    books->slots = calloc(books->slot_count, sizeof *books->slots);
    assert(books->slots != NULL);
    for (u64 i = 0; i < count; i++) {
        if (old[i].row != 0) books->slots[slot_find(books, old[i].row - 1)] = old[i];
    }
    free(old);
}

void audit_hold_add(struct audit_books *books, const struct audit_hold *hold)
{
    assert(hold->row != 0);
    if (2 * (books->hold_count + 1) > books->slot_count) slots_double(books);
    const u64 slot = slot_find(books, hold->row - 1);
    assert(books->slots[slot].row == 0);
    books->slots[slot] = *hold;
    books->hold_count++;
}

const struct audit_hold *audit_hold_at(const struct audit_books *books, u64 row)
{
    const struct audit_hold *hold = &books->slots[slot_find(books, row)];
    return hold->row == 0 ? NULL : hold;
}

const struct audit_hold *audit_hold_of(const struct audit_books *books, u128 id)
{
    for (u64 i = 0; i < books->slot_count; i++) {
        if (books->slots[i].row != 0 && books->slots[i].id == id) return &books->slots[i];
    }
    return NULL;
}

void audit_hold_remove(struct audit_books *books, u64 row)
{
    u64 hole = slot_find(books, row);
    assert(books->slots[hole].row == row + 1);
    // What was pushed past the hole moves into it, so that no probe ends too early.
    const u64 mask = books->slot_count - 1;
    for (u64 at = (hole + 1) & mask; books->slots[at].row != 0; at = (at + 1) & mask) {
        const u64 home = slot_home(books, books->slots[at].row - 1);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        books->slots[hole] = books->slots[at];
        hole = at;
    }
    books->slots[hole].row = 0;
    books->hold_count--;
}

// --- sums ----------------------------------------------------------------------------------------

bool audit_sum_add(u128 *sum, u128 amount)
{
    if (*sum + amount < *sum) return false;
    *sum += amount;
    return true;
}

bool audit_sum_subtract(u128 *sum, u128 amount)
{
    if (*sum < amount) return false;
    *sum -= amount;
    return true;
}

bool audit_account_within_limit(const struct audit_account *account)
{
    u128 debits = account->debits_posted;
    u128 credits = account->credits_posted;
    const bool fits = audit_sum_add(&debits, account->debits_pending) &&
                      audit_sum_add(&credits, account->credits_pending);
    if ((account->flags & AUDIT_ACCOUNT_DEBITS_LIMITED) &&
        (!fits || debits > account->credits_posted)) {
        return false;
    }
    return !(account->flags & AUDIT_ACCOUNT_CREDITS_LIMITED) ||
           (fits && credits <= account->debits_posted);
}
