// SPDX-License-Identifier: Apache-2.0
//
// The seam to storage: one folder of files behind a table of functions, so that the same code runs
// on the file system (disk_file.c) and on a disk in memory that fails on purpose (disk_memory.c).
//
// Guarantees: a read or write is whole or fails; a name after `disk_rename` is durable when the
// call returns. Nothing here retries: after a failed sync the caller must not go on.
#ifndef TAEL_OS_DISK_H
#define TAEL_OS_DISK_H

#include "base/base.h"

#include <sys/uio.h>

#define DISK_NAME_SIZE_MAX 64

enum disk_open_flags {
    DISK_CREATE = 1 << 0,    // Create when absent; the name is durable when open returns.
    DISK_DURABLE = 1 << 1,   // Each write is durable when it returns.
    DISK_READ_ONLY = 1 << 2, // No write through this handle.
    DISK_UNCACHED = 1 << 3,  // Past the page cache: buffers, sizes and offsets are multiples of
                             // PAGE_SIZE; durable at disk_sync.
    DISK_KEEP = 1 << 4,      // For reading what another process may write over later: as long as
                             // the handle is open, disk_is_kept tells it not to.
};

// Files of a folder are the owner's alone.
#define DISK_FILE_MODE 0600

struct disk; // See disk_operations; one folder.

typedef i32 disk_handle; // At least 0.

struct disk_operations {
    enum status (*open)(struct disk *, const char *name, u32 flags, disk_handle *out,
                        struct failure *);
    void (*close)(struct disk *, disk_handle);
    enum status (*size)(struct disk *, disk_handle, u64 *out, struct failure *);
    enum status (*read)(struct disk *, disk_handle, u64 offset, void *out, size_t size,
                        struct failure *);
    enum status (*write)(struct disk *, disk_handle, u64 offset, const struct iovec *parts,
                         u32 part_count, struct failure *);
    enum status (*sync)(struct disk *, disk_handle, struct failure *);
    enum status (*allocate)(struct disk *, disk_handle, u64 size, struct failure *);
    enum status (*rename)(struct disk *, const char *from, const char *to, struct failure *);
    enum status (*remove)(struct disk *, const char *name, struct failure *);
    enum status (*list)(struct disk *, bool (*visit)(void *context, const char *name),
                        void *context, struct failure *);
    enum status (*free_space)(struct disk *, u64 *bytes, struct failure *);
    const u8 *(*map)(struct disk *, disk_handle, u64 size);
    void (*unmap)(struct disk *, const u8 *map, u64 size);
    void (*advise)(struct disk *, const u8 *map, u64 offset, u64 size);
    void (*populate)(struct disk *, const u8 *map, u64 offset, u64 size);
    void (*pace)(struct disk *, disk_handle, u64 offset, u64 size);
    void (*forget)(struct disk *, disk_handle, u64 offset, u64 size);
    bool (*is_kept)(struct disk *, const char *name);
};

struct disk {
    const struct disk_operations *operations;
    const char *path; // For messages.
};

