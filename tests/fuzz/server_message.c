// SPDX-License-Identifier: Apache-2.0
//
// Templates, and their changes by description.
#include "server_message.h"

#include "fuzz.h"

#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "ledger/ledger_schema.h"
#include "machine/changes.h"
#include "modules/module.h"

#include <stdio.h>

#define LEGS                                                                  \
    "'legs': [{'book': 7, 'side': 'debit', 'account_id': 1, 'amount': 100}, " \
    "{'book': 7, 'side': 'credit', 'account_id': 2, 'amount': 100}]"
// A row of an import: an account with the id 77 of book 7.
#define ROW                                                                                        \
    "02000000600000000000000000000000"                                                             \
    "4d000000000000000000000000000000000000000000000007000000e803000063617368"                     \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "0000000000000000000000000000"

struct template_row {
    const char *record;
    const char *json; // With ' for ".
};

// In this order a new log takes them all, from principal 1.
static const struct template_row found_rows[] = {
    {"calendar_open", "{'calendar': 'HK', 'weekend': 96}"},
    {"calendar_mark", "{'calendar': 'HK', 'days': [{'day': 20100, 'kind': 'holiday'}]}"},
    {"entity_open", "{'entity_id': 1, 'name': 'one', 'jurisdiction': 'HK', 'currency': 'HKD', "
                    "'calendar': 'HK', 'day': 20458}"},
    {"entity_open", "{'entity_id': 2, 'name': 'two', 'jurisdiction': 'HK', 'currency': 'HKD', "
                    "'day': 20458}"},
    {"asset_open", "{'asset': 'HKD', 'kind': 'currency', 'scale': 2}"},
    {"asset_open", "{'asset': 'tHKD', 'kind': 'coin', 'scale': 6}"},
    {"chart_add", "{'chart': 1, 'code': 1000, 'kind': 'asset', 'name': 'cash', 'line': 'a'}"},
    {"chart_add", "{'chart': 1, 'code': 4000, 'kind': 'income', 'name': 'fees'}"},
    {"chart_add", "{'chart': 1, 'code': 3000, 'kind': 'equity', 'name': 'retained'}"},
    {"book_open", "{'book': 7, 'chart': 1, 'entity_id': 1, 'asset': 'HKD', 'name': 'main'}"},
    {"book_open", "{'book': 8, 'chart': 1, 'entity_id': 2, 'asset': 'HKD', 'name': 'other'}"},
    {"book_open", "{'book': 9, 'chart': 1, 'entity_id': 1, 'asset': 'tHKD', 'name': 'coin'}"},
    {"principal_open", "{'principal_id': 5, 'name': 'five', 'kind': 'service', 'public_key': "
                       "'03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8'}"},
    {"principal_open", "{'principal_id': 6, 'name': 'six', 'kind': 'person'}"},
    {"book_account_open", "{'account_id': 1, 'book': 7, 'code': 1000, 'name': 'a'}"},
    {"book_account_open", "{'account_id': 2, 'book': 7, 'code': 1000, 'name': 'b'}"},
    {"book_account_open", "{'account_id': 3, 'book': 7, 'code': 4000, 'name': 'c', 'flags': "
                          "['debits_must_not_exceed_credits']}"},
    {"book_account_open", "{'account_id': 4, 'book': 7, 'code': 3000, 'name': 'd'}"},
    {"book_account_open", "{'account_id': 1, 'book': 8, 'code': 1000, 'name': 'a'}"},
    {"book_account_open", "{'account_id': 2, 'book': 8, 'code': 1000, 'name': 'b', 'owner': 5}"},
    {"book_account_open", "{'account_id': 1, 'book': 9, 'code': 1000, 'name': 'a'}"},
    {"book_account_open", "{'account_id': 50, 'book': 7, 'code': 1000, 'name': 'r', 'owner': "
                          "18446744073709551615}"},
    {"book_account_open", "{'account_id': 51, 'book': 7, 'code': 1000, 'name': 'r', 'owner': "
                          "18446744073709551615}"},
    {"book_account_open", "{'account_id': 50, 'book': 8, 'code': 1000, 'name': 'r', 'owner': "
                          "18446744073709551615}"},
    {"book_account_open", "{'account_id': 50, 'book': 9, 'code': 1000, 'name': 'r', 'owner': "
                          "18446744073709551615}"},
    {"book_account_open", "{'account_id': 52, 'book': 9, 'code': 1000, 'name': 'r', 'owner': "
                          "18446744073709551615}"},
    {"entry_post", "{'entry_id': 1, 'order_id': 3, 'scenario': 4, 'purpose': 5, " LEGS "}"},
    {"entry_hold", "{'entry_id': 2, 'name': 'held', 'timeout_s': 60, " LEGS "}"},
    {"entry_hold", "{'entry_id': 3, " LEGS "}"},
    {"cell_open", "{'cell': 1, 'name': 'cell'}"},
    {"cell_add", "{'cell': 1, 'book': 7, 'account_id': 2}"},
    {"constraint_open", "{'constraint': 1, 'name': 'limit', 'bound': -1000000, 'terms': "
                        "[{'cell': 1, 'coefficient': 1}]}"},
    {"name_set", "{'path': 'g:a', 'kind': 'account', 'number': 7, 'id': 1}"},
    {"name_set", "{'path': 'g:b', 'kind': 'book', 'number': 7}"},
    {"account", "{'id': 11, 'ledger': 70, 'code': 1}"},
    {"account", "{'id': 12, 'ledger': 70, 'code': 1, 'flags': ['history']}"},
    {"account", "{'id': 13, 'ledger': 70, 'code': 1, 'flags': "
                "['debits_must_not_exceed_credits']}"},
    {"transfer", "{'id': 11, 'debit_account_id': 11, 'credit_account_id': 12, 'amount': 1000, "
                 "'ledger': 70, 'code': 1}"},
    {"transfer", "{'id': 12, 'debit_account_id': 11, 'credit_account_id': 12, 'amount': 9, "
                 "'ledger': 70, 'code': 1, 'timeout': 60, 'flags': ['pending']}"},
    {"sample_open", "{'box_id': 9, 'account_id': 11, 'box_account_id': 12}"},
    {"sample_put", "{'box_id': 9, 'amount': 5}"},
    {"sample_send", "{'send_id': 1, 'box_id': 9, 'amount': 5}"},
    {"accrual_group", "{'group_id': 1, 'product': 1, 'entity': 1, 'book': 700}"},
    {"accrual_open", "{'loan_id': 1, 'group_id': 1, 'principal': 73000, 'count': 2, "
                     "'rate_numerator': 5, 'rate_denominator': 100, 'day': 20000}"},
    {"due_open", "{'rule_id': 1, 'a_book': 7, 'a_account': 50, 'b_book': 8, 'b_account': 50}"},
    {"conversion_open", "{'rule_id': 2, 'a_book': 9, 'a_pool': 50, 'b_book': 7, 'b_pool': 51, "
                        "'dust_account': 52, 'rounding': 'half_even'}"},
    // The last, so that its position is known: message_claim.
    {"effect_claim", "{'epoch': 1, 'count': 4, 'lease_s': 1000, 'kind': 8323074, 'more_kinds': "
                     "[8323073, 0, 0, 0, 0, 0, 0]}"},
};

