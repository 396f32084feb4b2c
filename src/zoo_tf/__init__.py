"""The TensorFlow room: specs become native `keras.Model`s on Keras' TensorFlow backend.

Importing it picks that backend and registers every block, the models' class and the optimizers with Keras, so that
`keras.models.load_model` reads a saved model in a fresh process that has done nothing but `import zoo_tf`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from zoo_common.quiet import quiet
from zoo_spec.errors import EnvironmentFault
from zoo_spec.lazily import lazily

if TYPE_CHECKING:
    from zoo_common.training.learner import ModeKeys as ModeKeys
    from zoo_common.training.run_config import RunConfig as RunConfig
    from zoo_common.training.train_and_evaluate import EvalSpec as EvalSpec
    from zoo_common.training.train_and_evaluate import TrainSpec as TrainSpec
    from zoo_common.training.warm_start import WarmStartSettings as WarmStartSettings
    from zoo_tf.compiling import compile as compile
    from zoo_tf.estimator import Estimator as Estimator
    from zoo_tf.estimator import train_and_evaluate as train_and_evaluate
    from zoo_tf.export import export_serving as export_serving
    from zoo_tf.model_fn import EstimatorSpec as EstimatorSpec
    from zoo_tf.weights import get_weights as get_weights
    from zoo_tf.weights import set_weights as set_weights

PLACES = {
    "Estimator": "zoo_tf.estimator",
    "EstimatorSpec": "zoo_tf.model_fn",
    "EvalSpec": "zoo_common.training.train_and_evaluate",
    "ModeKeys": "zoo_common.training.learner",
    "RunConfig": "zoo_common.training.run_config",
    "TrainSpec": "zoo_common.training.train_and_evaluate",
    "WarmStartSettings": "zoo_common.training.warm_start",
    "compile": "zoo_tf.compiling",
    "export_serving": "zoo_tf.export",
    "get_weights": "zoo_tf.weights",
    "set_weights": "zoo_tf.weights",
    "train_and_evaluate": "zoo_tf.estimator",
}
__all__ = list(PLACES)
__getattr__, __dir__ = lazily(__name__, PLACES)


def _choose_backend() -> None:
    """Points Keras at TensorFlow, or says what to do where that is impossible or too late."""
    missing = [
        name
        for name in ("tensorflow", "keras")
        if name not in sys.modules and importlib.util.find_spec(name) is None
    ]
    if missing:
        raise EnvironmentFault(f"zoo_tf needs {' and '.join(missing)}: pip install 'dualzoo[tf]'")
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
        if backend != "tensorflow":
            raise EnvironmentFault(
                f"Keras is already running on the {backend!r} backend, and zoo_tf needs 'tensorflow': start "
                "Python again and import zoo_tf before keras, or set KERAS_BACKEND=tensorflow beforehand"
            )
    os.environ["KERAS_BACKEND"] = "tensorflow"


_choose_backend()
# Warnings of the kind "Not handling type DT_DOUBLE", hundreds of them for each compiled step.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with quiet():
    importlib.import_module("tensorflow")
for _name in ("zoo_tf.blocks", "zoo_tf.container", "zoo_tf.optimizers"):  # Whatever is registered with Keras.
    importlib.import_module(_name)
