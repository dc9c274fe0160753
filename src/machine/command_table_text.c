// SPDX-License-Identifier: Apache-2.0
//
// The text of a table's rows: words, numbers, and members, which become strict JSON here.
#include "machine/command_table_internal.h"

#include "codec/civil.h"
#include "codec/json.h"
#include "codec/number.h"

#include <stdlib.h>

// --- messages ------------------------------------------------------------------------------------

void table_complain(struct table_runner *runner, u32 line, const char *what, const char *expected,
                    const char *found)
{
    runner->report->failures++;
    (void)fprintf(runner->trace, "%s:%u: %s: expected %s, found %s\n", runner->file, line, what,
                  expected, found);
}

void table_complain_text(struct table_runner *runner, const char *what, const char *text,
                         size_t size)
{
    runner->report->failures++;
    (void)fprintf(runner->trace, "%s:%u: %s%s%.*s\n", runner->file, runner->line, what,
                  size > 0 ? ": " : "", (int)size, text);
}

// --- words ---------------------------------------------------------------------------------------

bool table_row_is_done(struct table_runner *runner)
{
    while (runner->at < runner->end && *runner->at == ' ') runner->at++;
    return runner->at == runner->end;
}

bool table_word(struct table_runner *runner, const char **text, size_t *size)
{
    if (table_row_is_done(runner)) return false;
    *text = runner->at;
    while (runner->at < runner->end && *runner->at != ' ') runner->at++;
    *size = (size_t)(runner->at - *text);
    return true;
}

