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

void audit_principals_free(struct audit_principals *principals)
{
    free(principals->items);
    *principals = (struct audit_principals){0};
}
