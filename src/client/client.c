// SPDX-License-Identifier: Apache-2.0
//
// libtael: the client's life, requests and answers, waiting.
#include "client/client_internal.h"
#include "server/clock.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>

// Bits of an id below the milliseconds.
#define ID_RANDOM_BITS 80u

// --- the client's life ---------------------------------------------------------------------------

// Takes the options over. False when one of them, or the address, is none.
static bool options_take(struct tael_client *client, const struct tael_options *options)
{
    struct failure failure;
    client->principal = options->principal;
    client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : CLIENT_TIMEOUT_MS;
    const u64 silence_ms = options->silence_ms != 0 ? options->silence_ms : CLIENT_SILENCE_MS;
    client->silence_ns = MIN(silence_ms, U32_MAX) * NS_PER_MS;
    client->turned_away_max =
        options->turned_away_max != 0 ? options->turned_away_max : CLIENT_TURNED_AWAY_MAX;
    client->is_retrying = (options->flags & TAEL_OPTION_NO_RETRY) == 0;
    if (options->open_max > TAEL_OPEN_MAX || options->reserved != 0 ||
        (options->flags & ~(u32)TAEL_OPTION_NO_RETRY) != 0) {
        client_note(client, "an option is out of its range");
        client_end(client);
        return false;
    }
    if (!client_key_take(client, options)) {
        client_end(client);
        return false;
    }
    if (options->address == NULL) {
        client_note(client, "no address was given");
        client_end(client);
        return false;
    }
    if (address_parse(options->address, &client->address, &failure) != STATUS_OK ||
        address_look_up(&client->address, &client->places, &failure) != STATUS_OK) {
        client_note(client, "%s", failure.message);
        client_end(client);
        return false;
    }
    return true;
}

struct tael_client *tael_open(const struct tael_options *options)
{
    struct tael_client *client =
        aligned_alloc(CACHE_LINE_SIZE, align_up(sizeof *client, CACHE_LINE_SIZE));
    if (client == NULL) return NULL;
    *client = (struct tael_client){.fd = -1, .connect_delay_ns = CLIENT_DELAY_MIN_NS};
    const u32 wanted = options->open_max != 0 ? options->open_max : TAEL_OPEN_DEFAULT;
    client->request_max = MIN(wanted, TAEL_OPEN_MAX);
    client->requests = aligned_alloc(16, client->request_max * sizeof *client->requests);
    client->buffer = aligned_alloc(PAGE_SIZE, align_up(CLIENT_BUFFER_SIZE, PAGE_SIZE));
    if (client->requests == NULL || client->buffer == NULL) {
        free(client->requests);
        free(client->buffer);
        free(client);
        return NULL;
    }
    memset(client->requests, 0, client->request_max * sizeof *client->requests);
    if (options_take(client, options)) client_advance(client, clock_steady());
    return client;
}

// What the last answer pointed to is no longer the caller's.
static void lent_release(struct tael_client *client)
{
    client->begin += client->lent;
    client->lent = 0;
    free(client->kept);
    client->kept = NULL;
}

void tael_close(struct tael_client *client)
{
    if (client == NULL) return;
    assert(!client->is_in_callback);
    client_end(client);
    lent_release(client);
    for (u32 i = 0; i < client->request_max; i++) free(client->requests[i].kept);
    free(client->requests);
    free(client->buffer);
    free(client->key_file);
    free(client);
}

const char *tael_problem(const struct tael_client *client)
{
    return client->problem;
}

bool tael_is_connected(const struct tael_client *client)
{
    return client->state == CLIENT_UP;
}

bool tael_server(const struct tael_client *client, struct tael_server *out)
{
    *out = (struct tael_server){
        .log_id = u128_out(client->welcome.log_id),
        .principal = client->welcome.principal,
        .position = client->welcome.position,
        .timestamp = client->welcome.timestamp,
        .protocol = client->welcome.protocol,
        .in_flight_max = client->welcome.in_flight_max,
    };
    return client->is_welcomed;
}

uint64_t tael_position(const struct tael_client *client)
{
    return client->position;
}

struct tael_u128 tael_id(struct tael_client *client)
{
    u128 random = 0;
    // Of so few bytes the kernel gives all, once it has any.
    const ssize_t got = getrandom(&random, sizeof random, 0);
    assert(got == (ssize_t)sizeof random);
    const u128 time = (u128)(clock_wall() / NS_PER_MS) << ID_RANDOM_BITS;
    u128 id = time | random >> (128 - ID_RANDOM_BITS);
    // In the same millisecond, or when the clock was set back: on from the one before.
    if (id <= client->last_id || time == client->last_id >> ID_RANDOM_BITS << ID_RANDOM_BITS) {
        id = client->last_id + 1 + (u32)random;
    }
    client->last_id = id;
    return u128_out(id);
}

