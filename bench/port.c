// SPDX-License-Identifier: Apache-2.0
//
// Speeds of the tael port, through libtael, on a server of its own in a fresh folder:
//
//   raw       raw transfers in batches of 8,189, two in flight, and those of `tael bench ordered`
//             over the compat port; the ratio of the two in one run
//   entries   entries of four legs in batches of 4,000, two in flight, and raw transfers before
//   past      balances as of random effective days, positions and times, and statements of a day,
//             over the entries of many business days: p50, p99 and the slowest
//   turnover  sums over a book of 100,000 accounts, by code and by name prefix
//   project   the change stream of raw transfers into a file of SQLite: indexes made afterwards,
//             and live
//   import    a file of transfers, staged, looked at and carried out, in part and whole; and the
//             same number of entries of four legs before
//
//   bench-port TAEL FOLDER raw|entries|past|turnover|project|import [COUNT]
//
// FOLDER is made, and stays. Each row stands beside a reference in the same run.
#include "base/random.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
#include "modules/name/name.h"
#include "row.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <tael.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS      10000u
#define RAW_LEDGER    7u
#define BATCH_ENTRIES 4000u
#define IN_FLIGHT     2u
#define FIRST_DAY     20454 // 2026-01-01.
#define QUESTIONS     2000u

static struct tael_client *client;
static struct random source;
static pid_t server;
static volatile u64 sink; // What keeps the compiler from dropping the work.

static void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench-port: %s: %s\n", what, why);
    if (server > 0) (void)kill(server, SIGTERM);
    exit(1);
}

static u64 now_ns(void)
{
    return tael_now();
}

static void server_start(const char *tael, const char *folder)
{
    char port[512];
    int ends[2];
    char line[256];
    (void)snprintf(port, sizeof port, "unix:%s/socket", folder);
    if (pipe(ends) != 0) give_up("pipe", "none");
    server = fork();
    if (server == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        execl(tael, tael, "serve", "--data", folder, "--compat-port", "0", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    if (read(ends[0], line, sizeof line) <= 0) give_up("the server", "does not start");
    const struct tael_options options = {.address = port};
    client = tael_open(&options);
    if (tael_connect(client, 10000) != TAEL_OK) give_up("connecting", tael_problem(client));
}

static void server_stop(void)
{
    tael_close(client);
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
}

static void command(u32 record, const void *body, u32 size, u32 count)
{
    struct tael_answer answer;
    const struct tael_command one = {.id = tael_id(client),
                                     .record = record,
                                     .version = 1,
                                     .count = count,
                                     .body = body,
                                     .body_size = size};
    if (tael_command(client, &one, 60000, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE) {
        give_up("a command", answer.text != NULL ? answer.text : tael_problem(client));
    }
    for (u32 i = 0; answer.replies != NULL && i < answer.count; i++) {
        if (answer.replies[i].result != 0) give_up("a record", "refused");
    }
}

// Sends `total` bodies of commands, IN_FLIGHT at a time, each made while others are on their way.
static double send_all(u32 record, u32 records, u32 record_size, u64 total,
                       void (*make)(void *body, u64 first, u32 count))
{
    const u32 size = records * record_size;
    u8 *bodies[IN_FLIGHT];
    u64 tickets[IN_FLIGHT] = {0};
    struct tael_answer answer;
    for (u32 i = 0; i < IN_FLIGHT; i++) bodies[i] = aligned_alloc(64, align_up(size, 64));
    const u64 began = now_ns();
    for (u64 i = 0; i < total + IN_FLIGHT; i++) {
        const u32 at = (u32)(i % IN_FLIGHT);
        if (i >= IN_FLIGHT && (tael_await(client, tickets[at], 60000, &answer) != TAEL_OK ||
                               answer.result != TAEL_RESULT_DONE)) {
            give_up("a batch", tael_problem(client));
        }
        if (i >= total) continue;
        make(bodies[at], i * records, records);
        const struct tael_command one = {.id = tael_id(client),
                                         .record = record,
                                         .version = 1,
                                         .count = records,
                                         .body = bodies[at],
                                         .body_size = size};
        if (tael_submit_command(client, &one, 60000, NULL, NULL, &tickets[at]) != TAEL_OK) {
            give_up("submitting", tael_problem(client));
        }
        (void)tael_step(client);
    }
    const double seconds = (double)(now_ns() - began) / 1e9;
    for (u32 i = 0; i < IN_FLIGHT; i++) free(bodies[i]);
    return seconds;
}

// --- raw transfers -------------------------------------------------------------------------------

static void raw_make(void *body, u64 first, u32 count)
{
    struct transfer *transfers = body;
    for (u32 i = 0; i < count; i++) {
        const u64 debit = random_below(&source, ACCOUNTS);
        const u64 credit = (debit + 1 + random_below(&source, ACCOUNTS - 1)) % ACCOUNTS;
        transfers[i] = (struct transfer){
            .id = (u128)(first + i + 1) << 64 | random_u64(&source),
            .debit_account_id = 1 + debit,
            .credit_account_id = 1 + credit,
            .amount = 1 + random_below(&source, 10000),
            .user_data_128 = random_u128(&source),
            .user_data_64 = random_u64(&source),
            .user_data_32 = (u32)random_u64(&source),
            .ledger = RAW_LEDGER,
            .code = (u16)(1 + random_below(&source, 8)),
        };
    }
}

// Runs a command of tael that prints JSON. Returns the number of that name.
static double number_of(const char *line, const char *name)
{
    static char text[65536];
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    FILE *pipe = popen(line, "r"); // NOLINT(cert-env33-c): of who runs the benchmark.
    const size_t size = pipe == NULL ? 0 : fread(text, 1, sizeof text - 1, pipe);
    text[size] = 0;
    const char *at = strstr(text, key);
    if (pipe == NULL || pclose(pipe) != 0 || at == NULL) give_up(line, "no answer");
    at += strlen(key);
    return strtod(at + (*at == '"'), NULL);
}

static double compat_rate(const char *tael, u64 count)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "%s bench ordered --transfers %llu --no-probe --json", tael,
                   (unsigned long long)count);
    return number_of(line, "transfers_per_s");
}

static void raw_accounts_make(void)
{
    static struct account accounts[ACCOUNTS];
    for (u32 i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct account){.id = 1 + i, .ledger = RAW_LEDGER, .code = 1};
    }
    for (u32 i = 0; i < ACCOUNTS; i += 5000) {
        command(TAEL_RECORD_ACCOUNT, accounts + i, 5000 * sizeof accounts[0], 5000);
    }
}

