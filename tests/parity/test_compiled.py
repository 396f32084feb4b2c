"""A step that is compiled gives what one gives that is not, in either framework, and says what it does."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch._inductor.exc import InductorError

from models import training_model
from zoo_common.backend import find_backend
from zoo_common.data import batch, open_dataset
from zoo_common.training.differences import differences
from zoo_common.training.loop import require_compiling, train_on
from zoo_common.training.spec_run import spec_run
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, SpecError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.shrink import shrunk
from zoo_torch import compile_trial, compiled_pass, training
from zoo_torch.blocks.dense import Dense
from zoo_torch.compile_trial import TIMED, WARM, Trial

ON, OFF, AUTO = (f"training.compile={said}" for said in ("on", "off", "auto"))
DROPS = ("model.dropout=0.1", "model.attention_dropout=0.1", "model.num_layers=1", "training.optimizer=sgd")
MLP = ("model.hidden_sizes=[8]", "model.image_size=[4, 4]", "data.kind=generated")


@pytest.fixture(autouse=True)
def anew():
    torch.compiler.reset()


@pytest.fixture
def traced(monkeypatch):
    """Programs of torch's own operations, for which no compiler is needed; gives how many were made."""
    made = []

    def backend(module, inputs):
        made.append(len(inputs))
        return module.forward

    def compiled(function):
        return torch.compile(function, backend=backend, fullgraph=True, dynamic=False)

    monkeypatch.setattr(compiled_pass, "_compiled", compiled)
    return made


def dropping(said):
    """The smallest spec that has weights and drops something."""
    return ExperimentSpec.model_validate(
        {
            "model": {
                "kind": "graph",
                "inputs": {
                    "x": {"shape": ("batch", 6)},
                    "labels": {"shape": ("batch",), "dtype": "int32", "label": True},
                },
                "nodes": {
                    "wide": {"block": {"kind": "dense", "size": 64}, "inputs": "x"},
                    "some": {"block": {"kind": "dropout", "rate": 0.3}, "inputs": "wide"},
                    "classes": {"block": {"kind": "dense", "size": 3}, "inputs": "some"},
                    "class_loss": {
                        "block": {"kind": "softmax_cross_entropy"},
                        "inputs": ("classes", "labels"),
                    },
                },
                "outputs": {"logits": "classes", "loss": "class_loss"},
            },
            "task": {"kind": "representation"},
            "data": {"kind": "generated"},
            "training": {"compile": said},
        }
    )


def trained(framework, name, *overrides, sizes=(4, 4, 4)):
    """A small model in float64 after a step of each of these sizes; its backend and its weights by name."""
    return trained_by(framework, shrunk(load_spec(name, list(overrides))), sizes)


def trained_by(framework, spec, sizes=(4, 4, 4)):
    graph = spec.graph()
    dataset, model = open_dataset(spec, None, "train"), training_model(framework, graph, spec.training)
    for index, size in enumerate(sizes):
        sized = spec.training.model_copy(update={"batch_size": size})
        train_on(model, graph, sized, batch(dataset, 0, index, size), index)
    return model, model.export_state().weights


def assert_same(one, other, limit=1e-12):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "programs"),
    [
        (("training.random=native", "training.micro_batch_size=2"), 1),
        (("training.random=portable", 'training.freeze=["embeddings", "*.attention.key"]'), 1),
        (("training.random=portable", "training.recompute=true", "training.micro_batch_size=2"), 1),
        (("training.random=native", "training.recompute=true"), 1),
    ],
)
def test_torch_learns_the_same_with_the_same_masks(settings, programs, traced):
    _, plain = trained("torch", "bert_tiny", *DROPS, *settings, OFF)
    assert not traced
    _, found = trained("torch", "bert_tiny", *DROPS, *settings, ON)
    assert len(traced) == programs
    assert_same(plain, found)


def test_tensorflow_learns_the_same_with_the_same_masks():
    settings = (*DROPS, "training.random=portable", "training.recompute=true", "training.micro_batch_size=2")
    _, plain = trained("tf", "bert_tiny", *settings, OFF)
    model, found = trained("tf", "bert_tiny", *settings, ON)
    assert_same(plain, found)
    assert model.traces == 1


def test_inductor_drops_the_same_and_says_how_long_it_took(caplog, monkeypatch, tmp_path):
    # Of its own: a test that is killed leaves a half of what it compiled in the one of all.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    _, plain = trained_by("torch", dropping("off"))
    with caplog.at_level(logging.INFO, "zoo"):
        _, found = trained_by("torch", dropping("on"))
    assert_same(plain, found)
    (line,) = [each.getMessage() for each in caplog.records if "compiled the pass" in each.getMessage()]
    assert line.startswith("training.compile: compiled the pass as a whole for batches of 4 × 6, in ")


