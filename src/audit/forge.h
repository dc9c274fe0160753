// SPDX-License-Identifier: Apache-2.0
//
// For tests: a folder in the hands of a forger who makes every checksum, digest, chain and root
// right again, so that only recomputing tells what was changed.
//
// Of small folders alone: one file of the log, one of rows, a checkpoint. What cannot be done ends
// the process.
#ifndef TAEL_AUDIT_FORGE_H
#define TAEL_AUDIT_FORGE_H

#include "audit/format.h"

struct forge_file {
    char path[512];
    u8 *bytes;
    u64 size;
};

struct forge {
    struct forge_file log;
    struct forge_file rows;
    struct forge_file checkpoint;
    struct audit_checkpoint_head *head; // Within the checkpoint.
    struct forge_file backup_file;      // Of a backup; none where it has no bytes.
    struct audit_backup_file *backup;   // Within it, or NULL.
};

// Reads a folder whose newest checkpoint covers all of its log; forge_save writes it back and frees
// what was taken.
void forge_load(struct forge *forge, const char *path);
void forge_save(struct forge *forge);
// Makes the checksums of the pages of rows right again.
void forge_seal_rows(struct forge *forge);
// Makes digests, roots and checksums of the checkpoint right again.
void forge_seal_checkpoint(struct forge *forge);
// Makes the checksum of the file `backup` right again.
void forge_seal_backup(struct forge *forge);
// Makes all of it but the file `backup` right again: pages of rows, outcome roots, bodies, the
// chain, the checkpoint.
void forge_seal(struct forge *forge);

// A row of history; the first one of this kind and id that took effect, or did not.
struct audit_row *forge_row(const struct forge *forge, u64 row);
struct audit_row *forge_row_of(const struct forge *forge, u8 kind, u128 id, bool took_effect);
// The event that a row answers.
struct audit_transfer_record *forge_event(const struct forge *forge, const struct audit_row *row);
// A record of a table of the checkpoint.
void *forge_record(const struct forge *forge, u32 table, u64 row, size_t size);
// The leaves of the tree in the checkpoint, of which there are no others.
struct audit_tree_leaf *forge_leaves(const struct forge *forge);
// The header of a frame.
struct audit_header *forge_header(const struct forge *forge, u64 sequence);

#endif
