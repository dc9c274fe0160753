// SPDX-License-Identifier: Apache-2.0
//
// Heads that are signed here, of folders that the real machine made: as the folder has them, with
// each field changed, of a log that was rewritten, that ends before them, that is a backup, whose
// last frames have no rows yet; files of heads that are refused.
#include "audit/audit.h"
#include "audit/forge.h"
#include "audit/worlds_test.h"
#include "codec/json.h"
#include "machine/command_world.h"
#include "os/disk_copy.h"
#include "os/disk_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADS_MAX 256u
#define LIMIT     50u

static const u8 seed[SIGNATURE_SEED_SIZE] = {7};

static void sign(struct signed_head *head, const u8 by[SIGNATURE_SEED_SIZE])
{
    u8 message[PROOF_HEAD_SIZE];
    signature_key_of(by, head->key);
    proof_head_message(head, message);
    signature_make(by, message, sizeof message, head->signature);
}

// What a signer would have been told behind each frame that has rows, and where its frame is.
static u32 heads_make(const char *path, struct signed_head *heads, u64 *places)
{
    struct forge forge;
    forge_load(&forge, path);
    const u64 count = forge.head->outcomes.count;
    const struct audit_tree_leaf *leaves = forge_leaves(&forge);
    struct merkle_range range = {0};
    struct digest root;
    assert_true(count > 4 && count < HEADS_MAX);
    for (u64 i = 0; i < count; i++) {
        struct audit_header header;
        struct digest hash;
        memcpy(&header, forge.log.bytes + leaves[i].place, sizeof header);
        sha256(&header, sizeof header, &hash);
        merkle_range_append(&range, &leaves[i].root, NULL);
        merkle_range_root(&range, &root);
        heads[i] = (struct signed_head){.log_id = header.log_id,
                                        .epoch = header.epoch,
                                        .sequence = header.sequence,
                                        .position = header.position,
                                        .timestamp = header.timestamp,
                                        .size = i + 1};
        memcpy(heads[i].header, &hash, sizeof hash);
        memcpy(heads[i].root, &root, sizeof root);
        sign(&heads[i], seed);
        places[i] = leaves[i].place;
    }
    forge_save(&forge);
    return (u32)count;
}

