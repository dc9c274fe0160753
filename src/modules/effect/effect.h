// SPDX-License-Identifier: Apache-2.0
//
// The effect module: acts in the outside world, planned by modules, claimed and sent by gateways,
// settled by commands (docs/EFFECTS.md).
//
// What a plan asks for (plan_add_effect) becomes a record here, made by the machine when the plan
// is committed. From then on this module changes it, by the table effect_life alone, and the module
// that planned it is told of its end in the same command (struct module, `settled`).
//
// The table holds the effects that are open and as many of those that are over as there is room
// for; when a new one needs a place, the one with the lowest number that is over makes it. When all
// are open nothing more is planned: MODULE_FULL.
//
// Invariants
//   E1 Numbers count from 1, no two records have the same, and none is above the last one given.
//   E2 An effect has a claim and an end of its lease if it is claimed or attempted, and else none.
//   E3 No effect is sent by two gateways at a time: an attempt needs the claim that it is in, of
//      the log's epoch, before its end, in an armed log.
//   E4 An effect whose other side recognises no repeat is attempted again only when its gateway
//      told that nothing was sent.
//   E5 An effect has an outcome if and only if it is settled or resolved.
#ifndef TAEL_MODULES_EFFECT_EFFECT_H
#define TAEL_MODULES_EFFECT_EFFECT_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/effect/effect.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE effect
#include "schema/pass_extern.h"

#include "modules/effect/effect.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define EFFECTS_MAX              (1u << 18) // Records.
#define EFFECT_CLAIM_MAX         32u        // Effects that one claim takes.
#define EFFECTS_CLAIMED_MAX      1024u      // That are claimed or attempted, of all gateways,
#define EFFECTS_CLAIMED_OF_MAX   256u       // and of one.
#define EFFECT_KIND(module, own) ((u32)(module) << 16 | (own))
#define EFFECT_PULSE_MAX         32u // Effects that one tick changes.

// The kinds that a module plans; NULL when there is no such kind.
const struct module_effect_kind *effect_kind_find(u32 kind);
// Whether `count` more effects find a place. `context` is the effect module's.
bool effect_has_room(const struct module_context *context, u32 count);
// The record of the next effect, pending, and the row where it belongs, and the gate with it; there
// must be room (asserted). `context` is the effect module's, of the command that plans it.
void effect_make(const struct module_context *context, u32 kind, const u8 body[EFFECT_BODY_SIZE],
                 struct effect *effect, u64 *row, struct effect_gate *gate);
// When the next tick has something to do, in nanoseconds; U64_MAX for never.
u64 effect_next_due(const struct module_context *context);

// The tables of the module.
enum { EFFECT_TABLE_EFFECTS, EFFECT_TABLE_GATE };

#endif
