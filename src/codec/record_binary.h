// SPDX-License-Identifier: Apache-2.0
//
// Records as bytes. In memory, on disk and on the wire a record is the same bytes: the head as
// described (little-endian, no padding), then the items of its array, then the bytes of its blob.
//
// Guarantees: nothing is allocated, nothing is read outside `size`, any alignment will do.
#ifndef TAEL_CODEC_RECORD_BINARY_H
#define TAEL_CODEC_RECORD_BINARY_H

#include "schema/schema.h"

// Size of the whole record whose head is at `data`, as its counts tell; the counts are not checked.
u64 record_binary_size(const struct schema_record *record, const void *data);

// The largest size that a record of this kind has.
u64 record_binary_size_max(const struct schema_record *record);

// Checks bytes from outside: the size is that of the whole record, counts are within their bounds,
// reserved fields are zero, flags and values have names, numbers are within their max, text is
// UTF-8 and zeros only fill it up. Whether a required field may be zero is the module's rule, not
// checked here. STATUS_INVALID names item, field, value and rule.
MUST_USE enum status record_binary_check(const struct schema_record *record, const void *data,
                                         size_t size, struct failure *failure);

// Two whole, checked records are equal.
bool record_binary_equal(const struct schema_record *record, const void *a, const void *b);

// What is hashed and signed in the place of a record, so that no record's bytes can stand for
// another kind's: u32 number, u32 size of the whole, the whole (little-endian). Returns the size;
// writes nothing if that is more than `capacity`. `data` is a whole, checked record.
u64 record_binary_canonical(const struct schema_record *record, const void *data, u8 *out,
                            size_t capacity);

#endif
