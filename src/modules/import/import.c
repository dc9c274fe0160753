// SPDX-License-Identifier: Apache-2.0
//
// Taking the rows of imports, and telling what became of them.
#include "modules/import/import.h"

#include "base/checksum.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"

#define SCHEMA_MODULE import
#define SCHEMA_TABLE  "modules/import/import.def"
#include "schema/make_descriptors.h"

#define SERVER_PRINCIPAL 1u

// --- orders --------------------------------------------------------------------------------------

static bool has_key(const void *record)
{
    const struct import_row *row = record;
    return row->status == IMPORT_ROW_GOOD || row->status == IMPORT_ROW_DONE;
}

static u64 key_head(const void *record)
{
    return (u64)((const struct import_row *)record)->key;
}

static int key_compare(const void *a, const void *b)
{
    const struct import_row *left = a;
    const struct import_row *right = b;
    if (left->key != right->key) return left->key < right->key ? -1 : 1;
    return left->pass < right->pass ? -1 : left->pass > right->pass;
}

static u64 account_head(const void *record)
{
    const struct import_sum *sum = record;
    return (u64)sum->pass << 32 | sum->account_row;
}

static const struct module_order order_key = {.order = {.head = key_head, .compare = key_compare},
                                              .has = has_key};
static const struct module_order order_account = {.order = {.head = account_head}};

u64 import_row_of_key(const struct module_context *own, u128 key, u32 pass)
{
    const struct import_row probe = {.key = key, .pass = pass};
    return module_find_ordered(own, IMPORT_TABLE_ROWS, IMPORT_ORDER_KEY, &probe);
}

u64 import_sum_of_account(const struct module_context *own, u32 account_row, u32 pass)
{
    const struct import_sum probe = {.account_row = account_row, .pass = pass};
    return module_find_ordered(own, IMPORT_TABLE_SUMS, IMPORT_ORDER_ACCOUNT, &probe);
}

const struct import_record *import_last(const struct module_context *own)
{
    const u64 count = module_record_count(own, IMPORT_TABLE_IMPORTS);
    return count == 0 ? NULL : module_record(own, IMPORT_TABLE_IMPORTS, count - 1);
}

// --- commands ------------------------------------------------------------------------------------

static bool is_under_way(const struct module_context *context, const struct import_record *import)
{
    if (import->status == IMPORT_RUN) return job_is_open(context, import->job);
    return import->status == IMPORT_OPEN;
}

static u32 open_decide(const struct module_context *context, const struct import_open *open,
                       struct plan *plan)
{
    const struct import_record *last = import_last(context);
    if (open->import_id == 0) return IMPORT_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = open->import_id;
    if (module_find(context, IMPORT_TABLE_IMPORTS, open->import_id) != NULL ||
        job_find_id(context, open->import_id) != NULL) {
        return IMPORT_EXISTS;
    }
    if (last != NULL && is_under_way(context, last)) {
        plan->evidence[0] = last->import_id;
        plan->evidence[1] = last->principal;
        return IMPORT_UNDER_WAY;
    }
    const u64 count = module_record_count(context, IMPORT_TABLE_IMPORTS);
    const struct import_record import = {
        .import_id = open->import_id,
        .principal = context->principal,
        .opened_at = context->timestamp,
        .kind = open->kind,
        .number = (u32)count + 1,
        .status = IMPORT_OPEN,
        .is_whole = open->is_whole,
    };
    plan_add_write(plan, IMPORT_TABLE_IMPORTS, count, &import, sizeof import);
    return MODULE_DONE;
}

// Finds the import that a command is about; it must be the last one, open, and the principal's.
static u32 open_one(const struct module_context *context, u128 import_id,
                    const struct import_record **out, struct plan *plan)
{
    const struct import_record *import = module_find(context, IMPORT_TABLE_IMPORTS, import_id);
    plan->evidence[0] = import_id;
    if (import == NULL) return IMPORT_NOT_FOUND;
    plan->evidence[1] = import->principal;
    if (import->principal != context->principal) return IMPORT_NOT_THE_OWNER; // L11
    plan->evidence[0] = import->status;
    plan->evidence[1] = 0;
    if (import->status != IMPORT_OPEN) return IMPORT_NOT_OPEN;
    assert(import == import_last(context)); // I1
    *out = import;
    return MODULE_DONE;
}

static u32 import_write(const struct import_record *import, struct plan *plan)
{
    plan_add_write(plan, IMPORT_TABLE_IMPORTS, import->number - 1, import, sizeof *import);
    return MODULE_DONE;
}

