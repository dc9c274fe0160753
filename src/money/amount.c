// SPDX-License-Identifier: Apache-2.0
//
// Amounts: sums, scaling, allocation, decimal text.
#include "money/amount.h"

#include "codec/number.h"
#include "money/wide.h"

bool amount_add(u128 a, u128 b, u128 *result)
{
    if (b > U128_MAX - a) return true;
    *result = a + b;
    return false;
}

bool amount_sub(u128 a, u128 b, u128 *result)
{
    if (b > a) return true;
    *result = a - b;
    return false;
}

bool amount_sum(const u128 *amounts, size_t count, u128 *result)
{
    u128 sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (amount_add(sum, amounts[i], &sum)) return true;
    }
    *result = sum;
    return false;
}

// Whether the quotient goes up by one, given what is left of the divisor.
static bool rounds_up(enum rounding rounding, u128 quotient, u128 remainder, u128 divisor)
{
    if (remainder == 0) return false;
    // Compared with the other part of the divisor, as twice the remainder may not fit.
    u128 other = divisor - remainder;
    switch (rounding) {
    case ROUND_DOWN: return false;
    case ROUND_UP: return true;
    case ROUND_HALF_DOWN: return remainder > other;
    case ROUND_HALF_UP: return remainder >= other;
    case ROUND_HALF_EVEN:
    default: break;
    }
    assert(rounding == ROUND_HALF_EVEN);
    return remainder > other || (remainder == other && (quotient & 1) != 0);
}

bool amount_scale_exact(u128 amount, struct rate rate, enum rounding rounding, u128 *result,
                        bool *is_exact)
{
    u128 quotient, remainder;
    struct wide product = wide_multiply(amount, rate.numerator);
    if (wide_divide(product, rate.denominator, &quotient, &remainder)) return true;
    bool up = rounds_up(rounding, quotient, remainder, rate.denominator);
    if (amount_add(quotient, up ? 1 : 0, result)) return true;
    *is_exact = remainder == 0;
    return false;
}

bool amount_scale(u128 amount, struct rate rate, enum rounding rounding, u128 *result)
{
    bool is_exact;
    return amount_scale_exact(amount, rate, rounding, result, &is_exact);
}

static size_t count_remainders_from(const struct amount_part *parts, size_t count, u128 least)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) found += parts[i].remainder >= least;
    return found;
}

// Gives a unit to each of the `left` largest remainders. Instead of sorting, the smallest remainder
// that still gets one is found by halving.
static void give_out(struct amount_part *parts, size_t count, size_t left)
{
    // Invariant: at least `left` remainders are >= low; fewer are >= high (or high is the end).
    u128 low = 0, high = U128_MAX;
    while (high - low > 1) {
        u128 middle = low + (high - low) / 2;
        if (count_remainders_from(parts, count, middle) >= left) {
            low = middle;
        } else {
            high = middle;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].remainder <= low) continue;
        parts[i].amount++;
        assert(left > 0);
        left--;
    }
    for (size_t i = 0; i < count && left > 0; i++) {
        if (parts[i].remainder != low) continue;
        parts[i].amount++;
        left--;
    }
    assert(left == 0);
}

enum amount_allocation amount_allocate(u128 total, struct amount_part *parts, size_t count)
{
    u128 weights = 0;
    for (size_t i = 0; i < count; i++) {
        if (amount_add(weights, parts[i].weight, &weights)) return AMOUNT_WEIGHTS_TOO_LARGE;
    }
    if (weights == 0) {
        if (total != 0) return AMOUNT_NO_WEIGHT;
        for (size_t i = 0; i < count; i++) parts[i].amount = parts[i].remainder = 0;
        return AMOUNT_ALLOCATED;
    }
    u128 given = 0;
    for (size_t i = 0; i < count; i++) {
        bool overflow = wide_divide(wide_multiply(total, parts[i].weight), weights,
                                    &parts[i].amount, &parts[i].remainder);
        assert(!overflow && parts[i].remainder < weights); // A weight is at most their sum.
        overflow = amount_add(given, parts[i].amount, &given);
        assert(!overflow && given <= total);
    }
    // Each share lost less than a unit, so fewer units are left than there are remainders above 0.
    u128 left = total - given;
    assert(left <= count_remainders_from(parts, count, 1));
    if (left > 0) give_out(parts, count, (size_t)left);
    return AMOUNT_ALLOCATED;
}

size_t amount_print(u128 amount, u32 scale, char out[AMOUNT_SIZE_MAX])
{
    assert(scale <= AMOUNT_SCALE_MAX);
    char digits[NUMBER_SIZE_MAX];
    size_t count = number_print_u128(amount, digits);
    size_t size = 0;
    // At least one digit stands before the point.
    size_t whole = count > scale ? count - scale : 0;
    if (whole == 0) out[size++] = '0';
    memcpy(out + size, digits, whole);
    size += whole;
    if (scale > 0) {
        out[size++] = '.';
        for (size_t i = count - whole; i < scale; i++) out[size++] = '0';
        memcpy(out + size, digits + whole, count - whole);
        size += count - whole;
    }
    out[size] = 0;
    assert(size < AMOUNT_SIZE_MAX);
    return size;
}

enum amount_error amount_parse(const char *text, size_t size, u32 scale, u128 *amount)
{
    assert(scale <= AMOUNT_SCALE_MAX);
    size_t point = size;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && point == size) {
            point = i;
        } else if (text[i] < '0' || text[i] > '9') {
            return AMOUNT_NOT_DECIMAL;
        }
    }
    if (point == 0 || point + 1 == size) return AMOUNT_NOT_DECIMAL;
    if (text[0] == '0' && point > 1) return AMOUNT_LEADING_ZERO;
    size_t places = point < size ? size - point - 1 : 0;
    if (places > scale) return AMOUNT_TOO_PRECISE;
    u128 sum = 0;
    for (size_t i = 0; i < size + (scale - places); i++) {
        if (i == point && point < size) continue;
        u128 digit = i < size ? (u128)(text[i] - '0') : 0;
        if (__builtin_mul_overflow(sum, (u128)10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return AMOUNT_TOO_LARGE;
    }
    *amount = sum;
    return AMOUNT_OK;
}

const char *amount_error_text(enum amount_error error)
{
    static const char *const texts[] = {
        [AMOUNT_OK] = "is an amount",
        [AMOUNT_NOT_DECIMAL] = "is not a decimal number",
        [AMOUNT_LEADING_ZERO] = "has a leading zero",
        [AMOUNT_TOO_PRECISE] = "has more decimal places than the asset",
        [AMOUNT_TOO_LARGE] = "is more than 2^128-1 minor units",
    };
    assert((size_t)error < ARRAY_COUNT(texts));
    return texts[error];
}
