// SPDX-License-Identifier: Apache-2.0
//
// The port and the pipeline over a disk in memory that can be made to wait: evictions and their
// order, who goes when a 65th client comes, questions in turns, buffers that run out, merges that
// take long.
#include "server/ports.h"

#include "os/disk_memory.h"
#include "server/compat_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define RELEASE     compat_release(0, 17, 9)
#define PEERS_MAX   MACHINE_SESSIONS_MAX
#define STEPS_MAX   20000u // Of a millisecond, before a test gives up.
#define STEPS_QUIET 20u
#define MANY        2100u // Accounts: enough to close a frame while another one is written.

struct world {
    struct disk_memory disk;
    struct disk_operations operations; // Those of the disk, but for the gate.
    struct node node;
    struct ports ports; // Only the compat one; its clocks are `time`, its answers pass by here.
    struct listener listener;
    char path[64];
    u64 checkpoint_bytes;
    u64 time;
    u32 asked_first; // Batches of the question that was answered first; 0: none was.
    _Alignas(16) u8 body[COMPAT_BODY_SIZE_MAX];
};

// One client: a connection and what its session is.
struct peer {
    int fd;
    u128 client;
    u64 session;
    u32 request;
    u128 parent;
    _Alignas(16) struct compat_header answer; // The last one received.
};

// While it is closed, writes wait; and merges, while it is closed to them.
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool closed;
    bool merge_closed;
    bool merge_waits;
    enum status (*open)(struct disk *, const char *, u32, disk_handle *, struct failure *);
    enum status (*write)(struct disk *, disk_handle, u64, const struct iovec *, u32,
                         struct failure *);
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void gate_set(bool closed)
{
    (void)pthread_mutex_lock(&gate.mutex);
    gate.closed = closed;
    (void)pthread_cond_broadcast(&gate.opened);
    (void)pthread_mutex_unlock(&gate.mutex);
}

static enum status gate_write(struct disk *disk, disk_handle handle, u64 offset,
                              const struct iovec *parts, u32 part_count, struct failure *failure)
{
    (void)pthread_mutex_lock(&gate.mutex);
    while (gate.closed) (void)pthread_cond_wait(&gate.opened, &gate.mutex);
    (void)pthread_mutex_unlock(&gate.mutex);
    return gate.write(disk, handle, offset, parts, part_count, failure);
}

static void gate_set_merge(bool closed)
{
    (void)pthread_mutex_lock(&gate.mutex);
    gate.merge_closed = closed;
    (void)pthread_cond_broadcast(&gate.opened);
    (void)pthread_mutex_unlock(&gate.mutex);
}

static bool gate_merge_waits(void)
{
    (void)pthread_mutex_lock(&gate.mutex);
    bool waits = gate.merge_waits;
    (void)pthread_mutex_unlock(&gate.mutex);
    return waits;
}

// Once the first segment is sealed, only a merge makes an index that begins with row 0.
static enum status gate_open(struct disk *disk, const char *name, u32 flags, disk_handle *out,
                             struct failure *failure)
{
    if (strncmp(name, "index-0000000000000000", 22) == 0) {
        (void)pthread_mutex_lock(&gate.mutex);
        while (gate.merge_closed) {
            gate.merge_waits = true;
            (void)pthread_cond_wait(&gate.opened, &gate.mutex);
        }
        (void)pthread_mutex_unlock(&gate.mutex);
    }
    return gate.open(disk, name, flags, out, failure);
}

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) fail_msg("%s", failure->message);
}

// --- the server ----------------------------------------------------------------------------------

static void command_done(void *context, struct pipeline_command *command)
{
    compat_port_command_done(((struct world *)context)->ports.compat, command);
}

static void query_done(void *context, struct pipeline_query *query)
{
    struct world *world = context;
    if (world->asked_first == 0) world->asked_first = query->batches.batch_count;
    compat_port_query_done(world->ports.compat, query);
}

static void fatal(void *context, const struct failure *failure)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", failure->message);
    abort();
}

