// SPDX-License-Identifier: Apache-2.0
//
// Limits over many accounts: cells, constraints between them, and breaches.
//
// A *cell* is a running sum over accounts of modules' classes: what was posted (debits less
// credits), and what is held on either side. A *constraint* asks that a sum of cells, each times a
// coefficient, is not below a bound. Holds count at their worst: a term with a positive coefficient
// measures posted - credits_pending, one with a negative coefficient posted + debits_pending. A
// *breach* is the time in which a constraint is below its bound, or an amount that a fact could not
// post to an account because of that account's own limit.
//
// What a posting touches lies here, in tables of the ledger found by row, and so is kept and taken
// back with the accounts; what it is called, and who may change it, is a module's (modules/
// constraint). The module asks for changes by its plans (struct ledger_change), and the machine has
// them done: so constraints are looked at in one place, at the end of any module's plan.
//
// Invariants
//   G3 A cell's sums are those of the accounts in it; an account has the bit of cells if and only
//      if it is in one.
//   G4 A constraint's value is the sum of its terms; it is below its bound if and only if a breach
//      of it is open.
//   G5 No sum of a constraint overflows: the sums of its cells stay within LEDGER_MEASURE_MAX
//      divided by the sum of its coefficients' magnitudes. A posting that would pass that is
//      refused as one that overflows.
//   G6 The last span of a constraint ends with the value, the bound and the state that it has now;
//      its spans follow each other in time, and in none its headroom was below the least one.
// Raw accounts are never in a cell.
//
// Costs: an account without cells pays one predicted branch a posting. One with cells pays a
// look-up of its sidecar (64 bytes and 11 to 22 of index an account that ever was in a cell or had
// a breach), and for each cell (256 bytes) its sums and the values of the constraints (256 bytes)
// it is in; a plan, for each constraint that it changed, the last span (128 bytes).
#ifndef TAEL_LEDGER_LEDGER_CELL_H
#define TAEL_LEDGER_LEDGER_CELL_H

#include "ledger/ledger.h"

#define LEDGER_ACCOUNT_CELLS_MAX    8u // That an account is in.
#define LEDGER_CELL_CONSTRAINTS_MAX 8u // That a cell is a term of.
#define LEDGER_TERMS_MAX            8u // Of a constraint.
#define LEDGER_CELLS_MAX            (1u << 16)
#define LEDGER_CONSTRAINTS_MAX      (1u << 16)
#define LEDGER_BREACHES_MAX         (1u << 22)
#define LEDGER_SPANS_MAX            (1u << 22)
#define LEDGER_SPANS_RESERVE        (1u << 20) // For what is not ours to choose.
// G5. A measure is two sums at most, so a value is below 2^126, and so is a bound: their difference
// is exact.
#define LEDGER_MEASURE_MAX (((u128)1 << 125) - 1)
#define LEDGER_BOUND_MAX   ((i128)1 << 126)

// What an account has that has no room in its record; found by the account's row.
struct account_sidecar {
    u32 account_row;
    u32 cell_count;
    u32 cells[LEDGER_ACCOUNT_CELLS_MAX]; // Rows.
    u32 breach;                          // The account's open one: its row plus one.
    u8 reserved[20];
};
static_assert(sizeof(struct account_sidecar) == 64, "account sidecar v1");

// The place of a cell in a constraint.
struct cell_link {
    i64 coefficient;
    u32 constraint; // Row plus one; 0: no link, nor behind it.
    u32 reserved;
};

struct ledger_cell {
    i128 posted; // Debits less credits.
    u128 debits_pending;
    u128 credits_pending;
    u128 sum_max; // That none of the three may pass in magnitude (G5).
    struct cell_link links[LEDGER_CELL_CONSTRAINTS_MAX];
    u32 number; // What clients call it.
    u32 account_count;
    u8 reserved[56];
};
static_assert(sizeof(struct ledger_cell) == 256, "cell v1");

struct ledger_term {
    i64 coefficient; // Not 0.
    u32 cell;        // Row.
    u32 reserved;
};

struct ledger_constraint {
    i128 value;
    i128 bound;
    u32 number; // What clients call it.
    u32 term_count;
    u32 breach; // The open one: its row plus one.
    u32 is_closed;
    u64 since; // When it was opened, breached, cured or closed last.
    u64 reserved;
    struct ledger_term terms[LEDGER_TERMS_MAX];
    u128 sum_max; // That its coefficients allow its cells.
    // Its history: rows plus one, 0: there is none; and the time from which on the next change
    // begins another span, 0: whenever it comes.
    u32 span_first;
    u32 span_last;
    u64 span_ends;
    u8 reserved_2[32];
};
static_assert(sizeof(struct ledger_constraint) == 256, "constraint v1");

struct ledger_breach {
    i128 value;  // As it was opened; of an account what would have been left to it, below 0.
    i128 bound;  // Then; of an account 0.
    i128 worst;  // The lowest value since.
    u128 amount; // Of an account: what was posted to suspense instead.
    u64 opened_position;
    u64 opened_at;
    u64 cured_position; // 0: it is open.
    u64 cured_at;
    u32 constraint;  // Row; U32_MAX of an account's.
    u32 account_row; // U32_MAX of a constraint's.
    u8 reserved[24];
};
static_assert(sizeof(struct ledger_breach) == 128, "breach v1");

