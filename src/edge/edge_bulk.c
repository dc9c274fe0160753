// SPDX-License-Identifier: Apache-2.0
//
// Uploads of a record a line.
//
// Invariants
//   U1 Batches are `first` to `first + count` of the ring, the oldest first; only the last one may
//      be open to more lines.
//   U2 Every line that was read is an entry of one batch, in order; the lines of an answer are
//      those of the oldest batch, as soon as it is done.
//   U3 Records of a chain that is not over are the last ones of the open batch.
#include "edge/edge_bulk.h"

#include "codec/record_json.h"
#include "edge/edge_result.h"
#include "ledger/ledger_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES_MAX     16384u
#define TEXTS_MAX       (512u * KIB) // Of bad lines, of one batch, about.
#define TEXT_SIZE_MAX   8192u
#define OUT_SIZE        (256u * KIB)
#define RESULT_SIZE_MAX 640u
#define LINKED          1u // In the flags of accounts and transfers.
#define DEADLINE_FACTOR 6u // Of a command of an upload, in deadlines.
static_assert(ACCOUNT_LINKED == LINKED && TRANSFER_LINKED == LINKED, "the same bit");

enum what {
    WHAT_RECORD, // `at` is its place in the command.
    WHAT_BAD,    // `at` is where its text is.
    WHAT_CHAIN,  // It is of a chain that has a bad line.
};

struct entry {
    u32 line;
    u32 what : 2;
    u32 at : 30;
};

enum batch_state {
    BATCH_OPEN,
    BATCH_WAITING, // For a connection to the server.
    BATCH_SENT,
    BATCH_DONE,
};

struct batch {
    struct edge_bulk *bulk;
    enum batch_state state;
    u128 command_id;
    struct tael_command command;
    struct edge_ticket ticket;
    u32 first_line;
    u32 entry_count;
    u32 record_count;
    u32 offsets_end; // Where the last record ends in the body.
    bool is_refused; // As a whole: `problem` says why.
    struct edge_problem problem;
    bool is_raw; // Of what was answered:
    u64 position;
    void *answer; // A reply or a result for each record.
    char *texts;  // Problem documents of bad lines, each with its size before it.
    u32 texts_size;
    u32 texts_room;
    struct entry entries[ENTRIES_MAX];
    _Alignas(16) u8 body[TAEL_BODY_MAX];
};

struct edge_bulk {
    struct edge_request *request;
    struct edge_bulk *next_waiting; // Among those with a batch that waits for a connection.
    bool is_waiting;
    struct batch *batches[EDGE_BULK_BATCHES];
    u32 first;
    u32 count;
    u128 key; // 0: none.
    bool only_refused;
    bool is_over;    // All lines are in.
    bool is_stopped; // A command was not carried out: nothing more is sent.
    struct edge_problem stop_problem;

    u32 line;      // Of the next line.
    char *partial; // A line that is not whole yet.
    size_t partial_size;
    size_t partial_room;
    bool is_passing; // Over the rest of a line that is too long.

    u32 chain_entry;  // Of the open batch: the entry that the open chain begins with,
    u32 chain_record; // and its record.
    bool chain_open;
    bool chain_broken; // Records up to the end of the chain are refused.

    u64 lines;
    u64 refused;
    u64 position;
    int spool; // -1: none yet.
    u64 spooled;
    bool spool_failed;
    char *out;
    size_t out_size;
};

// --- batches -------------------------------------------------------------------------------------

static struct batch *batch_at(const struct edge_bulk *bulk, u32 index)
{
    return bulk->batches[(bulk->first + index) % EDGE_BULK_BATCHES];
}

static struct batch *batch_open(struct edge_bulk *bulk)
{
    struct batch *last = bulk->count > 0 ? batch_at(bulk, bulk->count - 1) : NULL;
    return last != NULL && last->state == BATCH_OPEN ? last : NULL;
}

