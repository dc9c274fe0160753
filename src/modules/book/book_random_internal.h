// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the generator share. Private to book_random.c and book_random_entry.c.
#ifndef TAEL_MODULES_BOOK_BOOK_RANDOM_INTERNAL_H
#define TAEL_MODULES_BOOK_BOOK_RANDOM_INTERNAL_H

#include "modules/book/book_random.h"

#define ACCOUNTS_OF_RULES 4u    // Of a book; their ids are behind ids_max.
#define DAY_FIRST         20024 // Open days begin there, 2024-10-28: a month ends soon.

// A number below a bound that is not 0.
static inline u64 below(struct book_random *random, u64 bound)
{
    return random_below(&random->random, bound);
}

// True in so many of 100.
static inline bool chance(struct book_random *random, u32 percent)
{
    return random_chance(&random->random, percent);
}

// A text, cut to the field it goes to.
static inline void put_text(char *field, size_t room, const char *text)
{
    const size_t size = strlen(text);
    memcpy(field, text, MIN(size, room));
}
#define PUT(field, text) put_text(field, sizeof(field), text)

// A name, mostly a good one.
const char *book_pick_name(struct book_random *random);
// A book, an account, an amount: mostly of few, now and then an odd one.
u32 book_pick_book(struct book_random *random);
// Likewise.
u128 book_pick_account(struct book_random *random);
// Likewise.
u128 book_pick_amount(struct book_random *random);
// A day of a span of so many, or an odd one. The open days of entities begin in the first of it.
i32 book_pick_day(struct book_random *random, u32 span);

// Which record of the entry module is next, and one.
u16 book_random_entry_pick(struct book_random *random);
u32 book_random_entry_record(struct book_random *random, u16 record, u8 *out);

#endif
