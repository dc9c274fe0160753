// SPDX-License-Identifier: Apache-2.0
//
// The verb edge.
#include "edge/edge.h"

#include "cli/cli.h"

#include <signal.h>
#include <sys/prctl.h>
#include <tael.h>
#include <unistd.h>

// The line is read by scripts; the spelling of its keys is what they rely on.
static void ready_print(const struct edge_options *options, const char *address)
{
    const struct cli_call *call = options->context;
    struct edge_ready ready = {.ready = true};
    cli_text_set(ready.http, sizeof ready.http, address);
    if (call->form != CLI_TABLE) cli_print_record(&cli_schema_edge_ready, call->form, &ready);
    else (void)printf("ready http=%s\n", ready.http);
    (void)fflush(stdout);
}

static int edge_run_verb(const struct cli_call *call)
{
    const struct edge_place *place = cli_part(call, &cli_schema_edge_place)->head;
    const struct http_options *http = cli_part(call, &cli_schema_http_options)->head;
    const struct port_options *port = cli_part(call, &cli_schema_port_options)->head;
    struct failure failure = {0};
    struct tael_options identity;
    if (cli_identity_take(port, &identity, &failure) != STATUS_OK) {
        return cli_fail(call->verb->name, &failure);
    }
    // A socket that listens is not kept from whoever comes next.
    if (place->http_child) (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct edge_options options = {
        .http = place->http,
        .connect = identity.address,
        .key_file = identity.key_file,
        .principal = identity.principal,
        .core_status = place->core_status,
        .spool = http->http_spool,
        .tls_certificate = http->tls_certificate,
        .tls_key = http->tls_key,
        .tls_client_ca = http->tls_client_ca,
        .body_max = http->http_body_max,
        .header_max = http->http_header_max,
        .headers_max = http->http_headers_max,
        .request_timeout = http->http_request_timeout,
        .idle_timeout = http->http_idle_timeout,
        .connections_max = http->http_connections_max,
        .rate = http->http_rate,
        .burst = http->http_burst,
        .deadline = port->deadline,
        .stop_timeout = http->http_stop_timeout,
        .core_connections = http->http_core_connections,
        .trace_requests = http->http_trace,
        .ready = ready_print,
        .context = call,
    };
    if (edge_run(&options, &failure) == STATUS_OK) return EXIT_DONE;
    return cli_fail(call->verb->name, &failure);
}

const struct cli_verb edge_verb = {
    .name = "edge",
    .summary = "speak HTTP for a server",
    .about = "Speaks HTTP and JSON on one side and the tael port on the other, until SIGTERM or "
             "SIGINT. `tael serve --http` starts one and watches over it. It keeps nothing: killed "
             "at any moment, clients ask again under the same command id. Prints one line starting "
             "`ready` on standard output when it takes connections. SIGHUP has it read its "
             "certificate again. What it answers is told by itself under /docs.",
    .example = "edge --connect unix:data/socket --http 8080",
    .exits = "0 after a clean stop, 2 usage, 3 the address or a file failed",
    .parts = {&cli_schema_edge_place, &cli_schema_port_options, &cli_schema_http_options,
              &cli_schema_json_option},
    .run = edge_run_verb,
};
