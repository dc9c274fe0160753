// SPDX-License-Identifier: Apache-2.0
//
// A legal entity is opened and looked at, with libtael:
//   cc -o first_command first_command.c $(pkg-config --cflags --libs tael)
//   tael serve --data data --port 3002 & ./first_command 3002
#include <stdio.h>
#include <string.h>
#include <tael.h>
#include <tael_records.h> // The records of every module.

static int fail(struct tael_client *client, const char *what, const char *text)
{
    (void)fprintf(stderr, "%s: %s%s%s\n", what, text, tael_problem(client)[0] ? ": " : "",
                  tael_problem(client));
    tael_close(client);
    return 1;
}

int main(int argc, char **argv)
{
    const struct tael_options options = {.address = argc > 1 ? argv[1] : "3002"};
    struct tael_client *client = tael_open(&options);
    if (client == NULL) return 1;
    enum tael_error error = tael_connect(client, 10000);
    if (error != TAEL_OK) return fail(client, "connecting", tael_error_text(error));

    const struct tael_entity_open open = {.entity_id = tael_id(client),
                                          .name = "first-entity",
                                          .jurisdiction = "HK",
                                          .currency = "HKD",
                                          .day = 20000};
    const struct tael_command command = {.id = tael_id(client),
                                         .record = TAEL_RECORD_ENTITY_OPEN,
                                         .version = 1,
                                         .count = 1,
                                         .body = &open,
                                         .body_size = sizeof open};
    struct tael_answer answer;
    error = tael_command(client, &command, 10000, &answer);
    if (error != TAEL_OK) return fail(client, "the command", tael_error_text(error));
    if (answer.result != TAEL_RESULT_DONE) return fail(client, "the command", answer.text);
    if (answer.replies[0].result != TAEL_RECORD_DONE) {
        (void)printf("refused: %u\n", answer.replies[0].result);
    }

    // What this client was told is seen by what it asks.
    const struct tael_entity_list asked = {.entity_id = open.entity_id};
    const struct tael_question question = {.record = TAEL_RECORD_ENTITY_LIST,
                                           .version = 1,
                                           .body = &asked,
                                           .body_size = sizeof asked,
                                           .position = TAEL_POSITION_SEEN};
    error = tael_ask(client, &question, 10000, &answer);
    if (error != TAEL_OK) return fail(client, "the question", tael_error_text(error));
    if (answer.result != TAEL_RESULT_DONE) return fail(client, "the question", answer.text);
    const struct tael_entity *entities = answer.body;
    for (uint32_t i = 0; i < answer.count; i++) {
        (void)printf("%s, at position %llu\n", entities[i].name,
                     (unsigned long long)answer.position);
    }
    tael_close(client);
    return 0;
}
