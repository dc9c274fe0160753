// SPDX-License-Identifier: Apache-2.0
//
// Calls of the system in the simulator: threads, locks, clocks, sockets, memory.
#include "system.h"

#include "os/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct simulated *now_simulated;

void simulated_set(struct simulated *simulated)
{
    now_simulated = simulated;
}

void *simulated_context(void)
{
    assert(now_simulated != NULL);
    return now_simulated->context;
}

// The host, when one of its threads asks.
static struct host *home(void)
{
    struct simulated *simulated = now_simulated;
    return simulated != NULL && host_is_at_home(&simulated->host) ? &simulated->host : NULL;
}

static struct network *network_of(int fd)
{
    return now_simulated != NULL && network_is_own(fd) ? &now_simulated->network : NULL;
}

// The network's memory is the world's, whoever's thread uses it.
static ssize_t back(ssize_t result)
{
    host_abroad_end(&now_simulated->host);
    return result;
}

static struct network *leave(struct network *network)
{
    if (home() != NULL) host_point(home());
    host_abroad_begin(&now_simulated->host);
    return network;
}

// A function of the C library, and the one that stands in its place.
#define WRAPPED(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.

// --- threads -------------------------------------------------------------------------------------

WRAPPED(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes,
        void *(*run)(void *), void *context)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_create(thread, attributes, run, context);
    *thread = (pthread_t)host_thread_start(host, run, context);
    host_point(host);
    return 0;
}

WRAPPED(int, pthread_join, pthread_t thread, void **result)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_join(thread, result);
    host_thread_join(host, (u32)thread);
    return 0;
}

WRAPPED(int, pthread_setname_np, pthread_t thread, const char *name)
{
    return home() == NULL ? __real_pthread_setname_np(thread, name) : 0;
}

WRAPPED(int, pthread_mutex_lock, pthread_mutex_t *mutex)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_mutex_lock(mutex);
    host_lock(host, mutex);
    return 0;
}

WRAPPED(int, pthread_mutex_unlock, pthread_mutex_t *mutex)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_mutex_unlock(mutex);
    host_unlock(host, mutex);
    return 0;
}

WRAPPED(int, pthread_cond_wait, pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_cond_wait(condition, mutex);
    (void)host_condition_wait(host, condition, mutex, U64_MAX);
    return 0;
}

WRAPPED(int, pthread_cond_timedwait, pthread_cond_t *condition, pthread_mutex_t *mutex,
        const struct timespec *until)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_cond_timedwait(condition, mutex, until);
    const u64 at = (u64)until->tv_sec * NS_PER_S + (u64)until->tv_nsec;
    return host_condition_wait(host, condition, mutex, at) ? 0 : ETIMEDOUT;
}

WRAPPED(int, pthread_cond_broadcast, pthread_cond_t *condition)
{
    struct host *host = home();
    if (host == NULL) return __real_pthread_cond_broadcast(condition);
    host_condition_wake(host, condition);
    return 0;
}

// --- time ----------------------------------------------------------------------------------------

WRAPPED(int, clock_gettime, clockid_t id, struct timespec *out)
{
    if (now_simulated == NULL) return __real_clock_gettime(id, out);
    const struct host *host = &now_simulated->host;
    const u64 wall = (u64)((i64)host->steady + host->wall_apart);
    const u64 time = id == CLOCK_REALTIME ? wall : host->steady;
    *out =
        (struct timespec){.tv_sec = (time_t)(time / NS_PER_S), .tv_nsec = (long)(time % NS_PER_S)};
    return 0;
}

WRAPPED(int, nanosleep, const struct timespec *time, struct timespec *left)
{
    struct host *host = home();
    if (host == NULL) return __real_nanosleep(time, left);
    host_sleep(host, (u64)time->tv_sec * NS_PER_S + (u64)time->tv_nsec);
    return 0;
}

WRAPPED(ssize_t, getrandom, void *out, size_t size, unsigned flags)
{
    if (now_simulated == NULL) return __real_getrandom(out, size, flags);
    for (size_t i = 0; i < size; i++) ((u8 *)out)[i] = (u8)random_u64(&now_simulated->random);
    return (ssize_t)size;
}

// --- sockets -------------------------------------------------------------------------------------

WRAPPED(int, socket, int domain, int type, int protocol)
{
    if (now_simulated == NULL) return __real_socket(domain, type, protocol);
    const bool is_process = home() != NULL;
    struct network *network = leave(&now_simulated->network);
    return (int)back(network_socket(network, is_process, now_simulated->user));
}

WRAPPED(int, connect, int fd, const struct sockaddr *address, socklen_t size)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_connect(fd, address, size);
    assert(address->sa_family == AF_UNIX);
    const struct sockaddr_un *place = (const void *)address;
    return (int)back(network_connect(leave(network), fd, place->sun_path));
}

WRAPPED(int, listen, int fd, int backlog)
{
    struct network *network = network_of(fd);
    return network == NULL ? __real_listen(fd, backlog) : network_listen(network, fd);
}

WRAPPED(int, accept4, int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_accept4(fd, address, size, flags);
    return (int)back(network_accept(leave(network), fd));
}

WRAPPED(ssize_t, send, int fd, const void *bytes, size_t size, int flags)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_send(fd, bytes, size, flags);
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return back(network_send(leave(network), fd, &part, 1));
}

WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_sendmsg(fd, message, flags);
    return back(network_send(leave(network), fd, message->msg_iov, (u32)message->msg_iovlen));
}

WRAPPED(ssize_t, recv, int fd, void *out, size_t size, int flags)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_recv(fd, out, size, flags);
    return back(network_receive(leave(network), fd, out, size));
}

