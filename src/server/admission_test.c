// SPDX-License-Identifier: Apache-2.0
//
// Who is let in at the tael port, over real sockets: right proofs, and every other sort; sessions
// that end with their key or their principal; strangers that are many, slow or wrong.
#include "server/admission.h"

#include "machine/commit.h"
#include "modules/entity/entity.h"
#include "server/connection.h"
#include "server/peer.h"
#include "server/port_world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS_QUIET 20u
// The words in which whoever proves nothing is turned away, whatever the reason.
#define REFUSED "the proof is not that of an open principal's key"

struct world {
    struct port_world server;
    u128 last_id;
};

struct peer {
    int fd;
    u64 sent;
    _Alignas(16) struct tael_header answer;
    _Alignas(16) u8 body[64 * KIB];
};

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    world->last_id = 1000;
    port_world_begin(&world->server);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    port_world_end(&world->server);
    free(world);
    return 0;
}

// --- clients -------------------------------------------------------------------------------------

static struct peer *peer_of(int fd)
{
    struct peer *peer = aligned_alloc(64, align_up(sizeof *peer, 64));
    peer->sent = 0;
    peer->fd = fd;
    return peer;
}

static struct peer *peer_connect(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, world->server.path, sizeof world->server.path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    port_world_step(&world->server);
    return peer_of(fd);
}

static void peer_close(struct peer *peer)
{
    (void)close(peer->fd);
    free(peer);
}

static void peer_send(struct peer *peer, struct tael_header *header, const void *body, u32 size)
{
    header->correlation = ++peer->sent;
    tael_header_seal(header, body, size);
    assert_int_equal(send(peer->fd, header, sizeof *header, MSG_NOSIGNAL), sizeof *header);
    if (size > 0) assert_int_equal(send(peer->fd, body, size, MSG_NOSIGNAL), size);
}

static bool peer_take(struct world *world, struct peer *peer, void *out, u32 size)
{
    u32 turns = 0;
    for (u32 got = 0; got < size;) {
        const ssize_t more = recv(peer->fd, (u8 *)out + got, size - got, MSG_DONTWAIT);
        if (more == 0) return false;
        if (more > 0) got += (u32)more;
        else if (turns++ == PORT_WORLD_STEPS_MAX) fail_msg("no answer");
        else port_world_step(&world->server);
    }
    return true;
}

static void peer_receive(struct world *world, struct peer *peer, enum tael_kind kind)
{
    bool is_fatal = false;
    if (!peer_take(world, peer, &peer->answer, sizeof peer->answer)) fail_msg("closed");
    assert_null(tael_header_check(&peer->answer, &is_fatal));
    const u32 size = tael_body_size(&peer->answer);
    assert_true(size < sizeof peer->body && peer_take(world, peer, peer->body, size));
    peer->body[size] = 0;
    assert_int_equal(peer->answer.head.command, kind);
}

static void expect_closed(struct world *world, struct peer *peer)
{
    u8 byte = 0;
    assert_false(peer_take(world, peer, &byte, 1));
}

static bool is_quiet(struct world *world, const struct peer *peer)
{
    u8 byte = 0;
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    return recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

static void say_hello(struct peer *peer, u64 principal)
{
    const struct tael_hello hello = {.principal = principal, .protocol_max = TAEL_PROTOCOL};
    struct tael_header header = {.head = {.command = TAEL_HELLO}};
    peer_send(peer, &header, &hello, sizeof hello);
}

static struct tael_challenge take_challenge(struct world *world, struct peer *peer)
{
    struct tael_challenge challenge;
    peer_receive(world, peer, TAEL_CHALLENGE);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    assert_int_equal(tael_body_size(&peer->answer), sizeof challenge);
    memcpy(&challenge, peer->body, sizeof challenge);
    assert_true(challenge.log_id == 7 && challenge.protocol == TAEL_PROTOCOL);
    assert_true(is_zero(challenge.reserved, sizeof challenge.reserved));
    return challenge;
}

static void seed_make(u8 number, u8 seed[SIGNATURE_SEED_SIZE])
{
    memset(seed, number, SIGNATURE_SEED_SIZE);
}

// The proof that key `number` makes for a principal.
static struct tael_proof proof_make(const struct tael_challenge *challenge, u64 principal,
                                    u8 number)
{
    struct tael_proof proof = {.nonce = "a nonce of the client's own"};
    u8 seed[SIGNATURE_SEED_SIZE];
    const struct tael_statement statement = tael_statement_of(challenge, principal, proof.nonce);
    seed_make(number, seed);
    signature_make(seed, &statement, sizeof statement, proof.signature);
    return proof;
}

static void send_proof(struct peer *peer, const struct tael_proof *proof)
{
    struct tael_header header = {.head = {.command = TAEL_PROOF}};
    peer_send(peer, &header, proof, sizeof *proof);
}

static void expect_turned_away(struct world *world, struct peer *peer, const char *text)
{
    peer_receive(world, peer, TAEL_WELCOME);
    assert_int_equal(peer->answer.status, TAEL_NOT_PERMITTED);
    assert_string_equal((const char *)peer->body, text);
    expect_closed(world, peer);
    peer_close(peer);
}

static void expect_welcome(struct world *world, struct peer *peer, u64 principal)
{
    struct tael_welcome welcome;
    peer_receive(world, peer, TAEL_WELCOME);
    peer->body[sizeof peer->body - 1] = 0;
    if (peer->answer.status != TAEL_DONE) fail_msg("%s", (const char *)peer->body);
    assert_int_equal(tael_body_size(&peer->answer), sizeof welcome);
    memcpy(&welcome, peer->body, sizeof welcome);
    assert_int_equal(welcome.principal, principal);
}

// Comes in as principal 1, by the kernel's word.
static struct peer *operator_open(struct world *world)
{
    struct peer *peer = peer_connect(world);
    say_hello(peer, 0);
    expect_welcome(world, peer, 1);
    return peer;
}

// Comes in with a key.
static struct peer *principal_open(struct world *world, u64 principal, u8 number)
{
    struct peer *peer = peer_connect(world);
    say_hello(peer, principal);
    const struct tael_challenge challenge = take_challenge(world, peer);
    const struct tael_proof proof = proof_make(&challenge, principal, number);
    send_proof(peer, &proof);
    expect_welcome(world, peer, principal);
    return peer;
}

// Proves with a key, and is turned away.
static void expect_refused(struct world *world, u64 principal, u8 number)
{
    struct peer *peer = peer_connect(world);
    say_hello(peer, principal);
    const struct tael_challenge challenge = take_challenge(world, peer);
    const struct tael_proof proof = proof_make(&challenge, principal, number);
    send_proof(peer, &proof);
    expect_turned_away(world, peer, REFUSED);
}

static void send_command(struct world *world, struct peer *peer, u32 record, const void *body,
                         u32 size)
{
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = ++world->last_id,
                                 .record = record,
                                 .version = 1,
                                 .count = 1};
    peer_send(peer, &header, body, size);
}

