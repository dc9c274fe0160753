// SPDX-License-Identifier: Apache-2.0
//
// JSON: any text, token by token; and as a record, two bytes saying which. What is accepted is a
// record that other parts of the program accept, and is written and read again as the same one.
#include "fuzz.h"

#include "codec/record_binary.h"
#include "codec/record_json.h"

#include <stdlib.h>

static void tokens_walk(const char *text, size_t size)
{
    struct json_reader reader = json_reader_init(text, size, 1);
    struct json_value value;
    struct failure failure;
    size_t last = 0;
    do {
        if (json_next(&reader, &value, &failure) != STATUS_OK) {
            FUZZ_CHECK(failure.message[0] != 0);
            return;
        }
        FUZZ_CHECK(value.token == JSON_END || value.offset < size);
        FUZZ_CHECK(value.token == JSON_END || value.offset >= last);
        last = value.offset;
        if (value.token != JSON_KEY && value.token != JSON_STRING) continue;
        char *decoded = fuzz_room(value.size);
        size_t decoded_size = 0;
        FUZZ_CHECK(json_string_decode(&value, decoded, value.size, &decoded_size));
        FUZZ_CHECK(decoded_size <= value.size);
        free(decoded);
    } while (value.token != JSON_END);
}

static void record_read(const struct schema_record *record, const char *text, size_t size)
{
    const u64 capacity = record_binary_size_max(record);
    u8 *bytes = fuzz_room(2 * capacity);
    size_t whole = 0;
    size_t again = 0;
    struct failure failure;
    if (record_json_parse(record, text, size, 1, bytes, capacity, &whole, &failure) == STATUS_OK) {
        // A row or a view need not be whole: nobody sends one.
        FUZZ_CHECK(record_binary_check(record, bytes, whole, &failure) == STATUS_OK ||
                   !fuzz_is_sent(record));
        const size_t room = 65536 + 16 * whole;
        char *written = fuzz_room(room);
        struct json_writer writer = json_writer_init(written, room);
        record_json_write(record, RECORD_JSON_ALL, bytes, &writer);
        FUZZ_CHECK(json_writer_finish(&writer, &failure) == STATUS_OK);
        if (fuzz_is_sent(record)) {
            FUZZ_CHECK(record_json_parse(record, written, writer.text.size, 1, bytes + capacity,
                                         capacity, &again, &failure) == STATUS_OK);
            FUZZ_CHECK(again == whole && record_binary_equal(record, bytes, bytes + capacity));
        }
        free(written);
    } else {
        FUZZ_CHECK(failure.message[0] != 0);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    char *text = fuzz_copy(data + 2, size - 2);
    tokens_walk(text, size - 2);
    record_read(fuzz_record(data[0] + 256u * data[1]), text, size - 2);
    free(text);
    return 0;
}
