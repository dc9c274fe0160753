// SPDX-License-Identifier: Apache-2.0
//
// Damage to a folder on a disk in memory.
#include "damage.h"

#include "wal/wal.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 256u

static const char *const names[] = {
    [DAMAGE_CUT] = "cut",
    [DAMAGE_EXTEND] = "extended",
    [DAMAGE_FLIP] = "bit flipped",
    [DAMAGE_ZERO] = "page zeroed",
    [DAMAGE_NOISE] = "written over",
    [DAMAGE_SWAP] = "pages swapped",
    [DAMAGE_REMOVE] = "removed",
    [DAMAGE_RENAME] = "renamed",
    [DAMAGE_DUPLICATE] = "duplicated",
};
static_assert(ARRAY_COUNT(names) == DAMAGE_KINDS, "each kind has a name");

const char *damage_name(enum damage_kind kind)
{
    assert(kind < DAMAGE_KINDS);
    return names[kind];
}

struct files {
    u32 count;
    char names[FILES_MAX][DISK_NAME_SIZE_MAX];
};

static bool file_note(void *context, const char *name)
{
    struct files *files = context;
    assert(files->count < FILES_MAX);
    (void)snprintf(files->names[files->count++], DISK_NAME_SIZE_MAX, "%s", name);
    return true;
}

static struct files *files_list(struct disk_memory *disk)
{
    struct failure failure;
    struct files *files = calloc(1, sizeof *files);
    assert(files != NULL);
    if (disk_list(&disk->disk, file_note, files, &failure) != STATUS_OK) abort();
    assert(files->count > 0);
    return files;
}

static u64 size_of(const struct disk_memory *disk, const char *name)
{
    u64 size = 0;
    const bool is_there = disk_memory_has(disk, name, &size);
    assert(is_there);
    return size;
}

static bool is_log(const char *name)
{
    return strncmp(name, "log-", 4) == 0;
}

// Bytes of a file that say something; 0 of a log file that holds nothing yet.
static u64 extent_of(const struct disk_memory *disk, const char *name, u64 log_end)
{
    const u64 size = size_of(disk, name);
    if (!is_log(name)) return size;
    const u64 first = strtoull(name + 4, NULL, 16) * WAL_FILE_SIZE;
    return log_end <= first ? 0 : MIN(size, log_end - first);
}

// A file: one of each kind is as likely as of another, however many there are of it.
static const char *file_pick(const struct files *files, struct random *random)
{
    static const char *const kinds[] = {"log-", "log-", "checkpoint-", "rows-", "index-", ""};
    for (u32 tries = 0; tries < 64; tries++) {
        const char *kind = kinds[random_below(random, ARRAY_COUNT(kinds))];
        const char *name = files->names[random_below(random, files->count)];
        if (strncmp(name, kind, strlen(kind)) == 0) return name;
    }
    return files->names[0];
}

// A place: mostly where something stands, and often at its beginning or its end.
static u64 place_pick(const struct disk_memory *disk, const char *name, u64 log_end,
                      struct random *random)
{
    const u64 size = size_of(disk, name);
    const u64 extent = extent_of(disk, name, log_end);
    if (extent == 0 || random_chance(random, 3)) return random_below(random, size);
    const u64 near = MIN(extent, 8 * (u64)PAGE_SIZE);
    switch (random_below(random, 4)) {
    case 0: return random_below(random, near);
    case 1: return extent - 1 - random_below(random, near);
    default: return random_below(random, extent);
    }
}

// Another name of the same kind: its number is a little higher or lower.
static void name_near(const char *name, struct random *random, char out[DISK_NAME_SIZE_MAX])
{
    const char *dash = strchr(name, '-');
    if (dash == NULL) {
        (void)snprintf(out, DISK_NAME_SIZE_MAX, "%.40s.old", name);
        return;
    }
    char *rest = NULL;
    const u64 number = strtoull(dash + 1, &rest, 16);
    const u64 step = 1 + random_below(random, 3);
    const u64 next = number >= step && random_chance(random, 50) ? number - step : number + step;
    (void)snprintf(out, DISK_NAME_SIZE_MAX, "%.*s-%0*llx%.20s", (int)(dash - name), name,
                   (int)(rest - dash - 1), (unsigned long long)next, rest);
}

// --- what is done --------------------------------------------------------------------------------

static bool noise_put(struct disk_memory *disk, struct damage *damage, struct random *random,
                      bool is_zero)
{
    u8 before[PAGE_SIZE];
    u8 after[PAGE_SIZE] = {0};
    const u64 size = size_of(disk, damage->name);
    damage->size = is_zero ? PAGE_SIZE : 1 + random_below(random, PAGE_SIZE);
    if (is_zero) damage->offset = damage->offset / PAGE_SIZE * PAGE_SIZE;
    damage->size = MIN(damage->size, size - damage->offset);
    for (u64 i = 0; i < damage->size && !is_zero; i++) after[i] = (u8)random_u64(random);
    disk_memory_get(disk, damage->name, damage->offset, before, damage->size);
    disk_memory_put(disk, damage->name, damage->offset, after, damage->size);
    return memcmp(before, after, damage->size) != 0;
}

