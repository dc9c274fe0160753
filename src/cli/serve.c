// SPDX-License-Identifier: Apache-2.0
//
// The verb serve.
#include "cli/cli.h"
#include "server/server.h"

// The line is read by scripts; the spelling of its keys is what they rely on.
static void ready_print(const struct server_options *options, const char *compat, const char *port)
{
    const struct cli_call *call = options->context;
    struct serve_ready ready = {.ready = true};
    cli_text_set(ready.compat, sizeof ready.compat, compat);
    cli_text_set(ready.port, sizeof ready.port, port);
    cli_text_set(ready.data, sizeof ready.data, options->data);
    if (call->form != CLI_TABLE) cli_print_record(&cli_schema_serve_ready, call->form, &ready);
    else if (port[0] == 0) (void)printf("ready compat=%s data=%s\n", ready.compat, ready.data);
    else (void)printf("ready compat=%s port=%s data=%s\n", ready.compat, ready.port, ready.data);
    (void)fflush(stdout);
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
    const struct server_options options = {
        .data = serve->data,
        .compat = serve->compat_port,
        .port = serve->port[0] == 0                ? NULL
                : strcmp(serve->port, "none") == 0 ? ""
                                                   : serve->port,
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
    if (server_run(&options, &failure) == STATUS_OK) return EXIT_DONE;
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
    .parts = {&cli_schema_serve_options, &cli_schema_serve_folder_options, &cli_schema_json_option},
    .run = serve_run,
};
