// SPDX-License-Identifier: Apache-2.0
//
// A folder: the log, the checkpoint, the rows and the index of tests/fixtures with bytes changed,
// and, as the first byte says, with the checksums and digests of the log's frames or of the
// checkpoint's head made right again, so that what lies behind them is reached. It is verified,
// then opened: both end in a state or in a refusal that says why, and one that speaks of damage
// says where.
#include "fuzz.h"

#include "base/checksum.h"
#include "machine/checkpoint.h"
#include "machine/log_fixture.h"

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

// Makes digests, chain and checksums of the frames right, as far as their sizes lead.
static void log_seal(u8 *bytes, u64 size)
{
    struct digest previous = {0};
    u64 at = 0;
    while (size - at >= sizeof(struct frame_header)) {
        struct frame_header *header = (void *)(bytes + at);
        const u64 head = frame_head_size(header->command_count);
        if (header->command_count > FRAME_COMMANDS_MAX || header->body_size > size ||
            frame_size(header) > size - at || head > frame_size(header)) {
            return;
        }
        const struct frame_part part = {.data = bytes + at + head,
                                        .size = frame_size(header) - head};
        frame_digest(bytes + at + sizeof *header, head - sizeof *header, &part, 1,
                     &header->body_digest);
        header->previous = previous;
        frame_header_seal(header);
        sha256(header, sizeof *header, &previous);
        at += frame_size(header);
    }
}

static void checkpoint_seal(u8 *bytes, u64 size)
{
    struct checkpoint_head *head = (void *)bytes;
    if (size < sizeof *head) return;
    const u128 sum =
        checksum((const u8 *)head + sizeof head->checksum, sizeof *head - sizeof head->checksum);
    memcpy(head->checksum, &sum, sizeof head->checksum);
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
        if ((seals & SEAL_LOG) && strcmp(name, LOG) == 0) log_seal(bytes, file_size);
        if ((seals & SEAL_CHECKPOINT) && strncmp(name, "checkpoint-", 11) == 0) {
            checkpoint_seal(bytes, file_size);
        }
        file_write(disk, name, bytes, file_size);
        free(bytes);
    }
}

static void refusal_check(enum status status, const struct failure *failure)
{
    static const char *const places[] = {"log-", "rows-", "index-", "checkpoint", "frame ", "row "};
    FUZZ_CHECK(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED ||
               status == STATUS_INVALID);
    bool is_told = status != STATUS_CORRUPT;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        is_told |= strstr(failure->message, places[i]) != NULL;
    }
    if (!is_told) (void)fprintf(stderr, "%s\n", failure->message);
    FUZZ_CHECK(is_told);
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
    if (status != STATUS_OK) refusal_check(status, &failure);
    memset(&node, 0, sizeof node);
    status = node_open(&node, &disk.disk, NULL, 0, NULL, &recovery, &failure);
    if (status != STATUS_OK) refusal_check(status, &failure);
    else node_free(&node);
    disk_memory_free(&disk);
    return 0;
}
