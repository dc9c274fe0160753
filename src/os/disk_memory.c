// SPDX-License-Identifier: Apache-2.0
//
// The disk in memory.
//
// A file is an array of pages, each with a durable image and, while it differs, a cached one; a
// page without images is zeroes. Names point to files by reference, so that a file that was removed
// or replaced lives on in its handles and in the durable names.
#include "os/disk_memory.h"

#include <stdio.h>
#include <stdlib.h>

#define SECTORS_IN_PAGE (PAGE_SIZE / DISK_SECTOR_SIZE)

struct page {
    u8 *durable;    // NULL: zeroes.
    u8 *cached;     // NULL: as durable.
    bool abandoned; // A sync failed: a later one does not write this page.
};

struct disk_memory_inode {
    struct page *pages;
    u64 page_count; // Of the array.
    u64 size;
    u64 durable_size; // At most `size`.
    u64 charged;      // Bytes of space.
    u32 references;   // Names, durable names and handles.
};

static const u8 zeroes[PAGE_SIZE];

static const char *const count_names[] = {
    [DISK_COUNT_OPEN] = "open",
    [DISK_COUNT_CREATE] = "create",
    [DISK_COUNT_READ] = "read",
    [DISK_COUNT_WRITE] = "write",
    [DISK_COUNT_WRITE_DIRECT] = "write-direct",
    [DISK_COUNT_SYNC] = "sync",
    [DISK_COUNT_ALLOCATE] = "allocate",
    [DISK_COUNT_RENAME] = "rename",
    [DISK_COUNT_REMOVE] = "remove",
    [DISK_COUNT_CRASH] = "crash",
    [DISK_COUNT_PAGE_KEPT] = "page-kept",
    [DISK_COUNT_PAGE_LOST] = "page-lost",
    [DISK_COUNT_PAGE_TORN] = "page-torn",
    [DISK_COUNT_WRITE_TORN] = "write-torn",
    [DISK_COUNT_SIZE_LOST] = "size-lost",
    [DISK_COUNT_REMOVAL_LOST] = "removal-lost",
    [DISK_COUNT_WRITE_ERROR] = "write-error",
    [DISK_COUNT_SYNC_ERROR] = "sync-error",
    [DISK_COUNT_READ_ERROR] = "read-error",
    [DISK_COUNT_FULL] = "full",
    [DISK_COUNT_ROT] = "rot",
    [DISK_COUNT_MISDIRECTED] = "misdirected",
    [DISK_COUNT_WRITE_LOST] = "write-lost",
};
static_assert(ARRAY_COUNT(count_names) == DISK_COUNT_KINDS, "each count has a name");

const char *disk_memory_count_name(enum disk_memory_count kind)
{
    assert(kind < DISK_COUNT_KINDS);
    return count_names[kind];
}

static struct disk_memory *memory_of(struct disk *disk)
{
    return (struct disk_memory *)disk;
}

static void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

static bool happens(struct disk_memory *disk, u32 rate, enum disk_memory_count kind)
{
    if (rate == 0 || random_below(&disk->random, 1000000) >= rate) return false;
    disk->counts[kind]++;
    return true;
}

// --- files ---------------------------------------------------------------------------------------

static void page_free(struct page *page)
{
    free(page->durable);
    free(page->cached);
    *page = (struct page){0};
}

static void inode_release(struct disk_memory *disk, struct disk_memory_inode *inode)
{
    assert(inode->references > 0);
    if (--inode->references > 0) return;
    for (u64 i = 0; i < inode->page_count; i++) page_free(&inode->pages[i]);
    disk->used -= inode->charged;
    free(inode->pages);
    free(inode);
}

static const u8 *page_seen(const struct page *page)
{
    if (page->cached != NULL) return page->cached;
    return page->durable != NULL ? page->durable : zeroes;
}

