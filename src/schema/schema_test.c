// SPDX-License-Identifier: Apache-2.0
//
// Descriptors agree with the structs, look-ups find, and schema_check refuses each broken table.
#include "schema/schema_test_types.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_descriptors_agree_with_structs(void **state)
{
    (void)state;
    const struct schema_record *order = &test_schema_test_order;
    assert_int_equal(order->size, sizeof(struct test_order));
    assert_int_equal(order->number, 0x7f02);
    assert_int_equal(order->kind, RECORD_COMMAND);
    assert_string_equal(order->doc, "An order.");
    assert_int_equal(order->field_count, 15);
#define FIELD_LIES_AT(member)                                                                  \
    do {                                                                                       \
        const struct schema_field *field = schema_find_field(order, #member, strlen(#member)); \
        assert_non_null(field);                                                                \
        assert_int_equal(field->offset, offsetof(struct test_order, member));                  \
        assert_int_equal(field->size, sizeof(((struct test_order *)0)->member));               \
    } while (0)
    FIELD_LIES_AT(id);
    FIELD_LIES_AT(balance);
    FIELD_LIES_AT(change);
    FIELD_LIES_AT(moment);
    FIELD_LIES_AT(day);
    FIELD_LIES_AT(currency);
    FIELD_LIES_AT(codes);
    FIELD_LIES_AT(state);
    FIELD_LIES_AT(reserved_2);
    assert_int_equal(schema_find_field(order, "lines", 5)->offset,
                     offsetof(struct test_order, lines_count));
    assert_int_equal(schema_find_field(order, "remark", 6)->offset,
                     offsetof(struct test_order, remark_size));

    const struct schema_field *codes = schema_find_field(order, "codes", 5);
    assert_int_equal(codes->type, SCHEMA_U16);
    assert_int_equal(codes->count, 4);
    assert_true(codes->max == 99);
    const struct schema_field *id = schema_find_field(order, "id", 2);
    assert_int_equal(id->flags, FIELD_KEY | FIELD_REQUIRED);
    assert_int_equal(id->type, SCHEMA_U128);
    const struct schema_field *lines = schema_find_field(order, "lines", 5);
    assert_int_equal(lines->type, SCHEMA_ARRAY);
    assert_int_equal(lines->count_max, 3);
    assert_ptr_equal(schema_field_item(order, lines), &test_schema_test_line);
    assert_int_equal(schema_find_field(order, "delay", 5)->unit, UNIT_SECONDS);
}

static void test_lookups(void **state)
{
    (void)state;
    const struct schema_module *module = &test_schema;
    assert_string_equal(module->name, "test");
    assert_int_equal(module->record_count, 10);
    assert_ptr_equal(schema_find_record(module, "test-order"), &test_schema_test_order);
    assert_null(schema_find_record(module, "test_orde"));
    assert_null(schema_find_record(module, "test_orders"));
    assert_ptr_equal(schema_find_record_number(module, 0x7f01), &test_schema_test_line);
    assert_null(schema_find_record_number(module, 1));
    assert_ptr_equal(schema_find_flags(module, "test_flags"), &test_schema_test_flags);
    assert_null(schema_find_flags(module, "test_state"));
    assert_ptr_equal(schema_find_enumeration(module, "test_state"), &test_schema_test_state);
    assert_null(schema_find_enumeration(module, "test_flags"));
    assert_ptr_equal(schema_find_results(module, "test_result"), &test_schema_test_result);
    assert_null(schema_find_results(module, "x"));
    assert_ptr_equal(schema_find_machine(module, "test_machine"), &test_schema_test_machine);
    assert_null(schema_find_machine(module, "x"));

    assert_int_equal(schema_find_flag(&test_schema_test_flags, "Gift-Wrapped", 12)->bit, 3);
    assert_null(schema_find_flag(&test_schema_test_flags, "gift", 4));
    assert_int_equal(schema_flags_mask(&test_schema_test_flags), 9);
    assert_int_equal(schema_find_value(&test_schema_test_state, "paid", 4)->number, 10);
    assert_null(schema_find_value(&test_schema_test_state, "pai", 3));
    assert_string_equal(schema_find_value_number(&test_schema_test_state, 20)->name, "SENT");
    assert_null(schema_find_value_number(&test_schema_test_state, 21));
    assert_string_equal(schema_find_result(&test_schema_test_result, 7)->name, "SOLD_OUT");
    assert_true(schema_find_result(&test_schema_test_result, 7)->transient);
    assert_int_equal(schema_find_result(&test_schema_test_result, 7)->http_status, 409);
    assert_null(schema_find_result(&test_schema_test_result, 8));
    assert_int_equal(schema_find_result_name(&test_schema_test_result, "accepted")->number, 1);
    assert_null(schema_find_result_name(&test_schema_test_result, "accept"));
    assert_string_equal(schema_lower("SOLD_OUT").text, "sold_out");

    const struct schema_record *order = &test_schema_test_order;
    const struct schema_field *flags = schema_find_field(order, "flags", 5);
    const struct schema_field *where = schema_find_field(order, "state", 5);
    assert_ptr_equal(schema_field_flags(order, flags), &test_schema_test_flags);
    assert_null(schema_field_enumeration(order, flags));
    assert_null(schema_field_flags(order, where));
    assert_ptr_equal(schema_field_enumeration(order, where), &test_schema_test_state);
}

static void test_types(void **state)
{
    (void)state;
    const struct schema_record *order = &test_schema_test_order;
    assert_true(schema_field_max(schema_find_field(order, "id", 2)) == U128_MAX);
    assert_true(schema_field_max(schema_find_field(order, "balance", 7)) == U128_MAX >> 1);
    assert_true(schema_field_max(schema_find_field(order, "day", 3)) == INT32_MAX);
    assert_true(schema_field_max(schema_find_field(order, "delay", 5)) == 86400);
    assert_string_equal(schema_type_name(SCHEMA_U128), "u128");
    assert_string_equal(schema_unit_name(UNIT_MINOR), "minor units");
    assert_string_equal(schema_kind_name(RECORD_VIEW), "view");
    assert_true(schema_type_is_signed(SCHEMA_I32));
    assert_false(schema_type_is_number(SCHEMA_BLOB));
    assert_false(schema_type_is_number(SCHEMA_BOOL));
    const struct schema_record *options = &test_schema_test_options;
    assert_int_equal(schema_find_field(options, "quiet", 5)->type, SCHEMA_BOOL);
    assert_int_equal(schema_find_field(options, "shop", 4)->type, SCHEMA_BYTES);
    assert_int_equal(schema_find_field(options, "quiet", 5)->offset,
                     offsetof(struct test_options, quiet));
}

static void test_nearest(void **state)
{
    (void)state;
    assert_int_equal(schema_edit_distance("kitten", 6, "sitting", 7), 3);
    assert_int_equal(schema_edit_distance("", 0, "abc", 3), 3);
    assert_int_equal(schema_edit_distance("a-b", 3, "A_B", 3), 0);
    const struct schema_record *order = &test_schema_test_order;
    assert_string_equal(schema_nearest_field(order, "curency", 7)->name, "currency");
    assert_string_equal(schema_nearest_field(order, "blance", 6)->name, "balance");
    assert_null(schema_nearest_field(order, "temperature", 11));
    // A reserved field is never proposed.
    assert_null(schema_nearest_field(order, "reserved", 8));
}

static void test_machine(void **state)
{
    (void)state;
    u32 to = 0;
    assert_true(
        schema_machine_next(&test_schema_test_machine, TEST_STATE_NEW, TEST_EVENT_PAY, &to));
    assert_int_equal(to, TEST_STATE_PAID);
    assert_false(
        schema_machine_next(&test_schema_test_machine, TEST_STATE_NEW, TEST_EVENT_SEND, &to));
    assert_int_equal(to, TEST_STATE_PAID);
}

// One broken module at a time: copies of good tables with one thing wrong.
struct broken {
    struct schema_module module;
    struct schema_record record;
    struct schema_field fields[16];
    struct schema_flags flags;
    struct schema_flag flag_rows[2];
    struct schema_enumeration enumerations[2];
    struct schema_value value_rows[3];
    struct schema_results results;
    struct schema_result result_rows[2];
    struct schema_machine machine;
    struct schema_transition transitions[2];
    const struct schema_record *records[3];
    const struct schema_flags *flags_list[1];
    const struct schema_enumeration *enumeration_list[2];
    const struct schema_results *results_list[1];
    const struct schema_machine *machine_list[1];
    struct schema_record line;
    struct schema_field line_fields[3];
};

static void broken_init(struct broken *b)
{
    *b = (struct broken){.record = test_schema_test_order,
                         .line = test_schema_test_line,
                         .flags = test_schema_test_flags,
                         .enumerations = {test_schema_test_state, test_schema_test_event},
                         .results = test_schema_test_result,
                         .machine = test_schema_test_machine,
                         .module = test_schema};
    memcpy(b->fields, test_schema_test_order.fields, 15 * sizeof b->fields[0]);
    memcpy(b->line_fields, test_schema_test_line.fields, sizeof b->line_fields);
    memcpy(b->flag_rows, test_schema_test_flags.rows, sizeof b->flag_rows);
    memcpy(b->value_rows, test_schema_test_state.rows, sizeof b->value_rows);
    memcpy(b->result_rows, test_schema_test_result.rows, sizeof b->result_rows);
    memcpy(b->transitions, test_schema_test_machine.rows, sizeof b->transitions);
    b->record.fields = b->fields;
    b->record.module = &b->module;
    b->line.fields = b->line_fields;
    b->line.module = &b->module;
    b->flags.rows = b->flag_rows;
    b->enumerations[0].rows = b->value_rows;
    b->results.rows = b->result_rows;
    b->machine.rows = b->transitions;
    b->records[0] = &b->line;
    b->records[1] = &b->record;
    b->flags_list[0] = &b->flags;
    b->enumeration_list[0] = &b->enumerations[0];
    b->enumeration_list[1] = &b->enumerations[1];
    b->results_list[0] = &b->results;
    b->machine_list[0] = &b->machine;
    b->module.records = b->records;
    b->module.record_count = 2;
    b->module.flags = b->flags_list;
    b->module.enumerations = b->enumeration_list;
    b->module.results = b->results_list;
    b->module.machines = b->machine_list;
}

// Breaks one thing and expects the sentence.
#define BROKEN(change, expected)                                             \
    do {                                                                     \
        struct broken b;                                                     \
        struct failure failure;                                              \
        broken_init(&b);                                                     \
        change;                                                              \
        assert_int_equal(schema_check(&b.module, &failure), STATUS_INVALID); \
        assert_string_equal(failure.message, "module test: " expected);      \
    } while (0)

static void test_check_refuses_records(void **state)
{
    (void)state;
    BROKEN(b.line.number = 0x7f02, "test_order: its number is that of test_line");
    BROKEN(b.line.name = "test_order", "test_order: twice");
    BROKEN(b.record.name = "", "record 1 has no proper name");
    BROKEN(b.record.doc = "An order", "test_order: its doc is not a sentence");
    BROKEN(b.record.module = &test_schema, "test_order: belongs to another module");
    BROKEN(b.record.field_count = 0, "test_order: has no fields, or more than 128");
    BROKEN(b.record.size = 112, "test_order: its fields do not add up to its size");
    BROKEN(b.fields[1].offset = 17, "test_order.balance: a gap lies before it");
    BROKEN(b.fields[1].name = "id", "test_order.id: twice");
    BROKEN(b.fields[1].name = "2nd", "test_order: row 1 has no proper name");
    BROKEN(b.fields[1].doc = NULL, "test_order.balance: its doc is not a sentence");
    BROKEN(b.fields[1].size = 8, "test_order.balance: size and count differ");
    BROKEN(b.fields[11].unit = UNIT_DAYS,
           "test_order.reserved: a reserved field means nothing else");
    BROKEN(b.fields[1].flags = FIELD_TEXT, "test_order.balance: text is made of bytes");
    BROKEN((b.fields[8].count = 513, b.fields[8].size = 513),
           "test_order.digest: more than 512 bytes");
    BROKEN((b.fields[8].count = 4097, b.fields[8].size = 4097, b.fields[8].flags = FIELD_TEXT),
           "test_order.digest: more than 4096 bytes");
    BROKEN(b.fields[5].max = 1ull << 32, "test_order.delay: max is more than the type holds");
    BROKEN(b.fields[8].max = 1, "test_order.digest: only a number has a bound");
    BROKEN(b.fields[8].min = 1, "test_order.digest: only a number has a bound");
    BROKEN(b.fields[5].min = 86401, "test_order.delay: min is more than max");
    BROKEN(b.fields[1].flags = FIELD_SMALL,
           "test_order.balance: only an unsigned number is small or none");
    BROKEN(b.fields[7].flags = FIELD_NULLABLE,
           "test_order.flags: only an unsigned number is small or none");
    BROKEN(b.fields[1].decimals = 1,
           "test_order.balance: at most nine digits of an unsigned number stand behind the point");
    BROKEN(b.fields[5].decimals = 2,
           "test_order.delay: what has a point, a group or none is only printed");
    BROKEN(b.fields[5].flags = FIELD_NULLABLE,
           "test_order.delay: what has a point, a group or none is only printed");
    BROKEN((b.record.kind = RECORD_VIEW, b.fields[5].flags = FIELD_WORD),
           "test_order.delay: words are for what a command line fills in");
    BROKEN(b.fields[1].refers_to = "book",
           "test_order.balance: only an unsigned number refers to something");
    BROKEN((b.record.kind = RECORD_VIEW, b.fields[5].group = "d"),
           "test_order.delay: its name does not begin with its group");
    BROKEN(b.fields[5].flags = FIELD_DAY_END,
           "test_order.delay: only a moment is the end of a day");
    BROKEN(b.fields[5].waived_by = "urgent",
           "test_order.delay: what is not required is not waived");
    BROKEN(b.fields[0].waived_by = "x", "test_order.id: there is no flag named x");
    BROKEN(b.fields[7].enumeration = "x", "test_order.flags: there is no table named x");
    BROKEN(b.flags.name = "test_state", "test_order.flags: there is no table named test_flags");
    BROKEN((b.flags.name = "test_state", b.fields[7].enumeration = "test_state"),
           "test_order.flags: test_state names two tables");
    BROKEN(b.fields[7].max = 1, "test_order.flags: a field of names is one number without a bound");
    BROKEN(b.flags.type = SCHEMA_U16, "test_order.flags: its type is not that of test_flags");
    BROKEN(b.fields[10].enumeration = "test_event",
           "test_order.state: what need not be given has a value 0 in test_event");
    BROKEN(b.fields[12].count_max = 0, "test_order.lines: a tail has a largest size");
    BROKEN(b.fields[12].item = "x", "test_order.lines: there is no record named x");
    BROKEN(b.record.views = "test_line",
           "test_order: there is no record named test_line for its views, or it asks nothing");
    BROKEN((b.record.views = "x", b.record.kind = RECORD_QUERY),
           "test_order: there is no record named x for its views, or it asks nothing");
    BROKEN(b.line.kind = RECORD_VIEW, "test_order.lines: test_line is not an item");
    BROKEN((b.line_fields[2].size = 4, b.line_fields[2].count = 4, b.line.size = 24),
           "test_order.lines: head and item are multiples of 16 bytes");
    BROKEN((b.line_fields[1].type = SCHEMA_BLOB, b.line_fields[1].max = 0,
            b.line_fields[1].count_max = 1),
           "test_order.lines: the item has a tail of its own");
    BROKEN((b.fields[12].type = SCHEMA_BLOB, b.fields[13].type = SCHEMA_ARRAY,
            b.fields[13].flags = 0, b.fields[13].item = "test_line"),
           "test_order.remark: the array follows the blob");
    BROKEN(
        (b.fields[13].type = SCHEMA_ARRAY, b.fields[13].flags = 0, b.fields[13].item = "test_line"),
        "test_order: more than one array or blob");
}

static void test_check_refuses_tables(void **state)
{
    (void)state;
    BROKEN(b.flags.name = "", "flags without a proper name");
    BROKEN(b.flags.doc = "", "test_flags: its doc is not a sentence");
    BROKEN(b.flags.type = SCHEMA_I32, "test_flags: flags are u8 to u64");
    BROKEN(b.flag_rows[1].bit = 8, "test_flags.GIFT_WRAPPED: no such bit");
    BROKEN(b.flag_rows[1].bit = 0, "test_flags.GIFT_WRAPPED: its bit is that of URGENT");
    BROKEN(b.flag_rows[1].name = "URGENT", "test_flags.URGENT: twice");
    BROKEN(b.flag_rows[1].name = "A B", "test_flags: row 1 has no proper name");
    BROKEN(b.flag_rows[1].doc = "x", "test_flags.GIFT_WRAPPED: its doc is not a sentence");

    BROKEN(b.enumerations[0].name = NULL, "an enumeration without a proper name");
    BROKEN(b.enumerations[0].doc = NULL, "test_state: its doc is not a sentence");
    BROKEN(b.enumerations[0].type = SCHEMA_I64, "test_state: an enumeration is unsigned");
    BROKEN(b.value_rows[1].number = 70000, "test_state.PAID: more than its type holds");
    BROKEN(b.value_rows[1].number = 0, "test_state.PAID: its number is that of NEW");
    BROKEN(b.value_rows[1].name = "NEW", "test_state.NEW: twice");
    BROKEN(b.value_rows[1].name = "", "test_state: row 1 has no proper name");
    BROKEN(b.value_rows[1].doc = "", "test_state.PAID: its doc is not a sentence");

    BROKEN(b.results.name = "", "results without a proper name");
    BROKEN(b.results.doc = "", "test_result: its doc is not a sentence");
    BROKEN(b.result_rows[1].name = "", "test_result: row 1 has no proper name");
    BROKEN(b.result_rows[1].sentence = "", "test_result.ACCEPTED: has no sentence");
    BROKEN(b.result_rows[1].http_status = 42, "test_result.ACCEPTED: no such HTTP status");
    BROKEN(b.result_rows[1].number = 7, "test_result.ACCEPTED: its number is that of SOLD_OUT");
    BROKEN(b.result_rows[1].name = "SOLD_OUT", "test_result.SOLD_OUT: twice");

    BROKEN(b.machine.name = "", "a machine without a proper name");
    BROKEN(b.machine.doc = "", "test_machine: its doc is not a sentence");
    BROKEN(b.machine.states = "x", "test_machine: there is no enumeration named x");
    BROKEN(b.machine.events = "x", "test_machine: there is no enumeration named x");
    BROKEN(b.transitions[1].from = 1, "test_machine: row 1: no state 1");
    BROKEN(b.transitions[1].event = 0, "test_machine: row 1: no event 0");
    BROKEN(b.transitions[1].to = 5, "test_machine: row 1: no state 5");
    BROKEN((b.transitions[1].from = TEST_STATE_NEW, b.transitions[1].event = TEST_EVENT_PAY),
           "test_machine: row 1 answers the same state and event as row 0");
}

static void test_check_accepts(void **state)
{
    (void)state;
    struct failure failure = {0};
    struct broken b;
    broken_init(&b);
    if (schema_check(&test_schema, &failure)) fail_msg("%s", failure.message);
    if (schema_check(&b.module, &failure)) fail_msg("%s", failure.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_agree_with_structs),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_check_accepts),
        cmocka_unit_test(test_check_refuses_records),
        cmocka_unit_test(test_check_refuses_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
