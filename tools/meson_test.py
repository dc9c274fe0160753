#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/meson_test.py FOLDER [ARGUMENT...]: runs the unit tests of a build folder.

Counts the cases inside each program, as cmocka prints them; a program that fails without naming
a case counts as one failure. Prints what failed and what was skipped, then `PASSED FAILED` as the
last line.
"""
import json
import os
import re
import subprocess
import sys

OK = re.compile(r"^\[       OK \] ", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] (test_\w+)$", re.M)
BAD = re.compile(r"^\[  FAILED  \] (?!\S+: \d+ test)(\w+)$", re.M)


def main() -> int:
    folder, arguments = sys.argv[1], sys.argv[2:]
    log = os.path.join(folder, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.remove(log)
    run = subprocess.run(["meson", "test", "-C", folder, "--print-errorlogs", *arguments],
                         stdin=subprocess.DEVNULL, check=False)
    passed = failed = 0
    if os.path.exists(log):
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                program = json.loads(line)
                text = program.get("stdout", "") + "\n" + program.get("stderr", "")
                cases = len(OK.findall(text))
                bad = len(set(BAD.findall(text)))
                for case in sorted(set(SKIPPED.findall(text))):
                    print("skipped:", program["name"], case)
                if program["result"] == "SKIP":
                    print("skipped:", program["name"])
                elif program["result"] in ("OK", "EXPECTEDFAIL"):
                    passed += max(cases, 1)
                else:
                    passed += cases
                    failed += max(bad, 1)
    if run.returncode != 0 and failed == 0:
        failed = 1
    sys.stdout.flush()
    print(passed, failed)
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
