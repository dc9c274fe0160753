// SPDX-License-Identifier: Apache-2.0
//
// Makes the constant descriptor tables of one module. A source file says
//
//     #define SCHEMA_MODULE ledger
//     #define SCHEMA_TABLE  "ledger/ledger.def"
//     #include "schema/make_descriptors.h"
//
// after the header that has the structs (pass_struct.h) and the declarations (pass_extern.h). It
// defines `ledger_schema_<name>` for every row of the table, and `ledger_schema` for the whole.
//
// A FIELD row does not know its record's name, so `offsetof` cannot be written in it. Instead the
// first pass lets an enumeration count the bytes: an enumerator without a value is one more than
// the one before. The assertion that the bytes add up to the struct's size proves that the struct
// has no padding, and with that each sum is the field's offset.
// clang-format off
#ifndef SCHEMA_MODULE
#error "SCHEMA_MODULE names the module"
#endif
#ifndef SCHEMA_TABLE
#error "SCHEMA_TABLE names the include table"
#endif
#define SCHEMA_WHOLE        SCHEMA_PASTE(SCHEMA_MODULE, _schema)
#define SCHEMA_ROWS(name_)  SCHEMA_PASTE(SCHEMA_MODULE, _rows_##name_)
#define SCHEMA_SUM(name_)   SCHEMA_PASTE(SCHEMA_MODULE, _sum_##name_)
#define SCHEMA_AT(line_)    SCHEMA_PASTE3(SCHEMA_MODULE, _at_, line_)
#define SCHEMA_LAST(line_)  SCHEMA_PASTE3(SCHEMA_MODULE, _last_, line_)

// Offsets.
#define RECORD(name_, number_, ...) enum { SCHEMA_AT(__LINE__) = -1,
#define FIELD(type_, name_, ...) FIELD_ARRAY(type_, name_, 1, )
#define FIELD_ARRAY(type_, name_, count_, ...)                                                     \
    SCHEMA_AT(__LINE__), SCHEMA_LAST(__LINE__) = SCHEMA_AT(__LINE__) +                             \
                                                 (int)(sizeof(type_) * (count_)) - 1,
