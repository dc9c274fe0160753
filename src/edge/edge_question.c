// SPDX-License-Identifier: Apache-2.0
//
// GET: a question. Its fields are parameters; the answer is a page of items.
#include "codec/base64url.h"
#include "codec/field.h"
#include "codec/number.h"
#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "edge/edge_internal.h"
#include "edge/edge_result.h"
#include "ledger/ledger_schema.h"

#include <stdio.h>

// Room for a page, at first: so many characters a byte of the views.
#define GROWTH        4u
#define HEAD_SIZE_MAX 512u
#define LIMIT_MAX     8189u

// --- parameters ----------------------------------------------------------------------------------

static void parameter_refuse(struct edge_request *request, enum edge_problem_kind kind,
                             const char *name, const char *text, const char *hint)
{
    struct edge_problem problem = edge_problem_make(kind, "%s: %s", name, text);
    (void)snprintf(problem.field, sizeof problem.field, "%s", name);
    (void)snprintf(problem.hint, sizeof problem.hint, "%s", hint);
    edge_refuse(request, &problem);
}

bool edge_parameters_used(struct edge_request *request)
{
    const struct edge_target *target = &request->target;
    for (u32 i = 0; i < target->count; i++) {
        const struct edge_parameter *parameter = &target->parameters[i];
        if (parameter->is_used) continue;
        const struct text_quoted quoted = text_quote(parameter->name, parameter->name_size);
        const struct schema_field *nearest =
            request->endpoint->kind == EDGE_QUESTION
                ? schema_nearest_field(request->endpoint->record, parameter->name,
                                       parameter->name_size)
                : NULL;
        char hint[SCHEMA_NAME_SIZE_MAX + 32] = "";
        if (nearest != NULL) {
            (void)snprintf(hint, sizeof hint, "did you mean %s?", nearest->name);
        }
        struct edge_problem problem = edge_problem_make(
            EDGE_PROBLEM_UNKNOWN_PARAMETER, "there is no parameter %s here", quoted.text);
        (void)snprintf(problem.hint, sizeof problem.hint, "%s", hint);
        edge_refuse(request, &problem);
        return false;
    }
    return true;
}

bool edge_position_read(struct edge_request *request, u64 *position)
{
    const struct edge_parameter *parameter = edge_target_find(&request->target, "at_least");
    const char *text = parameter != NULL ? parameter->value : request->headers.at_least;
    const size_t size = parameter != NULL ? parameter->value_size : text != NULL ? strlen(text) : 0;
    u128 value = 0;
    *position = 0;
    if (text == NULL) return true;
    if (number_parse_u128(text, size, &value) != NUMBER_OK || value >= TAEL_POSITION_SEEN) {
        parameter_refuse(request, EDGE_PROBLEM_BAD_PARAMETER, "at_least",
                         "it is not a position in decimal digits", "");
        return false;
    }
    *position = (u64)value;
    return true;
}

static bool cursor_read(struct edge_request *request)
{
    const struct edge_parameter *parameter = edge_target_find(&request->target, "cursor");
    if (parameter == NULL) return true;
    if (base64url_decode(parameter->value, parameter->value_size, request->question.cursor,
                         sizeof request->question.cursor)) {
        return true;
    }
    parameter_refuse(request, EDGE_PROBLEM_BAD_PARAMETER, "cursor",
                     "it is not the `next` of an answer", "");
    return false;
}

// Items of a page at most. Of a record that has a limit of its own that one is meant.
static bool limit_read(struct edge_request *request)
{
    const struct edge_parameter *parameter = edge_target_find(&request->target, "limit");
    u128 limit = 0;
    if (parameter == NULL || schema_find_field(request->endpoint->record, "limit", 5) != NULL) {
        return true;
    }
    if (number_parse_u128(parameter->value, parameter->value_size, &limit) == NUMBER_OK &&
        limit >= 1 && limit <= LIMIT_MAX) {
        request->question.limit = (u32)limit;
        return true;
    }
    parameter_refuse(request, EDGE_PROBLEM_BAD_PARAMETER, "limit", "it is a number from 1 to 8189",
                     "");
    return false;
}

static bool field_read(struct edge_request *request, const struct schema_field *field, u8 *head)
{
    const struct schema_record *record = request->endpoint->record;
    const struct edge_parameter *parameter = edge_target_find(&request->target, field->name);
    struct failure failure = {0};
    if (parameter == NULL && field->initial != NULL) {
        const enum status status =
            field_parse(record, field, field->initial, strlen(field->initial), head, &failure);
        assert(status == STATUS_OK);
        return true;
    }
    if (parameter == NULL) return true;
    if (field_parse(record, field, parameter->value, parameter->value_size, head, &failure) ==
        STATUS_OK) {
        return true;
    }
    struct edge_problem problem =
        edge_problem_make(EDGE_PROBLEM_BAD_PARAMETER, "%s: %s", field->name, failure.message);
    (void)snprintf(problem.field, sizeof problem.field, "%s", field->name);
    (void)snprintf(problem.hint, sizeof problem.hint, "%s", failure.hint);
    problem.of = field;
    edge_refuse(request, &problem);
    return false;
}

