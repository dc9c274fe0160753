// SPDX-License-Identifier: Apache-2.0
//
// Endpoints, and targets of requests.
#include "edge/edge_route.h"

#include "codec/base64url.h"
#include "codec/text.h"
#include "ledger/ledger_schema.h"

#include <stdio.h>

static struct edge_endpoint *endpoint_add(struct edge_routes *routes, enum edge_kind kind,
                                          const char *group, const char *name)
{
    assert(routes->count < EDGE_ENDPOINTS_MAX);
    struct edge_endpoint *endpoint = &routes->items[routes->count++];
    endpoint->kind = kind;
    endpoint->group = group;
    int size;
    if (group[0] == 0) {
        size = snprintf(endpoint->path, sizeof endpoint->path, "%s", name);
    } else {
        size = snprintf(endpoint->path, sizeof endpoint->path, "/v1/%s/%s", group, name);
    }
    assert(size > 0 && size < (int)sizeof endpoint->path);
    endpoint->path_size = (u32)size;
    for (u32 i = 0; i < endpoint->path_size; i++) {
        if (endpoint->path[i] == '_') endpoint->path[i] = '-';
    }
    return endpoint;
}

// The record's name, without the module's in front.
static const char *short_name(const struct module *module, const struct schema_record *record)
{
    const size_t size = strlen(module->name);
    const bool begins = strncmp(record->name, module->name, size) == 0;
    return begins && record->name[size] == '_' ? record->name + size + 1 : record->name;
}

static void module_add(struct edge_routes *routes, const struct module *module)
{
    for (u32 i = 0; i < module->schema->record_count; i++) {
        const struct schema_record *record = module->schema->records[i];
        if (record->kind != RECORD_COMMAND && record->kind != RECORD_QUERY) continue;
        const enum edge_kind kind = record->kind == RECORD_COMMAND ? EDGE_COMMAND : EDGE_QUESTION;
        struct edge_endpoint *endpoint =
            endpoint_add(routes, kind, module->name, short_name(module, record));
        endpoint->record = record;
        endpoint->module = module;
    }
}

static void ledger_add(struct edge_routes *routes)
{
    static const struct {
        const char *name;
        const struct schema_record *record;
    } rows[] = {
        {"create-accounts", &ledger_schema_account},
        {"create-transfers", &ledger_schema_transfer},
        {"account", &ledger_schema_account_find},
        {"transfer", &ledger_schema_transfer_find},
        {"accounts", &ledger_schema_account_query},
        {"transfers", &ledger_schema_transfer_query},
        {"account-transfers", &ledger_schema_account_transfers},
        {"account-balances", &ledger_schema_account_balances},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const enum edge_kind kind =
            rows[i].record->kind == RECORD_QUERY ? EDGE_QUESTION : EDGE_COMMAND;
        struct edge_endpoint *endpoint = endpoint_add(routes, kind, "ledger", rows[i].name);
        endpoint->record = rows[i].record;
    }
}

void edge_routes_make(struct edge_routes *routes)
{
    static const struct {
        const char *path;
        enum edge_kind kind;
        bool is_open;
        bool is_hidden;
    } rows[] = {
        {"/healthz", EDGE_HEALTHZ, true, false},   {"/readyz", EDGE_READYZ, true, false},
        {"/metrics", EDGE_METRICS, false, false},  {"/v1/openapi.json", EDGE_OPENAPI, true, false},
        {"/docs", EDGE_DOCS, true, false},         {"/docs/docs.js", EDGE_DOCS, true, true},
        {"/docs/docs.css", EDGE_DOCS, true, true}, {"/v1/changes", EDGE_CHANGES, false, false},
    };
    routes->count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct edge_endpoint *endpoint = endpoint_add(routes, rows[i].kind, "", rows[i].path);
        endpoint->is_open = rows[i].is_open;
        endpoint->is_hidden = rows[i].is_hidden;
    }
    ledger_add(routes);
    for (u32 i = 0; i < module_count; i++) {
        if (!modules[i]->is_for_tests) module_add(routes, modules[i]);
    }
}

