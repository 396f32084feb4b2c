"""A prepared directory: the same examples bit for bit, without the files they were made of, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from hard_disk import little_room, read_only
from sound_folders import manifest
from zoo_common.data import open_dataset, preparing
from zoo_common.data.base import SPLITS
from zoo_common.data.file_marks import every_source
from zoo_common.data.preparation import BEGUN, FILE
from zoo_common.data.preparing import prepare
from zoo_common.data.sources.tfrecord import write_tfrecords
from zoo_common.training.spec_learner import SpecLearner
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, InputError

SMALL = ("model.vocab_size=200", "model.num_layers=1")
WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
]


def texts(count: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(3, 30))) for _ in range(count)]


def spec_of(name: str, *sets: str, **data: object):
    return load_spec(name, [*sets, f"data={json.dumps(data)}"])


def running_text(folder: Path, **more: object):
    (folder / "text.txt").write_text("\n\n\n".join(f"{one.capitalize()}. {two.capitalize()}." for one, two in
                                                   zip(texts(60), texts(60, 1), strict=True)))  # fmt: skip
    return spec_of(
        "bert_tiny", *SMALL, kind="text", files=str(folder / "text.txt"), sequence_length=32, **more
    )


def labelled_text(folder: Path, *sets: str, **more: object):
    rows = "".join(f"{text}\t{'ab'[number % 2]}\n" for number, text in enumerate(texts(40)))
    (folder / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    return spec_of(
        "bert_tiny_classification", *(sets or SMALL), "task.classes=2", kind="text_table",
        files=str(folder / "rows.tsv"), text="text", label="label", sequence_length=24, **more,
    )  # fmt: skip


def labelled_words(folder: Path):
    lines = [
        "\n".join(f"{word} {'O' if len(word) < 5 else 'B-LONG'}" for word in text.split())
        for text in texts(30)
    ]
    (folder / "words.conll").write_text("\n\n".join(lines) + "\n")
    return spec_of(
        "bert_tiny_ner", *SMALL, "task.classes=3", kind="conll", files=str(folder / "words.conll"),
        sequence_length=16, labels=["O", "B-LONG", "I-LONG"],
    )  # fmt: skip


def questions(folder: Path):
    document = {
        "title": "t",
        "paragraphs": [
            {"context": text, "qas": [{"id": str(at), "question": f"What is {text.split()[0]} ?", "answers":
             [{"text": text.split()[1], "answer_start": text.index(text.split()[1])}]}]}
            for at, text in enumerate(texts(25))
        ],
    }  # fmt: skip
    (folder / "train.json").write_text(json.dumps({"version": "1.1", "data": [document]}))
    return spec_of(
        "bert_tiny_squad", *SMALL, kind="squad", files=str(folder / "train.json"), sequence_length=24, stride=6,
        question_length=8,
    )  # fmt: skip


def summaries(folder: Path):
    rows = [
        {"document": [f"{each}." for each in texts(6, seed)], "summary": texts(1, seed)} for seed in range(20)
    ]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return spec_of(
        "bert_tiny_summarization", *SMALL, kind="summary_table", files=str(folder / "rows.jsonl"), format="jsonl",
        document="document", summary="summary", sequence_length=64, least_words=2, least_sentences=2,
    )  # fmt: skip


def pairs(folder: Path):
    (folder / "a.en").write_text("\n".join(texts(30)))
    (folder / "a.de").write_text("\n".join(texts(30, 1)))
    return spec_of(
        "transformer_tiny", *SMALL[:1], kind="parallel_text", source_files=str(folder / "a.en"),
        target_files=str(folder / "a.de"), sequence_length=24,
    )  # fmt: skip


def images(folder: Path):
    draw = np.random.default_rng(0)
    for number in range(12):
        path = folder / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (10 + number, 12, 3)).astype(np.uint8)).save(path)
    return spec_of(
        "vit_tiny", "model.channels=3", "model.image_size=[8, 8]", "task.classes=2", kind="image_folder",
        directory=str(folder / "images"), augmentation={"crop_padding": 1}, evaluation_fraction=0.25,
    )  # fmt: skip


def masks(folder: Path):
    draw = np.random.default_rng(0)
    for number in range(6):
        for name, high in (("images", 256), ("masks", 2)):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, high, (20, 24)).astype(np.uint8)).save(path)
    return spec_of(
        "unet_tiny", "model.image_size=[8, 8]", "model.filters=[2, 2]", "task={kind: binary_segmentation}",
        kind="mask_folder", images=str(folder / "images"), masks=str(folder / "masks"), stride=4,
        augmentation={"crop_padding": 2}, evaluation_fraction=0.34,
    )  # fmt: skip


def speech(folder: Path, task: str = "ctc", **beside: str):
    data = manifest(folder, **(beside or {"ltr": "G O |\nH E A R |\n"}))
    values = {
        **data.model_dump(mode="json", exclude_defaults=True),
        "kind": data.kind,
        "evaluation_fraction": 0.5,
    }
    name = "hubert_tiny_ctc" if task == "ctc" else "hubert_tiny_units"
    classes = "task.classes=10" if task == "ctc" else "task.units=50"
    return spec_of(name, *FRAMES, classes, **values)


FRAMES = (
    "model.waveform_encoder.channels=[4,4,4,4,4,4,4]",
    "model.waveform_encoder.sizes=[10,3,3,3,3,2,2]",
    "model.waveform_encoder.strides=[5,2,2,2,2,2,2]",
    "model.max_samples=32000",
)


def units(folder: Path):
    lines = (" ".join(str(number) for number in range(count)) for count in (12, 25))
    return speech(folder, "units", km="\n".join(lines) + "\n")


def features(folder: Path):
    draw = np.random.default_rng(0)
    rows = [
        {"input_ids": ids, "attention_mask": np.ones(12, np.int64), "labels": np.roll(ids, -1)}
        for ids in draw.integers(5, 150, (9, 12))
    ]
    write_tfrecords(folder / "rows.tfrecord", rows)
    return spec_of(
        "gpt2_tiny", *SMALL, kind="tfrecord", files=str(folder / "rows.tfrecord"), evaluation_fraction=0.2
    )


def mixture(folder: Path):
    (folder / "other").mkdir()
    parts = [labelled_text(folder), labelled_text(folder / "other", split_seed=1)]
    sources = [{"data": json.loads(part.data.model_dump_json(exclude_defaults=True))} for part in parts]
    for source in sources:
        source["data"]["kind"] = "text_table"
    return spec_of("bert_tiny_classification", *SMALL, "task.classes=2", kind="mixture", sources=sources)


def spans(folder: Path):
    (folder / "text.txt").write_text("\n\n\n".join(texts(60)))
    data = {
        "kind": "text",
        "files": str(folder / "text.txt"),
        "layout": "sentence_lines",
        "sequence_length": 24,
    }
    return spec_of("t5_tiny", SMALL[0], **data, evaluation_fraction=0.2)


KINDS = {
    "running text": running_text,
    "running text with spans cut out": spans,
    "labelled text": labelled_text,
    "labelled words": labelled_words,
    "questions": questions,
    "summaries": summaries,
    "pairs": pairs,
    "images": images,
    "images with masks": masks,
    "speech": speech,
    "units": units,
    "features": features,
    "mixture": mixture,
}


def examples(spec, run_dir=None):
    found = {}
    for split in SPLITS:
        dataset = open_dataset(spec, run_dir, split)
        rows = [(epoch, index) for epoch in (0, 1) for index in range(len(dataset))]
        lengths = {name: value.tolist() for name, value in dataset.lengths().items()}
        found[split] = (dataset.examples(rows), dataset.padding(), lengths)
    return found


def settled(spec):
    """Its files are old enough that their times tell their content."""
    for source in every_source(spec.data):
        os.utime(source.path, (1e9, 1e9))
    return spec


def of_prepared(spec, folder: Path):
    return spec.model_copy(update={"data": spec.data.model_copy(update={"prepared": str(folder)})})


def same(one, other) -> None:
    for split in SPLITS:
        (rows, padding, lengths), (others, other_padding, other_lengths) = one[split], other[split]
        assert padding == other_padding
        assert lengths == other_lengths
        assert len(rows) == len(others) > 0
        for row, again in zip(rows, others, strict=True):
            assert row.keys() == again.keys()
            for name, value in row.items():
                assert (value.dtype, value.shape) == (again[name].dtype, again[name].shape), name
                assert value.tobytes() == again[name].tobytes(), name


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_the_same_without_the_files_they_were_made_of(kind, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    spec = KINDS[kind](files)
    expected = examples(spec, tmp_path / "unprepared")
    prepared = tmp_path / "prepared"
    said = prepare(spec, prepared)
    assert {split: part.examples for split, part in said.splits.items()} == {
        split: len(expected[split][0]) // 2 for split in SPLITS
    }
    assert prepare(spec, prepared) is None
    same(examples(of_prepared(spec, prepared), tmp_path / "before"), expected)
    shutil.rmtree(files)
    with read_only(prepared):
        same(examples(of_prepared(spec, prepared)), expected)
    same(examples(of_prepared(spec, prepared), tmp_path / "run"), expected)


def test_several_processes_write_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "_MOST_OF_PART", 4)
    spec = settled(labelled_text(tmp_path))
    prepare(spec, tmp_path / "one")
    prepare(spec, tmp_path / "two", processes=2)
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{support!r}, {here!r}]
from zoo_common.data import preparing
from test_preparation import labelled_text, settled
real, written = preparing.write_one, []
def write_one(*arguments):
    real(*arguments)
    written.append(arguments)
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
preparing.write_one, preparing._MOST_OF_PART = write_one, 4
preparing.prepare(settled(labelled_text(Path({folder!r}))), Path({output!r}))
"""


