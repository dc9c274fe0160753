// SPDX-License-Identifier: Apache-2.0
//
// The world of ports: its server, what befalls it, whose turn it is.
#include "harbour_internal.h"

#include "../must.h"
#include "../plant.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// From the begin of 2026 on (nanoseconds UTC): late enough for every import of the generator.
#define WALL_BEGIN (1767225600ull * NS_PER_S)
// When nothing fails any more, everybody is answered within this.
// Something befalls the server after so long at most, by the clock and while it serves.
#define FAULT_NS    (20 * NS_PER_S)
#define FAULT_TURNS 30000u
#define DEATHS_MAX  2u // Of starts.
// Beyond them nobody is answered any more: of the world's turns, and of time, starts included.
#define SILENT_TURNS 20000000u
#define SILENT_NS    (14400 * NS_PER_S)
// In fair weather the answer to a command takes no longer, though bodies may come byte by byte. It
// may take long in a flood, and where jobs and whole imports go on.
#define FAIR_NS    (5 * NS_PER_S)
#define CROWDED_NS (60 * NS_PER_S)
#define SETTLE_NS  (1500 * NS_PER_MS)
#define CALM_NS    (600 * NS_PER_S)

static const char *const count_names[] = {
    [HARBOUR_ANSWERS] = "answers",
    [HARBOUR_EVENTS] = "events",
    [HARBOUR_FRAMES] = "frames",
    [HARBOUR_QUESTIONS] = "questions",
    [HARBOUR_QUESTIONS_COMPARED] = "questions-compared",
    [HARBOUR_REPEATED] = "asked-again",
    [HARBOUR_REUSED] = "ids-reused",
    [HARBOUR_EXPIRED] = "commands-expired",
    [HARBOUR_TIMED_OUT] = "calls-timed-out",
    [HARBOUR_GIVEN_UP] = "given-up",
    [HARBOUR_CROWDED] = "crowded",
    [HARBOUR_EVICTED] = "sessions-evicted",
    [HARBOUR_CLIENTS_GONE] = "clients-gone",
    [HARBOUR_PAGES] = "pages-of-changes",
    [HARBOUR_CHANGES] = "changes",
    [HARBOUR_TICKS] = "ticks",
    [HARBOUR_RECORDS_DONE] = "records-done",
    [HARBOUR_RECORDS_REFUSED] = "records-refused",
    [HARBOUR_JOBS] = "jobs",
    [HARBOUR_PLANNED_EFFECTS] = "effects",
    [HARBOUR_MODULES_COMPARED] = "models-compared",
    [HARBOUR_VIEWS_COMPARED] = "views-compared",
    [HARBOUR_VIEWS_REFUSED] = "views-refused",
    [HARBOUR_BROKEN] = "commands-broken",
    [HARBOUR_TOLD_COMPARED] = "balances-by-changes",
    [HARBOUR_PIRATES] = "pirates",
    [HARBOUR_GUESTS] = "guests",
    [HARBOUR_FLOODED] = "flooded",
    [HARBOUR_STARTS] = "starts",
    [HARBOUR_STOPS] = "stops",
    [HARBOUR_KILLS] = "kills",
    [HARBOUR_POWER_LOST] = "power-lost",
    [HARBOUR_STRUCK_UP] = "struck-while-serving",
    [HARBOUR_START_DIED] = "died-while-starting",
    [HARBOUR_ENVIRONMENT_FAILED] = "environment-failed",
    [HARBOUR_FULL] = "full",
    [HARBOUR_SLOW] = "slow-disk",
    [HARBOUR_ALL_CUT] = "all-connections-cut",
    [HARBOUR_CHECKPOINTS] = "checkpoints",
    [HARBOUR_SEALS] = "sealed",
    [HARBOUR_MERGES] = "merged",
    [HARBOUR_VERIFIED] = "verified",
};
static_assert(ARRAY_COUNT(count_names) == HARBOUR_COUNT_KINDS, "each count has a name");

const char *harbour_count_name(enum harbour_count kind)
{
    return count_names[kind];
}

// --- trace ---------------------------------------------------------------------------------------

void harbour_note(struct harbour *harbour, const char *format, ...)
{
    char *line = harbour->trace[harbour->trace_count++ % HARBOUR_TRACE_LINES];
    const size_t room = sizeof harbour->trace[0];
    const int begin =
        snprintf(line, room, "%llu.%06llu ", (unsigned long long)(now_of(harbour) / NS_PER_S),
                 (unsigned long long)(now_of(harbour) % NS_PER_S / 1000));
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line + begin, room - (size_t)begin, format, arguments);
    va_end(arguments);
    if (harbour->verbose) (void)fprintf(stderr, "%s\n", line);
}

