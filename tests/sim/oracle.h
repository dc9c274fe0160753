// SPDX-License-Identifier: Apache-2.0
//
// What the machine must answer, by a second and naive implementation: the ledger's model, sessions
// as an array, replies put together byte by byte. It is given frames once they are known to be
// durable.
#ifndef TAEL_SIM_ORACLE_H
#define TAEL_SIM_ORACLE_H

#include "ledger/ledger_model.h"
#include "machine/machine.h"

struct oracle_session {
    u128 client; // 0: free.
    u64 number;  // Position of its registration.
    u64 position;
    u32 request;
    u8 *reply;
    u32 reply_size;
};

// A command of the tael port: raw accounts or transfers.
struct oracle_raw {
    u128 id;
    u128 content; // Checksum of its body,
    u32 size;     // which has so many bytes.
    u32 record;
    u64 principal;
    u8 *reply;
    u32 reply_size;
    bool has_results; // Else it is one command_reply: a refusal of the whole.
    u64 position;
    u64 timestamp;
};

struct oracle {
    struct ledger_model *model;
    struct oracle_raw *raws; // Of the whole log, in order.
    u32 raw_count;
    u32 raw_room;
    u64 position;
    u64 timestamp;
    u64 sequence;
    u64 commands_done; // Commands of clients that took effect.
    u64 evicted;
    u128 *displaced; // Clients whose sessions went, in order.
    u32 displaced_count;
    u32 displaced_room;
    u64 refused; // Commands of a session that was gone.
    u64 overrides[MACHINE_OVERRIDES_MAX];
    u32 override_count;
    struct oracle_session sessions[MACHINE_SESSIONS_MAX];
};

struct oracle_answer {
    enum command_result result;
    u64 timestamp;
    u8 *reply; // The oracle's, until the next command; NULL when there is none.
    u32 reply_size;
};

// An oracle of an empty log.
void oracle_init(struct oracle *oracle);
void oracle_free(struct oracle *oracle);
// Time and sequence go on to the frame's, which must come next.
void oracle_frame_begin(struct oracle *oracle, const struct frame_header *header);
// The next command of the frame. `first` of its frame.
void oracle_command(struct oracle *oracle, const struct frame_header *header, bool first,
                    const struct frame_command *command, const u8 *body,
                    struct oracle_answer *answer);
// The command at this position is a refusal; before it is given.
void oracle_override(struct oracle *oracle, u64 position);
// A frame of one command that an owner appended. `timestamp` is what the machine made of it.
void oracle_owner_frame(struct oracle *oracle, u64 timestamp);
// What a command of the tael port with this id was answered when it was new, or NULL.
const struct oracle_raw *oracle_raw(const struct oracle *oracle, u128 id);
// Whether a client's session went since another one needed its place.
bool oracle_is_displaced(const struct oracle *oracle, u128 client);
// The session of a client, or NULL.
const struct oracle_session *oracle_session(const struct oracle *oracle, u128 client);

#endif