static u32 run_command(struct world *world, struct peer *peer, u32 record, const void *body,
                       u32 size)
{
    struct command_reply reply;
    send_command(world, peer, record, body, size);
    peer_receive(world, peer, TAEL_REPLY);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    memcpy(&reply, peer->body, sizeof reply);
    return reply.result;
}

static struct principal_open open_of(u64 principal, u8 number, u32 user)
{
    struct principal_open open = {
        .principal_id = principal, .kind = PRINCIPAL_SERVICE, .user = user, .name = "somebody"};
    u8 seed[SIGNATURE_SEED_SIZE];
    seed_make(number, seed);
    if (number != 0) signature_key_of(seed, open.public_key);
    return open;
}

// Opens a principal with key `number` (0: none).
static void principal_make(struct world *world, struct peer *peer, u64 principal, u8 number,
                           u32 user)
{
    const struct principal_open open = open_of(principal, number, user);
    assert_int_equal(run_command(world, peer, 0x0501, &open, sizeof open), MODULE_DONE);
}

static u32 key_set(struct world *world, struct peer *peer, u64 principal, u8 number)
{
    const struct principal_open open = open_of(principal, number, 0);
    struct principal_key key = {.principal_id = principal};
    memcpy(key.public_key, open.public_key, sizeof key.public_key);
    return run_command(world, peer, 0x0502, &key, sizeof key);
}

static void status_set(struct world *world, struct peer *peer, u64 principal, u32 record)
{
    const struct principal_close close_it = {.principal_id = principal};
    assert_int_equal(run_command(world, peer, record, &close_it, sizeof close_it), MODULE_DONE);
}

// Opens an entity: whoever is let in may.
static u32 entity_make(struct world *world, struct peer *peer, u128 id)
{
    const struct entity_open open = {
        .entity_id = id, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    return run_command(world, peer, 0x0201, &open, sizeof open);
}

// --- proofs --------------------------------------------------------------------------------------

static void test_a_right_proof_lets_in(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    assert_int_equal(world->server.logged.through, COMMAND_THROUGH_USER);
    struct peer *seventh = principal_open(world, 7, 1);
    struct peer *again = principal_open(world, 7, 1);
    assert_int_equal(entity_make(world, seventh, 1), MODULE_DONE);
    assert_int_equal(world->server.logged.through, COMMAND_THROUGH_KEY);
    assert_int_equal(entity_make(world, again, 1), ENTITY_EXISTS);
    assert_int_equal(entity_make(world, first, 2), MODULE_DONE);
    assert_int_equal(world->server.logged.through, COMMAND_THROUGH_USER);
    // Who it is counts, not what it asks for: only principal 1 opens others.
    const struct principal_open other = open_of(9, 9, 0);
    assert_int_equal(run_command(world, seventh, 0x0501, &other, sizeof other),
                     PRINCIPAL_NOT_PERMITTED);
    peer_close(again);
    peer_close(seventh);
    peer_close(first);
}

// Whatever is wrong, the words are the same, and so is what is sent back before.
static void test_wrong_proofs_are_told_nothing(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    principal_make(world, first, 9, 0, 0); // Without a key.
    principal_make(world, first, 10, 3, 0);
    status_set(world, first, 10, 0x0503);
    expect_refused(world, 7, 2);  // By the key of another,
    expect_refused(world, 8, 1);  // likewise,
    expect_refused(world, 7, 77); // by nobody's;
    expect_refused(world, 9, 0);  // of one that has none;
    expect_refused(world, 10, 3); // that is closed;
    expect_refused(world, 11, 1); // that there is not;
    expect_refused(world, U64_MAX, 1);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    peer_close(principal_open(world, 7, 1));
    peer_close(first);
}

// Whoever is without a key is checked against a key whose secret everybody knows, the base point
// (its logarithm is 1): a signature by that is right, and lets nobody in.
static void test_a_signature_by_the_key_of_nobody_lets_nobody_in(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 9, 0, 0);
    struct peer *peer = peer_connect(world);
    say_hello(peer, 9);
    const struct tael_challenge challenge = take_challenge(world, peer);
    struct tael_proof proof = {0};
    const struct tael_statement statement = tael_statement_of(&challenge, 9, proof.nonce);
    // RFC 8032, 5.1.6, with the scalar 1: R = r B, S = r + SHA-512(R, A, message).
    u8 r[crypto_core_ed25519_SCALARBYTES], one[crypto_core_ed25519_SCALARBYTES] = {1}, key[32];
    u8 hash[crypto_hash_sha512_BYTES], h[crypto_core_ed25519_SCALARBYTES];
    crypto_core_ed25519_scalar_random(r);
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(key, one), 0);
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(proof.signature, r), 0);
    crypto_hash_sha512_state sum;
    (void)crypto_hash_sha512_init(&sum);
    (void)crypto_hash_sha512_update(&sum, proof.signature, 32);
    (void)crypto_hash_sha512_update(&sum, key, sizeof key);
    (void)crypto_hash_sha512_update(&sum, (const u8 *)&statement, sizeof statement);
    (void)crypto_hash_sha512_final(&sum, hash);
    crypto_core_ed25519_scalar_reduce(h, hash);
    crypto_core_ed25519_scalar_add(proof.signature + 32, r, h);
    assert_true(signature_check(key, &statement, sizeof statement, proof.signature));
    send_proof(peer, &proof);
    expect_turned_away(world, peer, REFUSED);
    peer_close(first);
}

