// SPDX-License-Identifier: Apache-2.0
//
// Products of two 128-bit numbers and their division.
#include "money/wide.h"

struct wide wide_multiply(u128 a, u128 b)
{
    u128 a_low = (u64)a, a_high = a >> 64;
    u128 b_low = (u64)b, b_high = b >> 64;
    u128 low = a_low * b_low;
    // Neither middle can overflow: (2^64-1)^2 + 2 * (2^64-1) = 2^128-1.
    u128 middle = a_high * b_low + (low >> 64);
    u128 other_middle = a_low * b_high + (u64)middle;
    return (struct wide){.high = a_high * b_high + (middle >> 64) + (other_middle >> 64),
                         .low = other_middle << 64 | (u64)low};
}

bool wide_add(struct wide a, struct wide b, struct wide *sum)
{
    bool carry = __builtin_add_overflow(a.low, b.low, &sum->low);
    bool overflow = __builtin_add_overflow(a.high, b.high, &sum->high);
    return __builtin_add_overflow(sum->high, (u128)carry, &sum->high) || overflow;
}

int wide_compare(struct wide a, struct wide b)
{
    if (a.high != b.high) return a.high < b.high ? -1 : 1;
    if (a.low != b.low) return a.low < b.low ? -1 : 1;
    return 0;
}

bool wide_divide(struct wide dividend, u128 divisor, u128 *quotient, u128 *remainder)
{
    assert(divisor != 0);
    if (dividend.high >= divisor) return true;
    if (dividend.high == 0) {
        *quotient = dividend.low / divisor;
        *remainder = dividend.low % divisor;
        return false;
    }
    // By hand, a bit at a time. `rest` stays below the divisor, so twice it has at most 129 bits,
    // and the bit that falls out says that the divisor goes in.
    u128 rest = dividend.high, digits = 0;
    for (u32 bit = 0; bit < 128; bit++) {
        bool falls_out = (rest >> 127) != 0;
        rest = rest << 1 | (dividend.low >> (127 - bit) & 1);
        digits <<= 1;
        if (falls_out || rest >= divisor) {
            rest -= divisor;
            digits |= 1;
        }
    }
    assert(rest < divisor);
    *quotient = digits;
    *remainder = rest;
    return false;
}
