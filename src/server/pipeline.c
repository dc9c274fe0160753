// SPDX-License-Identifier: Apache-2.0
//
// The pipeline's threads and what they hand each other.
//
// Every hand-over goes through `mutex`; `changed` is signalled at each. A job (one frame) is
// released when both the owner's side (durable and answered) and history are done with it.
#include "server/pipeline.h"

#include "os/memory.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX         16u
#define BUFFERS_MAX      320u
#define WAITING_MAX      1024u
#define BODY_PACKED_MAX  (64 * KIB)
#define PACK_SIZE_MAX    MIB
#define INLINE_WRITE_MAX (64 * KIB)
#define GROUP_BYTES      (256 * KIB) // Enough to begin a frame while another is being written.
#define SEAL_IDLE_NS     NS_PER_MS
#define RETRY_NS         (10 * NS_PER_MS)
#define HURRY_SLICE_NS   (100 * NS_PER_US)
#define QUIET_NS         (NS_PER_S)
#define SPACE_CHECK_NS   (20 * NS_PER_MS)
#define FULL_RETRY_NS    (100 * NS_PER_MS)

struct job {
    u8 *head;
    u8 *pack;
    struct transfer *resolved;
    struct pipeline_command commands[FRAME_COMMANDS_MAX];
    const u8 *bodies[FRAME_COMMANDS_MAX];
    struct wal_frame wal;
    struct frame_view view;
    struct applied_frame applied;
    struct digest header_hash; // Set when durable.
    u64 size;
    bool durable; // Guarded by the mutex.
    bool checkpoint;
    u32 holders; // Guarded by the mutex.
};

enum { QUEUE_SIZE = 64 };
// A queue of pointers, guarded by the mutex.
struct queue {
    void *items[QUEUE_SIZE];
    u32 first;
    u32 count;
};

struct pipeline {
    struct node *node;
    struct pipeline_options options;
    struct pipeline_callbacks callbacks;
    int event_fd;
    u8 *memory; // Of buffers, heads, packs and resolved transfers.
    struct buffer buffers[BUFFERS_MAX];
    struct job jobs[JOBS_MAX];

    // The owner's thread's.
    struct pipeline_command waiting[WAITING_MAX];
    u32 waiting_first;
    u32 waiting_count;
    u64 waiting_bytes;
    struct job *flying[JOBS_MAX]; // Not answered yet, in order.
    u32 flying_first;
    u32 flying_count;
    u64 next_sequence;
    u64 next_place;
    u64 last_close; // When the last frame was closed.
    bool last_was_seal;
    u64 checkpoint_place;
    struct pipeline_query *held; // Answers from live state, until durable.
    bool checkpoint_active;
    bool draining;   // Stopping: no ticks and no seals any more.
    u32 outstanding; // Questions not answered yet.

    // Guarded by the mutex.
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct buffer *free_buffers;
    struct job *free_jobs[JOBS_MAX];
    u32 free_job_count;
    struct queue log_queue;
    struct queue history_queue;
    struct queue seal_queue; // struct history_segment.
    struct pipeline_query *asked_first;
    struct pipeline_query *asked_last;
    struct pipeline_query *answered;
    bool log_busy;
    bool seal_busy;
    u64 durable;
    u64 indexed;
    struct digest roots[FRAME_OUTCOME_LAG_MAX]; // Cumulative, by sequence modulo the size.
    struct job *checkpoint_job;                 // Asked for; NULL when taken.
    u64 checkpoint_sequence;
    struct digest checkpoint_previous;
    struct merkle_range checkpoint_outcomes;
    bool checkpoint_asked;
    bool checkpoint_written;
    bool merge_wanted;
    bool spares_left;
    bool full;
    bool stopping;
    u64 checkpoints;
    u64 seals;
    u64 merges;

    pthread_t threads[16];
    u32 thread_count;
    struct history_query *queries[8];
};

static void lock(struct pipeline *pipeline)
{
    int result = pthread_mutex_lock(&pipeline->mutex);
    assert(result == 0);
}

static void unlock(struct pipeline *pipeline)
{
    int result = pthread_mutex_unlock(&pipeline->mutex);
    assert(result == 0);
}

static void changed(struct pipeline *pipeline)
{
    (void)pthread_cond_broadcast(&pipeline->changed);
}

static void notify(struct pipeline *pipeline)
{
    u64 one = 1;
    ssize_t put = write(pipeline->event_fd, &one, sizeof one);
    assert(put == (ssize_t)sizeof one || errno == EAGAIN);
}

static void fatal(struct pipeline *pipeline, const struct failure *failure)
{
    pipeline->callbacks.fatal(pipeline->callbacks.context, failure);
    abort(); // The callback does not return.
}

static void queue_put(struct queue *queue, void *item)
{
    assert(queue->count < QUEUE_SIZE);
    queue->items[(queue->first + queue->count++) % QUEUE_SIZE] = item;
}

static void *queue_take(struct queue *queue)
{
    if (queue->count == 0) return NULL;
    void *item = queue->items[queue->first];
    queue->first = (queue->first + 1) % QUEUE_SIZE;
    queue->count--;
    return item;
}

// --- buffers and jobs ----------------------------------------------------------------------------

struct buffer *buffer_take(struct pipeline *pipeline)
{
    lock(pipeline);
    struct buffer *buffer = pipeline->free_buffers;
    if (buffer != NULL) pipeline->free_buffers = buffer->next;
    unlock(pipeline);
    return buffer;
}

void buffer_give(struct pipeline *pipeline, struct buffer *buffer)
{
    if (buffer == NULL) return;
    lock(pipeline);
    buffer->next = pipeline->free_buffers;
    pipeline->free_buffers = buffer;
    unlock(pipeline);
}

static void job_release(struct pipeline *pipeline, struct job *job)
{
    lock(pipeline);
    bool last = --job->holders == 0;
    unlock(pipeline);
    if (!last) return;
    for (u32 i = 0; i < job->view.header->command_count; i++) {
        buffer_give(pipeline, job->commands[i].body);
        job->commands[i].body = NULL;
    }
    lock(pipeline);
    pipeline->free_jobs[pipeline->free_job_count++] = job;
    unlock(pipeline);
    notify(pipeline);
}

