"""Files that hold tensors, whoever wrote them: each format's reader gives tensors by the names in the file."""

from __future__ import annotations

from pathlib import Path

from zoo_common.containers.base import Container
from zoo_common.containers.keras_h5 import KerasH5
from zoo_common.containers.legacy_h5 import LegacyH5
from zoo_common.containers.npz import Npz
from zoo_common.containers.paddle import PaddleFile
from zoo_common.containers.paddle_folder import PaddleFolder
from zoo_common.containers.safetensors import Safetensors
from zoo_common.containers.sharded import Sharded
from zoo_common.containers.tensor_bundle import TensorBundle
from zoo_common.containers.torch_file import TorchFile
from zoo_spec.reading import UnreadableFileError

__all__ = ["FORMATS", "Container", "open_container"]

_CLASSES: tuple[type[Container], ...] = (
    Safetensors,
    LegacyH5,
    KerasH5,
    Sharded,
    TensorBundle,
    Npz,
    TorchFile,
    PaddleFile,
    PaddleFolder,
)
FORMATS = {cls.format: cls for cls in _CLASSES}
"""Every format that is read here, by its name, in the order in which a file is held against them."""


def open_container(path: Path) -> Container:
    """What is at ``path``, told by its content and never by its name; to be closed by whoever asked for it.

    Raises InputError where there is nothing, for what is of no known format, and as the format's reader does.
    """
    for cls in FORMATS.values():
        if cls.sniff(path):
            return cls(path)
    if not path.exists():
        raise UnreadableFileError(path, "there is no such file or folder")
    raise UnreadableFileError(
        path,
        f"holds no tensors in a form that is read here ({', '.join(FORMATS)}); is it damaged or compressed?",
    )
