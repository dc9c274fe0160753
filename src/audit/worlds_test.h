// SPDX-License-Identifier: Apache-2.0
//
// For the auditor's tests: worlds that the real machine makes, and audits of their folders.
#ifndef TAEL_AUDIT_WORLDS_TEST_H
#define TAEL_AUDIT_WORLDS_TEST_H

#include "audit/audit.h"

#define AUDIT_PLAIN_COUNT 40u // Transfers with ids from 100 on.

struct command_world;
struct disk_memory;
struct transfer;

// A state of each group of tests: the files of two worlds, to be copied afresh for each test.
struct audit_worlds {
    struct command_world *plain;
    struct command_world *modules;
};
int audit_worlds_setup(void **state);
int audit_worlds_teardown(void **state);

// A world of the caller's own; audit_world_end gives it back.
struct command_world *audit_world_make(void);
void audit_world_end(struct command_world *world);
// What plain clients do, and what modules do behind it.
void audit_world_fill(struct command_world *world);
void audit_world_fill_modules(struct command_world *world);
// Takes a checkpoint and closes the node.
void audit_world_close(struct command_world *world);

// Appends frames to the log of a closed world, each with a command of a module and a body of zeroes
// of `size` bytes, and prepares files behind them as a server does.
void audit_log_extend(struct disk_memory *disk, u32 frames, u32 size);
// Stops a backup in the part that `context`, a const char *const *, names.
bool audit_backup_stop(void *context, const char *part, u64 done, u64 total);
// What is made by `tael backup`, into memory that the caller frees (disk_memory_free): a backup of
// a closed world, and behind its end some frames of a later run that was interrupted.
void audit_world_backup(const struct command_world *world, struct disk_memory *backup);

// Audits a folder, which must be possible; the report is the caller's to free.
void audit_folder_whole(const char *path, struct audit_report *report);
// Fails unless nothing differs, and balances were compared.
void audit_is_clean(const struct audit_report *report);
// Fails unless a difference of this promise says this, with a place in a file whose name begins
// with `file`; NULL where it has no place.
void audit_is_told(const struct audit_report *report, enum audit_promise promise, const char *what,
                   const char *file);

#endif
