// SPDX-License-Identifier: Apache-2.0
//
// The files of a folder that hold nothing of the log, damaged before a real server starts and under
// one that runs: `owner`, `applying`, `status`.
//
//   files TAEL FOLDER SEED
//
// Each damage ends in a refusal that names the file, or is harmless: then everything that was
// acknowledged is there, and what the damage means (the folder is taken for a copy; the status is
// not written any more) is said.
#include "../e2e/load.h"
#include "base/words.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH_MAX 200u
#define BATCHES   3u
#define NOISE     300u // Bytes; longer than each of the files' records.

enum how {
    CUT_TO_NOTHING,
    CUT,     // Half of what it says is left.
    LONGER,  // Something behind its end.
    FLIPPED, // A bit of what it says.
    NOISE_ALL,
    ONES,
    STUCK, // Of `applying`: recoveries died and died at one command.
    REMOVED,
    COPIED, // The same bytes in another file.
    FOLDER,
    PIPE,
    LINK,      // To another file.
    FORBIDDEN, // Not to be read or written; nothing to root.
};

enum next { WHOLE, COPY, REFUSED };

struct file_case {
    const char *name;
    enum how how;
    bool is_under;     // Under a server that runs; it is stopped behind it.
    bool leaves;       // The server leaves by itself.
    int ends_with;     // Else it is ended by this signal.
    enum next next;    // What comes of the next start.
    const char *words; // What the trace must say of it; NULL: nothing.
};

static const struct file_case cases[] = {
    {"owner", CUT_TO_NOTHING, .next = COPY, .words = "cannot be read"},
    {"owner", CUT, .next = COPY, .words = "cannot be read"},
    {"owner", LONGER, .next = WHOLE},
    {"owner", FLIPPED, .next = COPY, .words = "cannot be read"},
    {"owner", NOISE_ALL, .next = COPY, .words = "cannot be read"},
    {"owner", REMOVED, .next = COPY, .words = "it has no file that says whose it is"},
    {"owner", COPIED, .next = COPY, .words = "its files are others"},
    {"owner", LINK, .next = COPY, .words = "opening the file owner: Too many levels"},
    {"owner", FOLDER, .next = COPY, .words = "opening the file owner: Is a directory; the next"},
    {"owner", PIPE, .next = COPY, .words = "writing the file owner: "},
    {"owner", FORBIDDEN, .next = COPY, .words = "opening the file owner: Permission denied"},
    // A clean stop says anew whose the folder is; who is killed cannot.
    {"owner", NOISE_ALL, true, false, SIGTERM, WHOLE, NULL},
    {"owner", CUT_TO_NOTHING, true, false, SIGTERM, WHOLE, NULL},
    {"owner", REMOVED, true, false, SIGTERM, WHOLE, NULL},
    {"owner", NOISE_ALL, true, false, SIGKILL, COPY, "cannot be read"},
    {"owner", FOLDER, true, false, SIGTERM, COPY, "opening the file owner: Is a directory"},

    {"applying", CUT_TO_NOTHING, .next = WHOLE},
    {"applying", CUT, .next = WHOLE},
    {"applying", LONGER, .next = WHOLE},
    {"applying", NOISE_ALL, .next = WHOLE},
    {"applying", ONES, .next = WHOLE},
    {"applying", REMOVED, .next = WHOLE},
    {"applying", STUCK, .next = REFUSED, .words = "by the file applying"},
    {"applying", FOLDER, .next = REFUSED, .words = "/applying: Is a directory"},
    {"applying", PIPE, .next = REFUSED, .words = "/applying: Invalid argument"},
    {"applying", FORBIDDEN, .next = REFUSED, .words = "/applying: Permission denied"},
    {"applying", NOISE_ALL, true, false, SIGKILL, WHOLE, NULL},
    {"applying", STUCK, true, false, SIGKILL, WHOLE, NULL}, // It notes another one at once.
    {"applying", REMOVED, true, false, SIGTERM, WHOLE, NULL},
    {"applying", CUT_TO_NOTHING, true, true, 0, WHOLE, "the file applying was cut"},

    {"status", CUT_TO_NOTHING, .next = WHOLE},
    {"status", NOISE_ALL, .next = WHOLE},
    {"status", REMOVED, .next = WHOLE},
    {"status", FOLDER, .next = WHOLE, .words = "/status cannot be written: Is a directory"},
    {"status", PIPE, .next = WHOLE, .words = "/status cannot be written: "},
    {"status", FORBIDDEN, .next = WHOLE, .words = "/status cannot be written: Permission denied"},
    {"status", CUT_TO_NOTHING, true, false, SIGTERM, WHOLE, NULL},
    {"status", NOISE_ALL, true, false, SIGTERM, WHOLE, NULL},
    {"status", REMOVED, true, false, SIGKILL, WHOLE, NULL},
    {"status", FOLDER, true, false, SIGTERM, WHOLE, "/status cannot be written: Is a directory"},
};

