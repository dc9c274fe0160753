// SPDX-License-Identifier: Apache-2.0
//
// The disk seam over a folder of the file system.
//
// The log is written with O_DSYNC through the page cache, over blocks that were written before: as
// fast here as past the cache, and what was just written is at hand for those who read history
// (docs/decisions/durable-writes.md).
#include "os/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct disk_folder *folder_of(struct disk *disk)
{
    return (struct disk_folder *)disk;
}

static enum status status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT: return STATUS_FULL;
    case ENOENT: return STATUS_NOT_FOUND;
    default: return STATUS_IO;
    }
}

// The path of an open file, for messages: the folder's when the system does not tell it.
struct file_name {
    char path[256];
};

static struct file_name name_of(struct disk *disk, disk_handle handle)
{
    struct file_name name;
    char link[64];
    const int error = errno; // The one that is being told of.
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    const ssize_t size = readlink(link, name.path, sizeof name.path - 1);
    if (size > 0) {
        name.path[size] = 0;
        const char *last = strrchr(name.path, '/');
        // As the folder was named, not where it is: what is told is what was given.
        if (last != NULL) {
            char file[DISK_NAME_SIZE_MAX];
            (void)snprintf(file, sizeof file, "%s", last + 1);
            (void)snprintf(name.path, sizeof name.path, "%.180s/%s", disk->path, file);
        }
    } else {
        (void)snprintf(name.path, sizeof name.path, "a file in %.200s", disk->path);
    }
    errno = error;
    return name;
}

static enum status folder_sync(struct disk *disk, struct failure *failure)
{
    if (fsync(folder_of(disk)->folder_fd) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "making the names in %s durable",
                                 disk->path);
    }
    return STATUS_OK;
}

static enum status file_open(struct disk *disk, const char *name, u32 flags, disk_handle *out,
                             struct failure *failure)
{
    int open_flags = O_CLOEXEC | ((flags & DISK_READ_ONLY) ? O_RDONLY : O_RDWR);
    if (flags & DISK_CREATE) open_flags |= O_CREAT;
    if (flags & DISK_DURABLE) open_flags |= O_DSYNC;
    int folder = folder_of(disk)->folder_fd;
    bool direct = (flags & DISK_UNCACHED) != 0;
    int fd = openat(folder, name, open_flags | (direct ? O_DIRECT : 0), DISK_FILE_MODE);
    // tmpfs and some overlays have no direct writes; a synchronous one is as safe.
    if (fd < 0 && errno == EINVAL && direct) fd = openat(folder, name, open_flags, DISK_FILE_MODE);
    if (fd < 0) {
        return failure_set_errno(failure, status_of_errno(errno), errno, "opening %s/%s",
                                 disk->path, name);
    }
    // Where files cannot be locked nobody is told; who copies verifies what was copied.
    if (flags & DISK_KEEP) (void)flock(fd, LOCK_SH | LOCK_NB);
    // A file that is synced is found after a crash only if its name is durable too.
    enum status status = (flags & DISK_CREATE) ? folder_sync(disk, failure) : STATUS_OK;
    if (status == STATUS_OK) *out = fd;
    else (void)close(fd);
    return status;
}

static void file_close(struct disk *disk, disk_handle handle)
{
    (void)disk;
    (void)close(handle);
}

static enum status file_size(struct disk *disk, disk_handle handle, u64 *out,
                             struct failure *failure)
{
    struct stat stat;
    if (fstat(handle, &stat) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "size of %s",
                                 name_of(disk, handle).path);
    }
    *out = (u64)stat.st_size;
    return STATUS_OK;
}

static enum status file_read(struct disk *disk, disk_handle handle, u64 offset, void *out,
                             size_t size, struct failure *failure)
{
    u8 *bytes = out;
    while (size > 0) {
        ssize_t got = pread(handle, bytes, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            return failure_set_errno(failure, STATUS_IO, errno, "reading %zu bytes of %s at %llu",
                                     size, name_of(disk, handle).path, (unsigned long long)offset);
        }
        if (got == 0) {
            return failure_set(failure, STATUS_CORRUPT,
                               "%s ends at %llu, %zu bytes before what must be there",
                               name_of(disk, handle).path, (unsigned long long)offset, size);
        }
        bytes += got;
        offset += (u64)got;
        size -= (size_t)got;
    }
    return STATUS_OK;
}

static enum status file_write(struct disk *disk, disk_handle handle, u64 offset,
                              const struct iovec *parts, u32 part_count, struct failure *failure)
{
    struct iovec rest[64];
    while (part_count > 0) {
        u32 count = MIN(part_count, (u32)ARRAY_COUNT(rest));
        memcpy(rest, parts, count * sizeof *parts);
        u32 first = 0;
        while (first < count) {
            ssize_t put = pwritev(handle, rest + first, (int)(count - first), (off_t)offset);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) {
                return failure_set_errno(failure, status_of_errno(errno), errno,
                                         "writing %s at %llu", name_of(disk, handle).path,
                                         (unsigned long long)offset);
            }
            offset += (u64)put;
            size_t left = (size_t)put;
            while (first < count && left >= rest[first].iov_len) left -= rest[first++].iov_len;
            if (left > 0) {
                rest[first].iov_base = (u8 *)rest[first].iov_base + left;
                rest[first].iov_len -= left;
            }
        }
        parts += count;
        part_count -= count;
    }
    return STATUS_OK;
}

