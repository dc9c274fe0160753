#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/layers.py: includes point downwards only. Exits 1 when one does not.

A folder may include itself, the folders below it, and those on its own level. The order is that of
docs/ARCHITECTURE.md. The auditor, which is to be a second hand, may include less; its tests, which
make folders with the server's own code, may include all.
"""
import os
import re
import sys

LEVELS = [("base", "os"), ("schema",), ("codec",), ("money", "proof"), ("ledger",), ("modules",),
          ("wal",), ("machine",), ("server", "projection"), ("client",), ("edge",),
          ("cli", "check"),
          ("audit",)]
ALONE = {"edge": ("edge", "client", "machine", "modules", "ledger", "money", "codec", "schema",
                  "os", "base"),
         "audit": ("audit", "proof", "base", "codec"),
         "proof": ("proof", "base", "schema", "codec"),
         "check": ("check", "proof", "base", "schema", "codec")}
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def main():
    wrong = 0
    for folder, _, names in sorted(os.walk("src")):
        for name in sorted(names):
            if not name.endswith((".c", ".h", ".def")):
                continue
            path = os.path.join(folder, name)
            here = path.split(os.sep)[1]
            if here not in LEVEL:
                print(f"{path}:1: folder {here} is on no level; see tools/layers.py")
                wrong += 1
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for match in INCLUDE.finditer(text):
                there = match.group(1).split("/")[0]
                allowed = ALONE.get(here, LEVEL) if not name.endswith("_test.c") else LEVEL
                if "/" in match.group(1) and there in allowed and LEVEL[there] <= LEVEL[here]:
                    continue
                line = text.count("\n", 0, match.start()) + 1
                print(f"{path}:{line}: {here} may not include {match.group(1)}")
                wrong += 1
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
