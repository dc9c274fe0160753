// SPDX-License-Identifier: Apache-2.0
//
// The printed reference of the modules is the one that is checked in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/golden.h"
#include "codec/record_docs.h"
#include "modules/module.h"

static void test_reference_is_golden(void **state)
{
    (void)state;
    static char printed[1024 * 1024];
    struct text out = text_init(printed, sizeof printed);
    struct failure failure;
    for (u32 i = 0; i < module_count; i++) record_docs_module(modules[i]->schema, &out);
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/modules_reference.md", printed, out.size, &failure))
        fail_msg("%s", failure.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_is_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
