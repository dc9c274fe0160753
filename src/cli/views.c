// SPDX-License-Identifier: Apache-2.0
//
// Answers of a server as verbs take them: libtael vouches for the wire, and knows no record; what
// an answer says of its views is looked at here before it is believed.
#include "cli/cli.h"

#include "codec/record_binary.h"
#include "modules/module.h"

#include <stdio.h>
#include <tael.h>

// A view's size is that of its head, and views lie at multiples of this.
#define VIEW_ALIGNMENT 16u

bool cli_views_are_whole(const struct tael_answer *answer, const struct schema_record *wanted)
{
    const struct schema_record *record = module_record_of(answer->record);
    if (wanted != NULL && answer->count > 0 && record != wanted) return false;
    if (answer->count == 0) return answer->body_size == 0;
    if (record == NULL || record_binary_size_max(record) != record->size) return false;
    return answer->body_size == answer->count * align_up(record->size, VIEW_ALIGNMENT);
}

bool cli_views_check(const char *verb, const struct tael_answer *answer,
                     const struct schema_record *wanted)
{
    if (cli_views_are_whole(answer, wanted)) return true;
    (void)fprintf(stderr,
                  "tael %s: the server's answer is none: %u of record %u in %u bytes; is it of "
                  "another version?\n",
                  verb, answer->count, answer->record, answer->body_size);
    return false;
}
