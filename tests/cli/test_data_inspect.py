"""``zoo data inspect``: what it shows of an example stands in the data, and what it counts others count too."""

import itertools
import json

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from typer.testing import CliRunner

from zoo_common.cli.main import application
from zoo_common.data import open_dataset
from zoo_common.data.base import stack
from zoo_common.report.inspection import inspect as looking
from zoo_common.report.inspection.found import Lengths
from zoo_common.report.inspection.inspect import inspect_data
from zoo_common.report.inspection.terminal import print_inspection
from zoo_common.report.inspection.views import open_view
from zoo_common.report.inspection.waste import mean_longest
from zoo_common.screen import console
from zoo_spec import load_spec
from zoo_spec.registry import classes
from zoo_spec.tasks.base import Task

SIZES = ["model.vocab_size=200", "model.num_layers=1"]
LABELS = ["bad", "fine", "good"] * 20
WORDS = (
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
)


def zoo(*arguments):
    return CliRunner().invoke(application(), ["data", "inspect", *map(str, arguments)])


def found_in(spec, *sets, **options):
    document = zoo("--spec", spec, "--json", *(f"--set={each}" for each in sets), *options.get("more", ()))
    assert document.exit_code == 0, document.output
    return json.loads(document.stdout)


def table(tmp_path, name, rows):
    path = tmp_path / name
    path.write_text(
        "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows]), encoding="utf-8"
    )
    return path


def sentences(count, seed=0):
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(3, 30))) for _ in range(count)]


def labelled(tmp_path, rows, held_out):
    train, held = table(tmp_path, "train.tsv", rows), table(tmp_path, "held.tsv", held_out)
    return [
        "data.kind=text_table", f"data.files={train}", f"data.evaluation_files={held}", "data.text=text",
        "data.label=label", "data.sequence_length=48", *SIZES,
    ]  # fmt: skip


def test_what_stood_at_masked_tokens_puts_the_text_together_again(tmp_path):
    text = tmp_path / "text.txt"
    lines = [f"{each}." for each in sentences(300)]
    text.write_text("\n".join(lines), encoding="utf-8")
    sets = [f"data.files={text}", "data.layout=sentence_lines", *SIZES]
    found = found_in("bert_tiny", *sets, more=("--examples", "8"))
    original = " ".join(lines).replace(".", " .")
    masked = 0
    for example in found["shown"]:
        pieces = example["shown"]["text"]
        asked = [piece for piece in pieces if piece["mark"] == "asked"]
        (told,) = example["shown"]["to predict"]
        assert told["text"].startswith(f"{len(asked)} of ")
        masked += sum(piece["text"] == "[MASK]" for piece in asked)
        said = [
            piece["says"] if piece["mark"] == "asked" and piece["says"] != "=" else piece["text"]
            for piece in pieces
        ]
        for segment in " ".join(said).replace(" ##", "").split("[SEP]")[:2]:
            assert segment.removeprefix("[CLS]").strip() in original
    assert masked > 8


def test_labels_stand_beside_the_first_pieces_of_their_words(tmp_path):
    labels = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC"]
    words = list(zip(["Ada", "Lovelace", "wrote", "in", "New", "York"], labels, strict=True))
    file = tmp_path / "train.conll"
    file.write_text(("".join(f"{w} {n}\n" for w, n in words) + "\n") * 4, encoding="utf-8")
    found = found_in(
        "bert_tiny_ner", "data.kind=conll", f"data.files={file}", "task.classes=5",
        "data.lower_case=false", "data.sequence_length=32", *SIZES,
        more=("--examples", "1"),
    )  # fmt: skip
    pieces = found["shown"][0]["shown"]["words"]
    starts = [place for place, piece in enumerate(pieces) if piece["says"]]
    assert [pieces[place]["says"] for place in starts] == [label for _, label in words]
    ends = [*starts[1:], len(pieces) - 1]
    joined = [
        "".join(piece["text"].removeprefix("##") for piece in pieces[first:last])
        for first, last in zip(starts, ends, strict=True)
    ]
    assert joined == [word for word, _ in words]


