// SPDX-License-Identifier: Apache-2.0
//
// Real gateways and a real server, killed and paused at every step, and a copy of the folder: what
// the outside world got is compared with what the log says.
//
//   outages TAEL GATEWAY FOLDER [ROUNDS] [SEED]
//
// Of half of the effects the other side recognises a repeat, of the others it does not. After all
// outages: none of the latter was sent twice; all sendings of one of the former carry one key; what
// is settled was sent; what is not settled is unknown with a reason; none is missing; money that
// was held for what was sent is posted, and what is unknown is still held.
#include "../load.h"
#include "base/words.h"
#include "machine/recovery.h"
#include "modules/effect/effect.h"
#include "modules/sample/sample.h"
#include "server/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tael.h>
#include <time.h>
#include <unistd.h>

#define EFFECTS_PER_ROUND 6u // Of each kind.
#define EFFECT_COUNT_MAX  4096u
#define STEPS             5u
#define SEND_AMOUNT       5u
#define CALL_MS           60000u

static const u32 kinds[2] = {EFFECT_KIND(0x7f, SAMPLE_EFFECT_TOLD),
                             EFFECT_KIND(0x7f, SAMPLE_EFFECT_SEND)};

struct outages {
    struct load load;
    const char *gateway; // The program.
    char outside[256];
    char copy[256];
    struct tael_client *client;
    u32 planned;
    u32 lines[EFFECT_COUNT_MAX + 1]; // What the outside world got, by number.
    u128 keys[EFFECT_COUNT_MAX + 1];
    u32 states[EFFECT_CANCELLED + 1]; // How many effects ended so.
    u32 unknown_sends;
};

static _Noreturn void die(const struct outages *outages, const char *what)
{
    (void)fprintf(stderr, "outages: %s: %s\n", what,
                  outages->client == NULL ? "" : tael_problem(outages->client));
    exit(1);
}

// --- the log -------------------------------------------------------------------------------------

// A log that accepts the sample module's commands; nobody's own yet, so that it starts disarmed.
static void log_make(const char *folder)
{
    const struct genesis genesis = {.hash_key = {1, 2, 3, 4},
                                    .cluster = 0,
                                    .created_at = clock_wall(),
                                    .accounts_max = 4096,
                                    .holds_max = 65536,
                                    .flags = GENESIS_SAMPLE | GENESIS_ARMED};
    struct disk_folder *disk = calloc(1, sizeof *disk);
    struct node *node = calloc(1, sizeof *node);
    struct recovery_report report;
    struct failure failure;
    assert(disk != NULL && node != NULL);
    if (disk_folder_open(disk, folder, DISK_FOLDER_MAKE, &failure) != STATUS_OK ||
        node_open(node, &disk->disk, &genesis, 77, NULL, &report, &failure) != STATUS_OK) {
        load_die("making the log", &failure);
    }
    node_free(node);
    disk_folder_close(disk);
    free(node);
    free(disk);
}

