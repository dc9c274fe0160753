// SPDX-License-Identifier: Apache-2.0
//
// Jobs on a server: advanced while nobody asks anything, beside commands, over stops and crashes at
// every slice; a tick advances one of them by one slice.
#include "server/port_world.h"

#include "machine/commit.h"
#include "modules/accrual/accrual.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/import/import.h"
#include "modules/sample/sample.h"
#include "server/tael_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define JOB     77u
#define BOOK    900u
#define LOANS   20000u // Three slices.
#define SLICES  3u
#define ROWS    8000u // Of an import.
#define CLIENTS 4u

struct world {
    struct port_world server;
    int fd;
    u64 sent;
    u128 next_id;
    _Alignas(16) struct tael_header answer;
    _Alignas(16) u8 body[TAEL_BODY_SIZE_MAX];
};

static const struct job_record *job_of(const struct world *world)
{
    const struct module_context context =
        commit_context(&world->server.node.machine, &accrual_module);
    return job_find_id(&context, JOB);
}

static u128 receivable(const struct world *world)
{
    const struct ledger *ledger = &world->server.node.machine.ledger;
    const u32 row = ledger_class_account_row(ledger, BOOK, ACCRUAL_ACCOUNT_RECEIVABLE);
    return ledger_account(ledger, row)->debits_posted;
}

// One round of the server; a job advances by one slice in it at most, and is not waited with.
static void step(struct world *world)
{
    const struct job_record *job = job_of(world);
    const u64 slices = job == NULL ? 0 : job->slices;
    port_world_step(&world->server);
    job = job_of(world);
    assert_true(job == NULL || job->slices <= slices + 1);
    assert_true(job == NULL || !job_is_runnable(job) || world->server.ports.wait <= 10 * NS_PER_MS);
}

// --- a client ------------------------------------------------------------------------------------

static void put(struct world *world, const void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        const ssize_t sent =
            send(world->fd, (const u8 *)bytes + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) at += (size_t)sent;
        else step(world);
    }
}

static void get(struct world *world, void *bytes, size_t size)
{
    u32 turns = 0;
    for (size_t at = 0; at < size;) {
        const ssize_t got = recv(world->fd, (u8 *)bytes + at, size - at, MSG_DONTWAIT);
        assert_int_not_equal(got, 0);
        if (got > 0) at += (size_t)got;
        else if (turns++ == PORT_WORLD_STEPS_MAX) fail_msg("no answer");
        else step(world);
    }
}

static void tell(struct world *world, struct tael_header header, const void *body, u32 size)
{
    header.correlation = ++world->sent;
    tael_header_seal(&header, body, size);
    put(world, &header, sizeof header);
    put(world, body, size);
}

static void hear(struct world *world, enum tael_status status)
{
    get(world, &world->answer, sizeof world->answer);
    get(world, world->body, tael_body_size(&world->answer));
    assert_int_equal(world->answer.status, status);
}

static void ask(struct world *world, struct tael_header header, const void *body, u32 size)
{
    tell(world, header, body, size);
    hear(world, TAEL_DONE);
}

static void client_open(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL};
    memcpy(address.sun_path, world->server.path, sizeof world->server.path);
    world->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(world->fd, (const struct sockaddr *)&address, sizeof address), 0);
    ask(world, (struct tael_header){.head = {.command = TAEL_HELLO}}, &hello, sizeof hello);
}

static struct tael_header command_of(struct world *world, u32 record)
{
    return (struct tael_header){.head = {.command = TAEL_COMMAND},
                                .command_id = world->next_id++,
                                .record = record,
                                .version = 1,
                                .count = 1};
}

static void run(struct world *world, u32 record, const void *body, u32 size)
{
    struct command_reply reply;
    ask(world, command_of(world, record), body, size);
    memcpy(&reply, world->body, sizeof reply);
    assert_int_equal(reply.result, MODULE_DONE);
}

// --- tests ---------------------------------------------------------------------------------------

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    assert_non_null(world);
    world->sent = 0;
    world->next_id = 1;
    port_world_begin(&world->server);
    client_open(world);
    const struct accrual_group group = {.group_id = 1, .book = BOOK};
    run(world, 0x7e01, &group, sizeof group);
    for (u32 i = 0; i < LOANS / 4000; i++) {
        const struct accrual_open open = {.loan_id = 1 + 4000 * i,
                                          .group_id = 1,
                                          .principal = 73000, // 10 a day.
                                          .count = 4000,
                                          .rate_numerator = 1,
                                          .rate_denominator = 20,
                                          .day = 20000};
        run(world, 0x7e02, &open, sizeof open);
    }
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    (void)close(world->fd);
    port_world_end(&world->server);
    free(world);
    return 0;
}

