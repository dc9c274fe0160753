// SPDX-License-Identifier: Apache-2.0
//
// Whole servers in processes of their own: what a start refuses and leaves behind, what is said
// when storage is full, how clients are told, and that a stop waits for nobody.
#include "os/disk.h"
#include "server/server.h"

#include "base/checksum.h"
#include "ledger/ledger_types.h"
#include "os/refused_calls.h"
#include "server/compat_client.h"
#include "server/listener.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define IDLE_CLIENTS    60u
#define WIRE(operation) ((u8)(COMPAT_OPERATION_BASE + (operation)))
// Below the 20 s after which a message that does not become whole ends its connection.
#define STOP_NS    (15 * NS_PER_S)
#define TIMEOUT_NS (60 * NS_PER_S)

struct world {
    char folder[64]; // Everything of the test is in it.
    char data[96];
    char socket[96];  // "unix:PATH"
    char port[96];    // The same, of the tael port.
    char trace[96];   // What the server says.
    char said[16384]; // Of `trace`, when it was last read.
    struct server_options options;
    pid_t server;
    struct refused_calls *refused; // Shared with the server, when one of its calls is refused.
};

static void ready_print(const struct server_options *options, const char *compat, const char *port,
                        const char *http)
{
    (void)options;
    (void)http;
    (void)dprintf(STDOUT_FILENO, "ready %s %s\n", compat, port);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/tael-server-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->data, sizeof world->data, "%s/data", world->folder);
    (void)snprintf(world->socket, sizeof world->socket, "unix:%s/socket", world->folder);
    (void)snprintf(world->port, sizeof world->port, "unix:%s/port", world->folder);
    (void)snprintf(world->trace, sizeof world->trace, "%s/trace", world->folder);
    world->options = (struct server_options){
        .data = world->data,
        .compat = world->socket,
        .port = "",
        .accounts_max = 4096,
        .holds_max = 4096,
        .checkpoint_bytes = 192 * MIB,
        .clock_jump_max_s = 86400,
        .ready = ready_print,
    };
    *state = world;
    return 0;
}

static int server_end(struct world *world, int number)
{
    int state = 0;
    if (number != 0) (void)kill(world->server, number);
    const u64 until = compat_client_now() + STOP_NS;
    while (waitpid(world->server, &state, WNOHANG) == 0) {
        if (compat_client_now() > until) fail_msg("the server does not end");
        (void)usleep(1000);
    }
    world->server = 0;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static void folder_empty(const char *folder)
{
    DIR *directory = opendir(folder);
    if (directory == NULL) return;
    for (const struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%.250s", folder, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(directory);
    (void)rmdir(folder);
}

static int teardown(void **state)
{
    struct world *world = *state;
    if (world->server > 0) (void)server_end(world, SIGKILL);
    folder_empty(world->data);
    folder_empty(world->folder);
    free(world);
    return 0;
}

// --- the server ----------------------------------------------------------------------------------

// Descriptors that this process has open.
static u32 descriptors_count(void)
{
    u32 count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) _exit(101);
    while (readdir(directory) != NULL) count++;
    (void)closedir(directory);
    return count;
}

// In the child: leaves with the status, or with 102 when something that it opened stays open.
static _Noreturn void server_be(struct world *world, int output, int signal_number)
{
    struct failure failure = {0};
    int trace = open(world->trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (trace < 0 || dup2(trace, STDERR_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) _exit(100);
    if (signal_number != 0) { // It waits until the server looks.
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, signal_number);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)raise(signal_number);
    }
    const u32 descriptors = descriptors_count();
    refused_calls_begin(world->refused);
    enum status status = server_options_check(&world->options, &failure);
    if (status == STATUS_OK) status = server_run(&world->options, &failure);
    refused_calls_begin(NULL);
    if (descriptors_count() != descriptors) _exit(102);
    if (status != STATUS_OK) {
        (void)dprintf(STDERR_FILENO, "%s\nhint: %s\n", failure.message, failure.hint);
    }
    _exit((int)status);
}

// Starts a server, with a signal on its way to it if not 0. True when it says that it is ready.
static bool server_begin(struct world *world, int signal_number)
{
    int output[2];
    char line[256] = {0};
    (void)fflush(NULL);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    world->server = fork();
    assert_true(world->server >= 0);
    if (world->server == 0) server_be(world, output[1], signal_number);
    (void)close(output[1]);
    ssize_t got = read(output[0], line, sizeof line - 1);
    (void)close(output[0]);
    return got > 0 && strncmp(line, "ready unix:", 11) == 0;
}

static bool file_says(struct world *world, const char *path, const char *text)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t size = read(file, world->said, sizeof world->said - 1);
    (void)close(file);
    world->said[MAX(size, 0)] = 0;
    return strstr(world->said, text) != NULL;
}

