"""A description as the answers that an application for computing time asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo_common.report.description import Description, TensorDescription
from zoo_common.report.phrases import (
    block_flops,
    block_parameters,
    data_rows,
    kernel_line,
    layer_line,
    library_line,
    memory_rows,
    size_line,
    walk,
)
from zoo_common.report.placement_words import placement_rows
from zoo_common.units import counted, short
from zoo_spec.frameworks import frameworks


def to_markdown(found: Description) -> str:
    """The whole document."""
    sections = [
        [f"# {found.name}"],
        ["## What is the model?", *_model(found)],
        ["## How many parameters?", *_parameters(found)],
        ["## How is it built?", _graph_table(found)],
        ["## What goes in, and what comes out?", *_tensors(found)],
        ["## What is minimised?", *_loss(found)],
        ["## How much computation does it take?", *_computation(found)],
        ["## How much memory does training take?", *_memory(found)],
        *([["## At which rates?", *_rates(found)]] if found.training.rates else []),
        *([["## Which data?", *_data(found)]] if found.data else []),
        ["## Which software?", *_software(found)],
    ]
    return "\n\n".join(paragraph for section in sections for paragraph in section) + "\n"


def _model(found: Description) -> Iterator[str]:
    if found.summary:
        yield found.summary
    yield f"A model of the family `{found.family}`, for the task `{found.task}`. It has {layer_line(found)}."
    if found.drawn:
        yield f"The data that its spec file names is no data set: {found.drawn}."


def _parameters(found: Description) -> Iterator[str]:
    yield f"{found.parameters:,} trainable parameters: {size_line(found)}."
    if found.statistics:
        yield f"Beside them it keeps {found.statistics:,} values that are not trained."


def _graph_table(found: Description) -> str:
    rows = [
        (
            f"{'&emsp;' * depth}`{block.title}`",
            f"`{block.kind}`",
            block_parameters(block),
            block_flops(block),
            f"`{block.output}`" if block.output else "",
        )
        for depth, block in walk(found.blocks, deepest=1)
    ]
    return _table(("block", "kind", "parameters", f"FLOPs at {found.sizes}", "output"), rows, right=(2, 3))


def _tensors(found: Description) -> Iterator[str]:
    bounds = "; ".join(f"{each.name} {each.bounds}" for each in found.dimensions)
    yield f"Open dimensions: {bounds}."
    yield _tensor_table("input", found.inputs)
    yield _tensor_table("output", found.outputs)


def _tensor_table(name: str, tensors: Sequence[TensorDescription]) -> str:
    rows = [(f"`{each.name}`", f"`{each.layout}`", each.dtype, each.remark) for each in tensors]
    return _table((name, "shape", "dtype", "remark"), rows)


def _loss(found: Description) -> Iterator[str]:
    if found.loss is None:
        yield "Nothing: it has outputs only, and is not trained."
        return
    yield f"`loss = {found.loss.formula}`"
    yield "\n".join(f"- `{part.name}`: {part.words}" for part in found.loss.parts)
    if found.loss.micro_batches:
        yield found.loss.micro_batches


def _computation(found: Description) -> Iterator[str]:
    flops, training = found.flops, found.training
    yield (
        f"A forward pass at {found.sizes} takes {short(flops['forward'])}FLOP in {kernel_line(found)}; with "
        f"the backward pass, {short(flops['training'])}FLOP. A training step of "
        f"{counted(training.batch_size, 'example')} takes {short(flops['training_step'])}FLOP, and the whole "
        f"training of {counted(training.steps, 'step')} {short(flops['training_run'])}FLOP. "
        "Counted are matrix products and convolutions, a multiply-add as two operations."
    )


def _memory(found: Description) -> Iterator[str]:
    frameworks, rows, sums = memory_rows(found)
    totals = " or ".join(f"{size} in {name}" for name, size in zip(frameworks, sums, strict=True))
    yield f"About {totals}, at {found.sizes} and in {found.training.precision}:"
    lines = [(name, *sizes, note) for name, sizes, note in rows]
    lines.append(("**sum**", *(f"**{size}**" for size in sums), ""))
    yield _table(("part", *frameworks, "remark"), lines, right=tuple(range(1, len(frameworks) + 1)))
    if found.placement is not None:
        yield "Its weights are streamed from files:"
        yield _table(("", "on this machine"), placement_rows(found.placement))


def _rates(found: Description) -> Iterator[str]:
    yield _table(("block", "rate, as the schedule's"), found.training.rates)


def _data(found: Description) -> Iterator[str]:
    for name, lines in data_rows(found.data):
        yield "\n".join([f"For {name}:", "", *(f"- {line}" for line in lines)])


def _software(found: Description) -> Iterator[str]:
    known = frameworks()
    titles = ", or ".join(each.title for each in known.values())
    options = " or ".join(f"`--framework {name}`" for name in known)
    yield f"{titles}, at choice: `zoo train` with {options}."
    yield f"Beyond the framework, it needs {library_line(found.needed_libraries)}."
    if found.preprocessing_libraries:
        yield f"Preprocessing imports {library_line(found.preprocessing_libraries)}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [header, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