// What follows on them; not all of it at once.
static const struct template_row command_rows[] = {
    {"day_close", "{'entity_id': 1, 'day': 20458}"},
    {"period_close", "{'entity_id': 1, 'through': 20457}"},
    {"book_account_freeze", "{'account_id': 2, 'book': 7, 'sides': 'both', 'reason': 'audit'}"},
    {"book_account_thaw", "{'account_id': 2, 'book': 7, 'reason': 'done'}"},
    {"book_account_close", "{'account_id': 4, 'book': 7, 'reason': 'left'}"},
    {"book_account_reopen", "{'account_id': 4, 'book': 7, 'reason': 'back'}"},
    {"entry_post", "{'entry_id': 20, 'nature': 'fact', " LEGS "}"},
    {"entry_post", "{'entry_id': 21, 'day': 20458, " LEGS "}"},
    {"entry_hold_post", "{'entry_id': 22, 'hold_id': 2, 'amount': 40}"},
    {"entry_hold_void", "{'entry_id': 23, 'hold_id': 3}"},
    {"entry_reverse", "{'entry_id': 24, 'reversed_id': 1}"},
    {"entry_reverse", "{'entry_id': 25, 'reversed_id': 1, 'parts': [{'posting': 0, 'amount': 1}]}"},
    {"due_post", "{'entry_id': 26, 'rule_id': 1, 'from_book': 7, 'from_account': 1, "
                 "'to_account': 1, 'amount': 5}"},
    {"conversion_post", "{'entry_id': 27, 'rule_id': 2, 'from_book': 9, 'from_account': 1, "
                        "'to_account': 1, 'amount': 1234}"},
    {"year_close", "{'entry_id': 28, 'book': 7, 'day': 20453, 'retained_account': 4}"},
    {"principal_key", "{'principal_id': 6, 'public_key': "
                      "'d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'}"},
    {"principal_close", "{'principal_id': 6}"},
    {"principal_reopen", "{'principal_id': 6}"},
    {"cell_remove", "{'cell': 1, 'book': 7, 'account_id': 2}"},
    {"constraint_set", "{'constraint': 1, 'set_bound': true, 'bound': 1000000}"},
    {"constraint_close", "{'constraint': 1}"},
    {"breach_settle", "{'breach': 1}"},
    {"name_move", "{'path': 'g:a', 'to': 'g:c'}"},
    {"name_drop", "{'path': 'g:b'}"},
    {"transfer", "{'id': 20, 'pending_id': 12, 'amount': 4, 'flags': ['post_pending']}"},
    {"transfer", "{'id': 21, 'pending_id': 12, 'flags': ['void_pending']}"},
    {"transfer", "{'id': 22, 'debit_account_id': 12, 'credit_account_id': 11, 'amount': 3, "
                 "'ledger': 70, 'code': 1, 'flags': ['linked']}"},
    {"transfer", "{'id': 23, 'debit_account_id': 13, 'credit_account_id': 11, 'amount': 3, "
                 "'ledger': 70, 'code': 1, 'flags': ['balancing_debit']}"},
    {"account", "{'id': 14, 'ledger': 70, 'code': 1, 'flags': ['linked']}"},
    {"effect_claim", "{'epoch': 1, 'count': 4, 'lease_s': 10, 'kind': 8323074, 'more_kinds': "
                     "[8323073, 0, 0, 0, 0, 0, 0]}"},
    {"effect_attempt", "{'epoch': 1, 'effect': 1, 'claim': 1}"},
    {"effect_settle", "{'epoch': 1, 'effect': 1, 'claim': 1, 'outcome': 'done'}"},
    {"effect_renew", "{'epoch': 1, 'effect': 1, 'claim': 1, 'lease_s': 10}"},
    {"effect_release", "{'epoch': 1, 'effect': 1, 'claim': 1}"},
    {"effect_resolve", "{'effect': 1, 'outcome': 'done', 'reason': 9}"},
    {"effect_cancel", "{'effect': 1, 'reason': 1}"},
    {"effect_arm", "{'reason': 3}"},
    {"effect_disarm", "{'reason': 4}"},
    {"import_open", "{'import_id': 70, 'kind': 'accounts'}"},
    {"import_open", "{'import_id': 70, 'kind': 'entries', 'is_whole': true}"},
    {"import_rows", "{'import_id': 70, 'first': 0, 'count': 1, 'rows': '" ROW "'}"},
    {"import_run", "{'import_id': 70, 'goes_on': true}"},
    {"import_cancel", "{'import_id': 70}"},
    {"job_commit", "{'job_id': 70}"},
    {"job_cancel", "{'job_id': 70}"},
    {"accrual_repay", "{'loan_id': 1, 'amount': 5}"},
    {"accrual_run", "{'job_id': 50, 'day': 20001, 'holds': true}"},
    {"accrual_run", "{'job_id': 51, 'day': 20002}"},
    {"accrual_stray", "{'group_id': 1, 'amount': 1}"},
    {"accrual_tidy", "{'job_id': 52}"},
    {"accrual_count", "{'job_id': 53, 'entries': 4}"},
};

