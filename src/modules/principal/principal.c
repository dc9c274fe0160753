// SPDX-License-Identifier: Apache-2.0
//
// Deciding on principals.
#include "modules/principal/principal.h"

#include "base/signature.h"
#include "modules/identifier.h"

#define SCHEMA_MODULE principal
#define SCHEMA_TABLE  "modules/principal/principal.def"
#include "schema/make_descriptors.h"

enum { TABLE_PRINCIPALS, TABLE_USERS, TABLE_KEYS };
#define PRINCIPALS_MAX 65536u
#define KEYS_MAX       (1u << 22)
// After so many keys a principal needs another's hand, so that none fills the table.
#define KEYS_OWN_MAX 16u
// Users whom the system cannot name: "nobody", in whose place all those of other user namespaces
// come (user_namespaces(7)), and what is never a user (chown(2)).
#define USER_NOBODY 65534u
#define USER_NONE   U32_MAX

// --- looking up ----------------------------------------------------------------------------------

const struct principal *principal_record_find(const struct module_context *context,
                                              u64 principal_id)
{
    const struct module_context own = module_context_of(context, &principal_module);
    return module_find(&own, TABLE_PRINCIPALS, principal_id);
}

const struct principal *principal_of_user(const struct module_context *context, u32 user)
{
    const struct module_context own = module_context_of(context, &principal_module);
    const struct principal_user *known = module_find(&own, TABLE_USERS, user);
    return known == NULL ? NULL : principal_record_find(context, known->principal_id);
}

bool principal_is_open(const struct module_context *context, u64 principal_id)
{
    if (principal_id == PRINCIPAL_OPERATOR) return true;
    const struct principal *principal = principal_record_find(context, principal_id);
    return principal != NULL && principal->status == PRINCIPAL_OPEN;
}

bool principal_is_closed(const struct module_context *context, u64 principal_id)
{
    const struct principal *principal = principal_record_find(context, principal_id);
    return principal != NULL && principal->status == PRINCIPAL_CLOSED;
}

// --- rules ---------------------------------------------------------------------------------------

static u32 id_check(u64 principal_id, struct plan *plan)
{
    plan->evidence[0] = principal_id;
    const bool is_invalid = principal_id <= PRINCIPAL_OPERATOR || principal_id == PRINCIPAL_NOBODY;
    return is_invalid ? PRINCIPAL_ID_INVALID : MODULE_DONE;
}

static u32 operator_check(const struct module_context *context, struct plan *plan)
{
    plan->evidence[0] = context->principal;
    plan->evidence[1] = PRINCIPAL_OPERATOR;
    if (context->principal != PRINCIPAL_OPERATOR) return PRINCIPAL_NOT_PERMITTED;
    plan->evidence[1] = 0;
    return MODULE_DONE;
}

static bool key_is_given(const u8 key[SIGNATURE_KEY_SIZE])
{
    return !is_zero(key, SIGNATURE_KEY_SIZE);
}

// Whose a key is, or was: plans to note it when it is nobody's yet.
static u32 key_take(const struct module_context *context, const u8 key[SIGNATURE_KEY_SIZE],
                    u64 principal_id, struct plan *plan)
{
    struct principal_key_use use = {.principal_id = principal_id};
    if (!key_is_given(key)) return MODULE_DONE;
    memcpy(use.head, key, sizeof use.head);
    memcpy(use.rest, key + sizeof use.head, sizeof use.rest);
    // Two keys with the same first half are one too many, too.
    const struct principal_key_use *known = module_find(context, TABLE_KEYS, load_u128(use.head));
    if (known == NULL) {
        plan_add_write(plan, TABLE_KEYS, module_record_count(context, TABLE_KEYS), &use,
                       sizeof use);
        return MODULE_DONE;
    }
    plan->evidence[0] = known->principal_id;
    const bool is_own =
        known->principal_id == principal_id && memcmp(known->rest, use.rest, sizeof use.rest) == 0;
    return is_own ? MODULE_DONE : PRINCIPAL_KEY_IN_USE;
}

// --- commands ------------------------------------------------------------------------------------

