// SPDX-License-Identifier: Apache-2.0
//
// The oracle.
#include "oracle.h"
#include "must.h"

#include "base/checksum.h"
#include "machine/commit.h"

#include <stdlib.h>

void oracle_init(struct oracle *oracle)
{
    *oracle = (struct oracle){.model = ledger_model_new()};
}

void oracle_free(struct oracle *oracle)
{
    for (u32 i = 0; i < MACHINE_SESSIONS_MAX; i++) free(oracle->sessions[i].reply);
    for (u32 i = 0; i < oracle->raw_count; i++) free(oracle->raws[i].reply);
    free(oracle->raws);
    free(oracle->displaced);
    ledger_model_free(oracle->model);
}

static struct oracle_session *session_find(struct oracle *oracle, u128 client)
{
    for (u32 i = 0; i < MACHINE_SESSIONS_MAX; i++) {
        if (oracle->sessions[i].client == client) return &oracle->sessions[i];
    }
    return NULL;
}

const struct oracle_session *oracle_session(const struct oracle *oracle, u128 client)
{
    for (u32 i = 0; i < MACHINE_SESSIONS_MAX; i++) {
        if (oracle->sessions[i].client == client) return &oracle->sessions[i];
    }
    return NULL;
}

bool oracle_is_displaced(const struct oracle *oracle, u128 client)
{
    for (u32 i = oracle->displaced_count; i-- > 0;) {
        if (oracle->displaced[i] == client) return true;
    }
    return false;
}

static void displaced_add(struct oracle *oracle, u128 client)
{
    if (oracle->displaced_count == oracle->displaced_room) {
        oracle->displaced_room = 2 * oracle->displaced_room + 64;
        oracle->displaced =
            must(realloc(oracle->displaced, oracle->displaced_room * sizeof *oracle->displaced));
    }
    oracle->displaced[oracle->displaced_count++] = client;
}

// A free place, else that of the session that is named, else that of the one whose last command
// lies furthest back.
static struct oracle_session *session_new(struct oracle *oracle, u128 client, u64 named)
{
    struct oracle_session *place = session_find(oracle, 0);
    if (place == NULL) {
        place = &oracle->sessions[0];
        for (u32 i = 1; i < MACHINE_SESSIONS_MAX; i++) {
            if (oracle->sessions[i].position < place->position) place = &oracle->sessions[i];
        }
        for (u32 i = 0; i < MACHINE_SESSIONS_MAX; i++) {
            if (oracle->sessions[i].number == named) place = &oracle->sessions[i];
        }
        displaced_add(oracle, place->client);
        oracle->evicted++;
    }
    free(place->reply);
    *place = (struct oracle_session){.client = client, .number = oracle->position};
    return place;
}

static u32 trailer_size(u32 batch_count, u32 element_size)
{
    u32 size = 0;
    while (size < 2 * batch_count + 2) size += element_size;
    return size;
}

// The reply to a create: results of each batch, then a trailer unless the operation has none.
static u32 create_reply(const struct compat_operation *operation,
                        const struct compat_batches *batches, const struct create_result *results,
                        u8 *reply)
{
    u32 size = 0;
    u32 event = 0;
    assert(batches->batch_count > 0);
    u16 *counts = must(calloc(batches->batch_count, sizeof *counts));
    for (u32 i = 0; i < batches->batch_count; i++) {
        for (u32 j = 0; j < compat_batch_count(batches, i); j++, event++) {
            if (operation->sparse) {
                if (results[event].status == U32_MAX) continue;
                store_u32(reply + size, j);
                store_u32(reply + size + 4, results[event].status);
                size += 8;
            } else {
                memcpy(reply + size, &results[event], 16);
                size += 16;
            }
            counts[i]++;
        }
    }
    if (operation->multi_batch) {
        u32 trailer = trailer_size(batches->batch_count, operation->result_size);
        memset(reply + size, 0xFF, trailer);
        size += trailer;
        store_u16(reply + size - 2, (u16)batches->batch_count);
        for (u32 i = 0; i < batches->batch_count; i++) {
            store_u16(reply + size - 4 - 2 * i, counts[i]);
        }
    }
    free(counts);
    return size;
}

// Creates what the batches ask for: a result each, of malloc.
static struct create_result *batches_apply(struct oracle *oracle, bool is_accounts,
                                           const struct compat_batches *batches)
{
    struct create_result *results =
        must(calloc(batches->event_count + 1, sizeof(struct create_result)));
    u32 event = 0;
    for (u32 i = 0; i < batches->batch_count; i++) {
        u32 count = compat_batch_count(batches, i);
        const void *events = batches->events + (size_t)event * 128;
        oracle->timestamp += count;
        if (is_accounts) {
            ledger_model_create_accounts(oracle->model, oracle->timestamp, events, count,
                                         results + event);
        } else {
            ledger_model_create_transfers(oracle->model, oracle->timestamp, events, count,
                                          results + event);
        }
        event += count;
    }
    return results;
}

