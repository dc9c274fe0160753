// SPDX-License-Identifier: Apache-2.0
//
// Writing, finding and loading checkpoints.
#include "machine/checkpoint.h"

#include "base/checksum.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITE_PAGES 256u
#define SPARE_NAME  "checkpoint-spare"

void checkpoint_file_name(char out[DISK_NAME_SIZE_MAX], u64 sequence)
{
    (void)snprintf(out, DISK_NAME_SIZE_MAX, "checkpoint-%016llx", (unsigned long long)sequence);
}

static u64 capacity_pages(const struct table *table)
{
    return (table->capacity * table->record_size + PAGE_SIZE - 1) / PAGE_SIZE;
}

enum status checkpoint_init(struct checkpoint *checkpoint, struct machine *machine,
                            struct failure *failure)
{
    memset(checkpoint, 0, sizeof *checkpoint);
    checkpoint->history = &machine->history;
    checkpoint->table_count = machine_tables(machine, checkpoint->tables);
    for (u32 i = 0; i < checkpoint->table_count; i++) {
        u64 pages = capacity_pages(checkpoint->tables[i].table);
        void *memory = NULL;
        enum status status = memory_reserve(pages * sizeof(struct digest), false, &memory, failure);
        if (status != STATUS_OK) return status;
        checkpoint->digests[i] = memory;
        status = memory_reserve((pages / 64 + 1) * sizeof(u64), false, &memory, failure);
        if (status != STATUS_OK) return status;
        checkpoint->dirty[i] = memory;
    }
    return STATUS_OK;
}

void checkpoint_free(struct checkpoint *checkpoint)
{
    for (u32 i = 0; i < checkpoint->table_count; i++) {
        if (checkpoint->tables[i].table == NULL) continue;
        u64 pages = capacity_pages(checkpoint->tables[i].table);
        memory_release(checkpoint->digests[i], pages * sizeof(struct digest));
        memory_release(checkpoint->dirty[i], (pages / 64 + 1) * sizeof(u64));
    }
    memset(checkpoint, 0, sizeof *checkpoint);
}

// What the state digest covers beside the tables; zero padding, so that it can be hashed.
struct state_rest {
    u64 position;
    u64 timestamp;
    u64 next_row;
    struct ledger_state ledger;
    struct machine_state machine;
    struct {
        u64 id;
        struct digest root;
    } tables[CHECKPOINT_TABLES_MAX]; // As many as have records.
};

static void state_digest(const struct checkpoint_head *head, struct digest *out)
{
    struct state_rest rest;
    memset(&rest, 0, sizeof rest);
    rest.position = head->position;
    rest.timestamp = head->timestamp;
    rest.next_row = head->next_row;
    rest.ledger = head->ledger;
    rest.machine = head->machine;
    for (u32 i = 0; i < head->table_count; i++) {
        rest.tables[i].id = head->tables[i].id;
        rest.tables[i].root = head->tables[i].root;
    }
    sha256(&rest, offsetof(struct state_rest, tables) + head->table_count * sizeof rest.tables[0],
           out);
}

static void root_of(const struct digest *digests, u64 count, struct digest *out)
{
    if (count == 0) {
        sha256(NULL, 0, out);
        return;
    }
    // merkle_root uses its input as scratch.
    struct digest *copy = malloc(count * sizeof *copy);
    assert(copy != NULL);
    memcpy(copy, digests, count * sizeof *copy);
    merkle_root(copy, count, out);
    free(copy);
}

static void head_state(struct checkpoint_head *head, const struct machine *machine)
{
    head->position = machine->position;
    head->timestamp = machine->timestamp;
    head->next_row = machine->history.next_row;
    ledger_save(&machine->ledger, &head->ledger);
    head->machine = machine->state;
}

