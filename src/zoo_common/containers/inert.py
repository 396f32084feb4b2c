"""What stands for a Python object that a file names: its words, and nothing that they would do."""

from __future__ import annotations

import sys
from dataclasses import dataclass

# Nothing of the standard library is called, here or anywhere. These are the classes of it whose instances other
# projects' files hold as data; a file that calls another part of it was made to do something.
_DATA_OF_THE_STANDARD_LIBRARY = {
    "_codecs": {"encode"},
    "_operator": {"getitem"},
    "argparse": {"Namespace"},
    "builtins": {
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "getattr",
        "int",
        "list",
    }
    | {"object", "range", "set", "slice", "str", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "operator": {"getitem"},
    "pathlib": {"Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"},
    "pathlib._local": {"Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"},
    "types": {"SimpleNamespace"},
    "uuid": {"UUID"},
}
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_NUMPY_2 = "numpy._core"
_STANDARD_LIBRARY = sys.stdlib_module_names | {"commands", "popen2", "nt", "posix"}
_LIBRARIES_OF_FUNCTIONS = {"torch": {"device"}, "numpy": {"dtype", "ndarray"}}

_MOST_DEPTH = 40
_MOST_VALUES = 200_000

Scalar = str | bytes | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Global:
    """A module and a name in it, as a file has them; never imported or looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @classmethod
    def of(cls, module: str, name: str) -> Global:
        """Under the module's name of today: Python 2 and NumPy 2 call some otherwise.

        Raises ValueError for what can be no name.
        """
        for part in (*module.split("."), *name.split(".")):
            if not part.isidentifier():
                raise ValueError("names a global by what is no name")
        if module == _NUMPY_2 or module.startswith(_NUMPY_2 + "."):
            module = "numpy.core" + module[len(_NUMPY_2) :]
        return cls(_PYTHON_2.get(module, module), name)

    @property
    def acts(self) -> bool:
        """Whether calling it would do something beyond making an object that holds data."""
        root = self.module.partition(".")[0]
        if root in _STANDARD_LIBRARY:
            return self.name not in _DATA_OF_THE_STANDARD_LIBRARY.get(self.module, ())
        known = _LIBRARIES_OF_FUNCTIONS.get(root)
        return known is not None and self.name[0].islower() and self.name not in known


@dataclass(slots=True, eq=False)
class StandIn:
    """An object as its file describes it: what would be called with what, and what would be put into it."""

    made_by: Global
    arguments: tuple[object, ...]
    state: object = None
    elements: list[object] | None = None
    items: dict[Scalar, object] | None = None

    def __repr__(self) -> str:
        return f"<{self.made_by}, not loaded>"

    @property
    def fields(self) -> dict[str, object]:
        """The attributes that the file gives it."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        found = [part for part in parts if isinstance(part, dict)]
        return {name: value for part in found for name, value in part.items() if isinstance(name, str)}


def plain(value: object) -> object:
    """Settings as mappings, lists and scalars: a Namespace, OmegaConf's nodes, members of an enumeration, paths.

    What is none of these stays the stand-in that it is. Raises ValueError beyond 40 levels or 200,000 values.
    """
    return _Plain().of(value, 0)


class _Plain:
    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def of(self, value: object, depth: int) -> object:
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            raise ValueError("its settings are nested too deeply, or too many")
        if isinstance(value, dict):
            return {key: self.of(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(each, depth + 1) for each in value]
        return self._of_object(value, depth) if isinstance(value, StandIn) else value

    def _of_object(self, value: StandIn, depth: int) -> object:
        module, fields = value.made_by.module.partition(".")[0], value.fields
        if module == "omegaconf":  # A container's _content, a leaf's _val; _parent leads back up.
            inside = fields.get("_content", fields.get("_val", value))
            return value if inside is value else self.of(inside, depth + 1)
        if module == "pathlib" and all(isinstance(part, str) for part in value.arguments):
            return "/".join(part for part in value.arguments if isinstance(part, str))
        if value.made_by == Global("builtins", "getattr"):
            return value.arguments[-1]
        if fields:
            return self.of(fields, depth + 1)
        scalars = [each for each in value.arguments if isinstance(each, str | int | float)]
        return scalars[0] if len(value.arguments) == 1 and scalars else value
