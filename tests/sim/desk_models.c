// SPDX-License-Identifier: Apache-2.0
//
// The lanes beside that of books: names, principals, effects, loans. Each is on ids and ledger
// numbers of its own.
#include "desk_internal.h"

#include "modules/sample/sample.h"

#include <string.h>

// Names: of things that stay as they are made in the beginning.
#define NAMED_CHART        207u
#define NAMED_BOOKS_FIRST  207u
#define NAMED_RAW_FIRST    900u
#define NAMED_IDS          ((u128)1 << 65) // Raw accounts behind it.
#define NAMED_OF_BOOKS     6u
#define NAMED_IDS_OF_BOOKS 50u // No raw account of the lane of books has one of these.
#define NAMED_OF_RAW       4u
#define NAMED_ENTITY_ID    901u
#define NAMED_DAY          20000

#define PRINCIPALS_SHIFT 1000u

// Effects of the sample module, between two raw accounts.
#define SAMPLE_IDS  ((u128)1 << 66)
#define SAMPLE_BOX  1u
#define LEASE_MAX_S 250u // Some are longer than a leap of time.
#define PLANNED_MAX (EFFECT_MODEL_MAX - 2 * DESK_SENT_MAX)

#define LOANS_BOOKS_FIRST 1700u
#define LOANS_GROUPS      3u

static u32 pick(struct desk *desk, u32 bound)
{
    return (u32)random_below(&desk->random, bound);
}

static void refuse(struct desk_expected *out, u32 result, const u128 evidence[2])
{
    out->count = 1;
    out->replies[0] = (struct book_reply){.result = result};
    memcpy(out->replies[0].evidence, evidence, sizeof out->replies[0].evidence);
}

// --- names ---------------------------------------------------------------------------------------

static void named_account_add(struct desk *desk, bool is_raw, u32 number, u128 id,
                              const char *asset)
{
    struct name_model_account *account = &desk->names.accounts[desk->names.account_count++];
    *account = (struct name_model_account){.is_raw = is_raw, .number = number, .id = id};
    memcpy(account->asset, asset, strlen(asset));
    if (is_raw) {
        const struct account event = {.id = id, .ledger = number, .code = 1};
        desk_setup_add(desk, 0x0101, &event, sizeof event);
        return;
    }
    const struct book_account_open open = {
        .account_id = id, .book = number, .code = 1, .name = "account"};
    desk_setup_add(desk, 0x0304, &open, sizeof open);
}

static void names_init(struct desk *desk)
{
    struct name_model *names = &desk->names;
    *names = (struct name_model){.entity_id = NAMED_ENTITY_ID,
                                 .assets = {"HKD", "USD"},
                                 .books = {NAMED_BOOKS_FIRST, NAMED_BOOKS_FIRST + 1}};
    const struct entity_open entity = {.entity_id = NAMED_ENTITY_ID,
                                       .name = "one",
                                       .jurisdiction = "HK",
                                       .currency = "HKD",
                                       .day = NAMED_DAY};
    const struct chart_add code = {
        .chart = NAMED_CHART, .code = 1, .kind = KIND_ASSET, .name = "all"};
    desk_setup_add(desk, 0x0201, &entity, sizeof entity);
    desk_setup_add(desk, 0x0302, &code, sizeof code);
    for (u32 i = 0; i < 2; i++) {
        struct asset_open asset = {.kind = ASSET_CURRENCY, .scale = 2};
        struct book_open book = {.book = names->books[i],
                                 .chart = NAMED_CHART,
                                 .entity_id = NAMED_ENTITY_ID,
                                 .name = "book"};
        memcpy(asset.asset, names->assets[i], sizeof asset.asset);
        memcpy(book.asset, names->assets[i], sizeof book.asset);
        desk_setup_add(desk, 0x0301, &asset, sizeof asset);
        desk_setup_add(desk, 0x0303, &book, sizeof book);
    }
    for (u32 i = 0; i < NAMED_OF_BOOKS; i++) {
        named_account_add(desk, false, names->books[i % 2], NAMED_IDS_OF_BOOKS + i,
                          names->assets[i % 2]);
    }
    for (u32 i = 0; i < NAMED_OF_RAW; i++) {
        named_account_add(desk, true, NAMED_RAW_FIRST + i % 2, NAMED_IDS + i, "");
    }
}

