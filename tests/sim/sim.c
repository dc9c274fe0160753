// SPDX-License-Identifier: Apache-2.0
//
// sim: runs simulated worlds. A failure prints seed, step and what happened last; the same seed
// does it again, and fewer of its steps, which are then looked for, do so too.
#include "interrupted.h"
#include "shrink.h"
#include "world.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// What is looked for after a failure takes the time of so many worlds like it.
#define SHRINK_WORLDS 40u

static struct world *current; // For the report when an assertion fails.
static u64 current_steps;     // That it was to live.
static bool is_shrunk_after;  // A world that fails is run again with fewer steps.
static bool is_last;          // It was, and lives for the last time.
static u64 worlds_first;      // The seed of the first world; those of the others follow.
static u64 worlds_done;
static bool is_of_modules;

// The words that choose a world's kind, or its bug.
static const char *kind_words(bool has_modules, enum plant_bug bug, const char **name)
{
    *name = bug != PLANT_NONE ? plants[bug].name : "";
    return bug != PLANT_NONE ? " --plant " : has_modules ? " --modules" : "";
}

// What the world that lives now did last, and how it is done again.
static void report(void)
{
    if (current == NULL || is_last) return; // Of the last one all was said as it happened.
    const char *name = NULL;
    const char *kind = kind_words(current->desk != NULL, current->bug, &name);
    // A report that may fail is better than none.
    // NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c)
    world_report(current, stderr);
    fprintf(stderr, "again: sim%s%s --seed %llu --steps %llu\n", kind, name,
            (unsigned long long)current->seed, (unsigned long long)current_steps);
    // NOLINTEND(bugprone-signal-handler,cert-sig30-c)
}

// Goes on as a process that looks for fewer steps with which the world fails.
static void shrink_begin(void)
{
    char seed[24];
    char steps[24];
    sigset_t none;
    // NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c)
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)current->seed);
    (void)snprintf(steps, sizeof steps, "%llu", (unsigned long long)current_steps);
    // NOLINTEND(bugprone-signal-handler,cert-sig30-c)
    const enum plant_bug bug = current->bug;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); // An exec keeps what is blocked here.
    (void)execl("/proc/self/exe", "sim", "--shrink", "--seed", seed, "--steps", steps,
                bug != PLANT_NONE       ? "--plant"
                : current->desk != NULL ? "--modules"
                                        : NULL,
                bug != PLANT_NONE ? plants[bug].name : NULL, NULL);
}

static void on_abort(int number)
{
    (void)number;
    (void)signal(SIGABRT, SIG_DFL);
    (void)alarm(REPORT_SECONDS);
    report();
    (void)alarm(0);
    if (current != NULL && is_shrunk_after) shrink_begin();
    abort();
}

// What was done until somebody had enough, and how it is gone on with.
static void on_interrupt(int number)
{
    const struct interrupted interrupted = {
        .program = is_of_modules ? "sim --modules" : "sim",
        .length_name = "--steps",
        .length = current_steps,
        .first = worlds_first,
        .done = worlds_done,
    };
    (void)signal(number, SIG_DFL);
    interrupted_tell(&interrupted);
    (void)raise(number);
}

struct options {
    u64 seed;
    u64 runs;
    u64 steps;
    u64 seconds; // 0: as many worlds as `runs`; else until so many are over.
    bool verbose;
    bool modules;       // Worlds of modules, not of plain clients.
    bool all;           // Every fault must have been seen to happen.
    bool plants;        // Every planted bug must be found within the runs.
    enum plant_bug bug; // That worlds of modules have.
    bool shrink;        // Fewer steps are looked for with which the world fails.
    const char *only;   // The steps that are done, "3,7-9"; NULL: all of them.
    bool *kept;         // The same, of each step from 1 on.
};

static int usage(void)
{
    fprintf(stderr,
            "usage: sim [--modules] [--seed N] [--runs N | --seconds N] [--steps N] [--all]\n"
            "           [--verbose]\n"
            "       sim --shrink | --only STEPS [--modules | --plant BUG] [--seed N] [--steps N]\n"
            "       sim --plants | --plant BUG [--seed N] [--runs N] [--steps N]\n"
            "  Runs N worlds of consecutive seeds for N steps each, then lets the disk of each\n"
            "  lie; worlds of plain clients, or of modules. --seconds runs worlds until so many\n"
            "  are over, and says how many events a minute they had. --all fails when something of "
            "the\n"
            "  repertoire never happened. A world that fails is run again with fewer and fewer\n"
            "  steps; --shrink does that alone, --only runs the steps \"3,7-9\" of a world.\n"
            "  --plants runs worlds of modules with each bug, at most\n"
            "  N, until the check that is meant to finds it; --plant one world with one:\n");
    for (u32 i = PLANT_NONE + 1; i < PLANT_BUGS; i++) {
        fprintf(stderr, "  %-12s %-5s %s\n", plants[i].name, plants[i].found_by, plants[i].doc);
    }
    return 2;
}

