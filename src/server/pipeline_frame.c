// SPDX-License-Identifier: Apache-2.0
//
// Frames, the owner's thread: commands that wait become a frame, the machine decides it, replies
// leave when it is durable.
#include "server/pipeline_internal.h"

#include "machine/commit.h"

#include <errno.h>
#include <unistd.h>

#define BODY_PACKED_MAX  (64 * KIB)
#define INLINE_WRITE_MAX (64 * KIB)
#define INLINE_AFTER     8u          // As many small frames in a row.
#define GROUP_BYTES      (256 * KIB) // Enough to begin a frame while another is being written.
#define SEAL_IDLE_NS     NS_PER_MS
// Small commands wait so long for a large one that is likely to come: another was there not long
// ago. They share its frame then, and do not delay it by one of their own.
#define HOLD_NS         (2 * NS_PER_MS)
#define LARGE_RECENT_NS (4 * NS_PER_MS)
// A job is advanced at once while nothing else is asked, else so often: a slice takes some
// milliseconds, which the commands of its frame wait for.
#define SLICE_PACE_NS (20 * NS_PER_MS)

u32 pipeline_room(const struct pipeline *pipeline)
{
    return WAITING_MAX - pipeline->waiting_count;
}

// How a command makes raw accounts or transfers, or NULL.
static const struct compat_operation *operation_of(const struct frame_command *entry)
{
    return entry->record == COMMAND_COMPAT ? compat_operation((u8)entry->operation)
                                           : compat_of_record(entry->record);
}

static bool is_of_module(const struct frame_command *entry)
{
    return entry->record >= COMMAND_MODULES && operation_of(entry) == NULL;
}

// What the creates of one kind that wait may add to their table.
static u64 waiting_need(const struct pipeline *pipeline, enum compat_kind kind)
{
    u64 needed = 0;
    for (u32 i = 0; i < pipeline->waiting_count; i++) {
        const struct pipeline_command *command =
            &pipeline->waiting[(pipeline->waiting_first + i) % WAITING_MAX];
        const struct compat_operation *operation = operation_of(&command->entry);
        if (operation == NULL || operation->kind != kind) continue;
        needed += machine_records_needed(&pipeline->node->machine, operation,
                                         buffer_body(command->body), command->entry.body_size);
    }
    return needed;
}

bool pipeline_has_room(const struct pipeline *pipeline, const struct compat_operation *operation,
                       const u8 *body, u32 size)
{
    const struct machine *machine = &pipeline->node->machine;
    bool accounts = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS;
    // Frames are decided as they are closed, so only what waits is not counted in the tables yet.
    // Far from the limit it is enough that there is room if every event were a new record.
    u64 more = (size + pipeline->waiting_bytes) / operation->event_size;
    if (ledger_has_room(&machine->ledger, accounts ? more : 0, accounts ? 0 : more)) return true;
    more = machine_records_needed(machine, operation, body, size);
    if (more == 0) return true; // It takes nothing, and may free something.
    more += waiting_need(pipeline, operation->kind);
    return ledger_has_room(&machine->ledger, accounts ? more : 0, accounts ? 0 : more);
}

void pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command)
{
    assert(pipeline->waiting_count < WAITING_MAX);
    if (pipeline->waiting_count == 0) pipeline->waiting_since = pipeline->now;
    u32 at = (pipeline->waiting_first + pipeline->waiting_count++) % WAITING_MAX;
    pipeline->waiting[at] = *command;
    pipeline->waiting_bytes += command->entry.body_size;
}

static u64 body_space(u32 size)
{
    return size <= BODY_PACKED_MAX ? align_up(size, FRAME_BODY_ALIGNMENT)
                                   : align_up(size, PAGE_SIZE);
}

// The most rows that a command may leave in history.
static u64 rows_max(const struct frame_command *entry)
{
    if (entry->record < COMMAND_MODULES || compat_of_record(entry->record) != NULL) {
        return (u64)HISTORY_POSTING_ROWS_MAX * (entry->body_size / sizeof(struct transfer));
    }
    return command_rows_max(module_record_of(entry->record), entry->count, entry->body_size);
}

