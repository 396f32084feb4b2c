"""What this process may still take of the machine's memory, control groups included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

_UNLIMITED = 1 << 60
"""Version 1 of cgroups writes "no limit" as a number a little below 2**63."""


def available_bytes() -> int:
    """What this process may still take: the machine's free memory, or less where a cgroup limits it."""
    return min([int(psutil.virtual_memory().available), *_cgroup_room(Path("/"))])


def _cgroup_room(root: Path) -> Iterator[int]:
    """What each control group around this process still allows; nothing where there are none or no limit.

    ``root`` is the file system's, for tests.
    """
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers:
            names, base = ("memory.max", "memory.current", "inactive_file"), mount
        elif "memory" in controllers.split(","):
            base = mount / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Inside a container the path is the host's, and the group's own files lie at the top.
        group = base / path.strip("/")
        for folder in [group, *group.parents]:
            if folder == base or base in folder.parents:
                yield from _group_room(folder, *names)


def _group_room(folder: Path, limit_file: str, used_file: str, reclaimable: str) -> Iterator[int]:
    limit, used = _number(folder / limit_file), _number(folder / used_file)
    if limit is None or used is None or limit >= _UNLIMITED:
        return
    # Cached files count as used, and are dropped when somebody needs the room.
    cache = _statistics(folder / "memory.stat").get(reclaimable, 0)
    yield max(limit - max(used - cache, 0), 0)


def _number(path: Path) -> int | None:
    text = " ".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _statistics(path: Path) -> Mapping[str, int]:
    rows = [line.split() for line in _lines(path)]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
