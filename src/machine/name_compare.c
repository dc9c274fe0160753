// SPDX-License-Identifier: Apache-2.0
//
// What a node answers about names, beside what the model knows.
#include "machine/name_compare.h"

#include <stdlib.h>

static void differs(const struct name_compare *compare, const char *what)
{
    compare->differs(compare->context, what);
}

static void view_compare(const struct name_compare *compare, const struct name *view,
                         const struct name *name)
{
    if (memcmp(view->path, name->path, sizeof view->path) != 0 || view->kind != name->kind ||
        view->id != name->id || view->number != name->number ||
        memcmp(view->asset, name->asset, sizeof view->asset) != 0 ||
        view->principal != name->principal || view->status != NAME_STATUS_STANDS) {
        differs(compare, "another name in an answer");
    }
}

// Asks page by page and compares with what the model has.
static void views_compare(struct name_compare *compare, const struct schema_record *question,
                          const void *body, const struct name *const *expected, u32 count)
{
    struct module_answer answer = {0};
    const u32 room = (u32)random_between(compare->random, 1, 8) * (u32)sizeof(struct name);
    u32 at = 0;
    do {
        if (node_ask(compare->ask, question, body, room, &answer) != MODULE_DONE) {
            differs(compare, "a question is refused");
        }
        const struct name *views = (const void *)compare->ask->views;
        if (answer.count > count - at) differs(compare, "more names in an answer");
        for (u32 i = 0; i < answer.count; i++) view_compare(compare, &views[i], expected[at++]);
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    if (at != count) differs(compare, "fewer names in an answer");
}

void name_compare_lists(struct name_compare *compare)
{
    const struct name **expected = malloc(NAME_MODEL_NAMES_MAX * sizeof *expected);
    struct name_list list = {0};
    struct name_of of = {0};
    if (expected == NULL) abort();
    u32 count = name_model_list(compare->model, "", expected);
    views_compare(compare, &name_schema_name_list, &list, expected, count);
    u128 evidence[2];
    do name_random_path(compare->random, list.prefix);
    while (name_path_check(list.prefix, evidence) != MODULE_DONE);
    count = name_model_list(compare->model, list.prefix, expected);
    views_compare(compare, &name_schema_name_list, &list, expected, count);
    if (compare->model->count > 0) {
        const struct name *name =
            &compare->model->names[random_below(compare->random, compare->model->count)];
        of = (struct name_of){.kind = name->kind, .id = name->id, .number = name->number};
        memcpy(of.asset, name->asset, sizeof of.asset);
        count = name_model_of(compare->model, &of, expected);
        views_compare(compare, &name_schema_name_of, &of, expected, count);
    }
    // Whatever stands as a cursor, an answer ends and has nothing that was not asked for.
    struct module_answer answer = {0};
    store_u64(answer.cursor, random_below(compare->random, 400));
    do {
        if (node_ask(compare->ask, &name_schema_name_list, &list, 700, &answer) != MODULE_DONE) {
            differs(compare, "a cursor is refused");
        }
        const struct name *views = (const void *)compare->ask->views;
        for (u32 i = 0; i < answer.count; i++) {
            if (!name_is_under(views[i].path, list.prefix))
                differs(compare, "a cursor leads elsewhere");
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    free(expected);
}

void name_compare_found(struct name_compare *compare)
{
    struct name_find question = {0};
    u128 evidence[2];
    name_random_path(compare->random, question.path);
    struct module_answer answer = {0};
    const u32 result = node_ask(compare->ask, &name_schema_name_find, &question, 1024, &answer);
    const struct name *expected = name_model_find(compare->model, question.path);
    const u32 refusal = name_path_check(question.path, evidence);
    if (result != (refusal != MODULE_DONE ? refusal : expected == NULL ? NAME_NOT_FOUND : 0)) {
        differs(compare, "another answer to what a name names");
    }
    if (expected != NULL && result == MODULE_DONE) {
        view_compare(compare, (const void *)compare->ask->views, expected);
    }
}

void name_compare_sums(struct name_compare *compare)
{
    struct name_balance question = {0};
    u128 evidence[2];
    do name_random_path(compare->random, question.prefix);
    while (name_path_check(question.prefix, evidence) != MODULE_DONE);
    if (random_chance(compare->random, 30)) memset(question.prefix, 0, sizeof question.prefix);
    const struct name_model *model = compare->model;
    // Books, or the ledger numbers of raw accounts.
    const u64 one = random_below(compare->random, model->account_count);
    if (random_chance(compare->random, 50)) question.book = model->accounts[one].number;
    else memcpy(question.asset, compare->model->assets[random_below(compare->random, 2)], 16);
    // In many turns or in one.
    struct module_answer answer = {.looks_max = (u32)random_below(compare->random, 5)};
    if (node_ask(compare->ask, &name_schema_name_balance, &question, 1024, &answer) !=
        MODULE_DONE) {
        differs(compare, "a sum is refused");
    }
    const struct name_balance_row expected = name_model_balance(compare->model, &question);
    const struct name_balance_row *row = (const void *)compare->ask->views;
    const u64 position = compare->ask->node->machine.position;
    if (answer.count != 1 || row->accounts != expected.accounts ||
        row->debits_posted != expected.debits_posted ||
        row->credits_posted != expected.credits_posted || row->debits_pending != 0 ||
        row->credits_pending != 0 || row->position_first != position ||
        row->position_last != position) {
        differs(compare, "another sum");
    }
}

bool name_compare_line(const struct name_turnover_row *line,
                       const struct name_turnover_row *expected)
{
    struct name_turnover_row same = *expected;
    same.names = line->names;
    same.position_first = line->position_first;
    same.position_last = line->position_last;
    return memcmp(&same, line, sizeof same) == 0;
}

struct name_turnover name_compare_question(struct name_compare *compare)
{
    const struct name_model *model = compare->model;
    struct random *random = compare->random;
    struct name_turnover question = {.parts = random_chance(random, 50)};
    u128 evidence[2];
    do name_random_path(random, question.prefix);
    while (name_path_check(question.prefix, evidence) != MODULE_DONE);
    if (random_chance(random, 40)) memset(question.prefix, 0, sizeof question.prefix);
    const u32 one = (u32)random_below(random, 2);
    if (random_chance(random, 50)) question.book = model->books[one];
    else memcpy(question.asset, model->assets[one], 16);
    const u64 days = (u64)(model->open_day - model->first_day) + 80;
    if (random_chance(random, 70)) {
        question.from_day = model->first_day - 40 + (i32)random_below(random, days);
    }
    if (random_chance(random, 70)) {
        question.to_day =
            MAX(question.from_day, model->first_day - 40) + (i32)random_below(random, days);
    }
    return question;
}

void name_compare_turnover(struct name_compare *compare)
{
    struct random *random = compare->random;
    const struct name_turnover question = name_compare_question(compare);
    const u64 position = compare->ask->node->machine.position;
    struct name_turnover_row *expected = malloc(NAME_MODEL_NAMES_MAX * sizeof *expected);
    if (expected == NULL) abort();
    const u32 count = name_model_turnover(compare->model, &question, expected);
    struct module_answer answer = {.looks_max = (u32)random_below(random, 9)};
    const u32 room = (u32)random_between(random, 1, 6) * (u32)sizeof *expected;
    u32 at = 0;
    do {
        if (node_ask(compare->ask, &name_schema_name_turnover, &question, room, &answer) !=
            MODULE_DONE) {
            differs(compare, "a turnover is refused");
        }
        const struct name_turnover_row *rows = (const void *)compare->ask->views;
        if (answer.count > count - at) differs(compare, "more lines of turnover");
        for (u32 i = 0; i < answer.count; i++, at++) {
            if (rows[i].position_first != position || rows[i].position_last != position ||
                !name_compare_line(&rows[i], &expected[at])) {
                differs(compare, "another turnover");
            }
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    if (at != count) differs(compare, "fewer lines of turnover");
    free(expected);
}
