// SPDX-License-Identifier: Apache-2.0
//
// The JSON reader against a table of texts, accepted (with their tokens) and refused (with the
// whole message); the writer; lines of NDJSON.
#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// One letter a token: { } [ ] k s n t f 0 and . for the end.
static const char letters[] = {
    [JSON_END] = '.',         [JSON_OBJECT_BEGIN] = '{', [JSON_OBJECT_END] = '}',
    [JSON_ARRAY_BEGIN] = '[', [JSON_ARRAY_END] = ']',    [JSON_KEY] = 'k',
    [JSON_STRING] = 's',      [JSON_NUMBER] = 'n',       [JSON_TRUE] = 't',
    [JSON_FALSE] = 'f',       [JSON_NULL] = '0',
};

// Reads everything. `out` becomes the tokens' letters.
static enum status read_all(const char *text, size_t size, char *out, size_t capacity,
                            struct failure *failure)
{
    // A heap copy of exact size, so that a sanitizer sees a read behind the end.
    char *copy = test_malloc(size + 1);
    memcpy(copy, text, size);
    struct json_reader reader = json_reader_init(copy, size, 1);
    size_t used = 0;
    enum status status = STATUS_OK;
    for (;;) {
        struct json_value value;
        status = json_next(&reader, &value, failure);
        if (status) break;
        assert_true(used + 1 < capacity);
        assert_true(value.offset <= size);
        out[used++] = letters[value.token];
        if (value.token == JSON_END) break;
    }
    out[used] = 0;
    test_free(copy);
    return status;
}

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *tokens;
    } rows[] = {
        {"null", "0."},
        {" true ", "t."},
        {"false\r\n\t", "f."},
        {"0", "n."},
        {"-0", "n."},
        {"-12.5e+10", "n."},
        {"1E5", "n."},
        {"\"\"", "s."},
        {"\"a\\n\\u00e4\\ud83d\\ude00\"", "s."},
        {"\"\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\"", "s."},
        {"{}", "{}."},
        {"[]", "[]."},
        {"[1,2,[3]]", "[nn[n]]."},
        {"{\"a\":1,\"b\":{\"c\":[]}}", "{knk{k[]}}."},
        {" { \"a\" : [ true , false , null ] } ", "{k[tf0]}."},
        {"{\"a\":1,\"a\":2}", "{knkn}."},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char tokens[64];
        struct failure failure = {0};
        if (read_all(rows[i].text, strlen(rows[i].text), tokens, sizeof tokens, &failure))
            fail_msg("%s: %s", rows[i].text, failure.message);
        assert_string_equal(tokens, rows[i].tokens);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "line 1, column 1 (byte 0): expected a value, not the end of the text"},
        {"\xef\xbb\xbf{}", "line 1, column 1 (byte 0): expected a value, not \"\xef\xbb\xbf\""},
        {"nul", "line 1, column 1 (byte 0): expected a value, not \"n\""},
        {"NaN", "line 1, column 1 (byte 0): expected a value, not \"N\""},
        {"+1", "line 1, column 1 (byte 0): expected a value, not \"+\""},
        {".5", "line 1, column 1 (byte 0): expected a value, not \".\""},
        {"01", "line 1, column 1 (byte 0): a number has no leading zero"},
        {"-", "line 1, column 2 (byte 1): expected a digit, not the end of the text"},
        {"1.", "line 1, column 3 (byte 2): expected a digit, not the end of the text"},
        {"1e", "line 1, column 3 (byte 2): expected a digit, not the end of the text"},
        {"1e+x", "line 1, column 4 (byte 3): expected a digit, not \"x\""},
        {"1 2", "line 1, column 3 (byte 2): expected the end of the text, not \"2\""},
        {"{} x", "line 1, column 4 (byte 3): expected the end of the text, not \"x\""},
        {"[1,]", "line 1, column 4 (byte 3): expected a value, not \"]\""},
        {"[,]", "line 1, column 2 (byte 1): expected a value, not \",\""},
        {"[1 2]", "line 1, column 4 (byte 3): expected ',' or ']', not \"2\""},
        {"[1", "line 1, column 3 (byte 2): expected ',' or ']', not the end of the text"},
        {"[1}", "line 1, column 3 (byte 2): expected ',' or ']', not \"}\""},
        {"{\"a\":1]", "line 1, column 7 (byte 6): expected ',' or '}', not \"]\""},
        {"{1:2}", "line 1, column 2 (byte 1): expected a key or '}', not \"1\""},
        {"{\"a\":1,}", "line 1, column 8 (byte 7): expected a key, not \"}\""},
        {"{\"a\" 1}", "line 1, column 6 (byte 5): expected ':', not \"1\""},
        {"{\"a\":}", "line 1, column 6 (byte 5): expected a value, not \"}\""},
        {"{\"a\"", "line 1, column 5 (byte 4): expected ':', not the end of the text"},
        {"\"abc", "line 1, column 1 (byte 0): the string that begins here does not end"},
        {"\"a\nb\"",
         "line 1, column 3 (byte 2): a control character inside a string must be escaped"},
        {"\"\\x\"", "line 1, column 2 (byte 1): a backslash is followed by one of \"\\/bfnrtu"},
        {"\"\\u12g4\"", "line 1, column 2 (byte 1): \\u is followed by four hexadecimal digits"},
        {"\"\\ud800\"", "line 1, column 2 (byte 1): a surrogate stands alone; characters above "
                        "FFFF need a pair"},
        {"\"\\udc00\\ud800\"", "line 1, column 2 (byte 1): a surrogate stands alone; characters "
                               "above FFFF need a pair"},
        {"\"\\ud800\\u0041\"", "line 1, column 2 (byte 1): a surrogate stands alone; characters "
                               "above FFFF need a pair"},
        {"\"\x80\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        {"\"\xc0\xaf\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        {"\"\xe0\x80\xaf\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        {"\"\xed\xa0\x80\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        {"\"\xf4\x90\x80\x80\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        {"\"\xe4\xb8\"", "line 1, column 2 (byte 1): the text is not UTF-8 here"},
        // Lines and columns count code points.
        {"{\n \"\xe4\xb8\xad\": x}", "line 2, column 7 (byte 10): expected a value, not \"x\""},
        // Comments are no JSON.
        {"[1, // no\n]", "line 1, column 5 (byte 4): expected a value, not \"/\""},
        {"[1\f]", "line 1, column 3 (byte 2): expected ',' or ']', not \"?\""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char tokens[64];
        struct failure failure = {0};
        assert_int_equal(
            read_all(rows[i].text, strlen(rows[i].text), tokens, sizeof tokens, &failure),
            STATUS_INVALID);
        assert_string_equal(failure.message, rows[i].message);
    }
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 2];
    char tokens[2 * JSON_DEPTH_MAX + 8];
    struct failure failure = {0};
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(read_all(text, 2ul * JSON_DEPTH_MAX, tokens, sizeof tokens, &failure),
                     STATUS_OK);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    assert_int_equal(read_all(text, JSON_DEPTH_MAX + 1, tokens, sizeof tokens, &failure),
                     STATUS_INVALID);
    assert_string_equal(failure.message, "line 1, column 65 (byte 64): more than 64 levels deep");
}

