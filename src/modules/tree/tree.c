// SPDX-License-Identifier: Apache-2.0
//
// Answering questions about the tree of outcomes; all of it is read from history.
#include "modules/tree/tree.h"

#include "ledger/history_proof.h"

#define SCHEMA_MODULE tree
#define SCHEMA_TABLE  "modules/tree/tree.def"
#include "schema/make_descriptors.h"

static_assert(sizeof((struct tree_inclusion_part *)0)->row == OUTCOME_LEAF_SIZE, "a leaf");
static_assert(sizeof((struct tree_inclusion_part *)0)->row_path ==
                  HISTORY_ROW_PATH_MAX * sizeof(struct digest),
              "a path within a frame");
static_assert(sizeof((struct tree_inclusion_part *)0)->leaf_path ==
                  OUTCOME_PATH_MAX * sizeof(struct digest),
              "a path from a frame");
static_assert(sizeof((struct tree_consistency_view *)0)->path ==
                  OUTCOME_GROWTH_MAX * sizeof(struct digest),
              "a path between two trees");

static void refuse(struct module_answer *answer, u32 result, u128 value, u128 limit)
{
    answer->result = result;
    answer->evidence[0] = value;
    answer->evidence[1] = limit;
}

static u32 tree_ask(const struct module_context *context, const struct schema_record *question,
                    const void *body, struct module_answer *answer)
{
    (void)context;
    if (question == &tree_schema_tree_consistency) {
        const struct tree_consistency *sizes = body;
        answer->evidence[0] = sizes->from;
        answer->evidence[1] = sizes->to;
        if (sizes->to == 0) return TREE_SIZE_ZERO;
        if (sizes->from > sizes->to) return TREE_SIZES_REVERSED;
    } else if (question == &tree_schema_tree_inclusion) {
        const struct tree_inclusion *inclusion = body;
        if (inclusion->size == 0) return TREE_SIZE_ZERO;
    } else {
        assert(question == &tree_schema_tree_head);
    }
    answer->evidence[0] = 0;
    answer->evidence[1] = 0;
    answer->looks = true;
    return MODULE_DONE;
}

static enum status head_look(struct history_view *view, u64 size, struct module_answer *answer,
                             struct failure *failure)
{
    struct outcome_tree *tree = &view->history->tree;
    struct tree_head_view out = {.size = size};
    struct history_frame frame;
    struct outcome_leaf leaf;
    struct digest root;
    u64 first_row = 0;
    answer->record = &tree_schema_tree_head_view;
    if (size == 0) {
        refuse(answer, TREE_EMPTY, 0, 0);
        return STATUS_OK;
    }
    enum status status = outcome_tree_leaf(tree, size - 1, &leaf, &first_row, failure);
    if (status == STATUS_OK) {
        status = view->history->log.frame(view->history->log.context, leaf.place, &frame, failure);
    }
    if (status == STATUS_OK) status = outcome_tree_root(tree, size, &root, failure);
    if (status != STATUS_OK) return status;
    out.log_id = frame.log_id;
    out.epoch = frame.epoch;
    out.sequence = frame.sequence;
    out.position = frame.position;
    out.timestamp = frame.timestamp;
    memcpy(out.header, frame.header.bytes, sizeof out.header);
    memcpy(out.root, root.bytes, sizeof out.root);
    const bool has_room = answer_add(answer, &out);
    assert(has_room);
    return STATUS_OK;
}

// What a proof is made of.
struct parts {
    u32 count;
    enum proved what[4];
    u64 rows[4];
};

static void part_add(struct parts *parts, enum proved what, u64 row)
{
    assert(parts->count < ARRAY_COUNT(parts->rows));
    parts->what[parts->count] = what;
    parts->rows[parts->count++] = row;
}

static enum status account_add(const struct history_view *view, enum proved what, u32 account_row,
                               struct parts *parts, struct failure *failure)
{
    u64 row = 0;
    enum status status = history_account_made(view, account_row, &row, failure);
    if (status != STATUS_OK) return status;
    if (row == 0) {
        return failure_set(failure, STATUS_CORRUPT, "history: account row %u was never made",
                           account_row);
    }
    part_add(parts, what, row - 1);
    return STATUS_OK;
}

// Adds the expiry of a hold, if it is in the tree already. (The row of a post or void does not say
// which hold it is of, so it would prove nothing.)
static enum status expiry_add(const struct history_view *view, const struct outcome *held,
                              u64 held_row, u64 size, struct parts *parts, struct failure *failure)
{
    struct outcome outcome;
    u64 row = 0;
    u64 leaf = 0;
    enum status status =
        history_find_resolution(view->history, view->set, held->id, held_row, &row, failure);
    if (status != STATUS_OK || row == 0 || row > view->row_end) return status;
    status = history_row(view->history, view->set, row - 1, &outcome, failure);
    if (status != STATUS_OK || outcome.kind != OUTCOME_EXPIRY) return status;
    status = history_tree_leaf(view, row - 1, &leaf, failure);
    if (status == STATUS_OK && leaf < size) part_add(parts, PROVED_EXPIRY, row - 1);
    return status;
}