// Takes the space for a file of `size` bytes. False when there is none.
static bool inode_charge(struct disk_memory *disk, struct disk_memory_inode *inode, u64 size)
{
    u64 wanted = align_up(size, PAGE_SIZE);
    if (wanted <= inode->charged) return true;
    if (disk->used + (wanted - inode->charged) > disk->capacity) {
        disk->counts[DISK_COUNT_FULL]++;
        return false;
    }
    disk->used += wanted - inode->charged;
    inode->charged = wanted;
    u64 pages = wanted / PAGE_SIZE;
    if (pages > inode->page_count) {
        u64 count = MAX(pages, inode->page_count * 2);
        inode->pages = must(realloc(inode->pages, count * sizeof *inode->pages));
        memset(inode->pages + inode->page_count, 0,
               (count - inode->page_count) * sizeof *inode->pages);
        inode->page_count = count;
    }
    return true;
}

static void page_settle(struct page *page)
{
    if (page->cached == NULL) return;
    free(page->durable);
    page->durable = page->cached;
    page->cached = NULL;
    page->abandoned = false;
}

// Writes into the image that is seen; with `through` also into the durable one. Space is there.
static void inode_put(struct disk_memory_inode *inode, u64 offset, const u8 *data, u64 size,
                      bool through)
{
    assert(offset + size <= inode->charged);
    inode->size = MAX(inode->size, offset + size);
    if (through) inode->durable_size = MAX(inode->durable_size, offset + size);
    while (size > 0) {
        struct page *page = &inode->pages[offset / PAGE_SIZE];
        u64 take = MIN(size, PAGE_SIZE - offset % PAGE_SIZE);
        bool nothing = page->cached == NULL && page->durable == NULL && is_zero(data, take);
        if (page->cached == NULL && !nothing) {
            page->cached = must(malloc(PAGE_SIZE));
            memcpy(page->cached, page->durable != NULL ? page->durable : zeroes, PAGE_SIZE);
        }
        page->abandoned = false;
        if (!nothing) memcpy(page->cached + offset % PAGE_SIZE, data, take);
        if (through) page_settle(page);
        offset += take;
        data += take;
        size -= take;
    }
}

// Reads what is seen; it is within the file.
static void inode_get(const struct disk_memory_inode *inode, u64 offset, u8 *out, u64 size)
{
    u64 done = 0;
    while (done < size) {
        u64 at = offset + done;
        u64 take = MIN(size - done, PAGE_SIZE - at % PAGE_SIZE);
        memcpy(out + done, page_seen(&inode->pages[at / PAGE_SIZE]) + at % PAGE_SIZE, take);
        done += take;
    }
}

// --- names ---------------------------------------------------------------------------------------

static u32 name_find(const struct disk_memory_names *names, const char *name)
{
    for (u32 i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) == 0) return i;
    }
    return U32_MAX;
}

static void name_add(struct disk_memory_names *names, const char *name,
                     struct disk_memory_inode *inode)
{
    if (names->count == names->capacity) {
        names->capacity = MAX(16u, names->capacity * 2);
        names->items = must(realloc(names->items, names->capacity * sizeof *names->items));
    }
    struct disk_memory_name *item = &names->items[names->count++];
    assert(strlen(name) < sizeof item->name);
    memset(item->name, 0, sizeof item->name);
    memcpy(item->name, name, strlen(name));
    item->inode = inode;
    inode->references++;
}

static void name_drop(struct disk_memory *disk, struct disk_memory_names *names, u32 at)
{
    struct disk_memory_inode *inode = names->items[at].inode;
    memmove(&names->items[at], &names->items[at + 1],
            (--names->count - at) * sizeof names->items[0]);
    inode_release(disk, inode);
}

static void names_clear(struct disk_memory *disk, struct disk_memory_names *names)
{
    for (u32 i = 0; i < names->count; i++) inode_release(disk, names->items[i].inode);
    free(names->items);
    *names = (struct disk_memory_names){0};
}

static void names_settle(struct disk_memory *disk)
{
    struct disk_memory_names old = disk->durable_names;
    disk->durable_names = (struct disk_memory_names){0};
    for (u32 i = 0; i < disk->names.count; i++) {
        name_add(&disk->durable_names, disk->names.items[i].name, disk->names.items[i].inode);
    }
    names_clear(disk, &old);
}

