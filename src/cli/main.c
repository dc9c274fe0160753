// SPDX-License-Identifier: Apache-2.0
//
// The program.
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

// A standard file that was closed by the caller would give its number to the next file opened, a
// log or a connection, and what is printed would go there. In its place stands one that can be
// neither written nor read the way it is used, so that using it is an error as it should be.
static bool standard_files_hold(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!standard_files_hold()) {
        (void)fputs("tael: a standard file is closed, and /dev/null cannot be opened\n", stderr);
        return EXIT_ENVIRONMENT;
    }
    // A limit on the size of files (ulimit -f) is an error of the write, and told, not an end.
    (void)signal(SIGXFSZ, SIG_IGN);
    return cli_main(argc - 1, (const char *const *)argv + 1);
}
