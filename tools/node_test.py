#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/node_test.py FOLDER: installs the locked packages of FOLDER and runs its `npm test`.

The tests find the server in the environment: TAEL_BINARY. Prints the runner's own output, then
`PASSED FAILED` as the last line.
"""
import os
import re
import subprocess
import sys

COUNT = re.compile(r"^(?:#|\u2139) (pass|fail|cancelled) (\d+)$", re.M)


def packages_install(folder: str) -> bool:
    """Runs `npm ci` unless the lock file is the one that was installed."""
    lock = os.path.join(folder, "package-lock.json")
    done = os.path.join(folder, "node_modules", ".package-lock.json")
    if os.path.exists(done) and os.path.getmtime(done) > os.path.getmtime(lock):
        return True
    return subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder,
                          check=False).returncode == 0


def main() -> int:
    folder = sys.argv[1]
    if not packages_install(folder):
        print("0 1")
        return 1
    environment = dict(os.environ, TAEL_BINARY=os.path.abspath("build/tael"), NO_COLOR="1")
    run = subprocess.run(["npm", "test", "--silent"], cwd=folder, env=environment, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False)
    print(run.stdout)
    counts = {"pass": 0, "fail": 0, "cancelled": 0}
    for name, count in COUNT.findall(run.stdout):
        counts[name] += int(count)
    failed = counts["fail"] + counts["cancelled"]
    if run.returncode != 0 and failed == 0:
        failed = 1
    print(counts["pass"], failed)
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
