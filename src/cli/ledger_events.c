// SPDX-License-Identifier: Apache-2.0
//
// Many events from a file.
#include "cli/ledger_events.h"

#include "cli/cli.h"
#include "codec/record_json.h"
#include "codec/record_text.h"
#include "ledger/ledger_types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

// The next event of a file of JSON objects, one a line, and its line. False at its end.
static bool json_event_next(struct json_lines *lines, const struct schema_record *record, void *out,
                            u32 *number, enum status *status, struct failure *failure)
{
    const char *line = NULL;
    size_t size = 0;
    size_t used = 0;
    if (!json_lines_next(lines, true, &line, &size, number)) return false;
    *status = record_json_parse(record, line, size, *number, out, record->size, &used, failure);
    return true;
}

// Where events go as they are read; when they are only checked, `send` is NULL and `out` unused.
struct sink {
    u8 *out;
    enum status (*send)(void *context, u32 count, struct failure *failure);
    void *context;
};

struct walk {
    const struct ledger_events *events;
    const struct sink *sink;
    struct json_lines lines;
    struct record_csv csv;
    u8 *chain;      // The events of the chain that is being read; LEDGER_BATCH_EVENTS_MAX.
    u32 chain_size; // How many they are,
    u32 chain_line; // and the line of the first.
    u32 count;      // Events of whole chains in the sink's batch.
    bool is_any;
};

static_assert((int)ACCOUNT_LINKED == (int)TRANSFER_LINKED, "one flag");

static bool is_linked(const struct schema_record *record, const u8 *event)
{
    const struct schema_field *flags = schema_find_field(record, "flags", 5);
    assert(flags != NULL);
    return (field_get(flags, 0, event) & TRANSFER_LINKED) != 0;
}

static enum status batch_send(struct walk *walk, struct failure *failure)
{
    const u32 count = walk->count;
    walk->count = 0;
    if (count == 0 || walk->sink->send == NULL) return STATUS_OK;
    return walk->sink->send(walk->sink->context, count, failure);
}

// The chain has ended, or the file within it, which is the server's to refuse. It takes effect
// whole or not at all only within one batch.
static enum status chain_end(struct walk *walk, struct failure *failure)
{
    const size_t size = walk->events->record->size;
    if (walk->count + walk->chain_size > LEDGER_BATCH_EVENTS_MAX &&
        batch_send(walk, failure) != STATUS_OK) {
        return failure->status;
    }
    if (walk->sink->send != NULL)
        memcpy(walk->sink->out + walk->count * size, walk->chain, walk->chain_size * size);
    walk->count += walk->chain_size;
    walk->chain_size = 0;
    return STATUS_OK;
}

// Reads an event behind those of its chain.
static enum status event_read(struct walk *walk, bool *is_over, struct failure *failure)
{
    const struct schema_record *record = walk->events->record;
    _Alignas(16) u8 event[SCHEMA_TEXT_MAX];
    enum status status = STATUS_OK;
    u32 line = walk->csv.reader.line;
    assert(record->size <= sizeof event);
    if (walk->events->is_json) {
        *is_over = !json_event_next(&walk->lines, record, event, &line, &status, failure);
    } else {
        status = record_csv_next(&walk->csv, event, is_over, failure);
    }
    if (status != STATUS_OK || *is_over) return status;
    if (walk->chain_size == 0) walk->chain_line = line;
    if (walk->chain_size == LEDGER_BATCH_EVENTS_MAX) {
        return failure_set(failure, STATUS_INVALID,
                           "line %u: the chain of linked events that begins here is longer than "
                           "the %u events of a batch",
                           walk->chain_line, LEDGER_BATCH_EVENTS_MAX);
    }
    memcpy(walk->chain + (size_t)walk->chain_size++ * record->size, event, record->size);
    walk->is_any = true;
    return is_linked(record, event) ? STATUS_OK : chain_end(walk, failure);
}

static enum status events_walk(const struct ledger_events *events, const struct sink *sink,
                               struct failure *failure)
{
    const char *text = events->text + events->begin;
    const size_t size = events->size - events->begin;
    struct walk *walk = calloc(1, sizeof *walk);
    assert(walk != NULL);
    *walk = (struct walk){
        .events = events,
        .sink = sink,
        .lines = json_lines_init(text, size, 1),
        .chain = malloc((size_t)LEDGER_BATCH_EVENTS_MAX * events->record->size),
    };
    assert(walk->chain != NULL);
    enum status status = STATUS_OK;
    bool is_over = false;
    if (!events->is_json)
        status = record_csv_begin(&walk->csv, events->record, text, size, failure);
    while (status == STATUS_OK && !is_over) status = event_read(walk, &is_over, failure);
    if (status == STATUS_OK) status = chain_end(walk, failure);
    if (status == STATUS_OK) status = batch_send(walk, failure);
    if (status == STATUS_OK && !walk->is_any) {
        status = failure_set(failure, STATUS_INVALID, "it holds no %s", events->record->name);
    }
    free(walk->chain);
    free(walk);
    return status;
}

// Where the first event begins, or what stands there instead.
static enum status begin_find(struct ledger_events *events, struct failure *failure)
{
    static const char mark[] = "\xef\xbb\xbf"; // What some programs begin UTF-8 with.
    const size_t mark_size = sizeof mark - 1;
    if (events->size >= mark_size && memcmp(events->text, mark, mark_size) == 0)
        events->begin = mark_size;
    size_t first = events->begin;
    u32 line = 1;
    for (; first < events->size && is_blank(events->text[first]); first++)
        line += events->text[first] == '\n';
    events->is_json = first == events->size || events->text[first] == '{';
    if (first == events->size || events->text[first] != '[') return STATUS_OK;
    failure_note(failure, STATUS_INVALID, "line %u: an array of JSON is not taken", line);
    failure_hint(failure, "write its objects one a line, without brackets around them and commas "
                          "between them");
    return STATUS_INVALID;
}

enum status ledger_events_read(struct ledger_events *events, const struct schema_record *record,
                               const char *path, struct failure *failure)
{
    const struct sink nowhere = {0};
    *events = (struct ledger_events){.record = record};
    if (cli_input_read(path, &events->text, &events->size, failure) != STATUS_OK) {
        return failure->status;
    }
    if (begin_find(events, failure) == STATUS_OK &&
        events_walk(events, &nowhere, failure) == STATUS_OK) {
        return STATUS_OK;
    }
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
