// SPDX-License-Identifier: Apache-2.0
//
// Signed heads that somebody outside holds (docs/PROOFS.md), against the log and the tree that its
// rows give (L5).
//
// The hash in a head is that of one header, by which every request before it stands: it is compared
// wherever the log has that frame. The root in it stands for every outcome: it is compared where
// history has the frame's rows. A log that ends before a head's frame was cut, or set back.
//
// Heads are read by src/proof, as tael-check reads them.
#ifndef TAEL_AUDIT_HEADS_H
#define TAEL_AUDIT_HEADS_H

#include "audit/log.h"
#include "audit/report.h"
#include "audit/tree.h"
#include "proof/proof.h"

struct audit_held {
    struct signed_head head;
    u32 line; // Of the file.
};

struct audit_heads {
    struct audit_held *items; // By the frame.
    u32 count;
    u32 next; // Those before it were compared.
};

// Reads a file of heads, one a line, in any order, each signed by the key that it names, and by
// `key` unless that is NULL. STATUS_NOT_FOUND, STATUS_IO; STATUS_INVALID names file and line. Give
// it to audit_heads_free, after a failure too.
MUST_USE enum status audit_heads_read(struct audit_heads *heads, const char *path,
                                      const u8 key[SIGNATURE_KEY_SIZE], struct failure *failure);
void audit_heads_free(struct audit_heads *heads);
// Compares the heads of this frame; frames come in order. `tree` is that of the rows up to it, NULL
// where history has none of them, or none to go by.
void audit_heads_frame(struct audit_heads *heads, const struct audit_frame *frame,
                       const struct audit_header *header, const struct audit_tree *tree,
                       struct audit_report *report);
// Behind the last frame of the log, where no damage ends it: tells the heads that are left.
void audit_heads_end(const struct audit_heads *heads, struct audit_report *report);

#endif
