#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/changes_test.py TAEL: the change stream, as events and as pages that wait."""
import json
import os
import signal
import socket
import sys
import threading

import world as edge

ACCOUNTS = "/v1/ledger/create-accounts"


def account(world, number):
    answer = world.post(ACCOUNTS, {"id": str(number), "ledger": 1, "code": 1})
    assert answer[0] == 201, answer


class Events:
    """A client of server-sent events (WHATWG HTML, 9.2)."""

    def __init__(self, world, query="", last=None):
        self.plug = socket.create_connection(("127.0.0.1", world.port), timeout=30)
        head = "GET /v1/changes%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" \
               "Accept: text/event-stream\r\n" % (query, world.tokens[2][0])
        if last is not None:
            head += "Last-Event-ID: %d\r\n" % last
        self.plug.sendall((head + "\r\n").encode())
        self.data = self.plug.makefile("rb")
        self.status = int(self.data.readline().split()[1])
        self.headers = {}
        while True:
            line = self.data.readline().strip()
            if not line:
                break
            name, value = line.decode().split(": ", 1)
            self.headers[name] = value
        self.text = b""

    def piece(self):
        """A chunk of the body; b"" at its end."""
        size = int(self.data.readline(), 16)
        data = self.data.read(size)
        assert self.data.readline() == b"\r\n"
        return data

    def next(self):
        """The next event: its id and the change; None at the end."""
        while True:
            while b"\n\n" in self.text:
                event, self.text = self.text.split(b"\n\n", 1)
                fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
                if b"data" in fields:
                    change = json.loads(fields[b"data"])
                    assert int(fields[b"id"]) == change["row"]
                    return change
            piece = self.piece()
            if not piece:
                return None
            self.text += piece

    def close(self):
        self.data.close()
        self.plug.close()


def test_pages(world):
    begin = world.get("/v1/changes?from=0")[2]["end"]  # Behind who may ask.
    for number in range(1, 8):
        account(world, number)
    world.post("/v1/entity/open", edge.entity(9, "nine"))
    status, _, page = world.get("/v1/changes?from=%d" % begin)
    assert status == 200 and page["next"] == page["end"], page
    kinds = [(item["kind"], item["record"]) for item in page["items"]]
    assert kinds == [("account", "account")] * 7 + [("record", "entity_open")], kinds
    assert [item["body"]["id"] for item in page["items"][:7]] == [str(i) for i in range(1, 8)]
    rows, at = [], begin
    while True:
        part = world.get("/v1/changes?from=%d&limit=3" % at)[2]
        if not part["items"]:
            break
        assert len(part["items"]) <= 3
        rows += part["items"]
        at = part["next"]
    assert rows == page["items"]
    world.post("/v1/entity/open", edge.entity(9, "nine"))
    assert world.get("/v1/changes?from=%d" % page["next"])[2]["items"] == []
    refused = world.get("/v1/changes?from=%d&refused=true" % page["next"])[2]["items"]
    assert [item["result"] for item in refused][:1] == ["exists"], refused
    for query in ("from=x", "from=-1", "wait_ms=60001", "refused=1", "limit=8190", "x=1",
                  "from=%d" % 2 ** 64):
        assert world.get("/v1/changes?" + query)[0] == 400, query


def test_a_page_waits(world):
    end = world.get("/v1/changes?from=0")[2]["end"]
    told = []
    thread = threading.Thread(target=lambda: told.append(
        world.get("/v1/changes?from=%d&wait_ms=60000" % end)))
    thread.start()
    edge.wait_for(lambda: 'tael_core_in_flight 1' in world.get("/metrics")[2].decode())
    account(world, 100)
    thread.join()
    assert [item["body"]["id"] for item in told[0][2]["items"]] == ["100"], told
    empty = world.get("/v1/changes?from=%d&wait_ms=50" % told[0][2]["next"])[2]
    assert empty["items"] == [] and empty["next"] == empty["end"], empty


def test_events(world):
    count = len(world.get("/v1/changes?from=0")[2]["items"])
    events = Events(world, "?from=0")
    assert events.status == 200 and events.headers["Content-Type"] == "text/event-stream"
    seen = [events.next() for _ in range(count)]
    assert seen == world.get("/v1/changes?from=0")[2]["items"]
    again = Events(world, "?from=0", last=seen[3]["row"])
    assert again.next() == seen[4]
    tip = Events(world, "?from=%d" % world.get("/v1/changes?from=0")[2]["end"])
    others = [Events(world, "?from=%d" % (seen[-1]["row"] + 1)) for _ in range(3)]
    for number in range(200, 220):
        account(world, number)
        assert tip.next()["body"]["id"] == str(number)
    for other in others + [events]:
        assert other.next()["body"]["id"] == "200"
    for one in others + [events, again, tip]:
        one.close()
    # Those that have gone are noticed.
    edge.wait_for(lambda: "tael_http_in_flight 1\n" in world.get("/metrics")[2].decode())


def test_many_changes_are_streamed(world):
    end = world.get("/v1/changes?from=0")[2]["end"]
    rows = [{"id": str(10000 + i), "ledger": 2, "code": 1} for i in range(20000)]
    body = "".join(json.dumps(row) + "\n" for row in rows)
    events = Events(world, "?from=%d" % end)
    status, headers, _ = world.post(ACCOUNTS + "?results=refused", body,
                                    headers={"Content-Type": "application/x-ndjson"})
    assert status == 200 and headers["Tael-Refused"] == "0"
    ids = [events.next()["body"]["id"] for _ in range(20000)]
    assert ids == [row["id"] for row in rows]
    events.close()


def test_events_outlive_the_edge_and_the_server(world):
    events = Events(world, "?from=0")
    first = events.next()
    before = world.edge_pid()
    os.kill(before, signal.SIGKILL)
    edge.wait_for(lambda: world.edge_pid() != before and world.get("/readyz")[0] == 200)
    events.close()
    events = Events(world, "", last=first["row"])
    assert events.next()["row"] > first["row"]
    # A stop ends them in order.
    stopper = threading.Thread(target=world.stop)
    stopper.start()
    while events.next() is not None:
        pass
    events.close()
    stopper.join()
    world.start()
    account(world, 999999)


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1])
