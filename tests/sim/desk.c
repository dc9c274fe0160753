// SPDX-License-Identifier: Apache-2.0
//
// The world of modules: clients, frames, replies.
#include "desk_internal.h"
#include "must.h"

#include "machine/compat.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const check_names[] = {
    [CHECK_L1] = "L1",
    [CHECK_L2] = "L2",
    [CHECK_L3] = "L3",
    [CHECK_L4] = "L4",
    [CHECK_L6] = "L6",
    [CHECK_L8] = "L8",
    [CHECK_L10] = "L10",
    [CHECK_L11] = "L11",
    [CHECK_REPLIES] = "replies",
    [CHECK_BOOKS] = "books",
    [CHECK_CELLS] = "cells",
    [CHECK_NAMES] = "names",
    [CHECK_EFFECTS] = "effects",
    [CHECK_JOBS] = "jobs",
    [CHECK_PAST] = "past",
    [CHECK_CHANGES] = "changes",
    [CHECK_PRINCIPALS] = "principals",
};
static_assert(ARRAY_COUNT(check_names) == DESK_CHECKS, "each check has a name");

const char *desk_check_name(enum desk_check check)
{
    return check_names[check];
}

void desk_fail(struct world *world, enum desk_check check, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    world_fail(world, "%s: %s", check_names[check], text);
}

// --- life ----------------------------------------------------------------------------------------

static void desk_new(struct world *world, struct node *node, struct node *followed)
{
    struct desk *desk = must(calloc(1, sizeof *desk));
    world->desk = desk;
    desk->node = node;
    random_init(&desk->random, random_u64(&world->random));
    desk->next_id = (u128)1 << 64;
    desk->timestamp = world->genesis.created_at;
    desk->time = world->genesis.created_at;
    desk->lane_percent = (u32)random_below(&desk->random, 90);
    desk->ids.room = 1024;
    desk->ids.ids = must(calloc(desk->ids.room, sizeof(u128)));
    desk->next_row = (u128)1 << 100;
    desk->tick_body = must(aligned_alloc(PAGE_SIZE, COMMIT_TICK_SIZE_MAX));
    if (followed == NULL) {
        follower_init(&desk->follower, &world->genesis, world_log_id(world));
        desk->follower.bug = world->bug;
    }
    node_ask_init(&desk->ask, followed == NULL ? &desk->follower.node : followed);
    desk_lanes_init(world);
}

void desk_init(struct world *world)
{
    desk_new(world, &world->node, NULL);
}

void desk_init_over(struct world *world, struct node *node)
{
    desk_new(world, node, node);
    world->desk->book_random.never_expires = true;
}

void desk_free(struct world *world)
{
    struct desk *desk = world->desk;
    for (u32 i = 0; i < DESK_SENT_MAX; i++) {
        if (desk->sent[i].is_used) free(desk->sent[i].command.body);
    }
    for (u32 i = 0; i < desk->setup_count; i++) free(desk->setup[i].body);
    for (u32 i = 0; i < desk->answered_count; i++) {
        free(desk->answered[i].command.body);
        free(desk->answered[i].reply);
    }
    desk_lanes_free(desk);
    node_ask_free(&desk->ask);
    if (desk->node != desk->ask.node) follower_free(&desk->follower);
    free(desk->answered);
    free(desk->tick_body);
    free(desk->ids.ids);
    free(desk);
    world->desk = NULL;
}

// --- what clients give ---------------------------------------------------------------------------

static struct frame_command entry_of(const struct desk_command *command)
{
    return (struct frame_command){
        .record = command->record,
        .version = 1,
        .body_size = command->size,
        .count = command->count,
        .command_id = command->id,
        .principal = command->principal,
        .through = command->delegate != 0 ? COMMAND_THROUGH_DELEGATE : COMMAND_THROUGH_NOTHING,
        .session = command->delegate,
        .expires_at = command->expires_at,
    };
}

// A copy of a command that was answered before.
static bool repeat_make(struct desk *desk, struct desk_command *out)
{
    if (desk->answered_count == 0) return false;
    const u32 near = MIN(desk->answered_count, 200u);
    const u64 back = random_below(&desk->random, near);
    const struct answered *answered = &desk->answered[desk->answered_count - 1 - back];
    if (answered->command.size > DESK_REPEATED_MAX) return false;
    *out = answered->command;
    out->body = must(malloc(out->size + 1));
    memcpy(out->body, answered->command.body, out->size);
    return true;
}

