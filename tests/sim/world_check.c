// SPDX-License-Identifier: Apache-2.0
//
// Recovery and comparisons.
#include "world_internal.h"

#include <stdlib.h>
#include <string.h>

// What plain clients are answered.
static void clients_acknowledge(struct world *world, struct world_job *job, bool answered)
{
    struct oracle *oracle = &world->oracle;
    const struct frame_header *header = job->view.header;
    oracle_frame_begin(oracle, header);
    for (u32 i = 0; i < header->command_count; i++) {
        struct oracle_answer answer;
        oracle_command(oracle, header, i == 0, &job->view.commands[i], job->bodies[i], &answer);
        if (answered) {
            const struct applied_command *applied = &job->applied->commands[i];
            if (applied->result != answer.result || applied->timestamp != answer.timestamp ||
                applied->position != oracle->position) {
                world_fail(world, "frame %llu, command %u: result %d at %llu, must be %d at %llu",
                           (unsigned long long)header->sequence, i, applied->result,
                           (unsigned long long)applied->timestamp, answer.result,
                           (unsigned long long)answer.timestamp);
            }
            if (answer.reply != NULL &&
                (applied->reply_size != answer.reply_size ||
                 memcmp(applied->reply, answer.reply, answer.reply_size) != 0)) {
                world_fail(world, "frame %llu, command %u: another reply (%u bytes, must be %u)",
                           (unsigned long long)header->sequence, i, applied->reply_size,
                           answer.reply_size);
            }
        }
        // Nobody answers a refusal that an owner makes of a command afterwards: it is asked again.
        if (job->clients[i] == U32_MAX || answer.result == COMMAND_OVERRIDDEN) continue;
        struct world_client *client = &world->clients[job->clients[i]];
        client->waiting = false;
        client->retry = false;
        if (answer.result == COMMAND_NO_SESSION) client->session = 0;
        if (client->record == COMMAND_REGISTER) {
            client->session = oracle_session(oracle, client->id)->number;
        }
    }
}

void world_acknowledge(struct world *world, struct world_job *job, bool answered)
{
    const struct frame_header *header = job->view.header;
    if (world->desk == NULL) clients_acknowledge(world, job, answered);
    else desk_acknowledge(world, job, answered);
    world->state_durable = job->state;
    world_backup_note(world, header->sequence);
    world->place_before = header->place;
    if (world->lying) {
        u64 at = header->sequence - world->lie_first + 1;
        assert(at < WORLD_LIES_MAX);
        world->lie_states[at] = job->state;
    }
}

// --- after a crash -------------------------------------------------------------------------------

static void open_again(struct world *world)
{
    struct failure failure = {0};
    for (u32 attempt = 0; attempt < 100; attempt++) {
        struct recovery_report report;
        if (chance(world, 20) && attempt < 10) {
            world->disk.faults.crash_at =
                disk_memory_operations(&world->disk) + 1 + below(world, 12);
        }
        enum status status = node_open(&world->node, &world->disk.disk, &world->genesis,
                                       world_log_id(world), NULL, &report, &failure);
        if (status == STATUS_OK) {
            world->disk.faults.crash_at = 0;
            world->open = true;
            world->counts[WORLD_TORN] += report.torn;
            world->counts[WORLD_SET_ASIDE] += report.set_aside;
            world->counts[WORLD_RECOVERED_FROM_CHECKPOINT] += report.checkpoint_sequence > 0;
            world_note(world, "opened: checkpoint %llu, %llu frames replayed%s",
                       (unsigned long long)report.checkpoint_sequence,
                       (unsigned long long)report.frames, report.torn ? ", torn tail cut" : "");
            return;
        }
        world_note(world, "recovery failed: %s", failure.message);
        if (disk_memory_crashed(&world->disk)) {
            world->counts[WORLD_CRASHES_IN_RECOVERY]++;
            disk_memory_crash(&world->disk, DISK_CRASH_EACH_PAGE);
        } else if (status == STATUS_FULL) {
            world->counts[WORLD_FULL]++;
            world->disk.capacity = 1ull << 60;
        } else if (status == STATUS_IO) {
            world->counts[WORLD_ENVIRONMENT_FAILED]++;
            disk_memory_crash(&world->disk, DISK_CRASH_EACH_PAGE);
        } else {
            break;
        }
    }
    world_fail(world, "recovery: %s", failure.message);
}

