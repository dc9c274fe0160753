// SPDX-License-Identifier: Apache-2.0
//
// The ledger's records as structs, and its flags and results as enumerations, made from ledger.def.
#ifndef TAEL_LEDGER_LEDGER_TYPES_H
#define TAEL_LEDGER_LEDGER_TYPES_H

#include "base/base.h"

#include "schema/pass_struct.h"

#include "ledger/ledger.def"

#include "schema/pass_end.h"

// A batch of the compat port carries at most this many events, or results of a query.
#define LEDGER_BATCH_EVENTS_MAX   8189u
#define LEDGER_EVENTS_MAX         32768u // In one batch: a frame full of transfers.
#define LEDGER_PULSE_POSTINGS_MAX 4096u  // Planned in one tick, by all modules.
#define LEDGER_CHANGE_EVENTS_MAX  2730u
// Timestamps are nanoseconds in [1, 2^63 - 1].
#define LEDGER_TIMESTAMP_MIN 1ull
#define LEDGER_TIMESTAMP_MAX ((1ull << 63) - 1)

#endif