static bool setup_next(struct desk *desk, struct desk_command *out)
{
    if (desk->setup_given > desk->setup_done) return false;
    *out = desk->setup[desk->setup_given++];
    const u8 *body = out->body;
    out->body = must(malloc(out->size + 1));
    memcpy(out->body, body, out->size);
    return true;
}

bool desk_next(struct world *world, struct desk_command *out)
{
    struct desk *desk = world->desk;
    if (desk->setup_done < desk->setup_count) return setup_next(desk, out);
    const bool repeats = random_chance(&desk->random, 4);
    return (repeats && repeat_make(desk, out)) || desk_lanes_next(world, out);
}

static struct sent *sent_place(struct desk *desk)
{
    for (u32 i = 0; i < DESK_SENT_MAX; i++) {
        if (!desk->sent[i].is_used) return &desk->sent[i];
    }
    return NULL;
}

// What is given next: what was lost, what was answered before, or something new. NULL when there is
// nothing.
static struct sent *sent_next(struct world *world)
{
    struct desk *desk = world->desk;
    const u64 from = random_below(&desk->random, DESK_SENT_MAX);
    for (u32 i = 0; i < DESK_SENT_MAX && random_chance(&desk->random, 98); i++) {
        struct sent *sent = &desk->sent[(from + i) % DESK_SENT_MAX];
        if (!sent->is_used || sent->is_flying) continue;
        world->counts[WORLD_RETRIED]++;
        return sent;
    }
    struct sent *sent = sent_place(desk);
    if (sent == NULL) return NULL;
    sent->is_used = desk_next(world, &sent->command);
    return sent->is_used ? sent : NULL;
}

// Whether a tick is due before anything else.
static bool tick_is_due(const struct machine *machine)
{
    return machine_next_due(machine) <= machine->timestamp + DESK_FRAME_NS;
}

// The next tick, with the rows of an import that it carries out. A device reads well meanwhile: the
// server that cannot make one has died.
static struct frame_command tick_make(struct world *world, bool *is_alone)
{
    struct machine *machine = &world->node.machine;
    const u32 rate = world->disk.faults.read_error_rate;
    struct failure failure;
    world->disk.faults.read_error_rate = 0;
    const struct frame_command tick = commit_tick(machine, is_alone);
    const enum status status = commit_tick_body(machine, world->desk->tick_body, &failure);
    world->disk.faults.read_error_rate = rate;
    if (status == STATUS_OK) return tick;
    // What the machine makes of rows that are not those that came is what is looked at then.
    if (status != STATUS_CORRUPT || !world->lying)
        desk_fail(world, CHECK_L4, "%s", failure.message);
    memset(world->desk->tick_body, 0, tick.body_size);
    return tick;
}

static u32 setup_fill(struct desk *desk, struct frame_command *entries, const u8 **bodies,
                      u32 *slots, u32 wanted)
{
    u32 count = 0;
    while (count < wanted && desk->setup_given < desk->setup_count) {
        const struct desk_command *command = &desk->setup[desk->setup_given++];
        bodies[count] = command->body;
        slots[count] = U32_MAX;
        entries[count++] = entry_of(command);
    }
    return count;
}

u32 desk_fill(struct world *world, struct frame_command *entries, const u8 **bodies, u32 *slots,
              u32 most, u64 *leap_ns)
{
    struct desk *desk = world->desk;
    const struct machine *machine = &world->node.machine;
    const bool is_due = tick_is_due(machine);
    const bool has_job = machine_next_tick(machine) == 0;
    u32 count = 0;
    u64 size = 0;
    *leap_ns = 0;
    // Another writer has taken over, or a copy of the folder is served: gateways must learn of it.
    if (world->job_count == 0 && random_below(&desk->random, 25) == 0) {
        world->node.wal.tail.epoch++;
        world->counts[WORLD_EPOCHS]++;
        if (random_chance(&desk->random, 25)) {
            world->node.wal.tail.log_id = random_u128(&desk->random);
            world->counts[WORLD_COPIES]++;
        }
    }
    const bool is_held_up = commit_holds_up(machine);
    const bool advances = has_job && random_chance(&desk->random, 60);
    if (is_due || desk->leaps || advances || is_held_up) {
        bool is_alone = false;
        *leap_ns = desk->leaps && !is_due ? DESK_LEAP_S * NS_PER_S : 0;
        slots[count] = U32_MAX;
        bodies[count] = desk->tick_body;
        entries[count++] = tick_make(world, &is_alone);
        world->counts[WORLD_TICKS]++;
        if (*leap_ns > 0) desk->leaps = false;
        if (is_due || *leap_ns > 0 || is_alone || is_held_up || desk->gives_one) return count;
    }
    const bool is_large = random_chance(&desk->random, 10);
    u32 wanted = 1 + (u32)random_below(&desk->random, is_large ? most - 2 : 4);
    if (desk->gives_one) wanted = 1;
    else if (random_chance(&desk->random, 5)) wanted = 0;
    if (desk->setup_done < desk->setup_count) {
        return count + setup_fill(desk, entries + count, bodies + count, slots + count, wanted);
    }
    while (wanted-- > 0 && size < MIB && !desk->leaps) {
        struct sent *sent = sent_next(world);
        if (sent == NULL) break;
        sent->is_flying = true;
        bodies[count] = sent->command.body;
        slots[count] = (u32)(sent - desk->sent);
        entries[count++] = entry_of(&sent->command);
        size += sent->command.size;
    }
    return count;
}

