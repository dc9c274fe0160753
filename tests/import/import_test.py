#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/import/import_test.py TAEL: files of accounts, transfers, entries and balances into real
servers: whole and in part, beside sums made here, with servers and clients that are killed in the
middle, with others at work meanwhile, and out again into SQL. Prints its cases as cmocka does."""
import collections
import contextlib
import csv
import datetime
import fcntl
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
import termios
import threading
import time

TAEL = ""
KILLS = 6
FIRST = datetime.date(2025, 12, 31)
DAYS = 6
BOOK = "100"
OPENING = 3999


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


class Server:
    """A server on the folder's data that can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [TAEL, "serve", "--data", "data", "--compat-port", "0", "--accounts-max", "65536",
             "--holds-max", "65536", "--space-reserve", "0"], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline().startswith("ready")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.stdout.read()
        self.process.wait(timeout=60)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        assert self.process.wait(timeout=60) == 0


@contextlib.contextmanager
def server(folder):
    one = Server(folder)
    try:
        yield one
    finally:
        one.stop()


def day(number):
    return (FIRST + datetime.timedelta(days=number)).isoformat()


def books(folder):
    """An entity that opened on the first day and is DAYS further, with a book."""
    for line in ("entity open --entity-id 1 --name a --jurisdiction HK --currency HKD --day "
                 + day(0), "asset open --asset HKD --kind currency --scale 2",
                 "chart add --chart 1 --code 1000 --kind asset --name bank",
                 "book open --book 100 --chart 1 --entity-id 1 --asset HKD --name a:hkd"):
        run(*line.split(), folder=folder)
    for number in range(DAYS):
        run("day", "close", "--entity-id", "1", "--day", day(number), folder=folder)


def written(folder, name, header, rows):
    with open(os.path.join(folder, name), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return name


def accounts(folder, number, count, limited=0):
    rows = [(1 + i, BOOK, 1000, "a:%d" % i,
             "debits_must_not_exceed_credits" if i < limited else "") for i in range(count)]
    rows.append((OPENING, BOOK, 1000, "opening", ""))
    file = written(folder, "accounts.csv", ("account_id", "book", "code", "name", "flags"), rows)
    report = objects(run("import", "accounts", file, "--id", str(number), "--whole", "--commit",
                         "--json", folder=folder))[-1]
    assert report["good"] == str(count + 1) and report["status"] == "committed", report


def balance(folder, account, of_day=None):
    more = ("--day", of_day) if of_day else ()
    row, = objects(run("balance", "--book", BOOK, "--account-id", str(account), *more, "--json",
                       folder=folder))
    return int(row["debits_posted"]) - int(row["credits_posted"])


def random_transfers(chance, first, count, names):
    """Transfers, some of them wrong: with the reason that each must be refused for, or none."""
    rows = []
    for number in range(first, first + count):
        debit, credit = chance.sample(range(1, names + 1), 2)
        of_day, wrong = chance.randrange(0, DAYS + 1), None
        kind = chance.random()
        if kind < 0.02:
            debit, wrong = 888, "account_not_found"
        elif kind < 0.04:
            of_day, wrong = DAYS + 3, "day_not_yet_open"
        elif kind < 0.06:
            of_day, wrong = -1, "day_in_closed_period"
        elif kind < 0.08:
            credit, wrong = debit, "account_against_itself"
        rows.append((number, day(of_day), debit, credit, chance.randrange(1, 10**9), wrong))
    return rows


def transfers_file(folder, name, rows, as_json):
    header = ("id", "day", "debit_account_id", "credit_account_id", "amount")
    if not as_json:
        return written(folder, name, header, [row[:5] for row in rows])
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(dict(zip(header, map(str, row[:5])))) + "\n")
    return name


def sums_compare(folder, names, rows, chance):
    """Balances by day are those of the rows that were good."""
    by_day = collections.Counter()
    for _, of_day, debit, credit, amount, wrong in rows:
        if wrong is None:
            by_day[(debit, of_day)] += amount
            by_day[(credit, of_day)] -= amount
    for account in chance.sample(range(1, names + 1), 8):
        assert balance(folder, account) == sum(
            amount for (one, _), amount in by_day.items() if one == account)
        for number in range(DAYS):
            assert balance(folder, account, day(number)) == sum(
                amount for (one, of_day), amount in by_day.items()
                if one == account and of_day <= day(number)), (account, number)


