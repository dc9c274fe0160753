// SPDX-License-Identifier: Apache-2.0
//
// Backups and restored folders: the order in which things are copied and become valid.
//
// A backup is extended in this order: frames behind its end, rows and index files, which nobody
// looks at yet; the checkpoint under a temporary name; the file `backup`, from which on the new
// end counts; the checkpoint's name; then what the checkpoint before it named goes. Between any two
// of these the folder is a whole backup of one end or the other.
#include "machine/backup.h"

#include "codec/civil.h"
#include "ledger/history_file.h"
#include "machine/backup_internal.h"
#include "machine/verify.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum status backup_report_progress(struct backup_copy *copy, const char *part, u64 done, u64 total)
{
    if (copy->progress == NULL ||
        copy->progress->report(copy->progress->context, part, done, total)) {
        return STATUS_OK;
    }
    return failure_set(copy->failure, STATUS_CANCELLED, "stopped");
}

static struct wal_tail tail_of(const struct backup_mark *mark)
{
    return (struct wal_tail){
        .log_id = mark->log_id,
        .epoch = mark->epoch,
        .sequence = mark->sequence,
        .place = mark->place,
        .previous = mark->previous,
    };
}

// Whether there is a first frame. A log whose first frame is damaged is one all the same.
static enum status log_look(struct wal *wal, struct failure *failure)
{
    const struct wal_tail from = {0};
    struct wal_reader reader;
    struct frame_view view;
    enum wal_end end = WAL_END;
    enum status status = wal_reader_init(&reader, wal, &from, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_next(&reader, &view, &end, failure);
    wal_reader_free(&reader);
    if (status != STATUS_OK || end == WAL_FRAME) return status;
    return failure_set(failure, STATUS_NOT_FOUND, "%s holds no log", wal->disk->path);
}

// Takes what a copy needs; `source` has a log.
// Begins a copy in memory that is zero; whatever becomes of it, copy_end frees what it took.
static enum status copy_begin(struct backup_copy *copy, struct disk *source, struct disk *target,
                              const struct backup_progress *progress, struct backup_report *report,
                              struct failure *failure)
{
    *report = (struct backup_report){0};
    copy->source = source;
    copy->target = target;
    copy->progress = progress;
    copy->report = report;
    copy->failure = failure;
    copy->log_file = -1;
    enum status status = wal_init(&copy->wal, copy->source, copy->failure);
    if (status != STATUS_OK) return status;
    copy->wal.is_scanned_once = true;
    copy->chunk = aligned_alloc(PAGE_SIZE, BACKUP_CHUNK_SIZE);
    assert(copy->chunk != NULL);
    void *memory = NULL;
    status = memory_reserve(FRAME_SIZE_MAX, false, &memory, copy->failure);
    copy->held = memory;
    return status;
}

static void copy_end(struct backup_copy *copy)
{
    if (copy->log_file >= 0) disk_close(copy->target, copy->log_file);
    if (copy->reader.buffer != NULL) wal_reader_free(&copy->reader);
    if (copy->held != NULL) memory_release(copy->held, FRAME_SIZE_MAX);
    free(copy->chunk);
    wal_free(&copy->wal);
}

static enum status reader_begin(struct backup_copy *copy)
{
    const struct wal_tail from = tail_of(&copy->mark);
    return wal_reader_init(&copy->reader, &copy->wal, &from, copy->failure);
}

// Whether the checkpoint continues the log that was copied at least as far.
static enum status checkpoint_place_check(struct backup_copy *copy, const struct backup_pins *pins)
{
    const struct wal_tail *tail = &pins->head.tail;
    struct frame_header header;
    struct digest hash = {0};
    const struct wal_bound bound = {tail->sequence - 1, U64_MAX, U64_MAX};
    const enum status status = wal_find_last(&copy->wal, &bound, &header, copy->failure);
    if (status == STATUS_OK) sha256(&header, sizeof header, &hash);
    else if (status != STATUS_NOT_FOUND) return status;
    if (tail->sequence <= copy->mark.sequence && memcmp(&hash, &tail->previous, sizeof hash) == 0) {
        return STATUS_OK;
    }
    return failure_set(copy->failure, STATUS_CORRUPT,
                       "%s/%s does not continue the log, of which frames 0 to %llu are there",
                       copy->source->path, pins->name, (unsigned long long)copy->mark.sequence - 1);
}

// --- a backup -----------------------------------------------------------------------------------

// What a target that is no backup yet may hold: what opening it made, and what a file system has.
static bool others_visit(void *context, const char *name)
{
    static const char *const names[] = {"lock", "lost+found", "backup.tmp"};
    char *other = context;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    (void)snprintf(other, DISK_NAME_SIZE_MAX, "%s", name);
    return false;
}

static enum status file_contradicts(const struct backup_copy *copy)
{
    failure_set(copy->failure, STATUS_CORRUPT, "%s/%s contradicts itself", copy->target->path,
                BACKUP_FILE_NAME);
    failure_hint(copy->failure, BACKUP_ANEW_HINT);
    return STATUS_CORRUPT;
}

static enum status target_look(struct backup_copy *copy)
{
    char other[DISK_NAME_SIZE_MAX] = "";
    struct failure *failure = copy->failure;
    enum status status = backup_file_read(copy->target, &copy->state, failure);
    if (status == STATUS_OK && copy->state.next_row % HISTORY_PAGE_ROWS == 0) return STATUS_OK;
    if (status == STATUS_OK) status = file_contradicts(copy);
    copy->state = (struct backup_file){0};
    if (status != STATUS_NOT_FOUND) return status;
    status = disk_list(copy->target, others_visit, other, failure);
    if (status != STATUS_OK) return status;
    if (other[0] != 0) {
        failure_set(failure, STATUS_INVALID, "%s is no backup but holds other files: \"%s\"",
                    copy->target->path, other);
        failure_hint(failure, "a backup is made in a folder that is new or empty, or goes on with "
                              "one that `tael backup` made");
        return STATUS_INVALID;
    }
    return backup_file_write(copy->target, &copy->state, failure);
}

// Whether all that a mark says is what it is behind the frame of this header.
static bool mark_is_behind(const struct backup_mark *mark, const struct frame_header *header)
{
    return mark->log_id == header->log_id && mark->epoch == header->epoch &&
           mark->sequence == header->sequence + 1 && mark->place_last == header->place &&
           mark->place == header->place + frame_size(header) &&
           mark->position == header->position + header->command_count - 1 &&
           mark->timestamp == header->timestamp;
}

// Whether a log has the frame at which the backup goes on. STATUS_CORRUPT when it has, and the mark
// does not tell it as it is.
static enum status frame_look(const struct backup_copy *copy, struct wal *wal, bool *has)
{
    const struct backup_mark *mark = &copy->state.copied;
    struct frame_header header;
    struct digest hash;
    *has = false;
    const enum status status =
        wal_read_some(wal, mark->place_last, &header, sizeof header, copy->failure);
    if (status != STATUS_OK) return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    sha256(&header, sizeof header, &hash);
    *has = memcmp(&hash, &mark->previous, sizeof hash) == 0;
    return *has && !mark_is_behind(mark, &header) ? file_contradicts(copy) : STATUS_OK;
}

// The target's own log, up to what was copied.
static enum status target_check(struct backup_copy *copy)
{
    struct wal *wal = calloc(1, sizeof *wal);
    assert(wal != NULL);
    // An unfinished one is not opened as a log; its files are, one by one.
    wal->disk = copy->target;
    wal->scan_file = -1;
    wal->end = U64_MAX;
    bool has = false;
    const enum status status = frame_look(copy, wal, &has);
    if (wal->scan_file >= 0) disk_close(wal->disk, wal->scan_file);
    free(wal);
    if (status != STATUS_OK || has) return status;
    failure_set(copy->failure, STATUS_CORRUPT,
                "%s no longer has frame %llu, to which it was copied", copy->target->path,
                (unsigned long long)copy->state.copied.sequence - 1);
    failure_hint(copy->failure, BACKUP_ANEW_HINT);
    return STATUS_CORRUPT;
}

static enum status continue_check(struct backup_copy *copy)
{
    const struct backup_mark *copied = &copy->state.copied;
    if (copied->sequence == 0) return STATUS_OK;
    bool has = false;
    const enum status status = frame_look(copy, &copy->wal, &has);
    if (status != STATUS_OK) return status;
    if (has) return target_check(copy);
    failure_set(copy->failure, STATUS_INVALID,
                "%s is a backup of another log: frame %llu, where it ends, is not in %s",
                copy->target->path, (unsigned long long)copied->sequence - 1, copy->source->path);
    failure_hint(copy->failure,
                 "one of the two went on by itself, or is shorter; give a new folder");
    return STATUS_INVALID;
}

// Which files of the target are superfluous.
struct superfluous {
    const struct backup_pins *pins; // NULL: unfinished ones alone.
    char names[64][DISK_NAME_SIZE_MAX];
    u32 count;
};

static bool is_named(const struct backup_pins *pins, const char *name)
{
    if (strcmp(name, pins->name) == 0) return true;
    for (u32 i = 0; i < pins->head.segment_count; i++) {
        char index[DISK_NAME_SIZE_MAX];
        history_file_name(index, pins->segments[i].first_row, pins->segments[i].row_count);
        if (strcmp(name, index) == 0) return true;
    }
    return false;
}

static bool superfluous_visit(void *context, const char *name)
{
    struct superfluous *list = context;
    const size_t length = strlen(name);
    const bool is_temporary = length > 4 && strcmp(name + length - 4, ".tmp") == 0;
    const bool is_made = strncmp(name, "checkpoint-", 11) == 0 || strncmp(name, "index-", 6) == 0;
    const bool is_old = list->pins != NULL && is_made && !is_named(list->pins, name);
    if ((!is_old && !(is_temporary && is_made)) || length >= DISK_NAME_SIZE_MAX) return true;
    memcpy(list->names[list->count++], name, length + 1);
    return list->count < ARRAY_COUNT(list->names);
}

static enum status target_clean(struct backup_copy *copy, const struct backup_pins *pins)
{
    struct superfluous *list = malloc(sizeof *list);
    enum status status = STATUS_OK;
    assert(list != NULL);
    do {
        list->pins = pins;
        list->count = 0;
        status = disk_list(copy->target, superfluous_visit, list, copy->failure);
        for (u32 i = 0; i < list->count && status == STATUS_OK; i++) {
            status = disk_remove(copy->target, list->names[i], copy->failure);
        }
    } while (status == STATUS_OK && list->count == ARRAY_COUNT(list->names));
    free(list);
    return status;
}

// From here on the backup ends where the copy does.
static enum status backup_end_set(struct backup_copy *copy, const struct backup_pins *pins, u64 now,
                                  const char *temporary)
{
    copy->state.end = copy->mark;
    copy->state.copied = copy->mark;
    copy->state.next_row = copy->next_row;
    copy->state.tree_pages = copy->tree_pages;
    copy->state.finished_at = now;
    enum status status = backup_file_write(copy->target, &copy->state, copy->failure);
    if (status == STATUS_OK && temporary[0] != 0) {
        status = disk_rename(copy->target, temporary, pins->name, copy->failure);
    }
    if (status == STATUS_OK && pins->is_there) status = target_clean(copy, pins);
    return status;
}

static enum status backup_copy_all(struct backup_copy *copy, struct backup_pins *pins, u64 now)
{
    char temporary[DISK_NAME_SIZE_MAX] = "";
    // What is written meanwhile is for the next run, but for what the checkpoint needs.
    u64 extent = 0;
    enum status status = wal_extent(&copy->wal, &extent, copy->failure);
    if (status == STATUS_OK) status = backup_log_copy(copy, extent, U64_MAX);
    if (status == STATUS_OK) status = backup_pins_take(copy, pins);
    if (status == STATUS_OK && pins->is_there) {
        status = backup_log_copy(copy, pins->head.tail.place, U64_MAX);
        if (status == STATUS_OK) status = checkpoint_place_check(copy, pins);
        if (status == STATUS_OK) status = backup_history_copy(copy, pins, temporary);
    }
    if (status == STATUS_OK) status = backup_log_finish(copy);
    return status == STATUS_OK ? backup_end_set(copy, pins, now, temporary) : status;
}

enum status backup_make(struct disk *source, struct disk *target, u64 now,
                        const struct backup_progress *progress, struct backup_report *report,
                        struct failure *failure)
{
    struct backup_copy *copy = calloc(1, sizeof *copy);
    struct backup_pins *pins = calloc(1, sizeof *pins);
    assert(copy != NULL && pins != NULL);
    pins->file = -1;
    copy->is_backup = true;
    enum status status = copy_begin(copy, source, target, progress, report, failure);
    if (status == STATUS_OK) status = log_look(&copy->wal, failure);
    if (status == STATUS_OK) status = target_look(copy);
    if (status == STATUS_OK) status = continue_check(copy);
    if (status == STATUS_OK) status = backup_history_check(copy);
    if (status == STATUS_OK) status = target_clean(copy, NULL);
    copy->mark = copy->state.copied;
    copy->next_row = copy->state.next_row;
    copy->tree_pages = copy->state.tree_pages;
    report->frames_before = copy->mark.sequence;
    if (status == STATUS_OK) status = reader_begin(copy);
    if (status == STATUS_OK) status = backup_copy_all(copy, pins, now);
    report->end = copy->state.end;
    backup_pins_release(copy, pins);
    copy_end(copy);
    free(pins);
    free(copy);
    return status;
}

// --- a past moment ------------------------------------------------------------------------------

// The log goes on behind `last` with a frame that is later, or ends there. In the first case, what
// comes soon behind may be an override of a command up to there: the server died before it was
// known what the command does, so there was no such state.
static enum status overrides_check(struct wal_reader *reader, const struct frame_header *last,
                                   struct failure *failure)
{
    const u64 position = last->position + last->command_count - 1;
    for (;;) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        enum status status = wal_reader_next(reader, &view, &end, failure);
        if (status != STATUS_OK || end != WAL_FRAME) return status;
        const struct frame_header *header = view.header;
        for (u32 i = 0; i < header->command_count; i++) {
            const struct frame_command *command = &view.commands[i];
            if (command->record != COMMAND_OVERRIDE || command->body_size != sizeof(u64)) continue;
            const u64 overridden = load_u64(view.bodies[i]);
            if (overridden > position) continue;
            return failure_set(failure, STATUS_INVALID,
                               "there was no state behind frame %llu: command %llu killed the "
                               "server, until frame %llu made it a refusal; restore to that frame "
                               "or a later one, or to one before the command",
                               (unsigned long long)last->sequence, (unsigned long long)overridden,
                               (unsigned long long)header->sequence);
        }
        // When the outcomes are named, they are known: nothing up to there is overridden later.
        const bool names = (header->flags & (FRAME_GENESIS | FRAME_OWNER)) == 0;
        if (names && header->outcome_sequence >= last->sequence) return STATUS_OK;
    }
}

