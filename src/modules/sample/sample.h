// SPDX-License-Identifier: Apache-2.0
//
// The sample module: the pattern of a module in small. A box holds money of one account on behalf
// of another; each put is one posting, one record written and one effect.
//
// Invariants
//   B1 A box holds at most its limit.
//   B3 What is on its way to be sent is held, and nothing else is.
//   B2 What boxes over one account hold sums to what was posted to it by them (L10 in small).
#ifndef TAEL_MODULES_SAMPLE_SAMPLE_H
#define TAEL_MODULES_SAMPLE_SAMPLE_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/sample/sample.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE sample
#include "schema/pass_extern.h"

#include "modules/sample/sample.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define SAMPLE_POSTING_CODE 7001u
#define SAMPLE_EFFECT_TOLD  1u // Body: box id, amount. A repeat is recognised.
#define SAMPLE_EFFECT_SEND  2u // Body: send id, amount. A repeat is not.
#define SAMPLE_CANCELLED    4u // As an outcome of sample_sent.

#endif
