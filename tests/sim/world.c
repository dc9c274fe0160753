// SPDX-License-Identifier: Apache-2.0
//
// The world: clients, frames, upkeep, crashes.
#include "batch.h"
#include "must.h"
#include "world_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const count_names[] = {
    [WORLD_FRAMES] = "frames",
    [WORLD_COMMANDS] = "commands",
    [WORLD_EVENTS] = "events",
    [WORLD_SEAL_FRAMES] = "seal-frames",
    [WORLD_TICKS] = "ticks",
    [WORLD_QUESTIONS] = "questions",
    [WORLD_ROTATED] = "rotated",
    [WORLD_SEALED] = "sealed",
    [WORLD_MERGED] = "merged",
    [WORLD_SPARES_REMOVED] = "spares-removed",
    [WORLD_SET_ASIDE] = "set-aside-at-start",
    [WORLD_CHECKPOINTS] = "checkpoints",
    [WORLD_RESTARTS] = "restarts",
    [WORLD_CRASHES] = "crashes",
    [WORLD_CRASHES_IN_RECOVERY] = "crashes-in-recovery",
    [WORLD_RECOVERED_FROM_CHECKPOINT] = "recovered-from-checkpoint",
    [WORLD_TORN] = "torn-tails",
    [WORLD_FRAME_KEPT] = "frame-in-flight-kept",
    [WORLD_FRAME_LOST] = "frame-in-flight-lost",
    [WORLD_REPLIED_AGAIN] = "replied-again",
    [WORLD_RETRIED] = "retried",
    [WORLD_FULL] = "full",
    [WORLD_ENVIRONMENT_FAILED] = "environment-failed",
    [WORLD_ROT_NAMED] = "rot-named",
    [WORLD_ROT_HARMLESS] = "rot-harmless",
    [WORLD_POISONED] = "poisoned",
    [WORLD_OVERRIDDEN] = "overridden",
    [WORLD_VERIFIED] = "verified",
    [WORLD_BACKUPS] = "backups",
    [WORLD_BACKUPS_ENDED] = "backups-ended",
    [WORLD_RESTORED] = "restored",
    [WORLD_EPOCHS] = "epochs",
    [WORLD_COPIES] = "copies-served",
    [WORLD_IMPORTED] = "rows-imported",
    [WORLD_JOBS_ENDED] = "jobs-ended-with-principal",
    [WORLD_LIES] = "lies",
    [WORLD_LIES_MET] = "lies-met-at-work",
    [WORLD_LIES_NAMED] = "lies-named-by-verify",
    [WORLD_LIES_REFUSED] = "lies-refused-at-start",
    [WORLD_LIES_CUT] = "lies-cut-as-torn-tail",
    [WORLD_LIES_HARMLESS] = "lies-harmless",
    [WORLD_QUESTIONS_REFUSED] = "questions-refused",
    [WORLD_PROVED] = "proved",
};
static_assert(ARRAY_COUNT(count_names) == WORLD_COUNT_KINDS, "each count has a name");

const char *world_count_name(enum world_count kind)
{
    return count_names[kind];
}

// --- trace ---------------------------------------------------------------------------------------

void world_note(struct world *world, const char *format, ...)
{
    char *line = world->trace[world->trace_count++ % WORLD_TRACE_LINES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof world->trace[0], format, arguments);
    va_end(arguments);
    if (world->verbose) {
        fprintf(stderr, "%llu %s\n", (unsigned long long)world->steps, line);
    }
}

void world_report(const struct world *world, FILE *out)
{
    fprintf(out, "seed %llu, step %llu; the last that happened:\n", (unsigned long long)world->seed,
            (unsigned long long)world->steps);
    u64 first = world->trace_count > WORLD_TRACE_LINES ? world->trace_count - WORLD_TRACE_LINES : 0;
    for (u64 i = first; i < world->trace_count; i++) {
        fprintf(out, "  %s\n", world->trace[i % WORLD_TRACE_LINES]);
    }
}

