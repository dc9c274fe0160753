#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/proof/proof_test.py TAEL TAEL_CHECK: heads, proofs, and the program that checks them, on
real servers. Paths and signatures are checked by a second hand here: SHA-256 of Python's library,
the rest from RFC 8032 and RFC 9162. Prints its cases as cmocka does."""
import contextlib
import hashlib
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

TAEL = CHECK = ""


def run_both(*words, code=0, folder=None, text="", program=None):
    done = subprocess.run([program or TAEL, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, input=text, text=True, timeout=120, cwd=folder,
                          check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def run(*words, **more):
    return run_both(*words, **more)[0]


def check(*words, code=0, folder=None, text=""):
    return run(*words, code=code, folder=folder, text=text, program=CHECK)


@contextlib.contextmanager
def server(folder, data="data", stop=signal.SIGTERM):
    """A server; gives its compat address. It is stopped, or killed."""
    with subprocess.Popen([TAEL, "serve", "--data", data, "--compat-port", "0", "--accounts-max",
                           "65536", "--holds-max", "65536", "--space-reserve", "0"], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        try:
            yield re.search(r"compat=(\S+)", line).group(1)
        finally:
            process.send_signal(stop)
            process.stdout.read()
            process.wait(timeout=60)


def accounts(folder, compat, count):
    lines = "".join('{"id":"%d","ledger":700,"code":1}\n' % (i + 1) for i in range(count))
    run("account", "create", "--from", "-", "--connect", compat, folder=folder, text=lines)


def transfers(folder, compat, first, count, most=4, **more):
    """Transfers between accounts 1 to `most`, in one batch."""
    lines = []
    for i in range(first, first + count):
        debit = i % most + 1
        event = {"id": str(i), "debit_account_id": str(debit),
                 "credit_account_id": str(debit % most + 1), "amount": str(i + 1), "ledger": 700,
                 "code": 1, **more}
        lines.append(json.dumps(event) + "\n")
    run("transfer", "create", "--from", "-", "--connect", compat, folder=folder,
        text="".join(lines))


# --- a second hand: RFC 8032, section 5.1, and RFC 9162, section 2.1 ------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT = pow(2, (P - 1) // 4, P)


def point_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT % P
    assert (x * x - square) % P == 0
    return P - x if x % 2 != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (point_x(BASE_Y, 0), BASE_Y)


def point_add(a, b):
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, P - 2, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, P - 2, P)
    return x % P, y % P


def point_multiply(scalar, point):
    out = (0, 1)
    while scalar:
        if scalar & 1:
            out = point_add(out, point)
        point = point_add(point, point)
        scalar >>= 1
    return out


def point_bytes(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def bytes_point(data):
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    return point_x(y, number >> 255), y


def secret_expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:]


def ed25519_key(seed):
    return point_bytes(point_multiply(secret_expand(seed)[0], BASE))


def hash_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % Q


def ed25519_sign(seed, message):
    scalar, prefix = secret_expand(seed)
    r = hash_number(prefix, message)
    point = point_bytes(point_multiply(r, BASE))
    s = (r + hash_number(point, ed25519_key(seed), message) * scalar) % Q
    return point + s.to_bytes(32, "little")


def ed25519_holds(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    h = hash_number(signature[:32], key, message)
    left = point_multiply(s, BASE)
    right = point_add(bytes_point(signature[:32]), point_multiply(h, bytes_point(key)))
    return s < Q and left == right


def head_message(head):
    return (b"tael tree head 1" + int(head["log_id"]).to_bytes(16, "little") +
            struct.pack("<6Q", *(int(head[name]) for name in ("epoch", "sequence", "position",
                                                              "timestamp", "size")), 0) +
            bytes.fromhex(head["header"]) + bytes.fromhex(head["root"]))


def head_holds(head):
    return ed25519_holds(bytes.fromhex(head["key"]), head_message(head),
                         bytes.fromhex(head["signature"]))


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count):
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def path_root(leaf, index, size, path):
    """The root by the recursive definition of PATH, taking the path from its end."""
    if size == 1:
        return leaf
    last, k = path.pop(), split(size)
    if index < k:
        return node(path_root(leaf, index, k, path), last)
    return node(last, path_root(leaf, index - k, size - k, path))


def path_length(index, size):
    if size == 1:
        return 0
    k = split(size)
    return 1 + (path_length(index, k) if index < k else path_length(index - k, size - k))


def roots_of_growth(old, new, is_whole, old_root, path):
    """Both roots by the recursive definition of SUBPROOF."""
    if old == new:
        root = old_root if is_whole else path.pop()
        return root, root
    last, k = path.pop(), split(new)
    if old <= k:
        left, right = roots_of_growth(old, k, is_whole, old_root, path)
        return left, node(right, last)
    left, right = roots_of_growth(old - k, new - k, False, old_root, path)
    return node(last, left), node(last, right)


def digests(text):
    data = bytes.fromhex(text)
    assert len(data) % 32 == 0
    return [data[i:i + 32] for i in range(0, len(data), 32)]


def proof_holds(proof):
    """Checks signature and paths of a proof of inclusion; gives its rows by what they are."""
    head, rows = proof["head"], {}
    assert head_holds(head)
    for row in proof["rows"]:
        data, path = bytes.fromhex(row["row"]), digests(row["path"])
        inner = path_length(row["row_index"], row["row_count"])
        root = path_root(hashlib.sha256(b"\0" + data).digest(), row["row_index"],
                         row["row_count"], path[:inner])
        root = path_root(root, int(row["leaf"]), int(head["size"]), path[inner:])
        assert root.hex() == head["root"], row
        rows[row["what"]] = data
    return rows


def growth_holds(proof):
    old, new = proof["from"], proof["to"]
    assert head_holds(old) and head_holds(new)
    path = digests(proof["growth"]["path"])
    roots = roots_of_growth(int(old["size"]), int(new["size"]), True,
                            bytes.fromhex(old["root"]), path)
    return not path and [root.hex() for root in roots] == [old["root"], new["root"]]


# --- the cases -----------------------------------------------------------------------------------

def signed(folder, heads="heads", key="key", **more):
    return json.loads(run("head", "sign", heads, "--signing-key", key, "--json", folder=folder,
                          **more))


def proved(folder, transfer, *words):
    text = run("prove", str(transfer), *words, folder=folder)
    with open(os.path.join(folder, "proof"), "w", encoding="ascii") as file:
        file.write(text)
    return json.loads(text)


def test_transfers_of_every_sort(folder):
    """Over batches, pages of the tree, a clean start and a kill; each proof by two hands."""
    pub = run("key", "new", "key", folder=folder).strip()
    ids = []
    for start in range(3):
        stop = signal.SIGKILL if start == 1 else signal.SIGTERM
        with server(folder, stop=stop) as compat:
            if start == 0:
                accounts(folder, compat, 4)
            for i in range(30):
                first = 10000 * (start + 1) + 100 * i
                transfers(folder, compat, first, 1 + i % 7)
                ids += range(first, first + 1 + i % 7)
            hold, post = 90 + 10 * start, 91 + 10 * start
            transfers(folder, compat, hold, 1, flags=["pending"])
            run("transfer", "create", "--id", str(post), "--pending-id", str(hold), "--amount",
                "1", "--flags", "post_pending", "--connect", compat, folder=folder)
            ids += [hold, post]
            head = signed(folder)
            sample = random.Random(start).sample(ids, 12)
            for transfer in sample + [hold, post]:
                rows = proof_holds(proved(folder, transfer))
                row = rows["transfer"]
                assert int.from_bytes(row[:16], "little") == transfer
                said = json.loads(check("proof", "--key", pub, "--json", folder=folder))
                debit = transfer % 4 + 1 if transfer != post else hold % 4 + 1
                assert said["ok"] and said["transfer"]["id"] == str(transfer), said
                assert said["transfer"]["debit_account_id"] == str(debit), said
                amount = 1 if transfer == post else transfer + 1
                assert said["transfer"]["amount"] == str(amount), said
                assert said["head"]["size"] == head["size"], said
    # A copy of the log that is served: another id, and a tree that goes on.
    run("restore", "data", "copy", folder=folder)
    with server(folder, "copy") as compat:
        transfers(folder, compat, 50000, 3)
        on_copy = ("--connect", "unix:copy/socket")
        other = json.loads(run("head", "sign", "heads", "--signing-key", "key", "--json", *on_copy,
                               folder=folder))
        assert other["log_id"] != head["log_id"] and int(other["epoch"]) > int(head["epoch"])
        proof_holds(proved(folder, 50001, *on_copy))
        proof_holds(proved(folder, ids[0], *on_copy))
        text = run("head", "prove", "heads", *on_copy, folder=folder)
        assert growth_holds(json.loads(text))
        assert check("-", "--heads", "heads", folder=folder, text=text).startswith("ok: the head")


def test_a_hold_that_expires_and_a_refusal(folder):
    pub = run("key", "new", "key", folder=folder).strip()
    with server(folder) as compat:
        accounts(folder, compat, 4)
        transfers(folder, compat, 5, 1, flags=["pending"], timeout=1)
        run("transfer", "create", "--id", "6", "--debit-account-id", "1", "--credit-account-id",
            "77", "--amount", "3", "--ledger", "700", "--code", "1", "--connect", compat,
            folder=folder, code=1)
        signed(folder)
        assert set(proof_holds(proved(folder, 5))) == {"transfer", "debit_account",
                                                       "credit_account"}
        assert ", held at " in check("proof", "--key", pub, folder=folder)
        while '"type":"expired"' not in run("query", "changes", "--connect", compat, "--json",
                                            folder=folder):
            pass
        signed(folder)
        rows = proof_holds(proved(folder, 5))
        assert set(rows) == {"transfer", "debit_account", "credit_account", "expiry"}
        assert ", expired at " in check("proof", "--key", pub, folder=folder)
        proof_holds(proved(folder, 6))
        said = check("proof", "--key", pub, folder=folder)
        assert re.match(r"ok: transfer 6: refused at \S+ with result 22;", said), said
        # What was done is proved by what was done, whatever was asked with its id later.
        transfers(folder, compat, 9, 1)
        run("transfer", "create", "--id", "9", "--debit-account-id", "1", "--credit-account-id",
            "2", "--amount", "3", "--ledger", "700", "--code", "1", "--connect", compat,
            folder=folder, code=1)
        signed(folder)
        proof_holds(proved(folder, 9))
        assert ": 10 from account 2 to account 3, posted" in check("proof", "--key", pub,
                                                                   folder=folder)
        said = run_both("prove", "7", folder=folder, code=1)[1]
        assert "There is no transfer with this id." in said, said
        transfers(folder, compat, 8, 1)
        said = run_both("prove", "8", folder=folder, code=1)[1]
        assert "The transfer is later than the head" in said, said


def test_what_a_module_posts(folder):
    """A posting of an entry has an id that the server made, and is proved by it."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/BOOKS.md"), encoding="utf-8") as file:
        commands = re.findall(r"^    tael ([^\n]*)\n", file.read(), re.M)
    pub = run("key", "new", "key", folder=folder).strip()
    with server(folder):
        for command in commands:
            subprocess.run([TAEL, *command.split()], cwd=folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
        lines = run("tail", "--from", "0", "--no-follow", folder=folder).splitlines()
        posting = next(line["body"] for line in map(json.loads, lines)
                       if line["kind"] == "transfer" and line["body"]["amount"] == "5000000")
        signed(folder)
        proof_holds(proved(folder, posting["id"]))
        said = json.loads(check("proof", "--key", pub, "--json", folder=folder))
        assert said["ok"] and said["transfer"]["planned"], said
        assert said["transfer"]["amount"] == posting["amount"], (said, posting)


def test_heads_continue(folder):
    pub = run("key", "new", "key", folder=folder).strip()
    with server(folder) as compat:
        said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder, code=1)[1]
        assert "Nothing has happened in this log yet." in said, said
        accounts(folder, compat, 4)
        sizes = []
        for i in range(70):
            transfers(folder, compat, 10 * (i + 1), 1)
            if i % 9 == 0:
                sizes.append(int(signed(folder)["size"]))
        assert signed(folder) == signed(folder)
        sizes.append(int(signed(folder)["size"]))
        table = run("head", "show", "heads", "--json", folder=folder).splitlines()
        assert [int(json.loads(line)["size"]) for line in table] == sizes
        for old in sizes:
            for new in (size for size in sizes if size >= old):
                text = run("head", "prove", "heads", "--from", str(old), "--to", str(new),
                           folder=folder)
                assert growth_holds(json.loads(text)), (old, new)
                said = check("-", "--key", pub, folder=folder, text=text)
                assert "is continued by" in said, said
        said = run_both("head", "prove", "heads", "--from", "4", folder=folder, code=1)[1]
        assert "has no head of 4 frames" in said, said
        said = run_both("head", "prove", "none", folder=folder, code=3)[1]
        assert "hint: `tael head sign" in said, said
        assert check("heads", "--key", pub, folder=folder).count("ok: head of ") == len(sizes)


