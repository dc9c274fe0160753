// SPDX-License-Identifier: Apache-2.0
//
// The naive model of principals.
#include "modules/principal/principal_model.h"

#define KEYS PRINCIPAL_MODEL_KEYS

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

u32 principal_model_run(struct principal_model *model, u64 caller, u16 record, const void *body,
                        u64 position)
{
    const struct principal_close *close = body; // A reopening has its fields in the same places.
    const bool is_ours = has_place(model, caller);
    if (is_ours && model->people[place_of(model, caller)].is_closed) return MODULE_PRINCIPAL_CLOSED;
    switch (record) {
    case 0x0501: return run_open(model, caller, body, position);
    case 0x0502: return run_key(model, caller, body, position);
    default: return run_close(model, caller, close->principal_id, record == 0x0503, position);
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
           found->keys == person->keys_had;
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

u16 principal_random_command(const struct principal_model *model, struct random *random,
                             u64 *caller, void *body, u32 *size)
{
    const u32 sort = pick(random, 6);
    memset(body, 0, 256);
    *caller = pick(random, 3) > 0 ? 1 : pick_id(model, random);
    if (sort == 0) {
        *size = random_open(model, random, body);
        return 0x0501;
    }
    if (sort < 3) {
        struct principal_close *close = body;
        close->principal_id = pick_id(model, random);
        *size = sizeof *close;
        return sort == 1 && pick(random, 3) > 0 ? 0x0503 : 0x0504;
    }
    struct principal_key *key = body;
    key->principal_id = pick_id(model, random);
    // Its own, mostly, and new ones, those of one before all others, so that it runs out of them.
    if (pick(random, 4) == 0) *caller = principal_model_id(model, 2);
    if (*caller > 1 && pick(random, 4) > 0) key->principal_id = *caller;
    memcpy(key->public_key, pick_key(model, random), sizeof key->public_key);
    *size = sizeof *key;
    return 0x0502;
}