static struct batch *batch_add(struct edge_bulk *bulk)
{
    if (bulk->count == EDGE_BULK_BATCHES) return NULL;
    const u32 at = (bulk->first + bulk->count) % EDGE_BULK_BATCHES;
    struct batch *batch = bulk->batches[at];
    if (batch == NULL) {
        // Not zeroed: only the pages that are used are touched.
        batch = malloc(sizeof *batch);
        assert(batch != NULL);
        batch->texts = NULL;
        batch->texts_room = 0;
        batch->answer = NULL;
        bulk->batches[at] = batch;
    }
    bulk->count++;
    batch->bulk = bulk;
    batch->state = BATCH_OPEN;
    batch->ticket.ticket = 0;
    batch->entry_count = batch->record_count = batch->offsets_end = batch->texts_size = 0;
    batch->first_line = 0;
    batch->is_refused = false;
    bulk->chain_entry = bulk->chain_record = 0;
    return batch;
}

static void text_keep(struct batch *batch, const char *text, u32 size)
{
    const u32 whole = (u32)sizeof size + size;
    if (batch->texts_size + whole > batch->texts_room) {
        batch->texts_room = MAX(batch->texts_room * 2, MAX(batch->texts_size + whole, 65536u));
        batch->texts = realloc(batch->texts, batch->texts_room);
    }
    assert(batch->texts != NULL);
    memcpy(batch->texts + batch->texts_size, &size, sizeof size);
    memcpy(batch->texts + batch->texts_size + sizeof size, text, size);
    batch->texts_size += whole;
}

static struct entry *entry_add(struct batch *batch, u32 line, enum what what, u32 at)
{
    assert(batch->entry_count < ENTRIES_MAX);
    if (batch->entry_count == 0) batch->first_line = line;
    struct entry *entry = &batch->entries[batch->entry_count++];
    *entry = (struct entry){.line = line, .what = (u32)what & 3, .at = at & 0x3fffffff};
    return entry;
}

// --- the answer ----------------------------------------------------------------------------------

static void spool_open(struct edge_bulk *bulk)
{
    const char *folder = bulk->request->edge->options->spool;
    char path[4160];
    bulk->spool = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (bulk->spool >= 0) return;
    // A file system that has no such files.
    (void)snprintf(path, sizeof path, "%s/tael-edge-XXXXXX", folder);
    bulk->spool = mkostemp(path, O_CLOEXEC);
    if (bulk->spool >= 0) (void)unlink(path);
    else bulk->spool_failed = true;
}

static void out_flush(struct edge_bulk *bulk)
{
    size_t done = 0;
    if (bulk->spool < 0 && !bulk->spool_failed) spool_open(bulk);
    while (done < bulk->out_size && !bulk->spool_failed) {
        const ssize_t put = write(bulk->spool, bulk->out + done, bulk->out_size - done);
        if (put > 0) done += (size_t)put;
        else if (put == 0 || errno != EINTR) bulk->spool_failed = true;
    }
    bulk->spooled += bulk->out_size;
    bulk->out_size = 0;
}

static void out_room(struct edge_bulk *bulk, size_t size)
{
    assert(size <= OUT_SIZE);
    if (OUT_SIZE - bulk->out_size < size) out_flush(bulk);
}

static void line_begin(struct json_writer *writer, u32 line)
{
    json_write_object_begin(writer);
    json_write_key(writer, "line");
    json_write_u64(writer, line);
}

