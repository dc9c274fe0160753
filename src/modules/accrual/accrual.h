// SPDX-License-Identifier: Apache-2.0
//
// The accrual module: a sub-ledger and its job in small. Loans keep their principal and their
// interest in their own records; a day's interest is a job over all of them, which at its end posts
// once per group (a product of an entity). Only logs made for tests accept it.
//
// Interest of a day is principal * rate / 365 minor units. It is kept in millionths; what is left
// of a millionth stays with the loan as a remainder, so that after any days the two together are
// exact and nothing is ever rounded away. The account has the whole minor units of its group's sum.
//
// A loan has its interest twice: as it counts, and as it will once the job `staged_by` is
// committed. Nothing has to be done to the loans for that: whoever reads one asks which of the two
// counts (accrual_taken), and whoever writes one takes it over first.
//
// Invariants
//   A1 A group's principals sum to the debits less the credits of its account of principals, and to
//      the credits less the debits of the account that pays them out.
//   A2 A group's interest, in whole minor units, is that of its account of interest receivable.
//   A3 remainder < 365 * rate_denominator.
// A1 and A2 are kept and checked by the machine (machine/sub_ledger.h).
#ifndef TAEL_MODULES_ACCRUAL_ACCRUAL_H
#define TAEL_MODULES_ACCRUAL_ACCRUAL_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/accrual/accrual.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE accrual
#include "schema/pass_extern.h"

#include "modules/accrual/accrual.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define ACCRUAL_ACCOUNT_CLASS 0x7eu
#define ACCRUAL_SCALE         1000000u // Units of interest to a minor unit.
#define ACCRUAL_YEAR          365u     // Days (Actual/365 Fixed).
#define ACCRUAL_DAYS_MAX      366u     // That one job accrues of a loan; of more it refuses it.
#define ACCRUAL_GROUPS_MAX    256u     // Each is one posting of a conclusion.
#define ACCRUAL_LOANS_MAX     (1u << 24)
#define ACCRUAL_CODE_LEND     7101u
#define ACCRUAL_CODE_REPAY    7102u
#define ACCRUAL_CODE_INTEREST 7103u

enum { ACCRUAL_TABLE_LOANS, ACCRUAL_TABLE_GROUPS };
// Ids of a group's accounts: ACCRUAL_ACCOUNT_* on its ledger number.
enum {
    ACCRUAL_ACCOUNT_PRINCIPAL = 1,
    ACCRUAL_ACCOUNT_FUNDING = 2,
    ACCRUAL_ACCOUNT_RECEIVABLE = 3,
    ACCRUAL_ACCOUNT_INCOME = 4,
};

// A loan as it counts: what a committed job staged is taken over, what another one staged is gone.
// What a job that is not settled has staged stays.
struct accrual_loan accrual_taken(const struct module_context *context,
                                  const struct accrual_loan *loan);

#endif
