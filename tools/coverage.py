#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/coverage.py FOLDER [--files] [--missed PATH] [--decides]: what the tests of a build folder
that was made with -Db_coverage=true reached of src/, by gcov: lines and branches by folder (with
--files by file), and with --missed the lines of the files below a path that were not reached, or
not both ways. The row `every decide` is of the functions of modules that refuse commands, as
tools/mutate.py sees them; --decides shows what is missed in those alone. The exit code is 1 when a
branch of money or of a decide was never taken, or when a folder below the edge had no more than
90 % of its branches taken; the last lines say which.

A line with an assertion has no branch that a test should take; neither has a line of test code:
what is in the library of the tests, tests, and what their names say."""
import argparse
import collections
import json
import os
import subprocess
import sys

import mutation_rules


# Processes of their own at the edge; what they do is tried from outside.
EDGE = "src/cli", "src/check", "src/client", "src/edge"
TESTING = "libtael-testing.a.p"  # Objects of models, generators and harnesses.
SHARE_MIN = 90  # Per cent of the branches of a folder below the edge: more must be taken.


def gcov_of(data):
    """What gcov says of one object, as JSON documents."""
    done = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", data],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          cwd=os.path.dirname(data))
    return [json.loads(line) for line in done.stdout.decode().splitlines() if line]


def is_counted(path):
    """Sources of the product: no tests, models, generators or harnesses of tests."""
    name = os.path.basename(path)
    words = ("_test.", "_model", "_random", "_compare", "_world", "_fixture", "_stub",
             "command_table", "disk_memory", "disk_failing", "refused_calls")
    return path.startswith("src/") and not any(word in name for word in words)


class Source:
    """A file: how often each line ran, and how often each branch of a line was taken."""

    def __init__(self, path):
        self.lines = collections.Counter()
        self.branches = collections.Counter()
        with open(path, encoding="utf-8") as file:
            self.text = [""] + file.read().splitlines()

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        if "assert(" in self.text[number]:
            return
        for index, branch in enumerate(line["branches"]):
            if not branch["throw"]:
                self.branches[number, index] += branch["count"]

    def of_lines(self, numbers):
        """The part of it that is these lines."""
        part = Source.__new__(Source)
        part.text = self.text
        part.lines = {number: count for number, count in self.lines.items() if number in numbers}
        part.branches = {place: count for place, count in self.branches.items()
                         if place[0] in numbers}
        return part

    def missed(self):
        """Numbers of lines that never ran, or of which a branch was never taken."""
        numbers = {number for number, count in self.lines.items() if count == 0}
        numbers |= {number for (number, _), count in self.branches.items() if count == 0}
        return sorted(numbers)


def sources_of(folder):
    """{path: Source} of everything that the objects of a build folder have of src/."""
    found = {}
    root = os.path.realpath(".")
    for place, _, names in os.walk(os.path.realpath(folder)):
        for name in names:
            if not name.endswith(".gcda") or os.path.basename(place) == TESTING:
                continue
            for document in gcov_of(os.path.join(place, name)):
                for file in document["files"]:
                    path = os.path.join(document["current_working_directory"], file["file"])
                    path = os.path.relpath(os.path.realpath(path), root)
                    if not is_counted(path):
                        continue
                    source = found.setdefault(path, None) or Source(path)
                    found[path] = source
                    for line in file["lines"]:
                        source.add(line)
    return found


def share(counts):
    """Of counters: how many are not 0, of how many."""
    return sum(count > 0 for count in counts), len(counts)


def groups_of(found, prefix):
    return [source for path, source in found.items() if path.startswith(prefix)]


def row_print(name, sources):
    lines = share([count for source in sources for count in source.lines.values()])
    branches = share([count for source in sources for count in source.branches.values()])
    shares = [f"{100 * a / b:6.1f} %" if b else "       –" for a, b in (lines, branches)]
    print(f"{name:<40} {lines[1]:7} {shares[0]} {branches[1]:9} {shares[1]}")


def decides_of(found):
    """{path: Source} of the functions of modules that refuse commands."""
    names = mutation_rules.names()
    return {path: source.of_lines(mutation_rules.deciding_lines("\n".join(source.text[1:]), names))
            for path, source in found.items() if path.startswith("src/modules/")}


def poor_folders(found):
    """Lines about the folders below the edge of which too few branches were taken."""
    groups = collections.defaultdict(list)
    for path, source in found.items():
        if not path.startswith(tuple(f"{edge}/" for edge in EDGE)):
            groups[os.path.dirname(path)].append(source)
    lines = []
    for name, sources in sorted(groups.items()):
        taken, count = share([n for source in sources for n in source.branches.values()])
        if 100 * taken <= SHARE_MIN * count and count > 0:
            lines.append(f"{name}: {taken} of {count} branches were taken, "
                         f"which is not over {SHARE_MIN} %")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--missed", metavar="PATH")
    parser.add_argument("--decides", action="store_true")
    options = parser.parse_args()
    found = sources_of(options.folder)
    if not found:
        sys.exit(f"tools/coverage.py: no test of {options.folder} has run with -Db_coverage=true")
    groups = collections.defaultdict(list)
    for path, source in sorted(found.items()):
        groups[path if options.files else os.path.dirname(path)].append(source)
    print(f"{'':<40} {'lines':>7} {'run':>8} {'branches':>9} {'taken':>8}")
    for name, sources in sorted(groups.items()):
        row_print(name, sources)
    row_print("all", list(found.values()))
    decides = decides_of(found)
    row_print("every decide", list(decides.values()))
    for path, source in sorted((decides if options.decides else found).items()):
        if options.missed is None or not path.startswith(options.missed):
            continue
        for number in source.missed():
            print(f"{path}:{number}: {source.text[number].strip()}")
    whole = list(decides.values()) + groups_of(found, "src/money/")
    missed = sum(count == 0 for source in whole for count in source.branches.values())
    poor = poor_folders(found)
    if missed:
        poor.append(f"{missed} branches of money and of every decide were never taken")
    for line in poor:
        print(f"tools/coverage.py: {line}")
    return int(len(poor) > 0)


if __name__ == "__main__":
    sys.exit(main())
