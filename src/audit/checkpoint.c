// SPDX-License-Identifier: Apache-2.0
//
// The checkpoint read once, block by block: hashed, and its records compared.
#include "audit/checkpoint.h"

#include "audit/sub_ledger.h"
#include "audit/tree.h"
#include "base/checksum.h"
#include "codec/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_PAGES  256u
#define LIST_ENTRIES 4096u

struct segment_entry {
    u64 first_row;
    u64 row_count;
};

// Leaves of the tree that are in the checkpoint.
static u64 open_leaves(const struct audit_checkpoint_head *head)
{
    return head->outcomes.count % AUDIT_TREE_LEAVES;
}

// --- the head ------------------------------------------------------------------------------------

static size_t record_size(u32 table)
{
    switch (table) {
    case AUDIT_TABLE_ACCOUNTS: return sizeof(struct audit_account_record);
    case AUDIT_TABLE_HOLDS: return sizeof(struct audit_hold_record);
    case AUDIT_TABLE_CONTROLS: return sizeof(struct audit_control_record);
    case AUDIT_TABLE_JOBS: return sizeof(struct audit_job_record);
    case AUDIT_TABLE_LOANS: return sizeof(struct audit_loan_record);
    case AUDIT_TABLE_GROUPS: return sizeof(struct audit_group_record);
    default: return 0;
    }
}

// Whether what the head names lies within the file, so that nothing is read or taken for it that is
// not there.
static bool head_fits(const struct audit_checkpoint_head *head, u64 size)
{
    const u64 pages = size / PAGE_SIZE;
    u64 sum = 2;
    for (u32 i = 0; i < head->table_count; i++) {
        const struct audit_table *table = &head->tables[i];
        if (table->page_count > pages) return false;
        sum += table->page_count;
        const size_t record = MAX(record_size(table->id), 1);
        if (table->record_count > table->page_count * PAGE_SIZE / record) return false;
    }
    if (sum > pages) return false;
    const u64 lists = (u64)head->segment_count * sizeof(struct segment_entry) +
                      open_leaves(head) * sizeof(struct audit_tree_leaf);
    if (lists == 0) return true; // The file may end within the page before.
    return head->lists_page <= pages && head->lists_page * PAGE_SIZE + lists <= size;
}

static const char *head_damage(const struct audit_checkpoint_head *head, u64 number, u64 size)
{
    if (head->checksum != checksum(&head->magic, sizeof *head - 16)) {
        return "the checksum of the head does not hold";
    }
    if (head->magic != AUDIT_CHECKPOINT_MAGIC || head->format != AUDIT_CHECKPOINT_FORMAT) {
        return "the head has a format that is not known";
    }
    if (head->sequence != number) return "the head is that of another name";
    if (head->table_count > AUDIT_TABLES_MAX || head->override_count > AUDIT_OVERRIDES_MAX ||
        head->next_row / AUDIT_PAGE_ROWS / AUDIT_ROWS_FILE_PAGES > U32_MAX) {
        return "the head has more tables, overrides or rows than there can be";
    }
    u64 page = AUDIT_HEAD_PAGES;
    for (u32 i = 0; i < head->table_count; i++) {
        const struct audit_table *table = &head->tables[i];
        const bool in_order = i == 0 || table->id > head->tables[i - 1].id;
        if (!in_order || table->zero != 0 || table->record_count == 0 ||
            table->page_first != page) {
            return "the head's list of tables is not in order";
        }
        page += table->page_count;
    }
    if (page != head->digests_page) return "the digests do not follow the tables";
    if (!is_zero(head->tables + head->table_count,
                 (AUDIT_TABLES_MAX - head->table_count) * sizeof head->tables[0])) {
        return "the head has something behind its last table";
    }
    if (!head_fits(head, size)) return "the file is shorter than its head says";
    return NULL;
}