static void server_start(struct world *world)
{
    if (server_begin(world, 0)) return;
    (void)file_says(world, world->trace, "");
    fail_msg("the server is not ready: %s", world->said);
}

// The file has that text soon: the server may write it behind what a client sees.
static void file_must_say(struct world *world, const char *path, const char *text)
{
    const u64 until = compat_client_now() + TIMEOUT_NS;
    while (!file_says(world, path, text)) {
        if (compat_client_now() > until) fail_msg("no \"%s\" in: %s", text, world->said);
        (void)usleep(10000);
    }
}

// The start ends with this status, and the message or the hint has this text.
static void expect_refusal(struct world *world, enum status status, const char *text)
{
    assert_false(server_begin(world, 0));
    assert_int_equal(server_end(world, 0), status);
    if (!file_says(world, world->trace, text)) fail_msg("%s", world->said);
}

static bool exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

static void file_make(const char *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    (void)close(file);
}

// --- clients -------------------------------------------------------------------------------------

static struct compat_client_options client_options(const struct world *world)
{
    struct compat_client_options options = {0};
    struct failure failure;
    assert_int_equal(address_parse(world->socket, &options.address, &failure), STATUS_OK);
    return options;
}

static void client_connect(const struct world *world, struct compat_client *client)
{
    const struct compat_client_options options = client_options(world);
    struct failure failure;
    if (compat_client_connect(client, &options, TIMEOUT_NS, &failure) != STATUS_OK) {
        fail_msg("%s", failure.message);
    }
}

static enum status account_create(struct compat_client *client, u128 id, u64 timeout_ns,
                                  struct failure *failure)
{
    static _Alignas(16) u8 body[2 * sizeof(struct account)];
    const struct account account = {.id = id, .ledger = 1, .code = 1};
    const struct compat_answer *answer = NULL;
    memcpy(body, &account, sizeof account);
    const u32 size = compat_body_finish(WIRE(COMPAT_CREATE_ACCOUNTS), body, 1);
    return compat_client_call(client, WIRE(COMPAT_CREATE_ACCOUNTS), body, size, timeout_ns, &answer,
                              failure);
}

static u32 accounts_found(struct compat_client *client, u128 id)
{
    _Alignas(16) u8 body[2 * sizeof id];
    const struct compat_answer *answer = NULL;
    struct failure failure;
    memcpy(body, &id, sizeof id);
    const u32 size = compat_body_finish(WIRE(COMPAT_LOOKUP_ACCOUNTS), body, 1);
    assert_int_equal(compat_client_call(client, WIRE(COMPAT_LOOKUP_ACCOUNTS), body, size,
                                        TIMEOUT_NS, &answer, &failure),
                     STATUS_OK);
    return answer->batches.event_count;
}

static void accounts_make(const struct world *world, u32 count)
{
    struct compat_client client;
    struct failure failure;
    client_connect(world, &client);
    for (u32 i = 1; i <= count; i++) {
        assert_int_equal(account_create(&client, i, TIMEOUT_NS, &failure), STATUS_OK);
    }
    compat_client_close(&client);
}

// --- a start that is refused ---------------------------------------------------------------------

static void test_an_address_in_use_leaves_no_folder(void **state)
{
    struct world *world = *state;
    struct listener other;
    struct failure failure;
    static const char *const ports[] = {"0", NULL}; // NULL: the unix socket.
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        const char *address = ports[i] != NULL ? ports[i] : world->socket;
        assert_int_equal(listener_take(&other, address, &failure), STATUS_OK);
        assert_int_equal(listener_begin(&other, &failure), STATUS_OK);
        world->options.compat = other.address;
        expect_refusal(world, STATUS_BUSY, "--compat-port");
        assert_false(exists(world->data));
        listener_close(&other);
    }
    world->options.compat = world->socket;
    server_start(world);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    assert_false(exists(world->socket + 5));
}

