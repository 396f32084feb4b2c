"""The optimizer as torch's own."""

from __future__ import annotations

import torch

from zoo_dots.specs import SignSgd
from zoo_torch.optimizers import make_native


class Signs(torch.optim.Optimizer):
    """Moves each parameter by the rate, against the sign of its momentum."""

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                momentum = self.state[parameter]["kept"]
                momentum.mul_(group["momentum"]).add_(parameter.grad)
                parameter.mul_(1 - group["lr"] * group["decay"]).sub_(group["lr"] * momentum.sign())


@make_native.register
def _sign_sgd(spec: SignSgd, groups):
    return Signs(groups, {"lr": spec.learning_rate, "momentum": spec.momentum}), {"momentum": "kept"}
