// SPDX-License-Identifier: Apache-2.0
//
// System calls of a real server that fail, one a run, or from one on all that write, under a load
// on both ports: the server goes on, or leaves and names file and cause, or lets commands wait
// while the disk is full, and goes on when it is not; the next start recovers; nothing that was
// acknowledged is lost and nothing is there twice.
//
//   calls TAEL FOLDER [RUNS] [SEED]      RUNS 0: every call of a run, with every error
//
// A run begins with no folder, or with one that a killed server left: it recovers, takes batches
// and entries, seals, takes checkpoints, and is stopped. A run without a fault counts the calls of
// each kind; each of them can fail by each error that the kernel has for it.
#include "../e2e/books_load.h"
#include "base/words.h"
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH_MAX   2000u
#define BATCHES     24u
#define BATCHES_OLD 40u // Of the folder that is there.
#define RUN_NS      (30 * NS_PER_S)
#define ERRORS_MAX  4u

static const int errors[INJECT_KINDS][ERRORS_MAX] = {
    [INJECT_OPEN] = {EIO, ENOSPC, EINTR}, [INJECT_WRITE] = {EIO, ENOSPC, EINTR, INJECT_SHORT},
    [INJECT_SYNC] = {EIO, ENOSPC, EINTR}, [INJECT_ALLOCATE] = {EIO, ENOSPC, EINTR},
    [INJECT_RENAME] = {EIO, ENOSPC},      [INJECT_REMOVE] = {EIO},
    [INJECT_READ] = {EIO, EINTR},
};

// All that write: what fails for ever begins at one call of a kind.
#define WRITERS (1u << INJECT_WRITE | 1u << INJECT_SYNC | 1u << INJECT_ALLOCATE)

static const int errors_for_ever[INJECT_KINDS][ERRORS_MAX] = {
    [INJECT_WRITE] = {EIO, ENOSPC},
    [INJECT_SYNC] = {EIO, ENOSPC},
    [INJECT_ALLOCATE] = {ENOSPC},
};

struct cell {
    bool is_used; // The folder is there.
    bool is_for_ever;
    enum inject_kind kind;
    int error;
    u32 at;
};

enum run_outcome { RUN_PASSED_OVER, RUN_WENT_ON, RUN_CAME_BACK, RUN_LEFT, RUN_OUTCOMES };

struct test {
    const char *program;
    char folder[200];
    char kept[220];  // What the used folder is made from, each time.
    char trace[220]; // The server's standard error.
    char port[220];
    struct load load; // Of the run.
    struct books_load books;
    struct load load_kept; // What is known of the used folder.
    struct books_load books_kept;
    struct inject inject;
    u64 tally[2][INJECT_KINDS][RUN_OUTCOMES]; // Of what fails once, and for ever.
    char cell[200];                           // For messages.
};

static _Noreturn void die(const struct test *test, const char *what)
{
    (void)fprintf(stderr, "calls: %s: %s\n", test->cell, what);
    exit(1);
}

// Runs a command of the shell, which must succeed.
static void shell(const struct test *test, const char *format, ...)
{
    char line[1200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) die(test, line);
}

static void books_step(void *context)
{
    books_load_step(context);
}

// --- one run -------------------------------------------------------------------------------------

static void load_begin(struct test *test, bool is_used, u64 seed)
{
    load_init(&test->load, test->program, test->folder, seed);
    if (is_used) {
        test->load.next_id = test->load_kept.next_id;
        test->load.moved = test->load_kept.moved;
        memcpy(test->load.address, test->load_kept.address, sizeof test->load.address);
    }
    test->load.port = test->port;
    test->load.trace = test->trace;
    books_load_init(&test->books, test->port);
    if (is_used) books_load_go_on(&test->books, &test->books_kept);
}

