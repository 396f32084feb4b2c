"""Tables of sounds and what is said in them."""

from __future__ import annotations

import os

from zoo_common.data.base import Split
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.cells import Cells, TableForm, text_of
from zoo_common.data.sources.sound_files import SoundFiles
from zoo_common.data.sources.table_files import read_table
from zoo_spec.data import AudioTable
from zoo_spec.data.records import Utterance
from zoo_spec.errors import InputError


@read_records.register
def _read(data: AudioTable, split: Split, look: Look) -> FileRecords:
    paths = data.evaluation_files if split == "eval" and data.evaluation_files is not None else data.files
    form = TableForm((data.path, data.text), data.limits, data.format, data.header, what="a table of sounds")
    sounds = SoundFiles(data)

    def record(cells: Cells, where: str) -> Utterance:
        path, said = cells
        file = os.path.join(data.root or "", text_of(path, data.path, where))
        try:
            sound = sounds.open(where, file)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        return Utterance(where, sound, text_of(said, data.text, where).strip())

    return read_table(data, paths, form, record, look, libraries=("numpy", "soundfile"))
