#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/style.py [--long]: what a machine can see of the style. Exits 1 when it is wrong.

Refuses: a file without its SPDX line and head, lines over 100 columns, tabs, trailing blanks,
banned calls, float below the edge, notes to do, functions over 150 lines, files over 1,500, folders
of src/ without a README.md, functions in a header without a contract. --long also lists the
functions over 70 lines, which are allowed and should be rare.
"""
import os
import re
import subprocess
import sys

LINE_MAX = 100
FUNCTION_REPORTED = 70
FUNCTION_MAX = 150
FILE_MAX = 1500
PRINTED = ("include/tael_records.h",)  # Made from descriptions, and compared with them by a test.
EXACT = ("base", "schema", "codec", "money", "ledger", "modules", "wal", "machine",
         "audit")
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|system|alloca)\s*\(")
FLOATING = re.compile(r"\b(float|double)\b")
NOTE = re.compile(r"\b(TODO|FIXME)\b")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Templates that are included several times: their heads are the contract of what they make.
PASSES = re.compile(r"src/schema/(pass_|make_)")


def blank(match):
    """Keeps line breaks, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


def bare(text):
    """The code without comments and literals."""
    return COMMENT.sub(blank, LITERAL.sub(blank, text))


class Report:
    def __init__(self):
        self.count = 0

    def add(self, path, line, what):
        self.count += 1
        print(f"{path}:{line}: {what}")


def check_head(report, path, lines):
    first = 1 if lines and lines[0].startswith("#!") else 0
    if len(lines) <= first or SPDX not in lines[first]:
        report.add(path, first + 1, "the SPDX line comes first")
    elif path.endswith((".c", ".h", ".def")):
        prose = [line for line in lines[first + 1:first + 4] if re.match(r"//\s*\S", line)]
        if not prose:
            report.add(path, first + 2, "a sentence of purpose follows the SPDX line")


def check_lines(report, path, lines):
    for number, line in enumerate(lines, 1):
        # The rows of an include table are one line each, however long their sentence.
        if len(line) > LINE_MAX and not path.endswith((".def", ".txt", ".md")):
            report.add(path, number, f"{len(line)} columns")
        if "\t" in line and os.path.basename(path) != "Makefile":
            report.add(path, number, "a tab")
        if line != line.rstrip():
            report.add(path, number, "blanks at the end of the line")
        if NOTE.search(line) and path != "tools/style.py":
            report.add(path, number, "a note to do")


def check_words(report, path, code):
    for number, line in enumerate(code.split("\n"), 1):
        banned = BANNED.search(line)
        if banned:
            report.add(path, number, f"{banned.group(1)} is banned")
        parts = path.split("/")
        if parts[0] == "src" and parts[1] in EXACT and FLOATING.search(line):
            report.add(path, number, "floating point below the edge")


def check_functions(report, path, code, show_long):
    start, name = 0, ""
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
            name = next((m.group(1) for at in range(number - 2, max(number - 14, -1), -1)
                         if (m := re.match(r"^[A-Za-z].*?(\w+)\(", lines[at]))), "")
        elif line.startswith("}") and start:
            length = number - start - 1
            if length > FUNCTION_MAX:
                report.add(path, start, f"{name} has {length} lines")
            elif length > FUNCTION_REPORTED and show_long:
                print(f"{path}:{start}: note: {name} has {length} lines")
            start = 0


def check_contracts(report, path, lines, code):
    """A comment above or beside a prototype covers it, or one above the group it stands in."""
    code_lines = code.split("\n")
    covered = False
    body = False
    for number, line in enumerate(lines):
        if not line.strip():
            covered = False
        elif line.startswith("//"):
            covered = True
        if body:
            body = not code_lines[number].startswith("}")
            continue
        if re.match(r"^(struct|enum|union)\b[^(]*\{$", code_lines[number]):
            body = True
            continue
        head = re.match(r"^(?!typedef|static_assert|#|\}|return|else)[A-Za-z_].*?(\w+)\(", line)
        if line == "{":
            body = True
        elif head and not re.match(r"^[A-Z_0-9]+\(", line) and not covered and "//" not in line:
            report.add(path, number + 1, f"{head.group(1)} has no contract")


def main():
    show_long = "--long" in sys.argv[1:]
    report = Report()
    files = subprocess.run(["tools/sources"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split("\n")
    for path in sorted(filter(os.path.isfile, files)):
        if not path.endswith((".c", ".h", ".def", ".py", ".sh")) and path not in (
                "run", "test", "Makefile", ".ci/run", "tools/need", "tools/sources",
                "tools/suites", "tools/checks"):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        lines = text.rstrip("\n").split("\n")
        check_head(report, path, lines)
        check_lines(report, path, lines)
        if len(lines) > FILE_MAX and path not in PRINTED:
            report.add(path, FILE_MAX, f"{len(lines)} lines")
        if path.endswith((".c", ".h")):
            code = bare(text)
            check_words(report, path, code)
            check_functions(report, path, code, show_long)
            if path.endswith(".h") and not PASSES.match(path):
                check_contracts(report, path, lines, code)
    for folder in sorted(os.listdir("src")):
        if not os.path.isfile(f"src/{folder}/README.md"):
            report.add(f"src/{folder}", 1, "no README.md")
    return int(report.count > 0)


if __name__ == "__main__":
    sys.exit(main())
