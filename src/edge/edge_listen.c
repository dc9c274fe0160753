// SPDX-License-Identifier: Apache-2.0
//
// The socket that the edge listens on.
#include "edge/edge_listen.h"

#include "codec/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG       1024
#define HOST_SIZE_MAX 256u

static bool is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in = (const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr);
}

static void address_tell(int fd, char *out, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at;
    socklen_t at_size = sizeof at;
    char host[INET6_ADDRSTRLEN] = "?";
    memset(&at, 0, sizeof at);
    if (getsockname(fd, &at.any, &at_size) != 0) at.any.sa_family = AF_UNIX;
    if (at.any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &at.in.sin_addr, host, sizeof host);
        (void)snprintf(out, size, "%s:%u", host, ntohs(at.in.sin_port));
    } else if (at.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &at.in6.sin6_addr, host, sizeof host);
        (void)snprintf(out, size, "[%s]:%u", host, ntohs(at.in6.sin6_port));
    } else {
        (void)snprintf(out, size, "fd:%d", fd);
    }
}

static enum status inherited_take(const char *text, int *fd, struct failure *failure)
{
    u128 number = 0;
    int listens = 0;
    socklen_t size = sizeof listens;
    if (number_parse_u128(text, strlen(text), &number) != NUMBER_OK || number > 65535 ||
        getsockopt((int)number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
        return failure_set(failure, STATUS_INVALID, "--http: fd:%s is no socket that listens",
                           text);
    }
    *fd = (int)number;
    (void)listen(*fd, BACKLOG); // More may wait while one edge ends and the next one starts.
    (void)fcntl(*fd, F_SETFD, FD_CLOEXEC);
    return STATUS_OK;
}

// The host and the port of "HOST:PORT" or "PORT". False when it is neither.
static bool text_split(const char *text, char host[HOST_SIZE_MAX], const char **port)
{
    const char *colon = strrchr(text, ':');
    const char *first = text;
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    *port = colon == NULL ? text : colon + 1;
    if (size > 1 && text[0] == '[' && text[size - 1] == ']') {
        first++;
        size -= 2;
    }
    if (size >= HOST_SIZE_MAX || (*port)[0] == 0 || strspn(*port, "0123456789") != strlen(*port)) {
        return false;
    }
    memcpy(host, first, size);
    host[size] = 0;
    if (colon == NULL) memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    return host[0] != 0;
}

static enum status place_take(const struct addrinfo *place, const char *text, int *fd,
                              struct failure *failure)
{
    const int on = 1;
    *fd = socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) return failure_set_errno(failure, STATUS_IO, errno, "--http");
    (void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(*fd, place->ai_addr, place->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0) {
        return STATUS_OK;
    }
    const int error = errno;
    (void)close(*fd);
    *fd = -1;
    return failure_set_errno(failure, error == EADDRINUSE ? STATUS_BUSY : STATUS_IO, error,
                             "--http: listening on %s", text);
}

enum status edge_listen(const char *text, bool is_public, int *fd, char *address, size_t size,
                        struct failure *failure)
{
    char host[HOST_SIZE_MAX];
    const char *port = NULL;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    enum status status;
    if (strncmp(text, "fd:", 3) == 0) {
        status = inherited_take(text + 3, fd, failure);
        if (status == STATUS_OK) address_tell(*fd, address, size);
        return status;
    }
    if (!text_split(text, host, &port) || getaddrinfo(host, port, &hints, &found) != 0) {
        return failure_set(failure, STATUS_INVALID, "--http: %s is no HOST:PORT and no PORT", text);
    }
    if (!is_public && !is_local(found->ai_addr)) {
        freeaddrinfo(found);
        failure_note(failure, STATUS_INVALID, "--http: %s is not of this machine alone", text);
        failure_hint(failure, "without TLS tokens go over the network for all to read: give "
                              "--tls-certificate and --tls-key");
        return STATUS_INVALID;
    }
    status = place_take(found, text, fd, failure);
    freeaddrinfo(found);
    if (status == STATUS_OK) address_tell(*fd, address, size);
    return status;
}
