// SPDX-License-Identifier: Apache-2.0
//
// Responses.
#include "edge/edge_internal.h"

#include <stdio.h>

#define PROBLEM_SIZE_MAX 8192u

void edge_response_header(struct edge_request *request, const char *name, const char *value)
{
    // Values are made here or were checked: libmicrohttpd refuses line ends, too.
    (void)MHD_add_response_header(request->response, name, value);
}

void edge_respond_with(struct edge_request *request, u32 status, const char *type,
                       struct MHD_Response *response)
{
    assert(request->response == NULL && response != NULL); // E1
    request->response = response;
    request->status = status;
    request->phase = EDGE_PHASE_DONE;
    if (type != NULL) edge_response_header(request, "Content-Type", type);
    edge_response_header(request, "X-Request-Id", request->id);
    // What is made once is asked for again by its ETag; anything else is of this moment.
    edge_response_header(request, "Cache-Control", request->is_static ? "no-cache" : "no-store");
    edge_response_header(request, "X-Content-Type-Options", "nosniff");
    const bool is_former =
        request->connection != NULL && request->connection->daemon != request->edge->daemon;
    if (request->edge->is_stopping || is_former)
        edge_response_header(request, "Connection", "close");
    if (request->is_suspended) edge_request_resume(request);
}

void edge_respond(struct edge_request *request, u32 status, const char *type, const void *data,
                  size_t size)
{
    // libmicrohttpd only reads it.
    void *memory = (void *)(uintptr_t)data;
    request->sent = size;
    edge_respond_with(request, status, type,
                      MHD_create_response_from_buffer(size, memory, MHD_RESPMEM_PERSISTENT));
}

struct json_writer edge_writer(struct edge_request *request, size_t room)
{
    return json_writer_init(edge_arena_take(&request->arena, room), room);
}

void edge_respond_json(struct edge_request *request, u32 status, const struct json_writer *writer)
{
    assert(!text_overflowed(&writer->text));
    edge_respond(request, status, "application/json", writer->text.data, writer->text.size);
}

void edge_refuse(struct edge_request *request, const struct edge_problem *problem)
{
    const u32 status = edge_problem_status(problem);
    struct json_writer writer = edge_writer(request, PROBLEM_SIZE_MAX);
    edge_problem_write(problem, &writer);
    assert(!text_overflowed(&writer.text));
    struct MHD_Response *response =
        MHD_create_response_from_buffer(writer.text.size, writer.text.data, MHD_RESPMEM_PERSISTENT);
    assert(response != NULL);
    if (problem->allow != NULL) (void)MHD_add_response_header(response, "Allow", problem->allow);
    // What is no HTTP may go on with something that is none either.
    if (!problem->is_result && problem->kind == EDGE_PROBLEM_BAD_REQUEST) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
    if (status == 401) {
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"tael\"");
    }
    if (problem->retry_after != 0) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%u", problem->retry_after);
        (void)MHD_add_response_header(response, "Retry-After", seconds);
    }
    request->sent = writer.text.size;
    edge_respond_with(request, status, "application/problem+json", response);
}
