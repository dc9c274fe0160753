// SPDX-License-Identifier: Apache-2.0
//
// Balances and turnover of the accounts that have a name under a prefix.
//
// The names are walked in their order, an account of several is added once to a line, and an answer
// is made in turns. A name that is moved in between over the place where a line stands is counted
// twice or not at all, as a posting is: the positions tell that the line may not be of one state.
#include "modules/book/book.h"
#include "modules/name/name_internal.h"

// --- lines ---------------------------------------------------------------------------------------

// What goes into one line: all under a prefix, or what goes on with the same part behind it.
struct group {
    const char *prefix;
    u32 prefix_size;
    bool by_part;
};

static struct group group_of(const char *prefix, bool by_part)
{
    return (struct group){
        .prefix = prefix, .prefix_size = (u32)strnlen(prefix, NAME_PATH_SIZE), .by_part = by_part};
}

// How much of a path, which is under the prefix, is that of its line.
static u32 group_size(const struct group *group, const char *path)
{
    u32 size = group->prefix_size;
    if (!group->by_part || size == NAME_PATH_SIZE || (size > 0 && path[size] == 0)) return size;
    size += size > 0; // The colon.
    while (size < NAME_PATH_SIZE && path[size] != 0 && path[size] != ':') size++;
    return size;
}

// Whether two paths, one of them under the prefix, are in one line.
static bool is_same_line(const struct group *group, const char *path, const char *other)
{
    const u32 size = group_size(group, path);
    if (!group->by_part) return name_is_under(other, group->prefix);
    return memcmp(path, other, size) == 0 && group_size(group, other) == size;
}

// Whether a thing has no other name.
static bool is_only(const struct name *name)
{
    return name->previous == 0 && name->next == 0;
}

// Whether a name is, of the names of its thing in the line, the first in the order of paths.
static bool counts_once(const struct module_context *context, const struct group *group,
                        const struct name *name)
{
    if (is_only(name)) return true;
    const struct name *other = name;
    while (other->previous != 0) other = name_at(context, other->previous - 1);
    for (;;) {
        const bool is_before = name_path_compare(other, name) < 0;
        if (is_before && is_same_line(group, name->path, other->path)) return false;
        if (other->next == 0) return true;
        other = name_at(context, other->next - 1);
    }
}

// --- scope ---------------------------------------------------------------------------------------

// Which accounts are meant: those of a book, of a ledger number, or of all books of an asset.
struct scope {
    const char *asset;
    u32 wanted; // The book or number; 0: by asset.
    i32 from_day;
    i32 to_day;
    u32 number;        // The one that was last looked at,
    bool has;          // and whether its accounts are meant.
    u32 period_number; // The book whose months `period` has; 0: of none.
    struct book_period period;
};

static u32 scope_check(const struct module_context *context, const struct scope *scope,
                       u128 evidence[2])
{
    const bool has_asset = scope->asset[0] != 0;
    if (has_asset && book_asset_find(context, scope->asset) == NULL) return NAME_ASSET_NOT_FOUND;
    evidence[0] = scope->wanted;
    if (scope->wanted != 0 &&
        ledger_number_class(context->ledger, scope->wanted) == LEDGER_NUMBER_FREE) {
        return NAME_BOOK_NOT_FOUND;
    }
    if (has_asset == (scope->wanted != 0)) return NAME_SCOPE_INVALID;
    evidence[0] = 0;
    return MODULE_DONE;
}

static bool scope_has(const struct module_context *context, struct scope *scope, u32 number)
{
    if (scope->wanted != 0) return number == scope->wanted;
    if (number == scope->number) return scope->has;
    const struct book *book = book_find(context, number);
    scope->number = number;
    scope->has = book != NULL && memcmp(book->asset, scope->asset, sizeof book->asset) == 0;
    return scope->has;
}

// The months of the question in a book that it is about.
static const struct book_period *scope_period(const struct module_context *context,
                                              struct scope *scope, u32 number)
{
    if (number != scope->period_number) {
        scope->period_number = number;
        scope->period =
            book_period_of(context, book_find(context, number), scope->from_day, scope->to_day);
    }
    return &scope->period;
}

// --- the walk ------------------------------------------------------------------------------------