const struct edge_endpoint *edge_route_find(const struct edge_routes *routes, const char *path,
                                            size_t size, const char *method, const char **allow)
{
    const bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const bool is_post = strcmp(method, "POST") == 0;
    bool has_get = false, has_post = false;
    *allow = NULL;
    for (u32 i = 0; i < routes->count; i++) {
        const struct edge_endpoint *endpoint = &routes->items[i];
        if (endpoint->path_size != size || memcmp(endpoint->path, path, size) != 0) continue;
        if (edge_is_post(endpoint) ? is_post : is_get) return endpoint;
        if (edge_is_post(endpoint)) has_post = true;
        else has_get = true;
    }
    if (has_get || has_post)
        *allow = has_get && has_post ? "GET, HEAD, POST" : has_get ? "GET, HEAD" : "POST";
    return NULL;
}

// --- targets -------------------------------------------------------------------------------------

// Decodes a name or a value of a parameter. Returns its size, or -1 for a bad escape.
static ptrdiff_t part_decode(const char *text, size_t size, char *out)
{
    size_t put = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 1 < size ? text_hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < size ? text_hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) return -1;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        out[put++] = c;
    }
    out[put] = 0;
    return (ptrdiff_t)put;
}

static const char *parameter_add(struct edge_target *target, struct edge_arena *arena,
                                 const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    const size_t name_size = equals != NULL ? (size_t)(equals - text) : size;
    const size_t value_at = equals != NULL ? name_size + 1 : size;
    char *name = edge_arena_take(arena, name_size + 1);
    char *value = edge_arena_take(arena, size - value_at + 1);
    const ptrdiff_t name_put = part_decode(text, name_size, name);
    const ptrdiff_t value_put = part_decode(text + value_at, size - value_at, value);
    if (name_put < 0 || value_put < 0) return "a '%' is not followed by two hexadecimal digits";
    if (!utf8_is_valid(name, (size_t)name_put) || !utf8_is_valid(value, (size_t)value_put)) {
        return "a parameter is not UTF-8";
    }
    for (u32 i = 0; i < target->count; i++) {
        const struct edge_parameter *other = &target->parameters[i];
        if (other->name_size == (size_t)name_put &&
            memcmp(other->name, name, (size_t)name_put) == 0) {
            return "a parameter is given twice";
        }
    }
    if (target->count == EDGE_PARAMETERS_MAX) return "there are too many parameters";
    target->parameters[target->count++] = (struct edge_parameter){
        .name = name,
        .name_size = (size_t)name_put,
        .value = value,
        .value_size = (size_t)value_put,
    };
    return NULL;
}

bool edge_target_parse(const char *text, struct edge_arena *arena, struct edge_target *out,
                       const char **rule)
{
    out->path = text;
    out->path_size = strcspn(text, "?#");
    out->count = 0;
    *rule = "the target does not begin with a '/'";
    if (text[0] != '/') return false;
    const char *at = text + out->path_size;
    *rule = "the target has a fragment";
    if (at[0] == '#' || strchr(at, '#') != NULL) return false;
    while (at[0] != 0) {
        at++; // '?' or '&'.
        const size_t size = strcspn(at, "&");
        *rule = size > 0 ? parameter_add(out, arena, at, size) : NULL;
        if (*rule != NULL) return false;
        at += size;
    }
    return true;
}

struct edge_parameter *edge_target_find(struct edge_target *target, const char *name)
{
    const size_t size = strlen(name);
    for (u32 i = 0; i < target->count; i++) {
        struct edge_parameter *parameter = &target->parameters[i];
        if (parameter->name_size != size || memcmp(parameter->name, name, size) != 0) continue;
        parameter->is_used = true;
        return parameter;
    }
    return NULL;
}
