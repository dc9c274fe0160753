// SPDX-License-Identifier: Apache-2.0
//
// Descriptors: what a record, a set of flags, a list of results and a state machine look like, as
// constant tables made from an include table (schema/README.md). JSON, command line, printing,
// checking and documentation are ordinary code over them.
//
// Guarantees: descriptors are constant and live as long as the process; no function here allocates,
// fails for lack of anything, or changes what it is given. Does not know any module: a module's
// descriptors reach this code as arguments. Look-ups are linear over tables of a few dozen rows.
#ifndef TAEL_SCHEMA_SCHEMA_H
#define TAEL_SCHEMA_SCHEMA_H

#include "base/base.h"

#define SCHEMA_FIELDS_MAX    128  // Fields of one record.
#define SCHEMA_NAME_SIZE_MAX 96   // Of any name, the terminating zero included.
#define SCHEMA_BYTES_MAX     512  // Of one byte array that is no text.
#define SCHEMA_TEXT_MAX      4096 // Of one text in a head (and so of one cell of a table).

enum schema_type {
    SCHEMA_U8,
    SCHEMA_U16,
    SCHEMA_U32,
    SCHEMA_U64,
    SCHEMA_U128,
    SCHEMA_I32,
    SCHEMA_I64,
    SCHEMA_I128,
    SCHEMA_BOOL,  // One byte, 0 or 1.
    SCHEMA_BYTES, // `count` bytes in the head: hex, or text with FIELD_TEXT (zeros fill it up).
    SCHEMA_ARRAY, // A u32 count in the head; the items, fixed-size records, follow the head.
    SCHEMA_BLOB,  // A u32 size in the head; the bytes follow the head and the items.
};

enum field_flags {
    FIELD_KEY = 1 << 0,      // Identifies the record.
    FIELD_REQUIRED = 1 << 1, // A writer must give it.
    FIELD_OUTPUT = 1 << 2,   // The server fills it in and refuses it otherwise; no flag.
    FIELD_RESERVED = 1 << 3, // Zero; neither written nor accepted by name.
    FIELD_TEXT = 1 << 4,     // BYTES or BLOB that hold UTF-8 text without zeros.
    FIELD_SMALL = 1 << 5,    // Stays below 2^53: in JSON a number, however wide its type.
    FIELD_NULLABLE = 1 << 6, // The type's largest number means none: null in JSON. Only printed.
    FIELD_WORD = 1 << 7,     // On a command line it stands alone, without a flag.
    FIELD_DETAIL = 1 << 8,   // Left out of tables and lines.
    FIELD_DAY_END = 1 << 9,  // Of a moment: a date is the last nanosecond of its day.
};

enum field_unit {
    UNIT_NONE,
    UNIT_MINOR,             // Minor units of the asset.
    UNIT_SECONDS,           // A duration.
    UNIT_NANOSECONDS,       // A moment: nanoseconds since 1970-01-01 UTC.
    UNIT_DAYS,              // A civil date: days since 1970-01-01.
    UNIT_BYTES,             // A size.
    UNIT_COUNT,             // How many.
    UNIT_BASIS_POINTS,      // Ten-thousandths.
    UNIT_PARTS_PER_BILLION, // Thousand-millionths.
};

enum record_kind {
    RECORD_EVENT,   // One of a batch.
    RECORD_COMMAND, // Asks; one reply.
    RECORD_RESULT,  // Answers.
    RECORD_VIEW,    // Is read.
    RECORD_QUERY,   // Selects views.
    RECORD_ITEM,    // Stands in the array of another record.
    RECORD_STATE,   // A row of a module's table.
    RECORD_OPTIONS, // What a command line says; its texts end in a zero.
};

struct schema_field {
    const char *name;
    enum schema_type type;
    u32 offset;    // Bytes from the head's beginning.
    u32 size;      // Bytes in the head, all elements together.
    u32 count;     // Elements in the head: 1, or the length of a FIELD_ARRAY.
    u32 count_max; // ARRAY: items; BLOB: bytes.
    u32 flags;     // enum field_flags.
    enum field_unit unit;
    u128 min;                // Smallest value that text may give; 0 for none.
    u128 max;                // Largest value, of a signed field also its largest magnitude; 0 for
                             // the type's own.
    u32 decimals;            // Digits behind the point: with 2, 1234 is 12.34. Only printed.
    const char *enumeration; // Name of a FLAGS or ENUMERATION table of the module, or null.
    const char *item;        // ARRAY: name of a record of the module.
    const char *initial;     // What stands where a command line gives nothing, as it is typed.
    const char *waived_by;   // Of FIELD_REQUIRED: with this flag among the record's `flags` it
                             // need not be given.
    const char *refers_to; // Of an unsigned number: of what it is the number, "account", "book" or
                           // "entity"; a command line may have a name of that in its place. An
                           // account is told by its own field and that of its book.
    const char *value;     // What stands for the value in help; null: by the type.
    const char *group;     // In JSON, neighbours of one group are members of an object of this
                           // name; the field's name is `group`_`member`. Only printed.
    const char *doc;       // One sentence.
};