// The threads that a reply waits for run at once when they wake: Linux from 6.12 takes a short
// slice as the wish to come before others with longer ones. Elsewhere nothing changes.
void thread_hurry(void)
{
    const struct {
        u32 size, policy;
        u64 flags;
        i32 nice;
        u32 priority;
        u64 runtime, deadline, period;
        u32 clamp_min, clamp_max;
    } attributes = {.size = 56, .policy = SCHED_OTHER, .runtime = HURRY_SLICE_NS};
    static_assert(sizeof attributes == 56, "struct sched_attr of Linux 5.3");
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// Background work gives way to the path of a command. It is not starved, because input waits for it
// at a bound.
static void thread_give_way(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}

// --- the log thread -----------------------------------------------------------------------------

static void job_write(struct pipeline *pipeline, struct job *job)
{
    struct frame_header *header = (void *)job->head;
    lock(pipeline);
    // Deciding and indexing may be ahead of the write; a header names no later frame than its own.
    header->outcome_sequence = MIN(pipeline->indexed, header->sequence);
    header->outcome_root = pipeline->roots[header->outcome_sequence % FRAME_OUTCOME_LAG_MAX];
    unlock(pipeline);
    struct failure failure;
    enum status status = wal_append(&pipeline->node->wal, &job->wal, &failure);
    if (status != STATUS_OK) fatal(pipeline, &failure);
    request_source_durable(&pipeline->node->source, header->place + job->size);
    lock(pipeline);
    job->header_hash = pipeline->node->wal.tail.previous;
    job->durable = true;
    pipeline->durable = header->sequence;
    changed(pipeline);
    unlock(pipeline);
}

static void *log_thread(void *context)
{
    struct pipeline *pipeline = context;
    thread_hurry();
    lock(pipeline);
    for (;;) {
        struct job *job = queue_take(&pipeline->log_queue);
        if (job == NULL) {
            if (pipeline->stopping) break;
            (void)pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        pipeline->log_busy = true;
        unlock(pipeline);
        job_write(pipeline, job);
        notify(pipeline);
        lock(pipeline);
        pipeline->log_busy = false;
    }
    unlock(pipeline);
    return NULL;
}

// --- the history thread --------------------------------------------------------------------------

static void *history_thread(void *context)
{
    struct pipeline *pipeline = context;
    struct node *node = pipeline->node;
    lock(pipeline);
    for (;;) {
        struct job *job = queue_take(&pipeline->history_queue);
        if (job == NULL) {
            if (pipeline->stopping) break;
            (void)pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        unlock(pipeline);
        machine_index(&node->machine, &node->indexer, &job->view, &job->applied);
        lock(pipeline);
        pipeline->indexed = node->indexer.sequence;
        pipeline->roots[pipeline->indexed % FRAME_OUTCOME_LAG_MAX] =
            *machine_indexer_root(&node->indexer, node->indexer.sequence);
        if (job->checkpoint) pipeline->checkpoint_outcomes = node->indexer.outcomes;
        if (job->applied.rotated) queue_put(&pipeline->seal_queue, job->applied.segment);
        changed(pipeline);
        unlock(pipeline);
        job_release(pipeline, job);
        lock(pipeline);
    }
    unlock(pipeline);
    return NULL;
}

// --- the sealing thread --------------------------------------------------------------------------

static u64 monotonic_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

// Waits for a change, but no longer than this.
static void wait_for(struct pipeline *pipeline, u64 nanoseconds)
{
    u64 at = monotonic_now() + nanoseconds;
    const struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S),
                                   .tv_nsec = (long)(at % NS_PER_S)};
    (void)pthread_cond_timedwait(&pipeline->changed, &pipeline->mutex, &until);
}

static void *sealing_thread(void *context)
{
    struct pipeline *pipeline = context;
    thread_give_way(5);
    lock(pipeline);
    for (;;) {
        struct history_segment *segment = queue_take(&pipeline->seal_queue);
        if (segment == NULL) {
            if (pipeline->stopping) break;
            (void)pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        pipeline->seal_busy = true;
        unlock(pipeline);
        struct failure failure;
        enum status status = history_seal(&pipeline->node->machine.history, segment, &failure);
        if (status != STATUS_OK && status != STATUS_FULL) fatal(pipeline, &failure);
        lock(pipeline);
        if (status == STATUS_FULL) {
            // The segment stays in memory; input stops until there is space.
            pipeline->full = true;
            while (pipeline->full && !pipeline->stopping) wait_for(pipeline, FULL_RETRY_NS);
            // It must be the next one: put it back in front.
            pipeline->seal_queue.first = (pipeline->seal_queue.first + QUEUE_SIZE - 1) % QUEUE_SIZE;
            pipeline->seal_queue.items[pipeline->seal_queue.first] = segment;
            pipeline->seal_queue.count++;
            pipeline->seal_busy = false;
            if (pipeline->stopping) break;
            continue;
        }
        pipeline->seal_busy = false;
        pipeline->seals++;
        pipeline->merge_wanted = true;
        changed(pipeline);
        notify(pipeline);
    }
    unlock(pipeline);
    return NULL;
}

// --- the upkeep thread ---------------------------------------------------------------------------

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
static void upkeep_checkpoint(struct pipeline *pipeline)
{
    struct checkpoint *checkpoint = &pipeline->node->checkpoint;
    u64 sequence = pipeline->checkpoint_sequence;
    while (!(pipeline->durable >= sequence && pipeline->indexed >= sequence &&
             is_sealed_below(pipeline, checkpoint->head.next_row))) {
        if (pipeline->stopping) { // The sealing thread may have left; the log has everything.
            pipeline->checkpoint_asked = false;
            return;
        }
        wait_for(pipeline, RETRY_NS);
    }
    checkpoint->head.tail.previous = pipeline->checkpoint_previous;
    struct merkle_range outcomes = pipeline->checkpoint_outcomes;
    unlock(pipeline);
    struct failure failure;
    enum status status =
        checkpoint_write(checkpoint, &pipeline->node->machine, &outcomes, NULL, &failure);
    if (status != STATUS_OK && status != STATUS_FULL) fatal(pipeline, &failure);
    lock(pipeline);
    if (status == STATUS_FULL) {
        pipeline->full = true; // The log goes on from the checkpoint before.
    } else {
        pipeline->checkpoints++;
    }
    pipeline->checkpoint_asked = false;
    pipeline->checkpoint_written = true;
    notify(pipeline);
}

static void upkeep_merge(struct pipeline *pipeline)
{
    bool merged = false;
    struct failure failure;
    unlock(pipeline);
    enum status status = history_merge(&pipeline->node->machine.history, &merged, &failure);
    if (status != STATUS_OK && status != STATUS_FULL) fatal(pipeline, &failure);
    lock(pipeline);
    pipeline->merge_wanted = merged;
    pipeline->merges += merged;
    if (status == STATUS_FULL) pipeline->full = true;
}

// Removes a spare file when there is nothing better to do. False when there is none.
static bool upkeep_remove(struct pipeline *pipeline)
{
    bool removed = false;
    struct failure failure;
    unlock(pipeline);
    enum status status =
        history_remove_spares(&pipeline->node->machine.history, 0, &removed, &failure);
    if (status != STATUS_OK) fatal(pipeline, &failure);
    lock(pipeline);
    return removed;
}

static void *upkeep_thread(void *context)
{
    struct pipeline *pipeline = context;
    u64 durable = 0;
    u64 quiet_since = 0;
    thread_give_way(10);
    lock(pipeline);
    while (!pipeline->stopping) {
        if (pipeline->checkpoint_asked) upkeep_checkpoint(pipeline);
        else if (pipeline->merge_wanted && !pipeline->full) upkeep_merge(pipeline);
        bool more = pipeline->checkpoint_asked || (pipeline->merge_wanted && !pipeline->full);
        if (more) continue;
        wait_for(pipeline, FULL_RETRY_NS);
        u64 now = monotonic_now();
        if (pipeline->durable != durable) {
            durable = pipeline->durable;
            quiet_since = now;
        }
        // Only in quiet times, or short of space, are blocks freed: it may hold the device up.
        if (now - quiet_since < QUIET_NS && !pipeline->full) continue;
        pipeline->spares_left = upkeep_remove(pipeline);
    }
    unlock(pipeline);
    return NULL;
}

// --- the space thread ----------------------------------------------------------------------------

// Keeps files of the log ready and watches the free space.
static void *space_thread(void *context)
{
    struct pipeline *pipeline = context;
    thread_hurry(); // Waits for the device, mostly.
    struct node *node = pipeline->node;
    lock(pipeline);
    while (!pipeline->stopping) {
        struct failure failure;
        u64 space = 0;
        unlock(pipeline);
        enum status status = wal_prepare(&node->wal, &failure);
        if (status == STATUS_OK) status = disk_free_space(node->disk, &space, &failure);
        if (status != STATUS_OK && status != STATUS_FULL) fatal(pipeline, &failure);
        lock(pipeline);
        bool full = status == STATUS_FULL || space < pipeline->options.space_reserve;
        if (full != pipeline->full) {
            pipeline->full = full;
            changed(pipeline);
            notify(pipeline);
        }
        u64 file = __atomic_load_n(&node->wal.tail.place, __ATOMIC_RELAXED) / WAL_FILE_SIZE;
        bool behind = !wal_is_prepared(&node->wal, file + WAL_FILES_AHEAD);
        if (full || !behind) wait_for(pipeline, full ? FULL_RETRY_NS : SPACE_CHECK_NS);
    }
    unlock(pipeline);
    return NULL;
}

// --- the query threads ---------------------------------------------------------------------------

struct query_answer {
    u8 *reply;
    u32 size;
    u32 found; // Account rows found so far.
};

static enum status query_batch(struct history_query *scratch, const struct history_view *view,
                               struct pipeline_query *query, u32 index, const u8 *event, u32 count,
                               u32 limit, struct query_answer *answer, struct failure *failure)
{
    u32 found = 0;
    enum status status = STATUS_OK;
    void *out = answer->reply + answer->size;
    union {
        struct account_filter account;
        struct query_filter query;
        struct change_events_filter change;
    } filter;
    if (compat_is_query(query->operation)) memcpy(&filter, event, query->operation->event_size);
    switch (query->operation->kind) {
    case COMPAT_KIND_LOOKUP_TRANSFERS:
        status = history_lookup_transfers(scratch, view, (const void *)event, count, out, &found,
                                          failure);
        break;
    case COMPAT_KIND_ACCOUNT_TRANSFERS:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_transfers(scratch, view, &filter.account, query->accounts[index],
                                           limit, out, &found, failure);
        break;
    case COMPAT_KIND_ACCOUNT_BALANCES:
        if (!account_filter_valid(&filter.account)) break;
        status = history_account_balances(scratch, view, &filter.account, query->accounts[index],
                                          limit, out, &found, failure);
        break;
    case COMPAT_KIND_QUERY_TRANSFERS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_transfers(scratch, view, &filter.query, limit, out, &found, failure);
        break;
    case COMPAT_KIND_QUERY_ACCOUNTS:
        if (!query_filter_valid(&filter.query)) break;
        status = history_query_accounts(scratch, view, &filter.query, limit,
                                        query->accounts + answer->found, &found, failure);
        answer->found += found;
        break;
    case COMPAT_KIND_CHANGE_EVENTS:
        if (!change_events_filter_valid(&filter.change)) break;
        status = history_change_events(scratch, view, &filter.change, limit, out, &found, failure);
        break;
    default: assert(false);
    }
    query->counts[index] = (u16)found;
    answer->size += found * query->operation->result_size;
    return status;
}

static void query_execute(struct pipeline *pipeline, struct history_query *scratch,
                          struct pipeline_query *query)
{
    struct machine *machine = &pipeline->node->machine;
    const struct history_view view = {
        .history = &machine->history,
        .set = history_set_acquire(&machine->history),
        .accounts = (const struct account *)machine->ledger.accounts.memory,
        .row_end = query->row_end,
    };
    struct query_answer answer = {.reply = buffer_body(query->reply)};
    struct failure failure;
    enum status status = STATUS_OK;
    u32 event = 0;
    u32 left = compat_results_max(query->operation, query->batches.batch_count);
    for (u32 i = 0; i < query->batches.batch_count && status == STATUS_OK; i++) {
        u32 count = compat_batch_count(&query->batches, i);
        u32 before = answer.size;
        status = query_batch(scratch, &view, query, i,
                             query->batches.events + (size_t)event * query->operation->event_size,
                             count, left, &answer, &failure);
        left -= (answer.size - before) / query->operation->result_size;
        event += count;
    }
    history_set_release(&machine->history, view.set);
    if (status != STATUS_OK) fatal(pipeline, &failure);
    query->reply_size = answer.size;
}

struct query_start {
    struct pipeline *pipeline;
    struct history_query *scratch;
};

static void *query_thread(void *context)
{
    struct query_start start = *(struct query_start *)context;
    free(context);
    struct pipeline *pipeline = start.pipeline;
    lock(pipeline);
    for (;;) {
        struct pipeline_query *query = pipeline->asked_first;
        if (query == NULL || pipeline->durable < query->sequence ||
            pipeline->indexed < query->sequence) {
            if (pipeline->stopping && query == NULL) break;
            (void)pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
            continue;
        }
        pipeline->asked_first = query->next;
        unlock(pipeline);
        query_execute(pipeline, start.scratch, query);
        lock(pipeline);
        query->next = pipeline->answered;
        pipeline->answered = query;
        notify(pipeline);
    }
    unlock(pipeline);
    return NULL;
}

// --- asking (the owner's thread) -----------------------------------------------------------------

static void accounts_resolve(struct pipeline *pipeline, struct pipeline_query *query)
{
    const struct ledger *ledger = &pipeline->node->machine.ledger;
    bool balances = query->operation->kind == COMPAT_KIND_ACCOUNT_BALANCES;
    for (u32 i = 0; i < query->batches.batch_count; i++) {
        const u8 *event = query->batches.events + (size_t)i * query->operation->event_size;
        u32 row = ledger_account_row(ledger, load_u128(event));
        // Only accounts that keep a history answer with balances (reference).
        if (row != U32_MAX && balances && !(ledger_account(ledger, row)->flags & ACCOUNT_HISTORY)) {
            row = U32_MAX;
        }
        query->accounts[i] = row;
    }
}

void pipeline_ask(struct pipeline *pipeline, struct pipeline_query *query)
{
    bool valid = compat_decode(query->operation, buffer_body(query->body), query->body_size,
                               &query->batches);
    assert(valid); // The port checks before it asks.
    pipeline->outstanding++;
    query->position = pipeline->node->machine.position;
    query->timestamp = pipeline->node->machine.timestamp;
    query->sequence = pipeline->next_sequence - 1;
    query->row_end = pipeline->node->machine.history.next_row;
    query->next = NULL;
    if (machine_query_is_live(query->operation)) {
        query->reply_size = machine_lookup_accounts(&pipeline->node->machine, query->operation,
                                                    &query->batches, buffer_body(query->reply));
        query->next = pipeline->held;
        pipeline->held = query;
        return;
    }
    u32 batches = query->batches.batch_count;
    query->counts = calloc(batches, sizeof *query->counts);
    query->accounts = calloc(MAX(batches, LEDGER_BATCH_EVENTS_MAX), sizeof *query->accounts);
    assert(query->counts != NULL && query->accounts != NULL);
    if (query->operation->kind == COMPAT_KIND_ACCOUNT_TRANSFERS ||
        query->operation->kind == COMPAT_KIND_ACCOUNT_BALANCES) {
        accounts_resolve(pipeline, query);
    }
    lock(pipeline);
    if (pipeline->asked_first == NULL) pipeline->asked_first = query;
    else pipeline->asked_last->next = query;
    pipeline->asked_last = query;
    changed(pipeline);
    unlock(pipeline);
}

// Completes an answer of the query threads. False when it shows live state and must be held.
static bool answer_complete(struct pipeline *pipeline, struct pipeline_query *query)
{
    bool live = query->operation->kind == COMPAT_KIND_QUERY_ACCOUNTS;
    u8 *reply = buffer_body(query->reply);
    if (live) {
        u32 found = query->reply_size / (u32)sizeof(struct account);
        for (u32 i = 0; i < found; i++) {
            struct account account;
            ledger_account_view(&pipeline->node->machine.ledger, query->accounts[i], &account);
            memcpy(reply + i * sizeof account, &account, sizeof account);
        }
        query->sequence = pipeline->next_sequence - 1;
        query->position = pipeline->node->machine.position;
        query->timestamp = pipeline->node->machine.timestamp;
    }
    if (query->operation->multi_batch) {
        query->reply_size =
            compat_trailer_write(reply, query->reply_size, query->operation->result_size,
                                 query->counts, query->batches.batch_count);
    }
    free(query->counts);
    free(query->accounts);
    query->counts = NULL;
    query->accounts = NULL;
    return !live || pipeline->durable >= query->sequence;
}

static void query_hand_out(struct pipeline *pipeline, struct pipeline_query *query)
{
    assert(pipeline->outstanding > 0);
    pipeline->outstanding--;
    pipeline->callbacks.query_done(pipeline->callbacks.context, query);
}

static void answers_hand_out(struct pipeline *pipeline)
{
    lock(pipeline);
    struct pipeline_query *answered = pipeline->answered;
    pipeline->answered = NULL;
    u64 durable = pipeline->durable;
    unlock(pipeline);
    while (answered != NULL) {
        struct pipeline_query *query = answered;
        answered = query->next;
        if (answer_complete(pipeline, query)) {
            query_hand_out(pipeline, query);
        } else {
            query->next = pipeline->held;
            pipeline->held = query;
        }
    }
    struct pipeline_query **link = &pipeline->held;
    while (*link != NULL) {
        struct pipeline_query *query = *link;
        if (query->sequence > durable) {
            link = &query->next;
            continue;
        }
        *link = query->next;
        query_hand_out(pipeline, query);
    }
}

// --- frames (the owner's thread) -----------------------------------------------------------------

u32 pipeline_room(const struct pipeline *pipeline)
{
    return WAITING_MAX - pipeline->waiting_count;
}

bool pipeline_has_room(const struct pipeline *pipeline, const struct compat_operation *operation,
                       u32 events)
{
    // Frames are decided as they are closed, so only what waits is not counted in the tables yet.
    u64 more = events + pipeline->waiting_bytes / operation->event_size;
    bool accounts = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS;
    return ledger_has_room(&pipeline->node->machine.ledger, accounts ? more : 0,
                           accounts ? 0 : more);
}

void pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command)
{
    assert(pipeline->waiting_count < WAITING_MAX);
    u32 at = (pipeline->waiting_first + pipeline->waiting_count++) % WAITING_MAX;
    pipeline->waiting[at] = *command;
    pipeline->waiting_bytes += command->entry.body_size;
}

static u64 body_space(u32 size)
{
    return size <= BODY_PACKED_MAX ? align_up(size, FRAME_BODY_ALIGNMENT)
                                   : align_up(size, PAGE_SIZE);
}

// Moves commands from the queue into the job, as many as fit a frame. False when no reply buffer is
// to be had.
static u32 job_fill(struct pipeline *pipeline, struct job *job, bool tick)
{
    u32 count = 0;
    u64 packed = 0;
    u64 large = 0;
    if (tick) {
        job->commands[count++] =
            (struct pipeline_command){.entry = {.record = COMMAND_TICK, .version = 1}};
    }
    while (pipeline->waiting_count > 0 && count < FRAME_COMMANDS_MAX) {
        struct pipeline_command *command = &pipeline->waiting[pipeline->waiting_first];
        u64 space = body_space(command->entry.body_size);
        bool is_packed = command->entry.body_size <= BODY_PACKED_MAX;
        if (is_packed && packed + space > PACK_SIZE_MAX) break;
        if (FRAME_HEAD_SIZE_MAX + packed + large + space + PAGE_SIZE > FRAME_SIZE_MAX) break;
        command->reply = buffer_take(pipeline);
        if (command->reply == NULL) break;
        if (is_packed) packed += space;
        else large += space;
        job->commands[count++] = *command;
        pipeline->waiting_first = (pipeline->waiting_first + 1) % WAITING_MAX;
        pipeline->waiting_count--;
        pipeline->waiting_bytes -= command->entry.body_size;
    }
    return count;
}

// Lays the frame out: large bodies where they are, small ones copied behind them.
static void job_layout(struct pipeline *pipeline, struct job *job, u32 count)
{
    struct frame_command *entries = (void *)(job->head + sizeof(struct frame_header));
    u64 head = frame_head_size(count);
    memset(job->head, 0, head);
    u64 offset = head;
    job->wal.head = job->head;
    job->wal.head_size = head;
    job->wal.part_count = 0;
    for (u32 i = 0; i < count; i++) {
        struct pipeline_command *command = &job->commands[i];
        if (command->entry.body_size <= BODY_PACKED_MAX) continue;
        u64 space = body_space(command->entry.body_size);
        command->entry.body_offset = (u32)offset;
        job->bodies[i] = buffer_body(command->body);
        assert(job->wal.part_count < ARRAY_COUNT(job->wal.parts) - 1);
        job->wal.parts[job->wal.part_count++] =
            (struct frame_part){.data = job->bodies[i], .size = space};
        offset += space;
    }
    u64 packed = 0;
    for (u32 i = 0; i < count; i++) {
        struct pipeline_command *command = &job->commands[i];
        u32 size = command->entry.body_size;
        if (size > BODY_PACKED_MAX) continue;
        u64 space = body_space(size);
        command->entry.body_offset = size == 0 ? 0 : (u32)(offset + packed);
        job->bodies[i] = job->pack + packed;
        if (size > 0) memcpy(job->pack + packed, buffer_body(command->body), size);
        memset(job->pack + packed + size, 0, space - size);
        packed += space;
        buffer_give(pipeline, command->body);
        command->body = NULL;
    }
    if (packed > 0) {
        u64 padded = align_up(packed, PAGE_SIZE);
        memset(job->pack + packed, 0, padded - packed);
        job->wal.parts[job->wal.part_count++] =
            (struct frame_part){.data = job->pack, .size = padded};
        offset += padded;
    }
    for (u32 i = 0; i < count; i++) entries[i] = job->commands[i].entry;
    job->size = offset;
    job->view = (struct frame_view){
        .header = (const void *)job->head, .commands = entries, .bodies = job->bodies};
}

static u64 tables_bytes(const struct pipeline *pipeline)
{
    u64 pages = 0;
    for (u32 i = 0; i < pipeline->node->checkpoint.table_count; i++) {
        pages += table_page_count(pipeline->node->checkpoint.tables[i]);
    }
    return pages * PAGE_SIZE;
}

static bool checkpoint_due(const struct pipeline *pipeline)
{
    u64 written = pipeline->next_place - pipeline->checkpoint_place;
    return !pipeline->checkpoint_active &&
           written >= MAX(pipeline->options.checkpoint_bytes, 2 * tables_bytes(pipeline));
}

static void job_header(struct pipeline *pipeline, struct job *job, u32 count, u32 flags, u64 now)
{
    const struct machine *machine = &pipeline->node->machine;
    struct frame_header *header = (void *)job->head;
    header->position = machine->position + 1;
    header->timestamp = MAX(now, machine->timestamp + 1);
    header->command_count = count;
    header->flags = flags;
    header->sequence = pipeline->next_sequence;
    header->place = wal_place(pipeline->next_place, job->size);
}

static void checkpoint_start(struct pipeline *pipeline)
{
    struct node *node = pipeline->node;
    const struct wal_tail tail = {
        .log_id = node->wal.tail.log_id,
        .epoch = node->wal.tail.epoch,
        .sequence = pipeline->next_sequence,
        .place = pipeline->next_place,
    };
    checkpoint_begin(&node->checkpoint, &node->machine, &tail);
    pipeline->checkpoint_active = true;
    pipeline->checkpoint_place = pipeline->next_place;
}

// Decides the frame while the log thread writes it.
static void job_decide(struct pipeline *pipeline, struct job *job)
{
    struct node *node = pipeline->node;
    for (u32 i = 0; i < job->view.header->command_count; i++) {
        struct buffer *reply = job->commands[i].reply;
        job->applied.commands[i].reply = reply == NULL ? NULL : buffer_body(reply);
    }
    job->applied.resolved.items = job->resolved;
    struct failure failure;
    enum status status = machine_apply(&node->machine, &job->view, &job->applied, &failure);
    if (status != STATUS_OK) fatal(pipeline, &failure);
    if (job->checkpoint) checkpoint_start(pipeline);
    lock(pipeline);
    if (job->checkpoint) pipeline->checkpoint_sequence = job->view.header->sequence;
    queue_put(&pipeline->history_queue, job);
    changed(pipeline);
    unlock(pipeline);
}

// Takes a job for the next frame, or NULL when the frame has to wait.
static struct job *job_take(struct pipeline *pipeline, u32 *flags)
{
    struct history *history = &pipeline->node->machine.history;
    bool checkpoint = checkpoint_due(pipeline);
    bool rotate = history_active_full(history) || checkpoint;
    if (rotate && !history_can_rotate(history)) rotate = false;
    if (!rotate && !history_active_has_room(history)) return NULL; // Until a segment is sealed.
    lock(pipeline);
    // When storage is full the port takes no more creates; what was taken, and new sessions, go
    // into the space that the log has already.
    bool ready = pipeline->free_job_count > 0;
    // The frame's file, or the next one if it does not fit, must have its space.
    u64 last = (pipeline->next_place + FRAME_SIZE_MAX) / WAL_FILE_SIZE;
    struct job *job = ready ? pipeline->free_jobs[pipeline->free_job_count - 1] : NULL;
    if (job != NULL) pipeline->free_job_count--;
    unlock(pipeline);
    if (job == NULL) return NULL;
    if (!wal_is_prepared(&pipeline->node->wal, last)) {
        lock(pipeline);
        pipeline->free_jobs[pipeline->free_job_count++] = job;
        changed(pipeline);
        unlock(pipeline);
        return NULL;
    }
    job->checkpoint = rotate && checkpoint;
    *flags = rotate ? FRAME_ROTATE : 0;
    return job;
}

static void job_untake(struct pipeline *pipeline, struct job *job)
{
    lock(pipeline);
    pipeline->free_jobs[pipeline->free_job_count++] = job;
    unlock(pipeline);
}

// Closes a frame of what waits. False when there is nothing to close or it has to wait.
static bool frame_close(struct pipeline *pipeline, u32 extra_flags, u64 now)
{
    struct node *node = pipeline->node;
    u32 flags = 0;
    bool tick = !pipeline->draining && ledger_next_expiry(&node->machine.ledger) <= now;
    if (pipeline->waiting_count == 0 && !tick && extra_flags == 0) return false;
    struct job *job = job_take(pipeline, &flags);
    if (job == NULL) return false;
    // A segment without room for a frame is ended by an empty one.
    u32 count = history_active_has_room(&node->machine.history) ? job_fill(pipeline, job, tick) : 0;
    if (count == 0 && extra_flags == 0 && !(flags & FRAME_ROTATE)) {
        job_untake(pipeline, job);
        return false;
    }
    if (extra_flags & FRAME_ROTATE) { // The last frame of a server that stops; it is empty.
        assert(count == 0);
        if (!(flags & FRAME_ROTATE) && !history_can_rotate(&node->machine.history)) {
            job_untake(pipeline, job);
            return false;
        }
        job->checkpoint = !pipeline->checkpoint_active;
    }
    job_layout(pipeline, job, count);
    job_header(pipeline, job, count, flags | extra_flags, now);
    job->durable = false;
    job->holders = 2;
    u64 place = job->view.header->place;
    struct request_frame request = {.place = place, .size = job->size, .part_count = 1};
    request.parts[0] = (struct frame_part){.data = job->wal.head, .size = job->wal.head_size};
    for (u32 i = 0; i < job->wal.part_count; i++) {
        request.parts[request.part_count++] = job->wal.parts[i];
    }
    request_source_add(&node->source, &request);
    pipeline->next_sequence++;
    pipeline->next_place = place + job->size;
    pipeline->last_close = now;
    pipeline->last_was_seal = count == 0;
    pipeline->flying[(pipeline->flying_first + pipeline->flying_count++) % JOBS_MAX] = job;
    lock(pipeline);
    bool alone = pipeline->log_queue.count == 0 && !pipeline->log_busy;
    bool here = alone && job->size <= INLINE_WRITE_MAX;
    if (!here) {
        queue_put(&pipeline->log_queue, job);
        changed(pipeline);
    } else {
        pipeline->log_busy = true;
    }
    unlock(pipeline);
    job_decide(pipeline, job);
    if (here) {
        // Two switches of threads cost more than a small write.
        job_write(pipeline, job);
        lock(pipeline);
        pipeline->log_busy = false;
        unlock(pipeline);
    }
    return true;
}

static void replies_hand_out(struct pipeline *pipeline)
{
    while (pipeline->flying_count > 0) {
        struct job *job = pipeline->flying[pipeline->flying_first];
        lock(pipeline);
        bool durable = job->durable;
        if (durable && job->checkpoint) {
            pipeline->checkpoint_previous = job->header_hash;
            pipeline->checkpoint_asked = true;
            changed(pipeline);
        }
        unlock(pipeline);
        if (!durable) break;
        pipeline->flying_first = (pipeline->flying_first + 1) % JOBS_MAX;
        pipeline->flying_count--;
        for (u32 i = 0; i < job->view.header->command_count; i++) {
            struct pipeline_command *command = &job->commands[i];
            command->applied = job->applied.commands[i];
            if (command->entry.record == COMMAND_TICK) continue;
            struct buffer *body = command->body; // Stays the job's: history may still read it.
            pipeline->callbacks.command_done(pipeline->callbacks.context, command);
            command->body = body;
            command->reply = NULL;
        }
        job_release(pipeline, job);
    }
}

static void checkpoint_finish(struct pipeline *pipeline)
{
    if (!pipeline->checkpoint_active) return;
    lock(pipeline);
    bool written = pipeline->checkpoint_written;
    pipeline->checkpoint_written = false;
    unlock(pipeline);
    if (!written) return;
    checkpoint_end(&pipeline->node->checkpoint);
    pipeline->checkpoint_active = false;
}

static bool all_is_indexed(struct pipeline *pipeline)
{
    lock(pipeline);
    bool done = pipeline->indexed + 1 == pipeline->next_sequence &&
                pipeline->durable + 1 == pipeline->next_sequence;
    unlock(pipeline);
    return done;
}

u64 pipeline_run(struct pipeline *pipeline, u64 now)
{
    u64 count = 0;
    if (read(pipeline->event_fd, &count, sizeof count) < 0) maybe(errno == EAGAIN);
    replies_hand_out(pipeline);
    checkpoint_finish(pipeline);
    answers_hand_out(pipeline);
    // Group: while a frame is being written, only a full enough one may follow.
    bool closed = false;
    while (pipeline->flying_count == 0 || pipeline->waiting_bytes >= GROUP_BYTES) {
        if (pipeline->flying_count == JOBS_MAX) break;
        if (!frame_close(pipeline, 0, now)) break;
        closed = true;
        replies_hand_out(pipeline);
    }
    if (closed) answers_hand_out(pipeline);
    u64 wait = U64_MAX;
    u64 expiry = ledger_next_expiry(&pipeline->node->machine.ledger);
    if (expiry != U64_MAX) wait = expiry > now ? expiry - now : RETRY_NS;
    if (pipeline->waiting_count > 0 && pipeline->flying_count == 0) wait = MIN(wait, RETRY_NS);
    bool seal = !pipeline->last_was_seal && !pipeline->draining;
    if (seal && pipeline->flying_count == 0 && pipeline->waiting_count == 0) {
        u64 idle = now > pipeline->last_close ? now - pipeline->last_close : 0;
        if (idle >= SEAL_IDLE_NS && all_is_indexed(pipeline)) {
            (void)frame_close(pipeline, FRAME_SEAL, now);
            replies_hand_out(pipeline);
        } else {
            wait = MIN(wait, SEAL_IDLE_NS - MIN(idle, SEAL_IDLE_NS - 1));
        }
    }
    return wait;
}

// --- starting and stopping -----------------------------------------------------------------------

static enum status memory_lay_out(struct pipeline *pipeline, struct failure *failure)
{
    const u64 buffer_size = BUFFER_HEAD_SIZE + BUFFER_BODY_SIZE;
    const u64 job_size =
        FRAME_HEAD_SIZE_MAX + PACK_SIZE_MAX + LEDGER_EVENTS_MAX * sizeof(struct transfer);
    void *memory = NULL;
    enum status status =
        memory_reserve(BUFFERS_MAX * buffer_size + JOBS_MAX * job_size, false, &memory, failure);
    if (status != STATUS_OK) return status;
    pipeline->memory = memory;
    u8 *at = memory;
    for (u32 i = BUFFERS_MAX; i-- > 0;) {
        struct buffer *buffer = &pipeline->buffers[i];
        buffer->memory = at + i * buffer_size;
        buffer->next = pipeline->free_buffers;
        pipeline->free_buffers = buffer;
    }
    at += BUFFERS_MAX * buffer_size;
    for (u32 i = 0; i < JOBS_MAX; i++) {
        struct job *job = &pipeline->jobs[i];
        job->head = at;
        job->pack = at + FRAME_HEAD_SIZE_MAX;
        job->resolved = (void *)(job->pack + PACK_SIZE_MAX);
        at += job_size;
        pipeline->free_jobs[pipeline->free_job_count++] = job;
    }
    return STATUS_OK;
}

static enum status thread_start(struct pipeline *pipeline, void *(*run)(void *), void *context,
                                struct failure *failure)
{
    assert(pipeline->thread_count < ARRAY_COUNT(pipeline->threads));
    int error = pthread_create(&pipeline->threads[pipeline->thread_count], NULL, run, context);
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "starting a thread");
    pipeline->thread_count++;
    return STATUS_OK;
}

