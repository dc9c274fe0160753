// SPDX-License-Identifier: Apache-2.0
//
// Asking a node.
#include "machine/node_ask.h"

#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

static void must(enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "%s\n", failure->message);
    abort();
}

void node_ask_init(struct node_ask *ask, struct node *node)
{
    struct failure failure;
    void *memory = NULL;
    *ask = (struct node_ask){.node = node};
    must(memory_reserve(NODE_ASK_SPACE, false, &memory, &failure), &failure);
    ask->views = memory;
    must(memory_reserve(ANSWER_TASK_SIZE, false, &memory, &failure), &failure);
    ask->task = memory;
}

void node_ask_free(struct node_ask *ask)
{
    memory_release(ask->views, NODE_ASK_SPACE);
    memory_release(ask->task, ANSWER_TASK_SIZE);
}

struct look {
    struct history_query *query;
    struct history_view view;
};

static enum status look_try(const struct node_ask *ask, struct look *look, struct failure *failure)
{
    struct machine *machine = &ask->node->machine;
    const enum status status = history_query_new(&look->query, failure);
    if (status != STATUS_OK) return status;
    look->view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        machine->history.next_row);
    look->view.sees_modules = true;
    return STATUS_OK;
}

static struct look look_begin(const struct node_ask *ask)
{
    struct look look = {0};
    struct failure failure;
    must(look_try(ask, &look, &failure), &failure);
    return look;
}

static void look_end(struct look *look)
{
    history_view_close(&look->view);
    history_query_free(look->query);
}

enum status node_ask_try(struct node_ask *ask, const struct schema_record *question,
                         const void *body, u32 room, struct module_answer *answer, u32 *result,
                         struct failure *failure)
{
    assert(room <= NODE_ASK_SPACE);
    answer->views = ask->views;
    answer->room = room;
    answer->size = 0;
    answer->count = 0;
    answer->record = NULL;
    memset(answer->evidence, 0, sizeof answer->evidence);
    answer->looks = false;
    answer->result = MODULE_DONE;
    answer->position = 0;
    answer->time = 0;
    answer->task = ask->task;
    if (answer->looks_max == 0) answer->looks_max = ANSWER_TURN_LOOKS;
    memset(answer->work, 0, sizeof answer->work);
    do {
        *result = commit_ask(&ask->node->machine, question, body, answer);
    } while (*result == MODULE_DONE && answer->is_unfinished);
    if (*result != MODULE_DONE || !answer->looks) return STATUS_OK;
    struct look look = {0};
    enum status status = look_try(ask, &look, failure);
    if (status != STATUS_OK) return status;
    status = past_look(ask->node, look.query, &look.view, question, body, answer, failure);
    look_end(&look);
    *result = answer->result;
    return status;
}

u32 node_ask(struct node_ask *ask, const struct schema_record *question, const void *body, u32 room,
             struct module_answer *answer)
{
    struct failure failure;
    u32 result = MODULE_DONE;
    must(node_ask_try(ask, question, body, room, answer, &result, &failure), &failure);
    return result;
}

u32 node_ask_accounts(struct node_ask *ask, u32 number, u32 limit, u32 *rows)
{
    const struct query_filter filter = {.ledger = number, .limit = limit};
    struct look look = look_begin(ask);
    struct failure failure;
    u32 count = 0;
    must(history_query_accounts(look.query, &look.view, &filter, limit, rows, &count, NULL,
                                &failure),
         &failure);
    look_end(&look);
    return count;
}

u32 node_ask_postings(struct node_ask *ask, u32 number, u16 code, u32 limit, struct transfer *out)
{
    const struct query_filter filter = {
        .ledger = number, .code = code, .limit = limit, .flags = QUERY_FILTER_REVERSED};
    struct look look = look_begin(ask);
    struct failure failure;
    u32 count = 0;
    must(history_query_transfers(look.query, &look.view, &filter, limit, out, &count, NULL,
                                 &failure),
         &failure);
    look_end(&look);
    return count;
}
