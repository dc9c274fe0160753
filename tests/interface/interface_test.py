#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/interface/interface_test.py TAEL: what scripts rely on. Verbs, flags, --json everywhere,
the line that says ready, exit codes (0 done, 1 refused, 2 usage, 3 environment), keys of bench.
Prints its cases as cmocka does."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

VERBS = ("serve", "account", "transfer", "query", "verify", "dump", "override", "bench",
         "completion", "version")
WORKLOADS = ("ordered", "million-accounts", "ten-million-accounts", "random-ids", "two-phase",
             "single-1", "single-16", "hundred-8", "query", "mixed")
BENCH_KEYS = ("workload", "transfers", "accounts", "clients", "batch", "transfers_per_s",
              "batch_ms", "checkpoints", "drain_s", "rss_bytes", "disk_bytes", "restart_s",
              "probe_ratio")
TAEL = ""


def run(*arguments, code=0, folder=None):
    """Runs the program; returns what it printed, after comparing the exit code."""
    done = subprocess.run([TAEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=300, cwd=folder, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def server(folder, *more):
    """A server on a fresh folder; gives its address, and checks the clean stop."""
    data = os.path.join(folder, "data")
    with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", "--accounts-max",
                           "4096", "--holds-max", "4096", "--space-reserve", "0", *more],
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
    help_text = run("help")
    for verb in VERBS:
        assert "tael %s " % verb in help_text, verb
    assert json.loads(run("help", "--json"))["help"] == help_text
    assert run("version") == "tael %s\n" % json.loads(run("version", "--json"))["version"]
    assert "complete -F _tael tael" in run("completion")


def test_usage_is_told(_folder):
    run(code=2)
    run("nonsense", code=2)
    for verb in VERBS:
        run(verb, "--nonsense", code=2)
    for verb in ("serve", "account", "transfer", "query", "verify", "dump", "override", "bench"):
        run(verb, code=2)
    run("serve", "--data", code=2)
    run("serve", "--data", "x", "--cluster", "-1", code=2)
    run("bench", "ordered", "--clients", "0", code=2)
    run("account", "create", "--id", "x", code=2)
    run("override", "x", "--position", "x", code=2)


def test_the_environment_is_told(folder):
    missing = os.path.join(folder, "missing")
    run("verify", missing, code=3)
    assert "error" in json.loads(run("verify", missing, "--json", code=3))
    run("dump", missing, code=3)
    run("override", missing, "--position", "2", code=3)
    run("account", "show", "1", "--connect", "127.0.0.1:1", "--deadline", "1", code=3)
    run("serve", "--data", os.path.join(folder, "no", "parent"), code=3)
    run("bench", "ordered", "--connect", "127.0.0.1:1", "--transfers", "1", "--no-probe", code=3)


def test_a_server_is_served_and_stopped(folder):
    with server(folder) as (line, data):
        ready = re.fullmatch(r"ready compat=(127\.0\.0\.1:[0-9]+) data=(.*)\n", line)
        assert ready and ready.group(2) == data, line
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
                           ("a.json", '{"id":"13","ledger":1,"code":2}\n'), ("empty", "")):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            run("account", "create", *to, "--from", path)
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


def test_ready_as_json(folder):
    with server(folder, "--json") as (line, data):
        ready = json.loads(line)
        assert ready["ready"] is True and ready["data"] == data, line
        run("query", "accounts", "--limit", "1", "--connect", ready["compat"])


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
