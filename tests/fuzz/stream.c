// SPDX-License-Identifier: Apache-2.0
//
// A server that lies to libtael, and to what verbs make of answers: tables, lines of the change
// stream, the projection. An input is a row of messages to a client that has come in and asks for
// views, for changes and for a command to be carried out: sealed, their kind, status, record, count
// and cursor as the input says, their bodies its bytes or whole views and changes with some of them
// changed.
//
// What is handed out lies in the answer's body; what is no answer ends the connection. Nothing is
// printed or projected that was not looked at.
#include "fuzz.h"

#include "cli/change_text.h"
#include "cli/cli.h"
#include "cli/stream.h"
#include "codec/record_binary.h"
#include "codec/record_text.h"
#include "modules/entry/entry.h"
#include "projection/projection.h"
#include "server/tael_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_ID         7u
#define MESSAGES_MAX   8u
#define BODY_MAX       4096u
#define TURNS_MAX      64u
#define PROJECTION_MAX 4096u // Inputs that share a projection.
#define ASKED          3u    // Requests that are open.

static struct {
    int listener;
    char address[80];
    struct projection *projection;
    u32 inputs;
    u64 tickets[ASKED];
    u32 answers;
    _Alignas(16) u8 body[BODY_MAX];
} lie = {.listener = -1};

// --- what becomes of answers ---------------------------------------------------------------------

static void views_print(const struct tael_answer *answer)
{
    if (!cli_views_are_whole(answer, NULL) || answer->count == 0) return;
    const struct schema_record *view = module_record_of(answer->record);
    const u8 *at = answer->body;
    const size_t room = 65536;
    char *out = fuzz_room(room);
    for (u32 i = 0; i < MIN(answer->count, 4u); i++, at += align_up(view->size, 16)) {
        struct failure failure;
        struct text text = text_init(out, room);
        record_write_card(view, 0, at, &text);
        FUZZ_CHECK(text_finish(&text, &failure) == STATUS_OK);
        struct json_writer writer = json_writer_init(out, room);
        record_json_write(view, RECORD_JSON_CALENDAR, at, &writer);
        FUZZ_CHECK(json_writer_finish(&writer, &failure) == STATUS_OK);
    }
    free(out);
}

// As `tael tail` and `tael project` do it.
static void change_take(const struct change *change)
{
    struct failure failure = {0};
    const struct schema_record *record = change_record_of(change->record);
    if (record != NULL && change->payload_size > 0 &&
        record_binary_check(record, change + 1, change->payload_size, &failure) != STATUS_OK) {
        record = NULL;
    }
    const size_t room = change_json_size_max(change);
    char *out = fuzz_room(room);
    struct json_writer writer = json_writer_init(out, room);
    change_json_write(change, record, &writer);
    FUZZ_CHECK(!text_overflowed(&writer.text));
    free(out);
    const enum status status = projection_add(lie.projection, change, &failure);
    FUZZ_CHECK(status == STATUS_OK || failure.message[0] != 0);
    FUZZ_CHECK(status != STATUS_OK || record != NULL || change->payload_size == 0);
}

static void answer_take(void *context, const struct tael_answer *answer)
{
    (void)context;
    if (answer->error != TAEL_OK) return;
    lie.answers++;
    FUZZ_CHECK(answer->body_size == 0 || answer->body != NULL);
    FUZZ_CHECK(answer->text != NULL && tael_result_text(answer->result)[0] != 0);
    u32 sum = 0; // Every byte is there to be read.
    for (u32 i = 0; i < answer->body_size; i++) sum += ((const u8 *)answer->body)[i];
    maybe(sum > 0);
    if (answer->replies != NULL) {
        FUZZ_CHECK(answer->count * sizeof(struct tael_reply) == answer->body_size);
    }
    if (answer->result != TAEL_RESULT_DONE || answer->replies != NULL) return;
    views_print(answer);
    if (answer->body_size == 0) return;
    const u8 *end = (const u8 *)answer->body + answer->body_size;
    for (const struct tael_change *change = tael_change_next(answer, NULL); change != NULL;
         change = tael_change_next(answer, change)) {
        FUZZ_CHECK((const u8 *)(change + 1) + change->payload_size <= end);
        change_take((const void *)change);
    }
}

// --- the server ----------------------------------------------------------------------------------

static void lie_begin(void)
{
    const char *folder = getenv("TMPDIR");
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    (void)snprintf(lie.address, sizeof lie.address, "unix:%.40s/tael-lie-%d",
                   folder == NULL ? "/tmp" : folder, (int)getpid());
    memcpy(place.sun_path, lie.address + 5, sizeof lie.address - 5);
    (void)unlink(place.sun_path);
    lie.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    FUZZ_CHECK(bind(lie.listener, (const void *)&place, sizeof place) == 0);
    FUZZ_CHECK(listen(lie.listener, 16) == 0);
}

static void projection_begin(void)
{
    const struct projection_options options = {.path = ":memory:", .log_id = LOG_ID};
    struct failure failure;
    projection_close(lie.projection);
    FUZZ_CHECK(projection_open(&lie.projection, &options, &failure) == STATUS_OK);
}

