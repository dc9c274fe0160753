// SPDX-License-Identifier: Apache-2.0
//
// Verification: one walk over the log, with the rows of history beside it, then the index pages.
#include "machine/verify.h"

#include "base/checksum.h"
#include "ledger/history_file.h"
#include "machine/request_source.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_FRAMES 16u

struct verify {
    struct disk *disk;
    const struct verify_progress *progress;
    struct verify_report *report;
    struct failure *failure;
    struct wal wal;
    struct checkpoint_head head;
    bool has_checkpoint;
    // The rows of history in order.
    struct history_rows_page *page;
    disk_handle rows_file;
    u64 rows_file_number;
    u64 page_loaded; // Plus one.
    u64 row;         // The next one.
    struct outcome *frame_rows;
    u64 frame_row_count;
    struct machine_indexer indexer;
    u64 timestamp;
    u64 position;
};

#define LOG_DAMAGE_HINT \
    "do not delete anything: restore the log's files from a backup, then start again"

// A frame says what it cannot.
static enum status damaged(struct verify *verify, const char *what, u64 sequence)
{
    failure_set(verify->failure, STATUS_CORRUPT, "frame %llu: %s", (unsigned long long)sequence,
                what);
    failure_hint(verify->failure, LOG_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// --- rows ---------------------------------------------------------------------------------------

static enum status rows_page_load(struct verify *verify, u64 page)
{
    u64 number = page / HISTORY_ROWS_FILE_PAGES;
    enum status status = STATUS_OK;
    if (verify->rows_file < 0 || verify->rows_file_number != number) {
        char name[DISK_NAME_SIZE_MAX];
        (void)snprintf(name, sizeof name, "rows-%08llx", (unsigned long long)number);
        if (verify->rows_file >= 0) disk_close(verify->disk, verify->rows_file);
        verify->rows_file = -1;
        status = disk_open(verify->disk, name, DISK_READ_ONLY, &verify->rows_file, verify->failure);
        if (status != STATUS_OK) return status;
        verify->rows_file_number = number;
    }
    u64 offset = page % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE;
    status = disk_read(verify->disk, verify->rows_file, offset, verify->page, PAGE_SIZE,
                       verify->failure);
    if (status != STATUS_OK) return status;
    if (!history_rows_page_holds(verify->page, page)) {
        return failure_set(verify->failure, STATUS_CORRUPT,
                           "history: rows-%08llx, offset %llu is damaged",
                           (unsigned long long)number, (unsigned long long)offset);
    }
    verify->page_loaded = page + 1;
    return STATUS_OK;
}

// The next row, or NULL behind the last sealed one.
static enum status row_peek(struct verify *verify, const struct outcome **out)
{
    *out = NULL;
    if (!verify->has_checkpoint || verify->row >= verify->head.next_row) return STATUS_OK;
    u64 page = verify->row / HISTORY_PAGE_ROWS;
    if (verify->page_loaded != page + 1) {
        enum status status = rows_page_load(verify, page);
        if (status != STATUS_OK) return status;
    }
    *out = &verify->page->rows[verify->row % HISTORY_PAGE_ROWS];
    return STATUS_OK;
}

static void row_take(struct verify *verify, const struct outcome *row)
{
    assert(verify->frame_row_count < HISTORY_FRAME_ROWS_MAX);
    verify->frame_rows[verify->frame_row_count++] = *row;
    verify->row++;
    verify->report->rows++;
}

// Takes the rows that are of one of two kinds.
static enum status rows_take_kinds(struct verify *verify, u8 kind, u8 other)
{
    for (;;) {
        const struct outcome *row = NULL;
        enum status status = row_peek(verify, &row);
        if (status != STATUS_OK || row == NULL) return status;
        bool balance = row->kind == OUTCOME_BALANCE_DEBITS || row->kind == OUTCOME_BALANCE_CREDITS;
        if (row->kind != kind && row->kind != other && !balance) return STATUS_OK;
        row_take(verify, row);
    }
}

static enum status create_rows_take(struct verify *verify, const struct frame_view *view, u32 index,
                                    const struct compat_batches *batches, u16 event_size)
{
    const struct frame_command *command = &view->commands[index];
    for (u32 i = 0; i < batches->event_count; i++) {
        enum status status =
            rows_take_kinds(verify, OUTCOME_BALANCE_DEBITS, OUTCOME_BALANCE_CREDITS);
        const struct outcome *row = NULL;
        if (status == STATUS_OK) status = row_peek(verify, &row);
        if (status != STATUS_OK || row == NULL) return status;
        u64 place = view->header->place + command->body_offset + (u64)i * event_size;
        // A command that was refused whole (no session, overridden) left nothing; if this is damage
        // instead, the outcome root tells.
        if (i == 0 && outcome_place(row) != place) return STATUS_OK;
        u128 id = load_u128(batches->events + (size_t)i * event_size);
        if (row->id != id || outcome_place(row) != place) {
            return failure_set(verify->failure, STATUS_CORRUPT,
                               "history: row %llu does not belong to event %u of frame %llu",
                               (unsigned long long)verify->row, i,
                               (unsigned long long)view->header->sequence);
        }
        row_take(verify, row);
    }
    return rows_take_kinds(verify, OUTCOME_BALANCE_DEBITS, OUTCOME_BALANCE_CREDITS);
}

// Whether a row is what a tick, or a module's command, left: both say so by its place.
static bool is_its_own(const struct frame_view *view, u32 index, const struct outcome *row)
{
    const struct frame_command *command = &view->commands[index];
    const u64 place = outcome_place(row);
    const u64 first = view->header->place + command->body_offset;
    if (place >= first && place < first + command->body_size) return true;
    // What a tick does without a record, and the refusal of a command that has no body, is placed
    // at the frame's beginning.
    const bool is_told = row->kind == OUTCOME_COMMAND;
    if (place != view->header->place) return false;
    if (command->record == COMMAND_TICK) return !is_told;
    return is_told && command->body_size == 0 && row->id == command->command_id;
}

// Takes the rows of a tick or of a module's command, and the evidence and snapshots behind them.
static enum status own_rows_take(struct verify *verify, const struct frame_view *view, u32 index)
{
    for (;;) {
        const struct outcome *row = NULL;
        enum status status =
            rows_take_kinds(verify, OUTCOME_BALANCE_DEBITS, OUTCOME_BALANCE_CREDITS);
        if (status == STATUS_OK) status = row_peek(verify, &row);
        if (status != STATUS_OK || row == NULL) return status;
        // One that was sent again left nothing; if this is damage instead, the outcome root tells.
        if (row->kind != OUTCOME_EVIDENCE && !is_its_own(view, index, row)) return STATUS_OK;
        verify->report->events += row->kind == OUTCOME_COMMAND;
        row_take(verify, row);
    }
}

// History goes on at the next page when a segment ends.
static u64 align_up_page_rows(u64 row)
{
    return (row + HISTORY_PAGE_ROWS - 1) / HISTORY_PAGE_ROWS * HISTORY_PAGE_ROWS;
}

// --- frames -------------------------------------------------------------------------------------

static enum status commands_check(struct verify *verify, const struct frame_view *view)
{
    const struct frame_header *header = view->header;
    verify->frame_row_count = 0;
    for (u32 i = 0; i < header->command_count; i++) {
        const struct frame_command *command = &view->commands[i];
        verify->report->commands++;
        if (command->record == COMMAND_TICK || command->record >= COMMAND_MODULES) {
            enum status status = own_rows_take(verify, view, i);
            if (status != STATUS_OK) return status;
        }
        if (command->record != COMMAND_COMPAT) continue;
        const struct compat_operation *operation = compat_operation((u8)command->operation);
        struct compat_batches batches;
        if (operation == NULL || !compat_is_create(operation) ||
            !compat_decode(operation, view->bodies[i], command->body_size, &batches)) {
            return damaged(verify, "a command is not well-formed", header->sequence);
        }
        verify->report->events += batches.event_count;
        enum status status = create_rows_take(verify, view, i, &batches, operation->event_size);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status root_check(struct verify *verify, const struct frame_header *header)
{
    struct machine_indexer *indexer = &verify->indexer;
    if ((header->flags & (FRAME_GENESIS | FRAME_OWNER)) || !verify->has_checkpoint) {
        return STATUS_OK;
    }
    if (header->outcome_sequence > indexer->sequence ||
        header->outcome_sequence + FRAME_OUTCOME_LAG_MAX <= indexer->sequence) {
        return STATUS_OK; // Behind the sealed rows, or too far back to be kept.
    }
    const struct digest *root = machine_indexer_root(indexer, header->outcome_sequence);
    if (memcmp(root, &header->outcome_root, sizeof *root) != 0) {
        return failure_set(verify->failure, STATUS_CORRUPT,
                           "frame %llu: the outcomes in history are not those that the log names",
                           (unsigned long long)header->sequence);
    }
    verify->report->roots++;
    return STATUS_OK;
}

// Compares the page of the tree that was just made full with the one in its file.
static enum status tree_page_check(struct verify *verify)
{
    const struct outcome_page *page = &verify->indexer.outcomes.open;
    const u64 offset = page->number % OUTCOME_TREE_FILE_PAGES * PAGE_SIZE;
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file = -1;
    struct outcome_page found;
    outcome_tree_file_name(page->number / OUTCOME_TREE_FILE_PAGES, name);
    enum status status = disk_open(verify->disk, name, DISK_READ_ONLY, &file, verify->failure);
    if (status != STATUS_OK) return status;
    status = disk_read(verify->disk, file, offset, &found, sizeof found, verify->failure);
    disk_close(verify->disk, file);
    if (status != STATUS_OK) return failure_wrap(verify->failure, "%s", name);
    if (memcmp(&found, page, sizeof found) == 0) return STATUS_OK;
    return failure_set(verify->failure, STATUS_CORRUPT,
                       "%s, offset %llu: is not the tree of the outcomes in history", name,
                       (unsigned long long)offset);
}

// Folds the rows of a frame into the outcome roots, as the indexer does.
static enum status roots_go_on(struct verify *verify, const struct frame_header *header)
{
    struct machine_indexer *indexer = &verify->indexer;
    enum status status = STATUS_OK;
    if (verify->frame_row_count > 0) {
        merkle_leaves(verify->frame_rows, OUTCOME_LEAF_SIZE, sizeof *verify->frame_rows,
                      verify->frame_row_count, indexer->leaves);
        struct outcome_leaf leaf = {.end_row = verify->row, .place = header->place};
        merkle_root(indexer->leaves, verify->frame_row_count, &leaf.root);
        if (outcome_edge_append(&indexer->outcomes, &leaf)) status = tree_page_check(verify);
    }
    indexer->sequence = header->sequence;
    merkle_range_root(&indexer->outcomes.range, machine_indexer_root(indexer, header->sequence));
    return status;
}

static enum status frame_check(struct verify *verify, const struct frame_view *view)
{
    const struct frame_header *header = view->header;
    if (header->timestamp <= verify->timestamp) {
        return damaged(verify, "its time does not grow", header->sequence);
    }
    if (header->position != verify->position + 1) {
        return damaged(verify, "its position leaves a gap", header->sequence);
    }
    verify->timestamp = header->timestamp;
    verify->position += header->command_count;
    bool named_before = header->outcome_sequence != header->sequence;
    enum status status = named_before ? root_check(verify, header) : STATUS_OK;
    if (status == STATUS_OK) status = commands_check(verify, view);
    if (status != STATUS_OK) return status;
    bool in_history = verify->has_checkpoint && header->sequence < verify->head.tail.sequence;
    if (in_history) status = roots_go_on(verify, header);
    if (status == STATUS_OK && in_history && !named_before) status = root_check(verify, header);
    if (header->flags & FRAME_ROTATE) {
        verify->row = align_up_page_rows(verify->row);
    }
    return status;
}

// Compares the leaves in no full page with those that the checkpoint lists: their roots are in its
// subtrees, where their frames are and end is said by the list alone.
static enum status open_leaves_check(struct verify *verify)
{
    const struct checkpoint_head *head = &verify->head;
    const size_t size = head->outcomes.count % OUTCOME_PAGE_LEAVES * sizeof(struct outcome_leaf);
    struct checkpoint_segment *lists = NULL;
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file = -1;
    checkpoint_file_name(name, head->tail.sequence);
    enum status status = disk_open(verify->disk, name, DISK_READ_ONLY, &file, verify->failure);
    if (status != STATUS_OK) return status;
    status = checkpoint_lists_read(verify->disk, file, name, head, &lists, verify->failure);
    disk_close(verify->disk, file);
    if (status != STATUS_OK) return status;
    if (memcmp(lists + head->segment_count, verify->indexer.outcomes.open.leaves, size) != 0) {
        status = failure_set(verify->failure, STATUS_CORRUPT,
                             "%s: its list of frames is not what history gives", name);
    }
    free(lists);
    return status;
}

static enum status checkpoint_place_check(struct verify *verify, const struct wal_tail *tail)
{
    const struct wal_tail *named = &verify->head.tail;
    if (!verify->has_checkpoint || tail->sequence != named->sequence) return STATUS_OK;
    if (tail->place != named->place || tail->log_id != named->log_id ||
        memcmp(&tail->previous, &named->previous, sizeof named->previous) != 0) {
        return failure_set(verify->failure, STATUS_CORRUPT,
                           "checkpoint %llu does not continue this log",
                           (unsigned long long)named->sequence);
    }
    if (!checkpoint_has_outcomes(&verify->head, &verify->indexer.outcomes)) {
        return failure_set(verify->failure, STATUS_CORRUPT,
                           "checkpoint %llu has another tree of outcomes than history gives",
                           (unsigned long long)named->sequence);
    }
    return open_leaves_check(verify);
}

// A frame that goes on under another id is the first that a copy wrote.
static void fork_note(struct verify *verify, const struct wal_tail *before,
                      const struct wal_tail *behind)
{
    if (before->log_id == behind->log_id) return;
    verify->report->parent_log_id = before->log_id;
    verify->report->parent_sequence = before->sequence - 1;
    verify->report->parent_head = before->previous;
}

static enum status log_check(struct verify *verify)
{
    struct wal_reader reader;
    const struct wal_tail from = {0};
    enum status status = wal_reader_init(&reader, &verify->wal, &from, verify->failure);
    u64 frames = 0;
    u64 total = 0;
    if (status == STATUS_OK) status = wal_extent(&verify->wal, &total, verify->failure);
    while (status == STATUS_OK) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        const struct wal_tail before = reader.tail;
        status = wal_reader_next(&reader, &view, &end, verify->failure);
        if (status != STATUS_OK) break;
        if (end != WAL_FRAME) {
            verify->report->torn = end == WAL_TORN;
            break;
        }
        if (frames > 0) fork_note(verify, &before, &reader.tail);
        status = frame_check(verify, &view);
        if (status == STATUS_OK) status = checkpoint_place_check(verify, &reader.tail);
        frames++;
        if (status == STATUS_OK && frames % REPORT_FRAMES == 0 && verify->progress != NULL &&
            !verify->progress->report(verify->progress->context, "log", reader.tail.place, total)) {
            status = failure_set(verify->failure, STATUS_CANCELLED, "stopped");
        }
    }
    verify->report->frames = frames;
    verify->report->log_bytes = reader.tail.place;
    verify->report->log_id = reader.tail.log_id;
    verify->report->epoch = reader.tail.epoch;
    verify->report->is_backup = wal_is_backup(&verify->wal);
    verify->report->head = reader.tail.previous;
    wal_reader_free(&reader);
    if (status == STATUS_OK && frames == 0) {
        status = failure_set(verify->failure, STATUS_NOT_FOUND,
                             "%s holds no log: no frame begins log-00000000", verify->disk->path);
    }
    if (status == STATUS_OK && verify->has_checkpoint && verify->head.tail.sequence > frames) {
        status = failure_set(verify->failure, STATUS_CORRUPT,
                             "checkpoint %llu covers all frames before it, but the log ends with "
                             "frame %llu",
                             (unsigned long long)verify->head.tail.sequence,
                             (unsigned long long)frames - 1);
        failure_hint(verify->failure, LOG_DAMAGE_HINT);
    }
    return status;
}

// --- checkpoint and index pages -----------------------------------------------------------------

static enum status segment_check(struct verify *verify, struct history *history,
                                 const struct history_segment *segment)
{
    struct history_index_page page;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        u64 pages = history_section_pages(segment->file.entry_count[i]);
        u64 previous = 0;
        u64 entries = 0;
        for (u64 at = 0; at < pages; at++) {
            enum status status = history_index_page_read(
                history, segment, segment->file.page_first[i] + at, &page, verify->failure);
            if (status != STATUS_OK) return status;
            entries += page.count;
            for (u32 j = 0; j < page.count; j++) {
                if (page.entries[j] < previous || (u32)page.entries[j] >= segment->row_count) {
                    return failure_set(verify->failure, STATUS_CORRUPT,
                                       "%s: section %u, entry %u of page %llu is out of order",
                                       segment->file.name, i, j, (unsigned long long)at);
                }
                previous = page.entries[j];
            }
        }
        if (entries != segment->file.entry_count[i]) {
            return failure_set(verify->failure, STATUS_CORRUPT,
                               "%s: section %u does not have its entries", segment->file.name, i);
        }
    }
    return STATUS_OK;
}

// Loads the checkpoint as the server would, which checks its pages, and looks through every
// segment.
static enum status checkpoint_check(struct verify *verify)
{
    struct machine *machine = calloc(1, sizeof *machine);
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    struct request_source *source = calloc(1, sizeof *source);
    assert(machine != NULL && checkpoint != NULL && source != NULL);
    request_source_init(source, &verify->wal);
    const struct history_log log = request_source_log(source);
    enum status status =
        machine_init(machine, verify->disk, &verify->head.genesis, &log, verify->failure);
    if (status == STATUS_OK) status = checkpoint_init(checkpoint, machine, verify->failure);
    if (status == STATUS_OK) {
        status = checkpoint_load(checkpoint, machine, &verify->head, verify->failure);
    }
    if (status == STATUS_OK) {
        const struct history_set *set = machine->history.set;
        for (u32 i = 0; i < set->count && status == STATUS_OK; i++) {
            if (!set->segments[i]->sealed) continue;
            status = segment_check(verify, &machine->history, set->segments[i]);
            verify->report->segments++;
            if (status == STATUS_OK && verify->progress != NULL &&
                !verify->progress->report(verify->progress->context, "index", i, set->count)) {
                status = failure_set(verify->failure, STATUS_CANCELLED, "stopped");
            }
        }
        verify->report->state = verify->head.state;
        verify->report->tree_size = verify->indexer.outcomes.range.count;
        if (verify->report->tree_size > 0) {
            merkle_range_root(&verify->indexer.outcomes.range, &verify->report->tree_root);
        }
        verify->report->checkpoint_sequence = verify->head.tail.sequence;
        for (u32 i = 0; i < verify->head.table_count; i++) {
            verify->report->tables_bytes += verify->head.tables[i].page_count * PAGE_SIZE;
        }
    }
    checkpoint_free(checkpoint);
    machine_free(machine);
    free(source);
    free(checkpoint);
    free(machine);
    return status;
}

void verify_damage_hint(bool is_backup, struct failure *failure)
{
    if (is_backup) {
        failure_hint(failure, "make another backup, in a new folder; `tael restore --to-sequence "
                              "FRAME` makes a folder of what is before damage of the log");
    } else if (failure->hint[0] == 0) {
        failure_hint(failure, HISTORY_DAMAGE_HINT);
    }
}

enum status verify_folder(struct disk *disk, const struct verify_progress *progress,
                          struct verify_report *report, struct failure *failure)
{
    struct verify *verify = calloc(1, sizeof *verify);
    assert(verify != NULL);
    *report = (struct verify_report){0};
    verify->disk = disk;
    verify->progress = progress;
    verify->report = report;
    verify->failure = failure;
    verify->rows_file = -1;
    verify->page = malloc(PAGE_SIZE);
    verify->frame_rows = malloc(HISTORY_FRAME_ROWS_MAX * sizeof *verify->frame_rows);
    assert(verify->page != NULL && verify->frame_rows != NULL);
    enum status status = wal_init(&verify->wal, disk, failure);
    if (status == STATUS_OK) status = machine_indexer_init(&verify->indexer, failure);
    if (status == STATUS_OK) {
        status = checkpoint_find(disk, &verify->head, failure);
        verify->has_checkpoint = status == STATUS_OK;
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    }
    if (status == STATUS_OK) status = log_check(verify);
    if (status == STATUS_OK && verify->has_checkpoint) status = checkpoint_check(verify);
    if (status == STATUS_CORRUPT) verify_damage_hint(wal_is_backup(&verify->wal), failure);
    if (verify->rows_file >= 0) disk_close(disk, verify->rows_file);
    machine_indexer_free(&verify->indexer);
    verify->wal.tail.place = report->log_bytes;
    wal_free(&verify->wal);
    free(verify->frame_rows);
    free(verify->page);
    free(verify);
    return status;
}
