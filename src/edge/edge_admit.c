// SPDX-License-Identifier: Apache-2.0
//
// What the log says of who asks: whose the token is, whether it holds, and whether the edge may act
// for its principal. Two questions, the second in the principal's name; the request waits for both.
#include "edge/edge_internal.h"
#include "modules/principal/principal.h"

#include <time.h>

static u64 utc_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static void refuse(struct edge_request *request, enum edge_problem_kind kind, const char *why)
{
    const struct edge_problem problem = edge_problem_make(kind, "%s", why);
    edge_refuse(request, &problem);
}

static void ask(struct edge_request *request, u64 principal, tael_callback *callback)
{
    struct edge *edge = request->edge;
    const enum tael_error error =
        edge_core_question(&edge->core, &request->question, principal,
                           edge->options->deadline * 1000ull, callback, request, &request->ticket);
    if (error == TAEL_OK) return;
    const struct edge_problem problem = edge_problem_of_error(request, error, false);
    edge_refuse(request, &problem);
}

// Whether a question was answered by its module; else the request is refused.
static bool is_answered(struct edge_request *request, const struct tael_answer *answer)
{
    struct edge_problem problem;
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        edge_core_give_up(&request->edge->core, &request->ticket);
    }
    request->ticket.ticket = 0;
    if (answer->error != TAEL_OK) {
        problem = edge_problem_of_error(request, answer->error, false);
    } else if (answer->result != TAEL_RESULT_DONE && answer->result != TAEL_RESULT_REFUSED) {
        problem = edge_problem_of_answer(request, answer);
    } else {
        return true;
    }
    edge_refuse(request, &problem);
    return false;
}

// A question in the principal's name was answered: whatever it is, the principal may ask.
static void name_answered(void *context, const struct tael_answer *answer)
{
    struct edge_request *request = context;
    struct edge *edge = request->edge;
    if (!is_answered(request, answer)) return;
    edge_callers_put(&edge->callers, &request->caller, edge->now);
    request->phase = EDGE_PHASE_KNOWN;
    edge_request_resume(request);
}

static void token_answered(void *context, const struct tael_answer *answer)
{
    struct edge_request *request = context;
    struct principal_token token;
    if (!is_answered(request, answer)) return;
    if (answer->result == TAEL_RESULT_REFUSED) {
        refuse(request, EDGE_PROBLEM_NOT_AUTHENTICATED, "nobody has this token");
        return;
    }
    if (answer->record != principal_schema_principal_token.number || answer->count != 1 ||
        answer->body_size < sizeof token) {
        refuse(request, EDGE_PROBLEM_INTERNAL,
               "the server's answer is none: is it of another version?");
        return;
    }
    memcpy(&token, answer->body, sizeof token);
    if (token.closed_at != 0) {
        refuse(request, EDGE_PROBLEM_NOT_AUTHENTICATED, "the token is closed");
        return;
    }
    if (token.expires_at != 0 && token.expires_at <= MAX(answer->timestamp, utc_now())) {
        refuse(request, EDGE_PROBLEM_NOT_AUTHENTICATED, "the token holds no longer");
        return;
    }
    request->caller.principal = token.principal_id;
    struct principal_find *find = edge_arena_zeroed(&request->arena, sizeof *find);
    find->principal_id = token.principal_id;
    request->question = (struct tael_question){
        .record = principal_schema_principal_find.number,
        .version = 1,
        .body_size = sizeof *find,
        .body = find,
    };
    ask(request, token.principal_id, name_answered);
}

void edge_admit_begin(struct edge_request *request, const struct digest *token)
{
    struct principal_token_find *find = edge_arena_zeroed(&request->arena, sizeof *find);
    memcpy(find->token_hash, token->bytes, sizeof find->token_hash);
    request->phase = EDGE_PHASE_CALLER;
    request->caller = (struct edge_caller){.token = *token};
    request->question = (struct tael_question){
        .record = principal_schema_principal_token_find.number,
        .version = 1,
        .body_size = sizeof *find,
        .body = find,
    };
    ask(request, 0, token_answered);
    if (request->response == NULL) edge_request_suspend(request);
}