// Makes raw transfers. Returns how many a second.
static double raw_rate(u64 count)
{
    const u64 batches = MAX(count / TAEL_RAW_MAX, (u64)1);
    const double seconds =
        send_all(TAEL_RECORD_TRANSFER, TAEL_RAW_MAX, sizeof(struct transfer), batches, raw_make);
    return (double)(batches * TAEL_RAW_MAX) / seconds;
}

static void run_raw(const char *tael, const char *folder, u64 count)
{
    struct bench_row row = {
        .name = "raw transfers, tael port", .unit = "/s", .reference_name = "compat port"};
    row.reference = compat_rate(tael, count);
    server_start(tael, folder);
    raw_accounts_make();
    row.value = raw_rate(count);
    server_stop();
    bench_row_print(&row);
}

// --- entries -------------------------------------------------------------------------------------

struct entry_of_four {
    struct entry_post head;
    struct entry_leg legs[4];
};
static_assert(sizeof(struct entry_of_four) == 256, "as it is sent");

static void books_make(u32 accounts)
{
    const struct entity_open entity = {
        .entity_id = 1, .name = "bench", .jurisdiction = "HK", .currency = "HKD", .day = FIRST_DAY};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 10, .kind = KIND_ASSET, .name = "bank"};
    const struct book_open book = {
        .book = 100, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "main"};
    static struct book_account_open opens[5000];
    command(entity_schema_entity_open.number, &entity, sizeof entity, 1);
    command(book_schema_asset_open.number, &asset, sizeof asset, 1);
    command(book_schema_chart_add.number, &code, sizeof code, 1);
    command(book_schema_book_open.number, &book, sizeof book, 1);
    for (u32 i = 0; i < accounts; i += ARRAY_COUNT(opens)) {
        for (u32 j = 0; j < ARRAY_COUNT(opens); j++) {
            opens[j] = (struct book_account_open){
                .account_id = 1 + i + j, .book = 100, .code = 10, .name = "bank"};
        }
        command(book_schema_book_account_open.number, opens, sizeof opens, ARRAY_COUNT(opens));
    }
}

