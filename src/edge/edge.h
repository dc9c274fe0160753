// SPDX-License-Identifier: Apache-2.0
//
// The HTTP edge: JSON over HTTP on one side, the tael port on the other; a process of its own.
//
// Guarantees: the server does not depend on it. It keeps nothing that matters: killed at any
// moment, it loses connections, and clients that ask again under the same command id are answered
// the same. Memory is bounded by the limits below. One thread.
#ifndef TAEL_EDGE_EDGE_H
#define TAEL_EDGE_EDGE_H

#include "base/base.h"

// What is not given is "" or 0; limits have no 0.
struct edge_options {
    const char *http;        // "PORT", "HOST:PORT", or "fd:N", a socket that listens.
    const char *connect;     // The server's tael port.
    const char *key_file;    // Of the principal that it comes in as.
    u64 principal;           // 0: whom its user stands for.
    const char *core_status; // The server's file `status`, for /metrics.
    const char *spool;       // Where results of large uploads lie meanwhile.
    const char *tls_certificate;
    const char *tls_key;
    const char *tls_client_ca;
    u64 body_max;         // Bytes of a request's body; of NDJSON there is no bound.
    u32 header_max;       // Bytes of request line and headers.
    u32 headers_max;      // Headers.
    u32 request_timeout;  // Seconds to send a request, and between pieces of one that is streamed.
    u32 idle_timeout;     // Seconds that a connection without a request stays.
    u32 connections_max;  // At the same time.
    u32 rate;             // Requests a second of one token, in the long run,
    u32 burst;            // and at once.
    u32 deadline;         // Seconds that the server has to answer.
    u32 stop_timeout;     // Seconds that open requests have when it stops.
    u32 core_connections; // To the server, 64 requests each.
    bool trace_requests;  // A line on the trace for each.
    // Called when it takes connections, with its address.
    void (*ready)(const struct edge_options *options, const char *address);
    const void *context; // For `ready`.
};

// Serves until SIGTERM or SIGINT. STATUS_OK after a clean stop; STATUS_INVALID when an option is
// none, else what failed.
MUST_USE enum status edge_run(const struct edge_options *options, struct failure *failure);

#endif
