// SPDX-License-Identifier: Apache-2.0
//
// Backups of the world onto a disk of their own, which fails, while the world goes on; and folders
// restored from them as of any frame.
#include "machine/backup.h"
#include "machine/verify.h"
#include "world_internal.h"

#include <stdlib.h>

void world_backup_note(struct world *world, u64 sequence)
{
    if (sequence >= world->states_capacity) {
        const u64 capacity = MAX(2 * world->states_capacity, sequence + 256);
        world->states = realloc(world->states, capacity * sizeof *world->states);
        if (world->states == NULL) abort();
        memset(world->states + world->states_capacity, 0,
               (capacity - world->states_capacity) * sizeof *world->states);
        world->states_capacity = capacity;
    }
    world->states[sequence] = world->state_durable;
}

// Whether a state is that behind a frame; of frames that nobody acknowledged it is not known.
static bool is_state_of(const struct world *world, u64 sequence, const struct digest *state)
{
    return sequence >= world->states_capacity || is_zero(&world->states[sequence], sizeof *state) ||
           memcmp(&world->states[sequence], state, sizeof *state) == 0;
}

// While a backup is made, frames are written, segments sealed and merged, checkpoints taken.
static bool world_goes_on(void *context, const char *part, u64 done, u64 total)
{
    struct world *world = context;
    (void)part;
    (void)done;
    (void)total;
    for (u64 i = below(world, 4); i > 0; i--) {
        if (chance(world, 50)) world_frame(world);
        else world_upkeep(world);
    }
    return true;
}

// What the disk of the backup does this time.
static void vault_prepare(struct world *world)
{
    struct disk_memory *vault = &world->vault;
    const u64 way = below(world, 5);
    const u64 at = disk_memory_operations(vault) + 1 + below(world, 60);
    if (way == 0) vault->faults.crash_at = at;
    if (way == 1) vault->faults.error_at = at;
    if (way == 2) vault->capacity = vault->used + below(world, 80 * MIB);
}

// Looks at the backup as anybody would.
static void vault_check(struct world *world)
{
    struct verify_report report;
    struct failure failure;
    struct wal wal;
    u64 size = 0;
    enum status status = wal_init(&wal, &world->vault.disk, &failure);
    const bool is_begun = disk_memory_has(&world->vault, BACKUP_FILE_NAME, &size);
    if (status == STATUS_OK) wal_free(&wal);
    if (world->vault_frames == 0 && (!is_begun || status == STATUS_INVALID)) return;
    if (status == STATUS_OK) status = verify_folder(&world->vault.disk, NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "the backup: %s", failure.message);
    if (report.torn || report.frames < world->vault_frames) {
        world_fail(world, "the backup has %llu frames, had %llu", (unsigned long long)report.frames,
                   (unsigned long long)world->vault_frames);
    }
    world->vault_frames = report.frames;
    if (!chance(world, 25)) return;
    struct disk_memory scratch;
    disk_memory_init(&scratch, 1);
    status = verify_replay(&world->vault.disk, &scratch.disk, NULL, &report, &failure);
    if (status != STATUS_OK) world_fail(world, "the backup, replayed: %s", failure.message);
    if (!is_state_of(world, report.frames - 1, &report.replayed_state)) {
        world_fail(world, "the backup has another state behind frame %llu",
                   (unsigned long long)report.frames - 1);
    }
    disk_memory_free(&scratch);
}

// Makes a folder of the backup as of a frame, and starts it.
static void restore_check(struct world *world)
{
    const struct restore_point point = {.sequence_max = below(world, world->vault_frames),
                                        .timestamp_max = U64_MAX};
    struct frame_header last;
    struct failure failure;
    struct disk_memory folder;
    struct backup_report report;
    struct recovery_report recovered;
    enum status status = restore_plan(&world->vault.disk, &point, &last, &failure);
    // There was no state between a command that ended the process and the owner's order.
    if (status == STATUS_INVALID && strstr(failure.message, "killed the server") != NULL) return;
    if (status != STATUS_OK) world_fail(world, "restoring: %s", failure.message);
    disk_memory_init(&folder, 1);
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL) abort();
    status = restore_make(&world->vault.disk, &folder.disk, &last, NULL, &report, &failure);
    if (status == STATUS_OK) {
        status = node_open(node, &folder.disk, NULL, 0, NULL, &recovered, &failure);
    }
    if (status != STATUS_OK) world_fail(world, "the restored folder: %s", failure.message);
    struct digest state;
    machine_state_digest(&node->machine, &state);
    if (node->wal.tail.sequence != point.sequence_max + 1 ||
        !is_state_of(world, point.sequence_max, &state)) {
        world_fail(world, "restored to frame %llu: another state",
                   (unsigned long long)point.sequence_max);
    }
    node_free(node);
    free(node);
    disk_memory_free(&folder);
    world->counts[WORLD_RESTORED]++;
}

void world_backup(struct world *world)
{
    const struct disk_memory_faults faults = world->disk.faults;
    const struct backup_progress progress = {.context = world, .report = world_goes_on};
    const u64 acknowledged = world->oracle.sequence;
    struct backup_report report;
    struct failure failure;
    world->disk.faults = (struct disk_memory_faults){0};
    world->disk.capacity = 1ull << 60;
    vault_prepare(world);
    const enum status status =
        backup_make(&world->disk.disk, &world->vault.disk, 1, &progress, &report, &failure);
    const bool is_crashed = disk_memory_crashed(&world->vault);
    const bool is_excused = is_crashed || world->vault.faults.error_at > 0 || status == STATUS_FULL;
    world_note(world, "backup: %s", status == STATUS_OK ? "done" : failure.message);
    if (status != STATUS_OK && !is_excused) world_fail(world, "a backup: %s", failure.message);
    // What was not synced is gone with the power, or behind a failed sync.
    if (status != STATUS_OK) disk_memory_crash(&world->vault, DISK_CRASH_EACH_PAGE);
    world->vault.faults = (struct disk_memory_faults){0};
    world->vault.capacity = 1ull << 60;
    if (status == STATUS_OK && report.end.sequence <= acknowledged) {
        world_fail(world, "a backup lacks frame %llu", (unsigned long long)acknowledged);
    }
    vault_check(world);
    world->counts[status == STATUS_OK ? WORLD_BACKUPS : WORLD_BACKUPS_ENDED]++;
    if (world->vault_frames > 0) restore_check(world);
    world->disk.faults = faults;
}
