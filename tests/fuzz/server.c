// SPDX-License-Identifier: Apache-2.0
//
// A whole server under valid messages with changed fields. An input is a row of acts of eight
// clients of both ports: commands, questions and requests made from templates and changed by their
// descriptions, as one or many records; headers with other bytes, their checksum made right again
// or not; pieces of any size, connections that are cut, clients that do not read, time that passes.
//
// After each input: whoever keeps to the protocol was answered, once; two honest clients are
// served, and their money is what they moved; every invariant of ledger and modules holds; no
// buffer is lost. A command that is alone and refused has changed nothing; one that is sent twice
// is answered twice the same. Now and then the server stops or crashes, and starts in the same
// state. A log ends after INPUTS_MAX inputs: verified, and replayed to the same state.
//
// FUZZ_TRAIL=FILE keeps the inputs since the log began, as one input that does it all again.
// FUZZ_PLANT=refused|answer|start is a defect that must be found: a refusal changes a balance, an
// honest client is answered with another balance, a start has another state.
#include "server_client.h"

#include "fuzz.h"

#include "base/checksum.h"
#include "codec/record_binary.h"
#include "ledger/ledger.h"
#include "machine/changes.h"
#include "machine/commit.h"
#include "server/compat_body.h"

#include <stdio.h>
#include <stdlib.h>

#define INPUTS_MAX  200u
#define ACTS_MAX    64u
#define RESTART_AT  50u
#define RECORDS_MAX 400u
#define BODY_MAX    (256u * KIB)
// An input that is a trail is many, each behind its size.
#define TRAIL_MARK "trail 1\n"
// What the honest have, and nobody else names.
#define HONEST_LEDGER 0x7ae1u
#define HONEST_PAYER  (((u128)0x5a3c96e1d2b4f807 << 64) | 0x1122334455667788)
#define HONEST_HOLDER (HONEST_PAYER + 1)

enum { CLIENTS = 8, HONEST = 6, HONEST_PLAIN = 7, FUZZED = 6 };
static const enum client_kind kinds[CLIENTS] = {
    CLIENT_OPERATOR, CLIENT_KEY,   CLIENT_STRANGER, CLIENT_OPERATOR,
    CLIENT_PLAIN,    CLIENT_PLAIN, CLIENT_OPERATOR, CLIENT_PLAIN,
};

enum plant { PLANT_NONE, PLANT_REFUSED, PLANT_ANSWER, PLANT_START };

static struct {
    struct world world;
    struct clients clients;
    struct client items[CLIENTS];
    struct message_record record;
    _Alignas(16) u8 body[BODY_MAX];
    u32 inputs; // Of this log.
    u64 fresh;  // Ids that nobody has used.
    u64 honest; // Transfers of 1.
    enum plant plant;
    FILE *trail;
} fuzz;

static bool is_running;

// --- bodies --------------------------------------------------------------------------------------

// Records of one kind one after the other, as the input says. Returns the body's size.
static u32 body_make(enum message_kind kind, struct input *input, u32 *count)
{
    const u8 many = input_u8(input);
    const u8 index = input_u8(input);
    const u32 records = many >= 252 ? RECORDS_MAX : 1u + (many < 16 ? many : 0u);
    u32 size = 0;
    *count = 0;
    message_template(kind, index, &fuzz.record);
    for (u32 i = 0; i < records; i++) {
        if (i > 0 && many < 16) message_template(kind, index, &fuzz.record);
        if (many % 2 == 0) message_freshen(&fuzz.record, ++fuzz.fresh);
        message_change(&fuzz.record, input, fuzz.fresh + 1);
        const u32 padded = (u32)align_up(fuzz.record.size, COMMAND_RECORD_ALIGNMENT);
        if (size + padded > BODY_MAX) break;
        memset(fuzz.body + size, 0, padded);
        memcpy(fuzz.body + size, fuzz.record.bytes, fuzz.record.size);
        // The last one's end is the body's.
        size += padded;
        ++*count;
    }
    return size - (u32)(align_up(fuzz.record.size, COMMAND_RECORD_ALIGNMENT) - fuzz.record.size);
}

