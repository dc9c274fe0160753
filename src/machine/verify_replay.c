// SPDX-License-Identifier: Apache-2.0
//
// Verification by replay: the machine decides the whole log again.
#include "machine/recovery.h"
#include "machine/verify.h"

#include <stdlib.h>

struct replay_verify {
    const struct verify_progress *progress;
    struct verify_report *report;
    struct checkpoint_head head;
    bool has_checkpoint;
};

static bool replay_progress(void *context, u64 done, u64 total)
{
    const struct replay_verify *replay = context;
    return replay->progress->report(replay->progress->context, "replay", done, total);
}

static bool same_tail(const struct wal_tail *a, const struct wal_tail *b)
{
    return a->log_id == b->log_id && a->epoch == b->epoch && a->sequence == b->sequence &&
           a->place == b->place && memcmp(&a->previous, &b->previous, sizeof a->previous) == 0;
}

// In what the checkpoint is not what the machine is now (C2), or NULL.
static const char *checkpoint_difference(struct node *node, const struct wal_tail *tail,
                                         const struct checkpoint_head *head)
{
    const struct machine *machine = &node->machine;
    struct digest state;
    if (!same_tail(tail, &head->tail)) return "its place in the log";
    if (machine->position != head->position) return "its position";
    if (machine->timestamp != head->timestamp) return "its time";
    if (machine->history.next_row != head->next_row) return "its count of history rows";
    if (memcmp(&machine->genesis, &head->genesis, sizeof head->genesis) != 0) return "its genesis";
    machine_state_digest(&node->machine, &state);
    if (memcmp(&state, &head->state, sizeof state) != 0) return "its state";
    if (!checkpoint_has_outcomes(head, &node->indexer.outcomes)) return "its tree of outcomes";
    return NULL;
}

// Compares behind the frame that the checkpoint was taken behind.
static enum status checkpoint_compare(void *context, struct node *node, const struct wal_tail *tail,
                                      struct failure *failure)
{
    struct replay_verify *replay = context;
    const struct checkpoint_head *head = &replay->head;
    if (!replay->has_checkpoint || tail->sequence != head->tail.sequence) return STATUS_OK;
    const char *what = checkpoint_difference(node, tail, head);
    if (what != NULL) {
        return failure_set(failure, STATUS_CORRUPT,
                           "checkpoint %llu is not what replaying the log before it gives: %s "
                           "differs",
                           (unsigned long long)head->tail.sequence, what);
    }
    replay->report->replayed_checkpoint = true;
    return STATUS_OK;
}

enum status verify_replay(struct disk *disk, struct disk *scratch,
                          const struct verify_progress *progress, struct verify_report *report,
                          struct failure *failure)
{
    struct replay_verify *replay = calloc(1, sizeof *replay);
    struct node *node = calloc(1, sizeof *node);
    assert(replay != NULL && node != NULL);
    replay->progress = progress;
    replay->report = report;
    report->replayed_checkpoint = false;
    enum status status = checkpoint_find(disk, &replay->head, failure);
    replay->has_checkpoint = status == STATUS_OK;
    if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    const struct recovery_progress recovery = {.context = replay, .report = replay_progress};
    const struct replay_check check = {.context = replay, .frame = checkpoint_compare};
    struct recovery_report recovered = {0};
    if (status == STATUS_OK) {
        status = node_replay(node, disk, scratch, progress == NULL ? NULL : &recovery, &check,
                             &recovered, failure);
    }
    if (status == STATUS_OK) {
        report->replayed_frames = recovered.frames;
        report->replayed_roots = recovered.roots;
        machine_state_digest(&node->machine, &report->replayed_state);
        node_free(node);
        if (replay->has_checkpoint && !report->replayed_checkpoint) {
            status = failure_set(failure, STATUS_CORRUPT,
                                 "checkpoint %llu covers all frames before it, but the log ends "
                                 "with frame %llu",
                                 (unsigned long long)replay->head.tail.sequence,
                                 (unsigned long long)recovered.frames - 1);
        }
    }
    if (status == STATUS_CORRUPT) verify_damage_hint(report->is_backup, failure);
    free(node);
    free(replay);
    return status;
}
