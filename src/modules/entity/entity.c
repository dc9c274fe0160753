// SPDX-License-Identifier: Apache-2.0
//
// Deciding on legal entities.
#include "modules/entity/entity.h"

#include "codec/civil.h"
#include "modules/identifier.h"
#include "money/currency.h"

#define SCHEMA_MODULE entity
#define SCHEMA_TABLE  "modules/entity/entity.def"
#include "schema/make_descriptors.h"

enum { TABLE_ENTITIES, TABLE_CALENDARS, TABLE_EXCEPTIONS, TABLE_DAYS };
#define ENTITIES_MAX   65536u
#define CALENDARS_MAX  65536u
#define EXCEPTIONS_MAX (1u << 24)
#define DAYS_MAX       (1u << 24)
#define DAY_MIN        1
// Days that are looked at for the next one with business.
#define NEXT_DAY_LOOKS_MAX 366

const struct entity *entity_find(const struct module_context *context, u128 entity_id)
{
    const struct module_context own = module_context_of(context, &entity_module);
    return module_find(&own, TABLE_ENTITIES, entity_id);
}

// The key of a day in a table: the row of what it is a day of, and the day.
static u128 day_key(u64 row, i32 day)
{
    return (u128)(row + 1) << 32 | (u32)day;
}

// --- the orders of closed days -------------------------------------------------------------------

// Of those that end a period, by entity and day; of all, by entity and the row of history at which
// they were closed.
enum { DAYS_OF_ENDS, DAYS_BY_ROW };

static u64 end_head(const void *record)
{
    return (u64)((const struct business_day *)record)->key; // Of 17 and 32 bits.
}

static bool ends_period(const void *record)
{
    return ((const struct business_day *)record)->final_row != 0;
}

static u64 row_head(const void *record)
{
    return (u64)(((const struct business_day *)record)->key >> 32);
}

static int row_compare(const void *a, const void *b)
{
    const u64 left = ((const struct business_day *)a)->row_end;
    const u64 right = ((const struct business_day *)b)->row_end;
    return (left > right) - (left < right);
}

static const struct module_order days_of_ends = {.order = {.head = end_head}, .has = ends_period};
static const struct module_order days_by_row = {
    .order = {.head = row_head, .compare = row_compare}};

// The day behind a cursor, or NULL.
static const struct business_day *day_found(const struct module_context *own, u32 order,
                                            struct btree_cursor at)
{
    const u32 row = btree_row(module_ordered(own, TABLE_DAYS, order), at);
    return row == BTREE_ROW_NONE ? NULL : module_record(own, TABLE_DAYS, row);
}

// --- days and business ---------------------------------------------------------------------------

const struct business_day *entity_closed_day(const struct module_context *context, u128 entity_id,
                                             i32 day)
{
    const struct module_context own = module_context_of(context, &entity_module);
    const u64 row = module_find_row(&own, TABLE_ENTITIES, entity_id);
    return row == MODULE_ROW_NONE ? NULL : module_find(&own, TABLE_DAYS, day_key(row, day));
}

const struct business_day *entity_closed_day_before(const struct module_context *context,
                                                    u128 entity_id, i32 day)
{
    const struct entity *entity = entity_find(context, entity_id);
    if (entity == NULL) return NULL;
    day = MIN(day, entity->day - 1);
    for (u32 i = 0; i <= NEXT_DAY_LOOKS_MAX && day >= entity->first_day; i++, day--) {
        const struct business_day *closed = entity_closed_day(context, entity_id, day);
        if (closed != NULL) return closed;
    }
    return NULL;
}

u64 entity_final_row(const struct module_context *context, u128 entity_id, i32 day)
{
    const struct entity *entity = entity_find(context, entity_id);
    if (entity == NULL || day > entity->closed_through) return U64_MAX;
    const struct module_context own = module_context_of(context, &entity_module);
    const struct business_day probe = {
        .key = day_key(module_find_row(&own, TABLE_ENTITIES, entity_id), MAX(day, DAY_MIN))};
    const struct business_day *end = day_found(
        &own, DAYS_OF_ENDS, btree_lower(module_ordered(&own, TABLE_DAYS, DAYS_OF_ENDS), &probe));
    return end == NULL || end->entity_id != entity_id ? U64_MAX : end->final_row;
}

const struct business_day *entity_closed_day_of_row(const struct module_context *context,
                                                    u128 entity_id, u64 history_row)
{
    const struct module_context own = module_context_of(context, &entity_module);
    const struct business_day probe = {
        .key = day_key(module_find_row(&own, TABLE_ENTITIES, entity_id), DAY_MIN),
        .row_end = history_row};
    const struct business_day *day = day_found(
        &own, DAYS_BY_ROW, btree_upper(module_ordered(&own, TABLE_DAYS, DAYS_BY_ROW), &probe));
    return day == NULL || day->entity_id != entity_id ? NULL : day;
}

