// SPDX-License-Identifier: Apache-2.0
//
// Products of two 128-bit numbers and their division: what scaling an amount exactly needs.
// Pure; a division takes at most 128 steps.
#ifndef TAEL_MONEY_WIDE_H
#define TAEL_MONEY_WIDE_H

#include "base/base.h"

// high * 2^128 + low.
struct wide {
    u128 high;
    u128 low;
};

// Exact: 128 bits by 128 bits are 256 bits.
struct wide wide_multiply(u128 a, u128 b);
// True on overflow of 256 bits; `*sum` is then unspecified.
MUST_USE bool wide_add(struct wide a, struct wide b, struct wide *sum);
// Less than 0, 0 or more than 0, as a is less than, equal to or more than b.
int wide_compare(struct wide a, struct wide b);
// dividend = quotient * divisor + remainder, remainder < divisor. True on overflow: the quotient
// has more than 128 bits; the results are then left alone. `divisor` is not 0.
MUST_USE bool wide_divide(struct wide dividend, u128 divisor, u128 *quotient, u128 *remainder);

#endif
