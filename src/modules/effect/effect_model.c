// SPDX-License-Identifier: Apache-2.0
//
// The naive model of effects.
#include "modules/effect/effect_model.h"

static const struct effect_answer done = {0};

static struct effect_answer refuse(u32 result, u128 value, u128 limit)
{
    return (struct effect_answer){.result = result, .evidence = {value, limit}};
}

static struct effect *find(struct effect_model *model, u64 number)
{
    return number == 0 || number > model->planned ? NULL : &model->effects[number - 1];
}

static bool is_held(const struct effect *effect)
{
    return effect->state == EFFECT_CLAIMED || effect->state == EFFECT_ATTEMPTED;
}

static void free_of_claim(struct effect *effect, u8 state)
{
    effect->state = state;
    effect->claim = 0;
    effect->lease_end = 0;
}

void effect_model_plan(struct effect_model *model, const struct effect_asker *asker, u32 kind,
                       bool is_repeatable, const u8 body[EFFECT_BODY_SIZE])
{
    assert(model->planned < EFFECT_MODEL_MAX);
    struct effect *effect = &model->effects[model->planned++];
    *effect = (struct effect){.effect = model->planned,
                              .state = EFFECT_PENDING,
                              .repeatable = is_repeatable,
                              .kind = kind,
                              .key = ((u128)model->log_id << 64) + model->planned,
                              .planned_at = asker->now,
                              .planned_position = asker->position};
    memcpy(effect->body, body, sizeof effect->body);
}

static bool is_kind(u32 kind)
{
    return kind == 0x7f0001 || kind == 0x7f0002;
}

static struct effect_answer run_claim(struct effect_model *model, const struct effect_asker *asker,
                                      const struct effect_claim *claim)
{
    u32 kinds[8] = {claim->kind};
    u64 own = 0;
    u64 all = 0;
    u64 taken = 0;
    u32 named = 0;
    memcpy(kinds + 1, claim->more_kinds, sizeof claim->more_kinds);
    if (claim->count == 0) return refuse(EFFECT_COUNT_MUST_NOT_BE_ZERO, 0, 0);
    if (claim->lease_s == 0) return refuse(EFFECT_LEASE_MUST_NOT_BE_ZERO, 0, 0);
    for (u32 i = 0; i < 8; i++) named += kinds[i] != 0;
    if (named == 0) return refuse(EFFECT_KIND_MISSING, 0, 0);
    for (u32 i = 0; i < 8; i++) {
        if (kinds[i] != 0 && !is_kind(kinds[i])) return refuse(EFFECT_KIND_NOT_FOUND, kinds[i], 0);
    }
    for (u32 i = 0; i < 8; i++) {
        for (u32 j = 0; j < i; j++) {
            if (kinds[i] != 0 && kinds[i] == kinds[j]) {
                return refuse(EFFECT_KIND_TWICE, kinds[i], 0);
            }
        }
    }
    if (!model->armed) return refuse(EFFECT_IS_DISARMED, 0, 0);
    for (u64 i = 0; i < model->planned; i++) {
        all += is_held(&model->effects[i]);
        own += is_held(&model->effects[i]) && model->effects[i].gateway == asker->principal;
    }
    if (own >= 256) return refuse(EFFECT_TOO_MANY_CLAIMED, own, 256);
    if (all >= 1024) return refuse(EFFECT_TOO_MANY_CLAIMED, all, 1024);
    for (u32 i = 0; i < 8; i++) {
        for (u64 j = 0; j < model->planned; j++) {
            struct effect *effect = &model->effects[j];
            const bool is_more = taken < claim->count && taken < 32 && own < 256 && all < 1024;
            if (!is_more || effect->state != EFFECT_PENDING || effect->kind != kinds[i]) continue;
            effect->state = EFFECT_CLAIMED;
            effect->claim = asker->position;
            effect->gateway = asker->principal;
            effect->lease_end = asker->now + 1000000000ull * claim->lease_s;
            taken++;
            own++;
            all++;
        }
    }
    return taken == 0 ? refuse(EFFECT_NONE_PENDING, 0, 0) : done;
}

// Refuses an effect that is not there, or not in one of two states.
static struct effect_answer state_check(struct effect_model *model, u64 number, u8 state, u8 other)
{
    const struct effect *effect = find(model, number);
    if (effect == NULL) return refuse(EFFECT_NOT_FOUND, number, 0);
    if (effect->state == state || effect->state == other) return done;
    // The refusals that say a state have the numbers of the states, from 16 on.
    return refuse(15u + effect->state, number, effect->state);
}