static enum status file_sync(struct disk *disk, disk_handle handle, struct failure *failure)
{
    if (fdatasync(handle) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "making %s durable",
                                 name_of(disk, handle).path);
    }
    return STATUS_OK;
}

static enum status file_allocate(struct disk *disk, disk_handle handle, u64 size,
                                 struct failure *failure)
{
    int error = 0;
    do {
        error = posix_fallocate(handle, 0, (off_t)size);
    } while (error == EINTR);
    if (error != 0) {
        return failure_set_errno(failure, status_of_errno(error), error,
                                 "reserving %llu bytes for %s", (unsigned long long)size,
                                 name_of(disk, handle).path);
    }
    if (fsync(handle) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "making %s durable",
                                 name_of(disk, handle).path);
    }
    return STATUS_OK;
}

static enum status file_rename(struct disk *disk, const char *from, const char *to,
                               struct failure *failure)
{
    int fd = folder_of(disk)->folder_fd;
    if (renameat(fd, from, fd, to) != 0) {
        return failure_set_errno(failure, status_of_errno(errno), errno, "renaming %s/%s to %s",
                                 disk->path, from, to);
    }
    return folder_sync(disk, failure);
}

static enum status file_remove(struct disk *disk, const char *name, struct failure *failure)
{
    if (unlinkat(folder_of(disk)->folder_fd, name, 0) != 0 && errno != ENOENT) {
        return failure_set_errno(failure, STATUS_IO, errno, "removing %s/%s", disk->path, name);
    }
    return STATUS_OK;
}

static enum status file_list(struct disk *disk, bool (*visit)(void *context, const char *name),
                             void *context, struct failure *failure)
{
    int fd = openat(folder_of(disk)->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        if (fd >= 0) (void)close(fd);
        return failure_set_errno(failure, STATUS_IO, errno, "listing %s", disk->path);
    }
    enum status status = STATUS_OK;
    for (bool is_more = true; is_more;) {
        errno = 0; // The end is none.
        const struct dirent *entry = readdir(directory);
        if (entry == NULL && errno != 0) {
            status = failure_set_errno(failure, STATUS_IO, errno, "listing %s", disk->path);
        }
        is_more = entry != NULL && (entry->d_name[0] == '.' || visit(context, entry->d_name));
    }
    (void)closedir(directory);
    return status;
}

static enum status file_free_space(struct disk *disk, u64 *bytes, struct failure *failure)
{
    struct statvfs stat;
    if (fstatvfs(folder_of(disk)->folder_fd, &stat) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "asking for the free space of %s",
                                 disk->path);
    }
    *bytes = (u64)stat.f_bavail * (u64)stat.f_frsize;
    return STATUS_OK;
}

static const u8 *file_map(struct disk *disk, disk_handle handle, u64 size)
{
    (void)disk;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, handle, 0);
    if (map == MAP_FAILED) return NULL;
    (void)madvise(map, size, MADV_RANDOM); // What is wanted is said with advise.
    return map;
}

// The C library takes the addresses of read-only maps without const.
static void *address_in(const u8 *map, u64 offset)
{
    union {
        const u8 *constant;
        void *base;
    } pointer = {.constant = map + offset};
    return pointer.base;
}

static void file_unmap(struct disk *disk, const u8 *map, u64 size)
{
    (void)disk;
    (void)munmap(address_in(map, 0), size);
}

static void file_advise(struct disk *disk, const u8 *map, u64 offset, u64 size)
{
    (void)disk;
    u64 first = align_down(offset, PAGE_SIZE);
    (void)madvise(address_in(map, first), align_up(offset + size, PAGE_SIZE) - first,
                  MADV_WILLNEED);
}

// From Linux 5.14 on; older kernels refuse, and readers fault the pages in.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

// Pages looked at in one system call.
#define POPULATE_PAGES 4096u

static void file_populate(struct disk *disk, const u8 *map, u64 offset, u64 size)
{
    (void)disk;
    assert(offset % PAGE_SIZE == 0);
    u8 resident[POPULATE_PAGES];
    u64 pages = align_up(size, PAGE_SIZE) / PAGE_SIZE;
    for (u64 done = 0; done < pages; done += POPULATE_PAGES) {
        u64 count = MIN(pages - done, POPULATE_PAGES);
        void *window = address_in(map, offset + done * PAGE_SIZE);
        if (mincore(window, count * PAGE_SIZE, resident) != 0) return;
        for (u64 i = 0; i < count; i++) {
            u64 first = i;
            while (i < count && (resident[i] & 1) != 0) i++;
            if (i == first) continue;
            (void)madvise((u8 *)window + first * PAGE_SIZE, (i - first) * PAGE_SIZE,
                          MADV_POPULATE_READ);
        }
    }
}

