// SPDX-License-Identifier: Apache-2.0
//
// Commands and questions of modules in a world of ports: what callers give comes from the desk of a
// world of modules, whose models are told of every frame that the server logged, in that order.
//
// Callers connect as the user who runs the server, and every command is given in the name of the
// principal that the desk means: the world says so where the port hands it to the pipeline. Who is
// let in as whom is src/server/admission_test.c's.
#include "harbour_internal.h"

#include "../desk.h"
#include "../must.h"
#include "../world.h"
#include "machine/commit.h"
#include "modules/book/book.h"
#include "modules/name/name.h"
#include "modules/principal/principal.h"
#include "os/memory.h"

#include <stdlib.h>
#include <string.h>

#define QUESTIONS_FIRST 0x0200u
#define QUESTIONS_END   0x0b00u
#define REPLIES_SIZE    ((size_t)FRAME_COMMANDS_MAX * COMPAT_BODY_SIZE_MAX)

void harbour_modules_init(struct harbour *harbour)
{
    struct failure failure;
    struct world *world = must(calloc(1, sizeof *world));
    world->seed = harbour->seed;
    world->genesis = harbour->genesis;
    world->oracle.position = harbour->oracle.position;
    random_init(&world->random, random_u64(&harbour->random));
    desk_init_over(world, &harbour->follower.node);
    harbour->modules = world;
    if (memory_reserve(REPLIES_SIZE, false, &harbour->replies, &failure) != STATUS_OK) abort();
    for (u32 i = 0; i < FRAME_COMMANDS_MAX; i++) {
        u8 *reply = (u8 *)harbour->replies + (size_t)i * COMPAT_BODY_SIZE_MAX;
        harbour->follower.applied->commands[i].reply = reply;
    }
    const struct machine *machine = &harbour->follower.node.machine;
    for (u32 number = QUESTIONS_FIRST; number < QUESTIONS_END; number++) {
        const struct schema_record *question = commit_question(machine, number);
        if (question == NULL || question->size > HARBOUR_QUESTION_MAX) continue;
        if (harbour->question_count == HARBOUR_QUESTIONS_MAX) abort();
        harbour->questions[harbour->question_count++] = question;
    }
}

void harbour_modules_free(struct harbour *harbour)
{
    if (harbour->modules == NULL) return;
    desk_free(harbour->modules);
    free(harbour->modules);
    memory_release(harbour->replies, REPLIES_SIZE);
}

// --- the log -------------------------------------------------------------------------------------

void harbour_modules_follow(struct harbour *harbour)
{
    struct world *world = harbour->modules;
    const struct follower *follower = &harbour->follower;
    const struct frame_view *view = &follower->view;
    struct world_job job = {
        .memory = follower->reader.buffer,
        .view = *view,
        .applied = follower->applied,
        .decided = true,
    };
    for (u32 i = 0; i < view->header->command_count; i++) {
        job.clients[i] = U32_MAX;
        if (view->commands[i].record == COMMAND_TICK) harbour->counts[HARBOUR_TICKS]++;
        else harbour->counts[HARBOUR_EVENTS] += view->commands[i].count;
    }
    desk_acknowledge(world, &job, false);
    world->steps++;
    if (random_chance(&world->random, 15)) {
        desk_compare(world, random_chance(&world->random, 5));
        harbour->counts[HARBOUR_MODULES_COMPARED]++;
    }
}

void harbour_modules_check(struct harbour *harbour)
{
    struct world *world = harbour->modules;
    desk_check_all(world);
    for (u32 i = 0; i < world->desk->tally_count; i++) {
        const struct desk_tally *tally = &world->desk->tallies[i];
        harbour->counts[HARBOUR_RECORDS_DONE] += tally->applied;
        harbour->counts[HARBOUR_RECORDS_REFUSED] += tally->refused;
        harbour->counts[HARBOUR_REPEATED] += tally->repeated;
    }
    harbour->counts[HARBOUR_JOBS] += world->desk->loans.job_count;
    harbour->counts[HARBOUR_PLANNED_EFFECTS] += world->desk->effects.planned;
}

// --- commands ------------------------------------------------------------------------------------

// What some caller asks, by its id and body; NULL when nobody does.
static const struct ask *ask_of(const struct harbour *harbour, u128 id, const u8 *body, u32 size)
{
    for (u32 i = 0; i < harbour->caller_count; i++) {
        for (u32 j = 0; j < HARBOUR_ASKS_MAX; j++) {
            const struct ask *ask = &harbour->callers[i].asks[j];
            if (!ask->is_used || ask->id != id || ask->size != size) continue;
            if (memcmp(ask->body, body, size) == 0) return ask;
        }
    }
    return NULL;
}

