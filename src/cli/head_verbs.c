// SPDX-License-Identifier: Apache-2.0
//
// The verbs head and prove: signing heads of the tree of outcomes, and what proves a transfer
// against one, or one head against another (docs/PROOFS.md).
#include "cli/heads.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <tael.h>

static const char no_heads_hint[] =
    "`tael head sign FILE --signing-key KEY` signs the first one (`tael key new KEY`)";

static int proof_print(const struct proof *proof)
{
    char text[PROOF_TEXT_MAX];
    struct failure failure = {0};
    struct json_writer writer = json_writer_init(text, sizeof text);
    proof_write(proof, &writer);
    if (json_writer_finish(&writer, &failure) != STATUS_OK) return cli_fail("prove", &failure);
    return cli_write(stdout, text, writer.text.size) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

static const char cut_is_left_out[] = "it is left out";

static int heads_fail(const struct cli_call *call, enum status status, struct failure *failure)
{
    if (status == STATUS_NOT_FOUND) failure_hint(failure, "%s", no_heads_hint);
    (void)cli_fail(call->verb->name, failure);
    return status == STATUS_INVALID ? EXIT_REFUSED : EXIT_ENVIRONMENT;
}

// Says that a line at the end is no head any more.
static void cut_tell(const struct cli_call *call, const struct heads *heads, const char *what)
{
    if (heads->cut_line == 0) return;
    (void)fprintf(stderr, "tael %s: warning: %s, line %u was cut: %s\n", call->verb->name,
                  heads->path, heads->cut_line, what);
}

// --- head sign -----------------------------------------------------------------------------------

static int head_ask(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                    struct signed_head *head)
{
    const struct tree_head question = {0};
    struct tree_head_view view;
    u32 count = 0;
    const int code = tree_ask_views(call, client, timeout_ms, &tree_schema_tree_head, &question,
                                    &tree_schema_tree_head_view, &view, 1, &count);
    if (code != EXIT_DONE) return code;
    *head = (struct signed_head){
        .log_id = view.log_id,
        .epoch = view.epoch,
        .sequence = view.sequence,
        .position = view.position,
        .timestamp = view.timestamp,
        .size = view.size,
    };
    memcpy(head->header, view.header, sizeof head->header);
    memcpy(head->root, view.root, sizeof head->root);
    return EXIT_DONE;
}

// Waits so long, or until the signer is told to end, which it may have been before.
static void pause_s(u32 seconds)
{
    sigset_t ends, before;
    const struct timespec time = {.tv_sec = seconds};
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, &before);
    if (!cli_is_interrupted()) (void)ppoll(NULL, 0, &time, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

// Signs the head of now, if the tree has grown since the last one and is that tree's continuation.
static int head_advance(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                        struct heads *heads, bool *is_new)
{
    const struct head_sign_options *options = cli_part(call, &cli_schema_head_sign_options)->head;
    struct failure failure = {0};
    struct signed_head head;
    *is_new = false;
    int code = head_ask(call, client, timeout_ms, &head);
    if (code != EXIT_DONE) return code;
    if (heads->count > 0) {
        const struct signed_head *last = &heads->items[heads->count - 1];
        struct proof proof;
        if (last->size == head.size && proof_head_is_same(last, &head)) return EXIT_DONE;
        if (last->size >= head.size) {
            (void)fprintf(stderr,
                          "tael head sign: the last head of %s is of %llu frames, the server's log "
                          "has %llu%s\n",
                          heads->path, (unsigned long long)last->size,
                          (unsigned long long)head.size,
                          last->size == head.size ? ", and they differ" : "");
            return EXIT_REFUSED;
        }
        code = tree_growth_ask(call, client, timeout_ms, last, &head, &proof);
        if (code != EXIT_DONE) return code;
    }
    enum status status = head_sign(options, &head, &failure);
    if (status == STATUS_OK) status = heads_append(heads, &head, &failure);
    if (status != STATUS_OK) {
        (void)cli_fail(call->verb->name, &failure);
        // Who signs for ever is told to end so.
        const bool is_asked = status == STATUS_CANCELLED && options->every > 0;
        return is_asked ? EXIT_DONE : EXIT_ENVIRONMENT;
    }
    *is_new = true;
    return EXIT_DONE;
}

static void head_print(const struct cli_call *call, const struct signed_head *head)
{
    cli_print_record(&proof_schema_signed_head, call->form, head);
    (void)cli_flush(stdout);
}

// Whether the key may sign what comes behind the last head. Looked at before anything is asked, so
// that a signer that could not sign is told so at once, and not when there is something new.
static int key_judge(const struct cli_call *call, const struct heads *heads)
{
    const struct head_sign_options *options = cli_part(call, &cli_schema_head_sign_options)->head;
    struct failure failure = {0};
    u8 key[SIGNATURE_KEY_SIZE];
    if (head_signing_key(options, key, &failure) != STATUS_OK) {
        (void)cli_fail(call->verb->name, &failure);
        return EXIT_ENVIRONMENT;
    }
    const bool is_same =
        heads->count == 0 || memcmp(heads->items[heads->count - 1].key, key, sizeof key) == 0;
    if (is_same || options->new_key) return EXIT_DONE;
    (void)failure_set(&failure, STATUS_INVALID, "the last head of %s is signed by another key",
                      heads->path);
    failure_hint(&failure, "another signer keeps a file of its own; --new-key goes on when the key "
                           "was replaced, and who checks has to be given the new one");
    (void)cli_fail(call->verb->name, &failure);
    return EXIT_REFUSED;
}

static int heads_advance(const struct cli_call *call, struct heads *heads)
{
    const struct head_sign_options *options = cli_part(call, &cli_schema_head_sign_options)->head;
    u64 timeout_ms = 0;
    int code = key_judge(call, heads);
    if (code != EXIT_DONE) return code;
    struct tael_client *client = tree_client_open(call, &timeout_ms, &code);
    if (client == NULL) return code;
    for (bool is_first = true; code == EXIT_DONE; is_first = false) {
        bool is_new = false;
        if (!is_first) pause_s(options->every);
        if (cli_is_interrupted()) break;
        code = head_advance(call, client, timeout_ms, heads, &is_new);
        if (cli_is_interrupted() && !is_new) break;
        if (code == EXIT_DONE && is_first && !is_new) {
            (void)fprintf(stderr, "tael head sign: nothing new, the last head stands\n");
        }
        if (code == EXIT_DONE && (is_new || is_first)) {
            head_print(call, &heads->items[heads->count - 1]);
        }
        if (options->every == 0) break;
    }
    tael_close(client);
    return code;
}

static int head_sign_run(const struct cli_call *call)
{
    const struct head_sign_options *options = cli_part(call, &cli_schema_head_sign_options)->head;
    struct failure failure = {0};
    struct heads heads;
    const bool has_command = options->signing_command[0] != 0;
    if ((options->signing_key[0] != 0) == has_command) {
        (void)failure_set(&failure, STATUS_INVALID,
                          "one of --signing-key and --signing-command says who signs");
        return cli_fail(call->verb->name, &failure);
    }
    if (has_command != signature_key_is_valid(options->public_key)) {
        (void)failure_set(&failure, STATUS_INVALID,
                          has_command ? "--signing-command needs the --public-key that it signs by"
                                      : "--public-key goes with --signing-command");
        return cli_fail(call->verb->name, &failure);
    }
    const enum status status = heads_open(options->heads, &heads, &failure);
    if (status != STATUS_OK) return heads_fail(call, status, &failure);
    cut_tell(call, &heads, "the next head is written over it");
    cli_interrupt_install();
    const int code = heads_advance(call, &heads);
    heads_close(&heads);
    return code;
}

// --- head show -----------------------------------------------------------------------------------

static int head_show_run(const struct cli_call *call)
{
    const struct heads_word *word = cli_part(call, &cli_schema_heads_word)->head;
    struct failure failure = {0};
    struct heads heads;
    const enum status status = heads_read(word->heads, &heads, &failure);
    if (status != STATUS_OK) return heads_fail(call, status, &failure);
    cut_tell(call, &heads, cut_is_left_out);
    cli_print_rows(&proof_schema_signed_head, call->form, heads.items, sizeof *heads.items,
                   heads.count);
    heads_close(&heads);
    return EXIT_DONE;
}

// --- head prove ----------------------------------------------------------------------------------

// The head of a size, or of 0 the one at the end that is asked for.
static const struct signed_head *head_find(const struct heads *heads, u64 size, bool is_last)
{
    if (heads->count == 0) return NULL;
    if (size == 0) return &heads->items[is_last ? heads->count - 1 : 0];
    for (u32 i = 0; i < heads->count; i++) {
        if (heads->items[i].size == size) return &heads->items[i];
    }
    return NULL;
}

static int head_missing(const struct cli_call *call, const struct heads *heads, u64 size)
{
    if (heads->count == 0) {
        (void)fprintf(stderr, "tael %s: %s has no head\nhint: %s\n", call->verb->name, heads->path,
                      no_heads_hint);
    } else {
        (void)fprintf(stderr,
                      "tael %s: %s has no head of %llu frames; `tael head show` lists them\n",
                      call->verb->name, heads->path, (unsigned long long)size);
    }
    return EXIT_REFUSED;
}

static int head_prove_run(const struct cli_call *call)
{
    const struct head_prove_options *options = cli_part(call, &cli_schema_head_prove_options)->head;
    struct failure failure = {0};
    struct heads heads;
    const enum status status = heads_read(options->heads, &heads, &failure);
    if (status != STATUS_OK) return heads_fail(call, status, &failure);
    cut_tell(call, &heads, cut_is_left_out);
    const struct signed_head *from = head_find(&heads, options->from, false);
    const struct signed_head *to = head_find(&heads, options->to, true);
    int code = EXIT_DONE;
    if (from == NULL || to == NULL) {
        code = head_missing(call, &heads, from == NULL ? options->from : options->to);
        heads_close(&heads);
        return code;
    }
    u64 timeout_ms = 0;
    struct tael_client *client = tree_client_open(call, &timeout_ms, &code);
    if (client != NULL) {
        struct proof proof;
        code = tree_growth_ask(call, client, timeout_ms, from, to, &proof);
        tael_close(client);
        if (code == EXIT_DONE) code = proof_print(&proof);
    }
    heads_close(&heads);
    return code;
}

// --- prove ---------------------------------------------------------------------------------------

static_assert((int)PROVED_TRANSFER == (int)PROOF_PART_TRANSFER &&
                  (int)PROVED_DEBIT_ACCOUNT == (int)PROOF_PART_DEBIT_ACCOUNT &&
                  (int)PROVED_CREDIT_ACCOUNT == (int)PROOF_PART_CREDIT_ACCOUNT &&
                  (int)PROVED_EXPIRY == (int)PROOF_PART_EXPIRY,
              "the parts of a proof");

static void row_take(const struct tree_inclusion_part *part, struct proof_item *item)
{
    const u32 row_count = MIN(part->row_path_count, (u32)sizeof part->row_path / 32);
    const u32 leaf_count = MIN(part->leaf_path_count, (u32)sizeof part->leaf_path / 32);
    *item = (struct proof_item){.head = {
                                    .leaf = part->leaf,
                                    .row_index = part->row_index,
                                    .row_count = part->row_count,
                                    .what = part->what,
                                    .path_size = (row_count + leaf_count) * 32,
                                }};
    memcpy(item->head.row, part->row, sizeof item->head.row);
    memcpy(item->path, part->row_path, row_count * sizeof *item->path);
    memcpy(item->path + row_count, part->leaf_path, leaf_count * sizeof *item->path);
}

static int transfer_prove(const struct cli_call *call, const struct signed_head *head,
                          struct proof *proof)
{
    const struct prove_options *options = cli_part(call, &cli_schema_prove_options)->head;
    const struct tree_inclusion question = {.transfer_id = options->transfer, .size = head->size};
    struct tree_inclusion_part parts[PROOF_ROWS_MAX];
    static_assert(sizeof parts[0] % 16 == 0, "views lie at multiples of 16");
    u64 timeout_ms = 0;
    u32 count = 0;
    int code = EXIT_DONE;
    struct tael_client *client = tree_client_open(call, &timeout_ms, &code);
    if (client == NULL) return code;
    code = tree_ask_views(call, client, timeout_ms, &tree_schema_tree_inclusion, &question,
                          &tree_schema_tree_inclusion_part, parts, PROOF_ROWS_MAX, &count);
    tael_close(client);
    if (code != EXIT_DONE) return code;
    *proof = (struct proof){.kind = PROOF_INCLUSION, .to = *head, .row_count = count};
    for (u32 i = 0; i < count; i++) row_take(&parts[i], &proof->rows[i]);
    struct failure failure = {0};
    if (proof_check(proof, &failure) == STATUS_OK) return EXIT_DONE;
    // A server of another log, or one whose outcomes were changed behind the head.
    (void)failure_wrap(&failure, "what the server gave proves nothing against this head");
    (void)cli_fail(call->verb->name, &failure);
    return EXIT_REFUSED;
}

static int prove_run(const struct cli_call *call)
{
    const struct prove_options *options = cli_part(call, &cli_schema_prove_options)->head;
    struct failure failure = {0};
    struct heads heads;
    const enum status status = heads_read(options->heads, &heads, &failure);
    if (status != STATUS_OK) return heads_fail(call, status, &failure);
    cut_tell(call, &heads, cut_is_left_out);
    const struct signed_head *head = head_find(&heads, options->size, true);
    struct proof proof;
    int code = head == NULL ? head_missing(call, &heads, options->size)
                            : transfer_prove(call, head, &proof);
    if (code == EXIT_DONE) code = proof_print(&proof);
    heads_close(&heads);
    return code;
}

// -------------------------------------------------------------------------------------------------

const struct cli_verb head_verbs[HEAD_VERBS_COUNT] = {
    {
        .name = "head",
        .summary = "sign heads of all outcomes, and prove that one continues another",
        .about = "A head pins down everything that has happened in a log: whoever keeps it can "
                 "tell every change of anything before it. Signed heads are kept in a file of "
                 "their own, away from the data folder, and handed to whoever is to check the "
                 "log: auditors, supervisors, partners. `tael prove` proves a transfer against "
                 "one, `tael-check` checks a proof without server and log (docs/PROOFS.md).",
    },
    {
        .name = "head sign",
        .summary = "sign the head of now, if it continues the last one",
        .about = "Asks the server for its head, makes it prove that its tree continues that of the "
                 "last head in FILE, signs it and appends it to FILE. A log whose outcomes were "
                 "changed behind that head gets no signature. The key is a file of `tael key new`, "
                 "or a command is run that reads the 144 bytes to be signed from standard input "
                 "and prints the Ed25519 signature in hex: for a key that never leaves its device.",
        .example = "head sign heads --signing-key signer.key --every 60",
        .exits = "0 done, 1 refused (the log does not continue the last head), 2 usage, 3 "
                 "environment (no server, no key, a file that cannot be written)",
        .parts = {&cli_schema_head_sign_options, &cli_schema_port_options,
                  &cli_schema_form_options},
        .run = head_sign_run,
    },
    {
        .name = "head show",
        .summary = "list the heads of a file",
        .about = "Lists the signed heads of FILE, after checking each signature against the key "
                 "that the head names. Whether that is the right key is for `tael-check`.",
        .example = "head show heads",
        .exits = "0 done, 1 refused (a signature does not hold), 2 usage, 3 environment",
        .parts = {&cli_schema_heads_word, &cli_schema_form_options},
        .run = head_show_run,
    },
    {
        .name = "head prove",
        .summary = "prove that a later head continues an earlier one",
        .about = "Prints a proof, as JSON, that the tree of one head of FILE is the beginning of "
                 "that of another: nothing was changed, left out or put in between.",
        .example = "head prove heads --from 41203 >growth.json",
        .exits = "0 done, 1 refused, 2 usage, 3 environment",
        .parts = {&cli_schema_head_prove_options, &cli_schema_port_options,
                  &cli_schema_json_option},
        .run = head_prove_run,
    },
};

const struct cli_verb prove_verb = {
    .name = "prove",
    .summary = "prove what became of a transfer, against a signed head",
    .about = "Prints a proof, as JSON, of what became of the transfer TRANSFER: its outcome, the "
             "making of both accounts, and of a hold that expired the expiry, each with its path "
             "to the root of a signed head of FILE. `tael-check` checks it without server and log.",
    .example = "prove 17 --heads heads >proof.json",
    .exits = "0 done, 1 refused (no such transfer, or none that the head covers), 2 usage, 3 "
             "environment",
    .parts = {&cli_schema_prove_options, &cli_schema_port_options, &cli_schema_json_option},
    .run = prove_run,
};