enum status audit_checkpoint_open(struct audit_checkpoint *checkpoint,
                                  const struct audit_folder *folder, struct audit_report *report,
                                  struct failure *failure)
{
    *checkpoint = (struct audit_checkpoint){.report = report, .file = -1};
    u64 number = 0;
    bool found = false;
    enum status status = audit_folder_newest(folder, "checkpoint-", 16, &number, &found, failure);
    if (status != STATUS_OK || !found) return status;
    (void)snprintf(checkpoint->name, sizeof checkpoint->name, "checkpoint-%016llx",
                   (unsigned long long)number);
    status = audit_file_open(folder, checkpoint->name, &checkpoint->file, failure);
    if (status != STATUS_OK) return status;
    size_t done = 0;
    u64 size = 0;
    status = audit_file_size(checkpoint->file, &size, failure);
    if (status != STATUS_OK) return status;
    status = audit_file_read(checkpoint->file, 0, &checkpoint->head, sizeof checkpoint->head, &done,
                             failure);
    if (status != STATUS_OK) return status;
    const char *damage = done < sizeof checkpoint->head
                             ? "the head is not whole"
                             : head_damage(&checkpoint->head, number, size);
    checkpoint->is_found = damage == NULL;
    report->has_checkpoint = damage == NULL;
    if (damage != NULL) {
        const struct audit_place place = audit_place_file(checkpoint->name, 0);
        (void)audit_differ(report, AUDIT_BYTES, &place, "%s: no balance was compared", damage);
    } else {
        report->checkpoint_sequence = number;
    }
    return STATUS_OK;
}

void audit_checkpoint_close(struct audit_checkpoint *checkpoint)
{
    if (checkpoint->file >= 0) (void)close(checkpoint->file);
    checkpoint->file = -1;
}

const struct audit_table *audit_checkpoint_table(const struct audit_checkpoint *checkpoint, u32 id)
{
    for (u32 i = 0; i < checkpoint->head.table_count; i++) {
        if (checkpoint->head.tables[i].id == id) return &checkpoint->head.tables[i];
    }
    return NULL;
}

enum status audit_checkpoint_account(const struct audit_checkpoint *checkpoint, u64 row,
                                     struct audit_account_record *out, struct failure *failure)
{
    const struct audit_table *table = &checkpoint->head.tables[0];
    *out = (struct audit_account_record){0};
    if (checkpoint->head.table_count == 0 || table->id != AUDIT_TABLE_ACCOUNTS ||
        row >= table->record_count) {
        return STATUS_OK;
    }
    size_t done = 0;
    return audit_file_read(checkpoint->file, table->page_first * PAGE_SIZE + row * sizeof *out, out,
                           sizeof *out, &done, failure);
}

struct audit_place audit_checkpoint_account_place(const struct audit_checkpoint *checkpoint,
                                                  u64 row)
{
    const u64 first = checkpoint->head.tables[0].page_first * PAGE_SIZE;
    return audit_place_file(checkpoint->name, first + row * sizeof(struct audit_account_record));
}

// --- records -------------------------------------------------------------------------------------

struct compare {
    struct audit_checkpoint *checkpoint;
    const struct audit_given *given;
    struct audit_books *books; // NULL: nothing to compare with.
    struct failure *failure;
    const struct audit_progress *progress;
    u64 done; // Bytes.
    u64 digest_at;
    u64 holds; // Records of them, open and free.
    struct audit_sub_ledgers sub_ledgers;
    u8 *block;
    struct digest *digests;
    struct digest *named;
    struct sha256_state state;
};

static void account_compare(struct compare *compare, u64 row,
                            const struct audit_account_record *record, u64 offset)
{
    struct audit_report *report = compare->checkpoint->report;
    const struct audit_place place = audit_place_file(compare->checkpoint->name, offset);
    if (row >= compare->books->account_count) return; // The counts are compared beside.
    const struct audit_account *account = &compare->books->accounts[row];
    const u128 sums[4][2] = {
        {account->debits_pending, record->debits_pending},
        {account->debits_posted, record->debits_posted},
        {account->credits_pending, record->credits_pending},
        {account->credits_posted, record->credits_posted},
    };
    static const char *const names[4] = {"debits_pending", "debits_posted", "credits_pending",
                                         "credits_posted"};
    for (u32 i = 0; i < 4; i++) {
        if (sums[i][0] == sums[i][1]) continue;
        audit_differ_account(report, &place, account->id, account->ledger, names[i], sums[i][0],
                             sums[i][1]);
    }
    const struct {
        const char *name;
        u128 by_log;
        u128 by_checkpoint;
    } fields[] = {
        {"id", account->id, record->id},
        {"ledger", account->ledger, record->ledger},
        {"code", account->code, record->code},
        {"flags", account->flags, record->flags},
        {"timestamp", account->timestamp, record->timestamp},
        {"user_data_128", account->user_data_128, record->user_data_128},
        {"user_data_64", account->user_data_64, record->user_data_64},
        {"user_data_32", account->user_data_32, record->user_data_32},
        {"postings_since_snapshot", account->postings, record->postings},
        {"owner_class", account->owner_class, record->owner_class & AUDIT_CLASS_MASK},
    };
    for (u32 i = 0; i < ARRAY_COUNT(fields); i++) {
        if (fields[i].by_log == fields[i].by_checkpoint) continue;
        audit_differ_account(report, &place, account->id, account->ledger, fields[i].name,
                             fields[i].by_log, fields[i].by_checkpoint);
    }
}

