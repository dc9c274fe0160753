#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/tls_test.py TAEL: TLS, certificates read again, and clients that need one."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import world as edge


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "%s/%s.key" % (folder, name), "-out", "%s/%s.pem" % (folder, name),
            "-days", "2", "-subj", "/CN=" + name)


def certificate(folder, name, by):
    path = "%s/%s" % (folder, name)
    with open(path + ".ext", "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            path + ".key", "-out", path + ".csr", "-subj", "/CN=" + name)
    openssl("x509", "-req", "-in", path + ".csr", "-CA", "%s/%s.pem" % (folder, by), "-CAkey",
            "%s/%s.key" % (folder, by), "-CAcreateserial", "-out", path + ".pem", "-days", "2",
            "-extfile", path + ".ext")


def place(folder, name):
    """Makes a certificate the one that the server reads."""
    for kind in ("pem", "key"):
        shutil.copyfile("%s/%s.%s" % (folder, name, kind), "%s/live.%s" % (folder, kind))


class Secure(edge.World):
    def context(self, client=None, trust="ca"):
        context = ssl.create_default_context(cafile="%s/%s.pem" % (self.folder, trust))
        if client:
            context.load_cert_chain("%s/%s.pem" % (self.folder, client),
                                    "%s/%s.key" % (self.folder, client))
        return context

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=30,
                                           context=self.context(client=self.client))

    client = None

    def shown(self):
        """The name in the certificate that the server shows."""
        with socket.create_connection(("localhost", self.port), timeout=30) as plug:
            context = self.context(client=self.client)
            with context.wrap_socket(plug, server_hostname="localhost") as secure:
                return dict(part[0] for part in secure.getpeercert()["subject"])["commonName"]


def test_requests_and_what_is_not_tls(world):
    status, _, done = world.post("/v1/ledger/create-accounts", {"id": "1", "ledger": 1, "code": 1})
    assert status == 201, done
    rows = "".join('{"id":"%d","ledger":1,"code":1}\n' % (i + 2) for i in range(9000))
    status, headers, told = world.post("/v1/ledger/create-accounts", rows,
                                       headers={"Content-Type": "application/x-ndjson"})
    assert status == 200 and headers["Tael-Refused"] == "0" and told.count(b"\n") == 9000
    assert b"HTTP/1.1 200" not in world.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                                            half_close=True)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = world.context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        try:
            with socket.create_connection(("localhost", world.port), timeout=30) as plug:
                context.wrap_socket(plug, server_hostname="localhost")
        except (ssl.SSLError, OSError):
            continue
        raise AssertionError("%s is spoken" % version)


def test_certificates_are_read_again(world):
    assert world.shown() == "one"
    kept = world.connect()
    assert world.call("GET", "/healthz", connection=kept)[0] == 200
    place(world.folder, "two")
    os.kill(world.edge_pid(), signal.SIGHUP)
    edge.wait_for(lambda: world.shown() == "two")
    # A connection from before is served once more, and ends.
    status, headers, _ = world.call("GET", "/healthz", connection=kept)
    assert status == 200 and headers["Connection"].lower() == "close", headers
    kept.close()
    # What is no certificate changes nothing.
    with open(world.folder + "/live.pem", "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\n")
    os.kill(world.edge_pid(), signal.SIGHUP)
    edge.wait_for(lambda: "the certificate stays as it was" in world.traced())
    assert world.shown() == "two"
    place(world.folder, "two")


def test_clients_need_certificates(world):
    world.stop()
    world.flags += ("--tls-client-ca", world.folder + "/clients.pem")
    world.client = "friend"
    world.start()
    assert world.get("/healthz", token=None)[0] == 200
    for other in (None, "stranger"):
        world.client = other
        try:
            status, _, body = world.get("/healthz", token=None)
        except (ssl.SSLError, OSError, http.client.HTTPException):
            continue
        assert status == 403 and body["type"].endswith("not-permitted"), (other, body)
    world.client = "friend"


def main():
    folder = tempfile.mkdtemp(prefix="tael-tls-")
    authority(folder, "ca")
    authority(folder, "clients")
    certificate(folder, "one", "ca")
    certificate(folder, "two", "ca")
    certificate(folder, "friend", "clients")
    certificate(folder, "stranger", "ca")
    place(folder, "one")
    edge.World = Secure
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1], "--tls-certificate", folder + "/live.pem", "--tls-key",
             folder + "/live.key", folder=folder)


if __name__ == "__main__":
    main()
