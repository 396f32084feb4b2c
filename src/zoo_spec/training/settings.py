"""How a model is trained: steps, batches, optimizer, schedule, precision, seed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo_spec.base import NonNegativeInt, PositiveFloat, PositiveInt, Spec
from zoo_spec.training.byte_counts import ByteCount
from zoo_spec.training.optimizers import AdamW, Optimizer, listed
from zoo_spec.training.schedules import Constant, Schedule

Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(listed)]


class FitWeights(Spec):
    """What of the weights that a run begins with may be of another size, and what is done then."""

    vocabulary: Literal["exact", "extend"] = "exact"
    """extend: a table of more tokens takes the rows that there are, and draws the others as it would have drawn them
    all; so do the bias and the matrix of a head over the vocabulary."""
    positions: Literal["exact", "resize", "interpolate"] = "exact"
    """resize: a table of more positions draws those that there are not, one of fewer is cut. interpolate: those of a
    grid of patches are stretched to another, bilinearly, corner on corner; the class token keeps its own."""


class Training(Spec):
    """The ``training`` part of an experiment."""

    steps: PositiveInt = 1000
    """Number of optimizer steps."""
    batch_size: PositiveInt = 32
    """Examples a step."""
    micro_batch_size: PositiveInt | None = None
    """Examples that are in memory at once; gradients accumulate to batch_size. Null: the whole batch."""
    optimizer: Optimizer = AdamW()
    """The optimizer and its constants."""
    schedule: Schedule = Constant()
    """How the learning rate changes over the steps."""
    precision: Literal["float32", "bfloat16", "float64"] = "float32"
    """The dtype in which everything is computed and kept. bfloat16: products and activations alone; parameters,
    optimizer, norms, softmax and losses are float32."""
    seed: NonNegativeInt = 0
    """Seed of initial values, data order, masking and dropout."""
    initialize_from: Annotated[str, Field(min_length=1)] | None = None
    """A run's directory, or one of its checkpoints, whose weights a new run begins with, by name. A head that is not
    there, or of another size, keeps its initial values. Null: all are initial. The path is relative to the working
    directory."""
    fit_weights: FitWeights = FitWeights()
    """What of these may be of another size. By default none but a head's."""
    freeze: Patterns = ()
    """Patterns of canonical names, as of files: "embeddings", "encoder.layers.[0-9]", "*.bias". What matches is not
    trained: no gradient, no optimizer state. A pattern is matched against a weight's whole name, and the path of each
    block around it. A batch norm whose running_mean and running_var match keeps these, and computes with them.
    Dropout in frozen parts stays."""
    rate_multipliers: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Pattern to factor of the learning rate of what it matches, decay included; of several, their product."""
    layer_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The rate of the last transformer layer is multiplied by it, that of the one before by its square and so on, and
    that of what is before the first layer once more; what comes after the last keeps the rate. Null: one rate."""
    execution: Literal["resident", "weight_streaming"] = "resident"
    """resident: all weights stay in memory. weight_streaming: those of the layers of a stack, and the optimizer's
    state, lie in files of the run's directory, and come into memory a layer at a time, for models larger than memory.
    The results are those of a resident run with recompute, and a run may go on under the other one."""
    memory_limit: ByteCount | None = None
    """Bytes of memory that weight_streaming may take: "64GB", "16GiB" or a number. Layers whose state exceeds it go
    through memory in parts. Null: what the machine has free."""
    sharding: Literal["none", "full"] = "none"
    """none: every replica holds the whole model. full: weights, gradients and moments are divided over the replicas,
    and a layer's weights are gathered while it computes, for models larger than a device; with PyTorch alone. The
    results are the same, and a run may go on under the other one, and with any number of replicas."""
    recompute: bool = False
    """Whether training keeps only the input of each transformer layer, and computes the rest again on the way back:
    less memory for a third more computing, and the same results."""
    compile: Literal["auto", "off", "on"] = "auto"
    """Whether a step is compiled, by torch.compile or XLA: a start-up of about a minute, then faster steps, with the
    same results up to rounding. auto: where the first steps of a run show that it pays, on a GPU with PyTorch."""
    random: Literal["native", "portable"] = "native"
    """Dropout's generator: each framework's own, or the portable one, bit for bit the same in both."""
    tf32: bool = False
    """Whether a GPU may shorten float32 products to TF32's 10-bit mantissa."""
    log_every: PositiveInt | None = None
    """Steps between two lines of metrics. Null: every step up to 100, then every tenth."""
    save_every: PositiveInt | None = None
    """Steps between two checkpoints. Null: a tenth of the steps. The last step is always saved."""
    evaluate_every: PositiveInt | None = None
    """Steps between two evaluations. Null: only after the last step."""

    @model_validator(mode="after")
    def _whole_micro_batches(self) -> Training:
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_be_small(self) -> Training:
        if self.streams and self.sharding != "none":
            raise ValueError(
                f"sharding {self.sharding!r} and execution 'weight_streaming' do not go together; leave one out"
            )
        return self

    @model_validator(mode="after")
    def _compiles_what_is_in_memory(self) -> Training:
        if self.streams and self.compile == "on":
            raise ValueError(
                "compile 'on' and execution 'weight_streaming' do not go together: a layer's weights come and go; "
                "leave one out"
            )
        return self

    @property
    def streams(self) -> bool:
        """Whether weights lie in files, and come into memory a layer at a time."""
        return self.execution == "weight_streaming"

    def as_resident(self) -> Training:
        """The same training with all weights in memory, in that of each replica."""
        return self.model_copy(update={"execution": "resident", "memory_limit": None, "sharding": "none"})

    @property
    def names_weights(self) -> bool:
        """Whether not all weights are trained at one rate."""
        return bool(self.freeze or self.rate_multipliers or self.layer_decay)

    def logs(self, step: int) -> bool:
        """Whether the metrics of ``step`` (counted from 1) are written."""
        if step == self.steps:
            return True
        return step % self.log_every == 0 if self.log_every else step <= 100 or step % 10 == 0

    def saves(self, step: int) -> bool:
        """Whether a checkpoint follows ``step`` (counted from 1)."""
        return step == self.steps or step % (self.save_every or max(1, self.steps // 10)) == 0

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation follows ``step`` (counted from 1)."""
        return step == self.steps or (self.evaluate_every is not None and step % self.evaluate_every == 0)
