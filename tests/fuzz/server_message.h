// SPDX-License-Identifier: Apache-2.0
//
// Records for messages to a server: valid ones, from a list of templates that a new log takes one
// after the other, and the same with fields, items and sizes changed by their descriptions, as the
// bytes of an input say.
#ifndef TAEL_TESTS_FUZZ_SERVER_MESSAGE_H
#define TAEL_TESTS_FUZZ_SERVER_MESSAGE_H

#include "schema/schema.h"

#define MESSAGE_RECORD_MAX 16384u

// What is left of an input; behind its end everything is zero.
struct input {
    const u8 *at;
    size_t left;
};
u8 input_u8(struct input *input);
u64 input_u64(struct input *input);

// A whole record.
struct message_record {
    const struct schema_record *record;
    u32 size;
    _Alignas(16) u8 bytes[MESSAGE_RECORD_MAX];
};

enum message_kind {
    MESSAGE_FOUND,   // Carried out, in their order, these found what the others are about.
    MESSAGE_COMMAND, // All commands: those too.
    MESSAGE_QUESTION,
    MESSAGE_EVENT,  // A raw account or transfer, as the compat port has them too.
    MESSAGE_FILTER, // Questions of the compat port.
};
// How many templates there are of a kind.
u32 message_count(enum message_kind kind);
// Template `index` (modulo their count).
void message_template(enum message_kind kind, u32 index, struct message_record *out);
// The position of the claim that the last of MESSAGE_FOUND made: commands on effects name it.
void message_claim(u64 position);
// Sets the keys that a record is known by to a number that no other one has.
void message_freshen(struct message_record *record, u64 fresh);
// Changes as the input says: first how many, then each.
void message_change(struct message_record *record, struct input *input, u64 fresh);

#endif