void world_fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED at step %llu: ", (unsigned long long)world->steps);
    (void)vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

// --- life ----------------------------------------------------------------------------------------

static void check_nothing(void *context)
{
    (void)context;
}

void world_init(struct world *world, const struct world_options *options)
{
    memset(world, 0, sizeof *world);
    world->seed = options->seed;
    world->verbose = options->verbose;
    world->bug = options->bug;
    random_init(&world->random, options->seed);
    disk_memory_init(&world->disk, random_u64(&world->random));
    plant_disk(world->bug, &world->disk.disk);
    disk_memory_init(&world->vault, options->seed);
    struct ledger_random_config config = ledger_random_config_default();
    config.timestamp_start = 1000 * NS_PER_S;
    config.question_percent = 20;
    config.accounts_window = (u32)(6 + below(world, 30));
    config.batch_max = (u32)(1 + below(world, LEDGER_RANDOM_BATCH_MAX));
    ledger_random_init(&world->events, random_u64(&world->random), config);
    world->genesis = (struct genesis){
        .cluster = 7,
        .created_at = 999 * NS_PER_S,
        .accounts_max = 1u << 14,
        .holds_max = 1u << 16,
        .flags = options->is_of_modules ? GENESIS_SAMPLE : 0,
    };
    for (u32 i = 0; i < 4; i++) world->genesis.hash_key[i] = random_u64(&world->random);
    world->client_count = chance(world, 25) ? WORLD_CLIENTS_MAX : (u32)(1 + below(world, 12));
    for (u32 i = 0; i < world->client_count; i++) world->clients[i].id = i + 1;
    world->step = must(malloc(sizeof *world->step));
    for (u32 i = 0; i < 2; i++) world->replies[i] = must(malloc(sizeof *world->replies[i]));
    for (u32 i = 0; i < WORLD_JOBS_MAX; i++) {
        world->resolved[i] = must(malloc(LEDGER_EVENTS_MAX * sizeof(struct transfer)));
        world->jobs[i].applied = must(calloc(1, sizeof(struct applied_frame)));
    }
    struct failure failure;
    if (history_query_new(&world->ask.query, &failure) != STATUS_OK) abort();
    world->executor = (struct ledger_executor){.name = "node", .context = &world->ask};
    ledger_ask_fill(&world->executor);
    world->executor.check = check_nothing;
    oracle_init(&world->oracle);
    world->model_executor = ledger_model_executor(world->oracle.model);
    // The genesis frame is the oracle's too; what the state is after it, only the machine knows.
    world->oracle.position = 1;
    world->oracle.timestamp = world->genesis.created_at;
    world->disk.faults = (struct disk_memory_faults){0};
    struct recovery_report report;
    enum status status = node_open(&world->node, &world->disk.disk, &world->genesis,
                                   world_log_id(world), NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "a new log: %s", failure.message);
    machine_state_digest(&world->node.machine, &world->state_durable);
    world->open = true;
    node_free(&world->node);
    if (options->is_of_modules) desk_init(world);
    if (below(world, 3) > 0) {
        world->disk.faults.write_error_rate = 600;
        world->disk.faults.sync_error_rate = 4000;
        world->disk.faults.read_error_rate = 30;
    }
    world_recover(world);
}

void world_job_free(struct world_job *job)
{
    for (u32 i = 0; job->view.header != NULL && i < job->view.header->command_count; i++) {
        free(job->applied->commands[i].reply);
    }
    free(job->memory);
    struct applied_frame *applied = job->applied;
    *job = (struct world_job){.applied = applied};
}

void world_jobs_forget(struct world *world)
{
    while (world->job_count > 0) {
        world_job_free(&world->jobs[world->job_first]);
        world->job_first = (world->job_first + 1) % WORLD_JOBS_MAX;
        world->job_count--;
    }
}