// In what an open hold differs, or NULL.
static const char *hold_difference(const struct audit_hold *hold,
                                   const struct audit_hold_record *record)
{
    if (hold->id != record->id) return "id";
    if (hold->amount != record->amount) return "amount";
    if (hold->debit_row != record->debit_row) return "debit account";
    if (hold->credit_row != record->credit_row) return "credit account";
    if (hold->timestamp != record->timestamp) return "timestamp";
    if (hold->code != record->code) return "code";
    if (hold->flags != (record->flags & AUDIT_POSTING_FLAGS)) return "flags";
    if (hold->is_planned) return NULL; // The rest is its module's.
    if (hold->expires_at != record->expires_at) return "expiry";
    if (hold->user_data_128 != record->user_data_128 ||
        hold->user_data_64 != record->user_data_64 || hold->user_data_32 != record->user_data_32) {
        return "user data";
    }
    return NULL;
}

static void hold_text(const struct audit_books *books, u128 id, u32 debit_row, char out[128])
{
    char texts[2][NUMBER_SIZE_MAX] = {"", "?"};
    (void)number_print_u128(id, texts[0]);
    const struct audit_account *debit = audit_account_at(books, debit_row);
    if (debit != NULL) (void)number_print_u128(debit->id, texts[1]);
    (void)snprintf(out, 128, "hold %s of account %s", texts[0], texts[1]);
}

static void hold_compare(struct compare *compare, const struct audit_hold_record *record,
                         u64 offset)
{
    compare->holds++;
    if (record->open == 0) return;
    struct audit_report *report = compare->checkpoint->report;
    const struct audit_place place = audit_place_file(compare->checkpoint->name, offset);
    const struct audit_hold *hold = audit_hold_at(compare->books, record->row);
    char text[128];
    hold_text(compare->books, record->id, record->debit_row, text);
    if (hold == NULL) {
        (void)audit_differ(report, AUDIT_CHECKPOINT, &place,
                           "%s is open in the checkpoint, not by the log", text);
        return;
    }
    const char *what = hold_difference(hold, record);
    if (what != NULL) {
        (void)audit_differ(report, AUDIT_CHECKPOINT, &place,
                           "%s has another %s in the checkpoint than by the log", text, what);
    }
    audit_hold_remove(compare->books, record->row);
}

// L10, as far as the checkpoint tells: the sum that a control has is the balance of its account.
static void control_compare(struct compare *compare, const struct audit_control_record *record,
                            u64 offset)
{
    struct audit_report *report = compare->checkpoint->report;
    const struct audit_place place = audit_place_file(compare->checkpoint->name, offset);
    const struct audit_account *account = audit_account_at(compare->books, record->account_row);
    report->controls++;
    if (account == NULL || record->scale == 0 || record->scale > INT64_MAX) {
        (void)audit_differ(report, AUDIT_L10, &place, "a control of no account, or no scale");
        return;
    }
    // The whole minor units, cut off towards minus infinity; balances are told modulo 2^128.
    const i128 scale = (i128)record->scale;
    i128 whole = record->sum / scale;
    if (whole * scale > record->sum) whole--;
    const u128 balance = account->debits_posted - account->credits_posted;
    const i128 told = (i128)(record->is_credit ? 0 - balance : balance);
    if (told == whole) return;
    char texts[3][NUMBER_SIZE_MAX];
    (void)number_print_u128(account->id, texts[0]);
    (void)number_print_i128(told, texts[1]);
    (void)number_print_i128(whole, texts[2]);
    (void)audit_differ(report, AUDIT_L10, &place,
                       "account %s of ledger %u: its balance is %s by the log, its sub-ledger "
                       "sums to %s",
                       texts[0], account->ledger, texts[1], texts[2]);
}

