// SPDX-License-Identifier: Apache-2.0
//
// The entry module: double entry as people write it. An entry has legs, each a debit or a credit of
// one account; in each book they balance, and they are posted together or not at all.
//
// Within a book the debits are paired with the credits in the order of the legs: the first debit
// with the first credit, as far as the smaller of the two goes, and so on. So n legs in a book make
// at most n - 1 postings, and which they are depends on the entry alone.
//
// Rules are looked at leg by leg up to the day, then book by book in the order of their first legs:
// what is told is the first rule that the first such leg breaks, or else the first such book.
//
// Of a reversal the parts are looked at first, then posting by posting what is reversed, up to the
// day; that a part is of no posting is told last. Of a rule and of what it posts the rule is looked
// at first, then account by account, then the days, then the amounts.
//
// A fact is posted whatever limits say: the legs of an account on the side that its limit is broken
// on, when all legs of the entry are summed, are posted to the book's suspense account instead, and
// a breach of the account has their sum. What would be posted from suspense to suspense is a
// posting of 0 between the accounts themselves, so that the entry is found on them.
//
// A hold sets aside what an entry would post. A reversal posts the other way round what is left of
// an entry, or parts of it. Rules post what must go together: what entities owe each other, amounts
// between books of other decimals.
//
// Invariants
//   J1 A hold is open as long as the ledger holds its postings; one that expires is not written to.
//   J2 Of a posting no more is reversed than it posted.
//   J3 What one entity is due from another, that one owes it, in the accounts of their pair.
//
// An entry's id is taken once for ever, by the entry that was carried out. The same entry again is
// told to exist, also when its period is closed since.
#ifndef TAEL_MODULES_ENTRY_ENTRY_H
#define TAEL_MODULES_ENTRY_ENTRY_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/entry/entry.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE entry
#include "schema/pass_extern.h"

#include "modules/entry/entry.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define ENTRY_CODE_DEFAULT 1u

#endif