// Bytes of the header that are others, behind which nothing is expected any more.
static void header_change(void *header, struct input *input, u8 what)
{
    u8 *bytes = header;
    const u32 changes = 1 + what % 3;
    for (u32 i = 0; i < changes; i++) {
        const u8 at = input_u8(input);
        bytes[at] = input_u8(input);
    }
    if ((what & 4) == 0) return;
    const u128 sum = checksum(bytes + sizeof sum, MESSAGE_HEADER_SIZE - sizeof sum);
    memcpy(bytes, &sum, sizeof sum);
}

// --- acts ----------------------------------------------------------------------------------------

static struct client *client_ready(struct client *client)
{
    if (client->fd < 0 || (client->is_dirty && client->out_size == 0)) {
        client_open(&fuzz.clients, client);
    }
    if (!client_has_room(client, BODY_MAX + MESSAGE_HEADER_SIZE)) {
        client_await(&fuzz.clients, client);
        if (client->fd < 0 || client->is_dirty) client_open(&fuzz.clients, client);
    }
    return client->fd >= 0 ? client : NULL;
}

static struct tael_header command_header(struct input *input, u32 count)
{
    const u8 expires = input_u8(input);
    return (struct tael_header){
        .head = {.command = TAEL_COMMAND},
        .command_id = (u128)1 << 100 | ++fuzz.fresh,
        .record = fuzz.record.record->number,
        .version = 1,
        .count = count,
        .expires_at = expires < 4 ? fuzz.world.now + expires * NS_PER_S / 2 : 0,
    };
}

// A changed header goes out as bytes, so that nothing is expected of it.
static void tael_put(struct client *client, struct tael_header *header, u32 size,
                     struct input *input)
{
    const u8 what = input_u8(input);
    if (what < 224) {
        client_put_tael(&fuzz.clients, client, header, fuzz.body, size);
        return;
    }
    tael_header_seal(header, fuzz.body, size);
    header_change(header, input, what);
    client_put_bytes(client, header, sizeof *header);
    client_put_bytes(client, fuzz.body, size);
}

static void act_command(struct client *client, struct input *input)
{
    u32 count = 0;
    const u32 size = body_make(MESSAGE_COMMAND, input, &count);
    struct tael_header header = command_header(input, count);
    tael_put(client, &header, size, input);
}

static void act_question(struct client *client, struct input *input)
{
    message_template(MESSAGE_QUESTION, input_u8(input), &fuzz.record);
    message_change(&fuzz.record, input, fuzz.fresh);
    struct tael_header header = {.head = {.command = TAEL_QUESTION},
                                 .record = fuzz.record.record->number,
                                 .version = 1,
                                 .count = 1};
    const u8 cursor = input_u8(input);
    if (cursor < 32) memcpy(header.cursor, client->answer.cursor, sizeof header.cursor);
    if (cursor < 16) header.cursor[cursor] += input_u8(input);
    memcpy(fuzz.body, fuzz.record.bytes, fuzz.record.size);
    tael_put(client, &header, fuzz.record.size, input);
}

// A hello, a proof or something else of one who is not let in.
static void act_stranger(struct client *client, struct input *input)
{
    struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL, .principal = input_u8(input) % 8};
    struct tael_header header = {.head = {.command = TAEL_HELLO}};
    u32 size = sizeof hello;
    memset(fuzz.body, 0, 256);
    memcpy(fuzz.body, &hello, sizeof hello);
    const u8 kind = input_u8(input);
    if (kind % 4 == 1) {
        header.head.command = TAEL_PROOF;
        size = sizeof(struct tael_proof);
    } else if (kind % 4 == 2) {
        header.head.command = kind;
        size = input_u8(input);
    }
    for (u32 changes = input_u8(input) % 4; changes > 0 && size > 0; changes--) {
        fuzz.body[input_u8(input) % size] = input_u8(input);
    }
    client->is_dirty = true;
    tael_put(client, &header, size, input);
}

static const u8 creates[] = {COMPAT_CREATE_ACCOUNTS,           COMPAT_CREATE_TRANSFERS,
                             COMPAT_UNBATCHED_CREATE_ACCOUNTS, COMPAT_UNBATCHED_CREATE_TRANSFERS,
                             COMPAT_SPARSE_CREATE_ACCOUNTS,    COMPAT_SPARSE_CREATE_TRANSFERS};
static const u8 filters[] = {COMPAT_GET_ACCOUNT_TRANSFERS, COMPAT_GET_ACCOUNT_BALANCES,
                             COMPAT_QUERY_ACCOUNTS,        COMPAT_QUERY_TRANSFERS,
                             COMPAT_GET_CHANGE_EVENTS,     COMPAT_UNBATCHED_QUERY_TRANSFERS};

