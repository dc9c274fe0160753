// SPDX-License-Identifier: Apache-2.0
//
// What an event of a plain client must be for it to take effect: the rules that the event alone
// tells (docs/PROTOCOL.md).
#ifndef TAEL_AUDIT_RULES_H
#define TAEL_AUDIT_RULES_H

#include "audit/format.h"

// The rule that the event breaks, as the end of a sentence, or NULL when it breaks none.
const char *audit_account_rule(const struct audit_account_record *event);
const char *audit_transfer_rule(const struct audit_transfer_record *event);

#endif
