// SPDX-License-Identifier: Apache-2.0
//
// Headers against bytes that an official client sent, every rule of the check, and round trips.
#include "base/base.h"

#include "base/checksum.h"
#include "server/compat_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// What the Node client 0.17.9 sent first to a server of cluster 7: the bytes that are not zero.
static const struct {
    u32 offset;
    u8 bytes[17];
    u32 size;
} captured_register[] = {
    {0, "\xcc\x94\x3b\xa9\xf3\xbc\x8a\xef\x37\xb6\x43\xf9\x53\x49\x68\xca", 16},
    {32, "\x65\x1b\x82\xf3\xdd\xd4\xfc\xbf\x2d\xeb\x84\x96\xe8\xff\x61\x3c", 16},
    {80, "\x07", 1},
    {96, "\x00\x02", 2},
    {108, "\x09\x11", 2},
    {114, "\x05", 1},
    {160, "\xa4\xd0\x0d\xbd\x7a\x16\x2f\x79\x13\x40\x02\x16\xa6\xa5\x82\xd4", 16},
    {196, "\x02", 1},
};

static const u8 empty_body_sum[16] = {0x83, 0xcc, 0x60, 0x0d, 0xc4, 0xe3, 0xe7, 0xe6,
                                      0x2d, 0x40, 0x55, 0x82, 0x61, 0x74, 0xf1, 0x49};

static struct compat_header register_captured(void)
{
    struct compat_header header = {0};
    for (size_t i = 0; i < ARRAY_COUNT(captured_register); i++) {
        memcpy((u8 *)&header + captured_register[i].offset, captured_register[i].bytes,
               captured_register[i].size);
    }
    return header;
}

static void test_captured_register(void **state)
{
    (void)state;
    const struct compat_header header = register_captured();
    const struct compat_register_request body = {0};
    assert_int_equal(compat_header_check(&header), COMPAT_RULE_NONE);
    assert_int_equal(compat_body_check(&header, &body), COMPAT_RULE_NONE);
    assert_int_equal(compat_body_size(&header), COMPAT_REGISTER_REQUEST_SIZE);
    assert_true(header.cluster == 7);
    assert_int_equal(header.release, compat_release(0, 17, 9));
    assert_int_equal(header.release, 0x1109);
    assert_int_equal(header.protocol, COMPAT_PROTOCOL);
    assert_int_equal(header.command, COMPAT_COMMAND_REQUEST);
    assert_int_equal(header.request.operation, COMPAT_OPERATION_REGISTER);
    assert_int_equal(header.request.session, 0);

    // Sealing it again gives the same bytes.
    struct compat_header again = header;
    again.checksum = again.checksum_body = 0;
    again.size = 0;
    compat_header_seal(&again, &body, sizeof body);
    assert_memory_equal(&again, &header, sizeof header);
}

static struct compat_header request_make(u8 operation, const void *body, u32 body_size)
{
    struct compat_header header = {
        .cluster = 7,
        .release = compat_release(0, 17, 9),
        .command = COMPAT_COMMAND_REQUEST,
        .request = {.parent = 5,
                    .client = 11,
                    .session = 3,
                    .request = 9,
                    .operation = operation,
                    .previous_request_latency_us = 1234},
    };
    compat_header_seal(&header, body, body_size);
    return header;
}

static void test_full_batch_sizes(void **state)
{
    (void)state;
    static u8 body[COMPAT_BODY_SIZE_MAX];
    const u16 count = 8189;
    const u32 size = compat_trailer_write(body, 8189 * 128, 128, &count, 1);
    assert_int_equal(size, COMPAT_BODY_SIZE_MAX);
    const struct compat_header header =
        request_make(COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS, body, size);
    assert_int_equal(header.size, 1048576);
    assert_int_equal(compat_header_check(&header), COMPAT_RULE_NONE);
    assert_int_equal(compat_body_check(&header, body), COMPAT_RULE_NONE);
    body[1000000] ^= 1;
    assert_int_equal(compat_body_check(&header, body), COMPAT_RULE_CHECKSUM_BODY);
}

