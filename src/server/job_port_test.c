// SPDX-License-Identifier: Apache-2.0
//
// Jobs on a server: advanced while nobody asks anything, beside commands, over stops and crashes at
// every slice; a tick advances one of them by one slice.
#include "server/port_world.h"

#include "machine/commit.h"
#include "modules/accrual/accrual.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
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

#define JOB    77u
#define BOOK   900u
#define LOANS  20000u // Three slices.
#define SLICES 3u

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
    assert_true(job == NULL || !job_is_runnable(job) || world->server.wait <= 10 * NS_PER_MS);
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

static void ask(struct world *world, struct tael_header header, const void *body, u32 size)
{
    header.correlation = ++world->sent;
    tael_header_seal(&header, body, size);
    put(world, &header, sizeof header);
    put(world, body, size);
    get(world, &world->answer, sizeof world->answer);
    get(world, world->body, tael_body_size(&world->answer));
    assert_int_equal(world->answer.status, TAEL_DONE);
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

static void run(struct world *world, u32 record, const void *body, u32 size)
{
    const struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                       .command_id = world->next_id++,
                                       .record = record,
                                       .version = 1,
                                       .count = 1};
    struct command_reply reply;
    ask(world, header, body, size);
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
    assert_true(pipeline_is_full(world->server.pipeline) && slices < SLICES + 1);
    for (u32 i = 0; i < 200; i++) step(world);
    assert_int_equal(job_of(world)->slices, slices);
    world->server.disk.capacity = capacity;
    for (u32 i = 0; pipeline_is_full(world->server.pipeline); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the disk stays full");
        step(world);
    }
    client_open(world);
    job_await(world);
}

// --- an import that is whole ---------------------------------------------------------------------

#define IMPORT_BOOK     100u
#define IMPORT_DAY      20454
#define IMPORT_BATCHES  3u
#define IMPORT_ROWS_IN  4096u // Of one command, which a slice looks at.
#define IMPORT_ROW_SIZE (sizeof(struct entry_post) + 2 * sizeof(struct entry_leg))

static void book_make(struct world *world)
{
    const struct entity_open entity = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = IMPORT_DAY};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 7, .kind = KIND_ASSET, .name = "c"};
    const struct book_open book = {
        .book = IMPORT_BOOK, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "b"};
    run(world, entity_schema_entity_open.number, &entity, sizeof entity);
    run(world, book_schema_asset_open.number, &asset, sizeof asset);
    run(world, book_schema_chart_add.number, &code, sizeof code);
    run(world, book_schema_book_open.number, &book, sizeof book);
    for (u32 i = 1; i <= 2; i++) {
        const struct book_account_open account = {
            .account_id = i, .book = IMPORT_BOOK, .code = 7, .name = "a"};
        run(world, book_schema_book_account_open.number, &account, sizeof account);
    }
}

// Entries of one unit each, from the id on.
static void rows_send(struct world *world, u64 first)
{
    static _Alignas(16) u8 body[sizeof(struct import_rows) +
                                IMPORT_ROWS_IN * (sizeof(struct import_head) + IMPORT_ROW_SIZE)];
    struct import_rows rows = {.import_id = JOB, .first = first, .count = IMPORT_ROWS_IN};
    size_t at = sizeof rows;
    for (u32 i = 0; i < IMPORT_ROWS_IN; i++) {
        const struct import_head head = {.line = i + 1, .size = IMPORT_ROW_SIZE};
        const struct entry_post post = {
            .entry_id = 1 + first + i, .day = IMPORT_DAY, .code = 1, .legs_count = 2};
        const struct entry_leg legs[2] = {
            {.book = IMPORT_BOOK, .side = SIDE_DEBIT, .account_id = 1, .amount = 1},
            {.book = IMPORT_BOOK, .side = SIDE_CREDIT, .account_id = 2, .amount = 1}};
        memcpy(body + at, &head, sizeof head);
        memcpy(body + at + sizeof head, &post, sizeof post);
        memcpy(body + at + sizeof head + sizeof post, legs, sizeof legs);
        at += sizeof head + IMPORT_ROW_SIZE;
    }
    rows.rows_size = (u32)(at - sizeof rows);
    memcpy(body, &rows, sizeof rows);
    run(world, import_schema_import_rows.number, body, (u32)at);
}

