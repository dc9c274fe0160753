// SPDX-License-Identifier: Apache-2.0
//
// Heads and proofs, as tael-check and `tael head` read them: any text; and, as the first byte says,
// with the heads signed again by a key of the target's and the root made that to which the first
// row's path leads, so that what lies behind signature and path is reached. What is read is written
// and read again as the same; what holds says so twice, and does not hold with a digest changed.
#include "fuzz.h"

#include "proof/proof.h"

#include <stdlib.h>

enum { SIGN = 1, ROOT = 2 };

static void head_sign(struct signed_head *head)
{
    static const u8 seed[SIGNATURE_SEED_SIZE] = {7};
    u8 message[PROOF_HEAD_SIZE];
    signature_key_of(seed, head->key);
    proof_head_message(head, message);
    signature_make(seed, message, sizeof message, head->signature);
}

// Makes the head's root that of the first row's path, as far as it is one.
static void root_take(struct proof *proof)
{
    const struct proof_item *item = &proof->rows[0];
    const u32 count = item->head.path_size / (u32)sizeof(struct digest);
    struct digest leaf, frame, root;
    u32 used = 0;
    merkle_leaves(item->head.row, PROOF_LEAF_SIZE, PROOF_LEAF_SIZE, 1, &leaf);
    if (proof_path_root(&leaf, item->head.row_index, item->head.row_count, item->path, count, &used,
                        &frame) &&
        proof_path_root(&frame, item->head.leaf, proof->to.size, item->path + used, count - used,
                        NULL, &root)) {
        memcpy(proof->to.root, root.bytes, sizeof root.bytes);
    }
}

static void written_check(const struct proof *proof)
{
    static struct proof again;
    static char text[PROOF_TEXT_MAX];
    struct failure failure;
    struct json_writer writer = json_writer_init(text, sizeof text);
    proof_write(proof, &writer);
    FUZZ_CHECK(json_writer_finish(&writer, &failure) == STATUS_OK);
    FUZZ_CHECK(proof_read(text, writer.text.size, 1, &again, &failure) == STATUS_OK);
    // NOLINTNEXTLINE: a proof is zeroed whole before it is read.
    FUZZ_CHECK(memcmp(proof, &again, sizeof again) == 0);
}

// What a proof that holds says; and that it is nothing else's.
static void held_check(struct proof *proof)
{
    struct failure failure;
    if (proof->kind == PROOF_INCLUSION) {
        const struct proof_statement said = proof_statement_of(proof);
        FUZZ_CHECK((said.result == 255) == (proof->row_count >= 3));
        FUZZ_CHECK(said.expired_at == 0 || proof->row_count == 4);
        proof->rows[proof->row_count - 1].head.row[0] ^= 1;
        FUZZ_CHECK(proof_check(proof, &failure) == STATUS_INVALID);
    } else if (proof->kind == PROOF_CONSISTENCY && proof->path_count > 0) {
        FUZZ_CHECK(proof->from.size <= proof->to.size);
        proof->path[proof->path_count - 1].bytes[31] ^= 1;
        FUZZ_CHECK(proof_check(proof, &failure) == STATUS_INVALID);
    }
    proof->to.size ^= 1ull << 63;
    FUZZ_CHECK(proof_check(proof, &failure) == STATUS_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    static struct proof proof;
    struct failure failure = {0};
    char *text = fuzz_copy(data + 1, size - 1);
    enum status status = proof_read(text, size - 1, 1, &proof, &failure);
    free(text);
    if (status != STATUS_OK) {
        FUZZ_CHECK(status == STATUS_INVALID && failure.message[0] != 0);
        return 0;
    }
    written_check(&proof);
    if ((data[0] & ROOT) && proof.kind == PROOF_INCLUSION && proof.row_count > 0) root_take(&proof);
    if (data[0] & SIGN) {
        head_sign(&proof.to);
        if (proof.kind == PROOF_CONSISTENCY) head_sign(&proof.from);
    }
    status = proof_check(&proof, &failure);
    if (status == STATUS_OK) held_check(&proof);
    else FUZZ_CHECK(status == STATUS_INVALID && failure.message[0] != 0);
    return 0;
}
