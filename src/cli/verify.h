// SPDX-License-Identifier: Apache-2.0
//
// `tael verify DIR`: checks a stopped folder and says so in one line.
#ifndef TAEL_CLI_VERIFY_H
#define TAEL_CLI_VERIFY_H

// `argv[0]` is "verify". Returns the exit code: 0 all holds, 1 something does not, 2 usage, 3
// environment.
int verify_main(int argc, char **argv);

#endif