// Opens the session, whatever becomes of the server. False when that ended before.
static bool session_open(struct test *test)
{
    struct load *load = &test->load;
    struct compat_client_options options = {0};
    struct failure failure;
    enum status status = address_parse(load->address, &options.address, &failure);
    const u64 until = compat_client_now() + RUN_NS;
    if (status == STATUS_OK) status = compat_client_open(load->client, &options, until, &failure);
    if (status != STATUS_OK) load_die("opening a session", &failure);
    while (!compat_client_is_idle(load->client)) {
        if (load_server_ended(load)) return false;
        if (compat_client_now() >= until) die(test, "no session");
        compat_client_wait(&load->client, 1, compat_client_now() + NS_PER_MS);
        if (compat_client_step(load->client, &failure) != STATUS_OK) load_die("session", &failure);
    }
    compat_client_release(load->client);
    return true;
}

// Everything that a run does, from start to stop. False when the server ended by itself.
static bool load_run(struct test *test)
{
    struct load *load = &test->load;
    const u64 until = compat_client_now() + RUN_NS;
    if (!load_server_try(load)) return false;
    bool is_done = session_open(test);
    if (is_done) {
        is_done = load_accounts_try(load, until) &&
                  load_batches_run(load, BATCHES, BATCH_MAX, until,
                                   test->books.is_set_up ? books_step : NULL, &test->books);
    }
    compat_client_close(load->client);
    if (!is_done && load->server != 0) die(test, "the server neither goes on nor leaves");
    if (!is_done) return false;
    (void)kill(load->server, SIGTERM);
    load->status = load_server_wait(load);
    return WIFEXITED(load->status) && WEXITSTATUS(load->status) == 0;
}

// How the server left: with what it says of an environment that failed it, which names the file and
// the cause.
static void end_check(const struct test *test)
{
    const struct inject *inject = &test->inject;
    const int status = test->load.status;
    if (!WIFEXITED(status)) die(test, "the server was ended by a signal");
    if (WEXITSTATUS(status) != 3) die(test, "the server left with another code than 3");
    if (inject->failed == 0) die(test, "the server left though nothing failed");
    if (inject->error == INJECT_SHORT) die(test, "the server left because of a short write");
    bool is_named = false;
    for (u32 i = 0; i < inject->path_count; i++) {
        const char *name = strrchr(inject->paths[i], '/') + 1;
        const bool is_folder =
            strcmp(name, ".") == 0 || strcmp(inject->paths[i], inject->folder) == 0;
        is_named |= load_trace_has(&test->load, is_folder ? inject->folder : name);
    }
    if (!is_named) die(test, "the server does not name the file");
    if (!load_trace_has(&test->load, strerror(inject->error)))
        die(test, "the server does not name the cause");
}

// The next start, without a fault: everything that was acknowledged is there once.
static void recovery_check(struct test *test)
{
    struct load *load = &test->load;
    load->child = NULL;
    load_server_start(load);
    load_client_open(load, load->client);
    load_accounts_make(load);
    if (load->in_flight > 0) load_batch_again(load);
    load_balances_check(load);
    load_ids_check(load);
    // One that could not say whose the folder is has become a copy, to which libtael sends nothing
    // again.
    if (test->books.is_set_up && load_trace_has(&test->load, "is a copy"))
        books_load_check_copy(&test->books);
    else if (test->books.is_set_up) books_load_check(&test->books);
    compat_client_close(load->client);
    load_server_end(load, SIGTERM);
    shell(test, "'%s' verify '%s' --replay >>'%s' 2>&1", test->program, test->folder, test->trace);
}

static void folder_prepare(const struct test *test, bool is_used)
{
    shell(test, "rm -f '%s'", test->trace);
    if (!is_used) {
        shell(test, "rm -rf '%s'", test->folder);
        return;
    }
    // Files that stay keep their inodes, so that the folder is no copy.
    shell(test,
          "cd '%s' && for f in *; do [ -e '%s'/$f ] || rm -rf ./$f; done && "
          "cp --sparse=always '%s'/* .",
          test->folder, test->kept, test->kept);
}

