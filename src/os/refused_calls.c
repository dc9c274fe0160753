// SPDX-License-Identifier: Apache-2.0
//
// The calls that may be refused, each with an error that the system has for it.
#include "os/refused_calls.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static struct refused_calls *counted;

void refused_calls_init(struct refused_calls *calls)
{
    call_paths_init(&calls->paths, 1);
}

void refused_calls_begin(struct refused_calls *calls)
{
    counted = calls;
    if (calls == NULL) return;
    call_paths_begin(&calls->paths);
    atomic_flag_clear(&calls->is_locked);
    calls->name[0] = 0;
}

static bool is_refused(const char *name)
{
    if (counted == NULL) return false;
    while (atomic_flag_test_and_set(&counted->is_locked)) {
    }
    const bool is_it = counted->name[0] == 0 && call_paths_refuse(&counted->paths);
    if (is_it) (void)strncpy(counted->name, name, sizeof counted->name - 1);
    atomic_flag_clear(&counted->is_locked);
    return is_it;
}

// A call that fails with -1 and the error.
#define CALL(type, name, parameters, arguments, number) \
    type __real_##name parameters;                      \
    type __wrap_##name parameters;                      \
    type __wrap_##name parameters                       \
    {                                                   \
        if (!is_refused(#name)) {                       \
            return __real_##name arguments;             \
        }                                               \
        errno = number;                                 \
        return -1;                                      \
    }
// A call that returns the error.
#define CALL_OF_ERROR(name, parameters, arguments, number)             \
    int __real_##name parameters;                                      \
    int __wrap_##name parameters;                                      \
    int __wrap_##name parameters                                       \
    {                                                                  \
        return is_refused(#name) ? (number) : __real_##name arguments; \
    }

CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size),
     EADDRINUSE)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags), EMFILE)
CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size),
     ENOBUFS)
CALL(int, getpeername, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size),
     ENOTCONN)
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), ENOBUFS)
CALL(ssize_t, recv, (int fd, void *out, size_t size, int flags), (fd, out, size, flags), ECONNRESET)
CALL(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags),
     ECONNRESET)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
     ECONNRESET)
CALL(int, epoll_create1, (int flags), (flags), EMFILE)
CALL(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event),
     (epoll, what, fd, event), ENOMEM)
CALL(int, eventfd, (unsigned first, int flags), (first, flags), EMFILE)
CALL(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), EMFILE)
CALL(ssize_t, getrandom, (void *out, size_t size, unsigned flags), (out, size, flags), ENOSYS)
CALL(int, chmod, (const char *path, mode_t mode), (path, mode), EPERM)
CALL(int, unlink, (const char *path), (path), EACCES)
CALL(int, lstat64, (const char *path, struct stat *out), (path, out), EACCES)
CALL(int, fstatat64, (int folder, const char *path, struct stat *out, int flags),
     (folder, path, out, flags), EACCES)
CALL(int, fstat64, (int fd, struct stat *out), (fd, out), EIO)
CALL(int, statx, (int fd, const char *path, int flags, unsigned mask, void *out),
     (fd, path, flags, mask, out), ENOSYS)
CALL(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), EMFILE)
CALL(int, openat64, (int folder, const char *path, int flags, mode_t mode),
     (folder, path, flags, mode), EMFILE)
CALL(int, mkstemp64, (char *path), (path), EMFILE)
CALL(int, flock, (int fd, int what), (fd, what), ENOLCK)
CALL(int, fsync, (int fd), (fd), EIO)
CALL(int, fdatasync, (int fd), (fd), EIO)
CALL(int, ftruncate64, (int fd, off_t size), (fd, size), EIO)
CALL(ssize_t, pread64, (int fd, void *out, size_t size, off_t offset), (fd, out, size, offset), EIO)
CALL(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off_t offset),
     (fd, bytes, size, offset), EIO)
CALL(int, renameat, (int from_folder, const char *from, int to_folder, const char *to),
     (from_folder, from, to_folder, to), EIO)
CALL(int, renameat2,
     (int from_folder, const char *from, int to_folder, const char *to, unsigned flags),
     (from_folder, from, to_folder, to, flags), EINVAL)
CALL(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), EIO)
CALL(int, fstatvfs64, (int fd, struct statvfs *out), (fd, out), EIO)
CALL_OF_ERROR(posix_fallocate64, (int fd, off_t offset, off_t size), (fd, offset, size), ENOSPC)
CALL_OF_ERROR(pthread_create,
              (pthread_t * thread, const pthread_attr_t *how, void *(*run)(void *), void *context),
              (thread, how, run, context), EAGAIN)

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.
DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);

DIR *__wrap_fdopendir(int fd)
{
    if (!is_refused("fdopendir")) return __real_fdopendir(fd);
    errno = ENOMEM;
    return NULL;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

// Eight bytes are an eventfd's, to which the system refuses nothing.
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (size == sizeof(u64) || !is_refused("write")) return __real_write(fd, bytes, size);
    errno = ENOSPC;
    return -1;
}

struct dirent *__real_readdir64(DIR *directory);
struct dirent *__wrap_readdir64(DIR *directory);

struct dirent *__wrap_readdir64(DIR *directory)
{
    if (!is_refused("readdir")) return __real_readdir64(directory);
    errno = EIO;
    return NULL;
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
