// SPDX-License-Identifier: Apache-2.0
//
// Civil dates as day numbers, and the ISO 8601 text of dates and moments.
//
// A day number counts days since 1970-01-01 in the proleptic Gregorian calendar (ISO 8601-1:2019,
// 4.2.1): years 0 to 9999, year 0 being 1 BC. A moment is nanoseconds since 1970-01-01T00:00:00Z,
// leap seconds not counted, as POSIX does. No time zones: a date is a date, a moment is UTC. Pure,
// constant cost. It stands here and not in money because the text forms of records use it.
#ifndef TAEL_CODEC_CIVIL_H
#define TAEL_CODEC_CIVIL_H

#include "base/base.h"

#define CIVIL_YEAR_MAX 9999
#define CIVIL_DAY_MIN  (-719528) // 0000-01-01
#define CIVIL_DAY_MAX  2932896   // 9999-12-31

#define CIVIL_DATE_SIZE   11u // "2026-11-21" and the terminating zero.
#define CIVIL_MOMENT_SIZE 31u // "2026-11-21T09:30:00.000000001Z" and the terminating zero.

struct civil_date {
    i32 year;  // 0 to 9999
    i32 month; // 1 to 12
    i32 day;   // 1 to 31
};

// By the Gregorian rule, also before 1582.
bool civil_is_leap_year(i32 year);
// 28 to 31. `month` is 1 to 12.
i32 civil_days_in_month(i32 year, i32 month);
bool civil_date_is_valid(struct civil_date date);
// `date` is valid.
i32 civil_day_from_date(struct civil_date date);
// `day` is CIVIL_DAY_MIN to CIVIL_DAY_MAX.
struct civil_date civil_date_from_day(i32 day);
static inline bool civil_day_is_valid(i32 day)
{
    return day >= CIVIL_DAY_MIN && day <= CIVIL_DAY_MAX;
}
// ISO 8601: 1 is Monday, 7 is Sunday.
i32 civil_weekday(i32 day);
// The date `months` later (or earlier): the same day of the month, or the month's last day when it
// is shorter. False when the year leaves 0 to 9999.
MUST_USE bool civil_add_months(i32 day, i32 months, i32 *result);

// "2026-11-21". Terminated.
void civil_print_date(i32 day, char out[CIVIL_DATE_SIZE]);
#define NS_PER_DAY (86400ull * NS_PER_S)

// Where a text stopped being a date or a moment, and what is expected there.
struct civil_error {
    size_t offset;    // Bytes from the beginning.
    const char *rule; // A sentence without its stop.
};
// Exactly that form; false for any other text and for dates that do not exist. `error` may be null.
MUST_USE bool civil_parse_date(const char *text, size_t size, i32 *day, struct civil_error *error);
// "2026-11-21T09:30:00Z", with nine more digits when the nanoseconds are not zero. Terminated;
// returns the length.
size_t civil_print_moment(u64 nanoseconds, char out[CIVIL_MOMENT_SIZE]);
// A date, or date and time of RFC 3339 in UTC ("T" and "Z" in capitals, seconds 00 to 59, fraction
// of one to nine digits if any). False for any other text and for moments outside 1970 to 2554.
// `error` may be null.
MUST_USE bool civil_parse_moment(const char *text, size_t size, u64 *nanoseconds,
                                 struct civil_error *error);

#endif
