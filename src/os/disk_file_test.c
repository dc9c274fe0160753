// SPDX-License-Identifier: Apache-2.0
//
// The disk over a folder, each of whose calls the system may refuse, interrupt or carry out in
// part: what is refused is told with the file, the status and the cause; what is interrupted goes
// on; what is optional is done without.
//
// The program is linked so that the calls are made through this file (src/os/meson.build).
#include "os/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

// --- calls that are refused ----------------------------------------------------------------------

#define PART 0 // Not an error: the call does less than it was asked for.

static struct {
    const char *call; // NULL: none. One call is refused, then none.
    int error;
} refusal;

// What the system was asked for without an answer.
static struct {
    struct iovec populated[8];
    u32 populated_count;
    struct {
        off_t offset;
        unsigned flags;
    } paced[4];
    u32 paced_count;
} seen;

static bool is_refused(const char *call)
{
    if (refusal.call == NULL || strcmp(refusal.call, call) != 0) return false;
    refusal.call = NULL;
    errno = refusal.error;
    return true;
}

// A call of which this result says that it failed.
#define CALL(type, name, parameters, arguments, failed)                      \
    type __real_##name parameters;                                           \
    type __wrap_##name parameters;                                           \
    type __wrap_##name parameters                                            \
    {                                                                        \
        return is_refused(#name) ? (type)(failed) : __real_##name arguments; \
    }

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.
CALL(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), -1)
CALL(int, openat64, (int folder, const char *path, int flags, mode_t mode),
     (folder, path, flags, mode), -1)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
CALL(int, fstat64, (int fd, struct stat *out), (fd, out), -1)
CALL(int, fsync, (int fd), (fd), -1)
CALL(int, fdatasync, (int fd), (fd), -1)
CALL(int, flock, (int fd, int what), (fd, what), -1)
CALL(int, renameat, (int from_folder, const char *from, int to_folder, const char *to),
     (from_folder, from, to_folder, to), -1)
CALL(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), -1)
CALL(int, fstatvfs64, (int fd, struct statvfs *out), (fd, out), -1)
CALL(int, ftruncate64, (int fd, off_t size), (fd, size), -1)
CALL(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off_t offset),
     (fd, bytes, size, offset), -1)
CALL(int, posix_fallocate64, (int fd, off_t offset, off_t size), (fd, offset, size), refusal.error)
CALL(DIR *, fdopendir, (int fd), (fd), NULL)
CALL(struct dirent *, readdir64, (DIR * directory), (directory), NULL)
CALL(void *, mmap64,
     (void *address, size_t size, int protection, int flags, int file, off_t offset),
     (address, size, protection, flags, file, offset), MAP_FAILED)
int __real_mincore(void *address, size_t size, u8 *out);
int __wrap_mincore(void *address, size_t size, u8 *out);

// Of the pages that are asked for the first one is there, and those from number 4000.
int __wrap_mincore(void *address, size_t size, u8 *out)
{
    (void)address;
    if (is_refused("mincore")) return -1;
    for (size_t i = 0; i < size / PAGE_SIZE; i++) out[i] = i == 0 || i >= 4000;
    return 0;
}

int __real_madvise(void *address, size_t size, int advice);
int __wrap_madvise(void *address, size_t size, int advice);

int __wrap_madvise(void *address, size_t size, int advice)
{
    if (advice != MADV_RANDOM) {
        assert_true(seen.populated_count < ARRAY_COUNT(seen.populated));
        seen.populated[seen.populated_count++] =
            (struct iovec){.iov_base = address, .iov_len = size};
    }
    return __real_madvise(address, size, advice);
}

int __real_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);

int __wrap_sync_file_range(int fd, off_t offset, off_t size, unsigned flags)
{
    assert_true(seen.paced_count < ARRAY_COUNT(seen.paced));
    seen.paced[seen.paced_count].offset = offset;
    seen.paced[seen.paced_count++].flags = flags;
    return __real_sync_file_range(fd, offset, size, flags);
}

