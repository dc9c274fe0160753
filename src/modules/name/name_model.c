// SPDX-License-Identifier: Apache-2.0
//
// The naive names.
#include "modules/name/name_model.h"

#include "modules/book/book.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// --- paths, part by part -------------------------------------------------------------------------

struct parts {
    u32 count;
    char text[NAME_PATH_SIZE + 1][NAME_PATH_SIZE + 1];
};

static void parts_of(const char *path, struct parts *parts)
{
    size_t at = 0;
    parts->count = 1;
    for (u32 i = 0; i < NAME_PATH_SIZE && path[i] != 0; i++) {
        if (path[i] == ':') {
            parts->text[parts->count - 1][at] = 0;
            parts->count++;
            at = 0;
        } else {
            parts->text[parts->count - 1][at++] = path[i];
        }
    }
    parts->text[parts->count - 1][at] = 0;
}

// Paths are in the order of their parts, one after the other.
static int order_of(const char *a, const char *b)
{
    static struct parts left;
    static struct parts right;
    parts_of(a, &left);
    parts_of(b, &right);
    for (u32 i = 0; i < left.count && i < right.count; i++) {
        const int order = strcmp(left.text[i], right.text[i]);
        if (order != 0) return order;
    }
    return left.count == right.count ? 0 : left.count < right.count ? -1 : 1;
}

static bool is_under(const char *path, const char *prefix)
{
    static struct parts inner;
    static struct parts outer;
    if (prefix[0] == 0) return true;
    parts_of(path, &inner);
    parts_of(prefix, &outer);
    if (outer.count > inner.count) return false;
    for (u32 i = 0; i < outer.count; i++) {
        if (strcmp(inner.text[i], outer.text[i]) != 0) return false;
    }
    return true;
}

static struct name_model_reply reply_of(u32 result, u128 value, u128 limit)
{
    return (struct name_model_reply){.result = result, .evidence = {value, limit}};
}

static struct name_model_reply path_judge(const char *path)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    static struct parts parts;
    const size_t size = strnlen(path, NAME_PATH_SIZE);
    for (size_t i = 0; i < size; i++) {
        const bool is_colon = path[i] == ':';
        const bool is_empty = is_colon && (i == 0 || path[i - 1] == ':');
        if (is_empty || (!is_colon && strchr(allowed, path[i]) == NULL)) {
            return reply_of(NAME_PATH_INVALID, i + 1, (u8)path[i]);
        }
    }
    if (size == 0 || path[size - 1] == ':') return reply_of(NAME_PATH_INVALID, size + 1, 0);
    parts_of(path, &parts);
    if (parts.count > 16) return reply_of(NAME_PATH_TOO_DEEP, parts.count, 16);
    return reply_of(MODULE_DONE, 0, 0);
}

// --- names ---------------------------------------------------------------------------------------

static bool is_same_thing(const struct name *a, const struct name *b)
{
    return a->kind == b->kind && a->id == b->id && a->number == b->number &&
           memcmp(a->asset, b->asset, sizeof a->asset) == 0;
}

static u32 find(const struct name_model *model, const char *path)
{
    u32 i = 0;
    while (i < model->count && memcmp(model->names[i].path, path, NAME_PATH_SIZE) != 0) i++;
    return i;
}

const struct name *name_model_find(const struct name_model *model, const char *path)
{
    const u32 i = find(model, path);
    return i == model->count ? NULL : &model->names[i];
}

static const struct name_model_account *account_find(const struct name_model *model, bool is_raw,
                                                     u32 number, u128 id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        const struct name_model_account *account = &model->accounts[i];
        if (account->is_raw == is_raw && account->id == id &&
            (is_raw || account->number == number)) {
            return account;
        }
    }
    return NULL;
}

static bool is_book(const struct name_model *model, u32 number)
{
    return number != 0 &&
           (number == model->books[0] || number == model->books[1] || number == model->books[2]);
}

