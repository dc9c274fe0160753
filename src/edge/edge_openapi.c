// SPDX-License-Identifier: Apache-2.0
//
// The OpenAPI document.
#include "edge/edge_openapi.h"

#include "edge/edge_problem.h"
#include "edge/edge_schema.h"
#include "ledger/ledger_schema.h"
#include "machine/changes.h"

#include <stdio.h>

#define NAME_SIZE 160u

static void open_object(struct json_writer *writer, const char *key)
{
    json_write_key(writer, key);
    json_write_object_begin(writer);
}

static void open_array(struct json_writer *writer, const char *key)
{
    json_write_key(writer, key);
    json_write_array_begin(writer);
}

static void reference_write(struct json_writer *writer, const char *kind, const char *name)
{
    char text[NAME_SIZE + 32];
    (void)snprintf(text, sizeof text, "#/components/%s/%s", kind, name);
    json_write_object_begin(writer);
    edge_member(writer, "$ref", text);
    json_write_object_end(writer);
}

static void type_member(struct json_writer *writer, const char *key, const char *type,
                        const char *description)
{
    open_object(writer, key);
    edge_member(writer, "type", type);
    edge_member(writer, "description", description);
    json_write_object_end(writer);
}

static void decimal_member(struct json_writer *writer, const char *key, const char *description)
{
    open_object(writer, key);
    edge_member(writer, "type", "string");
    edge_member(writer, "pattern", "^[0-9]{1,39}$");
    edge_member(writer, "description", description);
    json_write_object_end(writer);
}

static void required_member(struct json_writer *writer, const char *const *names, u32 count)
{
    open_array(writer, "required");
    for (u32 i = 0; i < count; i++) json_write_text(writer, names[i]);
    json_write_array_end(writer);
}

static void closed_object(struct json_writer *writer)
{
    edge_member(writer, "type", "object");
    json_write_key(writer, "additionalProperties");
    json_write_bool(writer, false);
}

static const char *view_name(const struct edge_endpoint *endpoint, char out[NAME_SIZE])
{
    const struct schema_record *views = schema_record_views(endpoint->record);
    (void)snprintf(out, NAME_SIZE, "%s.%s", endpoint->group, views == NULL ? "item" : views->name);
    return out;
}

static const char *command_name(const struct edge_endpoint *endpoint, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "%s.%s.new", endpoint->group, endpoint->record->name);
    return out;
}

// --- operations ----------------------------------------------------------------------------------

static void problem_response(struct json_writer *writer)
{
    json_write_key(writer, "default");
    reference_write(writer, "responses", "Problem");
}

static void content_begin(struct json_writer *writer, const char *type)
{
    open_object(writer, "content");
    open_object(writer, type);
}

static void content_end(struct json_writer *writer)
{
    json_write_object_end(writer);
    json_write_object_end(writer);
}

static void operation_head(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    char id[NAME_SIZE];
    (void)snprintf(id, sizeof id, "%s_%s", endpoint->group, strrchr(endpoint->path, '/') + 1);
    for (char *at = id; *at != 0; at++) {
        if (*at == '-') *at = '_';
    }
    edge_member(writer, "operationId", id);
    open_array(writer, "tags");
    json_write_text(writer, endpoint->group);
    json_write_array_end(writer);
    edge_member(writer, "summary", endpoint->record->doc);
}

