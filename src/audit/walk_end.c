// SPDX-License-Identifier: Apache-2.0
//
// What adds up behind the last row: ids, holds, ledger numbers, what the checkpoint says of the
// log.
#include "audit/walk_internal.h"
#include "codec/number.h"

#include <stdlib.h>

#define USES_MAX      65536u // Rows, or accounts, of suspected ids.
#define PROGRESS_ROWS 65536u

// --- ids that may be used once -------------------------------------------------------------------

struct use {
    u128 id;
    u64 where; // The row of history, or of the account.
    u32 ledger;
};

struct uses {
    u64 hashes[AUDIT_SUSPECTS_MAX];
    u32 hash_count;
    struct use *items;
    u64 count;
    bool are_more; // Than there is room for.
};

static int hash_compare(const void *key, const void *element)
{
    const u64 left = *(const u64 *)key;
    const u64 right = *(const u64 *)element;
    return (left > right) - (left < right);
}

static bool is_suspected(const struct uses *uses, u64 hash)
{
    return bsearch(&hash, uses->hashes, uses->hash_count, sizeof hash, hash_compare) != NULL;
}

static void use_add(struct uses *uses, const struct use *use)
{
    if (uses->count == USES_MAX) uses->are_more = true;
    else uses->items[uses->count++] = *use;
}

static int uses_order(const void *a, const void *b)
{
    const struct use *left = a;
    const struct use *right = b;
    if (left->id != right->id) return left->id < right->id ? -1 : 1;
    if (left->ledger != right->ledger) return left->ledger < right->ledger ? -1 : 1;
    return (left->where > right->where) - (left->where < right->where);
}

// Finds what may have been used more than once. True when something may have.
static bool uses_begin(struct audit_walk *walk, struct audit_ids *ids, struct uses *uses)
{
    *uses = (struct uses){0};
    walk->status = audit_ids_suspects(ids, uses->hashes, &uses->hash_count, walk->failure);
    if (walk->status != STATUS_OK || uses->hash_count == 0) return false;
    uses->are_more = uses->hash_count == AUDIT_SUSPECTS_MAX;
    uses->items = calloc(USES_MAX, sizeof *uses->items);
    assert(uses->items != NULL);
    return true;
}

static bool row_uses_id(const struct audit_row *row)
{
    if (row->kind == AUDIT_ROW_POSTING) return row->result == AUDIT_CREATED;
    return row->kind == AUDIT_ROW_TRANSFER &&
           (row->result == AUDIT_CREATED || walk_result_burns(row->result));
}

// Reads the rows once more, for those of suspected ids.
static void rows_uses(struct audit_walk *walk, struct uses *uses)
{
    const u64 end = walk->rows.next;
    walk->rows.next = 0;
    walk->rows.is_told = true;
    while (walk->rows.next < end && walk->status == STATUS_OK) {
        const struct audit_row *row = NULL;
        const u64 number = walk->rows.next;
        if (number % PROGRESS_ROWS == 0 && walk->progress != NULL &&
            !walk->progress->report(walk->progress->context, "ids", number * sizeof *row,
                                    end * sizeof *row)) {
            walk->status = failure_set(walk->failure, STATUS_CANCELLED, "stopped");
            break;
        }
        walk->status = audit_rows_peek(&walk->rows, &row, walk->failure);
        if (walk->status != STATUS_OK) break;
        walk->rows.next++;
        if (!row_uses_id(row) || !is_suspected(uses, audit_ids_hash(&walk->ids, row->id))) continue;
        const struct use use = {.id = row->id, .where = number};
        use_add(uses, &use);
    }
    walk->rows.next = end;
}

// Tells the ids that were used more than once, and that there may be more of them.
static void uses_tell(struct audit_walk *walk, struct uses *uses, bool are_accounts)
{
    qsort(uses->items, uses->count, sizeof *uses->items, uses_order);
    u64 first = 0;
    for (u64 i = 1; i < uses->count; i++) {
        const struct use *use = &uses->items[i];
        const struct use *before = &uses->items[first];
        const bool is_same = use->id == before->id && use->ledger == before->ledger;
        if (!is_same) first = i;
        if (!is_same) continue;
        char id[NUMBER_SIZE_MAX];
        (void)number_print_u128(use->id, id);
        const struct audit_place place =
            are_accounts ? audit_checkpoint_account_place(walk->checkpoint, use->where)
                         : audit_place_row(use->where, AUDIT_NONE);
        (void)audit_differ(walk->report, are_accounts ? AUDIT_OUTCOME : AUDIT_L3, &place,
                           "%s id %s was used before, by row %llu",
                           are_accounts ? "account" : "transfer", id,
                           (unsigned long long)before->where);
    }
    if (uses->are_more) {
        const struct audit_place nowhere = audit_place_none();
        (void)audit_differ(walk->report, are_accounts ? AUDIT_OUTCOME : AUDIT_L3, &nowhere,
                           "more ids of %s were used before than are told here",
                           are_accounts ? "accounts" : "transfers");
    }
    free(uses->items);
}

static void transfer_ids_check(struct audit_walk *walk, struct uses *uses)
{
    walk->report->ids = walk->ids.total;
    if (!uses_begin(walk, &walk->ids, uses)) return;
    rows_uses(walk, uses);
    uses_tell(walk, uses, false);
}

// Two accounts of one id: which of them a transfer moves would be anybody's choice.
static void account_ids_check(struct audit_walk *walk, struct uses *uses)
{
    if (!uses_begin(walk, &walk->account_ids, uses)) return;
    for (u64 i = 0; i < walk->books.account_count; i++) {
        const struct audit_account *account = &walk->books.accounts[i];
        const u64 hash =
            walk_account_hash(walk, account->owner_class, account->ledger, account->id);
        if (!is_suspected(uses, hash)) continue;
        // A plain client's has a ledger, too, but is alone by its id.
        const struct use use = {.id = account->id,
                                .where = i,
                                .ledger = account->owner_class == 0 ? 0 : account->ledger};
        use_add(uses, &use);
    }
    uses_tell(walk, uses, true);
}

