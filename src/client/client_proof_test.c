// SPDX-License-Identifier: Apache-2.0
//
// libtael and keys: files of secrets, what is signed to the byte, challenges that are none, and a
// client that comes back with its key, over the real port too.
#include "client/client_stub.h"
#include "client/key_file.h"
#include "modules/principal/principal.h"
#include "modules/sample/sample.h"
#include "server/clock.h"
#include "server/port_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <tael.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS_MAX 20000u
#define PRINCIPAL 7u
#define PUTS      48u

struct world {
    struct client_stub stub;
    struct port_world server;
    struct tael_client *client;
    char folder[64];
    char file[96];
    u8 key[SIGNATURE_KEY_SIZE];
    u32 answered;
    u32 signed_count;
};

// Secrets that were wiped: seeds, and texts of files. The linker puts this in the place of
// secret_wipe for everybody else.
static struct {
    u32 seeds;
    u32 texts;
} wiped;
void __real_secret_wipe(void *secret, size_t size); // NOLINT: the linker's names.
void __wrap_secret_wipe(void *secret, size_t size); // NOLINT
void __wrap_secret_wipe(void *secret, size_t size)  // NOLINT
{
    wiped.seeds += size == SIGNATURE_SEED_SIZE && !is_zero(secret, size);
    wiped.texts += size > 2 * SIGNATURE_SEED_SIZE && !is_zero(secret, size);
    __real_secret_wipe(secret, size);
    assert_true(is_zero(secret, size));
}

static void expect_wiped(u32 seeds, u32 texts)
{
    assert_int_equal(wiped.seeds, seeds);
    assert_int_equal(wiped.texts, texts);
    wiped.seeds = wiped.texts = 0;
}

static int setup(void **state)
{
    struct failure failure;
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    memset(world, 0, sizeof *world);
    wiped.seeds = wiped.texts = 0;
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/tael-keys.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->file, sizeof world->file, "%s/key", world->folder);
    assert_int_equal(key_file_new(world->file, world->key, &failure), STATUS_OK);
    client_stub_open(&world->stub);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    tael_close(world->client);
    client_stub_close(&world->stub);
    (void)unlink(world->file);
    assert_int_equal(rmdir(world->folder), 0);
    free(world);
    return 0;
}

// --- files ---------------------------------------------------------------------------------------

