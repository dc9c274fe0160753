// SPDX-License-Identifier: Apache-2.0
//
// raw [FRAMES]: what a raw transfer costs the machine, without a log or a disk.
//
// A fresh machine of 10,000 accounts takes full batches of transfers, each in a frame of its own,
// and indexes each behind it. Prints for deciding and for indexing the instructions, the
// processor's cycles and its time, by account and by transfer. Instructions repeat to a few in
// ten thousand, however busy the machine is, so two revisions are compared by them; where the
// kernel does not let them be counted they are left out, and that is said.
#include "base/random.h"
#include "machine/machine.h"
#include "os/disk_memory.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS       10000u
#define FRAMES_DEFAULT 60u
#define CLIENT         77u
#define ROUNDS         5u

enum counter { COUNTER_INSTRUCTIONS, COUNTER_CYCLES, COUNTER_TIME, COUNTER_COUNT };

struct counts {
    u64 values[COUNTER_COUNT];
};

struct bench {
    struct machine machine;
    struct machine_indexer indexer;
    struct disk_memory disk;
    struct applied_frame applied;
    struct random random;
    int counters[COUNTER_TIME]; // Descriptors; -1: not to be had.
    u64 session;
    struct counts decided, indexed;
};

static void must(enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "raw: %s\n", failure->message);
    exit(3);
}

