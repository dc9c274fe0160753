// SPDX-License-Identifier: Apache-2.0
//
// The naive model of principals.
#include "modules/principal/principal_model.h"

#define KEYS   PRINCIPAL_MODEL_KEYS
#define TOKENS PRINCIPAL_MODEL_TOKENS
#define IDS    PRINCIPAL_MODEL_IDS
#define LATE   ((u64)1 << 62) // Behind every command.

void principal_model_init(struct principal_model *model, u64 shift)
{
    memset(model, 0, sizeof *model);
    model->shift = shift;
    for (u32 i = 1; i < KEYS - 2; i++) {
        const u8 seed[SIGNATURE_SEED_SIZE] = {(u8)i, 3};
        signature_key_of(seed, model->keys[i]);
    }
    model->keys[KEYS - 2][0] = 1; // Of order 1.
    model->keys[KEYS - 1][0] = 2; // Not on the curve.
}

static u32 place_of(const struct principal_model *model, u64 id)
{
    return id < 2 ? (u32)id : (u32)(id - model->shift);
}

u64 principal_model_id(const struct principal_model *model, u32 place)
{
    return place < 2 ? place : place + model->shift;
}

static bool has_place(const struct principal_model *model, u64 id)
{
    return id < 2 || (id >= model->shift + 2 && id < model->shift + PRINCIPAL_MODEL_IDS);
}

const struct principal_model_person *principal_model_person(const struct principal_model *model,
                                                            u64 id)
{
    return has_place(model, id) ? &model->people[place_of(model, id)] : NULL;
}

static u32 key_number(const struct principal_model *model, const u8 *key)
{
    u32 i = 0;
    while (memcmp(model->keys[i], key, SIGNATURE_KEY_SIZE) != 0) i++;
    return i;
}

// --- commands ------------------------------------------------------------------------------------

static u32 judge_open(const struct principal_model *model, u64 caller,
                      const struct principal_open *open, u32 key)
{
    if (caller != 1) return PRINCIPAL_NOT_PERMITTED;
    if (open->principal_id < 2 || open->principal_id == U64_MAX) return PRINCIPAL_ID_INVALID;
    if (open->name[0] != 'n') return PRINCIPAL_NAME_INVALID;
    if (key >= KEYS - 2) return PRINCIPAL_KEY_INVALID;
    if (open->user == 65534 || open->user == 4294967295u) return PRINCIPAL_USER_INVALID;
    if (principal_model_person(model, open->principal_id)->exists) return PRINCIPAL_EXISTS;
    if (key != 0 && model->key_owner[key] != 0) return PRINCIPAL_KEY_IN_USE;
    if (open->user != 0 && model->user_owner[open->user] != 0) return PRINCIPAL_USER_IN_USE;
    return MODULE_DONE;
}

static u32 run_open(struct principal_model *model, u64 caller, const struct principal_open *open,
                    u64 position)
{
    const u32 key = key_number(model, open->public_key);
    const u32 result = judge_open(model, caller, open, key);
    if (result != MODULE_DONE) return result;
    model->people[place_of(model, open->principal_id)] =
        (struct principal_model_person){.exists = true,
                                        .key = key,
                                        .user = open->user,
                                        .kind = open->kind,
                                        .keys_had = key != 0,
                                        .opened = position,
                                        .keyed = key != 0 ? position : 0};
    model->order[model->count++] = open->principal_id;
    if (key != 0) model->key_owner[key] = open->principal_id;
    if (open->user != 0) model->user_owner[open->user] = open->principal_id;
    return MODULE_DONE;
}