// Brings the names of a leaf, then their accounts, towards the processor: each is a miss of its own
// otherwise. What a sum reads of a name lies in one line.
static_assert(offsetof(struct name, id) / CACHE_LINE_SIZE ==
                  (offsetof(struct name, next) + 3) / CACHE_LINE_SIZE,
              "one line");
static void run_fetch(const struct module_context *context, const u32 *rows, u32 count)
{
    for (u32 i = 0; i < count; i++) __builtin_prefetch(&name_at(context, rows[i])->id);
    for (u32 i = 0; i < count; i++) {
        const u32 row = name_at(context, rows[i])->account_row;
        if (row == 0) continue;
        const u8 *account = (const void *)ledger_account(context->ledger, row - 1);
        __builtin_prefetch(account);
        __builtin_prefetch(account + CACHE_LINE_SIZE);
    }
}

// The rest of the leaf at the beginning of a range, so many at most, fetched.
static u32 run_of(const struct module_context *context, const struct name_range *range, u32 max,
                  const u32 **rows)
{
    u32 count = 0;
    *rows = btree_run(range->tree, range->next, &count);
    if (range->next.node == range->end.node) count = range->end.index - range->next.index;
    count = MIN(count, max);
    run_fetch(context, *rows, count);
    return count;
}

static bool range_is_empty(const struct name_range *range)
{
    return btree_cursor_equal(range->next, range->end);
}

// --- balances ------------------------------------------------------------------------------------

// What a sum has so far, between its turns.
struct sums {
    struct name_balance_row row;
    u64 next; // Row of the name that comes next, plus one; 0 before the first turn.
};
static_assert(sizeof(struct sums) <= MODULE_WORK_SIZE, "an answer's work");

static bool sum_add(u128 *sum, u128 balance, u128 evidence[2])
{
    evidence[0] = *sum;
    evidence[1] = balance;
    *sum += balance;
    return *sum >= balance;
}

static u32 balance_add(const struct module_context *context, const struct group *group,
                       struct scope *scope, const struct name *name, struct name_balance_row *row,
                       u128 evidence[2])
{
    row->names++;
    if (name->account_row == 0) return MODULE_DONE;
    const struct account *account = ledger_account(context->ledger, name->account_row - 1);
    if (!scope_has(context, scope, account->ledger)) return MODULE_DONE;
    if (!counts_once(context, group, name)) return MODULE_DONE;
    row->accounts++;
    const bool fits = sum_add(&row->debits_posted, account->debits_posted, evidence) &&
                      sum_add(&row->credits_posted, account->credits_posted, evidence) &&
                      sum_add(&row->debits_pending, account->debits_pending, evidence) &&
                      sum_add(&row->credits_pending, account->credits_pending, evidence);
    return fits ? MODULE_DONE : NAME_SUM_OVERFLOW;
}

static u32 balance_ask(const struct module_context *context, const struct name_balance *question,
                       struct module_answer *answer)
{
    struct sums *sums = (void *)answer->work;
    const struct group group = group_of(question->prefix, false);
    struct scope scope = {.asset = question->asset, .wanted = question->book};
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->record = &name_schema_name_balance_row;
    u32 refusal = name_prefix_check(question->prefix, answer->evidence);
    if (refusal == MODULE_DONE) refusal = scope_check(context, &scope, answer->evidence);
    if (refusal != MODULE_DONE) return refusal;
    struct name_range range = name_range_of(context, question->prefix);
    if (sums->next == 0) sums->row.position_first = context->position;
    else (void)name_range_go_on(context, question->prefix, sums->next - 1, &range);
    for (u32 looks = 0; !range_is_empty(&range);) {
        const u32 *rows = NULL;
        const u32 count = run_of(context, &range, answer->looks_max - looks, &rows);
        for (u32 i = 0; i < count && looks < answer->looks_max; i++) {
            const struct name *name = name_at(context, rows[i]);
            refusal = balance_add(context, &group, &scope, name, &sums->row, answer->evidence);
            if (refusal != MODULE_DONE) return refusal;
            btree_next(range.tree, &range.next);
            looks += is_only(name) ? 1 : NAMES_OF_A_THING;
        }
        answer->is_unfinished = looks >= answer->looks_max && !range_is_empty(&range);
        if (!answer->is_unfinished) continue;
        sums->next = btree_row(range.tree, range.next) + 1ull;
        return MODULE_DONE;
    }
    sums->row.position_last = context->position;
    (void)answer_add(answer, &sums->row);
    return MODULE_DONE;
}