static void run(const struct outages *outages, u32 record, const void *body, u32 size, u32 count,
                const char *what)
{
    const struct tael_command command = {.id = tael_id(outages->client),
                                         .record = record,
                                         .version = 1,
                                         .count = count,
                                         .body = body,
                                         .body_size = size};
    struct tael_answer answer;
    if (tael_command(outages->client, &command, CALL_MS, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE) {
        die(outages, what);
    }
    for (u32 i = 0; i < answer.count; i++) {
        if (answer.replies[i].result != TAEL_RECORD_DONE) die(outages, what);
    }
}

static void boxes_make(struct outages *outages)
{
    const struct sample_open open = {.box_id = 1, .account_id = 1, .box_account_id = 2};
    const struct effect_arm arm = {.reason = 1};
    load_client_open(&outages->load, outages->load.client);
    load_accounts_make(&outages->load);
    compat_client_close(outages->load.client);
    run(outages, 0x7f01, &open, sizeof open, 1, "opening the box");
    run(outages, 0x0908, &arm, sizeof arm, 1, "arming");
}

static void effects_plan(struct outages *outages)
{
    struct sample_put puts[EFFECTS_PER_ROUND];
    struct sample_send sends[EFFECTS_PER_ROUND];
    for (u32 i = 0; i < EFFECTS_PER_ROUND; i++) {
        puts[i] = (struct sample_put){.box_id = 1, .amount = 1};
        sends[i] = (struct sample_send){
            .send_id = outages->planned + i + 1, .box_id = 1, .amount = SEND_AMOUNT};
    }
    run(outages, 0x7f02, puts, sizeof puts, EFFECTS_PER_ROUND, "putting");
    run(outages, 0x7f04, sends, sizeof sends, EFFECTS_PER_ROUND, "sending");
    outages->planned += 2 * EFFECTS_PER_ROUND;
    if (outages->planned > EFFECT_COUNT_MAX) die(outages, "too many rounds");
}

// --- gateways ------------------------------------------------------------------------------------

static pid_t gateway_start(const struct outages *outages, const char *address, u32 kind,
                           const char *what, u32 step, u32 count)
{
    char words[3][16];
    (void)snprintf(words[0], sizeof words[0], "%u", kind);
    (void)snprintf(words[1], sizeof words[1], "%u", step);
    (void)snprintf(words[2], sizeof words[2], "%u", count);
    const pid_t pid = fork();
    if (pid < 0) die(outages, "fork");
    if (pid > 0) return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execl(outages->gateway, outages->gateway, address, outages->outside, words[0], what,
                words[1], words[2], (char *)NULL);
    _exit(127);
}

// How a gateway ended: its exit code, or minus the signal.
static int gateway_wait(const struct outages *outages, pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) die(outages, "waiting for a gateway");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void sleep_ms(u64 ms)
{
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000 * NS_PER_MS)};
    (void)nanosleep(&pause, NULL);
}

// Two gateways of each kind at once, one of which dies at a step; the server dies too.
static void round_run(struct outages *outages, u32 round)
{
    struct random *random = &outages->load.random;
    pid_t gateways[4];
    effects_plan(outages);
    for (u32 i = 0; i < 4; i++) {
        gateways[i] =
            gateway_start(outages, outages->load.port, kinds[i % 2], i < 2 ? "kill" : "run",
                          (round + i) % STEPS, 1 + (u32)random_below(random, 3));
    }
    if (round % 2 == 1) {
        sleep_ms(random_below(random, 60));
        load_server_end(&outages->load, SIGKILL);
        load_server_start(&outages->load);
    }
    for (u32 i = 0; i < 4; i++) {
        const int end = gateway_wait(outages, gateways[i]);
        if (end != 0 && (i >= 2 || end != -SIGKILL)) {
            (void)fprintf(stderr, "outages: gateway %u ended with %d\n", i, end);
            exit(1);
        }
    }
}

// A gateway that is paused at a step, and wakes up when its lease is over.
static void late_run(struct outages *outages, u32 kind, u32 step)
{
    int status = 0;
    effects_plan(outages);
    const pid_t pid = gateway_start(outages, outages->load.port, kinds[kind], "late", step, 1);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) {
        die(outages, "a gateway did not pause");
    }
    sleep_ms(1300);
    // Others do what there is to do meanwhile.
    for (u32 i = 0; i < 2; i++) {
        const pid_t other = gateway_start(outages, outages->load.port, kinds[i], "run", 0, 0);
        if (gateway_wait(outages, other) != 0) die(outages, "the other gateway");
    }
    (void)kill(pid, SIGCONT);
    const int end = gateway_wait(outages, pid);
    if (end == 5) return; // EXIT_LATE
    (void)fprintf(stderr, "outages: a late gateway ended with %d\n", end);
    exit(1);
}

// --- what became of it ---------------------------------------------------------------------------

