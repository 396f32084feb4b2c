import json

import pytest

from zoo_spec import list_specs
from zoo_spec.spec_files.schema import json_schema
from zoo_spec.spec_files.shipped import shipped_specs
from zoo_spec.yaml_reader import read_mapping


def test_the_schema_is_plain_json_and_refers_only_to_what_it_defines(schema):
    text = json.dumps(schema)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}:
        assert reference in schema["$defs"]
    assert schema["additionalProperties"] is False
    assert "extends" in schema["properties"]


@pytest.fixture(scope="module")
def schema():
    return json_schema()


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", list_specs())
def test_the_schema_accepts_every_shipped_file(schema, name):
    path = shipped_specs()[name]
    assert accepts(schema, plain(read_mapping(path.read_text("utf-8"), name)[0]), schema)


@pytest.mark.parametrize(
    "text",
    [
        "extends: bert_tiny\ntraining: {optimizer: {momentum: 0.5}}",
        "extends: bert_tiny\nmodel: {norm: rms_norm, attention: {mask: causal}}",
        "model: bert\ntraining: {optimizer: sgd}",
    ],
)
def test_the_schema_accepts_files_that_leave_things_out(schema, text):
    assert accepts(schema, plain(read_mapping(text, "")[0]), schema)


@pytest.mark.parametrize(
    "text",
    [
        "modle: bert",
        "extends: [a]",
        "model: brt",
        "model: {kind: brt}",
        "model: {hiden_size: 4}",
        "model: {kind: bert, num_layers: 0}",
        "model: {kind: bert, num_layers: '2'}",
        "model: {kind: bert, norm: {kind: attention}}",
        "model: {kind: bert, norm: {epsilom: 1}}",
        "training: {optimizer: {kind: adamw, momentum: 0.5}}",
    ],
)
def test_the_schema_refuses_what_loading_would(schema, text):
    assert not accepts(schema, plain(read_mapping(text, "")[0]), schema)


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
LIMITS = {
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "exclusiveMaximum": lambda value, limit: value < limit,
}
SIZES = {"minItems": list, "maxItems": list, "minLength": str, "minProperties": dict}
NOTES = {"$schema", "$defs", "title", "description", "default", "examples", "if", "then"}


def accepts(schema, value, root) -> bool:
    """The part of draft 2020-12 that the schema uses; an unknown keyword fails, so none goes unchecked."""
    if isinstance(schema, bool):
        return schema
    if "if" in schema and accepts(schema["if"], value, root) and not accepts(schema["then"], value, root):
        return False
    if isinstance(value, dict) and not accepts_object(schema, value, root):
        return False
    if isinstance(value, list) and not accepts_list(schema, value, root):
        return False
    return all(holds(key, given, value, root) for key, given in schema.items() if key not in NOTES)


def accepts_object(schema, value, root) -> bool:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    named = all(name in value for name in schema.get("required", ()))
    return named and all(accepts(known.get(name, rest), item, root) for name, item in value.items())


def accepts_list(schema, value, root) -> bool:
    first, rest = schema.get("prefixItems", []), schema.get("items", True)
    expected = [*first, *[rest] * (len(value) - len(first))]
    return all(accepts(each, item, root) for each, item in zip(expected, value, strict=False))


def holds(key, given, value, root) -> bool:
    """One keyword; those of objects and lists are held above."""
    if key in ("properties", "additionalProperties", "required", "items", "prefixItems"):
        return True
    if key == "type":
        return isinstance(value, TYPES[given]) and (given == "boolean" or not isinstance(value, bool))
    if key in LIMITS:
        return not isinstance(value, int | float) or LIMITS[key](value, given)
    if key in SIZES:
        fits = not isinstance(value, SIZES[key]) or len(value) - given
        return fits is True or (fits <= 0 if key.startswith("max") else fits >= 0)
    if key == "$ref":
        return accepts(root["$defs"][given.removeprefix("#/$defs/")], value, root)
    if key == "not":
        return not accepts(given, value, root)
    if key in ("const", "enum"):
        return value == given if key == "const" else value in given
    return {"anyOf": any, "allOf": all}[key](accepts(each, value, root) for each in given)


def test_fields_are_described_by_their_docstrings_and_inherited_ones_too(schema):
    said = "Activation of the feed-forward blocks; GELU is gelu_erf or gelu_tanh."
    assert schema["$defs"]["Bert"]["properties"]["activation"]["description"] == said
    bare = [
        f"{name}.{field}"
        for name, definition in schema["$defs"].items()
        for field, value in definition.get("properties", {}).items()
        if field != "kind" and "description" not in value
    ]
    assert bare == []
