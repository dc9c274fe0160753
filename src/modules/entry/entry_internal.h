// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the entry module share. Private to:
//
//   entry.c          entries, invariants
//   entry_hold.c     holds
//   entry_reverse.c  reversals
//   entry_rule.c     due-to and due-from, conversions
//   entry_year.c     the closing of a year
//   entry_find.c     what was posted: by entry, by reference
#ifndef TAEL_MODULES_ENTRY_ENTRY_INTERNAL_H
#define TAEL_MODULES_ENTRY_ENTRY_INTERNAL_H

#include "modules/book/book.h"
#include "modules/entry/entry.h"

enum { TABLE_HOLDS, TABLE_REVERSALS, TABLE_POSTINGS, TABLE_RULES };
enum { RULES_BY_A, RULES_BY_B, RULES_BY_DUST }; // The orders of TABLE_RULES.
#define RULES_MAX      (1u << 20)
#define HOLDS_MAX      (1u << 26)
#define REVERSALS_MAX  (1u << 26)
#define ENTRY_LEGS_MAX 255u

// The effective day of what is posted to a book.
struct entry_day {
    i32 day;
    bool is_dated; // An earlier one than is open.
};

// An entry being decided.
struct entry_draft {
    const struct module_context *context;
    const struct entry_leg *legs;
    u32 count;
    u128 entry_id;
    i32 day;                  // Effective; 0: the open one of each entity.
    u32 rows[ENTRY_LEGS_MAX]; // Of the accounts.
    struct entry_day days[ENTRY_LEGS_MAX];
    bool is_suspended[ENTRY_LEGS_MAX]; // Posted to suspense instead.
    u128 left[ENTRY_LEGS_MAX];         // Of the amounts, to be paired.
    bool is_fact;
    u16 flags;     // Of its postings: TRANSFER_PENDING, or 0.
    u32 timeout_s; // Of a hold.
    struct plan *plan;
};

// Checks the legs and plans their postings. Results are those of the module.
u32 entry_draft_plan(struct entry_draft *draft, u16 code);
// The code of an entry's postings.
static inline u16 entry_code(u16 code)
{
    return code == 0 ? ENTRY_CODE_DEFAULT : code;
}
// Whether the entity of a book takes postings of this effective day; 0 is the open one.
u32 entry_day_check(const struct module_context *context, u32 book_number, i32 day, u128 entry_id,
                    struct entry_day *out, struct plan *plan);
// Whether an account of a book takes what this principal posts on a side.
u32 entry_account_check(const struct module_context *context, u32 row, u8 side, bool is_fact,
                        u128 entry_id, struct plan *plan);
// Whether it is open on this side; to accounts of rules.
u32 entry_account_is_open(const struct module_context *context, u32 row, u8 side, u128 entry_id,
                          struct plan *plan);
// Row of an account of a book, or why not.
u32 entry_account_row(const struct module_context *context, u32 book, u128 account_id, u32 *row,
                      struct plan *plan);

// The rules by each of their accounts; a rule is looked for among 2^20 of them.
extern const struct module_order entry_rules_by_a;
extern const struct module_order entry_rules_by_b;
extern const struct module_order entry_rules_by_dust;

// The parts' halves of the module's functions (struct module).
u32 entry_hold_decide(const struct module_context *context, const struct schema_record *record,
                      const void *body, struct plan *plan);
// Rules, what is posted by them, the closing of a year.
u32 entry_rule_decide(const struct module_context *context, const struct schema_record *record,
                      const void *body, struct plan *plan);
u32 entry_rule_ask(const struct module_context *context, struct module_answer *answer);
u32 entry_year_decide(const struct module_context *context, const struct year_close *close,
                      struct plan *plan);
// Asserts that what is due to one entity is due from the other (J3).
void entry_rule_check(const struct module_context *context);
// The holds that are asked for.
u32 entry_hold_ask(const struct module_context *context, const struct hold_list *list,
                   struct module_answer *answer);
// Decides on a reversal.
u32 entry_reverse_decide(const struct module_context *context, const struct entry_reverse *reverse,
                         struct plan *plan);
// What was posted: by entry, by reference.
u32 entry_find_ask(const struct module_context *context, const struct schema_record *question,
                   const void *body, struct module_answer *answer);
// The rest of it, from history.
MUST_USE enum status entry_find_look(struct history_query *query, struct history_view *view,
                                     const struct schema_record *question, const void *body,
                                     struct module_answer *answer, struct failure *failure);

#endif
