#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/stream/stream_test.py TAEL: the verbs over the change stream, on real servers: tail,
project (against the server's own balances, and killed again and again), export, and the questions
of docs/SQL.md word for word. Prints its cases as cmocka does."""
import contextlib
import csv
import io
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

TAEL = ""
KILLS = 12
MAX = 2**128 - 1


def run_both(*arguments, code=0, folder=None, text=None):
    done = subprocess.run([TAEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=text if text is not None else "", text=True, timeout=300,
                          cwd=folder, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def run(*arguments, code=0, folder=None, text=None):
    return run_both(*arguments, code=code, folder=folder, text=text)[0]


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def server(folder):
    """A server on the folder's data, with its socket; gives the address of its compat port."""
    with subprocess.Popen([TAEL, "serve", "--data", "data", "--compat-port", "0", "--accounts-max",
                           "65536", "--holds-max", "65536", "--space-reserve", "0"], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        try:
            yield re.search(r"compat=(\S+)", line).group(1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
        assert process.wait(timeout=60) == 0, process.returncode


def sent(folder, verb, events, compat):
    """Events through the compat port; some of them are refused, which is part of the load."""
    lines = "".join(json.dumps(event) + "\n" for event in events)
    done = subprocess.run([TAEL, *verb, "--from", "-", "--connect", compat, "--json"], cwd=folder,
                          input=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr


def random_transfers(chance, first, count, accounts, base=0):
    """Transfers, holds, posts and voids, right and wrong; some amounts of more than 63 bits."""
    events = []
    for index in range(first, first + count):
        kind = chance.random()
        event = {"id": str(index)}
        if kind < 0.55:
            debit, credit = chance.sample(range(base + 1, base + accounts + 1), 2)
            wide = chance.random() < 0.1
            amount = chance.randrange(2**63, 2**100) if wide else chance.randrange(0, 100000)
            event.update(debit_account_id=str(debit), credit_account_id=str(credit),
                         amount=str(amount), ledger=700, code=1)
            if kind < 0.25:
                event.update(flags=["pending"], timeout=chance.choice([0, 0, 1, 3600]))
        else:
            event.update(pending_id=str(chance.randrange(max(1, index - 60), index + 1)))
            if kind < 0.8:
                event.update(flags=["post_pending"],
                             amount=str(chance.choice([MAX, chance.randrange(0, 1000)])))
            else:
                event.update(flags=["void_pending"])
        events.append(event)
    return events


def entries(chance, folder, first, count):
    lines = ""
    for index in range(first, first + count):
        amount = chance.randrange(1, 10**6)
        debit, credit = chance.sample(range(1, 6), 2)
        legs = [{"book": 100, "side": "debit", "account_id": str(debit), "amount": str(amount)},
                {"book": 100, "side": "credit", "account_id": str(credit), "amount": str(amount)}]
        lines += json.dumps({"entry_id": str(index), "order_id": str(chance.randrange(0, 5)),
                             "legs": legs}) + "\n"
    run("entry", "post", "--from", "-", folder=folder, text=lines)


def books(folder):
    for line in ("calendar open --calendar HK --weekend 96",
                 "entity open --entity-id 1 --name a --jurisdiction HK --currency HKD "
                 "--calendar HK --day 2026-12-24",
                 "asset open --asset HKD --kind currency --scale 2",
                 "chart add --chart 1 --code 1000 --kind asset --name bank",
                 "book open --book 100 --chart 1 --entity-id 1 --asset HKD --name a:hkd"):
        run(*line.split(), folder=folder)
    for account in range(1, 6):
        run("book", "account-open", "--book", "100", "--account-id", str(account), "--code", "1000",
            "--name", "account:%d" % account, folder=folder)


def accounts(folder, compat, count, base=0):
    sent(folder, ("account", "create"),
         [{"id": str(base + i), "ledger": 700, "code": 1} for i in range(1, count + 1)], compat)


def project(folder, file, *more, code=0):
    return run_both("project", "--to", "sqlite:" + file, *more, code=code, folder=folder)


def project_expired(folder, file, *more):
    """Projects until the file knows that each hold of a second has ended."""
    for _ in range(600):
        project(folder, file, *more)
        with contextlib.closing(sqlite3.connect(os.path.join(folder, file))) as database:
            left, = database.execute(
                "SELECT count(*) FROM holds h JOIN transfer t ON t.\"row\" = h.\"row\" "
                "WHERE h.state = 'pending' AND t.timeout = 1").fetchone()
        if left == 0:
            return
        time.sleep(0.1)
    raise AssertionError("%d holds of a second do not expire" % left)


def compare_with_server(folder, compat, file):
    """Every balance in SQL is the server's own."""
    fields = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
    database = sqlite3.connect(os.path.join(folder, file))
    told = {(row[0], str(row[1])): tuple(int(value) for value in row[2:]) for row in
            database.execute("SELECT ledger, account_id, %s FROM balances" % ", ".join(fields))}
    own = {}
    for account in objects(run("query", "accounts", "--limit", "8189", "--json", "--connect",
                               compat)):
        own[(account["ledger"], account["id"])] = tuple(int(account[field]) for field in fields)
    for account in objects(run("trial-balance", "--book", "100", "--json", folder=folder)):
        own[(100, account["account_id"])] = tuple(int(account[field]) for field in fields)
        row = database.execute("SELECT debit, credit FROM trial_balance WHERE book = 100 AND "
                               "account_id = ?", (int(account["account_id"]),)
                               if int(account["account_id"]) < 2**63
                               else (account["account_id"],)).fetchone()
        assert row == (int(account["debit"]), int(account["credit"])), (row, account)
    assert told == own and len(own) > 5, {key: (told.get(key), own.get(key))
                                          for key in set(told) | set(own)
                                          if told.get(key) != own.get(key)}
    held = sum(int(row[0]) for row in database.execute("SELECT amount FROM open_holds"))
    assert held == sum(value[0] for value in own.values()), held
    database.close()
    return own


def dump(folder, file):
    """What a file says, but for the order in which it was written."""
    database = sqlite3.connect(os.path.join(folder, file))
    names = [row[0] for row in database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    rows = {name: database.execute('SELECT * FROM "%s" ORDER BY 1, 2' % name).fetchall()
            for name in names}
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return rows


# --- tail ----------------------------------------------------------------------------------------

def test_tail_prints_each_change_once(folder):
    with server(folder) as compat:
        accounts(folder, compat, 4)
        sent(folder, ("transfer", "create"), random_transfers(random.Random(1), 1000, 400, 4),
             compat)
        books(folder)
        entries(random.Random(2), folder, 1, 30)
        all_of = objects(run("tail", "--no-follow", folder=folder))
        rows = [line["row"] for line in all_of]
        assert rows == sorted(set(rows)) and len(rows) > 100, len(rows)
        assert {"account", "transfer", "entry_post", "book_open"} <= {
            line["record"] for line in all_of}
        # What was refused is left out unless asked for, and then has its rule.
        assert all(line["result"] == "done" for line in all_of)
        refused = [line for line in objects(run("tail", "--no-follow", "--refused", folder=folder))
                   if line["result"] != "done"]
        assert any(line["result"] == "pending_transfer_not_found" for line in refused), refused[:3]
        # From any row on, the rest.
        middle = rows[len(rows) // 2]
        rest = objects(run("tail", "--no-follow", "--from", str(middle), folder=folder))
        assert rest == [line for line in all_of if line["row"] >= middle]
        some = objects(run("tail", "--record", "entry-post", "--limit", "7", folder=folder))
        assert some == [line for line in all_of if line["record"] == "entry_post"][:7]
        leg = some[0]["body"]["legs"][0]
        assert isinstance(leg["amount"], str) and leg["side"] == "debit", leg
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", all_of[0]["timestamp"]), all_of[0]
        opened = [line for line in all_of if line["record"] == "entity_open"][0]
        assert opened["body"]["day"] == "2026-12-24", opened
        # The amounts that transfers say are those that their holds give back.
        held = {line["row"]: line["body"]["amount"] for line in all_of if line["kind"] == "hold"}
        ended = [line for line in all_of if line["kind"] in ("post", "void", "expiry")]
        assert ended and all(held[line["held_row"]] == line["released"] for line in ended)
    run("tail", "--no-follow", "--deadline", "1", folder=folder, code=3)
    run("tail", "--record", "nothing", folder=folder, code=2)
    run("tail", "--follow", "--no-follow", folder=folder, code=2)


def test_tail_follows_over_restarts_and_ends_cleanly(folder):
    out = os.path.join(folder, "lines")
    with open(out, "wb") as file:
        with server(folder) as compat:
            accounts(folder, compat, 4)
            process = subprocess.Popen([TAEL, "tail"], cwd=folder, stdout=file,
                                       stderr=subprocess.PIPE, text=True)
            sent(folder, ("transfer", "create"), random_transfers(random.Random(3), 100, 200, 4),
                 compat)
        with server(folder) as compat:
            sent(folder, ("transfer", "create"), random_transfers(random.Random(4), 400, 200, 4),
                 compat)
            whole = run("tail", "--no-follow", folder=folder)
            for _ in range(300):
                if os.path.getsize(out) >= len(whole):
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0, process.stderr.read()
            process.stderr.close()
    with open(out, encoding="utf-8") as file:
        assert file.read() == whole


def test_who_reads_no_more_ends_it(folder):
    with server(folder) as compat:
        accounts(folder, compat, 100)
        with subprocess.Popen([TAEL, "tail"], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            assert json.loads(process.stdout.readline())["row"] == 0
            process.stdout.close()
            sent(folder, ("account", "create"), [{"id": "777", "ledger": 1, "code": 1}], compat)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == ""


# --- project -------------------------------------------------------------------------------------

def test_balances_in_sql_are_the_servers_own(folder):
    chance = random.Random(20261122)
    with server(folder) as compat:
        accounts(folder, compat, 40)
        books(folder)
        for part in range(4):
            sent(folder, ("transfer", "create"),
                 random_transfers(chance, 1000 + part * 3000, 3000, 40), compat)
            entries(chance, folder, 1 + part * 100, 100)
            if part == 1:
                run("day", "close", "--entity-id", "1", "--day", "2026-12-24", folder=folder)
            # Those of a second expire, in the middle of it.
            project_expired(folder, "a.db", *(("--indexes", "live") if part % 2 else ()))
        own = compare_with_server(folder, compat, "a.db")
        assert any(max(value) >= 2**63 for value in own.values())
        database = sqlite3.connect(os.path.join(folder, "a.db"))
        states = {row[0] for row in database.execute("SELECT DISTINCT state FROM holds")}
        assert states == {"pending", "posted", "posted in part", "voided", "expired"}, states
        day = objects(run("entity", "list", "--json", folder=folder))[0]["day"]
        open_day = database.execute("SELECT julianday(day) - julianday('1970-01-01') FROM "
                                    "business_day WHERE row_to IS NULL").fetchone()[0]
        assert int(open_day) == day, (open_day, day)
        # 2026-12-25 is a Friday: each entry has the day that was open when it was posted.
        days = {row[0] for row in database.execute(
            "SELECT DISTINCT effective_day FROM posting WHERE ledger = 100")}
        assert days == {"2026-12-24", "2026-12-25"}, days
        for side in ("debit", "credit"):
            wide = database.execute("SELECT count(*) FROM posting_side WHERE typeof(%s) = 'text' "
                                    "AND length(%s) <> 39" % (side, side)).fetchone()
            assert wide == (0,), wide
        # A statement ends at the balance.
        for account, balance in database.execute(
                "SELECT account_id, balance FROM statement s WHERE ledger = 100 AND \"row\" = "
                "(SELECT max(\"row\") FROM statement WHERE ledger = 100 AND account_id = "
                "s.account_id)").fetchall():
            value = own[(100, str(account))]
            assert balance == value[1] - value[3], (account, balance, value)
        database.close()


def two_companies(folder):
    """Two entities with a book each in the same asset, and one with two decimals more; the last
    day of January is behind the day that is open for either, which is another one."""
    rules = str(2**64 - 1)
    for line in ("calendar open --calendar HK --weekend 96",
                 "entity open --entity-id 1 --name a --jurisdiction HK --currency HKD "
                 "--calendar HK --day 2026-01-28",
                 "entity open --entity-id 2 --name b --jurisdiction HK --currency HKD "
                 "--calendar HK --day 2026-01-28",
                 "asset open --asset HKD --kind currency --scale 2",
                 "asset open --asset HKDX --kind coin --scale 4",
                 "chart add --chart 1 --code 1000 --kind asset --name bank",
                 "chart add --chart 1 --code 3000 --kind equity --name retained",
                 "chart add --chart 1 --code 4000 --kind income --name sales",
                 "chart add --chart 1 --code 5000 --kind expense --name rent",
                 "book open --book 100 --chart 1 --entity-id 1 --asset HKD --name a:hkd",
                 "book open --book 200 --chart 1 --entity-id 2 --asset HKD --name b:hkd",
                 "book open --book 101 --chart 1 --entity-id 1 --asset HKDX --name a:hkdx"):
        run(*line.split(), folder=folder)
    for book in ("100", "200", "101"):
        for account, code, owner in (("1", "1000", "1"), ("2", "1000", "1"), ("3", "3000", "1"),
                                     ("4", "4000", "1"), ("5", "5000", "1"), ("8", "1000", rules),
                                     ("9", "1000", rules), ("10", "1000", rules)):
            run("book", "account-open", "--book", book, "--account-id", account, "--code", code,
                "--owner", owner, "--name", "account:" + account, folder=folder)
    for line in ("due open --rule-id 1 --a-book 100 --a-account 8 --b-book 200 --b-account 8",
                 "conversion open --rule-id 2 --a-book 101 --a-pool 9 --b-book 100 --b-pool 9 "
                 "--dust-account 10",
                 "day close --entity-id 1 --day 2026-01-28",
                 "day close --entity-id 1 --day 2026-01-29",
                 "day close --entity-id 1 --day 2026-01-30",
                 "day close --entity-id 1 --day 2026-02-02",
                 "day close --entity-id 2 --day 2026-01-28",
                 "day close --entity-id 2 --day 2026-01-29",
                 "day close --entity-id 2 --day 2026-01-30"):
        run(*line.split(), folder=folder)


def test_what_was_dated_back_is_on_its_day_in_sql(folder):
    with server(folder):
        two_companies(folder)
        # By each command that posts, with a day and without one.
        for line in ("entry post --entry-id 1 --day 2026-01-28 100:debit:1:90000 "
                     "100:credit:4:90000",
                     "entry post --entry-id 2 --day 2026-01-29 100:debit:5:700 100:credit:1:700 "
                     "101:debit:1:7000000 101:credit:4:7000000",
                     "entry post --entry-id 3 100:debit:2:11 100:credit:1:11 "
                     "200:debit:2:13 200:credit:1:13",
                     "hold open --entry-id 4 --day 2026-02-02 100:debit:5:300 100:credit:1:300",
                     "hold post --entry-id 5 --hold-id 4 --day 2026-01-29 --amount 250",
                     "hold open --entry-id 6 --day 2026-01-28 200:debit:5:60 200:credit:2:60",
                     "hold post --entry-id 7 --hold-id 6",
                     "hold open --entry-id 8 --day 2026-01-28 100:debit:5:1 100:credit:2:1",
                     "hold void --entry-id 9 --hold-id 8",
                     "entry reverse --entry-id 10 --reversed-id 1 --day 2026-01-30 0:40",
                     "entry reverse --entry-id 11 --reversed-id 1 0:5",
                     "due post --entry-id 12 --rule-id 1 --from-book 100 --from-account 1 "
                     "--to-account 1 --amount 3000 --day 2026-01-30 --order-id 77",
                     "due post --entry-id 13 --rule-id 1 --from-book 200 --from-account 1 "
                     "--to-account 2 --amount 170",
                     "conversion post --entry-id 14 --rule-id 2 --from-book 101 --from-account 4 "
                     "--to-account 1 --amount 12345 --day 2026-01-29",
                     "conversion post --entry-id 15 --rule-id 2 --from-book 100 --from-account 2 "
                     "--to-account 2 --amount 9",
                     "year close --entry-id 16 --book 100 --day 2026-01-31 --retained-account 3",
                     "year close --entry-id 17 --book 101 --day 2026-01-31 --retained-account 3"):
            run(*line.split(), folder=folder)
        project(folder, "a.db")
        days = ["2026-01-%02d" % day for day in range(27, 32)]
        days += ["2026-02-%02d" % day for day in range(1, 5)]
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "a.db"))) as database:
            told, own = {}, {}
            for book in (100, 101, 200):
                for account in (1, 2, 3, 4, 5, 8, 9, 10):
                    for day in days:
                        told[(book, account, day)] = database.execute(
                            "SELECT coalesce(sum(debit - credit), 0) FROM posting_side WHERE "
                            "ledger = ? AND account_id = ? AND effective_day <= ?",
                            (book, account, day)).fetchone()[0]
                        balance, = objects(run("balance", "--book", str(book), "--account-id",
                                               str(account), "--day", day, "--json",
                                               folder=folder))
                        own[(book, account, day)] = int(balance["debit"]) - int(balance["credit"])
            assert told == own, {key: (told[key], own[key]) for key in own
                                 if told[key] != own[key]}
            # Worked out by hand: each of the commands changes some day.
            assert [own[(100, 1, day)] for day in days] == [
                0, 90000, 88927, 85887, 85887, 85887, 85887, 85871, 85871], own
            assert [own[(200, 2, day)] for day in days] == [0, 0, 0, 0, 0, 0, -47, -47, -47], own
            assert own[(100, 3, "2026-01-30")] == 0 and own[(100, 3, "2026-01-31")] == -89010, own
            named = dict(database.execute("SELECT entry_id, count(*) FROM posting GROUP BY 1"))
            assert set(named) == {1, 2, 3, 5, 7, *range(10, 18)}, named
            assert database.execute("SELECT count(*), min(entry_id) FROM posting WHERE "
                                    "order_id = 77").fetchone() == (2, 12)
            # A command that posts on a day of its own and came since would be missing here.
            view, = database.execute("SELECT sql FROM sqlite_schema WHERE name = 'posting'"
                                     ).fetchone()
            dated = {row[0] for row in database.execute(
                "SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE "
                "t.type = 'table' AND c.name IN ('entry_id', 'day') GROUP BY 1 HAVING "
                "count(*) = 2")}
            assert {"entry_post", "due_post"} <= dated, dated
            missing = {name for name in dated - {"entry_hold"}
                       if not re.search(r"JOIN %s \w ON" % name, view)}
            assert not missing, missing


def test_kills_change_nothing(folder):
    chance = random.Random(5)
    with server(folder) as compat:
        accounts(folder, compat, 40, base=5000)
        books(folder)
        run("bench", "two-phase", "--transfers", "112000", "--accounts", "100", "--batch", "8000",
            "--no-restart", "--no-probe", "--connect", compat, folder=folder)
        for part in range(KILLS):
            process = subprocess.Popen([TAEL, "project", "--to", "sqlite:k.db", "--follow"],
                                       cwd=folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            sent(folder, ("transfer", "create"),
                 random_transfers(chance, 10**9 + part * 500, 500, 40, base=5000), compat)
            time.sleep(chance.random() * 0.4)
            process.send_signal(signal.SIGKILL)
            process.wait()
        for part in range(KILLS):  # From nothing, killed early.
            process = subprocess.Popen([TAEL, "project", "--to", "sqlite:e.db"], cwd=folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.02 + part * 0.04)
            process.send_signal(signal.SIGKILL)
            process.wait()
        for file in ("k.db", "e.db", "whole.db"):
            project(folder, file)
        whole = dump(folder, "whole.db")
        assert len(whole["transfer"]) > 100000, len(whole["transfer"])
        for file in ("k.db", "e.db"):
            assert dump(folder, file) == whole, file
        compare_with_server(folder, compat, "k.db")


def test_what_is_not_its_own_is_refused(folder):
    with server(folder) as compat:
        accounts(folder, compat, 4)
        project(folder, "a.db")
        database = sqlite3.connect(os.path.join(folder, "other.db"))
        database.execute("CREATE TABLE letters (a)")
        database.commit()
        database.close()
        _, said = project(folder, "other.db", code=1)
        assert "is a database of something else" in said, said
        with open(os.path.join(folder, "text"), "w", encoding="utf-8") as file:
            file.write("not a database, whatever it is called\n" * 100)
        project(folder, "text", code=3)
        # A field that came since is a column; one that this program has not is refused.
        database = sqlite3.connect(os.path.join(folder, "a.db"))
        database.execute("ALTER TABLE asset_open DROP COLUMN scale")
        database.commit()
        project(folder, "a.db")
        assert "scale" in [row[1] for row in
                           database.execute("PRAGMA table_info(asset_open)")]
        database.execute("ALTER TABLE asset_open ADD COLUMN colour TEXT")
        database.commit()
        _, said = project(folder, "a.db", code=1)
        assert "was made by a newer program" in said, said
        database.execute("ALTER TABLE asset_open DROP COLUMN colour")
        database.commit()
        database.close()
        # A server whose log ends before the file does has an older copy.
        database = sqlite3.connect(os.path.join(folder, "a.db"))
        database.execute("UPDATE projection SET next_row = next_row + 1000")
        database.commit()
        database.close()
        _, said = project(folder, "a.db", code=3)
        assert "an older copy of the log" in said, said
    with tempfile.TemporaryDirectory() as second:
        with server(second) as _:
            path = os.path.join(folder, "a.db")
            _, said = project(second, path, code=1)
            assert "is a projection of another log" in said, said
    _, said = run_both("project", "--to", "elsewhere", folder=folder, code=2)
    assert "sqlite:FILE" in said, said


# --- export --------------------------------------------------------------------------------------

def test_export_has_all_that_tail_has(folder):
    with server(folder) as compat:
        accounts(folder, compat, 10)
        sent(folder, ("transfer", "create"), random_transfers(random.Random(6), 100, 1000, 10),
             compat)
        books(folder)
        entries(random.Random(7), folder, 1, 50)
        for what, record in (("accounts", "account"), ("transfers", "transfer"),
                             ("entity_open", "entity_open")):
            lines = run("tail", "--no-follow", "--record", record, folder=folder)
            assert run("export", what, "--format", "ndjson", folder=folder) == lines
            done = subprocess.run([TAEL, "export", what], cwd=folder, stdout=subprocess.PIPE,
                                  check=True)
            assert done.stdout.endswith(b"\r\n")
            rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
            told = objects(lines)
            assert [row["change_row"] for row in rows] == [str(line["row"]) for line in told]
            for field in ("amount", "id", "debit_account_id", "day", "name"):
                if field in rows[0]:
                    assert [row[field] for row in rows] == [line["body"][field] for line in told]
        run("export", "entries", "--out", "entries.csv", folder=folder)
        with open(os.path.join(folder, "entries.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 100 and {row["legs_side"] for row in rows} == {"debit", "credit"}
        assert sum(int(row["legs_amount"]) * (1 if row["legs_side"] == "debit" else -1)
                   for row in rows) == 0
        balance = list(csv.DictReader(io.StringIO(
            run("export", "trial_balance", "--with", "book=100", folder=folder))))
        assert [row["debit"] for row in balance] == [row["debit"] for row in objects(
            run("trial-balance", "--book", "100", "--json", folder=folder))]
        # A file has its name when it is whole, and nothing is left of one that is not.
        before = sorted(os.listdir(folder))
        run("export", "trial_balance", "--with", "book=7", "--out", "b.csv", folder=folder, code=1)
        assert sorted(os.listdir(folder)) == before, os.listdir(folder)
    run("export", "transfers", "--deadline", "1", "--out", "c.csv", folder=folder, code=3)
    assert not [name for name in os.listdir(folder) if name.startswith("c.csv")]
    for wrong in (("nothing",), ("transfers", "--format", "xml"), ("trial_balance",),
                  ("trial_balance", "--with", "colour=1"), ("accounts", "--with", "id=1"), ()):
        run("export", *wrong, folder=folder, code=2)


# --- docs/SQL.md ---------------------------------------------------------------------------------

def shown(cursor):
    lines = ["|".join(column[0] for column in cursor.description)]
    for row in cursor:
        lines.append("|".join("" if value is None else str(value) for value in row))
    return "\n".join(lines) + "\n"


def test_the_questions_of_the_documentation(folder):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/SQL.md"), encoding="utf-8") as file:
        page = file.read()
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("    tael ")]
    questions = re.findall(r"```sql\n(.*?)```\n```\n(.*?)```", page, re.S)
    assert len(commands) > 30 and len(questions) >= 10, (len(commands), len(questions))
    with server(folder) as compat:
        for command in [*commands[1:], commands[0]]:  # First the company, then the file.
            run(*[compat if word == "COMPAT" else word for word in command], folder=folder)
        database = sqlite3.connect(os.path.join(folder, "books.db"))
        for question, answer in questions:
            assert shown(database.execute(question)) == answer, (
                question, shown(database.execute(question)))
        views = {row[0] for row in
                 database.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")}
        named = set(re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", page, re.M))
        named = {name for pair in named for name in pair if name}
        assert views - {"posting_part", "posting_sum"} <= named, views - named
        database.close()


def test_holds_of_books_expire_in_sql_when_they_do(folder):
    with server(folder):
        books(folder)
        for number, seconds in ((7, "86400"), (8, "0"), (9, "90")):
            run("hold", "open", "--entry-id", str(number), "--timeout-s", seconds,
                "100:debit:1:5", "100:credit:2:3", "100:credit:3:2", folder=folder)
        project(folder, "a.db")
        known = {int(row["hold_id"]): row["expires_at"]
                 for row in objects(run("hold", "list", "--json", folder=folder))}
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "a.db"))) as database:
            rows = database.execute(
                "SELECT e.entry_id, o.expires FROM open_holds o JOIN transfer t "
                "ON t.\"row\" = o.\"row\" JOIN entry_hold e ON e.\"row\" = t.cause_row").fetchall()
        assert len(rows) == 6, rows
        for hold, expires in rows:
            wanted = int(known[int(hold)])
            assert expires == (None if wanted == 0 else time.strftime(
                "%Y-%m-%d %H:%M:%S", time.gmtime(wanted // 10**9))), (hold, expires, wanted)


def main():
    global TAEL
    TAEL = os.path.abspath(sys.argv[1])
    chosen = sys.argv[2:]
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_") or (chosen and name not in chosen):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                print("[       OK ]", name, flush=True)
            except (AssertionError, subprocess.SubprocessError, ValueError, KeyError,
                    sqlite3.Error) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
