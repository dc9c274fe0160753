// SPDX-License-Identifier: Apache-2.0
//
// What the files of the pipeline share: its state, jobs, the hand-over between threads. Private.
//
//   pipeline.c           buffers, jobs, starting and stopping
//   pipeline_frame.c     the owner's thread: commands into frames, decisions, replies
//   pipeline_query.c     questions: the owner's side and the query threads
//   pipeline_changes.c   questions for the change stream that wait for something to tell
//   pipeline_threads.c   the other threads: log, history, sealing, upkeep, space
//
// Every hand-over goes through `mutex`, and wakes the one kind of thread that it is for: to wake
// all of them at each would take a fifth of a core. A job (one frame) is released when both the
// owner's side (durable and answered) and history are done with it.
#ifndef TAEL_SERVER_PIPELINE_INTERNAL_H
#define TAEL_SERVER_PIPELINE_INTERNAL_H

#include "server/pipeline.h"

#include <pthread.h>

#define JOBS_MAX    16u
#define BUFFERS_MAX 320u
// Of them, what comes in leaves so many for the answers to what came: else, with every buffer
// holding a command that waits, none could be answered.
#define BUFFERS_KEPT 64u
#define WAITING_MAX  1024u
// So many commands of modules may wait for an import that is carried out whole: the others need
// buffers meanwhile.
#define HELD_MAX      128u
#define PACK_SIZE_MAX MIB
#define RETRY_NS      (10 * NS_PER_MS)

// Who may wait for a hand-over. (The owner's thread waits for its eventfd.)
enum pipeline_waiter {
    WAITER_LOG,
    WAITER_HISTORY,
    WAITER_SEALING,
    WAITER_CHECKPOINT,
    WAITER_UPKEEP,
    WAITER_SPACE,
    WAITER_QUERY,
    WAITER_COUNT,
};

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

// A queue of questions; guarded by the mutex, but for the owner's own.
struct query_queue {
    struct pipeline_query *first;
    struct pipeline_query *last; // While there is a first.
};

// What a query thread is given.
struct query_start {
    struct pipeline *pipeline;
    struct history_query *scratch;
    struct changes_reader *reader;
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
    u64 now;           // The time of frames at the last run.
    u64 waiting_since; // When the first of what waits came, about.
    u64 last_large;    // When a large command last went into a frame; 0 never.
    u64 last_slice;    // When a job was last advanced.
    u64 next_due;      // machine_next_due and machine_next_tick behind the last frame decided:
    u64 next_tick;     // only a frame changes them.
    u64 last_active;   // When a frame was last closed or answered.
    u32 small_frames;  // In a row, up to the last one.
    bool last_was_seal;
    bool last_was_slice; // Of a job; of something waiting beside that, a frame is between two.
    u64 checkpoint_place;
    struct pipeline_query *held;   // Answers from live state, until durable.
    struct query_queue unfinished; // Answers that have another turn.
    // Questions for changes behind the last one: they wait without a buffer.
    struct pipeline_query *waiting_changes;
    u64 changes_next_min; // Of them: nothing is to be done before the rows that are told pass this,
    u64 changes_due;      // or this time has come; 0: look at them all.
    // What was told, as of the last frame that is durable.
    u64 told_sequence;
    u64 told_position;
    u64 told_timestamp;
    u64 told_rows; // Rows of history below.
    bool checkpoint_active;
    bool draining;   // Stopping: no ticks and no seals any more.
    u32 outstanding; // Questions not answered yet.

    // Guarded by the mutex.
    pthread_mutex_t mutex;
    pthread_cond_t wakes[WAITER_COUNT];
    struct buffer *free_buffers;
    u32 free_buffer_count;
    struct job *free_jobs[JOBS_MAX];
    u32 free_job_count;
    struct queue log_queue;
    struct queue history_queue;
    struct queue seal_queue; // struct history_segment.
    struct query_queue asked;
    struct query_queue answered;
    bool log_busy;
    bool seal_busy;
    u64 durable;
    u64 indexed;
    struct digest roots[FRAME_OUTCOME_LAG_MAX]; // Cumulative, by sequence modulo the size.
    struct job *checkpoint_job;                 // Asked for; NULL when taken.
    u64 checkpoint_sequence;                    // Of the frame that it is taken behind.
    struct digest checkpoint_previous;
    struct outcome_edge checkpoint_outcomes;
    bool checkpoint_asked;
    bool checkpoint_written;
    bool merge_wanted;
    bool full;
    u64 space_free; // As struct pipeline_stats.
    u64 space_needed;
    bool stopping;
    u64 checkpoints;
    u64 seals;
    u64 merges;

    pthread_t threads[16];
    u32 thread_count;
    struct history_query *queries[8];
    struct changes_reader *readers[8];
    struct query_start starts[8];
};