bool calendar_has_business(const struct module_context *context, const char calendar[16], i32 day)
{
    const struct module_context own = module_context_of(context, &entity_module);
    const u64 row = module_find_row(&own, TABLE_CALENDARS, load_u128(calendar));
    if (row == MODULE_ROW_NONE) return true;
    const struct calendar_exception *exception =
        module_find(&own, TABLE_EXCEPTIONS, day_key(row, day));
    if (exception != NULL && exception->kind != DAY_USUAL) return exception->kind == DAY_WORKING;
    const struct calendar *found = module_record(&own, TABLE_CALENDARS, row);
    return (found->weekend >> (civil_weekday(day) - 1) & 1) == 0;
}

// The first business day behind `day`; CIVIL_DAY_MIN when there is none in a year.
static i32 business_next(const struct module_context *context, const char calendar[16], i32 day)
{
    for (i32 i = 1; i <= NEXT_DAY_LOOKS_MAX && day + i <= CIVIL_DAY_MAX; i++) {
        if (calendar_has_business(context, calendar, day + i)) return day + i;
    }
    return CIVIL_DAY_MIN;
}

// Two capitals, or two, a hyphen and one to three capitals or digits (ISO 3166-1 and -2).
static bool is_jurisdiction(const char *text, size_t room)
{
    const size_t size = strnlen(text, room);
    if (size != 2 && (size < 4 || size > 6 || text[2] != '-')) return false;
    for (size_t i = 0; i < size; i++) {
        const bool is_capital = text[i] >= 'A' && text[i] <= 'Z';
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (i != 2 && !is_capital && (i < 2 || !is_digit)) return false;
    }
    return true;
}

static u32 open_decide(const struct module_context *context, const struct entity_open *open,
                       struct plan *plan)
{
    if (open->entity_id == 0) return ENTITY_ID_MUST_NOT_BE_ZERO;
    if (!identifier_is_valid(open->name, sizeof open->name)) return ENTITY_NAME_INVALID;
    if (!is_jurisdiction(open->jurisdiction, sizeof open->jurisdiction)) {
        return ENTITY_JURISDICTION_INVALID;
    }
    const size_t currency_size = strnlen(open->currency, sizeof open->currency);
    if (currency_find(open->currency, currency_size) == NULL) return ENTITY_CURRENCY_UNKNOWN;
    const bool has_calendar = open->calendar[0] != 0;
    if (has_calendar && module_find(context, TABLE_CALENDARS, load_u128(open->calendar)) == NULL) {
        return ENTITY_CALENDAR_NOT_FOUND;
    }
    plan->evidence[0] = (u32)open->day;
    if (open->day < DAY_MIN || open->day > CIVIL_DAY_MAX) return ENTITY_DAY_OUT_OF_RANGE;
    plan->evidence[0] = 0;
    if (entity_find(context, open->entity_id) != NULL) {
        plan->evidence[0] = open->entity_id;
        return ENTITY_EXISTS;
    }
    if (!calendar_has_business(context, open->calendar, open->day)) {
        plan->evidence[0] = (u32)open->day;
        return ENTITY_NOT_A_BUSINESS_DAY;
    }
    struct entity entity = {
        .entity_id = open->entity_id,
        .first_day = open->day,
        .day = open->day,
        .closed_through = open->day - 1,
        .opened_at = context->timestamp,
    };
    memcpy(entity.name, open->name, sizeof entity.name);
    memcpy(entity.jurisdiction, open->jurisdiction, sizeof entity.jurisdiction);
    memcpy(entity.currency, open->currency, sizeof entity.currency);
    memcpy(entity.calendar, open->calendar, sizeof entity.calendar);
    plan_add_write(plan, TABLE_ENTITIES, module_record_count(context, TABLE_ENTITIES), &entity,
                   sizeof entity);
    return MODULE_DONE;
}

static u32 calendar_open_decide(const struct module_context *context,
                                const struct calendar_open *open, struct plan *plan)
{
    const u8 week = 127;
    if (!identifier_is_valid(open->calendar, sizeof open->calendar)) {
        return ENTITY_CALENDAR_INVALID;
    }
    if ((open->weekend & week) == week) return ENTITY_CALENDAR_WITHOUT_BUSINESS;
    if (module_find(context, TABLE_CALENDARS, load_u128(open->calendar)) != NULL) {
        return ENTITY_CALENDAR_EXISTS;
    }
    struct calendar calendar = {.weekend = open->weekend & week};
    memcpy(calendar.calendar, open->calendar, sizeof calendar.calendar);
    plan_add_write(plan, TABLE_CALENDARS, module_record_count(context, TABLE_CALENDARS), &calendar,
                   sizeof calendar);
    return MODULE_DONE;
}

