"""The blocks as native modules: the same file names as in ``zoo_spec.blocks`` and ``zoo_tf.blocks``.

Each module here, and then each plugin's half, registers how its blocks are built.
"""

import importlib
import pkgutil

from zoo_spec.plugins import load_halves
from zoo_torch.blocks.base import build

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
load_halves("torch", build)