// An amount between two accounts of one book, or of one ledger number.
static void names_post(struct desk *desk, struct desk_command *out)
{
    const struct name_model_account *accounts = desk->names.accounts;
    const struct name_model_account *debit = &accounts[pick(desk, desk->names.account_count)];
    const struct name_model_account *credit = debit;
    const u128 amount = 1 + pick(desk, 1000);
    while (credit == debit || credit->number != debit->number) {
        credit = &accounts[pick(desk, desk->names.account_count)];
    }
    if (debit->is_raw) {
        const struct transfer event = {.id = desk->next_id++,
                                       .debit_account_id = debit->id,
                                       .credit_account_id = credit->id,
                                       .amount = amount,
                                       .ledger = debit->number,
                                       .code = 1};
        desk_command_set(desk, out, 0x0102, &event, sizeof event);
        return;
    }
    struct {
        struct entry_post head;
        struct entry_leg legs[2];
    } entry = {.head = {.entry_id = desk->next_id++, .legs_count = 2}};
    const struct name_model_account *sides[2] = {debit, credit};
    for (u32 i = 0; i < 2; i++) {
        entry.legs[i] = (struct entry_leg){.book = debit->number,
                                           .side = i == 0 ? SIDE_DEBIT : SIDE_CREDIT,
                                           .account_id = sides[i]->id,
                                           .amount = amount};
    }
    desk_command_set(desk, out, 0x0401, &entry, sizeof entry);
    out->principal += random_chance(&desk->random, 25); // Whose they are not.
}

static struct name_model_account *named_account(struct desk *desk, u32 number, u128 id)
{
    for (u32 i = 0; i < desk->names.account_count; i++) {
        struct name_model_account *account = &desk->names.accounts[i];
        if (account->number == number && account->id == id) return account;
    }
    return NULL;
}

static void named_add(struct desk *desk, u32 number, u128 id, bool is_debit, u128 amount)
{
    struct name_model_account *account = named_account(desk, number, id);
    if (account == NULL) return;
    if (is_debit) account->debits += amount;
    else account->credits += amount;
}

void desk_models_posted(struct desk *desk, const struct desk_command *command,
                        const struct desk_expected *expected)
{
    const u32 result = expected->replies[0].result;
    if (command->record == 0x0102 && result == (u32)CREATE_TRANSFER_CREATED) {
        struct transfer event;
        memcpy(&event, command->body, sizeof event);
        named_add(desk, event.ledger, event.debit_account_id, true, event.amount);
        named_add(desk, event.ledger, event.credit_account_id, false, event.amount);
    }
    // Of those of a single record: others are of the lane of books.
    if (command->record != 0x0401 || command->count != 1 || result != MODULE_DONE) return;
    desk_named_post(desk, command->body);
}

void desk_named_post(struct desk *desk, const u8 *body)
{
    struct entry_post post;
    memcpy(&post, body, sizeof post);
    for (u32 i = 0; i < post.legs_count; i++) {
        struct entry_leg leg;
        memcpy(&leg, body + sizeof post + i * sizeof leg, sizeof leg);
        named_add(desk, leg.book, leg.account_id, leg.side == SIDE_DEBIT, leg.amount);
    }
}

u32 desk_named_pair(struct desk *desk, u128 ids[2])
{
    const u32 first = pick(desk, NAMED_OF_BOOKS);
    u32 second = first;
    while (second == first || second % 2 != first % 2) second = pick(desk, NAMED_OF_BOOKS);
    ids[0] = NAMED_IDS_OF_BOOKS + first;
    ids[1] = NAMED_IDS_OF_BOOKS + second;
    return NAMED_BOOKS_FIRST + first % 2;
}

