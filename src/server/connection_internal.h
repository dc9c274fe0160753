// SPDX-License-Identifier: Apache-2.0
//
// What the files of connections share. Private.
//
//   connection.c           accepted, sent to, ended
//   connection_receive.c   bytes into whole messages
#ifndef TAEL_SERVER_CONNECTION_INTERNAL_H
#define TAEL_SERVER_CONNECTION_INTERNAL_H

#include "server/connection.h"

// Waits for what the connection can do next.
void connection_watch(struct connections *connections, struct connection *connection);
// Reads and handles messages for a while. The connection may be closed when it returns.
void connection_read(struct connections *connections, struct connection *connection);

// What every protocol has in the header being received.
static inline const struct message_head *connection_head(const struct connection *connection)
{
    return (const void *)connection->header;
}

#endif
