// SPDX-License-Identifier: Apache-2.0
//
// What a client receives: welcomes, answers and pongs, each checked before it is believed.
#include "client/client_internal.h"
#include "machine/commit.h"
#include "server/clock.h"

#include <errno.h>
#include <stdio.h>

// So that one client's flood does not starve the others of a loop.
#define RECEIVES_A_STEP 64u

static_assert(sizeof(struct tael_reply) == sizeof(struct command_reply), "as on the wire");
static_assert(offsetof(struct tael_reply, position) == offsetof(struct command_reply, position) &&
                  offsetof(struct tael_reply, evidence) == offsetof(struct command_reply, evidence),
              "as on the wire");
static_assert(sizeof(struct tael_account) == sizeof(struct account) &&
                  offsetof(struct tael_account, timestamp) == offsetof(struct account, timestamp) &&
                  sizeof(struct tael_transfer) == sizeof(struct transfer) &&
                  offsetof(struct tael_transfer, timestamp) ==
                      offsetof(struct transfer, timestamp) &&
                  sizeof(struct tael_create_result) == sizeof(struct create_result),
              "as on the wire");
static_assert(TAEL_CREATED == (u32)CREATE_TRANSFER_CREATED &&
                  TAEL_RAW_MAX == LEDGER_BATCH_EVENTS_MAX,
              "as the ledger has it");
static_assert(TAEL_BODY_MAX == TAEL_BODY_SIZE_MAX, "as on the wire");
static_assert(TAEL_RECORD_ALIGNMENT == COMMAND_RECORD_ALIGNMENT, "as on the wire");
static_assert((u32)TAEL_RECORD_DONE == (u32)MODULE_DONE &&
                  (u32)TAEL_RECORD_POSTING_REFUSED == (u32)MODULE_POSTING_REFUSED &&
                  (u32)TAEL_RECORD_FULL == (u32)MODULE_FULL &&
                  (u32)TAEL_RECORD_EXISTS == (u32)MODULE_EXISTS &&
                  (u32)TAEL_RECORD_EXISTS_WITH_DIFFERENT_CONTENT ==
                      (u32)MODULE_EXISTS_WITH_DIFFERENT_CONTENT &&
                  (u32)TAEL_RECORD_CONSTRAINT_BROKEN == (u32)MODULE_CONSTRAINT_BROKEN &&
                  (u32)TAEL_RECORD_IN_THE_FUTURE == (u32)MODULE_IN_THE_FUTURE &&
                  (u32)TAEL_RECORD_SUB_LEDGER_BROKEN == (u32)MODULE_SUB_LEDGER_BROKEN,
              "as on the wire");
static_assert((u32)TAEL_RESULT_DONE == (u32)TAEL_DONE && (u32)TAEL_RESULT_FULL == (u32)TAEL_FULL &&
                  (u32)TAEL_RESULT_BUSY == (u32)TAEL_BUSY &&
                  (u32)TAEL_RESULT_TABLE_FULL == (u32)TAEL_TABLE_FULL &&
                  (u32)TAEL_RESULT_UNKNOWN_RECORD == (u32)TAEL_UNKNOWN_RECORD &&
                  (u32)TAEL_RESULT_MALFORMED == (u32)TAEL_MALFORMED &&
                  (u32)TAEL_RESULT_NOT_PERMITTED == (u32)TAEL_NOT_PERMITTED &&
                  (u32)TAEL_RESULT_REUSED == (u32)TAEL_REUSED &&
                  (u32)TAEL_RESULT_OVERRIDDEN == (u32)TAEL_OVERRIDDEN &&
                  (u32)TAEL_RESULT_EXPIRED == (u32)TAEL_EXPIRED &&
                  (u32)TAEL_RESULT_REFUSED == (u32)TAEL_REFUSED,
              "as on the wire");

// Copies a text of the server's, for people: bytes that are none of a text become blanks.
static void text_copy(char *out, u32 room, const u8 *text, u32 size)
{
    const u32 length = MIN(size, room - 1);
    memcpy(out, text, length);
    out[length] = 0;
    for (u32 i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] == 127) out[i] = ' ';
    }
}