enum ledger_span_state {
    LEDGER_SPAN_OPEN = 1, // At its bound or above.
    LEDGER_SPAN_BREACHED,
    LEDGER_SPAN_CLOSED,
};

// A span of a constraint's history: what it was from one change up to the next span's first. One
// begins as the constraint is opened, breached, cured and closed, when we choose another bound or
// coefficient, and with the first change of another day of UTC; a fact, which may be a price every
// second, begins none. So a year takes some hundred spans a constraint, and any moment lies in one
// that tells how low the headroom was in it and what it ended with.
//
// Near the end of the table no constraint is opened or set by choice any more
// (ledger_has_room_for_limits); when it is full, the last span of a constraint goes on and says so:
// a posting is never refused for it.
struct ledger_span {
    i128 value;       // After its last change, and
    i128 bound;       // the bound then.
    i128 least_value; // Where the headroom was least, and
    i128 least_bound; // the bound there.
    u64 from_at;      // Nanoseconds; its first change,
    u64 from_position;
    u64 least_at; // the one that first brought it to its least,
    u64 least_position;
    u64 last_at; // and the last one.
    u64 last_position;
    u32 constraint; // Row.
    u32 next;       // The constraint's next one: its row plus one; 0: this is the last.
    u32 changes;    // Of value, bound or state; stays at 2^32-1.
    u16 state;      // enum ledger_span_state.
    u16 is_merged;  // It went on where another should have begun.
};
static_assert(sizeof(struct ledger_span) == 128, "span v1");

enum ledger_change_kind {
    LEDGER_CHANGE_NONE,
    LEDGER_CHANGE_CELL_OPEN,        // number
    LEDGER_CHANGE_CELL_ADD,         // cell, account_row
    LEDGER_CHANGE_CELL_REMOVE,      // cell, account_row
    LEDGER_CHANGE_CONSTRAINT_OPEN,  // number, bound, terms
    LEDGER_CHANGE_CONSTRAINT_SET,   // constraint, bound, terms: of the same cells in their order
    LEDGER_CHANGE_CONSTRAINT_CLOSE, // constraint
    LEDGER_CHANGE_BREACH_SETTLE,    // breach: an account's, whose amount is posted by the plan
};

// A change of cells or constraints. Rows are of records that exist; the one who asks has looked
// that the change is possible (ledger_cell_takes, ledger_terms_fit, room in the tables).
struct ledger_change {
    enum ledger_change_kind kind;
    u32 number;
    u32 cell;
    u32 account_row;
    u32 constraint;
    u32 breach;
    u32 term_count;
    i128 bound;
    struct ledger_term terms[LEDGER_TERMS_MAX];
};

// Does the change at this time. A change that makes a constraint worse that is then below its bound
// is refused, unless it is a fact: then nothing is changed and `refusal` names constraint, value
// and bound; else it names none. (A constraint that is opened below its bound has not become worse:
// it is in breach from the beginning.)
MUST_USE enum status ledger_change_apply(struct ledger *ledger, const struct ledger_change *change,
                                         bool is_fact, u64 timestamp,
                                         struct ledger_refusal *refusal, struct failure *failure);
// Notes that a fact could not be posted to an account because of its limit: opens a breach of the
// account, or adds to the one that is open. `value` is what would have been left to it.
MUST_USE enum status ledger_shortfall(struct ledger *ledger, u32 account_row, u128 amount,
                                      i128 value, u64 timestamp, struct failure *failure);

// How an account stands to its own limit with so many more debits and credits: what is left to it,
// below 0 when the limit is broken; I128_MAX of an account without a limit. Held at the ends of the
// type.
i128 ledger_account_left(const struct ledger *ledger, u32 row, u128 debits, u128 credits);

// An account's sidecar, or NULL.
const struct account_sidecar *ledger_sidecar(const struct ledger *ledger, u32 account_row);
// The records of rows that exist (asserted).
const struct ledger_cell *ledger_cell(const struct ledger *ledger, u32 row);
const struct ledger_constraint *ledger_constraint(const struct ledger *ledger, u32 row);
const struct ledger_breach *ledger_breach(const struct ledger *ledger, u32 row);
const struct ledger_span *ledger_span(const struct ledger *ledger, u32 row);
// Whether an account is in a cell.
bool ledger_cell_has(const struct ledger *ledger, u32 cell, u32 account_row);
// Whether a cell's sums stay small enough when the account, as it is now, is added or removed (G5).
bool ledger_cell_takes(const struct ledger *ledger, u32 cell, u32 account_row, bool is_added);
// Whether the cells' sums as they are now are small enough for these coefficients (G5).
bool ledger_terms_fit(const struct ledger *ledger, const struct ledger_term *terms, u32 count);
// Whether the tables take what a plan may add to them by a change of this kind, as a fact that may
// break every constraint, and by so many shortfalls.
bool ledger_has_room_for_limits(const struct ledger *ledger, enum ledger_change_kind kind,
                                bool is_fact, u32 shortfalls);

// Asserts G3 to G6, by recomputing every sum. Part of ledger_check.
void ledger_check_cells(const struct ledger *ledger);

#endif
