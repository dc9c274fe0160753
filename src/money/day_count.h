// SPDX-License-Identifier: Apache-2.0
//
// Day counts: the part of a year between two civil dates, as an exact fraction, for the conventions
// that contracts name. A date is a day number (codec/civil.h). Pure, constant cost.
//
// Source of the conventions: 2006 ISDA Definitions, section 4.16 (letters below); of the American
// rule for the end of February: Mayle, Standard Securities Calculation Methods, SIA, volume 1,
// 1993.
#ifndef TAEL_MONEY_DAY_COUNT_H
#define TAEL_MONEY_DAY_COUNT_H

#include "base/base.h"
#include "money/rate.h"

enum day_count {
    // Actual/Actual (ISDA), 4.16(b): days in leap years / 366 + days in other years / 365.
    DAY_COUNT_ACT_ACT_ISDA,
    // Actual/365 (Fixed), 4.16(d): days / 365.
    DAY_COUNT_ACT_365F,
    // Actual/360, 4.16(e): days / 360.
    DAY_COUNT_ACT_360,
    // 30/360, Bond Basis, 4.16(f): a first day of 31 counts as 30; a last day of 31 counts as 30 if
    // the
    // first is then 30.
    DAY_COUNT_30_360_BOND,
    // 30/360 US: as Bond Basis, and before that: if both dates are the last of February, the last
    // day
    // counts as 30; if the first date is the last of February, the first day counts as 30.
    DAY_COUNT_30_360_US,
    // 30E/360, Eurobond Basis, 4.16(g): any day of 31 counts as 30.
    DAY_COUNT_30E_360,
};

// Days between the dates as the convention counts them: for 30/360 that is
// 360 (Y2 - Y1) + 30 (M2 - M1) + (D2 - D1), for the others the calendar's days. `from` <= `to`.
i32 day_count_days(enum day_count convention, i32 from, i32 to);

// The part of a year from `from` (counted) to `to` (not counted), in lowest terms. The day numbers
// lie within CIVIL_DAY_MIN to CIVIL_DAY_MAX. False when `to` is before `from`; `*fraction` is then
// left alone.
MUST_USE bool day_count_fraction(enum day_count convention, i32 from, i32 to,
                                 struct rate *fraction);

// As it is written in contracts, "30E/360".
const char *day_count_name(enum day_count convention);

#endif
