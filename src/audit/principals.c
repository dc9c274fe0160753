// SPDX-License-Identifier: Apache-2.0
//
// Principals in a sorted array.
#include "audit/principals.h"

#include <stdlib.h>

// Where a principal is, or would be.
static u64 place_of(const struct audit_principals *principals, u64 id)
{
    u64 first = 0;
    u64 end = principals->count;
    while (first < end) {
        const u64 middle = first + (end - first) / 2;
        if (principals->items[middle].id < id) first = middle + 1;
        else end = middle;
    }
    return first;
}

static const struct audit_principal *find(const struct audit_principals *principals, u64 id)
{
    const u64 at = place_of(principals, id);
    return at < principals->count && principals->items[at].id == id ? &principals->items[at] : NULL;
}

bool audit_principal_is_known(const struct audit_principals *principals, u64 id)
{
    return id == AUDIT_OPERATOR || find(principals, id) != NULL;
}

bool audit_principal_is_closed(const struct audit_principals *principals, u64 id)
{
    const struct audit_principal *found = find(principals, id);
    return found != NULL && !found->is_open;
}

void audit_principal_set(struct audit_principals *principals, u64 id, bool is_open)
{
    const u64 at = place_of(principals, id);
    struct audit_principal *items = principals->items;
    if (at == principals->count || items[at].id != id) {
        if (principals->count == principals->capacity) {
            principals->capacity = MAX(64, 2 * principals->capacity);
            items = realloc(items, principals->capacity * sizeof *items);
            assert(items != NULL);
            principals->items = items;
        }
        memmove(items + at + 1, items + at, (principals->count - at) * sizeof *items);
        principals->count++;
    }
    items[at] = (struct audit_principal){.id = id, .is_open = is_open};
}

static bool is_before(const struct audit_delegation *one, u64 delegate, u64 for_id)
{
    return one->delegate < delegate || (one->delegate == delegate && one->for_id < for_id);
}

// Where a delegation is, or would be.
static u64 delegation_place(const struct audit_principals *principals, u64 delegate, u64 for_id)
{
    u64 first = 0;
    u64 end = principals->delegation_count;
    while (first < end) {
        const u64 middle = first + (end - first) / 2;
        if (is_before(&principals->delegations[middle], delegate, for_id)) first = middle + 1;
        else end = middle;
    }
    return first;
}

static bool delegation_is(const struct audit_principals *principals, u64 at, u64 delegate,
                          u64 for_id)
{
    const struct audit_delegation *items = principals->delegations;
    return at < principals->delegation_count && items[at].delegate == delegate &&
           items[at].for_id == for_id;
}

void audit_delegation_set(struct audit_principals *principals,
                          const struct audit_delegation *delegation)
{
    const u64 at = delegation_place(principals, delegation->delegate, delegation->for_id);
    struct audit_delegation *items = principals->delegations;
    if (!delegation_is(principals, at, delegation->delegate, delegation->for_id)) {
        if (principals->delegation_count == principals->delegation_capacity) {
            principals->delegation_capacity = MAX(64, 2 * principals->delegation_capacity);
            items = realloc(items, principals->delegation_capacity * sizeof *items);
            assert(items != NULL);
            principals->delegations = items;
        }
        memmove(items + at + 1, items + at, (principals->delegation_count - at) * sizeof *items);
        principals->delegation_count++;
    }
    items[at] = *delegation;
}

static bool delegation_holds(const struct audit_principals *principals, u64 delegate, u64 for_id,
                             u64 time)
{
    const u64 at = delegation_place(principals, delegate, for_id);
    if (!delegation_is(principals, at, delegate, for_id)) return false;
    const struct audit_delegation *found = &principals->delegations[at];
    return found->holds && (found->expires_at == 0 || time < found->expires_at);
}

bool audit_principal_acts_for(const struct audit_principals *principals, u64 delegate, u64 for_id,
                              u64 time)
{
    if (for_id <= AUDIT_OPERATOR || !audit_principal_is_known(principals, delegate) ||
        audit_principal_is_closed(principals, delegate)) {
        return false;
    }
    return delegation_holds(principals, delegate, for_id, time) ||
           delegation_holds(principals, delegate, 0, time);
}

void audit_principals_free(struct audit_principals *principals)
{
    free(principals->items);
    free(principals->delegations);
    *principals = (struct audit_principals){0};
}
