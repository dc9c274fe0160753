// SPDX-License-Identifier: Apache-2.0
//
// Opening a node: checkpoint, log, history.
#include "machine/recovery.h"

#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_FRAMES 16u

void node_free(struct node *node)
{
    checkpoint_free(&node->checkpoint);
    machine_free(&node->machine);
    machine_indexer_free(&node->indexer);
    wal_free(&node->wal);
    memset(node, 0, sizeof *node);
}

// --- a new log -----------------------------------------------------------------------------------

static enum status genesis_write(struct node *node, const struct genesis *genesis, u128 log_id,
                                 struct failure *failure)
{
    node->wal.tail = (struct wal_tail){.log_id = log_id, .epoch = 1};
    const struct frame_header header = {
        .position = 1, .timestamp = genesis->created_at, .flags = FRAME_GENESIS};
    const struct frame_command command = {.record = COMMAND_GENESIS, .version = 1};
    enum status status =
        wal_append_command(&node->wal, &header, &command, genesis, sizeof *genesis, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "creating the log");
    return STATUS_OK;
}

// --- history, cut back ---------------------------------------------------------------------------

struct strays {
    char (*names)[DISK_NAME_SIZE_MAX];
    u32 count;
    u32 capacity;
    u32 spare_next; // Number of the next spare file, above those that are there.
    struct machine *machine;
};

static bool is_listed(const struct machine *machine, const char *name)
{
    const struct history_set *set = machine->history.set;
    for (u32 i = 0; set != NULL && i < set->count; i++) {
        if (set->segments[i]->sealed && strcmp(set->segments[i]->file.name, name) == 0) return true;
    }
    return false;
}

// A file that was set aside: "spare-" and eight hex digits.
static bool is_spare(const char *name, u32 *number)
{
    if (strlen(name) != 14 || strncmp(name, "spare-", 6) != 0) return false;
    if (strspn(name + 6, "0123456789abcdef") != 8) return false;
    *number = (u32)strtoul(name + 6, NULL, 16);
    return true;
}

static bool stray_visit(void *context, const char *name)
{
    struct strays *strays = context;
    size_t length = strlen(name);
    bool temporary = length > 4 && strcmp(name + length - 4, ".tmp") == 0;
    bool index = strncmp(name, "index-", 6) == 0;
    u32 spare = 0;
    if (length >= DISK_NAME_SIZE_MAX) return true;
    if (is_spare(name, &spare)) {
        strays->spare_next = MAX(strays->spare_next, spare + 1);
        history_add_spare(&strays->machine->history, name);
        return true;
    }
    if ((!temporary && !index) || (index && is_listed(strays->machine, name))) return true;
    if (strays->count == strays->capacity) {
        strays->capacity = MAX(64, strays->capacity * 2);
        strays->names = realloc(strays->names, strays->capacity * sizeof *strays->names);
        assert(strays->names != NULL);
    }
    memcpy(strays->names[strays->count++], name, length + 1);
    return true;
}

// Sets aside what was made behind the checkpoint: it is made anew from the log. The files become
// spares under names of their own, since a name of history comes again, and since freeing gigabytes
// of blocks holds the device up for seconds; a start does not wait for that.
static enum status history_cut(struct node *node, struct recovery_report *report,
                               struct failure *failure)
{
    struct strays strays = {.machine = &node->machine};
    enum status status = disk_list(node->disk, stray_visit, &strays, failure);
    for (u32 i = 0; i < strays.count && status == STATUS_OK; i++) {
        char name[DISK_NAME_SIZE_MAX];
        (void)snprintf(name, sizeof name, "spare-%08x", strays.spare_next++);
        status = disk_rename(node->disk, strays.names[i], name, failure);
        if (status == STATUS_OK) history_add_spare(&node->machine.history, name);
    }
    free(strays.names);
    report->set_aside = node->machine.history.spare_count;
    return status;
}

// --- replay --------------------------------------------------------------------------------------

