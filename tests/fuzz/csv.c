// SPDX-License-Identifier: Apache-2.0
//
// CSV: any text, cell by cell; and as records, two bytes saying which. What is accepted is written
// and read again as the same record.
#include "fuzz.h"

#include "codec/record_binary.h"
#include "codec/record_text.h"

#include <stdlib.h>

static void cells_walk(const char *text, size_t size)
{
    struct csv_reader reader = csv_reader_init(text, size);
    static struct csv_cell cell;
    struct failure failure;
    while (!csv_is_over(&reader)) {
        const size_t before = reader.offset;
        if (csv_next(&reader, &cell, &failure) != STATUS_OK) {
            FUZZ_CHECK(failure.message[0] != 0);
            return;
        }
        FUZZ_CHECK(cell.size <= sizeof cell.text && reader.offset <= size);
        FUZZ_CHECK(reader.offset > before || cell.ends_row);
    }
}

static void again_read(const struct schema_record *record, const u8 *head)
{
    static char written[1 << 20];
    static u8 heads[1 << 16];
    struct text text = text_init(written, sizeof written);
    struct record_csv csv;
    struct failure failure;
    bool is_over = false;
    record_write_csv_header(record, &text);
    record_write_csv_row(record, head, &text);
    FUZZ_CHECK(text_finish(&text, &failure) == STATUS_OK);
    FUZZ_CHECK(record_csv_begin(&csv, record, written, text.size, &failure) == STATUS_OK);
    FUZZ_CHECK(record_csv_next(&csv, heads, &is_over, &failure) == STATUS_OK && !is_over);
    FUZZ_CHECK(memcmp(heads, head, record->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    char *text = fuzz_copy(data + 2, size - 2);
    cells_walk(text, size - 2);
    const struct schema_record *record = fuzz_record(data[0] + 256u * data[1]);
    static u8 head[1 << 16];
    struct record_csv csv;
    struct failure failure;
    bool is_over = record_csv_begin(&csv, record, text, size - 2, &failure) != STATUS_OK;
    for (u32 i = 0; i < 64 && !is_over; i++) {
        if (record_csv_next(&csv, head, &is_over, &failure) != STATUS_OK) break;
        if (!is_over && fuzz_is_sent(record)) again_read(record, head);
    }
    free(text);
    return 0;
}
