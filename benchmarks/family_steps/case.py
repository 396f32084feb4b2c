"""What is computed, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from family_steps import bert, gpt2, gpt_neox, gptj, hubert, t5, unet, vit
from family_steps.family import Family
from family_steps.steps import Arrays

if TYPE_CHECKING:
    from zoo_spec.experiment import ExperimentSpec
    from zoo_spec.graph import Graph

FAMILIES: dict[str, Family] = {
    each.FAMILY.name: each.FAMILY for each in (bert, gpt2, t5, vit, hubert, unet, gptj, gpt_neox)
}


@dataclass(frozen=True)
class Case:
    """A family at its size, or another; ``tiny`` has its vocabulary and few thin layers."""

    family: str = "bert"
    device: str = "cpu"
    dtype: str = "float32"
    rows: int = 0
    """Of a training step; 0 for the family's."""
    length: int = 0
    """Tokens of a row; 0 for the family's."""
    width: int = 0
    """Of a family that can be made narrower; 0 for the published one."""
    compiled: bool = False
    tiny: bool = False

    @property
    def of(self) -> Family:
        return FAMILIES[self.family]

    @property
    def batch_rows(self) -> int:
        return self.rows or self.of.rows

    @property
    def batch_length(self) -> int:
        return self.length or self.of.length

    @cached_property
    def spec(self) -> ExperimentSpec:
        from zoo_spec import load_spec

        own = self.of
        narrow = own.narrowed(self.width) if self.width and own.narrowed else ()
        given = (*own.settings, *narrow, *(own.tiny if self.tiny else ()))
        whole = (f"training.batch_size={self.batch_rows}", "training.micro_batch_size=null")
        # The last word on a field counts.
        last = {each.partition("=")[0]: each for each in (*given, *whole)}
        return load_spec(own.spec, list(last.values()))

    @cached_property
    def graph(self) -> Graph:
        return self.spec.graph()

    def batch(self, rows: int = 0) -> Arrays:
        """Full rows, as the data pipeline gives them."""
        return self.of.draw(self, rows or self.batch_rows)

    def features(self, rows: int) -> Arrays:
        """A batch without what only a loss reads."""
        return {name: value for name, value in self.batch(rows).items() if name in self.graph.features}

    def sizes(self) -> dict[str, int]:
        """Of the graph's open dimensions, in a batch."""
        return {
            dimension: size
            for name, value in self.batch().items()
            for dimension, size in zip(self.graph.inputs[name].shape, value.shape, strict=True)
            if isinstance(dimension, str)
        }

    def flops(self) -> tuple[int, int]:
        """Of a training step and of a forward pass."""
        cost = self.graph.cost(**self.sizes())
        return cost.training_flops, cost.flops

    def text(self) -> str:
        """To hand to another process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Case:
        return cls(**json.loads(text))
