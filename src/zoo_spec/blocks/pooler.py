"""One vector for a whole example."""

from __future__ import annotations

from typing import Literal

from zoo_spec.blocks.base import Block, Inputs, Outputs, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.tensors import TensorSpec


class Pooler(Block):
    """``tanh(dense(first token))`` (Devlin et al., 2019, and google-research/bert, modeling.py).

    ``x [batch, sequence, hidden]`` to ``[batch, hidden]``. With ``pooled_positions [batch, examples]``, where
    each packed example starts, the output is ``[batch, examples, hidden]``.
    """

    kind: Literal["pooler"] = "pooler"
    optional = ("pooled_positions",)
    initializer: Initializer = GlorotUniform()
    """Initial values of the dense layer."""

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, hidden]``; the packed form is known only when the model runs."""
        x = inputs["x"]
        require_sequence(x)
        if "pooled_positions" in inputs:
            examples = inputs["pooled_positions"].shape[1:2] or ("examples",)
            require_ids(inputs, "pooled_positions", shape=(x.shape[0], *examples))
        return {"x": _first(x)}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dense``."""
        x = inputs["x"]
        dense = Dense(size=x.width, initializer=self.initializer)
        return {"dense": (dense, {"x": _first(x)})}


class FirstToken(Block):
    """The first token's vector, as it is: ``[batch, sequence, hidden]`` to ``[batch, hidden]``."""

    kind: Literal["first_token"] = "first_token"

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, hidden]``."""
        require_sequence(inputs["x"])
        return {"x": _first(inputs["x"])}


class LastToken(Block):
    """The last token's hidden state, which alone has seen the whole example in a causal decoder.

    (Radford et al., 2018, 3.2.) ``x [batch, sequence, hidden]`` to ``[batch, hidden]``: the last position that
    is no padding by ``example_ids``. With ``pooled_positions [batch, examples]``, where each packed example
    starts, the last position of each of these: ``[batch, examples, hidden]``.
    """

    kind: Literal["last_token"] = "last_token"
    optional = ("example_ids", "pooled_positions")

    def infer(self, inputs: Inputs) -> Outputs:
        """``[batch, hidden]``; the packed form is known only when the model runs."""
        x = inputs["x"]
        require_sequence(x)
        require_ids(inputs, "example_ids", shape=x.shape[:2])
        if "pooled_positions" in inputs:
            examples = inputs["pooled_positions"].shape[1:2] or ("examples",)
            require_ids(inputs, "pooled_positions", shape=(x.shape[0], *examples))
        return {"x": _first(x)}


def _first(x: TensorSpec) -> TensorSpec:
    return x.with_shape(x.shape[0], x.shape[2], axes=(x.named_axes[0], x.named_axes[2]))