void world_free(struct world *world)
{
    if (world->open) node_free(&world->node);
    if (world->desk != NULL) desk_free(world);
    for (u32 i = 0; i < WORLD_JOBS_MAX; i++) {
        world_job_free(&world->jobs[i]);
        free(world->jobs[i].applied);
        free(world->resolved[i]);
    }
    for (u32 i = 0; i < world->client_count; i++) free(world->clients[i].body);
    free(world->step);
    free(world->replies[0]);
    free(world->replies[1]);
    history_query_free(world->ask.query);
    oracle_free(&world->oracle);
    disk_memory_free(&world->disk);
    disk_memory_free(&world->vault);
    free(world->states);
}

void world_digest(struct world *world, struct digest *out)
{
    machine_state_digest(&world->node.machine, out);
}

// --- crashes -------------------------------------------------------------------------------------

// The process is gone, with the machine it ran on or not; then it starts again.
static void die(struct world *world, enum disk_memory_crash how)
{
    world_note(world, "dies (%d) at operation %llu", how,
               (unsigned long long)disk_memory_operations(&world->disk));
    node_free(&world->node);
    world->open = false;
    world->disk.faults.crash_at = 0;
    disk_memory_crash(&world->disk, how);
    world->counts[WORLD_CRASHES]++;
    world_recover(world);
}

// Handles the status of an operation. True: go on. False: it has died and recovered, or met what a
// lie of the disk left, or the disk is full (then `*full`, unless NULL).
static bool went(struct world *world, enum status status, const struct failure *failure, bool *full)
{
    if (status == STATUS_OK) return true;
    if (disk_memory_crashed(&world->disk)) {
        die(world, chance(world, 20) ? DISK_CRASH_LOSE_ALL : DISK_CRASH_EACH_PAGE);
        return false;
    }
    if (status == STATUS_FULL && full != NULL) {
        world->counts[WORLD_FULL]++;
        *full = true;
        return false;
    }
    if (status == STATUS_CORRUPT && world->lying) {
        world_note(world, "a lie is met: %s", failure->message);
        world->lie_met = true;
        return false;
    }
    if (status == STATUS_IO || status == STATUS_FULL) {
        world->counts[WORLD_ENVIRONMENT_FAILED]++;
        world_note(world, "the process ends: %s", failure->message);
        die(world, chance(world, 50) ? DISK_CRASH_KEEP_ALL : DISK_CRASH_EACH_PAGE);
        return false;
    }
    world_fail(world, "%s: %s", status_name(status), failure->message);
}

// --- clients -------------------------------------------------------------------------------------

// The body of a create.
static void request_make(struct world *world, struct world_client *client)
{
    struct batch batch;
    batch_make(&world->random, &world->events, world->step, &batch);
    client->operation = batch.operation;
    client->record = COMMAND_COMPAT;
    client->body = batch.body;
    client->body_size = batch.size;
    client->request++;
    world->counts[WORLD_EVENTS] += batch.count;
}

// What a client asks next; false when it waits.
static bool client_ask(struct world *world, struct world_client *client)
{
    if (client->retry) {
        client->retry = false;
        world->counts[WORLD_RETRIED]++;
        return true;
    }
    if (client->waiting) return false;
    free(client->body);
    client->body = NULL;
    client->body_size = 0;
    client->waiting = true;
    if (client->session == 0) {
        client->record = COMMAND_REGISTER;
        client->operation = COMPAT_OPERATION_REGISTER;
        client->request = 0;
        client->displaces =
            chance(world, 50) ? world->clients[below(world, world->client_count)].session : 0;
    } else {
        request_make(world, client);
    }
    return true;
}

// --- frames --------------------------------------------------------------------------------------

static struct frame_command entry_of(const struct world_client *client)
{
    return (struct frame_command){
        .record = client->record,
        .version = 1,
        .body_size = client->body_size,
        .operation = client->operation,
        .session = client->record == COMMAND_REGISTER ? client->displaces : client->session,
        .command_id = client->id,
        .request = client->request,
    };
}

