// SPDX-License-Identifier: Apache-2.0
//
// What a client receives: pongs, evictions, and the reply to its request, each checked (C2, C3).
#include "server/compat_client_internal.h"

#include <errno.h>
#include <stdio.h>

// So that one client's flood does not starve the others of a loop.
#define RECEIVES_A_STEP 64u

static const struct compat_header *header_in(const struct compat_client *client)
{
    return (const struct compat_header *)(const void *)client->buffer;
}

static enum status eviction_take(struct compat_client *client, const struct compat_header *header,
                                 struct failure *failure)
{
    if (header->eviction.client != client->options.client) {
        client->foreign_count++;
        return STATUS_OK;
    }
    failure_note(failure, STATUS_CANCELLED, "the server ended the session: %s",
                 compat_eviction_text(header->eviction.reason));
    if (header->eviction.reason == COMPAT_EVICTION_NO_SESSION) {
        failure_hint(failure, "a server keeps 64 sessions; when one more registers, the one silent "
                              "for longest goes, of those whose client is not connected if there "
                              "are any");
    }
    return STATUS_CANCELLED;
}

static enum status register_take(struct compat_client *client, const struct compat_header *header,
                                 const u8 *body, struct failure *failure)
{
    if (compat_body_size(header) != COMPAT_REGISTER_REPLY_SIZE) {
        return failure_set(failure, STATUS_INVALID, "the reply to a register has %u bytes, not %u",
                           compat_body_size(header), COMPAT_REGISTER_REPLY_SIZE);
    }
    client->batch_size_limit = load_u32(body);
    if (client->batch_size_limit == 0 || client->batch_size_limit > COMPAT_BODY_SIZE_MAX) {
        return failure_set(failure, STATUS_INVALID,
                           "the server's limit of a body is %u bytes, not 1 to %u",
                           client->batch_size_limit, COMPAT_BODY_SIZE_MAX);
    }
    client->session = header->reply.commit;
    return STATUS_OK;
}

// Whether a reply is to the request in flight (C2): `*is_ours` is false for one that came late.
static enum status reply_check(struct compat_client *client, const struct compat_header *header,
                               bool *is_ours, struct failure *failure)
{
    const struct compat_request_part *request = &client->request.request;
    const struct compat_reply_part *reply = &header->reply;
    *is_ours = false;
    if (reply->client != client->options.client) {
        client->foreign_count++;
        return STATUS_OK;
    }
    if (header->release != client->options.release) {
        return failure_set(failure, STATUS_INVALID, "a reply to release %#x, not %#x",
                           header->release, client->options.release);
    }
    const bool is_late = reply->request < request->request || !client->is_in_flight;
    if (is_late && reply->operation == COMPAT_OPERATION_REGISTER && client->register_sends < 2) {
        return failure_set(failure, STATUS_INVALID, "a second reply to one register");
    }
    if (reply->request > request->request) {
        return failure_set(failure, STATUS_INVALID, "a reply to request %u, of which %u are sent",
                           reply->request, request->request);
    }
    if (is_late) return STATUS_OK;
    if (reply->request_checksum != client->request.checksum) {
        return failure_set(failure, STATUS_INVALID, "a reply to other bytes of request %u",
                           request->request);
    }
    if (reply->operation != request->operation) {
        return failure_set(failure, STATUS_INVALID, "a reply of operation %u to one of %u",
                           reply->operation, request->operation);
    }
    *is_ours = true;
    return STATUS_OK;
}

static enum status reply_take(struct compat_client *client, u64 now, bool *is_answer,
                              struct failure *failure)
{
    const struct compat_header *header = header_in(client);
    const u8 *body = client->buffer + COMPAT_HEADER_SIZE;
    struct compat_batches batches = {0};
    bool is_ours;
    *is_answer = false;
    if (reply_check(client, header, &is_ours, failure) != STATUS_OK) return failure->status;
    if (!is_ours) return STATUS_OK;
    if (header->reply.operation == COMPAT_OPERATION_REGISTER) {
        if (register_take(client, header, body, failure) != STATUS_OK) return failure->status;
    } else if (client->request_batches.batch_count > 0) {
        const struct compat_operation *operation = compat_operation(header->reply.operation);
        if (!compat_reply_decode(operation, &client->request_batches, body,
                                 compat_body_size(header), &batches)) {
            return failure_set(failure, STATUS_INVALID,
                               "a reply of %u bytes is no answer to %u events in %u batches of %s",
                               compat_body_size(header), client->request_batches.event_count,
                               client->request_batches.batch_count, operation->name);
        }
    }
    client->answer = (struct compat_answer){
        .header = header,
        .body = body,
        .body_size = compat_body_size(header),
        .batches = batches,
        .latency_ns = now - client->submitted_at,
    };
    client->parent = header->reply.context;
    client->is_in_flight = false;
    client->is_request_due = false;
    client->problem[0] = 0;
    *is_answer = true;
    return STATUS_OK;
}

