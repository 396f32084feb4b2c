"""The optimizer as Keras' own."""

from __future__ import annotations

import keras
import tensorflow as tf

from zoo_dots.specs import SignSgd
from zoo_tf.optimizers import TorchsForm, make_native


@keras.saving.register_keras_serializable("zoo_dots")
class Signs(TorchsForm, keras.optimizers.SGD):
    """Moves each variable by the rate, against the sign of its momentum."""

    def rates(self, rate):
        return (rate,)

    def constants(self):
        return (self.momentum,)

    def moments_of(self, index):
        return [self.momentums[index]]

    @staticmethod
    def update(old, gradient, scale, kept, rate, momentum):
        variable, before = old
        after = before * momentum + gradient * scale
        return [variable * kept - tf.sign(after) * rate, after]


@make_native.register
def _sign_sgd(spec: SignSgd, rate):
    return Signs(rate, momentum=spec.momentum, weight_decay=spec.weight_decay), {"momentum": "momentums"}
