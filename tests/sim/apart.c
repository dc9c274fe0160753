// SPDX-License-Identifier: Apache-2.0
//
// Processes that may fail.
#include "apart.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void child_run(void (*live)(void *context), void *context, const int ends[2])
{
    if (dup2(ends[1], STDERR_FILENO) < 0 || freopen("/dev/null", "w", stdout) == NULL) abort();
    (void)close(ends[0]);
    live(context);
    _exit(0);
}

bool apart_run(void (*live)(void *context), void *context, struct apart_failure *out)
{
    int ends[2];
    int status = 0;
    char line[512];
    *out = (struct apart_failure){0};
    (void)fflush(stdout);
    if (pipe(ends) != 0) abort();
    const pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) child_run(live, context, ends);
    (void)close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    if (said == NULL) abort();
    while (fgets(line, sizeof line, said) != NULL) {
        line[strcspn(line, "\n")] = 0;
        const bool is_cause = strstr(line, "FAILED") != NULL || strstr(line, "ssertion") != NULL;
        if (is_cause && out->cause[0] == 0) {
            (void)snprintf(out->cause, sizeof out->cause, "%.*s", (int)sizeof out->cause - 1, line);
        }
        // What world_report begins with.
        const char *step = strncmp(line, "seed ", 5) == 0 ? strstr(line, ", step ") : NULL;
        if (step != NULL) out->step = strtoull(step + strlen(", step "), NULL, 10);
    }
    (void)fclose(said);
    if (waitpid(child, &status, 0) != child) abort();
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
