#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/bulk_test.py TAEL: uploads of a record a line."""
import json
import os
import signal
import sys
import threading

import world as edge

ACCOUNTS = "/v1/ledger/create-accounts"
TRANSFERS = "/v1/ledger/create-transfers"
LINES = {"Content-Type": "application/x-ndjson"}


def upload(world, path, lines, key=None, chunk=None, query=""):
    """(status, headers, answer lines)."""
    body = lines if isinstance(lines, bytes) else \
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n"
                for line in lines).encode()
    headers = dict(LINES)
    if key is not None:
        headers["Idempotency-Key"] = str(key)
    if chunk:
        pieces = (body[at:at + chunk] for at in range(0, len(body), chunk))
        connection = world.connect()
        headers["Authorization"] = "Bearer " + world.tokens[2][0]
        connection.request("POST", path + query, body=pieces, headers=headers, encode_chunked=True)
        response = connection.getresponse()
        status, head, data = response.status, response.headers, response.read()
        connection.close()
    else:
        status, head, data = world.post(path + query, body, headers=headers)
    if status != 200:
        return status, head, data
    assert head["Content-Type"] == "application/x-ndjson", head
    return status, head, [json.loads(line) for line in data.splitlines()]


def accounts(world, first, count, ledger):
    rows = [{"id": str(first + i), "ledger": ledger, "code": 1} for i in range(count)]
    status, head, told = upload(world, ACCOUNTS, rows)
    assert status == 200 and len(told) == count, (status, told)
    assert {row["result"] for row in told} == {"created"} and head["Tael-Refused"] == "0"
    assert [row["line"] for row in told] == list(range(1, count + 1))


def transfer(number, debit, credit, ledger, **more):
    return {"id": str(number), "debit_account_id": str(debit), "credit_account_id": str(credit),
            "amount": "1", "ledger": ledger, "code": 1, **more}


def balance(world, account):
    item = world.get("/v1/ledger/account?id=%d" % account)[2]["items"][0]
    return int(item["debits_posted"]), int(item["credits_posted"])


def test_every_line_has_an_answer_in_order(world):
    accounts(world, 1000, 100, 5)
    count = 30000  # Four commands.
    rows = [transfer(10 ** 6 + i, 1000 + i % 100, 1000 + (i + 1) % 100, 5) for i in range(count)]
    rows[7]["amount"] = "-1"
    rows[20000] = "not json"
    rows[20001] = ""
    rows[20002]["ledger"] = 6
    status, head, told = upload(world, TRANSFERS, rows)
    assert status == 200 and len(told) == count - 1 and head["Tael-Lines"] == str(count - 1)
    assert [row["line"] for row in told] == [i + 1 for i in range(count) if i != 20001]
    odd = [row for row in told if row.get("result") != "created"]
    assert [row["line"] for row in odd] == [8, 20001, 20003], odd
    assert odd[0]["field"] == "amount" and odd[0]["type"].endswith("bad-value"), odd
    assert odd[1]["type"].endswith("malformed-json") and odd[1]["column"] == 1, odd
    assert odd[2]["result"] == "transfer_must_have_the_same_ledger_as_accounts", odd
    assert head["Tael-Refused"] == "3", odd
    assert sum(balance(world, 1000 + i)[0] for i in range(100)) == count - 4
    # Only what was refused, in any pieces, and with other line ends.
    body = "".join((row if isinstance(row, str) else json.dumps(row)) + "\r\n"
                   for row in rows[:100] + rows[19990:20010]).encode()[:-2]
    status, head, told = upload(world, TRANSFERS, body, chunk=1013, query="?results=refused")
    assert status == 200 and head["Tael-Lines"] == "119", head
    assert [row["line"] for row in told] == [8, 111, 113], told


def test_the_same_upload_is_answered_the_same(world):
    accounts(world, 2000, 2, 7)
    rows = [transfer(2 * 10 ** 6 + i, 2000, 2001, 7) for i in range(20000)]
    rows[9] = "bad"
    first = upload(world, TRANSFERS, rows, key=99)
    again = upload(world, TRANSFERS, rows, key=99, chunk=30011)
    assert first[0] == again[0] == 200 and first[2] == again[2]
    assert balance(world, 2000)[0] == 19999
    other = upload(world, TRANSFERS, rows)  # Another key: other commands, the same transfers.
    assert {row.get("result") for row in other[2]} == {"exists", None}
    rows[5]["amount"] = "2"
    told = upload(world, TRANSFERS, rows, key=99)[2]
    assert told[4]["type"].endswith("command-id-reused"), told[4]


