// SPDX-License-Identifier: Apache-2.0
//
// What tael-audit reads: the log, the rows, the checkpoint and the file `backup` of a folder in
// which every kind of row comes up, or of a backup of it, with bytes changed or files cut. As the
// first byte says, checksums and digests are made right again, either as far as the changed sizes
// lead, or all of them, roots and chain included, by a forger who leaves the sizes as they are. The
// audit ends in a state or in differences, and calls nothing whole that `verify` calls damaged.
#include "folders.h"

#include "audit/forge.h"
#include "audit/worlds_test.h"
#include "base/checksum.h"
#include "machine/command_world.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX  8u
#define USED_MAX   (8 * MIB) // Of a file of the log, which is as long as all of them.
#define SLACK_SIZE (64 * KIB)

// Bits of the first byte.
enum { IS_BACKUP = 1, SEAL_SIZES = 2, SEAL_FORGER = 4 };

struct file {
    char name[DISK_NAME_SIZE_MAX];
    u8 *base;       // As it was,
    u8 *bytes;      // and changed, with some room behind it.
    u64 size;       // That was written.
    u64 cut;        // That is left of it.
    u64 whole_size; // Of the file.
};

// A folder, twice: in memory for the server's hand, in the file system for the auditor's.
struct subject {
    struct disk_memory disk;
    struct fuzz_mirror mirror;
    struct file files[FILES_MAX];
    u32 count;
};

static bool file_take(void *context, const char *name)
{
    struct subject *subject = context;
    const bool is_later_log = strncmp(name, "log-0", 5) == 0 && strcmp(name, "log-00000000") != 0;
    const bool is_other = strncmp(name, "index-", 6) == 0 || strcmp(name, "owner") == 0;
    if (is_later_log || is_other) return true;
    FUZZ_CHECK(subject->count < FILES_MAX);
    (void)snprintf(subject->files[subject->count++].name, DISK_NAME_SIZE_MAX, "%s", name);
    return true;
}

static void subject_make(struct subject *subject, const struct disk_memory *disk)
{
    struct failure failure;
    disk_memory_init(&subject->disk, 1);
    disk_memory_copy(&subject->disk, disk);
    fuzz_mirror_make(&subject->mirror, &subject->disk);
    FUZZ_CHECK(disk_list(&subject->disk.disk, file_take, subject, &failure) == STATUS_OK);
    for (u32 i = 0; i < subject->count; i++) {
        struct file *file = &subject->files[i];
        FUZZ_CHECK(disk_memory_has(&subject->disk, file->name, &file->whole_size));
        file->size = MIN(file->whole_size, USED_MAX);
        file->base = fuzz_room(file->size);
        disk_memory_get(&subject->disk, file->name, 0, file->base, file->size);
        // What is zero at the end of pages was never written; a page of it may be changed too.
        while (file->size > PAGE_SIZE && file->size % PAGE_SIZE == 0 &&
               is_zero(file->base + file->size - PAGE_SIZE, PAGE_SIZE)) {
            file->size -= PAGE_SIZE;
        }
        file->size = MIN(file->size + PAGE_SIZE, MIN(file->whole_size, USED_MAX));
        file->bytes = fuzz_room(file->size + SLACK_SIZE);
    }
}

// Both of them, made once.
static struct subject *subject_of(bool is_backup)
{
    static struct subject subjects[2];
    if (subjects[0].count == 0) {
        struct disk_memory backup;
        struct command_world *world = audit_world_make();
        audit_world_fill(world);
        audit_world_fill_modules(world);
        audit_world_close(world);
        audit_world_backup(world, &backup);
        subject_make(&subjects[0], &world->disk);
        subject_make(&subjects[1], &backup);
        disk_memory_free(&backup);
        audit_world_end(world);
    }
    return &subjects[is_backup];
}

static struct file *file_named(struct subject *subject, const char *prefix)
{
    struct file *found = NULL; // The last one: of checkpoints the newest.
    for (u32 i = 0; i < subject->count; i++) {
        struct file *file = &subject->files[i];
        const bool is_newer = found == NULL || strcmp(file->name, found->name) > 0;
        if (strncmp(file->name, prefix, strlen(prefix)) == 0 && is_newer) found = file;
    }
    return found;
}

