// SPDX-License-Identifier: Apache-2.0
//
// Differences kept and printed.
#include "audit/report.h"

#include "codec/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void audit_report_init(struct audit_report *report, u64 limit)
{
    *report = (struct audit_report){.limit = limit};
    report->kept = calloc(MAX(limit, 1), sizeof *report->kept);
    assert(report->kept != NULL);
}

void audit_report_free(struct audit_report *report)
{
    free(report->kept);
    report->kept = NULL;
}

struct audit_difference *audit_differ(struct audit_report *report, enum audit_promise promise,
                                      const struct audit_place *place, const char *format, ...)
{
    report->difference_count++;
    if (report->kept_count == report->limit) return NULL;
    struct audit_difference *difference = &report->kept[report->kept_count++];
    difference->promise = promise;
    difference->place = *place;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(difference->what, sizeof difference->what, format, arguments);
    va_end(arguments);
    return difference;
}

void audit_differ_account(struct audit_report *report, const struct audit_place *place, u128 id,
                          u32 ledger, const char *field, u128 by_log, u128 by_checkpoint)
{
    char texts[3][NUMBER_SIZE_MAX];
    (void)number_print_u128(id, texts[0]);
    (void)number_print_u128(by_log, texts[1]);
    (void)number_print_u128(by_checkpoint, texts[2]);
    struct audit_difference *difference =
        audit_differ(report, AUDIT_CHECKPOINT, place,
                     "account %s of ledger %u: %s is %s by the log, %s in the checkpoint", texts[0],
                     ledger, field, texts[1], texts[2]);
    if (difference == NULL) return;
    difference->has_account = true;
    difference->account = id;
    difference->ledger = ledger;
    difference->field = field;
    difference->by_log = by_log;
    difference->by_checkpoint = by_checkpoint;
}

struct audit_place audit_place_log(u64 place, u64 frame)
{
    struct audit_place out = {
        .offset = place % AUDIT_LOG_FILE_SIZE, .frame = frame, .row = AUDIT_NONE};
    (void)snprintf(out.file, sizeof out.file, "log-%08x", (u32)(place / AUDIT_LOG_FILE_SIZE));
    return out;
}

struct audit_place audit_place_row(u64 row, u64 frame)
{
    const u64 page = row / AUDIT_PAGE_ROWS;
    struct audit_place out = {
        .offset = page % AUDIT_ROWS_FILE_PAGES * PAGE_SIZE +
                  (row % AUDIT_PAGE_ROWS + 1) * sizeof(struct audit_row),
        .frame = frame,
        .row = row,
    };
    (void)snprintf(out.file, sizeof out.file, "rows-%08x", (u32)(page / AUDIT_ROWS_FILE_PAGES));
    return out;
}

struct audit_place audit_place_file(const char *name, u64 offset)
{
    struct audit_place out = {.offset = offset, .frame = AUDIT_NONE, .row = AUDIT_NONE};
    (void)snprintf(out.file, sizeof out.file, "%s", name);
    return out;
}

struct audit_place audit_place_none(void)
{
    return (struct audit_place){.frame = AUDIT_NONE, .row = AUDIT_NONE};
}

const char *audit_promise_name(enum audit_promise promise)
{
    static const char *const names[AUDIT_PROMISE_COUNT] = {
        [AUDIT_BYTES] = "bytes",     [AUDIT_CHECKPOINT] = "checkpoint",
        [AUDIT_OUTCOME] = "outcome", [AUDIT_L1] = "L1",
        [AUDIT_L2] = "L2",           [AUDIT_L3] = "L3",
        [AUDIT_L5] = "L5",           [AUDIT_L10] = "L10",
        [AUDIT_L11] = "L11",
    };
    assert(promise < AUDIT_PROMISE_COUNT);
    return names[promise];
}

static void difference_line(const struct audit_difference *difference, struct text *out)
{
    const struct audit_place *place = &difference->place;
    text_append_format(out, "differs [%s]", audit_promise_name(difference->promise));
    if (place->file[0] != 0) {
        text_append_format(out, " %s offset %llu", place->file, (unsigned long long)place->offset);
    }
    if (place->frame != AUDIT_NONE) {
        text_append_format(out, " frame %llu", (unsigned long long)place->frame);
    }
    if (place->row != AUDIT_NONE) {
        text_append_format(out, " row %llu", (unsigned long long)place->row);
    }
    text_append_string(out, ": ");
    text_append_string(out, difference->what);
    text_append_char(out, '\n');
}

struct count {
    const char *name;
    u64 value;
};

#define COUNTS 26u

// The counts that both forms print, in this order.
static u32 counts_of(const struct audit_report *report, u64 milliseconds,
                     struct count counts[COUNTS])
{
    const struct count all[] = {
        {"frames", report->frames},
        {"commands", report->commands},
        {"transfers", report->transfers},
        {"transfers_refused", report->transfers_refused},
        {"expiries", report->expiries},
        {"postings", report->postings},
        {"records", report->records},
        {"commands_without_rows", report->commands_whole},
        {"rows", report->rows},
        {"snapshots", report->snapshots},
        {"roots", report->roots},
        {"accounts", report->accounts},
        {"accounts_of_modules", report->accounts_of_modules},
        {"open_holds", report->holds},
        {"ledgers", report->ledgers},
        {"ids", report->ids},
        {"controls", report->controls},
        {"log_bytes", report->log_bytes},
        {"checkpoint", report->checkpoint_sequence},
        {"frames_not_in_history", report->frames_ahead},
        {"commands_not_in_history", report->commands_ahead},
        {"heads", report->heads},
        {"heads_not_in_history", report->heads_ahead},
        {"heads_behind_the_end", report->heads_behind},
        {"tree_size", report->tree_size},
        {"milliseconds", milliseconds},
    };
    static_assert(ARRAY_COUNT(all) == COUNTS, "each has room");
    memcpy(counts, all, sizeof all);
    return COUNTS;
}

