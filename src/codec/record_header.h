// SPDX-License-Identifier: Apache-2.0
//
// A module's tables as a C header for programs outside of this tree: structs, numbers, values,
// flags and results with their sentences. Printed headers are checked in and compared by a test.
#ifndef TAEL_CODEC_RECORD_HEADER_H
#define TAEL_CODEC_RECORD_HEADER_H

#include "codec/text.h"
#include "schema/schema.h"

// Prints what clients see of a module: its commands, questions, items and views, and what they use.
// Types are those of tael.h.
void record_header_module(const struct schema_module *module, struct text *out);

#endif
