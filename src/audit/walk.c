// SPDX-License-Identifier: Apache-2.0
//
// Frames, commands and rows side by side; outcome roots.
#include "audit/walk_internal.h"
#include "codec/number.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFETCH_ROWS 24u

enum status audit_walk_init(struct audit_walk *walk, const struct audit_folder *folder,
                            const struct audit_checkpoint *checkpoint,
                            const struct audit_progress *progress, struct audit_report *report,
                            struct failure *failure)
{
    struct hash_key key = {{0}};
    *walk = (struct audit_walk){
        .report = report, .checkpoint = checkpoint, .progress = progress, .failure = failure};
    memcpy(&walk->genesis, checkpoint->head.genesis, sizeof walk->genesis);
    walk->position = 1;
    const enum status status = audit_key_draw(&key, failure);
    audit_books_init(&walk->books, &key);
    audit_ids_init(&walk->ids, &key, AUDIT_IDS_RUN);
    audit_ids_init(&walk->account_ids, &key, AUDIT_IDS_RUN);
    audit_rows_init(&walk->rows, folder, report,
                    checkpoint->is_found ? checkpoint->head.next_row : 0);
    return status;
}

void audit_walk_free(struct audit_walk *walk)
{
    audit_books_free(&walk->books);
    audit_ids_free(&walk->ids);
    audit_ids_free(&walk->account_ids);
    audit_rows_free(&walk->rows);
    audit_principals_free(&walk->principals);
    free(walk->taken);
    free(walk->leaves);
    free(walk->plan.touched);
    free(walk->segments);
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

// Inlined by force: a compiler that looks at it alone sees that nothing comes of it, and drops it.
__attribute__((always_inline)) static inline void row_prefetch(const struct audit_walk *walk)
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
        apply_snapshot(walk, row, &debits, &credits);
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
    walk->status = audit_ids_add(&walk->ids, audit_ids_hash(&walk->ids, id), walk->failure);
}

// Nobody but the log says when a row was, or the client whose import it is.
static void time_check(struct audit_walk *walk, const struct audit_row *row, u64 time)
{
    if (row->timestamp == time) return;
    walk_differ(walk, AUDIT_OUTCOME, "the time is %llu by the frame, %llu in history",
                (unsigned long long)time, (unsigned long long)row->timestamp);
}

