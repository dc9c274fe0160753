// SPDX-License-Identifier: Apache-2.0
//
// A change as text: a line of JSON, lines of CSV. Moments and days are ISO 8601, amounts and ids
// decimal. In CSV (RFC 4180) a record with an array has a line an item, each with the record's own.
#ifndef TAEL_CLI_CHANGE_TEXT_H
#define TAEL_CLI_CHANGE_TEXT_H

#include "codec/record_json.h"
#include "machine/changes.h"

// Room that the line of a change takes at most.
size_t change_json_size_max(const struct change *change);
// The line of a change; `record` describes its payload, which was checked, or is NULL: then the
// payload is written as hexadecimal digits.
void change_json_write(const struct change *change, const struct schema_record *record,
                       struct json_writer *writer);
// The names of the cells of a record's lines; with what is the change's own, if they have it.
void change_csv_header(const struct schema_record *record, bool has_head, struct text *out);
// The lines of a change whose payload is this record; and of a view.
void change_csv_row(const struct change *change, const struct schema_record *record,
                    struct text *out);
void change_csv_view(const struct schema_record *record, const void *view, struct text *out);

#endif
