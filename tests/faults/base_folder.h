// SPDX-License-Identifier: Apache-2.0
//
// Folders to be damaged, made by real loads, and what is true of them: the state behind each frame
// and the answers to questions that read all of history, its indexes and the log.
#ifndef TAEL_TESTS_FAULTS_BASE_FOLDER_H
#define TAEL_TESTS_FAULTS_BASE_FOLDER_H

#include "machine/recovery.h"
#include "machine/verify.h"
#include "os/disk_memory.h"

#define BASE_ANSWERS_MAX 600u

struct base_answers {
    u32 count;
    u32 refused;       // Of those, as damage;
    char refusal[480]; // what the last of them said.
    struct {
        bool is_refused;
        bool is_of_requests; // It tells what stands in the log alone, one request at a time.
        struct digest digest;
    } items[BASE_ANSWERS_MAX];
};

enum base_kind {
    BASE_CLIENTS, // Of plain clients: the simulator's world, its crashes and restarts included.
    BASE_MODULES, // Of every module, likewise.
    BASE_LONG,    // Large batches over two files of the log and several segments.
    BASE_KINDS,
};

struct base_folder {
    enum base_kind kind;
    struct disk_memory disk;
    bool is_torn;          // It ends in an unfinished frame.
    u64 frames;            // Whole ones.
    u64 last_place;        // Of the last of them,
    u64 end;               // and behind it.
    u64 torn_end;          // Behind the unfinished one.
    struct digest *states; // Behind each frame.
    struct base_answers answers;
    char what[64];
};

// Makes a folder, caller-owned, and finds out what is true of it.
void base_folder_make(struct base_folder *base, enum base_kind kind, u64 seed);
void base_folder_free(struct base_folder *base);
// Asks a node that is open.
void base_folder_ask(struct node *node, struct base_answers *out);

#endif
