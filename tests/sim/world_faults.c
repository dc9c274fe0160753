// SPDX-License-Identifier: Apache-2.0
//
// What is worse than a crash: a command that ends every process that applies it, and a disk that
// says that a write is durable and is wrong.
#include "audit/audit.h"
#include "machine/verify.h"
#include "os/disk_copy.h"
#include "world_internal.h"

#include <string.h>

// --- a command that ends the process -------------------------------------------------------------

// The recoveries that died at the command are counted; the next one is refused and names it.
static void recoveries_die(struct world *world)
{
    struct crash_watch watch = {
        .position = world->poison,
        .recovering = 1,
        .attempts = OVERRIDE_ATTEMPTS_MAX - 1,
        .died_at = world->poison,
    };
    struct recovery_report report;
    struct failure failure;
    char position[32];
    struct disk_memory_faults faults = world->disk.faults;
    world->disk.faults = (struct disk_memory_faults){0};
    world->node.watch = &watch;
    enum status status =
        node_open(&world->node, &world->disk.disk, &world->genesis, 0, NULL, &report, &failure);
    world->disk.faults = faults;
    (void)snprintf(position, sizeof position, "command %llu ", (unsigned long long)world->poison);
    if (status != STATUS_INVALID || strstr(failure.message, position) == NULL) {
        world_fail(world, "a recovery that dies for ever: %s",
                   status == STATUS_OK ? "tried again" : failure.message);
    }
    world_note(world, "told: %s", failure.message);
}

// The owner's order, which may itself be torn by a crash, and is then given again.
static void order_override(struct world *world)
{
    for (u32 attempt = 0; attempt < 100; attempt++) {
        struct failure failure;
        if (chance(world, 40) && attempt < 10) {
            world->disk.faults.crash_at =
                disk_memory_operations(&world->disk) + 1 + below(world, 4);
        }
        enum status status =
            override_append(&world->disk.disk, world->poison, world->events.now, &failure);
        world->disk.faults.crash_at = 0;
        if (status == STATUS_OK) {
            world->overrides++;
            world->counts[WORLD_OVERRIDDEN]++;
            return;
        }
        world_note(world, "an override failed: %s", failure.message);
        if (status == STATUS_FULL) world->disk.capacity = 1ull << 60;
        else if (status == STATUS_IO) disk_memory_crash(&world->disk, DISK_CRASH_EACH_PAGE);
        else world_fail(world, "an override: %s", failure.message);
    }
    world_fail(world, "no override goes through");
}

void world_poison(struct world *world)
{
    if (world->overrides == MACHINE_OVERRIDES_MAX) return;
    // The models cannot tell what the times of several commands are when nobody decided them.
    if (world->desk != NULL) world->desk->gives_one = true;
    struct world_job *job = world_job_make(world);
    if (world->desk != NULL) world->desk->gives_one = false;
    const struct frame_header *header = job->view.header;
    if (header->command_count == 0) {
        (void)world_job_decide(world, job);
        return;
    }
    // Nobody decided it: an error that leaves it there would leave models without its replies.
    const struct disk_memory_faults faults = world->disk.faults;
    world->disk.faults = (struct disk_memory_faults){0};
    const bool is_written = world_job_write(world, job);
    world->disk.faults = faults;
    world->disk.faults.crash_at = 0;
    if (!is_written) return;
    world->poison = header->position + below(world, header->command_count);
    world_note(world, "command %llu of frame %llu ends the process",
               (unsigned long long)world->poison, (unsigned long long)header->sequence);
    world->counts[WORLD_POISONED]++;
    node_free(&world->node);
    world->open = false;
    disk_memory_crash(&world->disk, chance(world, 50) ? DISK_CRASH_KEEP_ALL : DISK_CRASH_EACH_PAGE);
    recoveries_die(world);
    order_override(world);
    world_recover(world);
}

// --- what an auditor would do --------------------------------------------------------------------

// The second hand finds nothing either, in the files alone.
static void audit(struct world *world)
{
    struct disk_copy copy;
    struct audit_report report;
    struct failure failure = {0};
    audit_report_init(&report, 1);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    const enum status status = audit_run(copy.path, NULL, NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "audit: %s", failure.message);
    if (report.difference_count > 0) {
        const struct audit_difference *difference = &report.kept[0];
        world_fail(world, "%s: audit: frame %llu, row %llu: %s",
                   audit_promise_name(difference->promise),
                   (unsigned long long)difference->place.frame,
                   (unsigned long long)difference->place.row, difference->what);
    }
    disk_copy_remove(&copy);
    audit_report_free(&report);
}

void world_verify(struct world *world)
{
    struct disk_memory scratch;
    struct verify_report report;
    struct failure failure;
    assert(!world->open);
    enum status status = verify_folder(&world->disk.disk, NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "L5: verify: %s", failure.message);
    disk_memory_init(&scratch, 1);
    status = verify_replay(&world->disk.disk, &scratch.disk, NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "L5: verify --replay: %s", failure.message);
    if (memcmp(&report.replayed_state, &world->state_durable, sizeof world->state_durable) != 0) {
        world_fail(world, "L4: replaying all of the log gives another state");
    }
    disk_memory_free(&scratch);
    audit(world);
    world->counts[WORLD_VERIFIED]++;
}