static const struct template_row question_rows[] = {
    {"name_find", "{'path': 'g:a'}"},
    {"name_list", "{'prefix': 'g'}"},
    {"name_of", "{'kind': 'account', 'number': 7, 'id': 1}"},
    {"name_balance", "{'prefix': 'g', 'asset': 'HKD'}"},
    {"name_turnover", "{'prefix': 'g', 'asset': 'HKD'}"},
    {"asset_list", "{}"},
    {"chart_list", "{'chart': 1}"},
    {"book_list", "{'entity_id': 1}"},
    {"trial_balance", "{'book': 7}"},
    {"trial_balance", "{'book': 7, 'day': 20458}"},
    {"balance", "{'book': 7, 'account_id': 1}"},
    {"balance", "{'book': 7, 'account_id': 1, 'position': 40}"},
    {"statement", "{'book': 7, 'account_id': 1}"},
    {"turnover_list", "{'book': 7}"},
    {"reference_turnover", "{'book': 7, 'order_id': 3}"},
    {"account_list", "{'book': 7}"},
    {"cell_list", "{}"},
    {"constraint_list", "{}"},
    {"breach_list", "{}"},
    {"constraint_history", "{'constraint': 1}"},
    {"tree_head", "{}"},
    {"tree_inclusion", "{'transfer_id': 11, 'size': 6}"},
    {"tree_consistency", "{'from': 2, 'to': 6}"},
    {"job_list", "{}"},
    {"job_find", "{'job_id': 50}"},
    {"principal_list", "{}"},
    {"principal_find", "{'principal_id': 5}"},
    {"entry_show", "{'entry_id': 1}"},
    {"entry_search", "{'order_id': 3}"},
    {"hold_list", "{}"},
    {"rule_list", "{}"},
    {"import_list", "{}"},
    {"import_refused", "{'import_id': 70}"},
    {"effect_list", "{}"},
    {"effect_find", "{'effect': 1}"},
    {"effect_status", "{}"},
    {"entity_list", "{}"},
    {"calendar_list", "{}"},
    {"calendar_days", "{'calendar': 'HK'}"},
    {"day_list", "{'entity_id': 1}"},
    {"accrual_loans", "{}"},
    {"changes", "{'row': 0, 'flags': []}"},
    {"changes", "{'row': 5, 'wait_ms': 1000}"},
};

