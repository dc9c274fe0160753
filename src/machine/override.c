// SPDX-License-Identifier: Apache-2.0
//
// Overrides and the watch over crashes.
#include "machine/override.h"

#include "machine/checkpoint.h"

#include <stdlib.h>

enum status crash_watch_begin(struct crash_watch *watch, const struct machine *machine,
                              struct failure *failure)
{
    if (watch->recovering == 1) { // The last recovery did not end.
        const u64 attempts = watch->died_at == watch->position ? watch->attempts + 1 : 1;
        watch->died_at = watch->position;
        const bool overridden = machine_is_overridden(machine, watch->died_at);
        if (attempts >= OVERRIDE_ATTEMPTS_MAX && !overridden) {
            failure_set(failure, STATUS_INVALID,
                        "recovery died %llu times while applying command %llu of the log, by the "
                        "file applying",
                        (unsigned long long)attempts, (unsigned long long)watch->died_at);
            failure_hint(failure,
                         "report it; to go on without this command: tael override DIR --position "
                         "%llu makes it a refusal, in the log; if somebody else wrote to the file, "
                         "remove it",
                         (unsigned long long)watch->died_at);
            return STATUS_INVALID; // Not tried, so not counted.
        }
        watch->attempts = attempts;
    }
    watch->recovering = 1;
    return STATUS_OK;
}

void crash_watch_leave(struct crash_watch *watch)
{
    watch->recovering = 0;
}

void crash_watch_end(struct crash_watch *watch)
{
    watch->recovering = 0;
    watch->attempts = 0;
}

// Whether a frame behind `tail` was appended by an owner: by the headers alone, which is quick.
// What ends or is damaged ends the look, since replay judges it; what cannot be read does not.
static enum status owner_find(struct wal *wal, const struct wal_tail *tail, bool *found,
                              struct failure *failure)
{
    struct frame_header header;
    u64 sequence = tail->sequence;
    u64 place = tail->place;
    *found = false;
    for (;;) {
        enum status status = wal_read_some(wal, place, &header, sizeof header, failure);
        if (status == STATUS_NOT_FOUND) return STATUS_OK;
        if (status != STATUS_OK) return status;
        if (!frame_header_valid(&header) || header.sequence != sequence || header.place != place) {
            // A frame that did not fit its file opens the next one.
            if (place % WAL_FILE_SIZE == 0) return STATUS_OK;
            place = (place / WAL_FILE_SIZE + 1) * WAL_FILE_SIZE;
            continue;
        }
        *found = (header.flags & FRAME_OWNER) != 0;
        if (*found) return STATUS_OK;
        place += frame_size(&header);
        sequence++;
    }
}

enum status override_scan(struct wal *wal, const struct wal_tail *tail, struct machine *machine,
                          struct failure *failure)
{
    bool found = false;
    enum status status = owner_find(wal, tail, &found, failure);
    if (status != STATUS_OK || !found) return status;
    struct wal_reader reader;
    status = wal_reader_init(&reader, wal, tail, failure);
    while (status == STATUS_OK) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        status = wal_reader_next(&reader, &view, &end, failure);
        if (status != STATUS_OK || end != WAL_FRAME) break;
        for (u32 i = 0; i < view.header->command_count; i++) {
            if (view.commands[i].record != COMMAND_OVERRIDE) continue;
            if (view.commands[i].body_size != sizeof(u64)) continue;
            machine_override(machine, load_u64(view.bodies[i]));
        }
    }
    wal_reader_free(&reader);
    return status;
}

// What an override must know of the log.
struct log_end {
    u64 position;  // Of the last command.
    u64 timestamp; // Later than every timestamp that the last frame can have given.
    bool is_known; // A frame names the outcomes of the command that is to be overridden.
    u32 overrides; // Overrides that there are.
};

static enum status log_end_find(struct wal_reader *reader, u64 position, struct log_end *end,
                                struct failure *failure)
{
    u64 holder = U64_MAX; // Sequence of the frame that holds the command.
    *end = (struct log_end){0};
    for (;;) {
        struct frame_view view;
        enum wal_end what = WAL_END;
        enum status status = wal_reader_next(reader, &view, &what, failure);
        if (status != STATUS_OK || what != WAL_FRAME) return status;
        const struct frame_header *header = view.header;
        end->position = header->position + header->command_count - 1;
        end->timestamp =
            header->timestamp + LEDGER_EVENTS_MAX + LEDGER_BATCH_EVENTS_MAX + FRAME_COMMANDS_MAX;
        if (position >= header->position && position <= end->position) holder = header->sequence;
        for (u32 i = 0; i < header->command_count; i++) {
            end->overrides += view.commands[i].record == COMMAND_OVERRIDE;
        }
        bool names = (header->flags & (FRAME_GENESIS | FRAME_OWNER)) == 0;
        if (names && header->outcome_sequence >= holder) end->is_known = true;
    }
}

static enum status position_check(struct disk *disk, u64 position, const struct log_end *end,
                                  struct failure *failure)
{
    if (end->position < 2) {
        return failure_set(failure, STATUS_INVALID, "there is nothing to override: %s",
                           end->position == 0 ? "there is no log"
                                              : "the log has its first command alone");
    }
    if (position < 2 || position > end->position) {
        return failure_set(failure, STATUS_INVALID,
                           "the log has commands 2 to %llu that can be overridden, not %llu",
                           (unsigned long long)end->position, (unsigned long long)position);
    }
    if (end->overrides >= MACHINE_OVERRIDES_MAX) {
        return failure_set(failure, STATUS_INVALID, "the log has %u overrides, which is the most",
                           end->overrides);
    }
    struct checkpoint_head *head = malloc(sizeof *head);
    assert(head != NULL);
    enum status status = checkpoint_find(disk, head, failure);
    bool is_covered = status == STATUS_OK && position <= head->position;
    free(head);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    if (!is_covered && !end->is_known) return STATUS_OK;
    failure_set(failure, STATUS_INVALID,
                "command %llu was applied and its outcome is known: it cannot become a refusal",
                (unsigned long long)position);
    failure_hint(failure, "the start that was refused names the position of the command");
    return STATUS_INVALID;
}

static enum status frame_append(struct wal *wal, const struct log_end *end, u64 position, u64 now,
                                struct failure *failure)
{
    const struct frame_header header = {
        .position = end->position + 1,
        .timestamp = MAX(now, end->timestamp + 1),
        .flags = FRAME_OWNER,
    };
    const struct frame_command command = {.record = COMMAND_OVERRIDE, .version = 1};
    return wal_append_command(wal, &header, &command, &position, sizeof position, failure);
}

enum status override_append(struct disk *disk, u64 position, u64 now, struct failure *failure)
{
    struct wal wal;
    struct wal_reader reader = {0};
    struct log_end end;
    const struct wal_tail from = {0};
    enum status status = wal_init(&wal, disk, failure);
    if (status != STATUS_OK) return status;
    status = wal_may_append(&wal, failure);
    if (status == STATUS_OK) status = wal_reader_init(&reader, &wal, &from, failure);
    if (status == STATUS_OK) status = log_end_find(&reader, position, &end, failure);
    if (status == STATUS_OK) status = position_check(disk, position, &end, failure);
    if (status == STATUS_OK) status = wal_reader_cut(&reader, failure);
    if (status == STATUS_OK) status = frame_append(&wal, &end, position, now, failure);
    if (reader.buffer != NULL) wal_reader_free(&reader);
    wal_free(&wal);
    return status;
}