// What clients do when the server is back: ask again.
static void clients_return(struct world *world)
{
    for (u32 i = 0; i < world->client_count; i++) {
        struct world_client *client = &world->clients[i];
        if (!client->waiting) continue;
        const struct session *session = machine_session(&world->node.machine, client->id);
        // A registration is number 0; any session that exists is its outcome.
        if (session != NULL && session->request == client->request &&
            (client->record == COMMAND_REGISTER || session->number == client->session)) {
            client->session = session->number;
            client->waiting = false;
            client->retry = false;
            continue;
        }
        client->retry = true;
    }
}

// The frame that is next to be durable.
static struct world_job *job_in_flight(struct world *world)
{
    struct world_job *job = &world->jobs[world->job_first];
    while (job->durable) job = &world->jobs[(u32)(job - world->jobs + 1) % WORLD_JOBS_MAX];
    return job;
}

// Tells the oracle of a frame that nobody lived to answer, and of the owner's frames behind it.
static void poison_acknowledge(struct world *world)
{
    struct oracle *oracle = &world->oracle;
    const struct machine *machine = &world->node.machine;
    u64 last = world->node.wal.tail.sequence - 1;
    if (last <= oracle->sequence + 1) world_fail(world, "an override is gone");
    oracle_override(oracle, world->poison);
    world_acknowledge(world, job_in_flight(world), false);
    u64 owners = last - oracle->sequence;
    for (u64 i = 0; i < owners; i++) oracle_owner_frame(oracle, machine->timestamp);
    world->place_before = world->node.wal.tail.place - 2 * PAGE_SIZE;
    machine_state_digest(&world->node.machine, &world->state_durable);
    if (!machine_is_overridden(machine, world->poison)) world_fail(world, "not overridden");
    world->written = last;
    world->poison = 0;
}

void world_recover(struct world *world)
{
    open_again(world);
    if (world->poison != 0) poison_acknowledge(world);
    struct oracle *oracle = &world->oracle;
    u64 last = world->node.wal.tail.sequence - 1;
    u64 known = oracle->sequence;
    if (last < known) {
        world_fail(world, "L4: frame %llu was acknowledged and is gone; the log ends at %llu",
                   (unsigned long long)known, (unsigned long long)last);
    }
    if (last > known + 1 || last > world->written) {
        world_fail(world, "L4: the log ends at frame %llu, which was never written",
                   (unsigned long long)last);
    }
    if (last == known + 1) {
        // It was being written, and all of it is there.
        struct world_job *job = job_in_flight(world);
        assert(job->view.header->sequence == last);
        if (!job->decided) machine_state_digest(&world->node.machine, &job->state);
        world_acknowledge(world, job, false);
        world->counts[WORLD_FRAME_KEPT]++;
    } else if (world->written > known) {
        world->counts[WORLD_FRAME_LOST]++;
    }
    world->written = last;
    world_jobs_forget(world);
    struct digest state;
    machine_state_digest(&world->node.machine, &state);
    if (memcmp(&state, &world->state_durable, sizeof state) != 0) {
        world_fail(world, "L4: the state after frame %llu is not the one that was live",
                   (unsigned long long)last);
    }
    if (world->node.machine.position != oracle->position) {
        world_fail(world, "position %llu, must be %llu",
                   (unsigned long long)world->node.machine.position,
                   (unsigned long long)oracle->position);
    }
    world->next_sequence = world->node.wal.tail.sequence;
    world->next_place = world->node.wal.tail.place;
    world->checkpoint_active = false;
    // Recovery may have had no space to seal what it replayed.
    world->sealable_count = 0;
    const struct history *history = &world->node.machine.history;
    for (u32 i = 0; i < history->set->count; i++) {
        struct history_segment *segment = history->set->segments[i];
        if (segment->sealed || segment == history->active) continue;
        assert(world->sealable_count < ARRAY_COUNT(world->sealable));
        world->sealable[world->sealable_count++] = segment;
    }
    world->ask.ledger = &world->node.machine.ledger;
    world->ask.history = &world->node.machine.history;
    if (world->desk == NULL) {
        clients_return(world);
    } else {
        desk_return(world);
        world->jobs[0].applied->resolved.items = world->resolved[0];
        plant_recovered(world->bug, &world->node, world->jobs[0].applied);
        desk_follow(world);
    }
    world_check_sessions(world);
    world_check_accounts(world);
    for (u32 i = 0; i < 4; i++) world_question(world);
    world_witness(world);
}

