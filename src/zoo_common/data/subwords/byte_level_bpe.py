"""Byte-level BPE (Radford et al., 2019, 2.2): every text has tokens, since every byte is one."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from zoo_common.data.subwords.tokenizer import Subwords, trainable
from zoo_spec.errors import InputError

END_OF_TEXT = "<|endoftext|>"
"""GPT-2's only special token."""
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")


class ByteLevelBpe(Subwords):
    """GPT-2's pieces of bytes with RoBERTa's special tokens; a word begins with the space before it."""

    specials = SPECIALS
    whose = "RoBERTa's vocabularies"
    between = 2


class Gpt2Bpe(ByteLevelBpe):
    """GPT-2's own vocabulary: one special token, which ends a text, and stands for all others but a mask.

    Padding is told by ``example_ids``, so that it may be any token.
    """

    specials = (END_OF_TEXT, END_OF_TEXT, END_OF_TEXT, END_OF_TEXT, "<mask>")
    whose = "vocabularies of masked models"

    def check(self) -> None:
        """Raise InputError unless its special token is there; a mask is asked for where one is needed."""
        self._id(END_OF_TEXT)


def train(sentences: Iterable[str], vocabulary_size: int, *, reserved: int = 0) -> ByteLevelBpe:
    """Train a vocabulary of ``vocabulary_size`` tokens at most: RoBERTa's five, 256 bytes, and merges.

    ``<s>``, ``<pad>``, ``</s>``, ``<unk>`` and ``<mask>`` have the ids 0 to 4, the first four as in fairseq's
    RoBERTa. Ties between equally common pairs go by their ids, so that two runs agree. ``reserved`` is how many
    ids more the model has, for what is no token of the text.
    """
    ordered = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = ByteLevel.alphabet()
    if vocabulary_size < len(ordered) + len(alphabet):
        raise InputError(
            f"a vocabulary of {vocabulary_size} has no room for {len(ordered)} special tokens and "
            f"{len(alphabet)} bytes; set model.vocab_size to {len(ordered) + len(alphabet) + reserved} at least"
        )
    tokenizer = around(BPE())
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=ordered,
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(trainable(sentences), trainer)
    return ByteLevelBpe(tokenizer)


def around(model: BPE) -> Tokenizer:
    """A tokenizer of GPT-2's rules around a model."""
    tokenizer = Tokenizer(model)
    # As GPT-2 and RoBERTa have it: a text that goes on with another has the space in front itself (``running``).
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    return tokenizer
