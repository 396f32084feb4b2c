"""What a backend says of its framework is taken from it alone, and imports nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import launch

SAYS = """
title: Third
compile: third.compile
runner: third.Trainer
overhead: {library: 123456789, working: 0.0, largest: 0, streamed: 0, sums: false, keeps: true}
reserved: {why: a word that Third keeps for itself, names: [altar, nave]}
exports: [stone_tablet]
blocks: [flatten, dense, relu, classifier_head, dropout, softmax_cross_entropy]
"""
GRAPH = """
model: {kind: graph, inputs: {x: {shape: [batch, 3]}},
        nodes: {nave: {block: {kind: dense, size: 4}, inputs: [x]}}, outputs: {logits: nave}}
"""


def installed(folder: Path, says: str | None) -> Path:
    """A package with a backend that must not be imported, as pip would leave it."""
    (folder / "third").mkdir()
    for name in ("__init__", "backend"):
        (folder / "third" / f"{name}.py").write_text("raise RuntimeError('somebody has imported me')")
    if says is not None:
        (folder / "third" / "backend.yaml").write_text(says)
    about = folder / "third-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[zoo.backends]\nthird = third.backend:Backend\n")
    return folder


def zoo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return launch.zoo(*arguments, path=[folder])


def memory(found: subprocess.CompletedProcess[str]) -> dict[str, dict[str, int]]:
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)["bytes"]["training"]


def test_its_memory_is_counted_by_what_it_says(tmp_path):
    found = memory(zoo(installed(tmp_path, SAYS), "describe", "--spec", "mnist_fc", "--json", "--no-data"))
    assert set(found) == {"torch", "tf", "third"}
    assert found["third"]["library"] == 123_456_789
    assert found["third"]["working"] == 0


def test_one_that_says_nothing_counts_as_the_one_that_needs_most(tmp_path):
    found = memory(zoo(installed(tmp_path, None), "describe", "--spec", "mnist_fc", "--json", "--no-data"))
    assert found["third"] == found["tf"]


def test_a_name_that_it_has_taken_is_refused_with_its_reason(tmp_path):
    installed(tmp_path, SAYS)
    (tmp_path / "spec.yaml").write_text(GRAPH)
    found = zoo(tmp_path, "validate", "--spec", str(tmp_path / "spec.yaml"))
    assert found.returncode == 2
    assert "model.nodes.nave: 'nave' is a word that Third keeps for itself; choose another" in found.stderr


def test_options_and_messages_name_it(tmp_path):
    installed(tmp_path, SAYS)
    assert "--framework tf|third|torch" in zoo(tmp_path, "train", "--help").stdout
    (tmp_path / "text.txt").write_text("One. Two.\n\nThree.\n")
    data = f"data={{kind: text, files: ['{tmp_path / 'text.txt'}']}}"
    found = zoo(tmp_path, "validate", "--spec", "bert_tiny_classification", "--set", data)
    assert found.returncode == 2
    assert "zoo_torch.Runner or zoo_tf.Estimator or third.Trainer" in found.stderr


def test_its_formats_of_an_export_are_told_and_imply_it(tmp_path):
    installed(tmp_path, SAYS)
    found = zoo(tmp_path, "export", "--run-dir", "nowhere", "--format", "stone_tablt")
    assert found.returncode == 2
    assert "did you mean 'stone_tablet'?" in found.stderr
    assert "stone_tablet (third)" in found.stderr
    found = zoo(tmp_path, "export", "--run-dir", "nowhere", "--format", "stone_tablet")
    assert found.returncode == 3
    assert "the framework third" in found.stderr
    assert "somebody has imported me" in found.stderr


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("title: [1]", "backend.yaml:1: title: "),
        ("overhaed: {}", "backend.yaml:1: overhaed: "),
        ("title: 'no end", "backend.yaml:1: "),
    ],
)
def test_what_it_says_wrongly_is_one_line_and_stops_nobody_else(tmp_path, says, why):
    installed(tmp_path, says)
    found = zoo(
        tmp_path, "train", "--framework", "third", "--spec", "mnist_fc", "--run-dir", str(tmp_path / "r")
    )
    assert (found.returncode, found.stdout) == (3, ""), found
    (line,) = found.stderr.splitlines()
    assert line.startswith("what the backend third says of its framework will not do: ")
    assert why in line
    found = zoo(tmp_path, "describe", "--spec", "mnist_fc", "--json", "--no-data")
    assert memory(found)["third"] == memory(found)["tf"]
    assert why in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_the_list_has_it_where_it_has_halves_of_all_blocks(tmp_path):
    installed(tmp_path, SAYS)
    found = zoo(tmp_path, "list", "mlp", "graph", "--json")
    rows = {row["name"]: row["frameworks"] for row in json.loads(found.stdout)["specs"]}
    assert rows["mnist_fc"] == ["tf", "third", "torch"]
    assert rows["causal_lm"] == ["tf", "torch"]
    last = zoo(tmp_path, "list", "--markdown").stdout
    assert "All of them in tf and torch; in third, 2 of them; execution: " in last


def test_two_frameworks_are_compared_and_they_are_named(tmp_path):
    installed(tmp_path, SAYS)
    for given in (("tf",), ("tf", "tf"), ("tf", "torch", "third")):
        options = [part for name in given for part in ("--framework", name)]
        for command in ("parity", "demo"):
            found = zoo(tmp_path, command, "--spec", "mnist_fc", *options)
            assert found.returncode == 2
            assert f"--framework: {', '.join(given)}; give it twice" in found.stderr
