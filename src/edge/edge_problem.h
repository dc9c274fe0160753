// SPDX-License-Identifier: Apache-2.0
//
// Problem documents (RFC 9457): why a request was refused, for programs and people.
//
// Members: type, title, status and detail of the RFC; result and code of a refusal by a module or
// the ledger; field, line, column, min and max of what was sent; evidence and limit; command_id
// and position of a command. What does not apply is left out.
#ifndef TAEL_EDGE_EDGE_PROBLEM_H
#define TAEL_EDGE_EDGE_PROBLEM_H

#include "codec/json.h"
#include "schema/schema.h"

enum edge_problem_kind {
#define PROBLEM(name, status, title) EDGE_PROBLEM_##name,
#include "edge/edge_problem.def"
#undef PROBLEM
    EDGE_PROBLEM_COUNT,
};

struct edge_problem_row {
    const char *name; // In lower case, `-` between words.
    u32 status;
    const char *title;
};
// The row of a kind.
const struct edge_problem_row *edge_problem_row(enum edge_problem_kind kind);

struct edge_problem {
    enum edge_problem_kind kind;
    // Of a refusal by a module or the ledger, in the kind's place:
    const struct schema_result *result;
    const char *group; // Whose results these are: "principal", "ledger".
    u32 code;          // Of one that this program does not know; `result` is NULL then.
    bool is_result;

    char detail[720];
    char hint[240];
    char field[JSON_PATH_SIZE_MAX]; // "" for none.
    u32 line, column;               // Of the body; 0: unknown.
    const struct schema_field *of;  // Whose bounds are told, or NULL.
    char evidence[48];              // Numbers; "" for none.
    char limit[48];
    const struct schema_result *posting_result; // Of a posting that the ledger refused.
    u32 posting;
    u128 command_id; // 0: none.
    u64 position;    // 0: none.
    // Headers that go with it.
    u32 retry_after; // Seconds; 0: none.
    const char *allow;
};

// A problem of the edge's own; the detail is formatted.
struct edge_problem edge_problem_make(enum edge_problem_kind kind, const char *format, ...)
    PRINTF_LIKE(2, 3);
// What a body that is not a record breaks, as the codec told it.
struct edge_problem edge_problem_of_json(const struct json_error *error,
                                         const struct failure *failure);
// The HTTP status.
u32 edge_problem_status(const struct edge_problem *problem);
// Writes the document, an object.
void edge_problem_write(const struct edge_problem *problem, struct json_writer *writer);

#endif