static bool options_read(int count, char **words, struct options *out)
{
    *out = (struct options){.seed = 1, .runs = 1, .steps = 2000};
    for (int i = 1; i < count; i++) {
        u64 *value = NULL;
        if (strcmp(words[i], "--verbose") == 0) {
            out->verbose = true;
            continue;
        }
        if (strcmp(words[i], "--all") == 0) {
            out->all = true;
            continue;
        }
        if (strcmp(words[i], "--modules") == 0) {
            out->modules = true;
            continue;
        }
        if (strcmp(words[i], "--plants") == 0) {
            out->plants = true;
            continue;
        }
        if (strcmp(words[i], "--shrink") == 0) {
            out->shrink = true;
            continue;
        }
        if (strcmp(words[i], "--only") == 0 && i + 1 < count) {
            out->only = words[++i];
            continue;
        }
        if (strcmp(words[i], "--plant") == 0 && i + 1 < count) {
            out->bug = plant_find(words[++i]);
            out->modules = true;
            if (out->bug == PLANT_NONE) return false;
            continue;
        }
        if (strcmp(words[i], "--seed") == 0) value = &out->seed;
        if (strcmp(words[i], "--runs") == 0) value = &out->runs;
        if (strcmp(words[i], "--seconds") == 0) value = &out->seconds;
        if (strcmp(words[i], "--steps") == 0) value = &out->steps;
        if (value == NULL || ++i == count) return false;
        char *end = NULL;
        *value = strtoull(words[i], &end, 10);
        if (*end != 0 || end == words[i]) return false;
    }
    return true;
}

struct totals {
    u64 world[WORLD_COUNT_KINDS];
    u64 disk[DISK_COUNT_KINDS];
    u64 checks[DESK_CHECKS];
    struct desk_tally tallies[DESK_RECORDS_MAX];
    u32 tally_count;
};

// Adds what a world did of each kind of record.
static void tallies_add(struct totals *totals, const struct desk *desk)
{
    for (u32 i = 0; i < desk->tally_count; i++) {
        const struct desk_tally *more = &desk->tallies[i];
        u32 at = 0;
        while (at < totals->tally_count && totals->tallies[at].record != more->record) at++;
        struct desk_tally *tally = &totals->tallies[at];
        if (at == totals->tally_count) totals->tally_count++;
        tally->record = more->record;
        tally->applied += more->applied;
        tally->refused += more->refused;
        tally->repeated += more->repeated;
    }
    for (u32 i = 0; i < DESK_CHECKS; i++) totals->checks[i] += desk->checks[i];
}

static void run(u64 seed, const struct options *options, struct totals *totals)
{
    struct world *world = malloc(sizeof *world);
    if (world == NULL) abort();
    memset(world, 0, sizeof *world);
    current = world;
    const struct world_options life = {.seed = seed,
                                       .is_of_modules = options->modules,
                                       .verbose = options->verbose,
                                       .bug = options->bug};
    world_init(world, &life);
    for (u64 i = 1; i <= options->steps; i++) {
        if (options->kept == NULL || options->kept[i]) world_step(world);
        else world_skip(world);
    }
    world_finish(world);
    struct digest state;
    world_digest(world, &state);
    printf("seed %llu: %llu frames, %llu events, %llu crashes, state %02x%02x%02x%02x%02x%02x\n",
           (unsigned long long)seed, (unsigned long long)world->counts[WORLD_FRAMES],
           (unsigned long long)world->counts[WORLD_EVENTS],
           (unsigned long long)world->counts[WORLD_CRASHES], state.bytes[0], state.bytes[1],
           state.bytes[2], state.bytes[3], state.bytes[4], state.bytes[5]);
    (void)fflush(stdout);
    world_lie(world);
    for (u32 i = 0; i < WORLD_COUNT_KINDS; i++) totals->world[i] += world->counts[i];
    for (u32 i = 0; i < DISK_COUNT_KINDS; i++) totals->disk[i] += world->disk.counts[i];
    if (world->desk != NULL) tallies_add(totals, world->desk);
    current = NULL;
    world_free(world);
    free(world);
    worlds_done++;
}

// Prints how often something happened. Returns 1 when it never did.
static u32 count_print(const char *where, const char *what, u64 count)
{
    printf("%-6s %-28s %12llu%s\n", where, what, (unsigned long long)count,
           count == 0 ? "  never" : "");
    return count == 0;
}

