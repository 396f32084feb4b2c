"""What a run is, kept beside it and held against whoever goes on with it or reads its weights.

The hashes of the specs that it was trained by, what it was trained on, where its weights began, and what was changed
by consent. A run of before there was such a record has none, and goes on without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias, get_args

from pydantic import JsonValue, ValidationError

from zoo_common.data.file_marks import FileMark, Source, marked, other_files
from zoo_common.log import LOG
from zoo_common.training.run_record import FILE, read_record
from zoo_spec.base import NonNegativeInt, PositiveInt, Spec
from zoo_spec.errors import InputError
from zoo_spec.reading import UnreadableFileError, printable

Accepted = Literal["training", "data"]
"""What may differ from a run's record where that is meant: how it is trained on, and on what."""
ACCEPTED: tuple[Accepted, ...] = get_args(Accepted)


class TrainedOn(Spec):
    """What a run is trained on: its spec's data, or batches that a program gives."""

    kind: Literal["spec", "input_fn"]
    files: tuple[FileMark, ...] = ()
    """Of an ``input_fn`` the vocabulary's alone, which predictions read."""

    @classmethod
    def of(cls, kind: Literal["spec", "input_fn"], wanted: Sequence[Source], known: TrainedOn | None) -> Self:
        """What these files are now; the hashes of those that ``known`` has unchanged are taken from it."""
        return cls(kind=kind, files=tuple(marked(wanted, known.files if known else ())))


class Beginning(Spec):
    """The checkpoint of another run whose weights a run began with."""

    source: str
    """What was said: a run's directory or a checkpoint's."""
    path: str
    """The checkpoint that it stood for then."""
    step: NonNegativeInt
    sha256: str
    """Of its file of weights."""

    def __str__(self) -> str:
        return f"{self.path} (step {self.step}, SHA-256 {self.sha256[:12]}…)"


class Change(Spec):
    """What was changed by consent, and after which step."""

    step: NonNegativeInt
    what: tuple[str, ...]


class Origin(Spec):
    """What is kept of it."""

    spec_hashes: tuple[str, ...] = ()
    """Of every spec that it was trained by, the newest last."""
    feed: TrainedOn | None = None
    began_with: Beginning | None = None
    diverged_at: PositiveInt | None = None
    """The step at which it last diverged: before that, how it is trained may change without asking."""
    changes: tuple[Change, ...] = ()

    @property
    def is_untrained(self) -> bool:
        """Whether it is of published weights that nobody has trained on here: how and on what is still open."""
        return self.began_with is not None and self.feed is None

    @classmethod
    def read(cls, directory: Path) -> Origin | None:
        """A run's; None where it has none. Raises InputError for a file that is no such record."""
        record = read_record(directory)
        content = None if record is None else record.get("origin")
        if content is None:
            return None
        try:
            return cls.model_validate_json(json.dumps(content))
        except ValidationError as error:
            first = error.errors()[0]
            place = printable(".".join(str(part) for part in ("origin", *first["loc"])))
            raise UnreadableFileError(
                directory / FILE,
                f"{place}: {printable(first['msg'])}; update Zoo, or put back the file that the run wrote",
            ) from error

    def as_json(self) -> JsonValue:
        """As it is kept."""
        content: JsonValue = self.model_dump(mode="json")
        return content

    def changed(self, step: int, lines: Sequence[str]) -> Origin:
        """With these changes noted, after that step."""
        if not lines:
            return self
        return self.model_copy(update={"changes": (*self.changes, Change(step=step, what=tuple(lines)))})


FeedNow: TypeAlias = Callable[[TrainedOn | None], TrainedOn]
"""Tells, from what a run's record knows of it, what is read now."""


