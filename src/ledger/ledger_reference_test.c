// SPDX-License-Identifier: Apache-2.0
//
// The ledger's printed reference is the one that is checked in. With BLESS=1 in the environment the
// file is written instead. The source's root is TAEL_SOURCE, or looked for from the working folder.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/record_docs.h"
#include "ledger/ledger_schema.h"

#define GOLDEN "tests/golden/ledger_reference.md"

static FILE *open_golden(const char *mode)
{
    const char *given = getenv("TAEL_SOURCE");
    const char *const roots[] = {given ? given : "..", ".", "../.."};
    for (size_t i = 0; i < ARRAY_COUNT(roots); i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", roots[i], GOLDEN);
        FILE *file = fopen(path, mode);
        if (file) return file;
    }
    fail_msg("%s: %s", GOLDEN, strerror(errno));
    return NULL;
}

static void test_reference_is_golden(void **state)
{
    (void)state;
    static char printed[256 * 1024], golden[256 * 1024];
    struct text out = text_init(printed, sizeof printed);
    record_docs_module(&ledger_schema, &out);
    assert_false(text_overflowed(&out));
    const char *bless = getenv("BLESS");
    if (bless && strcmp(bless, "1") == 0) {
        FILE *file = open_golden("wb");
        assert_int_equal(fwrite(printed, 1, out.size, file), out.size);
        assert_int_equal(fclose(file), 0);
        return;
    }
    FILE *file = open_golden("rb");
    size_t size = fread(golden, 1, sizeof golden, file);
    assert_int_equal(fclose(file), 0);
    u32 line = 1;
    for (size_t i = 0; i < MAX(size, out.size); i++) {
        if (i >= size || i >= out.size || golden[i] != printed[i])
            fail_msg("%s differs in line %u; `make bless` renews it", GOLDEN, line);
        line += golden[i] == '\n';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_is_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
