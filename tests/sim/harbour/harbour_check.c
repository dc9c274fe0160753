// SPDX-License-Identifier: Apache-2.0
//
// What must hold of a server behind its ports: what it answered is in the log, the log replays to
// its state, and the oracle decides every command as it did.
#include "harbour_internal.h"

#include "base/checksum.h"
#include "machine/changes.h"
#include "machine/verify.h"

#include <stdlib.h>
#include <string.h>

// --- following the log ---------------------------------------------------------------------------

// The world reads from the disk without its faults. Returns them, to be set back.
static struct disk_memory_faults faults_stop(struct harbour *harbour)
{
    const struct disk_memory_faults faults = harbour->disk.faults;
    harbour->disk.faults = (struct disk_memory_faults){0};
    return faults;
}

// Takes over the next frame.
static void frame_follow(struct harbour *harbour)
{
    struct oracle *oracle = &harbour->oracle;
    struct failure failure;
    const enum status status =
        follower_follow(&harbour->follower, &harbour->log, oracle->sequence + 1, NULL, 0, &failure);
    if (status != STATUS_OK) {
        harbour_fail(harbour, "L4", "frame %llu: %s", (unsigned long long)oracle->sequence + 1,
                     failure.message);
    }
    const struct frame_view *view = &harbour->follower.view;
    harbour->counts[HARBOUR_FRAMES]++;
    oracle_frame_begin(oracle, view->header);
    if (harbour->modules != NULL) {
        oracle->position += view->header->command_count;
        oracle->timestamp = harbour->follower.node.machine.timestamp;
        harbour_modules_follow(harbour);
        return;
    }
    for (u32 i = 0; i < view->header->command_count; i++) {
        const struct frame_command *command = &view->commands[i];
        struct oracle_answer answer;
        oracle_command(oracle, view->header, i == 0, command, view->bodies[i], &answer);
        if (command->record == COMMAND_COMPAT) harbour_plain_expect(harbour, command, &answer);
    }
}

void harbour_follow(struct harbour *harbour, u64 position)
{
    if (harbour->oracle.position >= position) return;
    const struct disk_memory_faults faults = faults_stop(harbour);
    while (harbour->oracle.position < position) frame_follow(harbour);
    harbour->disk.faults = faults;
}

static struct harbour *of_port(void)
{
    return simulated_context();
}

// What the server is about to answer is in the log (L4): it is read there before it is sent.
static void told(const struct pipeline_command *command)
{
    struct harbour *harbour = of_port();
    host_abroad_begin(&harbour->system.host);
    harbour_follow(harbour, command->applied.position);
    host_abroad_end(&harbour->system.host);
}

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.
void __real_compat_port_command_done(struct compat_port *port, struct pipeline_command *command);
void __wrap_compat_port_command_done(struct compat_port *port, struct pipeline_command *command);
void __wrap_compat_port_command_done(struct compat_port *port, struct pipeline_command *command)
{
    told(command);
    harbour_plant_reply(of_port(), command);
    __real_compat_port_command_done(port, command);
}

void __real_tael_port_command_done(struct tael_port *port, struct pipeline_command *command);
void __wrap_tael_port_command_done(struct tael_port *port, struct pipeline_command *command);
void __wrap_tael_port_command_done(struct tael_port *port, struct pipeline_command *command)
{
    told(command);
    harbour_plant_reply(of_port(), command);
    __real_tael_port_command_done(port, command);
}

void __real_tael_port_query_done(struct tael_port *port, struct pipeline_query *query);
void __wrap_tael_port_query_done(struct tael_port *port, struct pipeline_query *query);
void __wrap_tael_port_query_done(struct tael_port *port, struct pipeline_query *query)
{
    struct harbour *harbour = of_port();
    if (!query->changes.is_asked && harbour->modules != NULL) {
        host_abroad_begin(&harbour->system.host);
        harbour_follow(harbour, query->position);
        harbour_modules_view(harbour, query);
        host_abroad_end(&harbour->system.host);
    }
    harbour_plant_answer(harbour, query);
    __real_tael_port_query_done(port, query);
}

