#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No call of the server reaches the real system from a world of ports.

What the linker puts in the place of the C library's functions (meson.build) is a list made by
hand. A call that the server makes tomorrow and that nobody adds to it would read the real clock or
the real network: worlds would not replay. So every name that the objects of the server leave
undefined is one that a world answers, one that only computes, or one of the exceptions below.

    calls_test.py LIBRARY WRAPPED...
"""
import re
import subprocess
import sys

# What worlds are made of; the edges (cli, client, projection, audit) are programs of their own.
LAYERS = "server machine modules ledger wal codec schema base money os proof".split()
# Files whose work a world does itself.
LEFT_OUT = {
    "os/disk_file.c": "the disk is one in memory",
    "server/server.c": "starts of the process: harbour.c",
    "server/child.c": "the edge's process: started by server.c",
    "server/owner.c": "who owns the folder: asked by server.c",
    "server/folder_check.c": "looked at by server.c",
    "server/peer.c": "peer_is_unix and peer_user are the world's",
    "os/trace.c": "trace is the world's",
}
# Compute only, or change what is the process's own.
HARMLESS = set("""
    abort assert_fail stack_chk_fail errno_location qsort snprintf vsnprintf
    bcmp memchr memcmp memcpy memmove memset
    strchr strcmp strcspn strerror strlen strncmp strnlen strrchr strspn strtoul
    gai_strerror freeaddrinfo
    divti3 udivti3 umodti3 udivmodti4
    crypto_core_ed25519_is_valid_point crypto_sign_detached crypto_sign_seed_keypair
    crypto_sign_verify_detached sodium_memzero
    pthread_cond_destroy pthread_cond_init pthread_condattr_destroy pthread_condattr_init
    pthread_condattr_setclock pthread_mutex_destroy pthread_mutex_init
""".split())
# A name in one file, and why it may be real there.
EXCEPTIONS = {
    ("base/cpu.c", "getenv"): "which instructions are used, asked once",
    ("base/index.c", "madvise"): "memory",
    ("os/memory.c", "madvise"): "memory",
    ("os/memory.c", "getrusage"): "how much memory there is in use, which is only told",
    ("os/thread.c", "gettid"): "priorities: thread_hurry and thread_give_way are the world's",
    ("os/thread.c", "setpriority"): "the same",
    ("os/thread.c", "syscall"): "the same",
    ("server/address.c", "getaddrinfo"): "addresses are numbers here",
    ("server/compat_client.c", "ppoll"): "a world turns its clients itself, without waiting",
    ("server/tael_port.c", "geteuid"): "the world is run by who runs it",
    ("server/listener.c", "bind"): "worlds listen on sockets of their own",
    ("server/listener.c", "chmod"): "the same",
    ("server/listener.c", "getsockname"): "the same",
    ("server/listener.c", "lstat"): "the same",
    ("server/listener.c", "unlink"): "the same",
}


def plain(symbol):
    """The name as it stands in the source: __memcpy_chk is memcpy, open64 open."""
    symbol = symbol.split("@")[0].lstrip("_")
    return re.sub(r"64$", "", re.sub(r"_chk$", "", symbol))


def symbols(library):
    """What each object of the server leaves undefined, by its source; and what all define."""
    wanted, defined = {}, set()
    told = subprocess.run(["nm", "-A", library], stdout=subprocess.PIPE, text=True, check=True)
    for line in told.stdout.splitlines():
        place, symbol = line.rsplit(":", 1)
        kind, name = symbol.split()[-2:]
        if kind not in "Uw":
            defined.add(name)
            continue
        match = re.search(r"src_((?:%s)_[a-z0-9_]+\.c)\.o" % "|".join(LAYERS), place)
        if match and kind == "U":
            wanted.setdefault(match.group(1), set()).add(name)
    return wanted, defined


def main():
    library, wrapped = sys.argv[1], {plain(name) for name in sys.argv[2:]}
    wanted, defined = symbols(library)
    listed = [*LEFT_OUT, *(path for path, _ in EXCEPTIONS)]
    names = {path.replace("/", "_"): path for path in listed}
    used, wrong = set(), []
    for source, undefined in sorted(wanted.items()):
        path = names.get(source, source.replace("_", "/", 1))
        if path in LEFT_OUT:
            continue
        for symbol in sorted(undefined - defined):
            name = plain(symbol)
            if name == "GLOBAL_OFFSET_TABLE_" or name in wrapped or name in HARMLESS:
                continue
            if (path, name) in EXCEPTIONS:
                used.add((path, name))
            else:
                wrong.append(f"{path} calls {name}, which a world leaves to the real system")
    # Lists that say more than is so hide what comes next.
    wrong += [f"{path} calls no {name} any more: take the exception out"
              for path, name in sorted(set(EXCEPTIONS) - used)]
    sources = {names.get(source, source) for source in wanted}
    wrong += [f"there is no {path} any more" for path in LEFT_OUT if path not in sources]
    if len(wanted) < 50:
        wrong.append(f"{library} has {len(wanted)} objects of the server")
    for line in wrong:
        print(line)
    print(f"{len(wanted)} objects, {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
