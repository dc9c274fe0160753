// SPDX-License-Identifier: Apache-2.0
//
// What a request of HTTP says beside its body: lines of a target, a header Authorization, an id.
// What is accepted has one reading.
#include "fuzz.h"

#include "client/token_file.h"
#include "codec/base64url.h"
#include "codec/text.h"
#include "edge/edge_caller.h"
#include "edge/edge_internal.h"
#include "edge/edge_route.h"

#include <stdlib.h>

static void target_take(const char *text)
{
    static struct edge_routes routes;
    static struct edge_target target;
    struct edge_arena arena = {0};
    const char *rule = NULL, *allow = NULL;
    if (routes.count == 0) edge_routes_make(&routes);
    if (!edge_target_parse(text, &arena, &target, &rule)) {
        FUZZ_CHECK(rule != NULL && rule[0] != 0);
        edge_arena_free(&arena);
        return;
    }
    FUZZ_CHECK(target.path_size >= 1 && target.path_size <= strlen(text) && target.path[0] == '/');
    for (u32 i = 0; i < target.count; i++) {
        const struct edge_parameter *one = &target.parameters[i];
        FUZZ_CHECK(utf8_is_valid(one->name, one->name_size) &&
                   utf8_is_valid(one->value, one->value_size));
        FUZZ_CHECK(one->name[one->name_size] == 0 && one->value[one->value_size] == 0);
        for (u32 j = 0; j < i; j++) {
            const struct edge_parameter *other = &target.parameters[j];
            FUZZ_CHECK(other->name_size != one->name_size ||
                       memcmp(other->name, one->name, one->name_size) != 0);
        }
    }
    const struct edge_endpoint *endpoint =
        edge_route_find(&routes, target.path, target.path_size, "GET", &allow);
    FUZZ_CHECK(endpoint == NULL || (endpoint->path_size == target.path_size && allow == NULL));
    edge_arena_free(&arena);
}

static void token_take(const char *text)
{
    struct digest token;
    u8 secret[TOKEN_SECRET_SIZE];
    char again[BASE64URL_SIZE(TOKEN_SECRET_SIZE) + 1];
    if (edge_caller_header(text, &token) != NULL) return;
    FUZZ_CHECK(strlen(text) > BASE64URL_SIZE(TOKEN_SECRET_SIZE));
    const char *at = text + strlen(text) - BASE64URL_SIZE(TOKEN_SECRET_SIZE);
    FUZZ_CHECK(base64url_decode(at, strlen(at), secret, sizeof secret));
    base64url_encode(secret, sizeof secret, again);
    FUZZ_CHECK(strcmp(at, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_room(size + 1);
    u128 id = 0;
    memcpy(text, data, size);
    text[size] = 0;
    char *second = text + strcspn(text, "\n");
    if (*second != 0) *second++ = 0;
    char *third = second + strcspn(second, "\n");
    if (*third != 0) *third++ = 0;
    target_take(text);
    token_take(second);
    if (edge_command_id_parse(third, strlen(third), &id)) FUZZ_CHECK(id != 0);
    free(text);
    return 0;
}
