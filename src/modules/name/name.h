// SPDX-License-Identifier: Apache-2.0
//
// The name module: unique names that people read, and what they name.
//
// A name is a path of parts with colons between them, so names are the leaves and branches of a
// tree: a name and all that begin with it and a colon stand together in their order, which counts
// the colon as the lowest character. A prefix is whole parts: whoever asks for a:b does not mean
// a:bc, least of all where balances are added up.
//
// The record of a name that was moved or dropped stays, and says so; its path is free, and whoever
// sets it again makes a new record.
//
// Invariants
//   D1 Of each path one record stands at most.
//   D2 The names of a thing that stand are one chain of 16 at most, and each thing has one chain.
//   D3 What is named existed, and the row of an account is that of its id.
//   D4 What does not stand is in no chain.
#ifndef TAEL_MODULES_NAME_NAME_H
#define TAEL_MODULES_NAME_NAME_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/name/name.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE name
#include "schema/pass_extern.h"

#include "modules/name/name.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define NAME_PATH_SIZE   128u
#define NAME_PARTS_MAX   16u
#define NAMES_OF_A_THING 16u

// The name that stands at a path, or NULL; from the context of any module. The path is filled up
// with zeroes.
const struct name *name_at_path(const struct module_context *context,
                                const char path[NAME_PATH_SIZE]);

// Whether a path is a prefix or below it: the prefix is empty, or the path itself, or goes on with
// a colon behind it.
bool name_is_under(const char path[NAME_PATH_SIZE], const char prefix[NAME_PATH_SIZE]);

// Whether a path breaks no rule: MODULE_DONE, NAME_PATH_INVALID or NAME_PATH_TOO_DEEP, with its
// evidence.
u32 name_path_check(const char path[NAME_PATH_SIZE], u128 evidence[2]);

#endif
