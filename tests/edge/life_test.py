#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/life_test.py TAEL: the edge dies, stops, and loses its server; nothing is harmed."""
import copy
import http.client
import json
import os
import signal
import subprocess
import sys
import threading

import world as edge

ACCOUNTS = "/v1/ledger/create-accounts"
TRANSFERS = "/v1/ledger/create-transfers"
CLIENTS, EACH, KILLS = 8, 150, 6


def balance(world, account):
    item = world.get("/v1/ledger/account?id=%d" % account)[2]["items"][0]
    return int(item["debits_posted"]), int(item["credits_posted"])


def test_killed_under_load(world):
    """Clients ask again under the same command id until they have an answer: each transfer is made
    once, and each answer is the one of the first time."""
    for number in (1, 2):
        assert world.post(ACCOUNTS, {"id": str(number), "ledger": 1, "code": 1})[0] == 201
    wrong, again = [], [0]
    done = threading.Event()

    def client(number):
        connection = world.connect()
        for i in range(EACH):
            key = number * EACH + i + 1
            # No id of its own protects it: that of the command does.
            body = edge.entity(1000 + key, "p%d" % key) \
                if i % 2 else {"id": str(10 ** 6 + key), "debit_account_id": "1", "ledger": 1,
                               "credit_account_id": "2", "amount": "3", "code": 1}
            path = "/v1/entity/open" if i % 2 else TRANSFERS
            while True:
                try:
                    status, _, told = world.post(path, body, connection=connection,
                                                 headers={"Idempotency-Key": str(key)})
                except (OSError, http.client.HTTPException, ValueError):
                    again[0] += 1
                    connection.close()
                    connection = world.connect()
                    continue
                if status in (503, 504):
                    again[0] += 1
                    continue
                # Of a command that was carried out before, the answer of the first time.
                if (status, told.get("result")) not in ((201, "created"), (200, "done")):
                    wrong.append((path, body, status, told))
                break
        connection.close()

    def killer():
        for _ in range(KILLS):
            before = world.edge_pid()
            os.kill(before, signal.SIGKILL)
            edge.wait_for(lambda last=before: world.edge_pid() != last and
                          world.get("/readyz", token=None)[0] == 200)
        done.set()

    threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    threads.append(threading.Thread(target=killer))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done.is_set() and not wrong, wrong[:3]
    count = CLIENTS * EACH // 2
    assert balance(world, 1) == (3 * count, 0) and balance(world, 2) == (0, 3 * count)
    assert "signal 9; started again in" in world.traced()
    assert len(world.get("/v1/entity/list")[2]["items"]) == count


def test_more_at_once_than_are_in_flight(world):
    """Several hundred requests, more than the server takes from the edge: all are answered."""
    plugs = []
    for number in range(400):
        plug = world.connect()
        body = json.dumps({"id": str(5 * 10 ** 6 + number), "debit_account_id": "1", "ledger": 1,
                           "credit_account_id": "2", "amount": "0", "code": 1})
        plug.request("POST", TRANSFERS, body=body, headers={
            "Authorization": "Bearer " + world.tokens[2][0], "Content-Type": "application/json"})
        plugs.append(plug)
    told = [plug.getresponse() for plug in plugs]
    assert {one.status for one in told} == {201}, {one.status for one in told}
    for plug in plugs:
        plug.close()


