// SPDX-License-Identifier: Apache-2.0
//
// GET /v1/changes.
#include "edge/edge_changes.h"

#include "codec/number.h"
#include "codec/record_binary.h"
#include "machine/change_line.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS_MAX     60000u
#define FEED_WAIT_MS    20000u
#define KEEP_ALIVE_S    15u // Or half of what a connection may be idle, if that is less.
#define RETRY_NS        NS_PER_S
#define LIMIT_DEFAULT   1000u
#define LIMIT_MAX       8189u
#define BLOCK_SIZE      (32u * KIB) // What libmicrohttpd asks for at once.
#define EVENT_HEAD_SIZE 64u
static_assert(sizeof(struct change) == sizeof(struct tael_change), "the same on the wire");

enum stream_state {
    STREAM_IDLE,    // Has something to send, or will ask.
    STREAM_ASKING,  // For a page.
    STREAM_WAITING, // At the end of history, or for a server that is away.
    STREAM_OVER,
};

struct edge_stream {
    struct edge_stream *next;
    struct edge_stream **link;
    struct edge_request *request;
    enum stream_state state;
    bool is_events;
    bool is_refused_too;
    u32 limit;      // Of a page of JSON.
    u64 row;        // To go on from.
    u64 wait_until; // Of a page of JSON: when it is answered as it stands.
    u64 ask_at;     // While it waits: when it asks again in any case.
    u64 quiet_since;
    struct tael_changes question;
    // A page of events.
    struct tael_answer page;
    u8 *body;                         // A copy.
    const struct tael_change *change; // The last one that was made text.
    char *out;
    size_t out_room;
    size_t out_size;
    size_t out_done;
};

// The question that waits for all.
struct edge_feed {
    struct tael_changes question;
    struct edge_ticket ticket;
    u64 retry_at;
};

static void stream_ask(struct edge_stream *stream);
static void feed_ask(struct edge *edge, u64 row);

// --- text ----------------------------------------------------------------------------------------

static void out_room(struct edge_stream *stream, size_t size)
{
    if (size <= stream->out_room) return;
    stream->out_room = MAX(size, 2 * stream->out_room);
    free(stream->out);
    stream->out = malloc(stream->out_room);
    assert(stream->out != NULL);
}

static void out_set(struct edge_stream *stream, const char *text)
{
    const size_t size = strlen(text);
    out_room(stream, size);
    memcpy(stream->out, text, size);
    stream->out_size = size;
    stream->out_done = 0;
}

// The description of a change's payload; NULL when it is another one than this program's.
static const struct schema_record *payload_record(const struct tael_change *change)
{
    const struct schema_record *record = change_record_of(change->record);
    struct failure failure;
    if (record == NULL || change->payload_size == 0) return record;
    const bool is_whole =
        record_binary_check(record, change + 1, change->payload_size, &failure) == STATUS_OK;
    return is_whole ? record : NULL;
}

static void change_write(const struct tael_change *change, struct json_writer *writer)
{
    change_json_write((const void *)change, payload_record(change), writer);
}

// Makes the event of the page's next change. False when there is none left.
static bool event_make(struct edge_stream *stream)
{
    const struct tael_change *change =
        stream->body == NULL ? NULL : tael_change_next(&stream->page, stream->change);
    char head[EVENT_HEAD_SIZE];
    if (change == NULL) return false;
    stream->change = change;
    const int head_size =
        snprintf(head, sizeof head, "id: %llu\ndata: ", (unsigned long long)change->row);
    out_room(stream, BLOCK_SIZE);
    for (;;) {
        const size_t room = stream->out_room - (size_t)head_size - 2;
        struct json_writer writer = json_writer_init(stream->out + head_size, room);
        change_write(change, &writer);
        if (text_overflowed(&writer.text)) {
            out_room(stream, writer.text.size + (size_t)head_size + 2);
            continue;
        }
        memcpy(stream->out, head, (size_t)head_size);
        memcpy(stream->out + head_size + writer.text.size, "\n\n", 2);
        stream->out_size = (size_t)head_size + writer.text.size + 2;
        stream->out_done = 0;
        return true;
    }
}

// --- waiting -------------------------------------------------------------------------------------

static void wait_begin(struct edge_stream *stream, u64 ask_at)
{
    struct edge *edge = stream->request->edge;
    stream->state = STREAM_WAITING;
    stream->ask_at = ask_at;
    if (ask_at == U64_MAX) feed_ask(edge, stream->row);
}

