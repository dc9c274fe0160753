// SPDX-License-Identifier: Apache-2.0
//
// A gateway for tests: claims, attempts, sends and settles effects over libtael, as docs/EFFECTS.md
// says, and dies or pauses where it is told.
//
//   gateway ADDRESS OUTSIDE KIND WHAT STEP COUNT
//
// The outside world is the file OUTSIDE: sending appends one line, `<effect> <key> <attempt>`, in
// one write, durable before it returns. WHAT is `run` (until nothing is left to do), `kill` or
// `stop` (SIGKILL or SIGSTOP to itself at step STEP of effect number COUNT that it takes), `late`
// (as `stop`, and ends behind the first refusal).
//
// Exits 0 when nothing is open any more, 4 when the log is disarmed, 5 when it was told, late, that
// the effect is not its own any more.
#include "modules/effect/effect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <tael.h>
#include <time.h>
#include <unistd.h>

#define CALL_MS  60000u
#define LEASE_S  1u
#define CLAIM    3u
#define PAUSE_NS (5 * NS_PER_MS)

enum { EXIT_DISARMED = 4, EXIT_LATE = 5 };

// Where a gateway can be between the records of an effect.
enum step {
    STEP_BEFORE_CLAIM,
    STEP_CLAIMED,
    STEP_ATTEMPTED,
    STEP_SENT,
    STEP_SETTLING, // The settlement is on its way, unanswered.
};

struct gateway {
    struct tael_client *client;
    int outside;
    u32 kind;
    const char *what;
    u32 step;
    u32 count;
    u32 taken; // Effects so far.
    u64 epoch;
    struct effect effects[CLAIM];
    u32 effect_count;
};

static _Noreturn void die(const struct gateway *gateway, const char *what)
{
    (void)fprintf(stderr, "gateway: %s: %s\n", what, tael_problem(gateway->client));
    exit(1);
}

// Dies or pauses here if that was asked for.
static void at(const struct gateway *gateway, enum step step)
{
    if (gateway->step != (u32)step || gateway->taken != gateway->count) return;
    if (strcmp(gateway->what, "run") == 0) return;
    (void)raise(strcmp(gateway->what, "kill") == 0 ? SIGKILL : SIGSTOP);
}

