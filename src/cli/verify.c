// SPDX-License-Identifier: Apache-2.0
//
// The verb verify.
#include "machine/verify.h"

#include "cli/cli.h"
#include "codec/json.h"
#include "os/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30u

static const char help[] =
    "tael verify DIR [--replay] [--scratch DIR] [--json]\n"
    "\n"
    "Checks everything in a stopped data folder that digests, chains and checksums can tell:\n"
    "every frame of the log and the chain of their headers, that each outcome in history belongs\n"
    "to its request and that the outcomes give the roots named in the log, the newest checkpoint,\n"
    "and every page of the index. Changes nothing.\n"
    "\n"
    "  --replay       decide the whole log again, too, and compare the outcomes with the roots\n"
    "                 named in the log and the state with the checkpoint's\n"
    "  --scratch DIR  where a folder for that is made and removed again (about 150 bytes an "
    "event);\n"
    "                 beside the data folder when not given\n"
    "  --json         print the summary as JSON\n"
    "\n"
    "Exit code: 0 all holds, 1 something does not (its place is named), 2 usage, 3 environment.\n";

struct options {
    const char *path;
    const char *scratch;
    bool replay;
    bool json;
};

struct show {
    u64 next; // When to print again.
    bool on_terminal;
    bool printed;
};

static u64 clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static bool show_progress(void *context, const char *part, u64 done, u64 total)
{
    struct show *show = context;
    u64 now = clock_now();
    if (cli_is_interrupted()) return false;
    if (!show->on_terminal || now < show->next) return true;
    show->next = now + NS_PER_S / 5;
    show->printed = true;
    char bar[BAR_WIDTH + 1] = "";
    u64 full = total == 0 ? 0 : MIN(done, total) * BAR_WIDTH / total;
    for (u64 i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    u64 unit = strcmp(part, "index") == 0 ? 1 : MIB;
    (void)fprintf(stderr, "\rverifying the %-6s [%s] %llu of %llu%s ", part, bar,
                  (unsigned long long)(done / unit), (unsigned long long)(total / unit),
                  unit == 1 ? "" : " MiB");
    return true;
}

static void hex(const struct digest *digest, char out[65])
{
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", digest->bytes[i]);
    }
}

static void summary_json(const struct verify_report *report, double seconds)
{
    char head[65];
    char state[65];
    hex(&report->head, head);
    hex(&report->state, state);
    (void)printf("{\"ok\":true,\"frames\":%llu,\"commands\":%llu,\"events\":%llu,"
                 "\"log_bytes\":%llu,\"rows\":%llu,\"roots\":%llu,\"segments\":%llu,"
                 "\"checkpoint\":%llu,\"torn\":%s,\"head\":\"%s\",\"state\":\"%s\"",
                 (unsigned long long)report->frames, (unsigned long long)report->commands,
                 (unsigned long long)report->events, (unsigned long long)report->log_bytes,
                 (unsigned long long)report->rows, (unsigned long long)report->roots,
                 (unsigned long long)report->segments,
                 (unsigned long long)report->checkpoint_sequence, report->torn ? "true" : "false",
                 head, state);
    if (report->replayed_frames > 0) {
        hex(&report->replayed_state, state);
        (void)printf(",\"replayed_frames\":%llu,\"replayed_roots\":%llu,"
                     "\"replayed_checkpoint\":%s,\"replayed_state\":\"%s\"",
                     (unsigned long long)report->replayed_frames,
                     (unsigned long long)report->replayed_roots,
                     report->replayed_checkpoint ? "true" : "false", state);
    }
    (void)printf(",\"seconds\":%.3f}\n", seconds);
}

static void summary_text(const struct verify_report *report, double seconds)
{
    char head[65];
    char state[65];
    hex(&report->head, head);
    hex(&report->state, state);
    (void)printf("ok: %llu frames, %llu commands, %llu events, %llu rows of history, %llu outcome "
                 "roots, checkpoint of frame %llu%s; head %.16s, state %.16s",
                 (unsigned long long)report->frames, (unsigned long long)report->commands,
                 (unsigned long long)report->events, (unsigned long long)report->rows,
                 (unsigned long long)report->roots, (unsigned long long)report->checkpoint_sequence,
                 report->torn ? ", an unfinished frame at the end that was never acknowledged" : "",
                 head, state);
    if (report->replayed_frames > 0) {
        hex(&report->replayed_state, state);
        (void)printf("; replayed: the same %llu outcome roots%s, state %.16s at the end",
                     (unsigned long long)report->replayed_roots,
                     report->replayed_checkpoint ? " and checkpoint" : "", state);
    }
    (void)printf("; %.1f s\n", seconds);
}

