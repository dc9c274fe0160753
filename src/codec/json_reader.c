// SPDX-License-Identifier: Apache-2.0
//
// The JSON reader. Invariants:
//   R1 offset <= size, and everything before offset is well-formed.
//   R2 depth <= JSON_DEPTH_MAX; bit d of `objects` is only meaningful for d < depth.
//   R3 state is JSON_STATE_END exactly when the outermost value is over.
#include "codec/json.h"

struct json_reader json_reader_init(const char *data, size_t size, u32 line_first)
{
    return (struct json_reader){
        .data = data, .size = size, .line_first = line_first, .state = JSON_STATE_VALUE};
}

enum status json_failure_at(const struct json_reader *reader, size_t offset,
                            struct failure *failure)
{
    assert(offset <= reader->size);
    u32 line = reader->line_first, column = 1;
    for (size_t i = 0; i < offset; i++) {
        u8 byte = (u8)reader->data[i];
        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            column++;
        }
    }
    if (reader->error != NULL) {
        reader->error->line = line;
        reader->error->column = column;
        reader->error->offset = offset;
    }
    return failure_wrap(failure, "line %u, column %u (byte %zu)", line, column, offset);
}

// What stands at the offset, for the second half of "expected ..., not ...".
static struct text_quoted seen_at(const struct json_reader *reader, size_t offset)
{
    struct text_quoted seen = {"the end of the text"};
    if (offset >= reader->size) return seen;
    u32 code_point = 0;
    u32 length = utf8_decode(reader->data + offset, reader->size - offset, &code_point);
    return text_quote(reader->data + offset, MAX(length, 1));
}

static enum status expected(const struct json_reader *reader, size_t offset, const char *what,
                            struct failure *failure)
{
    failure_note(failure, STATUS_INVALID, "expected %s, not %s", what,
                 seen_at(reader, offset).text);
    return json_failure_at(reader, offset, failure);
}

static enum status refuse(const struct json_reader *reader, size_t offset, const char *sentence,
                          struct failure *failure)
{
    failure_note(failure, STATUS_INVALID, "%s", sentence);
    return json_failure_at(reader, offset, failure);
}

static void skip_white_space(struct json_reader *reader)
{
    while (reader->offset < reader->size) {
        char c = reader->data[reader->offset];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
        reader->offset++;
    }
}

static bool at(const struct json_reader *reader, char c)
{
    return reader->offset < reader->size && reader->data[reader->offset] == c;
}

static bool at_digit(const struct json_reader *reader)
{
    return reader->offset < reader->size && reader->data[reader->offset] >= '0' &&
           reader->data[reader->offset] <= '9';
}

