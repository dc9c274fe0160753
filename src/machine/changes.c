// SPDX-License-Identifier: Apache-2.0
//
// Pages of the change stream: from rows of history to changes.
//
// A row says what became of an event; which command it was, and whose, is in the frame that holds
// the event. Frames are found by the place of the event, or, of an expiry, which has none, by time:
// frames are in order of both. The few frames found last are kept, so that a reader that goes on,
// and one beside it, find theirs without a walk.
#include "machine/changes.h"

#include "base/place.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "machine/commit.h"

#include <stdlib.h>

#define SCHEMA_MODULE changes
#define SCHEMA_TABLE  "machine/changes.def"
#include "schema/make_descriptors.h"

#define FRAMES_KEPT 4u
// A set of segments is held for so many rows, then the one of the moment.
#define RENEW_ROWS 1024u

struct frame_kept {
    struct frame_header header; // Size 0 of the header: none is kept.
    u32 last;                   // The command that was found last.
    u64 used;                   // When, in look-ups.
    struct frame_command commands[FRAME_COMMANDS_MAX];
};

struct changes_reader {
    struct wal *wal;
    u8 *frame; // FRAME_SIZE_MAX: the one that is being verified.
    u64 looks;
    struct frame_kept frames[FRAMES_KEPT];
    u64 cause_first; // Rows from here to the record's own, `cause_row`, are of one record.
    u64 cause_row;
};

struct changes_reader *changes_reader_new(struct wal *wal)
{
    struct changes_reader *reader = calloc(1, sizeof *reader);
    assert(reader != NULL);
    reader->wal = wal;
    // Grows by touch: most frames are small.
    reader->frame = aligned_alloc(PAGE_SIZE, FRAME_SIZE_MAX);
    assert(reader->frame != NULL);
    return reader;
}

void changes_reader_free(struct changes_reader *reader)
{
    if (reader != NULL) free(reader->frame);
    free(reader);
}

// --- frames --------------------------------------------------------------------------------------

static u64 frame_end(const struct frame_header *header)
{
    return header->place + frame_size(header);
}

// Reads the header at a place below the log's end. `*found` is false when a frame did not fit the
// file there.
static enum status header_read(const struct changes_reader *reader, u64 place,
                               struct frame_header *header, bool *found, struct failure *failure)
{
    *found = false;
    if (place % WAL_FILE_SIZE + sizeof *header > WAL_FILE_SIZE) return STATUS_OK;
    enum status status = wal_read(reader->wal, place, header, sizeof *header, failure);
    if (status != STATUS_OK) return status;
    *found = frame_header_valid(header) && header->place == place;
    return STATUS_OK;
}

static u64 log_end(const struct changes_reader *reader)
{
    return __atomic_load_n(&reader->wal->tail.place, __ATOMIC_RELAXED);
}