enum status node_seal_all(struct node *node, struct failure *failure)
{
    struct history *history = &node->machine.history;
    for (;;) {
        struct history_segment *full = NULL;
        struct history_set *set = history_set_acquire(history);
        for (u32 i = 0; i < set->count && full == NULL; i++) {
            if (!set->segments[i]->sealed && set->segments[i] != history->active) {
                full = set->segments[i];
            }
        }
        history_set_release(history, set);
        if (full == NULL) return STATUS_OK;
        enum status status = history_seal(history, full, failure);
        if (status != STATUS_OK) return status;
    }
}

// As node_seal_all; files that were set aside give their space when there is too little.
static enum status seal_all_or_remove(struct node *node, struct failure *failure)
{
    enum status status = node_seal_all(node, failure);
    bool removed = true;
    while (status == STATUS_FULL && removed) {
        struct failure ignored;
        if (history_remove_spares(&node->machine.history, 0, &removed, &ignored) != STATUS_OK)
            break;
        if (removed) status = node_seal_all(node, failure);
    }
    return status;
}

// The outcomes that a header names must be those that applying the log gives.
static enum status outcome_root_check(struct node *node, const struct frame_header *header,
                                      struct recovery_report *report, struct failure *failure)
{
    struct machine_indexer *indexer = &node->indexer;
    if (header->flags & (FRAME_GENESIS | FRAME_OWNER)) return STATUS_OK;
    if (header->outcome_sequence < indexer->root_first) return STATUS_OK;
    if (header->outcome_sequence <= indexer->sequence &&
        header->outcome_sequence + FRAME_OUTCOME_LAG_MAX > indexer->sequence) {
        const struct digest *root = machine_indexer_root(indexer, header->outcome_sequence);
        if (memcmp(root, &header->outcome_root, sizeof *root) == 0) {
            report->roots++;
            return STATUS_OK;
        }
    }
    failure_set(failure, STATUS_CORRUPT,
                "frame %llu names other outcomes up to frame %llu than applying the log gives",
                (unsigned long long)header->sequence, (unsigned long long)header->outcome_sequence);
    failure_hint(failure, "this binary does not apply the log as the one that wrote it; use that "
                          "version, and report this");
    return STATUS_CORRUPT;
}

static enum status frame_replay(struct node *node, const struct frame_view *view,
                                struct applied_frame *applied, struct recovery_report *report,
                                struct failure *failure)
{
    // A header may name its own outcomes: it may have been decided before it was written.
    bool names_itself = view->header->outcome_sequence == view->header->sequence;
    enum status status = STATUS_OK;
    if (!names_itself) status = outcome_root_check(node, view->header, report, failure);
    if (status != STATUS_OK) return status;
    for (u32 i = 0; i < view->header->command_count; i++) applied->commands[i].reply = NULL;
    status = machine_apply(&node->machine, view, applied, failure);
    if (status != STATUS_OK) return status;
    machine_index(&node->machine, &node->indexer, view, applied);
    if (names_itself) status = outcome_root_check(node, view->header, report, failure);
    if (status != STATUS_OK) return status;
    if (!applied->rotated) return STATUS_OK;
    status = seal_all_or_remove(node, failure);
    // Without space the segment stays in memory, as it did in the server that wrote the frame.
    return status == STATUS_FULL ? STATUS_OK : status;
}

// A frame that rotates needs memory for the next segment: when all of it is taken by segments that
// found no space, one must find it now.
static enum status rotation_prepare(struct node *node, const struct frame_view *view,
                                    struct failure *failure)
{
    struct history *history = &node->machine.history;
    if ((view->header->flags & FRAME_ROTATE) == 0 || history_can_rotate(history)) return STATUS_OK;
    enum status status = seal_all_or_remove(node, failure);
    if (status != STATUS_FULL || history_can_rotate(history)) {
        return status == STATUS_FULL ? STATUS_OK : status;
    }
    failure_hint(failure, "free some space in the data folder and start again; nothing is lost");
    return status;
}

