// SPDX-License-Identifier: Apache-2.0
//
// Frames: digest and checksum.
#include "wal/frame.h"

#include "base/checksum.h"

#define CHUNKS_MAX (FRAME_SIZE_MAX / FRAME_CHUNK_SIZE + 2)

void frame_digest(const u8 *head_rest, size_t head_rest_size, const struct frame_part *parts,
                  u32 part_count, struct digest *out)
{
    struct digest digests[CHUNKS_MAX];
    u32 count = 0;
    sha256(head_rest, head_rest_size, &digests[count++]);
    struct sha256_state state; // A chunk that spans parts.
    size_t open = 0;
    for (u32 i = 0; i < part_count; i++) {
        const u8 *data = parts[i].data;
        size_t left = parts[i].size;
        if (open > 0) {
            size_t take = MIN(left, FRAME_CHUNK_SIZE - open);
            sha256_update(&state, data, take);
            data += take;
            left -= take;
            open += take;
            if (open == FRAME_CHUNK_SIZE) {
                assert(count < CHUNKS_MAX);
                sha256_end(&state, &digests[count++]);
                open = 0;
            }
        }
        size_t whole = left - left % FRAME_CHUNK_SIZE;
        if (whole > 0) {
            assert(count + whole / FRAME_CHUNK_SIZE <= CHUNKS_MAX);
            sha256_chunks(data, whole, FRAME_CHUNK_SIZE, &digests[count]);
            count += (u32)(whole / FRAME_CHUNK_SIZE);
        }
        if (left > whole) {
            sha256_begin(&state);
            sha256_update(&state, data + whole, left - whole);
            open = left - whole;
        }
    }
    if (open > 0) {
        assert(count < CHUNKS_MAX);
        sha256_end(&state, &digests[count++]);
    }
    merkle_root(digests, count, out);
}

void frame_header_seal(struct frame_header *header)
{
    u128 sum = checksum((const u8 *)header + sizeof header->checksum,
                        sizeof *header - sizeof header->checksum);
    memcpy(header->checksum, &sum, sizeof header->checksum);
}

bool frame_header_valid(const struct frame_header *header)
{
    u128 sum = checksum((const u8 *)header + sizeof header->checksum,
                        sizeof *header - sizeof header->checksum);
    return memcmp(header->checksum, &sum, sizeof header->checksum) == 0 &&
           header->magic == FRAME_MAGIC && header->size_of_header == sizeof *header;
}
