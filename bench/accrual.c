// SPDX-License-Identifier: Apache-2.0
//
// accrual [LOANS]: what a day's interest on many loans costs the machine, without a log or a disk.
//
// Opens the loans of 64 groups (8 products, 8 entities), accrues a day by a job, commits it, gives
// up a second one in the middle, and accrues a third. Prints one line a part: how many frames, the
// processor's time in all and of the longest frame, the time that passed in the longest one, and
// the postings; then rows of what is asked, beside a loop that does the same sums over as many
// records in memory. Indexing of history is another thread's and not counted.
#include "modules/accrual/accrual.h"
#include "machine/commit.h"
#include "os/disk_memory.h"
#include "row.h"

#include <stdlib.h>
#include <time.h>

#define GROUPS        64u
#define BATCH         8192u
#define LOANS_DEFAULT 10000000u
#define FIRST_DAY     20000

struct bench {
    struct machine machine;
    struct disk_memory disk;
    struct applied_frame *applied;
    u128 next_id;
    u64 time; // Nanoseconds, of the part.
    u64 longest;
    u64 longest_passed; // By the clock, with what else the processors did.
    u32 frames;
};

static u64 now(clockid_t clock)
{
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

static void must(enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "accrual: %s\n", failure->message);
    exit(3);
}

// Nothing of the log is read back.
static enum status log_read(void *context, u64 place, void *out, u64 size, struct failure *failure)
{
    (void)context;
    (void)place;
    memset(out, 0, size);
    return failure_set(failure, STATUS_IO, "there is no log");
}

static void frame_run(struct bench *bench, u16 record, const void *body, u32 size)
{
    _Alignas(16) static u8 reply[COMPAT_BODY_SIZE_MAX];
    struct machine *machine = &bench->machine;
    const struct frame_command command = {
        .record = record,
        .version = 1,
        .body_size = size,
        .count = size == 0 ? 0 : 1,
        .principal = 5,
        .command_id = bench->next_id++,
    };
    const struct frame_header header = {
        .sequence = machine->sequence + 1,
        .position = machine->position + 1,
        .timestamp = machine->timestamp + 1000,
        .command_count = 1,
    };
    const u8 *bodies[1] = {body};
    const struct frame_view frame = {.header = &header, .commands = &command, .bodies = bodies};
    struct failure failure;
    bench->applied->commands[0].reply = reply;
    const u64 passing = now(CLOCK_MONOTONIC);
    const u64 start = now(CLOCK_THREAD_CPUTIME_ID);
    must(machine_apply(machine, &frame, bench->applied, &failure), &failure);
    const u64 taken = now(CLOCK_THREAD_CPUTIME_ID) - start;
    const u64 passed = now(CLOCK_MONOTONIC) - passing;
    bench->longest_passed = MAX(bench->longest_passed, passed);
    bench->time += taken;
    bench->longest = MAX(bench->longest, taken);
    bench->frames++;
    if (size == 0) return;
    struct command_reply result;
    memcpy(&result, reply, sizeof result);
    if (result.result == MODULE_DONE) return;
    (void)fprintf(stderr, "accrual: record %x is refused: %u\n", record, result.result);
    exit(1);
}

static void part_end(struct bench *bench, const char *name, u64 postings)
{
    (void)printf("%-24s %5u frames %7.1f ms in all, %6.3f ms the longest (%6.3f passed), "
                 "%3llu postings\n",
                 name, bench->frames, (double)bench->time / 1e6, (double)bench->longest / 1e6,
                 (double)bench->longest_passed / 1e6, (unsigned long long)postings);
    (void)fflush(stdout);
    bench->time = 0;
    bench->longest = 0;
    bench->longest_passed = 0;
    bench->frames = 0;
}

static const struct job_record *job_of(const struct bench *bench, u128 id)
{
    const struct module_context context = commit_context(&bench->machine, &accrual_module);
    return job_find_id(&context, id);
}

static void loans_open(struct bench *bench, u32 loans)
{
    for (u32 i = 0; i < GROUPS; i++) {
        const struct accrual_group group = {
            .group_id = i + 1, .product = i % 8, .entity = i / 8, .book = 1000 + i};
        frame_run(bench, 0x7e01, &group, sizeof group);
    }
    for (u32 first = 0; first < loans; first += BATCH) {
        const u32 batch = first / BATCH;
        const struct accrual_open open = {
            .loan_id = first + 1,
            .group_id = batch % GROUPS + 1,
            .principal = 100000 + batch,
            .principal_step = 977,
            .count = MIN(BATCH, loans - first),
            .rate_numerator = 300 + batch % 1500,
            .rate_denominator = 10000,
            .day = FIRST_DAY,
        };
        frame_run(bench, 0x7e02, &open, sizeof open);
    }
    part_end(bench, "opening", 0);
}

