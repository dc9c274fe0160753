// SPDX-License-Identifier: Apache-2.0
//
// Signed heads of the tree over all outcomes, and proofs against them (L5; docs/PROOFS.md): made by
// who has the log, checked by whoever holds a head or the public key of who signs them, without the
// log and without the server.
//
// A proof of inclusion says what became of a transfer: its row, the making of its two accounts, and
// of a hold that expired the expiry; each leads to the root of one signed head. A proof of
// consistency says that the tree of one signed head is the beginning of that of another: nothing
// was changed or left out between them.
//
// Guarantees: pure functions of their arguments. What is read is not trusted: every length is
// checked, and a proof holds or is refused with the place and the rule.
// Does not say: that a head is the log's last one, or that others were shown the same.
#ifndef TAEL_PROOF_PROOF_H
#define TAEL_PROOF_PROOF_H

#include "base/sha256.h"
#include "base/signature.h"
#include "codec/json.h"
#include "schema/schema.h"

#include "schema/pass_struct.h"

#include "proof/proof.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE proof
#include "schema/pass_extern.h"

#include "proof/proof.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define PROOF_PATH_MAX   56u // Digests from a row to a root.
#define PROOF_GROWTH_MAX 37u // Digests between two trees.
#define PROOF_ROWS_MAX   4u
#define PROOF_LEAF_SIZE  54u
#define PROOF_TEXT_MAX   (32u << 10) // Of any of these as JSON.

// What is signed: these 16 bytes, so that no other signed message of ours can be taken for it, and
// the head's first 128.
#define PROOF_HEAD_WORDS     "tael tree head 1"
#define PROOF_HEAD_BODY_SIZE 128u
#define PROOF_HEAD_SIZE      (16u + PROOF_HEAD_BODY_SIZE)

struct proof_item {
    struct proof_row head; // head.path_size bytes of `path` are its path.
    struct digest path[PROOF_PATH_MAX];
};

enum proof_kind {
    PROOF_HEAD,        // A signed head alone: `to`.
    PROOF_INCLUSION,   // `rows` in the tree of `to`.
    PROOF_CONSISTENCY, // `path` between the trees of `from` and `to`.
};

struct proof {
    enum proof_kind kind;
    struct signed_head from;
    struct signed_head to;
    u32 row_count;
    struct proof_item rows[PROOF_ROWS_MAX];
    u32 path_count;
    struct digest path[PROOF_GROWTH_MAX];
};

// --- heads ---

// What is signed of a head.
void proof_head_message(const struct signed_head *head, u8 message[PROOF_HEAD_SIZE]);
// Whether the head was signed by the key that it names.
bool proof_head_is_signed(const struct signed_head *head);
// Whether two heads are of the same log and state, whoever signed them.
bool proof_head_is_same(const struct signed_head *a, const struct signed_head *b);

// --- paths ---

// The root to which a path leads from a leaf hash (RFC 9162, section 2.1.3.2). False when the path
// is not as long as that of leaf `index` of `size`. `used` digests of the path are looked at: with
// NULL all of them must be.
bool proof_path_root(const struct digest *leaf, u64 index, u64 size, const struct digest *path,
                     u32 count, u32 *used, struct digest *root);
// Whether the path shows one tree to be the beginning of the other (section 2.1.4.2). A tree of
// size 0 is the beginning of every tree, by an empty path.
bool proof_path_grows(u64 from, const struct digest *from_root, u64 to,
                      const struct digest *to_root, const struct digest *path, u32 count);

// --- proofs ---

// Checks all of a proof but who signed: signatures, paths, and that the rows belong together.
// STATUS_INVALID names what does not hold. A proof that holds says what proof_said prints.
MUST_USE enum status proof_check(const struct proof *proof, struct failure *failure);

// What a proof of inclusion that holds says.
struct proof_statement {
    u128 id;
    u128 amount;   // Minor units; of a refusal 0 or what was asked.
    u128 debit_id; // Of the accounts; 0 of a refusal.
    u128 credit_id;
    u64 timestamp;  // Nanoseconds.
    u64 expired_at; // Of a pending transfer that expired; else 0.
    u16 code;
    u16 flags;       // Of a transfer (ledger.def), without what is history's own.
    u8 result;       // 255: it was done; else the number of the refusal.
    bool is_planned; // By a module: a posting of a business command.
};
struct proof_statement proof_statement_of(const struct proof *proof);

// Writes a proof, or a head alone, as one JSON object and a line end.
void proof_write(const struct proof *proof, struct json_writer *writer);
// Reads one. STATUS_INVALID with line, column and rule.
MUST_USE enum status proof_read(const char *text, size_t size, u32 line_first, struct proof *proof,
                                struct failure *failure);

#endif