struct schema_module;

struct schema_record {
    const char *name;
    u32 number;
    enum record_kind kind;
    u32 size; // Of the head.
    u32 field_count;
    const struct schema_field *fields;
    const struct schema_module *module;
    const char *verb;  // Of a command or a query: its words on a command line; null: the name, its
                       // first word apart from the rest; empty: it is for programs.
    const char *views; // Of a query: name of the record of the module that its answers are made of.
    u32 postings_max;  // Of a command: postings that its plan may have, whatever its size.
    const char *doc;
};

// Names in the tables below are in capitals, as in C; everywhere else (JSON, command line, print)
// they are in lower case: schema_lower().
struct schema_flag {
    const char *name;
    u32 bit;
    const char *doc;
};
struct schema_flags {
    const char *name;
    enum schema_type type;
    u32 row_count;
    const struct schema_flag *rows;
    const char *doc;
};

struct schema_value {
    const char *name;
    u32 number;
    const char *doc;
};
struct schema_enumeration {
    const char *name;
    enum schema_type type;
    u32 row_count;
    const struct schema_value *rows;
    const char *doc;
};

struct schema_result {
    const char *name;
    u32 number; // Never used again for something else.
    u32 http_status;
    const char *sentence;
    bool transient;       // The same request may succeed later, when the state is another.
    enum field_unit unit; // Of the evidence of a refusal: days are printed as dates.
};
// The order of the rows is the precedence in which rules are checked.
struct schema_results {
    const char *name;
    u32 row_count;
    const struct schema_result *rows;
    const char *doc;
};

// What is not in the table is refused.
struct schema_transition {
    u32 from;
    u32 event;
    u32 to;
    const char *doc;
};
struct schema_machine {
    const char *name;
    const char *states; // Name of an ENUMERATION of the module.
    const char *events; // Name of an ENUMERATION of the module.
    u32 row_count;
    const struct schema_transition *rows;
    const char *doc;
};

struct schema_module {
    const char *name;
    const struct schema_record *const *records;
    u32 record_count;
    const struct schema_flags *const *flags;
    u32 flags_count;
    const struct schema_enumeration *const *enumerations;
    u32 enumeration_count;
    const struct schema_results *const *results;
    u32 results_count;
    const struct schema_machine *const *machines;
    u32 machine_count;
};

// A name in lower case, by value: `printf("%s", schema_lower(flag->name).text)`.
struct schema_name {
    char text[SCHEMA_NAME_SIZE_MAX];
};
struct schema_name schema_lower(const char *name);

// True when `text` (not terminated) is `name`, letters compared without case and `-` equal to `_`.
bool schema_name_equal(const char *name, const char *text, size_t size);

// Look-ups; null when there is none. Names compare as in schema_name_equal.
const struct schema_record *schema_find_record(const struct schema_module *module,
                                               const char *name);
const struct schema_record *schema_find_record_number(const struct schema_module *module,
                                                      u32 number);
const struct schema_field *schema_find_field(const struct schema_record *record, const char *text,
                                             size_t size);
const struct schema_flags *schema_find_flags(const struct schema_module *module, const char *name);
const struct schema_enumeration *schema_find_enumeration(const struct schema_module *module,
                                                         const char *name);
const struct schema_results *schema_find_results(const struct schema_module *module,
                                                 const char *name);
const struct schema_machine *schema_find_machine(const struct schema_module *module,
                                                 const char *name);
const struct schema_flag *schema_find_flag(const struct schema_flags *flags, const char *text,
                                           size_t size);
const struct schema_value *schema_find_value(const struct schema_enumeration *enumeration,
                                             const char *text, size_t size);
const struct schema_value *schema_find_value_number(const struct schema_enumeration *enumeration,
                                                    u32 number);
const struct schema_result *schema_find_result(const struct schema_results *results, u32 number);
const struct schema_result *schema_find_result_name(const struct schema_results *results,
                                                    const char *name);

// The table that a field's `enumeration` names: at most one of the two is not null.
const struct schema_flags *schema_field_flags(const struct schema_record *record,
                                              const struct schema_field *field);
