// SPDX-License-Identifier: Apache-2.0
//
// The verb completion: every verb, action and flag, as a script for bash or as JSON, made from what
// verbs and records say of themselves.
#include "cli/bench_internal.h"
#include "cli/cli.h"
#include "codec/json.h"

// Calls `visit` for each flag of a verb, `--help` last.
static void flags_visit(const struct cli_verb *verb, void (*visit)(void *context, const char *flag),
                        void *context)
{
    for (u32 i = 0; i < CLI_PARTS_MAX && verb->parts[i] != NULL; i++) {
        const struct schema_record *record = verb->parts[i];
        for (u32 j = 0; j < record->field_count; j++) {
            if (!record_is_flag(&record->fields[j])) continue;
            visit(context, record_flag_name(&record->fields[j]).text);
        }
    }
    visit(context, "--help");
}

// --- JSON ----------------------------------------------------------------------------------------

static void flag_write(void *context, const char *flag)
{
    json_write_text(context, flag);
}

static void json_print(void)
{
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (verb->run == NULL) continue;
        char text[4096];
        struct json_writer writer = json_writer_init(text, sizeof text);
        const size_t size = strcspn(verb->name, " ");
        json_write_object_begin(&writer);
        json_write_key(&writer, "verb");
        json_write_string(&writer, verb->name, size);
        json_write_key(&writer, "action");
        if (verb->name[size] == ' ') json_write_text(&writer, verb->name + size + 1);
        else json_write_null(&writer);
        json_write_key(&writer, "flags");
        json_write_array_begin(&writer);
        flags_visit(verb, flag_write, &writer);
        json_write_array_end(&writer);
        json_write_object_end(&writer);
        json_write_line_end(&writer);
        assert(!text_overflowed(&writer.text));
        (void)fwrite(text, 1, writer.text.size, stdout);
    }
}

// --- bash ----------------------------------------------------------------------------------------

static void flag_print(void *context, const char *flag)
{
    (void)context;
    (void)printf("%s ", flag);
}

static void names_print(const char *prefix)
{
    const size_t size = strlen(prefix);
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const char *name = cli_verb_at(i)->name;
        const bool is_below = strncmp(name, prefix, size) == 0 && strchr(name + size, ' ') == NULL;
        if (is_below) (void)printf("%s ", name + size);
    }
}

// What can stand for the first word of a verb, if that is one of some words.
static void words_print(const struct cli_verb *verb)
{
    if (verb == &bench_verb) {
        for (u32 i = 0; bench_plan_at(i) != NULL; i++)
            (void)printf("%s ", bench_plan_at(i)->workload.workload);
    }
    if (verb == &help_verb) names_print("");
    if (verb == &completion_verb) (void)printf("bash ");
}

// The flags whose value is a file or a folder.
static void paths_print(const char *value)
{
    const char *separator = "";
    for (u32 i = 0; i < cli_schema.record_count; i++) {
        const struct schema_record *record = cli_schema.records[i];
        for (u32 j = 0; j < record->field_count; j++) {
            const struct schema_field *field = &record->fields[j];
            if (!field->value || strcmp(field->value, value) != 0) continue;
            (void)printf("%s%s", separator, record_flag_name(field).text);
            separator = "|";
        }
    }
}

// Behind a flag that takes names, those, of which a list has some with commas between them.
static void values_print(const struct cli_verb *verb)
{
    for (u32 i = 0; i < CLI_PARTS_MAX && verb->parts[i] != NULL; i++) {
        const struct schema_record *record = verb->parts[i];
        for (u32 j = 0; j < record->field_count; j++) {
            const struct schema_field *field = &record->fields[j];
            const struct schema_flags *flags = schema_field_flags(record, field);
            if (flags == NULL || !record_is_flag(field)) continue;
            (void)printf("; [ \"$last\" = %s ] && words=\"", record_flag_name(field).text);
            for (u32 k = 0; k < flags->row_count; k++)
                (void)printf("%s ", schema_lower(flags->rows[k].name).text);
            (void)printf("\" list=yes");
        }
    }
}