static bool fields_read(struct edge_request *request, u8 *head)
{
    const struct schema_record *record = request->endpoint->record;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (schema_field_is_reserved(field) || field->type == SCHEMA_ARRAY ||
            field->type == SCHEMA_BLOB) {
            continue;
        }
        if (!field_read(request, field, head)) return false;
    }
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!field_is_required(record, field, head) || field->initial != NULL) continue;
        if (edge_target_find(&request->target, field->name) != NULL) continue;
        parameter_refuse(request, EDGE_PROBLEM_MISSING_PARAMETER, field->name,
                         "the parameter is required", field->doc);
        return false;
    }
    return true;
}

// --- the answer ----------------------------------------------------------------------------------

// Whether the body is as many views as the answer says, each whole.
static const struct schema_record *views_record(const struct tael_answer *answer)
{
    const struct schema_record *record = module_record_of(answer->record);
    if (record == NULL) record = schema_find_record_number(&ledger_schema, answer->record);
    if (record == NULL || record_binary_size_max(record) != record->size) return NULL;
    const u64 stride = align_up(record->size, TAEL_RECORD_ALIGNMENT);
    return answer->body_size == answer->count * stride ? record : NULL;
}

static void page_write(const struct schema_record *record, const struct tael_answer *answer,
                       struct json_writer *writer)
{
    char cursor[BASE64URL_SIZE(sizeof answer->cursor) + 1];
    json_write_object_begin(writer);
    json_write_key(writer, "items");
    json_write_array_begin(writer);
    for (u32 i = 0; i < answer->count; i++) {
        const u64 at = i * align_up(record->size, TAEL_RECORD_ALIGNMENT);
        record_json_write(record, RECORD_JSON_CALENDAR, (const u8 *)answer->body + at, writer);
    }
    json_write_array_end(writer);
    json_write_key(writer, "next");
    if (answer->has_more) {
        base64url_encode(answer->cursor, sizeof answer->cursor, cursor);
        json_write_text(writer, cursor);
    } else {
        json_write_null(writer);
    }
    json_write_key(writer, "position");
    json_write_u128_string(writer, answer->position);
    json_write_object_end(writer);
}

static void page_answer(struct edge_request *request, const struct tael_answer *answer)
{
    const struct schema_record *record = answer->count > 0 ? views_record(answer) : NULL;
    char position[24];
    if (answer->count > 0 && record == NULL) {
        const struct edge_problem problem = edge_problem_make(
            EDGE_PROBLEM_INTERNAL, "the server's answer is none: is it of another version?");
        edge_refuse(request, &problem);
        return;
    }
    struct json_writer writer =
        edge_writer(request, HEAD_SIZE_MAX + (size_t)answer->body_size * GROWTH);
    page_write(record, answer, &writer);
    if (text_overflowed(&writer.text)) {
        writer = edge_writer(request, writer.text.size);
        page_write(record, answer, &writer);
    }
    edge_respond_json(request, 200, &writer);
    (void)snprintf(position, sizeof position, "%llu", (unsigned long long)answer->position);
    edge_response_header(request, "Tael-Position", position);
}

static void question_answered(void *context, const struct tael_answer *answer)
{
    struct edge_request *request = context;
    struct edge_problem problem;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        edge_core_give_up(&request->edge->core, &request->ticket);
    }
    request->ticket.ticket = 0;
    const bool is_told =
        answer->result == TAEL_RESULT_DONE || answer->result == TAEL_RESULT_REFUSED;
    if (answer->error != TAEL_OK) {
        problem = edge_problem_of_error(request, answer->error, false);
    } else if (is_told && answer->position < request->at_least) {
        // Nobody was told that position by this server.
        problem = edge_problem_make(EDGE_PROBLEM_BAD_PARAMETER,
                                    "at_least: the log has not come to this position");
        (void)snprintf(problem.field, sizeof problem.field, "at_least");
    } else if (answer->result == TAEL_RESULT_DONE) {
        page_answer(request, answer);
        return;
    } else if (answer->result == TAEL_RESULT_REFUSED) {
        const struct edge_result result =
            edge_result_of_reply(request->endpoint, &answer->replies[0]);
        problem = edge_problem_of_result(request->endpoint, &result);
    } else {
        problem = edge_problem_of_answer(request, answer);
    }
    edge_refuse(request, &problem);
}

void edge_question_begin(struct edge_request *request)
{
    struct edge *edge = request->edge;
    const struct schema_record *record = request->endpoint->record;
    u8 *head = edge_arena_zeroed(&request->arena, record->size);
    request->question = (struct tael_question){
        .record = record->number,
        .version = 1,
        .body_size = record->size,
        .body = head,
    };
    if (!fields_read(request, head) || !cursor_read(request) || !limit_read(request) ||
        !edge_position_read(request, &request->at_least) || !edge_parameters_used(request)) {
        return;
    }
    // One that is not there yet must not hold up the questions of others.
    request->question.position = MIN(request->at_least, edge_core_position(&edge->core));
    const u64 wait_ms = edge->options->deadline * 1000ull;
    const enum tael_error error =
        edge_core_question(&edge->core, &request->question, request->caller.principal, wait_ms,
                           question_answered, request, &request->ticket);
    if (error == TAEL_OK) return;
    const struct edge_problem problem = edge_problem_of_error(request, error, false);
    edge_refuse(request, &problem);
}