static void summary_line(const struct audit_report *report, u64 milliseconds, struct text *out)
{
    struct count counts[COUNTS];
    const u32 count = counts_of(report, milliseconds, counts);
    // Where no balance was recomputed nobody shall read that all is well.
    text_append_string(out, report->compared ? "ok:" : "log only:");
    for (u32 i = 0; i < count; i++) {
        if (counts[i].value == 0) continue;
        text_append_format(out, " %s %llu", counts[i].name, (unsigned long long)counts[i].value);
    }
    text_append_string(out, " head ");
    text_append_hex(out, report->head.bytes, sizeof report->head.bytes);
    if (report->tree_size > 0) {
        text_append_string(out, " tree_root ");
        text_append_hex(out, report->tree_root.bytes, sizeof report->tree_root.bytes);
    }
    if (!report->has_checkpoint) {
        text_append_string(out, "; no checkpoint, so there is no history: the chain and the digests"
                                " of the log alone were checked");
    } else if (report->frames_ahead > 0) {
        text_append_format(out,
                           "; of the last %llu frames, behind the checkpoint, chain and digests "
                           "were checked: their outcomes are not in history yet",
                           (unsigned long long)report->frames_ahead);
    }
    if (report->is_backup) text_append_string(out, "; a backup, to its end");
    if (report->torn) {
        text_append_string(out, "; the log ends in an unfinished frame, never acknowledged");
    }
    text_append_char(out, '\n');
}

void audit_report_lines(const struct audit_report *report, u64 milliseconds, struct text *out)
{
    if (report->difference_count == 0) {
        summary_line(report, milliseconds, out);
        return;
    }
    for (u64 i = 0; i < report->kept_count; i++) difference_line(&report->kept[i], out);
    const u64 more = report->difference_count - report->kept_count;
    if (more > 0) {
        text_append_format(out, "differs: %llu more that are not shown\n",
                           (unsigned long long)more);
    }
}

static void difference_json(const struct audit_difference *difference, struct json_writer *writer)
{
    const struct audit_place *place = &difference->place;
    json_write_object_begin(writer);
    json_write_key(writer, "promise");
    json_write_text(writer, audit_promise_name(difference->promise));
    if (place->file[0] != 0) {
        json_write_key(writer, "file");
        json_write_text(writer, place->file);
        json_write_key(writer, "offset");
        json_write_u64(writer, place->offset);
    }
    if (place->frame != AUDIT_NONE) {
        json_write_key(writer, "frame");
        json_write_u64(writer, place->frame);
    }
    if (place->row != AUDIT_NONE) {
        json_write_key(writer, "row");
        json_write_u64(writer, place->row);
    }
    if (difference->has_account) {
        json_write_key(writer, "account");
        json_write_u128_string(writer, difference->account);
        json_write_key(writer, "ledger");
        json_write_u64(writer, difference->ledger);
    }
    if (difference->field != NULL) {
        json_write_key(writer, "field");
        json_write_text(writer, difference->field);
        json_write_key(writer, "by_log");
        json_write_u128_string(writer, difference->by_log);
        json_write_key(writer, "by_checkpoint");
        json_write_u128_string(writer, difference->by_checkpoint);
    }
    json_write_key(writer, "what");
    json_write_text(writer, difference->what);
    json_write_object_end(writer);
}

void audit_report_json(const struct audit_report *report, u64 milliseconds,
                       struct json_writer *writer)
{
    struct count counts[COUNTS];
    const u32 count = counts_of(report, milliseconds, counts);
    json_write_object_begin(writer);
    json_write_key(writer, "ok");
    json_write_bool(writer, report->difference_count == 0);
    json_write_key(writer, "has_checkpoint");
    json_write_bool(writer, report->has_checkpoint);
    json_write_key(writer, "balances_compared");
    json_write_bool(writer, report->compared);
    json_write_key(writer, "torn");
    json_write_bool(writer, report->torn);
    json_write_key(writer, "backup");
    json_write_bool(writer, report->is_backup);
    for (u32 i = 0; i < count; i++) {
        json_write_key(writer, counts[i].name);
        json_write_u64(writer, counts[i].value);
    }
    json_write_key(writer, "log_id");
    json_write_u128_string(writer, report->log_id);
    json_write_key(writer, "head");
    json_write_hex(writer, report->head.bytes, sizeof report->head.bytes);
    json_write_key(writer, "tree_root");
    json_write_hex(writer, report->tree_root.bytes, sizeof report->tree_root.bytes);
    json_write_key(writer, "difference_count");
    json_write_u64(writer, report->difference_count);
    json_write_key(writer, "differences");
    json_write_array_begin(writer);
    for (u64 i = 0; i < report->kept_count; i++) difference_json(&report->kept[i], writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
    json_write_line_end(writer);
}

size_t audit_report_size(const struct audit_report *report)
{
    // A character of `what` takes six bytes as an escape.
    return 4096 + report->kept_count * (6 * sizeof report->kept->what + 1024);
}
