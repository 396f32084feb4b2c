"""The shipped specs on a screen: a line a family, or the specs of some with what each is for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from zoo_common.report.catalog import in_all_and_some
from zoo_common.report.families import Family

_HEAD = ("", "family", "specs", "parameters", "", "")
_MORE = (
    ("zoo list bert", "its specs, its tasks, and where its weights are"),
    ("zoo list --task masked_lm", "the specs of a task; --size 100M: up to that size"),
    ("zoo describe --spec bert_tiny", "all that can be said of one"),
)


def print_families(families: Sequence[Family], out: Console) -> None:
    """A line for each family; a title that does not fit into it is cut."""
    lines = [_HEAD, *(_line(each) for each in families)]
    width = [max(map(len, column)) for column in zip(*lines, strict=True)]
    before = ""
    for line in lines:
        domain, family, count, sizes, title, year = line
        style = "dim" if line is _HEAD else ""
        text = Text(f"{domain if domain != before else '':<{width[0]}} ")
        text.append(f"{family:<{width[1]}}", style=style or "bold cyan")
        text.append(f" {count:>{width[2]}}  {sizes:<{width[3]}}  ", style=style)
        about = Text(title)
        about.truncate(max(out.width - text.cell_len - len(year), 1), overflow="ellipsis")
        out.print(text.append_text(about).append(year), no_wrap=True, overflow="crop")
        before = domain
    out.print()
    for command, what in _MORE:
        out.print(Text(f"{command:<31}").append(what, style="dim"), no_wrap=True, overflow="ellipsis")


def _line(family: Family) -> tuple[str, ...]:
    least, most = family.sizes
    sizes = f"{least:>5} to {most}" if most != least else f"{least:>5}"
    year = f" {family.facts.year}" if family.facts.year else ""
    return (family.domain, family.facts.family, str(len(family.specs)), sizes, family.about, year)


def print_specs(families: Sequence[Family], out: Console) -> None:
    """The specs by family, domain and use, each with its parameters, its task and what it is for."""
    rows = [row for family in families for row in family.specs]
    name, size = max(len(row.name) for row in rows), max(len(f"{row.parameters:,}") for row in rows)
    for family in families:
        _print_family(family, out)
        for (domain, use), group in groupby(family.specs, key=lambda row: (row.domain, row.use)):
            out.print(Text(f" {domain}, {use}"))
            for row in group:
                line = Text(f"  {row.name:<{name}}  ").append(f"{row.parameters:>{size},}", style="bold")
                out.print(
                    line.append(f"  {row.task}").append("  drawn data" if row.drawn else "", style="yellow")
                )
                _print_inside(row.summary, out)
    for kind, drawn in {row.input: row.drawn for row in rows if row.drawn}.items():
        out.print(Text(f"drawn data, {kind}: {drawn}; name your own by data.kind, or by input_fn in Python"))
    for told in ("frameworks", "execution"):
        every, some = in_all_and_some(rows, told)
        out.print(Text("; ".join([f"{told}: {', '.join(every)}, all of these specs", *some])))


def _print_family(family: Family, out: Console) -> None:
    facts = family.facts
    told = f"{family.about} ({facts.year})" if facts.year else family.about
    out.print(Text(facts.family, style="bold cyan").append(f"  {told}", style="not bold default"))
    for what, where in (("code", facts.code), ("weights", facts.weights)):
        if where:
            _print_inside(f"{what}: {where}", out)
    _print_inside(f"tasks: {', '.join(family.tasks)}", out)


def _print_inside(text: str, out: Console) -> None:
    out.print(Padding(Text(text, style="dim"), (0, 0, 0, 4), expand=False))
