// SPDX-License-Identifier: Apache-2.0
//
// The entity module: the legal entities of the group, each with the business day that is open.
//
// Invariants
//   N1 An entity's open day is not before its first one.
#ifndef TAEL_MODULES_ENTITY_ENTITY_H
#define TAEL_MODULES_ENTITY_ENTITY_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/entity/entity.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE entity
#include "schema/pass_extern.h"

#include "modules/entity/entity.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

// The entity with this id, or NULL; from the context of any module.
const struct entity *entity_find(const struct module_context *context, u128 entity_id);

#endif
