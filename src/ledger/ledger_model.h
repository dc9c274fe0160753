// SPDX-License-Identifier: Apache-2.0
//
// The ledger a second time, as short and obvious as possible, to test the real one against.
//
// Optimised for being evidently right: arrays in order of time, a simple hash from ids, a copy of
// all accounts to undo a chain. Good to about a hundred thousand transfers; queries look at all of
// them. It allocates with malloc and aborts when there is no memory. Tests only.
//
// Invariants, asserted by ledger_model_check:
//   N1  In every ledger debits equal credits, pending and posted apart.
//   N2  An account with a limit keeps it: debits with holds within posted credits, or the reverse.
//   N3  The pending balances of an account are the sums of the open pending transfers on it.
//   N4  The posted balances of an account are the sums of the transfers posted on it.
//   N5  An account that an open pending transfer closes is closed.
//   N6  Accounts and transfers are in order of their timestamps, which no two of them share.
#ifndef TAEL_LEDGER_LEDGER_MODEL_H
#define TAEL_LEDGER_LEDGER_MODEL_H

#include "ledger/ledger_executor.h"

struct ledger_model;

// An empty ledger, to be given to ledger_model_free. Never NULL.
struct ledger_model *ledger_model_new(void);
void ledger_model_free(struct ledger_model *model);
// Forgets everything.
void ledger_model_reset(struct ledger_model *model);

// A batch: event i of `count` has timestamp - count + i + 1; `results` has `count` entries.
// A result carries the timestamp of what was created, or already exists, else the event's own.
void ledger_model_create_accounts(struct ledger_model *model, u64 timestamp,
                                  const struct account *events, u32 count,
                                  struct create_result *results);
void ledger_model_create_transfers(struct ledger_model *model, u64 timestamp,
                                   const struct transfer *events, u32 count,
                                   struct create_result *results);

// Expires at most `limit` pending transfers due at or before `now`, in order of (expiry, timestamp
// of the pending transfer); expiry i happens at now + 1 + i. Returns how many. The caller leaves
// room: the next timestamp used lies after now + limit.
u32 ledger_model_expire(struct ledger_model *model, u64 now, u32 limit);

// Return whether there is one; if not, `out` is unchanged.
bool ledger_model_lookup_account(const struct ledger_model *model, u128 id, struct account *out);
bool ledger_model_lookup_transfer(const struct ledger_model *model, u128 id, struct transfer *out);

// Answer at most min(filter->limit, limit_max) rows in order of time; an invalid filter answers
// none. Return the number of rows.
u32 ledger_model_get_account_transfers(const struct ledger_model *model,
                                       const struct account_filter *filter, u32 limit_max,
                                       struct transfer *out);
// The same selection, for an account with the history flag only: its balances right after each.
u32 ledger_model_get_account_balances(const struct ledger_model *model,
                                      const struct account_filter *filter, u32 limit_max,
                                      struct account_balance *out);
u32 ledger_model_query_accounts(const struct ledger_model *model, const struct query_filter *filter,
                                u32 limit_max, struct account *out);
u32 ledger_model_query_transfers(const struct ledger_model *model,
                                 const struct query_filter *filter, u32 limit_max,
                                 struct transfer *out);
// Postings and expiries, in order of time; at equal times in order of occurrence.
u32 ledger_model_get_change_events(const struct ledger_model *model,
                                   const struct change_events_filter *filter, u32 limit_max,
                                   struct change_event *out);

// Asserts L1 to L6. Cost: one pass over accounts and transfers.
void ledger_model_check(const struct ledger_model *model);

// The model as an executor; valid as long as the model.
struct ledger_executor ledger_model_executor(struct ledger_model *model);

#endif