// Something has happened, or may have.
static void feed_answered(void *context, const struct tael_answer *answer)
{
    struct edge *edge = context;
    struct edge_feed *feed = edge->feed;
    const bool is_good = answer->error == TAEL_OK && answer->result == TAEL_RESULT_DONE;
    if (answer->error == TAEL_ERROR_TIMEOUT) edge_core_give_up(&edge->core, &feed->ticket);
    feed->ticket.ticket = 0;
    feed->retry_at = is_good ? 0 : edge->now + RETRY_NS;
    const u64 next = is_good ? tael_changes_next(answer) : 0;
    bool is_waited = false;
    for (struct edge_stream *stream = edge->streams; stream != NULL; stream = stream->next) {
        if (stream->state != STREAM_WAITING || stream->ask_at != U64_MAX) continue;
        if (is_good && next > stream->row) stream_ask(stream);
        is_waited = is_waited || stream->state == STREAM_WAITING;
    }
    if (is_waited && is_good) feed_ask(edge, next);
}

// Waits for what comes behind a row, unless that is done already. A stream that is further on asks
// for nothing new when it is woken, and waits again.
static void feed_ask(struct edge *edge, u64 row)
{
    struct edge_feed *feed = edge->feed;
    if (feed->ticket.ticket != 0 || edge->is_stopping || edge->now < feed->retry_at) return;
    feed->question =
        (struct tael_changes){.row = row, .wait_ms = FEED_WAIT_MS, .flags = TAEL_CHANGES_REFUSED};
    const struct tael_question question = {
        .record = changes_schema_changes.number,
        .version = 1,
        .body_size = sizeof feed->question,
        .body = &feed->question,
    };
    const enum tael_error error = edge_core_question(
        &edge->core, &question, 0, FEED_WAIT_MS + 10000, feed_answered, edge, &feed->ticket);
    feed->retry_at = error == TAEL_OK ? 0 : edge->now + RETRY_NS;
}

// --- pages ---------------------------------------------------------------------------------------

static void page_respond(struct edge_stream *stream, const struct tael_answer *answer)
{
    struct edge_request *request = stream->request;
    size_t room = 1024 + (size_t)answer->body_size * 4;
    stream->state = STREAM_OVER;
    for (;;) {
        struct json_writer writer = edge_writer(request, room);
        const struct tael_change *change = NULL;
        u64 next = tael_changes_next(answer);
        u32 count = 0;
        json_write_object_begin(&writer);
        json_write_key(&writer, "items");
        json_write_array_begin(&writer);
        while ((change = tael_change_next(answer, change)) != NULL) {
            if (count++ == stream->limit) {
                next = change->row;
                break;
            }
            change_write(change, &writer);
        }
        json_write_array_end(&writer);
        json_write_key(&writer, "next");
        json_write_u64(&writer, next);
        json_write_key(&writer, "end");
        json_write_u64(&writer, tael_changes_end(answer));
        json_write_key(&writer, "position");
        json_write_u128_string(&writer, answer->position);
        json_write_object_end(&writer);
        if (!text_overflowed(&writer.text)) {
            edge_respond_json(request, 200, &writer);
            return;
        }
        room = writer.text.size;
    }
}

static void page_keep(struct edge_stream *stream, const struct tael_answer *answer)
{
    if (stream->body == NULL) stream->body = aligned_alloc(16, align_up(TAEL_BODY_MAX, 16));
    assert(stream->body != NULL);
    memcpy(stream->body, answer->body, answer->body_size);
    stream->page = *answer;
    stream->page.body = stream->body;
    stream->change = NULL;
    stream->row = tael_changes_next(answer);
    stream->state = STREAM_IDLE;
    if (stream->request->is_suspended) edge_request_resume(stream->request);
}

static void page_failed(struct edge_stream *stream, const struct tael_answer *answer)
{
    struct edge_request *request = stream->request;
    struct edge_problem problem;
    const bool is_busy = answer->error != TAEL_OK || answer->result == TAEL_RESULT_BUSY;
    if (stream->is_events && is_busy) {
        wait_begin(stream, request->edge->now + RETRY_NS);
        return;
    }
    stream->state = STREAM_OVER;
    problem = answer->error != TAEL_OK ? edge_problem_of_error(request, answer->error, false)
                                       : edge_problem_of_answer(request, answer);
    if (!stream->is_events) edge_refuse(request, &problem);
    else if (request->is_suspended) edge_request_resume(request);
}

static void page_answered(void *context, const struct tael_answer *answer)
{
    struct edge_stream *stream = context;
    struct edge_request *request = stream->request;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        edge_core_give_up(&request->edge->core, &request->ticket);
    }
    request->ticket.ticket = 0;
    if (answer->error != TAEL_OK || answer->result != TAEL_RESULT_DONE) {
        page_failed(stream, answer);
    } else if (answer->count > 0 && stream->is_events) {
        page_keep(stream, answer);
    } else if (answer->count > 0 ||
               (!stream->is_events && request->edge->now >= stream->wait_until)) {
        page_respond(stream, answer);
    } else {
        stream->row = MAX(stream->row, tael_changes_next(answer));
        wait_begin(stream, U64_MAX);
    }
}

