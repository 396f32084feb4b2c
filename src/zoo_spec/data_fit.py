"""Whether an experiment's data can feed its model: all that can be said of it before any of it is read."""

from __future__ import annotations

from functools import singledispatch

from zoo_spec.batching_fit import check_batching
from zoo_spec.bound_fields import field_of
from zoo_spec.data import (
    AudioManifest,
    Data,
    GeneratedData,
    GeneratedShapes,
    LabelledTextData,
    LabelledWordsData,
    MixtureData,
    PictureData,
    QuestionData,
    RunningTextData,
    SourceData,
    TokenizedData,
    UtteranceData,
)
from zoo_spec.data.spans import SpanSettings
from zoo_spec.data.target_text import TargetTextData
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import runners
from zoo_spec.graph import Graph
from zoo_spec.registry import classes
from zoo_spec.tasks.base import Task
from zoo_spec.tasks.direction import looks_back_alone

PAIRS = ("next_sentence", "sentence_order", "sentence_distance")
"""The tasks on pairs of segments, whose labels text gives: ``<name>_labels``."""


def check_data(spec: ExperimentSpec, graph: Graph) -> None:
    """Raise InputError where the data's kind or sizes do not fit the spec's task and graph."""
    _check_records(spec)
    fits(spec.data, spec, graph)
    check_batching(spec, graph)
    if isinstance(spec.data, SourceData | MixtureData) and spec.data.evaluation is not None:
        _check_evaluation(spec, spec.data.evaluation, graph)


def _check_evaluation(spec: ExperimentSpec, data: Data, graph: Graph) -> None:
    """What is evaluated on is of the kind that is learned from, where that is records, and fits the model as that."""
    wanted = spec.data.gives
    if wanted is not None and (data.gives is None or not issubclass(data.gives, wanted)):
        is_of = "no records" if data.gives is None else data.gives.what
        raise InputError(
            f"data.evaluation, of kind {data.kind!r}, is {is_of}, and data of kind {spec.data.kind!r} is "
            f"{wanted.what}; name data of the same kind of record"
        )
    check_data(spec.model_copy(update={"data": data}), graph)


def _check_records(spec: ExperimentSpec) -> None:
    """A source of records goes with a task that learns from these."""
    gives, task = spec.data.gives, spec.task
    if gives is None or any(issubclass(gives, kind) for kind in task.learns_from):
        return
    fit = [
        kind
        for kind, cls in classes(Task).items()
        if issubclass(cls, Task) and any(issubclass(gives, each) for each in cls.learns_from)
    ]
    raise InputError(
        f"data of kind {spec.data.kind!r} is {gives.what}, which {task.kind} does not learn from; "
        + (f"set task.kind to {', '.join(fit)}, or data.kind" if fit else "set data.kind")
        + f" to what fits the other, or give batches of your own (input_fn of {runners()})"
    )


@singledispatch
def fits(data: Data, spec: ExperimentSpec, graph: Graph) -> None:
    """As ``check_data``, of a kind of data; registered on its class. What says nothing here shows when it is read."""


