// SPDX-License-Identifier: Apache-2.0
//
// The file of signed heads, signing, and asking about the tree of outcomes.
#include "cli/heads.h"

#include "client/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <tael.h>
#include <unistd.h>

#define SIGNATURE_TEXT_MAX 256u // What a signing command may print.

extern char **environ;

// --- the file ------------------------------------------------------------------------------------

static enum status line_take(struct heads *heads, const char *text, size_t size, u32 line,
                             struct failure *failure)
{
    struct proof proof;
    enum status status = proof_read(text, size, line, &proof, failure);
    const struct signed_head *before = heads->count == 0 ? NULL : &heads->items[heads->count - 1];
    if (status != STATUS_OK) return failure_wrap(failure, "%s", heads->path);
    const char *what = NULL;
    if (proof.kind != PROOF_HEAD) what = "is a proof, not a head";
    else if (!proof_head_is_signed(&proof.to)) what = "was not signed by the key it names";
    else if (before != NULL && before->size >= proof.to.size)
        what = "is of no larger tree than the one before";
    if (what != NULL) {
        return failure_set(failure, STATUS_INVALID, "%s, line %u: the head %s", heads->path, line,
                           what);
    }
    heads->items = realloc(heads->items, (heads->count + 1ull) * sizeof *heads->items);
    assert(heads->items != NULL);
    heads->items[heads->count++] = proof.to;
    return STATUS_OK;
}

// Whether a line is whole as JSON, whatever the head in it is worth.
static bool is_proof(const char *text, size_t size)
{
    struct failure failure = {0};
    struct proof proof;
    return proof_read(text, size, 1, &proof, &failure) == STATUS_OK;
}

enum status heads_read(const char *path, struct heads *heads, struct failure *failure)
{
    char *text = NULL;
    size_t size = 0;
    *heads = (struct heads){.path = path, .fd = -1};
    enum status status = cli_input_read(path, &text, &size, failure);
    if (status != STATUS_OK) return status;
    struct json_lines lines = json_lines_init(text, size, 1);
    const char *line = NULL;
    size_t line_size = 0;
    u32 number = 0;
    while (status == STATUS_OK && json_lines_next(&lines, true, &line, &line_size, &number)) {
        status = line_take(heads, line, line_size, number, failure);
        const bool is_open = text[lines.offset - 1] != '\n';
        if (is_open && status != STATUS_OK && !is_proof(line, line_size)) {
            heads->cut_line = number;
            *failure = (struct failure){0};
            status = STATUS_OK;
            break;
        }
        heads->size = lines.offset;
        heads->is_open = is_open;
    }
    free(text);
    if (status != STATUS_OK) heads_close(heads);
    return status;
}

// Makes the name of a new file durable.
static enum status name_sync(const char *path, struct failure *failure)
{
    char folder[4096] = ".";
    const char *end = strrchr(path, '/');
    const size_t size = end == NULL ? 0 : MAX((size_t)(end - path), 1);
    assert(size < sizeof folder); // An option is no longer.
    if (size > 0) {
        memcpy(folder, path, size);
        folder[size] = 0;
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Where a folder cannot be synced its names are as durable as they will be.
    const bool is_synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    const enum status status =
        is_synced ? STATUS_OK : failure_set_errno(failure, STATUS_IO, errno, "syncing %s", folder);
    if (fd >= 0) (void)close(fd);
    return status;
}

enum status heads_open(const char *path, struct heads *heads, struct failure *failure)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    *heads = (struct heads){.fd = -1};
    if (fd < 0) return failure_set_errno(failure, STATUS_IO, errno, "opening %s", path);
    enum status status = STATUS_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? failure_set(failure, STATUS_BUSY, "another signer has %s", path)
                     : failure_set_errno(failure, STATUS_IO, errno, "locking %s", path);
    }
    if (status == STATUS_OK) status = heads_read(path, heads, failure);
    if (status == STATUS_OK && heads->count == 0) status = name_sync(path, failure);
    heads->fd = status == STATUS_OK ? fd : -1;
    if (status != STATUS_OK) (void)close(fd);
    return status;
}

