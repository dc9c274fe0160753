// SPDX-License-Identifier: Apache-2.0
//
// The principal module: who may give commands. The port lets in whom its records name
// (server/tael_port.h); the machine refuses what a closed principal asks for.
//
// Principal 1 is the user who runs the server. It has no record, is always open and alone may open,
// close and re-open others; a key may be replaced by its principal, too, who may also open tokens
// for itself and let others act in its name. Nobody acts in the name of principal 1.
//
// Invariants
//   I1 A key is one principal's for ever, in use or not; so is a user of the system.
//   I2 Every key in use is a valid one, and known to be its principal's.
//   I3 Neither 0 nor 1 has a record.
//   I4 A token is one principal's for ever, and each of its tokens is counted.
//   I5 Nobody is a delegate of principal 1, nor of itself; each delegate of its own is counted.
#ifndef TAEL_MODULES_PRINCIPAL_PRINCIPAL_H
#define TAEL_MODULES_PRINCIPAL_PRINCIPAL_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/principal/principal.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE principal
#include "schema/pass_extern.h"

#include "modules/principal/principal.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

// The user who runs the server.
#define PRINCIPAL_OPERATOR 1u
// Nobody, and never anybody: whose the accounts of rules are (entry.h).
#define PRINCIPAL_NOBODY U64_MAX

// All from the context of any module.
// The principal with this id, open or closed, or NULL; principal 1 has no record.
const struct principal *principal_record_find(const struct module_context *context,
                                              u64 principal_id);
// The principal that a user of the system stands for, open or closed, or NULL.
const struct principal *principal_of_user(const struct module_context *context, u32 user);
// Whether there is such a principal and it is open. Principal 1 always is.
bool principal_is_open(const struct module_context *context, u64 principal_id);
// Whether there is such a principal and it is closed.
bool principal_is_closed(const struct module_context *context, u64 principal_id);
// Whether a principal may act in another's name at the context's time: it is open, and was
// delegated by it, or for all. Whether the other is open is not asked.
bool principal_acts_for(const struct module_context *context, u64 delegate_id, u64 for_id);
// Whether it has a key.
static inline bool principal_has_key(const struct principal *principal)
{
    return !is_zero(principal->public_key, sizeof principal->public_key);
}

#endif
