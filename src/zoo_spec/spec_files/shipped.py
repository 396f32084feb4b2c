"""The spec files that come with Zoo, by name: inside the installed package, or beside a source checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from zoo_spec.errors import SpecError
from zoo_spec.values import nearest, shorten


def list_specs() -> list[str]:
    """The names of all shipped specs, sorted."""
    return sorted(shipped_specs())


@cache
def shipped_specs() -> dict[str, Path]:
    """The shipped files by name, which is the file's stem whatever its folder."""
    found: dict[str, Path] = {}
    for path in sorted(config_root().rglob("*.yaml")):
        other = found.setdefault(path.stem, path)
        if other != path:
            raise SpecError(f"two shipped specs are called {path.stem}: {other} and {path}; rename one")
    return found


def config_root() -> Path:
    """The folder of the shipped specs."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parents[1] / "configs"


def display_name(path: Path) -> str:
    """How messages call a shipped file: ``configs/bert/bert_base.yaml``."""
    return path.relative_to(config_root().parent).as_posix()


def looks_like_path(name: str) -> bool:
    """Whether ``name`` is meant as a file: it has a separator, or a YAML file's ending."""
    return "/" in name or "\\" in name or name.lower().endswith((".yaml", ".yml"))


def unknown_name(name: str) -> str:
    """What to say of a name that no shipped spec has."""
    hint = nearest(name, list_specs())
    return f"no shipped spec is called '{shorten(name)}'{hint}; 'zoo list' shows what there is"
