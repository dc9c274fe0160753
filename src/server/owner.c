// SPDX-License-Identifier: Apache-2.0
//
// DIR/owner: one record, written over in place so that its inode stays.
#include "server/owner.h"

#include "base/checksum.h"
#include "base/sha256.h"
#include "os/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_MAGIC         0x52454e574f454154ull // "TAEOWNER"
#define MACHINE_ID_SIZE_MAX 64u

struct owner {
    u128 checksum; // Of the rest.
    u64 magic;
    u64 inode; // Of this file.
    u64 born;  // When the file system made it, in nanoseconds; 0 where that is not told.
    u64 sequence;
    u128 log_id;
    u8 machine[32]; // SHA-256 of the machine's id; zero where there is none.
    u8 reserved[32];
};
static_assert(sizeof(struct owner) == 128, "owner v1");

static void machine_read(u8 out[32])
{
    u8 text[MACHINE_ID_SIZE_MAX];
    struct digest digest;
    const int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    memset(out, 0, 32);
    if (fd < 0) return;
    const ssize_t size = read(fd, text, sizeof text);
    (void)close(fd);
    if (size <= 0) return;
    sha256(text, (size_t)size, &digest);
    static_assert(sizeof digest == 32, "a digest");
    memcpy(out, &digest, 32);
}

// What is true of an open file now.
static bool owner_describe(int fd, struct owner *owner)
{
    struct statx stat;
    *owner = (struct owner){.magic = OWNER_MAGIC};
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stat) != 0) return false;
    owner->inode = stat.stx_ino;
    if (stat.stx_mask & STATX_BTIME) {
        owner->born = (u64)stat.stx_btime.tv_sec * NS_PER_S + stat.stx_btime.tv_nsec;
    }
    machine_read(owner->machine);
    return true;
}

static u128 owner_checksum(const struct owner *owner)
{
    return checksum((const u8 *)owner + sizeof owner->checksum,
                    sizeof *owner - sizeof owner->checksum);
}

const char *owner_differs(int folder_fd, u128 log_id, u64 sequence)
{
    struct owner kept;
    struct owner now;
    // To open a pipe would wait for whoever writes to it.
    const int fd = openat(folder_fd, "owner", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return "it has no file that says whose it is";
    const bool is_whole = pread(fd, &kept, sizeof kept, 0) == (ssize_t)sizeof kept;
    const bool is_known = owner_describe(fd, &now);
    (void)close(fd);
    if (!is_whole || !is_known || kept.magic != OWNER_MAGIC ||
        kept.checksum != owner_checksum(&kept)) {
        return "the file that says whose it is cannot be read";
    }
    if (kept.inode != now.inode || kept.born != now.born) return "its files are others";
    if (memcmp(kept.machine, now.machine, sizeof now.machine) != 0) return "the machine is another";
    if (kept.log_id != log_id) return "its log is another";
    if (sequence < kept.sequence) return "its log is shorter than it was";
    return NULL;
}

enum status owner_write(int folder_fd, u128 log_id, u64 sequence, struct failure *failure)
{
    struct owner owner;
    const int fd =
        openat(folder_fd, "owner", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, DISK_FILE_MODE);
    if (fd < 0) return failure_set_errno(failure, STATUS_IO, errno, "opening the file owner");
    bool done = owner_describe(fd, &owner);
    owner.log_id = log_id;
    owner.sequence = sequence;
    owner.checksum = owner_checksum(&owner);
    done = done && pwrite(fd, &owner, sizeof owner, 0) == (ssize_t)sizeof owner && fsync(fd) == 0 &&
           fsync(folder_fd) == 0;
    const int error = errno;
    (void)close(fd);
    if (done) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, error, "writing the file owner");
}
