// SPDX-License-Identifier: Apache-2.0
//
// Clients of the world of ports, each with the client that the project ships: plain sessions,
// callers of the tael port, and those who follow the change stream.
#include "harbour_internal.h"

#include "../batch.h"
#include "../must.h"
#include "base/checksum.h"
#include "machine/commit.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RECORD_ACCOUNT  TAEL_RECORD_ACCOUNT
#define RECORD_TRANSFER TAEL_RECORD_TRANSFER
// Between an answer and what is asked next.
#define THINK_NS  (20 * NS_PER_MS)
#define SILENT_NS (20 * NS_PER_S)

static u128 u128_of(struct tael_u128 value)
{
    return (u128)value.high << 64 | value.low;
}

static struct tael_u128 tael_u128_of(u128 value)
{
    return (struct tael_u128){.low = (u64)value, .high = (u64)(value >> 64)};
}

// Whether somebody who waits for `events` on `fd` until `wake` has something to do.
static bool is_due(const struct harbour *harbour, int fd, short events, u64 wake)
{
    if (now_of(harbour) >= wake) return true;
    if (fd < 0) return false;
    const u32 wanted = (u32)events | EPOLLERR | EPOLLHUP;
    return (network_ready(&harbour->system.network, fd) & wanted) != 0;
}

// Somebody was answered who asked at this moment.
static void answered(struct harbour *harbour, u64 asked_at)
{
    harbour->steps++;
    harbour->counts[HARBOUR_ANSWERS]++;
    harbour_fair_answer(harbour, asked_at);
}

// The generator is told what time it is.
static void events_advance(struct harbour *harbour)
{
    harbour->events.now = MAX(harbour->events.now, wall_of(harbour));
}

// --- plain sessions ------------------------------------------------------------------------------

static void plain_open(struct harbour *harbour, struct plain *plain)
{
    struct compat_client_options options = {
        .cluster = harbour->genesis.cluster,
        .client = ++harbour->next_id, // A client that went comes back as another one.
        .resend_ns = 50 * NS_PER_MS + below(harbour, NS_PER_S),
        .ping_ns = NS_PER_S + below(harbour, 30 * NS_PER_S),
    };
    struct failure failure;
    memcpy(options.address.host, HARBOUR_COMPAT_PATH, sizeof HARBOUR_COMPAT_PATH);
    if (compat_client_open(&plain->client, &options, U64_MAX, &failure) != STATUS_OK) abort();
    plain->is_open = true;
    plain->has_reply = false;
    plain->reply_request = U32_MAX;
    plain->told = 0;
    plain->ask_at = now_of(harbour);
}

static void plain_close(struct harbour *harbour, struct plain *plain)
{
    compat_client_close(&plain->client);
    plain->is_open = false;
    plain->open_at = now_of(harbour) + below(harbour, 2 * NS_PER_S);
}

static struct plain *plain_find(struct harbour *harbour, u128 id)
{
    for (u32 i = 0; i < harbour->plain_count; i++) {
        struct plain *plain = &harbour->plains[i];
        if (plain->is_open && plain->client.options.client == id) return plain;
    }
    return NULL;
}

void harbour_plain_expect(struct harbour *harbour, const struct frame_command *command,
                          const struct oracle_answer *answer)
{
    struct plain *plain = plain_find(harbour, command->command_id);
    if (plain == NULL || answer->result != COMMAND_DONE) return;
    // Sent twice, it may be in the log twice: the second time it is answered as the first.
    free(plain->reply);
    plain->reply = must(malloc(answer->reply_size + 1));
    memcpy(plain->reply, answer->reply, answer->reply_size);
    plain->reply_size = answer->reply_size;
    plain->reply_request = command->request;
    plain->reply_position = harbour->oracle.position;
    plain->has_reply = true;
}

