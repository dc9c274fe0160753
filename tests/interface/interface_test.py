#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/interface/interface_test.py TAEL: what scripts rely on. Verbs, flags, --json everywhere,
the line that says ready, exit codes (0 done, 1 refused, 2 usage, 3 environment), keys of bench.
Prints its cases as cmocka does."""
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

VERBS = ("serve", "account", "transfer", "query", "verify", "dump", "override", "backup", "restore",
         "bench", "completion", "version",
         "entity", "calendar", "day", "period", "asset", "chart", "book",
         "trial-balance", "balance", "statement", "turnover", "reference-turnover", "entry",
         "cell", "constraint", "breach", "name", "hold", "tail", "project", "export",
         "due", "conversion", "year", "rule", "key", "token", "principal", "effect", "job",
         "import", "tree", "head", "prove", "edge")
WORKLOADS = ("ordered", "million-accounts", "ten-million-accounts", "random-ids", "two-phase",
             "single-1", "single-16", "hundred-8", "query", "mixed")
BENCH_KEYS = ("workload", "transfers", "accounts", "clients", "batch", "transfers_per_s",
              "batch_ms", "checkpoints", "drain_s", "rss_bytes", "disk_bytes", "restart_s",
              "probe_ratio")
TAEL = ""


def run_both(*arguments, code=0, folder=None):
    """Runs the program; returns what it printed on both outputs, after comparing the exit code."""
    done = subprocess.run([TAEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=300, cwd=folder, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def run(*arguments, code=0, folder=None):
    return run_both(*arguments, code=code, folder=folder)[0]


def shown(columns, *arguments):
    """The lines that the program prints on a terminal with so many columns."""
    home, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    text = b""
    with subprocess.Popen([TAEL, *arguments], stdin=subprocess.DEVNULL, stdout=terminal) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # The end of a terminal nobody has open.
            while True:
                text += os.read(home, 4096)
        assert process.wait(timeout=60) == 0, arguments
    os.close(home)
    return text.decode().splitlines()


def refused(text, *arguments, code=2):
    """The program ends with the code and says the text on standard error, and nothing else."""
    printed, said = run_both(*arguments, code=code)
    assert text in said and printed == "", (arguments, text, said, printed)


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def server(folder, *more, most="4096"):
    """A server on a fresh folder; gives its address, and checks the clean stop."""
    data = os.path.join(folder, "data")
    port = () if "--compat-port" in more else ("--compat-port", "0")
    with subprocess.Popen([TAEL, "serve", "--data", data, *port, "--accounts-max", most,
                           "--holds-max", most, "--space-reserve", "0", *more],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        try:
            yield line, data
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
        assert process.wait(timeout=60) == 0 and rest == "", (process.returncode, rest)


def test_every_verb_has_help_that_names_its_flags(_folder):
    flags = objects(run("completion", "--json"))
    assert {row["verb"] for row in flags} == set(VERBS) | {"help"}
    for row in flags:
        if row["verb"] == "help":
            continue
        action = [row["action"]] if row["action"] else []
        text = run(row["verb"], *action, "--help")
        for flag in row["flags"]:
            known = flag in text or flag == "--help"
            assert known, (row["verb"], row["action"], flag)
        said = set(re.findall(r"--[a-z][a-z0-9-]*", text))
        # Examples in an action's help may show flags of other verbs.
        extra = said - set(row["flags"]) - {"--help"}
        assert not extra, (row["verb"], row["action"], extra)
        assert "--json" in row["flags"], row
        assert run("help", row["verb"], *action) == text
    help_text = run("help")
    for verb in VERBS:
        assert "tael %s " % verb in help_text, verb
        for text in (help_text, run("help", verb)):
            assert max(map(len, text.splitlines())) <= 80, text
    # What verbs do stands in one column.
    assert {re.match(r"  tael \S+ +", line).end() for line in help_text.splitlines()
            if line.startswith("  tael ")} == {27}, help_text
    assert json.loads(run("help", "--json"))["help"] == help_text
    assert run("version") == "tael %s\n" % json.loads(run("version", "--json"))["version"]
    assert "complete -F _tael tael" in run("completion")
    assert run("completion", "bash") == run("completion")
    refused("only for bash", "completion", "zsh")


def completed(*words, folder=None):
    """What bash offers for the last word, the others being typed already."""
    script = run("completion") + """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tael; printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script, "bash", "tael", *words], stdout=subprocess.PIPE,
                          text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines())


def typed(folder, line):
    """The words that tael is called with when a line is typed into a bash in a folder."""
    home, terminal = pty.openpty()
    with tempfile.TemporaryDirectory() as other:
        script, words = os.path.join(other, "script"), os.path.join(other, "words")
        with open(script, "w", encoding="utf-8") as file:
            file.write(run("completion") + "tael() { printf '%%s\\n' \"$@\" >'%s'; }\n" % words)
        environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "INPUTRC": "/dev/null",
                       "HISTFILE": "/dev/null"}
        with subprocess.Popen(["bash", "--noprofile", "--rcfile", script, "-i"], stdin=terminal,
                              stdout=terminal, stderr=terminal, cwd=folder, env=environment,
                              start_new_session=True) as process:
            os.close(terminal)
            os.write(home, line.encode() + b"\nexit\n")
            with contextlib.suppress(OSError):  # The end of a terminal nobody has open.
                while os.read(home, 4096):
                    pass
            process.wait(timeout=60)
        os.close(home)
        with open(words, encoding="utf-8") as file:
            return file.read().splitlines()


def test_completion_offers(_folder):
    assert {"serve", "transfer"} <= completed("")
    assert completed("acc") == {"account"}
    assert completed("account", "") == {"create", "show"}
    assert "--flags" in completed("account", "create", "--f")
    assert "--debits-pending" not in completed("account", "create", "--")
    assert {"linked", "history"} <= completed("account", "create", "--flags", "")
    assert completed("account", "create", "--flags", "linked,hi") == {"linked,history"}
    assert {"linked,history,closed", "linked,history,imported"} <= \
        completed("account", "create", "--flags", "linked,history,")
    assert completed("query", "transfers", "--flags", "") == {"reversed"}
    assert {"serve", "transfer"} <= completed("help", "")
    assert completed("help", "account", "") == {"create", "show"}
    assert completed("bench", "single-") == {"single-1", "single-16"}


def test_completion_offers_paths_as_they_are(folder):
    names = ("plain", "a blank", "$(touch made)", "`touch made`", "x;touch made", "verify it")
    for name in names:
        os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, "a file"), "w", encoding="ascii"):
        pass
    assert completed("verify", "", folder=folder) == set(names) | \
        {"--replay", "--scratch", "--json", "--csv", "--help"}
    assert completed("verify", "a", folder=folder) == {"a blank"}
    assert completed("verify", folder=folder) == {"verify"}
    assert completed("verify", "x", "--scratch", "", folder=folder) == set(names)
    assert completed("serve", "--data", "", folder=folder) == set(names)
    assert completed("account", "create", "--from", "a ", folder=folder) == {"a blank", "a file"}
    assert "a file" not in completed("dump", "x", "--from", "", folder=folder)
    for text, name in (("a", "a blank/"), ("'a b", "a blank/"), ("\\$", "$(touch made)/"),
                       ("\\`", "`touch made`/"), ("x", "x;touch made/"), ("pl", "plain/")):
        assert typed(folder, "tael verify %s\t" % text) == ["verify", name], (text, name)
    assert typed(folder, "tael account create --from a\\ f\t")[-1] == "a file"
    assert typed(folder, "tael account create --flags linked,hi\t")[-1] == "linked,history"
    assert sorted(os.listdir(folder)) == sorted((*names, "a file")), "none of them was run"


