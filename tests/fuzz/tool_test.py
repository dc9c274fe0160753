#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/fuzz/tool_test.py: what tools/fuzz and `make fuzz` say and end with, on targets that are
scripts: a failure is one for make, too, and wrong words run nothing. Prints its cases as cmocka
does."""
import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HOLDS = "echo 'stat::number_of_executed_units: 7'"
FOUND = "echo 'does not hold' >&2; exit 77"


def script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n%s\n" % text)
    os.chmod(path, 0o755)


def tree(folder, targets):
    """A source tree of the tool alone, whose targets are built already."""
    os.makedirs(os.path.join(folder, "tools"))
    shutil.copy(os.path.join(SOURCE, "Makefile"), folder)
    shutil.copy(os.path.join(SOURCE, "tools/fuzz"), os.path.join(folder, "tools"))
    script(os.path.join(folder, "tools/need"), "exit 0")
    script(os.path.join(folder, "bin/ninja"), "exit 0")
    for name, text in targets.items():
        os.makedirs(os.path.join(folder, "tests/fuzz/corpus", name))
        script(os.path.join(folder, "build-fuzz/tests/fuzz/fuzz-" + name),
               ": >>build-fuzz/ran; " + text)
    script(os.path.join(folder, "build-fuzz/build.ninja"), "")


def run(folder, *words):
    environment = {**os.environ, "PATH": os.path.join(folder, "bin:") + os.environ["PATH"]}
    for name in ("MAKEFLAGS", "MAKELEVEL", "SEED"):
        environment.pop(name, None)
    return subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False)


def test_what_holds_is_0(folder):
    tree(folder, {"json": HOLDS, "canary": FOUND})
    done = run(folder, "tools/fuzz", "1")
    assert done.returncode == 0 and done.stdout.endswith("\n2 0\n"), (done.stdout, done.stderr)
    assert "json 7 runs" in done.stdout and "canary found what it must" in done.stdout, done.stdout
    done = run(folder, "make", "-o", "build", "fuzz", "SECONDS=1")
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_a_failure_is_one_for_make(folder):
    tree(folder, {"json": HOLDS, "value": "echo broken; exit 77", "canary": FOUND})
    done = run(folder, "tools/fuzz", "1")
    assert done.returncode == 1 and done.stdout.endswith("\n2 1\n"), (done.stdout, done.stderr)
    assert "value FAILED: exit code 77" in done.stdout and "broken" in done.stdout, done.stdout
    assert run(folder, "make", "-o", "build", "fuzz", "SECONDS=1").returncode == 2
    assert run(folder, "tools/fuzz", "1", "json").returncode == 0


def test_a_canary_that_lives_is_a_failure(folder):
    tree(folder, {"canary": HOLDS})
    done = run(folder, "tools/fuzz", "1")
    assert done.returncode == 1 and done.stdout.endswith("\n0 1\n"), (done.stdout, done.stderr)


def test_wrong_words_run_nothing(folder):
    tree(folder, {"json": HOLDS, "canary": FOUND})
    for words in ((), ("x",), ("0",), ("-1",), ("1000000",), ("1", "jso"), ("1", "json", "xml"),
                  ("1", "json canary")):
        done = run(folder, "tools/fuzz", *words)
        assert done.returncode == 2 and done.stdout == "", (words, done.stdout, done.stderr)
        assert done.stderr.splitlines()[-1].endswith("targets: canary json"), done.stderr
    assert run(folder, "make", "-o", "build", "fuzz", "SECONDS=x").returncode == 2
    assert not os.path.exists(os.path.join(folder, "build-fuzz/ran"))


def main():
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                print("[       OK ]", name)
            except (AssertionError, subprocess.SubprocessError) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