static void plain_check(struct harbour *harbour, struct plain *plain,
                        const struct compat_answer *answer)
{
    const struct compat_reply_part *reply = &answer->header->reply;
    answered(harbour, plain->asked_at);
    if (plain->is_question) {
        harbour->counts[HARBOUR_QUESTIONS]++;
        harbour_told_check(harbour, plain->question, answer->body, answer->body_size, plain->told);
        return;
    }
    if (!plain->has_reply || plain->reply_request != reply->request) {
        harbour_fail(harbour, "L4", "request %u of client %llx was answered and is not in the log",
                     reply->request, (unsigned long long)plain->client.options.client);
    }
    if (plain->reply_size != answer->body_size ||
        memcmp(plain->reply, answer->body, answer->body_size) != 0) {
        harbour_fail(harbour, "replies",
                     "request %u of client %llx: %u bytes of answer differ from the oracle's %u",
                     reply->request, (unsigned long long)plain->client.options.client,
                     answer->body_size, plain->reply_size);
    }
    plain->told = plain->reply_position;
}

// A question of the generator as the wire has it.
static void question_make(struct harbour *harbour, struct batch *out)
{
    static const u8 numbers[] = {
        [LEDGER_STEP_LOOKUP_ACCOUNTS] = COMPAT_UNBATCHED_LOOKUP_ACCOUNTS,
        [LEDGER_STEP_LOOKUP_TRANSFERS] = COMPAT_UNBATCHED_LOOKUP_TRANSFERS,
        [LEDGER_STEP_GET_ACCOUNT_TRANSFERS] = COMPAT_UNBATCHED_GET_ACCOUNT_TRANSFERS,
        [LEDGER_STEP_GET_ACCOUNT_BALANCES] = COMPAT_UNBATCHED_GET_ACCOUNT_BALANCES,
        [LEDGER_STEP_QUERY_ACCOUNTS] = COMPAT_UNBATCHED_QUERY_ACCOUNTS,
        [LEDGER_STEP_QUERY_TRANSFERS] = COMPAT_UNBATCHED_QUERY_TRANSFERS,
        [LEDGER_STEP_GET_CHANGE_EVENTS] = COMPAT_GET_CHANGE_EVENTS,
    };
    struct ledger_step *step = harbour->step;
    do {
        ledger_random_next(&harbour->events, step);
    } while (step->kind <= LEDGER_STEP_EXPIRE);
    const struct compat_operation *operation =
        compat_operation((u8)(COMPAT_OPERATION_BASE + numbers[step->kind]));
    const u32 count = step->kind <= LEDGER_STEP_LOOKUP_TRANSFERS ? step->count : 1;
    *out = (struct batch){.operation = (u8)(COMPAT_OPERATION_BASE + numbers[step->kind]),
                          .count = count,
                          .size = count * operation->event_size};
    out->body = must(malloc(out->size + 1));
    memcpy(out->body, step->ids, out->size);
}

static void plain_ask(struct harbour *harbour, struct plain *plain)
{
    struct batch batch;
    struct failure failure;
    events_advance(harbour);
    free(plain->body);
    plain->is_question = chance(harbour, 25);
    // A question may read half of the disk.
    const bool counts = !plain->is_question && plain->client.state == COMPAT_CLIENT_UP;
    plain->asked_at = counts ? now_of(harbour) : 0;
    if (plain->is_question) {
        question_make(harbour, &batch);
        plain->question =
            harbour_question_key(compat_operation(batch.operation)->kind, batch.body, batch.size);
    } else {
        batch_make(&harbour->random, &harbour->events, harbour->step, &batch);
        harbour->counts[HARBOUR_EVENTS] += batch.count;
    }
    plain->body = batch.body;
    plain->has_reply = false;
    if (compat_client_submit(&plain->client, batch.operation, batch.body, batch.size, U64_MAX,
                             &failure) == STATUS_OK) {
        return;
    }
    harbour_note(harbour, "a plain client ends: %s", failure.message);
    plain_close(harbour, plain);
}

static bool plain_may_ask(const struct harbour *harbour, const struct plain *plain)
{
    return plain->is_open && compat_client_is_idle(&plain->client) && !harbour->is_calm;
}

static u64 plain_wake_at(const struct harbour *harbour, const struct plain *plain)
{
    if (!plain->is_open) return harbour->is_calm ? U64_MAX : plain->open_at;
    const u64 wake = compat_client_wake_at(&plain->client);
    return plain_may_ask(harbour, plain) ? MIN(wake, plain->ask_at) : wake;
}