static void command_body(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    char name[NAME_SIZE];
    (void)command_name(endpoint, name);
    open_object(writer, "requestBody");
    json_write_key(writer, "required");
    json_write_bool(writer, true);
    open_object(writer, "content");
    open_object(writer, "application/json");
    open_object(writer, "schema");
    open_array(writer, "oneOf");
    reference_write(writer, "schemas", name);
    json_write_object_begin(writer);
    edge_member(writer, "type", "array");
    edge_member(writer, "description", "One command of several records.");
    json_write_key(writer, "minItems");
    json_write_u64(writer, 1);
    json_write_key(writer, "maxItems");
    json_write_u64(writer, 8189);
    json_write_key(writer, "items");
    reference_write(writer, "schemas", name);
    json_write_object_end(writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
    json_write_key(writer, "example");
    edge_example_record(endpoint->record, writer);
    json_write_object_end(writer);
    open_object(writer, "application/x-ndjson");
    open_object(writer, "schema");
    edge_member(writer, "type", "string");
    edge_member(writer, "description",
                "A record a line, as many as there are; each gets a line of the answer, in order. "
                "With results=refused only those that are refused do.");
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

static void command_responses(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    char done[NAME_SIZE], batch[NAME_SIZE];
    const bool is_raw = endpoint->module == NULL;
    (void)snprintf(done, sizeof done, "%s.%s.done", endpoint->group, endpoint->record->name);
    (void)snprintf(batch, sizeof batch, "%s.%s.batch", endpoint->group, endpoint->record->name);
    open_object(writer, "responses");
    for (u32 i = 0; i < (is_raw ? 2u : 1u); i++) {
        open_object(writer, i == 0 ? "200" : "201");
        edge_member(writer, "description",
                    i == 0 ? "Done; of an array, what became of each record." : "Created.");
        open_object(writer, "content");
        open_object(writer, "application/json");
        open_object(writer, "schema");
        open_array(writer, "oneOf");
        reference_write(writer, "schemas", done);
        reference_write(writer, "schemas", batch);
        json_write_array_end(writer);
        json_write_object_end(writer);
        json_write_object_end(writer);
        if (i == 0) {
            open_object(writer, "application/x-ndjson");
            open_object(writer, "schema");
            edge_member(writer, "type", "string");
            json_write_object_end(writer);
            json_write_object_end(writer);
        }
        json_write_object_end(writer);
        json_write_object_end(writer);
    }
    problem_response(writer);
    json_write_object_end(writer);
}

static void command_write(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    static const char *const names[] = {"IdempotencyKey", "CommandId", "Results"};
    open_object(writer, "post");
    operation_head(endpoint, writer);
    open_array(writer, "parameters");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        reference_write(writer, "parameters", names[i]);
    }
    json_write_array_end(writer);
    command_body(endpoint, writer);
    command_responses(endpoint, writer);
    json_write_object_end(writer);
}

static void parameter_write(const struct schema_record *record, const struct schema_field *field,
                            struct json_writer *writer)
{
    const bool is_list = field->type != SCHEMA_BYTES &&
                         (schema_field_flags(record, field) != NULL || field->count > 1);
    json_write_object_begin(writer);
    edge_member(writer, "name", field->name);
    edge_member(writer, "in", "query");
    edge_member(writer, "description", field->doc);
    json_write_key(writer, "required");
    json_write_bool(writer, edge_field_is_required(field));
    if (is_list) {
        edge_member(writer, "style", "form");
        json_write_key(writer, "explode");
        json_write_bool(writer, false);
    }
    json_write_key(writer, "schema");
    edge_schema_field(record, field, EDGE_SCHEMA_ASKED, writer);
    if (edge_field_is_required(field)) {
        json_write_key(writer, "example");
        edge_example_field(record, field, writer);
    }
    json_write_object_end(writer);
}

static void question_write(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    const struct schema_record *record = endpoint->record;
    char name[NAME_SIZE];
    open_object(writer, "get");
    operation_head(endpoint, writer);
    open_array(writer, "parameters");
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (schema_field_is_reserved(field) || field->type == SCHEMA_ARRAY ||
            field->type == SCHEMA_BLOB) {
            continue;
        }
        parameter_write(record, field, writer);
    }
    reference_write(writer, "parameters", "Cursor");
    if (schema_find_field(record, "limit", 5) == NULL) {
        reference_write(writer, "parameters", "Limit");
    }
    reference_write(writer, "parameters", "AtLeast");
    json_write_array_end(writer);
    open_object(writer, "responses");
    open_object(writer, "200");
    edge_member(writer, "description", "A page of items; the state that they show.");
    content_begin(writer, "application/json");
    json_write_key(writer, "schema");
    json_write_object_begin(writer);
    closed_object(writer);
    open_object(writer, "properties");
    open_object(writer, "items");
    edge_member(writer, "type", "array");
    json_write_key(writer, "items");
    reference_write(writer, "schemas", view_name(endpoint, name));
    json_write_object_end(writer);
    json_write_key(writer, "next");
    reference_write(writer, "schemas", "Next");
    decimal_member(writer, "position", "The commands that it shows.");
    json_write_object_end(writer);
    const char *const all[] = {"items", "next", "position"};
    required_member(writer, all, ARRAY_COUNT(all));
    json_write_object_end(writer);
    content_end(writer);
    json_write_object_end(writer);
    problem_response(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

// --- the edge's own ------------------------------------------------------------------------------

static void own_write(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    static const struct {
        enum edge_kind kind;
        const char *id;
        const char *summary;
        const char *type;
    } rows[] = {
        {EDGE_HEALTHZ, "healthz", "Whether this process answers.", "application/json"},
        {EDGE_READYZ, "readyz", "Whether the server answers.", "application/json"},
        {EDGE_METRICS, "metrics", "Metrics of the edge and of the server, for Prometheus.",
         "text/plain"},
        {EDGE_OPENAPI, "openapi", "This document.", "application/json"},
        {EDGE_DOCS, "docs", "This document, for people.", "text/html"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].kind != endpoint->kind) continue;
        open_object(writer, "get");
        edge_member(writer, "operationId", rows[i].id);
        open_array(writer, "tags");
        json_write_text(writer, "edge");
        json_write_array_end(writer);
        edge_member(writer, "summary", rows[i].summary);
        if (endpoint->is_open) {
            open_array(writer, "security");
            json_write_array_end(writer);
        }
        open_object(writer, "responses");
        open_object(writer, "200");
        edge_member(writer, "description", "It.");
        content_begin(writer, rows[i].type);
        content_end(writer);
        json_write_object_end(writer);
        problem_response(writer);
        json_write_object_end(writer);
        json_write_object_end(writer);
    }
}

static void plain_parameter(struct json_writer *writer, const char *name, const char *in,
                            const char *type, const char *pattern, const char *description)
{
    json_write_object_begin(writer);
    edge_member(writer, "name", name);
    edge_member(writer, "in", in);
    edge_member(writer, "description", description);
    open_object(writer, "schema");
    edge_member(writer, "type", type);
    if (pattern != NULL) edge_member(writer, "pattern", pattern);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

static void changes_write(struct json_writer *writer)
{
    static const struct {
        const char *name;
        const char *description;
    } rows[] = {
        {"from", "The row to begin at; 0 is the beginning of the log."},
        {"wait_ms", "How long a page waits for something, at most 60000; events always do."},
        {"limit", "The most items of a page."},
    };
    const char *const all[] = {"items", "next", "end", "position"};
    open_object(writer, "get");
    edge_member(writer, "operationId", "changes");
    open_array(writer, "tags");
    json_write_text(writer, "changes");
    json_write_array_end(writer);
    edge_member(writer, "summary", "What took effect, in order: pages, or server-sent events.");
    open_array(writer, "parameters");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        plain_parameter(writer, rows[i].name, "query", "integer", NULL, rows[i].description);
    }
    plain_parameter(writer, "refused", "query", "boolean", NULL, "What was refused, too, and why.");
    plain_parameter(writer, "Last-Event-ID", "header", "string", "^[0-9]+$",
                    "Of events: the row behind which to begin.");
    json_write_array_end(writer);
    open_object(writer, "responses");
    open_object(writer, "200");
    edge_member(writer, "description",
                "A page; go on from `next`. With Accept: text/event-stream, events without an end, "
                "whose ids are rows.");
    open_object(writer, "content");
    open_object(writer, "application/json");
    open_object(writer, "schema");
    closed_object(writer);
    open_object(writer, "properties");
    open_object(writer, "items");
    edge_member(writer, "type", "array");
    json_write_key(writer, "items");
    reference_write(writer, "schemas", "Change");
    json_write_object_end(writer);
    type_member(writer, "next", "integer", "The row to go on from.");
    type_member(writer, "end", "integer", "The row at which history ended.");
    decimal_member(writer, "position", "The commands that it shows.");
    json_write_object_end(writer);
    required_member(writer, all, ARRAY_COUNT(all));
    json_write_object_end(writer);
    json_write_object_end(writer);
    open_object(writer, "text/event-stream");
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
    problem_response(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

static void endpoint_write(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    switch (endpoint->kind) {
    case EDGE_COMMAND: command_write(endpoint, writer); return;
    case EDGE_QUESTION: question_write(endpoint, writer); return;
    case EDGE_CHANGES: changes_write(writer); return;
    default: own_write(endpoint, writer); return;
    }
}

static void paths_write(const struct edge_routes *routes, struct json_writer *writer)
{
    open_object(writer, "paths");
    for (u32 i = 0; i < routes->count; i++) {
        bool is_first = !routes->items[i].is_hidden;
        for (u32 j = 0; j < i; j++) {
            is_first = is_first && strcmp(routes->items[j].path, routes->items[i].path) != 0;
        }
        if (!is_first) continue;
        open_object(writer, routes->items[i].path);
        for (u32 j = i; j < routes->count; j++) {
            if (strcmp(routes->items[j].path, routes->items[i].path) == 0) {
                endpoint_write(&routes->items[j], writer);
            }
        }
        json_write_object_end(writer);
    }
    json_write_object_end(writer);
}

// --- components ----------------------------------------------------------------------------------

static void result_names(const struct schema_results *results, struct json_writer *writer)
{
    for (u32 i = 0; i < results->row_count; i++) {
        json_write_text(writer, schema_lower(results->rows[i].name).text);
    }
}

// Those that all modules share, but for those that the module has a result of its own for.
static void shared_names(const struct module *module, struct json_writer *writer)
{
    for (u32 i = 0; i < module_schema_module_result.row_count; i++) {
        const char *name = module_schema_module_result.rows[i].name;
        bool is_own = false;
        for (u32 j = 0; j < module->schema->results_count; j++) {
            is_own = is_own || schema_find_result_name(module->schema->results[j], name) != NULL;
        }
        if (!is_own) json_write_text(writer, schema_lower(name).text);
    }
}

// The names that `result` has in answers to an endpoint's commands. Those of other modules may be
// among them, of effects that end.
static void result_member(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    open_object(writer, "result");
    edge_member(writer, "type", "string");
    open_array(writer, "enum");
    if (endpoint->record == &ledger_schema_account) {
        result_names(&ledger_schema_create_account_result, writer);
    } else if (endpoint->record == &ledger_schema_transfer) {
        result_names(&ledger_schema_create_transfer_result, writer);
    } else {
        json_write_text(writer, "done");
        for (u32 i = 0; i < endpoint->module->schema->results_count; i++) {
            result_names(endpoint->module->schema->results[i], writer);
        }
        shared_names(endpoint->module, writer);
    }
    json_write_text(writer, "unknown");
    json_write_array_end(writer);
    json_write_object_end(writer);
}

static void result_members(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    result_member(endpoint, writer);
    type_member(writer, "number", "integer", "The result's number; 0 is done.");
    open_object(writer, "timestamp");
    edge_member(writer, "type", "string");
    edge_member(writer, "format", "date-time");
    json_write_object_end(writer);
    type_member(writer, "evidence", "string", "Of a refusal: the value that broke the rule.");
    type_member(writer, "limit", "string", "Of a refusal: the limit that it broke.");
    type_member(writer, "posting", "integer", "Which posting the ledger refused, from 0.");
    type_member(writer, "posting_result", "string", "And why.");
    type_member(writer, "constraint", "integer", "The constraint that would be broken.");
}

static void result_schemas(const struct edge_endpoint *endpoint, struct json_writer *writer)
{
    static const char *const item[] = {"result", "number"};
    static const char *const done[] = {"result", "number", "position", "command_id"};
    static const char *const batch[] = {"command_id", "position", "items"};
    static const char position[] = "Of the command in the log.";
    static const char id[] = "The command's id: ask again with it, and the answer is the same.";
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s.%s.item", endpoint->group, endpoint->record->name);
    open_object(writer, name);
    closed_object(writer);
    open_object(writer, "properties");
    result_members(endpoint, writer);
    json_write_object_end(writer);
    required_member(writer, item, ARRAY_COUNT(item));
    json_write_object_end(writer);
    char other[NAME_SIZE];
    (void)snprintf(other, sizeof other, "%s.%s.done", endpoint->group, endpoint->record->name);
    open_object(writer, other);
    closed_object(writer);
    open_object(writer, "properties");
    result_members(endpoint, writer);
    decimal_member(writer, "position", position);
    decimal_member(writer, "command_id", id);
    json_write_object_end(writer);
    required_member(writer, done, ARRAY_COUNT(done));
    json_write_object_end(writer);
    (void)snprintf(other, sizeof other, "%s.%s.batch", endpoint->group, endpoint->record->name);
    open_object(writer, other);
    closed_object(writer);
    open_object(writer, "properties");
    decimal_member(writer, "command_id", id);
    decimal_member(writer, "position", position);
    open_object(writer, "items");
    edge_member(writer, "type", "array");
    json_write_key(writer, "items");
    reference_write(writer, "schemas", name);
    json_write_object_end(writer);
    json_write_object_end(writer);
    required_member(writer, batch, ARRAY_COUNT(batch));
    json_write_object_end(writer);
}

static void problem_schema(struct json_writer *writer)
{
    static const struct {
        const char *name;
        const char *type;
        const char *description;
    } rows[] = {
        {"type", "string", "Which problem it is: a place in the documentation."},
        {"title", "string", "What it is, for people."},
        {"status", "integer", "The status of HTTP."},
        {"detail", "string", "What is wrong here."},
        {"hint", "string", "What may help."},
        {"result", "string", "Of a refusal by the server: the result's name,"},
        {"code", "integer", "and its number."},
        {"posting", "integer", "Which posting the ledger refused, from 0."},
        {"posting_result", "string", "And why."},
        {"field", "string", "The member or parameter that it is about."},
        {"line", "integer", "Of the body, from 1."},
        {"column", "integer", "In code points, from 1."},
        {"min", "string", "The least that the field takes."},
        {"max", "string", "The most."},
        {"evidence", "string", "The value that broke the rule."},
        {"limit", "string", "The limit that it broke."},
        {"command_id", "string", "Of the command."},
        {"position", "string", "Of the command in the log, or the state that it shows."},
    };
    static const char *const required[] = {"type", "title", "status"};
    open_object(writer, "Problem");
    edge_member(writer, "description", "Why a request was refused (RFC 9457).");
    closed_object(writer);
    open_object(writer, "properties");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        type_member(writer, rows[i].name, rows[i].type, rows[i].description);
    }
    json_write_object_end(writer);
    required_member(writer, required, ARRAY_COUNT(required));
    json_write_object_end(writer);
}

static void common_schemas(struct json_writer *writer)
{
    problem_schema(writer);
    open_object(writer, "Next");
    open_array(writer, "type");
    json_write_text(writer, "string");
    json_write_text(writer, "null");
    json_write_array_end(writer);
    edge_member(writer, "pattern", "^[A-Za-z0-9_-]{43}$");
    edge_member(writer, "description",
                "The `cursor` of the next page, with the same parameters; null when this is the "
                "last one.");
    json_write_object_end(writer);
    open_object(writer, "Change");
    edge_member(writer, "type", "object");
    edge_member(writer, "description", changes_schema_change_line.doc);
    open_object(writer, "properties");
    for (u32 i = 0; i < changes_schema_change_line.field_count; i++) {
        const struct schema_field *field = &changes_schema_change_line.fields[i];
        json_write_key(writer, field->name);
        edge_schema_field(&changes_schema_change_line, field, EDGE_SCHEMA_ANSWERED, writer);
    }
    open_object(writer, "body");
    open_array(writer, "type");
    json_write_text(writer, "object");
    json_write_text(writer, "string");
    json_write_text(writer, "null");
    json_write_array_end(writer);
    edge_member(writer, "description", "The record.");
    json_write_object_end(writer);
    json_write_object_end(writer);
    open_array(writer, "required");
    for (u32 i = 0; i < changes_schema_change_line.field_count; i++) {
        json_write_text(writer, changes_schema_change_line.fields[i].name);
    }
    json_write_text(writer, "body");
    json_write_array_end(writer);
    json_write_object_end(writer);
}

// Whether an endpoint before has the same views, whose schema is there.
static bool is_repeated(const struct edge_routes *routes, u32 index)
{
    const struct edge_endpoint *endpoint = &routes->items[index];
    for (u32 i = 0; i < index; i++) {
        const struct edge_endpoint *other = &routes->items[i];
        if (other->kind != EDGE_QUESTION || other->module != endpoint->module) continue;
        if (schema_record_views(other->record) == schema_record_views(endpoint->record)) {
            return true;
        }
    }
    return false;
}

static void schemas_write(const struct edge_routes *routes, struct json_writer *writer)
{
    char name[NAME_SIZE];
    open_object(writer, "schemas");
    common_schemas(writer);
    for (u32 i = 0; i < routes->count; i++) {
        const struct edge_endpoint *endpoint = &routes->items[i];
        if (endpoint->kind == EDGE_COMMAND) {
            json_write_key(writer, command_name(endpoint, name));
            edge_schema_record(endpoint->record, EDGE_SCHEMA_SENT, writer);
            result_schemas(endpoint, writer);
        } else if (endpoint->kind == EDGE_QUESTION && !is_repeated(routes, i)) {
            const struct schema_record *views = schema_record_views(endpoint->record);
            json_write_key(writer, view_name(endpoint, name));
            if (views != NULL) {
                edge_schema_record(views, EDGE_SCHEMA_ANSWERED, writer);
            } else {
                json_write_object_begin(writer);
                edge_member(writer, "type", "object");
                json_write_object_end(writer);
            }
        }
    }
    json_write_object_end(writer);
}

static void parameters_write(struct json_writer *writer)
{
    static const char id[] = "^([0-9]{1,39}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$";
    open_object(writer, "parameters");
    json_write_key(writer, "IdempotencyKey");
    plain_parameter(
        writer, "Idempotency-Key", "header", "string", id,
        "The command's id: 128 bits as a decimal number, or as a UUID; not 0, and never "
        "used before. The same request under the same id is carried out once and answered "
        "the same. Of application/x-ndjson the ids of its commands are made from it.");
    json_write_key(writer, "CommandId");
    plain_parameter(writer, "command_id", "query", "string", id,
                    "The same, when headers cannot be set.");
    json_write_key(writer, "Results");
    plain_parameter(writer, "results", "query", "string", "^(all|refused)$",
                    "Of application/x-ndjson: which lines are answered.");
    json_write_key(writer, "Cursor");
    plain_parameter(writer, "cursor", "query", "string", "^[A-Za-z0-9_-]{43}$",
                    "The `next` of the page before.");
    json_write_key(writer, "Limit");
    json_write_object_begin(writer);
    edge_member(writer, "name", "limit");
    edge_member(writer, "in", "query");
    edge_member(writer, "description", "Items of a page at most; as many as a MiB has otherwise.");
    open_object(writer, "schema");
    edge_member(writer, "type", "integer");
    json_write_key(writer, "minimum");
    json_write_u64(writer, 1);
    json_write_key(writer, "maximum");
    json_write_u64(writer, 8189);
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_key(writer, "AtLeast");
    plain_parameter(
        writer, "at_least", "query", "string", "^[0-9]{1,19}$",
        "A position that the answer has to show, such as that of a command before: so one "
        "reads one's own writes. The header Tael-At-Least does the same.");
    json_write_object_end(writer);
}

static void components_write(const struct edge_routes *routes, struct json_writer *writer)
{
    open_object(writer, "components");
    schemas_write(routes, writer);
    parameters_write(writer);
    open_object(writer, "responses");
    open_object(writer, "Problem");
    edge_member(writer, "description", "Refused; the document says why.");
    content_begin(writer, "application/problem+json");
    json_write_key(writer, "schema");
    reference_write(writer, "schemas", "Problem");
    content_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
    open_object(writer, "securitySchemes");
    open_object(writer, "token");
    edge_member(writer, "type", "http");
    edge_member(writer, "scheme", "bearer");
    edge_member(writer, "description", "tael_ and 43 characters of base64url.");
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

// --- problems and results, for the page ----------------------------------------------------------

static void results_write(const struct schema_results *results, const char *group,
                          struct json_writer *writer)
{
    for (u32 i = 0; i < results->row_count; i++) {
        const struct schema_result *row = &results->rows[i];
        json_write_object_begin(writer);
        edge_member(writer, "group", group);
        edge_member(writer, "name", schema_lower(row->name).text);
        json_write_key(writer, "number");
        json_write_u64(writer, row->number);
        json_write_key(writer, "status");
        json_write_u64(writer, row->http_status);
        edge_member(writer, "sentence", row->sentence);
        json_write_object_end(writer);
    }
}

static void problems_write(struct json_writer *writer)
{
    open_array(writer, "x-problems");
    for (u32 i = 0; i < EDGE_PROBLEM_COUNT; i++) {
        const struct edge_problem_row *row = edge_problem_row((enum edge_problem_kind)i);
        json_write_object_begin(writer);
        edge_member(writer, "name", schema_lower(row->name).text);
        json_write_key(writer, "status");
        json_write_u64(writer, row->status);
        edge_member(writer, "title", row->title);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    open_array(writer, "x-results");
    results_write(&ledger_schema_create_account_result, "create-account", writer);
    results_write(&ledger_schema_create_transfer_result, "create-transfer", writer);
    results_write(&module_schema_module_result, "module", writer);
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->schema->results_count && !modules[i]->is_for_tests; j++) {
            results_write(modules[i]->schema->results[j], modules[i]->name, writer);
        }
    }
    json_write_array_end(writer);
}

void edge_openapi_write(const struct edge_routes *routes, struct text *out)
{
    struct json_writer writer = json_writer_init(out->data, out->capacity);
    json_write_object_begin(&writer);
    edge_member(&writer, "openapi", "3.1.0");
    open_object(&writer, "info");
    edge_member(&writer, "title", "tael");
    edge_member(&writer, "version", TAEL_VERSION);
    edge_member(&writer, "summary", "An open core for regulated money.");
    edge_member(&writer, "description",
                "Commands are POSTed, questions are asked by GET. Amounts and ids are strings of "
                "decimal digits, amounts in minor units of the book's asset; days and times are "
                "ISO 8601. What is answered is durable. A command has an id: asked again under it, "
                "it is carried out once and answered the same.");
    json_write_object_end(&writer);
    open_array(&writer, "servers");
    json_write_object_begin(&writer);
    edge_member(&writer, "url", "/");
    json_write_object_end(&writer);
    json_write_array_end(&writer);
    open_array(&writer, "security");
    json_write_object_begin(&writer);
    open_array(&writer, "token");
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    json_write_array_end(&writer);
    paths_write(routes, &writer);
    components_write(routes, &writer);
    problems_write(&writer);
    json_write_object_end(&writer);
    *out = writer.text;
}