def test_the_server_goes_and_comes(world):
    """An edge of its own: without a server it says so, and goes on when there is one again."""
    own = subprocess.Popen(
        [world.tael, "edge", "--connect", "unix:%s/socket" % world.data, "--http", "0",
         "--deadline", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)
    try:
        other = copy.copy(world)
        other.port = int(own.stdout.readline().split("http=127.0.0.1:")[1])
        server_goes_and_comes(world, other)
        own.send_signal(signal.SIGTERM)
        assert own.wait(timeout=60) == 0, own.stderr.read()
    finally:
        own.kill()
        own.wait()
        own.stdout.close()
        own.stderr.close()


def server_goes_and_comes(world, other):
    edge.wait_for(lambda: other.get("/readyz", token=None)[0] == 200)
    assert other.get("/v1/principal/list")[0] == 200
    world.stop(signal.SIGKILL)
    edge.wait_for(lambda: other.get("/readyz", token=None)[0] == 503)
    assert other.get("/healthz", token=None)[0] == 200
    status, headers, body = other.get("/v1/principal/list")
    assert status == 503 and headers["Retry-After"] and body["type"].endswith("unreachable"), body
    status, _, body = other.post(TRANSFERS, {"id": "5", "amount": "1"},
                                 headers={"Idempotency-Key": "99"})
    assert status == 503 and body["type"].endswith("unreachable"), body
    told = other.post(TRANSFERS, b'{"id":"5","amount":"1"}\n', headers={
        "Content-Type": "application/x-ndjson"})[2]
    assert told["status"] == 503, told
    # A server that stands still: the command may be applied, and is told by its id later.
    world.start()
    edge.wait_for(lambda: other.get("/readyz", token=None)[0] == 200)
    late = {"id": "77", "debit_account_id": "1", "credit_account_id": "2", "amount": "7",
            "ledger": 1, "code": 1}
    body = {}
    while "command_id" not in body:  # It is not when who asks had to be asked first.
        assert other.get("/v1/principal/list")[0] == 200
        world.process.send_signal(signal.SIGSTOP)
        status, headers, body = other.post(TRANSFERS, late)
        world.process.send_signal(signal.SIGCONT)
    assert status == 504 and headers["Retry-After"] and "again" in body["detail"], body
    key = {"Idempotency-Key": body["command_id"]}
    edge.wait_for(lambda: other.post(TRANSFERS, late, headers=key)[0] == 201)
    assert other.post(TRANSFERS, late)[2]["result"] == "exists"


def test_a_stop_answers_what_is_open(world):
    """A page that waits, and an upload that is half there, are there when the stop comes."""
    end = world.get("/v1/changes?from=0")[2]["end"]
    told = []
    waits = threading.Thread(target=lambda: told.append(
        world.get("/v1/changes?from=%d&wait_ms=60000" % end)))
    waits.start()
    upload = world.connect()
    upload.putrequest("POST", ACCOUNTS)
    upload.putheader("Authorization", "Bearer " + world.tokens[2][0])
    upload.putheader("Content-Type", "application/x-ndjson")
    rows = b"".join(b'{"id":"%d","ledger":3,"code":1}\n' % (i + 10001) for i in range(2000))
    upload.putheader("Content-Length", str(len(rows)))
    upload.endheaders()
    upload.send(rows[:1000])
    edge.wait_for(lambda: "tael_http_in_flight 3\n" in world.get("/metrics")[2].decode())
    stop = threading.Thread(target=world.stop)
    stop.start()
    edge.wait_for(lambda: "edge: stopping on signal" in world.traced())
    upload.send(rows[1000:])
    answer = upload.getresponse()
    lines = answer.read().splitlines()
    assert answer.status == 200 and len(lines) == 2000, (answer.status, len(lines))
    assert {json.loads(line)["result"] for line in lines} == {"created"}
    waits.join()
    stop.join()
    assert told[0][0] == 200 and told[0][2]["items"] == [], told
    upload.close()
    world.start()
    assert world.get("/v1/ledger/account?id=12000")[2]["items"]


def test_command_lines(world):
    def refused(code, text, *arguments):
        done = subprocess.run([world.tael, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == code and text in done.stderr, (arguments, done)
    to = ("--connect", "unix:%s/socket" % world.data)
    refused(2, "is no HOST:PORT", "edge", "--http", "x:y", *to)
    refused(2, "is not of this machine alone", "edge", "--http", "0.0.0.0:0", *to)
    refused(2, "go together", "edge", "--http", "0", "--tls-key", "x", *to)
    refused(2, "is for --tls-certificate", "edge", "--http", "0", "--tls-client-ca", "x", *to)
    refused(2, "no socket that listens", "edge", "--http", "fd:0", *to)
    refused(3, "listening", "edge", "--http", str(world.port), *to)
    refused(2, "--http", "serve", "--data", world.folder + "/new", "--http-rate", "5")
    refused(2, "--http needs a tael port", "serve", "--data", world.folder + "/new", "--http", "0",
            "--port", "none", "--compat-port", "0")


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1])