// The session that a client was given is that of the log.
static void register_check(struct harbour *harbour, const struct plain *plain)
{
    const struct compat_client *client = &plain->client;
    const struct oracle_session *session = oracle_session(&harbour->oracle, client->options.client);
    if (session == NULL ? oracle_is_displaced(&harbour->oracle, client->options.client)
                        : session->number == client->session) {
        return;
    }
    harbour_fail(harbour, "sessions", "client %llx was given session %llu",
                 (unsigned long long)client->options.client, (unsigned long long)client->session);
}

static bool plain_step(struct harbour *harbour, struct plain *plain)
{
    if (!plain->is_open) {
        if (harbour->is_calm || now_of(harbour) < plain->open_at) return false;
        plain_open(harbour, plain);
        return true;
    }
    if (plain_may_ask(harbour, plain) && now_of(harbour) >= plain->ask_at) {
        plain_ask(harbour, plain);
        return true;
    }
    const struct compat_client *client = &plain->client;
    if (!is_due(harbour, compat_client_fd(client), compat_client_events(client),
                compat_client_wake_at(client))) {
        return false;
    }
    struct failure failure;
    const enum status status = compat_client_step(&plain->client, &failure);
    const struct compat_answer *answer = compat_client_answer(&plain->client);
    if (answer != NULL) {
        if (answer->header->reply.operation != COMPAT_OPERATION_REGISTER) {
            plain_check(harbour, plain, answer);
        } else {
            register_check(harbour, plain);
        }
        compat_client_release(&plain->client);
        // Where sessions are many, some are silent for long, and theirs go first.
        const bool is_slow = harbour->plain_count > 8 && (plain - harbour->plains) % 4 == 0;
        plain->ask_at = now_of(harbour) + below(harbour, is_slow ? SILENT_NS : THINK_NS);
    }
    if (plain->client.foreign_count > 0) {
        harbour_fail(harbour, "wire", "client %llx was told what is another one's",
                     (unsigned long long)plain->client.options.client);
    }
    if (status == STATUS_CANCELLED) {
        harbour->counts[HARBOUR_EVICTED]++;
        harbour_session_over(harbour, plain->client.options.client);
        plain_close(harbour, plain);
    } else if (status != STATUS_OK) {
        harbour_fail(harbour, "wire", "a plain client ends: %s", failure.message);
    } else if (!harbour->is_calm && below(harbour, harbour->plain_count > 8 ? 60 : 1500) == 0) {
        harbour->counts[HARBOUR_CLIENTS_GONE]++;
        plain_close(harbour, plain);
    }
    return true;
}

// --- callers of the tael port --------------------------------------------------------------------

static struct tael_client *tael_make(struct harbour *harbour)
{
    const struct tael_options options = {
        .address = "unix:" HARBOUR_TAEL_PATH,
        .silence_ms = 2000 + below(harbour, 30000),
        .open_max = harbour->asks_max + 1,
        .turned_away_max = U32_MAX, // The network turns many away.
    };
    struct tael_client *client = tael_open(&options);
    if (client == NULL) abort();
    return client;
}

// Whether a request was accepted. What was given up while it was in flight keeps its place until it
// is answered or the connection ends, so that a server that is silent may leave none.
static bool is_accepted(struct harbour *harbour, const struct tael_client *client,
                        enum tael_error error)
{
    if (error == TAEL_ERROR_CROWDED) {
        harbour->counts[HARBOUR_CROWDED]++;
        return false;
    }
    if (error != TAEL_OK) {
        harbour_fail(harbour, "wire", "a client cannot submit: %s: %s", tael_error_text(error),
                     tael_problem(client));
    }
    return true;
}

void harbour_ask_dated(struct harbour *harbour, const struct tael_answer *answer, u64 position,
                       u64 timestamp)
{
    const bool is_first = answer->position == position;
    if (is_first ? answer->timestamp == timestamp
                 : answer->position > position && answer->position <= harbour->oracle.position) {
        return;
    }
    harbour_fail(harbour, "replies", "an answer says position %llu, time %llu: it is %llu, %llu",
                 (unsigned long long)answer->position, (unsigned long long)answer->timestamp,
                 (unsigned long long)position, (unsigned long long)timestamp);
}

