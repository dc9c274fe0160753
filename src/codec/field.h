// SPDX-License-Identifier: Apache-2.0
//
// One field of a record: get, set, parse from text, print as text. What JSON, CSV, the command line
// and tables have in common.
//
// `head` is the record's head, of any alignment. A refusal is STATUS_INVALID and names value and
// rule; the caller adds the field, as it is called there, and the place. The value of a FIELD_TEXT
// field is never repeated in a message, since it may say who somebody is (promise L9). On a refusal
// the field's bytes are unspecified.
#ifndef TAEL_CODEC_FIELD_H
#define TAEL_CODEC_FIELD_H

#include "codec/text.h"
#include "schema/schema.h"

// An element of a number field; a signed one is extended to 128 bits (cast to i128). For ARRAY and
// BLOB element 0 is the count.
u128 field_get(const struct schema_field *field, u32 element, const void *head);
// `value` is in the type's range.
void field_set(const struct schema_field *field, u32 element, void *head, u128 value);
bool field_is_zero(const struct schema_field *field, const void *head);
// Whether it is the number of a FIELD_NULLABLE field that stands for none.
bool field_is_none(const struct schema_field *field, const void *head);

// Whether it must be given in a record whose flags are already those of the head.
bool field_is_required(const struct schema_record *record, const struct schema_field *field,
                       const void *head);

// An element from decimal text, checked against min, max, flags mask and enumeration; of an
// unsigned number of UNIT_MINOR, `max` is the largest.
MUST_USE enum status field_set_number(const struct schema_record *record,
                                      const struct schema_field *field, u32 element,
                                      const char *text, size_t size, void *head,
                                      struct failure *failure);
// Adds one named flag; a second time is refused.
MUST_USE enum status field_add_flag(const struct schema_record *record,
                                    const struct schema_field *field, const char *text, size_t size,
                                    void *head, struct failure *failure);
// A named value of an enumeration.
MUST_USE enum status field_set_name(const struct schema_record *record,
                                    const struct schema_field *field, const char *text, size_t size,
                                    void *head, struct failure *failure);
// BYTES from their text form: with FIELD_TEXT at most `count` bytes of UTF-8 without zeros (of
// options one less, and not checked: they may name files), else exactly `count` bytes as
// hexadecimal digits.
MUST_USE enum status field_set_bytes(const struct schema_record *record,
                                     const struct schema_field *field, const char *text,
                                     size_t size, void *head, struct failure *failure);
// Hexadecimal digits to bytes. Refuses an odd count, other characters and more than `capacity`.
MUST_USE enum status field_hex_decode(const char *text, size_t size, u8 *out, size_t capacity,
                                      size_t *out_size, struct failure *failure);
// The rule for text: UTF-8 without zeros.
MUST_USE enum status field_check_text(const char *text, size_t size, struct failure *failure);

// Any field but ARRAY and BLOB from the text of a CSV cell or a command line: a decimal number; a
// moment (UNIT_NANOSECONDS) or date (UNIT_DAYS) also as ISO 8601, whose refusal says where it went
// wrong; an amount (UNIT_MINOR) also as "max", its type's largest; flags as names or a number, and
// several numbers, separated by ',' or '|'; names; true and false; text; hexadecimal digits. Empty
// text is zero.
MUST_USE enum status field_parse(const struct schema_record *record,
                                 const struct schema_field *field, const char *text, size_t size,
                                 void *head, struct failure *failure);

enum field_style {
    FIELD_STYLE_EXACT, // What field_parse reads back; moments and dates as numbers.
    FIELD_STYLE_HUMAN, // Moments and dates as ISO 8601, zero flags and moments as nothing, counts
                       // and sizes with commas, the first eight bytes of a digest and an ellipsis.
};
// Prints a field as field_parse reads it, what is only printed with its point, none as nothing;
// ARRAY and BLOB as their count. Flags and enumeration values without a name are printed as
// numbers; bytes of FIELD_TEXT that are not UTF-8 as hex.
void field_print(const struct schema_record *record, const struct schema_field *field,
                 const void *head, enum field_style style, struct text *out);
// An unsigned number with the field's point.
void field_print_decimal(const struct schema_field *field, u128 value, struct text *out);
// Length of the text of a FIELD_TEXT byte array: without the zeros that fill it up.
size_t field_text_size(const struct schema_field *field, const void *head);

#endif