static u32 open_check(const struct module_context *context, const struct principal_open *open,
                      struct plan *plan)
{
    u32 refusal = operator_check(context, plan);
    if (refusal == MODULE_DONE) refusal = id_check(open->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = 0;
    if (!identifier_is_valid(open->name, sizeof open->name)) return PRINCIPAL_NAME_INVALID;
    if (key_is_given(open->public_key) && !signature_key_is_valid(open->public_key)) {
        return PRINCIPAL_KEY_INVALID;
    }
    plan->evidence[0] = open->user;
    if (open->user == USER_NOBODY || open->user == USER_NONE) return PRINCIPAL_USER_INVALID;
    plan->evidence[0] = open->principal_id;
    if (principal_record_find(context, open->principal_id) != NULL) return PRINCIPAL_EXISTS;
    refusal = key_take(context, open->public_key, open->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    const struct principal_user *known = module_find(context, TABLE_USERS, open->user);
    if (known == NULL) return MODULE_DONE; // Nor is 0 anybody's: it stands for none.
    plan->evidence[0] = known->principal_id;
    return PRINCIPAL_USER_IN_USE;
}

static u32 open_decide(const struct module_context *context, const struct principal_open *open,
                       struct plan *plan)
{
    const u32 refusal = open_check(context, open, plan);
    if (refusal != MODULE_DONE) return refusal;
    struct principal principal = {
        .principal_id = open->principal_id,
        .user = open->user,
        .kind = open->kind,
        .status = PRINCIPAL_OPEN,
        .opened_at = context->timestamp,
        .status_since = context->timestamp,
        .open_position = context->position,
    };
    memcpy(principal.name, open->name, sizeof principal.name);
    memcpy(principal.public_key, open->public_key, sizeof principal.public_key);
    if (principal_has_key(&principal)) {
        principal.key_since = context->timestamp;
        principal.key_position = context->position;
        principal.keys = 1;
    }
    plan_add_write(plan, TABLE_PRINCIPALS, module_record_count(context, TABLE_PRINCIPALS),
                   &principal, sizeof principal);
    if (open->user == 0) return MODULE_DONE;
    const struct principal_user user = {.user = open->user, .principal_id = open->principal_id};
    plan_add_write(plan, TABLE_USERS, module_record_count(context, TABLE_USERS), &user,
                   sizeof user);
    return MODULE_DONE;
}

// Plans the record as it shall be; there must be one.
static void principal_change(const struct module_context *context,
                             const struct principal *principal, struct plan *plan)
{
    plan_add_write(plan, TABLE_PRINCIPALS,
                   module_find_row(context, TABLE_PRINCIPALS, principal->principal_id), principal,
                   sizeof *principal);
}

static u32 key_decide(const struct module_context *context, const struct principal_key *key,
                      struct plan *plan)
{
    if (context->principal != key->principal_id) {
        const u32 refusal = operator_check(context, plan);
        if (refusal != MODULE_DONE) return refusal;
    }
    u32 refusal = id_check(key->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (key_is_given(key->public_key) && !signature_key_is_valid(key->public_key)) {
        plan->evidence[0] = 0;
        return PRINCIPAL_KEY_INVALID;
    }
    const struct principal *known = principal_record_find(context, key->principal_id);
    if (known == NULL) return PRINCIPAL_NOT_FOUND;
    refusal = key_take(context, key->public_key, key->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    const bool is_new = plan->write_count > 0;
    if (is_new && context->principal == key->principal_id && known->keys > KEYS_OWN_MAX) {
        plan->evidence[0] = known->keys;
        plan->evidence[1] = KEYS_OWN_MAX;
        return PRINCIPAL_KEYS_TOO_MANY;
    }
    struct principal principal = *known;
    principal.keys += is_new;
    memcpy(principal.public_key, key->public_key, sizeof principal.public_key);
    principal.key_since = context->timestamp;
    principal.key_position = context->position;
    principal_change(context, &principal, plan);
    return MODULE_DONE;
}

// Closes a principal, or opens it again.
static u32 status_decide(const struct module_context *context, u64 principal_id,
                         enum principal_status status, struct plan *plan)
{
    u32 refusal = operator_check(context, plan);
    if (refusal == MODULE_DONE) refusal = id_check(principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    const struct principal *known = principal_record_find(context, principal_id);
    if (known == NULL) return PRINCIPAL_NOT_FOUND;
    if (known->status == status) {
        return status == PRINCIPAL_CLOSED ? PRINCIPAL_IS_CLOSED : PRINCIPAL_IS_OPEN;
    }
    struct principal principal = *known;
    principal.status = (u8)status;
    principal.status_since = context->timestamp;
    if (status == PRINCIPAL_OPEN) principal.open_position = context->position;
    principal_change(context, &principal, plan);
    return MODULE_DONE;
}

static u32 principal_decide(const struct module_context *context,
                            const struct schema_record *record, const void *body, struct plan *plan)
{
    if (record == &principal_schema_principal_open) return open_decide(context, body, plan);
    if (record == &principal_schema_principal_key) return key_decide(context, body, plan);
    if (record == &principal_schema_principal_close) {
        const struct principal_close *close = body;
        return status_decide(context, close->principal_id, PRINCIPAL_CLOSED, plan);
    }
    assert(record == &principal_schema_principal_reopen);
    const struct principal_reopen *reopen = body;
    return status_decide(context, reopen->principal_id, PRINCIPAL_OPEN, plan);
}

// --- questions -----------------------------------------------------------------------------------

static u32 principal_ask(const struct module_context *context, const struct schema_record *question,
                         const void *body, struct module_answer *answer)
{
    answer->record = &principal_schema_principal;
    if (question == &principal_schema_principal_list) {
        answer_rows(context, TABLE_PRINCIPALS, answer);
        return MODULE_DONE;
    }
    assert(question == &principal_schema_principal_find);
    const struct principal_find *find = body;
    const struct principal *principal = principal_record_find(context, find->principal_id);
    memset(answer->cursor, 0, sizeof answer->cursor); // One is all, wherever the client is.
    answer->evidence[0] = find->principal_id;
    if (principal == NULL) return PRINCIPAL_NOT_FOUND;
    (void)answer_add(answer, principal);
    return MODULE_DONE;
}

// --- invariants ----------------------------------------------------------------------------------

static void principal_check(const struct module_context *context)
{
    u64 users = 0, keys = 0;
    for (u64 row = 0; row < module_record_count(context, TABLE_PRINCIPALS); row++) {
        const struct principal *principal = module_record(context, TABLE_PRINCIPALS, row);
        const u64 id = (u64)principal->principal_id;
        assert(id == principal->principal_id && id > PRINCIPAL_OPERATOR); // I3
        assert(principal_record_find(context, id) == principal);
        assert(principal->status == PRINCIPAL_OPEN || principal->status == PRINCIPAL_CLOSED);
        keys += principal->keys;
        assert(principal->status_since >= principal->opened_at);
        if (principal->user != 0) {
            users++;
            assert(principal_of_user(context, principal->user) == principal); // I1
        }
        if (!principal_has_key(principal)) continue;
        const struct principal_key_use *use =
            module_find(context, TABLE_KEYS, load_u128(principal->public_key));
        assert(use != NULL && use->principal_id == id); // I2
        assert(memcmp(use->rest, principal->public_key + sizeof use->head, sizeof use->rest) == 0);
        assert(signature_key_is_valid(principal->public_key));
    }
    assert(users == module_record_count(context, TABLE_USERS)); // I1
    assert(keys == module_record_count(context, TABLE_KEYS));   // I1
    for (u64 row = 0; row < module_record_count(context, TABLE_KEYS); row++) {
        const struct principal_key_use *use = module_record(context, TABLE_KEYS, row);
        assert(principal_record_find(context, use->principal_id) != NULL); // I1
        assert(module_find_row(context, TABLE_KEYS, load_u128(use->head)) == row);
    }
}

const struct module principal_module = {
    .name = "principal",
    .number = 0x05,
    .version = 1,
    .account_class = 0x05,
    .schema = &principal_schema,
    .table_count = 3,
    .tables =
        {
            {.record_size = sizeof(struct principal), .record_max = PRINCIPALS_MAX, .keyed = true},
            {.record_size = sizeof(struct principal_user),
             .record_max = PRINCIPALS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct principal_key_use),
             .record_max = KEYS_MAX,
             .keyed = true},
        },
    .decide = principal_decide,
    .ask = principal_ask,
    .check = principal_check,
};