// Compares the records of a block of pages of a table.
static void records_compare(struct compare *compare, const struct audit_table *table, u64 page,
                            u64 pages)
{
    const size_t size = record_size(table->id);
    if (size == 0 || (compare->books == NULL && table->id != AUDIT_TABLE_LOANS)) return;
    const u64 first = page * PAGE_SIZE / size;
    const u64 end = MIN(table->record_count, (page + pages) * PAGE_SIZE / size);
    for (u64 i = first; i < end; i++) {
        const void *at = compare->block + (i - first) * size;
        const u64 offset = table->page_first * PAGE_SIZE + i * size;
        if (table->id == AUDIT_TABLE_ACCOUNTS) account_compare(compare, i, at, offset);
        if (table->id == AUDIT_TABLE_HOLDS) hold_compare(compare, at, offset);
        if (table->id == AUDIT_TABLE_CONTROLS) control_compare(compare, at, offset);
        if (table->id == AUDIT_TABLE_LOANS) {
            audit_sub_ledgers_add(&compare->sub_ledgers, at, offset);
        }
    }
}

// --- pages ---------------------------------------------------------------------------------------

// Reads a block of pages and the digests that are named for them, and compares them.
static enum status block_check(struct compare *compare, const struct audit_table *table, u64 page,
                               u64 pages, struct merkle_range *range)
{
    struct audit_checkpoint *checkpoint = compare->checkpoint;
    const u64 offset = (table->page_first + page) * PAGE_SIZE;
    size_t done = 0;
    memset(compare->block, 0, pages * PAGE_SIZE);
    enum status status = audit_file_read(checkpoint->file, offset, compare->block,
                                         pages * PAGE_SIZE, &done, compare->failure);
    if (status != STATUS_OK) return status;
    sha256_chunks(compare->block, pages * PAGE_SIZE, PAGE_SIZE, compare->digests);
    memset(compare->named, 0, pages * sizeof *compare->named);
    status = audit_file_read(checkpoint->file, compare->digest_at, compare->named,
                             pages * sizeof *compare->named, &done, compare->failure);
    if (status != STATUS_OK) return status;
    compare->digest_at += pages * sizeof *compare->named;
    for (u64 i = 0; i < pages; i++) {
        merkle_range_append(range, &compare->digests[i], NULL);
        if (memcmp(&compare->digests[i], &compare->named[i], sizeof(struct digest)) == 0) continue;
        const struct audit_place place = audit_place_file(checkpoint->name, offset + i * PAGE_SIZE);
        (void)audit_differ(checkpoint->report, AUDIT_BYTES, &place,
                           "page %llu of table %u does not have the digest that is named for it",
                           (unsigned long long)(page + i), table->id);
    }
    compare->done += pages * PAGE_SIZE;
    const struct audit_progress *progress = compare->progress;
    if (progress != NULL && !progress->report(progress->context, "checkpoint", compare->done,
                                              checkpoint->head.digests_page * PAGE_SIZE)) {
        return failure_set(compare->failure, STATUS_CANCELLED, "stopped");
    }
    return STATUS_OK;
}

static enum status table_check(struct compare *compare, const struct audit_table *table)
{
    struct merkle_range range = {0};
    for (u64 page = 0; page < table->page_count; page += BLOCK_PAGES) {
        const u64 pages = MIN(BLOCK_PAGES, table->page_count - page);
        const enum status status = block_check(compare, table, page, pages, &range);
        if (status != STATUS_OK) return status;
        records_compare(compare, table, page, pages);
    }
    struct digest root;
    merkle_range_root(&range, &root);
    if (memcmp(&root, &table->root, sizeof root) != 0) {
        const struct audit_place place =
            audit_place_file(compare->checkpoint->name, table->page_first * PAGE_SIZE);
        (void)audit_differ(compare->checkpoint->report, AUDIT_BYTES, &place,
                           "table %u does not have the root that the head names", table->id);
    }
    const u64 id = table->id;
    sha256_update(&compare->state, &id, sizeof id);
    sha256_update(&compare->state, &root, sizeof root);
    return STATUS_OK;
}