ssize_t __real_pread64(int fd, void *out, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *out, size_t size, off_t offset);

ssize_t __wrap_pread64(int fd, void *out, size_t size, off_t offset)
{
    if (!is_refused("pread64")) return __real_pread64(fd, out, size, offset);
    return refusal.error == PART ? __real_pread64(fd, out, size / 2, offset) : -1;
}

ssize_t __real_pwritev64(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off_t offset);

// In part: the first of the parts, and half of the second.
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct iovec some[2];
    if (!is_refused("pwritev64")) return __real_pwritev64(fd, parts, count, offset);
    if (refusal.error != PART) return -1;
    assert_true(count >= 2);
    memcpy(some, parts, sizeof some);
    some[1].iov_len /= 2;
    return __real_pwritev64(fd, some, 2, offset);
}

ssize_t __real_readlink(const char *path, char *out, size_t size);
ssize_t __wrap_readlink(const char *path, char *out, size_t size);

// In part: the name alone.
ssize_t __wrap_readlink(const char *path, char *out, size_t size)
{
    if (!is_refused("readlink")) return __real_readlink(path, out, size);
    if (refusal.error != PART) return -1;
    memcpy(out, "name", 4);
    return 4;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static void refuse(const char *call, int error)
{
    refusal.call = call;
    refusal.error = error;
}

// --- a folder ------------------------------------------------------------------------------------

#define SIZE 1000u // Of the file "a", of which byte n is n % 251.

struct test {
    char path[64];
    struct disk_folder folder;
    struct disk *disk;
    disk_handle file;
    struct failure failure;
};

static u8 byte_at(u64 offset)
{
    return (u8)(offset % 251);
}

static int setup(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    u8 bytes[SIZE];
    assert_non_null(test);
    refuse(NULL, 0);
    (void)snprintf(test->path, sizeof test->path, "/tmp/tael-disk-XXXXXX");
    assert_non_null(mkdtemp(test->path));
    test->disk = &test->folder.disk;
    assert_int_equal(disk_folder_open(&test->folder, test->path, DISK_FOLDER_MAKE, &test->failure),
                     STATUS_OK);
    assert_int_equal(disk_open(test->disk, "a", DISK_CREATE, &test->file, &test->failure),
                     STATUS_OK);
    for (u32 i = 0; i < SIZE; i++) bytes[i] = byte_at(i);
    assert_int_equal(disk_write_one(test->disk, test->file, 0, bytes, SIZE, &test->failure),
                     STATUS_OK);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct test *test = *state;
    static const char *const names[] = {"a", "b", "lock"};
    disk_close(test->disk, test->file);
    for (u32 i = 0; i < ARRAY_COUNT(names); i++) {
        assert_int_equal(disk_remove(test->disk, names[i], &test->failure), STATUS_OK);
    }
    disk_folder_close(&test->folder);
    assert_int_equal(rmdir(test->path), 0);
    free(test);
    return 0;
}

static enum status open_do(struct test *test)
{
    disk_handle file = -1;
    const enum status status = disk_open(test->disk, "a", DISK_READ_ONLY, &file, &test->failure);
    if (status == STATUS_OK) disk_close(test->disk, file);
    return status;
}

static enum status create_do(struct test *test)
{
    disk_handle file = -1;
    const enum status status = disk_open(test->disk, "b", DISK_CREATE, &file, &test->failure);
    if (status == STATUS_OK) disk_close(test->disk, file);
    return status;
}

// Past the page cache, where that is to be had.
static enum status uncached_do(struct test *test)
{
    disk_handle file = -1;
    u64 size = 0;
    enum status status =
        disk_open(test->disk, "a", DISK_READ_ONLY | DISK_UNCACHED, &file, &test->failure);
    if (status != STATUS_OK) return status;
    assert_int_equal(disk_size(test->disk, file, &size, &test->failure), STATUS_OK);
    assert_int_equal(size, SIZE);
    disk_close(test->disk, file);
    return status;
}

static enum status size_do(struct test *test)
{
    u64 size = 0;
    const enum status status = disk_size(test->disk, test->file, &size, &test->failure);
    if (status == STATUS_OK) assert_int_equal(size, SIZE);
    return status;
}

static enum status read_do(struct test *test)
{
    u8 bytes[SIZE];
    const enum status status =
        disk_read(test->disk, test->file, 8, bytes, SIZE - 8, &test->failure);
    for (u32 i = 8; i < SIZE && status == STATUS_OK; i++) {
        assert_int_equal(bytes[i - 8], byte_at(i));
    }
    return status;
}

// A hundred parts of different sizes, more than a call takes: each byte is where it belongs.
static enum status write_do(struct test *test)
{
    static u8 bytes[100 * 101];
    static u8 found[sizeof bytes];
    struct iovec parts[100];
    u64 size = 0;
    for (u32 i = 0; i < ARRAY_COUNT(parts); i++) {
        parts[i] = (struct iovec){.iov_base = bytes + size, .iov_len = i + 1};
        size += i + 1;
    }
    for (u64 i = 0; i < size; i++) bytes[i] = (u8)(i % 249);
    const enum status status =
        disk_write(test->disk, test->file, SIZE, parts, (u32)ARRAY_COUNT(parts), &test->failure);
    if (status != STATUS_OK) return status;
    assert_int_equal(disk_read(test->disk, test->file, SIZE, found, size, &test->failure),
                     STATUS_OK);
    assert_memory_equal(found, bytes, size);
    return status;
}

static enum status sync_do(struct test *test)
{
    return disk_sync(test->disk, test->file, &test->failure);
}

static enum status allocate_do(struct test *test)
{
    u8 last = 1;
    const enum status status = disk_allocate(test->disk, test->file, 2ull * SIZE, &test->failure);
    if (status != STATUS_OK) return status;
    assert_int_equal(disk_read(test->disk, test->file, 2 * SIZE - 1, &last, 1, &test->failure),
                     STATUS_OK);
    assert_int_equal(last, 0);
    return status;
}

static enum status rename_do(struct test *test)
{
    return disk_rename(test->disk, "a", "b", &test->failure);
}

static enum status remove_do(struct test *test)
{
    return disk_remove(test->disk, "a", &test->failure);
}

static bool name_count(void *context, const char *name)
{
    u32 *count = context;
    assert_true(strcmp(name, "a") == 0 || strcmp(name, "lock") == 0);
    ++*count;
    return true;
}

static enum status list_do(struct test *test)
{
    u32 count = 0;
    const enum status status = disk_list(test->disk, name_count, &count, &test->failure);
    if (status == STATUS_OK) assert_int_equal(count, 2);
    return status;
}

static enum status space_do(struct test *test)
{
    u64 bytes = 0;
    const enum status status = disk_free_space(test->disk, &bytes, &test->failure);
    if (status == STATUS_OK) assert_true(bytes > 0);
    return status;
}

// Who opens a folder first has made its lock, nobody behind him.
static void test_a_lock_is_new_once(void **state)
{
    struct test *test = *state;
    struct disk_folder folder;
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/new", test->path);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(disk_folder_open(&folder, path, DISK_FOLDER_MAKE, &test->failure),
                         STATUS_OK);
        assert_int_equal(folder.is_lock_new, i != 1);
        // Gone, it is made once more.
        if (i > 0) assert_int_equal(unlinkat(folder.folder_fd, "lock", 0), 0);
        disk_folder_close(&folder);
    }
    assert_int_equal(rmdir(path), 0);
}