static u32 run_key(struct principal_model *model, u64 caller, const struct principal_key *change,
                   u64 position)
{
    const u64 id = change->principal_id;
    const u32 key = key_number(model, change->public_key);
    if (caller != 1 && caller != id) return PRINCIPAL_NOT_PERMITTED;
    if (id < 2 || id == U64_MAX) return PRINCIPAL_ID_INVALID;
    if (key >= KEYS - 2) return PRINCIPAL_KEY_INVALID;
    struct principal_model_person *person = &model->people[place_of(model, id)];
    if (!person->exists) return PRINCIPAL_NOT_FOUND;
    if (key != 0 && model->key_owner[key] != 0 && model->key_owner[key] != id) {
        return PRINCIPAL_KEY_IN_USE;
    }
    const bool is_new = key != 0 && model->key_owner[key] == 0;
    if (is_new && caller != 1 && person->keys_had > 16) return PRINCIPAL_KEYS_TOO_MANY;
    if (is_new) {
        model->key_owner[key] = id;
        person->keys_had++;
    }
    person->key = key;
    person->keyed = position;
    return MODULE_DONE;
}

static u32 run_close(struct principal_model *model, u64 caller, u64 id, bool closes, u64 position)
{
    struct principal_model_person *person = &model->people[place_of(model, id)];
    if (caller != 1) return PRINCIPAL_NOT_PERMITTED;
    if (id < 2 || id == U64_MAX) return PRINCIPAL_ID_INVALID;
    if (!person->exists) return PRINCIPAL_NOT_FOUND;
    if (closes && person->is_closed) return PRINCIPAL_IS_CLOSED;
    if (!closes && !person->is_closed) return PRINCIPAL_IS_OPEN;
    person->is_closed = closes;
    if (!closes) person->opened = position;
    return MODULE_DONE;
}

// The n-th hash: 0 is no hash.
static void token_hash(u32 n, u8 out[32])
{
    memset(out, 0, 32);
    out[0] = (u8)n;
    out[31] = (u8)n;
}

static u32 run_token_open(struct principal_model *model, u64 caller,
                          const struct principal_token_open *open)
{
    const u64 id = open->principal_id;
    const u32 token = open->token_hash[0];
    if (caller != 1 && caller != id) return PRINCIPAL_NOT_PERMITTED;
    if (id < 2 || id == U64_MAX) return PRINCIPAL_ID_INVALID;
    if (open->name[0] != 'n') return PRINCIPAL_NAME_INVALID;
    if (token == 0) return PRINCIPAL_TOKEN_INVALID;
    if (open->expires_at == 1) return PRINCIPAL_EXPIRY_INVALID;
    struct principal_model_person *person = &model->people[place_of(model, id)];
    if (!person->exists) return PRINCIPAL_NOT_FOUND;
    if (model->token_owner[token] != 0) return PRINCIPAL_TOKEN_IN_USE;
    if (caller != 1 && person->tokens_had >= 32) return PRINCIPAL_TOKENS_TOO_MANY;
    model->token_owner[token] = id;
    model->token_order[model->token_count++] = token;
    person->tokens_had++;
    return MODULE_DONE;
}

static u32 run_token_close(struct principal_model *model, u64 caller,
                           const struct principal_token_close *close)
{
    const u32 token = close->token_hash[0];
    const u64 owner = model->token_owner[token];
    if (owner == 0) return PRINCIPAL_TOKEN_NOT_FOUND;
    if (caller != 1 && caller != owner) return PRINCIPAL_NOT_PERMITTED;
    if (model->token_closed[token]) return PRINCIPAL_TOKEN_IS_CLOSED;
    model->token_closed[token] = true;
    return MODULE_DONE;
}

static bool is_no_id(u64 id)
{
    return id < 2 || id == U64_MAX;
}

