// SPDX-License-Identifier: Apache-2.0
//
// Messages of TigerBeetle's clients: a header, whose checksums are made right when the first byte
// says so (nothing behind them would be reached else), and a body of batches.
#include "fuzz.h"

#include "server/compat_message.h"

#include <stdlib.h>

static void body_read(const struct compat_header *header, const u8 *body, u32 size)
{
    const struct compat_operation *operation = compat_operation(header->request.operation);
    struct compat_batches batches;
    if (operation == NULL || !compat_decode(operation, body, size, &batches)) return;
    // Each batch lies in the body, and so do all events together.
    FUZZ_CHECK(batches.events >= body && batches.event_count <= size / operation->event_size);
    FUZZ_CHECK(batches.events + (size_t)batches.event_count * operation->event_size <= body + size);
    (void)compat_results_max(operation, batches.batch_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct compat_header header;
    if (size < 1 + sizeof header) return 0;
    const u32 body_size = (u32)(size - 1 - sizeof header);
    u8 *body = fuzz_copy(data + 1 + sizeof header, body_size);
    memcpy(&header, data + 1, sizeof header);
    if (data[0] & 1) compat_header_seal(&header, body, body_size);
    const enum compat_rule rule = compat_header_check(&header);
    FUZZ_CHECK(rule < COMPAT_RULE_COUNT && compat_rule_text(rule)[0] != 0);
    if (rule == COMPAT_RULE_NONE && compat_body_size(&header) == body_size &&
        compat_body_check(&header, body) == COMPAT_RULE_NONE &&
        header.command == COMPAT_COMMAND_REQUEST) {
        body_read(&header, body, body_size);
    }
    free(body);
    return 0;
}
