// SPDX-License-Identifier: Apache-2.0
//
// POST: one record, or an array of them, is one command.
//
// The command's id is the header Idempotency-Key or the parameter command_id: a number in decimal
// digits, or a UUID, which is the same 128 bits in hexadecimal digits. Without one the edge makes
// one. One record is answered by its result, or by a problem when it is refused; an array by a
// result each, in order.
#include "codec/base64url.h"
#include "codec/number.h"
#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "edge/edge_internal.h"
#include "edge/edge_result.h"

#include <stdio.h>

#define RESULT_SIZE_MAX 640u
#define HEAD_SIZE_MAX   256u

// --- ids -----------------------------------------------------------------------------------------

static bool uuid_parse(const char *text, size_t size, u128 *id)
{
    if (size != 36) return false;
    *id = 0;
    for (size_t i = 0; i < size; i++) {
        const bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        const int digit = text_hex_digit(text[i]);
        if (is_hyphen ? text[i] != '-' : digit < 0) return false;
        if (!is_hyphen) *id = *id * 16 + (u32)digit;
    }
    return true;
}

bool edge_command_id_parse(const char *text, size_t size, u128 *id)
{
    if (!uuid_parse(text, size, id) && number_parse_u128(text, size, id) != NUMBER_OK) return false;
    return *id != 0;
}

bool edge_command_id_read(struct edge_request *request, u128 *id)
{
    const struct edge_parameter *parameter = edge_target_find(&request->target, "command_id");
    const char *header = request->headers.idempotency_key;
    const char *rule = NULL;
    *id = 0;
    if (request->headers.idempotency_keys > 1) {
        rule = "there is more than one header Idempotency-Key";
    } else if (header != NULL && parameter != NULL) {
        rule = "the command's id is the header Idempotency-Key or the parameter command_id, not "
               "both";
    } else if (header != NULL && !edge_command_id_parse(header, strlen(header), id)) {
        rule = "the header Idempotency-Key is not a number of 128 bits in decimal digits, nor a "
               "UUID; 0 is none";
    } else if (parameter != NULL &&
               !edge_command_id_parse(parameter->value, parameter->value_size, id)) {
        rule = "the parameter command_id is not a number of 128 bits in decimal digits, nor a "
               "UUID; 0 is none";
    }
    if (rule == NULL) return true;
    const struct edge_problem problem = edge_problem_make(EDGE_PROBLEM_BAD_HEADER, "%s", rule);
    edge_refuse(request, &problem);
    return false;
}

// --- the body ------------------------------------------------------------------------------------

static void json_refuse(struct edge_request *request, const struct json_error *error,
                        const struct failure *failure)
{
    const struct edge_problem problem = edge_problem_of_json(error, failure);
    edge_refuse(request, &problem);
}

// Room for the records of the command, in the arena.
struct records {
    u8 *data;
    size_t size;
    size_t room;
    u32 count;
};

static bool record_put(struct edge_request *request, struct records *records, size_t size)
{
    const size_t at = align_up(records->size, TAEL_RECORD_ALIGNMENT);
    if (at + size > TAEL_BODY_MAX || records->count == TAEL_RAW_MAX) {
        const struct edge_problem problem = edge_problem_make(
            EDGE_PROBLEM_TOO_LARGE,
            "a command has at most %u records, and a MiB of them; send application/x-ndjson for "
            "more",
            TAEL_RAW_MAX);
        edge_refuse(request, &problem);
        return false;
    }
    if (at + size > records->room) {
        const size_t room = MIN(MAX(2 * records->room, at + size), (size_t)TAEL_BODY_MAX);
        u8 *data = edge_arena_take(&request->arena, room);
        if (records->size > 0) memcpy(data, records->data, records->size);
        records->data = data;
        records->room = room;
    }
    assert(records->data != NULL);
    memset(records->data + records->size, 0, at - records->size);
    memcpy(records->data + at, request->edge->scratch, size);
    records->size = at + size;
    records->count++;
    return true;
}