def test_a_preparation_that_is_killed_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "_MOST_OF_PART", 4)
    spec = settled(labelled_text(tmp_path))
    output = tmp_path / "prepared"
    here = Path(__file__).parent
    code = KILLED.format(
        support=str(here.parent / "support"), here=str(here), folder=str(tmp_path), output=str(output)
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (output / BEGUN).is_file()
    with pytest.raises(InputError, match=r"was not prepared to its end.*goes on where it stopped"):
        open_dataset(of_prepared(spec, output), None, "train")
    real, written = preparing.write_one, []

    def write_one(*arguments):
        written.append(arguments)
        real(*arguments)

    monkeypatch.setattr(preparing, "write_one", write_one)
    prepare(settled(spec), output)
    assert len(written) == 9 + 1 - 3  # Of 36 records of training and 4 of evaluation, four a part.
    prepare(spec, tmp_path / "at_once")
    assert content_of(output) == content_of(tmp_path / "at_once")
    assert not (output / BEGUN).exists()


def dies(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(*arguments):
    raise InputError("rows.tsv:7: has a NUL")


@pytest.mark.parametrize(
    ("work", "kind", "said"),
    [(dies, EnvironmentFault, "has died.*fewer --processes"), (refuses, InputError, "rows.tsv:7: has a NUL")],
)
def test_a_process_that_dies_or_refuses_is_said_and_the_next_try_goes_on(
    work, kind, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(preparing, "_MOST_OF_PART", 20)
    spec = labelled_text(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(preparing, "_write_in_process", work)
        with pytest.raises(kind, match=said):
            prepare(spec, tmp_path / "prepared", processes=2)
    assert not (tmp_path / "prepared" / FILE).exists()
    assert prepare(spec, tmp_path / "prepared").splits["train"].examples == 36


def test_without_the_files_nothing_is_counted_again(tmp_path, monkeypatch):
    spec = labelled_text(tmp_path)
    prepare(spec, tmp_path / "prepared")
    (tmp_path / "rows.tsv").unlink()

    def counted(*arguments):
        raise AssertionError("an example was made to be measured, or a record looked at")

    monkeypatch.setattr("zoo_common.data.makers.labelled_examples.measured", counted)
    monkeypatch.setattr("zoo_common.data.makers.labels.NamedLabels.look", counted)
    dataset = open_dataset(of_prepared(spec, tmp_path / "prepared"), None, "train")
    assert len(dataset.lengths()["sequence"]) == 36


def test_a_full_disk_is_said_and_the_next_try_goes_on(tmp_path):
    spec = labelled_text(tmp_path)
    with little_room(2000), pytest.raises(EnvironmentFault, match="free some room"):
        prepare(spec, tmp_path / "prepared")
    assert not (tmp_path / "prepared" / FILE).exists()
    prepare(spec, tmp_path / "prepared")
    same(examples(of_prepared(spec, tmp_path / "prepared")), examples(spec, tmp_path / "run"))


def test_a_directory_that_cannot_be_written_is_said(tmp_path):
    spec = labelled_text(tmp_path)
    (tmp_path / "closed").mkdir()
    with read_only(tmp_path / "closed"), pytest.raises(EnvironmentFault, match="accessible to this user"):
        prepare(spec, tmp_path / "closed" / "prepared")


def test_a_source_that_changes_meanwhile_is_noticed_and_the_next_try_begins_anew(
    tmp_path, monkeypatch, caplog
):
    spec, output = labelled_text(tmp_path), tmp_path / "prepared"
    real = preparing.copy_files

    def copy_files(*arguments):
        with (tmp_path / "rows.tsv").open("a") as file:
            file.write("alpha mu\tb\n")
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(preparing, "copy_files", copy_files)
        with pytest.raises(
            InputError, match=r"changed while they were prepared.*\n.*rows.tsv\): had .*; now"
        ):
            prepare(spec, output)
    prepare(spec, output)
    assert "is begun anew" in caplog.text
    same(examples(of_prepared(spec, output)), examples(spec, tmp_path / "run"))


def test_what_is_not_there_is_refused_and_mended(tmp_path):
    spec, output = labelled_text(tmp_path), tmp_path / "prepared"
    rows = (tmp_path / "rows.tsv").read_text()
    (tmp_path / "rows.tsv").unlink()
    with pytest.raises(InputError, match=r"rows.tsv"):
        prepare(spec, output)
    (tmp_path / "rows.tsv").write_text("text\tlabel\n")
    with pytest.raises(InputError, match=r"rows.tsv"):
        prepare(spec, output)
    (tmp_path / "rows.tsv").write_text(rows)
    assert prepare(spec, output).splits["train"].examples == 36


@pytest.mark.parametrize("name", ["bert_base_sst2", "unet_tiny", "bert_tiny_ner"])
def test_of_data_that_are_drawn_there_is_nothing_to_prepare(name, tmp_path):
    with pytest.raises(InputError, match=r"drawn.*there is nothing to prepare"):
        prepare(load_spec(name), tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_a_directory_of_something_else_is_not_overwritten(tmp_path):
    spec, output = labelled_text(tmp_path), tmp_path / "thesis"
    output.mkdir()
    (output / "chapter.txt").write_text("Mine.")
    with pytest.raises(InputError, match="holds something else"):
        prepare(spec, output)
    assert content_of(output) == {"chapter.txt": b"Mine."}


CHANGES = {
    "a field": ({"lower_case": False}, (), r"data.lower_case: True, now False"),
    "what is held out": ({"split_seed": 4}, (), r"data.split_seed: 0, now 4"),
    "the model's vocabulary": (
        {},
        ("model.vocab_size=300", "model.num_layers=1"),
        r"rows of tokens: 200, now 300",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_directory_of_another_spec_is_refused_with_what_differs(change, tmp_path):
    fields, sets, said = CHANGES[change]
    prepare(labelled_text(tmp_path), tmp_path / "prepared")
    other = labelled_text(tmp_path, *sets, **fields)
    for use in (
        lambda: open_dataset(of_prepared(other, tmp_path / "prepared"), None, "train"),
        lambda: prepare(other, tmp_path / "prepared"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            use()
        assert len(str(caught.value).splitlines()) == 2


def test_another_content_of_a_source_and_another_tokenizer_are_refused(tmp_path):
    spec, output = labelled_text(tmp_path), tmp_path / "prepared"
    prepare(spec, output)
    with (tmp_path / "rows.tsv").open("a") as file:
        file.write("alpha mu\tb\n")
    with pytest.raises(InputError, match=r"rows.tsv\): had [\d,]+ bytes, SHA-256 .*; now"):
        open_dataset(of_prepared(spec, output), None, "train")
    labelled_text(tmp_path)
    tokenizer = output / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("alpha", "alphb"))
    with pytest.raises(InputError, match=r"the tokenizer: SHA-256 \w+…, now \w+…"):
        open_dataset(of_prepared(spec, output), None, "train")


def test_sizes_of_batches_and_limits_may_change(tmp_path):
    prepare(labelled_text(tmp_path), tmp_path / "prepared")
    other = labelled_text(tmp_path, batching={"kind": "bucketed"}, limits={"file_bytes": 10**9})
    assert prepare(other, tmp_path / "prepared") is None
    open_dataset(of_prepared(other, tmp_path / "prepared"), None, "train")


def test_a_run_takes_its_tokenizer_and_labels_over_and_refuses_others(tmp_path):
    spec, output = labelled_text(tmp_path), tmp_path / "prepared"
    prepare(spec, output)
    open_dataset(of_prepared(spec, output), tmp_path / "run", "train")
    for name in ("tokenizer.json", "labels.json"):
        assert (tmp_path / "run" / name).read_bytes() == (output / name).read_bytes()
    (tmp_path / "run" / "labels.json").write_text('["b", "a"]')
    with pytest.raises(InputError, match=r"labels.json: is not the labels.json of data.prepared"):
        open_dataset(of_prepared(spec, output), tmp_path / "run", "train")


def test_a_run_is_trained_on_the_same_files_prepared_or_not(tmp_path):
    spec, output = settled(labelled_text(tmp_path)), tmp_path / "prepared"
    prepare(spec, output)
    backend = SimpleNamespace(name="none")
    plain = SpecLearner(backend, spec, tmp_path / "run").feed(None)(None)
    (tmp_path / "rows.tsv").unlink()
    prepared = SpecLearner(backend, of_prepared(spec, output), tmp_path / "run").feed(None)(None)
    assert prepared == plain
    assert len(prepared.files) == 1


def test_a_vocabulary_and_a_file_of_phrases_need_not_be_there_any_more(tmp_path):
    first = labelled_text(tmp_path)
    open_dataset(first, tmp_path / "first", "train")
    tokens = json.loads((tmp_path / "first" / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(tokens, key=tokens.get)))
    spec = labelled_text(tmp_path, vocabulary=str(tmp_path / "vocab.txt"))
    expected = examples(spec, tmp_path / "run")
    prepare(spec, tmp_path / "prepared")
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "rows.tsv").unlink()
    same(examples(of_prepared(spec, tmp_path / "prepared"), tmp_path / "other"), expected)


def test_what_it_says_of_the_data_is_what_is_in_them(tmp_path):
    spec = labelled_text(tmp_path, on_bad_record="skip", bad_records=0.2)
    with (tmp_path / "rows.tsv").open("a") as file:
        file.write("a row without a label\n")
    prepare(spec, tmp_path / "prepared")
    said = json.loads((tmp_path / "prepared" / FILE).read_text())
    mark = said["key"]["sources"][0]
    content = (tmp_path / "rows.tsv").read_bytes()
    assert (mark["size"], mark["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    tokenizer = (tmp_path / "prepared" / "tokenizer.json").read_bytes()
    assert said["key"]["tokenizer"] == hashlib.sha256(tokenizer).hexdigest()
    train = said["splits"]["train"]
    dataset = open_dataset(spec, tmp_path / "run", "train")
    sizes = [len(dataset.example(0, index)["input_ids"]) for index in range(len(dataset))]
    assert (train["records"], train["examples"], train["left_out"]) == (36, 36, 1)
    assert train["tokens"] == sum(sizes)
    longest = [each for bin_ in train["lengths"]["sequence"] for each in [bin_["longest"]] * bin_["examples"]]
    assert longest == sorted(sizes)