static enum status parts_find(const struct history_view *view, u64 row, u64 size,
                              struct parts *parts, struct failure *failure)
{
    struct outcome outcome;
    enum status status = history_row(view->history, view->set, row, &outcome, failure);
    if (status != STATUS_OK) return status;
    part_add(parts, PROVED_TRANSFER, row);
    if (outcome.result != OUTCOME_CREATED) return STATUS_OK; // It moved nothing.
    status = account_add(view, PROVED_DEBIT_ACCOUNT, outcome.debit_row, parts, failure);
    if (status == STATUS_OK) {
        status = account_add(view, PROVED_CREDIT_ACCOUNT, outcome.credit_row, parts, failure);
    }
    if (status != STATUS_OK || (outcome.flags & TRANSFER_PENDING) == 0) return status;
    return expiry_add(view, &outcome, row, size, parts, failure);
}

static enum status part_prove(const struct history_view *view, enum proved what, u64 row, u64 size,
                              struct tree_inclusion_part *part, struct failure *failure)
{
    struct history_inclusion found;
    enum status status = history_include(view, row, size, &found, failure);
    if (status != STATUS_OK) return status;
    *part = (struct tree_inclusion_part){
        .leaf = found.leaf,
        .row_index = found.row_index,
        .row_count = found.row_count,
        .what = (u8)what,
        .row_path_count = (u8)found.row_path_count,
        .leaf_path_count = (u8)found.leaf_path_count,
    };
    memcpy(part->row, &found.outcome, sizeof part->row);
    memcpy(part->row_path, found.row_path, found.row_path_count * sizeof(struct digest));
    memcpy(part->leaf_path, found.leaf_path, found.leaf_path_count * sizeof(struct digest));
    return STATUS_OK;
}

// The cursor is how many parts were given.
static enum status inclusion_look(struct history_view *view, const struct tree_inclusion *question,
                                  u64 size, struct module_answer *answer, struct failure *failure)
{
    struct history *history = view->history;
    struct parts parts = {0};
    u64 row = 0;
    u64 leaf = 0;
    const u64 given = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->record = &tree_schema_tree_inclusion_part;
    if (question->size > size) {
        refuse(answer, TREE_SIZE_AHEAD, question->size, size);
        return STATUS_OK;
    }
    enum status status = history_find_row(history, view->set, question->transfer_id,
                                          history_hash_id(history, question->transfer_id),
                                          view->row_end, &row, failure);
    if (status != STATUS_OK) return status;
    if (row == 0) {
        refuse(answer, TREE_TRANSFER_NOT_FOUND, question->transfer_id, 0);
        return STATUS_OK;
    }
    row--;
    status = history_tree_leaf(view, row, &leaf, failure);
    if (status != STATUS_OK) return status;
    if (leaf >= question->size) {
        refuse(answer, TREE_TRANSFER_IS_LATER, leaf + 1, question->size);
        return STATUS_OK;
    }
    status = parts_find(view, row, question->size, &parts, failure);
    for (u64 i = given; i < parts.count && status == STATUS_OK; i++) {
        struct tree_inclusion_part part;
        status = part_prove(view, parts.what[i], parts.rows[i], question->size, &part, failure);
        if (status != STATUS_OK || answer_add(answer, &part)) continue;
        store_u64(answer->cursor, i);
        break;
    }
    return status;
}

static enum status consistency_look(struct history_view *view,
                                    const struct tree_consistency *question, u64 size,
                                    struct module_answer *answer, struct failure *failure)
{
    struct tree_consistency_view out = {.from = question->from, .to = question->to};
    struct digest path[OUTCOME_GROWTH_MAX];
    answer->record = &tree_schema_tree_consistency_view;
    if (question->to > size) {
        refuse(answer, TREE_SIZE_AHEAD, question->to, size);
        return STATUS_OK;
    }
    enum status status = outcome_tree_growth(&view->history->tree, question->from, question->to,
                                             path, &out.path_count, failure);
    if (status != STATUS_OK) return status;
    memcpy(out.path, path, out.path_count * sizeof *path);
    const bool has_room = answer_add(answer, &out);
    assert(has_room);
    return STATUS_OK;
}

static enum status tree_look(struct history_query *query, struct history_view *view,
                             const struct schema_record *question, const void *body,
                             struct module_answer *answer, struct failure *failure)
{
    (void)query;
    u64 size = 0;
    enum status status = history_tree_size(view, &size, failure);
    if (status != STATUS_OK) return status;
    if (question == &tree_schema_tree_head) return head_look(view, size, answer, failure);
    if (question == &tree_schema_tree_inclusion) {
        return inclusion_look(view, body, size, answer, failure);
    }
    return consistency_look(view, body, size, answer, failure);
}

const struct module tree_module = {
    .name = "tree",
    .number = 0x0b,
    .version = 1,
    .schema = &tree_schema,
    .ask = tree_ask,
    .look = tree_look,
};