#define ARRAY(item_, name_, count_max_, ...) FIELD_ARRAY(u32, name_, 1, )
#define BLOB(name_, size_max_, ...) FIELD_ARRAY(u32, name_, 1, )
#define END_RECORD(name_, size_) SCHEMA_SUM(name_) };                                              \
    static_assert(SCHEMA_SUM(name_) == sizeof(struct name_), "padding in " #name_);
#include "schema/pass_rest.h"
#include SCHEMA_TABLE
#include "schema/pass_end.h"

// Rows.
#define RECORD(name_, number_, ...) static const struct schema_field SCHEMA_ROWS(name_)[] = {
#define FIELD(type_, name_, ...)                                                                   \
    {.name = #name_, .type = SCHEMA_TYPE_OF_##type_, .offset = SCHEMA_AT(__LINE__),                \
     .size = sizeof(type_), .count = 1, __VA_ARGS__},
#define FIELD_ARRAY(type_, name_, count_, ...)                                                     \
    {.name = #name_, .type = SCHEMA_TYPE_OF_ARRAY_##type_, .offset = SCHEMA_AT(__LINE__),          \
     .size = sizeof(type_) * (count_), .count = (count_), __VA_ARGS__},
#define ARRAY(item_, name_, count_max_, ...)                                                       \
    {.name = #name_, .type = SCHEMA_ARRAY, .offset = SCHEMA_AT(__LINE__), .size = sizeof(u32),     \
     .count = 1, .count_max = (count_max_), .item = #item_, __VA_ARGS__},
#define BLOB(name_, size_max_, ...)                                                                \
    {.name = #name_, .type = SCHEMA_BLOB, .offset = SCHEMA_AT(__LINE__), .size = sizeof(u32),      \
     .count = 1, .count_max = (size_max_), __VA_ARGS__},
#define END_RECORD(name_, size_) };
#define FLAGS(name_, type_, ...) static const struct schema_flag SCHEMA_ROWS(name_)[] = {
#define FLAG(prefix_, name_, bit_, ...) {.name = #name_, .bit = (bit_), __VA_ARGS__},
#define END_FLAGS(name_) };
#define ENUMERATION(name_, type_, ...) static const struct schema_value SCHEMA_ROWS(name_)[] = {
#define VALUE(prefix_, name_, number_, ...) {.name = #name_, .number = (number_), __VA_ARGS__},
#define END_ENUMERATION(name_) };
#define RESULTS(name_, ...) static const struct schema_result SCHEMA_ROWS(name_)[] = {
#define RESULT(prefix_, name_, number_, http_status_, ...)                                         \
    {.name = #name_, .number = (u32)(number_), .http_status = (http_status_), __VA_ARGS__},
#define END_RESULTS(name_) };
#define MACHINE(name_, states_, events_, ...)                                                      \
    static const struct schema_transition SCHEMA_ROWS(name_)[] = {
#define TRANSITION(from_, event_, to_, ...)                                                        \
    {.from = (from_), .event = (event_), .to = (to_), __VA_ARGS__},
#define END_MACHINE(name_) };
#include "schema/pass_rest.h"
#include SCHEMA_TABLE
#include "schema/pass_end.h"

// Tables.
#define RECORD(name_, number_, ...)                                                                \
    const struct schema_record SCHEMA_OBJECT(name_) = {                                            \
        .name = #name_, .number = (number_), .size = sizeof(struct name_),                         \
        .module = &SCHEMA_WHOLE, .fields = SCHEMA_ROWS(name_),                                     \
        .field_count = ARRAY_COUNT(SCHEMA_ROWS(name_)), __VA_ARGS__};
#define FLAGS(name_, type_, ...)                                                                   \
    const struct schema_flags SCHEMA_OBJECT(name_) = {                                             \
        .name = #name_, .type = SCHEMA_TYPE_OF_##type_, .rows = SCHEMA_ROWS(name_),                \
        .row_count = ARRAY_COUNT(SCHEMA_ROWS(name_)), __VA_ARGS__};
#define ENUMERATION(name_, type_, ...)                                                             \
    const struct schema_enumeration SCHEMA_OBJECT(name_) = {                                       \
        .name = #name_, .type = SCHEMA_TYPE_OF_##type_, .rows = SCHEMA_ROWS(name_),                \
        .row_count = ARRAY_COUNT(SCHEMA_ROWS(name_)), __VA_ARGS__};
#define RESULTS(name_, ...)                                                                        \
    const struct schema_results SCHEMA_OBJECT(name_) = {                                           \
        .name = #name_, .rows = SCHEMA_ROWS(name_),                                                \
        .row_count = ARRAY_COUNT(SCHEMA_ROWS(name_)), __VA_ARGS__};
#define MACHINE(name_, states_, events_, ...)                                                      \
    const struct schema_machine SCHEMA_OBJECT(name_) = {                                           \
        .name = #name_, .states = #states_, .events = #events_, .rows = SCHEMA_ROWS(name_),        \
        .row_count = ARRAY_COUNT(SCHEMA_ROWS(name_)), __VA_ARGS__};
#include "schema/pass_rest.h"
#include SCHEMA_TABLE
#include "schema/pass_end.h"

// Lists; a null ends each, so that an empty one is still an array.
#define RECORD(name_, number_, ...) &SCHEMA_OBJECT(name_),
#include "schema/pass_rest.h"
static const struct schema_record *const SCHEMA_ROWS(records)[] = {
#include SCHEMA_TABLE
    NULL};
#include "schema/pass_end.h"

#define FLAGS(name_, type_, ...) &SCHEMA_OBJECT(name_),
#include "schema/pass_rest.h"
static const struct schema_flags *const SCHEMA_ROWS(flags)[] = {
#include SCHEMA_TABLE
    NULL};
#include "schema/pass_end.h"

#define ENUMERATION(name_, type_, ...) &SCHEMA_OBJECT(name_),
#include "schema/pass_rest.h"
static const struct schema_enumeration *const SCHEMA_ROWS(enumerations)[] = {
#include SCHEMA_TABLE
    NULL};
#include "schema/pass_end.h"

#define RESULTS(name_, ...) &SCHEMA_OBJECT(name_),
#include "schema/pass_rest.h"
static const struct schema_results *const SCHEMA_ROWS(results)[] = {
#include SCHEMA_TABLE
    NULL};
#include "schema/pass_end.h"

#define MACHINE(name_, states_, events_, ...) &SCHEMA_OBJECT(name_),
#include "schema/pass_rest.h"
static const struct schema_machine *const SCHEMA_ROWS(machines)[] = {
#include SCHEMA_TABLE
    NULL};
#include "schema/pass_end.h"

const struct schema_module SCHEMA_WHOLE = {
    .name = SCHEMA_TEXT(SCHEMA_MODULE),
    .records = SCHEMA_ROWS(records),
    .record_count = ARRAY_COUNT(SCHEMA_ROWS(records)) - 1,
    .flags = SCHEMA_ROWS(flags),
    .flags_count = ARRAY_COUNT(SCHEMA_ROWS(flags)) - 1,
    .enumerations = SCHEMA_ROWS(enumerations),
    .enumeration_count = ARRAY_COUNT(SCHEMA_ROWS(enumerations)) - 1,
    .results = SCHEMA_ROWS(results),
    .results_count = ARRAY_COUNT(SCHEMA_ROWS(results)) - 1,
    .machines = SCHEMA_ROWS(machines),
    .machine_count = ARRAY_COUNT(SCHEMA_ROWS(machines)) - 1,
};
#undef SCHEMA_WHOLE
#undef SCHEMA_ROWS
#undef SCHEMA_SUM
#undef SCHEMA_AT
#undef SCHEMA_LAST
