// SPDX-License-Identifier: Apache-2.0
//
// Views over the tables of a projection, and their indexes.
//
// Sums of single accounts are exact whatever they are: amounts are added in limbs of nine digits,
// so that neither 63 bits nor a floating-point number is in the way. Where a view adds by SUM, it
// shows NULL when an amount of more than 63 bits is among those added, and never a rounded number.
#include "projection/projection_internal.h"

#include <stdio.h>

// The limbs of `value`, an INTEGER or 39 digits of TEXT, added up with their sign.
#define LIMB(first, size)                                                                \
    "sum(sign * CASE typeof(value) WHEN 'text' THEN CAST(substr(value, " first ", " size \
    ") AS INTEGER) "
#define LIMBS                                                      \
    LIMB("31", "9")                                                \
    "ELSE value % 1000000000 END) AS l0, " LIMB(                   \
        "22", "9") "ELSE value / 1000000000 % 1000000000 "         \
                   "END) AS l1, " LIMB(                            \
                       "13", "9") "ELSE value / "                  \
                                  "1000000000000000000 END) AS "   \
                                  "l2, " LIMB("4", "9") "ELSE 0 "  \
                                                        "END) AS " \
                                                        "l3, " LIMB("1", "3") "ELSE 0 END) AS l4"
// What is carried from a limb, and what is left of it; sums may be negative on the way.
#define LEFT(limb)  "(((" limb ") % 1000000000 + 1000000000) % 1000000000)"
#define CARRY(limb) "((" limb ") - " LEFT(limb) ") / 1000000000"

// The day that was open for a book's entity when a module made the posting `t`; else NULL.
#define OPEN_DAY                                                                       \
    "(SELECT o.day FROM book_open b JOIN business_day o ON o.entity_id = b.entity_id " \
    "WHERE b.book = t.ledger AND t.cause_row IS NOT NULL AND o.row_from < t.\"row\" "  \
    "AND (o.row_to IS NULL OR o.row_to > t.\"row\"))"

