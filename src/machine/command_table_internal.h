// SPDX-License-Identifier: Apache-2.0
//
// What the files that run tables share. Private.
//
//   command_table.c       rows: commands, questions, what is expected
//   command_table_text.c  words, numbers, members
#ifndef TAEL_MACHINE_COMMAND_TABLE_INTERNAL_H
#define TAEL_MACHINE_COMMAND_TABLE_INTERNAL_H

#include "codec/text.h"
#include "machine/command_table.h"

#define BATCH_MAX   64u
#define GIVEN_MAX   16u
#define DONE_MAX    4096u      // Records of a table that are carried out.
#define MEMBERS_MAX (64 * KIB) // Bytes of a record as JSON.
#define BODY_MAX    (256 * KIB)

// Of a record, what its rows have when they say nothing.
struct given {
    const struct schema_record *record;
    char *members;
};

// What a row expects of a reply.
struct expected {
    bool valid;
    bool is_then; // Of the evidence, the limit is when the record of that id was carried out.
    struct command_reply reply; // Without position and timestamp.
    u128 key;                   // The first 16 bytes of the record.
    u32 line;
};

// A record that was carried out.
struct done {
    u128 key;
    u64 timestamp;
    u32 number;
};

struct table_runner {
    struct command_world *world; // NULL before the first table.
    const char *file;
    FILE *trace;
    struct command_table_report *report;
    u32 line;
    const char *at;  // In the row, behind what was taken.
    const char *end; // Of the row, without its comment.
    // The rows that every table begins with.
    const char *common;
    const char *common_end;
    u32 common_line;
    bool common_open;
    u128 next_id;
    u128 next_number; // The next `next`.
    struct done done[DONE_MAX];
    u32 done_count;
    struct given given[GIVEN_MAX];
    u32 given_count;
    // The command that is being collected.
    bool batch_open;
    const struct schema_record *record; // NULL as long as there is none.
    u128 command_id;
    u8 *body;
    u32 body_size;
    u32 count;
    u32 claimed_size; // U32_MAX: the true one.
    u32 claimed_count;
    struct expected expected[BATCH_MAX];
    u32 expected_count;
    // The answer that is being looked at.
    const struct schema_record *view_record;
    u8 *views;
    u32 view_count;
    u32 view_next;
    char *members; // Scratch, MEMBERS_MAX each.
    char *merged;
};

// --- messages ---

// Counts a failure at a line and says what was expected, and what was found.
void table_complain(struct table_runner *runner, u32 line, const char *what, const char *expected,
                    const char *found);
// Counts a failure of the row: what is wrong, and where (not terminated; may be empty).
void table_complain_text(struct table_runner *runner, const char *what, const char *text,
                         size_t size);

// --- words ---

// The next word, up to a blank. False at the end of the row.
bool table_word(struct table_runner *runner, const char **text, size_t *size);
// Takes the next word if it is this.
bool table_word_if(struct table_runner *runner, const char *word);
// Whether nothing is left; blanks are passed over.
bool table_row_is_done(struct table_runner *runner);
// 17, max, max-3, 2^64, 2^64+1, 2026-01-05. False when it is none.
bool table_number_parse(const char *text, size_t size, u128 *value);
// The next word as a number of at most `max`; complains and gives 0 if it is none.
u128 table_number(struct table_runner *runner, u128 max);
// The same of any size, or with a sign before it: the two's complement.
u128 table_signed(struct table_runner *runner);

// --- members ---

// Takes the members of the row, if there are any, as strict JSON into `out`; "{}" when there are
// none. Complains and returns false when they are no members.
bool table_members(struct table_runner *runner, const struct schema_record *record,
                   char out[MEMBERS_MAX]);
// Members of the row, and those that are given and not in it.
bool table_members_given(struct table_runner *runner, const struct schema_record *record,
                         char out[MEMBERS_MAX]);
// Whether strict JSON of an object has this member.
bool members_has(const char *members, const char *key, size_t key_size);

#endif