static bool names_next(struct desk *desk, struct desk_command *out)
{
    _Alignas(16) u8 body[256];
    u32 size = 0;
    if (random_chance(&desk->random, 20)) {
        names_post(desk, out);
        return true;
    }
    if (desk->names.count + DESK_SENT_MAX >= NAME_MODEL_NAMES_MAX) return false;
    const u16 record = name_random_command(&desk->names, &desk->random, body, &size);
    desk_command_set(desk, out, record, body, size);
    out->principal += pick(desk, 2);
    return true;
}

// --- principals ----------------------------------------------------------------------------------

static bool principals_next(struct desk *desk, struct desk_command *out)
{
    _Alignas(16) u8 body[256];
    struct principal_model_caller caller;
    u32 size = 0;
    const u16 record =
        principal_random_command(&desk->principals, &desk->random, &caller, body, &size);
    desk_command_set(desk, out, record, body, size);
    out->principal = caller.principal;
    out->delegate = caller.delegate;
    return true;
}

// Closes a principal whose job goes on just now: it is to end with him.
static bool owner_close_next(struct desk *desk, struct desk_command *out)
{
    for (u32 i = desk->loans.job_count; i-- > 0;) {
        const struct job_record *job = &desk->loans.jobs[i];
        const struct principal_model_person *person =
            principal_model_person(&desk->principals, job->principal);
        const bool goes_on =
            job->status == JOB_STATUS_RUNNING || job->status == JOB_STATUS_COMMITTING;
        if (!goes_on || person == NULL || !person->exists) continue;
        const struct principal_close close = {.principal_id = job->principal};
        desk_command_set(desk, out, 0x0503, &close, sizeof close);
        out->principal = PRINCIPAL_OPERATOR;
        return true;
    }
    return false;
}

static void principals_compare(struct world *world)
{
    struct desk *desk = world->desk;
    const struct principal_model *model = &desk->principals;
    const struct principal_list list = {0};
    struct module_answer answer = {0};
    u32 at = 0;
    if (node_ask(&desk->ask, &principal_schema_principal_list, &list, NODE_ASK_SPACE, &answer) !=
        MODULE_DONE) {
        desk_fail(world, CHECK_PRINCIPALS, "a question is refused");
    }
    for (u32 i = 0; i < answer.count; i++) {
        const struct principal *found = (const struct principal *)(void *)desk->ask.views + i;
        if (principal_model_person(model, (u64)found->principal_id) == NULL) continue;
        if (at == model->count || found->principal_id != model->order[at++] ||
            !principal_model_is(model, found)) {
            desk_fail(world, CHECK_PRINCIPALS, "another principal %llu",
                      (unsigned long long)found->principal_id);
        }
    }
    if (at != model->count) desk_fail(world, CHECK_PRINCIPALS, "fewer principals");
}

// --- effects -------------------------------------------------------------------------------------

static void effects_init(struct world *world)
{
    struct desk *desk = world->desk;
    const struct account accounts[2] = {
        {.id = SAMPLE_IDS, .ledger = DESK_FOREIGN_FIRST, .code = 1},
        {.id = SAMPLE_IDS + 1, .ledger = DESK_FOREIGN_FIRST, .code = 1}};
    const struct sample_open open = {
        .box_id = SAMPLE_BOX, .account_id = SAMPLE_IDS, .box_account_id = SAMPLE_IDS + 1};
    desk->effects.log_id = (u64)world_log_id(world);
    desk->effects.epoch = 1;
    desk->effect_random = (struct effect_random){
        .model = &desk->effects, .random = &desk->random, .lease_max_s = LEASE_MAX_S};
    desk_setup_add(desk, 0x0101, accounts, sizeof accounts)->count = 2;
    desk_setup_add(desk, 0x7f01, &open, sizeof open);
}

