import pytest

from zoo_spec.errors import SpecError
from zoo_spec.spec_files.merge import Layer, Origin, merge
from zoo_spec.spec_files.overrides import blocked, command_line_layer
from zoo_spec.yaml_reader import read_mapping


def layer(text: str, file: str) -> Layer:
    mapping, lines = read_mapping(text, file)
    return Layer(mapping, {path: Origin(file, line) for path, line in lines.items()})


def refusal(*overrides: str) -> str:
    with pytest.raises(SpecError) as raised:
        command_line_layer(overrides)
    return str(raised.value)


def test_mappings_merge_key_by_key_and_everything_else_replaces():
    base = layer("a: {b: 1, c: {d: 2}}\ne: [1, 2, 3]\nf: {g: 1}\n", "base.yaml")
    over = layer("a: {c: {d: 3, h: 4}}\ne: [4]\nf: 5\n", "over.yaml")
    merged = merge(base, over)
    assert merged.mapping == {"a": {"b": 1, "c": {"d": 3, "h": 4}}, "e": (4,), "f": 5}


def test_every_merged_value_knows_its_file_and_line():
    merged = merge(
        layer("a:\n  b: 1\n  c: [1, 2]\nf: {g: 1}\n", "base.yaml"), layer("a:\n  d: 2\nf: 3", "over.yaml")
    )
    assert {path: str(origin) for path, origin in merged.origins.items()} == {
        (): "over.yaml:1",
        ("a",): "over.yaml:1",
        ("a", "b"): "base.yaml:2",
        ("a", "c"): "base.yaml:3",
        ("a", "c", 0): "base.yaml:3",
        ("a", "c", 1): "base.yaml:3",
        ("a", "d"): "over.yaml:2",
        ("f",): "over.yaml:3",
    }


def test_a_mapping_that_changes_kind_replaces_what_it_inherits():
    merged = merge(layer("a: {kind: x, b: 1}\n", "base.yaml"), layer("a: {kind: y, c: 2}\n", "over.yaml"))
    assert merged.mapping == {"a": {"kind": "y", "c": 2}}
    assert ("a", "b") not in merged.origins


@pytest.mark.parametrize("text", ["a: {c: 2}", "a: {kind: x, c: 2}"])
def test_a_mapping_of_the_same_kind_refines_what_it_inherits(text):
    merged = merge(layer("a: {kind: x, b: 1}\n", "base.yaml"), layer(text, "over.yaml"))
    assert merged.mapping == {"a": {"kind": "x", "b": 1, "c": 2}}


@pytest.mark.parametrize(("kind", "kept"), [("x", {"b": 1}), ("y", {})])
def test_a_kind_that_is_named_first_now_is_compared_with_the_default(kind, kept):
    over = layer(f"a: {{kind: {kind}}}", "over.yaml")
    merged = merge(layer("a: {b: 1}\n", "base.yaml"), over, {("a",): "x"})
    assert merged.mapping == {"a": {"kind": kind, **kept}}


def test_neither_layer_is_changed():
    base, over = layer("a: {b: {c: 1}}\n", "base.yaml"), layer("a: {b: {d: 1}}\n", "over.yaml")
    merge(base, over)
    assert base.mapping == {"a": {"b": {"c": 1}}}
    assert over.mapping == {"a": {"b": {"d": 1}}}


def test_overrides_are_one_layer_of_yaml_values():
    given = [
        "a.b=1e-5",
        "a.c=no",
        "a.d={kind: x, e: [1, 2]}",
        "f=null",
        'g="x # y"',
        "h=x=y",
        "i=C:\\data\\x",
    ]
    merged = command_line_layer(given)
    assert merged.mapping == {
        "a": {"b": 1e-5, "c": "no", "d": {"kind": "x", "e": (1, 2)}},
        "f": None,
        "g": "x # y",
        "h": "x=y",
        "i": "C:\\data\\x",
    }
    assert str(merged.origins["a", "b"]) == "--set a.b=1e-5"
    assert str(merged.origins["a", "d", "kind"]) == "--set a.d={kind: x, e: [1, 2]}"


def test_a_mapping_and_a_part_of_it_may_be_given_side_by_side():
    assert command_line_layer(["a={kind: x}", "a.b=1"]).mapping == {"a": {"kind": "x", "b": 1}}
    assert command_line_layer(["a.b=1", "a={kind: x}"]).mapping == {"a": {"kind": "x", "b": 1}}


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["model"], "--set model: no '=' in it"),
        (["=3"], "'' is no path"),
        (["a..b=3"], "'a..b' is no path"),
        (["a b=3"], "'a b' is no path"),
        (["a.b[0]=3"], "'a.b[0]' is no path"),
        (["a="], "nothing after '='"),
        (["a= "], "nothing after '='"),
        (["a=#x"], "nothing after '='"),
        (["a=x #y"], "what follows '#' would be lost"),
        (["a={b: 1"], "the value cannot be read: bad YAML"),
        (["a=b: 1"], "write a mapping as {key: value}"),
        (["a=- 1"], "write a mapping as {key: value}"),
        (["a=*b"], "the alias *b is not allowed"),
        (["a=!!int 3"], "the tag !!int is not allowed"),
        (["a={b: 1, b: 2}"], 'the key "b" a second time'),
        (["a=" + "[" * 5_000], "nested deeper than 64 levels"),
        ([".".join("a" * 100) + "=1"], "a path of more than 64 names"),
        (["extends=bert_base"], "'extends' belongs in a file"),
        (["a.b=1", "a.b=1"], "--set a.b=1: a.b: given a second time; the first is '--set a.b=1'"),
        (["a={b: 1}", "a.b=2"], "--set a.b=2: a.b: given a second time; the first is '--set a={b: 1}'"),
        (["a=1", "a.b=2"], "--set a.b=2: a: '--set a=1' sets it to a value, so nothing can be set below it"),
        (["a.b=2", "a=1"], "--set a=1: a: '--set a.b=2' sets something below it"),
    ],
)
def test_a_malformed_override_is_refused_by_its_own_text(overrides, what):
    assert what in refusal(*overrides)


def test_all_malformed_overrides_are_told_at_once():
    assert len(refusal("a", "b=", "c=1", "c=2").splitlines()) == 3


@pytest.mark.parametrize("text", ["a: {b: 3}", "a: {b: [3]}"])
def test_an_override_may_not_lead_through_what_is_no_mapping(text):
    problems = blocked(command_line_layer(["a.b.c=1"]), layer(text, "base.yaml"))
    assert len(problems) == 1
    assert str(problems[0]).startswith("--set a.b.c=1: a.b: ")
    assert "(base.yaml:1); nothing can be set below it" in str(problems[0])


@pytest.mark.parametrize("text", ["a: {b: null}", "a: {b: {d: 1}}", "a: {}", "x: 1"])
def test_an_override_may_lead_through_mappings_and_through_nothing(text):
    assert blocked(command_line_layer(["a.b.c=1"]), layer(text, "base.yaml")) == []