static void test_a_proof_is_of_one_challenge_principal_and_log(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    struct peer *captured = peer_connect(world);
    say_hello(captured, 7);
    const struct tael_challenge old = take_challenge(world, captured);
    const struct tael_proof right = proof_make(&old, 7, 1);
    send_proof(captured, &right);
    expect_welcome(world, captured, 7);
    for (u32 i = 0; i < 8; i++) {
        struct peer *peer = peer_connect(world);
        say_hello(peer, i == 2 ? 8 : 7);
        struct tael_challenge challenge = take_challenge(world, peer);
        assert_memory_not_equal(challenge.nonce, old.nonce, sizeof old.nonce);
        struct tael_challenge signed_one = challenge;
        struct tael_proof proof = right; // 0: bytes of another session, as they were.
        u64 principal = 7;
        if (i == 2) principal = 8; // 2: by key 1, which is 7's.
        if (i == 3) signed_one.log_id = 8;
        if (i == 4) signed_one.protocol = 2;
        if (i == 5) principal = 8; // Says 7, signs 8.
        if (i == 1) memcpy(signed_one.nonce, old.nonce, sizeof old.nonce);
        if (i > 0) proof = proof_make(&signed_one, principal, 1);
        if (i == 6) proof.nonce[31] ^= 1; // The client's nonce is signed, too.
        if (i == 7) proof.signature[63] ^= 0x80;
        send_proof(peer, &proof);
        expect_turned_away(world, peer, REFUSED);
    }
    assert_true(is_quiet(world, captured));
    peer_close(captured);
    peer_close(first);
}

static void test_a_challenge_is_answered_by_a_proof_and_nothing_else(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    for (u32 kind = 0; kind < 256; kind++) {
        struct peer *peer = peer_connect(world);
        say_hello(peer, 7);
        (void)take_challenge(world, peer);
        const struct tael_hello hello = {.principal = 7, .protocol_max = TAEL_PROTOCOL};
        struct tael_header header = {.head = {.command = (u8)kind}, .command_id = 1};
        peer_send(peer, &header, &hello, sizeof hello); // A proof of 16 bytes, too.
        expect_closed(world, peer);
        peer_close(peer);
    }
    for (u32 size = 0; size <= 112; size += 16) {
        if (size == sizeof(struct tael_proof)) continue;
        struct peer *peer = peer_connect(world);
        say_hello(peer, 7);
        const struct tael_challenge challenge = take_challenge(world, peer);
        u8 bytes[128] = {0};
        const struct tael_proof proof = proof_make(&challenge, 7, 1);
        memcpy(bytes, &proof, sizeof proof);
        struct tael_header header = {.head = {.command = TAEL_PROOF}};
        peer_send(peer, &header, bytes, size);
        expect_closed(world, peer);
        peer_close(peer);
    }
    // One that was not asked for.
    struct peer *peer = peer_connect(world);
    const struct tael_proof proof = {0};
    send_proof(peer, &proof);
    expect_closed(world, peer);
    peer_close(peer);
    send_proof(first, &proof); // Of one who is in: passed over.
    assert_true(is_quiet(world, first));
    assert_int_equal(entity_make(world, first, 1), MODULE_DONE);
    peer_close(first);
}

static void test_a_challenge_is_answered_in_time(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    struct peer *late = peer_connect(world);
    say_hello(late, 7);
    const struct tael_challenge challenge = take_challenge(world, late);
    struct peer *never = peer_connect(world);
    say_hello(never, 7);
    (void)take_challenge(world, never);
    world->server.time += 4 * NS_PER_S;
    tael_port_tick(world->server.ports.tael, world->server.time);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 3);
    world->server.time += 2 * NS_PER_S; // No tick in between: the proof itself is judged.
    const struct tael_proof proof = proof_make(&challenge, 7, 1);
    send_proof(late, &proof);
    expect_turned_away(world, late, "the proof came too late");
    tael_port_tick(world->server.ports.tael, world->server.time);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    expect_closed(world, never);
    peer_close(never);
    peer_close(first);
}

// --- sessions ------------------------------------------------------------------------------------