static void job_begin_here(struct world *world)
{
    const struct accrual_run begin = {.job_id = JOB, .day = 20001};
    run(world, 0x7e04, &begin, sizeof begin);
}

static void job_await(struct world *world)
{
    for (u32 i = 0; job_of(world)->status != JOB_STATUS_COMMITTED; i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the job does not end");
        step(world);
    }
    assert_int_equal(job_of(world)->slices, SLICES + 1);
    assert_true(receivable(world) == LOANS * 10);
    machine_check(&world->server.node.machine);
}

static void test_a_job_goes_on_while_nobody_asks(void **state)
{
    struct world *world = *state;
    job_begin_here(world);
    job_await(world);
    const u64 position = world->server.node.machine.position;
    for (u32 i = 0; i < 100; i++) step(world);
    assert_int_equal(world->server.node.machine.position, position); // No tick without a job.
}

static void test_commands_are_answered_beside_a_job(void **state)
{
    struct world *world = *state;
    const struct sample_open open = {
        .box_id = 9, .account_id = PORT_WORLD_PAYER, .box_account_id = PORT_WORLD_HOLDER};
    run(world, 0x7f01, &open, sizeof open);
    job_begin_here(world);
    u32 puts = 0;
    while (job_of(world)->status != JOB_STATUS_COMMITTED && puts < 1000) {
        const struct sample_put body = {.box_id = 9, .amount = 1};
        run(world, 0x7f02, &body, sizeof body);
        puts++;
    }
    assert_true(puts >= SLICES && puts < 1000); // Neither holds up the other.
    assert_true(port_world_debits(&world->server) == puts);
    job_await(world);
}

static void test_a_stop_between_slices_loses_nothing(void **state)
{
    struct world *world = *state;
    job_begin_here(world);
    while (job_of(world)->slices < 2) step(world);
    (void)close(world->fd);
    port_world_stop(&world->server);
    port_world_start(&world->server);
    client_open(world);
    job_await(world);
}

static void test_a_crash_at_every_slice_loses_nothing(void **state)
{
    struct world *world = *state;
    job_begin_here(world);
    u32 crashes = 0;
    for (u64 slices = 0; job_of(world)->status != JOB_STATUS_COMMITTED; crashes++) {
        if (crashes == 100) fail_msg("the job does not end");
        // Half of them at once, whatever is durable of the slice then.
        for (u32 i = 0; job_of(world)->slices == slices && i < 1000; i++) step(world);
        for (u32 i = 0; i < crashes % 3; i++) step(world);
        (void)close(world->fd);
        port_world_crash(&world->server);
        assert_non_null(job_of(world)); // It was answered.
        machine_check(&world->server.node.machine);
        client_open(world);
        slices = job_of(world)->slices;
    }
    assert_true(crashes >= 2);
    job_await(world);
}

static void test_a_job_waits_for_space(void **state)
{
    struct world *world = *state;
    job_begin_here(world);
    (void)close(world->fd);
    port_world_buffers_await(&world->server);
    port_world_stop(&world->server);
    const u64 capacity = world->server.disk.capacity;
    world->server.disk.capacity = world->server.disk.used + GIB / 2;
    world->server.space_reserve = GIB;
    port_world_start(&world->server);
    const u64 slices = job_of(world)->slices;
    assert_true(pipeline_is_full(world->server.ports.pipeline) && slices < SLICES + 1);
    for (u32 i = 0; i < 200; i++) step(world);
    assert_int_equal(job_of(world)->slices, slices);
    world->server.disk.capacity = capacity;
    for (u32 i = 0; pipeline_is_full(world->server.ports.pipeline); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the disk stays full");
        step(world);
    }
    client_open(world);
    job_await(world);
}

// --- an import that is carried out whole ---------------------------------------------------------

// Stages it; it is committed by itself.
static void import_begin_here(struct world *world)
{
    const struct entity_open entity = {
        .entity_id = 1, .name = "trading", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 10, .kind = KIND_ASSET, .name = "bank"};
    const struct book_open book = {
        .book = 100, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "main"};
    const struct import_open open = {.import_id = JOB, .kind = IMPORT_ACCOUNTS, .is_whole = true};
    const struct import_run begin = {.import_id = JOB, .goes_on = true};
    run(world, 0x0201, &entity, sizeof entity);
    run(world, 0x0301, &asset, sizeof asset);
    run(world, 0x0302, &code, sizeof code);
    run(world, 0x0303, &book, sizeof book);
    run(world, 0x0a01, &open, sizeof open);
    struct row {
        struct import_head head;
        struct book_account_open account;
    };
    static _Alignas(16) u8 body[sizeof(struct import_rows) + ROWS * sizeof(struct row)];
    const struct import_rows rows = {
        .import_id = JOB, .count = ROWS, .rows_size = ROWS * sizeof(struct row)};
    memcpy(body, &rows, sizeof rows);
    for (u32 i = 0; i < ROWS; i++) {
        const struct row row = {
            .head = {.line = i + 1, .size = sizeof row.account},
            .account = {.account_id = 1 + i, .book = 100, .code = 10, .name = "bank"}};
        memcpy(body + sizeof rows + i * sizeof row, &row, sizeof row);
    }
    run(world, 0x0a02, body, sizeof body);
    run(world, 0x0a03, &begin, sizeof begin);
}

