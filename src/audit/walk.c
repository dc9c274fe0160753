// SPDX-License-Identifier: Apache-2.0
//
// Frames, commands and rows side by side; outcome roots.
#include "audit/walk_internal.h"
#include "codec/number.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFETCH_ROWS 12u

void audit_walk_init(struct audit_walk *walk, const struct audit_folder *folder,
                     const struct audit_checkpoint *checkpoint, struct audit_report *report,
                     struct failure *failure)
{
    *walk = (struct audit_walk){.report = report, .checkpoint = checkpoint, .failure = failure};
    memcpy(&walk->genesis, checkpoint->head.genesis, sizeof walk->genesis);
    audit_books_init(&walk->books);
    audit_ids_init(&walk->ids, walk->genesis.hash_key, AUDIT_IDS_RUN);
    audit_rows_init(&walk->rows, folder, report,
                    checkpoint->is_found ? checkpoint->head.next_row : 0);
}

void audit_walk_free(struct audit_walk *walk)
{
    audit_books_free(&walk->books);
    audit_ids_free(&walk->ids);
    audit_rows_free(&walk->rows);
    free(walk->taken);
    free(walk->leaves);
    free(walk->touched);
}

// --- rows ----------------------------------------------------------------------------------------

// The next row, or NULL behind the last one, when the walk is lost, and when reading failed.
static const struct audit_row *row_peek(struct audit_walk *walk)
{
    const struct audit_row *row = NULL;
    if (walk->is_lost || walk->status != STATUS_OK) return NULL;
    walk->status = audit_rows_peek(&walk->rows, &row, walk->failure);
    return walk->status == STATUS_OK ? row : NULL;
}

static void row_prefetch(const struct audit_walk *walk)
{
    const struct audit_row *ahead = audit_rows_ahead(&walk->rows, PREFETCH_ROWS);
    if (ahead == NULL) return;
    const u32 rows[2] = {ahead->debit_row, ahead->credit_row};
    for (u32 i = 0; i < 2; i++) {
        if (rows[i] >= walk->books.account_count) continue;
        const u8 *account = (const u8 *)&walk->books.accounts[rows[i]];
        __builtin_prefetch(account, 1);
        __builtin_prefetch(account + CACHE_LINE_SIZE, 1);
    }
}

// Passes the row that was peeked; its copy is among those of the frame.
static struct audit_row row_take(struct audit_walk *walk, const struct audit_row *row)
{
    if (walk->taken_count == walk->taken_capacity) {
        walk->taken_capacity = MAX(65536, 2 * walk->taken_capacity);
        walk->taken = realloc(walk->taken, walk->taken_capacity * sizeof *walk->taken);
        walk->leaves = realloc(walk->leaves, walk->taken_capacity * sizeof *walk->leaves);
        assert(walk->taken != NULL && walk->leaves != NULL);
    }
    row_prefetch(walk);
    walk->taken[walk->taken_count++] = *row;
    walk->rows.next++;
    walk->report->rows++;
    return *row;
}

// Rows and events no longer meet: what lies behind cannot be applied, and is not guessed at.
static void lost(struct audit_walk *walk, const char *what)
{
    if (walk->is_lost || walk->status != STATUS_OK) return;
    const struct audit_place place = audit_place_row(walk->rows.next, walk->header->sequence);
    (void)audit_differ(walk->report, AUDIT_OUTCOME, &place,
                       "%s: no row from here on was applied, and no balance compared", what);
    walk->is_lost = true;
}

// Takes the snapshots behind a row, and looks whether one is missing.
static void snapshots_take(struct audit_walk *walk, const struct audit_row *row)
{
    for (;;) {
        const struct audit_row *next = row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_DEBITS) break;
        const struct audit_row debits = row_take(walk, next);
        next = row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_CREDITS) {
            lost(walk, "half a snapshot");
            return;
        }
        const struct audit_row credits = row_take(walk, next);
        apply_snapshot(walk, &debits, &credits);
    }
    if (row->result == AUDIT_CREATED && row->kind != AUDIT_ROW_RECORD &&
        row->kind != AUDIT_ROW_ACCOUNT) {
        apply_snapshots_end(walk, row);
    }
}

