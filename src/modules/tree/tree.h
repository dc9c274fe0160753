// SPDX-License-Identifier: Apache-2.0
//
// The tree module: questions about the Merkle tree over all outcomes (L5). No command, no state:
// what it answers is history's (ledger/outcome_tree.h, ledger/history_proof.h).
#ifndef TAEL_MODULES_TREE_TREE_H
#define TAEL_MODULES_TREE_TREE_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/tree/tree.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE tree
#include "schema/pass_extern.h"

#include "modules/tree/tree.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#endif