def test_another_log_gets_no_signature(folder):
    """The outcomes behind the last head were changed, or are another log's."""
    run("key", "new", "key", folder=folder)
    with server(folder) as compat:
        accounts(folder, compat, 4)
        transfers(folder, compat, 10, 5)
        signed(folder)
        transfers(folder, compat, 20, 5)
        signed(folder, heads="longer")
    shutil.rmtree(os.path.join(folder, "data"))
    with server(folder) as compat:
        accounts(folder, compat, 4)
        transfers(folder, compat, 10, 5)
        said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder, code=1)[1]
        assert "and they differ" in said, said
        said = run_both("head", "sign", "longer", "--signing-key", "key", folder=folder, code=1)[1]
        assert "the server's log has 2" in said, said
        said = run_both("prove", "11", folder=folder, code=1)[1]
        assert "proves nothing against this head" in said, said
        said = run_both("prove", "11", "--heads", "longer", folder=folder, code=1)[1]
        assert "The log has not come as far as that head" in said, said
        transfers(folder, compat, 30, 5)
        said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder, code=1)[1]
        assert "its outcomes were changed" in said, said
    assert len(run("head", "show", "heads", "--json", folder=folder).splitlines()) == 1


def test_a_command_signs(folder):
    """A key that the program never sees: a signer of its own, as a device's tool would be."""
    seed = bytes(range(32))
    key = ed25519_key(seed).hex()
    signer = os.path.join(folder, "signer.py")
    with open(signer, "w", encoding="utf-8") as file:
        file.write("import sys\nsys.path.insert(0, %r)\nimport proof_test\n"
                   "message = sys.stdin.buffer.read()\nassert len(message) == 144\n"
                   "print(proof_test.ed25519_sign(bytes(range(32)), message).hex())\n"
                   % os.path.dirname(os.path.abspath(__file__)))
    by = ("--signing-command", "%s %s" % (sys.executable, signer), "--public-key")
    with server(folder) as compat:
        accounts(folder, compat, 4)
        head = json.loads(run("head", "sign", "heads", *by, key, "--json", folder=folder))
        assert head["key"] == key and head_holds(head)
        transfers(folder, compat, 10, 1)
        other = ed25519_key(bytes(32)).hex()
        said = run_both("head", "sign", "heads", *by, other, folder=folder, code=1)[1]
        assert "the last head of heads is signed by another key" in said, said
        for words, why in (((*by, other, "--new-key"), "not by the public key"),
                           (("--signing-command", "false", "--public-key", key), "did not end"),
                           (("--signing-command", "echo 00", "--public-key", key), "128 hex"),
                           (("--signing-command", "exec yes", "--public-key", key), "did not end"),
                           (("--signing-key", "none"), "opening the key file")):
            said = run_both("head", "sign", "heads", *words, folder=folder, code=3)[1]
            assert why in said, said
        for words, why in (((), "one of --signing-key and"),
                           ((*by[:2],), "needs the --public-key"),
                           (("--signing-key", "k", "--public-key", key), "goes with"),
                           (("--signing-key", "k", *by, key), "one of --signing-key and")):
            said = run_both("head", "sign", "heads", *words, folder=folder, code=2)[1]
            assert why in said, said
        assert len(run("head", "show", "heads", "--json", folder=folder).splitlines()) == 1
        # A signer that could not sign is told so though there is nothing new.
        run("head", "sign", "heads", *by, key, folder=folder)
        assert "nothing new" in run_both("head", "sign", "heads", *by, key, folder=folder)[1]
        said = run_both("head", "sign", "heads", "--signing-key", "none", folder=folder, code=3)[1]
        assert "opening the key file" in said, said
        # The key was replaced.
        run("key", "new", os.path.join(folder, "next.key"))
        run_both("head", "sign", "heads", "--signing-key", "next.key", folder=folder, code=1)
        transfers(folder, compat, 11, 1)
        run("head", "sign", "heads", "--signing-key", "next.key", "--new-key", folder=folder)
    keys = [json.loads(line)["key"]
            for line in run("head", "show", "heads", "--json", folder=folder).splitlines()]
    assert len(keys) == 3 and keys[0] == keys[1] == key != keys[2], keys