def test_the_answer_is_marked_in_its_context(tmp_path):
    context = "Ada Lovelace wrote in London , and Mary Somerville taught her in the year 1834 ."
    asked = {"Who wrote ?": "Ada Lovelace", "Who taught ?": "Mary Somerville", "When ?": "the year 1834"}
    questions = [
        {
            "id": str(at),
            "question": question,
            "answers": [{"text": text, "answer_start": context.index(text)}],
        }
        for at, (question, text) in enumerate(asked.items())
    ]
    document = {"title": "Ada", "paragraphs": [{"context": context, "qas": questions}]}
    file = tmp_path / "train.json"
    file.write_text(json.dumps({"version": "1.1", "data": [document]}))
    sets = [
        "data.kind=squad",
        f"data.files={file}",
        f"data.evaluation_files={file}",
        "data.sequence_length=96",
    ]
    found = found_in("bert_tiny_squad", *sets, *SIZES, more=("--examples", "3"))
    for shown in found["shown"]:
        text = shown["shown"]["text"]
        joined = " ".join(piece["text"] for piece in text).replace(" ##", "").split("[SEP]")
        (answer,) = [asked[each] for each in asked if each.lower() in joined[0]]
        assert f"[[{answer.lower()}]]" in joined[1]
    assert found["duplicates"]["exact"] == 3
    assert [each["count"] for each in found["classes"]["classes"]] == [0, 3]


def test_the_balanced_weights_are_those_of_scikit_learn(tmp_path):
    draw = np.random.default_rng(1)
    names = draw.choice(["bad", "fine", "good"], 90, p=[0.2, 0.7, 0.1])
    sets = labelled(tmp_path, list(zip(sentences(90), names, strict=True)), [("alpha", "bad")])
    found = found_in("bert_tiny_classification", *sets)["classes"]
    expected = compute_class_weight("balanced", classes=np.unique(names), y=names)
    assert [each["name"] for each in found["classes"]] == ["bad", "fine", "good"]
    assert [each["count"] for each in found["classes"]] == [
        int((names == name).sum()) for name in np.unique(names)
    ]
    np.testing.assert_allclose([each["balanced_weight"] for each in found["classes"]], expected, rtol=1e-12)


def test_records_of_both_parts_are_counted_and_named_by_file_and_line(tmp_path):
    rows = [(each, label) for each, label in zip(sentences(40), LABELS, strict=False)]
    held_out = [
        ("something else", "bad"),
        rows[7],
        (f"  {rows[9][0].upper()} ".replace(" ", "  "), rows[9][1]),
        (rows[11][0], "bad"),
        ("and another", "good"),
    ]
    assert rows[11][1] != "bad"
    found = found_in("bert_tiny_classification", *labelled(tmp_path, rows, held_out))["duplicates"]
    assert (found["exact"], found["but_for_case_and_white_space"], found["with_another_label"]) == (2, 1, 1)
    pairs = {(each["evaluation"], each["training"]) for each in found["first"]}
    held, train = tmp_path / "held.tsv", tmp_path / "train.tsv"  # The header is line 1.
    assert pairs == {(f"{held}:3", f"{train}:9"), (f"{held}:4", f"{train}:11"), (f"{held}:5", f"{train}:13")}


def test_sentences_of_running_text_that_both_parts_have_are_counted_and_shown(tmp_path):
    train = [" ".join([*WORDS[:number], *WORDS]) for number in range(12)]
    held = [" ".join([*reversed(WORDS), *WORDS]), train[4], "alpha beta.", train[7].upper()]
    for name, lines in (("train", [*train, "alpha beta."]), ("held", held)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    sets = [f"data.files={tmp_path}/train.txt", f"data.evaluation_files={tmp_path}/held.txt", *SIZES]
    found = found_in("bert_tiny", *sets, "data.layout=sentence_lines")["duplicates"]
    # By tokens, which are lower case here; short sentences do not count.
    assert (found["exact"], found["but_for_case_and_white_space"]) == (2, None)
    assert (found["evaluation"]["of"], found["training"]["of"]) == (3, 12)
    assert found["first"][0]["evaluation"] == f"{train[4][:59] + '…'!r} of document 1"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9])
def test_the_mean_of_the_longest_is_that_over_all_batches_there_may_be(size):
    lengths = np.array([3, 1, 4, 1, 5, 9, 2, 6])
    batches = itertools.combinations(lengths, min(size, 8))
    assert mean_longest(lengths, size) == pytest.approx(np.mean([max(batch) for batch in batches]), rel=1e-12)


def test_padding_is_what_a_padded_batch_does_not_use(tmp_path):
    rows = [(each, "good") for each in sentences(60)] + [("alpha", "bad"), ("beta", "fine")]
    sets = labelled(tmp_path, rows, [("alpha", "bad")])
    spec = load_spec("bert_tiny_classification", sets)
    dataset = open_dataset(spec, tmp_path / "run", "train")
    batch = stack([dataset.example(0, index) for index in range(len(dataset))], dataset.padding())
    found = found_in("bert_tiny_classification", *sets)
    unused = 1 - float(np.mean(batch["example_ids"]))
    assert found["batching"]["padded"]["padding"] == pytest.approx(unused, rel=1e-12)
    assert 0 < found["batching"]["to the batch's longest"]["padding"] < unused
    assert found["lengths"]["sequence"]["mean"] == pytest.approx(
        batch["example_ids"].sum(1).mean(), rel=1e-12
    )


