"""What the forms of a description say in the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from zoo_common.measured import Answer
from zoo_common.report.description import BlockDescription, Description, Library, SplitDescription
from zoo_common.units import bytes_text, counted, short


def walk(
    blocks: Sequence[BlockDescription], deepest: int | None = None, depth: int = 0
) -> Iterator[tuple[int, BlockDescription]]:
    """Each block with its depth, a parent before its children, without those that do nothing."""
    for block in blocks:
        if not block.does_nothing:
            yield depth, block
            if deepest is None or depth < deepest:
                yield from walk(block.blocks, deepest, depth + 1)


def block_parameters(block: BlockDescription) -> str:
    """The number of a block's parameters, times how many of it there are, or whose it uses."""
    if block.weights_of:
        return f"those of {block.weights_of}"
    return f"{_times(block)}{block.parameters:,}" if block.parameters else ""


def block_flops(block: BlockDescription) -> str:
    """A block's FLOPs, times how many of it there are."""
    return f"{_times(block)}{short(block.flops)}" if block.flops else ""


def _times(block: BlockDescription) -> str:
    return f"{block.count}×" if block.count > 1 else ""


def size_line(found: Description) -> str:
    """``4.13 MB as float32, 8.26 MB as float64, …``."""
    return ", ".join(f"{bytes_text(size)} as {precision}" for precision, size in found.size_bytes.items())


def layer_line(found: Description) -> str:
    """Transformer layers, and blocks with weights by kind."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.weighted_blocks.items())
    blocks = counted(sum(found.weighted_blocks.values()), "block")
    own = f"{blocks} with weights ({kinds})" if kinds else "no block with weights"
    layers = counted(found.transformer_layers, "transformer layer")
    return f"{layers}; {own}" if found.transformer_layers else own


def kernel_line(found: Description) -> str:
    """How many matrix products and convolutions."""
    products = counted(found.matrix_products, "matrix product")
    return f"{products}, {counted(found.convolutions, 'convolution')}"


def data_rows(splits: Sequence[SplitDescription]) -> list[tuple[str, list[str]]]:
    """Each split's name, and what is known of it, a sentence a line; notes on both, once."""
    names = {"train": "training", "eval": "evaluation"}
    said: set[str] = set()
    rows = []
    for split in splits:
        first, *rest = _data_lines(split)
        lines = [first, *(line for line in rest if line not in said)]
        said.update(lines)
        rows.append((names.get(split.split, split.split), lines))
    return rows


def _data_lines(split: SplitDescription) -> list[str]:
    if not split.readable:
        return [f"not readable: {split.why}"]
    size = f", {bytes_text(split.source_bytes)}" if split.source_bytes else ""
    return [
        f"{split.source}{size}; all of it is there and readable",
        f"{counted(split.samples, 'sample')} an epoch: {bytes_text(split.total_bytes)} as fed to the model, "
        f"{bytes_text(split.bytes_per_sample)} a sample",
        *filter(None, [split.real]),
        *split.notes,
    ]


def library_line(libraries: Sequence[Library]) -> str:
    """Names with their versions."""
    return ", ".join(f"{each.name} {each.version or '(not installed)'}" for each in libraries)


def memory_rows(found: Description) -> tuple[list[str], list[tuple[str, list[str], str]], list[str]]:
    """The frameworks; each term of the memory, its size in each of them and what it is; the sums."""
    columns = list(found.training_bytes.values())
    rows = [
        (
            name,
            [bytes_text(column[name]) if column[name] else "" for column in columns],
            _memory_note(found, name),
        )
        for name in (columns[0] if columns else ())
        if any(column[name] for column in columns)
    ]
    return list(found.training_bytes), rows, [bytes_text(sum(column.values())) for column in columns]


def choice_rows(answers: Mapping[str, Answer]) -> list[tuple[str, str]]:
    """Each question with the way that was taken, and what the ways took."""
    return [
        (question, f"{answer.way} ({', '.join(map(_took, answer.seconds.items()))})")
        for question, answer in answers.items()
    ]


def _took(way: tuple[str, float]) -> str:
    name, seconds = way
    return f"{name} {1e3 * seconds:.2f} ms"


def _memory_note(found: Description, name: str) -> str:
    """What a term of the memory is."""
    training = found.training
    notes = {
        "weights": "float32" if training.precision == "bfloat16" else training.precision,
        "copies": "the weights as bfloat16 products take them",
        "accumulated": f"the gradients' sum, as {training.batch_size} examples come in micro-batches",
        "optimizer": training.optimizer,
        "slots": "three of the pieces whose weights and moments are streamed: one read, one used, one written",
        "activations": f"kept for the backward pass, {counted(training.micro_batch_size, 'example')} at once",
        "recomputed": "those of one layer at a time, which keeps none: computed again, or frozen",
        "working": "temporary values, in proportion to the activations and the largest parameter",
        "library": "the framework itself, a round figure",
        "saving": "copies that a checkpoint is written from, beyond what a step has let go of",
    }
    return notes.get(name, "")