static enum status threads_start(struct pipeline *pipeline, struct failure *failure)
{
    enum status status = thread_start(pipeline, log_thread, pipeline, failure);
    if (status == STATUS_OK) status = thread_start(pipeline, history_thread, pipeline, failure);
    if (status == STATUS_OK) status = thread_start(pipeline, sealing_thread, pipeline, failure);
    if (status == STATUS_OK) status = thread_start(pipeline, upkeep_thread, pipeline, failure);
    if (status == STATUS_OK) status = thread_start(pipeline, space_thread, pipeline, failure);
    for (u32 i = 0; i < pipeline->options.query_threads && status == STATUS_OK; i++) {
        status = history_query_new(&pipeline->queries[i], failure);
        if (status != STATUS_OK) break;
        struct query_start *start = malloc(sizeof *start);
        assert(start != NULL);
        *start = (struct query_start){.pipeline = pipeline, .scratch = pipeline->queries[i]};
        status = thread_start(pipeline, query_thread, start, failure);
    }
    return status;
}

// Recovery may have had no space to seal what it replayed.
static void seals_take_up(struct pipeline *pipeline)
{
    struct history *history = &pipeline->node->machine.history;
    struct history_set *set = history_set_acquire(history);
    for (u32 i = 0; i < set->count; i++) {
        struct history_segment *segment = set->segments[i];
        if (!segment->sealed && segment != history->active)
            queue_put(&pipeline->seal_queue, segment);
    }
    history_set_release(history, set);
}