// Whether commands of modules wait (commit.h). No job is running, mostly.
static bool holds_up(const struct pipeline *pipeline)
{
    return UNLIKELY(pipeline->next_tick == 0) && commit_holds_up(&pipeline->node->machine);
}

// Makes the tick of a frame, with what it has to bring along; `*alone` when nothing else may be in
// the frame. False when there is no buffer for it.
static bool tick_make(struct pipeline *pipeline, struct pipeline_command *tick, bool *alone)
{
    struct machine *machine = &pipeline->node->machine;
    *tick = (struct pipeline_command){.entry = commit_tick(machine, alone)};
    const u32 size = tick->entry.body_size;
    if (LIKELY(size == 0)) return true;
    tick->body = buffer_take(pipeline);
    if (tick->body == NULL) return false;
    struct failure failure;
    if (commit_tick_body(machine, buffer_body(tick->body), &failure) != STATUS_OK) {
        pipeline_fatal(pipeline, &failure);
    }
    memset(buffer_body(tick->body) + size, 0, align_up(size, PAGE_SIZE) - size);
    return true;
}

static struct pipeline_command *waiting_at(struct pipeline *pipeline, u32 index)
{
    return &pipeline->waiting[(pipeline->waiting_first + index) % WAITING_MAX];
}

// While commands of modules are held up: brings the first command that is none before those that
// wait, which stay in their order. False when there is none. Of the tael port none goes past
// another, since a client may have sent both.
static bool held_pass(struct pipeline *pipeline)
{
    u32 index = 0;
    while (index < pipeline->waiting_count) {
        const struct frame_command *entry = &waiting_at(pipeline, index)->entry;
        if (index == 0 ? !is_of_module(entry) : entry->record < COMMAND_MODULES) break;
        index++;
    }
    if (index == pipeline->waiting_count) return false;
    const struct pipeline_command passes = *waiting_at(pipeline, index);
    for (; index > 0; index--) *waiting_at(pipeline, index) = *waiting_at(pipeline, index - 1);
    *waiting_at(pipeline, 0) = passes;
    return true;
}

// Moves commands from the queue into the job, as many as fit a frame and have a buffer for their
// reply; with `tick`, one of time before them, or alone. Returns how many the job has.
static u32 job_fill(struct pipeline *pipeline, struct job *job, bool tick)
{
    u32 count = 0;
    u64 packed = 0;
    u64 large = 0;
    u64 rows = HISTORY_COMMANDS_ROWS_MAX;
    const bool are_held = holds_up(pipeline);
    if (tick) {
        bool alone = false;
        if (!tick_make(pipeline, &job->commands[0], &alone)) return 0;
        count = 1;
        if (UNLIKELY(alone)) return count;
    }
    while (pipeline->waiting_count > 0 && count < FRAME_COMMANDS_MAX) {
        if (UNLIKELY(are_held) && !held_pass(pipeline)) break;
        struct pipeline_command *command = waiting_at(pipeline, 0);
        u64 space = body_space(command->entry.body_size);
        bool is_packed = command->entry.body_size <= BODY_PACKED_MAX;
        if (is_packed && packed + space > PACK_SIZE_MAX) break;
        if (FRAME_HEAD_SIZE_MAX + packed + large + space + PAGE_SIZE > FRAME_SIZE_MAX) break;
        if (rows_max(&command->entry) > rows) break;
        command->reply = buffer_take(pipeline);
        if (command->reply == NULL) break;
        rows -= rows_max(&command->entry);
        if (is_packed) packed += space;
        else large += space;
        if (command->entry.body_size >= GROUP_BYTES) pipeline->last_large = pipeline->now;
        job->commands[count++] = *command;
        pipeline->waiting_first = (pipeline->waiting_first + 1) % WAITING_MAX;
        pipeline->waiting_count--;
        pipeline->waiting_bytes -= command->entry.body_size;
    }
    return count;
}

