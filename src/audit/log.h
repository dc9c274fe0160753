// SPDX-License-Identifier: Apache-2.0
//
// The log's frames in order, read, chained and digested by a thread of their own (L5).
//
// The thread reads ahead by AUDIT_LOG_RING frames at most, 4 MiB each, so that hashing bodies and
// applying rows share the work. It judges by docs/FORMAT.md, sections 1, 2 and 7: where the log
// ends, whether its end is torn or damaged, and what of a frame does not hold.
#ifndef TAEL_AUDIT_LOG_H
#define TAEL_AUDIT_LOG_H

#include "audit/folder.h"
#include "audit/format.h"

#include <pthread.h>

#define AUDIT_LOG_RING 6u

// What of a frame does not hold though the log can be followed behind it; bits of `problems`.
enum audit_frame_problem {
    AUDIT_FRAME_LOG_ID,
    AUDIT_FRAME_EPOCH,
    AUDIT_FRAME_POSITION,
    AUDIT_FRAME_TIME,
    AUDIT_FRAME_CHAIN,
    AUDIT_FRAME_RESERVED,
    AUDIT_FRAME_BODY,
    AUDIT_FRAME_PROBLEM_COUNT,
};

enum audit_log_state {
    AUDIT_LOG_FRAME,
    AUDIT_LOG_END,
    AUDIT_LOG_TORN,    // In a frame that was never acknowledged.
    AUDIT_LOG_DAMAGED, // `damage` says how; what lies behind cannot be followed.
};

struct audit_frame {
    enum audit_log_state state;
    u64 place;
    u64 size;
    u64 sequence; // That it must have.
    u32 problems;
    const char *damage;
    struct digest hash; // Of the header.
    u8 *bytes;
};

struct audit_log {
    const struct audit_folder *folder;
    u64 end; // From this place on there is nothing, whatever it looks like.
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct audit_frame ring[AUDIT_LOG_RING];
    u64 filled; // Frames ever put into the ring, and taken out of it; guarded by the mutex.
    u64 taken;
    bool is_stopping;
    bool is_started;
    enum status status; // Of reading; the thread has ended when it is not STATUS_OK.
    struct failure failure;
    // The thread's own: where it is, and what the next header must say.
    int file;
    u64 file_number; // Of `file`, when it is open.
    u64 place;
    u64 sequence;
    u64 position;
    u64 timestamp;
    u64 epoch;
    u128 log_id;
    struct digest previous;
};

// Starts reading at frame 0. What lies behind the place `end` is taken for zeroes; U64_MAX: all of
// it is read. Give the log to audit_log_stop, after a failure too.
MUST_USE enum status audit_log_start(struct audit_log *log, const struct audit_folder *folder,
                                     u64 end, struct failure *failure);
void audit_log_stop(struct audit_log *log);
// The next frame, valid until the next call; gives the one before back. Behind a state that is not
// AUDIT_LOG_FRAME it must not be called again.
MUST_USE enum status audit_log_next(struct audit_log *log, const struct audit_frame **frame,
                                    struct failure *failure);
// What a problem is, as a sentence.
const char *audit_frame_problem_text(enum audit_frame_problem problem);

#endif
