// SPDX-License-Identifier: Apache-2.0
//
// Copying what is made from the log: the newest checkpoint, the rows below it, the index files that
// it names. Each page is verified between being read and being written.
#include "machine/backup_internal.h"

#include "ledger/history_file.h"

#include <stdio.h>
#include <stdlib.h>

// A checkpoint may be replaced while its files are opened; the next one is there by then. So often
// in a row is not believed.
#define PIN_TRIES 1000u

#define CHECKPOINT_HINT                                                                        \
    "a checkpoint is made from the log: remove it when the server is stopped, and the log is " \
    "replayed from the beginning"

static enum status cancelled_or(struct backup_copy *copy, const char *part, u64 size)
{
    copy->part_done += size;
    copy->report->bytes += size;
    return backup_report_progress(copy, part, copy->part_done, copy->part_total);
}

static enum status damaged(struct backup_copy *copy, const char *name, u64 offset, const char *hint)
{
    failure_set(copy->failure, STATUS_CORRUPT, "%s/%s, offset %llu is damaged", copy->source->path,
                name, (unsigned long long)offset);
    failure_hint(copy->failure, "%s", hint);
    return STATUS_CORRUPT;
}

static enum status chunk_write(struct backup_copy *copy, disk_handle to, u64 offset, u64 size)
{
    enum status status = disk_write_one(copy->target, to, offset, copy->chunk, size, copy->failure);
    if (status == STATUS_OK && size == BACKUP_CHUNK_SIZE) {
        disk_pace(copy->target, to, offset, size);
    }
    return status;
}

// Makes a file of the target durable and closes it; it is not looked at again.
static enum status target_close(struct backup_copy *copy, disk_handle to, u64 size,
                                enum status status)
{
    if (status == STATUS_OK) status = disk_sync(copy->target, to, copy->failure);
    disk_forget(copy->target, to, 0, size);
    disk_close(copy->target, to);
    copy->report->files++;
    return status;
}

// --- rows and the tree --------------------------------------------------------------------------

// Files of so many pages each, which are written once.
struct pages_kind {
    const char *form; // Of a file's name.
    u64 file_pages;
    bool (*holds)(const void *page, u64 number);
};

static bool rows_holds(const void *page, u64 number)
{
    return history_rows_page_holds(page, number);
}

static bool tree_holds(const void *page, u64 number)
{
    return outcome_page_holds(page, number);
}

static const struct pages_kind rows_pages = {HISTORY_ROWS_PREFIX, HISTORY_ROWS_FILE_PAGES,
                                             rows_holds};
static const struct pages_kind tree_pages = {OUTCOME_TREE_PREFIX, OUTCOME_TREE_FILE_PAGES,
                                             tree_holds};

// Copies the pages `first` to `end`, which are of one file.
static enum status pages_file_copy(struct backup_copy *copy, const struct pages_kind *kind,
                                   u64 first, u64 end)
{
    char name[DISK_NAME_SIZE_MAX];
    disk_handle from = -1;
    disk_handle to = -1;
    (void)snprintf(name, sizeof name, "%s%08llx", kind->form,
                   (unsigned long long)(first / kind->file_pages));
    enum status status = disk_open(copy->source, name, DISK_READ_ONLY, &from, copy->failure);
    if (status != STATUS_OK) return status;
    status = disk_open(copy->target, name, DISK_CREATE, &to, copy->failure);
    if (status != STATUS_OK) {
        disk_close(copy->source, from);
        return status;
    }
    u64 offset = 0;
    for (u64 page = first; page < end && status == STATUS_OK;) {
        const u64 count = MIN(end - page, BACKUP_CHUNK_PAGES);
        const u64 size = count * PAGE_SIZE;
        offset = page % kind->file_pages * PAGE_SIZE;
        status = disk_read(copy->source, from, offset, copy->chunk, size, copy->failure);
        if (status != STATUS_OK) (void)failure_wrap(copy->failure, "copying %s", name);
        for (u64 i = 0; i < count && status == STATUS_OK; i++) {
            if (kind->holds(copy->chunk + i * PAGE_SIZE, page + i)) continue;
            status = damaged(copy, name, offset + i * PAGE_SIZE, HISTORY_DAMAGE_HINT);
        }
        if (status == STATUS_OK) status = chunk_write(copy, to, offset, size);
        if (status == STATUS_OK) status = cancelled_or(copy, "history", size);
        page += count;
    }
    disk_forget(copy->source, from, 0, offset);
    disk_close(copy->source, from);
    return target_close(copy, to, offset, status);
}

