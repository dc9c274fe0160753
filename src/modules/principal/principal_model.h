// SPDX-License-Identifier: Apache-2.0
//
// For tests: principals a second time, as plain lists, and random commands on them.
//
// There are PRINCIPAL_MODEL_IDS of them, in *places*: those in the first two are the server's, 0
// and 1; the others have their place and `shift` for an id, so that others may have smaller ones.
#ifndef TAEL_MODULES_PRINCIPAL_PRINCIPAL_MODEL_H
#define TAEL_MODULES_PRINCIPAL_PRINCIPAL_MODEL_H

#include "base/random.h"
#include "base/signature.h"
#include "modules/principal/principal.h"

#define PRINCIPAL_MODEL_IDS    9u
#define PRINCIPAL_MODEL_KEYS   60u
#define PRINCIPAL_MODEL_USERS  5u
#define PRINCIPAL_MODEL_TOKENS 120u

// A principal as the model has it.
struct principal_model_person {
    bool exists;
    bool is_closed;
    u32 key; // Number of one, or 0.
    u32 user;
    u8 kind;
    u32 keys_had;
    u64 opened; // Positions.
    u64 keyed;
    u32 tokens_had;
    u32 delegates_had;
};

// What the model knows of a delegation: there was one, and it is not ended. Ends that are given lie
// before all commands, or behind them.
struct principal_model_delegation {
    bool was;
    bool holds;
    u64 expires_at;
    u64 given_by;
};

struct principal_model {
    u64 shift;
    struct principal_model_person people[PRINCIPAL_MODEL_IDS]; // By place.
    u64 order[PRINCIPAL_MODEL_IDS]; // The ids of those that were opened first, second, ...
    u32 count;
    u64 key_owner[PRINCIPAL_MODEL_KEYS]; // An id, for ever; 0 is nobody.
    u64 user_owner[PRINCIPAL_MODEL_USERS];
    // Key 0 is none, the last two are no keys.
    u8 keys[PRINCIPAL_MODEL_KEYS][SIGNATURE_KEY_SIZE];
    u64 token_owner[PRINCIPAL_MODEL_TOKENS]; // An id, for ever; 0 is nobody.
    bool token_closed[PRINCIPAL_MODEL_TOKENS];
    u32 token_order[PRINCIPAL_MODEL_TOKENS]; // The first that was opened, ...
    u32 token_count;
    // By the places of the delegate and of whom it acts for; there 0 is all.
    struct principal_model_delegation delegations[PRINCIPAL_MODEL_IDS][PRINCIPAL_MODEL_IDS];
};

// Who gives a command.
struct principal_model_caller {
    u64 principal;
    u64 delegate; // Who acts in that name; 0: nobody.
};

// Nobody but the server's.
void principal_model_init(struct principal_model *model, u64 shift);
// The person of an id; NULL when there is no place for it.
const struct principal_model_person *principal_model_person(const struct principal_model *model,
                                                            u64 id);
// The id at a place.
u64 principal_model_id(const struct principal_model *model, u32 place);
// Whether the model knows whom a command 0x0501 to 0x0508 is about.
bool principal_model_knows(const struct principal_model *model, u16 record, const void *body);
// Why a command of this caller is not looked at, or MODULE_DONE.
u32 principal_model_refusal(const struct principal_model *model,
                            const struct principal_model_caller *caller);
// What becomes of such a command that stands at this position.
u32 principal_model_run(struct principal_model *model, const struct principal_model_caller *caller,
                        u16 record, const void *body, u64 position);
// Whether an answer is the principal as the model has it.
bool principal_model_is(const struct principal_model *model, const struct principal *found);
// Likewise the n-th token, and a delegation.
bool principal_model_is_token(const struct principal_model *model, u32 n,
                              const struct principal_token *found);
bool principal_model_is_delegation(const struct principal_model *model,
                                   const struct principal_delegation *found);
// How many delegations there are, ended or not.
u32 principal_model_delegations(const struct principal_model *model);
// A delegate who acts for somebody now and then; 0 otherwise.
u64 principal_random_delegate(const struct principal_model *model, struct random *random,
                              u64 principal);
// A random command: its record's number, who gives it. The body is written, at most 256 bytes.
u16 principal_random_command(const struct principal_model *model, struct random *random,
                             struct principal_model_caller *caller, void *body, u32 *size);

#endif
