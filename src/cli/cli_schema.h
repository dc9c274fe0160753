// SPDX-License-Identifier: Apache-2.0
//
// The records of cli.def: as structs, and as descriptors `cli_schema_<name>`.
#ifndef TAEL_CLI_CLI_SCHEMA_H
#define TAEL_CLI_CLI_SCHEMA_H

#include "schema/schema.h"

#include "schema/pass_struct.h"

#include "cli/cli.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE cli
#include "schema/pass_extern.h"

#include "cli/cli.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#endif
