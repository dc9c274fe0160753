// SPDX-License-Identifier: Apache-2.0
//
// Paths against RFC 9162's definitions and published vectors, every path with something changed;
// proofs with each of their rules broken while all digests around it are right; JSON both ways and
// mutated.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/merkle_definition.h"
#include "base/random.h"
#include "proof/proof.h"

#define LEAVES_MAX 70u

static void leaves_make(struct digest *leaves, u32 count)
{
    for (u32 i = 0; i < count; i++) sha256(&i, sizeof i, &leaves[i]);
}

// --- paths ---------------------------------------------------------------------------------------

static bool leads(const struct digest *leaf, u64 index, u64 size, const struct digest *path,
                  u32 count, const struct digest *to)
{
    struct digest root;
    return proof_path_root(leaf, index, size, path, count, NULL, &root) &&
           memcmp(&root, to, sizeof root) == 0;
}

static void every_path(void **state)
{
    (void)state;
    static struct digest leaves[LEAVES_MAX], path[PROOF_PATH_MAX + 1];
    leaves_make(leaves, LEAVES_MAX);
    for (u64 size = 1; size <= LEAVES_MAX; size++) {
        const struct digest root = merkle_definition_root(leaves, size);
        for (u64 index = 0; index < size; index++) {
            const u32 count = merkle_definition_inclusion(leaves, index, size, path);
            assert_true(leads(&leaves[index], index, size, path, count, &root));
            for (u32 i = 0; i < count; i++) {
                path[i].bytes[i % 32] ^= 1;
                assert_false(leads(&leaves[index], index, size, path, count, &root));
                path[i].bytes[i % 32] ^= 1;
            }
            // Longer, shorter, of another leaf, of another place, in a tree of another size.
            path[count] = root;
            assert_false(leads(&leaves[index], index, size, path, count + 1, &root));
            if (count > 0) {
                assert_false(leads(&leaves[index], index, size, path, count - 1, &root));
            }
            for (u64 other = 0; other < size; other++) {
                if (other == index) continue;
                assert_false(leads(&leaves[other], index, size, path, count, &root));
                assert_false(leads(&leaves[index], other, size, path, count, &root));
            }
            assert_false(leads(&leaves[index], size, size, path, count, &root));
            u32 used = 99;
            struct digest found;
            assert_true(
                proof_path_root(&leaves[index], index, size, path, count + 1, &used, &found));
            assert_int_equal(used, count);
            assert_memory_equal(&found, &root, sizeof root);
        }
    }
    assert_false(leads(&leaves[0], 0, 0, path, 0, &leaves[0]));
}

static void every_growth(void **state)
{
    (void)state;
    static struct digest leaves[LEAVES_MAX], path[PROOF_GROWTH_MAX + 1];
    static struct digest roots[LEAVES_MAX + 1];
    leaves_make(leaves, LEAVES_MAX);
    for (u64 size = 1; size <= LEAVES_MAX; size++)
        roots[size] = merkle_definition_root(leaves, size);
    for (u64 to = 1; to <= LEAVES_MAX; to++) {
        assert_true(proof_path_grows(0, &roots[0], to, &roots[to], path, 0));
        assert_false(proof_path_grows(0, &roots[0], to, &roots[to], path, 1));
        for (u64 from = 1; from <= to; from++) {
            const u32 count = merkle_definition_consistency(leaves, from, to, path);
            assert_true(proof_path_grows(from, &roots[from], to, &roots[to], path, count));
            for (u32 i = 0; i < count; i++) {
                path[i].bytes[i % 32] ^= 1;
                assert_false(proof_path_grows(from, &roots[from], to, &roots[to], path, count));
                path[i].bytes[i % 32] ^= 1;
            }
            path[count] = roots[to];
            assert_false(proof_path_grows(from, &roots[from], to, &roots[to], path, count + 1));
            if (count > 0) {
                assert_false(proof_path_grows(from, &roots[from], to, &roots[to], path, count - 1));
            }
            // A tree that is no beginning of the other.
            struct digest other = roots[from];
            other.bytes[0] ^= 1;
            assert_false(proof_path_grows(from, &other, to, &roots[to], path, count));
            other = roots[to];
            other.bytes[0] ^= 1;
            assert_false(proof_path_grows(from, &roots[from], to, &other, path, count));
            if (from < to) {
                assert_false(proof_path_grows(to, &roots[to], from, &roots[from], path, count));
            }
        }
    }
}

