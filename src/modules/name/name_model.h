// SPDX-License-Identifier: Apache-2.0
//
// For tests: names a second time, as plain lists that are searched from end to end, and random
// commands on them. It shares nothing with the module but its records.
//
// What names refer to (entities, assets, books, accounts) is told to the model as it is made, and
// what is posted too.
#ifndef TAEL_MODULES_NAME_NAME_MODEL_H
#define TAEL_MODULES_NAME_NAME_MODEL_H

#include "base/random.h"
#include "modules/name/name.h"

#define NAME_MODEL_NAMES_MAX    4096u
#define NAME_MODEL_ACCOUNTS_MAX 64u
#define NAME_MODEL_MONTHS       64u

struct name_model_account {
    u32 number;
    char asset[16]; // Of its book; empty of a raw account.
    bool is_raw;
    u128 id;
    u128 debits;
    u128 credits;
    // By month of the effective day, from that of the first of all days on.
    struct {
        u128 debits;
        u128 credits;
        u64 count;
    } months[NAME_MODEL_MONTHS];
};

struct name_model {
    struct name names[NAME_MODEL_NAMES_MAX]; // That stand; of each thing in their order.
    u32 count;
    struct name_model_account accounts[NAME_MODEL_ACCOUNTS_MAX];
    u32 account_count;
    u128 entity_id; // One that there is.
    char assets[2][16];
    u32 books[3];  // Of the first asset, of the second, of either; 0: there is none.
    i32 first_day; // Of all entities: no effective day is before it, none behind `open_day`.
    i32 open_day;
};

struct name_model_reply {
    u32 result;
    u128 evidence[2];
};

// Decides a command of the name module.
struct name_model_reply name_model_command(struct name_model *model, u64 principal, u16 record,
                                           const void *body);
// The name at a path, or NULL.
const struct name *name_model_find(const struct name_model *model, const char *path);
// The names under a prefix in their order; returns how many.
u32 name_model_list(const struct name_model *model, const char *prefix, const struct name **out);
// The names of a thing in their order; returns how many.
u32 name_model_of(const struct name_model *model, const struct name_of *thing,
                  const struct name **out);
// The sums of a question that is not refused, without names and positions.
struct name_balance_row name_model_balance(const struct name_model *model,
                                           const struct name_balance *question);
// Notes a side of a posting to an account of a book.
void name_model_turned(const struct name_model *model, struct name_model_account *account,
                       bool is_debit, u128 amount, i32 day);
// The lines of a question that is not refused, without names and positions; returns how many.
u32 name_model_turnover(const struct name_model *model, const struct name_turnover *question,
                        struct name_turnover_row out[NAME_MODEL_NAMES_MAX]);
// A random command: its record's number; the body is written, at most 256 bytes.
u16 name_random_command(const struct name_model *model, struct random *random, u8 *body, u32 *size);
// A path that may be there, or near one that is; sometimes one that breaks a rule.
void name_random_path(struct random *random, char out[NAME_PATH_SIZE]);

#endif
