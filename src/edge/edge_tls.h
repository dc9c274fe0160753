// SPDX-License-Identifier: Apache-2.0
//
// Certificates and keys of TLS: read from files, and what clients show.
#ifndef TAEL_EDGE_EDGE_TLS_H
#define TAEL_EDGE_EDGE_TLS_H

#include "edge/edge.h"

#include <microhttpd.h>

// PEM, each with a zero behind it; NULL when there is none.
struct edge_tls {
    char *certificate;
    char *key;
    char *client_ca;
};

// Reads the files that the options name; none without --tls-certificate. STATUS_NOT_FOUND,
// STATUS_INVALID with the file.
MUST_USE enum status edge_tls_read(struct edge_tls *tls, const struct edge_options *options,
                                   struct failure *failure);
// Wipes the key and frees all.
void edge_tls_free(struct edge_tls *tls);
// Whether the client of a connection has shown a certificate by one of the authorities.
bool edge_tls_knows(struct MHD_Connection *mhd);

#endif
