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

// One end of a connection: "0100007F:0BB8", the address in hex as it is in memory, then the port.
// Of IPv6 the address ends in the IPv4 address that it stands for. False when it is not 127.0.0.1.
static bool place_take(const char *text, u32 *port)
{
    static const char here[] = "0100007F:";
    const char *colon = strchr(text, ':');
    char *end = NULL;
    if (colon == NULL || colon - text < 8 || strncmp(colon - 8, here, strlen(here)) != 0) {
        return false;
    }
    *port = (u32)strtoul(colon + 1, &end, 16);
    return end != colon + 1 && *end == 0;
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

bool peer_user(int fd, uid_t *user)
{
    struct sockaddr_in own = {0}, peer = {0};
    socklen_t own_size = sizeof own, peer_size = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&own, &own_size) != 0) return false;
    if (own.sin_family == AF_UNIX) return unix_user(fd, user);
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0 || own.sin_family != AF_INET) {
        return false;
    }
    const u32 peer_port = ntohs(peer.sin_port), own_port = ntohs(own.sin_port);
    return table_user("/proc/net/tcp", peer_port, own_port, user) ||
           table_user("/proc/net/tcp6", peer_port, own_port, user);
}
