// SPDX-License-Identifier: Apache-2.0
//
// Bodies of messages as a client sees them: one is made for a request, that of the reply is taken
// apart (docs/PROTOCOL.md). The server's side of them is machine/compat.h.
#ifndef TAEL_SERVER_COMPAT_BODY_H
#define TAEL_SERVER_COMPAT_BODY_H

#include "machine/compat.h"

// Makes a body of one batch in place: `body` holds `count` events and has room for the trailer, one
// event more. `operation` is the wire's byte. Returns the body's size.
u32 compat_body_finish(u8 operation, u8 *body, u32 count);
// Takes a reply's body apart. `request` are the batches asked for. False when it is no answer to
// them: other batches, more results than can be, or bytes that belong to none.
MUST_USE bool compat_reply_decode(const struct compat_operation *operation,
                                  const struct compat_batches *request, const u8 *body, u32 size,
                                  struct compat_batches *out);

#endif