@pytest.mark.parametrize("kind", ["bucketed", "packed"])
def test_padding_of_other_batchings_is_what_an_epoch_of_their_batches_does_not_use(kind, tmp_path):
    rows = [(each, "good") for each in sentences(57)] + [("alpha", "bad"), ("beta", "fine"), ("mu", "fine")]
    sets = [*labelled(tmp_path, rows, [("alpha", "bad")]), "training.batch_size=1"]
    spec = load_spec("bert_tiny_classification", [*sets, f"data.batching={kind}"])
    dataset = open_dataset(spec, tmp_path / "run", "train")
    batches = [dataset.batch(0, step, 1)["example_ids"] for step in range(dataset.epoch_steps(1))]
    used = sum(int((batch > 0).sum()) for batch in batches) / sum(batch.size for batch in batches)
    found = found_in("bert_tiny_classification", *sets)["batching"]
    assert found[kind]["padding"] == pytest.approx(1 - used, rel=1e-9)
    assert found[kind]["padding"] < found["padded"]["padding"]
    if kind == "bucketed":
        assert found[kind]["bounds"] == sorted({batch.shape[1] for batch in batches})
    own = found_in("bert_tiny_classification", *sets, "data.batching={kind: bucketed, buckets: 2}")[
        "batching"
    ]
    assert len(own["bucketed, as the spec says"]["bounds"]) == 2


def test_a_batching_that_cannot_be_had_says_why():
    found = inspect_data(load_spec("hubert_tiny_ctc"), None, "train", examples=0)
    (packed,) = [each for each in found.waste if each.batching == "packed"]
    assert packed.padding is None
    assert "cannot be had: data.batching is packed, and" in packed.note


@pytest.mark.parametrize("padding", [1, 5, 16, 17, 64, 1000])
def test_a_histogram_has_each_example_once(padding):
    real = np.random.default_rng(padding).integers(1, padding + 1, 500)
    bins = Lengths("sequence", padding, real).histogram()
    assert [count for *_, count in bins] == [int(((real >= a) & (real <= b)).sum()) for a, b, _ in bins]
    assert sum(count for *_, count in bins) == 500
    assert bins[0][0] == 1
    assert bins[-1][1] == padding
    assert len(bins) <= 16


def test_of_large_data_a_part_is_looked_at_from_everywhere_and_it_is_said(monkeypatch, capsys):
    monkeypatch.setattr(looking, "_MOST", 40)
    found = inspect_data(load_spec("unet_tiny"), None, "train", examples=4)
    assert (found.looked_at, found.examples) == (40, 512)
    assert found.balance.of == 40 * 32 * 32
    indices = [each.index for each in found.shown]
    assert indices[0] < 13
    assert indices[-1] >= 499
    assert indices == sorted(set(indices))
    print_inspection(found, console())
    assert "40 examples from everywhere" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "task"), [item for item in classes(Task).items() if item[1].learns_from])
def test_every_task_that_learns_from_records_says_how_its_examples_are_shown(kind, task):
    assert open_view.dispatch(task) is not open_view.dispatch(object)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bert_tiny_summarization", "[+]"),
        ("gpt2_tiny_summarization", "to predict"),
        ("hubert_tiny_ctc", "letters)"),
        ("hubert_tiny_units", "hidden"),
        ("transformer_tiny", "target"),
        ("two_towers", "image"),
        ("bert_base_sst2", "text"),
    ],
)
def test_examples_of_each_kind_of_task_are_shown(name, said, monkeypatch):
    monkeypatch.setattr(looking, "_MOST", 50)
    found = zoo("--spec", name, "--examples", "1")
    assert found.exit_code == 0, found.output
    assert said in found.stdout.partition("\nLength:")[0]


def test_a_picture_has_images_with_masks_and_one_of_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "_MOST", 8)
    found = zoo("--spec", "unet_tiny", "--examples", "2", "--png", tmp_path / "new" / "some.png")
    assert found.exit_code == 0, found.output
    assert (tmp_path / "new" / "some.png").read_bytes().startswith(b"\x89PNG")
    found = zoo("--spec", "bert_base_sst2", "--examples", "1", "--png", tmp_path / "none.png")
    assert found.exit_code == 2
    assert "nothing to draw" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "test"], "neither train nor eval"),
        (["--png", "a.svg"], "does not end in .png"),
        (["--run-dir", "/nowhere/at/all"], "is no directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, said):
    found = zoo("--spec", "unet_tiny", *arguments)
    assert found.exit_code == 2
    assert said in " ".join(found.output.split())