const char *tael_error_text(enum tael_error error)
{
    static const char *const texts[] = {
        [TAEL_OK] = "ok",
        [TAEL_ERROR_TIMEOUT] = "no answer in time",
        [TAEL_ERROR_ENDED] = "the client has ended",
        [TAEL_ERROR_ARGUMENT] = "the call breaks its contract",
        [TAEL_ERROR_MEMORY] = "no memory",
        [TAEL_ERROR_CROWDED] = "too many requests are open",
    };
    return (size_t)error < ARRAY_COUNT(texts) ? texts[error] : "unknown";
}

const char *tael_result_text(enum tael_result result)
{
    return tael_status_text((u32)result);
}

uint64_t tael_now(void)
{
    return clock_steady();
}

// --- requests ------------------------------------------------------------------------------------

static u64 deadline_after(u64 now, u64 timeout_ms)
{
    return timeout_ms >= (U64_MAX - now) / NS_PER_MS ? U64_MAX : now + timeout_ms * NS_PER_MS;
}

static u64 timeout_or_default(const struct tael_client *client, u64 timeout_ms)
{
    return timeout_ms != 0 ? timeout_ms : client->timeout_ms;
}

static struct request *request_find(const struct tael_client *client, u64 ticket)
{
    const u64 slot = ticket % TAEL_OPEN_MAX;
    if (ticket == 0 || slot >= client->request_max) return NULL;
    struct request *request = &client->requests[slot];
    const bool is_open = request->state != REQUEST_FREE && request->state != REQUEST_GIVEN_UP;
    return is_open && request->ticket == ticket ? request : NULL;
}

void request_close(struct tael_client *client, struct request *request)
{
    if (request->state == REQUEST_SENT || request->state == REQUEST_GIVEN_UP) client->in_flight--;
    if (request->state != REQUEST_GIVEN_UP) client->open_count--;
    free(request->kept);
    memset(request, 0, sizeof *request);
}

// Copies what an answer points to behind the request. False when there is no memory.
static bool answer_keep(struct request *request, struct tael_answer *answer)
{
    const size_t text_size = strlen(answer->text) + 1;
    u8 *kept = malloc(answer->body_size + text_size);
    if (kept == NULL) return false;
    if (answer->body_size > 0) {
        memcpy(kept, answer->body, answer->body_size);
        answer->body = kept;
    }
    if (answer->replies != NULL) answer->replies = (const void *)kept;
    if (answer->results != NULL) answer->results = (const void *)kept;
    answer->text = memcpy(kept + answer->body_size, answer->text, text_size);
    request->kept = kept;
    return true;
}

bool request_answer(struct tael_client *client, struct request *request,
                    const struct tael_answer *answer, u32 lent)
{
    struct tael_answer told = *answer;
    told.ticket = request->ticket;
    if (request->callback != NULL) {
        tael_callback *callback = request->callback;
        void *context = request->context;
        if (told.error != TAEL_ERROR_TIMEOUT) request_close(client, request);
        client->is_in_callback = true;
        callback(context, &told);
        client->is_in_callback = false;
        return true;
    }
    assert(told.error != TAEL_ERROR_TIMEOUT);
    if (client->awaited == request->ticket) {
        client->lent = lent;
    } else if (!answer_keep(request, &told)) {
        return false;
    }
    if (request->state == REQUEST_SENT) client->in_flight--;
    request->state = REQUEST_ANSWERED;
    request->answer = told;
    return true;
}

// Why nothing may be submitted now, or TAEL_OK; and the slot.
static enum tael_error slot_take(struct tael_client *client, u32 *slot)
{
    if (client->state == CLIENT_ENDED) return TAEL_ERROR_ENDED;
    for (u32 i = 0; i < client->request_max; i++) {
        if (client->requests[i].state != REQUEST_FREE) continue;
        *slot = i;
        return TAEL_OK;
    }
    client_note(client, "%u requests are open, as many as may be", client->request_max);
    return TAEL_ERROR_CROWDED;
}