static struct name_model_reply thing_judge(const struct name_model *model, const struct name *thing)
{
    // Which of id, number and asset each kind has.
    static const char *const fields[] = {"", "in", "i", "n", "i", "a", "i", "*"};
    const char *has = fields[thing->kind];
    bool is_right = (thing->id != 0) == (strchr(has, 'i') != NULL) &&
                    (thing->number != 0) == (strchr(has, 'n') != NULL) &&
                    (thing->asset[0] != 0) == (strchr(has, 'a') != NULL);
    if (has[0] == '*') is_right = thing->asset[0] == 0 && (thing->id != 0 || thing->number != 0);
    if (!is_right) return reply_of(NAME_THING_INVALID, thing->kind, 0);
    if (thing->kind == NAMED_ENTITY && thing->id != model->entity_id) {
        return reply_of(NAME_ENTITY_NOT_FOUND, thing->id, 0);
    }
    if (thing->kind == NAMED_ASSET && memcmp(thing->asset, model->assets[0], 16) != 0 &&
        memcmp(thing->asset, model->assets[1], 16) != 0) {
        return reply_of(NAME_ASSET_NOT_FOUND, 0, 0);
    }
    const bool needs_book = thing->kind == NAMED_BOOK || thing->kind == NAMED_ACCOUNT;
    if (needs_book && !is_book(model, thing->number)) {
        return reply_of(NAME_BOOK_NOT_FOUND, thing->number, 0);
    }
    if (thing->kind == NAMED_ACCOUNT &&
        account_find(model, false, thing->number, thing->id) == NULL) {
        return reply_of(NAME_ACCOUNT_NOT_FOUND, thing->id, thing->number);
    }
    if (thing->kind == NAMED_RAW_ACCOUNT && account_find(model, true, 0, thing->id) == NULL) {
        return reply_of(NAME_RAW_ACCOUNT_NOT_FOUND, thing->id, 0);
    }
    return reply_of(MODULE_DONE, 0, 0);
}

static struct name_model_reply set_decide(struct name_model *model, u64 principal,
                                          const struct name_set *set)
{
    struct name name = {.kind = set->kind, .id = set->id, .number = set->number};
    memcpy(name.path, set->path, sizeof name.path);
    memcpy(name.asset, set->asset, sizeof name.asset);
    name.principal = principal;
    name.status = NAME_STATUS_STANDS;
    struct name_model_reply reply = path_judge(set->path);
    if (reply.result == MODULE_DONE) reply = thing_judge(model, &name);
    if (reply.result != MODULE_DONE) return reply;
    u32 first = model->count;
    u32 others = 0;
    for (u32 i = model->count; i-- > 0;) {
        if (!is_same_thing(&model->names[i], &name)) continue;
        first = i;
        others++;
    }
    if (set->first && others > 0 && model->names[first].principal != principal) {
        return reply_of(NAME_NOT_THE_SETTER, principal, model->names[first].principal);
    }
    const u32 taken = find(model, set->path);
    if (taken < model->count) {
        return reply_of(NAME_EXISTS, model->names[taken].id, model->names[taken].number);
    }
    if (others == 16) return reply_of(NAME_TOO_MANY, 16, 16);
    assert(model->count < NAME_MODEL_NAMES_MAX);
    const u32 at = set->first ? 0 : model->count;
    memmove(model->names + at + 1, model->names + at, (model->count - at) * sizeof name);
    model->names[at] = name;
    model->count++;
    return reply;
}

static struct name_model_reply own_find(const struct name_model *model, u64 principal,
                                        const char *path, u32 *at)
{
    *at = find(model, path);
    if (*at == model->count) return reply_of(NAME_NOT_FOUND, 0, 0);
    if (model->names[*at].principal != principal) {
        return reply_of(NAME_NOT_THE_SETTER, principal, model->names[*at].principal);
    }
    return reply_of(MODULE_DONE, 0, 0);
}

