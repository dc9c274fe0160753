// SPDX-License-Identifier: Apache-2.0
//
// Civil dates as day numbers. The arithmetic counts years from March, so that the leap day is the
// last of its year, and in eras of 400 years, which all have 146,097 days.
#include "codec/civil.h"

#include <stdio.h>

#define DAYS_PER_ERA     146097
#define DAYS_BEFORE_1970 719468 // From 0000-03-01.

bool civil_is_leap_year(i32 year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

i32 civil_days_in_month(i32 year, i32 month)
{
    static const i32 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && civil_is_leap_year(year) ? 1 : 0);
}

bool civil_date_is_valid(struct civil_date date)
{
    return date.year >= 0 && date.year <= CIVIL_YEAR_MAX && date.month >= 1 && date.month <= 12 &&
           date.day >= 1 && date.day <= civil_days_in_month(date.year, date.month);
}

i32 civil_day_from_date(struct civil_date date)
{
    assert(civil_date_is_valid(date));
    // Shifted by one era, so that January of year 0 is not negative.
    i32 year = date.year - (date.month <= 2 ? 1 : 0) + 400;
    i32 era = year / 400;
    i32 year_of_era = year % 400;
    i32 month_from_march = (date.month + 9) % 12;
    i32 day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    i32 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (era - 1) * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
}

