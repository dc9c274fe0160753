// SPDX-License-Identifier: Apache-2.0
//
// What people type and put into files by hand: addresses, key files, numbers, dates, moments,
// digests, fields of options, whole command lines of every verb; two bytes say which. What is
// accepted is printed and read again as the same, and a second, obvious reading agrees where there
// is one; what is refused says why.
#include "fuzz.h"

#include "cli/cli.h"
#include "client/key_file.h"
#include "codec/civil.h"
#include "codec/number.h"
#include "codec/record_binary.h"
#include "server/address.h"
#include "server/listener.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS_MAX 64

struct value {
    const char *text; // Ends in a zero that does not count.
    size_t size;
    u8 which; // Of the verb, field or form.
};

static void refused_check(enum status status, const struct failure *failure)
{
    FUZZ_CHECK(status == STATUS_INVALID && failure->message[0] != 0);
}

static void address_try(const struct value *value)
{
    struct address address = {0}, again = {0};
    struct failure failure = {0};
    char printed[ADDRESS_TEXT_SIZE];
    const enum status status = address_parse(value->text, &address, &failure);
    // Where a server listens somebody can connect, unless the system chooses the port.
    if (listener_check(value->text, &failure) != STATUS_OK) {
        refused_check(failure.status, &failure);
    } else {
        FUZZ_CHECK(status == STATUS_OK || value->text[strlen(value->text) - 1] == '0');
    }
    if (status != STATUS_OK) {
        refused_check(status, &failure);
        return;
    }
    (void)address_print(&address, printed);
    FUZZ_CHECK(address_parse(printed, &again, &failure) == STATUS_OK);
    FUZZ_CHECK(memcmp(&address, &again, sizeof again) == 0);
    const bool is_unix = strncmp(value->text, "unix:", 5) == 0;
    FUZZ_CHECK(is_unix == (address.port[0] == 0) && address.host[0] != 0);
    const unsigned long port = strtoul(address.port, NULL, 10);
    if (!is_unix) FUZZ_CHECK(port > 0 && port < 65536);
    // What is looked up here asks nobody: a path, or a number of IPv4.
    if (!is_unix && strspn(address.host, "0123456789.") != strlen(address.host)) return;
    struct address_places places;
    const enum status found = address_look_up(&address, &places, &failure);
    FUZZ_CHECK(found == STATUS_OK ? places.count > 0 : found == STATUS_NOT_FOUND && !is_unix);
}

// Whether a text is that of a key file, and what it holds.
static bool is_key(const struct value *value, u8 seed[SIGNATURE_SEED_SIZE])
{
    if (value->size < 64 || value->size > 65 || (value->size == 65 && value->text[64] != '\n')) {
        return false;
    }
    for (u32 i = 0; i < 64; i++) {
        if (!isxdigit((unsigned char)value->text[i])) return false;
    }
    for (u32 i = 0; i < SIGNATURE_SEED_SIZE; i++) {
        const char digits[] = {value->text[2 * i], value->text[2 * i + 1], 0};
        seed[i] = (u8)strtoul(digits, NULL, 16);
    }
    return true;
}