// Opens a request whose header is all but sealed.
static enum tael_error request_open(struct tael_client *client, const struct tael_header *header,
                                    const void *body, u32 body_size, enum lane lane, u64 deadline,
                                    struct request **out)
{
    u32 slot = 0;
    const enum tael_error error = slot_take(client, &slot);
    if (error != TAEL_OK) return error;
    struct request *request = &client->requests[slot];
    *request = (struct request){
        .header = *header,
        .body = body,
        .state = REQUEST_WAITING,
        .lane = lane,
        .ticket = ++client->submitted * TAEL_OPEN_MAX + slot,
        .submitted_at = clock_steady(),
        .deadline = deadline,
    };
    request->header.correlation = request->ticket;
    tael_header_seal(&request->header, body, body_size);
    client->open_count++;
    *out = request;
    return TAEL_OK;
}

static enum tael_error argument_error(struct tael_client *client, const char *rule)
{
    client_note(client, "%s", rule);
    return TAEL_ERROR_ARGUMENT;
}

static enum tael_error command_open(struct tael_client *client, const struct tael_command *command,
                                    u64 timeout_ms, struct request **out)
{
    if (u128_in(command->id) == 0) return argument_error(client, "a command has an id, not 0");
    if (command->count == 0) return argument_error(client, "a command has a record or more");
    if (command->reserved != 0) return argument_error(client, "a reserved field is zero");
    if (command->body_size > TAEL_BODY_MAX || (command->body_size > 0 && command->body == NULL)) {
        return argument_error(client, "a body has TAEL_BODY_MAX bytes at most");
    }
    const struct tael_header header = {
        .head = {.command = TAEL_COMMAND},
        .command_id = u128_in(command->id),
        .record = command->record,
        .version = command->version,
        .count = command->count,
        .expires_at = command->expires_at,
        .principal = command->principal,
    };
    const u64 deadline = deadline_after(clock_steady(), timeout_or_default(client, timeout_ms));
    return request_open(client, &header, command->body, command->body_size, LANE_COMMANDS, deadline,
                        out);
}

static enum tael_error question_open(struct tael_client *client,
                                     const struct tael_question *question, u64 timeout_ms,
                                     struct request **out)
{
    if (question->reserved != 0) return argument_error(client, "a reserved field is zero");
    if (question->body_size > TAEL_BODY_MAX ||
        (question->body_size > 0 && question->body == NULL)) {
        return argument_error(client, "a body has TAEL_BODY_MAX bytes at most");
    }
    struct tael_header header = {
        .head = {.command = TAEL_QUESTION},
        .record = question->record,
        .version = question->version,
        .limit = question->limit,
        .count = 1,
        .position =
            question->position == TAEL_POSITION_SEEN ? client->position : question->position,
        .principal = question->principal,
    };
    memcpy(header.cursor, question->cursor, sizeof header.cursor);
    const u64 deadline = deadline_after(clock_steady(), timeout_or_default(client, timeout_ms));
    return request_open(client, &header, question->body, question->body_size, LANE_QUESTIONS,
                        deadline, out);
}

static void request_hand_over(struct request *request, tael_callback *callback, void *context,
                              u64 *ticket)
{
    request->callback = callback;
    request->context = context;
    if (ticket != NULL) *ticket = request->ticket;
}

enum tael_error tael_submit_command(struct tael_client *client, const struct tael_command *command,
                                    uint64_t timeout_ms, tael_callback *callback, void *context,
                                    uint64_t *ticket)
{
    struct request *request = NULL;
    const enum tael_error error = command_open(client, command, timeout_ms, &request);
    if (error == TAEL_OK) request_hand_over(request, callback, context, ticket);
    return error;
}

enum tael_error tael_submit_question(struct tael_client *client,
                                     const struct tael_question *question, uint64_t timeout_ms,
                                     tael_callback *callback, void *context, uint64_t *ticket)
{
    struct request *request = NULL;
    const enum tael_error error = question_open(client, question, timeout_ms, &request);
    if (error == TAEL_OK) request_hand_over(request, callback, context, ticket);
    return error;
}

enum tael_error tael_wait_on(struct tael_client *client, uint64_t ticket, uint64_t timeout_ms)
{
    struct request *request = request_find(client, ticket);
    if (request == NULL) return argument_error(client, "no request with this ticket is open");
    request->deadline = deadline_after(clock_steady(), timeout_or_default(client, timeout_ms));
    return TAEL_OK;
}

enum tael_error tael_give_up(struct tael_client *client, uint64_t ticket, bool *maybe_applied)
{
    struct request *request = request_find(client, ticket);
    if (request == NULL) return argument_error(client, "no request with this ticket is open");
    if (maybe_applied != NULL) {
        *maybe_applied = request->state == REQUEST_ANSWERED ? request->answer.maybe_applied
                                                            : request_is_unsure(request);
    }
    if (request->state != REQUEST_SENT) {
        request_close(client, request);
        return TAEL_OK;
    }
    const bool is_going_out = request_is_going_out(client, request);
    request->state = REQUEST_GIVEN_UP;
    request->body = NULL;
    client->open_count--;
    if (is_going_out) { // T4
        client_lost(client, clock_steady(), "a request was given up while it was being sent");
    }
    return TAEL_OK;
}

