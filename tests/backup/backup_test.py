#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/backup/backup_test.py TAEL TAEL_AUDIT: backups of a server under load, continued,
interrupted and killed, audited by a second hand; folders restored to frames and times; a full disk,
a damaged source. State digests are those of replaying a log that this file cuts by itself. Prints
its cases as cmocka does."""
import contextlib
import datetime
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

TAEL = ""
TAEL_AUDIT = ""
SEED = 7
FILE_SIZE = 64 << 20
HEADER = struct.Struct("<16sQII16sQQQQQIIQ")
MAGIC = int.from_bytes(b"TAEFRAME", "little")


def run_both(*arguments, code=0, folder=None):
    done = subprocess.run([TAEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, timeout=300, cwd=folder, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def run(*arguments, code=0, folder=None):
    return run_both(*arguments, code=code, folder=folder)[0]


def report(*arguments):
    return json.loads(run(*arguments, "--json"))


@contextlib.contextmanager
def server(data, *more):
    with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", "--accounts-max",
                           "65536", "--holds-max", "1048576", "--space-reserve", "0", *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line.startswith("ready "), process.stderr.read()
        said = []
        try:
            yield re.search(r"compat=(\S+)", line).group(1), said
        finally:
            process.send_signal(signal.SIGTERM)
            said.append(process.communicate(timeout=120)[1])
        assert process.returncode == 0, said


@contextlib.contextmanager
def load(address, workload, transfers):
    """A load on a server; ends with it."""
    with subprocess.Popen([TAEL, "bench", workload, "--connect", address, "--accounts", "1000",
                           "--transfers", str(transfers), "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        out, said = process.communicate(timeout=300)
    assert process.returncode == 0, (out, said)


def headers(data):
    """The headers of a stopped log: (sequence, timestamp, file, offset, size), by docs/FORMAT.md
    alone."""
    number, offset, expected = 0, 0, 0
    while True:
        path = os.path.join(data, "log-%08x" % number)
        if not os.path.exists(path):
            return
        with open(path, "rb") as file:
            while offset < FILE_SIZE:
                file.seek(offset)
                head = file.read(HEADER.size)
                if len(head) < HEADER.size:
                    break
                row = HEADER.unpack(head)
                if row[1] != MAGIC or row[6] != expected:
                    break
                size = row[12] + 256
                yield row[6], row[8], number, offset, size
                expected += 1
                offset += size
        number, offset = number + 1, 0


def state_of_cut(folder, data, sequence):
    """The state digest behind a frame, by replaying a copy of the log that ends with it."""
    cut = os.path.join(folder, "cut")
    os.mkdir(cut)
    for found, _, number, offset, size in headers(data):
        if found == sequence:
            break
    else:
        raise AssertionError((sequence, "is not in the log"))
    for i in range(number + 1):
        shutil.copyfile(os.path.join(data, "log-%08x" % i), os.path.join(cut, "log-%08x" % i))
    with open(os.path.join(cut, "log-%08x" % number), "r+b") as file:
        file.truncate(offset + size)
        file.truncate(FILE_SIZE)
    done = report("verify", cut, "--replay")
    assert done["frames"] == sequence + 1, done
    shutil.rmtree(cut)
    return done["replayed_state"]


def verified(folder):
    """A folder is whole, its checkpoint is what replaying the log gives. Returns the report."""
    done = report("verify", folder, "--replay")
    assert done["ok"] and not done["torn"], done
    assert (done["checkpoint"] == 0) != done["replayed_checkpoint"], done
    return done


def audited(folder, code=0):
    """What the second hand says of a folder."""
    done = subprocess.run([TAEL_AUDIT, folder, "--json"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    assert done.returncode == code, (folder, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if code != 3 else done.stderr


def audit_agrees(folder):
    """A backup is whole by the second hand too, and ends where the first one says."""
    first, second = report("verify", folder), audited(folder)
    assert second["backup"] and not second["torn"], second
    assert second["balances_compared"] == (first["checkpoint"] > 0), second
    assert all(first[name] == second[name] for name in ("frames", "head", "checkpoint")), \
        (first, second)
    return second["frames"]


def end_backup(data, copy, number, ends):
    """Begins a backup and ends it at some moment, if it has not ended by then."""
    with subprocess.Popen([TAEL, "backup", data, copy], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=random.random() * 0.03)
        process.send_signal(number)
    ends[process.returncode] = ends.get(process.returncode, 0) + 1
    done = subprocess.run([TAEL, "verify", copy], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        text = "is an unfinished backup" if os.path.exists(os.path.join(copy, "backup")) \
            else "holds no log" if os.path.exists(copy) else "No such file"
        assert text in done.stderr, done
        if os.path.exists(os.path.join(copy, "backup")):
            said = audited(copy, code=3)
            assert "is an unfinished backup\nhint: `tael backup` with the same" in said, said


def test_backups_of_a_server_at_work(folder):
    """Continued, interrupted and killed, while checkpoints and merges happen."""
    data, copy = os.path.join(folder, "data"), os.path.join(folder, "copy")
    random.seed(SEED)
    whole = []  # Reports of the backups, and of their verification.
    ends = {-signal.SIGKILL: 0, 3: 0}
    with server(data, "--checkpoint-bytes", "1048576") as (address, _):
        for i in range(8):
            with load(address, "two-phase", 160000):
                for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
                    end_backup(data, copy, number, ends)
                    # A backup that was whole is whole; another one is none.
                    if whole:
                        assert audit_agrees(copy) > whole[-1][0]["sequence"]
                made = report("backup", data, copy) if i > 1 else None
            if made is not None:
                whole.append((made, verified(copy)))
                assert audit_agrees(copy) == made["sequence"] + 1
        with open(os.path.join(data, "status"), encoding="ascii") as file:
            status = dict(line.split() for line in file)
    assert ends[-signal.SIGKILL] > 0 and ends[3] > 0, ends
    assert int(status["checkpoints"]) > 3 and int(status["merges"]) > 0, status
    for made, seen in whole:
        assert seen["frames"] == made["sequence"] + 1 and seen["head"] == made["head"], (made, seen)
        assert seen["checkpoint"] == made["checkpoint"] > 0 and seen["state"] == made["state"]
    for made, seen in random.sample(whole, min(3, len(whole))):
        assert seen["replayed_state"] == state_of_cut(folder, data, made["sequence"]), made
    # Of the stopped folder all is copied, and nothing is left to copy.
    last = report("backup", data, copy)
    assert last["sequence"] == max(row[0] for row in headers(data)), last
    assert verified(copy)["replayed_state"] == verified(data)["replayed_state"]
    again = report("backup", data, copy)
    assert (again["bytes"], again["frames"], again["head"]) == ("0", "0", last["head"]), again
    # Any past moment of it.
    rows = list(headers(data))
    times = {row[0]: row[1] for row in rows}
    for sequence in sorted(random.sample(range(1, len(rows)), 3)):
        expected = state_of_cut(folder, data, sequence)
        later = times.get(sequence + 1, times[sequence] + 2) - 1
        for i, point in enumerate((("--to-sequence", str(sequence)),
                                   ("--to-time", str(times[sequence])),
                                   ("--to-time", str(later)))):
            new = os.path.join(folder, "restored")
            made = report("restore", copy if i else data, new, *point)
            assert made["sequence"] == sequence and made["timestamp"] == str(times[sequence]), made
            seen = verified(new)
            assert seen["replayed_state"] == expected and seen["head"] == made["head"], (made, seen)
            shutil.rmtree(new)


def test_a_restored_folder_goes_on_by_itself(folder):
    data, copy, new = (os.path.join(folder, name) for name in ("data", "copy", "new"))
    with server(data) as (address, _):
        with load(address, "hundred-8", 20000):
            pass
        made = report("backup", data, copy)
    rows = list(headers(data))
    half = rows[len(rows) // 2][0]
    moment = report("restore", copy, new, "--to-sequence", str(half))
    parent = report("verify", new)
    assert parent["parent_log_id"] == "0" and parent["log_id"] == made["log_id"], parent
    forks = []
    for _ in range(2):
        with server(new) as (address, said):
            run("account", "create", "--id", "777%d" % len(forks), "--ledger", "700", "--code", "1",
                "--connect", address)
        forks.append(re.findall(r"forked from log (\d+) behind frame (\d+), whose header has the "
                                r"hash ([0-9a-f]{64})\n", said[0]))
        assert ("is a copy" in said[0]) == (len(forks) == 1), said
    expected = (made["log_id"], str(half), moment["head"])
    assert forks == [[expected], [expected]], (forks, expected)
    seen = report("verify", new, "--replay")
    assert seen["log_id"] not in ("0", made["log_id"]) and seen["epoch"] == 2, seen
    assert (seen["parent_log_id"], str(seen["parent_sequence"]), seen["parent_head"]) == expected
    told = audited(new)
    assert told["balances_compared"] and told["log_id"] == seen["log_id"], told
    # So it is with a copy that was made by other means.
    moved = os.path.join(folder, "moved")
    shutil.copytree(data, moved, ignore=shutil.ignore_patterns("socket"))
    with server(moved) as (_, said):
        pass
    assert "is a copy" in said[0], said
    assert audited(moved)["balances_compared"]
    # It is another log now: what is a backup of the first is none of it.
    assert "is a backup of another log" in run_both("backup", new, copy, code=1)[1]
    assert verified(copy)["frames"] == made["sequence"] + 1
    # A backup of it is a backup of its whole past.
    own = report("backup", new, os.path.join(folder, "own"))
    assert own["log_id"] == seen["log_id"], own
    assert report("verify", os.path.join(folder, "own"))["parent_head"] == moment["head"]


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 4]))


def test_damage_is_named_and_nothing_of_it_is_kept(folder):
    data, copy = os.path.join(folder, "data"), os.path.join(folder, "copy")
    with server(data) as (address, _):
        with load(address, "ordered", 100000):
            pass
        before = report("backup", data, copy)
        with load(address, "ordered", 100000):
            pass
    rows = [row for row in headers(data) if row[0] > before["sequence"]]
    # One with a body that is long enough: a seal between two others has none.
    rows = [row for row, behind in zip(rows, rows[1:])
            if behind[2] == row[2] and behind[3] - row[3] > 8192]
    middle = rows[len(rows) // 2]
    made = sorted(os.listdir(data))
    index = [name for name in made if name.startswith("index-") and
             not os.path.exists(os.path.join(copy, name))][-1]
    checkpoint = max(name for name in made if len(name) == 27 and name.startswith("checkpoint-"))
    size = os.path.getsize(os.path.join(data, "rows-00000000"))
    for name, offset, named in (("log-%08x" % middle[2], middle[3] + 4200, middle[3]),
                                ("log-%08x" % middle[2], middle[3] + 60, middle[3]),
                                ("rows-00000000", size - 100, size - 4096), (index, 5000, 4096),
                                (index, 50, 0), (checkpoint, 17000, 16384)):
        path = os.path.join(data, name)
        flip(path, offset)
        said = run_both("backup", data, copy, code=1)[1]
        assert name + ", offset %d" % named in said, (name, offset, said)
        assert verified(copy)["head"] == before["head"]
        # What was copied before the damage lies behind the backup's end, and is nothing.
        assert audit_agrees(copy) == before["sequence"] + 1
        assert len(list(headers(copy))) > before["sequence"] + 1
        new = os.path.join(folder, "new")
        said = run_both("restore", data, new, code=1)[1]
        assert name + ", offset %d" % named in said, (name, offset, said)
        assert "from a backup" in said or "history is made from the log" in said or \
            "a checkpoint is made from the log" in said, said
        assert not os.path.exists(os.path.join(new, "log-00000000"))
        if os.path.exists(new):
            said = run_both("serve", "--data", new, "--compat-port", "0", code=2)[1]
            assert "is an unfinished restore\nhint: remove the folder" in said, said
            assert "left unfinished" in run_both("restore", data, new, code=1)[1]
            shutil.rmtree(new)
        if name.startswith("log-"):  # What is before the damage can be had all the same.
            report("restore", data, new, "--to-sequence", str(middle[0] - 1))
            assert verified(new)["frames"] == middle[0]
            shutil.rmtree(new)
        flip(path, offset)
    assert report("backup", data, copy)["frames_before"] == str(before["sequence"] + 1)
    verified(copy)


SMALL = """
mount -t tmpfs -o size=%dM tmpfs "$1" || exit 77
"$2" backup "$3" "$1/copy" >/dev/null
echo $?
"$2" verify "$1/copy"
echo $?
"$2" restore "$1/copy" "$1/new" >/dev/null
echo $?
mount -o remount,size=%dM "$1"
"$2" backup "$3" "$1/copy" >/dev/null
echo $?
"$2" verify "$1/copy" --replay --scratch "$4" >/dev/null
echo $?
"$2" restore "$1/copy" "$1/new" >/dev/null
echo $?
test -e "$1/new/log-00000000"
echo $?
"""


def test_a_full_disk(folder):
    data, small = os.path.join(folder, "data"), os.path.join(folder, "small")
    os.mkdir(small)
    with server(data) as (address, _):
        with load(address, "ordered", 800000):
            pass
    for first, second in ((70, 400), (150, 420)):
        for how in ("-m", "-rm"):
            done = subprocess.run(["unshare", how, "sh", "-c", SMALL % (first, second), "sh", small,
                                   TAEL, data, folder], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=300)
            if done.returncode == 0:
                break
        else:
            print("skipped: no mount in a namespace of its own is permitted here")
            return
        codes = [line for line in done.stdout.splitlines() if line.isdigit()]
        # A first backup that found no space is unfinished for all, and goes on when there is; a
        # folder that found none to be restored to is none.
        assert codes == ["3", "1", "1", "0", "0", "3", "1"], (codes, done.stderr)
        assert "is an unfinished backup" in done.stderr and "No space left" in done.stderr, done


def test_the_page_for_operators(folder):
    """The commands of docs/OPERATING.md on backups, word for word, beside a server at work."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/OPERATING.md"), encoding="utf-8") as file:
        page = file.read().split("\n## Backup\n")[1].split("\n## Effects, ")[0]
    commands = [line.split()[1:] for line in page.splitlines() if line.startswith("    tael ")]
    assert len(commands) == 9, commands
    with server(os.path.join(folder, "data")) as (address, _):
        with load(address, "single-1", 50):
            pass
        for command in commands:
            done = run(*command, folder=folder)
            assert command[0] != "verify" or done.startswith("ok: "), (command, done)
        assert report("verify", os.path.join(folder, "earlier"))["frames"] == 5
        for name in ("backup", "restored", "as-of-then"):
            assert report("verify", os.path.join(folder, name))["frames"] > 50
        said = run_both("serve", "--data", os.path.join(folder, "backup"), code=2)[1]
        assert "is a backup, which is not served" in said and "tael restore" in said, said
        made = os.listdir(os.path.join(folder, "backup"))
        assert not {"owner", "status", "applying"} & set(made), made
    day = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=-400)
    said = run_both("restore", "backup", "never", "--to-time", day.strftime("%Y-%m-%d"), code=1,
                    folder=folder)[1]
    assert "begins at " in said and not os.path.exists(os.path.join(folder, "never")), said