static void key_file_try(const struct value *value)
{
    static int file = -1;
    static char path[64];
    u8 seed[SIGNATURE_SEED_SIZE] = {0}, expected[SIGNATURE_SEED_SIZE] = {0};
    struct failure failure = {0};
    if (file < 0) { // 0600, without a name.
        char name[] = "/tmp/tael-fuzz-key-XXXXXX";
        file = mkstemp(name);
        FUZZ_CHECK(file >= 0 && unlink(name) == 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    FUZZ_CHECK(ftruncate(file, 0) == 0);
    FUZZ_CHECK(pwrite(file, value->text, value->size, 0) == (ssize_t)value->size);
    const enum status status = key_file_read(path, seed, &failure);
    FUZZ_CHECK((status == STATUS_OK) == is_key(value, expected));
    FUZZ_CHECK(memcmp(seed, expected, sizeof seed) == 0); // Wiped when it is none.
    if (status == STATUS_OK) return;
    refused_check(status, &failure);
    FUZZ_CHECK(strstr(failure.message, "64 hexadecimal digits") != NULL);
}

static void number_try(const struct value *value)
{
    char printed[NUMBER_SIZE_MAX];
    u128 natural = 0;
    i128 whole = 0;
    const enum number_error error = number_parse_u128(value->text, value->size, &natural);
    const enum number_error other = number_parse_i128(value->text, value->size, &whole);
    const bool is_natural = error == NUMBER_OK, is_whole = other == NUMBER_OK;
    if (is_natural) FUZZ_CHECK(number_print_u128(natural, printed) == value->size);
    if (is_natural) FUZZ_CHECK(memcmp(printed, value->text, value->size) == 0);
    if (is_whole) FUZZ_CHECK(number_print_i128(whole, printed) == value->size);
    if (is_whole) FUZZ_CHECK(memcmp(printed, value->text, value->size) == 0);
    if (is_natural && is_whole) FUZZ_CHECK(natural == (u128)whole && whole >= 0);
    if (is_natural && !is_whole) FUZZ_CHECK(natural >> 127 == 1);
    if (!is_natural) FUZZ_CHECK(number_error_text(error)[0] != 0);
    if (!is_whole) FUZZ_CHECK(number_error_text(other)[0] != 0);
}

static void error_check(const struct value *value, const struct civil_error *error)
{
    FUZZ_CHECK(error->rule != NULL && error->rule[0] != 0 && error->offset <= value->size);
}

static void date_try(const struct value *value)
{
    char printed[CIVIL_DATE_SIZE];
    struct civil_error error = {0};
    i32 day = 0;
    u64 moment = 0;
    if (!civil_parse_date(value->text, value->size, &day, &error)) {
        error_check(value, &error);
        return;
    }
    civil_print_date(day, printed);
    FUZZ_CHECK(strlen(printed) == value->size && memcmp(printed, value->text, value->size) == 0);
    const struct civil_date date = civil_date_from_day(day);
    FUZZ_CHECK(civil_date_is_valid(date) && civil_day_from_date(date) == day);
    if (!civil_parse_moment(value->text, value->size, &moment, &error)) {
        FUZZ_CHECK(day < 0 || date.year >= 2554);
    } else {
        FUZZ_CHECK(moment == (u64)day * 86400 * NS_PER_S);
    }
}

static void moment_try(const struct value *value)
{
    char printed[CIVIL_MOMENT_SIZE];
    struct civil_error error = {0};
    u64 moment = 0, again = 0;
    if (!civil_parse_moment(value->text, value->size, &moment, &error)) {
        error_check(value, &error);
        return;
    }
    const size_t size = civil_print_moment(moment, printed);
    FUZZ_CHECK(size < sizeof printed && printed[size] == 0);
    FUZZ_CHECK(civil_parse_moment(printed, size, &again, NULL) && again == moment);
    // Down to the second it is the text, if that says more than a day.
    FUZZ_CHECK(memcmp(printed, value->text, MIN(value->size, (size_t)10)) == 0);
    if (value->size > 10) FUZZ_CHECK(memcmp(printed, value->text, 19) == 0);
}

static void hex_try(const struct value *value)
{
    u8 bytes[64] = {0};
    char printed[2 * sizeof bytes + 1];
    size_t size = 0;
    struct failure failure = {0};
    const enum status status =
        field_hex_decode(value->text, value->size, bytes, value->which % 65, &size, &failure);
    if (status != STATUS_OK) {
        refused_check(status, &failure);
        return;
    }
    FUZZ_CHECK(size <= value->which % 65u && value->size == 2 * size);
    struct text text = text_init(printed, sizeof printed);
    text_append_hex(&text, bytes, size);
    for (size_t i = 0; i < value->size; i++) {
        FUZZ_CHECK(printed[i] == tolower((unsigned char)value->text[i]));
    }
}

static const struct cli_verb *verb_of(u8 number)
{
    u32 count = 0;
    while (cli_verb_at(count) != NULL) count++;
    return cli_verb_at(number % MAX(count, 1u));
}

// A field of an option, by its text alone.
static void field_try(const struct value *value)
{
    static char printed[16384];
    if (value->size == 0) return;
    const struct cli_verb *verb = verb_of(value->which);
    u32 number = (u8)value->text[0];
    const struct schema_record *record = verb->parts[number % CLI_PARTS_MAX];
    if (record == NULL) return;
    const struct schema_field *field =
        &record->fields[number / CLI_PARTS_MAX % record->field_count];
    const bool has_items = field->type == SCHEMA_ARRAY || field->type == SCHEMA_BLOB;
    if (has_items || schema_field_is_reserved(field)) return;
    u8 *head = fuzz_room(record->size), *again = fuzz_room(record->size);
    struct failure failure = {0};
    const enum status status =
        field_parse(record, field, value->text + 1, value->size - 1, head, &failure);
    struct text text = text_init(printed, sizeof printed);
    // The name of a file may be no text, which is printed by its bytes; nothing is a zero, which a
    // rule may refuse; and some numbers are only printed with a point or as nothing.
    const bool is_read = utf8_is_valid(value->text + 1, value->size - 1) && value->size > 1 &&
                         strlen(value->text + 1) == value->size - 1 && field->decimals == 0 &&
                         (field->flags & FIELD_NULLABLE) == 0;
    if (status != STATUS_OK) {
        refused_check(status, &failure);
    } else if (is_read) {
        field_print(record, field, head, FIELD_STYLE_EXACT, &text);
        FUZZ_CHECK(!text_overflowed(&text));
        FUZZ_CHECK(field_parse(record, field, printed, text.size, again, &failure) == STATUS_OK);
        FUZZ_CHECK(memcmp(head, again, record->size) == 0);
    }
    free(again);
    free(head);
}

// The words of a command line, with a zero between them; where they name no verb, those of one.
static void line_try(const struct value *value)
{
    static struct record_references references;
    struct record_arguments parts[CLI_PARTS_MAX] = {0};
    const char *words[WORDS_MAX];
    struct failure failure = {0};
    u32 count = 0, word_count = 0, used = 0;
    for (size_t at = 0; at < value->size && word_count < WORDS_MAX;) {
        words[word_count++] = value->text + at;
        at += strlen(value->text + at) + 1;
    }
    const struct cli_verb *named = cli_verb_find(word_count, words, &used);
    const struct cli_verb *verb = named == NULL ? verb_of(value->which) : named;
    references.count = 0;
    for (; count < CLI_PARTS_MAX && verb->parts[count] != NULL; count++) {
        parts[count].record = verb->parts[count];
        parts[count].head = fuzz_room(record_binary_size_max(verb->parts[count]));
        parts[count].references = verb->takes_names ? &references : NULL;
    }
    enum status status = record_parse_arguments(parts, count, verb->name, (int)(word_count - used),
                                                words + used, &failure);
    for (u32 i = 0; i < count; i++) {
        if (status == STATUS_OK) status = record_check_arguments(&parts[i], &failure);
        free(parts[i].head);
    }
    if (status != STATUS_OK) refused_check(status, &failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const struct value *) = {
        address_try, key_file_try, number_try, date_try, moment_try, hex_try, field_try, line_try,
    };
    if (size < 2) return 0;
    char *text = fuzz_room(size - 1);
    memcpy(text, data + 2, size - 2);
    const struct value value = {.text = text, .size = size - 2, .which = data[1]};
    tries[data[0] % ARRAY_COUNT(tries)](&value);
    free(text);
    return 0;
}