void checkpoint_begin(struct checkpoint *checkpoint, struct machine *machine,
                      const struct wal_tail *tail)
{
    struct checkpoint_head *head = &checkpoint->head;
    assert(!checkpoint->frozen);
    assert(machine->history.next_row % HISTORY_PAGE_ROWS == 0);
    memset(head, 0, sizeof *head);
    head->magic = CHECKPOINT_MAGIC;
    head->format = CHECKPOINT_FORMAT;
    head->tail = *tail;
    head->genesis = machine->genesis;
    head_state(head, machine);
    history_set_boundary(&machine->history, head->next_row);
    memcpy(head->overrides, machine->overrides, sizeof head->overrides);
    head->override_count = machine->override_count;
    u64 page = CHECKPOINT_HEAD_PAGES;
    for (u32 i = 0; i < checkpoint->table_count; i++) {
        struct table *table = checkpoint->tables[i].table;
        table_freeze(table);
        u64 pages = table_frozen_page_count(table);
        if (pages > 0) {
            checkpoint->listed[head->table_count] = i;
            head->tables[head->table_count++] = (struct checkpoint_table){
                .id = checkpoint->tables[i].id,
                .record_count = table->count,
                .page_count = pages,
                .page_first = page,
            };
        }
        page += pages;
        // A cancelled checkpoint leaves its pages to be hashed by the next.
        for (u64 word = 0; word < pages / 64 + 1; word++) {
            checkpoint->dirty[i][word] |= table->dirty[word];
            table->dirty[word] = 0;
        }
        // Pages that were never written to are zero, and are hashed once.
        for (u64 at = checkpoint->known[i]; at < pages; at++) {
            checkpoint->dirty[i][at / 64] |= 1ull << (at % 64);
        }
        checkpoint->known[i] = MAX(checkpoint->known[i], pages);
    }
    head->digests_page = page;
    checkpoint->frozen = true;
}

void checkpoint_end(struct checkpoint *checkpoint)
{
    assert(checkpoint->frozen);
    for (u32 i = 0; i < checkpoint->table_count; i++) table_thaw(checkpoint->tables[i].table);
    history_set_boundary(checkpoint->history, 0);
    checkpoint->frozen = false;
}

// Writes one table; hashes the pages that changed.
static enum status table_write(struct checkpoint *checkpoint, u32 place, struct disk *disk,
                               disk_handle file, u8 *buffer, const _Atomic bool *cancelled,
                               struct failure *failure)
{
    struct checkpoint_table *out = &checkpoint->head.tables[place];
    const u32 index = checkpoint->listed[place];
    u64 *dirty = checkpoint->dirty[index];
    for (u64 page = 0; page < out->page_count; page += WRITE_PAGES) {
        u64 count = MIN(WRITE_PAGES, out->page_count - page);
        if (cancelled != NULL && atomic_load(cancelled)) {
            return failure_set(failure, STATUS_CANCELLED, "the checkpoint was cancelled");
        }
        for (u64 i = 0; i < count; i++) {
            table_frozen_page(checkpoint->tables[index].table, page + i, buffer + i * PAGE_SIZE);
        }
        for (u64 i = 0; i < count;) {
            u64 at = page + i;
            u64 run = 0;
            while (i + run < count && (dirty[(at + run) / 64] >> ((at + run) % 64) & 1)) run++;
            if (run > 0) {
                sha256_chunks(buffer + i * PAGE_SIZE, run * PAGE_SIZE, PAGE_SIZE,
                              &checkpoint->digests[index][at]);
            }
            i += MAX(run, 1);
        }
        u64 offset = (out->page_first + page) * PAGE_SIZE;
        enum status status = disk_write_one(disk, file, offset, buffer, count * PAGE_SIZE, failure);
        if (status != STATUS_OK) return status;
        disk_pace(disk, file, offset, count * PAGE_SIZE);
    }
    table_frozen_done(checkpoint->tables[index].table);
    memset(dirty, 0, (out->page_count / 64 + 1) * sizeof *dirty);
    root_of(checkpoint->digests[index], out->page_count, &out->root);
    return STATUS_OK;
}

// The lists: the sealed segments, and behind them the leaves of the tree's open page.
#define LISTS_SIZE_MAX                                          \
    (HISTORY_SEGMENTS_MAX * sizeof(struct checkpoint_segment) + \
     OUTCOME_PAGE_LEAVES * sizeof(struct outcome_leaf))

