// SPDX-License-Identifier: Apache-2.0
//
// Schemas and examples of records; the document as a whole; gzip.
#include "edge/edge_schema.h"

#include "codec/golden.h"
#include "codec/record_json.h"
#include "edge/edge_gzip.h"
#include "edge/edge_openapi.h"
#include "schema/schema_test_types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// JSON with a line a member, so that a difference shows.
static void lines_make(const struct text *json, struct text *out)
{
    bool is_string = false;
    for (size_t i = 0; i < json->size; i++) {
        const char c = json->data[i];
        text_append_char(out, c);
        if (is_string && c == '\\') text_append_char(out, json->data[++i]);
        else if (c == '"') is_string = !is_string;
        else if (!is_string && (c == ',' || c == '{' || c == '[')) text_append_char(out, '\n');
    }
    text_append_char(out, '\n');
}

// One of every kind of field, in each use.
static void test_schemas_are_golden(void **state)
{
    static char json[65536], lines[65536];
    struct json_writer writer = json_writer_init(json, sizeof json);
    struct text out = text_init(lines, sizeof lines);
    struct failure failure;
    (void)state;
    json_write_array_begin(&writer);
    edge_schema_record(&test_schema_test_order, EDGE_SCHEMA_SENT, &writer);
    edge_schema_record(&test_schema_test_order, EDGE_SCHEMA_ASKED, &writer);
    edge_schema_record(&test_schema_test_order, EDGE_SCHEMA_ANSWERED, &writer);
    edge_schema_record(&test_schema_test_report, EDGE_SCHEMA_ANSWERED, &writer);
    edge_example_record(&test_schema_test_order, &writer);
    json_write_array_end(&writer);
    assert_false(text_overflowed(&writer.text));
    lines_make(&writer.text, &out);
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/http_schemas.txt", lines, out.size, &failure) != STATUS_OK)
        fail_msg("%s", failure.message);
}

// What the document gives as an example is a record.
static void test_examples_are_records(void **state)
{
    static struct edge_routes routes;
    static u8 record[2 * MIB];
    u32 seen = 0;
    (void)state;
    edge_routes_make(&routes);
    for (u32 i = 0; i < routes.count; i++) {
        const struct edge_endpoint *endpoint = &routes.items[i];
        char json[4096];
        struct json_writer writer = json_writer_init(json, sizeof json);
        struct failure failure;
        size_t size = 0;
        if (endpoint->kind != EDGE_COMMAND) continue;
        edge_example_record(endpoint->record, &writer);
        assert_false(text_overflowed(&writer.text));
        if (record_json_parse(endpoint->record, json, writer.text.size, 1, record, sizeof record,
                              &size, &failure) != STATUS_OK) {
            fail_msg("%s: %.*s: %s", endpoint->path, (int)writer.text.size, json, failure.message);
        }
        seen++;
    }
    assert_true(seen > 40);
}

// The document is JSON to the letter, however much room there was at first.
static void test_the_document_is_json(void **state)
{
    static struct edge_routes routes;
    struct text measured = text_init(NULL, 0);
    struct json_value value;
    struct failure failure;
    (void)state;
    edge_routes_make(&routes);
    edge_openapi_write(&routes, &measured);
    struct text out = text_init(malloc(measured.size), measured.size);
    assert_non_null(out.data);
    edge_openapi_write(&routes, &out);
    assert_int_equal(out.size, measured.size);
    struct json_reader reader = json_reader_init(out.data, out.size, 1);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_skip(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_END);
    free(out.data);
}

// --- gzip ----------------------------------------------------------------------------------------

struct bits_in {
    const u8 *data;
    size_t at; // In bits.
};

static u32 bits_take(struct bits_in *in, u32 count)
{
    u32 value = 0;
    for (u32 i = 0; i < count; i++, in->at++)
        value |= ((u32)in->data[in->at / 8] >> in->at % 8 & 1u) << i;
    return value;
}

static u32 symbol_take(struct bits_in *in)
{
    u32 code = 0;
    for (u32 i = 0; i < 7; i++) code = code << 1 | bits_take(in, 1);
    if (code < 0x18) return 256 + code;
    code = code << 1 | bits_take(in, 1);
    if (code < 0xc0) return code - 0x30;
    if (code < 0xc8) return 280 + code - 0xc0;
    return (code << 1 | bits_take(in, 1)) - 0x190 + 144;
}

// A second hand: RFC 1951, 3.2.5 and 3.2.6, by arithmetic where the other has tables.
static size_t inflate(const u8 *data, u8 *out, size_t room)
{
    struct bits_in in = {.data = data};
    size_t size = 0;
    assert_int_equal(bits_take(&in, 1), 1);
    assert_int_equal(bits_take(&in, 2), 1);
    for (;;) {
        const u32 symbol = symbol_take(&in);
        if (symbol == 256) return size;
        if (symbol < 256) {
            assert_true(size < room);
            out[size++] = (u8)symbol;
            continue;
        }
        u32 length = symbol - 257 + 3;
        if (symbol == 285) {
            length = 258;
        } else if (symbol >= 265) {
            const u32 extra = (symbol - 261) / 4;
            length = (((symbol - 261) % 4 + 4) << extra) + 3 + bits_take(&in, extra);
        }
        u32 code = 0;
        for (u32 i = 0; i < 5; i++) code = code << 1 | bits_take(&in, 1);
        u32 distance = code + 1;
        if (code >= 4) {
            const u32 extra = code / 2 - 1;
            distance = ((code % 2 + 2) << extra) + 1 + bits_take(&in, extra);
        }
        assert_true(distance <= size && size + length <= room);
        for (u32 i = 0; i < length; i++, size++) out[size] = out[size - distance];
    }
}

static void gzip_check(const u8 *data, size_t size)
{
    u8 *packed = malloc(EDGE_GZIP_SIZE_MAX(size)), *back = malloc(size + 1);
    assert(packed != NULL && back != NULL);
    const size_t packed_size = edge_gzip(data, size, packed);
    assert_true(packed_size <= EDGE_GZIP_SIZE_MAX(size));
    assert_memory_equal(packed, "\x1f\x8b\x08\x00", 4);
    assert_int_equal(inflate(packed + 10, back, size), size);
    assert_memory_equal(back, data, size);
    assert_int_equal(load_u32(packed + packed_size - 4), size);
    free(packed);
    free(back);
}

static void test_gzip(void **state)
{
    static u8 data[200000];
    u32 seed = 1;
    (void)state;
    gzip_check(data, 0);
    gzip_check((const u8 *)"a", 1);
    gzip_check(data, sizeof data); // The longest matches.
    for (size_t i = 0; i < sizeof data; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (u8)(seed >> 24); // Every literal, and hardly a match.
    }
    gzip_check(data, sizeof data);
    memcpy(data + 100000, data, 40000); // Too far back for a match.
    memcpy(data + 150000, data + 118000, 30000);
    gzip_check(data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (u8) "{\"type\":"[data[i] % 8];
    gzip_check(data, sizeof data);
    // CRC-32 of "123456789" is known.
    u8 packed[128];
    const size_t size = edge_gzip("123456789", 9, packed);
    assert_int_equal(load_u32(packed + size - 8), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas_are_golden),
        cmocka_unit_test(test_examples_are_records),
        cmocka_unit_test(test_the_document_is_json),
        cmocka_unit_test(test_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
