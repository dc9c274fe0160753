// SPDX-License-Identifier: Apache-2.0
//
// What /metrics tells.
#include "edge/edge_metrics.h"

#include <stdlib.h>

static const char *const classes[] = {"command", "question", "bulk", "changes", "other"};
static_assert(ARRAY_COUNT(classes) == EDGE_CLASS_COUNT, "a name a class");

// Upper bounds of latency in microseconds, and as the text has them, in seconds.
static const struct {
    u64 us;
    const char *text;
} bounds[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {1000000, "1"},   {5000000, "5"},   {30000000, "30"},
};
static_assert(ARRAY_COUNT(bounds) == EDGE_METRICS_BOUNDS, "a bucket a bound");

void edge_metrics_count(struct edge_metrics *metrics, enum edge_class class, u32 status,
                        u64 latency_ns, u64 bytes_in, u64 bytes_out)
{
    u32 bucket = 0;
    assert(status >= EDGE_METRICS_STATUS_MIN && status <= EDGE_METRICS_STATUS_MAX);
    metrics->requests[class][status - EDGE_METRICS_STATUS_MIN]++;
    while (bucket < EDGE_METRICS_BOUNDS && latency_ns > bounds[bucket].us * NS_PER_US) bucket++;
    metrics->buckets[class][bucket]++;
    metrics->seconds_ns[class] += latency_ns;
    metrics->bytes_in += bytes_in;
    metrics->bytes_out += bytes_out;
}

static void family_write(struct text *out, const char *name, const char *type, const char *help)
{
    text_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number_write(struct text *out, const char *name, const char *type, const char *help,
                         u64 value)
{
    family_write(out, name, type, help);
    text_append_format(out, "%s %llu\n", name, (unsigned long long)value);
}

static void requests_write(const struct edge_metrics *metrics, struct text *out)
{
    family_write(out, "tael_http_requests_total", "counter", "Requests that are over.");
    for (u32 class = 0; class < EDGE_CLASS_COUNT; class ++) {
        for (u32 i = 0; i < ARRAY_COUNT(metrics->requests[0]); i++) {
            if (metrics->requests[class][i] == 0) continue;
            text_append_format(out, "tael_http_requests_total{class=\"%s\",status=\"%u\"} %llu\n",
                               classes[class], i + EDGE_METRICS_STATUS_MIN,
                               (unsigned long long)metrics->requests[class][i]);
        }
    }
}

static void latency_write(const struct edge_metrics *metrics, struct text *out)
{
    static const char name[] = "tael_http_request_seconds";
    family_write(out, name, "histogram", "From the first line of a request to its end.");
    for (u32 class = 0; class < EDGE_CLASS_COUNT; class ++) {
        u64 count = 0;
        for (u32 i = 0; i <= EDGE_METRICS_BOUNDS; i++) {
            count += metrics->buckets[class][i];
            text_append_format(out, "%s_bucket{class=\"%s\",le=\"%s\"} %llu\n", name,
                               classes[class], i < EDGE_METRICS_BOUNDS ? bounds[i].text : "+Inf",
                               (unsigned long long)count);
        }
        text_append_format(out, "%s_sum{class=\"%s\"} %llu.%09llu\n", name, classes[class],
                           (unsigned long long)(metrics->seconds_ns[class] / NS_PER_S),
                           (unsigned long long)(metrics->seconds_ns[class] % NS_PER_S));
        text_append_format(out, "%s_count{class=\"%s\"} %llu\n", name, classes[class],
                           (unsigned long long)count);
    }
}

// Lines "name number" of the server's own file.
static void core_status_write(const char *status, struct text *out)
{
    static const struct {
        const char *key;
        const char *name;
        const char *type;
        const char *help;
    } rows[] = {
        {"position", "tael_core_position", "gauge", "Commands in the log."},
        {"durable", "tael_core_frames_durable", "gauge", "Frames that are durable."},
        {"indexed", "tael_core_frames_indexed", "gauge", "Frames that history has indexed."},
        {"checkpoints", "tael_core_checkpoints_total", "counter", "Checkpoints since the start."},
        {"seals", "tael_core_seals_total", "counter", "Sealed segments since the start."},
        {"merges", "tael_core_merges_total", "counter", "Merges of indexes since the start."},
        {"filter_bytes", "tael_core_filter_bytes", "gauge", "Memory of filters over ids."},
        {"full", "tael_core_storage_full", "gauge", "1 when there is no space for commands."},
        {"space_free", "tael_core_space_free_bytes", "gauge", "Free space on the disk."},
        {"space_needed", "tael_core_space_needed_bytes", "gauge", "What must be free."},
        {"idle", "tael_core_idle", "gauge", "1 when there is nothing to do."},
        {"connections", "tael_core_connections", "gauge", "Connections to the server's ports."},
    };
    while (*status != 0) {
        const size_t size = strcspn(status, "\n");
        for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
            const size_t key = strlen(rows[i].key);
            if (strncmp(status, rows[i].key, key) != 0 || status[key] != ' ') continue;
            number_write(out, rows[i].name, rows[i].type, rows[i].help,
                         strtoull(status + key, NULL, 10));
        }
        status += size + (status[size] == '\n');
    }
}

void edge_metrics_write(const struct edge_metrics *metrics, const struct edge_metrics_now *now,
                        struct text *out)
{
    requests_write(metrics, out);
    latency_write(metrics, out);
    number_write(out, "tael_http_connections", "gauge", "Connections that are open.",
                 now->connections);
    number_write(out, "tael_http_connections_total", "counter", "Connections so far.",
                 metrics->connections);
    number_write(out, "tael_http_connections_timed_out_total", "counter",
                 "Connections that were ended since their time was over.", metrics->timed_out);
    number_write(out, "tael_http_in_flight", "gauge", "Requests that are not over.", now->requests);
    number_write(out, "tael_http_received_bytes_total", "counter", "Of bodies.", metrics->bytes_in);
    number_write(out, "tael_http_sent_bytes_total", "counter", "Of bodies.", metrics->bytes_out);
    number_write(out, "tael_http_bulk_lines_total", "counter", "Lines of uploads.",
                 metrics->bulk_lines);
    number_write(out, "tael_core_up", "gauge", "1 when the server has let the edge in.",
                 now->core_ready);
    number_write(out, "tael_core_requests_total", "counter",
                 "Commands and questions to the server.", now->core_asked);
    number_write(out, "tael_core_in_flight", "gauge", "Those without an answer.",
                 now->core_in_flight);
    number_write(out, "tael_core_position_told", "gauge", "The highest position that was told.",
                 now->core_position);
    core_status_write(now->core_status, out);
}