static size_t open_leaves_size(const struct checkpoint_head *head)
{
    return head->outcomes.count % OUTCOME_PAGE_LEAVES * sizeof(struct outcome_leaf);
}

size_t checkpoint_lists_size(const struct checkpoint_head *head)
{
    return head->segment_count * sizeof(struct checkpoint_segment) + open_leaves_size(head);
}

// Lists the sealed segments below next_row. Returns how many.
static u32 segments_list(struct machine *machine, u64 next_row, struct checkpoint_segment *out,
                         u64 *retired)
{
    *retired = history_retired(&machine->history);
    struct history_set *set = history_set_acquire(&machine->history);
    u32 count = 0;
    u64 row = 0;
    for (u32 i = 0; i < set->count && row < next_row; i++) {
        const struct history_segment *segment = set->segments[i];
        assert(segment->sealed && segment->first_row == row);
        out[count++] = (struct checkpoint_segment){.first_row = segment->first_row,
                                                   .row_count = segment->row_count};
        row += segment->row_count;
    }
    assert(row == next_row);
    history_set_release(&machine->history, set);
    return count;
}

static enum status tail_write(struct checkpoint *checkpoint, struct disk *disk, disk_handle file,
                              const u8 *lists, struct failure *failure)
{
    struct checkpoint_head *head = &checkpoint->head;
    u64 offset = head->digests_page * PAGE_SIZE;
    for (u32 i = 0; i < head->table_count; i++) {
        size_t size = head->tables[i].page_count * sizeof(struct digest);
        enum status status = disk_write_one(
            disk, file, offset, checkpoint->digests[checkpoint->listed[i]], size, failure);
        if (status != STATUS_OK) return status;
        offset += size;
    }
    head->lists_page = align_up(offset, PAGE_SIZE) / PAGE_SIZE;
    const size_t size = checkpoint_lists_size(head);
    sha256(lists, size, &head->lists_digest);
    if (size > 0) {
        enum status status =
            disk_write_one(disk, file, head->lists_page * PAGE_SIZE, lists, size, failure);
        if (status != STATUS_OK) return status;
    }
    state_digest(head, &head->state);
    u128 sum =
        checksum((const u8 *)head + sizeof head->checksum, sizeof *head - sizeof head->checksum);
    memcpy(head->checksum, &sum, sizeof head->checksum);
    return disk_write_one(disk, file, 0, head, sizeof *head, failure);
}

struct old_names {
    char names[64][DISK_NAME_SIZE_MAX];
    u32 count;
    char keep[DISK_NAME_SIZE_MAX];
};

static bool old_name_visit(void *context, const char *name)
{
    struct old_names *old = context;
    if (strncmp(name, "checkpoint-", 11) != 0 || strcmp(name, old->keep) == 0) return true;
    if (strcmp(name, SPARE_NAME) == 0) return true;
    if (old->count == ARRAY_COUNT(old->names) || strlen(name) >= DISK_NAME_SIZE_MAX) return true;
    memcpy(old->names[old->count++], name, strlen(name) + 1);
    return true;
}

// Removes every other checkpoint, unfinished ones included.
static enum status old_remove(struct disk *disk, const char *keep, struct failure *failure)
{
    struct old_names old = {0};
    memcpy(old.keep, keep, strlen(keep) + 1);
    enum status status = disk_list(disk, old_name_visit, &old, failure);
    // One is kept to be written over; nothing takes it for a checkpoint under its spare name.
    for (u32 i = 0; i < old.count && status == STATUS_OK; i++) {
        status = i == 0 ? disk_rename(disk, old.names[i], SPARE_NAME, failure)
                        : disk_remove(disk, old.names[i], failure);
    }
    return status;
}