WRAPPED(int, close, int fd)
{
    struct network *network = network_of(fd);
    return network == NULL ? __real_close(fd) : (int)back(network_close(leave(network), fd));
}

WRAPPED(int, setsockopt, int fd, int level, int option, const void *value, socklen_t size)
{
    return network_of(fd) == NULL ? __real_setsockopt(fd, level, option, value, size) : 0;
}

// Of a connection that was made there is no error (SO_ERROR).
WRAPPED(int, getsockopt, int fd, int level, int option, void *value, socklen_t *size)
{
    if (network_of(fd) == NULL) return __real_getsockopt(fd, level, option, value, size);
    assert(level == SOL_SOCKET && option == SO_ERROR);
    *(int *)value = 0;
    return 0;
}

WRAPPED(int, poll, struct pollfd *waiting, nfds_t count, int timeout)
{
    struct network *network = count == 1 ? network_of(waiting->fd) : NULL;
    if (network == NULL) return __real_poll(waiting, count, timeout);
    assert(timeout == 0);
    const u32 wanted = (u32)waiting->events | POLLERR | POLLHUP; // As epoll's, by Linux.
    waiting->revents = (short)(network_ready(network, waiting->fd) & wanted);
    return waiting->revents != 0;
}

// Who is at the other end, as server/peer.c asks the kernel.
bool __wrap_peer_is_unix(int fd);
bool __wrap_peer_is_unix(int fd)
{
    (void)fd;
    return true;
}

bool __wrap_peer_user(int fd, uid_t *user);
bool __wrap_peer_user(int fd, uid_t *user)
{
    return network_user(network_of(fd), fd, user);
}

// --- events --------------------------------------------------------------------------------------

WRAPPED(int, eventfd, unsigned count, int flags)
{
    if (home() == NULL) return __real_eventfd(count, flags);
    return (int)back(network_event(leave(&now_simulated->network)));
}

WRAPPED(ssize_t, write, int fd, const void *bytes, size_t size)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_write(fd, bytes, size);
    assert(size == sizeof(u64));
    return network_event_add(network, fd, load_u64(bytes));
}

WRAPPED(ssize_t, read, int fd, void *out, size_t size)
{
    struct network *network = network_of(fd);
    if (network == NULL) return __real_read(fd, out, size);
    assert(size == sizeof(u64));
    return network_event_take(network, fd, out);
}

WRAPPED(int, epoll_create1, int flags)
{
    if (home() == NULL) return __real_epoll_create1(flags);
    return (int)back(network_epoll(leave(&now_simulated->network)));
}

WRAPPED(int, epoll_ctl, int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct network *network = network_of(epoll_fd);
    if (network == NULL) return __real_epoll_ctl(epoll_fd, operation, fd, event);
    return network_epoll_control(network, epoll_fd, operation, fd, event);
}

static bool epoll_is_ready(void *context)
{
    struct epoll_event event;
    const int *epoll_fd = context;
    return network_epoll_look(&now_simulated->network, *epoll_fd, &event, 1) > 0;
}

WRAPPED(int, epoll_wait, int epoll_fd, struct epoll_event *events, int most, int timeout)
{
    struct network *network = network_of(epoll_fd);
    if (network == NULL) return __real_epoll_wait(epoll_fd, events, most, timeout);
    struct host *host = &now_simulated->host;
    u64 until = U64_MAX;
    if (timeout >= 0) until = host->steady + (u32)timeout * NS_PER_MS;
    (void)host_poll(host, epoll_is_ready, &epoll_fd, until);
    if (random_below(&host->random, 500) == 0) {
        network->counts[NETWORK_INTERRUPTED]++;
        errno = EINTR;
        return -1;
    }
    return network_epoll_look(network, epoll_fd, events, most);
}

// --- memory --------------------------------------------------------------------------------------

static void *taken(void *memory)
{
    if (home() != NULL) host_memory_taken(home(), memory, 0);
    return memory;
}

static void given(const void *memory)
{
    if (home() != NULL) host_memory_given(home(), memory);
}

WRAPPED(void *, malloc, size_t size)
{
    return taken(__real_malloc(size));
}

WRAPPED(void *, calloc, size_t count, size_t size)
{
    return taken(__real_calloc(count, size));
}

WRAPPED(void *, aligned_alloc, size_t alignment, size_t size)
{
    return taken(__real_aligned_alloc(alignment, size));
}

WRAPPED(void *, realloc, void *memory, size_t size)
{
    given(memory);
    return taken(__real_realloc(memory, size));
}

WRAPPED(void, free, void *memory)
{
    given(memory);
    __real_free(memory);
}

WRAPPED(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory = __real_mmap64(at, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED && home() != NULL) host_memory_taken(home(), memory, size);
    return memory;
}

WRAPPED(int, munmap, void *memory, size_t size)
{
    if (home() != NULL) host_memory_unmapped(home(), memory, size);
    return __real_munmap(memory, size);
}

// --- the trace -----------------------------------------------------------------------------------

void __wrap_trace(enum trace_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void __wrap_trace(enum trace_level level, const char *format, ...)
{
    char line[256];
    va_list arguments;
    (void)level;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    struct simulated *simulated = now_simulated;
    if (simulated != NULL && simulated->traced != NULL) {
        simulated->traced(simulated->context, line);
    }
}

// What threads wish of the scheduler is nothing here.
void __wrap_thread_hurry(void);
void __wrap_thread_hurry(void)
{
}

void __wrap_thread_give_way(int nice);
void __wrap_thread_give_way(int nice)
{
    (void)nice;
}

// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
