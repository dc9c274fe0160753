// SPDX-License-Identifier: Apache-2.0
//
// The disk seam in memory, with what can go wrong with a disk: the same seed gives the same faults.
//
// Every file has two images: what a reader sees, and what is durable. A write through a
// DISK_DURABLE handle is durable when it returns; any other is once disk_sync returns. Names are
// durable when disk_open (with DISK_CREATE) and disk_rename return; a removal only when a later one
// of these does. When the power fails (`disk_memory_crash`), each page that was not durable is
// kept, lost, or torn between sectors, each on its own, and so is the write in flight.
//
// Guarantees: deterministic from the seed and the order of calls. One mutex makes it safe for
// threads; their order is then the scheduler's. Memory in use is what is written, by pages; an
// allocated range that was never written costs a pointer a page.
// Does not guarantee: anything that disk.h does not; that is the point.
#ifndef TAEL_OS_DISK_MEMORY_H
#define TAEL_OS_DISK_MEMORY_H

#include "base/random.h"
#include "os/disk.h"

#include <pthread.h>

#define DISK_SECTOR_SIZE 512u

// What is counted: operations, and each fault when it really happens.
enum disk_memory_count {
    DISK_COUNT_OPEN,
    DISK_COUNT_CREATE,
    DISK_COUNT_READ,
    DISK_COUNT_WRITE,
    DISK_COUNT_WRITE_DIRECT,
    DISK_COUNT_SYNC,
    DISK_COUNT_ALLOCATE,
    DISK_COUNT_RENAME,
    DISK_COUNT_REMOVE,
    DISK_COUNT_CRASH,
    DISK_COUNT_PAGE_KEPT, // Not durable, and there after the crash all the same.
    DISK_COUNT_PAGE_LOST,
    DISK_COUNT_PAGE_TORN,
    DISK_COUNT_WRITE_TORN, // The write in flight, in part.
    DISK_COUNT_SIZE_LOST,
    DISK_COUNT_REMOVAL_LOST,
    DISK_COUNT_WRITE_ERROR,
    DISK_COUNT_SYNC_ERROR,
    DISK_COUNT_READ_ERROR,
    DISK_COUNT_FULL,
    DISK_COUNT_ROT, // Bits that were read other than written.
    DISK_COUNT_MISDIRECTED,
    DISK_COUNT_WRITE_LOST, // Said to be durable, and never written.
    DISK_COUNT_KINDS,
};

// Rates are a million-th each; 0 is never.
struct disk_memory_faults {
    u64 crash_at; // The power fails within this operation (see disk_memory_operations); 0 never.
    u64 error_at; // This operation fails, and no other; 0 none.
    u32 write_error_rate;
    u32 sync_error_rate;
    u32 read_error_rate;
    u32 read_rot_rate; // One bit of what is read, this time only.
    u32 misdirected_rate;
    u32 write_lost_rate;
};

enum disk_memory_crash {
    DISK_CRASH_LOSE_ALL,  // Nothing that was not durable is kept.
    DISK_CRASH_KEEP_ALL,  // All of it is: a process that died, not a machine.
    DISK_CRASH_EACH_PAGE, // Each page is kept, lost or torn.
};

struct disk_memory_inode;

struct disk_memory_name {
    char name[DISK_NAME_SIZE_MAX];
    struct disk_memory_inode *inode;
};

struct disk_memory_names {
    struct disk_memory_name *items;
    u32 count;
    u32 capacity;
};

struct disk_memory_handle {
    struct disk_memory_inode *inode; // NULL: free.
    u32 flags;
};

struct disk_memory {
    struct disk disk; // First.
    pthread_mutex_t mutex;
    struct random random;
    struct disk_memory_faults faults;
    struct disk_memory_names names;         // As a reader sees them.
    struct disk_memory_names durable_names; // As they are after a crash.
    struct disk_memory_handle *handles;
    u32 handle_count;
    u64 capacity;   // Bytes.
    u64 used;       // Bytes, by pages of files and what is reserved.
    u64 operations; // That change something, so far.
    bool crashed;   // Everything fails until disk_memory_crash.
    u64 counts[DISK_COUNT_KINDS];
};

// An empty disk of 2^60 bytes without faults. Caller-owned, to be given to disk_memory_free.
void disk_memory_init(struct disk_memory *disk, u64 seed);
void disk_memory_free(struct disk_memory *disk);

// Operations that change something, so far: the unit of `crash_at`, which is the number that the
// operation will have (the next one's is this plus one).
static inline u64 disk_memory_operations(const struct disk_memory *disk)
{
    return disk->operations;
}
// Whether the power has failed: every operation fails with STATUS_IO until disk_memory_crash.
static inline bool disk_memory_crashed(const struct disk_memory *disk)
{
    return disk->crashed;
}
// The power is gone and comes back: what was not durable is dealt with, handles are closed (those
// that are still held must not be used), `crash_at` is cleared, and the disk works again.
void disk_memory_crash(struct disk_memory *disk, enum disk_memory_crash how);

// Flips one bit of what is stored, durable and not. The file must exist and be longer.
void disk_memory_rot(struct disk_memory *disk, const char *name, u64 offset, u32 bit);
// What people and programs do to files between two runs, done to what is stored, durable and not:
// no operation, no count, no fault. The file must exist. `put` and `get` stay within it; a file
// that is made longer has zeroes there.
void disk_memory_put(struct disk_memory *disk, const char *name, u64 offset, const void *bytes,
                     u64 size);
void disk_memory_get(const struct disk_memory *disk, const char *name, u64 offset, void *out,
                     u64 size);
void disk_memory_resize(struct disk_memory *disk, const char *name, u64 size);
// Copies every file as it is read to an empty disk, where all of it is durable.
void disk_memory_copy(struct disk_memory *to, const struct disk_memory *from);
// One byte as it is read; the file must exist and be longer.
u8 disk_memory_byte(const struct disk_memory *disk, const char *name, u64 offset);
// Whether there is a file of this name, and its size.
bool disk_memory_has(const struct disk_memory *disk, const char *name, u64 *size);
const char *disk_memory_count_name(enum disk_memory_count kind);

#endif