// --- creates -------------------------------------------------------------------------------------

static void id_take(struct audit_walk *walk, u128 id)
{
    if (walk->status != STATUS_OK) return;
    walk->status = audit_ids_add(&walk->ids, id, walk->failure);
}

// A refusal burns the id when it might be otherwise later (FORMAT.md, 3).
static bool result_burns(u8 result)
{
    return result == 21 || result == 22 || result == 25 || result == 54 || result == 55 ||
           result == 65 || result == 66;
}

static void event_apply(struct audit_walk *walk, bool is_account, const struct audit_row *row,
                        const u8 *event, u64 time)
{
    if (row->result != AUDIT_CREATED) {
        walk->report->transfers_refused += !is_account;
        if (!is_account && result_burns(row->result)) id_take(walk, row->id);
        return;
    }
    const u16 flags = load_u16(event + offsetof(struct audit_transfer_record, flags));
    const u16 imported = is_account ? AUDIT_ACCOUNT_IMPORTED : AUDIT_TRANSFER_IMPORTED;
    static_assert(offsetof(struct audit_transfer_record, flags) ==
                      offsetof(struct audit_account_record, flags),
                  "of both at the same place");
    if (row->flags != flags) {
        walk_differ(walk, AUDIT_OUTCOME, "the flags are %u by the event, %u in history", flags,
                    row->flags);
    }
    const u64 asked = flags & imported
                          ? load_u64(event + offsetof(struct audit_transfer_record, timestamp))
                          : time;
    if (row->timestamp != asked) {
        walk_differ(walk, AUDIT_OUTCOME, "the time is %llu by the frame, %llu in history",
                    (unsigned long long)asked, (unsigned long long)row->timestamp);
    }
    if (is_account) {
        struct audit_account_record record;
        memcpy(&record, event, sizeof record);
        apply_account(walk, row, &record);
        return;
    }
    struct audit_transfer_record record;
    memcpy(&record, event, sizeof record);
    id_take(walk, row->id);
    apply_transfer(walk, row, &record);
}

// The events of one create, each with its row. One that was refused whole left none.
static void events_take(struct audit_walk *walk, bool is_account, const u8 *events, u32 count,
                        u64 place)
{
    const u8 kind = is_account ? AUDIT_ROW_ACCOUNT : AUDIT_ROW_TRANSFER;
    const u64 begin = walk->time;
    for (u32 i = 0; i < count; i++) {
        const struct audit_row *next = row_peek(walk);
        const bool is_its = next != NULL && next->kind == kind &&
                            audit_row_place(next) == place + (u64)i * AUDIT_EVENT_SIZE;
        if (!is_its && i == 0) {
            walk->report->commands_whole++;
            return;
        }
        if (!is_its) {
            char what[96];
            (void)snprintf(what, sizeof what, "the row of event %u of the command is missing", i);
            lost(walk, what);
            return;
        }
        const struct audit_row row = row_take(walk, next);
        const u8 *event = events + (size_t)i * AUDIT_EVENT_SIZE;
        if (row.id != load_u128(event)) {
            walk_differ(walk, AUDIT_OUTCOME, "the row has another id than event %u of the command",
                        i);
        }
        event_apply(walk, is_account, &row, event, begin + i + 1);
        snapshots_take(walk, &row);
    }
    walk->time = begin + count;
}

// What the operations of the client protocol create (docs/PROTOCOL.md): whether accounts, and
// whether their bodies end with the counts of batches. False for an operation that creates nothing.
static bool operation_of(u32 operation, bool *is_account, bool *has_batches)
{
    switch (operation) {
    case 129: *is_account = true, *has_batches = false; return true;
    case 130: *is_account = false, *has_batches = false; return true;
    case 138:
    case 146: *is_account = true, *has_batches = true; return true;
    case 139:
    case 147: *is_account = false, *has_batches = true; return true;
    default: return false;
    }
}

