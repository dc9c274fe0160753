// SPDX-License-Identifier: Apache-2.0
//
// Recovery: from a folder to a machine that is ready for the next frame.
//
// The newest whole checkpoint is loaded, history is cut back to it, the log behind it is applied, a
// torn tail is cut (docs/FORMAT.md, "Crash cases"). A new folder gets its genesis frame.
#ifndef TAEL_MACHINE_RECOVERY_H
#define TAEL_MACHINE_RECOVERY_H

#include "machine/checkpoint.h"
#include "machine/override.h"
#include "machine/request_source.h"

// Everything that belongs to one log, in memory.
struct node {
    struct disk *disk;
    struct wal wal;
    struct request_source source;
    struct machine machine;
    struct machine_indexer indexer;
    struct checkpoint checkpoint;
    u64 checkpoint_place;      // Of the log behind the newest checkpoint.
    struct crash_watch *watch; // Set before node_open, or NULL (machine/override.h).
};

struct recovery_progress {
    void *context;
    // Called now and then; `done` of about `total` bytes of log. Returns false to stop
    // (STATUS_CANCELLED).
    bool (*report)(void *context, u64 done, u64 total);
};

struct recovery_report {
    bool created;            // The folder was new.
    u64 checkpoint_sequence; // The first frame that the loaded one does not cover; 0: none.
    u64 frames;              // Applied from the log.
    u64 commands;
    u64 roots;     // Headers that named the outcomes which applying gave.
    u32 set_aside; // Files that the checkpoint does not name, old spares included.
    bool torn;     // An unfinished frame was cut; by node_replay only seen.
};

// Opens the log of `disk`, or creates it from `genesis` when the folder has none and genesis is not
// NULL. On failure the node is freed.
MUST_USE enum status node_open(struct node *node, struct disk *disk, const struct genesis *genesis,
                               u128 log_id, const struct recovery_progress *progress,
                               struct recovery_report *report, struct failure *failure);
void node_free(struct node *node);

// What a log was made with, from its first frame; `*found` is false when that was never durable.
// Changes nothing.
MUST_USE enum status recovery_genesis_read(struct wal *wal, struct genesis *out, bool *found,
                                           struct failure *failure);

// What to do behind each frame that was applied. A status other than STATUS_OK ends the replay.
struct replay_check {
    void *context;
    enum status (*frame)(void *context, struct node *node, const struct wal_tail *tail,
                         struct failure *failure);
};
// Applies the log in `log` from its first frame to a machine whose history goes to the empty folder
// `scratch`, as node_open would; neither reads a checkpoint nor changes anything in `log`. On
// failure the node is freed.
MUST_USE enum status node_replay(struct node *node, struct disk *log, struct disk *scratch,
                                 const struct recovery_progress *progress,
                                 const struct replay_check *check, struct recovery_report *report,
                                 struct failure *failure);

// Seals every live segment but the active one; for one thread that does everything itself.
MUST_USE enum status node_seal_all(struct node *node, struct failure *failure);

#endif
