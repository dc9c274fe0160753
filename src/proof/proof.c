// SPDX-License-Identifier: Apache-2.0
//
// Checking heads and proofs.
#include "proof/proof.h"

#define SCHEMA_MODULE proof
#define SCHEMA_TABLE  "proof/proof.def"
#include "schema/make_descriptors.h"

// A row's bytes, as docs/FORMAT.md, section 3, has them.
enum {
    ROW_ID = 0,
    ROW_AMOUNT = 16,
    ROW_TIMESTAMP = 32,
    ROW_DEBIT = 40,
    ROW_CREDIT = 44,
    ROW_FLAGS = 48,
    ROW_CODE = 50,
    ROW_KIND = 52,
    ROW_RESULT = 53,
};
enum {
    KIND_ACCOUNT = 1,
    KIND_TRANSFER = 2,
    KIND_EXPIRY = 3,
    KIND_POSTING = 7,
    RESULT_CREATED = 255,
    FLAG_PENDING = 1 << 1,
    FLAGS_HISTORY = 0xc000, // Bits of history's own.
};

static_assert(offsetof(struct signed_head, key) == PROOF_HEAD_BODY_SIZE, "what is signed");

// --- heads ---------------------------------------------------------------------------------------

void proof_head_message(const struct signed_head *head, u8 message[PROOF_HEAD_SIZE])
{
    static const char words[] = PROOF_HEAD_WORDS;
    static_assert(sizeof words - 1 + PROOF_HEAD_BODY_SIZE == PROOF_HEAD_SIZE, "the words");
    memcpy(message, words, sizeof words - 1);
    memcpy(message + sizeof words - 1, head, PROOF_HEAD_BODY_SIZE);
}

bool proof_head_is_signed(const struct signed_head *head)
{
    u8 message[PROOF_HEAD_SIZE];
    proof_head_message(head, message);
    return signature_key_is_valid(head->key) &&
           signature_check(head->key, message, sizeof message, head->signature);
}

bool proof_head_is_same(const struct signed_head *a, const struct signed_head *b)
{
    return memcmp(a, b, PROOF_HEAD_BODY_SIZE) == 0;
}

// --- paths ---------------------------------------------------------------------------------------

static struct digest node(const struct digest *left, const struct digest *right)
{
    const struct digest children[2] = {*left, *right};
    struct digest out;
    merkle_nodes(children, 1, &out);
    return out;
}

bool proof_path_root(const struct digest *leaf, u64 index, u64 size, const struct digest *path,
                     u32 count, u32 *used, struct digest *root)
{
    if (index >= size) return false;
    u64 at = index;
    u64 last = size - 1;
    u32 next = 0;
    *root = *leaf;
    while (last > 0) {
        // An odd last node has no sibling and moves up unchanged.
        if (at % 2 == 1 || at < last) {
            if (next == count) return false;
            *root = at % 2 == 1 ? node(&path[next], root) : node(root, &path[next]);
            next++;
        }
        at /= 2;
        last /= 2;
    }
    if (used != NULL) *used = next;
    return used != NULL || next == count;
}

bool proof_path_grows(u64 from, const struct digest *from_root, u64 to,
                      const struct digest *to_root, const struct digest *path, u32 count)
{
    if (from > to) return false;
    if (from == 0) return count == 0;
    if (from == to) return count == 0 && memcmp(from_root, to_root, sizeof *to_root) == 0;
    // From the last node of the old tree that is complete in the new one upwards.
    u64 at = from - 1;
    u64 last = to - 1;
    for (; at % 2 == 1; at /= 2) last /= 2;
    u32 next = 0;
    struct digest old = *from_root;
    if (at > 0) { // The old tree is no subtree of the new one: its last part comes first.
        if (count == 0) return false;
        old = path[next++];
    }
    struct digest new = old;
    while (last > 0) {
        if (at % 2 == 1 || at < last) {
            if (next == count) return false;
            const struct digest *sibling = &path[next++];
            if (at % 2 == 1) {
                old = node(sibling, &old);
                new = node(sibling, &new);
            } else {
                new = node(&new, sibling);
            }
        }
        at /= 2;
        last /= 2;
    }
    return next == count && memcmp(&old, from_root, sizeof old) == 0 &&
           memcmp(&new, to_root, sizeof new) == 0;
}

// --- rows ----------------------------------------------------------------------------------------

static u32 row_account(const struct proof_row *row, u32 at)
{
    return load_u32(row->row + at);
}

static bool is_done(const struct proof_row *row, u8 kind)
{
    return row->row[ROW_KIND] == kind && row->row[ROW_RESULT] == RESULT_CREATED;
}

// Whether a refusal is the last word about its id: one that burned it (FORMAT.md, section 3). After
// every other one the id could be, or was already, that of a transfer that was done; and what a
// module planned burns nothing.
static bool burns(const struct proof_row *row)
{
    static const u8 results[] = {21, 22, 25, 54, 55, 65, 66};
    return row->row[ROW_KIND] == KIND_TRANSFER &&
           memchr(results, row->row[ROW_RESULT], sizeof results) != NULL;
}

