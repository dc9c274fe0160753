// SPDX-License-Identifier: Apache-2.0
//
// An index file while it is written: its sections in order, then the tables and the head. Private
// to sealing and merging.
//
// It is written under a temporary name, synced and renamed, so a crash leaves either no file or a
// whole one (docs/FORMAT.md, crash cases H-a to H-c). A write that fails is remembered, and what
// follows is passed over; index_writer_finish reports it.
#ifndef TAEL_LEDGER_HISTORY_WRITER_H
#define TAEL_LEDGER_HISTORY_WRITER_H

#include "ledger/history_file.h"

struct index_writer {
    struct disk *disk;
    disk_handle file;
    u8 *buffer; // WRITER_PAGES pages.
    u32 buffered;
    u64 page; // Next page of the file.
    struct failure *failure;
    enum status status;
};

// One section of it.
struct index_section {
    struct history *history;
    struct index_writer *writer;
    struct history_segment *segment; // What is written.
    enum history_section section;
    bool filtered; // Its keys go into the filter.
    struct history_index_page *page;
    u32 *fences;
    u64 fence_count;
};

// Lays the tables of `segment` out and opens the temporary file that becomes it. The segment's
// rows and counts of entries are set, and stay as they are. On failure nothing is held.
MUST_USE enum status index_writer_open(struct history *history, struct index_writer *writer,
                                       struct history_segment *segment, struct failure *failure);
// Writes tables and head and makes the file durable under its name. The segment is then sealed, and
// has the handle and the tables; on failure nothing is held.
MUST_USE enum status index_writer_finish(struct history *history, struct index_writer *writer,
                                         struct history_segment *segment, struct failure *failure);

// Begins the next section; sections are written in their order.
struct index_section index_section_begin(struct history *history, struct index_writer *writer,
                                         struct history_segment *segment,
                                         enum history_section section);
// Where the next entries of the section go, ascending; `*room` of them at most (never 0).
u64 *index_section_room(struct index_section *section, u32 *room);
// Entries were put where index_section_room said.
void index_section_added(struct index_section *section, u32 count);
// Ends the last page; there are no more entries.
void index_section_end(struct index_section *section);

#endif