// Commands of modules wait for it, from wherever they come; nothing else does.
static void test_an_import_holds_up_commands_of_modules_alone(void **state)
{
    struct world *world = *state;
    const struct machine *machine = &world->server.node.machine;
    const struct sample_open open = {
        .box_id = 9, .account_id = PORT_WORLD_PAYER, .box_account_id = PORT_WORLD_HOLDER};
    const struct sample_put one = {.box_id = 9, .amount = 1};
    const struct account raw = {.id = 5, .ledger = 7, .code = 1};
    int fds[CLIENTS];
    fds[0] = world->fd;
    for (u32 i = 1; i < CLIENTS; i++) {
        client_open(world);
        fds[i] = world->fd;
    }
    world->fd = fds[0];
    run(world, 0x7f01, &open, sizeof open);
    import_begin_here(world);
    for (u32 i = 0; !commit_holds_up(machine); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("nothing is held up");
        step(world);
    }
    tell(world, command_of(world, 0x7f02), &one, sizeof one);
    step(world);
    world->fd = fds[1];
    ask(world, command_of(world, 0x0101), &raw, sizeof raw);
    assert_true(commit_holds_up(machine));
    struct create_result made;
    memcpy(&made, world->body, sizeof made);
    assert_true(made.status == (u32)CREATE_ACCOUNT_CREATED);
    assert_true(port_world_debits(&world->server) == 0);
    // Some may wait, and the others are told to come again.
    for (u32 i = 0; i < CLIENTS; i++) {
        world->fd = fds[i];
        const u32 some = i == 0 ? TAEL_IN_FLIGHT_MAX - 1 : TAEL_IN_FLIGHT_MAX;
        for (u32 k = 0; k < some; k++) tell(world, command_of(world, 0x7f02), &one, sizeof one);
    }
    u32 done = 0;
    for (u32 i = 0; i < CLIENTS; i++) {
        world->fd = fds[i];
        for (u32 k = 0; k < TAEL_IN_FLIGHT_MAX; k++) {
            get(world, &world->answer, sizeof world->answer);
            get(world, world->body, tael_body_size(&world->answer));
            done += world->answer.status == TAEL_DONE;
            assert_true(world->answer.status == TAEL_DONE || world->answer.status == TAEL_BUSY);
        }
        if (i > 0) (void)close(fds[i]);
    }
    world->fd = fds[0];
    assert_true(port_world_debits(&world->server) == done);
    assert_true(done >= 1 && done < CLIENTS * TAEL_IN_FLIGHT_MAX);
}

// What comes in while it is carried out waits; a stop waits for that, and goes on with the import
// until then. Nothing is refused, and time stands still meanwhile.
static void test_a_stop_lets_in_what_waits_for_an_import(void **state)
{
    struct world *world = *state;
    import_begin_here(world);
    for (u32 i = 0; !commit_holds_up(&world->server.node.machine); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("it is not begun");
        port_world_step(&world->server);
    }
    port_world_gate_close(&world->server); // It comes to a stand.
    const struct asset_open coin = {.asset = "COIN", .kind = ASSET_COIN, .scale = 6};
    tell(world, command_of(world, 0x0301), &coin, sizeof coin);
    for (u32 i = 0; i < 50; i++) port_world_step(&world->server); // It is taken.
    assert_true(commit_holds_up(&world->server.node.machine));
    port_world_gate_open();
    port_world_stop(&world->server);
    port_world_start(&world->server);
    assert_int_equal(job_of(world)->status, JOB_STATUS_COMMITTED);
    const struct module_context context = commit_context(&world->server.node.machine, &book_module);
    assert_non_null(book_asset_find(&context, "COIN\0\0\0\0\0\0\0\0\0\0\0"));
    machine_check(&world->server.node.machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_goes_on_while_nobody_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_are_answered_beside_a_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_between_slices_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_crash_at_every_slice_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_waits_for_space, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_import_holds_up_commands_of_modules_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_lets_in_what_waits_for_an_import, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
