// SPDX-License-Identifier: Apache-2.0
//
// The program tael-check: checks signed heads and proofs without server and log.
//
// A head or a proof is believed when its heads are signed by a key that the user names, or are ones
// that the user holds; never because of the key that it names itself.
#include "codec/civil.h"
#include "codec/field.h"
#include "codec/json.h"
#include "proof/proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 64u
#define FILE_MAX  (1ull << 30)
#define KEY_SHOWN 8u // Bytes of a key in a sentence; --json has all.

enum { EXIT_HOLDS = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3 };

static const char help[] =
    "tael-check FILE... --key KEY | --heads HELD: check heads and proofs of a log\n"
    "\n"
    "Reads what `tael prove`, `tael head prove` and `tael head sign` wrote, one JSON\n"
    "object a line, and says of each line whether it holds and what it proves: what\n"
    "became of a transfer, that a later head continues an earlier one, or that a head\n"
    "was signed. It needs neither the server nor its log, and opens no connection.\n"
    "\n"
    "Whom it believes is for you to say: a key that you know from elsewhere, or heads\n"
    "that you were given before. The key that a proof itself names proves nothing.\n"
    "\n"
    "  tael-check proof.json --key 5d0c...e1\n"
    "  tael-check growth.json --heads held --key 5d0c...e1\n"
    "\n"
    "  FILE          Heads or proofs; - is standard input. (required)\n"
    "  --key KEY     The public key, 64 hex digits, that every head is signed by.\n"
    "  --heads HELD  A file of signed heads that you hold: the head of a proof must\n"
    "                be one of them; when one head continues another, one of both,\n"
    "                and the other signed by the same key or by that of --key.\n"
    "  --json        Print one JSON object a line.\n"
    "  --help        Print this.\n"
    "  --version     Print the version.\n"
    "\n"
    "Exit code: 0 all holds, 1 something does not, 2 usage, 3 a file cannot be read.\n";

struct check {
    const char *files[FILES_MAX];
    u32 file_count;
    bool has_key;
    u8 key[SIGNATURE_KEY_SIZE];
    const char *held_path;
    struct signed_head *held;
    u32 held_count;
    bool as_json;
    bool is_refused; // Something was.
};

static int usage(const char *what, const char *word)
{
    (void)fprintf(stderr, "tael-check: %s%s%s\nsee tael-check --help\n", what,
                  word == NULL ? "" : ": ", word == NULL ? "" : word);
    return EXIT_USAGE;
}

// --- files ---------------------------------------------------------------------------------------

// The whole of a file, in memory that the caller frees; NULL after the reason was told.
static char *file_read(const char *path, size_t *size)
{
    const bool is_standard = strcmp(path, "-") == 0;
    FILE *file = is_standard ? stdin : fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0;
    *size = 0;
    while (file != NULL && !feof(file) && !ferror(file) && *size < FILE_MAX) {
        if (*size == capacity) {
            capacity = MAX(2 * capacity, (size_t)64 * KIB);
            char *more = realloc(text, capacity);
            assert(more != NULL);
            text = more;
        }
        *size += fread(text + *size, 1, capacity - *size, file);
    }
    const int error = file == NULL || ferror(file) ? errno : 0;
    const bool is_whole = file != NULL && error == 0 && *size < FILE_MAX;
    if (file != NULL && !is_standard) (void)fclose(file);
    if (is_whole) return text;
    (void)fprintf(stderr, "tael-check: %s: %s\n", path,
                  error != 0 ? strerror(error) : "has more than a GiB");
    free(text);
    return NULL;
}

// Whether the JSON of a line breaks off where the line ends.
static bool is_parted(const char *line, size_t size)
{
    struct json_reader reader = json_reader_init(line, size, 1);
    struct json_value value = {.token = JSON_NULL};
    struct failure failure = {0};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && value.token != JSON_END) {
        status = json_next(&reader, &value, &failure);
    }
    return status != STATUS_OK && reader.offset == size;
}

