"""Transformer layers, post-norm, pre-norm and parallel, and stacks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from zoo_spec.blocks import base
from zoo_spec.blocks import layer as specs
from zoo_spec.blocks.base import Inputs
from zoo_tf.blocks.base import Block, walk
from zoo_tf.blocks.build import build, build_children
from zoo_tf.blocks.dropout import Dropout


class Layer(Block):
    """A layer; its parts and ``call`` are the subclass's.

    With ``recompute``, training keeps the inputs alone, and the backward pass computes the rest again. Only
    where a training loop gives the dropout its masks: others could not be drawn a second time.
    """

    recompute = False

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *args: tf.Tensor, **kwargs: tf.Tensor | None) -> tf.Tensor:
        training = kwargs.get("training") or self._get_call_context().get_value("training")
        if self.recompute and training:
            call = _SameMasks(self, super().__call__, kwargs)
            if call.can_be_repeated:
                return tf.recompute_grad(call)(*args)
        return super().__call__(*args, **kwargs)


class _SameMasks:
    """A layer's call in training that draws the same dropout masks each time that it is made.

    The second is made after Keras has left the model, and so is told that it is training. What goes by keyword
    (ids) has no gradient, and may be None, which ``tf.recompute_grad`` does not take.
    """

    def __init__(self, layer: Block, call: Callable[..., tf.Tensor], kwargs: dict[str, Any]) -> None:
        self.call = call
        self.kwargs = kwargs
        self.dropouts = [inner for _, inner in walk("", layer, set()) if isinstance(inner, Dropout)]
        self.uses = [dropout.uses for dropout in self.dropouts]

    @property
    def can_be_repeated(self) -> bool:
        """Whether all the masks come from a training loop."""
        return all(dropout.draw is not None for dropout in self.dropouts if dropout.rate)

    def __call__(self, *args: tf.Tensor) -> tf.Tensor:
        for dropout, uses in zip(self.dropouts, self.uses, strict=True):
            dropout.set_uses(uses)
        return self.call(*args, **{**self.kwargs, "training": True})


class TwoNormLayer(Layer):
    """The parts of a layer with a norm for each half; ``call`` is the subclass's."""

    def __init__(
        self,
        *,
        attention: keras.layers.Layer,
        attention_norm: keras.layers.Layer,
        feed_forward: keras.layers.Layer,
        feed_forward_norm: keras.layers.Layer,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.attention = attention
        self.attention_norm = attention_norm
        self.attention_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)
        self.feed_forward = feed_forward
        self.feed_forward_norm = feed_forward_norm
        self.feed_forward_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)


class PostNormLayer(TwoNormLayer):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))`` (Vaswani et al., 2017, 3.1)."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mixed = self.attention(x, example_ids=example_ids, positions=positions)
        x = self.attention_norm(x + self.attention_dropout(mixed))
        return self.feed_forward_norm(x + self.feed_forward_dropout(self.feed_forward(x)))


class PreNormLayer(TwoNormLayer):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` (Xiong et al., 2020, figure 1b)."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        x = x + self.attention_dropout(mixed)
        return x + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class ParallelLayer(Layer):
    """``y = norm(x); x = x + attention(y) + feed_forward(y)``, one norm for both (Wang & Komatsuzaki, 2021)."""

    def __init__(
        self,
        *,
        norm: keras.layers.Layer,
        attention: keras.layers.Layer,
        feed_forward: keras.layers.Layer,
        dropout: float,
        **keras_: Any,
    ) -> None:
        super().__init__(**keras_)
        self.norm = norm
        self.attention = attention
        self.attention_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)
        self.feed_forward = feed_forward
        self.feed_forward_dropout = Dropout(rate=dropout, dtype=self.dtype_policy)

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        normed = self.norm(x)
        mixed = self.attention_dropout(self.attention(normed, example_ids=example_ids, positions=positions))
        return x + mixed + self.feed_forward_dropout(self.feed_forward(normed))


class ParallelTwoNormLayer(TwoNormLayer):
    """``x = x + attention(norm(x)) + feed_forward(other_norm(x))`` (Black et al., 2022, 2.1)."""

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        mixed = self.attention(self.attention_norm(x), example_ids=example_ids, positions=positions)
        mixed = self.attention_dropout(mixed)
        return x + mixed + self.feed_forward_dropout(self.feed_forward(self.feed_forward_norm(x)))


class Stack(Block):
    """Layers one after the other, then a last norm if one is given."""

    def __init__(
        self, *, layers: list[keras.layers.Layer], norm: keras.layers.Layer | None = None, **keras_: Any
    ) -> None:
        super().__init__(**keras_)
        self.layers = layers
        self.norm = norm

    def call(
        self, x: tf.Tensor, *, example_ids: tf.Tensor | None = None, positions: tf.Tensor | None = None
    ) -> tf.Tensor:
        for layer in self.layers:
            x = layer(x, example_ids=example_ids, positions=positions)
        return x if self.norm is None else self.norm(x)


def parts(spec: base.Block, inputs: Inputs) -> dict[str, keras.layers.Layer]:
    """The native layers of a layer, but for its dropouts, by attribute."""
    children = build_children(spec, inputs)
    return {name: child for name, child in children.items() if not isinstance(child, Dropout)}


def layers(children: dict[str, keras.layers.Layer]) -> list[keras.layers.Layer]:
    """A stack's layers, of the native layers that it has, in order."""
    return [child for name, child in children.items() if name.startswith("layers.")]


@build.register
def _post_norm_layer(spec: specs.PostNormLayer, inputs: Inputs) -> PostNormLayer:
    return PostNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _pre_norm_layer(spec: specs.PreNormLayer, inputs: Inputs) -> PreNormLayer:
    return PreNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _parallel_layer(spec: specs.ParallelLayer, inputs: Inputs) -> ParallelLayer:
    return ParallelLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register
def _parallel_two_norm_layer(spec: specs.ParallelTwoNormLayer, inputs: Inputs) -> ParallelTwoNormLayer:
    return ParallelTwoNormLayer(**parts(spec, inputs), dropout=spec.dropout)


@build.register(specs.Stack)
@build.register(specs.PatternStack)
def _stack(spec: specs.Stack | specs.PatternStack, inputs: Inputs) -> Stack:
    children = build_children(spec, inputs)
    return Stack(layers=layers(children), norm=children.get("norm"))