static void test_a_second_server_is_told_who_holds_the_folder(void **state)
{
    struct world *world = *state;
    struct failure failure;
    struct compat_client client;
    server_start(world);
    assert_int_equal(server_options_check(&world->options, &failure), STATUS_OK);
    const pid_t first = world->server;
    expect_refusal(world, STATUS_BUSY, "is open in another process");
    world->server = first;
    client_connect(world, &client); // Its socket was left alone.
    compat_client_close(&client);
}

// To check a folder takes its lock, if there is one, and leaves nothing in it.
static void test_a_check_changes_nothing_in_a_folder(void **state)
{
    struct world *world = *state;
    struct disk_folder owner;
    struct disk_folder check;
    struct failure failure;
    char lock[128];
    (void)snprintf(lock, sizeof lock, "%s/lock", world->data);
    assert_int_equal(disk_folder_open(&check, world->data, DISK_FOLDER_CHECK, &failure),
                     STATUS_NOT_FOUND);
    assert_int_equal(disk_folder_open(&owner, world->data, DISK_FOLDER_MAKE, &failure), STATUS_OK);
    assert_int_equal(disk_folder_open(&check, world->data, DISK_FOLDER_CHECK, &failure),
                     STATUS_BUSY);
    assert_int_equal(disk_folder_open(&check, world->data, DISK_FOLDER_LOOK, &failure), STATUS_OK);
    disk_folder_close(&check);
    disk_folder_close(&owner);
    assert_int_equal(disk_folder_open(&check, world->data, DISK_FOLDER_CHECK, &failure), STATUS_OK);
    assert_int_equal(disk_folder_open(&owner, world->data, DISK_FOLDER_OWN, &failure), STATUS_BUSY);
    disk_folder_close(&check);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(disk_folder_open(&check, world->data, DISK_FOLDER_CHECK, &failure), STATUS_OK);
    assert_false(exists(lock));
    disk_folder_close(&check);
}

// What one process keeps, another is told not to write over, until the first is done.
static void test_a_file_that_is_copied_is_kept(void **state)
{
    struct world *world = *state;
    struct disk_folder server;
    struct disk_folder backup;
    struct failure failure;
    disk_handle file = -1;
    assert_int_equal(disk_folder_open(&server, world->data, DISK_FOLDER_MAKE, &failure), STATUS_OK);
    assert_int_equal(disk_folder_open(&backup, world->data, DISK_FOLDER_LOOK, &failure), STATUS_OK);
    assert_int_equal(disk_open(&server.disk, "a", DISK_CREATE, &file, &failure), STATUS_OK);
    disk_close(&server.disk, file);
    assert_false(disk_is_kept(&server.disk, "a"));
    assert_false(disk_is_kept(&server.disk, "b"));
    assert_int_equal(disk_open(&backup.disk, "a", DISK_READ_ONLY, &file, &failure), STATUS_OK);
    assert_false(disk_is_kept(&server.disk, "a"));
    disk_close(&backup.disk, file);
    assert_int_equal(disk_open(&backup.disk, "a", DISK_READ_ONLY | DISK_KEEP, &file, &failure),
                     STATUS_OK);
    assert_true(disk_is_kept(&server.disk, "a"));
    assert_int_equal(disk_rename(&server.disk, "a", "b", &failure), STATUS_OK);
    assert_true(disk_is_kept(&server.disk, "b"));
    assert_true(disk_is_kept(&server.disk, "b")); // To ask takes nothing away.
    disk_forget(&backup.disk, file, 0, MIB);
    disk_close(&backup.disk, file);
    assert_false(disk_is_kept(&server.disk, "b"));
    disk_folder_close(&backup);
    disk_folder_close(&server);
}

