// SPDX-License-Identifier: Apache-2.0
//
// System calls of a server that fail: by seccomp's notifications, for whatever the program and its
// libraries call, without a change to either. The kernel stops the caller, says so here, and is
// told to go on, to return an error, or, of a short write, how many bytes this process wrote for
// it.
//
// Only calls on files of one folder are counted and failed: the n-th of a kind since the server
// began, once, or from then on with all of some kinds. What is mapped is not seen: no call writes
// it.
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

#define INJECT_PATHS_MAX 16u

struct inject {
    char folder[200]; // As its files' paths begin.
    enum inject_kind kind;
    u32 at;    // Fails at this call of the kind, counted from 1; 0 never.
    int error; // An error number, or INJECT_SHORT.
    // And from there on every call of these kinds (bits of them), until `is_over`, called now and
    // then, says so; 0: once.
    u32 for_ever;
    bool (*is_over)(void *context);
    void *context;
    // What came of it; read when the server has ended.
    u32 counts[INJECT_KINDS];
    u32 failed;                        // Calls that were made to fail.
    bool was_over;                     // Nothing failed any more in the end.
    char paths[INJECT_PATHS_MAX][256]; // Of the first of them, each once: the file, or the folder.
    u32 path_count;
    char call[16]; // The name of the first.
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
