// SPDX-License-Identifier: Apache-2.0
//
// What the targets of folders share.
#include "folders.h"

#include "audit/audit.h"
#include "base/checksum.h"
#include "machine/checkpoint.h"
#include "machine/verify.h"
#include "wal/backup_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIRRORS_MAX 4u
#define DIFFERENCES 20u // That are kept of an audit.

// --- made right again ----------------------------------------------------------------------------

void fuzz_seal_log(u8 *bytes, u64 size)
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

void fuzz_seal_checkpoint(u8 *bytes, u64 size)
{
    struct checkpoint_head *head = (void *)bytes;
    if (size < sizeof *head) return;
    const u64 lists = head->lists_page * PAGE_SIZE;
    const size_t lists_size = checkpoint_lists_size(head);
    if (head->lists_page <= size / PAGE_SIZE && lists_size <= size - MIN(lists, size)) {
        sha256(bytes + lists, lists_size, &head->lists_digest);
    }
    const u128 sum =
        checksum((const u8 *)head + sizeof head->checksum, sizeof *head - sizeof head->checksum);
    memcpy(head->checksum, &sum, sizeof head->checksum);
}

void fuzz_seal_rows(u8 *bytes, u64 size)
{
    for (u64 at = 0; size - at >= PAGE_SIZE; at += PAGE_SIZE) {
        const u128 sum = checksum(bytes + at + sizeof sum, PAGE_SIZE - sizeof sum);
        if (!is_zero(bytes + at, PAGE_SIZE)) memcpy(bytes + at, &sum, sizeof sum);
    }
}

void fuzz_seal_backup(u8 *bytes, u64 size)
{
    if (size < sizeof(struct backup_file)) return;
    const u128 sum = checksum(bytes + sizeof sum, sizeof(struct backup_file) - sizeof sum);
    memcpy(bytes, &sum, sizeof sum);
}

// --- refusals ------------------------------------------------------------------------------------

void fuzz_refused(enum status status, const struct failure *failure)
{
    static const char *const places[] = {"log-",       "rows-",  "tree-", "index-",
                                         "checkpoint", "frame ", "row ",  "backup"};
    const bool is_damage = status == STATUS_CORRUPT || status == STATUS_NOT_FOUND;
    FUZZ_CHECK(is_damage || status == STATUS_UNSUPPORTED || status == STATUS_INVALID);
    bool is_told = !is_damage;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        is_told |= strstr(failure->message, places[i]) != NULL;
    }
    if (!is_told) (void)fprintf(stderr, "%s\n", failure->message);
    FUZZ_CHECK(is_told);
}

// --- two hands -----------------------------------------------------------------------------------

static const struct fuzz_mirror *mirrors[MIRRORS_MAX];
static u32 mirror_count;

static void mirrors_remove(void)
{
    for (u32 i = 0; i < mirror_count; i++) disk_copy_remove(&mirrors[i]->copy);
}

void fuzz_mirror_make(struct fuzz_mirror *mirror, struct disk_memory *disk)
{
    FUZZ_CHECK(mirror_count < MIRRORS_MAX);
    if (mirror_count == 0) FUZZ_CHECK(atexit(mirrors_remove) == 0);
    disk_copy_make(&mirror->copy, &disk->disk, "index-");
    mirrors[mirror_count++] = mirror;
}

void fuzz_mirror_put(const struct fuzz_mirror *mirror, struct disk_memory *disk, const char *name,
                     const u8 *bytes, u64 size, u64 file_size)
{
    char path[512];
    FUZZ_CHECK(size <= file_size);
    disk_memory_resize(disk, name, file_size);
    disk_memory_put(disk, name, 0, bytes, size);
    (void)snprintf(path, sizeof path, "%s/%s", mirror->copy.path, name);
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    FUZZ_CHECK(file >= 0 && ftruncate(file, (off_t)file_size) == 0);
    FUZZ_CHECK(pwrite(file, bytes, size, 0) == (ssize_t)size);
    FUZZ_CHECK(close(file) == 0);
}

// All that was found can be said, in both forms, within the room that is promised for it.
static void report_print(const struct audit_report *report)
{
    const size_t room = audit_report_size(report);
    char *bytes = fuzz_room(room);
    struct failure failure;
    struct text lines = text_init(bytes, room);
    audit_report_lines(report, 1, &lines);
    FUZZ_CHECK(text_finish(&lines, &failure) == STATUS_OK);
    struct json_writer writer = json_writer_init(bytes, room);
    audit_report_json(report, 1, &writer);
    FUZZ_CHECK(json_writer_finish(&writer, &failure) == STATUS_OK);
    free(bytes);
    for (u64 i = 0; i < report->kept_count; i++) FUZZ_CHECK(report->kept[i].what[0] != 0);
    FUZZ_CHECK(report->kept_count == MIN(report->difference_count, report->limit));
}

struct fuzz_verdict fuzz_two_hands(const struct fuzz_mirror *mirror, struct disk_memory *disk)
{
    struct verify_report verified;
    struct audit_report report;
    struct failure by_server = {0}, by_auditor = {0};
    const enum status first = verify_folder(&disk->disk, NULL, &verified, &by_server);
    if (first != STATUS_OK) fuzz_refused(first, &by_server);
    audit_report_init(&report, DIFFERENCES);
    const enum status second = audit_run(mirror->copy.path, NULL, NULL, &report, &by_auditor);
    if (second != STATUS_OK) FUZZ_CHECK(by_auditor.message[0] != 0);
    report_print(&report);
    // Index files are made from what is audited, and are not looked at by the auditor.
    const bool is_of_index = strstr(by_server.message, "index-") != NULL;
    const struct fuzz_verdict verdict = {
        .by_server = first == STATUS_OK,
        .by_auditor = second == STATUS_OK && report.difference_count == 0,
    };
    if (verdict.by_auditor && !verdict.by_server && !is_of_index) {
        (void)fprintf(stderr, "the auditor calls whole: %s\n", by_server.message);
        FUZZ_CHECK(!verdict.by_auditor);
    }
    audit_report_free(&report);
    return verdict;
}
