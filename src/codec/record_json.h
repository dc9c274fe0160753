// SPDX-License-Identifier: Apache-2.0
//
// Records as JSON, both ways, over descriptors.
//
// The form: an object with the fields' names as keys, in any order. u64, u128, i64 and i128 are
// strings of decimal digits (a JSON integer is accepted too); smaller numbers are JSON numbers (a
// string of digits is accepted too); flags are arrays of lower-case names (an integer is accepted);
// a named value is its name (an integer is accepted); bytes are a string of hexadecimal digits, or
// the text itself with FIELD_TEXT; several numbers and items are arrays. A number with a fraction
// or an exponent is refused even where it is whole: it may have lost digits before it came here. A
// bool is true or false. A moment or a date may be a string of ISO 8601. Only written: wide numbers
// that stay small (FIELD_SMALL) as JSON numbers, those with decimals with their point, none as
// null, groups as objects.
// Reserved fields are neither written nor accepted. Fields not given are zero. FIELD_OUTPUT fields
// are accepted: whether one may be given is the machine's rule, with a result of its own.
//
// Refused with STATUS_INVALID, naming place, field, value and rule: unknown field (with the nearest
// name as hint), duplicate key, missing required field, wrong type, out of range, unknown flag or
// value, too many items, and whatever is not JSON. A reader that has a place for it (json_error)
// tells programs the same.
//
// In memory a whole record is head, items, blob, without gaps. Nothing is allocated. Cost: linear
// in the text, times the fields for each key's look-up.
#ifndef TAEL_CODEC_RECORD_JSON_H
#define TAEL_CODEC_RECORD_JSON_H

#include "codec/json.h"
#include "schema/schema.h"

// Reads one object at the reader's place into `out`, which has `capacity` bytes, at least the
// head's size; `*size` becomes the whole record's. STATUS_FULL when items or blob do not fit. On
// failure the content of `out` is unspecified.
MUST_USE enum status record_json_decode(const struct schema_record *record,
                                        struct json_reader *reader, void *out, size_t capacity,
                                        size_t *size, struct failure *failure);
// The same for a text that is one object. `line_first` as in json_reader_init.
MUST_USE enum status record_json_parse(const struct schema_record *record, const char *text,
                                       size_t text_size, u32 line_first, void *out, size_t capacity,
                                       size_t *size, struct failure *failure);
// An array of objects (or one object) into `count_max` records without tails, one after the other.
// More of them are refused.
MUST_USE enum status record_json_parse_batch(const struct schema_record *record, const char *text,
                                             size_t text_size, void *out, u32 count_max, u32 *count,
                                             struct failure *failure);

enum record_json_style {
    RECORD_JSON_ALL,       // Every field.
    RECORD_JSON_OMIT_ZERO, // No field that is zero, except keys and required ones.
    RECORD_JSON_CALENDAR,  // Every field; moments and dates as ISO 8601.
};
// Writes the whole record that begins at `data`; its counts are within their bounds
// (record_binary.h checks that for bytes from outside). Flags and values without a name are written
// as numbers, and text that is not UTF-8 with U+FFFD for what is not.
void record_json_write(const struct schema_record *record, enum record_json_style style,
                       const void *data, struct json_writer *writer);
// Its members alone, into an object that is open.
void record_json_write_members(const struct schema_record *record, enum record_json_style style,
                               const void *data, struct json_writer *writer);

#endif
