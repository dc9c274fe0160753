// SPDX-License-Identifier: Apache-2.0
//
// The log: frames in order, durable, chained, in files of one size.
//
// A *place* is a byte address in the log: file number times WAL_FILE_SIZE plus offset. Frames are
// 4 KiB-aligned and never cross files.
//
// Guarantees
//   W1 When wal_append returns, the frame and all before it are durable.
//   W2 Frames that are read back are the ones that were written, in order, or the reader says where
//      that fails and whether it is the torn tail or damage before it.
//   W3 Nothing that was acknowledged is ever cut.
// Does not guarantee: anything after a failed write or sync; the process must leave and recover.
// Cost: one write of the frame; its SHA-256.
//
// Threads: one appends; one may prepare files; any read below what is durable.
#ifndef TAEL_WAL_WAL_H
#define TAEL_WAL_WAL_H

#include "base/place.h"
#include "os/disk.h"
#include "wal/frame.h"

#include <pthread.h>
#include <stdatomic.h>

#define WAL_FILE_SIZE PLACE_FILE_SIZE
// Bodies above 64 KiB that fit a frame, and the pack of small ones.
#define WAL_PARTS_MAX   (FRAME_SIZE_MAX / FRAME_CHUNK_SIZE + 2)
#define WAL_FILES_AHEAD 3u
// Of those behind the current one, the log cannot go on without so many. The others are for speed,
// and are made only while so much space is left besides.
#define WAL_FILES_NEEDED 1u
#define WAL_SPACE_AMPLE  (5 * WAL_FILE_SIZE)
#define WAL_FILES_MAX    262144u // 16 TiB.

// Where the next frame goes and what it must follow.
struct wal_tail {
    u128 log_id;
    u64 epoch;
    u64 sequence;           // Of the next frame.
    u64 place;              // At the earliest.
    struct digest previous; // Hash of the last header.
};

// A file for random reads. A mapped one needs no handle, so that a long log does not use them up.
struct wal_file {
    _Atomic(const u8 *) map;
    _Atomic disk_handle handle; // Plus one, where the disk has no maps; 0 none.
};

struct wal {
    struct disk *disk;
    struct wal_tail tail;
    disk_handle write_file; // -1 when none is open.
    u64 write_file_number;
    pthread_mutex_t mutex;       // Guards the opening of files for reading, and `prepared`.
    struct wal_file *read_files; // By number, in reserved memory.
    u64 read_end;                // Behind the last file that was opened for reading.
    u64 populated;        // Maps below this number are entered into the page tables; wal_prepare's.
    u64 prepared;         // Files below this number have their space.
    u64 end;              // Of a backup: nothing is read from here on. U64_MAX: no backup.
    bool is_scanned_once; // What was read back leaves the page cache, file by file.
    // The file that is being read back, and its number; no thread but the one that recovers.
    disk_handle scan_file; // -1 when none is open.
    u64 scan_number;
};

// A frame on its way: the header (its first 256 bytes are filled in by wal_append), what is behind
// it, and where it goes. Buffers are PAGE_SIZE-aligned and stay the caller's.
struct wal_frame {
    u8 *head;
    size_t head_size;
    struct frame_part parts[WAL_PARTS_MAX];
    u32 part_count;
};

// A log over the files of `disk`, none of which is opened or read yet; wal_free closes them. The
// log of a backup ends where its file says (wal/backup_file.h); STATUS_INVALID when it is an
// unfinished one.
MUST_USE enum status wal_init(struct wal *wal, struct disk *disk, struct failure *failure);
void wal_free(struct wal *wal);
// Whether the folder is a backup, to which nothing is appended; STATUS_INVALID, with a hint, if so.
static inline bool wal_is_backup(const struct wal *wal)
{
    return wal->end != U64_MAX;
}
MUST_USE enum status wal_may_append(const struct wal *wal, struct failure *failure);

// What is to be done about damage of a file of the log.
#define WAL_DAMAGE_HINT "do not delete anything: restore this file from a backup, then start again"
// The name of the log's file `number`.
void wal_file_name(char out[DISK_NAME_SIZE_MAX], u64 number);
// The place that a frame of `size` bytes takes when it is appended at or behind `place`.
u64 wal_place(u64 place, u64 size);
// Appends; the header must have sequence (the tail's), position, timestamp, command_count, flags
// and outcome fields set, and `place` from wal_place. Fills in the rest, none of which another
// thread reads meanwhile. STATUS_FULL: nothing was appended and the caller may try again; any other
// failure: leave the process.
MUST_USE enum status wal_append(struct wal *wal, struct wal_frame *frame, struct failure *failure);
// Appends a frame of one command with a body of `size` (1 to PAGE_SIZE) bytes, as wal_append does;
// of `header` position, timestamp and flags are taken, of `command` all but where the body is. For
// a process that appends nothing else at the same time: it takes memory of its own.
MUST_USE enum status wal_append_command(struct wal *wal, const struct frame_header *header,
                                        const struct frame_command *command, const void *body,
                                        u32 size, struct failure *failure);
