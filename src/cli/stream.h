// SPDX-License-Identifier: Apache-2.0
//
// The change stream as verbs read it: page by page, over lost connections and restarts of the
// server, until its end, an interruption or a failure.
//
// While a page is worked on, the next one is on its way. Memory: two pages of a MiB.
#ifndef TAEL_CLI_STREAM_H
#define TAEL_CLI_STREAM_H

#include "cli/cli.h"
#include "machine/change_line.h"

#include <tael.h>

struct cli_stream {
    const char *verb;
    const char *address;
    struct tael_client *client;
    u64 timeout_ms;
    bool follows;                // Waits at the end for what comes.
    struct tael_changes changes; // Of the question under way, or of the next one.
    u64 ticket;                  // Of the question under way; 0 none.
    u64 asked_at;
    bool told_absent; // It said that there is no answer.
    // The page.
    struct tael_answer answer;
    u8 *body;
    u64 next; // The row to go on from.
    u64 end;  // The end of history when it was made.
};

enum cli_stream_result {
    CLI_STREAM_PAGE,        // There is one, maybe without a change.
    CLI_STREAM_END,         // There are no more, and none is waited for.
    CLI_STREAM_INTERRUPTED, // By SIGINT or SIGTERM.
    CLI_STREAM_FAILED,      // Said on standard error; `*code` is the exit code.
};

// Opens a stream from a row on; nothing is asked yet. `flags` are those of struct changes. Signals
// interrupt it from here on (cli_interrupt_install). `port` must stay. False when who to be cannot
// be told from the options: said on standard error, `*code` is the exit code, and nothing is open.
bool cli_stream_open(struct cli_stream *stream, const char *verb, const struct port_options *port,
                     u64 row, u32 flags, bool follows, int *code);
void cli_stream_close(struct cli_stream *stream);
// Who serves: connects first. False: said on standard error, `*code` is the exit code.
bool cli_stream_server(struct cli_stream *stream, struct tael_server *server, int *code);
// The next page; what it points to is valid until the next call.
enum cli_stream_result cli_stream_next(struct cli_stream *stream, int *code);
// The change behind `before` in the page, the first one of NULL; NULL behind the last.
static inline const struct change *cli_stream_change(const struct cli_stream *stream,
                                                     const struct change *before)
{
    return (const void *)tael_change_next(&stream->answer, (const void *)before);
}
// By its name; letters of either case, `-` is `_`.
const struct schema_record *cli_stream_record_named(const char *name);

#endif
