"""The shipped specs as a table in Markdown, such as the README's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from zoo_common.report.catalog import FamilyFacts, Shipped

_HEAD = ("domain", "family", "for", "specs and their parameters", "tasks", "frameworks", "execution")


def to_markdown(rows: list[Shipped], families: list[FamilyFacts]) -> str:
    """A row for each family, in the order of domains; its specs by size, and all tasks that fit one of them."""
    facts = {each.family: each for each in families}
    domains: dict[str, int] = {row.domain: place for place, row in reversed(list(enumerate(rows)))}
    ordered = sorted(rows, key=lambda row: (domains[row.domain], row.family, row.parameters, row.name))
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    for (domain, family), found in groupby(ordered, key=lambda row: (row.domain, row.family)):
        members = list(found)
        marks = {row.name: ", drawn data" if row.drawn else "" for row in members}
        specs = "<br>".join(f"`{row.name}` {row.parameters:,}{marks[row.name]}" for row in members)
        tasks = ", ".join(f"`{task}`" for task in _union(row.tasks for row in members))
        uses = ", ".join(dict.fromkeys(row.use for row in members))
        frameworks = ", ".join(_union(row.frameworks for row in members))
        modes = ", ".join(_union(row.execution for row in members))
        lines.append(_line([domain, _family(facts[family]), uses, specs, tasks, frameworks, modes]))
    return "\n".join(lines) + "\n"


def _family(facts: FamilyFacts) -> str:
    about = f"{facts.paper} ({facts.year})" if facts.year else facts.paper
    links = [
        f"[{what}]({where})" if where.startswith("http") else f"{what}: {where}"
        for what, where in (("code", facts.code), ("weights", facts.weights))
        if where
    ]
    return "<br>".join(part for part in (f"`{facts.family}`", about, ", ".join(links)) if part)


def _union(groups: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(each for group in groups for each in group))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