// --- comparisons ---------------------------------------------------------------------------------

// A question that cannot be read is an error to its client and changes nothing, so there is nothing
// to compare: devices read well while answers are compared. Returns the rate to set back.
static u32 read_errors_stop(struct world *world)
{
    u32 rate = world->disk.faults.read_error_rate;
    world->disk.faults.read_error_rate = 0;
    return rate;
}

void world_check_sessions(struct world *world)
{
    if (world->desk != NULL) return; // They have none.
    u32 rate = read_errors_stop(world);
    u8 *reply = malloc(COMPAT_BODY_SIZE_MAX);
    if (reply == NULL) abort();
    for (u32 i = 0; i < MACHINE_SESSIONS_MAX; i++) {
        const struct oracle_session *wanted = &world->oracle.sessions[i];
        if (wanted->client == 0) continue;
        const struct session *session = machine_session(&world->node.machine, wanted->client);
        if (session == NULL) world_fail(world, "session %u is gone", (u32)wanted->client);
        if (session->number != wanted->number || session->request != wanted->request ||
            session->position != wanted->position) {
            world_fail(world, "session %u: number %llu request %u, must be %llu and %u",
                       (u32)wanted->client, (unsigned long long)session->number, session->request,
                       (unsigned long long)wanted->number, wanted->request);
        }
        u32 size = 0;
        struct failure failure;
        enum status status =
            machine_reply_again(&world->node.machine, session, reply, &size, &failure);
        if (status == STATUS_CORRUPT && world->lying) {
            world->counts[WORLD_QUESTIONS_REFUSED]++;
            continue;
        }
        if (status != STATUS_OK) world_fail(world, "a reply again: %s", failure.message);
        if (size != wanted->reply_size || memcmp(reply, wanted->reply, size) != 0) {
            world_fail(world, "session %u, request %u: another reply than before",
                       (u32)wanted->client, wanted->request);
        }
        world->counts[WORLD_REPLIED_AGAIN]++;
    }
    free(reply);
    world->disk.faults.read_error_rate = rate;
}

void world_check_accounts(struct world *world)
{
    if (world->desk != NULL) {
        desk_check_all(world);
        return;
    }
    ledger_model_check(world->oracle.model);
    machine_check(&world->node.machine);
    for (u128 id = 0; id < ledger_random_accounts_end(&world->events); id++) {
        struct account left = {0};
        struct account right = {0};
        bool found = ledger_model_lookup_account(world->oracle.model, id, &left);
        if (found != world->executor.lookup_account(&world->ask, id, &right) ||
            memcmp(&left, &right, sizeof left) != 0) {
            world_fail(world, "account %u differs from the model's", (u32)id);
        }
    }
}

void world_witness(struct world *world)
{
    struct failure failure = {0};
    bool refused = false;
    const u32 rate = read_errors_stop(world);
    const u64 random = random_u64(&world->random);
    const char *what = witness_look(&world->witness, &world->node, random,
                                    random_u64(&world->random), &refused, &failure);
    world->disk.faults.read_error_rate = rate;
    if (what != NULL) world_fail(world, "witness: %s", what);
    if (refused && !world->lying) world_fail(world, "witness: %s", failure.message);
    world->counts[refused ? WORLD_QUESTIONS_REFUSED : WORLD_PROVED]++;
}