static u32 outside_read(struct outages *outages)
{
    FILE *stream = fopen(outages->outside, "re");
    char line[128];
    u32 lines = 0;
    memset(outages->lines, 0, sizeof outages->lines);
    if (stream == NULL) die(outages, outages->outside);
    while (fgets(line, sizeof line, stream) != NULL) {
        char *at = NULL;
        const u64 number = strtoull(line, &at, 10);
        char half[17] = {0}; // Of the key, which is 32 hex digits.
        if (*at != ' ' || strlen(at) < 35) die(outages, "an odd line");
        memcpy(half, at + 1, 16);
        const u128 key = (u128)strtoull(half, NULL, 16) << 64 | strtoull(at + 17, NULL, 16);
        if (number == 0 || number > outages->planned) die(outages, "an odd number was sent");
        if (outages->lines[number]++ > 0 && outages->keys[number] != key) {
            die(outages, "a repeat with another key");
        }
        outages->keys[number] = key;
        lines++;
    }
    (void)fclose(stream);
    return lines;
}

static void effect_judge(struct outages *outages, const struct effect *effect)
{
    const u32 sent = outages->lines[effect->effect];
    const bool is_settled = effect->state == EFFECT_SETTLED;
    bool holds = effect->repeatable ? is_settled && sent >= 1 : sent <= 1;
    if (!effect->repeatable && is_settled) holds = sent == 1;
    if (!effect->repeatable && !is_settled) {
        holds = holds && effect->state == EFFECT_UNKNOWN &&
                effect->doubt == EFFECT_DOUBT_LEASE_ENDED && effect->attempts > 0;
        outages->unknown_sends++;
    }
    holds = holds && (sent == 0 || outages->keys[effect->effect] == effect->key);
    outages->states[effect->state]++;
    if (holds) return;
    (void)fprintf(stderr, "outages: effect %llu: state %u, sent %u times, %u attempts\n",
                  (unsigned long long)effect->effect, effect->state, sent, effect->attempts);
    exit(1);
}

static void effects_check(struct outages *outages)
{
    const struct effect_list all = {0};
    struct tael_question question = {.record = 0x0920,
                                     .version = 1,
                                     .position = TAEL_POSITION_SEEN,
                                     .body = &all,
                                     .body_size = sizeof all};
    struct tael_answer answer;
    u64 last = 0;
    do {
        if (tael_ask(outages->client, &question, CALL_MS, &answer) != TAEL_OK ||
            answer.result != TAEL_RESULT_DONE) {
            die(outages, "the list");
        }
        const struct effect *effects = answer.body;
        for (u32 i = 0; i < answer.count; i++) {
            if (effects[i].effect != ++last) die(outages, "an effect is missing");
            effect_judge(outages, &effects[i]);
        }
        memcpy(question.cursor, answer.cursor, sizeof question.cursor);
    } while (answer.has_more);
    if (last != outages->planned) die(outages, "effects are missing");
}

// The holds of what was sent are posted by the settlement, those of what is unknown stand.
static void money_check(const struct outages *outages)
{
    const u8 wire = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS;
    const u32 puts = outages->planned / 2;
    const u32 sent = outages->planned / 2 - outages->unknown_sends;
    const struct compat_answer *answer = NULL;
    struct failure failure;
    store_u128(outages->load.body, 1);
    const u32 size = compat_body_finish(wire, outages->load.body, 1);
    if (compat_client_call(outages->load.client, wire, outages->load.body, size, LOAD_TIMEOUT_NS,
                           &answer, &failure) != STATUS_OK) {
        load_die("looking up the account", &failure);
    }
    const struct account *account = (const void *)answer->batches.events;
    if (account->debits_pending != (u128)outages->unknown_sends * SEND_AMOUNT ||
        account->debits_posted != puts + (u128)sent * SEND_AMOUNT) {
        die(outages, "the money is not where it belongs");
    }
}

// Runs a program to its end, which must be a good one.
static void program_run(const struct outages *outages, const char *program, const char *verb,
                        const char *from, const char *to)
{
    const pid_t pid = fork();
    if (pid < 0) die(outages, "fork");
    if (pid == 0) {
        const int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(out, STDOUT_FILENO);
        (void)execl(program, program, verb, from, to, (char *)NULL);
        _exit(127);
    }
    if (gateway_wait(outages, pid) != 0) die(outages, "copying");
}

