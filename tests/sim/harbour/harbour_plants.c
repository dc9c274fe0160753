// SPDX-License-Identifier: Apache-2.0
//
// Bugs that worlds of ports must find, each done to the server from outside, where a function of
// the simulator's stands in the place of one of its own.
#include "harbour_internal.h"

#include <string.h>

#define SWAPPED_MAX (16 * (u32)KIB) // Of an answer that is given to another one.

// What a bug is called, and the checks of which one must find it.
static const struct {
    const char *name;
    const char *checks[3];
} bugs[HARBOUR_BUGS] = {
    [HARBOUR_NO_BUG] = {"none", {NULL}},
    [HARBOUR_BUG_BUFFERED] = {"buffered", {"L4", "server"}},
    [HARBOUR_BUG_ASLEEP] = {"asleep", {"rest", "stop", "latency"}},
    [HARBOUR_BUG_CUT_SHORT] = {"cut-short", {"answers", "latency", "wire"}},
    [HARBOUR_BUG_SWAPPED] = {"swapped", {"replies", "wire"}},
    [HARBOUR_BUG_AGAIN] = {"again", {"L3", "replies"}},
    [HARBOUR_BUG_LEAK] = {"leak", {"memory"}},
    [HARBOUR_BUG_FLIPPED] = {"flipped", {"questions"}},
    [HARBOUR_BUG_DATED] = {"dated", {"replies"}},
    [HARBOUR_BUG_SKIPPED] = {"skipped", {"changes"}},
};

const char *harbour_bug_name(enum harbour_bug bug)
{
    return bugs[bug].name;
}

enum harbour_bug harbour_bug_named(const char *name)
{
    u32 bug = HARBOUR_NO_BUG;
    while (bug < HARBOUR_BUGS && strcmp(bugs[bug].name, name) != 0) bug++;
    return (enum harbour_bug)bug;
}

bool harbour_bug_is_found_by(enum harbour_bug bug, const char *check)
{
    for (u32 i = 0; i < ARRAY_COUNT(bugs[bug].checks); i++) {
        const char *own = bugs[bug].checks[i];
        if (own != NULL && strcmp(own, check) == 0) return true;
    }
    return false;
}

// A plain client is told what the one before it was told, when it is as long.
static void reply_swap(struct harbour *harbour, u8 *reply, u32 size)
{
    static u8 before[SWAPPED_MAX];
    static u8 own[SWAPPED_MAX];
    static u32 before_size;
    if (size == 0 || size > SWAPPED_MAX) return;
    memcpy(own, reply, size);
    if (size == before_size && below(harbour, 5) == 0) memcpy(reply, before, size);
    memcpy(before, own, size);
    before_size = size;
}

void harbour_plant_reply(struct harbour *harbour, struct pipeline_command *command)
{
    const bool is_plain = command->entry.record == COMMAND_COMPAT;
    if (harbour->bug == HARBOUR_BUG_SWAPPED && is_plain && command->reply != NULL) {
        reply_swap(harbour, buffer_body(command->reply), command->applied.reply_size);
    }
    if (harbour->bug == HARBOUR_BUG_DATED && below(harbour, 50) == 0) command->applied.position--;
}

void harbour_plant_answer(struct harbour *harbour, struct pipeline_query *query)
{
    const bool is_flipped = harbour->bug == HARBOUR_BUG_FLIPPED && below(harbour, 20) == 0;
    if (is_flipped && !query->changes.is_asked && query->reply_size > 0) {
        buffer_body(query->reply)[below(harbour, query->reply_size)] ^= 1;
    }
    const bool is_skipped = harbour->bug == HARBOUR_BUG_SKIPPED && below(harbour, 20) == 0;
    if (is_skipped && query->changes.is_asked) query->changes.next++;
}

void harbour_plant_command(struct harbour *harbour, struct frame_command *entry)
{
    if (harbour->bug != HARBOUR_BUG_AGAIN || entry->record < COMMAND_MODULES) return;
    // It was carried out, comes again, and is taken for a new one.
    if (!harbour_is_in_log(harbour, entry->command_id) || below(harbour, 3) != 0) return;
    entry->command_id ^= (u128)1 << 100;
}
