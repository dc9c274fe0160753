// SPDX-License-Identifier: Apache-2.0
//
// Sockets, events and epoll in memory.
#include "network.h"

#include "../must.h"

#include "machine/compat.h"
#include "server/compat_message.h"
#include "server/message_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_NS_MAX (200 * NS_PER_US)
#define DELAYED_NS   (100 * NS_PER_MS)
#define STALLED_NS   (30 * NS_PER_S)
#define VANISHED_NS  (90 * NS_PER_S)

static const char *const count_names[] = {
    [NETWORK_CONNECTED] = "connected",
    [NETWORK_REFUSED] = "refused",
    [NETWORK_BYTES] = "bytes",
    [NETWORK_SHORT_SENDS] = "short-sends",
    [NETWORK_SHORT_RECEIVES] = "short-receives",
    [NETWORK_INTERRUPTED] = "interrupted-calls",
    [NETWORK_FULL] = "streams-full",
    [NETWORK_DELAYED] = "delayed",
    [NETWORK_CUT] = "cut",
    [NETWORK_VANISHED] = "vanished",
    [NETWORK_DUPLICATED] = "duplicated-messages",
    [NETWORK_LATE] = "late-messages",
    [NETWORK_NOBODY] = "sent-to-nobody",
    [NETWORK_ACCEPT_FAILED] = "accepts-failed",
};
static_assert(ARRAY_COUNT(count_names) == NETWORK_COUNT_KINDS, "each count has a name");

const char *network_count_name(enum network_count kind)
{
    return count_names[kind];
}

static u64 below(struct network *network, u64 bound)
{
    return random_below(&network->random, bound);
}

