"""The PyTorch half of Zoo: a spec in, a native ``torch.nn.Module`` out, and a runner that trains it."""

import importlib.util
from typing import TYPE_CHECKING

from zoo_spec.lazily import lazily

if TYPE_CHECKING:
    from zoo_common.training.run_config import RunConfig as RunConfig
    from zoo_common.training.train_and_evaluate import EvalSpec as EvalSpec
    from zoo_common.training.train_and_evaluate import TrainSpec as TrainSpec
    from zoo_common.training.warm_start import WarmStartSettings as WarmStartSettings
    from zoo_torch.compiling import compile as compile
    from zoo_torch.export import export_serving as export_serving
    from zoo_torch.runner import Runner as Runner
    from zoo_torch.runner import train_and_evaluate as train_and_evaluate
    from zoo_torch.weights import get_weights as get_weights
    from zoo_torch.weights import set_weights as set_weights

PLACES = {
    "EvalSpec": "zoo_common.training.train_and_evaluate",
    "RunConfig": "zoo_common.training.run_config",
    "Runner": "zoo_torch.runner",
    "TrainSpec": "zoo_common.training.train_and_evaluate",
    "WarmStartSettings": "zoo_common.training.warm_start",
    "compile": "zoo_torch.compiling",
    "export_serving": "zoo_torch.export",
    "get_weights": "zoo_torch.weights",
    "set_weights": "zoo_torch.weights",
    "train_and_evaluate": "zoo_torch.runner",
}
__all__ = list(PLACES)
__getattr__, __dir__ = lazily(__name__, PLACES)

if importlib.util.find_spec("torch") is None:
    from zoo_spec.errors import EnvironmentFault

    raise EnvironmentFault("zoo_torch needs PyTorch: pip install 'dualzoo[torch]'")