// --- replies -------------------------------------------------------------------------------------

const struct answered *desk_answered(const struct desk *desk, u128 id)
{
    for (u32 i = desk->answered_count; i-- > 0;) {
        if (desk->answered[i].command.id == id) return &desk->answered[i];
    }
    return NULL;
}

static void answered_keep(struct desk *desk, const struct desk_command *command,
                          const struct applied_command *applied)
{
    if (desk->answered_count == desk->answered_room) {
        desk->answered_room = 2 * desk->answered_room + 256;
        desk->answered =
            must(realloc(desk->answered, desk->answered_room * sizeof *desk->answered));
    }
    struct answered *answered = &desk->answered[desk->answered_count++];
    *answered = (struct answered){.command = *command,
                                  .reply_size = applied->reply_size,
                                  .position = applied->position,
                                  .timestamp = applied->timestamp};
    answered->command.body = must(malloc(command->size + 1));
    answered->reply = must(malloc(applied->reply_size + 1));
    memcpy(answered->command.body, command->body, command->size);
    memcpy(answered->reply, applied->reply, applied->reply_size);
}

static bool command_equal(const struct desk_command *a, const struct desk_command *b)
{
    return a->record == b->record && a->size == b->size && a->principal == b->principal &&
           memcmp(a->body, b->body, a->size) == 0;
}

static struct desk_tally *tally_of(struct desk *desk, u32 record)
{
    for (u32 i = 0; i < desk->tally_count; i++) {
        if (desk->tallies[i].record == record) return &desk->tallies[i];
    }
    assert(desk->tally_count < DESK_RECORDS_MAX);
    desk->tallies[desk->tally_count] = (struct desk_tally){.record = record};
    return &desk->tallies[desk->tally_count++];
}

static void tally_count(struct desk *desk, const struct desk_command *command,
                        const struct desk_expected *expected)
{
    struct desk_tally *tally = tally_of(desk, command->record);
    const u32 done = expected->is_raw ? (u32)CREATE_ACCOUNT_CREATED : (u32)MODULE_DONE;
    for (u32 i = 0; i < expected->count; i++) {
        if (expected->replies[i].result == done) tally->applied++;
        else tally->refused++;
    }
}

static struct command_reply reply_at(const u8 *replies, u32 i)
{
    struct command_reply reply;
    memcpy(&reply, replies + i * sizeof reply, sizeof reply);
    return reply;
}

// When a record was carried out, for a refusal that tells it: one of an earlier command, or of this
// one.
static u64 done_at(struct world *world, const struct desk_command *command,
                   const struct applied_command *applied, const struct book_reply *expected)
{
    const struct answered *before = desk_answered(world->desk, expected->then_command);
    if (before != NULL) return reply_at(before->reply, expected->then_record).timestamp;
    if (expected->then_command != command->id) {
        desk_fail(world, CHECK_REPLIES, "a record exists that no command made");
    }
    return reply_at(applied->reply, expected->then_record).timestamp;
}

static void reply_check(struct world *world, const struct desk_command *command, u32 i,
                        const struct applied_command *applied, struct book_reply *expected,
                        bool is_silent)
{
    struct desk *desk = world->desk;
    const struct command_reply reply = reply_at(applied->reply, i);
    if (expected->is_then) expected->evidence[1] = done_at(world, command, applied, expected);
    if (reply.position != world->oracle.position || reply.timestamp <= desk->timestamp) {
        desk_fail(world, CHECK_REPLIES, "record %u of a %x at another position or time", i,
                  command->record);
    }
    desk->timestamp = reply.timestamp;
    if (reply.result != MODULE_DONE && reply.result == expected->result) {
        desk_check_refusal(world, command, i, &reply, expected, is_silent);
    }
    if (reply.result == expected->result && reply.posting == expected->posting &&
        reply.posting_result == expected->posting_result && reply.reserved == 0) {
        return;
    }
    desk_fail(world, CHECK_REPLIES,
              "record %u of a %x of principal %llu: result %u, posting %u (%u); the model says "
              "%u, %u (%u)",
              i, command->record, (unsigned long long)command->principal, reply.result,
              reply.posting, reply.posting_result, expected->result, expected->posting,
              expected->posting_result);
}

