// SPDX-License-Identifier: Apache-2.0
//
// Deciding on names, and the questions that find them.
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/name/name_internal.h"

#define SCHEMA_MODULE name
#define SCHEMA_TABLE  "modules/name/name.def"
#include "schema/make_descriptors.h"

enum { TABLE_NAMES };
enum { ORDER_PATHS, ORDER_THINGS };
#define NAMES_MAX (1u << 24)
// What the colon counts as in the order of paths, and a character that stands behind it and before
// all others.
#define COLON_RANK  1
#define BEHIND_RANK 2

// --- the order of paths --------------------------------------------------------------------------

static u8 rank_of(char c)
{
    return c == ':' ? COLON_RANK : (u8)c;
}

static u64 path_head(const void *record)
{
    const char *path = ((const struct name *)record)->path;
    u64 head = 0;
    for (u32 i = 0; i < sizeof head; i++) head = head << 8 | rank_of(path[i]);
    return head;
}

int name_path_compare(const void *a, const void *b)
{
    const char *left = ((const struct name *)a)->path;
    const char *right = ((const struct name *)b)->path;
    for (u32 i = 0; i < NAME_PATH_SIZE; i += sizeof(u64)) {
        const u64 differs = load_u64(left + i) ^ load_u64(right + i);
        if (differs == 0) continue;
        const u32 at = i + (u32)__builtin_ctzll(differs) / 8; // Little-endian: the first byte.
        return rank_of(left[at]) < rank_of(right[at]) ? -1 : 1;
    }
    return 0;
}

static bool stands(const void *record)
{
    return ((const struct name *)record)->status == NAME_STATUS_STANDS;
}

static const struct module_order order_of_paths = {
    .order = {.head = path_head, .compare = name_path_compare},
    .has = stands,
};

// --- the order of things: of each, its first name ------------------------------------------------

static u64 thing_head(const void *record)
{
    const struct name *name = record;
    if (name->kind == NAMED_ASSET) return load_u64(name->asset);
    return name->kind == NAMED_BOOK ? name->number : (u64)name->id;
}

static int thing_compare(const void *a, const void *b)
{
    const struct name *left = a;
    const struct name *right = b;
    if (left->kind != right->kind) return left->kind < right->kind ? -1 : 1;
    if (left->id != right->id) return left->id < right->id ? -1 : 1;
    if (left->number != right->number) return left->number < right->number ? -1 : 1;
    return memcmp(left->asset, right->asset, sizeof left->asset);
}

static bool is_first(const void *record)
{
    return stands(record) && ((const struct name *)record)->previous == 0;
}

static const struct module_order order_of_things = {
    .order = {.head = thing_head, .compare = thing_compare},
    .has = is_first,
};

// --- paths ---------------------------------------------------------------------------------------

static bool is_part_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

u32 name_path_check(const char path[NAME_PATH_SIZE], u128 evidence[2])
{
    u32 parts = 1;
    bool is_part_empty = true;
    for (u32 i = 0;; i++) {
        assert(i <= NAME_PATH_SIZE); // A path ends there, if not before.
        char c = 0;
        if (i < NAME_PATH_SIZE) c = path[i];
        const bool is_part_end = c == 0 || c == ':';
        evidence[0] = i + 1;
        evidence[1] = (u8)c;
        if (is_part_end ? is_part_empty : !is_part_character(c)) return NAME_PATH_INVALID;
        if (c == 0) break;
        parts += is_part_end;
        is_part_empty = is_part_end;
    }
    evidence[0] = parts;
    evidence[1] = NAME_PARTS_MAX;
    if (parts > NAME_PARTS_MAX) return NAME_PATH_TOO_DEEP;
    evidence[0] = 0;
    evidence[1] = 0;
    return MODULE_DONE;
}

bool name_is_under(const char path[NAME_PATH_SIZE], const char prefix[NAME_PATH_SIZE])
{
    const size_t size = strnlen(prefix, NAME_PATH_SIZE);
    if (size == 0 || size == NAME_PATH_SIZE) return size == 0 || memcmp(path, prefix, size) == 0;
    return memcmp(path, prefix, size) == 0 && (path[size] == 0 || path[size] == ':');
}

const struct name *name_at(const struct module_context *context, u64 row)
{
    return module_record(context, TABLE_NAMES, row);
}

