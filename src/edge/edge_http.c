// SPDX-License-Identifier: Apache-2.0
//
// Connections and requests as libmicrohttpd sees them: beginnings, ends, limits.
//
// libmicrohttpd calls `on_request` when the headers of a request are in, for each piece of its
// body, behind the body, and again when a suspended connection was resumed. A request that is
// refused by its headers is answered behind its body when that is small, so that the connection can
// go on; else at once, and the connection ends.
#include "edge/edge_bulk.h"
#include "edge/edge_changes.h"
#include "edge/edge_internal.h"
#include "edge/edge_tls.h"
#include "os/trace.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

// What libmicrohttpd takes for a connection, for its headers and what is read of a body: so many
// times the headers that are let through. It zeroes all of it behind each request.
#define CONNECTION_MEMORY 2u
// A refused request's body is passed over up to so many times what a body may have, since a client
// reads its answer behind that.
#define DISCARD_FACTOR 4u
#define SPARE_MAX      1024u
#define BODY_ROOM      4096u
#define PROGRESS       (64u * KIB)
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

// --- requests ------------------------------------------------------------------------------------

static struct edge_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void activity_set(struct edge_request *request, enum edge_activity activity)
{
    struct edge_connection *connection = request->connection;
    if (connection == NULL) return;
    connection->activity = activity;
    connection->since = request->edge->now;
    connection->bytes = 0;
}

void edge_request_suspend(struct edge_request *request)
{
    assert(!request->is_suspended);
    request->is_suspended = true;
    activity_set(request, EDGE_WORKING);
    MHD_suspend_connection(request->mhd);
}

void edge_request_resume(struct edge_request *request)
{
    assert(request->is_suspended); // E2
    request->is_suspended = false;
    const bool reads = request->phase == EDGE_PHASE_STREAM || request->phase == EDGE_PHASE_KNOWN;
    if (reads) activity_set(request, EDGE_READING);
    request->edge->is_resumed = true;
    MHD_resume_connection(request->mhd);
}

// Called with the target when the request's first line is in.
static void *on_target(void *context, const char *uri, struct MHD_Connection *mhd)
{
    struct edge *edge = context;
    struct edge_request *request = edge->spare;
    if (request != NULL) {
        edge->spare = request->next;
        edge->spare_count--;
    } else {
        request = malloc(sizeof *request);
        assert(request != NULL);
        request->arena = (struct edge_arena){0};
    }
    const struct edge_arena arena = request->arena;
    // All but the parameters, which are counted.
    memset(request, 0, offsetof(struct edge_request, target));
    memset(&request->endpoint, 0, sizeof *request - offsetof(struct edge_request, endpoint));
    request->target.count = 0;
    request->arena = arena;
    request->edge = edge;
    request->mhd = mhd;
    request->connection = connection_of(mhd);
    request->began = edge->now;
    if (request->connection != NULL) request->connection->request = request;
    request->uri = edge_arena_copy(&request->arena, uri, strlen(uri));
    edge->request_count++;
    return request;
}

static enum edge_class class_of(const struct edge_request *request)
{
    if (request->bulk != NULL) return EDGE_CLASS_BULK;
    if (request->endpoint == NULL) return EDGE_CLASS_OTHER;
    switch (request->endpoint->kind) {
    case EDGE_COMMAND: return EDGE_CLASS_COMMAND;
    case EDGE_QUESTION: return EDGE_CLASS_QUESTION;
    case EDGE_CHANGES: return EDGE_CLASS_CHANGES;
    default: return EDGE_CLASS_OTHER;
    }
}

