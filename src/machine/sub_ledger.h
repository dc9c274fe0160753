// SPDX-License-Identifier: Apache-2.0
//
// Sub-ledgers: amounts that a module keeps in its own records, and the control accounts that their
// sums are told by (struct module_sub_ledger, struct control).
//
// Every plan is looked at before it is committed: what its records and its job change of the sums,
// and what its postings change of the control accounts, must agree.
//
// Guarantees
//   S1 The records of a control sum to its `sum`, and what an open job staged in them to its
//      `staged`, after every command and tick (L10).
//   S2 The balance of a control account is the whole minor units of its sum.
//   S3 What is staged counts from the job's conclusion on, or never.
// Costs: two calls of `share` for each record written to a table of a sub-ledger, and a look-up for
// each account of a plan's postings; a log without controls pays a comparison for each plan.
#ifndef TAEL_MACHINE_SUB_LEDGER_H
#define TAEL_MACHINE_SUB_LEDGER_H

#include "modules/module.h"

#define SUB_LEDGER_CONTROLS_MAX 4096u

struct machine;

// What a plan changes of a control; scratch.
struct sub_ledger_change {
    i128 settled;
    i128 staged;
    i128 posted; // Debits less credits.
    bool is_touched;
    bool is_held; // It would be posted to in a way that its records cannot tell.
};

struct sub_ledgers {
    struct table table; // struct control.
    struct index index; // Of their accounts' rows.
    struct sub_ledger_change *changes;
    u32 *touched; // Rows of controls.
    u32 touched_count;
};

// No control yet. STATUS_FULL when there is no address space; free what was taken then too.
MUST_USE enum status sub_ledgers_init(struct sub_ledgers *sub_ledgers, struct failure *failure);
// Gives the memory back.
void sub_ledgers_free(struct sub_ledgers *sub_ledgers);
// Takes over what the table's memory was filled with.
MUST_USE enum status sub_ledgers_loaded(struct sub_ledgers *sub_ledgers,
                                        const struct ledger *ledger, struct failure *failure);

// Whether there is room for the controls that a plan makes.
static inline bool sub_ledgers_have_room(const struct sub_ledgers *sub_ledgers,
                                         const struct plan *plan)
{
    return sub_ledgers->table.count + plan->control_count <= sub_ledgers->table.capacity;
}
// Works out what a plan changes. False when S2 would not hold; then evidence is what the records
// would sum to in whole minor units, and the balance that the account would have.
bool sub_ledgers_prepare(struct machine *machine, const struct module *module,
                         const struct plan *plan, u128 evidence[2]);
// Does what was worked out for this very plan last, before its records are written.
MUST_USE enum status sub_ledgers_apply(struct machine *machine, const struct module *module,
                                       const struct plan *plan, struct failure *failure);
// Asserts S1 and S2. Walks every record of every sub-ledger.
void sub_ledgers_check(const struct machine *machine);

#endif
