// SPDX-License-Identifier: Apache-2.0
//
// Damage to a folder on a disk in memory, as people, programs and devices do it between two runs:
// one change of one or two files, at a random place.
#ifndef TAEL_TESTS_FAULTS_DAMAGE_H
#define TAEL_TESTS_FAULTS_DAMAGE_H

#include "os/disk_memory.h"

enum damage_kind {
    DAMAGE_CUT,       // The file ends earlier.
    DAMAGE_EXTEND,    // Bytes behind its end.
    DAMAGE_FLIP,      // One bit.
    DAMAGE_ZERO,      // A page of zeroes.
    DAMAGE_NOISE,     // Up to a page of other bytes.
    DAMAGE_SWAP,      // Two pages, of one file or of two.
    DAMAGE_REMOVE,    // The file is gone.
    DAMAGE_RENAME,    // It has another name of its kind.
    DAMAGE_DUPLICATE, // It is there a second time, under another name or in place of a neighbour.
    DAMAGE_KINDS,
};

#define DAMAGE_ANY ((1u << DAMAGE_KINDS) - 1u)
// As a device does it under a process that has the file open.
#define DAMAGE_IN_PLACE (1u << DAMAGE_FLIP | 1u << DAMAGE_ZERO | 1u << DAMAGE_NOISE)

// What was done.
struct damage {
    enum damage_kind kind;
    char name[DISK_NAME_SIZE_MAX];  // The file,
    char other[DISK_NAME_SIZE_MAX]; // the other one of two, or "";
    u64 offset;                     // where,
    u64 size;                       // and how far,
    u64 other_offset;               // and where in the other one.
    char text[256];                 // For people.
};

// Does one damage of these kinds (bits of them) that changes something, by `random`. The disk has
// files. `log_end` is the place behind the last frame: damage to the log is mostly before it,
// though its files are mostly zeroes.
void damage_do(struct disk_memory *disk, struct random *random, u64 log_end, u32 kinds,
               struct damage *out);
const char *damage_name(enum damage_kind kind);

#endif