static u64 body_space(u32 size)
{
    return align_up(size, FRAME_BODY_ALIGNMENT);
}

// Lays the commands out in one block of memory, as they will lie in the log.
static void job_layout(struct world_job *job, const struct frame_command *entries,
                       const u8 *const *bodies, u32 count)
{
    job->head_size = frame_head_size(count);
    job->size = job->head_size;
    for (u32 i = 0; i < count; i++) job->size += body_space(entries[i].body_size);
    job->size = align_up(job->size, PAGE_SIZE);
    job->memory = must(aligned_alloc(PAGE_SIZE, job->size));
    memset(job->memory, 0, job->size);
    struct frame_command *commands = (void *)(job->memory + sizeof(struct frame_header));
    u64 offset = job->head_size;
    for (u32 i = 0; i < count; i++) {
        commands[i] = entries[i];
        job->bodies[i] = job->memory + offset;
        if (entries[i].body_size == 0) continue;
        commands[i].body_offset = (u32)offset;
        memcpy(job->memory + offset, bodies[i], entries[i].body_size);
        offset += body_space(entries[i].body_size);
    }
    job->view = (struct frame_view){
        .header = (const void *)job->memory, .commands = commands, .bodies = job->bodies};
}

// Gathers what clients ask. Returns how many commands.
static u32 job_fill(struct world *world, struct world_job *job, struct frame_command *entries,
                    const u8 **bodies)
{
    u32 count = 0;
    u64 size = 0;
    u32 wanted = (u32)(chance(world, 15) ? below(world, 40) : 1 + below(world, 3));
    if (ledger_next_expiry(&world->node.machine.ledger) <= world->events.now && chance(world, 80)) {
        job->clients[count] = U32_MAX;
        entries[count++] = (struct frame_command){.record = COMMAND_TICK, .version = 1};
        world->counts[WORLD_TICKS]++;
    }
    if (chance(world, 10)) wanted = 0;
    for (u32 tries = 0; count < wanted && tries < 2 * wanted && size < MIB; tries++) {
        u32 index = (u32)below(world, world->client_count);
        struct world_client *client = &world->clients[index];
        if (!client_ask(world, client)) continue;
        job->clients[count] = index;
        bodies[count] = client->body;
        entries[count++] = entry_of(client);
        size += client->body_size;
    }
    return count;
}

static void job_reply_buffers(struct world_job *job)
{
    for (u32 i = 0; i < job->view.header->command_count; i++) {
        const struct frame_command *command = &job->view.commands[i];
        size_t size = 64;
        if (command->record == COMMAND_COMPAT) {
            size += command->body_size + 4096; // A result is smaller than its event.
        } else if (command->record >= COMMAND_MODULES) {
            // A record may be as small as a sixteenth of its reply; what was given before has the
            // replies of then, whatever it says now of its count.
            size += 4 * ((size_t)command->body_size + command->count) + 4096;
        }
        job->applied->commands[i].reply = must(malloc(size));
    }
}

static void checkpoint_start(struct world *world, struct world_job *job)
{
    struct node *node = &world->node;
    const struct wal_tail tail = {
        .log_id = node->wal.tail.log_id,
        .epoch = node->wal.tail.epoch,
        .sequence = world->next_sequence,
        .place = world->next_place,
    };
    checkpoint_begin(&node->checkpoint, &node->machine, &tail);
    world->checkpoint_active = true;
    world->checkpoint_ready = false;
    job->checkpoint = true;
}

