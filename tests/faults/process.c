// SPDX-License-Identifier: Apache-2.0
//
// A real server that is stopped and goes on, that finds another one in its folder, whose clock is
// set: under a load on both ports, of which nothing is lost and nothing happens twice.
//
//   process stop  TAEL FOLDER ROUNDS SEED          SIGSTOP at random moments, SIGCONT
//   process twice TAEL FOLDER ROUNDS SEED          a second server on the folder of a first
//   process clock TAEL FOLDER ROUNDS SEED LIBRARY  the wall clock set forwards and back
#include "../e2e/books_load.h"
#include "base/words.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tael_records.h>
#include <unistd.h>

#define BATCH_MAX     1000u
#define BATCHES       8u
#define WAIT_NS       (60 * NS_PER_S)
#define UNANSWERED_MS 200u
#define HOUR_NS       (3600 * (i64)NS_PER_S)
#define DAY_NS        (24 * HOUR_NS)

struct test {
    struct load load;
    struct books_load books;
    char folder[220];
    char trace[220];
    char port[220];
    char clock_path[220];
    volatile i64 *clock; // The offset of the wall clock, in nanoseconds.
    const char *library;
};

static _Noreturn void die(const char *what, const char *more)
{
    (void)fprintf(stderr, "process: %s%s%s\n", what, more[0] == 0 ? "" : ": ", more);
    exit(1);
}

static void books_step(void *context)
{
    books_load_step(context);
}

static u64 soon(void)
{
    return compat_client_now() + WAIT_NS;
}

// A load on both ports, all of it answered and looked at.
static void load_whole(struct test *test)
{
    if (!load_batches_run(&test->load, BATCHES, BATCH_MAX, soon(), books_step, &test->books)) {
        die("the load does not end", "");
    }
    books_load_check(&test->books);
    load_balances_check(&test->load);
    load_ids_check(&test->load);
}

// Starts, and finds everything there.
static void start(struct test *test)
{
    struct load *load = &test->load;
    load_server_start(load);
    load_client_open(load, load->client);
    load_accounts_make(load);
    books_load_set_up(&test->books);
    if (load->in_flight > 0) load_batch_again(load);
    load_balances_check(load);
}

static void end(struct test *test, int number)
{
    compat_client_close(test->load.client);
    load_server_end(&test->load, number);
}

// --- SIGSTOP -------------------------------------------------------------------------------------

// What is asked of a server that is stopped is not answered in time, and says so.
static void silence_check(struct test *test)
{
    struct compat_client *client = calloc(1, sizeof *client);
    struct compat_client_options options = {0};
    struct failure failure;
    struct tael_answer answer;
    assert(client != NULL);
    enum status status = address_parse(test->load.address, &options.address, &failure);
    if (status != STATUS_OK) load_die("the address", &failure);
    status = compat_client_connect(client, &options, UNANSWERED_MS * NS_PER_MS, &failure);
    if (status != STATUS_TIMEOUT) die("a stopped server makes sessions", failure.message);
    free(client);
    const struct tael_entity_list all = {0};
    const struct tael_question question = {
        .record = TAEL_RECORD_ENTITY_LIST, .version = 1, .body = &all, .body_size = sizeof all};
    u64 ticket = 0;
    struct tael_client *books = test->books.client;
    if (tael_submit_question(books, &question, TAEL_FOREVER, NULL, NULL, &ticket) != TAEL_OK ||
        tael_await(books, ticket, UNANSWERED_MS, &answer) != TAEL_ERROR_TIMEOUT ||
        tael_give_up(books, ticket, NULL) != TAEL_OK) {
        die("a stopped server answers", "");
    }
}

