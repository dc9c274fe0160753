// SPDX-License-Identifier: Apache-2.0
//
// The structs and descriptors of schema_test.def, for the tests of schema and codec.
#ifndef TAEL_SCHEMA_SCHEMA_TEST_TYPES_H
#define TAEL_SCHEMA_SCHEMA_TEST_TYPES_H

#include "schema/schema.h"

#include "schema/pass_struct.h"

#include "schema/schema_test.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE test
#include "schema/pass_extern.h"

#include "schema/schema_test.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#endif