// --- a disk that lies ----------------------------------------------------------------------------

static u64 lies_told(const struct world *world)
{
    return world->disk.counts[DISK_COUNT_WRITE_LOST] + world->disk.counts[DISK_COUNT_MISDIRECTED];
}

// Works until the disk has lied, and a while longer. Returns how often it did.
static u64 lies_live_with(struct world *world)
{
    struct disk_memory_faults *faults = &world->disk.faults;
    u32 *rate = chance(world, 50) ? &faults->write_lost_rate : &faults->misdirected_rate;
    u64 before = lies_told(world);
    u64 longer = chance(world, 30) ? 0 : below(world, 25);
    *rate = 50000;
    for (u32 i = 0; i < WORLD_LIES_MAX / 2 && !world->lie_met; i++) {
        if (chance(world, 50)) world_frame(world);
        else world_upkeep(world);
        if (lies_told(world) == before) continue;
        *rate = 0;
        if (longer-- == 0) break;
    }
    *rate = 0;
    return lies_told(world) - before;
}

// A place is named: a file, a frame, a row.
static void place_check(struct world *world, const struct failure *failure)
{
    static const char *const places[] = {"log-",       "rows-",  "tree-", "index-",
                                         "checkpoint", "frame ", "row "};
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        if (strstr(failure->message, places[i]) != NULL) return;
    }
    world_fail(world, "damage without a place: %s", failure->message);
}

static bool lie_is_named(struct world *world)
{
    struct verify_report report;
    struct failure failure;
    enum status status = verify_folder(&world->disk.disk, NULL, &report, &failure);
    if (status == STATUS_OK) return false;
    world_note(world, "verify: %s", failure.message);
    if (status != STATUS_CORRUPT) {
        world_fail(world, "verify calls damage %s: %s", status_name(status), failure.message);
    }
    place_check(world, &failure);
    world->counts[WORLD_LIES_NAMED]++;
    return true;
}

// The node is open. Its state must be one that was acknowledged: the last, or an earlier one when
// the lies were about all frames behind it. Answers are the model's or refusals.
static void lie_judge_open(struct world *world, bool named)
{
    struct oracle *oracle = &world->oracle;
    u64 last = world->node.wal.tail.sequence - 1;
    if (last > oracle->sequence || last + world->lies < oracle->sequence) {
        world_fail(world, "the log ends at frame %llu, must end at %llu", (unsigned long long)last,
                   (unsigned long long)oracle->sequence);
    }
    struct digest state;
    machine_state_digest(&world->node.machine, &state);
    const struct digest *wanted = &world->lie_states[last + 1 - world->lie_first];
    if (memcmp(&state, wanted, sizeof state) != 0) world_fail(world, "a lie was taken for data");
    if (last < oracle->sequence) {
        world->counts[WORLD_LIES_CUT]++;
        return;
    }
    u64 refused = world->counts[WORLD_QUESTIONS_REFUSED];
    world->ask.ledger = &world->node.machine.ledger;
    world->ask.history = &world->node.machine.history;
    world_check_accounts(world);
    world_check_sessions(world);
    for (u32 i = 0; i < 60; i++) world_question(world);
    if (named) return;
    world->counts[WORLD_LIES_HARMLESS]++;
    if (world->counts[WORLD_QUESTIONS_REFUSED] > refused) {
        world_fail(world, "verify finds nothing, but questions are refused");
    }
}

void world_lie(struct world *world)
{
    world->lying = true;
    world->lie_first = world->oracle.sequence + 1;
    world->lie_states[0] = world->state_durable;
    world->ask.may_fail = true;
    world->lies = lies_live_with(world);
    if (!world->lie_met) (void)world_flush(world);
    world->counts[WORLD_LIES] += world->lies > 0;
    world->counts[WORLD_LIES_MET] += world->lie_met;
    world_jobs_forget(world);
    node_free(&world->node);
    world->open = false;
    world->disk.faults = (struct disk_memory_faults){0};
    disk_memory_crash(&world->disk, DISK_CRASH_KEEP_ALL);
    bool named = lie_is_named(world);
    struct recovery_report report;
    struct failure failure;
    enum status status =
        node_open(&world->node, &world->disk.disk, &world->genesis, 0, NULL, &report, &failure);
    world->open = status == STATUS_OK;
    if (status == STATUS_OK) {
        lie_judge_open(world, named);
        return;
    }
    world_note(world, "the start: %s", failure.message);
    if (status != STATUS_CORRUPT || !named) {
        world_fail(world, "the start calls damage %s, verify %s: %s", status_name(status),
                   named ? "named it" : "found nothing", failure.message);
    }
    place_check(world, &failure);
    world->counts[WORLD_LIES_REFUSED]++;
}
