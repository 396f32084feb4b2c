"""A spec's graph on a backend, as a run trains and uses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from zoo_common.backend import Array, Backend, InferenceModel, State, Streaming, TrainingModel
from zoo_common.checkpoint import SavedWeights
from zoo_common.data import Dataset, Recipe, batches_by, open_dataset
from zoo_common.data.batch_marks import batch_mark
from zoo_common.data.file_marks import every_source, vocabulary_sources
from zoo_common.data.preparation import Preparation, folder_of
from zoo_common.data.subwords.tokenizer_files import FILE as TOKENIZER
from zoo_common.export import export
from zoo_common.log import LOG
from zoo_common.memory import examples_at_once, outlook, require_disk, require_memory
from zoo_common.replicas import ALONE, Replicas, all_do, first_alone, least, same
from zoo_common.training.agreed import same_batches
from zoo_common.training.blind import blind_scores
from zoo_common.training.cadence import stop_step
from zoo_common.training.differences import Fields
from zoo_common.training.evaluation import Passes, evaluate, evaluate_batches
from zoo_common.training.feed import InputFn, open_feed
from zoo_common.training.idle import PATIENCE, IdleWatch
from zoo_common.training.learner import ModeKeys, Start
from zoo_common.training.loop import (
    Step,
    require_compiling,
    require_replicable,
    require_trainable,
    run_batches,
    run_steps,
)
from zoo_common.training.metrics_file import losses, read_metrics
from zoo_common.training.named_batches import named_batches
from zoo_common.training.origin import (
    Accepted,
    FeedNow,
    TrainedOn,
    require_data,
    require_files,
    require_first_batch,
)
from zoo_common.training.run_directory import RunDirectory
from zoo_common.training.served import served
from zoo_common.training.session import Cadence, not_finite_after
from zoo_common.training.spec_beginning import chooser, spec_in
from zoo_common.training.taking_over import Widened, dtype_of, finite, not_finite, require_fit
from zoo_common.weights import InitialValues, WeightSource
from zoo_spec.errors import InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.tasks.metrics import TextMetric
from zoo_spec.trained import trained


class SpecLearner:
    """One spec on one backend, whose run is kept in ``directory``."""

    def __init__(
        self,
        backend: Backend,
        spec: ExperimentSpec,
        directory: Path,
        *,
        device: str = "auto",
        accept: Collection[Accepted] = (),
        workers: int | None = None,
        replicas: Replicas = ALONE,
    ) -> None:
        self.backend = backend
        self.replicas = replicas
        self.spec = spec
        self.graph = spec.graph()
        self.directory = directory
        self.name = backend.name
        self.title = spec.name
        training = spec.training
        self.seed = training.seed
        self.generator: str | None = training.random
        self._working = RunDirectory(directory).working if training.streams else None
        self._device = device
        self._accept = accept
        self._workers = workers
        self._first_batch: str | None = None
        self._model: InferenceModel | None = None
        self._trained: TrainingModel | None = None
        self._evaluation: Dataset | None = None
        self._fits = training.micro_batch_size or training.batch_size

    def at_work(self, load: Callable[[], None] = lambda: None) -> InferenceModel:
        """The model, which ``load`` makes if it has not been called for."""
        if self._model is None:
            load()
        assert self._model is not None
        return self._model

    @property
    def examples_at_once(self) -> int:
        """How many the model takes in one batch: a training batch's, or as many of these as fit into memory."""
        return self._fits

    def versions(self) -> dict[str, str]:
        """The backend's."""
        return self.backend.versions()

    def device_bytes(self) -> int | None:
        """The model's, once there is one."""
        return None if self._model is None else self._model.device_bytes()

    def description(self) -> Fields:
        """The resolved spec."""
        return self.spec.resolved()

    def described(self, file: Path) -> Fields:
        """A resolved spec."""
        return spec_in(file).resolved()

    def fingerprint(self) -> str:
        """The spec's."""
        return self.spec.fingerprint()

    def feed(self, input_fn: InputFn | None) -> FeedNow:
        """The files of the spec's data, or those of its vocabulary where a program gives the batches."""
        if input_fn is None:
            return self._spec_feed
        return lambda known: TrainedOn.of("input_fn", vocabulary_sources(self.spec.data.asked), known)

    def _spec_feed(self, known: TrainedOn | None) -> TrainedOn:
        folder = folder_of(self.spec.data)
        if folder is not None:  # Whatever files there still are, this is what was made of them.
            return TrainedOn(kind="spec", files=Preparation.read(folder).key.sources)
        return TrainedOn.of("spec", every_source(self.spec.data), known)

    def require_data(self) -> None:
        """Raise InputError unless the spec's data is what this run was trained on, or that is accepted."""
        require_data(self.directory, self._spec_feed, self._accept)

    def require_vocabulary(self) -> None:
        """Raise InputError unless the user's vocabulary is what it was, where the run keeps none of its own."""
        if not (self.directory / TOKENIZER).exists():
            require_files(self.directory, vocabulary_sources(self.spec.data.asked), self._accept)

    def require_trainable(self) -> None:
        """A loss, parameters, micro-batches that add up, memory, and disk where weights are streamed."""
        if not self.graph.loss_parts:
            outputs = ", ".join(self.graph.outputs)
            raise InputError(f"{self.title} has no loss to train; its outputs are {outputs}")
        require_trainable(self.graph, self.spec.training, self.replicas.size)
        require_replicable(self.spec.training, self.name, self.replicas.size)
        require_compiling(self.graph, self.spec.training, self.name, self.replicas.size)
        require_memory(self.spec, self.graph, self.name, replicas=self.replicas.size)
        require_disk(self.spec, self.graph, self.directory, self.name)
        first = self.replicas.rank == 0
        expected = outlook(self.spec, self.graph, self.directory, self.name) if first else None
        if expected is not None:
            (LOG.warning if expected.is_slow else LOG.info)(str(expected))

    def require_fit(self, checkpoint: SavedWeights) -> None:
        """Names, shapes and dtypes are the graph's."""
        require_fit(checkpoint, self.graph, self.spec.training, self.directory)

    def stop(self, start: int, steps: int | None, max_steps: int | None) -> int:
        """The last step; InputError beyond ``training.steps``, where the schedule of the rate ends."""
        end = self.spec.training.steps
        stop = stop_step(start, steps, max_steps)
        if stop is not None and stop > end:
            raise InputError(
                f"{stop} steps in all are asked for, and the spec's training.steps is {end}, where the schedule "
                f"of its learning rate ends; raise training.steps to {stop}"
            )
        return end if stop is None else stop

    def cadence(self, start: int, stop: int | None) -> Cadence:
        """The spec's."""
        return self.spec.training

    def evaluates(self, input_fn: InputFn | None) -> bool:
        """On the spec's own data."""
        return input_fn is None

    def nothing_left(self, start: int, stop: int) -> str:
        """More steps, or another directory."""
        return f"has its {stop} steps already; raise training.steps to go on, or give another directory"

    def way_on(self, directory: Path, steps: list[int]) -> str:
        """A lower rate, and from where it then goes on."""
        change = "lower training.optimizer.learning_rate, or lengthen the schedule's warm-up, in this command"
        if not steps:
            return f"{change}, which then begins again"
        run = RunDirectory(directory)
        at = losses(read_metrics(run.metrics_file)).get(steps[-1])
        loss = "" if at is None else f", of loss {at:.4g}"
        return (
            f"{change}: {directory} goes on from its step {steps[-1]}{loss}; where that is beyond help, delete "
            f"{run.checkpoints} to begin again there"
        )

    def learn(
        self, start: Start, input_fn: InputFn | None, stop: int | None, *, evaluates: bool
    ) -> Generator[Step, None, None]:
        """Open the data, have a model that is what ``start`` says, and give its steps."""
        training, done = self.spec.training, start.step
        end = training.steps if stop is None else stop
        dataset = first_alone(self.replicas, lambda: self._training_data(start)) if input_fn is None else None
        if dataset is not None:
            recipe = Recipe(self.spec, self.directory)
            ahead = batches_by(self._workers, recipe, dataset, done, end)
        elif self._workers:
            raise InputError(
                f"workers={self._workers} goes with the spec's own data; leave it out where an input_fn gives batches"
            )
        same(self.replicas, "the first batch", f"of the hash {self._first_batch}")
        model = all_do(self.replicas, lambda: self._training_model(start))
        if evaluates:
            # What is wrong with it is said before the first step, not after all.
            first_alone(self.replicas, self._evaluation_data)
        about = dataset.description() if dataset is not None else None
        LOG.info(
            f"{self.title} ({self.name}): {self.graph.parameter_count:,} parameters; "
            + (f"{about.source}, {about.samples:,} samples; " if about is not None else "")
            + f"{self.directory}"
            + (f", going on from step {start.step}" if start.step else "")
        )
        chosen = getattr(model, "compiling", "")  # A backend that compiles nothing says nothing.
        if chosen:
            LOG.info(chosen)
        self._tell_rates()
        self._tell_idle()
        watch = IdleWatch(f"{self.title} ({self.name})", ends=not done)
        if dataset is not None:
            epoch = dataset.epoch_steps(training.batch_size)
            watch.patience = min(PATIENCE, epoch) if done else min(PATIENCE, epoch, end)
            watch.why = dataset.why_weightless()
            return watch.through(run_steps(model, self.graph, training, ahead, done, self.replicas))
        feed = open_feed(input_fn, {"mode": ModeKeys.TRAIN, "start_step": done}, repeats=True)
        batches = islice(named_batches(feed, self.graph), max(end - done, 0))
        given = same_batches(self.replicas, batches, done) if self.replicas.size > 1 else batches
        return watch.through(run_batches(model, self.graph, training, given, done, self.replicas))

    def _training_data(self, start: Start) -> Dataset:
        """The training examples; InputError where they make other batches than the run had, unless accepted."""
        dataset, training = open_dataset(self.spec, self.directory, "train"), self.spec.training
        self._first_batch = batch_mark(dataset.batch(training.seed, 0, training.batch_size))
        if start.checkpoint is not None and not start.checkpoint.is_published:
            require_first_batch(self.directory, start.checkpoint.state, self._first_batch, self._accept)
        return dataset

    def _tell_rates(self) -> None:
        """Which parts of the model are frozen, or have a rate of their own, if any."""
        if self.spec.training.names_weights:
            rates = trained(self.graph, self.spec.training).in_words()
            LOG.info("rates, as the schedule's: " + "; ".join(f"{path} {said}" for path, said in rates))

    def _tell_idle(self) -> None:
        """Which replicas have nothing to do, if any."""
        rows, size = self.spec.training.batch_size, self.replicas.size
        if size > rows:
            LOG.warning(
                f"{size} replicas, and a step has {rows} rows (training.batch_size): those from {rows} on have "
                f"nothing to compute; {rows} replicas would be as fast"
            )

    def _training_model(self, start: Start) -> TrainingModel:
        """The model in training, made anew unless it is there and goes on from a checkpoint."""
        training, checkpoint = self.spec.training, start.checkpoint
        if self._trained is not None and checkpoint is not None and not checkpoint.is_published:
            self._trained.set_weights(self._numbers(checkpoint))
        else:
            self._model = self._trained = None  # Two of them need not fit.
            own = InitialValues(self.graph.parameters(), self.seed)
            begun = (
                start.beginning(own, chooser(self.spec, self.graph))
                if checkpoint is None
                else nullcontext(self._numbers(checkpoint))
            )
            with begun as weights:
                self._model = self._trained = self.backend.for_training(
                    self.graph,
                    training,
                    weights,
                    dtype=training.precision,
                    device=self._device,
                    replicas=self.replicas,
                    working=self._working,
                )
        if checkpoint is not None and not checkpoint.is_published:
            self._trained.import_optimizer(finite(checkpoint.optimizer(), checkpoint), checkpoint.step)
        return self._trained

    def _numbers(self, checkpoint: SavedWeights) -> WeightSource:
        """A checkpoint's weights as the model has them."""
        if self.spec.training.streams:
            checkpoint.keep()  # They are read when they are needed.
        return Widened(finite(checkpoint.weights(), checkpoint), dtype_of(self.spec.training))

    def suspect(self) -> str:
        """Nothing: batches are checked before they are learned from."""
        return ""

    def load(self, checkpoint: SavedWeights) -> None:
        """Have a model with these weights, which need not be one that could learn."""
        weights, training = self._numbers(checkpoint), self.spec.training
        if self._model is not None:
            self._model.set_weights(weights)
            return
        self._fits = least(self.replicas, examples_at_once(self.spec, self.graph, self.name))
        self._model = self.backend.for_inference(
            self.graph,
            weights,
            dtype=training.precision,
            device=self._device,
            tf32=training.tf32,
            streaming=Streaming(limit=training.memory_limit) if training.streams else None,
        )

    def evaluate(
        self, input_fn: InputFn | None, steps: int | None, passes: Passes = "all"
    ) -> dict[str, float]:
        """Over the evaluation data, or over ``input_fn``'s batches."""
        if input_fn is None:
            if steps is not None:
                raise InputError(
                    f"steps={steps} goes with an input_fn; the spec's own evaluation data is read as a whole"
                )
            dataset = self._evaluation_data()
            self._require_whole(passes)
            return evaluate(
                self.at_work(), self.spec, self.graph, dataset, self.examples_at_once, passes, self.replicas
            )
        feed = open_feed(input_fn, {"mode": ModeKeys.EVAL, "start_step": 0})
        batches = islice(named_batches(feed, self.graph), steps)
        return evaluate_batches(self.at_work(), self.spec, self.graph, batches, replicas=self.replicas)

    def _require_whole(self, passes: Passes) -> None:
        """InputError where replica 0 is to ask a model of which it has a part."""
        asks = [
            each.name for each in self.spec.task.metrics() if isinstance(each, TextMetric) and each.asks_model
        ]
        divided = self._trained is not None and self.spec.training.sharding != "none"
        if asks and passes == "all" and divided and self.replicas.size > 1:
            raise InputError(
                f"{', '.join(asks)}: a model that is divided over replicas is not asked for texts in training; "
                "evaluate its checkpoint, as zoo eval does"
            )

    def blind_scores(self) -> dict[str, float]:
        """What is scored over the evaluation data without a look at the input (``training.blind``)."""
        evaluation = self._evaluation_data()
        training = open_dataset(self.spec, self.directory, "train")
        return blind_scores(self.spec, self.graph, training, evaluation, self.examples_at_once)

    def _evaluation_data(self) -> Dataset:
        """The held-out examples, opened once."""
        if self._evaluation is None:
            self.require_data()
            self._evaluation = open_dataset(self.spec, self.directory, "eval")
        return self._evaluation

    def predict(self, input_fn: InputFn | None) -> Iterator[Mapping[str, Array]]:
        """The graph's outputs, without those that are one number for a whole batch, such as a loss."""
        feed = open_feed(input_fn, {"mode": ModeKeys.PREDICT, "start_step": 0})
        return self._rows(named_batches(feed, self.graph, labelled=False))

    def _rows(self, batches: Iterator[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        for batch in batches:
            outputs = self.at_work().predict_step(batch)
            count = len(next(iter(batch.values())))
            rows = {name: value for name, value in outputs.items() if value.shape[:1] == (count,)}
            for index in range(count):
                yield {name: value[index] for name, value in rows.items()}

    def export(self, output: Path, features: object, *, step: int) -> None:
        """As ``zoo_common.export``, with the features that the spec serves."""
        if features is not None:
            raise InputError("a spec says itself what its model takes; leave the features out")
        beside = served(self.spec, self.graph, self.directory)
        export(self.at_work(), self.backend, self.spec, beside.files, output, step=step, labels=beside.labels)

    def export_state(self) -> State:
        """The model's; DivergedError where it holds NaN or infinity, beside what is looked at as it is saved."""
        assert self._trained is not None
        state = self._trained.export_state()
        broken = [*not_finite(state.unwritten_weights), *not_finite(state.unwritten_optimizer)]
        if broken:
            raise not_finite_after(state.step, broken[0])
        return state

    def rest(self, step: int) -> dict[str, JsonValue]:
        """Where in the data it is, and what is drawn from."""
        return {
            "step": step,
            "framework": self.name,
            "data": {"examples": step * self.spec.training.batch_size, "first_batch": self._first_batch},
            "random": {"seed": self.seed, "generator": self.generator},
        }
