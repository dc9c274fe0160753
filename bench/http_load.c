// SPDX-License-Identifier: Apache-2.0
//
// A load of HTTP on an edge, in one thread: bench-http_load PORT TOKEN WORKLOAD COUNT [CLIENTS].
//
//   transfers  COUNT POSTs of one transfer each, over connections that stay open
//   balances   COUNT GETs of an account, likewise
//   bulk       one upload of COUNT transfers, a line each
//
// Prints one line of JSON: what was done, by second, and how long answers took. Every answer is
// looked at; one that is not as it should be ends the run.
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024u
#define ACCOUNTS        1000u
#define ACCOUNT_FIRST   10000u
#define BUFFER_SIZE     16384u
#define LATENCY_MAX_US  2000000u
#define BULK_PIECE      (256u * KIB)

struct plug {
    int fd;
    u64 sent_at;
    size_t out_size;
    size_t out_done;
    size_t in_size;
    char out[1024];
    char in[BUFFER_SIZE];
};

struct load {
    u16 port;
    const char *token;
    bool is_get;
    u64 count;
    u64 begun;
    u64 done;
    u64 base; // Of ids, so that runs differ.
    u32 *latencies;
};

static u64 now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *detail)
{
    (void)fprintf(stderr, "http_load: %s: %s\n", what, detail);
    exit(1);
}

static int plug_in(u16 port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        fail("connecting", strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t put = send(fd, data, size, MSG_NOSIGNAL);
        if (put < 0) fail("sending", strerror(errno));
        data += put;
        size -= (size_t)put;
    }
}

// The size of the whole response in the buffer, or 0 when it is not whole yet.
static size_t response_size(const char *data, size_t size)
{
    static const char length[] = "Content-Length: ";
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    const char *at = memmem(data, (size_t)(end - data), length, sizeof length - 1);
    if (at == NULL) fail("a response without a length", "");
    const size_t whole = (size_t)(end - data) + 4 + strtoull(at + sizeof length - 1, NULL, 10);
    return size >= whole ? whole : 0;
}

// Sends a request and waits for its answer, which has to be this status.
static void call(const struct load *load, const char *path, const char *type, const char *body,
                 size_t size, const char *status)
{
    static char in[MIB];
    char head[512];
    size_t got = 0;
    const int fd = plug_in(load->port);
    const int head_size =
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                 "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                 path, load->token, type, size);
    send_all(fd, head, (size_t)head_size);
    send_all(fd, body, size);
    while (response_size(in, got) == 0) {
        const ssize_t more = recv(fd, in + got, sizeof in - got, 0);
        if (more <= 0) fail("receiving", strerror(errno));
        got += (size_t)more;
    }
    if (strncmp(in + 9, status, 3) != 0) fail(path, in);
    (void)close(fd);
}

static void accounts_make(const struct load *load)
{
    static char body[ACCOUNTS * 64];
    size_t size = 0;
    for (u32 i = 0; i < ACCOUNTS; i++) {
        size += (size_t)snprintf(body + size, sizeof body - size,
                                 "%c{\"id\":\"%u\",\"ledger\":1,\"code\":1}", i == 0 ? '[' : ',',
                                 ACCOUNT_FIRST + i);
    }
    body[size++] = ']';
    call(load, "/v1/ledger/create-accounts", "application/json", body, size, "200");
}

static u32 account_of(u64 number)
{
    return ACCOUNT_FIRST + (u32)(number * 7919 % ACCOUNTS);
}

static int transfer_print(const struct load *load, u64 number, char *out, size_t size)
{
    return snprintf(out, size,
                    "{\"id\":\"%llu\",\"debit_account_id\":\"%u\",\"credit_account_id\":\"%u\","
                    "\"amount\":\"1\",\"ledger\":1,\"code\":1}",
                    (unsigned long long)(load->base + number), account_of(number),
                    account_of(number + 1));
}

static void request_make(struct load *load, struct plug *plug)
{
    char body[256];
    const u64 number = load->begun++;
    int size;
    if (load->is_get) {
        size = snprintf(plug->out, sizeof plug->out,
                        "GET /v1/ledger/account?id=%u HTTP/1.1\r\nHost: localhost\r\n"
                        "Authorization: Bearer %s\r\n\r\n",
                        account_of(number), load->token);
    } else {
        const int body_size = transfer_print(load, number, body, sizeof body);
        size = snprintf(plug->out, sizeof plug->out,
                        "POST /v1/ledger/create-transfers HTTP/1.1\r\nHost: localhost\r\n"
                        "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %d\r\n\r\n%s",
                        load->token, body_size, body);
    }
    assert(size > 0 && size < (int)sizeof plug->out);
    plug->out_size = (size_t)size;
    plug->out_done = 0;
    plug->in_size = 0;
    plug->sent_at = now_ns();
}

static void plug_send(struct plug *plug)
{
    while (plug->out_done < plug->out_size) {
        const ssize_t put = send(plug->fd, plug->out + plug->out_done,
                                 plug->out_size - plug->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) fail("sending", strerror(errno));
        plug->out_done += (size_t)put;
    }
}

