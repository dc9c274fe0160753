# SPDX-License-Identifier: Apache-2.0
"""A server with an edge, and clients of it: http.client for what is right, sockets for the rest."""
import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


class World:
    def __init__(self, tael, folder, *flags):
        self.tael = tael
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.tokens = {}
        for principal in (2, 7, 0):  # The log does not know that of 0.
            secret = os.urandom(32)
            token = "tael_" + base64.urlsafe_b64encode(secret).decode().rstrip("=")
            self.tokens[principal] = (token, hashlib.sha256(secret).hexdigest())
        self.flags = flags
        self.trace = os.path.join(folder, "trace")
        self.process = None
        self.is_settled = False
        self.port = 0

    def start(self):
        with open(self.trace, "ab") as trace:
            self.process = subprocess.Popen(
                [self.tael, "serve", "--data", self.data, "--compat-port", "0", "--http",
                 str(self.port), "--accounts-max", "65536",
                 "--holds-max", "4096", "--space-reserve", "0", *self.flags],
                stdout=subprocess.PIPE, stderr=trace, text=True)
        line = self.process.stdout.readline()
        words = dict(word.split("=", 1) for word in line.split()[1:])
        self.port = int(words["http"].rsplit(":", 1)[1])
        wait_for(lambda: self.get("/readyz", token=None)[0] == 200)
        if not self.is_settled:
            self.is_settled = True
            self.settle()

    def settle(self):
        """Who may ask: 2, in whose name the edge acts as in that of all, and 7."""
        self.operator("principal", "delegate", "--delegate-id", "1", "--for-id", "0")
        for principal in (2, 7):
            self.operator("principal", "open", "--principal-id", str(principal), "--kind",
                          "service", "--name", "caller-%d" % principal)
            self.token_open(principal, principal)

    def token_open(self, token, principal, *flags):
        self.operator("principal", "token-open", "--token-hash", self.tokens[token][1],
                      "--principal-id", str(principal), "--name", "token-%d" % token, *flags)

    def operator(self, *words, code=0):
        """A verb by the user who runs the server; what it prints."""
        done = subprocess.run([self.tael, *words, "--connect", "unix:%s/socket" % self.data],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, (words, done)
        return done.stdout

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        assert number != signal.SIGTERM or code == 0, (code, self.traced())

    def traced(self):
        with open(self.trace, encoding="utf-8") as file:
            return file.read()

    def edge_pid(self):
        """The process of the edge, as the trace last told it; 0 before."""
        words = [line.split() for line in self.traced().splitlines()
                 if "the edge runs as process" in line]
        return int(words[-1][-1]) if words else 0

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def raw(self, data, half_close=False):
        """Sends bytes on a connection of their own; everything that comes back until it ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as plug:
            plug.sendall(data)
            if half_close:
                with contextlib.suppress(OSError):  # It has ended already.
                    plug.shutdown(socket.SHUT_WR)
            out = b""
            while True:
                try:
                    piece = plug.recv(65536)
                except ConnectionResetError:
                    return out
                if not piece:
                    return out
                out += piece

    def call(self, method, path, body=None, headers=None, token=2, connection=None):
        """(status, headers, body); the body of JSON is parsed."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", "Bearer " + self.tokens[token][0])
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        own = connection or self.connect()
        try:
            own.request(method, path, body=body, headers=sent)
            response = own.getresponse()
            data = response.read()
        finally:
            if connection is None:
                own.close()
        if response.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        kind = response.headers.get("Content-Type", "")
        if kind.split(";")[0] in ("application/json", "application/problem+json") and data:
            data = json.loads(data, object_pairs_hook=unique)
        return response.status, response.headers, data

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body, **more):
        return self.call("POST", path, body, **more)


def entity(number, name="entity"):
    """The body of a command that anybody may give."""
    return {"entity_id": str(number), "name": name, "jurisdiction": "HK", "currency": "HKD",
            "day": "2026-11-23"}


def unique(pairs):
    """An object of a JSON answer: no key comes twice."""
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def wait_for(holds, seconds=60):
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return
        assert time.monotonic() < until, "what is waited for does not come"
        time.sleep(0.01)


def run(tests, tael, *flags, setup=None, folder=None):
    """Runs tests one after the other on one server; prints them as cmocka does, and leaves."""
    failed = 0
    folder = folder or tempfile.mkdtemp(prefix="tael-edge-")
    world = World(tael, folder, *flags)
    try:
        world.start()
        if setup:
            setup(world)
        for test in tests:
            name = test.__name__
            print("[ RUN      ] %s" % name, flush=True)
            try:
                test(world)
            except Exception as error:  # pylint: disable=broad-except
                import traceback
                traceback.print_exc(file=sys.stdout)
                print("%r\n[  FAILED  ] %s" % (error, name), flush=True)
                failed += 1
                continue
            print("[       OK ] %s" % name, flush=True)
        if world.process.poll() is None:
            world.stop()
    finally:
        if world.process and world.process.poll() is None:
            world.process.kill()
            world.process.wait()
        if failed:
            print(world.traced()[-4000:])
        shutil.rmtree(folder, ignore_errors=True)
    print("[==========] %d test(s) run." % len(tests))
    print("[  PASSED  ] %d test(s)." % (len(tests) - failed))
    sys.exit(int(failed > 0))
