// SPDX-License-Identifier: Apache-2.0
//
// What the two files of the client share. Private.
//
//   compat_client.c          the session, connecting, sending, waiting
//   compat_client_receive.c  receiving
#ifndef TAEL_SERVER_COMPAT_CLIENT_INTERNAL_H
#define TAEL_SERVER_COMPAT_CLIENT_INTERNAL_H

#include "server/compat_client.h"

// Room for a whole reply and for pongs around it.
#define RECEIVE_BUFFER_SIZE  (COMPAT_MESSAGE_SIZE_MAX + 4096u)
#define CONNECT_DELAY_MIN_NS (20 * NS_PER_MS)

// Ends the connection: another is made after a delay, and the request in flight sent over it. The
// text says why.
void compat_client_lost(struct compat_client *client, u64 now, const char *format, ...)
    PRINTF_LIKE(3, 4);
// The request was answered: of one that is being sent again nothing more is read, since its body is
// the caller's from here on. If a part of it was sent the connection ends.
void compat_client_unsend(struct compat_client *client, u64 now);
// Drops the first message of the buffer.
void compat_client_drop(struct compat_client *client, u32 size);
// Receives as far as it goes without waiting, or to the end of an answer, which it hands out. Fails
// as compat_client_step does, but for STATUS_TIMEOUT.
MUST_USE enum status compat_client_receive(struct compat_client *client, u64 now,
                                           struct failure *failure);

#endif
