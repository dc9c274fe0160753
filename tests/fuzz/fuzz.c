// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets share.
#include "fuzz.h"

#include "ledger/ledger_schema.h"
#include "modules/module.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void fuzz_found(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    abort();
}

void *fuzz_room(size_t size)
{
    void *room = calloc(1, MAX(size, (size_t)1));
    if (room == NULL) abort();
    return room;
}

void *fuzz_copy(const void *bytes, size_t size)
{
    u8 *copy = fuzz_room(size);
    memcpy(copy, bytes, size);
    return copy;
}

const struct schema_record *fuzz_record(u32 number)
{
    u32 count = ledger_schema.record_count;
    for (u32 i = 0; i < module_count; i++) count += modules[i]->schema->record_count;
    number %= count;
    if (number < ledger_schema.record_count) return ledger_schema.records[number];
    number -= ledger_schema.record_count;
    u32 module = 0;
    for (; number >= modules[module]->schema->record_count; module++) {
        number -= modules[module]->schema->record_count;
    }
    return modules[module]->schema->records[number];
}

bool fuzz_is_sent(const struct schema_record *record)
{
    return record->kind == RECORD_EVENT || record->kind == RECORD_COMMAND ||
           record->kind == RECORD_QUERY || record->kind == RECORD_ITEM;
}

void fuzz_edit(u8 *bytes, size_t size, const uint8_t *edits, size_t edits_size)
{
    for (; edits_size >= 8; edits += 8, edits_size -= 8) {
        u32 place = 0;
        memcpy(&place, edits, sizeof place);
        for (u32 i = 0; i <= edits[4]; i++) bytes[(place + (size_t)i) % size] += edits[5];
    }
}
