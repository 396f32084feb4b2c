"""``zoo list`` shows the families on a screen, and every shipped spec where it is asked for."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.report import catalog
from zoo_spec import list_specs, load_spec


@pytest.fixture(autouse=True, scope="module")
def _read_once():
    """What ships, by the first that asks: each command would read and build all of it anew."""
    with pytest.MonkeyPatch.context() as patched:
        read = cache(catalog.shipped)
        patched.setattr(catalog, "shipped", lambda: list(read()))
        yield


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
        assert row["frameworks"] == ["tf", "torch"]
        streams = ["weight_streaming"] if load_spec(name).graph().has_layers else []
        assert row["execution"] == ["resident", *streams]
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


def screen(*arguments, columns="80"):
    """What is printed; each line fits the terminal."""
    found = run(*arguments, COLUMNS=columns)
    assert (found.exit_code, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert all(len(line) <= int(columns) for line in lines)
    return lines


def test_the_families_fit_a_screen_of_80_by_24_a_line_each(rows):
    lines = screen()
    assert len(lines) < 24
    table = [line.split() for line in lines[1 : lines.index("")]]
    domains = {"language", "vision", "speech", "multimodal", "any"}
    shown = {line[1] if line[0] in domains else line[0]: line for line in table}
    assert len(shown) == len(table)
    assert shown.keys() == {row["family"] for row in rows.values()}
    for family, line in shown.items():
        assert str(sum(row["family"] == family for row in rows.values())) in line[:3]
    assert {"139k", "336M", "2019"} <= set(shown["bert"])
    assert shown["graph"][0] == "any"


@pytest.mark.parametrize("columns", ["80", "120"])
def test_families_by_name_show_their_specs_and_no_others(columns, rows):
    lines = screen("bert", "vit", columns=columns)
    shown = {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}
    assert shown == {name for name, row in rows.items() if row["family"] in ("bert", "vit")}
    assert any("110,106,428  masked_lm_next_sentence" in line for line in lines)
    assert "    weights: https://huggingface.co/google-bert" in lines
    assert " language, representation" in lines


def test_every_spec_is_shown_by_its_family(rows):
    lines = screen(*{row["family"] for row in rows.values()})
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in list_specs())


def kept(*arguments):
    return {row["name"]: row for row in json.loads(run(*arguments, "--json").stdout)["specs"]}


@pytest.mark.parametrize(
    ("size", "least", "most"),
    [
        ("100M", 0, 100_000_000),
        ("1.5b", 0, 1_500_000_000),
        ("100M-1B", 100_000_000, 1_000_000_000),
        ("1G-", 1_000_000_000, 10**15),
        ("-961k", 0, 961_000),
        ("960,610-960610", 960_610, 960_610),
    ],
)
def test_a_size_keeps_the_specs_within_it(size, least, most, rows):
    expected = {name for name, row in rows.items() if least <= row["parameters"] <= most}
    assert kept("--size", size).keys() == expected
    assert expected


def test_a_task_keeps_the_specs_that_have_it_and_names_the_families_that_fit(rows):
    found = kept("--task", "question_answering")
    assert found.keys() == {name for name, row in rows.items() if row["task"] == "question_answering"}
    (last,) = [line for line in screen("--task", "question_answering", columns="200") if "--set" in line]
    fitting = {row["family"] for row in rows.values() if "question_answering" in row["tasks"]}
    assert set(last.partition(" fits: ")[2].split(", ")) == fitting


def test_filters_go_together_and_may_leave_nothing():
    assert kept("gpt2", "--task", "causal_lm", "--size", "200M").keys() == {"gpt2_tiny", "gpt2_small"}
    assert kept("vit", "--task", "causal_lm") == {}
    assert screen("vit", "--task", "causal_lm") == [
        "no shipped spec is of this kind; 'zoo list' shows the families"
    ]
    assert run("vit", "--task", "causal_lm", "--markdown").stdout.endswith(
        "\nNo shipped spec is of this kind.\n"
    )
    # No shipped spec has it, but it can be set.
    assert "fits: bert," in screen("--task", "masked_lm_sentence_distance", columns="200")[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bertt"], "no family of the shipped specs is called 'bertt' (did you mean 'bert'?)"),
        (["bert", "xyzzy"], "called 'xyzzy' (there are: bert, ernie, "),
        (
            ["bert_tiny"],
            "bert_tiny is a spec of the family bert: zoo list bert, or zoo describe --spec bert_tiny",
        ),
        (["--task", "causal"], "no task is called 'causal' (did you mean 'causal_lm'?)"),
        (["--size", "huge"], "'huge' is no size; give 100M (at most)"),
        (["--size", "2M-1M"], "'2M-1M' is no size"),
        (["--size", "-"], "'-' is no size"),
        (["--size", ""], "'' is no size"),
        (["--markdown", "--json"], "give one of --json and --markdown"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(arguments, says):
    found = run(*arguments, COLUMNS="200")
    assert (found.exit_code, found.stdout) == (2, "")
    assert says in found.stderr


def test_the_page_of_models_is_what_markdown_prints():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert run("--markdown").stdout == page
    assert all(f"| `{name}` | " in page for name in list_specs())
    widths = {line.count(" | ") for line in page.splitlines() if line.startswith("|")}
    assert widths == {3, 4}


def test_listing_loads_no_framework():
    code = (
        "from zoo_common.report.catalog import shipped\nshipped()\nimport sys\n"
        "print(*{'torch', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
