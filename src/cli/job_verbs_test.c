// SPDX-License-Identifier: Apache-2.0
//
// The verbs of jobs against a server that accepts the accrual module: a child process is the
// command line, this one the server.
#include "cli/cli.h"
#include "modules/accrual/accrual.h"
#include "server/port_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <tael.h>
#include <unistd.h>

#include <cmocka.h>

#define JOB "77"

// What the child prints goes here, and comes back.
struct printed {
    int code;
    char text[8192];
};

static void server_until_exit(struct port_world *world, pid_t child, struct printed *printed,
                              int file)
{
    int status = 0;
    for (u32 i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
        assert_true(i < 10 * PORT_WORLD_STEPS_MAX);
        port_world_step(world);
    }
    assert_true(WIFEXITED(status));
    printed->code = WEXITSTATUS(status);
    const ssize_t size = pread(file, printed->text, sizeof printed->text - 1, 0);
    printed->text[size < 0 ? 0 : size] = 0;
    (void)close(file);
}

static int output_open(void)
{
    char path[] = "/tmp/tael-job-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    (void)unlink(path);
    return file;
}

// Runs a command line in a child.
static struct printed tael(struct port_world *world, const char *action, const char *job,
                           const char *last)
{
    char connect[96];
    (void)snprintf(connect, sizeof connect, "unix:%s", world->path);
    const char *const words[] = {"job", action, job, "--connect", connect, last};
    struct printed printed;
    const int file = output_open();
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(file, STDOUT_FILENO);
        (void)dup2(file, STDERR_FILENO);
        _exit(cli_main(ARRAY_COUNT(words), words));
    }
    server_until_exit(world, child, &printed, file);
    return printed;
}

static void send(struct tael_client *client, u16 record, const void *body, u32 size)
{
    const struct tael_command command = {.id = tael_id(client),
                                         .record = record,
                                         .version = 1,
                                         .count = 1,
                                         .body_size = size,
                                         .body = body};
    struct tael_answer answer;
    if (tael_command(client, &command, 10000, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE || answer.replies[0].result != MODULE_DONE) {
        _exit(9);
    }
}

// Opens loans for two slices, and begins the job.
static void job_start(struct port_world *world, bool holds, i32 day)
{
    char address[96];
    (void)snprintf(address, sizeof address, "unix:%s", world->path);
    struct printed printed;
    const int file = output_open();
    const pid_t child = fork();
    if (child == 0) {
        const struct tael_options options = {.address = address};
        struct tael_client *client = tael_open(&options);
        if (tael_connect(client, 10000) != TAEL_OK) _exit(8);
        const struct accrual_group group = {.group_id = 1, .book = 900};
        const struct accrual_run run = {.job_id = 77, .day = day, .holds = holds};
        struct accrual_open open = {.loan_id = 1,
                                    .group_id = 1,
                                    .principal = 73000,
                                    .count = 8000,
                                    .rate_numerator = 1,
                                    .rate_denominator = 20,
                                    .day = 20000};
        send(client, 0x7e01, &group, sizeof group);
        send(client, 0x7e02, &open, sizeof open);
        open.loan_id = 10001;
        send(client, 0x7e02, &open, sizeof open);
        send(client, 0x7e04, &run, sizeof run);
        tael_close(client);
        _exit(0);
    }
    server_until_exit(world, child, &printed, file);
    assert_int_equal(printed.code, 0);
}

static int setup(void **state)
{
    struct port_world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    assert_non_null(world);
    port_world_begin(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    port_world_end(*state);
    free(*state);
    return 0;
}

static void must_print(struct printed printed, int code, const char *text)
{
    if (printed.code != code || strstr(printed.text, text) == NULL) {
        fail_msg("exit %d, %s", printed.code, printed.text);
    }
}

static void test_a_job_is_waited_for(void **state)
{
    struct port_world *world = *state;
    must_print(tael(world, "wait", JOB, "--json"), EXIT_REFUSED, "There is no such job.");
    job_start(world, false, 20001);
    must_print(tael(world, "wait", JOB, "--json"), EXIT_DONE, "\"status\":\"committed\"");
    must_print(tael(world, "show", JOB, "--json"), EXIT_DONE, "\"cursor\":\"16000\"");
    must_print(tael(world, "cancel", JOB, "--json"), EXIT_REFUSED, "\"settled\"");
}

static void test_a_staged_job_is_looked_at_and_committed(void **state)
{
    struct port_world *world = *state;
    job_start(world, true, 20001);
    must_print(tael(world, "wait", JOB, "--json"), EXIT_DONE, "\"status\":\"staged\"");
    must_print(tael(world, "list", "--json", "--csv"), EXIT_USAGE, "exclude each other");
    must_print(tael(world, "list", "--csv", "--status=staged"), EXIT_DONE, "staged");
    must_print(tael(world, "commit", JOB, "--json"), EXIT_DONE, "\"done\"");
    must_print(tael(world, "wait", JOB, "--json"), EXIT_DONE, "\"status\":\"committed\"");
}

static void test_a_job_that_is_given_up_is_told_by_the_exit_code(void **state)
{
    struct port_world *world = *state;
    job_start(world, true, 20001);
    must_print(tael(world, "cancel", JOB, "--json"), EXIT_DONE, "\"done\"");
    must_print(tael(world, "wait", JOB, "--json"), EXIT_REFUSED, "\"status\":\"cancelled\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_staged_job_is_looked_at_and_committed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_job_that_is_given_up_is_told_by_the_exit_code, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
