// SPDX-License-Identifier: Apache-2.0
//
// Pages of the change stream for verbs.
#include "cli/stream.h"

#include "ledger/ledger_schema.h"
#include "modules/module.h"

#include <stdlib.h>

#define WAIT_MS   20000u
#define LOOK_MS   200u // So often it is looked whether somebody interrupted.
#define ABSENT_MS 2000u

static_assert(sizeof(struct tael_change) == sizeof(struct change), "the same record");
static_assert(sizeof(struct tael_changes) == sizeof(struct changes), "the same record");

bool cli_stream_open(struct cli_stream *stream, const char *verb, const struct port_options *port,
                     u64 row, u32 flags, bool follows, int *code)
{
    struct failure failure = {0};
    struct tael_options options;
    if (cli_identity_take(port, &options, &failure) != STATUS_OK) {
        *code = cli_fail(verb, &failure);
        return false;
    }
    *stream = (struct cli_stream){
        .verb = verb,
        .address = port->connect,
        .timeout_ms = (u64)port->deadline * 1000,
        .follows = follows,
        .changes = {.row = row, .flags = flags, .wait_ms = follows ? WAIT_MS : 0},
        .body = aligned_alloc(16, TAEL_BODY_MAX),
    };
    stream->client = tael_open(&options);
    assert(stream->client != NULL && stream->body != NULL);
    cli_interrupt_install();
    return true;
}

void cli_stream_close(struct cli_stream *stream)
{
    tael_close(stream->client);
    free(stream->body);
    *stream = (struct cli_stream){0};
}

static int stream_fail(const struct cli_stream *stream)
{
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(stream->client));
    return cli_fail(stream->verb, &failure);
}

bool cli_stream_server(struct cli_stream *stream, struct tael_server *server, int *code)
{
    const enum tael_error error = tael_connect(stream->client, stream->timeout_ms);
    if (error == TAEL_OK && tael_server(stream->client, server)) return true;
    *code = cli_port_fail(stream->verb, stream->client, error == TAEL_ERROR_TIMEOUT);
    return false;
}

// Who follows goes on without a server, and says so once; who does not has a deadline.
static bool absence_is_over(struct cli_stream *stream, int *code)
{
    const u64 now = tael_now();
    const u64 late = stream->asked_at + (u64)stream->changes.wait_ms * NS_PER_MS;
    if (!stream->follows) {
        if (now < late + stream->timeout_ms * NS_PER_MS) return false;
        *code = cli_port_fail(stream->verb, stream->client, true);
        return true;
    }
    const bool is_absent = !tael_is_connected(stream->client) || now > late + NS_PER_S;
    if (is_absent && !stream->told_absent && now > stream->asked_at + ABSENT_MS * NS_PER_MS) {
        stream->told_absent = true;
        (void)fprintf(stderr, "tael %s: waiting for %s; %s\n", stream->verb, stream->address,
                      tael_problem(stream->client));
    }
    return false;
}

static enum tael_error page_ask(struct cli_stream *stream)
{
    stream->asked_at = tael_now();
    return tael_submit_changes(stream->client, &stream->changes, TAEL_FOREVER, NULL, NULL,
                               &stream->ticket);
}

// Waits for the answer to the question under way.
static enum cli_stream_result page_await(struct cli_stream *stream, struct tael_answer *answer,
                                         int *code)
{
    for (;;) {
        if (cli_is_interrupted()) return CLI_STREAM_INTERRUPTED;
        const enum tael_error error = tael_await(stream->client, stream->ticket, LOOK_MS, answer);
        if (error == TAEL_ERROR_TIMEOUT) {
            if (absence_is_over(stream, code)) return CLI_STREAM_FAILED;
            continue;
        }
        stream->ticket = 0;
        if (error == TAEL_OK && answer->result == TAEL_RESULT_DONE) return CLI_STREAM_PAGE;
        if (error == TAEL_OK) {
            (void)fprintf(stderr, "tael %s: %s\n", stream->verb,
                          answer->text[0] != 0 ? answer->text : tael_result_text(answer->result));
            *code = EXIT_REFUSED;
        } else {
            *code = stream_fail(stream);
        }
        return CLI_STREAM_FAILED;
    }
}

enum cli_stream_result cli_stream_next(struct cli_stream *stream, int *code)
{
    if (stream->ticket == 0) {
        const bool is_over = stream->end > 0 && stream->next >= stream->end && !stream->follows;
        if (is_over) return CLI_STREAM_END;
        if (page_ask(stream) != TAEL_OK) {
            *code = stream_fail(stream);
            return CLI_STREAM_FAILED;
        }
    }
    struct tael_answer answer;
    const enum cli_stream_result result = page_await(stream, &answer, code);
    if (result != CLI_STREAM_PAGE) return result;
    stream->told_absent = false;
    if (answer.body_size > 0) memcpy(stream->body, answer.body, answer.body_size);
    stream->answer = answer;
    stream->answer.body = stream->body;
    stream->next = tael_changes_next(&answer);
    stream->end = tael_changes_end(&answer);
    stream->changes.row = stream->next;
    if (stream->next < stream->end || stream->follows) {
        // On its way while this one is worked on. What goes wrong is told by the next call.
        if (page_ask(stream) == TAEL_OK) (void)tael_step(stream->client);
    } else if (stream->end == 0) {
        return CLI_STREAM_END; // Nothing was ever done.
    }
    return CLI_STREAM_PAGE;
}

const struct schema_record *cli_stream_record_named(const char *name)
{
    const struct schema_record *const own[] = {&ledger_schema_account, &ledger_schema_transfer,
                                               &changes_schema_change_evidence};
    for (u32 i = 0; i < ARRAY_COUNT(own); i++) {
        if (schema_name_equal(own[i]->name, name, strlen(name))) return own[i];
    }
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_record *record = schema_find_record(modules[i]->schema, name);
        if (record != NULL && record->kind == RECORD_COMMAND) return record;
    }
    return NULL;
}
