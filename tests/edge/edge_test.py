#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/edge_test.py TAEL: what HTTP answers, by hand-written examples."""
import sys
import uuid

import world as edge

ACCOUNT = "/v1/ledger/create-accounts"
TRANSFER = "/v1/ledger/create-transfers"


def problem(answer, status, name, **members):
    """The answer is a problem document of this status and type."""
    got, headers, body = answer
    assert got == status, answer
    assert headers["Content-Type"] == "application/problem+json", answer
    assert body["status"] == status and body["type"].endswith("-" + name), answer
    assert body["title"] and headers["X-Request-Id"], answer
    for member, value in members.items():
        assert body.get(member) == value, (member, value, body)
    return body


def test_health_needs_no_token(world):
    assert world.get("/healthz", token=None)[::2] == (200, {"status": "ok"})
    assert world.get("/readyz", token=None)[::2] == (200, {"status": "ready"})
    status, headers, body = world.call("HEAD", "/healthz", token=None)
    assert (status, body) == (200, b"") and headers["Content-Length"] == "15"


def test_who_asks(world):
    path = "/v1/principal/list"
    body = problem(world.get(path, token=None), 401, "not-authenticated")
    assert world.get(path, token=None)[1]["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization" in body["detail"]
    for wrong in ("Basic dTpw", "Bearer", "Bearer tael_", "Bearer " + "A" * 48,
                  "Bearer tael_" + "A" * 42, "Bearer tael_" + "A" * 42 + "B",
                  "Bearer tael_" + "A" * 42 + "!"):
        problem(world.get(path, headers={"Authorization": wrong}, token=None), 401,
                "not-authenticated")
    problem(world.get(path, token=0), 401, "not-authenticated")
    assert world.get(path, token=7)[0] == 200
    for open_path in ("/metrics", "/v1/changes", ACCOUNT):
        method = "POST" if open_path == ACCOUNT else "GET"
        problem(world.call(method, open_path, token=None), 401, "not-authenticated")
    assert world.get(path)[0] == 200
    lower = {"authorization": "bearer " + world.tokens[2][0]}
    assert world.get(path, headers=lower, token=None)[0] == 200


def test_one_record(world):
    body = edge.entity(70, "seventy")
    status, headers, done = world.post("/v1/entity/open", body)
    assert status == 200 and headers["Content-Type"] == "application/json", done
    assert done["result"] == "done" and done["number"] == 0, done
    assert int(done["position"]) > 0 and int(done["command_id"]) > 0, done
    assert done["timestamp"].startswith("20") and done["timestamp"].endswith("Z"), done
    refused = problem(world.post("/v1/entity/open", body), 409, "entity-exists",
                      result="exists", code=5, evidence="70")
    assert int(refused["position"]) == int(done["position"]) + 1
    status, headers, page = world.get("/v1/principal/find?principal_id=2")
    assert status == 200 and page["next"] is None, page
    assert [item["name"] for item in page["items"]] == ["caller-2"], page
    assert headers["Tael-Position"] == page["position"] == refused["position"], page
    problem(world.get("/v1/principal/find?principal_id=71"), 404, "principal-not-found",
            result="not_found", code=7, evidence="71")


def test_command_ids(world):
    body = edge.entity(80, "eighty")
    number = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
    key = {"Idempotency-Key": str(number)}
    first = world.post("/v1/entity/open", body, headers=key)
    assert first[0] == 200 and first[2]["command_id"] == str(number.int), first
    for again in (world.post("/v1/entity/open", body, headers=key),
                  world.post("/v1/entity/open", body,
                             headers={"Idempotency-Key": str(number.int)}),
                  world.post("/v1/entity/open?command_id=%d" % number.int, body)):
        assert again[0] == 200 and again[2] == first[2], again
    body["name"] = "other"
    problem(world.post("/v1/entity/open", body, headers=key), 409, "command-id-reused",
            command_id=str(number.int))
    for wrong in ("", "0", "x", "-1", "1.0", str(2 ** 128), str(number)[:-1], "01",
                  "0123456789abcdef0123456789abcdef"):
        problem(world.post("/v1/entity/open", body, headers={"Idempotency-Key": wrong}), 400,
                "bad-header")
    problem(world.post("/v1/entity/open?command_id=5", body, headers=key), 400, "bad-header")


def test_arrays(world):
    rows = [{"id": str(1000 + i), "ledger": 9, "code": 1} for i in range(3)]
    rows.append({"id": "1000", "ledger": 9, "code": 2})
    status, _, done = world.post(ACCOUNT, rows)
    assert status == 200, done
    assert [row["result"] for row in done["items"]] == ["created"] * 3 + \
        ["exists_with_different_code"], done
    assert [row["number"] for row in done["items"]] == [2 ** 32 - 1] * 3 + [20], done
    problem(world.post(ACCOUNT, []), 400, "empty-batch")
    rows[1]["code"] = "x"
    body = problem(world.post(ACCOUNT, rows), 400, "bad-value", field="code", line=1, min="0",
                   max="65535")
    assert "record 1" in body["detail"], body


def test_bodies(world):
    for body, name, members in (
            (b"", "malformed-json", {"line": 1, "column": 1}),
            (b"{", "malformed-json", {"line": 1, "column": 2}),
            (b'{"id":1,\n "ledger":}', "malformed-json", {"line": 2, "column": 11}),
            (b'{"id":1,"ledger":1,"code":1} x', "malformed-json", {"column": 30}),
            (b'{"id":1,"id":2}', "duplicate-key", {"field": "id", "column": 9}),
            (b'{"id":1,"legder":1}', "unknown-field", {"field": "legder"}),
            (b'{"id":1,"code":1}', "missing-field", {"field": "ledger"}),
            (b'{"id":1,"ledger":true,"code":1}', "wrong-type", {"field": "ledger"}),
            (b'{"id":1,"ledger":4294967296,"code":1}', "bad-value",
             {"field": "ledger", "min": "0", "max": "4294967295"}),
            (b'{"id":-1,"ledger":1,"code":1}', "bad-value", {"field": "id"}),
            (b'{"id":1.0,"ledger":1,"code":1}', "bad-value", {"field": "id"}),
            (b'{"id":1,"ledger":1,"code":1,"flags":["x"]}', "bad-value", {"field": "flags"}),
            (b'"x"', "wrong-type", {}),
            (b'[1]', "wrong-type", {}),
            (b'[{"id":1,"ledger":1,"code":1},', "malformed-json", {}),
            (b'{"id":"\xff"}', "malformed-json", {"column": 8}),
            (b'{"id":"\xc0\xaf"}', "malformed-json", {}),
            (b"\xef\xbb\xbf{}", "malformed-json", {"column": 1}),
            (b"[" * 100, "wrong-type", {})):
        answer = world.post(ACCOUNT, body)
        if name == "wrong-type" and answer[2].get("type", "").endswith("malformed-json"):
            assert body == b"[" * 100, answer
            continue
        problem(answer, 400, name, **members)
    hint = world.post(ACCOUNT, b'{"id":1,"legder":1}')[2]["hint"]
    assert "ledger" in hint, hint


def test_types_and_sizes(world):
    for kind in ("text/plain", "application/xml", "application/jsonx",
                 "application/x-www-form-urlencoded"):
        problem(world.post(ACCOUNT, b"{}", headers={"Content-Type": kind}), 415,
                "unsupported-media-type")
    good = b'{"id":5,"ledger":1,"code":1}'
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert world.post(ACCOUNT, good, headers={"Content-Type": kind})[0] in (200, 201)
    problem(world.post(ACCOUNT, b" " * (8 << 20) + good), 413, "too-large")
    head = ("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            "Content-Type: application/json\r\n" % (ACCOUNT, world.tokens[2][0]))
    # More than is passed over: answered at once, and the connection ends.
    told = world.raw((head + "Content-Length: 99999999\r\n\r\n{").encode())
    assert told.startswith(b"HTTP/1.1 413 ") and b"Connection: close" in told, told
    problem(world.post(ACCOUNT, [{"id": str(i + 1), "ledger": 1, "code": 1} for i in range(8190)]),
            413, "too-large")


def test_methods_and_paths(world):
    answer = world.call("DELETE", ACCOUNT)
    problem(answer, 405, "method-not-allowed")
    assert answer[1]["Allow"] == "POST"
    answer = world.post("/v1/principal/list", {})
    problem(answer, 405, "method-not-allowed")
    assert answer[1]["Allow"] == "GET, HEAD"
    for path in ("/", "/v1", "/v1/", "/v1/principal", "/v1/principal/", "/v1/principal/nothing",
                 "/v1/sample/open", "/v1/principal//list", "/v1/%70rincipal/list", "//healthz",
                 "/v1/../healthz", "/..%2f..%2fetc/passwd", "/../../../etc/passwd", "/docs/../x",
                 "/V1/principal/list", "/v1/principal_list", "/healthz/", "/v1/entity/open%00"):
        problem(world.get(path), 404, "not-found")


def test_parameters(world):
    path = "/v1/principal/find"
    problem(world.get(path), 400, "missing-parameter", field="principal_id")
    problem(world.get(path + "?principal_id=x"), 400, "bad-parameter", field="principal_id",
            max=str(2 ** 64 - 1))
    problem(world.get(path + "?principal_id=1&x=2"), 400, "unknown-parameter")
    body = problem(world.get(path + "?principal_id=1&principal_idd=2"), 400, "unknown-parameter")
    assert "principal_id" in body["hint"], body
    problem(world.get(path + "?principal_id=1&principal_id=2"), 400, "bad-target")
    problem(world.get(path + "?principal_id=%zz"), 400, "bad-target")
    problem(world.get(path + "?principal_id=%"), 400, "bad-target")
    problem(world.get(path + "?principal_id=%ff"), 400, "bad-target")
    problem(world.get(path + "?principal_id=2&cursor=x"), 400, "bad-parameter", field="cursor")
    problem(world.get(path + "?principal_id=2&at_least=x"), 400, "bad-parameter", field="at_least")
    assert world.get(path + "?principal%5Fid=%32")[0] == 200


def test_own_writes_are_read(world):
    done = world.post("/v1/entity/open", edge.entity(90, "n"))
    assert done[0] == 200, done
    for headers, more in (({"Tael-At-Least": done[2]["position"]}, ""),
                          ({}, "&at_least=" + done[2]["position"])):
        status, _, page = world.get("/v1/principal/find?principal_id=2" + more, headers=headers)
        assert status == 200 and int(page["position"]) >= int(done[2]["position"]), page
    # What has not come is none; nobody is held up by it.
    problem(world.get("/v1/principal/list?at_least=%d" % (int(done[2]["position"]) + 10 ** 6)), 400,
            "bad-parameter", field="at_least")
    problem(world.get("/v1/principal/list", headers={"Tael-At-Least": str(2 ** 63)}), 400,
            "bad-parameter", field="at_least")


def test_request_ids(world):
    given = {"X-Request-Id": "a-B.c:9_"}
    assert world.get("/healthz", headers=given)[1]["X-Request-Id"] == "a-B.c:9_"
    for bad in ("", "a b", "x" * 65, "a\tb", "<script>"):
        made = world.get("/healthz", headers={"X-Request-Id": bad})[1]["X-Request-Id"]
        assert made != bad and len(made) > 16, made
    ids = {world.get("/healthz")[1]["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


def test_metrics(world):
    status, headers, text = world.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = text.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    told = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for name in values:
        base = name.split("{")[0]
        for suffix in ("_bucket", "_sum", "_count"):
            if base.endswith(suffix) and base[:-len(suffix)] in told:
                base = base[:-len(suffix)]
        assert base in told, name
    assert int(values['tael_http_requests_total{class="command",status="201"}']) > 0
    assert values["tael_core_up"] == "1" and int(values["tael_core_position"]) > 0
    count = int(values['tael_http_request_seconds_count{class="command"}'])
    assert count == int(values['tael_http_request_seconds_bucket{class="command",le="+Inf"}'])
    assert count == sum(int(value) for name, value in values.items()
                        if name.startswith('tael_http_requests_total{class="command"'))


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1])