// Lays the frame out: large bodies where they are, small ones copied behind them.
static void job_layout(struct pipeline *pipeline, struct job *job, u32 count)
{
    struct frame_command *entries = (void *)(job->head + sizeof(struct frame_header));
    u64 head = frame_head_size(count);
    memset(job->head, 0, head);
    u64 offset = head;
    job->wal.head = job->head;
    job->wal.head_size = head;
    job->wal.part_count = 0;
    for (u32 i = 0; i < count; i++) {
        struct pipeline_command *command = &job->commands[i];
        if (command->entry.body_size <= BODY_PACKED_MAX) continue;
        u64 space = body_space(command->entry.body_size);
        command->entry.body_offset = (u32)offset;
        job->bodies[i] = buffer_body(command->body);
        assert(job->wal.part_count < ARRAY_COUNT(job->wal.parts) - 1);
        job->wal.parts[job->wal.part_count++] =
            (struct frame_part){.data = job->bodies[i], .size = space};
        offset += space;
    }
    u64 packed = 0;
    for (u32 i = 0; i < count; i++) {
        struct pipeline_command *command = &job->commands[i];
        u32 size = command->entry.body_size;
        if (size > BODY_PACKED_MAX) continue;
        u64 space = body_space(size);
        command->entry.body_offset = size == 0 ? 0 : (u32)(offset + packed);
        job->bodies[i] = job->pack + packed;
        if (size > 0) memcpy(job->pack + packed, buffer_body(command->body), size);
        memset(job->pack + packed + size, 0, space - size);
        packed += space;
        buffer_give(pipeline, command->body);
        command->body = NULL;
    }
    if (packed > 0) {
        u64 padded = align_up(packed, PAGE_SIZE);
        memset(job->pack + packed, 0, padded - packed);
        job->wal.parts[job->wal.part_count++] =
            (struct frame_part){.data = job->pack, .size = padded};
        offset += padded;
    }
    for (u32 i = 0; i < count; i++) entries[i] = job->commands[i].entry;
    job->size = offset;
    job->view = (struct frame_view){
        .header = (const void *)job->head, .commands = entries, .bodies = job->bodies};
}

static u64 tables_bytes(const struct pipeline *pipeline)
{
    u64 pages = 0;
    for (u32 i = 0; i < pipeline->node->checkpoint.table_count; i++) {
        pages += table_page_count(pipeline->node->checkpoint.tables[i].table);
    }
    return pages * PAGE_SIZE;
}

static bool checkpoint_due(const struct pipeline *pipeline)
{
    u64 written = pipeline->next_place - pipeline->checkpoint_place;
    return !pipeline->checkpoint_active &&
           written >= MAX(pipeline->options.checkpoint_bytes, 2 * tables_bytes(pipeline));
}

static void job_header(struct pipeline *pipeline, struct job *job, u32 count, u32 flags, u64 now)
{
    const struct machine *machine = &pipeline->node->machine;
    struct frame_header *header = (void *)job->head;
    header->position = machine->position + 1;
    header->timestamp = MAX(now, machine->timestamp + 1);
    header->command_count = count;
    header->flags = flags;
    header->sequence = pipeline->next_sequence;
    header->place = wal_place(pipeline->next_place, job->size);
    // The log writes these; the machine may see them before.
    header->log_id = pipeline->node->wal.tail.log_id;
    header->epoch = pipeline->node->wal.tail.epoch;
}

static void checkpoint_start(struct pipeline *pipeline)
{
    struct node *node = pipeline->node;
    const struct wal_tail tail = {
        .log_id = node->wal.tail.log_id,
        .epoch = node->wal.tail.epoch,
        .sequence = pipeline->next_sequence,
        .place = pipeline->next_place,
    };
    checkpoint_begin(&node->checkpoint, &node->machine, &tail);
    pipeline->checkpoint_active = true;
    pipeline->checkpoint_place = pipeline->next_place;
}