// What the server says of a command is what the oracle does.
static void ask_check(struct harbour *harbour, struct ask *ask, const struct tael_answer *answer)
{
    if (harbour->modules != NULL) {
        answered(harbour, ask->asked_at);
        harbour_modules_answered(harbour, ask, answer);
        return;
    }
    const struct oracle_raw *raw = oracle_raw(&harbour->oracle, ask->id);
    const u64 id = (u64)ask->id;
    answered(harbour, ask->asked_at);
    if (raw == NULL) {
        harbour_fail(harbour, "L4", "command %llx was answered (%s) and is not in the log",
                     (unsigned long long)id, tael_result_text(answer->result));
    }
    const bool is_same = raw->content == checksum(ask->body, ask->size) && raw->size == ask->size &&
                         raw->record == ask->record;
    if (!is_same) {
        harbour->counts[HARBOUR_REUSED]++;
        if (answer->result == TAEL_RESULT_REUSED) return;
        harbour_fail(harbour, "L3", "command %llx has another content than before: %s",
                     (unsigned long long)id, tael_result_text(answer->result));
    }
    if (!raw->has_results) {
        harbour->counts[HARBOUR_EXPIRED]++;
        if (answer->result == TAEL_RESULT_EXPIRED) return;
        harbour_fail(harbour, "replies", "command %llx must be refused as expired: %s",
                     (unsigned long long)id, tael_result_text(answer->result));
    }
    if (ask->is_answered) harbour->counts[HARBOUR_REPEATED]++;
    harbour_ask_dated(harbour, answer, raw->position, raw->timestamp);
    if (answer->result == TAEL_RESULT_DONE && answer->body_size == raw->reply_size &&
        memcmp(answer->body, raw->reply, raw->reply_size) == 0) {
        return;
    }
    harbour_fail(harbour, ask->is_answered ? "L3" : "replies",
                 "command %llx: %s, %u bytes of answer that differ from the oracle's %u",
                 (unsigned long long)id, tael_result_text(answer->result), answer->body_size,
                 raw->reply_size);
}

static void ask_free(struct ask *ask)
{
    free(ask->body);
    *ask = (struct ask){.caller = ask->caller};
}

static void ask_answered(void *context, const struct tael_answer *answer)
{
    struct ask *ask = context;
    struct harbour *harbour = ask->caller->harbour;
    if (answer->error == TAEL_ERROR_TIMEOUT) { // It stays in flight.
        harbour->counts[HARBOUR_TIMED_OUT]++;
        if (tael_wait_on(ask->caller->client, ask->ticket, 1000) != TAEL_OK) abort();
        return;
    }
    if (answer->error != TAEL_OK) {
        harbour_fail(harbour, "wire", "a caller ends: %s", tael_problem(ask->caller->client));
    }
    // Full and busy are told when the deadline comes before there is room: it is asked again.
    if (answer->result == TAEL_RESULT_FULL || answer->result == TAEL_RESULT_BUSY) {
        ask->is_open = false;
        return;
    }
    ask_check(harbour, ask, answer);
    ask->is_open = false;
    if (!ask->is_answered && chance(harbour, 15)) {
        ask->is_answered = true; // It is asked once more, or with other bytes.
        if (chance(harbour, 30) && ask->size > 0) ask->body[below(harbour, ask->size)] ^= 1;
        return;
    }
    ask_free(ask);
}

// A new command: the events of a step.
static void ask_make(struct harbour *harbour, struct ask *ask)
{
    struct batch batch;
    events_advance(harbour);
    do {
        ledger_random_next(&harbour->events, harbour->step);
    } while (harbour->step->kind > LEDGER_STEP_CREATE_TRANSFERS);
    const bool is_transfers = harbour->step->kind == LEDGER_STEP_CREATE_TRANSFERS;
    batch.count = harbour->step->count;
    batch.size = batch.count * (u32)sizeof(struct transfer);
    *ask = (struct ask){
        .caller = ask->caller,
        .is_used = true,
        .id = ++harbour->next_id,
        .record = is_transfers ? RECORD_TRANSFER : RECORD_ACCOUNT,
        .count = batch.count,
        .size = batch.size,
        .body = must(malloc(batch.size)),
    };
    memcpy(ask->body, harbour->step->transfers, batch.size);
    if (chance(harbour, 10)) ask->expires_at = wall_of(harbour) + below(harbour, 2 * NS_PER_S);
    harbour->counts[HARBOUR_EVENTS] += batch.count;
}

