// SPDX-License-Identifier: Apache-2.0
//
// Endpoints and targets of requests.
#include "edge/edge_route.h"

#include "codec/golden.h"
#include "codec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct edge_routes routes;

static void test_endpoints_are_golden(void **state)
{
    static char text[65536];
    struct text out = text_init(text, sizeof text);
    struct failure failure;
    (void)state;
    edge_routes_make(&routes);
    for (u32 i = 0; i < routes.count; i++) {
        const struct edge_endpoint *endpoint = &routes.items[i];
        text_append_format(&out, "%-4s %s", edge_is_post(endpoint) ? "POST" : "GET",
                           endpoint->path);
        if (endpoint->record != NULL) text_append_format(&out, "  %s", endpoint->record->name);
        if (endpoint->is_open) text_append_string(&out, "  without a token");
        text_append_char(&out, '\n');
    }
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/http_endpoints.txt", text, out.size, &failure) != STATUS_OK)
        fail_msg("%s", failure.message);
}

// Each endpoint is found by its path and method, and no two are the same.
static void test_each_is_found(void **state)
{
    (void)state;
    edge_routes_make(&routes);
    for (u32 i = 0; i < routes.count; i++) {
        const struct edge_endpoint *endpoint = &routes.items[i];
        const char *allow = NULL;
        const char *method = edge_is_post(endpoint) ? "POST" : "GET";
        assert_ptr_equal(
            edge_route_find(&routes, endpoint->path, endpoint->path_size, method, &allow),
            endpoint);
        assert_null(
            edge_route_find(&routes, endpoint->path, endpoint->path_size, "DELETE", &allow));
        assert_non_null(allow);
        char longer[EDGE_PATH_SIZE_MAX + 1];
        const int size = snprintf(longer, sizeof longer, "%s/", endpoint->path);
        assert_null(edge_route_find(&routes, longer, (size_t)size, method, &allow));
        assert_null(allow);
    }
}

static void test_targets(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
        size_t path_size;
        const char *parameters; // name=value, with ';' between.
    } rows[] = {
        {"/", true, 1, ""},
        {"/a/b", true, 4, ""},
        {"/a?", true, 2, ""},
        {"/a?x=1", true, 2, "x=1;"},
        {"/a?x=1&y=2", true, 2, "x=1;y=2;"},
        {"/a?x=&y", true, 2, "x=;y=;"},
        {"/a?&&x=1&", true, 2, "x=1;"},
        {"/a?x=b%20c+d%2b", true, 2, "x=b c d+;"},
        {"/a?%78=%31", true, 2, "x=1;"},
        {"/a?x=1=2", true, 2, "x=1=2;"},
        {"/a?x=%c3%a9", true, 2, "x=\xc3\xa9;"},
        {"/a%20b?x=1", true, 6, "x=1;"},
        {"", false, 0, NULL},
        {"a", false, 0, NULL},
        {"*", false, 0, NULL},
        {"http://x/", false, 0, NULL},
        {"/a#b", false, 0, NULL},
        {"/a?x#b", false, 0, NULL},
        {"/a?x=%", false, 0, NULL},
        {"/a?x=%1", false, 0, NULL},
        {"/a?x=%g1", false, 0, NULL},
        {"/a?%zz=1", false, 0, NULL},
        {"/a?x=1&x=2", false, 0, NULL},
        {"/a?x=1&%78=2", false, 0, NULL},
        {"/a?x=%ff", false, 0, NULL},
        {"/a?x=%c0%af", false, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct edge_arena arena = {0};
        static struct edge_target target;
        const char *rule = NULL;
        char text[256];
        struct text out = text_init(text, sizeof text - 1);
        const bool is_good = edge_target_parse(rows[i].text, &arena, &target, &rule);
        if (is_good != rows[i].is_good) fail_msg("row %zu: %s", i, is_good ? "taken" : rule);
        if (is_good) {
            for (u32 j = 0; j < target.count; j++) {
                text_append(&out, target.parameters[j].name, target.parameters[j].name_size);
                text_append_char(&out, '=');
                text_append(&out, target.parameters[j].value, target.parameters[j].value_size);
                text_append_char(&out, ';');
            }
            text[out.size] = 0;
            assert_int_equal(target.path_size, rows[i].path_size);
            assert_string_equal(text, rows[i].parameters);
        }
        edge_arena_free(&arena);
    }
}

static void test_too_many_parameters(void **state)
{
    char text[8192] = "/a?";
    struct edge_arena arena = {0};
    static struct edge_target target;
    const char *rule = NULL;
    size_t size = strlen(text);
    (void)state;
    for (u32 i = 0; i < EDGE_PARAMETERS_MAX; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "p%u=1&", i);
    }
    assert_true(edge_target_parse(text, &arena, &target, &rule));
    assert_int_equal(target.count, EDGE_PARAMETERS_MAX);
    const struct edge_parameter *found = edge_target_find(&target, "p159");
    assert_non_null(found);
    assert_true(found->is_used && !target.parameters[0].is_used);
    assert_null(edge_target_find(&target, "p160"));
    memcpy(text + size, "q=1", 4);
    assert_false(edge_target_parse(text, &arena, &target, &rule));
    edge_arena_free(&arena);
}

// Pieces do not overlap, are aligned, and an arena that was cleared keeps a block.
static void test_arena(void **state)
{
    struct edge_arena arena = {0};
    (void)state;
    for (u32 round = 0; round < 3; round++) {
        u8 *pieces[64];
        for (u32 i = 0; i < ARRAY_COUNT(pieces); i++) {
            const size_t size = i % 7 == 6 ? 100000 : i * 37;
            pieces[i] = edge_arena_take(&arena, size);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], (int)i, size);
        }
        for (u32 i = 0; i < ARRAY_COUNT(pieces); i++) {
            const size_t size = i % 7 == 6 ? 100000 : i * 37;
            for (size_t j = 0; j < size; j++) assert_int_equal(pieces[i][j], i);
        }
        u8 *zeroed = edge_arena_zeroed(&arena, 1000);
        assert_true(is_zero(zeroed, 1000));
        assert_string_equal(edge_arena_copy(&arena, "abcdef", 3), "abc");
        edge_arena_clear(&arena);
        assert_true(arena.blocks != NULL && arena.used == 0);
    }
    edge_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints_are_golden),
        cmocka_unit_test(test_each_is_found),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_too_many_parameters),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
