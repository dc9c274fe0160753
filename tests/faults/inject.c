// SPDX-License-Identifier: Apache-2.0
//
// System calls of a server that fail.
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS   50
#define PARTS_MAX 64u

static const struct {
    int number;
    enum inject_kind kind;
    const char *name;
    bool is_by_path; // The folder and the path are its arguments, else a descriptor.
    u8 path_argument;
} calls[] = {
    {SYS_openat, INJECT_OPEN, "openat", true, 1},
    {SYS_write, INJECT_WRITE, "write", false, 0},
    {SYS_pwrite64, INJECT_WRITE, "pwrite64", false, 0},
    {SYS_pwritev, INJECT_WRITE, "pwritev", false, 0},
    {SYS_fsync, INJECT_SYNC, "fsync", false, 0},
    {SYS_fdatasync, INJECT_SYNC, "fdatasync", false, 0},
    {SYS_fallocate, INJECT_ALLOCATE, "fallocate", false, 0},
    {SYS_ftruncate, INJECT_ALLOCATE, "ftruncate", false, 0},
    {SYS_renameat, INJECT_RENAME, "renameat", true, 1},
    {SYS_renameat2, INJECT_RENAME, "renameat2", true, 1},
    {SYS_unlinkat, INJECT_REMOVE, "unlinkat", true, 1},
    {SYS_read, INJECT_READ, "read", false, 0},
    {SYS_pread64, INJECT_READ, "pread64", false, 0},
    {SYS_preadv, INJECT_READ, "preadv", false, 0},
};

const char *inject_kind_name(enum inject_kind kind)
{
    static const char *const names[] = {"open",   "write",  "sync", "allocate",
                                        "rename", "remove", "read"};
    static_assert(ARRAY_COUNT(names) == INJECT_KINDS, "each kind has a name");
    assert(kind < INJECT_KINDS);
    return names[kind];
}

// --- in the child --------------------------------------------------------------------------------

// The calls of the table go to whoever watches, all others to the kernel. Returns the descriptor on
// which they are told, or -1.
static int filter_install(void)
{
    enum { HEAD = 4, TAIL = 2 };
    struct sock_filter program[HEAD + ARRAY_COUNT(calls) + TAIL] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    for (u32 i = 0; i < ARRAY_COUNT(calls); i++) {
        const u8 to_watch = (u8)(ARRAY_COUNT(calls) - i);
        program[HEAD + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                         (u32)calls[i].number, to_watch, 0);
    }
    program[HEAD + ARRAY_COUNT(calls)] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[HEAD + ARRAY_COUNT(calls) + 1] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    const struct sock_fprog all = {.len = ARRAY_COUNT(program), .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &all);
}

static bool descriptor_send(int to, int descriptor)
{
    char byte = 0;
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    return sendmsg(to, &message, 0) == 1;
}

// Leaves by a call that is not watched, and does nothing before: where coverage is counted _exit
// writes files, which nobody would let it do.
static _Noreturn void leave(int code)
{
    for (;;) (void)syscall(SYS_exit_group, code);
}

void inject_child(void *context)
{
    const struct inject *inject = context;
    const int listener = filter_install();
    // It is closed when the program is executed: the kernel made it so.
    if (listener < 0 || !descriptor_send(inject->sockets[1], listener)) leave(126);
}

bool inject_is_permitted(void)
{
    const pid_t child = fork();
    int status = 0;
    if (child == 0) leave(filter_install() >= 0 ? 0 : 1);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

// --- the watcher ---------------------------------------------------------------------------------

static int descriptor_receive(int from)
{
    char byte = 0;
    int descriptor = -1;
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL) memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
    return descriptor;
}

static void descriptor_path(u32 pid, int descriptor, char *out, size_t room)
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/%u/fd/%d", pid, descriptor);
    const ssize_t size = readlink(link, out, room - 1);
    out[MAX(size, 0)] = 0;
}

