// SPDX-License-Identifier: Apache-2.0
//
// What is made once and answered as it is.
#include "edge/edge_static.h"

#include "base/sha256.h"
#include "codec/base64url.h"
#include "edge/edge_gzip.h"
#include "edge/edge_openapi.h"
#include "edge/edge_page.h"

#include <stdlib.h>

#define OPENAPI_ROOM (1u * MIB)
#define ETAG_SIZE    32u

struct edge_static {
    const char *path;
    const char *type;
    const u8 *data;
    size_t size;
    u8 *packed;
    size_t packed_size;
    char etag[ETAG_SIZE];
    char packed_etag[ETAG_SIZE];
};

#define STATIC_COUNT 4u
struct edge_statics {
    struct edge_static items[STATIC_COUNT];
    char *openapi;
};

static void etag_make(const void *data, size_t size, char out[ETAG_SIZE])
{
    struct digest digest;
    sha256(data, size, &digest);
    out[0] = '"';
    base64url_encode(digest.bytes, 16, out + 1);
    const size_t length = strlen(out);
    out[length] = '"';
    out[length + 1] = 0;
}

static void static_add(struct edge_static *item, const char *path, const char *type,
                       const void *data, size_t size)
{
    item->path = path;
    item->type = type;
    item->data = data;
    item->size = size;
    item->packed = malloc(EDGE_GZIP_SIZE_MAX(size));
    assert(item->packed != NULL);
    item->packed_size = edge_gzip(data, size, item->packed);
    etag_make(data, size, item->etag);
    etag_make(item->packed, item->packed_size, item->packed_etag);
}

void edge_static_make(struct edge *edge)
{
    struct edge_statics *statics = calloc(1, sizeof *statics);
    assert(statics != NULL);
    size_t room = OPENAPI_ROOM;
    struct text text;
    do {
        free(statics->openapi);
        statics->openapi = malloc(room);
        assert(statics->openapi != NULL);
        text = text_init(statics->openapi, room);
        edge_openapi_write(&edge->routes, &text);
        room = text.size;
    } while (text_overflowed(&text));
    static_add(&statics->items[0], "/v1/openapi.json", "application/json", text.data, text.size);
    static_add(&statics->items[1], "/docs", "text/html; charset=utf-8", edge_page_html,
               edge_page_html_size);
    static_add(&statics->items[2], "/docs/docs.js", "text/javascript; charset=utf-8",
               edge_page_script, edge_page_script_size);
    static_add(&statics->items[3], "/docs/docs.css", "text/css; charset=utf-8", edge_page_style,
               edge_page_style_size);
    edge->statics = statics;
}

void edge_static_free(struct edge *edge)
{
    if (edge->statics == NULL) return;
    for (u32 i = 0; i < STATIC_COUNT; i++) free(edge->statics->items[i].packed);
    free(edge->statics->openapi);
    free(edge->statics);
    edge->statics = NULL;
}

// Whether a list of codings has gzip, and not with a quality of 0 (RFC 9110, 12.5.3).
static bool takes_gzip(const char *accept)
{
    const char *at = accept == NULL ? NULL : strstr(accept, "gzip");
    if (at == NULL) return false;
    at += strlen("gzip");
    at += strspn(at, " \t");
    if (*at != ';') return true;
    at += 1 + strspn(at + 1, " \t");
    return strncmp(at, "q=0", 3) != 0 || strspn(at + 3, ".0") != strcspn(at + 3, ", \t");
}

void edge_static_answer(struct edge_request *request)
{
    const struct edge_statics *statics = request->edge->statics;
    const struct edge_static *item = &statics->items[0];
    for (u32 i = 0; i < STATIC_COUNT; i++) {
        if (strcmp(statics->items[i].path, request->endpoint->path) == 0) item = &statics->items[i];
    }
    if (!edge_parameters_used(request)) return;
    request->is_static = true;
    const bool is_packed = takes_gzip(request->headers.accept_encoding);
    const char *etag = is_packed ? item->packed_etag : item->etag;
    const char *known = request->headers.if_none_match;
    if (known != NULL && (strstr(known, etag) != NULL || strcmp(known, "*") == 0)) {
        edge_respond(request, 304, NULL, "", 0);
    } else if (is_packed) {
        edge_respond(request, 200, item->type, item->packed, item->packed_size);
        edge_response_header(request, "Content-Encoding", "gzip");
    } else {
        edge_respond(request, 200, item->type, item->data, item->size);
    }
    edge_response_header(request, "ETag", etag);
    edge_response_header(request, "Vary", "Accept-Encoding");
    edge_response_header(request, "Content-Security-Policy",
                         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                         "'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                         "frame-ancestors 'none'");
}
