"""Where the members of a zip file lie that holds them as they are, without compression."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import BinaryIO

from zoo_common.containers.windows import Window
from zoo_spec.reading import Name

_MOST_LISTED = 4 << 20
_LONGEST_END = 22 + 65_535
_UNKNOWN_16, _UNKNOWN_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    header: int
    size: int
    packed: int
    method: int
    flags: int


class StoredZip:
    """The members of an open zip file: their ``names``, and ``window(name)`` on the bytes of one.

    Layout: PKWARE's APPNOTE, 4.3 and 4.5.3 (sizes of 64 bits). Raises UnreadableFileError for a list of members that
    is missing, damaged or too long; what cannot be trusted in it is for ``check`` to refuse.
    """

    def __init__(self, file: BinaryIO, path: Name, size: int) -> None:
        self._file, self._path = file, path
        self._all = Window(file, path, 0, size)
        self._end, length = self._list()
        if length > _MOST_LISTED:
            self._all.refuse(
                f"its list of members is {length:,} bytes long, and {_MOST_LISTED:,} are the most"
            )
        self._listed: list[_Member] = []
        data, at = self._read(self._end, length), 0
        while data[at : at + 4] == b"PK\1\2":
            at = self._take(data, at)
        self._members = {member.name: member for member in self._listed}

    @property
    def names(self) -> list[str]:
        """The members' names."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def window(self, name: str) -> Window:
        """A member's bytes; KeyError if there is none of this name."""
        member = self._members[name]
        header = self._read(member.header, 30)
        start = member.header + 30 + sum(struct.unpack_from("<HH", header, 26))
        if header[:4] != b"PK\3\4" or start + member.size > self._end:
            self._all.refuse(f"its member {name!a} does not lie where its list of members says")
        return Window(self._file, self._path, start, start + member.size)

    def check(self) -> None:
        """Refuse members that are compressed, encrypted, one upon the other or of the same name, and names that lead
        out of a folder."""
        for member in self._listed:
            name = ascii(member.name)
            if _leads_out(member.name):
                self._all.refuse(f"its member {name} has a name that leads out of a folder")
            if member.method or member.packed != member.size:
                self._all.refuse(f"its member {name} is compressed; torch stores weights as they are")
            if member.flags & 1:
                self._all.refuse(f"its member {name} is encrypted")
        if len(self._members) < len(self._listed):
            self._all.refuse("two of its members have the same name")
        rows = sorted(self._listed, key=lambda member: member.header)
        for member, following in itertools.pairwise(rows):
            if member.header + 30 + member.size > following.header:
                self._all.refuse(f"its members {member.name!a} and {following.name!a} are the same bytes")

    def _read(self, start: int, size: int) -> bytes:
        return Window(self._file, self._path, start, self._all.end).read(size)

    def _list(self) -> tuple[int, int]:
        """Where the list of members begins, and how long it is."""
        size = self._all.end
        tail_at = max(0, size - _LONGEST_END)
        tail = self._read(tail_at, size - tail_at)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) < at + 22:
            self._all.refuse("its list of members is missing, as in a file that was cut short")
        count, length, start = struct.unpack_from("<HII", tail, at + 10)
        if _UNKNOWN_32 in (length, start) or count == _UNKNOWN_16:
            locator = self._read(max(0, tail_at + at - 20), 20)
            if locator[:4] != b"PK\6\7":
                self._all.refuse("its list of members is damaged")
            record = self._read(struct.unpack_from("<Q", locator, 8)[0], 56)
            length, start = struct.unpack_from("<QQ", record, 40)
        if start + length > size:
            self._all.refuse("its list of members goes beyond its end")
        return start, length

    def _take(self, data: bytes, at: int) -> int:
        """Take in the member that is listed here, and say where the next one is."""
        if len(data) < at + 46:
            self._all.refuse("its list of members is cut short")
        flags, method = struct.unpack_from("<HH", data, at + 8)
        packed, size, *sizes = struct.unpack_from("<IIHHH", data, at + 20)
        name_size, extra_size, remark_size = map(int, sizes)
        header = struct.unpack_from("<I", data, at + 42)[0]
        extra_at = at + 46 + name_size
        name = data[at + 46 : extra_at].decode("utf-8", "backslashreplace")
        if _UNKNOWN_32 in (packed, size, header):
            extra = data[extra_at : extra_at + extra_size]
            size, packed, header = self._wide(name, extra, (size, packed, header))
        self._listed.append(_Member(name, header, size, packed, method, flags))
        return at + 46 + name_size + extra_size + remark_size

    def _wide(self, name: str, extra: bytes, narrow: tuple[int, int, int]) -> tuple[int, int, int]:
        while len(extra) >= 4:
            kind, length = struct.unpack_from("<HH", extra)
            if kind == 1:
                given = iter(struct.unpack_from(f"<{min(length, len(extra) - 4) // 8}Q", extra, 4))
                size, packed, header = (
                    next(given, _UNKNOWN_32) if each == _UNKNOWN_32 else each for each in narrow
                )
                return size, packed, header
            extra = extra[4 + length :]
        self._all.refuse(f"its member {name!a} has no size")


def _leads_out(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return "\\" in name or "\0" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts)