enum status pipeline_new(struct pipeline **out, struct node *node,
                         const struct pipeline_options *options,
                         const struct pipeline_callbacks *callbacks, struct failure *failure)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    assert(pipeline != NULL);
    assert(options->query_threads <= ARRAY_COUNT(pipeline->queries));
    pipeline->node = node;
    pipeline->options = *options;
    pipeline->callbacks = *callbacks;
    (void)pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pipeline->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    pipeline->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pipeline->next_sequence = node->wal.tail.sequence;
    pipeline->next_place = node->wal.tail.place;
    pipeline->checkpoint_place = node->checkpoint_place;
    pipeline->durable = node->wal.tail.sequence - 1;
    pipeline->indexed = node->indexer.sequence;
    pipeline->roots[pipeline->indexed % FRAME_OUTCOME_LAG_MAX] =
        *machine_indexer_root(&node->indexer, node->indexer.sequence);
    pipeline->merge_wanted = true;
    enum status status = memory_lay_out(pipeline, failure);
    if (status == STATUS_OK) status = wal_prepare(&node->wal, failure);
    if (status == STATUS_FULL) {
        pipeline->full = true; // Reads go on, commands wait.
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        seals_take_up(pipeline);
        status = threads_start(pipeline, failure);
    }
    if (status != STATUS_OK) {
        pipeline_free(pipeline);
        return status;
    }
    *out = pipeline;
    return STATUS_OK;
}

