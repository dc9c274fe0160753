// SPDX-License-Identifier: Apache-2.0
//
// The trace: one line an occurrence on standard error, for operators. Never holds personal data nor
// the content of requests (L9). Lines are whole; any thread may write.
#ifndef TAEL_OS_TRACE_H
#define TAEL_OS_TRACE_H

#include "base/base.h"

enum trace_level {
    TRACE_INFO,
    TRACE_WARNING,
    TRACE_ERROR,
};

// One line on standard error: time, level, text. Never personal data (L9). Any thread.
void trace(enum trace_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