static void plug_receive(struct load *load, struct plug *plug)
{
    const ssize_t got =
        recv(plug->fd, plug->in + plug->in_size, BUFFER_SIZE - 1 - plug->in_size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("the connection was closed", plug->in);
    plug->in_size += (size_t)got;
    plug->in[plug->in_size] = 0;
    if (response_size(plug->in, plug->in_size) == 0) return;
    if (strncmp(plug->in + 9, load->is_get ? "200" : "201", 3) != 0) fail("answer", plug->in);
    const u64 us = (now_ns() - plug->sent_at) / NS_PER_US;
    load->latencies[MIN(us, (u64)LATENCY_MAX_US - 1)]++;
    load->done++;
    plug->out_size = 0;
    if (load->begun == load->count) return;
    request_make(load, plug);
    plug_send(plug);
}

static u32 quantile_us(const struct load *load, u64 thousandths)
{
    u64 seen = 0;
    const u64 wanted = (load->done * thousandths + 999) / 1000;
    for (u32 us = 0; us < LATENCY_MAX_US; us++) {
        seen += load->latencies[us];
        if (seen >= wanted) return us;
    }
    return LATENCY_MAX_US;
}

static void singles_run(struct load *load, u32 connections, const char *name)
{
    static struct plug plugs[CONNECTIONS_MAX];
    struct epoll_event events[CONNECTIONS_MAX];
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    load->latencies = calloc(LATENCY_MAX_US, sizeof *load->latencies);
    assert(load->latencies != NULL);
    for (u32 i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data = {.ptr = &plugs[i]}};
        plugs[i].fd = plug_in(load->port);
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, plugs[i].fd, &event);
    }
    const u64 begin = now_ns();
    for (u32 i = 0; i < connections && load->begun < load->count; i++) {
        request_make(load, &plugs[i]);
        plug_send(&plugs[i]);
    }
    while (load->done < load->count) {
        const int count = epoll_wait(epoll, events, CONNECTIONS_MAX, 10000);
        if (count <= 0) fail("nothing is answered", "");
        for (int i = 0; i < count; i++) {
            struct plug *plug = events[i].data.ptr;
            if (plug->out_size == 0) continue;
            plug_send(plug);
            plug_receive(load, plug);
        }
    }
    const u64 took = now_ns() - begin;
    (void)printf(
        "{\"workload\":\"%s\",\"requests\":%llu,\"connections\":%u,\"requests_per_s\":%llu,"
        "\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u}\n",
        name, (unsigned long long)load->done, connections,
        (unsigned long long)(load->done * NS_PER_S / took), quantile_us(load, 500),
        quantile_us(load, 990), quantile_us(load, 999), quantile_us(load, 1000));
}

static void bulk_run(struct load *load)
{
    static char piece[BULK_PIECE];
    char head[512], line[256], in[BUFFER_SIZE];
    const u64 begin = now_ns();
    // Ids have one length, and so do lines.
    const size_t line_size = (size_t)transfer_print(load, 0, line, sizeof line) + 1;
    const int fd = plug_in(load->port);
    const int head_size =
        snprintf(head, sizeof head,
                 "POST /v1/ledger/create-transfers?results=refused HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\n"
                 "Content-Length: %llu\r\n\r\n",
                 load->token, (unsigned long long)(load->count * line_size));
    size_t size = 0, got = 0;
    send_all(fd, head, (size_t)head_size);
    for (u64 i = 0; i < load->count; i++) {
        if (size + line_size > sizeof piece) {
            send_all(fd, piece, size);
            size = 0;
        }
        const int put = transfer_print(load, i, piece + size, sizeof piece - size);
        assert((size_t)put + 1 == line_size);
        size += line_size;
        piece[size - 1] = '\n';
    }
    send_all(fd, piece, size);
    while (response_size(in, got) == 0) {
        const ssize_t more = recv(fd, in + got, sizeof in - 1 - got, 0);
        if (more <= 0) fail("receiving", strerror(errno));
        got += (size_t)more;
        in[got] = 0;
    }
    const u64 took = now_ns() - begin;
    if (strncmp(in + 9, "200", 3) != 0 || strstr(in, "Tael-Refused: 0\r\n") == NULL) {
        fail("answer", in);
    }
    (void)printf("{\"workload\":\"bulk\",\"transfers\":%llu,\"line_bytes\":%zu,"
                 "\"transfers_per_s\":%llu}\n",
                 (unsigned long long)load->count, line_size,
                 (unsigned long long)(load->count * NS_PER_S / took));
}

int main(int argc, char **argv)
{
    if (argc < 5) fail("usage", "PORT TOKEN transfers|balances|bulk COUNT [CONNECTIONS]");
    const u32 connections = argc > 5 ? (u32)strtoul(argv[5], NULL, 10) : 64;
    struct load load = {.port = (u16)strtoul(argv[1], NULL, 10),
                        .token = argv[2],
                        .is_get = strcmp(argv[3], "balances") == 0,
                        .count = strtoull(argv[4], NULL, 10),
                        .base = (u64)time(NULL) * 10000000000ull};
    if (connections == 0 || connections > CONNECTIONS_MAX || load.count == 0) {
        fail("usage", "up to 1024 connections, at least one request");
    }
    accounts_make(&load);
    if (strcmp(argv[3], "bulk") == 0) bulk_run(&load);
    else singles_run(&load, connections, argv[3]);
    free(load.latencies);
    return 0;
}
