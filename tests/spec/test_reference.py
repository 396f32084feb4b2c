"""docs/reference.md: nothing that a spec can say, reads or gives is missing from it, and it is the code's own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from zoo_common.metrics import metric_kinds
from zoo_common.report.catalog import summary
from zoo_common.report.reference import to_markdown
from zoo_spec import list_specs, load_spec
from zoo_spec.blocks.base import Block
from zoo_spec.data import Data
from zoo_spec.models.base import Model
from zoo_spec.models.composed import Composed
from zoo_spec.registry import classes
from zoo_spec.tasks.base import Task

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
PARTS = ("## Families", "## Tasks", "## Data", "## Blocks")


@cache
def section(title: str) -> str:
    """The text from a heading to the next of its level."""
    return re.split(r"^## ", PAGE.read_text(encoding="utf-8").split(title, 1)[1], flags=re.MULTILINE)[0]


@cache
def documented(title: str) -> frozenset[tuple[str, str, str]]:
    """Name, shape and dtype of each row of a table of tensors."""
    rows = re.findall(r"^\| (`.*`) \| `(\[.*?\])` \| (\w+) \|", section(title), flags=re.MULTILINE)
    return frozenset(
        (name, shape, dtype) for names, shape, dtype in rows for name in re.findall(r"`(\w+)`", names)
    )


@pytest.mark.parametrize("name", list_specs())
def test_every_input_and_output_of_a_shipped_spec_is_documented(name):
    spec = load_spec(name)
    graph = spec.graph()
    for title, tensors in (("## Inputs", graph.inputs), ("## Outputs", graph.outputs)):
        known = documented(title)
        for tensor, found in tensors.items():
            rows = {(shape, dtype) for each, shape, dtype in known if each == tensor}
            ranks = {(shape.count(",") + 1 if shape != "[]" else 0, dtype) for shape, dtype in rows}
            assert (found.rank, found.dtype) in ranks, f"{title}: {tensor} {found.described}"
            if all(found.named_axes) and not isinstance(spec.model, Composed):
                assert (f"[{', '.join(found.named_axes)}]", found.dtype) in rows, (
                    f"{tensor} {found.described}"
                )


def test_every_input_has_a_meaning():
    rows = [line.split(" | ") for line in section("## Inputs").splitlines() if line.startswith("| `")]
    assert rows
    assert all(row[4].strip() for row in rows), [row[0] for row in rows if not row[4].strip()]


@pytest.mark.parametrize(("title", "role"), zip(PARTS, (Model, Task, Data, Block), strict=True))
def test_every_kind_is_there_with_its_fields(title, role):
    text = section(title)
    for kind, cls in classes(role).items():
        told = re.split(r"^#+ ", text.split(f"# `{kind}`\n", 1)[1], flags=re.MULTILINE)[0]
        missing = [name for name in cls.model_fields if name != "kind" and f"| `{name}` |" not in told]
        assert not missing, f"{kind}: {missing}"


def test_every_metric_is_there():
    assert all(f"| `{kind}` |" in section("## Metrics") for kind in metric_kinds())


@pytest.mark.parametrize("role", [Model, Task, Data])
def test_the_guide_names_every_kind(role):
    guide = (PAGE.parent / "spec.md").read_text(encoding="utf-8")
    assert not [kind for kind in classes(role) if f"`{kind}`" not in guide and f"`kind: {kind}`" not in guide]


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == to_markdown(), "run `make reference`"


@pytest.mark.parametrize("name", list_specs())
def test_a_shipped_spec_opens_with_a_whole_sentence(name):
    found = summary(name)
    assert found.endswith(".")
    assert 20 <= len(found) <= 120
