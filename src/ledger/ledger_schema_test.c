// SPDX-License-Identifier: Apache-2.0
//
// The ledger's table is whole, and its descriptors agree with the structs.
#include "ledger/ledger_schema.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_every_module_is_whole(void **state)
{
    (void)state;
    struct failure failure = {0};
    for (u32 i = 0; i < schema_module_count; i++) {
        if (schema_check(schema_modules[i], &failure)) fail_msg("%s", failure.message);
    }
}

static void test_descriptors_agree_with_structs(void **state)
{
    (void)state;
    const struct schema_record *transfer = &ledger_schema_transfer;
    assert_int_equal(transfer->size, sizeof(struct transfer));
    assert_int_equal(transfer->field_count, 13);
    assert_int_equal(schema_find_field(transfer, "timeout", 7)->offset,
                     offsetof(struct transfer, timeout));
    assert_int_equal(schema_find_field(transfer, "timestamp", 9)->offset,
                     offsetof(struct transfer, timestamp));
    assert_int_equal(
        schema_find_field(&ledger_schema_change_event, "credit_account_timestamp", 24)->offset,
        offsetof(struct change_event, credit_account_timestamp));
    const struct schema_field *flags = schema_find_field(transfer, "flags", 5);
    assert_ptr_equal(schema_field_flags(transfer, flags), &ledger_schema_transfer_flags);
    assert_int_equal(schema_flags_mask(&ledger_schema_transfer_flags), 0x1ff);
}

static void test_lookups(void **state)
{
    (void)state;
    assert_ptr_equal(schema_modules_find_record("Account-Filter"), &ledger_schema_account_filter);
    assert_null(schema_modules_find_record("acount"));
    assert_ptr_equal(schema_modules_find_record_number(0x0102), &ledger_schema_transfer);
    assert_null(schema_modules_find_record_number(0));
    const struct schema_results *results = &ledger_schema_create_transfer_result;
    assert_string_equal(ledger_result_name(results, 54).text, "exceeds_credits");
    assert_string_equal(ledger_result_name(results, UINT32_MAX).text, "created");
    assert_string_equal(ledger_result_name(results, 4711).text, "unknown_4711");
    assert_true(schema_find_result(results, 54)->transient);
    assert_false(schema_find_result(results, 46)->transient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module_is_whole),
        cmocka_unit_test(test_descriptors_agree_with_structs),
        cmocka_unit_test(test_lookups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