static void result_put(struct edge_bulk *bulk, u32 line, const struct edge_result *result)
{
    bulk->refused += !result->is_done;
    if (bulk->only_refused && result->is_done) return;
    out_room(bulk, RESULT_SIZE_MAX);
    struct json_writer writer = json_writer_init(bulk->out + bulk->out_size, RESULT_SIZE_MAX);
    line_begin(&writer, line);
    edge_result_write(result, &writer);
    json_write_object_end(&writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    bulk->out_size += writer.text.size;
}

static void problem_put(struct edge_bulk *bulk, u32 line, const struct edge_problem *problem)
{
    struct edge_problem of_line = *problem;
    bulk->refused++;
    of_line.line = line;
    of_line.column = 1;
    out_room(bulk, TEXT_SIZE_MAX);
    struct json_writer writer = json_writer_init(bulk->out + bulk->out_size, TEXT_SIZE_MAX);
    edge_problem_write(&of_line, &writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    bulk->out_size += writer.text.size;
}

static void text_put(struct edge_bulk *bulk, const struct batch *batch, u32 at)
{
    u32 size = 0;
    memcpy(&size, batch->texts + at, sizeof size);
    bulk->refused++;
    out_room(bulk, size);
    memcpy(bulk->out + bulk->out_size, batch->texts + at + sizeof size, size);
    bulk->out_size += size;
}

static struct edge_result result_of(const struct edge_bulk *bulk, const struct batch *batch, u32 at)
{
    const struct edge_endpoint *endpoint = bulk->request->endpoint;
    if (batch->is_raw) {
        const struct tael_create_result *results = batch->answer;
        return edge_result_of_raw(endpoint, &results[at], batch->position);
    }
    return edge_result_of_reply(endpoint, &((const struct tael_reply *)batch->answer)[at]);
}

static void batch_put(struct edge_bulk *bulk, const struct batch *batch)
{
    const struct tael_create_result chain = {.status = CREATE_TRANSFER_LINKED_EVENT_FAILED};
    for (u32 i = 0; i < batch->entry_count; i++) {
        const struct entry *entry = &batch->entries[i];
        struct edge_result result;
        switch ((enum what)entry->what) {
        case WHAT_BAD: text_put(bulk, batch, entry->at); break;
        case WHAT_CHAIN:
            result = edge_result_of_raw(bulk->request->endpoint, &chain, 0);
            result_put(bulk, entry->line, &result);
            break;
        case WHAT_RECORD:
            if (batch->is_refused) {
                problem_put(bulk, entry->line, &batch->problem);
                break;
            }
            result = result_of(bulk, batch, entry->at);
            result_put(bulk, entry->line, &result);
            break;
        }
    }
}

static void respond(struct edge_bulk *bulk)
{
    struct edge_request *request = bulk->request;
    char number[24];
    if (bulk->spool >= 0 || bulk->spool_failed) out_flush(bulk);
    if (bulk->spool_failed) {
        const struct edge_problem problem = edge_problem_make(
            EDGE_PROBLEM_INTERNAL, "the results could not be kept; what was sent is carried out, "
                                   "and the same upload under "
                                   "the same Idempotency-Key tells what became of it");
        edge_refuse(request, &problem);
        return;
    }
    if (bulk->spool < 0) {
        edge_respond(request, 200, "application/x-ndjson", bulk->out, bulk->out_size);
    } else {
        struct MHD_Response *response =
            MHD_create_response_from_fd_at_offset64(bulk->spooled, bulk->spool, 0);
        assert(response != NULL);
        bulk->spool = -1; // The response's.
        request->sent = bulk->spooled;
        edge_respond_with(request, 200, "application/x-ndjson", response);
    }
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)bulk->lines);
    edge_response_header(request, "Tael-Lines", number);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)bulk->refused);
    edge_response_header(request, "Tael-Refused", number);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)bulk->position);
    edge_response_header(request, "Tael-Position", number);
}

// Writes out what is done. Whether something was.
static bool drain(struct edge_bulk *bulk)
{
    bool is_freed = false;
    while (bulk->count > 0 && batch_at(bulk, 0)->state == BATCH_DONE) {
        batch_put(bulk, batch_at(bulk, 0));
        bulk->first = (bulk->first + 1) % EDGE_BULK_BATCHES;
        bulk->count--;
        is_freed = true;
    }
    return is_freed;
}

// The same, and goes on with what waited for that.
static void advance(struct edge_bulk *bulk)
{
    struct edge_request *request = bulk->request;
    const bool is_freed = drain(bulk);
    if (bulk->is_over && bulk->count == 0 && request->response == NULL) {
        respond(bulk);
    } else if (is_freed && !bulk->is_over && request->is_suspended) {
        edge_request_resume(request);
    }
}

// --- sending -------------------------------------------------------------------------------------