enum status heads_append(struct heads *heads, const struct signed_head *head,
                         struct failure *failure)
{
    char buffer[1 + PROOF_TEXT_MAX] = "\n";
    const struct proof proof = {.kind = PROOF_HEAD, .to = *head};
    struct json_writer writer = json_writer_init(buffer + 1, sizeof buffer - 1);
    proof_write(&proof, &writer);
    enum status status = json_writer_finish(&writer, failure);
    if (status != STATUS_OK) return status;
    const char *text = heads->is_open ? buffer : buffer + 1;
    const size_t size = writer.text.size + heads->is_open;
    // A line that was cut is written over.
    size_t done = 0;
    bool is_written = ftruncate(heads->fd, (off_t)heads->size) == 0;
    while (is_written && done < size) {
        const ssize_t put =
            pwrite(heads->fd, text + done, size - done, (off_t)(heads->size + done));
        if (put < 0 && errno == EINTR) continue;
        is_written = put > 0;
        if (is_written) done += (size_t)put;
    }
    if (!is_written || fsync(heads->fd) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "writing %s", heads->path);
    }
    heads->size += size;
    heads->is_open = false;
    heads->cut_line = 0;
    heads->items = realloc(heads->items, (heads->count + 1ull) * sizeof *heads->items);
    assert(heads->items != NULL);
    heads->items[heads->count++] = *head;
    return STATUS_OK;
}

void heads_close(struct heads *heads)
{
    if (heads->fd >= 0) (void)close(heads->fd);
    free(heads->items);
    heads->items = NULL;
    heads->count = 0;
    heads->fd = -1;
}

// --- signing -------------------------------------------------------------------------------------

static bool bytes_write(int fd, const u8 *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t put = write(fd, data + done, size - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        done += (size_t)put;
    }
    return true;
}

// A command that signs.
struct signer {
    pid_t child;
    int pidfd;
    int out;     // What it prints.
    u64 ends_at; // By tael_now; U64_MAX: never.
};