// --- turnover ------------------------------------------------------------------------------------

// So many accounts ahead their turnover is fetched, and the rest of it one ahead.
#define FETCH_AHEAD 2u
// Looks that finding the months of another book costs.
#define PERIOD_LOOKS 4u

// The line that is being made, between the turns of an answer.
struct line {
    struct book_turned turned;
    u64 accounts;
    u64 names;
    u64 position_first;
    u64 first; // Row of its first name, plus one; 0: none is begun.
    u64 next;  // Row of the name that comes next, plus one; 0 before the first turn.
};
static_assert(sizeof(struct line) <= MODULE_WORK_SIZE, "an answer's work");

struct turnover_walk {
    const struct module_context *context;
    struct group group;
    struct scope scope;
    u8 scale;
    struct line *line;
    struct module_answer *answer;
};

static void line_begin(struct turnover_walk *walk, u64 first)
{
    const u64 next = walk->line->next;
    *walk->line =
        (struct line){.first = first, .next = next, .position_first = walk->context->position};
}

static bool has_room(const struct module_answer *answer)
{
    return answer->room - answer->size >= sizeof(struct name_turnover_row);
}

// Adds the line to the answer, for which there is room.
static void line_end(struct turnover_walk *walk)
{
    const struct line *line = walk->line;
    struct name_turnover_row row = {.accounts = line->accounts,
                                    .names = line->names,
                                    .scale = walk->scale,
                                    .opening_debit = line->turned.opening_debit,
                                    .opening_credit = line->turned.opening_credit,
                                    .closing_debit = line->turned.closing_debit,
                                    .closing_credit = line->turned.closing_credit,
                                    .debits = line->turned.debits,
                                    .credits = line->turned.credits,
                                    .count = line->turned.count,
                                    .position_first = line->position_first,
                                    .position_last = walk->context->position};
    if (line->first == 0) memcpy(row.path, walk->group.prefix, walk->group.prefix_size);
    else {
        const struct name *name = name_at(walk->context, line->first - 1);
        memcpy(row.path, name->path, group_size(&walk->group, name->path));
    }
    book_net(&row.opening_debit, &row.opening_credit);
    book_net(&row.closing_debit, &row.closing_credit);
    (void)answer_add(walk->answer, &row);
    walk->line->first = 0;
}

// Looks that a name costs.
static u32 turned_add(struct turnover_walk *walk, const struct name *name)
{
    struct line *line = walk->line;
    const u32 looks = is_only(name) ? 1 : NAMES_OF_A_THING;
    line->names++;
    if (name->account_row == 0) return looks;
    const struct account *account = ledger_account(walk->context->ledger, name->account_row - 1);
    if (!scope_has(walk->context, &walk->scope, account->ledger)) return looks;
    if (!counts_once(walk->context, &walk->group, name)) return looks;
    const bool is_other_book = account->ledger != walk->scope.period_number;
    const struct book_period *period = scope_period(walk->context, &walk->scope, account->ledger);
    line->accounts++;
    book_turned_add(walk->context, period, name->account_row - 1, &line->turned);
    return looks + book_turned_looks(period) + (is_other_book ? PERIOD_LOOKS : 0);
}

// Of an account in the book that was added last; whoever is in another one is met unprepared.
static void turned_fetch(const struct turnover_walk *walk, u32 row, bool is_near)
{
    const struct name *name = name_at(walk->context, row);
    if (name->account_row == 0 || walk->scope.period_number == 0) return;
    const u32 number = ledger_account(walk->context->ledger, name->account_row - 1)->ledger;
    if (number != walk->scope.period_number) return;
    book_turned_fetch(walk->context, &walk->scope.period, name->account_row - 1, is_near);
}

// Whether a name is in the line that is begun.
static bool is_in_line(const struct turnover_walk *walk, const struct name *name)
{
    const u64 first = walk->line->first;
    return first != 0 &&
           is_same_line(&walk->group, name->path, name_at(walk->context, first - 1)->path);
}

