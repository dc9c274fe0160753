// SPDX-License-Identifier: Apache-2.0
//
// Deciding on principals.
#include "modules/principal/principal.h"

#include "base/signature.h"
#include "modules/identifier.h"

#define SCHEMA_MODULE principal
#define SCHEMA_TABLE  "modules/principal/principal.def"
#include "schema/make_descriptors.h"

enum { TABLE_PRINCIPALS, TABLE_USERS, TABLE_KEYS, TABLE_TOKENS, TABLE_DELEGATIONS };
#define PRINCIPALS_MAX  65536u
#define KEYS_MAX        (1u << 22)
#define TOKENS_MAX      (1u << 22)
#define DELEGATIONS_MAX (1u << 20)
// After so many keys, tokens or delegates a principal needs another's hand, so that none fills a
// table.
#define KEYS_OWN_MAX      16u
#define TOKENS_OWN_MAX    32u
#define DELEGATES_OWN_MAX 32u
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

// The token whose hash has this first half: no two have the same.
static const struct principal_token *token_near(const struct module_context *own, const u8 *hash)
{
    return module_find(own, TABLE_TOKENS, load_u128(hash));
}

// The token with this hash, or NULL.
static const struct principal_token *token_find(const struct module_context *own, const u8 *hash)
{
    const struct principal_token *near = token_near(own, hash);
    if (near == NULL || memcmp(near->token_hash, hash, sizeof near->token_hash) != 0) return NULL;
    return near;
}

static u128 delegation_key(u64 delegate_id, u64 for_id)
{
    return (u128)delegate_id << 64 | for_id;
}

static bool delegation_holds(const struct module_context *own, u64 delegate_id, u64 for_id)
{
    const struct principal_delegation *known =
        module_find(own, TABLE_DELEGATIONS, delegation_key(delegate_id, for_id));
    return known != NULL && known->ended_at == 0 &&
           (known->expires_at == 0 || own->timestamp < known->expires_at);
}

