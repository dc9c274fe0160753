// SPDX-License-Identifier: Apache-2.0
//
// What the verbs share: how a verb is described and called, exit codes, the forms of the output,
// reporting a failure.
//
// A verb says which records its command line fills in; parsing, help and completion are made from
// them, and its output is printed from records too (cli.def).
#ifndef TAEL_CLI_CLI_H
#define TAEL_CLI_CLI_H

#include "base/base.h"
#include "cli/cli_schema.h"
#include "codec/record_json.h"
#include "codec/record_text.h"

#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,     // The server answered with a refusal, or something does not hold.
    EXIT_USAGE = 2,       // The command line breaks a rule; the message says which.
    EXIT_ENVIRONMENT = 3, // No connection, no file, no space.
};

enum cli_form {
    CLI_TABLE,
    CLI_JSON, // One object a line.
    CLI_CSV,
};

// --- Verbs ---

#define CLI_PARTS_MAX 6u

struct cli_call;

// A verb, or an action of one.
struct cli_verb {
    const char *name;    // "verify"; of an action "transfer create".
    const char *summary; // Some words for a list.
    const char *about;   // Help: what it does, a paragraph that help breaks into lines.
    const char *example; // A command line without the program's name, or NULL.
    const char *exits;   // What its exit codes mean; NULL: as everywhere.
    // What its command line fills in, in the order of help. What a record of kind RECORD_OPTIONS
    // requires is checked before `run`, what another one does is for `run` to check.
    const struct schema_record *parts[CLI_PARTS_MAX];
    int (*run)(const struct cli_call *call); // Returns the exit code; NULL: it has actions.
    void (*help)(struct text *out); // Lists what the first word can be, behind `about`; or NULL.
    const void *context;            // The verb's own.
    bool takes_names;               // Names may stand for numbers: `run` finds what they name.
};

struct cli_call {
    const struct cli_verb *verb;
    struct record_arguments parts[CLI_PARTS_MAX];
    u32 part_count;
    struct record_references *references; // Of all parts; NULL when the verb takes no names.
    enum cli_form form;
};

// Finds the verb of a command line without the program's name, parses its flags and runs it.
// Returns the exit code.
int cli_main(int argc, const char *const *argv);
// The verbs and actions one after the other, in the order of help; NULL behind the last.
const struct cli_verb *cli_verb_at(u32 index);
// The verb or action of these words, and how many of them name it; NULL when there is none.
const struct cli_verb *cli_verb_find(u32 count, const char *const *words, u32 *used);
// What the command line filled in; the record is one of the verb's parts.
const struct record_arguments *cli_part(const struct cli_call *call,
                                        const struct schema_record *record);
// Help: of everything, of a verb with actions, of one that runs.
void cli_help_print(const struct cli_verb *verb, struct text *out);
#define CLI_HELP_SIZE_MAX 65536u

extern const struct cli_verb serve_verb, edge_verb, verify_verb, dump_verb, override_verb,
    backup_verbs[2], bench_verb, completion_verb, version_verb, help_verb, tail_verb, project_verb,
    export_verb, job_wait_verb, prove_verb;
#define IMPORT_VERBS_COUNT 4u
extern const struct cli_verb import_verbs[IMPORT_VERBS_COUNT];
#define LEDGER_VERBS_COUNT 12u
extern const struct cli_verb ledger_verbs[LEDGER_VERBS_COUNT];
#define KEY_VERBS_COUNT 5u
extern const struct cli_verb key_verbs[KEY_VERBS_COUNT];
#define HEAD_VERBS_COUNT 4u
extern const struct cli_verb head_verbs[HEAD_VERBS_COUNT];
// The verbs of the modules' commands and questions, made from their descriptions; NULL behind the
// last.
const struct cli_verb *module_verb_at(u32 index);

// --- Jobs ---

struct tael_client;
struct job_record;
// Asks how far a job is until it stands still, or until an interrupt; with a bar on a terminal.
// Returns the exit code, which is told; of EXIT_DONE the job is as it was last.
int cli_job_wait(const char *verb, struct tael_client *client, u128 job_id, u64 timeout_ms,
                 struct job_record *job);

// --- Output ---

// Records of one kind that are printed one after the other: as a table, whose rows are all measured
// before the first is printed (or as they come, after cli_rows_show_all), as JSON, or as CSV with a
// header.
struct cli_rows {
    const struct schema_record *record;
    enum cli_form form;
    struct record_table table;
    enum record_json_style style; // Of JSON.
    bool has_header;              // It is printed.
    bool may_be_cards;            // A table that is wider than the terminal becomes cards.
    bool is_cards;                // It did.
    const char *spare;            // Such a table leaves this column out; NULL: none.
    bool is_any;                  // A row is printed.
    char *buffer;
};
// Takes memory, which cli_rows_end gives back. `indent` is of a table.
void cli_rows_begin(struct cli_rows *rows, const struct schema_record *record, enum cli_form form,
                    u32 indent);
