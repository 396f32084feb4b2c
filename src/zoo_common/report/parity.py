"""A parity report as a table, and as JUnit XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from rich.table import Table

from zoo_common.cli.output import console
from zoo_common.files import explained, write_atomically
from zoo_common.parity.results import LevelResult, ParityReport


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


def write_junit(report: ParityReport, path: Path) -> None:
    """One test case a level and dtype. Raises EnvironmentFault or InputError if the file cannot be written."""
    failures = sum(not row.passed for row in report.levels)
    suite = ElementTree.Element(
        "testsuite", name=f"parity.{report.spec}", tests=str(len(report.levels)), failures=str(failures)
    )
    for row in report.levels:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"parity.{report.spec}", name=f"{row.level}[{row.dtype}]"
        )
        if not row.passed:
            ElementTree.SubElement(case, "failure", message=_summary(row)).text = row.detail
    with explained("write", path):
        write_atomically(path, ElementTree.tostring(suite, encoding="unicode", xml_declaration=True))


def _summary(row: LevelResult) -> str:
    return f"{row.worst}: {row.value:.3e}, limit {row.limit:.3e}"
