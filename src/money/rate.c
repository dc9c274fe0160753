// SPDX-License-Identifier: Apache-2.0
//
// Rates: exact fractions.
#include "money/rate.h"

#include "codec/number.h"
#include "money/wide.h"

u128 rate_common_divisor(u128 a, u128 b)
{
    // Euclid: the remainders fall at least as fast as the Fibonacci numbers.
    while (b != 0) {
        u128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct rate rate_make(u128 numerator, u128 denominator)
{
    assert(denominator != 0);
    u128 divisor = rate_common_divisor(numerator, denominator);
    return (struct rate){numerator / divisor, denominator / divisor};
}

bool rate_add(struct rate a, struct rate b, struct rate *result)
{
    a = rate_make(a.numerator, a.denominator);
    b = rate_make(b.numerator, b.denominator);
    u128 divisor = rate_common_divisor(a.denominator, b.denominator);
    u128 left, right, numerator, denominator;
    if (__builtin_mul_overflow(a.numerator, b.denominator / divisor, &left) ||
        __builtin_mul_overflow(b.numerator, a.denominator / divisor, &right) ||
        __builtin_add_overflow(left, right, &numerator))
        return true;
    // What the sum shares with the common divisor goes first, so that only true overflows remain.
    u128 shared = rate_common_divisor(numerator, divisor);
    if (__builtin_mul_overflow(a.denominator / divisor, b.denominator / shared, &denominator))
        return true;
    *result = rate_make(numerator / shared, denominator);
    return false;
}

bool rate_multiply(struct rate a, struct rate b, struct rate *result)
{
    // Crosswise to lowest terms first: then the products overflow only when the result does.
    a = rate_make(a.numerator, a.denominator);
    b = rate_make(b.numerator, b.denominator);
    struct rate left = rate_make(a.numerator, b.denominator);
    struct rate right = rate_make(b.numerator, a.denominator);
    struct rate product;
    if (__builtin_mul_overflow(left.numerator, right.numerator, &product.numerator) ||
        __builtin_mul_overflow(left.denominator, right.denominator, &product.denominator))
        return true;
    *result = product;
    return false;
}

bool rate_divide(struct rate a, struct rate b, struct rate *result)
{
    assert(b.denominator != 0);
    if (b.numerator == 0) return true;
    return rate_multiply(a, (struct rate){b.denominator, b.numerator}, result);
}

int rate_compare(struct rate a, struct rate b)
{
    assert(a.denominator != 0 && b.denominator != 0);
    return wide_compare(wide_multiply(a.numerator, b.denominator),
                        wide_multiply(b.numerator, a.denominator));
}

// The digits after the point, appended to those before it.
static bool parse_decimal(const char *text, size_t size, size_t point, struct rate *rate)
{
    u128 value = 0, scale = 1;
    if (number_parse_u128(text, point, &value) || point + 1 == size) return false;
    for (size_t i = point + 1; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(value, (u128)10, &value) ||
            __builtin_add_overflow(value, (u128)(text[i] - '0'), &value) ||
            __builtin_mul_overflow(scale, (u128)10, &scale))
            return false;
    }
    *rate = rate_make(value, scale);
    return true;
}

bool rate_parse(const char *text, size_t size, struct rate *rate)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.') return parse_decimal(text, size, i, rate);
        if (text[i] != '/') continue;
        u128 numerator, denominator;
        if (number_parse_u128(text, i, &numerator) ||
            number_parse_u128(text + i + 1, size - i - 1, &denominator) || denominator == 0)
            return false;
        *rate = rate_make(numerator, denominator);
        return true;
    }
    u128 value;
    if (number_parse_u128(text, size, &value)) return false;
    *rate = rate_make(value, 1);
    return true;
}

size_t rate_print(struct rate rate, char out[RATE_SIZE_MAX])
{
    rate = rate_make(rate.numerator, rate.denominator);
    char digits[NUMBER_SIZE_MAX];
    size_t size = number_print_u128(rate.numerator, out);
    if (rate.denominator == 1) return size;
    size_t more = number_print_u128(rate.denominator, digits);
    assert(size + 1 + more < RATE_SIZE_MAX);
    out[size] = '/';
    memcpy(out + size + 1, digits, more + 1);
    return size + 1 + more;
}