void due_look(struct pipeline *pipeline)
{
    const struct machine *machine = &pipeline->node->machine;
    pipeline->next_tick = machine_next_tick(machine);
    pipeline->next_due = pipeline->next_tick > 0 ? pipeline->next_tick : machine_next_due(machine);
}

// Decides the frame while the log thread writes it.
static void job_decide(struct pipeline *pipeline, struct job *job)
{
    struct node *node = pipeline->node;
    for (u32 i = 0; i < job->view.header->command_count; i++) {
        struct buffer *reply = job->commands[i].reply;
        job->applied.commands[i].reply = reply == NULL ? NULL : buffer_body(reply);
    }
    job->applied.resolved.items = job->resolved;
    struct failure failure;
    enum status status = machine_apply(&node->machine, &job->view, &job->applied, &failure);
    if (status != STATUS_OK) pipeline_fatal(pipeline, &failure);
    due_look(pipeline);
    if (job->checkpoint) checkpoint_start(pipeline);
    pipeline_lock(pipeline);
    if (job->checkpoint) pipeline->checkpoint_sequence = job->view.header->sequence;
    queue_put(&pipeline->history_queue, job);
    pipeline_wake(pipeline, WAITER_HISTORY);
    pipeline_unlock(pipeline);
}

// Gives a job back that became no frame.
static void job_untake(struct pipeline *pipeline, struct job *job)
{
    pipeline_lock(pipeline);
    pipeline->free_jobs[pipeline->free_job_count++] = job;
    pipeline_unlock(pipeline);
}

// Takes a job for the next frame, or NULL when the frame has to wait. `*flags` are the frame's.
static struct job *job_take(struct pipeline *pipeline, u32 *flags)
{
    struct history *history = &pipeline->node->machine.history;
    bool checkpoint = checkpoint_due(pipeline);
    bool rotate = history_active_full(history) || checkpoint;
    if (rotate && !history_can_rotate(history)) rotate = false;
    if (!rotate && !history_active_has_room(history)) return NULL; // Until a segment is sealed.
    // When storage is full the port takes no more creates; what was taken, and new sessions, go
    // into the space that the log has already.
    pipeline_lock(pipeline);
    bool ready = pipeline->free_job_count > 0;
    struct job *job = ready ? pipeline->free_jobs[--pipeline->free_job_count] : NULL;
    pipeline_unlock(pipeline);
    if (job == NULL) return NULL;
    // The frame's file, or the next one if it does not fit, must have its space.
    u64 last = (pipeline->next_place + FRAME_SIZE_MAX) / WAL_FILE_SIZE;
    if (!wal_is_prepared(&pipeline->node->wal, last)) {
        job_untake(pipeline, job);
        pipeline_lock(pipeline);
        pipeline_wake(pipeline, WAITER_SPACE);
        pipeline_unlock(pipeline);
        return NULL;
    }
    job->checkpoint = rotate && checkpoint;
    *flags = rotate ? FRAME_ROTATE : 0;
    return job;
}

// Lets history read the requests of a frame before it is durable.
static void requests_add(struct pipeline *pipeline, const struct job *job)
{
    struct request_frame request = {
        .place = job->view.header->place,
        .size = job->size,
        .part_count = 1 + job->wal.part_count,
        .parts[0] = {.data = job->wal.head, .size = job->wal.head_size},
    };
    for (u32 i = 0; i < job->wal.part_count; i++) request.parts[1 + i] = job->wal.parts[i];
    request_source_add(&pipeline->node->source, &request);
}

// Whether the next frame begins with a tick: something expires, or a job's next slice is due. Of
// slices there is one between two looks at what came in.
static bool tick_due(const struct pipeline *pipeline, u64 now)
{
    // What waits is let in before a stop, so what it waits for goes on until then.
    const bool is_waited_for = pipeline->waiting_count > 0 && holds_up(pipeline);
    if ((pipeline->draining && !is_waited_for) || pipeline->next_tick > now) return false;
    if (pipeline->next_tick > 0 || pipeline->next_due <= now) return true;
    if (pipeline_is_full(pipeline)) return false; // Slices take space, and can wait.
    if (pipeline->draining) return true;          // Time stands still then.
    const u64 pace = pipeline->waiting_count > 0 && !is_waited_for ? SLICE_PACE_NS : 1;
    return now >= pipeline->last_slice + pace;
}