static const char *const views[][2] = {
    {"posting_part",
     "SELECT \"row\", ledger, debit_account_id AS account_id, 'debits_posted' AS part, "
     "amount AS value, 1 AS sign FROM transfer WHERE kind IN ('transfer', 'post')\n"
     "UNION ALL SELECT \"row\", ledger, credit_account_id, 'credits_posted', amount, 1 "
     "FROM transfer WHERE kind IN ('transfer', 'post')\n"
     "UNION ALL SELECT \"row\", ledger, debit_account_id, 'debits_pending', amount, 1 "
     "FROM transfer WHERE kind = 'hold'\n"
     "UNION ALL SELECT \"row\", ledger, credit_account_id, 'credits_pending', amount, 1 "
     "FROM transfer WHERE kind = 'hold'\n"
     "UNION ALL SELECT \"row\", ledger, debit_account_id, 'debits_pending', released, -1 "
     "FROM transfer WHERE kind IN ('post', 'void', 'expiry')\n"
     "UNION ALL SELECT \"row\", ledger, credit_account_id, 'credits_pending', released, -1 "
     "FROM transfer WHERE kind IN ('post', 'void', 'expiry')"},
    {"posting_sum",
     "WITH a AS (SELECT ledger, account_id, part, " LIMBS
     " FROM posting_part GROUP BY ledger, account_id, part),\n"
     "b AS (SELECT *, " LEFT("l0") " AS d0, l1 + " CARRY(
         "l0") " AS c1 FROM a),\n"
               "c AS (SELECT *, " LEFT("c1") " AS d1, l2 + " CARRY(
                   "c1") " AS c2 FROM b),\n"
                         "d AS (SELECT *, " LEFT("c2") " AS d2, l3 + " CARRY(
                             "c2") " AS c3 FROM c),\n"
                                   "e AS (SELECT *, " LEFT("c3") " AS d3, l4 + " CARRY(
                                       "c3") " AS d4 FROM d)\n"
                                             "SELECT ledger, account_id, part, CASE WHEN d4 = 0 "
                                             "AND d3 = 0 AND (d2 < 9 OR d2 = 9 AND "
                                             "d1 * 1000000000 + d0 <= 223372036854775807)\n"
                                             "THEN d2 * 1000000000000000000 + d1 * 1000000000 + "
                                             "d0\n"
                                             "ELSE printf('%03d%09d%09d%09d%09d', d4, d3, d2, d1, "
                                             "d0) END AS total FROM e"},
    {"balances",
     "SELECT a.ledger, a.id AS account_id, a.code, o.name,\n"
     "coalesce(max(CASE s.part WHEN 'debits_pending' THEN s.total END), 0) AS debits_pending,\n"
     "coalesce(max(CASE s.part WHEN 'debits_posted' THEN s.total END), 0) AS debits_posted,\n"
     "coalesce(max(CASE s.part WHEN 'credits_pending' THEN s.total END), 0) AS credits_pending,\n"
     "coalesce(max(CASE s.part WHEN 'credits_posted' THEN s.total END), 0) AS credits_posted\n"
     "FROM account a LEFT JOIN posting_sum s ON s.ledger = a.ledger AND s.account_id = a.id\n"
     "LEFT JOIN book_account_open o ON o.\"row\" = a.cause_row\n"
     "GROUP BY a.\"row\""},
    {"trial_balance",
     "SELECT b.ledger AS book, b.code, CASE WHEN o.book IS NOT NULL AND b.code = 65535 "
     "THEN 'liability' ELSE c.kind END AS kind, b.account_id,\n"
     "CASE WHEN o.book IS NOT NULL AND b.code = 65535 THEN 'suspense' ELSE b.name END AS name,\n"
     "CASE WHEN typeof(debits_posted) = 'integer' AND typeof(credits_posted) = 'integer' "
     "THEN max(debits_posted - credits_posted, 0) END AS debit,\n"
     "CASE WHEN typeof(debits_posted) = 'integer' AND typeof(credits_posted) = 'integer' "
     "THEN max(credits_posted - debits_posted, 0) END AS credit,\n"
     "debits_posted, credits_posted, debits_pending, credits_pending\n"
     "FROM balances b LEFT JOIN book_open o ON o.book = b.ledger\n"
     "LEFT JOIN chart_add c ON c.chart = o.chart AND c.code = b.code"},
    {"business_day",
     "WITH opened AS (SELECT \"row\", entity_id, day, NULL AS closed FROM entity_open\n"
     "UNION ALL SELECT \"row\", entity_id, NULL, day FROM day_close),\n"
     "spans AS (SELECT \"row\" AS row_from, entity_id, day, closed,\n"
     "lead(closed) OVER (PARTITION BY entity_id ORDER BY \"row\") AS closes,\n"
     "lead(\"row\") OVER (PARTITION BY entity_id ORDER BY \"row\") AS row_to FROM opened)\n"
     "SELECT s.entity_id, s.row_from, s.row_to, coalesce(s.day, s.closes,\n"
     "(WITH RECURSIVE next(day) AS (SELECT date(s.closed, '+1 day')\n"
     "UNION ALL SELECT date(day, '+1 day') FROM next WHERE day < date(s.closed, '+366 days'))\n"
     "SELECT n.day FROM next n, entity_open e WHERE e.entity_id = s.entity_id AND CASE\n"
     "coalesce((SELECT d.kind FROM calendar_mark m JOIN calendar_mark_days d "
     "ON d.\"row\" = m.\"row\" WHERE m.calendar = e.calendar AND d.day = n.day "
     "AND m.\"row\" < s.row_from ORDER BY d.\"row\" DESC, d.item DESC LIMIT 1), 'usual')\n"
     "WHEN 'working' THEN 1 WHEN 'holiday' THEN 0 WHEN 'suspended' THEN 0\n"
     "ELSE coalesce((SELECT (c.weekend >> ((strftime('%w', n.day) + 6) % 7)) & 1 = 0 "
     "FROM calendar_open c WHERE c.calendar = e.calendar), 1) END\n"
     "ORDER BY n.day LIMIT 1)) AS day FROM spans s"},
    {"posting",
     "SELECT t.\"row\", t.position, t.timestamp, date(t.timestamp / 1000000000, 'unixepoch') "
     "AS made_on,\n"
     "coalesce(nullif(coalesce(e.day, h.day, v.day, d.day, c.day, y.day), '1970-01-01'), " OPEN_DAY
     ",\ndate(t.timestamp / 1000000000, 'unixepoch')) AS effective_day, " OPEN_DAY " AS open_day,\n"
     "t.id, t.ledger, t.debit_account_id, t.credit_account_id, t.amount, t.code, "
     "coalesce(e.entry_id, h.entry_id, v.entry_id, d.entry_id, c.entry_id, y.entry_id) "
     "AS entry_id,\n"
     "coalesce(nullif(coalesce(e.order_id, h.order_id, v.order_id, d.order_id, c.order_id, "
     "y.order_id), 0), nullif(t.user_data_128, 0)) AS order_id, t.kind, t.asked_by\n"
     "FROM transfer t LEFT JOIN entry_post e ON e.\"row\" = t.cause_row\n"
     "LEFT JOIN entry_hold_post h ON h.\"row\" = t.cause_row\n"
     "LEFT JOIN entry_reverse v ON v.\"row\" = t.cause_row\n"
     "LEFT JOIN due_post d ON d.\"row\" = t.cause_row\n"
     "LEFT JOIN conversion_post c ON c.\"row\" = t.cause_row\n"
     "LEFT JOIN year_close y ON y.\"row\" = t.cause_row\n"
     "WHERE t.kind IN ('transfer', 'post')"},
    {"posting_side",
     "SELECT \"row\", timestamp, made_on, effective_day, id, entry_id, order_id, ledger, "
     "debit_account_id AS account_id, credit_account_id AS other_account_id, 'debit' AS side, "
     "amount AS debit, 0 AS credit FROM posting\n"
     "UNION ALL SELECT \"row\", timestamp, made_on, effective_day, id, entry_id, order_id, "
     "ledger, credit_account_id, debit_account_id, 'credit', 0, amount FROM posting"},
    {"statement",
     "SELECT ledger, account_id, \"row\", datetime(timestamp / 1000000000, 'unixepoch') AS time, "
     "effective_day, id AS transfer_id, entry_id, other_account_id, debit, credit,\n"
     "CASE WHEN max(typeof(debit) = 'text' OR typeof(credit) = 'text') OVER account = 0 "
     "THEN sum(debit - credit) OVER account END AS balance FROM posting_side\n"
     "WINDOW account AS (PARTITION BY ledger, account_id ORDER BY \"row\")"},
    {"trial_balance_by_day",
     "WITH days AS (SELECT ledger, account_id, effective_day AS day, "
     "max(typeof(debit) = 'text' OR typeof(credit) = 'text') AS wide, "
     "sum(debit) AS debits, sum(credit) AS credits FROM posting_side "
     "GROUP BY ledger, account_id, effective_day)\n"
     "SELECT ledger AS book, day, account_id, CASE wide WHEN 0 THEN debits END AS debits, "
     "CASE wide WHEN 0 THEN credits END AS credits,\n"
     "CASE WHEN max(wide) OVER account = 0 THEN sum(debits - credits) OVER account END AS balance, "
     "lead(day) OVER account AS until\n"
     "FROM days WINDOW account AS (PARTITION BY ledger, account_id ORDER BY day)"},
    {"open_holds",
     "SELECT h.ledger, h.\"row\", h.id, h.debit_account_id, h.credit_account_id, h.amount, "
     "datetime(h.timestamp / 1000000000, 'unixepoch') AS since,\n"
     "CASE WHEN coalesce(nullif(h.timeout, 0), e.timeout_s) > 0 THEN datetime(h.timestamp / "
     "1000000000 + coalesce(nullif(h.timeout, 0), e.timeout_s), 'unixepoch') END AS expires\n"
     "FROM transfer h LEFT JOIN entry_hold e ON e.\"row\" = h.cause_row\n"
     "WHERE h.kind = 'hold' AND NOT EXISTS "
     "(SELECT 1 FROM transfer r WHERE r.held_row = h.\"row\")"},
    {"holds",
     "SELECT h.ledger, h.\"row\", h.id, h.debit_account_id, h.credit_account_id, h.amount, "
     "CASE r.kind WHEN 'post' THEN CASE WHEN r.amount = h.amount THEN 'posted' "
     "ELSE 'posted in part' END WHEN 'void' THEN 'voided' WHEN 'expiry' THEN 'expired' "
     "ELSE 'pending' END AS state,\n"
     "CASE r.kind WHEN 'post' THEN r.amount END AS posted, r.\"row\" AS ended_row\n"
     "FROM transfer h LEFT JOIN transfer r ON r.held_row = h.\"row\" WHERE h.kind = 'hold'"},
    {"turnover_by_day", "SELECT ledger, effective_day AS day, count(*) AS postings, "
                        "CASE max(typeof(amount) = 'text') WHEN 0 THEN sum(amount) END AS amount "
                        "FROM posting GROUP BY ledger, effective_day"},
};

