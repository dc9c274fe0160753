// SPDX-License-Identifier: Apache-2.0
//
// The follower.
#include "follower.h"
#include "must.h"

#include <stdio.h>
#include <stdlib.h>

void follower_init(struct follower *follower, const struct genesis *genesis, u128 log_id)
{
    struct recovery_report report;
    struct failure failure;
    memset(follower, 0, sizeof *follower);
    disk_memory_init(&follower->disk, 1);
    follower->applied = must(calloc(1, sizeof *follower->applied));
    follower->resolved = must(malloc(LEDGER_EVENTS_MAX * sizeof(struct transfer)));
    follower->applied->resolved.items = follower->resolved;
    const enum status status =
        node_open(&follower->node, &follower->disk.disk, genesis, log_id, NULL, &report, &failure);
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "the follower: %s\n", failure.message);
    abort();
}

void follower_free(struct follower *follower)
{
    if (follower->is_reading) wal_reader_free(&follower->reader);
    node_free(&follower->node);
    disk_memory_free(&follower->disk);
    free(follower->applied);
    free(follower->resolved);
}

// Takes over the frame that was read, which must be the next one.
static enum status frame_take(struct follower *follower, const struct frame_view *view,
                              struct failure *failure)
{
    struct node *node = &follower->node;
    const u64 size = frame_size(view->header);
    const u64 head_size = frame_head_size(view->header->command_count);
    // The reader's buffer has the frame as it lies in the log; appending it makes it the same.
    struct wal_frame frame = {
        .head = follower->reader.buffer,
        .head_size = head_size,
        .parts = {{.data = follower->reader.buffer + head_size, .size = size - head_size}},
        .part_count = size > head_size ? 1 : 0,
    };
    node->wal.tail.epoch = view->header->epoch;
    node->wal.tail.log_id = view->header->log_id;
    enum status status = wal_append(&node->wal, &frame, failure);
    if (status != STATUS_OK) return status;
    request_source_durable(&node->source, node->wal.tail.place);
    struct frame_command *commands = (void *)(follower->reader.buffer + sizeof *view->header);
    plant_before(follower->bug, commands, view->header->command_count);
    status = machine_apply(&node->machine, view, follower->applied, failure);
    if (status != STATUS_OK) return status;
    plant_after(follower->bug, &node->machine, commands, view->header->command_count,
                follower->applied);
    machine_index(&node->machine, &node->indexer, view, follower->applied);
    return follower->applied->rotated ? node_seal_all(node, failure) : STATUS_OK;
}

enum status follower_follow(struct follower *follower, struct wal *wal, u64 sequence,
                            const u64 *overrides, u32 override_count, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u32 i = 0; i < override_count; i++) {
        machine_override(&follower->node.machine, overrides[i]);
    }
    if (!follower->is_reading) {
        status = wal_reader_init(&follower->reader, wal, &follower->node.wal.tail, failure);
        if (status != STATUS_OK) return status;
        follower->is_reading = true;
    }
    while (follower->node.machine.sequence < sequence) {
        enum wal_end end = WAL_END;
        status = wal_reader_next(&follower->reader, &follower->view, &end, failure);
        if (status != STATUS_OK) return status;
        if (end != WAL_FRAME) {
            return failure_set(failure, STATUS_CORRUPT, "frame %llu is not in the log",
                               (unsigned long long)follower->node.machine.sequence + 1);
        }
        status = frame_take(follower, &follower->view, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}
