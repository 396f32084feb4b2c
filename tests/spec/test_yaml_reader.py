import pytest
import yaml

from zoo_spec import yaml_reader
from zoo_spec.errors import SpecError
from zoo_spec.yaml_reader import MAX_BYTES, MAX_NESTING, read_file, read_mapping, scalar


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request, monkeypatch):
    """Both parsers behind PyYAML; a wheel without libyaml falls back on the second."""
    if request.param == "libyaml" and not hasattr(yaml, "CLoader"):
        pytest.skip("PyYAML was built without libyaml here")
    monkeypatch.setattr(yaml_reader, "_LOADER", yaml.CLoader if request.param == "libyaml" else yaml.Loader)


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as raised:
        read_mapping(text, "some.yaml")
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("+12", 12),
        ("012", 12),
        ("0o17", 15),
        ("0xfF", 255),
        ("18446744073709551615", 2**64 - 1),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e-5", 1e-5),
        ("1e3", 1000.0),
        ("-1.5E+3", -1500.0),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_plain_scalars_are_read_by_the_core_schema_of_yaml_1_2(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "y", "1_000", "1:30", "0b1", "2020-01-01", "1e", "e5", ".", "+", "nan"]
)
def test_what_only_yaml_1_1_would_convert_stays_a_string(text):
    assert scalar(text) == text


def test_not_a_number_is_read_so_that_validation_can_name_it():
    assert scalar(".nan") != scalar(".NaN")


def test_every_value_gets_the_line_of_its_key():
    text = "# a comment\na: 1\nb:\n  c: [x,\n      y]\n  d: {e: 2}\n"
    mapping, lines = read_mapping(text, "some.yaml")
    assert mapping == {"a": 1, "b": {"c": ("x", "y"), "d": {"e": 2}}}
    assert lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "d"): 6,
        ("b", "d", "e"): 6,
    }


