#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/sim/shrink_test.py BUILD: a world that fails is told with few of its steps, which fail by
the same check, and of which none can be left out. Prints its cases as cmocka does."""
import os
import re
import subprocess
import sys

AGAIN = re.compile(r"^again: sim (--plant \w+) --seed (\d+) --steps (\d+) --only (\S+)$", re.M)
FAILED = re.compile(r"^FAILED at step (\d+): (\w+): ", re.M)
SIM = ""


def sim(*words):
    """Its exit code and what it says."""
    done = subprocess.run([SIM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)
    return done.returncode, done.stderr


def steps_of(only):
    steps = []
    for part in only.split(","):
        first, _, last = part.partition("-")
        steps += range(int(first), int(last or first) + 1)
    return steps


def check_of(said):
    return FAILED.findall(said)[-1][1]


def few_steps_fail(bug, check):
    code, said = sim("--plant", bug, "--seed", "1", "--steps", "300")
    assert code < 0, (bug, code)
    first = FAILED.search(said)
    plant, seed, steps, only = AGAIN.search(said).groups()
    kept = steps_of(only)
    assert first.group(2) == check == check_of(said), said
    assert len(kept) < int(first.group(1)) / 2 and max(kept) <= int(steps), said
    assert ("%d steps of 300 fail so, and no fewer of these do:" % len(kept)) in said, said
    words = [*plant.split(), "--seed", seed, "--steps", steps]
    code, said = sim(*words, "--only", only)
    assert code < 0 and check_of(said) == check, said
    for step in kept:
        less = ",".join(str(other) for other in kept if other != step)
        code, said = sim(*words, "--only", less)
        assert code >= 0 or check_of(said) != check, (step, said)


def test_debits_and_credits():
    few_steps_fail("half", "L1")


def test_commands_that_are_forgotten_over_a_start():
    few_steps_fail("forgotten", "L3")


def test_a_world_that_does_not_fail():
    code, said = sim("--modules", "--seed", "1", "--steps", "20", "--shrink")
    assert code == 1 and "seed 1 does not fail" in said, said


def test_steps_that_are_none():
    for only in ("", "x", "3-", "3-2", "1,,2", "21", "1-21", "1;2"):
        code, said = sim("--modules", "--seed", "1", "--steps", "20", "--only", only)
        assert code == 2 and "usage" in said, (only, said)


def main():
    global SIM
    SIM = os.path.join(sys.argv[1], "tests", "sim", "sim")
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        print("[ RUN      ] %s" % name)
        try:
            case()
            print("[       OK ] %s" % name)
        except AssertionError as error:
            failed += 1
            print("[  FAILED  ] %s: %s" % (name, error))
    return failed > 0


sys.exit(main())