// Runs a command of one record; 0, or its refusal. `*position` is its place in the log.
static u32 run(const struct gateway *gateway, u32 record, const void *body, u32 size, u64 *position)
{
    const struct tael_command command = {.id = tael_id(gateway->client),
                                         .record = record,
                                         .version = 1,
                                         .count = 1,
                                         .body = body,
                                         .body_size = size};
    struct tael_answer answer;
    if (tael_command(gateway->client, &command, CALL_MS, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE) {
        die(gateway, "a command");
    }
    if (position != NULL) *position = answer.replies[0].position;
    return answer.replies[0].result;
}

static struct tael_answer ask(const struct gateway *gateway, u32 record, const void *body, u32 size)
{
    const struct tael_question question = {.record = record,
                                           .version = 1,
                                           .position = TAEL_POSITION_SEEN,
                                           .body = body,
                                           .body_size = size};
    struct tael_answer answer;
    if (tael_ask(gateway->client, &question, CALL_MS, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE) {
        die(gateway, answer.text == NULL ? "a question" : answer.text);
    }
    return answer;
}

// How many effects of its kind are in a state.
static u32 count_in(const struct gateway *gateway, u8 state)
{
    const struct effect_list list = {.kind = gateway->kind, .state = state};
    return ask(gateway, 0x0920, &list, sizeof list).count;
}

static void epoch_learn(struct gateway *gateway)
{
    const struct effect_status status = {{0}};
    const struct tael_answer answer = ask(gateway, 0x0922, &status, sizeof status);
    const struct effect_status_view *view = answer.body;
    if (answer.count != 1) die(gateway, "the status");
    if (!view->armed) exit(EXIT_DISARMED);
    gateway->epoch = view->epoch;
}

// Claims some effects and reads what they are. False when there are none.
static bool claim(struct gateway *gateway)
{
    const struct effect_claim record = {
        .epoch = gateway->epoch, .count = CLAIM, .lease_s = LEASE_S, .kind = gateway->kind};
    struct effect_list list = {0};
    const u32 result = run(gateway, 0x0901, &record, sizeof record, &list.claim);
    if (result == EFFECT_IS_DISARMED) exit(EXIT_DISARMED);
    if (result == EFFECT_NONE_PENDING || result == EFFECT_TOO_MANY_CLAIMED) return false;
    if (result != MODULE_DONE) die(gateway, "a claim");
    const struct tael_answer answer = ask(gateway, 0x0920, &list, sizeof list);
    if (answer.count > CLAIM) die(gateway, "too many were claimed");
    gateway->effect_count = answer.count; // Fewer when the lease has ended meanwhile.
    memcpy(gateway->effects, answer.body, answer.count * sizeof(struct effect));
    return true;
}

// What cannot be taken back.
static void send_outside(const struct gateway *gateway, const struct effect *effect)
{
    char line[128];
    const int size =
        snprintf(line, sizeof line, "%llu %016llx%016llx %u\n", (unsigned long long)effect->effect,
                 (unsigned long long)(effect->key >> 64), (unsigned long long)effect->key,
                 effect->attempts + 1);
    if (write(gateway->outside, line, (size_t)size) != size || fsync(gateway->outside) != 0) {
        die(gateway, "sending");
    }
}

// Whether a refusal says that somebody else has, or had, the say by now.
static bool is_late(const struct gateway *gateway, u32 result)
{
    const bool late = result == EFFECT_LEASE_ENDED || result == EFFECT_OTHER_CLAIM ||
                      (result >= EFFECT_IS_PENDING && result <= EFFECT_IS_CANCELLED);
    if (late && strcmp(gateway->what, "late") == 0) exit(EXIT_LATE);
    return late;
}

static void settle_unheard(struct gateway *gateway, const struct effect_settle *record)
{
    const struct tael_command command = {.id = tael_id(gateway->client),
                                         .record = 0x0903,
                                         .version = 1,
                                         .count = 1,
                                         .body = record,
                                         .body_size = sizeof *record};
    if (tael_submit_command(gateway->client, &command, CALL_MS, NULL, NULL, NULL) != TAEL_OK) {
        die(gateway, "submitting");
    }
    (void)tael_step(gateway->client);
    at(gateway, STEP_SETTLING);
}

static void effect_do(struct gateway *gateway, const struct effect *effect)
{
    const struct effect_attempt attempt = {
        .effect = effect->effect, .claim = effect->claim, .epoch = gateway->epoch};
    const struct effect_settle settle = {.effect = effect->effect,
                                         .claim = effect->claim,
                                         .epoch = gateway->epoch,
                                         .outcome = EFFECT_OUTCOME_DONE,
                                         .code = 200};
    at(gateway, STEP_CLAIMED);
    const u32 result = run(gateway, 0x0902, &attempt, sizeof attempt, NULL);
    if (is_late(gateway, result)) return; // Not sent.
    if (result != MODULE_DONE) die(gateway, "an attempt");
    at(gateway, STEP_ATTEMPTED);
    send_outside(gateway, effect);
    at(gateway, STEP_SENT);
    if (gateway->step == STEP_SETTLING && gateway->taken == gateway->count) {
        settle_unheard(gateway, &settle);
    }
    const u32 settled = run(gateway, 0x0903, &settle, sizeof settle, NULL);
    if (settled != MODULE_DONE && !is_late(gateway, settled)) die(gateway, "a settlement");
}

static void pause_briefly(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    (void)nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        (void)fprintf(stderr, "usage: gateway ADDRESS OUTSIDE KIND WHAT STEP COUNT\n");
        return 2;
    }
    struct gateway *gateway = calloc(1, sizeof *gateway);
    assert(gateway != NULL);
    gateway->outside = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    gateway->kind = (u32)strtoul(argv[3], NULL, 10);
    gateway->what = argv[4];
    gateway->step = (u32)strtoul(argv[5], NULL, 10);
    gateway->count = (u32)strtoul(argv[6], NULL, 10);
    const struct tael_options options = {.address = argv[1]};
    gateway->client = tael_open(&options);
    if (gateway->outside < 0) die(gateway, argv[2]);
    for (;;) {
        epoch_learn(gateway);
        if (count_in(gateway, EFFECT_PENDING) == 0) {
            // What is claimed or attempted may be pending again.
            if (count_in(gateway, EFFECT_CLAIMED) + count_in(gateway, EFFECT_ATTEMPTED) == 0) break;
            pause_briefly();
            continue;
        }
        gateway->taken++;
        at(gateway, STEP_BEFORE_CLAIM);
        if (claim(gateway)) {
            for (u32 i = 0; i < gateway->effect_count; i++) {
                effect_do(gateway, &gateway->effects[i]);
                gateway->taken += i + 1 < gateway->effect_count;
            }
        }
    }
    tael_close(gateway->client);
    (void)close(gateway->outside);
    free(gateway);
    return 0;
}
