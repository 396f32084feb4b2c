"""zoo_torch.Runner, with a user's own module and with a spec. tests/tf/test_estimator.py is its twin."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import launch
import zoo_torch
from zoo_common.backend import find_backend
from zoo_common.checkpoint import CheckpointStore
from zoo_common.data import Dataset, batches, open_dataset
from zoo_common.training import spec_learner
from zoo_common.training.run_directory import read_metrics
from zoo_common.training.session import DivergedError
from zoo_common.training.spec_run import reopen, spec_run
from zoo_common.training.stop import TerminatedError
from zoo_spec import load_spec
from zoo_spec.errors import InputError
from zoo_spec.shrink import shrunk

DIGITS = sklearn.datasets.load_digits()
PIXELS = torch.from_numpy((DIGITS.data / 16).astype(np.float32))
LABELS = torch.from_numpy(DIGITS.target)


class Net(nn.Module):
    def __init__(self, units=16, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Linear(64, units), nn.ReLU(), nn.BatchNorm1d(units), nn.Dropout(0.2))
        self.head = nn.Linear(units, 10)

    def forward(self, pixels):
        return self.head(self.body(pixels))


class Complete(nn.Module):
    """Takes a dictionary's values by name and computes its own loss, as a compiled spec does."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, image, labels=None):
        logits = self.net(image)
        return {"logits": logits, **({} if labels is None else {"loss": F.cross_entropy(logits, labels)})}


def accuracy(outputs, labels):
    return (outputs.argmax(-1) == labels).float()


def train_input(start_step=0):
    for step in range(start_step, 1000):
        rows = torch.randperm(1500, generator=torch.Generator().manual_seed(step))[:50]
        yield PIXELS[rows], LABELS[rows]


def eval_input():
    return DataLoader(TensorDataset(PIXELS[1500:], LABELS[1500:]), batch_size=100)


def runner(model_dir, model=None, **options):
    given = {"loss": F.cross_entropy, "optimizer": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2)}
    return zoo_torch.Runner(
        model or Net(), model_dir, **{**given, "metrics": {"accuracy": accuracy}, **options}
    )


def newest(model_dir):
    return CheckpointStore(model_dir / "checkpoints").latest()


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