static void stream_ask(struct edge_stream *stream)
{
    struct edge_request *request = stream->request;
    struct edge *edge = request->edge;
    stream->state = STREAM_ASKING;
    stream->question = (struct tael_changes){
        .row = stream->row, .flags = stream->is_refused_too ? TAEL_CHANGES_REFUSED : 0};
    request->question = (struct tael_question){
        .record = changes_schema_changes.number,
        .version = 1,
        .body_size = sizeof stream->question,
        .body = &stream->question,
        .position = edge_core_position(&edge->core), // What was told here is there.
    };
    const enum tael_error error = edge_core_question(
        &edge->core, &request->question, request->caller.principal,
        edge->options->deadline * 1000ull, page_answered, stream, &request->ticket);
    if (error == TAEL_OK) return;
    const struct tael_answer none = {.error = error};
    page_failed(stream, &none);
}

// --- events --------------------------------------------------------------------------------------

// Called by libmicrohttpd when the socket takes more.
static ssize_t on_room(void *context, uint64_t position, char *buffer, size_t size)
{
    struct edge_stream *stream = context;
    struct edge_request *request = stream->request;
    (void)position;
    if (stream->state == STREAM_OVER) return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->out_done == stream->out_size && !event_make(stream)) {
        // Nothing to send; whoever has something resumes.
        if (stream->state == STREAM_IDLE) stream_ask(stream);
        if (stream->state == STREAM_OVER) return MHD_CONTENT_READER_END_OF_STREAM;
        edge_request_suspend(request);
        return 0;
    }
    const size_t put = MIN(size, stream->out_size - stream->out_done);
    memcpy(buffer, stream->out + stream->out_done, put);
    stream->out_done += put;
    stream->quiet_since = request->edge->now;
    request->sent += put;
    return (ssize_t)put;
}

static void events_respond(struct edge_stream *stream)
{
    struct edge_request *request = stream->request;
    out_set(stream, "retry: 1000\n\n");
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_room, stream, NULL);
    assert(response != NULL);
    edge_respond_with(request, 200, "text/event-stream", response);
    edge_response_header(request, "X-Accel-Buffering", "no");
}

// --- beginning and end ---------------------------------------------------------------------------

static bool number_read(struct edge_request *request, const char *name, const char *text, u64 most,
                        u64 *value)
{
    u128 number = 0;
    if (text == NULL) return true;
    if (number_parse_u128(text, strlen(text), &number) == NUMBER_OK && number <= most) {
        *value = (u64)number;
        return true;
    }
    struct edge_problem problem =
        edge_problem_make(EDGE_PROBLEM_BAD_PARAMETER, "%s: it is not a number up to %llu", name,
                          (unsigned long long)most);
    (void)snprintf(problem.field, sizeof problem.field, "%s", name);
    edge_refuse(request, &problem);
    return false;
}

static const char *value_of(struct edge_request *request, const char *name)
{
    const struct edge_parameter *parameter = edge_target_find(&request->target, name);
    return parameter == NULL ? NULL : parameter->value;
}

static bool stream_read(struct edge_request *request, struct edge_stream *stream, u64 *wait_ms)
{
    const char *refused = value_of(request, "refused");
    const char *accept = request->headers.accept;
    const char *last = request->headers.last_event_id;
    u64 limit = LIMIT_DEFAULT, seen = U64_MAX;
    stream->is_events = accept != NULL && strstr(accept, "text/event-stream") != NULL;
    if (!number_read(request, "from", value_of(request, "from"), U64_MAX - 1, &stream->row) ||
        !number_read(request, "wait_ms", value_of(request, "wait_ms"), WAIT_MS_MAX, wait_ms) ||
        !number_read(request, "limit", value_of(request, "limit"), LIMIT_MAX, &limit) ||
        !number_read(request, "Last-Event-ID", last, U64_MAX - 1, &seen)) {
        return false;
    }
    stream->is_refused_too = refused != NULL && strcmp(refused, "true") == 0;
    if (refused != NULL && !stream->is_refused_too && strcmp(refused, "false") != 0) {
        const struct edge_problem problem =
            edge_problem_make(EDGE_PROBLEM_BAD_PARAMETER, "refused: it is \"true\" or \"false\"");
        edge_refuse(request, &problem);
        return false;
    }
    if (stream->is_events && seen != U64_MAX) stream->row = seen + 1;
    stream->limit = (u32)MAX(limit, (u64)1);
    return edge_parameters_used(request);
}