// Waits until the descriptor has something, the time is over or the program is interrupted, which
// it may have been before. STATUS_TIMEOUT, STATUS_CANCELLED.
static enum status descriptor_await(int fd, u64 ends_at)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    sigset_t ends, before;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, &before);
    enum status status = STATUS_OK;
    for (int ready = 0; ready <= 0 && status == STATUS_OK;) {
        const u64 now = tael_now();
        const u64 left = ends_at > now ? ends_at - now : 0;
        const struct timespec time = {.tv_sec = (time_t)(left / NS_PER_S),
                                      .tv_nsec = (long)(left % NS_PER_S)};
        if (cli_is_interrupted()) status = STATUS_CANCELLED;
        else ready = ppoll(&wanted, 1, ends_at == U64_MAX ? NULL : &time, &before);
        if (ready == 0 && status == STATUS_OK && left == 0) status = STATUS_TIMEOUT;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

// Reads what it prints, to its end or as far as there is room, and waits for its end.
static enum status signer_read(const struct signer *signer, char *out, size_t room, size_t *size)
{
    ssize_t got = 1;
    for (*size = 0; *size < room && got != 0;) {
        const enum status status = descriptor_await(signer->out, signer->ends_at);
        if (status != STATUS_OK) return status;
        got = read(signer->out, out + *size, room - *size);
        if (got < 0 && errno != EINTR) break;
        *size += got > 0 ? (size_t)got : 0;
    }
    return STATUS_OK;
}

// Starts it, with the message on its standard input.
static enum status signer_start(struct signer *signer, const char *command,
                                const u8 message[PROOF_HEAD_SIZE], struct failure *failure)
{
    static const char shell[] = "/bin/sh";
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        const int problem = errno;
        for (u32 i = 0; i < 2 && in[i] >= 0; i++) (void)close(in[i]);
        return failure_set_errno(failure, STATUS_IO, problem, "making a pipe");
    }
    char *const words[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(command), NULL};
    assert(words[2] != NULL);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    int error = posix_spawn(&signer->child, shell, &actions, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    free(words[2]);
    (void)close(in[0]);
    (void)close(out[1]);
    signer->out = out[0];
    if (error == 0) {
        // A command that does not read it is told by what it prints. It fits the pipe.
        void (*before)(int) = signal(SIGPIPE, SIG_IGN);
        (void)bytes_write(in[1], message, PROOF_HEAD_SIZE);
        (void)signal(SIGPIPE, before);
        signer->pidfd = pidfd_open(signer->child, 0);
    }
    (void)close(in[1]);
    if (error == 0) return STATUS_OK;
    (void)close(out[0]);
    return failure_set_errno(failure, STATUS_IO, error, "running %s", shell);
}

// Waits for its end, so long as it may take; then it is told to end, and ended a second later.
// `*ended` is as waitpid has it.
static enum status signer_end(const struct signer *signer, enum status status, int *ended)
{
    (void)close(signer->out); // Who goes on printing is ended by it.
    if (status == STATUS_OK && signer->pidfd >= 0) {
        status = descriptor_await(signer->pidfd, signer->ends_at);
    }
    if (status != STATUS_OK) {
        struct pollfd gone = {.fd = signer->pidfd, .events = POLLIN};
        (void)kill(signer->child, SIGTERM);
        if (poll(&gone, 1, 1000) != 1) (void)kill(signer->child, SIGKILL);
    }
    while (waitpid(signer->child, ended, 0) < 0 && errno == EINTR) continue;
    if (signer->pidfd >= 0) (void)close(signer->pidfd);
    return status;
}

// Runs the command with the message on its standard input; what it prints is the signature in hex.
// STATUS_CANCELLED when the program is interrupted meanwhile.
static enum status command_sign(const struct head_sign_options *options,
                                const u8 message[PROOF_HEAD_SIZE], u8 signature[SIGNATURE_SIZE],
                                struct failure *failure)
{
    const u64 most_s = options->signing_timeout;
    struct signer signer = {.pidfd = -1,
                            .ends_at = most_s == 0 ? U64_MAX : tael_now() + most_s * NS_PER_S};
    char text[SIGNATURE_TEXT_MAX];
    size_t size = 0;
    int ended = -1;
    enum status status = signer_start(&signer, options->signing_command, message, failure);
    if (status != STATUS_OK) return status;
    status = signer_read(&signer, text, sizeof text, &size);
    status = signer_end(&signer, status, &ended);
    if (status == STATUS_TIMEOUT) {
        (void)failure_set(failure, STATUS_TIMEOUT,
                          "the signing command did not end within %u s, and was ended",
                          options->signing_timeout);
        failure_hint(failure, "--signing-timeout SECONDS gives it longer");
        return STATUS_TIMEOUT;
    }
    if (status != STATUS_OK) {
        return failure_set(failure, status, "interrupted; the signing command was ended");
    }
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
        return failure_set(failure, STATUS_IO, "the signing command did not end well");
    }
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) size--;
    size_t bytes = 0;
    struct failure why = {0};
    if (field_hex_decode(text, size, signature, SIGNATURE_SIZE, &bytes, &why) != STATUS_OK ||
        bytes != SIGNATURE_SIZE) {
        return failure_set(failure, STATUS_IO,
                           "the signing command did not print a signature: 128 hex digits");
    }
    return STATUS_OK;
}

enum status head_signing_key(const struct head_sign_options *options, u8 key[SIGNATURE_KEY_SIZE],
                             struct failure *failure)
{
    u8 seed[SIGNATURE_SEED_SIZE];
    if (options->signing_command[0] != 0) {
        memcpy(key, options->public_key, SIGNATURE_KEY_SIZE);
        return STATUS_OK;
    }
    const enum status status = key_file_read(options->signing_key, seed, failure);
    if (status != STATUS_OK) return status;
    signature_key_of(seed, key);
    secret_wipe(seed, sizeof seed);
    return STATUS_OK;
}

enum status head_sign(const struct head_sign_options *options, struct signed_head *head,
                      struct failure *failure)
{
    u8 message[PROOF_HEAD_SIZE];
    proof_head_message(head, message);
    if (options->signing_command[0] != 0) {
        memcpy(head->key, options->public_key, sizeof head->key);
        enum status status = command_sign(options, message, head->signature, failure);
        if (status != STATUS_OK) return status;
    } else {
        u8 seed[SIGNATURE_SEED_SIZE];
        enum status status = key_file_read(options->signing_key, seed, failure);
        if (status != STATUS_OK) return status;
        signature_key_of(seed, head->key);
        signature_make(seed, message, sizeof message, head->signature);
        secret_wipe(seed, sizeof seed);
    }
    if (proof_head_is_signed(head)) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "the signature is not by the public key given");
}

