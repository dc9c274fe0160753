// SPDX-License-Identifier: Apache-2.0
//
// A real server and a load of which the truth is known.
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void load_die(const char *what, const struct failure *failure)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, failure == NULL ? "" : failure->message);
    exit(1);
}

static u64 amount_of(u64 id)
{
    return 1 + id % 97;
}

void load_init(struct load *load, const char *program, const char *folder, u64 seed)
{
    *load = (struct load){.program = program, .folder = folder, .space_reserve = "0", .next_id = 1};
    random_init(&load->random, seed);
    load->client = calloc(1, sizeof *load->client);
    load->body = aligned_alloc(PAGE_SIZE, 2 * MIB);
    assert(load->client != NULL && load->body != NULL);
}

void load_free(struct load *load)
{
    free(load->body);
    free(load->client);
}

// --- the server ---------------------------------------------------------------------------------

// Prints a file of one line of a thread of the server's, which need not be there.
static void thread_print(pid_t server, const char *thread, const char *name)
{
    char path[320], line[256];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)server, thread, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        (void)fprintf(stderr, "  %s %s: %s\n", thread, name, line);
    }
    (void)fclose(file);
}

// Tells what each thread of a server waits for that does not do what is waited for, and ends.
static _Noreturn void stuck_die(const struct load *load, const char *what)
{
    char folder[64];
    (void)fprintf(stderr, "load: the server does not %s within %llu s; its threads:\n", what,
                  (unsigned long long)(LOAD_TIMEOUT_NS / NS_PER_S));
    (void)snprintf(folder, sizeof folder, "/proc/%d/task", (int)load->server);
    DIR *threads = opendir(folder);
    for (const struct dirent *one; threads != NULL && (one = readdir(threads)) != NULL;) {
        if (one->d_name[0] == '.') continue;
        thread_print(load->server, one->d_name, "comm");
        thread_print(load->server, one->d_name, "wchan");
        thread_print(load->server, one->d_name, "syscall");
    }
    if (threads != NULL) (void)closedir(threads);
    (void)kill(load->server, SIGABRT);
    exit(1);
}

// Waits until a descriptor can be read, or is at its end; false when that takes too long.
static bool readable_wait(int descriptor)
{
    const u64 until = compat_client_now() + LOAD_TIMEOUT_NS;
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    for (;;) {
        const u64 now = compat_client_now();
        if (now >= until) return false;
        const int count = poll(&ready, 1, (int)((until - now) / NS_PER_MS) + 1);
        if (count > 0) return true;
        if (count < 0 && errno != EINTR) load_die("poll", NULL);
    }
}

int load_server_wait(struct load *load)
{
    const int process = (int)syscall(SYS_pidfd_open, load->server, 0);
    int status = 0;
    if (process < 0) load_die("pidfd_open", NULL);
    if (!readable_wait(process)) stuck_die(load, "leave");
    (void)close(process);
    if (waitpid(load->server, &status, 0) != load->server) load_die("waiting for the server", NULL);
    return status;
}

// Ends the process when the program cannot be had.
static _Noreturn void program_become(const char *const *words)
{
    char *copies[24] = {NULL};
    for (u32 i = 0; words[i] != NULL; i++) copies[i] = strdup(words[i]);
    if (copies[0] != NULL) (void)execv(copies[0], copies);
    _exit(127);
}

bool load_server_try(struct load *load)
{
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) load_die("pipe", NULL);
    load->server = fork();
    if (load->server < 0) load_die("fork", NULL);
    if (load->server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // However the test ends.
        (void)dup2(output[1], STDOUT_FILENO);
        if (load->trace != NULL) {
            const int trace = open(load->trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            (void)dup2(trace, STDERR_FILENO);
        }
        // A small interval, so that ends fall into checkpoints too.
        const char *port = load->address[0] == 0 ? "0" : strchr(load->address, ':') + 1;
        const char *words[24] = {load->program,        "serve",         "--data",
                                 load->folder,         "--compat-port", port,
                                 "--checkpoint-bytes", "4000000",       "--space-reserve",
                                 load->space_reserve};
        u32 count = 10;
        if (load->port != NULL) {
            words[count++] = "--port";
            words[count++] = load->port;
        }
        for (u32 i = 0; i < ARRAY_COUNT(load->flags) && load->flags[i] != NULL; i++) {
            words[count++] = load->flags[i];
        }
        if (load->child != NULL) load->child(load->child_context);
        program_become(words);
    }
    (void)close(output[1]);
    char line[256] = {0};
    size_t length = 0;
    while (length + 1 < sizeof line && strchr(line, '\n') == NULL) {
        if (!readable_wait(output[0])) stuck_die(load, "become ready");
        ssize_t got = read(output[0], line + length, sizeof line - length - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            (void)close(output[0]);
            load->status = load_server_wait(load);
            load->server = 0;
            return false;
        }
        length += (size_t)got;
    }
    (void)close(output[0]);
    const char *at = strstr(line, "compat=");
    if (at == NULL || sscanf(at, "compat=%63s", load->address) != 1) load_die("no address", NULL);
    return true;
}

