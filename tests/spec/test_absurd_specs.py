"""Specs of absurd size, valid or not: each is answered in little time and memory, and in few words.

They are checked in a process whose memory and processor time the system bounds.
"""

import json
import os
import subprocess
import sys

import pytest

from zoo_spec import load_spec
from zoo_spec.errors import Problem, SpecError
from zoo_spec.yaml_reader import MAX_VALUES

resource = pytest.importorskip("resource")

MEMORY, SECONDS, LETTERS = 500 << 20, 10, 4_500
"""For each spec; what is bounded here took a minute and more, or never ended."""
HEAD = "task: representation\nmodel:\n  kind: graph\n  inputs: {x: {shape: [batch, 4]}}\n  nodes:\n"


def graph(nodes, output):
    return f"{HEAD}{''.join(f'    {node}{chr(10)}' for node in nodes)}  outputs: {{features: {output}}}\n"


def keys(count):
    return "extends: bert_tiny\nmodel:\n" + "".join(f"  key_{number}: 1\n" for number in range(count))


def likes(first, count=3_000):
    return graph(
        [first, *(f"n{i}: {{like: n{i - 1}, inputs: n{i - 1}}}" for i in range(1, count))], f"n{count - 1}"
    )


VALID = {
    "layers": "extends: bert_tiny\nmodel: {num_layers: 100000}\n",
    "layers by turns": "extends: gpt3_tiny\nmodel: {num_layers: 99999}\ntraining: {recompute: true}\n",
    "layers of two stacks": "extends: t5_tiny\nmodel: {num_layers: 100000, num_decoder_layers: 100000}\n",
    "layers that share": "extends: linformer_tiny_layerwise\nmodel: {num_layers: 100000}\n",
    "nodes that are alike": likes("n0: {block: {kind: dense, size: 4}, inputs: x}"),
}
WRONG = {
    "unknown keys": (keys(5_000), "and 4,9"),
    "values": (keys(MAX_VALUES + 1), f"more than {MAX_VALUES:,} values"),
    "references": (
        graph((f"n{i}: {{block: relu, inputs: missing_{i}}}" for i in range(1_000)), "n1"),
        "no input or node is called 'missing_0'",
    ),
    "likes": (
        graph((f"n{i}: {{like: missing_{i}, inputs: x}}" for i in range(1_000)), "n1"),
        "no node is called 'missing_0'",
    ),
    "likes in a circle": (likes("n0: {like: n2999, inputs: x}"), "more ..."),
    "nodes in a circle": (
        graph((f"n{i}: {{block: relu, inputs: n{(i + 1) % 3_000}}}" for i in range(3_000)), "n0"),
        "the nodes read each other in a circle: n0 -> n1 -> ",
    ),
    "dead nodes": (
        graph((f"n{i}: {{block: relu, inputs: x}}" for i in range(5_000)), "n1"),
        "node 'n0' reaches",
    ),
    "kinds": (
        graph((f"n{i}: {{block: {{kind: no_{i}}}, inputs: x}}" for i in range(3_000)), "n1"),
        "no block of kind 'no_0'",
    ),
    "an integer": (
        "extends: bert_tiny\nmodel: {num_layers: " + "9" * 900_000 + "}\n",
        "does not fit in 64 bits",
    ),
    "aliases": ("a: &a [x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(9_000)), "the anchor &a"),
    "a name": (f"extends: bert_tiny\nname: {'n' * 300}\n", "has 300 letters; a name has at most 100"),
    "a name of a node": (graph([f"{'n' * 300}: {{block: relu, inputs: x}}"], "x"), "has 300 letters"),
    "a name with NUL": ('extends: bert_tiny\nname: "a\\0b"\n', "'a\\u0000b' is no name"),
    "a parent with NUL": ('extends: "./a\\0b"\n', "is no file's name"),
    "a parent's long name": (f"extends: ./{'n' * 300}.yaml\n", "is no file"),
}


def answers(cases, folder, *command):
    """What a command says of each, as JSON, within the bounds; all in one process, which spares starting many."""

    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * len(cases), SECONDS * len(cases)))

    files = [folder / f"{number}.yaml" for number in range(len(cases))]
    for file, case in zip(files, cases, strict=True):
        file.write_text(cases[case] if isinstance(cases[case], str) else cases[case][0])
    given = [argument for file in files for argument in ("--spec", str(file))]
    done = subprocess.run(
        [sys.executable, "-m", "zoo_common.cli.main", *command, "--json", *given],
        preexec_fn=bounded,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "Traceback" not in done.stderr
    return dict(zip(cases, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    return answers(WRONG, tmp_path_factory.mktemp("wrong"), "validate")


def test_valid_specs_of_absurd_size_are_answered(tmp_path):
    found = answers(VALID, tmp_path, "validate")
    assert [answer["valid"] for answer in found.values()] == [True] * len(VALID)
    assert found["layers"]["parameters"] > 10**9


def test_models_of_absurd_size_are_described_in_few_lines(tmp_path):
    cases = {name: VALID[name] for name in ("layers", "layers by turns")}
    for described in answers(cases, tmp_path, "describe", "--no-data").values():
        blocks = described["blocks"]
        assert (
            sum(block["count"] * block["parameters"] for block in blocks) == described["parameters"] > 10**9
        )
        assert len(json.dumps(described)) < 20_000


@pytest.mark.parametrize("case", WRONG)
def test_whatever_is_wrong_with_a_spec_is_answered_in_few_words(case, refused):
    what = WRONG[case][1]
    assert refused[case]["valid"] is False
    assert what in refused[case]["error"]
    assert len(refused[case]["error"]) < LETTERS


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_what_never_ends_is_no_spec_file(path, tmp_path):
    if path == "pipe":
        path = tmp_path / "pipe.yaml"
        os.mkfifo(path)
    with pytest.raises(SpecError, match="which may never end"):
        load_spec(os.fspath(path))


def test_a_long_chain_of_files_is_refused(tmp_path):
    for number in range(100):
        (tmp_path / f"f{number}.yaml").write_text(f"extends: ./f{number + 1}.yaml\n")
    with pytest.raises(SpecError, match=r"f31\.yaml:1: extends: .*f0\.yaml inherits from more than 32 files"):
        load_spec(tmp_path / "f0.yaml")


def test_folded_layers_add_up_to_what_the_walk_through_all_of_them_gives():
    """Period, remainder, a norm behind and a bias before: sums over the folded graph are sums over all of it."""
    for name, layers in (
        ("gpt3_tiny", 7),
        ("t5_tiny", 3),
        ("linformer_tiny_layerwise", 4),
        ("hubert_tiny", 5),
    ):
        model = load_spec(name, [f"model.num_layers={layers}"])
        found = model.graph()
        table = found.parameters()
        assert found.parameter_count == sum(each.size for each in table.values() if each.trainable)
        assert found.value_count == sum(each.size for each in table.values())
        assert sum(place.count for place in found.folded()) == len(list(found.places()))
        cost = found.cost(batch=2)
        by_depth = [row for row in cost.blocks if row.depth == 0]
        owned = [row.name for row in cost.blocks if _is_owned(found, row.name)]
        assert owned == [place.path for place in found.places()]
        assert sum(row.parameters for row in by_depth) == found.parameter_count


def test_a_message_ends_with_how_many_problems_are_left_out():
    error = SpecError([Problem("x" * 50, f"model.key_{number}") for number in range(1_000)])
    *told, last = str(error).splitlines()
    assert last == f"... and {1_000 - len(told)} more of the kind"
    assert 3_500 < len(str(error)) < 4_100
    assert len(error.problems) == 1_000


def _is_owned(graph, path):
    node = graph.nodes[path.split(".")[0]]
    return node.owner == node.name
