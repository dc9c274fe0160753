// SPDX-License-Identifier: Apache-2.0
//
// Index files that a merge made superfluous: retired while a checkpoint names them or a reader
// holds them, then spare, to be written over or removed.
#include "ledger/history_file.h"

void history_retire(struct history *history, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    assert(history->retired_count < HISTORY_SEGMENTS_MAX);
    struct history_retired *retired = &history->retired[history->retired_count++];
    *retired = (struct history_retired){.number = history->retired_number++};
    memcpy(retired->name, name, DISK_NAME_SIZE_MAX);
    (void)pthread_mutex_unlock(&history->mutex);
}

u64 history_retired(struct history *history)
{
    (void)pthread_mutex_lock(&history->mutex);
    u64 number = history->retired_number;
    (void)pthread_mutex_unlock(&history->mutex);
    return number;
}

// Called with the mutex held.
static void spares_gather(struct history *history)
{
    u32 kept = 0;
    for (u32 i = 0; i < history->retired_count; i++) {
        const struct history_retired *retired = &history->retired[i];
        if (retired->unnamed && retired->closed) {
            assert(history->spare_count < HISTORY_SEGMENTS_MAX);
            memcpy(history->spares[history->spare_count++], retired->name, DISK_NAME_SIZE_MAX);
        } else {
            history->retired[kept++] = *retired;
        }
    }
    history->retired_count = kept;
}

void history_discard(struct history *history, u64 number)
{
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < history->retired_count; i++) {
        if (history->retired[i].number < number) history->retired[i].unnamed = true;
    }
    spares_gather(history);
    (void)pthread_mutex_unlock(&history->mutex);
}

void history_note_closed(struct history *history, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < history->retired_count; i++) {
        if (strcmp(history->retired[i].name, name) == 0) history->retired[i].closed = true;
    }
    spares_gather(history);
    (void)pthread_mutex_unlock(&history->mutex);
}

void history_add_spare(struct history *history, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    // Beyond that it stays for another start to find.
    if (history->spare_count < HISTORY_SEGMENTS_MAX / 2) {
        memcpy(history->spares[history->spare_count++], name, strlen(name) + 1);
    }
    (void)pthread_mutex_unlock(&history->mutex);
}

// A spare file may be this many times as large as what is written over it.
#define SPARE_WASTE_MAX 2u
// Spares that are looked at for one that fits.
#define SPARE_LOOKS_MAX 16u

static enum status file_size(struct disk *disk, const char *name, u64 *size,
                             struct failure *failure)
{
    disk_handle file;
    enum status status = disk_open(disk, name, 0, &file, failure);
    if (status != STATUS_OK) return status;
    status = disk_size(disk, file, size, failure);
    disk_close(disk, file);
    return status;
}

// Takes the spare at a place of the list if it is the one named: others may have been taken
// meanwhile.
static bool spare_claim(struct history *history, u32 index, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    bool is_there = index < history->spare_count && strcmp(history->spares[index], name) == 0;
    if (is_there) {
        u32 last = --history->spare_count;
        if (index != last) {
            memcpy(history->spares[index], history->spares[last], DISK_NAME_SIZE_MAX);
        }
    }
    (void)pthread_mutex_unlock(&history->mutex);
    return is_there;
}

enum status history_spare_take(struct history *history, const char *name, u64 size,
                               struct failure *failure)
{
    u32 index = U32_MAX;
    for (u32 i = 0; i < SPARE_LOOKS_MAX; i++) {
        char spare[DISK_NAME_SIZE_MAX] = "";
        (void)pthread_mutex_lock(&history->mutex);
        index = MIN(index, history->spare_count);
        if (index > 0) memcpy(spare, history->spares[--index], sizeof spare);
        (void)pthread_mutex_unlock(&history->mutex);
        if (spare[0] == 0) break;
        u64 has = 0;
        enum status status = file_size(history->disk, spare, &has, failure);
        if (status == STATUS_NOT_FOUND) continue; // Removed meanwhile.
        if (status != STATUS_OK) return status;
        if (has > SPARE_WASTE_MAX * size || !spare_claim(history, index, spare)) continue;
        status = disk_rename(history->disk, spare, name, failure);
        // What somebody still copies is not written over.
        if (status == STATUS_OK && disk_is_kept(history->disk, name)) break;
        return status;
    }
    return disk_remove(history->disk, name, failure);
}

bool history_has_spares(struct history *history)
{
    (void)pthread_mutex_lock(&history->mutex);
    bool has = history->spare_count > 0;
    (void)pthread_mutex_unlock(&history->mutex);
    return has;
}

enum status history_remove_spares(struct history *history, u32 keep, bool *removed,
                                  struct failure *failure)
{
    char spare[DISK_NAME_SIZE_MAX] = "";
    (void)pthread_mutex_lock(&history->mutex);
    if (history->spare_count > keep) {
        memcpy(spare, history->spares[--history->spare_count], sizeof spare);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    *removed = spare[0] != 0;
    return *removed ? disk_remove(history->disk, spare, failure) : STATUS_OK;
}
