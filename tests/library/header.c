// SPDX-License-Identifier: Apache-2.0
//
// The public headers by themselves, in C11 and in C++; and names of the library's own inside that a
// program may have too.
#include <tael_records.h>

#include <stdio.h>
#include <string.h>

// libtael has functions of these names, hidden.
unsigned checksum(void);
int failure_set(void);
unsigned checksum(void)
{
    return 7;
}
int failure_set(void)
{
    return 8;
}

int main(void)
{
    struct tael_options options;
    (void)memset(&options, 0, sizeof options);
    options.address = "nowhere";
    struct tael_client *client = tael_open(&options);
    if (client == NULL) return 1;
    if (tael_connect(client, 100) != TAEL_ERROR_ENDED) return 2;
    (void)printf("%s %u %d\n", tael_problem(client), checksum(), failure_set());
    tael_close(client);
    return 0;
}