bool table_word_if(struct table_runner *runner, const char *word)
{
    const char *before = runner->at;
    const char *text = NULL;
    size_t size = 0;
    if (table_word(runner, &text, &size) && size == strlen(word) && memcmp(text, word, size) == 0) {
        return true;
    }
    runner->at = before;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Digits at `*at`; moves past them.
static bool digits_parse(const char **at, const char *end, u128 *value)
{
    const char *begin = *at;
    while (*at < end && is_digit(**at)) ++*at;
    return number_parse_u128(begin, (size_t)(*at - begin), value) == NUMBER_OK;
}

bool table_number_parse(const char *text, size_t size, u128 *value)
{
    const char *at = text;
    const char *end = text + size;
    u128 rest = 0;
    i32 day = 0;
    if (civil_parse_date(text, size, &day, NULL) && day >= 0) {
        *value = (u32)day;
        return true;
    }
    if (size >= 3 && memcmp(text, "max", 3) == 0) {
        *value = U128_MAX;
        at += 3;
    } else if (size >= 2 && memcmp(text, "2^", 2) == 0) {
        at += 2;
        if (!digits_parse(&at, end, &rest) || rest > 127) return false;
        *value = (u128)1 << (u32)rest;
    } else if (!digits_parse(&at, end, value)) {
        return false;
    }
    if (at == end) return true;
    const char sign = *at++;
    if ((sign != '+' && sign != '-') || !digits_parse(&at, end, &rest)) return false;
    *value = sign == '+' ? *value + rest : *value - rest;
    return at == end;
}

u128 table_number(struct table_runner *runner, u128 max)
{
    const char *text = "the row ends";
    size_t size = strlen(text);
    u128 value = 0;
    if (table_word(runner, &text, &size) && table_number_parse(text, size, &value) &&
        value <= max) {
        return value;
    }
    table_complain_text(runner, "not a number that may stand here", text, size);
    return 0;
}

u128 table_signed(struct table_runner *runner)
{
    while (runner->at < runner->end && *runner->at == ' ') runner->at++;
    const bool is_negative = runner->at < runner->end && *runner->at == '-';
    runner->at += is_negative;
    const u128 value = table_number(runner, U128_MAX);
    return is_negative ? -value : value;
}

// --- members -------------------------------------------------------------------------------------

// `next` until its record is made: a string that no row has.
#define NEXT_MARK "\"@next\""

// Members on their way to strict JSON.
struct translation {
    struct text out;
    const struct schema_record *item; // Of the record's array, or NULL.
    u32 depth;
    u32 item_field;   // Next one of an item that is an array; U32_MAX outside of one.
    size_t item_from; // Where the last item begins in `out`.
};

static const struct schema_record *item_of(const struct schema_record *record)
{
    for (u32 i = 0; i < record->field_count; i++) {
        if (record->fields[i].type == SCHEMA_ARRAY) {
            return schema_field_item(record, &record->fields[i]);
        }
    }
    return NULL;
}

// Writes the key of the next field of an item. False when it has no more.
static bool item_key(struct translation *to)
{
    const struct schema_record *item = to->item;
    while (to->item_field < item->field_count &&
           schema_field_is_reserved(&item->fields[to->item_field])) {
        to->item_field++;
    }
    if (to->item_field >= item->field_count) return false;
    text_append_format(&to->out, "\"%s\":", item->fields[to->item_field++].name);
    return true;
}

// A word outside of strings: a number in one of its forms, or true, false.
static bool word_translate(struct translation *to, const char *text, size_t size)
{
    u128 value = 0;
    const bool is_negative = text[0] == '-';
    if (table_number_parse(text + is_negative, size - is_negative, &value)) {
        if (is_negative) text_append_char(&to->out, '-');
        text_append_u128(&to->out, value);
        return true;
    }
    if (size == 4 && memcmp(text, "next", 4) == 0) {
        text_append_string(&to->out, NEXT_MARK);
        return true;
    }
    text_append(&to->out, text, size);
    return (size == 4 && memcmp(text, "true", 4) == 0) ||
           (size == 5 && memcmp(text, "false", 5) == 0);
}

static size_t word_size(const char *text, const char *end)
{
    size_t size = 0;
    while (text + size < end && strchr(" ,:[]{}\"*", text[size]) == NULL) size++;
    return size;
}

static size_t string_size(const char *text, const char *end)
{
    size_t size = 1;
    while (text + size < end && text[size] != '"') size += text[size] == '\\' ? 2 : 1;
    return MIN(size + 1, (size_t)(end - text));
}

// `*3` behind an item; returns how many characters, 0 when it is wrong.
static size_t item_repeat(struct translation *to, const char *text, const char *end)
{
    u128 times = 0;
    const size_t size = 1 + word_size(text + 1, end);
    const size_t item_size = to->out.size - to->item_from;
    if (to->depth != 2 || !table_number_parse(text + 1, size - 1, &times) || times == 0 ||
        times * (item_size + 1) > to->out.capacity - to->out.size) {
        return 0;
    }
    for (u128 i = 1; i < times; i++) {
        text_append_char(&to->out, ',');
        text_append(&to->out, to->out.data + to->item_from, item_size);
    }
    return size;
}

// An opening or closing bracket. False when it cannot stand there.
static bool bracket_translate(struct translation *to, char c)
{
    if (c == '{' || c == '[') {
        if (to->depth++ == 2) to->item_from = to->out.size;
        if (to->depth == 3 && c == '[') { // An item by its values.
            to->item_field = 0;
            text_append_char(&to->out, '{');
            return to->item != NULL && item_key(to);
        }
        text_append_char(&to->out, c);
        return true;
    }
    if (to->depth-- == 0) return false;
    const bool ends_values = to->depth == 2 && to->item_field != U32_MAX;
    if (ends_values) {
        to->item_field = U32_MAX;
        c = '}';
    }
    text_append_char(&to->out, c);
    return true;
}

// One token at `at`. Returns its size, 0 when it is wrong.
static size_t token_translate(struct translation *to, const char *at, const char *end)
{
    size_t size = 1;
    if (*at == '"') {
        size = string_size(at, end);
        text_append(&to->out, at, size);
    } else if (strchr("{}[]", *at) != NULL) {
        return bracket_translate(to, *at) ? 1 : 0;
    } else if (*at == '*') {
        return item_repeat(to, at, end);
    } else if (*at == ',') {
        text_append_char(&to->out, ',');
        if (to->depth == 3 && to->item_field != U32_MAX && !item_key(to)) return 0;
    } else if (*at == ':' || *at == ' ') {
        if (*at == ':') text_append_char(&to->out, ':');
    } else {
        size = word_size(at, end);
        if (!word_translate(to, at, size)) return 0;
    }
    return size;
}

bool table_members(struct table_runner *runner, const struct schema_record *record,
                   char out[MEMBERS_MAX])
{
    struct translation to = {
        .out = text_init(out, MEMBERS_MAX - 1), .item = item_of(record), .item_field = U32_MAX};
    if (table_row_is_done(runner) || *runner->at != '{') {
        memcpy(out, "{}", 3);
        return true;
    }
    do {
        const size_t size = token_translate(&to, runner->at, runner->end);
        if (size == 0 || text_overflowed(&to.out)) {
            table_complain_text(runner, "not members", runner->at,
                                (size_t)(runner->end - runner->at));
            return false;
        }
        runner->at += size;
    } while (to.depth > 0 && runner->at < runner->end);
    out[to.out.size] = 0;
    if (to.depth > 0) table_complain_text(runner, "the members do not end", "", 0);
    return to.depth == 0;
}

// The next member of an object whose brace was read: its key, and where it stands as a whole. False
// at the end, or where the text is no JSON.
static bool member_next(struct json_reader *reader, struct json_value *key, size_t *from,
                        size_t *to)
{
    struct json_value value;
    struct failure failure;
    if (json_next(reader, key, &failure) != STATUS_OK || key->token != JSON_KEY) return false;
    *from = key->offset;
    if (json_next(reader, &value, &failure) != STATUS_OK) return false;
    if (json_skip(reader, &value, &failure) != STATUS_OK) return false;
    *to = reader->offset;
    return true;
}

bool members_has(const char *members, const char *key, size_t key_size)
{
    struct json_reader reader = json_reader_init(members, strlen(members), 1);
    struct json_value own;
    struct failure failure;
    size_t from = 0;
    size_t to = 0;
    if (json_next(&reader, &own, &failure) != STATUS_OK) return false;
    while (member_next(&reader, &own, &from, &to)) {
        if (own.size == key_size && memcmp(own.text, key, key_size) == 0) return true;
    }
    return false;
}

static const char *given_find(const struct table_runner *runner, const struct schema_record *record)
{
    for (u32 i = 0; i < runner->given_count; i++) {
        if (runner->given[i].record == record) return runner->given[i].members;
    }
    return "{}";
}

// Each mark in `members` becomes a number, padded with blanks.
static void next_fill(struct table_runner *runner, char *members)
{
    char digits[sizeof NEXT_MARK];
    static_assert(sizeof NEXT_MARK == 8, "seven digits fit");
    for (char *at = strstr(members, NEXT_MARK); at != NULL; at = strstr(at, NEXT_MARK)) {
        assert(runner->next_number <= 9999999);
        (void)snprintf(digits, sizeof digits, "%-7u", (u32)runner->next_number++);
        memcpy(at, digits, sizeof digits - 1);
    }
}

bool table_members_given(struct table_runner *runner, const struct schema_record *record,
                         char out[MEMBERS_MAX])
{
    if (!table_members(runner, record, runner->members)) return false;
    const char *given = given_find(runner, record);
    struct text text = text_init(out, MEMBERS_MAX - 1);
    text_append(&text, runner->members, strlen(runner->members) - 1);
    struct json_reader reader = json_reader_init(given, strlen(given), 1);
    struct json_value key;
    struct failure failure;
    size_t from = 0;
    size_t to = 0;
    if (json_next(&reader, &key, &failure) != STATUS_OK) return false;
    while (member_next(&reader, &key, &from, &to)) {
        if (members_has(runner->members, key.text, key.size)) continue;
        if (text.size > 1) text_append_char(&text, ',');
        text_append(&text, given + from, to - from);
    }
    text_append_char(&text, '}');
    if (text_overflowed(&text)) {
        table_complain_text(runner, "the members are too long", "", 0);
        return false;
    }
    out[text.size] = 0;
    next_fill(runner, out);
    return true;
}