static enum status replay(struct node *node, struct wal_reader *reader,
                          const struct recovery_progress *progress,
                          const struct replay_check *check, struct recovery_report *report,
                          struct failure *failure)
{
    struct applied_frame *applied = malloc(sizeof *applied);
    void *resolved = NULL;
    enum status status =
        memory_reserve(LEDGER_EVENTS_MAX * sizeof(struct transfer), false, &resolved, failure);
    assert(applied != NULL);
    applied->resolved.items = resolved;
    u64 start = reader->tail.place;
    u64 extent = 0;
    if (status == STATUS_OK) status = wal_extent(reader->wal, &extent, failure);
    u64 total = MAX(extent, start) - start;
    while (status == STATUS_OK) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        status = wal_reader_next(reader, &view, &end, failure);
        if (status != STATUS_OK) break;
        if (end != WAL_FRAME) {
            report->torn = end == WAL_TORN;
            break;
        }
        status = rotation_prepare(node, &view, failure);
        if (status == STATUS_OK) status = frame_replay(node, &view, applied, report, failure);
        report->frames++;
        report->commands += view.header->command_count;
        if (status == STATUS_OK && check != NULL) {
            status = check->frame(check->context, node, &reader->tail, failure);
        }
        if (status == STATUS_OK && progress != NULL && report->frames % REPORT_FRAMES == 0 &&
            !progress->report(progress->context, reader->tail.place - start, total)) {
            status = failure_set(failure, STATUS_CANCELLED, "the replay was stopped");
        }
    }
    if (resolved != NULL) memory_release(resolved, LEDGER_EVENTS_MAX * sizeof(struct transfer));
    free(applied);
    return status;
}

// --- opening -------------------------------------------------------------------------------------

enum status recovery_genesis_read(struct wal *wal, struct genesis *out, bool *found,
                                  struct failure *failure)
{
    struct wal_reader reader;
    const struct wal_tail tail = {0};
    *found = false;
    enum status status = wal_reader_init(&reader, wal, &tail, failure);
    if (status != STATUS_OK) return status;
    struct frame_view view;
    enum wal_end end = WAL_END;
    status = wal_reader_next(&reader, &view, &end, failure);
    if (status == STATUS_OK && end == WAL_FRAME) {
        if (view.header->command_count != 1 || (view.header->flags & FRAME_GENESIS) == 0 ||
            view.commands[0].body_size != sizeof *out) {
            status = failure_set(failure, STATUS_CORRUPT, "the log does not begin with a genesis");
        } else {
            memcpy(out, view.bodies[0], sizeof *out);
            *found = true;
        }
    }
    wal_reader_free(&reader);
    return status;
}

static enum status machine_make(struct node *node, const struct genesis *genesis,
                                struct failure *failure)
{
    request_source_init(&node->source, &node->wal);
    const struct history_log log = request_source_log(&node->source);
    enum status status = machine_init(&node->machine, node->disk, genesis, &log, failure);
    if (status == STATUS_OK) status = machine_indexer_init(&node->indexer, failure);
    if (status == STATUS_OK) {
        status = checkpoint_init(&node->checkpoint, &node->machine, failure);
    }
    return status;
}

static enum status node_load(struct node *node, const struct genesis *genesis, u128 log_id,
                             struct wal_tail *tail, struct recovery_report *report,
                             struct failure *failure)
{
    struct checkpoint_head *head = malloc(sizeof *head);
    assert(head != NULL);
    *tail = (struct wal_tail){0};
    enum status status = checkpoint_find(node->disk, head, failure);
    if (status == STATUS_OK) {
        status = machine_make(node, &head->genesis, failure);
        if (status == STATUS_OK) {
            status = checkpoint_load(&node->checkpoint, &node->machine, head, failure);
        }
        node->indexer.outcomes = node->checkpoint.outcomes;
        node->indexer.sequence = head->tail.sequence - 1;
        node->indexer.end_row = head->next_row;
        node->indexer.root_first = node->indexer.sequence;
        merkle_range_root(&head->outcomes,
                          machine_indexer_root(&node->indexer, node->indexer.sequence));
        report->checkpoint_sequence = head->tail.sequence;
        node->machine.log_id = head->tail.log_id;
        node->machine.epoch = head->tail.epoch;
        node->checkpoint_place = head->tail.place;
        *tail = head->tail;
        free(head);
        // A checkpoint tells of what is in the log; one whose log is gone is no truth of its own.
        if (status == STATUS_OK) status = wal_files_check(&node->wal, tail->place, failure);
        if (status == STATUS_OK) status = wal_tail_check(&node->wal, tail, failure);
        return status;
    }
    free(head);
    if (status != STATUS_NOT_FOUND) return status;
    struct genesis found;
    bool exists = false;
    status = recovery_genesis_read(&node->wal, &found, &exists, failure);
    if (status != STATUS_OK) return status;
    if (!exists && genesis == NULL) {
        return failure_set(failure, STATUS_NOT_FOUND,
                           "%s holds no log: no frame begins log-00000000", node->disk->path);
    }
    if (!exists) {
        report->created = true;
        status = genesis_write(node, genesis, log_id, failure);
        if (status != STATUS_OK) return status;
        found = *genesis;
    }
    status = machine_make(node, &found, failure);
    return status == STATUS_OK ? history_start(&node->machine.history, 0, failure) : status;
}

