// SPDX-License-Identifier: Apache-2.0
//
// A real server, killed with SIGKILL between commands and their answers, and a client that is told
// nothing of it: by its own reconnection every command is applied exactly once and answered.
//
//   client TAEL FOLDER [ROUNDS] [SEED]
//
// Each command opens an entity under an id of its own. One that was applied twice would be told the
// second time that the entity exists; one that was lost would be missing in the list.
#include "../load.h"
#include "base/words.h"
#include "modules/entity/entity.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <tael.h>

#define IN_FLIGHT    32u
#define COMMANDS_MAX 60000u // The module has room for 65,536 entities.
#define ENTITY_OPEN  0x0201u
#define ENTITY_LIST  0x0220u

struct run;
struct slot {
    struct run *run;
    struct entity_open body; // In flight.
};

struct run {
    struct load load;
    struct tael_client *client;
    u32 submitted;
    u32 answered;
    bool is_over; // Nothing more is submitted.
    bool listed[COMMANDS_MAX + 1];
    u32 listed_count;
    struct tael_question question;
    struct slot slots[IN_FLIGHT];
};

static void die(const struct run *run, const char *what)
{
    (void)fprintf(stderr, "client: %s: %s\n", what, tael_problem(run->client));
    exit(1);
}

static void opened(void *context, const struct tael_answer *answer);

static void open_submit(struct slot *slot)
{
    struct run *run = slot->run;
    if (run->is_over || run->submitted == COMMANDS_MAX) return;
    slot->body = (struct entity_open){.entity_id = ++run->submitted,
                                      .name = "entity",
                                      .jurisdiction = "HK",
                                      .currency = "HKD",
                                      .day = 20000};
    const struct tael_command command = {.id = tael_id(run->client),
                                         .record = ENTITY_OPEN,
                                         .version = 1,
                                         .count = 1,
                                         .body = &slot->body,
                                         .body_size = sizeof slot->body};
    if (tael_submit_command(run->client, &command, TAEL_FOREVER, opened, slot, NULL) != TAEL_OK) {
        die(run, "submitting");
    }
}

static void opened(void *context, const struct tael_answer *answer)
{
    struct slot *slot = context;
    struct run *run = slot->run;
    if (answer->error != TAEL_OK || answer->result != TAEL_RESULT_DONE) die(run, "a command");
    if (answer->replies[0].result != TAEL_RECORD_DONE) die(run, "a command was applied twice");
    run->answered++;
    open_submit(slot);
}

static void listed(void *context, const struct tael_answer *answer)
{
    struct run *run = context;
    if (answer->error != TAEL_OK || answer->result != TAEL_RESULT_DONE) die(run, "the list");
    const struct entity *entities = answer->body;
    for (u32 i = 0; i < answer->count; i++) {
        const u64 id = (u64)entities[i].entity_id;
        if (id == 0 || id > run->submitted || run->listed[id]) die(run, "an entity is odd");
        run->listed[id] = true;
        run->listed_count++;
    }
    if (!answer->has_more) return;
    memcpy(run->question.cursor, answer->cursor, sizeof run->question.cursor);
    if (tael_submit_question(run->client, &run->question, 60000, listed, run, NULL) != TAEL_OK) {
        die(run, "asking on");
    }
}

static void run_until(const struct run *run, u64 until)
{
    while (tael_now() < until) {
        if (tael_wait(run->client, 5) != TAEL_OK) die(run, "the client");
    }
}

static void run_to_the_end(const struct run *run)
{
    const u64 until = tael_now() + LOAD_TIMEOUT_NS;
    while (tael_open_count(run->client) > 0) {
        if (tael_now() > until) die(run, "no answers");
        if (tael_wait(run->client, 100) != TAEL_OK) die(run, "the client");
    }
}

int main(int argc, char **argv)
{
    static const char usage[] = "client TAEL FOLDER [ROUNDS] [SEED]";
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    const u32 rounds = (u32)word_number(argc, argv, 3, 20, usage);
    const u64 seed = word_number(argc, argv, 4, tael_now(), usage);
    struct run *run = calloc(1, sizeof *run);
    assert(run != NULL);
    char address[100];
    (void)snprintf(address, sizeof address, "unix:%s.port", argv[2]);
    load_init(&run->load, argv[1], argv[2], seed);
    run->load.port = address;
    load_server_start(&run->load);
    const struct tael_options options = {.address = address, .open_max = IN_FLIGHT};
    run->client = tael_open(&options);
    u32 in_flight = 0;
    for (u32 i = 0; i < IN_FLIGHT; i++) {
        run->slots[i].run = run;
        open_submit(&run->slots[i]);
    }
    for (u32 round = 0; round < rounds; round++) {
        run_until(run, tael_now() + random_below(&run->load.random, 20 * NS_PER_MS));
        in_flight += run->submitted - run->answered;
        load_server_end(&run->load, SIGKILL);
        load_server_start(&run->load);
    }
    run->is_over = true;
    run_to_the_end(run);
    run->question =
        (struct tael_question){.record = ENTITY_LIST, .version = 1, .position = TAEL_POSITION_SEEN};
    const struct entity_list all = {0};
    run->question.body = &all;
    run->question.body_size = sizeof all;
    if (tael_submit_question(run->client, &run->question, 60000, listed, run, NULL) != TAEL_OK) {
        die(run, "asking");
    }
    run_to_the_end(run);
    if (run->listed_count != run->submitted) die(run, "an entity is missing");
    (void)printf("%u kills, seed %llu: %u commands answered, each applied once; %u were in flight "
                 "when the server died\n",
                 rounds, (unsigned long long)seed, run->answered, in_flight);
    tael_close(run->client);
    load_server_end(&run->load, SIGTERM);
    load_free(&run->load);
    free(run);
    return 0;
}
