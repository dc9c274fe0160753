// SPDX-License-Identifier: Apache-2.0
//
// A folder: the log, the checkpoint, the rows and the index of tests/fixtures with bytes changed,
// and, as the first byte says, with the checksums and digests of the log's frames or of the
// checkpoint's head and lists made right again, so that what lies behind them is reached. It is
// verified, backed up, restored and opened, and everything in it is proved: each ends in a state or
// in a refusal that says why, and one that speaks of damage says where.
#include "folders.h"

#include "machine/backup.h"
#include "machine/commit.h"
#include "machine/log_fixture.h"
#include "machine/past.h"
#include "modules/tree/tree.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 8u
#define LOG       "log-00000000"

enum { SEAL_LOG = 1, SEAL_CHECKPOINT = 2 };

struct files {
    u32 count;
    char names[FILES_MAX][DISK_NAME_SIZE_MAX];
};

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) (void)fprintf(stderr, "%s\n", failure->message);
    FUZZ_CHECK(status == STATUS_OK);
}

static bool file_note(void *context, const char *name)
{
    struct files *files = context;
    FUZZ_CHECK(files->count < FILES_MAX);
    (void)snprintf(files->names[files->count++], DISK_NAME_SIZE_MAX, "%s", name);
    return true;
}

// What was written of a file: of the log, which is as long as all logs, its beginning.
static u64 bytes_of(struct disk_memory *disk, const char *name)
{
    u64 size = 0;
    FUZZ_CHECK(disk_memory_has(disk, name, &size) && size > 0);
    return strcmp(name, LOG) == 0 ? MIN(size, 327680u) : size;
}

static u8 *file_read(struct disk_memory *disk, const char *name, u64 size)
{
    struct failure failure;
    disk_handle handle = -1;
    u8 *bytes = fuzz_room(size);
    must(disk_open(&disk->disk, name, DISK_READ_ONLY, &handle, &failure), &failure);
    must(disk_read(&disk->disk, handle, 0, bytes, size, &failure), &failure);
    disk_close(&disk->disk, handle);
    return bytes;
}

static void file_write(struct disk_memory *disk, const char *name, const u8 *bytes, u64 size)
{
    struct failure failure;
    disk_handle handle = -1;
    must(disk_open(&disk->disk, name, 0, &handle, &failure), &failure);
    must(disk_write_one(&disk->disk, handle, 0, bytes, size, &failure), &failure);
    must(disk_sync(&disk->disk, handle, &failure), &failure);
    disk_close(&disk->disk, handle);
}

static void edits_apply(struct disk_memory *disk, u8 seals, const uint8_t *edits, size_t size)
{
    struct files files = {0};
    struct failure failure;
    must(disk_list(&disk->disk, file_note, &files, &failure), &failure);
    for (u32 i = 0; i < files.count; i++) {
        const char *name = files.names[i];
        const u64 file_size = bytes_of(disk, name);
        u8 *bytes = file_read(disk, name, file_size);
        for (size_t at = 0; size - at >= 8; at += 8) {
            if (edits[at + 6] % files.count == i) fuzz_edit(bytes, file_size, edits + at, 8);
        }
        if ((seals & SEAL_LOG) && strcmp(name, LOG) == 0) fuzz_seal_log(bytes, file_size);
        if ((seals & SEAL_CHECKPOINT) && strncmp(name, "checkpoint-", 11) == 0) {
            fuzz_seal_checkpoint(bytes, file_size);
        }
        file_write(disk, name, bytes, file_size);
        free(bytes);
    }
}