// The header is in: is it one to read on from? False when the connection was ended.
static enum status header_take(struct compat_client *client, u64 now, struct failure *failure)
{
    const struct compat_header *header = header_in(client);
    const enum compat_rule rule = compat_header_check(header);
    if (compat_rule_is_fatal(rule)) {
        compat_client_lost(client, now, "a message arrived broken: %s", compat_rule_text(rule));
        return STATUS_OK;
    }
    if (rule == COMPAT_RULE_COMMAND ||
        (rule == COMPAT_RULE_NONE && (header->command == COMPAT_COMMAND_REQUEST ||
                                      header->command == COMPAT_COMMAND_PING_CLIENT))) {
        return failure_set(failure, STATUS_INVALID, "the server sent a message of command %u",
                           header->command);
    }
    if (header->cluster != client->options.cluster) {
        compat_client_lost(client, now, "the server is of another cluster, %llu and not %llu",
                           (unsigned long long)header->cluster,
                           (unsigned long long)client->options.cluster);
        return STATUS_OK;
    }
    client->is_header_in = true;
    client->is_passed_over = rule != COMPAT_RULE_NONE;
    client->absorbed = 0;
    if (client->is_passed_over) {
        (void)snprintf(client->problem, sizeof client->problem, "a message was passed over: %s",
                       compat_rule_text(rule));
    }
    checksum_begin(&client->sum);
    return STATUS_OK;
}

// Takes the first message of the buffer, if it is whole. `*is_answer` when it ends the request.
static enum status message_take(struct compat_client *client, u64 now, bool *is_whole,
                                bool *is_answer, struct failure *failure)
{
    *is_whole = *is_answer = false;
    if (client->received < COMPAT_HEADER_SIZE) return STATUS_OK;
    const struct compat_header *header = header_in(client);
    if (!client->is_header_in) {
        if (header_take(client, now, failure) != STATUS_OK) return failure->status;
        if (client->state != COMPAT_CLIENT_UP) return STATUS_OK;
    }
    const u32 end = MIN(client->received, header->size) - COMPAT_HEADER_SIZE;
    checksum_update(&client->sum, client->buffer + COMPAT_HEADER_SIZE + client->absorbed,
                    end - client->absorbed);
    client->absorbed = end;
    if (client->received < header->size) return STATUS_OK;
    *is_whole = true;
    if (checksum_end(&client->sum) != header->checksum_body) {
        compat_client_lost(client, now, "a message arrived broken: %s",
                           compat_rule_text(COMPAT_RULE_CHECKSUM_BODY));
        return STATUS_OK;
    }
    client->connect_delay_ns = CONNECT_DELAY_MIN_NS;
    enum status status = STATUS_OK;
    if (client->is_passed_over) {
        maybe(header->command == COMPAT_COMMAND_REPLY);
    } else if (header->command == COMPAT_COMMAND_REPLY) {
        status = reply_take(client, now, is_answer, failure);
    } else if (header->command == COMPAT_COMMAND_EVICTION) {
        status = eviction_take(client, header, failure);
    } else {
        client->pong_count++;
    }
    if (*is_answer) {
        client->held = header->size;
        compat_client_unsend(client, now);
    } else {
        compat_client_drop(client, header->size);
    }
    return status;
}

enum status compat_client_receive(struct compat_client *client, u64 now, struct failure *failure)
{
    bool is_first = true;
    for (u32 i = 0; i < RECEIVES_A_STEP; i++) {
        bool is_whole = true, is_answer = false;
        while (is_whole && !is_answer && client->state == COMPAT_CLIENT_UP) {
            // The time of an answer is when its last byte was here.
            const u64 time = is_first ? now : compat_client_now();
            if (message_take(client, time, &is_whole, &is_answer, failure) != STATUS_OK) {
                return failure->status;
            }
        }
        if (is_answer || client->state != COMPAT_CLIENT_UP) return STATUS_OK;
        assert(client->received < RECEIVE_BUFFER_SIZE);
        const ssize_t got = recv(client->fd, client->buffer + client->received,
                                 RECEIVE_BUFFER_SIZE - client->received, 0);
        if (got < 0) {
            if (errno == EAGAIN) return STATUS_OK;
            if (errno == EINTR) continue;
            compat_client_lost(client, now, "receiving: %s", strerror(errno));
            return STATUS_OK;
        }
        if (got == 0) {
            compat_client_lost(client, now, "the server closed the connection");
            return STATUS_OK;
        }
        client->received += (u32)got;
        is_first = false;
    }
    return STATUS_OK;
}
