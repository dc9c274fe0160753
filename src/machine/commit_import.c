// SPDX-License-Identifier: Apache-2.0
//
// Imports: looking at staged rows, and carrying them out (modules/import/import.h).
//
// A row is looked at as if it were commanded now: its module decides, and the plan is thrown away.
// What rows do to each other is followed beside that: what must be there once by its key, accounts
// by the sums of what the rows before post to them. So every row that is good is good in its place
// behind those before it, as long as nobody else changes anything.
//
// What an import of part carries out may find another state than was looked at; a row that is
// refused then is left out as well. One that is whole is looked at a second time once it is
// committed, and from the first slice of that until its last row is carried out nobody else's
// command is decided (MODULE_HELD_UP), so that all of its rows are.
//
// Rows are carried out by ticks that bring them along in their body, as they are in the log:
// history finds what a posting refers to where the posting was decided.
#include "machine/commit_internal.h"

#include "base/checksum.h"
#include "base/place.h"
#include "codec/record_binary.h"
#include "modules/import/import.h"

// Of one slice: what takes some milliseconds. A posting takes COMMAND_POSTING_BYTES at least.
#define SLICE_ROWS  4096u
#define SLICE_BYTES COMMIT_TICK_SIZE_MAX
static_assert(2 * SLICE_ROWS + HISTORY_POSTING_ROWS_MAX *
                                   (SLICE_ROWS + SLICE_BYTES / COMMAND_POSTING_BYTES) <=
                  HISTORY_COMMANDS_ROWS_MAX,
              "a frame of its own has room");
static_assert(SLICE_BYTES <= COMPAT_BODY_SIZE_MAX, "it fits a buffer, and the machine's scratch");

// An import and its job, as they are in a slice.
struct work {
    struct machine *machine;
    struct import_record import;
    struct job_record job;
    u64 read_from; // Places [read_from, read_end) of the log are in the machine's scratch.
    u64 read_end;
};

static struct module_context own_context(const struct machine *machine)
{
    return commit_context(machine, &import_module);
}

static const struct import_row *row_at(const struct work *work, u64 row)
{
    const struct module_context own = own_context(work->machine);
    return module_record(&own, IMPORT_TABLE_ROWS, row);
}

static enum status own_write(const struct work *work, u32 table, u64 row, const void *record,
                             struct failure *failure)
{
    return record_write(work->machine, &import_module, table, row, record, failure);
}

// Of what is committed: rows [0, total) are looked at once more when it is whole, then carried out.
static bool is_looked_at(const struct job_record *job)
{
    return job->status == JOB_STATUS_RUNNING || job->argument < job->total;
}

static u64 row_next(const struct job_record *job)
{
    if (job->status == JOB_STATUS_RUNNING) return job->cursor;
    return job->argument < job->total ? job->argument : job->argument - job->total;
}

static u32 pass_of(const struct work *work)
{
    return 2 * work->import.number + (work->job.status != JOB_STATUS_RUNNING);
}

// --- reading -------------------------------------------------------------------------------------

// The record of a row, from the log. It is what came, or the log is damaged.
static enum status row_read(struct work *work, u64 row, const u8 **out, struct failure *failure)
{
    const struct import_row *first = row_at(work, row);
    const struct history_log *log = &work->machine->history.log;
    if (first->place < work->read_from || first->place + first->size > work->read_end) {
        // Those behind it in the same command lie behind it in the log.
        u64 end = first->place + first->size;
        for (u64 i = row + 1; i < work->import.rows; i++) {
            const struct import_row *next = row_at(work, i);
            const bool follows =
                next->place == align_up(end, IMPORT_ALIGNMENT) + sizeof(struct import_head);
            if (!follows || next->place + next->size > first->place + SLICE_BYTES) break;
            end = next->place + next->size;
        }
        work->read_end = 0;
        enum status status =
            log->read(log->context, first->place, work->machine->body, end - first->place, failure);
        if (status != STATUS_OK) return status;
        work->read_from = first->place;
        work->read_end = end;
    }
    *out = work->machine->body + (first->place - work->read_from);
    if ((u64)checksum(*out, first->size) == first->content) return STATUS_OK;
    return failure_set(failure, STATUS_CORRUPT, "the row of an import at %s is damaged",
                       place_text(first->place).text);
}

