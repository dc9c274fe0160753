// SPDX-License-Identifier: Apache-2.0
//
// A second node that only follows the log: it reads each acknowledged frame from the simulated
// disk, appends it to a log of its own on a disk without faults, and applies it. It never crashes,
// starts again, loads a checkpoint or answers anybody, so whatever in a state comes from anything
// but the log is a difference between the two (L6).
#ifndef TAEL_SIM_FOLLOWER_H
#define TAEL_SIM_FOLLOWER_H

#include "machine/recovery.h"
#include "os/disk_memory.h"
#include "plant.h"

struct follower {
    struct disk_memory disk;
    struct node node;
    struct wal_reader reader; // Of the log that is followed.
    bool is_reading;
    struct frame_view view; // Of the last frame that it has, until the next.
    struct applied_frame *applied;
    void *resolved;
    enum plant_bug bug; // That its machine has too.
};

// A node whose log has the genesis frame of the log that it will follow. Ends the process when the
// disk in memory fails. To be given to follower_free.
void follower_init(struct follower *follower, const struct genesis *genesis, u128 log_id);
void follower_free(struct follower *follower);
// Applies the frames of `wal` behind those that it has, up to this sequence, all of which are
// durable. `overrides` are the positions whose commands are refused. STATUS_CORRUPT when they are
// not in the log, or are not what it says they are.
MUST_USE enum status follower_follow(struct follower *follower, struct wal *wal, u64 sequence,
                                     const u64 *overrides, u32 override_count,
                                     struct failure *failure);

#endif