struct civil_date civil_date_from_day(i32 day)
{
    assert(day >= CIVIL_DAY_MIN && day <= CIVIL_DAY_MAX);
    i32 shifted = day + DAYS_BEFORE_1970 + DAYS_PER_ERA;
    i32 era = shifted / DAYS_PER_ERA;
    i32 day_of_era = shifted % DAYS_PER_ERA;
    i32 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    i32 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    i32 month_from_march = (5 * day_of_year + 2) / 153;
    struct civil_date date = {
        .year = (era - 1) * 400 + year_of_era + (month_from_march >= 10 ? 1 : 0),
        .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
    assert(civil_date_is_valid(date));
    return date;
}

i32 civil_weekday(i32 day)
{
    assert(day >= CIVIL_DAY_MIN && day <= CIVIL_DAY_MAX);
    // Day 0 was a Thursday; 719,530 is a multiple of 7 that makes the sum positive.
    return (day + 719530 + 3) % 7 + 1;
}

bool civil_add_months(i32 day, i32 months, i32 *result)
{
    struct civil_date date = civil_date_from_day(day);
    i64 month = (i64)date.year * 12 + date.month - 1 + months;
    if (month < 0 || month > (i64)CIVIL_YEAR_MAX * 12 + 11) return false;
    date.year = (i32)(month / 12);
    date.month = (i32)(month % 12) + 1;
    date.day = MIN(date.day, civil_days_in_month(date.year, date.month));
    *result = civil_day_from_date(date);
    return true;
}

// `count` digits of `value` at `out`.
static void print_digits(u64 value, u32 count, char *out)
{
    for (u32 i = count; i > 0; i--) {
        out[i - 1] = (char)('0' + (int)(value % 10));
        value /= 10;
    }
}

// A text that is read from left to right; `error` keeps what was expected where it stopped.
struct cursor {
    const char *text;
    size_t size;
    size_t offset;
    struct civil_error error;
};

static bool refuse(struct cursor *cursor, size_t offset, const char *rule)
{
    cursor->error = (struct civil_error){.offset = offset, .rule = rule};
    return false;
}

static bool take_char(struct cursor *cursor, char c, const char *rule)
{
    if (cursor->offset == cursor->size || cursor->text[cursor->offset] != c)
        return refuse(cursor, cursor->offset, rule);
    cursor->offset++;
    return true;
}

// A number of `count` digits from `min` to `max`.
static bool take_number(struct cursor *cursor, u32 count, i32 min, i32 max, const char *rule,
                        i32 *value)
{
    i32 sum = 0;
    const size_t begin = cursor->offset;
    for (u32 i = 0; i < count; i++, cursor->offset++) {
        if (cursor->offset == cursor->size) return refuse(cursor, cursor->offset, rule);
        const char c = cursor->text[cursor->offset];
        if (c < '0' || c > '9') return refuse(cursor, cursor->offset, rule);
        sum = sum * 10 + (c - '0');
    }
    if (sum < min || sum > max) return refuse(cursor, begin, rule);
    *value = sum;
    return true;
}

static bool take_date(struct cursor *cursor, i32 *day)
{
    static const char dash[] = "a dash is expected";
    struct civil_date date;
    if (!take_number(cursor, 4, 0, CIVIL_YEAR_MAX, "a year of four digits is expected",
                     &date.year) ||
        !take_char(cursor, '-', dash) ||
        !take_number(cursor, 2, 1, 12, "a month from 01 to 12 is expected", &date.month) ||
        !take_char(cursor, '-', dash))
        return false;
    if (!take_number(cursor, 2, 1, civil_days_in_month(date.year, date.month),
                     "a day that the month has is expected", &date.day))
        return false;
    *day = civil_day_from_date(date);
    return true;
}

static bool take_time(struct cursor *cursor, u64 *nanoseconds)
{
    i32 hours = 0, minutes = 0, seconds = 0;
    u64 fraction = 0;
    if (!take_char(cursor, 'T', "the letter T is expected, and the time behind it") ||
        !take_number(cursor, 2, 0, 23, "hours from 00 to 23 are expected", &hours) ||
        !take_char(cursor, ':', "a colon and minutes are expected") ||
        !take_number(cursor, 2, 0, 59, "minutes from 00 to 59 are expected", &minutes) ||
        !take_char(cursor, ':', "a colon and seconds are expected") ||
        !take_number(cursor, 2, 0, 59, "seconds from 00 to 59 are expected", &seconds))
        return false;
    if (cursor->offset < cursor->size && cursor->text[cursor->offset] == '.') {
        u64 unit = NS_PER_S;
        const size_t begin = ++cursor->offset;
        for (i32 digit = 0; unit > 1 && take_number(cursor, 1, 0, 9, "", &digit);) {
            unit /= 10;
            fraction += (u64)digit * unit;
        }
        if (cursor->offset == begin)
            return refuse(cursor, begin, "a fraction of one to nine digits is expected");
    }
    if (!take_char(cursor, 'Z', "the letter Z is expected: moments are UTC")) return false;
    const u32 of_day = (u32)((hours * 60 + minutes) * 60 + seconds);
    *nanoseconds = of_day * NS_PER_S + fraction;
    return true;
}

static bool take_end(struct cursor *cursor)
{
    return cursor->offset == cursor->size || refuse(cursor, cursor->offset, "the end is expected");
}

void civil_print_date(i32 day, char out[CIVIL_DATE_SIZE])
{
    struct civil_date date = civil_date_from_day(day);
    memcpy(out, "0000-00-00", CIVIL_DATE_SIZE);
    print_digits((u64)date.year, 4, out);
    print_digits((u64)date.month, 2, out + 5);
    print_digits((u64)date.day, 2, out + 8);
}

bool civil_parse_date(const char *text, size_t size, i32 *day, struct civil_error *error)
{
    struct cursor cursor = {.text = text, .size = size};
    bool is_date = take_date(&cursor, day) && take_end(&cursor);
    if (!is_date && error) *error = cursor.error;
    return is_date;
}

size_t civil_print_moment(u64 nanoseconds, char out[CIVIL_MOMENT_SIZE])
{
    u64 of_day = nanoseconds % NS_PER_DAY;
    u64 seconds = of_day / NS_PER_S;
    civil_print_date((i32)(nanoseconds / NS_PER_DAY), out);
    memcpy(out + 10, "T00:00:00Z", 11);
    print_digits(seconds / 3600, 2, out + 11);
    print_digits(seconds / 60 % 60, 2, out + 14);
    print_digits(seconds % 60, 2, out + 17);
    if (of_day % NS_PER_S == 0) return 20;
    out[19] = '.';
    print_digits(of_day % NS_PER_S, 9, out + 20);
    memcpy(out + 29, "Z", 2);
    return 30;
}

bool civil_parse_moment(const char *text, size_t size, u64 *nanoseconds, struct civil_error *error)
{
    struct cursor cursor = {.text = text, .size = size};
    i32 day = 0;
    u64 of_day = 0, sum = 0;
    bool is_moment = take_date(&cursor, &day);
    if (is_moment && cursor.offset < size)
        is_moment = take_time(&cursor, &of_day) && take_end(&cursor);
    if (is_moment && (day < 0 || __builtin_mul_overflow((u64)day, NS_PER_DAY, &sum) ||
                      __builtin_add_overflow(sum, of_day, &sum)))
        is_moment = refuse(&cursor, 0, "a moment from 1970 to 2554 is expected");
    if (is_moment) *nanoseconds = sum;
    else if (error) *error = cursor.error;
    return is_moment;
}
