// SPDX-License-Identifier: Apache-2.0
//
// The change stream: a question of its own, and the walk over its answer.
#include "client/client_internal.h"

#define CHANGES_RECORD 0x0020u
#define CHANGE_RECORD  0x0021u

static_assert(sizeof(struct tael_changes) == 32, "as the record is");
static_assert(sizeof(struct tael_change) == 96, "as the record is");

static struct tael_question question_of(const struct tael_changes *changes)
{
    return (struct tael_question){
        .record = CHANGES_RECORD,
        .version = 1,
        .body_size = sizeof *changes,
        .body = changes,
        .position = TAEL_POSITION_SEEN,
    };
}

// From the end of the waiting on.
static uint64_t timeout_of(const struct tael_client *client, const struct tael_changes *changes,
                           uint64_t timeout_ms)
{
    const uint64_t own = timeout_ms == 0 ? client->timeout_ms : timeout_ms;
    if (own == TAEL_FOREVER) return TAEL_FOREVER;
    return changes->wait_ms + MIN(own, TAEL_FOREVER - 1 - changes->wait_ms);
}

enum tael_error tael_changes(struct tael_client *client, const struct tael_changes *changes,
                             uint64_t timeout_ms, struct tael_answer *answer)
{
    const struct tael_question question = question_of(changes);
    return tael_ask(client, &question, timeout_of(client, changes, timeout_ms), answer);
}

enum tael_error tael_submit_changes(struct tael_client *client, const struct tael_changes *changes,
                                    uint64_t timeout_ms, tael_callback *callback, void *context,
                                    uint64_t *ticket)
{
    const struct tael_question question = question_of(changes);
    return tael_submit_question(client, &question, timeout_of(client, changes, timeout_ms),
                                callback, context, ticket);
}

const struct tael_change *tael_change_next(const struct tael_answer *answer,
                                           const struct tael_change *before)
{
    if (answer->record != CHANGE_RECORD || answer->body == NULL) return NULL;
    const u8 *body = answer->body;
    size_t at = 0;
    if (before != NULL) {
        at = (size_t)((const u8 *)(const void *)before - body);
        at += align_up(sizeof *before + before->payload_size, 16);
    }
    if (at + sizeof(struct tael_change) > answer->body_size) return NULL;
    const struct tael_change *change = (const void *)(body + at);
    const size_t left = answer->body_size - at - sizeof *change;
    return change->payload_size <= left ? change : NULL;
}

uint64_t tael_changes_next(const struct tael_answer *answer)
{
    return load_u64(answer->cursor);
}

uint64_t tael_changes_end(const struct tael_answer *answer)
{
    return load_u64(answer->cursor + sizeof(u64));
}
