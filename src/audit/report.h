// SPDX-License-Identifier: Apache-2.0
//
// What an audit found: counts, and differences with their places.
//
// Every difference is counted; the first `limit` are kept. What is kept is printed as one line
// each, or within one JSON document. Costs about 650 bytes a kept difference.
#ifndef TAEL_AUDIT_REPORT_H
#define TAEL_AUDIT_REPORT_H

#include "audit/format.h"
#include "codec/json.h"

// What is broken: a promise of docs/ARCHITECTURE.md, the bytes, or what is told twice differently.
enum audit_promise {
    AUDIT_BYTES,      // A checksum or a field that is not as docs/FORMAT.md says.
    AUDIT_CHECKPOINT, // The log gives something else than the checkpoint has.
    AUDIT_OUTCOME,    // A row of history is not what its event asks for.
    AUDIT_L1,
    AUDIT_L2,
    AUDIT_L3,
    AUDIT_L5,
    AUDIT_L10,
    AUDIT_L11,
    AUDIT_PROMISE_COUNT,
};

#define AUDIT_NONE U64_MAX

struct audit_place {
    char file[40]; // Empty: none.
    u64 offset;    // In the file.
    u64 frame;     // AUDIT_NONE: none, as below.
    u64 row;       // Of history.
};

struct audit_difference {
    enum audit_promise promise;
    struct audit_place place;
    char what[400]; // The longest has six ids and a balance.
    bool has_account;
    u128 account;
    u32 ledger;
    const char *field; // Of the account: "debits_posted"; NULL none.
    u128 by_log;
    u128 by_checkpoint;
};

struct audit_report {
    u64 frames;
    u64 frames_ahead; // Behind the checkpoint: without rows yet.
    u64 commands;
    u64 commands_ahead;
    u64 commands_whole; // That left no rows: refused as one, repeated, or without a consequence.
    u64 transfers;      // That took effect, posts and voids included.
    u64 transfers_refused;
    u64 expiries;
    u64 postings; // Of modules.
    u64 records;  // Of modules' commands.
    u64 snapshots;
    u64 rows;
    u64 log_bytes;
    u64 roots; // Headers whose outcome root was derived again and agrees.
    u64 accounts;
    u64 accounts_of_modules;
    u64 holds; // Open at the end.
    u64 ids;   // That were looked at for use more than once.
    u64 ledgers;
    u64 controls;
    u64 heads;        // Held, of frames that the log has as they say,
    u64 heads_ahead;  // of these without their roots: the outcomes are not in history yet;
    u64 heads_behind; // of frames behind the end of a backup.
    u64 checkpoint_sequence;
    bool has_checkpoint;
    bool compared;  // The tables of the checkpoint were.
    bool is_backup; // The log ends where the file `backup` says.
    bool torn;      // The log ends in an unfinished frame that was never acknowledged.
    u128 log_id;
    struct digest head; // Hash of the last header.
    u64 tree_size;      // Of the tree of outcomes that the rows give: its leaves, frames; its root.
    struct digest tree_root;
    struct audit_difference *kept;
    u64 kept_count;
    u64 limit;
    u64 difference_count;
};

// An empty report that keeps `limit` differences; audit_report_free gives its memory back.
void audit_report_init(struct audit_report *report, u64 limit);
void audit_report_free(struct audit_report *report);

// Counts a difference, and keeps it while there is room. Returns it when it was kept, else NULL.
struct audit_difference *audit_differ(struct audit_report *report, enum audit_promise promise,
                                      const struct audit_place *place, const char *format, ...)
    PRINTF_LIKE(4, 5);
// The same about a sum of an account that the log and the checkpoint tell differently.
void audit_differ_account(struct audit_report *report, const struct audit_place *place, u128 id,
                          u32 ledger, const char *field, u128 by_log, u128 by_checkpoint);

// Places: of a byte of the log; of a row of history; of a byte of another file; of what has none.
struct audit_place audit_place_log(u64 place, u64 frame);
struct audit_place audit_place_row(u64 row, u64 frame);
struct audit_place audit_place_file(const char *name, u64 offset);
struct audit_place audit_place_none(void);

// "L1", "bytes", ...
const char *audit_promise_name(enum audit_promise promise);
// Writes one line a kept difference, how many more there are, and the summary when there is none.
void audit_report_lines(const struct audit_report *report, u64 milliseconds, struct text *out);
// Writes all of it as one JSON object on a line.
void audit_report_json(const struct audit_report *report, u64 milliseconds,
                       struct json_writer *writer);
// Room that either form needs at most.
size_t audit_report_size(const struct audit_report *report);

#endif
