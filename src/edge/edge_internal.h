// SPDX-License-Identifier: Apache-2.0
//
// What the files of the edge share. Private.
//
//   edge.c           the process: options, loop, signals, stop
//   edge_http.c      libmicrohttpd: connections and requests begin and end, limits
//   edge_admit.c     what the log says of who asks
//   edge_answer.c    responses
//   edge_command.c   POST: commands
//   edge_bulk.c      POST: uploads of a record a line
//   edge_question.c  GET: questions
//   edge_changes.c   GET: the change stream
//   edge_static.c    what is made once
//   edge_own.c       the edge's own endpoints
//   edge_result.c    what became of records, as JSON
//
// Invariants
//   E1 A request has at most one response. Once it has one, nothing is open for it at the server.
//   E2 A connection is suspended exactly while its request waits for the server, for space in an
//      upload's window, or for changes; whoever ends the waiting resumes it.
//   E3 What is submitted lies in the request's arena, which lives until the request is over, and a
//      request is not over while something is open (libtael's contract on bodies).
#ifndef TAEL_EDGE_EDGE_INTERNAL_H
#define TAEL_EDGE_EDGE_INTERNAL_H

#include "codec/json.h"
#include "edge/edge.h"
#include "edge/edge_caller.h"
#include "edge/edge_core.h"
#include "edge/edge_metrics.h"
#include "edge/edge_problem.h"
#include "edge/edge_rate.h"
#include "edge/edge_route.h"

#include <microhttpd.h>

#define EDGE_REQUEST_ID_SIZE 65u
#define EDGE_FORMER_MAX      8u

struct edge_bulk;
struct edge_feed;
struct edge_request;
struct edge_statics;
struct edge_stream;

// What a connection does: how long it may.
enum edge_activity {
    EDGE_IDLE,    // It has no request, or not all of its headers.
    EDGE_READING, // A body comes in.
    EDGE_WORKING, // The request is carried out, or its answer goes out.
};

struct edge_connection {
    struct edge_connection *next;
    struct edge_connection **link; // What points here.
    struct MHD_Connection *mhd;
    struct MHD_Daemon *daemon;
    struct edge_request *request; // NULL: none.
    bool is_known;                // Its client has shown a certificate.
    int fd;
    enum edge_activity activity;
    bool is_ended; // It was shut down.
    bool is_used;  // It had a request.
    u64 since;     // When that began, or when the last 64 KiB of a body were in.
    u64 bytes;     // Of the body since then.
    u64 received;  // Of bodies in all,
    u64 watched;   // and what that was when it was last looked at.
};

struct edge {
    const struct edge_options *options;
    struct MHD_Daemon *daemon; // That takes connections.
    // Those before, with other certificates, until their last connection ends.
    struct {
        struct MHD_Daemon *daemon;
        u32 connections;
    } former[EDGE_FORMER_MAX];
    struct MHD_Daemon *running; // Of which something is called now.
    struct edge_core core;
    struct edge_routes routes;
    struct edge_callers callers;
    struct edge_rates rates;
    struct edge_metrics metrics;
    struct edge_connection *connections;
    u32 connection_count;
    u32 request_count; // That are not over.
    struct edge_request *spare;
    u32 spare_count;
    u64 now;                         // Of this turn of the loop, by the clock of tael_now.
    u64 request_seed;                // Of ids of requests,
    u64 request_made;                // and how many were made.
    struct edge_bulk *waiting_bulks; // With a command that waits for a connection.
    u32 upload_count;
    struct edge_stream *streams;
    u32 stream_count;
    struct edge_feed *feed;
    struct edge_statics *statics;
    bool is_resumed; // A connection was resumed since libmicrohttpd ran.
    bool is_stopping;
    int signal_fd;
    int listen_fd;
    char address[160];
    u8 *scratch; // A record being read: EDGE_SCRATCH_SIZE bytes.
};
#define EDGE_SCRATCH_SIZE (TAEL_BODY_MAX + 4096u)

// The headers that matter.
struct edge_headers {
    const char *authorization;
    const char *content_type;
    const char *content_length;
    const char *transfer_encoding;
    const char *idempotency_key;
    const char *request_id;
    const char *accept;
    const char *accept_encoding;
    const char *if_none_match;
    const char *last_event_id;
    const char *at_least;
    u32 content_lengths, transfer_encodings, hosts, authorizations, idempotency_keys; // How many.
    u32 count;
    u64 size;
    const char *bad; // A rule that one breaks, or NULL.
};

enum edge_phase {
    EDGE_PHASE_NEW,     // Its headers were not looked at yet.
    EDGE_PHASE_CALLER,  // The log is asked who asks,
    EDGE_PHASE_KNOWN,   // and has told.
    EDGE_PHASE_DISCARD, // It is refused; its body is passed over.
    EDGE_PHASE_READ,    // Its body is gathered.
    EDGE_PHASE_STREAM,  // Its body is carried out as it comes.
    EDGE_PHASE_WORK,    // It waits for the server.
    EDGE_PHASE_DONE,    // It has its response.
};

