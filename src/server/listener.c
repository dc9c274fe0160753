// SPDX-License-Identifier: Apache-2.0
//
// Taking a port's address, and giving it back.
#include "server/listener.h"

#include "codec/number.h"
#include "codec/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

// What the text of an address says: the path of a unix socket, or a port.
struct place {
    const char *path; // NULL for a port.
    u16 port;
};

static enum status place_parse(const char *text, struct place *out, struct failure *failure);
static enum status take_unix(struct listener *listener, const char *path, struct failure *failure);
static enum status take_port(struct listener *listener, u16 port, struct failure *failure);

enum status listener_check(const char *address, struct failure *failure)
{
    struct place place;
    return place_parse(address, &place, failure);
}

enum status listener_take(struct listener *listener, const char *address, struct failure *failure)
{
    struct place place;
    *listener = (struct listener){.fd = -1};
    if (place_parse(address, &place, failure) != STATUS_OK) return failure->status;
    enum status status = place.path != NULL ? take_unix(listener, place.path, failure)
                                            : take_port(listener, place.port, failure);
    if (status != STATUS_OK) listener_close(listener);
    return status;
}

// Whether the path is still the socket that was made there.
static bool is_own(const struct listener *listener)
{
    struct stat about;
    return lstat(listener->path, &about) == 0 && about.st_dev == listener->device &&
           about.st_ino == listener->inode;
}

enum status listener_begin(struct listener *listener, struct failure *failure)
{
    if (listener->path[0] != 0 && !is_own(listener)) {
        return failure_set(failure, STATUS_BUSY, "another process took %s", listener->path);
    }
    if (listen(listener->fd, BACKLOG) == 0) return STATUS_OK;
    enum status status = errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
    return failure_set_errno(failure, status, errno, "listening on %s", listener->address);
}

enum status listener_open_to_all(struct listener *listener, struct failure *failure)
{
    if (listener->path[0] == 0 || chmod(listener->path, 0666) == 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "opening %s to others", listener->address);
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0) (void)close(listener->fd);
    if (listener->path[0] != 0 && is_own(listener)) (void)unlink(listener->path);
    *listener = (struct listener){.fd = -1};
}

// --- addresses -----------------------------------------------------------------------------------

static enum status place_parse(const char *text, struct place *out, struct failure *failure)
{
    *out = (struct place){0};
    if (strncmp(text, "unix:", 5) == 0) {
        const size_t size_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
        const size_t size = strlen(text + 5);
        out->path = text + 5;
        if (size > 0 && size <= size_max) return STATUS_OK;
        return failure_set(failure, STATUS_INVALID,
                           "the path of a unix socket has 1 to %zu bytes, not %zu", size_max, size);
    }
    const char *colon = strrchr(text, ':');
    const bool is_here =
        colon == NULL || (colon - text == 9 &&
                          (memcmp(text, "127.0.0.1", 9) == 0 || memcmp(text, "localhost", 9) == 0));
    if (!is_here) {
        failure_note(failure, STATUS_INVALID, "only 127.0.0.1 is listened on");
        failure_hint(failure,
                     "the protocols have no encryption: let clients run on this machine, or "
                     "reach it through a tunnel that has");
        return STATUS_INVALID;
    }
    const char *port = colon == NULL ? text : colon + 1;
    u128 number = 0;
    if (number_parse_u128(port, strlen(port), &number) != NUMBER_OK || number > UINT16_MAX) {
        return failure_set(failure, STATUS_INVALID, "%s is no port from 0 to 65535",
                           text_quote(port, strlen(port)).text);
    }
    out->port = (u16)number;
    return STATUS_OK;
}

// --- unix sockets --------------------------------------------------------------------------------

// Makes the path free: what is there may only be a socket that nobody listens on, which a server
// that was killed leaves behind.
static enum status path_clear(const char *path, const struct sockaddr_un *address,
                              struct failure *failure)
{
    struct stat about;
    if (lstat(path, &about) != 0) {
        if (errno == ENOENT) return STATUS_OK;
        return failure_set_errno(failure, STATUS_IO, errno, "looking at unix:%s", path);
    }
    if (!S_ISSOCK(about.st_mode)) {
        failure_note(failure, STATUS_BUSY, "%s is there and is no socket", path);
        failure_hint(failure, "give a path where nothing is; it was left as it is");
        return STATUS_BUSY;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failure_set_errno(failure, STATUS_IO, errno, "making a socket");
    bool listens = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    int error = errno;
    (void)close(fd);
    if (!listens && error == ECONNREFUSED) {
        if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
        return failure_set_errno(failure, STATUS_IO, errno, "removing the unused socket %s", path);
    }
    if (listens || error == EAGAIN) { // The latter when too many wait to be let in.
        failure_note(failure, STATUS_BUSY, "another process listens on unix:%s", path);
    } else {
        (void)failure_set_errno(failure, STATUS_BUSY, error,
                                "whether unix:%s is in use cannot be told", path);
    }
    failure_hint(failure, "stop that process first, or give another path");
    return STATUS_BUSY;
}

static enum status take_unix(struct listener *listener, const char *path, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t size = strlen(path);
    memcpy(address.sun_path, path, size);
    enum status status = path_clear(path, &address, failure);
    if (status != STATUS_OK) return status;
    struct stat about;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0 ||
        bind(listener->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        lstat(path, &about) != 0) {
        return failure_set_errno(failure, errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO, errno,
                                 "listening on unix:%s", path);
    }
    memcpy(listener->path, path, size);
    listener->device = about.st_dev;
    listener->inode = about.st_ino;
    (void)snprintf(listener->address, sizeof listener->address, "unix:%s", listener->path);
    return STATUS_OK;
}

// --- ports ---------------------------------------------------------------------------------------

static enum status take_port(struct listener *listener, u16 port, struct failure *failure)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd >= 0) {
        (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    socklen_t size = sizeof address;
    if (listener->fd < 0 ||
        bind(listener->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&address, &size) != 0) {
        const enum status status = errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
        (void)failure_set_errno(failure, status, errno, "listening on 127.0.0.1:%u", port);
        if (status == STATUS_BUSY) {
            failure_hint(failure, "another program uses this port; give another one, or "
                                  "0 for any");
        }
        return status;
    }
    (void)snprintf(listener->address, sizeof listener->address, "127.0.0.1:%u",
                   ntohs(address.sin_port));
    return STATUS_OK;
}
