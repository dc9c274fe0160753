// SPDX-License-Identifier: Apache-2.0
//
// Messages of the tael port: a header, whose checksums are made right when the first byte says so,
// and a body of records.
#include "fuzz.h"

#include "codec/record_binary.h"
#include "modules/module.h"
#include "server/tael_message.h"

#include <stdlib.h>

// As the port does: the records one after the other.
static void records_read(const struct tael_header *header, const u8 *body, u32 size)
{
    const struct module *module = module_of_record(header->record);
    const struct schema_record *record =
        module == NULL ? NULL : schema_find_record_number(module->schema, header->record);
    struct failure failure;
    if (record == NULL) return;
    for (u32 i = 0, at = 0; i < header->count && size - at >= record->size; i++) {
        const u64 whole = record_binary_size(record, body + at);
        if (whole > size - at) return;
        if (record_binary_check(record, body + at, whole, &failure) != STATUS_OK) {
            FUZZ_CHECK(failure.message[0] != 0);
            return;
        }
        at += (u32)whole;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tael_header header;
    if (size < 1 + sizeof header) return 0;
    const u32 body_size = (u32)(size - 1 - sizeof header);
    u8 *body = fuzz_copy(data + 1 + sizeof header, body_size);
    bool fatal = false;
    memcpy(&header, data + 1, sizeof header);
    if (data[0] & 1) tael_header_seal(&header, body, body_size);
    const char *broken = tael_header_check(&header, &fatal);
    if (broken != NULL) FUZZ_CHECK(broken[0] != 0);
    else FUZZ_CHECK(tael_header_is_whole(&header));
    if (broken == NULL && tael_body_size(&header) == body_size) {
        records_read(&header, body, body_size);
    }
    free(body);
    return 0;
}