static void ask_submit(struct harbour *harbour, struct ask *ask)
{
    const struct tael_command command = {
        .id = tael_u128_of(ask->id),
        .record = ask->record,
        .version = 1,
        .count = ask->count,
        .body_size = ask->size,
        .body = ask->body,
        .expires_at = ask->expires_at,
    };
    const u64 timeout_ms = chance(harbour, 20) ? 1 + below(harbour, 500) : 0;
    const enum tael_error error = tael_submit_command(ask->caller->client, &command, timeout_ms,
                                                      ask_answered, ask, &ask->ticket);
    ask->is_open = is_accepted(harbour, ask->caller->client, error);
    ask->asked_at = tael_is_connected(ask->caller->client) ? now_of(harbour) : 0;
}

// What a caller asks next: what was not answered, or something new. NULL when nothing.
static struct ask *ask_next(struct harbour *harbour, struct caller *caller)
{
    struct ask *free_place = NULL;
    for (u32 i = 0; i < harbour->asks_max; i++) {
        struct ask *ask = &caller->asks[i];
        if (ask->is_used && !ask->is_open) return ask;
        if (!ask->is_used) free_place = ask;
    }
    if (free_place == NULL || harbour->is_calm) return NULL;
    if (harbour->modules != NULL) {
        return harbour_modules_command(harbour, free_place) ? free_place : NULL;
    }
    ask_make(harbour, free_place);
    return free_place;
}

static void question_answered(void *context, const struct tael_answer *answer)
{
    struct caller *caller = context;
    struct harbour *harbour = caller->harbour;
    caller->is_asking = false;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        harbour->counts[HARBOUR_TIMED_OUT]++;
        if (tael_give_up(caller->client, caller->ticket, NULL) != TAEL_OK) abort();
        return;
    }
    if (answer->error != TAEL_OK) {
        harbour_fail(harbour, "wire", "a caller ends: %s", tael_problem(caller->client));
    }
    if (answer->result != TAEL_RESULT_DONE) return;
    harbour->counts[HARBOUR_QUESTIONS]++;
    harbour_told_check(harbour, caller->asked, answer->body, answer->body_size, caller->seen);
    if (answer->position < caller->seen) {
        harbour_fail(harbour, "questions", "an answer says position %llu to who was told of %llu",
                     (unsigned long long)answer->position, (unsigned long long)caller->seen);
    }
}

// A question of a module.
static void caller_question(struct harbour *harbour, struct caller *caller)
{
    if (caller->is_asking) return;
    const struct schema_record *record = harbour_modules_question(harbour, caller->question);
    const struct tael_question question = {
        .record = record->number,
        .version = 1,
        .body_size = record->size,
        .body = caller->question,
        .position = chance(harbour, 50) ? TAEL_POSITION_SEEN : 0,
    };
    caller->seen = question.position == 0 ? 0 : tael_position(caller->client);
    caller->asked = harbour_question_key(record->number, caller->question, record->size);
    const enum tael_error error = tael_submit_question(caller->client, &question, 0,
                                                       question_answered, caller, &caller->ticket);
    caller->is_asking = is_accepted(harbour, caller->client, error);
}

static bool caller_has_asks(const struct caller *caller)
{
    for (u32 i = 0; i < HARBOUR_ASKS_MAX; i++) {
        if (caller->asks[i].is_used) return true;
    }
    return false;
}

static bool caller_may_ask(const struct harbour *harbour, const struct caller *caller)
{
    bool waits = false, has_room = false;
    for (u32 i = 0; i < harbour->asks_max; i++) {
        waits = waits || (caller->asks[i].is_used && !caller->asks[i].is_open);
        has_room = has_room || !caller->asks[i].is_used;
    }
    return waits || (has_room && !harbour->is_calm);
}

// It goes without a word; what was not answered is asked again by whoever comes after it.
static void caller_close(struct harbour *harbour, struct caller *caller)
{
    tael_close(caller->client);
    caller->client = NULL;
    caller->is_asking = false;
    caller->open_at = now_of(harbour) + below(harbour, NS_PER_S);
    for (u32 i = 0; i < HARBOUR_ASKS_MAX; i++) caller->asks[i].is_open = false;
}