void load_server_start(struct load *load)
{
    if (!load_server_try(load)) load_die("the server did not become ready", NULL);
}

bool load_server_ended(struct load *load)
{
    if (load->server == 0) return true;
    if (waitpid(load->server, &load->status, WNOHANG) != load->server) return false;
    load->server = 0;
    return true;
}

void load_server_end(struct load *load, int number)
{
    (void)kill(load->server, number);
    const int status = load_server_wait(load);
    bool expected = number == SIGKILL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                                      : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!expected) {
        (void)fprintf(stderr, "load: the server ended with status %x\n", (unsigned)status);
        exit(1);
    }
}

void load_client_open(const struct load *load, struct compat_client *client)
{
    struct compat_client_options options = {0};
    struct failure failure;
    enum status status = address_parse(load->address, &options.address, &failure);
    if (status == STATUS_OK) {
        status = compat_client_connect(client, &options, LOAD_TIMEOUT_NS, &failure);
    }
    if (status != STATUS_OK) load_die("connecting", &failure);
}

// --- requests -----------------------------------------------------------------------------------

static void request_submit(struct load *load, u8 wire, u32 size)
{
    struct failure failure;
    if (compat_client_submit(load->client, wire, load->body, size,
                             compat_client_now() + LOAD_TIMEOUT_NS, &failure) != STATUS_OK) {
        load_die("submitting", &failure);
    }
}

// Takes the answer to what is in flight; NULL when `until` came, or the server ended, before.
static const struct compat_answer *answer_await(struct load *load, u64 until,
                                                void (*step)(void *context), void *context)
{
    struct failure failure;
    const struct compat_answer *answer = NULL;
    while ((answer = compat_client_answer(load->client)) == NULL) {
        if (compat_client_now() >= until || load_server_ended(load)) return NULL;
        u64 soon = compat_client_now() + NS_PER_MS;
        compat_client_wait(&load->client, 1, MIN(until, soon));
        if (step != NULL) step(context);
        if (compat_client_step(load->client, &failure) != STATUS_OK) load_die("load", &failure);
    }
    return answer;
}

bool load_accounts_try(struct load *load, u64 until)
{
    struct account *accounts = (void *)load->body;
    memset(accounts, 0, 2 * sizeof *accounts);
    for (u32 i = 0; i < 2; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 1, .code = 1};
    }
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_ACCOUNTS;
    u32 size = compat_body_finish(wire, load->body, 2);
    request_submit(load, wire, size);
    const bool is_done = answer_await(load, until, NULL, NULL) != NULL;
    if (is_done) compat_client_release(load->client);
    return is_done;
}

void load_accounts_make(struct load *load)
{
    if (!load_accounts_try(load, compat_client_now() + LOAD_TIMEOUT_NS)) {
        load_die("creating accounts", NULL);
    }
}

u32 load_batch_make(const struct load *load, u8 *body, u32 count)
{
    struct transfer *transfers = (void *)body;
    for (u32 i = 0; i < count; i++) {
        u64 id = load->next_id + i;
        transfers[i] = (struct transfer){.id = id,
                                         .debit_account_id = 1,
                                         .credit_account_id = 2,
                                         .amount = amount_of(id),
                                         .user_data_64 = id * 3,
                                         .ledger = 1,
                                         .code = 1};
    }
    return compat_body_finish(COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS, body, count);
}

