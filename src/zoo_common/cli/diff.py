"""``zoo diff``: what one spec changes against another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import JsonOption, example

if TYPE_CHECKING:
    from rich.text import Text

    from zoo_common.report.spec_diff import SpecDiff


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo diff bert_base roberta_base",
        "zoo diff bert_base my_bert.yaml --sequence 512 --json",
        "zoo diff bert_base --set model.feed_forward.kind=gated_feed_forward",
    )
    app.command("diff", epilog=example(*examples))(diff)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A shipped spec's name, or a YAML file.")],
    after: Annotated[str | None, typer.Argument(metavar="[B]", help="The other; A if left out.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Override a value of B; may be repeated."),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tokens of an example; by default each one's data's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what spec B changes against spec A.

    Field by field, with everything that they inherit, and the change in parameters and in the FLOPs of one
    example. No framework is loaded and nothing is allocated.
    """
    from zoo_common.report.spec_diff import spec_diff, to_json
    from zoo_spec import load_spec

    if after is None and not overrides:
        raise typer.BadParameter("give another spec, or --set what is to change", param_hint="B")
    sizes = {} if sequence is None else {"sequence": sequence}
    found = spec_diff(load_spec(before), load_spec(after or before, overrides or ()), sizes)
    if as_json:
        from zoo_common.cli.output import print_json

        print_json(to_json(found))
    else:
        _print(found)


def _print(found: SpecDiff) -> None:
    from rich.table import Table
    from rich.text import Text

    from zoo_common.screen import console
    from zoo_common.units import short

    first, second = found.names if found.names[0] != found.names[1] else ("A", "B")
    fields = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("field", first, second):
        fields.add_column(name, overflow="fold")
    for change in found.changes:
        fields.add_row(Text(change.path), _value(change.before), _value(change.after))
    numbers = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(("", first, second, "change")):
        numbers.add_column(name, justify="right" if place else "left")
    before, after = found.numbers
    for name, one, other in (
        ("parameters", before.parameters, after.parameters),
        ("FLOPs, forward", before.forward, after.forward),
        ("FLOPs, training", before.training, after.training),
    ):
        told = [f"{value:,}" if name == "parameters" else short(value) for value in (one, other)]
        numbers.add_row(name, *told, _change(one, other))
    out = console()
    if found.changes:
        out.print(fields)
        out.print()
    else:
        out.print("no field differs")
    out.print(numbers)
    for name, each in zip((first, second), found.numbers, strict=True):
        sizes = ", ".join(f"{dimension} {size}" for dimension, size in each.sizes.items())
        out.print(Text(f"FLOPs of {name} with {sizes}", style="dim"))


def _value(value: str | None) -> Text:
    from rich.text import Text

    return Text("-", style="dim") if value is None else Text(value)


def _change(before: int, after: int) -> str:
    from zoo_common.units import short

    apart = after - before
    sign = "+" if apart > 0 else "-" if apart < 0 else ""
    share = f" ({apart / before:+.1%})" if before else ""
    return f"{sign}{short(abs(apart))}{share}"