void world_question(struct world *world)
{
    if (world->desk != NULL) return; // All of them were asked already.
    do {
        ledger_random_next(&world->events, world->step);
    } while (world->step->kind <= LEDGER_STEP_EXPIRE);
    ledger_compare_execute(&world->model_executor, world->step, world->replies[0]);
    u32 rate = read_errors_stop(world);
    ledger_compare_execute(&world->executor, world->step, world->replies[1]);
    world->disk.faults.read_error_rate = rate;
    world->counts[WORLD_QUESTIONS]++;
    if (world->ask.status != STATUS_OK) {
        world->counts[WORLD_QUESTIONS_REFUSED]++;
        if (world->ask.status != STATUS_CORRUPT) {
            world_fail(world, "damage was called %s", status_name(world->ask.status));
        }
        world->ask.status = STATUS_OK;
        return;
    }
    // NOLINTNEXTLINE: a reply is zeroed whole before it is filled in.
    if (memcmp(world->replies[0], world->replies[1], sizeof *world->replies[0]) != 0) {
        world_fail(world, "a question of kind %d: %u rows, must be %u", world->step->kind,
                   world->replies[1]->count, world->replies[0]->count);
    }
}

// --- damage --------------------------------------------------------------------------------------

struct pick {
    struct world *world;
    char name[DISK_NAME_SIZE_MAX];
    u32 count;
};

static bool pick_visit(void *context, const char *name)
{
    struct pick *pick = context;
    if (below(pick->world, ++pick->count) == 0) {
        memset(pick->name, 0, sizeof pick->name);
        memcpy(pick->name, name, strlen(name));
    }
    return true;
}

// A byte that matters: of the log, one before the frame before last, since a damaged last frame
// cannot be told from an unfinished one.
static bool pick_offset(struct world *world, const char *name, u64 *offset)
{
    u64 size = 0;
    if (!disk_memory_has(&world->disk, name, &size)) return false;
    if (strncmp(name, "log-", 4) == 0) {
        char *rest = NULL;
        u64 number = strtoull(name + 4, &rest, 16);
        u64 end = world->place_before;
        assert(*rest == 0);
        if (number > end / WAL_FILE_SIZE) return false;
        if (number == end / WAL_FILE_SIZE) size = end % WAL_FILE_SIZE;
    }
    if (size == 0) return false;
    static const u64 near[] = {2 * PAGE_SIZE, 64 * KIB, U64_MAX};
    u64 bound = near[below(world, ARRAY_COUNT(near))];
    *offset = below(world, MIN(size, bound));
    return true;
}

void world_rot(struct world *world)
{
    struct pick pick = {.world = world};
    struct failure failure;
    u64 offset = 0;
    enum status status = disk_list(&world->disk.disk, pick_visit, &pick, &failure);
    if (status != STATUS_OK || pick.count == 0 || !pick_offset(world, pick.name, &offset)) return;
    node_free(&world->node);
    world->open = false;
    u32 bit = (u32)below(world, 8);
    disk_memory_rot(&world->disk, pick.name, offset, bit);
    u8 damaged = disk_memory_byte(&world->disk, pick.name, offset);
    world_note(world, "bit %u of byte %llu of %s flipped", bit, (unsigned long long)offset,
               pick.name);
    struct recovery_report report;
    struct disk_memory_faults faults = world->disk.faults;
    world->disk.faults = (struct disk_memory_faults){0};
    world->disk.capacity = 1ull << 60;
    status =
        node_open(&world->node, &world->disk.disk, &world->genesis, 0, NULL, &report, &failure);
    if (status == STATUS_OK) {
        world->counts[WORLD_ROT_HARMLESS]++;
        struct digest state;
        machine_state_digest(&world->node.machine, &state);
        if (world->node.wal.tail.sequence - 1 != world->oracle.sequence ||
            memcmp(&state, &world->state_durable, sizeof state) != 0) {
            world_fail(world, "damage was taken for data");
        }
        node_free(&world->node);
    } else if (status == STATUS_CORRUPT) {
        world->counts[WORLD_ROT_NAMED]++;
        world_note(world, "told: %s", failure.message);
    } else {
        world_fail(world, "damage was called %s: %s", status_name(status), failure.message);
    }
    u64 size = 0;
    if (disk_memory_has(&world->disk, pick.name, &size) && size > offset &&
        disk_memory_byte(&world->disk, pick.name, offset) == damaged) {
        disk_memory_rot(&world->disk, pick.name, offset, bit);
    }
    world->disk.faults = faults;
    world_recover(world);
}
