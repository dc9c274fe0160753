// SPDX-License-Identifier: Apache-2.0
//
// Heads read, and compared frame by frame.
#include "audit/heads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// --- reading -------------------------------------------------------------------------------------

static int held_order(const void *a, const void *b)
{
    const struct audit_held *left = a;
    const struct audit_held *right = b;
    if (left->head.sequence != right->head.sequence) {
        return left->head.sequence < right->head.sequence ? -1 : 1;
    }
    return left->line < right->line ? -1 : left->line > right->line;
}

static enum status line_take(struct audit_heads *heads, const char *path, const char *text,
                             size_t size, u32 line, const u8 *key, struct failure *failure)
{
    struct proof proof;
    const enum status status = proof_read(text, size, line, &proof, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "%s", path);
    const char *what = NULL;
    if (proof.kind != PROOF_HEAD) what = "is a proof, not a head";
    else if (!proof_head_is_signed(&proof.to)) what = "was not signed by the key it names";
    else if (key != NULL && memcmp(key, proof.to.key, SIGNATURE_KEY_SIZE) != 0)
        what = "is signed by another key than that of --key";
    if (what != NULL) {
        return failure_set(failure, STATUS_INVALID, "%s, line %u: the head %s", path, line, what);
    }
    heads->items = realloc(heads->items, (heads->count + 1ull) * sizeof *heads->items);
    assert(heads->items != NULL);
    heads->items[heads->count++] = (struct audit_held){.head = proof.to, .line = line};
    return STATUS_OK;
}

enum status audit_heads_read(struct audit_heads *heads, const char *path,
                             const u8 key[SIGNATURE_KEY_SIZE], struct failure *failure)
{
    *heads = (struct audit_heads){0};
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    enum status status = STATUS_OK;
    if (file == NULL) {
        status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return failure_set_errno(failure, status, errno, "opening %s", path);
    }
    u32 line = 0;
    ssize_t size = 0;
    while (status == STATUS_OK && (size = getline(&text, &room, file)) >= 0) {
        line++;
        while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) size--;
        if (size > 0) {
            status = line_take(heads, path, text, (size_t)size, line, key, failure);
        }
    }
    if (status == STATUS_OK && ferror(file)) {
        status = failure_set_errno(failure, STATUS_IO, errno, "reading %s", path);
    }
    if (status == STATUS_OK && heads->count == 0) {
        status = failure_set(failure, STATUS_INVALID, "%s: there is no head in it", path);
    }
    free(text);
    (void)fclose(file);
    if (status == STATUS_OK) qsort(heads->items, heads->count, sizeof *heads->items, held_order);
    return status;
}

void audit_heads_free(struct audit_heads *heads)
{
    free(heads->items);
    *heads = (struct audit_heads){0};
}

// --- comparing -----------------------------------------------------------------------------------

// What of a head is not as the log has it; NULL when all is.
static const char *header_differs(const struct signed_head *head, const struct audit_frame *frame,
                                  const struct audit_header *header)
{
    // The header has the other numbers in it, too: of one that was changed they say what.
    if (head->log_id != header->log_id) return "log id";
    if (head->epoch != header->epoch) return "epoch";
    if (head->position != header->position) return "position";
    if (head->timestamp != header->timestamp) return "time";
    if (memcmp(head->header, &frame->hash, sizeof head->header) != 0) return "header";
    return NULL;
}

static const char *tree_differs(const struct signed_head *head, const struct audit_tree *tree)
{
    struct digest root;
    merkle_range_root(&tree->range, &root);
    if (head->size != tree->range.count) return "size of the tree";
    if (memcmp(head->root, &root, sizeof head->root) != 0) return "root of the tree";
    return NULL;
}

void audit_heads_frame(struct audit_heads *heads, const struct audit_frame *frame,
                       const struct audit_header *header, const struct audit_tree *tree,
                       struct audit_report *report)
{
    while (heads->next < heads->count &&
           heads->items[heads->next].head.sequence == frame->sequence) {
        const struct audit_held *held = &heads->items[heads->next++];
        const char *what = header_differs(&held->head, frame, header);
        if (what == NULL && tree != NULL) what = tree_differs(&held->head, tree);
        if (what == NULL) {
            report->heads++;
            if (tree == NULL) report->heads_ahead++;
            continue;
        }
        const struct audit_place place = audit_place_log(frame->place, frame->sequence);
        (void)audit_differ(report, AUDIT_L5, &place,
                           "the signed head of line %u has another %s than this folder", held->line,
                           what);
    }
}

void audit_heads_end(const struct audit_heads *heads, struct audit_report *report)
{
    for (u32 i = heads->next; i < heads->count; i++) {
        const struct audit_held *held = &heads->items[i];
        if (report->is_backup) { // It ends where it says; later heads are of what came behind.
            report->heads_behind++;
            continue;
        }
        const struct audit_place place = audit_place_log(report->log_bytes, report->frames);
        (void)audit_differ(report, AUDIT_L5, &place,
                           "the log ends here, before frame %llu, whose signed head is in line %u",
                           (unsigned long long)held->head.sequence, held->line);
    }
}
