// SPDX-License-Identifier: Apache-2.0
//
// Day counts: the part of a year between two civil dates, as an exact fraction.
#include "money/day_count.h"

#include "codec/civil.h"

static bool is_last_of_february(struct civil_date date)
{
    return date.month == 2 && date.day == civil_days_in_month(date.year, 2);
}

i32 day_count_days(enum day_count convention, i32 from, i32 to)
{
    assert(from <= to);
    struct civil_date first = civil_date_from_day(from);
    struct civil_date last = civil_date_from_day(to);
    switch (convention) {
    case DAY_COUNT_ACT_ACT_ISDA:
    case DAY_COUNT_ACT_365F:
    case DAY_COUNT_ACT_360: return to - from;
    case DAY_COUNT_30E_360:
        first.day = MIN(first.day, 30);
        last.day = MIN(last.day, 30);
        break;
    case DAY_COUNT_30_360_US:
        if (is_last_of_february(first)) {
            if (is_last_of_february(last)) last.day = 30;
            first.day = 30;
        }
        __attribute__((fallthrough));
    case DAY_COUNT_30_360_BOND:
    default:
        assert(convention == DAY_COUNT_30_360_US || convention == DAY_COUNT_30_360_BOND);
        first.day = MIN(first.day, 30);
        if (first.day == 30) last.day = MIN(last.day, 30);
        break;
    }
    return 360 * (last.year - first.year) + 30 * (last.month - first.month) +
           (last.day - first.day);
}

// Days of a span that lie in leap years. Whole years in between are counted, not walked.
static i32 days_in_leap_years(i32 from, i32 to)
{
    i32 first_year = civil_date_from_day(from).year;
    i32 last_year = civil_date_from_day(to).year;
    if (first_year == last_year) return civil_is_leap_year(first_year) ? to - from : 0;
    i32 days = 0;
    if (civil_is_leap_year(first_year))
        days += civil_day_from_date((struct civil_date){first_year, 12, 31}) + 1 - from;
    if (civil_is_leap_year(last_year))
        days += to - civil_day_from_date((struct civil_date){last_year, 1, 1});
    // Leap years from first_year + 1 to last_year - 1.
    i32 before = last_year - 1, until = first_year;
    i32 leap_years =
        (before / 4 - before / 100 + before / 400) - (until / 4 - until / 100 + until / 400);
    return days + 366 * leap_years;
}

bool day_count_fraction(enum day_count convention, i32 from, i32 to, struct rate *fraction)
{
    if (to < from) return false;
    i32 days = day_count_days(convention, from, to);
    assert(days >= 0); // No rule moves the first date past a later one.
    if (convention == DAY_COUNT_ACT_ACT_ISDA) {
        i32 leap = days_in_leap_years(from, to);
        assert(leap >= 0 && leap <= days);
        u64 numerator = (u64)leap * 365 + (u64)(days - leap) * 366;
        *fraction = rate_make(numerator, 365ull * 366ull);
        return true;
    }
    *fraction = rate_make((u128)days, convention == DAY_COUNT_ACT_365F ? 365 : 360);
    return true;
}

const char *day_count_name(enum day_count convention)
{
    static const char *const names[] = {
        [DAY_COUNT_ACT_ACT_ISDA] = "ACT/ACT ISDA", [DAY_COUNT_ACT_365F] = "ACT/365F",
        [DAY_COUNT_ACT_360] = "ACT/360",           [DAY_COUNT_30_360_BOND] = "30/360",
        [DAY_COUNT_30_360_US] = "30/360 US",       [DAY_COUNT_30E_360] = "30E/360",
    };
    assert((size_t)convention < ARRAY_COUNT(names));
    return names[convention];
}
