// SPDX-License-Identifier: Apache-2.0
//
// The program tael-audit: its command line, its bar, its exit codes.
#include "audit/audit.h"

#include "codec/field.h"
#include "codec/number.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH     30u
#define LIMIT_INITIAL 100u
#define LIMIT_MAX     1000000u

enum { EXIT_HOLDS = 0, EXIT_DIFFERS = 1, EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3 };

static const char help[] =
    "tael-audit DATA [FLAGS]: recompute a stopped folder by a second hand\n"
    "\n"
    "Reads the log and the history of the data folder of a stopped server and works\n"
    "out every balance and every hold anew, by code that shares nothing with the\n"
    "server: it was written from docs/FORMAT.md. Whoever trusts neither the server\n"
    "nor its own check (`tael verify`) runs this, on a copy if need be. It changes\n"
    "nothing, and needs no server.\n"
    "\n"
    "What it checks, by the promises of docs/ARCHITECTURE.md:\n"
    "  L1    every posting is of two accounts of one ledger; debits equal credits\n"
    "        in each, posted and pending\n"
    "  L2    no account passes its own limit, behind each transfer of a client\n"
    "        and each plan of a module\n"
    "  L3    no transfer id takes effect twice\n"
    "  L5    the chain of headers, the digests of bodies, the outcome roots\n"
    "  L10   the records of each sub-ledger sum to its control, and that is the\n"
    "        balance of its account\n"
    "  L11   plain clients and each module keep to accounts of their own; who asked\n"
    "        was let in\n"
    "and each row of history against the event that it answers and the rules that the\n"
    "event had to keep, each snapshot of balances, each expiry, and the checkpoint:\n"
    "pages, digests, accounts, open holds. What is not checked, above all whether a\n"
    "refusal was right and what modules decide, is in src/audit/README.md.\n"
    "\n"
    "  tael-audit data\n"
    "  tael-audit data --json | jq '.differences[] | select(.account)'\n"
    "  tael-audit data --heads held --key 5d0c...e1\n"
    "\n"
    "Prints one line that begins with `ok`, or with `log only` where there is no\n"
    "checkpoint, so that the chain alone was checked and no balance; or a line a\n"
    "difference:\n"
    "\n"
    "  differs [checkpoint] checkpoint-0000000000000029 offset 16384: account 1 of\n"
    "  ledger 700: debits_posted is 100 by the log, 101 in the checkpoint\n"
    "\n"
    "What lies in the log behind the newest checkpoint has no rows in history yet: of\n"
    "it the chain and the digests are checked, and the line says of how many frames.\n"
    "A clean stop leaves none.\n"
    "\n"
    "A backup (`tael backup`) is audited to where it says that it ends; an unfinished\n"
    "one is none.\n"
    "\n"
    "Who was given signed heads of the log (`tael head sign`) has each compared: its\n"
    "frame's header, and the root of the tree of all outcomes up to it. A log that\n"
    "was changed, or cut, before the frame of a head differs.\n"
    "\n"
    "  DATA        The data folder of a stopped server. (required)\n"
    "  --heads F   Compare the signed heads in this file, one a line as `tael head`\n"
    "              writes them.\n"
    "  --key KEY   Each of these must be signed by this public key, 64 hex digits.\n"
    "              Without it the heads are believed since you hold them.\n"
    "  --limit N   Show so many differences; the others are counted. 0 to 1000000.\n"
    "              100 when not given.\n"
    "  --json      Print one JSON object; with exit code 3 what is in the way.\n"
    "  --help      Print this.\n"
    "  --version   Print the version.\n"
    "\n"
    "Memory: 128 bytes an account, 224 to 448 an open hold, 16 a transfer, 25 MiB.\n"
    "\n"
    "Exit code: 0 all holds, 1 something differs, 2 usage, 3 environment: the folder\n"
    "cannot be read, a server runs on it, it is an unfinished backup, or Ctrl-C; or\n"
    "the file of heads cannot be read, or has one that is not signed as it must be.\n";

static volatile sig_atomic_t is_interrupted;

