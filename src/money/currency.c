// SPDX-License-Identifier: Apache-2.0
//
// The currencies of ISO 4217.
#include "money/currency.h"

#define CURRENCY(code_, number_, minor_digits_, name_) \
    {.code = #code_, .number = number_, .minor_digits = minor_digits_, .name = name_},
const struct currency currencies[] = {
#include "money/currency.def"
};
#undef CURRENCY

const u32 currency_count = ARRAY_COUNT(currencies);

const struct currency *currency_find(const char *code, size_t size)
{
    if (size != 3) return NULL;
    u32 low = 0, high = currency_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        int order = memcmp(code, currencies[middle].code, 3);
        if (order == 0) return &currencies[middle];
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct currency *currency_find_number(u16 number)
{
    for (u32 i = 0; i < currency_count; i++) {
        if (currencies[i].number == number) return &currencies[i];
    }
    return NULL;
}
