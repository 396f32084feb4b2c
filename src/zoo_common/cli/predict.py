"""``zoo predict``: a trained model's answers, as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_common.cli.options import AcceptOption, DeviceOption, FrameworkOption, accepted, example, refuse
from zoo_common.cli.replicas import ReplicasOption, TimeoutOption, joined

if TYPE_CHECKING:
    from zoo_common.prediction import Answer, Line, Predictor
    from zoo_spec.data.limits import TextLimits


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = (
        "zoo predict --framework torch --run-dir runs/bert_tiny-torch 'The [MASK] of a list is its length.'",
        "zoo predict --framework tf --run-dir runs/bert_tiny-torch --input sentences.txt > answers.jsonl",
        "zoo predict --framework tf --run-dir runs/mnist_fc-tf three.png t10k-images-idx3-ubyte",
        "zoo predict --framework torch --run-dir runs/hubert_tiny_ctc-torch speech.flac recordings/",
        "zoo predict --framework torch --run-dir runs/unet_tiny-torch --output masks photographs/",
        "zoo predict --framework torch --run-dir runs/bert_tiny-torch --embeddings pooled --input sentences.txt",
    )
    app.command("predict", epilog=example(*examples))(predict)


def predict(
    context: typer.Context,
    framework: FrameworkOption,
    run_dir: Annotated[Path, typer.Option("--run-dir", metavar="DIR", help="The run's directory.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="[INPUT]...", help="Texts, or files of images or sounds.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="A file with an input on each line.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many words to tell of each place: 5; or answers.")
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            "--embeddings",
            metavar="sentence|pooled|tokens|all",
            help="Write these, not the task's own answers.",
        ),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Beside entities, tell the label of each word.")
    ] = False,
    squad: Annotated[
        Path | None,
        typer.Option("--squad", metavar="DIR", help="Write SQuAD's predictions.json there too, and others."),
    ] = None,
    glue: Annotated[
        Path | None,
        typer.Option(
            "--glue", metavar="DIR", help="Answer GLUE's test files there, as its site takes them; no INPUT."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR|FILE.npy", help="A folder for masks, or a file for embeddings."
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Inputs computed at once: the training's.")
    ] = None,
    accept: AcceptOption = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", metavar="NAME=NUMBER", help="Read more than data.limits says; may be repeated."
        ),
    ] = None,
    device: DeviceOption = "auto",
    replicas: ReplicasOption = None,
    replica_timeout: TimeoutOption = None,
) -> None:
    """Answer inputs with a run's newest weights, in either framework, whichever trained it.

    An image classifier takes PNG, JPEG, BMP, TIFF, WebP, IDX and .npy files, and folders of them; so does a model of
    segmentation, which writes a mask for each into the folder --output. A model that recognises speech FLAC and WAV
    files, and folders of them. A masked language model takes text with
    [MASK] in it, two sentences with [SEP] between them; a causal one the beginning of a text; a model that labels
    texts or words a text, or two; one that answers questions a question, [SEP], and a text, a line of JSON with id,
    question and context, or --input of SQuAD's own .json. With --embeddings any model of text writes the vectors of
    its tokens, of the whole text, or both, and one of speech those of its frames. Without INPUT or --input, standard
    input is read, an input a line. There is a line of JSON for each, in order; an input that cannot be answered has
    "error" there, and the exit status is 2 in the end.

    A vocabulary that a run reads from the user's own file has to be what it was; --accept data takes another. With
    --replicas, or under torchrun or TF_CONFIG, each process answers its share, of INPUT or --input.
    """
    import sys
    from collections import deque

    from zoo_common.prediction import open_predictor
    from zoo_common.prediction import predict as answers
    from zoo_common.prediction.glue_submission import submit
    from zoo_common.prediction.squad_predictions import written
    from zoo_common.training.spec_run import reopen
    from zoo_spec.data.limits import TextLimits, limits_of, with_limits
    from zoo_spec.errors import InputError
    from zoo_spec.tasks.question_answering import QuestionAnswering

    accepts = accepted(accept)
    with joined(context, framework, replicas, replica_timeout) as (backend, met):
        run = reopen(backend, run_dir, device=device, accept=accepts, replicas=met)
        learner = run.learner
        learner.require_vocabulary()
        data = with_limits(learner.spec.data.asked, limit or [])
        spec = learner.spec.model_copy(update={"data": data})
        if squad is not None and not isinstance(spec.task, QuestionAnswering):
            raise InputError(
                f"--squad is for answers to questions, and the task is {spec.task.kind}; leave it out"
            )
        if squad is not None and top is None:
            top = _RANKED
        predictor = open_predictor(
            spec,
            learner.graph,
            run.directory,
            top=top,
            embeddings=embeddings,
            every_word=words,
            output=output,
        )
        if met.size > 1:
            stdin = not inputs and file is None
            refuse(
                {"--glue": glue, "standard input": stdin},
                "one process",
                "leave --replicas out, or give --input",
            )
        if glue is not None:
            others = {"--squad": squad, "--output": output, "--embeddings": embeddings}
            refuse(
                {"INPUT": inputs, "--input": file, **others},
                "no --glue",
                "it reads the test files of the run's data",
            )
            run.load()
            size = batch_size or learner.examples_at_once
            for path in submit(learner.at_work(), predictor, data, glue, batch_size=size):
                print(path, file=sys.stderr)
            return
        vectors = _vectors(predictor, embeddings, output)
        said = limits_of(data)
        limits = said if isinstance(said, TextLimits) else TextLimits()
        lines, is_typed = _lines(inputs or [], file, predictor, limits)
        run.load()
        if met.rank == 0:
            print(f"{run.checkpoint}: answers come from these weights", file=sys.stderr)
        size = 1 if is_typed else learner.examples_at_once
        found = answers(
            learner.at_work(), predictor, lines, batch_size=batch_size or size, strict=False, replicas=met
        )
        if met.rank:
            deque(found, maxlen=0)  # Replica 0 prints them.
            return
        if output is not None and vectors is not None:
            from zoo_common.prediction.vectors_file import write_vectors

            found = write_vectors(output, vectors, found)
        _print(found if squad is None else written(found, squad))


def _vectors(predictor: Predictor, embeddings: str | None, output: Path | None) -> str | None:
    """Which vector of each answer goes into a file; None where none does."""
    from zoo_common.prediction.masks import Masks
    from zoo_common.prediction.vectors_file import check_vectors_file

    if output is None or isinstance(predictor, Masks):
        return None
    return check_vectors_file(output, embeddings)


def _lines(
    inputs: list[str], file: Path | None, predictor: Predictor, limits: TextLimits
) -> tuple[Iterable[Line], bool]:
    """The inputs, and whether a person types them, who waits for each answer."""
    import sys

    from zoo_common.data.files import existing_file
    from zoo_common.prediction import ReadsDocuments, ReadsFolders, in_folders, lines_of, read_lines
    from zoo_spec.errors import InputError
    from zoo_spec.reading import printable

    if inputs and file is not None:
        raise InputError(f"--input {file} and {len(inputs)} INPUT are given; keep one")
    if inputs:
        if isinstance(predictor, ReadsFolders):
            inputs = list(in_folders(inputs, predictor.endings))
        if predictor.reads_files:
            for path in inputs:
                existing_file(path)
        return lines_of(inputs), False
    if file is not None:
        found = predictor.documents(file, limits) if isinstance(predictor, ReadsDocuments) else None
        if found is not None:
            return found, False
        return read_lines(existing_file(file), printable(file), limits), False
    return read_lines(sys.stdin.buffer, "standard input", limits), sys.stdin.isatty()


def _print(answers: Iterator[Answer]) -> None:
    """Each answer as soon as it is there; raises InputError in the end if some are errors."""
    import json

    from zoo_spec.errors import InputError

    count, errors, shown = 0, 0, []
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False, allow_nan=False), flush=True)
        count += 1
        if "error" in answer:
            errors += 1
            shown += [str(answer["error"])] if errors <= _SHOWN else []
    if count == 0:
        raise InputError("there is nothing to predict: give an INPUT, or lines in --input or standard input")
    if errors:
        summary = [f"{errors:,} of {count:,} inputs have no answer"] if count > 1 else []
        raise InputError("\n".join([*shown, *summary]))


_RANKED = 20
"""Answers of each question in nbest_predictions.json, unless --top says how many."""
_SHOWN = 10
"""How many errors standard error gives; standard output has all."""