static struct name_model_reply move_decide(struct name_model *model, u64 principal,
                                           const struct name_move *move)
{
    u32 at = 0;
    struct name_model_reply reply = path_judge(move->path);
    if (reply.result == MODULE_DONE) reply = path_judge(move->to);
    if (reply.result == MODULE_DONE) reply = own_find(model, principal, move->path, &at);
    if (reply.result != MODULE_DONE) return reply;
    const u32 taken = find(model, move->to);
    if (taken < model->count) {
        return reply_of(NAME_EXISTS, model->names[taken].id, model->names[taken].number);
    }
    memcpy(model->names[at].path, move->to, NAME_PATH_SIZE);
    return reply;
}

static struct name_model_reply drop_decide(struct name_model *model, u64 principal,
                                           const struct name_drop *drop)
{
    u32 at = 0;
    struct name_model_reply reply = path_judge(drop->path);
    if (reply.result == MODULE_DONE) reply = own_find(model, principal, drop->path, &at);
    if (reply.result != MODULE_DONE) return reply;
    model->count--;
    memmove(model->names + at, model->names + at + 1, (model->count - at) * sizeof model->names[0]);
    return reply;
}

struct name_model_reply name_model_command(struct name_model *model, u64 principal, u16 record,
                                           const void *body)
{
    if (record == name_schema_name_set.number) return set_decide(model, principal, body);
    if (record == name_schema_name_move.number) return move_decide(model, principal, body);
    assert(record == name_schema_name_drop.number);
    return drop_decide(model, principal, body);
}

// --- questions -----------------------------------------------------------------------------------

static int pointer_order(const void *a, const void *b)
{
    const struct name *const *left = a;
    const struct name *const *right = b;
    return order_of((*left)->path, (*right)->path);
}

u32 name_model_list(const struct name_model *model, const char *prefix, const struct name **out)
{
    u32 count = 0;
    for (u32 i = 0; i < model->count; i++) {
        if (is_under(model->names[i].path, prefix)) out[count++] = &model->names[i];
    }
    qsort(out, count, sizeof *out, pointer_order);
    return count;
}

u32 name_model_of(const struct name_model *model, const struct name_of *thing,
                  const struct name **out)
{
    struct name wanted = {.kind = thing->kind, .id = thing->id, .number = thing->number};
    memcpy(wanted.asset, thing->asset, sizeof wanted.asset);
    u32 count = 0;
    for (u32 i = 0; i < model->count; i++) {
        if (is_same_thing(&model->names[i], &wanted)) out[count++] = &model->names[i];
    }
    return count;
}

struct name_balance_row name_model_balance(const struct name_model *model,
                                           const struct name_balance *question)
{
    struct name_balance_row row = {0};
    for (u32 i = 0; i < model->account_count; i++) {
        const struct name_model_account *account = &model->accounts[i];
        bool has_name = false;
        for (u32 j = 0; j < model->count; j++) {
            const struct name *name = &model->names[j];
            const u8 kind = account->is_raw ? NAMED_RAW_ACCOUNT : NAMED_ACCOUNT;
            has_name |= name->kind == kind && name->id == account->id &&
                        (account->is_raw || name->number == account->number) &&
                        is_under(name->path, question->prefix);
        }
        const bool is_meant = question->book != 0
                                  ? account->number == question->book
                                  : memcmp(account->asset, question->asset, 16) == 0;
        if (!has_name || !is_meant) continue;
        row.accounts++;
        row.debits_posted += account->debits;
        row.credits_posted += account->credits;
    }
    return row;
}

// Months since January of 1900, as the C library counts them.
static i32 month_of(i32 day)
{
    const time_t seconds = (time_t)day * 86400;
    struct tm date;
    (void)gmtime_r(&seconds, &date);
    return date.tm_year * 12 + date.tm_mon;
}

