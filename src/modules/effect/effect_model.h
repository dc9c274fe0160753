// SPDX-License-Identifier: Apache-2.0
//
// Effects a second time, as short and obvious as possible: a list by number, walked for everything.
// The life of an effect is written out as conditions, apart from the table. Tests only.
//
// Does not model: the reuse of places, more than EFFECT_MODEL_MAX effects, the moment of the last
// change.
#ifndef TAEL_MODULES_EFFECT_EFFECT_MODEL_H
#define TAEL_MODULES_EFFECT_EFFECT_MODEL_H

#include "modules/effect/effect.h"

#define EFFECT_MODEL_MAX 2048u

struct effect_model {
    u64 log_id; // Low half.
    u64 epoch;
    u64 planned;
    bool armed;
    bool copied;
    u64 doubt_next; // Effects from here,
    u64 doubt_end;  // up to here, are in doubt until ticks have come; 0: none.
    u32 reason;
    u64 changed_by;
    struct effect effects[EFFECT_MODEL_MAX]; // Number 1 first.
};

struct effect_answer {
    u32 result;
    u128 evidence[2];
};

// Who gives a command, when, and where it stands in the log.
struct effect_asker {
    u64 principal;
    u64 now;
    u64 position;
};

// A module planned an effect at this moment.
void effect_model_plan(struct effect_model *model, const struct effect_asker *asker, u32 kind,
                       bool is_repeatable, const u8 body[EFFECT_BODY_SIZE]);
// Runs a record 0x0901 to 0x0909. `*ended` is the effect that ended by it, or NULL.
struct effect_answer effect_model_run(struct effect_model *model, const struct effect_asker *asker,
                                      u16 record, const void *body, const struct effect **ended);
// A tick has told that it is `now`; whether something was left to do. One does so much at most.
bool effect_model_tick(struct effect_model *model, u64 now);
// Ticks have told it until nothing was left.
void effect_model_pass(struct effect_model *model, u64 now);
// How many effects are in doubt.
u64 effect_model_doubtful(const struct effect_model *model);

#endif