def scheduler(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 80)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of 60 steps and its runner."""
    made = runner(tmp_path_factory.mktemp("runs") / "trained", scheduler=scheduler)
    made.train(train_input, max_steps=60)
    return made


@pytest.fixture(scope="module")
def directory(trained):
    return trained._run.storage.path


def test_a_module_learns_and_its_metrics_are_means_over_all_examples(trained):
    found = trained.evaluate(eval_input)
    assert found["accuracy"] > 0.8
    rows = list(trained.predict(eval_input))
    logits = torch.from_numpy(np.stack([row["output"] for row in rows]))
    assert len(rows) == 297
    assert found["accuracy"] == pytest.approx(float(accuracy(logits, LABELS[1500:]).mean()))
    assert found["loss"] == pytest.approx(float(F.cross_entropy(logits, LABELS[1500:])), rel=1e-5)
    assert trained.evaluate(eval_input, steps=1) == trained.evaluate([(PIXELS[1500:1600], LABELS[1500:1600])])


def test_a_run_that_was_interrupted_goes_on_bit_for_bit_where_the_input_does(tmp_path, directory):
    runner(tmp_path / "run", scheduler=scheduler).train(train_input, max_steps=25)
    runner(tmp_path / "run", Net(seed=1), scheduler=scheduler).train(train_input, max_steps=60)
    resumed, straight = newest(tmp_path / "run"), newest(directory)
    assert_same(straight.weights(), resumed.weights())
    assert_same(straight.optimizer(), resumed.optimizer())
    assert "head.weight/exp_avg" in resumed.optimizer()
    assert resumed.weights()["body.2.num_batches_tracked"] == 60
    lines = [(path / "metrics.jsonl").read_text().splitlines()[-1] for path in (directory, tmp_path / "run")]
    assert lines[0] == lines[1]


def test_training_is_torchs_own_loop(tmp_path):
    made = runner(tmp_path / "run", nn.Linear(64, 10), loss=F.cross_entropy, metrics=None)
    start = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.train(train_input, steps=5)
    by_hand = nn.Linear(64, 10)
    by_hand.load_state_dict(start)
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-2)
    for (pixels, labels), _ in zip(train_input(), range(5), strict=False):
        optimizer.zero_grad()
        F.cross_entropy(by_hand(pixels), labels).backward()
        optimizer.step()
    for name, value in by_hand.state_dict().items():
        assert torch.equal(value, made.model.state_dict()[name])


def test_steps_are_so_many_more_and_max_steps_so_many_in_all(tmp_path):
    made = runner(tmp_path / "run")
    made.train(train_input, steps=3)
    made.train(train_input, steps=3)
    assert newest(tmp_path / "run").step == 6
    made.train(train_input, max_steps=7)
    assert newest(tmp_path / "run").step == 7
    assert made.train(train_input, max_steps=7) == []
    loader = DataLoader(TensorDataset(PIXELS[:100], LABELS[:100]), batch_size=50, shuffle=True)
    made.train(loader)  # Once through.
    assert newest(tmp_path / "run").step == 9
    made.train(loader, steps=5)  # Again and again.
    assert newest(tmp_path / "run").step == 14


def test_a_module_that_computes_its_loss_takes_dictionaries(tmp_path):
    spec = load_spec("mnist_fc", ["model.image_size=[8, 8]"])
    data = open_dataset(spec, None, "train")

    def flat(start_step=0):
        for batch in batches(data, 0, 32, start_step, 40):
            yield {"image": batch["image"].reshape(-1, 64), "labels": batch["labels"].astype(np.int64)}

    made = runner(tmp_path / "run", Complete(), loss=None, metrics=None)
    logged = made.train(flat)
    assert logged[-1]["loss"] < 0.5 * logged[0]["loss"]
    rows = list(made.predict(flat))
    assert set(rows[0]) == {"logits"}
    assert len(rows) == 40 * 32
    assert made.evaluate(flat)["loss"] < logged[0]["loss"]


def test_train_and_evaluate_evaluates_at_each_checkpoint(tmp_path):
    made = runner(tmp_path / "run", config=zoo_torch.RunConfig(save_checkpoints_steps=4))
    specs = zoo_torch.TrainSpec(train_input, max_steps=10), zoo_torch.EvalSpec(eval_input, steps=1)
    found = zoo_torch.train_and_evaluate(made, *specs)
    lines = [line for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines() if "eval" in line]
    assert [line.split('"step": ')[1].split(",")[0] for line in lines] == ["4", "8", "10"]
    assert found == zoo_torch.train_and_evaluate(made, *specs) == made.evaluate(eval_input, steps=1)


def test_an_evaluation_that_a_run_ended_before_is_made_up_for(tmp_path):
    def no_input():
        raise OSError("the evaluation's file is gone")

    def specs(evaluated):
        return zoo_torch.TrainSpec(train_input, max_steps=3), zoo_torch.EvalSpec(evaluated, steps=1)

    metrics = tmp_path / "run" / "metrics.jsonl"
    config = zoo_torch.RunConfig(save_checkpoints_steps=3)
    with pytest.raises(OSError, match="gone"):
        zoo_torch.train_and_evaluate(runner(tmp_path / "run", config=config), *specs(no_input))
    assert "eval" not in metrics.read_text()
    zoo_torch.train_and_evaluate(runner(tmp_path / "run", config=config), *specs(eval_input))
    assert metrics.read_text().count('"step": 3, "split": "eval"') == 1


def test_the_module_in_training_mode_drops_out_by_the_seed_alone(tmp_path):
    weights = []
    for seed in (5, 5, 6):
        run = tmp_path / f"run{len(weights)}"
        runner(run, config=zoo_torch.RunConfig(seed=seed)).train(train_input, steps=2)
        weights.append(newest(run).weights()["head.weight"])
        torch.rand(1)
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_a_warm_start_takes_weights_by_name_and_leaves_a_new_head(tmp_path, directory):
    def still(parameters):
        return torch.optim.SGD(parameters, lr=0.0)

    class Other(Net):
        def __init__(self):
            super().__init__(seed=1)
            self.other = self.head
            del self.head

        def forward(self, pixels):
            return self.other(self.body(pixels))

    with pytest.raises(InputError, match=r"has no other\.weight, other\.bias.*vars_to_warm_start"):
        runner(tmp_path / "all", Other(), warm_start_from=directory).train(train_input, steps=1)
    with pytest.raises(InputError, match=r"body\.0\.weight \[16, 64\] there, \[8, 64\] here"):
        runner(tmp_path / "shape", Net(8), warm_start_from=directory).train(train_input, steps=1)
    body = zoo_torch.WarmStartSettings(newest(directory).path, "body")
    runner(tmp_path / "run", Other(), optimizer=still, warm_start_from=body).train(train_input, steps=1)
    there, here = newest(directory).weights(), newest(tmp_path / "run").weights()
    assert np.array_equal(there["body.0.weight"], here["body.0.weight"])
    assert not np.array_equal(there["head.weight"], here["other.weight"])


def test_an_exported_module_needs_torch_alone(tmp_path, trained):
    with pytest.raises(InputError, match="example features"):
        trained.export(tmp_path / "out")
    path = trained.export(tmp_path / "out", PIXELS[:2])
    np.save(tmp_path / "pixels.npy", PIXELS[1500:1503].numpy())
    script = (
        "import sys, numpy as np, torch\n"
        "path, given, found = sys.argv[1:]\n"
        "model = torch.export.load(path).module()\n"
        "np.save(found, model(torch.from_numpy(np.load(given))).detach().numpy())\n"
        "assert not [name for name in sys.modules if name.startswith('zoo_')]\n"
    )
    arguments = [path / "model.pt2", tmp_path / "pixels.npy", tmp_path / "logits.npy"]
    done = launch.python("-c", script, *arguments, loaded="torch")
    assert done.returncode == 0, done.stderr
    rows = [row["output"] for _, row in zip(range(3), trained.predict(eval_input), strict=False)]
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), rows, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="is there already"):
        trained.export(path, PIXELS[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": None}, "Net has no optimizer to train with"),
        ({"loss": None}, "Net gives no loss"),
        (
            {"loss": lambda outputs, labels: outputs},
            r"loss of Net is a tensor \[50, 10\]; it must be one number",
        ),
        ({"loss": lambda outputs, labels: 1.0}, "loss of Net is float"),
        ({"config": {"training.steps": 1}}, "no spec to override"),
    ],
)
def test_what_a_module_lacks_is_said(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        runner(tmp_path / "run", **options).train(train_input, steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("input_fn", "message"),
    [
        (None, "needs an input_fn"),
        (lambda: None, "gives NoneType, which is no batches"),
        (list, "gives no batch"),
        (lambda: [(PIXELS[:2], LABELS[:2], LABELS[:2])], "a batch is tuple"),
        (lambda: [PIXELS[:2]], "features without labels"),
    ],
)
def test_what_an_input_gives_wrongly_is_said(tmp_path, input_fn, message):
    with pytest.raises(InputError, match=message):
        runner(tmp_path / "run").train(input_fn)


def test_what_does_not_go_together_is_refused(tmp_path, directory):
    made = runner(tmp_path / "run")
    for steps in ({"steps": 1, "max_steps": 2}, {"steps": 0}, {"max_steps": -1}):
        with pytest.raises(InputError, match="steps"):
            made.train(train_input, **steps)
    for ask in (made.evaluate, made.predict):
        with pytest.raises(InputError, match="no checkpoint yet; train first"):
            ask(eval_input)
    with pytest.raises(InputError, match=r"weights\.body\.0\.bias\[0\]: 16 in the run, 17 now"):
        runner(directory, Net(17)).train(train_input, steps=1)
    with pytest.raises(InputError, match="holds a run of a user's own model, Net"):
        zoo_torch.Runner("mnist_fc", directory).train()
    with pytest.raises(InputError, match="go on in Python"):
        reopen(find_backend("torch")(), directory)
    with pytest.raises(InputError, match="loss, metrics: the spec says that"):
        zoo_torch.Runner("mnist_fc", loss=F.cross_entropy, metrics={})


def test_a_second_run_in_the_directory_is_refused_and_sigterm_saves(tmp_path):
    def input_fn():
        for number, batch in enumerate(train_input()):
            if number == 1:
                with pytest.raises(InputError, match="is in use by process"):
                    runner(tmp_path / "run").train(train_input, steps=1)
            if number == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with pytest.raises(TerminatedError):
        runner(tmp_path / "run").train(input_fn, max_steps=100)
    assert newest(tmp_path / "run").step == 3


SMALL = {"training.steps": 6, "training.batch_size": 16, "model.dropout": 0.3}


def test_a_spec_trains_as_zoo_train_does_and_from_batches_of_its_own_data_too(tmp_path):
    spec = load_spec("mnist_fc", [f"{path}={value}" for path, value in SMALL.items()])
    spec_run(find_backend("torch")(), spec, tmp_path / "run", quiet=True).train()
    data = open_dataset(spec, None, "train")
    face = zoo_torch.Runner("mnist_fc", tmp_path / "face", SMALL)
    face.train(steps=2)
    face.train(max_steps=3)
    zoo_torch.Runner("mnist_fc", tmp_path / "face", SMALL).train()
    zoo_torch.Runner(spec, tmp_path / "fed").train(lambda start_step: batches(data, 0, 16, start_step, 6))
    for other in ("face", "fed"):
        assert_same(newest(tmp_path / "run").weights(), newest(tmp_path / other).weights())
        assert_same(newest(tmp_path / "run").optimizer(), newest(tmp_path / other).optimizer())
    with pytest.raises(InputError, match=r"7 steps in all.*training\.steps is 6"):
        face.train(steps=1)


def test_a_spec_takes_a_data_loader_and_predicts_a_row_an_example(tmp_path):
    images = PIXELS.reshape(-1, 8, 8, 1) - 0.5
    loader = DataLoader(TensorDataset(images, LABELS), batch_size=16)
    made = zoo_torch.Runner("mnist_fc", tmp_path / "run", {**SMALL, "model.image_size": [8, 8]})
    found = zoo_torch.train_and_evaluate(made, zoo_torch.TrainSpec(loader), zoo_torch.EvalSpec(loader, 3))
    rows = list(made.predict([{"image": images[:48]}]))
    hits = [np.argmax(row["logits"]) for row in rows] == LABELS[:48].numpy()
    assert found["accuracy"] == pytest.approx(hits.mean())


def test_the_pages_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "own_modules.md").read_text(encoding="utf-8")
    (block,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "runs/own-torch" in code
    ]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "own_modules.md", "exec"), {"__name__": "page"})
    assert float(capsys.readouterr().out.split()[0]) > 0.9


@pytest.mark.parametrize(
    ("part", "says"),
    [(0, "features of example 3 is nan in batch 1"), (1, "labels of example 3 is nan in batch 1")],
)
def test_a_number_that_is_none_is_named_and_not_the_learning_rate(tmp_path, part, says, caplog):
    bad = [PIXELS[:8].clone(), torch.ones(8, 1)]
    bad[part][3] = torch.nan
    options = {"loss": F.mse_loss, "metrics": {}}
    with pytest.raises(DivergedError, match=f"correct the data: {says} of the input"):
        runner(tmp_path / "new", nn.Linear(64, 1), **options).train([tuple(bad)], steps=1)
    face = runner(tmp_path / "run", nn.Linear(64, 1), **options)
    face.train([(PIXELS[:8], torch.ones(8, 1))], steps=1)
    caplog.clear()
    assert np.isnan(face.evaluate([tuple(bad)])["loss"])
    assert says in caplog.text


def test_a_first_loss_that_is_not_finite_is_not_blamed_on_the_learning_rate(tmp_path):
    model = nn.Linear(64, 1)
    nn.init.constant_(model.weight, torch.inf)
    options = {"model": model, "loss": F.mse_loss, "metrics": {}}
    with pytest.raises(DivergedError, match=r"look at the weights .* so the learning rate is not the reason"):
        runner(tmp_path / "run", **options).train([(PIXELS[:8], torch.ones(8, 1))], steps=1)


def test_a_module_that_nothing_moves_is_said(tmp_path, caplog):
    options = {"loss": lambda outputs, labels: 0 * outputs.sum(), "metrics": {}}
    runner(tmp_path / "run", **options).train(train_input, steps=3)
    assert caplog.text.count("step 1 has nothing to learn: all gradients are 0") == 1


@pytest.mark.parametrize(
    "make", [lambda x: x.astype(">f4"), lambda x: x[::-1].copy()[::-1], lambda x: x[..., ::1]]
)
def test_a_module_is_given_arrays_of_every_make(tmp_path, make):
    pixels = PIXELS[:8].numpy().copy()
    pixels.flags.writeable = False
    wanted = runner(tmp_path / "a").train([(PIXELS[:8], LABELS[:8])], steps=1)
    assert runner(tmp_path / "b").train([(make(pixels), LABELS[:8])], steps=1)[0]["loss"] == wanted[0]["loss"]


class Unweighted(Dataset):
    """A data set whose labels have no weight."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def description(self):
        return self.dataset.description()

    def example(self, epoch, index):
        return self.examples([(epoch, index)])[0]

    def examples(self, places):
        return [
            {**example, "label_weights": 0 * example["label_weights"]}
            for example in self.dataset.examples(places)
        ]

    def why_weightless(self):
        return "it is told so"


