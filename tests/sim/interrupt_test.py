#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/sim/interrupt_test.py BUILD: a run of worlds that is interrupted says how many are done and
which is the next, each program by itself and tools/sim for all. Prints its cases as cmocka does."""
import os
import re
import signal
import subprocess
import sys
import tempfile

SAID = re.compile(r"^interrupted: (\d+) worlds done; go on: (\S+(?: --modules)?) --seed (\d+) "
                  r"(--\w+ \d+)$", re.M)
PARTS = {"sim": ("tests/sim/sim", "--steps"),
         "sim --modules": ("tests/sim/sim", "--steps"),
         "sim-ports": ("tests/sim/harbour/sim-ports", "--answers")}
BUILD = ""


def end_of(process):
    """What an interrupted process still printed, and said; one that does not end is killed."""
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("does not end: %s" % process.args) from None


def test_programs(_folder):
    for name, (path, length) in PARTS.items():
        words = [os.path.join(BUILD, path), *name.split()[1:], "--seed", "5", "--runs", "1000000",
                 length, "10"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            seeds = [next(process.stdout) for _ in range(3)]
            process.send_signal(signal.SIGINT if name == "sim" else signal.SIGTERM)
            rest, said = end_of(process)
        printed = re.findall(r"^seed (\d+):", "".join(seeds) + rest, re.M)
        done, program, seed, long = SAID.search(said).groups()
        assert process.returncode < 0, (name, process.returncode)
        assert printed == [str(5 + i) for i in range(len(printed))], printed
        # A world is over somewhat later than its line.
        assert len(printed) - 1 <= int(done) <= len(printed), (done, printed)
        assert (program, int(seed), long) == (name, 5 + int(done), length + " 10"), said


def test_side_by_side(folder):
    # Worlds that are short, so that the first are soon over.
    for path, length in PARTS.values():
        short = os.path.join(folder, "build", path)
        os.makedirs(os.path.dirname(short), exist_ok=True)
        with open(short, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nexec %s/%s "$@" %s 10\n' % (BUILD, path, length))
        os.chmod(short, 0o755)
    began = os.path.join(folder, "began")
    os.mkdir(began)
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "sim")
    with subprocess.Popen([tool, "5", "1"], cwd=folder, env={**os.environ, "TMPDIR": began},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        missing = {"plain", "modules", "ports"}
        while missing:
            assert process.poll() is None, process.communicate()
            for name in os.listdir(began):
                for part in sorted(missing):
                    path = os.path.join(began, name, part)
                    if os.path.exists(path) and "seed 5:" in open(path, encoding="utf-8").read():
                        missing.remove(part)
        process.send_signal(signal.SIGTERM)
        said = end_of(process)[1]
    assert process.returncode == 130, process.returncode
    assert {found[1] for found in SAID.findall(said)} == set(PARTS), said
    assert not os.listdir(began), ("left", os.listdir(began))


def main():
    global BUILD
    BUILD = os.path.abspath(sys.argv[1])
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                print("[       OK ]", name)
            except (AssertionError, AttributeError, StopIteration) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