static void test_reply(void **state)
{
    (void)state;
    const struct compat_header request =
        request_make(COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS, NULL, 0);
    u8 body[16];
    memset(body, 0xAB, sizeof body);
    const struct compat_reply fields = compat_reply_to(&request, 77, 1234567);
    struct compat_header reply, again;
    compat_reply_make(&reply, &fields, body, sizeof body);
    compat_reply_make(&again, &fields, body, sizeof body);
    assert_memory_equal(&reply, &again, sizeof reply);
    assert_int_equal(compat_header_check(&reply), COMPAT_RULE_NONE);
    assert_int_equal(compat_body_check(&reply, body), COMPAT_RULE_NONE);
    assert_int_equal(reply.size, COMPAT_HEADER_SIZE + sizeof body);
    assert_true(reply.cluster == request.cluster);
    assert_int_equal(reply.release, request.release);
    assert_int_equal(reply.view, 0);
    assert_int_equal(reply.replica, 0);
    assert_true(reply.reply.request_checksum == request.checksum);
    assert_true(reply.reply.client == request.request.client);
    assert_true(reply.reply.context == compat_context(request.checksum, 77, 1234567));
    assert_true(reply.reply.context != compat_context(request.checksum, 78, 1234567));
    assert_true(reply.reply.context != compat_context(request.checksum, 77, 1234568));
    assert_true(reply.reply.context != compat_context(request.checksum + 1, 77, 1234567));
    assert_int_equal(reply.reply.op, 77);
    assert_int_equal(reply.reply.commit, 77);
    assert_int_equal(reply.reply.timestamp, 1234567);
    assert_int_equal(reply.reply.request, 9);
    assert_int_equal(reply.reply.operation, request.request.operation);
}

static struct compat_header ping_make(void)
{
    struct compat_header ping = {
        .cluster = 7,
        .release = compat_release(0, 17, 9),
        .command = COMPAT_COMMAND_PING_CLIENT,
        .ping = {.client = 11, .ping_timestamp = 42, .session = 3},
    };
    compat_header_seal(&ping, NULL, 0);
    return ping;
}

static void test_pong_and_eviction(void **state)
{
    (void)state;
    const struct compat_header ping = ping_make();
    assert_int_equal(compat_header_check(&ping), COMPAT_RULE_NONE);
    assert_memory_equal(&ping.checksum_body, empty_body_sum, 16);
    struct compat_header out;
    compat_pong_make(&out, &ping);
    assert_int_equal(compat_header_check(&out), COMPAT_RULE_NONE);
    assert_int_equal(out.command, COMPAT_COMMAND_PONG_CLIENT);
    assert_int_equal(out.size, COMPAT_HEADER_SIZE);
    assert_int_equal(out.pong.ping_timestamp, 42);
    assert_int_equal(out.release, ping.release);
    assert_memory_equal(&out.checksum_body, empty_body_sum, 16);
    assert_int_equal(compat_body_check(&out, NULL), COMPAT_RULE_NONE);

    compat_eviction_make(&out, &ping, COMPAT_EVICTION_NO_SESSION);
    assert_int_equal(compat_header_check(&out), COMPAT_RULE_NONE);
    assert_int_equal(out.command, COMPAT_COMMAND_EVICTION);
    assert_true(out.eviction.client == 11);
    assert_int_equal(((const u8 *)&out)[255], 1);
    const struct compat_header request = register_captured();
    compat_eviction_make(&out, &request, COMPAT_EVICTION_RELEASE_TOO_HIGH);
    assert_true(out.eviction.client == request.request.client);
    assert_int_equal(out.eviction.reason, 3);

    // In place: the header of the ping becomes that of the pong.
    out = ping;
    compat_pong_make(&out, &out);
    assert_int_equal(compat_header_check(&out), COMPAT_RULE_NONE);
    assert_int_equal(out.pong.ping_timestamp, 42);
}