enum status node_open(struct node *node, struct disk *disk, const struct genesis *genesis,
                      u128 log_id, const struct recovery_progress *progress,
                      struct recovery_report *report, struct failure *failure)
{
    struct crash_watch *watch = node->watch;
    bool is_watched = false;
    memset(node, 0, sizeof *node);
    node->watch = watch;
    *report = (struct recovery_report){0};
    node->disk = disk;
    struct wal_tail tail;
    struct wal_reader reader = {0};
    enum status status = wal_init(&node->wal, disk, failure);
    if (status == STATUS_OK) status = wal_may_append(&node->wal, failure);
    if (status == STATUS_OK) status = node_load(node, genesis, log_id, &tail, report, failure);
    if (status == STATUS_OK && !report->created) {
        status = override_scan(&node->wal, &tail, &node->machine, failure);
    }
    if (status == STATUS_OK && watch != NULL) {
        status = crash_watch_begin(watch, &node->machine, failure);
        is_watched = status == STATUS_OK;
        node->machine.applying = &watch->position;
    }
    if (status == STATUS_OK) status = history_cut(node, report, failure);
    if (status == STATUS_OK) status = wal_reader_init(&reader, &node->wal, &tail, failure);
    if (status == STATUS_OK) status = replay(node, &reader, progress, NULL, report, failure);
    if (status == STATUS_OK) status = wal_reader_cut(&reader, failure);
    if (reader.buffer != NULL) wal_reader_free(&reader);
    if (status != STATUS_OK) {
        if (is_watched) crash_watch_leave(watch);
        node_free(node);
        return status;
    }
    if (is_watched) crash_watch_end(watch);
    request_source_durable(&node->source, node->wal.tail.place);
    return STATUS_OK;
}

enum status node_replay(struct node *node, struct disk *log, struct disk *scratch,
                        const struct recovery_progress *progress, const struct replay_check *check,
                        struct recovery_report *report, struct failure *failure)
{
    memset(node, 0, sizeof *node);
    *report = (struct recovery_report){0};
    node->disk = scratch;
    const struct wal_tail tail = {0};
    struct wal_reader reader = {0};
    struct genesis genesis;
    bool exists = false;
    enum status status = wal_init(&node->wal, log, failure);
    if (status == STATUS_OK) status = recovery_genesis_read(&node->wal, &genesis, &exists, failure);
    if (status == STATUS_OK && !exists) {
        status = failure_set(failure, STATUS_NOT_FOUND,
                             "%s holds no log: no frame begins log-00000000", log->path);
    }
    if (status == STATUS_OK) status = machine_make(node, &genesis, failure);
    if (status == STATUS_OK) status = history_start(&node->machine.history, 0, failure);
    if (status == STATUS_OK) status = override_scan(&node->wal, &tail, &node->machine, failure);
    if (status == STATUS_OK) status = wal_reader_init(&reader, &node->wal, &tail, failure);
    if (status == STATUS_OK) status = replay(node, &reader, progress, check, report, failure);
    node->wal.tail = reader.tail;
    if (reader.buffer != NULL) wal_reader_free(&reader);
    if (status != STATUS_OK) node_free(node);
    return status;
}
