// SPDX-License-Identifier: Apache-2.0
//
// The edge's own endpoints.
#include "edge/edge_internal.h"
#include "edge/edge_static.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define METRICS_SIZE_MAX (256u * KIB)
#define STATUS_SIZE_MAX  2048u

static void healthz(struct edge_request *request)
{
    static const char text[] = "{\"status\":\"ok\"}";
    edge_respond(request, 200, "application/json", text, sizeof text - 1);
}

static void readyz(struct edge_request *request)
{
    static const char text[] = "{\"status\":\"ready\"}";
    struct edge *edge = request->edge;
    if (edge_core_is_ready(&edge->core) && !edge->is_stopping) {
        edge_respond(request, 200, "application/json", text, sizeof text - 1);
        return;
    }
    struct edge_problem problem =
        edge_problem_make(edge->is_stopping ? EDGE_PROBLEM_STOPPING : EDGE_PROBLEM_UNREACHABLE,
                          "%s", edge_core_problem(&edge->core));
    problem.retry_after = 1;
    edge_refuse(request, &problem);
}

// The server's file `status`, small and replaced whole; "" when there is none.
static void core_status_read(const struct edge *edge, char out[STATUS_SIZE_MAX])
{
    const char *path = edge->options->core_status;
    out[0] = 0;
    if (path == NULL || path[0] == 0) return;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    const ssize_t size = read(fd, out, STATUS_SIZE_MAX - 1);
    (void)close(fd);
    out[MAX(size, (ssize_t)0)] = 0;
}

static void metrics(struct edge_request *request)
{
    const struct edge *edge = request->edge;
    char *status = edge_arena_take(&request->arena, STATUS_SIZE_MAX);
    core_status_read(edge, status);
    const struct edge_metrics_now now = {
        .connections = edge->connection_count,
        .requests = edge->request_count,
        .core_in_flight = edge_core_in_flight(&edge->core),
        .core_asked = edge->core.asked,
        .core_ready = edge_core_is_ready(&edge->core),
        .core_position = edge_core_position(&edge->core),
        .core_status = status,
    };
    struct text out =
        text_init(edge_arena_take(&request->arena, METRICS_SIZE_MAX), METRICS_SIZE_MAX);
    edge_metrics_write(&edge->metrics, &now, &out);
    assert(!text_overflowed(&out));
    edge_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.size);
}

void edge_own_begin(struct edge_request *request)
{
    switch (request->endpoint->kind) {
    case EDGE_HEALTHZ: healthz(request); return;
    case EDGE_READYZ: readyz(request); return;
    case EDGE_METRICS: metrics(request); return;
    default: edge_static_answer(request); return;
    }
}