// Reads the proof of a line. What goes on in the lines behind it was laid out anew: that is told
// once, and the rest of the file is not read.
static enum status line_read(struct json_lines *lines, const char *line, size_t size, u32 number,
                             struct proof *proof, struct failure *failure)
{
    const enum status status = proof_read(line, size, number, proof, failure);
    if (status == STATUS_OK || lines->offset == lines->size || !is_parted(line, size)) {
        return status;
    }
    lines->offset = lines->size;
    *failure = (struct failure){0};
    return failure_set(
        failure, STATUS_INVALID,
        "line %u ends, at byte %zu, before its JSON does: a head or a proof is one line, "
        "as it was printed",
        number, size);
}

// Takes the heads that the user holds. -1, or the exit code.
static int held_read(struct check *check)
{
    size_t size = 0;
    char *text = file_read(check->held_path, &size);
    if (text == NULL) return EXIT_ENVIRONMENT;
    struct json_lines lines = json_lines_init(text, size, 1);
    const char *line = NULL;
    size_t line_size = 0;
    u32 number = 0;
    int code = -1;
    while (code < 0 && json_lines_next(&lines, true, &line, &line_size, &number)) {
        struct failure failure = {0};
        struct proof proof;
        enum status status = line_read(&lines, line, line_size, number, &proof, &failure);
        if (status == STATUS_OK && proof.kind != PROOF_HEAD) {
            status =
                failure_set(&failure, STATUS_INVALID, "line %u is a proof, not a head", number);
        } else if (status == STATUS_OK && !proof_head_is_signed(&proof.to)) {
            status = failure_set(&failure, STATUS_INVALID,
                                 "line %u: the head was not signed by the key it names", number);
        }
        if (status != STATUS_OK) {
            (void)fprintf(stderr, "tael-check: %s: %s\n", check->held_path, failure.message);
            code = EXIT_REFUSED;
            break;
        }
        check->held = realloc(check->held, (check->held_count + 1ull) * sizeof *check->held);
        assert(check->held != NULL);
        check->held[check->held_count++] = proof.to;
    }
    free(text);
    return code;
}

// --- whom to believe -----------------------------------------------------------------------------

static bool is_by_key(const struct check *check, const struct signed_head *head)
{
    return !check->has_key || memcmp(head->key, check->key, sizeof check->key) == 0;
}

// The head that the user holds and that is this one; NULL when there is none.
static const struct signed_head *held_find(const struct check *check,
                                           const struct signed_head *head)
{
    for (u32 i = 0; i < check->held_count; i++) {
        if (proof_head_is_same(&check->held[i], head)) return &check->held[i];
    }
    return NULL;
}

static enum status trust_check(const struct check *check, const struct proof *proof,
                               struct failure *failure)
{
    const bool has_two = proof->kind == PROOF_CONSISTENCY;
    if (!is_by_key(check, &proof->to) || (has_two && !is_by_key(check, &proof->from))) {
        return failure_set(failure, STATUS_INVALID, "the head is signed by another key");
    }
    if (check->held_path == NULL) return STATUS_OK;
    const struct signed_head *to = held_find(check, &proof->to);
    const struct signed_head *from = has_two ? held_find(check, &proof->from) : NULL;
    if (to == NULL && from == NULL) {
        return failure_set(failure, STATUS_INVALID, "%s",
                           has_two ? "neither head is one of those held"
                                   : "the head is not one of those held");
    }
    // A tree that begins with that of a head anybody can make up: it is for the signer of the one
    // that is held to say that it is the log's.
    if (!has_two || check->has_key || (to != NULL && from != NULL)) return STATUS_OK;
    const u8 *signer = to != NULL ? to->key : from->key;
    const u8 *other = to != NULL ? proof->from.key : proof->to.key;
    if (memcmp(signer, other, SIGNATURE_KEY_SIZE) == 0) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID,
                       "the head that is not held is signed by another key than the one that is: "
                       "name it by --key, if you believe it");
}

// --- what is printed -----------------------------------------------------------------------------

// What became of a transfer and when, in words.
static void became_put(const struct proof_statement *said, struct text *out)
{
    char moment[CIVIL_MOMENT_SIZE];
    (void)civil_print_moment(said->timestamp, moment);
    static const struct {
        u16 flag; // Of a transfer (ledger.def).
        const char *word;
    } words[] = {{1 << 1, "held"},
                 {1 << 2, "posted (what was held)"},
                 {1 << 3, "void (it gave back what was held)"}};
    if (said->result != 255) {
        text_append_format(out, "refused at %s with result %u", moment, said->result);
        return;
    }
    const char *word = "posted";
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (said->flags & words[i].flag) word = words[i].word;
    }
    text_append_format(out, "%s at %s", word, moment);
    if (said->expired_at == 0) return;
    (void)civil_print_moment(said->expired_at, moment);
    text_append_format(out, ", expired at %s", moment);
}

