// SPDX-License-Identifier: Apache-2.0
//
// Certificates and keys of TLS.
#include "edge/edge_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_SIZE_MAX (1u * MIB)

static enum status pem_read(const char *flag, const char *path, char **out, struct failure *failure)
{
    if (path[0] == 0) return STATUS_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return failure_set_errno(failure, STATUS_NOT_FOUND, errno, "%s: opening %s", flag, path);
    }
    char *text = calloc(1, FILE_SIZE_MAX + 1);
    assert(text != NULL);
    const size_t size = fread(text, 1, FILE_SIZE_MAX, file);
    const bool is_whole = ferror(file) == 0 && size < FILE_SIZE_MAX;
    (void)fclose(file);
    if (is_whole && strstr(text, "-----BEGIN ") != NULL) {
        *out = text;
        return STATUS_OK;
    }
    explicit_bzero(text, size);
    free(text);
    return failure_set(failure, STATUS_INVALID, "%s: %s is no PEM file", flag, path);
}

enum status edge_tls_read(struct edge_tls *tls, const struct edge_options *options,
                          struct failure *failure)
{
    *tls = (struct edge_tls){0};
    enum status status =
        pem_read("--tls-certificate", options->tls_certificate, &tls->certificate, failure);
    if (status == STATUS_OK) status = pem_read("--tls-key", options->tls_key, &tls->key, failure);
    if (status == STATUS_OK) {
        status = pem_read("--tls-client-ca", options->tls_client_ca, &tls->client_ca, failure);
    }
    if (status != STATUS_OK) edge_tls_free(tls);
    return status;
}

void edge_tls_free(struct edge_tls *tls)
{
    if (tls->key != NULL) explicit_bzero(tls->key, strlen(tls->key));
    free(tls->certificate);
    free(tls->key);
    free(tls->client_ca);
    *tls = (struct edge_tls){0};
}

bool edge_tls_knows(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned wrong = 0;
    if (info == NULL || info->tls_session == NULL) return false;
    return gnutls_certificate_verify_peers2(info->tls_session, &wrong) == GNUTLS_E_SUCCESS &&
           wrong == 0;
}
