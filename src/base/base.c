// SPDX-License-Identifier: Apache-2.0
//
// Failures: composing what went wrong in a fixed buffer.
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const status_names[] = {
    [STATUS_OK] = "ok",
    [STATUS_IO] = "io",
    [STATUS_CORRUPT] = "corrupt",
    [STATUS_FULL] = "full",
    [STATUS_BUSY] = "busy",
    [STATUS_TIMEOUT] = "timeout",
    [STATUS_NOT_FOUND] = "not found",
    [STATUS_UNSUPPORTED] = "unsupported",
    [STATUS_INVALID] = "invalid",
    [STATUS_CANCELLED] = "cancelled",
};

const char *status_name(enum status status)
{
    assert((size_t)status < ARRAY_COUNT(status_names));
    return status_names[status];
}

// Begins a failure anew. Returns the length of the whole message, which may not fit; negative when
// it cannot be composed.
static int compose(struct failure *failure, enum status status, int error_number,
                   const char *format, va_list arguments)
{
    assert(status != STATUS_OK);
    failure->status = status;
    failure->error_number = error_number;
    failure->hint[0] = 0;
    return vsnprintf(failure->message, sizeof failure->message, format, arguments);
}

// Puts ": text" behind a message of this length, as far as there is room.
static void append(struct failure *failure, int length, const char *text)
{
    if (length < 0 || (size_t)length >= sizeof failure->message) return;
    (void)snprintf(failure->message + length, sizeof failure->message - (size_t)length, ": %s",
                   text);
}

enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)compose(failure, status, 0, format, arguments);
    va_end(arguments);
    return status;
}

void failure_note(struct failure *failure, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)compose(failure, status, 0, format, arguments);
    va_end(arguments);
}

enum status failure_set_errno(struct failure *failure, enum status status, int error_number,
                              const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = compose(failure, status, error_number, format, arguments);
    va_end(arguments);
    append(failure, length, strerror(error_number));
    return status;
}

enum status failure_wrap(struct failure *failure, const char *format, ...)
{
    assert(failure->status != STATUS_OK);
    char inner[sizeof failure->message];
    memcpy(inner, failure->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    append(failure, length, inner);
    return failure->status;
}

void failure_hint(struct failure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(failure->hint, sizeof failure->hint, format, arguments);
    va_end(arguments);
}