static void test_what_a_folder_was_made_with_must_be_what_is_given(void **state)
{
    struct world *world = *state;
    struct failure failure;
    world->options.cluster = 7;
    world->options.given = SERVER_GIVEN_CLUSTER;
    server_start(world);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    static const struct {
        enum server_given given;
        u128 cluster;
        u32 accounts_max, holds_max;
        const char *message; // NULL: goes.
    } rows[] = {
        {0, 1, 2, 3, NULL}, // Defaults.
        {SERVER_GIVEN_CLUSTER | SERVER_GIVEN_ACCOUNTS_MAX | SERVER_GIVEN_HOLDS_MAX, 7, 4096, 4096,
         NULL},
        {SERVER_GIVEN_CLUSTER, 8, 4096, 4096, "--cluster 8 was given, but "},
        {SERVER_GIVEN_CLUSTER, (u128)1 << 64 | 7, 4096, 4096, "was made with 7"},
        {SERVER_GIVEN_ACCOUNTS_MAX, 8, 4095, 4095, "--accounts-max 4095 was given, but "},
        {SERVER_GIVEN_HOLDS_MAX, 8, 4095, 4097, "--holds-max 4097 was given, but "},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        world->options.given = rows[i].given;
        world->options.cluster = rows[i].cluster;
        world->options.accounts_max = rows[i].accounts_max;
        world->options.holds_max = rows[i].holds_max;
        const enum status status = server_options_check(&world->options, &failure);
        assert_int_equal(status, rows[i].message == NULL ? STATUS_OK : STATUS_INVALID);
        if (rows[i].message == NULL) continue;
        assert_non_null(strstr(failure.message, rows[i].message));
        assert_non_null(strstr(failure.message, world->data));
    }
}

static void test_a_new_log_needs_an_empty_folder(void **state)
{
    struct world *world = *state;
    struct failure failure;
    static const char *const own[] = {"lock", "status", "status.new", "applying", "lost+found"};
    static const char *const others[] = {"notes.txt", ".hidden", "log-00000001",
                                         "checkpoint-0000000000000002"};
    assert_int_equal(mkdir(world->data, 0700), 0);
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) file_make(world->data, own[i]);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        char path[512];
        file_make(world->data, others[i]);
        assert_int_equal(server_options_check(&world->options, &failure), STATUS_INVALID);
        assert_non_null(strstr(failure.message, others[i]));
        (void)snprintf(path, sizeof path, "%s/%s", world->data, others[i]);
        assert_int_equal(unlink(path), 0);
    }
    // What a failed start leaves behind is no hindrance, the log's file before its first frame
    // included.
    file_make(world->data, "log-00000000");
    server_start(world);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
}

// --- files of another format ---------------------------------------------------------------------

static void format_change(const char *path)
{
    static _Alignas(16) u8 page[PAGE_SIZE];
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pread(file, page, sizeof page, 0), sizeof page);
    page[24] ^= 64; // Behind the checksum and the magic number.
    const u128 sum = checksum(page + 16, sizeof page - 16);
    memcpy(page, &sum, sizeof sum);
    assert_int_equal(pwrite(file, page, sizeof page, 0), sizeof page);
    (void)close(file);
}

// Visits the files of the data folder whose names begin with `prefix`.
static u32 files_do(const struct world *world, const char *prefix, void (*act)(const char *path))
{
    u32 count = 0;
    DIR *directory = opendir(world->data);
    assert_non_null(directory);
    for (const struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        char path[512];
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%.250s", world->data, entry->d_name);
        act(path);
        count++;
    }
    (void)closedir(directory);
    return count;
}