const struct schema_enumeration *schema_field_enumeration(const struct schema_record *record,
                                                          const struct schema_field *field);
// The record of a query's views, or NULL.
const struct schema_record *schema_record_views(const struct schema_record *record);
// The item record of an ARRAY.
const struct schema_record *schema_field_item(const struct schema_record *record,
                                              const struct schema_field *field);

// All bits that a flags table names.
u64 schema_flags_mask(const struct schema_flags *flags);

// The fields that people and clients see have no FIELD_RESERVED.
static inline bool schema_field_is_reserved(const struct schema_field *field)
{
    return (field->flags & FIELD_RESERVED) != 0;
}

// The largest value that an element of a number field takes (of a signed one, also the largest
// magnitude): `max`, or the type's own.
u128 schema_field_max(const struct schema_field *field);
bool schema_type_is_signed(enum schema_type type);
bool schema_type_is_number(enum schema_type type);
// Bytes of one element: 1 to 16 for numbers, 1 for BOOL and BYTES, 4 for ARRAY and BLOB (their
// count).
u32 schema_type_size(enum schema_type type);
const char *schema_type_name(enum schema_type type);
// "", "minor units", "seconds", ...
const char *schema_unit_name(enum field_unit unit);
const char *schema_kind_name(enum record_kind kind);

// The field whose name is nearest to `text` by edit distance, for "did you mean"; null when none is
// near (more than a third of the letters would change). Reserved fields are not proposed.
const struct schema_field *schema_nearest_field(const struct schema_record *record,
                                                const char *text, size_t size);
// Letters to insert, delete or replace to make one from the other; at most 64 letters of each are
// looked at; `-` equals `_`. Levenshtein, 1965.
u32 schema_edit_distance(const char *a, size_t a_size, const char *b, size_t b_size);

// The state that `event` leads to from `from`. False when the table has no such row: refuse.
MUST_USE bool schema_machine_next(const struct schema_machine *machine, u32 from, u32 event,
                                  u32 *to);

// Checks that a module's tables make sense together: names unique and within their bounds, numbers
// unique, every enumeration, item, state and event named exists, widths agree, reserved rows have
// no other meaning, an array stands before a blob and both at most once, offsets rise without a
// gap. For tests, once a module: the tables are constant. On failure names the table and the row.
MUST_USE enum status schema_check(const struct schema_module *module, struct failure *failure);

// Names for the passes: tokens pasted after their macros are replaced.
#define SCHEMA_PASTE_(a, b)     a##b
#define SCHEMA_PASTE(a, b)      SCHEMA_PASTE_(a, b)
#define SCHEMA_PASTE3_(a, b, c) a##b##c
#define SCHEMA_PASTE3(a, b, c)  SCHEMA_PASTE3_(a, b, c)
#define SCHEMA_TEXT_(a)         #a
#define SCHEMA_TEXT(a)          SCHEMA_TEXT_(a)
#define SCHEMA_OBJECT(name)     SCHEMA_PASTE(SCHEMA_MODULE, _schema_##name)

#define SCHEMA_TYPE_OF_u8         SCHEMA_U8
#define SCHEMA_TYPE_OF_u16        SCHEMA_U16
#define SCHEMA_TYPE_OF_u32        SCHEMA_U32
#define SCHEMA_TYPE_OF_u64        SCHEMA_U64
#define SCHEMA_TYPE_OF_u128       SCHEMA_U128
#define SCHEMA_TYPE_OF_i32        SCHEMA_I32
#define SCHEMA_TYPE_OF_i64        SCHEMA_I64
#define SCHEMA_TYPE_OF_i128       SCHEMA_I128
#define SCHEMA_TYPE_OF_bool       SCHEMA_BOOL
#define SCHEMA_TYPE_OF_ARRAY_u8   SCHEMA_BYTES
#define SCHEMA_TYPE_OF_ARRAY_char SCHEMA_BYTES
#define SCHEMA_TYPE_OF_ARRAY_u16  SCHEMA_U16
#define SCHEMA_TYPE_OF_ARRAY_u32  SCHEMA_U32
#define SCHEMA_TYPE_OF_ARRAY_u64  SCHEMA_U64
#define SCHEMA_TYPE_OF_ARRAY_u128 SCHEMA_U128
#define SCHEMA_TYPE_OF_ARRAY_i32  SCHEMA_I32
#define SCHEMA_TYPE_OF_ARRAY_i64  SCHEMA_I64
#define SCHEMA_TYPE_OF_ARRAY_i128 SCHEMA_I128

#endif