static void folder_name(struct test *test, const char *base, bool is_used)
{
    (void)snprintf(test->folder, sizeof test->folder, "%.180s/%s", base, is_used ? "used" : "new");
}

// There is space again when the server has said that there is none.
static bool space_returns(void *context)
{
    const struct test *test = context;
    return load_trace_has(&test->load, "storage is full");
}

static enum run_outcome run(struct test *test, const char *base, const struct cell *cell, u64 seed)
{
    struct inject *inject = &test->inject;
    enum run_outcome outcome = RUN_PASSED_OVER;
    folder_name(test, base, cell->is_used);
    folder_prepare(test, cell->is_used);
    *inject = (struct inject){.kind = cell->kind,
                              .at = cell->at,
                              .error = cell->error,
                              .for_ever = cell->is_for_ever ? WRITERS : 0,
                              .is_over = cell->error == ENOSPC ? space_returns : NULL,
                              .context = test};
    (void)snprintf(test->cell, sizeof test->cell, "%s folder, %s %u, %s%s",
                   cell->is_used ? "used" : "new", inject_kind_name(cell->kind), cell->at,
                   cell->error == INJECT_SHORT ? "short" : strerror(cell->error),
                   cell->is_for_ever ? " for ever" : "");
    load_begin(test, cell->is_used, seed);
    inject_begin(inject, test->folder);
    test->load.child = inject_child;
    test->load.child_context = inject;
    const bool is_stopped = load_run(test);
    inject_end(inject);
    const size_t length = strlen(test->cell);
    (void)snprintf(test->cell + length, sizeof test->cell - length, " (%s of %.100s)", inject->call,
                   inject->paths[0]);
    if (!is_stopped) end_check(test);
    if (inject->failed > 0) {
        outcome = !is_stopped ? RUN_LEFT : inject->was_over ? RUN_CAME_BACK : RUN_WENT_ON;
    }
    recovery_check(test);
    books_load_free(&test->books);
    load_free(&test->load);
    return outcome;
}

// --- all of them ---------------------------------------------------------------------------------

// Makes the folder that is there: batches, entries, checkpoints, and a server that was killed.
static void used_make(struct test *test, const char *base, u64 seed)
{
    folder_name(test, base, true);
    (void)snprintf(test->cell, sizeof test->cell, "making a folder");
    load_begin(test, false, seed);
    struct load *load = &test->load;
    load_server_start(load);
    load_client_open(load, load->client);
    load_accounts_make(load);
    books_load_set_up(&test->books);
    if (!load_batches_run(load, BATCHES_OLD, BATCH_MAX, compat_client_now() + RUN_NS, books_step,
                          &test->books)) {
        die(test, "the load does not end");
    }
    books_load_check(&test->books);
    compat_client_close(load->client);
    load_server_end(load, SIGKILL);
    shell(test, "mkdir '%s' && cp --sparse=always '%s'/* '%s'", test->kept, test->folder,
          test->kept);
    test->load_kept = *load;
    test->books_kept = test->books;
    books_load_free(&test->books);
    load_free(load);
}

// The cells of the calls of a run, once or for ever.
static u32 cells_add(const struct test *test, const struct cell *like, struct cell *cells,
                     u32 count, u32 room)
{
    for (u32 kind = 0; kind < INJECT_KINDS; kind++) {
        const int *of = like->is_for_ever ? errors_for_ever[kind] : errors[kind];
        for (u32 i = 0; i < ERRORS_MAX && of[i] != 0; i++) {
            for (u32 at = 1; at <= test->inject.counts[kind] && count < room; at++) {
                cells[count] = *like;
                cells[count].kind = (enum inject_kind)kind;
                cells[count].error = of[i];
                cells[count++].at = at;
            }
        }
    }
    return count;
}

