// SPDX-License-Identifier: Apache-2.0
//
// The pipeline's hand-over between threads, its buffers and jobs, starting and stopping.
#include "server/pipeline_internal.h"

#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

// What one buffer and one job take of the pipeline's memory.
#define BUFFER_SIZE   (BUFFER_HEAD_SIZE + BUFFER_BODY_SIZE)
#define RESOLVED_SIZE (LEDGER_EVENTS_MAX * sizeof(struct transfer))
#define JOB_SIZE      (FRAME_HEAD_SIZE_MAX + PACK_SIZE_MAX + RESOLVED_SIZE)
#define MEMORY_SIZE   (BUFFERS_MAX * BUFFER_SIZE + JOBS_MAX * JOB_SIZE)
// While it stops, the owner's thread looks so often whether it is done.
#define STOP_PAUSE_NS (NS_PER_MS / 4)

void pipeline_lock(struct pipeline *pipeline)
{
    int result = pthread_mutex_lock(&pipeline->mutex);
    assert(result == 0);
}

void pipeline_unlock(struct pipeline *pipeline)
{
    int result = pthread_mutex_unlock(&pipeline->mutex);
    assert(result == 0);
}

void pipeline_wake(struct pipeline *pipeline, enum pipeline_waiter waiter)
{
    (void)pthread_cond_broadcast(&pipeline->wakes[waiter]);
}

void pipeline_wake_followers(struct pipeline *pipeline)
{
    if (pipeline->asked.first != NULL) pipeline_wake(pipeline, WAITER_QUERY);
    if (pipeline->checkpoint_asked) pipeline_wake(pipeline, WAITER_CHECKPOINT);
}

void pipeline_wait(struct pipeline *pipeline, enum pipeline_waiter waiter)
{
    (void)pthread_cond_wait(&pipeline->wakes[waiter], &pipeline->mutex);
}

void pipeline_wait_for(struct pipeline *pipeline, enum pipeline_waiter waiter, u64 nanoseconds)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    u64 at = (u64)until.tv_sec * NS_PER_S + (u64)until.tv_nsec + nanoseconds;
    until = (struct timespec){.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};
    (void)pthread_cond_timedwait(&pipeline->wakes[waiter], &pipeline->mutex, &until);
}

void pipeline_notify(struct pipeline *pipeline)
{
    u64 one = 1;
    ssize_t put = write(pipeline->event_fd, &one, sizeof one);
    assert(put == (ssize_t)sizeof one || errno == EAGAIN);
}

void pipeline_fatal(struct pipeline *pipeline, const struct failure *failure)
{
    pipeline->callbacks.fatal(pipeline->callbacks.context, failure);
    abort(); // The callback does not return.
}

void queue_put(struct queue *queue, void *item)
{
    assert(queue->count < QUEUE_SIZE);
    queue->items[(queue->first + queue->count++) % QUEUE_SIZE] = item;
}

void *queue_take(struct queue *queue)
{
    if (queue->count == 0) return NULL;
    void *item = queue->items[queue->first];
    queue->first = (queue->first + 1) % QUEUE_SIZE;
    queue->count--;
    return item;
}

void *queue_await(struct pipeline *pipeline, struct queue *queue, enum pipeline_waiter waiter)
{
    for (;;) {
        void *item = queue_take(queue);
        if (item != NULL || pipeline->stopping) return item;
        pipeline_wait(pipeline, waiter);
    }
}

void queue_put_back(struct queue *queue, void *item)
{
    assert(queue->count < QUEUE_SIZE);
    queue->first = (queue->first + QUEUE_SIZE - 1) % QUEUE_SIZE;
    queue->items[queue->first] = item;
    queue->count++;
}

// --- buffers and jobs ----------------------------------------------------------------------------

// Takes a buffer, if more than `kept` are free.
static struct buffer *buffer_take_beyond(struct pipeline *pipeline, u32 kept)
{
    struct buffer *buffer = NULL;
    pipeline_lock(pipeline);
    if (pipeline->free_buffer_count > kept) {
        buffer = pipeline->free_buffers;
        pipeline->free_buffers = buffer->next;
        pipeline->free_buffer_count--;
    }
    pipeline_unlock(pipeline);
    return buffer;
}

struct buffer *buffer_take(struct pipeline *pipeline)
{
    return buffer_take_beyond(pipeline, 0);
}

struct buffer *buffer_take_input(struct pipeline *pipeline)
{
    return buffer_take_beyond(pipeline, BUFFERS_KEPT);
}

void buffer_give(struct pipeline *pipeline, struct buffer *buffer)
{
    if (buffer == NULL) return;
    pipeline_lock(pipeline);
    buffer->next = pipeline->free_buffers;
    pipeline->free_buffers = buffer;
    pipeline->free_buffer_count++;
    pipeline_unlock(pipeline);
}

