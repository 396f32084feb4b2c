"""From a run to its predictor, by what its task declares.

What predicts is registered on the declaration's class, ``@open_prediction.register``, as a plugin does with its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

from zoo_common.data.label_names import read_label_names
from zoo_common.data.subwords.tokenizer import Subwords
from zoo_common.data.subwords.tokenizer_files import run_tokenizer
from zoo_common.prediction.base import Predictor
from zoo_common.prediction.words import Words
from zoo_spec.data_fit import label_count
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.frameworks import compilers
from zoo_spec.graph import Graph
from zoo_spec.tasks.direction import looks_back_alone
from zoo_spec.tasks.predictions import Embeddings, Prediction, TokenLabels

WORDS = 5
"""How many words are told of each place, unless the user says."""


@dataclass(frozen=True)
class Asked:
    """The run that is asked, and what of it: ``top`` words of each place, ``embeddings`` of a kind.

    ``every_word``: of entities, the label of each word too.
    """

    spec: ExperimentSpec
    graph: Graph
    run_dir: Path
    top: int | None = None
    embeddings: str = "all"
    every_word: bool = False
    output: Path | None = None
    """Where answers that are files go."""

    @property
    def words(self) -> int:
        """How many words are told of each place."""
        return WORDS if self.top is None else self.top

    def refuse_top(self, answer: str) -> None:
        """Raise InputError if words are asked for, whose ``answer`` is something else."""
        if self.top is not None:
            raise InputError(f"top is {self.top}, but {answer}; leave it out")

    def tokenizer(self) -> Subwords:
        """That of the run's text; InputError if it was trained on something else."""
        found = run_tokenizer(self.spec.data, self.run_dir, self.graph.table_rows().get("input_ids"))
        if found is None:
            own = ", whose data.vocabulary names the tokenizer of batches of your own"
            raise self.not_trained_on("text", own)
        return found

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """What the run's labels are called, in the order of their ids; None where it keeps no names."""
        return read_label_names(self.run_dir, label_count(self.graph))

    def text(self) -> Words:
        """The run's tokenizer and how a text is laid out for its model; errors as of ``tokenizer``."""
        return Words(self.tokenizer(), self.graph, is_running=looks_back_alone(self.graph))

    def not_trained_on(self, wanted: str, own: str = "") -> InputError:
        """The run's data does not say how ``wanted`` is fed; ``own`` is what else would."""
        return InputError(
            f"{self.spec.name}: was trained on data of kind {self.spec.data.kind!r}, which does not say how {wanted} "
            f"would be fed to it; predict with a run on data of kind {wanted!r}{own}"
        )


@singledispatch
def open_prediction(declared: Prediction, asked: Asked) -> Predictor:
    """What predicts as a task declares; InputError where the run, or what is asked of it, does not fit.

    Raises EnvironmentFault for a kind that nobody has registered.
    """
    raise EnvironmentFault(
        f"nothing makes predictions of kind {type(declared).__name__}: whoever brings it registers that with "
        "zoo_common.prediction.open_prediction"
    )


def open_predictor(
    spec: ExperimentSpec,
    graph: Graph,
    run_dir: Path,
    *,
    top: int | None = None,
    embeddings: str | None = None,
    every_word: bool = False,
    output: Path | None = None,
) -> Predictor:
    """What predicts with a run of this spec; ``top`` is the number of words told of each place.

    ``embeddings``, ``sentence``, ``pooled``, ``tokens`` or ``all``, asks for these in the place of the task's own
    answers. ``every_word`` has the label of each word told beside the entities.
    ``output`` is the folder of answers that are files, such as masks.
    Raises InputError if the task predicts nothing, or if what it predicts from is missing.
    """
    declared = spec.task.prediction()
    if embeddings is not None:
        declared = Embeddings()
    if declared is None:
        raise InputError(
            f"{spec.name}: the task {spec.task.kind} predicts nothing by itself; its outputs are "
            f"{', '.join(graph.outputs)}, which the compiled model gives ({compilers()})"
        )
    if every_word and not isinstance(declared, TokenLabels):
        raise InputError(f"{spec.name}: the task {spec.task.kind} labels no words; leave out --words")
    missing = [name for name in declared.outputs if name not in graph.outputs]
    if missing:
        raise InputError(
            f"{spec.name}: the task {spec.task.kind} predicts from the output {missing[0]!r}, and the model has "
            f"{', '.join(graph.outputs)}; name it so in model.outputs"
        )
    spec = spec.model_copy(update={"data": spec.data.asked})
    return open_prediction(
        declared, Asked(spec, graph, run_dir, top, embeddings or "all", every_word, output)
    )