// --- ledger numbers ------------------------------------------------------------------------------

struct book_sum {
    u32 ledger;
    bool has_plain; // Accounts of plain clients; of modules.
    bool has_planned;
    u128 pending; // Debits less credits, modulo 2^128: zero when they are equal.
    u128 posted;
};

static int sums_compare(const void *a, const void *b)
{
    const struct book_sum *left = a;
    const struct book_sum *right = b;
    return (left->ledger > right->ledger) - (left->ledger < right->ledger);
}

// L1 over all: of each ledger number, debits less credits; and L11: it is plain clients' or
// modules'.
static void book_check(struct audit_walk *walk, const struct book_sum *sum)
{
    const struct audit_place nowhere = audit_place_none();
    walk->report->ledgers++;
    if (sum->has_plain && sum->has_planned) {
        (void)audit_differ(walk->report, AUDIT_L11, &nowhere,
                           "ledger %u has accounts of plain clients and of modules", sum->ledger);
    }
    if (sum->pending == 0 && sum->posted == 0) return;
    char texts[2][NUMBER_SIZE_MAX];
    (void)number_print_i128((i128)sum->posted, texts[0]);
    (void)number_print_i128((i128)sum->pending, texts[1]);
    (void)audit_differ(walk->report, AUDIT_L1, &nowhere,
                       "ledger %u: debits less credits are %s posted and %s held, not 0",
                       sum->ledger, texts[0], texts[1]);
}

static void balance_check(struct audit_walk *walk)
{
    const struct audit_books *books = &walk->books;
    struct book_sum *sums = calloc(MAX(books->account_count, 1), sizeof *sums);
    assert(sums != NULL);
    u64 count = 0;
    for (u64 i = 0; i < books->account_count; i++) {
        const struct audit_account *account = &books->accounts[i];
        // Neighbours are mostly of one ledger.
        if (count == 0 || sums[count - 1].ledger != account->ledger) {
            sums[count++] = (struct book_sum){.ledger = account->ledger};
        }
        struct book_sum *sum = &sums[count - 1];
        sum->pending += account->debits_pending - account->credits_pending;
        sum->posted += account->debits_posted - account->credits_posted;
        sum->has_plain |= account->owner_class == 0;
        sum->has_planned |= account->owner_class != 0;
    }
    qsort(sums, count, sizeof *sums, sums_compare);
    for (u64 first = 0, end; first < count; first = end) {
        struct book_sum *sum = &sums[first];
        for (end = first + 1; end < count && sums[end].ledger == sum->ledger; end++) {
            sum->pending += sums[end].pending;
            sum->posted += sums[end].posted;
            sum->has_plain |= sums[end].has_plain;
            sum->has_planned |= sums[end].has_planned;
        }
        book_check(walk, sum);
    }
    free(sums);
}

// --- the end -------------------------------------------------------------------------------------

// Holds that a tick should have ended.
static void holds_check(struct audit_walk *walk)
{
    for (u64 i = 0; i < walk->books.slot_count; i++) {
        const struct audit_hold *hold = &walk->books.slots[i];
        if (hold->row == 0 || hold->expires_at == 0 || hold->expires_at > walk->expired_through) {
            continue;
        }
        char id[NUMBER_SIZE_MAX];
        (void)number_print_u128(hold->id, id);
        const struct audit_place place = audit_place_row(hold->row - 1, AUDIT_NONE);
        (void)audit_differ(walk->report, AUDIT_OUTCOME, &place,
                           "hold %s was due at %llu, and is open behind a tick at %llu", id,
                           (unsigned long long)hold->expires_at,
                           (unsigned long long)walk->expired_through);
    }
}

// An override that the checkpoint knows, and nobody gave.
static void overrides_check(struct audit_walk *walk)
{
    const struct audit_checkpoint_head *head = &walk->checkpoint->head;
    const struct audit_place place = audit_place_file(walk->checkpoint->name, 0);
    for (u32 i = 0; i < head->override_count; i++) {
        if (walk->overrides >> i & 1) continue;
        (void)audit_differ(walk->report, AUDIT_CHECKPOINT, &place,
                           "the checkpoint has an override of command %llu that is not in the log",
                           (unsigned long long)head->overrides[i]);
    }
}

enum status audit_walk_end(struct audit_walk *walk)
{
    const u64 end = walk->rows.end;
    const bool is_covered = walk->report->frames >= walk->checkpoint->head.sequence;
    if (!walk->is_lost && walk->status == STATUS_OK && walk->rows.next < end && is_covered) {
        const struct audit_place place = audit_place_row(walk->rows.next, AUDIT_NONE);
        (void)audit_differ(walk->report, AUDIT_OUTCOME, &place,
                           "the rows from here to %llu belong to no event of the log: no balance "
                           "was compared",
                           (unsigned long long)end - 1);
        walk->is_lost = true;
    }
    walk->report->accounts = walk->books.account_count;
    walk->report->holds = walk->books.hold_count;
    struct uses *uses = malloc(sizeof *uses);
    assert(uses != NULL);
    if (walk->status == STATUS_OK) transfer_ids_check(walk, uses);
    if (walk->status == STATUS_OK) account_ids_check(walk, uses);
    free(uses);
    if (walk->status != STATUS_OK) return walk->status;
    balance_check(walk);
    holds_check(walk);
    if (is_covered && walk->checkpoint->is_found) overrides_check(walk);
    return STATUS_OK;
}
