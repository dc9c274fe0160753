// SPDX-License-Identifier: Apache-2.0
//
// The first pass over an include table: structs with layout assertions, and enumerations.
// Include this, then the `.def`, then schema/pass_end.h.
#define RECORD(name, number, ...) struct name {
#define FIELD(type, name, ...) type name;
#define FIELD_ARRAY(type, name, count, ...) type name[count];
#define END_RECORD(name, size)                                                                     \
    }                                                                                              \
    ;                                                                                              \
    static_assert(sizeof(struct name) == (size), "the layout of " #name " is part of the format");

#define FLAGS(name, type, ...) enum name {
#define FLAG(prefix, name, bit, ...) prefix##_##name = 1 << (bit),
#define END_FLAGS(name)                                                                            \
    }                                                                                              \
    ;

#define RESULTS(name, ...) enum name {
#define RESULT(prefix, name, number, http_status, ...) prefix##_##name = (int)(number),
#define END_RESULTS(name)                                                                          \
    }                                                                                              \
    ;
