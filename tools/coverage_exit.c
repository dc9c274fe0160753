// SPDX-License-Identifier: Apache-2.0
//
// Linked into every program that `make coverage` builds, with --wrap=_exit: a process that leaves
// at once, as a server does whose disk fails and as children of tests do, tells what it ran.
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);

void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