static struct desk_tally tally_of(const struct totals *totals, u32 record)
{
    for (u32 i = 0; i < totals->tally_count; i++) {
        if (totals->tallies[i].record == record) return totals->tallies[i];
    }
    return (struct desk_tally){.record = record};
}

// Prints how often a kind of record was carried out, refused and given again. Returns 1 when it
// never was carried out, or never refused.
static u32 record_print(const struct totals *totals, u32 record, const char *name)
{
    const struct desk_tally tally = tally_of(totals, record);
    // What would part loans from their accounts is always refused (L10).
    const bool is_missing = (tally.applied == 0) != (record == 0x7e05) || tally.refused == 0;
    printf("record %-28s %12llu refused %8llu again %6llu%s\n", name,
           (unsigned long long)tally.applied, (unsigned long long)tally.refused,
           (unsigned long long)tally.repeated, is_missing ? "  never" : "");
    return is_missing;
}

// What worlds of modules did and looked at. Returns how much never happened.
static u32 desk_print(const struct totals *totals)
{
    u32 missing = 0;
    for (u32 i = 0; i < DESK_CHECKS; i++) {
        missing += count_print("check", desk_check_name((enum desk_check)i), totals->checks[i]);
    }
    missing += record_print(totals, 0x0101, "account");
    missing += record_print(totals, 0x0102, "transfer");
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->schema->record_count; j++) {
            const struct schema_record *record = modules[i]->schema->records[j];
            if (record->kind != RECORD_COMMAND) continue;
            missing += record_print(totals, record->number, record->name);
        }
    }
    return missing;
}

// A world in a process of its own.
struct life {
    u64 seed;
    const struct options *options;
};

static void life_run(void *context)
{
    const struct life *life = context;
    struct totals totals = {0};
    is_shrunk_after = false;
    run(life->seed, life->options, &totals);
}

// --- fewer steps ---------------------------------------------------------------------------------

static bool shrink_fails(void *context, const struct shrink *shrink, struct apart_failure *out)
{
    const struct life *life = context;
    struct options own = *life->options;
    own.steps = shrink->steps;
    own.kept = shrink->kept;
    current_steps = own.steps;
    return apart_run(life_run, &(struct life){.seed = life->seed, .options = &own}, out);
}

// Prints the steps that are left as --only takes them.
static void kept_print(const struct shrink *shrink, FILE *out)
{
    const char *between = "";
    for (u64 i = 1; i <= shrink->steps; i++) {
        if (!shrink->kept[i]) continue;
        const u64 first = i;
        while (i < shrink->steps && shrink->kept[i + 1]) i++;
        (void)fprintf(out, "%s%llu", between, (unsigned long long)first);
        if (i > first) (void)fprintf(out, "-%llu", (unsigned long long)i);
        between = ",";
    }
    if (between[0] == 0) (void)fputs("0", out);
}

// Looks for fewer steps, and shows what happens in those that are left. Ends with the failure.
static int shrink_world(const struct options *options)
{
    struct life life = {.seed = options->seed, .options = options};
    struct apart_failure first;
    bool is_minimal = false;
    struct shrink shrink = {.steps = options->steps,
                            .budget = SHRINK_WORLDS * MAX(options->steps, 1000),
                            .fails = shrink_fails,
                            .context = &life};
    shrink.kept = malloc((options->steps + 1) * sizeof *shrink.kept);
    if (shrink.kept == NULL) abort();
    for (u64 i = 0; i <= options->steps; i++) {
        shrink.kept[i] = options->kept == NULL || options->kept[i];
    }
    fprintf(stderr, "looking for fewer steps of seed %llu that fail so\n",
            (unsigned long long)options->seed);
    if (!shrink_run(&shrink, &first, &is_minimal)) {
        fprintf(stderr, "seed %llu does not fail\n", (unsigned long long)options->seed);
        free(shrink.kept);
        return 1;
    }
    fprintf(stderr, "%llu steps of %llu fail so%s:\n", (unsigned long long)shrink_count(&shrink),
            (unsigned long long)options->steps, is_minimal ? ", and no fewer of these do" : "");
    const char *name = NULL;
    const char *kind = kind_words(options->modules, options->bug, &name);
    fprintf(stderr, "again: sim%s%s --seed %llu --steps %llu --only ", kind, name,
            (unsigned long long)options->seed, (unsigned long long)shrink.steps);
    kept_print(&shrink, stderr);
    fprintf(stderr, "\n");
    struct options own = *options;
    struct totals totals = {0};
    own.steps = shrink.steps;
    own.kept = shrink.kept;
    own.verbose = true;
    is_last = true;
    run(options->seed, &own, &totals); // It does not come back.
    free(shrink.kept);
    return 1;
}

