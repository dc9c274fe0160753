#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/embed.py OUT HEADER NAME=FILE...: files as arrays of a C file, each with its size.

For each NAME it defines `const unsigned char NAME[]` and `const size_t NAME_size`.
"""
import sys


def main():
    out, header, *rows = sys.argv[1:]
    lines = ["// SPDX-License-Identifier: Apache-2.0", "//", "// Made by tools/embed.py.",
             '#include "%s"' % header, ""]
    for row in rows:
        name, path = row.split("=", 1)
        with open(path, "rb") as file:
            data = file.read()
        lines.append("const unsigned char %s[] = {" % name)
        for at in range(0, len(data), 20):
            lines.append("    %s," % ", ".join(map(str, data[at:at + 20])))
        lines += ["};", "const size_t %s_size = sizeof %s;" % (name, name), ""]
    with open(out, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