def test_refused_rows_have_their_line_and_reason(folder):
    chance = random.Random(1)
    with server(folder):
        books(folder)
        accounts(folder, 1, 20)
        rows = random_transfers(chance, 1000, 3000, 20)
        for number, as_json in ((2, False), (3, True)):
            part = rows[:1500] if not as_json else rows[1500:]
            file = transfers_file(folder, "t%d" % number, part, as_json)
            said = objects(run("import", "transfers", file, "--id", str(number), "--book", BOOK,
                               "--commit", "--json", folder=folder, code=1))
            expected = [(index + (1 if as_json else 2), row[5])
                        for index, row in enumerate(part) if row[5] is not None]
            assert [(row["line"], row["rule"]) for row in said[:-1]] == expected
            assert said[-1]["good"] == str(len(part) - len(expected))
            assert said[-1]["status"] == "committed"
        sums_compare(folder, 20, rows, chance)
        # The same file again: each row that was good is there already, none is posted twice.
        again = objects(run("import", "transfers", "t2", "--id", "4", "--book", BOOK, "--commit",
                            "--json", folder=folder, code=1))
        assert again[-1]["good"] == "0" and again[-1]["postings"] == "0"
        sums_compare(folder, 20, rows, chance)
    run("verify", "data", "--replay", folder=folder)


def test_lines_that_are_none_are_told_and_keep_no_other_back(folder):
    with server(folder):
        books(folder)
        accounts(folder, 1, 5)
        text = ("\ufeffid,day,debit_account_id,credit_account_id,amount\r\n"
                "1,2026-01-01,1,2,5\r\n"
                "x,2026-01-01,1,2,5\r\n"
                "3,2026-02-30,1,2,5\r\n"
                "4,2026-01-01,1,2\r\n"
                "5,2026-01-01,1,2,5,6\r\n"
                "6,2026-01-01,1,\"2\"x,5\r\n"
                "7,2026-01-01,1,2,-5\r\n"
                "8,2026-01-01,1,2,340282366920938463463374607431768211456\r\n"
                "9,2026-01-01,1,2,\r\n"
                "\"10\",\"2026-01-01\",\"1\",\"2\",\"5\"")
        said = objects(run("import", "transfers", "-", "--id", "2", "--book", BOOK, "--commit",
                           "--json", folder=folder, text=text, code=1))
        assert [row["line"] for row in said[:-1]] == list(range(3, 11)), said
        assert all(row["rule"] == "unreadable" for row in said[:-1])
        for row, word in zip(said, ("x", "02-30", "fewer", "more", "quote", "-5", "3402", "empty")):
            assert word in row["reason"] and "line %d" % row["line"] in row["reason"], row
        assert said[-1]["good"] == "2" and balance(folder, 1) == 10
        # A quote that is not closed takes no row behind it along, near or far.
        head = "id,day,debit_account_id,credit_account_id,amount\n"
        for number, count in ((8, 3), (9, 500)):
            text_open = head + "80,\"2026-01-01,1,2,5\n" + "".join(
                "%d,2026-01-01,3,4,1\n" % (1000 * number + i) for i in range(count))
            said = objects(run("import", "transfers", "-", "--id", str(number), "--book", BOOK,
                               "--commit", "--json", folder=folder, text=text_open, code=1))
            assert [row["line"] for row in said[:-1]] == [2], said
            assert "line 2, column 4" in said[0]["reason"]
            assert said[-1]["good"] == str(count), said
        # Of a whole one nothing is carried out.
        said = objects(run("import", "transfers", "-", "--id", "3", "--book", BOOK, "--commit",
                           "--whole", "--json", folder=folder, code=1,
                           text=text.replace("\n1,", "\n71,").replace('"10"', '"72"')))
        assert said[-1]["status"] == "cancelled" and balance(folder, 1) == 10
        for text, word in (("", "names is missing"), ("id,nonsense\n1,2\n", "nonsense"),
                           ("id,day\n", "required")):
            _, error = run_both("import", "transfers", "-", "--id", "4", folder=folder, text=text,
                                code=2)
            assert word in error, error
        _, error = run_both("import", "transfers", "nowhere.csv", "--id", "4", folder=folder,
                            code=3)
        assert "nowhere.csv" in error
        _, error = run_both("import", "transfers", "-", "--id", "5", folder=folder, text=head,
                            code=1)
        assert "no row" in error
        # What was cancelled holds nobody up.
        run("import", "transfers", "-", "--id", "6", "--book", BOOK, folder=folder,
            text=head + "20,2026-01-01,1,2,1\n")
        assert objects(run("job", "show", "6", "--json", folder=folder))[0]["status"] == "staged"
        assert balance(folder, 1) == 10
        _, error = run_both("import", "transfers", "-", "--id", "7", "--book", BOOK, folder=folder,
                            text=head + "21,2026-01-01,1,2,1\n", code=1)
        assert "under way" in error
        run("job", "cancel", "6", folder=folder)
        run("import", "transfers", "-", "--id", "7", "--book", BOOK, "--commit", folder=folder,
            text=head + "21,2026-01-01,1,2,1\n")
        assert balance(folder, 1) == 11