// `place` is where it must be.
static enum status frame_lost(struct failure *failure, u64 place)
{
    failure_set(failure, STATUS_CORRUPT, "the log is damaged: %s: no frame holds what is here",
                place_text(place).text);
    failure_hint(failure, WAL_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// The header behind a frame, in its file or the next. `*found` is false at the log's end; before
// it, one that is not there is damage.
static enum status header_next(const struct changes_reader *reader, struct frame_header *header,
                               bool *found, struct failure *failure)
{
    const u64 place = frame_end(header);
    const u64 file_next = (header->place / WAL_FILE_SIZE + 1) * WAL_FILE_SIZE;
    struct frame_header next;
    *found = false;
    if (place >= log_end(reader)) return STATUS_OK;
    enum status status = header_read(reader, place, &next, found, failure);
    if (status == STATUS_OK && !*found && file_next < log_end(reader)) {
        status = header_read(reader, file_next, &next, found, failure);
    }
    if (status != STATUS_OK) return status;
    if (!*found || next.sequence != header->sequence + 1) return frame_lost(failure, place);
    *header = next;
    return STATUS_OK;
}

// What is looked for: the frame around a place, or the last one before a time.
struct frame_search {
    bool by_time;
    u64 value;
};

static bool is_not_behind(const struct frame_search *search, const struct frame_header *header)
{
    return search->by_time ? header->timestamp < search->value : header->place <= search->value;
}

// The header of a file's first frame that is not behind what is looked for.
static enum status file_first(const struct changes_reader *reader,
                              const struct frame_search *search, struct frame_header *header,
                              struct failure *failure)
{
    u64 low = search->by_time ? 0 : search->value / WAL_FILE_SIZE;
    u64 high = search->by_time ? (log_end(reader) - 1) / WAL_FILE_SIZE : low;
    bool found = false;
    while (low < high) { // At most as often as the number of files has bits.
        const u64 middle = (low + high + 1) / 2;
        enum status status = header_read(reader, middle * WAL_FILE_SIZE, header, &found, failure);
        if (status != STATUS_OK) return status;
        if (found && is_not_behind(search, header)) low = middle;
        else high = middle - 1;
    }
    enum status status = header_read(reader, low * WAL_FILE_SIZE, header, &found, failure);
    if (status == STATUS_OK && !found) status = frame_lost(failure, low * WAL_FILE_SIZE);
    return status;
}

// Walks from a frame to the one that is looked for. Ends: each step is a frame further.
static enum status frame_walk(const struct changes_reader *reader,
                              const struct frame_search *search, struct frame_header *header,
                              struct failure *failure)
{
    for (;;) {
        if (!search->by_time && search->value < frame_end(header)) return STATUS_OK;
        struct frame_header next = *header;
        bool found = false;
        enum status status = header_next(reader, &next, &found, failure);
        if (status != STATUS_OK) return status;
        if (search->by_time && (!found || next.timestamp >= search->value)) return STATUS_OK;
        if (!found) return frame_lost(failure, search->value);
        *header = next;
    }
}

// Whether a kept frame is the one; by time that is not known without its neighbour.
static bool frame_is_at(const struct frame_kept *frame, const struct frame_search *search)
{
    return !search->by_time && frame->header.size_of_header != 0 &&
           search->value >= frame->header.place && search->value < frame_end(&frame->header);
}

// Reads a frame whole and verifies it, so that no request is told from one that rotted since it was
// applied; keeps its commands. The frame is read anyway, request by request.
static enum status frame_keep(struct changes_reader *reader, const struct frame_header *header,
                              struct frame_kept *frame, struct failure *failure)
{
    const u64 size = frame_size(header);
    const u64 head = frame_head_size(header->command_count);
    if (size > FRAME_SIZE_MAX || head > size || header->command_count > FRAME_COMMANDS_MAX) {
        return frame_lost(failure, header->place);
    }
    enum status status = wal_read(reader->wal, header->place, reader->frame, size, failure);
    if (status != STATUS_OK) return status;
    const struct frame_part part = {.data = reader->frame + head, .size = size - head};
    struct digest digest;
    frame_digest(reader->frame + sizeof *header, head - sizeof *header, &part, 1, &digest);
    if (memcmp(&digest, &header->body_digest, sizeof digest) != 0) {
        failure_set(failure, STATUS_CORRUPT,
                    "the log is damaged: %s: frame %llu has a damaged body",
                    place_text(header->place).text, (unsigned long long)header->sequence);
        failure_hint(failure, WAL_DAMAGE_HINT);
        return STATUS_CORRUPT;
    }
    memcpy(frame->commands, reader->frame + sizeof *header,
           header->command_count * sizeof frame->commands[0]);
    frame->header = *header;
    return STATUS_OK;
}

static enum status frame_find(struct changes_reader *reader, const struct frame_search *search,
                              struct frame_kept **out, struct failure *failure)
{
    struct frame_kept *oldest = &reader->frames[0];
    const struct frame_kept *nearest = NULL;
    reader->looks++;
    for (u32 i = 0; i < FRAMES_KEPT; i++) {
        struct frame_kept *frame = &reader->frames[i];
        if (frame_is_at(frame, search)) {
            frame->used = reader->looks;
            *out = frame;
            return STATUS_OK;
        }
        if (frame->used < oldest->used) oldest = frame;
        if (frame->header.size_of_header == 0 || !is_not_behind(search, &frame->header)) continue;
        if (nearest == NULL || frame->header.place > nearest->header.place) nearest = frame;
    }
    struct frame_header header;
    enum status status = file_first(reader, search, &header, failure);
    if (status != STATUS_OK) return status;
    if (nearest != NULL && nearest->header.place > header.place) header = nearest->header;
    status = frame_walk(reader, search, &header, failure);
    if (status != STATUS_OK) return status;
    struct frame_kept *frame = oldest;
    for (u32 i = 0; i < FRAMES_KEPT && search->by_time; i++) {
        if (reader->frames[i].header.size_of_header != 0 &&
            reader->frames[i].header.place == header.place) {
            frame = &reader->frames[i];
        }
    }
    *out = frame;
    frame->used = reader->looks;
    if (frame->header.size_of_header != 0 && frame->header.place == header.place) return STATUS_OK;
    frame->last = 0;
    frame->header = (struct frame_header){0}; // Until the commands are there.
    return frame_keep(reader, &header, frame, failure);
}

static bool command_holds(const struct frame_kept *frame, u32 index, u64 place)
{
    const struct frame_command *command = &frame->commands[index];
    const u64 begin = frame->header.place + command->body_offset;
    return command->body_size > 0 && place >= begin && place < begin + command->body_size;
}

// The command of a frame whose body has the place; else the one that says that time has passed.
static u32 command_find(struct frame_kept *frame, u64 place)
{
    const u32 count = frame->header.command_count;
    u32 tick = count;
    if (frame->last < count && command_holds(frame, frame->last, place)) return frame->last;
    for (u32 i = 0; i < count; i++) {
        if (command_holds(frame, i, place)) return frame->last = i;
        if (frame->commands[i].record == COMMAND_TICK) tick = i;
    }
    return tick;
}

// Whose command a row is of, and which. `*body` is where its body begins, of a tick 0.
static enum status command_tell(struct changes_reader *reader, const struct outcome *outcome,
                                struct change *change, u64 *body, struct failure *failure)
{
    const bool by_time = outcome->kind == OUTCOME_EXPIRY;
    const struct frame_search search = {
        .by_time = by_time, .value = by_time ? outcome->timestamp : outcome_place(outcome)};
    struct frame_kept *frame = NULL;
    enum status status = frame_find(reader, &search, &frame, failure);
    if (status != STATUS_OK) return status;
    const u32 index = command_find(frame, by_time ? 0 : search.value);
    if (index == frame->header.command_count) {
        return frame_lost(failure, by_time ? frame->header.place : search.value);
    }
    const struct frame_command *command = &frame->commands[index];
    change->position = frame->header.position + index;
    change->principal = command->principal;
    change->command_id = command->command_id;
    *body = command->body_size == 0 ? 0 : frame->header.place + command->body_offset;
    return STATUS_OK;
}

// --- changes -------------------------------------------------------------------------------------

// A page being made.
struct draft {
    struct changes_reader *reader;
    struct history_view *view;
    struct changes_page *page;
    u32 flags;
};

// Where the payload of the next change goes, if there is room for so many bytes.
static u8 *payload_room(const struct draft *draft, u64 size)
{
    const struct changes_page *page = draft->page;
    if (page->size + sizeof(struct change) + size > page->room) return NULL;
    return page->out + page->size + sizeof(struct change);
}

// Adds the change whose payload is in its place.
static void change_add(const struct draft *draft, const struct change *change)
{
    struct changes_page *page = draft->page;
    memcpy(page->out + page->size, change, sizeof *change);
    const u32 end = page->size + (u32)sizeof *change + change->payload_size;
    const u32 next = MIN((u32)align_up(end, CHANGES_ALIGNMENT), page->room);
    memset(page->out + end, 0, next - end);
    page->size = next;
    page->count++;
}

// The row of the record that made this row; none when time did.
static enum status cause_find(const struct draft *draft, u64 row, const struct outcome *outcome,
                              u64 *cause, struct failure *failure)
{
    struct changes_reader *reader = draft->reader;
    if (row >= reader->cause_first && row < reader->cause_row) {
        *cause = reader->cause_row;
        return STATUS_OK;
    }
    *cause = U64_MAX;
    for (u64 next = row + 1; next < draft->view->row_end; next++) { // At most a record's rows.
        struct outcome behind;
        enum status status =
            history_row(draft->view->history, draft->view->set, next, &behind, failure);
        if (status != STATUS_OK) return status;
        if (behind.kind == OUTCOME_BALANCE_DEBITS || behind.kind == OUTCOME_BALANCE_CREDITS) {
            continue;
        }
        if (outcome_place(&behind) != outcome_place(outcome)) return STATUS_OK;
        if (behind.kind != OUTCOME_COMMAND) continue;
        reader->cause_first = row;
        reader->cause_row = next;
        *cause = next;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static u32 event_index(const struct outcome *outcome, u64 body)
{
    const u64 place = outcome_place(outcome);
    return body == 0 || place < body ? 0 : (u32)((place - body) / sizeof(struct transfer));
}

static enum change_kind transfer_kind(u16 flags)
{
    if (flags & TRANSFER_POST_PENDING) return CHANGE_KIND_POST;
    if (flags & TRANSFER_VOID_PENDING) return CHANGE_KIND_VOID;
    return flags & TRANSFER_PENDING ? CHANGE_KIND_HOLD : CHANGE_KIND_TRANSFER;
}

// Of what a plain client asked for: the request as it is in the log.
static enum status request_read(const struct draft *draft, const struct outcome *outcome, void *out,
                                struct failure *failure)
{
    const struct history_log *log = &draft->view->history->log;
    static_assert(sizeof(struct account) == sizeof(struct transfer), "events of one size");
    return log->read(log->context, outcome_place(outcome), out, sizeof(struct account), failure);
}

static enum status account_make(const struct draft *draft, u64 row, const struct outcome *outcome,
                                struct change *change, void *out, struct failure *failure)
{
    change->kind = CHANGE_KIND_ACCOUNT;
    change->record = ledger_schema_account.number;
    change->payload_size = sizeof(struct account);
    u64 body = 0;
    enum status status = command_tell(draft->reader, outcome, change, &body, failure);
    if (status != STATUS_OK) return status;
    if (outcome->result != OUTCOME_CREATED) {
        change->index = event_index(outcome, body);
        return request_read(draft, outcome, out, failure);
    }
    // Of the account only what never changes is read.
    const struct account *made = &draft->view->accounts[outcome->debit_row];
    const struct account account = {
        .id = made->id,
        .user_data_128 = made->user_data_128,
        .user_data_64 = made->user_data_64,
        .user_data_32 = made->user_data_32,
        .ledger = made->ledger,
        .code = outcome->code,
        .flags = outcome->flags,
        .timestamp = outcome->timestamp,
    };
    memcpy(out, &account, sizeof account);
    if (account_class(made) == 0) {
        change->index = event_index(outcome, body);
        return STATUS_OK;
    }
    return cause_find(draft, row, outcome, &change->cause_row, failure);
}

static enum status transfer_make(const struct draft *draft, u64 row, const struct outcome *outcome,
                                 struct change *change, void *out, struct failure *failure)
{
    change->record = ledger_schema_transfer.number;
    change->payload_size = sizeof(struct transfer);
    change->kind = outcome->kind == OUTCOME_EXPIRY ? (u8)CHANGE_KIND_EXPIRY
                                                   : (u8)transfer_kind(outcome->flags);
    u64 body = 0;
    enum status status = command_tell(draft->reader, outcome, change, &body, failure);
    if (status != STATUS_OK) return status;
    if (outcome->kind == OUTCOME_TRANSFER) change->index = event_index(outcome, body);
    if (outcome->result != OUTCOME_CREATED) return request_read(draft, outcome, out, failure);
    struct transfer transfer;
    status = history_change(draft->view, row, outcome, &transfer, &change->held_row,
                            &change->released, failure);
    memcpy(out, &transfer, sizeof transfer);
    if (status != STATUS_OK || outcome->kind != OUTCOME_POSTING) return status;
    return cause_find(draft, row, outcome, &change->cause_row, failure);
}

// The record that a row tells of, as it is in the log. `*fits` is false when there is no room; a
// record that was refused because it is none has no payload.
static enum status record_make(const struct draft *draft, const struct outcome *outcome,
                               struct change *change, bool *fits, struct failure *failure)
{
    const struct history_log *log = &draft->view->history->log;
    const struct schema_record *record = module_record_of(outcome->code);
    const u64 place = outcome_place(outcome);
    u64 body = 0;
    change->kind = CHANGE_KIND_RECORD;
    change->record = outcome->code;
    change->index = (u32)outcome->amount;
    enum status status = command_tell(draft->reader, outcome, change, &body, failure);
    const bool is_none = outcome->result == MODULE_UNKNOWN || outcome->result == MODULE_MALFORMED ||
                         outcome->result == MODULE_EXPIRED || record == NULL;
    *fits = payload_room(draft, is_none ? 0 : record->size) != NULL;
    if (status != STATUS_OK || is_none || !*fits) return status;
    u8 *out = payload_room(draft, record->size);
    status = log->read(log->context, place, out, record->size, failure);
    if (status != STATUS_OK) return status;
    const u64 size = record_binary_size(record, out);
    *fits = size <= U32_MAX && payload_room(draft, size) != NULL;
    change->payload_size = (u32)size;
    if (!*fits || size == record->size) return STATUS_OK;
    return log->read(log->context, place + record->size, out + record->size, size - record->size,
                     failure);
}

static enum status evidence_make(const struct draft *draft, u64 row, const struct outcome *outcome,
                                 struct change *change, void *out, struct failure *failure)
{
    struct outcome refused; // The row before.
    enum status status =
        history_row(draft->view->history, draft->view->set, row - 1, &refused, failure);
    if (status != STATUS_OK) return status;
    u64 body = 0;
    const struct change_evidence evidence = {
        .value = outcome->id,
        .limit = outcome->amount,
        .posting = outcome->debit_row,
        .posting_result = outcome->credit_row,
    };
    memcpy(out, &evidence, sizeof evidence);
    change->kind = CHANGE_KIND_EVIDENCE;
    change->record = changes_schema_change_evidence.number;
    change->payload_size = sizeof evidence;
    change->index = (u32)refused.amount;
    change->result = refused.result;
    return command_tell(draft->reader, &refused, change, &body, failure);
}

// Whether a row is a change for whoever asked. What a principal may not see would be left out here;
// so far everybody who is let in sees everything.
static bool is_wanted(const struct draft *draft, const struct outcome *outcome)
{
    const bool done = outcome->result == OUTCOME_CREATED;
    switch ((enum outcome_kind)outcome->kind) {
    case OUTCOME_ACCOUNT:
    case OUTCOME_TRANSFER:
    case OUTCOME_COMMAND: return done || (draft->flags & CHANGES_REFUSED) != 0;
    case OUTCOME_EXPIRY: return true;
    case OUTCOME_POSTING: return done; // The refusal of its record tells the rest.
    case OUTCOME_EVIDENCE: return (draft->flags & CHANGES_REFUSED) != 0;
    case OUTCOME_NONE:
    case OUTCOME_BALANCE_DEBITS:
    case OUTCOME_BALANCE_CREDITS: return false;
    }
    return false;
}

static enum status change_make(const struct draft *draft, u64 row, const struct outcome *outcome,
                               bool *fits, struct failure *failure)
{
    struct change change = {
        .row = row,
        .timestamp = outcome->timestamp,
        .held_row = U64_MAX,
        .cause_row = U64_MAX,
        .result = outcome->result == OUTCOME_CREATED ? 0 : outcome->result,
    };
    enum status status = STATUS_OK;
    u8 *out = payload_room(draft, sizeof(struct transfer));
    *fits = out != NULL;
    if (!*fits) return STATUS_OK;
    switch ((enum outcome_kind)outcome->kind) {
    case OUTCOME_ACCOUNT: status = account_make(draft, row, outcome, &change, out, failure); break;
    case OUTCOME_COMMAND: status = record_make(draft, outcome, &change, fits, failure); break;
    case OUTCOME_EVIDENCE:
        status = evidence_make(draft, row, outcome, &change, out, failure);
        break;
    default: status = transfer_make(draft, row, outcome, &change, out, failure);
    }
    if (status == STATUS_OK && *fits) change_add(draft, &change);
    return status;
}

enum status changes_read(struct changes_reader *reader, struct history_view *view, u64 from,
                         u32 flags, struct changes_page *page, struct failure *failure)
{
    const struct draft draft = {.reader = reader, .view = view, .page = page, .flags = flags};
    const u64 end = MIN(view->row_end, from + MIN(CHANGES_LOOKS_MAX, U64_MAX - from));
    page->size = 0;
    page->count = 0;
    page->next = from;
    reader->cause_row = 0; // Of rows that may have been cut since: none of them is known.
    for (u64 row = from; row < end; row++) {
        struct outcome outcome;
        if ((row - from) % RENEW_ROWS == RENEW_ROWS - 1) history_view_renew(view);
        enum status status = history_row(view->history, view->set, row, &outcome, failure);
        if (status != STATUS_OK) return status;
        bool fits = true;
        if (is_wanted(&draft, &outcome)) {
            status = change_make(&draft, row, &outcome, &fits, failure);
            if (status != STATUS_OK) return status;
        }
        if (!fits) {
            assert(page->count > 0); // Any change fits an empty page.
            break;
        }
        page->next = row + 1;
    }
    return STATUS_OK;
}