// Reads the row that begins at a byte of the rows. False when it is none.
static bool row_read(const struct schema_record *record, const u8 *rows, u32 size, u32 at,
                     struct import_head *head)
{
    struct failure failure;
    *head = (struct import_head){0};
    if (size - at < sizeof *head) return false;
    memcpy(head, rows + at, sizeof *head);
    const u32 begin = at + (u32)sizeof *head;
    if (head->zero != 0 || head->size > size - begin) return false;
    if (record_binary_check(record, rows + begin, head->size, &failure) != STATUS_OK) return false;
    const u64 end = align_up(begin + head->size, IMPORT_ALIGNMENT);
    for (u64 i = begin + head->size; i < end && i < size; i++) {
        if (rows[i] != 0) return false;
    }
    return end <= size;
}

static u32 rows_decide(const struct module_context *context, const struct import_rows *rows,
                       struct plan *plan)
{
    const struct import_record *found = NULL;
    const u32 refusal = open_one(context, rows->import_id, &found, plan);
    if (refusal != MODULE_DONE) return refusal;
    struct import_record import = *found;
    plan->evidence[0] = rows->first;
    plan->evidence[1] = import.rows;
    if (rows->first != import.rows) return IMPORT_ROWS_OUT_OF_TURN;
    plan->evidence[0] = rows->count;
    plan->evidence[1] = 0;
    if (rows->count == 0 || rows->count > PLAN_BULK_MAX) return IMPORT_ROWS_MALFORMED;
    const struct schema_record *record = module_record_of(import.kind);
    const u8 *bytes = (const u8 *)(rows + 1);
    struct import_row *staged =
        plan_add_bulk(plan, IMPORT_TABLE_ROWS, import.rows, rows->count, sizeof *staged);
    u32 at = 0;
    for (u32 i = 0; i < rows->count; i++) {
        struct import_head head;
        plan->evidence[0] = i;
        const bool is_row = row_read(record, bytes, rows->rows_size, at, &head);
        plan->evidence[1] = head.line;
        if (!is_row) return IMPORT_ROWS_MALFORMED;
        at += (u32)sizeof head;
        staged[i] = (struct import_row){
            .place = context->place + sizeof *rows + at,
            .content = (u64)checksum(bytes + at, head.size),
            .size = head.size,
            .line = head.line,
            .import = import.number,
            .status = IMPORT_ROW_STAGED,
        };
        at += (u32)align_up(head.size, IMPORT_ALIGNMENT);
    }
    plan->evidence[0] = at;
    plan->evidence[1] = rows->rows_size;
    if (at != rows->rows_size) return IMPORT_ROWS_MALFORMED;
    import.rows += rows->count;
    return import_write(&import, plan);
}

static u32 run_decide(const struct module_context *context, const struct import_run *run,
                      struct plan *plan)
{
    const struct import_record *found = NULL;
    const u32 refusal = open_one(context, run->import_id, &found, plan);
    if (refusal != MODULE_DONE) return refusal;
    struct import_record import = *found;
    plan->evidence[0] = run->import_id;
    if (import.rows == 0) return IMPORT_EMPTY;
    const struct job_start start = {
        .job_id = run->import_id,
        .total = import.rows,
        // What is to be looked at once more, and carried out: machine/commit_import.c.
        .argument = import.is_whole ? 0 : import.rows,
        .kind = import.is_whole ? JOB_KIND_IMPORT_WHOLE : JOB_KIND_IMPORT_PART,
        .holds = !run->goes_on,
    };
    if (!job_begin(context, &start, plan)) return IMPORT_EXISTS;
    import.job = plan->job.number;
    import.status = IMPORT_RUN;
    return import_write(&import, plan);
}

static u32 cancel_decide(const struct module_context *context, u128 import_id, struct plan *plan)
{
    const struct import_record *import = module_find(context, IMPORT_TABLE_IMPORTS, import_id);
    plan->evidence[0] = import_id;
    if (import == NULL) return IMPORT_NOT_FOUND;
    plan->evidence[1] = import->principal;
    if (import->principal != context->principal && context->principal != SERVER_PRINCIPAL) {
        return IMPORT_NOT_THE_OWNER; // L11
    }
    plan->evidence[0] = import->status;
    plan->evidence[1] = 0;
    if (import->status != IMPORT_OPEN) return IMPORT_NOT_OPEN;
    struct import_record given_up = *import;
    given_up.status = IMPORT_CANCELLED;
    return import_write(&given_up, plan);
}