def test_lines_with_nothing_on_them_are_no_rows(folder):
    with server(folder):
        books(folder)
        accounts(folder, 1, 5)
        text = ("\r\n{n}{n}entry_id,day,account_id,debit,credit{n}{n}1,2026-01-01,1,5,{n}{n}{n}"
                "1,2026-01-01,2,,5{n}2,2026-01-01,1,7,{n}{n}?,2026-01-01,2,,7{n}{n}"
                "3,2026-01-01,1,9,{n}3,2026-01-01,2,,9{n}{n}{n}")
        for number, end in ((2, "\n"), (3, "\r\n")):
            said = objects(run("import", "entries", "-", "--id", str(number), "--book", BOOK,
                               "--commit", "--json", folder=folder,
                               text=text.format(n=end).lstrip(), code=1))
            assert [(row["line"], row["rule"]) for row in said[:-1]] == (
                [(7, "unreadable")] if number == 2 else [(3, "exists"), (7, "unreadable")]), said
            assert "line 9, column 1" in said[-2]["reason"], said
        assert balance(folder, 1) == 5
        assert balance(folder, 2) == -5


def test_entries_have_as_many_lines_as_legs(folder):
    with server(folder):
        books(folder)
        accounts(folder, 1, 300)
        legs = [(50, "2026-01-01", 1, 3000, "")] + [
            (50, "2026-01-01", account, "", 3000 // 250) for account in range(2, 252)]
        rows = legs + [(51, "2026-01-01", 1, 5, ""), (51, "2026-01-01", 2, "", 5),
                       (52, "2026-01-01", 1, 5, ""), (52, "2026-01-02", 2, "", 5),
                       (53, "2026-01-01", 1, 5, 5), (53, "2026-01-01", 2, "", 5),
                       (54, "2026-01-01", 1, 5, ""), (54, "2026-01-01", 2, "", "?"),
                       (55, "2026-01-01", 1, 5, ""), (55, "2026-01-01", 2, "", 5),
                       (56, "2026-01-01", 1, 7, ""), (56, "2026-01-01", 2, "", 7)]
        rows += [(57, "2026-01-01", 1 + i % 2, *((1, "") if i % 2 else ("", 1)))
                 for i in range(256)]
        rows += [(58, "2026-01-01", 1, 9, ""), (58, "2026-01-01", 2, "", 9),
                 ("?", "2026-01-01", 3, 9, ""),
                 (59, "2026-01-01", 1, 9, ""), (59, "2026-01-01", 2, "", 9),
                 (61, "2026-01-01", 1, 11, ""), (61, "2026-01-01", 2, "", 11),
                 (0, "2026-01-01", 1, 9, ""), (0, "2026-01-01", 2, "", 9)]
        file = written(folder, "e.csv", ("entry_id", "day", "account_id", "debit", "credit"), rows)
        said = objects(run("import", "entries", file, "--id", "2", "--book", BOOK, "--commit",
                           "--json", folder=folder, code=1))
        # 52 has two days, 53 a debit and a credit, a line of 54 is none, 57 is too long. Between 58
        # and 59 stands a line that may be of either. An entry 0 keeps 61 before it back.
        assert [row["line"] for row in said[:-1]] == [255, 257, 259, 265, 521, 526], said
        assert said[-1]["good"] == "4", said
        assert balance(folder, 1) == 3017 and balance(folder, 251) == -12
        shown = objects(run("entry", "show", "50", "--json", folder=folder))
        assert len(shown) == 250
        entry = {"entry_id": "60", "day": "2026-01-03", "order_id": "9", "legs": [
            {"book": 100, "side": "debit", "account_id": "1", "amount": "3"},
            {"book": 100, "side": "credit", "account_id": "2", "amount": "3"}]}
        run("import", "entries", "-", "--id", "3", "--commit", folder=folder,
            text=json.dumps(entry) + "\n")
        assert balance(folder, 1) == 3020 and balance(folder, 1, "2026-01-02") == 3017


def test_balances_of_several_days_are_each_day_s(folder):
    chance = random.Random(3)
    with server(folder):
        books(folder)
        accounts(folder, 1, 60)
        rows, wanted = [], {}
        for number in range(0, DAYS, 2):
            values = [chance.randrange(-10**9, 10**9) for _ in range(59)]
            values.append(-sum(values))
            for account, value in enumerate(values, 1):
                wanted[(account, number)] = value
                rows.append((account, day(number), max(value, 0) or "", max(-value, 0) or ""))
        file = written(folder, "b.csv", ("account_id", "day", "debit", "credit"), rows)
        more = ("--book", BOOK, "--against", str(OPENING), "--commit", "--json")
        said = objects(run("import", "balances", file, "--id", "2", *more, folder=folder))
        assert said[-1]["good"] == str(len(rows)), said
        for (account, number), value in wanted.items():
            if account % 7 == 0:
                assert balance(folder, account, day(number)) == value
                assert balance(folder, account, day(number + 1)) == value
        for number in range(0, DAYS, 2):
            table = objects(run("trial-balance", "--book", BOOK, "--day", day(number), "--json",
                                folder=folder))
            shown = {int(row["account_id"]): int(row["debit"]) - int(row["credit"])
                     for row in table}
            assert shown[OPENING] == 0
            assert all(shown[account] == wanted[(account, number)] for account in range(1, 61))
        said = objects(run("import", "balances", file, "--id", "3", *more, folder=folder, code=1))
        assert all(row["rule"] == "exists" for row in said[:-1]) and len(said) == len(rows) + 1
        # A day that is refused, or is none, would leave the next day's difference alone.
        for number, line in (
                (5, "60,%s,7," % day(DAYS + 9)), (6, "60,?,7,"), (7, "999,%s,1," % day(3))):
            said = objects(run("import", "balances", "-", "--id", str(number), *more, folder=folder,
                               text="account_id,day,debit,credit\n%s\n59,%s,9,\n" % (
                                   line, day(1)), code=1))
            assert said[-1]["status"] == "cancelled" and said[0]["line"] == 2, said
            assert balance(folder, 59) == wanted[(59, DAYS - 2)]
        _, error = run_both("import", "balances", file, "--id", "4", "--book", BOOK, folder=folder,
                            code=2)
        assert "against" in error


def test_an_interrupted_client_asks_for_nothing_more(folder):
    chance = random.Random(9)
    with server(folder):
        books(folder)
        accounts(folder, 1, 20)
        file = transfers_file(folder, "t.csv", random_transfers(chance, 1000, 40000, 20), False)
        for number in range(70, 82):
            with subprocess.Popen([TAEL, "import", "transfers", file, "--id", str(number), "--book",
                                   BOOK, "--json"], cwd=folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as client:
                while not objects(run("import", "list", "--json", folder=folder))[number - 69:]:
                    pass
                time.sleep(chance.random() * 0.06)  # At any moment of it.
                client.send_signal(signal.SIGINT)
                out, error = client.communicate(timeout=300)
            import_ = objects(run("import", "list", "--json", folder=folder))[-1]
            assert import_["import_id"] == str(number)
            if client.returncode == 3:
                assert "interrupted" in error, error
                assert (import_["status"] == "cancelled") == ("nothing was" in error), error
            else:
                assert client.returncode == 1 and "interrupted" not in error, error
            if import_["status"] == "run":
                assert json.loads(out.splitlines()[-1])["job_id"] == str(number)
                run("job", "wait", str(number), folder=folder)
                run("job", "cancel", str(number), folder=folder)
            assert balance(folder, 1) == 0


def test_an_interrupted_client_says_all_that_it_has_to_say(folder):
    """Nobody reads while it writes more than the pipe holds, and the signal comes then."""
    with server(folder):
        books(folder)
        accounts(folder, 1, 5)
        text = "id,day,debit_account_id,credit_account_id,amount\n" + "".join(
            "%d,2026-01-01,1,%d,5\n" % (1 + i, 1000 + i) for i in range(200))
        with open(os.path.join(folder, "none.csv"), "w", encoding="utf-8") as file:
            file.write(text)
        with subprocess.Popen([TAEL, "import", "transfers", "none.csv", "--id", "7", "--book", BOOK,
                               "--json"], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, pipesize=4096) as client:
            while fcntl.ioctl(client.stdout, termios.FIONREAD, b"    ") != b"\0\x10\0\0":
                assert client.poll() is None, client.communicate()
            client.send_signal(signal.SIGINT)
            out, error = client.communicate(timeout=300)
        assert client.returncode in (1, 3) and "writing" not in error, (client.returncode, error)
        refused = [row["line"] for row in objects(out) if row.get("rule") == "account_not_found"]
        assert [int(line) for line in refused] == list(range(2, 202)), (refused, out)


def test_what_is_refused_goes_to_a_file_that_there_is(folder):
    with server(folder):
        books(folder)
        accounts(folder, 1, 5)
        text = "id,day,debit_account_id,credit_account_id,amount\n%s1,2026-01-01,1,2,5\n"
        more = ("import", "transfers", "-", "--book", BOOK, "--commit", "--json")
        _, error = run_both(*more, "--id", "2", "--refused", "no/where", folder=folder,
                            text=text % "", code=3)
        assert "no/where" in error
        # Nothing was opened: the id is free.
        said = objects(run(*more, "--id", "2", "--refused", "r.csv", folder=folder,
                           text=text % "x,2026-01-01,1,2,5\n", code=1))
        assert said[-1]["good"] == "1" and len(said) == 1
        with open(os.path.join(folder, "r.csv"), encoding="utf-8") as file:
            told = list(csv.DictReader(file))
        assert [(row["line"], row["rule"]) for row in told] == [("2", "unreadable")]
        # One that cannot be written to leaves the import waiting, and says so.
        out, error = run_both(*more, "--id", "3", "--refused", "/dev/full", folder=folder,
                              text=text % "", code=3)
        assert "/dev/full" in error and objects(out)[-1]["status"] == "staged", (out, error)
        run("job", "cancel", "3", folder=folder)


def test_a_server_that_is_killed_goes_on_with_it(folder):
    chance = random.Random(4)
    one = Server(folder)
    try:
        books(folder)
        accounts(folder, 1, 50)
        rows = []
        for number in range(KILLS):
            more = random_transfers(chance, 10**6 * (number + 1), 30000, 50)
            whole = number % 2 == 1
            if whole:
                more = [row for row in more if row[5] is None]
            rows += more
            file = transfers_file(folder, "t.csv", more, False)
            with subprocess.Popen(
                    [TAEL, "import", "transfers", file, "--id", str(10 + number), "--book", BOOK,
                     "--commit", "--deadline", "120", "--refused", "r.csv", "--json",
                     *(("--whole",) if whole else ())], cwd=folder, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True) as client:
                for _ in range(3):
                    time.sleep(chance.random() * 0.08)  # At any moment of it.
                    one.kill()
                    one.start()
                out, error = client.communicate(timeout=300)
                bad = sum(row[5] is not None for row in more)
                assert client.returncode == (1 if bad else 0), (client.returncode, error)
                report = json.loads(out.splitlines()[-1])
                assert report["status"] == "committed" and report["refused"] == str(bad), report
        sums_compare(folder, 50, rows, chance)
    finally:
        one.stop()
    run("verify", "data", "--replay", folder=folder)


def test_a_client_that_is_killed_leaves_nothing_that_counts(folder):
    chance = random.Random(5)
    with server(folder):
        books(folder)
        accounts(folder, 1, 20)
        rows = [row for row in random_transfers(chance, 1000, 20000, 20) if row[5] is None]
        file = transfers_file(folder, "t.csv", rows, False)
        for number in range(6):
            with subprocess.Popen([TAEL, "import", "transfers", file, "--id", str(50 + number),
                                   "--book", BOOK], cwd=folder, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as client:
                time.sleep(chance.random() * 0.1)  # At any moment of it.
                client.send_signal(signal.SIGKILL)
            assert balance(folder, 1) == 0
            # As whoever finds it would: what it left is given up.
            known = {row["import_id"]: row["status"]
                     for row in objects(run("import", "list", "--json", folder=folder))}
            status = known.get(str(50 + number))
            if status == "open":
                run("import", "cancel", str(50 + number), folder=folder)
            elif status == "run":
                run("job", "wait", str(50 + number), folder=folder)
                run("job", "cancel", str(50 + number), folder=folder)
        run("import", "transfers", file, "--id", "60", "--book", BOOK, "--commit", folder=folder)
        sums_compare(folder, 20, rows, chance)


def test_others_wait_while_one_is_carried_out_whole(folder):
    chance = random.Random(6)
    with server(folder) as one:
        books(folder)
        accounts(folder, 1, 20)
        rows = [row for row in random_transfers(chance, 1000, 60000, 20) if row[5] is None]
        file = transfers_file(folder, "t.csv", rows, False)
        run("import", "transfers", file, "--id", "2", "--book", BOOK, "--whole", folder=folder)
        stopping, done = threading.Event(), []

        def others():
            number = 0
            while not stopping.is_set():
                number += 1
                said = run("asset", "open", "--asset", "X%d" % number, "--kind", "coin", "--json",
                           "--deadline", "100", folder=folder)
                done.append(objects(said)[0]["result"])

        thread = threading.Thread(target=others)
        thread.start()
        try:
            run("job", "commit", "2", folder=folder)
            one.stop()  # What waits is let in before, or sent again behind it.
            one.start()
            run("job", "wait", "2", folder=folder)
        finally:
            stopping.set()
            thread.join()
        assert done and set(done) == {"done"}, collections.Counter(done)
        sums_compare(folder, 20, rows, chance)


def test_what_was_imported_is_in_sql_as_if_it_had_been_posted(folder):
    chance = random.Random(7)
    with server(folder):
        books(folder)
        accounts(folder, 1, 20)
        rows = random_transfers(chance, 1000, 5000, 20)
        file = transfers_file(folder, "t.csv", rows, False)
        run("import", "transfers", file, "--id", "2", "--book", BOOK, "--commit", folder=folder,
            code=1)
        run("project", "--to", "sqlite:a.db", folder=folder)
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "a.db"))) as database:
            good = {str(row[0]): row for row in rows if row[5] is None}
            posted = database.execute(
                "SELECT entry_id, effective_day, debit_account_id, credit_account_id, amount "
                "FROM posting").fetchall()
            assert len(posted) == len(good)
            for entry_id, effective_day, debit, credit, amount in posted:
                row = good[str(entry_id)]
                assert (effective_day, int(debit), int(credit), int(amount)) == row[1:5]
            count, = database.execute("SELECT count(*) FROM entry_post").fetchone()
            assert count == len(good)
        told = list(csv.DictReader(io.StringIO(
            run("export", "entries", "--format", "csv", folder=folder))))
        assert {row["entry_id"] for row in told} == set(good)


def main():
    global TAEL
    TAEL = os.path.abspath(sys.argv[1])
    cases = [(name, case) for name, case in sorted(globals().items()) if name.startswith("test_")]
    failed = 0
    print("[==========] Running %d test(s)." % len(cases))
    for name, case in cases:
        print("[ RUN      ] %s" % name, flush=True)
        try:
            with tempfile.TemporaryDirectory() as folder:
                case(folder)
            print("[       OK ] %s" % name, flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print("%s: %s" % (type(error).__name__, re.sub(r"\s+", " ", str(error))[:3000]))
            print("[  FAILED  ] %s" % name, flush=True)
    print("[==========] %d test(s) run.\n[  PASSED  ] %d test(s)." % (len(cases),
                                                                   len(cases) - failed))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