static void test_a_session_ends_with_its_key(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    struct peer *old = principal_open(world, 7, 1);
    struct peer *idle = principal_open(world, 7, 1);
    assert_int_equal(entity_make(world, old, 1), MODULE_DONE);
    assert_int_equal(key_set(world, first, 7, 2), MODULE_DONE);
    const u64 position = world->server.node.machine.position;
    const struct entity_open open = {
        .entity_id = 2, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    send_command(world, old, 0x0201, &open, sizeof open);
    expect_closed(world, old);
    assert_int_equal(world->server.node.machine.position, position);
    tael_port_tick(world->server.ports.tael, world->server.time); // Who says nothing goes, too.
    expect_closed(world, idle);
    expect_refused(world, 7, 1);
    struct peer *young = principal_open(world, 7, 2);
    // Its own hand: the session that sets the key ends with it, once it was answered.
    assert_int_equal(key_set(world, young, 7, 3), MODULE_DONE);
    struct tael_header ping = {.head = {.command = TAEL_PING}};
    peer_send(young, &ping, NULL, 0);
    expect_closed(world, young);
    expect_refused(world, 7, 2);
    // The same key again is a new one: sessions from before end.
    struct peer *same = principal_open(world, 7, 3);
    assert_int_equal(key_set(world, first, 7, 3), MODULE_DONE);
    send_command(world, same, 0x0201, &open, sizeof open);
    expect_closed(world, same);
    assert_int_equal(key_set(world, first, 7, 0), MODULE_DONE);
    expect_refused(world, 7, 3);
    assert_int_equal(entity_make(world, first, 2), MODULE_DONE); // Principal 1 went on all along.
    peer_close(old);
    peer_close(idle);
    peer_close(young);
    peer_close(same);
    peer_close(first);
}

static void test_a_session_ends_with_its_principal(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    struct peer *seventh = principal_open(world, 7, 1);
    struct peer *asleep = principal_open(world, 7, 1);
    struct peer *eighth = principal_open(world, 8, 2);
    status_set(world, first, 7, 0x0503);
    const struct entity_list list = {0};
    struct tael_header question = {
        .head = {.command = TAEL_QUESTION}, .record = 0x0220, .version = 1, .count = 1};
    peer_send(seventh, &question, &list, sizeof list);
    expect_closed(world, seventh);
    expect_refused(world, 7, 1);
    status_set(world, first, 7, 0x0504);
    struct tael_header ping = {.head = {.command = TAEL_PING}};
    peer_send(asleep, &ping, NULL, 0); // It slept through it all, and is out nonetheless.
    expect_closed(world, asleep);
    struct peer *back = principal_open(world, 7, 1);
    assert_int_equal(entity_make(world, back, 1), MODULE_DONE);
    assert_int_equal(entity_make(world, eighth, 2), MODULE_DONE);
    peer_close(seventh);
    peer_close(asleep);
    peer_close(eighth);
    peer_close(back);
    peer_close(first);
}

// Gives a command that opens principals from 8 on, the first with key 2, and waits until it is
// decided. It is so large that it does not wait for a frame that is being written, a seal, say, and
// is not written by this thread: behind a gate it stays undurable, and what comes then waits for
// the next frame, undecided.
static void write_begin(struct world *world, struct peer *peer)
{
    static struct principal_open opens[4000];
    static_assert(sizeof opens > 256 * KIB, "as much as follows a frame at once");
    for (u32 i = 0; i < ARRAY_COUNT(opens); i++) opens[i] = open_of(8 + i, i == 0 ? 2 : 0, 0);
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = ++world->last_id,
                                 .record = 0x0501,
                                 .version = 1,
                                 .count = ARRAY_COUNT(opens)};
    header.correlation = ++peer->sent;
    tael_header_seal(&header, opens, sizeof opens);
    assert_int_equal(send(peer->fd, &header, sizeof header, MSG_NOSIGNAL), sizeof header);
    for (u32 sent = 0; sent < sizeof opens;) {
        const ssize_t put = send(peer->fd, (const u8 *)opens + sent, sizeof opens - sent,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) sent += (u32)put;
        port_world_step(&world->server);
    }
    for (u32 i = 0; i < PORT_WORLD_STEPS_MAX; i++) {
        const struct module_context context =
            commit_context(&world->server.node.machine, &principal_module);
        if (principal_is_open(&context, 8)) return;
        port_world_step(&world->server);
    }
    fail_msg("not decided");
}

// The port does not know yet that the principal is closed; the machine does.
static void test_what_is_on_its_way_when_a_principal_closes_is_refused(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    struct peer *seventh = principal_open(world, 7, 1);
    const struct principal_close close_it = {.principal_id = 7};
    const struct entity_open open = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    struct peer *writer = operator_open(world);
    port_world_gate_close(&world->server);
    write_begin(world, writer);
    send_command(world, first, 0x0503, &close_it, sizeof close_it);
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    send_command(world, seventh, 0x0201, &open, sizeof open);
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    port_world_gate_open();
    peer_receive(world, first, TAEL_REPLY);
    peer_receive(world, seventh, TAEL_REPLY);
    assert_int_equal(seventh->answer.status, TAEL_NOT_PERMITTED);
    assert_true(seventh->answer.position > first->answer.position); // It is in the log.
    peer_close(writer);
    assert_int_equal(entity_make(world, first, 1), MODULE_DONE); // It was not opened.
    peer_close(seventh);
    peer_close(first);
}

static void test_nobody_is_let_in_by_what_may_be_lost(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    port_world_gate_close(&world->server);
    write_begin(world, first);
    expect_refused(world, 8, 2);
    peer_close(principal_open(world, 7, 1));
    port_world_gate_open();
    for (u32 i = 0; i < 5 * STEPS_QUIET; i++) port_world_step(&world->server);
    peer_close(principal_open(world, 8, 2));
    peer_close(first);
}

// --- another's name ------------------------------------------------------------------------------

static void delegate_make(struct world *world, struct peer *peer, u64 delegate, u64 for_id,
                          u64 expires_at)
{
    const struct principal_delegate give = {
        .delegate_id = delegate, .for_id = for_id, .expires_at = expires_at};
    assert_int_equal(run_command(world, peer, 0x0507, &give, sizeof give), MODULE_DONE);
}

