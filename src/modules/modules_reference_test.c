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
#include "codec/record_header.h"
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

static const char header_begin[] =
    "// SPDX-License-Identifier: Apache-2.0\n"
    "//\n"
    "// The records of tael's modules as programs send and receive them (tael.h): made from the\n"
    "// modules' descriptions, and compared with them by a test. Numbers are little-endian, as "
    "the\n"
    "// processor must be; records begin at multiples of 16 bytes. `_count` items of an array "
    "follow\n"
    "// their record, one after the other. What is reserved is zero.\n"
    "#ifndef TAEL_RECORDS_H\n"
    "#define TAEL_RECORDS_H\n"
    "\n"
    "#include <stdbool.h>\n"
    "#include <tael.h>\n"
    "\n"
    "#ifdef __cplusplus\n"
    "#define TAEL_LAYOUT(holds) static_assert(holds, \"the wire's layout\")\n"
    "#else\n"
    "#define TAEL_LAYOUT(holds) _Static_assert(holds, \"the wire's layout\")\n"
    "#endif\n";

static void test_header_is_golden(void **state)
{
    (void)state;
    static char printed[1024 * 1024];
    struct text out = text_init(printed, sizeof printed);
    struct failure failure;
    text_append_string(&out, header_begin);
    record_header_module(&module_schema, &out);
    for (u32 i = 0; i < module_count; i++) {
        if (modules[i]->number < MODULE_NUMBER_TESTS)
            record_header_module(modules[i]->schema, &out);
    }
    text_append_string(&out, "\n#endif\n");
    assert_false(text_overflowed(&out));
    if (golden_compare("include/tael_records.h", printed, out.size, &failure)) {
        fail_msg("%s", failure.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_golden),
        cmocka_unit_test(test_header_is_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
