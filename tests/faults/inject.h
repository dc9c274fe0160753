// SPDX-License-Identifier: Apache-2.0
//
// System calls of a server that fail: by seccomp's notifications, for whatever the program and its
// libraries call, without a change to either. The kernel stops the caller, says so here, and is
// told to go on, to return an error, or, of a short write, how many bytes this process wrote for
// it.
//
// Only calls on files of one folder are counted and failed: the n-th of a kind since the server
// began, once, or from then on for ever. What is mapped is not seen: no call writes it.
#ifndef TAEL_TESTS_FAULTS_INJECT_H
#define TAEL_TESTS_FAULTS_INJECT_H

#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum inject_kind {
    INJECT_OPEN,
    INJECT_WRITE,    // write, pwrite, pwritev.
    INJECT_SYNC,     // fsync, fdatasync.
    INJECT_ALLOCATE, // fallocate, ftruncate.
    INJECT_RENAME,   // And the exchange of two names.
    INJECT_REMOVE,
    INJECT_READ, // read, pread, preadv.
    INJECT_KINDS,
};

#define INJECT_SHORT (-1) // In place of an error number: half of the bytes are written.

struct inject {
    char folder[200]; // As its files' paths begin.
    enum inject_kind kind;
    u32 at;       // Fails at this call of the kind, counted from 1; 0 never.
    int error;    // An error number, or INJECT_SHORT.
    bool goes_on; // And at all calls of the kind from there on.
    // What came of it; read when the server has ended.
    u32 counts[INJECT_KINDS];
    u32 failed;     // Calls that were made to fail.
    char path[256]; // Of the first of them: the file, or the folder.
    char call[16];  // Its name.
    // Private.
    int sockets[2];
    pthread_t thread;
};

// Whether the kernel lets a program be watched so, and by whom this is run.
bool inject_is_permitted(void);
// Before the server is started: a thread answers the kernel until the server ends. `folder` is an
// absolute path.
void inject_begin(struct inject *inject, const char *folder);
// In the child, before it becomes the server (`struct load`, child).
void inject_child(void *inject);
// When the server has ended.
void inject_end(struct inject *inject);
const char *inject_kind_name(enum inject_kind kind);

#endif