// Goes on where a turn or a page ended, with the name that came next then: in the line that is
// begun there, else from the beginning of that name's line, where others may stand since.
static void walk_go_on(const struct turnover_walk *walk, u64 row, struct name_range *range)
{
    const bool is_ours = name_range_go_on(walk->context, walk->group.prefix, row, range);
    if (!is_ours || walk->line->first != 0) return;
    const char *path = name_at(walk->context, row)->path;
    name_range_begin(range, path, group_size(&walk->group, path));
}

// Goes over a run of names. False when the answer has no room for another line: then the cursor
// says where the next page begins.
static bool turnover_run(struct turnover_walk *walk, struct name_range *range, const u32 *rows,
                         u32 count, u32 *looks)
{
    for (u32 i = 0; i < count && *looks < walk->answer->looks_max; i++) {
        const struct name *name = name_at(walk->context, rows[i]);
        struct line *line = walk->line;
        if (line->first != 0 && !is_in_line(walk, name)) line_end(walk);
        if (line->first == 0 && !has_room(walk->answer)) {
            store_u64(walk->answer->cursor, rows[i] + 1ull);
            return false;
        }
        if (line->first == 0) line_begin(walk, rows[i] + 1ull);
        if (i + FETCH_AHEAD < count) turned_fetch(walk, rows[i + FETCH_AHEAD], false);
        if (i + 1 < count) turned_fetch(walk, rows[i + 1], true);
        *looks += turned_add(walk, name);
        btree_next(range->tree, &range->next);
    }
    return true;
}

static u32 turnover_check(const struct module_context *context,
                          const struct name_turnover *question, const struct scope *scope,
                          u128 evidence[2])
{
    u32 refusal = name_prefix_check(question->prefix, evidence);
    if (refusal == MODULE_DONE) refusal = scope_check(context, scope, evidence);
    if (refusal != MODULE_DONE) return refusal;
    evidence[0] = question->book;
    const bool is_raw = question->book != 0 && book_find(context, question->book) == NULL;
    if (is_raw) return NAME_RAW_HAS_NO_DAYS;
    switch (book_period_check(question->from_day, question->to_day, evidence)) {
    case BOOK_RANGE_REVERSED: return NAME_RANGE_REVERSED;
    case BOOK_DAY_OUT_OF_RANGE: return NAME_DAY_OUT_OF_RANGE;
    default: return MODULE_DONE;
    }
}

static u32 turnover_ask(const struct module_context *context, const struct name_turnover *question,
                        struct module_answer *answer)
{
    struct turnover_walk walk = {
        .context = context,
        .group = group_of(question->prefix, question->parts),
        .scope = {.asset = question->asset,
                  .wanted = question->book,
                  .from_day = question->from_day,
                  .to_day = question->to_day},
        .line = (void *)answer->work,
        .answer = answer,
    };
    const u64 from = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    answer->record = &name_schema_name_turnover_row;
    const u32 refusal = turnover_check(context, question, &walk.scope, answer->evidence);
    if (refusal != MODULE_DONE) return refusal;
    const struct book *book = book_find(context, question->book);
    walk.scale = book_asset_find(context, book == NULL ? question->asset : book->asset)->scale;
    struct name_range range = name_range_of(context, question->prefix);
    const u64 next = walk.line->next != 0 ? walk.line->next : from;
    if (next != 0) walk_go_on(&walk, next - 1, &range);
    for (u32 looks = 0; !range_is_empty(&range);) {
        const u32 *rows = NULL;
        const u32 count = run_of(context, &range, answer->looks_max - looks, &rows);
        if (!turnover_run(&walk, &range, rows, count, &looks)) return MODULE_DONE;
        answer->is_unfinished = looks >= answer->looks_max && !range_is_empty(&range);
        if (!answer->is_unfinished) continue;
        const u32 row = btree_row(range.tree, range.next);
        if (walk.line->first != 0 && !is_in_line(&walk, name_at(context, row))) line_end(&walk);
        walk.line->next = row + 1ull;
        return MODULE_DONE;
    }
    if (walk.line->first == 0 && !question->parts && from == 0) line_begin(&walk, 0);
    else if (walk.line->first == 0) return MODULE_DONE;
    line_end(&walk);
    return MODULE_DONE;
}

u32 name_sum_ask(const struct module_context *context, const struct schema_record *question,
                 const void *body, struct module_answer *answer)
{
    if (question == &name_schema_name_turnover) return turnover_ask(context, body, answer);
    assert(question == &name_schema_name_balance);
    return balance_ask(context, body, answer);
}
