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

enum status history_spare_take(struct history *history, const char *name, struct failure *failure)
{
    char spare[DISK_NAME_SIZE_MAX] = "";
    (void)pthread_mutex_lock(&history->mutex);
    if (history->spare_count > 0) {
        memcpy(spare, history->spares[--history->spare_count], sizeof spare);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    if (spare[0] == 0) return disk_remove(history->disk, name, failure);
    return disk_rename(history->disk, spare, name, failure);
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
