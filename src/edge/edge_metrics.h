// SPDX-License-Identifier: Apache-2.0
//
// What /metrics tells of the edge: counts of requests by class and status, how long they took,
// bytes; in the text format of Prometheus 0.0.4.
#ifndef TAEL_EDGE_EDGE_METRICS_H
#define TAEL_EDGE_EDGE_METRICS_H

#include "codec/text.h"

enum edge_class {
    EDGE_CLASS_COMMAND,
    EDGE_CLASS_QUESTION,
    EDGE_CLASS_BULK,
    EDGE_CLASS_CHANGES,
    EDGE_CLASS_OTHER,
    EDGE_CLASS_COUNT,
};

#define EDGE_METRICS_BOUNDS     14u
#define EDGE_METRICS_STATUS_MIN 100u
#define EDGE_METRICS_STATUS_MAX 599u

struct edge_metrics {
    u64 requests[EDGE_CLASS_COUNT][EDGE_METRICS_STATUS_MAX - EDGE_METRICS_STATUS_MIN + 1];
    u64 buckets[EDGE_CLASS_COUNT][EDGE_METRICS_BOUNDS + 1]; // Not cumulative.
    u64 seconds_ns[EDGE_CLASS_COUNT];
    u64 bytes_in;
    u64 bytes_out;
    u64 bulk_lines;
    u64 connections; // Taken so far.
    u64 timed_out;   // Connections that were ended since their time was over.
};

// Counts a request that is over.
void edge_metrics_count(struct edge_metrics *metrics, enum edge_class class, u32 status,
                        u64 latency_ns, u64 bytes_in, u64 bytes_out);

// What else there is to tell.
struct edge_metrics_now {
    u32 connections;
    u32 requests;
    u32 core_in_flight;
    u64 core_asked;
    bool core_ready;
    u64 core_position;
    const char *core_status; // The text of the server's file `status`, or "".
};
void edge_metrics_write(const struct edge_metrics *metrics, const struct edge_metrics_now *now,
                        struct text *out);

#endif
