// SPDX-License-Identifier: Apache-2.0
//
// Deciding on effects: claims, attempts, settlements, what time does, arming.
#include "modules/effect/effect_internal.h"

#define SCHEMA_MODULE effect
#define SCHEMA_TABLE  "modules/effect/effect.def"
#include "schema/make_descriptors.h"

static_assert(2 * EFFECT_PULSE_MAX <= PLAN_WRITES_MAX && EFFECT_CLAIM_MAX < PLAN_WRITES_MAX,
              "a plan takes what one command or tick changes");
static_assert(EFFECT_BODY_SIZE == sizeof((struct effect){0}.body), "a plan's body");

// --- transitions ---------------------------------------------------------------------------------

static u32 refusal_of(u8 state)
{
    switch ((enum effect_state)state) {
    case EFFECT_PENDING: return EFFECT_IS_PENDING;
    case EFFECT_CLAIMED: return EFFECT_IS_CLAIMED;
    case EFFECT_ATTEMPTED: return EFFECT_IS_ATTEMPTED;
    case EFFECT_UNKNOWN: return EFFECT_IS_UNKNOWN;
    case EFFECT_SETTLED: return EFFECT_IS_SETTLED;
    case EFFECT_RESOLVED: return EFFECT_IS_RESOLVED;
    case EFFECT_CANCELLED:
    case EFFECT_ANY:
    default: break;
    }
    assert(state == EFFECT_CANCELLED);
    return EFFECT_IS_CANCELLED;
}

// The effect as it is behind the event, in `next`; false when the table has no such row.
static bool effect_next(const struct module_context *context, const struct effect *effect,
                        enum effect_event event, struct effect *next)
{
    u32 state = 0;
    *next = *effect;
    if (!schema_machine_next(&effect_schema_effect_life, effect->state, event, &state)) {
        return false;
    }
    next->state = (u8)state;
    next->changed_at = context->timestamp;
    if (!effect_is_claimed(next)) { // E2
        next->claim = 0;
        next->lease_end = 0;
    }
    return true;
}

static struct effect *effect_write(struct plan *plan, u64 row, const struct effect *effect)
{
    plan_add_write(plan, EFFECT_TABLE_EFFECTS, row, effect, sizeof *effect);
    return (void *)plan->writes[plan->write_count - 1].record;
}

// The effect of a command as it is behind the event, and its row; or why not.
static u32 effect_step(const struct module_context *context, u64 number, enum effect_event event,
                       u64 *row, struct effect *next, struct plan *plan)
{
    plan->evidence[0] = number;
    *row = effect_row(context, number);
    if (*row == MODULE_ROW_NONE) return effect_why_none(context, number);
    const struct effect *effect = effect_at(context, *row);
    plan->evidence[1] = effect->state;
    return effect_next(context, effect, event, next) ? MODULE_DONE : refusal_of(effect->state);
}

// --- what gateways do ----------------------------------------------------------------------------

static u32 epoch_check(const struct module_context *context, u64 epoch, struct plan *plan)
{
    plan->evidence[0] = epoch;
    plan->evidence[1] = context->epoch;
    if (epoch != context->epoch) return EFFECT_OTHER_EPOCH;
    plan->evidence[0] = 0;
    plan->evidence[1] = 0;
    return MODULE_DONE;
}

// The same of an effect that is in a claim of the gateway's, whose time is not over (E3).
static u32 claimed_step(const struct module_context *context, u64 number, u64 claim,
                        enum effect_event event, u64 *row, struct effect *next, struct plan *plan)
{
    const u32 refusal = effect_step(context, number, event, row, next, plan);
    if (refusal != MODULE_DONE) return refusal;
    const struct effect *effect = effect_at(context, *row);
    plan->evidence[0] = claim;
    plan->evidence[1] = effect->claim;
    if (effect->claim != claim || effect->gateway != context->principal) return EFFECT_OTHER_CLAIM;
    plan->evidence[0] = context->timestamp;
    plan->evidence[1] = effect->lease_end;
    return context->timestamp >= effect->lease_end ? EFFECT_LEASE_ENDED : MODULE_DONE;
}