// Reads `only` into a flag a step. False when it is not "3,7-9", with steps from 1 to `steps`.
static bool only_read(struct options *options)
{
    bool *kept = calloc(options->steps + 1, sizeof *kept);
    if (kept == NULL) abort();
    options->kept = kept;
    for (const char *at = options->only;; at++) {
        char *end = NULL;
        const u64 first = strtoull(at, &end, 10);
        if (end == at) return false;
        u64 last = first;
        if (*end == '-') {
            at = end + 1;
            last = strtoull(at, &end, 10);
            if (end == at) return false;
        }
        if (last < first || last > options->steps) return false;
        for (u64 i = first; i <= last; i++) kept[i] = true;
        at = end;
        if (*at == 0) return true;
        if (*at != ',') return false;
    }
}

// --- planted bugs --------------------------------------------------------------------------------

// Runs worlds with a bug until the check that is meant to finds it. Returns 1 when none does.
static u32 bug_find(enum plant_bug bug, const struct options *options)
{
    const struct plant_description *plant = &plants[bug];
    struct options own = *options;
    char wanted[32];
    u64 others = 0;
    own.modules = true;
    own.bug = bug;
    (void)snprintf(wanted, sizeof wanted, ": %s: ", plant->found_by);
    for (u64 i = 0; i < options->runs; i++) {
        struct life life = {.seed = options->seed + i, .options = &own};
        struct apart_failure failure;
        if (!apart_run(life_run, &life, &failure)) continue;
        if (strstr(failure.cause, wanted) == NULL) {
            others++;
            continue;
        }
        printf("plant %-10s found in world %llu, by other checks in %llu before: %s\n", plant->name,
               (unsigned long long)i + 1, (unsigned long long)others, failure.cause);
        return 0;
    }
    printf("plant %-10s not found by %s in %llu worlds, by other checks in %llu: %s\n", plant->name,
           plant->found_by, (unsigned long long)options->runs, (unsigned long long)others,
           plant->doc);
    return 1;
}

static int bugs_find(const struct options *options)
{
    u32 missing = 0;
    for (u32 i = PLANT_NONE + 1; i < PLANT_BUGS; i++) {
        missing += bug_find((enum plant_bug)i, options);
    }
    return missing > 0;
}

// Worlds of consecutive seeds until the time is over.
static void runs_for(const struct options *options, struct totals *totals)
{
    struct timespec begin, now;
    u64 worlds = 0;
    double seconds = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    while (seconds < (double)options->seconds) {
        run(options->seed + worlds++, options, totals);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        seconds = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
    }
    const u64 events = totals->world[WORLD_EVENTS];
    printf("%llu worlds, %llu events in %.0f s: %.0f a minute\n", (unsigned long long)worlds,
           (unsigned long long)events, seconds, (double)events * 60 / seconds);
}

static int worlds_run(const struct options *options)
{
    worlds_first = options->seed;
    is_of_modules = options->modules;
    (void)signal(SIGINT, on_interrupt);
    (void)signal(SIGTERM, on_interrupt);
    struct totals totals = {0};
    if (options->seconds > 0) runs_for(options, &totals);
    for (u64 i = 0; i < options->runs && options->seconds == 0; i++) {
        run(options->seed + i, options, &totals);
    }
    u32 missing = 0;
    for (u32 i = 0; i < WORLD_COUNT_KINDS; i++) {
        // Worlds of plain clients show all that comes of a lie of the disk.
        if (options->modules && i > WORLD_LIES) continue;
        if (!options->modules && i >= WORLD_EPOCHS && i < WORLD_LIES) continue;
        missing += count_print("world", world_count_name((enum world_count)i), totals.world[i]);
    }
    for (u32 i = 0; i < DISK_COUNT_KINDS; i++) {
        missing +=
            count_print("disk", disk_memory_count_name((enum disk_memory_count)i), totals.disk[i]);
    }
    if (options->modules) missing += desk_print(&totals);
    if (missing == 0 || !options->all) return 0;
    fprintf(stderr, "%u of the repertoire never happened\n", missing);
    return 1;
}

int main(int count, char **words)
{
    struct options options;
    int code = 2;
    const bool is_read =
        options_read(count, words, &options) && (options.only == NULL || only_read(&options));
    if (is_read) {
        (void)signal(SIGABRT, on_abort);
        current_steps = options.steps;
        is_shrunk_after = !options.plants && !options.shrink && options.only == NULL;
        if (options.plants) code = bugs_find(&options);
        else if (options.shrink) code = shrink_world(&options);
        else code = worlds_run(&options);
    } else {
        (void)usage();
    }
    free(options.kept);
    return code;
}
