// SPDX-License-Identifier: Apache-2.0
//
// The program: one verb, then its flags.
#include "cli/bench.h"
#include "cli/cli.h"
#include "codec/json.h"
#include "codec/number.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "tael: a durable double-entry ledger that TigerBeetle's official clients drive\n"
    "\n"
    "  tael serve       run a server on a data folder\n"
    "  tael account     create and show accounts\n"
    "  tael transfer    make and show transfers\n"
    "  tael query       ask for accounts, transfers, balances, changes\n"
    "  tael verify      check a stopped folder: chain, digests, outcomes, index, replay\n"
    "  tael dump        print log and history of a stopped folder\n"
    "  tael override    make a command that kills the server a refusal\n"
    "  tael bench       load a server and report what it does\n"
    "  tael completion  print completion for bash\n"
    "  tael version     print the version\n"
    "\n"
    "Each verb has --help and takes --json. Exit codes: 0 done, 1 refused, 2 usage, 3 environment\n"
    "(no server, no folder, no space).\n";

static const char serve_help[] =
    "tael serve --data DIR [FLAGS]\n"
    "\n"
    "Serves the data folder DIR until SIGTERM or SIGINT; makes it when it is new. Prints one line\n"
    "starting `ready` on standard output when it answers, and what happens on standard error.\n"
    "\n"
    "  --data DIR             the folder; one server at a time\n"
    "  --compat-port PORT     TigerBeetle's client protocol on 127.0.0.1:PORT; 3000 when not "
    "given,\n"
    "                         0 for any; or unix:PATH\n"
    "  --space-reserve N      free bytes below which commands wait for space; 268435456 when not "
    "given\n"
    "  --checkpoint-bytes N   log between checkpoints, at least; 201326592 when not given\n"
    "  --clock-jump-max N     seconds that the clock may be ahead of the last frame; 34560000 "
    "when\n"
    "                         not given (400 days)\n"
    "  --json                 print the line that says ready as JSON\n"
    "\n"
    "Of a new folder; one that was made with something else is refused when they are given:\n"
    "\n"
    "  --cluster N            the cluster that clients name; 0 when not given\n"
    "  --accounts-max N       the most accounts; 67108864 when not given\n"
    "  --holds-max N          the most open pending transfers; 33554432 when not given\n"
    "\n"
    "Exit code: 0 after a clean stop, 2 usage (a flag, or a folder that does not go with it), 3 "
    "the\n"
    "folder, the port or the disk failed.\n";

struct serve_option {
    const char *name;
    u128 min;
    u128 max;
    enum { NUMBER_32, NUMBER_64, NUMBER_128 } size;
    void *out;
    u32 given; // enum server_given, or 0.
};

static enum status serve_option_take(const struct serve_option *option, const char *text,
                                     struct failure *failure)
{
    u128 value = 0;
    enum number_error error = number_parse_u128(text, strlen(text), &value);
    if (error == NUMBER_OK && value > option->max) error = NUMBER_TOO_LARGE;
    if (error != NUMBER_OK) {
        return failure_set(failure, STATUS_INVALID, "%s: \"%s\" %s", option->name, text,
                           number_error_text(error));
    }
    if (value < option->min) {
        return failure_set(failure, STATUS_INVALID, "%s: \"%s\" is too small", option->name, text);
    }
    if (option->size == NUMBER_32) *(u32 *)option->out = (u32)value;
    else if (option->size == NUMBER_64) *(u64 *)option->out = (u64)value;
    else *(u128 *)option->out = value;
    return STATUS_OK;
}

// What the server would say about the address, before a folder is made.
static enum status compat_check(const char *text, struct failure *failure)
{
    if (strncmp(text, "unix:", 5) == 0) {
        if (text[5] != 0) return STATUS_OK;
        return failure_set(failure, STATUS_INVALID, "--compat-port: unix: needs a path");
    }
    const char *colon = strrchr(text, ':');
    if (colon != NULL && strncmp(text, "127.0.0.1:", 10) != 0 &&
        strncmp(text, "localhost:", 10) != 0) {
        (void)failure_set(failure, STATUS_INVALID, "--compat-port: only 127.0.0.1 is listened on");
        failure_hint(failure,
                     "the protocol has no authentication: let clients run on this machine, "
                     "or reach it through a tunnel that has");
        return STATUS_INVALID;
    }
    const char *port = colon == NULL ? text : colon + 1;
    u128 number = 0;
    if (number_parse_u128(port, strlen(port), &number) == NUMBER_OK && number <= UINT16_MAX) {
        return STATUS_OK;
    }
    return failure_set(failure, STATUS_INVALID, "--compat-port: \"%s\" is no port from 0 to 65535",
                       port);
}

