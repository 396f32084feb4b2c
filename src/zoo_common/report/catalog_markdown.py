"""The shipped specs as a page in Markdown: docs/models.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo_common.report.catalog import Shipped, in_all_and_some
from zoo_common.report.families import Family

_INTRODUCTION = """# Models

The families and the specs that come with Zoo, as `zoo list --markdown` writes them. A task that is named with a
family fits all or some of its specs (`--set task.kind=…`); another one is refused by name, before a framework is
loaded. "Drawn data": the spec trains on inputs drawn at random, to try it, until you give it yours.
"""


def to_markdown(families: Sequence[Family]) -> str:
    """A table of the families, then a section for each: its paper, the tasks that fit, and its specs in a table."""
    return "\n".join(_lines(families)) + "\n"


def _lines(families: Sequence[Family]) -> Iterator[str]:
    yield _INTRODUCTION
    yield _line(("domain", "family", "", "specs", "parameters"))
    yield _line(("---", "---", "---", "---:", "---"))
    for family in families:
        name, about = family.facts.family, _about(family)
        sizes = " to ".join(dict.fromkeys(family.sizes))
        yield _line((family.domain, f"[{name}](#{name})", about, str(len(family.specs)), sizes))
    yield ""
    rows = [row for family in families for row in family.specs]
    if not rows:
        yield "No shipped spec is of this kind."
        return
    (frameworks, some), (modes, more) = (in_all_and_some(rows, of) for of in ("frameworks", "execution"))
    only, also = (
        "".join(f"{before}{each}" for each in few) for before, few in (("; in ", some), ("; ", more))
    )
    yield f"All of them in {' and '.join(frameworks)}{only}; execution: {', '.join(modes)}{also}."
    for family in families:
        yield from _section(family)


def _section(family: Family) -> Iterator[str]:
    yield from ("", f"## {family.facts.family}", "")
    uses = " and ".join(dict.fromkeys(row.use for row in family.specs))
    yield f"{_about(family)}. For {uses}.{_links(family)}"
    yield from ("", f"Tasks that fit: {', '.join(f'`{task}`' for task in family.tasks)}.", "")
    yield _line(("spec", "parameters", "task", ""))
    yield _line(("---", "---:", "---", "---"))
    for row in family.specs:
        yield _line((f"`{row.name}`", f"{row.parameters:,}", f"`{row.task}`", _told(row)))


def _told(row: Shipped) -> str:
    return f"{row.summary} Drawn data." if row.drawn else row.summary


def _about(family: Family) -> str:
    return f"{family.about} ({family.facts.year})" if family.facts.year else family.about


def _links(family: Family) -> str:
    links = [
        f"[{what}]({where})" if where.startswith("http") else f"{what}: {where}"
        for what, where in (("code", family.facts.code), ("weights", family.facts.weights))
        if where
    ]
    return f" Published: {', '.join(links)}." if links else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