bool harbour_modules_command(struct harbour *harbour, struct ask *ask)
{
    struct desk_command command;
    if (!desk_next(harbour->modules, &command)) return false;
    // The client refuses one without records; and who gives it must be known by its bytes.
    const struct ask *same = ask_of(harbour, command.id, command.body, command.size);
    const bool is_anothers = same != NULL && (same->principal != command.principal ||
                                              same->delegate != command.delegate);
    if (command.count == 0 || is_anothers) {
        free(command.body);
        return false;
    }
    *ask = (struct ask){
        .caller = ask->caller,
        .is_used = true,
        .id = command.id,
        .principal = command.principal,
        .delegate = command.delegate,
        .record = command.record,
        .count = command.count,
        .size = command.size,
        .body = command.body,
        .expires_at = command.expires_at,
    };
    return true;
}

void harbour_modules_name(const struct harbour *harbour, const struct buffer *body,
                          struct frame_command *entry)
{
    const struct ask *ask = ask_of(harbour, entry->command_id, buffer_body(body), entry->body_size);
    const struct answered *answered = desk_answered(harbour->modules->desk, entry->command_id);
    if (ask == NULL && answered == NULL) return; // A pirate's, in the name of whoever connected.
    entry->principal = ask != NULL ? ask->principal : answered->command.principal;
    entry->session = ask != NULL ? ask->delegate : answered->command.delegate;
    if (entry->session != 0) entry->through = COMMAND_THROUGH_DELEGATE;
}

bool harbour_modules_is_in_log(const struct harbour *harbour, u128 id)
{
    return desk_answered(harbour->modules->desk, id) != NULL;
}

// How the port tells what became of a command.
static enum tael_result result_of(const struct answered *answered)
{
    struct command_reply reply;
    if (answered->command.record >> 8 == COMMAND_MODULES >> 8) return TAEL_RESULT_DONE;
    memcpy(&reply, answered->reply, sizeof reply);
    switch (reply.result) {
    case MODULE_REUSED: return TAEL_RESULT_REUSED;
    case MODULE_MALFORMED: return TAEL_RESULT_MALFORMED;
    case MODULE_UNKNOWN: return TAEL_RESULT_UNKNOWN_RECORD;
    case MODULE_EXPIRED: return TAEL_RESULT_EXPIRED;
    case MODULE_PRINCIPAL_CLOSED:
    case MODULE_NOT_DELEGATED: return TAEL_RESULT_NOT_PERMITTED;
    default: return TAEL_RESULT_DONE;
    }
}

// Whether a command breaks its record's description, so that no log has it.
static bool is_broken(struct harbour *harbour, const struct ask *ask)
{
    struct failure failure;
    if (commit_command_check(&harbour->follower.node.machine, ask->record, ask->body, ask->size,
                             ask->count, &failure) == STATUS_OK) {
        return false;
    }
    harbour->counts[HARBOUR_BROKEN]++;
    return true;
}

void harbour_modules_answered(struct harbour *harbour, const struct ask *ask,
                              const struct tael_answer *answer)
{
    const struct answered *known = desk_answered(harbour->modules->desk, ask->id);
    const u64 id = (u64)ask->id;
    if (answer->result == TAEL_RESULT_MALFORMED || answer->result == TAEL_RESULT_UNKNOWN_RECORD) {
        if (is_broken(harbour, ask)) return;
    }
    if (known == NULL) {
        harbour_fail(harbour, "L4", "a %x, %llx, was answered (%s) and is not in the log",
                     ask->record, (unsigned long long)id, tael_result_text(answer->result));
    }
    const struct desk_command *command = &known->command;
    if (command->record != ask->record || command->size != ask->size ||
        command->principal != ask->principal || memcmp(command->body, ask->body, ask->size) != 0) {
        harbour->counts[HARBOUR_REUSED]++;
        if (answer->result == TAEL_RESULT_REUSED) return;
        harbour_fail(harbour, "L3", "a %x, %llx, has another content than before: %s", ask->record,
                     (unsigned long long)id, tael_result_text(answer->result));
    }
    if (ask->is_answered) harbour->counts[HARBOUR_REPEATED]++;
    harbour_ask_dated(harbour, answer, known->position, known->timestamp);
    const enum tael_result expected = result_of(known);
    const bool has_replies = expected == TAEL_RESULT_DONE;
    if (answer->result == expected &&
        (!has_replies || (answer->body_size == known->reply_size &&
                          memcmp(answer->body, known->reply, known->reply_size) == 0))) {
        return;
    }
    harbour_fail(harbour, ask->is_answered ? "L3" : "replies",
                 "a %x, %llx: %s and %u bytes, the log says %s and %u", ask->record,
                 (unsigned long long)id, tael_result_text(answer->result), answer->body_size,
                 tael_result_text(expected), known->reply_size);
}