// Copies pages from `*first` on, which becomes the next one that is not there.
static enum status pages_copy(struct backup_copy *copy, const struct pages_kind *kind, u64 *first,
                              u64 end)
{
    enum status status = STATUS_OK;
    while (*first < end && status == STATUS_OK) {
        const u64 file_end = (*first / kind->file_pages + 1) * kind->file_pages;
        const u64 next = MIN(end, file_end);
        status = pages_file_copy(copy, kind, *first, next);
        if (status == STATUS_OK) *first = next;
    }
    return status;
}

// Whether the target has the page before `end`. What is copied is durable in its order, so that
// those before it are there too.
static enum status last_page_look(struct backup_copy *copy, const struct pages_kind *kind, u64 end,
                                  bool *has)
{
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file = -1;
    u64 size = 0;
    *has = end == 0;
    if (*has) return STATUS_OK;
    const u64 page = end - 1;
    const u64 offset = page % kind->file_pages * PAGE_SIZE;
    (void)snprintf(name, sizeof name, "%s%08llx", kind->form,
                   (unsigned long long)(page / kind->file_pages));
    enum status status = disk_open(copy->target, name, DISK_READ_ONLY, &file, copy->failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    status = disk_size(copy->target, file, &size, copy->failure);
    if (status == STATUS_OK && size >= offset + PAGE_SIZE) {
        status = disk_read(copy->target, file, offset, copy->chunk, PAGE_SIZE, copy->failure);
        *has = status == STATUS_OK && kind->holds(copy->chunk, page);
    }
    disk_close(copy->target, file);
    return status;
}

enum status backup_history_check(struct backup_copy *copy)
{
    const struct backup_file *file = &copy->state;
    bool has = false;
    const u64 rows_end = file->next_row / HISTORY_PAGE_ROWS;
    enum status status = last_page_look(copy, &rows_pages, rows_end, &has);
    if (status == STATUS_OK && has) {
        status = last_page_look(copy, &tree_pages, file->tree_pages, &has);
    }
    if (status != STATUS_OK || has) return status;
    failure_set(copy->failure, STATUS_CORRUPT,
                "%s does not have the history that its file " BACKUP_FILE_NAME " names",
                copy->target->path);
    failure_hint(copy->failure, BACKUP_ANEW_HINT);
    return STATUS_CORRUPT;
}

static enum status rows_copy(struct backup_copy *copy, u64 next_row)
{
    assert(next_row % HISTORY_PAGE_ROWS == 0 && copy->next_row % HISTORY_PAGE_ROWS == 0);
    u64 page = copy->next_row / HISTORY_PAGE_ROWS;
    enum status status = pages_copy(copy, &rows_pages, &page, next_row / HISTORY_PAGE_ROWS);
    copy->next_row = page * HISTORY_PAGE_ROWS;
    return status;
}

// --- index files --------------------------------------------------------------------------------

struct index_copy {
    char name[DISK_NAME_SIZE_MAX];
    disk_handle from, to;
    struct history_segment *segment; // What its pages are sealed with.
    struct history_index_head head;
};

static enum status index_head_copy(struct backup_copy *copy, struct index_copy *index)
{
    enum status status =
        disk_read(copy->source, index->from, 0, copy->chunk, PAGE_SIZE, copy->failure);
    if (status != STATUS_OK) return failure_wrap(copy->failure, "copying %s", index->name);
    struct history_index_head *head = &index->head;
    memcpy(head, copy->chunk, sizeof *head);
    const u128 sum = checksum(copy->chunk + sizeof sum, PAGE_SIZE - sizeof sum);
    u64 size = 0;
    status = disk_size(copy->source, index->from, &size, copy->failure);
    if (status != STATUS_OK) return status;
    if (memcmp(&sum, head->checksum, sizeof sum) != 0 || head->magic != HISTORY_INDEX_MAGIC ||
        head->first_row != index->segment->first_row ||
        head->row_count != index->segment->row_count || head->meta_offset % PAGE_SIZE != 0 ||
        head->meta_offset < PAGE_SIZE || head->meta_offset > size ||
        head->meta_size > size - head->meta_offset) {
        return damaged(copy, index->name, 0, HISTORY_DAMAGE_HINT);
    }
    copy->part_total += head->meta_offset + head->meta_size;
    return chunk_write(copy, index->to, 0, PAGE_SIZE);
}

static enum status index_pages_copy(struct backup_copy *copy, struct index_copy *index)
{
    enum status status = STATUS_OK;
    for (u64 at = PAGE_SIZE; at < index->head.meta_offset && status == STATUS_OK;) {
        const u64 size = MIN(index->head.meta_offset - at, BACKUP_CHUNK_SIZE);
        status = disk_read(copy->source, index->from, at, copy->chunk, size, copy->failure);
        for (u64 i = 0; i < size && status == STATUS_OK; i += PAGE_SIZE) {
            const struct history_index_page *page = (const void *)(copy->chunk + i);
            const u128 sum = history_index_page_sum(index->segment, page);
            if (memcmp(&sum, page->checksum, sizeof sum) != 0 ||
                page->page != (at + i) / PAGE_SIZE) {
                status = damaged(copy, index->name, at + i, HISTORY_DAMAGE_HINT);
            }
        }
        if (status == STATUS_OK) status = chunk_write(copy, index->to, at, size);
        if (status == STATUS_OK) status = cancelled_or(copy, "history", size);
        at += size;
    }
    return status;
}

static enum status index_meta_copy(struct backup_copy *copy, struct index_copy *index)
{
    const u64 first = index->head.meta_offset;
    const u64 end = first + index->head.meta_size;
    struct checksum_state state;
    enum status status = STATUS_OK;
    checksum_begin(&state);
    for (u64 at = first; at < end && status == STATUS_OK;) {
        const u64 size = MIN(end - at, BACKUP_CHUNK_SIZE);
        status = disk_read(copy->source, index->from, at, copy->chunk, size, copy->failure);
        if (status == STATUS_OK) checksum_update(&state, copy->chunk, size);
        const u64 padded = align_up(size, PAGE_SIZE);
        memset(copy->chunk + size, 0, padded - size);
        if (status == STATUS_OK) status = chunk_write(copy, index->to, at, padded);
        if (status == STATUS_OK) status = cancelled_or(copy, "history", size);
        at += size;
    }
    const u128 sum = checksum_end(&state);
    if (status != STATUS_OK || memcmp(&sum, index->head.meta_checksum, sizeof sum) == 0) {
        return status;
    }
    return damaged(copy, index->name, first, HISTORY_DAMAGE_HINT);
}

static enum status index_copy(struct backup_copy *copy, const struct checkpoint_segment *listed,
                              disk_handle from)
{
    struct history_segment *segment = calloc(1, sizeof *segment);
    assert(segment != NULL);
    segment->first_row = listed->first_row;
    segment->row_count = listed->row_count;
    struct index_copy index = {.from = from, .to = -1, .segment = segment};
    char temporary[DISK_NAME_SIZE_MAX];
    history_file_name(index.name, listed->first_row, listed->row_count);
    (void)snprintf(temporary, sizeof temporary, "%.56s.tmp", index.name);
    enum status status = disk_open(copy->target, temporary, DISK_CREATE, &index.to, copy->failure);
    if (status == STATUS_OK) {
        status = index_head_copy(copy, &index);
        if (status == STATUS_OK) status = cancelled_or(copy, "history", PAGE_SIZE);
        if (status == STATUS_OK) status = index_pages_copy(copy, &index);
        if (status == STATUS_OK) status = index_meta_copy(copy, &index);
        const u64 size = index.head.meta_offset + index.head.meta_size;
        disk_forget(copy->source, from, 0, size);
        status = target_close(copy, index.to, size, status);
    }
    if (status == STATUS_OK)
        status = disk_rename(copy->target, temporary, index.name, copy->failure);
    copy->report->segments += status == STATUS_OK;
    free(segment);
    return status;
}

// --- the checkpoint -----------------------------------------------------------------------------

static enum status table_copy(struct backup_copy *copy, const struct backup_pins *pins,
                              const struct checkpoint_table *table, disk_handle to,
                              const struct digest *digests)
{
    struct digest now[BACKUP_CHUNK_PAGES];
    enum status status = STATUS_OK;
    for (u64 page = 0; page < table->page_count && status == STATUS_OK;) {
        const u64 count = MIN(table->page_count - page, BACKUP_CHUNK_PAGES);
        const u64 offset = (table->page_first + page) * PAGE_SIZE;
        const u64 size = count * PAGE_SIZE;
        status = disk_read(copy->source, pins->file, offset, copy->chunk, size, copy->failure);
        if (status != STATUS_OK) return status;
        sha256_chunks(copy->chunk, size, PAGE_SIZE, now);
        for (u64 i = 0; i < count && status == STATUS_OK; i++) {
            if (memcmp(&now[i], &digests[page + i], sizeof now[i]) == 0) continue;
            status = damaged(copy, pins->name, offset + i * PAGE_SIZE, CHECKPOINT_HINT);
        }
        if (status == STATUS_OK) status = chunk_write(copy, to, offset, size);
        if (status == STATUS_OK) status = cancelled_or(copy, "checkpoint", size);
        page += count;
    }
    return status;
}

// Whether the digests of the pages give the roots of the tables. `digests` is overwritten.
static bool roots_agree(const struct checkpoint_head *head, struct digest *digests)
{
    for (u32 i = 0; i < head->table_count; i++) {
        struct digest root;
        if (head->tables[i].page_count == 0) return false;
        merkle_root(digests, head->tables[i].page_count, &root);
        if (memcmp(&root, &head->tables[i].root, sizeof root) != 0) return false;
        digests += head->tables[i].page_count;
    }
    return true;
}

static enum status checkpoint_copy(struct backup_copy *copy, const struct backup_pins *pins,
                                   disk_handle to)
{
    const struct checkpoint_head *head = &pins->head;
    u64 pages = 0;
    for (u32 i = 0; i < head->table_count; i++) pages += head->tables[i].page_count;
    struct digest *digests = malloc((pages + 1) * sizeof *digests);
    assert(digests != NULL);
    const u64 digests_size = pages * sizeof *digests;
    const u64 digests_offset = head->digests_page * PAGE_SIZE;
    enum status status =
        disk_read(copy->source, pins->file, digests_offset, digests, digests_size, copy->failure);
    u64 done = 0;
    for (u32 i = 0; i < head->table_count && status == STATUS_OK; i++) {
        status = table_copy(copy, pins, &head->tables[i], to, digests + done);
        done += head->tables[i].page_count;
    }
    if (status == STATUS_OK) {
        status =
            disk_write_one(copy->target, to, digests_offset, digests, digests_size, copy->failure);
    }
    const size_t lists_size = checkpoint_lists_size(head);
    if (status == STATUS_OK && lists_size > 0) {
        status = disk_write_one(copy->target, to, head->lists_page * PAGE_SIZE, pins->segments,
                                lists_size, copy->failure);
    }
    if (status == STATUS_OK) {
        status = disk_write_one(copy->target, to, 0, head, sizeof *head, copy->failure);
    }
    if (status == STATUS_OK) {
        status = cancelled_or(copy, "checkpoint", digests_size + lists_size + sizeof *head);
    }
    if (status == STATUS_OK && !roots_agree(head, digests)) {
        status = damaged(copy, pins->name, digests_offset, CHECKPOINT_HINT);
    }
    free(digests);
    return status;
}

// --- what is copied ------------------------------------------------------------------------------

static bool file_is_there(struct disk *disk, const char *name)
{
    struct failure ignored;
    disk_handle file = -1;
    if (disk_open(disk, name, DISK_READ_ONLY, &file, &ignored) != STATUS_OK) return false;
    disk_close(disk, file);
    return true;
}

void backup_pins_release(struct backup_copy *copy, struct backup_pins *pins)
{
    for (u32 i = 0; pins->index != NULL && i < pins->head.segment_count; i++) {
        if (pins->index[i] >= 0) disk_close(copy->source, pins->index[i]);
    }
    if (pins->file >= 0) disk_close(copy->source, pins->file);
    free(pins->index);
    free(pins->segments);
    *pins = (struct backup_pins){.file = -1};
}

// Opens the files once; any failure may only mean that there is a newer checkpoint.
static enum status pins_try(struct backup_copy *copy, struct backup_pins *pins)
{
    const u32 keep = DISK_READ_ONLY | DISK_KEEP;
    struct disk *source = copy->source;
    enum status status = disk_open(source, pins->name, keep, &pins->file, copy->failure);
    if (status != STATUS_OK) return status;
    status = checkpoint_head_read(source, pins->file, pins->name, &pins->head, copy->failure);
    if (status != STATUS_OK) {
        pins->head.segment_count = 0;
        return status;
    }
    status = checkpoint_lists_read(source, pins->file, pins->name, &pins->head, &pins->segments,
                                   copy->failure);
    if (status != STATUS_OK) return status;
    if (pins->head.next_row % HISTORY_PAGE_ROWS != 0) {
        return damaged(copy, pins->name, 0, CHECKPOINT_HINT);
    }
    pins->index = malloc((pins->head.segment_count + 1) * sizeof *pins->index);
    assert(pins->index != NULL);
    for (u32 i = 0; i < pins->head.segment_count; i++) pins->index[i] = -1;
    for (u32 i = 0; i < pins->head.segment_count && status == STATUS_OK; i++) {
        char name[DISK_NAME_SIZE_MAX];
        history_file_name(name, pins->segments[i].first_row, pins->segments[i].row_count);
        if (file_is_there(copy->target, name)) continue;
        status = disk_open(source, name, keep, &pins->index[i], copy->failure);
    }
    return status;
}

enum status backup_pins_take(struct backup_copy *copy, struct backup_pins *pins)
{
    *pins = (struct backup_pins){.file = -1};
    for (u32 i = 0; i < PIN_TRIES; i++) {
        enum status status = checkpoint_newest(copy->source, pins->name, copy->failure);
        if (status == STATUS_NOT_FOUND) return STATUS_OK;
        if (status != STATUS_OK) return status;
        status = pins_try(copy, pins);
        // While it has its name, none of the files that it names is superfluous; so all of them
        // were opened, and locked, before that.
        pins->is_there = file_is_there(copy->source, pins->name);
        if (pins->is_there && status == STATUS_OK) return STATUS_OK;
        const bool is_there = pins->is_there;
        backup_pins_release(copy, pins);
        if (is_there) return status;
    }
    return failure_set(copy->failure, STATUS_BUSY,
                       "the checkpoint in %s is replaced again and again", copy->source->path);
}

static u64 rows_bytes(u64 rows)
{
    return rows / HISTORY_PAGE_ROWS * PAGE_SIZE;
}

enum status backup_history_copy(struct backup_copy *copy, struct backup_pins *pins,
                                char temporary[DISK_NAME_SIZE_MAX])
{
    const struct checkpoint_head *head = &pins->head;
    const u64 next_row = MAX(head->next_row, copy->next_row);
    const u64 tree_end = head->outcomes.count / OUTCOME_PAGE_LEAVES;
    copy->part_done = 0;
    copy->part_total = rows_bytes(next_row - copy->next_row) +
                       (MAX(tree_end, copy->tree_pages) - copy->tree_pages) * PAGE_SIZE;
    enum status status = rows_copy(copy, head->next_row);
    if (status == STATUS_OK) status = pages_copy(copy, &tree_pages, &copy->tree_pages, tree_end);
    for (u32 i = 0; i < head->segment_count && status == STATUS_OK; i++) {
        if (pins->index[i] >= 0) status = index_copy(copy, &pins->segments[i], pins->index[i]);
    }
    copy->report->checkpoint = head->tail.sequence;
    copy->report->state = head->state;
    temporary[0] = 0;
    if (status != STATUS_OK || file_is_there(copy->target, pins->name)) return status;
    (void)snprintf(temporary, DISK_NAME_SIZE_MAX, "%.56s.tmp", pins->name);
    disk_handle to = -1;
    status = disk_open(copy->target, temporary, DISK_CREATE, &to, copy->failure);
    if (status != STATUS_OK) return status;
    const u64 size = head->lists_page * PAGE_SIZE;
    copy->part_done = 0;
    copy->part_total = size;
    status = checkpoint_copy(copy, pins, to);
    disk_forget(copy->source, pins->file, 0, size);
    return target_close(copy, to, size, status);
}