static void file_remove(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

// A folder without the file that says whose it is: found out at the first start, told at each.
static void test_a_copy_is_served(void **state)
{
    struct world *world = *state;
    struct compat_client client;
    server_start(world);
    accounts_make(world, 1);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    assert_int_equal(files_do(world, "owner", file_remove), 1);
    for (u32 i = 0; i < 2; i++) {
        server_start(world);
        client_connect(world, &client);
        assert_int_equal(accounts_found(&client, 1), 1);
        compat_client_close(&client);
        assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    }
}

static void test_an_index_of_another_format_is_made_again_as_the_hint_says(void **state)
{
    struct world *world = *state;
    struct compat_client client;
    server_start(world);
    accounts_make(world, 1);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    assert_true(files_do(world, "index-", format_change) > 0);
    expect_refusal(world, STATUS_UNSUPPORTED,
                   "remove checkpoint-*, rows-*, tree-* and index-*, never log");
    assert_true(files_do(world, "checkpoint-", file_remove) > 0);
    assert_true(files_do(world, "rows-", file_remove) > 0);
    assert_true(files_do(world, "index-", file_remove) > 0);
    server_start(world);
    client_connect(world, &client);
    assert_int_equal(accounts_found(&client, 1), 1);
    compat_client_close(&client);
}

// --- what is told --------------------------------------------------------------------------------

// A start that is refused when the folder is open already gives everything back.
static void test_a_clock_that_is_far_ahead_is_refused(void **state)
{
    struct world *world = *state;
    server_start(world);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
    world->options.clock_jump_max_s = 0;
    expect_refusal(world, STATUS_INVALID, "0 days ahead of the last frame");
    world->options.clock_jump_max_s = 86400;
    server_start(world);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
}

static void test_full_storage_is_told(void **state)
{
    struct world *world = *state;
    struct compat_client client;
    struct failure failure;
    char status[128];
    world->options.space_reserve = (u64)1 << 60;
    server_start(world);
    // The reserve, and the next file of the log.
    file_must_say(world, world->trace, "warning storage is full: ");
    assert_non_null(strstr(world->said, " 1099511627840 MiB are needed; "));
    assert_non_null(strstr(world->said, "--space-reserve"));
    (void)snprintf(status, sizeof status, "%s/status", world->data);
    file_must_say(world, status, "\nfull 1\nspace_free ");
    assert_non_null(strstr(world->said, "\nspace_needed 1152921504673955840\n"));
    client_connect(world, &client);
    assert_int_equal(accounts_found(&client, 1), 0);
    assert_int_equal(account_create(&client, 1, 50 * NS_PER_MS, &failure), STATUS_TIMEOUT);
    assert_non_null(strstr(failure.hint, "its storage may be full"));
    compat_client_close(&client);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
}

// However often clients ask, while there is no space the trace has a line a second at most.
static void test_dropped_requests_are_told_as_a_count(void **state)
{
    struct world *world = *state;
    struct compat_client_options options = client_options(world);
    struct compat_client client;
    struct failure failure;
    world->options.space_reserve = (u64)1 << 60;
    server_start(world);
    options.resend_ns = NS_PER_MS; // Then twice that, again and again: ten times in a second.
    assert_int_equal(compat_client_connect(&client, &options, TIMEOUT_NS, &failure), STATUS_OK);
    assert_int_equal(account_create(&client, 1, NS_PER_S, &failure), STATUS_TIMEOUT);
    compat_client_close(&client);
    file_must_say(world, world->trace, " more requests dropped: storage is full");
    u32 lines = 0;
    for (const char *at = world->said; (at = strstr(at, ": request dropped")) != NULL; at++)
        lines++;
    assert_in_range(lines, 1, 2);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
}

static enum status transfer_create(const struct world *world, struct transfer transfer,
                                   u64 timeout_ns)
{
    static _Alignas(16) u8 body[2 * sizeof(struct transfer)];
    const struct compat_answer *answer = NULL;
    struct compat_client client;
    struct failure failure;
    client_connect(world, &client);
    memcpy(body, &transfer, sizeof transfer);
    const u32 size = compat_body_finish(WIRE(COMPAT_CREATE_TRANSFERS), body, 1);
    enum status status = compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                            timeout_ns, &answer, &failure);
    compat_client_close(&client);
    return status;
}

// At the limit of a table only what would add to it waits; the rest goes on, and makes room.
static void test_only_what_adds_to_a_full_table_waits(void **state)
{
    struct world *world = *state;
    struct compat_client client;
    struct failure failure;
    world->options.accounts_max = 2;
    world->options.holds_max = 1;
    server_start(world);
    accounts_make(world, 2);
    client_connect(world, &client);
    assert_int_equal(account_create(&client, 1, TIMEOUT_NS, &failure), STATUS_OK); // It exists.
    assert_int_equal(account_create(&client, 3, 50 * NS_PER_MS, &failure), STATUS_TIMEOUT);
    compat_client_close(&client);
    file_must_say(world, world->trace, "no more accounts (--accounts-max)");
    struct transfer transfer = {.id = 1,
                                .debit_account_id = 1,
                                .credit_account_id = 2,
                                .amount = 5,
                                .ledger = 1,
                                .code = 1};
    transfer.flags = TRANSFER_PENDING;
    assert_int_equal(transfer_create(world, transfer, TIMEOUT_NS), STATUS_OK);
    transfer.id = 2;
    assert_int_equal(transfer_create(world, transfer, 50 * NS_PER_MS), STATUS_TIMEOUT);
    file_must_say(world, world->trace, "no more open pending transfers (--holds-max)");
    transfer.id = 3;
    transfer.flags = 0;
    assert_int_equal(transfer_create(world, transfer, TIMEOUT_NS), STATUS_OK);
    const struct transfer post = {
        .id = 4, .pending_id = 1, .amount = 5, .flags = TRANSFER_POST_PENDING};
    assert_int_equal(transfer_create(world, post, TIMEOUT_NS), STATUS_OK);
    transfer.id = 5;
    transfer.flags = TRANSFER_PENDING;
    assert_int_equal(transfer_create(world, transfer, TIMEOUT_NS), STATUS_OK);
}