// Gives up waiting for something; it is asked again later.
static void caller_give_up(struct harbour *harbour, struct caller *caller)
{
    struct ask *ask = &caller->asks[below(harbour, harbour->asks_max)];
    if (!ask->is_open) return;
    bool maybe = false;
    if (tael_give_up(caller->client, ask->ticket, &maybe) != TAEL_OK) abort();
    ask->is_open = false;
    harbour->counts[HARBOUR_GIVEN_UP]++;
}

static u64 caller_wake_at(const struct harbour *harbour, const struct caller *caller)
{
    if (caller->client == NULL) return caller->open_at;
    const u64 wake = tael_wake_at(caller->client);
    return caller_may_ask(harbour, caller) ? MIN(wake, caller->ask_at) : wake;
}

static bool caller_step(struct harbour *harbour, struct caller *caller)
{
    if (caller->client == NULL) {
        if (now_of(harbour) < caller->open_at) return false;
        caller->client = tael_make(harbour);
        return true;
    }
    if (caller_may_ask(harbour, caller) && now_of(harbour) >= caller->ask_at) {
        struct ask *ask = ask_next(harbour, caller);
        if (ask != NULL) ask_submit(harbour, ask);
        if (harbour->modules != NULL && chance(harbour, 20)) caller_question(harbour, caller);
        caller->ask_at = now_of(harbour) + 1 + below(harbour, THINK_NS);
        return true;
    }
    struct tael_client *client = caller->client;
    if (!is_due(harbour, tael_fd(client), tael_events(client), tael_wake_at(client))) return false;
    if (tael_step(client) != TAEL_OK) {
        harbour_fail(harbour, "wire", "a caller ends: %s", tael_problem(client));
    }
    if (harbour->is_calm) return true;
    if (below(harbour, 400) == 0) caller_give_up(harbour, caller);
    if (below(harbour, 1500) == 0) {
        harbour->counts[HARBOUR_CLIENTS_GONE]++;
        caller_close(harbour, caller);
    }
    return true;
}

// --- who follows the change stream ---------------------------------------------------------------

// Where the account is, or would be, among those that were told.
static u32 *told_place(struct follow *follow, u32 number, u128 id)
{
    u32 at = (u32)id * 2654435761u + number * 40503u;
    for (;; at++) {
        u32 *place = &follow->places[at % HARBOUR_PLACES];
        if (*place == 0) return place;
        const struct account *account = &follow->accounts[*place - 1];
        if (account->id == id && account->ledger == number) return place;
    }
}

static struct account *told_account(struct follow *follow, u32 number, u128 id)
{
    const u32 place = *told_place(follow, number, id);
    if (place != 0) return &follow->accounts[place - 1];
    harbour_fail(follow->harbour, "changes", "a change of an account that was never made");
}

static void account_fold(struct follow *follow, const struct account *account)
{
    u32 *place = told_place(follow, account->ledger, account->id);
    if (*place != 0 || follow->account_count == HARBOUR_ACCOUNTS_MAX) {
        harbour_fail(follow->harbour, "changes", "account %llu on %u was made twice",
                     (unsigned long long)account->id, account->ledger);
    }
    follow->accounts[follow->account_count] = *account;
    *place = ++follow->account_count;
}

static void transfer_fold(struct follow *follow, const struct tael_change *change)
{
    struct transfer transfer;
    memcpy(&transfer, change + 1, sizeof transfer);
    struct account *debit = told_account(follow, transfer.ledger, transfer.debit_account_id);
    struct account *credit = told_account(follow, transfer.ledger, transfer.credit_account_id);
    const u128 released = u128_of(change->released);
    debit->debits_pending -= released;
    credit->credits_pending -= released;
    if (change->kind == TAEL_CHANGE_HOLD) {
        debit->debits_pending += transfer.amount;
        credit->credits_pending += transfer.amount;
    }
    if (change->kind == TAEL_CHANGE_TRANSFER || change->kind == TAEL_CHANGE_POST) {
        debit->debits_posted += transfer.amount;
        credit->credits_posted += transfer.amount;
    }
}