bool frame_close(struct pipeline *pipeline, u32 extra_flags, u64 now)
{
    struct node *node = pipeline->node;
    u32 flags = 0;
    bool tick = tick_due(pipeline, now);
    if (pipeline->waiting_count == 0 && !tick && extra_flags == 0) return false;
    struct job *job = job_take(pipeline, &flags);
    if (job == NULL) return false;
    // A segment without room for a frame is ended by an empty one.
    u32 count = history_active_has_room(&node->machine.history) ? job_fill(pipeline, job, tick) : 0;
    if (count == 0 && extra_flags == 0 && !(flags & FRAME_ROTATE)) {
        job_untake(pipeline, job);
        return false;
    }
    if (extra_flags & FRAME_ROTATE) { // The last frame of a server that stops; it is empty.
        assert(count == 0);
        if (!(flags & FRAME_ROTATE) && !history_can_rotate(&node->machine.history)) {
            job_untake(pipeline, job);
            return false;
        }
        job->checkpoint = !pipeline->checkpoint_active;
    }
    job_layout(pipeline, job, count);
    job_header(pipeline, job, count, flags | extra_flags, now);
    job->durable = false;
    job->holders = 2;
    requests_add(pipeline, job);
    pipeline->next_sequence++;
    pipeline->next_place = job->view.header->place + job->size;
    pipeline->last_active = now;
    if (tick && count > 0) pipeline->last_slice = now;
    pipeline->last_was_seal = count == 0;
    pipeline->flying[(pipeline->flying_first + pipeline->flying_count++) % JOBS_MAX] = job;
    pipeline_lock(pipeline);
    bool alone = pipeline->log_queue.count == 0 && !pipeline->log_busy;
    // A write holds this thread up; no client with a large request shall wait for it.
    bool small = job->size <= INLINE_WRITE_MAX;
    pipeline->small_frames = small ? pipeline->small_frames + 1 : 0;
    bool here = alone && pipeline->small_frames > INLINE_AFTER;
    if (!here) {
        queue_put(&pipeline->log_queue, job);
        pipeline_wake(pipeline, WAITER_LOG);
    } else {
        pipeline->log_busy = true;
    }
    pipeline_unlock(pipeline);
    job_decide(pipeline, job);
    if (here) {
        // Two switches of threads cost more than a small write.
        job_write(pipeline, job);
        pipeline_lock(pipeline);
        pipeline->log_busy = false;
        pipeline_unlock(pipeline);
    }
    return true;
}

static void replies_hand_out(struct pipeline *pipeline)
{
    while (pipeline->flying_count > 0) {
        struct job *job = pipeline->flying[pipeline->flying_first];
        pipeline_lock(pipeline);
        bool durable = job->durable;
        if (durable && job->checkpoint) {
            pipeline->checkpoint_previous = job->header_hash;
            pipeline->checkpoint_asked = true;
            pipeline_wake(pipeline, WAITER_CHECKPOINT);
        }
        pipeline_unlock(pipeline);
        if (!durable) break;
        pipeline->flying_first = (pipeline->flying_first + 1) % JOBS_MAX;
        pipeline->flying_count--;
        pipeline->last_active = pipeline->now;
        pipeline->told_sequence = job->view.header->sequence;
        pipeline->told_rows = job->applied.end_row;
        for (u32 i = 0; i < job->view.header->command_count; i++) {
            struct pipeline_command *command = &job->commands[i];
            command->applied = job->applied.commands[i];
            pipeline->told_position = command->applied.position;
            pipeline->told_timestamp = command->applied.timestamp;
            if (command->entry.record == COMMAND_TICK) continue;
            struct buffer *body = command->body; // Stays the job's: history may still read it.
            pipeline->callbacks.command_done(pipeline->callbacks.context, command);
            command->body = body;
            command->reply = NULL;
        }
        job_release(pipeline, job);
    }
}

