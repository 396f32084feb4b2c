"""What a user may get wrong in a spec file: a clear message each, with file and line, and nothing written."""

import os
import sys

import pytest

from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.yaml_reader import MAX_BYTES

GRAPH = """\
model:
  kind: graph
  inputs: {image: {shape: [batch, 8, 8, 1]}}
  nodes:
    first: {block: {kind: conv2d, channels: 2, size: [3, 3], padding: [[0, 0], [0, 0]]}, inputs: image}
    second: {block: relu, inputs: first}
    flat: {block: flatten, inputs: second}
  outputs: {features: flat}
task: image_classification
"""


def graph(*changes: tuple[str, str]) -> str:
    text = GRAPH
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


CASES = {
    "unknown key at the top": ("modle: bert\n", 1, "modle: unknown key (did you mean 'model'?)"),
    "unknown key in a part": (
        "extends: bert_tiny\nmodel:\n  hiden_size: 8\n",
        3,
        "model.hiden_size: unknown key (did you mean 'hidden_size'?)",
    ),
    "unknown key in a slot": (
        "extends: bert_tiny\nmodel:\n  norm:\n    epsilom: 1e-5\n",
        4,
        "model.norm.epsilom: unknown key (did you mean 'epsilon'?)",
    ),
    "unknown key in a default kind": (
        "model: bert\ntask:\n  label_smothing: 0.1\n",
        3,
        "task.label_smothing: unknown key (did you mean 'label_smoothing'?)",
    ),
    "unknown key deep in a graph": (
        graph(("size: [3, 3]", "size: [3, 3], chanels: 3")),
        5,
        "model.nodes.first.block.chanels: unknown key (did you mean 'channels'?)",
    ),
    "key of another part": (
        "extends: bert_tiny\ntraining:\n  learning_rate: 1\n",
        3,
        "training.learning_rate: unknown key here; it belongs under 'optimizer'",
    ),
    "key with dots": (
        "extends: bert_tiny\ntraining.steps: 1\n",
        2,
        "unknown key; write it nested, training: {steps: ...}",
    ),
    "wrong type": (
        "extends: bert_tiny\nmodel: {num_layers: [2]}\n",
        2,
        "model.num_layers: [2] is a list; an integer is expected",
    ),
    "string for an integer": (
        'extends: bert_tiny\nmodel: {num_layers: "12"}\n',
        2,
        'model.num_layers: "12" is a string; an integer is expected',
    ),
    "float for an integer": (
        "extends: bert_tiny\nmodel: {num_layers: 2.0}\n",
        2,
        "model.num_layers: 2.0 is a float; an integer is expected",
    ),
    "truth value for an integer": (
        "extends: bert_tiny\nmodel: {num_layers: true}\n",
        2,
        "model.num_layers: true is a truth value; an integer is expected",
    ),
    "YAML 1.1 truth value": (
        "model: bert\ndata:\n  lower_case: yes\n",
        3,
        'data.lower_case: "yes" is a string; true or false is expected',
    ),
    "null for a number": (
        "extends: bert_tiny\nmodel:\n  num_layers:\n",
        3,
        "model.num_layers: null is given; an integer is expected",
    ),
    "wrong type in a list": (
        "extends: mnist_fc\nmodel:\n  hidden_sizes:\n    - 5\n    - x\n",
        5,
        'model.hidden_sizes[1]: "x" is a string; an integer is expected',
    ),
    "number beyond float32": (
        "extends: bert_tiny\ntraining:\n  optimizer:\n    learning_rate: 1e60\n",
        4,
        "training.optimizer.learning_rate: is beyond float32, whose largest number is 3.4e+38",
    ),
    "number that float32 takes for zero": (
        "extends: bert_tiny\nmodel: {layer_norm_epsilon: 1e-60}\n",
        2,
        "model.layer_norm_epsilon: is zero in float32, whose smallest number is 1.4e-45",
    ),
    "mapping expected": (
        "extends: bert_tiny\ntraining: 3\n",
        2,
        "training: 3 is an integer; a mapping is expected",
    ),
    "zero size": ("extends: bert_tiny\nmodel: {hidden_size: 0}\n", 2, "model.hidden_size: 0 is out of range"),
    "negative size": (
        "extends: bert_tiny\nmodel: {vocab_size: -5}\n",
        2,
        "model.vocab_size: -5 is out of range",
    ),
    "zero size in a graph": (
        graph(("8, 8, 1", "8, 0, 1")),
        3,
        "model.inputs.image.shape[2]: 0 is out of range",
    ),
    "rate of one": ("extends: bert_tiny\nmodel: {dropout: 1}\n", 2, "it must be less than 1"),
    "NaN": ("extends: bert_tiny\nmodel: {dropout: .nan}\n", 2, "model.dropout: nan is not a finite number"),
    "infinity": (
        "extends: bert_tiny\nmodel: {dropout: 1e999}\n",
        2,
        "model.dropout: inf is not a finite number",
    ),
    "heads do not divide": (
        "extends: bert_tiny\nmodel:\n  num_heads: 3\n",
        3,
        "model.num_heads: hidden_size 128 is not a multiple of num_heads 3",
    ),
    "unknown kind of model": ("model: {kind: brt}\n", 1, "no model of kind 'brt' (did you mean 'bert'?)"),
    "unknown kind in a slot": (
        "extends: bert_tiny\nmodel:\n  norm:\n    kind: rmsnorm\n",
        4,
        "no norm block of kind 'rmsnorm' (did you mean 'rms_norm'?)",
    ),
    "kind of another role": (
        "extends: bert_tiny\nmodel: {norm: attention}\n",
        2,
        "no norm block of kind 'attention' ('attention' is an attention block",
    ),
    "unknown optimizer": (
        "extends: bert_tiny\ntraining: {optimizer: adam}\n",
        2,
        "no optimizer of kind 'adam' (did you mean 'adamw'?)",
    ),
    "bare gelu": ("extends: bert_tiny\nmodel: {activation: gelu}\n", 2, "'gelu_erf' or 'gelu_tanh'"),
    "unknown choice": ("model: bert\ntraining: {precision: float23}\n", 2, "(did you mean 'float32'?)"),
    "no number of bytes": ("model: bert\ntraining: {memory_limit: 64 Go}\n", 2, "write 64GB, 16GiB or 4096"),
    "no model": ("training: {steps: 3}\n", 1, "model: missing"),
    "slot and flat field": (
        "extends: bert_tiny\nmodel:\n  norm: {kind: rms_norm}\n  layer_norm_epsilon: 1e-5\n",
        4,
        "'layer_norm_epsilon' and the slot 'norm' (my.yaml:3), which replaces it, are both given",
    ),
    "cycle": (graph(("inputs: image}", "inputs: second}")), 5, "in a circle: first -> second -> first"),
    "missing name": (graph(("inputs: first", "inputs: frist")), 6, "called 'frist' (did you mean 'first'?)"),
    "missing output": (graph(("flat}", "flt}")), 8, "called 'flt' (did you mean 'flat'?)"),
    "an output of an input": (
        graph(("inputs: first", "inputs: image.x")),
        6,
        "'image' is an input, and so has no outputs; write 'image' alone",
    ),
    "a dot and no output": (graph(("inputs: first", "inputs: first.")), 6, "'first' has no output ''"),
    "missing output of a node": (
        graph(("features: flat}", "features: flat.y}")),
        8,
        "model.outputs.features: 'flat' has no output 'y'",
    ),
    "like a missing node": (
        graph(("second: {block: relu,", "second: {like: frist,")),
        6,
        "no node is called 'frist' (did you mean 'first'?)",
    ),
    "two nodes of one name": (
        graph(("second:", "first:")),
        6,
        'the key "first" a second time; its first is on line 5',
    ),
    "node that reaches no output": (
        graph(("flat: {block: flatten, inputs: second}", "flat: {block: flatten, inputs: first}")),
        6,
        "node 'second' reaches no output",
    ),
    "shapes that do not fit": (
        graph(("size: [3, 3]", "size: [9, 3]")),
        5,
        "conv2d 'first' has a window of 9",
    ),
    "two blocks whose shapes do not fit": (
        graph(("second: {block: relu, inputs: first}", "second: {block: add, inputs: [first, image]}")),
        6,
        "'first' gives [batch, height 6, width 6, channels 2]; 'image' gives [batch, 8, 8, 1]",
    ),
    "two dtypes that do not fit": (
        graph(
            ("second: {block: relu, inputs: first}", "second: {block: add, inputs: [image, other]}"),
            ("inputs: {", "inputs: {other: {shape: [batch, 8, 8, 1], dtype: float32}, "),
        ),
        6,
        "needs inputs of one dtype: 'image' gives [batch, 8, 8, 1]; 'other' gives [batch, 8, 8, 1] float32",
    ),
    "nothing to add": (
        graph(("second: {block: relu, inputs: first}", "second: {block: add, inputs: []}")),
        6,
        "add 'second' needs at least two inputs",
    ),
    "nothing to sum": (
        graph(("second: {block: relu, inputs: first}", "second: {block: sum_losses, inputs: []}")),
        6,
        "sum_losses 'second' needs at least one loss",
    ),
    "name that is no folder's": ("extends: bert_tiny\nname: ../other\n", 2, "'../other' is no name"),
    "empty name": ("extends: bert_tiny\nname: ''\n", 2, "'' is no name"),
    "extends itself": ("extends: my.yaml\n", 1, "in a circle: my.yaml -> my.yaml"),
    "extends a missing name": ("extends: bert_tny\n", 1, "called 'bert_tny' (did you mean 'bert_tiny'?)"),
    "extends a missing file": ("model: bert\nextends: ./gone.yaml\n", 2, "extends: gone.yaml is no file"),
    "extends two": ("extends: [bert_tiny, bert_base]\n", 1, "the name of one spec"),
    "extends nothing": ("extends:\n", 1, "the name of one spec"),
    "empty": ("", 1, "the file is empty"),
    "not a mapping": ("- bert\n", 1, "the file holds a list"),
    "bad syntax": ("model: {kind: bert\ntask: x\n", 2, "bad YAML"),
    "tabs": ("model:\n\tkind: bert\n", 2, "a tab is not allowed"),
    "duplicate key": ("model: bert\ntraining: {}\nmodel: mlp\n", 3, 'the key "model" a second time'),
    "tag": ("model: !!python/name:os.system\n", 1, "the tag !!python/name:os.system is not allowed"),
    "anchor and alias": ("model: &m bert\nname: *m\n", 2, "the alias *m is not allowed"),
    "merge key": ("model:\n  <<: {kind: bert}\n", 2, "the merge key << is not allowed"),
    "nested 5,000 deep": ("model: " + "[" * 5_000 + "]" * 5_000, 1, "nested deeper than 64 levels"),
    "two documents": ("model: bert\n---\nmodel: bert\n", 2, "a second document"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_gets_a_message_with_its_file_and_line(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, line, what = CASES[case]
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        load_spec("my.yaml")
    message = str(raised.value)
    assert any(each.startswith(f"my.yaml:{line}: ") and what in each for each in message.splitlines()), (
        message
    )
    assert raised.value.exit_status == 2
    assert "pydantic" not in message
    assert "http" not in message
    assert len(message) < 500
    assert os.listdir(tmp_path) == ["my.yaml"]


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("model.num_layer=3", "model.num_layer: unknown key (did you mean 'num_layers'?)"),
        ("modle.num_layers=3", "modle: unknown key (did you mean 'model'?)"),
        ("model.norm.epsilom=1", "model.norm.epsilom: unknown key (did you mean 'epsilon'?)"),
        ("training.optimizer.learning_rat=1", "unknown key (did you mean 'learning_rate'?)"),
        ("model.num_layers.x=3", "model.num_layers: 2 is an integer (configs/bert/bert_tiny.yaml:"),
        ('model.num_layers="3"', 'model.num_layers: "3" is a string; an integer is expected'),
        ("model.num_layers=0", "model.num_layers: 0 is out of range"),
        ("model.norm=rmsnorm", "no norm block of kind 'rmsnorm'"),
        ("num_layers", "no '=' in it"),
    ],
)
def test_a_bad_override_is_answered_by_its_own_text(override, what):
    with pytest.raises(SpecError) as raised:
        load_spec("bert_tiny", [override])
    assert str(raised.value).startswith(f"--set {override}: ")
    assert what in str(raised.value)


def test_all_mistakes_of_a_file_are_told_at_once_and_each_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = "model:\n  hiden_size: 8\n  num_layers: 0\n  layer_norm_epsilon: -1\n"
    (tmp_path / "my.yaml").write_text(f"extends: bert_tiny\n{model}trainin: {{}}\n")
    with pytest.raises(SpecError) as raised:
        load_spec("my.yaml")
    assert [str(problem).split(": ")[0] for problem in raised.value.problems] == [
        f"my.yaml:{line}" for line in (3, 4, 5, 6)
    ]


def test_a_loop_of_files_is_told_with_its_whole_chain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"model: bert\nextends: {parent}.yaml\n")
    with pytest.raises(
        SpecError, match=r"^c\.yaml:2: extends: .*: a\.yaml -> b\.yaml -> c\.yaml -> a\.yaml$"
    ):
        load_spec("a.yaml")