static void world_start(struct world *world)
{
    const struct genesis genesis = {
        .hash_key = {1, 2, 3, 4}, .created_at = 1000, .accounts_max = 8192, .holds_max = 4096};
    const struct pipeline_options options = {.checkpoint_bytes = world->checkpoint_bytes,
                                             .query_threads = 1};
    const struct pipeline_callbacks callbacks = {
        .context = world, .command_done = command_done, .query_done = query_done, .fatal = fatal};
    struct recovery_report report;
    struct failure failure;
    must(node_open(&world->node, &world->disk.disk, &genesis, 7, NULL, &report, &failure),
         &failure);
    world->ports = (struct ports){.node = &world->node, .watched_fd = -1};
    must(pipeline_new(&world->ports.pipeline, &world->node, &options, &callbacks, &failure),
         &failure);
    char address[80];
    (void)snprintf(address, sizeof address, "unix:%s", world->path);
    world->ports.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &world->ports};
    assert_int_equal(
        epoll_ctl(world->ports.epoll_fd, EPOLL_CTL_ADD, pipeline_fd(world->ports.pipeline), &event),
        0);
    must(listener_take(&world->listener, address, &failure), &failure);
    must(compat_port_new(&world->ports.compat, &world->listener, world->ports.epoll_fd,
                         world->ports.pipeline, &world->node.machine, &failure),
         &failure);
}

static void world_stop(struct world *world)
{
    ports_stop(&world->ports);
    ports_free(&world->ports);
    listener_close(&world->listener);
    node_free(&world->node);
}

// One round of the server, a millisecond later.
static void step(struct world *world)
{
    ports_await(&world->ports, 1);
    world->time += NS_PER_MS;
    (void)ports_turn(&world->ports, world->time, world->time);
}

// Closes the gate once the log has its files, which are made by writes too.
static void gate_close(struct world *world)
{
    for (u32 i = 0; !wal_is_prepared(&world->node.wal, WAL_FILES_AHEAD); i++) {
        if (i == STEPS_MAX) fail_msg("the log's files are not made");
        step(world);
    }
    gate_set(true);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    disk_memory_init(&world->disk, 1);
    world->operations = *world->disk.disk.operations;
    gate.write = world->operations.write;
    gate.open = world->operations.open;
    world->operations.write = gate_write;
    world->operations.open = gate_open;
    world->checkpoint_bytes = 192 * MIB;
    world->disk.disk.operations = &world->operations;
    (void)snprintf(world->path, sizeof world->path, "/tmp/tael-port-%d", (int)getpid());
    world->time = NS_PER_S;
    world_start(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    gate_set(false);
    gate_set_merge(false);
    world_stop(world);
    disk_memory_free(&world->disk);
    free(world);
    return 0;
}

// --- clients -------------------------------------------------------------------------------------

static struct peer peer_open(struct world *world, u64 client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, world->path, sizeof world->path);
    struct peer peer = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .client = client};
    assert_int_equal(connect(peer.fd, (const struct sockaddr *)&address, sizeof address), 0);
    step(world);
    return peer;
}

static void peer_send(struct world *world, const struct peer *peer, struct compat_header *header,
                      const void *body, u32 size)
{
    header->cluster = 0;
    compat_header_seal(header, body, size);
    assert_int_equal(send(peer->fd, header, sizeof *header, 0), sizeof *header);
    for (u32 sent = 0; sent < size;) {
        ssize_t put = send(peer->fd, (const u8 *)body + sent, size - sent, MSG_DONTWAIT);
        if (put > 0) sent += (u32)put;
        else step(world);
    }
}

// The next request of a peer's session; fields may be changed before it is sent.
static struct compat_header request_of(struct peer *peer, u8 operation)
{
    return (struct compat_header){
        .release = RELEASE,
        .command = COMPAT_COMMAND_REQUEST,
        .request = {.parent = peer->parent,
                    .client = peer->client,
                    .session = peer->session,
                    .request = operation == COMPAT_OPERATION_REGISTER ? 0 : peer->request + 1,
                    .operation = operation},
    };
}

// Waits for a message and receives it whole, its body into the world's.
static void peer_receive(struct world *world, struct peer *peer)
{
    u32 received = 0;
    u32 size = COMPAT_HEADER_SIZE;
    for (u32 i = 0; received < size; i++) {
        if (i == STEPS_MAX) fail_msg("no answer to client %u", (u32)peer->client);
        bool in_header = received < COMPAT_HEADER_SIZE;
        void *to = in_header ? (u8 *)&peer->answer + received
                             : world->body + received - COMPAT_HEADER_SIZE;
        size_t room = (in_header ? COMPAT_HEADER_SIZE : size) - received;
        ssize_t got = recv(peer->fd, to, room, MSG_DONTWAIT);
        if (got > 0) received += (u32)got;
        if (received == COMPAT_HEADER_SIZE) size = peer->answer.size;
        if (received < size) step(world);
    }
}