static void batch_refuse(struct batch *batch, const struct edge_problem *problem)
{
    batch->is_refused = true;
    batch->problem = *problem;
    batch->problem.command_id = batch->command_id;
    batch->state = BATCH_DONE;
}

static void batch_answered(void *context, const struct tael_answer *answer)
{
    struct batch *batch = context;
    struct edge_bulk *bulk = batch->bulk;
    struct edge_request *request = bulk->request;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        edge_core_give_up(&request->edge->core, &batch->ticket);
    }
    batch->ticket.ticket = 0;
    if (answer->error == TAEL_OK && answer->result == TAEL_RESULT_DONE) {
        const size_t each =
            answer->results != NULL ? sizeof(struct tael_create_result) : sizeof(struct tael_reply);
        const void *from =
            answer->results != NULL ? (const void *)answer->results : (const void *)answer->replies;
        if (batch->answer == NULL) batch->answer = malloc(TAEL_RAW_MAX * sizeof(struct tael_reply));
        assert(batch->answer != NULL && answer->count == batch->record_count);
        memcpy(batch->answer, from, answer->count * each);
        batch->is_raw = answer->results != NULL;
        batch->position = answer->position;
        bulk->position = MAX(bulk->position, answer->position);
        batch->state = BATCH_DONE;
    } else {
        struct edge_problem problem;
        if (answer->error != TAEL_OK || answer->maybe_applied) {
            problem = edge_problem_of_error(request, answer->error, answer->maybe_applied);
            bulk->is_stopped = true;
            bulk->stop_problem = edge_problem_make(EDGE_PROBLEM_UNREACHABLE,
                                                   "a command before was not answered; this line "
                                                   "was not sent: send all again under the "
                                                   "same Idempotency-Key");
        } else {
            problem = edge_problem_of_answer(request, answer);
        }
        batch_refuse(batch, &problem);
    }
    advance(bulk);
}

// The id of a command of an upload that has a key.
static u128 batch_id(const struct edge_bulk *bulk, const struct batch *batch)
{
    static const char domain[] = "tael edge: upload";
    struct {
        char domain[24];
        u64 principal;
        u128 key;
        u64 first_line;
        u64 reserved;
    } named = {.principal = bulk->request->caller.principal,
               .key = bulk->key,
               .first_line = batch->first_line};
    struct digest digest;
    memcpy(named.domain, domain, sizeof domain);
    sha256(&named, sizeof named, &digest);
    const u128 id = load_u128(digest.bytes);
    return id != 0 ? id : 1;
}

static void waiting_add(struct edge_bulk *bulk)
{
    struct edge_bulk **link = &bulk->request->edge->waiting_bulks;
    if (bulk->is_waiting) return;
    while (*link != NULL) link = &(*link)->next_waiting;
    *link = bulk;
    bulk->next_waiting = NULL;
    bulk->is_waiting = true;
}

// Submits a batch; false when there is no connection that takes it now.
static bool batch_send(struct batch *batch)
{
    struct edge_bulk *bulk = batch->bulk;
    struct edge *edge = bulk->request->edge;
    const struct edge_endpoint *endpoint = bulk->request->endpoint;
    batch->command = (struct tael_command){
        .id = {.low = (u64)batch->command_id, .high = (u64)(batch->command_id >> 64)},
        .record = endpoint->record->number,
        .version = 1,
        .count = batch->record_count,
        .body_size = batch->offsets_end,
        .body = batch->body,
    };
    const u64 deadline_ms = edge->options->deadline * 1000ull * DEADLINE_FACTOR;
    const enum tael_error error =
        edge_core_command(&edge->core, &batch->command, bulk->request->caller.principal,
                          deadline_ms, batch_answered, batch, &batch->ticket);
    if (error == TAEL_OK) batch->state = BATCH_SENT;
    return error == TAEL_OK;
}