// Makes a frame of what clients ask.
struct world_job *world_job_make(struct world *world)
{
    struct machine *machine = &world->node.machine;
    u32 at = (world->job_first + world->job_count) % WORLD_JOBS_MAX;
    struct world_job *job = &world->jobs[at];
    struct frame_command entries[64];
    const u8 *bodies[ARRAY_COUNT(entries)];
    u64 leap_ns = 0;
    u32 count = world->desk == NULL ? job_fill(world, job, entries, bodies)
                                    : desk_fill(world, entries, bodies, job->clients, 40, &leap_ns);
    job_layout(job, entries, bodies, count);
    u32 flags = count == 0 ? FRAME_SEAL : 0;
    bool rotate = chance(world, 8) || history_active_full(&machine->history);
    if (rotate && history_can_rotate(&machine->history)) flags |= FRAME_ROTATE;
    struct frame_header *header = (void *)job->memory;
    header->log_id = world->node.wal.tail.log_id;
    header->epoch = world->node.wal.tail.epoch;
    header->position = machine->position + 1;
    const u64 next = machine->timestamp + (world->desk == NULL ? 1 : DESK_FRAME_NS);
    header->timestamp = MAX(world->events.now, next) + leap_ns;
    header->command_count = count;
    header->flags = flags;
    header->sequence = world->next_sequence;
    header->place = wal_place(world->next_place, job->size);
    const struct request_frame request = {
        .place = header->place,
        .size = job->size,
        .parts = {{.data = job->memory, .size = job->size}},
        .part_count = 1,
    };
    request_source_add(&world->node.source, &request);
    world->next_sequence++;
    world->next_place = header->place + job->size;
    world->job_count++;
    job_reply_buffers(job);
    job->applied->resolved.items = world->resolved[at];
    world->counts[WORLD_FRAMES]++;
    world->counts[WORLD_COMMANDS] += count;
    world->counts[WORLD_SEAL_FRAMES] += count == 0;
    return job;
}

// Decides a frame. False when that cannot be.
bool world_job_decide(struct world *world, struct world_job *job)
{
    struct machine *machine = &world->node.machine;
    const struct frame_header *header = job->view.header;
    struct frame_command *commands = (void *)(job->memory + sizeof *header);
    struct failure failure;
    plant_before(world->bug, commands, header->command_count);
    enum status status = machine_apply(machine, &job->view, job->applied, &failure);
    if (!went(world, status, &failure, NULL)) return false;
    plant_after(world->bug, machine, commands, header->command_count, job->applied);
    plant_started(world->bug, machine, world->counts[WORLD_CRASHES]);
    machine_state_digest(machine, &job->state);
    job->decided = true;
    world->events.now = MAX(world->events.now, machine->timestamp);
    world->counts[WORLD_ROTATED] += job->applied->rotated;
    bool checkpoint =
        (header->flags & FRAME_ROTATE) && !world->checkpoint_active && chance(world, 50);
    if (checkpoint) checkpoint_start(world, job);
    world_note(world, "frame %llu: %u commands, state %08x, rows %llu to %llu%s%s",
               (unsigned long long)header->sequence, header->command_count,
               load_u32(job->state.bytes), (unsigned long long)job->applied->first_row,
               (unsigned long long)job->applied->end_row, job->applied->rotated ? ", rotated" : "",
               checkpoint ? ", checkpoint begun" : "");
    return true;
}

static struct world_job *job_at(struct world *world, u32 index)
{
    return &world->jobs[(world->job_first + index) % WORLD_JOBS_MAX];
}

// Lets go of the frames at the front that are durable and indexed.
static void jobs_retire(struct world *world)
{
    while (world->job_count > 0) {
        struct world_job *job = job_at(world, 0);
        if (!job->durable || !job->indexed) break;
        if (job->applied->rotated) {
            assert(world->sealable_count < ARRAY_COUNT(world->sealable));
            world->sealable[world->sealable_count++] = job->applied->segment;
        }
        if (job->checkpoint) world->checkpoint_ready = true;
        world_job_free(job);
        world->job_first = (world->job_first + 1) % WORLD_JOBS_MAX;
        world->job_count--;
    }
}

