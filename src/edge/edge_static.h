// SPDX-License-Identifier: Apache-2.0
//
// What is made once at the start and answered as it is: the OpenAPI document and the page that
// shows it. With an ETag, and as gzip to whoever takes that.
#ifndef TAEL_EDGE_EDGE_STATIC_H
#define TAEL_EDGE_EDGE_STATIC_H

#include "edge/edge_internal.h"

// Makes them. Takes memory, which edge_static_free gives back.
void edge_static_make(struct edge *edge);
void edge_static_free(struct edge *edge);
// Answers one.
void edge_static_answer(struct edge_request *request);

#endif