// Opens an entity in the name of a principal; what the server says of it.
static u32 entity_make_for(struct world *world, struct peer *peer, u64 principal, u128 id)
{
    const struct entity_open open = {
        .entity_id = id, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = ++world->last_id,
                                 .record = 0x0201,
                                 .version = 1,
                                 .count = 1,
                                 .principal = principal};
    peer_send(peer, &header, &open, sizeof open);
    peer_receive(world, peer, TAEL_REPLY);
    return peer->answer.status;
}

// Asks in the name of a principal; what the server says of it.
static u32 ask_for(struct world *world, struct peer *peer, u64 principal)
{
    const struct entity_list list = {0};
    struct tael_header question = {.head = {.command = TAEL_QUESTION},
                                   .record = 0x0220,
                                   .version = 1,
                                   .count = 1,
                                   .principal = principal};
    peer_send(peer, &question, &list, sizeof list);
    // A refusal of a question is an answer or a reply.
    if (!peer_take(world, peer, &peer->answer, sizeof peer->answer)) fail_msg("closed");
    assert_true(peer_take(world, peer, peer->body, tael_body_size(&peer->answer)));
    peer->body[tael_body_size(&peer->answer)] = 0;
    return peer->answer.status;
}

static void test_who_may_acts_in_anothers_name(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    principal_make(world, first, 9, 3, 0);
    struct peer *seventh = principal_open(world, 7, 1);
    const u64 position = world->server.node.machine.position;
    assert_int_equal(entity_make_for(world, seventh, 8, 1), TAEL_NOT_PERMITTED);
    assert_string_equal((const char *)seventh->body, "principal 7 may not act for 8");
    assert_int_equal(ask_for(world, seventh, 8), TAEL_NOT_PERMITTED);
    assert_int_equal(entity_make_for(world, first, 8, 1), TAEL_NOT_PERMITTED); // Nor may this one.
    assert_int_equal(world->server.node.machine.position, position); // Nothing was logged.
    delegate_make(world, first, 7, 8, 0);
    assert_int_equal(entity_make_for(world, seventh, 8, 1), TAEL_DONE);
    assert_int_equal(world->server.logged.through, COMMAND_THROUGH_DELEGATE);
    assert_int_equal(world->server.logged.principal, 8);
    assert_int_equal(world->server.logged.session, 7);
    assert_int_equal(ask_for(world, seventh, 8), TAEL_DONE);
    assert_int_equal(entity_make_for(world, seventh, 9, 2), TAEL_NOT_PERMITTED);
    assert_int_equal(ask_for(world, seventh, 9), TAEL_NOT_PERMITTED);
    assert_int_equal(entity_make_for(world, seventh, 1, 2), TAEL_NOT_PERMITTED);
    // Its own name needs nobody's word, and is nobody's delegate.
    assert_int_equal(entity_make_for(world, seventh, 7, 2), TAEL_DONE);
    assert_int_equal(world->server.logged.through, COMMAND_THROUGH_KEY);
    assert_int_equal(world->server.logged.principal, 7);
    assert_int_equal(world->server.logged.session, 0);
    // Whose name it is may be closed meanwhile.
    status_set(world, first, 8, 0x0503);
    assert_int_equal(entity_make_for(world, seventh, 8, 3), TAEL_NOT_PERMITTED);
    assert_int_equal(ask_for(world, seventh, 8), TAEL_NOT_PERMITTED);
    struct tael_header ping = {.head = {.command = TAEL_PING}, .principal = 7};
    peer_send(seventh, &ping, NULL, 0);
    assert_true(is_quiet(world, seventh)); // A name of a message that is in nobody's.
    peer_close(seventh);
    peer_close(first);
}

static void test_a_delegation_ends_by_the_clock(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    struct peer *seventh = principal_open(world, 7, 1);
    const u64 end = world->server.time + 1000 * NS_PER_MS;
    delegate_make(world, first, 7, 0, end);
    assert_int_equal(entity_make_for(world, seventh, 8, 1), TAEL_DONE);
    assert_int_equal(ask_for(world, seventh, 8), TAEL_DONE);
    // Nothing is logged meanwhile: the time of frames stands, the clock goes on.
    while (world->server.time <= end) port_world_step(&world->server);
    assert_int_equal(ask_for(world, seventh, 8), TAEL_NOT_PERMITTED);
    assert_int_equal(entity_make_for(world, seventh, 8, 2), TAEL_NOT_PERMITTED);
    peer_close(seventh);
    peer_close(first);
}

// The port does not know yet that the delegation is over; the machine does.
static void test_what_is_on_its_way_when_a_delegation_ends_is_refused(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    delegate_make(world, first, 1, 7, 0);
    const struct principal_delegate_end end = {.delegate_id = 1, .for_id = 7};
    const struct entity_open open = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    struct peer *writer = operator_open(world);
    port_world_gate_close(&world->server);
    write_begin(world, writer);
    send_command(world, first, 0x0508, &end, sizeof end);
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = ++world->last_id,
                                 .record = 0x0201,
                                 .version = 1,
                                 .count = 1,
                                 .principal = 7};
    peer_send(first, &header, &open, sizeof open);
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    port_world_gate_open();
    peer_receive(world, first, TAEL_REPLY);
    const u64 position = first->answer.position;
    peer_receive(world, first, TAEL_REPLY);
    assert_int_equal(first->answer.status, TAEL_NOT_PERMITTED);
    assert_true(first->answer.position > position); // It is in the log.
    peer_close(writer);
    assert_int_equal(entity_make(world, first, 1), MODULE_DONE); // It was not opened.
    peer_close(first);
}