static u32 calendar_mark_decide(const struct module_context *context,
                                const struct calendar_mark *mark, struct plan *plan)
{
    const struct calendar_day *days = (const struct calendar_day *)(const void *)(mark + 1);
    const u64 row = module_find_row(context, TABLE_CALENDARS, load_u128(mark->calendar));
    u64 next = module_record_count(context, TABLE_EXCEPTIONS);
    if (row == MODULE_ROW_NONE) return ENTITY_CALENDAR_NOT_FOUND;
    if (mark->days_count == 0) return ENTITY_DAYS_EMPTY;
    for (u32 i = 0; i < mark->days_count; i++) {
        plan->evidence[0] = i;
        plan->evidence[1] = (u32)days[i].day;
        if (days[i].day < DAY_MIN || days[i].day > CIVIL_DAY_MAX) return ENTITY_DAY_OUT_OF_RANGE;
        assert(days[i].kind >= DAY_HOLIDAY &&
               days[i].kind <= DAY_USUAL); // The description says so.
        struct calendar_exception exception = {
            .key = day_key(row, days[i].day), .day = days[i].day, .kind = days[i].kind};
        memcpy(exception.calendar, mark->calendar, sizeof exception.calendar);
        // The same day may be said before, or twice in one command: the last word holds.
        u64 place = module_find_row(context, TABLE_EXCEPTIONS, exception.key);
        for (u32 j = 0; j < i && place == MODULE_ROW_NONE; j++) {
            if (days[j].day == days[i].day) place = plan->writes[j].row;
        }
        if (place == MODULE_ROW_NONE) place = next++;
        plan_add_write(plan, TABLE_EXCEPTIONS, place, &exception, sizeof exception);
    }
    return MODULE_DONE;
}

// What is closed keeps the row of history behind all that was posted until then: a balance at the
// end of the day is the balance there, and what was posted later with an effective day up to it.
static u32 day_close_decide(const struct module_context *context, const struct day_close *close,
                            struct plan *plan)
{
    const u64 row = module_find_row(context, TABLE_ENTITIES, close->entity_id);
    plan->evidence[0] = close->entity_id;
    if (row == MODULE_ROW_NONE) return ENTITY_NOT_FOUND;
    struct entity entity = *(const struct entity *)module_record(context, TABLE_ENTITIES, row);
    plan->evidence[0] = (u32)close->day;
    plan->evidence[1] = (u32)entity.day;
    if (close->day != entity.day) return ENTITY_DAY_NOT_OPEN;
    const i32 next = business_next(context, entity.calendar, entity.day);
    plan->evidence[1] = 0;
    if (next == CIVIL_DAY_MIN) return ENTITY_NO_NEXT_DAY;
    const struct business_day day = {
        .key = day_key(row, entity.day),
        .entity_id = entity.entity_id,
        .day = entity.day,
        .next = next,
        .closed_at = context->timestamp,
        .row_end = context->ledger->history->next_row,
    };
    entity.day = next;
    plan_add_write(plan, TABLE_DAYS, module_record_count(context, TABLE_DAYS), &day, sizeof day);
    plan_add_write(plan, TABLE_ENTITIES, row, &entity, sizeof entity);
    return MODULE_DONE;
}

static u32 period_close_decide(const struct module_context *context,
                               const struct period_close *close, struct plan *plan)
{
    const u64 row = module_find_row(context, TABLE_ENTITIES, close->entity_id);
    plan->evidence[0] = close->entity_id;
    if (row == MODULE_ROW_NONE) return ENTITY_NOT_FOUND;
    struct entity entity = *(const struct entity *)module_record(context, TABLE_ENTITIES, row);
    plan->evidence[0] = (u32)close->through;
    plan->evidence[1] = (u32)entity.closed_through;
    if (close->through <= entity.closed_through) return ENTITY_PERIOD_CLOSED_ALREADY;
    plan->evidence[1] = (u32)entity.day;
    if (close->through >= entity.day) return ENTITY_PERIOD_NOT_OVER;
    entity.closed_through = close->through;
    plan_add_write(plan, TABLE_ENTITIES, row, &entity, sizeof entity);
    const struct business_day *last =
        entity_closed_day_before(context, close->entity_id, close->through);
    assert(last != NULL); // The first day, if no later one.
    if (last->final_row != 0) return MODULE_DONE;
    struct business_day ended = *last;
    ended.final_row = context->ledger->history->next_row;
    plan_add_write(plan, TABLE_DAYS, module_find_row(context, TABLE_DAYS, last->key), &ended,
                   sizeof ended);
    return MODULE_DONE;
}