// --- looking at a row ----------------------------------------------------------------------------

// What good rows did to an account so far.
static struct import_sum sum_of(const struct work *work, u32 account_row)
{
    const struct module_context own = own_context(work->machine);
    const u64 row = import_sum_of_account(&own, account_row, pass_of(work));
    if (row != MODULE_ROW_NONE) {
        return *(const struct import_sum *)module_record(&own, IMPORT_TABLE_SUMS, row);
    }
    return (struct import_sum){.account_row = account_row, .pass = pass_of(work)};
}

static enum status sum_write(struct work *work, const struct import_sum *sum,
                             struct failure *failure)
{
    const struct module_context own = own_context(work->machine);
    u64 row = import_sum_of_account(&own, sum->account_row, sum->pass);
    if (row == MODULE_ROW_NONE) row = work->import.sums++;
    return own_write(work, IMPORT_TABLE_SUMS, row, sum, failure);
}

// The sum of an account among those that a plan touches; one more, if it is not there.
static struct import_sum *sum_touch(const struct work *work, struct import_sum *sums, u32 *count,
                                    u32 account_row)
{
    for (u32 i = 0; i < *count; i++) {
        if (sums[i].account_row == account_row) return &sums[i];
    }
    sums[*count] = sum_of(work, account_row);
    return &sums[(*count)++];
}

static bool add(u128 *sum, u128 amount)
{
    *sum += amount;
    return *sum >= amount;
}

// Why the ledger would refuse what rows post to an account in all, or 0.
static u32 sum_judge(const struct machine *machine, const struct import_sum *sum)
{
    const struct account *account = ledger_account(&machine->ledger, sum->account_row);
    const u128 debits = account->debits_posted + account->debits_pending;
    const u128 credits = account->credits_posted + account->credits_pending;
    if (debits + sum->debits < debits) return CREATE_TRANSFER_OVERFLOWS_DEBITS;
    if (credits + sum->credits < credits) return CREATE_TRANSFER_OVERFLOWS_CREDITS;
    if (ledger_account_left(&machine->ledger, sum->account_row, sum->debits, sum->credits) >= 0) {
        return 0;
    }
    return account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS ? CREATE_TRANSFER_EXCEEDS_CREDITS
                                                                   : CREATE_TRANSFER_EXCEEDS_DEBITS;
}