static bool peer_hears(struct world *world, struct peer *peer)
{
    u8 byte = 0;
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    return recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void expect_eviction(struct world *world, struct peer *peer,
                            enum compat_eviction_reason reason)
{
    peer_receive(world, peer);
    assert_int_equal(peer->answer.command, COMPAT_COMMAND_EVICTION);
    assert_int_equal(peer->answer.eviction.reason, reason);
}

static void expect_reply(struct world *world, struct peer *peer)
{
    peer_receive(world, peer);
    assert_int_equal(peer->answer.command, COMPAT_COMMAND_REPLY);
    if (peer->answer.reply.operation == COMPAT_OPERATION_REGISTER) {
        peer->session = peer->answer.reply.commit;
    }
    peer->request = peer->answer.reply.request;
    peer->parent = peer->answer.reply.context;
}

static void peer_send_register(struct world *world, struct peer *peer)
{
    struct compat_header header = request_of(peer, COMPAT_OPERATION_REGISTER);
    header.request.session = 0;
    header.request.parent = 0;
    memset(world->body, 0, COMPAT_REGISTER_REQUEST_SIZE);
    peer_send(world, peer, &header, world->body, COMPAT_REGISTER_REQUEST_SIZE);
}

static struct peer peer_register(struct world *world, u64 client)
{
    struct peer peer = peer_open(world, client);
    peer_send_register(world, &peer);
    expect_reply(world, &peer);
    return peer;
}

static void peer_send_lookup(struct world *world, struct peer *peer)
{
    struct compat_header header =
        request_of(peer, COMPAT_OPERATION_BASE + COMPAT_UNBATCHED_LOOKUP_TRANSFERS);
    memset(world->body, 1, sizeof(u128));
    peer_send(world, peer, &header, world->body, sizeof(u128));
}

static void peer_send_accounts(struct world *world, struct peer *peer, u32 first_id, u32 count)
{
    struct compat_header header =
        request_of(peer, COMPAT_OPERATION_BASE + COMPAT_UNBATCHED_CREATE_ACCOUNTS);
    for (u32 i = 0; i < count; i++) {
        const struct account account = {.id = first_id + i, .ledger = 1, .code = 1};
        memcpy(world->body + (size_t)i * sizeof account, &account, sizeof account);
    }
    peer_send(world, peer, &header, world->body, count * (u32)sizeof(struct account));
}

static void accounts_await(struct world *world, u32 count)
{
    for (u32 i = 0; world->node.machine.ledger.accounts.count < count; i++) {
        if (i == STEPS_MAX) fail_msg("%u accounts are not decided", count);
        step(world);
    }
}

// --- evictions -----------------------------------------------------------------------------------

static void test_requests_are_checked_in_the_references_order(void **state)
{
    struct world *world = *state;
    const u8 create = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    const u8 unknown = COMPAT_OPERATION_BASE + COMPAT_OPERATION_COUNT;
    const u8 registers = COMPAT_OPERATION_REGISTER;
    const struct {
        u32 release;
        u8 operation;
        u32 size;
        u8 byte; // Of the body.
        enum compat_eviction_reason reason;
    } rows[] = {
        {compat_release(0, 16, 3), unknown, 7, 1, COMPAT_EVICTION_RELEASE_TOO_LOW},
        {compat_release(0, 18, 0), unknown, 7, 1, COMPAT_EVICTION_RELEASE_TOO_HIGH},
        {RELEASE, unknown, 7, 1, COMPAT_EVICTION_INVALID_OPERATION},
        {RELEASE, create, 7, 1, COMPAT_EVICTION_INVALID_BODY},
        {RELEASE, create, 128, 1, COMPAT_EVICTION_INVALID_BODY},
        {RELEASE, registers, 0, 0, COMPAT_EVICTION_INVALID_BODY_SIZE},
        {RELEASE, registers, 128, 1, COMPAT_EVICTION_INVALID_BODY_SIZE},
        {RELEASE, registers, 256, 1, COMPAT_EVICTION_INVALID_BODY},
        {RELEASE, COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS, 0, 0,
         COMPAT_EVICTION_INVALID_BODY},
        {RELEASE, COMPAT_OPERATION_BASE + COMPAT_UNBATCHED_LOOKUP_ACCOUNTS, 0, 0,
         COMPAT_EVICTION_NO_SESSION},
    };
    struct peer peer = peer_open(world, 5);
    peer.session = 9;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct compat_header header = request_of(&peer, rows[i].operation);
        header.release = rows[i].release;
        if (rows[i].operation == registers) header.request.session = 0;
        memset(world->body, rows[i].byte, rows[i].size);
        peer_send(world, &peer, &header, world->body, rows[i].size);
        expect_eviction(world, &peer, rows[i].reason);
        assert_true(peer.answer.eviction.client == peer.client);
    }
    (void)close(peer.fd);
}

