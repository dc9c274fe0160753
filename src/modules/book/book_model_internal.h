// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the model of books share. Private to:
//
//   book/book_model.c            commands as a whole, entities, books, accounts, raw accounts
//   book/book_model_posting.c    postings and plans of them
//   book/book_model_view.c       what can be read
//   entry/entry_model.c          entries, holds, reversals
//   entry/entry_model_rule.c     what is due, conversions, the closing of a year
#ifndef TAEL_MODULES_BOOK_BOOK_MODEL_INTERNAL_H
#define TAEL_MODULES_BOOK_BOOK_MODEL_INTERNAL_H

#include "modules/book/book_model.h"
#include "modules/constraint/constraint_model.h"

#include <stdlib.h>

#define THINGS_MAX     4096u
#define COMMANDS_MAX   65536u
#define PRINCIPALS_MAX 16u
#define POSTED_MAX     65536u

struct model_account {
    bool is_raw;
    u32 number; // The book, or the ledger number of a raw one.
    u128 id;
    u16 code;
    u16 flags;
    u64 owner;
    char name[64];
    u128 debits; // Posted.
    u128 credits;
    u128 debits_held;
    u128 credits_held;
    u8 frozen;
    bool is_closed;
    bool has_since; // It was frozen, thawed, closed or opened again.
    char reason[16];
};

struct model_command {
    struct book_command command;
    u8 *body;
    u32 reply_count;
    struct book_reply *replies;
};

struct model_entity {
    struct entity_open open;
    i32 day;
    i32 closed_through;
};

struct model_mark {
    char calendar[16];
    struct calendar_day day;
};

struct model_closed {
    u128 entity_id;
    i32 day;
    i32 next;
};

// The effective day of a posting.
struct model_when {
    i32 day;
    i32 given; // As the record has it: 0 is the one that was open.
};

// A posting as it is planned.
struct model_posting {
    struct model_account *debit;
    struct model_account *credit;
    u128 amount;   // That is posted, held or, of a void, released.
    u128 released; // Of a hold that this posts or gives up: all that was held.
    u16 flags;     // TRANSFER_PENDING, _POST_PENDING, _VOID_PENDING or 0.
    u16 code;
    struct model_when when;
    u128 order_id;
    u64 scenario;
    u32 purpose;
};

// One that was made, of an entry.
struct model_shown {
    struct model_posting posting;
    u128 reversed;
    u128 reversal_id;
};

// A record with an id of its own that was carried out.
struct model_posted {
    u128 entry_id;
    u128 command_id;
    u16 kind;   // The number of the record.
    u32 record; // Of the command.
    u32 size;
    u8 *body;
    u128 reverses_id; // The entry that it reverses; 0 is none.
    u32 count;
    struct model_shown *postings;
};

// A hold and what became of it; its postings are those of its entry.
struct model_hold {
    u128 hold_id;
    u64 owner;
    char name[40];
    u8 status;
    bool expires;
    u128 resolved_by;
};

// What a rule posts between.
struct model_rule {
    u128 rule_id;
    u8 kind;
    u8 rounding;
    struct model_account *a;
    struct model_account *b;
    struct model_account *dust; // NULL is none.
};

struct book_model {
    u32 accounts_max;
    struct constraint_model *constraints;
    struct model_entity entities[THINGS_MAX];
    struct calendar_open calendars[THINGS_MAX];
    struct model_mark marks[THINGS_MAX];
    struct model_closed closed[THINGS_MAX];
    struct model_posted posted[POSTED_MAX];
    struct asset_open assets[THINGS_MAX];
    struct chart_add codes[THINGS_MAX];
    struct book_open books[THINGS_MAX];
    struct model_account accounts[THINGS_MAX];
    struct model_account before[THINGS_MAX]; // The accounts as they were before an entry.
    u32 entity_count;
    u32 calendar_count;
    u32 mark_count;
    u32 closed_count;
    u32 posted_count;
    u32 asset_count;
    u32 code_count;
    u32 book_count;
    u32 account_count;
    struct model_hold holds[POSTED_MAX];
    u32 hold_count;
    struct model_rule rules[THINGS_MAX];
    u32 rule_count;
    struct model_posting *postings; // All of them.
    u32 posting_count;
    u32 posting_room;
    struct model_command commands[COMMANDS_MAX];
    u32 command_count;
    u64 principals[PRINCIPALS_MAX];
    u32 principal_count;
};

// A text of a record, terminated.
struct word {
    char text[65];
};

// A field of a record as a terminated text.
static inline struct word word_of(const char *field, size_t room)
{
    struct word word = {{0}};
    assert(room < sizeof word.text);
    memcpy(word.text, field, room);
    return word;
}
#define WORD(field) word_of(field, sizeof(field))

// Whether two texts are the same.
static inline bool word_is(struct word a, struct word b)
{
    return strcmp(a.text, b.text) == 0;
}

