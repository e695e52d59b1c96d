# SPDX-License-Identifier: GPL-2.0
"""What tests ask of the schema of `hcpolicy -j`.

schema.py SCHEMA fields			what it promises, a fact a line
schema.py SCHEMA described		is it a schema that describes each field?
schema.py SCHEMA valid FILE...		is each FILE, N.NAME, what $defs/NAME says?  In N.NAME.lines each
					line is a document.  Prints the fields that they have.
"""
import json
import sys

try:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
except ImportError:
    sys.exit("python has no jsonschema: install python3-jsonschema (scripts/setup does)")

with open(sys.argv[1]) as file:
    DEFS = json.load(file)["$defs"]


def merged(schema):
    """With all that it refers to, and what it says itself last."""
    result = {"properties": {}, "required": []}
    refers = schema.get("allOf", [])
    if "$ref" in schema:
        part = {"$defs": DEFS}
        for name in schema["$ref"].split("/")[1:]:
            part = part[name]
        refers = [part, *refers]
    for one in [*map(merged, refers), schema]:
        result = {**result, **one, "properties": {**result["properties"], **one.get("properties", {})},
                  "required": result["required"] + one.get("required", [])}
    return result


def types(schema):
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


def parts(path, schema, always=True):
    """All that a document can have: where, what, whether it is always there."""
    schema = merged(schema)
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from parts(f"{path}({one['title']})", one)
        return
    yield path, schema, always
    for name, one in schema["properties"].items():
        yield from parts(f"{path}.{name}", one, name in schema["required"])
    for mark, word in [(".*", "additionalProperties"), ("[]", "items")]:
        if word in schema:
            yield from parts(path + mark, schema[word], False)


def all_parts():
    """Of each definition with a title, which is what something prints."""
    for name, schema in DEFS.items():
        if "title" in schema:
            yield from parts(name, schema)


def fields():
    for path, schema, always in all_parts():
        print(f"{path}: {' or '.join(types(schema))}{', ' + schema['unit'] if 'unit' in schema else ''}")
        if always:
            print(f"{path}: always there")
        for value in schema.get("enum", []):
            print(f"{path}: may be {json.dumps(value)}")


def validator(schema):
    return Draft202012Validator({**schema, "$defs": DEFS})


def described():
    validator({}).check_schema({"$defs": DEFS})
    for path, schema, _ in all_parts():
        numbers = {"integer", "number"} & set(types(schema))
        for word in ["description", *(["unit"] if numbers else [])]:
            if word not in schema:
                sys.exit(f"{path}: has no {word} in the schema")


def seen(path, value, schema):
    """The fields of a valid document."""
    schema = merged(schema)
    for one in schema.get("anyOf", []):
        if validator(one).is_valid(value):
            yield from seen(f"{path}({one['title']})", value, one)
            return
    yield path
    if isinstance(value, list):
        for one in value:
            yield from seen(path + "[]", one, schema["items"])
    if isinstance(value, dict):
        for name, one in value.items():
            if name in schema["properties"]:
                yield from seen(f"{path}.{name}", one, schema["properties"][name])
            elif "additionalProperties" in schema:
                yield from seen(path + ".*", one, schema["additionalProperties"])
            else:
                sys.exit(f"{path} has a field {name!r}, which {sys.argv[1]} does not describe")


def valid(name, text):
    value = json.loads(text)
    error = best_match(validator(DEFS[name]).iter_errors(value))
    if error:
        sys.exit(f"{name}{error.json_path[1:]}: {error.message}")
    print(*seen(name, value, DEFS[name]), sep="\n")


if sys.argv[2] == "fields":
    fields()
elif sys.argv[2] == "described":
    described()
else:
    for path in sys.argv[3:]:
        name = path.rsplit("/")[-1].split(".")
        with open(path) as file:
            for text in file if name[2:] == ["lines"] else [file.read()]:
                valid(name[1], text)