// Copies memory of the one who calls; false when it is not to be read.
static bool memory_read(u32 pid, u64 from, void *out, size_t size)
{
    const struct iovec here = {.iov_base = out, .iov_len = size};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    return process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

// The path that a call is about: whole, as far as it can be told.
static void call_path(const struct seccomp_notif *told, u32 index, char *out, size_t room)
{
    const u64 *arguments = (const u64 *)told->data.args;
    out[0] = 0;
    if (!calls[index].is_by_path) {
        descriptor_path(told->pid, (int)arguments[0], out, room);
        return;
    }
    char name[128] = {0};
    // A name may end before the page that follows it, which need not be there.
    for (u32 i = 0; i + 1 < sizeof name; i++) {
        if (!memory_read(told->pid, arguments[calls[index].path_argument] + i, name + i, 1)) break;
        if (name[i] == 0) break;
    }
    char folder[200];
    if (name[0] == '/') {
        (void)snprintf(out, room, "%s", name);
        return;
    }
    descriptor_path(told->pid, (int)arguments[0], folder, sizeof folder);
    (void)snprintf(out, room, "%s/%s", folder, name);
}

// Writes half of what was to be written in place of the one who calls. How many bytes that were.
static i64 write_half(const struct seccomp_notif *told, u32 index)
{
    const u64 *arguments = (const u64 *)told->data.args;
    struct iovec parts[PARTS_MAX] = {
        {.iov_base = (void *)(uintptr_t)arguments[1], .iov_len = (size_t)arguments[2]}};
    u64 count = 1;
    if (calls[index].number == SYS_pwritev) {
        count = MIN(arguments[2], PARTS_MAX);
        if (!memory_read(told->pid, arguments[1], parts, count * sizeof parts[0])) return -EFAULT;
    }
    size_t all = 0;
    for (u64 i = 0; i < count; i++) all += parts[i].iov_len;
    const size_t half = MAX(all / 2, (size_t)1);
    u8 *bytes = malloc(half);
    assert(bytes != NULL);
    size_t taken = 0;
    for (u64 i = 0; i < count && taken < half; i++) {
        const size_t take = MIN(parts[i].iov_len, half - taken);
        if (!memory_read(told->pid, (u64)(uintptr_t)parts[i].iov_base, bytes + taken, take)) break;
        taken += take;
    }
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/%u/fd/%d", told->pid, (int)arguments[0]);
    const int descriptor = open(link, O_WRONLY | O_CLOEXEC);
    const i64 written = descriptor < 0 ? -1 : pwrite(descriptor, bytes, taken, (off_t)arguments[3]);
    const int error = errno;
    if (descriptor >= 0) (void)close(descriptor);
    free(bytes);
    return written < 0 ? -error : written;
}

static void path_note(struct inject *inject, const char *path)
{
    for (u32 i = 0; i < inject->path_count; i++) {
        if (strcmp(inject->paths[i], path) == 0) return;
    }
    if (inject->path_count == INJECT_PATHS_MAX) return;
    (void)snprintf(inject->paths[inject->path_count++], sizeof inject->paths[0], "%s", path);
}

// Whether this call, on a file of the folder, is one that fails.
static bool is_to_fail(struct inject *inject, u32 index, const char *path)
{
    const size_t length = strlen(inject->folder);
    if (strncmp(path, inject->folder, length) != 0) return false;
    if (path[length] != '/' && path[length] != 0) return false;
    const enum inject_kind kind = calls[index].kind;
    const u32 count = ++inject->counts[kind];
    const bool is_first = kind == inject->kind && count == inject->at;
    const bool is_later =
        inject->failed > 0 && !inject->was_over && (inject->for_ever & 1u << kind) != 0;
    if (!is_first && !is_later) return false;
    if (inject->failed++ == 0) {
        (void)snprintf(inject->call, sizeof inject->call, "%s", calls[index].name);
    }
    path_note(inject, path);
    return true;
}

// Whether what goes on failing is to end.
static void over_look(struct inject *inject)
{
    if (inject->failed == 0 || inject->was_over || inject->is_over == NULL) return;
    inject->was_over = inject->is_over(inject->context);
}

static void call_answer(struct inject *inject, int listener, const struct seccomp_notif *told)
{
    char path[256];
    struct seccomp_notif_resp answer = {.id = told->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    u32 index = 0;
    while (index < ARRAY_COUNT(calls) && calls[index].number != told->data.nr) index++;
    assert(index < ARRAY_COUNT(calls));
    call_path(told, index, path, sizeof path);
    if (is_to_fail(inject, index, path)) {
        // A write without an offset is never of a file that is written in parts.
        const bool is_half = inject->error == INJECT_SHORT && calls[index].number != SYS_write;
        const i64 result = is_half                         ? write_half(told, index)
                           : inject->error == INJECT_SHORT ? -EIO
                                                           : -inject->error;
        answer.flags = 0;
        if (result < 0) answer.error = (i32)result;
        else answer.val = result;
    }
    // The caller may be gone.
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void *watch(void *context)
{
    struct inject *inject = context;
    const int listener = descriptor_receive(inject->sockets[0]);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    while (listener >= 0) {
        if (poll(&ready, 1, POLL_MS) < 0 && errno != EINTR) break;
        over_look(inject);
        if (ready.revents & POLLHUP) break; // The last process is gone.
        if ((ready.revents & POLLIN) == 0) continue;
        struct seccomp_notif told = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &told) != 0) continue; // It is gone.
        call_answer(inject, listener, &told);
    }
    if (listener >= 0) (void)close(listener);
    return NULL;
}

void inject_begin(struct inject *inject, const char *folder)
{
    (void)snprintf(inject->folder, sizeof inject->folder, "%s", folder);
    memset(inject->counts, 0, sizeof inject->counts);
    inject->failed = 0;
    inject->was_over = false;
    inject->path_count = 0;
    inject->call[0] = 0;
    const int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, inject->sockets);
    // It begins before the server does: the descriptor comes when there is one.
    const int begun = made == 0 ? pthread_create(&inject->thread, NULL, watch, inject) : -1;
    if (begun != 0) abort();
}

void inject_end(struct inject *inject)
{
    (void)shutdown(inject->sockets[1], SHUT_RDWR); // A server that never was says so by this.
    (void)pthread_join(inject->thread, NULL);
    (void)close(inject->sockets[0]);
    (void)close(inject->sockets[1]);
}
