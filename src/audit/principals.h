// SPDX-License-Identifier: Apache-2.0
//
// Who may give commands (L11), by the records of the log that opened and closed principals.
//
// 16 bytes a principal; one is found in the logarithm of how many there are.
#ifndef TAEL_AUDIT_PRINCIPALS_H
#define TAEL_AUDIT_PRINCIPALS_H

#include "base/base.h"

#define AUDIT_OPERATOR 1u // Whom no record opens: it is always there.

struct audit_principal {
    u64 id;
    bool is_open;
};

struct audit_principals {
    struct audit_principal *items; // By id.
    u64 count;
    u64 capacity;
};

// Whether the log has opened this one, or it is the operator; and whether it has closed it since.
bool audit_principal_is_known(const struct audit_principals *principals, u64 id);
bool audit_principal_is_closed(const struct audit_principals *principals, u64 id);
// Opens or closes one; all zero is none. audit_principals_free gives the memory back.
void audit_principal_set(struct audit_principals *principals, u64 id, bool is_open);
void audit_principals_free(struct audit_principals *principals);

#endif
