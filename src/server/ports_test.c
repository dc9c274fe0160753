// SPDX-License-Identifier: Apache-2.0
//
// Ports that the system refuses what they need: a start says so, and a server that can hear nobody
// any more leaves.
#include "server/ports.h"

#include "os/disk_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Exit codes of a child.
enum { CHILD_SERVES = 1, CHILD_FATAL = 2, CHILD_BROKEN = 3 };

struct world {
    struct disk_memory disk;
    struct node node;
};

static int setup(void **state)
{
    const struct genesis genesis = {
        .hash_key = {1, 2, 3, 4}, .created_at = 1000, .accounts_max = 64, .holds_max = 64};
    struct world *world = calloc(1, sizeof *world);
    struct recovery_report report;
    struct failure failure;
    disk_memory_init(&world->disk, 1);
    *state = world;
    const enum status status =
        node_open(&world->node, &world->disk.disk, &genesis, 7, NULL, &report, &failure);
    return status == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    node_free(&world->node);
    disk_memory_free(&world->disk);
    free(world);
    return 0;
}

static void fatal(void *context, const struct failure *failure)
{
    (void)context;
    _exit(strstr(failure->message, "waiting for sockets") != NULL ? CHILD_FATAL : CHILD_BROKEN);
}

// A pipeline that cannot be woken is none: no thread is started that would try.
static void test_a_pipeline_without_a_descriptor_is_refused(void **state)
{
    struct world *world = *state;
    const struct pipeline_options options = {.checkpoint_bytes = GIB, .query_threads = 2};
    const struct pipeline_callbacks callbacks = {.fatal = fatal};
    struct pipeline *pipeline = NULL;
    struct rlimit limit;
    struct failure failure;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const enum status status =
        pipeline_new(&pipeline, &world->node, &options, &callbacks, &failure);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(status, STATUS_IO);
    assert_null(pipeline);
    assert_non_null(strstr(failure.message, "Too many open files"));
}

// A server whose epoll is gone; leaves.
static _Noreturn void child_be(struct world *world)
{
    static struct ports ports;
    struct listener listeners[2];
    struct failure failure;
    const struct ports_options options = {.pipeline = {.checkpoint_bytes = GIB},
                                          .compat = &listeners[0],
                                          .tael = &listeners[1],
                                          .fatal = fatal};
    listeners[1].fd = -1;
    if (listener_take(&listeners[0], "0", &failure) != STATUS_OK ||
        ports_open(&ports, &world->node, &options, &failure) != STATUS_OK) {
        _exit(CHILD_BROKEN);
    }
    (void)ports_round(&ports, 0);
    (void)close(ports.epoll_fd);
    (void)ports_round(&ports, 0);
    _exit(CHILD_SERVES);
}

static void test_a_server_that_hears_nobody_leaves(void **state)
{
    int code = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) child_be(*state);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), CHILD_FATAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_pipeline_without_a_descriptor_is_refused),
        TEST(test_a_server_that_hears_nobody_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
