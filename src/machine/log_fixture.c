// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing the fixture's folder.
#include "machine/log_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXTURE       TAEL_SOURCE_DIRECTORY "/tests/fixtures/log-0.1"
#define FILE_SIZE_MAX (16 * MIB)

static void must(bool holds, const char *what)
{
    if (holds) return;
    (void)fprintf(stderr, "%s: %s\n", FIXTURE, what);
    abort();
}

static FILE *file_open(const char *name, const char *how)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", FIXTURE, name);
    FILE *file = fopen(path, how);
    must(file != NULL, name);
    return file;
}

static bool is_log(const char *name)
{
    return strncmp(name, "log-", 4) == 0;
}

// What is made from a log, and is kept in the fixture.
static bool is_made(const char *name)
{
    return strncmp(name, "rows-", 5) == 0 || strncmp(name, "index-", 6) == 0 ||
           strncmp(name, "checkpoint-", 11) == 0;
}

static void file_load(struct disk_memory *disk, const char *name)
{
    FILE *file = file_open(name, "rbe");
    u8 *bytes = malloc(FILE_SIZE_MAX);
    must(bytes != NULL, "no memory");
    size_t size = fread(bytes, 1, FILE_SIZE_MAX, file);
    (void)fclose(file);
    struct failure failure = {0};
    disk_handle handle = -1;
    enum status status = disk_open(&disk->disk, name, DISK_CREATE, &handle, &failure);
    if (status == STATUS_OK && is_log(name)) { // Only its beginning is in the fixture.
        status = disk_allocate(&disk->disk, handle, WAL_FILE_SIZE, &failure);
    }
    if (status == STATUS_OK) {
        status = disk_write_one(&disk->disk, handle, 0, bytes, size, &failure);
    }
    if (status == STATUS_OK) status = disk_sync(&disk->disk, handle, &failure);
    must(status == STATUS_OK, failure.message);
    disk_close(&disk->disk, handle);
    free(bytes);
}

void log_fixture_load(struct disk_memory *disk, bool all)
{
    DIR *entries = opendir(FIXTURE);
    must(entries != NULL, "cannot be opened");
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (is_log(entry->d_name) || (all && is_made(entry->d_name))) {
            file_load(disk, entry->d_name);
        }
    }
    (void)closedir(entries);
}

static bool file_save(void *context, const char *name)
{
    struct disk_memory *disk = context;
    if (!is_made(name)) return true;
    struct failure failure = {0};
    disk_handle handle = -1;
    u64 size = 0;
    u8 *bytes = NULL;
    enum status status = disk_open(&disk->disk, name, DISK_READ_ONLY, &handle, &failure);
    if (status == STATUS_OK) status = disk_size(&disk->disk, handle, &size, &failure);
    if (status == STATUS_OK) {
        bytes = malloc(MAX(size, 1));
        must(bytes != NULL, "no memory");
        status = disk_read(&disk->disk, handle, 0, bytes, size, &failure);
    }
    must(status == STATUS_OK, failure.message);
    assert(bytes != NULL);
    disk_close(&disk->disk, handle);
    FILE *file = file_open(name, "wbe");
    must(fwrite(bytes, 1, size, file) == size && fclose(file) == 0, name);
    free(bytes);
    return true;
}

void log_fixture_save(struct disk_memory *disk)
{
    struct failure failure = {0};
    must(disk_list(&disk->disk, file_save, disk, &failure) == STATUS_OK, failure.message);
}

void log_fixture_expected(const char *name, char out[65])
{
    char line[128];
    size_t size = strlen(name);
    FILE *file = file_open("expected", "re");
    memset(out, 0, 65);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, size) == 0 && line[size] == ' ') memcpy(out, line + size + 1, 64);
    }
    (void)fclose(file);
    must(strlen(out) == 64, "expected");
}

void log_fixture_cut(struct disk_memory *disk, u64 position)
{
    struct failure failure = {0};
    struct frame_header header;
    disk_handle handle = -1;
    enum status status = disk_open(&disk->disk, "log-00000000", 0, &handle, &failure);
    u64 place = 0;
    do {
        if (status == STATUS_OK) {
            status = disk_read(&disk->disk, handle, place, &header, sizeof header, &failure);
        }
        must(status == STATUS_OK, failure.message);
        must(frame_header_valid(&header), "ends before the position");
        place += frame_size(&header);
    } while (header.position + header.command_count <= position);
    u8 *zeroes = calloc(1, FILE_SIZE_MAX);
    must(zeroes != NULL, "no memory");
    status = disk_write_one(&disk->disk, handle, place, zeroes, FILE_SIZE_MAX, &failure);
    if (status == STATUS_OK) status = disk_sync(&disk->disk, handle, &failure);
    must(status == STATUS_OK, failure.message);
    disk_close(&disk->disk, handle);
    free(zeroes);
}

int log_fixture_setup(void **state)
{
    struct log_fixture *fixture = calloc(1, sizeof *fixture);
    must(fixture != NULL, "no memory");
    assert(fixture != NULL);
    disk_memory_init(&fixture->disk, 1);
    disk_memory_init(&fixture->scratch, 2);
    log_fixture_load(&fixture->disk, false);
    *state = fixture;
    return 0;
}

int log_fixture_teardown(void **state)
{
    struct log_fixture *fixture = *state;
    disk_memory_free(&fixture->disk);
    disk_memory_free(&fixture->scratch);
    free(fixture);
    return 0;
}

void log_fixture_must(enum status status, const struct log_fixture *fixture)
{
    must(status == STATUS_OK, fixture->failure.message);
}

void log_fixture_start(struct log_fixture *fixture)
{
    struct recovery_report report;
    log_fixture_must(
        node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL, &report, &fixture->failure),
        fixture);
}

void log_fixture_checkpoint(struct log_fixture *fixture)
{
    struct node *node = &fixture->node;
    checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
    log_fixture_must(checkpoint_write(&node->checkpoint, &node->machine, &node->indexer.outcomes,
                                      NULL, &fixture->failure),
                     fixture);
    checkpoint_end(&node->checkpoint);
    node_free(node);
}
