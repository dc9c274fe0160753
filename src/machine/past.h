// SPDX-License-Identifier: Apache-2.0
//
// The past by position or time: what had happened by then, for questions that history answers.
//
// Any thread. Only what is durable and indexed is seen: the caller opens the view so.
// Cost: a binary search over the log's files, the headers of one file, a binary search over rows.
#ifndef TAEL_MACHINE_PAST_H
#define TAEL_MACHINE_PAST_H

#include "machine/recovery.h"

// The row behind everything that the commands up to `position` did, among those of the view.
// Position 0 is before everything. STATUS_NOT_FOUND when the log has no such command.
MUST_USE enum status past_row_by_position(struct node *node, const struct history_view *view,
                                          u64 position, u64 *row_end, struct failure *failure);

// Goes on with a module's answer whose `looks` is set, with rows below view->row_end. The question
// and its body are those that it was asked with. The status is that of reading.
MUST_USE enum status past_look(struct node *node, struct history_query *query,
                               struct history_view *view, const struct schema_record *question,
                               const void *body, struct module_answer *answer,
                               struct failure *failure);

#endif