void harbour_report(const struct harbour *harbour, FILE *out)
{
    (void)fprintf(out, "seed %llu, %llu answers; the last that happened:\n",
                  (unsigned long long)harbour->seed, (unsigned long long)harbour->steps);
    const u64 count = harbour->trace_count;
    for (u64 i = count > HARBOUR_TRACE_LINES ? count - HARBOUR_TRACE_LINES : 0; i < count; i++) {
        (void)fprintf(out, "  %s\n", harbour->trace[i % HARBOUR_TRACE_LINES]);
    }
}

void harbour_fail(struct harbour *harbour, const char *check, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "FAILED at %llu answers: %s: ", (unsigned long long)harbour->steps,
                  check);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n");
    abort();
}

static void traced(void *context, const char *line)
{
    harbour_note(context, "server: %s", line);
}

// Turns that threads of the server have had.
static u64 turns_of(const struct harbour *harbour)
{
    return harbour->system.host.counts[HOST_TURNS];
}

// --- the server ----------------------------------------------------------------------------------

static void fatal(void *context, const struct failure *failure)
{
    struct harbour *harbour = context;
    harbour->failure = *failure;
    host_die(&harbour->system.host);
}

static void copy_told(void *context)
{
    harbour_fail(context, "server", "it takes its own folder for a copy");
}

static enum status ports_start(struct harbour *harbour)
{
    const struct ports_options options = {
        .pipeline =
            {
                .checkpoint_bytes = (256 * KIB) << below(harbour, 6),
                .space_reserve = 0,
                .query_threads = 2,
                .turn_looks = below(harbour, 2) == 0 ? 0 : 1 + (u32)below(harbour, 40),
            },
        .compat = &harbour->listeners[0],
        .tael = &harbour->listeners[1],
        .context = harbour,
        .copy_told = copy_told,
        .fatal = fatal,
    };
    static const char *const paths[2] = {HARBOUR_COMPAT_PATH, HARBOUR_TAEL_PATH};
    for (u32 i = 0; i < 2; i++) {
        harbour->listeners[i] =
            (struct listener){.fd = network_listener(&harbour->system.network, paths[i])};
    }
    return ports_open(&harbour->ports, &harbour->node, &options, &harbour->failure);
}

static void stats_count(struct harbour *harbour)
{
    struct pipeline_stats stats;
    pipeline_stats(harbour->ports.pipeline, &stats);
    harbour->counts[HARBOUR_CHECKPOINTS] += stats.checkpoints;
    harbour->counts[HARBOUR_SEALS] += stats.seals;
    harbour->counts[HARBOUR_MERGES] += stats.merges;
}

// From a folder to a clean stop, as server.c does it.
void *harbour_serve(void *context)
{
    struct harbour *harbour = context;
    struct host *host = &harbour->system.host;
    struct recovery_report report;
    memset(&harbour->node, 0, sizeof harbour->node);
    enum status status = node_open(&harbour->node, &harbour->disk.disk, &harbour->genesis,
                                   harbour->log_id, NULL, &report, &harbour->failure);
    if (status != STATUS_OK) host_die(host);
    host_abroad_begin(host);
    harbour_note(harbour, "opened: checkpoint %llu, %llu frames behind it%s",
                 (unsigned long long)report.checkpoint_sequence, (unsigned long long)report.frames,
                 report.torn ? ", torn tail cut" : "");
    harbour_check_state(harbour);
    host_abroad_end(host);
    if (ports_start(harbour) != STATUS_OK) host_die(host);
    harbour->failure = (struct failure){0};
    harbour->state = HARBOUR_UP;
    harbour->deaths = 0;
    harbour->disk.faults = harbour->disk_faults;
    harbour->fault_turn = turns_of(harbour) + below(harbour, FAULT_TURNS);
    while (!harbour->is_stopping) (void)ports_round(&harbour->ports, host->steady + 2 * NS_PER_S);
    harbour->state = HARBOUR_STOPPING;
    ports_stop(&harbour->ports);
    stats_count(harbour);
    ports_free(&harbour->ports);
    host_abroad_begin(host);
    harbour_check_state(harbour);
    host_abroad_end(host);
    for (u32 i = 0; i < 2; i++) listener_close(&harbour->listeners[i]);
    node_free(&harbour->node);
    if (harbour->bug == HARBOUR_BUG_LEAK) (void)must(malloc(1));
    harbour->state = HARBOUR_STOPPED; // NOLINT(clang-analyzer-unix.Malloc): the planted bug.
    return NULL;
}