// Behind `help` and a verb, its actions.
static void actions_print(void)
{
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (verb->run != NULL) continue;
        char prefix[64];
        (void)snprintf(prefix, sizeof prefix, "%s ", verb->name);
        (void)printf("; [ \"$last\" = %s ] && words=\"", verb->name);
        names_print(prefix);
        (void)printf("\"");
    }
}

// Paths are names that anybody may have chosen: they are never part of `words`, which compgen
// expands like a command line, and readline puts the quotes around them (filenames).
static void reply_print(void)
{
    (void)printf("    [ -n \"$list\" ] && before=\"${word%%\"${word##*,}\"}\"\n"
                 "    mapfile -t COMPREPLY < "
                 "<(compgen -P \"$before\" -W \"$words\" -- \"${word#\"$before\"}\")\n"
                 "    [ -z \"$paths\" ] && return\n"
                 "    compopt -o filenames 2>/dev/null\n"
                 "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < "
                 "<(compgen \"$paths\" -- \"$word\")\n");
}

static void bash_print(void)
{
    (void)printf("_tael()\n{\n"
                 "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" list=\"\" before=\"\"\n"
                 "    local last=\"${COMP_WORDS[COMP_CWORD-1]}\" paths=\"\"\n"
                 "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (verb->run == NULL) continue;
        const bool is_action = strchr(verb->name, ' ') != NULL;
        (void)printf("    \"%s%s) words=\"", verb->name, is_action ? "\"" : " \"*");
        flags_visit(verb, flag_print, NULL);
        words_print(verb);
        (void)printf("\"");
        if (verb->parts[0] == &cli_schema_folder_word) (void)printf(" paths=-d");
        values_print(verb);
        if (verb == &help_verb) actions_print();
        (void)printf(" ;;\n");
    }
    for (u32 i = 0; cli_verb_at(i) != NULL; i++) {
        const struct cli_verb *verb = cli_verb_at(i);
        if (verb->run != NULL) continue;
        char prefix[64];
        (void)snprintf(prefix, sizeof prefix, "%s ", verb->name);
        (void)printf("    \"%s\"*) words=\"", prefix);
        names_print(prefix);
        (void)printf("\" ;;\n");
    }
    (void)printf("    esac\n    [ \"$COMP_CWORD\" -eq 1 ] && words=\"");
    names_print("");
    (void)printf("\" paths=\"\"\n    case \"$last\" in\n    ");
    paths_print("DIR");
    (void)printf(") words=\"\" paths=-d ;;\n    ");
    paths_print("FILE");
    (void)printf(") [ \"${COMP_WORDS[1]}\" = dump ] || words=\"\" paths=-f ;;\n    esac\n");
    reply_print();
    (void)printf("}\ncomplete -F _tael tael\n");
}

static int completion_run(const struct cli_call *call)
{
    const struct completion_words *words = cli_part(call, &cli_schema_completion_words)->head;
    if (words->shell[0] != 0 && strcmp(words->shell, "bash") != 0) {
        struct failure failure = {0};
        (void)failure_set(&failure, STATUS_INVALID, "there is none for %s, only for bash",
                          text_quote(words->shell, strlen(words->shell)).text);
        failure_hint(&failure, "--json has the verbs and flags to make one from");
        return cli_fail(call->verb->name, &failure);
    }
    if (call->form == CLI_JSON) json_print();
    else bash_print();
    return EXIT_DONE;
}

const struct cli_verb completion_verb = {
    .name = "completion",
    .summary = "print completion for bash",
    .about = "Prints completion for bash, to be put into a file that bash reads; as JSON an object "
             "an action: its verb, name and flags.",
    .example = "completion >~/.local/share/bash-completion/completions/tael",
    .parts = {&cli_schema_completion_words, &cli_schema_json_option},
    .run = completion_run,
};
