// SPDX-License-Identifier: Apache-2.0
//
// tael job wait: asks how far a job is until it stands still. The other actions of the verb are
// the module's commands and questions (module_verbs.c).
#include "cli/cli.h"
#include "modules/job/job.h"
#include "modules/module.h"

#include <tael.h>
#include <time.h>

#define PAUSE_MIN_NS (2 * NS_PER_MS) // Between two questions, twice as long each time,
#define PAUSE_MAX_NS (128 * NS_PER_MS)

static int ask_fail(const char *verb, struct tael_client *client)
{
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(client));
    return cli_fail(verb, &failure);
}

// The job as it is now.
static int job_ask(const char *verb, struct tael_client *client, u128 job_id, u64 timeout_ms,
                   struct job_record *job)
{
    const struct job_find find = {.job_id = job_id};
    const struct tael_question question = {
        .record = job_schema_job_find.number,
        .version = 1,
        .body_size = sizeof find,
        .body = &find,
    };
    struct tael_answer answer;
    if (tael_ask(client, &question, timeout_ms, &answer) != TAEL_OK) return ask_fail(verb, client);
    if (answer.result == TAEL_RESULT_DONE) {
        if (!cli_views_check(verb, &answer, &job_schema_job_record) || answer.count != 1) {
            return EXIT_ENVIRONMENT;
        }
        memcpy(job, answer.body, sizeof *job);
        return EXIT_DONE;
    }
    const char *text = answer.text[0] != 0 ? answer.text : tael_result_text(answer.result);
    if (answer.result == TAEL_RESULT_REFUSED) {
        const struct schema_result *known = module_result_of(&job_module, answer.replies[0].result);
        text = known == NULL ? "refused" : known->sentence;
    }
    (void)fprintf(stderr, "tael %s: %s\n", verb, text);
    return EXIT_REFUSED;
}

int cli_job_wait(const char *verb, struct tael_client *client, u128 job_id, u64 timeout_ms,
                 struct job_record *job)
{
    for (u64 pause_ns = PAUSE_MIN_NS;; pause_ns = MIN(2 * pause_ns, PAUSE_MAX_NS)) {
        const int code = job_ask(verb, client, job_id, timeout_ms, job);
        if (code != EXIT_DONE) return code;
        cli_bar_put(job->cursor, job->total, job->cursor, "looked at");
        if (!job_is_runnable(job) || cli_is_interrupted()) break;
        const struct timespec pause = {.tv_nsec = (long)pause_ns};
        (void)nanosleep(&pause, NULL);
    }
    cli_bar_end();
    return EXIT_DONE;
}

static int wait_run(const struct cli_call *cli)
{
    const struct port_options *port = cli_part(cli, &cli_schema_port_options)->head;
    const struct job_find *find = cli_part(cli, &job_schema_job_find)->head;
    struct tael_options options;
    const u64 timeout_ms = (u64)port->deadline * 1000;
    struct failure failure = {0};
    if (record_check_arguments(cli_part(cli, &job_schema_job_find), &failure) != STATUS_OK ||
        cli_identity_take(port, &options, &failure) != STATUS_OK) {
        return cli_fail(cli->verb->name, &failure);
    }
    struct tael_client *client = tael_open(&options);
    assert(client != NULL);
    _Alignas(16) struct job_record job = {0};
    cli_interrupt_install();
    const enum tael_error error = tael_connect(client, timeout_ms);
    int code = error == TAEL_OK
                   ? cli_job_wait(cli->verb->name, client, find->job_id, timeout_ms, &job)
                   : cli_port_fail(cli->verb->name, client, error == TAEL_ERROR_TIMEOUT);
    tael_close(client);
    if (code != EXIT_DONE) return code;
    cli_print_rows(&job_schema_job_record, cli->form, &job, sizeof job, 1);
    const bool ended_well = job.status == JOB_STATUS_COMMITTED || job.status == JOB_STATUS_STAGED;
    return ended_well ? EXIT_DONE : EXIT_REFUSED;
}

const struct cli_verb job_wait_verb = {
    .name = "job wait",
    .summary = "waits until a job is committed, staged, cancelled or failed",
    .about = "Asks the server how far the job is until it stands still: committed, staged and "
             "waiting to be committed, cancelled or failed. On a terminal a bar shows how many of "
             "its members were looked at. An interrupt ends the waiting and leaves the job as it "
             "is. The exit code is 1 when the job was cancelled, has failed or still runs.",
    .parts = {&job_schema_job_find, &cli_schema_port_options, &cli_schema_form_options},
    .run = wait_run,
};
