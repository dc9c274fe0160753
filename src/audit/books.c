// SPDX-License-Identifier: Apache-2.0
//
// Accounts in an array, holds in a table.
#include "audit/books.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ACCOUNTS_FIRST 16384u
#define ACCOUNTS_ALIGN (2 * MIB) // A huge page: accounts are looked at in no order.
static_assert(ACCOUNTS_FIRST * sizeof(struct audit_account) % ACCOUNTS_ALIGN == 0, "whole pages");

void audit_books_init(struct audit_books *books, const struct hash_key *key)
{
    *books = (struct audit_books){.key = *key, .slot_count = 1024};
    books->slots = calloc(books->slot_count, sizeof *books->slots);
    assert(books->slots != NULL);
}

void audit_books_free(struct audit_books *books)
{
    free(books->accounts);
    free(books->slots);
    *books = (struct audit_books){0};
}

static void accounts_double(struct audit_books *books)
{
    struct audit_account *old = books->accounts;
    books->account_capacity = MAX(ACCOUNTS_FIRST, 2 * books->account_capacity);
    const u64 size = books->account_capacity * sizeof *old;
    books->accounts = aligned_alloc(ACCOUNTS_ALIGN, size);
    assert(books->accounts != NULL);
    (void)madvise(books->accounts, size, MADV_HUGEPAGE); // A kernel without them is only slower.
    if (old != NULL) memcpy(books->accounts, old, books->account_count * sizeof *old);
    free(old);
}

struct audit_account *audit_account_add(struct audit_books *books)
{
    if (books->account_count == books->account_capacity) accounts_double(books);
    struct audit_account *account = &books->accounts[books->account_count++];
    *account = (struct audit_account){0};
    return account;
}

// --- holds ---------------------------------------------------------------------------------------

static u64 slot_home(const struct audit_books *books, u64 row)
{
    return hash_u64(&books->key, row, 0) & (books->slot_count - 1);
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

const struct audit_hold *audit_hold_far(const struct audit_books *books, u64 row, u32 debit_row,
                                        u32 credit_row, u128 id)
{
    const struct audit_hold *oldest = NULL;
    if (row < AUDIT_DISTANCE_FAR) return NULL;
    for (u64 i = 0; i < books->slot_count; i++) {
        const struct audit_hold *hold = &books->slots[i];
        const bool is_far = hold->row != 0 && hold->row - 1 <= row - AUDIT_DISTANCE_FAR;
        if (!is_far || hold->debit_row != debit_row || hold->credit_row != credit_row) continue;
        if (id != 0 && hold->id != id) continue;
        if (oldest == NULL || hold->row < oldest->row) oldest = hold;
    }
    return oldest;
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

// --- limits --------------------------------------------------------------------------------------

bool audit_account_within_limit(const struct audit_account *account)
{
    if ((account->flags & (AUDIT_ACCOUNT_DEBITS_LIMITED | AUDIT_ACCOUNT_CREDITS_LIMITED)) == 0) {
        return true;
    }
    if (!audit_account_fits(account)) return false;
    const u128 debits = account->debits_posted + account->debits_pending;
    const u128 credits = account->credits_posted + account->credits_pending;
    if ((account->flags & AUDIT_ACCOUNT_DEBITS_LIMITED) && debits > account->credits_posted) {
        return false;
    }
    return !(account->flags & AUDIT_ACCOUNT_CREDITS_LIMITED) || credits <= account->debits_posted;
}
