// SPDX-License-Identifier: Apache-2.0
//
// What a module is: a pure function from state and command to a result and a plan.
//
// `decide` looks at its records and at the ledger and says what should happen; it changes nothing.
// The plan is data: accounts to make, postings, records to write, effects to ask of the outside
// world, all bounded.
// The machine checks the whole plan and either commits it or changes nothing, in the same way for
// every module, so a module has no applying of its own to get wrong.
//
// A module may read: its own tables, those of modules above it in modules.def, the principals
// (which read no other's), the ledger, the context. Not a clock, a file, a random number, a global
// variable.
#ifndef TAEL_MODULES_MODULE_H
#define TAEL_MODULES_MODULE_H

#include "base/btree.h"
#include "ledger/history_query.h"
#include "ledger/ledger_cell.h"
#include "ledger/turnover.h"
#include "modules/job/job.h"
#include "schema/schema.h"

#define MODULE_TABLES_MAX    8u
#define MODULE_ORDERS_MAX    3u // Of one table.
#define PLAN_POSTINGS_MAX    256u
#define PLAN_WRITES_MAX      260u
#define PLAN_EFFECTS_MAX     16u
#define PLAN_ACCOUNTS_MAX    16u
#define PLAN_SHORTFALLS_MAX  PLAN_POSTINGS_MAX
#define PLAN_RECORD_SIZE_MAX 512u
#define PLAN_CONTROLS_MAX    8u
#define PLAN_BULK_MAX        8192u // Records.
#define JOB_SLICE_MEMBERS    8192u // Members that a slice looks at: what a replay sees too.
#define EFFECT_BODY_SIZE     64u
#define MODULE_CURSOR_SIZE   32u
#define MODULE_WORK_SIZE     256u
#define ANSWER_LOOKS_MAX     16384u  // Records that one answer looks at.
#define ANSWER_TURN_LOOKS    131072u // Records that a turn of an answer looks at.
#define ANSWER_TASK_SIZE     (128u << 10)

// What every module may answer: done, or a refusal of module.def. Its own are 1 to 199.
#define MODULE_DONE 0u
// From this number on, modules are for tests: only logs made for them accept their commands.
#define MODULE_NUMBER_TESTS 0x7eu

#include "schema/pass_struct.h"

#include "modules/module.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE module
#include "schema/pass_extern.h"

#include "modules/module.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

struct plan_posting {
    u32 debit_row;
    u32 credit_row;
    u128 amount;     // Minor units of the book.
    u128 pending_id; // Of a post or a void: plan_posting_id of the posting that held.
    u32 timeout_s;   // Of a hold; 0 never expires.
    u16 code;
    u16 flags; // TRANSFER_PENDING, _POST_PENDING, _VOID_PENDING, _BALANCING_*, or 0.
    // The effective day that it is turnover of (ledger/turnover.h); 0 is of none. Not with a
    // balancing flag.
    i32 day;
    bool is_dated; // That day, which the record's references have, is an earlier one than is open.
};

// Replaces a record, or appends one when `row` is the table's count (then count + 1, and so on).
struct plan_write {
    u32 table;
    u32 size;
    u64 row;
    _Alignas(16) u8 record[PLAN_RECORD_SIZE_MAX];
};

// Replaces a run of records of one table, or appends one when `first` is the table's count.
struct plan_bulk {
    u32 table;
    u32 count; // 0: none.
    u64 first;
    u32 size;    // Of a record.
    u8 *records; // Scratch of the machine's, of PLAN_BULK_MAX records of any size.
};

// A control account from now on: what records of a sub-ledger sum to (L10).
struct plan_control {
    u32 account_row;
    u32 sub_ledger; // Of the module: the number in its sub_ledgers.
    u64 scale;      // Units of the sum to a minor unit of the account.
    bool is_credit; // The account's balance is its credits less its debits, else the opposite.
};

// Something to be done outside, by a gateway (docs/EFFECTS.md).
struct plan_effect {
    u16 kind; // One of those that the module describes (struct module_effect_kind).
    u8 body[EFFECT_BODY_SIZE];
};

// An amount that a fact could not post to an account because of the account's own limit, and that
// the plan posts to suspense instead.
struct plan_shortfall {
    u128 amount;
    i128 value; // What would have been left to the account (ledger_account_left): below 0.
    u32 account_row;
};

struct effect; // modules/effect/effect.h