static bool pages_swap(struct disk_memory *disk, const struct files *files, struct damage *damage,
                       u64 log_end, struct random *random)
{
    u8 pages[2][PAGE_SIZE];
    const char *other = random_chance(random, 60) ? damage->name : file_pick(files, random);
    const u64 to = place_pick(disk, other, log_end, random) / PAGE_SIZE * PAGE_SIZE;
    damage->offset = damage->offset / PAGE_SIZE * PAGE_SIZE;
    damage->size = PAGE_SIZE;
    if (size_of(disk, damage->name) < damage->offset + PAGE_SIZE) return false;
    if (size_of(disk, other) < to + PAGE_SIZE) return false;
    (void)snprintf(damage->other, sizeof damage->other, "%s", other);
    damage->other_offset = to;
    disk_memory_get(disk, damage->name, damage->offset, pages[0], PAGE_SIZE);
    disk_memory_get(disk, other, to, pages[1], PAGE_SIZE);
    disk_memory_put(disk, damage->name, damage->offset, pages[1], PAGE_SIZE);
    disk_memory_put(disk, other, to, pages[0], PAGE_SIZE);
    // Both places are told by the first when they lie in one file.
    if (strcmp(other, damage->name) == 0) {
        damage->size = MAX(damage->offset, to) + PAGE_SIZE - MIN(damage->offset, to);
        damage->offset = MIN(damage->offset, to);
    }
    return memcmp(pages[0], pages[1], PAGE_SIZE) != 0;
}

static bool file_duplicate(struct disk_memory *disk, const struct files *files,
                           struct damage *damage, struct random *random)
{
    struct failure failure;
    disk_handle handle = -1;
    if (random_chance(random, 50)) {
        name_near(damage->name, random, damage->other);
    } else {
        (void)snprintf(damage->other, sizeof damage->other, "%s", file_pick(files, random));
    }
    if (strcmp(damage->name, damage->other) == 0) return false;
    const u64 size = size_of(disk, damage->name);
    if (disk_open(&disk->disk, damage->other, DISK_CREATE, &handle, &failure) != STATUS_OK) abort();
    disk_close(&disk->disk, handle);
    disk_memory_resize(disk, damage->other, 0);
    disk_memory_resize(disk, damage->other, size);
    u8 page[PAGE_SIZE];
    for (u64 at = 0; at < size; at += PAGE_SIZE) {
        const u64 take = MIN(PAGE_SIZE, size - at);
        disk_memory_get(disk, damage->name, at, page, take);
        if (!is_zero(page, take)) disk_memory_put(disk, damage->other, at, page, take);
    }
    return true;
}

static bool file_move(struct disk_memory *disk, struct damage *damage, struct random *random,
                      bool is_removed)
{
    struct failure failure;
    enum status status = STATUS_OK;
    u64 ignored = 0;
    if (is_removed) {
        status = disk_remove(&disk->disk, damage->name, &failure);
    } else {
        name_near(damage->name, random, damage->other);
        if (disk_memory_has(disk, damage->other, &ignored)) return false;
        status = disk_rename(&disk->disk, damage->name, damage->other, &failure);
    }
    if (status != STATUS_OK) abort();
    return true;
}

// One try. False when it changed nothing.
static bool damage_try(struct disk_memory *disk, const struct files *files, struct random *random,
                       u64 log_end, struct damage *damage)
{
    const u64 size = size_of(disk, damage->name);
    if (size == 0) return false;
    damage->offset = place_pick(disk, damage->name, log_end, random);
    damage->size = 1;
    switch (damage->kind) {
    case DAMAGE_CUT:
        damage->size = size - damage->offset;
        disk_memory_resize(disk, damage->name, damage->offset);
        return true;
    case DAMAGE_EXTEND:
        damage->offset = size;
        damage->size = 1 + random_below(random, 3 * (u64)PAGE_SIZE);
        disk_memory_resize(disk, damage->name, size + damage->size);
        for (u64 i = 0; i < damage->size; i += 97) {
            const u8 byte = (u8)(1 + random_below(random, 255));
            disk_memory_put(disk, damage->name, size + i, &byte, 1);
        }
        return true;
    case DAMAGE_FLIP:
        disk_memory_rot(disk, damage->name, damage->offset, (u32)random_below(random, 8));
        return true;
    case DAMAGE_ZERO: return noise_put(disk, damage, random, true);
    case DAMAGE_NOISE: return noise_put(disk, damage, random, false);
    case DAMAGE_SWAP: return pages_swap(disk, files, damage, log_end, random);
    case DAMAGE_REMOVE: return file_move(disk, damage, random, true);
    case DAMAGE_RENAME: return file_move(disk, damage, random, false);
    case DAMAGE_DUPLICATE: return file_duplicate(disk, files, damage, random);
    case DAMAGE_KINDS: break;
    }
    abort();
}

void damage_do(struct disk_memory *disk, struct random *random, u64 log_end, u32 kinds,
               struct damage *out)
{
    struct files *files = files_list(disk);
    enum damage_kind kind = DAMAGE_KINDS;
    assert((kinds & DAMAGE_ANY) != 0);
    do {
        kind = (enum damage_kind)random_below(random, DAMAGE_KINDS);
    } while ((kinds & 1u << kind) == 0);
    bool is_done = false;
    while (!is_done) {
        *out = (struct damage){.kind = kind};
        (void)snprintf(out->name, sizeof out->name, "%s", file_pick(files, random));
        is_done = damage_try(disk, files, random, log_end, out);
    }
    (void)snprintf(out->text, sizeof out->text, "%s: %s, offset %llu, %llu bytes%s%s", out->name,
                   damage_name(kind), (unsigned long long)out->offset,
                   (unsigned long long)out->size, out->other[0] == 0 ? "" : ", with or as ",
                   out->other);
    free(files);
}