// Indexes the next frame that is not. False when there is none.
static bool job_index_next(struct world *world)
{
    for (u32 i = 0; i < world->job_count; i++) {
        struct world_job *job = job_at(world, i);
        if (job->indexed) continue;
        machine_index(&world->node.machine, &world->node.indexer, &job->view, job->applied);
        job->indexed = true;
        if (job->checkpoint) world->checkpoint_outcomes = world->node.indexer.outcomes;
        jobs_retire(world);
        return true;
    }
    return false;
}

// Writes a frame, the next one. False when it died.
bool world_job_write(struct world *world, struct world_job *job)
{
    struct frame_header *header = (void *)job->memory;
    struct machine_indexer *indexer = &world->node.indexer;
    header->outcome_sequence = MIN(indexer->sequence, header->sequence);
    header->outcome_root = *machine_indexer_root(indexer, header->outcome_sequence);
    struct wal_frame frame = {
        .head = job->memory,
        .head_size = job->head_size,
        .parts = {{.data = job->memory + job->head_size, .size = job->size - job->head_size}},
        .part_count = job->size > job->head_size ? 1 : 0,
    };
    world->written = header->sequence;
    struct failure failure;
    enum status status = wal_append(&world->node.wal, &frame, &failure);
    return went(world, status, &failure, NULL);
}

// Writes the next frame that is not durable, and answers it. False when it died.
static bool write_next(struct world *world)
{
    struct world_job *job = NULL;
    for (u32 i = 0; i < world->job_count && job == NULL; i++) {
        if (!job_at(world, i)->durable) job = job_at(world, i);
    }
    if (job == NULL) return true;
    const bool is_skipped = world->bug == PLANT_UNWRITTEN && chance(world, 5);
    if (!is_skipped && !world_job_write(world, job)) return false;
    job->durable = true;
    request_source_durable(&world->node.source, job->view.header->place + job->size);
    if (job->checkpoint) world->node.checkpoint.head.tail.previous = world->node.wal.tail.previous;
    world_acknowledge(world, job, true);
    if (world->desk != NULL) desk_follow(world);
    jobs_retire(world);
    return true;
}

// Brings every frame to rest. False when it died.
bool world_flush(struct world *world)
{
    while (world->job_count > 0) {
        if (chance(world, 50) && job_index_next(world)) continue;
        u32 before = world->job_count;
        if (!write_next(world)) return false;
        if (world->job_count == before) (void)job_index_next(world);
    }
    return true;
}

// --- upkeep --------------------------------------------------------------------------------------

// Seals the oldest segment that waits. False when it died or the disk is full.
static bool seal_next(struct world *world)
{
    struct failure failure;
    bool full = false;
    if (world->sealable_count == 0) return true;
    enum status status = history_seal(&world->node.machine.history, world->sealable[0], &failure);
    if (!went(world, status, &failure, &full)) return false;
    world->counts[WORLD_SEALED]++;
    memmove(world->sealable, world->sealable + 1,
            --world->sealable_count * sizeof world->sealable[0]);
    return true;
}

static void merge_some(struct world *world)
{
    struct failure failure;
    bool full = false;
    bool merged = false;
    enum status status = history_merge(&world->node.machine.history, &merged, &failure);
    if (!went(world, status, &failure, &full)) return;
    world->counts[WORLD_MERGED] += merged;
}

static void remove_spare(struct world *world)
{
    struct failure failure;
    bool removed = false;
    enum status status = history_remove_spares(&world->node.machine.history, (u32)below(world, 2),
                                               &removed, &failure);
    if (!went(world, status, &failure, NULL)) return;
    world->counts[WORLD_SPARES_REMOVED] += removed;
}

static void checkpoint_finish(struct world *world)
{
    while (world->sealable_count > 0) {
        if (!seal_next(world)) return;
    }
    struct checkpoint *checkpoint = &world->node.checkpoint;
    struct failure failure;
    bool full = false;
    enum status status = checkpoint_write(checkpoint, &world->node.machine,
                                          &world->checkpoint_outcomes, NULL, &failure);
    bool done = went(world, status, &failure, &full);
    if (!done && !full) return;
    checkpoint_end(checkpoint);
    world->checkpoint_active = false;
    world->counts[WORLD_CHECKPOINTS] += done;
    world_note(world, "checkpoint %s", done ? "written" : "has no space");
}

