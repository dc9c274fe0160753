// SPDX-License-Identifier: Apache-2.0
//
// Rates: exact fractions that are not negative. An interest rate, a price, a fee, a day count.
//
// Guarantees: every operation is exact or reports overflow; results are in lowest terms. Nothing is
// rounded here: rounding happens once, when an amount is scaled (amount.h). The sign of a movement
// is which account is debited, so rates need none; a negative interest rate is a rate with debtor
// and creditor exchanged. Pure; a greatest common divisor takes at most some 190 steps.
#ifndef TAEL_MONEY_RATE_H
#define TAEL_MONEY_RATE_H

#include "base/base.h"

struct rate {
    u128 numerator;
    u128 denominator; // Not 0.
};

#define RATE_ZERO ((struct rate){0, 1})
#define RATE_ONE  ((struct rate){1, 1})

// "num/den", each up to 39 digits, and the terminating zero.
#define RATE_SIZE_MAX 80u

// The greatest common divisor; of 0 and b it is b.
u128 rate_common_divisor(u128 a, u128 b);

// In lowest terms. `denominator` is not 0.
struct rate rate_make(u128 numerator, u128 denominator);

// True on overflow; `*result` is then left alone.
MUST_USE bool rate_add(struct rate a, struct rate b, struct rate *result);
MUST_USE bool rate_multiply(struct rate a, struct rate b, struct rate *result);
// Also true when b is 0, which has no inverse.
MUST_USE bool rate_divide(struct rate a, struct rate b, struct rate *result);
// Less than 0, 0 or more than 0. Exact for all rates.
int rate_compare(struct rate a, struct rate b);

// Reads "0.0525", "3" or "21/400". False for any other text (signs, exponents, leading zeros, a
// denominator of 0) and for what does not fit.
MUST_USE bool rate_parse(const char *text, size_t size, struct rate *rate);
// Prints "21/400", or "3" for a whole number. Terminated. Returns the length.
size_t rate_print(struct rate rate, char out[RATE_SIZE_MAX]);

#endif
