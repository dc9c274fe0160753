// SPDX-License-Identifier: Apache-2.0
//
// Who asks.
#include "edge/edge_caller.h"

#include "client/token_file.h"

#include <stdlib.h>
#include <strings.h>

void edge_callers_init(struct edge_callers *callers)
{
    callers->known = calloc(EDGE_CALLERS, sizeof *callers->known);
    assert(callers->known != NULL);
}

void edge_callers_free(struct edge_callers *callers)
{
    free(callers->known);
    callers->known = NULL;
}

static struct edge_caller_known *place_of(const struct edge_callers *callers,
                                          const struct digest *token)
{
    return &callers->known[load_u64(token->bytes) % EDGE_CALLERS];
}

void edge_callers_put(struct edge_callers *callers, const struct edge_caller *caller, u64 now)
{
    *place_of(callers, &caller->token) =
        (struct edge_caller_known){.caller = *caller, .until = now + EDGE_CALLER_NS};
}

bool edge_callers_find(const struct edge_callers *callers, const struct digest *token, u64 now,
                       struct edge_caller *out)
{
    const struct edge_caller_known *known = place_of(callers, token);
    u8 difference = 0;
    if (now >= known->until) return false;
    for (u32 i = 0; i < sizeof token->bytes; i++) {
        difference |= (u8)(token->bytes[i] ^ known->caller.token.bytes[i]);
    }
    if (difference != 0) return false;
    *out = known->caller;
    return true;
}

const char *edge_caller_header(const char *header, struct digest *token)
{
    static const char scheme[] = "Bearer ";
    if (header == NULL) return "there is no header Authorization";
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        return "the header Authorization is not Bearer and a token";
    }
    header += sizeof scheme - 1;
    header += strspn(header, " ");
    if (token_hash(header, strlen(header), token)) return NULL;
    return "the token is not tael_ and 43 characters of base64url";
}