// --- faults --------------------------------------------------------------------------------------

static enum status power_failed(struct failure *failure)
{
    return failure_set(failure, STATUS_IO, "the simulated machine has lost its power");
}

// Counts an operation that changes something. True when the power fails within it.
static bool crashes_now(struct disk_memory *disk)
{
    disk->operations++;
    if (disk->operations != disk->faults.crash_at) return false;
    disk->crashed = true;
    return true;
}

// Whether the operation that was just counted is the one that is to fail.
static bool fails_now(const struct disk_memory *disk)
{
    return disk->operations == disk->faults.error_at;
}

static enum status simulated_error(struct failure *failure)
{
    return failure_set(failure, STATUS_IO, "a simulated error");
}

// The write in flight when the power fails: nothing, the first sectors, any of them, or all.
static void write_tear(struct disk_memory *disk, struct disk_memory_inode *inode, u64 offset,
                       const u8 *data, u64 size)
{
    u64 sectors = (size + DISK_SECTOR_SIZE - 1) / DISK_SECTOR_SIZE;
    u64 way = random_below(&disk->random, 4);
    u64 first = random_below(&disk->random, sectors + 1);
    u64 written = 0;
    for (u64 i = 0; i < sectors; i++) {
        bool whole =
            way == 3 || (way == 1 && i < first) || (way == 2 && random_chance(&disk->random, 50));
        if (!whole) continue;
        u64 at = i * DISK_SECTOR_SIZE;
        inode_put(inode, offset + at, data + at, MIN(DISK_SECTOR_SIZE, size - at), true);
        written++;
    }
    if (written > 0 && written < sectors) disk->counts[DISK_COUNT_WRITE_TORN]++;
}

static void page_crash(struct disk_memory *disk, struct page *page, enum disk_memory_crash how)
{
    if (page->cached == NULL) return;
    u64 way = random_below(&disk->random, 3);
    bool abandoned = page->abandoned;
    page->abandoned = false;
    if (!abandoned && (how == DISK_CRASH_KEEP_ALL || (how == DISK_CRASH_EACH_PAGE && way == 0))) {
        disk->counts[DISK_COUNT_PAGE_KEPT]++;
        page_settle(page);
        return;
    }
    if (!abandoned && how == DISK_CRASH_EACH_PAGE && way == 1) {
        disk->counts[DISK_COUNT_PAGE_TORN]++;
        for (u64 i = 0; i < SECTORS_IN_PAGE; i++) {
            if (random_chance(&disk->random, 50)) continue;
            u64 at = i * DISK_SECTOR_SIZE;
            memcpy(page->cached + at, (page->durable != NULL ? page->durable : zeroes) + at,
                   DISK_SECTOR_SIZE);
        }
        page_settle(page);
        return;
    }
    disk->counts[DISK_COUNT_PAGE_LOST]++;
    free(page->cached);
    page->cached = NULL;
}

static void inode_cut(struct disk_memory_inode *inode, u64 size)
{
    inode->size = size;
    inode->durable_size = MIN(inode->durable_size, size);
    u64 whole = align_up(size, PAGE_SIZE) / PAGE_SIZE;
    for (u64 i = whole; i < inode->page_count; i++) page_free(&inode->pages[i]);
    if (size % PAGE_SIZE == 0) return;
    struct page *page = &inode->pages[size / PAGE_SIZE];
    u64 rest = PAGE_SIZE - size % PAGE_SIZE;
    if (page->cached != NULL) memset(page->cached + size % PAGE_SIZE, 0, rest);
    if (page->durable != NULL) memset(page->durable + size % PAGE_SIZE, 0, rest);
}

static void inode_crash(struct disk_memory *disk, struct disk_memory_inode *inode,
                        enum disk_memory_crash how)
{
    for (u64 i = 0; i < inode->page_count; i++) page_crash(disk, &inode->pages[i], how);
    if (inode->size == inode->durable_size) return;
    bool kept = how == DISK_CRASH_KEEP_ALL ||
                (how == DISK_CRASH_EACH_PAGE && random_chance(&disk->random, 50));
    if (kept) {
        inode->durable_size = inode->size;
    } else {
        disk->counts[DISK_COUNT_SIZE_LOST]++;
        inode_cut(inode, inode->durable_size);
    }
}

