// SPDX-License-Identifier: Apache-2.0
//
// Connections to the server: some clients of libtael, stepped from the edge's loop.
//
// Requests go to the first client that has fewer than 64 open, so that one connection carries many
// at once and the kernel is called once for several; when all have as many, to the one with the
// fewest, where they wait for their turn. A client that ended for good is replaced after
// a pause; what it had open is told so.
#ifndef TAEL_EDGE_EDGE_CORE_H
#define TAEL_EDGE_EDGE_CORE_H

#include "base/base.h"

#include <poll.h>
#include <tael.h>

#define EDGE_CORE_CLIENTS_MAX 64u
#define EDGE_CORE_FLIGHT_MAX  64u  // Of a client, at the server,
#define EDGE_CORE_OPEN_MAX    256u // and with those that wait.

struct edge_core {
    struct tael_options options;
    struct {
        struct tael_client *client;
        u64 reopen_at; // When it has ended: a new one is made then; else 0.
        bool is_due;   // Something was submitted since the last step.
    } clients[EDGE_CORE_CLIENTS_MAX];
    u32 count;
    u64 asked; // Commands and questions so far.
};

// Which open request it is.
struct edge_ticket {
    u32 client;
    u64 ticket; // 0: none.
};

// Begins to connect; does not wait. STATUS_INVALID when the address is none. The options must stay.
MUST_USE enum status edge_core_open(struct edge_core *core, const struct tael_options *options,
                                    u32 count, struct failure *failure);
// Nobody is called back.
void edge_core_close(struct edge_core *core);
// As tael_submit_command and tael_submit_question: TAEL_ERROR_CROWDED when all connections are
// full, TAEL_ERROR_ENDED when none can be used now. `principal` is in whose name it is; 0 in the
// edge's own.
MUST_USE enum tael_error edge_core_command(struct edge_core *core,
                                           const struct tael_command *command, u64 principal,
                                           u64 timeout_ms, tael_callback *callback, void *context,
                                           struct edge_ticket *ticket);
// The same with a question.
MUST_USE enum tael_error edge_core_question(struct edge_core *core,
                                            const struct tael_question *question, u64 principal,
                                            u64 timeout_ms, tael_callback *callback, void *context,
                                            struct edge_ticket *ticket);
// As tael_give_up.
void edge_core_give_up(struct edge_core *core, struct edge_ticket *ticket);
// Waits for the server to let the edge in, so long at most.
void edge_core_await(struct edge_core *core, u64 timeout_ms);
// Whether a connection is let in now.
bool edge_core_is_ready(const struct edge_core *core);
// What went wrong last; "" when nothing has.
const char *edge_core_problem(const struct edge_core *core);
// Requests that are open.
u32 edge_core_in_flight(const struct edge_core *core);
// The highest position that was told.
u64 edge_core_position(const struct edge_core *core);
// An id that nobody had before.
u128 edge_core_id(struct edge_core *core);

// What to wait for: fills EDGE_CORE_CLIENTS_MAX at most, one a client; returns how many.
u32 edge_core_poll(const struct edge_core *core, struct pollfd *out);
// Steps those that are due: by what poll(2) said of them, by their clock, or because something was
// submitted. `polled` is of edge_core_poll; NULL: all are stepped.
void edge_core_step(struct edge_core *core, const struct pollfd *polled, u64 now);
// When a step is due even if nothing happens, by the clock of tael_now.
u64 edge_core_wake_at(const struct edge_core *core);

#endif
