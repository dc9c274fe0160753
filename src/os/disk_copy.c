// SPDX-License-Identifier: Apache-2.0
//
// A disk copied to a folder.
#include "os/disk_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_SIZE (64 * KIB)

static void must(bool holds, const char *what)
{
    if (holds) return;
    (void)fprintf(stderr, "copying a disk: %s\n", what);
    abort();
}

static void pages_write(int file, u64 offset, const u8 *bytes, u64 size)
{
    for (u64 at = 0; at < size; at += PAGE_SIZE) {
        const u64 part = MIN(PAGE_SIZE, size - at);
        if (is_zero(bytes + at, part)) continue;
        must(pwrite(file, bytes + at, part, (off_t)(offset + at)) == (ssize_t)part, "writing");
    }
}

static void file_copy(const struct disk_copy *copy, struct disk *disk, const char *name)
{
    char path[512];
    static u8 piece[PIECE_SIZE];
    struct failure failure = {0};
    disk_handle handle = -1;
    u64 size = 0;
    enum status status = disk_open(disk, name, DISK_READ_ONLY, &handle, &failure);
    if (status == STATUS_OK) status = disk_size(disk, handle, &size, &failure);
    must(status == STATUS_OK, failure.message);
    (void)snprintf(path, sizeof path, "%s/%s", copy->path, name);
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DISK_FILE_MODE);
    must(file >= 0 && ftruncate(file, (off_t)size) == 0, path);
    for (u64 offset = 0; offset < size; offset += PIECE_SIZE) {
        const u64 part = MIN(PIECE_SIZE, size - offset);
        status = disk_read(disk, handle, offset, piece, part, &failure);
        must(status == STATUS_OK, failure.message);
        pages_write(file, offset, piece, part);
    }
    must(close(file) == 0, path);
    disk_close(disk, handle);
}

struct listing {
    const char *leave;
    char (*names)[DISK_NAME_SIZE_MAX];
    u32 count;
};

static bool name_take(void *context, const char *name)
{
    struct listing *listing = context;
    const char *leave = listing->leave;
    if (leave != NULL && strncmp(name, leave, strlen(leave)) == 0) return true;
    listing->names = realloc(listing->names, (listing->count + 1) * sizeof *listing->names);
    must(listing->names != NULL, "no memory");
    (void)snprintf(listing->names[listing->count++], sizeof *listing->names, "%s", name);
    return true;
}

void disk_copy_make(struct disk_copy *copy, struct disk *disk, const char *leave)
{
    const char *parent = getenv("TMPDIR");
    struct listing listing = {.leave = leave};
    struct failure failure = {0};
    *copy = (struct disk_copy){.path = ""};
    (void)snprintf(copy->path, sizeof copy->path, "%s/tael-copy-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    must(mkdtemp(copy->path) != NULL, copy->path);
    must(disk_list(disk, name_take, &listing, &failure) == STATUS_OK, failure.message);
    for (u32 i = 0; i < listing.count; i++) file_copy(copy, disk, listing.names[i]);
    free(listing.names);
}

void disk_copy_remove(const struct disk_copy *copy)
{
    DIR *entries = opendir(copy->path);
    must(entries != NULL, copy->path);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", copy->path, entry->d_name);
        must(unlink(path) == 0, path);
    }
    (void)closedir(entries);
    must(rmdir(copy->path) == 0, copy->path);
}