// Another folder than the one that is locked, and it again.
static enum status folder_do(struct test *test)
{
    struct disk_folder folder;
    disk_folder_close(&test->folder);
    const enum status status =
        disk_folder_open(&folder, test->path, DISK_FOLDER_MAKE, &test->failure);
    if (status == STATUS_OK) disk_folder_close(&folder);
    struct failure failure;
    assert_int_equal(disk_folder_open(&test->folder, test->path, DISK_FOLDER_OWN, &failure),
                     STATUS_OK); // Nothing holds it.
    return status;
}

static void test_what_is_refused_is_told(void **state)
{
    static const struct {
        enum status (*operation)(struct test *test);
        const char *call;
        int error;
        enum status status;
        const char *text;   // Before the folder's path in the message; NULL: nothing is told.
        const char *behind; // It; then the cause.
    } rows[] = {
        {open_do, "openat64", EMFILE, STATUS_IO, "opening ", "/a"},
        {open_do, "openat64", ENOENT, STATUS_NOT_FOUND, "opening ", "/a"},
        {open_do, "openat64", EINVAL, STATUS_IO, "opening ", "/a"},
        {create_do, "openat64", ENOSPC, STATUS_FULL, "opening ", "/b"},
        {create_do, "openat64", EDQUOT, STATUS_FULL, "opening ", "/b"},
        {create_do, "fsync", EIO, STATUS_IO, "making the names in ", " durable"},
        {uncached_do, "openat64", EINVAL, STATUS_OK, NULL, NULL},
        {uncached_do, "openat64", EMFILE, STATUS_IO, "opening ", "/a"},
        {size_do, "fstat64", EIO, STATUS_IO, "size of ", "/a"},
        {read_do, "pread64", EIO, STATUS_IO, "reading 992 bytes of ", "/a at 8"},
        {read_do, "pread64", EINTR, STATUS_OK, NULL, NULL},
        {read_do, "pread64", PART, STATUS_OK, NULL, NULL},
        {write_do, "pwritev64", EIO, STATUS_IO, "writing ", "/a at 1000"},
        {write_do, "pwritev64", ENOSPC, STATUS_FULL, "writing ", "/a at 1000"},
        {write_do, "pwritev64", EDQUOT, STATUS_FULL, "writing ", "/a at 1000"},
        {write_do, "pwritev64", EINTR, STATUS_OK, NULL, NULL},
        {write_do, "pwritev64", PART, STATUS_OK, NULL, NULL},
        {sync_do, "fdatasync", EIO, STATUS_IO, "making ", "/a durable"},
        {allocate_do, "posix_fallocate64", ENOSPC, STATUS_FULL, "reserving 2000 bytes for ", "/a"},
        {allocate_do, "posix_fallocate64", EIO, STATUS_IO, "reserving 2000 bytes for ", "/a"},
        {allocate_do, "posix_fallocate64", EINTR, STATUS_OK, NULL, NULL},
        {allocate_do, "fsync", EIO, STATUS_IO, "making ", "/a durable"},
        {rename_do, "renameat", EIO, STATUS_IO, "renaming ", "/a to b"},
        {rename_do, "renameat", ENOENT, STATUS_NOT_FOUND, "renaming ", "/a to b"},
        {rename_do, "fsync", EIO, STATUS_IO, "making the names in ", " durable"},
        {remove_do, "unlinkat", EACCES, STATUS_IO, "removing ", "/a"},
        {remove_do, "unlinkat", ENOENT, STATUS_OK, NULL, NULL},
        {list_do, "openat64", EMFILE, STATUS_IO, "listing ", ""},
        {list_do, "fdopendir", ENOMEM, STATUS_IO, "listing ", ""},
        {list_do, "readdir64", EIO, STATUS_IO, "listing ", ""},
        {space_do, "fstatvfs64", EIO, STATUS_IO, "asking for the free space of ", ""},
        {folder_do, "mkdir", EACCES, STATUS_IO, "making the folder ", ""},
        {folder_do, "mkdir", ENOSPC, STATUS_FULL, "making the folder ", ""},
        {folder_do, "open64", EMFILE, STATUS_IO, "opening the folder ", ""},
        {folder_do, "open64", ENOENT, STATUS_NOT_FOUND, "opening the folder ", ""},
        {folder_do, "openat64", EACCES, STATUS_IO, "opening ", "/lock"},
        {folder_do, "flock", ENOLCK, STATUS_IO, "locking ", "/lock"},
        // What is in the file that is locked is for messages alone.
        {folder_do, "ftruncate64", EIO, STATUS_OK, NULL, NULL},
        {folder_do, "pwrite64", ENOSPC, STATUS_OK, NULL, NULL},
    };
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[sizeof((struct failure *)0)->message];
        void *made = NULL;
        assert_int_equal(setup(&made), 0);
        struct test *test = made;
        refuse(rows[i].call, rows[i].error);
        const enum status status = rows[i].operation(test);
        if (refusal.call != NULL) fail_msg("row %u: %s was not called", i, rows[i].call);
        if (status != rows[i].status) fail_msg("row %u: %d, %s", i, status, test->failure.message);
        if (rows[i].text != NULL) {
            (void)snprintf(text, sizeof text, "%s%s%s: %s", rows[i].text, test->path,
                           rows[i].behind, strerror(rows[i].error));
            assert_string_equal(test->failure.message, text);
            assert_int_equal(test->failure.error_number, rows[i].error);
        }
        assert_int_equal(teardown(&made), 0);
    }
}

