// SPDX-License-Identifier: Apache-2.0
//
// Sockets in memory, with what can go wrong with a connection: the same seed gives the same faults.
//
// A connection is two streams of bytes. What is sent arrives after a while, in order, in pieces of
// any size. A connection may be cut at any byte, both ends learning of it or neither for a long
// while; a message of a client may come twice. Descriptors are numbers that the system does not
// use; each is the process's or the world's, and those of a process that is killed are closed.
//
// Errors are those of Linux (unix(7), tcp(7), epoll(7)): functions return -1 and set errno as the
// calls do whose names they have. Waiting is the host's business: nothing here waits.
#ifndef TAEL_SIM_NETWORK_H
#define TAEL_SIM_NETWORK_H

#include "base/random.h"

#include <sys/epoll.h>
#include <sys/uio.h>

#define NETWORK_DESCRIPTORS_MAX 2048u
#define NETWORK_CONNECTIONS_MAX 640u
#define NETWORK_PIECES_MAX      64u
#define NETWORK_WAITING_MAX     64u // Connections that nobody has accepted yet.
#define NETWORK_WATCHED_MAX     1024u
#define NETWORK_FD_FIRST        (1 << 20)
#define NETWORK_MESSAGE_MAX     (256 + MIB)

enum network_count {
    NETWORK_CONNECTED,
    NETWORK_REFUSED, // Nobody listened, or too many waited.
    NETWORK_BYTES,
    NETWORK_SHORT_SENDS, // Took less than was given.
    NETWORK_SHORT_RECEIVES,
    NETWORK_INTERRUPTED, // EINTR.
    NETWORK_FULL,        // EAGAIN for a stream without room.
    NETWORK_DELAYED,     // Pieces that took more than 100 ms.
    NETWORK_CUT,         // Connections that both ends saw end.
    NETWORK_VANISHED,    // That neither end saw end for a while.
    NETWORK_DUPLICATED,  // Messages that came twice, the second one at once
    NETWORK_LATE,        // or behind others.
    NETWORK_NOBODY,      // Sends to whom had closed.
    NETWORK_ACCEPT_FAILED,
    NETWORK_COUNT_KINDS,
};

// Rates of what happens to each call that sends, a millionth each; 0 is never.
struct network_faults {
    u32 cut_rate;
    u32 vanish_rate;
    u32 duplicate_rate; // Of each whole message of a client.
    u32 delay_rate;
    u32 interrupt_rate; // Of each call.
    u32 accept_rate;    // Of each accept.
    u32 short_rate;
};

struct piece {
    u32 size;
    u64 due;
};

// What one end has sent and the other not yet received.
struct stream {
    u8 *bytes; // From `begin` to `end`.
    u32 begin;
    u32 end;
    u32 room;
    u32 capacity;                            // Bytes that it takes.
    struct piece pieces[NETWORK_PIECES_MAX]; // In order.
    u32 piece_first;
    u32 piece_count;
    bool is_ended; // Nothing more is sent; told once everything has arrived,
    u64 end_due;
    // Of what a client sends: the message that it is in.
    u8 *message;
    u32 message_size;
    u8 *kept; // One that comes once more later, or NULL,
    u32 kept_size;
};

enum { NETWORK_CLIENT, NETWORK_SERVER };

struct socket_pair {
    bool is_used;
    bool is_open[2]; // By end: it was not closed.
    bool is_reset;   // Both ends are told so once `reset_due` has come,
    u64 reset_due;
    bool has_vanished;        // Nothing arrives any more.
    bool is_local;            // As over a unix socket: who is closed is known at once.
    u32 piece_max;            // What one receive gives at most,
    u32 piece_left;           // as long as so many more bytes are received.
    u32 user;                 // Who the client is, as the kernel has it.
    struct stream streams[2]; // By the end that sends.
    u64 made_at;              // The client's connect is done then.
};

enum descriptor_kind {
    DESCRIPTOR_NONE,
    DESCRIPTOR_SOCKET, // Not connected yet.
    DESCRIPTOR_END,    // Of a connection.
    DESCRIPTOR_LISTENER,
    DESCRIPTOR_EVENT,
    DESCRIPTOR_EPOLL,
};

struct watched {
    int fd;
    struct epoll_event event;
};

struct descriptor {
    enum descriptor_kind kind;
    bool is_process; // The process's, not the world's.
    u32 pair;
    u32 end;
    u64 count; // Of an event.
    u32 user;
    char path[108]; // Of a listener.
    bool listens;
    u32 waiting[NETWORK_WAITING_MAX]; // Pairs to be accepted, in order.
    u32 waiting_count;
    struct watched *watched; // Of an epoll.
    u32 watched_count;
};

struct network {
    struct random random;
    const u64 *now; // Of the host.
    struct network_faults faults;
    bool is_lossy; // A planted bug: what a server's socket does not take is taken for sent.
    struct descriptor descriptors[NETWORK_DESCRIPTORS_MAX];
    u32 descriptor_count; // Places that were used.
    struct socket_pair pairs[NETWORK_CONNECTIONS_MAX];
    u32 pair_count;
    u64 counts[NETWORK_COUNT_KINDS];
};

// Nothing is connected. `now` is read whenever time matters, in nanoseconds.
void network_init(struct network *network, u64 seed, const u64 *now);
void network_free(struct network *network);
const char *network_count_name(enum network_count kind);
// Whether a descriptor is one of these.
static inline bool network_is_own(int fd)
{
    return fd >= NETWORK_FD_FIRST;
}
// When something arrives next, or is told; U64_MAX never.
u64 network_wake_at(const struct network *network);
// What poll(2) would say of a descriptor now: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP.
u32 network_ready(const struct network *network, int fd);
// Closes what the process has. A machine that lost its power tells nobody: `is_silent`.
void network_process_gone(struct network *network, bool is_silent);
// Cuts every connection that there is.
void network_cut_all(struct network *network);

// Makes a socket, of the process or the world, by a user of the system.
int network_socket(struct network *network, bool is_process, u32 user);
// A listener at a path that nobody else listens at; it takes connections once network_listen says
// so.
int network_listener(struct network *network, const char *path);
// As the calls of these names, or nearly.
int network_listen(struct network *network, int fd);
int network_connect(struct network *network, int fd, const char *path);
int network_accept(struct network *network, int fd);
ssize_t network_send(struct network *network, int fd, const struct iovec *parts, u32 count);
ssize_t network_receive(struct network *network, int fd, void *out, size_t size);
int network_close(struct network *network, int fd);
// Who is at the other end of an accepted connection.
bool network_user(const struct network *network, int fd, u32 *user);

// An eventfd, what is written to it and read from it; an epoll, and what it is told.
int network_event(struct network *network);
ssize_t network_event_add(struct network *network, int fd, u64 count);
ssize_t network_event_take(struct network *network, int fd, u64 *count);
int network_epoll(struct network *network);
int network_epoll_control(struct network *network, int epoll_fd, int operation, int fd,
                          const struct epoll_event *event);
// What is ready, in any order; 0 when nothing is.
int network_epoll_look(struct network *network, int epoll_fd, struct epoll_event *events, int most);

#endif