def hangs_begin(folder, key, hangs, *words):
    """A signer whose command hangs, once it does; and the process that hangs."""
    command = "%s echo $$ > begun.new; mv begun.new begun; exec sleep 100000" % hangs
    signer = subprocess.Popen([TAEL, "head", "sign", "heads", "--signing-command", command,
                               "--public-key", key, *words], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begun = os.path.join(folder, "begun")
    while not os.path.exists(begun):
        assert signer.poll() is None, signer.communicate()
    with open(begun, encoding="ascii") as file:
        child = int(file.read())
    os.remove(begun)
    return signer, child


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_signing_command_that_hangs(folder):
    """It is ended by an interrupt, or when its time is over; and so is one that does not listen."""
    key = ed25519_key(bytes(range(32))).hex()
    with server(folder) as compat:
        accounts(folder, compat, 4)
        for hangs, number, words, code in (("", signal.SIGINT, (), 3),
                                           ("", signal.SIGTERM, ("--every", "1"), 0),
                                           ("trap '' TERM;", signal.SIGINT, (), 3)):
            signer, child = hangs_begin(folder, key, hangs, *words)
            assert is_there(child)
            signer.send_signal(number)
            said = signer.communicate(timeout=60)[1]
            assert signer.returncode == code, (signer.returncode, said)
            assert "interrupted; the signing command was ended" in said, said
            assert not is_there(child)
        signer, child = hangs_begin(folder, key, "", "--signing-timeout", "1")
        said = signer.communicate(timeout=60)[1]
        assert signer.returncode == 3, (signer.returncode, said)
        assert "did not end within 1 s" in said and "--signing-timeout" in said, said
        assert not is_there(child)
    assert run("head", "show", "heads", "--json", folder=folder) == ""


def test_the_file_of_heads(folder):
    """Unfinished lines, broken ones, two signers, a signer that goes on until it is told."""
    run("key", "new", "key", folder=folder)
    path = os.path.join(folder, "heads")
    with server(folder) as compat:
        accounts(folder, compat, 4)
        signed(folder)
        with open(path, "a", encoding="ascii") as file:
            file.write('{"log_id":"1')
        transfers(folder, compat, 10, 1)
        # What was cut at the end is told by whoever reads it, and written over.
        said = run_both("head", "show", "heads", folder=folder)[1]
        assert said == "tael head show: warning: heads, line 2 was cut: it is left out\n", said
        said = run_both("prove", "11", "--heads", "heads", folder=folder, code=1)[1]
        assert "tael prove: warning: heads, line 2 was cut: it is left out\n" in said, said
        said = run_both("head", "prove", "heads", folder=folder)[1]
        assert "tael head prove: warning: heads, line 2 was cut: it is left out\n" in said, said
        said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder)[1]
        assert said == "tael head sign: warning: heads, line 2 was cut: the next head is written " \
            "over it\n", said
        assert run_both("head", "show", "heads", folder=folder)[1] == ""
        # A head that lacks nothing but its line end stands.
        with open(path, "rb+") as file:
            file.truncate(os.path.getsize(path) - 1)
        transfers(folder, compat, 15, 1)
        signed(folder)
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        assert [head_holds(json.loads(line)) for line in lines] == [True] * 3, lines
        # One that is whole, but not signed, is refused.
        with open(path, "w", encoding="ascii") as file:
            file.write(lines[0] + "\n" + lines[1].replace('"position":"', '"position":"9'))
        said = run_both("head", "show", "heads", folder=folder, code=1)[1]
        assert "heads, line 2: the head was not signed by the key it names" in said, said
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        assert len(run("head", "show", "heads", "--json", folder=folder).splitlines()) == 3
        words = [TAEL, "head", "sign", "heads", "--signing-key", "key", "--every", "1", "--json"]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as signer:
            first = json.loads(signer.stdout.readline())
            said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder,
                            code=3)[1]
            assert "another signer has heads" in said, said
            transfers(folder, compat, 20, 1)
            assert int(json.loads(signer.stdout.readline())["size"]) == int(first["size"]) + 1
            signer.send_signal(signal.SIGTERM)
            assert signer.wait(timeout=60) == 0
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        assert len(lines) == 4
        text = lines[1].replace('"position":"', '"position":"9')
        for broken, why in (([lines[0], text], "line 2: the head was not signed"),
                            ([lines[1], lines[0]], "line 2: the head is of no larger tree"),
                            (["{}"], "line 1"),
                            (["no head"], "line 1")):
            with open(path, "w", encoding="ascii") as file:
                file.write("".join(line + "\n" for line in broken))
            said = run_both("head", "sign", "heads", "--signing-key", "key", folder=folder,
                            code=1)[1]
            assert why in said, said


