// SPDX-License-Identifier: Apache-2.0
//
// Help, made from what verbs and records say of themselves; and the verbs help and version.
#include "cli/cli.h"

#include <stdlib.h>

#define LINE_WIDTH 80u

// A paragraph, and the end of its last line.
static void paragraph_print(const char *words, struct text *out)
{
    size_t column = 0;
    text_append_wrapped(out, words, 0, LINE_WIDTH, &column);
    text_append_char(out, '\n');
}

// The length of what follows `prefix` in the longest name of the verbs, or of a verb's actions.
static size_t names_width(const char *prefix)
{
    const size_t size = strlen(prefix);
    size_t width = 0;
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const char *name = cli_verb_at(i)->name;
        if (strncmp(name, prefix, size) != 0 || strchr(name + size, ' ') != NULL) continue;
        width = MAX(width, strlen(name + size));
    }
    return width;
}

// A name, and beside it what it does.
static void summary_print(const char *lead, const char *name, size_t width, const char *summary,
                          struct text *out)
{
    const size_t indent = strlen(lead) + width + 2;
    size_t column = indent;
    text_append_format(out, "%s%-*s  ", lead, (int)width, name);
    text_append_wrapped(out, summary, indent, LINE_WIDTH, &column);
    text_append_char(out, '\n');
}

static void general_print(struct text *out)
{
    const size_t width = names_width("");
    text_append_string(
        out, "tael: a durable double-entry ledger that TigerBeetle's official clients drive\n\n");
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (strchr(verb->name, ' ') != NULL) continue;
        summary_print("  tael ", verb->name, width, verb->summary, out);
    }
    text_append_char(out, '\n');
    paragraph_print(
        "`tael help VERB` or `tael VERB --help` tells about one. Each takes --json. Exit "
        "codes: 0 done, 1 refused, 2 usage, 3 environment (no server, no folder, no "
        "space).",
        out);
}

static void actions_print(const struct cli_verb *verb, struct text *out)
{
    const size_t size = strlen(verb->name);
    char line[512];
    struct text usage = text_init(line, sizeof line - 1);
    text_append_format(&usage, "tael %s ACTION [FLAGS]: %s", verb->name, verb->summary);
    assert(!text_overflowed(&usage));
    line[usage.size] = 0;
    paragraph_print(line, out);
    text_append_char(out, '\n');
    char prefix[64];
    (void)snprintf(prefix, sizeof prefix, "%s ", verb->name);
    const size_t width = names_width(prefix);
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *action = cli_verb_at(i);
        if (strncmp(action->name, verb->name, size) != 0 || action->name[size] != ' ') continue;
        summary_print("  ", action->name + size + 1, width, action->summary, out);
    }
    text_append_format(out, "\n`tael %s ACTION --help` tells about one.\n", verb->name);
}

static void verb_print(const struct cli_verb *verb, struct text *out)
{
    char line[512];
    struct text usage = text_init(line, sizeof line - 1);
    text_append_format(&usage, "tael %s", verb->name);
    for (u32 i = 0; i < CLI_PARTS_MAX && verb->parts[i]; i++)
        record_print_usage(verb->parts[i], &usage);
    text_append_format(&usage, " [FLAGS]: %s", verb->summary);
    assert(!text_overflowed(&usage));
    line[usage.size] = 0;
    paragraph_print(line, out);
    if (verb->about != NULL) {
        text_append_char(out, '\n');
        paragraph_print(verb->about, out);
    }
    if (verb->help != NULL) verb->help(out);
    if (verb->example != NULL) text_append_format(out, "\n  tael %s\n", verb->example);
    for (u32 i = 0; i < CLI_PARTS_MAX && verb->parts[i]; i++) {
        // The sentence that describes the record is the heading of its flags.
        (void)snprintf(line, sizeof line, "%.*s:", (int)strlen(verb->parts[i]->doc) - 1,
                       verb->parts[i]->doc);
        text_append_char(out, '\n');
        paragraph_print(line, out);
        record_print_help(verb->parts[i], out);
    }
    (void)snprintf(line, sizeof line, "Exit code: %s.",
                   verb->exits != NULL ? verb->exits : "0 done, 1 refused, 2 usage, 3 environment");
    text_append_char(out, '\n');
    paragraph_print(line, out);
}

void cli_help_print(const struct cli_verb *verb, struct text *out)
{
    if (verb == NULL) general_print(out);
    else if (verb->run == NULL) actions_print(verb, out);
    else verb_print(verb, out);
}

static int help_run(const struct cli_call *call)
{
    const struct help_words *words = cli_part(call, &cli_schema_help_words)->head;
    const char *const names[] = {words->verb, words->action};
    const u32 count = words->verb[0] == 0 ? 0 : words->action[0] == 0 ? 1 : 2;
    u32 used = 0;
    const struct cli_verb *verb = cli_verb_find(count, names, &used);
    if (used < count) {
        struct failure failure = {0};
        char asked[256];
        (void)snprintf(asked, sizeof asked, "%s%s%s", words->verb, words->action[0] == 0 ? "" : " ",
                       words->action);
        (void)failure_set(&failure, STATUS_INVALID, "there is no verb %s",
                          text_quote(asked, strlen(asked)).text);
        failure_hint(&failure, "`tael help` lists them");
        return cli_fail(call->verb->name, &failure);
    }
    struct {
        struct help_text head;
        char text[CLI_HELP_SIZE_MAX];
    } *help = malloc(sizeof *help);
    assert(help != NULL);
    struct text out = text_init(help->text, sizeof help->text);
    cli_help_print(verb, &out);
    assert(!text_overflowed(&out));
    help->head.help_size = (u32)out.size;
    if (call->form == CLI_TABLE) (void)fwrite(help->text, 1, out.size, stdout);
    else cli_print_record(&cli_schema_help_text, call->form, help);
    free(help);
    return EXIT_DONE;
}

const struct cli_verb help_verb = {
    .name = "help",
    .summary = "tell about a verb",
    .about = "Prints the list of verbs, or what a verb or one of its actions does and takes.",
    .example = "help transfer create",
    .parts = {&cli_schema_help_words, &cli_schema_json_option},
    .run = help_run,
};

static int version_run(const struct cli_call *call)
{
    const struct version_text version = {.version = TAEL_VERSION};
    if (call->form == CLI_TABLE) (void)printf("tael %s\n", version.version);
    else cli_print_record(&cli_schema_version_text, call->form, &version);
    return EXIT_DONE;
}

const struct cli_verb version_verb = {
    .name = "version",
    .summary = "print the version",
    .about = "Prints the version.",
    .parts = {&cli_schema_json_option},
    .run = version_run,
};
