// SPDX-License-Identifier: Apache-2.0
//
// Folders that are damaged between two runs: each is verified, opened and asked.
//
//   folders [CASES] [SEED]     folders CASE SEED one    runs that case alone
//
// A quarter of them are damaged in place while a node has them open (bits that rot under a server):
// then no question is answered wrongly.
//
// What must come of a damage: a refusal that names the file; or, where only the last frame or what
// is behind it was hit (FORMAT.md, W-a and W-d) or the file is not needed, a node whose state is
// the original's behind the same frame. Never another state, never another answer. What a start
// does not read is found by `verify`, and by the questions that read it.
#include "base/words.h"
#include "base_folder.h"
#include "damage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CASES_A_FOLDER 50u
// One of so many is damaged under an open node.
#define OPEN_EVERY 4u
// Every so many folders one has large batches.
#define LONG_EVERY 40u
// A case takes a second or so, a folder of large batches half a minute; what takes so many seconds
// hangs, also on a machine that has others to serve.
#define HANG_S 1800u

enum case_outcome {
    OUTCOME_REFUSED,  // By the start, and by verify.
    OUTCOME_ASKED,    // By verify, and by a question.
    OUTCOME_VERIFIED, // By verify alone: nothing that was asked needs it.
    OUTCOME_OTHER,    // By verify, and what a request says beyond its row is told wrongly.
    OUTCOME_CUT,      // The last frame is gone, as an unfinished one.
    OUTCOME_WHOLE,    // Everything is there.
    OUTCOME_COUNT,
};

static char current[512]; // The case, for whoever dies in it.

