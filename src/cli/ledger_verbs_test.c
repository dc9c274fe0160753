// SPDX-License-Identifier: Apache-2.0
//
// The verbs account, transfer and query against a responder that breaks the protocol. (What they
// do with a real server is tests/interface's.)
#include "cli/cli.h"
#include "server/compat_stub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 24 };

// The exit code of a command line whose server breaks a rule at one request.
static int code_of(const char *line, enum compat_stub_fault fault, u32 at_request)
{
    char words[512];
    const char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 0;
    struct compat_stub *stub = compat_stub_start(0, fault, at_request);
    (void)snprintf(words, sizeof words, "%s --connect %u", line, compat_stub_port(stub));
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = word;
    }
    const int code = cli_main(argc, argv);
    compat_stub_stop(stub);
    return code;
}

// The command lines are right, so it is never usage.
static void test_a_server_that_breaks_the_protocol_is_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        u32 requests; // That it sends behind the register.
    } rows[] = {
        {"account create --id 1 --ledger 1 --code 1", 1},
        {"account create --from /dev/stdin", 1},
        {"account show 1", 1},
        {"query transfers", 1},
        {"query account-transfers --account-id 1", 2}, // Of none it asks for the account.
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (u32 at = 0; at <= rows[i].requests; at++) {
            FILE *file = tmpfile();
            (void)fputs("id,ledger,code\n1,1,1\n", file);
            rewind(file);
            assert_true(dup2(fileno(file), STDIN_FILENO) >= 0);
            (void)fclose(file);
            const enum compat_stub_fault fault =
                at == 0 ? COMPAT_STUB_REGISTER_SIZE : COMPAT_STUB_WRONG_RELEASE;
            const int code = code_of(rows[i].line, fault, at);
            if (code != EXIT_ENVIRONMENT) fail_msg("%s, request %u: %d", rows[i].line, at, code);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_breaks_the_protocol_is_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