static void replies_check(struct world *world, const struct desk_command *command,
                          const struct applied_command *applied, struct desk_expected *expected)
{
    const u32 size = expected->is_raw ? sizeof(struct create_result) : sizeof(struct command_reply);
    if (applied->reply_size != expected->count * size) {
        desk_fail(world, CHECK_REPLIES, "a %x has %u bytes of replies, must have %u of %u",
                  command->record, applied->reply_size, expected->count, size);
    }
    world->desk->checks[CHECK_REPLIES]++;
    for (u32 i = 0; i < expected->count; i++) {
        if (!expected->is_raw) {
            reply_check(world, command, i, applied, &expected->replies[i], expected->is_silent);
            continue;
        }
        struct create_result result;
        memcpy(&result, applied->reply + i * sizeof result, sizeof result);
        if (result.status == expected->replies[i].result) continue;
        desk_fail(world, CHECK_REPLIES, "raw event %u: result %u, the model says %u", i,
                  result.status, expected->replies[i].result);
    }
}

// A command that was given before has the whole reply of then; with other bytes it is refused.
static void repeat_check(struct world *world, const struct desk_command *command,
                         const struct answered *before, const struct applied_command *applied)
{
    struct desk *desk = world->desk;
    desk->checks[CHECK_L3]++;
    tally_of(desk, command->record)->repeated++;
    if (command_equal(&before->command, command)) {
        world->counts[WORLD_REPLIED_AGAIN]++;
        if (before->reply_size == applied->reply_size &&
            memcmp(before->reply, applied->reply, before->reply_size) == 0) {
            return;
        }
        desk_fail(world, CHECK_L3, "a %x given again has another reply than before",
                  command->record);
    }
    const struct command_reply reply = reply_at(applied->reply, 0);
    if (applied->reply_size == sizeof reply && reply.result == MODULE_REUSED) return;
    desk_fail(world, CHECK_L3, "a %x with the id of another command is not refused",
              command->record);
}

// --- frames --------------------------------------------------------------------------------------

static void sent_end(struct desk *desk, u32 slot, bool is_answered)
{
    if (slot == U32_MAX) return;
    struct sent *sent = &desk->sent[slot];
    sent->is_flying = false;
    // Who got no answer asks again, mostly.
    if (!is_answered && random_chance(&desk->random, 70)) return;
    free(sent->command.body);
    sent->is_used = false;
}

static bool is_overridden(const struct oracle *oracle)
{
    for (u32 i = 0; i < oracle->override_count; i++) {
        if (oracle->overrides[i] == oracle->position) return true;
    }
    return false;
}

// A command of the beginning: all of it must have been done.
static void setup_note(struct world *world, const struct desk_expected *expected)
{
    const u32 done = expected->is_raw ? (u32)CREATE_ACCOUNT_CREATED : (u32)MODULE_DONE;
    for (u32 i = 0; i < expected->count; i++) {
        if (expected->replies[i].result == done) continue;
        desk_fail(world, CHECK_REPLIES, "command %u of the beginning is refused with %u",
                  world->desk->setup_done, expected->replies[i].result);
    }
    world->desk->setup_done++;
}

static void command_acknowledge(struct world *world, const struct world_job *job, u32 i, u64 now)
{
    struct desk *desk = world->desk;
    const struct frame_command *entry = &job->view.commands[i];
    const struct applied_command *applied = &job->applied->commands[i];
    // The bodies of a frame are in the memory of its job, and are only read.
    const struct desk_command command = {.id = entry->command_id,
                                         .principal = entry->principal,
                                         .delegate = entry->session,
                                         .expires_at = entry->expires_at,
                                         .count = entry->count,
                                         .size = entry->body_size,
                                         .record = entry->record,
                                         .body = job->memory + entry->body_offset};
    assert(job->decided && applied->result == COMMAND_DONE);
    const struct answered *before = desk_answered(desk, command.id);
    if (before != NULL) {
        repeat_check(world, &command, before, applied);
        return;
    }
    struct desk_expected expected = {0};
    desk_lanes_expect(world, &command, now, &expected);
    replies_check(world, &command, applied, &expected);
    desk_note_owner(desk, &command, &expected);
    tally_count(desk, &command, &expected);
    world->counts[WORLD_EVENTS] += expected.count;
    answered_keep(desk, &command, applied);
    if (desk->setup_done < desk->setup_count) setup_note(world, &expected);
}