// Shows every column, also one that is empty in all rows that are measured: for rows of which some
// are printed before others are known. Before the first is measured.
void cli_rows_show_all(struct cli_rows *rows);
void cli_rows_measure(struct cli_rows *rows, const void *head);
// Prints the header, which otherwise stands before the first row; of CSV also when there is none.
void cli_rows_header(struct cli_rows *rows);
void cli_rows_print(struct cli_rows *rows, const void *head);
void cli_rows_end(struct cli_rows *rows);
// `count` records, `stride` bytes apart. Of none, a table prints nothing and CSV its header. A
// table that is wider than the terminal, or than 120 columns where there is none, becomes cards.
void cli_print_rows(const struct schema_record *record, enum cli_form form, const void *data,
                    size_t stride, u32 count);
// One record: a card of lines, an object, or CSV of one row.
void cli_print_record(const struct schema_record *record, enum cli_form form, const void *data);

// Shows how far long work is: a bar on standard error, over what it said before, and behind it
// `count` and what is counted. Nothing where that is no terminal.
void cli_bar_put(u64 done, u64 total, u64 count, const char *counted);
// Ends the line of the bar.
void cli_bar_end(void);

// Reads a whole file, standard input for "-", of at most 4 GiB, into memory that the caller frees.
// STATUS_NOT_FOUND, STATUS_IO, STATUS_INVALID when it is larger.
MUST_USE enum status cli_input_read(const char *path, char **text, size_t *size,
                                    struct failure *failure);

// Sets a text of a record that is zero; what does not fit is cut off.
void cli_text_set(char *out, size_t size, const char *text);

// Prints "tael VERB: message" and the hint on standard error. Returns the exit code of the status:
// STATUS_INVALID is usage, everything else the environment.
int cli_fail(const char *verb, const struct failure *failure);

// --- Clients ---

struct compat_client;
struct compat_client_options;

// As compat_client_connect; says once on standard error what it waits for when that takes more than
// a second.
MUST_USE enum status cli_connect(const char *verb, struct compat_client *client,
                                 const struct compat_client_options *options, u64 timeout_ns,
                                 struct failure *failure);

struct tael_options;

// Where a verb of the tael port connects to, who it comes in as, and by which key: as its flags say
// (0 and "" when they were not given), or the environment, TAEL_PRINCIPAL and TAEL_KEY.
// STATUS_INVALID when the address is none, or that does not go together. What `options` points to
// is the caller's, or the environment's.
MUST_USE enum status cli_identity_take(const struct port_options *port,
                                       struct tael_options *options, struct failure *failure);

// Tells why a client did not come in, with a hint when nobody answered within the deadline, and
// returns the exit code.
struct tael_client;
int cli_port_fail(const char *verb, const struct tael_client *client, bool is_late);

// Whether the body of an answer to a question, which is done, is as many views as it says, each
// whole, of a record that this program knows, and of `wanted` unless that is NULL.
struct tael_answer;
bool cli_views_are_whole(const struct tael_answer *answer, const struct schema_record *wanted);
// The same; else it is said on standard error, and the exit code is EXIT_ENVIRONMENT.
bool cli_views_check(const char *verb, const struct tael_answer *answer,
                     const struct schema_record *wanted);

// Of the verbs that are clients: a server that turns them away so often in a row, within some
// tenths of a second, is not asked further (compat_client_options).
#define CLI_TURNED_AWAY_MAX 5u

// --- The system ---

// From here on SIGINT and SIGTERM only set what cli_is_interrupted tells; whoever works for long
// asks it and ends soon after.
void cli_interrupt_install(void);
bool cli_is_interrupted(void);
// Writes what a verb says in the end, and puts all of it out. Neither is cut short by those
// signals: stdio forgets what it holds when a write is interrupted.
bool cli_write(FILE *out, const void *data, size_t size);
bool cli_flush(FILE *out);

// Nanoseconds since 1970.
u64 cli_time_now(void);

// Visits the files and folders of a folder, and of the folders in it, what is inside first. What
// cannot be read is left out.
void cli_files_visit(const char *folder, void (*visit)(const char *path, void *context),
                     void *context);
// Removes a folder with everything in it, as far as that goes.
void cli_folder_remove(const char *folder);

#endif