// Every beginning of a text is refused or read, and never read past its end.
static void test_every_beginning(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\u00e4\\ud83d\\ude00\":[-1.5e+3,true,null,\"\xe4\xb8\xad\"]}";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char tokens[64];
        struct failure failure = {0};
        assert_int_equal(read_all(text, size, tokens, sizeof tokens, &failure), STATUS_INVALID);
    }
}

static void test_strings_are_decoded(void **state)
{
    (void)state;
    static const char text[] = "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00E4\\u4e2d\\ud83d\\ude00\"";
    static const char expected[] = "a\"\\/\b\f\n\r\t\0\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80";
    struct json_reader reader = json_reader_init(text, sizeof text - 1, 1);
    struct json_value value;
    struct failure failure = {0};
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_true(value.is_escaped);
    char out[64];
    size_t size = 0;
    assert_true(json_string_decode(&value, out, sizeof out, &size));
    assert_int_equal(size, sizeof expected - 1);
    assert_memory_equal(out, expected, size);
    for (size_t capacity = 0; capacity < sizeof expected - 1; capacity++)
        assert_false(json_string_decode(&value, out, capacity, &size));
}

static void test_skip(void **state)
{
    (void)state;
    static const char text[] = "[{\"a\":[1,{}]},7,\"s\"]";
    struct json_reader reader = json_reader_init(text, sizeof text - 1, 1);
    struct json_value value;
    struct failure failure = {0};
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_OBJECT_BEGIN);
    assert_int_equal(json_skip(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_NUMBER);
    assert_memory_equal(value.text, "7", 1);
    assert_int_equal(json_skip(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_STRING);

    reader = json_reader_init("[[1,x]]", 7, 1);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(json_skip(&reader, &value, &failure), STATUS_INVALID);
}

static void test_token_names(void **state)
{
    (void)state;
    assert_string_equal(json_token_name(JSON_ARRAY_BEGIN), "an array");
    assert_string_equal(json_token_name(JSON_NULL), "null");
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "{}\r\n\n  \n[1]\n\"rest";
    struct json_lines lines = json_lines_init(text, sizeof text - 1, 10);
    const char *line_text;
    size_t size;
    u32 line;
    assert_true(json_lines_next(&lines, false, &line_text, &size, &line));
    assert_int_equal(size, 2);
    assert_int_equal(line, 10);
    assert_true(json_lines_next(&lines, false, &line_text, &size, &line));
    assert_int_equal(size, 3);
    assert_memory_equal(line_text, "[1]", 3);
    assert_int_equal(line, 13);
    // What is left waits for the rest of the line, unless nothing will come.
    assert_false(json_lines_next(&lines, false, &line_text, &size, &line));
    assert_int_equal(lines.offset, sizeof text - 1 - 5);
    assert_true(json_lines_next(&lines, true, &line_text, &size, &line));
    assert_int_equal(size, 5);
    assert_int_equal(line, 14);
    assert_false(json_lines_next(&lines, true, &line_text, &size, &line));

    // An error in a line names the line of the whole text.
    struct json_reader reader = json_reader_init("x", 1, 13);
    struct json_value value;
    struct failure failure = {0};
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_INVALID);
    assert_string_equal(failure.message, "line 13, column 1 (byte 0): expected a value, not \"x\"");
}

