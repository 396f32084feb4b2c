"""The blocks as Keras layers: the same file names as in ``zoo_spec.blocks`` and ``zoo_torch.blocks``.

Each module here, and then each plugin's half, registers how its blocks are built, and its classes with Keras.
"""

import importlib
import pkgutil

from zoo_spec.plugins import load_halves
from zoo_tf.blocks.build import build

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
load_halves("tf", build)
