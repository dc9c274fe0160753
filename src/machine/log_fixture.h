// SPDX-License-Identifier: Apache-2.0
//
// For tests: the log of tests/fixtures on a disk in memory.
#ifndef TAEL_MACHINE_LOG_FIXTURE_H
#define TAEL_MACHINE_LOG_FIXTURE_H

#include "machine/recovery.h"
#include "os/disk_memory.h"

// Puts the fixture into an empty disk as the first file of a log. Aborts when it is not to be had.
void log_fixture_load(struct disk_memory *disk);
// Zeroes the log behind the frame that holds the command at `position`.
void log_fixture_cut(struct disk_memory *disk, u64 position);

#endif
