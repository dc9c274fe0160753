// SPDX-License-Identifier: Apache-2.0
//
// A change as lines of CSV (RFC 4180); machine/change_line.h has those of JSON. A record with an
// array has a line an item, each with the record's own.
#ifndef TAEL_CLI_CHANGE_TEXT_H
#define TAEL_CLI_CHANGE_TEXT_H

#include "machine/change_line.h"

// The names of the cells of a record's lines; with what is the change's own, if they have it.
void change_csv_header(const struct schema_record *record, bool has_head, struct text *out);
// The lines of a change whose payload is this record; and of a view.
void change_csv_row(const struct change *change, const struct schema_record *record,
                    struct text *out);
void change_csv_view(const struct schema_record *record, const void *view, struct text *out);

#endif