static u64 path_find(const struct module_context *context, const char path[NAME_PATH_SIZE])
{
    struct name probe;
    memcpy(probe.path, path, sizeof probe.path);
    return module_find_ordered(context, TABLE_NAMES, ORDER_PATHS, &probe);
}

const struct name *name_at_path(const struct module_context *context,
                                const char path[NAME_PATH_SIZE])
{
    const struct module_context own = module_context_of(context, &name_module);
    const u64 row = path_find(&own, path);
    return row == MODULE_ROW_NONE ? NULL : name_at(&own, row);
}

// --- what is named -------------------------------------------------------------------------------

// Of a record with what it names: whether it is told as its kind is, so that a thing is told in one
// way only.
static bool thing_is_valid(const struct name *thing)
{
    const bool has_id = thing->id != 0;
    const bool has_number = thing->number != 0;
    const bool has_asset = thing->asset[0] != 0;
    switch ((enum named_kind)thing->kind) {
    case NAMED_ACCOUNT: return has_id && has_number && !has_asset;
    case NAMED_RAW_ACCOUNT:
    case NAMED_ENTITY:
    case NAMED_CONSTRAINT: return has_id && !has_number && !has_asset;
    case NAMED_BOOK: return !has_id && has_number && !has_asset;
    case NAMED_ASSET: return !has_id && !has_number && has_asset;
    case NAMED_OTHER: return (has_id || has_number) && !has_asset;
    }
    return false;
}

static struct name thing_of(u8 kind, u128 id, u32 number, const char asset[16])
{
    struct name thing = {.kind = kind, .id = id, .number = number};
    memcpy(thing.asset, asset, sizeof thing.asset);
    return thing;
}

// Whether what is to be named is there; of an account, finds its row.
static u32 thing_check(const struct module_context *context, struct name *thing, u128 evidence[2])
{
    evidence[0] = thing->kind;
    if (!thing_is_valid(thing)) return NAME_THING_INVALID;
    u32 row = U32_MAX;
    evidence[0] = thing->id;
    switch ((enum named_kind)thing->kind) {
    case NAMED_ENTITY:
        if (entity_find(context, thing->id) == NULL) return NAME_ENTITY_NOT_FOUND;
        break;
    case NAMED_ASSET:
        if (book_asset_find(context, thing->asset) == NULL) return NAME_ASSET_NOT_FOUND;
        break;
    case NAMED_BOOK:
    case NAMED_ACCOUNT:
        evidence[0] = thing->number;
        if (book_find(context, thing->number) == NULL) return NAME_BOOK_NOT_FOUND;
        if (thing->kind == NAMED_BOOK) break;
        row = ledger_class_account_row(context->ledger, thing->number, thing->id);
        evidence[0] = thing->id;
        evidence[1] = thing->number;
        if (row == U32_MAX) return NAME_ACCOUNT_NOT_FOUND;
        break;
    case NAMED_RAW_ACCOUNT:
    default:
        assert(thing->kind == NAMED_RAW_ACCOUNT);
        row = ledger_account_row(context->ledger, thing->id);
        if (row == U32_MAX) return NAME_RAW_ACCOUNT_NOT_FOUND;
        break;
    case NAMED_CONSTRAINT:
    case NAMED_OTHER: break;
    }
    evidence[0] = 0;
    evidence[1] = 0;
    if (row != U32_MAX) thing->account_row = row + 1;
    return MODULE_DONE;
}

// --- commands ------------------------------------------------------------------------------------

static void name_plan(struct plan *plan, u64 row, const struct name *name)
{
    plan_add_write(plan, TABLE_NAMES, row, name, sizeof *name);
}

// Makes the neighbours of a name in its thing's chain each other's, or those of `row` plus one when
// that is not 0.
static void neighbours_plan(const struct module_context *context, const struct name *name,
                            u32 row_plus_one, struct plan *plan)
{
    if (name->previous != 0) {
        struct name before = *name_at(context, name->previous - 1);
        before.next = row_plus_one != 0 ? row_plus_one : name->next;
        name_plan(plan, name->previous - 1, &before);
    }
    if (name->next != 0) {
        struct name behind = *name_at(context, name->next - 1);
        behind.previous = row_plus_one != 0 ? row_plus_one : name->previous;
        name_plan(plan, name->next - 1, &behind);
    }
}