// Who waits for changes in another's name gets none behind the delegation's end.
static void test_waiting_for_changes_ends_with_the_delegation(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    principal_make(world, first, 8, 2, 0);
    delegate_make(world, first, 7, 8, 0);
    struct peer *seventh = principal_open(world, 7, 1);
    const struct changes from = {.row = world->server.node.machine.history.next_row,
                                 .wait_ms = 60000};
    struct tael_header question = {.head = {.command = TAEL_QUESTION},
                                   .record = changes_schema_changes.number,
                                   .version = 1,
                                   .count = 1,
                                   .principal = 8};
    peer_send(seventh, &question, &from, sizeof from);
    assert_true(is_quiet(world, seventh));
    const struct principal_delegate_end end = {.delegate_id = 7, .for_id = 8};
    assert_int_equal(run_command(world, first, 0x0508, &end, sizeof end), MODULE_DONE);
    peer_receive(world, seventh, TAEL_REPLY);
    assert_int_equal(seventh->answer.status, TAEL_NOT_PERMITTED);
    assert_int_equal(ask_for(world, seventh, 7), TAEL_DONE); // The session goes on.
    peer_close(seventh);
    peer_close(first);
}

// --- the kernel's word ---------------------------------------------------------------------------

static void test_whom_a_user_stands_for(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 1007);
    principal_make(world, first, 8, 2, 1008);
    principal_make(world, first, 9, 3, 999); // The server's own user has a principal, too.
    status_set(world, first, 8, 0x0503);
    enum { AWAY, ASKED, IN };
    const struct {
        struct admission_peer peer;
        u64 claimed;
        u32 state;
        u64 principal;
    } rows[] = {
        {{true, true, 999}, 0, IN, 1},      {{true, false, 999}, 0, IN, 1},
        {{true, true, 999}, 1, IN, 1},      {{true, true, 999}, 9, IN, 9},
        {{true, false, 999}, 9, ASKED, 9},  {{true, true, 999}, 7, ASKED, 7},
        {{true, true, 1007}, 0, IN, 7},     {{true, true, 1007}, 7, IN, 7},
        {{true, true, 1007}, 1, ASKED, 1},  {{true, true, 1007}, 8, ASKED, 8},
        {{true, false, 1007}, 0, AWAY, 0},  {{true, false, 1007}, 7, ASKED, 7},
        {{true, true, 1008}, 0, AWAY, 0},   {{true, true, 1008}, 8, ASKED, 8},
        {{true, true, 1009}, 0, AWAY, 0},   {{true, true, 1009}, 1, ASKED, 1},
        {{true, true, 0}, 0, AWAY, 0},      {{false, true, 999}, 0, AWAY, 0},
        {{false, true, 1007}, 7, ASKED, 7}, {{true, true, 65534}, 0, AWAY, 0},
    };
    const struct module_context context =
        commit_context(&world->server.node.machine, &entity_module);
    const struct admission_facts facts = {
        .context = &context, .position = U64_MAX, .now = 1, .own_user = 999};
    struct admission_users users = {0};
    const struct tael_challenge fresh = {.protocol = 1};
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct admission admission = {0};
        const struct tael_hello hello = {.principal = rows[i].claimed, .protocol_max = 1};
        const char *reason =
            admission_hello(&admission, &users, &facts, &rows[i].peer, &hello, &fresh);
        const u32 found = reason != NULL ? AWAY : admission.state == ADMISSION_WELCOME ? IN : ASKED;
        if (found != rows[i].state || admission.principal != rows[i].principal) {
            fail_msg("row %u: state %u, principal %llu", i, found,
                     (unsigned long long)admission.principal);
        }
        if (found == IN) assert_int_equal(admission.through, COMMAND_THROUGH_USER);
    }
    peer_close(first);
}

// A session by the user's word does not end with the key, and does with the principal.
static void test_a_user_s_session_does_not_hang_on_the_key(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 1007);
    struct module_context context = commit_context(&world->server.node.machine, &entity_module);
    const struct admission_facts facts = {
        .context = &context, .position = U64_MAX, .now = 1, .own_user = 999};
    struct admission_users users = {0};
    struct admission admission = {0};
    const struct admission_peer at = {true, true, 1007};
    const struct tael_hello hello = {.protocol_max = 1};
    const struct tael_challenge fresh = {.protocol = 1};
    assert_null(admission_hello(&admission, &users, &facts, &at, &hello, &fresh));
    assert_true(admission_stands(&admission, &context));
    assert_int_equal(key_set(world, first, 7, 2), MODULE_DONE);
    assert_true(admission_stands(&admission, &context));
    status_set(world, first, 7, 0x0503);
    assert_false(admission_stands(&admission, &context));
    status_set(world, first, 7, 0x0504);
    assert_false(admission_stands(&admission, &context));
    peer_close(first);
}

// As another user of the system, which only root can make: over a unix socket it is who its user
// stands for.
static void test_another_user_over_a_unix_socket(void **state)
{
    struct world *world = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can connect as another user\n");
        skip();
    }
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 0, 31007);
    assert_int_equal(chmod(world->server.path, 0666), 0);
    const int user_fd[2] = {31007, 31008};
    for (u32 i = 0; i < 2; i++) {
        int pair[2];
        assert_int_equal(pipe(pair), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) { // The connection is the child's; its end is inherited by nobody.
            struct sockaddr_un address = {.sun_family = AF_UNIX};
            memcpy(address.sun_path, world->server.path, sizeof world->server.path);
            if (setgid(31000) != 0 || setuid((uid_t)user_fd[i]) != 0) _exit(1);
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) _exit(2);
            struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL};
            struct tael_header header = {.head = {.command = TAEL_HELLO}};
            tael_header_seal(&header, &hello, sizeof hello);
            if (send(fd, &header, sizeof header, 0) < 0 || send(fd, &hello, sizeof hello, 0) < 0) {
                _exit(3);
            }
            if (recv(fd, &header, sizeof header, MSG_WAITALL) != (ssize_t)sizeof header) _exit(4);
            _exit(header.status == TAEL_DONE ? 10 : 11);
        }
        (void)close(pair[0]);
        (void)close(pair[1]);
        int status = 0;
        for (u32 turns = 0; waitpid(child, &status, WNOHANG) == 0; turns++) {
            if (turns == PORT_WORLD_STEPS_MAX) fail_msg("the child stands still");
            port_world_step(&world->server);
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), i == 0 ? 10 : 11);
    }
    peer_close(first);
}