static void server_start(struct harbour *harbour)
{
    harbour->state = HARBOUR_STARTING;
    harbour->is_stopping = false;
    harbour->failure = (struct failure){0};
    harbour->counts[HARBOUR_STARTS]++;
    // Those that died again and again are let be, so that there is something to befall.
    harbour->disk.faults =
        harbour->deaths < DEATHS_MAX ? harbour->disk_faults : (struct disk_memory_faults){0};
    host_start(&harbour->system.host, harbour_serve, harbour);
}

// It is down; it is started again after a while.
static void server_down(struct harbour *harbour, bool is_silent)
{
    host_kill(&harbour->system.host);
    network_process_gone(&harbour->system.network, is_silent);
    memset(&harbour->ports, 0, sizeof harbour->ports);
    harbour->state = HARBOUR_DOWN;
    harbour->start_at = now_of(harbour) + below(harbour, 3 * NS_PER_S);
}

// What a clean stop leaves: nothing.
static void server_stopped(struct harbour *harbour)
{
    const struct host *host = &harbour->system.host;
    if (host->memory_count > 0) {
        harbour_fail(harbour, "memory", "a clean stop left %u blocks of memory",
                     host->memory_count);
    }
    if (host->lock_count > 0) {
        harbour_fail(harbour, "locks", "a clean stop left %u locks taken", host->lock_count);
    }
    const struct network *network = &harbour->system.network;
    for (u32 i = 0; i < network->descriptor_count; i++) {
        const struct descriptor *descriptor = &network->descriptors[i];
        if (descriptor->kind == DESCRIPTOR_NONE || !descriptor->is_process) continue;
        harbour_fail(harbour, "descriptors", "a clean stop left one of kind %d open",
                     (int)descriptor->kind);
    }
    harbour_note(harbour, "stopped");
    harbour->counts[HARBOUR_STOPS]++;
    server_down(harbour, false);
}

void harbour_crash(struct harbour *harbour, enum disk_memory_crash how)
{
    const bool is_power = how != DISK_CRASH_KEEP_ALL;
    harbour_note(harbour, "dies (%d) at operation %llu of the disk%s%s", (int)how,
                 (unsigned long long)disk_memory_operations(&harbour->disk),
                 harbour->failure.message[0] == 0 ? "" : ": ", harbour->failure.message);
    harbour->counts[is_power ? HARBOUR_POWER_LOST : HARBOUR_KILLS]++;
    if (harbour->state == HARBOUR_STARTING) {
        harbour->counts[HARBOUR_START_DIED]++;
        harbour->deaths++;
    } else if (harbour->ports.pipeline != NULL) {
        stats_count(harbour);
    }
    server_down(harbour, is_power && chance(harbour, 50));
    disk_memory_crash(&harbour->disk, how);
    harbour->disk.faults.crash_at = 0;
    harbour->log.scan_file = -1; // No handle outlives it.
}

// The process asked for its end, or its machine lost its power.
static void server_died(struct harbour *harbour)
{
    if (disk_memory_crashed(&harbour->disk)) {
        harbour_crash(harbour, chance(harbour, 20) ? DISK_CRASH_LOSE_ALL : DISK_CRASH_EACH_PAGE);
        return;
    }
    const enum status status = harbour->failure.status;
    if (status != STATUS_IO && status != STATUS_FULL) {
        harbour_fail(harbour, "server", "it ended: %s: %s", status_name(status),
                     harbour->failure.message);
    }
    if (harbour->is_calm && status == STATUS_IO) {
        harbour_fail(harbour, "server", "it ended without a fault: %s", harbour->failure.message);
    }
    harbour->counts[HARBOUR_ENVIRONMENT_FAILED]++;
    // A start that finds no room needs some before the next.
    if (status == STATUS_FULL) harbour->disk.capacity = 1ull << 60;
    harbour_crash(harbour, chance(harbour, 60) ? DISK_CRASH_KEEP_ALL : DISK_CRASH_EACH_PAGE);
}

// --- faults --------------------------------------------------------------------------------------

