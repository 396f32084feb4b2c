"""A spec file and the files that it extends, one after the other, as layers to be merged."""

from __future__ import annotations

from os import PathLike, fspath
from os.path import exists, isfile, normpath
from pathlib import Path as FilePath

from zoo_spec.errors import SpecError
from zoo_spec.spec_files.merge import Layer, Origin
from zoo_spec.spec_files.shipped import display_name, looks_like_path, shipped_specs, unknown_name
from zoo_spec.values import Value, is_a, quoted, shorten
from zoo_spec.yaml_reader import read_file

MAX_FILES = 32


def read_layers(name_or_path: str | PathLike[str]) -> list[Layer]:
    """The named spec's layers, its farthest ancestor first; each one's root origin names its file.

    ``extends`` is taken out. ``name`` is the file's own, else its stem: a parent's name is not inherited.
    """
    path, shown = _named(name_or_path)
    layers: list[Layer] = []
    chain: dict[FilePath, str] = {}
    while True:
        mapping, lines = read_file(path, shown)
        layer = Layer(mapping, {place: Origin(shown, line) for place, line in lines.items()})
        layers.insert(0, layer)
        chain[path.resolve()] = shown
        if len(layers) == 1 and mapping.get("name") is None:
            mapping["name"] = path.stem
        elif len(layers) > 1:
            mapping.pop("name", None)
        if "extends" not in mapping:
            return layers
        if len(layers) == MAX_FILES:
            first = next(iter(chain.values()))
            message = (
                f"{first} inherits from more than {MAX_FILES} files, one by way of another; no spec does"
            )
            raise SpecError(layer.problem(message, ("extends",)))
        path, shown = _parent(mapping.pop("extends"), path, shown, layer, chain)


def _named(name_or_path: str | PathLike[str]) -> tuple[FilePath, str]:
    """The file that the user asked for, and what to call it."""
    name = fspath(name_or_path)
    if looks_like_path(name) or not isinstance(name_or_path, str):
        return FilePath(name), name
    if name in shipped_specs():
        path = shipped_specs()[name]
        return path, display_name(path)
    here = f"; a file is called by its path, './{name}'" if name and exists(name) else ""
    raise SpecError(f"{unknown_name(name)}{here}")


def _parent(
    extended: Value, path: FilePath, shown: str, layer: Layer, chain: dict[FilePath, str]
) -> tuple[FilePath, str]:
    """The file that ``extends`` means in the file at ``path``; raises SpecError if it loops or is missing."""
    place = ("extends",)
    through = " -> ".join(chain.values())
    if not isinstance(extended, str) or not extended:
        message = f"{is_a(extended)}; the name of one spec, or one file's path, is expected"
        raise SpecError(layer.problem(message, place))
    shipped = None if looks_like_path(extended) else shipped_specs().get(extended)
    if "\0" in extended:
        message = f"{quoted(extended)} is no file's name; give that of a spec"
        raise SpecError(layer.problem(message, place))
    parent = shipped or path.parent / extended
    parent_shown = display_name(shipped) if shipped else normpath(FilePath(shown).parent / extended)
    if parent.resolve() in chain:
        loop = f"{through} -> {chain[parent.resolve()]}"
        raise SpecError(layer.problem(f"the files extend each other in a circle: {loop}", place))
    if not isfile(parent):
        missing = (
            f"{shorten(parent_shown)} is no file" if looks_like_path(extended) else unknown_name(extended)
        )
        beside = path.parent / f"{extended}.yaml"
        hint = f"; to extend the file beside this one, write {beside.name}" if isfile(beside) else ""
        came = f" (read by way of {through})" if len(chain) > 1 else ""
        raise SpecError(layer.problem(f"{missing}{hint}{came}", place))
    return parent, parent_shown