static u32 run_delegate(struct principal_model *model, u64 caller,
                        const struct principal_delegate *delegate)
{
    const u64 who = delegate->delegate_id;
    const u64 for_id = delegate->for_id;
    if (caller != 1 && (for_id == 0 || caller != for_id)) return PRINCIPAL_NOT_PERMITTED;
    if (who != 1 && is_no_id(who)) return PRINCIPAL_ID_INVALID;
    if (for_id != 0 && is_no_id(for_id)) return PRINCIPAL_ID_INVALID;
    if (who == for_id) return PRINCIPAL_ID_INVALID;
    if (delegate->expires_at == 1) return PRINCIPAL_EXPIRY_INVALID;
    if (who != 1 && !model->people[place_of(model, who)].exists) return PRINCIPAL_NOT_FOUND;
    struct principal_model_person *owner = &model->people[place_of(model, for_id)];
    if (for_id != 0 && !owner->exists) return PRINCIPAL_NOT_FOUND;
    struct principal_model_delegation *known =
        &model->delegations[place_of(model, who)][place_of(model, for_id)];
    if (!known->was && for_id != 0) {
        if (caller != 1 && owner->delegates_had >= 32) return PRINCIPAL_DELEGATES_TOO_MANY;
        owner->delegates_had++;
    }
    *known = (struct principal_model_delegation){
        .was = true, .holds = true, .expires_at = delegate->expires_at, .given_by = caller};
    return MODULE_DONE;
}

static u32 run_delegate_end(struct principal_model *model, u64 caller,
                            const struct principal_delegate_end *end)
{
    const bool is_own = caller == end->delegate_id || (end->for_id != 0 && caller == end->for_id);
    if (caller != 1 && !is_own) return PRINCIPAL_NOT_PERMITTED;
    struct principal_model_delegation *known =
        &model->delegations[place_of(model, end->delegate_id)][place_of(model, end->for_id)];
    if (!known->holds) return PRINCIPAL_DELEGATION_NOT_FOUND;
    known->holds = false;
    return MODULE_DONE;
}

bool principal_model_knows(const struct principal_model *model, u16 record, const void *body)
{
    const struct principal_delegate_end *ids = body; // Others begin in the same way.
    if (record == 0x0505) {
        const struct principal_token_open *open = body;
        return has_place(model, open->principal_id);
    }
    if (record == 0x0506) return true;
    return has_place(model, ids->delegate_id) && (record < 0x0507 || has_place(model, ids->for_id));
}

u32 principal_model_refusal(const struct principal_model *model,
                            const struct principal_model_caller *caller)
{
    const u64 who = caller->delegate;
    const u64 principal = caller->principal;
    if (has_place(model, principal) && model->people[place_of(model, principal)].is_closed) {
        return MODULE_PRINCIPAL_CLOSED;
    }
    if (who == 0) return MODULE_DONE;
    if (!has_place(model, who) || principal < 2) return MODULE_NOT_DELEGATED;
    const u32 place = place_of(model, who);
    const bool is_open =
        who == 1 || (model->people[place].exists && !model->people[place].is_closed);
    const bool for_him =
        has_place(model, principal) && model->delegations[place][place_of(model, principal)].holds;
    return is_open && (for_him || model->delegations[place][0].holds) ? MODULE_DONE
                                                                      : MODULE_NOT_DELEGATED;
}

u32 principal_model_run(struct principal_model *model, const struct principal_model_caller *caller,
                        u16 record, const void *body, u64 position)
{
    const struct principal_close *close = body; // A reopening has its fields in the same places.
    const u64 who = caller->principal;
    const u32 refusal = principal_model_refusal(model, caller);
    if (refusal != MODULE_DONE) return refusal;
    switch (record) {
    case 0x0501: return run_open(model, who, body, position);
    case 0x0502: return run_key(model, who, body, position);
    case 0x0505: return run_token_open(model, who, body);
    case 0x0506: return run_token_close(model, who, body);
    case 0x0507: return run_delegate(model, who, body);
    case 0x0508: return run_delegate_end(model, who, body);
    default: return run_close(model, who, close->principal_id, record == 0x0503, position);
    }
}

bool principal_model_is(const struct principal_model *model, const struct principal *found)
{
    const struct principal_model_person *person =
        principal_model_person(model, (u64)found->principal_id);
    return person != NULL && person->exists &&
           memcmp(found->public_key, model->keys[person->key], SIGNATURE_KEY_SIZE) == 0 &&
           found->user == person->user && found->kind == person->kind &&
           found->status == (person->is_closed ? PRINCIPAL_CLOSED : PRINCIPAL_OPEN) &&
           found->open_position == person->opened && found->key_position == person->keyed &&
           found->keys == person->keys_had && found->tokens == person->tokens_had &&
           found->delegates == person->delegates_had;
}

