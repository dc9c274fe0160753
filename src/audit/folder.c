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
    *folder = (struct audit_folder){.directory = -1, .lock = -1};
    folder->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->directory < 0) {
        const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return failure_set_errno(failure, status, errno, "opening %s", path);
    }
    folder->lock = openat(folder->directory, "lock", O_RDONLY | O_CLOEXEC);
    if (folder->lock < 0) {
        if (errno == ENOENT) return STATUS_OK;
        return failure_set_errno(failure, STATUS_IO, errno, "opening the lock of %s", path);
    }
    // A server holds it exclusively; several auditors may read at once.
    if (flock(folder->lock, LOCK_SH | LOCK_NB) != 0) {
        (void)failure_set(failure, STATUS_BUSY, "%s is in use by a server", path);
        failure_hint(failure, "stop the server, or audit a copy of the folder");
        return STATUS_BUSY;
    }
    return STATUS_OK;
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
    *file = openat(folder->directory, name, O_RDONLY | O_CLOEXEC);
    if (*file >= 0) return STATUS_OK;
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

enum status audit_folder_newest(const struct audit_folder *folder, const char *prefix, u64 *number,
                                bool *found, struct failure *failure)
{
    *found = false;
    const int copy = openat(folder->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (directory == NULL) {
        const int error_number = errno;
        if (copy >= 0) (void)close(copy);
        return failure_set_errno(failure, STATUS_IO, error_number, "listing the folder");
    }
    const size_t head = strlen(prefix);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this function's own.
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *digits = entry->d_name + head;
        if (strncmp(entry->d_name, prefix, head) != 0 || strlen(digits) != 16 ||
            strspn(digits, "0123456789abcdef") != 16) {
            continue;
        }
        const u64 value = strtoull(digits, NULL, 16);
        if (!*found || value > *number) *number = value;
        *found = true;
    }
    (void)closedir(directory);
    return STATUS_OK;
}