uint32_t tael_open_count(const struct tael_client *client)
{
    return client->open_count;
}

// --- steps ---------------------------------------------------------------------------------------

// Whether a refusal that is tried again can be handed out: no sending is in doubt.
static bool refusal_is_final(const struct request *request)
{
    return request->state == REQUEST_WAITING && request->refused != TAEL_RESULT_DONE &&
           !request->is_unsure;
}

// Whether a passed deadline has something to tell.
static bool deadline_counts(const struct request *request)
{
    const bool is_open = request->state == REQUEST_WAITING || request->state == REQUEST_SENT;
    return is_open && request->deadline != U64_MAX &&
           (request->callback != NULL || refusal_is_final(request));
}

static void timeout_note(struct tael_client *client)
{
    char place[ADDRESS_TEXT_SIZE];
    (void)address_print(&client->address, place);
    const char *lost = client->state == CLIENT_UP ? "" : client->lost;
    client_note(client, "no answer from %s in time%s%s", place, lost[0] == 0 ? "" : "; ", lost);
}

// Tells whose deadline has passed.
static void deadlines_tell(struct tael_client *client, u64 now)
{
    for (u32 i = 0; i < client->request_max; i++) {
        struct request *request = &client->requests[i];
        if (!deadline_counts(request) || now < request->deadline) continue;
        struct tael_answer answer = {.text = "", .latency_ns = now - request->submitted_at};
        if (refusal_is_final(request)) {
            answer.result = request->refused;
            answer.text = tael_result_text(request->refused);
            // Without memory to keep it, it is told at another step.
            if (!request_answer(client, request, &answer, 0)) request->deadline = now + NS_PER_MS;
            continue;
        }
        answer.error = TAEL_ERROR_TIMEOUT;
        answer.maybe_applied = request_is_unsure(request);
        request->deadline = U64_MAX;
        timeout_note(client);
        const bool is_told = request_answer(client, request, &answer, 0);
        assert(is_told);
    }
}

// Tells everybody that there will be no answer.
static void end_tell(struct tael_client *client)
{
    for (u32 i = 0; i < client->request_max; i++) {
        struct request *request = &client->requests[i];
        if (request->state != REQUEST_WAITING) continue;
        const struct tael_answer answer = {
            .error = TAEL_ERROR_ENDED,
            .maybe_applied = request_is_unsure(request),
            .text = "",
        };
        if (!request_answer(client, request, &answer, 0)) continue; // At the next step.
    }
}

static enum tael_error step(struct tael_client *client)
{
    lent_release(client);
    const u64 now = clock_steady();
    client_advance(client, now);
    client_send(client, now);
    client_receive(client, now);
    client_judge_silence(client, now);
    deadlines_tell(client, now);
    client_send(client, now); // What was submitted by those who were called back.
    if (client->state != CLIENT_ENDED) return TAEL_OK;
    end_tell(client);
    return TAEL_ERROR_ENDED;
}

enum tael_error tael_step(struct tael_client *client)
{
    if (client->is_in_callback) return argument_error(client, "a callback may not step");
    return step(client);
}

// --- waiting -------------------------------------------------------------------------------------

int tael_fd(const struct tael_client *client)
{
    return client->fd;
}

short tael_events(const struct tael_client *client)
{
    if (client->state == CLIENT_CONNECTING) return POLLOUT;
    if (client->state != CLIENT_GREETING && client->state != CLIENT_UP) return 0;
    return (short)(POLLIN | (client_has_more(client, clock_steady()) ? POLLOUT : 0));
}

uint64_t tael_wake_at(const struct tael_client *client)
{
    u64 at = client_connection_wake_at(client);
    bool waits[LANE_COUNT] = {false};
    for (u32 i = 0; i < client->request_max; i++) {
        const struct request *request = &client->requests[i];
        if (request->state == REQUEST_FREE) continue;
        if (deadline_counts(request)) at = MIN(at, request->deadline);
        if (request->state == REQUEST_WAITING) waits[request->lane] = true;
        if (request->state == REQUEST_WAITING && client->state == CLIENT_ENDED) return 0;
    }
    const u64 now = clock_steady();
    for (u32 i = 0; i < LANE_COUNT && client->state == CLIENT_UP; i++) {
        const u64 until = client->lanes[i].pause_until;
        if (waits[i] && until > now) at = MIN(at, until);
    }
    return at;
}