static void text_save(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

// The last one first: their order in a file is nobody's concern.
static void heads_save(const char *path, const struct signed_head *heads, u32 count)
{
    const size_t room = count * (size_t)2048 + 1;
    char *text = malloc(room);
    assert_non_null(text);
    size_t size = 0;
    for (u32 i = count; i-- > 0;) {
        const struct proof proof = {.kind = PROOF_HEAD, .to = heads[i]};
        struct json_writer writer = json_writer_init(text + size, room - size);
        proof_write(&proof, &writer);
        assert_false(text_overflowed(&writer.text));
        size += writer.text.size;
    }
    text_save(path, text, size);
    free(text);
}

// A folder with a file of heads beside it.
struct held {
    struct disk_copy copy;
    char file[300];
    struct signed_head heads[HEADS_MAX];
    u64 places[HEADS_MAX];
    u32 count;
    struct audit_report report;
};

static struct held *held_make(struct disk_memory *disk)
{
    struct held *held = calloc(1, sizeof *held);
    assert_non_null(held);
    disk_copy_make(&held->copy, &disk->disk, "index-");
    (void)snprintf(held->file, sizeof held->file, "%s.heads", held->copy.path);
    held->count = heads_make(held->copy.path, held->heads, held->places);
    return held;
}

// Audits the folder with the heads from `first` on.
static void held_audit(struct held *held, u32 first)
{
    struct audit_heads heads;
    struct failure failure = {0};
    u8 key[SIGNATURE_KEY_SIZE];
    signature_key_of(seed, key);
    heads_save(held->file, held->heads + first, held->count - first);
    audit_report_init(&held->report, LIMIT);
    enum status status = audit_heads_read(&heads, held->file, key, &failure);
    assert_int_equal(heads.count, held->count - first);
    if (status == STATUS_OK) {
        status = audit_run(held->copy.path, &heads, NULL, &held->report, &failure);
    }
    audit_heads_free(&heads);
    if (status != STATUS_OK) fail_msg("%s", failure.message);
}

static void held_free(struct held *held)
{
    assert_int_equal(unlink(held->file), 0);
    disk_copy_remove(&held->copy);
    free(held);
}

static void test_heads_as_the_folder_has_them(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct command_world *const both[] = {worlds->plain, worlds->modules};
    for (u32 i = 0; i < ARRAY_COUNT(both); i++) {
        struct held *held = held_make(&both[i]->disk);
        held_audit(held, 0);
        audit_is_clean(&held->report);
        assert_int_equal(held->report.heads, held->count);
        assert_int_equal(held->report.heads_ahead, 0);
        assert_int_equal(held->report.tree_size, held->count);
        assert_memory_equal(&held->report.tree_root, held->heads[held->count - 1].root, 32);
        audit_report_free(&held->report);
        held_free(held);
    }
}

static void test_a_head_with_anything_changed(void **state)
{
    static const struct {
        u32 offset;
        const char *what;
    } rows[] = {{offsetof(struct signed_head, log_id), "another log id"},
                {offsetof(struct signed_head, epoch), "another epoch"},
                {offsetof(struct signed_head, position), "another position"},
                {offsetof(struct signed_head, timestamp), "another time"},
                {offsetof(struct signed_head, size), "another size of the tree"},
                {offsetof(struct signed_head, header), "another header"},
                {offsetof(struct signed_head, root), "another root of the tree"}};
    const struct audit_worlds *worlds = *state;
    struct held *held = held_make(&worlds->plain->disk);
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const u32 which = 1 + i % (held->count - 1);
        u8 *byte = (u8 *)&held->heads[which] + rows[i].offset;
        *byte ^= 1;
        sign(&held->heads[which], seed);
        held_audit(held, 0);
        audit_is_told(&held->report, AUDIT_L5, rows[i].what, "log-00000000");
        assert_int_equal(held->report.difference_count, 1);
        assert_int_equal(held->report.heads, held->count - 1);
        const struct audit_place *place = &held->report.kept[0].place;
        assert_int_equal(place->offset, held->places[which]);
        assert_int_equal(place->frame, held->heads[which].sequence);
        audit_report_free(&held->report);
        *byte ^= 1;
        sign(&held->heads[which], seed);
    }
    held_free(held);
}

// Who can write the folder makes all of it right again, but not what others were given before.
static void test_a_log_that_was_rewritten(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct held *held = held_make(&worlds->plain->disk);
    struct forge forge;
    forge_load(&forge, held->copy.path);
    struct audit_row *row = forge_row_of(&forge, AUDIT_ROW_TRANSFER, 100, true);
    u8 *user_data = (u8 *)&forge_event(&forge, row)->user_data_128;
    *user_data ^= 1;
    forge_seal(&forge);
    forge_save(&forge);
    audit_folder_whole(held->copy.path, &held->report);
    audit_is_clean(&held->report);
    audit_report_free(&held->report);
    held_audit(held, 0);
    audit_is_told(&held->report, AUDIT_L5, "another header than this folder", "log-00000000");
    assert_int_equal(held->report.heads + held->report.difference_count, held->count);
    audit_report_free(&held->report);
    held_free(held);
}

static void test_a_log_that_ends_before_its_head(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct held *held = held_make(&worlds->plain->disk);
    audit_folder_whole(held->copy.path, &held->report);
    const u64 frames = held->report.frames;
    audit_report_free(&held->report);
    held->heads[0].sequence = frames; // The first that there is not.
    sign(&held->heads[0], seed);
    held_audit(held, 0);
    audit_is_told(&held->report, AUDIT_L5, "the log ends here, before frame", "log-00000000");
    assert_int_equal(held->report.difference_count, 1);
    assert_int_equal(held->report.heads, held->count - 1);
    audit_report_free(&held->report);
    held_free(held);
}

// A backup ends where it says: heads of what came behind it are counted.
static void test_a_backup_has_heads_behind_it(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory backup;
    audit_world_backup(worlds->plain, &backup);
    struct held *held = held_make(&backup);
    held->heads[0].sequence += 1000;
    sign(&held->heads[0], seed);
    held_audit(held, 0);
    audit_is_clean(&held->report);
    assert_int_equal(held->report.heads_behind, 1);
    assert_int_equal(held->report.heads, held->count - 1);
    audit_report_free(&held->report);
    held_free(held);
    disk_memory_free(&backup);
}