def test_a_missing_parents_message_tells_how_it_was_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: gone\n")
    with pytest.raises(
        SpecError, match=r"^b\.yaml:1: extends: .*'gone'.*\(read by way of a\.yaml -> b\.yaml\)$"
    ):
        load_spec("a.yaml")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"model: bert\nname: \xff\n", "my.yaml:2: not UTF-8: the byte 0xff at offset 18"),
        (b"#" * (MAX_BYTES + 1), "my.yaml: is 1,000,001 bytes long, and 1,000,000 are the most"),
    ],
)
def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path, monkeypatch, data, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_bytes(data)
    with pytest.raises(SpecError) as raised:
        load_spec("my.yaml")
    assert str(raised.value).startswith(what)


@pytest.mark.parametrize(
    ("name", "what"), [("gone.yaml", "there is no such file"), ("folder/", "is a directory")]
)
def test_a_path_that_is_no_file_is_refused(tmp_path, monkeypatch, name, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpecError, match=f"^{name}: {what}"):
        load_spec(name)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "my.yaml"
    file.write_text("model: bert\n")
    allowed = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("my.yaml"):
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SpecError, match="cannot be read: Permission denied"):
        load_spec(file)


def test_nodes_written_against_their_order_are_sorted_in_few_calls(tmp_path):
    size = 1_000
    nodes = [
        f"    n{i}: {{block: relu, inputs: {f'n{i - 1}' if i else 'x'}}}\n" for i in reversed(range(size))
    ]
    head = "model:\n  kind: graph\n  inputs: {x: {shape: [batch, 3]}}\n  nodes:\n"
    text = f"{head}{''.join(nodes)}  outputs: {{features: n{size - 1}}}\ntask: representation\n"
    (tmp_path / "my.yaml").write_text(text)
    spec = load_spec(tmp_path / "my.yaml")
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        order = spec.model._order(spec.model._owners())
    finally:
        sys.setprofile(None)
    assert order == [f"n{i}" for i in range(size)]
    assert calls < 100 * size  # A sort that looks at all nodes for each has a thousand times more.
