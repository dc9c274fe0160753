// SPDX-License-Identifier: Apache-2.0
//
// Places of the TigerBeetle protocol, read and printed.
#include "server/compat_address.h"

#include <stdio.h>
#include <sys/un.h>

static bool port_is_valid(const char *port)
{
    u32 value = 0;
    const size_t size = strlen(port);
    for (size_t i = 0; i < size; i++) {
        if (port[i] < '0' || port[i] > '9') return false;
        value = value * 10 + (u32)(port[i] - '0');
    }
    return size >= 1 && size <= 5 && value >= 1 && value <= 65535;
}

static enum status unix_address_parse(const char *path, struct compat_address *out,
                                      struct failure *failure)
{
    const size_t size = strlen(path);
    const size_t size_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (size == 0 || size > size_max) {
        return failure_set(failure, STATUS_INVALID,
                           "the path of a unix socket has 1 to %zu bytes, not %zu", size_max, size);
    }
    *out = (struct compat_address){0};
    memcpy(out->host, path, size);
    return STATUS_OK;
}

const char *compat_address_print(const struct compat_address *address,
                                 char out[COMPAT_ADDRESS_TEXT_SIZE])
{
    const bool is_unix = address->port[0] == 0;
    const bool is_ipv6 = strchr(address->host, ':') != NULL && !is_unix;
    (void)snprintf(out, COMPAT_ADDRESS_TEXT_SIZE, "%s%s%s%s%s",
                   is_unix ? "unix:" : (is_ipv6 ? "[" : ""), address->host, is_ipv6 ? "]" : "",
                   is_unix ? "" : ":", address->port);
    return out;
}

enum status compat_address_parse(const char *text, struct compat_address *out,
                                 struct failure *failure)
{
    const char *host = text, *port;
    size_t host_size;
    if (strncmp(text, "unix:", 5) == 0) return unix_address_parse(text + 5, out, failure);
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        host = "127.0.0.1";
        host_size = strlen(host);
        port = text;
    } else {
        host_size = (size_t)(colon - text);
        port = colon + 1;
        if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
            host++;
            host_size -= 2;
        } else if (memchr(host, ':', host_size) != NULL) {
            return failure_set(failure, STATUS_INVALID,
                               "an IPv6 address is written [ADDRESS]:PORT");
        }
    }
    if (strlen(port) > 5 || !port_is_valid(port)) {
        return failure_set(failure, STATUS_INVALID, "\"%.32s\" is no port from 1 to 65535", port);
    }
    if (host_size == 0 || host_size >= sizeof out->host) {
        return failure_set(failure, STATUS_INVALID, "\"%.64s\" names no host", text);
    }
    *out = (struct compat_address){0};
    memcpy(out->host, host, host_size);
    memcpy(out->port, port, strlen(port));
    return STATUS_OK;
}
