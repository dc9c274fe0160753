// SPDX-License-Identifier: Apache-2.0
//
// Connections to the server.
#include "edge/edge_core.h"

#define REOPEN_NS NS_PER_S

enum status edge_core_open(struct edge_core *core, const struct tael_options *options, u32 count,
                           struct failure *failure)
{
    assert(count >= 1 && count <= EDGE_CORE_CLIENTS_MAX);
    *core = (struct edge_core){.options = *options, .count = count};
    core->options.open_max = EDGE_CORE_OPEN_MAX;
    for (u32 i = 0; i < count; i++) {
        core->clients[i].client = tael_open(&core->options);
        assert(core->clients[i].client != NULL);
        core->clients[i].is_due = true;
    }
    if (tael_step(core->clients[0].client) == TAEL_ERROR_ENDED) {
        (void)failure_set(failure, STATUS_INVALID, "--connect: %s",
                          tael_problem(core->clients[0].client));
        edge_core_close(core);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

void edge_core_close(struct edge_core *core)
{
    for (u32 i = 0; i < core->count; i++) tael_close(core->clients[i].client);
    core->count = 0;
}

// The client to use next; TAEL_OK and its index, or why there is none.
static enum tael_error client_choose(const struct edge_core *core, u32 *index)
{
    enum tael_error error = TAEL_ERROR_ENDED;
    u32 best = U32_MAX, best_open = EDGE_CORE_OPEN_MAX;
    for (u32 i = 0; i < core->count; i++) {
        const struct tael_client *client = core->clients[i].client;
        const u32 open = tael_open_count(client);
        if (core->clients[i].reopen_at != 0) continue;
        if (open < EDGE_CORE_FLIGHT_MAX && tael_is_connected(client)) {
            *index = i;
            return TAEL_OK;
        }
        error = TAEL_ERROR_CROWDED;
        if (open >= best_open) continue;
        best = i;
        best_open = open;
    }
    if (best == U32_MAX) return error;
    *index = best;
    return TAEL_OK;
}

enum tael_error edge_core_command(struct edge_core *core, const struct tael_command *command,
                                  u64 principal, u64 timeout_ms, tael_callback *callback,
                                  void *context, struct edge_ticket *ticket)
{
    struct tael_command named = *command;
    enum tael_error error = client_choose(core, &ticket->client);
    named.principal = principal;
    ticket->ticket = 0;
    if (error != TAEL_OK) return error;
    core->asked++;
    core->clients[ticket->client].is_due = true;
    return tael_submit_command(core->clients[ticket->client].client, &named, timeout_ms, callback,
                               context, &ticket->ticket);
}

enum tael_error edge_core_question(struct edge_core *core, const struct tael_question *question,
                                   u64 principal, u64 timeout_ms, tael_callback *callback,
                                   void *context, struct edge_ticket *ticket)
{
    struct tael_question named = *question;
    enum tael_error error = client_choose(core, &ticket->client);
    named.principal = principal;
    ticket->ticket = 0;
    if (error != TAEL_OK) return error;
    core->asked++;
    core->clients[ticket->client].is_due = true;
    return tael_submit_question(core->clients[ticket->client].client, &named, timeout_ms, callback,
                                context, &ticket->ticket);
}

void edge_core_give_up(struct edge_core *core, struct edge_ticket *ticket)
{
    if (ticket->ticket == 0) return;
    (void)tael_give_up(core->clients[ticket->client].client, ticket->ticket, NULL);
    core->clients[ticket->client].is_due = true;
    ticket->ticket = 0;
}

void edge_core_await(struct edge_core *core, u64 timeout_ms)
{
    (void)tael_connect(core->clients[0].client, timeout_ms);
}

bool edge_core_is_ready(const struct edge_core *core)
{
    for (u32 i = 0; i < core->count; i++) {
        if (tael_is_connected(core->clients[i].client)) return true;
    }
    return false;
}

const char *edge_core_problem(const struct edge_core *core)
{
    return tael_problem(core->clients[0].client);
}

u32 edge_core_in_flight(const struct edge_core *core)
{
    u32 count = 0;
    for (u32 i = 0; i < core->count; i++) count += tael_open_count(core->clients[i].client);
    return count;
}

u64 edge_core_position(const struct edge_core *core)
{
    u64 position = 0;
    for (u32 i = 0; i < core->count; i++) {
        position = MAX(position, tael_position(core->clients[i].client));
    }
    return position;
}

u128 edge_core_id(struct edge_core *core)
{
    const struct tael_u128 id = tael_id(core->clients[0].client);
    return (u128)id.high << 64 | id.low;
}

u32 edge_core_poll(const struct edge_core *core, struct pollfd *out)
{
    for (u32 i = 0; i < core->count; i++) {
        const struct tael_client *client = core->clients[i].client;
        out[i] = (struct pollfd){.fd = tael_fd(client), .events = tael_events(client)};
    }
    return core->count;
}

void edge_core_step(struct edge_core *core, const struct pollfd *polled, u64 now)
{
    for (u32 i = 0; i < core->count; i++) {
        const bool is_ready = polled == NULL || polled[i].revents != 0;
        struct tael_client *client = core->clients[i].client;
        if (core->clients[i].reopen_at != 0) {
            if (now < core->clients[i].reopen_at) continue;
            struct tael_client *fresh = tael_open(&core->options);
            assert(fresh != NULL);
            tael_close(client);
            core->clients[i].client = client = fresh;
            core->clients[i].reopen_at = 0;
            core->clients[i].is_due = true;
        }
        if (!is_ready && !core->clients[i].is_due && now < tael_wake_at(client)) continue;
        core->clients[i].is_due = false;
        if (tael_step(client) == TAEL_ERROR_ENDED) core->clients[i].reopen_at = now + REOPEN_NS;
    }
}

u64 edge_core_wake_at(const struct edge_core *core)
{
    u64 wake_at = U64_MAX;
    for (u32 i = 0; i < core->count; i++) {
        if (core->clients[i].is_due) return 0;
        const u64 at = core->clients[i].reopen_at != 0 ? core->clients[i].reopen_at
                                                       : tael_wake_at(core->clients[i].client);
        wake_at = MIN(wake_at, at);
    }
    return wake_at;
}