void name_model_turned(const struct name_model *model, struct name_model_account *account,
                       bool is_debit, u128 amount, i32 day)
{
    const i32 month = month_of(day) - month_of(model->first_day);
    assert(month >= 0 && month < (i32)NAME_MODEL_MONTHS);
    if (is_debit) account->months[month].debits += amount;
    else account->months[month].credits += amount;
    account->months[month].count++;
}

// The part of a path that a line is of: the prefix, or it and one part more.
static void line_of(const char *path, const char *prefix, bool by_part, char out[NAME_PATH_SIZE])
{
    const size_t size = strnlen(prefix, NAME_PATH_SIZE);
    size_t end = size;
    if (by_part && size < NAME_PATH_SIZE && path[size] != 0) {
        end++; // The colon, or the first character of what stands behind no prefix.
        while (end < NAME_PATH_SIZE && path[end] != 0 && path[end] != ':') end++;
    }
    memset(out, 0, NAME_PATH_SIZE);
    memcpy(out, path, end);
}

static void turned_into(const struct name_model *model, const struct name_model_account *account,
                        const struct name_turnover *question, i128 nets[2],
                        struct name_turnover_row *row)
{
    const i32 first = month_of(model->first_day);
    const i32 from = question->from_day == 0 ? first : month_of(question->from_day);
    const i32 to = question->to_day == 0 ? month_of(model->open_day) : month_of(question->to_day);
    for (i32 i = 0; i < (i32)NAME_MODEL_MONTHS; i++) {
        const i128 net = (i128)account->months[i].debits - (i128)account->months[i].credits;
        if (first + i < from) nets[0] += net;
        if (first + i < from || first + i <= to) nets[1] += net;
        if (first + i < from || first + i > to) continue;
        row->debits += account->months[i].debits;
        row->credits += account->months[i].credits;
        row->count += account->months[i].count;
    }
    row->accounts++;
}

static bool has_name_in(const struct name_model *model, const struct name_model_account *account,
                        const struct name_turnover *question, const char *line)
{
    for (u32 i = 0; i < model->count; i++) {
        const struct name *name = &model->names[i];
        char path[NAME_PATH_SIZE];
        if (name->kind != NAMED_ACCOUNT || name->id != account->id ||
            name->number != account->number || !is_under(name->path, question->prefix)) {
            continue;
        }
        line_of(name->path, question->prefix, question->parts, path);
        if (memcmp(path, line, NAME_PATH_SIZE) == 0) return true;
    }
    return false;
}

static struct name_turnover_row line_sum(const struct name_model *model,
                                         const struct name_turnover *question, const char *line)
{
    struct name_turnover_row row = {.scale = 2};
    i128 nets[2] = {0, 0};
    memcpy(row.path, line, NAME_PATH_SIZE);
    for (u32 i = 0; i < model->account_count; i++) {
        const struct name_model_account *account = &model->accounts[i];
        const bool is_meant = question->book != 0
                                  ? account->number == question->book
                                  : memcmp(account->asset, question->asset, 16) == 0;
        if (!is_meant || account->is_raw || !has_name_in(model, account, question, line)) continue;
        turned_into(model, account, question, nets, &row);
    }
    row.opening_debit = nets[0] > 0 ? (u128)nets[0] : 0;
    row.opening_credit = nets[0] < 0 ? (u128)-nets[0] : 0;
    row.closing_debit = nets[1] > 0 ? (u128)nets[1] : 0;
    row.closing_credit = nets[1] < 0 ? (u128)-nets[1] : 0;
    return row;
}

u32 name_model_turnover(const struct name_model *model, const struct name_turnover *question,
                        struct name_turnover_row out[NAME_MODEL_NAMES_MAX])
{
    const struct name *names[NAME_MODEL_NAMES_MAX] = {0};
    const u32 count = name_model_list(model, question->prefix, names);
    u32 lines = 0;
    for (u32 i = 0; i < count; i++) {
        char line[NAME_PATH_SIZE];
        line_of(names[i]->path, question->prefix, question->parts, line);
        if (lines > 0 && memcmp(out[lines - 1].path, line, sizeof line) == 0) continue;
        out[lines++] = line_sum(model, question, line);
    }
    if (count == 0 && !question->parts) out[lines++] = line_sum(model, question, question->prefix);
    return lines;
}