static void checkpoint_finish(struct pipeline *pipeline)
{
    if (!pipeline->checkpoint_active) return;
    pipeline_lock(pipeline);
    bool written = pipeline->checkpoint_written;
    pipeline->checkpoint_written = false;
    pipeline_unlock(pipeline);
    if (!written) return;
    checkpoint_end(&pipeline->node->checkpoint);
    pipeline->checkpoint_active = false;
    pipeline_lock(pipeline);
    pipeline->merge_wanted = true; // What it kept apart may be merged now.
    pipeline_wake(pipeline, WAITER_UPKEEP);
    pipeline_unlock(pipeline);
}

bool pipeline_all_is_indexed(struct pipeline *pipeline)
{
    pipeline_lock(pipeline);
    bool done = pipeline->indexed + 1 == pipeline->next_sequence &&
                pipeline->durable + 1 == pipeline->next_sequence;
    pipeline_unlock(pipeline);
    return done;
}

// How much longer what waits is held back.
static u64 hold_left(const struct pipeline *pipeline, u64 now)
{
    if (pipeline->draining || pipeline->waiting_count == 0) return 0;
    if (pipeline->waiting_bytes >= GROUP_BYTES) return 0;
    if (pipeline->last_large == 0 || now > pipeline->last_large + LARGE_RECENT_NS) return 0;
    u64 end = pipeline->waiting_since + HOLD_NS;
    return end > now ? end - now : 0;
}

u64 pipeline_run(struct pipeline *pipeline, u64 now)
{
    u64 count = 0;
    pipeline->now = now;
    if (read(pipeline->event_fd, &count, sizeof count) < 0) maybe(errno == EAGAIN);
    replies_hand_out(pipeline);
    checkpoint_finish(pipeline);
    answers_hand_out(pipeline);
    // Group: while a frame is being written, only a full enough one may follow.
    bool closed = false;
    while (pipeline->flying_count == 0 || pipeline->waiting_bytes >= GROUP_BYTES) {
        if (pipeline->flying_count == JOBS_MAX || hold_left(pipeline, now) > 0) break;
        if (!frame_close(pipeline, 0, now)) break;
        closed = true;
        replies_hand_out(pipeline);
    }
    // One turn between two looks at what came in, so that a long answer holds up nobody.
    bool went_on = answers_go_on(pipeline);
    if (closed || went_on) answers_hand_out(pipeline);
    u64 wait = pipeline->waiting_changes == NULL ? U64_MAX : changes_run(pipeline);
    const u64 due = pipeline->next_due;
    if (due != U64_MAX) wait = MIN(wait, due > now ? due - now : RETRY_NS);
    const bool advances = pipeline->next_tick == 0 && !pipeline->draining;
    // Behind a frame that is being written, its end wakes this thread.
    if (advances) wait = pipeline->flying_count == 0 && closed ? 0 : MIN(wait, RETRY_NS);
    if (pipeline->waiting_count > 0 && pipeline->flying_count == 0) {
        u64 hold = hold_left(pipeline, now);
        wait = MIN(wait, hold > 0 ? hold : RETRY_NS);
    }
    bool seal = !pipeline->last_was_seal && !pipeline->draining;
    if (seal && pipeline->flying_count == 0 && pipeline->waiting_count == 0) {
        u64 idle = now > pipeline->last_active ? now - pipeline->last_active : 0;
        if (idle >= SEAL_IDLE_NS && pipeline_all_is_indexed(pipeline)) {
            (void)frame_close(pipeline, FRAME_SEAL, now);
            replies_hand_out(pipeline);
        } else {
            wait = MIN(wait, SEAL_IDLE_NS - MIN(idle, SEAL_IDLE_NS - 1));
        }
    }
    return pipeline->unfinished.first != NULL ? 0 : wait;
}
