// SPDX-License-Identifier: Apache-2.0
//
// Who connects and behaves badly: says nothing, begins a message and never ends it, sends what is
// none, or never reads; many at once. Some are let in and ask for more than they ever read. Whoever
// else is there must be answered all the same.
#include "harbour_internal.h"

#include "machine/changes.h"
#include "server/compat_message.h"
#include "server/tael_message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIRATE_BYTES_MAX (64 * KIB)
#define GUEST_ASKS_MAX   100u

void harbour_pirates_init(struct harbour *harbour)
{
    harbour->pirate_count = (u32)below(harbour, chance(harbour, 20) ? 24 : 4);
    if (harbour->is_flooded) harbour->pirate_count = HARBOUR_PIRATES_MAX;
    for (u32 i = 0; i < HARBOUR_PIRATES_MAX; i++) {
        harbour->pirates[i].fd = -1;
        harbour->pirates[i].act_at = NS_PER_S + below(harbour, 5 * NS_PER_S);
    }
}

static void pirate_leave(struct harbour *harbour, struct pirate *pirate)
{
    if (pirate->fd >= 0) (void)close(pirate->fd);
    free(pirate->bytes);
    *pirate = (struct pirate){.fd = -1, .act_at = now_of(harbour) + below(harbour, 5 * NS_PER_S)};
}

void harbour_pirates_leave(struct harbour *harbour)
{
    for (u32 i = 0; i < harbour->pirate_count; i++) pirate_leave(harbour, &harbour->pirates[i]);
    harbour->pirate_count = 0;
}

void harbour_pirates_free(struct harbour *harbour)
{
    harbour_pirates_leave(harbour);
}

// A header that its port takes, of a message that nobody waits for.
static u32 header_make(struct harbour *harbour, const struct pirate *pirate, u8 *out)
{
    const u32 body_size = (u32)below(harbour, 20000);
    u8 *body = out + MESSAGE_HEADER_SIZE;
    for (u32 i = 0; i < body_size; i++) body[i] = (u8)random_u64(&harbour->random);
    if (pirate->is_tael) {
        struct tael_header header = {.head = {.command = (u8)(1 + below(harbour, 12))},
                                     .command_id = random_u128(&harbour->random),
                                     .record = TAEL_RECORD_TRANSFER,
                                     .version = 1,
                                     .count = 1};
        tael_header_seal(&header, body, body_size);
        memcpy(out, &header, sizeof header);
    } else {
        struct compat_header header = {.cluster = harbour->genesis.cluster,
                                       .release = COMPAT_CLIENT_RELEASE,
                                       .command = COMPAT_COMMAND_REQUEST};
        header.request.client = 1 + below(harbour, 9);
        header.request.session = below(harbour, 9);
        header.request.request = (u32)below(harbour, 9);
        header.request.operation = (u8)(COMPAT_OPERATION_BASE + below(harbour, 20));
        compat_header_seal(&header, body, body_size);
        memcpy(out, &header, sizeof header);
    }
    return MESSAGE_HEADER_SIZE + body_size;
}

static u32 message_put(u8 *out, struct tael_header header, const void *body, u32 size)
{
    tael_header_seal(&header, body, size);
    memcpy(out, &header, sizeof header);
    memcpy(out + sizeof header, body, size);
    return (u32)sizeof header + size;
}

// One who is let in, and asks and asks, and reads nothing.
static u32 guest_make(struct harbour *harbour, u8 *out)
{
    const struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL};
    const u32 asks = (u32)below(harbour, GUEST_ASKS_MAX);
    u32 size = message_put(out, (struct tael_header){.head = {.command = TAEL_HELLO}}, &hello,
                           sizeof hello);
    for (u32 i = 0; i < asks; i++) {
        const struct changes changes = {.row = below(harbour, 1000),
                                        .wait_ms = (u32)below(harbour, 2) * 60000};
        const struct tael_header header = {.head = {.command = TAEL_QUESTION},
                                           .correlation = i + 1,
                                           .record = changes_schema_changes.number,
                                           .version = 1,
                                           .count = 1};
        size += message_put(out + size, header, &changes, sizeof changes);
    }
    return size;
}

