// SPDX-License-Identifier: Apache-2.0
//
// Reading files.
#include "audit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum status audit_folder_open(struct audit_folder *folder, const char *path,
                              struct failure *failure)
{
    *folder = (struct audit_folder){.path = path, .directory = -1, .lock = -1};
    folder->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->directory < 0) {
        const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return failure_set_errno(failure, status, errno, "opening %s", path);
    }
    const enum status status = audit_file_open(folder, "lock", &folder->lock, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    // A server holds it exclusively; several auditors may read at once.
    if (flock(folder->lock, LOCK_SH | LOCK_NB) == 0) return STATUS_OK;
    if (errno != EWOULDBLOCK) {
        return failure_set_errno(failure, STATUS_IO, errno, "taking the lock of %s", path);
    }
    (void)failure_set(failure, STATUS_BUSY, "%s is in use by a server", path);
    failure_hint(failure,
                 "stop the server, or audit a backup that `tael backup` makes while it serves");
    return STATUS_BUSY;
}

void audit_folder_close(struct audit_folder *folder)
{
    if (folder->lock >= 0) (void)close(folder->lock);
    if (folder->directory >= 0) (void)close(folder->directory);
    *folder = (struct audit_folder){.directory = -1, .lock = -1};
}

enum status audit_file_open(const struct audit_folder *folder, const char *name, int *file,
                            struct failure *failure)
{
    struct stat stat;
    *file = -1;
    if (fstatat(folder->directory, name, &stat, 0) == 0) {
        // To open a pipe would wait for whoever writes to it, and to read one might have no end.
        if (!S_ISREG(stat.st_mode)) {
            return failure_set(failure, STATUS_IO, "%s is not a regular file", name);
        }
        *file = openat(folder->directory, name, O_RDONLY | O_CLOEXEC);
        if (*file >= 0) return STATUS_OK;
    }
    const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    return failure_set_errno(failure, status, errno, "opening %s", name);
}

enum status audit_file_read(int file, u64 offset, void *out, size_t size, size_t *done,
                            struct failure *failure)
{
    *done = 0;
    while (*done < size) {
        const ssize_t got = pread(file, (u8 *)out + *done, size - *done, (off_t)(offset + *done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failure_set_errno(failure, STATUS_IO, errno, "reading");
        if (got == 0) break;
        *done += (size_t)got;
    }
    return STATUS_OK;
}

enum status audit_file_size(int file, u64 *size, struct failure *failure)
{
    struct stat stat;
    if (fstat(file, &stat) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "asking for a file's size");
    }
    *size = (u64)stat.st_size;
    return STATUS_OK;
}

// Of a name that is the prefix and so many digits.
static void number_take(const char *name, const char *prefix, u32 digits, u64 *number, bool *found)
{
    const size_t head = strlen(prefix);
    if (strncmp(name, prefix, head) != 0 || strlen(name + head) != digits ||
        strspn(name + head, "0123456789abcdef") != digits) {
        return;
    }
    const u64 value = strtoull(name + head, NULL, 16);
    if (!*found || value > *number) *number = value;
    *found = true;
}

enum status audit_folder_newest(const struct audit_folder *folder, const char *prefix, u32 digits,
                                u64 *number, bool *found, struct failure *failure)
{
    *found = false;
    const int copy = openat(folder->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (directory == NULL) {
        const int error_number = errno;
        if (copy >= 0) (void)close(copy);
        return failure_set_errno(failure, STATUS_IO, error_number, "listing the folder");
    }
    int error_number = 0;
    for (bool is_more = true; is_more;) {
        errno = 0; // The end is none.
        // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this function's own.
        const struct dirent *entry = readdir(directory);
        is_more = entry != NULL;
        if (entry == NULL) error_number = errno;
        else number_take(entry->d_name, prefix, digits, number, found);
    }
    (void)closedir(directory);
    if (error_number == 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, error_number, "listing the folder");
}