// A copy of the folder, served beside it with effects that are pending, sends nothing.
static void copy_refuses(struct outages *outages, const char *folder)
{
    struct load copy;
    char address[300];
    (void)snprintf(address, sizeof address, "unix:%s.port", folder);
    load_init(&copy, outages->load.program, folder, 1);
    copy.port = address;
    const u32 before = outside_read(outages);
    load_server_start(&copy);
    for (u32 i = 0; i < 2; i++) {
        const pid_t pid = gateway_start(outages, address, kinds[i], "run", 0, 0);
        if (gateway_wait(outages, pid) != 4) die(outages, "a gateway of a copy went on");
    }
    load_server_end(&copy, SIGTERM);
    load_server_start(&copy); // It stays so.
    const pid_t pid = gateway_start(outages, address, kinds[0], "run", 0, 0);
    if (gateway_wait(outages, pid) != 4) die(outages, "a gateway of a copy went on later");
    load_server_end(&copy, SIGKILL);
    load_free(&copy);
    if (outside_read(outages) != before) die(outages, "a copy sent something");
}

// Copied while nobody serves it, and by a backup of the server at work, which is restored.
static void copies_check(struct outages *outages)
{
    char backup[300];
    char restored[300];
    const char *program = outages->load.program;
    const char *folder = outages->load.folder;
    effects_plan(outages);
    load_server_end(&outages->load, SIGKILL); // The client goes on when there is one again.
    program_run(outages, "/bin/cp", "-a", folder, outages->copy);
    copy_refuses(outages, outages->copy);
    load_server_start(&outages->load);
    (void)snprintf(backup, sizeof backup, "%s.backup", folder);
    (void)snprintf(restored, sizeof restored, "%s.restored", folder);
    program_run(outages, program, "backup", folder, backup);
    program_run(outages, program, "restore", backup, restored);
    copy_refuses(outages, restored);
    for (u32 i = 0; i < 2; i++) {
        const pid_t own = gateway_start(outages, outages->load.port, kinds[i], "run", 0, 0);
        if (gateway_wait(outages, own) != 0) die(outages, "the log itself does not go on");
    }
    // The same backup goes on with what was sent meanwhile.
    program_run(outages, program, "backup", folder, backup);
}

int main(int argc, char **argv)
{
    static const char usage[] = "outages TAEL GATEWAY FOLDER [ROUNDS] [SEED]";
    if (argc < 4) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    const u32 rounds = (u32)word_number(argc, argv, 4, 20, usage);
    const u64 seed = word_number(argc, argv, 5, tael_now(), usage);
    struct outages *outages = calloc(1, sizeof *outages);
    assert(outages != NULL);
    char address[300];
    (void)snprintf(address, sizeof address, "unix:%s.port", argv[3]);
    (void)snprintf(outages->outside, sizeof outages->outside, "%s.outside", argv[3]);
    (void)snprintf(outages->copy, sizeof outages->copy, "%s.copy", argv[3]);
    outages->gateway = argv[2];
    load_init(&outages->load, argv[1], argv[3], seed);
    outages->load.port = address;
    log_make(argv[3]);
    load_server_start(&outages->load);
    const struct tael_options options = {.address = address};
    outages->client = tael_open(&options);
    boxes_make(outages);
    for (u32 round = 0; round < rounds; round++) round_run(outages, round);
    late_run(outages, 0, 1); // Paused behind the claim: the attempt is refused.
    late_run(outages, 1, 1);
    late_run(outages, 1,
             2); // Paused behind the attempt: it sends, late; the settlement is refused.
    late_run(outages, 1, 3); // Paused behind sending.
    copies_check(outages);
    const u32 lines = outside_read(outages);
    effects_check(outages);
    load_client_open(&outages->load, outages->load.client);
    money_check(outages);
    compat_client_close(outages->load.client);
    (void)printf("%u rounds, seed %llu: %u effects, %u settled, %u unknown, sent %u times\n",
                 rounds, (unsigned long long)seed, outages->planned,
                 outages->states[EFFECT_SETTLED], outages->states[EFFECT_UNKNOWN], lines);
    tael_close(outages->client);
    load_server_end(&outages->load, SIGTERM);
    load_free(&outages->load);
    free(outages);
    return 0;
}
