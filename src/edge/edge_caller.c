// SPDX-License-Identifier: Apache-2.0
//
// Who asks.
#include "edge/edge_caller.h"

#include "codec/number.h"
#include "edge/edge_base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_PREFIX  "tael_"
#define LINE_MAX_SIZE 256u

// One line without its end. False when it is none; `*is_blank` when there is nothing in it.
static bool line_parse(char *line, struct edge_caller *out, bool *is_blank)
{
    line[strcspn(line, "#\r\n")] = 0;
    size_t size = strlen(line);
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t')) line[--size] = 0;
    *is_blank = size == 0;
    if (*is_blank) return true;
    const size_t digits = 2 * sizeof out->token.bytes;
    u128 principal = 0;
    if (size < digits + 2 || line[digits] != ' ') return false;
    for (size_t i = 0; i < sizeof out->token.bytes; i++) {
        const int high = edge_hex_digit(line[2 * i]), low = edge_hex_digit(line[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out->token.bytes[i] = (u8)(high * 16 + low);
    }
    if (number_parse_u128(line + digits + 1, size - digits - 1, &principal) != NUMBER_OK) {
        return false;
    }
    out->principal = (u64)principal;
    return principal != 0 && principal < U64_MAX;
}

enum status edge_tokens_read(struct edge_tokens *tokens, const char *path, struct failure *failure)
{
    struct edge_tokens read = {0};
    if (path == NULL || path[0] == 0) return STATUS_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return failure_set_errno(failure, STATUS_NOT_FOUND, errno, "--tokens: opening %s", path);
    }
    char line[LINE_MAX_SIZE];
    enum status status = STATUS_OK;
    read.items = calloc(EDGE_TOKENS_MAX, sizeof *read.items);
    assert(read.items != NULL);
    for (u32 number = 1; status == STATUS_OK && fgets(line, sizeof line, file) != NULL; number++) {
        bool is_blank = false;
        if (read.count == EDGE_TOKENS_MAX ||
            !line_parse(line, &read.items[read.count], &is_blank)) {
            status = failure_set(failure, STATUS_INVALID,
                                 "--tokens: line %u of %s is not 64 hexadecimal digits, a blank "
                                 "and a principal, or there are too many",
                                 number, path);
        } else if (!is_blank) {
            read.count++;
        }
    }
    (void)fclose(file);
    if (status != STATUS_OK) {
        edge_tokens_free(&read);
        return status;
    }
    edge_tokens_free(tokens);
    *tokens = read;
    return STATUS_OK;
}

void edge_tokens_free(struct edge_tokens *tokens)
{
    free(tokens->items);
    *tokens = (struct edge_tokens){0};
}

const char *edge_caller_header(const char *header, struct digest *token)
{
    static const char scheme[] = "Bearer ";
    u8 secret[EDGE_TOKEN_BYTES];
    if (header == NULL) return "there is no header Authorization";
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        return "the header Authorization is not Bearer and a token";
    }
    header += sizeof scheme - 1;
    header += strspn(header, " ");
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    if (strncmp(header, TOKEN_PREFIX, prefix) != 0 ||
        !edge_base64_decode(header + prefix, strlen(header + prefix), secret, sizeof secret)) {
        return "the token is not tael_ and 43 characters of base64url";
    }
    sha256(secret, sizeof secret, token);
    explicit_bzero(secret, sizeof secret);
    return NULL;
}

bool edge_caller_find(const struct edge_tokens *tokens, const struct digest *token,
                      struct edge_caller *out)
{
    bool found = false;
    for (u32 i = 0; i < tokens->count; i++) {
        const struct digest *other = &tokens->items[i].token;
        u8 difference = 0;
        for (u32 j = 0; j < sizeof token->bytes; j++) {
            difference |= (u8)(token->bytes[j] ^ other->bytes[j]);
        }
        if (difference != 0) continue;
        *out = tokens->items[i];
        found = true;
    }
    return found;
}
