// SPDX-License-Identifier: Apache-2.0
//
// Proofs as JSON, both ways. A head alone is the object of its record; the others are
//
//   {"head": {...}, "rows": [{...}, ...]}             inclusion
//   {"from": {...}, "to": {...}, "growth": {...}}     consistency
//
// with the records of proof.def, and nothing else.
#include "proof/proof.h"

#include "codec/record_json.h"

// What is read of a proof so far.
enum member {
    MEMBER_HEAD,
    MEMBER_ROWS,
    MEMBER_FROM,
    MEMBER_TO,
    MEMBER_GROWTH,
    MEMBER_COUNT,
};
static const char *const member_names[MEMBER_COUNT] = {"head", "rows", "from", "to", "growth"};

// A record and the blob behind it, as record_json has them.
struct row_bytes {
    _Alignas(16) u8 bytes[sizeof(struct proof_row) + PROOF_PATH_MAX * sizeof(struct digest)];
};

// --- writing -------------------------------------------------------------------------------------

static void head_write(const char *key, const struct signed_head *head, struct json_writer *writer)
{
    json_write_key(writer, key);
    record_json_write(&proof_schema_signed_head, RECORD_JSON_ALL, head, writer);
}

static void rows_write(const struct proof *proof, struct json_writer *writer)
{
    json_write_key(writer, "rows");
    json_write_array_begin(writer);
    for (u32 i = 0; i < proof->row_count; i++) {
        const struct proof_item *item = &proof->rows[i];
        struct row_bytes whole;
        memcpy(whole.bytes, &item->head, sizeof item->head);
        memcpy(whole.bytes + sizeof item->head, item->path, item->head.path_size);
        record_json_write(&proof_schema_proof_row, RECORD_JSON_ALL, whole.bytes, writer);
    }
    json_write_array_end(writer);
}

static void growth_write(const struct proof *proof, struct json_writer *writer)
{
    _Alignas(16) u8 whole[sizeof(struct proof_growth) + sizeof proof->path];
    const size_t size = proof->path_count * sizeof(struct digest);
    const struct proof_growth head = {.path_size = (u32)size};
    memcpy(whole, &head, sizeof head);
    memcpy(whole + sizeof head, proof->path, size);
    json_write_key(writer, "growth");
    record_json_write(&proof_schema_proof_growth, RECORD_JSON_ALL, whole, writer);
}

void proof_write(const struct proof *proof, struct json_writer *writer)
{
    if (proof->kind == PROOF_HEAD) {
        record_json_write(&proof_schema_signed_head, RECORD_JSON_ALL, &proof->to, writer);
        json_write_line_end(writer);
        return;
    }
    json_write_object_begin(writer);
    if (proof->kind == PROOF_INCLUSION) {
        head_write("head", &proof->to, writer);
        rows_write(proof, writer);
    } else {
        head_write("from", &proof->from, writer);
        head_write("to", &proof->to, writer);
        growth_write(proof, writer);
    }
    json_write_object_end(writer);
    json_write_line_end(writer);
}

// --- reading -------------------------------------------------------------------------------------

static enum status head_read(struct json_reader *reader, struct signed_head *head,
                             struct failure *failure)
{
    size_t size = 0;
    return record_json_decode(&proof_schema_signed_head, reader, head, sizeof *head, &size,
                              failure);
}

static enum status rows_read(struct json_reader *reader, struct proof *proof,
                             struct failure *failure)
{
    struct json_value value;
    enum status status = json_next(reader, &value, failure);
    if (status != STATUS_OK) return status;
    if (value.token != JSON_ARRAY_BEGIN) {
        failure_note(failure, STATUS_INVALID, "rows: an array is expected, not %s",
                     json_token_name(value.token));
        return json_failure_at(reader, value.offset, failure);
    }
    for (proof->row_count = 0;; proof->row_count++) {
        struct json_reader before = *reader;
        status = json_next(reader, &value, failure);
        if (status != STATUS_OK || value.token == JSON_ARRAY_END) return status;
        if (proof->row_count == PROOF_ROWS_MAX) {
            failure_note(failure, STATUS_INVALID, "rows: more than %u", PROOF_ROWS_MAX);
            return json_failure_at(reader, value.offset, failure);
        }
        struct row_bytes whole;
        struct proof_item *item = &proof->rows[proof->row_count];
        size_t size = 0;
        *reader = before;
        status = record_json_decode(&proof_schema_proof_row, reader, whole.bytes,
                                    sizeof whole.bytes, &size, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "row %u", proof->row_count);
        memcpy(&item->head, whole.bytes, sizeof item->head);
        memcpy(item->path, whole.bytes + sizeof item->head, item->head.path_size);
    }
}