static void stop_run(struct test *test, u32 rounds)
{
    struct load *load = &test->load;
    u32 in_flight = 0;
    start(test);
    for (u32 round = 0; round < rounds; round++) {
        const u64 until = compat_client_now() + random_below(&load->random, 60 * NS_PER_MS);
        (void)load_batches_run(load, U32_MAX, BATCH_MAX, until, books_step, &test->books);
        int status = 0;
        (void)kill(load->server, SIGSTOP);
        if (waitpid(load->server, &status, WUNTRACED) != load->server || !WIFSTOPPED(status)) {
            die("the server does not stop", "");
        }
        in_flight += load->in_flight > 0;
        silence_check(test);
        (void)kill(load->server, SIGCONT);
        if (load->in_flight > 0 && !load_batch_finish(load, soon(), books_step, &test->books)) {
            die("a batch is not answered behind the stop", "");
        }
        load_whole(test);
    }
    end(test, SIGTERM);
    (void)printf("%u stops, %u with a batch in flight: %llu transfers, %llu entries, each there "
                 "once\n",
                 rounds, in_flight, (unsigned long long)load->next_id - 1,
                 (unsigned long long)test->books.submitted);
}

// --- two servers ---------------------------------------------------------------------------------

// A second server is refused, and names the first.
static void second_refused(struct test *test)
{
    struct load second;
    char words[64];
    char trace[240];
    (void)snprintf(trace, sizeof trace, "%s.second", test->trace);
    (void)unlink(trace);
    load_init(&second, test->load.program, test->folder, 1);
    second.trace = trace;
    if (load_server_try(&second)) die("a second server begins in the folder", "");
    if (!WIFEXITED(second.status) || WEXITSTATUS(second.status) != 3) {
        die("a second server ends otherwise than by a refusal", "");
    }
    (void)snprintf(words, sizeof words, "(process id %ld)", (long)test->load.server);
    if (!load_trace_has(&second, words)) die("the second does not name the first", words);
    load_free(&second);
}

static void twice_run(struct test *test, u32 rounds)
{
    struct load *load = &test->load;
    for (u32 round = 0; round < rounds; round++) {
        start(test);
        (void)load_batches_run(load, U32_MAX, BATCH_MAX, compat_client_now() + 20 * NS_PER_MS,
                               books_step, &test->books);
        second_refused(test);
        (void)kill(load->server, SIGSTOP); // It holds the folder all the same.
        second_refused(test);
        (void)kill(load->server, SIGCONT);
        if (load->in_flight > 0 && !load_batch_finish(load, soon(), books_step, &test->books)) {
            die("the first does not answer", "");
        }
        load_whole(test);
        end(test, round % 2 == 0 ? SIGKILL : SIGTERM);
    }
    start(test);
    end(test, SIGTERM);
    (void)printf("%u second servers refused, and the first one undisturbed: %llu transfers, %llu "
                 "entries\n",
                 2 * rounds, (unsigned long long)load->next_id - 1,
                 (unsigned long long)test->books.submitted);
}

// --- the clock -----------------------------------------------------------------------------------

static void clock_child(void *context)
{
    const struct test *test = context;
    (void)setenv("LD_PRELOAD", test->library, 1);
    (void)setenv("TAEL_CLOCK_FILE", test->clock_path, 1);
}

static void clock_open(struct test *test)
{
    const int file = open(test->clock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *test->clock) != 0) die("the clock's file", "");
    void *memory = mmap(NULL, sizeof *test->clock, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    if (memory == MAP_FAILED) die("the clock's memory", "");
    test->clock = memory;
    test->load.child = clock_child;
    test->load.child_context = test;
}

// A load while the clock is off by `offset`: time goes on, and no further than it may.
static void clock_load(struct test *test, i64 offset, const char *words)
{
    const u64 before = test->load.timestamp;
    *test->clock = offset;
    load_whole(test);
    if (before != 0 && test->load.timestamp > before + 10 * 60 * NS_PER_S) {
        die("time leapt with the clock", "");
    }
    // It may be said a little later than the frames are made.
    const u64 until = soon();
    while (words != NULL && !load_trace_has(&test->load, words)) {
        if (compat_client_now() > until) die("the server does not say", words);
        load_whole(test);
    }
}

