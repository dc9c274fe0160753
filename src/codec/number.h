// SPDX-License-Identifier: Apache-2.0
//
// Decimal text of whole numbers up to 128 bits. One number has one text: no leading zeros, no plus
// sign, no spaces, no separators. Pure; cost linear in the digits.
#ifndef TAEL_CODEC_NUMBER_H
#define TAEL_CODEC_NUMBER_H

#include "base/base.h"

// A sign, 39 digits and the terminating zero.
#define NUMBER_SIZE_MAX 41u

enum number_error {
    NUMBER_OK = 0,
    NUMBER_EMPTY,        // There is no text.
    NUMBER_NOT_DECIMAL,  // Something else than digits (and a minus sign where one is allowed).
    NUMBER_LEADING_ZERO, // "007", "-0".
    NUMBER_TOO_LARGE,    // Does not fit.
};

// Prints and terminates. Returns the count of characters before the terminating zero.
size_t number_print_u128(u128 value, char out[NUMBER_SIZE_MAX]);
size_t number_print_i128(i128 value, char out[NUMBER_SIZE_MAX]);

// Reads the whole of `text`. On an error `*value` is left alone.
MUST_USE enum number_error number_parse_u128(const char *text, size_t size, u128 *value);
MUST_USE enum number_error number_parse_i128(const char *text, size_t size, i128 *value);

// The rule that is broken, to follow the value in a sentence: "is not a decimal number".
const char *number_error_text(enum number_error error);

#endif
