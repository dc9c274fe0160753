// SPDX-License-Identifier: Apache-2.0
//
// A row of a benchmark's table: what is measured beside a reference in the same run, since the
// ratio of the two is what compares between machines. bench/depth reads the rows.
#ifndef TAEL_BENCH_ROW_H
#define TAEL_BENCH_ROW_H

#include <stdio.h>
#include <string.h>

struct bench_row {
    const char *name;
    double value;
    const char *unit; // Ends with "/s": more is better. Else less is.
    const char *reference_name;
    double reference; // In the same unit.
};

// Digits behind the point that a reader can use.
static inline int bench_row_digits(double value)
{
    return value < 1000 ? 3 : 0;
}

// Prints a row, aligned with those before it.
static inline void bench_row_print(const struct bench_row *row)
{
    const size_t size = strlen(row->unit);
    const int is_rate = size >= 2 && strcmp(row->unit + size - 2, "/s") == 0;
    const double ratio = is_rate ? row->value / row->reference : row->reference / row->value;
    (void)printf("%-34s %13.*f %-4s | %-24s %13.*f %-4s | %8.3f times as fast\n", row->name,
                 bench_row_digits(row->value), row->value, row->unit, row->reference_name,
                 bench_row_digits(row->reference), row->reference, row->unit, ratio);
    (void)fflush(stdout);
}

#endif