static void clock_set(struct harbour *harbour)
{
    static const u64 most[] = {NS_PER_S, 60 * NS_PER_S, 3600 * NS_PER_S, 365 * 86400 * NS_PER_S};
    struct host *host = &harbour->system.host;
    const i64 by = (i64)below(harbour, most[below(harbour, ARRAY_COUNT(most))]);
    const bool is_back = chance(harbour, 50);
    if (wall_of(harbour) < WALL_BEGIN + (u64)by && is_back) return;
    host->wall_apart += is_back ? -by : by;
    host->counts[is_back ? HOST_CLOCK_BACK : HOST_CLOCK_FORTH]++;
    harbour_note(harbour, "the wall clock is set by %s%lld ms", is_back ? "-" : "",
                 (long long)(by / (i64)NS_PER_MS));
}

// The machine sleeps: all clocks go on, and nobody does anything.
static void suspend(struct harbour *harbour)
{
    struct host *host = &harbour->system.host;
    const u64 events = harbour->events.now;
    const u64 wall = wall_of(harbour);
    // Holds of the generator expire when it thinks that they do.
    const u64 by = events > wall && events - wall < 86400 * NS_PER_S
                       ? events - wall
                       : below(harbour, 30 * NS_PER_S);
    host_advance(host, host->steady + by);
    host->counts[HOST_SUSPENDED]++;
    harbour_note(harbour, "the machine slept for %llu ms", (unsigned long long)(by / NS_PER_MS));
}

static void disk_fill(struct harbour *harbour)
{
    harbour->counts[HARBOUR_FULL]++;
    harbour->disk.capacity = harbour->disk.used + below(harbour, 8 * MIB);
    harbour->space_at = now_of(harbour) + below(harbour, 20 * NS_PER_S);
    harbour_note(harbour, "the disk is full");
}

static void space_return(struct harbour *harbour)
{
    harbour->disk.capacity = 1ull << 60;
    harbour->space_at = 0;
    harbour_note(harbour, "there is space");
}

static void kill_some(struct harbour *harbour)
{
    if (!host_lives(&harbour->system.host)) return;
    harbour_crash(harbour, (enum disk_memory_crash)below(harbour, 3));
}

static void fault_happen(struct harbour *harbour)
{
    harbour->fault_at = now_of(harbour) + below(harbour, FAULT_NS);
    harbour->fault_turn = turns_of(harbour) + below(harbour, FAULT_TURNS);
    if (harbour->state == HARBOUR_STARTING && harbour->deaths >= DEATHS_MAX) return;
    if (harbour->state == HARBOUR_UP) harbour->counts[HARBOUR_STRUCK_UP]++;
    const u64 choice = below(harbour, 100);
    if (choice < 20) {
        harbour->disk.faults.crash_at =
            disk_memory_operations(&harbour->disk) + 1 + below(harbour, 60);
    } else if (choice < 35) {
        kill_some(harbour);
    } else if (choice < 50) {
        harbour->is_stopping = true;
    } else if (choice < 60) {
        clock_set(harbour);
    } else if (choice < 72) {
        suspend(harbour);
    } else if (choice < 80) {
        if (harbour->space_at == 0) disk_fill(harbour);
    } else if (choice < 88) {
        harbour->counts[HARBOUR_ALL_CUT]++;
        network_cut_all(&harbour->system.network);
    } else {
        harbour->slow_percent = (u32)below(harbour, 6);
    }
}

static void faults_choose(struct harbour *harbour)
{
    struct network_faults *network = &harbour->system.network.faults;
    network->short_rate = (u32)below(harbour, 200000);
    network->interrupt_rate = 1000;
    network->accept_rate = 20000;
    if (chance(harbour, 75)) {
        network->cut_rate = (u32)below(harbour, 6000);
        network->vanish_rate = (u32)below(harbour, 300);
        network->delay_rate = (u32)below(harbour, 10000);
    }
    if (chance(harbour, 60)) network->duplicate_rate = (u32)below(harbour, 60000);
    if (chance(harbour, 60)) {
        harbour->disk_faults.write_error_rate = 200;
        harbour->disk_faults.sync_error_rate = 20000;
        harbour->disk_faults.read_error_rate = 30;
    }
    harbour->slow_percent = (u32)below(harbour, 6);
}

// --- life ----------------------------------------------------------------------------------------

