#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/interface/bench_raw_test.py BENCH_RAW: where the machine does not let instructions and
cycles be counted, bench-raw says so and prints no number for them; else it prints one."""
import re
import subprocess
import sys

COUNTED = re.compile(r" ([0-9.]+) (instructions|cycles|ns)[ ;]")


def main():
    done = subprocess.run([sys.argv[1], "1"], stdout=subprocess.PIPE, text=True, timeout=300,
                          check=True)
    lines = done.stdout.splitlines()
    has_none = lines[0].startswith("Hardware counters are not to be had here")
    rows = lines[1:] if has_none else lines
    assert rows and all(" transfers " in row or " accounts " in row for row in rows), done.stdout
    for row in rows:
        found = COUNTED.findall(row)
        assert [unit for _, unit in found].count("ns") == 2, row
        assert has_none == (len(found) < 6), row
        assert all(float(number) > 0 for number, unit in found if unit != "ns"), row
    print("[       OK ] test_what_is_not_counted_is_said")
    return 0


if __name__ == "__main__":
    sys.exit(main())