static void head_put(const struct signed_head *head, struct text *out)
{
    char moment[CIVIL_MOMENT_SIZE];
    (void)civil_print_moment(head->timestamp, moment);
    text_append_format(out, "head of %llu frames of log ", (unsigned long long)head->size);
    text_append_u128(out, head->log_id);
    text_append_format(out, " at %s, signed by ", moment);
    text_append_hex(out, head->key, KEY_SHOWN);
    text_append_string(out, "...");
}

static void words_put(const struct proof *proof, struct text *out)
{
    if (proof->kind == PROOF_INCLUSION) {
        const struct proof_statement said = proof_statement_of(proof);
        text_append_string(out, "transfer ");
        text_append_u128(out, said.id);
        text_append_string(out, ": ");
        if (said.result == 255) {
            text_append_u128(out, said.amount);
            text_append_string(out, " from account ");
            text_append_u128(out, said.debit_id);
            text_append_string(out, " to account ");
            text_append_u128(out, said.credit_id);
            text_append_string(out, ", ");
        }
        became_put(&said, out);
        text_append_string(out, "; by the ");
    } else if (proof->kind == PROOF_CONSISTENCY) {
        text_append_string(out, "the ");
        head_put(&proof->from, out);
        text_append_string(out, " is continued by the ");
    }
    head_put(&proof->to, out);
}

static void head_json(const char *key, const struct signed_head *head, struct json_writer *writer)
{
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_write_key(writer, "log_id");
    json_write_u128_string(writer, head->log_id);
    json_write_key(writer, "size");
    json_write_u128_string(writer, head->size);
    json_write_key(writer, "timestamp");
    json_write_u128_string(writer, head->timestamp);
    json_write_key(writer, "key");
    json_write_hex(writer, head->key, sizeof head->key);
    json_write_object_end(writer);
}

static void number_json(const char *key, u128 value, struct json_writer *writer)
{
    json_write_key(writer, key);
    json_write_u128_string(writer, value);
}

static void statement_json(const struct proof *proof, struct json_writer *writer)
{
    const struct proof_statement said = proof_statement_of(proof);
    json_write_key(writer, "transfer");
    json_write_object_begin(writer);
    number_json("id", said.id, writer);
    json_write_key(writer, "result");
    json_write_u64(writer, said.result);
    number_json("amount", said.amount, writer);
    number_json("debit_account_id", said.debit_id, writer);
    number_json("credit_account_id", said.credit_id, writer);
    json_write_key(writer, "code");
    json_write_u64(writer, said.code);
    json_write_key(writer, "flags");
    json_write_u64(writer, said.flags);
    json_write_key(writer, "planned");
    json_write_bool(writer, said.is_planned);
    number_json("timestamp", said.timestamp, writer);
    number_json("expired_at", said.expired_at, writer);
    json_write_object_end(writer);
}

// Says what a line proves, or why it does not.
static void line_put(struct check *check, const char *path, u32 number, const struct proof *proof,
                     const struct failure *why)
{
    static const char *const kinds[] = {"head", "inclusion", "consistency"};
    static char buffer[PROOF_TEXT_MAX]; // Of a path of 4,096 bytes each may take six.
    check->is_refused = check->is_refused || why != NULL;
    if (!check->as_json) {
        struct text out = text_init(buffer, sizeof buffer);
        if (why == NULL) words_put(proof, &out);
        else text_append_string(&out, why->message);
        if (why == NULL) (void)printf("ok: %.*s\n", (int)MIN(out.size, sizeof buffer), buffer);
        else
            (void)printf("refused: %s, line %u: %.*s\n", path, number,
                         (int)MIN(out.size, sizeof buffer), buffer);
        return;
    }
    struct json_writer writer = json_writer_init(buffer, sizeof buffer);
    json_write_object_begin(&writer);
    json_write_key(&writer, "ok");
    json_write_bool(&writer, why == NULL);
    if (why != NULL) {
        json_write_key(&writer, "file");
        json_write_text(&writer, path);
        json_write_key(&writer, "line");
        json_write_u64(&writer, number);
        json_write_key(&writer, "reason");
        json_write_text(&writer, why->message);
    } else {
        json_write_key(&writer, "kind");
        json_write_text(&writer, kinds[proof->kind]);
        if (proof->kind == PROOF_INCLUSION) statement_json(proof, &writer);
        if (proof->kind == PROOF_CONSISTENCY) head_json("from", &proof->from, &writer);
        head_json(proof->kind == PROOF_INCLUSION ? "head" : "to", &proof->to, &writer);
    }
    json_write_object_end(&writer);
    json_write_line_end(&writer);
    (void)fwrite(buffer, 1, MIN(writer.text.size, sizeof buffer), stdout);
}

