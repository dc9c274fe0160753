// SPDX-License-Identifier: Apache-2.0
//
// Text written into a buffer of fixed size, and UTF-8.
//
// Guarantees: never writes outside the buffer, never allocates. What does not fit is dropped but
// counted, so one check at the end (text_finish) tells whether everything is there and how much
// room it needs. Cost: linear in the text.
#ifndef TAEL_CODEC_TEXT_H
#define TAEL_CODEC_TEXT_H

#include "base/base.h"

struct text {
    char *data; // The caller's.
    size_t capacity;
    size_t size; // Bytes asked for so far; more than `capacity` when some were dropped.
};

// `data` may be null when `capacity` is 0 (to measure).
static inline struct text text_init(char *data, size_t capacity)
{
    return (struct text){.data = data, .capacity = capacity};
}

// Appends bytes, a string, a character, or a character `count` times. What finds no room is counted
// and not written.
void text_append(struct text *text, const char *data, size_t size);
void text_append_string(struct text *text, const char *string);
void text_append_char(struct text *text, char c);
void text_append_repeated(struct text *text, char c, size_t count);
// Words, between blanks or ends of lines, so that no line passes `width` columns unless it is one
// word. Lines begin in the column `indent`; `*column` is where the text is.
void text_append_wrapped(struct text *text, const char *words, size_t indent, size_t width,
                         size_t *column);
// At most 512 bytes a call.
void text_append_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
// Two lower-case digits a byte.
void text_append_hex(struct text *text, const void *data, size_t size);
void text_append_u128(struct text *text, u128 value);
void text_append_i128(struct text *text, i128 value);

// Whether something found no room.
static inline bool text_overflowed(const struct text *text)
{
    return text->size > text->capacity;
}
// STATUS_FULL, with the size that would do, when something was dropped.
MUST_USE enum status text_finish(const struct text *text, struct failure *failure);

// The code point at the beginning of `data`: returns its length in bytes, or 0 when the bytes are
// not UTF-8 (The Unicode Standard 15, table 3-7: no overlong form, no surrogate, nothing above
// 10FFFF) or end too early.
u32 utf8_decode(const char *data, size_t size, u32 *code_point);
// Returns the length, 1 to 4. `code_point` is not a surrogate and at most 0x10ffff.
u32 utf8_encode(u32 code_point, char out[4]);
bool utf8_is_valid(const char *data, size_t size);
// Code points; bytes that continue none are not counted.
size_t utf8_count(const char *data, size_t size);
// Columns on a terminal: 0 for combining marks, 2 for East Asian wide and full-width characters and
// emoji (by blocks of Unicode Standard Annex 11), 1 for the rest and for bytes that are not UTF-8.
size_t utf8_width(const char *data, size_t size);

// The value of a hexadecimal digit, or -1.
static inline int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// A value as an error message shows it: quoted, at most 40 characters, control characters and bytes
// that are not UTF-8 replaced by '?'.
struct text_quoted {
    char text[192];
};
struct text_quoted text_quote(const char *data, size_t size);

#endif