// Puts a new name at an end of its thing's chain.
static u32 chain_join(const struct module_context *context, bool first, struct name *name,
                      struct plan *plan)
{
    const u64 head = module_find_ordered(context, TABLE_NAMES, ORDER_THINGS, name);
    const u32 row = (u32)module_record_count(context, TABLE_NAMES);
    if (head == MODULE_ROW_NONE) return MODULE_DONE;
    u32 count = 1;
    u32 last = (u32)head;
    while (name_at(context, last)->next != 0) {
        last = name_at(context, last)->next - 1;
        count++;
    }
    plan->evidence[0] = count;
    plan->evidence[1] = NAMES_OF_A_THING;
    if (count >= NAMES_OF_A_THING) return NAME_TOO_MANY;
    plan->evidence[0] = 0;
    plan->evidence[1] = 0;
    if (first) name->next = (u32)head + 1;
    else name->previous = last + 1;
    neighbours_plan(context, name, row + 1, plan);
    return MODULE_DONE;
}

static u32 setter_check(const struct module_context *context, const struct name *name,
                        struct plan *plan)
{
    if (name->principal == context->principal) return MODULE_DONE;
    plan->evidence[0] = context->principal;
    plan->evidence[1] = name->principal;
    return NAME_NOT_THE_SETTER;
}

static u32 path_free_check(const struct module_context *context, const char path[NAME_PATH_SIZE],
                           struct plan *plan)
{
    const u64 row = path_find(context, path);
    if (row == MODULE_ROW_NONE) return MODULE_DONE;
    plan->evidence[0] = name_at(context, row)->id;
    plan->evidence[1] = name_at(context, row)->number;
    return NAME_EXISTS;
}

static u32 set_decide(const struct module_context *context, const struct name_set *set,
                      struct plan *plan)
{
    u32 refusal = name_path_check(set->path, plan->evidence);
    if (refusal != MODULE_DONE) return refusal;
    struct name name = thing_of(set->kind, set->id, set->number, set->asset);
    refusal = thing_check(context, &name, plan->evidence);
    if (refusal != MODULE_DONE) return refusal;
    const u64 head = module_find_ordered(context, TABLE_NAMES, ORDER_THINGS, &name);
    if (set->first && head != MODULE_ROW_NONE) {
        refusal = setter_check(context, name_at(context, head), plan);
        if (refusal != MODULE_DONE) return refusal;
    }
    refusal = path_free_check(context, set->path, plan);
    if (refusal != MODULE_DONE) return refusal;
    memcpy(name.path, set->path, sizeof name.path);
    name.status = NAME_STATUS_STANDS;
    name.principal = context->principal;
    name.set_at = context->timestamp;
    refusal = chain_join(context, set->first, &name, plan);
    if (refusal != MODULE_DONE) return refusal;
    name_plan(plan, module_record_count(context, TABLE_NAMES), &name);
    return MODULE_DONE;
}

// Finds a name that its principal moves or drops.
static u32 own_find(const struct module_context *context, const char path[NAME_PATH_SIZE], u64 *row,
                    struct plan *plan)
{
    *row = path_find(context, path);
    if (*row == MODULE_ROW_NONE) return NAME_NOT_FOUND;
    return setter_check(context, name_at(context, *row), plan);
}

// What is left of a name that does not stand any more.
static void end_plan(const struct module_context *context, u64 row, enum name_status status,
                     u32 moved_to, struct plan *plan)
{
    struct name ended = *name_at(context, row);
    ended.status = (u8)status;
    ended.previous = 0;
    ended.next = 0;
    ended.moved_to = moved_to;
    ended.ended_at = context->timestamp;
    name_plan(plan, row, &ended);
}

static u32 move_decide(const struct module_context *context, const struct name_move *move,
                       struct plan *plan)
{
    u64 row = 0;
    u32 refusal = name_path_check(move->path, plan->evidence);
    if (refusal == MODULE_DONE) refusal = name_path_check(move->to, plan->evidence);
    if (refusal == MODULE_DONE) refusal = own_find(context, move->path, &row, plan);
    if (refusal == MODULE_DONE) refusal = path_free_check(context, move->to, plan);
    if (refusal != MODULE_DONE) return refusal;
    struct name name = *name_at(context, row);
    const u32 row_new = (u32)module_record_count(context, TABLE_NAMES);
    memcpy(name.path, move->to, sizeof name.path);
    name.set_at = context->timestamp;
    end_plan(context, row, NAME_STATUS_MOVED, row_new + 1, plan);
    neighbours_plan(context, &name, row_new + 1, plan);
    name_plan(plan, row_new, &name);
    return MODULE_DONE;
}