// From another address of this machine, with the port of somebody's connection: the kernel's table
// has a row of these two ports, and it is not this connection's.
static void test_the_same_port_of_another_address_is_somebody_else(void **state)
{
    (void)state;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof server;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&server, sizeof server), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&server, &size), 0);
    assert_int_equal(listen(listener, 4), 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int honest = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(honest, (const struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(getsockname(honest, (struct sockaddr *)&own, &size), 0);
    assert_int_equal(connect(honest, (const struct sockaddr *)&server, sizeof server), 0);
    const int honest_end = accept(listener, NULL, NULL);
    uid_t user = 0;
    assert_true(peer_user(honest_end, &user));
    assert_int_equal(user, geteuid());
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(other, (const struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(other, (const struct sockaddr *)&server, sizeof server), 0);
    const int other_end = accept(listener, NULL, NULL);
    assert_false(peer_user(other_end, &user));
    assert_false(peer_is_unix(other_end));
    (void)close(other_end);
    (void)close(other);
    (void)close(honest_end);
    (void)close(honest);
    (void)close(listener);
}

// --- many, slow and wrong ------------------------------------------------------------------------

static void test_wrong_proofs_are_bounded(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    struct peer *asked = peer_connect(world); // Was challenged before.
    say_hello(asked, 7);
    const struct tael_challenge challenge = take_challenge(world, asked);
    for (u32 i = 0; i < ADMISSION_WRONG_MAX; i++) expect_refused(world, 7 + i % 3, 9);
    struct peer *peer = peer_connect(world);
    say_hello(peer, 7);
    expect_turned_away(world, peer, "too many wrong proofs; try again later");
    const struct tael_proof right = proof_make(&challenge, 7, 1);
    send_proof(asked, &right);
    expect_turned_away(world, asked, "too many wrong proofs; try again later");
    // Nobody else is held up: sessions go on, and whom the kernel knows is let in.
    assert_int_equal(entity_make(world, first, 1), MODULE_DONE);
    peer_close(operator_open(world));
    world->server.time += ADMISSION_WRONG_WINDOW_NS;
    peer_close(principal_open(world, 7, 1));
    for (u32 i = 1; i < ADMISSION_WRONG_MAX; i++) expect_refused(world, 7, 9);
    peer_close(principal_open(world, 7, 1)); // They are counted anew:
    expect_refused(world, 7, 9);
    peer = peer_connect(world);
    say_hello(peer, 7);
    expect_turned_away(world, peer, "too many wrong proofs; try again later");
    peer_close(first);
}

// Of each user of the system by itself, more users than there are places included.
static void test_wrong_proofs_of_one_user_delay_no_other(void **state)
{
    struct world *world = *state;
    struct module_context context = commit_context(&world->server.node.machine, &entity_module);
    struct admission_facts facts = {
        .context = &context, .position = U64_MAX, .now = NS_PER_S, .own_user = 999};
    struct admission_users users = {0};
    const struct tael_hello hello = {.principal = 7, .protocol_max = 1};
    const struct tael_challenge fresh = {.protocol = 1};
    const struct tael_proof wrong = {0};
    for (uid_t user = 1; user <= ADMISSION_USERS_MAX + 5; user++) {
        const struct admission_peer at = {true, true, user};
        for (u32 i = 0; i < ADMISSION_WRONG_MAX; i++) {
            struct admission admission = {0};
            facts.now++;
            assert_null(admission_hello(&admission, &users, &facts, &at, &hello, &fresh));
            assert_string_equal(admission_proof(&admission, &users, &facts, &wrong), REFUSED);
        }
        struct admission admission = {0};
        assert_non_null(admission_hello(&admission, &users, &facts, &at, &hello, &fresh));
    }
}

static u32 descriptors(void)
{
    u32 count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) count++;
    (void)closedir(folder);
    return count;
}

static void test_strangers_keep_nobody_out(void **state)
{
    struct world *world = *state;
    struct peer *first = operator_open(world);
    principal_make(world, first, 7, 1, 0);
    const u32 before = descriptors();
    static struct peer *slow[2 * CONNECTIONS_MAX];
    // Half are challenged and say no more; half stand in the middle of a hello or a proof.
    for (u32 i = 0; i < ARRAY_COUNT(slow); i++) {
        slow[i] = peer_connect(world);
        struct tael_header half = {.head = {.command = i % 4 == 1 ? TAEL_HELLO : TAEL_PROOF}};
        if (i % 4 != 1) say_hello(slow[i], 7 + i % 5);
        if (i % 4 == 2) (void)take_challenge(world, slow[i]);
        if (i % 4 == 1 || i % 4 == 2) {
            const struct tael_proof proof = {0};
            tael_header_seal(&half, &proof, i % 4 == 1 ? sizeof(struct tael_hello) : sizeof proof);
            (void)send(slow[i]->fd, &half, sizeof half, MSG_NOSIGNAL);
        }
        if (i % 64 != 0) continue;
        peer_close(principal_open(world, 7, 1)); // Is let in, however many there are,
        assert_int_equal(entity_make(world, first, 1 + i), MODULE_DONE); // and this one goes on.
    }
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    assert_true(tael_port_connections(world->server.ports.tael) > CONNECTIONS_MAX / 2);
    assert_true(port_world_buffers(&world->server) + 16 >= world->server.buffers);
    world->server.time += 21 * NS_PER_S;
    tael_port_tick(world->server.ports.tael, world->server.time);
    world->server.time += 21 * NS_PER_S;
    tael_port_tick(world->server.ports.tael, world->server.time);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    assert_int_equal(port_world_buffers(&world->server), world->server.buffers);
    for (u32 i = 0; i < ARRAY_COUNT(slow); i++) peer_close(slow[i]);
    assert_int_equal(descriptors(), before);
    assert_int_equal(entity_make(world, first, 9999), MODULE_DONE);
    peer_close(first);
}

static void expect_no_place(struct world *world, u64 principal, u8 number, const char *text)
{
    struct peer *peer = peer_connect(world);
    say_hello(peer, principal);
    const struct tael_challenge challenge = take_challenge(world, peer);
    const struct tael_proof proof = proof_make(&challenge, principal, number);
    send_proof(peer, &proof);
    expect_turned_away(world, peer, text);
}

// Three principals that take what they get, and strangers behind them: each is told which bound it
// meets, others are served, and the operator comes in.
static void test_principals_keep_nobody_out(void **state)
{
    static const char *const each = "the principal has 64 connections, as many as one may";
    static const char *const together =
        "all principals but 1 have 160 connections, as many as they may together";
    struct world *world = *state;
    struct peer *first = operator_open(world);
    static struct peer *taken[3 * ADMISSION_SESSIONS_EACH];
    static struct peer *strangers[CONNECTIONS_MAX];
    u32 count = 0;
    for (u64 principal = 7; principal <= 9; principal++) {
        principal_make(world, first, principal, (u8)principal, 0);
        const u32 most = principal < 9 ? ADMISSION_SESSIONS_EACH
                                       : ADMISSION_SESSIONS_OTHERS - 2 * ADMISSION_SESSIONS_EACH;
        for (u32 i = 0; i < most; i++)
            taken[count++] = principal_open(world, principal, (u8)principal);
        expect_no_place(world, principal, (u8)principal, principal < 9 ? each : together);
        assert_int_equal(entity_make(world, taken[count - 1], 100 + principal), MODULE_DONE);
    }
    for (u32 i = 0; i < ARRAY_COUNT(strangers); i++) {
        strangers[i] = peer_connect(world);
        say_hello(strangers[i], 7 + i % 3);
    }
    struct peer *second = operator_open(world);
    assert_int_equal(entity_make(world, second, 200), MODULE_DONE);
    assert_int_equal(entity_make(world, first, 201), MODULE_DONE);
    for (u32 i = 0; i < ARRAY_COUNT(strangers); i++) peer_close(strangers[i]);
    // A place that is given back is there again.
    peer_close(taken[0]);
    for (u32 i = 0; i < STEPS_QUIET; i++) port_world_step(&world->server);
    taken[0] = principal_open(world, 7, 7);
    expect_no_place(world, 7, 7, each);
    for (u32 i = 0; i < count; i++) peer_close(taken[i]);
    peer_close(second);
    peer_close(first);
}

static void test_which_places_are_left(void **state)
{
    static const struct {
        u64 principal;
        struct admission_count count;
        const char *text; // NULL: there is one.
    } rows[] = {
        {1, {0, 0, 0}, NULL},
        {7, {0, 0, 0}, NULL},
        {7, {63, 159, 223}, NULL},
        {7, {64, 64, 64}, "the principal has 64"},
        {7, {64, 160, 224}, "the principal has 64"},
        {7, {0, 160, 160}, "all principals but 1 have 160"},
        {7, {0, 160, 224}, "all principals but 1 have 160"},
        {7, {0, 0, 224}, "there are 224"},
        {1, {63, 160, 223}, NULL},
        {1, {223, 0, 223}, NULL},
        {1, {224, 0, 224}, "there are 224"},
    };
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *text = admission_place(rows[i].principal, &rows[i].count);
        const bool is_right = rows[i].text == NULL
                                  ? text == NULL
                                  : text != NULL && strstr(text, rows[i].text) == text;
        if (!is_right) fail_msg("row %u: %s", i, text == NULL ? "a place" : text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_right_proof_lets_in),
        TEST(test_wrong_proofs_are_told_nothing),
        TEST(test_a_signature_by_the_key_of_nobody_lets_nobody_in),
        TEST(test_a_proof_is_of_one_challenge_principal_and_log),
        TEST(test_a_challenge_is_answered_by_a_proof_and_nothing_else),
        TEST(test_a_challenge_is_answered_in_time),
        TEST(test_a_session_ends_with_its_key),
        TEST(test_a_session_ends_with_its_principal),
        TEST(test_what_is_on_its_way_when_a_principal_closes_is_refused),
        TEST(test_nobody_is_let_in_by_what_may_be_lost),
        TEST(test_who_may_acts_in_anothers_name),
        TEST(test_a_delegation_ends_by_the_clock),
        TEST(test_what_is_on_its_way_when_a_delegation_ends_is_refused),
        TEST(test_waiting_for_changes_ends_with_the_delegation),
        TEST(test_whom_a_user_stands_for),
        TEST(test_a_user_s_session_does_not_hang_on_the_key),
        TEST(test_another_user_over_a_unix_socket),
        cmocka_unit_test(test_the_same_port_of_another_address_is_somebody_else),
        TEST(test_wrong_proofs_are_bounded),
        TEST(test_wrong_proofs_of_one_user_delay_no_other),
        TEST(test_strangers_keep_nobody_out),
        TEST(test_principals_keep_nobody_out),
        cmocka_unit_test(test_which_places_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
