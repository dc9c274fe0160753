// SPDX-License-Identifier: Apache-2.0
//
// Both ports above one pipeline, round after round.
#include "server/ports.h"

#include "machine/commit.h"
#include "modules/effect/effect.h"
#include "os/trace.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

// Between looks at connections that stand still.
#define TICK_NS NS_PER_S
// Of a stop: a client of this machine that reads at all has taken by then what a port keeps for it,
// which is 64 MiB at most; nobody else holds the stop up for longer. Sockets are looked at so often
// meanwhile.
#define FLUSH_NS       NS_PER_S
#define FLUSH_PAUSE_NS NS_PER_MS
// The command by which a copy is disarmed: nobody's answer, and why.
#define COPY_TOKEN  U64_MAX
#define COPY_REASON 1u

// The log says that it is a copy, and that is durable.
static void copy_told(struct ports *ports, struct pipeline_command *command)
{
    struct command_reply reply;
    assert(command->applied.reply_size == sizeof reply);
    memcpy(&reply, buffer_body(command->reply), sizeof reply);
    assert(reply.result == MODULE_DONE);
    buffer_give(ports->pipeline, command->reply);
    ports->options.copy_told(ports->options.context);
}

static void command_done(void *context, struct pipeline_command *command)
{
    struct ports *ports = context;
    if (command->token == COPY_TOKEN &&
        command->entry.record == effect_schema_effect_disarm.number) {
        copy_told(ports, command);
        return;
    }
    if (command->entry.record >= COMMAND_MODULES) tael_port_command_done(ports->tael, command);
    else compat_port_command_done(ports->compat, command);
}

static void query_done(void *context, struct pipeline_query *query)
{
    struct ports *ports = context;
    if (query->question != NULL) tael_port_query_done(ports->tael, query);
    else compat_port_query_done(ports->compat, query);
}

static void fatal(void *context, const struct failure *failure)
{
    struct ports *ports = context;
    ports->options.fatal(ports->options.context, failure);
}

// The first command of a copy.
static enum status copy_disarm(struct ports *ports, struct failure *failure)
{
    const struct effect_disarm disarm = {.reason = COPY_REASON, .copied = true};
    struct pipeline_command command = {
        .entry = {.record = (u16)effect_schema_effect_disarm.number,
                  .version = 1,
                  .body_size = sizeof disarm,
                  .count = 1},
        .body = buffer_take(ports->pipeline),
        .token = COPY_TOKEN,
    };
    u128 *id = &command.entry.command_id;
    assert(command.body != NULL); // Nobody else has one yet.
    memset(buffer_body(command.body), 0, PAGE_SIZE);
    memcpy(buffer_body(command.body), &disarm, sizeof disarm);
    if (getrandom(id, sizeof *id, 0) != (ssize_t)sizeof *id) {
        return failure_set_errno(failure, STATUS_IO, errno, "asking for random bytes");
    }
    pipeline_add(ports->pipeline, &command);
    return STATUS_OK;
}

static enum status descriptor_watch(struct ports *ports, int fd, void *pointer, const char *what,
                                    struct failure *failure)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};
    if (epoll_ctl(ports->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "watching %s", what);
}

static enum status pipeline_start(struct ports *ports, struct failure *failure)
{
    const struct pipeline_callbacks callbacks = {
        .context = ports,
        .command_done = command_done,
        .query_done = query_done,
        .fatal = fatal,
    };
    ports->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ports->epoll_fd < 0) return failure_set_errno(failure, STATUS_IO, errno, "epoll_create1");
    enum status status =
        pipeline_new(&ports->pipeline, ports->node, &ports->options.pipeline, &callbacks, failure);
    if (status != STATUS_OK) return status;
    status = descriptor_watch(ports, pipeline_fd(ports->pipeline), ports, "the pipeline", failure);
    if (status == STATUS_OK && ports->options.is_copy) status = copy_disarm(ports, failure);
    return status;
}

enum status ports_open(struct ports *ports, struct node *node, const struct ports_options *options,
                       struct failure *failure)
{
    *ports = (struct ports){.options = *options, .node = node, .epoll_fd = -1, .watched_fd = -1};
    frame_clock_start(&ports->clock, clock_wall(), clock_steady(), node->machine.timestamp);
    enum status status = pipeline_start(ports, failure);
    if (status == STATUS_OK) {
        status = compat_port_new(&ports->compat, options->compat, ports->epoll_fd, ports->pipeline,
                                 &node->machine, failure);
    }
    if (status == STATUS_OK && options->tael->fd >= 0) {
        status = tael_port_new(&ports->tael, options->tael, ports->epoll_fd, node, ports->pipeline,
                               failure);
    }
    if (status != STATUS_OK) ports_free(ports);
    return status;
}

enum status ports_watch(struct ports *ports, int fd, struct failure *failure)
{
    ports->watched_fd = fd;
    return descriptor_watch(ports, fd, &ports->watched_fd, "signals", failure);
}