static u32 entry_accounts = ACCOUNTS;
static i32 entry_day;      // 0: the open one.
static bool entry_in_turn; // Each account moves, one after the other; else at random.

static void entries_make(void *body, u64 first, u32 count)
{
    struct entry_of_four *entries = body;
    memset(entries, 0, count * sizeof *entries);
    for (u32 i = 0; i < count; i++) {
        struct entry_of_four *entry = &entries[i];
        entry->head.entry_id = (u128)(first + i + 1) << 64 | random_u64(&source);
        entry->head.order_id = random_u128(&source);
        entry->head.scenario = random_u64(&source);
        entry->head.purpose = 1 + (u32)random_below(&source, 1000);
        entry->head.legs_count = 4;
        // Every eighth is dated back a few days.
        if (entry_day != 0 && i % 8 == 0) {
            entry->head.day = entry_day - (i32)random_below(&source, 5);
            entry->head.day = MAX(entry->head.day, FIRST_DAY);
        }
        const u64 four = entry_in_turn ? (first + i) % (entry_accounts / 4)
                                       : random_below(&source, entry_accounts / 4);
        for (u32 j = 0; j < 4; j++) {
            entry->legs[j] = (struct entry_leg){
                .book = 100,
                .side = j % 2 == 0 ? SIDE_DEBIT : SIDE_CREDIT,
                .account_id = 1 + 4 * four + j,
                .amount = 100,
            };
        }
    }
}

static void run_entries(const char *tael, const char *folder, u64 count)
{
    server_start(tael, folder);
    books_make(ACCOUNTS);
    raw_accounts_make();
    struct bench_row row = {
        .name = "entries of 4 legs", .unit = "/s", .reference_name = "raw transfers, tael port"};
    row.reference = raw_rate(count);
    const u64 batches = count / BATCH_ENTRIES;
    const double seconds = send_all(entry_schema_entry_post.number, BATCH_ENTRIES,
                                    sizeof(struct entry_of_four), batches, entries_make);
    server_stop();
    row.value = (double)(batches * BATCH_ENTRIES) / seconds;
    bench_row_print(&row);
}

// --- questions -----------------------------------------------------------------------------------

static u64 ask_ns(u32 record, const void *body, u32 size)
{
    struct tael_answer answer;
    struct tael_question question = {
        .record = record, .version = 1, .body = body, .body_size = size};
    const u64 began = now_ns();
    do {
        if (tael_ask(client, &question, 60000, &answer) != TAEL_OK ||
            answer.result != TAEL_RESULT_DONE) {
            give_up("a question", answer.text != NULL ? answer.text : tael_problem(client));
        }
        memcpy(question.cursor, answer.cursor, sizeof question.cursor);
    } while (answer.has_more);
    return now_ns() - began;
}

static int u64_compare(const void *a, const void *b)
{
    const u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return (x > y) - (x < y);
}

// Of `count` times a quantile in ms; orders them.
static double quantile_ms(u64 *times, u32 count, u32 of_hundred)
{
    qsort(times, count, sizeof *times, u64_compare);
    const u64 at = (u64)(count - 1) * of_hundred / 100;
    return (double)times[at] / 1e6;
}

// Two rows: the middle one and the slowest one of a hundred, beside those of the reference.
static void times_print(const char *what, u64 *times, const char *reference_name, u64 *references,
                        u32 count)
{
    for (u32 late = 0; late < 2; late++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s, %s", what, late ? "p99" : "p50");
        const struct bench_row row = {.name = name,
                                      .value = quantile_ms(times, count, late ? 99 : 50),
                                      .unit = "ms",
                                      .reference_name = reference_name,
                                      .reference = quantile_ms(references, count, late ? 99 : 50)};
        bench_row_print(&row);
    }
}