static void request_tell(const struct edge_request *request, u64 latency_ns)
{
    const bool is_wrong = request->status >= 500;
    if (!is_wrong && !request->edge->options->trace_requests) return;
    trace(is_wrong ? TRACE_WARNING : TRACE_INFO,
          "request %s: %s %s of principal %llu: %u in %llu us", request->id,
          request->method == NULL ? "?" : request->method,
          request->endpoint == NULL ? "(no endpoint)" : request->endpoint->path,
          (unsigned long long)request->caller.principal, request->status,
          (unsigned long long)(latency_ns / NS_PER_US));
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct edge *edge = context;
    struct edge_request *request = *con_cls;
    (void)mhd;
    (void)code;
    if (request == NULL) return;
    *con_cls = NULL;
    edge_core_give_up(&edge->core, &request->ticket); // E3
    if (request->response != NULL) MHD_destroy_response(request->response);
    if (request->status != 0) {
        const u64 latency = tael_now() - request->began;
        edge_metrics_count(&edge->metrics, class_of(request), request->status, latency,
                           request->received, request->sent);
        request_tell(request, latency);
    }
    edge_bulk_free(request);
    edge_changes_free(request);
    activity_set(request, EDGE_IDLE);
    if (request->connection != NULL) request->connection->request = NULL;
    edge->request_count--;
    if (edge->spare_count >= SPARE_MAX) {
        edge_arena_free(&request->arena);
        free(request);
        return;
    }
    edge_arena_clear(&request->arena);
    request->next = edge->spare;
    edge->spare = request;
    edge->spare_count++;
}

// --- connections ---------------------------------------------------------------------------------

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct edge *edge = context;
    struct edge_connection *connection = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *connection->link = connection->next;
        if (connection->next != NULL) connection->next->link = connection->link;
        edge->connection_count--;
        for (u32 i = 0; i < EDGE_FORMER_MAX; i++) {
            if (edge->former[i].daemon == connection->daemon) edge->former[i].connections--;
        }
        free(connection);
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection = calloc(1, sizeof *connection);
    assert(connection != NULL && info != NULL);
    *connection = (struct edge_connection){
        .next = edge->connections,
        .link = &edge->connections,
        .mhd = mhd,
        .daemon = edge->running,
        .fd = info->connect_fd,
        .since = edge->now,
    };
    if (edge->connections != NULL) edge->connections->link = &connection->next;
    edge->connections = connection;
    edge->connection_count++;
    edge->metrics.connections++;
    *socket_context = connection;
}

// The time that a connection has for what it does.
static u64 time_of(const struct edge *edge, const struct edge_connection *connection)
{
    const u32 seconds = connection->activity == EDGE_READING || !connection->is_used
                            ? edge->options->request_timeout
                            : edge->options->idle_timeout;
    return seconds * NS_PER_S;
}

static bool is_at_end(const struct edge_connection *connection)
{
    char byte;
    return recv(connection->fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == 0;
}

// Whether the client has gone. libmicrohttpd does not see it when the end came with what was before
// it.
static bool is_gone(struct edge_connection *connection)
{
    const bool is_quiet = connection->received == connection->watched;
    connection->watched = connection->received;
    return connection->activity != EDGE_WORKING && is_quiet && is_at_end(connection);
}

void edge_http_watch(struct edge *edge)
{
    for (struct edge_connection *connection = edge->connections; connection != NULL;
         connection = connection->next) {
        struct edge_request *request = connection->request;
        if (connection->is_ended) continue;
        // What waits is not looked at by libmicrohttpd.
        if (request != NULL && request->stream != NULL && is_at_end(connection)) {
            edge_changes_gone(request);
        }
        if (connection->activity == EDGE_WORKING) continue;
        const bool is_late = edge->now - connection->since > time_of(edge, connection);
        const bool is_over = is_gone(connection);
        const bool is_left = edge->is_stopping && connection->activity == EDGE_IDLE;
        if (!is_late && !is_left && !is_over) continue;
        connection->is_ended = true;
        edge->metrics.timed_out += is_late;
        // libmicrohttpd sees the end of what comes in, and closes.
        (void)shutdown(connection->fd, SHUT_RDWR);
    }
}

void edge_requests_drop(struct edge *edge)
{
    for (struct edge_connection *connection = edge->connections; connection != NULL;
         connection = connection->next) {
        struct edge_request *request = connection->request;
        if (request == NULL) continue;
        if (request->is_suspended) edge_request_resume(request);
    }
}

// --- headers -------------------------------------------------------------------------------------

// RFC 9110, 5.6.2.
static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        const bool is_alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_alpha && !is_digit && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return size > 0;
}

