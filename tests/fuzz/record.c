// SPDX-License-Identifier: Apache-2.0
//
// Records as bytes, as they come over the tael port and lie in the log, two bytes saying which.
// What is accepted is written in every form, and read again from JSON as the same record.
#include "fuzz.h"

#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "codec/record_text.h"

#include <stdlib.h>

static void forms_write(const struct schema_record *record, const u8 *bytes, size_t size)
{
    const size_t room = 65536 + 16 * size;
    const u64 capacity = record_binary_size_max(record);
    char *written = fuzz_room(room);
    u8 *again = fuzz_room(capacity);
    struct failure failure;
    size_t again_size = 0;
    struct text text = text_init(written, room);
    record_write_card(record, 0, bytes, &text);
    record_write_line(record, RECORD_TABLE_DROP_ZERO, bytes, &text);
    FUZZ_CHECK(text_finish(&text, &failure) == STATUS_OK);
    text = text_init(written, room);
    record_write_csv_row(record, bytes, &text);
    FUZZ_CHECK(text_finish(&text, &failure) == STATUS_OK);
    struct json_writer writer = json_writer_init(written, room);
    record_json_write(record, RECORD_JSON_ALL, bytes, &writer);
    FUZZ_CHECK(json_writer_finish(&writer, &failure) == STATUS_OK);
    // Bytes may have zero where a text must say something: the module's rule (record_binary.h).
    if (fuzz_is_sent(record) && record_json_parse(record, written, writer.text.size, 1, again,
                                                  capacity, &again_size, &failure) == STATUS_OK) {
        FUZZ_CHECK(again_size == size && record_binary_equal(record, bytes, again));
    }
    free(again);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const struct schema_record *record = fuzz_record(data[0] + 256u * data[1]);
    const size_t bytes_size = size - 2;
    u8 *bytes = fuzz_copy(data + 2, bytes_size);
    struct failure failure;
    const enum status status = record_binary_check(record, bytes, bytes_size, &failure);
    FUZZ_CHECK(status == STATUS_OK || (status == STATUS_INVALID && failure.message[0] != 0));
    if (status == STATUS_OK) forms_write(record, bytes, bytes_size);
    free(bytes);
    return 0;
}
