"""Parts of what is printed for people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def section(console: Console, title: str, content: Table | Text) -> None:
    """A titled part, set in from the left."""
    console.print()
    console.print(Text(title, style="bold cyan"))
    console.print(Padding(content, (0, 0, 0, 2), expand=False))


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Names, and what is said of them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table
