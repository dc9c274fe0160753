#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/mutate.py [--only PATH] [--jobs N] [--sample SECONDS] [--seed N] [--quick] [--list]: takes
out each rule by which something is refused, one at a time, and runs the tests: one must fail. A
rule whose absence no test notices is a survivor; the survivors are printed, and the exit code is 1
when there is one.

What a rule is, and how it is taken out, is at the head of tools/mutation_rules.py. It looks at the
modules (src/modules/*/*.c without models and generators), at the ledger's accounts, transfers,
cells and constraints, and at what the machine refuses: plans, slices, imports, overrides.

Every rule of a file is made able to be taken out in one changed copy of it, in build-mutate; which
one is, the program that was linked with the copies reads from the environment. So nothing is built
again for a rule, and the tree and its build folder stay as they are. A changed file that does not
compile ends it (exit code 2): none of its rules would have been tried.

First each test program runs with no rule taken out: it must pass, and it notes the rules that
refuse something in it. A rule is tried on the programs that it refuses something in, the quickest
first. On a rule that those do not notice the slow ones (random commands beside models) are tried. A
rule is noticed when a program fails, dies or does not end in twenty times its time.

--sample: rules in an order by the seed (the commit's when it is not given) until so many seconds
are over; the last line is `NOTICED SURVIVORS`. --only: rules of files whose path begins so.
--quick: without the slow programs. tools/mutate_test.py tries the tool itself on a program of which
it is known what it must find."""
import argparse
import concurrent.futures
import glob
import json
import mmap
import os
import random
import re
import resource
import shlex
import subprocess
import sys
import threading
import time

import mutation_rules

FOLDER = "build-mutate"
BUILD = "build"
# What refuses here is a status: its guards and their parts alone.
STATUS_FILES = ("src/machine/override.c",)
# Rules whose absence nobody could see, {(path, kind, text): why}. One that is not there any more
# ends the run; one that a test notices counts as a survivor.
EQUIVALENT = {
    ("src/machine/commit.c", "guard", "plan->unique_id == 0"):
        "saves a look-up: no posting has an id by the position of a refused command",
}
HARNESS = ("_model", "_random", "_test.", "_compare")
FILES = ("src/modules/*/*.c", "src/ledger/ledger.c", "src/ledger/ledger_transfer.c",
         "src/ledger/ledger_cell.c", "src/ledger/ledger_constraint.c", "src/machine/commit.c",
         "src/machine/commit_import.c", "src/machine/commit_slice.c", "src/machine/compat.c",
         "src/machine/create.c", "src/machine/machine.c", "src/machine/override.c",
         "src/machine/sub_ledger.c")
QUICK = ["commit", "job", "machine-import", "machine-override", "machine-past", "turnover",
         "ledger_cell", "effect_model", "compat", "compat_message", "compat_port", "tael_port"]
SLOW = ["ledger_real", "principal_model", "name_model", "book_model"]

HEADER = """// Made by tools/mutate.py.
#include <stdbool.h>
extern unsigned mutant_number;
extern unsigned char *mutant_fired;
static inline bool mutant_holds(unsigned number, bool holds)
{
    if (!holds) return false;
    mutant_fired[number] = 1;
    return number != mutant_number;
}
#define mutant_rule(number, ...) mutant_holds(number, (__VA_ARGS__) ? true : false)
"""

RUNTIME = """// Made by tools/mutate.py.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
unsigned mutant_number;
static unsigned char spare[%(size)d];
unsigned char *mutant_fired = spare;
__attribute__((constructor)) static void mutant_begin(void)
{
    const char *number = getenv("TAEL_MUTANT");
    const char *fired = getenv("TAEL_MUTANT_FIRED");
    if (number != NULL) mutant_number = (unsigned)strtoul(number, NULL, 10);
    if (fired == NULL) return;
    int file = open(fired, O_RDWR);
    void *map = mmap(NULL, sizeof spare, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) abort();
    mutant_fired = map;
}
"""


def fail(text):
    print(f"tools/mutate.py: {text}", file=sys.stderr)
    sys.exit(2)