#define KINDS_MAX (1 + ARRAY_COUNT(((struct effect_claim){0}).more_kinds))

static u32 kind_of(const struct effect_claim *claim, u32 i)
{
    return i == 0 ? claim->kind : claim->more_kinds[i - 1];
}

static u32 kinds_check(const struct effect_claim *claim, struct plan *plan)
{
    u32 count = 0;
    for (u32 i = 0; i < KINDS_MAX; i++) count += kind_of(claim, i) != 0;
    if (count == 0) return EFFECT_KIND_MISSING;
    for (u32 i = 0; i < KINDS_MAX; i++) {
        plan->evidence[0] = kind_of(claim, i);
        if (kind_of(claim, i) == 0) continue;
        if (effect_kind_find(kind_of(claim, i)) == NULL) return EFFECT_KIND_NOT_FOUND;
    }
    for (u32 i = 0; i < KINDS_MAX; i++) {
        plan->evidence[0] = kind_of(claim, i);
        for (u32 j = 0; j < i && kind_of(claim, i) != 0; j++) {
            if (kind_of(claim, i) == kind_of(claim, j)) return EFFECT_KIND_TWICE;
        }
    }
    plan->evidence[0] = 0;
    return MODULE_DONE;
}

// How many more effects the gateway may claim: few enough are claimed that they are counted.
static u64 claims_left(const struct module_context *context, struct plan *plan)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_LEASE);
    u64 own = 0;
    assert(order->count <= EFFECTS_CLAIMED_MAX);
    for (struct btree_cursor at = btree_first(order); btree_row(order, at) != BTREE_ROW_NONE;
         btree_next(order, &at)) {
        own += effect_at(context, btree_row(order, at))->gateway == context->principal;
    }
    const bool is_own = own >= EFFECTS_CLAIMED_OF_MAX;
    plan->evidence[0] = is_own ? own : order->count;
    plan->evidence[1] = is_own ? EFFECTS_CLAIMED_OF_MAX : EFFECTS_CLAIMED_MAX;
    return is_own ? 0 : MIN(EFFECTS_CLAIMED_OF_MAX - own, EFFECTS_CLAIMED_MAX - order->count);
}

// Claims the oldest pending effects of a kind, until the plan has `count`.
static void kind_claim(const struct module_context *context, const struct effect_claim *claim,
                       u32 kind, u64 count, struct plan *plan)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_STATE);
    struct btree_cursor at = effect_state_lower(context, EFFECT_PENDING, kind, 0);
    for (; plan->write_count < count; btree_next(order, &at)) {
        const u32 row = btree_row(order, at);
        struct effect next;
        if (row == BTREE_ROW_NONE) return;
        const struct effect *effect = effect_at(context, row);
        if (effect->state != EFFECT_PENDING || effect->kind != kind) return;
        if (!effect_next(context, effect, EFFECT_EVENT_CLAIM, &next)) return;
        next.claim = context->position;
        next.gateway = context->principal;
        next.lease_end = context->timestamp + claim->lease_s * NS_PER_S;
        (void)effect_write(plan, row, &next);
    }
}

