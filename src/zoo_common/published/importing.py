"""Published weights to a run at step 0, on which every other command works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo_common.interop.matching import Match, Renamed
from zoo_common.interop.repeats import differing_buffers, differing_ties
from zoo_common.published import ernie, fairseq, keras_hub, tensorflow1, transformers_folder, vit_npz
from zoo_common.published.images import read_images
from zoo_common.published.place import Place
from zoo_common.published.sentence import Sentence, read_sentence
from zoo_common.published.sounds import letters_beside, read_sounds
from zoo_common.published.source import Published, Recogniser
from zoo_common.published.spec import Read, read_spec
from zoo_common.published.tokenizers import Tokenizer, read_tokenizer
from zoo_common.published.writing_run import Kept, require_new, write_run
from zoo_common.weights import Report, Row, WeightSource, start_of
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.foreign.config import Fields
from zoo_spec.foreign.hub import labels_of
from zoo_spec.reading import printable
from zoo_spec.tasks.ctc import Ctc

RECOGNISERS: tuple[Recogniser, ...] = (
    transformers_folder.recognise,
    fairseq.recognise,
    ernie.recognise,
    keras_hub.recognise,
    tensorflow1.recognise,
    vit_npz.recognise,
)
"""Whoever tells whose weights something is, asked in this order."""
_SEQUENCE = 128
_SHOWN = 20


@dataclass(frozen=True)
class Imported:
    """A run at step 0, and what became of each tensor on the way there."""

    directory: Path
    spec: ExperimentSpec
    report: Report


def import_published(
    source: Path,
    output: Path,
    *,
    name: str | None = None,
    task: str | None = None,
    format: str | None = None,
    trained_as_authors: bool = False,
) -> Imported:
    """Make ``output``, a run at step 0 with the weights of ``source``, whole or not at all.

    ``task`` is the kind of the head that is wanted, where it is not the one that was saved; ``format`` the files'
    that are meant, where there are several. ``trained_as_authors``: with what the authors computed where the
    configuration says something else.

    Raises InputError for what is not read here, does not fit its own configuration, or cannot be honoured, and for an
    ``output`` that is there; EnvironmentFault where the disk has no room.
    """
    require_new(output)
    with opened(source, format) as published:
        tokenizer, said = _tokenizer(published)
        images, told = read_images(published.folder) if published.family.domain == "vision" else (None, [])
        sounds, heard = read_sounds(published) if published.family.domain == "speech" else (None, [])
        sentence = _sentence(published, tokenizer)
        read = read_spec(
            published,
            name=name or name_of(source),
            task=task,
            trained_as_authors=trained_as_authors,
            data=images or sounds or _data(published, tokenizer, sentence),
            representation={} if sentence is None else sentence.task,
        )
        require_whole(published, read)
        ties = differing_ties(read.match, published.tensors)
        weights = Renamed(published.tensors, read.match.taken)
        names, unnamed = _labels(published, read.spec)
        report = _report(published, read, ties, [*said, *told, *heard, *unnamed])
        kept = Kept(source, published.files, published.folder, tokenizer, names)
        write_run(output, read.spec, weights, kept)
    return Imported(output, read.spec, report)


@contextmanager
def opened(source: Path, format: str | None = None) -> Iterator[Published]:
    """What somebody published there; InputError for what nobody here can read."""
    with Place(source, format) as place:
        for each in RECOGNISERS:
            found = each(place)
            if found is not None:
                yield found
                return
        raise _unknown(place)


def _tokenizer(published: Published) -> tuple[Tokenizer | None, list[str]]:
    if published.family.domain != "language":
        return None, []
    rows = published.read().model.get("vocab_size")
    read = published.tokenizer or read_tokenizer
    return read(published.folder, rows if isinstance(rows, int) else 0)


def _unknown(place: Place) -> InputError:
    shown = printable(place.path)
    if not place.boxes:
        return InputError(
            f"{shown}: holds no weights in a form that is read here; docs/weights.md lists them"
        )
    for box in place.boxes:
        place.tensors(box)  # What is wrong with a file says more than that nobody knows it.
    names = ", ".join(printable(box.path.name) for box in place.boxes[:_SHOWN])
    return InputError(
        f"{shown}: holds tensors ({names}) and no configuration that says of what; put config.json beside them"
    )


def name_of(source: Path) -> str:
    """What a run of it is called, by default: as the folder, or the file."""
    stem = source.resolve().name
    return "".join(each if each.isalnum() or each in "._-" else "-" for each in stem).strip(".") or "imported"


def _sentence(published: Published, tokenizer: Tokenizer | None) -> Sentence | None:
    """How one vector is made of a text, where the folder says it."""
    width = published.read().model.get("hidden_size")
    found = read_sentence(published.folder, width)
    if found is not None and found.lower_case and tokenizer is not None and not tokenizer.lower_case:
        raise InputError(
            f"{printable(published.folder)}: sentence_bert_config.json says do_lower_case, and the tokenizer keeps "
            "case; texts are not lower-cased before it here"
        )
    return found


def _data(published: Published, tokenizer: Tokenizer | None, sentence: Sentence | None) -> Fields | None:
    """Text for who has a tokenizer; else what the task has by default."""
    if tokenizer is None:
        return None
    model = published.read().model
    most = model.get("max_positions")
    position = model.get("position")
    if isinstance(position, dict) and isinstance(position.get("size"), int):
        most = position["size"]
    length = _SEQUENCE if sentence is None or sentence.longest is None else sentence.longest
    length = min(length, most) if isinstance(most, int) else length
    return {
        "kind": "text",
        "tokenizer": tokenizer.kind,
        "lower_case": tokenizer.lower_case,
        "sequence_length": length,
    }


def _labels(published: Published, spec: ExperimentSpec) -> tuple[list[str] | None, list[str]]:
    """What the classes are called, if anything says it, and what is to be said of that."""
    try:
        names = labels_of(published.config)
    except ValueError as error:
        raise InputError(f"{published.config_from}: {error}") from None
    if names is None and isinstance(spec.task, Ctc):
        return letters_beside(published, spec.task.classes)
    return names, []


def require_whole(published: Published, read: Read) -> None:
    """Raise InputError unless the body is there, fits, and is all that its names belong to."""
    found = read.match
    missing = [name for fault in found.faults for name in fault.missing]
    lines = [f"missing: {_listed(missing)}"] if missing else []
    lines += [fault.line for fault in found.faults if fault.line][:_SHOWN]
    if found.strange:
        lines.append(f"not known in the body of such a model: {_listed(found.strange)}")
    if found.twice:
        lines.append(f"given twice, in an older spelling too: {_listed(found.twice)}")
    if not lines and not found.takes_of_the_body:
        lines.append("nothing of the body is there")
    if not lines:
        wrong = differing_buffers(found, published.tensors)
        lines += [f"{name} must follow from {of}, and does not" for name, of in wrong.items()][:_SHOWN]
    if lines:
        kind = read.spec.model.kind
        head = f"{published.config_from}: the weights beside it are not those of its model ({kind}):"
        raise InputError("\n  ".join([head, *lines]))


def _report(published: Published, read: Read, ties: dict[str, str], said: list[str]) -> Report:
    found, tensors = read.match, published.tensors
    rows = [
        Row("taken", name, entry.shape, "" if entry.dtype == "float32" else entry.dtype)
        for name, entry in Renamed(tensors, found.taken).entries.items()
    ]
    parameters = read.spec.graph().parameters()
    order = {name: index for index, name in enumerate(parameters)}
    rows.sort(key=lambda row: order[row.name])
    for name, why in found.new.items():
        start = parameters[name].initializer
        rows.append(Row("new", name, parameters[name].shape, f"{why}: drawn from {start_of(start)}"))
    for name, why in {**found.left, **_repeated(found, tensors, ties)}.items():
        rows.append(Row("left", name, tensors.entries[name].shape, why))
    return Report(printable(published.folder), tuple(rows), (*read.notes, *said))


def _repeated(found: Match, tensors: WeightSource, ties: dict[str, str]) -> dict[str, str]:
    said = {}
    for repeat, given in found.repeats:
        if given in ties:
            said[given] = f"differs from {repeat.of}, to which it is tied, and which is taken"
        else:
            said[given] = f"says again what {repeat.of} says"
    return said


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(printable, names[:_SHOWN])) + more
