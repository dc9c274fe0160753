// SPDX-License-Identifier: Apache-2.0
//
// GET /v1/changes: what took effect, as server-sent events or as pages of JSON that wait.
//
// Whoever is at the end of history waits here, not at the server: one question of the edge waits
// there for all of them, and when it is answered each asks for its own page. A stream keeps one
// page of a MiB at most, and makes text of it as the client takes it.
#ifndef TAEL_EDGE_EDGE_CHANGES_H
#define TAEL_EDGE_EDGE_CHANGES_H

#include "edge/edge_internal.h"

#define EDGE_STREAMS_MAX 256u // Of both kinds, at once.

// Begins one. Sets a response, or suspends the request until there is one.
void edge_changes_begin(struct edge_request *request);
// What is due: waiting that is over, comments that keep connections alive. When the edge stops, all
// of them end.
void edge_changes_tick(struct edge *edge);
// When edge_changes_tick is due.
u64 edge_changes_due(const struct edge *edge);
// The client of one has gone: it ends.
void edge_changes_gone(struct edge_request *request);
// Ends one, also in the middle.
void edge_changes_free(struct edge_request *request);
// Ends the question that waits for all.
void edge_changes_stop(struct edge *edge);

#endif