void job_release(struct pipeline *pipeline, struct job *job)
{
    pipeline_lock(pipeline);
    bool last = --job->holders == 0;
    pipeline_unlock(pipeline);
    if (!last) return;
    for (u32 i = 0; i < job->view.header->command_count; i++) {
        buffer_give(pipeline, job->commands[i].body);
        job->commands[i].body = NULL;
    }
    pipeline_lock(pipeline);
    pipeline->free_jobs[pipeline->free_job_count++] = job;
    pipeline_unlock(pipeline);
    pipeline_notify(pipeline);
}

// --- starting and stopping -----------------------------------------------------------------------

// How threads wait for each other, and the owner's for them.
static enum status wakes_make(struct pipeline *pipeline, struct failure *failure)
{
    (void)pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    for (u32 i = 0; i < WAITER_COUNT; i++) {
        (void)pthread_cond_init(&pipeline->wakes[i], &attributes);
    }
    (void)pthread_condattr_destroy(&attributes);
    pipeline->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pipeline->event_fd >= 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "making what threads wake the server by");
}

static enum status memory_lay_out(struct pipeline *pipeline, struct failure *failure)
{
    void *memory = NULL;
    enum status status = memory_reserve(MEMORY_SIZE, false, &memory, failure);
    if (status != STATUS_OK) return status;
    pipeline->memory = memory;
    u8 *at = memory;
    for (u32 i = BUFFERS_MAX; i-- > 0;) {
        struct buffer *buffer = &pipeline->buffers[i];
        buffer->memory = at + i * BUFFER_SIZE;
        buffer->next = pipeline->free_buffers;
        pipeline->free_buffers = buffer;
        pipeline->free_buffer_count++;
    }
    at += BUFFERS_MAX * BUFFER_SIZE;
    for (u32 i = 0; i < JOBS_MAX; i++) {
        struct job *job = &pipeline->jobs[i];
        job->head = at;
        job->pack = at + FRAME_HEAD_SIZE_MAX;
        job->resolved = (void *)(job->pack + PACK_SIZE_MAX);
        at += JOB_SIZE;
        pipeline->free_jobs[pipeline->free_job_count++] = job;
    }
    return STATUS_OK;
}

// `name` is what ps and perf show; at most 15 characters.
static enum status thread_start(struct pipeline *pipeline, const char *name, void *(*run)(void *),
                                void *context, struct failure *failure)
{
    assert(pipeline->thread_count < ARRAY_COUNT(pipeline->threads));
    int error = pthread_create(&pipeline->threads[pipeline->thread_count], NULL, run, context);
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "starting a thread");
    (void)pthread_setname_np(pipeline->threads[pipeline->thread_count], name);
    pipeline->thread_count++;
    return STATUS_OK;
}

static enum status threads_start(struct pipeline *pipeline, struct failure *failure)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } threads[] = {
        {"tael log", log_thread},         {"tael history", history_thread},
        {"tael sealing", sealing_thread}, {"tael checkpoint", checkpoint_thread},
        {"tael upkeep", upkeep_thread},   {"tael space", space_thread},
    };
    enum status status = STATUS_OK;
    for (u32 i = 0; i < ARRAY_COUNT(threads) && status == STATUS_OK; i++) {
        status = thread_start(pipeline, threads[i].name, threads[i].run, pipeline, failure);
    }
    for (u32 i = 0; i < pipeline->options.query_threads && status == STATUS_OK; i++) {
        status = history_query_new(&pipeline->queries[i], failure);
        if (status != STATUS_OK) break;
        pipeline->readers[i] = changes_reader_new(&pipeline->node->wal);
        pipeline->starts[i] = (struct query_start){
            .pipeline = pipeline, .scratch = pipeline->queries[i], .reader = pipeline->readers[i]};
        status = thread_start(pipeline, "tael query", query_thread, &pipeline->starts[i], failure);
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
    enum status status = wakes_make(pipeline, failure);
    pipeline->next_sequence = node->wal.tail.sequence;
    pipeline->next_place = node->wal.tail.place;
    pipeline->told_sequence = node->wal.tail.sequence - 1;
    pipeline->told_position = node->machine.position;
    pipeline->told_timestamp = node->machine.timestamp;
    pipeline->told_rows = node->machine.history.next_row;
    due_look(pipeline);
    pipeline->checkpoint_place = node->checkpoint_place;
    pipeline->durable = node->wal.tail.sequence - 1;
    pipeline->indexed = node->indexer.sequence;
    pipeline->roots[pipeline->indexed % FRAME_OUTCOME_LAG_MAX] =
        *machine_indexer_root(&node->indexer, node->indexer.sequence);
    pipeline->merge_wanted = true;
    if (status == STATUS_OK) status = memory_lay_out(pipeline, failure);
    struct space space;
    if (status == STATUS_OK) status = space_look(pipeline, &space, failure);
    if (status == STATUS_OK) space_set(pipeline, &space);
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
    pipeline_lock(pipeline);
    bool idle = pipeline->log_queue.count == 0 && !pipeline->log_busy &&
                pipeline->history_queue.count == 0 && pipeline->seal_queue.count == 0 &&
                !pipeline->seal_busy && !pipeline->checkpoint_asked && !pipeline->merge_wanted &&
                !history_has_spares(&pipeline->node->machine.history) &&
                pipeline->indexed + 1 == pipeline->next_sequence;
    pipeline_unlock(pipeline);
    return idle && pipeline->flying_count == 0 && !pipeline->checkpoint_active;
}

