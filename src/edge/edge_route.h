// SPDX-License-Identifier: Apache-2.0
//
// Which endpoints there are, made from the modules' descriptions, and what a request's target says.
//
// A command of a module is POST /v1/MODULE/NAME, a question GET /v1/MODULE/NAME: the record's name
// without the module's in front, `-` for `_`. Raw accounts and transfers are those of `ledger`.
// Paths are compared byte by byte: what is percent-encoded in one names nothing.
#ifndef TAEL_EDGE_EDGE_ROUTE_H
#define TAEL_EDGE_EDGE_ROUTE_H

#include "edge/edge_arena.h"
#include "modules/module.h"

enum edge_kind {
    EDGE_COMMAND,
    EDGE_QUESTION,
    EDGE_CHANGES,
    EDGE_HEALTHZ,
    EDGE_READYZ,
    EDGE_METRICS,
    EDGE_OPENAPI,
    EDGE_DOCS,
};

#define EDGE_PATH_SIZE_MAX  96u
#define EDGE_ENDPOINTS_MAX  512u
#define EDGE_PARAMETERS_MAX 160u

struct edge_endpoint {
    enum edge_kind kind;
    u32 path_size;
    bool is_hidden;                     // Of no use by itself: not in the OpenAPI document.
    bool is_open;                       // To whoever asks, without a token.
    const struct schema_record *record; // Of commands and questions.
    const struct module *module;        // NULL: the ledger's.
    const char *group;                  // "ledger", "book", ...; "" of the edge's own.
    char path[EDGE_PATH_SIZE_MAX];
};

struct edge_routes {
    u32 count;
    struct edge_endpoint items[EDGE_ENDPOINTS_MAX];
};

// All endpoints: the edge's own, the ledger's, those of every module that is not for tests.
void edge_routes_make(struct edge_routes *routes);
// Whether an endpoint answers POST; the others answer GET and HEAD.
static inline bool edge_is_post(const struct edge_endpoint *endpoint)
{
    return endpoint->kind == EDGE_COMMAND;
}
// The endpoint of a path and method. NULL when there is none; `*allow` is what the path answers
// then, or NULL when there is no such path.
const struct edge_endpoint *edge_route_find(const struct edge_routes *routes, const char *path,
                                            size_t size, const char *method, const char **allow);

// --- the target of a request ---

struct edge_parameter {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
    bool is_used; // The caller's: who looks for what nobody used.
};

struct edge_target {
    const char *path; // As it was sent.
    size_t path_size;
    u32 count;
    struct edge_parameter parameters[EDGE_PARAMETERS_MAX];
};

// Takes a target apart: a path, and behind a '?' parameters, percent-decoded, '+' a blank. False
// with the rule that it breaks: a fragment, a bad escape, no UTF-8, too many, one given twice.
// What comes out lies in the arena or in `text`, and both must stay.
MUST_USE bool edge_target_parse(const char *text, struct edge_arena *arena, struct edge_target *out,
                                const char **rule);
// The parameter of this name, which counts as used, or NULL.
struct edge_parameter *edge_target_find(struct edge_target *target, const char *name);

#endif
