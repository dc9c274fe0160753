// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share. A target reads bytes from outside as the program does, and checks
// what must hold of whatever was accepted; it is run by libFuzzer (tools/fuzz), or by fuzz_main.c
// on its corpus and some thousand mutations of it (the tests).
#ifndef TAEL_TESTS_FUZZ_FUZZ_H
#define TAEL_TESTS_FUZZ_FUZZ_H

#include "schema/schema.h"

#include <stdint.h>

// The target: libFuzzer's name and types.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Ends the process, with the place, unless `holds`. Not an assert: a target finds by it.
#define FUZZ_CHECK(holds)                                     \
    do {                                                      \
        if (!(holds)) fuzz_found(#holds, __FILE__, __LINE__); \
    } while (0)
_Noreturn void fuzz_found(const char *what, const char *file, int line);

// Memory for free: zeroes, or a copy of exactly so many bytes, so that a sanitizer sees what is
// read behind them.
void *fuzz_room(size_t size);
void *fuzz_copy(const void *bytes, size_t size);

// A record of some module, or an account or transfer of plain clients, by a number: every one that
// clients send is reached, and what a log or an answer has too.
const struct schema_record *fuzz_record(u32 number);

// Whether clients send such records: what is written of them can be read again in every form.
bool fuzz_is_sent(const struct schema_record *record);

// Changes of bytes, as an input that is made of them says: 8 bytes each, a place (modulo `size`)
// of four, how many places follow of one, a byte that is added to each, two that are not used.
void fuzz_edit(u8 *bytes, size_t size, const uint8_t *edits, size_t edits_size);

#endif