static const struct template_row filter_rows[] = {
    {"account_filter", "{'account_id': 11, 'limit': 10, 'flags': ['debits', 'credits']}"},
    {"query_filter", "{'ledger': 70, 'limit': 10}"},
    {"change_events_filter", "{'limit': 10}"},
};

// --- input ---------------------------------------------------------------------------------------

u8 input_u8(struct input *input)
{
    if (input->left == 0) return 0;
    input->left--;
    return *input->at++;
}

u64 input_u64(struct input *input)
{
    u64 value = 0;
    for (u32 i = 0; i < 64; i += 8) value |= (u64)input_u8(input) << i;
    return value;
}

// Of the effects that a gateway has: told by message_claim.
static u64 claim;

// --- templates -----------------------------------------------------------------------------------

struct templates {
    const struct template_row *rows;
    u32 count;
};

static struct templates templates_of(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_FOUND: return (struct templates){found_rows, ARRAY_COUNT(found_rows)};
    case MESSAGE_QUESTION: return (struct templates){question_rows, ARRAY_COUNT(question_rows)};
    case MESSAGE_FILTER: return (struct templates){filter_rows, ARRAY_COUNT(filter_rows)};
    case MESSAGE_EVENT:
    case MESSAGE_COMMAND: break;
    }
    return (struct templates){command_rows, ARRAY_COUNT(command_rows)};
}

static bool is_event(const struct template_row *row)
{
    return strcmp(row->record, "account") == 0 || strcmp(row->record, "transfer") == 0;
}

// Row `index` of a kind; commands are those that found, then the others.
static const struct template_row *row_of(enum message_kind kind, u32 index)
{
    const struct templates templates = templates_of(kind);
    if (kind != MESSAGE_COMMAND && kind != MESSAGE_EVENT) {
        return templates.rows + index % templates.count;
    }
    const u32 found = ARRAY_COUNT(found_rows);
    const u32 all = found + templates.count;
    for (u32 i = index % all;; i = (i + 1) % all) {
        const struct template_row *row = i < found ? &found_rows[i] : &templates.rows[i - found];
        if (kind == MESSAGE_COMMAND || is_event(row)) return row;
    }
}

