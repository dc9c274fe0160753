// SPDX-License-Identifier: Apache-2.0
//
// Frames in order: their commands, outcome roots, segments, and where the checkpoint was taken.
#include "audit/walk_internal.h"

#include <stdlib.h>

enum status audit_walk_init(struct audit_walk *walk, const struct audit_folder *folder,
                            const struct audit_checkpoint *checkpoint, struct audit_heads *heads,
                            const struct audit_progress *progress, struct audit_report *report,
                            struct failure *failure)
{
    struct hash_key key = {{0}};
    *walk = (struct audit_walk){.report = report,
                                .checkpoint = checkpoint,
                                .heads = heads,
                                .progress = progress,
                                .failure = failure};
    memcpy(&walk->genesis, checkpoint->head.genesis, sizeof walk->genesis);
    walk->position = 1;
    const enum status status = audit_key_draw(&key, failure);
    audit_books_init(&walk->books, &key);
    audit_ids_init(&walk->ids, &key, AUDIT_IDS_RUN);
    audit_ids_init(&walk->account_ids, &key, AUDIT_IDS_RUN);
    audit_tree_init(&walk->tree, folder, report);
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
    audit_tree_free(&walk->tree);
    audit_principals_free(&walk->principals);
    free(walk->taken);
    free(walk->leaves);
    free(walk->plan.touched);
    free(walk->segments);
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
            walk_lost(walk, "a command cannot be read");
            return;
        }
        walk->time += i > 0;
        if (command.record == AUDIT_COMMAND_GENESIS) genesis_check(walk, &command);
        if (is_overridden(walk, walk->position)) walk->report->commands_whole++;
        else walk_command_take(walk, &command);
        walk->position++;
    }
    if (in_history) walk->time_max = walk->time;
}

// Derives the cumulative outcome root behind the frame from its rows.
static void root_derive(struct audit_walk *walk)
{
    if (walk->taken_count > 0) {
        struct audit_tree_leaf leaf = {.end_row = walk->rows.next, .place = walk->frame->place};
        merkle_leaves(walk->taken, AUDIT_LEAF_SIZE, sizeof *walk->taken, walk->taken_count,
                      walk->leaves);
        merkle_root(walk->leaves, walk->taken_count, &leaf.root);
        const enum status status = audit_tree_add(&walk->tree, &leaf, walk->failure);
        if (walk->status == STATUS_OK) walk->status = status;
    }
    const u64 sequence = walk->header->sequence;
    merkle_range_root(&walk->tree.range, &walk->roots[sequence % AUDIT_OUTCOME_LAG_MAX]);
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
        const struct audit_row *row = walk_row_peek(walk);
        if (row == NULL) {
            walk_lost(walk, "the padding of a segment is missing");
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
    merkle_range_root(&walk->tree.range, &roots[0]);
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
    } else if (!walk->is_lost && (head->outcomes.count != walk->tree.range.count ||
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
    if (header.sequence > 0 && header.log_id != walk->report->log_id) walk->is_copy_new = true;
    walk->report->log_id = header.log_id;
    walk->report->head = frame->hash;
    if (!in_history) {
        walk->report->frames_ahead++;
        walk->report->commands_ahead += header.command_count;
    }
    commands_take(walk, in_history);
    if (in_history) root_derive(walk);
    if (has_checkpoint) root_check(walk);
    if (walk->heads != NULL) {
        audit_heads_frame(walk->heads, frame, &header,
                          in_history && !walk->is_lost ? &walk->tree : NULL, walk->report);
    }
    if (in_history && (header.flags & AUDIT_FRAME_ROTATE)) segment_end(walk);
    if (has_checkpoint && header.sequence + 1 == covered) checkpoint_place_check(walk);
    walk->frame = NULL;
    walk->header = NULL;
    return walk->status;
}
