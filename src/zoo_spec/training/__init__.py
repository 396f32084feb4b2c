"""How a model is trained, as a spec says it: steps and precision, optimizers, schedules."""

from zoo_spec.training.settings import FitWeights, Training

__all__ = ["FitWeights", "Training"]
