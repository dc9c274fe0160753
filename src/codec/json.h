// SPDX-License-Identifier: Apache-2.0
//
// JSON by pulling: a reader that walks over a buffer token by token, and a writer into a buffer.
//
// Guarantees: RFC 8259 to the letter, UTF-8 to the letter (byte order marks, overlong forms and
// lone surrogates are refused); no tree, no allocation, no recursion; depth is bounded by
// JSON_DEPTH_MAX; the reader's values point into the caller's buffer, which must outlive them.
// Errors name line, column (both from 1; a column is a code point) and byte offset (from 0). Does
// not look for duplicate keys: whoever knows the keys does (record_json.h). Cost: one look at each
// byte; a position is only computed for an error.
#ifndef TAEL_CODEC_JSON_H
#define TAEL_CODEC_JSON_H

#include "base/base.h"
#include "codec/text.h"

#define JSON_DEPTH_MAX 64u

enum json_token {
    JSON_END, // The value is over and nothing but white space follows.
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY, // The member's value is the next token.
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_value {
    enum json_token token;
    bool is_escaped;  // A key or string that has escapes: read it with json_string_decode.
    const char *text; // Key and string: between the quotes, as it stands. Number: as it stands.
    size_t size;
    size_t offset; // Of the token's first byte.
};

enum json_state {
    JSON_STATE_VALUE,         // A value.
    JSON_STATE_FIRST_ELEMENT, // A value, or the end of an empty array.
    JSON_STATE_KEY,           // A key.
    JSON_STATE_FIRST_KEY,     // A key, or the end of an empty object.
    JSON_STATE_AFTER_VALUE,   // A comma or the end of the container.
    JSON_STATE_END,           // White space.
};

// Which kind of rule a text breaks, for programs; people read the failure.
enum json_rule {
    JSON_RULE_SYNTAX,        // It is not JSON, or not UTF-8, or goes on where it should end.
    JSON_RULE_UNKNOWN_FIELD, // The record has no field of this name.
    JSON_RULE_DUPLICATE_KEY,
    JSON_RULE_MISSING_FIELD,
    JSON_RULE_WRONG_TYPE,
    JSON_RULE_VALUE, // A value that its field does not take: out of range, or none of its names.
    JSON_RULE_TOO_MANY,
};

#define JSON_PATH_SIZE_MAX 224u

struct schema_field;

// Where a text is wrong, and how: filled in beside the failure, when the reader has a place for it.
struct json_error {
    enum json_rule rule;
    u32 line;                         // From 1,
    u32 column;                       // from 1, in code points,
    size_t offset;                    // and bytes from the beginning of the reader's data.
    const struct schema_field *field; // That it is about, or NULL.
    char path[JSON_PATH_SIZE_MAX];    // Of the member: "legs[2].amount"; "" when it is about none.
};

// All fields but `error` are private, but copying the struct saves a place to come back to.
struct json_reader {
    const char *data;
    size_t size;
    size_t offset;
    u64 objects; // Bit d: the container at depth d + 1 is an object.
    u32 depth;
    u32 line_first;
    enum json_state state;
    struct json_error *error; // The caller's, zero at first; NULL: nobody asks.
};

// Reads one value from `data`. `line_first` is the line number of its first byte: 1, or that of the
// line in a larger text.
struct json_reader json_reader_init(const char *data, size_t size, u32 line_first);

// The next token. After JSON_END it stays JSON_END. STATUS_INVALID: what is there and what was
// expected, with the place; the reader must not be used further.
MUST_USE enum status json_next(struct json_reader *reader, struct json_value *value,
                               struct failure *failure);
// Passes over the value whose first token is `value` (does nothing unless it begins a container).
MUST_USE enum status json_skip(struct json_reader *reader, const struct json_value *value,
                               struct failure *failure);

// Line, column and byte for an error at `offset`, as failure_wrap's context. Keeps the status.
MUST_USE enum status json_failure_at(const struct json_reader *reader, size_t offset,
                                     struct failure *failure);

// Copies a key or string with its escapes replaced. False when it needs more than `capacity` bytes.
// Not terminated: a string may contain zeros.
MUST_USE bool json_string_decode(const struct json_value *value, char *out, size_t capacity,
                                 size_t *size);
// "an object", "a string", ...
const char *json_token_name(enum json_token token);

// Lines of NDJSON in a buffer that is filled piece by piece.
struct json_lines {
    const char *data;
    size_t size;
    size_t offset; // Bytes used up: what the caller keeps when it refills is the rest.
    u32 line;      // Number of the line that starts at `offset`.
};
struct json_lines json_lines_init(const char *data, size_t size, u32 line_first);
// The next line that is not blank, without its line end (LF or CRLF), and its number. False when
// none is whole: with `is_last` (no more data will come) an unfinished line counts as whole.
MUST_USE bool json_lines_next(struct json_lines *lines, bool is_last, const char **text,
                              size_t *size, u32 *line);

// Writes into a fixed buffer. Commas are put where they belong; misuse (a value without a key
// inside an object) is a bug and asserted. What does not fit is counted, see text.h.
struct json_writer {
    struct text text;
    u64 objects; // Bit d: the container at depth d + 1 is an object.
    u64 filled;  // Bit d: the container at depth d + 1 has a member.
    u32 depth;
    bool has_key; // A key waits for its value.
    bool is_done;
};

// A writer into the caller's memory. Text beyond `capacity` is counted and not written. Objects,
// arrays and keys must nest as JSON does (asserted).
struct json_writer json_writer_init(char *data, size_t capacity);
void json_write_object_begin(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array_begin(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_key(struct json_writer *writer, const char *key);
// Bytes that are not UTF-8 become U+FFFD, so that the text is always JSON.
void json_write_string(struct json_writer *writer, const char *data, size_t size);
void json_write_text(struct json_writer *writer, const char *string);
void json_write_hex(struct json_writer *writer, const void *data, size_t size);
void json_write_u64(struct json_writer *writer, u64 value);
void json_write_i64(struct json_writer *writer, i64 value);
// A number as it stands in the text: digits, with a point and digits behind it if any.
void json_write_numeral(struct json_writer *writer, const char *text, size_t size);
// As a string of decimal digits, since JavaScript's numbers are exact only to 2^53.
void json_write_u128_string(struct json_writer *writer, u128 value);
void json_write_i128_string(struct json_writer *writer, i128 value);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);
// Ends the value, which must be whole; the next one starts a line of its own (NDJSON).
void json_write_line_end(struct json_writer *writer);
// STATUS_FULL when the buffer is too small. The value must be whole.
MUST_USE enum status json_writer_finish(const struct json_writer *writer, struct failure *failure);

#endif