// How many events a body has; false when it is not well-formed.
static bool events_count(const u8 *body, u32 size, bool has_batches, u32 *count)
{
    u64 sum = size / AUDIT_EVENT_SIZE;
    u64 trailer = 0;
    if (has_batches) {
        if (size < 4) return false;
        const u32 batches = load_u16(body + size - 2);
        trailer = 2 * (1 + (u64)batches);
        if (trailer > size) return false;
        sum = 0;
        for (u32 i = 0; i < batches; i++) sum += load_u16(body + size - 4 - 2 * (size_t)i);
        trailer = align_up(trailer, AUDIT_EVENT_SIZE);
    }
    *count = (u32)sum;
    return sum * AUDIT_EVENT_SIZE + trailer == size;
}

static void compat_take(struct audit_walk *walk, const struct audit_command *command)
{
    const u8 *body = walk->frame->bytes + command->body_offset;
    bool is_account = false;
    bool has_batches = false;
    u32 count = 0;
    if (!operation_of(command->operation, &is_account, &has_batches) ||
        !events_count(body, command->body_size, has_batches, &count)) {
        lost(walk, "a create of plain clients is not well-formed");
        return;
    }
    events_take(walk, is_account, body, count, walk->frame->place + command->body_offset);
}

// --- modules -------------------------------------------------------------------------------------

// Whether a row is what a tick, or a module's command, left: both say so by its place.
static bool row_is_its(const struct audit_walk *walk, const struct audit_command *command,
                       const struct audit_row *row)
{
    const u64 place = audit_row_place(row);
    const u64 first = walk->frame->place + command->body_offset;
    if (row->kind != AUDIT_ROW_RECORD && row->kind != AUDIT_ROW_POSTING &&
        row->kind != AUDIT_ROW_ACCOUNT) {
        return false;
    }
    if (place >= first && place < first + command->body_size) return true;
    if (place != walk->frame->place) return false;
    if (command->record == AUDIT_COMMAND_TICK) return row->kind != AUDIT_ROW_RECORD;
    return row->kind == AUDIT_ROW_RECORD && command->body_size == 0 &&
           row->id == command->command_id;
}

// A record's row, and the evidence behind a refusal. `index` is that among the command's, or
// AUDIT_NONE for an import's, which tell the index within the import.
static void record_take(struct audit_walk *walk, const struct audit_command *command,
                        const struct audit_row *row, u64 index)
{
    walk->report->records++;
    const bool is_named =
        index == AUDIT_NONE ||
        (row->id == command->command_id && row->amount == index && row->code == command->record);
    if (!is_named) {
        walk_differ(walk, AUDIT_OUTCOME, "the row does not name record %llu of its command",
                    (unsigned long long)index);
    }
    if (row->timestamp < walk->time) {
        walk_differ(walk, AUDIT_OUTCOME, "the time of a record falls");
    }
    walk->time = row->timestamp;
    if (row->result == AUDIT_CREATED) {
        if (command->principal == 0 || command->through > 2) {
            walk_differ(walk, AUDIT_L11, "a record took effect that no principal asked for");
        }
        return;
    }
    const struct audit_row *next = row_peek(walk);
    if (next == NULL || next->kind != AUDIT_ROW_EVIDENCE || next->timestamp != row->timestamp) {
        lost(walk, "the evidence of a refusal is missing");
        return;
    }
    (void)row_take(walk, next);
}

static void posting_take(struct audit_walk *walk, const struct audit_command *command,
                         const struct audit_row *row)
{
    if (row->result != AUDIT_CREATED) return;
    const u64 first = walk->frame->place + command->body_offset;
    const u64 place = audit_row_place(row);
    const bool is_within =
        place >= first && place + AUDIT_REFERENCES_SIZE <= first + command->body_size;
    struct audit_references references;
    if (row->flags & AUDIT_POSTING_REFERS) {
        if (!is_within) {
            walk_differ(walk, AUDIT_OUTCOME, "a posting refers to what its record does not have");
            return;
        }
        memcpy(&references, walk->frame->bytes + (place - walk->frame->place), sizeof references);
    }
    id_take(walk, row->id);
    apply_posting(walk, row, row->flags & AUDIT_POSTING_REFERS ? &references : NULL);
}

