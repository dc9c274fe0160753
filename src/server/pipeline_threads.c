// SPDX-License-Identifier: Apache-2.0
//
// The threads behind the owner's: what makes frames durable, known to history, and small again.
#include "server/pipeline_internal.h"

#include "os/thread.h"
#include "server/clock.h"

// Background work gives way to the path of a command. It is not starved, because input waits for it
// at a bound: for sealing sooner than for the rest.
#define SEALING_NICE    5
#define BACKGROUND_NICE 10

#define QUIET_NS       NS_PER_S
#define SPACE_CHECK_NS (20 * NS_PER_MS)
#define FULL_RETRY_NS  (100 * NS_PER_MS)

// --- the log thread -----------------------------------------------------------------------------

void job_write(struct pipeline *pipeline, struct job *job)
{
    struct frame_header *header = (void *)job->head;
    pipeline_lock(pipeline);
    // Deciding and indexing may be ahead of the write; a header names no later frame than its own.
    header->outcome_sequence = MIN(pipeline->indexed, header->sequence);
    header->outcome_root = pipeline->roots[header->outcome_sequence % FRAME_OUTCOME_LAG_MAX];
    pipeline_unlock(pipeline);
    struct failure failure;
    enum status status = wal_append(&pipeline->node->wal, &job->wal, &failure);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    request_source_durable(&pipeline->node->source, header->place + job->size);
    pipeline_lock(pipeline);
    job->header_hash = pipeline->node->wal.tail.previous;
    job->durable = true;
    pipeline->durable = header->sequence;
    pipeline_wake_followers(pipeline);
    pipeline_unlock(pipeline);
}