@fits.register
def _text(data: RunningTextData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_tokens(graph, data)
    _check_length(spec, data, graph)
    _check_lengths(spec, data, graph)
    # A block may hold less than the graph's bounds let in, and says so of a known size.
    graph.bind(sequence=data.sequence_length)


@fits.register
def _mixture(data: MixtureData, spec: ExperimentSpec, graph: Graph) -> None:
    for source in data.sources:
        check_data(spec.model_copy(update={"data": source.data}), graph)


@fits.register
def _labelled_text(data: LabelledTextData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_tokens(graph, data)
    _check_length(spec, data, graph)
    graph.bind(sequence=data.sequence_length)
    _check_labels(data.labels, graph)
    if data.texts > most_texts(graph):
        raise InputError(
            f"data of kind {data.kind!r} has two texts a record, and {graph.name} takes one: {_why_one(graph)}"
        )


@fits.register
def _target_text(data: TargetTextData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_tokens(graph, data)
    _check_length(spec, data, graph)
    if "decoder_input_ids" not in graph.inputs:
        graph.bind(sequence=data.sequence_length)
        return
    length, most = data.most_target, _most(graph, "target_sequence")
    if most is not None and length > most:
        said = "target_length" if data.target_length is not None else "sequence_length"
        raise InputError(
            f"data.{said} {length} is above the {most} positions of the model's decoder; lower data.target_length, "
            f"or raise {field_of(spec, 'target_sequence')}"
        )
    graph.bind(sequence=data.sequence_length, target_sequence=length)


@fits.register
def _questions(data: QuestionData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_tokens(graph, data)
    _check_length(spec, data, graph)
    graph.bind(sequence=data.sequence_length)
    if most_texts(graph) < 2:
        raise InputError(
            f"data of kind {data.kind!r} has two texts a record, a question and its context, and {graph.name} takes "
            f"one: {_why_one(graph)}"
        )


def _why_one(graph: Graph) -> str:
    if looks_back_alone(graph):
        return "it reads running text, without separators"
    return "it has 1 token type, and a pair has 2; set model.type_vocab_size to 2"


@fits.register
def _labelled_words(data: LabelledWordsData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_tokens(graph, data)
    _check_length(spec, data, graph)
    graph.bind(sequence=data.sequence_length)
    _check_labels(data.labels, graph)


def _check_labels(names: tuple[str, ...] | None, graph: Graph) -> None:
    classes = label_count(graph)
    if names is not None and classes is not None and len(names) != classes:
        raise InputError(
            f"data.labels names {len(names)} labels, and task.classes is {classes}; set it to {len(names)}"
        )


def label_count(graph: Graph) -> int | None:
    """How many labels a graph's ``logits`` tell apart; None for one that tells none."""
    logits = graph.outputs.get("logits")
    width = None if logits is None or logits.rank < 2 else logits.shape[-1]
    return width if isinstance(width, int) else None


def most_texts(graph: Graph) -> int:
    """How many texts one example may have: a pair needs separators, and a token type each where there are types."""
    return 1 if looks_back_alone(graph) else min(2, graph.table_rows().get("token_type_ids", 2))


@fits.register
def _image(data: GeneratedShapes, spec: ExperimentSpec, graph: Graph) -> None:
    image_size(data, graph)


@fits.register
def _picture(data: PictureData, spec: ExperimentSpec, graph: Graph) -> None:
    height, width, channels = image_size(data, graph)
    for name, value in (("mean", data.mean), ("std", data.std)):
        if isinstance(value, tuple) and len(value) != channels:
            raise InputError(
                f"data.{name} has {len(value)} numbers, and the model's images {channels} channel(s); give as many"
            )
    if data.shorter_side is not None and data.shorter_side < max(height, width):
        raise InputError(
            f"data.shorter_side {data.shorter_side} is less than the model's {height} x {width} pixels; raise it"
        )
    if data.augmentation is not None and data.augmentation.quarter_turns and height != width:
        raise InputError(
            f"data.augmentation.quarter_turns turns a side into the other, and the model's images have {height} x "
            f"{width} pixels; leave it out"
        )


@fits.register
def _utterances(data: UtteranceData, spec: ExperimentSpec, graph: Graph) -> None:
    longest_waveform(data, graph)


@fits.register
def _manifest(data: AudioManifest, spec: ExperimentSpec, graph: Graph) -> None:
    _utterances(data, spec, graph)
    if data.transcripts is None and data.units is None:
        raise InputError(
            f"data of kind {data.kind!r} names neither transcripts nor units, so that nothing would be learned of "
            "the sounds; set data.transcripts to ltr or wrd, or data.units to km"
        )


def longest_waveform(data: UtteranceData, graph: Graph) -> int:
    """Samples of an example; the default gives way where the model allows less, another size was asked for."""
    bound = graph.bounds.get("samples")
    if bound is None or "waveform" not in graph.inputs:
        raise InputError(
            f"data of kind {data.kind!r} needs a model with an input waveform [batch, samples]; it has "
            f"{', '.join(graph.inputs)}; set data.kind to what the model reads"
        )
    size, most = data.waveform_samples, bound.maximum
    if most is not None and size > most:
        if size != type(data).model_fields["waveform_samples"].default:
            raise InputError(
                f"data.waveform_samples {size} is above the {most} that the model takes; lower it, or raise "
                "model.max_samples"
            )
        size = most
    if size < bound.minimum:
        raise InputError(
            f"data.waveform_samples {size} is below the {bound.minimum} that the model needs; raise it"
        )
    return size


@fits.register
def _generated(data: GeneratedData, spec: ExperimentSpec, graph: Graph) -> None:
    _check_generated(spec, data, graph)
    sizes = drawn_sizes(data, graph)
    graph.bind(**{name: size for name, size in sizes.items() if name != "batch"})


def image_size(data: Data, graph: Graph) -> tuple[int, int, int]:
    """Height, width and channels of the graph's image; InputError if it has none."""
    image = graph.inputs.get("image")
    sizes = image.shape[1:] if image is not None else ()
    known = tuple(size for size in sizes if isinstance(size, int))
    if len(sizes) != 3 or len(known) != 3:
        met = f"it is {image}" if image is not None else f"it has {', '.join(graph.inputs)}"
        raise InputError(
            f"data of kind {data.kind!r} needs a model with an input image [batch, height, width, "
            f"channels] of known sizes; {met}; set data.kind to what the model reads"
        )
    return known


def drawn_sizes(data: GeneratedData, graph: Graph) -> dict[str, int]:
    """The size at which each open dimension is drawn, within the bounds that the graph gives it."""
    sizes: dict[str, int] = {}
    for name, bound in graph.bounds.items():
        field = _GENERATED.get(name, "open_size")
        size = max(int(getattr(data, field)), bound.minimum)
        sizes[name] = size if bound.maximum is None else min(size, bound.maximum)
    return sizes


def spans_of(data: RunningTextData) -> SpanSettings:
    """What span corruption cuts out of this text."""
    return SpanSettings(data.sequence_length, data.masked_fraction, data.mean_span_length)


def _check_tokens(graph: Graph, data: TokenizedData) -> None:
    if graph.table_rows().get("input_ids") is None:
        raise InputError(
            f"data of kind {data.kind!r} gives input_ids, which no embedding of the model reads; "
            "set data.kind to what it reads"
        )


def _check_length(spec: ExperimentSpec, data: TokenizedData, graph: Graph) -> None:
    length, most = data.sequence_length, _most(graph, "sequence")
    if most is not None and length > most:
        raise InputError(
            f"data.sequence_length {length} is above the {most} positions of the model; "
            f"lower it, or raise {field_of(spec, 'sequence')}"
        )


def _check_lengths(spec: ExperimentSpec, data: RunningTextData, graph: Graph) -> None:
    if "decoder_input_ids" in graph.inputs:
        _check_spans(spec, data, graph)
    elif "masked_ids" in graph.inputs:
        _check_masked(data, graph)


def _check_masked(data: RunningTextData, graph: Graph) -> None:
    most = _most(graph, "predictions")
    if most is not None and data.max_predictions > most:
        raise InputError(
            f"data.max_predictions {data.max_predictions} is above the {most} that the model takes; lower it"
        )
    types = graph.table_rows().get("token_type_ids", 2)
    if (
        any(f"{task}_labels" in graph.inputs for task in PAIRS)
        and "token_type_ids" in graph.inputs
        and types < 2
    ):
        raise InputError(
            f"sentence pairs have 2 token types, and the model has {types}; set model.type_vocab_size to 2"
        )


def _check_spans(spec: ExperimentSpec, data: RunningTextData, graph: Graph) -> None:
    spans, most = spans_of(data), _most(graph, "target_sequence")
    if most is not None and spans.target_length > most:
        raise InputError(
            f"data.sequence_length {data.sequence_length} makes targets of {spans.target_length} tokens, above the "
            f"{most} positions of the model; lower it or data.masked_fraction, or raise "
            f"{field_of(spec, 'target_sequence')}"
        )
    rows = graph.table_rows()["input_ids"]
    if spans.sentinels >= rows:
        raise InputError(
            f"data.sequence_length {data.sequence_length} needs {spans.sentinels} sentinels, and the model has "
            f"{rows} token ids in all; lower it, or raise model.vocab_size"
        )


_GENERATED = {
    "sequence": "sequence_length",
    "target_sequence": "sequence_length",
    "predictions": "max_predictions",
    "samples": "waveform_samples",
}
"""The field that says how large drawn inputs are, by open dimension."""


def _check_generated(spec: ExperimentSpec, data: GeneratedData, graph: Graph) -> None:
    """What a field has by default gives way to the model's bounds; another size was asked for."""
    for dimension, field in _GENERATED.items():
        bound, size = graph.bounds.get(dimension), int(getattr(data, field))
        if bound is None or size == GeneratedData.model_fields[field].default:
            continue
        if bound.maximum is not None and size > bound.maximum:
            raise InputError(
                f"data.{field} {size} is above the {bound.maximum} that the model takes; lower it, or raise "
                f"{field_of(spec, dimension)}"
            )
        if size < bound.minimum:
            raise InputError(
                f"data.{field} {size} is below the {bound.minimum} that the model needs; raise it"
            )


def _most(graph: Graph, dimension: str) -> int | None:
    bound = graph.bounds.get(dimension)
    return None if bound is None else bound.maximum
