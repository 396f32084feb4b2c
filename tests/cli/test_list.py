"""``zoo list`` shows every shipped spec."""

import json

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_spec import list_specs, load_spec


def run(*arguments, **environment):
    return CliRunner().invoke(application(), ["list", *arguments], env=environment)


def test_json_has_every_spec_with_its_facts():
    found = run("--json")
    assert (found.exit_code, found.stderr) == (0, "")
    rows = {row["name"]: row for row in json.loads(found.stdout)["specs"]}
    assert sorted(rows) == list_specs()
    for name, row in rows.items():
        assert row["parameters"] == load_spec(name).graph().parameter_count
        assert row["summary"]
    assert rows["bert_base"]["family"] == "bert"
    assert rows["bert_base"]["input"] == "text"
    assert rows["mnist_fc"]["task"] == "image_classification"


@pytest.mark.parametrize("columns", ["80", "120"])
def test_table_fits_the_terminal_and_names_every_spec(columns):
    found = run(COLUMNS=columns)
    assert found.exit_code == 0
    assert all(len(line) <= int(columns) for line in found.stdout.splitlines())
    assert all(f"  {name} " in found.stdout for name in list_specs())
    assert "110,106,428 parameters" in found.stdout