// Whether the array goes on with another element; looks, and takes nothing.
static bool array_goes_on(const struct json_reader *reader, bool *goes_on, struct failure *failure)
{
    struct json_reader peek = *reader;
    struct json_value value;
    if (json_next(&peek, &value, failure) != STATUS_OK) return false;
    *goes_on = value.token != JSON_ARRAY_END;
    return true;
}

static bool record_read(struct edge_request *request, struct json_reader *reader,
                        struct records *records)
{
    const struct schema_record *record = request->endpoint->record;
    struct failure failure = {0};
    size_t size = 0;
    const enum status status = record_json_decode(record, reader, request->edge->scratch,
                                                  EDGE_SCRATCH_SIZE, &size, &failure);
    if (status == STATUS_OK) return record_put(request, records, size);
    if (request->is_batch) (void)failure_wrap(&failure, "record %u", records->count);
    json_refuse(request, reader->error, &failure);
    return false;
}

static bool body_read(struct edge_request *request, struct records *records)
{
    struct json_error error = {0};
    struct failure failure = {0};
    struct json_value value;
    struct json_reader reader =
        json_reader_init((const char *)request->body, request->body_size, 1);
    reader.error = &error;
    struct json_reader peek = reader;
    if (json_next(&peek, &value, &failure) != STATUS_OK) {
        json_refuse(request, &error, &failure);
        return false;
    }
    request->is_batch = value.token == JSON_ARRAY_BEGIN;
    if (!request->is_batch) {
        if (!record_read(request, &reader, records)) return false;
    } else {
        bool goes_on = false;
        reader = peek;
        for (;;) {
            if (!array_goes_on(&reader, &goes_on, &failure)) {
                json_refuse(request, &error, &failure);
                return false;
            }
            if (!goes_on) break;
            if (!record_read(request, &reader, records)) return false;
        }
        if (json_next(&reader, &value, &failure) != STATUS_OK) { // The bracket.
            json_refuse(request, &error, &failure);
            return false;
        }
    }
    if (json_next(&reader, &value, &failure) != STATUS_OK) {
        json_refuse(request, &error, &failure);
        return false;
    }
    if (records->count > 0) return true;
    const struct edge_problem problem =
        edge_problem_make(EDGE_PROBLEM_EMPTY_BATCH, "the array has no record");
    edge_refuse(request, &problem);
    return false;
}

// --- the answer ----------------------------------------------------------------------------------

struct edge_problem edge_problem_of_error(const struct edge_request *request, enum tael_error error,
                                          bool maybe_applied)
{
    struct edge_problem problem;
    if (maybe_applied) {
        problem = edge_problem_make(
            EDGE_PROBLEM_TIMEOUT,
            "the server has not answered in time; send the same body again with this command_id, "
            "and what became of it is told, whether or not it was applied");
        problem.command_id = request->command_id;
    } else if (error == TAEL_ERROR_CROWDED) {
        problem = edge_problem_make(EDGE_PROBLEM_BUSY, "too much is in flight; nothing was done");
    } else {
        problem = edge_problem_make(EDGE_PROBLEM_UNREACHABLE,
                                    "the server cannot be reached now, or has too much to do; "
                                    "nothing was done");
    }
    problem.retry_after = 1;
    return problem;
}

struct edge_problem edge_problem_of_answer(const struct edge_request *request,
                                           const struct tael_answer *answer)
{
    static const struct {
        enum tael_result result;
        enum edge_problem_kind kind;
    } rows[] = {
        {TAEL_RESULT_FULL, EDGE_PROBLEM_STORAGE_FULL},
        {TAEL_RESULT_BUSY, EDGE_PROBLEM_BUSY},
        {TAEL_RESULT_TABLE_FULL, EDGE_PROBLEM_TABLE_FULL},
        {TAEL_RESULT_UNKNOWN_RECORD, EDGE_PROBLEM_UNKNOWN_RECORD},
        {TAEL_RESULT_MALFORMED, EDGE_PROBLEM_MALFORMED_RECORD},
        {TAEL_RESULT_NOT_PERMITTED, EDGE_PROBLEM_NOT_PERMITTED},
        {TAEL_RESULT_REUSED, EDGE_PROBLEM_COMMAND_ID_REUSED},
        {TAEL_RESULT_OVERRIDDEN, EDGE_PROBLEM_OVERRIDDEN},
        {TAEL_RESULT_EXPIRED, EDGE_PROBLEM_EXPIRED},
    };
    struct edge_problem problem = edge_problem_make(EDGE_PROBLEM_INTERNAL, "%s", answer->text);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].result == answer->result) problem.kind = rows[i].kind;
    }
    if (edge_problem_row(problem.kind)->status == 503) problem.retry_after = 1;
    problem.command_id = request->command_id;
    return problem;
}