struct plan {
    // Accounts of the module's class that are made, behind the postings. The module has seen that
    // they do not exist; their rows follow the last one.
    struct account accounts[PLAN_ACCOUNTS_MAX];
    struct plan_posting postings[PLAN_POSTINGS_MAX];
    struct plan_write writes[PLAN_WRITES_MAX];
    struct plan_effect effects[PLAN_EFFECTS_MAX];
    struct plan_shortfall shortfalls[PLAN_SHORTFALLS_MAX];
    struct plan_control controls[PLAN_CONTROLS_MAX];
    struct plan_bulk bulk;
    // The record of a job as it shall be, when has_job.
    struct job_record job;
    // A change of cells or constraints, behind the postings; of those it goes with none but the
    // posting that settles a breach.
    struct ledger_change change;
    u32 account_count;
    u32 posting_count;
    u32 write_count;
    u32 effect_count;
    u32 shortfall_count;
    u32 control_count;
    bool has_job;
    // What happened, and is not ours to refuse: a price, a bank's reversal, a default. It is posted
    // whatever constraints say, and opens their breaches. (The limits of accounts always refuse.)
    bool is_fact;
    // Not 0: the record's own id, with which it begins, and which the module takes once for ever;
    // its postings have ids by it (plan_unique_posting_id), and there is one at least. With a
    // refusal: of a rule that may hold only since the record was carried out; if it was, that is
    // told instead.
    u128 unique_id;
    bool has_references; // The record begins with struct posting_references.
    // Of the effect module alone: the record, among the writes, of the effect that ends by this
    // plan; the module that planned it is told (struct module, `settled`). NULL: none ends.
    const struct effect *settled;
    u128 evidence[2]; // Of a refusal: the value, and the limit that it breaks (L8).
};

// The tables of one module, in the order of its description; of those with keys, the rows by key;
// of those with orders, the rows in each.
struct module_tables {
    struct table tables[MODULE_TABLES_MAX];
    struct index indexes[MODULE_TABLES_MAX];
    struct btree orders[MODULE_TABLES_MAX][MODULE_ORDERS_MAX];
};

// What a module reads of history while it decides: facts that never change.
struct module_facts {
    enum status status; // The environment's: not STATUS_OK once one could not be read.
    struct failure *failure;
};

// What the records of a sub-ledger sum to, for one control account: a record of the machine's.
//
// `sum` is of what counts, `staged` what is added to it when the job concludes that staged it. The
// account's balance is the whole minor units of the sum.
struct control {
    i128 sum;
    i128 staged;
    u64 scale;       // Units of the sum to a minor unit of the account.
    u32 account_row; // Of the ledger.
    u32 job;         // Number of the job that staged; 0 none.
    u16 module;      // Its number.
    u8 sub_ledger;   // Of the module's.
    bool is_credit;
    u8 reserved[12];
};
static_assert(sizeof(struct control) == 64, "control v1");

// The whole minor units of a sum, cut off towards minus infinity.
static inline i128 control_whole(i128 sum, u64 scale)
{
    const i128 whole = sum / (i128)scale;
    return whole * (i128)scale > sum ? whole - 1 : whole;
}

struct module_context {
    const struct ledger *ledger;
    const struct turnovers *turnovers;
    const struct module_tables *own;
    const struct module_tables *all; // Of every module, in the order of modules.def.
    const struct table *jobs;        // struct job_record.
    const struct table *controls;    // struct control.
    u64 timestamp;                   // Nanoseconds; of this command.
    u64 position;
    u64 principal;
    u128 command_id;
    u64 place;                  // Of the record in the log, while it decides on one.
    struct module_facts *facts; // While it decides and in jobs; NULL in questions and pulses.
    u128 log_id;                // Of the frame; changes when a copy of the log is served.
    u64 epoch;
    bool starts_armed; // Effects may be claimed until it is said otherwise (GENESIS_ARMED).
};

// An answer being made.
//
// One that takes more than 10 ms of the machine's thread is made in *turns*: the module looks at
// `looks_max` records at most, keeps what it has in `work`, sets `is_unfinished` and is asked
// again; commands are carried out in between, so what it keeps must be good in another state, and
// the answer says of which states it is. `work` is zero at the first turn, stays on the server and
// ends with the answer. A cursor is for answers whose views do not fit, and outlives many states.
struct module_answer {
    u8 *views; // `room` bytes; views lie at multiples of 16 bytes.
    u32 room;
    u32 size;
    u32 count;
    const struct schema_record *record; // Of the views; set by the module.
    u8 cursor[MODULE_CURSOR_SIZE];      // In: where to go on, zero at the beginning; out: likewise.
    u128 evidence[2];                   // Of a refusal.
    u32 result;                         // Set by `look`: a refusal that history tells.
    u32 looks_max;                      // Records that a turn may look at, at least 1.
    bool is_unfinished;                 // Set by the module: there is another turn.
    _Alignas(16) u8 work[MODULE_WORK_SIZE];
    // Set by `ask` when history has to say the rest (struct module, `look`): what the rest needs is
    // in `task`, ANSWER_TASK_SIZE bytes. Of history it then sees what had happened by a position
    // and a time, both included; 0: up to now.
    bool looks;
    u64 position;
    u64 time; // Nanoseconds.
    void *task;
};