// RFC 9110, 5.5: no control characters but the tab. What was folded over lines has a blank in
// place of the line's end and is refused when it has more than that.
static bool is_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const u8 c = (u8)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static enum MHD_Result header_take(void *context, enum MHD_ValueKind kind, const char *key,
                                   size_t key_size, const char *value, size_t value_size)
{
    struct edge_headers *headers = context;
    const struct {
        const char *name;
        const char **at;
        u32 *count;
    } rows[] = {
        {"Content-Length", &headers->content_length, &headers->content_lengths},
        {"Content-Type", &headers->content_type, NULL},
        {"Transfer-Encoding", &headers->transfer_encoding, &headers->transfer_encodings},
        {"Host", NULL, &headers->hosts},
        {"Authorization", &headers->authorization, &headers->authorizations},
        {"Idempotency-Key", &headers->idempotency_key, &headers->idempotency_keys},
        {"X-Request-Id", &headers->request_id, NULL},
        {"Accept", &headers->accept, NULL},
        {"Accept-Encoding", &headers->accept_encoding, NULL},
        {"If-None-Match", &headers->if_none_match, NULL},
        {"Last-Event-ID", &headers->last_event_id, NULL},
        {"Tael-At-Least", &headers->at_least, NULL},
    };
    (void)kind;
    headers->count++;
    headers->size += key_size + value_size + 4;
    if (!is_token(key, key_size))
        headers->bad = "the name of a header has a character that none has";
    if (value == NULL) value = "";
    if (!is_value(value, value_size)) headers->bad = "a header has a control character";
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (strlen(rows[i].name) != key_size || strncasecmp(rows[i].name, key, key_size) != 0) {
            continue;
        }
        if (rows[i].at != NULL) *rows[i].at = value;
        if (rows[i].count != NULL) *rows[i].count += 1;
        break;
    }
    return MHD_YES;
}

// Whether the headers say one thing only of where the body ends (RFC 9112, 6.3); else the rule.
static const char *framing_rule(const struct edge_headers *headers)
{
    if (headers->transfer_encodings > 0 && headers->content_lengths > 0) {
        return "there are both Content-Length and Transfer-Encoding";
    }
    if (headers->content_lengths > 1) return "there is more than one Content-Length";
    if (headers->transfer_encodings > 1) return "there is more than one Transfer-Encoding";
    if (headers->transfer_encodings == 1 &&
        strcasecmp(headers->transfer_encoding, "chunked") != 0) {
        return "the Transfer-Encoding is not chunked";
    }
    if (headers->content_lengths == 0) return NULL;
    const size_t digits = strspn(headers->content_length, "0123456789");
    if (digits == 0 || digits > 18 || headers->content_length[digits] != 0) {
        return "the Content-Length is no number";
    }
    return NULL;
}

