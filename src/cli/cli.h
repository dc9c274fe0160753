// SPDX-License-Identifier: Apache-2.0
//
// What the verbs share: exit codes, the form of the output, reporting a failure.
#ifndef TAEL_CLI_CLI_H
#define TAEL_CLI_CLI_H

#include "base/base.h"

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

// Prints "tael VERB: message" and the hint on standard error. Returns the exit code of the status:
// STATUS_INVALID is usage, everything else the environment.
int cli_fail(const char *verb, const struct failure *failure);

// Whether an argument asks for help, in its two spellings.
bool cli_is_help(const char *argument);

// From here on SIGINT and SIGTERM only set what cli_is_interrupted tells; whoever works for long
// asks it and ends soon after.
void cli_interrupt_install(void);
bool cli_is_interrupted(void);

// Visits the files and folders of a folder, and of the folders in it, what is inside first. What
// cannot be read is left out.
void cli_files_visit(const char *folder, void (*visit)(const char *path, void *context),
                     void *context);
// Removes a folder with everything in it, as far as that goes.
void cli_folder_remove(const char *folder);

// Visits every flag of the verbs account, transfer and query, action by action. Names may have `_`
// for `-`; verb and action are the same pointers for all flags of an action.
void ledger_verbs_flags(void (*visit)(void *context, const char *verb, const char *action,
                                      const char *flag),
                        void *context);

// Each verb: its arguments from its own name on; returns the exit code.
int verify_main(int argc, char **argv);
int account_main(int argc, char **argv);
int transfer_main(int argc, char **argv);
int query_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int override_main(int argc, char **argv);
int completion_main(int argc, char **argv);

#endif
