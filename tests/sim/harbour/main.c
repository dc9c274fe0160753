// SPDX-License-Identifier: Apache-2.0
//
// sim-ports: runs worlds of ports. A failure prints seed and what happened last; the same seed does
// it again.
#include "../interrupted.h"
#include "harbour.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct harbour *current; // For the report when an assertion fails.
static u64 current_answers;
static u64 worlds_first; // The seed of the first world; those of the others follow.
static u64 worlds_done;
static bool is_counted; // Not when planted bugs are looked for.

struct options {
    u64 seed;
    u64 runs;
    u64 answers;
    u64 seconds; // 0: as many worlds as `runs`; else until so many are over.
    bool all;
    bool plants;
    enum harbour_bug plant;
    bool verbose;
};

struct totals {
    u64 harbour[HARBOUR_COUNT_KINDS];
    u64 host[HOST_COUNT_KINDS];
    u64 network[NETWORK_COUNT_KINDS];
    u64 disk[DISK_COUNT_KINDS];
};

static void on_end(int number)
{
    (void)signal(number, SIG_DFL);
    if (is_counted && (number == SIGTERM || number == SIGINT)) {
        const struct interrupted interrupted = {
            .program = "sim-ports",
            .length_name = "--answers",
            .length = current_answers,
            .first = worlds_first,
            .done = worlds_done,
        };
        interrupted_tell(&interrupted);
    }
    (void)alarm(REPORT_SECONDS);
    if (current != NULL && number != SIGINT) {
        // A report that may fail is better than none.
        // NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c)
        harbour_report(current, stderr);
        (void)fprintf(stderr, "again: sim-ports --seed %llu --answers %llu --plant %s\n",
                      (unsigned long long)current->seed, (unsigned long long)current_answers,
                      harbour_bug_name(current->bug));
        // NOLINTEND(bugprone-signal-handler,cert-sig30-c)
    }
    (void)raise(number);
}

// Whatever ends a world is reported, on a stack of its own: that of a thread may be what is broken.
static void signals_watch(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGINT};
    static _Alignas(16) u8 stack[256 * KIB];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&own, NULL) != 0) abort();
    for (u32 i = 0; i < ARRAY_COUNT(numbers); i++) {
        if (sigaction(numbers[i], &action, NULL) != 0) abort();
    }
}

static int usage(void)
{
    (void)fprintf(
        stderr,
        "usage: sim-ports [--seed N] [--runs N | --seconds N] [--answers N] [--all] [--plant "
        "NAME]\n"
        "                 [--verbose]\n"
        "       sim-ports --plants [--seed N] [--runs N] [--answers N]\n"
        "  Runs N worlds of ports of consecutive seeds until clients had N answers in each, then\n"
        "  until everybody is answered. --seconds runs worlds until so many are over. --all fails\n"
        "  when something of the repertoire never happened. --plants runs worlds with each of the\n"
        "  bugs that must be found, at most N, until the check that must find it does; --plant "
        "runs\n"
        "  them with one of these bugs.\n");
    return 2;
}

static bool options_read(int count, char **words, struct options *out)
{
    *out = (struct options){.seed = 1, .runs = 1, .answers = 1000};
    for (int i = 1; i < count; i++) {
        u64 *value = NULL;
        bool *flag = NULL;
        if (strcmp(words[i], "--all") == 0) flag = &out->all;
        if (strcmp(words[i], "--plants") == 0) flag = &out->plants;
        if (strcmp(words[i], "--verbose") == 0) flag = &out->verbose;
        if (flag != NULL) {
            *flag = true;
            continue;
        }
        if (strcmp(words[i], "--plant") == 0) {
            if (++i == count) return false;
            out->plant = harbour_bug_named(words[i]);
            if (out->plant == HARBOUR_BUGS) return false;
            continue;
        }
        if (strcmp(words[i], "--seed") == 0) value = &out->seed;
        if (strcmp(words[i], "--runs") == 0) value = &out->runs;
        if (strcmp(words[i], "--seconds") == 0) value = &out->seconds;
        if (strcmp(words[i], "--answers") == 0) value = &out->answers;
        if (value == NULL || ++i == count) return false;
        char *end = NULL;
        *value = strtoull(words[i], &end, 10);
        if (*end != 0 || end == words[i]) return false;
    }
    return true;
}

static void run(u64 seed, const struct options *options, enum harbour_bug bug,
                struct totals *totals)
{
    const struct harbour_options own = {.seed = seed, .verbose = options->verbose, .bug = bug};
    struct harbour *harbour = malloc(sizeof *harbour);
    struct digest state;
    if (harbour == NULL) abort();
    harbour_init(harbour, &own);
    current = harbour;
    // Some live longer, so that what takes long happens too.
    harbour_live(harbour, seed % 10 == 0 ? 8 * options->answers : options->answers);
    harbour_rest(harbour, options->answers / 4);
    harbour_finish(harbour);
    machine_state_digest(&harbour->follower.node.machine, &state);
    printf("seed %llu: %llu answers, %llu events, %llu starts, %llu turns, state "
           "%02x%02x%02x%02x%02x%02x\n",
           (unsigned long long)seed, (unsigned long long)harbour->counts[HARBOUR_ANSWERS],
           (unsigned long long)harbour->counts[HARBOUR_EVENTS],
           (unsigned long long)harbour->counts[HARBOUR_STARTS],
           (unsigned long long)harbour->system.host.counts[HOST_TURNS], state.bytes[0],
           state.bytes[1], state.bytes[2], state.bytes[3], state.bytes[4], state.bytes[5]);
    (void)fflush(stdout);
    for (u32 i = 0; i < HARBOUR_COUNT_KINDS; i++) totals->harbour[i] += harbour->counts[i];
    for (u32 i = 0; i < HOST_COUNT_KINDS; i++) totals->host[i] += harbour->system.host.counts[i];
    for (u32 i = 0; i < NETWORK_COUNT_KINDS; i++) {
        totals->network[i] += harbour->system.network.counts[i];
    }
    for (u32 i = 0; i < DISK_COUNT_KINDS; i++) totals->disk[i] += harbour->disk.counts[i];
    current = NULL;
    harbour_free(harbour);
    free(harbour);
    worlds_done++;
}

