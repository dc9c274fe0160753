#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/edge/openapi_test.py TAEL: every endpoint as its document describes it.

The document itself is looked at; each endpoint is called with its example, with what breaks its
description, and with requests made at random from its description (seeded: SEED in the
environment). No answer has a status of 5xx, and each is as the document says.
"""
import gzip
import json
import os
import random
import re
import sys
import urllib.parse

import json_schema
import world as edge

HERE = os.path.dirname(os.path.abspath(__file__))
REQUESTS = 3000
STATE = {}


def setup(world):
    STATE["document"] = world.get("/v1/openapi.json", token=None)[2]
    STATE["schemas"] = json_schema.Schemas(STATE["document"])
    # Something of everything, so that answers have items.
    leg = {"book": 100, "amount": "250"}
    legs = [{**leg, "account_id": "1", "side": "debit"},
            {**leg, "account_id": "2", "side": "credit"}]
    for path, body in (
            ("entity/calendar-open", {"calendar": "HK", "weekend": 96}),
            ("entity/calendar-mark", {"calendar": "HK",
                                      "days": [{"day": "2026-12-25", "kind": "holiday"}]}),
            ("entity/open", {"entity_id": "1", "name": "group", "jurisdiction": "HK",
                             "currency": "HKD", "calendar": "HK", "day": "2026-11-23"}),
            ("book/asset-open", {"asset": "HKD", "name": "dollar", "kind": "currency", "scale": 2}),
            ("book/chart-add", {"chart": 1, "code": 10, "kind": "asset", "name": "cash"}),
            ("book/chart-add", {"chart": 1, "code": 20, "kind": "liability", "name": "owed"}),
            ("book/open", {"book": 100, "chart": 1, "entity_id": "1", "asset": "HKD",
                           "name": "main"}),
            ("book/account-open", {"account_id": "1", "book": 100, "code": 10, "name": "till"}),
            ("book/account-open", {"account_id": "2", "book": 100, "code": 20, "name": "due"}),
            ("entry/post", {"entry_id": "5", "order_id": "77", "legs": legs}),
            ("entry/hold", {"entry_id": "6", "name": "later", "legs": legs}),
            ("name/set", {"path": "group:till", "kind": "account", "number": 100, "id": "1"}),
            ("constraint/cell-open", {"cell": 1, "name": "one"}),
            ("constraint/cell-add", {"cell": 1, "book": 100, "account_id": "2"}),
            ("constraint/open", {"constraint": 1, "bound": "-1000", "name": "bound",
                                 "terms": [{"cell": 1, "coefficient": "1"}]}),
            ("entity/open", edge.entity(10, "edge")),
            ("ledger/create-accounts", [{"id": str(i), "ledger": 1, "code": 1,
                                         "flags": ["history"]} for i in (1, 2)]),
            ("ledger/create-transfers", {"id": "1", "debit_account_id": "1", "ledger": 1, "code": 1,
                                         "credit_account_id": "2", "amount": "10"}),
            ("entity/day-close", {"entity_id": "1", "day": "2026-11-23"})):
        status, _, told = world.post("/v1/" + path, body)
        assert status in (200, 201), (path, status, told)


def operations():
    for path, item in STATE["document"]["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def checked(world, path, method, operation, told):
    """The answer is as the document says; returns its status."""
    status, headers, body = told
    assert status < 500, (method, path, status, body)
    assert headers["X-Request-Id"] and headers["X-Content-Type-Options"] == "nosniff", headers
    kind = headers.get("Content-Type", "").split(";")[0]
    if status >= 400:
        assert kind == "application/problem+json", (path, told)
        said = STATE["schemas"].wrong({"$ref": "#/components/schemas/Problem"}, body)
        assert said is None and body["status"] == status, (path, said, body)
        known = STATE["types"]
        assert body["type"] in known, (path, body)
        return status
    described = operation["responses"][str(status)]["content"]
    assert kind in described, (path, kind, described.keys())
    if kind == "application/json" and "schema" in described[kind]:
        said = STATE["schemas"].wrong(described[kind]["schema"], body)
        assert said is None, (method, path, said, body)
    return status


def query_of(operation, choose):
    """The query made of the parameters for which `choose` gives a value."""
    pairs = []
    for parameter in operation.get("parameters", ()):
        parameter = STATE["schemas"].resolve(parameter)
        value = choose(parameter) if parameter["in"] == "query" else None
        if value is None:
            continue
        if isinstance(value, list):
            value = ",".join(map(str, value))
        elif isinstance(value, bool):
            value = str(value).lower()
        pairs.append((parameter["name"], str(value)))
    return "?" + urllib.parse.urlencode(pairs) if pairs else ""


def test_the_document(world):
    document = STATE["document"]
    assert document["openapi"] == "3.1.0" and document["paths"]
    STATE["types"] = {"/docs#problem-%s" % row["name"].replace("_", "-")
                      for row in document["x-problems"]} | \
        {"/docs#result-%s-%s" % (row["group"], row["name"].replace("_", "-"))
         for row in document["x-results"]}
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    text = json.dumps(document)
    for name in re.findall(r'"\$ref": "([^"]+)"', text):
        assert STATE["schemas"].resolve({"$ref": name}), name
    for _, method, operation in operations():
        if method == "post":
            content = operation["requestBody"]["content"]["application/json"]
            said = STATE["schemas"].wrong(content["schema"], content["example"])
            assert said is None, (operation["operationId"], said)
    # Every command and question of every module is there.
    with open(os.path.join(HERE, "../golden/modules_reference.md"), encoding="utf-8") as file:
        records = re.findall(r"### (?:`)?(\w+)(?:`)?\n(?:(?!###).)*?Kind: (command|query)\. "
                             r"Number: 0x(\w\w)", file.read(), re.S)
    wanted = {name for name, _, module in records if module < "7e"}
    assert len(wanted) > 80, len(wanted)
    schemas = document["components"]["schemas"]
    have = {name.split(".")[1] for name in schemas if name.endswith(".new")}
    commands = {name for name, kind, module in records if kind == "command" and module < "7e"}
    assert commands <= have, commands - have
    questions = sum(1 for _, kind, module in records if kind == "query" and module < "7e")
    gets = sum(1 for path, method, _ in operations()
               if method == "get" and re.match(r"/v1/(?!ledger/)\w+/", path))
    assert gets == questions, (gets, questions)


def test_what_is_made_once(world):
    for path, kind in (("/v1/openapi.json", "application/json"), ("/docs", "text/html"),
                       ("/docs/docs.js", "text/javascript"), ("/docs/docs.css", "text/css")):
        status, headers, plain = world.get(path, token=None)
        assert status == 200 and headers["Content-Type"].startswith(kind), headers
        assert headers["Vary"] == "Accept-Encoding" and headers["Cache-Control"] == "no-cache"
        for accept in ("gzip", "br, gzip;q=0.5", "deflate,gzip"):
            packed = world.get(path, token=None, headers={"Accept-Encoding": accept})
            assert packed[1]["Content-Encoding"] == "gzip", packed[1]
        connection = world.connect()
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        data = gzip.decompress(connection.getresponse().read())
        connection.close()
        assert data == plain if isinstance(plain, bytes) else json.loads(data) == plain
        refused = world.get(path, token=None, headers={"Accept-Encoding": "gzip;q=0"})
        assert "Content-Encoding" not in refused[1]
        same = world.get(path, token=None, headers={"If-None-Match": headers["ETag"]})
        assert same[0] == 304 and same[2] == b"", same
        assert world.get(path, token=None, headers={"If-None-Match": '"x"'})[0] == 200
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert world.get(path + "?x=1", token=None)[0] == 400
    # The page has no other source than this.
    page = world.get("/docs", token=None)[2].decode()
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


def test_every_endpoint_with_its_example(world):
    seen = 0
    for path, method, operation in operations():
        if method == "post":
            body = operation["requestBody"]["content"]["application/json"]["example"]
            told = world.post(path, body)
        else:
            told = world.get(path + query_of(operation, lambda one: one.get("example")))
        checked(world, path, method, operation, told)
        seen += 1
    assert seen > 100, seen


def paged(world, query, items):
    """Pages of one, and of two, have the same items in the same order."""
    for limit in (1, 2):
        rows, more = [], ""
        while more is not None:
            joint = "&" if "?" in query else "?"
            part = world.get("/v1/%s%slimit=%d%s" % (query, joint, limit, more))
            assert part[0] == 200 and len(part[2]["items"]) <= limit, (query, part)
            rows += part[2]["items"]
            assert len(rows) <= len(items), (query, rows)
            more = "&cursor=" + part[2]["next"] if part[2]["next"] else None
        same = [{key: value for key, value in row.items() if not key.startswith("position")}
                for row in items]
        assert [{key: value for key, value in row.items() if not key.startswith("position")}
                for row in rows] == same, (query, limit, rows, items)


def test_answers_with_items(world):
    """Views are as described: most have items here."""
    full = set()
    for query in ("ledger/account?id=1", "ledger/transfer?id=1", "ledger/accounts?ledger=1",
                  "ledger/transfers?code=1&flags=reversed",
                  "ledger/account-transfers?account_id=1&flags=debits,credits",
                  "ledger/account-balances?account_id=1&flags=debits",
                  "entity/list", "entity/calendar-list", "entity/calendar-days?calendar=HK",
                  "entity/day-list?entity_id=1", "book/asset-list", "book/chart-list?chart=1",
                  "book/list", "book/trial-balance?book=100", "book/balance?book=100&account_id=1",
                  "book/statement?book=100&account_id=1", "book/turnover-list?book=100",
                  "book/account-list?book=100", "entry/show?entry_id=5",
                  "entry/search?order_id=77", "entry/hold-list?book=100",
                  "name/find?path=group:till", "name/list?prefix=group",
                  "name/balance?prefix=group",
                  "name/of?kind=account&number=100&id=1", "constraint/cell-list",
                  "constraint/list", "principal/list", "principal/find?principal_id=2",
                  "effect/status", "tree/head"):
        path = "/v1/" + query.split("?")[0]
        operation = STATE["document"]["paths"][path]["get"]
        told = world.get("/v1/" + query)
        status = checked(world, path, "get", operation, told)
        if status == 200 and told[2]["items"]:
            full.add(path)
            paged(world, query, told[2]["items"])
    assert len(full) >= 24, sorted(full)


def test_every_endpoint_with_what_is_wrong(world):
    for path, method, operation in operations():
        other = {"get": "POST", "post": "GET"}[method]
        if method == "get" and not path.startswith("/v1/"):
            told = world.call("DELETE", path)
        else:
            told = world.call(other, path, {} if other == "POST" else None)
        if path not in ("/v1/changes",) and len(STATE["document"]["paths"][path]) == 1:
            assert told[0] == 405, (path, told)
        if method == "get":
            told = world.get(path + "?nothing_of_this_name=1")
            if path not in ("/healthz", "/readyz", "/metrics"):
                assert told[0] == 400, (path, told)
            continue
        schema = STATE["schemas"].resolve(
            operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0])
        example = operation["requestBody"]["content"]["application/json"]["example"]
        wrong = [b"", b"{", b"null", b"[]", b"[[]]", b'"x"', b"{}x", b"\xff", b"[{]",
                 {**example, "nothing_of_this_name": 1}]
        for name, member in schema["properties"].items():
            wrong.append({**example, name: {"not": "this"}})
            if "maximum" in member:
                wrong.append({**example, name: member["maximum"] + 1})
            if "maxLength" in member:
                wrong.append({**example, name: "x" * (member["maxLength"] + 1)})
            if name in schema["required"]:
                wrong.append({key: value for key, value in example.items() if key != name})
        for body in wrong:
            told = world.post(path, body)
            status = checked(world, path, method, operation, told)
            assert status == 400, (path, body, told)


def test_requests_at_random(world):
    seed = int(os.environ.get("SEED", "20261123"))
    dice = random.Random(seed)
    schemas = STATE["schemas"]
    every = [one for one in operations() if one[0].startswith("/v1/") and "tags" in one[2] and
             one[2]["tags"] != ["edge"]]
    statuses = {}
    connection = world.connect()
    for number in range(REQUESTS):
        path, method, operation = dice.choice(every)
        if method == "post":
            body = schemas.make(operation["requestBody"]["content"]["application/json"]["schema"],
                                dice)
            text = json.dumps(body, ensure_ascii=dice.random() < 0.5)
            if dice.random() < 0.2:  # Something else than JSON of it.
                at = dice.randrange(len(text) + 1)
                text = text[:at] + dice.choice("{}[]\",:0x\\\n") + text[at + dice.randint(0, 2):]
            told = world.post(path, text.encode(), connection=connection)
        else:
            def choose(parameter):
                if parameter["name"] == "wait_ms" or dice.random() < 0.5 and \
                        not parameter.get("required"):
                    return None
                return schemas.make(parameter["schema"], dice)
            told = world.get(path + query_of(operation, choose), connection=connection)
        try:
            status = checked(world, path, method, operation, told)
        except AssertionError as error:
            raise AssertionError("seed %d, request %d" % (seed, number)) from error
        statuses[status] = statuses.get(status, 0) + 1
    connection.close()
    assert statuses.get(200, 0) > REQUESTS / 10 and statuses.get(400, 0) > REQUESTS / 20, statuses
    print(dict(sorted(statuses.items())))


if __name__ == "__main__":
    edge.run([value for name, value in list(globals().items()) if name.startswith("test_")],
             sys.argv[1], "--http-rate", "0", setup=setup)