// --- questions -----------------------------------------------------------------------------------

// A number that may be of something.
static u64 number_any(struct harbour *harbour)
{
    return chance(harbour, 95) ? below(harbour, 7) : random_u64(&harbour->random);
}

static void field_fill(struct harbour *harbour, const struct schema_field *field, u8 *body)
{
    static const char *const texts[] = {"a", "HKD", "fund-1", "a.b", "loan"};
    u8 *out = body + field->offset;
    const u32 each = field->size / field->count;
    if ((field->flags & FIELD_RESERVED) != 0) return;
    if ((field->flags & FIELD_TEXT) != 0) {
        const char *text = texts[below(harbour, ARRAY_COUNT(texts))];
        memcpy(out, text, MIN(strlen(text), (size_t)field->size));
        return;
    }
    if ((field->flags & FIELD_REQUIRED) == 0 && chance(harbour, 50)) return;
    for (u32 i = 0; i < field->count; i++) {
        const u64 number = number_any(harbour);
        memcpy(out + (size_t)i * each, &number, MIN(sizeof number, (size_t)each));
    }
}

const struct schema_record *harbour_modules_question(struct harbour *harbour, u8 *body)
{
    const struct schema_record *question =
        harbour->questions[below(harbour, harbour->question_count)];
    memset(body, 0, question->size);
    for (u32 i = 0; i < question->field_count; i++) {
        field_fill(harbour, &question->fields[i], body);
    }
    return question;
}

// Whether an answer may show states of before, too: sums that took several turns say so of
// themselves, lines of turnover do not, and are compared where a turn is as long as in the server.
static bool is_of_states(const struct pipeline_query *query)
{
    const u8 *views = buffer_body(query->reply);
    struct name_balance_row balance;
    struct name_turnover_row turnover;
    if (query->result != MODULE_DONE || query->answer.count == 0) return false;
    if (query->question == &book_schema_turnover_list) {
        return query->answer.looks_max < ANSWER_TURN_LOOKS;
    }
    if (query->question == &name_schema_name_balance) {
        memcpy(&balance, views, sizeof balance);
        return balance.position_first != query->position;
    }
    if (query->question != &name_schema_name_turnover) return false;
    for (u32 i = 0; i < query->answer.count; i++) {
        memcpy(&turnover, views + i * sizeof turnover, sizeof turnover);
        if (turnover.position_first != query->position) return true;
        if (turnover.position_last != query->position) return true;
    }
    return false;
}

void harbour_modules_view(struct harbour *harbour, const struct pipeline_query *query)
{
    struct node_ask *ask = &harbour->modules->desk->ask;
    struct module_answer answer = {.looks_max = query->answer.looks_max};
    if (query->result == MODULE_DONE) {
        const u128 key = harbour_question_key(query->question->number, buffer_body(query->body),
                                              query->body_size);
        harbour_told_note(harbour, key, buffer_body(query->reply), query->reply_size,
                          query->position);
    }
    // The follower cannot go back.
    if (query->position != harbour->oracle.position || is_of_states(query)) return;
    const u32 result =
        node_ask(ask, query->question, buffer_body(query->body), COMPAT_BODY_SIZE_MAX, &answer);
    harbour->counts[result == MODULE_DONE ? HARBOUR_VIEWS_COMPARED : HARBOUR_VIEWS_REFUSED]++;
    const bool is_same = result == query->result;
    if (is_same && result != MODULE_DONE) return;
    if (is_same && answer.count == query->answer.count && answer.size == query->reply_size &&
        memcmp(answer.views, buffer_body(query->reply), answer.size) == 0) {
        return;
    }
    harbour_fail(harbour, "views",
                 "%s as of %llu: result %u, %u views, %u bytes; the follower has %u, %u, %u",
                 query->question->name, (unsigned long long)query->position, query->result,
                 query->answer.count, query->reply_size, result, answer.count, answer.size);
}