// --- random commands -----------------------------------------------------------------------------

void name_random_path(struct random *random, char out[NAME_PATH_SIZE])
{
    static const char *const parts[] = {"a", "b", "ab", "a-b", "a.b", "A", "0", "a_"};
    static const char *const wrong[] = {"", ":a", "a:", "a::b", "a b", "a/b", "\xc3\xa9"};
    char text[2 * NAME_PATH_SIZE] = {0};
    size_t size = 0;
    const bool is_deep = random_chance(random, 2);
    const u64 count = is_deep ? random_between(random, 15, 18) : random_between(random, 1, 3);
    for (u64 i = 0; i < count; i++) {
        const char *part = parts[random_below(random, is_deep ? 2 : ARRAY_COUNT(parts))];
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i > 0 ? ":" : "", part);
    }
    if (random_chance(random, 2)) {
        size = (size_t)snprintf(text, sizeof text, "%s",
                                wrong[random_below(random, ARRAY_COUNT(wrong))]);
    }
    memset(out, 0, NAME_PATH_SIZE);
    memcpy(out, text, size);
}

static void random_thing(const struct name_model *model, struct random *random,
                         struct name_set *set)
{
    set->kind = (u8)random_between(random, 1, 7);
    if (random_chance(random, 60)) set->kind = NAMED_ACCOUNT + (u8)random_below(random, 2);
    const struct name_model_account *account =
        &model->accounts[random_below(random, model->account_count)];
    const bool has_account = account->is_raw == (set->kind == NAMED_RAW_ACCOUNT);
    switch ((enum named_kind)set->kind) {
    case NAMED_ACCOUNT:
        set->number = has_account ? account->number : model->books[0];
        set->id = account->id;
        break;
    case NAMED_RAW_ACCOUNT: set->id = account->id; break;
    case NAMED_BOOK: set->number = model->books[random_below(random, 2)]; break;
    case NAMED_ENTITY: set->id = model->entity_id; break;
    case NAMED_ASSET: memcpy(set->asset, model->assets[random_below(random, 2)], 16); break;
    case NAMED_CONSTRAINT: set->id = random_between(random, 1, 3); break;
    case NAMED_OTHER:
        set->id = random_below(random, 3);
        set->number = (u32)random_below(random, 3);
        break;
    }
    if (random_chance(random, 3)) set->id += 1000;
    if (random_chance(random, 3)) set->number += 1000;
    if (random_chance(random, 2)) memcpy(set->asset, "EUR", 4);
}

// A path that stands, mostly.
static void random_known(const struct name_model *model, struct random *random, char *out)
{
    if (model->count == 0 || random_chance(random, 20)) name_random_path(random, out);
    else memcpy(out, model->names[random_below(random, model->count)].path, NAME_PATH_SIZE);
}

u16 name_random_command(const struct name_model *model, struct random *random, u8 *body, u32 *size)
{
    const u64 sort = random_below(random, 10);
    memset(body, 0, 256);
    if (sort < 6) {
        struct name_set *set = (void *)body;
        name_random_path(random, set->path);
        random_thing(model, random, set);
        set->first = random_chance(random, 30);
        *size = sizeof *set;
        return (u16)name_schema_name_set.number;
    }
    if (sort < 8) {
        struct name_move *move = (void *)body;
        random_known(model, random, move->path);
        name_random_path(random, move->to);
        *size = sizeof *move;
        return (u16)name_schema_name_move.number;
    }
    struct name_drop *drop = (void *)body;
    random_known(model, random, drop->path);
    *size = sizeof *drop;
    return (u16)name_schema_name_drop.number;
}
