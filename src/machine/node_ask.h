// SPDX-License-Identifier: Apache-2.0
//
// For tests: asking a node that has one thread, as ports do it: all turns of an answer at once, and
// what history has to say of it.
//
// What the disk refuses ends the process with the failure's message, but where a status is
// returned.
#ifndef TAEL_MACHINE_NODE_ASK_H
#define TAEL_MACHINE_NODE_ASK_H

#include "machine/commit.h"
#include "machine/past.h"

#define NODE_ASK_SPACE (2 * MIB) // Of the views of an answer.

struct node_ask {
    struct node *node;
    u8 *views; // NODE_ASK_SPACE bytes, of the last answer.
    u8 *task;  // ANSWER_TASK_SIZE bytes, of the question being asked.
};

// Memory for answers of `node`, which may be closed and opened meanwhile; to be given to
// node_ask_free.
void node_ask_init(struct node_ask *ask, struct node *node);
void node_ask_free(struct node_ask *ask);

// Asks a question whose body is whole; the views go to ask->views, at most `room` bytes of them
// (NODE_ASK_SPACE at most). Of `answer` only the cursor, zero at first, then as it was left, and
// looks_max, 0 for the usual, are the caller's. Returns MODULE_DONE or a refusal.
u32 node_ask(struct node_ask *ask, const struct schema_record *question, const void *body, u32 room,
             struct module_answer *answer);

// The same of a disk that may fail: the status is that of reading, and then `*result` is not set.
MUST_USE enum status node_ask_try(struct node_ask *ask, const struct schema_record *question,
                                  const void *body, u32 room, struct module_answer *answer,
                                  u32 *result, struct failure *failure);

// What history's lists have on a ledger number: the rows of its accounts in the order in which they
// were made; its transfers and postings, the newest first (with a code other than 0 only those of
// that code). At most `limit` of them, which is at most 8,189. Return how many.
u32 node_ask_accounts(struct node_ask *ask, u32 number, u32 limit, u32 *rows);
u32 node_ask_postings(struct node_ask *ask, u32 number, u16 code, u32 limit, struct transfer *out);

#endif
