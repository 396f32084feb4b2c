"""Running text of any source: each task makes of it what it makes of plain files."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_common.data import open_dataset
from zoo_common.data.base import DataDescription
from zoo_common.data.records import read_records
from zoo_spec import load_spec
from zoo_spec.data import RunningTextData, TextData
from zoo_spec.data.records import RunningText
from zoo_spec.errors import InputError

DOCUMENTS = [
    " ".join(f"Sentence {number} of {topic} tells of cats and dogs." for number in range(12))
    for topic in ("rivers", "mountains", "valleys", "lakes", "woods")
]


class Letters(RunningTextData):
    """A source that a plugin might bring; its class has no kind, which would stand in every list of kinds."""


def _letters(**fields):
    return Letters.model_construct(kind="letters", **fields)


class LetterRecords:
    def __len__(self):
        return len(DOCUMENTS)

    def __getitem__(self, index):
        return RunningText(f"letters:{index + 1}", DOCUMENTS[index])

    def description(self):
        return DataDescription("letters", 0, 0, 0)


@read_records.register
def _read(data: Letters, split, look):
    found = LetterRecords()
    for index in range(len(found)):
        look(found[index])
    return found


@pytest.mark.parametrize("name", ["bert_tiny", "ernie_tiny", "roberta_tiny", "gpt2_tiny", "t5_tiny"])
def test_a_source_of_a_plugin_s_feeds_each_task_as_files_do(name, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n\n".join(DOCUMENTS))
    given = load_spec(name)
    shared = {"sequence_length": 32, "tokenizer": given.data.tokenizer, "masking": given.data.masking}
    made = []
    for data in (_letters(**shared), TextData(files=(str(path),), **shared)):
        spec = given.model_copy(update={"data": data})
        made.append(
            [open_dataset(spec, None, split).examples([(0, 0), (1, 0)]) for split in ("train", "eval")]
        )
    assert made[0][0][0].keys() == made[1][0][0].keys() > {"input_ids"}
    for one, other in zip(np.ravel(made[0]), np.ravel(made[1]), strict=True):
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key])


def test_a_task_that_people_label_is_told_apart_before_anything_is_read():
    spec = load_spec("bert_tiny_classification").model_copy(update={"data": _letters()})
    with pytest.raises(InputError, match="'letters' is running text, which sequence_classification does not"):
        open_dataset(spec, None, "train")


def test_a_document_without_text_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(globals(), "DOCUMENTS", [*DOCUMENTS * 40, " "])
    spec = load_spec("gpt2_tiny").model_copy(update={"data": _letters()})
    with pytest.raises(InputError, match="letters:201: has no text"):
        open_dataset(spec, None, "train")
