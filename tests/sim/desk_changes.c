// SPDX-License-Identifier: Apache-2.0
//
// The change stream of a node at rest, folded into balances as those who follow it do: every
// account must come out as the ledger has it, and every change must stand behind the one before.
#include "desk_internal.h"

#include "machine/changes.h"

#include <stdlib.h>
#include <string.h>

#define ROOM (2 * MIB)

struct fold {
    struct world *world;
    const struct ledger *ledger;
    struct account *accounts; // As the changes told of them.
    u32 count;
    u64 row; // Of the last change, plus one.
    u64 position;
};

static struct account *account_of(const struct fold *fold, u32 number, u128 id)
{
    for (u32 i = 0; i < fold->count; i++) {
        struct account *account = &fold->accounts[i];
        if (account->ledger == number && account->id == id) return account;
    }
    desk_fail(fold->world, CHECK_CHANGES, "a change of an account that was never made");
}

static void transfer_fold(const struct fold *fold, const struct change *change, const u8 *payload)
{
    struct transfer transfer;
    memcpy(&transfer, payload, sizeof transfer);
    struct account *debit = account_of(fold, transfer.ledger, transfer.debit_account_id);
    struct account *credit = account_of(fold, transfer.ledger, transfer.credit_account_id);
    debit->debits_pending -= change->released;
    credit->credits_pending -= change->released;
    if (change->kind == CHANGE_KIND_HOLD) {
        debit->debits_pending += transfer.amount;
        credit->credits_pending += transfer.amount;
    }
    if (change->kind == CHANGE_KIND_TRANSFER || change->kind == CHANGE_KIND_POST) {
        debit->debits_posted += transfer.amount;
        credit->credits_posted += transfer.amount;
    }
}

static void change_fold(struct fold *fold, const struct change *change, const u8 *payload)
{
    if (change->row < fold->row || change->position < fold->position) {
        desk_fail(fold->world, CHECK_CHANGES, "change %llu stands before the one before it",
                  (unsigned long long)change->row);
    }
    fold->row = change->row + 1;
    fold->position = change->position;
    switch ((enum change_kind)change->kind) {
    case CHANGE_KIND_ACCOUNT:
        if (fold->count == fold->ledger->accounts.count) {
            desk_fail(fold->world, CHECK_CHANGES, "an account more than there is");
        }
        memcpy(&fold->accounts[fold->count++], payload, sizeof fold->accounts[0]);
        break;
    case CHANGE_KIND_TRANSFER:
    case CHANGE_KIND_HOLD:
    case CHANGE_KIND_POST:
    case CHANGE_KIND_VOID:
    case CHANGE_KIND_EXPIRY: transfer_fold(fold, change, payload); break;
    case CHANGE_KIND_RECORD:
    case CHANGE_KIND_EVIDENCE: break;
    }
}

static void page_fold(struct fold *fold, const struct changes_page *page)
{
    u32 at = 0;
    for (u32 i = 0; i < page->count; i++) {
        const struct change *change = (const void *)(page->out + at);
        change_fold(fold, change, page->out + at + sizeof *change);
        at = (u32)align_up(at + sizeof *change + change->payload_size, CHANGES_ALIGNMENT);
    }
}

static void accounts_compare(const struct fold *fold)
{
    if (fold->count != fold->ledger->accounts.count) {
        desk_fail(fold->world, CHECK_CHANGES, "fewer accounts than there are");
    }
    for (u32 row = 0; row < fold->count; row++) {
        const struct account *account = ledger_account(fold->ledger, row);
        const struct account *told = &fold->accounts[row];
        if (account->id == told->id && account->ledger == told->ledger &&
            account->debits_pending == told->debits_pending &&
            account->debits_posted == told->debits_posted &&
            account->credits_pending == told->credits_pending &&
            account->credits_posted == told->credits_posted) {
            continue;
        }
        desk_fail(fold->world, CHECK_CHANGES, "account row %u has another balance than was told",
                  row);
    }
}

void desk_changes_compare(struct world *world, struct node *node)
{
    struct machine *machine = &node->machine;
    struct fold fold = {.world = world, .ledger = &machine->ledger};
    struct changes_reader *reader = changes_reader_new(&node->wal);
    struct changes_page page = {.out = aligned_alloc(64, ROOM), .room = ROOM};
    fold.accounts = calloc(machine->ledger.accounts.count + 1, sizeof *fold.accounts);
    if (page.out == NULL || fold.accounts == NULL) abort();
    world->desk->checks[CHECK_CHANGES]++;
    while (page.next < machine->history.next_row) {
        struct history_view view =
            history_view_open(&machine->history,
                              (const struct account *)(const void *)machine->ledger.accounts.memory,
                              machine->history.next_row);
        struct failure failure;
        view.sees_modules = true;
        const enum status status = changes_read(reader, &view, page.next, 0, &page, &failure);
        history_view_close(&view);
        if (status != STATUS_OK) desk_fail(world, CHECK_CHANGES, "%s", failure.message);
        page_fold(&fold, &page);
    }
    accounts_compare(&fold);
    changes_reader_free(reader);
    free(page.out);
    free(fold.accounts);
}
