// SPDX-License-Identifier: Apache-2.0
//
// The tree over the outcomes of frames, grown from the rows, and its files against it.
#ifndef TAEL_AUDIT_TREE_H
#define TAEL_AUDIT_TREE_H

#include "audit/folder.h"
#include "audit/report.h"

struct audit_tree {
    const struct audit_folder *folder;
    struct audit_report *report;
    struct merkle_range range;
    u64 page_row; // Where the rows of the leaf before the open page's first one end.
    struct audit_tree_page open;
    int file; // -1: there is none of that number.
    u64 file_number;
    bool is_told; // A difference went to the report before.
};

// An empty tree; to be given to audit_tree_free.
void audit_tree_init(struct audit_tree *tree, const struct audit_folder *folder,
                     struct audit_report *report);
// Closes what it has open.
void audit_tree_free(struct audit_tree *tree);
// Appends the root of a frame's rows. Of a page that it makes full the one in the files must be the
// same; the first one that is not goes to the report. STATUS_IO when it cannot be read.
MUST_USE enum status audit_tree_add(struct audit_tree *tree, const struct audit_tree_leaf *leaf,
                                    struct failure *failure);
// How many leaves are in no full page.
static inline u32 audit_tree_open_count(const struct audit_tree *tree)
{
    return (u32)(tree->range.count % AUDIT_TREE_LEAVES);
}

#endif