static void change_fold(struct follow *follow, const struct tael_change *change)
{
    struct harbour *harbour = follow->harbour;
    if (change->row < follow->changes.row || change->position < follow->position) {
        harbour_fail(harbour, "changes", "change %llu stands before the one before it",
                     (unsigned long long)change->row);
    }
    follow->changes.row = change->row + 1;
    follow->position = change->position;
    harbour->counts[HARBOUR_CHANGES]++;
    if (change->result != 0) return; // It was refused.
    if (change->kind == TAEL_CHANGE_ACCOUNT) {
        struct account account;
        memcpy(&account, change + 1, sizeof account);
        account_fold(follow, &account);
    } else if (change->kind <= TAEL_CHANGE_EXPIRY) {
        transfer_fold(follow, change);
    }
}

static void page_answered(void *context, const struct tael_answer *answer)
{
    struct follow *follow = context;
    struct harbour *harbour = follow->harbour;
    follow->is_asking = false;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        harbour->counts[HARBOUR_TIMED_OUT]++;
        if (tael_give_up(follow->client, follow->ticket, NULL) != TAEL_OK) abort();
        return;
    }
    if (answer->error != TAEL_OK) {
        harbour_fail(harbour, "wire", "who follows ends: %s", tael_problem(follow->client));
    }
    // It is told to come again, or an operation of the disk failed.
    if (answer->result != TAEL_RESULT_DONE) return;
    harbour->counts[HARBOUR_PAGES]++;
    answered(harbour, 0);
    const u64 next = tael_changes_next(answer);
    const u64 first = follow->changes.row;
    for (const struct tael_change *change = tael_change_next(answer, NULL); change != NULL;
         change = tael_change_next(answer, change)) {
        change_fold(follow, change);
    }
    if (next < follow->changes.row) {
        harbour_fail(harbour, "changes", "the next row is %llu, behind %llu changes",
                     (unsigned long long)next, (unsigned long long)follow->changes.row);
    }
    harbour_check_page(harbour, follow, first, answer);
    follow->changes.row = next;
    harbour_check_told(harbour, follow->accounts, follow->account_count, next, follow->position);
}

static void follow_ask(struct harbour *harbour, struct follow *follow)
{
    follow->changes.wait_ms = harbour->is_calm ? 0 : (u32)below(harbour, 3000);
    const enum tael_error error = tael_submit_changes(follow->client, &follow->changes, 0,
                                                      page_answered, follow, &follow->ticket);
    follow->is_asking = is_accepted(harbour, follow->client, error);
    follow->ask_at = follow->is_asking ? 0 : now_of(harbour) + NS_PER_S;
}

static bool follow_has_all(const struct harbour *harbour, const struct follow *follow)
{
    return follow->changes.row >= harbour->follower.node.machine.history.next_row;
}

static bool follow_may_ask(const struct harbour *harbour, const struct follow *follow)
{
    return !follow->is_asking && !(harbour->is_calm && follow_has_all(harbour, follow));
}

static u64 follow_wake_at(const struct harbour *harbour, const struct follow *follow)
{
    if (follow->client == NULL) return follow->open_at;
    const u64 wake = tael_wake_at(follow->client);
    return follow_may_ask(harbour, follow) ? MIN(wake, follow->ask_at) : wake;
}

static bool follow_step(struct harbour *harbour, struct follow *follow)
{
    if (follow->client == NULL) {
        if (now_of(harbour) < follow->open_at) return false;
        follow->client = tael_make(harbour);
        return true;
    }
    if (follow_may_ask(harbour, follow) && now_of(harbour) >= follow->ask_at) {
        follow_ask(harbour, follow);
        return true;
    }
    struct tael_client *client = follow->client;
    if (!is_due(harbour, tael_fd(client), tael_events(client), tael_wake_at(client))) return false;
    if (tael_step(client) != TAEL_OK) {
        harbour_fail(harbour, "wire", "who follows ends: %s", tael_problem(client));
    }
    if (!harbour->is_calm && below(harbour, 500) == 0) {
        harbour->counts[HARBOUR_CLIENTS_GONE]++;
        tael_close(client);
        follow->client = NULL;
        follow->is_asking = false;
        follow->open_at = now_of(harbour) + below(harbour, NS_PER_S);
    }
    return true;
}

// --- all of them ---------------------------------------------------------------------------------

