// SPDX-License-Identifier: Apache-2.0
//
// Proving rows.
#include "ledger/history_proof.h"

#include "ledger/history_file.h"

#include <stdlib.h>

enum status history_tree_size(const struct history_view *view, u64 *out, struct failure *failure)
{
    return outcome_tree_size_at(&view->history->tree, view->row_end, out, failure);
}

enum status history_tree_leaf(const struct history_view *view, u64 row, u64 *leaf,
                              struct failure *failure)
{
    // The leaves before it are those that end at or before the row.
    return outcome_tree_size_at(&view->history->tree, row, leaf, failure);
}

static enum status contradiction(u64 leaf, u64 row, struct failure *failure)
{
    (void)failure_set(failure, STATUS_CORRUPT,
                      "history: row %llu and leaf %llu of the tree of outcomes contradict each "
                      "other",
                      (unsigned long long)row, (unsigned long long)leaf);
    failure_hint(failure, HISTORY_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// The rows of a frame without the padding before them: `rows` has room for as many as a frame may
// have. `*first` is the number of the first one.
static enum status frame_rows(const struct history_view *view, u64 first_row, u64 end_row,
                              struct outcome *rows, u32 *count, u64 *first, struct failure *failure)
{
    *count = 0;
    *first = end_row;
    for (u64 row = first_row; row < end_row; row++) {
        struct outcome outcome;
        enum status status = history_row(view->history, view->set, row, &outcome, failure);
        if (status != STATUS_OK) return status;
        if (outcome.kind == OUTCOME_NONE) continue;
        if (*count == 0) *first = row;
        rows[(*count)++] = outcome;
    }
    return STATUS_OK;
}

// The part of the proof within the frame.
static enum status frame_include(const struct history_view *view, u64 row,
                                 const struct outcome_leaf *leaf, u64 first_row,
                                 struct history_inclusion *out, struct failure *failure)
{
    const u64 rows_max = HISTORY_FRAME_ROWS_MAX + HISTORY_PAGE_ROWS;
    const bool is_possible = leaf->end_row <= view->row_end && first_row <= row &&
                             row < leaf->end_row && leaf->end_row - first_row <= rows_max;
    if (!is_possible) return contradiction(out->leaf, row, failure);
    struct outcome *rows = malloc(rows_max * sizeof *rows);
    struct digest *digests = malloc(rows_max * sizeof *digests);
    assert(rows != NULL && digests != NULL);
    u64 first = 0;
    enum status status =
        frame_rows(view, first_row, leaf->end_row, rows, &out->row_count, &first, failure);
    if (status == STATUS_OK &&
        (row < first || row - first >= out->row_count || rows[row - first].kind == OUTCOME_NONE ||
         out->row_count > HISTORY_FRAME_ROWS_MAX)) {
        status = contradiction(out->leaf, row, failure);
    }
    if (status == STATUS_OK) {
        struct digest root;
        out->row_index = (u32)(row - first);
        out->outcome = rows[out->row_index];
        merkle_leaves(rows, OUTCOME_LEAF_SIZE, sizeof *rows, out->row_count, digests);
        merkle_root(digests, out->row_count, &root);
        if (memcmp(&root, &leaf->root, sizeof root) != 0) {
            status = contradiction(out->leaf, row, failure);
        }
        merkle_leaves(rows, OUTCOME_LEAF_SIZE, sizeof *rows, out->row_count, digests);
        out->row_path_count = merkle_path(digests, out->row_count, out->row_index, out->row_path);
    }
    free(digests);
    free(rows);
    return status;
}

enum status history_include(const struct history_view *view, u64 row, u64 size,
                            struct history_inclusion *out, struct failure *failure)
{
    struct outcome_tree *tree = &view->history->tree;
    struct outcome_leaf leaf;
    u64 first_row = 0;
    *out = (struct history_inclusion){0};
    enum status status = history_tree_leaf(view, row, &out->leaf, failure);
    if (status != STATUS_OK) return status;
    assert(size <= outcome_tree_size(tree));
    // The order of the leaves is what their pages say.
    if (out->leaf >= size) return contradiction(out->leaf, row, failure);
    status = outcome_tree_leaf(tree, out->leaf, &leaf, &first_row, failure);
    if (status == STATUS_OK) status = frame_include(view, row, &leaf, first_row, out, failure);
    if (status != STATUS_OK) return status;
    return outcome_tree_path(tree, out->leaf, size, out->leaf_path, &out->leaf_path_count, failure);
}

// Entry `index` of the list of accounts of a segment: the row within it.
static enum status account_entry(const struct history_view *view,
                                 const struct history_segment *segment, u64 index, u64 *row,
                                 struct failure *failure)
{
    if (!segment->sealed) {
        *row = segment->first_row + (u32)segment->live->lists[SECTION_ACCOUNT].entries[index];
        return STATUS_OK;
    }
    struct history_index_page page;
    const u64 number = segment->file.page_first[SECTION_ACCOUNT] + index / HISTORY_PAGE_ENTRIES;
    enum status status = history_index_page_read(view->history, segment, number, &page, failure);
    if (status != STATUS_OK) return status;
    *row = segment->first_row + (u32)page.entries[index % HISTORY_PAGE_ENTRIES];
    return STATUS_OK;
}

enum status history_account_made(const struct history_view *view, u32 account_row, u64 *row,
                                 struct failure *failure)
{
    // Accounts have their rows in the order in which they were made, and the list of all accounts
    // is in that order: the n-th entry is the n-th account's.
    u64 before = 0;
    *row = 0;
    for (u32 i = 0; i < view->set->count; i++) {
        const struct history_segment *segment = view->set->segments[i];
        const u64 count = segment->sealed
                              ? segment->file.entry_count[SECTION_ACCOUNT]
                              : atomic_load(&segment->live->lists[SECTION_ACCOUNT].count);
        if (account_row - before >= count) {
            before += count;
            continue;
        }
        struct outcome outcome;
        u64 found = 0;
        enum status status = account_entry(view, segment, account_row - before, &found, failure);
        if (status != STATUS_OK || found >= view->row_end) return status;
        status = history_row(view->history, view->set, found, &outcome, failure);
        if (status != STATUS_OK) return status;
        if (outcome.kind != OUTCOME_ACCOUNT || outcome.debit_row != account_row) {
            (void)failure_set(failure, STATUS_CORRUPT,
                              "history: row %llu is not that of the account in row %u",
                              (unsigned long long)found, account_row);
            failure_hint(failure, HISTORY_DAMAGE_HINT);
            return STATUS_CORRUPT;
        }
        *row = found + 1;
        return STATUS_OK;
    }
    return STATUS_OK;
}
