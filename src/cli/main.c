// SPDX-License-Identifier: Apache-2.0
//
// The program.
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc - 1, (const char *const *)argv + 1);
}