// The rows of a module's command, or of what a tick concludes and carries out.
static void planned_take(struct audit_walk *walk, const struct audit_command *command)
{
    const bool is_tick = command->record == AUDIT_COMMAND_TICK;
    const u64 first = walk->rows.next;
    u64 index = 0;
    for (;;) {
        const struct audit_row *next = row_peek(walk);
        if (next == NULL || !row_is_its(walk, command, next)) break;
        const struct audit_row row = row_take(walk, next);
        if (row.kind == AUDIT_ROW_RECORD) {
            apply_plan_end(walk);
            record_take(walk, command, &row, is_tick ? AUDIT_NONE : index++);
        } else if (row.kind == AUDIT_ROW_ACCOUNT) {
            apply_planned_account(walk, &row);
        } else {
            posting_take(walk, command, &row);
        }
        if (is_tick && row.timestamp > walk->time) walk->time = row.timestamp;
        snapshots_take(walk, &row);
    }
    apply_plan_end(walk);
    walk->report->commands_whole += !is_tick && walk->rows.next == first;
}

static void raw_take(struct audit_walk *walk, const struct audit_command *command)
{
    const struct audit_row *next = row_peek(walk);
    const bool is_whole = next != NULL && next->kind == AUDIT_ROW_RECORD;
    if (is_whole && row_is_its(walk, command, next)) {
        planned_take(walk, command); // Refused as one, as a module's command is.
        return;
    }
    const u8 *body = walk->frame->bytes + command->body_offset;
    u32 count = 0;
    if (!events_count(body, command->body_size, false, &count) || count != command->count) {
        lost(walk, "a command of raw records is not well-formed");
        return;
    }
    events_take(walk, command->record == AUDIT_COMMAND_RAW_ACCOUNTS, body, count,
                walk->frame->place + command->body_offset);
}

static void tick_take(struct audit_walk *walk, const struct audit_command *command)
{
    for (;;) {
        const struct audit_row *next = row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_EXPIRY ||
            audit_row_place(next) != walk->frame->place) {
            break;
        }
        const struct audit_row row = row_take(walk, next);
        walk->time++;
        if (row.timestamp != walk->time) {
            walk_differ(walk, AUDIT_OUTCOME, "the time is %llu by the frame, %llu in history",
                        (unsigned long long)walk->time, (unsigned long long)row.timestamp);
        }
        apply_expiry(walk, &row);
        snapshots_take(walk, &row);
    }
    planned_take(walk, command);
}

// --- frames --------------------------------------------------------------------------------------

// Whether an entry can be gone by; tells what of it does not hold.
static bool command_check(struct audit_walk *walk, const struct audit_command *command, u32 index)
{
    const struct audit_place place =
        audit_place_log(walk->frame->place + 256 * (1 + (u64)index), walk->header->sequence);
    const bool is_zero_where_it_must =
        command->version == 1 && command->flags == 0 && command->signature_scheme == 0 &&
        is_zero(command->signature, sizeof command->signature) &&
        is_zero(command->reserved, sizeof command->reserved) &&
        (command->release == 0 || command->record == AUDIT_COMMAND_REGISTER);
    if (!is_zero_where_it_must) {
        (void)audit_differ(walk->report, AUDIT_BYTES, &place,
                           "command %u has a version or field that is not known", index);
    }
    if (command->body_offset % AUDIT_EVENT_SIZE == 0 &&
        (u64)command->body_offset + command->body_size <= walk->frame->size) {
        return true;
    }
    (void)audit_differ(walk->report, AUDIT_BYTES, &place,
                       "the body of command %u is not in the frame", index);
    return false;
}

// The genesis that the checkpoint has is the log's; the hashes of ids are made with its key.
static void genesis_check(struct audit_walk *walk, const struct audit_command *command)
{
    if (walk->header->sequence == 0 && command->body_size == sizeof walk->genesis &&
        memcmp(walk->frame->bytes + command->body_offset, &walk->genesis, sizeof walk->genesis) ==
            0) {
        return;
    }
    const struct audit_place place =
        audit_place_log(walk->frame->place + command->body_offset, walk->header->sequence);
    (void)audit_differ(walk->report, AUDIT_CHECKPOINT, &place,
                       "the checkpoint has another genesis than the log");
}

