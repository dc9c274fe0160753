// SPDX-License-Identifier: Apache-2.0
//
// The rows that commands left, beside the events that they answer.
#include "audit/walk_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFETCH_ROWS 24u

// --- rows ----------------------------------------------------------------------------------------

const struct audit_row *walk_row_peek(struct audit_walk *walk)
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

void walk_lost(struct audit_walk *walk, const char *what)
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
        const struct audit_row *next = walk_row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_DEBITS) break;
        const struct audit_row debits = row_take(walk, next);
        next = walk_row_peek(walk);
        if (next == NULL || next->kind != AUDIT_ROW_CREDITS) {
            walk_lost(walk, "half a snapshot");
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
        const struct audit_row *next = walk_row_peek(walk);
        const bool is_its = next != NULL && next->kind == kind &&
                            audit_row_place(next) == place + (u64)i * AUDIT_EVENT_SIZE;
        if (!is_its && i == 0) {
            walk->report->commands_whole++;
            return;
        }
        if (!is_its) {
            char what[96];
            (void)snprintf(what, sizeof what, "the row of event %u of the command is missing", i);
            walk_lost(walk, what);
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
        walk_lost(walk, "a create of plain clients is not well-formed");
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

// What a server that serves a copy says first, of its own accord: no effects of this log are sent.
static bool is_disarm_of_copy(const struct audit_walk *walk, const struct audit_command *command)
{
    const u64 flag = command->body_offset + sizeof(u32);
    return walk->is_copy_new && command->record == AUDIT_COMMAND_DISARM &&
           command->principal == 0 && command->through == 0 && flag < walk->frame->size &&
           walk->frame->bytes[flag] == 1;
}

// L11, of a command that something came of: who asked is there, and is let in. What a tick carries
// out was asked for earlier. In logs made for tests anybody may ask whom no record closed.
static void principal_check(struct audit_walk *walk, const struct audit_command *command)
{
    const bool is_made_for_tests = (walk->genesis.flags & AUDIT_GENESIS_TESTS) != 0;
    const u64 id = command->principal;
    const char *what = NULL;
    if (is_disarm_of_copy(walk, command)) return;
    if (id == 0 || command->through > AUDIT_THROUGH_DELEGATE) {
        what = "nobody";
    } else if (!audit_principal_is_known(&walk->principals, id) && !is_made_for_tests) {
        what = "a principal that was not opened";
    } else if (audit_principal_is_closed(&walk->principals, id) &&
               command->record != AUDIT_COMMAND_TICK) {
        what = "a principal that was closed";
    } else if (command->through == AUDIT_THROUGH_DELEGATE && !walk->is_delegated) {
        walk_differ(walk, AUDIT_L11,
                    "it took effect in the name of %llu and was given by %llu, who may not",
                    (unsigned long long)id, (unsigned long long)command->session);
    }
    if (what == NULL) return;
    walk_differ(walk, AUDIT_L11, "it took effect and was asked for by %s: %llu, known by %llu",
                what, (unsigned long long)id, (unsigned long long)command->through);
}

// Who gives a command may give it as it begins, whatever its records say of that.
static void delegate_judge(struct audit_walk *walk, const struct audit_command *command)
{
    walk->is_delegated = command->through == AUDIT_THROUGH_DELEGATE &&
                         audit_principal_acts_for(&walk->principals, command->session,
                                                  command->principal, walk->time);
}

// The records that say who acts for whom.
static void delegation_note(struct audit_walk *walk, const struct audit_command *command,
                            const struct audit_row *row)
{
    const bool ends = command->record == AUDIT_COMMAND_DELEGATE_END;
    u64 fields[3] = {0};
    const u64 at = audit_row_place(row) - walk->frame->place;
    const u64 size = ends ? 2 * sizeof(u64) : sizeof fields;
    if (at + size > walk->frame->size) return;
    memcpy(fields, walk->frame->bytes + at, size);
    const bool is_own = command->principal == fields[1] && fields[1] != 0;
    const bool gives_back = ends && command->principal == fields[0];
    if (command->principal != AUDIT_OPERATOR && !is_own && !gives_back) {
        walk_differ(walk, AUDIT_L11, "%llu was let act for %llu, or no more, by %llu, who may not",
                    (unsigned long long)fields[0], (unsigned long long)fields[1],
                    (unsigned long long)command->principal);
    }
    const struct audit_delegation delegation = {
        .delegate = fields[0], .for_id = fields[1], .expires_at = fields[2], .holds = !ends};
    audit_delegation_set(&walk->principals, &delegation);
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
        if (record == AUDIT_COMMAND_DELEGATE || record == AUDIT_COMMAND_DELEGATE_END) {
            delegation_note(walk, command, row);
        }
        return;
    }
    const struct audit_row *next = walk_row_peek(walk);
    if (next == NULL || next->kind != AUDIT_ROW_EVIDENCE || next->timestamp != row->timestamp) {
        walk_lost(walk, "the evidence of a refusal is missing");
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
    // Of a posting that there was before, the row has the time of then.
    const bool is_of_before = row->kind == AUDIT_ROW_POSTING && row->result != AUDIT_CREATED &&
                              row->timestamp < walk->time;
    if (!is_of_before) time_check(walk, row, walk->time);
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
    delegate_judge(walk, command);
    for (;;) {
        const struct audit_row *next = walk_row_peek(walk);
        if (next == NULL || !row_is_its(walk, command, next)) break;
        const struct audit_row row = row_take(walk, next);
        planned_row_take(walk, &planned, &row);
        snapshots_take(walk, &row);
    }
    if (!planned.is_tick && walk->plan.created + walk->plan.refused > 0) {
        walk_lost(walk, "the row of a record is missing behind its postings");
    }
    apply_plan_end(walk, AUDIT_NONE);
    walk->report->commands_whole += !planned.is_tick && walk->rows.next == first;
}

static void raw_take(struct audit_walk *walk, const struct audit_command *command)
{
    const struct audit_row *next = walk_row_peek(walk);
    const bool is_whole = next != NULL && next->kind == AUDIT_ROW_RECORD;
    if (is_whole && row_is_its(walk, command, next)) {
        planned_take(walk, command); // Refused as one, as a module's command is.
        return;
    }
    const u8 *body = walk->frame->bytes + command->body_offset;
    u32 count = 0;
    if (!events_count(body, command->body_size, false, &count) || count != command->count) {
        walk_lost(walk, "a command of raw records is not well-formed");
        return;
    }
    const u64 first = walk->rows.next;
    delegate_judge(walk, command);
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
        const struct audit_row *next = walk_row_peek(walk);
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

// --- commands ------------------------------------------------------------------------------------

void walk_command_take(struct audit_walk *walk, const struct audit_command *command)
{
    switch (command->record) {
    case AUDIT_COMMAND_TICK: tick_take(walk, command); break;
    case AUDIT_COMMAND_COMPAT: compat_take(walk, command); break;
    case AUDIT_COMMAND_RAW_ACCOUNTS:
    case AUDIT_COMMAND_RAW_TRANSFERS: raw_take(walk, command); break;
    default:
        if (command->record >= AUDIT_COMMAND_MODULES) planned_take(walk, command);
    }
    if (command->record != AUDIT_COMMAND_TICK) walk->is_copy_new = false;
}
