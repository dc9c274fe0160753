// SPDX-License-Identifier: Apache-2.0
//
// The constraint module: what cells and constraints are called, who changes them, how they stand.
//
// Their sums, terms, values, breaches and history are the ledger's (ledger/ledger_cell.h), where
// postings change them and where the end of every module's plan looks at them. This module checks
// a change, asks for it by its plan, and keeps the names: its record of a cell or a constraint has
// the row that the ledger's has.
//
// Invariants
//   V1 The cells and constraints of the ledger are those of the module, row by row, each with a
//      number of its own.
#ifndef TAEL_MODULES_CONSTRAINT_CONSTRAINT_H
#define TAEL_MODULES_CONSTRAINT_CONSTRAINT_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/constraint/constraint.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE constraint
#include "schema/pass_extern.h"

#include "modules/constraint/constraint.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define CONSTRAINT_SETTLE_CODE 2u // The kind of the posting that settles a breach.

#endif
