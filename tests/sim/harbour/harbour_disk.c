// SPDX-License-Identifier: Apache-2.0
//
// The disk of the world of ports: what the process asks of it takes time, others go on meanwhile,
// and the machine may lose its power within it.
#include "harbour_internal.h"

#define SLOW_NS (100 * NS_PER_MS)

static struct harbour *harbour_of(struct disk *disk)
{
    return (void *)((u8 *)disk - offsetof(struct harbour, disk));
}

// Before an operation. Whether the process asks.
static bool leave(struct harbour *harbour)
{
    struct host *host = &harbour->system.host;
    if (!host_is_at_home(host)) return false;
    if (chance(harbour, harbour->slow_percent)) {
        u64 pause = below(harbour, 20 * NS_PER_MS);
        if (below(harbour, 60) == 0) {
            pause = SLOW_NS + below(harbour, 3 * NS_PER_S);
            harbour->counts[HARBOUR_SLOW]++;
        }
        host_sleep(host, pause);
    } else {
        host_point(host);
    }
    host_abroad_begin(host);
    return true;
}

// Behind it: without power nothing goes on.
static void back(struct harbour *harbour, bool is_process)
{
    struct host *host = &harbour->system.host;
    if (!is_process) return;
    host_abroad_end(host);
    if (disk_memory_crashed(&harbour->disk)) host_die(host);
}

static enum status slow_open(struct disk *disk, const char *name, u32 flags, disk_handle *out,
                             struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->open(disk, name, flags, out, failure);
    back(harbour, is_process);
    return status;
}

static void slow_close(struct disk *disk, disk_handle handle)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    harbour->disk_real->close(disk, handle);
    back(harbour, is_process);
}

static enum status slow_read(struct disk *disk, disk_handle handle, u64 offset, void *out,
                             size_t size, struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->read(disk, handle, offset, out, size, failure);
    back(harbour, is_process);
    return status;
}

static enum status slow_write(struct disk *disk, disk_handle handle, u64 offset,
                              const struct iovec *parts, u32 part_count, struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status =
        harbour->disk_real->write(disk, handle, offset, parts, part_count, failure);
    back(harbour, is_process);
    return status;
}

static enum status slow_sync(struct disk *disk, disk_handle handle, struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->sync(disk, handle, failure);
    back(harbour, is_process);
    return status;
}

static enum status slow_allocate(struct disk *disk, disk_handle handle, u64 size,
                                 struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->allocate(disk, handle, size, failure);
    back(harbour, is_process);
    return status;
}

static enum status slow_rename(struct disk *disk, const char *from, const char *to,
                               struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->rename(disk, from, to, failure);
    back(harbour, is_process);
    return status;
}

static enum status slow_remove(struct disk *disk, const char *name, struct failure *failure)
{
    struct harbour *harbour = harbour_of(disk);
    const bool is_process = leave(harbour);
    const enum status status = harbour->disk_real->remove(disk, name, failure);
    back(harbour, is_process);
    return status;
}

void harbour_disk_wrap(struct harbour *harbour)
{
    harbour->disk_real = harbour->disk.disk.operations;
    harbour->disk_operations = *harbour->disk_real;
    struct disk_operations *own = &harbour->disk_operations;
    own->open = slow_open;
    own->close = slow_close;
    own->read = slow_read;
    own->write = slow_write;
    own->sync = slow_sync;
    own->allocate = slow_allocate;
    own->rename = slow_rename;
    own->remove = slow_remove;
    harbour->disk.disk.operations = own;
}