// Changes as they are in fuzz_edit, the seventh byte being the file's; with the eighth 255 the file
// ends at the place.
static void edits_apply(struct subject *subject, const u8 *edits, size_t size)
{
    FUZZ_CHECK(subject->count > 0);
    for (u32 i = 0; i < subject->count; i++) {
        struct file *file = &subject->files[i];
        memcpy(file->bytes, file->base, file->size);
        memset(file->bytes + file->size, 0, SLACK_SIZE);
        file->cut = file->size;
    }
    for (; size >= 8; edits += 8, size -= 8) {
        struct file *file = &subject->files[edits[6] % subject->count];
        u32 place = 0;
        memcpy(&place, edits, sizeof place);
        if (edits[7] == 255) file->cut = MIN(file->cut, place % (file->size + 1));
        else fuzz_edit(file->bytes, file->size, edits, 8);
    }
}

static void sizes_seal(struct subject *subject)
{
    for (u32 i = 0; i < subject->count; i++) {
        struct file *file = &subject->files[i];
        if (strncmp(file->name, "log-", 4) == 0) fuzz_seal_log(file->bytes, file->cut);
        if (strncmp(file->name, "rows-", 5) == 0) fuzz_seal_rows(file->bytes, file->cut);
        if (strncmp(file->name, "check", 5) == 0) fuzz_seal_checkpoint(file->bytes, file->cut);
        if (strcmp(file->name, "backup") == 0) fuzz_seal_backup(file->bytes, file->cut);
    }
}

static struct forge_file forge_file_of(const struct file *file)
{
    return (struct forge_file){.bytes = file->bytes, .size = file->size};
}

// What the forger goes by is as it was: where frames, rows and pages are.
static void forger_seal(struct subject *subject)
{
    struct file *log = file_named(subject, "log-00000000");
    struct file *rows = file_named(subject, "rows-00000000");
    struct file *checkpoint = file_named(subject, "checkpoint-");
    struct file *backup = file_named(subject, "backup");
    const struct audit_checkpoint_head *was = (void *)checkpoint->base;
    struct audit_checkpoint_head *head = (void *)checkpoint->bytes;
    head->sequence = was->sequence;
    head->next_row = was->next_row;
    head->segment_count = was->segment_count;
    head->outcomes = was->outcomes;
    head->lists_page = was->lists_page;
    head->digests_page = was->digests_page;
    head->table_count = was->table_count;
    memcpy(head->tables, was->tables, sizeof head->tables);
    u64 place = 0;
    for (u64 i = 0; i < was->sequence; i++) {
        const struct audit_header *before = (void *)(log->base + place);
        struct audit_header *header = (void *)(log->bytes + place);
        header->magic = before->magic;
        header->body_size = before->body_size;
        header->command_count = before->command_count;
        header->outcome_sequence = before->outcome_sequence;
        place += sizeof *header + header->body_size;
    }
    struct forge forge = {.log = forge_file_of(log),
                          .rows = forge_file_of(rows),
                          .checkpoint = forge_file_of(checkpoint),
                          .head = head};
    forge_seal(&forge);
    if (backup == NULL) return;
    struct audit_backup_file *marks = (void *)backup->bytes;
    marks->end.previous = head->previous;
    fuzz_seal_backup(backup->bytes, backup->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct subject *subject = subject_of((data[0] & IS_BACKUP) != 0);
    edits_apply(subject, data + 1, size - 1);
    if (data[0] & SEAL_FORGER) forger_seal(subject);
    else if (data[0] & SEAL_SIZES) sizes_seal(subject);
    for (u32 i = 0; i < subject->count; i++) {
        const struct file *file = &subject->files[i];
        const u64 whole_size = file->cut < file->size ? file->cut : file->whole_size;
        fuzz_mirror_put(&subject->mirror, &subject->disk, file->name, file->bytes, file->cut,
                        whole_size);
    }
    const struct fuzz_verdict verdict = fuzz_two_hands(&subject->mirror, &subject->disk);
    // Sealed again and not changed it is whole.
    if (size == 1) FUZZ_CHECK(verdict.by_server && verdict.by_auditor);
    for (u32 i = 0; i < subject->count; i++) { // Zeroes behind what was cut off, and the rest.
        const struct file *file = &subject->files[i];
        fuzz_mirror_put(&subject->mirror, &subject->disk, file->name, file->base, file->size,
                        file->whole_size);
    }
    return 0;
}
