// SPDX-License-Identifier: Apache-2.0
//
// Many events from a file, JSON objects one a line, or CSV.
#ifndef TAEL_CLI_LEDGER_EVENTS_H
#define TAEL_CLI_LEDGER_EVENTS_H

#include "schema/schema.h"

struct ledger_events {
    const struct schema_record *record;
    char *text;   // The whole file.
    size_t begin; // Behind a byte-order mark.
    size_t size;
    bool is_json;
};

// Reads the file, standard input for "-", and checks every line: JSON when it begins with a brace,
// else CSV whose first row names the fields. STATUS_INVALID names file, line, field and rule; it is
// also for a file without events, and for a chain of linked events that is longer than a batch.
// Takes memory for the whole file, of at most 4 GiB, which ledger_events_free gives back.
MUST_USE enum status ledger_events_read(struct ledger_events *events,
                                        const struct schema_record *record, const char *path,
                                        struct failure *failure);
void ledger_events_free(struct ledger_events *events);
// Hands the events on, a batch at a time: puts them into `out`, which has room for
// LEDGER_BATCH_EVENTS_MAX, and calls `send`. A batch holds whole chains, so it is full unless the
// next chain does not fit. Ends when `send` returns another status than STATUS_OK.
MUST_USE enum status ledger_events_send(const struct ledger_events *events, u8 *out,
                                        enum status (*send)(void *context, u32 count,
                                                            struct failure *failure),
                                        void *context, struct failure *failure);

#endif
