// SPDX-License-Identifier: Apache-2.0
//
// The verb verify.
#include "cli/verify.h"

#include "codec/json.h"
#include "machine/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "tael verify DIR [--json]\n"
    "\n"
    "Checks everything in a stopped data folder that digests, chains and checksums can tell:\n"
    "every frame of the log and the chain of their headers, that each outcome in history belongs\n"
    "to its request and that the outcomes give the roots named in the log, the newest checkpoint,\n"
    "and every page of the index. Changes nothing.\n"
    "\n"
    "  --json   print the summary as JSON\n"
    "\n"
    "Exit code: 0 all holds, 1 something does not (its place is named), 2 usage, 3 environment.\n";

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
    if (!show->on_terminal || now < show->next) return true;
    show->next = now + NS_PER_S / 5;
    show->printed = true;
    if (total > 0) {
        (void)fprintf(stderr, "\rverifying the %s: %llu of %llu   ", part, (unsigned long long)done,
                      (unsigned long long)total);
    } else {
        (void)fprintf(stderr, "\rverifying the %s: %llu MiB   ", part,
                      (unsigned long long)(done / MIB));
    }
    return true;
}

static void hex(const struct digest *digest, char out[65])
{
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", digest->bytes[i]);
    }
}

static void summary_print(const struct verify_report *report, double seconds, bool json)
{
    char head[65];
    char state[65];
    hex(&report->head, head);
    hex(&report->state, state);
    if (json) {
        (void)printf("{\"ok\":true,\"frames\":%llu,\"commands\":%llu,\"events\":%llu,"
                     "\"log_bytes\":%llu,\"rows\":%llu,\"roots\":%llu,\"segments\":%llu,"
                     "\"checkpoint\":%llu,\"torn\":%s,\"head\":\"%s\",\"state\":\"%s\","
                     "\"seconds\":%.3f}\n",
                     (unsigned long long)report->frames, (unsigned long long)report->commands,
                     (unsigned long long)report->events, (unsigned long long)report->log_bytes,
                     (unsigned long long)report->rows, (unsigned long long)report->roots,
                     (unsigned long long)report->segments,
                     (unsigned long long)report->checkpoint_sequence,
                     report->torn ? "true" : "false", head, state, seconds);
        return;
    }
    (void)printf("ok: %llu frames, %llu commands, %llu events, %llu rows of history, %llu outcome "
                 "roots, checkpoint of frame %llu%s; head %.16s, state %.16s; %.1f s\n",
                 (unsigned long long)report->frames, (unsigned long long)report->commands,
                 (unsigned long long)report->events, (unsigned long long)report->rows,
                 (unsigned long long)report->roots, (unsigned long long)report->checkpoint_sequence,
                 report->torn ? ", an unfinished frame at the end that was never acknowledged" : "",
                 head, state, seconds);
}

static int failure_report(const struct failure *failure, bool json)
{
    if (json) {
        char text[1024];
        struct json_writer writer = json_writer_init(text, sizeof text);
        json_write_object_begin(&writer);
        json_write_key(&writer, "ok");
        json_write_bool(&writer, false);
        json_write_key(&writer, "difference");
        json_write_string(&writer, failure->message, strlen(failure->message));
        json_write_object_end(&writer);
        struct failure full;
        if (json_writer_finish(&writer, &full) == STATUS_OK) {
            (void)printf("%.*s\n", (int)writer.text.size, text);
        }
    } else {
        (void)printf("differs: %s\n", failure->message);
    }
    if (failure->hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure->hint);
    return failure->status == STATUS_CORRUPT ? 1 : 3;
}

int verify_main(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(help, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0) json = true;
        else if (argv[i][0] != '-' && path == NULL) path = argv[i];
        else {
            (void)fprintf(stderr, "tael verify: unknown argument %s\n\n%s", argv[i], help);
            return 2;
        }
    }
    if (path == NULL) {
        (void)fprintf(stderr, "tael verify: which folder?\n\n%s", help);
        return 2;
    }
    struct disk_folder *folder = malloc(sizeof *folder);
    assert(folder != NULL);
    struct failure failure = {0};
    struct verify_report report;
    struct show show = {.next = clock_now() + NS_PER_S, .on_terminal = isatty(STDERR_FILENO)};
    const struct verify_progress progress = {.context = &show, .report = show_progress};
    u64 begin = clock_now();
    // The lock keeps a server from starting meanwhile, and says so when one runs.
    enum status status = disk_folder_open(folder, path, false, false, &failure);
    if (status == STATUS_OK) {
        status = verify_folder(&folder->disk, &progress, &report, &failure);
        disk_folder_close(folder);
    }
    free(folder);
    if (show.printed) (void)fprintf(stderr, "\r%60s\r", "");
    if (status != STATUS_OK) return failure_report(&failure, json);
    summary_print(&report, (double)(clock_now() - begin) / 1e9, json);
    return 0;
}