// What of the books the checkpoint does not have.
static void rest_compare(struct compare *compare)
{
    struct audit_checkpoint *checkpoint = compare->checkpoint;
    struct audit_report *report = checkpoint->report;
    const struct audit_checkpoint_head *head = &checkpoint->head;
    const struct audit_books *books = compare->books;
    const struct audit_place place = audit_place_file(checkpoint->name, 0);
    const bool has_accounts = head->table_count > 0 && head->tables[0].id == AUDIT_TABLE_ACCOUNTS;
    const u64 accounts = has_accounts ? head->tables[0].record_count : 0;
    if (books->account_count != accounts || books->account_count != head->account_count) {
        (void)audit_differ(report, AUDIT_CHECKPOINT, &place,
                           "%llu accounts by the log, %llu in the checkpoint, whose head says %llu",
                           (unsigned long long)books->account_count, (unsigned long long)accounts,
                           (unsigned long long)head->account_count);
    }
    if (compare->holds != head->hold_count) {
        (void)audit_differ(report, AUDIT_CHECKPOINT, &place,
                           "%llu records of holds in the checkpoint, whose head says %llu",
                           (unsigned long long)compare->holds,
                           (unsigned long long)head->hold_count);
    }
    for (u64 i = 0; i < books->slot_count; i++) {
        const struct audit_hold *hold = &books->slots[i];
        if (hold->row == 0) continue;
        const struct audit_place row = audit_place_row(hold->row - 1, AUDIT_NONE);
        char text[128];
        hold_text(books, hold->id, hold->debit_row, text);
        (void)audit_differ(report, AUDIT_CHECKPOINT, &row,
                           "%s is open by the log, not in the checkpoint", text);
    }
}

// Whether a segment of history ended before a row. Segments are sorted; the list goes on from
// `*next` to it.
static bool segment_ends_at(const struct audit_given *given, u64 row, u64 *next)
{
    while (*next < given->segment_count && given->segments[*next] < row) ++*next;
    return *next < given->segment_count && given->segments[*next] == row;
}

// The leaves behind the segments, against those of the log's outcomes.
static enum status leaves_check(struct compare *compare, struct sha256_state *state,
                                const char **what)
{
    const struct audit_checkpoint_head *head = &compare->checkpoint->head;
    struct audit_tree_leaf leaves[AUDIT_TREE_LEAVES] = {0};
    const u64 count = open_leaves(head);
    const u64 offset =
        head->lists_page * PAGE_SIZE + (u64)head->segment_count * sizeof(struct segment_entry);
    size_t done = 0;
    if (count > 0) {
        const enum status status = audit_file_read(compare->checkpoint->file, offset, leaves,
                                                   count * sizeof *leaves, &done, compare->failure);
        if (status != STATUS_OK) return status;
    }
    sha256_update(state, leaves, count * sizeof *leaves);
    if (compare->given == NULL) return STATUS_OK;
    const struct audit_tree *tree = compare->given->tree;
    // Another number of leaves was told with the tree's root.
    if (tree->range.count != head->outcomes.count) return STATUS_OK;
    if (memcmp(leaves, tree->open.leaves, count * sizeof *leaves) != 0) {
        *what = "the leaves of the tree in no full page are not those of the log's outcomes";
    } else if (head->outcomes_row != tree->page_row) {
        *what = "the leaves of the tree in no full page begin at another row";
    }
    return STATUS_OK;
}