// --- being let in --------------------------------------------------------------------------------

static void challenge_take(struct tael_client *client, u64 now, const struct tael_header *header,
                           const u8 *body)
{
    struct tael_challenge challenge;
    if (client->is_challenged || tael_body_size(header) != sizeof challenge) {
        client_lost(client, now, "the server broke the protocol: a challenge of %u bytes%s",
                    tael_body_size(header), client->is_challenged ? ", the second one" : "");
        return;
    }
    memcpy(&challenge, body, sizeof challenge);
    client->is_challenged = true;
    client_prove(client, &challenge);
}

// What the server offers, or why the client cannot take it.
static const char *welcome_judge(const struct tael_client *client,
                                 const struct tael_welcome *welcome)
{
    if (welcome->protocol != TAEL_PROTOCOL) return "speaks another version of the protocol";
    if (welcome->body_size_max != TAEL_BODY_SIZE_MAX || welcome->in_flight_max == 0) {
        return "has other limits than the protocol's";
    }
    if (client->principal != 0 && client->principal != welcome->principal) {
        return "takes this client for another principal";
    }
    if (client->is_welcomed && client->welcome.log_id != welcome->log_id) {
        // What is in flight might be applied in both.
        return "has another log than before";
    }
    return NULL;
}

static void welcome_take(struct tael_client *client, u64 now, const struct tael_header *header,
                         const u8 *body)
{
    char place[ADDRESS_TEXT_SIZE];
    (void)address_print(&client->address, place);
    if (header->status != TAEL_DONE) {
        text_copy(client->turned_away_text, sizeof client->turned_away_text, body,
                  tael_body_size(header));
        if (client->turned_away_text[0] == 0) {
            (void)snprintf(client->turned_away_text, sizeof client->turned_away_text, "%s",
                           tael_status_text(header->status));
        }
        client_lost(client, now, "%s does not let this client in: %s", place,
                    client->turned_away_text);
        return;
    }
    struct tael_welcome welcome;
    if (tael_body_size(header) != sizeof welcome) {
        client_lost(client, now, "a welcome of %u bytes, not %zu", tael_body_size(header),
                    sizeof welcome);
        return;
    }
    memcpy(&welcome, body, sizeof welcome);
    const char *reason = welcome_judge(client, &welcome);
    if (reason != NULL) {
        client_note(client, "the server at %s %s", place, reason);
        client_end(client);
        return;
    }
    client->welcome = welcome;
    client->is_welcomed = true;
    client->position = MAX(client->position, welcome.position);
    client->state = CLIENT_UP;
    client->turned_away = 0;
    client->connect_delay_ns = CLIENT_DELAY_MIN_NS;
    client->problem[0] = 0;
}

// --- answers -------------------------------------------------------------------------------------

// The request that a header answers, or NULL with the rule that it breaks.
static struct request *request_of(const struct tael_client *client,
                                  const struct tael_header *header, const char **rule)
{
    const u64 slot = header->correlation % TAEL_OPEN_MAX;
    struct request *request = slot < client->request_max ? &client->requests[slot] : NULL;
    *rule = "an answer to nothing that is open";
    if (request == NULL || request->ticket != header->correlation) return NULL;
    if (request->state != REQUEST_SENT && request->state != REQUEST_GIVEN_UP) return NULL;
    *rule = "an answer to a message that was not sent whole";
    if (request_is_going_out(client, request)) return NULL;
    const bool is_command = request->lane == LANE_COMMANDS;
    *rule = "an answer to another command or record";
    // The record of an answer to a question is that of the views.
    if (request->header.command_id != header->command_id ||
        (is_command && request->header.record != header->record)) {
        return NULL;
    }
    *rule = "an answer of the wrong kind";
    const bool is_reply = header->head.command == TAEL_REPLY;
    // A question that is refused before it is understood is told so by a reply.
    if (is_command ? !is_reply : is_reply && header->status == TAEL_DONE) return NULL;
    return request;
}

// Of raw accounts and transfers, a result each; of other records, a reply each.
static bool is_raw(const struct request *request)
{
    return request->lane == LANE_COMMANDS && (request->header.record == TAEL_RECORD_ACCOUNT ||
                                              request->header.record == TAEL_RECORD_TRANSFER);
}

