// SPDX-License-Identifier: Apache-2.0
//
// Where history reads requests: from the log once they are durable, from memory before.
//
// The frames on their way are known to the machine's thread only, and only it asks for places that
// are not durable yet, so nothing here needs a lock.
#ifndef TAEL_MACHINE_REQUEST_SOURCE_H
#define TAEL_MACHINE_REQUEST_SOURCE_H

#include "ledger/history.h"
#include "wal/wal.h"

#define REQUEST_SOURCE_FRAMES_MAX 64u

struct request_frame {
    u64 place;
    u64 size;
    struct frame_part parts[WAL_PARTS_MAX + 1]; // Head, then bodies, in the order of the log.
    u32 part_count;
};

struct request_source {
    struct wal *wal;
    _Atomic u64 durable; // Places below are in the log.
    struct request_frame frames[REQUEST_SOURCE_FRAMES_MAX];
    u64 first; // Frames [first, next) are on their way, modulo the size.
    u64 next;
};

// No frame is on its way. `wal` must outlive it.
void request_source_init(struct request_source *source, struct wal *wal);
// The functions that history is given.
struct history_log request_source_log(struct request_source *source);
// A frame is on its way; the machine's thread. Its memory stays valid until the machine's thread
// itself has seen that it is durable.
void request_source_add(struct request_source *source, const struct request_frame *frame);
// Everything below `place` is durable; the thread that appended, before anybody else is told.
void request_source_durable(struct request_source *source, u64 place);

#endif
