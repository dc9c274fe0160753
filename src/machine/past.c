// SPDX-License-Identifier: Apache-2.0
//
// From a position to the row behind it. Rows say where their command is in the log, and lie in the
// order of frames and, within one, of commands; those of a balance or of evidence say nothing, and
// belong to the row before them.
#include "machine/past.h"

#include <stdlib.h>

// One of the rows that a search is over.
struct probe {
    struct node *node;
    const struct history_view *view;
    struct frame_header header;
    struct frame_command *commands; // Of the frame.
    u64 limit;                      // The index of the last command that counts.
};

static bool has_place(const struct outcome *outcome)
{
    switch ((enum outcome_kind)outcome->kind) {
    case OUTCOME_ACCOUNT:
    case OUTCOME_TRANSFER:
    case OUTCOME_EXPIRY:
    case OUTCOME_COMMAND:
    case OUTCOME_POSTING: return true;
    case OUTCOME_NONE:
    case OUTCOME_BALANCE_DEBITS:
    case OUTCOME_BALANCE_CREDITS:
    case OUTCOME_EVIDENCE: return false;
    }
    return false;
}

// Whether what a row says happened behind the command that is looked for.
static bool is_behind(const struct probe *probe, const struct outcome *outcome)
{
    const struct frame_header *header = &probe->header;
    const u64 place = outcome_place(outcome);
    if (place < header->place) return false;
    if (place >= header->place + frame_size(header)) return true;
    const u64 offset = place - header->place;
    for (u32 i = 0; i < header->command_count; i++) {
        const struct frame_command *command = &probe->commands[i];
        // What has no body is placed at the frame's beginning: what a tick does, and a refusal of a
        // command, which its row tells by its id.
        const bool is_told = outcome->kind == OUTCOME_COMMAND;
        const bool is_tick = offset == 0 && command->record == COMMAND_TICK && !is_told;
        const bool is_empty =
            offset == 0 && command->body_size == 0 && is_told && outcome->id == command->command_id;
        const bool is_in =
            offset >= command->body_offset && offset - command->body_offset < command->body_size;
        if (is_tick || is_empty || is_in) return i > probe->limit;
    }
    assert(false); // Every row that has a place is of a command.
    return true;
}

// The first row of the view that is behind.
static enum status probe_search(const struct probe *probe, u64 *out, struct failure *failure)
{
    const struct history_view *view = probe->view;
    u64 low = 0;
    u64 high = view->row_end;
    while (low < high) {
        const u64 middle = low + (high - low) / 2;
        struct outcome outcome = {0};
        u64 row = middle;
        for (; row < high; row++) {
            enum status status = history_row(view->history, view->set, row, &outcome, failure);
            if (status != STATUS_OK) return status;
            if (has_place(&outcome)) break;
        }
        if (row == high || is_behind(probe, &outcome)) high = middle;
        else low = row + 1;
    }
    // What says nothing belongs to the row before it.
    while (low < view->row_end) {
        struct outcome outcome;
        enum status status = history_row(view->history, view->set, low, &outcome, failure);
        if (status != STATUS_OK) return status;
        if (has_place(&outcome)) break;
        low++;
    }
    *out = low;
    return STATUS_OK;
}

enum status past_row_by_position(struct node *node, const struct history_view *view, u64 position,
                                 u64 *row_end, struct failure *failure)
{
    *row_end = 0;
    if (position == 0) return STATUS_OK;
    struct probe probe = {.node = node, .view = view};
    const u64 durable = atomic_load_explicit(&node->source.durable, memory_order_acquire);
    enum status status = wal_find_position(&node->wal, durable, position, &probe.header, failure);
    if (status != STATUS_OK) return status;
    probe.limit = position - probe.header.position;
    probe.commands = calloc(probe.header.command_count, sizeof *probe.commands);
    assert(probe.commands != NULL);
    status = wal_read(&node->wal, probe.header.place + sizeof probe.header, probe.commands,
                      probe.header.command_count * sizeof *probe.commands, failure);
    if (status == STATUS_OK) status = probe_search(&probe, row_end, failure);
    free(probe.commands);
    return status;
}

enum status past_look(struct node *node, struct history_query *query, struct history_view *view,
                      const struct schema_record *question, const void *body,
                      struct module_answer *answer, struct failure *failure)
{
    const struct module *module = module_of_record(question->number);
    assert(module != NULL && module->look != NULL && answer->looks);
    view->sees_modules = true;
    u64 row_end = view->row_end;
    enum status status = STATUS_OK;
    if (answer->position != 0) {
        status = past_row_by_position(node, view, answer->position, &row_end, failure);
    }
    if (status == STATUS_OK && answer->time != 0) {
        u64 by_time = 0;
        status = history_row_by_time(view, answer->time, &by_time, failure);
        row_end = MIN(row_end, by_time);
    }
    if (status != STATUS_OK) return status;
    view->row_end = row_end;
    return module->look(query, view, question, body, answer, failure);
}
