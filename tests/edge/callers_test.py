# SPDX-License-Identifier: Apache-2.0
"""tests/edge/callers_test.py TAEL: who asks. Tokens, principals and delegations are in the log:
what changes of them takes effect within a second, for every kind of request, also for the first of
its token, which waits to be told who asks."""
import base64
import datetime
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

import world as edge

LIST = "/v1/principal/list"
ACCOUNTS = "/v1/ledger/create-accounts"
OPEN = "/v1/principal/token-open"


def status_of(world, token, path=LIST):
    return world.get(path, token=token)[0]


def new_token(world, name):
    """A token that nobody has yet."""
    secret = os.urandom(32)
    world.tokens[name] = ("tael_" + base64.urlsafe_b64encode(secret).decode().rstrip("="),
                          hashlib.sha256(secret).hexdigest())


def problem(answer, status, kind, detail=""):
    assert answer[0] == status and answer[2]["type"].endswith("-" + kind), answer
    assert detail in answer[2]["detail"], answer[2]


def test_a_token_that_is_opened_holds_at_once_and_one_that_is_closed_no_longer(world):
    new_token(world, 20)
    problem(world.get(LIST, token=20), 401, "not-authenticated", "nobody has this token")
    world.token_open(20, 7)
    assert status_of(world, 20) == 200
    world.operator("principal", "token-close", "--token-hash", world.tokens[20][1])
    edge.wait_for(lambda: status_of(world, 20) == 401)
    problem(world.get(LIST, token=20), 401, "not-authenticated", "the token is closed")
    assert "WWW-Authenticate" in world.get(LIST, token=20)[1]