// What plans an effect, now and then wrong.
static void effects_plan(struct desk *desk, struct desk_command *out)
{
    const u64 box = pick(desk, 20) == 0 ? SAMPLE_BOX + 1 : SAMPLE_BOX;
    const u64 amount = pick(desk, 20) == 0 ? 0 : 1 + pick(desk, 9);
    const u32 sort = pick(desk, 20);
    if (sort == 0) {
        const struct sample_open open = {
            .box_id = SAMPLE_BOX, .account_id = SAMPLE_IDS, .box_account_id = SAMPLE_IDS + 1};
        desk_command_set(desk, out, 0x7f01, &open, sizeof open);
    } else if (sort < 10) {
        const struct sample_put put = {.box_id = box, .amount = amount};
        desk_command_set(desk, out, 0x7f02, &put, sizeof put);
    } else {
        const struct sample_send send = {
            .send_id = desk->next_id++, .box_id = box, .amount = amount};
        desk_command_set(desk, out, 0x7f04, &send, sizeof send);
    }
}

static bool effects_next(struct desk *desk, struct desk_command *out)
{
    _Alignas(16) u8 body[EFFECT_RANDOM_BODY_MAX];
    const u32 sort = pick(desk, 100);
    if (sort < 4) {
        desk->leaps = true;
        return false;
    }
    if (sort < 25) {
        if (desk->effects.planned >= PLANNED_MAX) return false;
        effects_plan(desk, out);
        return true;
    }
    u16 record = effect_random_pick(&desk->effect_random);
    if (sort < 32) record = 0x0908;
    else if (sort < 34) record = 0x0909;
    const u32 size = effect_random_record(&desk->effect_random, record, body);
    desk_command_set(desk, out, record, body, size);
    out->principal = desk->effect_random.principal;
    return true;
}

static void sample_expect(struct desk *desk, const struct desk_command *command,
                          struct effect_asker *asker, struct desk_expected *out)
{
    static const u128 nothing[2] = {0};
    u8 body[EFFECT_BODY_SIZE] = {0};
    const bool is_send = command->record == 0x7f04;
    u128 box_id = 0;
    u128 amount = 0;
    if (command->record == 0x7f01) {
        struct sample_open open;
        memcpy(&open, command->body, sizeof open);
        const bool is_first = desk->setup_done < desk->setup_count;
        refuse(out, is_first ? (u32)MODULE_DONE : (u32)SAMPLE_BOX_EXISTS, nothing);
        return;
    }
    if (is_send) {
        struct sample_send send;
        memcpy(&send, command->body, sizeof send);
        box_id = send.box_id;
        amount = send.amount;
        store_u128(body, send.send_id);
    } else {
        struct sample_put put;
        memcpy(&put, command->body, sizeof put);
        box_id = put.box_id;
        amount = put.amount;
        store_u128(body, put.box_id);
    }
    store_u128(body + 16, amount);
    refuse(out,
           box_id != SAMPLE_BOX ? (u32)SAMPLE_BOX_NOT_FOUND
           : amount == 0        ? (u32)SAMPLE_AMOUNT_MUST_NOT_BE_ZERO
                                : (u32)MODULE_DONE,
           nothing);
    if (out->replies[0].result != MODULE_DONE) return;
    asker->now++; // The posting takes a moment.
    effect_model_plan(&desk->effects, asker, is_send ? 0x7f0002 : 0x7f0001, !is_send, body);
    if (is_send) desk->held += amount;
    else desk->posted += amount;
}

