// SPDX-License-Identifier: Apache-2.0
//
// Batches of raw accounts and transfers: the machine's side of what both ports take.
#ifndef TAEL_MACHINE_CREATE_H
#define TAEL_MACHINE_CREATE_H

#include "machine/machine.h"

// Applies the batches of a well-formed body, which is at `place` in the log, one after the other,
// and writes the reply of the operation if one is wanted. The status is the environment's.
MUST_USE enum status create_apply(struct machine *machine, const struct compat_operation *operation,
                                  const struct compat_batches *batches, u64 place,
                                  struct applied_frame *frame, struct applied_command *applied,
                                  struct failure *failure);
// Turns the results of all events into the reply of the operation; returns its size.
u32 create_reply(const struct compat_operation *operation, const struct compat_batches *batches,
                 const struct create_result *results, u8 *reply);
// The results of `count` events whose rows begin at `first_row`, as they were then.
MUST_USE enum status create_results_again(struct machine *machine, u64 first_row, u32 count,
                                          struct create_result *results, struct failure *failure);

#endif
