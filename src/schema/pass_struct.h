// SPDX-License-Identifier: Apache-2.0
//
// The first pass over an include table: structs with layout assertions, and enumerations.
// Include this, then the `.def`, then schema/pass_end.h.
//
// An ARRAY or a BLOB leaves its count in the struct (the head); the items and the bytes follow it.
// clang-format off
#define RECORD(name_, number_, ...) struct name_ {
#define FIELD(type_, name_, ...) type_ name_;
#define FIELD_ARRAY(type_, name_, count_, ...) type_ name_[count_];
#define ARRAY(item_, name_, count_max_, ...) u32 name_##_count;
#define BLOB(name_, size_max_, ...) u32 name_##_size;
#define END_RECORD(name_, size_) };                                                                \
    static_assert(sizeof(struct name_) == (size_),                                                 \
                  "the layout of " #name_ " is part of the format");

#define FLAGS(name_, type_, ...) enum name_ {
#define FLAG(prefix_, name_, bit_, ...) prefix_##_##name_ = 1 << (bit_),
#define END_FLAGS(name_) };

#define ENUMERATION(name_, type_, ...) enum name_ {
#define VALUE(prefix_, name_, number_, ...) prefix_##_##name_ = (number_),
#define END_ENUMERATION(name_) };

#define RESULTS(name_, ...) enum name_ {
#define RESULT(prefix_, name_, number_, http_status_, ...) prefix_##_##name_ = (int)(number_),
#define END_RESULTS(name_) };
// clang-format on
#include "schema/pass_rest.h"
