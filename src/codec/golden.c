// SPDX-License-Identifier: Apache-2.0
//
// Texts that are printed from tables and checked in.
#include "codec/golden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum status golden_compare(const char *path, const char *text, size_t size, struct failure *failure)
{
    char place[4096];
    const char *bless = getenv("BLESS");
    const bool writes = bless != NULL && strcmp(bless, "1") == 0;
    (void)snprintf(place, sizeof place, "%s/%s", TAEL_SOURCE_DIRECTORY, path);
    FILE *file = fopen(place, writes ? "we" : "re");
    if (file == NULL) return failure_set_errno(failure, STATUS_IO, errno, "opening %s", place);
    if (writes) {
        const bool is_written = fwrite(text, 1, size, file) == size;
        if (fclose(file) == 0 && is_written) return STATUS_OK;
        return failure_set_errno(failure, STATUS_IO, errno, "writing %s", place);
    }
    u32 line = 1;
    bool differs = false;
    for (size_t i = 0; !differs && i <= size; i++) {
        const int expected = fgetc(file);
        differs = expected != (i < size ? (u8)text[i] : EOF);
        if (!differs && expected == '\n') line++;
    }
    (void)fclose(file);
    if (!differs) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "%s differs in line %u; `make bless` renews it",
                       path, line);
}