// Two postings an entry: `count` postings over so many business days.
static void run_past(const char *tael, const char *folder, u64 count)
{
    enum { DAYS = 40 };
    enum { PAST_NOW, PAST_DAY, PAST_POSITION, PAST_STATEMENT, PAST_KINDS };
    static u64 times[QUESTIONS];
    server_start(tael, folder);
    books_make(ACCOUNTS);
    const u64 batches = count / 2 / BATCH_ENTRIES / DAYS;
    u64 first = 0;
    struct tael_server before;
    (void)tael_server(client, &before);
    for (i32 i = 0; i < DAYS; i++) {
        entry_day = FIRST_DAY + i;
        for (u64 j = 0; j < batches; j++, first += BATCH_ENTRIES) {
            static struct entry_of_four entries[BATCH_ENTRIES];
            entries_make(entries, first, BATCH_ENTRIES);
            command(entry_schema_entry_post.number, entries, sizeof entries, BATCH_ENTRIES);
        }
        const struct day_close close = {.entity_id = 1, .day = entry_day};
        command(entity_schema_day_close.number, &close, sizeof close, 1);
    }
    const u64 last = tael_position(client);
    (void)printf("%llu postings over %d business days, an eighth dated back, %u accounts\n",
                 (unsigned long long)(2 * first), DAYS, ACCOUNTS);
    static u64 references[QUESTIONS];
    for (u32 kind = 0; kind < PAST_KINDS; kind++) {
        static const char *const names[] = {NULL, "balance at a day's end", "balance at a position",
                                            "statement of a day"};
        for (u32 i = 0; i < QUESTIONS; i++) {
            const u128 account = 1 + random_below(&source, ACCOUNTS);
            const i32 day = FIRST_DAY + (i32)random_below(&source, DAYS);
            struct balance balance = {.account_id = account, .book = 100};
            const struct statement statement = {
                .account_id = account, .book = 100, .from_day = day, .to_day = day};
            if (kind == PAST_DAY) balance.day = day;
            if (kind == PAST_POSITION) {
                balance.position = random_between(&source, before.position + 5, last);
            }
            u64 *times_of = kind == PAST_NOW ? references : times;
            times_of[i] = kind == PAST_STATEMENT
                              ? ask_ns(book_schema_statement.number, &statement, sizeof statement)
                              : ask_ns(book_schema_balance.number, &balance, sizeof balance);
        }
        if (kind != PAST_NOW) {
            times_print(names[kind], times, "balance now", references, QUESTIONS);
        }
    }
    server_stop();
}

// What a sum over the records of so many accounts costs at least: a loop over them in memory.
static void loop_measure(u64 *times, u32 count, u32 accounts)
{
    struct account *records = calloc(accounts, sizeof *records);
    if (records == NULL) give_up("the loop", "no memory");
    for (u32 i = 0; i < accounts; i++) records[i].debits_posted = i;
    for (u32 i = 0; i < count; i++) {
        const u64 began = now_ns();
        u128 debits = 0, credits = 0;
        for (u32 j = 0; j < accounts; j++) {
            debits += records[j].debits_posted;
            credits += records[j].credits_posted;
        }
        sink = (u64)(debits + credits);
        times[i] = now_ns() - began;
    }
    free(records);
}

// That each account moved in so many months of the question at least.
static void turnover_must(const struct name_turnover *question, u32 months)
{
    struct tael_answer answer;
    const struct tael_question one = {.record = name_schema_name_turnover.number,
                                      .version = 1,
                                      .body = question,
                                      .body_size = sizeof *question};
    if (tael_ask(client, &one, 60000, &answer) != TAEL_OK || answer.count != 1) {
        give_up("the turnover", tael_problem(client));
    }
    const struct name_turnover_row *row = answer.body;
    if (row->accounts != entry_accounts || row->count < (u64)months * entry_accounts) {
        give_up("the turnover", "not every account moved in every month");
    }
}