static void import_begin(struct world *world)
{
    const struct import_open open = {.import_id = JOB, .kind = IMPORT_ENTRIES, .is_whole = true};
    const struct import_run begin = {.import_id = JOB, .goes_on = true};
    book_make(world);
    run(world, import_schema_import_open.number, &open, sizeof open);
    for (u32 i = 0; i < IMPORT_BATCHES; i++) rows_send(world, (u64)i * IMPORT_ROWS_IN);
    run(world, import_schema_import_run.number, &begin, sizeof begin);
}

// Sends a command that opens another asset, and does not wait for it.
static void asset_put(struct world *world)
{
    struct asset_open asset = {.asset = "A00000000", .kind = ASSET_COIN};
    u64 rest = world->sent;
    for (u32 i = 8; i > 0; i--, rest /= 10) asset.asset[i] = (char)('0' + rest % 10);
    struct tael_header header = {.head = {.command = TAEL_COMMAND},
                                 .command_id = world->next_id++,
                                 .record = book_schema_asset_open.number,
                                 .version = 1,
                                 .count = 1,
                                 .correlation = ++world->sent};
    tael_header_seal(&header, &asset, sizeof asset);
    put(world, &header, sizeof header);
    put(world, &asset, sizeof asset);
}

// Its answer, or that of one before it: it was carried out.
static void asset_get(struct world *world)
{
    struct command_reply reply;
    get(world, &world->answer, sizeof world->answer);
    get(world, world->body, tael_body_size(&world->answer));
    assert_int_equal(world->answer.status, TAEL_DONE);
    memcpy(&reply, world->body, sizeof reply);
    assert_int_equal(reply.result, MODULE_DONE);
}

// What comes in together with the first slice of it waits, too: it is not refused.
static void test_commands_wait_for_an_import_and_are_carried_out(void **state)
{
    struct world *world = *state;
    import_begin(world);
    for (u32 i = 0; job_of(world)->status != JOB_STATUS_COMMITTING; i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the import is not looked at");
        step(world);
    }
    assert_int_equal(job_of(world)->argument, 0);
    asset_put(world);
    world->server.time += NS_PER_S; // Commands share a frame with a slice that is due so long.
    while (job_of(world)->argument == 0) step(world);
    asset_get(world);
    assert_int_equal(job_of(world)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(job_of(world)->postings, IMPORT_BATCHES * IMPORT_ROWS_IN);
}

static void test_a_stop_lets_in_what_an_import_holds_up(void **state)
{
    struct world *world = *state;
    import_begin(world);
    for (u32 i = 0; !commit_holds_up(&world->server.node.machine); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the import is not carried out");
        step(world);
    }
    const u32 room = pipeline_room(world->server.pipeline);
    asset_put(world);
    while (pipeline_room(world->server.pipeline) == room) step(world);
    assert_int_equal(job_of(world)->status, JOB_STATUS_COMMITTING);
    (void)close(world->fd);
    port_world_stop(&world->server);
    port_world_start(&world->server);
    client_open(world);
    assert_int_equal(job_of(world)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(job_of(world)->postings, IMPORT_BATCHES * IMPORT_ROWS_IN);
}

static void test_plain_commands_pass_those_that_an_import_holds_up(void **state)
{
    struct world *world = *state;
    struct machine *machine = &world->server.node.machine;
    import_begin(world);
    for (u32 i = 0; !commit_holds_up(machine); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the import is not carried out");
        port_world_step(&world->server);
    }
    const u32 room = pipeline_room(world->server.pipeline);
    asset_put(world);
    while (pipeline_room(world->server.pipeline) == room) port_world_step(&world->server);
    const struct frame_command plain = {
        .record = COMMAND_REGISTER, .version = 1, .command_id = 98, .operation = 2};
    const u32 before = world->server.raw_done;
    port_world_add(&world->server, &plain, "");
    while (world->server.raw_done == before) port_world_step(&world->server);
    assert_true(commit_holds_up(machine)); // The one behind is answered, the one before waits.
    assert_int_equal(pipeline_room(world->server.pipeline), room - 1);
    asset_get(world);
    assert_int_equal(job_of(world)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(job_of(world)->postings, IMPORT_BATCHES * IMPORT_ROWS_IN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_goes_on_while_nobody_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_are_answered_beside_a_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_between_slices_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_crash_at_every_slice_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_waits_for_space, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_wait_for_an_import_and_are_carried_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_lets_in_what_an_import_holds_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_plain_commands_pass_those_that_an_import_holds_up,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