int pipeline_fd(const struct pipeline *pipeline)
{
    return pipeline->event_fd;
}

bool pipeline_is_full(const struct pipeline *pipeline)
{
    return __atomic_load_n(&pipeline->full, __ATOMIC_RELAXED);
}

static bool is_idle(struct pipeline *pipeline)
{
    lock(pipeline);
    bool idle = pipeline->log_queue.count == 0 && !pipeline->log_busy &&
                pipeline->history_queue.count == 0 && pipeline->seal_queue.count == 0 &&
                !pipeline->seal_busy && !pipeline->checkpoint_asked && !pipeline->merge_wanted &&
                !pipeline->spares_left && pipeline->indexed + 1 == pipeline->next_sequence;
    unlock(pipeline);
    return idle && pipeline->flying_count == 0 && !pipeline->checkpoint_active;
}

void pipeline_stats(struct pipeline *pipeline, struct pipeline_stats *out)
{
    bool idle = is_idle(pipeline) && pipeline->waiting_count == 0;
    lock(pipeline);
    *out = (struct pipeline_stats){
        .position = pipeline->node->machine.position,
        .sequence_durable = pipeline->durable,
        .sequence_indexed = pipeline->indexed,
        .checkpoints = pipeline->checkpoints,
        .seals = pipeline->seals,
        .merges = pipeline->merges,
        .filter_bytes = atomic_load(&pipeline->node->machine.history.filter_bytes),
        .idle = idle,
        .full = pipeline->full,
    };
    unlock(pipeline);
}