struct test {
    struct load load;
    char folder[220];
    char trace[220];
    char current[64];
};

static _Noreturn void die(const struct test *test, const char *what, const char *more)
{
    (void)fprintf(stderr, "files: %s: %s%s%s\n", test->current, what, more[0] == 0 ? "" : ": ",
                  more);
    exit(1);
}

// --- damage --------------------------------------------------------------------------------------

struct path {
    char text[300];
};

static struct path path_of(const struct test *test, const char *name)
{
    struct path path;
    (void)snprintf(path.text, sizeof path.text, "%s/%s", test->folder, name);
    return path;
}

static void must(const struct test *test, bool holds, const char *what)
{
    if (!holds) die(test, what, strerror(errno));
}

static u64 size_of(const struct test *test, const char *name)
{
    struct stat stat_now;
    must(test, stat(path_of(test, name).text, &stat_now) == 0, "its size");
    return (u64)stat_now.st_size;
}

static void bytes_put(const struct test *test, const char *name, u64 offset, const void *bytes,
                      size_t size)
{
    const int file = open(path_of(test, name).text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(test, file >= 0 && pwrite(file, bytes, size, (off_t)offset) == (ssize_t)size, "writing");
    (void)close(file);
}

static void bytes_get(const struct test *test, const char *name, void *bytes, size_t size)
{
    const int file = open(path_of(test, name).text, O_RDONLY | O_CLOEXEC);
    must(test, file >= 0 && pread(file, bytes, size, 0) == (ssize_t)size, "reading");
    (void)close(file);
}

// A file that is not there has no bytes to change.
static void file_remove(const struct test *test, const char *name)
{
    const struct path path = path_of(test, name);
    if (unlink(path.text) == 0 || errno == ENOENT) return;
    must(test, rmdir(path.text) == 0, "removing");
}

static void damage(struct test *test, const struct file_case *one)
{
    const struct path path = path_of(test, one->name);
    u8 noise[NOISE];
    u8 kept[64];
    // Position, whether a recovery runs, attempts, where they died.
    static const u64 stuck[] = {3, 1, 7, 3};
    for (u32 i = 0; i < NOISE; i++) noise[i] = (u8)(2 + random_below(&test->load.random, 254));
    switch (one->how) {
    case CUT_TO_NOTHING: must(test, truncate(path.text, 0) == 0, "cutting"); break;
    case CUT:
        must(test, truncate(path.text, (off_t)(size_of(test, one->name) / 2)) == 0, "cut");
        break;
    case LONGER: bytes_put(test, one->name, size_of(test, one->name), noise, NOISE); break;
    case FLIPPED:
        bytes_get(test, one->name, kept, sizeof kept);
        kept[random_below(&test->load.random, sizeof kept)] ^= 8;
        bytes_put(test, one->name, 0, kept, sizeof kept);
        break;
    case NOISE_ALL: bytes_put(test, one->name, 0, noise, NOISE); break;
    case ONES:
        memset(noise, 0xff, sizeof noise);
        bytes_put(test, one->name, 0, noise, NOISE);
        break;
    case STUCK: bytes_put(test, one->name, 0, stuck, sizeof stuck); break;
    case COPIED: {
        u8 whole[128];
        bytes_get(test, one->name, whole, sizeof whole);
        // Beside it, so that it cannot have the same place in the file system.
        bytes_put(test, "other", 0, whole, sizeof whole);
        must(test, rename(path_of(test, "other").text, path.text) == 0, "renaming");
        break;
    }
    case REMOVED: file_remove(test, one->name); break;
    case FOLDER:
        file_remove(test, one->name);
        must(test, mkdir(path.text, 0700) == 0, "making a folder");
        break;
    case PIPE:
        file_remove(test, one->name);
        must(test, mkfifo(path.text, 0600) == 0, "making a pipe");
        break;
    case LINK:
        file_remove(test, one->name);
        must(test, symlink("/dev/null", path.text) == 0, "making a link");
        break;
    case FORBIDDEN: must(test, chmod(path.text, 0) == 0, "changing rights"); break;
    }
}

// --- one case ------------------------------------------------------------------------------------

// A load of which everything is there, with all before it.
static void load_check(struct test *test)
{
    struct load *load = &test->load;
    load_client_open(load, load->client);
    load_accounts_make(load);
    if (load->in_flight > 0) load_batch_again(load);
    if (!load_batches_run(load, BATCHES, BATCH_MAX, compat_client_now() + LOAD_TIMEOUT_NS, NULL,
                          NULL)) {
        die(test, "the load does not end", "");
    }
    load_balances_check(load);
    load_ids_check(load);
    compat_client_close(load->client);
}

static void refusal_check(struct test *test, const struct file_case *one)
{
    const int status = test->load.status;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0) die(test, "no clean end", "");
    if (!load_trace_has(&test->load, one->name)) die(test, "a refusal that does not name it", "");
}

