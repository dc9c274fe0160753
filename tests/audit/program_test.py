#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/audit/program_test.py TAEL_AUDIT TAEL: the program as scripts meet it: exit codes, what is
on which output, JSON, the help, the bar on a terminal, a signal, a folder that a server has open.
The folder is the fixture; what an audit finds is src/audit/lies_test.c's. BLESS=1 writes the help
into tests/golden/audit_help.txt.
"""
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
TAEL = os.path.abspath(sys.argv.pop(1))
TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
FIXTURE = os.path.join(TESTS, "fixtures/log-0.1")
HELP = os.path.join(TESTS, "golden/audit_help.txt")
FILE_SIZE = 64 << 20
# Of the JSON, always, and in this order.
NAMES = ["ok", "has_checkpoint", "balances_compared", "torn", "backup", "frames", "commands",
         "transfers", "transfers_refused", "expiries", "postings", "records",
         "commands_without_rows", "rows", "snapshots", "roots", "accounts", "accounts_of_modules",
         "open_holds", "ledgers", "ids", "controls", "log_bytes", "checkpoint",
         "frames_not_in_history", "commands_not_in_history", "heads", "heads_not_in_history",
         "heads_behind_the_end", "tree_size", "milliseconds", "log_id", "head", "tree_root",
         "difference_count", "differences"]


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False,
                          **more)


class Program(unittest.TestCase):
    def setUp(self):
        self.parent = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.parent)
        self.folder = os.path.join(self.parent, "data")
        shutil.copytree(FIXTURE, self.folder)
        os.truncate(os.path.join(self.folder, "log-00000000"), FILE_SIZE)  # As a server made it.

    def change(self, name, offset):
        with open(os.path.join(self.folder, name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def test_a_whole_folder_is_ok_in_one_line(self):
        before = {name: os.stat(os.path.join(self.folder, name)).st_mtime_ns
                  for name in os.listdir(self.folder)}
        done = run(self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Aok: frames 41 commands 36 .* head [0-9a-f]{64}"
                         r" tree_root [0-9a-f]{64}\n\Z")
        after = {name: os.stat(os.path.join(self.folder, name)).st_mtime_ns
                 for name in os.listdir(self.folder)}
        self.assertEqual(before, after)

    def test_json_is_one_object(self):
        done = run(self.folder, "--json")
        told = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr, done.stdout.count("\n")), (0, "", 1))
        self.assertEqual(list(told), NAMES)
        self.assertTrue(told["ok"] and told["balances_compared"] and told["has_checkpoint"])
        self.assertFalse(told["torn"] or told["backup"])
        self.assertEqual(told["difference_count"], 0)
        self.assertRegex(told["log_id"], r"\A[0-9]+\Z")
        self.assertRegex(told["head"], r"\A[0-9a-f]{64}\Z")
        self.assertEqual((told["frames"], told["accounts"], told["differences"]), (41, 3, []))

    def test_a_difference_is_1_and_names_its_place(self):
        name = next(name for name in os.listdir(self.folder) if name.startswith("checkpoint-"))
        self.change(name, 4 * 4096 + 32)  # Debits posted of the account in row 0.
        done = run(self.folder)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("differs [checkpoint] %s offset 16384: account 1 of ledger 700: debits_posted"
                      % name, done.stdout)
        told = json.loads(run(self.folder, "--json").stdout)
        self.assertEqual(list(told), NAMES)
        self.assertFalse(told["ok"])
        self.assertEqual(told["difference_count"], len(told["differences"]))
        account = next(difference for difference in told["differences"] if "account" in difference)
        self.assertEqual(list(account), ["promise", "file", "offset", "account", "ledger", "field",
                                         "by_log", "by_checkpoint", "what"])
        self.assertEqual((account["promise"], account["file"], account["offset"]),
                         ("checkpoint", name, 16384))
        self.assertEqual((account["account"], account["ledger"], account["field"]),
                         ("1", 700, "debits_posted"))
        self.assertEqual(int(account["by_log"]) ^ 1, int(account["by_checkpoint"]))
        none = run(self.folder, "--limit", "0")
        self.assertEqual(none.returncode, 1)
        self.assertEqual(none.stdout, "differs: %d more that are not shown\n"
                         % told["difference_count"])

    def test_every_bit_that_is_turned_ends_in_a_difference_or_nothing_at_all(self):
        names = sorted(name for name in os.listdir(self.folder) if name.startswith(
            ("log-", "rows-", "checkpoint-")))
        for name in names:
            size = os.path.getsize(os.path.join(FIXTURE, name))
            for offset in range(7, size, max(size // 40, 1)):
                self.change(name, offset)
                done = run(self.folder)
                # Padding between bodies is under their digest; what no digest covers is nothing.
                self.assertIn(done.returncode, (0, 1), (name, offset, done.stderr))
                if done.returncode == 0 and not name.startswith("checkpoint-"):
                    self.fail((name, offset))
                self.change(name, offset)

    def test_usage_is_2(self):
        for arguments in ((), ("--nothing", "x"), ("a", "b"), ("a", "--limit"),
                          ("a", "--limit", "x"), ("a", "--limit", "1000001"), ("",),
                          ("a", "--limit", "-1"), ("a", "--limit", ""), ("a", "--limit=5"),
                          ("a", "--json=1"), ("a", "-j"), ("a", "--", "b"),
                          ("a", "--json", "--json"), ("a", "--heads"), ("a", "--key", "11" * 32),
                          ("a", "--heads", "b", "--key", "11"), ("a", "--heads", "b", "--key"),
                          ("a", "--heads", "b", "--heads", "b"),
                          ("a", "--heads", "b", "--key", "zz" * 32),
                          ("a", "--limit", "1", "--limit", "1")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("see tael-audit --help", done.stderr)

    def test_the_help_is_the_golden_one(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(run("-h").stdout, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.split("\n"))), 80)
        if os.environ.get("BLESS") == "1":
            with open(HELP, "w", encoding="utf-8") as file:
                file.write(done.stdout)
        with open(HELP, encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())

    def test_the_version_is_one_line(self):
        done = run("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Atael-audit [0-9]+\.[0-9]+\.[0-9]+\n\Z")

    def test_the_environment_is_3(self):
        self.assertEqual(run(os.path.join(self.parent, "nowhere")).returncode, 3)
        empty = os.path.join(self.parent, "empty")
        os.mkdir(empty)
        done = run(empty)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(done.stderr, "tael-audit: there is no log in %s\n" % empty)
        done = run(empty, "--json")
        self.assertEqual((done.returncode, done.stdout.count("\n")), (3, 1))
        self.assertEqual(json.loads(done.stdout), {"error": {
            "message": "there is no log in %s" % empty, "hint": None}})
        self.assertEqual(done.stderr, "tael-audit: there is no log in %s\n" % empty)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, self.folder], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 3)

    def test_what_is_no_folder_of_files_is_3(self):
        for name in ("lock", "log-00000000", "rows-00000000"):
            path = os.path.join(self.folder, name)
            with contextlib.suppress(FileNotFoundError):
                os.rename(path, path + ".away")
            os.mkfifo(path)
            done = run(self.folder, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertEqual(done.stderr, "tael-audit: %s is not a regular file\n" % name)
            os.unlink(path)
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + ".away", path)
        self.assertEqual(run(os.path.join(self.folder, "log-00000000")).returncode, 3)
        self.assertEqual(run(self.folder).returncode, 0)

    def test_a_folder_that_a_server_has_open_is_3(self):
        data = os.path.join(self.parent, "served")
        limits = ("--accounts-max", "4096", "--holds-max", "4096", "--space-reserve", "0")
        with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", *limits],
                              stdout=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            self.assertTrue(server.stdout.readline().startswith("ready"))
            done = run(data)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertEqual(done.stderr, "tael-audit: %s is in use by a server\n"
                             "hint: stop the server, or audit a backup that `tael backup` makes "
                             "while it serves\n" % data)
            told = run(data, "--json").stdout
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(timeout=60), 0)
        done = run(data)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(json.loads(told), {"error": {
            "message": "%s is in use by a server" % data,
            "hint": "stop the server, or audit a backup that `tael backup` makes while it serves"}})
        # And the other way round: who audits keeps a server from starting.
        with open(os.path.join(data, "lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.assertEqual(run(data).returncode, 0)
            refused = subprocess.run([TAEL, "serve", "--data", data, "--compat-port", "0"],
                                     capture_output=True, check=False)
            self.assertEqual(refused.returncode, 3, refused.stderr)

    def serve(self, data, *calls, kill=False):
        """Serves the folder while `calls`, words for tael behind which --connect stands, run."""
        limits = ("--accounts-max", "4096", "--holds-max", "4096", "--space-reserve", "0")
        with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", *limits],
                              stdout=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            try:
                compat = re.search(r"compat=(\S+)", server.stdout.readline()).group(1)
                for words in calls:
                    port = "unix:%s/socket" % data if words[0] == "head" else compat
                    subprocess.run([TAEL, *words, "--connect", port], check=True, timeout=60,
                                   stdout=subprocess.DEVNULL)
            finally:
                server.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
                server.wait(timeout=60)

    def test_heads_are_compared_with_the_folder(self):
        data, heads, secret = (os.path.join(self.parent, name) for name in ("a", "heads", "key"))
        key = subprocess.run([TAEL, "key", "new", secret], capture_output=True, text=True,
                             check=True).stdout
        key = re.search(r"[0-9a-f]{64}", key).group(0)
        sign = ("head", "sign", heads, "--signing-key", secret)

        def opened(number):
            return ("account", "create", "--id", str(number), "--ledger", "700", "--code", "1")

        self.serve(data, opened(1), sign, opened(2), sign)
        done = run(data, "--heads", heads, "--key", key)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"\Aok: .* heads 2 .*tree_size [0-9]+ ")
        # The three that say what the tree is say the same.
        told = json.loads(run(data, "--heads", heads, "--json").stdout)
        with open(heads, encoding="utf-8") as file:
            signed = [json.loads(line) for line in file]
        verified = json.loads(subprocess.run([TAEL, "verify", data, "--json"], check=True,
                                             capture_output=True, text=True).stdout)
        self.assertEqual((told["heads"], told["heads_not_in_history"]), (2, 0))
        self.assertEqual((str(told["tree_size"]), told["tree_root"]),
                         (str(signed[1]["size"]), signed[1]["root"]))
        self.assertEqual((str(verified["tree_size"]), verified["tree_root"]),
                         (str(signed[1]["size"]), signed[1]["root"]))
        # A log of the same commands is another one; one that was set back has lost the second.
        other, back = os.path.join(self.parent, "b"), os.path.join(self.parent, "c")
        self.serve(other, opened(1), opened(2))
        done = run(other, "--heads", heads, "--key", key)
        self.assertEqual(done.returncode, 1)
        self.assertIn("differs [L5] log-00000000 offset", done.stdout)
        self.assertIn("the signed head of line 1 has another log id than this folder", done.stdout)
        subprocess.run([TAEL, "restore", data, back, "--to-sequence", str(signed[0]["sequence"])],
                       check=True, stdout=subprocess.DEVNULL)
        done = run(back, "--heads", heads)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("before frame %s, whose signed head is in line 2" % signed[1]["sequence"],
                      done.stdout)
        # Killed, its last outcomes are in the log alone.
        self.serve(data, opened(3), sign, kill=True)
        told = json.loads(run(data, "--heads", heads, "--json").stdout)
        self.assertEqual((told["ok"], told["heads"], told["heads_not_in_history"]), (True, 3, 1))
        for words, what in (((heads, "--key", "ff" * 32), "is no public key"),
                            ((secret,), "line 1"), ((heads + "x",), "heads")):
            done = run(data, "--heads", *words)
            self.assertEqual((done.returncode in (2, 3), done.stdout), (True, ""), words)
            self.assertIn(what, done.stderr)
        wrong = subprocess.run([TAEL, "key", "new", secret + "2"], capture_output=True, text=True,
                               check=True).stdout
        done = run(data, "--heads", heads, "--key", re.search(r"[0-9a-f]{64}", wrong).group(0))
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("%s, line 1: the head is signed by another key" % heads, done.stderr)

    def test_a_log_without_a_checkpoint_is_not_called_ok(self):
        data = os.path.join(self.parent, "fresh")
        self.serve(data, ("account", "create", "--id", "1", "--ledger", "700", "--code", "1"),
                   kill=True)
        done = run(data)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, r"\Alog only: frames .*; no checkpoint")
        self.assertFalse(json.loads(run(data, "--json").stdout)["balances_compared"])

    def held(self, **more):
        """The program while it opens the lock, on which there is a lease: it waits in there, its
        signals are taken and its clock runs, until the lease is given back by closing the file."""
        lock = os.path.join(self.folder, "lock")
        with open(lock, "wb"):
            pass
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        lease = os.open(lock, os.O_RDWR)
        try:
            fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as why:
            os.close(lease)
            self.skipTest("no lease on a file here: %s" % why)
        process = subprocess.Popen([PROGRAM, self.folder], stdout=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        signal.sigwait({signal.SIGIO})  # It is there.
        return process, lease

    def test_a_signal_ends_it_with_3(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process, lease = self.held(stderr=subprocess.PIPE)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            os.close(lease)
            self.assertEqual((process.returncode, out), (3, b""))
            self.assertNotEqual(err, b"")

    def drawn(self):
        """What is drawn on a terminal by an audit."""
        primary, secondary = pty.openpty()
        process, lease = self.held(stderr=secondary)
        os.close(lease)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out)
        os.set_blocking(primary, False)
        drawn = os.read(primary, 65536).decode()
        os.close(secondary)
        os.close(primary)
        return drawn

    def test_the_bar_is_on_a_terminal(self):
        drawn = self.drawn()
        self.assertIn("\rauditing the log        [", drawn)
        self.assertTrue(drawn.endswith("\r"))  # And wiped out.

    def test_there_is_no_bar_elsewhere(self):
        process, lease = self.held(stderr=subprocess.PIPE)
        os.close(lease)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (0, b""), out)


if __name__ == "__main__":
    unittest.main()
