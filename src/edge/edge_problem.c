// SPDX-License-Identifier: Apache-2.0
//
// Problem documents.
#include "edge/edge_problem.h"

#include "codec/number.h"

#include <stdarg.h>
#include <stdio.h>

static const struct edge_problem_row rows[] = {
#define PROBLEM(name, status, title) {#name, status, title},
#include "edge/edge_problem.def"
#undef PROBLEM
};
static_assert(ARRAY_COUNT(rows) == EDGE_PROBLEM_COUNT, "a row a kind");

const struct edge_problem_row *edge_problem_row(enum edge_problem_kind kind)
{
    assert((size_t)kind < ARRAY_COUNT(rows));
    return &rows[kind];
}

struct edge_problem edge_problem_make(enum edge_problem_kind kind, const char *format, ...)
{
    struct edge_problem problem = {.kind = kind};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem.detail, sizeof problem.detail, format, arguments);
    va_end(arguments);
    return problem;
}

struct edge_problem edge_problem_of_json(const struct json_error *error,
                                         const struct failure *failure)
{
    static const enum edge_problem_kind kinds[] = {
        [JSON_RULE_SYNTAX] = EDGE_PROBLEM_MALFORMED_JSON,
        [JSON_RULE_UNKNOWN_FIELD] = EDGE_PROBLEM_UNKNOWN_FIELD,
        [JSON_RULE_DUPLICATE_KEY] = EDGE_PROBLEM_DUPLICATE_KEY,
        [JSON_RULE_MISSING_FIELD] = EDGE_PROBLEM_MISSING_FIELD,
        [JSON_RULE_WRONG_TYPE] = EDGE_PROBLEM_WRONG_TYPE,
        [JSON_RULE_VALUE] = EDGE_PROBLEM_BAD_VALUE,
        [JSON_RULE_TOO_MANY] = EDGE_PROBLEM_TOO_MANY,
    };
    struct edge_problem problem = edge_problem_make(kinds[error->rule], "%s", failure->message);
    (void)snprintf(problem.hint, sizeof problem.hint, "%s", failure->hint);
    memcpy(problem.field, error->path, sizeof problem.field);
    problem.line = error->line;
    problem.column = error->column;
    if (error->rule == JSON_RULE_VALUE) problem.of = error->field;
    return problem;
}

u32 edge_problem_status(const struct edge_problem *problem)
{
    if (!problem->is_result) return rows[problem->kind].status;
    // A result of a newer server than this program.
    return problem->result != NULL ? problem->result->http_status : 409;
}

// The name as URLs have it: not_found, NOT_FOUND: not-found.
static void name_write(const char *name, struct text *out)
{
    const struct schema_name lower = schema_lower(name);
    for (const char *at = lower.text; *at != 0; at++) {
        if (*at == '_') text_append_char(out, '-');
        else text_append_char(out, *at);
    }
}

static void member_text(struct json_writer *writer, const char *key, const char *value)
{
    if (value[0] == 0) return;
    json_write_key(writer, key);
    json_write_text(writer, value);
}

static void bounds_write(const struct schema_field *field, struct json_writer *writer)
{
    if (field == NULL || !schema_type_is_number(field->type) || field->enumeration != NULL) return;
    const u128 most = schema_field_max(field);
    json_write_key(writer, "min");
    if (schema_type_is_signed(field->type)) {
        json_write_i128_string(writer, -(i128)most - (field->max == 0 ? 1 : 0));
    } else {
        json_write_u128_string(writer, field->min);
    }
    json_write_key(writer, "max");
    json_write_u128_string(writer, most);
}

static void head_write(const struct edge_problem *problem, struct json_writer *writer)
{
    char type[2 * SCHEMA_NAME_SIZE_MAX];
    struct text text = text_init(type, sizeof type - 1);
    const char *title = rows[problem->kind].title;
    if (problem->is_result && problem->result != NULL) {
        text_append_string(&text, "/docs#result-");
        name_write(problem->group, &text);
        text_append_char(&text, '-');
        name_write(problem->result->name, &text);
        title = problem->result->sentence;
    } else if (problem->is_result) {
        text_append_string(&text, "about:blank");
        title = "The record was refused.";
    } else {
        text_append_string(&text, "/docs#problem-");
        name_write(rows[problem->kind].name, &text);
    }
    type[MIN(text.size, text.capacity)] = 0;
    json_write_key(writer, "type");
    json_write_text(writer, type);
    json_write_key(writer, "title");
    json_write_text(writer, title);
    json_write_key(writer, "status");
    json_write_u64(writer, edge_problem_status(problem));
}

static void result_write(const struct edge_problem *problem, struct json_writer *writer)
{
    json_write_key(writer, "result");
    if (problem->result != NULL) {
        json_write_text(writer, schema_lower(problem->result->name).text);
        json_write_key(writer, "code");
        json_write_u64(writer, problem->result->number);
    } else {
        json_write_text(writer, "unknown");
        json_write_key(writer, "code");
        json_write_u64(writer, problem->code);
    }
    if (problem->posting_result == NULL) return;
    json_write_key(writer, "posting");
    json_write_u64(writer, problem->posting);
    json_write_key(writer, "posting_result");
    json_write_text(writer, schema_lower(problem->posting_result->name).text);
}

void edge_problem_write(const struct edge_problem *problem, struct json_writer *writer)
{
    json_write_object_begin(writer);
    head_write(problem, writer);
    member_text(writer, "detail", problem->detail);
    member_text(writer, "hint", problem->hint);
    if (problem->is_result) result_write(problem, writer);
    member_text(writer, "field", problem->field);
    if (problem->line != 0) {
        json_write_key(writer, "line");
        json_write_u64(writer, problem->line);
        json_write_key(writer, "column");
        json_write_u64(writer, problem->column);
    }
    bounds_write(problem->of, writer);
    member_text(writer, "evidence", problem->evidence);
    member_text(writer, "limit", problem->limit);
    if (problem->command_id != 0) {
        json_write_key(writer, "command_id");
        json_write_u128_string(writer, problem->command_id);
    }
    if (problem->position != 0) {
        json_write_key(writer, "position");
        json_write_u128_string(writer, problem->position);
    }
    json_write_object_end(writer);
}