class Program:
    """A test: a command that fails when a rule is missing that it knows of."""

    def __init__(self, name, command, environment=None):
        self.name, self.command = name, command
        self.environment = environment or {}
        self.fired = b""   # By number of a rule: whether it refused something.
        self.limit = 600.0  # Seconds until it counts as one that does not end.
        self.seconds = 0.0

    def run(self, number, fired=None):
        """Whether it passes with the rule of a number taken out."""
        environment = os.environ | self.environment | {"TAEL_MUTANT": str(number)}
        if fired:
            environment["TAEL_MUTANT_FIRED"] = fired
        try:
            done = subprocess.run(
                self.command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env=environment, timeout=self.limit,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def begin(self, size, folder):
        """Runs it with every rule, the last number being none's: it must pass. Notes what refuses
        in it, and its time."""
        path = os.path.join(folder, f"fired-{re.sub('[^a-z0-9_]', '-', self.name)}")
        with open(path, "wb") as file:
            file.write(bytes(size))
        start = time.monotonic()
        if not self.run(size - 1, os.path.abspath(path)):
            fail(f"{self.name} fails with every rule in its place: {shlex.join(self.command)}")
        self.seconds = time.monotonic() - start
        self.limit = 10 + 20 * self.seconds
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as map_:
            self.fired = map_[:]


class Run:
    """What became of the rules so far."""

    def __init__(self, size, quick, slow, folder, quiet=False):
        self.size, self.folder, self.quiet = size, folder, quiet
        self.quick, self.slow = quick, slow
        self.lock = threading.Lock()
        self.slow_lock = threading.Lock()
        self.done = self.killed = 0
        self.killed_by = {}
        self.survivors = []
        self.equivalent = []  # As they are expected to be.

    def begin(self, jobs):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda program: program.begin(self.size, self.folder), self.quick))
        self.quick.sort(key=lambda program: program.seconds)

    def killer(self, rule):
        """The first program that notices the absence of a rule; None when none does. Those of the
        rule's own folder come first."""
        number, own = rule.number, os.path.dirname(rule.path).removeprefix("src/")
        for program in sorted(self.quick, key=lambda program: own not in program.name):
            if program.fired[number] and not program.run(number):
                return program.name
        for program in self.slow:
            with self.slow_lock:
                if not program.fired:
                    program.begin(self.size, self.folder)
            if program.fired[number] and not program.run(number):
                return program.name
        return None

    def is_fired(self, number):
        return any(program.fired[number] for program in self.quick + self.slow if program.fired)

    def try_rule(self, rule, count):
        killer = self.killer(rule)
        with self.lock:
            self.done += 1
            if rule.is_equivalent and killer is None:
                self.equivalent.append(rule)
            elif rule.is_equivalent:
                self.survivors.append(rule)
                if not self.quiet:
                    print(f"{rule.path}:{rule.line}: {killer} notices that `{rule.text}` is taken "
                          "out: it is no equivalent")
            elif killer:
                self.killed += 1
                self.killed_by[killer] = self.killed_by.get(killer, 0) + 1
            else:
                self.survivors.append(rule)
                if not self.quiet:
                    survivor_print(rule, self)
            if not self.quiet and (sys.stdout.isatty() or self.done % 50 == 0):
                print(f"{self.done} of {count} rules, {len(self.survivors)} survive",
                      end="\r" if sys.stdout.isatty() else "\n", flush=True)

    def go(self, rules, jobs, seconds=None):
        """Tries rules until all are tried or the time is over."""
        end = None if seconds is None else time.monotonic() + seconds

        def one(rule):
            if end is None or time.monotonic() < end:
                self.try_rule(rule, len(rules))

        pool = concurrent.futures.ThreadPoolExecutor(jobs)
        try:
            list(pool.map(one, rules))
        finally:
            pool.shutdown(cancel_futures=True)
        self.survivors.sort(key=lambda rule: rule.number)


def rules_of(paths, names):
    """The rules of files, numbered from 1, and the changed texts: {path: text}."""
    rules, texts = [], {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            source = file.read()
        if path in STATUS_FILES:
            found = [rule for rule in mutation_rules.Finder(source, {"STATUS_INVALID"}).find()
                     if rule.kind in ("guard", "part")]
        else:
            found = mutation_rules.Finder(source, names).find()
        for rule in found:
            rule.number, rule.path = len(rules) + 1, path
            rule.line = source.count("\n", 0, rule.begin) + 1
            rule.text = " ".join(source[rule.begin:rule.end].split())
            rule.is_equivalent = (path, rule.kind, rule.text) in EQUIVALENT
            rules.append(rule)
        texts[path] = mutation_rules.changed(source, found)
    return rules, texts


def write_if_new(path, text):
    """Leaves a file as it is that has the text, so that nothing is compiled again for it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def quiet(command, folder, what):
    done = subprocess.run(command, check=False, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace")[-4000:], file=sys.stderr)
        fail(what)
    return done.stdout.decode()


def compile_command(command, source, header, output):
    """The command of the build folder for a file, for its changed copy."""
    words, out = shlex.split(command), []
    skip = 0
    for word in words:
        if skip:
            skip -= 1
        elif word in ("-o", "-MQ", "-MF", "-c"):
            skip = 1
        elif word not in ("-Werror", "-MD"):
            out.append(word)
    return out + ["-w", "-include", header, "-c", source, "-o", output]


def objects_build(texts, size, jobs):
    """Compiles the changed copies; the paths of the objects."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        commands = {os.path.relpath(os.path.join(entry["directory"], entry["file"])): entry
                    for entry in json.load(file)}
    header = os.path.abspath(os.path.join(FOLDER, "mutant.h"))
    runtime = os.path.abspath(os.path.join(FOLDER, "mutant.c"))
    write_if_new(header, HEADER)
    write_if_new(runtime, RUNTIME % {"size": size})

    def build(path):
        entry = commands[path]
        copy = os.path.abspath(os.path.join(FOLDER, path))
        write_if_new(copy, f'#line 1 "../{path}"\n{texts[path]}')
        words = compile_command(entry["command"], copy, header, copy + ".o")
        # What a file includes may have changed as well: compiled anew each time.
        quiet(words, entry["directory"], f"the changed copy of {path} does not compile")
        return copy + ".o"

    quiet(["cc", "-c", "-fPIC", runtime, "-o", runtime + ".o"], ".", "mutant.c does not compile")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(build, texts)) + [runtime + ".o"]


