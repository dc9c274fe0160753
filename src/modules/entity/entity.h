// SPDX-License-Identifier: Apache-2.0
//
// The entity module: the legal entities of the group, the calendars of their business days, and
// which day of each is open.
//
// An entity has one open business day at any time. What is posted has that day as its effective
// day, or names an earlier one that is not in a closed period. A day is closed by command; the next
// business day of the calendar is open from then on. Which days are business days is data of the
// log: a calendar says so by the week, and of single days otherwise.
//
// Invariants
//   N1 An entity's open day is not before its first one, and later than every closed one.
//   N2 A closed period ends before the open day.
//   N3 A business day that ends a period is in it.
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
// What a closed business day left, or NULL when the entity has not closed it.
const struct business_day *entity_closed_day(const struct module_context *context, u128 entity_id,
                                             i32 day);
// The last business day at or before `day` that the entity has closed, or NULL.
const struct business_day *entity_closed_day_before(const struct module_context *context,
                                                    u128 entity_id, i32 day);
// The first closed business day that was open when history had so many rows, or NULL.
const struct business_day *entity_closed_day_of_row(const struct module_context *context,
                                                    u128 entity_id, u64 history_row);
// The row of history behind which nothing has an effective day up to this one any more, because a
// period was closed; U64_MAX while such postings may come.
u64 entity_final_row(const struct module_context *context, u128 entity_id, i32 day);
// Whether a calendar has business on a day. An empty name is a calendar of business on all days;
// so is one that there is not.
bool calendar_has_business(const struct module_context *context, const char calendar[16], i32 day);

#endif