static bool happens(struct network *network, u32 rate, enum network_count kind)
{
    if (rate == 0 || below(network, 1000000) >= rate) return false;
    network->counts[kind]++;
    return true;
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

void network_init(struct network *network, u64 seed, const u64 *now)
{
    memset(network, 0, sizeof *network);
    random_init(&network->random, seed);
    network->now = now;
}

// --- descriptors ---------------------------------------------------------------------------------

static struct descriptor *descriptor_of(const struct network *network, int fd)
{
    const u32 place = (u32)(fd - NETWORK_FD_FIRST);
    assert(fd >= NETWORK_FD_FIRST && place < NETWORK_DESCRIPTORS_MAX);
    const struct descriptor *descriptor = &network->descriptors[place];
    assert(descriptor->kind != DESCRIPTOR_NONE);
    return (struct descriptor *)(uintptr_t)descriptor;
}

static int descriptor_new(struct network *network, enum descriptor_kind kind, bool is_process)
{
    for (u32 i = 0; i < NETWORK_DESCRIPTORS_MAX; i++) {
        if (network->descriptors[i].kind != DESCRIPTOR_NONE) continue;
        network->descriptors[i] = (struct descriptor){.kind = kind, .is_process = is_process};
        network->descriptor_count = MAX(network->descriptor_count, i + 1);
        return NETWORK_FD_FIRST + (int)i;
    }
    return refuse(EMFILE);
}

static struct socket_pair *pair_of(const struct network *network, const struct descriptor *at)
{
    assert(at->kind == DESCRIPTOR_END);
    return (struct socket_pair *)(uintptr_t)&network->pairs[at->pair];
}

static void stream_free(struct stream *stream)
{
    free(stream->bytes);
    free(stream->message);
    free(stream->kept);
    *stream = (struct stream){0};
}

static void pair_free(struct socket_pair *pair)
{
    stream_free(&pair->streams[0]);
    stream_free(&pair->streams[1]);
    pair->is_used = false;
}

void network_free(struct network *network)
{
    for (u32 i = 0; i < network->descriptor_count; i++) free(network->descriptors[i].watched);
    for (u32 i = 0; i < network->pair_count; i++) pair_free(&network->pairs[i]);
}

static bool is_reset(const struct network *network, const struct socket_pair *pair)
{
    return pair->is_reset && *network->now >= pair->reset_due;
}

// --- streams -------------------------------------------------------------------------------------

static u32 stream_used(const struct stream *stream)
{
    return stream->end - stream->begin;
}

// Bytes that have arrived.
static u32 stream_arrived(const struct network *network, const struct stream *stream)
{
    u32 size = 0;
    for (u32 i = 0; i < stream->piece_count; i++) {
        const struct piece *piece = &stream->pieces[(stream->piece_first + i) % NETWORK_PIECES_MAX];
        if (piece->due > *network->now) break;
        size += piece->size;
    }
    return size;
}

static void stream_put(struct stream *stream, const u8 *bytes, u32 size, u64 due)
{
    if (stream->end + size > stream->room && stream->begin > 0) {
        memmove(stream->bytes, stream->bytes + stream->begin, stream_used(stream));
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    if (stream->end + size > stream->room) {
        stream->room = stream->end + size + 64 * (u32)KIB;
        stream->bytes = must(realloc(stream->bytes, stream->room));
    }
    memcpy(stream->bytes + stream->end, bytes, size);
    stream->end += size;
    const u32 last = (stream->piece_first + stream->piece_count - 1) % NETWORK_PIECES_MAX;
    if (stream->piece_count > 0) due = MAX(due, stream->pieces[last].due);
    if (stream->piece_count == NETWORK_PIECES_MAX) {
        stream->pieces[last].size += size;
        stream->pieces[last].due = due;
        return;
    }
    const u32 next = (stream->piece_first + stream->piece_count++) % NETWORK_PIECES_MAX;
    stream->pieces[next] = (struct piece){.size = size, .due = due};
}

static void stream_take(struct stream *stream, u8 *out, u32 size)
{
    memcpy(out, stream->bytes + stream->begin, size);
    stream->begin += size;
    while (size > 0) {
        struct piece *piece = &stream->pieces[stream->piece_first];
        const u32 take = MIN(size, piece->size);
        piece->size -= take;
        size -= take;
        if (piece->size > 0) break;
        stream->piece_first = (stream->piece_first + 1) % NETWORK_PIECES_MAX;
        stream->piece_count--;
    }
}

// --- faults --------------------------------------------------------------------------------------

static void pair_reset(struct network *network, struct socket_pair *pair, u64 after)
{
    if (pair->is_reset) return;
    pair->is_reset = true;
    pair->reset_due = *network->now + after;
}

// Takes from a stream what has not arrived, but for a part of it.
static void stream_cut(struct network *network, struct stream *stream)
{
    const u32 arrived = stream_arrived(network, stream);
    const u32 on_its_way = stream_used(stream) - arrived;
    const u32 kept = arrived + (u32)below(network, (u64)on_its_way + 1);
    stream->end = stream->begin + kept;
    u32 left = kept;
    for (u32 i = 0; i < stream->piece_count; i++) {
        struct piece *piece = &stream->pieces[(stream->piece_first + i) % NETWORK_PIECES_MAX];
        piece->size = MIN(piece->size, left);
        piece->due = *network->now;
        left -= piece->size;
    }
}

static void pair_cut(struct network *network, struct socket_pair *pair)
{
    for (u32 i = 0; i < 2; i++) stream_cut(network, &pair->streams[i]);
    pair_reset(network, pair, below(network, DELAY_NS_MAX));
}

// Nothing arrives any more, and neither end learns of it for a while.
static void pair_vanish(struct network *network, struct socket_pair *pair)
{
    pair->has_vanished = true;
    pair_reset(network, pair, 1 + below(network, VANISHED_NS));
}

void network_cut_all(struct network *network)
{
    for (u32 i = 0; i < network->pair_count; i++) {
        struct socket_pair *pair = &network->pairs[i];
        if (!pair->is_used) continue;
        if (pair->is_reset) pair->reset_due = MIN(pair->reset_due, *network->now);
        if (pair->is_reset) continue;
        network->counts[NETWORK_CUT]++;
        pair_cut(network, pair);
    }
}

// A plain client takes as many replies to a register as it sent, and holds a further one for a
// broken server.
static bool is_register(const struct stream *stream)
{
    struct compat_header header;
    memcpy(&header, stream->message, sizeof header);
    return header.command == COMPAT_COMMAND_REQUEST &&
           header.request.operation == COMPAT_OPERATION_REGISTER;
}

// The stream ends with a message: it comes once more, or one of before does.
static void message_again(struct network *network, struct stream *stream, u32 size, u64 due)
{
    const u32 rate = network->faults.duplicate_rate;
    if (stream->kept != NULL && below(network, 8) == 0) {
        network->counts[NETWORK_LATE]++;
        stream_put(stream, stream->kept, stream->kept_size, due);
        free(stream->kept);
        stream->kept = NULL;
    } else if (happens(network, rate, NETWORK_DUPLICATED)) {
        stream_put(stream, stream->message, size, due);
    } else if (stream->kept == NULL && below(network, 1000000) < rate) {
        stream->kept = must(malloc(size));
        stream->kept_size = size;
        memcpy(stream->kept, stream->message, size);
    }
}

// Follows the messages that a client sends, and has some of them come twice: whoever stands between
// it and the server may have sent one again.
static void message_follow(struct network *network, struct stream *stream, const u8 *bytes,
                           u32 size, u64 due)
{
    if (network->faults.duplicate_rate == 0) return;
    if (stream->message == NULL) stream->message = must(malloc(NETWORK_MESSAGE_MAX));
    while (size > 0) {
        u32 whole = MESSAGE_HEADER_SIZE;
        if (stream->message_size >= MESSAGE_HEADER_SIZE) {
            whole = load_u32(stream->message + offsetof(struct message_head, size));
        }
        // What is no message is not followed any more.
        if (whole < MESSAGE_HEADER_SIZE || whole > NETWORK_MESSAGE_MAX) return;
        const u32 take = MIN(size, whole - stream->message_size);
        memcpy(stream->message + stream->message_size, bytes, take);
        stream->message_size += take;
        bytes += take;
        size -= take;
        if (stream->message_size < MESSAGE_HEADER_SIZE) return;
        whole = load_u32(stream->message + offsetof(struct message_head, size));
        if (whole != stream->message_size) continue;
        // Only where the stream ends with it: what follows must not lie before its copy.
        if (size == 0 && !is_register(stream)) message_again(network, stream, whole, due);
        stream->message_size = 0;
    }
}

// --- connections ---------------------------------------------------------------------------------

int network_socket(struct network *network, bool is_process, u32 user)
{
    const int fd = descriptor_new(network, DESCRIPTOR_SOCKET, is_process);
    if (fd >= 0) descriptor_of(network, fd)->user = user;
    return fd;
}

int network_listener(struct network *network, const char *path)
{
    const int fd = descriptor_new(network, DESCRIPTOR_LISTENER, true);
    struct descriptor *listener = descriptor_of(network, fd);
    assert(strlen(path) < sizeof listener->path);
    memcpy(listener->path, path, strlen(path) + 1);
    return fd;
}

int network_listen(struct network *network, int fd)
{
    descriptor_of(network, fd)->listens = true;
    return 0;
}

static struct descriptor *listener_find(struct network *network, const char *path)
{
    for (u32 i = 0; i < network->descriptor_count; i++) {
        struct descriptor *at = &network->descriptors[i];
        if (at->kind != DESCRIPTOR_LISTENER || !at->listens || strcmp(at->path, path) != 0)
            continue;
        return at->waiting_count < NETWORK_WAITING_MAX ? at : NULL;
    }
    return NULL;
}

static u32 pair_new(struct network *network)
{
    for (u32 i = 0; i < NETWORK_CONNECTIONS_MAX; i++) {
        if (network->pairs[i].is_used) continue;
        network->pair_count = MAX(network->pair_count, i + 1);
        return i;
    }
    return U32_MAX;
}

int network_connect(struct network *network, int fd, const char *path)
{
    static const u32 capacities[] = {600, 8 * (u32)KIB, 208 * (u32)KIB, 4 * (u32)MIB};
    static const u32 pieces[] = {1, 7, 300, 9000, U32_MAX, U32_MAX, U32_MAX, U32_MAX};
    struct descriptor *descriptor = descriptor_of(network, fd);
    struct descriptor *listener = listener_find(network, path);
    const u32 number = pair_new(network);
    if (listener == NULL || number == U32_MAX) {
        network->counts[NETWORK_REFUSED]++;
        return refuse(ECONNREFUSED);
    }
    struct socket_pair *pair = &network->pairs[number];
    *pair = (struct socket_pair){
        .is_used = true,
        .is_open = {true, true},
        .piece_max = pieces[below(network, ARRAY_COUNT(pieces))],
        .piece_left = 16 * (u32)KIB,
        .user = descriptor->user,
        .is_local = below(network, 2) == 0,
        .made_at = *network->now + below(network, DELAY_NS_MAX),
    };
    for (u32 i = 0; i < 2; i++) {
        pair->streams[i].capacity = capacities[below(network, ARRAY_COUNT(capacities))];
    }
    descriptor->kind = DESCRIPTOR_END;
    descriptor->pair = number;
    descriptor->end = NETWORK_CLIENT;
    listener->waiting[listener->waiting_count++] = number;
    network->counts[NETWORK_CONNECTED]++;
    return refuse(EINPROGRESS);
}

int network_accept(struct network *network, int fd)
{
    struct descriptor *listener = descriptor_of(network, fd);
    if (listener->waiting_count == 0) return refuse(EAGAIN);
    // As when the process, or the machine, has too many files open.
    if (happens(network, network->faults.accept_rate, NETWORK_ACCEPT_FAILED)) return refuse(EMFILE);
    const u32 number = listener->waiting[0];
    const int end = descriptor_new(network, DESCRIPTOR_END, true);
    if (end < 0) return end;
    listener = descriptor_of(network, fd);
    listener->waiting_count--;
    memmove(listener->waiting, listener->waiting + 1,
            listener->waiting_count * sizeof listener->waiting[0]);
    struct descriptor *descriptor = descriptor_of(network, end);
    descriptor->pair = number;
    descriptor->end = NETWORK_SERVER;
    return end;
}

bool network_user(const struct network *network, int fd, u32 *user)
{
    *user = pair_of(network, descriptor_of(network, fd))->user;
    return true;
}

// What becomes of some bytes that are sent: when they arrive.
static u64 due_of(struct network *network, struct socket_pair *pair)
{
    u64 due = *network->now + below(network, DELAY_NS_MAX);
    if (happens(network, network->faults.delay_rate, NETWORK_DELAYED)) {
        due += DELAYED_NS + below(network, below(network, 10) == 0 ? STALLED_NS : NS_PER_S);
    }
    return pair->has_vanished ? U64_MAX : due;
}

// Sends to whom has closed: refused at once, or answered by a reset (unix(7); RFC 9293, 3.10.7.1).
static ssize_t send_to_nobody(struct network *network, struct socket_pair *pair, size_t size)
{
    network->counts[NETWORK_NOBODY]++;
    if (pair->is_local) return refuse(EPIPE);
    pair_reset(network, pair, below(network, DELAY_NS_MAX));
    return (ssize_t)size;
}

ssize_t network_send(struct network *network, int fd, const struct iovec *parts, u32 count)
{
    size_t size = 0;
    const struct descriptor *descriptor = descriptor_of(network, fd);
    if (descriptor->kind != DESCRIPTOR_END) return refuse(ENOTCONN);
    struct socket_pair *pair = pair_of(network, descriptor);
    struct stream *stream = &pair->streams[descriptor->end];
    if (is_reset(network, pair)) return refuse(EPIPE);
    if (happens(network, network->faults.interrupt_rate, NETWORK_INTERRUPTED)) return refuse(EINTR);
    for (u32 i = 0; i < count; i++) size += parts[i].iov_len;
    const bool is_nobody = !pair->is_open[1 - descriptor->end] && !pair->has_vanished;
    if (is_nobody && !pair->is_reset) return send_to_nobody(network, pair, size);
    u32 room = stream->capacity - MIN(stream->capacity, stream_used(stream));
    if (room == 0) {
        network->counts[NETWORK_FULL]++;
        return refuse(EAGAIN);
    }
    if (size > 1 && happens(network, network->faults.short_rate, NETWORK_SHORT_SENDS)) {
        room = MIN(room, 1 + (u32)below(network, size - 1));
    }
    const bool is_lossy = network->is_lossy && descriptor->end == NETWORK_SERVER;
    const u64 due = due_of(network, pair);
    const bool is_cut = pair->is_reset && !pair->has_vanished; // It is not told yet.
    u32 sent = 0;
    for (u32 i = 0; i < count && sent < room; i++) {
        const u32 take = (u32)MIN(parts[i].iov_len, (size_t)(room - sent));
        sent += take;
        if (is_cut || take == 0) continue;
        stream_put(stream, parts[i].iov_base, take, due);
        if (descriptor->end == NETWORK_CLIENT) {
            message_follow(network, stream, parts[i].iov_base, take, due);
        }
    }
    network->counts[NETWORK_BYTES] += sent;
    if (is_cut) return (ssize_t)sent;
    if (happens(network, network->faults.cut_rate, NETWORK_CUT)) {
        pair_cut(network, pair);
    } else if (!pair->has_vanished &&
               happens(network, network->faults.vanish_rate, NETWORK_VANISHED)) {
        pair_vanish(network, pair);
    }
    return is_lossy ? (ssize_t)parts[0].iov_len : (ssize_t)sent;
}

ssize_t network_receive(struct network *network, int fd, void *out, size_t size)
{
    const struct descriptor *descriptor = descriptor_of(network, fd);
    if (descriptor->kind != DESCRIPTOR_END) return refuse(ENOTCONN);
    struct socket_pair *pair = pair_of(network, descriptor);
    struct stream *stream = &pair->streams[1 - descriptor->end];
    if (happens(network, network->faults.interrupt_rate, NETWORK_INTERRUPTED)) return refuse(EINTR);
    const u32 arrived = stream_arrived(network, stream);
    if (arrived == 0) {
        if (is_reset(network, pair)) return refuse(ECONNRESET);
        const bool is_over = stream->is_ended && *network->now >= stream->end_due;
        return is_over && stream_used(stream) == 0 ? 0 : refuse(EAGAIN);
    }
    u32 take = (u32)MIN((size_t)MIN(arrived, pair->piece_max), size);
    if (take > 1 && happens(network, network->faults.short_rate, NETWORK_SHORT_RECEIVES)) {
        take = 1 + (u32)below(network, take - 1);
    }
    pair->piece_left -= MIN(take, pair->piece_left);
    if (pair->piece_left == 0) pair->piece_max = U32_MAX;
    stream_take(stream, out, take);
    return (ssize_t)take;
}

static void end_close(struct network *network, const struct descriptor *descriptor)
{
    struct socket_pair *pair = pair_of(network, descriptor);
    struct stream *own = &pair->streams[descriptor->end];
    pair->is_open[descriptor->end] = false;
    if (!pair->is_open[0] && !pair->is_open[1]) {
        pair_free(pair);
        return;
    }
    // Who closes with bytes unread resets the connection (RFC 9293, 3.10.4; unix(7) the same).
    if (stream_used(&pair->streams[1 - descriptor->end]) > 0) pair_reset(network, pair, 0);
    own->is_ended = true;
    own->end_due = pair->has_vanished ? pair->reset_due : *network->now + DELAY_NS_MAX;
}

static void listener_close(struct network *network, const struct descriptor *descriptor)
{
    for (u32 i = 0; i < descriptor->waiting_count; i++) {
        struct socket_pair *pair = &network->pairs[descriptor->waiting[i]];
        pair_reset(network, pair, 0);
        pair->is_open[NETWORK_SERVER] = false;
        if (!pair->is_open[NETWORK_CLIENT]) pair_free(pair);
    }
}

// A descriptor that is closed is watched by nobody (epoll(7)).
static void watches_drop(struct network *network, int fd)
{
    for (u32 i = 0; i < network->descriptor_count; i++) {
        struct descriptor *epoll = &network->descriptors[i];
        if (epoll->kind != DESCRIPTOR_EPOLL) continue;
        for (u32 j = 0; j < epoll->watched_count; j++) {
            if (epoll->watched[j].fd == fd)
                epoll->watched[j--] = epoll->watched[--epoll->watched_count];
        }
    }
}

int network_close(struct network *network, int fd)
{
    struct descriptor *descriptor = descriptor_of(network, fd);
    if (descriptor->kind == DESCRIPTOR_END) end_close(network, descriptor);
    if (descriptor->kind == DESCRIPTOR_LISTENER) listener_close(network, descriptor);
    free(descriptor->watched);
    *descriptor = (struct descriptor){.kind = DESCRIPTOR_NONE};
    watches_drop(network, fd);
    return 0;
}

void network_process_gone(struct network *network, bool is_silent)
{
    for (u32 i = 0; i < network->descriptor_count; i++) {
        const struct descriptor *descriptor = &network->descriptors[i];
        if (descriptor->kind == DESCRIPTOR_NONE || !descriptor->is_process) continue;
        if (descriptor->kind == DESCRIPTOR_END) {
            struct socket_pair *pair = pair_of(network, descriptor);
            if (is_silent) pair_vanish(network, pair);
            else pair_cut(network, pair);
        }
        (void)network_close(network, NETWORK_FD_FIRST + (int)i);
    }
}

// --- looking -------------------------------------------------------------------------------------

static u32 end_ready(const struct network *network, const struct descriptor *descriptor)
{
    const struct socket_pair *pair = pair_of(network, descriptor);
    const struct stream *in = &pair->streams[1 - descriptor->end];
    const struct stream *out = &pair->streams[descriptor->end];
    u32 ready = 0;
    if (*network->now < pair->made_at) return 0;
    if (is_reset(network, pair)) return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP;
    const bool is_over = in->is_ended && *network->now >= in->end_due && stream_used(in) == 0;
    if (is_over || stream_arrived(network, in) > 0) ready |= EPOLLIN;
    if (stream_used(out) < out->capacity) ready |= EPOLLOUT;
    const bool is_nobody = !pair->is_open[1 - descriptor->end] && !pair->has_vanished;
    const bool has_all = stream_arrived(network, in) == stream_used(in);
    if (is_nobody && pair->is_local && has_all && *network->now >= in->end_due) ready |= EPOLLHUP;
    return ready;
}

u32 network_ready(const struct network *network, int fd)
{
    const struct descriptor *descriptor = descriptor_of(network, fd);
    switch (descriptor->kind) {
    case DESCRIPTOR_END: return end_ready(network, descriptor);
    case DESCRIPTOR_LISTENER: return descriptor->waiting_count > 0 ? EPOLLIN : 0;
    case DESCRIPTOR_EVENT: return descriptor->count > 0 ? EPOLLIN : 0;
    case DESCRIPTOR_NONE:
    case DESCRIPTOR_SOCKET:
    case DESCRIPTOR_EPOLL: break;
    }
    return 0;
}

static u64 stream_wake_at(const struct network *network, const struct stream *stream)
{
    const u64 now = *network->now;
    u64 wake = stream->is_ended && stream->end_due > now ? stream->end_due : U64_MAX;
    for (u32 i = 0; i < stream->piece_count; i++) {
        const u64 due = stream->pieces[(stream->piece_first + i) % NETWORK_PIECES_MAX].due;
        if (due > now) return MIN(wake, due);
    }
    return wake;
}

u64 network_wake_at(const struct network *network)
{
    const u64 now = *network->now;
    u64 wake = U64_MAX;
    for (u32 i = 0; i < network->pair_count; i++) {
        const struct socket_pair *pair = &network->pairs[i];
        if (!pair->is_used) continue;
        if (pair->made_at > now) wake = MIN(wake, pair->made_at);
        if (pair->is_reset && pair->reset_due > now) wake = MIN(wake, pair->reset_due);
        for (u32 j = 0; j < 2; j++) wake = MIN(wake, stream_wake_at(network, &pair->streams[j]));
    }
    return wake;
}

// --- events --------------------------------------------------------------------------------------

int network_event(struct network *network)
{
    return descriptor_new(network, DESCRIPTOR_EVENT, true);
}

ssize_t network_event_add(struct network *network, int fd, u64 count)
{
    descriptor_of(network, fd)->count += count;
    return (ssize_t)sizeof count;
}

ssize_t network_event_take(struct network *network, int fd, u64 *count)
{
    struct descriptor *descriptor = descriptor_of(network, fd);
    if (descriptor->count == 0) return refuse(EAGAIN);
    *count = descriptor->count;
    descriptor->count = 0;
    return (ssize_t)sizeof *count;
}

int network_epoll(struct network *network)
{
    const int fd = descriptor_new(network, DESCRIPTOR_EPOLL, true);
    if (fd >= 0) {
        descriptor_of(network, fd)->watched =
            must(calloc(NETWORK_WATCHED_MAX, sizeof(struct watched)));
    }
    return fd;
}

int network_epoll_control(struct network *network, int epoll_fd, int operation, int fd,
                          const struct epoll_event *event)
{
    struct descriptor *epoll = descriptor_of(network, epoll_fd);
    if (operation == EPOLL_CTL_ADD) {
        if (epoll->watched_count == NETWORK_WATCHED_MAX) return refuse(ENOSPC);
        epoll->watched[epoll->watched_count++] = (struct watched){.fd = fd, .event = *event};
        return 0;
    }
    assert(operation == EPOLL_CTL_MOD);
    for (u32 i = 0; i < epoll->watched_count; i++) {
        if (epoll->watched[i].fd != fd) continue;
        epoll->watched[i].event = *event;
        return 0;
    }
    return refuse(ENOENT);
}

int network_epoll_look(struct network *network, int epoll_fd, struct epoll_event *events, int most)
{
    const struct descriptor *epoll = descriptor_of(network, epoll_fd);
    const u32 count = epoll->watched_count;
    const u32 first = count == 0 ? 0 : (u32)below(network, count);
    int found = 0;
    for (u32 i = 0; i < count && found < most; i++) {
        const struct watched *watched = &epoll->watched[(first + i) % count];
        const u32 wanted = watched->event.events | EPOLLERR | EPOLLHUP;
        const u32 ready = network_ready(network, watched->fd) & wanted;
        if (ready == 0) continue;
        events[found] = watched->event;
        events[found++].events = ready;
    }
    return found;
}
