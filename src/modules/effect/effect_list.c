// SPDX-License-Identifier: Apache-2.0
//
// The questions about effects.
#include "modules/effect/effect_internal.h"

static bool is_wanted(const struct effect_list *list, const struct effect *effect)
{
    return (list->claim == 0 || effect->claim == list->claim) &&
           (list->before == 0 || effect->planned_at < list->before) &&
           (list->kind == 0 || effect->kind == list->kind) &&
           (list->state == 0 || effect->state == list->state);
}

// Effects in an order, from a place on; the cursor is the number of the next one. They are walked
// by number, or, of one state and one kind, in the order in which they are claimed: by number too.
static void effects_list(const struct module_context *context, const struct effect_list *list,
                         u32 which, struct btree_cursor at, struct module_answer *answer)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, which);
    const bool is_section = which == EFFECT_BY_STATE;
    memset(answer->cursor, 0, sizeof answer->cursor);
    for (u32 looks = 0;; looks++, btree_next(order, &at)) {
        const u32 row = btree_row(order, at);
        if (row == BTREE_ROW_NONE) return;
        const struct effect *effect = effect_at(context, row);
        if (is_section && (effect->state != list->state || effect->kind != list->kind)) return;
        const bool is_full =
            looks == ANSWER_LOOKS_MAX || (is_wanted(list, effect) && !answer_add(answer, effect));
        if (!is_full) continue;
        store_u64(answer->cursor, effect->effect);
        return;
    }
}

// Those of a claim: few enough are claimed at a time that all of these are looked at.
static void claim_list(const struct module_context *context, const struct effect_list *list,
                       struct module_answer *answer)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_LEASE);
    const u64 from = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    for (u64 next = from;;) { // The lowest number that is not below `next`, again and again.
        const struct effect *lowest = NULL;
        for (struct btree_cursor at = btree_first(order); btree_row(order, at) != BTREE_ROW_NONE;
             btree_next(order, &at)) {
            const struct effect *effect = effect_at(context, btree_row(order, at));
            if (!is_wanted(list, effect) || effect->effect < next) continue;
            if (lowest == NULL || effect->effect < lowest->effect) lowest = effect;
        }
        if (lowest == NULL) return;
        if (!answer_add(answer, lowest)) {
            store_u64(answer->cursor, lowest->effect);
            return;
        }
        next = lowest->effect + 1;
    }
}

static u32 list_ask(const struct module_context *context, const struct effect_list *list,
                    struct module_answer *answer)
{
    answer->record = &effect_schema_effect;
    answer->evidence[0] = list->kind;
    if (list->kind != 0 && effect_kind_find(list->kind) == NULL) return EFFECT_KIND_NOT_FOUND;
    const u64 from = load_u64(answer->cursor);
    const struct effect probe = {.effect = from};
    if (list->claim != 0) {
        claim_list(context, list, answer);
    } else if (list->kind != 0 && list->state != 0 && list->state <= EFFECT_UNKNOWN) {
        effects_list(context, list, EFFECT_BY_STATE,
                     effect_state_lower(context, list->state, list->kind, from), answer);
    } else {
        const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_NUMBER);
        effects_list(context, list, EFFECT_BY_NUMBER, btree_lower(order, &probe), answer);
    }
    return MODULE_DONE;
}

static u32 find_ask(const struct module_context *context, const struct effect_find *find,
                    struct module_answer *answer)
{
    const u64 row = effect_row(context, find->effect);
    answer->record = &effect_schema_effect;
    answer->evidence[0] = find->effect;
    if (row == MODULE_ROW_NONE) return effect_why_none(context, find->effect);
    (void)answer_add(answer, effect_at(context, row));
    return MODULE_DONE;
}

static u32 status_ask(const struct module_context *context, struct module_answer *answer)
{
    const struct effect_gate gate = effect_gate_of(context);
    const struct effect_status_view view = {
        .log_id = context->log_id,
        .epoch = context->epoch,
        .planned = gate.planned,
        .doubtful = gate.doubt_end == 0 ? 0 : gate.doubt_end + 1 - gate.doubt_next,
        .changed_at = gate.changed_at,
        .changed_by = gate.changed_by,
        .reason = gate.reason,
        .armed = gate.armed,
        .copied = gate.copied,
    };
    answer->record = &effect_schema_effect_status_view;
    (void)answer_add(answer, &view);
    return MODULE_DONE;
}

u32 effect_ask(const struct module_context *context, const struct schema_record *question,
               const void *body, struct module_answer *answer)
{
    if (question == &effect_schema_effect_list) return list_ask(context, body, answer);
    if (question == &effect_schema_effect_find) return find_ask(context, body, answer);
    assert(question == &effect_schema_effect_status);
    return status_ask(context, answer);
}
