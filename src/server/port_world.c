// SPDX-License-Identifier: Apache-2.0
//
// The server of tests of the tael port.
#include "server/port_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

// While it is closed, writes wait.
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool closed;
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

static void die(const char *format, ...) PRINTF_LIKE(1, 2);
static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    abort();
}

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) die("%s", failure->message);
}

// --- the server ----------------------------------------------------------------------------------

static void command_done(void *context, struct pipeline_command *command)
{
    struct port_world *world = context;
    if (command->entry.record >= COMMAND_MODULES) {
        world->logged = command->entry;
        tael_port_command_done(world->ports.tael, command);
        return;
    }
    buffer_give(world->ports.pipeline, command->reply);
    world->raw_done++;
}

static void query_done(void *context, struct pipeline_query *query)
{
    tael_port_query_done(((struct port_world *)context)->ports.tael, query);
}

static void fatal(void *context, const struct failure *failure)
{
    (void)context;
    die("%s", failure->message);
}

void port_world_step(struct port_world *world)
{
    ports_await(&world->ports, 1);
    world->time += NS_PER_MS;
    (void)ports_turn(&world->ports, world->time, world->time);
}

u32 port_world_buffers(struct port_world *world)
{
    struct buffer *all = NULL;
    u32 count = 0;
    for (struct buffer *buffer = NULL; (buffer = buffer_take(world->ports.pipeline)) != NULL;
         count++) {
        buffer->next = all;
        all = buffer;
    }
    while (all != NULL) {
        struct buffer *buffer = all;
        all = buffer->next;
        buffer_give(world->ports.pipeline, buffer);
    }
    return count;
}

// Waits until every buffer is given back: nobody leaked one.
void port_world_buffers_await(struct port_world *world)
{
    for (u32 i = 0; port_world_buffers(world) < world->buffers; i++) {
        if (i == PORT_WORLD_STEPS_MAX)
            die("%u buffers are lost", world->buffers - port_world_buffers(world));
        port_world_step(world);
    }
}

void port_world_start(struct port_world *world)
{
    const struct genesis genesis = {.hash_key = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                 0x94d049bb133111eb, 0xd6e8feb86659fd93},
                                    .created_at = 1000,
                                    .accounts_max = 8192,
                                    .holds_max = 4096,
                                    .flags = GENESIS_SAMPLE};
    const struct pipeline_options options = {.checkpoint_bytes = 192 * MIB,
                                             .space_reserve = world->space_reserve,
                                             .query_threads = 1,
                                             .turn_looks = 2};
    const struct pipeline_callbacks callbacks = {
        .context = world, .command_done = command_done, .query_done = query_done, .fatal = fatal};
    struct recovery_report report;
    struct failure failure;
    must(node_open(&world->node, &world->disk.disk, &genesis, 7, NULL, &report, &failure),
         &failure);
    world->ports = (struct ports){.node = &world->node, .watched_fd = -1};
    must(pipeline_new(&world->ports.pipeline, &world->node, &options, &callbacks, &failure),
         &failure);
    world->buffers = port_world_buffers(world);
    char address[80];
    (void)snprintf(address, sizeof address, "unix:%s", world->path);
    world->ports.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &world->ports};
    int result =
        epoll_ctl(world->ports.epoll_fd, EPOLL_CTL_ADD, pipeline_fd(world->ports.pipeline), &event);
    assert(result == 0);
    must(listener_take(&world->listener, address, &failure), &failure);
    must(tael_port_new(&world->ports.tael, &world->listener, world->ports.epoll_fd, &world->node,
                       world->ports.pipeline, &failure),
         &failure);
}

void port_world_stop(struct port_world *world)
{
    ports_stop(&world->ports);
    ports_free(&world->ports);
    listener_close(&world->listener);
    node_free(&world->node);
}

// Closes the gate once the log has its files, which are made by writes too.
void port_world_gate_close(struct port_world *world)
{
    for (u32 i = 0; !wal_is_prepared(&world->node.wal, WAL_FILES_AHEAD); i++) {
        if (i == PORT_WORLD_STEPS_MAX) die("the log's files are not made");
        port_world_step(world);
    }
    gate_set(true);
}

// Logs a command of no port, and waits for it.
static void raw_run(struct port_world *world, const struct frame_command *entry, const void *body)
{
    u32 before = world->raw_done;
    struct pipeline_command command = {.entry = *entry, .body = buffer_take(world->ports.pipeline)};
    memset(buffer_body(command.body), 0, align_up(entry->body_size + 1, PAGE_SIZE));
    memcpy(buffer_body(command.body), body, entry->body_size);
    pipeline_add(world->ports.pipeline, &command);
    for (u32 i = 0; world->raw_done == before; i++) {
        if (i == PORT_WORLD_STEPS_MAX) die("a command of the ledger is not answered");
        port_world_step(world);
    }
}

static void accounts_make(struct port_world *world)
{
    const struct frame_command session = {
        .record = COMMAND_REGISTER, .version = 1, .command_id = 99, .operation = 2};
    raw_run(world, &session, "");
    u8 body[3 * 128] = {0};
    for (u32 i = 0; i < 2; i++) {
        const struct account account = {.id = PORT_WORLD_PAYER + i, .ledger = 7, .code = 1};
        memcpy(body + (size_t)i * sizeof account, &account, sizeof account);
    }
    const u16 counts[1] = {2};
    const struct frame_command create = {
        .record = COMMAND_COMPAT,
        .version = 1,
        .body_size = compat_trailer_write(body, 2 * 128, 128, counts, 1),
        .operation = COMPAT_OPERATION_BASE + COMPAT_CREATE_ACCOUNTS,
        .command_id = 99,
        .session = world->node.machine.position,
        .request = 1,
    };
    raw_run(world, &create, body);
    assert(world->node.machine.ledger.accounts.count == 2);
}

void port_world_begin(struct port_world *world)
{
    memset(world, 0, sizeof *world);
    disk_memory_init(&world->disk, 1);
    world->operations = *world->disk.disk.operations;
    gate.write = world->operations.write;
    world->operations.write = gate_write;
    world->disk.disk.operations = &world->operations;
    (void)snprintf(world->path, sizeof world->path, "/tmp/tael-port-%d", (int)getpid());
    world->time = NS_PER_S;
    port_world_start(world);
    accounts_make(world);
}

void port_world_end(struct port_world *world)
{
    port_world_gate_open();
    port_world_buffers_await(world);
    port_world_stop(world);
    disk_memory_free(&world->disk);
}

void port_world_crash(struct port_world *world)
{
    port_world_gate_open(); // Some of what waits becomes durable, and is not answered.
    ports_free(&world->ports);
    listener_close(&world->listener);
    node_free(&world->node);
    disk_memory_crash(&world->disk, DISK_CRASH_LOSE_ALL);
    port_world_start(world);
}

void port_world_gate_open(void)
{
    gate_set(false);
}

u128 port_world_debits(const struct port_world *world)
{
    const struct ledger *ledger = &world->node.machine.ledger;
    return ledger_account(ledger, ledger_account_row(ledger, PORT_WORLD_PAYER))->debits_posted;
}