void edge_changes_begin(struct edge_request *request)
{
    struct edge *edge = request->edge;
    struct edge_stream *stream = edge_arena_zeroed(&request->arena, sizeof *stream);
    u64 wait_ms = 0;
    stream->request = request;
    if (!stream_read(request, stream, &wait_ms)) return;
    if (edge->stream_count >= EDGE_STREAMS_MAX) {
        struct edge_problem problem = edge_problem_make(
            EDGE_PROBLEM_BUSY, "there are %u that follow changes, as many as may be",
            EDGE_STREAMS_MAX);
        problem.retry_after = 1;
        edge_refuse(request, &problem);
        return;
    }
    if (edge->feed == NULL) {
        edge->feed = calloc(1, sizeof *edge->feed);
        assert(edge->feed != NULL);
    }
    stream->wait_until = edge->now + wait_ms * NS_PER_MS;
    stream->quiet_since = edge->now;
    stream->next = edge->streams;
    stream->link = &edge->streams;
    if (edge->streams != NULL) edge->streams->link = &stream->next;
    edge->streams = stream;
    edge->stream_count++;
    request->stream = stream;
    if (stream->is_events) events_respond(stream);
    else stream_ask(stream);
}

// How long a stream is quiet before a comment says that it is there.
static u64 keep_alive_ns(const struct edge *edge)
{
    return MIN(2 * KEEP_ALIVE_S, edge->options->idle_timeout) * NS_PER_S / 2;
}

// Of one that waits: what is due at `now`.
static void stream_tick(struct edge_stream *stream, u64 now)
{
    struct edge_request *request = stream->request;
    if (request->edge->is_stopping && stream->is_events) {
        stream->state = STREAM_OVER;
        edge_core_give_up(&request->edge->core, &request->ticket);
        if (request->is_suspended) edge_request_resume(request);
        return;
    }
    if (stream->state == STREAM_WAITING) {
        const bool is_over =
            !stream->is_events && (now >= stream->wait_until || request->edge->is_stopping);
        if (is_over) stream->wait_until = 0; // The next answer is told as it is.
        if (is_over || now >= stream->ask_at) stream_ask(stream);
    }
    const bool is_quiet = stream->is_events && stream->out_done == stream->out_size &&
                          now - stream->quiet_since >= keep_alive_ns(request->edge);
    if (!is_quiet || !request->is_suspended) return;
    out_set(stream, ": keep-alive\n\n");
    edge_request_resume(request);
}

void edge_changes_tick(struct edge *edge)
{
    for (struct edge_stream *stream = edge->streams; stream != NULL; stream = stream->next) {
        if (stream->state != STREAM_OVER) stream_tick(stream, edge->now);
        // While the server was away, nobody waited there.
        if (stream->state == STREAM_WAITING && stream->ask_at == U64_MAX) {
            feed_ask(edge, stream->row);
        }
    }
}

u64 edge_changes_due(const struct edge *edge)
{
    u64 due = U64_MAX;
    for (const struct edge_stream *stream = edge->streams; stream != NULL; stream = stream->next) {
        if (stream->state == STREAM_OVER) continue;
        if (stream->is_events) due = MIN(due, stream->quiet_since + keep_alive_ns(edge));
        if (stream->state != STREAM_WAITING) continue;
        due = MIN(due, stream->ask_at);
        if (!stream->is_events) due = MIN(due, stream->wait_until);
        if (stream->ask_at == U64_MAX && edge->feed->ticket.ticket == 0) {
            due = MIN(due, edge->feed->retry_at);
        }
    }
    return due;
}

void edge_changes_gone(struct edge_request *request)
{
    struct edge_stream *stream = request->stream;
    stream->wait_until = 0;
    if (!stream->is_events || stream->state == STREAM_OVER) return;
    stream->state = STREAM_OVER;
    edge_core_give_up(&request->edge->core, &request->ticket);
    if (request->is_suspended) edge_request_resume(request);
}

void edge_changes_free(struct edge_request *request)
{
    struct edge_stream *stream = request->stream;
    if (stream == NULL) return;
    *stream->link = stream->next;
    if (stream->next != NULL) stream->next->link = stream->link;
    request->edge->stream_count--;
    free(stream->body);
    free(stream->out);
    request->stream = NULL;
}

void edge_changes_stop(struct edge *edge)
{
    if (edge->feed == NULL) return;
    edge_core_give_up(&edge->core, &edge->feed->ticket);
    free(edge->feed);
    edge->feed = NULL;
}
