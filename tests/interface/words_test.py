#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/interface/words_test.py PROGRAM...: programs of tests that take a seed first and then a
number of steps refuse words that are none, with exit code 2 and their usage, and run nothing."""
import subprocess
import sys


def main():
    failed = 0
    for program in sys.argv[1:]:
        for words in (("x", "y"), ("1x", "1"), ("", "1"), ("-1", "1"),
                      ("18446744073709551616", "1"), ("1", "y")):
            if "past" in program and words[0] == "1":
                continue  # Has a seed alone.
            done = subprocess.run([program, *words], stdout=subprocess.PIPE, timeout=60,
                                  stderr=subprocess.PIPE, text=True, check=False)
            bad = words[1] if words[0] == "1" else words[0]
            if (done.returncode != 2 or done.stdout != "" or
                    not done.stderr.startswith('"%s" is no number\nusage: ' % bad)):
                failed += 1
                print("[  FAILED  ] %s %r: %d %s" % (program, words, done.returncode, done.stderr))
    if failed == 0:
        print("[       OK ] test_words")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
