"""Tensors of ``tf_model.h5`` under the names and in the layout that the same folder's torch file has.

As ``transformers`` 4.x converts them (modeling_tf_pytorch_utils.py): scopes to modules, kernels turned.
"""

from __future__ import annotations

import re

import numpy as np

from zoo_common.containers import Container
from zoo_common.weights import Entry, WeightSource
from zoo_spec.arrays import Array
from zoo_spec.foreign.transforms import Shape
from zoo_spec.reading import UnreadableFileError, printable

_LEAVES = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}
_AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
"""Of a kernel: a dense layer's, a convolution's along time, and one's over an image."""
_GAIN = "weight_g"
"""HuBERT's, of a convolution whose kernel has a direction and a gain: the former is turned there already, and the
latter, one for each place of the kernel, is not (modeling_tf_hubert.py, TFHubertWeightNormConv1D)."""


class TorchNamed(WeightSource):
    """A Keras file's tensors as torch has them; InputError where two would have one name."""

    def __init__(self, source: Container) -> None:
        self._source = source
        self._given: dict[str, str] = {}
        for name in source:
            ours = torch_name(name)
            if ours in self._given:
                twice = f"{printable(self._given[ours])} and {printable(name)} are both {printable(ours)}"
                raise UnreadableFileError(source.path, f"{twice} in a state dict")
            self._given[ours] = name
        self.entries = {
            ours: Entry(source.entries[name].dtype, _shape(name, source.entries[name].shape))
            for ours, name in self._given.items()
        }

    def read(self, name: str) -> Array:
        """The tensor, in torch's layout."""
        array = self._source.read(self._given[name])
        axes = _axes(self._given[name], array.shape)
        return np.ascontiguousarray(array.transpose(axes)).reshape(self.entries[name].shape)


def torch_name(name: str) -> str:
    """``tf_bert_model/bert/encoder/layer_._0/dense/kernel:0`` to ``bert.encoder.layer.0.dense.weight``."""
    path = re.sub(r"/[^/]*___([^/]*)/", r"/\1/", name.removesuffix(":0")).replace("_._", "/")
    parts = [part for part in path.split("/") if part]
    parts = parts[1:] if len(parts) > 1 else parts
    return ".".join([*parts[:-1], _LEAVES.get(parts[-1], parts[-1])])


def _leaf(name: str) -> str:
    return name.removesuffix(":0").rpartition("/")[2]


def _axes(name: str, shape: Shape) -> tuple[int, ...]:
    straight = tuple(range(len(shape)))
    is_turned = _leaf(name) == "kernel" or (_leaf(name) == _GAIN and len(shape) == 3)
    return _AXES.get(len(shape), straight) if is_turned else straight


def _shape(name: str, shape: Shape) -> Shape:
    turned = tuple(shape[axis] for axis in _axes(name, shape))
    # GPT-2's biases are rows of one there.
    return turned[1:] if _leaf(name) == "bias" and len(turned) == 2 and turned[0] == 1 else turned