// A body of the compat port: events or one filter, with the trailer that belongs to it or another.
static u32 compat_body_make(struct input *input, u8 *operation)
{
    const u8 what = input_u8(input);
    u32 count = 1;
    u32 size = 0;
    if (what % 4 == 0) {
        *operation = filters[what / 4 % ARRAY_COUNT(filters)];
        message_template(MESSAGE_FILTER, input_u8(input), &fuzz.record);
        message_change(&fuzz.record, input, fuzz.fresh);
        size = fuzz.record.size;
        memcpy(fuzz.body, fuzz.record.bytes, size);
    } else if (what % 4 == 1) {
        const u128 ids[] = {1, 11, 12, fuzz.fresh};
        *operation = what & 16 ? COMPAT_LOOKUP_ACCOUNTS : COMPAT_LOOKUP_TRANSFERS;
        count = 1 + what / 32;
        for (u32 i = 0; i < count; i++) memcpy(fuzz.body + i * 16, &ids[i % 4], 16);
        size = count * 16;
    } else {
        size = body_make(MESSAGE_EVENT, input, &count);
        const bool is_account = fuzz.record.record->number == 0x0101;
        *operation = creates[(what / 4 % 3) * 2 + !is_account];
    }
    const struct compat_operation *about = compat_operation(*operation + COMPAT_OPERATION_BASE);
    const u8 trailer = input_u8(input);
    if (about != NULL && about->multi_batch && trailer != 1 && size + 256 <= BODY_MAX) {
        const u16 counts[3] = {(u16)(trailer >= 240 ? trailer : count), (u16)(trailer % 4), 1};
        const u32 batches = trailer >= 224 && trailer < 240 ? trailer % 4 : 1;
        size = compat_trailer_write(fuzz.body, size, about->event_size, counts, batches);
    }
    return size;
}

static void act_request(struct client *client, struct input *input)
{
    u8 operation = 0;
    client_await(&fuzz.clients, client);
    if (client->fd < 0 || client->is_dirty) return;
    const u32 size = compat_body_make(input, &operation);
    const u8 what = input_u8(input);
    if (what < 224) {
        client_put_compat(client, COMPAT_OPERATION_BASE + operation, fuzz.body, size);
        return;
    }
    // Sealed as it would be, then changed: nothing is expected of this session any more.
    const size_t before = client->out_size;
    client_put_compat(client, COMPAT_OPERATION_BASE + operation, fuzz.body, size);
    header_change(client->out + before, input, what);
    client->is_dirty = true;
}

// Alone on the server: what is refused has changed nothing, what is said twice is answered twice
// the same.
static void act_alone(struct client *client, struct input *input)
{
    u32 count = 0;
    for (u32 i = 0; i < CLIENTS; i++) client_await(&fuzz.clients, &fuzz.items[i]);
    world_rest(&fuzz.world);
    if (client->fd < 0 || client->is_dirty) return;
    const u32 size = body_make(MESSAGE_COMMAND, input, &count);
    struct tael_header header = command_header(input, count);
    const u128 before = world_state(&fuzz.world);
    client_put_tael(&fuzz.clients, client, &header, fuzz.body, size);
    client_await(&fuzz.clients, client);
    if (client->fd < 0) return;
    const struct tael_header first = client->answer;
    const u128 sum = client->answer_sum;
    const u32 result = load_u32(client->answer_body);
    if (client->is_refused && fuzz.plant == PLANT_REFUSED) {
        // The plant: a balance is another one now.
        struct account *account = (void *)fuzz.world.node.machine.ledger.accounts.memory;
        account->debits_posted++;
    }
    if (client->is_refused) FUZZ_CHECK(world_state(&fuzz.world) == before);
    world_rest(&fuzz.world); // A job may have begun.
    client_put_tael(&fuzz.clients, client, &header, fuzz.body, size);
    client_await(&fuzz.clients, client);
    if (client->fd < 0 || first.status != TAEL_DONE) return;
    if (client->answer.status != TAEL_DONE || client->answer_sum != sum) {
        (void)fprintf(stderr, "record %04x, %u of them: status %u, result %u, %u before\n",
                      header.record, count, client->answer.status, load_u32(client->answer_body),
                      result);
    }
    FUZZ_CHECK(client->answer.status == TAEL_DONE && client->answer_sum == sum);
}

