// SPDX-License-Identifier: Apache-2.0
//
// The pipeline: commands in, frames to the log, decisions by the machine, replies out when durable.
//
//   owner's thread   commands -> frame -> machine decides ........... replies (durable and decided)
//   log thread                        \-> digest -> write, durable -/
//   history thread                                 \-> lists, outcome leaves, root -> segment
//   sealing thread                                                                  \-> sorted file
//   checkpoint thread                                  the machine's tables, frozen, to a file
//   upkeep thread                                      merges, files that nothing needs
//   space thread                                       files of the log, free space
//   query threads                                 questions to history up to what is durable
//
// While one frame is being written the next one fills: all commands that arrive meanwhile become
// durable together. Deciding overlaps the write; nothing outward runs ahead of it (L4).
//
// A failure of the log, the machine or the disk ends the process: `fatal` is called with it and
// must not return. Full disk is not one: commands are refused (pipeline_is_full) until space
// returns.
#ifndef TAEL_SERVER_PIPELINE_H
#define TAEL_SERVER_PIPELINE_H

#include "machine/changes.h"
#include "machine/recovery.h"

// One message: its header lies before the body, and the body is where a direct write wants it.
#define BUFFER_HEAD_SIZE PAGE_SIZE
#define BUFFER_BODY_SIZE MIB
struct buffer {
    u8 *memory; // BUFFER_HEAD_SIZE bytes, then BUFFER_BODY_SIZE bytes.
    struct buffer *next;
};
static inline u8 *buffer_body(const struct buffer *buffer)
{
    return buffer->memory + BUFFER_HEAD_SIZE;
}

struct pipeline_command {
    struct frame_command entry; // Offsets are filled in here.
    struct buffer *body;        // Holds the body; given over with the command.
    u64 token;                  // The caller's.
    u64 lane;                   // So is this; commands of one lane stay in their order.
    // Set when it is done:
    struct buffer *reply; // The answer's body; given over with the call.
    struct applied_command applied;
};

// Of a question for the change stream (machine/changes.h).
struct pipeline_changes {
    bool is_asked;
    struct changes question; // In: where it begins is `next`.
    u64 next;                // In: the row to begin at; when done: the one to go on from.
    u64 end;                 // When done: the rows that the answer knows of end here.
    // The pipeline's own:
    bool is_ended;  // It waits no more for something to tell.
    u64 wait_until; // In the time of frames; 0: not known yet.
    u64 position_min;
};

// A question to history, answered by a query thread. Made by the caller, in its memory until done.
struct pipeline_query {
    const struct compat_operation *operation; // NULL: a module's question or `changes`.
    const struct schema_record *question;     // Its record, the body checked; NULL of a message of
                                              // the compat port. Of a module's question:
    u32 limit;                                // Views at most; 0: as many as find room;
    struct module_answer answer;              // in: the cursor; the rest set when done.
    struct pipeline_changes changes;          // For the change stream: no body, no reply in.
    u32 result;                               // Set when done: enum module_result.
    struct buffer *body;                      // The request.
    u32 body_size;
    struct buffer *reply; // Set when done; of changes, NULL when there are none.
    u32 reply_size;
    u64 token;
    u64 position;  // Set when done: what the answer shows,
    u64 timestamp; // and the time of it.
    // The pipeline's own:
    struct compat_batches batches;
    u64 row_end;
    u64 sequence;             // Must be durable (and, for history, indexed) first.
    u32 batch;                // The next one to execute,
    u32 event;                // and where its events begin,
    struct history_turn turn; // and where it stands.
    u32 accounts_found;       // Rows of accounts found so far,
    u32 accounts_end;         // of those that there were when it was asked.
    u32 *accounts;            // Rows of accounts: asked about, or found.
    u16 *counts;              // Results a batch.
    struct pipeline_query *next;
};

struct pipeline_callbacks {
    void *context;
    void (*command_done)(void *context, struct pipeline_command *command);
    void (*query_done)(void *context, struct pipeline_query *query);
    void (*fatal)(void *context, const struct failure *failure);
};

