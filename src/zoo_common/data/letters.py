"""Letters and their ids, as fairseq and ``transformers`` have them for CTC: what is said becomes ids, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from zoo_common.data.label_names import Names
from zoo_spec.errors import InputError

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
"""Symbols that stand for no letter, in fairseq's order; the first class, whatever it is called, is the blank."""
SPACE = "|"


class Letters:
    """The classes of a CTC model by their names, in the order of their ids."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises InputError for names that are neither letters nor special symbols, or that stand there twice."""
        self.names: Names = tuple(names)
        wrong = [name for name in names[1:] if len(name) != 1 and name not in SPECIALS]
        if wrong:
            raise InputError(
                f"{wrong[0]!r} is no letter: classes of a transcript are single characters, {SPACE!r} for a space, "
                f"and {', '.join(SPECIALS)}"
            )
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(f"{twice[0]!r} stands twice among the letters; keep one")
        self._ids = {name: index for index, name in enumerate(names) if index and name not in SPECIALS}

    def ids(self, transcript: str) -> list[int]:
        """A transcript's letters, with one ``|`` between words; InputError for a letter without a class."""
        try:
            return [self._ids[letter] for letter in spelled(transcript)]
        except KeyError as error:
            letter = error.args[0]
            raise InputError(
                f"the letter {letter!r} is none of {' '.join(self._ids)}; set data.case, name a data.dictionary that "
                "has it, or mend the transcript"
            ) from None

    def text(self, ids: Iterable[int]) -> str:
        """What letters say; special symbols say nothing."""
        known = (self.names[index] for index in ids if self.names[index] in self._ids)
        return " ".join("".join(known).replace(SPACE, " ").split())

    def heard(self, classes: Iterable[int]) -> str:
        """What the likeliest class of each frame says (greedy decoding): repeats are one, then blanks go."""
        kept, before = [], 0
        for each in classes:
            if each not in (0, before):
                kept.append(int(each))
            before = each
        return self.text(kept)


def spelled(transcript: str) -> str:
    """A transcript with ``|`` for the white space between its words; InputError for one that has a ``|`` itself."""
    if SPACE in transcript:
        raise InputError(
            f"the transcript has a {SPACE!r}, which stands for a space among letters; take it out"
        )
    return SPACE.join(transcript.split())


def letters_of(counts: Mapping[str, int]) -> Letters:
    """Those that occur, the most frequent first, as fairseq's dictionaries have them; of equals the lower one."""
    return Letters((*SPECIALS, *sorted(counts, key=lambda letter: (-counts[letter], letter))))
