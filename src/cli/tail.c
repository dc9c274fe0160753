// SPDX-License-Identifier: Apache-2.0
//
// The verb tail: the change stream as lines of JSON.
//
// Lines are written whole, as many at once as a page has. Who reads them and goes ends it; so does
// an interruption, behind a whole line.
#include "cli/change_text.h"
#include "cli/stream.h"
#include "codec/record_binary.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT_SIZE (4u * MIB)

struct tail {
    const struct tail_options *options;
    const struct schema_record *only; // NULL: all.
    struct cli_stream stream;
    char *out; // Whole lines that are not written yet.
    size_t size;
    size_t capacity;
    u64 lines;
    int code;
};

// Writes what is gathered; false when nobody reads any more, or the output failed.
static bool lines_write(struct tail *tail)
{
    size_t done = 0;
    while (done < tail->size) {
        const ssize_t put = write(STDOUT_FILENO, tail->out + done, tail->size - done);
        if (put > 0) {
            done += (size_t)put;
            continue;
        }
        if (put < 0 && errno == EINTR) {
            // Interrupted: the line that was begun is ended.
            if (!cli_is_interrupted()) continue;
            if (done == 0 || tail->out[done - 1] == '\n') break;
            const char *end = memchr(tail->out + done, '\n', tail->size - done);
            assert(end != NULL);
            tail->size = (size_t)(end - tail->out) + 1;
            continue;
        }
        if (errno != EPIPE) {
            struct failure failure = {0};
            (void)failure_set_errno(&failure, STATUS_IO, errno, "writing the output");
            tail->code = cli_fail("tail", &failure);
        }
        return false;
    }
    tail->size = 0;
    return true;
}

static void line_add(struct tail *tail, const struct change *change,
                     const struct schema_record *record)
{
    const size_t most = change_json_size_max(change);
    if (tail->size + most > tail->capacity) {
        tail->capacity = MAX(tail->capacity * 2, tail->size + most);
        tail->out = realloc(tail->out, tail->capacity);
        assert(tail->out != NULL);
    }
    struct json_writer writer =
        json_writer_init(tail->out + tail->size, tail->capacity - tail->size);
    change_json_write(change, record, &writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    tail->size += writer.text.size;
    tail->lines++;
}

// False when it ends.
static bool page_print(struct tail *tail)
{
    const u64 limit = tail->options->limit;
    for (const struct change *change = cli_stream_change(&tail->stream, NULL); change != NULL;
         change = cli_stream_change(&tail->stream, change)) {
        const struct schema_record *record = change_record_of(change->record);
        if (tail->only != NULL && record != tail->only) continue;
        // A record of another version than this program's is not read as if it were its own.
        struct failure failure;
        if (record != NULL && change->payload_size > 0 &&
            record_binary_check(record, change + 1, change->payload_size, &failure) != STATUS_OK) {
            record = NULL;
        }
        line_add(tail, change, record);
        if (tail->lines == limit) return lines_write(tail) && false;
        if (tail->size >= OUT_SIZE && !lines_write(tail)) return false;
    }
    return lines_write(tail);
}

static enum status options_check(struct tail *tail, struct failure *failure)
{
    const struct tail_options *options = tail->options;
    if (options->follow && options->no_follow) {
        return failure_set(failure, STATUS_INVALID, "--follow and --no-follow exclude each other");
    }
    if (options->record[0] == 0) return STATUS_OK;
    tail->only = cli_stream_record_named(options->record);
    if (tail->only != NULL) return STATUS_OK;
    (void)failure_set(failure, STATUS_INVALID, "there is no record %s",
                      text_quote(options->record, strlen(options->record)).text);
    failure_hint(failure, "account, transfer, or a command: what `tael tail` prints as `record`");
    return STATUS_INVALID;
}

static int tail_run(const struct cli_call *call)
{
    const struct port_options *port = cli_part(call, &cli_schema_port_options)->head;
    struct tail tail = {.options = cli_part(call, &cli_schema_tail_options)->head};
    struct failure failure = {0};
    if (options_check(&tail, &failure) != STATUS_OK) return cli_fail("tail", &failure);
    (void)signal(SIGPIPE, SIG_IGN); // It ends the verb, and is no failure.
    tail.capacity = OUT_SIZE;
    tail.out = malloc(tail.capacity);
    assert(tail.out != NULL);
    const u32 flags = tail.options->refused ? CHANGES_REFUSED : 0;
    if (!cli_stream_open(&tail.stream, "tail", port, tail.options->from, flags,
                         !tail.options->no_follow, &tail.code)) {
        free(tail.out);
        return tail.code;
    }
    while (cli_stream_next(&tail.stream, &tail.code) == CLI_STREAM_PAGE && page_print(&tail)) {
    }
    cli_stream_close(&tail.stream);
    free(tail.out);
    return tail.code;
}

const struct cli_verb tail_verb = {
    .name = "tail",
    .summary = "print what takes effect, as it does",
    .about = "Prints the change stream, a JSON object a line: accounts, transfers, holds and what "
             "became of them, and every record that modules carried out, in the order in which "
             "they took effect, each as soon as it is durable. Amounts and ids are decimal "
             "strings, days and times ISO 8601. To go on where it stopped, give the row of the "
             "last line plus one as --from. It waits for the server when that restarts.",
    .example = "tail --from 0 --no-follow --record transfer",
    .exits = "0 at the end, when interrupted, or when nobody reads any more; 1 refused, 2 usage, "
             "3 no server",
    .parts = {&cli_schema_tail_options, &cli_schema_port_options, &cli_schema_json_option},
    .run = tail_run,
};
