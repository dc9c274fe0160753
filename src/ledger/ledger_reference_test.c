// SPDX-License-Identifier: Apache-2.0
//
// The ledger's printed reference is the one that is checked in.
#include "codec/record_docs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "codec/golden.h"
#include "ledger/ledger_schema.h"

static void test_reference_is_golden(void **state)
{
    (void)state;
    static char printed[256 * 1024];
    struct text out = text_init(printed, sizeof printed);
    struct failure failure;
    record_docs_module(&ledger_schema, &out);
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/ledger_reference.md", printed, out.size, &failure))
        fail_msg("%s", failure.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_is_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