// Closes the open batch: it takes no more lines, and is sent. Chains are not cut: what is of one
// that is not over begins the next batch.
static void batch_close(struct edge_bulk *bulk, struct batch *batch)
{
    batch->command_id =
        bulk->key != 0 ? batch_id(bulk, batch) : edge_core_id(&bulk->request->edge->core);
    if (batch->record_count == 0) {
        batch->state = BATCH_DONE;
    } else if (bulk->is_stopped) {
        batch_refuse(batch, &bulk->stop_problem);
    } else if (!batch_send(batch)) {
        batch->state = BATCH_WAITING;
        waiting_add(bulk);
    }
}

void edge_bulk_tick(struct edge *edge)
{
    while (edge->waiting_bulks != NULL) {
        struct edge_bulk *bulk = edge->waiting_bulks;
        bool is_left = false;
        for (u32 i = 0; i < bulk->count && !is_left; i++) {
            struct batch *batch = batch_at(bulk, i);
            is_left = batch->state == BATCH_WAITING && !batch_send(batch);
        }
        if (is_left) return;
        edge->waiting_bulks = bulk->next_waiting;
        bulk->is_waiting = false;
    }
}

// --- lines ---------------------------------------------------------------------------------------

static bool is_raw_record(const struct edge_bulk *bulk)
{
    return bulk->request->endpoint->module == NULL;
}

// The batch to add to, with room for one more line and a record's head; NULL when some have to be
// answered first.
static struct batch *batch_with_room(struct edge_bulk *bulk)
{
    const struct schema_record *record = bulk->request->endpoint->record;
    (void)drain(bulk); // Those that had nothing to send.
    struct batch *batch = batch_open(bulk);
    if (batch == NULL) return batch_add(bulk);
    const u64 at = align_up(batch->offsets_end, TAEL_RECORD_ALIGNMENT);
    if (batch->record_count < TAEL_RAW_MAX && at + record->size <= TAEL_BODY_MAX &&
        batch->entry_count < ENTRIES_MAX && batch->texts_size < TEXTS_MAX) {
        return batch;
    }
    if (bulk->count == EDGE_BULK_BATCHES) return NULL; // It is closed when there is another.
    const u32 entry = bulk->chain_entry, first = bulk->chain_record;
    // A chain that fills a whole batch is sent as it is: it is refused.
    const bool moves = bulk->chain_open && entry > 0;
    const u32 entry_count = batch->entry_count, record_count = batch->record_count;
    const u32 end = batch->offsets_end;
    if (moves) {
        batch->entry_count = entry;
        batch->record_count = first;
        batch->offsets_end = first * record->size;
    } else {
        bulk->chain_open = false;
    }
    batch_close(bulk, batch);
    struct batch *next = batch_add(bulk);
    assert(next != NULL);
    if (!moves) return next;
    // Records of chains are raw: all of one size.
    for (u32 i = entry; i < entry_count; i++) {
        const struct entry *from = &batch->entries[i];
        assert(from->what == WHAT_RECORD);
        (void)entry_add(next, from->line, WHAT_RECORD, from->at - first);
    }
    next->record_count = record_count - first;
    next->offsets_end = end - first * record->size;
    memcpy(next->body, batch->body + (size_t)first * record->size, next->offsets_end);
    return next;
}

// Refuses the records of the open chain, and those that follow up to its end.
static void chain_break(struct edge_bulk *bulk, struct batch *batch)
{
    if (bulk->chain_open) {
        for (u32 i = bulk->chain_entry; i < batch->entry_count; i++) {
            batch->entries[i].what = WHAT_CHAIN;
        }
        batch->record_count = bulk->chain_record;
        batch->offsets_end = bulk->chain_record * bulk->request->endpoint->record->size;
    }
    bulk->chain_open = false;
    bulk->chain_broken = true;
}