// Checks every line of a file. -1, or the exit code.
static int file_check(struct check *check, const char *path)
{
    static struct proof proof;
    size_t size = 0;
    char *text = file_read(path, &size);
    if (text == NULL) return EXIT_ENVIRONMENT;
    struct json_lines lines = json_lines_init(text, size, 1);
    const char *line = NULL;
    size_t line_size = 0;
    u32 number = 0;
    u32 count = 0;
    for (; json_lines_next(&lines, true, &line, &line_size, &number); count++) {
        struct failure failure = {0};
        enum status status = line_read(&lines, line, line_size, number, &proof, &failure);
        if (status == STATUS_OK) status = proof_check(&proof, &failure);
        if (status == STATUS_OK) status = trust_check(check, &proof, &failure);
        line_put(check, path, number, &proof, status == STATUS_OK ? NULL : &failure);
    }
    free(text);
    if (count > 0) return -1;
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_INVALID, "there is nothing in it");
    line_put(check, path, 1, &proof, &failure);
    return -1;
}

// --- the command line ----------------------------------------------------------------------------

static int key_take(struct check *check, const char *text)
{
    struct failure failure = {0};
    size_t size = 0;
    const bool is_hex = field_hex_decode(text, strlen(text), check->key, sizeof check->key, &size,
                                         &failure) == STATUS_OK;
    if (!is_hex || size != sizeof check->key || !signature_key_is_valid(check->key)) {
        return usage("--key is no public key, 64 hex digits", text);
    }
    check->has_key = true;
    return -1;
}

// Reads the words; -1 to go on, else the exit code.
static int words_read(int count, char *const *words, struct check *check)
{
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        const bool is_key = strcmp(word, "--key") == 0;
        const bool is_heads = strcmp(word, "--heads") == 0;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            (void)fputs(help, stdout);
            return EXIT_HOLDS;
        }
        if (strcmp(word, "--version") == 0) {
            (void)puts("tael-check " TAEL_VERSION);
            return EXIT_HOLDS;
        }
        if (is_key || is_heads) {
            if (is_key ? check->has_key : check->held_path != NULL) {
                return usage("given twice", word);
            }
            if (i + 1 == count) return usage("something must follow", word);
            const char *value = words[++i];
            if (is_heads) check->held_path = value;
            else if (key_take(check, value) >= 0) return EXIT_USAGE;
        } else if (strcmp(word, "--json") == 0) {
            check->as_json = true;
        } else if (word[0] == '-' && word[1] != 0) {
            return usage("there is no such flag", word);
        } else if (check->file_count == FILES_MAX) {
            return usage("64 files at most; this is one more", word);
        } else {
            check->files[check->file_count++] = word;
        }
    }
    if (check->file_count == 0) return usage("what is to be checked is missing", NULL);
    if (check->has_key || check->held_path != NULL) return -1;
    return usage("say whom to believe: --key, --heads, or both", NULL);
}

int main(int count, char **words)
{
    static struct check check;
    int code = words_read(count, words, &check);
    if (code >= 0) return code;
    if (check.held_path != NULL) code = held_read(&check);
    for (u32 i = 0; i < check.file_count && code < 0; i++)
        code = file_check(&check, check.files[i]);
    free(check.held);
    if (code >= 0) return code;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "tael-check: writing what was found failed\n");
        return EXIT_ENVIRONMENT;
    }
    return check.is_refused ? EXIT_REFUSED : EXIT_HOLDS;
}