def test_the_checker_believes_nobody(folder):
    pub = run("key", "new", "key", folder=folder).strip()
    other = run("key", "new", "other", folder=folder).strip()
    with server(folder) as compat:
        accounts(folder, compat, 4)
        transfers(folder, compat, 10, 1)
        signed(folder, heads="first")
        transfers(folder, compat, 20, 5)
        signed(folder)
        proof = proved(folder, 21)
    assert check("proof", "--heads", "heads", folder=folder).startswith("ok: transfer 21: 22 from")
    said = check("proof", "--heads", "first", folder=folder, code=1)
    assert "refused: proof, line 1: the head is not one of those held" in said, said
    said = check("proof", "--key", other, folder=folder, code=1)
    assert "the head is signed by another key" in said, said
    said = check("proof", "--key", other, "--heads", "heads", folder=folder, code=1)
    assert "the head is signed by another key" in said, said
    # A proof that holds in itself, of whoever likes to sign.
    forged = json.loads(json.dumps(proof))
    seed = bytes(32)
    forged["head"]["key"] = ed25519_key(seed).hex()
    forged["head"]["signature"] = ed25519_sign(seed, head_message(forged["head"])).hex()
    text = json.dumps(forged)
    assert "by another key" in check("-", "--key", pub, folder=folder, text=text, code=1)
    assert check("-", "--key", forged["head"]["key"], folder=folder, text=text).startswith("ok")
    # Who holds one of two heads believes the other by that one's signer, or by a key of his own: a
    # tree that goes on from a head is easily made up.
    with open(os.path.join(folder, "first"), encoding="ascii") as file:
        first = file.read()
    old, leaf = json.loads(first), bytes(32)
    new = {**old, "log_id": old["log_id"], "size": "3", "sequence": "999",
           "timestamp": str(int(old["timestamp"]) + 1),
           "root": node(bytes.fromhex(old["root"]), leaf).hex(), "key": ed25519_key(seed).hex()}
    assert old["size"] == "2"
    new["signature"] = ed25519_sign(seed, head_message(new)).hex()
    made_up = json.dumps({"from": old, "to": new, "growth": {"path": leaf.hex()}})
    said = check("-", "--heads", "first", folder=folder, text=made_up, code=1)
    assert "the head that is not held is signed by another key than the one that is" in said, said
    assert "by another key" in check("-", "--heads", "first", "--key", pub, folder=folder,
                                     text=made_up, code=1)
    with open(os.path.join(folder, "both"), "w", encoding="ascii") as file:
        file.write(first + json.dumps(new) + "\n")
    assert check("-", "--heads", "both", folder=folder, text=made_up).startswith("ok: the head")
    with open(os.path.join(folder, "both"), "w", encoding="ascii") as file:
        file.write(first + json.dumps({**new, "position": "77"}) + "\n")
    said = run_both("-", "--heads", "both", folder=folder, text=made_up, code=1, program=CHECK)[1]
    assert "line 2: the head was not signed by the key it names" in said, said
    # Any digit of any digest, any byte of any row.
    chance = random.Random(4)
    for _ in range(60):
        changed = json.loads(json.dumps(proof))
        row = changed["rows"][chance.randrange(3)]
        name = chance.choice(("row", "path"))
        at = chance.randrange(len(row[name]))
        digit = "%x" % (int(row[name][at], 16) ^ 1 << chance.randrange(4))
        row[name] = row[name][:at] + digit + row[name][at + 1:]
        said = check("-", "--key", pub, folder=folder, text=json.dumps(changed), code=1)
        assert said.startswith("refused: -, line 1: row "), said
    for words, why in (((), "what is to be checked is missing"),
                       (("proof",), "say whom to believe"),
                       (("proof", "--key", "12"), "--key is no public key"),
                       (("proof", "--key", "00" * 32), "--key is no public key"),
                       (("proof", "--key", pub, "--key", pub), "given twice"),
                       (("proof", "--key"), "something must follow"),
                       (("proof", "--what"), "there is no such flag"),
                       (("proof",) * 65, "64 files at most")):
        said = run_both(*words, folder=folder, code=2, program=CHECK)[1]
        assert why in said, said
    for words, code in ((("none", "--key", pub), 3), ((".", "--key", pub), 3),
                        (("proof", "--heads", "none"), 3), (("proof", "--heads", "key"), 1)):
        run(*words, folder=folder, code=code, program=CHECK)
    for text in ("", "{}", "[", '{"head":1}', "\0", json.dumps(proof)[:-1],
                 json.dumps(proof) + "{}", "[" * 5000):
        said = check("-", "--key", pub, folder=folder, text=text, code=1)
        assert said.startswith("refused: -, line 1: "), (text, said)
    # What was laid out over lines is refused once, and by one line.
    rule = "line 1 ends, at byte 1, before its JSON does: a head or a proof is one line, as it " \
        "was printed\n"
    said = check("-", "--key", pub, folder=folder, text=json.dumps(proof, indent=2) + "\n", code=1)
    assert said == "refused: -, line 1: " + rule, said
    with open(os.path.join(folder, "both"), "w", encoding="ascii") as file:
        file.write(json.dumps(new, indent=2))
    said = run_both("-", "--heads", "both", folder=folder, text=made_up, code=1, program=CHECK)[1]
    assert said == "tael-check: both: " + rule, said
    said = check("-", "proof", "--json", "--key", pub, folder=folder, code=1,
                 text=json.dumps(proof)[:-1] + "\n}\n")
    assert [json.loads(line)["ok"] for line in said.splitlines()] == [False, True], said
    said = check("proof", "-", "--json", "--key", pub, folder=folder, text="{}", code=1)
    assert [json.loads(line)["ok"] for line in said.splitlines()] == [True, False], said
    assert check("--help").startswith("tael-check FILE... ")
    assert all(len(line) <= 80 for line in check("--help").splitlines())
    assert check("--version").startswith("tael-check ")