// A day's interest on as many records, and nothing else. Returns the processor's time.
static u64 loop_run(u32 loans)
{
    struct accrual_loan *records = calloc(loans, sizeof *records);
    assert(records != NULL);
    for (u32 i = 0; i < loans; i++) {
        records[i] = (struct accrual_loan){.principal = 100000 + i,
                                           .rate_numerator = 300 + i % 1500,
                                           .rate_denominator = 10000,
                                           .through = FIRST_DAY};
    }
    const u64 start = now(CLOCK_THREAD_CPUTIME_ID);
    for (u32 i = 0; i < loans; i++) {
        struct accrual_loan *loan = &records[i];
        const u64 year = 365ull * loan->rate_denominator;
        const u128 interest = loan->principal * 1000000 * loan->rate_numerator + loan->remainder;
        loan->accrued += interest / year;
        loan->remainder = (u64)(interest % year);
        loan->through++;
    }
    const u64 taken = now(CLOCK_THREAD_CPUTIME_ID) - start;
    assert(records[loans - 1].accrued > 0);
    free(records);
    return taken;
}

static void rows_print(const struct bench *bench, u32 loans)
{
    const double loop_ns = (double)loop_run(loans);
    const struct bench_row whole = {.name = "a day's interest, whole",
                                    .value = (double)bench->time / 1e9,
                                    .unit = "s",
                                    .reference_name = "loop over the records",
                                    .reference = loop_ns / 1e9};
    const struct bench_row slice = {.name = "a day's interest, longest slice",
                                    .value = (double)bench->longest / 1e6,
                                    .unit = "ms",
                                    .reference_name = "loop over a slice's",
                                    .reference = loop_ns / 1e6 * JOB_SLICE_MEMBERS / loans};
    bench_row_print(&whole);
    bench_row_print(&slice);
}

static void day_run(struct bench *bench, u128 job_id, i32 day, const char *name)
{
    const u32 loans = (u32)bench->machine.module_tables[module_index(&accrual_module)]
                          .tables[ACCRUAL_TABLE_LOANS]
                          .count;
    const struct accrual_run run = {.job_id = job_id, .day = day};
    frame_run(bench, 0x7e04, &run, sizeof run);
    while (!job_is_settled(job_of(bench, job_id))) frame_run(bench, COMMAND_TICK, "", 0);
    rows_print(bench, loans);
    part_end(bench, name, job_of(bench, job_id)->postings);
}

int main(int argc, char **argv)
{
    const u32 loans = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : LOANS_DEFAULT;
    if (loans == 0 || loans > ACCRUAL_LOANS_MAX) {
        (void)fputs("usage: accrual [LOANS]\n", stderr);
        return 2;
    }
    struct bench *bench = calloc(1, sizeof *bench);
    struct applied_frame *applied = calloc(1, sizeof *applied);
    assert(bench != NULL && applied != NULL);
    const struct genesis genesis = {.hash_key = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                                 0x94d049bb133111eb, 0xd6e8feb86659fd93},
                                    .created_at = 1000,
                                    .accounts_max = 4096,
                                    .holds_max = 4096,
                                    .flags = GENESIS_SAMPLE};
    const struct history_log log = {.read = log_read};
    struct failure failure;
    bench->applied = applied;
    bench->next_id = 1;
    applied->resolved.items = calloc(LEDGER_EVENTS_MAX, sizeof *applied->resolved.items);
    disk_memory_init(&bench->disk, 1);
    must(machine_init(&bench->machine, &bench->disk.disk, &genesis, &log, &failure), &failure);
    must(history_start(&bench->machine.history, 0, &failure), &failure);
    (void)printf("%u loans of %zu bytes, %u groups, slices of %u\n", loans,
                 sizeof(struct accrual_loan), GROUPS, JOB_SLICE_MEMBERS);
    loans_open(bench, loans);
    day_run(bench, 9000001, FIRST_DAY + 1, "a day's interest");
    const struct accrual_run held = {.job_id = 9000002, .day = FIRST_DAY + 2, .holds = true};
    frame_run(bench, 0x7e04, &held, sizeof held);
    for (u32 i = 0; i < loans / JOB_SLICE_MEMBERS / 2; i++) frame_run(bench, COMMAND_TICK, "", 0);
    u128 id = held.job_id;
    frame_run(bench, 0x0801, &id, sizeof id);
    part_end(bench, "half a job, given up", 0);
    day_run(bench, 9000003, FIRST_DAY + 2, "the next day's interest");
    const u64 start = now(CLOCK_MONOTONIC);
    machine_check(&bench->machine);
    (void)printf("all records sum to their control accounts: checked in %.1f ms\n",
                 (double)(now(CLOCK_MONOTONIC) - start) / 1e6);
    machine_free(&bench->machine);
    disk_memory_free(&bench->disk);
    free(applied->resolved.items);
    free(applied);
    free(bench);
    return 0;
}
