// SPDX-License-Identifier: Apache-2.0
//
// The trace on standard error.
#include "os/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void trace(enum trace_level level, const char *format, ...)
{
    static const char *const names[] = {"info", "warning", "error"};
    char line[1200];
    struct timespec now;
    struct tm date;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &date);
    size_t length = strftime(line, 64, "%Y-%m-%dT%H:%M:%S", &date);
    int put = snprintf(line + length, 64, ".%03ldZ %-7s ", now.tv_nsec / 1000000, names[level]);
    length += (size_t)put;
    va_list arguments;
    va_start(arguments, format);
    put = vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    length = MIN(length + (size_t)MAX(put, 0), sizeof line - 2);
    line[length++] = '\n';
    // A trace that cannot be written must not stop the server.
    if (write(STDERR_FILENO, line, length) < 0) return;
}