static u32 drop_decide(const struct module_context *context, const struct name_drop *drop,
                       struct plan *plan)
{
    u64 row = 0;
    u32 refusal = name_path_check(drop->path, plan->evidence);
    if (refusal == MODULE_DONE) refusal = own_find(context, drop->path, &row, plan);
    if (refusal != MODULE_DONE) return refusal;
    neighbours_plan(context, name_at(context, row), 0, plan);
    end_plan(context, row, NAME_STATUS_DROPPED, 0, plan);
    return MODULE_DONE;
}

static u32 name_decide(const struct module_context *context, const struct schema_record *record,
                       const void *body, struct plan *plan)
{
    if (record == &name_schema_name_set) return set_decide(context, body, plan);
    if (record == &name_schema_name_move) return move_decide(context, body, plan);
    assert(record == &name_schema_name_drop);
    return drop_decide(context, body, plan);
}

// --- questions -----------------------------------------------------------------------------------

u32 name_prefix_check(const char prefix[NAME_PATH_SIZE], u128 evidence[2])
{
    return prefix[0] == 0 ? MODULE_DONE : name_path_check(prefix, evidence);
}

struct name_range name_range_of(const struct module_context *context,
                                const char prefix[NAME_PATH_SIZE])
{
    struct name_range range = {.tree = module_ordered(context, TABLE_NAMES, ORDER_PATHS)};
    struct name probe;
    const size_t size = strnlen(prefix, NAME_PATH_SIZE);
    memcpy(probe.path, prefix, sizeof probe.path);
    range.next = size == 0 ? btree_first(range.tree) : btree_lower(range.tree, &probe);
    if (size == 0) range.end = btree_end();
    else if (size == NAME_PATH_SIZE) range.end = btree_upper(range.tree, &probe);
    else {
        probe.path[size] = BEHIND_RANK;
        range.end = btree_lower(range.tree, &probe);
    }
    return range;
}

bool name_range_go_on(const struct module_context *context, const char prefix[NAME_PATH_SIZE],
                      u64 row, struct name_range *range)
{
    const bool is_row = row < module_record_count(context, TABLE_NAMES);
    const bool is_under = is_row && name_is_under(name_at(context, row)->path, prefix);
    if (is_under) name_range_begin(range, name_at(context, row)->path, NAME_PATH_SIZE);
    else range->next = range->end;
    return is_under;
}

void name_range_begin(struct name_range *range, const char *path, u32 size)
{
    struct name probe = {0};
    memcpy(probe.path, path, size);
    range->next = btree_lower(range->tree, &probe);
}

static u32 find_ask(const struct module_context *context, const struct name_find *find,
                    struct module_answer *answer)
{
    const u32 refusal = name_path_check(find->path, answer->evidence);
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (refusal != MODULE_DONE) return refusal;
    const u64 row = path_find(context, find->path);
    if (row == MODULE_ROW_NONE) return NAME_NOT_FOUND;
    answer->record = &name_schema_name;
    (void)answer_add(answer, name_at(context, row));
    return MODULE_DONE;
}

static u32 list_ask(const struct module_context *context, const struct name_list *list,
                    struct module_answer *answer)
{
    const u32 refusal = name_prefix_check(list->prefix, answer->evidence);
    if (refusal != MODULE_DONE) return refusal;
    const u64 from = load_u64(answer->cursor);
    struct name_range range = name_range_of(context, list->prefix);
    if (from != 0) (void)name_range_go_on(context, list->prefix, from - 1, &range);
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->record = &name_schema_name;
    for (; !btree_cursor_equal(range.next, range.end); btree_next(range.tree, &range.next)) {
        const u32 row = btree_row(range.tree, range.next);
        if (answer_add(answer, name_at(context, row))) continue;
        store_u64(answer->cursor, row + 1ull);
        break;
    }
    return MODULE_DONE;
}

