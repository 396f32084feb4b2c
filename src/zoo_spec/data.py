"""Where the examples come from: plain text, images, or inputs drawn at random.

Every path in a spec is relative to the working directory of the command that reads it, as in a shell.
Nothing here opens a file: ``zoo_common.data`` does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from zoo_spec.base import Float, NonNegativeInt, PositiveFloat, PositiveInt, Rate, Spec
from zoo_spec.errors import InputError
from zoo_spec.read_limits import ImageLimits, ReadLimits, TextLimits
from zoo_spec.registry import Registered
from zoo_spec.values import shorten


def _as_tuple(value: object) -> object:
    """YAML has lists and no tuples, and one file may stand alone."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


FilePath = Annotated[str, Field(min_length=1)]
"""A path relative to the working directory; ``~`` is not expanded."""
FilePaths = Annotated[tuple[FilePath, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
"""One path or several."""
Probability = Annotated[float, Field(ge=0, le=1)]


class Data(Registered):
    """Base of the specs of data."""

    role: ClassVar[str] = "data"
    drawn: ClassVar[str] = ""
    """What of it is drawn at random and not read, in words; nothing where all is read."""


class TextData(Data):
    """Running text, cut into examples for masked (Devlin et al., 2019, 3.1) or causal language modelling."""

    kind: Literal["text"] = "text"
    files: FilePaths | None = None
    """Plain text files in UTF-8. Without any, ``corpus`` is read."""
    corpus: Literal["python_docs"] = "python_docs"
    """Embedded text, read when there are no ``files``: the manual pages that every CPython carries."""
    layout: Literal["prose", "sentence_lines"] = "prose"
    """How ``files`` are laid out. ``prose``: lines may be wrapped, a blank line ends a paragraph, two or more
    blank lines or the file's end end a document, sentences are found by their punctuation.
    ``sentence_lines``, as google-research/bert reads it: a sentence a line, a blank line ends a document."""
    tables: Literal["refuse", "as_text"] = "refuse"
    """What becomes of a file that looks like a table (TSV, CSV, JSON lines): its columns, labels and header would be
    learned as if they were text. ``as_text`` means just that."""
    evaluation_files: FilePaths | None = None
    """Text to evaluate on; then nothing of ``files`` is held out."""
    evaluation_fraction: Rate = 0.05
    """Part of the text, by characters, that is held out for evaluation: whole documents drawn by
    ``split_seed``, or each document's last sentences where there are too few documents for that."""
    split_seed: NonNegativeInt = 0
    """Decides which documents are held out; apart from ``training.seed``, so that runs stay comparable."""
    vocabulary: FilePath | None = None
    """A vocabulary: ``vocab.txt`` (WordPiece), ``vocab.json`` beside its ``merges.txt`` (byte-level BPE), or
    ``tokenizer.json``. Without one it is trained on the training text, as large as the model's embedding at most,
    and kept in the run directory."""
    tokenizer: Literal["wordpiece", "byte_level_bpe"] = "wordpiece"
    """What text is cut into. ``wordpiece``, as BERT has it. ``byte_level_bpe``, as GPT-2 and RoBERTa have it: every
    text has tokens, case and white space are kept. A ``vocabulary`` of a third kind (SentencePiece's, T5's) is read
    as it is under either."""
    lower_case: bool = True
    """Lower-case the text and strip its accents, as the uncased BERT models do; ``wordpiece`` only."""
    sequence_length: PositiveInt = 128
    """Tokens of an example, special tokens and padding included."""
    max_predictions: PositiveInt = 20
    """Most tokens that are masked in an example."""
    masked_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Part of an example's tokens that is to be predicted."""
    mean_span_length: Annotated[float, Field(ge=1)] = 3.0
    """Tokens of a span that is cut out, on average, for span corruption."""
    masking: Literal["tokens", "words", "phrases"] = "tokens"
    """What is masked as a whole. ``tokens``: each by itself. ``words``: all tokens of a word (whole-word masking,
    google-research/bert). ``phrases``: all tokens of a phrase or an entity of ``phrases``, else of a word (ERNIE;
    Sun et al., 2019, 3.2)."""
    phrases: FilePath | None = None
    """A text file of one phrase or entity a line, for ``masking: phrases``."""
    short_sequence_probability: Probability = 0.1
    """How often an example is made shorter than it could be, by a length drawn at random."""
    random_next_probability: Probability = 0.5
    """How often the second sentence of a pair is drawn from another document."""
    limits: TextLimits = TextLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""

    @model_validator(mode="after")
    def _phrases_to_mask(self) -> Self:
        if (self.masking == "phrases") != (self.phrases is not None):
            given = "is not given" if self.phrases is None else f"is {self.phrases!r}"
            raise ValueError(
                f"masking is {self.masking} and the file of phrases {given}; give both (masking: phrases), or neither"
            )
        return self


class IdxFiles(Spec):
    """MNIST's file format, one file of images and one of labels each, gzip or not."""

    train_images: FilePath
    """The images to train on."""
    train_labels: FilePath
    """Their labels."""
    evaluation_images: FilePath | None = None
    """The images to evaluate on; without these and their labels, a fifth of the others is held out."""
    evaluation_labels: FilePath | None = None
    """Their labels."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.evaluation_images is None) != (self.evaluation_labels is None):
            raise ValueError("evaluation_images and evaluation_labels are given together or not at all")
        return self


class ImageData(Data):
    """Labelled images; pixels are resized, scaled to [0, 1], and ``(pixel - mean) / std`` is fed."""

    kind: Literal["images"] = "images"
    directory: FilePath | None = None
    """A folder with MNIST's files under their own names (``train-images-idx3-ubyte``, …, also ``.gz``);
    its ``t10k`` files, where they are there, are what is evaluated on."""
    files: IdxFiles | None = None
    """The same files under any names."""
    corpus: Literal["digits"] = "digits"
    """Embedded images, read when there is neither ``directory`` nor ``files``: the 1,797 scanned digits of
    8 by 8 pixels that scikit-learn carries (UCI Optical Recognition of Handwritten Digits); the extra ``digits``
    installs it."""
    split: Literal["stratified", "last_fifth"] = "stratified"
    """What is held out where the source has no test files of its own. ``stratified``: of every class a fifth,
    drawn by ``split_seed``. ``last_fifth``: the last fifth in file order; in ``digits``, other writers."""
    split_seed: NonNegativeInt = 0
    """Decides which images are held out; apart from ``training.seed``, so that runs stay comparable."""
    mean: Float = 0.0
    """Subtracted from the pixels, which are in [0, 1]."""
    std: PositiveFloat = 1.0
    """What the difference is divided by."""
    limits: ImageLimits = ImageLimits()
    """The most that is read of a file; they change nothing that is learned, and may change while a run rests."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.directory is not None and self.files is not None:
            raise ValueError(f"directory {self.directory!r} and files are both given; keep one")
        return self


class GeneratedData(Data):
    """Inputs drawn at random in the shapes and ranges of the model's graph: to try a model, not to train."""

    kind: Literal["generated"] = "generated"
    drawn: ClassVar[str] = "inputs and labels drawn at random, to try the model and not to train it"
    samples: PositiveInt = 256
    """Examples in an epoch."""
    sequence_length: PositiveInt = 32
    """Size of open dimensions of sequence length; the default gives way where the model allows less."""
    max_predictions: PositiveInt = 4
    """Size of the open dimension of masked positions; the default gives way where the model allows less."""
    waveform_samples: PositiveInt = 16_000
    """Samples of a waveform; the default gives way where the model allows less."""
    open_size: PositiveInt = 8
    """Size of every other open dimension but the batch."""


class GeneratedShapes(Data):
    """Discs, squares and crosses on noise, and which of them each pixel belongs to: to learn segmentation by.

    Class 0 is the background, 1 discs, 2 squares, 3 crosses, as far as the model has classes.
    """

    kind: Literal["generated_shapes"] = "generated_shapes"
    drawn: ClassVar[str] = "images of shapes on noise, drawn at random with the class of each pixel"
    samples: PositiveInt = 512
    """Images in an epoch; each epoch draws its own."""
    most_shapes: PositiveInt = 3
    """Most shapes in an image; there is one at least, and later ones cover earlier ones."""
    noise: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Largest value, up or down, that is added to each pixel; a shape stands 0.5 to 1 above its ground."""


def with_limits(data: Data, given: Sequence[str]) -> Data:
    """The data with bounds changed as ``name=number`` says each; raises InputError for what is no bound of it."""
    if not given:
        return data
    limits = getattr(data, "limits", None)
    if not isinstance(limits, ReadLimits):
        raise InputError(f"data of kind {getattr(data, 'kind', '')!r} reads no files; leave out --limit")
    known = type(limits).model_fields
    values = limits.model_dump()
    for each in given:
        name, _, number = each.partition("=")
        if name not in known or not re.fullmatch("[1-9][0-9]{0,17}", number):
            raise InputError(
                f"--limit {shorten(each)}: give NAME=NUMBER, of {', '.join(f'{one}={values[one]}' for one in known)}"
            )
        values[name] = int(number)
    try:
        changed = type(limits).model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(
            f"--limit {'.'.join(map(str, wrong['loc']))}={wrong['input']}: {wrong['msg']}"
        ) from None
    return data.model_copy(update={"limits": changed})
