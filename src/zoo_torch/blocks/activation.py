"""Activations: torch's own modules, each form of GELU by its full name."""

from __future__ import annotations

from torch import nn

from zoo_spec.blocks import activation as specs
from zoo_spec.blocks.base import Inputs
from zoo_torch.blocks.base import build


@build.register
def _relu(spec: specs.Relu, inputs: Inputs) -> nn.Module:
    return nn.ReLU()


@build.register
def _gelu_erf(spec: specs.GeluErf, inputs: Inputs) -> nn.Module:
    return nn.GELU(approximate="none")


@build.register
def _gelu_tanh(spec: specs.GeluTanh, inputs: Inputs) -> nn.Module:
    return nn.GELU(approximate="tanh")


@build.register
def _silu(spec: specs.Silu, inputs: Inputs) -> nn.Module:
    return nn.SiLU()


@build.register
def _tanh(spec: specs.Tanh, inputs: Inputs) -> nn.Module:
    return nn.Tanh()


@build.register
def _sigmoid(spec: specs.Sigmoid, inputs: Inputs) -> nn.Module:
    return nn.Sigmoid()


@build.register
def _identity(spec: specs.Identity, inputs: Inputs) -> nn.Module:
    return nn.Identity()