static void effects_expect(struct desk *desk, const struct desk_command *command,
                           const struct effect_asker *asker, struct desk_expected *out)
{
    const struct effect *ended = NULL;
    const struct effect_answer answer =
        effect_model_run(&desk->effects, asker, command->record, command->body, &ended);
    refuse(out, answer.result, answer.evidence);
    if (command->record == 0x0901 && answer.result == MODULE_DONE) {
        effect_random_claimed(&desk->effect_random, asker->position);
    }
    if (ended == NULL || ended->kind != 0x7f0002) return;
    const u128 amount = load_u128(ended->body + 16);
    desk->held -= amount;
    if (ended->outcome == EFFECT_OUTCOME_DONE) desk->posted += amount;
}

static void effects_list_compare(struct world *world)
{
    struct desk *desk = world->desk;
    const struct effect_list all = {0};
    struct module_answer answer = {0};
    u64 seen = 0;
    do {
        if (node_ask(&desk->ask, &effect_schema_effect_list, &all, NODE_ASK_SPACE, &answer) !=
            MODULE_DONE) {
            desk_fail(world, CHECK_EFFECTS, "a question is refused");
        }
        for (u32 i = 0; i < answer.count; i++) {
            struct effect effect;
            memcpy(&effect, answer.views + i * sizeof effect, sizeof effect);
            effect.changed_at = 0;
            if (seen == desk->effects.planned ||
                memcmp(&effect, &desk->effects.effects[seen++], sizeof effect) != 0) {
                desk_fail(world, CHECK_EFFECTS, "another effect %llu",
                          (unsigned long long)effect.effect);
            }
        }
    } while (load_u64(answer.cursor) != 0);
    if (seen != desk->effects.planned) desk_fail(world, CHECK_EFFECTS, "fewer effects");
}

static void effects_compare(struct world *world, bool is_whole)
{
    struct desk *desk = world->desk;
    const struct machine *machine = &desk->ask.node->machine;
    const u32 row = ledger_account_row(&machine->ledger, SAMPLE_IDS);
    if (row == U32_MAX) return; // It is the beginning.
    const struct account *account = ledger_account(&machine->ledger, row);
    desk->checks[CHECK_EFFECTS]++;
    if (account->debits_pending != desk->held || account->debits_posted != desk->posted) {
        desk_fail(world, CHECK_EFFECTS, "what is sent is not what is held and posted");
    }
    // A tick tells the ends of some leases; until all are told, the model is ahead.
    if (is_whole && commit_next_due(machine) > machine->timestamp) effects_list_compare(world);
}

// --- loans ---------------------------------------------------------------------------------------

static bool has_entry(void *context, u128 entry_id)
{
    struct entry_posting posting;
    const struct desk *desk = context;
    return book_model_entry_posting(desk->books, entry_id, 0, &posting);
}

static bool is_closed(void *context, u64 principal)
{
    const struct desk *desk = context;
    const struct principal_model_person *person =
        principal_model_person(&desk->principals, principal);
    return person != NULL && person->is_closed;
}

static void loans_init(struct desk *desk)
{
    desk->loans.is_closed = is_closed;
    desk->loans.context = desk;
    desk->loans.has_entry = has_entry;
    desk->loans.other_slice = desk_import_slice;
    desk->loans.first_kind = JOB_KIND_IMPORT_WHOLE;
    const bool is_large = random_chance(&desk->random, 15);
    desk->loans_max = is_large ? 10000 : 600; // Then a job takes more than one slice.
    desk->run_max = is_large ? 3000 : 30;
    desk->loans.book_first = LOANS_BOOKS_FIRST;
    for (u32 i = 0; i < LOANS_GROUPS; i++) {
        const struct accrual_group group = {
            .group_id = i + 1, .product = 1, .entity = 9, .book = LOANS_BOOKS_FIRST + i};
        desk_setup_add(desk, 0x7e01, &group, sizeof group);
    }
}