// --- hand-over (pipeline.c) ---

// Takes the mutex.
void pipeline_lock(struct pipeline *pipeline);
// Gives it back.
void pipeline_unlock(struct pipeline *pipeline);
// Wakes the threads of a kind; with the mutex held.
void pipeline_wake(struct pipeline *pipeline, enum pipeline_waiter waiter);
// Wakes those that wait for frames to become durable and indexed, if there are any; with the mutex
// held.
void pipeline_wake_followers(struct pipeline *pipeline);
// Whether storage is full; with the mutex held. It is read without (pipeline_is_full).
static inline void pipeline_full_set(struct pipeline *pipeline, bool full)
{
    __atomic_store_n(&pipeline->full, full, __ATOMIC_RELAXED);
}
// Waits to be woken; with the mutex held. The first for ever, the second no longer than this.
void pipeline_wait(struct pipeline *pipeline, enum pipeline_waiter waiter);
void pipeline_wait_for(struct pipeline *pipeline, enum pipeline_waiter waiter, u64 nanoseconds);
// Wakes the owner's thread. Any thread.
void pipeline_notify(struct pipeline *pipeline);
// A queue's end, and its front; with the mutex held. There is room for everything that may wait.
void queue_put(struct queue *queue, void *item);
void queue_put_back(struct queue *queue, void *item);
void *queue_take(struct queue *queue); // NULL when it is empty.
// As queue_take, but waits for an item; NULL when it is empty and the pipeline stops.
void *queue_await(struct pipeline *pipeline, struct queue *queue, enum pipeline_waiter waiter);
// One of its two holders is done with a job; the last one frees it.
void job_release(struct pipeline *pipeline, struct job *job);

// --- frames (pipeline_frame.c), the owner's thread ---

// Closes a frame of what waits. False when there is nothing to close or it has to wait.
bool frame_close(struct pipeline *pipeline, u32 extra_flags, u64 now);
// Looks when time has something to do, as the machine now is.
void due_look(struct pipeline *pipeline);
// Whether every frame is durable and history has it.
bool pipeline_all_is_indexed(struct pipeline *pipeline);

// --- questions (pipeline_query.c) ---

// Hands out the answers that may be shown; the owner's thread.
void answers_hand_out(struct pipeline *pipeline);
// Takes one turn of one answer that is not finished; the owner's thread. False when there is none.
bool answers_go_on(struct pipeline *pipeline);
void *query_thread(void *context); // Its struct query_start.

// Puts a question behind the others that the query threads answer.
void query_dispatch(struct pipeline *pipeline, struct pipeline_query *query);
// Frees what questions without an answer hold; the threads have left.
void queries_drop(struct pipeline *pipeline);
// Gives an answer to whoever asked.
void query_hand_out(struct pipeline *pipeline, struct pipeline_query *query);

// --- the change stream (pipeline_changes.c) ---

// Asks: dispatched at once, or held until there is something to tell. The owner's thread.
void changes_ask(struct pipeline *pipeline, struct pipeline_query *query);
// Dispatches what has something to tell, and answers what waits no longer; returns nanoseconds
// until it wants to be called again. The owner's thread.
u64 changes_run(struct pipeline *pipeline);
// Whether a page that was made waits on because it is empty; then it is held.
bool changes_hold_on(struct pipeline *pipeline, struct pipeline_query *query);
// Makes the page of a question; a query thread. False when it has to be asked on: nothing was found
// yet, and rows are left.
bool changes_advance(struct pipeline *pipeline, struct changes_reader *reader,
                     struct pipeline_query *query);

// --- threads (pipeline_threads.c), each with the pipeline as its context ---

void job_write(struct pipeline *pipeline, struct job *job); // Makes a frame durable.
// Digest and write of frames, in order.
void *log_thread(void *context);
// Lists, outcome leaves and roots of decided frames, in order.
void *history_thread(void *context);
// Full segments into sorted files.
void *sealing_thread(void *context);
// Checkpoints. Apart from merges, which may take minutes: a checkpoint bounds the next recovery.
void *checkpoint_thread(void *context);
// Merges, files that nothing needs any more.
void *upkeep_thread(void *context);
// What room there is for the log.
struct space {
    u64 free;
    u64 needed;
    bool full;
};
// Makes files of the log ready, out of what is free beyond the reserve: what was accepted must
// still be sealed, checkpointed and recovered. One thread at a time, which does not hold the mutex.
MUST_USE enum status space_look(struct pipeline *pipeline, struct space *space,
                                struct failure *failure);
// Notes what was found; with the mutex held, or before there are threads.
void space_set(struct pipeline *pipeline, const struct space *space);
// Files of the log made ready, free space watched.
void *space_thread(void *context);

#endif
