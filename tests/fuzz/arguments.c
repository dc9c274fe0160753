// SPDX-License-Identifier: Apache-2.0
//
// Command lines: words with a zero between them for a record, two bytes saying which. What is
// accepted is a whole record.
#include "fuzz.h"

#include "codec/record_binary.h"
#include "codec/record_text.h"

#include <stdlib.h>

#define WORDS_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    const struct schema_record *record = fuzz_record(data[0] + 256u * data[1]);
    const char *words[WORDS_MAX];
    int count = 0;
    char *text = fuzz_room(size - 1); // The last word's zero too.
    static struct record_references references;
    const u64 capacity = record_binary_size_max(record);
    struct record_arguments arguments = {
        .record = record, .head = fuzz_room(capacity), .references = &references};
    struct failure failure;
    memcpy(text, data + 2, size - 2);
    for (size_t at = 0; at < size - 2 && count < WORDS_MAX; at += strlen(text + at) + 1) {
        words[count++] = text + at;
    }
    references.count = 0;
    const enum status status =
        record_parse_arguments(&arguments, 1, "verb", count, words, &failure);
    if (status == STATUS_OK) {
        const u64 whole = record_binary_size(record, arguments.head);
        FUZZ_CHECK(whole <= capacity);
        // One that the server makes, a row or a view, need not be whole by what is typed.
        if (record_check_arguments(&arguments, &failure) == STATUS_OK && fuzz_is_sent(record)) {
            FUZZ_CHECK(record_binary_check(record, arguments.head, whole, &failure) == STATUS_OK);
        }
    } else {
        FUZZ_CHECK(status == STATUS_INVALID && failure.message[0] != 0);
    }
    free(arguments.head);
    free(text);
    return 0;
}
