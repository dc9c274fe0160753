// SPDX-License-Identifier: Apache-2.0
//
// The verb completion: every verb, action and flag, as a script for bash or as JSON. Flags of
// records come from the schema; those of the other verbs are the table below, which a test compares
// with what each verb's --help says.
#include "cli/cli.h"

#include <stdio.h>

static const char help[] =
    "tael completion [--json]\n"
    "\n"
    "Prints completion for bash; with --json, one object an action: its verb, name and flags.\n"
    "\n"
    "  source <(tael completion)\n";

struct plain_verb {
    const char *name;
    const char *flags; // Without the dashes, separated by blanks.
    const char *words; // What else it takes, for bash.
};

#define FOLDERS " $(compgen -d -- \"$word\")"

static const struct plain_verb verbs[] = {
    {"serve",
     "data compat-port cluster accounts-max holds-max checkpoint-bytes space-reserve "
     "clock-jump-max json help",
     ""},
    {"verify", "replay scratch json help", FOLDERS},
    {"dump", "events history from limit json help", FOLDERS},
    {"override", "position json help", FOLDERS},
    {"bench",
     "transfers accounts clients batch connect folder cluster questions seed rate windows compat "
     "no-probe no-restart keep progress json help",
     " ordered million-accounts ten-million-accounts random-ids two-phase single-1 single-16 "
     "hundred-8 query mixed"},
    {"completion", "json help", ""},
    {"version", "json help", ""},
    {"help", "json", ""},
};

struct printer {
    const char *verb; // Of the action that is being printed; NULL before the first.
    const char *action;
    bool json;
};

static void action_end(const struct printer *printer)
{
    if (printer->verb == NULL) return;
    (void)printf(printer->json ? "]}\n" : "\" ;;\n");
}

static void flag_print(const char *flag, bool json, bool first)
{
    (void)printf(json ? "%s\"--" : "%s--", first ? "" : json ? "," : " ");
    for (const char *c = flag; *c != 0; c++) (void)putchar(*c == '_' ? '-' : *c);
    if (json) (void)putchar('"');
}

static void flag_visit(void *context, const char *verb, const char *action, const char *flag)
{
    struct printer *printer = context;
    bool first = printer->verb != verb || printer->action != action;
    if (first) {
        action_end(printer);
        (void)printf(printer->json ? "{\"verb\":\"%s\",\"action\":\"%s\",\"flags\":["
                                   : "    \"%s %s\") words=\"",
                     verb, action);
        printer->verb = verb;
        printer->action = action;
    }
    flag_print(flag, printer->json, first);
}

static void plain_flags_print(const struct plain_verb *verb, bool json)
{
    char flag[64];
    bool first = true;
    for (const char *at = verb->flags; *at != 0; first = false) {
        size_t size = strcspn(at, " ");
        (void)snprintf(flag, sizeof flag, "%.*s", (int)size, at);
        flag_print(flag, json, first);
        at += size + (at[size] == ' ');
    }
}

static void json_print(void)
{
    struct printer printer = {.json = true};
    ledger_verbs_flags(flag_visit, &printer);
    action_end(&printer);
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
        (void)printf("{\"verb\":\"%s\",\"action\":null,\"flags\":[", verbs[i].name);
        plain_flags_print(&verbs[i], true);
        (void)printf("]}\n");
    }
}

// Collects the names of a verb's actions.
struct names {
    const char *verb;
    const char *last;
};

static void name_visit(void *context, const char *verb, const char *action, const char *flag)
{
    struct names *names = context;
    (void)flag;
    if (strcmp(names->verb, verb) != 0 || names->last == action) return;
    (void)printf("%s ", action);
    names->last = action;
}

static void bash_print(void)
{
    static const char *const with_actions[] = {"account", "transfer", "query"};
    struct printer printer = {0};
    (void)printf("_tael()\n{\n    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                 "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    ledger_verbs_flags(flag_visit, &printer);
    action_end(&printer);
    (void)printf("    *) case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; i < ARRAY_COUNT(with_actions); i++) {
        struct names names = {.verb = with_actions[i]};
        (void)printf("        %s) words=\"", with_actions[i]);
        ledger_verbs_flags(name_visit, &names);
        (void)printf("\" ;;\n");
    }
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
        (void)printf("        %s) words=\"", verbs[i].name);
        plain_flags_print(&verbs[i], false);
        (void)printf("%s\" ;;\n", verbs[i].words);
    }
    (void)printf("        esac ;;\n    esac\n    [ \"$COMP_CWORD\" -eq 1 ] && words=\"");
    for (size_t i = 0; i < ARRAY_COUNT(with_actions); i++) (void)printf("%s ", with_actions[i]);
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) (void)printf("%s ", verbs[i].name);
    (void)printf(
        "\"\n    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
        "    --data|--folder|--scratch) words=$(compgen -d -- \"$word\") ;;\n"
        "    --from) [ \"${COMP_WORDS[1]}\" = dump ] || words=$(compgen -f -- \"$word\") ;;\n"
        "    esac\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
        "complete -F _tael tael\n");
}

int completion_main(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc == 2 && cli_is_help(argv[1])) {
        (void)fputs(help, stdout);
        return EXIT_DONE;
    }
    if (argc > 1 && !json) {
        (void)fprintf(stderr, "tael completion: unknown argument %s\n\n%s", argv[1], help);
        return EXIT_USAGE;
    }
    if (json) json_print();
    else bash_print();
    return EXIT_DONE;
}