// An order of a table's records: the machine keeps the rows in it as records are written.
struct module_order {
    struct btree_order order;
    // Whether a record has a place in it; NULL: every one.
    bool (*has)(const void *record);
};

struct module_table {
    u32 record_size; // A power of two from 64 to PLAN_RECORD_SIZE_MAX.
    u32 record_max;
    bool keyed; // A record begins with a u128 that no other one has and that never changes.
    const struct module_order *orders[MODULE_ORDERS_MAX]; // NULL behind the last.
};

// A kind of effect that a module plans.
struct module_effect_kind {
    u16 kind;           // Not 0.
    bool is_repeatable; // The other side recognises a repeat by the effect's key.
    const char *doc;    // A sentence: what is done, and what the body is.
};

// What one record of a sub-ledger adds to its control account.
struct module_share {
    u32 control; // Row among the controls.
    i128 settled;
    // What it will add beside that once the job that staged it concludes; 0 when that job is
    // settled.
    i128 staged;
};
struct module_sub_ledger {
    u32 table;
    struct module_share (*share)(const struct module_context *context, const void *record);
};

struct module {
    const char *name;
    u16 number;
    u16 version;
    u16 account_class; // Of the accounts that it makes and posts to; 0: raw ones.
    const struct schema_module *schema;
    u32 table_count;
    struct module_table tables[MODULE_TABLES_MAX];
    // Decides a command, one of the schema's, whose body was checked against its record. Fills the
    // plan, which is empty, and returns MODULE_DONE; or returns a refusal of its own, with
    // evidence, and of the plan nothing is looked at but unique_id.
    u32 (*decide)(const struct module_context *context, const struct schema_record *record,
                  const void *body, struct plan *plan);
    // Answers a question, one of the schema's, whose body was checked against its record: says
    // which record its views are of, writes them one after the other while there is room, and sets
    // the cursor when something is left. Within 10 ms, or in turns of that (struct module_answer).
    // Returns MODULE_DONE or a refusal. NULL when nothing is asked.
    u32 (*ask)(const struct module_context *context, const struct schema_record *question,
               const void *body, struct module_answer *answer);
    // Goes on with an answer whose `looks` is set, in another thread: sees the task, and the rows
    // of history up to view->row_end, with the accounts of modules. Adds views, or fills in those
    // that `ask` has added, and sets the cursor. Within some milliseconds. NULL when nothing is
    // asked of history. The status is that of reading.
    enum status (*look)(struct history_query *query, struct history_view *view,
                        const struct schema_record *question, const void *body,
                        struct module_answer *answer, struct failure *failure);
    // Time has passed: fills the plan and returns true when something is due. NULL when nothing
    // ever is.
    bool (*pulse)(const struct module_context *context, struct plan *plan);
    // The kinds of effects that it plans.
    const struct module_effect_kind *effect_kinds;
    u32 effect_kind_count;
    // An effect that it planned has ended: it is settled, resolved or cancelled, as `effect` says.
    // Fills the plan, which is empty and a fact, and is committed with the command that tells the
    // end: as many postings as that command may have (commit.h), and none that the ledger can
    // refuse, since the end has happened. NULL when it does not care.
    void (*settled)(const struct module_context *context, const struct effect *effect,
                    struct plan *plan);
    // The next slice of a running job of this module: looks at up to `budget` members from
    // plan->job.cursor on, stages what comes of it (in records, not in postings), and advances
    // cursor, done and refused in plan->job. NULL when it has no jobs.
    void (*slice)(const struct module_context *context, u32 budget, struct plan *plan);
    // A part of a job's conclusion: what plan->job staged is about to count. Fills the plan and
    // returns true when it is the last part; with that plan the job is committed. A plan that is
    // refused fails the job. NULL: nothing is posted.
    bool (*conclude)(const struct module_context *context, struct plan *plan);
    const struct module_sub_ledger *sub_ledgers;
    u32 sub_ledger_count;
    bool is_for_tests; // Only logs made for tests (GENESIS_SAMPLE) accept its commands.
    // Asserts every invariant of its records.
    void (*check)(const struct module_context *context);
};

#define MODULE(name, number) extern const struct module name##_module;
#include "modules/modules.def"
#undef MODULE

