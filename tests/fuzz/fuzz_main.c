// SPDX-License-Identifier: Apache-2.0
//
// Runs a target without libFuzzer: on each file of a corpus, then on mutations of them, which a
// seed decides. So every compiler runs the corpus, with and without sanitizers, and a defect that
// tools/fuzz found stays found once its input is in the corpus.
//
// fuzz-TARGET CORPUS MUTATIONS [SEED]; fuzz-TARGET FILE runs one input.
// A last word `fails` expects the target to end the process, and exits 0 when it does.
#include "fuzz.h"

#include "base/random.h"
#include "base/words.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUTS_MAX     1024u
#define INPUT_SIZE_MAX (1u << 20) // A trail is long (server.c).

struct input {
    u8 *bytes;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static u32 input_count;

static void give_up(const char *what, const char *name)
{
    (void)fprintf(stderr, "%s: %s\n", name, what);
    exit(3);
}

static void input_load(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct input *input = &inputs[input_count++];
    if (file == NULL || input_count == INPUTS_MAX)
        give_up("cannot be opened, or one too many", path);
    input->bytes = malloc(INPUT_SIZE_MAX);
    if (input->bytes == NULL) give_up("no memory", path);
    input->size = fread(input->bytes, 1, INPUT_SIZE_MAX, file);
    (void)fclose(file);
}

static int name_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

// In the order of their names, whatever order the folder has.
static void inputs_load(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) give_up("is not there", path);
    if (!S_ISDIR(status.st_mode)) {
        input_load(path);
        return;
    }
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, name_compare);
    for (int i = 0; i < count; i++) {
        char name[4096];
        (void)snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') input_load(name);
        free(entries[i]);
    }
    free(entries);
    if (input_count == 0) give_up("no input", path);
}

// Of exact size, so that a sanitizer sees what is read behind the end.
static void run(const u8 *bytes, size_t size)
{
    u8 *exact = malloc(size + (size == 0));
    if (exact == NULL) give_up("no memory", "input");
    memcpy(exact, bytes, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

// One to eight changes: a bit, a byte, a piece doubled, moved, taken away, or from another input.
static size_t mutate(struct random *random, u8 *bytes, size_t size)
{
    const u64 changes = random_between(random, 1, 8);
    for (u64 i = 0; i < changes; i++) {
        const u64 kind = random_below(random, 6);
        const size_t at = (size_t)random_below(random, size + 1);
        const size_t piece = (size_t)random_between(random, 1, 16);
        const struct input *other = &inputs[random_below(random, input_count)];
        if (kind < 2 && at < size) {
            if (kind == 0) bytes[at] ^= (u8)(1u << random_below(random, 8));
            else bytes[at] = (u8)random_u64(random);
        } else if (kind == 2 && size - at >= piece) {
            memmove(bytes + at, bytes + at + piece, size - at - piece);
            size -= piece;
        } else if (kind == 3 && at + piece <= size && size + piece <= INPUT_SIZE_MAX) {
            memmove(bytes + at + piece, bytes + at, size - at);
            size += piece;
        } else if (kind == 4 && other->size > 0) {
            const size_t from = (size_t)random_below(random, other->size);
            const size_t count = MIN(MIN(piece, other->size - from), INPUT_SIZE_MAX - at);
            memcpy(bytes + at, other->bytes + from, count);
            size = MAX(size, at + count);
        } else if (kind == 5 && random_chance(random, 10)) {
            size = at;
        }
    }
    return size;
}

static void run_all(u64 mutations, u64 seed)
{
    static u8 bytes[INPUT_SIZE_MAX];
    struct random random;
    random_init(&random, seed);
    for (u32 i = 0; i < input_count; i++) run(inputs[i].bytes, inputs[i].size);
    for (u64 i = 0; i < mutations; i++) {
        const struct input *input = &inputs[random_below(&random, input_count)];
        memcpy(bytes, input->bytes, input->size);
        run(bytes, mutate(&random, bytes, input->size));
    }
    (void)printf("%u inputs, %llu mutations\n", input_count, (unsigned long long)mutations);
}

int main(int argc, char **argv)
{
    static const char usage[] = "CORPUS [MUTATIONS [SEED]] [fails]";
    const bool must_fail = argc > 2 && strcmp(argv[argc - 1], "fails") == 0;
    argc -= must_fail;
    if (argc < 2) give_up(usage, argv[0]);
    inputs_load(argv[1]);
    const u64 mutations = word_number(argc, argv, 2, 0, usage);
    const u64 seed = word_number(argc, argv, 3, 1, usage);
    if (!must_fail) {
        run_all(mutations, seed);
        return 0;
    }
    const pid_t child = fork();
    if (child == 0) {
        run_all(mutations, seed);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) give_up("no child", argv[0]);
    if (!WIFSIGNALED(status)) give_up("nothing was found", argv[0]);
    return 0;
}
