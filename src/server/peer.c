// SPDX-License-Identifier: Apache-2.0
//
// The other end of a socket.
#include "server/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TCP_STATE_ESTABLISHED 1u

static bool unix_user(int fd, uid_t *user)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == 0) return false;
    *user = peer.uid;
    return true;
}

// One end of a connection: "0100007F:0BB8", the address in hex as it is in memory, then the port;
// of IPv6 the whole address that stands for the IPv4 one. False when it is not 127.0.0.1.
static bool place_take(const char *text, u32 *port)
{
    static const char *const here[] = {"0100007F:", "0000000000000000FFFF00000100007F:"};
    for (size_t i = 0; i < ARRAY_COUNT(here); i++) {
        const size_t size = strlen(here[i]);
        char *end = NULL;
        if (strncmp(text, here[i], size) != 0) continue;
        *port = (u32)strtoul(text + size, &end, 16);
        return end != text + size && *end == 0;
    }
    return false;
}

// The columns of a row: "sl local_address rem_address st tx:rx tr:when retrnsmt uid ...".
enum { COLUMN_LOCAL = 1, COLUMN_REMOTE = 2, COLUMN_STATE = 3, COLUMN_USER = 7, COLUMNS = 8 };

// The kernel's tables have one row an end: that of the peer names our port as the remote one.
static bool table_user(const char *path, u32 peer_port, u32 own_port, uid_t *user)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    char line[512];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *columns[COLUMNS] = {0};
        char *rest = line;
        u32 count = 0;
        while (count < COLUMNS && (columns[count] = strtok_r(rest, " \n", &rest)) != NULL) count++;
        u32 local = 0, remote = 0;
        if (count < COLUMNS || !place_take(columns[COLUMN_LOCAL], &local) ||
            !place_take(columns[COLUMN_REMOTE], &remote)) {
            continue;
        }
        found = local == peer_port && remote == own_port &&
                strtoul(columns[COLUMN_STATE], NULL, 16) == TCP_STATE_ESTABLISHED;
        if (found) *user = (uid_t)strtoul(columns[COLUMN_USER], NULL, 10);
    }
    (void)fclose(file);
    return found;
}

bool peer_is_unix(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 && own.ss_family == AF_UNIX;
}

bool peer_user(int fd, uid_t *user)
{
    struct sockaddr_in own = {0}, peer = {0};
    socklen_t own_size = sizeof own, peer_size = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&own, &own_size) != 0) return false;
    if (own.sin_family == AF_UNIX) return unix_user(fd, user);
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0 || own.sin_family != AF_INET) {
        return false;
    }
    // From another address of this machine the same ports are another connection, of whomever.
    const u32 here = htonl(INADDR_LOOPBACK);
    if (own.sin_addr.s_addr != here || peer.sin_addr.s_addr != here) return false;
    const u32 peer_port = ntohs(peer.sin_port), own_port = ntohs(own.sin_port);
    return table_user("/proc/net/tcp", peer_port, own_port, user) ||
           table_user("/proc/net/tcp6", peer_port, own_port, user);
}
