// SPDX-License-Identifier: Apache-2.0
//
// The verbs: which there are, and from a command line to the one that it means.
#include "cli/cli.h"
#include "codec/record_binary.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
    const struct cli_verb *first;
    u32 count;
} tables[] = {
    {&serve_verb, 1},
    {&edge_verb, 1},
    {ledger_verbs, LEDGER_VERBS_COUNT},
    {&verify_verb, 1},
    {&dump_verb, 1},
    {&override_verb, 1},
    {backup_verbs, ARRAY_COUNT(backup_verbs)},
    {key_verbs, KEY_VERBS_COUNT},
    {head_verbs, HEAD_VERBS_COUNT},
    {&prove_verb, 1},
    {&tail_verb, 1},
    {&project_verb, 1},
    {&export_verb, 1},
    {&bench_verb, 1},
    {&completion_verb, 1},
    {&version_verb, 1},
    {&help_verb, 1},
};

const struct cli_verb *cli_verb_at(u32 index)
{
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (index < tables[i].count) return tables[i].first + index;
        index -= tables[i].count;
    }
    return module_verb_at(index);
}

// Whether the name is the word, or begins with it and a blank.
static bool is_named(const char *name, const char *word, const char *action)
{
    const size_t size = strlen(word);
    if (strncmp(name, word, size) != 0) return false;
    if (action == NULL) return name[size] == 0;
    return name[size] == ' ' && strcmp(name + size + 1, action) == 0;
}

const struct cli_verb *cli_verb_find(u32 count, const char *const *words, u32 *used)
{
    const struct cli_verb *found = NULL;
    *used = 0;
    for (u32 i = 0; count > 0 && cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (is_named(verb->name, words[0], NULL)) {
            found = verb;
            *used = 1;
        }
        if (count > 1 && is_named(verb->name, words[0], words[1])) {
            *used = 2;
            return verb;
        }
    }
    return found;
}

const struct record_arguments *cli_part(const struct cli_call *call,
                                        const struct schema_record *record)
{
    for (u32 i = 0; i < call->part_count; i++) {
        if (call->parts[i].record == record) return &call->parts[i];
    }
    assert(false); // Not one of the verb's parts.
    return NULL;
}

static void help_put(const struct cli_verb *verb, FILE *file)
{
    char *buffer = malloc(CLI_HELP_SIZE_MAX);
    assert(buffer != NULL);
    struct text out = text_init(buffer, CLI_HELP_SIZE_MAX);
    cli_help_print(verb, &out);
    assert(!text_overflowed(&out));
    (void)fwrite(buffer, 1, out.size, file);
    free(buffer);
}

// What a word of the command line can be.
static void list_put(const struct cli_verb *verb)
{
    char buffer[4096];
    struct text out = text_init(buffer, sizeof buffer);
    verb->help(&out);
    assert(!text_overflowed(&out));
    (void)fwrite(buffer, 1, out.size, stderr);
}