def test_xla_gives_the_same_and_says_how_long_it_took(caplog):
    _, plain = trained("tf", "mnist_fc", *MLP, OFF, sizes=(4, 3, 4))
    with caplog.at_level(logging.INFO, "zoo"):
        _, found = trained("tf", "mnist_fc", *MLP, ON, sizes=(4, 3, 4))
    assert_same(plain, found)
    said = [each.getMessage() for each in caplog.records if "compiled the pass" in each.getMessage()]
    assert [line.partition(", in ")[0].rpartition(" of ")[2] for line in said] == [
        "4 × 4 × 4 × 1",
        "3 × 4 × 4 × 1",
    ]


def test_a_shape_is_compiled_once_and_more_of_them_than_torch_has_room_for(traced):
    sizes = (*range(2, 13), *range(2, 13))
    _, plain = trained("torch", "mnist_fc", *MLP, OFF, sizes=sizes)
    _, found = trained("torch", "mnist_fc", *MLP, ON, sizes=sizes)
    assert len(traced) == 11
    assert_same(plain, found)


def test_what_losses_are_divided_by_is_no_part_of_a_program(traced):
    model, _ = trained("torch", "mnist_fc", *MLP, ON, sizes=())
    spec = shrunk(load_spec("mnist_fc", list(MLP)))
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 4)
    (part,) = spec.graph().loss_parts
    losses = [float(model.train_step([examples], {part.name: by}, 1e-9).loss) for by in (4.0, 5.0, 8.0)]
    assert losses == pytest.approx([losses[0], losses[0] * 4 / 5, losses[0] / 2], rel=1e-6)
    assert len(traced) == 1


def test_evaluation_and_other_gradients_compute_without_programs(traced):
    model, _ = trained("torch", "bert_tiny", *DROPS, "training.recompute=true", ON)
    spec = shrunk(load_spec("bert_tiny", list(DROPS)))
    examples = batch(open_dataset(spec, None, "train"), 0, 0, 3)
    before = len(traced)
    assert "logits" in " ".join(model.evaluate_step(examples))
    model.gradients(examples)
    assert len(traced) == before


def test_a_run_goes_on_under_another_setting():
    on, off = (load_spec("bert_tiny", [said]) for said in (ON, OFF))
    assert on.fingerprint() == off.fingerprint() == load_spec("bert_tiny").fingerprint()
    assert differences(on.resolved(), off.resolved()) == []


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EnvironmentFault, match=r"^training\.compile: .* C\+\+ compiler, .* install g\+\+"):
        trained("torch", "mnist_fc", *MLP, ON)
    monkeypatch.setattr(training, "hinders", lambda *about: "")
    model, _ = trained("torch", "mnist_fc", *MLP, AUTO)
    assert model.compiling.startswith(
        "training.compile auto: nothing is compiled: PyTorch compiles with a C++"
    )


def test_what_torch_cannot_compile_is_refused_in_a_line(traced, monkeypatch):
    forward = Dense.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: (print(end=""), forward(self, x))[1])
    with pytest.raises(EnvironmentFault) as caught:
        trained("torch", "mnist_fc", *MLP, ON)
    assert str(caught.value).startswith("training.compile: torch.compile makes no program of this model: ")
    assert str(caught.value).endswith("; set it to off")
    assert "\n" not in str(caught.value)


def test_what_is_refused_by_name():
    with pytest.raises(SpecError, match="compile 'on' and execution 'weight_streaming' do not go together"):
        load_spec("bert_tiny", [ON, "training.execution=weight_streaming"])
    spec = load_spec("mnist_fc", [ON])
    with pytest.raises(EnvironmentFault, match=r"training\.compile: nobody compiles no steps, PyTorch and"):
        require_compiling(spec.graph(), spec.training, "nobody")
    norms = load_spec("unet_tiny", [ON, "model.norm={kind: batch_norm, statistics: synchronized}"])
    require_compiling(norms.graph(), norms.training, "torch")
    with pytest.raises(EnvironmentFault, match="statistics 'synchronized' asks the other replicas"):
        require_compiling(norms.graph(), norms.training, "torch", replicas=2)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_auto_compiles_nothing_on_a_cpu_and_a_run_says_so(framework, traced, tmp_path, caplog):
    spec = load_spec("mnist_fc", [*MLP, AUTO, "training.steps=1", "training.batch_size=4"])
    with caplog.at_level(logging.INFO, "zoo"):
        spec_run(find_backend(framework)(), spec, tmp_path, device="cpu").train()
    assert caplog.text.count("training.compile auto: nothing is compiled: ") == 1
    assert not traced


