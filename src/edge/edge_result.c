// SPDX-License-Identifier: Apache-2.0
//
// What became of a record.
#include "edge/edge_result.h"

#include "codec/civil.h"
#include "ledger/ledger_schema.h"

#include <stdio.h>

struct edge_result edge_result_of_reply(const struct edge_endpoint *endpoint,
                                        const struct tael_reply *reply)
{
    struct edge_result out = {
        .number = reply->result,
        .is_done = reply->result == MODULE_DONE,
        .timestamp = reply->timestamp,
        .position = reply->position,
        .posting = reply->posting,
    };
    if (out.is_done) return out;
    out.result = module_result_of(endpoint->module, reply->result);
    const u128 value = edge_u128(reply->evidence[0]), limit = edge_u128(reply->evidence[1]);
    // What is no number, such as a name, is not in the evidence.
    if (value != 0 || limit != 0) {
        evidence_print(out.result, true, value, out.evidence);
        evidence_print(out.result, true, limit, out.limit);
    }
    out.has_constraint = reply->result == MODULE_CONSTRAINT_BROKEN;
    if (reply->result == MODULE_POSTING_REFUSED) {
        out.posting_result =
            schema_find_result(&ledger_schema_create_transfer_result, reply->posting_result);
    }
    return out;
}

struct edge_result edge_result_of_raw(const struct edge_endpoint *endpoint,
                                      const struct tael_create_result *raw, u64 position)
{
    const struct schema_results *results = endpoint->record == &ledger_schema_account
                                               ? &ledger_schema_create_account_result
                                               : &ledger_schema_create_transfer_result;
    struct edge_result out = {
        .result = schema_find_result(results, raw->status),
        .number = raw->status,
        .timestamp = raw->timestamp,
        .position = position,
    };
    out.is_done = out.result != NULL && out.result->http_status < 400;
    return out;
}

struct edge_result edge_result_of(const struct edge_endpoint *endpoint,
                                  const struct tael_answer *answer, u32 index)
{
    if (answer->results != NULL) {
        return edge_result_of_raw(endpoint, &answer->results[index], answer->position);
    }
    return edge_result_of_reply(endpoint, &answer->replies[index]);
}

static void text_member(struct json_writer *writer, const char *key, const char *value)
{
    if (value[0] == 0) return;
    json_write_key(writer, key);
    json_write_text(writer, value);
}

void edge_result_write(const struct edge_result *result, struct json_writer *writer)
{
    json_write_key(writer, "result");
    if (result->result != NULL) json_write_text(writer, schema_lower(result->result->name).text);
    else json_write_text(writer, result->is_done ? "done" : "unknown");
    json_write_key(writer, "number");
    json_write_u64(writer, result->number);
    if (result->timestamp != 0) {
        char moment[CIVIL_MOMENT_SIZE];
        const size_t size = civil_print_moment(result->timestamp, moment);
        json_write_key(writer, "timestamp");
        json_write_string(writer, moment, size);
    }
    text_member(writer, "evidence", result->evidence);
    text_member(writer, "limit", result->limit);
    if (result->posting_result != NULL) {
        json_write_key(writer, "posting");
        json_write_u64(writer, result->posting);
        text_member(writer, "posting_result", schema_lower(result->posting_result->name).text);
    }
    if (result->has_constraint) {
        json_write_key(writer, "constraint");
        json_write_u64(writer, result->posting);
    }
}

struct edge_problem edge_problem_of_result(const struct edge_endpoint *endpoint,
                                           const struct edge_result *result)
{
    struct edge_problem problem = {
        .is_result = true,
        .result = result->result,
        .group = endpoint->group,
        .code = result->number,
        .posting_result = result->posting_result,
        .posting = result->posting,
        .position = result->position,
    };
    // What all modules share has one place in the documentation.
    if (endpoint->module != NULL && result->number >= 200) problem.group = "module";
    if (endpoint->record == &ledger_schema_account) problem.group = "create-account";
    if (endpoint->record == &ledger_schema_transfer) problem.group = "create-transfer";
    memcpy(problem.evidence, result->evidence, sizeof problem.evidence);
    memcpy(problem.limit, result->limit, sizeof problem.limit);
    if (result->posting_result != NULL) {
        (void)snprintf(problem.detail, sizeof problem.detail, "Posting %u: %s", result->posting,
                       result->posting_result->sentence);
    } else if (result->has_constraint) {
        (void)snprintf(problem.detail, sizeof problem.detail,
                       "Constraint %u would be below its bound, or further below it.",
                       result->posting);
    } else if (result->result != NULL) {
        (void)snprintf(problem.detail, sizeof problem.detail, "%s", result->result->sentence);
    }
    return problem;
}