void harbour_init(struct harbour *harbour, const struct harbour_options *options)
{
    memset(harbour, 0, sizeof *harbour);
    harbour->seed = options->seed;
    harbour->verbose = options->verbose;
    harbour->bug = options->bug;
    random_init(&harbour->random, options->seed);
    struct simulated *system = &harbour->system;
    host_init(&system->host, random_u64(&harbour->random), WALL_BEGIN);
    network_init(&system->network, random_u64(&harbour->random), &system->host.steady);
    random_init(&system->random, random_u64(&harbour->random));
    system->host.is_forgetful = options->bug == HARBOUR_BUG_ASLEEP;
    system->network.is_lossy = options->bug == HARBOUR_BUG_CUT_SHORT;
    system->traced = traced;
    system->context = harbour;
    disk_memory_init(&harbour->disk, random_u64(&harbour->random));
    if (options->bug == HARBOUR_BUG_BUFFERED) plant_disk(PLANT_BUFFERED, &harbour->disk.disk);
    harbour_disk_wrap(harbour);
    const bool is_of_modules = chance(harbour, 40);
    harbour->genesis = (struct genesis){
        .cluster = 7,
        .created_at = WALL_BEGIN - NS_PER_S,
        .accounts_max = HARBOUR_ACCOUNTS_MAX,
        .holds_max = 1u << 16,
        .flags = is_of_modules ? GENESIS_SAMPLE : 0,
    };
    for (u32 i = 0; i < 4; i++) harbour->genesis.hash_key[i] = random_u64(&harbour->random);
    harbour->log_id = random_u128(&harbour->random);
    struct ledger_random_config config = ledger_random_config_default();
    config.timestamp_start = WALL_BEGIN;
    config.question_percent = 20;
    config.accounts_window = (u32)(6 + below(harbour, 30));
    config.batch_max = (u32)(1 + below(harbour, LEDGER_RANDOM_BATCH_MAX));
    ledger_random_init(&harbour->events, random_u64(&harbour->random), config);
    harbour->step = must(malloc(sizeof *harbour->step));
    harbour->expected = must(aligned_alloc(64, HARBOUR_EXPECTED_SIZE));
    oracle_init(&harbour->oracle);
    harbour->oracle.position = 1; // The genesis frame.
    harbour->oracle.timestamp = harbour->genesis.created_at;
    harbour->model = ledger_model_executor(harbour->oracle.model);
    follower_init(&harbour->follower, &harbour->genesis, harbour->log_id);
    if (is_of_modules) harbour_modules_init(harbour);
    struct failure failure;
    if (wal_init(&harbour->log, &harbour->disk.disk, &failure) != STATUS_OK) abort();
    harbour->next_id = (u128)1 << 80;
    harbour->user = (u32)geteuid();
    harbour->is_flooded = chance(harbour, 7);
    harbour->counts[HARBOUR_FLOODED] += harbour->is_flooded;
    faults_choose(harbour);
    simulated_set(system);
    harbour_clients_init(harbour);
    harbour_pirates_init(harbour);
    server_start(harbour);
}

void harbour_free(struct harbour *harbour)
{
    host_free(&harbour->system.host);
    network_process_gone(&harbour->system.network, false);
    harbour_clients_free(harbour);
    harbour_pirates_free(harbour);
    simulated_set(NULL);
    network_free(&harbour->system.network);
    if (harbour->reader != NULL) changes_reader_free(harbour->reader);
    harbour_modules_free(harbour);
    follower_free(&harbour->follower);
    wal_free(&harbour->log);
    oracle_free(&harbour->oracle);
    disk_memory_free(&harbour->disk);
    free(harbour->step);
    free(harbour->expected);
    free(harbour->gone);
}

// Something that is due by the clock: a start, a fault. False when nothing is.
static bool due_happen(struct harbour *harbour)
{
    const u64 now = now_of(harbour);
    if (harbour->state == HARBOUR_DOWN && now >= harbour->start_at) {
        server_start(harbour);
        return true;
    }
    if (harbour->space_at != 0 && now >= harbour->space_at) {
        space_return(harbour);
        return true;
    }
    const bool is_turn = harbour->state == HARBOUR_UP && turns_of(harbour) >= harbour->fault_turn;
    if (harbour->is_fair || (now < harbour->fault_at && !is_turn)) return false;
    fault_happen(harbour);
    return true;
}

