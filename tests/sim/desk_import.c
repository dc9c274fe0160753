// SPDX-License-Identifier: Apache-2.0
//
// The lane of imports: entries between the accounts that names are of, some on a book that does not
// exist. Such a row is good or refused whatever else happens, so that the model need not judge it:
// it knows which are, and what an import that is whole does then.
//
// A tick that carries rows out brings their records along; the model of books is told of each as of
// a command.
#include "desk_internal.h"

#include "modules/import/import.h"

#include <stdlib.h>
#include <string.h>

#define ROW_SIZE (sizeof(struct import_head) + sizeof(struct import_entry))
#define ROWS_MAX 40u // Of one command.
#define NO_BOOK  998u
#define OWNER    5u // Of those accounts: rows in the name of another are refused (L11).

// An entry of two legs.
struct import_entry {
    struct entry_post head;
    struct entry_leg legs[2];
};
static_assert(sizeof(struct import_entry) % IMPORT_ALIGNMENT == 0, "rows follow one another");

static u32 pick(struct desk *desk, u32 bound)
{
    return (u32)random_below(&desk->random, bound);
}

static struct desk_import *last_of(struct desk *desk)
{
    return desk->import_count == 0 ? NULL : &desk->imports[desk->import_count - 1];
}

static struct desk_import *find(struct desk *desk, u128 import_id)
{
    for (u32 i = 0; i < desk->import_count; i++) {
        if (desk->imports[i].id == import_id) return &desk->imports[i];
    }
    return NULL;
}

static bool is_over(const struct job_record *job)
{
    return job->status == JOB_STATUS_COMMITTED || job->status == JOB_STATUS_CANCELLED ||
           job->status == JOB_STATUS_FAILED;
}

static bool is_under_way(struct desk *desk, const struct desk_import *import)
{
    if (import->status == IMPORT_RUN) {
        return !is_over(accrual_model_find_job(&desk->loans, import->id));
    }
    return import->status == IMPORT_OPEN;
}

// --- commands ------------------------------------------------------------------------------------

static void entry_make(struct desk *desk, struct import_entry *entry)
{
    const bool is_bad = pick(desk, 60) == 0;
    u128 ids[2];
    const u32 book = desk_named_pair(desk, ids);
    const u128 amount = 1 + pick(desk, 1000);
    *entry = (struct import_entry){.head = {.entry_id = desk->next_id++, .legs_count = 2}};
    for (u32 i = 0; i < 2; i++) {
        entry->legs[i] = (struct entry_leg){.book = is_bad ? NO_BOOK : book,
                                            .side = i == 0 ? SIDE_DEBIT : SIDE_CREDIT,
                                            .account_id = ids[i],
                                            .amount = amount};
    }
}

static void rows_make(struct desk *desk, const struct desk_import *import, struct desk_command *out)
{
    struct {
        struct import_rows head;
        _Alignas(16) u8 rows[ROWS_MAX * ROW_SIZE];
    } *command = calloc(1, sizeof *command);
    if (command == NULL) abort();
    const u32 count = 1 + pick(desk, ROWS_MAX);
    command->head.import_id = import->id;
    command->head.first = import->rows + (pick(desk, 30) == 0);
    command->head.count = count;
    command->head.rows_size = count * (u32)ROW_SIZE;
    for (u32 i = 0; i < count; i++) {
        const struct import_head head = {.line = (u32)import->rows + i + 1,
                                         .size = sizeof(struct import_entry)};
        struct import_entry entry;
        entry_make(desk, &entry);
        memcpy(command->rows + i * ROW_SIZE, &head, sizeof head);
        memcpy(command->rows + i * ROW_SIZE + sizeof head, &entry, sizeof entry);
    }
    const u32 size = sizeof command->head;
    desk_command_set(desk, out, 0x0a02, command, size + command->head.rows_size);
    free(command);
}

bool desk_import_next(struct desk *desk, struct desk_command *out)
{
    const struct desk_import *import = last_of(desk);
    const u32 sort = pick(desk, 20);
    const bool is_open = import != NULL && import->status == IMPORT_OPEN;
    if (desk->import_count + DESK_SENT_MAX >= DESK_IMPORTS_MAX) return false;
    if (import == NULL || sort < 2 || (!is_open && sort < 12)) {
        const struct import_open open = {.import_id = sort == 0 && import != NULL ? import->id
                                                                                  : desk->next_id++,
                                         .kind = IMPORT_ENTRIES,
                                         .is_whole = pick(desk, 2) == 0};
        desk_command_set(desk, out, 0x0a01, &open, sizeof open);
    } else if (sort < 10) {
        rows_make(desk, import, out);
    } else if (sort < 16) {
        const struct import_run run = {.import_id = import->id, .goes_on = pick(desk, 2) == 0};
        desk_command_set(desk, out, 0x0a03, &run, sizeof run);
    } else if (sort < 17) {
        const struct import_cancel cancel = {.import_id = import->id};
        desk_command_set(desk, out, 0x0a04, &cancel, sizeof cancel);
    } else {
        desk_command_set(desk, out, sort == 17 ? 0x0801 : 0x0802, &import->id, sizeof import->id);
    }
    out->principal += pick(desk, 15) == 0;
    return true;
}

// --- the model -----------------------------------------------------------------------------------

static void answer(struct desk_expected *out, u32 result, u128 value, u128 limit)
{
    out->count = 1;
    out->replies[0] = (struct book_reply){.result = result, .evidence = {value, limit}};
}

