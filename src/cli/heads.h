// SPDX-License-Identifier: Apache-2.0
//
// What the verbs head and prove share: the file of signed heads, who signs, and asking the server
// about its tree of outcomes (docs/PROOFS.md).
//
// A file of heads is appended to and never changed: one signed head a line, as JSON, each of a
// larger tree than the one before. Who appends holds a lock on it, so that two signers never part.
#ifndef TAEL_CLI_HEADS_H
#define TAEL_CLI_HEADS_H

#include "cli/cli.h"
#include "modules/module.h"
#include "modules/tree/tree.h"
#include "proof/proof.h"

struct tael_client;

// --- the file ---

struct heads {
    const char *path;
    struct signed_head *items;
    u32 count;
    u64 size;     // Bytes of whole heads.
    bool is_open; // The last of them has no line end.
    u32 cut_line; // Number of a line behind them that was cut; 0: there is none.
    int fd;       // To append; -1 when it is only read.
};

// Reads the heads of a file, each of which must be signed by the key that it names and be of a
// larger tree than the one before. STATUS_NOT_FOUND, STATUS_IO; STATUS_INVALID with the line. What
// has no line end, at the end, and is no head was cut: whoever wrote it was stopped, or somebody
// else has cut it. It is for the caller to tell.
MUST_USE enum status heads_read(const char *path, struct heads *heads, struct failure *failure);
// The same to append to, made when absent, and locked: STATUS_BUSY while another has it.
MUST_USE enum status heads_open(const char *path, struct heads *heads, struct failure *failure);
// Appends a head, over a line that was cut, and makes it durable.
MUST_USE enum status heads_append(struct heads *heads, const struct signed_head *head,
                                  struct failure *failure);
void heads_close(struct heads *heads);

// --- who signs ---

// Signs what a head says with the key of the options, sets key and signature, and checks them.
// STATUS_INVALID, STATUS_IO; of a command that takes longer than it may STATUS_TIMEOUT, of one
// during which the program was interrupted STATUS_CANCELLED: it is ended then, what it has started
// is not.
// By which key a head would be signed: that of the file, which is read, or the one that is given.
MUST_USE enum status head_signing_key(const struct head_sign_options *options,
                                      u8 key[SIGNATURE_KEY_SIZE], struct failure *failure);
MUST_USE enum status head_sign(const struct head_sign_options *options, struct signed_head *head,
                               struct failure *failure);

// --- asking ---

// A client that has come in, for tael_close; NULL after `*code` was told.
struct tael_client *tree_client_open(const struct cli_call *call, u64 *timeout_ms, int *code);
// Asks a question of the module tree; EXIT_DONE leaves `count` views of the record `view`, 1 to
// `room`, in `views`. Anything else was told.
int tree_ask_views(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                   const struct schema_record *question, const void *body,
                   const struct schema_record *view, void *views, u32 room, u32 *count);
// The consistency proof between two heads of the server's log, checked. EXIT_REFUSED when the
// server's tree did not grow from the one to the other, which was told.
int tree_growth_ask(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                    const struct signed_head *from, const struct signed_head *to,
                    struct proof *proof);

#endif