static void bytes_make(struct harbour *harbour, struct pirate *pirate)
{
    pirate->bytes = malloc(PIRATE_BYTES_MAX);
    if (pirate->bytes == NULL) abort();
    if (pirate->is_tael && chance(harbour, 30)) {
        harbour->counts[HARBOUR_GUESTS]++;
        pirate->size = guest_make(harbour, pirate->bytes);
        return;
    }
    switch (below(harbour, 4)) {
    case 0: // Nothing.
        break;
    case 1: // Anything.
        pirate->size = 1 + (u32)below(harbour, 4000);
        for (u32 i = 0; i < pirate->size; i++) {
            pirate->bytes[i] = (u8)random_u64(&harbour->random);
        }
        break;
    case 2: // A message that nobody waits for.
        pirate->size = header_make(harbour, pirate, pirate->bytes);
        break;
    default: // The beginning of one.
        pirate->size = header_make(harbour, pirate, pirate->bytes);
        pirate->size = 1 + (u32)below(harbour, pirate->size);
    }
}

static void pirate_come(struct harbour *harbour, struct pirate *pirate)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    pirate->is_tael = chance(harbour, 50);
    if (pirate->is_tael) memcpy(place.sun_path, HARBOUR_TAEL_PATH, sizeof HARBOUR_TAEL_PATH);
    else memcpy(place.sun_path, HARBOUR_COMPAT_PATH, sizeof HARBOUR_COMPAT_PATH);
    harbour->system.user = (u32)geteuid() + (u32)below(harbour, 2);
    pirate->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (pirate->fd < 0) abort();
    const int result = connect(pirate->fd, (const struct sockaddr *)&place, sizeof place);
    if (result != 0 && errno != EINPROGRESS) {
        pirate_leave(harbour, pirate);
        return;
    }
    harbour->counts[HARBOUR_PIRATES]++;
    pirate->act_at = 0;
    pirate->leave_at = now_of(harbour) + below(harbour, 60 * NS_PER_S);
    bytes_make(harbour, pirate);
}

static bool pirate_can_send(const struct harbour *harbour, const struct pirate *pirate)
{
    return pirate->sent < pirate->size &&
           (network_ready(&harbour->system.network, pirate->fd) & EPOLLOUT) != 0;
}

static bool pirate_step(struct harbour *harbour, struct pirate *pirate)
{
    const u64 now = now_of(harbour);
    if (pirate->fd < 0) {
        if (now < pirate->act_at) return false;
        pirate_come(harbour, pirate);
        return true;
    }
    if (now >= pirate->leave_at) {
        pirate_leave(harbour, pirate);
        return true;
    }
    if (!pirate_can_send(harbour, pirate)) return false;
    const ssize_t put =
        send(pirate->fd, pirate->bytes + pirate->sent, pirate->size - pirate->sent, MSG_NOSIGNAL);
    if (put > 0) pirate->sent += (u32)put;
    else if (errno != EINTR) pirate_leave(harbour, pirate);
    return true;
}

bool harbour_pirates_step(struct harbour *harbour)
{
    for (u32 i = 0; i < harbour->pirate_count; i++) {
        if (pirate_step(harbour, &harbour->pirates[i])) return true;
    }
    return false;
}

u64 harbour_pirates_wake_at(const struct harbour *harbour)
{
    u64 wake = U64_MAX;
    for (u32 i = 0; i < harbour->pirate_count; i++) {
        const struct pirate *pirate = &harbour->pirates[i];
        wake = MIN(wake, pirate->fd < 0 ? pirate->act_at : pirate->leave_at);
    }
    return wake;
}