// Opens a file of the folder. STATUS_NOT_FOUND without DISK_CREATE when it is absent.
MUST_USE static inline enum status disk_open(struct disk *disk, const char *name, u32 flags,
                                             disk_handle *out, struct failure *failure)
{
    return disk->operations->open(disk, name, flags, out, failure);
}
static inline void disk_close(struct disk *disk, disk_handle handle)
{
    disk->operations->close(disk, handle);
}
MUST_USE static inline enum status disk_size(struct disk *disk, disk_handle handle, u64 *out,
                                             struct failure *failure)
{
    return disk->operations->size(disk, handle, out, failure);
}
// Reads exactly `size` bytes; STATUS_CORRUPT when the file ends before.
MUST_USE static inline enum status disk_read(struct disk *disk, disk_handle handle, u64 offset,
                                             void *out, size_t size, struct failure *failure)
{
    return disk->operations->read(disk, handle, offset, out, size, failure);
}
// Writes all parts, in order, from `offset`. STATUS_FULL leaves what lies before `offset` whole.
MUST_USE static inline enum status disk_write(struct disk *disk, disk_handle handle, u64 offset,
                                              const struct iovec *parts, u32 part_count,
                                              struct failure *failure)
{
    return disk->operations->write(disk, handle, offset, parts, part_count, failure);
}
// Makes all writes so far durable. After a failure nothing is known of them.
MUST_USE static inline enum status disk_sync(struct disk *disk, disk_handle handle,
                                             struct failure *failure)
{
    return disk->operations->sync(disk, handle, failure);
}
// Reserves space up to `size` (zeroes when read) and makes the size durable.
MUST_USE static inline enum status disk_allocate(struct disk *disk, disk_handle handle, u64 size,
                                                 struct failure *failure)
{
    return disk->operations->allocate(disk, handle, size, failure);
}
// Replaces `to` by `from` at once; durable on return.
MUST_USE static inline enum status disk_rename(struct disk *disk, const char *from, const char *to,
                                               struct failure *failure)
{
    return disk->operations->rename(disk, from, to, failure);
}
// Removes a file; absent is fine.
MUST_USE static inline enum status disk_remove(struct disk *disk, const char *name,
                                               struct failure *failure)
{
    return disk->operations->remove(disk, name, failure);
}
// Calls `visit` with each name until it returns false. The order is not stated.
MUST_USE static inline enum status disk_list(struct disk *disk,
                                             bool (*visit)(void *context, const char *name),
                                             void *context, struct failure *failure)
{
    return disk->operations->list(disk, visit, context, failure);
}
MUST_USE static inline enum status disk_free_space(struct disk *disk, u64 *bytes,
                                                   struct failure *failure)
{
    return disk->operations->free_space(disk, bytes, failure);
}
// Maps the first `size` bytes of a file for reading, or returns NULL where that is not to be had.
// Bytes behind the file's end must not be touched before the file has grown over them. What cannot
// be read from the device ends the process when it is touched. The map outlives the handle.
MUST_USE static inline const u8 *disk_map(struct disk *disk, disk_handle handle, u64 size)
{
    return disk->operations->map(disk, handle, size);
}
static inline void disk_unmap(struct disk *disk, const u8 *map, u64 size)
{
    disk->operations->unmap(disk, map, size);
}
// Says that this range of a map will be read soon; starts the read and does not wait. Both take a
// NULL map and then do nothing.
static inline void disk_advise(struct disk *disk, const u8 *map, u64 offset, u64 size)
{
    if (map != NULL) disk->operations->advise(disk, map, offset, size);
}
// Enters what the page cache has of a range that was just written into the page tables at once, so
// that no reader pays for it page by page. Reads nothing: where memory is short, some of it is gone
// again, and who writes the log must not wait for it.
static inline void disk_populate(struct disk *disk, const u8 *map, u64 offset, u64 size)
{
    if (map != NULL) disk->operations->populate(disk, map, offset, size);
}
// Says that this range was just written and more will follow: starts writing it out and waits until
// what came before it is, so that one long write never crowds out the log's short ones. Not a sync.
static inline void disk_pace(struct disk *disk, disk_handle handle, u64 offset, u64 size)
{
    disk->operations->pace(disk, handle, offset, size);
}

// Says that nobody here needs this range again: what is not mapped and not to be written out leaves
// the page cache, so that who reads everything once does not crowd out what others read.
static inline void disk_forget(struct disk *disk, disk_handle handle, u64 offset, u64 size)
{
    disk->operations->forget(disk, handle, offset, size);
}
// Whether somebody reads the file through a handle with DISK_KEEP: it may be removed, but must not
// be written over. For files that are not opened by their name any more but by who asks.
static inline bool disk_is_kept(struct disk *disk, const char *name)
{
    return disk->operations->is_kept(disk, name);
}

// One part, for the common case.
MUST_USE enum status disk_write_one(struct disk *disk, disk_handle handle, u64 offset,
                                    const void *data, size_t size, struct failure *failure);

// A folder of the file system; one that is made is its owner's only. Caller-owned.
struct disk_folder {
    struct disk disk;
    int folder_fd;
    int lock_fd;
    bool is_lock_new; // The file `lock` was made by this opening.
    char path[4096];
};

enum disk_folder_use {
    DISK_FOLDER_MAKE,  // To be written; made when absent.
    DISK_FOLDER_OWN,   // To be written.
    DISK_FOLDER_CHECK, // To be read while nobody writes; nothing is made or changed in it.
    DISK_FOLDER_LOOK,  // To be read whoever writes.
};

// Opens the folder and takes its lock (but to look), so that no second process opens it:
// STATUS_BUSY names the holder.
MUST_USE enum status disk_folder_open(struct disk_folder *folder, const char *path,
                                      enum disk_folder_use use, struct failure *failure);
void disk_folder_close(struct disk_folder *folder);

#endif
