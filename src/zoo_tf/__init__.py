"""The TensorFlow room: specs become native `keras.Model`s on Keras' TensorFlow backend.

Importing it picks that backend and registers every block with Keras, so that `keras.models.load_model`
reads a saved model in a fresh process that has done nothing but `import zoo_tf`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys

from zoo_spec.errors import EnvironmentFault
from zoo_tf.quiet import quiet


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


def _register_blocks() -> None:
    """Imports every module of `zoo_tf.blocks`: a block registers itself when its class is made."""
    blocks = importlib.import_module("zoo_tf.blocks")
    for module in pkgutil.iter_modules(blocks.__path__, "zoo_tf.blocks."):
        importlib.import_module(module.name)


_choose_backend()
# Warnings of the kind "Not handling type DT_DOUBLE", hundreds of them for each compiled step.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with quiet():
    importlib.import_module("tensorflow")
_register_blocks()

from zoo_common.training.learner import ModeKeys  # noqa: E402
from zoo_common.training.run_config import RunConfig  # noqa: E402
from zoo_common.training.train_and_evaluate import EvalSpec, TrainSpec  # noqa: E402
from zoo_common.training.warm_start import WarmStartSettings  # noqa: E402
from zoo_spec.plugins import load_halves  # noqa: E402
from zoo_tf.blocks.build import build  # noqa: E402
from zoo_tf.compile import compile  # noqa: E402 (Keras may be imported only now)
from zoo_tf.estimator import Estimator, train_and_evaluate  # noqa: E402
from zoo_tf.export import export_serving  # noqa: E402
from zoo_tf.model_fn import EstimatorSpec  # noqa: E402
from zoo_tf.weights import get_weights, set_weights  # noqa: E402

load_halves("tf", build)

__all__ = [
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "ModeKeys",
    "RunConfig",
    "TrainSpec",
    "WarmStartSettings",
    "compile",
    "export_serving",
    "get_weights",
    "set_weights",
    "train_and_evaluate",
]
