// SPDX-License-Identifier: Apache-2.0
//
// The first half of the header of every message, the same in all protocols of this program: sizes
// and checksums are found without knowing which protocol it is.
#ifndef TAEL_SERVER_MESSAGE_HEAD_H
#define TAEL_SERVER_MESSAGE_HEAD_H

#include "base/base.h"

#define MESSAGE_HEADER_SIZE 256u

// The connection reads size and checksum_body; every field is judged by the port.
struct message_head {
    u128 checksum; // Of the bytes from 16 to 256.
    u128 checksum_padding;
    u128 checksum_body; // Of the body; of no bytes when there is none.
    u128 checksum_body_padding;
    u128 nonce;
    u128 cluster;
    u32 size; // Of header and body.
    u32 epoch;
    u32 view;
    u32 release;
    u16 protocol;
    u8 command;
    u8 replica;
    u8 reserved[12];
};
static_assert(sizeof(struct message_head) == 128, "half a header");

#endif