static int counter_open(u64 config)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attributes,
        .config = config,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static struct counts counts_now(const struct bench *bench)
{
    struct counts counts = {0};
    struct timespec time;
    for (u32 i = 0; i < COUNTER_TIME; i++) {
        if (read(bench->counters[i], &counts.values[i], sizeof counts.values[i]) < 0) {
            counts.values[i] = 0;
        }
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    counts.values[COUNTER_TIME] = (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
    return counts;
}

static void counts_add(struct counts *sum, const struct counts *from, const struct counts *to)
{
    for (u32 i = 0; i < COUNTER_COUNT; i++) sum->values[i] += to->values[i] - from->values[i];
}

// Nothing of the log is read back.
static enum status log_read(void *context, u64 place, void *out, u64 size, struct failure *failure)
{
    (void)context;
    (void)place;
    memset(out, 0, size);
    return failure_set(failure, STATUS_IO, "there is no log");
}

// One frame of one command; what it costs is added to what was counted.
static void frame_run(struct bench *bench, const struct frame_command *command, const u8 *body)
{
    _Alignas(16) static u8 reply[COMPAT_BODY_SIZE_MAX];
    struct machine *machine = &bench->machine;
    const struct frame_header header = {
        .sequence = machine->sequence + 1,
        .position = machine->position + 1,
        .timestamp = machine->timestamp + 1000,
        .place = machine->sequence * MIB,
        .command_count = 1,
    };
    const u8 *bodies[1] = {body};
    const struct frame_view frame = {.header = &header, .commands = command, .bodies = bodies};
    struct failure failure;
    bench->applied.commands[0].reply = reply;
    const struct counts began = counts_now(bench);
    must(machine_apply(machine, &frame, &bench->applied, &failure), &failure);
    const struct counts decided = counts_now(bench);
    machine_index(machine, &bench->indexer, &frame, &bench->applied);
    const struct counts indexed = counts_now(bench);
    counts_add(&bench->decided, &began, &decided);
    counts_add(&bench->indexed, &decided, &indexed);
    if (bench->applied.commands[0].result != COMMAND_DONE) {
        (void)fputs("raw: a command is refused\n", stderr);
        exit(1);
    }
}

static void batch_run(struct bench *bench, u8 operation, const void *events, u32 count)
{
    const u32 size = count * (u32)sizeof(struct transfer);
    _Alignas(16) static u8 body[COMPAT_BODY_SIZE_MAX];
    memcpy(body, events, size);
    memset(body + size, 0xff, sizeof(struct transfer));
    store_u16(body + size + sizeof(struct transfer) - 2, 1);
    store_u16(body + size + sizeof(struct transfer) - 4, (u16)count);
    const struct frame_command command = {
        .record = COMMAND_COMPAT,
        .version = 1,
        .body_size = size + (u32)sizeof(struct transfer),
        .operation = COMPAT_OPERATION_BASE + operation,
        .command_id = CLIENT,
        .session = bench->session,
        .count = count,
    };
    frame_run(bench, &command, body);
}

static void accounts_make(struct bench *bench)
{
    static struct account accounts[LEDGER_BATCH_EVENTS_MAX];
    for (u32 first = 0; first < ACCOUNTS; first += LEDGER_BATCH_EVENTS_MAX) {
        const u32 count = MIN(LEDGER_BATCH_EVENTS_MAX, ACCOUNTS - first);
        for (u32 i = 0; i < count; i++) {
            accounts[i] = (struct account){.id = first + i + 1, .ledger = 1, .code = 1};
        }
        batch_run(bench, COMPAT_CREATE_ACCOUNTS, accounts, count);
    }
}

// Batches as `tael bench ordered` sends them.
static void transfers_make(struct bench *bench, u32 frames)
{
    static struct transfer transfers[LEDGER_BATCH_EVENTS_MAX];
    for (u32 frame = 0; frame < frames; frame++) {
        for (u32 i = 0; i < LEDGER_BATCH_EVENTS_MAX; i++) {
            const u64 debit = random_below(&bench->random, ACCOUNTS);
            const u64 step = 1 + random_below(&bench->random, ACCOUNTS - 1);
            transfers[i] = (struct transfer){
                .id = (u128)frame * LEDGER_BATCH_EVENTS_MAX + i + 1,
                .debit_account_id = debit + 1,
                .credit_account_id = (debit + step) % ACCOUNTS + 1,
                .amount = 1 + random_below(&bench->random, 10000),
                .user_data_128 = random_u64(&bench->random),
                .user_data_64 = random_u64(&bench->random),
                .user_data_32 = (u32)random_u64(&bench->random),
                .ledger = 1,
                .code = 1,
            };
        }
        batch_run(bench, COMPAT_CREATE_TRANSFERS, transfers, LEDGER_BATCH_EVENTS_MAX);
    }
}

// What there is no counter for is left out.
static void part_print(const struct bench *bench, const char *name, const struct counts *counts,
                       u64 events)
{
    static const char *const units[COUNTER_COUNT] = {[COUNTER_INSTRUCTIONS] = "instructions",
                                                     [COUNTER_CYCLES] = "cycles",
                                                     [COUNTER_TIME] = "ns"};
    (void)printf(" %9s", name);
    for (u32 i = 0; i < COUNTER_COUNT; i++) {
        if (i < COUNTER_TIME && bench->counters[i] < 0) continue;
        (void)printf(" %6.1f %s", (double)counts->values[i] / (double)events, units[i]);
    }
    (void)putchar(';');
}

// Prints what was counted for so many events, and begins anew.
static void parts_print(struct bench *bench, const char *what, u64 events)
{
    (void)printf("%7llu %-10s", (unsigned long long)events, what);
    part_print(bench, "deciding", &bench->decided, events);
    part_print(bench, "indexing", &bench->indexed, events);
    (void)putchar('\n');
    bench->decided = bench->indexed = (struct counts){0};
}

static void round_run(struct bench *bench, u32 frames)
{
    const struct genesis genesis = {.hash_key = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                 0x94d049bb133111eb, 0xd6e8feb86659fd93},
                                    .created_at = 1000,
                                    .accounts_max = 1 << 20,
                                    .holds_max = 4096};
    const struct history_log log = {.read = log_read};
    const struct frame_command entry = {
        .record = COMMAND_REGISTER, .version = 1, .command_id = CLIENT};
    struct failure failure;
    random_init(&bench->random, 1);
    disk_memory_init(&bench->disk, 1);
    must(machine_init(&bench->machine, &bench->disk.disk, &genesis, &log, &failure), &failure);
    must(history_start(&bench->machine.history, 0, &failure), &failure);
    must(machine_indexer_init(&bench->indexer, &failure), &failure);
    frame_run(bench, &entry, NULL);
    bench->session = bench->machine.position;
    bench->decided = bench->indexed = (struct counts){0};
    accounts_make(bench);
    parts_print(bench, "accounts", ACCOUNTS);
    transfers_make(bench, frames);
    parts_print(bench, "transfers", (u64)frames * LEDGER_BATCH_EVENTS_MAX);
    machine_indexer_free(&bench->indexer);
    machine_free(&bench->machine);
    disk_memory_free(&bench->disk);
}

int main(int argc, char **argv)
{
    const u32 frames = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : FRAMES_DEFAULT;
    if (frames == 0 || frames > FRAMES_DEFAULT) {
        (void)fprintf(stderr, "usage: raw [FRAMES, at most %u]\n", FRAMES_DEFAULT);
        return 2;
    }
    struct bench *bench = calloc(1, sizeof *bench);
    assert(bench != NULL);
    bench->applied.resolved.items = calloc(LEDGER_EVENTS_MAX, sizeof(struct transfer));
    bench->counters[COUNTER_INSTRUCTIONS] = counter_open(PERF_COUNT_HW_INSTRUCTIONS);
    bench->counters[COUNTER_CYCLES] = counter_open(PERF_COUNT_HW_CPU_CYCLES);
    if (bench->counters[COUNTER_INSTRUCTIONS] < 0 || bench->counters[COUNTER_CYCLES] < 0) {
        (void)puts("Hardware counters are not to be had here: what they would count is left out.");
    }
    for (u32 i = 0; i < ROUNDS; i++) round_run(bench, frames);
    free(bench->applied.resolved.items);
    free(bench);
    return 0;
}