static enum status lists_check(struct compare *compare)
{
    const struct audit_checkpoint *checkpoint = compare->checkpoint;
    const struct audit_checkpoint_head *head = &checkpoint->head;
    struct segment_entry *list = malloc(LIST_ENTRIES * sizeof *list);
    assert(list != NULL);
    struct sha256_state state;
    sha256_begin(&state);
    enum status status = STATUS_OK;
    u64 row = 0;
    u64 next = 0;
    bool in_order = true;
    bool is_known = true;
    for (u64 first = 0; first < head->segment_count && status == STATUS_OK; first += LIST_ENTRIES) {
        const u64 count = MIN(LIST_ENTRIES, head->segment_count - first);
        const u64 offset = head->lists_page * PAGE_SIZE + first * sizeof *list;
        size_t done = 0;
        memset(list, 0, count * sizeof *list);
        status = audit_file_read(checkpoint->file, offset, list, count * sizeof *list, &done,
                                 compare->failure);
        sha256_update(&state, list, count * sizeof *list);
        for (u64 i = 0; i < count; i++) {
            in_order &= list[i].first_row == row && list[i].row_count > 0;
            row += list[i].row_count;
            if (compare->given != NULL) is_known &= segment_ends_at(compare->given, row, &next);
        }
    }
    free(list);
    const char *leaves_differ = NULL;
    if (status == STATUS_OK) status = leaves_check(compare, &state, &leaves_differ);
    if (status != STATUS_OK) return status;
    struct digest digest;
    sha256_end(&state, &digest);
    const struct audit_place place =
        audit_place_file(checkpoint->name, head->lists_page * PAGE_SIZE);
    if (memcmp(&digest, &head->lists_digest, sizeof digest) != 0) {
        (void)audit_differ(checkpoint->report, AUDIT_BYTES, &place,
                           "the lists do not have the digest that the head names");
    } else if (!in_order || row != head->next_row) {
        (void)audit_differ(checkpoint->report, AUDIT_BYTES, &place,
                           "the segments do not cover the rows of history");
    } else if (!is_known) {
        (void)audit_differ(checkpoint->report, AUDIT_CHECKPOINT, &place,
                           "a segment ends where no frame of the log rotates");
    } else if (leaves_differ != NULL) {
        (void)audit_differ(checkpoint->report, AUDIT_CHECKPOINT, &place, "%s", leaves_differ);
    }
    return STATUS_OK;
}

enum status audit_checkpoint_compare(struct audit_checkpoint *checkpoint,
                                     const struct audit_given *given,
                                     const struct audit_progress *progress, struct failure *failure)
{
    const struct audit_checkpoint_head *head = &checkpoint->head;
    struct audit_books *books = given == NULL ? NULL : given->books;
    struct compare compare = {.checkpoint = checkpoint,
                              .given = given,
                              .books = books,
                              .failure = failure,
                              .progress = progress,
                              .digest_at = head->digests_page * PAGE_SIZE};
    compare.block = malloc(BLOCK_PAGES * PAGE_SIZE);
    compare.digests = calloc(2 * BLOCK_PAGES, sizeof *compare.digests);
    assert(compare.block != NULL && compare.digests != NULL);
    compare.named = compare.digests + BLOCK_PAGES;
    sha256_begin(&compare.state);
    sha256_update(&compare.state, &head->position, 16); // And the timestamp.
    sha256_update(&compare.state, &head->next_row, sizeof head->next_row);
    sha256_update(&compare.state, &head->account_timestamp_max, 48); // The ledger's and machine's.
    enum status status = audit_sub_ledgers_init(&compare.sub_ledgers, checkpoint, failure);
    for (u32 i = 0; i < head->table_count && status == STATUS_OK; i++) {
        status = table_check(&compare, &head->tables[i]);
    }
    if (status == STATUS_OK) audit_sub_ledgers_compare(&compare.sub_ledgers);
    audit_sub_ledgers_free(&compare.sub_ledgers);
    if (status == STATUS_OK) status = lists_check(&compare);
    if (status == STATUS_OK) {
        struct digest state;
        sha256_end(&compare.state, &state);
        if (memcmp(&state, &head->state, sizeof state) != 0) {
            const struct audit_place place = audit_place_file(checkpoint->name, 0);
            (void)audit_differ(checkpoint->report, AUDIT_BYTES, &place,
                               "the tables do not give the state digest that the head names");
        }
        if (books != NULL) rest_compare(&compare);
        checkpoint->report->compared = books != NULL;
    }
    free(compare.block);
    free(compare.digests);
    return status;
}