static void open_expect(struct desk *desk, const struct desk_command *command,
                        struct desk_expected *out)
{
    struct import_open open;
    const struct desk_import *last = last_of(desk);
    memcpy(&open, command->body, sizeof open);
    if (find(desk, open.import_id) != NULL) {
        answer(out, IMPORT_EXISTS, open.import_id, 0);
    } else if (last != NULL && is_under_way(desk, last)) {
        answer(out, IMPORT_UNDER_WAY, last->id, last->principal);
    } else {
        assert(desk->import_count < DESK_IMPORTS_MAX);
        desk->imports[desk->import_count++] = (struct desk_import){.id = open.import_id,
                                                                   .principal = command->principal,
                                                                   .status = IMPORT_OPEN,
                                                                   .is_whole = open.is_whole};
        answer(out, MODULE_DONE, 0, 0);
    }
}

// The import that a command is about, when it takes it; else the reply says why not.
static struct desk_import *take(struct desk *desk, const struct desk_command *command,
                                struct desk_expected *out)
{
    const u128 import_id = load_u128(command->body);
    struct desk_import *import = find(desk, import_id);
    answer(out, MODULE_DONE, 0, 0);
    if (import == NULL) answer(out, IMPORT_NOT_FOUND, import_id, 0);
    else if (import->principal != command->principal) {
        answer(out, IMPORT_NOT_THE_OWNER, import_id, import->principal);
    } else if (import->status != IMPORT_OPEN) {
        answer(out, IMPORT_NOT_OPEN, import->status, 0);
    }
    return out->replies[0].result == MODULE_DONE ? import : NULL;
}

static void rows_expect(struct desk *desk, const struct desk_command *command,
                        struct desk_expected *out)
{
    struct import_rows rows;
    struct desk_import *import = take(desk, command, out);
    memcpy(&rows, command->body, sizeof rows);
    if (import == NULL) return;
    if (rows.first != import->rows) {
        answer(out, IMPORT_ROWS_OUT_OF_TURN, rows.first, import->rows);
        return;
    }
    for (u32 i = 0; i < rows.count; i++) {
        struct import_entry entry;
        memcpy(&entry, command->body + sizeof rows + i * ROW_SIZE + sizeof(struct import_head),
               sizeof entry);
        import->rows++;
        if (entry.legs[0].book != NO_BOOK && import->principal == OWNER) continue;
        if (import->refused++ == 0) import->line = (u32)import->rows;
    }
}

static void run_expect(struct desk *desk, const struct desk_command *command,
                       struct desk_expected *out)
{
    struct import_run run;
    struct desk_import *import = take(desk, command, out);
    memcpy(&run, command->body, sizeof run);
    if (import == NULL) return;
    if (import->rows == 0) {
        answer(out, IMPORT_EMPTY, import->id, 0);
        return;
    }
    import->status = IMPORT_RUN;
    accrual_model_job(&desk->loans, command->principal, import->id,
                      import->is_whole ? JOB_KIND_IMPORT_WHOLE : JOB_KIND_IMPORT_PART, import->rows,
                      !run.goes_on)
        ->argument = import->is_whole ? 0 : import->rows;
}

void desk_import_expect(struct desk *desk, const struct desk_command *command,
                        struct desk_expected *out)
{
    switch (command->record) {
    case 0x0a01: open_expect(desk, command, out); break;
    case 0x0a02: rows_expect(desk, command, out); break;
    case 0x0a03: run_expect(desk, command, out); break;
    default: {
        struct desk_import *import = take(desk, command, out);
        if (import != NULL) import->status = IMPORT_CANCELLED;
    }
    }
}

// A slice looks at all rows there are, or carries all out: they are few.
void desk_import_slice(void *context, struct job_record *job)
{
    struct desk *desk = context;
    const struct desk_import *import = find(desk, job->job_id);
    const u64 good = import->rows - import->refused;
    if (job->status == JOB_STATUS_RUNNING) {
        job->cursor = job->total;
        job->done = good;
        job->refused = import->refused;
        job->status = job->holds ? JOB_STATUS_STAGED : JOB_STATUS_COMMITTING;
    } else if (import->is_whole && import->refused > 0) {
        job->status = JOB_STATUS_FAILED;
        job->result = IMPORT_ROWS_REFUSED;
        job->value = import->refused;
        job->limit = import->line;
    } else if (job->argument < job->total) {
        job->argument = job->total;
    } else {
        job->argument = 2 * job->total;
        job->postings = good;
        job->status = JOB_STATUS_COMMITTED;
    }
}

void desk_import_carried(struct world *world, const u8 *body, u32 size, u64 principal)
{
    struct desk *desk = world->desk;
    for (u32 at = 0; at < size; at += (u32)sizeof(struct import_entry)) {
        struct book_reply replies[BOOK_MODEL_RECORDS_MAX];
        bool is_repeated = false;
        const struct book_command command = {.id = desk->next_row++,
                                             .principal = principal,
                                             .record = 0x0401,
                                             .count = 1,
                                             .size = sizeof(struct import_entry),
                                             .body = body + at};
        const u32 count = book_model_command(desk->books, &command, replies, &is_repeated);
        if (count != 1 || replies[0].result != MODULE_DONE) {
            desk_fail(world, CHECK_JOBS, "the model refuses a row that was carried out: %u",
                      replies[0].result);
        }
        desk_named_post(desk, body + at);
        world->counts[WORLD_IMPORTED]++;
    }
}