// --- asking --------------------------------------------------------------------------------------

struct tael_client *tree_client_open(const struct cli_call *call, u64 *timeout_ms, int *code)
{
    const struct port_options *port = cli_part(call, &cli_schema_port_options)->head;
    struct failure failure = {0};
    struct tael_options options;
    if (cli_identity_take(port, &options, &failure) != STATUS_OK) {
        *code = cli_fail(call->verb->name, &failure);
        return NULL;
    }
    *timeout_ms = (u64)port->deadline * 1000;
    struct tael_client *client = tael_open(&options);
    assert(client != NULL);
    const enum tael_error error = tael_connect(client, *timeout_ms);
    if (error == TAEL_OK) return client;
    *code = cli_port_fail(call->verb->name, client, error == TAEL_ERROR_TIMEOUT);
    tael_close(client);
    return NULL;
}

static int refusal_tell(const struct cli_call *call, const struct tael_answer *answer)
{
    const char *text = answer->text[0] != 0 ? answer->text : tael_result_text(answer->result);
    if (answer->result == TAEL_RESULT_REFUSED) {
        const struct schema_result *known =
            module_result_of(&tree_module, answer->replies[0].result);
        if (known != NULL) text = known->sentence;
    }
    (void)fprintf(stderr, "tael %s: %s\n", call->verb->name, text);
    return EXIT_REFUSED;
}

int tree_ask_views(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                   const struct schema_record *question, const void *body,
                   const struct schema_record *view, void *views, u32 room, u32 *count)
{
    const size_t stride = align_up(view->size, 16);
    struct tael_question asked = {
        .record = question->number,
        .version = 1,
        .body_size = question->size,
        .body = body,
    };
    *count = 0;
    for (bool has_more = true; has_more;) {
        struct tael_answer answer;
        if (tael_ask(client, &asked, timeout_ms, &answer) != TAEL_OK) {
            return cli_port_fail(call->verb->name, client, false);
        }
        if (answer.result != TAEL_RESULT_DONE) return refusal_tell(call, &answer);
        if (!cli_views_check(call->verb->name, &answer, view)) return EXIT_ENVIRONMENT;
        if (answer.count == 0 || *count + answer.count > room) {
            (void)fprintf(stderr, "tael %s: the server's answer is none: %u views\n",
                          call->verb->name, answer.count);
            return EXIT_ENVIRONMENT;
        }
        // What fills the last one up has no room.
        memcpy((u8 *)views + *count * stride, answer.body,
               (answer.count - 1) * stride + view->size);
        *count += answer.count;
        has_more = answer.has_more;
        memcpy(asked.cursor, answer.cursor, sizeof asked.cursor);
    }
    return EXIT_DONE;
}

int tree_growth_ask(const struct cli_call *call, struct tael_client *client, u64 timeout_ms,
                    const struct signed_head *from, const struct signed_head *to,
                    struct proof *proof)
{
    const struct tree_consistency question = {.from = from->size, .to = to->size};
    struct tree_consistency_view view = {0};
    struct digest roots[2];
    u32 count = 0;
    const int code =
        tree_ask_views(call, client, timeout_ms, &tree_schema_tree_consistency, &question,
                       &tree_schema_tree_consistency_view, &view, 1, &count);
    if (code != EXIT_DONE) return code;
    *proof = (struct proof){.kind = PROOF_CONSISTENCY, .from = *from, .to = *to};
    proof->path_count = MIN(view.path_count, PROOF_GROWTH_MAX);
    memcpy(proof->path, view.path, proof->path_count * sizeof *proof->path);
    memcpy(&roots[0], from->root, sizeof roots[0]);
    memcpy(&roots[1], to->root, sizeof roots[1]);
    if (proof_path_grows(from->size, &roots[0], to->size, &roots[1], proof->path,
                         proof->path_count)) {
        return EXIT_DONE;
    }
    (void)fprintf(stderr,
                  "tael %s: the server's log is not the one that the head of %llu frames was "
                  "signed for: its outcomes were changed\n",
                  call->verb->name, (unsigned long long)from->size);
    return EXIT_REFUSED;
}
