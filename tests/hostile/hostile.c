// SPDX-License-Identifier: Apache-2.0
//
// Hostile inputs to a real server, on both ports, from a file (inputs, which has the language at
// its head): each is answered as docs/PROTOCOL.md says, and while its connections are still there,
// honest clients are served: one on each port that was connected all the time, and a new one on
// each.
//
//   hostile TAEL FOLDER INPUTS [FIRST [LAST]]
//
// In time: within LOAD_TIMEOUT_NS, which only a server that hangs exceeds. The server's memory
// stays within what its buffers take.
#include "../e2e/books_load.h"
#include "base/words.h"
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define LINE_SIZE 1024u
// Cases whose connections must have been closed by the end of the file.
#define LATE_MAX 64u
// Of the server, anonymous and above what it had before the first case: its 320 buffers of a MiB,
// 64 MiB of replies that wait, and what questions take.
#define MEMORY_MAX (640 * MIB)
// What is told of: not a rule, since other work of the machine may be the cause.
#define SLOW_NS (3 * NS_PER_S)
// Descriptors beyond the connections of a case.
#define DESCRIPTORS_MORE 200u

struct late {
    struct wire wire;
    char name[64];
};

struct test {
    struct load load;
    struct books_load books;
    char folder[220];
    char port[220];
    char trace[220];
    struct late late[LATE_MAX];
    u32 late_count;
    u64 memory_first;
    u64 memory_most;
    u64 latency_most; // Of a round of honest clients.
    u32 cases;
    u32 skipped;
    u32 failed;
};

static _Noreturn void die(const char *name, const char *what)
{
    (void)fprintf(stderr, "hostile: %s: %s\n", name, what);
    exit(1);
}

// Anonymous memory of the server that is resident, in bytes.
static u64 memory_of(const struct test *test)
{
    char path[64];
    char line[256];
    u64 kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)test->load.server);
    FILE *file = fopen(path, "re");
    if (file == NULL) die("the server", "is gone");
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) kib = strtoull(line + 8, NULL, 10);
    }
    (void)fclose(file);
    return kib * KIB;
}

// --- honest clients ------------------------------------------------------------------------------

static u64 deadline(void)
{
    return compat_client_now() + LOAD_TIMEOUT_NS;
}

// A transfer by who was there before, and one by who comes now.
static void compat_serve(struct test *test, const char *name)
{
    struct load *load = &test->load;
    struct compat_client *connected = load->client;
    struct compat_client *fresh = calloc(1, sizeof *fresh);
    assert(fresh != NULL);
    if (!load_batches_run(load, 1, 1, deadline(), NULL, NULL)) die(name, "a client is not served");
    load_client_open(load, fresh);
    load->client = fresh;
    if (!load_batches_run(load, 1, 1, deadline(), NULL, NULL)) die(name, "a new one is not served");
    load_balances_check(load);
    compat_client_close(fresh);
    load->client = connected;
    free(fresh);
}

// The same with entries; the balances are asked for, too.
static void books_serve(struct test *test)
{
    struct books_load fresh;
    books_load_step(&test->books);
    books_load_check(&test->books);
    books_load_init(&fresh, test->port);
    books_load_go_on(&fresh, &test->books);
    books_load_step(&fresh);
    books_load_check(&fresh);
    books_load_go_on(&test->books, &fresh);
    books_load_free(&fresh);
}

static void honest_serve(struct test *test, const char *name)
{
    const u64 before = compat_client_now();
    compat_serve(test, name);
    books_serve(test);
    const u64 latency = compat_client_now() - before;
    test->latency_most = MAX(test->latency_most, latency);
    if (latency > SLOW_NS) {
        (void)printf("%s: honest clients waited %llu ms\n", name,
                     (unsigned long long)(latency / NS_PER_MS));
    }
    const u64 memory = memory_of(test);
    test->memory_most = MAX(test->memory_most, memory);
    if (memory > test->memory_first + MEMORY_MAX) die(name, "the server takes too much memory");
}

// --- cases ---------------------------------------------------------------------------------------

static char *trimmed(char *text)
{
    while (*text == ' ') text++;
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\n')) text[--length] = 0;
    return text;
}

