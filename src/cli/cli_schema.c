// SPDX-License-Identifier: Apache-2.0
//
// The descriptors of cli.def.
#include "cli/cli_schema.h"

#define SCHEMA_MODULE cli
#define SCHEMA_TABLE  "cli/cli.def"
#include "schema/make_descriptors.h"
