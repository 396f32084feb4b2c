"""A process of its own that lists what is in a stranger's HDF5 file: its library can crash over a single wrong bit.

It is run as a script, so that it starts in a quarter of a second: nothing of Zoo is imported. It writes one JSON
object: ``arrays`` by path, with where their bytes lie, ``groups``, and ``texts``, the attributes that hold some. What
of it can be trusted is for ``hdf5_file.py`` to say, which reads the values itself. The system ends it where it takes
more memory or computing than a list does.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, dataclass, field

import h5py
import numpy as np

_MEMORY = 2 << 30
_SECONDS = 60
_DEEPEST = 64
_MOST = 200_000
_FILTERS = {1: "gzip", 2: "shuffle"}
_NAMED = ("name", "dtype", "layer_names", "weight_names")


@dataclass
class Listing:
    """What was found."""

    arrays: dict[str, dict[str, object]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    texts: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    error: str = ""


def main() -> None:
    """List the file that is named on the command line; ``error`` is all that there is where it cannot be."""
    _bound()
    found = Listing()
    try:
        with h5py.File(sys.argv[1], "r", locking=False) as file:
            _take_texts(file, "", found)
            _walk(file, "", found, set())
    except Exception as error:
        found = Listing(error=str(error).partition("\n")[0][:300] or type(error).__name__)
    json.dump(asdict(found), sys.stdout)


def _walk(group: h5py.Group, place: str, found: Listing, seen: set[int]) -> None:
    if place.count("/") > _DEEPEST:
        raise ValueError(f"it is nested more than {_DEEPEST} groups deep")
    for name in group:
        path = f"{place}/{name}" if place else name
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "a link to another file" if isinstance(link, h5py.ExternalLink) else "a link, not an array"
            raise ValueError(f"/{path[:200]} is {kind}, which no file of weights has")
        thing = group.get(name)
        address = h5py.h5o.get_info(thing.id).addr
        if address in seen:
            raise ValueError(f"/{path[:200]} is a second name of what has one already")
        seen.add(address)
        if len(seen) > _MOST:
            raise ValueError(f"it has more than {_MOST:,} groups and arrays")
        _take_texts(thing, path, found)
        if isinstance(thing, h5py.Group):
            found.groups.append(path)
            _walk(thing, path, found, seen)
        elif isinstance(thing, h5py.Dataset):
            found.arrays[path] = _array(thing, path)
        else:
            raise ValueError(f"/{path[:200]} is neither an array nor a group")


def _array(dataset: h5py.Dataset, path: str) -> dict[str, object]:
    shown = f"/{path[:200]}"
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{shown} is made of parts of other files, which no file of weights has")
    if dataset.dtype.hasobject:
        raise ValueError(f"{shown} holds references or texts, which are no weights")
    if dataset.shape is None:
        raise ValueError(f"{shown} has no shape")
    found = {"dtype": dataset.dtype.str, "shape": dataset.shape, "offset": dataset.id.get_offset() or 0}
    return found if dataset.chunks is None else {**found, **_pieces(dataset, shown)}


def _pieces(dataset: h5py.Dataset, shown: str) -> dict[str, object]:
    """Where each piece lies, and what was done to its bytes; what needs a program of its own is refused."""
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    unknown = [number for number in filters if number not in _FILTERS]
    if unknown:
        raise ValueError(f"{shown} is packed by the filter {unknown[0]}; gzip and shuffle are read")
    count = dataset.id.get_num_chunks()
    if count > _MOST:
        raise ValueError(f"{shown} is in {count:,} pieces, more than {_MOST:,}")
    pieces = []
    for number in range(count):
        piece = dataset.id.get_chunk_info(number)
        pieces.append([list(piece.chunk_offset), piece.byte_offset, piece.size, piece.filter_mask])
    return {"chunks": dataset.chunks, "filters": [_FILTERS[number] for number in filters], "pieces": pieces}


def _take_texts(thing: h5py.Group | h5py.Dataset, path: str, found: Listing) -> None:
    for name in thing.attrs:
        if name.rstrip("0123456789") not in _NAMED:
            continue
        kept = thing.attrs.get_id(name)
        if kept.shape is not None and kept.dtype.kind in "OS":
            values = np.atleast_1d(thing.attrs[name]).tolist()
            texts = [
                value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                for value in values
            ]
            found.texts.setdefault(path, {})[name] = texts


def _bound() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