static enum status file_write(struct checkpoint *checkpoint, struct disk *disk, const char *name,
                              const u8 *lists, const _Atomic bool *cancelled,
                              struct failure *failure)
{
    char temporary[DISK_NAME_SIZE_MAX];
    (void)snprintf(temporary, sizeof temporary, "%.56s.tmp", name);
    void *buffer = NULL;
    enum status status = memory_reserve(WRITE_PAGES * PAGE_SIZE, false, &buffer, failure);
    if (status != STATUS_OK) return status;
    disk_handle file = -1;
    status = disk_rename(disk, SPARE_NAME, temporary, failure);
    // What somebody still copies is not written over.
    const bool is_kept = status == STATUS_OK && disk_is_kept(disk, temporary);
    if (status == STATUS_NOT_FOUND || is_kept) status = disk_remove(disk, temporary, failure);
    if (status == STATUS_OK) status = disk_open(disk, temporary, DISK_CREATE, &file, failure);
    if (status != STATUS_OK) {
        memory_release(buffer, WRITE_PAGES * PAGE_SIZE);
        return status;
    }
    for (u32 i = 0; i < checkpoint->head.table_count && status == STATUS_OK; i++) {
        status = table_write(checkpoint, i, disk, file, buffer, cancelled, failure);
    }
    memory_release(buffer, WRITE_PAGES * PAGE_SIZE);
    if (status == STATUS_OK) status = tail_write(checkpoint, disk, file, lists, failure);
    if (status == STATUS_OK) status = disk_sync(disk, file, failure);
    disk_close(disk, file);
    if (status == STATUS_OK) status = disk_rename(disk, temporary, name, failure);
    return status;
}

enum status checkpoint_write(struct checkpoint *checkpoint, struct machine *machine,
                             const struct outcome_edge *outcomes, const _Atomic bool *cancelled,
                             struct failure *failure)
{
    assert(checkpoint->frozen);
    struct disk *disk = machine->history.disk;
    struct checkpoint_head *head = &checkpoint->head;
    head->outcomes = outcomes->range;
    head->outcomes_row = outcomes->page_row;
    u8 *lists = malloc(LISTS_SIZE_MAX);
    assert(lists != NULL);
    u64 retired = 0;
    head->segment_count = segments_list(machine, head->next_row, (void *)lists, &retired);
    memcpy(lists + head->segment_count * sizeof(struct checkpoint_segment), outcomes->open.leaves,
           open_leaves_size(head));
    char name[DISK_NAME_SIZE_MAX];
    checkpoint_file_name(name, head->tail.sequence);
    enum status status = file_write(checkpoint, disk, name, lists, cancelled, failure);
    free(lists);
    if (status == STATUS_OK) status = old_remove(disk, name, failure);
    if (status == STATUS_OK) history_discard(&machine->history, retired);
    if (status != STATUS_OK) return failure_wrap(failure, "writing %s", name);
    return STATUS_OK;
}

void machine_state_digest(struct machine *machine, struct digest *out)
{
    struct checkpoint_head head;
    memset(&head, 0, sizeof head);
    head_state(&head, machine);
    struct machine_table tables[MACHINE_TABLES_MAX];
    const u32 count = machine_tables(machine, tables);
    for (u32 i = 0; i < count; i++) {
        u64 pages = table_page_count(tables[i].table);
        if (pages == 0) continue;
        struct digest *digests = malloc(pages * sizeof *digests);
        assert(digests != NULL);
        sha256_chunks(tables[i].table->memory, pages * PAGE_SIZE, PAGE_SIZE, digests);
        struct checkpoint_table *listed = &head.tables[head.table_count++];
        listed->id = tables[i].id;
        root_of(digests, pages, &listed->root);
        free(digests);
    }
    state_digest(&head, out);
}

// --- finding and loading -------------------------------------------------------------------------

// Whether so many pages from one on are in a file.
static bool pages_are_in(u64 first, u64 count, u64 file_pages)
{
    return first <= file_pages && count <= file_pages - first;
}