bool principal_model_is_token(const struct principal_model *model, u32 n,
                              const struct principal_token *found)
{
    if (n >= model->token_count) return false;
    const u32 token = model->token_order[n];
    u8 hash[32];
    token_hash(token, hash);
    return memcmp(found->token_hash, hash, sizeof hash) == 0 &&
           found->principal_id == model->token_owner[token] &&
           (found->closed_at != 0) == model->token_closed[token];
}

bool principal_model_is_delegation(const struct principal_model *model,
                                   const struct principal_delegation *found)
{
    if (!has_place(model, found->delegate_id) || !has_place(model, found->for_id)) return false;
    const struct principal_model_delegation *known =
        &model->delegations[place_of(model, found->delegate_id)][place_of(model, found->for_id)];
    return known->was && known->holds == (found->ended_at == 0) &&
           known->expires_at == found->expires_at && known->given_by == found->given_by;
}

u32 principal_model_delegations(const struct principal_model *model)
{
    u32 count = 0;
    for (u32 i = 0; i < IDS * IDS; i++) count += model->delegations[i / IDS][i % IDS].was;
    return count;
}

// --- random commands -----------------------------------------------------------------------------

static u32 pick(struct random *random, u32 bound)
{
    return (u32)random_below(random, bound);
}

static u64 pick_id(const struct principal_model *model, struct random *random)
{
    return principal_model_id(model, pick(random, PRINCIPAL_MODEL_IDS));
}

// Mostly one that there is.
static u64 pick_known(const struct principal_model *model, struct random *random)
{
    if (model->count == 0 || pick(random, 4) == 0) return pick_id(model, random);
    return model->order[pick(random, model->count)];
}

// Mostly a closed one, if there is one.
static u64 pick_closed(const struct principal_model *model, struct random *random)
{
    const u32 first = pick(random, IDS);
    for (u32 i = 0; i < IDS && pick(random, 20) > 0; i++) {
        const u32 place = (first + i) % IDS;
        if (model->people[place].is_closed) return principal_model_id(model, place);
    }
    return pick_id(model, random);
}

static const u8 *pick_key(const struct principal_model *model, struct random *random)
{
    if (pick(random, 8) == 0) return model->keys[0];
    const bool is_bad = pick(random, 10) == 0;
    return model->keys[is_bad ? KEYS - 1 - pick(random, 2) : pick(random, KEYS)];
}

static u32 random_open(const struct principal_model *model, struct random *random,
                       struct principal_open *open)
{
    open->principal_id = pick_id(model, random);
    open->user = pick(random, PRINCIPAL_MODEL_USERS);
    open->kind = (u8)(1 + pick(random, 3));
    memcpy(open->name, "name", 4);
    if (pick(random, 20) == 0) open->user = pick(random, 2) == 0 ? 65534 : 4294967295u;
    if (pick(random, 20) == 0) memcpy(open->name, "a b", 4);
    memcpy(open->public_key, pick_key(model, random), sizeof open->public_key);
    return sizeof *open;
}

static u64 pick_end(struct random *random)
{
    const u32 sort = pick(random, 10);
    return sort == 0 ? 1 : sort == 1 ? LATE + pick(random, 100) : 0;
}