static void write_sample(struct json_writer *writer)
{
    json_write_object_begin(writer);
    json_write_key(writer, "a\"b");
    json_write_array_begin(writer);
    json_write_u64(writer, UINT64_MAX);
    json_write_i64(writer, -5);
    json_write_u128_string(writer, U128_MAX);
    json_write_i128_string(writer, -(i128)7);
    json_write_bool(writer, true);
    json_write_bool(writer, false);
    json_write_null(writer);
    json_write_object_begin(writer);
    json_write_object_end(writer);
    json_write_array_end(writer);
    json_write_key(writer, "s");
    json_write_string(writer, "q\"\\\n\x01\xc3\xa4\xff", 8);
    json_write_key(writer, "h");
    json_write_hex(writer, "\x0f\xa0", 2);
    json_write_object_end(writer);
    json_write_line_end(writer);
    json_write_text(writer, "next");
}

static void test_writer(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"a\\\"b\":[18446744073709551615,-5,\"340282366920938463463374607431768211455\",\"-7\","
        "true,false,null,{}],\"s\":\"q\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\",\"h\":\"0fa0\"}\n"
        "\"next\"";
    char out[256];
    struct failure failure = {0};
    struct json_writer writer = json_writer_init(out, sizeof out);
    write_sample(&writer);
    assert_int_equal(json_writer_finish(&writer, &failure), STATUS_OK);
    assert_int_equal(writer.text.size, sizeof expected - 1);
    assert_memory_equal(out, expected, sizeof expected - 1);
    // Every smaller buffer is told, the size needed is named, and no byte behind it is touched.
    for (size_t capacity = 0; capacity < sizeof expected - 1; capacity++) {
        memset(out, '#', sizeof out);
        writer = json_writer_init(out, capacity);
        write_sample(&writer);
        assert_int_equal(json_writer_finish(&writer, &failure), STATUS_FULL);
        assert_int_equal(writer.text.size, sizeof expected - 1);
        assert_memory_equal(out, expected, capacity);
        assert_int_equal(out[capacity], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_every_beginning),
        cmocka_unit_test(test_strings_are_decoded),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_token_names),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