void __real_compat_port_query_done(struct compat_port *port, struct pipeline_query *query);
void __wrap_compat_port_query_done(struct compat_port *port, struct pipeline_query *query);
void __wrap_compat_port_query_done(struct compat_port *port, struct pipeline_query *query)
{
    struct harbour *harbour = of_port();
    host_abroad_begin(&harbour->system.host);
    harbour_follow(harbour, query->position);
    harbour_check_question(harbour, query);
    harbour_told_note(
        harbour,
        harbour_question_key(query->operation->kind, buffer_body(query->body), query->body_size),
        buffer_body(query->reply), query->reply_size, query->position);
    host_abroad_end(&harbour->system.host);
    harbour_plant_answer(harbour, query);
    __real_compat_port_query_done(port, query);
}

void __real_pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command);
void __wrap_pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command);
void __wrap_pipeline_add(struct pipeline *pipeline, const struct pipeline_command *command)
{
    struct harbour *harbour = of_port();
    struct pipeline_command changed = *command;
    if (harbour->modules != NULL && changed.entry.record >= COMMAND_MODULES) {
        harbour_modules_name(harbour, command->body, &changed.entry);
    }
    harbour_plant_command(harbour, &changed.entry);
    __real_pipeline_add(pipeline, &changed);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

// --- what was told -------------------------------------------------------------------------------

u128 harbour_question_key(u32 sort, const u8 *body, u32 size)
{
    return checksum(body, size) ^ sort;
}

void harbour_told_note(struct harbour *harbour, u128 question, const u8 *answer, u32 size,
                       u64 position)
{
    harbour->told[harbour->told_count++ % HARBOUR_TOLD_MAX] =
        (struct told){.question = question, .answer = checksum(answer, size), .position = position};
}

void harbour_told_check(struct harbour *harbour, u128 question, const u8 *answer, u32 size,
                        u64 position)
{
    const u128 sum = checksum(answer, size);
    const u64 kept = MIN(harbour->told_count, (u64)HARBOUR_TOLD_MAX);
    u64 shown = 0;
    for (u64 i = 0; i < kept; i++) {
        const struct told *told = &harbour->told[i];
        if (told->question == question && told->answer == sum) shown = MAX(shown, told->position);
    }
    if (shown == 0) {
        harbour_fail(harbour, "questions", "%u bytes came as an answer that nobody gave", size);
    }
    if (shown >= position) return;
    harbour_fail(harbour, "questions", "an answer shows position %llu to who was told of %llu",
                 (unsigned long long)shown, (unsigned long long)position);
}

void harbour_session_over(struct harbour *harbour, u128 client)
{
    if (harbour->gone_count == harbour->gone_room) {
        harbour->gone_room = 2 * harbour->gone_room + 64;
        harbour->gone = realloc(harbour->gone, harbour->gone_room * sizeof *harbour->gone);
        if (harbour->gone == NULL) abort();
    }
    harbour->gone[harbour->gone_count++] = client;
}

// Who was told that its session is over had to make place for another one.
static void sessions_check(struct harbour *harbour)
{
    for (u32 i = 0; i < harbour->gone_count; i++) {
        if (oracle_is_displaced(&harbour->oracle, harbour->gone[i])) continue;
        harbour_fail(harbour, "sessions", "client %llx was told that its session is over",
                     (unsigned long long)harbour->gone[i]);
    }
}

bool harbour_is_in_log(const struct harbour *harbour, u128 id)
{
    return harbour->modules == NULL ? oracle_raw(&harbour->oracle, id) != NULL
                                    : harbour_modules_is_in_log(harbour, id);
}

// --- starts and stops ----------------------------------------------------------------------------

void harbour_check_state(struct harbour *harbour)
{
    struct machine *machine = &harbour->node.machine;
    if (machine->position < harbour->oracle.position) {
        harbour_fail(harbour, "L4", "position %llu was answered, and the log ends at %llu",
                     (unsigned long long)harbour->oracle.position,
                     (unsigned long long)machine->position);
    }
    harbour_follow(harbour, machine->position);
    // Empty frames have no command, and are followed for their outcomes.
    const struct disk_memory_faults faults = faults_stop(harbour);
    while (harbour->oracle.sequence < machine->sequence) frame_follow(harbour);
    harbour->disk.faults = faults;
    struct digest live, followed;
    machine_state_digest(machine, &live);
    machine_state_digest(&harbour->follower.node.machine, &followed);
    if (memcmp(&live, &followed, sizeof live) != 0) {
        harbour_fail(harbour, "L6", "the state behind position %llu is not what the log gives",
                     (unsigned long long)machine->position);
    }
}

// --- questions -----------------------------------------------------------------------------------

// Rows by which the model answers a question, into harbour->expected; returns their bytes.
static u32 rows_expected(struct harbour *harbour, const struct compat_operation *operation,
                         const u8 *body, u32 size)
{
    const struct ledger_executor *model = &harbour->model;
    const u32 most = compat_results_max(operation, 1);
    void *out = harbour->expected;
    u32 count = 0;
    struct account_filter account_filter;
    struct query_filter query_filter;
    struct change_events_filter change_filter;
    memcpy(&account_filter, body, MIN(size, sizeof account_filter));
    memcpy(&query_filter, body, MIN(size, sizeof query_filter));
    memcpy(&change_filter, body, MIN(size, sizeof change_filter));
    const bool is_accounts = operation->kind == COMPAT_KIND_LOOKUP_ACCOUNTS;
    switch (operation->kind) {
    case COMPAT_KIND_LOOKUP_ACCOUNTS:
    case COMPAT_KIND_LOOKUP_TRANSFERS:
        for (u32 at = 0; at < size; at += sizeof(u128)) {
            u128 id = 0;
            memcpy(&id, body + at, sizeof id);
            void *row = harbour->expected + (size_t)count * operation->result_size;
            count += is_accounts ? model->lookup_account(model->context, id, row)
                                 : model->lookup_transfer(model->context, id, row);
        }
        break;
    case COMPAT_KIND_ACCOUNT_TRANSFERS:
        count = model->get_account_transfers(model->context, &account_filter, most, out);
        break;
    case COMPAT_KIND_ACCOUNT_BALANCES:
        count = model->get_account_balances(model->context, &account_filter, most, out);
        break;
    case COMPAT_KIND_QUERY_ACCOUNTS:
        count = model->query_accounts(model->context, &query_filter, most, out);
        break;
    case COMPAT_KIND_QUERY_TRANSFERS:
        count = model->query_transfers(model->context, &query_filter, most, out);
        break;
    case COMPAT_KIND_CHANGE_EVENTS:
        count = model->get_change_events(model->context, &change_filter, most, out);
        break;
    case COMPAT_KIND_NONE:
    case COMPAT_KIND_CREATE_ACCOUNTS:
    case COMPAT_KIND_CREATE_TRANSFERS: abort();
    }
    return count * operation->result_size;
}

void harbour_check_question(struct harbour *harbour, const struct pipeline_query *query)
{
    const struct compat_operation *operation = query->operation;
    // The model goes on with the log, and cannot go back; questions of pirates are anybody's.
    if (query->position != harbour->oracle.position || operation->multi_batch) return;
    const u32 size = rows_expected(harbour, operation, buffer_body(query->body), query->body_size);
    harbour->counts[HARBOUR_QUESTIONS_COMPARED]++;
    if (size == query->reply_size &&
        memcmp(harbour->expected, buffer_body(query->reply), size) == 0) {
        return;
    }
    harbour_fail(harbour, "questions", "%s as of %llu: %u bytes, the model has %u", operation->name,
                 (unsigned long long)query->position, query->reply_size, size);
}

// --- the end -------------------------------------------------------------------------------------

static bool balances_equal(const struct account *a, const struct account *b)
{
    return a->debits_pending == b->debits_pending && a->debits_posted == b->debits_posted &&
           a->credits_pending == b->credits_pending && a->credits_posted == b->credits_posted;
}

static void accounts_check(struct harbour *harbour)
{
    const struct ledger *ledger = &harbour->follower.node.machine.ledger;
    if (harbour->modules != NULL) {
        harbour_modules_check(harbour);
        return;
    }
    sessions_check(harbour);
    ledger_model_check(harbour->oracle.model);
    machine_check(&harbour->follower.node.machine);
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        const struct account *account = ledger_account(ledger, row);
        struct account known;
        if (!ledger_model_lookup_account(harbour->oracle.model, account->id, &known) ||
            !balances_equal(account, &known)) {
            harbour_fail(harbour, "L1", "account %llu differs from the model's",
                         (unsigned long long)account->id);
        }
    }
}

