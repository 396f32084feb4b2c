"""What ``zoo describe`` knows of a spec, as data; ``describe`` makes it, the renderers print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_common.measured import Answer
from zoo_common.report.placement import Placement


@dataclass(frozen=True)
class TensorDescription:
    """An input or output. ``shape`` has an int or a dimension's name in each place, ``axes`` a name or none.

    ``ids`` is the number of ids that an integer input may take, where that is known.
    """

    name: str
    shape: tuple[int | str, ...]
    axes: tuple[str, ...]
    dtype: str
    optional: bool
    label: bool = False
    description: str = ""
    ids: int | None = None

    @property
    def layout(self) -> str:
        """``[batch, sequence, hidden 128]``."""
        parts = [
            str(size) if name in ("", size) else f"{name} {size}"
            for name, size in zip(self.axes, self.shape, strict=True)
        ]
        return f"[{', '.join(parts)}]"

    @property
    def remark(self) -> str:
        """Everything about it that its shape and dtype do not say."""
        marks = ["label"] if self.label else ["optional"] if self.optional else []
        ids = [f"ids below {self.ids:,}"] if self.ids is not None else []
        return "; ".join([*marks, *([self.description] if self.description else []), *ids])


@dataclass(frozen=True)
class Dimension:
    """An open dimension, the size that costs are given at, and its bounds."""

    name: str
    size: int
    minimum: int
    maximum: int | None

    @property
    def bounds(self) -> str:
        """``1 to 512``, or ``1 or more``."""
        return f"{self.minimum} or more" if self.maximum is None else f"{self.minimum} to {self.maximum:,}"


@dataclass(frozen=True)
class BlockDescription:
    """A block with everything inside it.

    ``count`` blocks that are alike in all but their number stand together, every ``step``-th from ``name`` to
    ``last``; ``parameters``, ``flops`` and ``kernels`` are of each of them. ``does_nothing``: dropout at rate 0.
    ``reads``, ``output`` and ``weights_of`` (the node whose weights it uses) are the graph's own nodes' only.
    """

    name: str
    kind: str
    parameters: int
    flops: int
    kernels: int
    count: int = 1
    last: str = ""
    step: int = 1
    does_nothing: bool = False
    reads: tuple[str, ...] = ()
    output: str = ""
    weights_of: str = ""
    blocks: tuple[BlockDescription, ...] = ()

    @property
    def title(self) -> str:
        """``layers.0 … layers.11 (12×)``; of every second one ``layers.0, 2 … 10 (6×)``."""
        if self.count == 1:
            return self.name
        if self.step == 1:
            return f"{self.name} … {self.last} ({self.count}×)"
        stem, _, first = self.name.rpartition(".")
        last = self.last.removeprefix(f"{stem}.")
        second = "" if self.count == 2 else f" {int(first) + self.step} …"
        return f"{self.name},{second} {last} ({self.count}×)"


@dataclass(frozen=True)
class LossPartDescription:
    """One term of the loss: what it is called, what it compares, and over what it is averaged."""

    name: str
    kind: str
    factor: float
    labels: str
    weights: str
    words: str


@dataclass(frozen=True)
class LossDescription:
    """The loss as a sum of its parts, and each part in words."""

    formula: str
    parts: tuple[LossPartDescription, ...]
    micro_batches: str


@dataclass(frozen=True)
class SplitDescription:
    """The data that is trained or evaluated on; ``why`` it is not readable, if it is not.

    ``real_shares``, and ``real`` in words: what of batches in training is no padding, by kind of batching.
    """

    split: str
    readable: bool
    why: str = ""
    source: str = ""
    samples: int = 0
    source_bytes: int = 0
    bytes_per_sample: int = 0
    notes: tuple[str, ...] = ()
    real_shares: Mapping[str, float] = field(default_factory=dict)
    real: str = ""

    @property
    def total_bytes(self) -> int:
        """Bytes fed to the model in an epoch."""
        return self.samples * self.bytes_per_sample


@dataclass(frozen=True)
class TrainingDescription:
    """What of the training decides over memory and time; ``rates`` are of blocks by path, where not all have one.

    ``compiled`` says by framework what of a step is compiled.
    """

    steps: int
    batch_size: int
    micro_batch_size: int
    precision: str
    optimizer: str
    schedule: str
    compile: str
    compiled: tuple[tuple[str, str], ...]
    rates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Library:
    """A library that is needed, with its installed version, or none."""

    name: str
    version: str | None


@dataclass(frozen=True)
class Description:
    """Everything that can be said of a spec without a framework.

    ``flops`` are of a ``forward`` pass of one micro-batch at the ``dimensions``' sizes, of its ``training``
    (forward and backward), of a whole ``training_step`` and of the whole ``training_run``. ``size_bytes`` are
    the parameters' by precision; ``training_bytes`` what training holds at its peak, by framework and
    by name. ``drawn`` is what of the data is drawn at random, in words. ``placement`` is what streaming takes here,
    where that was measured, and ``choices`` what one framework's were measured to be, by its versions.
    """

    name: str
    summary: str
    family: str
    task: str
    data_kind: str
    drawn: str
    parameters: int
    statistics: int
    transformer_layers: int
    weighted_blocks: Mapping[str, int]
    matrix_products: int
    convolutions: int
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    dimensions: tuple[Dimension, ...]
    blocks: tuple[BlockDescription, ...]
    loss: LossDescription | None
    flops: Mapping[str, int]
    size_bytes: Mapping[str, int]
    training_bytes: Mapping[str, Mapping[str, int]]
    training: TrainingDescription
    data: tuple[SplitDescription, ...]
    needed_libraries: tuple[Library, ...]
    preprocessing_libraries: tuple[Library, ...]
    placement: Placement | None = None
    choices: Mapping[str, Mapping[str, Answer]] = field(default_factory=dict)

    @property
    def sizes(self) -> str:
        """``batch 8, sequence 128``."""
        return ", ".join(f"{dimension.name} {dimension.size}" for dimension in self.dimensions)
