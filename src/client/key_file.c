// SPDX-License-Identifier: Apache-2.0
//
// Key files: made and read.
#include "client/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE (2 * SIGNATURE_SEED_SIZE)

static int digit_of(u8 c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Whose the file is, and who else has rights to it.
static enum status rights_check(int fd, const char *path, struct failure *failure)
{
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "looking at the key file %s", path);
    }
    if (!S_ISREG(about.st_mode)) {
        return failure_set(failure, STATUS_INVALID, "the key file %s is no file", path);
    }
    if (about.st_uid != geteuid()) {
        return failure_set(failure, STATUS_INVALID, "the key file %s is another user's", path);
    }
    if ((about.st_mode & 077) == 0) return STATUS_OK;
    failure_note(failure, STATUS_INVALID, "others than its owner have rights to the key file %s",
                 path);
    failure_hint(failure, "if nobody has read it, `chmod 600` it; else make a new key");
    return STATUS_INVALID;
}

// Reads the whole text, of at most `room` bytes. False when reading fails.
static bool text_read(int fd, u8 *text, size_t room, size_t *size)
{
    for (*size = 0; *size < room;) {
        const ssize_t got = read(fd, text + *size, room - *size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return false;
        if (got == 0) return true;
        *size += (size_t)got;
    }
    return true;
}

// 64 hex digits, and a newline or not.
static bool seed_decode(const u8 *text, size_t size, u8 seed[SIGNATURE_SEED_SIZE])
{
    if (size != TEXT_SIZE && (size != TEXT_SIZE + 1 || text[TEXT_SIZE] != '\n')) return false;
    for (u32 i = 0; i < SIGNATURE_SEED_SIZE; i++) {
        const int high = digit_of(text[2 * i]);
        const int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        seed[i] = (u8)(high << 4 | low);
    }
    return true;
}

enum status key_file_read(const char *path, u8 seed[SIGNATURE_SEED_SIZE], struct failure *failure)
{
    u8 text[TEXT_SIZE + 2];
    size_t size = 0;
    // Not to wait for whoever writes to a pipe.
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return failure_set_errno(failure, status, errno, "opening the key file %s", path);
    }
    enum status status = rights_check(fd, path, failure);
    if (status == STATUS_OK && !text_read(fd, text, sizeof text, &size)) {
        status = failure_set_errno(failure, STATUS_IO, errno, "reading the key file %s", path);
    }
    if (status == STATUS_OK && !seed_decode(text, size, seed)) {
        secret_wipe(seed, SIGNATURE_SEED_SIZE);
        status = failure_set(failure, STATUS_INVALID,
                             "the key file %s does not hold 64 hexadecimal digits", path);
    }
    secret_wipe(text, sizeof text);
    (void)close(fd);
    return status;
}

static bool text_write(int fd, const u8 *text, size_t size)
{
    for (size_t put = 0; put < size;) {
        const ssize_t more = write(fd, text + put, size - put);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return false;
        put += (size_t)more;
    }
    return fsync(fd) == 0;
}

enum status secret_file_write(const char *path, const char *what, const u8 *text, size_t size,
                              struct failure *failure)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        const enum status status = errno == EEXIST ? STATUS_BUSY : STATUS_IO;
        (void)failure_set_errno(failure, status, errno, "making the %s file %s", what, path);
        if (status == STATUS_BUSY) failure_hint(failure, "a %s is never written over", what);
        return status;
    }
    enum status status = STATUS_OK;
    if (fchmod(fd, 0600) != 0 || !text_write(fd, text, size)) {
        status = failure_set_errno(failure, STATUS_IO, errno, "writing the %s file %s", what, path);
        (void)unlink(path); // Made here.
    }
    (void)close(fd);
    return status;
}

void secret_random(u8 *out, size_t size)
{
    // Of so few bytes the kernel gives all, once it has any.
    const ssize_t got = getrandom(out, size, 0);
    assert(got == (ssize_t)size);
}

enum status key_file_new(const char *path, u8 key[SIGNATURE_KEY_SIZE], struct failure *failure)
{
    static const char digits[] = "0123456789abcdef";
    u8 seed[SIGNATURE_SEED_SIZE];
    u8 text[TEXT_SIZE + 1];
    secret_random(seed, sizeof seed);
    for (u32 i = 0; i < SIGNATURE_SEED_SIZE; i++) {
        text[2 * i] = (u8)digits[seed[i] >> 4];
        text[2 * i + 1] = (u8)digits[seed[i] & 15];
    }
    text[TEXT_SIZE] = '\n';
    signature_key_of(seed, key);
    const enum status status = secret_file_write(path, "key", text, sizeof text, failure);
    secret_wipe(seed, sizeof seed);
    secret_wipe(text, sizeof text);
    return status;
}