def test_a_specs_run_ends_with_its_first_epoch_where_that_has_nothing_to_learn(tmp_path, monkeypatch, caplog):
    spec = shrunk(
        load_spec("bert_tiny_ner", ["data={kind: generated}", "training.batch_size=20", "training.steps=9"])
    )
    opened = spec_learner.open_dataset
    monkeypatch.setattr(spec_learner, "open_dataset", lambda *given: Unweighted(opened(*given)))
    said = "nothing to learn in the first 4 steps, the last because no label of classification has a weight"
    with pytest.raises(InputError, match=said) as caught:
        zoo_torch.Runner(spec, tmp_path / "run").train()
    assert caught.value.exit_status == 2
    assert caplog.text.count("step 1 has nothing to learn: no label of classification") == 1
    assert [record["step"] for record in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [1, 2, 3]


def test_a_run_of_fed_batches_ends_after_a_hundred_steps_of_nothing(tmp_path):
    spec = shrunk(load_spec("bert_tiny_ner", ["training.steps=200"]))
    ids = np.ones((1, 2), np.int32)
    batch = {"input_ids": ids, "labels": ids, "label_weights": np.zeros((1, 2), np.float32)}
    with pytest.raises(InputError, match="in the first 100 steps"):
        zoo_torch.Runner(spec, tmp_path / "run").train([batch])
    assert newest(tmp_path / "run") is not None
    other = zoo_torch.Runner(spec, tmp_path / "other").train(
        [batch, {**batch, "label_weights": ids * 0.5}], steps=101
    )
    assert other[-1]["step"] == 101