static void test_another_cluster_is_likely_when_a_server_closes(void **state)
{
    struct world *world = *state;
    struct compat_client_options options = client_options(world);
    struct compat_client client;
    struct failure failure;
    assert_int_equal(compat_client_connect(&client, &options, NS_PER_MS, &failure), STATUS_TIMEOUT);
    assert_non_null(strstr(failure.hint, "is the server running"));
    server_start(world);
    options.cluster = 9;
    assert_int_equal(compat_client_connect(&client, &options, NS_PER_S, &failure), STATUS_TIMEOUT);
    assert_non_null(strstr(failure.message, world->socket));
    assert_non_null(strstr(failure.hint, "--cluster 9"));
    file_must_say(world, world->trace, "asks for another cluster");
}

// --- stops ---------------------------------------------------------------------------------------

static int connect_raw(const struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", world->socket + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void test_a_stop_waits_for_no_client(void **state)
{
    struct world *world = *state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t round = 0; round < ARRAY_COUNT(signals); round++) {
        struct compat_client *clients = calloc(IDLE_CLIENTS, sizeof *clients);
        struct failure failure;
        server_start(world);
        for (u32 i = 0; i < IDLE_CLIENTS; i++) client_connect(world, &clients[i]);
        assert_int_equal(account_create(&clients[0], 1, TIMEOUT_NS, &failure), STATUS_OK);
        // One is in the middle of a header, one in the middle of a body.
        struct compat_header header = {
            .release = COMPAT_CLIENT_RELEASE,
            .command = COMPAT_COMMAND_REQUEST,
            .request = {.client = 77, .operation = COMPAT_OPERATION_REGISTER},
        };
        static const u8 body[COMPAT_REGISTER_REQUEST_SIZE];
        compat_header_seal(&header, body, sizeof body);
        const int half_header = connect_raw(world);
        const int half_body = connect_raw(world);
        assert_int_equal(send(half_header, &header, 100, 0), 100);
        assert_int_equal(send(half_body, &header, sizeof header, 0), sizeof header);
        assert_int_equal(send(half_body, body, 100, 0), 100);
        assert_int_equal(accounts_found(&clients[1], 1), 1); // Both were read by now, or will be.
        assert_int_equal(server_end(world, signals[round]), STATUS_OK);
        file_must_say(world, world->trace, "stopping on signal");
        for (u32 i = 0; i < IDLE_CLIENTS; i++) compat_client_close(&clients[i]);
        (void)close(half_header);
        (void)close(half_body);
        free(clients);
    }
}

static void test_a_stop_while_recovering_is_clean(void **state)
{
    struct world *world = *state;
    struct compat_client client;
    server_start(world);
    accounts_make(world, 40);
    assert_int_equal(server_end(world, SIGKILL), 128 + SIGKILL);
    // More often than a command may kill a recovery.
    for (u32 i = 0; i < 4; i++) {
        assert_false(server_begin(world, SIGTERM));
        assert_int_equal(server_end(world, 0), STATUS_OK);
        file_must_say(world, world->trace, "stopping on signal 15");
    }
    server_start(world);
    client_connect(world, &client);
    assert_int_equal(accounts_found(&client, 40), 1);
    compat_client_close(&client);
}

// --- calls of the system that are refused --------------------------------------------------------

static bool server_has_ended(struct world *world, int *code)
{
    int state = 0;
    if (waitpid(world->server, &state, WNOHANG) == 0) return false;
    world->server = 0;
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return true;
}