def test_a_token_that_ends(world):
    new_token(world, 21)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    world.token_open(21, 7, "--expires-at", end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    assert status_of(world, 21) == 200
    edge.wait_for(lambda: status_of(world, 21) == 401)
    problem(world.get(LIST, token=21), 401, "not-authenticated", "the token holds no longer")


def test_a_principal_that_is_closed(world):
    assert status_of(world, 7) == 200
    world.operator("principal", "close", "--principal-id", "7")
    edge.wait_for(lambda: status_of(world, 7) == 403)
    problem(world.get(LIST, token=7), 403, "not-permitted", "principal 1 may not act for 7")
    assert status_of(world, 2) == 200
    world.operator("principal", "reopen", "--principal-id", "7")
    assert status_of(world, 7) == 200


def test_the_edge_acts_for_whom_it_may(world):
    world.operator("principal", "delegate", "--delegate-id", "1", "--for-id", "2")
    world.operator("principal", "delegate-end", "--delegate-id", "1", "--for-id", "0")
    edge.wait_for(lambda: status_of(world, 7) == 403)
    assert status_of(world, 2) == 200
    # Nothing of it is looked at, and the connection goes on.
    wrong = [{"id": "1", "nonsense": 1}]
    edge.wait_for(lambda: world.post(ACCOUNTS, wrong, token=7)[0] == 403)
    plug = world.connect()
    for _ in range(2):
        problem(world.post(ACCOUNTS, wrong, token=7, connection=plug), 403, "not-permitted")
    assert world.get(LIST, connection=plug)[0] == 200
    plug.close()
    problem(world.get("/v1/changes?from=0", token=7), 403, "not-permitted")
    world.operator("principal", "delegate", "--delegate-id", "1", "--for-id", "0")
    assert status_of(world, 7) == 200


def test_a_command_is_in_the_name_of_its_token(world):
    body = {"token_hash": "11" * 32, "principal_id": "7", "name": "own"}
    problem(world.post(OPEN, body, token=2), 403, "principal-not-permitted")
    done = world.post(OPEN, body, token=7)
    assert done[0] == 200, done
    found = world.get("/v1/principal/token-find?token_hash=" + "11" * 32)[2]["items"]
    assert [(one["principal_id"], one["opened_by"]) for one in found] == [("7", "7")], found


def first_head(world, token, method, path, *lines):
    return "\r\n".join(["%s %s HTTP/1.1" % (method, path), "Host: localhost", "Authorization: "
                        "Bearer " + world.tokens[token][0], *lines, "", ""]).encode()


def test_the_first_request_of_a_token_may_be_any(world):
    """Each is the first of a token: with a body, in chunks, line by line, piece by piece."""
    account = {"ledger": 1, "code": 1}
    kind = "Content-Type: application/json"
    lines = "Content-Type: application/x-ndjson"
    cases = []
    for number in range(7):
        body = json.dumps([{"id": str(900 + number), **account}]).encode()
        line = json.dumps({"id": str(900 + number), **account}).encode() + b"\n"
        chunk = b"%x\r\n%s\r\n0\r\n\r\n"
        size = "Content-Length: %d"
        cases.append([((kind, size % len(body)), (body,)),
                      ((kind, "Transfer-Encoding: chunked"), (chunk % (len(body), body),)),
                      ((lines, size % len(line)), (line,)),
                      ((lines, "Transfer-Encoding: chunked"), (chunk % (len(line), line),)),
                      ((kind, size % len(body)), tuple(body[i:i + 1] for i in range(len(body)))),
                      ((kind, "Transfer-Encoding: chunked"), (b"0\r\n\r\n",)),
                      ((kind, size % len(body), "Expect: 100-continue"), (body,))][number])
    for number, (head, pieces) in enumerate(cases):
        token = 30 + number
        new_token(world, token)
        world.token_open(token, 2)
        with socket.create_connection(("127.0.0.1", world.port), timeout=30) as plug:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plug.sendall(first_head(world, token, "POST", ACCOUNTS, *head))
            for piece in pieces:
                plug.sendall(piece)
            answer = http.client.HTTPResponse(plug)
            answer.begin()
            data = answer.read()
        assert answer.status == (400 if number == 5 else 200), (number, answer.status, data)
        found = world.get("/v1/ledger/account?id=%d" % (900 + number))[2]["items"]
        assert len(found) == (number != 5), (number, found)


def test_who_goes_in_the_middle_of_the_first_request_is_noticed(world):
    """Or sends it slowly: what waits for the client has its time, whoever was asked before."""
    for token, kind in ((50, "application/json"), (51, "application/x-ndjson")):
        new_token(world, token)
        world.token_open(token, 2)
        head = first_head(world, token, "POST", ACCOUNTS, "Content-Type: " + kind,
                          "Content-Length: 100000")
        with socket.create_connection(("127.0.0.1", world.port), timeout=30) as plug:
            plug.sendall(head)
            edge.wait_for(lambda: "tael_http_in_flight 2\n" in world.get("/metrics")[2].decode())
            plug.sendall(b'{"id":"950",' + b" " * 2000)
            plug.shutdown(socket.SHUT_WR)
            assert plug.recv(1) == b""


def test_many_at_once_with_a_new_token(world):
    new_token(world, 40)
    world.token_open(40, 2)
    plugs = [world.connect() for _ in range(100)]
    for plug in plugs:
        plug.request("GET", LIST, headers={"Authorization": "Bearer " + world.tokens[40][0]})
    assert {plug.getresponse().status for plug in plugs} == {200}
    for plug in plugs:
        plug.close()


def test_requests_behind_one_another_with_a_new_token(world):
    new_token(world, 41)
    world.token_open(41, 2)
    head = first_head(world, 41, "GET", LIST)
    last = first_head(world, 41, "GET", LIST, "Connection: close")
    told = world.raw(head * 9 + last)
    assert told.count(b"HTTP/1.1 200 ") == 10, told[:300]


def test_the_page(world):
    """The commands of docs/HTTP.md, word for word but for the port, on a server of their own."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/HTTP.md"), encoding="utf-8") as file:
        page = file.read()
    blocks = re.findall(r"^(?:    [^\n]*\n)+", page, re.M)
    told = [block for block in blocks if block.startswith("    {")]
    commands = [block for block in blocks if block.startswith(("    tael ", "    curl "))]
    assert len(told) == 1 and len(commands) == 6 and len(blocks) == 7, blocks
    assert "tael serve" in commands[0] and "tael edge" in commands[-1], commands
    folder = tempfile.mkdtemp(dir=world.folder)
    own = edge.World(world.tael, folder)
    own.settle = lambda: None
    own.start()
    try:
        script = "set -e\n" + "".join(commands[1:-1]).replace(":8080", ":%d" % own.port)
        script = script.replace("tael ", os.path.abspath(world.tael) + " ")
        script = script.replace("curl ", "curl -sS -w '\\n' ")
        done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0 and done.stderr == "", done
        answers = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
        assert [sorted(answer) for answer in answers] == [
            sorted(json.loads(told[0].replace("…", ""))), ["items", "next", "position"],
            ["end", "items", "next", "position"]], done.stdout
        assert answers[0]["result"] == "done"
        assert [one["name"] for one in answers[1]["items"]] == ["group"]
        assert len(answers[2]["items"]) == 3
    finally:
        own.stop()


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1])