u32 message_count(enum message_kind kind)
{
    const u32 found = ARRAY_COUNT(found_rows);
    return templates_of(kind).count +
           (kind == MESSAGE_COMMAND || kind == MESSAGE_EVENT ? found : 0);
}

static const struct schema_record *record_named(const char *name)
{
    if (strcmp(name, "changes") == 0) return &changes_schema_changes;
    const struct schema_record *record = schema_find_record(&ledger_schema, name);
    for (u32 i = 0; i < module_count && record == NULL; i++) {
        record = schema_find_record(modules[i]->schema, name);
    }
    FUZZ_CHECK(record != NULL);
    return record;
}

void message_template(enum message_kind kind, u32 index, struct message_record *out)
{
    const struct template_row *row = row_of(kind, index);
    char text[2048];
    size_t size = 0;
    struct failure failure;
    for (; row->json[size] != 0; size++) {
        text[size] = row->json[size];
        if (text[size] == '\'') text[size] = '"';
    }
    out->record = record_named(row->record);
    const enum status status = record_json_parse(out->record, text, size, 1, out->bytes,
                                                 sizeof out->bytes, &size, &failure);
    if (status != STATUS_OK) (void)fprintf(stderr, "%s: %s\n", row->record, failure.message);
    FUZZ_CHECK(status == STATUS_OK);
    out->size = (u32)size;
    const struct schema_field *field = schema_find_field(out->record, "claim", 5);
    if (field != NULL && out->record->kind == RECORD_COMMAND) {
        store_u64(out->bytes + field->offset, claim);
    }
}

void message_claim(u64 position)
{
    claim = position;
}

void message_freshen(struct message_record *record, u64 fresh)
{
    const struct schema_field *first = &record->record->fields[0];
    const bool is_event = record->record->kind == RECORD_EVENT;
    if (first->type != SCHEMA_U128 || !(is_event || (first->flags & FIELD_KEY))) return;
    store_u128(record->bytes + first->offset, fresh);
}

// --- changes -------------------------------------------------------------------------------------

// A value that rules look at: their bounds, what is there, what nobody has.
static u128 value_of(struct input *input, u128 before, const struct schema_field *field, u64 fresh)
{
    const u8 what = input_u8(input);
    const u8 small = what >> 4;
    const u128 max =
        schema_type_is_number(field->type) ? schema_field_max(field) : (u128)field->count_max;
    switch (what & 15) {
    case 0: return 0;
    case 1: return small;
    case 2: return before + 1 + small;
    case 3: return before - 1 - small;
    case 4: return max - small;
    case 5: return max + 1 + small;
    case 6: return U128_MAX - small;
    case 7: return (u128)1 << (small * 8 + 7);
    case 8: return fresh;
    case 9: return (u128)input_u64(input) << 64 | input_u64(input);
    case 10: return input_u64(input);
    case 11: return before << 1;
    default: return input_u8(input);
    }
}

static void text_change(u8 *bytes, u32 size, struct input *input)
{
    static const char *const texts[] = {"",    "a",   "HKD", "JPY", "HK",       "g:a",  "g",
                                        "a b", "g:c", ":",   "g:",  "\xc3\xa9", "\xff", "USD"};
    const u8 what = input_u8(input);
    if (what < ARRAY_COUNT(texts)) {
        const char *text = texts[what];
        memset(bytes, 0, size);
        memcpy(bytes, text, MIN(strlen(text), (size_t)size));
    } else {
        bytes[input_u8(input) % size] = input_u8(input);
    }
}

static void number_change(u8 *bytes, const struct schema_field *field, struct input *input,
                          u64 fresh)
{
    const u32 size = schema_type_size(field->type);
    u128 value = 0;
    memcpy(&value, bytes, size);
    value = value_of(input, value, field, fresh);
    memcpy(bytes, &value, size); // Little-endian.
}

