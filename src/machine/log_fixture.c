// SPDX-License-Identifier: Apache-2.0
//
// Loading the fixture.
#include "machine/log_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define FIXTURE          TAEL_SOURCE_DIRECTORY "/tests/fixtures/log-0.1.bin"
#define FIXTURE_SIZE_MAX (16 * MIB)

static void must(bool holds, const char *what)
{
    if (holds) return;
    (void)fprintf(stderr, "%s: %s\n", FIXTURE, what);
    abort();
}

void log_fixture_load(struct disk_memory *disk)
{
    FILE *file = fopen(FIXTURE, "rbe");
    must(file != NULL, "cannot be opened");
    u8 *bytes = malloc(FIXTURE_SIZE_MAX);
    must(bytes != NULL, "no memory");
    size_t size = fread(bytes, 1, FIXTURE_SIZE_MAX, file);
    (void)fclose(file);
    struct failure failure = {0};
    disk_handle handle = -1;
    enum status status = disk_open(&disk->disk, "log-00000000", DISK_CREATE, &handle, &failure);
    if (status == STATUS_OK) {
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
    u8 *zeroes = calloc(1, FIXTURE_SIZE_MAX);
    must(zeroes != NULL, "no memory");
    status = disk_write_one(&disk->disk, handle, place, zeroes, FIXTURE_SIZE_MAX, &failure);
    if (status == STATUS_OK) status = disk_sync(&disk->disk, handle, &failure);
    must(status == STATUS_OK, failure.message);
    disk_close(&disk->disk, handle);
    free(zeroes);
}