// Behind the checkpoint the header is compared, and the root cannot be.
static void test_frames_without_rows(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory disk;
    disk_memory_init(&disk, 1);
    disk_memory_copy(&disk, &worlds->plain->disk);
    audit_log_extend(&disk, 2, 4096);
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    assert_int_equal(report.frames_ahead, 2);
    const struct audit_report whole = report;
    audit_report_free(&report);
    disk_copy_remove(&copy);
    struct held *held = held_make(&worlds->plain->disk);
    disk_copy_remove(&held->copy);
    disk_copy_make(&held->copy, &disk.disk, "index-");
    (void)snprintf(held->file, sizeof held->file, "%s.heads", held->copy.path);
    struct audit_header header;
    disk_memory_get(&disk, "log-00000000", whole.log_bytes - 2 * PAGE_SIZE, &header, sizeof header);
    struct signed_head *last = &held->heads[held->count++];
    *last = (struct signed_head){.log_id = header.log_id,
                                 .epoch = header.epoch,
                                 .sequence = header.sequence,
                                 .position = header.position,
                                 .timestamp = header.timestamp,
                                 .size = 99};
    memcpy(last->header, &whole.head, sizeof last->header);
    sign(last, seed);
    held_audit(held, 0);
    assert_int_equal(held->report.difference_count, 0);
    assert_int_equal(held->report.heads, held->count);
    assert_int_equal(held->report.heads_ahead, 1);
    audit_report_free(&held->report);
    last->header[3] ^= 1;
    sign(last, seed);
    held_audit(held, 0);
    audit_is_told(&held->report, AUDIT_L5, "another header than this folder", "log-00000000");
    audit_report_free(&held->report);
    held_free(held);
    disk_memory_free(&disk);
}

static void test_files_that_are_refused(void **state)
{
    static const u8 other_seed[SIGNATURE_SEED_SIZE] = {8};
    static char text[PROOF_TEXT_MAX];
    const struct audit_worlds *worlds = *state;
    struct held *held = held_make(&worlds->plain->disk);
    struct audit_heads heads;
    struct failure failure = {0};
    u8 other[SIGNATURE_KEY_SIZE];
    signature_key_of(other_seed, other);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_NOT_FOUND);
    audit_heads_free(&heads);
    assert_int_equal(audit_heads_read(&heads, held->copy.path, NULL, &failure), STATUS_IO);
    audit_heads_free(&heads);
    heads_save(held->file, held->heads, 2);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_OK);
    audit_heads_free(&heads);
    assert_int_equal(audit_heads_read(&heads, held->file, other, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, ".heads, line 1: the head is signed by another key"));
    audit_heads_free(&heads);
    held->heads[0].signature[5] ^= 1; // It is saved last.
    heads_save(held->file, held->heads, 2);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, ".heads, line 2: the head was not signed by the key"));
    audit_heads_free(&heads);
    // A line that was cut, one that is a proof, none at all.
    const struct proof cut = {.kind = PROOF_HEAD, .to = held->heads[1]};
    struct json_writer writer = json_writer_init(text, sizeof text);
    proof_write(&cut, &writer);
    text_save(held->file, text, writer.text.size - 9);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, ".heads: line 1"));
    audit_heads_free(&heads);
    const struct proof growth = {
        .kind = PROOF_CONSISTENCY, .from = held->heads[1], .to = held->heads[2]};
    writer = json_writer_init(text, sizeof text);
    proof_write(&growth, &writer);
    text_save(held->file, text, writer.text.size);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, "line 1: the head is a proof, not a head"));
    audit_heads_free(&heads);
    text_save(held->file, "\r\n\n", 3);
    assert_int_equal(audit_heads_read(&heads, held->file, NULL, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, "there is no head in it"));
    audit_heads_free(&heads);
    held_free(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_as_the_folder_has_them),
        cmocka_unit_test(test_a_head_with_anything_changed),
        cmocka_unit_test(test_a_log_that_was_rewritten),
        cmocka_unit_test(test_a_log_that_ends_before_its_head),
        cmocka_unit_test(test_a_backup_has_heads_behind_it),
        cmocka_unit_test(test_frames_without_rows),
        cmocka_unit_test(test_files_that_are_refused),
    };
    return cmocka_run_group_tests(tests, audit_worlds_setup, audit_worlds_teardown);
}
