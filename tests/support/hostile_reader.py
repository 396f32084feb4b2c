"""Reads one hostile file after another, each with ten seconds of computing and 500 MB; prints what is said of it.

Standard input has lines of JSON, [name, reader, path]; each answer is one, [name, message]. The system ends the
process where a reader takes more: then the answers end.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from whole_text import read_corpus
from zoo_common.containers import open_container
from zoo_common.data.sources.idx import read_idx
from zoo_common.data.subwords import byte_level_bpe, tokenizer
from zoo_common.data.subwords.vocabularies import read_vocabulary
from zoo_common.prediction.image_files import read_images
from zoo_common.prediction.lines import read_lines
from zoo_spec.data import TextData
from zoo_spec.errors import InputError

SECONDS, BYTES = 10, 500_000_000
"""What is bounded here would take minutes, or never end; what is right takes up to 2.3 s on a shared processor."""


def _train(path: str) -> None:
    text = [Path(path).read_text(), "the cat sat on the mat"]
    tokenizer.train(text, 200, lower_case=True)
    byte_level_bpe.train(text, 400)


def _encode(path: str) -> None:
    read_vocabulary(path, lower_case=True).encode(["a" * 21 + "b "] * 4000)


def _tensors(path: str) -> None:
    with open_container(Path(path)) as tensors:
        for name in tensors:
            tensors.read(name)


READERS = {
    "tensors": _tensors,
    "picture": lambda path: list(read_images(path, 1)),
    "idx": lambda path: read_idx(path, (3, 4)),
    "text": lambda path: read_corpus(TextData().model_copy(update={"files": (path,)})),
    "vocabulary": lambda path: read_vocabulary(path, lower_case=True),
    "encode": _encode,
    "train": _train,
    "input": lambda path: print(*(line.problem for line in read_lines(Path(path), path)), file=sys.stderr),
}


def _bound() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin:
        name, reader, path = json.loads(line)
        _bound()
        try:
            READERS[reader](path)
            said = "read"
        except InputError as error:
            said = str(error)
        except BaseException as error:
            said = f"ESCAPED {type(error).__name__}: {error}"
        print(json.dumps([name, said]), flush=True)


if __name__ == "__main__":
    main()
