#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/mutate_test.py: the tool that takes out rules (tools/mutate.py), on a program of which it
is known which rules its test notices. The last line is `PASSED FAILED`.

A tool that called every rule noticed would say what one likes to hear: here one rule is redundant,
one never refuses anything, and both must be called survivors; the others must be noticed, a rule
without which the program never ends among them."""
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile

import mutate
import mutation_rules

NAMES = {"BOX_ZERO", "BOX_LARGE", "BOX_ODD", "BOX_FULL", "BOX_OTHER"}

SOURCE = """
enum { MODULE_DONE, BOX_ZERO, BOX_LARGE, BOX_ODD, BOX_FULL, BOX_OTHER };
static unsigned limit_check(unsigned amount) // if (amount == 1) return BOX_ZERO;
{
    return amount > 50 ? BOX_FULL : MODULE_DONE;
}
unsigned decide(unsigned kind, unsigned amount)
{
    unsigned odd = 0;
    if (kind > 1) return BOX_OTHER;
    if (amount == 0) return BOX_ZERO;
    if (amount > 100 || amount > 200) {
        return BOX_LARGE;
    }
    for (unsigned i = amount; i != 0; i -= 2) {
        if (i == 1) return BOX_ODD;
        odd++;
    }
    if (odd > 1000) return BOX_LARGE;
    unsigned refusal = MODULE_DONE;
    if (refusal == MODULE_DONE) refusal = limit_check(amount);
    return refusal;
}
"""

TEST = """
enum { MODULE_DONE, BOX_ZERO, BOX_LARGE, BOX_ODD, BOX_FULL, BOX_OTHER };
unsigned decide(unsigned kind, unsigned amount);
int main(void)
{
    return decide(0, 0) != BOX_ZERO || decide(0, 101) != BOX_LARGE || decide(0, 201) != BOX_LARGE ||
           decide(0, 7) != BOX_ODD || decide(0, 60) != BOX_FULL || decide(0, 50) != MODULE_DONE ||
           decide(2, 8) != BOX_OTHER;
}
"""

# Kind, text, whether the test notices it. `amount > 200` alone refuses nothing (the alternative
# before it does), nor does `odd > 1000`; without `i == 1` the program does not end.
EXPECTED = [("choice", "amount > 50", True), ("guard", "kind > 1", True),
            ("guard", "amount == 0", True), ("guard", "amount > 100", True),
            ("guard", "amount > 200", False), ("guard", "i == 1", True),
            ("guard", "odd > 1000", False), ("step", "refusal == MODULE_DONE", True)]

# A body of a function, and the kinds and texts of what can be taken out of it.
FORMS = [
    ("if (x) return BOX_ODD; return MODULE_DONE;", [("guard", "x")]),
    ("if (x && (a || b)) return BOX_ODD; return MODULE_DONE;",
     [("part", "x"), ("part", "(a || b)"), ("guard", "a"), ("guard", "b")]),
    ("if (a || (b && c)) return BOX_ODD; return MODULE_DONE;",
     [("guard", "a"), ("guard", "(b && c)"), ("part", "b"), ("part", "c")]),
    ("if (UNLIKELY(a || b)) { e = 1; return BOX_ODD; }", [("guard", "a"), ("guard", "b")]),
    ("if (x) r = BOX_ODD; else if (y) r = BOX_FULL; else r = BOX_ZERO;",
     [("guard", "x"), ("guard", "y"), ("word", "BOX_ZERO")]),
    ("if (x) return MODULE_DONE; return BOX_ODD;", [("word", "BOX_ODD")]),
    ("return x ? MODULE_DONE : BOX_ODD;", [("choice", "x")]),
    ("return x ? BOX_FULL : BOX_ODD;",
     [("word", "x ? BOX_FULL : BOX_ODD"), ("choice", "x"), ("choice", "x")]),
    ("switch (x) { case 1: return BOX_ODD; case BOX_FULL: break; } return MODULE_DONE;",
     [("word", "BOX_ODD")]),
    ("if (status != STATUS_OK) return BOX_ODD; return MODULE_DONE;", []),
    ("if (r != MODULE_DONE) return r; give(BOX_ODD);",
     [("guard", "r != MODULE_DONE"), ("word", "BOX_ODD")]),
    ("reply = (struct reply){.n = 1, .result = BOX_ODD};", [("word", "BOX_ODD")]),
    ('text = "if (x) return BOX_ODD;"; // return BOX_ODD;', []),
    ("if (x == BOX_ODD) y = 1;", []),
]


# The same of functions that refuse by a truth value.
TRUTHS = [
    ("plan_fits", "if (a || b) return false; return x && (y || z);",
     [("guard", "a"), ("guard", "b"), ("guard", "x"), ("guard", "(y || z)")]),
    ("plan_fits", "if (a) { return true; } return true;", []),
    ("is_refused", "if (a && b) return true; if (c) return false; return x || y;",
     [("guard", "a && b"), ("part", "a"), ("part", "b"), ("guard", "x"), ("guard", "y")]),
]


def forms_wrong():
    """How many forms are not read as they are meant."""
    wrong = 0
    for name, body, expected in [("f", *form) for form in FORMS] + TRUTHS:
        text = f"static u32 {name}(void)\n{{\n    {body}\n    (void)MODULE_DONE;\n}}\n"
        found = [(rule.kind, text[rule.begin:rule.end])
                 for rule in mutation_rules.Finder(text, NAMES).find()]
        if found != expected:
            print(f"{body}\n    expected {expected}\n    found    {found}")
            wrong += 1
    return wrong


def build(folder, source, rules):
    """The program with every rule able to be taken out; its path."""
    size = 4096
    files = {"mutant.h": mutate.HEADER, "mutant.c": mutate.RUNTIME % {"size": size},
             "box.c": mutation_rules.changed(source, rules), "test.c": TEST}
    for name, text in files.items():
        mutate.write_if_new(os.path.join(folder, name), text)
    subprocess.run(["cc", "-include", "mutant.h", "mutant.c", "box.c", "test.c", "-o", "test"],
                   cwd=folder, check=True)
    return os.path.join(folder, "test"), size


def equivalent_wrong(rules, before, size, folder):
    """What is called equivalent and is not noticed is no survivor, what is noticed is one."""
    for rule in rules:
        rule.is_equivalent = rule.text in ("odd > 1000", "kind > 1")
    run = mutate.Run(size, before.quick, [], folder, quiet=True)
    run.go(rules, 2)
    survivors = {rule.text for rule in run.survivors}
    equivalent = {rule.text for rule in run.equivalent}
    if survivors == {"amount > 200", "kind > 1"} and equivalent == {"odd > 1000"}:
        return 0
    print(f"survivors {survivors}, equivalent {equivalent}")
    return 1


def example_wrong(folder):
    """How many rules of the example are not found, or not called what they are."""
    rules = mutation_rules.Finder(SOURCE, NAMES).find()
    for number, rule in enumerate(rules, 1):
        rule.number, rule.path = number, "box.c"
        rule.text = SOURCE[rule.begin:rule.end]
    path, size = build(folder, SOURCE, rules)
    run = mutate.Run(size, [mutate.Program("test", [path])], [], folder, quiet=True)
    run.begin(1)
    run.quick[0].limit = 2.0  # It takes no time at all, but where it does not end.
    run.go(rules, 2)
    survivors = {rule.number for rule in run.survivors}
    found = [(rule.kind, rule.text, rule.number not in survivors) for rule in rules]
    if found == EXPECTED and run.killed + len(survivors) == len(EXPECTED):
        return equivalent_wrong(rules, run, size, folder)
    print(f"expected {EXPECTED}\nfound    {found}")
    return 1


def failing_wrong(folder):
    """A program that fails with every rule in its place proves nothing: it must be refused."""
    code = 0
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            mutate.Program("failing", ["false"]).begin(4096, folder)
    except SystemExit as stop:
        code = stop.code
    return int(code != 2)


def main():
    folder = tempfile.mkdtemp()
    try:
        wrong = forms_wrong() + example_wrong(folder) + failing_wrong(folder)
    finally:
        shutil.rmtree(folder)
    print(f"{len(FORMS) + len(TRUTHS) + 2 - wrong} {wrong}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
