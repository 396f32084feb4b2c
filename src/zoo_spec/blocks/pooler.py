"""One vector for a whole example."""

from __future__ import annotations

from typing import Literal

from zoo_spec.blocks.base import START_PORT, Block, Inputs, Outputs, require_ids, require_sequence
from zoo_spec.blocks.dense import Dense
from zoo_spec.blocks.pooling import Pooling, first
from zoo_spec.initializers import GlorotUniform, Initializer
from zoo_spec.tensors import Dimension


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
        return {"x": first(x)}

    def points(self, inputs: Inputs) -> dict[str, Dimension]:
        """``pooled_positions``."""
        return {START_PORT: inputs["x"].shape[1]}

    def children(self, inputs: Inputs) -> dict[str, tuple[Block, Inputs]]:
        """``dense``."""
        x = inputs["x"]
        dense = Dense(size=x.width, initializer=self.initializer)
        return {"dense": (dense, {"x": first(x)})}


class FirstToken(Pooling):
    """The first token's vector, as it is."""

    kind: Literal["first_token"] = "first_token"
    optional = ("pooled_positions",)


class LastToken(Pooling):
    """The last token's hidden state, which alone has seen the whole example in a causal decoder.

    (Radford et al., 2018, 3.2.) It is the last position that is no padding by ``example_ids``.
    """

    kind: Literal["last_token"] = "last_token"