def test_chains_are_whole(world):
    accounts(world, 3000, 2, 8)
    def row(number, linked, **more):
        return transfer(3 * 10 ** 6 + number, 3000, 3001, 8,
                        **({"flags": ["linked"]} if linked else {}), **more)
    # A chain over the end of the first command is put into the second one.
    rows = [row(i, 8180 <= i < 8200) for i in range(8300)]
    told = upload(world, TRANSFERS, rows)[2]
    assert {line["result"] for line in told} == {"created"}, told[8180:8202]
    # A bad line breaks the chain that it is in, and no other.
    rows = [row(9000, True), row(9001, False), row(9002, True), "bad", row(9003, True),
            row(9004, False), row(9005, False), row(9006, True, amount="x"), row(9007, False),
            row(9008, False)]
    told = upload(world, TRANSFERS, rows)[2]
    failed = "linked_event_failed"
    assert [line.get("result") for line in told] == \
        ["created", "created", failed, None, failed, failed, "created", None, failed, "created"]
    assert balance(world, 3000)[0] == 8300 + 4
    # One that is longer than a command is refused, and one that has no end.
    rows = [row(20000 + i, i < 8999) for i in range(9000)]
    told = upload(world, TRANSFERS, rows)[2]
    assert "created" not in {line.get("result") for line in told[:8189]}, told[:3]
    told = upload(world, TRANSFERS, [row(40000, False), row(40001, True)])[2]
    assert [line["result"] for line in told] == ["created", "linked_event_chain_open"], told


def test_records_of_modules(world):
    rows = [edge.entity(500 + i, "p%d" % i)
            for i in range(3)] * 2
    told = upload(world, "/v1/entity/open", rows)[2]
    assert [row["result"] for row in told] == ["done"] * 3 + ["exists"] * 3, told
    assert told[3]["evidence"] == "500", told[3]
    # Records with items, of several commands of a MiB.
    calendar = {"calendar": "X", "weekend": 96}
    assert world.post("/v1/entity/calendar-open", calendar)[0] == 200
    days = [{"day": 20000 + i, "kind": "holiday"} for i in range(32)]
    rows = [{"calendar": "X", "days": days[i % 7:]} for i in range(6000)]
    status, head, told = upload(world, "/v1/entity/calendar-mark", rows)
    assert status == 200 and {row["result"] for row in told} == {"done"}, (status, told[:2])
    assert len({row["timestamp"] for row in told}) == len(rows) and head["Tael-Lines"] == "6000"


def test_empty_and_wrong_uploads(world):
    for body in (b"", b"\n", b"\r\n\n  \n"):
        status, head, told = upload(world, ACCOUNTS, body)
        assert (status, told, head["Tael-Lines"]) == (200, [], "0"), (body, status, told)
    assert upload(world, ACCOUNTS, b"{}", query="?results=some")[0] == 400
    assert upload(world, ACCOUNTS, b"{}", query="?x=1")[0] == 400
    assert upload(world, ACCOUNTS, b"{}", key="x")[0] == 400
    told = upload(world, ACCOUNTS, b'{"id":1}{"id":2}\n[]\n{"id":7,"ledger":1,"code":1}')[2]
    assert [row.get("result") for row in told] == [None, None, "created"], told
    # A line that is longer than may be is passed over.
    rows = b" " * (9 << 20) + b"{}\n" + b'{"id":8,"ledger":1,"code":1}\n'
    told = upload(world, ACCOUNTS, rows)[2]
    assert told[0]["type"].endswith("too-large") and told[1]["result"] == "created", told
    # Only bad lines, more than fill several answers.
    told = upload(world, ACCOUNTS, b"x\n" * 100000, query="?results=refused")[2]
    assert [row["line"] for row in told] == list(range(1, 100001))


def test_several_uploads_at_once(world):
    accounts(world, 4000, 2, 9)
    results = []
    def one(number):
        rows = [transfer((40 + number) * 10 ** 6 + i, 4000, 4001, 9) for i in range(9000)]
        results.append(upload(world, TRANSFERS, rows))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for status, _, told in results:
        assert status == 200 and {row["result"] for row in told} == {"created"}
        assert [row["line"] for row in told] == list(range(1, 9001))
    assert balance(world, 4000)[0] == 6 * 9000


def test_an_upload_that_was_broken_off_goes_on(world):
    accounts(world, 5000, 2, 10)
    rows = [transfer(50 * 10 ** 6 + i, 5000, 5001, 10) for i in range(40000)]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    head = ("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: 555\r\n"
            "Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"
            % (TRANSFERS, world.tokens[2][0], len(body))).encode()
    assert world.raw(head + body[:len(body) // 2], half_close=True) == b""
    # The edge dies in the middle of another one.
    before = world.edge_pid()
    half = threading.Thread(target=world.raw, args=(head + body[:len(body) // 2],))
    half.start()
    edge.wait_for(lambda: balance(world, 5000)[0] > 0)
    os.kill(before, signal.SIGKILL)
    half.join()
    edge.wait_for(lambda: world.edge_pid() != before and world.get("/readyz")[0] == 200)
    status, _, told = upload(world, TRANSFERS, rows, key=555)
    assert status == 200 and {row["result"] for row in told} == {"created"}
    assert balance(world, 5000) == (40000, 0)


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1])