// A file that ends too early is damage, and no error of the system.
static void test_what_ends_too_early_is_told(void **state)
{
    struct test *test = *state;
    u8 bytes[20];
    char text[256];
    assert_int_equal(
        disk_read(test->disk, test->file, SIZE - 5, bytes, sizeof bytes, &test->failure),
        STATUS_CORRUPT);
    (void)snprintf(text, sizeof text, "%s/a ends at 1000, 15 bytes before what must be there",
                   test->path);
    assert_string_equal(test->failure.message, text);
}

// Where the system does not tell the name of an open file the folder's is told, and the cause stays
// that of the call that failed.
static void test_a_file_whose_name_is_not_told(void **state)
{
    struct test *test = *state;
    char text[256];
    refuse("readlink", EACCES);
    assert_int_equal(disk_sync(test->disk, -1, &test->failure), STATUS_IO);
    (void)snprintf(text, sizeof text, "making a file in %s durable: Bad file descriptor",
                   test->path);
    assert_string_equal(test->failure.message, text);
    refuse("readlink", PART);
    assert_int_equal(disk_sync(test->disk, -1, &test->failure), STATUS_IO);
    assert_string_equal(test->failure.message, "making name durable: Bad file descriptor");
}

static bool name_stop(void *context, const char *name)
{
    (void)name;
    ++*(u32 *)context;
    return false;
}

