// SPDX-License-Identifier: Apache-2.0
//
// Growing the tree, a page of it at a time.
#include "audit/tree.h"

#include "base/checksum.h"

#include <stdio.h>
#include <unistd.h>

void audit_tree_init(struct audit_tree *tree, const struct audit_folder *folder,
                     struct audit_report *report)
{
    *tree =
        (struct audit_tree){.folder = folder, .report = report, .file = -1, .file_number = U64_MAX};
}

void audit_tree_free(struct audit_tree *tree)
{
    if (tree->file >= 0) (void)close(tree->file);
    tree->file = -1;
}

// Fills in what stands in a page beside its leaves; `completed` are the subtrees that end with it.
static void page_finish(struct audit_tree *tree, const struct digest *completed)
{
    struct audit_tree_page *page = &tree->open;
    const u32 levels = (u32)__builtin_ctzll(tree->range.count) + 1;
    page->magic = AUDIT_TREE_MAGIC;
    page->number = tree->range.count / AUDIT_TREE_LEAVES - 1;
    page->first_row = tree->page_row;
    for (u32 level = AUDIT_TREE_LEVEL; level < levels; level++) {
        page->nodes[level - AUDIT_TREE_LEVEL] = completed[level];
    }
    page->checksum = checksum(&page->magic, sizeof *page - 16);
}

static enum status page_compare(struct audit_tree *tree, struct failure *failure)
{
    const u64 number = tree->open.number / AUDIT_TREE_FILE_PAGES;
    const u64 offset = tree->open.number % AUDIT_TREE_FILE_PAGES * PAGE_SIZE;
    char name[32];
    (void)snprintf(name, sizeof name, "tree-%08x", (u32)number);
    const struct audit_place place = audit_place_file(name, offset);
    if (tree->file_number != number) {
        if (tree->file >= 0) (void)close(tree->file);
        tree->file = -1;
        tree->file_number = number;
        const enum status status = audit_file_open(tree->folder, name, &tree->file, failure);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    }
    struct audit_tree_page found = {0};
    size_t done = 0;
    enum status status = STATUS_OK;
    const char *what = NULL;
    if (tree->file >= 0) {
        status = audit_file_read(tree->file, offset, &found, sizeof found, &done, failure);
    }
    if (status != STATUS_OK) return status;
    if (tree->file < 0) what = "the file is missing";
    else if (done < sizeof found) what = "a page of the tree of outcomes is missing";
    else if (found.checksum != checksum(&found.magic, sizeof found - 16))
        what = "the checksum of a page of the tree of outcomes does not hold";
    else if (memcmp(&found, &tree->open, sizeof found) != 0)
        what = "a page of the tree of outcomes is not that of the rows in history";
    tree->is_told = what != NULL;
    if (what != NULL) (void)audit_differ(tree->report, AUDIT_BYTES, &place, "%s", what);
    return STATUS_OK;
}

enum status audit_tree_add(struct audit_tree *tree, const struct audit_tree_leaf *leaf,
                           struct failure *failure)
{
    struct digest completed[64];
    const u32 index = audit_tree_open_count(tree);
    if (index == 0) tree->open = (struct audit_tree_page){0};
    tree->open.leaves[index] = *leaf;
    merkle_range_append(&tree->range, &leaf->root, completed);
    if (index + 1 < AUDIT_TREE_LEAVES) return STATUS_OK;
    page_finish(tree, completed);
    tree->page_row = leaf->end_row;
    return tree->is_told ? STATUS_OK : page_compare(tree, failure);
}