def test_quoted_and_block_scalars_are_strings():
    assert read_mapping("a: '1'\nb: \"2\"\nc: |\n  3\nd: >\n  4\n", "")[0] == {
        "a": "1",
        "b": "2",
        "c": "3\n",
        "d": "4\n",
    }


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path, mark):
    file = tmp_path / "windows.yaml"
    file.write_bytes((mark + "a: 1\r\nb:\r\n  c: ä\r\n").encode())
    mapping, lines = read_file(file, "windows.yaml")
    assert mapping == {"a": 1, "b": {"c": "ä"}}
    assert lines["b", "c"] == 3


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: &x 2\n", 2, "the anchor &x is not allowed"),
        ("a: 1\nb: *x\n", 2, "the alias *x is not allowed"),
        ("a: 1\n&x b: 2\n", 2, "the anchor &x is not allowed"),
        ("a: &x\n  b: 2\n", 1, "the anchor &x is not allowed"),
        ("a:\n  <<: {b: 1}\n", 2, "the merge key << is not allowed"),
        ("a: !!str 1\n", 1, "the tag !!str is not allowed"),
        ("a: !x {b: 1}\n", 1, "the tag !x is not allowed"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "the tag !!python/object/apply:os.system"),
        ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" a second time; its first is on line 1'),
        ("b: {a: 1,\n a: 3}\n", 2, 'the key "a" a second time'),
        ("1: a\n", 1, "the key 1 is an integer; keys are texts"),
        ("true: a\n", 1, "the key true is a truth value"),
        ("null: a\n", 1, "the key null is nothing (null)"),
        ("? [a]\n: 1\n", 1, "a key that is a list"),
        ("a: 1\n? {b: 1}\n: 1\n", 2, "a key that is a mapping"),
        ("- a\n", 1, "the file holds a list; a mapping"),
        ("just a text\n", 1, "the file holds a string; a mapping"),
        ("", 1, "the file is empty"),
        ("# nothing but a comment\n", 1, "the file is empty"),
        ("a: 1\n---\nb: 1\n", 2, "a second document begins here"),
        ("%YAML 1.1\n---\na: 1\n", 1, "read as YAML 1.2"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", 1, "a %TAG directive"),
        ("a:\n\tb: 1\n", 2, "a tab is not allowed"),
        ("a: 1\nb:\t1\n", 2, "a tab is not allowed"),
        ("a: 1\nb: \x07\n", 2, "the control character U+0007 is not allowed"),
        ("a: b: c\n", 1, "bad YAML"),
        ("a: [1, 2\nb: 3\n", 2, "bad YAML"),
        ("a: 'x\n", 2, "bad YAML"),
        ("a: 1\n b: 2\n", 2, "bad YAML"),
        ("a: 1\nb: @x\n", 2, "bad YAML"),
        ("a: 18446744073709551616\n", 1, "does not fit in 64 bits"),
        ("a: 1\nb: " + "9" * 100_000 + "\n", 2, "does not fit in 64 bits"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_by_name_and_line(text, line, what):
    message = refusal(text)
    assert f"some.yaml:{line}: " in message
    assert what in message
    assert len(message) < 300


def test_all_problems_of_a_file_are_told_at_once():
    message = refusal("a: &x 1\nb: *x\nc: !t 2\na: 4\n5: 6\n")
    assert [line.split(":")[1] for line in message.splitlines()] == ["1", "2", "3", "4", "5"]


def test_a_file_of_nothing_but_problems_is_not_read_to_its_end():
    assert len(refusal("a: &x 1\n" * 50_000).splitlines()) == 20


def test_a_tab_in_a_comment_is_nobodys_business():
    assert read_mapping("a: 1 #\tone\n#\ttwo\n", "")[0] == {"a": 1}


def nested(depth: int) -> str:
    return "a: " + "[" * (depth - 1) + "]" * (depth - 1)


def test_nesting_is_allowed_up_to_the_limit():
    read_mapping(nested(MAX_NESTING), "some.yaml")
    assert f"nested deeper than {MAX_NESTING} levels" in refusal(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(
    "text",
    [
        nested(5_000),
        "a: " + "[" * 900_000,
        "a: " + "{a: " * 200_000,
        "a:\n " + "- " * 400_000,
        "".join(" " * level + "a:\n" for level in range(1_300)),
    ],
    ids=["balanced", "open lists", "open mappings", "dashes", "indented"],
)
def test_a_file_nested_thousands_deep_is_left_at_the_limit(text, monkeypatch):
    events = 0

    def counted(stream, Loader):
        nonlocal events
        for event in parse(stream, Loader=Loader):
            events += 1
            yield event

    parse = yaml.parse
    monkeypatch.setattr(yaml, "parse", counted)
    assert f"nested deeper than {MAX_NESTING} levels" in refusal(text)
    assert events < 4 * MAX_NESTING


def test_no_more_of_a_file_is_read_than_the_limit(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(SpecError, match=r"large\.yaml: is 1,000,005 bytes long, and 1,000,000 are the most"):
        read_file(file, "large.yaml")


@pytest.mark.parametrize(
    ("data", "line", "offset"),
    [
        (b"a: 1\nb: \xff\n", 2, 8),
        ("a: ä\n".encode("latin-1"), 1, 3),
        ("a: 1\n".encode("utf-16"), 1, 0),
        ("\ufeffa: ".encode() + b"\xc3", 1, 6),
    ],
)
def test_what_is_not_utf_8_is_refused_with_its_byte_offset(tmp_path, data, line, offset):
    file = tmp_path / "odd.yaml"
    file.write_bytes(data)
    with pytest.raises(SpecError) as raised:
        read_file(file, "odd.yaml")
    assert str(raised.value).startswith(
        f"odd.yaml:{line}: not UTF-8: the byte 0x{data[offset]:02x} at offset {offset};"
    )


def test_a_directory_and_a_missing_file_are_told_apart(tmp_path):
    with pytest.raises(SpecError, match="here: is a directory"):
        read_file(tmp_path, "here")
    with pytest.raises(SpecError, match="gone: there is no such file"):
        read_file(tmp_path / "gone", "gone")