static bool loans_next(struct desk *desk, struct desk_command *out)
{
    _Alignas(16) u8 body[128];
    u32 size = 0;
    if (desk->loans.job_count + DESK_SENT_MAX >= ACCRUAL_MODEL_JOBS_MAX) return false;
    const u16 record = accrual_random_command(&desk->loans, &desk->random, &desk->next_id,
                                              desk->run_max, body, &size);
    if (record == 0x7e02 && desk->loans.loan_count >= desk->loans_max) return false;
    desk_command_set(desk, out, record, body, size);
    out->principal += random_chance(&desk->random, 10);
    // Somebody who may be closed while a job goes on in his name.
    if (random_chance(&desk->random, 20)) {
        out->principal = principal_model_id(&desk->principals, 2 + pick(desk, 3));
    }
    if (record != 0x0801 && record != 0x0802) return true;
    const struct job_record *job = accrual_model_find_job(&desk->loans, load_u128(body));
    if (job != NULL && random_chance(&desk->random, 80)) out->principal = job->principal;
    return true;
}

static void loans_expect(struct desk *desk, const struct desk_command *command,
                         struct desk_expected *out)
{
    const struct accrual_model_reply reply =
        accrual_model_run(&desk->loans, command->principal, command->record, command->body);
    refuse(out, reply.result, reply.evidence);
}

static u128 balance(const struct machine *machine, u32 book, u32 id)
{
    const u32 row = ledger_class_account_row(&machine->ledger, book, id);
    if (row == U32_MAX) return U128_MAX;
    const struct account *account = ledger_account(&machine->ledger, row);
    return id == ACCRUAL_ACCOUNT_FUNDING || id == ACCRUAL_ACCOUNT_INCOME
               ? account->credits_posted - account->debits_posted
               : account->debits_posted - account->credits_posted;
}

static void jobs_compare(struct world *world)
{
    struct desk *desk = world->desk;
    const struct module_context context = commit_context(&desk->ask.node->machine, &accrual_module);
    if (context.jobs->count != desk->loans.job_count) {
        desk_fail(world, CHECK_JOBS, "another number of jobs");
    }
    for (u32 i = 0; i < desk->loans.job_count; i++) {
        struct job_record job = *job_of_number(&context, i + 1);
        const struct job_record *expected = &desk->loans.jobs[i];
        job.begun_at = 0;
        job.advanced_at = 0;
        job.ended_at = 0;
        if (memcmp(&job, expected, sizeof job) == 0) continue;
        book_compare_print(&job_schema_job_record, expected);
        book_compare_print(&job_schema_job_record, &job);
        desk_fail(world, CHECK_JOBS, "another job %u", i + 1);
    }
}

static void loans_compare(struct world *world, bool is_whole)
{
    struct desk *desk = world->desk;
    const struct machine *machine = &desk->ask.node->machine;
    const struct module_context context = commit_context(machine, &accrual_module);
    desk->checks[CHECK_JOBS]++;
    jobs_compare(world);
    for (u32 i = 0; i < desk->loans.group_count; i++) {
        const struct accrual_model_sums sums = accrual_model_sum(&desk->loans, i);
        const u32 book = desk->loans.groups[i].book;
        if (balance(machine, book, ACCRUAL_ACCOUNT_PRINCIPAL) != sums.principal ||
            balance(machine, book, ACCRUAL_ACCOUNT_FUNDING) != sums.principal ||
            balance(machine, book, ACCRUAL_ACCOUNT_RECEIVABLE) != sums.interest ||
            balance(machine, book, ACCRUAL_ACCOUNT_INCOME) != sums.interest) {
            desk_fail(world, CHECK_JOBS, "group %u has another balance than its loans", i + 1);
        }
    }
    if (!is_whole) return;
    if (module_record_count(&context, ACCRUAL_TABLE_LOANS) != desk->loans.loan_count) {
        desk_fail(world, CHECK_JOBS, "another number of loans");
    }
    for (u32 i = 0; i < desk->loans.loan_count; i++) {
        const struct accrual_model_loan *loan = &desk->loans.loans[i];
        const struct accrual_loan real =
            accrual_taken(&context, module_record(&context, ACCRUAL_TABLE_LOANS, i));
        const u64 parts = (u64)loan->denominator * 365;
        if (real.loan_id != loan->loan_id || real.principal != loan->principal ||
            real.through != loan->through || real.accrued != loan->units / parts ||
            real.remainder != loan->units % parts) {
            desk_fail(world, CHECK_JOBS, "another loan in row %u", i);
        }
    }
}

