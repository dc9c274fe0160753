// SPDX-License-Identifier: Apache-2.0
//
// Who may give commands (L11), by the records of the log that opened and closed principals, and
// that let one act in another's name.
//
// 16 bytes a principal, 32 a delegation; one is found in the logarithm of how many there are.
#ifndef TAEL_AUDIT_PRINCIPALS_H
#define TAEL_AUDIT_PRINCIPALS_H

#include "base/base.h"

#define AUDIT_OPERATOR 1u // Whom no record opens: it is always there.

struct audit_principal {
    u64 id;
    bool is_open;
};

// One that ended stays.
struct audit_delegation {
    u64 delegate;
    u64 for_id;     // 0: all but the operator.
    u64 expires_at; // Nanoseconds; 0 never.
    bool holds;
};

struct audit_principals {
    struct audit_principal *items; // By id.
    u64 count;
    u64 capacity;
    struct audit_delegation *delegations; // By delegate and for_id.
    u64 delegation_count;
    u64 delegation_capacity;
};

// Whether the log has opened this one, or it is the operator; and whether it has closed it since.
bool audit_principal_is_known(const struct audit_principals *principals, u64 id);
bool audit_principal_is_closed(const struct audit_principals *principals, u64 id);
// Opens or closes one; all zero is none. audit_principals_free gives the memory back.
void audit_principal_set(struct audit_principals *principals, u64 id, bool is_open);
// Gives a delegation, or ends it.
void audit_delegation_set(struct audit_principals *principals,
                          const struct audit_delegation *delegation);
// Whether a principal may act in another's name at this time: it is open, and was let.
bool audit_principal_acts_for(const struct audit_principals *principals, u64 delegate, u64 for_id,
                              u64 time);
void audit_principals_free(struct audit_principals *principals);

#endif