// The server leaves under the load, which may have a batch in flight.
static void leave_check(struct test *test, const struct file_case *one)
{
    struct load *load = &test->load;
    load_client_open(load, load->client);
    damage(test, one);
    (void)load_batches_run(load, BATCHES, BATCH_MAX, compat_client_now() + LOAD_TIMEOUT_NS, NULL,
                           NULL);
    compat_client_close(load->client);
    if (load->server != 0) die(test, "the server neither goes on nor leaves", "");
    refusal_check(test, one);
    if (WEXITSTATUS(load->status) != 3) die(test, "it leaves with another code than 3", "");
}

static void under_run(struct test *test, const struct file_case *one)
{
    load_server_start(&test->load);
    load_check(test);
    if (one->leaves) {
        leave_check(test, one);
        return;
    }
    damage(test, one);
    load_check(test);
    load_server_end(&test->load, one->ends_with);
}

static void case_run(struct test *test, const struct file_case *one)
{
    struct load *load = &test->load;
    (void)unlink(test->trace);
    if (one->is_under) under_run(test, one);
    else damage(test, one);
    const bool is_started = load_server_try(load);
    if (is_started == (one->next == REFUSED)) {
        die(test, is_started ? "it starts" : "it does not start", "");
    }
    if (is_started) {
        load_check(test);
        load_server_end(load, SIGTERM);
        const bool is_copy = load_trace_has(load, "is a copy");
        if (is_copy != (one->next == COPY)) die(test, "taken for a copy, or not", "");
    } else {
        refusal_check(test, one);
    }
    if (one->words != NULL && !load_trace_has(load, one->words)) {
        die(test, "the trace does not say", one->words);
    }
    // Without the file, or with it as a start makes it, everything goes on.
    file_remove(test, one->name);
    file_remove(test, "status.new");
    load_server_start(load);
    load_check(test);
    load_server_end(load, SIGTERM);
}

int main(int argc, char **argv)
{
    static const char usage[] = "files TAEL FOLDER SEED";
    if (argc < 4) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    struct test *test = calloc(1, sizeof *test);
    assert(test != NULL);
    (void)snprintf(test->folder, sizeof test->folder, "%.200s/data", argv[2]);
    (void)snprintf(test->trace, sizeof test->trace, "%.200s/trace", argv[2]);
    load_init(&test->load, argv[1], test->folder, word_number(argc, argv, 3, 1, usage));
    test->load.trace = test->trace;
    load_server_start(&test->load);
    load_check(test);
    load_server_end(&test->load, SIGTERM);
    u32 counts[3] = {0};
    u32 passed_over = 0;
    for (u32 i = 0; i < ARRAY_COUNT(cases); i++) {
        (void)snprintf(test->current, sizeof test->current, "case %u, %s", i, cases[i].name);
        if (cases[i].how == FORBIDDEN && geteuid() == 0) {
            passed_over++;
            continue;
        }
        case_run(test, &cases[i]);
        counts[cases[i].next]++;
    }
    (void)printf(
        "%u damages to owner, applying and status: %u refused by name, %u taken for a copy, "
        "%u harmless; %u of rights passed over; %llu transfers, each there once\n",
        counts[0] + counts[1] + counts[2], counts[REFUSED], counts[COPY], counts[WHOLE],
        passed_over, (unsigned long long)test->load.next_id - 1);
    load_free(&test->load);
    free(test);
    return 0;
}
