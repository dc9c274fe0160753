# SPDX-License-Identifier: Apache-2.0
"""What the pages of bench/run and bench/depth share: the machine that they ran on, tables."""
import os
import platform
import subprocess
import time


def read(path, default=""):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return default


def field(text, key):
    """The value behind "key :" in a file of /proc."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "?"


def machine(folder):
    mount = subprocess.run(["df", "--output=source,fstype", folder], check=False,
                           capture_output=True, text=True).stdout.splitlines()
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], check=False,
                              capture_output=True, text=True,
                              cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    gib = int(field(read("/proc/meminfo"), "MemTotal").split()[0] or 0) / (1 << 20)
    return [
        ("processor", f"{field(read('/proc/cpuinfo'), 'model name')}, {os.cpu_count()} cores"),
        ("memory", f"{gib:.1f} GiB"),
        ("disk", " ".join(mount[-1].split()) if mount else "?"),
        ("kernel", platform.release()),
        ("revision", revision or "?"),
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
    ]


def table(header, rows):
    """An aligned Markdown table: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, ["-"] * len(header), *rows]:
        cells = []
        for i, cell in enumerate(row):
            if cell == "-" and row is not header:
                cells.append("-" * widths[i] if i == 0 else "-" * (widths[i] - 1) + ":")
            else:
                cells.append(cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