@dataclass(frozen=True)
class Claim:
    """What somebody who goes on with a run says that it is; ``feed`` tells from the record what is read now."""

    spec_hash: str
    feed: FeedNow
    accept: Collection[Accepted] = ()
    begins_with: str | None = None
    """Whose weights it is to begin with, if it begins."""
    hash_of_those: Callable[[], str | None] = lambda: None
    """Their SHA-256 now, for a directory that has another name than it had then."""

    def __post_init__(self) -> None:
        require_accepted(self.accept)

    def met(self, origin: Origin, directory: Path, step: int, training: Sequence[str]) -> Origin:
        """The record with what is new; ``training`` is how the spec differs, where that may be accepted.

        Raises InputError for whatever differs and is not accepted.
        """
        feed = self.feed(origin.feed)
        self._require_training(origin, directory, step, training)
        data = [] if origin.feed is None else other_data(origin.feed, feed)
        if data and "data" not in self.accept:
            raise _refused_data(directory, data)
        self._require_beginning(origin, directory, step)
        if origin.feed is not None:
            for line in other_files(origin.feed.files, feed.files, "eval"):
                LOG.warning(f"{directory}: evaluates on another file than before: {line}")
        hashes = tuple(each for each in origin.spec_hashes if each != self.spec_hash)
        update: dict[str, object] = {"spec_hashes": (*hashes, self.spec_hash), "feed": feed}
        return origin.model_copy(update=update).changed(step, [*training, *data])

    def _require_training(self, origin: Origin, directory: Path, step: int, lines: Sequence[str]) -> None:
        has_diverged = origin.diverged_at is not None and step < origin.diverged_at
        if lines and not has_diverged and "training" not in self.accept:
            raise InputError(
                "\n  ".join(
                    [
                        f"{directory}: was trained otherwise up to its step {step}; give another directory, that "
                        "run's values, or --accept training (in Python RunConfig(accept=['training'])) for:",
                        *lines,
                    ]
                )
            )

    def _require_beginning(self, origin: Origin, directory: Path, step: int) -> None:
        """Raise InputError if a run that has begun did so with other weights than it is to begin with now."""
        began, wanted = origin.began_with, self.begins_with
        if not step or wanted is None or origin.feed is None:  # Nobody wrote down how a run of before began.
            return
        if began is None or (began.source != wanted and began.sha256 != self.hash_of_those()):
            found = "its initial values" if began is None else f"the weights of {began}"
            raise InputError(
                f"{directory}: has {step} steps already, and began with {found}, not with those of {wanted}; leave "
                "the source out (training.initialize_from: null) to go on, or give another directory to begin again"
            )


def require_accepted(accept: Collection[str]) -> None:
    """Raise InputError for what cannot be accepted."""
    wrong = [each for each in accept if each not in ACCEPTED]
    if isinstance(accept, str) or wrong:
        raise InputError(f"accept: {accept!r}; what can be accepted is a list of {', '.join(ACCEPTED)}")


def other_data(then: TrainedOn, now: TrainedOn) -> list[str]:
    """A line for each thing of ``now`` that the run was not trained on."""
    if then.kind != now.kind:
        was, is_now = (_KINDS[kind] for kind in (then.kind, now.kind))
        return [f"{was} in the run, {is_now} now"]
    return other_files(then.files, now.files, "train")


_KINDS = {"spec": "the spec's data", "input_fn": "batches of a program (input_fn)"}


def _refused_data(directory: Path, lines: Sequence[str]) -> InputError:
    return InputError(
        "\n  ".join(
            [
                f"{directory}: was trained on other data; put it back, or say --accept data (in Python "
                "RunConfig(accept=['data'])) if that is meant:",
                *lines,
            ]
        )
    )


def require_data(
    directory: Path, feed: Callable[[TrainedOn | None], TrainedOn], accept: Collection[Accepted]
) -> None:
    """Raise InputError unless what is read is what the run was trained on, for those who only read the run.

    Another evaluation file is told, no more: it may well be meant.
    """
    require_accepted(accept)
    origin = Origin.read(directory)
    if origin is None or origin.feed is None:
        return
    now = feed(origin.feed)
    lines = other_data(origin.feed, now)
    if lines and "data" not in accept:
        raise _refused_data(directory, lines)
    _tell_other_data(directory, [*lines, *other_files(origin.feed.files, now.files, "eval")])


def require_first_batch(
    directory: Path, state: Mapping[str, JsonValue], mark: str, accept: Collection[Accepted]
) -> None:
    """Raise InputError where the first batch is another than a checkpoint's state tells of, unless that is accepted.

    The files are the same then: what makes batches of them is another version.
    """
    data = state.get("data")
    then = data.get("first_batch") if isinstance(data, dict) else None
    if then is None or then == mark:
        return
    line = (
        f"the batch of step 1 was of SHA-256 {printable(str(then)[:12])}… and is of {mark[:12]}… now, from the same "
        "files: another version of Zoo, of a plugin or of a library that reads them makes other examples"
    )
    if "data" not in accept:
        raise _refused_data(directory, [line])
    _tell_other_data(directory, [line])


def require_files(directory: Path, wanted: Sequence[Source], accept: Collection[Accepted]) -> None:
    """As ``require_data``, of these files alone."""
    origin = Origin.read(directory)
    if origin is None or origin.feed is None:
        return
    fields = {source.field for source in wanted}
    then = [mark for mark in origin.feed.files if mark.field in fields]
    lines = other_files(then, marked(wanted, then), "train")
    if lines and "data" not in accept:
        raise _refused_data(directory, lines)
    _tell_other_data(directory, lines)


def _tell_other_data(directory: Path, lines: Sequence[str]) -> None:
    for line in lines:
        LOG.warning(f"{directory}: reads other data than the run did: {line}")
