// SPDX-License-Identifier: Apache-2.0
//
// A responder that speaks the TigerBeetle protocol well enough to test clients, and breaks one rule
// of it when told to. Not a ledger: every create is accepted, and look-ups scan an array.
//
// It runs in a thread of its own, in this process, and listens on a port of 127.0.0.1.
#ifndef TAEL_SERVER_COMPAT_STUB_H
#define TAEL_SERVER_COMPAT_STUB_H

#include "base/base.h"

// What happens to one request; the next time it comes, it is answered as it should.
enum compat_stub_fault {
    COMPAT_STUB_NONE,
    COMPAT_STUB_SILENT,          // No reply.
    COMPAT_STUB_CLOSE,           // The connection is closed in place of the reply.
    COMPAT_STUB_CLOSE_MID_REPLY, // The same after half of it.
    COMPAT_STUB_CORRUPT_HEADER,  // A bit of the reply's header is wrong.
    COMPAT_STUB_CORRUPT_BODY,    // A bit of the reply's body is wrong.
    COMPAT_STUB_WRONG_SIZE,      // The header's size is below 256.
    COMPAT_STUB_WRONG_CLUSTER,   // The reply is of another cluster.
    COMPAT_STUB_NO_TIMESTAMP,    // The reply's timestamp is 0.
    COMPAT_STUB_RESERVED,        // A reserved byte is set.
    COMPAT_STUB_OTHER_CLIENT,    // The reply is another client's.
    COMPAT_STUB_TRICKLE,         // A few bytes at a time.
    COMPAT_STUB_TWICE,           // The reply comes twice.
    COMPAT_STUB_PONG_FIRST,      // A pong comes in the same bytes, before and after it.
    COMPAT_STUB_FIRST_ENDING,    // From here on the client ends:
    COMPAT_STUB_EVICT = COMPAT_STUB_FIRST_ENDING,
    COMPAT_STUB_WRONG_RELEASE,
    COMPAT_STUB_WRONG_NUMBER,
    COMPAT_STUB_WRONG_REQUEST_CHECKSUM,
    COMPAT_STUB_WRONG_OPERATION,
    COMPAT_STUB_SECOND_REGISTER,
    COMPAT_STUB_UNKNOWN_COMMAND,
    COMPAT_STUB_WRONG_PADDING, // Of the trailer.
    COMPAT_STUB_WRONG_BATCH_COUNT,
    COMPAT_STUB_MORE_RESULTS,
    COMPAT_STUB_FEWER_RESULTS, // Than a create has events.
    COMPAT_STUB_LIMIT_ZERO,    // In the register's reply.
    COMPAT_STUB_LIMIT_HIGH,
    COMPAT_STUB_REGISTER_SIZE, // The register's reply has no body.
    COMPAT_STUB_FAULT_COUNT,
};

struct compat_stub;

// Starts to listen. `fault` strikes at the request of that number of any client, 0 being its
// register. Never NULL: what fails here is a bug of the test.
struct compat_stub *compat_stub_start(u128 cluster, enum compat_stub_fault fault, u32 at_request);
u32 compat_stub_port(const struct compat_stub *stub);
// Messages received so far, and connections accepted.
u32 compat_stub_requests(const struct compat_stub *stub);
u32 compat_stub_connections(const struct compat_stub *stub);
// Requests that came again with the bytes they had.
u32 compat_stub_repeats(const struct compat_stub *stub);
void compat_stub_stop(struct compat_stub *stub);

#endif
