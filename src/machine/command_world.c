// SPDX-License-Identifier: Apache-2.0
//
// Making frames as the pipeline does, and starting again.
#include "machine/command_world.h"

#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define CLIENT 99u // The raw client.

void command_world_must(enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "%s\n", failure->message);
    abort();
}

// --- starting ------------------------------------------------------------------------------------

struct genesis command_world_genesis(void)
{
    return (struct genesis){
        .hash_key = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb,
                     0xd6e8feb86659fd93},
        .created_at = 1000,
        .accounts_max = 4096,
        .holds_max = 4096,
        .flags = GENESIS_SAMPLE,
    };
}

static void *space(u64 size)
{
    struct failure failure;
    void *memory = NULL;
    command_world_must(memory_reserve(size, false, &memory, &failure), &failure);
    return memory;
}

void command_world_init(struct command_world *world, const struct genesis *genesis)
{
    memset(world, 0, sizeof *world);
    disk_memory_init(&world->disk, 1);
    world->genesis = *genesis;
    world->head = space(COMMAND_WORLD_SPACE);
    world->pack = space(COMMAND_WORLD_SPACE);
    world->reply = space(COMMAND_WORLD_COMMANDS_MAX * COMMAND_WORLD_SPACE);
    node_ask_init(&world->ask, &world->node);
    world->views = world->ask.views;
    world->tick = space(COMMIT_TICK_SIZE_MAX);
    world->resolved = space(LEDGER_EVENTS_MAX * sizeof(struct transfer));
    world->applied.resolved.items = world->resolved;
    world->timestamp = 1000000;
    world->principal = 5;
    command_world_open(world);
}

void command_world_free(struct command_world *world)
{
    command_world_close(world);
    disk_memory_free(&world->disk);
    memory_release(world->head, COMMAND_WORLD_SPACE);
    memory_release(world->pack, COMMAND_WORLD_SPACE);
    memory_release(world->reply, COMMAND_WORLD_COMMANDS_MAX * COMMAND_WORLD_SPACE);
    node_ask_free(&world->ask);
    memory_release(world->tick, COMMIT_TICK_SIZE_MAX);
    memory_release(world->resolved, LEDGER_EVENTS_MAX * sizeof(struct transfer));
}

void command_world_open(struct command_world *world)
{
    struct recovery_report report;
    struct failure failure;
    assert(world->node.disk == NULL);
    command_world_must(
        node_open(&world->node, &world->disk.disk, &world->genesis, 7, NULL, &report, &failure),
        &failure);
}

void command_world_close(struct command_world *world)
{
    if (world->node.disk == NULL) return;
    node_free(&world->node);
    memset(&world->node, 0, sizeof world->node);
}

bool command_world_restart(struct command_world *world)
{
    struct digest before;
    struct digest after;
    machine_state_digest(&world->node.machine, &before);
    command_world_close(world);
    command_world_open(world);
    machine_check(&world->node.machine);
    machine_state_digest(&world->node.machine, &after);
    return memcmp(&before, &after, sizeof before) == 0;
}

bool command_world_restart_from_checkpoint(struct command_world *world)
{
    const u32 flags = world->frame_flags;
    struct node *node = &world->node;
    struct failure failure;
    world->frame_flags |= FRAME_ROTATE;
    command_world_slice(world);
    world->frame_flags = flags;
    command_world_must(node_seal_all(node, &failure), &failure);
    checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
    command_world_must(checkpoint_write(&node->checkpoint, &node->machine, &node->indexer.outcomes,
                                        NULL, &failure),
                       &failure);
    checkpoint_end(&node->checkpoint);
    const bool same = command_world_restart(world);
    assert(node->checkpoint_place == node->wal.tail.place); // Nothing was replayed.
    return same;
}

// --- commands ------------------------------------------------------------------------------------

// Puts the bodies into the pack, each from a page's beginning on. Returns their size.
static u64 bodies_pack(struct command_world *world, struct frame_command *commands,
                       const void *const *bodies, u32 count, const u8 **packed)
{
    const u64 head_size = frame_head_size(count);
    u64 size = 0;
    for (u32 i = 0; i < count; i++) {
        const u64 padded = align_up(commands[i].body_size, PAGE_SIZE);
        assert(size + padded <= COMMAND_WORLD_SPACE);
        memset(world->pack + size, 0, padded);
        memcpy(world->pack + size, bodies[i], commands[i].body_size);
        commands[i].body_offset = (u32)(head_size + size);
        packed[i] = world->pack + size;
        size += padded;
    }
    return size;
}

