// SPDX-License-Identifier: Apache-2.0
//
// Uploads of a record a line (application/x-ndjson), of any length in bounded memory.
//
// Lines are read as they come and packed into commands; some commands are in flight at once, and
// the connection is not read meanwhile when there are as many as may be. Each line gets a line of
// the answer, in order: what became of its record, or why it is none. libmicrohttpd answers only
// behind the whole request, so these lines are kept, in a file that has no name once they are many.
//
// Where commands are cut depends on the lines alone, and their ids on the upload's key and on the
// first line of each: the same upload under the same key gets the same answer. Chains of linked
// records are not cut; one that has a bad line is refused whole.
#ifndef TAEL_EDGE_EDGE_BULK_H
#define TAEL_EDGE_EDGE_BULK_H

#include "edge/edge_internal.h"

#define EDGE_BULK_BATCHES 4u  // Commands of an upload in flight.
#define EDGE_UPLOADS_MAX  32u // At once; each takes some 7 MiB.

// Begins an upload; the request's headers are in. Sets a response when they are refused.
void edge_bulk_begin(struct edge_request *request);
// Takes a piece of the body. Returns how much of it was taken: less when commands have to be
// answered first, and then the request is suspended.
size_t edge_bulk_feed(struct edge_request *request, const char *data, size_t size);
// The body is over. Sets the response, or suspends the request until it is there.
void edge_bulk_finish(struct edge_request *request);
// Sends what found no free connection to the server.
void edge_bulk_tick(struct edge *edge);
// Ends an upload, also one that was broken off; what it had sent may become applied.
void edge_bulk_free(struct edge_request *request);

#endif