static void test_a_request_must_be_of_its_session(void **state)
{
    struct world *world = *state;
    const u8 lookup = COMPAT_OPERATION_BASE + COMPAT_UNBATCHED_LOOKUP_ACCOUNTS;
    struct peer other = peer_register(world, 4);
    struct peer peer = peer_register(world, 5);
    assert_true(peer.session > other.session);
    struct compat_header header = request_of(&peer, lookup);
    header.request.session = other.session;
    header.release = RELEASE - 1; // The session is looked at first.
    peer_send(world, &peer, &header, NULL, 0);
    expect_eviction(world, &peer, COMPAT_EVICTION_SESSION_TOO_LOW);
    header.request.session = peer.session + 1;
    peer_send(world, &peer, &header, NULL, 0);
    assert_false(peer_hears(world, &peer));
    header.request.session = peer.session;
    header.request.request = 77; // The release before the number.
    peer_send(world, &peer, &header, NULL, 0);
    expect_eviction(world, &peer, COMPAT_EVICTION_SESSION_RELEASE_MISMATCH);
    header.release = RELEASE;
    peer_send(world, &peer, &header, NULL, 0);
    assert_false(peer_hears(world, &peer));
    peer_send_lookup(world, &peer);
    expect_reply(world, &peer);
    // The release of the session is in the log.
    world_stop(world);
    (void)close(peer.fd);
    (void)close(other.fd);
    world_start(world);
    struct peer again = peer_open(world, 5);
    header = request_of(&peer, lookup);
    header.release = RELEASE - 1;
    peer_send(world, &again, &header, NULL, 0);
    expect_eviction(world, &again, COMPAT_EVICTION_SESSION_RELEASE_MISMATCH);
    (void)close(again.fd);
}

// --- who goes ------------------------------------------------------------------------------------

static void peers_register(struct world *world, struct peer peers[PEERS_MAX])
{
    for (u32 i = 0; i < PEERS_MAX; i++) peers[i] = peer_register(world, 100 + i);
}

static void peers_close(struct peer peers[PEERS_MAX])
{
    for (u32 i = 0; i < PEERS_MAX; i++) (void)close(peers[i].fd);
}

static void test_who_only_asks_is_not_silent(void **state)
{
    struct world *world = *state;
    struct peer peers[PEERS_MAX];
    peers_register(world, peers);
    peer_send_lookup(world, &peers[0]);
    expect_reply(world, &peers[0]);
    // Two come at once: the two that were silent for longest go, not one twice.
    struct peer more[2] = {peer_open(world, 900), peer_open(world, 901)};
    for (u32 i = 0; i < 2; i++) peer_send_register(world, &more[i]);
    for (u32 i = 0; i < 2; i++) expect_reply(world, &more[i]);
    for (u32 i = 0; i < 5; i++) {
        peer_send_lookup(world, &peers[i]);
        if (i == 1 || i == 2) expect_eviction(world, &peers[i], COMPAT_EVICTION_NO_SESSION);
        else expect_reply(world, &peers[i]);
    }
    for (u32 i = 0; i < 2; i++) (void)close(more[i].fd);
    peers_close(peers);
    world_stop(world);
    world_start(world);
    assert_non_null(machine_session(&world->node.machine, 100));
    assert_null(machine_session(&world->node.machine, 101));
    assert_null(machine_session(&world->node.machine, 102));
}

