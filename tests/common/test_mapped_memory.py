"""What a process holds of files that are mapped does not grow with them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo_common.data.base import batch
from zoo_common.data.makers.example_rows import blocks, document_bounds, lengths_of
from zoo_common.data.makers.tokens import TokenCorpus
from zoo_common.data.maps import let_go, mapped

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what is resident of a file, Linux alone tells"
)

SENTENCES = 1_500_000
ALL = 8 * SENTENCES
FEW = ALL // 3


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sentences of four tokens in documents of three sentences, both mapped."""
    folder = tmp_path_factory.mktemp("mapped")
    np.save(folder / "sentences.npy", 4 * np.arange(SENTENCES + 1))
    np.save(folder / "documents.npy", np.arange(0, SENTENCES + 1, 3))
    arrays = [mapped(folder / f"{name}.npy") for name in ("sentences", "documents")]
    return folder, TokenCorpus(np.zeros(4 * SENTENCES, np.uint16), *arrays)


def resident(folder: Path) -> int:
    """Bytes of the files of a folder that this process holds."""
    maps = Path("/proc/self/smaps").read_text()
    found = re.findall(rf"{re.escape(str(folder))}\S*\n(?:\w+: .*\n)*?Rss: +(\d+) kB", maps)
    return 1024 * sum(map(int, found))


def test_what_was_read_is_held_until_it_is_let_go(corpus):
    folder, text = corpus
    assert text.sentences.sum() > 0
    assert resident(folder) >= ALL
    let_go()
    assert resident(folder) == 0
    assert text.sentences[-1] == 4 * SENTENCES


def test_making_the_places_of_examples_holds_a_part_at_once(corpus):
    folder, text = corpus
    let_go()
    rows, held = [], []
    for some in blocks(text, 12):
        rows.append(some)
        held.append(resident(folder))
    assert max(held) < FEW
    assert len(np.concatenate(rows)) == SENTENCES // 3


def test_so_do_their_lengths_and_the_bounds_of_documents(corpus, tmp_path):
    folder, text = corpus
    let_go()
    bounds = document_bounds(text)
    assert resident(folder) < FEW
    assert (np.diff(bounds) == 12).all()
    np.save(tmp_path / "rows.npy", np.arange(2 * SENTENCES).reshape(-1, 2))
    held = []
    for _ in lengths_of(mapped(tmp_path / "rows.npy"), lambda some: some.sum(1, keepdims=True))():
        held.append(resident(tmp_path))
    assert len(held) > 4
    assert max(held) < FEW


def test_batches_hold_the_pages_of_so_many_examples(corpus):
    folder, text = corpus

    class Sentences:
        def batch(self, seed, step, batch_size):
            chosen = text.sentences[step * batch_size : (step + 1) * batch_size]
            return {"starts": chosen.astype(np.int32)}

    let_go()
    held = []
    for step in range(10):
        batch(Sentences(), 0, step * 20, 300)
        held.append(resident(folder))
    assert 0 < max(held) < FEW
    assert min(held[4:]) == 0, "nothing was given back"