static bool asks_for_help(int argc, const char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

static enum status form_take(struct cli_call *call, struct failure *failure)
{
    for (u32 i = 0; i < call->part_count; i++) {
        const struct record_arguments *part = &call->parts[i];
        if (part->record == &cli_schema_json_option) {
            const struct json_option *option = part->head;
            call->form = option->json ? CLI_JSON : CLI_TABLE;
        } else if (part->record == &cli_schema_form_options) {
            const struct form_options *options = part->head;
            call->form = options->json ? CLI_JSON : options->csv ? CLI_CSV : CLI_TABLE;
            if (options->json && options->csv) {
                return failure_set(failure, STATUS_INVALID, "--json and --csv exclude each other");
            }
        }
    }
    return STATUS_OK;
}

static enum status call_parse(struct cli_call *call, int argc, const char *const *argv,
                              struct failure *failure)
{
    char command[64];
    (void)snprintf(command, sizeof command, "tael %s", call->verb->name);
    enum status status =
        record_parse_arguments(call->parts, call->part_count, command, argc, argv, failure);
    for (u32 i = 0; i < call->part_count && status == STATUS_OK; i++) {
        if (call->parts[i].record->kind != RECORD_OPTIONS) continue;
        status = record_check_arguments(&call->parts[i], failure);
    }
    return status == STATUS_OK ? form_take(call, failure) : status;
}

static int verb_call(const struct cli_verb *verb, int argc, const char *const *argv)
{
    struct cli_call call = {.verb = verb};
    struct failure failure = {0};
    int code = EXIT_USAGE;
    if (verb->takes_names) {
        call.references = calloc(1, sizeof *call.references);
        assert(call.references != NULL);
    }
    for (; call.part_count < CLI_PARTS_MAX && verb->parts[call.part_count]; call.part_count++) {
        struct record_arguments *part = &call.parts[call.part_count];
        part->record = verb->parts[call.part_count];
        part->references = call.references;
        part->head = aligned_alloc(16, align_up(record_binary_size_max(part->record), 16));
        assert(part->head != NULL);
    }
    if (call_parse(&call, argc, argv, &failure) == STATUS_OK) {
        code = verb->run(&call);
    } else {
        if (failure.hint[0] == 0)
            failure_hint(&failure, "`tael %s --help` tells its flags", verb->name);
        (void)cli_fail(verb->name, &failure);
        if (verb->help != NULL && !record_is_given(&call.parts[0], 0)) list_put(verb);
    }
    for (u32 i = 0; i < call.part_count; i++) free(call.parts[i].head);
    free(call.references);
    return code;
}

static int no_verb(const char *const *argv)
{
    u32 nearest_distance = U32_MAX;
    const char *nearest = NULL;
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const char *name = cli_verb_at(i)->name;
        const u32 distance =
            schema_edit_distance(name, strcspn(name, " "), argv[0], strlen(argv[0]));
        if (distance < nearest_distance) nearest = name;
        nearest_distance = MIN(nearest_distance, distance);
    }
    (void)fprintf(stderr, "tael: there is no verb %s\n", text_quote(argv[0], strlen(argv[0])).text);
    if (nearest_distance <= 2) {
        (void)fprintf(stderr, "hint: did you mean %.*s?\n", (int)strcspn(nearest, " "), nearest);
    } else {
        (void)fputs("hint: `tael help` lists them\n", stderr);
    }
    return EXIT_USAGE;
}

static int verb_choose(int argc, const char *const *argv)
{
    static const char *const spelled[][2] = {
        {"--help", "help"}, {"-h", "help"}, {"--version", "version"}};
    const char *words[2] = {argv[0], argc > 1 ? argv[1] : NULL};
    for (size_t i = 0; i < ARRAY_COUNT(spelled); i++) {
        if (strcmp(argv[0], spelled[i][0]) == 0) words[0] = spelled[i][1];
    }
    u32 used = 0;
    const struct cli_verb *verb = cli_verb_find(argc > 1 ? 2 : 1, words, &used);
    if (verb == NULL) return no_verb(argv);
    const int rest = argc - (int)used;
    if (asks_for_help(rest, argv + used)) {
        help_put(verb, stdout);
        return EXIT_DONE;
    }
    if (verb->run != NULL) return verb_call(verb, rest, argv + used);
    if (rest == 0) {
        help_put(verb, stderr);
    } else {
        (void)fprintf(stderr, "tael %s: there is no action %s\nhint: `tael help %s` lists them\n",
                      verb->name, text_quote(argv[1], strlen(argv[1])).text, verb->name);
    }
    return EXIT_USAGE;
}

int cli_main(int argc, const char *const *argv)
{
    if (argc < 1) {
        help_put(NULL, stderr);
        return EXIT_USAGE;
    }
    const int code = verb_choose(argc, argv);
    // What was printed must be out before the exit code says that it is.
    errno = 0;
    if (cli_flush(stdout)) return code;
    (void)fprintf(stderr, "tael: writing the output: %s\n",
                  errno != 0 ? strerror(errno) : "not all of it was written");
    return EXIT_ENVIRONMENT;
}
