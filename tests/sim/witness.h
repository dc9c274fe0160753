// SPDX-License-Identifier: Apache-2.0
//
// Somebody outside who was handed heads of the tree of outcomes, and remembers them over every
// crash and start: each later head must be proved to continue each of them, and any row to be in
// them (L5). What is proved is checked as `tael-check` checks it, by src/proof.
#ifndef TAEL_SIM_WITNESS_H
#define TAEL_SIM_WITNESS_H

#include "machine/recovery.h"

#define WITNESS_HEADS_MAX 32u

struct witness {
    u32 count;
    struct {
        u64 size;
        struct digest root;
    } heads[WITNESS_HEADS_MAX];
};

// Looks at a node at rest, all of whose frames are durable, with two random numbers: takes its
// head, has it proved to continue one that is held, and a random row to be in another. Returns what
// does not hold, or NULL. `*refused` when the disk could not be read, or what it had was damage,
// which is named in `failure`.
const char *witness_look(struct witness *witness, struct node *node, u64 random, u64 other,
                         bool *refused, struct failure *failure);

#endif
