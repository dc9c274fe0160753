// SPDX-License-Identifier: Apache-2.0
//
// Many events from a file: how they are parted into batches, and files that are refused.
#include "cli/ledger_events.h"

#include "codec/text.h"
#include "ledger/ledger_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCHES_MAX = 8 };

struct sent {
    struct transfer batch[LEDGER_BATCH_EVENTS_MAX];
    u32 counts[BATCHES_MAX];
    u32 count;
    u64 next_id;
};

static enum status batch_take(void *context, u32 count, struct failure *failure)
{
    struct sent *sent = context;
    (void)failure;
    assert_true(sent->count < BATCHES_MAX);
    sent->counts[sent->count++] = count;
    for (u32 i = 0; i < count; i++) assert_true(sent->batch[i].id == sent->next_id++);
    return STATUS_OK;
}

// Reads a file of that text; on success hands its events on.
static enum status events_take(const char *text, size_t size, struct sent *sent,
                               struct failure *failure)
{
    char path[] = "/tmp/tael-events-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    (void)close(fd);
    struct ledger_events events;
    *failure = (struct failure){0};
    enum status status = ledger_events_read(&events, &ledger_schema_transfer, path, failure);
    (void)unlink(path);
    if (status != STATUS_OK) return status;
    sent->count = 0;
    sent->next_id = 1;
    status = ledger_events_send(&events, (u8 *)sent->batch, batch_take, sent, failure);
    ledger_events_free(&events);
    return status;
}

// A file of `count` transfers with the ids from 1, of which [first, end) are linked to the next.
static char *file_make(bool is_json, u32 count, u32 first, u32 end, size_t *size)
{
    const size_t capacity = (size_t)count * 64 + 64;
    char *data = malloc(capacity);
    assert_non_null(data);
    struct text text = text_init(data, capacity);
    if (!is_json) text_append_string(&text, "id,amount,flags\r\n");
    for (u32 id = 1; id <= count; id++) {
        const char *flags = id >= first && id < end ? "linked" : "";
        const char *quote = flags[0] != 0 ? "\"" : "";
        if (is_json) {
            text_append_format(&text, "{\"id\":%u,\"amount\":1,\"flags\":[%s%s%s]}\n", id, quote,
                               flags, quote);
        } else {
            text_append_format(&text, "%u,1,%s\r\n", id, flags);
        }
    }
    assert_false(text_overflowed(&text));
    *size = text.size;
    return data;
}

static void test_chains_are_not_parted(void **state)
{
    (void)state;
    enum { MOST = LEDGER_BATCH_EVENTS_MAX };
    static const struct {
        u32 count, first, end;
        u32 batches[BATCHES_MAX];
    } rows[] = {
        {1, 0, 0, {1}},
        {MOST, 0, 0, {MOST}},
        {MOST + 1, 0, 0, {MOST, 1}},
        {2 * MOST + 5, 0, 0, {MOST, MOST, 5}},
        {MOST + 1, MOST, MOST + 1, {MOST - 1, 2}},
        {MOST + 1, MOST - 1, MOST, {MOST, 1}},
        {MOST + 9, MOST - 2, MOST + 4, {MOST - 3, 12}},
        {MOST, 1, MOST, {MOST}},
        {MOST + 1, 2, MOST + 1, {1, MOST}},
        {2 * MOST, 2, MOST + 1, {1, MOST, MOST - 1}},
        // A chain that the file ends in is the server's to refuse.
        {2 * MOST, MOST + 2, 2 * MOST + 1, {MOST, MOST}},
        {2, 2, 3, {2}},
    };
    struct sent *sent = calloc(1, sizeof *sent);
    assert_non_null(sent);
    for (size_t i = 0; i < 2 * ARRAY_COUNT(rows); i++) {
        size_t size = 0;
        struct failure failure;
        const u32 row = (u32)i / 2;
        char *text = file_make(i % 2 != 0, rows[row].count, rows[row].first, rows[row].end, &size);
        if (events_take(text, size, sent, &failure)) fail_msg("row %u: %s", row, failure.message);
        free(text);
        assert_int_equal(sent->next_id, rows[row].count + 1);
        u32 expected = 0;
        while (expected < BATCHES_MAX && rows[row].batches[expected] != 0) expected++;
        if (sent->count != expected) fail_msg("row %u: %u batches", row, sent->count);
        for (u32 j = 0; j < expected; j++) assert_int_equal(sent->counts[j], rows[row].batches[j]);
    }
    free(sent);
}

static void test_a_chain_of_more_than_a_batch_is_refused(void **state)
{
    (void)state;
    struct sent *sent = calloc(1, sizeof *sent);
    assert_non_null(sent);
    for (u32 is_json = 0; is_json < 2; is_json++) {
        size_t size = 0;
        struct failure failure;
        char *text = file_make(is_json != 0, LEDGER_BATCH_EVENTS_MAX + 3, 3,
                               LEDGER_BATCH_EVENTS_MAX + 3, &size);
        assert_int_equal(events_take(text, size, sent, &failure), STATUS_INVALID);
        free(text);
        assert_non_null(strstr(failure.message, is_json ? ": line 3: the chain of linked events"
                                                        : ": line 4: the chain of linked events"));
    }
    free(sent);
}

static void test_forms(void **state)
{
    (void)state;
    static const char *const taken[] = {
        "\xef\xbb\xbfid,amount\n1,0\n",
        "\xef\xbb\xbf\n{\"id\":1,\"amount\":\"max\"}\n",
        "id,flags\n1,void_pending\n",
    };
    static const struct {
        const char *text;
        const char *message;
    } refused[] = {
        {"", "it holds no transfer"},
        {"\xef\xbb\xbf", "it holds no transfer"},
        {" \n\n", "it holds no transfer"},
        {"id,amount\n", "it holds no transfer"},
        {"\n [{\"id\":1,\"amount\":1}]", "line 2: an array of JSON is not taken"},
        {"id,amount\n1,5\n2,\n", "line 3: amount: the cell is required and empty"},
        {"id,flags\n1,post_pending\n", "line 2: amount: the column is required and missing"},
        {"{\"id\":1,\"amount\":1}\n{\"id\":1}",
         "line 2, column 8 (byte 7): amount: the field is required in transfer and missing"},
    };
    struct sent *sent = calloc(1, sizeof *sent);
    struct failure failure;
    assert_non_null(sent);
    for (size_t i = 0; i < ARRAY_COUNT(taken); i++) {
        if (events_take(taken[i], strlen(taken[i]), sent, &failure))
            fail_msg("%s", failure.message);
        assert_int_equal(sent->count, 1);
    }
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        assert_int_equal(events_take(refused[i].text, strlen(refused[i].text), sent, &failure),
                         STATUS_INVALID);
        const char *message = strstr(failure.message, ": ");
        assert_non_null(message);
        assert_string_equal(message + 2, refused[i].message);
    }
    free(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_are_not_parted),
        cmocka_unit_test(test_a_chain_of_more_than_a_batch_is_refused),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