// Starts at an offset of the clock; time goes on from the last frame.
static void clock_start(struct test *test, i64 offset)
{
    *test->clock = offset;
    start(test);
    load_whole(test);
}

static void clock_run(struct test *test, u32 rounds)
{
    struct load *load = &test->load;
    clock_open(test);
    for (u32 round = 0; round < rounds; round++) {
        const i64 base = (i64)round * 1300 * DAY_NS;
        (void)unlink(test->trace);
        if (round > 0) load->flags[0] = "--clock-jump-max", load->flags[1] = "200000000";
        clock_start(test, base);
        load->flags[0] = NULL;
        clock_load(test, base + 5 * (i64)NS_PER_S, NULL);
        clock_load(test, base - 5 * (i64)NS_PER_S, NULL);
        clock_load(test, base + 2 * HOUR_NS, "ahead of the time of frames and is not followed");
        clock_load(test, base, "near the time of frames again");
        clock_load(test, base - 2 * HOUR_NS, "behind the time of frames and is not followed");
        end(test, SIGKILL);
        clock_start(test, base - 10 * DAY_NS); // Time goes on from the last frame.
        end(test, SIGKILL);
        const u64 before = load->timestamp;
        clock_start(test, base + 399 * DAY_NS);
        if (load->timestamp < before + 398 * (u64)DAY_NS)
            die("the clock ahead is not followed", "");
        end(test, SIGTERM);
        *test->clock = base + 801 * DAY_NS;
        if (load_server_try(load)) die("a clock 402 days ahead is taken", "");
        if (!WIFEXITED(load->status) || WEXITSTATUS(load->status) != 3 ||
            !load_trace_has(load, "days ahead of the last frame")) {
            die("a clock 402 days ahead is not refused as such", "");
        }
        load->flags[0] = "--clock-jump-max";
        load->flags[1] = "40000000";
        clock_start(test, base + 801 * DAY_NS);
        load->flags[0] = NULL;
        end(test, SIGTERM);
        clock_start(test, base); // Set back by years: time still goes on.
        end(test, SIGTERM);
    }
    (void)printf("%u times a clock set forwards and back, while a server ran and between its runs: "
                 "%llu transfers, %llu entries, times that grow\n",
                 rounds, (unsigned long long)load->next_id - 1,
                 (unsigned long long)test->books.submitted);
}

int main(int argc, char **argv)
{
    static const char usage[] = "process stop|twice|clock TAEL FOLDER ROUNDS SEED [LIBRARY]";
    if (argc < 6) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    const char *mode = argv[1];
    const u32 rounds = (u32)word_number(argc, argv, 4, 1, usage);
    struct test *test = calloc(1, sizeof *test);
    assert(test != NULL);
    (void)snprintf(test->folder, sizeof test->folder, "%.200s/data", argv[3]);
    (void)snprintf(test->trace, sizeof test->trace, "%.200s/trace", argv[3]);
    (void)snprintf(test->port, sizeof test->port, "unix:%.200s/port", argv[3]);
    (void)snprintf(test->clock_path, sizeof test->clock_path, "%.200s/clock", argv[3]);
    test->library = argc > 6 ? argv[6] : NULL;
    load_init(&test->load, argv[2], test->folder, word_number(argc, argv, 5, 1, usage));
    test->load.port = test->port;
    test->load.trace = test->trace;
    books_load_init(&test->books, test->port);
    if (strcmp(mode, "stop") == 0) stop_run(test, rounds);
    else if (strcmp(mode, "twice") == 0) twice_run(test, rounds);
    else if (strcmp(mode, "clock") == 0 && test->library != NULL) clock_run(test, rounds);
    else return 2;
    books_load_free(&test->books);
    load_free(&test->load);
    free(test);
    return 0;
}
