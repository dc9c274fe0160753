// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: the machine's tables as they were after one frame, with the list of sealed segments
// of history, in one file. To the byte in docs/FORMAT.md ("Checkpoints").
//
// A checkpoint is taken behind a frame that rotates history, so history holds exactly the rows of
// the frames up to it. The machine goes on while the file is written: pages are copied before they
// are written to (base/table.h).
//
// Guarantees
//   C1 A file under its final name is whole, and its log, rows and segments are durable.
//   C2 The state digest depends on the state alone: live, replayed and loaded machines agree.
// Cost: one copy of each page that is written meanwhile; SHA-256 of the pages that changed since
// the checkpoint before.
#ifndef TAEL_MACHINE_CHECKPOINT_H
#define TAEL_MACHINE_CHECKPOINT_H

#include "machine/machine.h"
#include "wal/wal.h"

#define CHECKPOINT_MAGIC      0x544e4f504b434854ull
#define CHECKPOINT_FORMAT     6u
#define CHECKPOINT_TABLES_MAX MACHINE_TABLES_MAX

// One that has records; others are not listed, so that a module that is new changes nothing in what
// was written before it.
struct checkpoint_table {
    u32 id; // As machine_tables has it.
    u32 reserved;
    u64 record_count;
    u64 page_count;
    u64 page_first;     // Page of the file.
    struct digest root; // Merkle tree hash over the SHA-256 of its pages.
};

struct checkpoint_head {
    u8 checksum[16]; // Over the rest.
    u64 magic;
    u32 format;
    u32 segment_count;
    u64 position;
    u64 timestamp;
    struct wal_tail tail; // The log goes on here.
    struct ledger_state ledger;
    struct machine_state machine;
    struct genesis genesis;
    u64 next_row;
    u64 overrides[MACHINE_OVERRIDES_MAX];
    u32 override_count;
    u32 table_count;
    struct merkle_range outcomes;
    struct checkpoint_table tables[CHECKPOINT_TABLES_MAX];
    u64 lists_page;   // Where the lists are: of segments, of the open leaves of the outcomes.
    u64 digests_page; // Where the digests of the pages are.
    struct digest lists_digest;
    struct digest state; // The state digest.
    u64 outcomes_row;    // As struct outcome_edge, page_row.
};
#define CHECKPOINT_HEAD_PAGES 4u
static_assert(sizeof(struct checkpoint_head) == 15264, "checkpoint head v6");
static_assert(sizeof(struct checkpoint_head) <= CHECKPOINT_HEAD_PAGES * PAGE_SIZE,
              "the head has its pages");

struct checkpoint_segment {
    u64 first_row;
    u64 row_count;
};

// One that is being made. Kept from one to the next, because digests of clean pages are.
struct checkpoint {
    struct checkpoint_head head;
    struct machine_table tables[MACHINE_TABLES_MAX];
    u32 table_count;
    u32 listed[CHECKPOINT_TABLES_MAX];             // Which of them each table of the head is.
    struct digest *digests[CHECKPOINT_TABLES_MAX]; // Of each page as last written.
    u64 *dirty[CHECKPOINT_TABLES_MAX];             // Pages to hash, taken at the freeze.
    u64 known[CHECKPOINT_TABLES_MAX];              // Pages that ever were to be hashed.
    struct history *history;      // Keeps its segments apart at next_row while frozen.
    struct outcome_edge outcomes; // As last written or loaded.
    bool frozen;
};

// For the tables of `machine`, which must outlive it. STATUS_FULL when there is no address space.
MUST_USE enum status checkpoint_init(struct checkpoint *checkpoint, struct machine *machine,
                                     struct failure *failure);
void checkpoint_free(struct checkpoint *checkpoint);

// Freezes the machine's state. The machine's thread, right after a frame with FRAME_ROTATE; `tail`
// is where the log goes on behind it.
void checkpoint_begin(struct checkpoint *checkpoint, struct machine *machine,
                      const struct wal_tail *tail);
// Writes the file, any one thread. Before it, the caller makes sure that the log is durable up to
// the frame, that all segments below next_row are sealed, and gives the tree of outcomes after it.
// `cancelled` may be NULL; when it becomes true the write ends with STATUS_CANCELLED.
MUST_USE enum status checkpoint_write(struct checkpoint *checkpoint, struct machine *machine,
                                      const struct outcome_edge *outcomes,
                                      const _Atomic bool *cancelled, struct failure *failure);
// Thaws. The machine's thread, after checkpoint_write has returned.
void checkpoint_end(struct checkpoint *checkpoint);

// The state digest of the machine as it is now, computed whole. Slow; for comparing machines.
void machine_state_digest(struct machine *machine, struct digest *out);

// The name of a checkpoint's file, and of that of the newest one: STATUS_NOT_FOUND when there is
// none.
void checkpoint_file_name(char out[DISK_NAME_SIZE_MAX], u64 sequence);
MUST_USE enum status checkpoint_newest(struct disk *disk, char name[DISK_NAME_SIZE_MAX],
                                       struct failure *failure);
// Reads and checks the head of an open file of this name.
MUST_USE enum status checkpoint_head_read(struct disk *disk, disk_handle file, const char *name,
                                          struct checkpoint_head *head, struct failure *failure);
// Bytes of both lists of a checkpoint: its segments, and behind them the open leaves of its tree.
size_t checkpoint_lists_size(const struct checkpoint_head *head);
// Reads them into memory that the caller frees: head->segment_count segments and the leaves.
MUST_USE enum status checkpoint_lists_read(struct disk *disk, disk_handle file, const char *name,
                                           const struct checkpoint_head *head,
                                           struct checkpoint_segment **out,
                                           struct failure *failure);
// Reads the head of the newest whole checkpoint. STATUS_NOT_FOUND when there is none.
MUST_USE enum status checkpoint_find(struct disk *disk, struct checkpoint_head *head,
                                     struct failure *failure);
// Whether the tree of outcomes that the head names is this one.
bool checkpoint_has_outcomes(const struct checkpoint_head *head,
                             const struct outcome_edge *outcomes);
// Fills a machine that was made from head->genesis: tables, ledger, history; and
// checkpoint->outcomes.
MUST_USE enum status checkpoint_load(struct checkpoint *checkpoint, struct machine *machine,
                                     const struct checkpoint_head *head, struct failure *failure);

#endif