static enum status growth_read(struct json_reader *reader, struct proof *proof,
                               struct failure *failure)
{
    _Alignas(16) u8 whole[sizeof(struct proof_growth) + sizeof proof->path];
    struct proof_growth head;
    size_t size = 0;
    const struct json_reader before = *reader;
    enum status status =
        record_json_decode(&proof_schema_proof_growth, reader, whole, sizeof whole, &size, failure);
    if (status != STATUS_OK) return status;
    memcpy(&head, whole, sizeof head);
    if (head.path_size % sizeof(struct digest) != 0) {
        failure_note(failure, STATUS_INVALID, "path: %u bytes are not whole digests of 32",
                     head.path_size);
        return json_failure_at(reader, before.offset, failure);
    }
    proof->path_count = head.path_size / (u32)sizeof(struct digest);
    memcpy(proof->path, whole + sizeof head, head.path_size);
    return STATUS_OK;
}

static enum status member_read(struct json_reader *reader, enum member member, struct proof *proof,
                               struct failure *failure)
{
    switch (member) {
    case MEMBER_HEAD:
    case MEMBER_TO: return head_read(reader, &proof->to, failure);
    case MEMBER_FROM: return head_read(reader, &proof->from, failure);
    case MEMBER_ROWS: return rows_read(reader, proof, failure);
    case MEMBER_GROWTH: return growth_read(reader, proof, failure);
    case MEMBER_COUNT: break;
    }
    assert(false);
    return STATUS_INVALID;
}

// The members of a proof, whose opening brace is read. `*seen` has a bit for each.
static enum status members_read(struct json_reader *reader, struct proof *proof, u32 *seen,
                                struct failure *failure)
{
    for (;;) {
        struct json_value key;
        enum status status = json_next(reader, &key, failure);
        if (status != STATUS_OK || key.token == JSON_OBJECT_END) return status;
        u32 member = 0;
        while (member < MEMBER_COUNT && (strlen(member_names[member]) != key.size ||
                                         memcmp(member_names[member], key.text, key.size) != 0))
            member++;
        if (member == MEMBER_COUNT || (*seen & 1u << member) != 0) {
            failure_note(failure, STATUS_INVALID, "%s: %s", text_quote(key.text, key.size).text,
                         member == MEMBER_COUNT ? "a proof has no such member" : "given twice");
            return json_failure_at(reader, key.offset, failure);
        }
        *seen |= 1u << member;
        status = member_read(reader, (enum member)member, proof, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "%s", member_names[member]);
    }
}

enum status proof_read(const char *text, size_t size, u32 line_first, struct proof *proof,
                       struct failure *failure)
{
    const u32 inclusion = 1u << MEMBER_HEAD | 1u << MEMBER_ROWS;
    const u32 consistency = 1u << MEMBER_FROM | 1u << MEMBER_TO | 1u << MEMBER_GROWTH;
    struct json_reader reader = json_reader_init(text, size, line_first);
    const struct json_reader begin = reader;
    struct json_value value, key;
    *proof = (struct proof){0};
    enum status status = json_next(&reader, &value, failure);
    if (status != STATUS_OK) return status;
    if (value.token != JSON_OBJECT_BEGIN) {
        failure_note(failure, STATUS_INVALID, "a head or a proof is an object, not %s",
                     json_token_name(value.token));
        return json_failure_at(&reader, value.offset, failure);
    }
    // A head begins with its log's id, a proof with one of its members.
    struct json_reader ahead = reader;
    status = json_next(&ahead, &key, failure);
    if (status != STATUS_OK) return status;
    u32 seen = 0;
    bool is_head = key.token == JSON_KEY && key.size > 0;
    for (u32 i = 0; i < MEMBER_COUNT && is_head; i++) {
        is_head =
            strlen(member_names[i]) != key.size || memcmp(member_names[i], key.text, key.size) != 0;
    }
    if (is_head) {
        reader = begin;
        proof->kind = PROOF_HEAD;
        status = head_read(&reader, &proof->to, failure);
    } else {
        status = members_read(&reader, proof, &seen, failure);
        proof->kind = seen == inclusion ? PROOF_INCLUSION : PROOF_CONSISTENCY;
        if (status == STATUS_OK && seen != inclusion && seen != consistency) {
            failure_note(failure, STATUS_INVALID,
                         "a proof has head and rows, or from, to and growth");
            status = json_failure_at(&reader, value.offset, failure);
        }
    }
    if (status != STATUS_OK) return status;
    return json_next(&reader, &value, failure);
}