def link(name, objects):
    """Links a test program of the build folder with the changed objects before its libraries."""
    command = quiet(["ninja", "-C", BUILD, "-t", "commands", name], ".", f"no program {name}")
    words = shlex.split(command.splitlines()[-1])
    path = os.path.abspath(os.path.join(FOLDER, name))
    words[words.index("-o") + 1] = path
    first = next(i for i, word in enumerate(words) if word.startswith("-Wl,"))
    quiet(words[:first] + objects + words[first:], BUILD, f"{name} cannot be linked")
    return path


def programs_build(texts, size, jobs):
    """The quick and the slow programs, linked."""
    quiet(["tools/suites", "configure"], ".", "the build folder cannot be configured")
    names = ["command_table", *QUICK, *SLOW]
    quiet(["ninja", "-C", BUILD, *names], ".", "the test programs cannot be built")
    objects = objects_build(texts, size, jobs)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        paths = dict(zip(names, pool.map(lambda name: link(name, objects), names)))
    tables = sorted(glob.glob("src/modules/*/tables/*.txt"))
    quick = [Program(table, [paths["command_table"], os.path.relpath(table, "src/modules")])
             for table in tables]
    quick += [Program(name, [paths[name]]) for name in QUICK]
    quick.append(Program("ledger_real, short", [paths["ledger_real"]], {"LEDGER_EVENTS": "60000"}))
    return quick, [Program(name, [paths[name]]) for name in SLOW]


def seed_of_commit():
    done = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return int(done.stdout, 16) if done.returncode == 0 else 1


def survivor_print(rule, run):
    why = "no test notices it" if run.is_fired(rule.number) else "it refuses nothing in any test"
    print(f"{rule.path}:{rule.line}: {rule.kind} `{rule.text}` can be taken out: {why}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATH")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--sample", type=float, metavar="SECONDS")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--quick", action="store_true", help="without the slow programs")
    parser.add_argument("--list", action="store_true", help="prints the rules, runs nothing")
    options = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    paths = sorted(path for pattern in FILES for path in glob.glob(pattern)
                   if not any(word in path for word in HARNESS))
    rules, texts = rules_of(paths, mutation_rules.names())
    gone = set(EQUIVALENT) - {(rule.path, rule.kind, rule.text) for rule in rules}
    if gone:
        fail(f"no such rules any more, of EQUIVALENT: {sorted(gone)}")
    wanted = [rule for rule in rules if rule.path.startswith(options.only)]
    if not wanted:
        fail(f"no rule in {options.only}")
    if options.list:
        for rule in wanted:
            print(f"{rule.path}:{rule.line}: {rule.kind} `{rule.text}`")
        return 0
    start = time.monotonic()
    size = (len(rules) + 4096) & ~4095
    run = Run(size, *programs_build(texts, size, options.jobs), FOLDER)
    if options.quick:
        run.slow = []
    run.begin(options.jobs)
    tried = list(wanted)
    seed = seed_of_commit() if options.seed is None else options.seed
    if options.sample is not None:
        random.Random(seed).shuffle(tried)
        print(f"seed {seed}")
    try:
        run.go(tried, options.jobs, options.sample)
    except KeyboardInterrupt:
        print("\ninterrupted")
    for name, count in sorted(run.killed_by.items(), key=lambda item: -item[1]):
        if options.sample is None:
            print(f"{count:5} noticed by {name}")
    print(f"{run.done} of {len(wanted)} rules tried, {run.killed} noticed, "
          f"{len(run.equivalent)} equivalent, {len(run.survivors)} survive, "
          f"{time.monotonic() - start:.0f} s")
    if options.sample is not None:
        print(f"{run.killed} {len(run.survivors)}")
    return 1 if run.survivors or run.done == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