def test_auto_tries_a_program_where_enough_of_the_run_is_left(traced, caplog, monkeypatch):
    monkeypatch.setattr(training, "hinders", lambda *about: "")
    monkeypatch.setattr(compile_trial, "START_UP", 0.0)
    sizes = (*(4,) * (WARM + TIMED + 2), 3, *(4,) * (WARM + TIMED))
    _, plain = trained("torch", "mnist_fc", *MLP, OFF, sizes=sizes)
    with caplog.at_level(logging.INFO, "zoo"):
        _, found = trained("torch", "mnist_fc", *MLP, AUTO, sizes=sizes)
    assert len(traced) == 1
    assert "are left, which pay for a program" in caplog.text
    assert "where nothing is compiled" in caplog.text
    assert_same(plain, found)


def test_auto_goes_on_without_where_torch_cannot_compile(monkeypatch, caplog):
    def compiled(function):
        def broken(module, inputs):
            raise RuntimeError("no such processor\nand more")

        return torch.compile(function, backend=broken, fullgraph=True)

    monkeypatch.setattr(compiled_pass, "_compiled", compiled)
    monkeypatch.setattr(training, "hinders", lambda *about: "")
    monkeypatch.setattr(compile_trial, "START_UP", 0.0)
    sizes = (4,) * (WARM + TIMED + 3)
    _, plain = trained("torch", "mnist_fc", *MLP, OFF, sizes=sizes)
    _, found = trained("torch", "mnist_fc", *MLP, AUTO, sizes=sizes)
    assert_same(plain, found)
    (line,) = [each.getMessage() for each in caplog.records if "torch.compile cannot" in each.getMessage()]
    assert line.endswith("raised: RuntimeError: no such processor")


def test_auto_goes_on_without_a_program_that_fails_as_it_runs(monkeypatch, caplog):
    def compiled(function):
        def broken(*given):
            raise torch.OutOfMemoryError("CUDA out of memory")

        return broken

    monkeypatch.setattr(compiled_pass, "_compiled", compiled)
    monkeypatch.setattr(training, "hinders", lambda *about: "")
    monkeypatch.setattr(compile_trial, "START_UP", 0.0)
    sizes = (4,) * (WARM + TIMED + 3)
    _, plain = trained("torch", "mnist_fc", *MLP, OFF, sizes=sizes)
    _, found = trained("torch", "mnist_fc", *MLP, AUTO, sizes=sizes)
    assert_same(plain, found)
    assert "for torch.compile cannot: CUDA out of memory" in caplog.text
    with pytest.raises(torch.OutOfMemoryError):
        trained("torch", "mnist_fc", *MLP, ON)


def test_what_a_killed_process_left_is_told(monkeypatch):
    def compiled(function):
        def broken(module, inputs):
            raise InductorError(ImportError("cff.main.so: file too short"), None)

        return torch.compile(function, backend=broken, fullgraph=True)

    monkeypatch.setattr(compiled_pass, "_compiled", compiled)
    with pytest.raises(
        EnvironmentFault, match=r"file too short; if a process was killed .*, delete .*inductor"
    ):
        trained("torch", "mnist_fc", *MLP, ON)


def steps_of(trial, seconds, first=0, count=WARM + TIMED, shapes=1):
    """What is said after so many steps; nothing before the last."""
    said = [trial.took(seconds, first + index, shapes) for index in range(count)]
    assert not any(said[:-1])
    return said[-1]


def test_a_trial_compiles_what_a_tenth_of_the_steps_that_are_left_pays_for():
    few, many = Trial(1_000 + WARM + TIMED), Trial(6_001 + WARM + TIMED)
    assert (
        steps_of(few, 0.1)
        == "nothing is compiled: the 1,000 steps of 100.0 ms that are left do not pay for it"
    )
    assert (few.is_over, few.is_on) == (True, False)
    assert steps_of(many, 0.1) == "6,001 steps of 100.0 ms are left, which pay for a program"
    assert (many.is_over, many.is_on) == (False, True)


@pytest.mark.parametrize(("seconds", "stays"), [(0.09, True), (0.11, False)])
def test_a_trial_keeps_the_faster_way(seconds, stays):
    trial = Trial(100_000)
    steps_of(trial, 0.1)
    trial.took(60.0, WARM + TIMED, 1)  # It compiles.
    said = steps_of(trial, seconds, WARM + TIMED + 1, WARM + TIMED - 1)
    assert said.endswith("where nothing is compiled") == stays
    assert (trial.is_over, trial.is_on) == (True, stays)


def test_a_trial_ends_where_batches_differ_in_shape():
    trial = Trial(100_000)
    assert not trial.took(0.1, 0, 1)
    assert trial.took(0.1, 1, 2).startswith("nothing is compiled: batches differ in shape")
    assert (trial.is_over, trial.is_on) == (True, False)