static enum status sequence_refuse(const struct wal *wal, u64 last,
                                   const struct restore_point *point, struct failure *failure)
{
    return failure_set(failure, STATUS_INVALID, "the log in %s has frames 0 to %llu, not %llu",
                       wal->disk->path, (unsigned long long)last,
                       (unsigned long long)point->sequence_max);
}

// What the log has instead of what was asked for.
static enum status point_refuse(struct wal *wal, const struct restore_point *point,
                                struct failure *failure)
{
    const struct wal_bound first = {0, U64_MAX, U64_MAX};
    const struct wal_bound any = {U64_MAX, U64_MAX, U64_MAX};
    struct frame_header header;
    enum status status = wal_find_last(wal, &any, &header, failure);
    if (status != STATUS_OK) return status;
    if (point->sequence_max != U64_MAX) {
        return sequence_refuse(wal, header.sequence, point, failure);
    }
    status = wal_find_last(wal, &first, &header, failure);
    if (status != STATUS_OK) return status;
    char begin[CIVIL_MOMENT_SIZE];
    char asked[CIVIL_MOMENT_SIZE];
    (void)civil_print_moment(header.timestamp, begin);
    (void)civil_print_moment(point->timestamp_max, asked);
    return failure_set(failure, STATUS_INVALID, "the log in %s begins at %s, later than %s",
                       wal->disk->path, begin, asked);
}

