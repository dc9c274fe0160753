// SPDX-License-Identifier: Apache-2.0
//
// Heads that are held, and what must be proved against them.
#include "witness.h"

#include "ledger/history_proof.h"
#include "proof/proof.h"

// Whether the node proves that its tree continues a head.
static enum status growth_look(const struct witness *witness, struct outcome_tree *tree, u32 held,
                               u64 size, const struct digest *root, const char **what,
                               struct failure *failure)
{
    struct digest path[OUTCOME_GROWTH_MAX];
    u32 count = 0;
    const u64 from = witness->heads[held].size;
    if (from > size) {
        *what = "the tree is smaller than one of before";
        return STATUS_OK;
    }
    enum status status = outcome_tree_growth(tree, from, size, path, &count, failure);
    if (status != STATUS_OK) return status;
    if (!proof_path_grows(from, &witness->heads[held].root, size, root, path, count)) {
        *what = "the tree does not continue one of before";
    }
    return STATUS_OK;
}

// Whether the node proves a row against a head.
static enum status row_look(const struct witness *witness, const struct history_view *view,
                            u32 held, u64 random, const char **what, struct failure *failure)
{
    const u64 size = witness->heads[held].size;
    struct outcome_leaf leaf;
    struct outcome outcome = {0};
    u64 first_row = 0;
    enum status status =
        outcome_tree_leaf(&view->history->tree, random % size, &leaf, &first_row, failure);
    // A row of that frame that is no padding: the first one behind a random place in it.
    u64 row = first_row;
    if (status == STATUS_OK) row += random / size % (leaf.end_row - first_row);
    for (; status == STATUS_OK && row < leaf.end_row; row++) {
        status = history_row(view->history, view->set, row, &outcome, failure);
        if (outcome.kind != OUTCOME_NONE) break;
    }
    struct history_inclusion found;
    if (status == STATUS_OK) status = history_include(view, row, size, &found, failure);
    if (status != STATUS_OK) return status;
    struct digest hash, frame, root;
    merkle_leaves(&outcome, OUTCOME_LEAF_SIZE, sizeof outcome, 1, &hash);
    if (!proof_path_root(&hash, found.row_index, found.row_count, found.row_path,
                         found.row_path_count, NULL, &frame) ||
        !proof_path_root(&frame, found.leaf, size, found.leaf_path, found.leaf_path_count, NULL,
                         &root) ||
        memcmp(&root, &witness->heads[held].root, sizeof root) != 0) {
        *what = "a row is not proved to be in the tree of a head";
    }
    return STATUS_OK;
}

static enum status look(struct witness *witness, struct node *node, const struct history_view *view,
                        u64 random, u64 other, const char **what, struct failure *failure)
{
    struct outcome_tree *tree = &view->history->tree;
    const struct digest *live = machine_indexer_root(&node->indexer, node->indexer.sequence);
    struct digest root;
    u64 size = 0;
    enum status status = history_tree_size(view, &size, failure);
    if (status == STATUS_OK) status = outcome_tree_root(tree, size, &root, failure);
    if (status != STATUS_OK || size == 0) return status;
    if (memcmp(&root, live, sizeof root) != 0) {
        *what = "the tree is not that of the outcomes";
        return STATUS_OK;
    }
    if (witness->count > 0) {
        const u32 held = (u32)(other % witness->count);
        status = growth_look(witness, tree, held, size, &root, what, failure);
        if (status == STATUS_OK && *what == NULL) {
            status = row_look(witness, view, held, random, what, failure);
        }
        if (status != STATUS_OK || *what != NULL) return status;
    }
    const u32 place =
        witness->count < WITNESS_HEADS_MAX ? witness->count++ : (u32)(random % WITNESS_HEADS_MAX);
    witness->heads[place].size = size;
    witness->heads[place].root = root;
    return STATUS_OK;
}

const char *witness_look(struct witness *witness, struct node *node, u64 random, u64 other,
                         bool *refused, struct failure *failure)
{
    struct history *history = &node->machine.history;
    const char *what = NULL;
    struct history_view view = history_view_open(
        history, (const struct account *)node->machine.ledger.accounts.memory, history->next_row);
    view.sees_modules = true;
    *refused = look(witness, node, &view, random, other, &what, failure) != STATUS_OK;
    history_view_close(&view);
    return what;
}
