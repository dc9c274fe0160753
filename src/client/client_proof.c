// SPDX-License-Identifier: Apache-2.0
//
// How a client proves who it is: it signs what the server asks, by a key file or the caller's own
// hand. A secret is in memory for as long as a signature takes.
#include "client/client_internal.h"
#include "client/key_file.h"

#include <stdlib.h>
#include <sys/random.h>

// The file as it is now, so that a client that cannot prove who it is says so at once.
static bool file_check(struct tael_client *client)
{
    u8 seed[SIGNATURE_SEED_SIZE];
    struct failure failure;
    const enum status status = key_file_read(client->key_file, seed, &failure);
    secret_wipe(seed, sizeof seed);
    if (status != STATUS_OK) client_note(client, "%s", failure.message);
    return status == STATUS_OK;
}

bool client_key_take(struct tael_client *client, const struct tael_options *options)
{
    client->sign = options->sign;
    client->sign_context = options->sign_context;
    if (options->key_file == NULL && options->sign == NULL) return true;
    if (options->key_file != NULL && options->sign != NULL) {
        client_note(client, "a key file and a function that signs exclude each other");
        return false;
    }
    if (options->principal == 0) {
        client_note(client, "a key was given, and not the principal whose it is");
        return false;
    }
    if (options->key_file == NULL) return true;
    client->key_file = strdup(options->key_file);
    if (client->key_file != NULL) return file_check(client);
    client_note(client, "no memory");
    return false;
}

// Signs. False, and noted, when that cannot be done.
static bool statement_sign(struct tael_client *client, const struct tael_statement *statement,
                           u8 signature[SIGNATURE_SIZE])
{
    if (client->sign != NULL) {
        client->is_in_callback = true;
        const int code =
            client->sign(client->sign_context, statement, sizeof *statement, signature);
        client->is_in_callback = false;
        if (code != 0) client_note(client, "the function that signs says %d", code);
        return code == 0;
    }
    u8 seed[SIGNATURE_SEED_SIZE];
    struct failure failure;
    if (key_file_read(client->key_file, seed, &failure) != STATUS_OK) {
        client_note(client, "%s", failure.message);
        return false;
    }
    signature_make(seed, statement, sizeof *statement, signature);
    secret_wipe(seed, sizeof seed);
    return true;
}

// Why the challenge is not to be answered, or NULL.
static const char *challenge_judge(const struct tael_client *client,
                                   const struct tael_challenge *challenge)
{
    if (challenge->protocol != TAEL_PROTOCOL) return "speaks another version of the protocol";
    if (!is_zero(challenge->reserved, sizeof challenge->reserved)) {
        return "sends a challenge that is none";
    }
    // What is in flight might be applied in both.
    if (client->is_welcomed && client->welcome.log_id != challenge->log_id) {
        return "has another log than before";
    }
    if (client->principal == 0) return "asks who nobody in particular is";
    if (!client_has_key(client)) return "asks for a proof, and no key was given";
    return NULL;
}

void client_prove(struct tael_client *client, const struct tael_challenge *challenge)
{
    const char *reason = challenge_judge(client, challenge);
    if (reason != NULL) {
        char place[ADDRESS_TEXT_SIZE];
        client_note(client, "the server at %s %s (principal %llu)",
                    address_print(&client->address, place), reason,
                    (unsigned long long)client->principal);
        client_end(client);
        return;
    }
    // Of so few bytes the kernel gives all, once it has any.
    const ssize_t got = getrandom(client->proof.nonce, sizeof client->proof.nonce, 0);
    assert(got == (ssize_t)sizeof client->proof.nonce);
    const struct tael_statement statement =
        tael_statement_of(challenge, client->principal, client->proof.nonce);
    if (!statement_sign(client, &statement, client->proof.signature)) {
        client_end(client);
        return;
    }
    client->proof_header = (struct tael_header){.head = {.command = TAEL_PROOF}};
    tael_header_seal(&client->proof_header, &client->proof, sizeof client->proof);
    client->is_proof_due = true;
}
