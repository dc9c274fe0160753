// SPDX-License-Identifier: Apache-2.0
//
// For tests: what a node answers about names, beside the model of them (name/name_model.h).
//
// The first difference is told to the caller, who must not return. Nothing is read from the disk.
#ifndef TAEL_MACHINE_NAME_COMPARE_H
#define TAEL_MACHINE_NAME_COMPARE_H

#include "machine/node_ask.h"
#include "modules/name/name_model.h"

struct name_compare {
    struct node_ask *ask;
    const struct name_model *model;
    struct random *random;                            // Draws what is asked.
    void (*differs)(void *context, const char *what); // Does not return.
    void *context;
};

// All names page by page, those under a prefix, those of something, those behind any cursor.
void name_compare_lists(struct name_compare *compare);
// What some path names.
void name_compare_found(struct name_compare *compare);
// The sums under some prefix, in one turn or in many.
void name_compare_sums(struct name_compare *compare);
// The turnover of some months under some prefix, in one line or by parts, page by page, in one turn
// or in many. The model must have been told of every posting to accounts in books.
void name_compare_turnover(struct name_compare *compare);
// A question about turnover that is not refused.
struct name_turnover name_compare_question(struct name_compare *compare);
// Whether a line is the model's, but for positions and the count of names.
bool name_compare_line(const struct name_turnover_row *line,
                       const struct name_turnover_row *expected);

#endif