// What follows the head at `at` becomes `to` bytes instead of `from`.
static bool tail_resize(struct message_record *record, u32 at, u32 from, u32 to)
{
    FUZZ_CHECK(at + from <= record->size);
    if (record->size - from + to > sizeof record->bytes) return false;
    memmove(record->bytes + at + to, record->bytes + at + from, record->size - at - from);
    if (to > from) memset(record->bytes + at + from, 0, to - from);
    record->size = record->size - from + to;
    return true;
}

// Items are doubled, taken away, or one of them is changed.
static void items_change(struct message_record *record, const struct schema_field *field,
                         struct input *input, u64 fresh)
{
    const struct schema_record *item = schema_field_item(record->record, field);
    u32 count = load_u32(record->bytes + field->offset);
    const u32 at = record->record->size;
    const u8 what = input_u8(input);
    const u32 change = 1 + what / 8;
    if (what % 8 == 0) {
        const u32 more = MIN(change, (MESSAGE_RECORD_MAX - record->size) / item->size);
        if (count == 0 || !tail_resize(record, at, 0, more * item->size)) return;
        for (u32 i = 0; i < more; i++) {
            memcpy(record->bytes + at + i * item->size, record->bytes + at + more * item->size,
                   item->size);
        }
        count += more;
    } else if (what % 8 == 1) {
        const u32 fewer = MIN(change, count);
        if (!tail_resize(record, at, fewer * item->size, 0)) return;
        count -= fewer;
    } else if (what % 8 == 2) {
        count = (u32)value_of(input, count, field, fresh); // It lies.
    } else if (count > 0) {
        const struct schema_field *part = &item->fields[input_u8(input) % item->field_count];
        u8 *bytes = record->bytes + at + (what / 8 % count) * item->size + part->offset;
        if (part->type == SCHEMA_BYTES || part->type == SCHEMA_BOOL) *bytes = input_u8(input);
        else number_change(bytes, part, input, fresh);
    }
    store_u32(record->bytes + field->offset, count);
}

static void blob_change(struct message_record *record, const struct schema_field *field,
                        struct input *input, u64 fresh)
{
    u32 size = load_u32(record->bytes + field->offset);
    const u32 at = record->size - size;
    const u8 what = input_u8(input);
    if (what % 4 == 0) {
        const u32 to = size + 16u * (what / 4);
        if (tail_resize(record, at, size, to)) size = to;
    } else if (what % 4 == 1) {
        const u32 to = size - MIN(size, (u32)what / 4);
        if (tail_resize(record, at, size, to)) size = to;
    } else if (what % 4 == 2 && size > 0) {
        record->bytes[at + input_u8(input) % size] = input_u8(input);
    } else {
        size = (u32)value_of(input, size, field, fresh); // It lies.
    }
    store_u32(record->bytes + field->offset, size);
}

// The job that counts entries looks for each number up to the one that it is given: a module for
// tests has no bound there, and 2^64 would take for ever.
static void count_bound(struct message_record *record)
{
    const struct schema_field *field = schema_find_field(record->record, "entries", 7);
    if (field == NULL || record->record->kind != RECORD_COMMAND) return;
    store_u64(record->bytes + field->offset, load_u64(record->bytes + field->offset) % 4096);
}

void message_change(struct message_record *record, struct input *input, u64 fresh)
{
    const u32 changes = input_u8(input) % 4;
    for (u32 i = 0; i < changes; i++) {
        const struct schema_record *schema = record->record;
        // A count that lies stands last: what is behind the head is not known any more.
        if (record_binary_size(schema, record->bytes) != record->size) break;
        const struct schema_field *field = &schema->fields[input_u8(input) % schema->field_count];
        u8 *bytes = record->bytes + field->offset;
        if (field->type == SCHEMA_ARRAY) {
            items_change(record, field, input, fresh);
        } else if (field->type == SCHEMA_BLOB) {
            blob_change(record, field, input, fresh);
        } else if (field->type == SCHEMA_BYTES) {
            text_change(bytes, field->size, input);
        } else if (field->type == SCHEMA_BOOL) {
            *bytes = input_u8(input);
        } else {
            const u32 element = input_u8(input) % field->count;
            number_change(bytes + element * schema_type_size(field->type), field, input, fresh);
        }
    }
    count_bound(record);
}