static void bad_line(struct edge_bulk *bulk, struct batch *batch, u32 line,
                     const struct edge_problem *problem, bool is_linked)
{
    char text[TEXT_SIZE_MAX];
    struct json_writer writer = json_writer_init(text, sizeof text);
    edge_problem_write(problem, &writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    if (bulk->chain_open || is_linked) chain_break(bulk, batch);
    (void)entry_add(batch, line, WHAT_BAD, batch->texts_size);
    text_keep(batch, text, (u32)writer.text.size);
}

static void record_added(struct edge_bulk *bulk, struct batch *batch, u32 line, const void *record,
                         u32 at, u32 end)
{
    const bool is_linked =
        is_raw_record(bulk) && ((bulk->request->endpoint->record == &ledger_schema_account
                                     ? ((const struct account *)record)->flags
                                     : ((const struct transfer *)record)->flags) &
                                LINKED) != 0;
    if (bulk->chain_broken) {
        (void)entry_add(batch, line, WHAT_CHAIN, 0);
        bulk->chain_broken = is_linked;
        return;
    }
    if (is_linked && !bulk->chain_open) {
        bulk->chain_entry = batch->entry_count;
        bulk->chain_record = batch->record_count;
    }
    bulk->chain_open = is_linked;
    memset(batch->body + batch->offsets_end, 0, at - batch->offsets_end);
    (void)entry_add(batch, line, WHAT_RECORD, batch->record_count++);
    batch->offsets_end = end;
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != ' ' && text[i] != '\t') return false;
    }
    return true;
}

// Takes a whole line. False when some batches have to be answered first; nothing was taken then.
static bool line_take(struct edge_bulk *bulk, const char *text, size_t size, bool is_too_long)
{
    const struct schema_record *record = bulk->request->endpoint->record;
    if (size > 0 && text[size - 1] == '\r') size--;
    if (is_blank(text, size) && !is_too_long) {
        bulk->line++;
        return true;
    }
    struct edge_problem problem;
    struct failure failure = {0};
    for (u32 tries = 0; tries < 2; tries++) {
        struct batch *batch = batch_with_room(bulk);
        if (batch == NULL) return false;
        const u32 at = (u32)align_up(batch->offsets_end, TAEL_RECORD_ALIGNMENT);
        struct json_error error = {0};
        struct json_reader reader = json_reader_init(text, size, bulk->line);
        struct json_value end;
        size_t used = 0;
        reader.error = &error;
        if (is_too_long) {
            problem = edge_problem_make(EDGE_PROBLEM_TOO_LARGE, "a line has at most %llu bytes",
                                        (unsigned long long)bulk->request->edge->options->body_max);
            problem.line = bulk->line;
            problem.column = 1;
            bad_line(bulk, batch, bulk->line, &problem, false);
            break;
        }
        enum status status = record_json_decode(record, &reader, batch->body + at,
                                                TAEL_BODY_MAX - at, &used, &failure);
        if (status == STATUS_OK) status = json_next(&reader, &end, &failure);
        if (status == STATUS_OK) {
            record_added(bulk, batch, bulk->line, batch->body + at, at, at + (u32)used);
            break;
        }
        if (status == STATUS_FULL && batch->record_count > 0 && tries == 0) {
            if (bulk->count == EDGE_BULK_BATCHES) return false;
            batch_close(bulk, batch);
            continue;
        }
        problem = edge_problem_of_json(&error, &failure);
        bad_line(bulk, batch, bulk->line, &problem,
                 is_raw_record(bulk) && memmem(text, size, "linked", 6) != NULL);
        break;
    }
    bulk->line++;
    bulk->lines++;
    bulk->request->edge->metrics.bulk_lines++;
    return true;
}

static void partial_add(struct edge_bulk *bulk, const char *data, size_t size)
{
    if (bulk->is_passing) return;
    if (bulk->partial_size + size > bulk->request->edge->options->body_max) {
        bulk->is_passing = true;
        return;
    }
    if (bulk->partial_size + size > bulk->partial_room) {
        bulk->partial_room = MAX(2 * bulk->partial_room, MAX(bulk->partial_size + size, 4096u));
        bulk->partial = realloc(bulk->partial, bulk->partial_room);
        assert(bulk->partial != NULL);
    }
    memcpy(bulk->partial + bulk->partial_size, data, size);
    bulk->partial_size += size;
}