// What a backup takes over from the folder it may refuse, but not what verify finds whole; and then
// it is whole, and so is a folder that is restored from it.
static void backup_check(struct disk_memory *disk, bool is_whole)
{
    static struct disk_memory vault;
    static struct disk_memory folder;
    const struct restore_point point = {.sequence_max = U64_MAX, .timestamp_max = U64_MAX};
    struct backup_report report;
    struct verify_report verified;
    struct frame_header last;
    struct failure failure;
    disk_memory_init(&vault, 1);
    disk_memory_init(&folder, 1);
    enum status status = backup_make(&disk->disk, &vault.disk, 1, NULL, &report, &failure);
    if (status != STATUS_OK) fuzz_refused(status, &failure);
    FUZZ_CHECK(status == STATUS_OK || !is_whole);
    if (status == STATUS_OK) {
        status = restore_plan(&vault.disk, &point, &last, &failure);
        if (status == STATUS_OK) {
            status = restore_make(&vault.disk, &folder.disk, &last, NULL, &report, &failure);
        }
        must(status, &failure);
        status = verify_folder(&vault.disk, NULL, &verified, &failure);
        FUZZ_CHECK((status == STATUS_OK) == is_whole);
        status = verify_folder(&folder.disk, NULL, &verified, &failure);
        FUZZ_CHECK((status == STATUS_OK) == is_whole);
    }
    disk_memory_free(&folder);
    disk_memory_free(&vault);
}

// Asks as a port does; false when the disk was refused.
static bool question_ask(struct node *node, struct history_view view,
                         const struct schema_record *question, const void *body, void *views,
                         u32 room)
{
    static struct module_answer answer;
    struct failure failure;
    answer = (struct module_answer){.views = views, .room = room, .looks_max = ANSWER_TURN_LOOKS};
    if (commit_ask(&node->machine, question, body, &answer) != MODULE_DONE) return true;
    const enum status status = past_look(node, NULL, &view, question, body, &answer, &failure);
    if (status != STATUS_OK) {
        FUZZ_CHECK(status == STATUS_NOT_FOUND || status == STATUS_CORRUPT);
        FUZZ_CHECK(failure.message[0] != 0);
    }
    return status == STATUS_OK;
}

// What the tree of outcomes is asked: its head, that it grew, and each row by the id that it has.
static void tree_ask(struct node *node)
{
    _Alignas(16) static u8 views[4 * sizeof(struct tree_inclusion_part)];
    const struct tree_head head = {0};
    struct history *history = &node->machine.history;
    struct failure failure;
    struct history_view view = history_view_open(
        history, (const struct account *)(const void *)node->machine.ledger.accounts.memory,
        history->next_row);
    const u64 size = outcome_tree_size(&history->tree);
    (void)question_ask(node, view, &tree_schema_tree_head, &head, views, sizeof views);
    for (u64 from = 0; from <= MIN(size, 80); from++) {
        const struct tree_consistency growth = {.from = from, .to = size};
        (void)question_ask(node, view, &tree_schema_tree_consistency, &growth, views, sizeof views);
    }
    bool goes_on = true;
    for (u64 row = 0; row < MIN(view.row_end, 300) && goes_on; row++) {
        struct outcome outcome;
        goes_on = history_row(history, view.set, row, &outcome, &failure) == STATUS_OK;
        const struct tree_inclusion transfer = {.transfer_id = outcome.id, .size = size - row % 2};
        goes_on = goes_on && question_ask(node, view, &tree_schema_tree_inclusion, &transfer, views,
                                          sizeof views);
    }
    history_view_close(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    static struct disk_memory disk;
    static struct node node;
    struct verify_report report;
    struct recovery_report recovery;
    struct failure failure;
    disk_memory_init(&disk, 1);
    log_fixture_load(&disk, true);
    edits_apply(&disk, data[0], data + 1, size - 1);
    enum status status = verify_folder(&disk.disk, NULL, &report, &failure);
    if (status != STATUS_OK) fuzz_refused(status, &failure);
    backup_check(&disk, status == STATUS_OK);
    memset(&node, 0, sizeof node);
    status = node_open(&node, &disk.disk, NULL, 0, NULL, &recovery, &failure);
    if (status != STATUS_OK) {
        fuzz_refused(status, &failure);
    } else {
        tree_ask(&node);
        node_free(&node);
    }
    disk_memory_free(&disk);
    return 0;
}
