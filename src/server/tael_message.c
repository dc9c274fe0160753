// SPDX-License-Identifier: Apache-2.0
//
// Checking and making headers of the tael port.
#include "server/tael_message.h"

#include "base/checksum.h"

// The checksum of everything in a header behind the checksum itself.
static u128 header_checksum(const struct tael_header *header)
{
    return checksum((const u8 *)header + sizeof header->head.checksum,
                    sizeof *header - sizeof header->head.checksum);
}

static bool kind_is_known(u8 kind)
{
    return kind >= TAEL_HELLO && kind <= TAEL_PONG;
}

bool tael_header_is_whole(const struct tael_header *header)
{
    return header->head.checksum == header_checksum(header);
}

// What only the other kinds have is zero in commands and questions.
static const char *request_rule(const struct tael_header *header)
{
    const bool is_command = header->head.command == TAEL_COMMAND;
    const bool is_clean =
        header->status == 0 && header->timestamp == 0 &&
        (is_command ? header->position == 0 && is_zero(header->cursor, sizeof header->cursor)
                    : header->command_id == 0 && header->expires_at == 0);
    if (!is_clean) return "a field that this kind of message has not is not zero";
    // A log holds no other: one that does is refused by whoever reads it.
    return header->version == 1 ? NULL : "the version of the record is unknown";
}

const char *tael_header_check(const struct tael_header *header, bool *fatal)
{
    const struct message_head *head = &header->head;
    *fatal = true;
    if (!tael_header_is_whole(header)) return "the header's checksum does not match";
    if (head->size < MESSAGE_HEADER_SIZE || head->size > MESSAGE_HEADER_SIZE + TAEL_BODY_SIZE_MAX) {
        return "the size is below 256 or above 1 MiB";
    }
    if (head->protocol != TAEL_PROTOCOL) return "the version of the protocol is unknown";
    *fatal = false;
    if (head->checksum_padding != 0 || head->checksum_body_padding != 0 || head->nonce != 0 ||
        head->cluster != 0 || head->epoch != 0 || head->view != 0 || head->replica != 0 ||
        head->release != 0 || !is_zero(head->reserved, sizeof head->reserved) ||
        header->flags != 0 || !is_zero(header->reserved, sizeof header->reserved) ||
        header->reserved_2 != 0 || (header->limit != 0 && head->command != TAEL_QUESTION)) {
        return "a reserved field is not zero";
    }
    if (!kind_is_known(head->command)) return "the kind of message is unknown";
    if (head->command == TAEL_COMMAND && header->command_id == 0) {
        return "a command without an id";
    }
    if (head->command == TAEL_COMMAND || head->command == TAEL_QUESTION) {
        return request_rule(header);
    }
    return header->principal == 0 ? NULL : "a principal in a message that is in nobody's name";
}

void tael_header_seal(struct tael_header *header, const void *body, u32 body_size)
{
    assert(body_size <= TAEL_BODY_SIZE_MAX);
    header->head.protocol = TAEL_PROTOCOL;
    header->head.size = MESSAGE_HEADER_SIZE + body_size;
    header->head.checksum_body = checksum(body, body_size);
    header->head.checksum = header_checksum(header);
}

struct tael_statement tael_statement_of(const struct tael_challenge *challenge, u64 principal,
                                        const u8 client_nonce[TAEL_NONCE_SIZE])
{
    struct tael_statement statement = {
        .domain = "tael port: who a client is",
        .log_id = challenge->log_id,
        .principal = principal,
        .protocol = challenge->protocol,
    };
    memcpy(statement.server_nonce, challenge->nonce, sizeof statement.server_nonce);
    memcpy(statement.client_nonce, client_nonce, sizeof statement.client_nonce);
    return statement;
}

const char *tael_status_text(u32 status)
{
    static const char *const texts[] = {
        [TAEL_DONE] = "done",
        [TAEL_FULL] = "storage is full",
        [TAEL_BUSY] = "too much is in flight",
        [TAEL_TABLE_FULL] = "a table of the log is at its limit",
        [TAEL_UNKNOWN_RECORD] = "no module of this log knows the record",
        [TAEL_MALFORMED] = "the body breaks the record's description",
        [TAEL_NOT_PERMITTED] = "the principal may not",
        [TAEL_REUSED] = "the command id was used with another content",
        [TAEL_OVERRIDDEN] = "an operator made the command a refusal",
        [TAEL_EXPIRED] = "its time was over",
        [TAEL_REFUSED] = "refused",
    };
    return status < ARRAY_COUNT(texts) ? texts[status] : "unknown";
}
