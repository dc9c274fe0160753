// SPDX-License-Identifier: Apache-2.0
//
// base64url.
#include "codec/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *data, size_t size, char *out)
{
    const u8 *bytes = data;
    u32 bits = 0, count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | bytes[i];
        count += 8;
        for (; count >= 6; count -= 6) *out++ = alphabet[bits >> (count - 6) & 63];
    }
    if (count > 0) *out++ = alphabet[bits << (6 - count) & 63];
    *out = 0;
}

// By arithmetic, so that it takes the same time whatever the character is; 64 and above for none.
static u32 digit_value(char c)
{
    const u32 at = (u8)c;
    u32 value = 64;
    value = at - 'A' < 26 ? at - 'A' : value;
    value = at - 'a' < 26 ? at - 'a' + 26 : value;
    value = at - '0' < 10 ? at - '0' + 52 : value;
    value = at == '-' ? 62 : value;
    return at == '_' ? 63 : value;
}

bool base64url_decode(const char *text, size_t text_size, void *out, size_t size)
{
    u8 *bytes = out;
    u32 bits = 0, count = 0, wrong = 0;
    if (text_size != BASE64URL_SIZE(size)) return false;
    for (size_t i = 0; i < text_size; i++) {
        const u32 value = digit_value(text[i]);
        wrong |= value & 64;
        bits = bits << 6 | (value & 63);
        count += 6;
        if (count >= 8) {
            count -= 8;
            *bytes++ = (u8)(bits >> count);
        }
    }
    // What is left over is zero, or the same bytes had several texts.
    return wrong == 0 && (bits & ((1u << count) - 1)) == 0;
}