// Reads the frame of a header that was found, with a reader that is then behind it. `*torn` says
// that its body never came, nor anything behind it: the server died while it was written.
static enum status last_read(struct wal_reader *reader, struct wal *wal,
                             const struct frame_header *last, bool *torn, struct failure *failure)
{
    const struct wal_tail tail = {
        .log_id = last->log_id,
        .epoch = last->epoch,
        .sequence = last->sequence,
        .place = last->place,
        .previous = last->previous,
    };
    struct frame_view view;
    enum wal_end end = WAL_END;
    enum status status = wal_reader_init(reader, wal, &tail, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_next(reader, &view, &end, failure);
    *torn = end == WAL_TORN;
    if (status != STATUS_OK || *torn) wal_reader_free(reader);
    return status;
}

static enum status plan_make(struct wal *wal, const struct restore_point *point,
                             struct frame_header *last, struct failure *failure)
{
    struct wal_bound bound = {point->sequence_max, point->timestamp_max, U64_MAX};
    struct wal_reader reader;
    bool torn = false;
    enum status status = log_look(wal, failure);
    if (status != STATUS_OK) return status;
    status = wal_find_last(wal, &bound, last, failure);
    if (status == STATUS_NOT_FOUND) return point_refuse(wal, point, failure);
    if (status == STATUS_OK) status = last_read(&reader, wal, last, &torn, failure);
    if (status == STATUS_OK && torn) {
        assert(last->sequence > 0); // The first frame is whole: log_look.
        bound.sequence_max = last->sequence - 1;
        status = wal_find_last(wal, &bound, last, failure);
        if (status == STATUS_OK) status = last_read(&reader, wal, last, &torn, failure);
        assert(status != STATUS_OK || !torn); // What is behind a torn frame is nothing.
    }
    if (status != STATUS_OK) return status;
    // Where damage is why the log seems to end, this says so. Behind the very frame that was asked
    // for it does not matter: what is before damage can be restored.
    status = overrides_check(&reader, last, failure);
    wal_reader_free(&reader);
    if (status == STATUS_CORRUPT && last->sequence == point->sequence_max) return STATUS_OK;
    if (status == STATUS_CORRUPT) {
        failure_hint(failure, "bring this file back from a backup; `tael restore --to-sequence "
                              "FRAME` makes a folder of what is before the damage");
    }
    if (status != STATUS_OK) return status;
    if (point->sequence_max != U64_MAX && last->sequence < point->sequence_max &&
        point->timestamp_max == U64_MAX) {
        return sequence_refuse(wal, last->sequence, point, failure);
    }
    return STATUS_OK;
}

enum status restore_plan(struct disk *source, const struct restore_point *point,
                         struct frame_header *last, struct failure *failure)
{
    struct wal wal;
    enum status status = wal_init(&wal, source, failure);
    if (status != STATUS_OK) return status;
    status = plan_make(&wal, point, last, failure);
    if (status == STATUS_CORRUPT) verify_damage_hint(wal_is_backup(&wal), failure);
    wal_free(&wal);
    return status;
}

static enum status restore_copy_all(struct backup_copy *copy, struct backup_pins *pins,
                                    const struct frame_header *last)
{
    char temporary[DISK_NAME_SIZE_MAX] = "";
    enum status status = backup_log_copy(copy, last->place + frame_size(last), last->sequence + 1);
    if (status == STATUS_OK && copy->mark.sequence != last->sequence + 1) {
        return failure_set(copy->failure, STATUS_CORRUPT,
                           "the log in %s ends with frame %llu, though frame %llu was there",
                           copy->source->path, (unsigned long long)copy->mark.sequence - 1,
                           (unsigned long long)last->sequence);
    }
    if (status == STATUS_OK) status = backup_log_finish(copy);
    if (status == STATUS_OK) status = backup_pins_take(copy, pins);
    if (status == STATUS_OK && pins->is_there && pins->head.tail.sequence <= copy->mark.sequence) {
        status = checkpoint_place_check(copy, pins);
        if (status == STATUS_OK) status = backup_history_copy(copy, pins, temporary);
    }
    if (status == STATUS_OK && temporary[0] != 0) {
        status = disk_rename(copy->target, temporary, pins->name, copy->failure);
    }
    if (status != STATUS_OK) return status;
    return disk_rename(copy->target, BACKUP_LOG_UNFINISHED, BACKUP_LOG_FIRST, copy->failure);
}

enum status restore_make(struct disk *source, struct disk *target, const struct frame_header *last,
                         const struct backup_progress *progress, struct backup_report *report,
                         struct failure *failure)
{
    struct backup_copy *copy = calloc(1, sizeof *copy);
    struct backup_pins *pins = calloc(1, sizeof *pins);
    assert(copy != NULL && pins != NULL);
    pins->file = -1;
    enum status status = copy_begin(copy, source, target, progress, report, failure);
    if (status == STATUS_OK) status = reader_begin(copy);
    if (status == STATUS_OK) status = restore_copy_all(copy, pins, last);
    if (status == STATUS_CORRUPT) verify_damage_hint(wal_is_backup(&copy->wal), failure);
    report->end = copy->mark;
    backup_pins_release(copy, pins);
    copy_end(copy);
    free(pins);
    free(copy);
    return status;
}
