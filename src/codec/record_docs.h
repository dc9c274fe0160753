// SPDX-License-Identifier: Apache-2.0
//
// The reference of a module's tables, in Markdown, made from descriptors. Printed pages are checked
// in and compared by a test (tests/golden/), so a change of a table shows in a review.
#ifndef TAEL_CODEC_RECORD_DOCS_H
#define TAEL_CODEC_RECORD_DOCS_H

#include "codec/text.h"
#include "schema/schema.h"

// Each prints a section that begins with a heading of level 3.
void record_docs_record(const struct schema_record *record, struct text *out);
void record_docs_flags(const struct schema_flags *flags, struct text *out);
void record_docs_enumeration(const struct schema_enumeration *enumeration, struct text *out);
void record_docs_results(const struct schema_results *results, struct text *out);
void record_docs_machine(const struct schema_module *module, const struct schema_machine *machine,
                         struct text *out);
// A whole page: headings of level 1 and 2 around all of the module's tables.
void record_docs_module(const struct schema_module *module, struct text *out);

#endif