// Whether a head whose checksum is right can be one that was written: its lists are in the file,
// and the state that it names is that of its tables (C2).
static bool head_is_possible(const struct checkpoint_head *head, u64 file_pages)
{
    u64 digests = 0;
    if (head->table_count > CHECKPOINT_TABLES_MAX) return false;
    if (head->override_count > MACHINE_OVERRIDES_MAX) return false;
    // Each leaf has a row at least.
    if (head->outcomes.count > MIN(head->next_row, OUTCOME_TREE_LEAVES_MAX)) return false;
    for (u32 i = 0; i < head->table_count; i++) {
        const struct checkpoint_table *table = &head->tables[i];
        if (!pages_are_in(table->page_first, table->page_count, file_pages)) return false;
        digests += table->page_count;
    }
    const u64 digest_pages = align_up(digests * sizeof(struct digest), PAGE_SIZE) / PAGE_SIZE;
    struct digest state;
    state_digest(head, &state);
    return pages_are_in(head->digests_page, digest_pages, file_pages) &&
           pages_are_in(head->lists_page, 0, file_pages) &&
           memcmp(&state, &head->state, sizeof state) == 0;
}

enum status checkpoint_head_read(struct disk *disk, disk_handle file, const char *name,
                                 struct checkpoint_head *head, struct failure *failure)
{
    u64 file_size = 0;
    enum status status = disk_size(disk, file, &file_size, failure);
    if (status == STATUS_OK) status = disk_read(disk, file, 0, head, sizeof *head, failure);
    if (status != STATUS_OK) return status;
    u128 sum =
        checksum((const u8 *)head + sizeof head->checksum, sizeof *head - sizeof head->checksum);
    // A whole head of another checkpoint is there when the disk lost the write of this one's.
    char own_name[DISK_NAME_SIZE_MAX];
    checkpoint_file_name(own_name, head->tail.sequence);
    if (memcmp(&sum, head->checksum, sizeof head->checksum) != 0 ||
        head->magic != CHECKPOINT_MAGIC || strcmp(name, own_name) != 0) {
        failure_set(failure, STATUS_CORRUPT, "%s/%s is damaged", disk->path, name);
        failure_hint(failure,
                     "a checkpoint is made from the log: remove it, and the log is replayed "
                     "from the one before or from the beginning");
        return STATUS_CORRUPT;
    }
    if (head->format != CHECKPOINT_FORMAT) {
        failure_note(failure, STATUS_UNSUPPORTED, "%s has format %u; this binary reads %u", name,
                     head->format, CHECKPOINT_FORMAT);
        failure_hint(failure,
                     "remove checkpoint-*, rows-*, tree-* and index-*, never log-*, and start "
                     "again: they are made from the log, which takes a while");
        return STATUS_UNSUPPORTED;
    }
    if (head_is_possible(head, align_up(file_size, PAGE_SIZE) / PAGE_SIZE)) return STATUS_OK;
    failure_set(failure, STATUS_CORRUPT, "%s/%s contradicts itself", disk->path, name);
    failure_hint(failure, "a checkpoint is made from the log: remove it, and the log is replayed "
                          "from the one before or from the beginning");
    return STATUS_CORRUPT;
}

struct newest {
    char name[DISK_NAME_SIZE_MAX];
};

static bool newest_visit(void *context, const char *name)
{
    struct newest *newest = context;
    size_t length = strlen(name);
    if (strncmp(name, "checkpoint-", 11) != 0 || length != 27) return true;
    if (strcmp(name, newest->name) > 0) memcpy(newest->name, name, length + 1);
    return true;
}

enum status checkpoint_newest(struct disk *disk, char name[DISK_NAME_SIZE_MAX],
                              struct failure *failure)
{
    struct newest newest = {0};
    enum status status = disk_list(disk, newest_visit, &newest, failure);
    if (status != STATUS_OK) return status;
    if (newest.name[0] == 0) {
        return failure_set(failure, STATUS_NOT_FOUND, "%s has no checkpoint", disk->path);
    }
    memcpy(name, newest.name, sizeof newest.name);
    return STATUS_OK;
}

enum status checkpoint_find(struct disk *disk, struct checkpoint_head *head,
                            struct failure *failure)
{
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file = -1;
    enum status status = checkpoint_newest(disk, name, failure);
    if (status == STATUS_OK) status = disk_open(disk, name, DISK_READ_ONLY, &file, failure);
    if (status != STATUS_OK) return status;
    status = checkpoint_head_read(disk, file, name, head, failure);
    disk_close(disk, file);
    return status;
}

