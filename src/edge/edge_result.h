// SPDX-License-Identifier: Apache-2.0
//
// What became of a record of a command, as JSON and as a problem.
#ifndef TAEL_EDGE_EDGE_RESULT_H
#define TAEL_EDGE_EDGE_RESULT_H

#include "edge/edge_problem.h"
#include "edge/edge_route.h"
#include "modules/evidence.h"

#include <tael.h>

struct edge_result {
    const struct schema_result *result; // NULL: done, or unknown to this program.
    u32 number;
    bool is_done; // It took effect, now or before; else it was refused.
    u64 timestamp;
    u64 position;
    char evidence[EVIDENCE_SIZE_MAX]; // "" for none.
    char limit[EVIDENCE_SIZE_MAX];
    const struct schema_result *posting_result;
    u32 posting;
    bool has_constraint; // `posting` is the number of the constraint that is broken.
};

// A number of libtael.
static inline u128 edge_u128(struct tael_u128 value)
{
    return (u128)value.high << 64 | value.low;
}

// Of one reply of a module, to a command or a question of the endpoint.
struct edge_result edge_result_of_reply(const struct edge_endpoint *endpoint,
                                        const struct tael_reply *reply);
// Of one result of raw accounts or transfers, of a command at `position`.
struct edge_result edge_result_of_raw(const struct edge_endpoint *endpoint,
                                      const struct tael_create_result *raw, u64 position);
// Record `index` of an answer that is done.
struct edge_result edge_result_of(const struct edge_endpoint *endpoint,
                                  const struct tael_answer *answer, u32 index);
// Writes its members into an object that is open.
void edge_result_write(const struct edge_result *result, struct json_writer *writer);
// Of one that was refused.
struct edge_problem edge_problem_of_result(const struct edge_endpoint *endpoint,
                                           const struct edge_result *result);

#endif