// --- all of them ---------------------------------------------------------------------------------

static void names_differ(void *context, const char *what)
{
    desk_fail(context, CHECK_NAMES, "%s", what);
}

void desk_models_init(struct world *world)
{
    struct desk *desk = world->desk;
    desk->name_compare = (struct name_compare){.ask = &desk->ask,
                                               .model = &desk->names,
                                               .random = &desk->random,
                                               .differs = names_differ,
                                               .context = world};
    names_init(desk);
    principal_model_init(&desk->principals, PRINCIPALS_SHIFT);
    effects_init(world);
    loans_init(desk);
}

bool desk_models_next(struct world *world, struct desk_command *out)
{
    struct desk *desk = world->desk;
    bool is_new = false;
    if (random_chance(&desk->random, 60) && owner_close_next(desk, out)) return true;
    switch (pick(desk, 6)) {
    case 0: is_new = names_next(desk, out); break;
    case 3: is_new = desk_import_next(desk, out); break;
    case 1: is_new = principals_next(desk, out); break;
    case 2: is_new = loans_next(desk, out); break;
    default: is_new = effects_next(desk, out); break;
    }
    if (!is_new || out->record < COMMAND_MODULES + 256) return is_new;
    if (out->record == 0x0401) return true;
    if (out->delegate == 0 && random_chance(&desk->random, 20)) {
        out->delegate = principal_random_delegate(&desk->principals, &desk->random, out->principal);
    }
    if (random_chance(&desk->random, 2)) out->count = 2; // More than there are.
    if (random_chance(&desk->random, 2)) out->expires_at = 1 + pick(desk, 1000);
    return true;
}

void desk_models_expect(struct world *world, const struct desk_command *command, u64 now,
                        struct desk_expected *out)
{
    struct desk *desk = world->desk;
    struct effect_asker asker = {
        .principal = command->principal, .now = now, .position = world->oracle.position};
    const struct principal_model_caller caller = {.principal = command->principal,
                                                  .delegate = command->delegate};
    struct name_model_reply reply;
    static const u128 unknown[2] = {0};
    switch (command->record >> 8) {
    case 0x05:
        out->is_silent = true;
        if (!principal_model_knows(&desk->principals, command->record, command->body)) break;
        refuse(out,
               principal_model_run(&desk->principals, &caller, command->record, command->body,
                                   world->oracle.position),
               unknown);
        break;
    case 0x07:
        reply =
            name_model_command(&desk->names, command->principal, command->record, command->body);
        refuse(out, reply.result, reply.evidence);
        break;
    case 0x09: effects_expect(desk, command, &asker, out); break;
    case 0x0a: desk_import_expect(desk, command, out); break;
    case 0x7f: sample_expect(desk, command, &asker, out); break;
    default: loans_expect(desk, command, out); break;
    }
}

void desk_models_tick(struct desk *desk, u64 now)
{
    (void)effect_model_tick(&desk->effects, now);
    accrual_model_tick(&desk->loans);
}

void desk_models_compare(struct world *world, bool is_whole)
{
    struct desk *desk = world->desk;
    effects_compare(world, is_whole);
    loans_compare(world, is_whole);
    desk->checks[CHECK_NAMES]++;
    desk->checks[CHECK_PRINCIPALS]++;
    name_compare_found(&desk->name_compare);
    principals_compare(world);
    if (!is_whole) return;
    if (desk->setup_done < desk->setup_count) return;
    name_compare_lists(&desk->name_compare);
    for (u32 i = 0; i < 4; i++) name_compare_sums(&desk->name_compare);
}