void command_world_frame_of(struct command_world *world, const struct frame_command *entries,
                            const void *const *bodies, u32 count)
{
    struct node *node = &world->node;
    struct frame_header *header = (void *)world->head;
    struct frame_command *commands = (void *)(world->head + sizeof *header);
    const u8 *packed[COMMAND_WORLD_COMMANDS_MAX];
    const u64 head_size = frame_head_size(count);
    assert(count > 0 && count <= COMMAND_WORLD_COMMANDS_MAX);
    memset(world->head, 0, head_size);
    memcpy(commands, entries, count * sizeof *commands);
    const u64 pack_size = bodies_pack(world, commands, bodies, count, packed);
    world->timestamp = MAX(world->timestamp + 1000, node->machine.timestamp + 1);
    header->sequence = node->wal.tail.sequence;
    header->position = node->machine.position + 1;
    header->timestamp = world->timestamp;
    header->command_count = count;
    header->flags = world->frame_flags;
    header->place = wal_place(node->wal.tail.place, head_size + pack_size);
    header->outcome_sequence = node->indexer.sequence;
    header->outcome_root = *machine_indexer_root(&node->indexer, node->indexer.sequence);
    struct wal_frame frame = {.head = world->head,
                              .head_size = head_size,
                              .parts = {{.data = world->pack, .size = pack_size}},
                              .part_count = 1};
    struct failure failure;
    command_world_must(wal_append(&node->wal, &frame, &failure), &failure);
    request_source_durable(&node->source, node->wal.tail.place);
    const struct frame_view view = {.header = header, .commands = commands, .bodies = packed};
    for (u32 i = 0; i < count; i++) {
        world->applied.commands[i].reply = world->reply + i * COMMAND_WORLD_SPACE;
    }
    command_world_must(machine_apply(&node->machine, &view, &world->applied, &failure), &failure);
    machine_index(&node->machine, &node->indexer, &view, &world->applied);
    machine_check(&node->machine);
}

void command_world_frame(struct command_world *world, const struct frame_command *entry,
                         const void *body)
{
    command_world_frame_of(world, entry, &body, 1);
}

void command_world_tick(struct command_world *world, u64 seconds)
{
    world->timestamp += seconds * 1000000000ull;
    command_world_slice(world);
}

void command_world_slice(struct command_world *world)
{
    struct machine *machine = &world->node.machine;
    struct failure failure;
    bool alone = false; // It always is, here.
    const struct frame_command tick = commit_tick(machine, &alone);
    command_world_must(commit_tick_body(machine, world->tick, &failure), &failure);
    command_world_frame(world, &tick, world->tick);
}

u32 command_world_run(struct command_world *world, u128 command_id, u16 record, const void *body,
                      u32 size, u32 count)
{
    const struct frame_command entry = {
        .record = record,
        .version = 1,
        .body_size = size,
        .count = count,
        .command_id = command_id,
        .principal = world->principal,
        .through = world->delegate != 0 ? COMMAND_THROUGH_DELEGATE : COMMAND_THROUGH_NOTHING,
        .session = world->delegate,
        .expires_at = world->expires_at,
    };
    command_world_frame(world, &entry, body);
    return command_world_reply_count(world, 0);
}

u32 command_world_reply_count(const struct command_world *world, u32 index)
{
    const u32 size = world->applied.commands[index].reply_size;
    assert(size % sizeof(struct command_reply) == 0);
    return size / (u32)sizeof(struct command_reply);
}

struct command_reply command_world_reply_of(const struct command_world *world, u32 index, u32 i)
{
    struct command_reply reply;
    assert(i < command_world_reply_count(world, index));
    memcpy(&reply, world->reply + index * COMMAND_WORLD_SPACE + i * sizeof reply, sizeof reply);
    return reply;
}

struct command_reply command_world_reply(const struct command_world *world, u32 i)
{
    return command_world_reply_of(world, 0, i);
}

static void session_begin(struct command_world *world)
{
    const struct frame_command session = {
        .record = COMMAND_REGISTER,
        .version = 1,
        .command_id = CLIENT,
        .operation = COMPAT_OPERATION_REGISTER,
    };
    command_world_frame(world, &session, "");
    world->session = world->node.machine.position;
}

void command_world_create(struct command_world *world, enum compat_operation_number operation,
                          const void *events, u32 count, struct create_result *results)
{
    assert(operation == COMPAT_CREATE_ACCOUNTS || operation == COMPAT_CREATE_TRANSFERS);
    assert(count > 0 && count <= LEDGER_BATCH_EVENTS_MAX);
    static_assert(sizeof(struct account) == sizeof(struct transfer), "events are of one size");
    if (world->session == 0) session_begin(world);
    const u32 size = count * (u32)sizeof(struct account);
    const u16 counts[1] = {(u16)count};
    u8 *body = malloc(size + sizeof(struct account));
    assert(body != NULL);
    memcpy(body, events, size);
    const struct frame_command create = {
        .record = COMMAND_COMPAT,
        .version = 1,
        .body_size = compat_trailer_write(body, size, sizeof(struct account), counts, 1),
        .operation = COMPAT_OPERATION_BASE + (u32)operation,
        .command_id = CLIENT,
        .session = world->session,
        .request = ++world->request,
    };
    command_world_frame(world, &create, body);
    free(body);
    assert(world->applied.commands[0].result == COMMAND_DONE);
    assert(world->applied.commands[0].reply_size >= count * sizeof *results);
    memcpy(results, world->reply, count * sizeof *results);
}