static u32 reply_size(const struct request *request)
{
    return is_raw(request) ? (u32)sizeof(struct tael_create_result)
                           : (u32)sizeof(struct command_reply);
}

// Whether the body is as the header says, and as the request wants.
static bool body_fits(const struct request *request, const struct tael_header *header)
{
    const u32 size = tael_body_size(header);
    if (header->status == TAEL_REFUSED) return size == sizeof(struct command_reply);
    if (header->status != TAEL_DONE) return true;
    if (request->lane == LANE_COMMANDS) {
        return header->count == request->header.count &&
               size == (u64)header->count * reply_size(request);
    }
    return header->count <= size && (header->count > 0 || size == 0);
}

// FULL and BUSY are tried again. False when the deadline or the options say otherwise.
static bool request_put_back(struct tael_client *client, struct request *request, u32 status,
                             u64 now)
{
    if (status != TAEL_FULL && status != TAEL_BUSY) return false;
    if (!client->is_retrying || now >= request->deadline) return false;
    struct lane_state *lane = &client->lanes[request->lane];
    request->state = REQUEST_WAITING;
    request->refused = (enum tael_result)status;
    client->in_flight--;
    lane->is_probing = true;
    if (now < lane->pause_until) return true; // One of those that were in flight together.
    lane->pause_ns = MIN(MAX(lane->pause_ns * 2, CLIENT_PAUSE_MIN_NS), CLIENT_PAUSE_MAX_NS);
    lane->pause_until = now + lane->pause_ns;
    return true;
}

// Whether a refusal leaves open what became of an earlier sending.
static bool refusal_is_unsure(const struct request *request, u32 status)
{
    const bool is_of_the_log =
        status == TAEL_DONE || status == TAEL_REUSED || status == TAEL_OVERRIDDEN;
    return !is_of_the_log && request->is_unsure && request->lane == LANE_COMMANDS;
}

static void answer_take(struct tael_client *client, u64 now, const struct tael_header *header,
                        const u8 *body)
{
    const char *rule = NULL;
    struct request *request = request_of(client, header, &rule);
    if (request == NULL) {
        client_lost(client, now, "the server broke the protocol: %s", rule);
        return;
    }
    if (request->state == REQUEST_GIVEN_UP) {
        request_close(client, request);
        return;
    }
    const u32 size = tael_body_size(header);
    if (!body_fits(request, header)) {
        client_lost(client, now, "the server broke the protocol: %u replies in %u bytes to %u",
                    header->count, size, request->header.count);
        return;
    }
    client->position = MAX(client->position, header->position);
    if (request_put_back(client, request, header->status, now)) return;
    client->lanes[request->lane] = (struct lane_state){0};
    const bool is_done = header->status == TAEL_DONE;
    const bool is_refused = header->status == TAEL_REFUSED;
    const bool has_body = is_done || is_refused;
    if (is_refused) text_copy(client->text, sizeof client->text, (const u8 *)"refused", 7);
    else if (!is_done) text_copy(client->text, sizeof client->text, body, size);
    struct tael_answer answer = {
        .maybe_applied = refusal_is_unsure(request, header->status),
        .has_more = !is_zero(header->cursor, sizeof header->cursor),
        .result = (enum tael_result)header->status,
        .record = header->record,
        .count = is_done ? header->count : is_refused,
        .body_size = has_body ? size : 0,
        .body = has_body && size > 0 ? body : NULL,
        .text = is_done ? "" : client->text,
        .position = header->position,
        .timestamp = header->timestamp,
        .latency_ns = now - request->submitted_at,
    };
    if (is_refused || (is_done && request->lane == LANE_COMMANDS)) {
        if (is_raw(request)) answer.results = (const void *)body;
        else answer.replies = (const void *)body;
    }
    memcpy(answer.cursor, header->cursor, sizeof answer.cursor);
    if (!request_answer(client, request, &answer, header->head.size)) {
        client_lost(client, now, "no memory to keep an answer");
    }
}

// --- messages ------------------------------------------------------------------------------------

