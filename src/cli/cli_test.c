// SPDX-License-Identifier: Apache-2.0
//
// The verbs as they describe themselves: the tables of cli.def, flags that do not collide, examples
// that are right, help that fits. (What the verbs do is tests/interface's.)
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/bench_internal.h"
#include "codec/golden.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "modules/book/book.h"

#include <tael.h>

enum { WORDS_MAX = 32, COLUMNS_MAX = 80 };

static const struct schema_field *field_of(const struct schema_record *record, const char *name)
{
    const struct schema_field *field = schema_find_field(record, name, strlen(name));
    assert_non_null(field);
    return field;
}

static void test_tables(void **state)
{
    (void)state;
    struct failure failure = {0};
    if (schema_check(&cli_schema, &failure)) fail_msg("%s", failure.message);
    // Bounds that are written down twice.
    const struct schema_record *bench = &cli_schema_bench_options;
    assert_true(field_of(bench, "clients")->max == BENCH_CLIENTS_MAX);
    assert_true(field_of(bench, "batch")->max == LEDGER_BATCH_EVENTS_MAX);
    assert_true(field_of(bench, "windows")->max == BENCH_WINDOWS_MAX);
    assert_int_equal(field_of(&cli_schema_bench_report, "windows")->count_max, BENCH_WINDOWS_MAX);
    assert_int_equal(field_of(&cli_schema_id_words, "ids")->count_max, LEDGER_BATCH_EVENTS_MAX);
}

// A command line has one flag of a name, though several records make it.
static void test_flags_do_not_collide(void **state)
{
    (void)state;
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        for (u32 a = 0; a < CLI_PARTS_MAX && verb->parts[a]; a++) {
            for (u32 b = a + 1; b < CLI_PARTS_MAX && verb->parts[b]; b++) {
                for (u32 j = 0; j < verb->parts[a]->field_count; j++) {
                    const struct schema_field *field = &verb->parts[a]->fields[j];
                    if (!record_is_flag(field)) continue;
                    const char *name = field->name;
                    if (schema_find_field(verb->parts[b], name, strlen(name))) {
                        fail_msg("%s: --%s twice", verb->name, name);
                    }
                }
            }
        }
    }
}

// The words of a command line, without the backslash that continues it on the next line.
static int words_split(char *line, const char *words[WORDS_MAX])
{
    int count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        assert_true(count < WORDS_MAX);
        if (strcmp(word, "\\") != 0 && word[0] != '>') words[count++] = word;
    }
    return count;
}

static void test_examples_are_right(void **state)
{
    (void)state;
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        char line[512];
        const char *words[WORDS_MAX];
        struct record_arguments parts[CLI_PARTS_MAX] = {0};
        struct failure failure = {0};
        u32 count = 0, used = 0;
        if (verb->example == NULL) continue;
        (void)snprintf(line, sizeof line, "%s", verb->example);
        const int word_count = words_split(line, words);
        assert_ptr_equal(cli_verb_find((u32)word_count, words, &used), verb);
        for (; count < CLI_PARTS_MAX && verb->parts[count]; count++) {
            parts[count].record = verb->parts[count];
            parts[count].head = calloc(1, record_binary_size_max(verb->parts[count]));
        }
        enum status status = record_parse_arguments(parts, count, verb->name,
                                                    word_count - (int)used, words + used, &failure);
        for (u32 j = 0; j < count; j++) {
            if (status == STATUS_OK) status = record_check_arguments(&parts[j], &failure);
            free(parts[j].head);
        }
        if (status != STATUS_OK) fail_msg("%s: %s", verb->name, failure.message);
    }
}

static void test_help_fits(void **state)
{
    (void)state;
    static char help[CLI_HELP_SIZE_MAX];
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        struct text out = text_init(help, sizeof help);
        cli_help_print(verb, &out);
        assert_false(text_overflowed(&out));
        for (size_t begin = 0; begin < out.size;) {
            const char *end = memchr(help + begin, '\n', out.size - begin);
            assert_non_null(end);
            const size_t size = (size_t)(end - help) - begin;
            if (size > COLUMNS_MAX) fail_msg("%s: %.*s", verb->name, (int)size, help + begin);
            assert_true(size == 0 || end[-1] != ' ');
            begin += size + 1;
        }
        if (verb->run == NULL) continue;
        assert_non_null(verb->about);
    }
}

// Every flag and every word of help, so that a change of one is seen.
static void test_help_is_golden(void **state)
{
    (void)state;
    static char printed[4 * CLI_HELP_SIZE_MAX];
    struct failure failure;
    struct text out = text_init(printed, sizeof printed);
    text_append_string(&out, "$ tael help\n");
    cli_help_print(NULL, &out);
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        text_append_format(&out, "\n$ tael help %s\n", cli_verb_at(i)->name);
        cli_help_print(cli_verb_at(i), &out);
    }
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/command_line.txt", printed, out.size, &failure))
        fail_msg("%s", failure.message);
}

static void test_words_find_verbs(void **state)
{
    (void)state;
    u32 used = 0;
    assert_ptr_equal(cli_verb_find(2, (const char *const[]){"verify", "create"}, &used),
                     &verify_verb);
    assert_int_equal(used, 1);
    const struct cli_verb *verb =
        cli_verb_find(2, (const char *const[]){"transfer", "create"}, &used);
    assert_string_equal(verb->name, "transfer create");
    assert_int_equal(used, 2);
    verb = cli_verb_find(2, (const char *const[]){"transfer", "verify"}, &used);
    assert_string_equal(verb->name, "transfer");
    assert_null(verb->run);
    assert_int_equal(used, 1);
    assert_null(cli_verb_find(1, (const char *const[]){"trans"}, &used));
    assert_null(cli_verb_find(1, (const char *const[]){"create"}, &used));
}

// A server may say anything of what it sends: what is not there is not read.
static void test_views_that_are_not_there_are_not_believed(void **state)
{
    (void)state;
    const struct schema_record *row = &book_schema_trial_balance_row; // 192 bytes.
    const struct {
        u32 record;
        u32 count;
        u32 size;
        const struct schema_record *wanted;
        bool is_whole;
    } rows[] = {
        {0x0330, 1, 192, NULL, true},
        {0x0330, 2, 384, row, true},
        {0x0330, 0, 0, row, true},
        {0xffff, 0, 0, row, true}, // Of nothing there is no record.
        {0x0330, 2, 192, row, false},
        {0x0330, 192, 192, row, false},
        {0x0330, 1, 191, row, false},
        {0x0330, 1, 208, row, false},
        {0x0330, 0, 16, row, false},
        {0x0332, 1, 192, row, false}, // As long, and another one.
        {0xffff, 1, 192, NULL, false},
        {0x0401, 1, 64, NULL, false},        // It has legs behind it.
        {0x0330, 67108865, 192, row, false}, // 192 times that is 192, of 32 bits.
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct tael_answer answer = {
            .record = rows[i].record, .count = rows[i].count, .body_size = rows[i].size};
        if (cli_views_are_whole(&answer, rows[i].wanted) != rows[i].is_whole) {
            fail_msg("row %u", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_flags_do_not_collide),
        cmocka_unit_test(test_examples_are_right),
        cmocka_unit_test(test_help_fits),
        cmocka_unit_test(test_help_is_golden),
        cmocka_unit_test(test_words_find_verbs),
        cmocka_unit_test(test_views_that_are_not_there_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
