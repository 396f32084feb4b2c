"""A description for people at a terminal, 80 columns wide or more."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo_common.report.description import Description, TensorDescription
from zoo_common.report.phrases import (
    block_flops,
    block_parameters,
    choice_rows,
    data_rows,
    kernel_line,
    layer_line,
    library_line,
    memory_rows,
    size_line,
    walk,
)
from zoo_common.report.placement_words import placement_rows
from zoo_common.report.terminal import facts, section
from zoo_common.units import counted, short

_SHAPES, _WIRING = 115, 150
"""Columns from which on the graph's table has each node's output, and what it reads."""


def print_description(found: Description, console: Console) -> None:
    """Print all of it."""
    console.print(Text(found.name, style="bold"))
    console.print(f"{found.family}, task {found.task}, data {found.data_kind}")
    if found.summary:
        console.print(found.summary)
    if found.drawn:
        console.print(f"Its data: {found.drawn}.")
    section(console, "Size", facts(_size_rows(found)))
    section(console, f"Graph, forward pass of {found.sizes}", _block_table(found, console.width))
    section(console, "Inputs", _tensor_table(found.inputs))
    section(console, "Open dimensions", facts([(each.name, each.bounds) for each in found.dimensions]))
    section(console, "Outputs", _tensor_table(found.outputs))
    section(console, "Loss", _loss(found))
    section(console, f"Computation at {found.sizes}", facts(_flop_rows(found)))
    section(console, f"Memory of training at {found.sizes}", _memory_table(found))
    if found.placement is not None:
        section(console, "Weight streaming on this machine", facts(placement_rows(found.placement)))
    if found.training.rates:
        section(console, "Rates, as the schedule's", facts(found.training.rates))
    if found.training.compiled:
        section(
            console, f"Compiled, training.compile: {found.training.compile}", facts(found.training.compiled)
        )
    if found.data:
        rows = [(name, "\n".join(lines)) for name, lines in data_rows(found.data)]
        section(console, "Data", facts(rows))
    for versions, answers in found.choices.items():
        section(console, f"Measured on this processor, {versions}", facts(choice_rows(answers)))
    section(console, "Libraries beyond the framework", facts(_library_rows(found)))


def _size_rows(found: Description) -> list[tuple[str, str]]:
    statistics = f", and {found.statistics:,} values that are not trained" if found.statistics else ""
    return [
        ("parameters", f"{found.parameters:,}{statistics}"),
        ("bytes", size_line(found)),
        ("layers", layer_line(found)),
        ("kernels", f"{kernel_line(found)} in a forward pass"),
    ]


def _block_table(found: Description, width: int) -> Table:
    gap = 2 if width >= _SHAPES else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("block", overflow="fold", no_wrap=True)
    table.add_column("kind", overflow="fold", no_wrap=True)
    table.add_column("parameters", justify="right", overflow="fold", no_wrap=width >= _SHAPES)
    table.add_column("FLOPs", justify="right", no_wrap=True)
    if width >= _SHAPES:
        table.add_column("output", overflow="fold")
    if width >= _WIRING:
        table.add_column("reads", overflow="fold")
    for depth, block in walk(found.blocks):
        row = ["  " * depth + block.title, block.kind]
        row += [block_parameters(block) or "-", block_flops(block) or "-"]
        row += [block.output] if width >= _SHAPES else []
        row += [", ".join(block.reads)] if width >= _WIRING else []
        table.add_row(*map(Text, row), style="dim" if depth > 2 else None)
    return table


def _tensor_table(tensors: Sequence[TensorDescription]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold", style="dim")
    for tensor in tensors:
        table.add_row(tensor.name, tensor.layout, tensor.dtype, tensor.remark)
    return table


def _loss(found: Description) -> Table | Text:
    if found.loss is None:
        return Text("none: this spec has outputs only, and cannot be trained")
    rows = [("loss", found.loss.formula), *((part.name, part.words) for part in found.loss.parts)]
    if found.loss.micro_batches:
        rows.append(("", found.loss.micro_batches))
    return facts(rows)


def _flop_rows(found: Description) -> list[tuple[str, str]]:
    training, flops = found.training, found.flops
    return [
        ("forward pass", f"{short(flops['forward'])}FLOP"),
        ("forward and backward", f"{short(flops['training'])}FLOP"),
        ("training step", f"{short(flops['training_step'])}FLOP ({counted(training.batch_size, 'example')})"),
        ("whole training", f"{short(flops['training_run'])}FLOP ({counted(training.steps, 'step')})"),
    ]


def _memory_table(found: Description) -> Table:
    frameworks, rows, sums = memory_rows(found)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    for _ in frameworks:
        table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    table.add_row("", *frameworks, "", style="dim")
    for name, sizes, note in rows:
        table.add_row(name, *sizes, note)
    table.add_row("sum", *(Text(size, style="bold") for size in sums), "")
    return table


def _library_rows(found: Description) -> list[tuple[str, str]]:
    rows = [("needed", library_line(found.needed_libraries))]
    if found.preprocessing_libraries:
        rows.append(("preprocessing", library_line(found.preprocessing_libraries)))
    return rows
