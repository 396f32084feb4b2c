"""What of this package's dependencies a machine lacks, from a folder of wheels; knows no package but Python's own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def is_there(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def unpack(given: Path, folder: Path) -> Path:
    """Unpack the wheels of what is not installed; says which, and whose wheel is of another Python."""
    folder.mkdir(parents=True)
    for wheel in sorted(given.glob("*.whl")):
        name, version, *_, python, _abi, platform = wheel.stem.split("-")
        if _installed(name):
            continue
        if not _fits(python, platform):
            print(f"{wheel.name} is not for this Python {sys.version.split()[0]}; left out")
            continue
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        print(f"{name} {version} from {given}")
    return folder


def register_backends(pyproject: Path, folder: Path) -> None:
    """The metadata by which backends are found: this package's, if it is not installed, and of those on the host."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    name, version = project["name"], project["version"]
    if not _installed(name):
        _register(folder, name, version, project["entry-points"]["zoo.backends"])
    hosts = {
        "torch-host": "device_parts.host_torch:HostTorch",
        "tf-host": "device_parts.host_tf:HostTensorFlow",
    }
    _register(folder, f"{name}_hosts", version, hosts)


def _register(folder: Path, name: str, version: str, entries: Mapping[str, str]) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = "".join(f"{key} = {value}\n" for key, value in entries.items())
    (info / "entry_points.txt").write_text(f"[zoo.backends]\n{lines}", "utf-8")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _fits(python: str, platform: str) -> bool:
    """Whether a wheel's tags suit this Python on Linux; ``abi3`` wheels are tagged by the oldest that they suit."""
    if platform != "any" and not (sys.platform == "linux" and "linux" in platform):
        return False
    mine = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return any(tag in ("py3", mine) or _older(tag) for tag in python.split("."))


def _older(tag: str) -> bool:
    return tag.startswith("cp3") and tag[3:].isdigit() and int(tag[3:]) <= sys.version_info.minor