// The client's id of the request when it has one that can be told on, else a new one.
static void id_take(struct edge_request *request)
{
    const char *given = request->headers.request_id;
    const size_t size = given == NULL ? 0 : strlen(given);
    bool is_good = size > 0 && size < EDGE_REQUEST_ID_SIZE;
    for (size_t i = 0; i < size && is_good; i++) {
        const char c = given[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  strchr("-_.:", c) != NULL;
    }
    if (is_good) {
        memcpy(request->id, given, size + 1);
        return;
    }
    struct edge *edge = request->edge;
    (void)snprintf(request->id, sizeof request->id, "%016llx-%llx",
                   (unsigned long long)edge->request_seed,
                   (unsigned long long)++edge->request_made);
}

static bool is_type(const char *given, const char *type)
{
    const size_t size = strlen(type);
    if (given == NULL || strncasecmp(given, type, size) != 0) return false;
    const char *rest = given + size + strspn(given + size, " \t");
    return *rest == 0 || *rest == ';';
}

// --- the beginning of a request ------------------------------------------------------------------

static bool rate_check(struct edge_request *request)
{
    struct edge *edge = request->edge;
    const u32 wait = edge_rate_take(&edge->rates, &request->caller.token, edge->now);
    if (wait == 0) return true;
    struct edge_problem problem = edge_problem_make(
        EDGE_PROBLEM_TOO_MANY_REQUESTS, "a token makes %u requests a second, %u at once",
        edge->options->rate, edge->options->burst);
    problem.retry_after = wait;
    edge_refuse(request, &problem);
    return false;
}

static u64 length_of(const struct edge_request *request)
{
    const struct edge_headers *headers = &request->headers;
    return headers->content_lengths == 1 ? strtoull(headers->content_length, NULL, 10) : 0;
}

static bool has_body(const struct edge_request *request)
{
    return length_of(request) > 0 || request->headers.transfer_encodings > 0;
}

static bool body_check(struct edge_request *request)
{
    const struct edge_headers *headers = &request->headers;
    struct edge *edge = request->edge;
    struct edge_problem problem;
    const u64 length = length_of(request);
    if (!edge_is_post(request->endpoint)) {
        if (!has_body(request)) return true;
        problem = edge_problem_make(EDGE_PROBLEM_BAD_REQUEST, "a %s has no body", request->method);
        edge_refuse(request, &problem);
        return false;
    }
    const bool is_lines = is_type(headers->content_type, "application/x-ndjson");
    if (!is_lines && !is_type(headers->content_type, "application/json")) {
        problem = edge_problem_make(EDGE_PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                                    "the Content-Type is application/json, or "
                                    "application/x-ndjson for a line a record");
        edge_refuse(request, &problem);
        return false;
    }
    if (!is_lines && length > edge->options->body_max) {
        problem = edge_problem_make(EDGE_PROBLEM_TOO_LARGE,
                                    "a body has at most %llu bytes; application/x-ndjson has no "
                                    "bound",
                                    (unsigned long long)edge->options->body_max);
        edge_refuse(request, &problem);
        return false;
    }
    if (is_lines) request->phase = EDGE_PHASE_STREAM;
    return true;
}

// It is known who asks.
static void caller_check(struct edge_request *request)
{
    request->phase = EDGE_PHASE_READ;
    if (rate_check(request)) (void)body_check(request);
}

// Finds out who asks. The request is refused, or waits to be told, or goes on.
static void authorize(struct edge_request *request)
{
    struct edge *edge = request->edge;
    struct digest token;
    const char *rule = request->headers.authorizations > 1
                           ? "there is more than one header Authorization"
                           : edge_caller_header(request->headers.authorization, &token);
    if (rule != NULL) {
        const struct edge_problem problem =
            edge_problem_make(EDGE_PROBLEM_NOT_AUTHENTICATED, "%s", rule);
        edge_refuse(request, &problem);
    } else if (edge_callers_find(&edge->callers, &token, edge->now, &request->caller)) {
        caller_check(request);
    } else {
        edge_admit_begin(request, &token);
    }
}

// Whether the client may talk at all, where clients need certificates.
static bool certificate_check(struct edge_request *request)
{
    struct edge_connection *connection = request->connection;
    if (request->edge->options->tls_client_ca[0] == 0) return true;
    if (!connection->is_known) connection->is_known = edge_tls_knows(request->mhd);
    return connection->is_known;
}

// Looks at the headers. Sets a response when they refuse the request; suspends it when somebody has
// to be asked.
static void request_open(struct edge_request *request, const char *method, const char *version)
{
    struct edge *edge = request->edge;
    struct edge_headers *headers = &request->headers;
    struct edge_problem problem;
    request->method = edge_arena_copy(&request->arena, method, strlen(method));
    if (request->connection != NULL) request->connection->is_used = true;
    activity_set(request, EDGE_READING);
    request->phase = EDGE_PHASE_READ;
    (void)MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, header_take, headers);
    id_take(request);
    const char *rule = headers->bad != NULL ? headers->bad : framing_rule(headers);
    if (rule == NULL && strcmp(version, "HTTP/1.1") == 0 && headers->hosts != 1) {
        rule = "there is not one header Host";
    }
    headers->size += strlen(request->uri);
    if (rule != NULL) {
        problem = edge_problem_make(EDGE_PROBLEM_BAD_REQUEST, "%s", rule);
    } else if (!certificate_check(request)) {
        problem = edge_problem_make(EDGE_PROBLEM_NOT_PERMITTED,
                                    "the client has shown no certificate of those that are let in");
    } else if (headers->count > edge->options->headers_max ||
               headers->size > edge->options->header_max) {
        problem = edge_problem_make(EDGE_PROBLEM_HEADERS_TOO_LARGE,
                                    "a request has at most %u headers, and %u bytes of them",
                                    edge->options->headers_max, edge->options->header_max);
    } else if (!edge_target_parse(request->uri, &request->arena, &request->target, &rule)) {
        problem = edge_problem_make(EDGE_PROBLEM_BAD_TARGET, "%s", rule);
    } else {
        const char *allow = NULL;
        request->endpoint = edge_route_find(&edge->routes, request->target.path,
                                            request->target.path_size, request->method, &allow);
        if (request->endpoint != NULL) {
            if (request->endpoint->is_open) (void)body_check(request);
            else authorize(request);
            return;
        }
        if (allow == NULL) {
            problem = edge_problem_make(EDGE_PROBLEM_NOT_FOUND,
                                        "there is no such path; /v1/openapi.json lists them");
        } else {
            problem =
                edge_problem_make(EDGE_PROBLEM_METHOD_NOT_ALLOWED, "the path answers %s", allow);
            problem.allow = allow;
        }
    }
    edge_refuse(request, &problem);
}