// Hidden files are no files of the folder, and a visitor may end the list.
static void test_a_list(void **state)
{
    struct test *test = *state;
    disk_handle hidden = -1;
    u32 count = 0;
    assert_int_equal(disk_open(test->disk, ".hidden", DISK_CREATE, &hidden, &test->failure),
                     STATUS_OK);
    disk_close(test->disk, hidden);
    assert_int_equal(list_do(test), STATUS_OK);
    assert_int_equal(disk_list(test->disk, name_stop, &count, &test->failure), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(disk_remove(test->disk, ".hidden", &test->failure), STATUS_OK);
}

static void test_a_folder_that_is_held(void **state)
{
    struct test *test = *state;
    struct disk_folder folder;
    char text[256];
    static char longest[sizeof folder.path + 1];
    (void)snprintf(text, sizeof text, "%s is open in another process (process id %ld)", test->path,
                   (long)getpid());
    assert_int_equal(disk_folder_open(&folder, test->path, DISK_FOLDER_OWN, &test->failure),
                     STATUS_BUSY);
    assert_string_equal(test->failure.message, text);
    refuse("pread64", EIO);
    assert_int_equal(disk_folder_open(&folder, test->path, DISK_FOLDER_OWN, &test->failure),
                     STATUS_BUSY);
    assert_non_null(strstr(test->failure.message, "(process id unknown)"));
    memset(longest, 'a', sizeof longest - 1);
    assert_int_equal(disk_folder_open(&folder, longest, DISK_FOLDER_LOOK, &test->failure),
                     STATUS_INVALID);
    assert_non_null(strstr(test->failure.message, "too long"));
}

// Where locks are not to be had nobody is told that a file is kept.
static void test_a_file_is_not_kept_where_nothing_can_be_locked(void **state)
{
    struct test *test = *state;
    disk_handle reader = -1;
    assert_int_equal(
        disk_open(test->disk, "a", DISK_READ_ONLY | DISK_KEEP, &reader, &test->failure), STATUS_OK);
    assert_true(disk_is_kept(test->disk, "a"));
    refuse("flock", ENOLCK);
    assert_false(disk_is_kept(test->disk, "a"));
    refuse("openat64", EMFILE);
    assert_false(disk_is_kept(test->disk, "a"));
    disk_close(test->disk, reader);
}

// --- maps ----------------------------------------------------------------------------------------

#define MAP_PAGES 5000u // More than are looked at in one call.

static void test_a_map(void **state)
{
    struct test *test = *state;
    const u64 size = MAP_PAGES * PAGE_SIZE;
    assert_int_equal(disk_allocate(test->disk, test->file, size, &test->failure), STATUS_OK);
    refuse("mmap64", ENOMEM);
    assert_null(disk_map(test->disk, test->file, size));
    const u8 *map = disk_map(test->disk, test->file, size);
    assert_non_null(map);
    for (u32 i = 0; i < SIZE; i++) assert_int_equal(map[i], byte_at(i));
    // Each run of pages that are there is entered at once, and no other page.
    seen.populated_count = 0;
    disk_populate(test->disk, map, PAGE_SIZE, size - PAGE_SIZE);
    const u8 *from = map + PAGE_SIZE;
    assert_int_equal(seen.populated_count, 3);
    assert_ptr_equal(seen.populated[0].iov_base, from);
    assert_int_equal(seen.populated[0].iov_len, PAGE_SIZE);
    assert_ptr_equal(seen.populated[1].iov_base, from + 4000 * PAGE_SIZE);
    assert_int_equal(seen.populated[1].iov_len, 96 * PAGE_SIZE);
    assert_ptr_equal(seen.populated[2].iov_base, from + 4096 * PAGE_SIZE);
    assert_int_equal(seen.populated[2].iov_len, PAGE_SIZE);
    refuse("mincore", EAGAIN);
    seen.populated_count = 0;
    disk_populate(test->disk, map, 0, size);
    assert_int_equal(seen.populated_count, 0);
    disk_unmap(test->disk, map, size);
}

// A range is begun, and the one before it, if there is one, waited for.
static void test_a_pace(void **state)
{
    struct test *test = *state;
    seen.paced_count = 0;
    disk_pace(test->disk, test->file, 0, MIB);
    assert_int_equal(seen.paced_count, 1);
    assert_true(seen.paced[0].offset == 0 && seen.paced[0].flags == SYNC_FILE_RANGE_WRITE);
    disk_pace(test->disk, test->file, MIB, MIB);
    assert_int_equal(seen.paced_count, 3);
    assert_true(seen.paced[1].offset == MIB && seen.paced[1].flags == SYNC_FILE_RANGE_WRITE);
    assert_true(seen.paced[2].offset == 0 && (seen.paced[2].flags & SYNC_FILE_RANGE_WAIT_AFTER));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused_is_told),
        TEST(test_what_ends_too_early_is_told),
        TEST(test_a_file_whose_name_is_not_told),
        TEST(test_a_list),
        TEST(test_a_folder_that_is_held),
        TEST(test_a_file_is_not_kept_where_nothing_can_be_locked),
        TEST(test_a_lock_is_new_once),
        TEST(test_a_map),
        TEST(test_a_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