// Whether a text is letters, digits and - _ . : only, and not empty.
static inline bool is_identifier(struct word word)
{
    return word.text[0] != 0 &&
           strspn(word.text,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
               strlen(word.text);
}

// Zeros only behind the text.
static inline bool text_is_whole(const char *field, size_t room)
{
    bool has_ended = false;
    for (size_t i = 0; i < room; i++) {
        if (field[i] == 0) has_ended = true;
        else if (has_ended) return false;
    }
    return true;
}
#define WHOLE(field) text_is_whole(field, sizeof(field))

// Whether there is nothing but zeros.
static inline bool all_zero(const u8 *bytes, size_t size)
{
    u8 all = 0;
    for (size_t i = 0; i < size; i++) all |= bytes[i];
    return all == 0;
}

// A refusal with its evidence.
static inline struct book_reply refused(u32 result, u128 value, u128 limit)
{
    return (struct book_reply){.result = result, .evidence = {value, limit}};
}

// No refusal.
static inline struct book_reply done(void)
{
    return refused(MODULE_DONE, 0, 0);
}

// The bytes of a record of `head` bytes, whose last four are a count of at most `max` items.
static inline u32 array_size(u32 head, u32 item, u32 max, const u8 *body, u32 left)
{
    u32 count;
    if (left < head) return 0;
    memcpy(&count, body + head - sizeof count, sizeof count);
    return count <= max && left >= head + item * count ? head + item * count : 0;
}

// A value as evidence.
static inline u128 of_day(i32 day)
{
    return (u32)day;
}

// Whether a sum is more than 2^128-1.
static inline bool sum_overflows(u128 a, u128 b)
{
    return b > U128_MAX - a;
}

// The row of an account, by which cells know it.
static inline u32 row_of(const struct book_model *model, const struct model_account *account)
{
    return (u32)(account - model->accounts);
}

// The things of a model by what names them; NULL when there is none.
static inline struct model_entity *find_entity(struct book_model *model, u128 id)
{
    for (u32 i = 0; i < model->entity_count; i++) {
        if (model->entities[i].open.entity_id == id) return &model->entities[i];
    }
    return NULL;
}

// Likewise.
static inline const struct asset_open *find_asset(const struct book_model *model, struct word asset)
{
    for (u32 i = 0; i < model->asset_count; i++) {
        if (word_is(WORD(model->assets[i].asset), asset)) return &model->assets[i];
    }
    return NULL;
}

// Likewise.
static inline const struct chart_add *find_code(const struct book_model *model, u32 chart, u16 code)
{
    for (u32 i = 0; i < model->code_count; i++) {
        if (model->codes[i].chart == chart && model->codes[i].code == code) return &model->codes[i];
    }
    return NULL;
}

// Likewise.
static inline const struct book_open *find_book(const struct book_model *model, u32 number)
{
    for (u32 i = 0; i < model->book_count; i++) {
        if (model->books[i].book == number) return &model->books[i];
    }
    return NULL;
}

// Likewise; the accounts of books alone.
static inline struct model_account *find_account(struct book_model *model, u32 book, u128 id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        struct model_account *account = &model->accounts[i];
        if (!account->is_raw && account->number == book && account->id == id) return account;
    }
    return NULL;
}

// --- postings (book_model_posting.c) -------------------------------------------------------------

// The suspense account of a book, which must exist.
static inline struct model_account *model_suspense(struct book_model *model, u32 book)
{
    return find_account(model, book, U128_MAX - 1);
}
// Posts, holds or releases at once. Returns a create_transfer result.
u32 model_post(struct book_model *model, const struct model_posting *posting);
// Remembers a posting for what is asked.
void model_keep_posting(struct book_model *model, const struct model_posting *posting);
// Posts a plan whole, or takes it back.
struct book_reply model_post_plan(struct book_model *model, const struct model_posting *postings,
                                  u32 count, bool is_fact);

// --- entries (entry_model.c) ---------------------------------------------------------------------

#define MODEL_POSTINGS_MAX 512u // Of a record.

// A record of the entry module being decided.
struct model_act {
    const struct book_command *command;
    u32 record; // Of the command.
    const u8 *body;
    u32 size;
    bool is_fact;
    u128 reverses_id;
    u32 count;
    struct model_posting postings[MODEL_POSTINGS_MAX];
};

// The bytes of the record 0x0401 to 0x040a that begins there; 0 when it is not whole.
u32 entry_model_record_size(u16 record, const u8 *body, u32 left);
// Runs such a record.
struct book_reply entry_model_run(struct book_model *model, const struct book_command *command,
                                  u32 record, const u8 *body, u32 size);
// The rules' records, 0x0406 to 0x040a.
struct book_reply entry_model_rule_run(struct book_model *model, struct model_act *act);

// Whether an account takes what this principal posts to it on a side; the open side alone.
struct book_reply model_may_post(const struct model_account *account, u64 principal, u8 side);
struct book_reply model_is_open(const struct model_account *account, u8 side);
// Whether the entity of a book takes a posting of a day; 0 is the open one.
struct book_reply model_day(struct book_model *model, u32 book, i32 day, struct model_when *when);
// The next posting of an act, with the references of its record.
struct model_posting *model_add_posting(struct model_act *act, struct model_account *debit,
                                        struct model_account *credit, u128 amount, u16 code,
                                        struct model_when when);
// What an entry is told whose id was taken before; `otherwise` when it was not.
struct book_reply model_exists(const struct book_model *model, const struct model_act *act,
                               struct book_reply otherwise);
// Behind the rules of the module: `reply` is theirs. Tells an id that was taken, posts the plan and
// keeps the entry.
struct book_reply model_finish(struct book_model *model, struct model_act *act,
                               struct book_reply reply);
struct model_posted *model_find_posted(struct book_model *model, u128 entry_id);

#endif
