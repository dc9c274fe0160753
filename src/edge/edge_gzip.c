// SPDX-License-Identifier: Apache-2.0
//
// gzip with the fixed code.
#include "edge/edge_gzip.h"

#include <stdlib.h>

#define WINDOW     32768u
#define HASH_SIZE  32768u
#define MATCH_MIN  3u
#define MATCH_MAX  258u
#define CHAIN_MAX  64u // Places that are looked at for a match.
#define END_SYMBOL 256u

struct bits {
    u8 *out;
    size_t size;
    u64 pending;
    u32 count;
};

static void bits_put(struct bits *bits, u32 value, u32 count)
{
    bits->pending |= (u64)value << bits->count;
    for (bits->count += count; bits->count >= 8; bits->count -= 8) {
        bits->out[bits->size++] = (u8)bits->pending;
        bits->pending >>= 8;
    }
}

// Codes of Huffman's are written with their highest bit first.
static void code_put(struct bits *bits, u32 code, u32 count)
{
    u32 reversed = 0;
    for (u32 i = 0; i < count; i++) reversed |= (code >> i & 1) << (count - 1 - i);
    bits_put(bits, reversed, count);
}

static void symbol_put(struct bits *bits, u32 symbol)
{
    if (symbol < 144) code_put(bits, 0x30 + symbol, 8);
    else if (symbol < 256) code_put(bits, 0x190 + symbol - 144, 9);
    else if (symbol < 280) code_put(bits, symbol - 256, 7);
    else code_put(bits, 0xc0 + symbol - 280, 8);
}

// A length or a distance: the code of the range that it is in, and where it is there.
static void range_find(u32 value, const u16 *bases, u32 count, u32 *index)
{
    u32 at = count - 1;
    while (bases[at] > value) at--;
    *index = at;
}

static void match_put(struct bits *bits, u32 length, u32 distance)
{
    static const u16 lengths[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                  31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const u8 length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                     2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const u16 distances[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                    33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                    1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    u32 index;
    range_find(length, lengths, ARRAY_COUNT(lengths), &index);
    symbol_put(bits, 257 + index);
    bits_put(bits, length - lengths[index], length_bits[index]);
    range_find(distance, distances, ARRAY_COUNT(distances), &index);
    code_put(bits, index, 5);
    bits_put(bits, distance - distances[index], index < 2 ? 0 : index / 2 - 1);
}

static u32 hash_of(const u8 *data)
{
    const u32 three = (u32)data[0] | (u32)data[1] << 8 | (u32)data[2] << 16;
    return three * 2654435761u >> 17;
}

// Places with the same hash, the latest first.
struct chains {
    u32 heads[HASH_SIZE]; // Place plus one; 0 for none.
    u32 before[WINDOW];
};

static void chain_add(struct chains *chains, const u8 *data, size_t at)
{
    const u32 hash = hash_of(data + at);
    chains->before[at % WINDOW] = chains->heads[hash];
    chains->heads[hash] = (u32)at + 1;
}

// The longest match of what is at `at`; 0 when there is none.
static u32 match_find(const struct chains *chains, const u8 *data, size_t size, size_t at,
                      u32 *distance)
{
    const u32 most = (u32)MIN(size - at, (size_t)MATCH_MAX);
    u32 best = 0;
    if (most < MATCH_MIN) return 0;
    u32 place = chains->heads[hash_of(data + at)];
    for (u32 i = 0; i < CHAIN_MAX && place != 0 && at - (place - 1) < WINDOW; i++) {
        const u8 *other = data + place - 1;
        u32 length = 0;
        while (length < most && other[length] == data[at + length]) length++;
        if (length > best) {
            best = length;
            *distance = (u32)(at - (place - 1));
        }
        if (best == most) break;
        const u32 next = chains->before[(place - 1) % WINDOW];
        if (next >= place) break; // It was written over.
        place = next;
    }
    return best >= MATCH_MIN ? best : 0;
}

static u32 crc32_of(const u8 *data, size_t size)
{
    u32 crc = U32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (u32 bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

size_t edge_gzip(const void *memory, size_t size, u8 *out)
{
    static const u8 head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    const u8 *data = memory;
    struct bits bits = {.out = out};
    struct chains *chains = calloc(1, sizeof *chains);
    assert(chains != NULL && size < U32_MAX);
    memcpy(out, head, sizeof head);
    bits.size = sizeof head;
    bits_put(&bits, 1, 1); // The only block,
    bits_put(&bits, 1, 2); // with the fixed code.
    for (size_t at = 0; at < size;) {
        u32 distance = 0;
        const u32 length = match_find(chains, data, size, at, &distance);
        if (length == 0) symbol_put(&bits, data[at]);
        else match_put(&bits, length, distance);
        for (u32 i = 0; i < MAX(length, 1u); i++, at++) {
            if (size - at >= MATCH_MIN) chain_add(chains, data, at);
        }
    }
    symbol_put(&bits, END_SYMBOL);
    bits_put(&bits, 0, 7); // Up to a whole byte.
    free(chains);
    store_u32(out + bits.size, crc32_of(data, size));
    store_u32(out + bits.size + 4, (u32)size);
    return bits.size + 8;
}
