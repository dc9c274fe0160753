// SPDX-License-Identifier: Apache-2.0
//
// A disk of which one call fails.
#include "os/disk_failing.h"

static struct disk *under_of(struct disk *base)
{
    return ((struct disk_failing *)base)->under;
}

// Counts a call. Whether it fails.
static bool fails(struct disk *base, const char *what, struct failure *failure)
{
    struct disk_failing *disk = (struct disk_failing *)base;
    disk->calls++;
    if (disk->paths != NULL && call_paths_refuse(disk->paths)) {
        disk->paths = NULL;
        disk->fail_at = disk->calls;
    }
    if (disk->calls != disk->fail_at) return false;
    failure_set(failure, STATUS_IO, "a simulated error of %s", what);
    return true;
}

static enum status failing_open(struct disk *base, const char *name, u32 flags, disk_handle *out,
                                struct failure *failure)
{
    if (fails(base, "opening", failure)) return STATUS_IO;
    return disk_open(under_of(base), name, flags, out, failure);
}

static void failing_close(struct disk *base, disk_handle handle)
{
    disk_close(under_of(base), handle);
}

static enum status failing_size(struct disk *base, disk_handle handle, u64 *out,
                                struct failure *failure)
{
    if (fails(base, "asking for the size", failure)) return STATUS_IO;
    return disk_size(under_of(base), handle, out, failure);
}

static enum status failing_read(struct disk *base, disk_handle handle, u64 offset, void *out,
                                size_t size, struct failure *failure)
{
    if (fails(base, "reading", failure)) return STATUS_IO;
    return disk_read(under_of(base), handle, offset, out, size, failure);
}

static enum status failing_write(struct disk *base, disk_handle handle, u64 offset,
                                 const struct iovec *parts, u32 part_count, struct failure *failure)
{
    if (fails(base, "writing", failure)) return STATUS_IO;
    return disk_write(under_of(base), handle, offset, parts, part_count, failure);
}

static enum status failing_sync(struct disk *base, disk_handle handle, struct failure *failure)
{
    if (fails(base, "making durable", failure)) return STATUS_IO;
    return disk_sync(under_of(base), handle, failure);
}

static enum status failing_allocate(struct disk *base, disk_handle handle, u64 size,
                                    struct failure *failure)
{
    if (fails(base, "reserving", failure)) return STATUS_IO;
    return disk_allocate(under_of(base), handle, size, failure);
}

static enum status failing_rename(struct disk *base, const char *from, const char *to,
                                  struct failure *failure)
{
    if (fails(base, "renaming", failure)) return STATUS_IO;
    return disk_rename(under_of(base), from, to, failure);
}

static enum status failing_remove(struct disk *base, const char *name, struct failure *failure)
{
    if (fails(base, "removing", failure)) return STATUS_IO;
    return disk_remove(under_of(base), name, failure);
}

static enum status failing_list(struct disk *base, bool (*visit)(void *context, const char *name),
                                void *context, struct failure *failure)
{
    if (fails(base, "listing", failure)) return STATUS_IO;
    return disk_list(under_of(base), visit, context, failure);
}

static enum status failing_free_space(struct disk *base, u64 *bytes, struct failure *failure)
{
    if (fails(base, "asking for free space", failure)) return STATUS_IO;
    return disk_free_space(under_of(base), bytes, failure);
}

static const u8 *failing_map(struct disk *base, disk_handle handle, u64 size)
{
    return disk_map(under_of(base), handle, size);
}

static void failing_unmap(struct disk *base, const u8 *map, u64 size)
{
    disk_unmap(under_of(base), map, size);
}

static void failing_advise(struct disk *base, const u8 *map, u64 offset, u64 size)
{
    disk_advise(under_of(base), map, offset, size);
}

static void failing_populate(struct disk *base, const u8 *map, u64 offset, u64 size)
{
    disk_populate(under_of(base), map, offset, size);
}

static void failing_pace(struct disk *base, disk_handle handle, u64 offset, u64 size)
{
    disk_pace(under_of(base), handle, offset, size);
}

static void failing_forget(struct disk *base, disk_handle handle, u64 offset, u64 size)
{
    disk_forget(under_of(base), handle, offset, size);
}

static bool failing_is_kept(struct disk *base, const char *name)
{
    return disk_is_kept(under_of(base), name);
}

void disk_failing_init(struct disk_failing *disk, struct disk *under)
{
    static const struct disk_operations operations = {
        .open = failing_open,
        .close = failing_close,
        .size = failing_size,
        .read = failing_read,
        .write = failing_write,
        .sync = failing_sync,
        .allocate = failing_allocate,
        .rename = failing_rename,
        .remove = failing_remove,
        .list = failing_list,
        .free_space = failing_free_space,
        .map = failing_map,
        .unmap = failing_unmap,
        .advise = failing_advise,
        .populate = failing_populate,
        .pace = failing_pace,
        .forget = failing_forget,
        .is_kept = failing_is_kept,
    };
    *disk = (struct disk_failing){
        .disk = {.operations = &operations, .path = under->path},
        .under = under,
    };
}