static const char *const indexes =
    "CREATE INDEX IF NOT EXISTS transfer_debit ON transfer (ledger, debit_account_id, \"row\");"
    "CREATE INDEX IF NOT EXISTS transfer_credit ON transfer (ledger, credit_account_id, \"row\");"
    "CREATE INDEX IF NOT EXISTS transfer_id ON transfer (id);"
    "CREATE INDEX IF NOT EXISTS transfer_held ON transfer (held_row) WHERE held_row IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS transfer_cause ON transfer (cause_row) "
    "WHERE cause_row IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS transfer_user_data ON transfer (user_data_128) "
    "WHERE user_data_128 <> 0;"
    "CREATE INDEX IF NOT EXISTS account_id ON account (ledger, id);"
    "CREATE INDEX IF NOT EXISTS entry_id ON entry_post (entry_id);"
    "CREATE INDEX IF NOT EXISTS entry_order ON entry_post (order_id) WHERE order_id <> 0";

enum status projection_views_make(const struct projection *projection, struct failure *failure)
{
    static char sql[PROJECTION_SQL_MAX];
    for (u32 i = 0; i < ARRAY_COUNT(views); i++) {
        (void)snprintf(sql, sizeof sql, "DROP VIEW IF EXISTS %s; CREATE VIEW %s AS\n%s",
                       views[i][0], views[i][0], views[i][1]);
        enum status status = projection_run(projection, sql, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "view %s", views[i][0]);
    }
    return STATUS_OK;
}

enum status projection_index(struct projection *projection, struct failure *failure)
{
    assert(!projection->is_open);
    return projection_run(projection, indexes, failure);
}
