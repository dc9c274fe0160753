// SPDX-License-Identifier: Apache-2.0
//
// Amounts: u128 counts of an asset's minor units. Sums, scaling by a rate with one named rounding,
// allocation that loses nothing, and decimal text.
//
// Guarantees: exact or reported, never wrapped, never silently rounded; no floating point. Amounts
// are not negative: the direction of money is which account is debited. Pure.
#ifndef TAEL_MONEY_AMOUNT_H
#define TAEL_MONEY_AMOUNT_H

#include "base/base.h"
#include "money/rate.h"

// True on overflow (of the sum past 2^128-1, of the difference below 0); `*result` is then left
// alone.
MUST_USE bool amount_add(u128 a, u128 b, u128 *result);
MUST_USE bool amount_sub(u128 a, u128 b, u128 *result);
// As amount_add over `count` amounts.
MUST_USE bool amount_sum(const u128 *amounts, size_t count, u128 *result);

// What happens to the fraction of a minor unit. Names after IEEE 754-2019, 4.3; as amounts are not
// negative, "toward zero" and "down" are one, and so are "away from zero" and "up".
enum rounding {
    ROUND_DOWN,      // Cut off.
    ROUND_UP,        // Up if there is any fraction.
    ROUND_HALF_DOWN, // To the nearest; a half down.
    ROUND_HALF_UP,   // To the nearest; a half up (commercial rounding).
    ROUND_HALF_EVEN, // To the nearest; a half to the even neighbour (banker's rounding).
};

// amount * rate, rounded once; the product has 256 bits in between. True on overflow.
MUST_USE bool amount_scale(u128 amount, struct rate rate, enum rounding rounding, u128 *result);
// The same, and what rounding changed: result = amount * rate + error, |error| < 1 minor unit.
// `*is_exact` tells that nothing was rounded.
MUST_USE bool amount_scale_exact(u128 amount, struct rate rate, enum rounding rounding,
                                 u128 *result, bool *is_exact);

struct amount_part {
    u128 weight;    // In.
    u128 amount;    // Out.
    u128 remainder; // Out: of total * weight divided by the sum of weights; scratch.
};
enum amount_allocation {
    AMOUNT_ALLOCATED = 0,
    AMOUNT_NO_WEIGHT,         // The weights are all 0 (or there are none), and the total is not.
    AMOUNT_WEIGHTS_TOO_LARGE, // The weights sum to more than 2^128-1.
};
// Splits `total` in proportion to the weights so that the parts sum to it: each part is its exact
// share cut off, and the units left over go to the largest remainders (Hamilton's method), the
// earlier part first where they are equal. A part is never more than one unit from its exact share,
// a part of weight 0 is 0. Cost: 130 walks over the parts at most. On a refusal the parts are left
// alone.
MUST_USE enum amount_allocation amount_allocate(u128 total, struct amount_part *parts,
                                                size_t count);

// Decimal places of an asset's minor unit: 2 for EUR, 0 for JPY, 18 for ether.
#define AMOUNT_SCALE_MAX 38u
// 39 digits, a point, a zero before it and the terminating zero.
#define AMOUNT_SIZE_MAX 42u

enum amount_error {
    AMOUNT_OK = 0,
    AMOUNT_NOT_DECIMAL,  // Not digits with at most one point between them.
    AMOUNT_LEADING_ZERO, // "007.10".
    AMOUNT_TOO_PRECISE,  // More decimal places than the asset has, if only zeros.
    AMOUNT_TOO_LARGE,    // More than 2^128-1 minor units.
};
// "12.34" of 1234 at scale 2, with all decimal places; "1234" at scale 0. Terminated. Returns the
// length.
size_t amount_print(u128 amount, u32 scale, char out[AMOUNT_SIZE_MAX]);
// Reads "12.34", "12.3" or "12". On an error `*amount` is left alone.
MUST_USE enum amount_error amount_parse(const char *text, size_t size, u32 scale, u128 *amount);
// The rule that is broken, to follow the value in a sentence.
const char *amount_error_text(enum amount_error error);

#endif