// Prints how often something happened. Returns 1 when it never did.
static u32 count_print(const char *where, const char *what, u64 count)
{
    printf("%-8s %-28s %12llu%s\n", where, what, (unsigned long long)count,
           count == 0 ? "  never" : "");
    return count == 0;
}

static u32 totals_print(const struct totals *totals)
{
    u32 missing = 0;
    for (u32 i = 0; i < HARBOUR_COUNT_KINDS; i++) {
        missing +=
            count_print("world", harbour_count_name((enum harbour_count)i), totals->harbour[i]);
    }
    for (u32 i = 0; i < HOST_COUNT_KINDS; i++) {
        missing += count_print("host", host_count_name((enum host_count)i), totals->host[i]);
    }
    for (u32 i = 0; i < NETWORK_COUNT_KINDS; i++) {
        missing +=
            count_print("network", network_count_name((enum network_count)i), totals->network[i]);
    }
    // Lies and rot are for worlds that ask questions of a folder (world_faults.c).
    for (u32 i = 0; i < DISK_COUNT_ROT; i++) {
        missing +=
            count_print("disk", disk_memory_count_name((enum disk_memory_count)i), totals->disk[i]);
    }
    return missing;
}

// Runs a world with a bug in a process of its own. Whether it failed; then `line` says how.
static bool bug_run(u64 seed, const struct options *options, enum harbour_bug bug, char *line,
                    size_t room)
{
    int ends[2];
    int status = 0;
    struct totals totals = {0};
    (void)fflush(stdout);
    if (pipe(ends) != 0) abort();
    const pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        if (dup2(ends[1], STDERR_FILENO) < 0 || freopen("/dev/null", "w", stdout) == NULL) abort();
        (void)close(ends[0]);
        run(seed, options, bug, &totals);
        _exit(0);
    }
    (void)close(ends[1]);
    FILE *report = fdopen(ends[0], "r");
    char text[512];
    if (report == NULL) abort();
    line[0] = 0;
    while (fgets(text, sizeof text, report) != NULL) {
        const bool is_cause = strstr(text, "FAILED") != NULL || strstr(text, "ssertion") != NULL;
        if (is_cause && line[0] == 0) (void)snprintf(line, room, "%.*s", (int)room - 1, text);
    }
    (void)fclose(report);
    if (waitpid(child, &status, 0) != child) abort();
    line[strcspn(line, "\n")] = 0;
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

// Whether a world failed by the check that must find the bug: "FAILED at N answers: CHECK: ...".
static bool is_found_by(enum harbour_bug bug, const char *line)
{
    char check[32];
    return sscanf(line, "FAILED at %*u answers: %31[^:]:", check) == 1 &&
           harbour_bug_is_found_by(bug, check);
}

static int bugs_find(const struct options *options)
{
    u32 missing = 0;
    for (u32 i = HARBOUR_NO_BUG + 1; i < HARBOUR_BUGS; i++) {
        const enum harbour_bug bug = (enum harbour_bug)i;
        char line[256] = "";
        u64 worlds = 0;
        u64 others = 0;
        bool found = false;
        while (!found && worlds < options->runs) {
            const bool failed = bug_run(options->seed + worlds++, options, bug, line, sizeof line);
            found = failed && is_found_by(bug, line);
            others += failed && !found;
        }
        printf("plant %-10s %s in world %llu, by other checks in %llu before: %s\n",
               harbour_bug_name(bug), found ? "found" : "not found", (unsigned long long)worlds,
               (unsigned long long)others, line);
        missing += !found;
    }
    return missing > 0;
}

static void runs_for(const struct options *options, struct totals *totals)
{
    struct timespec begin, now;
    u64 worlds = 0;
    double seconds = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    while (seconds < (double)options->seconds) {
        run(options->seed + worlds++, options, options->plant, totals);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        seconds = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
    }
    const u64 events = totals->harbour[HARBOUR_EVENTS];
    printf("%llu worlds, %llu events in %.0f s: %.0f a minute\n", (unsigned long long)worlds,
           (unsigned long long)events, seconds, (double)events * 60 / seconds);
}

int main(int count, char **words)
{
    struct options options;
    if (!options_read(count, words, &options)) return usage();
    current_answers = options.answers;
    worlds_first = options.seed;
    is_counted = !options.plants;
    signals_watch();
    if (options.plants) return bugs_find(&options);
    struct totals totals = {0};
    if (options.seconds > 0) runs_for(&options, &totals);
    for (u64 i = 0; i < options.runs && options.seconds == 0; i++) {
        run(options.seed + i, &options, options.plant, &totals);
    }
    const u32 missing = totals_print(&totals);
    if (missing == 0 || !options.all) return 0;
    (void)fprintf(stderr, "%u of the repertoire never happened\n", missing);
    return 1;
}