// `time` is the event's, `time_end` that of the last one of its command.
static void event_apply(struct audit_walk *walk, bool is_account, const struct audit_row *row,
                        const u8 *event, u64 time, u64 time_end)
{
    if (row->result != AUDIT_CREATED) {
        walk->report->transfers_refused += !is_account;
        if (!is_account && walk_result_burns(row->result)) id_take(walk, row->id);
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
    time_check(walk, row, asked);
    if ((flags & imported) && asked >= time_end) {
        walk_differ(walk, AUDIT_OUTCOME, "it was imported from a time that had not come");
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

// A chain applies whole or not at all: what it links takes effect with the event behind it.
static void chain_check(struct audit_walk *walk, const struct audit_row *row, bool is_linked,
                        bool took_effect)
{
    if (!is_linked || (row->result == AUDIT_CREATED) == took_effect) return;
    walk_differ(walk, AUDIT_OUTCOME, "a chain applied in part: this event %s, the one before %s",
                row->result == AUDIT_CREATED ? "took effect" : "did not",
                took_effect ? "did" : "did not");
}

// The events of one create, each with its row. One that was refused whole left none.
static void events_take(struct audit_walk *walk, bool is_account, const u8 *events, u32 count,
                        u64 place)
{
    const u8 kind = is_account ? AUDIT_ROW_ACCOUNT : AUDIT_ROW_TRANSFER;
    const u64 begin = walk->time;
    bool is_linked = false; // To the event before, which took effect or did not.
    bool took_effect = false;
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
        chain_check(walk, &row, is_linked, took_effect);
        const u16 flags = load_u16(event + offsetof(struct audit_transfer_record, flags));
        static_assert((int)AUDIT_TRANSFER_LINKED == (int)AUDIT_ACCOUNT_LINKED, "of both the same");
        took_effect = row.result == AUDIT_CREATED;
        is_linked = (flags & AUDIT_TRANSFER_LINKED) && row.result != AUDIT_CHAIN_OPEN;
        event_apply(walk, is_account, &row, event, begin + i + 1, begin + count);
        snapshots_take(walk, &row);
    }
    if (is_linked && took_effect) {
        walk_differ(walk, AUDIT_OUTCOME, "a chain applied that had no end");
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

// L11, of a command that something came of: who asked is there, and is let in. What a tick carries
// out was asked for earlier. In logs made for tests anybody may ask whom no record closed.
static void principal_check(struct audit_walk *walk, const struct audit_command *command)
{
    const bool is_made_for_tests = (walk->genesis.flags & AUDIT_GENESIS_TESTS) != 0;
    const u64 id = command->principal;
    const char *what = NULL;
    if (id == 0 || command->through > 2) {
        what = "nobody";
    } else if (!audit_principal_is_known(&walk->principals, id) && !is_made_for_tests) {
        what = "a principal that was not opened";
    } else if (audit_principal_is_closed(&walk->principals, id) &&
               command->record != AUDIT_COMMAND_TICK) {
        what = "a principal that was closed";
    }
    if (what == NULL) return;
    walk_differ(walk, AUDIT_L11, "it took effect and was asked for by %s: %llu, known by %llu",
                what, (unsigned long long)id, (unsigned long long)command->through);
}

// The records that say who may give commands: nobody but the operator gives them.
static void principal_note(struct audit_walk *walk, const struct audit_command *command,
                           const struct audit_row *row)
{
    if (command->record != AUDIT_COMMAND_PRINCIPAL_OPEN &&
        command->record != AUDIT_COMMAND_PRINCIPAL_CLOSE &&
        command->record != AUDIT_COMMAND_PRINCIPAL_REOPEN) {
        return;
    }
    const u64 at = audit_row_place(row) - walk->frame->place;
    if (at + sizeof(u64) > walk->frame->size) return;
    if (command->principal != AUDIT_OPERATOR) {
        walk_differ(walk, AUDIT_L11, "principal %llu was opened or closed by %llu, who may not",
                    (unsigned long long)load_u64(walk->frame->bytes + at),
                    (unsigned long long)command->principal);
    }
    audit_principal_set(&walk->principals, load_u64(walk->frame->bytes + at),
                        command->record != AUDIT_COMMAND_PRINCIPAL_CLOSE);
}

// The rows of a module's command, or of a tick, one after the other.
struct planned {
    const struct audit_command *command;
    bool is_tick;
    bool is_import;        // Of a tick: its records have begun.
    bool is_behind_record; // The next one begins another record, a nanosecond later.
    u64 records;
};

// A record's row, and the evidence behind a refusal.
static void record_take(struct audit_walk *walk, struct planned *planned,
                        const struct audit_row *row)
{
    const struct audit_command *command = planned->command;
    const bool is_done = row->result == AUDIT_CREATED;
    walk->report->records++;
    const u64 index = planned->records++;
    const bool is_named =
        row->id == command->command_id &&
        (planned->is_tick || (row->amount == index && row->code == command->record));
    if (!is_named) {
        walk_differ(walk, AUDIT_OUTCOME, "the row does not name record %llu of its command",
                    (unsigned long long)index);
    }
    if ((is_done ? walk->plan.refused : walk->plan.created) > 0) {
        walk_differ(walk, AUDIT_OUTCOME, "a record %s, but %llu of its postings and accounts %s",
                    is_done ? "took effect" : "was refused",
                    (unsigned long long)(is_done ? walk->plan.refused : walk->plan.created),
                    is_done ? "were refused" : "took effect");
    }
    const u32 record = planned->is_tick ? row->code : command->record;
    apply_plan_end(walk, record >> 8);
    if (is_done) {
        principal_check(walk, command);
        principal_note(walk, command, row);
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

// One row, which is the command's: each posting and account is a nanosecond later than what was
// before it, a record as late as its last one.
static void planned_row_take(struct audit_walk *walk, struct planned *planned,
                             const struct audit_row *row)
{
    // What a tick does besides the records of an import is no part of the first one of them.
    const bool is_in_record = audit_row_place(row) != walk->frame->place || !planned->is_tick;
    if (planned->is_tick && is_in_record && !planned->is_import) {
        apply_plan_end(walk, AUDIT_NONE);
        planned->is_import = true;
        planned->is_behind_record = true;
    }
    walk->time += planned->is_behind_record;
    planned->is_behind_record = row->kind == AUDIT_ROW_RECORD;
    walk->time += row->kind != AUDIT_ROW_RECORD;
    time_check(walk, row, walk->time);
    walk->time = MAX(walk->time, row->timestamp);
    if (row->kind == AUDIT_ROW_RECORD) {
        record_take(walk, planned, row);
        return;
    }
    walk->plan.created += row->result == AUDIT_CREATED;
    walk->plan.refused += row->result != AUDIT_CREATED;
    if (row->kind == AUDIT_ROW_ACCOUNT) apply_planned_account(walk, row);
    else posting_take(walk, planned->command, row);
}

// The rows of a module's command, or of what a tick concludes and carries out.
static void planned_take(struct audit_walk *walk, const struct audit_command *command)
{
    const u64 first = walk->rows.next;
    struct planned planned = {.command = command, .is_tick = command->record == AUDIT_COMMAND_TICK};
    for (;;) {
        const struct audit_row *next = row_peek(walk);
        if (next == NULL || !row_is_its(walk, command, next)) break;
        const struct audit_row row = row_take(walk, next);
        planned_row_take(walk, &planned, &row);
        snapshots_take(walk, &row);
    }
    if (!planned.is_tick && walk->plan.created + walk->plan.refused > 0) {
        lost(walk, "the row of a record is missing behind its postings");
    }
    apply_plan_end(walk, AUDIT_NONE);
    walk->report->commands_whole += !planned.is_tick && walk->rows.next == first;
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
    const u64 first = walk->rows.next;
    events_take(walk, command->record == AUDIT_COMMAND_RAW_ACCOUNTS, body, count,
                walk->frame->place + command->body_offset);
    if (walk->rows.next > first) principal_check(walk, command);
}

static void tick_take(struct audit_walk *walk, const struct audit_command *command)
{
    u32 count = 0;
    walk->expiry_due = 0;
    walk->expiry_time = 0;
    for (;;) {
        const struct audit_row *next = row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_EXPIRY ||
            audit_row_place(next) != walk->frame->place) {
            break;
        }
        const struct audit_row row = row_take(walk, next);
        time_check(walk, &row, ++walk->time);
        apply_expiry(walk, &row);
        snapshots_take(walk, &row);
        count++;
    }
    // So many at most: what is due besides expires at the next one.
    if (count < AUDIT_EXPIRIES_MAX && !walk->is_lost) {
        walk->expired_through = walk->header->timestamp;
    }
    planned_take(walk, command);
}

// --- frames --------------------------------------------------------------------------------------

static bool record_is_known(u16 record)
{
    return (record >= AUDIT_COMMAND_GENESIS && record <= AUDIT_COMMAND_OVERRIDE) ||
           record >= AUDIT_COMMAND_MODULES;
}

// Whether the body lies behind the head, and in none of the bodies before it.
static bool body_is_apart(const struct audit_walk *walk, const struct audit_command *command,
                          u32 index, u64 *bodies_end)
{
    const u64 begin = command->body_offset;
    const u64 end = begin + command->body_size;
    if (command->body_size == 0) return true;
    if (begin < align_up(256 * (1 + (u64)walk->header->command_count), PAGE_SIZE)) return false;
    bool is_apart = true;
    // Mostly in order; large ones come first, whatever theirs is.
    for (u32 i = 0; i < index && begin < *bodies_end; i++) {
        struct audit_command before;
        memcpy(&before, walk->frame->bytes + 256 * (1 + (size_t)i), sizeof before);
        is_apart &= before.body_size == 0 || before.body_offset >= end ||
                    (u64)before.body_offset + before.body_size <= begin;
    }
    *bodies_end = MAX(*bodies_end, end);
    return is_apart;
}

// Whether an entry can be gone by; tells what of it does not hold.
static bool command_check(struct audit_walk *walk, const struct audit_command *command, u32 index,
                          u64 *bodies_end)
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
    if (!record_is_known(command->record) ||
        (command->record == AUDIT_COMMAND_TICK && index != 0)) {
        (void)audit_differ(walk->report, AUDIT_BYTES, &place,
                           "command %u has the record %u, which is not known, or not there", index,
                           command->record);
    }
    if (command->body_offset % AUDIT_EVENT_SIZE != 0 ||
        (u64)command->body_offset + command->body_size > walk->frame->size) {
        (void)audit_differ(walk->report, AUDIT_BYTES, &place,
                           "the body of command %u is not in the frame", index);
        return false;
    }
    if (!body_is_apart(walk, command, index, bodies_end)) {
        (void)audit_differ(walk->report, AUDIT_BYTES, &place,
                           "the body of command %u lies in the head, or in another's", index);
    }
    return true;
}

// The genesis that the checkpoint has is the log's: it says what the log is made for.
static void genesis_check(struct audit_walk *walk, const struct audit_command *command)
{
    if (command->body_size == sizeof walk->genesis &&
        memcmp(walk->frame->bytes + command->body_offset, &walk->genesis, sizeof walk->genesis) ==
            0) {
        return;
    }
    const struct audit_place place =
        audit_place_log(walk->frame->place + command->body_offset, walk->header->sequence);
    (void)audit_differ(walk->report, AUDIT_CHECKPOINT, &place,
                       "the checkpoint has another genesis than the log");
}

// What the flags of a header say of its commands.
static void flags_check(struct audit_walk *walk)
{
    const struct audit_header *header = walk->header;
    struct audit_command first = {0};
    if (header->command_count > 0) memcpy(&first, walk->frame->bytes + 256, sizeof first);
    const bool is_alone = header->command_count == 1;
    const bool is_genesis = is_alone && first.record == AUDIT_COMMAND_GENESIS;
    const bool is_owner = is_alone && first.record == AUDIT_COMMAND_OVERRIDE;
    const bool is_right = ((header->flags & AUDIT_FRAME_GENESIS) != 0) == (header->sequence == 0) &&
                          is_genesis == (header->sequence == 0) &&
                          ((header->flags & AUDIT_FRAME_OWNER) != 0) == is_owner &&
                          (header->command_count == 0 || (header->flags & AUDIT_FRAME_SEAL) == 0);
    if (is_right) return;
    const struct audit_place place = audit_place_log(walk->frame->place, header->sequence);
    (void)audit_differ(walk->report, AUDIT_L5, &place,
                       "the flags of the header, %u, are not those of a frame with these commands",
                       header->flags);
}

// Whether the checkpoint says that a command was made a refusal.
static bool is_overridden(const struct audit_walk *walk, u64 position)
{
    const struct audit_checkpoint_head *head = &walk->checkpoint->head;
    bool is_named = false;
    for (u32 i = 0; i < head->override_count; i++) is_named |= head->overrides[i] == position;
    return is_named;
}

// An override in the log, which a checkpoint behind it knows: by it a command left no rows.
static void override_take(struct audit_walk *walk, const struct audit_command *command,
                          bool in_history)
{
    const struct audit_checkpoint_head *head = &walk->checkpoint->head;
    u64 position = 0;
    bool is_known = false;
    if (command->body_size == sizeof position) {
        position = load_u64(walk->frame->bytes + command->body_offset);
    }
    for (u32 i = 0; i < head->override_count; i++) {
        if (head->overrides[i] != position) continue;
        walk->overrides |= 1ull << i;
        is_known = true;
    }
    if (is_known || !in_history) return;
    const struct audit_place place =
        audit_place_log(walk->frame->place + command->body_offset, walk->header->sequence);
    (void)audit_differ(walk->report, AUDIT_CHECKPOINT, &place,
                       "the checkpoint does not know the override of command %llu",
                       (unsigned long long)position);
}

static void command_take(struct audit_walk *walk, const struct audit_command *command)
{
    if (is_overridden(walk, walk->position)) {
        walk->report->commands_whole++;
        return;
    }
    switch (command->record) {
    case AUDIT_COMMAND_GENESIS: genesis_check(walk, command); break;
    case AUDIT_COMMAND_TICK: tick_take(walk, command); break;
    case AUDIT_COMMAND_COMPAT: compat_take(walk, command); break;
    case AUDIT_COMMAND_RAW_ACCOUNTS:
    case AUDIT_COMMAND_RAW_TRANSFERS: raw_take(walk, command); break;
    default:
        if (command->record >= AUDIT_COMMAND_MODULES) planned_take(walk, command);
    }
}

static void commands_take(struct audit_walk *walk, bool in_history)
{
    const struct audit_header *header = walk->header;
    u64 bodies_end = 0;
    walk->time = header->timestamp;
    walk->position = header->position;
    for (u32 i = 0; i < header->command_count; i++) {
        struct audit_command command;
        memcpy(&command, walk->frame->bytes + 256 * (1 + (size_t)i), sizeof command);
        const bool is_sound = command_check(walk, &command, i, &bodies_end);
        // A recovery reads overrides ahead: a checkpoint may know some from behind it.
        if (is_sound && command.record == AUDIT_COMMAND_OVERRIDE) {
            override_take(walk, &command, in_history);
        }
        if (!in_history) continue;
        if (!is_sound) {
            lost(walk, "a command cannot be read");
            return;
        }
        walk->time += i > 0;
        command_take(walk, &command);
        walk->position++;
    }
    if (in_history) walk->time_max = walk->time;
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
    const u64 begin = walk->segment_count == 0 ? 0 : walk->segments[walk->segment_count - 1];
    if (walk->rows.next == begin || walk->is_lost) return;
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
    if (walk->segment_count == walk->segment_capacity) {
        walk->segment_capacity = MAX(256, 2 * walk->segment_capacity);
        walk->segments = realloc(walk->segments, walk->segment_capacity * sizeof *walk->segments);
        assert(walk->segments != NULL);
    }
    walk->segments[walk->segment_count++] = walk->rows.next;
}

static void problems_tell(struct audit_walk *walk)
{
    const struct audit_place place = audit_place_log(walk->frame->place, walk->header->sequence);
    for (u32 i = 0; i < AUDIT_FRAME_PROBLEM_COUNT; i++) {
        if ((walk->frame->problems & 1u << i) == 0) continue;
        (void)audit_differ(walk->report, AUDIT_L5, &place, "%s", audit_frame_problem_text(i));
    }
    // What a frame gives its events may pass the beginning of the next one.
    const bool is_told = (walk->frame->problems & 1u << AUDIT_FRAME_TIME) != 0;
    if (walk->header->timestamp <= walk->time_max && !is_told) {
        (void)audit_differ(walk->report, AUDIT_L5, &place,
                           "its time, %llu, is not later than what the frame before gave, %llu",
                           (unsigned long long)walk->header->timestamp,
                           (unsigned long long)walk->time_max);
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
    } else if ((header->flags & AUDIT_FRAME_ROTATE) == 0) {
        what = "end of a segment";
    } else if (!walk->is_lost && (head->timestamp != walk->time_max ||
                                  head->account_timestamp_max != walk->account_time_max ||
                                  head->transfer_timestamp_max != walk->transfer_time_max)) {
        what = "latest time";
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
    flags_check(walk);
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
