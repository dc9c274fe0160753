// SPDX-License-Identifier: Apache-2.0
//
// Decimal text of whole numbers up to 128 bits.
#include "codec/number.h"

size_t number_print_u128(u128 value, char out[NUMBER_SIZE_MAX])
{
    char reversed[NUMBER_SIZE_MAX];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) out[i] = reversed[count - 1 - i];
    out[count] = 0;
    return count;
}

size_t number_print_i128(i128 value, char out[NUMBER_SIZE_MAX])
{
    if (value >= 0) return number_print_u128((u128)value, out);
    // The negation is done unsigned, as the smallest number has no positive twin.
    char digits[NUMBER_SIZE_MAX];
    size_t size = number_print_u128(0 - (u128)value, digits);
    assert(size + 2 <= NUMBER_SIZE_MAX);
    out[0] = '-';
    memcpy(out + 1, digits, size + 1);
    return size + 1;
}

enum number_error number_parse_u128(const char *text, size_t size, u128 *value)
{
    if (size == 0) return NUMBER_EMPTY;
    // The whole text is looked at first, so that "99999...x" is no number rather than a large one.
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return NUMBER_NOT_DECIMAL;
    }
    if (text[0] == '0' && size > 1) return NUMBER_LEADING_ZERO;
    u128 sum = 0;
    for (size_t i = 0; i < size; i++) {
        u128 digit = (u128)(text[i] - '0');
        if (__builtin_mul_overflow(sum, (u128)10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return NUMBER_TOO_LARGE;
    }
    *value = sum;
    return NUMBER_OK;
}

enum number_error number_parse_i128(const char *text, size_t size, i128 *value)
{
    bool negative = size > 0 && text[0] == '-';
    u128 magnitude = 0;
    enum number_error error = number_parse_u128(text + negative, size - negative, &magnitude);
    if (error) return negative && error == NUMBER_EMPTY ? NUMBER_NOT_DECIMAL : error;
    if (negative && magnitude == 0) return NUMBER_LEADING_ZERO;
    u128 limit = (U128_MAX >> 1) + (negative ? 1 : 0);
    if (magnitude > limit) return NUMBER_TOO_LARGE;
    *value = (i128)(negative ? 0 - magnitude : magnitude);
    return NUMBER_OK;
}

const char *number_error_text(enum number_error error)
{
    static const char *const texts[] = {
        [NUMBER_OK] = "is a number",
        [NUMBER_EMPTY] = "is empty; a decimal number is expected",
        [NUMBER_NOT_DECIMAL] = "is not a decimal number",
        [NUMBER_LEADING_ZERO] = "has a leading zero",
        [NUMBER_TOO_LARGE] = "has more than 128 bits",
    };
    assert((size_t)error < ARRAY_COUNT(texts));
    return texts[error];
}
