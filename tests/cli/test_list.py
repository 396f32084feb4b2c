"""``zoo list`` shows every shipped spec."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_spec import list_specs, load_spec


def run(*arguments, **environment):
    return CliRunner().invoke(application(), ["list", *arguments], env=environment)


@pytest.fixture(scope="module")
def document():
    found = run("--json")
    assert (found.exit_code, found.stderr) == (0, "")
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def rows(document):
    return {row["name"]: row for row in document["specs"]}


def test_json_has_every_spec_with_its_facts(rows):
    assert sorted(rows) == list_specs()
    for name, row in rows.items():
        assert row["parameters"] == load_spec(name).graph().parameter_count
        assert row["summary"], name
        assert row["task"] in row["tasks"]
        assert (row["frameworks"], row["execution"]) == (["tf", "torch"], ["resident"])
    assert rows["bert_base"]["family"] == "bert"
    assert rows["bert_base"]["input"] == "text"
    assert rows["mnist_fc"]["task"] == "image_classification"


def test_specs_are_grouped_by_domain_use_and_family(rows):
    groups = [(row["domain"], row["use"], row["family"]) for row in rows.values()]
    assert len(set(groups)) == sum(one != other for one, other in zip([None, *groups], groups, strict=False))
    assert {domain for domain, _, _ in groups} <= {"language", "vision", "speech", "multimodal"}
    assert {use for _, use, _ in groups} == {"representation", "downstream task"}
    assert rows["bert_base"]["use"] == "representation"
    assert rows["bert_base_squad"]["use"] == "downstream task"
    assert (rows["causal_lm"]["domain"], rows["two_branch_classifier"]["domain"]) == ("language", "vision")


def test_every_family_states_where_it_is_from(document):
    for family in document["families"]:
        stated = [name for name in ("domain", "use", "paper", "year") if family[name]]
        assert len(stated) == (0 if family["family"] == "graph" else 4), family


def test_the_tasks_of_a_model_are_those_that_it_can_have(rows):
    assert "question_answering" in rows["bert_base"]["tasks"]
    assert "causal_lm" not in rows["bert_base"]["tasks"]
    assert "image_classification" not in rows["bert_base"]["tasks"]
    assert rows["mnist_fc"]["tasks"] == ["image_classification", "representation"]
    assert rows["causal_lm"]["tasks"] == ["causal_lm"]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_table_fits_the_terminal_and_names_every_spec(columns):
    found = run(COLUMNS=columns)
    assert found.exit_code == 0
    assert all(len(line) <= int(columns) for line in found.stdout.splitlines())
    assert all(f"  {name} " in found.stdout for name in list_specs())
    assert "110,106,428  masked_lm_next_sentence" in found.stdout
    assert "language, representation" in found.stdout.splitlines()


def test_markdown_is_one_table_that_names_every_spec():
    lines = run("--markdown").stdout.splitlines()
    assert {line.count(" | ") for line in lines} == {6}
    assert all(any(f"`{name}` " in line for line in lines) for name in list_specs())
    families = [line.split(" | ")[:2] for line in lines[2:]]
    assert len(families) == len({tuple(each) for each in families})
    assert run("--markdown", "--json").exit_code == 2


def test_the_readmes_table_is_what_markdown_prints():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert run("--markdown").stdout in readme


def test_listing_loads_no_framework():
    code = (
        "from zoo_common.report.catalog import shipped\nshipped()\nimport sys\n"
        "print(*{'torch', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