def test_usage_is_told(_folder):
    run(code=2)
    run("nonsense", code=2)
    for verb in VERBS:
        run(verb, "--nonsense", code=2)
    for verb in ("serve", "account", "transfer", "query", "verify", "dump", "override", "bench"):
        run(verb, code=2)
    refused("did you mean verify?", "verfy")
    refused("no action \"shw\"", "account", "shw")
    refused("there is no verb \"shw it\"", "help", "shw", "it")
    refused("there is no verb \"a?b\"", "help", "a\x1bb")
    refused("--foo is no flag of tael transfer create", "transfer", "create", "--foo", "1")
    refused("did you mean --amount?", "transfer", "create", "--amout", "1")
    refused("--id, --ledger, --code are missing", "account", "create")
    refused("--id: \"x\" is not a decimal number", "account", "create", "--id", "x")
    reverse = ("entry", "reverse", "--entry-id", "1", "--reversed-id", "1")
    refused("POSTING:AMOUNT: amount is missing", *reverse, "0")
    refused("CELL:COEFFICIENT: coefficient is missing", "constraint", "open", "--constraint", "1",
            "--name", "a", "1")
    refused(":AMOUNT: account_id is missing", "entry", "post", "--entry-id", "1", "1:debit")
    refused("ID: \"x\" is not a decimal number", "account", "show", "x")
    refused("ID is missing", "account", "show")
    refused("--limit: \"0\" is less than 1", "query", "accounts", "--limit", "0")
    refused("at character 5 a dash is expected", "query", "changes", "--timestamp-min", "2026/1/2")
    refused("--json and --csv exclude each other", "query", "changes", "--json", "--csv")
    refused("--from and flags of one account", "account", "create", "--id", "1", "--from", "x")
    refused("--scratch needs a value", "verify", "x", "--scratch")
    refused("DIR is missing", "verify")
    refused("one word too many", "verify", "x", "y")
    refused("--events and --csv", "dump", "x", "--events", "--csv")
    refused("--position is missing", "override", "x")
    refused("--position: \"x\"", "override", "x", "--position", "x")
    refused("--position: \"1\" is less than 2", "override", "x", "--position", "1")
    refused("did you mean ordered?", "bench", "orderd")
    refused("--clients: \"0\" is less than 1", "bench", "ordered", "--clients", "0")
    refused("--cluster: \"-1\" is negative", "serve", "--data", "x", "--cluster", "-1")
    refused("--data needs a value", "serve", "--data")
    refused("there is no verb \"query x\"", "help", "query", "x")
    refused("--deadline is given twice", "query", "accounts", "--deadline", "1", "--deadline", "2")
    refused("--json is given twice", "query", "accounts", "--json", "--json")
    transfer = ("transfer", "create", "--id", "1", "--debit-account-id", "1",
                "--credit-account-id", "2", "--ledger", "1", "--code", "1")
    refused("--amount is missing", *transfer)
    refused("--amount is missing", *transfer, "--pending-id", "9", "--flags", "post_pending")
    refused("not a whole number of minor units", *transfer, "--amount", "1.50")
    refused("its flags are linked, debits_must_not", "account", "create", "--flags", "foo")
    refused("--debits-pending is no flag", "account", "create", "--debits-pending", "1")
    refused("--timestamp-min is later than --timestamp-max", "query", "changes",
            "--timestamp-min", "2026-11-23", "--timestamp-max", "2026-11-22")
    for workload in WORKLOADS:
        refused("\n  %s " % workload, "bench")


def test_a_file_is_checked_before_anything_is_sent(folder):
    path = os.path.join(folder, "file")
    for text, said in (("", "it holds no transfer"), ("id,amount\n", "it holds no transfer"),
                       ("[]", "line 1: an array of JSON"), ("id,flags\n1,\n", "line 2: amount: "),
                       ("id,amount\n1,1.5\n", "line 2, column 3: amount: \"1.5\" is not a whole"),
                       ('{"id":1}\n', "line 1, column 8 (byte 7): amount: ")):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        refused(path + ": " + said, "transfer", "create", "--connect", "1", "--from", path)
    with open(path, "w", encoding="ascii") as file:
        file.write("id,amount,flags\n7,1,\n" + "8,1,linked\n" * 8190)
    refused(path + ": line 3: the chain", "transfer", "create", "--connect", "1", "--from", path)


def test_an_address_that_is_none_makes_no_folder(folder):
    data = os.path.join(folder, "data")
    for address in ("0.0.0.0:3000", "example.org:3000", "65536", "x", "unix:", "127.0.0.1:1:2"):
        refused("--compat-port: ", "serve", "--data", data, "--compat-port", address)
    assert not os.listdir(folder)