static void run_turnover(const char *tael, const char *folder, u64 count)
{
    static u64 times[20], references[20];
    static const char *const loop = "loop over the records";
    static struct name_set sets[2000];
    server_start(tael, folder);
    entry_accounts = 100000;
    books_make(entry_accounts);
    for (u32 i = 0; i < entry_accounts; i += ARRAY_COUNT(sets)) {
        for (u32 j = 0; j < ARRAY_COUNT(sets); j++) {
            sets[j] = (struct name_set){.id = 1 + i + j, .number = 100, .kind = NAMED_ACCOUNT};
            (void)snprintf(sets[j].path, sizeof sets[j].path, "bench:hkd:%u", 1 + i + j);
        }
        command(name_schema_name_set.number, sets, sizeof sets, ARRAY_COUNT(sets));
    }
    (void)send_all(entry_schema_entry_post.number, BATCH_ENTRIES, sizeof(struct entry_of_four),
                   count / BATCH_ENTRIES, entries_make);
    loop_measure(references, ARRAY_COUNT(references), entry_accounts);
    const struct turnover_list by_code = {.book = 100};
    const struct turnover_list by_account = {.book = 100, .group = TURNOVER_BY_ACCOUNT};
    struct name_balance by_prefix = {.book = 100};
    (void)snprintf(by_prefix.prefix, sizeof by_prefix.prefix, "bench:hkd");
    for (u32 i = 0; i < ARRAY_COUNT(times); i++) {
        times[i] = ask_ns(book_schema_turnover_list.number, &by_code, sizeof by_code);
    }
    times_print("turnover of 100,000 by code", times, loop, references, ARRAY_COUNT(times));
    for (u32 i = 0; i < ARRAY_COUNT(times); i++) {
        times[i] = ask_ns(name_schema_name_balance.number, &by_prefix, sizeof by_prefix);
    }
    times_print("sum of 100,000 by name", times, loop, references, ARRAY_COUNT(times));
    for (u32 i = 0; i < ARRAY_COUNT(times); i++) {
        times[i] = ask_ns(book_schema_turnover_list.number, &by_account, sizeof by_account);
    }
    times_print("turnover of 100,000, listed", times, loop, references, ARRAY_COUNT(times));
    // A year and the month behind it, in all of which each account moves: what was turned over in
    // that month, and in all.
    enum { DAYS = 365 };
    entry_in_turn = true;
    for (i32 i = 0; i < DAYS; i++) {
        const struct day_close close = {.entity_id = 1, .day = FIRST_DAY + i};
        command(entity_schema_day_close.number, &close, sizeof close, 1);
        if (i % 28 != 0 && i + 1 < DAYS) continue;
        (void)send_all(entry_schema_entry_post.number, BATCH_ENTRIES, sizeof(struct entry_of_four),
                       entry_accounts / 4 / BATCH_ENTRIES + 1, entries_make);
    }
    struct name_turnover of_month = {.book = 100, .from_day = FIRST_DAY + DAYS};
    memcpy(of_month.prefix, by_prefix.prefix, sizeof of_month.prefix);
    struct name_turnover of_year = of_month;
    of_year.from_day = FIRST_DAY + 1;
    turnover_must(&of_month, 1);
    turnover_must(&of_year, 13);
    for (u32 i = 0; i < ARRAY_COUNT(times); i++) {
        times[i] = ask_ns(name_schema_name_turnover.number, &of_month, sizeof of_month);
    }
    times_print("turnover of 100,000 by name, a month", times, loop, references,
                ARRAY_COUNT(times));
    for (u32 i = 0; i < ARRAY_COUNT(times); i++) {
        times[i] = ask_ns(name_schema_name_turnover.number, &of_year, sizeof of_year);
    }
    times_print("turnover of 100,000 by name, a year", times, loop, references, ARRAY_COUNT(times));
    server_stop();
}

// --- projection ----------------------------------------------------------------------------------

static void sql(sqlite3 *file, const char *text)
{
    if (sqlite3_exec(file, text, NULL, NULL, NULL) != SQLITE_OK) {
        give_up("SQLite", sqlite3_errmsg(file));
    }
}

// Rows a second of SQLite alone: as many columns as a transfer has, all of them integers.
static double sqlite_rate(const char *folder, u64 count)
{
    enum { COLUMNS = 14, TRANSACTION = 100000 };
    char path[512];
    sqlite3 *file = NULL;
    sqlite3_stmt *insert = NULL;
    (void)snprintf(path, sizeof path, "%s/plain.db", folder);
    if (sqlite3_open(path, &file) != SQLITE_OK) give_up(path, "cannot be made");
    sql(file, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
              "CREATE TABLE plain (a, b, c, d, e, f, g, h, i, j, k, l, m, n)");
    static const char text[] =
        "INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    if (sqlite3_prepare_v2(file, text, -1, &insert, NULL) != SQLITE_OK) {
        give_up("SQLite", sqlite3_errmsg(file));
    }
    const u64 began = now_ns();
    for (u64 row = 0; row < count; row++) {
        if (row % TRANSACTION == 0) sql(file, row == 0 ? "BEGIN" : "COMMIT; BEGIN");
        for (i32 i = 1; i <= COLUMNS; i++) {
            (void)sqlite3_bind_int64(insert, i, (i64)(random_u64(&source) >> 1));
        }
        if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK) {
            give_up("SQLite", sqlite3_errmsg(file));
        }
    }
    sql(file, "COMMIT");
    const double seconds = (double)(now_ns() - began) / 1e9;
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(file);
    return (double)count / seconds;
}

