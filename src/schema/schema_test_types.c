// SPDX-License-Identifier: Apache-2.0
//
// The descriptors of schema_test.def.
#include "schema/schema_test_types.h"

#define SCHEMA_MODULE test
#define SCHEMA_TABLE  "schema/schema_test.def"
#include "schema/make_descriptors.h"
