"""The embedded corpus: the reference manual that every CPython carries for its ``help()``, as prose.

``pydoc_data.topics`` has some 80 topics, 465,000 characters in CPython 3.11 (PSF-2.0; read where Python is
installed, never shipped). About 265,000 characters are left when what is not prose (code, grammar, headings,
signatures) is dropped and passages that stand in several topics are kept once, so that no sentence can be
both trained and evaluated on. The text differs a little between Python versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from zoo_common.data.base import DataDescription
from zoo_common.data.records import Look
from zoo_common.data.sentences import split_sentences
from zoo_spec.data.records import RunningText
from zoo_spec.errors import EnvironmentFault

SOURCE = "python_docs (pydoc_data.topics of this Python)"
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,2})(?=[^\s*])([^*\n]*[^\s*])\1(?![\w*])")
_BULLET = re.compile(r"^(?:\*|\d{1,2}\.|[a-z]\.)\s+")
_PROSE_END = re.compile(r"""[.!?:]["'”’)\]]*$""")
_WORD = re.compile(r"(?<![\w.])[a-z]{2,}(?![\w.(=])")
# Nothing that a sentence has, and code, grammar or a table always does.
_CODE = re.compile(
    r"::=|^>>>|^\.\.\. |^\|  |^\+-|^(?:class|def|async def|if|for|while|with|try|else)\b.*:$", re.MULTILINE
)


class PythonDocs:
    """A document a topic, in the order of their names; laid out as ``data.layout`` says."""

    def __init__(self, layout: str, look: Look) -> None:
        """Raises EnvironmentFault where this Python was installed without its ``pydoc_data``."""
        self._size = sum(len(text.encode("utf-8")) for text in manual().values())
        self._topics: list[RunningText] = []
        for name, paragraphs in _all_prose().items():
            if layout == "sentence_lines":
                text = "\n".join(sentence for each in paragraphs for sentence in split_sentences(each))
            else:
                text = "\n\n".join(paragraphs)
            if text:
                self._topics.append(RunningText(f"{SOURCE}: topic {name!r}", text))
                look(self._topics[-1])

    def __len__(self) -> int:
        return len(self._topics)

    def __getitem__(self, index: int) -> RunningText:
        return self._topics[index]

    def description(self) -> DataDescription:
        """This Python's module."""
        return DataDescription(SOURCE, 0, self._size, 0)


def manual() -> dict[str, str]:
    """The text of each topic; EnvironmentFault where this Python was installed without its ``pydoc_data``."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise EnvironmentFault(
            "the embedded corpus python_docs needs the module pydoc_data, which this Python was installed "
            "without; install the full standard library, or give data.files"
        ) from error
    found: dict[str, str] = topics
    return found


@cache
def _all_prose() -> dict[str, tuple[str, ...]]:
    """The paragraphs of each topic, in the order of their names; no Python changes its manual."""
    topics, seen = manual(), set[str]()
    return {name: tuple(prose(topics[name], seen)) for name in sorted(topics)}


def prose(topic: str, seen: set[str], *, emphasis: bool = False) -> Iterator[str]:
    """The paragraphs of a topic that are prose and not in ``seen``, to which they are added.

    With ``emphasis``, the ``*`` around what is stressed stay.
    """
    for block in re.split(r"\n[^\S\n]*\n", topic):
        lines = [line.strip() for line in block.split("\n")]
        if _CODE.search("\n".join(lines)):
            continue
        text = _BULLET.sub("", " ".join(line for line in lines if line))
        text = text if emphasis else _EMPHASIS.sub(r"\2", text)
        # Headings, signatures and code have few plain words, or do not end as a sentence does.
        if not _PROSE_END.search(text) or len(_WORD.findall(text)) < 4 or text in seen:
            continue
        seen.add(text)
        yield text