// Whether this process may have so many connections as a case opens.
static bool descriptors_suffice(const char *steps)
{
    u32 count = 0;
    struct rlimit limit;
    char first[32];
    (void)snprintf(first, sizeof first, "%.*s", (int)MIN(strcspn(steps, ","), (size_t)31), steps);
    if (!wire_number(first, "connect", &count)) return true;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    const rlim_t wanted = count + DESCRIPTORS_MORE;
    if (limit.rlim_cur >= wanted) return true;
    if (limit.rlim_max < wanted) return false;
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void case_run(struct test *test, u32 number, char *line)
{
    char *parts[4] = {NULL};
    char *rest = line;
    struct failure failure;
    struct wire wire;
    bool is_right = true;
    for (u32 i = 0; i < 4; i++) parts[i] = trimmed(strsep(&rest, "|"));
    if (rest != NULL || parts[3][0] == 0) die(line, "is not `name | port | steps | answer`");
    const bool is_compat = strcmp(parts[1], "compat") == 0;
    if (!is_compat && strcmp(parts[1], "tael") != 0) die(parts[0], "is for no port");
    if (!descriptors_suffice(parts[2])) {
        (void)printf("skipped: %s: so many descriptors are not permitted here\n", parts[0]);
        test->skipped++;
        return;
    }
    wire_init(&wire, is_compat ? WIRE_COMPAT : WIRE_TAEL,
              is_compat ? test->load.address : test->port, number + 1);
    for (char *steps = parts[2]; steps != NULL;) {
        const char *step = trimmed(strsep(&steps, ","));
        is_right = is_right && wire_step(&wire, step, &failure);
    }
    if (!is_right || !wire_expect(&wire, parts[3], &failure)) {
        (void)fprintf(stderr, "hostile: %s, %s: %s\n", parts[1], parts[0], failure.message);
        test->failed++;
        is_right = false;
    }
    honest_serve(test, parts[0]);
    test->cases++;
    if (strcmp(parts[3], "late") != 0 || !is_right) {
        wire_free(&wire);
        return;
    }
    if (test->late_count == LATE_MAX) die(parts[0], "is one too many that is late");
    struct late *late = &test->late[test->late_count++];
    late->wire = wire;
    (void)snprintf(late->name, sizeof late->name, "%.60s", parts[0]);
}

// What stood still is closed, all of it and by itself.
static void late_check(struct test *test)
{
    const u64 until = deadline();
    for (u32 i = 0; i < test->late_count; i++) {
        if (!wire_all_closed(&test->late[i].wire, until)) {
            die(test->late[i].name, "a connection that stands still is not closed");
        }
        wire_free(&test->late[i].wire);
    }
    honest_serve(test, "the end");
}

int main(int argc, char **argv)
{
    static const char usage[] = "hostile TAEL FOLDER INPUTS [FIRST [LAST]]";
    if (argc < 4) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    const u32 first = (u32)word_number(argc, argv, 4, 1, usage);
    const u32 last = (u32)word_number(argc, argv, 5, U32_MAX, usage);
    struct test *test = calloc(1, sizeof *test);
    FILE *inputs = fopen(argv[3], "re");
    char line[LINE_SIZE];
    assert(test != NULL);
    if (inputs == NULL) die(argv[3], "cannot be opened");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(test->folder, sizeof test->folder, "%.200s/data", argv[2]);
    (void)snprintf(test->port, sizeof test->port, "unix:%.200s/port", argv[2]);
    (void)snprintf(test->trace, sizeof test->trace, "%.200s/trace", argv[2]);
    load_init(&test->load, argv[1], test->folder, 1);
    test->load.port = test->port;
    test->load.trace = test->trace;
    load_server_start(&test->load);
    load_client_open(&test->load, test->load.client);
    load_accounts_make(&test->load);
    books_load_init(&test->books, test->port);
    books_load_set_up(&test->books);
    honest_serve(test, "the beginning");
    test->memory_first = memory_of(test);
    for (u32 number = 0; fgets(line, sizeof line, inputs) != NULL;) {
        const char *begin = trimmed(line);
        if (begin[0] == '#' || begin[0] == 0) continue;
        if (++number >= first && number <= last) case_run(test, number, line);
    }
    (void)fclose(inputs);
    late_check(test);
    compat_client_close(test->load.client);
    books_load_free(&test->books);
    load_server_end(&test->load, SIGTERM);
    (void)printf(
        "%u hostile inputs, %u skipped; honest clients served "
        "behind each in at most %llu ms; %llu MiB more memory at most\n",
        test->cases, test->skipped, (unsigned long long)(test->latency_most / NS_PER_MS),
        (unsigned long long)((test->memory_most - MIN(test->memory_first, test->memory_most)) /
                             MIB));
    load_free(&test->load);
    const bool is_whole = test->failed == 0;
    if (!is_whole) (void)printf("%u of them were answered otherwise\n", test->failed);
    free(test);
    return is_whole ? 0 : 1;
}
