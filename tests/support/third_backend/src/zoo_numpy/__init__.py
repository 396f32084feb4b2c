"""A third half of Zoo, in NumPy: small enough to read, and large enough to train ``mnist_fc``."""

from zoo_numpy import blocks as blocks
from zoo_spec.plugins import load_halves

load_halves("numpy")
