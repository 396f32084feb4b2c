"""A parity report as a table, and as the cases of a JUnit suite."""

from __future__ import annotations

from rich.table import Table

from zoo_common.parity.results import ParityReport
from zoo_common.report.junit import Case, Suite
from zoo_common.screen import console


def print_parity(report: ParityReport) -> None:
    """The levels as a table on standard output, and what went wrong below it."""
    table = Table(title=f"parity of {report.spec}", title_justify="left", box=None, pad_edge=False)
    for heading in ("level", "dtype", "", "value", "limit", "worst"):
        table.add_column(heading, justify="right" if heading in ("value", "limit") else "left")
    for row in report.levels:
        table.add_row(
            row.level,
            row.dtype,
            "passed" if row.passed else "FAILED",
            f"{row.value:.1e}",
            f"{row.limit:.1e}",
            row.worst,
        )
    out = console()
    out.print(table)
    for row in report.levels:
        if row.detail and (not row.passed or row.level == "curve"):
            out.print(f"{row.level} ({row.dtype}): {row.detail}")
    if report.source is not None:
        out.print(f"judged: {report.source}", soft_wrap=True)
    for note in report.notes:
        out.print(note)
    out.print("passed: both frameworks agree" if report.passed else "FAILED")


def suite(report: ParityReport, of: str) -> Suite:
    """One test case a level and dtype; ``of`` is what the suite is called by."""
    cases = [
        Case(f"{row.level}[{row.dtype}]", "" if row.passed else row.told, row.detail) for row in report.levels
    ]
    return Suite(f"parity.{of}", tuple(cases))