void harbour_clients_init(struct harbour *harbour)
{
    harbour->plain_count = 1 + (u32)below(harbour, chance(harbour, 25) ? 24 : 8);
    if (chance(harbour, 10)) harbour->plain_count = HARBOUR_PLAIN_MAX;
    harbour->asks_max = harbour->is_flooded ? HARBOUR_ASKS_MAX : 12;
    harbour->caller_count = 1 + (u32)below(harbour, HARBOUR_CALLERS_MAX);
    if (harbour->modules != NULL) harbour->plain_count = 0;
    harbour->follow_count = 1 + (u32)below(harbour, HARBOUR_FOLLOWS_MAX);
    for (u32 i = 0; i < HARBOUR_CALLERS_MAX; i++) {
        harbour->callers[i].harbour = harbour;
        for (u32 j = 0; j < HARBOUR_ASKS_MAX; j++) {
            harbour->callers[i].asks[j].caller = &harbour->callers[i];
        }
    }
    for (u32 i = 0; i < HARBOUR_FOLLOWS_MAX; i++) {
        harbour->follows[i].harbour = harbour;
        harbour->follows[i].accounts = must(calloc(HARBOUR_ACCOUNTS_MAX, sizeof(struct account)));
        harbour->follows[i].places = must(calloc(HARBOUR_PLACES, sizeof(u32)));
        harbour->follows[i].changes.flags = i % 2 == 1 ? TAEL_CHANGES_REFUSED : 0;
    }
}

void harbour_clients_free(struct harbour *harbour)
{
    for (u32 i = 0; i < HARBOUR_PLAIN_MAX; i++) {
        struct plain *plain = &harbour->plains[i];
        if (plain->is_open) compat_client_close(&plain->client);
        free(plain->body);
        free(plain->reply);
    }
    for (u32 i = 0; i < HARBOUR_CALLERS_MAX; i++) {
        tael_close(harbour->callers[i].client);
        for (u32 j = 0; j < HARBOUR_ASKS_MAX; j++) free(harbour->callers[i].asks[j].body);
    }
    for (u32 i = 0; i < HARBOUR_FOLLOWS_MAX; i++) {
        tael_close(harbour->follows[i].client);
        free(harbour->follows[i].accounts);
        free(harbour->follows[i].places);
    }
}

bool harbour_clients_step(struct harbour *harbour)
{
    const u32 counts[3] = {harbour->plain_count, harbour->caller_count, harbour->follow_count};
    const u32 count = counts[0] + counts[1] + counts[2];
    const u32 first = (u32)below(harbour, count);
    harbour->system.user = harbour->user; // They connect anew whenever they are stepped.
    for (u32 i = 0; i < count; i++) {
        u32 at = (first + i) % count;
        bool did = false;
        if (at < counts[0]) did = plain_step(harbour, &harbour->plains[at]);
        else if ((at -= counts[0]) < counts[1]) did = caller_step(harbour, &harbour->callers[at]);
        else did = follow_step(harbour, &harbour->follows[at - counts[1]]);
        if (did) return true;
    }
    return false;
}

u64 harbour_clients_wake_at(const struct harbour *harbour)
{
    u64 wake = U64_MAX;
    for (u32 i = 0; i < harbour->plain_count; i++) {
        wake = MIN(wake, plain_wake_at(harbour, &harbour->plains[i]));
    }
    for (u32 i = 0; i < harbour->caller_count; i++) {
        wake = MIN(wake, caller_wake_at(harbour, &harbour->callers[i]));
    }
    for (u32 i = 0; i < harbour->follow_count; i++) {
        wake = MIN(wake, follow_wake_at(harbour, &harbour->follows[i]));
    }
    return wake;
}

bool harbour_clients_are_answered(const struct harbour *harbour)
{
    for (u32 i = 0; i < harbour->plain_count; i++) {
        const struct plain *plain = &harbour->plains[i];
        if (plain->is_open && !compat_client_is_idle(&plain->client)) return false;
    }
    for (u32 i = 0; i < harbour->caller_count; i++) {
        if (caller_has_asks(&harbour->callers[i])) return false;
    }
    for (u32 i = 0; i < harbour->follow_count; i++) {
        if (!follow_has_all(harbour, &harbour->follows[i])) return false;
    }
    return true;
}