// Time goes on: what is due happens, and is waited for.
static void act_time(struct input *input)
{
    const u8 seconds = input_u8(input);
    for (u32 i = 0; i < FUZZED; i++) {
        struct client *client = &fuzz.items[i];
        // Who is in the middle of a message, or does not read, may be cut off by then.
        if (client->out_sent > 0 || client->is_slow) client->is_dirty = true;
    }
    fuzz.world.now += (u64)seconds * NS_PER_S + NS_PER_MS;
    clients_step(&fuzz.clients, 0);
}

static void act(struct input *input)
{
    const u8 what = input_u8(input);
    const u8 who = input_u8(input);
    struct client *client = &fuzz.items[who % FUZZED];
    u32 piece = 0;
    if (what % 16 == 15) {
        act_time(input);
        return;
    }
    if (what % 16 == 14) {
        client_close(client);
        return;
    }
    client = client_ready(client);
    if (client == NULL) return;
    switch (what % 16) {
    case 13: client->is_slow = !client->is_slow; break;
    case 12: // A piece of what is there to send.
        piece = 1u + input_u8(input);
        client->out_let = MIN(client->out_size, client->out_sent + piece);
        clients_step(&fuzz.clients, 0);
        break;
    case 11: client_await(&fuzz.clients, client); break;
    case 10: client_put_bytes(client, input->at, MIN(input->left, (size_t)who)); break;
    default:
        if (client->kind == CLIENT_PLAIN) act_request(client, input);
        else if (client->kind == CLIENT_STRANGER) act_stranger(client, input);
        else if (what % 16 >= 7) act_question(client, input);
        else if (what % 16 == 6) act_alone(client, input);
        else act_command(client, input);
    }
    if (what & 16) clients_step(&fuzz.clients, 0);
}

// --- the honest ----------------------------------------------------------------------------------

static void honest_command(u32 record, const void *body, u32 size, u32 count)
{
    struct client *client = &fuzz.items[HONEST];
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = (u128)1 << 101 | ++fuzz.fresh,
                                 .record = record,
                                 .version = 1,
                                 .count = count};
    client_put_tael(&fuzz.clients, client, &header, body, size);
    client_await(&fuzz.clients, client);
    if (client->answer.status != TAEL_DONE || client->is_refused) {
        (void)fprintf(stderr, "record %04x: status %u, result %u\n", record, client->answer.status,
                      load_u32(client->answer_body));
    }
    FUZZ_CHECK(client->answer.status == TAEL_DONE && !client->is_refused);
}

static void honest_begin(void)
{
    const struct account accounts[2] = {
        {.id = HONEST_PAYER, .ledger = HONEST_LEDGER, .code = 1},
        {.id = HONEST_HOLDER, .ledger = HONEST_LEDGER, .code = 1},
    };
    honest_command(0x0101, accounts, sizeof accounts, 2);
}

// Moves 1 by the one port and asks for the balances by the other.
static void honest_serve(void)
{
    struct client *plain = &fuzz.items[HONEST_PLAIN];
    const u128 ids[2] = {HONEST_PAYER, HONEST_HOLDER};
    const struct transfer transfer = {.id = (u128)1 << 102 | ++fuzz.fresh,
                                      .debit_account_id = HONEST_PAYER,
                                      .credit_account_id = HONEST_HOLDER,
                                      .amount = 1,
                                      .ledger = HONEST_LEDGER,
                                      .code = 1};
    honest_command(0x0102, &transfer, sizeof transfer, 1);
    fuzz.honest++;
    client_put_compat(plain, COMPAT_OPERATION_BASE + COMPAT_UNBATCHED_LOOKUP_ACCOUNTS, ids,
                      sizeof ids);
    client_await(&fuzz.clients, plain);
    FUZZ_CHECK(plain->reply_size == 2 * sizeof(struct account) && !plain->is_dirty);
    struct account found[2];
    memcpy(found, plain->answer_body, sizeof found);
    if (fuzz.plant == PLANT_ANSWER && fuzz.inputs > 20) found[0].debits_posted++; // The plant.
    FUZZ_CHECK(found[0].id == HONEST_PAYER && found[1].id == HONEST_HOLDER);
    FUZZ_CHECK(found[0].debits_posted == fuzz.honest && found[0].credits_posted == 0);
    FUZZ_CHECK(found[1].credits_posted == fuzz.honest && found[1].debits_posted == 0);
}