void disk_memory_crash(struct disk_memory *disk, enum disk_memory_crash how)
{
    (void)pthread_mutex_lock(&disk->mutex);
    disk->counts[DISK_COUNT_CRASH]++;
    for (u32 i = 0; i < disk->handle_count; i++) {
        if (disk->handles[i].inode != NULL) inode_release(disk, disk->handles[i].inode);
        disk->handles[i].inode = NULL;
    }
    // Every name is durable; what can be lost is removals.
    struct disk_memory_names *durable = &disk->durable_names;
    for (u32 i = durable->count; i-- > 0;) {
        if (name_find(&disk->names, durable->items[i].name) != U32_MAX) continue;
        bool removed = how == DISK_CRASH_KEEP_ALL ||
                       (how == DISK_CRASH_EACH_PAGE && random_chance(&disk->random, 50));
        if (removed) name_drop(disk, durable, i);
        else disk->counts[DISK_COUNT_REMOVAL_LOST]++;
    }
    names_clear(disk, &disk->names);
    for (u32 i = 0; i < durable->count; i++) {
        inode_crash(disk, durable->items[i].inode, how);
        name_add(&disk->names, durable->items[i].name, durable->items[i].inode);
    }
    disk->faults.crash_at = 0;
    disk->crashed = false;
    (void)pthread_mutex_unlock(&disk->mutex);
}

void disk_memory_rot(struct disk_memory *disk, const char *name, u64 offset, u32 bit)
{
    u32 at = name_find(&disk->names, name);
    assert(at != U32_MAX && bit < 8);
    struct disk_memory_inode *inode = disk->names.items[at].inode;
    assert(offset < inode->size);
    struct page *page = &inode->pages[offset / PAGE_SIZE];
    if (page->durable == NULL) page->durable = must(calloc(1, PAGE_SIZE));
    page->durable[offset % PAGE_SIZE] ^= (u8)(1u << bit);
    if (page->cached != NULL) page->cached[offset % PAGE_SIZE] ^= (u8)(1u << bit);
    disk->counts[DISK_COUNT_ROT]++;
}

u8 disk_memory_byte(const struct disk_memory *disk, const char *name, u64 offset)
{
    u32 at = name_find(&disk->names, name);
    assert(at != U32_MAX && offset < disk->names.items[at].inode->size);
    return page_seen(&disk->names.items[at].inode->pages[offset / PAGE_SIZE])[offset % PAGE_SIZE];
}

bool disk_memory_has(const struct disk_memory *disk, const char *name, u64 *size)
{
    u32 at = name_find(&disk->names, name);
    if (at == U32_MAX) return false;
    *size = disk->names.items[at].inode->size;
    return true;
}

static struct disk_memory_inode *inode_named(const struct disk_memory *disk, const char *name)
{
    const u32 at = name_find(&disk->names, name);
    assert(at != U32_MAX);
    return disk->names.items[at].inode;
}

void disk_memory_put(struct disk_memory *disk, const char *name, u64 offset, const void *bytes,
                     u64 size)
{
    struct disk_memory_inode *inode = inode_named(disk, name);
    assert(offset <= inode->size && size <= inode->size - offset);
    inode_put(inode, offset, bytes, size, true);
}

void disk_memory_get(const struct disk_memory *disk, const char *name, u64 offset, void *out,
                     u64 size)
{
    const struct disk_memory_inode *inode = inode_named(disk, name);
    assert(offset <= inode->size && size <= inode->size - offset);
    inode_get(inode, offset, out, size);
}