extern const struct module *const modules[];
extern const u32 module_count;
// The module of a record's number, or NULL.
const struct module *module_of_record(u32 record_number);
// The description of a module's record, of whatever kind, or NULL.
const struct schema_record *module_record_of(u32 record_number);
// What a result of a module means, its own or one that all share; NULL when it means nothing.
const struct schema_result *module_result_of(const struct module *module, u32 result);

// The id of posting `index` of a command: in a namespace that no client can reach, because it
// depends on the log's secret.
u128 plan_posting_id(const struct ledger *ledger, u128 command_id, u64 position, u32 index);

// The id of posting `index` of the record that its module knows by `unique_id`; likewise.
u128 plan_unique_posting_id(const struct ledger *ledger, u16 module_number, u128 unique_id,
                            u32 index);
// The same for who sees history alone.
u128 history_posting_id(const struct history *history, u16 module_number, u128 unique_id,
                        u32 index);

// Walks over the postings of a record that a module took by its unique id, in their order: all
// zero at first. False behind the last one, when there is no such record, and when history cannot
// be read, which ends the process behind the decision. For `decide`.
struct module_postings {
    u64 row;   // Of history, plus one; 0 before the first.
    u32 index; // Of the next one.
};
bool module_posting_next(const struct module_context *context, u16 module_number, u128 unique_id,
                         struct module_postings *walk, struct outcome *out);

// A record of one of the module's tables; the row must exist (asserted).
static inline const void *module_record(const struct module_context *context, u32 table, u64 row)
{
    assert(row < context->own->tables[table].count);
    return table_record(&context->own->tables[table], row);
}
static inline u64 module_record_count(const struct module_context *context, u32 table)
{
    return context->own->tables[table].count;
}
// The row of the record with this key in a table that has keys, or MODULE_ROW_NONE; the record
// itself, or NULL.
#define MODULE_ROW_NONE U64_MAX
u64 module_find_row(const struct module_context *context, u32 table, u128 key);
const void *module_find(const struct module_context *context, u32 table, u128 key);
// The rows of a table in one of its orders, to be searched and walked (base/btree.h). Cursors are
// valid until a plan is committed.
static inline const struct btree *module_ordered(const struct module_context *context, u32 table,
                                                 u32 order)
{
    return &context->own->orders[table][order];
}
// The first row in an order whose record equals `probe`, of which only what the order looks at is
// read, or MODULE_ROW_NONE.
u64 module_find_ordered(const struct module_context *context, u32 table, u32 order,
                        const void *probe);
// The hash under which a key is indexed.
u64 module_key_hash(const struct ledger *ledger, u128 key);
// The same context with the tables of another module.
struct module_context module_context_of(const struct module_context *context,
                                        const struct module *module);
u32 module_index(const struct module *module);
// Makes a plan empty. Only the counts and the evidence matter.
static inline void plan_clear(struct plan *plan)
{
    plan->account_count = 0;
    plan->unique_id = 0;
    plan->has_references = false;
    plan->posting_count = 0;
    plan->write_count = 0;
    plan->effect_count = 0;
    plan->shortfall_count = 0;
    plan->control_count = 0;
    plan->bulk.count = 0;
    plan->has_job = false;
    plan->change.kind = LEDGER_CHANGE_NONE;
    plan->is_fact = false;
    plan->settled = NULL;
    plan->evidence[0] = 0;
    plan->evidence[1] = 0;
}
// The next account, posting or effect of a plan, zeroed, for the module to fill in; there must be
// room (asserted). The row that the account will have is told.
struct account *plan_add_account(struct plan *plan, const struct ledger *ledger, u32 *row);
struct plan_posting *plan_add_posting(struct plan *plan);
struct plan_effect *plan_add_effect(struct plan *plan, u16 kind);
struct plan_shortfall *plan_add_shortfall(struct plan *plan);
// Makes an account the control account of a sub-ledger of the module's. Returns the row that the
// control will have.
u32 plan_add_control(struct plan *plan, const struct module_context *context,
                     const struct plan_control *control);
// Begins the bulk write of a plan, one at most: `count` records of `size` bytes of a table from row
// `first` on, PLAN_BULK_MAX at most. Returns the records, to be filled in whole.
void *plan_add_bulk(struct plan *plan, u32 table, u64 first, u32 count, u32 size);
// Adds a view to an answer; false when there is no room for it. A view of fixed size.
bool answer_add(struct module_answer *answer, const void *view);
// Adds the records of a table of the module's as views, in the order of their rows, from the cursor
// on; sets the cursor when there is more.
void answer_rows(const struct module_context *context, u32 table, struct module_answer *answer);
// A write of `size` bytes; the record is given as it shall be.
void plan_add_write(struct plan *plan, u32 table, u64 row, const void *record, u32 size);

#endif