// Sessions of calls that come and go take the places of one another, not that of a client that is
// connected and silent.
static void test_who_is_gone_goes_before_who_is_silent(void **state)
{
    struct world *world = *state;
    struct peer idle = peer_register(world, 99);
    for (u32 i = 0; i < 2 * PEERS_MAX; i++) {
        struct peer peer = peer_register(world, 100 + i);
        (void)close(peer.fd);
        for (u32 j = 0; compat_port_connections(world->ports.compat) > 1; j++) {
            if (j == STEPS_MAX) fail_msg("a connection that was closed stays");
            step(world);
        }
    }
    peer_send_lookup(world, &idle);
    expect_reply(world, &idle);
    (void)close(idle.fd);
}

static void test_an_eviction_is_told_once_its_cause_is_durable(void **state)
{
    struct world *world = *state;
    struct peer peers[PEERS_MAX];
    peers_register(world, peers);
    gate_close(world);
    // Too large to be written by this thread; the next frame is closed because there is enough.
    peer_send_accounts(world, &peers[1], 1, MANY);
    accounts_await(world, MANY);
    struct peer late = peer_open(world, 900);
    u32 room = pipeline_room(world->ports.pipeline);
    peer_send_register(world, &late);
    for (u32 i = 0; i < STEPS_MAX && pipeline_room(world->ports.pipeline) == room; i++) step(world);
    peer_send_accounts(world, &peers[2], MANY + 1, MANY);
    accounts_await(world, 2 * MANY);
    assert_non_null(machine_session(&world->node.machine, 900));
    assert_null(machine_session(&world->node.machine, peers[0].client));
    peer_send_lookup(world, &peers[0]);
    struct compat_header ping = {.release = RELEASE,
                                 .command = COMPAT_COMMAND_PING_CLIENT,
                                 .ping = {.client = peers[0].client, .session = peers[0].session}};
    peer_send(world, &peers[0], &ping, NULL, 0);
    peer_receive(world, &peers[0]);
    assert_int_equal(peers[0].answer.command, COMPAT_COMMAND_PONG_CLIENT);
    assert_false(peer_hears(world, &peers[0]));
    assert_false(peer_hears(world, &late));
    gate_set(false);
    expect_reply(world, &late);
    expect_reply(world, &peers[1]);
    expect_reply(world, &peers[2]);
    peer_send_lookup(world, &peers[0]);
    expect_eviction(world, &peers[0], COMPAT_EVICTION_NO_SESSION);
    (void)close(late.fd);
    peers_close(peers);
}

// --- questions -----------------------------------------------------------------------------------

static void test_a_message_of_many_questions_lets_others_pass(void **state)
{
    struct world *world = *state;
    enum { QUESTIONS = 1000 };
    u16 counts[QUESTIONS];
    for (u32 i = 0; i < QUESTIONS; i++) counts[i] = 1;
    struct peer peers[3] = {peer_register(world, 1), peer_register(world, 2),
                            peer_register(world, 3)};
    // Both wait until what was told before them is durable.
    gate_close(world);
    peer_send_accounts(world, &peers[0], 1, MANY);
    accounts_await(world, MANY);
    struct compat_header header =
        request_of(&peers[1], COMPAT_OPERATION_BASE + COMPAT_QUERY_ACCOUNTS);
    for (u32 i = 0; i < QUESTIONS; i++) {
        const struct query_filter filter = {.limit = 3, .timestamp_min = i + 1};
        memcpy(world->body + i * sizeof filter, &filter, sizeof filter);
    }
    u32 size = compat_trailer_write(world->body, QUESTIONS * sizeof(struct query_filter),
                                    sizeof(struct query_filter), counts, QUESTIONS);
    peer_send(world, &peers[1], &header, world->body, size);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    peer_send_lookup(world, &peers[2]);
    assert_false(peer_hears(world, &peers[2]));
    gate_set(false);
    expect_reply(world, &peers[0]);
    expect_reply(world, &peers[2]);
    expect_reply(world, &peers[1]);
    assert_int_equal(world->asked_first, 1);
    u32 payload = QUESTIONS * 3 * (u32)sizeof(struct account);
    assert_int_equal(peers[1].answer.size,
                     COMPAT_HEADER_SIZE + payload +
                         compat_trailer_size(QUESTIONS, sizeof(struct account)));
    for (u32 i = 0; i < 3; i++) (void)close(peers[i].fd);
}