// Whether the ledger takes the postings of a plan behind those of the good rows before; then they
// are added to the sums.
static enum status postings_judge(struct work *work, const struct plan *plan,
                                  struct command_reply *reply, struct failure *failure)
{
    struct import_sum sums[2 * PLAN_POSTINGS_MAX];
    u32 count = 0;
    for (u32 i = 0; i < plan->posting_count; i++) {
        const struct plan_posting *posting = &plan->postings[i];
        struct import_sum *debit = sum_touch(work, sums, &count, posting->debit_row);
        const bool debit_fits = add(&debit->debits, posting->amount);
        struct import_sum *credit = sum_touch(work, sums, &count, posting->credit_row);
        if (debit_fits && add(&credit->credits, posting->amount)) continue;
        reply->result = MODULE_POSTING_REFUSED;
        reply->posting = i;
        reply->posting_result =
            debit_fits ? CREATE_TRANSFER_OVERFLOWS_CREDITS : CREATE_TRANSFER_OVERFLOWS_DEBITS;
        reply->evidence[0] = posting->amount;
        return STATUS_OK;
    }
    for (u32 i = 0; i < count; i++) {
        const u32 result = sum_judge(work->machine, &sums[i]);
        if (result == 0) continue;
        reply->result = MODULE_POSTING_REFUSED;
        reply->posting_result = result;
        reply->evidence[0] = ledger_account(&work->machine->ledger, sums[i].account_row)->id;
        return STATUS_OK;
    }
    const struct module_context own = own_context(work->machine);
    if (count > own.own->tables[IMPORT_TABLE_SUMS].capacity - work->import.sums) {
        reply->result = MODULE_FULL;
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    for (u32 i = 0; i < count && status == STATUS_OK; i++) {
        status = sum_write(work, &sums[i], failure);
    }
    return status;
}

// What of a row must be there once: its module's id for it, or the account that it opens.
static u128 key_of(const struct machine *machine, const struct module *module,
                   const struct plan *plan)
{
    if (plan->unique_id != 0) {
        return plan_unique_posting_id(&machine->ledger, module->number, plan->unique_id, 0);
    }
    assert(plan->account_count > 0); // The records that are imported have the one or the other.
    const struct {
        u128 id;
        u128 ledger;
    } account = {plan->accounts[0].id, plan->accounts[0].ledger};
    return checksum(&account, sizeof account);
}

// Decides a row as if it came alone, in the machine's scratch; nothing is changed.
static enum status row_try(struct work *work, const struct source *source,
                           const struct module *module, u64 timestamp, struct command_reply *reply,
                           struct failure *failure)
{
    struct machine *machine = work->machine;
    struct module_context context = commit_context(machine, module);
    struct module_facts facts = {.failure = failure};
    struct plan *plan = machine->settled_plan;
    context.timestamp = timestamp;
    context.principal = work->job.principal;
    context.command_id = work->job.job_id;
    context.place = source->place;
    context.facts = &facts;
    plan_clear(plan);
    reply->result =
        module->decide(&context, module_record_of(work->import.kind), source->record, plan);
    if (facts.status != STATUS_OK) return facts.status;
    if (reply->result != MODULE_DONE)
        memcpy(reply->evidence, plan->evidence, sizeof plan->evidence);
    else if (!plan_fits(machine, module, plan)) reply->result = MODULE_FULL;
    return plan->unique_id == 0 ? STATUS_OK : exists_tell(machine, plan, source, reply, failure);
}

// Looks at a row; `key` is what it has when it is good. A twin is refused behind its first.
static enum status row_judge(struct work *work, u64 row, u64 timestamp, struct command_reply *reply,
                             u128 *key, bool *is_own, struct failure *failure)
{
    const struct module *module = module_of_record(work->import.kind);
    const struct import_row *one = row_at(work, row);
    struct source source = {.command_id = work->job.job_id,
                            .place = one->place,
                            .index = (u32)row,
                            .size = one->size,
                            .number = work->import.kind,
                            .module = module->number,
                            .owner_class = module->account_class};
    *reply = (struct command_reply){0};
    *is_own = false;
    enum status status = row_read(work, row, &source.record, failure);
    if (status == STATUS_OK) status = row_try(work, &source, module, timestamp, reply, failure);
    const struct plan *plan = work->machine->settled_plan;
    // As for what was carried out before, that comes before a rule that holds only since then.
    const bool is_known = reply->result == MODULE_DONE || plan->unique_id != 0;
    if (status != STATUS_OK || !is_known) return status;
    const struct module_context own = own_context(work->machine);
    *key = key_of(work->machine, module, plan);
    const u64 twin = import_row_of_key(&own, *key, pass_of(work));
    if (twin != MODULE_ROW_NONE) {
        *is_own = true;
        reply->result = IMPORT_ROW_TWICE;
        reply->evidence[0] = plan->unique_id != 0 ? plan->unique_id : plan->accounts[0].id;
        reply->evidence[1] = row_at(work, twin)->line;
    } else if (reply->result == MODULE_DONE && plan->is_fact) {
        *is_own = true;
        reply->result = IMPORT_FACT;
    }
    if (reply->result != MODULE_DONE) return STATUS_OK;
    // Accounts are made by the other good rows, too, of which it may be one already.
    const u64 good = work->job.done + (one->status != IMPORT_ROW_GOOD);
    const u32 accounts = plan->account_count * (u32)good;
    if (!ledger_has_room(&work->machine->ledger, accounts, 0)) {
        reply->result = MODULE_FULL;
        return STATUS_OK;
    }
    return postings_judge(work, plan, reply, failure);
}

// --- rows that are settled -----------------------------------------------------------------------

static void row_refuse(struct work *work, struct import_row *row, const struct command_reply *reply,
                       bool is_own)
{
    work->job.done -= row->status == IMPORT_ROW_GOOD;
    work->job.refused++;
    row->status = IMPORT_ROW_REFUSED;
    row->key = 0;
    row->result = (u8)reply->result;
    row->is_own = is_own;
    row->posting = reply->posting;
    row->posting_result = reply->posting_result;
    row->value = reply->evidence[0];
    row->limit = reply->evidence[1];
}

static void job_fail(struct work *work, u32 result, u128 value, u128 limit, u64 timestamp)
{
    work->job.result = result;
    work->job.value = value;
    work->job.limit = limit;
    job_move(&work->job, JOB_EVENT_FAIL, timestamp);
}

// An import that is whole ends here when a row is refused; it tells how many are, and the first.
static bool whole_fails(struct work *work, u64 timestamp)
{
    if (work->job.refused == 0) return false;
    u64 row = 0;
    while (row_at(work, row)->status != IMPORT_ROW_REFUSED) row++;
    job_fail(work, IMPORT_ROWS_REFUSED, work->job.refused, row_at(work, row)->line, timestamp);
    return true;
}

// --- slices --------------------------------------------------------------------------------------

static enum status look(struct work *work, u64 timestamp, struct failure *failure)
{
    const bool is_again = work->job.status != JOB_STATUS_RUNNING;
    u64 *next = is_again ? &work->job.argument : &work->job.cursor;
    u64 bytes = 0;
    if (*next == 0) work->import.sums = 0;
    for (u32 i = 0; i < SLICE_ROWS && *next < work->job.total && bytes < SLICE_BYTES; i++) {
        struct import_row row = *row_at(work, *next);
        struct command_reply reply;
        bool is_own = false;
        u128 key = 0;
        enum status status = row_judge(work, *next, timestamp, &reply, &key, &is_own, failure);
        if (status != STATUS_OK) return status;
        bytes += row.size;
        if (reply.result != MODULE_DONE) {
            row_refuse(work, &row, &reply, is_own);
        } else {
            work->job.done += row.status != IMPORT_ROW_GOOD;
            row.status = IMPORT_ROW_GOOD;
            row.key = key;
            row.pass = pass_of(work);
        }
        status = own_write(work, IMPORT_TABLE_ROWS, *next, &row, failure);
        if (status != STATUS_OK) return status;
        ++*next;
        if (is_again && reply.result != MODULE_DONE) break;
    }
    if (is_again) (void)whole_fails(work, timestamp);
    else if (work->job.cursor == work->job.total) {
        job_move(&work->job, work->job.holds ? JOB_EVENT_HOLD : JOB_EVENT_PASS, timestamp);
    }
    return STATUS_OK;
}

// Where the rows end that the next slice carries out, and how many bytes their records are.
static u64 carry_end(const struct work *work, u32 *bytes)
{
    u64 row = row_next(&work->job);
    *bytes = 0;
    for (u32 i = 0; i < SLICE_ROWS && row < work->job.total; i++, row++) {
        const struct import_row *one = row_at(work, row);
        if (one->status != IMPORT_ROW_GOOD) continue;
        const u32 size = (u32)align_up(one->size, IMPORT_ALIGNMENT);
        if (*bytes + size > SLICE_BYTES) break;
        *bytes += size;
    }
    return row;
}

// Carries out the rows whose records are in the tick's body.
static enum status carry_out(struct work *work, const struct tick *tick,
                             struct applied_frame *frame, struct applied_command *applied,
                             struct failure *failure)
{
    const struct module *module = module_of_record(work->import.kind);
    u32 bytes = 0;
    const u64 end = carry_end(work, &bytes);
    u32 at = 0;
    if (tick->size != bytes) {
        return failure_set(failure, STATUS_CORRUPT, "a tick of %u bytes has rows of %u bytes",
                           tick->size, bytes);
    }
    for (u64 i = row_next(&work->job); i < end; i++) {
        struct import_row row = *row_at(work, i);
        work->job.argument++;
        if (row.status != IMPORT_ROW_GOOD) continue;
        const struct source source = {.command_id = work->job.job_id,
                                      .place = tick->place + at,
                                      .index = (u32)i,
                                      .size = row.size,
                                      .record = tick->body + at,
                                      .number = work->import.kind,
                                      .module = module->number,
                                      .owner_class = module->account_class,
                                      .is_fact = true};
        if ((u64)checksum(source.record, row.size) != row.content) {
            return failure_set(failure, STATUS_CORRUPT,
                               "the row of an import at %s is not the one that came",
                               place_text(source.place).text);
        }
        struct command_reply reply = {0};
        applied->timestamp++;
        enum status status = commit_row(work->machine, work->import.kind, work->job.principal,
                                        &source, &reply, frame, applied, failure);
        if (status != STATUS_OK) return status;
        at += (u32)align_up(row.size, IMPORT_ALIGNMENT);
        if (reply.result != MODULE_DONE) {
            row_refuse(work, &row, &reply, false);
        } else {
            work->job.postings += work->machine->plan->posting_count;
            row.status = IMPORT_ROW_DONE;
        }
        status = own_write(work, IMPORT_TABLE_ROWS, i, &row, failure);
        if (status != STATUS_OK) return status;
        if (reply.result == MODULE_DONE || !work->import.is_whole) continue;
        job_fail(work, IMPORT_HALTED, row.line, 0, applied->timestamp);
        return STATUS_OK;
    }
    if (work->job.argument == 2 * work->job.total) {
        job_move(&work->job, JOB_EVENT_CONCLUDE, applied->timestamp);
    }
    return STATUS_OK;
}

static struct work work_begin(struct machine *machine, const struct job_record *job)
{
    const struct module_context own = own_context(machine);
    return (struct work){.machine = machine, .import = *import_last(&own), .job = *job}; // I1
}

enum status commit_import_slice(struct machine *machine, const struct job_record *job,
                                const struct tick *tick, struct applied_frame *frame,
                                struct applied_command *applied, struct failure *failure)
{
    struct work work = work_begin(machine, job);
    work.job.slices++;
    work.job.advanced_at = applied->timestamp;
    const bool is_whole = job->status == JOB_STATUS_COMMITTING && work.import.is_whole;
    const bool has_ended = is_whole && whole_fails(&work, applied->timestamp);
    enum status status = STATUS_OK;
    if (!has_ended && is_looked_at(job)) status = look(&work, applied->timestamp, failure);
    else if (!has_ended) status = carry_out(&work, tick, frame, applied, failure);
    if (status == STATUS_OK) {
        status =
            own_write(&work, IMPORT_TABLE_IMPORTS, work.import.number - 1, &work.import, failure);
    }
    if (status != STATUS_OK) return status;
    return record_write(machine, &job_module, JOB_TABLE, work.job.number - 1, &work.job, failure);
}

// --- for the server ------------------------------------------------------------------------------

static bool is_committing_whole(const struct job_record *job)
{
    return UNLIKELY(job != NULL) && job->kind == JOB_KIND_IMPORT_WHOLE &&
           job->status == JOB_STATUS_COMMITTING;
}

bool commit_holds_up(const struct machine *machine)
{
    // What is decided between the commit and the first slice is seen by that slice.
    const struct job_record *job = commit_job_next(machine);
    return is_committing_whole(job) && job->argument > 0;
}

// What the next slice carries out, as it is now; false when it is not about to carry out anything.
static bool carry_next(struct machine *machine, struct work *work)
{
    const struct job_record *job = commit_job_next(machine);
    if (LIKELY(job == NULL) || !import_has_job(job) || is_looked_at(job)) return false;
    *work = work_begin(machine, job);
    return !(work->import.is_whole && job->refused > 0); // Then it ends.
}

struct frame_command commit_tick(struct machine *machine, bool *alone)
{
    struct frame_command tick = {.record = COMMAND_TICK, .version = 1};
    struct work work;
    *alone = is_committing_whole(commit_job_next(machine));
    if (LIKELY(!carry_next(machine, &work))) return tick;
    (void)carry_end(&work, &tick.body_size);
    if (tick.body_size == 0) return tick;
    *alone = true;
    tick.principal = work.job.principal;
    tick.command_id = work.job.job_id;
    return tick;
}

enum status commit_tick_body(struct machine *machine, u8 *out, struct failure *failure)
{
    struct work work;
    u32 size = 0;
    u32 at = 0;
    if (!carry_next(machine, &work)) return STATUS_OK;
    const u64 end = carry_end(&work, &size);
    for (u64 i = row_next(&work.job); i < end; i++) {
        const struct import_row *row = row_at(&work, i);
        const u8 *record = NULL;
        if (row->status != IMPORT_ROW_GOOD) continue;
        enum status status = row_read(&work, i, &record, failure);
        if (status != STATUS_OK) return status;
        memcpy(out + at, record, row->size);
        const u32 next = at + (u32)align_up(row->size, IMPORT_ALIGNMENT);
        memset(out + at + row->size, 0, next - at - row->size);
        at = next;
    }
    assert(at == size);
    return STATUS_OK;
}
