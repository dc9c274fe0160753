// SPDX-License-Identifier: Apache-2.0
//
// The program: one verb, then its flags.
#include "cli/bench.h"
#include "cli/verify.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,
    EXIT_USAGE = 2,
    EXIT_ENVIRONMENT = 3,
};

static int serve_main(int argc, char **argv)
{
    struct server_options options;
    server_options_default(&options);
    for (int i = 0; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--data") == 0) options.data = value;
        else if (strcmp(argv[i], "--compat-port") == 0) options.compat = value;
        else if (strcmp(argv[i], "--space-reserve") == 0) {
            options.space_reserve = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--clock-jump-max") == 0) {
            options.clock_jump_max_s = strtoull(value, NULL, 10);
        } else {
            (void)fprintf(stderr, "tael serve: unknown flag %s\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (options.data == NULL) {
        (void)fprintf(stderr, "tael serve: --data DIR is needed\n");
        return EXIT_USAGE;
    }
    struct failure failure = {0};
    enum status status = server_run(&options, &failure);
    if (status == STATUS_OK) return EXIT_DONE;
    (void)fprintf(stderr, "tael serve: %s\n", failure.message);
    if (failure.hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure.hint);
    return EXIT_ENVIRONMENT;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "serve") == 0) return serve_main(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "bench") == 0) return bench_main(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "verify") == 0) return verify_main(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "version") == 0) {
        (void)printf("tael %s\n", TAEL_VERSION);
        return EXIT_DONE;
    }
    (void)fprintf(stderr, "usage: tael serve --data DIR [--compat-port N]\n");
    return EXIT_USAGE;
}