static u32 entity_decide(const struct module_context *context, const struct schema_record *record,
                         const void *body, struct plan *plan)
{
    if (record == &entity_schema_entity_open) return open_decide(context, body, plan);
    if (record == &entity_schema_calendar_open) return calendar_open_decide(context, body, plan);
    if (record == &entity_schema_calendar_mark) return calendar_mark_decide(context, body, plan);
    if (record == &entity_schema_day_close) return day_close_decide(context, body, plan);
    assert(record == &entity_schema_period_close);
    return period_close_decide(context, body, plan);
}

// Records of a table whose key begins with this row, in the order of the table.
static void days_answer(const struct module_context *context, u32 table, u64 row,
                        struct module_answer *answer)
{
    u64 at = load_u64(answer->cursor);
    const u64 count = module_record_count(context, table);
    for (u32 looks = 0; at < count && looks < ANSWER_LOOKS_MAX; at++, looks++) {
        const void *record = module_record(context, table, at);
        if ((u64)(load_u128(record) >> 32) != row + 1) continue;
        if (!answer_add(answer, record)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (at < count) store_u64(answer->cursor, at);
}

static u32 calendar_days_ask(const struct module_context *context,
                             const struct calendar_days *question, struct module_answer *answer)
{
    const u64 row = module_find_row(context, TABLE_CALENDARS, load_u128(question->calendar));
    answer->record = &entity_schema_calendar_exception;
    if (row == MODULE_ROW_NONE) return ENTITY_CALENDAR_NOT_FOUND;
    days_answer(context, TABLE_EXCEPTIONS, row, answer);
    return MODULE_DONE;
}

static u32 day_list_ask(const struct module_context *context, const struct day_list *question,
                        struct module_answer *answer)
{
    const u64 row = module_find_row(context, TABLE_ENTITIES, question->entity_id);
    answer->record = &entity_schema_business_day;
    answer->evidence[0] = question->entity_id;
    if (row == MODULE_ROW_NONE) return ENTITY_NOT_FOUND;
    days_answer(context, TABLE_DAYS, row, answer);
    return MODULE_DONE;
}

static u32 entity_list_ask(const struct module_context *context, const struct entity_list *list,
                           struct module_answer *answer)
{
    answer->record = &entity_schema_entity;
    if (list->entity_id == 0) {
        answer_rows(context, TABLE_ENTITIES, answer);
        return MODULE_DONE;
    }
    const struct entity *entity = entity_find(context, list->entity_id);
    answer->evidence[0] = list->entity_id;
    memset(answer->cursor, 0, sizeof answer->cursor); // One is all, wherever the client is.
    if (entity == NULL) return ENTITY_NOT_FOUND;
    (void)answer_add(answer, entity);
    return MODULE_DONE;
}

static u32 entity_ask(const struct module_context *context, const struct schema_record *question,
                      const void *body, struct module_answer *answer)
{
    if (question == &entity_schema_entity_list) return entity_list_ask(context, body, answer);
    if (question == &entity_schema_calendar_days) return calendar_days_ask(context, body, answer);
    if (question == &entity_schema_day_list) return day_list_ask(context, body, answer);
    assert(question == &entity_schema_calendar_list);
    answer->record = &entity_schema_calendar;
    answer_rows(context, TABLE_CALENDARS, answer);
    return MODULE_DONE;
}

static void entity_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_ENTITIES); row++) {
        const struct entity *entity = module_record(context, TABLE_ENTITIES, row);
        assert(entity->day >= entity->first_day);     // N1
        assert(entity->closed_through < entity->day); // N2
        assert(module_find_row(context, TABLE_ENTITIES, entity->entity_id) == row);
    }
    for (u64 row = 0; row < module_record_count(context, TABLE_DAYS); row++) {
        const struct business_day *day = module_record(context, TABLE_DAYS, row);
        const struct entity *entity = entity_find(context, day->entity_id);
        assert(day->day < day->next && day->next <= entity->day);          // N1
        assert(day->final_row == 0 || day->day <= entity->closed_through); // N3
        assert(day->final_row == 0 || day->final_row >= day->row_end);
    }
}

const struct module entity_module = {
    .name = "entity",
    .number = 0x02,
    .version = 1,
    .account_class = 0x02,
    .schema = &entity_schema,
    .table_count = 4,
    .tables =
        {
            {.record_size = sizeof(struct entity), .record_max = ENTITIES_MAX, .keyed = true},
            {.record_size = sizeof(struct calendar), .record_max = CALENDARS_MAX, .keyed = true},
            {.record_size = sizeof(struct calendar_exception),
             .record_max = EXCEPTIONS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct business_day),
             .record_max = DAYS_MAX,
             .keyed = true,
             .orders = {&days_of_ends, &days_by_row}},
        },
    .decide = entity_decide,
    .ask = entity_ask,
    .check = entity_check,
};
