#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/audit/program_test.py TAEL_AUDIT: the program as scripts meet it: exit codes, what is on
which output, JSON, the bar on a terminal, a signal. The folder is the fixture; what an audit finds
is src/audit/audit_test.c's.
"""
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
FIXTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures/log-0.1")


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False,
                          **more)


class Program(unittest.TestCase):
    def setUp(self):
        self.parent = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.parent)
        self.folder = os.path.join(self.parent, "data")
        shutil.copytree(FIXTURE, self.folder)

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
        self.assertRegex(done.stdout, r"\Aok: frames 41 commands 36 .* head [0-9a-f]{64}\n\Z")
        after = {name: os.stat(os.path.join(self.folder, name)).st_mtime_ns
                 for name in os.listdir(self.folder)}
        self.assertEqual(before, after)

    def test_json_is_one_object(self):
        done = run(self.folder, "--json")
        told = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr, done.stdout.count("\n")), (0, "", 1))
        self.assertTrue(told["ok"] and told["balances_compared"])
        self.assertEqual((told["frames"], told["accounts"], told["differences"]), (41, 3, []))

    def test_a_difference_is_1_and_names_its_place(self):
        name = next(name for name in os.listdir(self.folder) if name.startswith("checkpoint-"))
        self.change(name, 2 * 4096 + 32)  # Debits posted of the account in row 0.
        done = run(self.folder)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("differs [checkpoint] %s offset 8192: account 1 of ledger 700: debits_posted"
                      % name, done.stdout)
        told = json.loads(run(self.folder, "--json").stdout)
        account = next(difference for difference in told["differences"] if "account" in difference)
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
            size = os.path.getsize(os.path.join(self.folder, name))
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
                          ("a", "--limit", "x"), ("a", "--limit", "1000001"),
                          ("a", "--json", "--json"),
                          ("a", "--limit", "1", "--limit", "1")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("see tael-audit --help", done.stderr)

    def test_help_teaches_within_80_columns(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLessEqual(max(map(len, done.stdout.split("\n"))), 80)
        for word in ("--limit", "--json", "Exit code", "L1", "L11"):
            self.assertIn(word, done.stdout)

    def test_the_environment_is_3(self):
        self.assertEqual(run(os.path.join(self.parent, "nowhere")).returncode, 3)
        empty = os.path.join(self.parent, "empty")
        os.mkdir(empty)
        done = run(empty)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("there is no log", done.stderr)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, self.folder], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 3)

    def held(self, **more):
        """The program while it opens the lock, which does not open before somebody writes to it:
        its signals are taken, its clock runs, and nothing was read."""
        lock = os.path.join(self.folder, "lock")
        os.mkfifo(lock)
        process = subprocess.Popen([PROGRAM, self.folder], stdout=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        while not self.waits(process):
            self.assertIsNone(process.poll())
        return process, lock

    def waits(self, process):
        """Whether it takes SIGINT, and sleeps: what comes before the lock is done."""
        with open("/proc/%d/status" % process.pid, encoding="ascii") as file:
            fields = dict(line.split(":\t", 1) for line in file if ":\t" in line)
        taken = int(fields["SigCgt"], 16) >> (signal.SIGINT - 1) & 1
        return taken == 1 and fields["State"].startswith("S")

    def test_a_signal_ends_it_with_3(self):
        process, _ = self.held(stderr=subprocess.DEVNULL)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (3, b""))

    def test_the_bar_is_for_terminals_alone(self):
        primary, secondary = pty.openpty()
        process, lock = self.held(stderr=secondary)
        time.sleep(1.1)  # Its clock runs; nothing is drawn in the first second.
        os.close(os.open(lock, os.O_WRONLY))
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out)
        drawn = os.read(primary, 65536).decode()
        self.assertIn("\rauditing the log        [", drawn)
        self.assertTrue(drawn.endswith("\r"))  # And wiped out.
        os.close(secondary)
        os.close(primary)


if __name__ == "__main__":
    unittest.main()
