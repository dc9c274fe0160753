// SPDX-License-Identifier: Apache-2.0
//
// Sub-ledgers (L10): the records of a checkpoint that controls sum up, added up again.
//
// One module has a sub-ledger so far: loans, in logs made for tests. The shares of another one go
// beside theirs; until they do, a control of it is a difference.
#ifndef TAEL_AUDIT_SUB_LEDGER_H
#define TAEL_AUDIT_SUB_LEDGER_H

#include "audit/checkpoint.h"

struct audit_sub_ledger_sum {
    i128 settled;
    i128 staged;
    bool overflows;
    bool is_of_group; // Some group of loans names the control.
};

struct audit_sub_ledgers {
    const struct audit_checkpoint *checkpoint;
    struct audit_control_record *controls;
    struct audit_sub_ledger_sum *sums; // One a control.
    u64 control_count;
    struct audit_group_record *groups;
    u64 group_count;
    u8 *jobs; // Their status.
    u64 job_count;
};

// Reads controls, groups and jobs of a checkpoint, which must outlive it. Give it to
// audit_sub_ledgers_free, after a failure too.
MUST_USE enum status audit_sub_ledgers_init(struct audit_sub_ledgers *sub_ledgers,
                                            const struct audit_checkpoint *checkpoint,
                                            struct failure *failure);
void audit_sub_ledgers_free(struct audit_sub_ledgers *sub_ledgers);
// Adds a loan, the record at an offset of the file.
void audit_sub_ledgers_add(struct audit_sub_ledgers *sub_ledgers,
                           const struct audit_loan_record *loan, u64 offset);
// When all loans are in: tells the controls whose sums are others.
void audit_sub_ledgers_compare(const struct audit_sub_ledgers *sub_ledgers);

#endif