static void apply_create(struct oracle *oracle, const struct frame_command *command, const u8 *body,
                         struct oracle_session *session)
{
    const struct compat_operation *operation = compat_operation((u8)command->operation);
    struct compat_batches batches;
    bool valid = compat_decode(operation, body, command->body_size, &batches);
    assert(valid);
    const bool is_accounts = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS;
    struct create_result *results = batches_apply(oracle, is_accounts, &batches);
    free(session->reply);
    session->reply = must(malloc((size_t)batches.event_count * 16 + 2 * batches.batch_count + 64));
    session->reply_size = create_reply(operation, &batches, results, session->reply);
    free(results);
}

const struct oracle_raw *oracle_raw(const struct oracle *oracle, u128 id)
{
    for (u32 i = oracle->raw_count; i-- > 0;) {
        if (oracle->raws[i].id == id) return &oracle->raws[i];
    }
    return NULL;
}

static struct oracle_raw *raw_add(struct oracle *oracle)
{
    if (oracle->raw_count == oracle->raw_room) {
        oracle->raw_room = 2 * oracle->raw_room + 256;
        oracle->raws = must(realloc(oracle->raws, oracle->raw_room * sizeof *oracle->raws));
    }
    return &oracle->raws[oracle->raw_count++];
}

// A new command takes effect as one batch, or is refused whole when its time is over; one whose id
// was used before changes nothing (docs/PROTOCOL.md, "Commands").
static void apply_raw(struct oracle *oracle, const struct frame_command *command, const u8 *body)
{
    if (oracle_raw(oracle, command->command_id) != NULL) return;
    const struct compat_batches batches = {
        .events = body, .event_count = command->count, .batch_count = 1};
    struct oracle_raw *raw = raw_add(oracle);
    *raw = (struct oracle_raw){
        .id = command->command_id,
        .content = checksum(body, command->body_size),
        .size = command->body_size,
        .record = command->record,
        .principal = command->principal,
        .position = oracle->position,
        .timestamp = oracle->timestamp,
    };
    if (command->expires_at != 0 && oracle->timestamp >= command->expires_at) {
        const struct command_reply reply = {
            .result = MODULE_EXPIRED, .position = oracle->position, .timestamp = oracle->timestamp};
        raw->reply = must(malloc(sizeof reply));
        raw->reply_size = sizeof reply;
        memcpy(raw->reply, &reply, sizeof reply);
        return;
    }
    raw->has_results = true;
    raw->reply = (u8 *)batches_apply(oracle, command->record == 0x0101, &batches);
    raw->reply_size = command->count * (u32)sizeof(struct create_result);
    raw->timestamp = oracle->timestamp;
    oracle->commands_done++;
}

void oracle_frame_begin(struct oracle *oracle, const struct frame_header *header)
{
    assert(header->position == oracle->position + 1);
    oracle->sequence = header->sequence;
    oracle->timestamp = header->timestamp;
}

void oracle_override(struct oracle *oracle, u64 position)
{
    assert(oracle->override_count < ARRAY_COUNT(oracle->overrides));
    oracle->overrides[oracle->override_count++] = position;
}

void oracle_owner_frame(struct oracle *oracle, u64 timestamp)
{
    oracle->position++;
    oracle->sequence++;
    oracle->timestamp = timestamp;
}

void oracle_command(struct oracle *oracle, const struct frame_header *header, bool first,
                    const struct frame_command *command, const u8 *body,
                    struct oracle_answer *answer)
{
    *answer = (struct oracle_answer){.result = COMMAND_DONE};
    oracle->position++;
    oracle->timestamp = first ? header->timestamp : oracle->timestamp + 1;
    for (u32 i = 0; i < oracle->override_count; i++) {
        if (oracle->overrides[i] == oracle->position) answer->result = COMMAND_OVERRIDDEN;
    }
    struct oracle_session *session = NULL;
    if (answer->result == COMMAND_OVERRIDDEN && command->record == COMMAND_COMPAT) {
        session = session_find(oracle, command->command_id);
        if (session != NULL && session->number == command->session) {
            free(session->reply);
            *session = (struct oracle_session){0};
        }
        session = NULL;
    }
    switch (answer->result == COMMAND_OVERRIDDEN ? COMMAND_OVERRIDE : command->record) {
    case COMMAND_TICK:
        oracle->timestamp +=
            ledger_model_expire(oracle->model, oracle->timestamp, LEDGER_BATCH_EVENTS_MAX);
        break;
    case COMMAND_REGISTER:
        session = session_find(oracle, command->command_id);
        if (session == NULL) session = session_new(oracle, command->command_id, command->session);
        free(session->reply); // NOLINT: that of a new session is NULL.
        session->reply = must(calloc(1, 64));
        store_u32(session->reply, COMPAT_BODY_SIZE_MAX);
        session->reply_size = 64;
        break;
    case COMMAND_COMPAT:
        session = session_find(oracle, command->command_id);
        if (session == NULL || session->number != command->session) {
            session = NULL;
            answer->result = COMMAND_NO_SESSION;
            oracle->refused++;
            break;
        }
        apply_create(oracle, command, body, session);
        break;
    case 0x0101: // Accounts and transfers of the tael port.
    case 0x0102: apply_raw(oracle, command, body); break;
    default: break;
    }
    answer->timestamp = oracle->timestamp;
    if (session == NULL) return;
    session->position = oracle->position;
    session->request = command->request;
    answer->reply = session->reply;
    answer->reply_size = session->reply_size;
    oracle->commands_done++;
}
