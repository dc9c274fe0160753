// SPDX-License-Identifier: Apache-2.0
//
// The server that valid and changed messages are sent to.
#include "server_world.h"

#include "fuzz.h"

#include "base/checksum.h"
#include "machine/commit.h"
#include "machine/verify.h"
#include "os/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Rows of machine_tables: they note what was refused, too.
enum { TABLE_SESSIONS = 2, TABLE_NOTES = 3 };

// Of a round: what is held back for its sort for a moment goes on.
#define STEP_NS 20000u

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) (void)fprintf(stderr, "%s\n", failure->message);
    FUZZ_CHECK(status == STATUS_OK);
}

// In the place of the server's own: that messages make no sense is news for who looks for a cause
// alone (FUZZ_TRACE=1).
void trace(enum trace_level level, const char *format, ...)
{
    char line[1200];
    va_list arguments;
    (void)level;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (getenv("FUZZ_TRACE") != NULL) (void)fprintf(stderr, "%s\n", line);
}

// --- the server ----------------------------------------------------------------------------------

static void command_done(void *context, struct pipeline_command *command)
{
    struct world *world = context;
    if (command->entry.record >= COMMAND_MODULES)
        tael_port_command_done(world->ports.tael, command);
    else compat_port_command_done(world->ports.compat, command);
}

static void query_done(void *context, struct pipeline_query *query)
{
    struct world *world = context;
    if (query->question != NULL) tael_port_query_done(world->ports.tael, query);
    else compat_port_query_done(world->ports.compat, query);
}

// Nothing that comes over a socket may end the process.
static void fatal(void *context, const struct failure *failure)
{
    (void)context;
    must(STATUS_CORRUPT, failure);
    abort();
}

static void address_of(char *out, size_t size, const char *port)
{
    const char *folder = getenv("TMPDIR");
    (void)snprintf(out, size, "unix:%s/tael-fuzz-%d-%s", folder == NULL ? "/tmp" : folder,
                   (int)getpid(), port);
}

static void ports_start(struct world *world)
{
    char address[100];
    struct failure failure;
    address_of(address, sizeof address, "tael");
    must(listener_take(&world->tael_listener, address, &failure), &failure);
    must(tael_port_new(&world->ports.tael, &world->tael_listener, world->ports.epoll_fd,
                       &world->node, world->ports.pipeline, &failure),
         &failure);
    address_of(address, sizeof address, "compat");
    must(listener_take(&world->compat_listener, address, &failure), &failure);
    must(compat_port_new(&world->ports.compat, &world->compat_listener, world->ports.epoll_fd,
                         world->ports.pipeline, &world->node.machine, &failure),
         &failure);
}

static u32 buffers_free(struct world *world)
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

static void world_start(struct world *world)
{
    const struct genesis genesis = {.hash_key = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                 0x94d049bb133111eb, 0xd6e8feb86659fd93},
                                    .created_at = NS_PER_S,
                                    .accounts_max = 1u << 16,
                                    .holds_max = 1u << 14,
                                    .flags = GENESIS_SAMPLE | GENESIS_ARMED};
    const struct pipeline_options options = {
        .checkpoint_bytes = 192 * MIB, .query_threads = 1, .turn_looks = 16};
    const struct pipeline_callbacks callbacks = {
        .context = world, .command_done = command_done, .query_done = query_done, .fatal = fatal};
    struct recovery_report report;
    struct failure failure;
    memset(&world->node, 0, sizeof world->node);
    world->ports = (struct ports){.node = &world->node, .watched_fd = -1};
    must(node_open(&world->node, &world->disk.disk, &genesis, 7, NULL, &report, &failure),
         &failure);
    must(pipeline_new(&world->ports.pipeline, &world->node, &options, &callbacks, &failure),
         &failure);
    world->buffers = buffers_free(world);
    world->ports.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &world->ports};
    FUZZ_CHECK(epoll_ctl(world->ports.epoll_fd, EPOLL_CTL_ADD, pipeline_fd(world->ports.pipeline),
                         &event) == 0);
    ports_start(world);
    world->plain_clients = 0;
}

