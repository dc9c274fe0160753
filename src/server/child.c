// SPDX-License-Identifier: Apache-2.0
//
// A process that the server starts and watches over.
#include "server/child.h"

#include "os/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MIN_NS (100 * NS_PER_MS)
#define PAUSE_MAX_NS (30 * NS_PER_S)

extern char **environ;

// Starts the program; 0 or why not.
static int spawn(struct child *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    // Its output is nobody's; what it says on standard error is the server's trace, too.
    error = posix_spawn_file_actions_adddup2(&actions, child->socket_fd, CHILD_SOCKET_FD);
    if (error == 0) {
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (error == 0) {
        error =
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    if (error == 0) {
        error = posix_spawn(&child->pid, "/proc/self/exe", &actions, &attributes,
                            (char *const *)(uintptr_t)child->argv, environ);
    }
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void again_later(struct child *child, u64 now)
{
    // One that lived for long enough begins anew.
    const bool is_short = now - child->started < PAUSE_MAX_NS;
    child->pause = is_short ? MIN(MAX(child->pause * 2, PAUSE_MIN_NS), PAUSE_MAX_NS) : PAUSE_MIN_NS;
    child->pid = 0;
    child->start_at = now + child->pause;
}

void child_tick(struct child *child, u64 now)
{
    if (child->pid != 0 || now < child->start_at) return;
    child->started = now;
    const int error = spawn(child);
    if (error == 0) {
        trace(TRACE_INFO, "%s runs as process %d", child->name, (int)child->pid);
        return;
    }
    again_later(child, now);
    trace(TRACE_WARNING, "%s cannot be started: %s; tried again in %llu ms", child->name,
          strerror(error), (unsigned long long)(child->pause / NS_PER_MS));
}

void child_reap(struct child *child, u64 now)
{
    int status = 0;
    if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid) return;
    if (child->start_at == U64_MAX) {
        child->pid = 0;
        return;
    }
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    again_later(child, now);
    trace(TRACE_WARNING, "%s ended by %s %d; started again in %llu ms", child->name,
          WIFSIGNALED(status) ? "signal" : "exit code", number,
          (unsigned long long)(child->pause / NS_PER_MS));
}

void child_end(struct child *child, int number)
{
    child->start_at = U64_MAX;
    if (child->pid != 0) (void)kill(child->pid, number);
}