static u32 cells_list(struct test *test, const char *base, struct cell *cells, u32 room)
{
    u32 count = 0;
    for (u32 is_used = 0; is_used < 2; is_used++) {
        struct cell like = {.is_used = is_used != 0};
        (void)run(test, base, &like, 1);
        (void)printf("%s folder:", is_used ? "used" : "new");
        for (u32 kind = 0; kind < INJECT_KINDS; kind++) {
            (void)printf(" %s %u", inject_kind_name((enum inject_kind)kind),
                         test->inject.counts[kind]);
        }
        (void)printf("\n");
        count = cells_add(test, &like, cells, count, room);
        like.is_for_ever = true;
        count = cells_add(test, &like, cells, count, room);
    }
    return count;
}

static bool is_same_sort(const struct cell *a, const struct cell *b)
{
    return a->is_used == b->is_used && a->is_for_ever == b->is_for_ever && a->kind == b->kind &&
           a->error == b->error;
}

// One of the next sort of cells, so that each folder, kind and error has its turn, however many
// calls there are of it. `*next` is where the sort begins.
static u32 cell_pick(const struct cell *cells, u32 count, u32 *next, struct random *random)
{
    const u32 first = *next;
    u32 end = first + 1;
    while (end < count && is_same_sort(&cells[first], &cells[end])) end++;
    *next = end == count ? 0 : end;
    return first + (u32)random_below(random, end - first);
}

static void table_print(const struct test *test, u32 runs, u64 seed)
{
    (void)printf("%u runs, seed %llu, of system calls that fail\n%-20s %8s %9s %8s %12s\n", runs,
                 (unsigned long long)seed, "", "went on", "came back", "left", "passed over");
    for (u32 i = 0; i < 2 * INJECT_KINDS; i++) {
        const u64 *row = test->tally[i / INJECT_KINDS][i % INJECT_KINDS];
        if (i >= INJECT_KINDS && errors_for_ever[i % INJECT_KINDS][0] == 0) continue;
        char name[32];
        (void)snprintf(name, sizeof name, "%s%s",
                       inject_kind_name((enum inject_kind)(i % INJECT_KINDS)),
                       i >= INJECT_KINDS ? ", for ever" : "");
        (void)printf("%-20s %8llu %9llu %8llu %12llu\n", name, (unsigned long long)row[RUN_WENT_ON],
                     (unsigned long long)row[RUN_CAME_BACK], (unsigned long long)row[RUN_LEFT],
                     (unsigned long long)row[RUN_PASSED_OVER]);
    }
}

int main(int argc, char **argv)
{
    static const char usage[] = "calls TAEL FOLDER [RUNS] [SEED]";
    enum { CELLS_MAX = 100000 };
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    if (!inject_is_permitted()) {
        (void)printf("seccomp's notifications are not permitted here\n");
        return 77;
    }
    const u64 seed = word_number(argc, argv, 4, 1, usage);
    struct test *test = calloc(1, sizeof *test);
    struct cell *cells = calloc(CELLS_MAX, sizeof *cells);
    struct random random;
    assert(test != NULL && cells != NULL);
    random_init(&random, seed);
    test->program = argv[1];
    (void)snprintf(test->kept, sizeof test->kept, "%.180s/kept", argv[2]);
    (void)snprintf(test->trace, sizeof test->trace, "%.180s/trace", argv[2]);
    (void)snprintf(test->port, sizeof test->port, "unix:%.180s/port", argv[2]);
    shell(test, "mkdir -p '%s'", argv[2]);
    used_make(test, argv[2], seed);
    const u32 count = cells_list(test, argv[2], cells, CELLS_MAX);
    u32 runs = (u32)word_number(argc, argv, 3, 100, usage);
    if (runs == 0 || runs > count) runs = count;
    u32 next = 0;
    for (u32 i = 0; i < runs; i++) {
        const u32 at = runs == count ? i : cell_pick(cells, count, &next, &random);
        const struct cell *cell = &cells[at];
        test->tally[cell->is_for_ever][cell->kind][run(test, argv[2], cell, seed + i)]++;
    }
    table_print(test, runs, seed);
    free(cells);
    free(test);
    return 0;
}