void *log_thread(void *context)
{
    struct pipeline *pipeline = context;
    struct job *job;
    thread_hurry();
    pipeline_lock(pipeline);
    while ((job = queue_await(pipeline, &pipeline->log_queue, WAITER_LOG)) != NULL) {
        pipeline->log_busy = true;
        pipeline_unlock(pipeline);
        job_write(pipeline, job);
        pipeline_notify(pipeline);
        pipeline_lock(pipeline);
        pipeline->log_busy = false;
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- the history thread --------------------------------------------------------------------------

void *history_thread(void *context)
{
    struct pipeline *pipeline = context;
    struct node *node = pipeline->node;
    struct job *job;
    pipeline_lock(pipeline);
    while ((job = queue_await(pipeline, &pipeline->history_queue, WAITER_HISTORY)) != NULL) {
        pipeline_unlock(pipeline);
        machine_index(&node->machine, &node->indexer, &job->view, &job->applied);
        pipeline_lock(pipeline);
        pipeline->indexed = node->indexer.sequence;
        pipeline->roots[pipeline->indexed % FRAME_OUTCOME_LAG_MAX] =
            *machine_indexer_root(&node->indexer, node->indexer.sequence);
        if (job->checkpoint) pipeline->checkpoint_outcomes = node->indexer.outcomes;
        if (job->applied.rotated) {
            queue_put(&pipeline->seal_queue, job->applied.segment);
            pipeline_wake(pipeline, WAITER_SEALING);
        }
        pipeline_wake_followers(pipeline);
        pipeline_unlock(pipeline);
        job_release(pipeline, job);
        pipeline_lock(pipeline);
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- the sealing thread --------------------------------------------------------------------------

void *sealing_thread(void *context)
{
    struct pipeline *pipeline = context;
    struct history_segment *segment;
    thread_give_way(SEALING_NICE);
    pipeline_lock(pipeline);
    while ((segment = queue_await(pipeline, &pipeline->seal_queue, WAITER_SEALING)) != NULL) {
        pipeline->seal_busy = true;
        pipeline_unlock(pipeline);
        struct failure failure;
        enum status status = history_seal(&pipeline->node->machine.history, segment, &failure);
        if (status != STATUS_OK && status != STATUS_FULL) pipeline_fatal(pipeline, &failure);
        pipeline_lock(pipeline);
        if (status == STATUS_FULL) {
            // The segment stays in memory; input stops until there is space.
            pipeline_full_set(pipeline, true);
            while (pipeline->full && !pipeline->stopping) {
                pipeline_wait_for(pipeline, WAITER_SEALING, FULL_RETRY_NS);
            }
            queue_put_back(&pipeline->seal_queue, segment); // It must be the next one.
            pipeline->seal_busy = false;
            if (pipeline->stopping) break;
            continue;
        }
        pipeline->seal_busy = false;
        pipeline->seals++;
        pipeline->merge_wanted = true;
        pipeline_wake(pipeline, WAITER_UPKEEP);
        pipeline_wake(pipeline, WAITER_CHECKPOINT);
        pipeline_notify(pipeline);
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- the checkpoint thread -----------------------------------------------------------------------

// Whether all segments below a row are sealed.
static bool is_sealed_below(struct pipeline *pipeline, u64 row)
{
    struct history_set *set = history_set_acquire(&pipeline->node->machine.history);
    bool sealed = true;
    for (u32 i = 0; i < set->count && set->segments[i]->first_row < row; i++) {
        sealed = sealed && set->segments[i]->sealed;
    }
    history_set_release(&pipeline->node->machine.history, set);
    return sealed;
}

// Called with the mutex held; lets go of it while it works.
static void checkpoint_take(struct pipeline *pipeline)
{
    struct checkpoint *checkpoint = &pipeline->node->checkpoint;
    u64 sequence = pipeline->checkpoint_sequence;
    while (!(pipeline->durable >= sequence && pipeline->indexed >= sequence &&
             is_sealed_below(pipeline, checkpoint->head.next_row))) {
        if (pipeline->stopping) { // The sealing thread may have left; the log has everything.
            pipeline->checkpoint_asked = false;
            return;
        }
        pipeline_wait_for(pipeline, WAITER_CHECKPOINT, RETRY_NS);
    }
    checkpoint->head.tail.previous = pipeline->checkpoint_previous;
    struct outcome_edge outcomes = pipeline->checkpoint_outcomes;
    pipeline_unlock(pipeline);
    struct failure failure;
    enum status status =
        checkpoint_write(checkpoint, &pipeline->node->machine, &outcomes, NULL, &failure);
    if (status != STATUS_OK && status != STATUS_FULL) pipeline_fatal(pipeline, &failure);
    pipeline_lock(pipeline);
    if (status == STATUS_FULL) {
        pipeline_full_set(pipeline, true); // The log goes on from the checkpoint before.
    } else {
        pipeline->checkpoints++;
    }
    pipeline->checkpoint_asked = false;
    pipeline->checkpoint_written = true;
    pipeline_notify(pipeline);
}

void *checkpoint_thread(void *context)
{
    struct pipeline *pipeline = context;
    thread_give_way(BACKGROUND_NICE);
    pipeline_lock(pipeline);
    while (!pipeline->stopping) {
        if (pipeline->checkpoint_asked) checkpoint_take(pipeline);
        else pipeline_wait(pipeline, WAITER_CHECKPOINT);
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- the upkeep thread ---------------------------------------------------------------------------

static void upkeep_merge(struct pipeline *pipeline)
{
    bool merged = false;
    struct failure failure;
    pipeline_unlock(pipeline);
    enum status status = history_merge(&pipeline->node->machine.history, &merged, &failure);
    bool whole = status == STATUS_OK || status == STATUS_FULL || status == STATUS_CANCELLED;
    if (!whole) pipeline_fatal(pipeline, &failure);
    pipeline_lock(pipeline);
    pipeline->merge_wanted = merged;
    pipeline->merges += merged;
    if (status == STATUS_FULL) pipeline_full_set(pipeline, true);
}

// Removes a spare file, if there is one.
static void upkeep_remove(struct pipeline *pipeline)
{
    bool removed = false;
    struct failure failure;
    pipeline_unlock(pipeline);
    enum status status =
        history_remove_spares(&pipeline->node->machine.history, 0, &removed, &failure);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    pipeline_lock(pipeline);
}

void *upkeep_thread(void *context)
{
    struct pipeline *pipeline = context;
    u64 durable = 0;
    u64 quiet_since = 0;
    thread_give_way(BACKGROUND_NICE);
    pipeline_lock(pipeline);
    while (!pipeline->stopping) {
        if (pipeline->merge_wanted && !pipeline->full) {
            upkeep_merge(pipeline);
            continue;
        }
        pipeline_wait_for(pipeline, WAITER_UPKEEP, FULL_RETRY_NS);
        u64 now = clock_steady();
        if (pipeline->durable != durable) {
            durable = pipeline->durable;
            quiet_since = now;
        }
        // Only in quiet times, or short of space, are blocks freed: it may hold the device up.
        if (now - quiet_since < QUIET_NS && !pipeline->full) continue;
        upkeep_remove(pipeline);
    }
    pipeline_unlock(pipeline);
    return NULL;
}

// --- the space thread ----------------------------------------------------------------------------

enum status space_look(struct pipeline *pipeline, struct space *space, struct failure *failure)
{
    struct wal *wal = &pipeline->node->wal;
    *space = (struct space){.needed = pipeline->options.space_reserve};
    enum status status = wal_prepare(wal, space->needed, failure);
    if (status != STATUS_OK && status != STATUS_FULL) return status;
    space->full = status == STATUS_FULL;
    status = disk_free_space(pipeline->node->disk, &space->free, failure);
    if (status != STATUS_OK) return status;
    u64 file = __atomic_load_n(&wal->tail.place, __ATOMIC_RELAXED) / WAL_FILE_SIZE;
    for (u64 i = 0; i <= WAL_FILES_NEEDED && space->full; i++) {
        if (!wal_is_prepared(wal, file + i)) space->needed += WAL_FILE_SIZE;
    }
    if (space->free < space->needed) space->full = true;
    return STATUS_OK;
}

void space_set(struct pipeline *pipeline, const struct space *space)
{
    pipeline_full_set(pipeline, space->full);
    pipeline->space_free = space->free;
    pipeline->space_needed = space->needed;
}

// Keeps files of the log ready and watches the free space.
void *space_thread(void *context)
{
    struct pipeline *pipeline = context;
    thread_hurry(); // Waits for the device, mostly.
    struct node *node = pipeline->node;
    pipeline_lock(pipeline);
    while (!pipeline->stopping) {
        struct failure failure;
        struct space space;
        pipeline_unlock(pipeline);
        enum status status = space_look(pipeline, &space, &failure);
        if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
        pipeline_lock(pipeline);
        bool changed = space.full != pipeline->full;
        space_set(pipeline, &space);
        if (changed) {
            pipeline_wake(pipeline, WAITER_SEALING);
            pipeline_wake(pipeline, WAITER_UPKEEP);
            pipeline_notify(pipeline);
        }
        u64 file = __atomic_load_n(&node->wal.tail.place, __ATOMIC_RELAXED) / WAL_FILE_SIZE;
        bool behind = !wal_is_prepared(&node->wal, file + WAL_FILES_NEEDED);
        if (space.full || !behind) {
            pipeline_wait_for(pipeline, WAITER_SPACE, space.full ? FULL_RETRY_NS : SPACE_CHECK_NS);
        }
    }
    pipeline_unlock(pipeline);
    return NULL;
}