void disk_memory_resize(struct disk_memory *disk, const char *name, u64 size)
{
    struct disk_memory_inode *inode = inode_named(disk, name);
    const u64 end = align_up(size, PAGE_SIZE) / PAGE_SIZE;
    const bool is_there = inode_charge(disk, inode, size);
    assert(is_there);
    for (u64 i = end; i < inode->page_count; i++) page_free(&inode->pages[i]);
    inode->size = size;
    inode->durable_size = size;
    // Of the last page, what is behind the end is zeroes when the file grows again.
    static const u8 nothing[PAGE_SIZE];
    const u64 behind = end * PAGE_SIZE - size;
    if (behind > 0) inode_put(inode, size, nothing, behind, true);
    inode->size = size;
    inode->durable_size = size;
}

void disk_memory_copy(struct disk_memory *to, const struct disk_memory *from)
{
    assert(to->names.count == 0);
    for (u32 i = 0; i < from->names.count; i++) {
        const struct disk_memory_inode *inode = from->names.items[i].inode;
        struct disk_memory_inode *copy = must(calloc(1, sizeof *copy));
        name_add(&to->names, from->names.items[i].name, copy);
        const bool is_there = inode_charge(to, copy, inode->size);
        assert(is_there);
        for (u64 at = 0; at < inode->size; at += PAGE_SIZE) {
            const struct page *page = &inode->pages[at / PAGE_SIZE];
            if (page->durable == NULL && page->cached == NULL) continue;
            inode_put(copy, at, page_seen(page), MIN(PAGE_SIZE, inode->size - at), true);
        }
        copy->size = inode->size;
        copy->durable_size = inode->size;
    }
    names_settle(to);
}

// --- operations ----------------------------------------------------------------------------------

static struct disk_memory_inode *inode_of(struct disk_memory *disk, disk_handle handle)
{
    assert(handle >= 0 && (u32)handle < disk->handle_count);
    assert(disk->handles[handle].inode != NULL);
    return disk->handles[handle].inode;
}

// The name of an open file, for messages; one that was removed has none.
static const char *name_of(const struct disk_memory *disk, const struct disk_memory_inode *inode)
{
    for (u32 i = 0; i < disk->names.count; i++) {
        if (disk->names.items[i].inode == inode) return disk->names.items[i].name;
    }
    return "a removed file";
}

static disk_handle handle_new(struct disk_memory *disk, struct disk_memory_inode *inode, u32 flags)
{
    u32 at = 0;
    while (at < disk->handle_count && disk->handles[at].inode != NULL) at++;
    if (at == disk->handle_count) {
        disk->handle_count = MAX(16u, disk->handle_count * 2);
        disk->handles = must(realloc(disk->handles, disk->handle_count * sizeof *disk->handles));
        memset(disk->handles + at, 0, (disk->handle_count - at) * sizeof *disk->handles);
    }
    disk->handles[at] = (struct disk_memory_handle){.inode = inode, .flags = flags};
    inode->references++;
    return (disk_handle)at;
}

static enum status open_locked(struct disk_memory *disk, const char *name, u32 flags,
                               disk_handle *out, struct failure *failure)
{
    if (disk->crashed) return power_failed(failure);
    disk->counts[DISK_COUNT_OPEN]++;
    u32 at = name_find(&disk->names, name);
    if (at == U32_MAX) {
        if ((flags & DISK_CREATE) == 0) {
            return failure_set(failure, STATUS_NOT_FOUND, "opening %s/%s: there is none",
                               disk->disk.path, name);
        }
        disk->counts[DISK_COUNT_CREATE]++;
        bool crash = crashes_now(disk);
        if (!crash && fails_now(disk)) return simulated_error(failure);
        if (!crash || random_chance(&disk->random, 50)) {
            at = disk->names.count;
            name_add(&disk->names, name, must(calloc(1, sizeof(struct disk_memory_inode))));
            names_settle(disk);
        }
        if (crash) return power_failed(failure);
    }
    *out = handle_new(disk, disk->names.items[at].inode, flags);
    return STATUS_OK;
}

static enum status memory_open(struct disk *base, const char *name, u32 flags, disk_handle *out,
                               struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = open_locked(disk, name, flags, out, failure);
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static void memory_close(struct disk *base, disk_handle handle)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    inode_release(disk, inode_of(disk, handle));
    disk->handles[handle].inode = NULL;
    (void)pthread_mutex_unlock(&disk->mutex);
}