static void run_project(const char *tael, const char *folder, u64 count)
{
    server_start(tael, folder);
    raw_accounts_make();
    (void)raw_rate(count);
    struct bench_row row = {.unit = "/s", .reference_name = "rows of SQLite alone"};
    row.reference = sqlite_rate(folder, count);
    for (u32 live = 0; live < 2; live++) {
        char line[2048];
        const char *indexes = live ? "live" : "after";
        (void)snprintf(line, sizeof line,
                       "%s project --to sqlite:%s/%s.db --indexes %s --connect unix:%s/socket "
                       "--json",
                       tael, folder, indexes, indexes, folder);
        const u64 began = now_ns();
        const double changes = number_of(line, "changes");
        row.name = live ? "projection, indexes live" : "projection, indexes afterwards";
        row.value = changes * 1e9 / (double)(now_ns() - began);
        bench_row_print(&row);
    }
    server_stop();
}

// --- imports -------------------------------------------------------------------------------------

static void transfers_write(const char *path, u64 count)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) give_up(path, "cannot be made");
    (void)fputs("id,day,debit_account_id,credit_account_id,amount\n", file);
    for (u64 i = 0; i < count; i++) {
        const u64 debit = random_below(&source, ACCOUNTS);
        const u64 credit = (debit + 1 + random_below(&source, ACCOUNTS - 1)) % ACCOUNTS;
        (void)fprintf(file, "%llu,2026-01-01,%llu,%llu,%llu\n",
                      (unsigned long long)(random_u64(&source) | 1), (unsigned long long)debit + 1,
                      (unsigned long long)credit + 1,
                      (unsigned long long)random_below(&source, 10000) + 1);
    }
    if (fclose(file) != 0) give_up(path, "cannot be written");
}

static void import_measure(const char *tael, const char *folder, u64 count, bool is_whole,
                           struct bench_row *row)
{
    char path[512];
    char line[2048];
    (void)snprintf(path, sizeof path, "%s/import.csv", folder);
    transfers_write(path, count);
    (void)snprintf(line, sizeof line,
                   "%s import transfers %s --id %u --book 100 --commit %s --json --deadline 600 "
                   "--connect unix:%s/socket",
                   tael, path, is_whole ? 2u : 1u, is_whole ? "--whole" : "", folder);
    const u64 began = now_ns();
    if (number_of(line, "postings") != (double)count) give_up(line, "rows are refused");
    row->name = is_whole ? "transfers imported whole" : "transfers imported";
    row->value = (double)count / ((double)(now_ns() - began) / 1e9);
    bench_row_print(row);
}

static void run_import(const char *tael, const char *folder, u64 count)
{
    server_start(tael, folder);
    books_make(ACCOUNTS);
    const u64 batches = MAX(count / BATCH_ENTRIES, (u64)1);
    const double seconds = send_all(entry_schema_entry_post.number, BATCH_ENTRIES,
                                    sizeof(struct entry_of_four), batches, entries_make);
    struct bench_row row = {.unit = "/s",
                            .reference_name = "entries of 4 legs",
                            .reference = (double)(batches * BATCH_ENTRIES) / seconds};
    import_measure(tael, folder, count, false, &row);
    import_measure(tael, folder, count, true, &row);
    server_stop();
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "bench-port TAEL FOLDER raw|entries|past|turnover|project|import "
                              "[COUNT]\n");
        return 2;
    }
    const u64 count = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    random_init(&source, 42);
    if (strcmp(argv[3], "raw") == 0) run_raw(argv[1], argv[2], count == 0 ? 8000000 : count);
    else if (strcmp(argv[3], "entries") == 0) {
        run_entries(argv[1], argv[2], count == 0 ? 2000000 : count);
    } else if (strcmp(argv[3], "past") == 0) {
        run_past(argv[1], argv[2], count == 0 ? 10000000 : count);
    } else if (strcmp(argv[3], "turnover") == 0) {
        run_turnover(argv[1], argv[2], count == 0 ? 400000 : count);
    } else if (strcmp(argv[3], "project") == 0) {
        run_project(argv[1], argv[2], count == 0 ? 1000000 : count);
    } else if (strcmp(argv[3], "import") == 0) {
        run_import(argv[1], argv[2], count == 0 ? 1000000 : count);
    } else {
        give_up(argv[3], "no such measurement");
    }
    return 0;
}
