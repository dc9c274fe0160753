// SPDX-License-Identifier: Apache-2.0
#include "projection/projection.h"
int main(void)
{
    return 0;
}