static u16 random_token(const struct principal_model *model, struct random *random,
                        struct principal_model_caller *caller, void *body, u32 *size)
{
    // One before all others, so that it runs out of them.
    if (pick(random, 2) == 0) caller->principal = principal_model_id(model, 2);
    if (pick(random, 4) == 0) {
        struct principal_token_close *close = body;
        const bool is_had = model->token_count > 0 && pick(random, 2) == 0;
        token_hash(is_had ? model->token_order[pick(random, model->token_count)]
                          : pick(random, TOKENS),
                   close->token_hash);
        if (is_had && pick(random, 4) > 0) caller->principal = 1;
        *size = sizeof *close;
        return 0x0506;
    }
    struct principal_token_open *open = body;
    token_hash(pick(random, TOKENS), open->token_hash);
    const bool is_own = caller->principal != 1 && pick(random, 4) > 0;
    open->principal_id = is_own ? caller->principal : pick_known(model, random);
    open->expires_at = pick_end(random);
    memcpy(open->name, "name", 4);
    if (pick(random, 20) == 0) memcpy(open->name, "a b", 4);
    *size = sizeof *open;
    return 0x0505;
}

static u16 random_delegation(const struct principal_model *model, struct random *random,
                             struct principal_model_caller *caller, void *body, u32 *size)
{
    if (pick(random, 3) == 0) {
        struct principal_delegate_end *end = body;
        end->delegate_id = pick_id(model, random);
        end->for_id = pick_id(model, random);
        if (pick(random, 3) == 0) caller->principal = end->delegate_id;
        // Mostly one that there is.
        for (u32 i = pick(random, IDS * IDS); i < IDS * IDS && pick(random, 40) > 0; i++) {
            if (!model->delegations[i / IDS][i % IDS].holds) continue;
            end->delegate_id = principal_model_id(model, i / IDS);
            end->for_id = principal_model_id(model, i % IDS);
            break;
        }
        *size = sizeof *end;
        return 0x0508;
    }
    struct principal_delegate *delegate = body;
    const bool is_own = caller->principal != 1 && pick(random, 2) > 0;
    delegate->delegate_id = pick_known(model, random);
    delegate->for_id = is_own ? caller->principal : pick_known(model, random);
    delegate->expires_at = pick_end(random);
    *size = sizeof *delegate;
    return 0x0507;
}

u64 principal_random_delegate(const struct principal_model *model, struct random *random,
                              u64 principal)
{
    if (pick(random, 6) > 0) return 0;
    // Mostly one who may, if there is one.
    const struct principal_model_caller caller = {.principal = principal,
                                                  .delegate = pick_id(model, random)};
    for (u32 place = 1; place < IDS && pick(random, 8) > 0; place++) {
        const struct principal_model_caller other = {.principal = principal,
                                                     .delegate = principal_model_id(model, place)};
        if (principal_model_refusal(model, &other) == MODULE_DONE) return other.delegate;
    }
    return caller.delegate;
}

u16 principal_random_command(const struct principal_model *model, struct random *random,
                             struct principal_model_caller *caller, void *body, u32 *size)
{
    // Before all else some are opened.
    const u32 sort = model->count < 3 && pick(random, 3) > 0 ? 0 : pick(random, 10);
    memset(body, 0, 256);
    caller->principal = pick(random, 3) > 0 ? 1 : pick_id(model, random);
    caller->delegate = principal_random_delegate(model, random, caller->principal);
    if (sort == 0) {
        *size = random_open(model, random, body);
        return 0x0501;
    }
    if (sort < 3) {
        struct principal_close *close = body;
        close->principal_id = sort == 1 ? pick_known(model, random) : pick_closed(model, random);
        *size = sizeof *close;
        return sort == 1 ? 0x0503 : 0x0504;
    }
    if (sort < 5) return random_token(model, random, caller, body, size);
    if (sort < 7) return random_delegation(model, random, caller, body, size);
    struct principal_key *key = body;
    key->principal_id = pick_id(model, random);
    // Its own, mostly, and new ones, those of one before all others, so that it runs out of them.
    if (pick(random, 4) == 0) caller->principal = principal_model_id(model, 2);
    if (caller->principal > 1 && pick(random, 4) > 0) key->principal_id = caller->principal;
    memcpy(key->public_key, pick_key(model, random), sizeof key->public_key);
    *size = sizeof *key;
    return 0x0502;
}