static void file_write(const struct world *world, const char *text, mode_t mode)
{
    (void)unlink(world->file);
    const int fd = open(world->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

static void expect_no_key(const struct world *world, enum status status, const char *text)
{
    struct failure failure = {0};
    u8 seed[SIGNATURE_SEED_SIZE] = {0};
    assert_int_equal(key_file_read(world->file, seed, &failure), status);
    assert_true(is_zero(seed, sizeof seed));
    if (strstr(failure.message, text) == NULL) fail_msg("%s", failure.message);
}

static void test_a_new_key_is_its_owner_s_alone(void **state)
{
    struct world *world = *state;
    struct failure failure = {0};
    struct stat about;
    expect_wiped(1, 1); // When it was made.
    u8 seed[SIGNATURE_SEED_SIZE], other[SIGNATURE_KEY_SIZE], key[SIGNATURE_KEY_SIZE];
    assert_int_equal(stat(world->file, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(about.st_size, 65);
    assert_int_equal(key_file_read(world->file, seed, &failure), STATUS_OK);
    signature_key_of(seed, key);
    assert_memory_equal(key, world->key, sizeof key);
    // What is there is left as it is.
    assert_int_equal(key_file_new(world->file, other, &failure), STATUS_BUSY);
    assert_int_equal(key_file_read(world->file, seed, &failure), STATUS_OK);
    signature_key_of(seed, key);
    assert_memory_equal(key, world->key, sizeof key);
    (void)unlink(world->file);
    const mode_t before = umask(0277); // Its rights are not left to chance.
    assert_int_equal(key_file_new(world->file, other, &failure), STATUS_OK);
    (void)umask(before);
    assert_int_equal(stat(world->file, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_memory_not_equal(other, world->key, sizeof other);
    (void)unlink(world->file);
    assert_int_equal(symlink("/nowhere/at-all", world->file), 0); // Not through a link, either.
    assert_int_equal(key_file_new(world->file, other, &failure), STATUS_BUSY);
}

// The seed of RFC 8032, 7.1, test 1.
#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

static void test_what_is_no_key_file_is_refused(void **state)
{
    struct world *world = *state;
    struct failure failure;
    static const char *const wrong[] = {
        "",
        "\n",
        "9d61",
        SEED "0",
        SEED "\n\n",
        SEED " ",
        " " SEED,
        SEED "\r\n",
        "gd61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f6/",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        file_write(world, wrong[i], 0600);
        expect_no_key(world, STATUS_INVALID, "does not hold 64 hexadecimal digits");
    }
    for (u32 bit = 0; bit < 6; bit++) {
        file_write(world, SEED "\n", (mode_t)(0600 | 1u << bit));
        expect_no_key(world, STATUS_INVALID, "others than its owner have rights");
    }
    static const char *const right[] = {
        SEED, SEED "\n", "9D61B19DEFFD5A60BA844AF492EC2CC44449C5697B326919703BAC031CAE7F60\n"};
    for (size_t i = 0; i < ARRAY_COUNT(right); i++) {
        u8 seed[SIGNATURE_SEED_SIZE];
        file_write(world, right[i], i == 0 ? 0400 : 0600);
        assert_int_equal(key_file_read(world->file, seed, &failure), STATUS_OK);
        assert_true(seed[0] == 0x9d && seed[1] == 0x61 && seed[31] == 0x60);
    }
    (void)unlink(world->file);
    expect_no_key(world, STATUS_NOT_FOUND, "opening the key file");
    assert_int_equal(mkfifo(world->file, 0600), 0);
    expect_no_key(world, STATUS_INVALID, "is no file"); // And nobody waits for it.
    (void)unlink(world->file);
    assert_int_equal(mkdir(world->file, 0700), 0);
    expect_no_key(world, STATUS_INVALID, "is no file");
    assert_int_equal(rmdir(world->file), 0);
}

static void test_a_key_file_of_another_user_is_refused(void **state)
{
    struct world *world = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can give a file to another user\n");
        skip();
    }
    (void)unlink(world->file);
    file_write(world, SEED, 0600);
    assert_int_equal(chown(world->file, 31007, 31007), 0);
    expect_no_key(world, STATUS_INVALID, "is another user's");
}

// --- what is signed ------------------------------------------------------------------------------

static void client_make(struct world *world, struct tael_options options)
{
    tael_close(world->client);
    if (options.address == NULL) options.address = world->stub.address;
    world->client = world->stub.client = tael_open(&options);
    assert_non_null(world->client);
}

static void send_challenge(struct world *world, u32 protocol, u32 size)
{
    struct tael_challenge challenge = {.log_id = world->stub.log_id, .protocol = protocol};
    u8 body[128] = {0};
    memset(challenge.nonce, 0x5a, sizeof challenge.nonce);
    memcpy(body, &challenge, sizeof challenge);
    struct tael_header header = client_stub_answer(&world->stub, TAEL_CHALLENGE);
    client_stub_send(&world->stub, &header, body, size);
}

// What docs/PROTOCOL.md says is signed, put together from its table.
static void statement_write(const struct world *world, const u8 client_nonce[32], u8 out[128])
{
    memset(out, 0, 128);
    memcpy(out, "tael port: who a client is", 26);
    store_u128(out + 32, world->stub.log_id);
    store_u64(out + 48, PRINCIPAL);
    out[56] = 1;
    memset(out + 64, 0x5a, 32);
    memcpy(out + 96, client_nonce, 32);
}

// Takes the proof that answers a challenge, and checks it; gives its nonce.
static void take_proof(struct world *world, const u8 key[SIGNATURE_KEY_SIZE], u8 nonce[32])
{
    u8 statement[128];
    const struct tael_header *header = client_stub_take(&world->stub, TAEL_PROOF);
    assert_int_equal(tael_body_size(header), 96);
    memcpy(nonce, world->stub.body, 32);
    statement_write(world, nonce, statement);
    assert_true(signature_check(key, statement, sizeof statement, world->stub.body + 32));
}

static void send_welcome(struct world *world, u64 principal)
{
    const struct tael_welcome welcome = {
        .log_id = world->stub.log_id,
        .principal = principal,
        .position = 5,
        .timestamp = 9,
        .protocol = TAEL_PROTOCOL,
        .body_size_max = TAEL_BODY_SIZE_MAX,
        .in_flight_max = 64,
    };
    struct tael_header header = client_stub_answer(&world->stub, TAEL_WELCOME);
    client_stub_send(&world->stub, &header, &welcome, sizeof welcome);
}

static void step_until(struct world *world, bool ended)
{
    const u64 since = clock_steady();
    for (;;) {
        const bool has_ended = tael_step(world->client) == TAEL_ERROR_ENDED;
        if (ended ? has_ended : tael_is_connected(world->client)) return;
        if (has_ended) fail_msg("%s", tael_problem(world->client));
        if (clock_steady() > since + 20 * NS_PER_S) fail_msg("it stands still");
    }
}

static void expect_ended(struct world *world, const char *text)
{
    step_until(world, true);
    if (strstr(tael_problem(world->client), text) == NULL) {
        fail_msg("%s", tael_problem(world->client));
    }
}

static void test_a_challenge_is_answered_by_a_proof(void **state)
{
    struct world *world = *state;
    u8 first[32], second[32];
    wiped.seeds = wiped.texts = 0;
    client_make(world, (struct tael_options){.principal = PRINCIPAL, .key_file = world->file});
    expect_wiped(1, 1); // It was looked at.
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    assert_int_equal(load_u64(world->stub.body), PRINCIPAL);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    take_proof(world, world->key, first);
    expect_wiped(1, 1);
    send_welcome(world, PRINCIPAL);
    step_until(world, false);
    // Over another connection it is proven anew, with another nonce of its own.
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    take_proof(world, world->key, second);
    assert_memory_not_equal(first, second, sizeof first);
    send_welcome(world, PRINCIPAL);
    step_until(world, false);
}

static int sign_with(void *context, const void *message, size_t size, uint8_t signature[64])
{
    struct world *world = context;
    u8 seed[SIGNATURE_SEED_SIZE] = {42};
    world->signed_count++;
    // It may not call the library: that is refused, and does no harm.
    assert_int_equal(tael_step(world->client), TAEL_ERROR_ARGUMENT);
    if (world->signed_count > 1) return 5;
    signature_make(seed, message, size, signature);
    return 0;
}

static void test_another_hand_may_sign(void **state)
{
    struct world *world = *state;
    u8 seed[SIGNATURE_SEED_SIZE] = {42}, key[SIGNATURE_KEY_SIZE], nonce[32];
    signature_key_of(seed, key);
    client_make(world, (struct tael_options){
                           .principal = PRINCIPAL, .sign = sign_with, .sign_context = world});
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    assert_int_equal(world->signed_count, 0);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    take_proof(world, key, nonce);
    send_welcome(world, PRINCIPAL);
    step_until(world, false);
    assert_int_equal(world->signed_count, 1);
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    expect_ended(world, "the function that signs says 5");
}

static void test_what_is_not_answered(void **state)
{
    struct world *world = *state;
    const struct tael_options options = {.principal = PRINCIPAL, .key_file = world->file};
    u8 nonce[32];
    // Another version.
    client_make(world, options);
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL + 1, sizeof(struct tael_challenge));
    expect_ended(world, "speaks another version of the protocol");
    // Without a key; without a principal.
    client_make(world, (struct tael_options){.principal = PRINCIPAL});
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    expect_ended(world, "asks for a proof, and no key was given (principal 7)");
    client_make(world, (struct tael_options){0});
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    expect_ended(world, "asks who nobody in particular is");
    // Of another size, and twice: the connection is lost, and made anew.
    client_make(world, options);
    for (u32 i = 0; i < 3; i++) {
        client_stub_accept(&world->stub);
        (void)client_stub_take(&world->stub, TAEL_HELLO);
        send_challenge(world, TAEL_PROTOCOL, i == 0 ? 48 : i == 1 ? 80 : 64);
    }
    take_proof(world, world->key, nonce);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    // Who is let in as another ends.
    send_welcome(world, PRINCIPAL + 1);
    expect_ended(world, "takes this client for another principal");
}

static void test_nothing_is_signed_for_another_log(void **state)
{
    struct world *world = *state;
    u8 nonce[32];
    client_make(world, (struct tael_options){.principal = PRINCIPAL, .key_file = world->file});
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    take_proof(world, world->key, nonce);
    send_welcome(world, PRINCIPAL);
    step_until(world, false);
    world->stub.log_id++;
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    expect_ended(world, "has another log than before");
}

static void test_options_that_do_not_go_together(void **state)
{
    struct world *world = *state;
    const struct {
        struct tael_options options;
        const char *text;
    } rows[] = {
        {{.key_file = world->file}, "not the principal whose it is"},
        {{.sign = sign_with}, "not the principal whose it is"},
        {{.principal = 7, .key_file = world->file, .sign = sign_with}, "exclude each other"},
        {{.principal = 7, .key_file = "/nowhere/key"}, "opening the key file /nowhere/key"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        client_make(world, rows[i].options);
        expect_ended(world, rows[i].text);
    }
    // A file that is not as it was when the client was made.
    client_make(world, (struct tael_options){.principal = 7, .key_file = world->file});
    client_stub_accept(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_HELLO);
    assert_int_equal(chmod(world->file, 0644), 0);
    send_challenge(world, TAEL_PROTOCOL, sizeof(struct tael_challenge));
    expect_ended(world, "others than its owner have rights");
}

// --- the real port -------------------------------------------------------------------------------

static void turn(struct world *world)
{
    if (tael_step(world->client) != TAEL_OK) fail_msg("%s", tael_problem(world->client));
    port_world_step(&world->server);
}

static void answer_count(void *context, const struct tael_answer *answer)
{
    struct world *world = context;
    assert_int_equal(answer->error, TAEL_OK);
    assert_int_equal(answer->result, TAEL_RESULT_DONE);
    assert_int_equal(answer->replies[0].result, TAEL_RECORD_DONE);
    world->answered++;
}

static void submit(struct world *world, u32 record, const void *body, u32 size)
{
    const struct tael_command command = {.id = tael_id(world->client),
                                         .record = record,
                                         .version = 1,
                                         .count = 1,
                                         .body = body,
                                         .body_size = size};
    assert_int_equal(
        tael_submit_command(world->client, &command, TAEL_FOREVER, answer_count, world, NULL),
        TAEL_OK);
}

static void answered_await(struct world *world, u32 count)
{
    for (u32 i = 0; world->answered < count; i++) {
        if (i == TURNS_MAX) fail_msg("%s", tael_problem(world->client));
        turn(world);
    }
    world->answered = 0;
}

// As principal 1, sets what opens principal 7, then comes back with its key.
static void run_as_operator(struct world *world, char address[80], u32 record, const void *body,
                            u32 size)
{
    client_make(world, (struct tael_options){.address = address});
    submit(world, record, body, size);
    answered_await(world, 1);
}

static void test_a_client_comes_back_with_its_key(void **state)
{
    struct world *world = *state;
    char address[80];
    port_world_begin(&world->server);
    (void)snprintf(address, sizeof address, "unix:%s", world->server.path);
    struct principal_open open = {.principal_id = PRINCIPAL, .kind = PRINCIPAL_PERSON, .name = "a"};
    memcpy(open.public_key, world->key, sizeof open.public_key);
    run_as_operator(world, address, 0x0501, &open, sizeof open);
    client_make(world, (struct tael_options){.address = address,
                                             .principal = PRINCIPAL,
                                             .key_file = world->file,
                                             .open_max = PUTS});
    const struct sample_open box = {.box_id = 9,
                                    .account_id = PORT_WORLD_PAYER,
                                    .box_account_id = PORT_WORLD_HOLDER,
                                    .limit = 0};
    submit(world, 0x7f01, &box, sizeof box);
    answered_await(world, 1);
    struct tael_server server;
    assert_true(tael_server(world->client, &server));
    assert_int_equal(server.principal, PRINCIPAL);
    const struct sample_put put = {.box_id = 9, .amount = 1};
    for (u32 round = 1; round <= 3; round++) {
        for (u32 i = 0; i < PUTS; i++) submit(world, 0x7f02, &put, sizeof put);
        for (u32 i = 0; i < 3 * round; i++) turn(world);
        port_world_crash(&world->server); // What is in flight is sent again under the same ids.
        answered_await(world, PUTS - world->answered);
        assert_true(port_world_debits(&world->server) == (u128)PUTS * round);
        assert_int_equal(world->server.logged.through, COMMAND_THROUGH_KEY);
    }
    // Another key in its place: the client is turned away for good.
    struct tael_client *mine = world->client;
    world->client = NULL;
    struct principal_key other = {.principal_id = PRINCIPAL};
    u8 seed[SIGNATURE_SEED_SIZE] = {42};
    signature_key_of(seed, other.public_key);
    run_as_operator(world, address, 0x0502, &other, sizeof other);
    tael_close(world->client);
    world->client = mine;
    submit(world, 0x7f02, &put, sizeof put);
    const u64 since = clock_steady();
    world->answered = 0;
    while (tael_open_count(world->client) > 0 && world->client != NULL) {
        if (clock_steady() > since + 20 * NS_PER_S) fail_msg("it stands still");
        port_world_step(&world->server);
        if (strstr(tael_problem(world->client), "does not let this client in") != NULL) break;
        (void)tael_step(world->client);
    }
    assert_non_null(strstr(tael_problem(world->client), "the proof is not that of an open"));
    assert_true(port_world_debits(&world->server) == (u128)PUTS * 3);
    tael_close(world->client);
    world->client = NULL;
    port_world_end(&world->server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_key_is_its_owner_s_alone),
        TEST(test_what_is_no_key_file_is_refused),
        TEST(test_a_key_file_of_another_user_is_refused),
        TEST(test_a_challenge_is_answered_by_a_proof),
        TEST(test_another_hand_may_sign),
        TEST(test_what_is_not_answered),
        TEST(test_nothing_is_signed_for_another_log),
        TEST(test_options_that_do_not_go_together),
        TEST(test_a_client_comes_back_with_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
