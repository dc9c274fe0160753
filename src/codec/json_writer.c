// SPDX-License-Identifier: Apache-2.0
//
// The JSON writer.
#include "codec/json.h"

struct json_writer json_writer_init(char *data, size_t capacity)
{
    return (struct json_writer){.text = text_init(data, capacity)};
}

static bool inside_object(const struct json_writer *writer)
{
    return writer->depth > 0 && (writer->objects >> (writer->depth - 1) & 1) != 0;
}

// The comma between this element or key and the one before.
static void separate(struct json_writer *writer)
{
    if (writer->depth == 0) return;
    u64 bit = 1ull << (writer->depth - 1);
    if (writer->filled & bit) text_append_char(&writer->text, ',');
    writer->filled |= bit;
}

static void before_value(struct json_writer *writer)
{
    assert(!writer->is_done);
    assert(inside_object(writer) == writer->has_key);
    if (!writer->has_key) separate(writer);
    writer->has_key = false;
}

static void after_value(struct json_writer *writer)
{
    writer->is_done = writer->depth == 0;
}

static void open_container(struct json_writer *writer, char bracket, bool is_object)
{
    before_value(writer);
    assert(writer->depth < JSON_DEPTH_MAX);
    u64 bit = 1ull << writer->depth;
    writer->objects = is_object ? writer->objects | bit : writer->objects & ~bit;
    writer->filled &= ~bit;
    writer->depth++;
    text_append_char(&writer->text, bracket);
}

static void close_container(struct json_writer *writer, char bracket)
{
    assert(writer->depth > 0 && !writer->has_key);
    writer->depth--;
    text_append_char(&writer->text, bracket);
    after_value(writer);
}

void json_write_object_begin(struct json_writer *writer)
{
    open_container(writer, '{', true);
}

void json_write_object_end(struct json_writer *writer)
{
    assert(inside_object(writer));
    close_container(writer, '}');
}

void json_write_array_begin(struct json_writer *writer)
{
    open_container(writer, '[', false);
}

void json_write_array_end(struct json_writer *writer)
{
    assert(!inside_object(writer));
    close_container(writer, ']');
}

static void append_escaped(struct text *text, const char *data, size_t size)
{
    text_append_char(text, '"');
    for (size_t i = 0; i < size;) {
        u32 code_point = 0;
        u32 length = utf8_decode(data + i, size - i, &code_point);
        if (length == 0) {
            text_append_string(text, "\xef\xbf\xbd");
        } else if (code_point == '"' || code_point == '\\') {
            text_append_char(text, '\\');
            text_append_char(text, (char)code_point);
        } else if (code_point == '\n') {
            text_append_string(text, "\\n");
        } else if (code_point < 0x20) {
            text_append_format(text, "\\u%04x", code_point);
        } else {
            text_append(text, data + i, length);
        }
        i += MAX(length, 1);
    }
    text_append_char(text, '"');
}

void json_write_key(struct json_writer *writer, const char *key)
{
    assert(inside_object(writer) && !writer->has_key);
    separate(writer);
    append_escaped(&writer->text, key, strlen(key));
    text_append_char(&writer->text, ':');
    writer->has_key = true;
}

void json_write_string(struct json_writer *writer, const char *data, size_t size)
{
    before_value(writer);
    append_escaped(&writer->text, data, size);
    after_value(writer);
}

void json_write_text(struct json_writer *writer, const char *string)
{
    json_write_string(writer, string, strlen(string));
}

void json_write_hex(struct json_writer *writer, const void *data, size_t size)
{
    before_value(writer);
    text_append_char(&writer->text, '"');
    text_append_hex(&writer->text, data, size);
    text_append_char(&writer->text, '"');
    after_value(writer);
}

void json_write_u64(struct json_writer *writer, u64 value)
{
    before_value(writer);
    text_append_u128(&writer->text, value);
    after_value(writer);
}

void json_write_i64(struct json_writer *writer, i64 value)
{
    before_value(writer);
    text_append_i128(&writer->text, value);
    after_value(writer);
}

void json_write_numeral(struct json_writer *writer, const char *text, size_t size)
{
    assert(size > 0 && memchr("0123456789", text[size - 1], 10));
    before_value(writer);
    text_append(&writer->text, text, size);
    after_value(writer);
}

void json_write_u128_string(struct json_writer *writer, u128 value)
{
    before_value(writer);
    text_append_char(&writer->text, '"');
    text_append_u128(&writer->text, value);
    text_append_char(&writer->text, '"');
    after_value(writer);
}

void json_write_i128_string(struct json_writer *writer, i128 value)
{
    before_value(writer);
    text_append_char(&writer->text, '"');
    text_append_i128(&writer->text, value);
    text_append_char(&writer->text, '"');
    after_value(writer);
}

void json_write_bool(struct json_writer *writer, bool value)
{
    before_value(writer);
    text_append_string(&writer->text, value ? "true" : "false");
    after_value(writer);
}

void json_write_null(struct json_writer *writer)
{
    before_value(writer);
    text_append_string(&writer->text, "null");
    after_value(writer);
}

void json_write_line_end(struct json_writer *writer)
{
    assert(writer->is_done);
    text_append_char(&writer->text, '\n');
    writer->is_done = false;
}

enum status json_writer_finish(const struct json_writer *writer, struct failure *failure)
{
    assert(writer->depth == 0);
    return text_finish(&writer->text, failure);
}
