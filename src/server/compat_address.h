// SPDX-License-Identifier: Apache-2.0
//
// A place where a server of the TigerBeetle protocol is: a host and a port, or a unix socket.
#ifndef TAEL_SERVER_COMPAT_ADDRESS_H
#define TAEL_SERVER_COMPAT_ADDRESS_H

#include "base/base.h"

// A place to connect to.
struct compat_address {
    char host[256]; // Or the path of a unix socket:
    char port[6];   // then this is "".
};
// Reads "HOST:PORT", "[IPV6]:PORT", "PORT" of 127.0.0.1, or "unix:PATH". STATUS_INVALID with the
// rule.
MUST_USE enum status compat_address_parse(const char *text, struct compat_address *out,
                                          struct failure *failure);
// Prints it as a person would write it; returns `out`.
#define COMPAT_ADDRESS_TEXT_SIZE 272u
const char *compat_address_print(const struct compat_address *address,
                                 char out[COMPAT_ADDRESS_TEXT_SIZE]);

#endif
