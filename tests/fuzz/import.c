// SPDX-License-Identifier: Apache-2.0
//
// Imports: a file of each kind as `tael import` reads it, CSV or JSON; and staged rows as a server
// takes them, carried out by a machine over a log. The first byte says which.
//
// Of a file each row is a whole record or has a line and a reason. Of rows, whatever they are,
// every one is carried out or refused, the machine's invariants hold behind each slice, and the
// import ends.
#include "fuzz.h"

#include "cli/import_file.h"
#include "codec/record_binary.h"
#include "machine/command_world.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
#include "modules/import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOOK       7u
#define FIRST_DAY  20454
#define ROWS_MAX   64u
#define SLICES_MAX 64u
#define RUNS_MAX   64u // Imports of one log.
#define SPACE      65536u

// --- files ---------------------------------------------------------------------------------------

static const struct schema_record *record_of(enum import_file_kind kind)
{
    return kind == IMPORT_FILE_ACCOUNTS ? &book_schema_book_account_open : &entry_schema_entry_post;
}

static void file_read(u8 how, const uint8_t *data, size_t size)
{
    char path[64];
    struct import_file *file = NULL;
    struct failure failure = {0};
    const int fd = memfd_create("import", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct import_file_options options = {
        .kind = how % 4, .path = path, .book = how & 4 ? BOOK : 0, .against = 9};
    const enum status status = import_file_open(&file, &options, &failure);
    (void)close(fd);
    FUZZ_CHECK(status == STATUS_OK || (status == STATUS_INVALID && failure.message[0] != 0));
    static struct import_file_row row;
    u64 line = 0;
    while (status == STATUS_OK && import_file_next(file, &row)) {
        FUZZ_CHECK(row.line >= line && row.line <= size + 1);
        line = row.line;
        if (row.is_bad) {
            FUZZ_CHECK(row.failure.message[0] != 0);
            continue;
        }
        FUZZ_CHECK(record_binary_check(record_of(options.kind), row.record, row.size, &failure) ==
                   STATUS_OK);
    }
    if (status == STATUS_OK) import_file_close(file);
}

// --- rows ----------------------------------------------------------------------------------------

static struct command_world world;
static u32 runs;
static u64 last_id; // Of commands, and of imports.

static u32 run(u16 record, const void *body, u32 size)
{
    const u32 count = command_world_run(&world, ++last_id, record, body, size, 1);
    FUZZ_CHECK(count == 1);
    return command_world_reply(&world, 0).result;
}

static void done(u16 record, const void *body, u32 size)
{
    FUZZ_CHECK(run(record, body, size) == MODULE_DONE);
}

static void log_begin(void)
{
    const struct genesis genesis = command_world_genesis();
    const struct entity_open entity = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = FIRST_DAY};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 7, .kind = KIND_ASSET, .name = "c"};
    const struct book_open book = {
        .book = BOOK, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "b"};
    command_world_init(&world, &genesis);
    done(0x0201, &entity, sizeof entity);
    done(0x0301, &asset, sizeof asset);
    done(0x0302, &code, sizeof code);
    done(0x0303, &book, sizeof book);
    for (u32 i = 1; i <= 3; i++) {
        const struct book_account_open account = {
            .account_id = i, .book = BOOK, .code = 7, .name = "a"};
        done(0x0304, &account, sizeof account);
    }
}

// A row as it should be, of the import's kind.
static u32 row_make(bool is_entry, u32 number, u8 *out)
{
    const u32 line = number + 2;
    u32 size = 0;
    memset(out, 0, 256);
    if (is_entry) {
        const struct entry_post post = {.entry_id = last_id * 1000 + number, .legs_count = 2};
        const struct entry_leg legs[2] = {
            {.book = BOOK, .side = SIDE_DEBIT, .account_id = 1, .amount = 5},
            {.book = BOOK, .side = SIDE_CREDIT, .account_id = 2 + number % 2, .amount = 5}};
        memcpy(out + 16, &post, sizeof post);
        memcpy(out + 16 + sizeof post, legs, sizeof legs);
        size = sizeof post + sizeof legs;
    } else {
        const struct book_account_open account = {
            .account_id = last_id * 1000 + number, .book = BOOK, .code = 7, .name = "n"};
        memcpy(out + 16, &account, sizeof account);
        size = sizeof account;
    }
    memcpy(out, &line, sizeof line);
    memcpy(out + 4, &size, sizeof size);
    return 16 + (u32)align_up(size, 16);
}

static void rows_run(u8 how, const uint8_t *data, size_t size)
{
    if (runs++ % RUNS_MAX == 0) {
        if (runs > 1) command_world_free(&world);
        log_begin();
    }
    const bool is_entry = how & 4;
    const struct import_open open = {.import_id = ++last_id,
                                     .kind = is_entry ? IMPORT_ENTRIES : IMPORT_ACCOUNTS,
                                     .is_whole = (how & 8) != 0};
    done(0x0a01, &open, sizeof open);
    u8 *body = fuzz_room(sizeof(struct import_rows) + SPACE);
    u8 *rows = body + sizeof(struct import_rows);
    u32 rows_size = 0;
    const u32 count = size > 0 ? data[0] % ROWS_MAX : 0;
    for (u32 i = 0; i < count; i++) rows_size += row_make(is_entry, i, rows + rows_size);
    if (size > 1 && rows_size > 0) fuzz_edit(rows, rows_size, data + 1, size - 1);
    const struct import_rows head = {
        .import_id = open.import_id, .count = count, .rows_size = rows_size};
    memcpy(body, &head, sizeof head);
    const u32 taken = run(0x0a02, body, (u32)sizeof head + rows_size);
    free(body);
    if (taken != MODULE_DONE) {
        const struct import_cancel cancel = {.import_id = open.import_id};
        done(0x0a04, &cancel, sizeof cancel);
        return;
    }
    const struct import_run go = {.import_id = open.import_id, .goes_on = true};
    done(0x0a03, &go, sizeof go);
    // A slice is a frame, and every invariant is looked at behind it.
    u32 slices = 0;
    while (machine_next_tick(&world.node.machine) == 0) {
        FUZZ_CHECK(slices++ < SLICES_MAX);
        command_world_slice(&world);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (data[0] < 128) file_read(data[0], data + 1, size - 1);
    else rows_run(data[0], data + 1, size - 1);
    return 0;
}