static void commands_take(struct audit_walk *walk, bool in_history)
{
    const struct audit_header *header = walk->header;
    walk->time = 0;
    for (u32 i = 0; i < header->command_count; i++) {
        struct audit_command command;
        memcpy(&command, walk->frame->bytes + 256 * (1 + (size_t)i), sizeof command);
        const bool is_sound = command_check(walk, &command, i);
        if (!in_history) continue;
        if (!is_sound) {
            lost(walk, "a command cannot be read");
            return;
        }
        walk->time = i == 0 ? header->timestamp : walk->time + 1;
        if (command.record == AUDIT_COMMAND_GENESIS) genesis_check(walk, &command);
        if (command.record == AUDIT_COMMAND_TICK) {
            tick_take(walk, &command);
        } else if (command.record == AUDIT_COMMAND_COMPAT) {
            compat_take(walk, &command);
        } else if (command.record == AUDIT_COMMAND_RAW_ACCOUNTS ||
                   command.record == AUDIT_COMMAND_RAW_TRANSFERS) {
            raw_take(walk, &command);
        } else if (command.record >= AUDIT_COMMAND_MODULES) {
            planned_take(walk, &command);
        }
        walk->timestamp_last = walk->time;
    }
}

// Derives the cumulative outcome root behind the frame from its rows.
static void root_derive(struct audit_walk *walk)
{
    if (walk->taken_count > 0) {
        struct digest root;
        merkle_leaves(walk->taken, AUDIT_LEAF_SIZE, sizeof *walk->taken, walk->taken_count,
                      walk->leaves);
        merkle_root(walk->leaves, walk->taken_count, &root);
        merkle_range_append(&walk->outcomes, &root);
    }
    const u64 sequence = walk->header->sequence;
    merkle_range_root(&walk->outcomes, &walk->roots[sequence % AUDIT_OUTCOME_LAG_MAX]);
    walk->roots_known = sequence + 1;
}

static void root_check(struct audit_walk *walk)
{
    const struct audit_header *header = walk->header;
    const struct audit_place place = audit_place_log(walk->frame->place, header->sequence);
    const u64 named = header->outcome_sequence;
    if (header->flags & (AUDIT_FRAME_GENESIS | AUDIT_FRAME_OWNER)) {
        if (!is_zero(&header->outcome_root, sizeof header->outcome_root)) {
            (void)audit_differ(walk->report, AUDIT_L5, &place, "an outcome root where none is due");
        }
        return;
    }
    if (named > header->sequence || named + AUDIT_OUTCOME_LAG_MAX <= header->sequence) {
        (void)audit_differ(walk->report, AUDIT_L5, &place,
                           "the header names outcomes that are not within 64 frames back");
        return;
    }
    const bool is_known =
        named < walk->roots_known && named + AUDIT_OUTCOME_LAG_MAX >= walk->roots_known;
    if (!is_known || walk->is_lost || walk->roots_differ) return;
    if (memcmp(&walk->roots[named % AUDIT_OUTCOME_LAG_MAX], &header->outcome_root,
               sizeof header->outcome_root) == 0) {
        walk->roots_agreed = named + 1;
        walk->report->roots++;
        return;
    }
    (void)audit_differ(walk->report, AUDIT_L5, &place,
                       "the rows in history of frames %llu to %llu do not give the outcome root "
                       "that this header names",
                       (unsigned long long)walk->roots_agreed, (unsigned long long)named);
    walk->roots_differ = true;
}

// A segment ends behind the frame: whole pages, filled up with rows of zeroes.
static void segment_end(struct audit_walk *walk)
{
    if (walk->rows.next == walk->segment_begin) return;
    while (walk->rows.next % AUDIT_PAGE_ROWS != 0) {
        const struct audit_row *row = row_peek(walk);
        if (row == NULL) {
            lost(walk, "the padding of a segment is missing");
            return;
        }
        walk->rows.next++;
        if (!is_zero(row, sizeof *row)) {
            walk_differ(walk, AUDIT_OUTCOME, "a row of padding is not zero");
        }
    }
    walk->segment_begin = walk->rows.next;
}