// Makes sure that the files behind the current one have their space, WAL_FILES_NEEDED of them and
// where there is ample space WAL_FILES_AHEAD, and enters those that were filled since the last call
// into the page tables for readers. STATUS_FULL when space for the needed ones is not to be had, or
// when a new file would leave less than `reserve` bytes of it. One thread, which may be another
// than the one that appends.
MUST_USE enum status wal_prepare(struct wal *wal, u64 reserve, struct failure *failure);
// Whether file `number` has its space. Any thread.
bool wal_is_prepared(struct wal *wal, u64 number);
// Reads bytes that are durable. STATUS_CORRUPT when they are not in one file that a log can have:
// whoever says where they are may be a file that was read.
MUST_USE enum status wal_read(struct wal *wal, u64 place, void *out, size_t size,
                              struct failure *failure);
// As wal_read where the log may end before: STATUS_NOT_FOUND then. For reading back in order, by
// the thread that recovers.
MUST_USE enum status wal_read_some(struct wal *wal, u64 place, void *out, size_t size,
                                   struct failure *failure);
// Says that bytes will be read soon: brings them towards the processor if they are in memory, or
// starts reading them from the device. Neither waits.
void wal_prefetch(struct wal *wal, u64 place, size_t size);
void wal_advise(struct wal *wal, u64 place, size_t size);

// Whether the files that lie wholly before `place` are there, each with its whole size:
// STATUS_CORRUPT, with the first that is not. By the thread that recovers; opens each, reads none.
MUST_USE enum status wal_files_check(struct wal *wal, u64 place, struct failure *failure);

// Whether the log has the frame that `tail`, which a checkpoint kept, comes behind: STATUS_CORRUPT,
// with the place, when no header before it has the hash that it names. By the thread that recovers;
// reads 8 MiB at most.
MUST_USE enum status wal_tail_check(struct wal *wal, const struct wal_tail *tail,
                                    struct failure *failure);

// The place behind the last frame, by the headers of the last file alone: quick, and good for
// telling how much there is to read. Nothing is verified; 0 when there is nothing. What cannot be
// read is the failure, and never the end.
MUST_USE enum status wal_extent(struct wal *wal, u64 *place, struct failure *failure);

// The header of the frame that has the command at `position`, among those below `place_end`, which
// are durable. STATUS_NOT_FOUND when they have no such command, STATUS_CORRUPT when a frame on the
// way to it is not there, another failure when the disk does not read. Any thread; reads headers by
// halves of the log, then those of one file.
MUST_USE enum status wal_find_position(struct wal *wal, u64 place_end, u64 position,
                                       struct frame_header *header, struct failure *failure);

// What the header of a frame is at most; each of the three never falls along the log.
struct wal_bound {
    u64 sequence_max;
    u64 timestamp_max;
    u64 epoch_max;
};
// The header of the last frame that is within all three. STATUS_NOT_FOUND when the first one is
// not, or is not there; what cannot be read is the failure, and never the end. By the thread that
// recovers; nothing is verified but the header.
MUST_USE enum status wal_find_last(struct wal *wal, const struct wal_bound *bound,
                                   struct frame_header *out, struct failure *failure);

// --- reading frames back ------------------------------------------------------------------------

struct wal_reader {
    struct wal *wal;
    struct wal_tail tail; // What the next frame must continue.
    u8 *buffer;           // FRAME_SIZE_MAX, page-aligned.
    const u8 *bodies[FRAME_COMMANDS_MAX];
};

enum wal_end {
    WAL_FRAME, // A frame was read.
    WAL_END,   // Nothing was ever written here.
    WAL_TORN,  // An unfinished frame that was never acknowledged: cut it.
};

// Reads on from a place between two frames: the beginning, or what a checkpoint kept.
MUST_USE enum status wal_reader_init(struct wal_reader *reader, struct wal *wal,
                                     const struct wal_tail *from, struct failure *failure);
void wal_reader_free(struct wal_reader *reader);
// Reads and verifies the next frame; `view` is valid until the next call. STATUS_CORRUPT for damage
// before the tail, naming file, offset and sequence.
MUST_USE enum status wal_reader_next(struct wal_reader *reader, struct frame_view *view,
                                     enum wal_end *end, struct failure *failure);
// Zeroes what is behind the last good frame, so that an unfinished one cannot be taken for a later
// frame, and makes `wal` ready to append behind it.
MUST_USE enum status wal_reader_cut(struct wal_reader *reader, struct failure *failure);

#endif
