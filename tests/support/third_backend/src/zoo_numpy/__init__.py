"""A third half of Zoo, in NumPy: small enough to read, and large enough to train ``mnist_fc``."""

from zoo_numpy.blocks import run
from zoo_spec.plugins import load_halves

load_halves("numpy", run)