static void wait_until(const struct tael_client *client, u64 until)
{
    until = MIN(until, tael_wake_at(client));
    const u64 now = clock_steady();
    if (until <= now) return;
    struct pollfd waiting = {.fd = client->fd, .events = tael_events(client)};
    const u64 left = until - now;
    const struct timespec limit = {.tv_sec = (time_t)MIN(left / NS_PER_S, 3600u),
                                   .tv_nsec = (long)(left % NS_PER_S)};
    (void)ppoll(&waiting, 1, &limit, NULL); // Interrupted is as good as woken.
}

enum tael_error tael_wait(struct tael_client *client, uint64_t timeout_ms)
{
    if (client->is_in_callback) return argument_error(client, "a callback may not wait");
    if (client->lent > 0) return step(client); // What follows the answer is here already.
    wait_until(client, deadline_after(clock_steady(), timeout_ms));
    return step(client);
}

// --- one call at a time --------------------------------------------------------------------------

enum tael_error tael_connect(struct tael_client *client, uint64_t timeout_ms)
{
    if (client->is_in_callback) return argument_error(client, "a callback may not connect");
    const u64 until = deadline_after(clock_steady(), timeout_or_default(client, timeout_ms));
    for (;;) {
        if (step(client) != TAEL_OK) return TAEL_ERROR_ENDED;
        if (client->state == CLIENT_UP) return TAEL_OK;
        if (clock_steady() >= until) break;
        wait_until(client, until);
    }
    timeout_note(client);
    return TAEL_ERROR_TIMEOUT;
}

// Gives the answer of a request to the caller, and closes it.
static enum tael_error answer_fetch(struct tael_client *client, struct request *request,
                                    struct tael_answer *answer)
{
    *answer = request->answer;
    client->kept = request->kept; // Until the next step.
    request->kept = NULL;
    request_close(client, request);
    return answer->error;
}

static enum tael_error request_await(struct tael_client *client, struct request *request, u64 until,
                                     struct tael_answer *answer)
{
    enum tael_error error = TAEL_ERROR_TIMEOUT;
    const u64 ticket = request->ticket;
    client->awaited = ticket;
    for (;;) {
        (void)step(client);
        if (request_find(client, ticket) == NULL) {
            error = argument_error(client, "a callback gave up what is waited for");
            answer->error = error;
            break;
        }
        if (request->state == REQUEST_ANSWERED) {
            error = answer_fetch(client, request, answer);
            break;
        }
        if (clock_steady() >= until) {
            answer->error = error;
            answer->maybe_applied = request_is_unsure(request);
            timeout_note(client);
            break;
        }
        wait_until(client, until);
    }
    client->awaited = 0;
    return error;
}

enum tael_error tael_await(struct tael_client *client, uint64_t ticket, uint64_t timeout_ms,
                           struct tael_answer *answer)
{
    *answer = (struct tael_answer){.ticket = ticket, .error = TAEL_ERROR_ARGUMENT, .text = ""};
    if (client->is_in_callback) return argument_error(client, "a callback may not wait");
    struct request *request = request_find(client, ticket);
    if (request == NULL || request->callback != NULL) {
        return argument_error(client, "no request without a callback has this ticket");
    }
    const u64 until = deadline_after(clock_steady(), timeout_ms);
    if (request->state != REQUEST_ANSWERED) request->deadline = MAX(request->deadline, until);
    return request_await(client, request, until, answer);
}

enum tael_error tael_command(struct tael_client *client, const struct tael_command *command,
                             uint64_t timeout_ms, struct tael_answer *answer)
{
    struct request *request = NULL;
    *answer = (struct tael_answer){.text = ""};
    if (client->is_in_callback) answer->error = argument_error(client, "a callback may not wait");
    else answer->error = command_open(client, command, timeout_ms, &request);
    if (answer->error != TAEL_OK) return answer->error;
    answer->ticket = request->ticket;
    return request_await(client, request, request->deadline, answer);
}

enum tael_error tael_ask(struct tael_client *client, const struct tael_question *question,
                         uint64_t timeout_ms, struct tael_answer *answer)
{
    struct request *request = NULL;
    *answer = (struct tael_answer){.text = ""};
    if (client->is_in_callback) answer->error = argument_error(client, "a callback may not wait");
    else answer->error = question_open(client, question, timeout_ms, &request);
    if (answer->error != TAEL_OK) return answer->error;
    answer->ticket = request->ticket;
    return request_await(client, request, request->deadline, answer);
}