// Whether the rows say together what a proof says: NULL, or what is wrong with row `*index`.
static const char *rows_difference(const struct proof *proof, u32 *index)
{
    const struct proof_row *transfer = &proof->rows[0].head;
    const u8 kind = transfer->row[ROW_KIND];
    *index = 0;
    if (transfer->what != PROOF_PART_TRANSFER) return "is not the transfer, which comes first";
    if (kind != KIND_TRANSFER && kind != KIND_POSTING) return "is not that of a transfer";
    const bool moves = transfer->row[ROW_RESULT] == RESULT_CREATED;
    const bool is_pending = (load_u16(transfer->row + ROW_FLAGS) & FLAG_PENDING) != 0;
    if (!moves && !burns(transfer))
        return "is a refusal that says nothing of what became of its id";
    if (moves && proof->row_count < 3) return "has not the rows of its two accounts behind it";
    for (u32 i = 1; i < proof->row_count; i++) {
        const struct proof_row *row = &proof->rows[i].head;
        *index = i;
        if (!moves) return "stands behind a transfer that was refused";
        if (i < 3) {
            const bool is_debit = i == 1;
            if (row->what != (is_debit ? PROOF_PART_DEBIT_ACCOUNT : PROOF_PART_CREDIT_ACCOUNT)) {
                return "is not what comes here: the debit account, then the credit account";
            }
            if (!is_done(row, KIND_ACCOUNT)) return "is not that of an account";
            if (row_account(row, ROW_DEBIT) !=
                row_account(transfer, is_debit ? ROW_DEBIT : ROW_CREDIT)) {
                return "is that of another account than the transfer's";
            }
            continue;
        }
        if (row->what != PROOF_PART_EXPIRY || !is_pending || !is_done(row, KIND_EXPIRY)) {
            return "is not the expiry of a pending transfer";
        }
        if (memcmp(row->row + ROW_ID, transfer->row + ROW_ID, sizeof(u128)) != 0) {
            return "is the expiry of another transfer";
        }
    }
    return NULL;
}

static enum status row_check(const struct proof *proof, u32 index, struct failure *failure)
{
    const struct proof_item *item = &proof->rows[index];
    const u32 count = item->head.path_size / (u32)sizeof(struct digest);
    const char *what = NULL;
    struct digest leaf, frame, root;
    u32 used = 0;
    merkle_leaves(item->head.row, PROOF_LEAF_SIZE, PROOF_LEAF_SIZE, 1, &leaf);
    if (item->head.path_size % sizeof(struct digest) != 0 || count > PROOF_PATH_MAX) {
        what = "its path is not of whole digests";
    } else if (!proof_path_root(&leaf, item->head.row_index, item->head.row_count, item->path,
                                count, &used, &frame) ||
               !proof_path_root(&frame, item->head.leaf, proof->to.size, item->path + used,
                                count - used, NULL, &root)) {
        what = "its path is not as long as its place asks for";
    } else if (memcmp(&root, proof->to.root, sizeof root) != 0) {
        what = "its path does not lead to the head's root";
    }
    if (what == NULL) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "row %u: %s", index, what);
}

static enum status inclusion_check(const struct proof *proof, struct failure *failure)
{
    u32 index = 0;
    if (proof->row_count == 0 || proof->row_count > PROOF_ROWS_MAX) {
        return failure_set(failure, STATUS_INVALID, "%u rows; a proof has 1 to %u",
                           proof->row_count, PROOF_ROWS_MAX);
    }
    for (u32 i = 0; i < proof->row_count; i++) {
        enum status status = row_check(proof, i, failure);
        if (status != STATUS_OK) return status;
    }
    const char *what = rows_difference(proof, &index);
    if (what == NULL) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "row %u: it %s", index, what);
}

static enum status consistency_check(const struct proof *proof, struct failure *failure)
{
    const struct signed_head *from = &proof->from;
    const struct signed_head *to = &proof->to;
    const char *what = NULL;
    struct digest roots[2];
    memcpy(&roots[0], from->root, sizeof roots[0]);
    memcpy(&roots[1], to->root, sizeof roots[1]);
    if (from->size > to->size) what = "the earlier head has the larger tree";
    else if (from->log_id != to->log_id && from->epoch >= to->epoch)
        what = "the heads are of different logs";
    else if (!proof_path_grows(from->size, &roots[0], to->size, &roots[1], proof->path,
                               proof->path_count))
        what = "the tree of the earlier head is not the beginning of that of the later one";
    else if (from->size == to->size && !proof_head_is_same(from, to))
        what = "two heads of one size differ";
    else if (from->size < to->size &&
             (from->sequence >= to->sequence || from->timestamp >= to->timestamp))
        what = "the later head is not later";
    if (what == NULL) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "%s", what);
}

enum status proof_check(const struct proof *proof, struct failure *failure)
{
    if (!proof_head_is_signed(&proof->to)) {
        return failure_set(failure, STATUS_INVALID, "the head was not signed by the key it names");
    }
    if (proof->kind == PROOF_INCLUSION) return inclusion_check(proof, failure);
    if (proof->kind != PROOF_CONSISTENCY) return STATUS_OK;
    if (!proof_head_is_signed(&proof->from)) {
        return failure_set(failure, STATUS_INVALID,
                           "the earlier head was not signed by the key it names");
    }
    return consistency_check(proof, failure);
}

struct proof_statement proof_statement_of(const struct proof *proof)
{
    assert(proof->kind == PROOF_INCLUSION && proof->row_count > 0);
    const u8 *row = proof->rows[0].head.row;
    struct proof_statement out = {
        .id = load_u128(row + ROW_ID),
        .amount = load_u128(row + ROW_AMOUNT),
        .timestamp = load_u64(row + ROW_TIMESTAMP),
        .code = load_u16(row + ROW_CODE),
        .flags = (u16)(load_u16(row + ROW_FLAGS) & ~FLAGS_HISTORY),
        .result = row[ROW_RESULT],
        .is_planned = row[ROW_KIND] == KIND_POSTING,
    };
    if (proof->row_count >= 3) {
        out.debit_id = load_u128(proof->rows[1].head.row + ROW_ID);
        out.credit_id = load_u128(proof->rows[2].head.row + ROW_ID);
    }
    if (proof->row_count == 4) {
        out.expired_at = load_u64(proof->rows[3].head.row + ROW_TIMESTAMP);
    }
    return out;
}