// Of the machine behind its last frame goes to `state`.
static void world_stop(struct world *world, bool is_crash, struct digest *state)
{
    if (is_crash) pipeline_halt(world->ports.pipeline);
    else ports_stop(&world->ports);
    machine_state_digest(&world->node.machine, state);
    ports_free(&world->ports);
    listener_close(&world->tael_listener);
    listener_close(&world->compat_listener);
    node_free(&world->node);
}

void world_begin(struct world *world)
{
    memset(world, 0, sizeof *world);
    disk_memory_init(&world->disk, 1);
    world->now = 1000 * NS_PER_S;
    world_start(world);
}

void world_step(struct world *world, int wait_ms)
{
    ports_await(&world->ports, wait_ms);
    world->now += STEP_NS;
    (void)ports_turn(&world->ports, world->now, world->now);
}

// --- at rest -------------------------------------------------------------------------------------

static bool is_at_rest(struct world *world)
{
    struct pipeline_stats stats;
    pipeline_stats(world->ports.pipeline, &stats);
    const struct machine *machine = &world->node.machine;
    return stats.position_told == machine->position &&
           stats.sequence_indexed == machine->sequence && machine_next_tick(machine) > world->now;
}

void world_rest(struct world *world)
{
    for (u32 i = 0; !is_at_rest(world); i++) {
        FUZZ_CHECK(i < WORLD_ROUNDS_MAX);
        world_step(world, 1);
    }
}

// Nobody is connected any more: no buffer is out but the last reply of each plain client.
static void buffers_await(struct world *world)
{
    for (u32 i = 0; buffers_free(world) + world->plain_clients < world->buffers; i++) {
        FUZZ_CHECK(i < WORLD_ROUNDS_MAX);
        world_step(world, 1);
    }
}

void world_check(struct world *world)
{
    machine_check(&world->node.machine);
}

u128 world_state(struct world *world)
{
    struct machine_table tables[MACHINE_TABLES_MAX];
    const u32 count = machine_tables(&world->node.machine, tables);
    u128 sums[2 * MACHINE_TABLES_MAX] = {0};
    for (u32 i = 0; i < count; i++) {
        const struct table *table = tables[i].table;
        if (tables[i].id == TABLE_SESSIONS || tables[i].id == TABLE_NOTES) continue;
        sums[2 * i] = table->count;
        if (table->count == 0) continue;
        sums[2 * i + 1] = checksum(table_record(table, 0), table->count * table->record_size);
    }
    return checksum(sums, sizeof sums);
}

void world_restart(struct world *world, bool is_crash)
{
    struct digest before;
    struct digest after;
    buffers_await(world);
    world_stop(world, is_crash, &before);
    if (is_crash) disk_memory_crash(&world->disk, DISK_CRASH_LOSE_ALL);
    world_start(world);
    machine_state_digest(&world->node.machine, &after);
    FUZZ_CHECK(memcmp(&before, &after, sizeof before) == 0);
}

void world_end(struct world *world)
{
    static struct disk_memory scratch;
    struct verify_report report;
    struct failure failure;
    struct digest state;
    world_stop(world, false, &state);
    disk_memory_init(&scratch, 1);
    must(verify_folder(&world->disk.disk, NULL, &report, &failure), &failure);
    must(verify_replay(&world->disk.disk, &scratch.disk, NULL, &report, &failure), &failure);
    FUZZ_CHECK(memcmp(&state, &report.replayed_state, sizeof state) == 0);
    disk_memory_free(&scratch);
    disk_memory_free(&world->disk);
}

int world_connect(struct world *world, bool is_compat)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct listener *listener = is_compat ? &world->compat_listener : &world->tael_listener;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", listener->path);
    FUZZ_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    world_step(world, 0);
    return fd;
}
