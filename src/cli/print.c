// SPDX-License-Identifier: Apache-2.0
//
// Records on standard output, in the form that was asked for. Whether it all could be written is
// looked at once, in the end (cli_main).
#include "cli/cli.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Of one row; the largest is a report of a load with its windows.
#define BUFFER_SIZE MIB
#define LINE_WIDTH  120u

static void put(const struct text *text)
{
    assert(!text_overflowed(text));
    (void)cli_write(stdout, text->data, text->size);
}

void cli_text_set(char *out, size_t size, const char *text)
{
    memcpy(out, text, MIN(strlen(text), size - 1));
}

// What a line may take: all of a terminal, else what most terminals have.
static size_t line_width(void)
{
    struct winsize size;
    const bool is_known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return is_known && size.ws_col > 0 ? size.ws_col : LINE_WIDTH;
}

static void card_print(struct cli_rows *rows, const void *head)
{
    struct text out = text_init(rows->buffer, BUFFER_SIZE);
    record_write_card(rows->record, RECORD_TABLE_DROP_ZERO, head, &out);
    put(&out);
}

void cli_rows_begin(struct cli_rows *rows, const struct schema_record *record, enum cli_form form,
                    u32 indent)
{
    *rows = (struct cli_rows){
        .record = record,
        .form = form,
        .style = RECORD_JSON_ALL,
        .table = record_table_init(record, RECORD_TABLE_DROP_ZERO, indent),
        .buffer = malloc(BUFFER_SIZE),
    };
    assert(rows->buffer != NULL);
}

void cli_rows_show_all(struct cli_rows *rows)
{
    rows->table = record_table_init(rows->record, 0, rows->table.indent);
}

void cli_rows_measure(struct cli_rows *rows, const void *head)
{
    if (rows->form == CLI_TABLE) record_table_measure(&rows->table, head);
}

static void column_hide(struct cli_rows *rows, const char *name)
{
    const struct schema_field *field = schema_find_field(rows->record, name, strlen(name));
    assert(field != NULL);
    rows->table.columns[field - rows->record->fields].is_shown = false;
}

void cli_rows_header(struct cli_rows *rows)
{
    struct text out = text_init(rows->buffer, BUFFER_SIZE);
    if (rows->has_header || rows->form == CLI_JSON) return;
    rows->has_header = true;
    const bool is_wide = rows->form == CLI_TABLE && record_table_width(&rows->table) > line_width();
    rows->is_cards = is_wide && rows->may_be_cards;
    if (is_wide && rows->spare != NULL) column_hide(rows, rows->spare);
    if (rows->is_cards) return;
    if (rows->form == CLI_CSV) record_write_csv_header(rows->record, &out);
    else record_table_write_header(&rows->table, &out);
    put(&out);
}

void cli_rows_print(struct cli_rows *rows, const void *head)
{
    struct text out = text_init(rows->buffer, BUFFER_SIZE);
    struct json_writer writer = json_writer_init(rows->buffer, BUFFER_SIZE);
    cli_rows_header(rows);
    if (rows->is_cards && rows->is_any) (void)putchar('\n');
    rows->is_any = true;
    if (rows->is_cards) {
        card_print(rows, head);
        return;
    }
    switch (rows->form) {
    case CLI_TABLE: record_table_write_row(&rows->table, head, &out); break;
    case CLI_CSV: record_write_csv_row(rows->record, head, &out); break;
    case CLI_JSON:
        record_json_write(rows->record, rows->style, head, &writer);
        json_write_line_end(&writer);
        out = writer.text;
        break;
    }
    put(&out);
}

void cli_rows_end(struct cli_rows *rows)
{
    if (rows->form == CLI_CSV) cli_rows_header(rows);
    free(rows->buffer);
    rows->buffer = NULL;
}

void cli_print_rows(const struct schema_record *record, enum cli_form form, const void *data,
                    size_t stride, u32 count)
{
    struct cli_rows rows;
    const u8 *bytes = data;
    cli_rows_begin(&rows, record, form, 0);
    rows.may_be_cards = true;
    for (u32 i = 0; i < count; i++) cli_rows_measure(&rows, bytes + i * stride);
    for (u32 i = 0; i < count; i++) cli_rows_print(&rows, bytes + i * stride);
    cli_rows_end(&rows);
}

void cli_print_record(const struct schema_record *record, enum cli_form form, const void *data)
{
    struct cli_rows rows;
    cli_rows_begin(&rows, record, form, 0);
    if (form == CLI_TABLE) card_print(&rows, data);
    else cli_rows_print(&rows, data);
    cli_rows_end(&rows);
}

// --- progress ------------------------------------------------------------------------------------

#define BAR_LENGTH 40u

void cli_bar_put(u64 done, u64 total, u64 count, const char *counted)
{
    if (isatty(STDERR_FILENO) != 1) return;
    const u32 filled = total == 0 ? BAR_LENGTH : (u32)((u128)done * BAR_LENGTH / total);
    char bar[BAR_LENGTH + 1];
    memset(bar, ' ', BAR_LENGTH);
    memset(bar, '#', filled);
    bar[BAR_LENGTH] = 0;
    (void)fprintf(stderr, "\r[%s] %llu %s", bar, (unsigned long long)count, counted);
    (void)fflush(stderr);
}

void cli_bar_end(void)
{
    if (isatty(STDERR_FILENO) == 1) (void)fputc('\n', stderr);
}
