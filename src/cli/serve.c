// SPDX-License-Identifier: Apache-2.0
//
// The verb serve.
#include "cli/cli.h"
#include "server/server.h"

#include <stdlib.h>

// The line is read by scripts; the spelling of its keys is what they rely on.
static void ready_print(const struct server_options *options, const char *compat, const char *port,
                        const char *http)
{
    const struct cli_call *call = options->context;
    struct serve_ready ready = {.ready = true};
    cli_text_set(ready.compat, sizeof ready.compat, compat);
    cli_text_set(ready.port, sizeof ready.port, port);
    cli_text_set(ready.http, sizeof ready.http, http);
    cli_text_set(ready.data, sizeof ready.data, options->data);
    if (call->form != CLI_TABLE) {
        cli_print_record(&cli_schema_serve_ready, call->form, &ready);
    } else {
        (void)printf("ready compat=%s", ready.compat);
        if (port[0] != 0) (void)printf(" port=%s", ready.port);
        if (http[0] != 0) (void)printf(" http=%s", ready.http);
        (void)printf(" data=%s\n", ready.data);
    }
    (void)fflush(stdout);
}

// The flags of the edge that were given, as the edge's own command line has them.
#define EDGE_FLAGS_MAX     32u
#define EDGE_FLAG_SIZE_MAX (SCHEMA_TEXT_MAX + 128u)
struct edge_flags {
    const char *items[EDGE_FLAGS_MAX + 1];
    char *texts;
};

static void edge_flags_make(const struct record_arguments *part, struct edge_flags *flags)
{
    u32 count = 0;
    flags->texts = calloc(EDGE_FLAGS_MAX, EDGE_FLAG_SIZE_MAX);
    assert(flags->texts != NULL);
    for (u32 i = 0; i < part->record->field_count; i++) {
        const struct schema_field *field = &part->record->fields[i];
        if (schema_field_is_reserved(field) || !record_is_given(part, field->offset)) continue;
        assert(count < EDGE_FLAGS_MAX);
        struct text text =
            text_init(flags->texts + (size_t)count * EDGE_FLAG_SIZE_MAX, EDGE_FLAG_SIZE_MAX - 1);
        text_append_string(&text, record_flag_name(field).text);
        if (field->type != SCHEMA_BOOL) {
            text_append_char(&text, '=');
            field_print(part->record, field, part->head, FIELD_STYLE_EXACT, &text);
        }
        assert(!text_overflowed(&text));
        flags->items[count++] = text.data;
    }
}

static u32 given_find(const struct record_arguments *part)
{
    static const struct {
        size_t offset;
        enum server_given given;
    } rows[] = {
        {offsetof(struct serve_folder_options, cluster), SERVER_GIVEN_CLUSTER},
        {offsetof(struct serve_folder_options, accounts_max), SERVER_GIVEN_ACCOUNTS_MAX},
        {offsetof(struct serve_folder_options, holds_max), SERVER_GIVEN_HOLDS_MAX},
    };
    u32 given = 0;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (record_is_given(part, rows[i].offset)) given |= rows[i].given;
    }
    return given;
}

static int serve_run(const struct cli_call *call)
{
    const struct serve_options *serve = cli_part(call, &cli_schema_serve_options)->head;
    const struct record_arguments *part = cli_part(call, &cli_schema_serve_folder_options);
    const struct serve_folder_options *folder = part->head;
    const struct record_arguments *http = cli_part(call, &cli_schema_http_options);
    struct edge_flags flags = {0};
    const struct server_options options = {
        .data = serve->data,
        .compat = serve->compat_port,
        .port = serve->port[0] == 0                ? NULL
                : strcmp(serve->port, "none") == 0 ? ""
                                                   : serve->port,
        .http = serve->http,
        .edge_flags = flags.items,
        .edge_stop_s = ((const struct http_options *)http->head)->http_stop_timeout,
        .cluster = folder->cluster,
        .accounts_max = folder->accounts_max,
        .holds_max = folder->holds_max,
        .given = given_find(part),
        .checkpoint_bytes = serve->checkpoint_bytes,
        .space_reserve = serve->space_reserve,
        .clock_jump_max_s = serve->clock_jump_max,
        .ready = ready_print,
        .context = call,
    };
    struct failure failure = {0};
    if (server_options_check(&options, &failure) != STATUS_OK) {
        return cli_fail(call->verb->name, &failure);
    }
    if (serve->http[0] == 0 && record_is_any_given(http)) {
        (void)failure_set(&failure, STATUS_INVALID, "flags of HTTP are given, and not --http");
        return cli_fail(call->verb->name, &failure);
    }
    if (serve->http[0] != 0 && strcmp(serve->port, "none") == 0) {
        (void)failure_set(&failure, STATUS_INVALID, "--http needs a tael port, and --port is none");
        return cli_fail(call->verb->name, &failure);
    }
    edge_flags_make(http, &flags);
    const enum status status = server_run(&options, &failure);
    free(flags.texts);
    if (status == STATUS_OK) return EXIT_DONE;
    (void)cli_fail(call->verb->name, &failure);
    return EXIT_ENVIRONMENT; // Whatever it was, the command line was right.
}

const struct cli_verb serve_verb = {
    .name = "serve",
    .summary = "run a server on a data folder",
    .about = "Serves the folder DIR until SIGTERM or SIGINT; makes it when it is new. Prints "
             "one line starting `ready` on standard output when it answers, and what happens "
             "on standard error. TigerBeetle's protocol has no authentication and neither of the "
             "two is encrypted, so they are spoken on this machine only.",
    .example = "serve --data data --compat-port 3001",
    .exits = "0 after a clean stop, 2 usage (a flag, or a folder that does not go with it), "
             "3 the folder, the port or the disk failed",
    .parts = {&cli_schema_serve_options, &cli_schema_serve_folder_options, &cli_schema_http_options,
              &cli_schema_json_option},
    .run = serve_run,
};
