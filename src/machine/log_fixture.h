// SPDX-License-Identifier: Apache-2.0
//
// For tests: the folder of tests/fixtures (README.md there) on a disk in memory.
#ifndef TAEL_MACHINE_LOG_FIXTURE_H
#define TAEL_MACHINE_LOG_FIXTURE_H

#include "machine/recovery.h"
#include "machine/verify.h"
#include "os/disk_memory.h"

// A test's state: the fixture's log on a disk, an empty disk beside it, and a node.
struct log_fixture {
    struct disk_memory disk;
    struct disk_memory scratch;
    struct node node;
    struct verify_report report;
    struct failure failure;
};

// The pair of functions that cmocka calls around a test; `*state` is a struct log_fixture.
int log_fixture_setup(void **state);
int log_fixture_teardown(void **state);
// Aborts with the failure's message unless `status` is STATUS_OK.
void log_fixture_must(enum status status, const struct log_fixture *fixture);
// Opens the node.
void log_fixture_start(struct log_fixture *fixture);
// Writes a checkpoint of the open node behind its last frame, and closes the node.
void log_fixture_checkpoint(struct log_fixture *fixture);

// Puts the fixture's log into an empty disk, or with `all` everything that was made from it too.
// Aborts when it is not to be had.
void log_fixture_load(struct disk_memory *disk, bool all);
// Writes what was made from the log to the fixture's folder, in place of what is there.
void log_fixture_save(struct disk_memory *disk);
// The value of a line `name value` of the fixture's file `expected`, 64 hex digits.
void log_fixture_expected(const char *name, char out[65]);
// Zeroes the log behind the frame that holds the command at `position`.
void log_fixture_cut(struct disk_memory *disk, u64 position);

#endif