static void problems_tell(struct audit_walk *walk)
{
    const struct audit_place place = audit_place_log(walk->frame->place, walk->header->sequence);
    for (u32 i = 0; i < AUDIT_FRAME_PROBLEM_COUNT; i++) {
        if ((walk->frame->problems & 1u << i) == 0) continue;
        (void)audit_differ(walk->report, AUDIT_L5, &place, "%s", audit_frame_problem_text(i));
    }
}

static void checkpoint_place_check(struct audit_walk *walk)
{
    const struct audit_checkpoint_head *head = &walk->checkpoint->head;
    const struct audit_header *header = walk->header;
    const u64 end = walk->frame->place + walk->frame->size;
    struct digest roots[2];
    merkle_range_root(&walk->outcomes, &roots[0]);
    merkle_range_root(&head->outcomes, &roots[1]);
    const char *what = NULL;
    if (head->place != end || head->log_id != header->log_id || head->epoch != header->epoch) {
        what = "place";
    } else if (memcmp(&head->previous, &walk->frame->hash, sizeof head->previous) != 0) {
        what = "last header";
    } else if (head->position != header->position + header->command_count - 1) {
        what = "position";
    } else if (!walk->is_lost && (head->outcomes.count != walk->outcomes.count ||
                                  memcmp(&roots[0], &roots[1], sizeof roots[0]) != 0)) {
        what = "tree of outcomes";
    }
    if (what == NULL) return;
    const struct audit_place place = audit_place_file(walk->checkpoint->name, 0);
    (void)audit_differ(walk->report, AUDIT_CHECKPOINT, &place,
                       "the checkpoint has another %s than the log before it", what);
}

enum status audit_walk_frame(struct audit_walk *walk, const struct audit_frame *frame)
{
    struct audit_header header;
    memcpy(&header, frame->bytes, sizeof header);
    walk->frame = frame;
    walk->header = &header;
    walk->taken_count = 0;
    const bool has_checkpoint = walk->checkpoint->is_found;
    const u64 covered = has_checkpoint ? walk->checkpoint->head.sequence : 0;
    const bool in_history = header.sequence < covered;
    problems_tell(walk);
    walk->report->frames++;
    walk->report->commands += header.command_count;
    walk->report->log_bytes = frame->place + frame->size;
    walk->report->log_id = header.log_id;
    walk->report->head = frame->hash;
    if (!in_history) {
        walk->report->frames_ahead++;
        walk->report->commands_ahead += header.command_count;
    }
    commands_take(walk, in_history);
    if (in_history) root_derive(walk);
    if (has_checkpoint) root_check(walk);
    if (in_history && (header.flags & AUDIT_FRAME_ROTATE)) segment_end(walk);
    if (has_checkpoint && header.sequence + 1 == covered) checkpoint_place_check(walk);
    walk->frame = NULL;
    walk->header = NULL;
    return walk->status;
}

// --- the end -------------------------------------------------------------------------------------

struct suspect {
    u64 hash;
    u128 id;
    u64 row;
};

static bool row_uses_id(const struct audit_row *row)
{
    if (row->kind == AUDIT_ROW_POSTING) return row->result == AUDIT_CREATED;
    return row->kind == AUDIT_ROW_TRANSFER &&
           (row->result == AUDIT_CREATED || result_burns(row->result));
}

static int hash_compare(const void *key, const void *element)
{
    const u64 left = *(const u64 *)key;
    const u64 right = *(const u64 *)element;
    return (left > right) - (left < right);
}