enum subject {
    SUBJECT_REGISTER,
    SUBJECT_REQUEST,
    SUBJECT_REPLY,
    SUBJECT_PING,
    SUBJECT_PONG,
    SUBJECT_EVICTION
};

static struct compat_header subject_make(enum subject subject)
{
    const struct compat_header request =
        request_make(COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS, NULL, 0);
    const struct compat_reply fields = compat_reply_to(&request, 77, 1234567);
    const struct compat_header ping = ping_make();
    struct compat_header out;
    switch (subject) {
    case SUBJECT_REGISTER: return register_captured();
    case SUBJECT_REQUEST: return request;
    case SUBJECT_PING: return ping;
    case SUBJECT_REPLY: compat_reply_make(&out, &fields, NULL, 0); return out;
    case SUBJECT_PONG: compat_pong_make(&out, &ping); return out;
    case SUBJECT_EVICTION:
        compat_eviction_make(&out, &ping, COMPAT_EVICTION_INVALID_BODY);
        return out;
    }
    return out;
}

// One byte of a good header is set, and the checksum made anew: the rule that is broken.
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        enum subject subject;
        u32 offset;
        u8 byte;
        enum compat_rule rule;
    } rows[] = {
        {SUBJECT_REQUEST, 16, 1, COMPAT_RULE_PADDING},
        {SUBJECT_REQUEST, 48, 1, COMPAT_RULE_PADDING},
        {SUBJECT_REQUEST, 64, 1, COMPAT_RULE_NONCE},
        {SUBJECT_REQUEST, 80, 1, COMPAT_RULE_NONE}, // Another cluster: the server compares.
        {SUBJECT_REQUEST, 97, 0, COMPAT_RULE_SIZE},
        {SUBJECT_REQUEST, 98, 0x10, COMPAT_RULE_SIZE},
        {SUBJECT_REQUEST, 100, 1, COMPAT_RULE_EPOCH},
        {SUBJECT_REQUEST, 104, 1, COMPAT_RULE_NONE}, // A view: the server compares.
        {SUBJECT_REQUEST, 112, 1, COMPAT_RULE_PROTOCOL},
        {SUBJECT_REQUEST, 114, 0, COMPAT_RULE_COMMAND},
        {SUBJECT_REQUEST, 114, 6, COMPAT_RULE_COMMAND},
        {SUBJECT_REQUEST, 114, 255, COMPAT_RULE_COMMAND},
        {SUBJECT_REQUEST, 115, 1, COMPAT_RULE_REPLICA},
        {SUBJECT_REQUEST, 116, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REQUEST, 127, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REQUEST, 144, 1, COMPAT_RULE_PADDING},
        {SUBJECT_REQUEST, 160, 0, COMPAT_RULE_CLIENT},
        {SUBJECT_REQUEST, 176, 0, COMPAT_RULE_SESSION},
        {SUBJECT_REQUEST, 184, 1, COMPAT_RULE_TIMESTAMP},
        {SUBJECT_REQUEST, 192, 0, COMPAT_RULE_REQUEST},
        {SUBJECT_REQUEST, 196, 255, COMPAT_RULE_NONE}, // Unknown: the server evicts.
        {SUBJECT_REQUEST, 196, 2, COMPAT_RULE_PARENT},
        {SUBJECT_REQUEST, 197, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REQUEST, 204, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REQUEST, 255, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REGISTER, 128, 1, COMPAT_RULE_PARENT},
        {SUBJECT_REGISTER, 176, 1, COMPAT_RULE_SESSION},
        {SUBJECT_REGISTER, 192, 1, COMPAT_RULE_REQUEST},
        {SUBJECT_REGISTER, 97, 1, COMPAT_RULE_NONE}, // Without a body: the server evicts.
        {SUBJECT_REPLY, 144, 1, COMPAT_RULE_PADDING},
        {SUBJECT_REPLY, 176, 1, COMPAT_RULE_PADDING},
        {SUBJECT_REPLY, 192, 0, COMPAT_RULE_CLIENT},
        {SUBJECT_REPLY, 208, 76, COMPAT_RULE_OP},
        {SUBJECT_REPLY, 216, 76, COMPAT_RULE_OP},
        {SUBJECT_REPLY, 232, 0, COMPAT_RULE_REQUEST},
        {SUBJECT_REPLY, 236, 2, COMPAT_RULE_REQUEST},
        {SUBJECT_REPLY, 237, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_REPLY, 115, 1, COMPAT_RULE_NONE}, // A reply may come from any replica.
        {SUBJECT_PING, 97, 2, COMPAT_RULE_BODY_SIZE},
        {SUBJECT_PING, 115, 1, COMPAT_RULE_REPLICA},
        {SUBJECT_PING, 128, 0, COMPAT_RULE_CLIENT},
        {SUBJECT_PING, 152, 0, COMPAT_RULE_NONE}, // Clients before 0.17.6.
        {SUBJECT_PING, 160, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_PONG, 97, 2, COMPAT_RULE_BODY_SIZE},
        {SUBJECT_PONG, 136, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_EVICTION, 97, 2, COMPAT_RULE_BODY_SIZE},
        {SUBJECT_EVICTION, 128, 0, COMPAT_RULE_CLIENT},
        {SUBJECT_EVICTION, 144, 1, COMPAT_RULE_RESERVED},
        {SUBJECT_EVICTION, 255, 0, COMPAT_RULE_REASON},
        {SUBJECT_EVICTION, 255, 9, COMPAT_RULE_REASON},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct compat_header header = subject_make(rows[i].subject);
        assert_int_equal(compat_header_check(&header), COMPAT_RULE_NONE);
        assert_true(((u8 *)&header)[rows[i].offset] != rows[i].byte);
        ((u8 *)&header)[rows[i].offset] = rows[i].byte;
        assert_int_equal(compat_header_check(&header), COMPAT_RULE_CHECKSUM);
        header.checksum = checksum((const u8 *)&header + 16, 240);
        if (compat_header_check(&header) != rows[i].rule) {
            fail_msg("row %zu: %s instead of %s", i, compat_rule_text(compat_header_check(&header)),
                     compat_rule_text(rows[i].rule));
        }
    }
    // What takes more than one byte.
    for (enum subject subject = SUBJECT_REGISTER; subject <= SUBJECT_EVICTION; subject++) {
        struct compat_header header = subject_make(subject);
        header.release = 0;
        compat_header_seal_sum(&header, header.checksum_body, compat_body_size(&header));
        assert_int_equal(compat_header_check(&header), COMPAT_RULE_RELEASE);
    }
    struct compat_header reply = subject_make(SUBJECT_REPLY);
    reply.reply.timestamp = 0;
    compat_header_seal(&reply, NULL, 0);
    assert_int_equal(compat_header_check(&reply), COMPAT_RULE_TIMESTAMP);
    reply = subject_make(SUBJECT_REPLY);
    reply.reply.op = reply.reply.commit = 0;
    compat_header_seal(&reply, NULL, 0);
    assert_int_equal(compat_header_check(&reply), COMPAT_RULE_OP);
}

static void test_rules_have_texts(void **state)
{
    (void)state;
    for (enum compat_rule rule = COMPAT_RULE_NONE; rule < COMPAT_RULE_COUNT; rule++) {
        if (rule == COMPAT_RULE_IGNORE) continue;
        assert_true(strlen(compat_rule_text(rule)) > 0);
        const bool is_fatal = rule == COMPAT_RULE_CHECKSUM || rule == COMPAT_RULE_SIZE ||
                              rule == COMPAT_RULE_CHECKSUM_BODY;
        assert_int_equal(compat_rule_is_fatal(rule), is_fatal);
    }
    for (u8 reason = 1; reason <= 8; reason++) {
        assert_string_not_equal(compat_eviction_text(reason), "unknown reason");
    }
    assert_string_equal(compat_eviction_text(9), "unknown reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured_register),
        cmocka_unit_test(test_full_batch_sizes),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_pong_and_eviction),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_rules_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