static void on_end(int number)
{
    static const char hangs[] = "hangs: ";
    if (number == SIGALRM) (void)!write(STDERR_FILENO, hangs, sizeof hangs - 1);
    (void)!write(STDERR_FILENO, current, strlen(current));
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

static _Noreturn void die(const char *what, const char *more)
{
    (void)fprintf(stderr, "%s: %s\n", what, more);
    abort();
}

// That a refusal names the file that was damaged.
static void place_check(const struct damage *damage, enum status status,
                        const struct failure *failure)
{
    const char *message = failure->message;
    const bool is_kind =
        status == STATUS_CORRUPT || status == STATUS_NOT_FOUND || status == STATUS_UNSUPPORTED;
    if (!is_kind) die("a refusal of another kind", message);
    if (strstr(message, damage->name) != NULL) return;
    if (damage->other[0] != 0 && strstr(message, damage->other) != NULL) return;
    die("a refusal that does not name the file", message);
}

// Whether bytes of a log file reach the last frame or what is behind it.
static bool reaches_tail(const struct base_folder *base, const char *name, u64 offset, u64 size)
{
    if (strncmp(name, "log-", 4) != 0) return false;
    return strtoull(name + 4, NULL, 16) * WAL_FILE_SIZE + offset + size > base->last_place;
}

static bool is_at_tail(const struct base_folder *base, const struct damage *damage)
{
    return reaches_tail(base, damage->name, damage->offset, damage->size) ||
           reaches_tail(base, damage->other, damage->other_offset, damage->size);
}

static bool is_of_log(const struct damage *damage)
{
    return strncmp(damage->name, "log-", 4) == 0 || strncmp(damage->other, "log-", 4) == 0;
}

// Whether a request that is read again by itself may be told wrongly (docs/ROADMAP.md, rot behind
// the first look): it says what its row says, but user data and the expiry of a hold are in no row.
// So a page that is gone, or another one, is noticed; of postings of modules what they refer to is
// in no row, and nothing else of it is read.
static bool may_be_other(const struct base_folder *base, const struct damage *damage)
{
    if (!is_of_log(damage)) return false;
    return base->kind == BASE_MODULES || damage->kind == DAMAGE_FLIP ||
           damage->kind == DAMAGE_NOISE;
}

// Answers are the original's, or refused, but for those. Balances and replies are not read from
// there, and the change stream verifies what it reads. Returns how many such there are.
static u32 answers_check(const struct base_folder *base, const struct damage *damage,
                         const struct base_answers *answers, bool is_found)
{
    u32 others = 0;
    if (answers->count != base->answers.count) die("another count of answers", "");
    for (u32 i = 0; i < answers->count; i++) {
        if (answers->items[i].is_refused) continue;
        if (memcmp(&answers->items[i].digest, &base->answers.items[i].digest,
                   sizeof(struct digest)) != 0) {
            if (!answers->items[i].is_of_requests || !may_be_other(base, damage) || !is_found) {
                die("another answer than the original's", "");
            }
            others++;
        }
    }
    return others;
}

// The node is open. What came of the damage; `is_found`: verify named it.
static enum case_outcome open_judge(const struct base_folder *base, const struct damage *damage,
                                    struct node *node, bool is_found)
{
    struct digest state;
    const u64 frames = node->wal.tail.sequence;
    machine_state_digest(&node->machine, &state);
    if (frames > base->frames || frames == 0 ||
        memcmp(&state, &base->states[frames - 1], sizeof state) != 0) {
        die("a state that the original never had", "");
    }
    if (frames < base->frames) {
        if (frames + 1 < base->frames || !is_at_tail(base, damage)) die("frames are gone", "");
        return OUTCOME_CUT;
    }
    static struct base_answers answers;
    base_folder_ask(node, &answers);
    const u32 others = answers_check(base, damage, &answers, is_found);
    if (answers.refused > 0 && !is_found) {
        die("verify finds nothing, but a question is refused", answers.refusal);
    }
    if (answers.refused > 0) {
        struct failure failure = {0};
        (void)snprintf(failure.message, sizeof failure.message, "%s", answers.refusal);
        place_check(damage, STATUS_CORRUPT, &failure);
        return OUTCOME_ASKED;
    }
    if (others > 0) return OUTCOME_OTHER;
    return is_found ? OUTCOME_VERIFIED : OUTCOME_WHOLE;
}

// Verify holds: then so must the replay, with a state that the original had.
static void replay_check(const struct base_folder *base, struct disk_memory *disk,
                         struct verify_report *report)
{
    struct disk_memory scratch;
    struct failure failure;
    disk_memory_init(&scratch, 1);
    if (verify_replay(&disk->disk, &scratch.disk, NULL, report, &failure) != STATUS_OK) {
        die("verify holds, and its replay does not", failure.message);
    }
    if (report->frames == 0 || report->frames > base->frames ||
        memcmp(&report->replayed_state, &base->states[report->frames - 1],
               sizeof report->replayed_state) != 0) {
        die("a replay to a state that the original never had", "");
    }
    disk_memory_free(&scratch);
}

static enum case_outcome case_run(const struct base_folder *base, u64 seed, struct damage *damage)
{
    struct disk_memory disk;
    struct random random;
    struct verify_report verified;
    struct recovery_report recovered;
    struct failure failure;
    static struct node node;
    random_init(&random, seed);
    disk_memory_init(&disk, seed);
    disk_memory_copy(&disk, &base->disk);
    damage_do(&disk, &random, base->torn_end, DAMAGE_ANY, damage);
    const size_t length = strlen(current);
    (void)snprintf(current + length, sizeof current - length, "%s: %s", base->what, damage->text);
    enum status status = verify_folder(&disk.disk, NULL, &verified, &failure);
    const bool is_found = status != STATUS_OK;
    if (is_found) place_check(damage, status, &failure);
    else replay_check(base, &disk, &verified);
    memset(&node, 0, sizeof node);
    enum case_outcome outcome = OUTCOME_REFUSED;
    status = node_open(&node, &disk.disk, NULL, 0, NULL, &recovered, &failure);
    if (status != STATUS_OK) {
        place_check(damage, status, &failure);
        if (!is_found) die("the start refuses what verify calls whole", failure.message);
    } else {
        outcome = open_judge(base, damage, &node, is_found);
        node_free(&node);
        if (!is_found && verify_folder(&disk.disk, NULL, &verified, &failure) != STATUS_OK) {
            die("the start left something that verify calls damaged", failure.message);
        }
    }
    disk_memory_free(&disk);
    return outcome;
}

// --- under an open node --------------------------------------------------------------------------

// Whether a page of rows that was hit was looked at before: rot in such a one is noticed by verify
// alone (docs/ROADMAP.md, rot behind the first look), and what it says is believed.
static bool is_looked_at(const struct node *node, const struct damage *damage)
{
    if (strncmp(damage->name, "rows-", 5) != 0) return false;
    const u64 number = strtoull(damage->name + 5, NULL, 16);
    const struct history_rows_file *file = node->machine.history.rows_files[number];
    bool is_seen = false;
    for (u64 at = damage->offset; file != NULL && at < damage->offset + damage->size; at++) {
        const u64 page = at / PAGE_SIZE;
        is_seen |= (file->verified[page / 64] >> page % 64 & 1) != 0;
    }
    return is_seen;
}

// A folder is opened, perhaps asked, damaged in place, and asked: what is answered is the
// original's.
static enum case_outcome open_case_run(const struct base_folder *base, u64 seed,
                                       struct damage *damage)
{
    struct random random;
    struct recovery_report recovered;
    struct failure failure;
    static struct node node;
    static struct base_answers answers;
    enum case_outcome outcome = OUTCOME_WHOLE;
    bool is_seen = true;
    random_init(&random, seed);
    const bool is_warm = random_chance(&random, 50);
    const size_t length = strlen(current);
    while (is_seen) { // Until something is hit that nobody looked at yet.
        struct disk_memory disk;
        disk_memory_init(&disk, seed);
        disk_memory_copy(&disk, &base->disk);
        memset(&node, 0, sizeof node);
        if (node_open(&node, &disk.disk, NULL, 0, NULL, &recovered, &failure) != STATUS_OK) {
            die("a whole folder is refused", failure.message);
        }
        if (is_warm) base_folder_ask(&node, &answers);
        if (is_warm && answers.refused > 0) die("a whole folder is not answered from", "");
        damage_do(&disk, &random, base->torn_end, DAMAGE_IN_PLACE, damage);
        is_seen = is_looked_at(&node, damage);
        if (!is_seen) {
            (void)snprintf(current + length, sizeof current - length, "%s, open%s: %s", base->what,
                           is_warm ? " and asked" : "", damage->text);
            base_folder_ask(&node, &answers);
            const u32 others = answers_check(base, damage, &answers, true);
            if (others > 0) outcome = OUTCOME_OTHER;
        }
        node_free(&node);
        disk_memory_free(&disk);
    }
    if (answers.refused == 0) return outcome;
    (void)snprintf(failure.message, sizeof failure.message, "%s", answers.refusal);
    place_check(damage, STATUS_CORRUPT, &failure);
    return OUTCOME_ASKED;
}

static void table_print(u64 counts[DAMAGE_KINDS][OUTCOME_COUNT])
{
    u64 sums[OUTCOME_COUNT] = {0};
    (void)printf("%-14s %8s %8s %8s %8s %8s %8s\n", "", "refused", "asked", "verified", "other",
                 "cut", "whole");
    for (u32 kind = 0; kind < DAMAGE_KINDS; kind++) {
        (void)printf("%-14s", damage_name((enum damage_kind)kind));
        for (u32 i = 0; i < OUTCOME_COUNT; i++) {
            (void)printf(" %8llu", (unsigned long long)counts[kind][i]);
            sums[i] += counts[kind][i];
        }
        (void)printf("\n");
    }
    (void)printf("%-14s", "all");
    for (u32 i = 0; i < OUTCOME_COUNT; i++) (void)printf(" %8llu", (unsigned long long)sums[i]);
    (void)printf("\nrefused: by the start and by verify; asked: by verify and by a question that "
                 "reads it; verified: by verify,\nnothing that was asked reads it; other: the "
                 "same, but a request\n"
                 "read again said something else than it had, where no row does; cut: the last "
                 "frame taken for an unfinished one; whole: nothing is missing\n");
}

int main(int argc, char **argv)
{
    static const char usage[] = "folders [CASES [SEED [one]]]";
    const u64 cases = word_number(argc, argv, 1, 100, usage);
    const u64 seed = word_number(argc, argv, 2, 1, usage);
    const bool is_one = argc > 3;
    static u64 counts[DAMAGE_KINDS][OUTCOME_COUNT];
    u64 open_counts[OUTCOME_COUNT] = {0};
    (void)signal(SIGALRM, on_end);
    (void)signal(SIGABRT, on_end);
    (void)signal(SIGSEGV, on_end);
    (void)signal(SIGBUS, on_end);
    struct base_folder base = {0};
    u64 folder = U64_MAX;
    for (u64 i = is_one ? cases : 0; i < cases + is_one; i++) {
        if (folder != i / CASES_A_FOLDER) {
            if (folder != U64_MAX) base_folder_free(&base);
            folder = i / CASES_A_FOLDER;
            const enum base_kind kind = folder % LONG_EVERY == LONG_EVERY - 1 ? BASE_LONG
                                        : folder % 2 == 0                     ? BASE_CLIENTS
                                                                              : BASE_MODULES;
            (void)snprintf(current, sizeof current, "folder %llu, seed %llu",
                           (unsigned long long)folder, (unsigned long long)seed);
            (void)alarm(HANG_S);
            base_folder_make(&base, kind, seed * 1000 + folder);
        }
        struct damage damage = {0};
        (void)alarm(HANG_S);
        (void)snprintf(current, sizeof current, "case %llu, seed %llu: ", (unsigned long long)i,
                       (unsigned long long)seed);
        if (i % OPEN_EVERY == OPEN_EVERY - 1) {
            open_counts[open_case_run(&base, seed << 20 | i, &damage)]++;
        } else {
            const enum case_outcome outcome = case_run(&base, seed << 20 | i, &damage);
            counts[damage.kind][outcome]++;
        }
    }
    if (folder != U64_MAX) base_folder_free(&base);
    (void)printf("%llu damaged folders, seed %llu\n", (unsigned long long)(is_one ? 1 : cases),
                 (unsigned long long)seed);
    table_print(counts);
    (void)printf("%llu in place under an open node: %llu noticed by a question, %llu that none "
                 "reads, %llu other\n",
                 (unsigned long long)(open_counts[OUTCOME_ASKED] + open_counts[OUTCOME_WHOLE] +
                                      open_counts[OUTCOME_OTHER]),
                 (unsigned long long)open_counts[OUTCOME_ASKED],
                 (unsigned long long)open_counts[OUTCOME_WHOLE],
                 (unsigned long long)open_counts[OUTCOME_OTHER]);
    return 0;
}