// The four digits of \uXXXX at `text`; -1 when they are not.
static i32 hex_unit(const char *text, size_t size)
{
    if (size < 4) return -1;
    i32 unit = 0;
    for (u32 i = 0; i < 4; i++) {
        int digit = text_hex_digit(text[i]);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

// The escape at `text` (which starts with the backslash): its length in bytes and its code point,
// or 0 and the rule that it breaks.
static size_t escape_decode(const char *text, size_t size, u32 *code_point, const char **rule)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    *rule = "a backslash is followed by one of \"\\/bfnrtu";
    if (size < 2) return 0;
    if (text[1] != 'u') {
        const char *name = text[1] ? strchr(names, text[1]) : NULL;
        if (!name) return 0;
        *code_point = (u8)meanings[name - names];
        return 2;
    }
    *rule = "\\u is followed by four hexadecimal digits";
    i32 unit = hex_unit(text + 2, size - 2);
    if (unit < 0) return 0;
    *code_point = (u32)unit;
    if (unit < 0xd800 || unit > 0xdfff) return 6;
    *rule = "a surrogate stands alone; characters above FFFF need a pair";
    if (unit > 0xdbff || size < 12 || text[6] != '\\' || text[7] != 'u') return 0;
    i32 low = hex_unit(text + 8, size - 8);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    *code_point = 0x10000u + (((u32)unit - 0xd800u) << 10) + ((u32)low - 0xdc00u);
    return 12;
}

static enum status read_string(struct json_reader *reader, struct json_value *value,
                               struct failure *failure)
{
    assert(at(reader, '"'));
    reader->offset++;
    size_t begin = reader->offset;
    value->is_escaped = false;
    while (reader->offset < reader->size) {
        const char *text = reader->data + reader->offset;
        size_t rest = reader->size - reader->offset;
        u32 code_point = 0;
        if (*text == '"') {
            value->text = reader->data + begin;
            value->size = reader->offset - begin;
            reader->offset++;
            return STATUS_OK;
        }
        if (*text == '\\') {
            const char *rule = NULL;
            size_t length = escape_decode(text, rest, &code_point, &rule);
            if (length == 0) return refuse(reader, reader->offset, rule, failure);
            value->is_escaped = true;
            reader->offset += length;
            continue;
        }
        u32 length = utf8_decode(text, rest, &code_point);
        if (length == 0)
            return refuse(reader, reader->offset, "the text is not UTF-8 here", failure);
        if (code_point < 0x20) {
            return refuse(reader, reader->offset,
                          "a control character inside a string must be escaped", failure);
        }
        reader->offset += length;
    }
    return refuse(reader, value->offset, "the string that begins here does not end", failure);
}

static enum status read_number(struct json_reader *reader, struct json_value *value,
                               struct failure *failure)
{
    size_t begin = reader->offset;
    if (at(reader, '-')) reader->offset++;
    if (!at_digit(reader)) return expected(reader, reader->offset, "a digit", failure);
    if (at(reader, '0')) {
        reader->offset++;
        if (at_digit(reader)) return refuse(reader, begin, "a number has no leading zero", failure);
    }
    while (at_digit(reader)) reader->offset++;
    if (at(reader, '.')) {
        reader->offset++;
        if (!at_digit(reader)) return expected(reader, reader->offset, "a digit", failure);
        while (at_digit(reader)) reader->offset++;
    }
    if (at(reader, 'e') || at(reader, 'E')) {
        reader->offset++;
        if (at(reader, '+') || at(reader, '-')) reader->offset++;
        if (!at_digit(reader)) return expected(reader, reader->offset, "a digit", failure);
        while (at_digit(reader)) reader->offset++;
    }
    value->token = JSON_NUMBER;
    value->text = reader->data + begin;
    value->size = reader->offset - begin;
    return STATUS_OK;
}

static enum status read_literal(struct json_reader *reader, struct json_value *value,
                                struct failure *failure)
{
    static const struct {
        const char *text;
        enum json_token token;
    } literals[] = {{"true", JSON_TRUE}, {"false", JSON_FALSE}, {"null", JSON_NULL}};
    for (u32 i = 0; i < ARRAY_COUNT(literals); i++) {
        size_t size = strlen(literals[i].text);
        if (reader->size - reader->offset < size) continue;
        if (memcmp(reader->data + reader->offset, literals[i].text, size) != 0) continue;
        value->token = literals[i].token;
        reader->offset += size;
        return STATUS_OK;
    }
    return expected(reader, reader->offset, "a value", failure);
}

static void after_value(struct json_reader *reader)
{
    reader->state = reader->depth == 0 ? JSON_STATE_END : JSON_STATE_AFTER_VALUE;
}

static enum status open_container(struct json_reader *reader, struct json_value *value,
                                  struct failure *failure)
{
    if (reader->depth == JSON_DEPTH_MAX)
        return refuse(reader, reader->offset, "more than 64 levels deep", failure);
    bool is_object = at(reader, '{');
    u64 bit = 1ull << reader->depth;
    reader->objects = is_object ? reader->objects | bit : reader->objects & ~bit;
    reader->depth++;
    reader->offset++;
    value->token = is_object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
    reader->state = is_object ? JSON_STATE_FIRST_KEY : JSON_STATE_FIRST_ELEMENT;
    return STATUS_OK;
}

static bool inside_object(const struct json_reader *reader)
{
    assert(reader->depth > 0);
    return (reader->objects >> (reader->depth - 1) & 1) != 0;
}

static enum status close_container(struct json_reader *reader, struct json_value *value)
{
    value->token = inside_object(reader) ? JSON_OBJECT_END : JSON_ARRAY_END;
    reader->offset++;
    reader->depth--;
    after_value(reader);
    return STATUS_OK;
}

static enum status read_value(struct json_reader *reader, struct json_value *value,
                              struct failure *failure)
{
    if (reader->offset == reader->size) return expected(reader, reader->offset, "a value", failure);
    char c = reader->data[reader->offset];
    if (c == '{' || c == '[') return open_container(reader, value, failure);
    enum status status;
    if (c == '"') {
        value->token = JSON_STRING;
        status = read_string(reader, value, failure);
    } else if (c == '-' || at_digit(reader)) {
        status = read_number(reader, value, failure);
    } else {
        status = read_literal(reader, value, failure);
    }
    after_value(reader);
    return status;
}

static enum status read_key(struct json_reader *reader, struct json_value *value,
                            struct failure *failure)
{
    if (!at(reader, '"')) {
        bool first = reader->state == JSON_STATE_FIRST_KEY;
        return expected(reader, reader->offset, first ? "a key or '}'" : "a key", failure);
    }
    value->token = JSON_KEY;
    enum status status = read_string(reader, value, failure);
    if (status) return status;
    skip_white_space(reader);
    if (!at(reader, ':')) return expected(reader, reader->offset, "':'", failure);
    reader->offset++;
    reader->state = JSON_STATE_VALUE;
    return STATUS_OK;
}

enum status json_next(struct json_reader *reader, struct json_value *value, struct failure *failure)
{
    skip_white_space(reader);
    *value = (struct json_value){.token = JSON_END, .offset = reader->offset};
    if (reader->state == JSON_STATE_END) {
        if (reader->offset == reader->size) return STATUS_OK;
        return expected(reader, reader->offset, "the end of the text", failure);
    }
    if (reader->state == JSON_STATE_AFTER_VALUE) {
        bool is_object = inside_object(reader);
        if (at(reader, is_object ? '}' : ']')) return close_container(reader, value);
        if (!at(reader, ','))
            return expected(reader, reader->offset, is_object ? "',' or '}'" : "',' or ']'",
                            failure);
        reader->offset++;
        reader->state = is_object ? JSON_STATE_KEY : JSON_STATE_VALUE;
        skip_white_space(reader);
        value->offset = reader->offset;
    }
    switch (reader->state) {
    case JSON_STATE_FIRST_ELEMENT:
        if (at(reader, ']')) return close_container(reader, value);
        return read_value(reader, value, failure);
    case JSON_STATE_FIRST_KEY:
        if (at(reader, '}')) return close_container(reader, value);
        return read_key(reader, value, failure);
    case JSON_STATE_KEY: return read_key(reader, value, failure);
    default: return read_value(reader, value, failure);
    }
}

enum status json_skip(struct json_reader *reader, const struct json_value *value,
                      struct failure *failure)
{
    if (value->token != JSON_OBJECT_BEGIN && value->token != JSON_ARRAY_BEGIN) return STATUS_OK;
    u32 depth = reader->depth;
    while (reader->depth >= depth) {
        struct json_value inner;
        enum status status = json_next(reader, &inner, failure);
        if (status) return status;
    }
    return STATUS_OK;
}

bool json_string_decode(const struct json_value *value, char *out, size_t capacity, size_t *size)
{
    assert(value->token == JSON_STRING || value->token == JSON_KEY);
    size_t used = 0;
    for (size_t i = 0; i < value->size;) {
        char bytes[4] = {value->text[i]};
        u32 count = 1;
        if (value->text[i] == '\\') {
            u32 code_point = 0;
            const char *rule = NULL;
            size_t length = escape_decode(value->text + i, value->size - i, &code_point, &rule);
            assert(length > 0); // R1: the reader has seen the string.
            count = utf8_encode(code_point, bytes);
            i += length;
        } else {
            i++;
        }
        if (capacity - used < count) return false;
        memcpy(out + used, bytes, count);
        used += count;
    }
    *size = used;
    return true;
}

const char *json_token_name(enum json_token token)
{
    static const char *const names[] = {
        [JSON_END] = "the end",     [JSON_OBJECT_BEGIN] = "an object",
        [JSON_OBJECT_END] = "'}'",  [JSON_ARRAY_BEGIN] = "an array",
        [JSON_ARRAY_END] = "']'",   [JSON_KEY] = "a key",
        [JSON_STRING] = "a string", [JSON_NUMBER] = "a number",
        [JSON_TRUE] = "true",       [JSON_FALSE] = "false",
        [JSON_NULL] = "null",
    };
    assert((size_t)token < ARRAY_COUNT(names));
    return names[token];
}

struct json_lines json_lines_init(const char *data, size_t size, u32 line_first)
{
    return (struct json_lines){.data = data, .size = size, .line = line_first};
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    }
    return true;
}

bool json_lines_next(struct json_lines *lines, bool is_last, const char **text, size_t *size,
                     u32 *line)
{
    while (lines->offset < lines->size) {
        const char *begin = lines->data + lines->offset;
        size_t rest = lines->size - lines->offset;
        const char *end = memchr(begin, '\n', rest);
        if (!end && !is_last) return false;
        *text = begin;
        *size = end ? (size_t)(end - begin) : rest;
        *line = lines->line;
        lines->offset += *size + (end ? 1 : 0);
        lines->line++;
        if (end && *size > 0 && begin[*size - 1] == '\r') *size -= 1;
        if (!is_blank(*text, *size)) return true;
    }
    return false;
}