void load_batch_note(struct load *load, const struct compat_answer *answer, u32 count, bool again)
{
    const struct create_result *results = (const void *)answer->batches.events;
    u32 created = 0;
    if (answer->batches.event_count != count) load_die("a reply has another count", NULL);
    for (u32 i = 0; i < count; i++) {
        bool is_created = results[i].status == U32_MAX;
        created += is_created;
        if (results[i].timestamp <= load->timestamp) load_die("a timestamp does not grow", NULL);
        load->timestamp = results[i].timestamp;
        if (is_created || (again && results[i].status == CREATE_TRANSFER_EXISTS)) continue;
        (void)fprintf(stderr, "load: transfer %llu: result %u\n",
                      (unsigned long long)load->next_id + i, results[i].status);
        exit(1);
    }
    // A command applies as one frame: all of a batch survived, or nothing.
    if (again && created != 0 && created != count) load_die("half a batch survived", NULL);
    if (again) load->resent++;
    if (again && created == 0) load->found_whole++;
    if (again && created == count) load->found_absent++;
    for (u32 i = 0; i < count; i++) load->moved += amount_of(load->next_id + i);
    load->next_id += count;
    load->in_flight = 0;
}

bool load_batches_run(struct load *load, u32 batches, u32 batch_max, u64 until,
                      void (*step)(void *context), void *context)
{
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    for (u32 i = 0; i < batches; i++) {
        if (compat_client_now() >= until) return false;
        u32 count = 1 + (u32)random_below(&load->random, batch_max);
        u32 size = load_batch_make(load, load->body, count);
        load->in_flight = count;
        request_submit(load, wire, size);
        if (!load_batch_finish(load, until, step, context)) return false;
    }
    return true;
}

bool load_batch_finish(struct load *load, u64 until, void (*step)(void *context), void *context)
{
    const struct compat_answer *answer = answer_await(load, until, step, context);
    if (answer == NULL) return false;
    load_batch_note(load, answer, load->in_flight, false);
    compat_client_release(load->client);
    return true;
}

bool load_trace_has(const struct load *load, const char *words)
{
    char line[2048];
    FILE *trace = fopen(load->trace, "re");
    bool found = false;
    while (trace != NULL && !found && fgets(line, sizeof line, trace) != NULL) {
        found = strstr(line, words) != NULL;
    }
    if (trace != NULL) (void)fclose(trace);
    return found;
}

void load_batch_again(struct load *load)
{
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    const struct compat_answer *answer = NULL;
    struct failure failure;
    u32 count = load->in_flight;
    u32 size = load_batch_make(load, load->body, count);
    if (compat_client_call(load->client, wire, load->body, size, LOAD_TIMEOUT_NS, &answer,
                           &failure) != STATUS_OK) {
        load_die("sending a batch again", &failure);
    }
    load_batch_note(load, answer, count, true);
}

void load_balances_check(struct load *load)
{
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS;
    struct failure failure;
    const struct compat_answer *answer = NULL;
    store_u128(load->body, 1);
    store_u128(load->body + 16, 2);
    u32 size = compat_body_finish(wire, load->body, 2);
    if (compat_client_call(load->client, wire, load->body, size, LOAD_TIMEOUT_NS, &answer,
                           &failure) != STATUS_OK) {
        load_die("looking up accounts", &failure);
    }
    const struct account *accounts = (const void *)answer->batches.events;
    if (answer->batches.event_count != 2 || accounts[0].debits_posted != load->moved ||
        accounts[1].credits_posted != load->moved) {
        (void)fprintf(stderr, "load: after transfer %llu the balance is %llu, not %llu\n",
                      (unsigned long long)load->next_id - 1,
                      (unsigned long long)accounts[0].debits_posted,
                      (unsigned long long)load->moved);
        exit(1);
    }
}

void load_ids_check(struct load *load)
{
    enum { COUNT = 500 };
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_TRANSFERS;
    struct failure failure;
    const struct compat_answer *answer = NULL;
    u64 ids[COUNT];
    if (load->next_id == 1) return;
    for (u32 i = 0; i < COUNT; i++) {
        ids[i] = 1 + random_below(&load->random, load->next_id - 1);
        store_u128(load->body + (size_t)i * 16, ids[i]);
    }
    u32 size = compat_body_finish(wire, load->body, COUNT);
    if (compat_client_call(load->client, wire, load->body, size, LOAD_TIMEOUT_NS, &answer,
                           &failure) != STATUS_OK) {
        load_die("looking up transfers", &failure);
    }
    const struct transfer *transfers = (const void *)answer->batches.events;
    if (answer->batches.event_count != COUNT) load_die("an acknowledged transfer is missing", NULL);
    for (u32 i = 0; i < COUNT; i++) {
        if (transfers[i].id != ids[i] || transfers[i].amount != amount_of(ids[i]) ||
            transfers[i].user_data_64 != ids[i] * 3) {
            load_die("an acknowledged transfer changed", NULL);
        }
    }
}