void pipeline_stats(struct pipeline *pipeline, struct pipeline_stats *out)
{
    bool idle = is_idle(pipeline) && pipeline->waiting_count == 0;
    u64 told = pipeline->node->machine.position;
    if (pipeline->flying_count > 0) {
        told = pipeline->flying[pipeline->flying_first]->view.header->position - 1;
    }
    pipeline_lock(pipeline);
    *out = (struct pipeline_stats){
        .position = pipeline->node->machine.position,
        .position_told = told,
        .sequence_durable = pipeline->durable,
        .sequence_indexed = pipeline->indexed,
        .checkpoints = pipeline->checkpoints,
        .seals = pipeline->seals,
        .merges = pipeline->merges,
        .filter_bytes = atomic_load(&pipeline->node->machine.history.filter_bytes),
        .idle = idle,
        .full = pipeline->full,
        .space_free = pipeline->space_free,
        .space_needed = pipeline->space_needed,
    };
    pipeline_unlock(pipeline);
}

static void stop_pause(void)
{
    const struct timespec pause = {.tv_nsec = (long)STOP_PAUSE_NS};
    (void)nanosleep(&pause, NULL);
}

// Runs until `done` holds, without new commands; whether it does, which on a full disk it may not.
static bool run_until(struct pipeline *pipeline, bool (*done)(struct pipeline *))
{
    while (!done(pipeline)) {
        (void)pipeline_run(pipeline, pipeline->now);
        stop_pause();
        if (pipeline_is_full(pipeline)) return done(pipeline); // What is durable is safe; leave.
    }
    return true;
}

static bool nothing_flies(struct pipeline *pipeline)
{
    return pipeline->flying_count == 0 && pipeline->waiting_count == 0 &&
           pipeline->outstanding == 0 && pipeline_all_is_indexed(pipeline) &&
           !pipeline->checkpoint_active;
}

static bool all_is_answered(struct pipeline *pipeline)
{
    return pipeline->flying_count == 0 && pipeline->waiting_count == 0 &&
           pipeline->outstanding == 0;
}

static bool is_checkpointed(struct pipeline *pipeline)
{
    return nothing_flies(pipeline) && pipeline->checkpoint_place == pipeline->next_place;
}

void pipeline_drain(struct pipeline *pipeline)
{
    pipeline->draining = true;
    (void)run_until(pipeline, all_is_answered);
}

void pipeline_stop(struct pipeline *pipeline)
{
    pipeline->draining = true;
    // The disk may be full for a moment only: what still waits then must not get into the last
    // frame, which is empty.
    if (!run_until(pipeline, nothing_flies)) return;
    if (pipeline->checkpoint_place != pipeline->next_place) {
        while (!pipeline_is_full(pipeline) && !frame_close(pipeline, FRAME_SEAL | FRAME_ROTATE,
                                                           pipeline->node->machine.timestamp + 1)) {
            stop_pause();
        }
        (void)run_until(pipeline, is_checkpointed);
    }
}

void pipeline_halt(struct pipeline *pipeline)
{
    pipeline_lock(pipeline);
    pipeline->stopping = true;
    for (u32 i = 0; i < WAITER_COUNT; i++) pipeline_wake(pipeline, (enum pipeline_waiter)i);
    pipeline_unlock(pipeline);
    history_end_merges(&pipeline->node->machine.history);
    for (u32 i = 0; i < pipeline->thread_count; i++) {
        (void)pthread_join(pipeline->threads[i], NULL);
    }
    pipeline->thread_count = 0;
    queries_drop(pipeline);
}

void pipeline_free(struct pipeline *pipeline)
{
    pipeline_halt(pipeline);
    for (u32 i = 0; i < ARRAY_COUNT(pipeline->queries); i++) {
        history_query_free(pipeline->queries[i]);
        changes_reader_free(pipeline->readers[i]);
    }
    memory_release(pipeline->memory, MEMORY_SIZE);
    if (pipeline->event_fd >= 0) (void)close(pipeline->event_fd);
    (void)pthread_mutex_destroy(&pipeline->mutex);
    for (u32 i = 0; i < WAITER_COUNT; i++) (void)pthread_cond_destroy(&pipeline->wakes[i]);
    free(pipeline);
}