// The time of frames. What the wall clock does is told when it begins and when it ends.
static u64 time_read(struct ports *ports, u64 steady)
{
    bool refused = ports->clock.refused;
    u64 time = frame_clock_read(&ports->clock, clock_wall(), steady);
    if (ports->clock.refused == refused) return time;
    if (refused) {
        trace(TRACE_INFO, "the wall clock is near the time of frames again, and is followed");
    } else {
        const struct frame_clock *clock = &ports->clock;
        trace(TRACE_ERROR, "the wall clock is %llu s %s the time of frames and is not followed; %s",
              (unsigned long long)(clock->apart / NS_PER_S),
              clock->is_ahead ? "ahead of" : "behind",
              clock->is_ahead ? "when it is right, start the server anew"
                              : "time goes on from the last frame");
    }
    return time;
}

static void port_event(struct ports *ports, void *pointer, u32 events, u64 now)
{
    const bool is_compat =
        ports->compat != NULL && compat_port_event(ports->compat, pointer, events, now);
    if (is_compat || ports->tael == NULL) return;
    (void)tael_port_event(ports->tael, pointer, events, now);
}

static bool ports_resume(struct ports *ports)
{
    bool any = ports->compat != NULL && compat_port_resume(ports->compat);
    return (ports->tael != NULL && tael_port_resume(ports->tael)) || any;
}

static void ports_tick(struct ports *ports, u64 now)
{
    if (ports->compat != NULL) compat_port_tick(ports->compat, now);
    if (ports->tael != NULL) tael_port_tick(ports->tael, now);
    ports->next_tick = now + TICK_NS;
}

void ports_await(struct ports *ports, int milliseconds)
{
    int count = epoll_wait(ports->epoll_fd, ports->events, PORTS_EVENTS_MAX, milliseconds);
    if (count < 0 && errno != EINTR) { // Nothing else can happen, and it would for ever.
        struct failure failure;
        (void)failure_set_errno(&failure, STATUS_IO, errno, "waiting for sockets");
        pipeline_fatal(ports->pipeline, &failure);
    }
    ports->event_count = (u32)MAX(count, 0);
}

bool ports_turn(struct ports *ports, u64 now, u64 time)
{
    bool watched = false;
    if (ports->tael != NULL) tael_port_time(ports->tael, time);
    for (u32 i = 0; i < ports->event_count; i++) {
        void *pointer = ports->events[i].data.ptr;
        if (pointer == &ports->watched_fd) watched = true;
        else if (pointer != ports) port_event(ports, pointer, ports->events[i].events, now);
    }
    ports->event_count = 0;
    // Before the rest: connections that it ends may hold what others wait for.
    if (now >= ports->next_tick) ports_tick(ports, now);
    ports->wait = pipeline_run(ports->pipeline, time);
    if (ports_resume(ports)) ports->wait = 0;
    return watched;
}

bool ports_round(struct ports *ports, u64 until)
{
    u64 now = clock_steady();
    until = MIN(until, ports->next_tick);
    u64 pause = until > now ? MIN(ports->wait, until - now) : 0; // A tick at most.
    ports_await(ports, (int)((pause + NS_PER_MS - 1) / NS_PER_MS));
    now = clock_steady();
    return ports_turn(ports, now, time_read(ports, now));
}

// Sends what sockets take, and ends connections that have everything. How many are left.
static u32 ports_finish(struct ports *ports)
{
    u32 left = ports->compat == NULL ? 0 : compat_port_finish(ports->compat);
    return left + (ports->tael == NULL ? 0 : tael_port_finish(ports->tael));
}

static void answers_flush(struct ports *ports)
{
    const struct timespec pause = {.tv_nsec = (long)FLUSH_PAUSE_NS};
    const u64 until = clock_steady() + FLUSH_NS;
    while (ports_finish(ports) > 0 && clock_steady() < until) (void)nanosleep(&pause, NULL);
}

void ports_stop(struct ports *ports)
{
    if (ports->compat != NULL) compat_port_drain(ports->compat);
    if (ports->tael != NULL) tael_port_drain(ports->tael);
    pipeline_drain(ports->pipeline);
    answers_flush(ports);
    pipeline_stop(ports->pipeline);
}

void ports_free(struct ports *ports)
{
    // Its threads may still look at what a port asked, when a stop did not wait for answers.
    if (ports->pipeline != NULL) pipeline_halt(ports->pipeline);
    if (ports->compat != NULL) compat_port_free(ports->compat);
    if (ports->tael != NULL) tael_port_free(ports->tael);
    if (ports->pipeline != NULL) pipeline_free(ports->pipeline);
    if (ports->epoll_fd >= 0) (void)close(ports->epoll_fd);
    *ports = (struct ports){.epoll_fd = -1, .watched_fd = -1};
}

u32 ports_connections(const struct ports *ports)
{
    return (ports->compat == NULL ? 0 : compat_port_connections(ports->compat)) +
           (ports->tael == NULL ? 0 : tael_port_connections(ports->tael));
}