void harbour_check_told(struct harbour *harbour, const struct account *told, u32 count, u64 row,
                        u64 position)
{
    const struct machine *machine = &harbour->follower.node.machine;
    harbour_follow(harbour, position);
    if (row != machine->history.next_row) return; // What came behind it is not told yet.
    harbour->counts[HARBOUR_TOLD_COMPARED]++;
    for (u32 i = 0; i < machine->ledger.accounts.count; i++) {
        const struct account *account = ledger_account(&machine->ledger, i);
        if (i < count && account->id == told[i].id && account->ledger == told[i].ledger &&
            balances_equal(account, &told[i])) {
            continue;
        }
        harbour_fail(harbour, "changes", "account %llu on %u has another balance than was told",
                     (unsigned long long)account->id, account->ledger);
    }
}

void harbour_check_page(struct harbour *harbour, const struct follow *follow, u64 row,
                        const struct tael_answer *answer)
{
    struct node *node = &harbour->follower.node;
    struct machine *machine = &node->machine;
    struct changes_page page = {.out = harbour->expected, .room = HARBOUR_EXPECTED_SIZE};
    struct failure failure;
    harbour_follow(harbour, follow->position);
    if (harbour->reader == NULL) harbour->reader = changes_reader_new(&node->wal);
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        machine->history.next_row);
    view.sees_modules = true;
    u32 size = 0;
    enum status status = STATUS_OK;
    // It looks at so many rows at most, and may find none in them.
    while (status == STATUS_OK && size < answer->body_size && row < machine->history.next_row) {
        page.out = harbour->expected + size;
        page.room = HARBOUR_EXPECTED_SIZE - size;
        status = changes_read(harbour->reader, &view, row, follow->changes.flags, &page, &failure);
        size += page.size;
        row = page.next;
    }
    history_view_close(&view);
    if (status != STATUS_OK) harbour_fail(harbour, "changes", "%s", failure.message);
    const bool is_empty = answer->body_size == 0;
    if (is_empty || (size >= answer->body_size &&
                     memcmp(harbour->expected, answer->body, answer->body_size) == 0)) {
        return;
    }
    harbour_fail(harbour, "changes", "a page of %u changes is not the follower's", answer->count);
}

void harbour_check_all(struct harbour *harbour)
{
    struct verify_report report;
    struct failure failure;
    struct disk_memory scratch;
    accounts_check(harbour);
    disk_memory_init(&scratch, 1);
    enum status status = verify_folder(&harbour->disk.disk, NULL, &report, &failure);
    if (status == STATUS_OK) {
        status = verify_replay(&harbour->disk.disk, &scratch.disk, NULL, &report, &failure);
    }
    disk_memory_free(&scratch);
    if (status != STATUS_OK) harbour_fail(harbour, "verify", "%s", failure.message);
    harbour->counts[HARBOUR_VERIFIED]++;
}