static enum status memory_size(struct disk *base, disk_handle handle, u64 *out,
                               struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = disk->crashed ? power_failed(failure) : STATUS_OK;
    if (status == STATUS_OK) *out = inode_of(disk, handle)->size;
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static void read_locked(struct disk_memory *disk, const struct disk_memory_inode *inode, u64 offset,
                        u8 *out, u64 size)
{
    inode_get(inode, offset, out, size);
    if (size > 0 && happens(disk, disk->faults.read_rot_rate, DISK_COUNT_ROT)) {
        out[random_below(&disk->random, size)] ^= (u8)(1u << random_below(&disk->random, 8));
    }
}

static enum status memory_read(struct disk *base, disk_handle handle, u64 offset, void *out,
                               size_t size, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&disk->mutex);
    if (disk->crashed) {
        status = power_failed(failure);
    } else {
        const struct disk_memory_inode *inode = inode_of(disk, handle);
        disk->counts[DISK_COUNT_READ]++;
        if (happens(disk, disk->faults.read_error_rate, DISK_COUNT_READ_ERROR)) {
            status = failure_set(failure, STATUS_IO, "a simulated error of reading");
        } else if (offset > inode->size || size > inode->size - offset) {
            status = failure_set(failure, STATUS_CORRUPT,
                                 "%s/%s ends at %llu, before %llu, which must be there", base->path,
                                 name_of(disk, inode), (unsigned long long)inode->size,
                                 (unsigned long long)(offset + size));
        } else {
            read_locked(disk, inode, offset, out, size);
        }
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

// Where a misdirected write goes: another page of the file.
static u64 misdirect(struct disk_memory *disk, const struct disk_memory_inode *inode, u64 offset,
                     u64 size)
{
    u64 places = inode->size / PAGE_SIZE - align_up(size, PAGE_SIZE) / PAGE_SIZE;
    u64 place = random_below(&disk->random, places) * PAGE_SIZE;
    return place >= offset / PAGE_SIZE * PAGE_SIZE ? place + PAGE_SIZE : place;
}

static enum status write_locked(struct disk_memory *disk, disk_handle handle, u64 offset,
                                const u8 *data, u64 size, struct failure *failure)
{
    if (disk->crashed) return power_failed(failure);
    struct disk_memory_inode *inode = inode_of(disk, handle);
    u32 flags = disk->handles[handle].flags;
    bool direct = (flags & DISK_DURABLE) != 0;
    assert((flags & DISK_READ_ONLY) == 0);
    assert(!direct || (offset % PAGE_SIZE == 0 && size % PAGE_SIZE == 0));
    disk->counts[direct ? DISK_COUNT_WRITE_DIRECT : DISK_COUNT_WRITE]++;
    if (!inode_charge(disk, inode, offset + size)) {
        return failure_set(failure, STATUS_FULL, "writing %s/%s at %llu: no space", disk->disk.path,
                           name_of(disk, inode), (unsigned long long)offset);
    }
    if (crashes_now(disk)) {
        if (direct) write_tear(disk, inode, offset, data, size);
        else inode_put(inode, offset, data, size, false);
        return power_failed(failure);
    }
    bool error = fails_now(disk);
    if (happens(disk, disk->faults.write_error_rate, DISK_COUNT_WRITE_ERROR) || error) {
        write_tear(disk, inode, offset, data, size);
        return failure_set(failure, STATUS_IO, "a simulated error of writing");
    }
    if (happens(disk, disk->faults.write_lost_rate, DISK_COUNT_WRITE_LOST)) {
        inode->size = MAX(inode->size, offset + size);
        return STATUS_OK;
    }
    u64 at = offset;
    if (offset + size + PAGE_SIZE <= inode->size &&
        happens(disk, disk->faults.misdirected_rate, DISK_COUNT_MISDIRECTED)) {
        at = misdirect(disk, inode, offset, size);
        if (at + size > inode->size) at = 0;
    }
    inode_put(inode, at, data, size, direct);
    return STATUS_OK;
}

static enum status memory_write(struct disk *base, disk_handle handle, u64 offset,
                                const struct iovec *parts, u32 part_count, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    u64 size = 0;
    for (u32 i = 0; i < part_count; i++) size += parts[i].iov_len;
    u8 *data = must(malloc(MAX(size, 1)));
    for (u32 i = 0, at = 0; i < part_count; i++) {
        memcpy(data + at, parts[i].iov_base, parts[i].iov_len);
        at += (u32)parts[i].iov_len;
    }
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = write_locked(disk, handle, offset, data, size, failure);
    (void)pthread_mutex_unlock(&disk->mutex);
    free(data);
    return status;
}

static enum status sync_locked(struct disk_memory *disk, disk_handle handle,
                               struct failure *failure)
{
    if (disk->crashed) return power_failed(failure);
    struct disk_memory_inode *inode = inode_of(disk, handle);
    disk->counts[DISK_COUNT_SYNC]++;
    bool crash = crashes_now(disk);
    bool error = !crash && (fails_now(disk) ||
                            happens(disk, disk->faults.sync_error_rate, DISK_COUNT_SYNC_ERROR));
    for (u64 i = 0; i < inode->page_count; i++) {
        struct page *page = &inode->pages[i];
        if (page->cached == NULL || page->abandoned) continue;
        bool settled = !(crash || error) || random_chance(&disk->random, 50);
        if (settled) page_settle(page);
        // After an error the system forgets that the page was to be written.
        else page->abandoned = error;
    }
    if (!crash && !error) inode->durable_size = inode->size;
    if (crash) return power_failed(failure);
    return error ? failure_set(failure, STATUS_IO, "a simulated error of sync") : STATUS_OK;
}

static enum status memory_sync(struct disk *base, disk_handle handle, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = sync_locked(disk, handle, failure);
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static enum status memory_allocate(struct disk *base, disk_handle handle, u64 size,
                                   struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&disk->mutex);
    if (disk->crashed) {
        status = power_failed(failure);
    } else {
        struct disk_memory_inode *inode = inode_of(disk, handle);
        disk->counts[DISK_COUNT_ALLOCATE]++;
        if (!inode_charge(disk, inode, size)) {
            status = failure_set(failure, STATUS_FULL, "reserving %llu bytes for %s/%s: no space",
                                 (unsigned long long)size, base->path, name_of(disk, inode));
        } else {
            bool crash = crashes_now(disk);
            if (!crash && fails_now(disk)) status = simulated_error(failure);
            inode->size = MAX(inode->size, size);
            if (!crash) inode->durable_size = inode->size;
            if (crash) status = power_failed(failure);
        }
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static enum status rename_locked(struct disk_memory *disk, const char *from, const char *to,
                                 struct failure *failure)
{
    if (disk->crashed) return power_failed(failure);
    disk->counts[DISK_COUNT_RENAME]++;
    u32 at = name_find(&disk->names, from);
    if (at == U32_MAX) {
        return failure_set(failure, STATUS_NOT_FOUND, "renaming %s/%s: there is none",
                           disk->disk.path, from);
    }
    bool crash = crashes_now(disk);
    if (!crash && fails_now(disk)) return simulated_error(failure);
    if (!crash || random_chance(&disk->random, 50)) {
        struct disk_memory_inode *inode = disk->names.items[at].inode;
        inode->references++; // Held while it has no name.
        name_drop(disk, &disk->names, at);
        u32 old = name_find(&disk->names, to);
        if (old != U32_MAX) name_drop(disk, &disk->names, old);
        name_add(&disk->names, to, inode);
        inode_release(disk, inode);
        names_settle(disk);
    }
    return crash ? power_failed(failure) : STATUS_OK;
}

static enum status memory_rename(struct disk *base, const char *from, const char *to,
                                 struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = rename_locked(disk, from, to, failure);
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static enum status memory_remove(struct disk *base, const char *name, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&disk->mutex);
    if (disk->crashed) {
        status = power_failed(failure);
    } else {
        disk->counts[DISK_COUNT_REMOVE]++;
        u32 at = name_find(&disk->names, name);
        bool crash = at != U32_MAX && crashes_now(disk);
        if (at != U32_MAX && !crash && fails_now(disk)) {
            status = simulated_error(failure);
            at = U32_MAX;
        }
        if (at != U32_MAX) name_drop(disk, &disk->names, at);
        if (crash) status = power_failed(failure);
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

static enum status memory_list(struct disk *base, bool (*visit)(void *context, const char *name),
                               void *context, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    bool crashed = disk->crashed;
    u32 count = disk->names.count;
    // A copy, so that the visitor may use the disk.
    struct disk_memory_name *names = must(malloc((count + 1) * sizeof *names));
    if (count > 0) memcpy(names, disk->names.items, count * sizeof *names);
    (void)pthread_mutex_unlock(&disk->mutex);
    for (u32 i = 0; i < count && !crashed; i++) {
        if (!visit(context, names[i].name)) break;
    }
    free(names);
    return crashed ? power_failed(failure) : STATUS_OK;
}

static enum status memory_free_space(struct disk *base, u64 *bytes, struct failure *failure)
{
    struct disk_memory *disk = memory_of(base);
    (void)pthread_mutex_lock(&disk->mutex);
    enum status status = disk->crashed ? power_failed(failure) : STATUS_OK;
    if (status == STATUS_OK) *bytes = disk->capacity - MIN(disk->used, disk->capacity);
    (void)pthread_mutex_unlock(&disk->mutex);
    return status;
}

// Everything is read through the seam, where it can fail on purpose.
static const u8 *memory_map(struct disk *base, disk_handle handle, u64 size)
{
    (void)base;
    (void)handle;
    (void)size;
    return NULL;
}

static void memory_unmap(struct disk *base, const u8 *map, u64 size)
{
    (void)base;
    (void)map;
    (void)size;
}

static void memory_advise(struct disk *base, const u8 *map, u64 offset, u64 size)
{
    (void)base;
    (void)map;
    (void)offset;
    (void)size;
}

// Nothing waits on a disk in memory.
static void memory_pace(struct disk *base, disk_handle handle, u64 offset, u64 size)
{
    (void)base;
    (void)handle;
    (void)offset;
    (void)size;
}

static bool memory_is_kept(struct disk *base, const char *name)
{
    struct disk_memory *disk = memory_of(base);
    bool is_kept = false;
    (void)pthread_mutex_lock(&disk->mutex);
    const u32 at = name_find(&disk->names, name);
    for (u32 i = 0; at != U32_MAX && i < disk->handle_count; i++) {
        const struct disk_memory_handle *handle = &disk->handles[i];
        if (handle->inode == disk->names.items[at].inode) is_kept |= handle->flags & DISK_KEEP;
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return is_kept;
}

static const struct disk_operations memory_operations = {
    .open = memory_open,
    .close = memory_close,
    .size = memory_size,
    .read = memory_read,
    .write = memory_write,
    .sync = memory_sync,
    .allocate = memory_allocate,
    .rename = memory_rename,
    .remove = memory_remove,
    .list = memory_list,
    .free_space = memory_free_space,
    .map = memory_map,
    .unmap = memory_unmap,
    .advise = memory_advise,
    .populate = memory_advise,
    .pace = memory_pace,
    .forget = memory_pace,
    .is_kept = memory_is_kept,
};

void disk_memory_init(struct disk_memory *disk, u64 seed)
{
    *disk = (struct disk_memory){
        .disk = {.operations = &memory_operations, .path = "memory"},
        .capacity = 1ull << 60,
    };
    (void)pthread_mutex_init(&disk->mutex, NULL);
    random_init(&disk->random, seed);
}

void disk_memory_free(struct disk_memory *disk)
{
    for (u32 i = 0; i < disk->handle_count; i++) {
        if (disk->handles[i].inode != NULL) inode_release(disk, disk->handles[i].inode);
    }
    names_clear(disk, &disk->names);
    names_clear(disk, &disk->durable_names);
    free(disk->handles);
    (void)pthread_mutex_destroy(&disk->mutex);
    memset(disk, 0, sizeof *disk);
}