// --- the log -------------------------------------------------------------------------------------

static enum plant plant_of(const char *name)
{
    if (name == NULL) return PLANT_NONE;
    if (strcmp(name, "refused") == 0) return PLANT_REFUSED;
    return strcmp(name, "answer") == 0 ? PLANT_ANSWER : PLANT_START;
}

static void trail_begin(void)
{
    const char *path = getenv("FUZZ_TRAIL");
    if (fuzz.trail != NULL) (void)fclose(fuzz.trail);
    fuzz.trail = path == NULL ? NULL : fopen(path, "we");
}

static void log_begin(void)
{
    fuzz.plant = plant_of(getenv("FUZZ_PLANT"));
    fuzz.inputs = 0;
    fuzz.fresh = 1000;
    fuzz.honest = 0;
    trail_begin();
    world_begin(&fuzz.world);
    fuzz.clients = (struct clients){.world = &fuzz.world, .items = fuzz.items, .count = CLIENTS};
    for (u32 i = 0; i < CLIENTS; i++) client_init(&fuzz.items[i], kinds[i]);
    client_open(&fuzz.clients, &fuzz.items[HONEST]);
    client_open(&fuzz.clients, &fuzz.items[HONEST_PLAIN]);
    for (u32 i = 0; i < message_count(MESSAGE_FOUND); i++) {
        message_template(MESSAGE_FOUND, i, &fuzz.record);
        honest_command(fuzz.record.record->number, fuzz.record.bytes, fuzz.record.size, 1);
    }
    message_claim(fuzz.items[HONEST].answer.position);
    honest_begin();
    is_running = true;
}

static void log_end(void)
{
    for (u32 i = 0; i < CLIENTS; i++) client_free(&fuzz.items[i]);
    world_rest(&fuzz.world);
    world_end(&fuzz.world);
    is_running = false;
}

static void restart(bool is_crash)
{
    for (u32 i = 0; i < CLIENTS; i++) client_close(&fuzz.items[i]);
    world_rest(&fuzz.world);
    if (fuzz.plant == PLANT_START) {
        // The plant: a record that no page of the log has.
        struct account *account = (void *)fuzz.world.node.machine.ledger.accounts.memory;
        account->user_data_64++;
    }
    world_restart(&fuzz.world, is_crash);
    client_open(&fuzz.clients, &fuzz.items[HONEST]);
    client_open(&fuzz.clients, &fuzz.items[HONEST_PLAIN]);
}

static void input_run(struct input *input)
{
    for (u32 i = 0; i < ACTS_MAX && input->left > 0; i++) act(input);
    for (u32 i = 0; i < FUZZED; i++) {
        struct client *client = &fuzz.items[i];
        client_await(&fuzz.clients, client);
        if (client->is_dirty) client_close(client);
    }
    honest_serve();
    world_rest(&fuzz.world);
    world_check(&fuzz.world);
    fuzz.inputs++;
    if (fuzz.inputs % RESTART_AT == 0) restart(fuzz.inputs / RESTART_AT % 2 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t mark = sizeof TRAIL_MARK - 1;
    const bool is_trail = size >= mark && memcmp(data, TRAIL_MARK, mark) == 0;
    size_t at = is_trail ? mark : 0;
    do {
        u32 piece = (u32)(size - at);
        if (is_trail && size - at < sizeof piece) break;
        if (is_trail) {
            memcpy(&piece, data + at, sizeof piece);
            at += sizeof piece;
            piece = (u32)MIN((size_t)piece, size - at);
        }
        struct input input = {.at = data + at, .left = piece};
        if (!is_running) log_begin();
        if (fuzz.trail != NULL && !is_trail) {
            if (fuzz.inputs == 0) (void)fputs(TRAIL_MARK, fuzz.trail);
            (void)fwrite(&piece, sizeof piece, 1, fuzz.trail);
            (void)fwrite(data, 1, piece, fuzz.trail);
            (void)fflush(fuzz.trail);
        }
        input_run(&input);
        at += piece;
        if (fuzz.inputs == INPUTS_MAX) log_end();
    } while (is_trail && at < size);
    return 0;
}