struct edge_request {
    struct edge_request *next; // Among the spare ones.
    struct edge *edge;
    struct edge_connection *connection;
    struct MHD_Connection *mhd;
    struct edge_arena arena;
    const char *method;
    const char *uri;
    struct edge_target target;
    const struct edge_endpoint *endpoint;
    struct edge_headers headers;
    struct edge_caller caller;
    char id[EDGE_REQUEST_ID_SIZE]; // X-Request-Id.
    enum edge_phase phase;
    bool is_suspended;
    bool is_opened; // Its headers were looked at, and who asks is known.
    bool is_static; // The answer is one of those that are made once.
    bool is_done;   // Given back by libmicrohttpd.
    u64 began;
    u8 *body;
    size_t body_size;
    size_t body_room;
    u64 received;

    // At the server.
    struct edge_ticket ticket;
    struct tael_command command;
    struct tael_question question;
    u64 at_least; // The position that a question's answer has to show.
    u128 command_id;
    bool is_batch; // The body is an array.
    struct edge_bulk *bulk;
    struct edge_stream *stream; // Of changes.

    struct MHD_Response *response;
    u32 status;
    u64 sent; // Bytes of the answer's body.
};

// --- edge_http.c ---

// Starts libmicrohttpd on the socket that listens. STATUS_INVALID, STATUS_IO.
MUST_USE enum status edge_http_start(struct edge *edge, struct failure *failure);
// Reads certificates again: connections from now on have them, those that are there end with their
// next answer. On failure everything stays as it was.
MUST_USE enum status edge_http_renew(struct edge *edge, struct failure *failure);
// What libmicrohttpd can do without waiting.
void edge_http_run(struct edge *edge);
// Its descriptors: fills EDGE_FORMER_MAX + 1 at most; returns how many.
u32 edge_http_poll(const struct edge *edge, struct pollfd *out);
// Milliseconds until it wants to run again; U64_MAX when something has to happen first.
u64 edge_http_wait_ms(const struct edge *edge);
// Takes no more connections.
void edge_http_quiesce(struct edge *edge);
// Ends it, and with it every connection.
void edge_http_stop(struct edge *edge);
// Ends connections whose time is over; when the edge stops, those without a request, too.
void edge_http_watch(struct edge *edge);
// Gives up whatever waits; nobody is answered. Before edge_http_stop.
void edge_requests_drop(struct edge *edge);
// Waits for something that calls edge_request_resume.
void edge_request_suspend(struct edge_request *request);
// Goes on: libmicrohttpd calls again.
void edge_request_resume(struct edge_request *request);

// --- edge_admit.c ---

// Asks the log whose a token is. Suspends the request, which goes on in the phase EDGE_PHASE_KNOWN
// when its caller is known and may ask; or sets a response.
void edge_admit_begin(struct edge_request *request, const struct digest *token);

// --- edge_answer.c ---

// Sets the response: `data` lies in the arena or for ever. The request goes on.
void edge_respond(struct edge_request *request, u32 status, const char *type, const void *data,
                  size_t size);
// The same with a response that was made elsewhere.
void edge_respond_with(struct edge_request *request, u32 status, const char *type,
                       struct MHD_Response *response);
// The same with a problem document.
void edge_refuse(struct edge_request *request, const struct edge_problem *problem);
// Adds a header to the response.
void edge_response_header(struct edge_request *request, const char *name, const char *value);
// A writer into the arena. What does not fit is written again, with the room that the first time
// has told.
struct json_writer edge_writer(struct edge_request *request, size_t room);
// Sets a JSON answer of what was written, which must fit.
void edge_respond_json(struct edge_request *request, u32 status, const struct json_writer *writer);

// --- edge_command.c, edge_question.c ---

// Carries out a request whose body is in: sets a response, or submits and waits.
void edge_command_begin(struct edge_request *request);
void edge_question_begin(struct edge_request *request);
// Carries out one of the edge's own: /healthz, /readyz, /metrics, /docs and so on.
void edge_own_begin(struct edge_request *request);
// A command's id from its text; false when it is none.
MUST_USE bool edge_command_id_parse(const char *text, size_t size, u128 *id);
// The id that the client gave, or 0; false and refused when it is none.
MUST_USE bool edge_command_id_read(struct edge_request *request, u128 *id);
// A parameter that nobody used, which is refused; false when there is one.
MUST_USE bool edge_parameters_used(struct edge_request *request);
// The number of a header or parameter in decimal digits; false and refused when it is none.
MUST_USE bool edge_position_read(struct edge_request *request, u64 *position);
// A problem for what libtael said in place of an answer, or the server of a whole request.
struct edge_problem edge_problem_of_error(const struct edge_request *request, enum tael_error error,
                                          bool maybe_applied);
// The same of an answer that is not done.
struct edge_problem edge_problem_of_answer(const struct edge_request *request,
                                           const struct tael_answer *answer);

#endif
