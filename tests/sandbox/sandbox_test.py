#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/sandbox/sandbox_test.py TAEL: docs/examples/tael.service is a unit that systemd takes,
exposes little, and allows every system call of a server at work. Needs systemd-analyze, and strace
for the last; what is not there is skipped, and said so. Prints its cases as cmocka does."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/examples/tael.service")
EXPOSURE_MAX = 2.0  # Of 10, by systemd-analyze: below it is "OK".
TAEL = ""


def said(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout


def unit():
    """The settings of the unit, in order: name and value."""
    with open(UNIT, encoding="utf-8") as file:
        return [line.strip().split("=", 1) for line in file
                if "=" in line and not line.startswith("#")]


def group_calls(name, groups):
    """The system calls of a group, of the groups in it, or a call by itself."""
    if not name.startswith("@"):
        return {name}
    if name not in groups:
        text = said("systemd-analyze", "syscall-filter", name)[1]
        words = [line.strip() for line in text.splitlines()[1:]]
        groups[name] = set()
        for word in words:
            if re.fullmatch(r"@?[a-z0-9_-]+", word):
                groups[name] |= group_calls(word, groups)
    return groups[name]


def allowed():
    calls, groups = set(), {}
    for name, value in unit():
        if name != "SystemCallFilter":
            continue
        of_value = set()
        for word in value.lstrip("~").split():
            of_value |= group_calls(word, groups)
        calls = calls - of_value if value.startswith("~") else calls | of_value
    return calls


def tael(folder, *words, text=""):
    subprocess.run([TAEL, *words], cwd=folder, input=text, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, text=True, timeout=120, check=True)


def http(address, path, body=None, kind="application/json"):
    """Asks the edge, as often as it takes until that is up."""
    headers = {"Authorization": "Bearer tael_" + "A" * 43, "Content-Type": kind}
    request = urllib.request.Request("http://%s%s" % (address, path), data=body, headers=headers)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            assert error.code == 503, (path, error.code, error.read())


def server_watched(folder, trace, stop, work):
    """A server under strace, at work, and stopped so."""
    with subprocess.Popen(["strace", "-f", "-qq", "-o", trace, TAEL, "serve", "--data", "data",
                           "--compat-port", "0", "--accounts-max", "65536", "--holds-max", "65536",
                           "--checkpoint-bytes", "1048576", "--space-reserve", "0", "--http", "0"],
                          cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        ready = process.stdout.readline()
        work(re.search(r"compat=(\S+)", ready).group(1), re.search(r"http=(\S+)", ready).group(1))
        with open(os.path.join(folder, "data/lock"), encoding="ascii") as lock:
            os.kill(int(lock.read()), stop)
        process.stdout.read()
        process.wait(timeout=120)


def test_the_unit_is_one():
    code, text = said("systemd-analyze", "verify", UNIT)
    wrong = [line for line in text.splitlines() if "is not executable" not in line]
    assert not wrong, (code, wrong)


def test_it_exposes_little():
    code, text = said("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    level = re.search(r"Overall exposure level for tael.service: ([0-9.]+)", text)
    assert level is not None and float(level.group(1)) <= EXPOSURE_MAX, (code, text[-300:])


def test_a_server_calls_what_it_may():
    if shutil.which("strace") is None:
        return "strace is not installed"
    may = allowed()
    assert {"read", "futex", "fallocate"} <= may, sorted(may)
    assert not {"mount", "ptrace", "setuid", "chroot", "bpf", "kexec_load"} & may, sorted(may)
    with tempfile.TemporaryDirectory() as folder:
        def work(compat, address):
            for words in (("open", "--principal-id", "2", "--kind", "service", "--name", "caller"),
                          ("delegate", "--delegate-id", "1", "--for-id", "2"),
                          ("token-open", "--principal-id", "2", "--name", "token", "--token-hash",
                           hashlib.sha256(bytes(32)).hexdigest())):
                tael(folder, "principal", *words, "--connect", "unix:data/socket")
            tael(folder, "account", "create", "--from", "-", "--connect", compat,
                 text="".join('{"id":"%d","ledger":1,"code":1}\n' % i for i in range(1, 200)))
            for first in range(1, 60000, 8000):
                tael(folder, "transfer", "create", "--from", "-", "--connect", compat, text="".join(
                    '{"id":"%d","debit_account_id":"%d","credit_account_id":"%d","amount":"1",'
                    '"ledger":1,"code":1}\n' % (at, at % 199 + 1, (at + 1) % 199 + 1)
                    for at in range(first, first + 8000)))
            tael(folder, "query", "transfers", "--connect", compat, "--limit", "100")
            tael(folder, "calendar", "open", "--calendar", "HK", "--weekend", "96")
            tael(folder, "calendar", "list")
            tael(folder, "tree", "head")
            tael(folder, "backup", "data", "copy")
            http(address, "/v1/ledger/create-accounts", b'{"id":"1","ledger":1,"code":1}\n' * 9000,
                 "application/x-ndjson")
            for path in ("/metrics", "/docs", "/v1/changes?from=0", "/v1/ledger/account?id=1"):
                http(address, path)
        called = set()
        # A new folder, a start behind a kill, and one behind a clean stop.
        for number, stop in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGTERM)):
            trace = os.path.join(folder, "trace%d" % number)
            server_watched(folder, trace, stop,
                           work if number == 0 else lambda *_: None)
            with open(trace, encoding="utf-8", errors="replace") as file:
                called |= set(re.findall(r"^\d+ +([a-z_0-9]+)\(", file.read(), re.M))
    least = {"pwritev", "fallocate", "epoll_wait", "clone3", "flock", "execve"}
    assert least <= called, sorted(called)
    assert called <= may, sorted(called - may)
    return None


def main():
    global TAEL
    TAEL = os.path.abspath(sys.argv[1])
    failed = 0
    for name, case in list(globals().items()):
        if not name.startswith("test_"):
            continue
        why = "systemd-analyze is not installed"
        if shutil.which("systemd-analyze") is not None:
            try:
                why = case()
            except (AssertionError, subprocess.SubprocessError) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong))
                continue
        print("[  SKIPPED ] %s\n%s" % (name, why) if why else "[       OK ] %s" % name)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