bool checkpoint_has_outcomes(const struct checkpoint_head *head,
                             const struct outcome_edge *outcomes)
{
    struct digest roots[2];
    merkle_range_root(&head->outcomes, &roots[0]);
    merkle_range_root(&outcomes->range, &roots[1]);
    return head->outcomes.count == outcomes->range.count &&
           head->outcomes_row == outcomes->page_row &&
           memcmp(&roots[0], &roots[1], sizeof roots[0]) == 0;
}

// Finds out which table of the machine each of the head is.
static enum status tables_match(struct checkpoint *checkpoint, const char *name,
                                struct failure *failure)
{
    const struct checkpoint_head *head = &checkpoint->head;
    for (u32 i = 0; i < head->table_count; i++) {
        u32 index = 0;
        while (index < checkpoint->table_count &&
               checkpoint->tables[index].id != head->tables[i].id) {
            index++;
        }
        if (index == checkpoint->table_count) {
            return failure_set(failure, STATUS_UNSUPPORTED,
                               "%s has a table %u, which this binary does not know", name,
                               head->tables[i].id);
        }
        checkpoint->listed[i] = index;
    }
    return STATUS_OK;
}

static enum status table_load(struct checkpoint *checkpoint, u32 place, struct disk *disk,
                              disk_handle file, u64 digests_offset, const char *name,
                              struct failure *failure)
{
    const struct checkpoint_table *in = &checkpoint->head.tables[place];
    const u32 index = checkpoint->listed[place];
    struct table *table = checkpoint->tables[index].table;
    size_t size = in->page_count * PAGE_SIZE;
    if (in->record_count == 0 || in->record_count > table->capacity ||
        in->page_count != (in->record_count * table->record_size + PAGE_SIZE - 1) / PAGE_SIZE) {
        return failure_set(failure, STATUS_CORRUPT, "%s: table %u has an impossible size", name,
                           in->id);
    }
    enum status status =
        disk_read(disk, file, in->page_first * PAGE_SIZE, table->memory, size, failure);
    if (status != STATUS_OK) return status;
    struct digest *digests = checkpoint->digests[index];
    status =
        disk_read(disk, file, digests_offset, digests, in->page_count * sizeof *digests, failure);
    if (status != STATUS_OK) return status;
    struct digest *now = malloc(in->page_count * sizeof *now);
    assert(now != NULL);
    sha256_chunks(table->memory, size, PAGE_SIZE, now);
    for (u64 page = 0; page < in->page_count && status == STATUS_OK; page++) {
        if (memcmp(&now[page], &digests[page], sizeof *now) == 0) continue;
        status = failure_set(failure, STATUS_CORRUPT, "%s, offset %llu is damaged", name,
                             (unsigned long long)((in->page_first + page) * PAGE_SIZE));
        failure_hint(failure,
                     "a checkpoint is made from the log: remove it, and the log is replayed "
                     "from the beginning");
    }
    struct digest root;
    root_of(now, in->page_count, &root);
    free(now);
    if (status == STATUS_OK && memcmp(&root, &in->root, sizeof root) != 0) {
        status = failure_set(failure, STATUS_CORRUPT, "%s: the digests of table %u do not agree",
                             name, in->id);
    }
    table->count = in->record_count;
    checkpoint->known[index] = in->page_count;
    return status;
}

// Whether the open leaves are those of the tree whose subtrees the head has, in order of rows.
static bool open_leaves_hold(const struct checkpoint_head *head, const struct outcome_edge *edge)
{
    struct merkle_range open = {0};
    u64 row = head->outcomes_row;
    const u64 count = head->outcomes.count % OUTCOME_PAGE_LEAVES;
    for (u64 i = 0; i < count; i++) {
        const struct outcome_leaf *leaf = &edge->open.leaves[i];
        if (leaf->end_row <= row || leaf->end_row > head->next_row) return false;
        row = leaf->end_row;
        merkle_range_append(&open, &leaf->root, NULL);
    }
    for (u32 i = 0; i < OUTCOME_PAGE_LEVEL; i++) {
        if ((count >> i & 1) == 0) continue;
        if (memcmp(&open.peaks[i], &head->outcomes.peaks[i], sizeof open.peaks[i]) != 0) {
            return false;
        }
    }
    return row <= head->next_row;
}