// Reads the rows once more and tells the ids, among those with a suspected hash, that more than one
// of them used.
static void suspects_judge(struct audit_walk *walk, const u64 *hashes, u32 count)
{
    struct suspect *seen = calloc(AUDIT_SUSPECTS_MAX, sizeof *seen);
    assert(seen != NULL);
    u32 seen_count = 0;
    const u64 end = walk->rows.next;
    struct audit_report *report = walk->report;
    walk->rows.next = 0;
    while (walk->rows.next < end) {
        const struct audit_row *row = row_peek(walk);
        if (row == NULL) break;
        const u64 number = walk->rows.next++;
        if (!row_uses_id(row)) continue;
        const u64 hash = audit_ids_hash(&walk->ids, row->id);
        if (bsearch(&hash, hashes, count, sizeof *hashes, hash_compare) == NULL) continue;
        for (u32 i = 0; i < seen_count; i++) {
            if (seen[i].id != row->id) continue;
            char id[NUMBER_SIZE_MAX];
            (void)number_print_u128(row->id, id);
            const struct audit_place place = audit_place_row(number, AUDIT_NONE);
            (void)audit_differ(report, AUDIT_L3, &place,
                               "transfer id %s was used before, by row %llu", id,
                               (unsigned long long)seen[i].row);
            break;
        }
        if (seen_count < AUDIT_SUSPECTS_MAX) {
            seen[seen_count++] = (struct suspect){.hash = hash, .id = row->id, .row = number};
        }
    }
    walk->rows.next = end;
    free(seen);
}

static void ids_check(struct audit_walk *walk)
{
    u64 *hashes = calloc(AUDIT_SUSPECTS_MAX, sizeof *hashes);
    assert(hashes != NULL);
    u32 count = 0;
    walk->report->ids = walk->ids.total;
    walk->status = audit_ids_suspects(&walk->ids, hashes, &count, walk->failure);
    if (walk->status == STATUS_OK && count > 0) suspects_judge(walk, hashes, count);
    free(hashes);
}

struct book_sum {
    u32 ledger;
    u128 pending; // Debits less credits, modulo 2^128: zero when they are equal.
    u128 posted;
};

static int sums_compare(const void *a, const void *b)
{
    const struct book_sum *left = a;
    const struct book_sum *right = b;
    return (left->ledger > right->ledger) - (left->ledger < right->ledger);
}

// L1 over all: of each ledger number, debits less credits.
static void balance_check(struct audit_walk *walk)
{
    const struct audit_books *books = &walk->books;
    struct book_sum *sums = calloc(MAX(books->account_count, 1), sizeof *sums);
    assert(sums != NULL);
    u64 count = 0;
    for (u64 i = 0; i < books->account_count; i++) {
        const struct audit_account *account = &books->accounts[i];
        // Neighbours are mostly of one ledger.
        if (count == 0 || sums[count - 1].ledger != account->ledger) {
            sums[count++] = (struct book_sum){.ledger = account->ledger};
        }
        sums[count - 1].pending += account->debits_pending - account->credits_pending;
        sums[count - 1].posted += account->debits_posted - account->credits_posted;
    }
    qsort(sums, count, sizeof *sums, sums_compare);
    const struct audit_place nowhere = {.frame = AUDIT_NONE, .row = AUDIT_NONE};
    for (u64 first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && sums[end].ledger == sums[first].ledger; end++) {
            sums[first].pending += sums[end].pending;
            sums[first].posted += sums[end].posted;
        }
        walk->report->ledgers++;
        if (sums[first].pending == 0 && sums[first].posted == 0) continue;
        (void)audit_differ(walk->report, AUDIT_L1, &nowhere,
                           "ledger %u: debits and credits are not equal (%s)", sums[first].ledger,
                           sums[first].posted != 0 ? "posted" : "pending");
    }
    free(sums);
}

enum status audit_walk_end(struct audit_walk *walk)
{
    const u64 end = walk->rows.end;
    if (!walk->is_lost && walk->status == STATUS_OK && walk->rows.next < end &&
        walk->report->frames >= walk->checkpoint->head.sequence) {
        const struct audit_place place = audit_place_row(walk->rows.next, AUDIT_NONE);
        (void)audit_differ(walk->report, AUDIT_OUTCOME, &place,
                           "the rows from here to %llu belong to no event of the log: no balance "
                           "was compared",
                           (unsigned long long)end - 1);
        walk->is_lost = true;
    }
    walk->report->accounts = walk->books.account_count;
    walk->report->holds = walk->books.hold_count;
    if (walk->status == STATUS_OK && !walk->is_lost) ids_check(walk);
    if (walk->status == STATUS_OK) balance_check(walk);
    return walk->status;
}
