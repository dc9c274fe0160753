// SPDX-License-Identifier: Apache-2.0
//
// Records and their fields as schemas of JSON (2020-12, as OpenAPI 3.1 has them), with examples.
//
// What is sent may have more forms than what is answered: a wide number may be an integer, flags a
// number, a moment a number. Schemas of what is sent allow these; those of answers are exact and
// closed.
#ifndef TAEL_EDGE_EDGE_SCHEMA_H
#define TAEL_EDGE_EDGE_SCHEMA_H

#include "codec/json.h"
#include "schema/schema.h"

enum edge_schema_use {
    EDGE_SCHEMA_SENT,     // In a body.
    EDGE_SCHEMA_ASKED,    // As a parameter of a question.
    EDGE_SCHEMA_ANSWERED, // In an answer.
};

// Writes the schema of a record, an object.
void edge_schema_record(const struct schema_record *record, enum edge_schema_use use,
                        struct json_writer *writer);
// Writes the schema of a field that is no array and no blob.
void edge_schema_field(const struct schema_record *record, const struct schema_field *field,
                       enum edge_schema_use use, struct json_writer *writer);
// Writes a record as a client could send it: what is required, and what else is usual.
void edge_example_record(const struct schema_record *record, struct json_writer *writer);
// Writes a value that the field takes.
void edge_example_field(const struct schema_record *record, const struct schema_field *field,
                        struct json_writer *writer);
// Whether a client has to give the field.
bool edge_field_is_required(const struct schema_field *field);
// Writes a key and a text.
void edge_member(struct json_writer *writer, const char *key, const char *text);

#endif