static struct digest of_hex(const char *text)
{
    struct digest out;
    for (u32 i = 0; i < 32; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        out.bytes[i] = (u8)strtoul(digits, NULL, 16);
    }
    return out;
}

// The test tree of the Certificate Transparency implementations: eight leaves, the last one the 16
// bytes 60 to 6f; its roots and paths are published there.
static void published_vectors(void **state)
{
    (void)state;
    const struct digest root_5 =
        of_hex("4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4");
    const struct digest root_6 =
        of_hex("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef");
    const struct digest root_8 =
        of_hex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    const struct digest root_1 =
        of_hex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    const struct digest root_2 =
        of_hex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    const struct digest a =
        of_hex("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    const struct digest b =
        of_hex("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    const struct digest c =
        of_hex("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
    const struct digest d =
        of_hex("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    const struct digest e =
        of_hex("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    const struct digest f =
        of_hex("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    const struct digest g =
        of_hex("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
    struct digest leaf;
    merkle_leaves("", 0, 0, 1, &leaf);
    assert_true(leads(&leaf, 0, 8, (const struct digest[]){a, b, c}, 3, &root_8));
    merkle_leaves("\x40\x41\x42\x43", 4, 4, 1, &leaf);
    assert_true(leads(&leaf, 5, 8, (const struct digest[]){d, e, f}, 3, &root_8));
    assert_true(proof_path_grows(1, &root_1, 8, &root_8, (const struct digest[]){a, b, c}, 3));
    assert_true(proof_path_grows(6, &root_6, 8, &root_8, (const struct digest[]){g, e, f}, 3));
    assert_true(proof_path_grows(2, &root_2, 5, &root_5, (const struct digest[]){b, d}, 2));
    assert_false(proof_path_grows(6, &root_5, 8, &root_8, (const struct digest[]){g, e, f}, 3));
}

// --- proofs --------------------------------------------------------------------------------------

#define FRAMES     9u
#define FRAME_ROWS 5u

struct world {
    u8 seed[SIGNATURE_SEED_SIZE];
    // Rows as docs/FORMAT.md, section 3, has them; frame i has 1 + i % 5 of them.
    u8 rows[FRAMES][FRAME_ROWS][PROOF_LEAF_SIZE];
    struct digest frames[FRAMES];
    struct proof proof;
    struct failure failure;
};

static u32 rows_of(u32 frame)
{
    return 1 + frame % FRAME_ROWS;
}

static void row_put(u8 *row, u64 id, u64 amount, u32 debit, u32 credit, u16 flags, u8 kind,
                    u8 result)
{
    memset(row, 0, PROOF_LEAF_SIZE);
    store_u64(row, id);
    store_u64(row + 16, amount);
    store_u64(row + 32, 1000 + id);
    store_u32(row + 40, debit);
    store_u32(row + 44, credit);
    store_u16(row + 48, flags);
    store_u16(row + 50, 3);
    row[52] = kind;
    row[53] = result;
}

static void head_sign(const struct world *world, struct signed_head *head)
{
    u8 message[PROOF_HEAD_SIZE];
    signature_key_of(world->seed, head->key);
    proof_head_message(head, message);
    signature_make(world->seed, message, sizeof message, head->signature);
}

static u32 frame_leaves(const struct world *world, u32 frame, struct digest *leaves)
{
    merkle_leaves(world->rows[frame], PROOF_LEAF_SIZE, PROOF_LEAF_SIZE, rows_of(frame), leaves);
    return rows_of(frame);
}

static struct signed_head head_make(struct world *world, u32 size)
{
    for (u32 i = 0; i < FRAMES; i++) {
        struct digest leaves[FRAME_ROWS];
        const u32 count = frame_leaves(world, i, leaves);
        world->frames[i] = merkle_definition_root(leaves, count);
    }
    struct signed_head head = {.log_id = 77,
                               .epoch = 1,
                               .sequence = 10 + size,
                               .position = 20 + size,
                               .timestamp = 5000 + size,
                               .size = size};
    const struct digest root = merkle_definition_root(world->frames, size);
    memcpy(head.root, root.bytes, sizeof head.root);
    head_sign(world, &head);
    return head;
}

static void item_make(const struct world *world, u8 what, u32 frame, u32 index, u32 size,
                      struct proof_item *item)
{
    struct digest leaves[FRAME_ROWS];
    const u32 count = frame_leaves(world, frame, leaves);
    *item = (struct proof_item){
        .head = {.leaf = frame, .row_index = index, .row_count = count, .what = what}};
    memcpy(item->head.row, world->rows[frame][index], PROOF_LEAF_SIZE);
    u32 used = merkle_definition_inclusion(leaves, index, count, item->path);
    used += merkle_definition_inclusion(world->frames, frame, size, item->path + used);
    item->head.path_size = used * (u32)sizeof(struct digest);
}

// Makes the proof of the world's rows anew: the transfer in frame 4, the accounts in 1 and 2, the
// expiry in 7.
static void proof_make(struct world *world, u32 row_count)
{
    struct proof *proof = &world->proof;
    *proof = (struct proof){.kind = PROOF_INCLUSION, .row_count = row_count};
    proof->to = head_make(world, FRAMES);
    item_make(world, PROOF_PART_TRANSFER, 4, 3, FRAMES, &proof->rows[0]);
    item_make(world, PROOF_PART_DEBIT_ACCOUNT, 1, 1, FRAMES, &proof->rows[1]);
    item_make(world, PROOF_PART_CREDIT_ACCOUNT, 2, 0, FRAMES, &proof->rows[2]);
    item_make(world, PROOF_PART_EXPIRY, 7, 2, FRAMES, &proof->rows[3]);
}

static u8 *transfer_row(struct world *world)
{
    return world->rows[4][3];
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    memset(world->seed, 9, sizeof world->seed);
    for (u32 i = 0; i < FRAMES; i++) {
        for (u32 j = 0; j < FRAME_ROWS; j++) {
            row_put(world->rows[i][j], 100 * i + j, 5, 8, 9, 0, 2, 255);
        }
    }
    row_put(world->rows[1][1], 1, 0, 30, 0, 0, 1, 255);
    row_put(world->rows[2][0], 2, 0, 31, 0, 0, 1, 255);
    row_put(transfer_row(world), 17, 1200, 30, 31, 2, 2, 255);
    row_put(world->rows[7][2], 17, 1200, 30, 31, 2, 3, 255);
    return world;
}

static void holds(struct world *world)
{
    const enum status status = proof_check(&world->proof, &world->failure);
    if (status != STATUS_OK) fail_msg("%s", world->failure.message);
}

static void refused(struct world *world, const char *why)
{
    assert_int_equal(proof_check(&world->proof, &world->failure), STATUS_INVALID);
    if (strstr(world->failure.message, why) == NULL) fail_msg("%s", world->failure.message);
}

static void what_a_proof_says(void **state)
{
    (void)state;
    struct world *world = world_new();
    proof_make(world, 4);
    holds(world);
    struct proof_statement said = proof_statement_of(&world->proof);
    assert_true(said.id == 17 && said.amount == 1200 && said.debit_id == 1 && said.credit_id == 2);
    assert_true(said.timestamp == 1017 && said.expired_at == 1017 && said.code == 3);
    assert_true(said.flags == 2 && said.result == 255 && !said.is_planned);
    // One that has not expired; one of a module's, with bits of history's own; a refusal.
    proof_make(world, 3);
    holds(world);
    assert_int_equal(proof_statement_of(&world->proof).expired_at, 0);
    row_put(transfer_row(world), 17, 1200, 30, 31, 0xc000, 7, 255);
    proof_make(world, 3);
    holds(world);
    said = proof_statement_of(&world->proof);
    assert_true(said.is_planned && said.flags == 0);
    // A refusal is the last word about its id where it burned it, and only there.
    for (u32 result = 0; result < 255; result++) {
        const bool burns = result == 21 || result == 22 || result == 25 || result == 54 ||
                           result == 55 || result == 65 || result == 66;
        for (u8 kind = 2; kind <= 7; kind += 5) {
            row_put(transfer_row(world), 17, 1200, UINT32_MAX, 31, 0, kind, (u8)result);
            proof_make(world, 1);
            if (burns && kind == 2) holds(world);
            else refused(world, "row 0: it is a refusal that says nothing");
        }
    }
    row_put(transfer_row(world), 17, 1200, UINT32_MAX, 31, 0, 2, 54);
    proof_make(world, 1);
    holds(world);
    said = proof_statement_of(&world->proof);
    assert_true(said.result == 54 && said.debit_id == 0 && said.credit_id == 0);
    free(world);
}

// Each rule of a proof, while all digests and signatures around it are right.
static void rows_belong_together(void **state)
{
    (void)state;
    struct world *world = world_new();
    proof_make(world, 0);
    refused(world, "0 rows; a proof has 1 to 4");
    proof_make(world, 2);
    refused(world, "row 0: it has not the rows of its two accounts");
    proof_make(world, 4);
    world->proof.rows[0].head.what = PROOF_PART_EXPIRY;
    refused(world, "row 0: it is not the transfer");
    proof_make(world, 4);
    world->proof.rows[1].head.what = PROOF_PART_CREDIT_ACCOUNT;
    refused(world, "row 1: it is not what comes here");
    proof_make(world, 4);
    world->proof.rows[3].head.what = PROOF_PART_CREDIT_ACCOUNT;
    refused(world, "row 3: it is not the expiry");
    static const struct {
        u32 frame, row, at;
        u8 value;
        const char *why;
    } changes[] = {
        {4, 3, 52, 1, "row 0: it is not that of a transfer"},
        {4, 3, 52, 3, "row 0: it is not that of a transfer"},
        {4, 3, 53, 54, "row 1: it stands behind a transfer that was refused"},
        {1, 1, 52, 2, "row 1: it is not that of an account"},
        {1, 1, 53, 21, "row 1: it is not that of an account"},
        {1, 1, 40, 31, "row 1: it is that of another account"},
        {2, 0, 52, 8, "row 2: it is not that of an account"},
        {2, 0, 40, 30, "row 2: it is that of another account"},
        {4, 3, 48, 0, "row 3: it is not the expiry of a pending"},
        {7, 2, 52, 2, "row 3: it is not the expiry of a pending"},
        {7, 2, 53, 1, "row 3: it is not the expiry of a pending"},
        {7, 2, 0, 18, "row 3: it is the expiry of another"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        u8 *byte = &world->rows[changes[i].frame][changes[i].row][changes[i].at];
        const u8 before = *byte;
        *byte = changes[i].value;
        proof_make(world, 4);
        refused(world, changes[i].why);
        *byte = before;
    }
    free(world);
}

static void every_byte_counts(void **state)
{
    (void)state;
    struct world *world = world_new();
    proof_make(world, 4);
    for (u32 i = 0; i < 4; i++) {
        for (u32 j = 0; j < PROOF_LEAF_SIZE; j++) {
            world->proof.rows[i].head.row[j] ^= 1;
            refused(world, "does not lead to the head's root");
            world->proof.rows[i].head.row[j] ^= 1;
        }
        u8 *path = (u8 *)world->proof.rows[i].path;
        for (u32 j = 0; j < world->proof.rows[i].head.path_size; j++) {
            path[j] ^= 1;
            refused(world, "does not lead to the head's root");
            path[j] ^= 1;
        }
        const u32 size = world->proof.rows[i].head.path_size;
        world->proof.rows[i].head.path_size = size - 32;
        refused(world, "not as long as its place asks for");
        world->proof.rows[i].head.path_size = size + 32;
        refused(world, "not as long as its place asks for");
        world->proof.rows[i].head.path_size = size - 1;
        refused(world, "not of whole digests");
        world->proof.rows[i].head.path_size = size;
        world->proof.rows[i].head.leaf += FRAMES;
        refused(world, "not as long as its place asks for");
        world->proof.rows[i].head.leaf -= FRAMES;
    }
    holds(world);
    u8 *head = (u8 *)&world->proof.to;
    for (u32 i = 0; i < sizeof world->proof.to; i++) {
        head[i] ^= 1;
        refused(world, "the head was not signed by the key it names");
        head[i] ^= 1;
    }
    holds(world);
    free(world);
}

static void growth_make(struct world *world, u32 from, u32 to)
{
    world->proof = (struct proof){.kind = PROOF_CONSISTENCY};
    world->proof.from = head_make(world, from);
    world->proof.to = head_make(world, to);
    if (from <= to) {
        world->proof.path_count =
            merkle_definition_consistency(world->frames, from, to, world->proof.path);
    }
}

static void heads_grow(void **state)
{
    (void)state;
    struct world *world = world_new();
    for (u32 to = 1; to <= FRAMES; to++) {
        for (u32 from = 1; from <= to; from++) {
            growth_make(world, from, to);
            holds(world);
        }
    }
    growth_make(world, 5, 3);
    refused(world, "the earlier head has the larger tree");
    growth_make(world, 3, 7);
    world->proof.from.signature[3] ^= 1;
    refused(world, "the earlier head was not signed");
    growth_make(world, 3, 7);
    world->proof.from.log_id = 78;
    head_sign(world, &world->proof.from);
    refused(world, "of different logs");
    // A copy of the log that is served has another id and a later epoch.
    world->proof.to.epoch = 2;
    head_sign(world, &world->proof.to);
    holds(world);
    growth_make(world, 3, 7);
    world->proof.to.timestamp = world->proof.from.timestamp;
    head_sign(world, &world->proof.to);
    refused(world, "the later head is not later");
    growth_make(world, 3, 7);
    world->proof.to.sequence = world->proof.from.sequence;
    head_sign(world, &world->proof.to);
    refused(world, "the later head is not later");
    growth_make(world, 7, 7);
    world->proof.to.header[0] ^= 1;
    head_sign(world, &world->proof.to);
    refused(world, "two heads of one size differ");
    // History was written anew: every digest of the later tree is right, and it is another tree.
    growth_make(world, 3, 7);
    const struct signed_head kept = world->proof.from;
    transfer_row(world)[16] ^= 1;
    world->rows[1][0][16] ^= 1;
    growth_make(world, 3, 7);
    world->proof.from = kept;
    refused(world, "is not the beginning of that of the later one");
    free(world);
}

// --- JSON ----------------------------------------------------------------------------------------

static size_t text_of(const struct proof *proof, char *text)
{
    struct failure failure = {0};
    struct json_writer writer = json_writer_init(text, PROOF_TEXT_MAX);
    proof_write(proof, &writer);
    assert_int_equal(json_writer_finish(&writer, &failure), STATUS_OK);
    return writer.text.size;
}

static void json_both_ways(void **state)
{
    (void)state;
    struct world *world = world_new();
    static char text[PROOF_TEXT_MAX], again[PROOF_TEXT_MAX];
    static struct proof found;
    struct random random;
    random_init(&random, 5);
    for (u32 kind = 0; kind < 3; kind++) {
        if (kind == PROOF_HEAD) world->proof = (struct proof){.to = head_make(world, 5)};
        else if (kind == PROOF_INCLUSION) proof_make(world, 4);
        else growth_make(world, 3, 7);
        const size_t size = text_of(&world->proof, text);
        enum status status = proof_read(text, size, 1, &found, &world->failure);
        if (status != STATUS_OK) fail_msg("%s", world->failure.message);
        assert_memory_equal(&found, &world->proof, sizeof found);
        // What is changed is refused, or says the same, or does not hold.
        for (u32 i = 0; i < 20000; i++) {
            memcpy(again, text, size);
            const size_t at = random_below(&random, size);
            again[at] = (char)random_between(&random, 32, 126);
            status = proof_read(again, size, 1, &found, &world->failure);
            if (status != STATUS_OK) {
                assert_int_equal(status, STATUS_INVALID);
                assert_non_null(strstr(world->failure.message, "line "));
                continue;
            }
            // Read all the same: as hex digits in capitals are. How many rows a frame has is not
            // proved beyond the shape of the path, and not said.
            for (u32 j = 0; j < world->proof.row_count; j++) {
                found.rows[j].head.row_count = world->proof.rows[j].head.row_count;
            }
            // NOLINTNEXTLINE: a proof is zeroed whole before it is read or made.
            if (memcmp(&found, &world->proof, sizeof found) == 0) continue;
            assert_int_equal(proof_check(&found, &world->failure), STATUS_INVALID);
        }
    }
    free(world);
}

static void json_refused(void **state)
{
    (void)state;
    struct world *world = world_new();
    static char text[2 * PROOF_TEXT_MAX], head[PROOF_TEXT_MAX];
    static struct proof found;
    world->proof = (struct proof){.to = head_make(world, 5)};
    head[text_of(&world->proof, head) - 1] = 0;
    static const struct {
        const char *form;
        const char *why;
    } cases[] = {
        {"[]", "a head or a proof is an object, not an array"},
        {"{}", "a proof has head and rows"},
        {"{\"head\": %s}", "a proof has head and rows"},
        {"{\"rows\": []}", "a proof has head and rows"},
        {"{\"head\": %s, \"rows\": [], \"path\": []}", "\"path\": a proof has no such member"},
        {"{\"rows\": [], \"rows\": []}", "\"rows\": given twice"},
        {"{\"rows\": {}}", "rows: an array is expected, not an object"},
        {"{\"rows\": [1]}", "rows: row 0: line 1, column 11 (byte 10): proof_row: an object"},
        {"{\"from\": %s, \"to\": 3}", ": signed_head: an object is expected"},
        {"{\"growth\": {\"path\": \"00\"}}", ": path: 1 bytes are not whole digests of 32"},
        {"{\"head\": {\"size\": \"5\"}}", "head: line 1"},
        {"%s {}", "line 1"},
        {"", "line 1"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        text[0] = 0;
        const char *hole = strstr(cases[i].form, "%s");
        const size_t before = hole == NULL ? strlen(cases[i].form) : (size_t)(hole - cases[i].form);
        const int size = snprintf(text, sizeof text, "%.*s%s%s", (int)before, cases[i].form,
                                  hole == NULL ? "" : head, hole == NULL ? "" : hole + 2);
        assert_int_equal(proof_read(text, (size_t)size, 1, &found, &world->failure),
                         STATUS_INVALID);
        if (strstr(world->failure.message, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].form, world->failure.message);
        }
    }
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path),           cmocka_unit_test(every_growth),
        cmocka_unit_test(published_vectors),    cmocka_unit_test(what_a_proof_says),
        cmocka_unit_test(rows_belong_together), cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(heads_grow),           cmocka_unit_test(json_both_ways),
        cmocka_unit_test(json_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
