// SPDX-License-Identifier: Apache-2.0
//
// The table of effects: its orders, who gets which place, numbers.
#include "modules/effect/effect_internal.h"

// --- orders --------------------------------------------------------------------------------------

static u64 number_head(const void *record)
{
    return ((const struct effect *)record)->effect;
}

static int number_compare(const void *a, const void *b)
{
    const u64 left = number_head(a);
    const u64 right = number_head(b);
    return left == right ? 0 : left < right ? -1 : 1;
}

// Those that are over stand behind the open ones, whatever they were, the lowest number first.
static u64 state_head(const void *record)
{
    const struct effect *effect = record;
    if (effect_is_over(effect)) return U64_MAX;
    return (u64)effect->state << 32 | effect->kind;
}

static u64 lease_head(const void *record)
{
    return ((const struct effect *)record)->lease_end;
}

static bool has_lease(const void *record)
{
    return effect_is_claimed(record);
}

const struct module_order effect_by_number = {.order = {.head = number_head}};
const struct module_order effect_by_state = {
    .order = {.head = state_head, .compare = number_compare}};
const struct module_order effect_by_lease = {
    .order = {.head = lease_head, .compare = number_compare}, .has = has_lease};

struct btree_cursor effect_state_lower(const struct module_context *context, u8 state, u32 kind,
                                       u64 number)
{
    const struct effect probe = {.state = state, .kind = kind, .effect = number};
    return btree_lower(module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_STATE), &probe);
}

// --- looking up ----------------------------------------------------------------------------------

struct effect_gate effect_gate_of(const struct module_context *context)
{
    if (module_record_count(context, EFFECT_TABLE_GATE) == 0) {
        return (struct effect_gate){.armed = context->starts_armed};
    }
    const struct effect_gate *gate = module_record(context, EFFECT_TABLE_GATE, 0);
    return *gate;
}

u64 effect_row(const struct module_context *context, u64 number)
{
    const struct effect probe = {.effect = number};
    return module_find_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_NUMBER, &probe);
}

u32 effect_why_none(const struct module_context *context, u64 number)
{
    const u64 planned = effect_gate_of(context).planned;
    return number == 0 || number > planned ? EFFECT_NOT_FOUND : EFFECT_ARCHIVED;
}

const struct module_effect_kind *effect_kind_find(u32 kind)
{
    const struct module *module = module_of_record(kind >> 16 << 8);
    if (kind >> 24 != 0 || module == NULL) return NULL;
    for (u32 i = 0; i < module->effect_kind_count; i++) {
        if (module->effect_kinds[i].kind == (kind & UINT16_MAX)) return &module->effect_kinds[i];
    }
    return NULL;
}

// --- places --------------------------------------------------------------------------------------

static struct btree_cursor first_over(const struct module_context *context)
{
    return effect_state_lower(context, EFFECT_SETTLED, 0, 0);
}

bool effect_has_room(const struct module_context *context, u32 count)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_STATE);
    u64 room = EFFECTS_MAX - module_record_count(context, EFFECT_TABLE_EFFECTS);
    struct btree_cursor at = first_over(context);
    for (; room < count && btree_row(order, at) != BTREE_ROW_NONE; btree_next(order, &at)) room++;
    return room >= count;
}

void effect_make(const struct module_context *context, u32 kind, const u8 body[EFFECT_BODY_SIZE],
                 struct effect *effect, u64 *row, struct effect_gate *gate)
{
    const struct module_effect_kind *known = effect_kind_find(kind);
    assert(known != NULL); // A module plans what it describes.
    *gate = effect_gate_of(context);
    gate->planned++;
    *effect = (struct effect){
        .effect = gate->planned,
        .state = EFFECT_PENDING,
        .repeatable = known->is_repeatable,
        .kind = kind,
        .key = (u128)(u64)context->log_id << 64 | gate->planned,
        .planned_at = context->timestamp,
        .planned_position = context->position,
        .changed_at = context->timestamp,
    };
    memcpy(effect->body, body, sizeof effect->body);
    *row = module_record_count(context, EFFECT_TABLE_EFFECTS);
    if (*row < EFFECTS_MAX) return;
    *row = btree_row(module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_STATE),
                     first_over(context));
    assert(*row != BTREE_ROW_NONE);
}

u64 effect_next_due(const struct module_context *context)
{
    const struct effect_gate gate = effect_gate_of(context);
    if (gate.doubt_next <= gate.doubt_end && gate.doubt_end > 0) return 0;
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_LEASE);
    const u32 row = btree_row(order, btree_first(order));
    return row == BTREE_ROW_NONE ? U64_MAX : effect_at(context, row)->lease_end;
}
