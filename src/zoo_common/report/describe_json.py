"""A description as one JSON document. Sizes are bytes; times are only those of a disk that was measured."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import JsonValue

from zoo_common.report.description import (
    BlockDescription,
    Description,
    Library,
    SplitDescription,
    TensorDescription,
)
from zoo_common.report.placement_words import to_json as placement_json


def to_json(found: Description) -> dict[str, JsonValue]:
    """Plain JSON values; ``parameters`` is the number of trainable values.

    Of a block with ``count`` above 1 the numbers are of each of them.
    """
    return {
        "name": found.name,
        "summary": found.summary,
        "family": found.family,
        "task": found.task,
        "drawn": found.drawn,
        "parameters": found.parameters,
        "statistics": found.statistics,
        "layers": {
            "transformer": found.transformer_layers,
            "with_weights": dict(found.weighted_blocks),
        },
        "kernels": {"matrix_products": found.matrix_products, "convolutions": found.convolutions},
        "inputs": {tensor.name: _tensor(tensor, label=True) for tensor in found.inputs},
        "outputs": {tensor.name: _tensor(tensor, label=False) for tensor in found.outputs},
        "dimensions": {each.name: {**asdict(each)} for each in found.dimensions},
        "blocks": [_block(block) for block in found.blocks],
        "loss": None if found.loss is None else asdict(found.loss),
        "flops": dict(found.flops),
        "bytes": {
            "parameters": dict(found.size_bytes),
            "training": {
                framework: {**parts, "sum": sum(parts.values())}
                for framework, parts in found.training_bytes.items()
            },
        },
        "training": asdict(found.training),
        **({} if found.placement is None else {"streaming": placement_json(found.placement)}),
        "choices": {
            versions: {question: asdict(each) for question, each in answers.items()}
            for versions, answers in found.choices.items()
        },
        "data": {split.split: _split(split) for split in found.data},
        "libraries": {
            "needed": _libraries(found.needed_libraries),
            "preprocessing": _libraries(found.preprocessing_libraries),
        },
    }


def _tensor(tensor: TensorDescription, *, label: bool) -> JsonValue:
    return {
        "shape": list(tensor.shape),
        "axes": list(tensor.axes),
        "dtype": tensor.dtype,
        "optional": tensor.optional,
        **({"label": tensor.label, "ids": tensor.ids} if label else {}),
        "description": tensor.description,
    }


def _block(block: BlockDescription) -> JsonValue:
    return {
        "name": block.name,
        "kind": block.kind,
        "count": block.count,
        **({"last": block.last} if block.last else {}),
        **({"step": block.step} if block.step > 1 else {}),
        "parameters": block.parameters,
        "flops": block.flops,
        "kernels": block.kernels,
        **({"reads": list(block.reads), "output": block.output} if block.output else {}),
        **({"weights_of": block.weights_of} if block.weights_of else {}),
        "blocks": [_block(inner) for inner in block.blocks],
    }


def _split(split: SplitDescription) -> JsonValue:
    if not split.readable:
        return {"readable": False, "why": split.why}
    return {
        "readable": True,
        "source": split.source,
        "samples": split.samples,
        "source_bytes": split.source_bytes,
        "total_bytes": split.total_bytes,
        "bytes_per_sample": split.bytes_per_sample,
        "notes": list(split.notes),
        "real_shares": dict(split.real_shares),
    }


def _libraries(libraries: tuple[Library, ...]) -> JsonValue:
    return {each.name: each.version for each in libraries}
