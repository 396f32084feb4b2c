"""``zoo diff`` says what one spec changes against another."""

import json

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_spec import load_spec


def run(*arguments, **environment):
    return CliRunner().invoke(application(), ["diff", *arguments], env=environment)


def document(*arguments):
    found = run(*arguments, "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    return json.loads(found.stdout)


def by_path(found):
    return {each["path"]: (each.get("a", ...), each.get("b", ...)) for each in found["fields"]}


def test_every_changed_field_is_there_with_both_values_and_no_other():
    found = document("bert_base", "bert_large")
    assert by_path(found) == {
        "model.hidden_size": (768, 1024),
        "model.num_layers": (12, 24),
        "model.attention.num_heads": (12, 16),
        "model.feed_forward.size": (3072, 4096),
    }
    assert found["parameters"] == {"a": 110_106_428, "b": 336_226_108, "change": 226_119_680}


def test_a_field_that_one_spec_lacks_has_no_value_on_its_side():
    fields = by_path(document("bert_base", "bert_base_mnli"))
    assert fields["task.kind"] == ("masked_lm_next_sentence", "sequence_classification")
    assert fields["task.classes"] == (..., 3)
    assert fields["data.corpus"] == ("python_docs", ...)


def test_flops_are_of_one_example_at_the_sizes_that_are_said():
    found = document("bert_base", "bert_base_squad", "--sequence", "64")
    assert found["sizes"]["a"]["sequence"] == found["sizes"]["b"]["sequence"] == 64
    for side in "ab":
        cost = load_spec(found[side]).graph().cost(**found["sizes"][side])
        assert found["flops"]["forward"][side] == cost.flops
        assert found["flops"]["training"][side] == cost.training_flops
    own = document("bert_base", "bert_base_squad")
    assert (own["sizes"]["a"]["sequence"], own["sizes"]["b"]["sequence"]) == (128, 384)


def test_overrides_make_the_other_spec():
    found = document("bert_tiny", "--set", "model.num_layers=3")
    assert by_path(found) == {"model.num_layers": (2, 3)}
    assert found["parameters"]["change"] == 198_272


def test_a_spec_does_not_differ_from_itself():
    assert run("bert_tiny", "bert_tiny").stdout.startswith("no field differs")


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_table_fits_the_terminal_and_has_the_change(columns):
    found = run("gpt2_small", "gpt2_xl", COLUMNS=columns)
    assert all(len(line) <= int(columns) for line in found.stdout.splitlines())
    assert "model.num_layers" in found.stdout
    assert "1,557,611,200" in found.stdout


def test_what_cannot_be_compared_is_said():
    assert run("bert_base").exit_code == 2
    assert "did you mean 'bert_base'?" in run("bert_base", "bert_bas").stderr
    assert "at most 512" in run("bert_base", "bert_large", "--sequence", "9999").stderr
