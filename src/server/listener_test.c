// SPDX-License-Identifier: Apache-2.0
//
// Addresses that are taken, refused, taken over and given back.
#include "server/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tael-listener-XXXXXX";
static char path[64];
static char address[80];

static int setup(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/socket", folder);
    (void)snprintf(address, sizeof address, "unix:%s", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)remove(path);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static bool exists(void)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

static struct sockaddr_un place(void)
{
    struct sockaddr_un out = {.sun_family = AF_UNIX};
    memcpy(out.sun_path, path, sizeof path);
    return out;
}

static bool can_connect(void)
{
    const struct sockaddr_un to = place();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    (void)close(fd);
    return connected;
}

// A socket that was made by another, of which only the name is left.
static void leave_behind(int type)
{
    const struct sockaddr_un to = place();
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&to, sizeof to), 0);
    (void)close(fd);
}

static void expect_refused(const char *what, enum status status)
{
    struct listener listener;
    struct failure failure;
    assert_int_equal(listener_take(&listener, what, &failure), status);
    assert_int_equal(listener.fd, -1);
    listener_close(&listener);
}

static void test_addresses(void **state)
{
    (void)state;
    struct listener listener;
    struct failure failure;
    static const char *const wrong[] = {
        "", "x", "65536", "-1", "1x", "0.0.0.0:0", "127.0.0.1:", "unix:", "127.0.0.1:5:6", "x:0"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        expect_refused(wrong[i], STATUS_INVALID);
        assert_int_equal(listener_check(wrong[i], &failure), STATUS_INVALID);
    }
    char longer[256];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "unix:/", 6);
    longer[5 + 108] = 0;
    expect_refused(longer, STATUS_INVALID);
    static const char *const right[] = {"0", "127.0.0.1:0", "localhost:0"};
    for (size_t i = 0; i < ARRAY_COUNT(right); i++) {
        assert_int_equal(listener_take(&listener, right[i], &failure), STATUS_OK);
        assert_int_equal(strncmp(listener.address, "127.0.0.1:", 10), 0);
        assert_int_equal(listener_begin(&listener, &failure), STATUS_OK);
        expect_refused(listener.address, STATUS_BUSY);
        listener_close(&listener);
    }
}

static void test_a_path_is_taken_and_given_back(void **state)
{
    (void)state;
    struct listener listener;
    struct failure failure;
    assert_int_equal(listener_take(&listener, address, &failure), STATUS_OK);
    assert_string_equal(listener.address, address);
    assert_false(can_connect()); // Nobody would answer yet.
    assert_int_equal(listener_begin(&listener, &failure), STATUS_OK);
    assert_true(can_connect());
    expect_refused(address, STATUS_BUSY);
    assert_true(can_connect());
    listener_close(&listener);
    assert_false(exists());
}

static void test_a_socket_left_behind_is_taken_over(void **state)
{
    (void)state;
    struct listener listener;
    struct failure failure;
    leave_behind(SOCK_STREAM);
    assert_int_equal(listener_take(&listener, address, &failure), STATUS_OK);
    assert_int_equal(listener_begin(&listener, &failure), STATUS_OK);
    assert_true(can_connect());
    listener_close(&listener);
}

static void test_what_is_somebody_elses_is_left_alone(void **state)
{
    (void)state;
    FILE *file = fopen(path, "we");
    (void)fclose(file);
    expect_refused(address, STATUS_BUSY);
    assert_true(exists());
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    expect_refused(address, STATUS_BUSY);
    assert_true(exists());
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused(address, STATUS_BUSY);
    assert_int_equal(rmdir(path), 0);
}

static void test_a_path_that_another_took_is_noticed(void **state)
{
    (void)state;
    struct listener listener;
    struct failure failure;
    assert_int_equal(listener_take(&listener, address, &failure), STATUS_OK);
    assert_int_equal(unlink(path), 0);
    FILE *file = fopen(path, "we");
    (void)fclose(file);
    assert_int_equal(listener_begin(&listener, &failure), STATUS_BUSY);
    listener_close(&listener);
    assert_true(exists());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_addresses),
        TEST(test_a_path_is_taken_and_given_back),
        TEST(test_a_socket_left_behind_is_taken_over),
        TEST(test_what_is_somebody_elses_is_left_alone),
        TEST(test_a_path_that_another_took_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
