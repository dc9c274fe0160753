// SPDX-License-Identifier: Apache-2.0
//
// A change as a line of JSON. Moments and days are ISO 8601, amounts and ids decimal strings.
#ifndef TAEL_MACHINE_CHANGE_LINE_H
#define TAEL_MACHINE_CHANGE_LINE_H

#include "codec/record_json.h"
#include "machine/changes.h"

// The description of a change's payload, or NULL when this program has none.
const struct schema_record *change_record_of(u32 number);
// What a line says of a change beside its body.
void change_line_make(const struct change *change, const struct schema_record *record,
                      struct change_line *out);
// Room that the line of a change takes at most.
size_t change_json_size_max(const struct change *change);
// The object of a change; `record` describes its payload, which was checked, or is NULL: then the
// payload is written as hexadecimal digits.
void change_json_write(const struct change *change, const struct schema_record *record,
                       struct json_writer *writer);

#endif