static enum status serve_parse(int argc, char **argv, struct server_options *options,
                               struct failure *failure)
{
    const struct serve_option numbers[] = {
        {"--cluster", 0, U128_MAX, NUMBER_128, &options->cluster, SERVER_GIVEN_CLUSTER},
        {"--accounts-max", 1, 1u << 30, NUMBER_32, &options->accounts_max,
         SERVER_GIVEN_ACCOUNTS_MAX},
        {"--holds-max", 1, 1u << 30, NUMBER_32, &options->holds_max, SERVER_GIVEN_HOLDS_MAX},
        {"--checkpoint-bytes", 0, U64_MAX, NUMBER_64, &options->checkpoint_bytes, 0},
        {"--space-reserve", 0, (u64)1 << 60, NUMBER_64, &options->space_reserve, 0},
        {"--clock-jump-max", 0, U32_MAX, NUMBER_64, &options->clock_jump_max_s, 0},
    };
    for (int i = 1; i < argc; i++) {
        const struct serve_option *number = NULL;
        if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
            continue;
        }
        for (size_t j = 0; j < ARRAY_COUNT(numbers); j++) {
            if (strcmp(argv[i], numbers[j].name) == 0) number = &numbers[j];
        }
        bool text = strcmp(argv[i], "--data") == 0 || strcmp(argv[i], "--compat-port") == 0;
        if (number == NULL && !text) {
            (void)failure_set(failure, STATUS_INVALID, "%s is no flag of this verb", argv[i]);
            if (argv[i][0] != '-') failure_hint(failure, "did you mean --data %s?", argv[i]);
            return STATUS_INVALID;
        }
        if (i + 1 == argc || argv[i + 1][0] == 0) {
            return failure_set(failure, STATUS_INVALID, "%s needs a value", argv[i]);
        }
        const char *value = argv[++i];
        if (number != NULL) {
            enum status status = serve_option_take(number, value, failure);
            if (status != STATUS_OK) return status;
            options->given |= number->given;
        } else if (strcmp(argv[i - 1], "--data") == 0) {
            options->data = value;
        } else {
            enum status status = compat_check(value, failure);
            if (status != STATUS_OK) return status;
            options->compat = value;
        }
    }
    if (options->data != NULL) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "--data DIR is needed");
}

static int serve_main(int argc, char **argv)
{
    struct server_options options;
    struct failure failure = {0};
    server_options_default(&options);
    for (int i = 1; i < argc; i++) {
        if (!cli_is_help(argv[i])) continue;
        (void)fputs(serve_help, stdout);
        return EXIT_DONE;
    }
    enum status status = serve_parse(argc, argv, &options, &failure);
    if (status != STATUS_OK) {
        if (failure.hint[0] == 0) failure_hint(&failure, "`tael serve --help` lists the flags");
        return cli_fail("serve", &failure);
    }
    if (server_options_check(&options, &failure) != STATUS_OK) return cli_fail("serve", &failure);
    status = server_run(&options, &failure);
    if (status == STATUS_OK) return EXIT_DONE;
    (void)cli_fail("serve", &failure);
    return EXIT_ENVIRONMENT;
}

// Prints `text`, or with --json one object that has it.
static int text_print(const char *key, const char *text, bool json)
{
    char buffer[8192];
    if (!json) {
        (void)fputs(text, stdout);
        return EXIT_DONE;
    }
    struct json_writer writer = json_writer_init(buffer, sizeof buffer);
    json_write_object_begin(&writer);
    json_write_key(&writer, key);
    json_write_string(&writer, text, strlen(text));
    json_write_object_end(&writer);
    (void)printf("%.*s\n", (int)MIN(writer.text.size, sizeof buffer), buffer);
    return EXIT_DONE;
}

// Of verbs that take --json and --help alone. Returns EXIT_DONE when the verb is to go on.
static int plain_parse(int argc, char **argv, bool *json)
{
    *json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc == 1 || *json) return EXIT_DONE;
    (void)fprintf(stderr, "tael %s: unknown argument %s\n\n%s", argv[0], argv[1], help);
    return EXIT_USAGE;
}

static int version_main(int argc, char **argv)
{
    bool json = false;
    if (argc == 2 && cli_is_help(argv[1])) {
        (void)fputs("tael version [--json]\n\nPrints the version.\n", stdout);
        return EXIT_DONE;
    }
    int code = plain_parse(argc, argv, &json);
    if (code != EXIT_DONE) return code;
    return json ? text_print("version", TAEL_VERSION, true)
                : text_print("version", "tael " TAEL_VERSION "\n", false);
}

static int help_main(int argc, char **argv)
{
    bool json = false;
    int code = plain_parse(argc, argv, &json);
    return code == EXIT_DONE ? text_print("help", help, json) : code;
}

struct verb {
    const char *name;
    int (*main)(int argc, char **argv); // argv[0] is the verb.
};

static const struct verb verbs[] = {
    {"serve", serve_main},           {"account", account_main},   {"transfer", transfer_main},
    {"query", query_main},           {"verify", verify_main},     {"dump", dump_main},
    {"bench", bench_main},           {"override", override_main}, {"version", version_main},
    {"completion", completion_main}, {"--version", version_main}, {"help", help_main},
    {"--help", help_main},           {"-h", help_main},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) return verbs[i].main(argc - 1, argv + 1);
    }
    if (argc >= 2) {
        (void)fprintf(stderr, "tael: no verb %s\nhint: `tael --help` lists them\n", argv[1]);
    } else {
        (void)fputs(help, stderr);
    }
    return EXIT_USAGE;
}
