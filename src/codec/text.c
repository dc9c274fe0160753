// SPDX-License-Identifier: Apache-2.0
//
// Text written into a buffer of fixed size, and UTF-8.
#include "codec/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/number.h"

void text_append(struct text *text, const char *data, size_t size)
{
    if (text->size < text->capacity && size > 0)
        memcpy(text->data + text->size, data, MIN(size, text->capacity - text->size));
    text->size += size;
}

void text_append_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_append_char(struct text *text, char c)
{
    text_append(text, &c, 1);
}

void text_append_repeated(struct text *text, char c, size_t count)
{
    for (size_t i = 0; i < count; i++) text_append(text, &c, 1);
}

void text_append_wrapped(struct text *text, const char *words, size_t indent, size_t width,
                         size_t *column)
{
    while (*words) {
        const size_t size = strcspn(words, " \n");
        if (size > 0) {
            const size_t own = utf8_width(words, size);
            bool fresh = *column == indent;
            if (!fresh && *column + 1 + own > width) {
                text_append_char(text, '\n');
                text_append_repeated(text, ' ', indent);
                *column = indent;
                fresh = true;
            }
            if (!fresh) text_append_char(text, ' ');
            text_append(text, words, size);
            *column += own + (fresh ? 0 : 1);
        }
        words += size + (words[size] ? 1 : 0);
    }
}

void text_append_format(struct text *text, const char *format, ...)
{
    char line[513];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert(size >= 0 && (size_t)size < sizeof line);
    text_append(text, line, (size_t)size);
}

void text_append_hex(struct text *text, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const u8 *bytes = data;
    for (size_t i = 0; i < size; i++) {
        text_append_char(text, digits[bytes[i] >> 4]);
        text_append_char(text, digits[bytes[i] & 15]);
    }
}

void text_append_u128(struct text *text, u128 value)
{
    char digits[NUMBER_SIZE_MAX];
    text_append(text, digits, number_print_u128(value, digits));
}

void text_append_i128(struct text *text, i128 value)
{
    char digits[NUMBER_SIZE_MAX];
    text_append(text, digits, number_print_i128(value, digits));
}

enum status text_finish(const struct text *text, struct failure *failure)
{
    if (!text_overflowed(text)) return STATUS_OK;
    return failure_set(failure, STATUS_FULL, "%zu bytes of text do not fit into %zu", text->size,
                       text->capacity);
}

u32 utf8_decode(const char *data, size_t size, u32 *code_point)
{
    if (size == 0) return 0;
    u32 first = (u8)data[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    u32 length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size < length) return 0;
    u32 value = first & (0x7fu >> length);
    for (u32 i = 1; i < length; i++) {
        u32 next = (u8)data[i];
        if ((next & 0xc0) != 0x80) return 0;
        value = value << 6 | (next & 0x3f);
    }
    static const u32 smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[length] || value > 0x10ffff) return 0;
    if (value >= 0xd800 && value <= 0xdfff) return 0;
    *code_point = value;
    return length;
}

u32 utf8_encode(u32 code_point, char out[4])
{
    assert(code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff));
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    u32 length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const u32 marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (u32 i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    out[0] = (char)(marks[length] | code_point);
    return length;
}

bool utf8_is_valid(const char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        u32 code_point = 0;
        u32 length = utf8_decode(data + at, size - at, &code_point);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

size_t utf8_count(const char *data, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += ((u8)data[i] & 0xc0) != 0x80;
    return count;
}

struct code_points {
    u32 first, last;
};

static bool lies_within(const struct code_points *ranges, size_t count, u32 code_point)
{
    for (size_t i = 0; i < count; i++) {
        if (code_point >= ranges[i].first && code_point <= ranges[i].last) return true;
    }
    return false;
}

static size_t code_point_width(u32 code_point)
{
    static const struct code_points combining[] = {
        {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
        {0x064b, 0x065f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0x302a, 0x302d},
        {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
    };
    static const struct code_points wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
        {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
        {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    if (code_point < 0x300) return 1;
    if (lies_within(combining, ARRAY_COUNT(combining), code_point)) return 0;
    return lies_within(wide, ARRAY_COUNT(wide), code_point) ? 2 : 1;
}

size_t utf8_width(const char *data, size_t size)
{
    size_t width = 0;
    for (size_t at = 0; at < size;) {
        u32 code_point = 0;
        u32 length = utf8_decode(data + at, size - at, &code_point);
        width += length == 0 ? 1 : code_point_width(code_point);
        at += MAX(length, 1);
    }
    return width;
}

struct text_quoted text_quote(const char *data, size_t size)
{
    enum { CHARACTERS_MAX = 40 };
    struct text_quoted quoted;
    struct text out = text_init(quoted.text, sizeof quoted.text - 1);
    text_append_char(&out, '"');
    size_t at = 0;
    for (u32 i = 0; at < size && i < CHARACTERS_MAX; i++) {
        u32 code_point = 0;
        u32 length = utf8_decode(data + at, size - at, &code_point);
        bool shown = length > 0 && code_point >= 0x20 && code_point != 0x7f;
        text_append(&out, shown ? data + at : "?", shown ? length : 1);
        at += MAX(length, 1);
    }
    text_append_string(&out, at < size ? "...\"" : "\"");
    assert(!text_overflowed(&out));
    quoted.text[out.size] = 0;
    return quoted;
}
