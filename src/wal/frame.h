// SPDX-License-Identifier: Apache-2.0
//
// The frame: what becomes durable together. To the byte in docs/FORMAT.md ("Frames").
//
//   [header 256][command entries 256 each][zero padding to 4 KiB]   the head
//   [large bodies, each padded to 4 KiB][small bodies, packed]      the body
//
// The header carries a digest of everything behind it and the hash of the header before it, so the
// headers form a chain and the bodies hang on it (L5).
#ifndef TAEL_WAL_FRAME_H
#define TAEL_WAL_FRAME_H

#include "base/base.h"
#include "base/sha256.h"

#define FRAME_MAGIC           0x454d415246454154ull // "TAEFRAME"
#define FRAME_FORMAT          1u
#define FRAME_SIZE_MAX        (4 * MIB)
#define FRAME_COMMANDS_MAX    255u
#define FRAME_HEAD_SIZE_MAX   ((FRAME_COMMANDS_MAX + 1) * 256ull)
#define FRAME_CHUNK_SIZE      (64 * KIB)
#define FRAME_BODY_ALIGNMENT  128u
#define FRAME_OUTCOME_LAG_MAX 64u // The outcome root is of a frame at most this far back.

enum frame_flags {
    FRAME_SEAL = 1 << 0,    // No commands: written when idle and at a clean stop.
    FRAME_GENESIS = 1 << 1, // The first frame of a log.
    FRAME_ROTATE = 1 << 2,  // Behind it a new segment of history begins.
    FRAME_OWNER = 1 << 3,   // Appended by an owner to a stopped log: names no outcomes.
};

struct frame_header {
    u8 checksum[16]; // AEGIS-128L over the rest; tells a torn header from a whole one.
    u64 magic;
    u32 format;
    u32 size_of_header;
    u128 log_id;
    u64 epoch;
    u64 sequence;  // Counts frames from 0.
    u64 position;  // Of the first command; counts commands from 1.
    u64 timestamp; // Nanoseconds; later than every timestamp given before.
    u64 place;     // Where it was written: a misplaced frame is noticed.
    u32 command_count;
    u32 flags;
    u64 body_size; // Bytes behind the header, to the frame's end.
    struct digest body_digest;
    struct digest previous;     // SHA-256 of the header before; zero in the first frame.
    struct digest outcome_root; // Of all outcomes up to outcome_sequence.
    u64 outcome_sequence;
    u64 reserved[6];
};
static_assert(sizeof(struct frame_header) == 256, "frame header v1");

struct frame_command {
    u16 record; // enum command_record.
    u16 version;
    u32 flags;
    u32 body_size;
    u32 body_offset; // From the frame's start.
    u32 count;       // Events.
    u32 operation;   // Of a compat command: the wire's operation byte.
    u64 principal;
    u64 through;     // How it was known who asks: enum command_through.
    u64 session;     // Of a compat command, with the client and the request its id; of a register,
                     // the session that goes when there is no place (0: the longest silent one).
                     // Of one through a delegate, the principal who gave it.
    u128 command_id; // Of a compat command: the client.
    u128 request_checksum;
    u32 request;
    u32 signature_scheme;
    u64 correlation;
    u64 expires_at;
    u8 signature[64];
    u32 release; // Of a register: the client's; 0 in logs that do not tell.
    u8 reserved[84];
};
static_assert(sizeof(struct frame_command) == 256, "command entry v1");

enum command_through {
    COMMAND_THROUGH_NOTHING = 0,  // Nobody asked: the compat port, the writer itself.
    COMMAND_THROUGH_USER = 1,     // The tael port: the user at the other end, by the kernel's word.
    COMMAND_THROUGH_KEY = 2,      // The tael port: a proof by the principal's key.
    COMMAND_THROUGH_DELEGATE = 3, // The tael port: another principal, who acts in its name.
};

enum command_record {
    COMMAND_GENESIS = 1,   // struct genesis.
    COMMAND_TICK = 2,      // Time has passed: expire what is due.
    COMMAND_REGISTER = 3,  // A compat client's session.
    COMMAND_COMPAT = 4,    // A multi-batch message as received.
    COMMAND_OVERRIDE = 5,  // Makes the command at a position a refusal.
    COMMAND_MODULES = 256, // From here on: a record of the module in the high byte.
};

// Digest of what lies behind the header: the Merkle tree hash (RFC 9162) whose leaves are the
// SHA-256 of the rest of the head and of each 64 KiB of the body.
struct frame_part {
    const u8 *data;
    size_t size;
};
void frame_digest(const u8 *head_rest, size_t head_rest_size, const struct frame_part *parts,
                  u32 part_count, struct digest *out);
void frame_header_seal(struct frame_header *header);        // Sets the checksum.
bool frame_header_valid(const struct frame_header *header); // Checksum, magic; not the chain.
static inline u64 frame_head_size(u32 command_count)
{
    return align_up(sizeof(struct frame_header) + command_count * sizeof(struct frame_command),
                    PAGE_SIZE);
}
static inline u64 frame_size(const struct frame_header *header)
{
    return sizeof *header + header->body_size;
}

// A frame in memory: on its way to the log, or read from it.
struct frame_view {
    const struct frame_header *header;
    const struct frame_command *commands;
    const u8 *const *bodies; // One a command.
};

#endif