// When something happens by the clock.
static u64 wake_at(const struct harbour *harbour)
{
    u64 wake = harbour_clients_wake_at(harbour);
    wake = MIN(wake, harbour_pirates_wake_at(harbour));
    wake = MIN(wake, network_wake_at(&harbour->system.network));
    wake = MIN(wake, host_wake_at(&harbour->system.host));
    if (harbour->state == HARBOUR_DOWN) wake = MIN(wake, harbour->start_at);
    if (harbour->space_at != 0) wake = MIN(wake, harbour->space_at);
    return harbour->is_fair ? wake : MIN(wake, harbour->fault_at);
}

// Somebody must be answered sooner or later: a server that answers nobody is found here.
static void watch(struct harbour *harbour)
{
    if (harbour->steps != harbour->steps_seen) {
        harbour->steps_seen = harbour->steps;
        harbour->seen_turns = harbour->turns;
        harbour->seen_at = now_of(harbour);
    }
    if (harbour->turns - harbour->seen_turns > SILENT_TURNS) {
        harbour_fail(harbour, "silence", "nobody was answered for %u turns", SILENT_TURNS);
    }
    if (now_of(harbour) - harbour->seen_at > SILENT_NS) {
        harbour_fail(harbour, "silence", "nobody was answered for %llu s",
                     (unsigned long long)(SILENT_NS / NS_PER_S));
    }
}

// One thing happens: a turn of a thread, a client's step, a fault, or time goes on.
static void turn(struct harbour *harbour)
{
    struct host *host = &harbour->system.host;
    harbour->turns++;
    watch(harbour);
    const bool is_clients_first = chance(harbour, 30);
    if (due_happen(harbour)) return;
    if (is_clients_first && (harbour_clients_step(harbour) || harbour_pirates_step(harbour)))
        return;
    if (host_turn(host)) {
        if (host->is_dead) server_died(harbour);
        else if (harbour->state == HARBOUR_STOPPED) server_stopped(harbour);
        return;
    }
    if (!is_clients_first && (harbour_clients_step(harbour) || harbour_pirates_step(harbour)))
        return;
    const u64 wake = wake_at(harbour);
    if (wake == U64_MAX) harbour_fail(harbour, "rest", "nobody has anything to do");
    host_advance(host, MAX(wake, host->steady + 1));
}

void harbour_live(struct harbour *harbour, u64 answers)
{
    const u64 end = harbour->steps + answers;
    while (harbour->steps < end) turn(harbour);
}

void harbour_fair_answer(struct harbour *harbour, u64 asked_at)
{
    if (harbour->fair_at == 0 || asked_at < harbour->fair_at) return;
    const u64 took = now_of(harbour) - asked_at;
    const bool is_crowded = harbour->is_flooded || harbour->modules != NULL;
    if (took <= (is_crowded ? CROWDED_NS : FAIR_NS)) return;
    harbour_fail(harbour, "latency", "an answer took %llu ms",
                 (unsigned long long)(took / NS_PER_MS));
}

void harbour_rest(struct harbour *harbour, u64 answers)
{
    harbour->is_fair = true;
    harbour->is_stopping = false;
    harbour->slow_percent = 0;
    harbour->disk_faults = (struct disk_memory_faults){0};
    harbour->disk.faults = harbour->disk_faults;
    harbour->system.host.is_unfair = false;
    harbour->system.network.faults = (struct network_faults){0};
    if (harbour->space_at != 0) space_return(harbour);
    harbour_note(harbour, "nothing fails any more");
    while (harbour->state != HARBOUR_UP) turn(harbour);
    // Connections that are dead are known to be; what was lost is asked again meanwhile.
    network_cut_all(&harbour->system.network);
    const u64 settled = now_of(harbour) + SETTLE_NS;
    while (now_of(harbour) < settled) turn(harbour);
    harbour->fair_at = now_of(harbour);
    harbour_live(harbour, answers);
}

void harbour_finish(struct harbour *harbour)
{
    harbour->is_calm = true;
    harbour_pirates_leave(harbour);
    const u64 until = now_of(harbour) + CALM_NS;
    while (!harbour_clients_are_answered(harbour)) {
        if (now_of(harbour) > until) {
            harbour_fail(harbour, "answers", "somebody waits for an answer for %llu s",
                         (unsigned long long)(CALM_NS / NS_PER_S));
        }
        turn(harbour);
    }
    harbour->is_stopping = true;
    const u64 stops = harbour->counts[HARBOUR_STOPS];
    while (harbour->counts[HARBOUR_STOPS] == stops) {
        if (now_of(harbour) > until + CALM_NS) harbour_fail(harbour, "stop", "it does not stop");
        turn(harbour);
    }
    harbour_check_all(harbour);
}