// Judges the header of the message that begins. False when the connection or the client was ended.
static bool header_take(struct tael_client *client, u64 now)
{
    const struct tael_header *header = &client->header;
    bool is_fatal = false;
    memcpy(&client->header, client->buffer + client->begin, sizeof client->header);
    const char *rule = tael_header_check(header, &is_fatal);
    if (rule != NULL && tael_header_is_whole(header) && header->head.protocol != TAEL_PROTOCOL) {
        char place[ADDRESS_TEXT_SIZE];
        client_note(client, "the server at %s speaks version %u of the protocol, not %u",
                    address_print(&client->address, place), header->head.protocol, TAEL_PROTOCOL);
        client_end(client);
        return false;
    }
    if (rule != NULL) {
        client_lost(client, now, "a message arrived broken: %s", rule);
        return false;
    }
    client->is_header_in = true;
    client->absorbed = 0;
    checksum_begin(&client->sum);
    return true;
}

static void message_handle(struct tael_client *client, u64 now, const u8 *body)
{
    const struct tael_header *header = &client->header;
    const u8 kind = header->head.command;
    if (client->state == CLIENT_GREETING && kind == TAEL_WELCOME) {
        welcome_take(client, now, header, body);
    } else if (client->state == CLIENT_GREETING && kind == TAEL_CHALLENGE) {
        challenge_take(client, now, header, body);
    } else if (client->state == CLIENT_UP && (kind == TAEL_REPLY || kind == TAEL_ANSWER)) {
        answer_take(client, now, header, body);
    } else if (client->state != CLIENT_UP || kind != TAEL_PONG) {
        client_lost(client, now, "the server broke the protocol: a message of kind %#x", kind);
    }
}

static bool is_reading(const struct tael_client *client)
{
    return (client->state == CLIENT_GREETING || client->state == CLIENT_UP) && client->lent == 0;
}

static void buffer_pack(struct tael_client *client)
{
    client->end -= client->begin;
    memmove(client->buffer, client->buffer + client->begin, client->end);
    client->begin = 0;
}

// Takes the first message of the buffer if it is whole. False when there is none, or nothing may be
// read on.
static bool message_take(struct tael_client *client, u64 now)
{
    if (client->end - client->begin < MESSAGE_HEADER_SIZE) return false;
    if (!client->is_header_in) {
        if (client->begin % 16 != 0) buffer_pack(client); // Replies are looked at in place.
        if (!header_take(client, now)) return false;
    }
    const u32 size = client->header.head.size;
    const u8 *body = client->buffer + client->begin + MESSAGE_HEADER_SIZE;
    const u32 in = MIN(client->end - client->begin, size) - MESSAGE_HEADER_SIZE;
    checksum_update(&client->sum, body + client->absorbed, in - client->absorbed);
    client->absorbed = in;
    if (client->end - client->begin < size) return false;
    if (checksum_end(&client->sum) != client->header.head.checksum_body) {
        client_lost(client, now, "a message arrived broken: the body's checksum does not match");
        return false;
    }
    client->is_header_in = false;
    message_handle(client, now, body);
    if (!is_reading(client)) return false;
    client->begin += size;
    return true;
}

void client_receive(struct tael_client *client, u64 now)
{
    for (u32 i = 0; i < RECEIVES_A_STEP; i++) {
        while (message_take(client, i == 0 ? now : clock_steady())) {
        }
        client->is_unread = client->lent > 0;
        if (!is_reading(client)) return;
        if (client->begin == client->end) client->begin = client->end = 0;
        const bool is_crowded = CLIENT_BUFFER_SIZE - client->end < 64u * KIB;
        if (is_crowded && client->begin > 0) buffer_pack(client);
        const ssize_t got =
            recv(client->fd, client->buffer + client->end, CLIENT_BUFFER_SIZE - client->end, 0);
        if (got < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR) continue;
            client_lost(client, now, "receiving: %s", strerror(errno));
            return;
        }
        if (got == 0) {
            client_lost(client, now, "the server closed the connection%s",
                        client->end > client->begin ? " inside a message" : "");
            return;
        }
        client->end += (u32)got;
        client->heard_at = now;
        client->is_ping_sent = false;
    }
}
