"""What sources say whose files have a tag for each word: how the tags of an entity's words are written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo_spec.data.labelled_words import LabelledWordsData

TagScheme = Literal["iob1", "iob2", "iobes", "plain"]


class TaggedWordsData(LabelledWordsData):
    """Base of the specs of data whose words have tags as they stand in a file."""

    scheme: TagScheme | None = None
    """How tags are written; without it each file tells. ``iob1``, as CoNLL-2003 was published: every word of an
    entity has ``I-``, but for the first of one right behind another of its type, which has ``B-``. ``iob2``: every
    entity begins with ``B-``. ``iobes``, or BIOES, BILOU: besides, ``E-`` or ``L-`` ends one, and ``S-`` or ``U-`` is
    one of a single word. A file that mixes them is refused; where the scheme is stated, its tags are read as
    conlleval reads them, whatever they begin. ``plain``: a tag stands for itself and for no part of an entity, as
    parts of speech do."""
    entity_type: Annotated[str, Field(min_length=1)] | None = None
    """The type of entities whose tags name none: a bare ``B``, ``I``, ``O``."""