static void message_send(int fd, struct tael_header *header, const void *body, u32 size)
{
    tael_header_seal(header, body, size);
    (void)!send(fd, header, sizeof *header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) (void)!send(fd, body, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void ask(struct tael_client *client)
{
    static const u8 views[16];
    static _Alignas(16) const struct entry_hold_void give_up = {.entry_id = 1, .hold_id = 2};
    const struct tael_command command = {.id = {.low = 5},
                                         .record = 0x0404,
                                         .version = 1,
                                         .count = 1,
                                         .body_size = sizeof give_up,
                                         .body = &give_up};
    const struct tael_question question = {
        .record = 0x0320, .version = 1, .body_size = sizeof views, .body = views};
    static const struct tael_changes changes;
    FUZZ_CHECK(tael_submit_command(client, &command, TAEL_FOREVER, answer_take, NULL,
                                   &lie.tickets[0]) == TAEL_OK);
    FUZZ_CHECK(tael_submit_question(client, &question, TAEL_FOREVER, answer_take, NULL,
                                    &lie.tickets[1]) == TAEL_OK);
    FUZZ_CHECK(tael_submit_changes(client, &changes, TAEL_FOREVER, answer_take, NULL,
                                   &lie.tickets[2]) == TAEL_OK);
}

// Lets the client in; -1 when it does not come.
static int client_let_in(struct tael_client *client)
{
    const struct tael_welcome welcome = {.log_id = LOG_ID,
                                         .principal = 1,
                                         .protocol = TAEL_PROTOCOL,
                                         .body_size_max = TAEL_BODY_SIZE_MAX,
                                         .in_flight_max = TAEL_IN_FLIGHT_MAX};
    struct tael_header header = {.head = {.command = TAEL_WELCOME}};
    int fd = -1;
    for (u32 i = 0; i < TURNS_MAX && fd < 0; i++) {
        (void)tael_step(client);
        fd = accept4(lie.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    if (fd < 0) return -1;
    for (u32 i = 0; i < TURNS_MAX && !tael_is_connected(client); i++) {
        if (i == 0) message_send(fd, &header, &welcome, sizeof welcome);
        (void)tael_step(client);
    }
    return fd;
}

// --- its messages --------------------------------------------------------------------------------

struct bytes {
    const uint8_t *at;
    size_t left;
};

static u8 take(struct bytes *bytes)
{
    if (bytes->left == 0) return 0;
    bytes->left--;
    return *bytes->at++;
}

// A whole record of zeroes, as far as there is room: a view, or the payload of a change.
static u32 record_put(u32 at, u32 number, bool is_change)
{
    const struct schema_record *record = fuzz_record(number);
    const u32 head = is_change ? (u32)sizeof(struct change) : 0;
    if (at + head + align_up(record->size, 16) > BODY_MAX) return 0;
    memset(lie.body + at, 0, head + align_up(record->size, 16));
    if (is_change) {
        const struct change change = {
            .row = number, .record = record->number, .kind = 7, .payload_size = record->size};
        memcpy(lie.body + at, &change, sizeof change);
    }
    return head + (u32)align_up(record->size, 16);
}

static u32 body_make(struct bytes *bytes, struct tael_header *header)
{
    const u8 how = take(bytes);
    u32 size = 0;
    if (how % 4 == 0) { // The input's own.
        const size_t wanted = 16u * take(bytes);
        size = (u32)MIN(bytes->left, wanted);
        memcpy(lie.body, bytes->at, size);
        bytes->at += size;
        bytes->left -= size;
        return size;
    }
    const bool is_change = how % 4 != 1;
    const u32 number = take(bytes) + 256u * (how >> 7);
    header->record = is_change ? 0x0021 : fuzz_record(number)->number;
    for (header->count = 0; header->count < 1 + how / 4 % 8u; header->count++) {
        const u32 more = record_put(size, is_change ? number + header->count : number, is_change);
        if (more == 0) break;
        size += more;
    }
    const u8 edits = take(bytes) % 8 * 8;
    if (size > 0 && bytes->left >= edits) {
        fuzz_edit(lie.body, size, bytes->at, edits);
        bytes->at += edits;
        bytes->left -= edits;
    }
    return size;
}

static void lie_tell(int fd, struct bytes *bytes)
{
    static const u8 kinds[] = {TAEL_ANSWER, TAEL_REPLY, TAEL_ANSWER, TAEL_PONG};
    const u8 kind = take(bytes);
    const u8 asked = take(bytes);
    struct tael_header header = {
        .head = {.command = kind < 16 ? kinds[kind % 4] : kind},
        .correlation = lie.tickets[asked % ASKED],
        .command_id = asked % ASKED == 0 ? 5 : 0,
        .record = asked % ASKED == 0 ? 0x0404 : 0,
        .version = 1,
        .status = take(bytes),
        .position = 1,
    };
    if (header.status >= 16) header.status = TAEL_DONE;
    const u32 size = body_make(bytes, &header);
    const u8 edits = take(bytes) % 4;
    for (u32 i = 0; i < edits; i++) {
        const u8 at = take(bytes);
        ((u8 *)&header)[at] = take(bytes);
    }
    message_send(fd, &header, lie.body, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {.at = data, .left = size};
    if (lie.listener < 0) lie_begin();
    if (lie.inputs++ % PROJECTION_MAX == 0) projection_begin();
    const struct tael_options options = {.address = lie.address};
    struct tael_client *client = tael_open(&options);
    FUZZ_CHECK(client != NULL);
    ask(client);
    const int fd = client_let_in(client);
    FUZZ_CHECK(fd >= 0 && tael_is_connected(client));
    (void)tael_step(client);
    for (u32 i = 0; i < MESSAGES_MAX && bytes.left > 0; i++) {
        lie_tell(fd, &bytes);
        (void)tael_step(client);
        if (!tael_is_connected(client)) {
            FUZZ_CHECK(tael_problem(client)[0] != 0);
            break;
        }
    }
    tael_close(client);
    (void)close(fd);
    return 0;
}
