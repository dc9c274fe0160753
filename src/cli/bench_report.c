// SPDX-License-Identifier: Apache-2.0
//
// The report of a load.
#include "cli/bench_internal.h"

#include "codec/field.h"

void bench_report_init(struct bench_run *run)
{
    struct bench_report *report = &run->report.head;
    const struct schema_record *record = &cli_schema_bench_report;
    memset(&run->report, 0, sizeof run->report);
    for (u32 i = 0; i < record->field_count; i++) {
        if (record->fields[i].flags & FIELD_NULLABLE)
            field_set(&record->fields[i], 0, report, BENCH_NONE);
    }
    memcpy(report->workload, run->options.workload, sizeof report->workload);
    report->transfers = run->options.transfers;
    report->accounts = run->options.accounts;
    report->clients = run->options.clients;
    report->batch = run->options.batch;
}

void bench_report_print(const struct bench_run *run, enum cli_form form)
{
    const u32 windows = run->report.head.windows_count;
    struct bench_report head = run->report.head;
    if (form != CLI_TABLE) {
        cli_print_record(&cli_schema_bench_report, form, &run->report);
        return;
    }
    head.windows_count = 0; // They are a table of their own.
    cli_print_record(&cli_schema_bench_report, form, &head);
    if (windows == 0) return;
    (void)putchar('\n');
    cli_print_rows(&cli_schema_bench_window, form, run->report.windows,
                   sizeof run->report.windows[0], windows);
}
