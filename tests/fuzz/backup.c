// SPDX-License-Identifier: Apache-2.0
//
// The file `backup` of a folder that is one: its words with what the input has for each added, so
// that an input of zeroes is the file as it was, or the file cut or longer; its checksum is right
// again when the first byte says so. Whatever it says, verifying, auditing, restoring and the next
// run of the backup end, no log is opened for writing, what was whole stays whole, and the server's
// hand and the auditor's agree.
#include "folders.h"

#include "audit/worlds_test.h"
#include "machine/backup.h"
#include "machine/command_world.h"
#include "machine/override.h"
#include "machine/recovery.h"
#include "machine/verify.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTCOMES 70u

// Bits of the first byte.
enum { SEAL = 1, IS_OTHER_SIZE = 2 };

static struct disk_memory source; // Has more than the backup.
static struct disk_memory vault;
static struct fuzz_mirror mirror;
static struct backup_file file;

// Outcomes of plain clients, each in a frame of its own: more than a page of their tree.
static void world_go_on(struct command_world *world, u128 first)
{
    for (u32 i = 0; i < OUTCOMES; i++) {
        struct create_result result;
        const struct transfer transfer = {.id = first + i,
                                          .debit_account_id = 1,
                                          .credit_account_id = 2,
                                          .amount = 1,
                                          .ledger = 7,
                                          .code = 1};
        command_world_create(world, COMPAT_CREATE_TRANSFERS, &transfer, 1, &result);
        FUZZ_CHECK(result.status == U32_MAX);
    }
    FUZZ_CHECK(command_world_restart_from_checkpoint(world));
}

static void worlds_make(void)
{
    struct command_world *world = audit_world_make();
    struct backup_report report;
    struct failure failure;
    audit_world_fill(world);
    audit_world_fill_modules(world);
    world_go_on(world, 5000);
    disk_memory_init(&vault, 1);
    FUZZ_CHECK(backup_make(&world->disk.disk, &vault.disk, 1, NULL, &report, &failure) ==
               STATUS_OK);
    world_go_on(world, 6000);
    command_world_close(world);
    disk_memory_init(&source, 1);
    disk_memory_copy(&source, &world->disk);
    audit_world_end(world);
    disk_memory_get(&vault, BACKUP_FILE_NAME, 0, &file, sizeof file);
    FUZZ_CHECK(file.next_row > 0 && file.tree_pages > 0);
    fuzz_mirror_make(&mirror, &vault);
    const struct fuzz_verdict verdict = fuzz_two_hands(&mirror, &vault);
    FUZZ_CHECK(verdict.by_server && verdict.by_auditor);
}

// A backup is served by nobody, whatever its file says.
static void closed_check(struct disk_memory *disk)
{
    static struct node node;
    struct recovery_report recovery;
    struct failure failure = {0};
    memset(&node, 0, sizeof node);
    enum status status = node_open(&node, &disk->disk, NULL, 0, NULL, &recovery, &failure);
    FUZZ_CHECK(status != STATUS_OK);
    fuzz_refused(status, &failure);
    status = override_append(&disk->disk, 2, 1, &failure);
    FUZZ_CHECK(status != STATUS_OK);
    fuzz_refused(status, &failure);
}

// A folder of the backup's last moment, and of an earlier one.
static void restore_check(struct disk_memory *disk, u64 sequence_max, bool is_whole)
{
    const struct restore_point point = {.sequence_max = sequence_max, .timestamp_max = U64_MAX};
    struct disk_memory folder;
    struct backup_report report;
    struct verify_report verified;
    struct frame_header last;
    struct failure failure = {0};
    disk_memory_init(&folder, 1);
    enum status status = restore_plan(&disk->disk, &point, &last, &failure);
    if (status == STATUS_OK) {
        status = restore_make(&disk->disk, &folder.disk, &last, NULL, &report, &failure);
    }
    if (status != STATUS_OK) fuzz_refused(status, &failure);
    FUZZ_CHECK(status == STATUS_OK || !is_whole);
    if (status == STATUS_OK && is_whole) {
        FUZZ_CHECK(verify_folder(&folder.disk, NULL, &verified, &failure) == STATUS_OK);
    }
    disk_memory_free(&folder);
}

// The next run goes on by what the file says, or refuses to.
static void run_check(struct disk_memory *disk, bool is_whole)
{
    struct backup_report report;
    struct verify_report verified;
    struct failure failure = {0};
    enum status status = backup_make(&source.disk, &disk->disk, 3, NULL, &report, &failure);
    if (status != STATUS_OK) fuzz_refused(status, &failure);
    const enum status after = verify_folder(&disk->disk, NULL, &verified, &failure);
    if (after != STATUS_OK) fuzz_refused(after, &failure);
    FUZZ_CHECK(after == STATUS_OK || !is_whole); // B5
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (file.magic == 0) worlds_make();
    u64 words[2 * sizeof file / sizeof(u64)] = {0};
    u64 added[sizeof file / sizeof(u64)] = {0};
    memcpy(words, &file, sizeof file);
    memcpy(added, data + 1, MIN(size - 1, sizeof added));
    // The input begins with what is behind the checksum: magic and format, then the marks.
    for (u32 i = 0; i + 2 < ARRAY_COUNT(added); i++) words[i + 2] += added[i];
    const u64 cut = data[0] & IS_OTHER_SIZE ? added[0] % sizeof words : sizeof file;
    u8 *bytes = (u8 *)words;
    if (data[0] & IS_OTHER_SIZE) memcpy(bytes, &file, sizeof file);
    if (data[0] & SEAL) fuzz_seal_backup(bytes, cut);
    fuzz_mirror_put(&mirror, &vault, BACKUP_FILE_NAME, bytes, cut, cut);
    const bool is_whole = fuzz_two_hands(&mirror, &vault).by_server;
    closed_check(&vault);
    restore_check(&vault, U64_MAX, is_whole);
    restore_check(&vault, 3, is_whole);
    struct disk_memory disk;
    disk_memory_init(&disk, 1);
    disk_memory_copy(&disk, &vault);
    run_check(&disk, is_whole);
    disk_memory_free(&disk);
    return 0;
}
