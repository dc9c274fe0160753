// SPDX-License-Identifier: Apache-2.0
//
// The OpenAPI document (3.1), made from the endpoints and the descriptions of their records.
#ifndef TAEL_EDGE_EDGE_OPENAPI_H
#define TAEL_EDGE_EDGE_OPENAPI_H

#include "codec/text.h"
#include "edge/edge_route.h"

// Writes the document; what finds no room is counted (codec/text.h).
void edge_openapi_write(const struct edge_routes *routes, struct text *out);

#endif