static struct effect_answer held_check(struct effect_model *model, const struct effect_asker *asker,
                                       u64 number, u64 claim, u8 state, u8 other)
{
    const struct effect_answer answer = state_check(model, number, state, other);
    if (answer.result != 0) return answer;
    const struct effect *effect = find(model, number);
    if (effect->claim != claim || effect->gateway != asker->principal) {
        return refuse(EFFECT_OTHER_CLAIM, claim, effect->claim);
    }
    if (asker->now < effect->lease_end) return done;
    return refuse(EFFECT_LEASE_ENDED, asker->now, effect->lease_end);
}

static struct effect_answer run_attempt(struct effect_model *model,
                                        const struct effect_asker *asker,
                                        const struct effect_attempt *attempt)
{
    if (!model->armed) return refuse(EFFECT_IS_DISARMED, 0, 0);
    const struct effect_answer answer =
        held_check(model, asker, attempt->effect, attempt->claim, EFFECT_CLAIMED, EFFECT_CLAIMED);
    if (answer.result != 0) return answer;
    find(model, attempt->effect)->state = EFFECT_ATTEMPTED;
    find(model, attempt->effect)->attempts++;
    return done;
}

static struct effect_answer run_settle(struct effect_model *model, const struct effect_asker *asker,
                                       const struct effect_settle *settle,
                                       const struct effect **ended)
{
    if (settle->outcome == 0) return refuse(EFFECT_OUTCOME_MISSING, 0, 0);
    const struct effect_answer answer =
        held_check(model, asker, settle->effect, settle->claim, EFFECT_ATTEMPTED, EFFECT_ATTEMPTED);
    if (answer.result != 0) return answer;
    struct effect *effect = find(model, settle->effect);
    effect->code = settle->code;
    memcpy(effect->answer, settle->answer, sizeof effect->answer);
    if (settle->outcome == EFFECT_OUTCOME_RETRY) {
        free_of_claim(effect, EFFECT_PENDING);
        return done;
    }
    free_of_claim(effect, EFFECT_SETTLED);
    effect->outcome = settle->outcome;
    effect->told_by = asker->principal;
    *ended = effect;
    return done;
}

static struct effect_answer run_renew(struct effect_model *model, const struct effect_asker *asker,
                                      const struct effect_renew *renew)
{
    if (renew->lease_s == 0) return refuse(EFFECT_LEASE_MUST_NOT_BE_ZERO, 0, 0);
    if (!model->armed) return refuse(EFFECT_IS_DISARMED, 0, 0);
    const struct effect_answer answer =
        held_check(model, asker, renew->effect, renew->claim, EFFECT_CLAIMED, EFFECT_ATTEMPTED);
    if (answer.result != 0) return answer;
    find(model, renew->effect)->lease_end = asker->now + 1000000000ull * renew->lease_s;
    return done;
}

static struct effect_answer run_release(struct effect_model *model,
                                        const struct effect_asker *asker,
                                        const struct effect_release *release)
{
    const struct effect_answer answer =
        held_check(model, asker, release->effect, release->claim, EFFECT_CLAIMED, EFFECT_CLAIMED);
    if (answer.result == 0) free_of_claim(find(model, release->effect), EFFECT_PENDING);
    return answer;
}

static struct effect_answer run_resolve(struct effect_model *model,
                                        const struct effect_asker *asker,
                                        const struct effect_resolve *resolve,
                                        const struct effect **ended)
{
    if (resolve->reason == 0) return refuse(EFFECT_REASON_MISSING, 0, 0);
    if (resolve->outcome != 1 && resolve->outcome != 2) return refuse(EFFECT_OUTCOME_MISSING, 0, 0);
    const struct effect_answer answer =
        state_check(model, resolve->effect, EFFECT_UNKNOWN, EFFECT_UNKNOWN);
    if (answer.result != 0) return answer;
    struct effect *effect = find(model, resolve->effect);
    effect->state = EFFECT_RESOLVED;
    effect->outcome = resolve->outcome;
    effect->code = resolve->reason;
    effect->reference = resolve->reference;
    effect->told_by = asker->principal;
    *ended = effect;
    return done;
}

static struct effect_answer run_cancel(struct effect_model *model, const struct effect_asker *asker,
                                       const struct effect_cancel *cancel,
                                       const struct effect **ended)
{
    if (cancel->reason == 0) return refuse(EFFECT_REASON_MISSING, 0, 0);
    const struct effect_answer answer =
        state_check(model, cancel->effect, EFFECT_PENDING, EFFECT_PENDING);
    if (answer.result != 0) return answer;
    struct effect *effect = find(model, cancel->effect);
    effect->state = EFFECT_CANCELLED;
    effect->code = cancel->reason;
    effect->told_by = asker->principal;
    *ended = effect;
    return done;
}

