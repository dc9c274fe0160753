// SPDX-License-Identifier: Apache-2.0
//
// A defect that is there: whoever runs the targets must find it, or finds nothing.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_CHECK(size < 4 || data[0] != 'T' || data[1] != 'a' || data[2] != 'e' || data[3] != 'l');
    return 0;
}
