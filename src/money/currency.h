// SPDX-License-Identifier: Apache-2.0
//
// The currencies of ISO 4217: code, number, decimal places of the minor unit, name (currency.def).
// Constant; a look-up by code takes some eight comparisons, one by number walks the table.
#ifndef TAEL_MONEY_CURRENCY_H
#define TAEL_MONEY_CURRENCY_H

#include "base/base.h"

// Gold, special drawing rights, test codes: the standard gives no minor unit.
#define CURRENCY_NO_MINOR 255

struct currency {
    char code[4]; // Terminated.
    u16 number;
    u8 minor_digits; // 0 to 4, or CURRENCY_NO_MINOR.
    const char *name;
};

extern const struct currency currencies[]; // In order of code.
extern const u32 currency_count;

// Null when there is none. Codes are capitals, exactly three.
const struct currency *currency_find(const char *code, size_t size);
const struct currency *currency_find_number(u16 number);

#endif