static u32 of_ask(const struct module_context *context, const struct name_of *question,
                  struct module_answer *answer)
{
    const struct name thing =
        thing_of(question->kind, question->id, question->number, question->asset);
    const u64 skipped = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->evidence[0] = thing.kind;
    if (!thing_is_valid(&thing)) return NAME_THING_INVALID;
    const u64 head = module_find_ordered(context, TABLE_NAMES, ORDER_THINGS, &thing);
    u64 next = head == MODULE_ROW_NONE ? 0 : head + 1;
    answer->record = &name_schema_name;
    for (u64 i = 0; next != 0; i++, next = name_at(context, next - 1)->next) {
        if (i < skipped || answer_add(answer, name_at(context, next - 1))) continue;
        store_u64(answer->cursor, i);
        break;
    }
    return MODULE_DONE;
}

// --- the module ----------------------------------------------------------------------------------

static u32 name_ask(const struct module_context *context, const struct schema_record *question,
                    const void *body, struct module_answer *answer)
{
    if (question == &name_schema_name_find) return find_ask(context, body, answer);
    if (question == &name_schema_name_list) return list_ask(context, body, answer);
    if (question == &name_schema_name_of) return of_ask(context, body, answer);
    return name_sum_ask(context, question, body, answer);
}

// --- invariants ----------------------------------------------------------------------------------

static void thing_assert(const struct module_context *context, const struct name *name)
{
    struct name thing = thing_of(name->kind, name->id, name->number, name->asset);
    u128 evidence[2];
    assert(thing_check(context, &thing, evidence) == MODULE_DONE); // D3
    assert(thing.account_row == name->account_row);                // D3
}

// The chain that begins with a name; returns how many it has.
static u64 chain_assert(const struct module_context *context, u64 row)
{
    u64 count = 0;
    u64 previous = 0;
    for (u64 next = row + 1; next != 0; count++) {
        const struct name *name = name_at(context, next - 1);
        assert(stands(name) && name->previous == previous);
        assert(thing_compare(name, name_at(context, row)) == 0); // D2
        previous = next;
        next = name->next;
    }
    assert(count <= NAMES_OF_A_THING); // D2
    return count;
}

static void name_check(const struct module_context *context)
{
    const struct btree *paths = module_ordered(context, TABLE_NAMES, ORDER_PATHS);
    u64 in_chains = 0;
    const struct name *before = NULL;
    for (u64 row = 0; row < module_record_count(context, TABLE_NAMES); row++) {
        const struct name *name = name_at(context, row);
        u128 evidence[2];
        assert(name_path_check(name->path, evidence) == MODULE_DONE);
        thing_assert(context, name);
        if (is_first(name)) in_chains += chain_assert(context, row);
        assert(stands(name) || (name->previous == 0 && name->next == 0)); // D4
        assert((name->status == NAME_STATUS_MOVED) == (name->moved_to != 0));
        assert(stands(name) == (name->ended_at == 0));
    }
    assert(in_chains == paths->count); // D2, D4: who stands is in one chain.
    const struct btree *things = module_ordered(context, TABLE_NAMES, ORDER_THINGS);
    struct btree_cursor thing = btree_first(things);
    for (u32 row = btree_row(things, thing); row != BTREE_ROW_NONE;) {
        const struct name *name = name_at(context, row);
        btree_next(things, &thing);
        row = btree_row(things, thing);
        assert(row == BTREE_ROW_NONE || thing_compare(name, name_at(context, row)) != 0); // D2
    }
    for (struct btree_cursor at = btree_first(paths); btree_row(paths, at) != BTREE_ROW_NONE;
         btree_next(paths, &at)) {
        const struct name *name = name_at(context, btree_row(paths, at));
        assert(before == NULL || name_path_compare(before, name) < 0); // D1
        before = name;
    }
}

const struct module name_module = {
    .name = "name",
    .number = 0x07,
    .version = 1,
    .account_class = 0x07,
    .schema = &name_schema,
    .table_count = 1,
    .tables =
        {
            {.record_size = sizeof(struct name),
             .record_max = NAMES_MAX,
             .orders = {&order_of_paths, &order_of_things}},
        },
    .decide = name_decide,
    .ask = name_ask,
    .check = name_check,
};
