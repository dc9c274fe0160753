// SPDX-License-Identifier: Apache-2.0
//
// The audit of a stopped folder, second to everything: it shares no line with the server above base
// and codec, and reads what docs/FORMAT.md says.
//
// README.md tells what is checked, and what is not.
#ifndef TAEL_AUDIT_AUDIT_H
#define TAEL_AUDIT_AUDIT_H

#include "audit/checkpoint.h"
#include "audit/heads.h"
#include "audit/report.h"

// Audits the folder, and compares the heads that are held of it (NULL: none); differences go to the
// report, which the caller has initialised and frees. A status other than STATUS_OK is the
// environment's: the folder could not be read, is in use, holds no log (STATUS_NOT_FOUND), or the
// audit was stopped (STATUS_CANCELLED). `progress` may be NULL.
MUST_USE enum status audit_run(const char *path, struct audit_heads *heads,
                               const struct audit_progress *progress, struct audit_report *report,
                               struct failure *failure);

#endif