bool principal_acts_for(const struct module_context *context, u64 delegate_id, u64 for_id)
{
    const struct module_context own = module_context_of(context, &principal_module);
    if (for_id <= PRINCIPAL_OPERATOR || !principal_is_open(context, delegate_id)) return false;
    return delegation_holds(&own, delegate_id, for_id) || delegation_holds(&own, delegate_id, 0);
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

// That the caller is principal 1, or the one whose it is.
static u32 own_check(const struct module_context *context, u64 principal_id, struct plan *plan)
{
    return context->principal == principal_id ? MODULE_DONE : operator_check(context, plan);
}

static u32 expiry_check(const struct module_context *context, u64 expires_at, struct plan *plan)
{
    plan->evidence[0] = expires_at;
    const bool is_over = expires_at != 0 && expires_at <= context->timestamp;
    return is_over ? PRINCIPAL_EXPIRY_INVALID : MODULE_DONE;
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
    u32 refusal = own_check(context, key->principal_id, plan);
    if (refusal == MODULE_DONE) refusal = id_check(key->principal_id, plan);
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

static u32 token_open_check(const struct module_context *context,
                            const struct principal_token_open *open, struct plan *plan)
{
    u32 refusal = own_check(context, open->principal_id, plan);
    if (refusal == MODULE_DONE) refusal = id_check(open->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = 0;
    if (!identifier_is_valid(open->name, sizeof open->name)) return PRINCIPAL_NAME_INVALID;
    if (is_zero(open->token_hash, sizeof open->token_hash)) return PRINCIPAL_TOKEN_INVALID;
    refusal = expiry_check(context, open->expires_at, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = open->principal_id;
    const struct principal *principal = principal_record_find(context, open->principal_id);
    if (principal == NULL) return PRINCIPAL_NOT_FOUND;
    // Two with the same first half are one too many, too.
    const struct principal_token *known = token_near(context, open->token_hash);
    if (known != NULL) {
        plan->evidence[0] = known->principal_id;
        return PRINCIPAL_TOKEN_IN_USE;
    }
    if (context->principal == PRINCIPAL_OPERATOR || principal->tokens < TOKENS_OWN_MAX) {
        return MODULE_DONE;
    }
    plan->evidence[0] = principal->tokens;
    plan->evidence[1] = TOKENS_OWN_MAX;
    return PRINCIPAL_TOKENS_TOO_MANY;
}

static u32 token_open_decide(const struct module_context *context,
                             const struct principal_token_open *open, struct plan *plan)
{
    const u32 refusal = token_open_check(context, open, plan);
    if (refusal != MODULE_DONE) return refusal;
    struct principal principal = *principal_record_find(context, open->principal_id);
    principal.tokens++;
    principal_change(context, &principal, plan);
    struct principal_token token = {
        .principal_id = open->principal_id,
        .expires_at = open->expires_at,
        .opened_at = context->timestamp,
        .opened_by = context->principal,
    };
    memcpy(token.token_hash, open->token_hash, sizeof token.token_hash);
    memcpy(token.name, open->name, sizeof token.name);
    plan_add_write(plan, TABLE_TOKENS, module_record_count(context, TABLE_TOKENS), &token,
                   sizeof token);
    return MODULE_DONE;
}

static u32 token_close_decide(const struct module_context *context,
                              const struct principal_token_close *close, struct plan *plan)
{
    const struct principal_token *known = token_find(context, close->token_hash);
    if (known == NULL) return PRINCIPAL_TOKEN_NOT_FOUND;
    const u32 refusal = own_check(context, known->principal_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = known->principal_id;
    if (known->closed_at != 0) return PRINCIPAL_TOKEN_IS_CLOSED;
    struct principal_token token = *known;
    token.closed_at = context->timestamp;
    plan_add_write(plan, TABLE_TOKENS,
                   module_find_row(context, TABLE_TOKENS, load_u128(close->token_hash)), &token,
                   sizeof token);
    return MODULE_DONE;
}

// Whose word it takes to say who acts in a name: nobody's own is that of all, which is 0.
static u32 name_check(const struct module_context *context, u64 for_id, struct plan *plan)
{
    return for_id == 0 ? operator_check(context, plan) : own_check(context, for_id, plan);
}

static u32 delegate_check(const struct module_context *context,
                          const struct principal_delegate *delegate, struct plan *plan)
{
    const u64 delegate_id = delegate->delegate_id;
    const u64 for_id = delegate->for_id;
    u32 refusal = name_check(context, for_id, plan);
    if (refusal == MODULE_DONE && delegate_id != PRINCIPAL_OPERATOR) {
        refusal = id_check(delegate_id, plan);
    }
    if (refusal == MODULE_DONE && for_id != 0) refusal = id_check(for_id, plan);
    if (refusal == MODULE_DONE && for_id == delegate_id) refusal = PRINCIPAL_ID_INVALID;
    if (refusal == MODULE_DONE) refusal = expiry_check(context, delegate->expires_at, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = delegate_id;
    if (delegate_id != PRINCIPAL_OPERATOR && principal_record_find(context, delegate_id) == NULL) {
        return PRINCIPAL_NOT_FOUND;
    }
    plan->evidence[0] = for_id;
    if (for_id != 0 && principal_record_find(context, for_id) == NULL) return PRINCIPAL_NOT_FOUND;
    return MODULE_DONE;
}

static u32 delegate_decide(const struct module_context *context,
                           const struct principal_delegate *delegate, struct plan *plan)
{
    const u32 refusal = delegate_check(context, delegate, plan);
    if (refusal != MODULE_DONE) return refusal;
    const struct principal_delegation delegation = {
        .key = delegation_key(delegate->delegate_id, delegate->for_id),
        .delegate_id = delegate->delegate_id,
        .for_id = delegate->for_id,
        .since = context->timestamp,
        .expires_at = delegate->expires_at,
        .given_by = context->principal,
    };
    u64 row = module_find_row(context, TABLE_DELEGATIONS, delegation.key);
    if (row == MODULE_ROW_NONE && delegate->for_id != 0) {
        struct principal principal = *principal_record_find(context, delegate->for_id);
        if (context->principal != PRINCIPAL_OPERATOR && principal.delegates >= DELEGATES_OWN_MAX) {
            plan->evidence[0] = principal.delegates;
            plan->evidence[1] = DELEGATES_OWN_MAX;
            return PRINCIPAL_DELEGATES_TOO_MANY;
        }
        principal.delegates++;
        principal_change(context, &principal, plan);
    }
    if (row == MODULE_ROW_NONE) row = module_record_count(context, TABLE_DELEGATIONS);
    plan_add_write(plan, TABLE_DELEGATIONS, row, &delegation, sizeof delegation);
    return MODULE_DONE;
}

static u32 delegate_end_decide(const struct module_context *context,
                               const struct principal_delegate_end *end, struct plan *plan)
{
    const bool is_delegate = context->principal == end->delegate_id;
    const u32 refusal = is_delegate ? MODULE_DONE : name_check(context, end->for_id, plan);
    if (refusal != MODULE_DONE) return refusal;
    const u64 row =
        module_find_row(context, TABLE_DELEGATIONS, delegation_key(end->delegate_id, end->for_id));
    plan->evidence[0] = end->delegate_id;
    plan->evidence[1] = end->for_id;
    if (row == MODULE_ROW_NONE) return PRINCIPAL_DELEGATION_NOT_FOUND;
    struct principal_delegation delegation;
    memcpy(&delegation, module_record(context, TABLE_DELEGATIONS, row), sizeof delegation);
    if (delegation.ended_at != 0) return PRINCIPAL_DELEGATION_NOT_FOUND;
    delegation.ended_at = context->timestamp;
    plan_add_write(plan, TABLE_DELEGATIONS, row, &delegation, sizeof delegation);
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
    if (record == &principal_schema_principal_token_open) {
        return token_open_decide(context, body, plan);
    }
    if (record == &principal_schema_principal_token_close) {
        return token_close_decide(context, body, plan);
    }
    if (record == &principal_schema_principal_delegate) return delegate_decide(context, body, plan);
    if (record == &principal_schema_principal_delegate_end) {
        return delegate_end_decide(context, body, plan);
    }
    assert(record == &principal_schema_principal_reopen);
    const struct principal_reopen *reopen = body;
    return status_decide(context, reopen->principal_id, PRINCIPAL_OPEN, plan);
}

// --- questions -----------------------------------------------------------------------------------

static u32 find_ask(const struct module_context *context, const struct principal_find *find,
                    struct module_answer *answer)
{
    const struct principal *principal = principal_record_find(context, find->principal_id);
    answer->record = &principal_schema_principal;
    memset(answer->cursor, 0, sizeof answer->cursor); // One is all, wherever the client is.
    answer->evidence[0] = find->principal_id;
    if (principal == NULL) return PRINCIPAL_NOT_FOUND;
    (void)answer_add(answer, principal);
    return MODULE_DONE;
}

static u32 token_find_ask(const struct module_context *context,
                          const struct principal_token_find *find, struct module_answer *answer)
{
    const struct principal_token *token = token_find(context, find->token_hash);
    answer->record = &principal_schema_principal_token;
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (token == NULL) return PRINCIPAL_TOKEN_NOT_FOUND;
    (void)answer_add(answer, token);
    return MODULE_DONE;
}

// Those of one principal, or all; an answer looks at so many at most, and the next one goes on.
static u32 token_list_ask(const struct module_context *context,
                          const struct principal_token_list *list, struct module_answer *answer)
{
    const u64 count = module_record_count(context, TABLE_TOKENS);
    u64 row = load_u64(answer->cursor);
    const u64 end = count - MIN(row, count) > ANSWER_LOOKS_MAX ? row + ANSWER_LOOKS_MAX : count;
    answer->record = &principal_schema_principal_token;
    for (; row < end; row++) {
        const struct principal_token *token = module_record(context, TABLE_TOKENS, row);
        const bool is_wanted = list->principal_id == 0 || list->principal_id == token->principal_id;
        if (is_wanted && !answer_add(answer, token)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
    return MODULE_DONE;
}

static u32 principal_ask(const struct module_context *context, const struct schema_record *question,
                         const void *body, struct module_answer *answer)
{
    if (question == &principal_schema_principal_list) {
        answer->record = &principal_schema_principal;
        answer_rows(context, TABLE_PRINCIPALS, answer);
        return MODULE_DONE;
    }
    if (question == &principal_schema_principal_delegation_list) {
        answer->record = &principal_schema_principal_delegation;
        answer_rows(context, TABLE_DELEGATIONS, answer);
        return MODULE_DONE;
    }
    if (question == &principal_schema_principal_token_find) {
        return token_find_ask(context, body, answer);
    }
    if (question == &principal_schema_principal_token_list) {
        return token_list_ask(context, body, answer);
    }
    assert(question == &principal_schema_principal_find);
    return find_ask(context, body, answer);
}

// --- invariants ----------------------------------------------------------------------------------

static void tokens_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_TOKENS); row++) {
        const struct principal_token *token = module_record(context, TABLE_TOKENS, row);
        assert(module_find_row(context, TABLE_TOKENS, load_u128(token->token_hash)) == row);
        assert(principal_record_find(context, token->principal_id) != NULL); // I4
        assert(token->closed_at == 0 || token->closed_at > token->opened_at);
        assert(token->expires_at == 0 || token->expires_at > token->opened_at);
    }
}

// How many are in the name of all.
static u64 delegations_check(const struct module_context *context)
{
    u64 for_all = 0;
    for (u64 row = 0; row < module_record_count(context, TABLE_DELEGATIONS); row++) {
        const struct principal_delegation *one = module_record(context, TABLE_DELEGATIONS, row);
        assert(one->key == delegation_key(one->delegate_id, one->for_id));
        assert(module_find_row(context, TABLE_DELEGATIONS, one->key) == row);
        assert(one->for_id != PRINCIPAL_OPERATOR && one->for_id != one->delegate_id); // I5
        assert(one->for_id == 0 || principal_record_find(context, one->for_id) != NULL);
        assert(one->ended_at == 0 || one->ended_at > one->since);
        for_all += one->for_id == 0;
    }
    return for_all;
}

static void principal_check(const struct module_context *context)
{
    u64 users = 0, keys = 0, tokens = 0, delegates = 0;
    const u64 for_all = delegations_check(context);
    tokens_check(context);
    for (u64 row = 0; row < module_record_count(context, TABLE_PRINCIPALS); row++) {
        const struct principal *principal = module_record(context, TABLE_PRINCIPALS, row);
        const u64 id = (u64)principal->principal_id;
        assert(id == principal->principal_id && id > PRINCIPAL_OPERATOR); // I3
        assert(principal_record_find(context, id) == principal);
        assert(principal->status == PRINCIPAL_OPEN || principal->status == PRINCIPAL_CLOSED);
        keys += principal->keys;
        tokens += principal->tokens;
        delegates += principal->delegates;
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
    assert(users == module_record_count(context, TABLE_USERS));                     // I1
    assert(keys == module_record_count(context, TABLE_KEYS));                       // I1
    assert(tokens == module_record_count(context, TABLE_TOKENS));                   // I4
    assert(delegates + for_all == module_record_count(context, TABLE_DELEGATIONS)); // I5
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
    .table_count = 5,
    .tables =
        {
            {.record_size = sizeof(struct principal), .record_max = PRINCIPALS_MAX, .keyed = true},
            {.record_size = sizeof(struct principal_user),
             .record_max = PRINCIPALS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct principal_key_use),
             .record_max = KEYS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct principal_token),
             .record_max = TOKENS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct principal_delegation),
             .record_max = DELEGATIONS_MAX,
             .keyed = true},
        },
    .decide = principal_decide,
    .ask = principal_ask,
    .check = principal_check,
};
