#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/wire_test.py TAEL: what breaks HTTP, who is slow, and how much of anything there is.

Each request is bytes on a socket. What is asked of each: an answer that says no, or the end of the
connection; and that nobody behind it is harmed.
"""
import socket
import sys

import world as edge

BODY = b'{"id":"1","ledger":1,"code":1}'


def head(world, *lines, path="/v1/ledger/create-accounts", method="POST"):
    """A request's head without its last line; the token is in it."""
    first = ["%s %s HTTP/1.1" % (method, path), "Authorization: Bearer " + world.tokens[2][0]]
    return ("\r\n".join(first + list(lines)) + "\r\n").encode("latin-1")


def statuses(data):
    """The statuses of the responses in a stream."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def alive(world):
    assert world.get("/healthz", token=None)[0] == 200


def accounts(world):
    return world.get("/v1/ledger/accounts?ledger=1")[2]["items"]


def test_one_end_of_the_body(world):
    """Requests that two servers could cut in two ways (RFC 9112, 6.3) are refused, and end it."""
    length = "Content-Length: %d" % len(BODY)
    chunked = "%x\r\n" % len(BODY)
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    json = "Content-Type: application/json"
    for lines in (
            (length, "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", length),
            (length, "Content-Length: 0"),
            (length, length),
            ("Content-Length: +%d" % len(BODY),),
            ("Content-Length: %d, %d" % (len(BODY), len(BODY)),),
            ("Content-Length: -1",),
            ("Content-Length: 0x1e",),
            ("Content-Length: 99999999999999999999",),
            ("Content-Length:",),
            ("Transfer-Encoding: gzip, chunked",),
            ("Transfer-Encoding: chunked, chunked",),
            ("Transfer-Encoding: xchunked",),
            ("Transfer-Encoding: identity",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            ("Content-Length : %d" % len(BODY),),
            ("X y: 1", length),
            ("X\x01: 1", length)):
        request = head(world, "Host: x", json, *lines) + b"\r\n"
        for body in (BODY + smuggled, chunked.encode() + BODY + b"\r\n0\r\n\r\n" + smuggled):
            told = world.raw(request + body, half_close=True)
            assert all(status in (400, 413, 501) for status in statuses(told)), (lines, told)
            # What libmicrohttpd refuses itself it says in HTML, sometimes with its head twice.
            assert len(statuses(told)) <= 1 + (b"<html>" in told), (lines, told)
    assert accounts(world) == []
    alive(world)


def test_chunks(world):
    lines = ("Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked",
             "Connection: close")
    good = head(world, *lines) + b"\r\n" + b"3\r\n" + BODY[:3] + b"\r\n%x;a=b\r\n" % (len(BODY) - 3)
    told = world.raw(good + BODY[3:] + b"\r\n0\r\nX: y\r\n\r\n")
    assert statuses(told) == [201], told
    for chunks in (b"x\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"3\r\nabcdef\r\n0\r\n\r\n",
                   b"1e" + b"\n" + BODY):
        told = world.raw(head(world, *lines) + b"\r\n" + chunks, half_close=True)
        assert 200 not in statuses(told) and 201 not in statuses(told), (chunks, told)
    alive(world)


def test_heads_that_are_none(world):
    for data in (b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n",
                 b"GET /healthz\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n",
                 b"/ / /\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                 b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /healthz#x HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70000 + b"\r\n\r\n",
                 b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        told = world.raw(data, half_close=True)
        assert all(400 <= status < 600 for status in statuses(told)), (data[:80], told)
        assert b"\x00" not in told
    alive(world)


def test_lines_that_are_odd(world):
    """What libmicrohttpd takes as it is, or refuses: either way there is one request."""
    for data in (b"GET /healthz HTTP/1.1\nHost: x\n\n",
                 b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
                 b"GET /healthz\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n\tContent-Length: 5\r\n\r\n",
                 b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
        told = world.raw(data, half_close=True)
        assert len(statuses(told)) <= 1, (data, told)
        assert set(statuses(told)) <= {200, 400}, (data, told)
    alive(world)


def test_headers_are_not_put_into_answers(world):
    told = world.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rSet-Cookie: b\r\n"
                     b"Connection: close\r\n\r\n")
    assert b"Set-Cookie" not in told, told
    for path in ("/healthz?%0d%0aSet-Cookie:%20x=y", "/%0d%0aSet-Cookie:x",
                 "/v1/changes?from=%0a1"):
        told = world.raw(head(world, "Host: x", "Connection: close", path=path, method="GET")
                         + b"\r\n")
        assert b"\r\nSet-Cookie" not in told and b"\nSet-Cookie" not in told, told


def test_pipelined_requests(world):
    one = head(world, "Host: x", method="GET", path="/healthz") + b"\r\n"
    last = head(world, "Host: x", "Connection: close", method="GET", path="/healthz") + b"\r\n"
    assert statuses(world.raw(one * 20 + last)) == [200] * 21
    post = head(world, "Host: x", "Content-Type: application/json",
                "Content-Length: %d" % len(BODY)) + b"\r\n" + BODY
    told = statuses(world.raw(post + one + post + last))
    assert told[1::2] == [200, 200] and set(told[::2]) <= {200, 201}, told
    # A refused one with a body is passed over whole.
    wrong = post.replace(b"application/json", b"text/plain")
    assert statuses(world.raw(wrong + last)) == [415, 200]


def test_too_many_headers(world):
    many = ["X-%d: y" % i for i in range(100)]
    told = world.raw(head(world, "Host: x", "Connection: close", *many, method="GET",
                          path="/healthz") + b"\r\n")
    assert statuses(told) == [431] and b"headers-too-large" in told, told
    told = world.raw(head(world, "Host: x", "Connection: close", "X: " + "y" * 20000, method="GET",
                          path="/healthz") + b"\r\n")
    assert statuses(told) == [431], told


def test_a_get_has_no_body(world):
    told = world.raw(head(world, "Host: x", "Content-Length: 2", "Connection: close", method="GET",
                          path="/v1/principal/list") + b"\r\n{}")
    assert statuses(told) == [400], told


def test_who_is_slow_goes(world):
    """Times are a second here; each of these would be there for ever."""
    plugs = []
    for data in (b"", b"GET /hea", head(world, "Host: x"), head(world, "Host: x") + b"\r\n{",
                 head(world, "Host: x", "Content-Type: application/json", "Content-Length: 9")
                 + b"\r\n{",
                 head(world, "Host: x", "Content-Type: application/x-ndjson",
                      "Content-Length: 999") + b"\r\n{",
                 head(world, "Host: x", method="GET", path="/healthz") + b"\r\n"):
        plug = socket.create_connection(("127.0.0.1", world.port), timeout=30)
        plug.sendall(data)
        plugs.append(plug)
    for plug in plugs:
        while plug.recv(65536):
            pass
        plug.close()
    text = world.get("/metrics")[2].decode()
    assert "tael_http_connections_timed_out_total 0\n" not in text
    # A drop now and then does not keep one that sends its headers.
    plug = socket.create_connection(("127.0.0.1", world.port), timeout=0.1)
    dropped = 0
    try:
        while dropped < 300:
            plug.sendall(b"G" if dropped == 0 else b"E")
            dropped += 1
            try:
                if plug.recv(100) == b"":
                    break
            except TimeoutError:
                continue
    except OSError:
        pass
    plug.close()
    assert dropped < 300


def test_a_quiet_stream_says_that_it_is_there(world):
    end = world.get("/v1/changes?from=0")[2]["end"]
    request = head(world, "Host: x", "Accept: text/event-stream", method="GET",
                   path="/v1/changes?from=%d" % end) + b"\r\n"
    with socket.create_connection(("127.0.0.1", world.port), timeout=30) as plug:
        plug.sendall(request)
        told = b""
        while told.count(b": keep-alive\n\n") < 3:  # Longer than a connection may be idle.
            told += plug.recv(65536)
            assert b"\r\n0\r\n" not in told, told


def test_the_places_are_limited(world):
    """Connections beyond 32 wait or are closed; those that are there are served."""
    first = world.connect()
    first.connect()
    plugs = [socket.create_connection(("127.0.0.1", world.port), timeout=30) for _ in range(60)]
    assert world.call("GET", "/healthz", connection=first)[0] == 200
    for plug in plugs:
        plug.close()
    first.close()
    edge.wait_for(lambda: world.get("/healthz", token=None)[0] == 200)


def test_the_rate_is_limited(world):
    connection = world.connect()
    for _ in range(5000):
        status, headers, body = world.get("/v1/principal/list", connection=connection)
        if status == 429:
            break
        assert status == 200, body
    assert status == 429 and headers["Retry-After"] == "1", body
    assert body["type"].endswith("too-many-requests"), body
    connection.close()
    edge.wait_for(lambda: world.get("/v1/principal/list")[0] == 200)


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1], "--http-request-timeout", "1", "--http-idle-timeout", "2",
             "--http-connections-max", "32", "--http-rate", "20", "--http-burst", "40")