static void interrupted(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static u64 now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

// --- progress ------------------------------------------------------------------------------------

struct show {
    u64 next; // When to draw again.
    bool on_terminal;
    bool is_drawn;
};

static bool show_progress(void *context, const char *part, u64 done, u64 total)
{
    struct show *show = context;
    if (is_interrupted) return false;
    const u64 now = now_ns();
    if (!show->on_terminal || now < show->next) return true;
    show->next = now + NS_PER_S / 5;
    show->is_drawn = true;
    char bar[BAR_WIDTH + 1] = "";
    const u64 full = total == 0 ? 0 : MIN(done, total) * BAR_WIDTH / total;
    for (u64 i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    (void)fprintf(stderr, "\rauditing the %-10s [%s] %llu of %llu MiB ", part, bar,
                  (unsigned long long)(done / MIB), (unsigned long long)(total / MIB));
    return true;
}

// --- the command line ----------------------------------------------------------------------------

struct options {
    const char *path;
    const char *heads; // NULL: none.
    bool has_key;
    u8 key[SIGNATURE_KEY_SIZE];
    u64 limit;
    bool as_json;
};

static int usage(const char *what, const char *word)
{
    (void)fprintf(stderr, "tael-audit: %s%s%s\nsee tael-audit --help\n", what,
                  word == NULL ? "" : ": ", word == NULL ? "" : word);
    return EXIT_USAGE;
}

// Takes the words behind the flags that have one: -1 to go on, else the exit code.
static int limit_take(struct options *options, const char *word)
{
    u128 value = 0;
    if (number_parse_u128(word, strlen(word), &value) != NUMBER_OK || value > LIMIT_MAX) {
        return usage("--limit is a number from 0 to 1000000, not", word);
    }
    options->limit = (u64)value;
    return -1;
}

static int key_take(struct options *options, const char *word)
{
    struct failure failure = {0};
    size_t size = 0;
    const bool is_hex = field_hex_decode(word, strlen(word), options->key, sizeof options->key,
                                         &size, &failure) == STATUS_OK;
    if (!is_hex || size != sizeof options->key || !signature_key_is_valid(options->key)) {
        return usage("--key is no public key, 64 hex digits", word);
    }
    options->has_key = true;
    return -1;
}

// Reads the words; -1 to go on, else the exit code.
static int options_read(int count, char *const *words, struct options *options)
{
    *options = (struct options){.limit = LIMIT_INITIAL};
    bool has_limit = false;
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        const bool is_limit = strcmp(word, "--limit") == 0;
        const bool is_heads = strcmp(word, "--heads") == 0;
        const bool is_key = strcmp(word, "--key") == 0;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            (void)fputs(help, stdout);
            return EXIT_HOLDS;
        }
        if (strcmp(word, "--version") == 0) {
            (void)puts("tael-audit " TAEL_VERSION);
            return EXIT_HOLDS;
        }
        if (strcmp(word, "--json") == 0) {
            if (options->as_json) return usage("given twice", word);
            options->as_json = true;
        } else if (is_limit || is_heads || is_key) {
            if (is_limit ? has_limit : is_heads ? options->heads != NULL : options->has_key) {
                return usage("given twice", word);
            }
            if (i + 1 == count) return usage("something must follow", word);
            const char *value = words[++i];
            if (is_heads) options->heads = value;
            else if ((is_limit ? limit_take : key_take)(options, value) >= 0) return EXIT_USAGE;
            has_limit |= is_limit;
        } else if (word[0] == '-' && word[1] != 0) {
            return usage("there is no such flag", word);
        } else if (word[0] == 0) {
            return usage("the data folder has an empty name", NULL);
        } else if (options->path != NULL) {
            return usage("one folder at a time; this is another", word);
        } else {
            options->path = word;
        }
    }
    if (options->has_key && options->heads == NULL) {
        return usage("--key says who signed heads: give them by --heads", NULL);
    }
    return options->path == NULL ? usage("the data folder is missing", NULL) : -1;
}

// --- what is printed -----------------------------------------------------------------------------

static int report_print(const struct audit_report *report, u64 milliseconds, bool as_json)
{
    const size_t capacity = audit_report_size(report);
    char *buffer = malloc(capacity);
    assert(buffer != NULL);
    size_t size = 0;
    if (as_json) {
        struct json_writer writer = json_writer_init(buffer, capacity);
        audit_report_json(report, milliseconds, &writer);
        assert(!text_overflowed(&writer.text));
        size = writer.text.size;
    } else {
        struct text out = text_init(buffer, capacity);
        audit_report_lines(report, milliseconds, &out);
        assert(!text_overflowed(&out));
        size = out.size;
    }
    const bool is_written = fwrite(buffer, 1, size, stdout) == size && fflush(stdout) == 0;
    free(buffer);
    if (!is_written) {
        (void)fprintf(stderr, "tael-audit: writing the report failed\n");
        return EXIT_ENVIRONMENT;
    }
    return report->difference_count == 0 ? EXIT_HOLDS : EXIT_DIFFERS;
}

// What kept the folder from being audited, on both outputs when JSON is asked for.
static void failure_print(const struct failure *failure, bool as_json)
{
    (void)fprintf(stderr, "tael-audit: %s\n", failure->message);
    if (failure->hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure->hint);
    if (!as_json) return;
    // A byte may take six as JSON.
    char buffer[64 + 6 * (sizeof failure->message + sizeof failure->hint)];
    struct json_writer writer = json_writer_init(buffer, sizeof buffer);
    json_write_object_begin(&writer);
    json_write_key(&writer, "error");
    json_write_object_begin(&writer);
    json_write_key(&writer, "message");
    json_write_text(&writer, failure->message);
    json_write_key(&writer, "hint");
    if (failure->hint[0] == 0) json_write_null(&writer);
    else json_write_text(&writer, failure->hint);
    json_write_object_end(&writer);
    json_write_object_end(&writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    (void)fwrite(buffer, 1, writer.text.size, stdout);
}

int main(int count, char **words)
{
    struct options options;
    const int code = options_read(count, words, &options);
    if (code >= 0) return code;
    const struct sigaction action = {.sa_handler = interrupted};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    const u64 begin = now_ns();
    struct show show = {.next = begin, .on_terminal = isatty(STDERR_FILENO) != 0};
    const struct audit_progress progress = {.context = &show, .report = show_progress};
    struct audit_report report;
    struct failure failure = {0};
    audit_report_init(&report, options.limit);
    struct audit_heads heads = {0};
    enum status status = STATUS_OK;
    if (options.heads != NULL) {
        status =
            audit_heads_read(&heads, options.heads, options.has_key ? options.key : NULL, &failure);
    }
    if (status == STATUS_OK) {
        status = audit_run(options.path, options.heads == NULL ? NULL : &heads, &progress, &report,
                           &failure);
    }
    audit_heads_free(&heads);
    if (show.is_drawn) (void)fprintf(stderr, "\r%78s\r", "");
    int exit_code = EXIT_ENVIRONMENT;
    if (status == STATUS_OK) {
        exit_code = report_print(&report, (now_ns() - begin) / NS_PER_MS, options.as_json);
    } else {
        failure_print(&failure, options.as_json);
    }
    audit_report_free(&report);
    return exit_code;
}