static void file_pace(struct disk *disk, disk_handle handle, u64 offset, u64 size)
{
    (void)disk;
    (void)sync_file_range(handle, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    if (offset < size) return;
    (void)sync_file_range(handle, (off_t)(offset - size), (off_t)size,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER);
}

static void file_forget(struct disk *disk, disk_handle handle, u64 offset, u64 size)
{
    (void)disk;
    (void)posix_fadvise(handle, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
}

static bool file_is_kept(struct disk *disk, const char *name)
{
    const int fd = openat(folder_of(disk)->folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool is_kept = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    (void)close(fd);
    return is_kept;
}

static const struct disk_operations file_operations = {
    .open = file_open,
    .close = file_close,
    .size = file_size,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .allocate = file_allocate,
    .rename = file_rename,
    .remove = file_remove,
    .list = file_list,
    .free_space = file_free_space,
    .map = file_map,
    .unmap = file_unmap,
    .advise = file_advise,
    .populate = file_populate,
    .pace = file_pace,
    .forget = file_forget,
    .is_kept = file_is_kept,
};

enum status disk_write_one(struct disk *disk, disk_handle handle, u64 offset, const void *data,
                           size_t size, struct failure *failure)
{
    union {
        const void *constant;
        void *base;
    } pointer = {.constant = data}; // iovec has no const; the write does not change it.
    struct iovec part = {.iov_base = pointer.base, .iov_len = size};
    return disk_write(disk, handle, offset, &part, 1, failure);
}

static enum status folder_lock(struct disk_folder *folder, enum disk_folder_use use,
                               struct failure *failure)
{
    bool owns = use != DISK_FOLDER_CHECK;
    if (owns) {
        folder->lock_fd = openat(folder->folder_fd, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                                 DISK_FILE_MODE);
        folder->is_lock_new = folder->lock_fd >= 0;
    }
    if (!owns || (folder->lock_fd < 0 && errno == EEXIST)) {
        folder->lock_fd = openat(folder->folder_fd, "lock",
                                 (owns ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, DISK_FILE_MODE);
    }
    // A copy without a lock has no server that could write meanwhile: it would have made one.
    if (folder->lock_fd < 0 && !owns && errno == ENOENT) return STATUS_OK;
    if (folder->lock_fd < 0) {
        return failure_set_errno(failure, status_of_errno(errno), errno, "opening %s/lock",
                                 folder->path);
    }
    const bool is_locked = flock(folder->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (!is_locked && errno != EWOULDBLOCK) {
        return failure_set_errno(failure, STATUS_IO, errno, "locking %s/lock", folder->path);
    }
    if (!is_locked) {
        char holder[32] = {0};
        (void)!pread(folder->lock_fd, holder, sizeof holder - 1, 0);
        enum status status =
            failure_set(failure, STATUS_BUSY, "%s is open in another process (process id %s)",
                        folder->path, holder[0] ? holder : "unknown");
        failure_hint(failure, "stop that server first, or give another folder");
        return status;
    }
    if (!owns) return STATUS_OK;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld", (long)getpid());
    (void)!ftruncate(folder->lock_fd, 0);
    (void)!pwrite(folder->lock_fd, text, (size_t)length, 0); // For the message only.
    return STATUS_OK;
}

enum status disk_folder_open(struct disk_folder *folder, const char *path, enum disk_folder_use use,
                             struct failure *failure)
{
    memset(folder, 0, sizeof *folder);
    folder->folder_fd = -1;
    folder->lock_fd = -1;
    if (strlen(path) >= sizeof folder->path) {
        return failure_set(failure, STATUS_INVALID, "the path of the data folder is too long");
    }
    memcpy(folder->path, path, strlen(path) + 1);
    folder->disk.operations = &file_operations;
    folder->disk.path = folder->path;
    if (use == DISK_FOLDER_MAKE && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return failure_set_errno(failure, status_of_errno(errno), errno, "making the folder %s",
                                 path);
    }
    folder->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->folder_fd < 0) {
        return failure_set_errno(failure, status_of_errno(errno), errno, "opening the folder %s",
                                 path);
    }
    if (use == DISK_FOLDER_LOOK) return STATUS_OK;
    enum status status = folder_lock(folder, use, failure);
    if (status != STATUS_OK) disk_folder_close(folder);
    return status;
}

void disk_folder_close(struct disk_folder *folder)
{
    if (folder->lock_fd >= 0) (void)close(folder->lock_fd);
    if (folder->folder_fd >= 0) (void)close(folder->folder_fd);
    folder->lock_fd = -1;
    folder->folder_fd = -1;
}