// Time has leapt when a frame, or an order behind it, lies far behind the last one.
static void time_note(struct desk *desk, u64 timestamp)
{
    assert(timestamp > desk->time);
    desk->has_leapt |= timestamp - desk->time >= NS_PER_S && !desk->book_random.never_expires;
    desk->time = timestamp;
}

void desk_acknowledge(struct world *world, const struct world_job *job, bool is_answered)
{
    struct desk *desk = world->desk;
    struct oracle *oracle = &world->oracle;
    const struct frame_header *header = job->view.header;
    oracle_frame_begin(oracle, header);
    desk->effects.epoch = header->epoch;
    desk->effects.log_id = (u64)header->log_id;
    time_note(desk, header->timestamp);
    for (u32 i = 0; i < header->command_count; i++) {
        oracle->position++;
        desk_check_rows(world, job, i);
        if (is_overridden(oracle)) {
            assert(header->command_count == 1);
            sent_end(desk, job->clients[i], false);
            continue;
        }
        const struct applied_command *applied = job->applied->commands;
        const u64 now = i == 0 ? header->timestamp : applied[i - 1].timestamp + 1;
        if (applied[i].position != oracle->position) {
            desk_fail(world, CHECK_REPLIES, "a command at another position");
        }
        if (job->view.commands[i].record == COMMAND_TICK) {
            const struct frame_command *tick = &job->view.commands[i];
            desk_import_carried(world, job->memory + tick->body_offset, tick->body_size,
                                tick->principal);
            desk_lanes_tick(world, now);
        } else {
            command_acknowledge(world, job, i, now);
            sent_end(desk, job->clients[i], is_answered);
        }
        desk->time = MAX(desk->time, applied[i].timestamp);
    }
}

void desk_return(struct world *world)
{
    struct desk *desk = world->desk;
    if (world->node.machine.timestamp > desk->time) {
        time_note(desk, world->node.machine.timestamp); // An owner's order came behind.
    }
    world->events.now = world->node.machine.timestamp;
    desk->setup_given = desk->setup_done;
    for (u32 i = 0; i < DESK_SENT_MAX; i++) {
        struct sent *sent = &desk->sent[i];
        if (!sent->is_used || !sent->is_flying) continue;
        sent->is_flying = false;
        if (random_chance(&desk->random, 85)) continue;
        free(sent->command.body); // Its client has gone.
        sent->is_used = false;
    }
}

// --- after each frame ----------------------------------------------------------------------------

void desk_follow(struct world *world)
{
    struct desk *desk = world->desk;
    struct digest state;
    struct failure failure;
    if (world->lying) return;
    desk_check_machine(world, &world->node.machine);
    const struct disk_memory_faults faults = world->disk.faults;
    world->disk.faults = (struct disk_memory_faults){0};
    const enum status status =
        follower_follow(&desk->follower, &world->node.wal, world->oracle.sequence,
                        world->oracle.overrides, world->oracle.override_count, &failure);
    world->disk.faults = faults;
    desk->checks[CHECK_L4]++;
    if (status != STATUS_OK) desk_fail(world, CHECK_L4, "%s", failure.message);
    desk->checks[CHECK_L6]++;
    machine_state_digest(&desk->follower.node.machine, &state);
    if (memcmp(&state, &world->state_durable, sizeof state) != 0) {
        desk_fail(world, CHECK_L6, "a machine that follows the log has another state");
    }
    desk_lanes_compare(world, &desk->follower.node, random_chance(&desk->random, 3), true);
    desk_lanes_remember(world);
}

void desk_compare(struct world *world, bool is_whole)
{
    desk_check_machine(world, &world->desk->node->machine);
    desk_lanes_compare(world, world->desk->node, is_whole, true);
    desk_lanes_remember(world);
}

void desk_check_all(struct world *world)
{
    machine_check(&world->desk->node->machine);
    desk_check_machine(world, &world->desk->node->machine);
    desk_lanes_compare(world, world->desk->node, true, !world->lying);
    world->counts[WORLD_QUESTIONS]++;
    if (world->lying) return;
    const u32 rate = world->disk.faults.read_error_rate;
    world->disk.faults.read_error_rate = 0;
    desk_changes_compare(world, world->desk->node);
    world->disk.faults.read_error_rate = rate;
}