def test_the_page_of_the_documentation(folder):
    """The first transfer of README.md and the commands of docs/PROOFS.md behind it; what they print
    but for times, the log's id and the key."""
    here = os.path.dirname(os.path.abspath(__file__))
    pages = []
    for name in ("README.md", "docs/PROOFS.md"):
        with open(os.path.join(here, "../..", name), encoding="utf-8") as file:
            pages.append(re.findall(r"^    ((?:build/)?tael[^\n]*)\n(?:\n```\n(.*?)```)?",
                                    file.read(), re.M | re.S))
    readme, page = pages
    assert len(readme) == 4 and sum(block != "" for _, block in readme) == 1, readme
    assert len(page) == 14 and sum(block != "" for _, block in page) == 2, page
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    audit = os.path.join(os.path.dirname(TAEL), "tael-audit")
    with server(folder) as compat:
        for command, block in readme + page:
            command = command.replace("build/tael ", "tael ").replace("tael-check", CHECK)
            command = command.replace("tael-audit", audit)
            command = re.sub(r"(^|\$\()tael ", r"\1" + TAEL + " ", command)
            command = re.sub(r"(account|transfer) (create|show)", r"\g<0> --connect " + compat,
                             command)
            done = subprocess.run(["sh", "-c", command], cwd=folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            assert done.returncode == 0, (command, done.stdout)
            said = re.sub(time, "T", done.stdout)
            said = re.sub(r"log \d+", "log L", said)
            said = re.sub(r"by [0-9a-f]{16}\.\.\.", "by K...", said)
            assert block == "" or said == re.sub(time, "T", block), (command, said)


def main():
    global TAEL, CHECK
    TAEL, CHECK = (os.path.abspath(path) for path in sys.argv[1:3])
    failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        if sys.argv[3:] and not any(word in name for word in sys.argv[3:]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                print("[       OK ]", name, flush=True)
            except (AssertionError, KeyError, ValueError, subprocess.SubprocessError) as wrong:
                failed += 1
                print("[  FAILED  ] %s\n%r" % (name, wrong), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