void world_upkeep(struct world *world)
{
    if (world->checkpoint_active && world->checkpoint_ready && chance(world, 40)) {
        checkpoint_finish(world);
    } else if (chance(world, 60)) {
        (void)seal_next(world);
    } else if (chance(world, 40)) {
        remove_spare(world);
    } else {
        merge_some(world);
    }
}

static void restart(struct world *world)
{
    if (!world_flush(world)) return;
    world_note(world, "restarts");
    node_free(&world->node);
    world->open = false;
    world->counts[WORLD_RESTARTS]++;
    world_recover(world);
}

void world_frame(struct world *world)
{
    struct failure failure;
    bool full = false;
    enum status status = wal_prepare(&world->node.wal, 0, &failure);
    if (!went(world, status, &failure, &full)) return;
    if (!history_active_has_room(&world->node.machine.history)) {
        if (!world_flush(world)) return;
        (void)seal_next(world);
        return;
    }
    if (world->job_count == WORLD_JOBS_MAX && !world_flush(world)) return;
    if (!world_job_decide(world, world_job_make(world))) return;
    // Frames fly for a while; they may be indexed before they are durable, and the reverse.
    if (chance(world, 30)) (void)job_index_next(world);
    if (chance(world, 60) && !write_next(world)) return;
    if (chance(world, 40)) (void)job_index_next(world);
}

static void reseed(struct world *world)
{
    struct random *random = &world->random;
    random_init(random, world->seed ^ random_rotate_left(world->steps + 1, 32));
    random_init(&world->events.random, random_u64(random));
    random_init(&world->disk.random, random_u64(random));
    if (world->desk == NULL) return;
    random_init(&world->desk->random, random_u64(random));
    random_init(&world->desk->book_random.random, random_u64(random));
}

void world_skip(struct world *world)
{
    world->steps++;
}

void world_step(struct world *world)
{
    world->steps++;
    reseed(world);
    if (chance(world, 4)) {
        world->disk.faults.crash_at = disk_memory_operations(&world->disk) + 1 + below(world, 25);
    }
    if (chance(world, 1)) world->disk.capacity = world->disk.used + below(world, 512 * KIB);
    else if (chance(world, 10)) world->disk.capacity = 1ull << 60;
    u64 choice = below(world, 1000);
    if (choice < 694) {
        world_frame(world);
    } else if (choice < 774) {
        if (!world_flush(world)) return;
        world_question(world);
        world_witness(world);
    } else if (choice < 964) {
        world_upkeep(world);
    } else if (choice < 972) {
        restart(world);
    } else if (choice < 980) {
        die(world, (enum disk_memory_crash)below(world, 3));
    } else if (choice < 986) {
        if (!world_flush(world)) return;
        world->disk.faults.crash_at = 0;
        world_rot(world);
    } else if (choice < 988) {
        if (world_flush(world)) world_poison(world);
    } else if (choice < 994) {
        // What a planted bug makes of the states is for other checks to find.
        if (world->bug == PLANT_NONE && world_flush(world)) world_backup(world);
    } else {
        if (!world_flush(world)) return;
        world_check_sessions(world);
        world_check_accounts(world);
    }
}

void world_finish(struct world *world)
{
    world->steps++;
    reseed(world);
    world->disk.faults = (struct disk_memory_faults){0};
    world->disk.capacity = 1ull << 60;
    if (!world_flush(world)) world_fail(world, "died without a fault");
    world_check_sessions(world);
    world_check_accounts(world);
    for (u32 i = 0; i < 30; i++) world_question(world);
    node_free(&world->node);
    world->open = false;
    world_verify(world);
    world_recover(world);
}