static struct effect_answer run_arm(struct effect_model *model, const struct effect_asker *asker,
                                    u32 reason, bool is_arming, bool is_copied)
{
    if (reason == 0) return refuse(EFFECT_REASON_MISSING, 0, 0);
    if (is_arming && model->armed) return refuse(EFFECT_IS_ARMED, 0, 0);
    if (is_arming && model->doubt_end != 0) {
        return refuse(EFFECT_DOUBT_REMAINS, effect_model_doubtful(model), 0);
    }
    if (!is_arming && !model->armed && !is_copied) return refuse(EFFECT_IS_DISARMED, 0, 0);
    model->armed = is_arming;
    model->copied = is_copied;
    if (is_copied) {
        model->doubt_next = 1;
        model->doubt_end = model->planned;
    }
    model->reason = reason;
    model->changed_by = asker->principal;
    return done;
}

struct effect_answer effect_model_run(struct effect_model *model, const struct effect_asker *asker,
                                      u16 record, const void *body, const struct effect **ended)
{
    u64 epoch = model->epoch;
    *ended = NULL;
    switch (record) {
    case 0x0901: epoch = ((const struct effect_claim *)body)->epoch; break;
    case 0x0902: epoch = ((const struct effect_attempt *)body)->epoch; break;
    case 0x0903: epoch = ((const struct effect_settle *)body)->epoch; break;
    case 0x0904: epoch = ((const struct effect_renew *)body)->epoch; break;
    case 0x0905: epoch = ((const struct effect_release *)body)->epoch; break;
    default: break;
    }
    if (epoch != model->epoch) return refuse(EFFECT_OTHER_EPOCH, epoch, model->epoch);
    switch (record) {
    case 0x0901: return run_claim(model, asker, body);
    case 0x0902: return run_attempt(model, asker, body);
    case 0x0903: return run_settle(model, asker, body, ended);
    case 0x0904: return run_renew(model, asker, body);
    case 0x0905: return run_release(model, asker, body);
    case 0x0906: return run_resolve(model, asker, body, ended);
    case 0x0907: return run_cancel(model, asker, body, ended);
    case 0x0908:
        return run_arm(model, asker, ((const struct effect_arm *)body)->reason, true, false);
    default: break;
    }
    const struct effect_disarm *disarm = body;
    return run_arm(model, asker, disarm->reason, false, disarm->copied);
}

u64 effect_model_doubtful(const struct effect_model *model)
{
    return model->doubt_end == 0 ? 0 : model->doubt_end + 1 - model->doubt_next;
}

// The first of those whose time is over, that of the earliest end; NULL when there is none.
static struct effect *first_over(struct effect_model *model, u64 now)
{
    struct effect *first = NULL;
    for (u64 i = 0; i < model->planned; i++) {
        struct effect *effect = &model->effects[i];
        if (!is_held(effect) || effect->lease_end > now) continue;
        if (first == NULL || effect->lease_end < first->lease_end) first = effect;
    }
    return first;
}

bool effect_model_tick(struct effect_model *model, u64 now)
{
    u32 count = 0;
    if (model->doubt_end != 0) {
        for (; count < EFFECT_PULSE_MAX && model->doubt_next <= model->doubt_end; count++) {
            struct effect *effect = &model->effects[model->doubt_next++ - 1];
            const bool is_open = effect->state == EFFECT_PENDING || is_held(effect);
            if (!is_open || effect->repeatable) continue;
            free_of_claim(effect, EFFECT_UNKNOWN);
            effect->doubt = EFFECT_DOUBT_COPIED;
        }
        if (model->doubt_next > model->doubt_end) model->doubt_end = 0;
        return true;
    }
    for (; count < EFFECT_PULSE_MAX; count++) {
        struct effect *effect = first_over(model, now);
        if (effect == NULL) break;
        const bool is_lost = effect->state == EFFECT_ATTEMPTED && !effect->repeatable;
        if (is_lost) effect->doubt = EFFECT_DOUBT_LEASE_ENDED;
        free_of_claim(effect, is_lost ? EFFECT_UNKNOWN : EFFECT_PENDING);
    }
    return count > 0;
}

void effect_model_pass(struct effect_model *model, u64 now)
{
    while (effect_model_tick(model, now)) {
    }
}
