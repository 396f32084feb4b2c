"""Records that are held in memory, as those of an embedded corpus are."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_common.data.base import DataDescription
from zoo_common.data.records import Look
from zoo_spec.data.records import Record


class HeldRecords:
    """All records of a corpus; ``look`` is shown each."""

    def __init__(
        self,
        records: Sequence[Record],
        source: str,
        source_bytes: int,
        look: Look,
        *,
        libraries: tuple[str, ...],
    ) -> None:
        self._records, self._about = records, DataDescription(source, 0, source_bytes, 0, libraries=libraries)
        for record in records:
            look(record)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        """One of them."""
        return self._records[index]

    def description(self) -> DataDescription:
        """What they come from."""
        return self._about