size_t edge_bulk_feed(struct edge_request *request, const char *data, size_t size)
{
    struct edge_bulk *bulk = request->bulk;
    size_t used = 0;
    while (used < size) {
        const char *newline = memchr(data + used, '\n', size - used);
        if (newline == NULL) {
            partial_add(bulk, data + used, size - used);
            return size;
        }
        const size_t line = (size_t)(newline - data) - used;
        const size_t before = bulk->partial_size;
        const bool was_passing = bulk->is_passing;
        const char *text = data + used;
        size_t whole = line;
        if (before > 0 || was_passing) {
            partial_add(bulk, data + used, line);
            text = bulk->partial;
            whole = bulk->partial_size;
        }
        if (!line_take(bulk, text, whole, bulk->is_passing)) {
            bulk->partial_size = before;
            bulk->is_passing = was_passing;
            edge_request_suspend(request);
            return used;
        }
        bulk->partial_size = 0;
        bulk->is_passing = false;
        used += line + 1;
    }
    return size;
}

void edge_bulk_finish(struct edge_request *request)
{
    struct edge_bulk *bulk = request->bulk;
    if (bulk->partial_size > 0 || bulk->is_passing) {
        if (!line_take(bulk, bulk->partial, bulk->partial_size, bulk->is_passing)) {
            edge_request_suspend(request);
            return; // It is called again.
        }
        bulk->partial_size = 0;
        bulk->is_passing = false;
    }
    struct batch *batch = batch_open(bulk);
    if (batch != NULL) {
        bulk->chain_open = false;
        batch_close(bulk, batch);
    }
    bulk->is_over = true;
    request->phase = EDGE_PHASE_WORK;
    advance(bulk);
    if (request->response == NULL) edge_request_suspend(request);
}

void edge_bulk_begin(struct edge_request *request)
{
    struct edge *edge = request->edge;
    u128 key = 0;
    const struct edge_parameter *results = edge_target_find(&request->target, "results");
    struct edge_problem problem;
    if (!edge_command_id_read(request, &key) || !edge_parameters_used(request)) return;
    const bool only_refused = results != NULL && strcmp(results->value, "refused") == 0;
    if (results != NULL && !only_refused && strcmp(results->value, "all") != 0) {
        problem =
            edge_problem_make(EDGE_PROBLEM_BAD_PARAMETER, "results: it is \"all\" or \"refused\"");
        edge_refuse(request, &problem);
        return;
    }
    if (edge->upload_count >= EDGE_UPLOADS_MAX) {
        problem = edge_problem_make(EDGE_PROBLEM_BUSY,
                                    "there are %u uploads at work, as many as "
                                    "may be",
                                    EDGE_UPLOADS_MAX);
        problem.retry_after = 1;
        edge_refuse(request, &problem);
        return;
    }
    struct edge_bulk *bulk = calloc(1, sizeof *bulk);
    assert(bulk != NULL);
    bulk->request = request;
    bulk->key = key;
    bulk->only_refused = only_refused;
    bulk->line = 1;
    bulk->spool = -1;
    bulk->out = malloc(OUT_SIZE);
    assert(bulk->out != NULL);
    request->bulk = bulk;
    edge->upload_count++;
}

void edge_bulk_free(struct edge_request *request)
{
    struct edge_bulk *bulk = request->bulk;
    struct edge *edge = request->edge;
    if (bulk == NULL) return;
    for (struct edge_bulk **link = &edge->waiting_bulks; *link != NULL;
         link = &(*link)->next_waiting) {
        if (*link != bulk) continue;
        *link = bulk->next_waiting;
        break;
    }
    for (u32 i = 0; i < EDGE_BULK_BATCHES; i++) {
        struct batch *batch = bulk->batches[i];
        if (batch == NULL) continue;
        if (batch->state == BATCH_SENT) edge_core_give_up(&edge->core, &batch->ticket);
        free(batch->texts);
        free(batch->answer);
        free(batch);
    }
    if (bulk->spool >= 0) (void)close(bulk->spool);
    free(bulk->partial);
    free(bulk->out);
    free(bulk);
    request->bulk = NULL;
    edge->upload_count--;
}
