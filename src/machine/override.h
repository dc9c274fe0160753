// SPDX-License-Identifier: Apache-2.0
//
// A command that kills the machine must not kill every restart.
//
// The position being applied is noted in memory that outlives the process (a page of the file
// `applying`). When the process dies three times at the same position while it recovers, it is not
// tried again: the start is refused and names the position. The owner then appends an override to
// the stopped log, in the open, which makes the command at that position a refusal for every
// machine that ever applies this log.
#ifndef TAEL_MACHINE_OVERRIDE_H
#define TAEL_MACHINE_OVERRIDE_H

#include "machine/machine.h"
#include "wal/wal.h"

#define OVERRIDE_ATTEMPTS_MAX 3u

// The page of the file `applying`.
struct crash_watch {
    u64 position;   // Being applied, or applied last.
    u64 recovering; // 1 from the start of a recovery to its end.
    u64 attempts;   // Recoveries that died at `died_at`.
    u64 died_at;
};

// Judges the watch at a start, before recovery: STATUS_INVALID when this position was tried often
// enough and no override names it. Otherwise notes that recovery begins.
MUST_USE enum status crash_watch_begin(struct crash_watch *watch, const struct machine *machine,
                                       struct failure *failure);
// Recovery was given up, and whoever asked for it is told why: it did not die. What died before
// stays counted.
void crash_watch_leave(struct crash_watch *watch);
// Recovery has ended well.
void crash_watch_end(struct crash_watch *watch);

// Reads the overrides of the log behind `tail` into the machine, ahead of the replay.
MUST_USE enum status override_scan(struct wal *wal, const struct wal_tail *tail,
                                   struct machine *machine, struct failure *failure);
// Appends an override for `position` to a stopped log. `now` in nanoseconds. STATUS_INVALID when
// the log does not reach the position or has MACHINE_OVERRIDES_MAX already, or when what the
// command did is known: a checkpoint covers it, or a frame names its outcomes. Such a command did
// not kill the machine, and nobody could apply the log any more if it became a refusal.
MUST_USE enum status override_append(struct disk *disk, u64 position, u64 now,
                                     struct failure *failure);

#endif
