// SPDX-License-Identifier: Apache-2.0
//
// The change stream: what took effect, in the order of the rows of history (changes.def).
//
// A page of it is made from rows, which are immutable, and from the log, by a thread that queries
// history; the machine is not asked. A reader that goes on from the row that a page ends at sees
// everything once.
//
// Guarantees: the same rows give the same bytes, whenever and however often they are asked for;
// what rotted in the log since it was applied is refused, since each frame is verified when a
// reader comes to it (but for the user data that a post or void took from its pending transfer,
// whose own frame is verified in its turn).
// Costs: a read of the row and one of the log a change; one hash of each frame; one walk over the
// headers of a file of the log when a reader begins elsewhere than it ended.
#ifndef TAEL_MACHINE_CHANGES_H
#define TAEL_MACHINE_CHANGES_H

#include "ledger/history_query.h"
#include "schema/schema.h"
#include "wal/wal.h"

#include "schema/pass_struct.h"

#include "machine/changes.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE changes
#include "schema/pass_extern.h"

#include "machine/changes.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

// Changes of an answer begin at multiples of this.
#define CHANGES_ALIGNMENT 16u
// Rows that one page looks at: most pages are full long before.
#define CHANGES_LOOKS_MAX 65536u

struct changes_reader; // What it keeps of the log; one thread at a time uses it.

// `wal` must outlive it. Never NULL.
struct changes_reader *changes_reader_new(struct wal *wal);
void changes_reader_free(struct changes_reader *reader);

struct changes_page {
    u8 *out; // `room` bytes at a multiple of CHANGES_ALIGNMENT, TAEL_BODY_SIZE_MAX at least.
    u32 room;
    u32 size;  // Set: bytes,
    u32 count; // and changes in them.
    u64 next;  // Set: the row to go on from.
};

// Makes the page of the changes in rows [from, view->row_end). It ends at the last row, when it is
// full, or after CHANGES_LOOKS_MAX rows: `page->next` tells. The rows must be durable and indexed.
// A status other than STATUS_OK is the environment's.
MUST_USE enum status changes_read(struct changes_reader *reader, struct history_view *view,
                                  u64 from, u32 flags, struct changes_page *page,
                                  struct failure *failure);

#endif