enum status checkpoint_lists_read(struct disk *disk, disk_handle file, const char *name,
                                  const struct checkpoint_head *head,
                                  struct checkpoint_segment **out, struct failure *failure)
{
    *out = NULL;
    if (head->segment_count > HISTORY_SEGMENTS_MAX) {
        return failure_set(failure, STATUS_CORRUPT, "%s lists too many segments", name);
    }
    const size_t size = checkpoint_lists_size(head);
    u8 *lists = calloc(1, LISTS_SIZE_MAX);
    assert(lists != NULL);
    enum status status = STATUS_OK;
    if (size > 0) {
        status = disk_read(disk, file, head->lists_page * PAGE_SIZE, lists, size, failure);
    }
    struct digest digest;
    if (status == STATUS_OK) {
        sha256(lists, size, &digest);
        if (memcmp(&digest, &head->lists_digest, sizeof digest) != 0) {
            status = failure_set(failure, STATUS_CORRUPT, "%s: its lists are damaged", name);
        }
    }
    if (status == STATUS_OK) *out = (void *)lists;
    else free(lists);
    return status;
}

// Takes up what the lists say.
static enum status lists_load(struct machine *machine, const struct checkpoint_head *head,
                              struct disk *disk, disk_handle file, const char *name,
                              struct outcome_edge *outcomes, struct failure *failure)
{
    struct checkpoint_segment *segments = NULL;
    enum status status = checkpoint_lists_read(disk, file, name, head, &segments, failure);
    if (status != STATUS_OK) return status;
    assert(segments != NULL);
    for (u32 i = 0; i < head->segment_count && status == STATUS_OK; i++) {
        status =
            history_adopt(&machine->history, segments[i].first_row, segments[i].row_count, failure);
    }
    *outcomes = (struct outcome_edge){.range = head->outcomes, .page_row = head->outcomes_row};
    outcomes->open.first_row = head->outcomes_row;
    memcpy(outcomes->open.leaves, segments + head->segment_count, open_leaves_size(head));
    free(segments);
    if (status == STATUS_OK && !open_leaves_hold(head, outcomes)) {
        status = failure_set(failure, STATUS_CORRUPT, "%s: its tree of outcomes contradicts itself",
                             name);
    }
    if (status == STATUS_OK) outcome_tree_start(&machine->history.tree, outcomes);
    return status;
}

enum status checkpoint_load(struct checkpoint *checkpoint, struct machine *machine,
                            const struct checkpoint_head *head, struct failure *failure)
{
    struct disk *disk = machine->history.disk;
    char name[DISK_NAME_SIZE_MAX];
    checkpoint_file_name(name, head->tail.sequence);
    checkpoint->head = *head;
    disk_handle file = -1;
    enum status status = tables_match(checkpoint, name, failure);
    if (status == STATUS_OK) status = disk_open(disk, name, DISK_READ_ONLY, &file, failure);
    if (status != STATUS_OK) return status;
    u64 digests = head->digests_page * PAGE_SIZE;
    for (u32 i = 0; i < head->table_count && status == STATUS_OK; i++) {
        status = table_load(checkpoint, i, disk, file, digests, name, failure);
        digests += head->tables[i].page_count * sizeof(struct digest);
    }
    if (status == STATUS_OK) {
        status = lists_load(machine, head, disk, file, name, &checkpoint->outcomes, failure);
    }
    disk_close(disk, file);
    if (status == STATUS_OK) status = history_start(&machine->history, head->next_row, failure);
    if (status == STATUS_OK) status = ledger_load(&machine->ledger, &head->ledger, failure);
    machine->state = head->machine;
    if (status == STATUS_OK) status = machine_loaded(machine, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "loading the checkpoint");
    machine->position = head->position;
    machine->timestamp = head->timestamp;
    machine->sequence = head->tail.sequence - 1;
    memcpy(machine->overrides, head->overrides, sizeof machine->overrides);
    machine->override_count = head->override_count;
    return STATUS_OK;
}