static u32 import_decide(const struct module_context *context, const struct schema_record *record,
                         const void *body, struct plan *plan)
{
    if (record == &import_schema_import_open) return open_decide(context, body, plan);
    if (record == &import_schema_import_rows) return rows_decide(context, body, plan);
    if (record == &import_schema_import_run) return run_decide(context, body, plan);
    assert(record == &import_schema_import_cancel);
    return cancel_decide(context, load_u128(body), plan);
}

// --- questions -----------------------------------------------------------------------------------

static struct import_refused_row refused_view(const struct import_record *import, u64 at,
                                              const struct import_row *row)
{
    struct import_refused_row view = {
        .row = at,
        .line = row->line,
        .result = row->result,
        .value = row->value,
        .limit = row->limit,
    };
    const struct module *module = row->is_own ? &import_module : module_of_record(import->kind);
    const struct schema_result *result = module_result_of(module, row->result);
    if (row->result == MODULE_POSTING_REFUSED) {
        result =
            schema_find_result(&ledger_schema_create_transfer_result, (u32)row->posting_result);
    }
    assert(result != NULL); // What refused the row has a name.
    const struct schema_name name = schema_lower(result->name);
    assert(strlen(name.text) <= sizeof view.name); // Every result's is.
    memcpy(view.name, name.text, strlen(name.text));
    memcpy(view.reason, result->sentence, MIN(strlen(result->sentence), sizeof view.reason));
    return view;
}

static u32 refused_ask(const struct module_context *context, u128 import_id,
                       struct module_answer *answer)
{
    const struct import_record *import = module_find(context, IMPORT_TABLE_IMPORTS, import_id);
    answer->record = &import_schema_import_refused_row;
    answer->evidence[0] = import_id;
    if (import == NULL) return IMPORT_NOT_FOUND;
    if (import != import_last(context)) return IMPORT_SUPERSEDED;
    u64 row = load_u64(answer->cursor);
    for (u32 looks = 0; row < import->rows && looks < ANSWER_LOOKS_MAX; row++, looks++) {
        const struct import_row *one = module_record(context, IMPORT_TABLE_ROWS, row);
        if (one->status != IMPORT_ROW_REFUSED) continue;
        const struct import_refused_row view = refused_view(import, row, one);
        if (!answer_add(answer, &view)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < import->rows) store_u64(answer->cursor, row);
    return MODULE_DONE;
}

static u32 import_ask(const struct module_context *context, const struct schema_record *question,
                      const void *body, struct module_answer *answer)
{
    if (question == &import_schema_import_refused) {
        return refused_ask(context, load_u128(body), answer);
    }
    assert(question == &import_schema_import_list);
    answer->record = &import_schema_import_record;
    answer_rows(context, IMPORT_TABLE_IMPORTS, answer);
    return MODULE_DONE;
}

// --- invariants ----------------------------------------------------------------------------------

static void import_check(const struct module_context *context)
{
    const struct import_record *last = import_last(context);
    for (u64 i = 0; i < module_record_count(context, IMPORT_TABLE_IMPORTS); i++) {
        const struct import_record *import = module_record(context, IMPORT_TABLE_IMPORTS, i);
        assert(import->number == i + 1);
        assert(import == last || !is_under_way(context, import)); // I1
        assert((import->status == IMPORT_RUN) == (import->job != 0));
    }
    if (last == NULL) return;
    assert(last->rows <= module_record_count(context, IMPORT_TABLE_ROWS)); // I2
    for (u64 i = 0; i < last->rows; i++) {
        const struct import_row *row = module_record(context, IMPORT_TABLE_ROWS, i);
        assert(row->import == last->number);                                            // I2
        if (has_key(row)) assert(import_row_of_key(context, row->key, row->pass) == i); // I3
    }
    for (u64 i = 0; i < last->sums; i++) {
        const struct import_sum *sum = module_record(context, IMPORT_TABLE_SUMS, i);
        assert(import_sum_of_account(context, sum->account_row, sum->pass) == i); // I4
    }
}

const struct module import_module = {
    .name = "import",
    .number = 0x0a,
    .version = 1,
    .schema = &import_schema,
    .table_count = 3,
    .tables = {{.record_size = sizeof(struct import_record),
                .record_max = IMPORT_COUNT_MAX,
                .keyed = true},
               {.record_size = sizeof(struct import_row),
                .record_max = IMPORT_ROWS_MAX,
                .orders = {&order_key}},
               {.record_size = sizeof(struct import_sum),
                .record_max = IMPORT_ROWS_MAX,
                .orders = {&order_account}}},
    .decide = import_decide,
    .ask = import_ask,
    .check = import_check,
};