// Makes an account, as often as it is tried, until the server answers or has ended. Whether it was
// answered.
static bool account_make_or_end(struct world *world, u128 id, bool *has_ended, int *code)
{
    const struct compat_client_options options = client_options(world);
    struct compat_client client;
    struct failure failure;
    bool is_made = false;
    const u64 until = compat_client_now() + TIMEOUT_NS;
    *has_ended = false;
    while (!is_made && !*has_ended) {
        if (compat_client_now() > until) fail_msg("the server neither answers nor ends");
        if (compat_client_connect(&client, &options, NS_PER_S / 4, &failure) == STATUS_OK) {
            is_made = account_create(&client, id, NS_PER_S / 4, &failure) == STATUS_OK;
        }
        compat_client_close(&client);
        *has_ended = !is_made && server_has_ended(world, code);
    }
    return is_made;
}

// One run of a server of which a call is refused: it serves all the same and stops, or leaves and
// says why. Whether a call was refused; `*is_made` says whether the account `id` is there.
static bool run_refused(struct world *world, u64 id, bool *is_made)
{
    const struct refused_calls *refused = world->refused;
    bool has_ended = false;
    int code = 0;
    *is_made = false;
    if (server_begin(world, 0)) *is_made = account_make_or_end(world, id, &has_ended, &code);
    if (!has_ended) code = server_end(world, *is_made ? SIGTERM : 0);
    const bool is_refused = refused->name[0] != 0;
    (void)file_says(world, world->trace, "");
    if (code >= 100 || (code != 0 && world->said[0] == 0)) {
        fail_msg("run %llu, %s: the server ends with %d: %s", (unsigned long long)id, refused->name,
                 code, world->said);
    }
    return is_refused;
}

#define RUNS_MAX 1000u

// Each account that was answered is there.
static void accounts_expect(struct world *world, const bool *is_made, u32 first, u32 end)
{
    struct compat_client client;
    world->refused = NULL;
    server_start(world);
    client_connect(world, &client);
    for (u32 id = first; id < end; id++) {
        if (is_made[id]) assert_int_equal(accounts_found(&client, id), 1);
    }
    compat_client_close(&client);
    assert_int_equal(server_end(world, SIGTERM), STATUS_OK);
}

// The calls of a server, from its beginning to its end, in a new folder or in one that is there:
// one on each way through the program. A start behind it, or behind all, has what was answered.
// (What was not answered may be there.)
static void refuse_each_call(struct world *world, bool is_used)
{
    static bool is_made[RUNS_MAX];
    u32 run = 1;
    bool was_refused = true;
    void *shared = mmap(NULL, sizeof *world->refused, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    struct refused_calls *refused = shared;
    refused_calls_init(refused);
    world->options.port = world->port;
    memset(is_made, 0, sizeof is_made);
    if (is_used) {
        server_start(world);
        accounts_make(world, run);
        is_made[run++] = true;
        assert_int_equal(server_end(world, SIGKILL), 128 + SIGKILL);
    }
    for (; was_refused; run++) {
        assert_true(run < RUNS_MAX);
        if (!is_used) folder_empty(world->data);
        world->refused = refused;
        was_refused = run_refused(world, run, &is_made[run]);
        if (!is_used) accounts_expect(world, is_made, run, run + 1);
    }
    if (is_used) accounts_expect(world, is_made, 1, run);
    assert_true(run > 50);
    (void)munmap(shared, sizeof *refused);
}

static void test_each_call_of_a_first_start_is_refused(void **state)
{
    refuse_each_call(*state, false);
}

static void test_each_call_of_a_start_is_refused(void **state)
{
    refuse_each_call(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_address_in_use_leaves_no_folder),
        TEST(test_a_second_server_is_told_who_holds_the_folder),
        TEST(test_a_check_changes_nothing_in_a_folder),
        TEST(test_a_file_that_is_copied_is_kept),
        TEST(test_what_a_folder_was_made_with_must_be_what_is_given),
        TEST(test_a_new_log_needs_an_empty_folder),
        TEST(test_a_copy_is_served),
        TEST(test_an_index_of_another_format_is_made_again_as_the_hint_says),
        TEST(test_a_clock_that_is_far_ahead_is_refused),
        TEST(test_full_storage_is_told),
        TEST(test_dropped_requests_are_told_as_a_count),
        TEST(test_only_what_adds_to_a_full_table_waits),
        TEST(test_another_cluster_is_likely_when_a_server_closes),
        TEST(test_a_stop_waits_for_no_client),
        TEST(test_a_stop_while_recovering_is_clean),
        TEST(test_each_call_of_a_first_start_is_refused),
        TEST(test_each_call_of_a_start_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
