// SPDX-License-Identifier: Apache-2.0
//
// The verb override: an owner's way past a command that kills the machine.
#include "machine/override.h"

#include "cli/cli.h"
#include "codec/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char help[] =
    "tael override DIR --position N [--json]\n"
    "\n"
    "For a server that dies at every start while it applies command N: appends to the log of the\n"
    "stopped folder DIR an override that makes this command a refusal, for ever and for everyone\n"
    "who applies this log. Nothing is removed; `tael dump` shows both. Refused for a command that\n"
    "did not kill the server: one whose outcome is in a checkpoint or named in the log.\n"
    "\n"
    "  --position N   the command, as the refused start names it\n"
    "  --json         print what was done as JSON\n"
    "\n"
    "Exit code: 0 done, 1 refused (the reason is printed), 2 usage, 3 environment.\n";

int override_main(int argc, char **argv)
{
    const char *path = NULL;
    u128 position = 0;
    bool json = false;
    bool usage = false;
    for (int i = 1; i < argc && !usage; i++) {
        if (cli_is_help(argv[i])) {
            (void)fputs(help, stdout);
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0) json = true;
        else if (strcmp(argv[i], "--position") == 0 && i + 1 < argc) {
            i++;
            usage = number_parse_u128(argv[i], strlen(argv[i]), &position) != NUMBER_OK ||
                    position > U64_MAX;
        } else if (argv[i][0] != '-' && path == NULL) path = argv[i];
        else usage = true;
    }
    if (usage || path == NULL || position == 0) {
        (void)fputs(help, stderr);
        return EXIT_USAGE;
    }
    struct disk_folder *folder = malloc(sizeof *folder);
    assert(folder != NULL);
    struct failure failure = {0};
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    enum status status = disk_folder_open(folder, path, false, false, &failure);
    if (status == STATUS_OK) {
        status = override_append(&folder->disk, (u64)position,
                                 (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec, &failure);
        disk_folder_close(folder);
    }
    free(folder);
    if (status != STATUS_OK) {
        int code = cli_fail("override", &failure);
        return status == STATUS_INVALID ? EXIT_REFUSED : code;
    }
    (void)printf(json ? "{\"overridden\":%llu}\n" : "command %llu is a refusal from now on\n",
                 (unsigned long long)position);
    return EXIT_DONE;
}