def test_output_that_cannot_be_written_is_told(_folder):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([TAEL, "help"], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 3 and "writing the output" in done.stderr, done


def test_a_closed_standard_file_is_no_other_file(folder):
    """What is closed at the start gives its number to no log and no connection: nothing that is
    printed goes there, nothing is read from there, and it is told."""
    def shell(line):
        return subprocess.run(["sh", "-c", line, TAEL], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              timeout=60, check=False)

    with server(folder, most="64") as (line, _):
        compat = re.search(r"compat=(\S+)", line).group(1)
        run("account", "create", "--id", "1", "--ledger", "1", "--code", "1", "--connect", compat)
        for verb in ("account show 1 --connect " + compat, "query accounts --connect " + compat,
                     "effect status --json", "effect status", "version", "tail",
                     "export accounts", "calendar open --calendar HK"):
            for redirection in (">&-", "<&- >&-"):
                done = shell('"$0" %s %s' % (verb, redirection))
                told = "writing the output" in done.stderr
                if verb != "tail":  # Whoever reads a stream no more ends it.
                    assert done.returncode == 3 and told, (verb, done)
        for verb in ("entry post --from -", "account create --from - --connect " + compat):
            done = shell('"$0" %s <&-' % verb)
            told = "reading standard input: Bad" in done.stderr
            assert done.returncode == 3 and told, (verb, done)
        assert shell('"$0" principal list --csv 2>&-').stdout.startswith("principal_id,")
        assert shell('"$0" entity lst 2>&-').returncode == 2
    for number in ("0", "1", "2"):
        # Of a server too, whose first files are those of its folder.
        with subprocess.Popen(["sh", "-c", 'exec "$0" serve --data closed --compat-port 0 '
                               "--space-reserve 0 --accounts-max 64 --holds-max 64 %s>&-" % number,
                               TAEL], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            address = "unix:" + os.path.join(folder, "closed", "socket")
            for _ in range(600):
                asked = shell('"$0" principal list --connect %s' % address)
                if asked.returncode == 0 or process.poll() is not None:
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        assert process.returncode == (3 if number == "1" else 0), (number, process.returncode)
        assert run("verify", os.path.join(folder, "closed"), "--replay").startswith("ok: ")


def test_a_limit_on_the_size_of_files_is_told(folder):
    """What would be larger than `ulimit -f` lets a file be ends in words, and leaves the folder as
    sound as it was."""
    with server(folder, most="64") as (_, _):
        run("asset", "open", "--asset", "HKD", "--kind", "currency", "--scale", "2", folder=folder)
    for verb in ("restore data new", "verify data --replay", "serve --data data --compat-port 0",
                 "serve --data fresh --compat-port 0 --space-reserve 0"):
        done = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$0" ' + verb, TAEL], cwd=folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == 3 and "File too large" in done.stderr, (verb, done)
    assert run("verify", "data", "--replay", folder=folder).startswith("ok: ")
    assert not [name for name in os.listdir(folder) if "replay" in name], os.listdir(folder)


def test_the_environment_is_told(folder):
    missing = os.path.join(folder, "missing")
    run("verify", missing, code=3)
    assert "error" in json.loads(run("verify", missing, "--json", code=3))
    run("dump", missing, code=3)
    run("override", missing, "--position", "2", code=3)
    refused("show: connecting: Connection refused; no answer from 127.0.0.1:1", "account", "show",
            "1", "--connect", "127.0.0.1:1", "--deadline", "1", code=3)
    said = run_both("account", "show", "1", "--connect", "127.0.0.1:1", "--deadline", "3",
                    code=3)[1]
    assert said.count("waiting for 127.0.0.1:1, for 3 s at most; connecting: ") == 1, said
    # What is told is text, whatever was typed.
    for word, shown_as in ((b"a\xff\n\x1b[2J", "a"), (b"x", "x"), (b"1:\xc3\xa9", "")):
        for verb in ("query accounts", "entity list", "tail", "job wait 1",
                     "project --to sqlite:x"):
            done = subprocess.run([TAEL.encode(), *verb.encode().split(), b"--connect", word],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            said = done.stderr.decode("ascii")
            assert done.returncode == 2 and "--connect: \"" + shown_as in said, (verb, done)
            assert "\n" not in said.rstrip("\n") and "\x1b" not in said, said
        done = subprocess.run([TAEL.encode(), b"account", b"create", b"--from", word + b"/"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        said = done.stderr.decode("utf-8")
        assert done.returncode == 3 and "opening \"" in said and "\x1b" not in said, done
    refused("opening \"", "account", "create", "--from", missing, code=3)
    run("serve", "--data", os.path.join(folder, "no", "parent"), code=3)
    run("bench", "ordered", "--connect", "127.0.0.1:1", "--transfers", "1", "--no-probe", code=3)


def test_a_server_is_served_and_stopped(folder):
    with server(folder) as (line, data):
        ready = re.fullmatch(r"ready compat=(127\.0\.0\.1:[0-9]+) port=(.*) data=(.*)\n", line)
        assert ready and ready.group(3) == data, line
        assert ready.group(2) == "unix:%s/socket" % data, line
        to = ("--connect", ready.group(1))
        run("serve", "--data", data, "--compat-port", "0", code=3)  # One at a time.
        run("verify", data, code=3)
        account = ("account", "create", "--ledger", "1", "--code", "2", *to)
        row = json.loads(run(*account, "--id", "1", "--json"))
        assert (row["id"], row["result"]) == ("1", "created"), row
        assert "exists" in run(*account, "--id", "1")
        run(*account, "--id", "2", "--csv")
        refused = json.loads(run("account", "create", "--id", "3", "--ledger", "0", "--code", "1",
                                 *to, "--json", code=1))
        assert refused["result"] == "ledger_must_not_be_zero", refused
        transfer = ("transfer", "create", "--ledger", "1", "--code", "1", "--amount", "5", *to)
        run(*transfer, "--id", "1", "--debit-account-id", "1", "--credit-account-id", "2")
        run(*transfer, "--id", "2", "--debit-account-id", "1", "--credit-account-id", "9", code=1)
        for name, text in (("a.csv", "id,ledger,code\n11,1,2\n12,1,2\n"),
                           ("a.json", '\ufeff{"id":"13","ledger":1,"code":2}\n')):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            said = run_both("account", "create", *to, "--from", path)[1]
            assert re.search(": 0 refused; [12] created\n$", said), said
            os.remove(path)
        assert len(objects(run("account", "show", "11", "12", "13", *to, "--json"))) == 3
        shown = objects(run("account", "show", "1", "2", *to, "--json"))
        assert [row["debits_posted"] for row in shown] == ["5", "0"], shown
        run("account", "show", "1", "9", *to, code=1)
        csv = run("account", "show", "1", "2", *to, "--csv").splitlines()
        assert len(csv) == 3 and csv[0].split(",")[:2] == ["id", "debits_pending"], csv
        assert csv[0].split(",") == list(shown[0]), "JSON and CSV have the same fields"
        assert len(objects(run("query", "changes", "--limit", "9", *to, "--json"))) == 1
        assert len(objects(run("query", "account-transfers", "--account-id", "1", "--limit", "9",
                               "--flags", "debits", *to, "--json"))) == 1
    assert run("verify", data).startswith("ok: ")
    summary = json.loads(run("verify", data, "--json", "--replay", "--scratch", folder))
    assert summary["ok"] and summary["replayed_frames"] == summary["frames"], summary
    assert sorted(os.listdir(folder)) == ["data"], "the scratch folder is gone"
    assert objects(run("dump", data, "--json"))[0]["frame"] == 0
    assert objects(run("dump", data, "--json", "--history"))[0]["kind"] == "account"
    assert "outcome is known" in subprocess.run(
        [TAEL, "override", data, "--position", "3"], stderr=subprocess.PIPE, text=True,
        check=False).stderr
    run("override", data, "--position", "3", code=1)
    run("override", data, "--position", "999", "--json", code=1)


def test_forms_of_output(folder):
    with server(folder) as (line, data):
        to = ("--connect", re.search(r"compat=(\S+)", line).group(1))
        for number in ("1", "2"):
            run("account", "create", "--id", number, "--ledger", "1", "--code", "2", *to)
        transfer = ("transfer", "create", "--ledger", "1", "--code", "1", *to)
        sides = ("--debit-account-id", "1", "--credit-account-id", "2")
        run(*transfer, *sides, "--id", "1", "--amount", "5", "--flags", "pending")
        run("transfer", "create", "--id", "2", "--pending-id", "1", "--amount", "max", "--flags",
            "post_pending", *to)
        # Without --limit a hundred, and how to see more.
        for number in range(3, 104):
            run(*transfer, *sides, "--id", str(number), "--amount", "1")
        rows, said = run_both("query", "transfers", "--json", *to)
        assert len(objects(rows)) == 100, rows
        more = re.search("100 is the most that --limit asks for; --timestamp-min ([0-9]+) goes on, "
                         "--limit N asks for more\n$", said).group(1)
        rows, said = run_both("query", "transfers", "--json", "--timestamp-min", more, *to)
        assert [row["id"] for row in objects(rows)] == ["101", "102", "103"] and said == "", said
        said = run_both("query", "transfers", "--flags", "reversed", "--limit", "1", "--json",
                        *to)[1]
        assert "--timestamp-max " in said, said
        run("query", "transfers", "--deadline", "0", code=2)
        # A date as the end is all of its day.
        today = objects(run("account", "show", "1", "--json", *to))[0]["timestamp"]
        today = time.strftime("%Y-%m-%d", time.gmtime(int(today) // 10 ** 9))
        assert len(objects(run("query", "accounts", "--json", "--timestamp-min", today,
                               "--timestamp-max", today, *to))) == 2
        # Why there is nothing.
        said = run_both("query", "account-transfers", "--account-id", "77", "--json", *to)[1]
        assert said.endswith("no account has the id 77\n"), said
        said = run_both("query", "account-balances", "--account-id", "1", "--json", *to)[1]
        assert "created without the flag history" in said, said
        changes = objects(run("query", "changes", "--limit", "3", "--json", *to))
        assert [row["type"] for row in changes] == ["pending", "posted", "single_phase"], changes
        assert changes[1]["transfer_amount"] == "5", changes
        table, said = run_both("query", "changes", "--limit", "3", *to)
        lines = table.splitlines()
        assert max(map(len, lines)) <= 120 and len(lines) == 4, table
        assert lines[0].split()[:3] == ["timestamp", "type", "transfer"], table
        assert "3 records" in said, said
        # What would be wider is printed as cards.
        for number in (2 ** 120, 2 ** 120 + 1):
            run("account", "create", "--id", str(number), "--ledger", "1", "--code", "2", *to)
        run(*transfer, "--debit-account-id", str(2 ** 120), "--credit-account-id",
            str(2 ** 120 + 1), "--id", str(2 ** 120), "--amount", "7")
        cards = run("query", "transfers", "--flags", "reversed", "--limit", "2", *to).split("\n\n")
        assert len(cards) == 2 and re.search("^id +%d$" % 2 ** 120, cards[0], re.M), cards
        assert max(len(row) for card in cards for row in card.splitlines()) <= 120, cards
        # Numbers are right-aligned below their heading.
        amount = lines[0].index("amount") + len("amount")
        assert [row[:amount].split()[-1] for row in lines[1:]] == ["5", "5", "1"], table
    objects(run("dump", data, "--json", "--events"))
    rows = run("dump", data, "--json", "--events", "--limit", "100").splitlines()
    assert all(row.startswith("{") for row in rows), rows
    rows = [json.loads(row) for row in rows]
    events = [row for row in rows if "event" in row]
    commands = {row["position"]: row for row in rows if "record" in row}
    assert events and all(row["index"] < commands[row["position"]]["events"] for row in events)
    assert events[0]["event"]["id"] == "1", events[0]
    frames = {row["frame"] for row in rows if "record" not in row and "event" not in row}
    assert frames == set(range(100)), frames
    assert {row["frame"] for row in commands.values()} <= frames
    csv = run("dump", data, "--csv", "--limit", "9").splitlines()
    assert csv[0].startswith("position,frame,record,"), csv
    csv = run("dump", data, "--csv", "--history").splitlines()
    assert csv[0].startswith("row,kind,result,id,amount,"), csv
    assert sum(",created," in row for row in csv) == 2 + 103 + 3, csv
    table = run("dump", data, "--limit", "5").splitlines()
    assert table[0].split()[:3] == ["frame", "position", "timestamp"], table
    assert len(table[0]) <= 80, table
    # A narrow terminal has the commands without ids, and history as cards.
    narrow, wide = shown(80, "dump", data), shown(200, "dump", data)
    assert narrow[1].split() == ["position", "record", "operation", "events", "bytes", "session",
                                 "request"] and max(map(len, narrow)) <= 80, narrow
    assert [row for row in wide[1].split() if row != "id"] == narrow[1].split(), wide
    assert "id" in wide[1].split() and len(wide) == len(narrow), wide
    narrow, wide = (shown(columns, "dump", data, "--history") for columns in (80, 200))
    assert re.search("^kind +account$", "\n".join(narrow), re.M), narrow
    assert max(map(len, narrow)) <= 80, narrow
    assert wide[0].split()[:3] == ["row", "kind", "result"], wide
    csv = run("verify", data, "--csv").splitlines()
    assert csv[0].startswith("ok,") and csv[1].startswith("true,"), csv
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    refused("holds no log", "override", empty, "--position", "2", code=3)
    assert os.listdir(empty) == [], "a folder that is none of ours stays as it was"


def test_a_start_that_does_not_fit_is_refused(folder):
    with server(folder, "--cluster", "7") as (line, data):
        address = re.search(r"compat=127\.0\.0\.1:([0-9]+)", line).group(1)
        other = os.path.join(folder, "other")
        run("serve", "--data", other, "--compat-port", address, code=3)
        assert not os.path.exists(other), "the port is in use: no folder is made"
        # Told long before the deadline.
        refused("closes them at once", "query", "accounts", "--connect", address, code=3)
        refused("not made with --cluster 8", "bench", "ordered", "--connect", address, "--cluster",
                "8", "--no-probe", code=3)
    for flag in ("--cluster", "--accounts-max", "--holds-max"):
        run("serve", "--data", data, "--compat-port", "0", flag, "5", code=2)
    run("serve", "--data", folder, "--compat-port", "0", code=2)  # It holds another folder.
    assert sorted(os.listdir(folder)) == ["data"]


def test_a_unix_socket_is_for_all_verbs(folder):
    path = os.path.join(folder, "socket")
    with server(folder, "--compat-port", "unix:" + path) as (line, _):
        assert "compat=unix:%s " % path in line, line
        to = ("--connect", "unix:" + path)
        run("account", "create", "--id", "999", "--ledger", "1", "--code", "1", *to)
        assert len(objects(run("account", "show", "999", *to, "--json"))) == 1
        run("bench", "ordered", "--transfers", "3000", "--accounts", "10", "--no-probe", *to)
        # One answer holds so many changes; what was left out is told.
        changes, said = run_both("query", "changes", "--limit", "3000", "--json", *to)
        last = objects(changes)[-1]
        assert len(changes.splitlines()) == 2730 and "2730 is the most" in said, said
        more = re.search(r"--timestamp-min ([0-9]+)", said).group(1)
        assert int(more) == int(last["timestamp"]) + 1, said
        rest, said = run_both("query", "changes", "--limit", "3000", "--json", "--timestamp-min",
                              more, *to)
        assert len(rest.splitlines()) == 270 and said == "", said
    assert not os.path.exists(path)


def effects_of(folder, data):
    """Serves the folder as it is; gives what is said of its effects."""
    with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", "--space-reserve",
                           "0", "--port", "unix:" + os.path.join(folder, "port")],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline().startswith("ready ")
        to = ("--connect", "unix:" + os.path.join(folder, "port"))
        status, = objects(run("effect", "status", "--json", *to))
        if status["copied"]:
            assert not status["armed"] and status["reason"] == 1, status
            run("effect", "arm", "--reason", "7", *to)
            armed, = objects(run("effect", "status", "--json", *to))
            assert armed["armed"] and not armed["copied"] and armed["reason"] == 7, armed
            assert armed["log_id"] == status["log_id"], armed
        run("effect", "arm", "--reason", "7", *to, code=1)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    return status


def test_a_copy_is_found_out(folder):
    with server(folder) as (_, data):
        pass
    first = effects_of(folder, data)
    assert first["armed"] and not first["copied"] and first["epoch"] == "1", first
    back = os.path.join(folder, "back")
    shutil.copytree(data, back)
    # What is only moved is no copy.
    moved = os.path.join(folder, "moved")
    os.rename(data, moved)
    assert effects_of(folder, moved) == first
    # A copy, and what was put back in its place.
    copied = effects_of(folder, back)
    assert copied["copied"] and copied["epoch"] == "2", copied
    assert copied["log_id"] != first["log_id"], copied
    again = effects_of(folder, back)
    assert again["armed"] and again["log_id"] == copied["log_id"], again
    # An older log in place of the newer one: the files are the same, the log is shorter.
    old = os.path.join(folder, "old")
    shutil.copytree(moved, old)
    with subprocess.Popen([TAEL, "serve", "--data", moved, "--compat-port", "0", "--space-reserve",
                           "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        process.stdout.readline()
        run("effect", "disarm", "--reason", "7", "--connect", "unix:" + moved + "/socket")
        process.send_signal(signal.SIGTERM)
    for name in os.listdir(moved):
        if name != "owner":
            os.unlink(os.path.join(moved, name))
    for name in os.listdir(old):
        if name != "owner":
            shutil.copy(os.path.join(old, name), moved)
    assert effects_of(folder, moved)["copied"]
    # Without the file that says whose it is, and with a damaged one.
    os.unlink(os.path.join(moved, "owner"))
    assert effects_of(folder, moved)["copied"]
    with open(os.path.join(moved, "owner"), "r+b") as file:
        file.seek(60)
        file.write(b"\1\2\3")
    assert effects_of(folder, moved)["copied"]
    run("verify", moved)
    run("verify", "--replay", moved)


def test_restore_makes_a_copy_that_is_disarmed(folder):
    new = os.path.join(folder, "new")
    with server(folder) as (_, data):
        to = ("--connect", "unix:" + data + "/socket")
        run("entity", "open", "--entity-id", "1", "--name", "x", "--jurisdiction", "HK",
            "--currency", "HKD", "--day", "2026-01-05", *to)
        said = run_both("restore", data, new, code=3)[1]  # While it is served.
        assert "is open in another process" in said, said
    assert not os.path.exists(new)
    report, = objects(run("restore", data, new, "--json"))
    # How many there are depends on how long it ran: the seconds have a frame, too.
    assert int(report["frames"]) == report["sequence"] + 1 >= 2, report
    assert int(report["files"]) >= 4, report
    assert not os.path.exists(os.path.join(new, "owner"))
    for name in os.listdir(new):
        if name == "lock":
            continue
        with open(os.path.join(new, name), "rb") as one, \
                open(os.path.join(data, name), "rb") as other:
            assert one.read() == other.read(), name
    whole, = objects(run("verify", "--replay", new, "--json"))
    assert whole["parent_log_id"] == "0" and whole["head"] == report["head"], whole
    first, second = effects_of(folder, data), effects_of(folder, new)
    assert not first["copied"] and second["copied"] and second["epoch"] == "2", second
    assert first["log_id"] != second["log_id"]
    # What it was forked from.
    forked, = objects(run("verify", new, "--json"))
    assert forked["log_id"] == second["log_id"] and forked["epoch"] == 2, forked
    assert forked["parent_log_id"] == report["log_id"] == first["log_id"], forked
    assert forked["parent_sequence"] == report["sequence"], forked
    assert forked["parent_head"] == report["head"], forked
    refused("is there already", "restore", data, new, code=1)
    refused("holds no log", "restore", folder, os.path.join(folder, "other"), code=3)
    assert not os.path.exists(os.path.join(folder, "other"))
    refused("is missing", "restore", data)


def test_ready_as_json(folder):
    with server(folder, "--json") as (line, data):
        ready = json.loads(line)
        assert ready["ready"] is True and ready["data"] == data, line
        run("query", "accounts", "--limit", "1", "--connect", ready["compat"])


def page_read(name):
    """A page of docs/ and the commands in it, each as its words."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs", name), encoding="utf-8") as file:
        page = file.read()
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("    tael ")]
    assert len(commands) > 15, commands
    return page, commands


def test_the_limits_of_the_documentation(folder):
    """The commands of docs/LIMITS.md, one after the other; its tables are what they print, but for
    the times; two entries are refused with the value and the bound that it tells."""
    page, commands = page_read("LIMITS.md")
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
    page = time.sub("T" * 30, page)
    refused_entries = {"3": ("-10000", "0"), "5": ("-10100", "0")}
    tables = 0
    with server(folder, most="64") as (_, _):
        for command in commands:
            entry = command[command.index("--entry-id") + 1] if "--entry-id" in command else ""
            if entry in refused_entries:
                printed = json.loads(run(*command, "--json", code=1, folder=folder))
                assert printed["result"] == "constraint_broken", printed
                assert (printed["value"], printed["limit"]) == refused_entries[entry], printed
                assert printed["posting"] == 1, printed
                continue
            printed = run(*command, folder=folder)
            if command[0] == "trial-balance" or command[1] in ("list", "history"):
                shown = "```\n%s```" % time.sub("T" * 30, printed)
                assert shown in page or not printed, shown
                tables += shown in page
        broken = ("constraint", "set", "--constraint", "1", "--set-bound", "--bound", "6000")
        printed = run(*broken, code=1, folder=folder)
        assert "constraint_broken" in printed and "Constraint 1 would be below" in printed, printed
    assert tables == page.count("\n```\n") // 2 == 6, (tables, printed)
    done = run("verify", os.path.join(folder, "data"), "--replay")
    assert done.startswith("ok: "), done


def documented(name):
    """The commands of a page of docs/, each with the block that it prints when one stands below."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs", name), encoding="utf-8") as file:
        page = file.read()
    found = re.findall(r"^    tael ([^\n]*)\n(?:\n```\n(.*?)```)?", page, re.MULTILINE | re.DOTALL)
    return [(command.split(), block) for command, block in found]


def test_the_books_of_the_documentation(folder):
    """The commands of docs/BOOKS.md, one after the other; its tables are what they print, but for
    times."""
    time_of = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
    commands = documented("BOOKS.md")
    assert len(commands) > 18 and sum(block != "" for _, block in commands) >= 2, commands
    refusals = {("entry", "post", "--entry-id", "4"): "day_in_closed_period",
                ("entry", "reverse", "--entry-id", "10"): "not_the_owner"}
    refused = 0
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/BOOKS.md"), encoding="utf-8") as file:
        for line in re.findall(r"^    (printf .*)$", file.read(), re.M):
            subprocess.run(["sh", "-c", line], cwd=folder, check=True)
    with server(folder, most="64") as (_, _):
        for command, block in commands:
            is_refused = tuple(command[:4]) in refusals
            printed = run(*command, code=int(is_refused), folder=folder)
            assert block == "" or time_of.sub("T", block) == time_of.sub("T", printed), (command,
                                                                                         printed)
            refused += is_refused and refusals[tuple(command[:4])] in printed
        # Days of a refusal are dates to people, numbers to programs.
        late = ("entry", "post", "--entry-id", "99", "--day", "2027-01-01", "100:debit:1:1",
                "100:credit:2:1")
        printed = run(*late, code=1, folder=folder)
        assert re.search("value *2027-01-01\nlimit *2026-12-28\n", printed), printed
        printed = json.loads(run(*late, "--json", code=1, folder=folder))
        assert (printed["value"], printed["limit"]) == ("20819", "20815"), printed
        # What is no number is not told as one.
        said = run_both("entry", "search", code=1, folder=folder)[1]
        assert said.endswith(" must be given.\n"), said
        said = run_both("trial-balance", "--book", "9", code=1, folder=folder)[1]
        assert said.endswith("There is no such book. (9)\n"), said
    assert refused == len(refusals)
    done = run("verify", os.path.join(folder, "data"), "--replay")
    assert done.startswith("ok: "), done


def test_what_need_not_be_given_is_not_missed(folder):
    """Each question whose flags need not be given is answered without them."""
    asked = 0
    with server(folder, most="64") as (line, _):
        compat = re.search(r"compat=(\S+)", line).group(1)
        run("account", "create", "--connect", compat, "--id", "1", "--ledger", "1", "--code", "1")
        for row in objects(run("completion", "--json")):
            text = run(row["verb"], *([row["action"]] if row["action"] else []), "--help")
            if "A question over the tael port" in text and " [FLAGS]" in text.split(":")[0] and \
                    "(required)" not in text:
                words = [row["verb"], *([row["action"]] if row["action"] else [])]
                done = subprocess.run([TAEL, *words], cwd=folder, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, check=False)
                # One that wants one of several is told which by its own rule.
                told = "must be given" in done.stderr
                assert done.returncode == int(told), (words, done)
                asked += not told
    assert asked >= 10, asked


def test_postings_are_shown_with_the_decimals_of_their_books(folder):
    """An entry over two books shows each amount with its own; JSON and CSV have minor units."""
    with server(folder, most="64") as (_, _):
        for line in ("entity open --entity-id 1 --name n --jurisdiction HK --currency HKD "
                     "--day 2026-12-24",
                     "asset open --asset HKD --kind currency --scale 2",
                     "asset open --asset JPY --kind currency --scale 0",
                     "chart add --chart 1 --code 1 --kind asset --name a",
                     "book open --book 7 --chart 1 --entity-id 1 --asset HKD --name h",
                     "book open --book 8 --chart 1 --entity-id 1 --asset JPY --name j"):
            run(*line.split(), folder=folder)
        for book in ("7", "8"):
            for number in ("1", "2"):
                run("book", "account-open", "--book", book, "--account-id", number, "--code", "1",
                    "--name", "a", folder=folder)
        run("entry", "post", "--entry-id", "1", "--order-id", "5", "8:debit:1:1205",
            "8:credit:2:1205", "7:debit:1:120550", "7:credit:2:120550", folder=folder)
        run("entry", "reverse", "--entry-id", "2", "--reversed-id", "1", "1:5", folder=folder)
        run("hold", "open", "--entry-id", "3", "--name", "a", "7:debit:1:7", "7:credit:2:7",
            folder=folder)
        run("hold", "open", "--entry-id", "4", "--name", "b", "8:debit:1:7", "8:credit:2:7",
            folder=folder)
        columns = ("entry_id  posting  book  debit_account_id  credit_account_id   amount",
                   "       1        0     8                 1                  2     1205",
                   "       1        1     7                 1                  2  1205.50")
        printed = run("entry", "show", "1", folder=folder)
        assert printed.splitlines() == [columns[0] + "  reversed", columns[1] + "         0",
                                        columns[2] + "      0.05"], printed
        printed = run("entry", "search", "--order-id", "5", folder=folder)
        assert [line.split()[-1] for line in printed.splitlines()[1:]] == ["1205", "1205.50"]
        printed = run("hold", "list", folder=folder)
        assert [line.split()[-2] for line in printed.splitlines()] == ["amount", "0.07", "7"]
        run("entry", "show", "99", folder=folder)
        # A rule of two books has the decimals of the finer one.
        run("asset", "open", "--asset", "HKDX", "--kind", "coin", "--scale", "3", folder=folder)
        run("book", "open", "--book", "9", "--chart", "1", "--entity-id", "1", "--asset", "HKDX",
            "--name", "x", folder=folder)
        for book, number, owner in (("9", "1", "1"), ("9", "3", str(2**64 - 1)),
                                    ("9", "4", str(2**64 - 1)), ("7", "3", str(2**64 - 1))):
            run("book", "account-open", "--book", book, "--account-id", number, "--code", "1",
                "--owner", owner, "--name", "a", folder=folder)
        run("conversion", "open", "--rule-id", "1", "--a-book", "7", "--a-pool", "3", "--b-book",
            "9", "--b-pool", "3", "--dust-account", "4", folder=folder)
        run("conversion", "post", "--entry-id", "5", "--rule-id", "1", "--from-book", "9",
            "--from-account", "1", "--to-account", "1", "--amount", "1237", folder=folder)
        printed = run("rule", "list", folder=folder).splitlines()
        assert [line.split()[-1] for line in printed] == ["dust", "0.007"], printed
        rules = objects(run("rule", "list", "--json", folder=folder))
        assert rules[0]["dust"] == "7" and "scale" not in rules[0], rules
        rows = objects(run("entry", "show", "1", "--json", folder=folder))
        assert [row["amount"] for row in rows] == ["1205", "120550"] and "scale" not in rows[0]
        csv = run("hold", "list", "--csv", folder=folder)
        assert "scale" not in csv and csv.splitlines()[1].split(",")[8] == "7", csv


def test_names_stand_for_numbers(folder):
    """What a verb is told by name is found before anything is sent, and refused in words."""
    def tael(*arguments, code=0):
        return run_both(*arguments, code=code, folder=folder)

    with server(folder, most="64") as (_, _):
        tael("entity", "open", "--entity-id", "9", "--name", "n", "--jurisdiction", "HK",
             "--currency", "HKD", "--day", "2026-12-24")
        tael("asset", "open", "--asset", "HKD", "--kind", "currency", "--scale", "2")
        tael("chart", "add", "--chart", "1", "--code", "1", "--kind", "asset", "--name", "a")
        tael("name", "set", "g", "--kind", "entity", "--id", "9")
        tael("name", "set", "coin", "--kind", "asset", "--asset", "HKD")
        tael("book", "open", "--book", "7", "--chart", "1", "--entity-id", "@g", "--asset", "HKD",
             "--name", "b")
        tael("name", "set", "g:b", "--kind", "book", "--number", "7")
        for number in ("1", "2"):
            tael("book", "account-open", "--book", "@g:b", "--account-id", number, "--code", "1",
                 "--name", "a")
            tael("name", "set", "g:b:" + number, "--kind", "account", "--number", "7", "--id",
                 number)
        tael("entry", "post", "--entry-id", "1", "@g:b:1:debit:5", "7:credit:2:5")
        rows = objects(tael("trial-balance", "--book=@g:b", "--json")[0])
        assert [row["debit"] for row in rows] == ["0", "5", "0"], rows
        books = objects(tael("book", "list", "--entity-id", "@g", "--json")[0])
        assert [book["entity_id"] for book in books] == ["9"], books
        tael("name", "move", "g:b:1", "g:b:main")
        found = objects(tael("name", "find", "g:b:main", "--json")[0])
        assert found[0]["id"] == "1" and found[0]["kind"] == "account", found
        for code, said, words in (
                (1, "@g:x: There is no such name.", ("trial-balance", "--book", "@g:x")),
                (1, "@g::x: A path has an empty part", ("trial-balance", "--book", "@g::x")),
                (1, "@g:b:1: There is no such name.",
                 ("entry", "post", "--entry-id", "2", "@g:b:1:debit:5", "7:credit:2:5")),
                (2, "@g names an entity, not a book", ("trial-balance", "--book", "@g")),
                (2, "@g:b names a book, not an account in a book",
                 ("entry", "post", "--entry-id", "2", "@g:b:debit:5", "7:credit:2:5")),
                (2, "@coin names something else, not an entity",
                 ("day", "list", "--entity-id", "@coin")),
                (2, "is longer than 128 bytes", ("trial-balance", "--book", "@" + 129 * "a")),
                (2, "no name follows the @", ("trial-balance", "--book", "@")),
                (2, "--book: \"g:b\" is not a decimal number", ("trial-balance", "--book", "g:b"))):
            printed, text = tael(*words, code=code)
            assert said in text and printed == "", (words, printed, text)
        rows = objects(tael("trial-balance", "--book", "7", "--json")[0])
        assert [row["debit"] for row in rows] == ["0", "5", "0"], rows  # Nothing was posted.


def test_the_month_of_the_documentation(folder):
    """A company's month, docs/MONTH.md: what is printed is what was worked out by hand; the sums of
    the trial balances agree; the correction of a closed month is refused."""
    docs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/")
    commands = documented("MONTH.md")
    refused = 0
    balances = []
    with server(folder, most="64") as (_, _):
        for command, block in commands:
            words = [docs + word[5:] if word.startswith("docs/") else word for word in command]
            is_refused = command[:2] == ["entry", "reverse"] and "--day" in command
            printed = run(*words, code=int(is_refused), folder=folder)
            assert block in ("", printed), (command, printed)
            refused += is_refused and "day_in_closed_period" in printed
            if command[0] == "trial-balance":
                balances.append(objects(run(*words, "--json", folder=folder)))
    assert refused == 1 and len(balances) == 2
    for balance, expected in zip(balances, (18558480, 14490050)):
        for side in ("debit", "credit"):
            assert sum(int(row[side]) for row in balance) == expected, (side, balance)
    by_account = {row["account_id"]: row for row in balances[1]}
    assert by_account["3900"]["credit"] == "3181620"
    for code in ("4000", "5000", "5100", "5200", "5300", "5400"):
        assert by_account[code]["debit"] == by_account[code]["credit"] == "0", code
    done = run("verify", os.path.join(folder, "data"), "--replay")
    assert done.startswith("ok: "), done


def test_the_import_of_the_documentation(folder):
    """Books from another system, docs/IMPORT.md: what is printed is what the page says."""
    docs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/")
    shown = 0
    with server(folder, most="64") as (_, _):
        for command, block in documented("IMPORT.md"):
            words = [docs + word[5:] if word.startswith("docs/") else word for word in command]
            has_bad = command[:2] in (["import", "accounts"], ["import", "entries"])
            printed = run(*words, code=int(has_bad), folder=folder)
            # How many records a table has is said apart from it.
            block = re.sub(r"^[0-9]+ records\n", "", block, flags=re.MULTILINE)
            assert block in ("", printed), (command, printed)
            shown += block != ""
    assert shown == 5, shown
    done = run("verify", os.path.join(folder, "data"), "--replay")
    assert done.startswith("ok: "), done


def test_others_come_in_as_the_documentation_says(folder):
    """The commands of "Others than you" in docs/OPERATING.md, word for word, in a shell."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/OPERATING.md"), encoding="utf-8") as file:
        page = file.read().split("## Others than you")[1].split("\n## ")[0]
    first, *rest = re.findall(r"^    (\S.*)$", page, re.MULTILINE)
    assert first.startswith("tael serve ") and len(rest) >= 10, rest
    environment = {key: value for key, value in os.environ.items() if key[:5] != "TAEL_"}
    environment["PATH"] = os.path.dirname(TAEL) + os.pathsep + environment["PATH"]
    with subprocess.Popen(["sh", "-c", "exec " + first + " --compat-port 0 --accounts-max 64"
                           " --holds-max 64 --space-reserve 0"], cwd=folder, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout.readline().startswith("ready ")
            assert os.stat(os.path.join(folder, "tael.port")).st_mode & 0o777 == 0o666
            for command in rest:
                done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      timeout=60, check=False)
                assert done.returncode == 0, (command, done)
            to = ("--connect", "unix:tael.port")
            people = objects(run("principal", "list", *to, "--json", folder=folder))
            assert [(one["principal_id"], one["status"]) for one in people] == \
                [("7", "open"), ("8", "closed")], people
            # What the page says of those that are not let in.
            for number, key in (("7", "alice.key"), ("8", "books.key"), ("9", "books.key")):
                said = run_both("asset", "list", *to, "--principal", number, "--key", key,
                                code=3, folder=folder)[1]
                assert "the proof is not that of an open principal's key" in said, said
            assert "HKD" in run("asset", "list", *to, "--principal", "7", "--key", "alice-2.key",
                                folder=folder)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    done = run("verify", os.path.join(folder, "data"), "--replay")
    assert done.startswith("ok: "), done


def test_only_the_owner_posts(folder):
    """L11, over sessions of principals with keys, over TCP."""
    keys = {number: os.path.join(folder, number) for number in ("7", "8")}
    public = {number: run("key", "new", path).strip() for number, path in keys.items()}
    with server(folder, "--port", "127.0.0.1:0", most="64") as (line, _):
        to = ("--connect", re.search(r" port=(\S+)", line).group(1))

        def by(number, *arguments, code=0):
            who = ("--principal", number, "--key", keys[number]) if number != "1" else ()
            return run(*arguments, *to, *who, code=code)

        for number in keys:
            by("1", "principal", "open", "--principal-id", number, "--kind", "service", "--name",
               "p" + number, "--public-key", public[number])
        by("1", "entity", "open", "--entity-id", "1", "--name", "e", "--jurisdiction", "HK",
           "--currency", "HKD", "--day", "2026-12-24")
        by("1", "asset", "open", "--asset", "HKD", "--kind", "currency", "--scale", "2")
        by("1", "chart", "add", "--chart", "1", "--code", "1", "--kind", "asset", "--name", "a")
        by("1", "book", "open", "--book", "100", "--chart", "1", "--entity-id", "1", "--asset",
           "HKD", "--name", "b")
        account = ("book", "account-open", "--book", "100", "--code", "1", "--name", "a")
        by("7", *account, "--account-id", "1")
        by("7", *account, "--account-id", "2")
        by("8", *account, "--account-id", "3", "--owner", "7")
        assert "owner_not_found" in by("8", *account, "--account-id", "4", "--owner", "9", code=1)
        post = ("entry", "post", "100:debit:%s:5", "100:credit:%s:5")

        def entry(number, one, two, entry_id, code=0):
            words = [word % place if "%s" in word else word
                     for word, place in zip(post, ("", "", one, two))]
            return by(number, *words, "--entry-id", entry_id, code=code)

        assert "not_the_owner" in entry("8", "1", "2", "1", code=1)
        assert "not_the_owner" in entry("1", "1", "3", "1", code=1)  # Nor does principal 1.
        entry("7", "1", "2", "1")
        entry("7", "2", "3", "2")
        # The owner is closed: nobody posts, and what it owns stays its own.
        by("1", "principal", "close", "--principal-id", "7")
        entry("7", "1", "2", "3", code=3)
        assert "not_the_owner" in entry("8", "1", "2", "3", code=1)
        by("1", "principal", "reopen", "--principal-id", "7")
        entry("7", "1", "2", "3")
        by("8", "principal", "close", "--principal-id", "7", code=1)
        rows = objects(by("1", "trial-balance", "--book", "100", "--json"))
        sums = {row["account_id"]: (row["debit"], row["credit"]) for row in rows}
        assert (sums["1"], sums["2"], sums["3"]) == (("10", "0"), ("0", "5"), ("0", "5")), sums


def test_a_dump_says_what_was_asked_of_modules(folder):
    with server(folder, most="64") as (_, _):
        with open(os.path.join(folder, "two"), "w", encoding="ascii") as file:
            for chart in (1, 2):
                file.write('{"chart":%d,"code":1000,"kind":"asset","name":"bank"}\n' % chart)
        run("chart", "add", "--from", "two", folder=folder)
        run("entry", "post", "--entry-id", "9", "7:debit:1:5", "7:credit:2:5", code=1,
            folder=folder)
    rows = objects(run("dump", "data", "--events", "--json", folder=folder))
    asked = [row for row in rows if row.get("record") == "module"]
    assert [(row["operation"], row["events"]) for row in asked] == [
        ("chart_add", 2), ("entry_post", 1)], asked
    events = [row for row in rows if "event" in row]
    assert [(row["position"], row["index"]) for row in events] == [(2, 0), (2, 1), (3, 0)], events
    assert [row["event"].get("chart") for row in events] == [1, 2, None], events
    assert events[2]["event"]["legs"][1] == {"book": 7, "side": "credit", "account_id": "2",
                                             "amount": "5"}, events[2]
    table = run("dump", "data", "--events", folder=folder)
    assert '        {"position":2,"index":1,"event":{"chart":2,"code":1000,' in table, table
    assert "event" not in run("dump", "data", "--json", folder=folder).replace('"events"', "")


def test_every_verb_says_when_no_server_is_there(folder):
    address = "unix:" + os.path.join(folder, "nothing")
    for verb in ("job show 1", "job wait 1", "tail --no-follow", "export accounts", "entity list",
                 "project --to sqlite:a", "job cancel 1", "account show 1"):
        said = run_both(*verb.split(), "--connect", address, "--deadline", "1", code=3,
                        folder=folder)[1]
        assert "nothing" in said and "hint: is the server running, and is this its " in said, said


def test_every_verb_comes_in_as_it_is_told(folder):
    with server(folder, most="64") as (_, _):
        run("key", "new", "k", folder=folder)
        for verb in ("job show 1", "job wait 1", "tail --no-follow", "export accounts",
                     "project --to sqlite:a", "job cancel 1"):
            run(*verb.split(), "--principal", "7", "--key", "k", code=3, folder=folder)


def test_the_log_has_the_hash_of_a_token(folder):
    path = os.path.join(folder, "shop.token")
    digest = run("token", "new", path).strip()
    with open(path, encoding="ascii") as file:
        text = file.read()
    assert re.fullmatch("tael_[A-Za-z0-9_-]{43}\n", text) and os.stat(path).st_mode & 0o777 == 0o600
    secret = base64.urlsafe_b64decode(text.strip()[5:] + "=")
    assert len(secret) == 32 and hashlib.sha256(secret).hexdigest() == digest
    refused("is never written over", "token", "new", path, code=3)
    other = json.loads(run("token", "new", path + "2", "--json"))
    assert other["file"] == path + "2" and other["token_hash"] != digest
    with server(folder, "--port", "0") as (line, data):
        to = ("--connect", re.search(r" port=(\S+)", line).group(1))
        run("principal", "open", *to, "--principal-id", "7", "--kind", "service", "--name", "shop")
        run("principal", "token-open", *to, "--principal-id", "7", "--name", "till",
            "--token-hash", digest)
        found = json.loads(run("principal", "token-find", *to, "--token-hash", digest, "--json"))
        assert (found["principal_id"], found["name"], found["closed_at"]) == ("7", "till", "0")
        run("principal", "token-close", *to, "--token-hash", digest)
        assert "token_is_closed" in run("principal", "token-close", *to, "--token-hash", digest,
                                        code=1)
    for found, _, names in os.walk(data):
        for name in names:
            with open(os.path.join(found, name), "rb") as file:
                assert secret not in file.read(), name


def test_keys_are_files_of_their_owner(folder):
    path = os.path.join(folder, "key")
    public = run("key", "new", path)
    assert re.fullmatch("[0-9a-f]{64}\n", public) and os.stat(path).st_mode & 0o777 == 0o600
    with open(path, encoding="ascii") as file:
        secret = file.read().strip()
    assert run("key", "show", path) == public and secret != public.strip()
    assert json.loads(run("key", "show", path, "--json")) == \
        {"public_key": public.strip(), "file": path}
    refused("is never written over", "key", "new", path, code=3)
    assert run("key", "show", path) == public
    os.chmod(path, 0o640)
    refused("others than its owner have rights", "key", "show", path, code=3)
    refused("others than its owner have rights", "asset", "list", "--principal", "7", "--key",
            path, code=3)
    os.chmod(path, 0o600)
    refused("not the principal whose it is", "asset", "list", "--key", path)
    refused("opening the key file", "key", "show", path + "2", code=3)
    with server(folder, "--port", "0") as (line, data):
        to = ("--connect", re.search(r" port=(\S+)", line).group(1))
        # Of the environment, which flags pass over.
        os.environ.update(TAEL_PRINCIPAL="7", TAEL_KEY=path)
        try:
            refused("does not let this client in", "asset", "list", *to, code=3)
            run("principal", "open", *to, "--principal", "1", "--principal-id", "7", "--kind",
                "person", "--name", "a", "--public-key", public.strip())
            run("asset", "list", *to)
            run("asset", "open", "--asset", "HKD", "--kind", "currency", "--scale", "2", *to)
            refused("does not let this client in", "asset", "list", *to, "--principal", "8",
                    code=3)
            os.environ["TAEL_PRINCIPAL"] = "seven"
            refused("TAEL_PRINCIPAL is", "asset", "list", *to)
        finally:
            del os.environ["TAEL_PRINCIPAL"], os.environ["TAEL_KEY"]
        for wrong in (public.strip()[2:], public.strip() + "00"):
            run_both("principal", "open", *to, "--principal-id", "9", "--kind", "person",
                     "--name", "a", "--public-key", wrong, code=2)
    # No byte of the secret went anywhere.
    for found, _, names in os.walk(data):
        for name in names:
            with open(os.path.join(found, name), "rb") as file:
                content = file.read()
            assert secret.encode() not in content and bytes.fromhex(secret) not in content, name


def test_damage_is_found(folder):
    with server(folder) as (_, data):
        pass
    path = os.path.join(data, "log-00000000")
    with open(path, "r+b") as file:
        file.seek(300)
        byte = file.read(1)
        file.seek(300)
        file.write(bytes([byte[0] ^ 1]))
    assert "log-00000000" in run("verify", data, code=1)
    summary = json.loads(run("verify", data, "--json", code=1))
    assert summary["ok"] is False and "log-00000000" in summary["difference"], summary
    run("dump", data, code=1)


def test_damaged_history_is_not_printed(folder):
    with server(folder) as (line, data):
        to = ("--connect", re.search(r"compat=(\S+)", line).group(1))
        for number in ("1", "2"):
            run("account", "create", "--id", number, "--ledger", "1", "--code", "2", *to)
    assert len(objects(run("dump", data, "--history", "--json"))) == 2
    with open(os.path.join(data, "rows-00000000"), "r+b") as file:
        file.seek(200)
        byte = file.read(1)
        file.seek(200)
        file.write(bytes([byte[0] ^ 1]))
    for form in ((), ("--json",), ("--csv",)):
        printed, said = run_both("dump", data, "--history", *form, code=1)
        assert "rows-00000000, page 0 is damaged" in said, said
        assert "account" not in printed, printed
    run("verify", data, code=1)


def test_chains_of_a_file_are_whole(folder):
    path = os.path.join(folder, "file")
    with server(folder, most="65536") as (line, _):
        to = ("--connect", re.search(r"compat=(\S+)", line).group(1))
        for number in ("1", "2"):
            run("account", "create", "--id", number, "--ledger", "1", "--code", "2", *to)
        # The chain lies where a batch of 8,189 ends, and its last transfer is refused.
        with open(path, "w", encoding="ascii") as file:
            file.write("id,debit_account_id,credit_account_id,amount,ledger,code,flags\n")
            for number in range(1, 8201):
                file.write("%d,1,%d,1,1,1,%s\n" % (number, 9 if number == 8192 else 2,
                                                  "linked" if 8188 <= number < 8192 else ""))
        rows, said = run_both("transfer", "create", *to, "--from", path, "--json", code=1)
        results = [row["result"] for row in objects(rows)]
        assert results[8187:8192] == ["linked_event_failed"] * 4 + ["credit_account_not_found"]
        assert results.count("created") == 8195, results[8180:]
        assert said.endswith(": 5 refused; 4 linked_event_failed, 1 credit_account_not_found, "
                             "8195 created\n"), said
        # A table has its columns before it is known what later batches put into them.
        with open(path, "w", encoding="ascii") as file:
            file.write("id,debit_account_id,credit_account_id,amount,ledger,code\n")
            for number in range(10001, 18201):
                file.write("%d,1,%d,1,1,1\n" % (2 ** 90 if number == 18200 else number,
                                                9 if number == 18200 else 2))
        table = run("transfer", "create", *to, "--from", path, code=1).splitlines()
        assert len(table) == 8201 and table[0].split() == ["id", "result", "timestamp", "reason"]
        assert table[-1].split()[1] == "credit_account_not_found", table[-1]
        for heading in ("result", "timestamp"):
            at = table[0].index(heading)
            assert all(row[at - 1] == " " and row[at] != " " for row in table), heading
        assert table[-1][table[0].index("reason"):] == "The credit account does not exist."
        # A load that meets what it did not make tells which, and why.
        said = run_both("bench", "two-phase", "--transfers", "100", "--batch", "8", "--accounts",
                        "10", "--no-probe", *to, code=1)[1]
        assert "two-phase runs 96 transfers instead of 100" in said, said
        assert "account 0, id 1, was refused: exists_with_different_user_data_64" in said or \
            "account 0, id 1, was refused: exists_with_different_ledger" in said, said


def test_bench_reports(folder):
    text = run("bench", "--help")
    for workload in WORKLOADS:
        assert re.search(r"^  %s +[0-9]" % workload, text, re.M), workload
    report = json.loads(run("bench", "ordered", "--transfers", "2000", "--accounts", "100",
                            "--batch", "100", "--clients", "2", "--compat", "--no-restart",
                            "--json", folder=folder))
    for key in BENCH_KEYS:
        assert key in report, key
    assert set(report["batch_ms"]) == {"p50", "p99", "max"}, report
    assert (report["workload"], report["transfers"], report["accounts"]) == ("ordered", 2000, 100)
    assert (report["clients"], report["batch"]) == (2, 100), report
    assert report["transfers_per_s"] > 0 and report["disk_bytes"] > 0, report
    assert not os.listdir(folder), "the server's folder is gone"


def test_make_build_builds_the_programs_and_no_test(_folder):
    source = os.path.join(os.path.dirname(__file__), "..", "..")
    said = subprocess.run(["make", "-n", "-C", source, "build"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    targets = re.search(r"ninja -C build --quiet([a-z ]*) >", said).group(1).split() or ["all"]
    made_of = subprocess.run(["ninja", "-C", os.path.dirname(TAEL), "-t", "inputs", *targets],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    sources = {line for line in made_of if line.endswith(".c")}
    for name in ("cli", "audit", "check"):
        assert any(line.endswith("/src/%s/main.c" % name) for line in sources), (name, sources)
    assert any(line.endswith("/src/client/client.c") for line in sources), "libtael"
    extra = [line for line in sources if "/tests/" in line or line.endswith("_test.c")]
    assert not extra, extra


def main():
    global TAEL
    TAEL = os.path.abspath(sys.argv[1])
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                print("[       OK ]", name)
            except (AssertionError, subprocess.SubprocessError, ValueError, KeyError) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