// Runs until `done` holds, without new commands.
static void run_until(struct pipeline *pipeline, bool (*done)(struct pipeline *))
{
    while (!done(pipeline)) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)pipeline_run(pipeline, (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec);
        const struct timespec pause = {.tv_nsec = (long)NS_PER_MS / 4};
        (void)nanosleep(&pause, NULL);
        if (pipeline_is_full(pipeline)) break; // What is durable is safe; leave.
    }
}

static bool nothing_flies(struct pipeline *pipeline)
{
    return pipeline->flying_count == 0 && pipeline->waiting_count == 0 &&
           pipeline->outstanding == 0 && all_is_indexed(pipeline) && !pipeline->checkpoint_active;
}

static bool is_checkpointed(struct pipeline *pipeline)
{
    return nothing_flies(pipeline) && pipeline->checkpoint_place == pipeline->next_place;
}

enum status pipeline_stop(struct pipeline *pipeline, struct failure *failure)
{
    (void)failure;
    pipeline->draining = true;
    run_until(pipeline, nothing_flies);
    if (pipeline->checkpoint_place != pipeline->next_place) {
        while (!pipeline_is_full(pipeline) && !frame_close(pipeline, FRAME_SEAL | FRAME_ROTATE,
                                                           pipeline->node->machine.timestamp + 1)) {
            const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
            (void)nanosleep(&pause, NULL);
        }
        run_until(pipeline, is_checkpointed);
    }
    return STATUS_OK;
}

void pipeline_free(struct pipeline *pipeline)
{
    lock(pipeline);
    pipeline->stopping = true;
    changed(pipeline);
    unlock(pipeline);
    for (u32 i = 0; i < pipeline->thread_count; i++) {
        (void)pthread_join(pipeline->threads[i], NULL);
    }
    for (u32 i = 0; i < ARRAY_COUNT(pipeline->queries); i++)
        history_query_free(pipeline->queries[i]);
    const u64 job_size =
        FRAME_HEAD_SIZE_MAX + PACK_SIZE_MAX + LEDGER_EVENTS_MAX * sizeof(struct transfer);
    memory_release(pipeline->memory,
                   BUFFERS_MAX * (BUFFER_HEAD_SIZE + BUFFER_BODY_SIZE) + JOBS_MAX * job_size);
    if (pipeline->event_fd >= 0) (void)close(pipeline->event_fd);
    (void)pthread_mutex_destroy(&pipeline->mutex);
    (void)pthread_cond_destroy(&pipeline->changed);
    free(pipeline);
}
