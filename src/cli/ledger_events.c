// SPDX-License-Identifier: Apache-2.0
//
// Many events from a file.
#include "cli/ledger_events.h"

#include "codec/record_json.h"
#include "codec/record_text.h"
#include "ledger/ledger_types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_SIZE_MAX (64 * MIB)

static enum status input_read(const char *path, char **text, size_t *size, struct failure *failure)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        return failure_set_errno(failure, STATUS_NOT_FOUND, errno, "opening %s", path);
    }
    *text = malloc(INPUT_SIZE_MAX);
    assert(*text != NULL);
    *size = fread(*text, 1, INPUT_SIZE_MAX, file);
    bool more = !feof(file);
    int error = ferror(file) ? errno : 0;
    if (file != stdin) (void)fclose(file);
    if (!more) return STATUS_OK;
    free(*text);
    *text = NULL;
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "reading %s", path);
    return failure_set(failure, STATUS_INVALID, "%s has more than %llu bytes", path,
                       (unsigned long long)INPUT_SIZE_MAX);
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

// The next event of a file of JSON objects, one a line. False at its end.
static bool json_event_next(struct json_lines *lines, const struct schema_record *record, void *out,
                            enum status *status, struct failure *failure)
{
    const char *line = NULL;
    size_t size = 0;
    size_t used = 0;
    u32 number = 0;
    if (!json_lines_next(lines, true, &line, &size, &number)) return false;
    *status = record_json_parse(record, line, size, number, out, record->size, &used, failure);
    return true;
}

// Where events go as they are read, or nowhere when they are only checked.
struct sink {
    u8 *out;
    enum status (*send)(void *context, u32 count, struct failure *failure);
    void *context;
};

static enum status events_walk(const struct ledger_events *events, const struct sink *sink,
                               struct failure *failure)
{
    const struct schema_record *record = events->record;
    struct json_lines lines = json_lines_init(events->text, events->size, 1);
    struct record_csv *csv = calloc(1, sizeof *csv);
    assert(csv != NULL);
    u32 count = 0;
    enum status status = STATUS_OK;
    if (!events->is_json) {
        status = record_csv_begin(csv, record, events->text, events->size, failure);
    }
    while (status == STATUS_OK) {
        u8 *event = sink->out + (size_t)count * record->size;
        bool is_over = false;
        if (events->is_json) is_over = !json_event_next(&lines, record, event, &status, failure);
        else status = record_csv_next(csv, event, &is_over, failure);
        if (is_over) break;
        if (status != STATUS_OK || sink->send == NULL) continue;
        if (++count < LEDGER_BATCH_EVENTS_MAX) continue;
        status = sink->send(sink->context, count, failure);
        count = 0;
    }
    if (status == STATUS_OK && count > 0) status = sink->send(sink->context, count, failure);
    free(csv);
    return status;
}

enum status ledger_events_read(struct ledger_events *events, const struct schema_record *record,
                               const char *path, struct failure *failure)
{
    _Alignas(16) u8 event[SCHEMA_TEXT_MAX];
    const struct sink nowhere = {.out = event};
    size_t begin = 0;
    assert(record->size <= sizeof event);
    *events = (struct ledger_events){.record = record};
    if (input_read(path, &events->text, &events->size, failure) != STATUS_OK) {
        return failure->status;
    }
    while (begin < events->size && is_blank(events->text[begin])) begin++;
    events->is_json = begin == events->size || events->text[begin] == '{';
    if (events_walk(events, &nowhere, failure) == STATUS_OK) return STATUS_OK;
    ledger_events_free(events);
    return failure_wrap(failure, "%s", path);
}

void ledger_events_free(struct ledger_events *events)
{
    free(events->text);
    events->text = NULL;
}

enum status ledger_events_send(const struct ledger_events *events, u8 *out,
                               enum status (*send)(void *context, u32 count,
                                                   struct failure *failure),
                               void *context, struct failure *failure)
{
    const struct sink sink = {.out = out, .send = send, .context = context};
    return events_walk(events, &sink, failure);
}
