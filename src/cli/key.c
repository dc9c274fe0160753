// SPDX-License-Identifier: Apache-2.0
//
// The verbs key and token: secrets of principals, in files of their own; and by which key other
// verbs come in.
#include "cli/cli.h"
#include "client/key_file.h"
#include "client/token_file.h"
#include "codec/number.h"
#include "server/address.h"

#include <stdlib.h>
#include <tael.h>

enum status cli_identity_take(const struct port_options *port, struct tael_options *options,
                              struct failure *failure)
{
    const char *said = getenv("TAEL_PRINCIPAL");
    struct address address;
    if (address_parse(port->connect, &address, failure) != STATUS_OK) {
        return failure_wrap(failure, "--connect");
    }
    *options = (struct tael_options){
        .address = port->connect,
        .principal = port->principal,
        .key_file = port->key[0] != 0 ? port->key : getenv("TAEL_KEY"),
    };
    if (options->key_file != NULL && options->key_file[0] == 0) options->key_file = NULL;
    if (port->principal == 0 && said != NULL && said[0] != 0) {
        u128 number = 0;
        if (number_parse_u128(said, strlen(said), &number) != NUMBER_OK || number == 0 ||
            number > U64_MAX) {
            return failure_set(failure, STATUS_INVALID, "TAEL_PRINCIPAL is %s, no principal",
                               text_quote(said, strlen(said)).text);
        }
        options->principal = (u64)number;
    }
    if (options->key_file == NULL || options->principal != 0) return STATUS_OK;
    failure_note(failure, STATUS_INVALID, "a key is given, and not the principal whose it is");
    failure_hint(failure, "give --principal N, or set TAEL_PRINCIPAL");
    return STATUS_INVALID;
}

int cli_port_fail(const char *verb, const struct tael_client *client, bool is_late)
{
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(client));
    if (is_late) {
        failure_hint(&failure, "is the server running, and is this its tael port?");
    }
    return cli_fail(verb, &failure);
}

// On a line of its own, so that a script may take it as it is.
static void line_print(const u8 bytes[32])
{
    for (u32 i = 0; i < 32; i++) (void)printf("%02x", bytes[i]);
    (void)printf("\n");
}

static void key_print(const struct cli_call *call, const char *file,
                      const u8 key[SIGNATURE_KEY_SIZE])
{
    struct key_view view = {0};
    memcpy(view.public_key, key, sizeof view.public_key);
    cli_text_set(view.file, sizeof view.file, file);
    if (call->form != CLI_TABLE) {
        cli_print_record(&cli_schema_key_view, call->form, &view);
        return;
    }
    line_print(key);
}

static int key_new_run(const struct cli_call *call)
{
    const struct key_word *word = cli_part(call, &cli_schema_key_word)->head;
    struct failure failure = {0};
    u8 key[SIGNATURE_KEY_SIZE];
    if (key_file_new(word->file, key, &failure) != STATUS_OK) {
        return cli_fail(call->verb->name, &failure);
    }
    key_print(call, word->file, key);
    return EXIT_DONE;
}

static int key_show_run(const struct cli_call *call)
{
    const struct key_word *word = cli_part(call, &cli_schema_key_word)->head;
    struct failure failure = {0};
    u8 seed[SIGNATURE_SEED_SIZE], key[SIGNATURE_KEY_SIZE];
    if (key_file_read(word->file, seed, &failure) != STATUS_OK) {
        (void)cli_fail(call->verb->name, &failure);
        return EXIT_ENVIRONMENT; // The command line was right, whatever the file is.
    }
    signature_key_of(seed, key);
    secret_wipe(seed, sizeof seed);
    key_print(call, word->file, key);
    return EXIT_DONE;
}

static int token_new_run(const struct cli_call *call)
{
    const struct token_word *word = cli_part(call, &cli_schema_token_word)->head;
    struct token_view view = {0};
    struct failure failure = {0};
    struct digest hash;
    if (token_file_new(word->file, &hash, &failure) != STATUS_OK) {
        return cli_fail(call->verb->name, &failure);
    }
    memcpy(view.token_hash, hash.bytes, sizeof view.token_hash);
    cli_text_set(view.file, sizeof view.file, word->file);
    if (call->form != CLI_TABLE) cli_print_record(&cli_schema_token_view, call->form, &view);
    else line_print(view.token_hash);
    return EXIT_DONE;
}

#define PARTS                                          \
    {                                                  \
        &cli_schema_key_word, &cli_schema_form_options \
    }
#define EXITS \
    "0 done, 2 usage, 3 environment (the file is there already, is none, or open to others)"

const struct cli_verb key_verbs[KEY_VERBS_COUNT] = {
    {
        .name = "key",
        .summary = "make the secret key of a principal, show its public one",
        .about = "A principal proves by a key who it is, when it is not known as the user of its "
                 "process. The secret half is in a file that only its owner may read; the server "
                 "is told the public one (`tael principal open`).",
    },
    {
        .name = "key new",
        .summary = "make a key in a new file",
        .about = "Makes an Ed25519 key, writes the secret half to the new file FILE, with rights "
                 "for its owner alone, and prints the public half in hex. What is at FILE "
                 "already is left as it is. There is no copy: who loses the file needs another "
                 "key.",
        .example = "key new alice.key",
        .exits = EXITS,
        .parts = PARTS,
        .run = key_new_run,
    },
    {
        .name = "key show",
        .summary = "print the public half of a key",
        .about = "Prints the public half, in hex, of the key whose secret half is in FILE.",
        .example = "key show alice.key",
        .exits = EXITS,
        .parts = PARTS,
        .run = key_show_run,
    },
    {
        .name = "token",
        .summary = "make a token, by which a program is known over HTTP",
        .about = "Who calls over HTTP shows a token: a secret of 32 random bytes. The log has its "
                 "hash alone (`tael principal token-open`).",
    },
    {
        .name = "token new",
        .summary = "make a token in a new file",
        .about = "Makes a token of 32 random bytes, writes it to the new file FILE, with rights "
                 "for its owner alone, and prints its SHA-256 in hex, for `tael principal "
                 "token-open`. What is at FILE already is left as it is. There is no copy: who "
                 "loses the file needs another token.",
        .example = "token new shop.token",
        .exits = "0 done, 2 usage, 3 environment (the file is there already, or cannot be made)",
        .parts = {&cli_schema_token_word, &cli_schema_form_options},
        .run = token_new_run,
    },
};