// Accounts are made between the question and the answer: it shows them all, in its order, since it
// shows every balance as of then.
static void test_a_query_of_accounts_shows_one_state(void **state)
{
    struct world *world = *state;
    const u16 counts[2] = {1, 1};
    const struct query_filter filters[2] = {
        {.ledger = 1, .limit = 3, .flags = QUERY_FILTER_REVERSED}, {.code = 1, .limit = 8000}};
    struct peer peers[3] = {peer_register(world, 1), peer_register(world, 2),
                            peer_register(world, 3)};
    gate_close(world);
    peer_send_accounts(world, &peers[0], 1, MANY);
    accounts_await(world, MANY);
    struct compat_header header =
        request_of(&peers[1], COMPAT_OPERATION_BASE + COMPAT_QUERY_ACCOUNTS);
    memcpy(world->body, filters, sizeof filters);
    peer_send(world, &peers[1], &header, world->body,
              compat_trailer_write(world->body, sizeof filters, sizeof filters[0], counts, 2));
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    peer_send_accounts(world, &peers[2], MANY + 1, MANY);
    accounts_await(world, 2 * MANY);
    gate_set(false);
    expect_reply(world, &peers[1]);
    const struct account *accounts = (const void *)world->body;
    const u32 size = (3 + 2 * MANY) * (u32)sizeof *accounts;
    assert_int_equal(peers[1].answer.size,
                     COMPAT_HEADER_SIZE + size + compat_trailer_size(2, sizeof *accounts));
    assert_int_equal(peers[1].answer.reply.commit, world->node.machine.position);
    for (u32 i = 0; i < 3; i++) assert_int_equal((u64)accounts[i].id, 2 * MANY - i);
    for (u32 i = 0; i < 2 * MANY; i++) assert_int_equal((u64)accounts[3 + i].id, i + 1);
    expect_reply(world, &peers[0]);
    expect_reply(world, &peers[2]);
    for (u32 i = 0; i < 3; i++) (void)close(peers[i].fd);
}

// --- buffers -------------------------------------------------------------------------------------

static struct buffer *buffers_take_all(struct world *world)
{
    struct buffer *all = NULL;
    for (struct buffer *buffer = NULL; (buffer = buffer_take(world->ports.pipeline)) != NULL;) {
        buffer->next = all;
        all = buffer;
    }
    return all;
}

static void buffers_give_all(struct world *world, struct buffer *all)
{
    while (all != NULL) {
        struct buffer *buffer = all;
        all = buffer->next;
        buffer_give(world->ports.pipeline, buffer);
    }
}

static void test_connections_go_on_when_buffers_return(void **state)
{
    struct world *world = *state;
    struct peer peers[3] = {peer_register(world, 1), peer_register(world, 2),
                            peer_register(world, 3)};
    struct buffer *all = buffers_take_all(world);
    // A message without a body, a small one behind another, a large one: none goes on by itself.
    struct compat_header ping = {
        .release = RELEASE, .command = COMPAT_COMMAND_PING_CLIENT, .ping = {.client = 1}};
    peer_send(world, &peers[0], &ping, NULL, 0);
    struct compat_header odd = ping;
    odd.replica = 1; // Is passed over, once there is a buffer.
    peer_send(world, &peers[1], &odd, NULL, 0);
    peer_send_lookup(world, &peers[1]);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    peer_send_accounts(world, &peers[2], 1, 300);
    for (u32 i = 0; i < 3; i++) assert_false(peer_hears(world, &peers[i]));
    buffers_give_all(world, all);
    // Nothing more is sent.
    peer_receive(world, &peers[0]);
    assert_int_equal(peers[0].answer.command, COMPAT_COMMAND_PONG_CLIENT);
    expect_reply(world, &peers[1]);
    expect_reply(world, &peers[2]);
    for (u32 i = 0; i < 3; i++) (void)close(peers[i].fd);
}

