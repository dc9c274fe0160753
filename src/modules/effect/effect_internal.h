// SPDX-License-Identifier: Apache-2.0
//
// What the files of the effect module share. Private.
//
//   effect.c       commands, time, invariants
//   effect_list.c  questions
//   effect_table.c the table: orders, places, numbers
#ifndef TAEL_MODULES_EFFECT_EFFECT_INTERNAL_H
#define TAEL_MODULES_EFFECT_EFFECT_INTERNAL_H

#include "modules/effect/effect.h"

enum { EFFECT_BY_NUMBER, EFFECT_BY_STATE, EFFECT_BY_LEASE };
extern const struct module_order effect_by_number;
extern const struct module_order effect_by_state;
extern const struct module_order effect_by_lease;

// The effect of a row.
static inline const struct effect *effect_at(const struct module_context *context, u64 row)
{
    return module_record(context, EFFECT_TABLE_EFFECTS, row);
}
// Whether a gateway has it.
static inline bool effect_is_claimed(const struct effect *effect)
{
    return effect->state == EFFECT_CLAIMED || effect->state == EFFECT_ATTEMPTED;
}
// Whether it has ended.
static inline bool effect_is_over(const struct effect *effect)
{
    return effect->state == EFFECT_SETTLED || effect->state == EFFECT_RESOLVED ||
           effect->state == EFFECT_CANCELLED;
}
// The gate as it is; of a log without effects as it is made.
struct effect_gate effect_gate_of(const struct module_context *context);
// The row of an effect, or MODULE_ROW_NONE.
u64 effect_row(const struct module_context *context, u64 number);
// Why there is none of this number.
u32 effect_why_none(const struct module_context *context, u64 number);
// Where the effects of a state and a kind begin in their order.
struct btree_cursor effect_state_lower(const struct module_context *context, u8 state, u32 kind,
                                       u64 number);

// As struct module has it.
u32 effect_ask(const struct module_context *context, const struct schema_record *question,
               const void *body, struct module_answer *answer);

#endif