static int failure_report(const struct failure *failure, bool json)
{
    bool differs = failure->status == STATUS_CORRUPT;
    if (json) {
        char text[1024];
        struct json_writer writer = json_writer_init(text, sizeof text);
        json_write_object_begin(&writer);
        json_write_key(&writer, "ok");
        json_write_bool(&writer, false);
        json_write_key(&writer, differs ? "difference" : "error");
        json_write_string(&writer, failure->message, strlen(failure->message));
        json_write_object_end(&writer);
        struct failure full;
        if (json_writer_finish(&writer, &full) == STATUS_OK) {
            (void)printf("%.*s\n", (int)writer.text.size, text);
        }
    } else if (differs) {
        (void)printf("differs: %s\n", failure->message);
    }
    if (!differs) return cli_fail("verify", failure);
    if (failure->hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure->hint);
    return EXIT_REFUSED;
}

// Replays with a scratch folder that is there only meanwhile.
static enum status replay(struct disk *disk, const struct options *options,
                          const struct verify_progress *progress, struct verify_report *report,
                          struct failure *failure)
{
    char path[4096];
    size_t size = strlen(options->path);
    while (size > 1 && options->path[size - 1] == '/') size--;
    int length = options->scratch != NULL
                     ? snprintf(path, sizeof path, "%s/tael-replay-XXXXXX", options->scratch)
                     : snprintf(path, sizeof path, "%.*s.replay-XXXXXX", (int)size, options->path);
    if (length < 0 || (size_t)length >= sizeof path) {
        return failure_set(failure, STATUS_INVALID, "the folder's name is too long");
    }
    if (mkdtemp(path) == NULL) {
        return failure_set_errno(failure, STATUS_IO, errno, "making the folder %s", path);
    }
    struct disk_folder *scratch = malloc(sizeof *scratch);
    assert(scratch != NULL);
    enum status status = disk_folder_open(scratch, path, false, false, failure);
    if (status == STATUS_OK) {
        status = verify_replay(disk, &scratch->disk, progress, report, failure);
        disk_folder_close(scratch);
    }
    free(scratch);
    cli_folder_remove(path);
    return status;
}

static int verify(const struct options *options)
{
    struct disk_folder *folder = malloc(sizeof *folder);
    assert(folder != NULL);
    struct failure failure = {0};
    struct verify_report report;
    struct show show = {.next = clock_now() + NS_PER_S, .on_terminal = isatty(STDERR_FILENO)};
    const struct verify_progress progress = {.context = &show, .report = show_progress};
    u64 begin = clock_now();
    // The lock keeps a server from starting meanwhile, and says so when one runs.
    enum status status = disk_folder_open(folder, options->path, false, false, &failure);
    if (status == STATUS_OK) {
        status = verify_folder(&folder->disk, &progress, &report, &failure);
        if (status == STATUS_OK && options->replay) {
            status = replay(&folder->disk, options, &progress, &report, &failure);
        }
        disk_folder_close(folder);
    }
    free(folder);
    if (show.printed) (void)fprintf(stderr, "\r%78s\r", "");
    if (status != STATUS_OK) return failure_report(&failure, options->json);
    double seconds = (double)(clock_now() - begin) / 1e9;
    if (options->json) summary_json(&report, seconds);
    else summary_text(&report, seconds);
    return EXIT_DONE;
}

int verify_main(int argc, char **argv)
{
    struct options options = {0};
    for (int i = 1; i < argc; i++) {
        if (cli_is_help(argv[i])) {
            (void)fputs(help, stdout);
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0) options.json = true;
        else if (strcmp(argv[i], "--replay") == 0) options.replay = true;
        else if (strcmp(argv[i], "--scratch") == 0 && i + 1 < argc) options.scratch = argv[++i];
        else if (argv[i][0] != '-' && options.path == NULL) options.path = argv[i];
        else {
            (void)fprintf(stderr, "tael verify: unknown argument %s\n\n%s", argv[i], help);
            return EXIT_USAGE;
        }
    }
    if (options.path == NULL) {
        (void)fprintf(stderr, "tael verify: which folder?\n\n%s", help);
        return EXIT_USAGE;
    }
    cli_interrupt_install();
    return verify(&options);
}