// What is read behind a round of the pipeline is looked at in the next one, which is at once,
// though the same connection waits again for a buffer.
static void test_what_is_read_when_a_buffer_returns_is_not_left(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_open(world, 1);
    struct buffer *all = buffers_take_all(world);
    struct compat_header ping = {
        .release = RELEASE, .command = COMPAT_COMMAND_PING_CLIENT, .ping = {.client = 1}};
    const u32 room = pipeline_room(world->ports.pipeline);
    peer_send_register(world, &peer);
    peer_send(world, &peer, &ping, NULL, 0);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    while (pipeline_room(world->ports.pipeline) == room) {
        struct buffer *buffer = all;
        if (buffer == NULL) fail_msg("the request is not read");
        all = buffer->next;
        buffer_give(world->ports.pipeline, buffer);
        step(world);
    }
    assert_int_equal(world->ports.wait, 0);
    buffers_give_all(world, all);
    u32 told = 0; // Whichever is first.
    for (u32 i = 0; i < 2; i++) {
        peer_receive(world, &peer);
        told |= 1u << peer.answer.command;
    }
    assert_int_equal(told, 1u << COMPAT_COMMAND_REPLY | 1u << COMPAT_COMMAND_PONG_CLIENT);
    (void)close(peer.fd);
}

// Without a descriptor for it whoever comes waits, and the server does not turn round about that.
static void test_who_cannot_be_let_in_waits(void **state)
{
    struct world *world = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct peer peer = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .client = 1};
    struct rlimit limit;
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    memcpy(address.sun_path, world->path, sizeof world->path);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int result = connect(peer.fd, (const struct sockaddr *)&address, sizeof address);
    step(world);
    ports_await(&world->ports, 0);
    const u32 events = world->ports.event_count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(result, 0);
    assert_int_equal(events, 0);
    assert_int_equal(compat_port_connections(world->ports.compat), 0);
    peer_send_register(world, &peer);
    expect_reply(world, &peer); // Behind a tick.
    (void)close(peer.fd);
}

static void test_who_leaves_while_it_waits_is_let_go(void **state)
{
    struct world *world = *state;
    struct peer peer = peer_open(world, 1);
    struct buffer *all = buffers_take_all(world);
    peer_send_register(world, &peer);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    assert_int_equal(compat_port_connections(world->ports.compat), 1);
    (void)close(peer.fd);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    assert_int_equal(compat_port_connections(world->ports.compat), 0);
    buffers_give_all(world, all);
}

// --- background work -----------------------------------------------------------------------------

// One more request of half a MiB.
static struct pipeline_stats more_is_logged(struct world *world, struct peer *peer)
{
    struct pipeline_stats stats;
    peer_send_accounts(world, peer, 1, 4000);
    expect_reply(world, peer);
    pipeline_stats(world->ports.pipeline, &stats);
    if (stats.seals > 0) gate_set_merge(true);
    return stats;
}

static void test_a_long_merge_does_not_hold_up_checkpoints(void **state)
{
    struct world *world = *state;
    world_stop(world);
    world->checkpoint_bytes = MIB;
    world_start(world);
    struct peer peer = peer_register(world, 1);
    struct pipeline_stats stats = {0};
    for (u32 i = 0; i < 500 && !gate_merge_waits(); i++) stats = more_is_logged(world, &peer);
    assert_true(gate_merge_waits());
    u64 before = stats.checkpoints;
    for (u32 i = 0; i < 500 && stats.checkpoints < before + 3; i++) {
        stats = more_is_logged(world, &peer);
    }
    assert_true(stats.checkpoints >= before + 3);
    assert_int_equal(stats.merges, 0);
    gate_set_merge(false);
    for (u32 i = 0; i < STEPS_MAX && stats.merges == 0; i++) {
        step(world);
        pipeline_stats(world->ports.pipeline, &stats);
    }
    assert_true(stats.merges > 0);
    (void)close(peer.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests_are_checked_in_the_references_order),
        TEST(test_a_request_must_be_of_its_session),
        TEST(test_who_only_asks_is_not_silent),
        TEST(test_who_is_gone_goes_before_who_is_silent),
        TEST(test_an_eviction_is_told_once_its_cause_is_durable),
        TEST(test_a_message_of_many_questions_lets_others_pass),
        TEST(test_a_query_of_accounts_shows_one_state),
        TEST(test_connections_go_on_when_buffers_return),
        TEST(test_what_is_read_when_a_buffer_returns_is_not_left),
        TEST(test_who_cannot_be_let_in_waits),
        TEST(test_who_leaves_while_it_waits_is_let_go),
        TEST(test_a_long_merge_does_not_hold_up_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
