"""Text through a tokenizer that nobody here vouches for, in a process that may be ended.

A regular expression may take exponential time, in which its library cannot be interrupted, and damaged tables make
it panic. So a tokenizer file that has any of these is loaded and run elsewhere; others run in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pydantic import JsonValue, TypeAdapter

from zoo_spec.reading import UnreadableFileError, printable

_SCRIPT = Path(__file__).with_name("encoding_process.py")
_SECONDS, _SECONDS_A_CHARACTER, _SECONDS_A_BYTE = 1.0, 1e-5, 1e-6
"""Of computing: for a request, each of its characters (published patterns take a tenth), each byte of a file."""


def patterns_of(content: dict[str, JsonValue]) -> list[str]:
    """The regular expressions of a ``tokenizer.json``, and names of the tables in it that its library trusts."""
    found: list[str] = []
    waiting: list[JsonValue] = [content.get(name) for name in ("normalizer", "pre_tokenizer", "decoder")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            found += [str(value["Regex"])] if "Regex" in value else []
            found += ["precompiled_charsmap"] if value.get("type") == "Precompiled" else []
            waiting += value.values()
    return found


class _Row(NamedTuple):
    ids: list[int]
    offsets: list[tuple[int, int]]


class Watched:
    """A tokenizer in a process of its own."""

    def __init__(self, text: str, path: str | Path, patterns: list[str]) -> None:
        """``text`` is a ``tokenizer.json``; raises InputError, naming ``path``, where it fails or takes too long."""
        self._path, self._patterns, self._lock = path, patterns, Lock()
        process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"},
            encoding="utf-8",
        )
        if process.stdin is None or process.stdout is None:
            raise TypeError("a process without pipes")
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        weakref.finalize(self, _end, process)
        self._ask({"tokenizer": text}, _SECONDS + len(text) * _SECONDS_A_BYTE, "to be loaded")

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        return [row.ids for row in self._encode(texts, offsets=False)]

    def pieces(self, text: str) -> list[tuple[int, int, int]]:
        """Each token's id, its first character and the one after its last."""
        [row] = self._encode([text], offsets=True)
        return [(index, *span) for index, span in zip(row.ids, row.offsets, strict=True)]

    def _encode(self, texts: list[str], *, offsets: bool) -> list[_Row]:
        size = sum(map(len, texts))
        seconds = _SECONDS + size * _SECONDS_A_CHARACTER
        answer = self._ask({"texts": texts, "offsets": offsets}, seconds, f"for {size:,} characters of text")
        return TypeAdapter(list[_Row]).validate_python(answer)

    def _ask(self, request: dict[str, object], seconds: float, why: str) -> JsonValue:
        with self._lock:
            try:
                print(json.dumps({**request, "seconds": seconds}), file=self._stdin, flush=True)
                answer = self._stdout.readline()
            except OSError:  # It has ended before it read the whole of a long request.
                answer = ""
        if not answer:
            self._process.wait()
            what = f"took more than {seconds:.3g} s of computing or 1 GB {why}: {self._told()}"
            raise UnreadableFileError(self._path, what)
        found: JsonValue = json.loads(answer)
        if isinstance(found, str):
            said = printable(found.partition("\n")[0][:300])
            raise UnreadableFileError(self._path, f"cannot be used by tokenizers: {said}; {self._told()}")
        return found

    def _told(self) -> str:
        shown = ", ".join(printable(pattern[:80]) for pattern in self._patterns[:3])
        return (
            f"it has {shown}; take a tokenizer without it, or have the text cut by another (data.tokenizer)"
        )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # What was still to be written to it.
                pipe.close()
