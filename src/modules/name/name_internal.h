// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the name module share. Private to:
//
//   name.c      commands, the questions that find names, invariants
//   name_sum.c  balances and turnover of what has a name under a prefix
#ifndef TAEL_MODULES_NAME_NAME_INTERNAL_H
#define TAEL_MODULES_NAME_NAME_INTERNAL_H

#include "modules/name/name.h"

// The record of a row, whether or not it stands.
const struct name *name_at(const struct module_context *context, u64 row);
// The order of paths: -1, 0 or 1 for two records.
int name_path_compare(const void *a, const void *b);
// As name_path_check; a prefix may be empty too.
u32 name_prefix_check(const char prefix[NAME_PATH_SIZE], u128 evidence[2]);

// The names under a prefix: a range of the order of paths.
struct name_range {
    const struct btree *tree;
    struct btree_cursor next;
    struct btree_cursor end;
};
struct name_range name_range_of(const struct module_context *context,
                                const char prefix[NAME_PATH_SIZE]);
// The rest of a range, from the path of a record on, whether or not that stands still. False, and
// nothing, of a record that is not under the prefix: a cursor that this server did not give.
bool name_range_go_on(const struct module_context *context, const char prefix[NAME_PATH_SIZE],
                      u64 row, struct name_range *range);
// The rest of a range from so many bytes of a path on, which is under the prefix.
void name_range_begin(struct name_range *range, const char *path, u32 size);

// Questions about sums: `ask` of the module (struct module).
u32 name_sum_ask(const struct module_context *context, const struct schema_record *question,
                 const void *body, struct module_answer *answer);

#endif