static u32 claim_decide(const struct module_context *context, const struct effect_claim *claim,
                        struct plan *plan)
{
    u32 refusal = epoch_check(context, claim->epoch, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (claim->count == 0) return EFFECT_COUNT_MUST_NOT_BE_ZERO;
    if (claim->lease_s == 0) return EFFECT_LEASE_MUST_NOT_BE_ZERO;
    refusal = kinds_check(claim, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (!effect_gate_of(context).armed) return EFFECT_IS_DISARMED;
    const u64 left = claims_left(context, plan);
    if (left == 0) return EFFECT_TOO_MANY_CLAIMED;
    const u64 count = MIN(MIN(left, (u64)claim->count), (u64)EFFECT_CLAIM_MAX);
    for (u32 i = 0; i < KINDS_MAX; i++) {
        if (kind_of(claim, i) != 0) kind_claim(context, claim, kind_of(claim, i), count, plan);
    }
    plan->evidence[0] = 0;
    plan->evidence[1] = 0;
    return plan->write_count == 0 ? EFFECT_NONE_PENDING : MODULE_DONE;
}

static u32 attempt_decide(const struct module_context *context,
                          const struct effect_attempt *attempt, struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    u32 refusal = epoch_check(context, attempt->epoch, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (!effect_gate_of(context).armed) return EFFECT_IS_DISARMED;
    refusal = claimed_step(context, attempt->effect, attempt->claim, EFFECT_EVENT_ATTEMPT, &row,
                           &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    next.attempts++;
    (void)effect_write(plan, row, &next);
    return MODULE_DONE;
}

// The module that planned the effect is told of its end by the machine, in the same command.
static void effect_end(struct plan *plan, u64 row, const struct effect *next)
{
    plan->settled = effect_write(plan, row, next);
}

static u32 settle_decide(const struct module_context *context, const struct effect_settle *settle,
                         struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    const bool is_retry = settle->outcome == EFFECT_OUTCOME_RETRY;
    u32 refusal = epoch_check(context, settle->epoch, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (settle->outcome == EFFECT_OUTCOME_NONE) return EFFECT_OUTCOME_MISSING;
    refusal = claimed_step(context, settle->effect, settle->claim,
                           is_retry ? EFFECT_EVENT_RETRY : EFFECT_EVENT_SETTLE, &row, &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    next.code = settle->code;
    memcpy(next.answer, settle->answer, sizeof next.answer);
    if (is_retry) {
        (void)effect_write(plan, row, &next);
        return MODULE_DONE;
    }
    next.outcome = settle->outcome;
    next.told_by = context->principal;
    effect_end(plan, row, &next);
    return MODULE_DONE;
}

static u32 renew_decide(const struct module_context *context, const struct effect_renew *renew,
                        struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    u32 refusal = epoch_check(context, renew->epoch, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (renew->lease_s == 0) return EFFECT_LEASE_MUST_NOT_BE_ZERO;
    if (!effect_gate_of(context).armed) return EFFECT_IS_DISARMED;
    refusal =
        claimed_step(context, renew->effect, renew->claim, EFFECT_EVENT_RENEW, &row, &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    next.lease_end = context->timestamp + renew->lease_s * NS_PER_S;
    (void)effect_write(plan, row, &next);
    return MODULE_DONE;
}

static u32 release_decide(const struct module_context *context,
                          const struct effect_release *release, struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    u32 refusal = epoch_check(context, release->epoch, plan);
    if (refusal != MODULE_DONE) return refusal;
    refusal = claimed_step(context, release->effect, release->claim, EFFECT_EVENT_RELEASE, &row,
                           &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    (void)effect_write(plan, row, &next);
    return MODULE_DONE;
}

// --- what people do ------------------------------------------------------------------------------

static u32 resolve_decide(const struct module_context *context,
                          const struct effect_resolve *resolve, struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    if (resolve->reason == 0) return EFFECT_REASON_MISSING;
    const bool is_told =
        resolve->outcome == EFFECT_OUTCOME_DONE || resolve->outcome == EFFECT_OUTCOME_FAILED;
    if (!is_told) return EFFECT_OUTCOME_MISSING;
    const u32 refusal =
        effect_step(context, resolve->effect, EFFECT_EVENT_RESOLVE, &row, &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    next.outcome = resolve->outcome;
    next.code = resolve->reason;
    next.reference = resolve->reference;
    next.told_by = context->principal;
    effect_end(plan, row, &next);
    return MODULE_DONE;
}

static u32 cancel_decide(const struct module_context *context, const struct effect_cancel *cancel,
                         struct plan *plan)
{
    u64 row = 0;
    struct effect next;
    if (cancel->reason == 0) return EFFECT_REASON_MISSING;
    const u32 refusal =
        effect_step(context, cancel->effect, EFFECT_EVENT_CANCEL, &row, &next, plan);
    if (refusal != MODULE_DONE) return refusal;
    next.code = cancel->reason;
    next.told_by = context->principal;
    effect_end(plan, row, &next);
    return MODULE_DONE;
}

static void gate_write(const struct module_context *context, struct effect_gate *gate, u32 reason,
                       struct plan *plan)
{
    gate->reason = reason;
    gate->changed_at = context->timestamp;
    gate->changed_by = context->principal;
    plan_add_write(plan, EFFECT_TABLE_GATE, 0, gate, sizeof *gate);
}

static u64 doubtful(const struct effect_gate *gate)
{
    return gate->doubt_end == 0 ? 0 : gate->doubt_end + 1 - gate->doubt_next;
}

static u32 arm_decide(const struct module_context *context, const struct effect_arm *arm,
                      struct plan *plan)
{
    struct effect_gate gate = effect_gate_of(context);
    if (arm->reason == 0) return EFFECT_REASON_MISSING;
    if (gate.armed) return EFFECT_IS_ARMED;
    plan->evidence[0] = doubtful(&gate);
    if (doubtful(&gate) > 0) return EFFECT_DOUBT_REMAINS;
    gate.armed = true;
    gate.copied = false;
    gate_write(context, &gate, arm->reason, plan);
    return MODULE_DONE;
}

static u32 disarm_decide(const struct module_context *context, const struct effect_disarm *disarm,
                         struct plan *plan)
{
    struct effect_gate gate = effect_gate_of(context);
    if (disarm->reason == 0) return EFFECT_REASON_MISSING;
    // A copy may be made of one that is disarmed, too.
    if (!gate.armed && !disarm->copied) return EFFECT_IS_DISARMED;
    gate.armed = false;
    gate.copied = disarm->copied;
    if (disarm->copied) {
        gate.doubt_next = 1;
        gate.doubt_end = gate.planned;
    }
    gate_write(context, &gate, disarm->reason, plan);
    return MODULE_DONE;
}

static u32 effect_decide(const struct module_context *context, const struct schema_record *record,
                         const void *body, struct plan *plan)
{
    if (record == &effect_schema_effect_claim) return claim_decide(context, body, plan);
    if (record == &effect_schema_effect_attempt) return attempt_decide(context, body, plan);
    if (record == &effect_schema_effect_settle) return settle_decide(context, body, plan);
    if (record == &effect_schema_effect_renew) return renew_decide(context, body, plan);
    if (record == &effect_schema_effect_release) return release_decide(context, body, plan);
    if (record == &effect_schema_effect_resolve) return resolve_decide(context, body, plan);
    if (record == &effect_schema_effect_cancel) return cancel_decide(context, body, plan);
    if (record == &effect_schema_effect_arm) return arm_decide(context, body, plan);
    assert(record == &effect_schema_effect_disarm);
    return disarm_decide(context, body, plan);
}

// --- time ----------------------------------------------------------------------------------------

// The log is a copy: what the one that it was copied from may have sent, to somebody who would not
// know it for a repeat, becomes unknown.
static void doubts_pulse(const struct module_context *context, struct effect_gate *gate,
                         struct plan *plan)
{
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_NUMBER);
    const struct effect probe = {.effect = gate->doubt_next};
    struct btree_cursor at = btree_lower(order, &probe);
    for (u32 looks = 0; looks < EFFECT_PULSE_MAX; looks++, btree_next(order, &at)) {
        const u32 row = btree_row(order, at);
        struct effect next;
        const struct effect *effect = row == BTREE_ROW_NONE ? NULL : effect_at(context, row);
        if (effect == NULL || effect->effect > gate->doubt_end) {
            gate->doubt_next = 0;
            gate->doubt_end = 0;
            break;
        }
        gate->doubt_next = effect->effect + 1;
        if (effect->repeatable || !effect_next(context, effect, EFFECT_EVENT_DOUBT, &next)) {
            continue;
        }
        next.doubt = EFFECT_DOUBT_COPIED;
        (void)effect_write(plan, row, &next);
    }
    if (gate->doubt_next > gate->doubt_end) {
        gate->doubt_next = 0;
        gate->doubt_end = 0;
    }
    plan_add_write(plan, EFFECT_TABLE_GATE, 0, gate, sizeof *gate);
}

static bool effect_pulse(const struct module_context *context, struct plan *plan)
{
    struct effect_gate gate = effect_gate_of(context);
    if (doubtful(&gate) > 0) {
        doubts_pulse(context, &gate, plan);
        return true;
    }
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_LEASE);
    struct btree_cursor at = btree_first(order);
    for (; plan->write_count < EFFECT_PULSE_MAX; btree_next(order, &at)) {
        const u32 row = btree_row(order, at);
        struct effect next;
        if (row == BTREE_ROW_NONE) break;
        const struct effect *effect = effect_at(context, row);
        if (effect->lease_end > context->timestamp) break;
        const bool is_known = effect_next(
            context, effect,
            effect->repeatable ? EFFECT_EVENT_LEASE_END_REPEATABLE : EFFECT_EVENT_LEASE_END, &next);
        assert(is_known);
        if (next.state == EFFECT_UNKNOWN) next.doubt = EFFECT_DOUBT_LEASE_ENDED;
        (void)effect_write(plan, row, &next);
    }
    return plan->write_count > 0;
}

// --- invariants ----------------------------------------------------------------------------------

static void effect_check(const struct module_context *context)
{
    const struct effect_gate gate = effect_gate_of(context);
    const struct btree *order = module_ordered(context, EFFECT_TABLE_EFFECTS, EFFECT_BY_NUMBER);
    u64 last = 0;
    u64 claimed = 0;
    assert(module_record_count(context, EFFECT_TABLE_GATE) <= 1);
    for (struct btree_cursor at = btree_first(order); btree_row(order, at) != BTREE_ROW_NONE;
         btree_next(order, &at)) {
        const struct effect *effect = effect_at(context, btree_row(order, at));
        assert(effect->effect > last && effect->effect <= gate.planned); // E1
        last = effect->effect;
        const bool is_claimed = effect_is_claimed(effect);
        claimed += is_claimed;
        assert(effect->state >= EFFECT_PENDING && effect->state <= EFFECT_CANCELLED);
        assert(is_claimed == (effect->claim != 0)); // E2
        assert(is_claimed == (effect->lease_end != 0));
        const bool is_told = effect->state == EFFECT_SETTLED || effect->state == EFFECT_RESOLVED;
        assert(is_told == (effect->outcome != EFFECT_OUTCOME_NONE)); // E5
        assert(effect->outcome <= EFFECT_OUTCOME_FAILED);
        assert(effect->state != EFFECT_UNKNOWN || effect->doubt != EFFECT_DOUBT_NONE);
        const struct module_effect_kind *kind = effect_kind_find(effect->kind);
        assert(kind != NULL && kind->is_repeatable == effect->repeatable);
    }
    assert(claimed <= EFFECTS_CLAIMED_MAX);
}

const struct module effect_module = {
    .name = "effect",
    .number = 0x09,
    .version = 1,
    .schema = &effect_schema,
    .table_count = 2,
    .tables =
        {
            {.record_size = sizeof(struct effect),
             .record_max = EFFECTS_MAX,
             .orders = {&effect_by_number, &effect_by_state, &effect_by_lease}},
            {.record_size = sizeof(struct effect_gate), .record_max = 1},
        },
    .decide = effect_decide,
    .ask = effect_ask,
    .pulse = effect_pulse,
    .check = effect_check,
};