struct pipeline_options {
    u64 checkpoint_bytes; // Log between checkpoints, at least.
    u64 space_reserve;    // Free space below which commands are refused.
    u32 query_threads;
    u32 turn_looks; // Records that a turn of an answer looks at; 0: ANSWER_TURN_LOOKS.
};

struct pipeline_stats {
    u64 position;
    u64 position_told; // Durable, and answered as far as somebody asked.
    u64 sequence_durable;
    u64 sequence_indexed;
    u64 checkpoints;
    u64 seals;
    u64 merges;
    u64 filter_bytes;
    bool idle; // Nothing to write, index, seal, merge or checkpoint.
    bool full;
    u64 space_free;   // When it was last looked at,
    u64 space_needed; // and what it must be, at least, for commands to go on.
};

struct pipeline;

// Starts the threads over an open node; `options` and `callbacks` are copied. The caller's thread
// becomes the owner's thread. On failure nothing is left.
MUST_USE enum status pipeline_new(struct pipeline **out, struct node *node,
                                  const struct pipeline_options *options,
                                  const struct pipeline_callbacks *callbacks,
                                  struct failure *failure);
// Becomes readable when pipeline_run has something to do.
int pipeline_fd(const struct pipeline *pipeline);
// Ends the process by the callback `fatal`. Any thread.
_Noreturn void pipeline_fatal(struct pipeline *pipeline, const struct failure *failure);

// A buffer for an answer, or NULL when all are out. Any thread.
struct buffer *buffer_take(struct pipeline *pipeline);
// A buffer for what comes in, or NULL when the others are kept for answers. Any thread.
struct buffer *buffer_take_input(struct pipeline *pipeline);
void buffer_give(struct pipeline *pipeline, struct buffer *buffer);

// Whether commands are refused for lack of space. Reads go on.
bool pipeline_is_full(const struct pipeline *pipeline);
// Whether the tables of the log take what a valid create may add to them, with everything that
// waits.
bool pipeline_has_room(const struct pipeline *pipeline, const struct compat_operation *operation,
                       const u8 *body, u32 size);
// How many more commands may be added before the next run.
u32 pipeline_room(const struct pipeline *pipeline);
// Whether one more command like this may be added before the next run. While an import is carried
// out whole, few of modules may: they wait for its end.
bool pipeline_has_place(const struct pipeline *pipeline, const struct frame_command *entry);
// Adds a command to the next frame; copied. The body must be zero behind its end up to a page.
void pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command);
// Asks; account ids are resolved now, the answer sees everything that was added before. A module's
// answer that takes long is made in turns, one a run (struct module_answer); it is of the last
// turn's position.
void pipeline_ask(struct pipeline *pipeline, struct pipeline_query *query);
// Ends the waiting of a question for changes, if it waits: it is answered as it stands, by the time
// that this returns unless its page is being made, or what it must show is not durable yet.
void pipeline_changes_end(struct pipeline *pipeline, struct pipeline_query *query);
// Closes frames, decides, hands out what is done. `now` is the time of frames (server/clock.h), it
// never goes back. Returns nanoseconds until it wants to be called again, at the latest; U64_MAX
// for never.
u64 pipeline_run(struct pipeline *pipeline, u64 now);
// Takes nothing more, and waits until what was taken is answered. On a full disk it waits for
// nothing: not all may be.
void pipeline_drain(struct pipeline *pipeline);
// The same, then waits until all is done, takes a checkpoint if the log went on, seals the log. On
// a full disk it leaves the last two to the next start: what was acknowledged is durable.
void pipeline_stop(struct pipeline *pipeline);
// Ends the threads; what they had not begun is left to the next start, and what was asked gets no
// answer.
void pipeline_halt(struct pipeline *pipeline);
// The same, and frees it.
void pipeline_free(struct pipeline *pipeline);
void pipeline_stats(struct pipeline *pipeline, struct pipeline_stats *out);

#endif
