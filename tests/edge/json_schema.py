# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document uses of JSON Schema (2020-12): checking values, and making them."""
import re
import string

SAMPLES = ("HKD", "HK", "a", "cash", "x:y", "treasury", "example", "")


class Schemas:
    def __init__(self, document):
        self.document = document

    def resolve(self, schema):
        while "$ref" in schema:
            at = self.document
            for key in schema["$ref"][2:].split("/"):
                at = at[key]
            schema = at
        return schema

    # --- checking ---

    def wrong(self, schema, value, place="$"):
        """Why the value is none of the schema; None when it is."""
        schema = self.resolve(schema)
        for word in ("oneOf", "anyOf"):
            if word in schema:
                fits = [self.wrong(each, value, place) for each in schema[word]]
                count = fits.count(None)
                if count == 0 or (word == "oneOf" and count > 1):
                    return "%s: %d of %s fit: %r" % (place, count, word, [f for f in fits if f][:2])
        types = schema.get("type")
        if types is not None:
            types = [types] if isinstance(types, str) else types
            if not any(is_type(value, name) for name in types):
                return "%s: %r is none of %s" % (place, value, types)
        if "enum" in schema and value not in schema["enum"]:
            return "%s: %r is none of its names" % (place, value)
        if isinstance(value, str):
            if "pattern" in schema and not re.search(schema["pattern"], value):
                return "%s: %r is not %s" % (place, value, schema["pattern"])
            if len(value) > schema.get("maxLength", 1 << 30):
                return "%s: too long" % place
            if schema.get("format") == "date" and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                return "%s: %r is no date" % (place, value)
            if schema.get("format") == "date-time" and \
                    not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{9})?Z", value):
                return "%s: %r is no moment" % (place, value)
        if is_type(value, "integer") and not (schema.get("minimum", value) <= value
                                              <= schema.get("maximum", value)):
            return "%s: %r is out of range" % (place, value)
        if isinstance(value, list):
            return self.wrong_list(schema, value, place)
        if isinstance(value, dict):
            return self.wrong_object(schema, value, place)
        return None

    def wrong_list(self, schema, value, place):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 30):
            return "%s: %d items" % (place, len(value))
        for index, item in enumerate(value):
            said = self.wrong(schema.get("items", {}), item, "%s[%d]" % (place, index))
            if said:
                return said
        return None

    def wrong_object(self, schema, value, place):
        for name in schema.get("required", ()):
            if name not in value:
                return "%s: %s is missing" % (place, name)
        for name, member in value.items():
            known = schema.get("properties", {}).get(name)
            if known is None:
                if schema.get("additionalProperties") is False:
                    return "%s: %s is not described" % (place, name)
                continue
            said = self.wrong(known, member, "%s.%s" % (place, name))
            if said:
                return said
        return None

    # --- making ---

    def make(self, schema, random):
        """A value of the schema; edges are more likely than what is between them."""
        schema = self.resolve(schema)
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return self.make(random.choice(schema[word]), random)
        if "enum" in schema:
            return random.choice(schema["enum"])
        types = schema.get("type", "object")
        name = types if isinstance(types, str) else random.choice(types)
        if name == "object":
            required = schema.get("required", ())
            return {key: self.make(member, random)
                    for key, member in schema.get("properties", {}).items()
                    if key in required or random.random() < 0.4}
        if name == "array":
            most = min(schema.get("maxItems", 4), 4)
            least = min(schema.get("minItems", 0), 40)
            items = [self.make(schema["items"], random)
                     for _ in range(max(least, random.randint(0, most)))]
            return sorted(set(items)) if schema.get("uniqueItems") else items
        if name == "boolean":
            return random.random() < 0.5
        if name == "integer":
            least, most = schema.get("minimum", 0), schema.get("maximum", 1000)
            return min(max(random.choice((least, most, 0, 1, 2, 7, 100)), least), most)
        return make_text(schema, random)


def make_text(schema, random):
    pattern = schema.get("pattern")
    if pattern is None:
        text = random.choice(SAMPLES + (
            "".join(random.choice(string.printable) for _ in range(random.randint(0, 9))),
            "é", "银"))
        return text[:schema.get("maxLength", 40) // 4 or 1]
    if "a-fA-F" in pattern:
        digits = re.search(r"\{(\d+)\}\$", pattern)
        size = int(digits.group(1)) if digits and "*" not in pattern else 2 * random.randint(0, 40)
        return "".join(random.choice("0123456789abcdef") for _ in range(size))
    if "{4}-" in pattern:
        return random.choice(("2026-11-23", "1970-01-02", "9999-12-31", "0"))
    return random.choice(("0", "1", "2", "7", "100", "150", str(2 ** 31), str(2 ** 63 - 1)))


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "array": list, "object": dict,
                              "null": type(None)}[name])