static void number_member(struct json_writer *writer, const char *key, u128 value)
{
    json_write_key(writer, key);
    json_write_u128_string(writer, value);
}

static void single_answer(struct edge_request *request, const struct tael_answer *answer)
{
    const struct edge_result result = edge_result_of(request->endpoint, answer, 0);
    if (!result.is_done) {
        struct edge_problem problem = edge_problem_of_result(request->endpoint, &result);
        problem.command_id = request->command_id;
        edge_refuse(request, &problem);
        return;
    }
    struct json_writer writer = edge_writer(request, HEAD_SIZE_MAX + RESULT_SIZE_MAX);
    json_write_object_begin(&writer);
    edge_result_write(&result, &writer);
    number_member(&writer, "position", result.position);
    number_member(&writer, "command_id", request->command_id);
    json_write_object_end(&writer);
    edge_respond_json(request, result.result != NULL ? result.result->http_status : 200, &writer);
}

static void batch_answer(struct edge_request *request, const struct tael_answer *answer)
{
    struct json_writer writer =
        edge_writer(request, HEAD_SIZE_MAX + (size_t)answer->count * RESULT_SIZE_MAX);
    json_write_object_begin(&writer);
    number_member(&writer, "command_id", request->command_id);
    number_member(&writer, "position", answer->position);
    json_write_key(&writer, "items");
    json_write_array_begin(&writer);
    for (u32 i = 0; i < answer->count; i++) {
        const struct edge_result result = edge_result_of(request->endpoint, answer, i);
        json_write_object_begin(&writer);
        edge_result_write(&result, &writer);
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    edge_respond_json(request, 200, &writer);
}

static void command_answered(void *context, const struct tael_answer *answer)
{
    struct edge_request *request = context;
    struct edge_problem problem;
    if (answer->error == TAEL_OK && answer->result == TAEL_RESULT_DONE) {
        request->ticket.ticket = 0;
        if (request->is_batch) batch_answer(request, answer);
        else single_answer(request, answer);
        return;
    }
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        edge_core_give_up(&request->edge->core, &request->ticket);
    }
    request->ticket.ticket = 0;
    const bool is_unsure = answer->maybe_applied;
    if (answer->error != TAEL_OK || is_unsure) {
        problem = edge_problem_of_error(request, answer->error, is_unsure);
    } else {
        problem = edge_problem_of_answer(request, answer);
    }
    edge_refuse(request, &problem);
}

void edge_command_begin(struct edge_request *request)
{
    struct edge *edge = request->edge;
    struct records records = {0};
    if (!edge_command_id_read(request, &request->command_id) || !edge_parameters_used(request) ||
        !body_read(request, &records)) {
        return;
    }
    if (request->command_id == 0) request->command_id = edge_core_id(&edge->core);
    request->command = (struct tael_command){
        .id = {.low = (u64)request->command_id, .high = (u64)(request->command_id >> 64)},
        .record = request->endpoint->record->number,
        .version = 1,
        .count = records.count,
        .body_size = (u32)records.size,
        .body = records.data,
    };
    const enum tael_error error = edge_core_command(
        &edge->core, &request->command, request->caller.principal,
        edge->options->deadline * 1000ull, command_answered, request, &request->ticket);
    if (error == TAEL_OK) return;
    const struct edge_problem problem = edge_problem_of_error(request, error, false);
    edge_refuse(request, &problem);
}
