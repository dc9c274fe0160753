// SPDX-License-Identifier: Apache-2.0
//
// Names of things in the log. Free text is not for the log: it may hold personal data (L9).
#ifndef TAEL_MODULES_IDENTIFIER_H
#define TAEL_MODULES_IDENTIFIER_H

#include "base/base.h"

// Whether a field of `room` bytes holds an identifier: letters, digits and - _ . : of ASCII, at
// least one, zeros behind it.
static inline bool identifier_is_valid(const char *text, size_t room)
{
    const size_t size = strnlen(text, room);
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_other =
            (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':';
        if (!is_letter && !is_other) return false;
    }
    return size > 0 && is_zero(text + size, room - size);
}

#endif