def test_what_is_refused(folder):
    data, copy = os.path.join(folder, "data"), os.path.join(folder, "copy")
    with server(data) as (address, _):
        with load(address, "single-1", 20):
            pass
        run("backup", data, copy)
        said = run_both("restore", data, os.path.join(folder, "new"), code=3)[1]
        assert "is open in another process" in said, said
    os.mkdir(os.path.join(folder, "full"))
    shutil.copy(os.path.join(data, "status"), os.path.join(folder, "full"))
    cases = [(("backup", data, data), 1, "lies in"),
             (("backup", data, os.path.join(data, "backup")), 1, "lies in"),
             (("restore", data, data + "/../data/new/"), 1, "lies in"),
             (("backup", data, os.path.join(folder, "full")), 1,
              "is no backup but holds other files: \"status\""),
             (("backup", folder, os.path.join(folder, "other")), 3, "holds no log"),
             (("backup", os.path.join(folder, "none"), copy), 3, "No such file"),
             (("restore", copy, data), 1, "is there already"),
             (("restore", copy, os.path.join(folder, "new"), "--to-sequence", "9999"), 1,
              "has frames 0 to "),
             (("restore", copy, os.path.join(folder, "new"), "--to-sequence", "1", "--to-time",
               "2030-01-01"), 2, "do not go together"),
             (("override", copy, "--position", "3"), 1, "is a backup, which is only read")]
    for arguments, code, text in cases:
        said = run_both(*arguments, code=code)[1]
        assert text in said, (arguments, text, said)
    assert sorted(os.listdir(folder)) == ["copy", "data", "full"], os.listdir(folder)
    assert os.listdir(os.path.join(folder, "full")) == ["status"]  # Nothing of ours.
    with open(os.path.join(folder, "full", "lock"), "w", encoding="ascii"):
        pass
    run("backup", data, os.path.join(folder, "full"), code=1)
    assert sorted(os.listdir(os.path.join(folder, "full"))) == ["lock", "status"]  # Theirs stays.
    assert "backup" not in os.listdir(data)
    # Two at a time, and a file that says where the backup ends, damaged.
    with open(os.path.join(copy, "lock"), "r+b") as lock:
        import fcntl  # Where there is no lock the others are tested all the same.
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "is open in another process" in run_both("backup", data, copy, code=3)[1]
    flip(os.path.join(copy, "backup"), 60)
    for verb in (("backup", data, copy), ("restore", copy, os.path.join(folder, "new")),
                 ("verify", copy)):
        assert "copy/backup is damaged" in run_both(*verb, code=1)[1] + \
            run_both(*verb, code=1)[0], verb
    told = audited(copy, code=1)["differences"]
    assert [(one["promise"], one["file"], one["offset"]) for one in told] == \
        [("bytes", "backup", 0)], told


def main():
    global TAEL, TAEL_AUDIT
    TAEL, TAEL_AUDIT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        if sys.argv[3:] and not any(word in name for word in sys.argv[3:]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            try:
                case(folder)
                print("[       OK ] %s (%.1f s)" % (name, time.monotonic() - begin))
            except (AssertionError, subprocess.SubprocessError, ValueError, KeyError) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
