// SPDX-License-Identifier: Apache-2.0
//
// For tests: the files of a disk, a disk in memory above all, written to a new folder of the file
// system, for programs that read folders by themselves.
#ifndef TAEL_OS_DISK_COPY_H
#define TAEL_OS_DISK_COPY_H

#include "os/disk.h"

struct disk_copy {
    char path[256];
};

// Copies every file whose name does not begin with `leave` (NULL: all) to a fresh folder beneath
// TMPDIR, or /tmp; pages of zeroes become holes. Ends the process when that cannot be done.
void disk_copy_make(struct disk_copy *copy, struct disk *disk, const char *leave);
// Removes the folder with its files.
void disk_copy_remove(const struct disk_copy *copy);

#endif