// --- its body ------------------------------------------------------------------------------------

static u64 discard_max(const struct edge_request *request)
{
    return request->edge->options->body_max * DISCARD_FACTOR;
}

// Whether the rest of a refused request may be passed over, so that the connection goes on.
static bool is_discarded(const struct edge_request *request)
{
    const struct edge_headers *headers = &request->headers;
    if (headers->bad != NULL || framing_rule(headers) != NULL) return false;
    return length_of(request) <= discard_max(request);
}

static enum MHD_Result response_queue(struct edge_request *request)
{
    struct MHD_Response *response = request->response;
    assert(response != NULL);
    activity_set(request, EDGE_WORKING);
    const enum MHD_Result result = MHD_queue_response(request->mhd, request->status, response);
    MHD_destroy_response(response);
    request->response = NULL;
    request->is_done = true;
    return result;
}

static void body_add(struct edge_request *request, const char *data, size_t size)
{
    const size_t most = request->edge->options->body_max;
    if (request->body_size + size > most) {
        const struct edge_problem problem =
            edge_problem_make(EDGE_PROBLEM_TOO_LARGE, "a body has at most %zu bytes", most);
        edge_refuse(request, &problem);
        return;
    }
    if (request->body_size + size > request->body_room) {
        const u64 length = length_of(request);
        size_t room = MAX(request->body_room * 2, (size_t)BODY_ROOM);
        if (length > 0) room = length;
        room = MAX(room, request->body_size + size);
        u8 *body = edge_arena_take(&request->arena, room);
        if (request->body_size > 0) memcpy(body, request->body, request->body_size);
        request->body = body;
        request->body_room = room;
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size += size;
}

static void progress_note(struct edge_request *request, size_t size)
{
    struct edge_connection *connection = request->connection;
    request->received += size;
    if (connection == NULL) return;
    connection->bytes += size;
    connection->received += size;
    if (connection->bytes < PROGRESS) return;
    connection->since = request->edge->now;
    connection->bytes = 0;
}

// The whole request is in, or its headers, of one that is carried out as it comes.
static void request_begin(struct edge_request *request)
{
    request->phase = EDGE_PHASE_WORK;
    activity_set(request, EDGE_WORKING);
    switch (request->endpoint->kind) {
    case EDGE_COMMAND: edge_command_begin(request); break;
    case EDGE_QUESTION: edge_question_begin(request); break;
    case EDGE_CHANGES: edge_changes_begin(request); break;
    default: edge_own_begin(request); break;
    }
    if (request->response == NULL && !request->is_suspended) edge_request_suspend(request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
    struct edge_request *request = *con_cls;
    (void)context;
    (void)url;
    if (request == NULL || request->is_done) return MHD_NO;
    if (!request->is_opened) {
        if (request->phase == EDGE_PHASE_NEW) request_open(request, method, version);
        else if (request->phase == EDGE_PHASE_KNOWN) caller_check(request);
        else if (request->phase == EDGE_PHASE_CALLER) return MHD_NO; // Nobody has told.
        maybe(request->mhd == mhd);
        if (request->is_suspended) return MHD_YES; // It is called again when it goes on.
        request->is_opened = true;
        if (request->response == NULL && request->phase == EDGE_PHASE_STREAM) {
            edge_bulk_begin(request);
        }
        if (request->response != NULL && !is_discarded(request)) return response_queue(request);
        // libmicrohttpd calls for the headers, once more when somebody had to be asked, then for
        // each piece of the body, and at its end.
        if (*size == 0) return MHD_YES;
    }
    if (*size > 0) {
        if (request->response == NULL && request->phase == EDGE_PHASE_STREAM) {
            const size_t taken = edge_bulk_feed(request, data, *size);
            *size -= taken;
            progress_note(request, taken);
            return MHD_YES;
        }
        progress_note(request, *size);
        if (request->response == NULL) body_add(request, data, *size);
        else if (request->received > discard_max(request)) return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    if (request->response == NULL && request->phase == EDGE_PHASE_STREAM) {
        edge_bulk_finish(request);
    } else if (request->response == NULL && request->phase == EDGE_PHASE_READ) {
        request_begin(request);
    }
    return request->response != NULL ? response_queue(request) : MHD_YES;
}

// --- the daemon ----------------------------------------------------------------------------------

static void on_log(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void on_log(void *context, const char *format, va_list arguments)
{
    char line[400];
    (void)context;
    (void)vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = 0;
    // What clients do wrong is counted, and is no occurrence.
    if (((struct edge *)context)->options->trace_requests) trace(TRACE_INFO, "http: %s", line);
}

// Starts a daemon on the socket that listens, a copy of it: the daemon closes what it is given when
// it does not start. NULL then.
static struct MHD_Daemon *daemon_start(struct edge *edge, const struct edge_tls *tls)
{
    const struct edge_options *options = edge->options;
    const bool is_tls = tls->certificate != NULL;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (is_tls ? (unsigned)MHD_USE_TLS : 0);
    // An array ends where its first row says so.
    struct MHD_OptionItem secrets[] = {
        {is_tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, tls->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {tls->client_ca != NULL ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, tls->client_ca},
        {MHD_OPTION_END, 0, NULL},
    };
    const int listen_fd = fcntl(edge->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (listen_fd < 0) return NULL;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, edge, MHD_OPTION_EXTERNAL_LOGGER, on_log, edge,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, edge,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, edge, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        edge, MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)options->header_max * CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_timeout,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, secrets, MHD_OPTION_END);
}

enum status edge_http_start(struct edge *edge, struct failure *failure)
{
    struct edge_tls tls;
    const enum status status = edge_tls_read(&tls, edge->options, failure);
    if (status != STATUS_OK) return status;
    edge->daemon = daemon_start(edge, &tls);
    const bool is_tls = tls.certificate != NULL;
    edge_tls_free(&tls);
    if (edge->daemon != NULL) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "libmicrohttpd does not start%s",
                       is_tls ? ": the certificate, its key and the authorities do not go together"
                              : "");
}

enum status edge_http_renew(struct edge *edge, struct failure *failure)
{
    struct edge_tls tls;
    u32 place = 0;
    while (place < EDGE_FORMER_MAX && edge->former[place].daemon != NULL) place++;
    if (place == EDGE_FORMER_MAX) {
        return failure_set(failure, STATUS_BUSY, "connections with former certificates are left");
    }
    const enum status status = edge_tls_read(&tls, edge->options, failure);
    if (status != STATUS_OK || tls.certificate == NULL) return status;
    struct MHD_Daemon *fresh = daemon_start(edge, &tls);
    edge_tls_free(&tls);
    if (fresh == NULL) {
        return failure_set(failure, STATUS_INVALID,
                           "the certificate, its key and the authorities do not go together");
    }
    edge_http_quiesce(edge);
    edge->former[place].daemon = edge->daemon;
    edge->former[place].connections = 0;
    for (const struct edge_connection *connection = edge->connections; connection != NULL;
         connection = connection->next) {
        edge->former[place].connections += connection->daemon == edge->daemon;
    }
    edge->daemon = fresh;
    return STATUS_OK;
}

void edge_http_run(struct edge *edge)
{
    edge->running = edge->daemon;
    (void)MHD_run(edge->daemon);
    for (u32 i = 0; i < EDGE_FORMER_MAX; i++) {
        if (edge->former[i].daemon == NULL) continue;
        edge->running = edge->former[i].daemon;
        (void)MHD_run(edge->former[i].daemon);
        if (edge->former[i].connections > 0) continue;
        MHD_stop_daemon(edge->former[i].daemon);
        edge->former[i].daemon = NULL;
    }
}

static int epoll_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

u32 edge_http_poll(const struct edge *edge, struct pollfd *out)
{
    u32 count = 0;
    out[count++] = (struct pollfd){.fd = epoll_of(edge->daemon), .events = POLLIN};
    for (u32 i = 0; i < EDGE_FORMER_MAX; i++) {
        if (edge->former[i].daemon == NULL) continue;
        out[count++] = (struct pollfd){.fd = epoll_of(edge->former[i].daemon), .events = POLLIN};
    }
    return count;
}

u64 edge_http_wait_ms(const struct edge *edge)
{
    u64 wait = U64_MAX;
    for (u32 i = 0; i <= EDGE_FORMER_MAX; i++) {
        struct MHD_Daemon *daemon = i < EDGE_FORMER_MAX ? edge->former[i].daemon : edge->daemon;
        unsigned long long more = 0;
        if (daemon != NULL && MHD_get_timeout(daemon, &more) == MHD_YES)
            wait = MIN(wait, (u64)more);
    }
    return wait;
}

void edge_http_quiesce(struct edge *edge)
{
    // What is queued at the socket is left to whoever listens next.
    const int listen_fd =
        edge->daemon == NULL ? MHD_INVALID_SOCKET : MHD_quiesce_daemon(edge->daemon);
    if (listen_fd != MHD_INVALID_SOCKET) (void)close(listen_fd);
}

void edge_http_stop(struct edge *edge)
{
    edge_http_quiesce(edge);
    if (edge->daemon != NULL) MHD_stop_daemon(edge->daemon);
    edge->daemon = NULL;
    for (u32 i = 0; i < EDGE_FORMER_MAX; i++) {
        if (edge->former[i].daemon != NULL) MHD_stop_daemon(edge->former[i].daemon);
        edge->former[i].daemon = NULL;
    }
    while (edge->spare != NULL) {
        struct edge_request *request = edge->spare;
        edge->spare = request->next;
        edge_arena_free(&request->arena);
        free(request);
    }
}
