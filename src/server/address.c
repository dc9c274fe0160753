// SPDX-License-Identifier: Apache-2.0
//
// Addresses and the places that they stand for.
#include "server/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    SOCKET_RECEIVE_SIZE = 4 << 20,
    SOCKET_SEND_SIZE = 2 << 20,
};

// The beginning of a text as a message shows it. Addresses are ASCII; libtael has no more of codec.
struct shown {
    char text[65];
};

static struct shown show(const char *text)
{
    struct shown shown = {{0}};
    for (size_t i = 0; text[i] != 0 && i + 1 < sizeof shown.text; i++) {
        shown.text[i] = text[i];
        if (text[i] < 0x20 || text[i] > 0x7e) shown.text[i] = '?';
    }
    return shown;
}

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

static enum status unix_address_parse(const char *path, struct address *out,
                                      struct failure *failure)
{
    const size_t size = strlen(path);
    const size_t size_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (size == 0 || size > size_max) {
        return failure_set(failure, STATUS_INVALID,
                           "the path of a unix socket has 1 to %zu bytes, not %zu", size_max, size);
    }
    *out = (struct address){0};
    memcpy(out->host, path, size);
    return STATUS_OK;
}

const char *address_print(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    const bool is_unix = address->port[0] == 0;
    const bool is_ipv6 = strchr(address->host, ':') != NULL && !is_unix;
    (void)snprintf(out, ADDRESS_TEXT_SIZE, "%s%s%s%s%s", is_unix ? "unix:" : (is_ipv6 ? "[" : ""),
                   address->host, is_ipv6 ? "]" : "", is_unix ? "" : ":", address->port);
    return out;
}

enum status address_parse(const char *text, struct address *out, struct failure *failure)
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
        const bool is_bracketed = host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']';
        if (is_bracketed) {
            host++;
            host_size -= 2;
        }
        // What is in brackets has colons, what is not has none: so what is printed reads the same.
        if (is_bracketed != (memchr(host, ':', host_size) != NULL)) {
            return failure_set(failure, STATUS_INVALID,
                               "an IPv6 address is written [ADDRESS]:PORT");
        }
    }
    if (strlen(port) > 5 || !port_is_valid(port)) {
        return failure_set(failure, STATUS_INVALID, "\"%.32s\" is no port from 1 to 65535",
                           show(port).text);
    }
    if (host_size == 0 || host_size >= sizeof out->host || strcspn(host, "[]") < host_size) {
        return failure_set(failure, STATUS_INVALID, "\"%s\" names no host", show(text).text);
    }
    *out = (struct address){0};
    memcpy(out->host, host, host_size);
    memcpy(out->port, port, strlen(port));
    return STATUS_OK;
}

enum status address_look_up(const struct address *address, struct address_places *out,
                            struct failure *failure)
{
    *out = (struct address_places){0};
    if (address->port[0] == 0) {
        struct sockaddr_un *place = (struct sockaddr_un *)&out->items[0];
        place->sun_family = AF_UNIX;
        memcpy(place->sun_path, address->host, sizeof place->sun_path); // Ends in a zero.
        out->sizes[0] = sizeof *place;
        out->count = 1;
        return STATUS_OK;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int error = getaddrinfo(address->host, address->port, &hints, &found);
    if (error != 0) {
        return failure_set(failure, STATUS_NOT_FOUND, "looking up %s: %s", show(address->host).text,
                           gai_strerror(error));
    }
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (out->count == ADDRESS_PLACES_MAX) break;
        memcpy(&out->items[out->count], at->ai_addr, at->ai_addrlen);
        out->sizes[out->count++] = at->ai_addrlen;
    }
    freeaddrinfo(found);
    assert(out->count > 0);
    return STATUS_OK;
}

enum status address_connect(struct address_places *places, int *fd, struct failure *failure)
{
    const u32 index = places->next++ % places->count;
    const struct sockaddr_storage *place = &places->items[index];
    *fd = socket(place->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return failure_set(failure, STATUS_IO, "making a socket: %s", strerror(errno));
    }
    const int one = 1, receive_size = SOCKET_RECEIVE_SIZE, send_size = SOCKET_SEND_SIZE;
    // These only change the speed; a unix socket refuses the last two.
    (void)setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size);
    (void)setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof send_size);
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(*fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (connect(*fd, (const struct sockaddr *)place, places->sizes[index]) == 0) return STATUS_OK;
    if (errno == EINPROGRESS) return STATUS_OK;
    (void)failure_set(failure, STATUS_IO, "connecting: %s", strerror(errno));
    (void)close(*fd);
    *fd = -1;
    return STATUS_IO;
}

enum status address_connected(struct address_places *places, int fd, bool *is_made,
                              struct failure *failure)
{
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    *is_made = false;
    if (poll(&waiting, 1, 0) <= 0 || waiting.revents == 0) return STATUS_OK;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return failure_set(failure, STATUS_IO, "connecting: %s", strerror(error));
    places->next--; // It works: come back to it.
    *is_made = true;
    return STATUS_OK;
}
