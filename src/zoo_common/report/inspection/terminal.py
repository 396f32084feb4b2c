"""What was found in data, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from zoo_common.report.inspection.found import Balance, Duplicates, Inspection, Lengths, ShownExample
from zoo_common.report.inspection.views import Piece
from zoo_common.units import counted

_STYLES = {"plain": "", "special": "dim", "asked": "bold yellow", "context": "dim", "label": "bold green"}
_BAR = 40
_CLASSES = 30
"""Classes that are shown, the most frequent ones."""


def print_inspection(found: Inspection, console: Console) -> None:
    """Print all of it."""
    name = {"train": "training", "eval": "evaluation"}[found.split]
    console.print(Text(f"{found.spec}: {name} data", style="bold"))
    console.print(f"{found.task} on {found.data}: {counted(found.examples, 'example')} of {found.source}")
    for note in found.notes:
        console.print(note)
    if found.looked_at < found.examples:
        console.print(
            f"Lengths and classes are those of {found.looked_at:,} examples from everywhere in the data."
        )
    for number, shown in enumerate(found.shown):
        _section(console, f"Example {shown.index:,}", _example(shown))
        if found.legend and number == len(found.shown) - 1:
            console.print(Padding(Text(found.legend, style="dim"), (0, 0, 0, 2)))
    for lengths in found.lengths:
        _section(console, f"Length: {lengths.dimension}", _histogram(lengths))
    if found.waste:
        _section(console, "Padding under each batching", _waste(found))
    if found.balance is not None:
        _section(console, f"Classes of {found.balance.classes.of}", _balance(found.balance))
    lines = [found.why_no_duplicates] if found.duplicates is None else list(duplicate_lines(found.duplicates))
    _section(console, "In both parts", Text("\n".join(lines)))


def _section(console: Console, title: str, content: Table | Text) -> None:
    console.print()
    console.print(Text(title, style="bold cyan"))
    console.print(Padding(content, (0, 0, 0, 2), expand=False))


def _example(shown: ShownExample) -> Table:
    table = _grid()
    for title, pieces in shown.rows:
        table.add_row(title, _pieces(pieces))
    return table


def _pieces(pieces: tuple[Piece, ...]) -> Text:
    return Text(" ").join(Text(str(piece), style=_STYLES[piece.mark]) for piece in pieces)


def _histogram(lengths: Lengths) -> Table:
    table, bins = _grid(wraps=False), lengths.histogram()
    most = max(count for _, _, count in bins)
    table.add_column(justify="right")
    for first, last, count in bins:
        shown = "█" * round(_BAR * count / most) or "▏" * bool(count)
        table.add_row(
            str(last) if first == last else f"{first:,} to {last:,}",
            shown,
            f"{count / len(lengths.real):.1%}",
        )
    real = lengths.real
    table.add_row("mean", f"{real.mean():,.1f} of {lengths.padding:,}; longest {real.max():,}")
    return table


def _waste(found: Inspection) -> Table:
    table = _grid(wraps=False)
    table.add_column(overflow="fold")
    for each in found.waste:
        share = "" if each.padding is None else f"{each.padding:.1%} padding"
        bounds = f"bounds {', '.join(map(str, each.bounds))}" if each.bounds else ""
        table.add_row(each.batching, share, "; ".join(filter(None, (bounds, each.note))))
    return table


def _balance(balance: Balance) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    weights = balance.weights if balance.classes.exclusive else [None] * len(balance.counts)
    table.add_row("", "labels", "share", "balanced weight" if balance.classes.exclusive else "", style="dim")
    order = sorted(range(len(balance.counts)), key=lambda label: -balance.counts[label])
    for label in sorted(order[:_CLASSES]):
        weight = weights[label]
        row = (f"{balance.counts[label]:,}", f"{balance.shares[label]:.1%}")
        table.add_row(balance.classes.name(label), *row, "" if weight is None else f"{weight:.3g}")
    if len(order) > _CLASSES:
        table.add_row(f"… {len(order) - _CLASSES:,} rarer ones", "", "", "")
    return table


def duplicate_lines(found: Duplicates) -> Iterator[str]:
    """What was found, a sentence a line, and some of them."""
    looked, of = found.evaluation
    part = f"{looked:,} of {of:,}" if looked < of else f"{of:,}"
    among, all_of = found.training
    others = f"{among:,} of {all_of:,}" if among < all_of else f"{all_of:,}"
    more = "" if found.loose is None else f"; {found.loose:,} more but for upper case and white space"
    yield f"{found.exact:,} of {part} {found.what} for evaluation are among the {others} for training{more}"
    if found.relabelled:
        yield f"{found.relabelled:,} of them have another label there"
    for evaluation, training in found.first:
        yield f"  {evaluation} is {training}"


def _grid(*, wraps: bool = True) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", no_wrap=not wraps)
    return table
