// SPDX-License-Identifier: Apache-2.0
//
// For tests: the folder of tests/fixtures (README.md there) on a disk in memory.
#ifndef TAEL_MACHINE_LOG_FIXTURE_H
#define TAEL_MACHINE_LOG_FIXTURE_H

#include "machine/recovery.h"
#include "os/disk_memory.h"

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
