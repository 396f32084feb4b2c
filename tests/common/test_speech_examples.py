"""From utterances to examples: letters for recognition, hidden units and spans for pre-training, and word errors."""

from __future__ import annotations

import json

import jiwer
import numpy as np
import pytest
import soundfile

from sound_folders import SAID, librispeech, manifest
from zoo_common.data import open_dataset
from zoo_common.data.base import batch
from zoo_common.data.letter_files import read_letters
from zoo_common.data.letters import Letters
from zoo_common.data.makers.span_masks import span_mask
from zoo_common.data.makers.unit_examples import aligned
from zoo_common.data.sounds import normalized
from zoo_common.metrics.texts import open_text_metric
from zoo_common.metrics.transcripts import edits
from zoo_spec import load_spec
from zoo_spec.data.limits import SoundLimits
from zoo_spec.errors import InputError
from zoo_spec.random import Stream
from zoo_spec.tensors import Windows

HUBERT = Windows("frames", "samples", 400, 320)
"""25 ms every 20 ms, at 16 kHz."""
SMALL = [
    "model.waveform_encoder.channels=[4,4,4,4,4,4,4]",
    "model.waveform_encoder.sizes=[10,3,3,3,3,2,2]",
    "model.waveform_encoder.strides=[5,2,2,2,2,2,2]",
    "model.max_samples=32000",
]


def spec_of(name: str, data, *more: str):
    """A tiny model with frames of 16 kHz, on other data."""
    spec = load_spec(name, overrides=[*SMALL, *more])
    return spec.model_copy(update={"data": data})


def recognition(tmp_path, said=None, classes=None, **fields):
    from zoo_spec.data import LibriSpeech

    said = said or SAID
    letters = len(set("".join(said.values()).replace(" ", "|")))
    librispeech(tmp_path, said)
    data = LibriSpeech(directory=str(tmp_path), subsets="dev-clean", evaluation_fraction=0.0, **fields)
    return spec_of("hubert_tiny_ctc", data, f"task.classes={classes or 4 + letters}")


def test_letters_are_fairseqs_with_the_most_frequent_first(tmp_path):
    spec = recognition(tmp_path, {"84-121123-0000": "AAB C", "84-121123-0001": "A B"}, classes=8)
    examples = open_dataset(spec, tmp_path / "run", "train")
    names = json.loads((tmp_path / "run/labels.json").read_text())
    # fairseq's Dictionary begins with its four symbols and sorts by count; of equals by the symbol.
    assert names == ["<s>", "<pad>", "</s>", "<unk>", "A", "B", "|", "C"]
    assert examples.example(0, 0)["labels"].tolist() == [4, 4, 5, 6, 7]
    assert examples.said(0) == "AAB C"
    rows = batch(examples, 0, 0, 2)
    assert rows["labels"].shape == (2, 5)
    assert rows["waveform"].shape == (2, 32_000)
    assert sorted(rows["sample_ids"].sum(axis=1).tolist()) == [4000, 4000]


def test_a_run_keeps_its_letters_and_a_dictionary_has_to_be_the_same(tmp_path):
    spec = recognition(tmp_path)
    run = tmp_path / "run"
    names = open_dataset(spec, run, "train").letters.names
    assert open_dataset(spec, run, "eval" if spec.data.has_evaluation else "train").letters.names == names
    dictionary = tmp_path / "dict.ltr.txt"
    dictionary.write_text("".join(f"{letter} 1\n" for letter in sorted(names[4:])), encoding="utf-8")
    stated = spec.model_copy(update={"data": spec.data.model_copy(update={"dictionary": str(dictionary)})})
    assert open_dataset(stated, None, "train").letters.names == (*names[:4], *sorted(names[4:]))
    with pytest.raises(InputError, match="the run's labels are"):
        open_dataset(stated, run, "train")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dict.ltr.txt", "| 94802\nE 51860\n' 1 #fairseq:overwrite\n"),
        ("vocab.json", json.dumps({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5, "'": 6})),
    ],
)
def test_dictionaries_are_read_as_they_were_published(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    letters = read_letters(tmp_path / name, SoundLimits())
    assert letters.names == ("<s>", "<pad>", "</s>", "<unk>", "|", "E", "'")
    assert letters.ids("E' E") == [5, 6, 4, 5]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dict.ltr.txt", "E\n", "line 1 is 'E'"),
        ("dict.ltr.txt", "E 1\nE 2\n", "'E' stands twice"),
        ("dict.ltr.txt", "SIL 1\n", "'SIL' is no letter"),
        ("vocab.json", '{"E": 1}', "is no object of symbols"),
        ("vocab.json", "[" * 100_000, "is no object of symbols"),
        ("dict.ltr.txt", "", "empty"),
    ],
)
def test_a_dictionary_that_is_none_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        read_letters(tmp_path / name, SoundLimits())


@pytest.mark.parametrize(
    ("said", "fields", "message"),
    [
        ({"84-121123-0000": "GO | GO"}, {}, r"trans\.txt:1: the transcript has a '\|'"),
        ({"84-121123-0000": ""}, {}, r"trans\.txt:1: the transcript is empty"),
        # 4,000 samples make 12 frames, and a blank has to stand between the two Es and the two Ls.
        ({"84-121123-0000": "A FEE FELL"}, {}, "10 letters, which need 12|"),
        ({"84-121123-0000": "A FEELL FELL"}, {}, "12 letters, which need 15 frames .* 4,000 samples make 12"),
        ({"84-121123-0000": "GO"}, {"rate": 8000}, "16,000 samples a second, and data.rate is 8,000.*ffmpeg"),
        ({"84-121123-0000": "GO"}, {"waveform_samples": 3000}, "4,000 samples, and an example 3,000 at most"),
        ({"84-121123-0000": "GO"}, {"waveform_samples": 33_000}, "above the 32000 that the model takes"),
    ],
)
def test_what_recognition_cannot_learn_from_is_refused_by_its_place(tmp_path, said, fields, message):
    spec = recognition(tmp_path, said, **fields)
    if message.endswith("|"):
        assert open_dataset(spec, None, "train").example(0, 0)["labels"].shape == (10,)
        return
    with pytest.raises(InputError, match=message):
        open_dataset(spec, None, "train")


def test_what_does_not_fit_is_dropped_and_counted_where_the_spec_says_so(tmp_path, caplog):
    said = {**SAID, "84-121123-0007": "MUCH TOO MUCH FOR SO LITTLE TIME"}
    spec = recognition(tmp_path, said, unfit="drop", classes=18)
    examples = open_dataset(spec, None, "train")
    assert [examples.said(index) for index in range(len(examples))] == list(SAID.values())
    assert "1 of 4 utterances are too long, or for too many letters" in caplog.text


def test_a_wrong_number_of_classes_says_the_right_one(tmp_path):
    with pytest.raises(
        InputError, match=r"14 different letters.* are 18 classes, and task.classes is 30; set it to 18"
    ):
        open_dataset(recognition(tmp_path, classes=30), None, "train")


def test_greedy_decoding_merges_repeats_before_blanks_go():
    letters = Letters(("<s>", "<pad>", "</s>", "<unk>", "|", "H", "E", "L", "O"))
    # Graves et al. (2006), 3.1: B(a-ab-) = B(-aa--abb) = aab.
    assert letters.heard([0, 5, 5, 0, 6, 7, 7, 0, 7, 8, 4, 4, 0, 4, 5, 6, 1, 3]) == "HELLO HE"
    assert letters.heard([0, 0, 0]) == ""
    assert letters.heard([4, 5, 4]) == "H"


PAIRS = [
    ("HELLO WORLD", "HELLO WORLD"),
    ("HELLO WORLD", ""),
    ("THE CAT SAT ON THE MAT", "CAT SAT ON THE THE MAT MAT"),
    ("A B C D", "B C D A"),
    ("IT'S HE", "ITS HE HE HE HE HE"),
]


def test_word_and_character_error_rates_are_jiwers_over_the_whole_and_no_mean_of_utterances(tmp_path):
    said = {f"84-121123-{number:04}": pair[0] for number, pair in enumerate(PAIRS)}
    spec = recognition(tmp_path, said)
    for path in (tmp_path / "LibriSpeech").rglob("*.flac"):
        soundfile.write(path, np.zeros(30_000), 16_000)  # Time enough for what is said.
    examples = open_dataset(spec, None, "train")
    counter = open_text_metric(spec.task.metrics()[0], examples)
    frames, classes = HUBERT.fitting(32_000), len(examples.letters.names)
    for first in (0, 2, 4):
        rows = np.zeros((2, frames, classes), np.float32)
        rows[..., 0] = 1.0
        for row, (_, heard) in zip(rows, PAIRS[first : first + 2], strict=False):
            row[: examples.frame_count(0)] = 0
            ids = [each for letter in examples.letters.ids(heard) for each in (0, letter)]
            row[np.arange(len(ids)), ids] = 1.0
            row[len(ids) :, 0] = 1.0
            row[examples.frame_count(0) :, 5] = 9.0  # Padding says nothing.
        counter.add({}, {"logits": rows})
    reference, hypothesis = ([pair[side] for pair in PAIRS] for side in (0, 1))
    assert counter.values["word_error_rate"] == pytest.approx(jiwer.wer(reference, hypothesis), abs=1e-12)
    assert counter.values["character_error_rate"] == pytest.approx(
        jiwer.cer(reference, hypothesis), abs=1e-12
    )


def test_edits_are_levenshteins():
    draw = np.random.default_rng(3)
    for _ in range(60):
        said, heard = (["abcd"[at] for at in draw.integers(0, 4, draw.integers(0, 12))] for _ in range(2))
        table = np.add.outer(np.arange(len(said) + 1), np.arange(len(heard) + 1))
        for one in range(len(said)):
            for other in range(len(heard)):
                least = min(table[one, other + 1], table[one + 1, other]) + 1
                table[one + 1, other + 1] = min(least, table[one, other] + (said[one] != heard[other]))
        assert edits(said, heard) == table[-1, -1]


def test_a_normalized_waveform_has_mean_0_and_variance_1_as_fairseqs_layer_norm_gives_it():
    samples = np.random.default_rng(1).normal(0.3, 0.02, 5000).astype(np.float32)
    wide = samples.astype(np.float64)
    expected = (wide - wide.mean()) / np.sqrt(((wide - wide.mean()) ** 2).mean() + 1e-5)
    np.testing.assert_allclose(normalized(samples), expected, atol=1e-6)


def test_normalizing_is_of_the_whole_utterance_and_comes_before_padding(tmp_path):
    plain = open_dataset(recognition(tmp_path), None, "train")
    found = open_dataset(recognition(tmp_path, normalize=True), None, "train")
    np.testing.assert_allclose(found.example(0, 1)["waveform"], normalized(plain.example(0, 1)["waveform"]))
    row = batch(found, 0, 0, 1)
    assert row["waveform"][0, 4000:].tolist() == [0.0] * 28_000


def units(tmp_path, km: str, *more: str, **fields):
    data = manifest(tmp_path, km=km).model_copy(update={"evaluation_fraction": 0.0, **fields})
    return spec_of("hubert_tiny_units", data, "task.units=50", *more)


def ramp(count: int) -> str:
    return " ".join(str(number) for number in range(count)) + "\n"


def test_labels_are_the_units_at_each_frames_beginning_and_count_where_frames_are_hidden(tmp_path):
    spec = units(tmp_path, ramp(12) + ramp(25), mask_length=3)
    example = open_dataset(spec, None, "train").example(0, 1)
    assert example["labels"].tolist() == list(range(24))  # 8,000 samples make 24 frames.
    np.testing.assert_array_equal(example["label_weights"], example["frame_mask"])
    assert 0 < example["frame_mask"].sum() < 24


def test_units_at_100_a_second_are_taken_two_by_two_and_frames_behind_the_last_have_no_weight(tmp_path):
    spec = units(tmp_path, ramp(24) + ramp(42), unit_rate=100, mask_length=3, mask_probability=1.0)
    example = open_dataset(spec, None, "train").example(0, 1)
    assert example["labels"].tolist() == list(range(0, 42, 2)) + [0] * 3
    assert example["label_weights"][21:].tolist() == [0.0] * 3


def test_a_longer_utterance_is_cut_anew_in_each_epoch_with_its_units(tmp_path):
    spec = units(tmp_path, ramp(12) + ramp(25), waveform_samples=2000, mask_length=2)
    examples = open_dataset(spec, None, "train")
    whole, _ = soundfile.read(tmp_path / "sounds/1.flac", dtype="float32")
    starts = set()
    for epoch in range(6):
        example = examples.example(epoch, 1)
        assert len(example["waveform"]) == 2000
        first = int(example["labels"][0])
        starts.add(first)
        assert example["labels"].tolist() == list(range(first, first + len(example["labels"])))
        near = [
            start
            for start in range(max(0, 320 * first - 170), 320 * first + 171)
            if np.array_equal(whole[start : start + 2000], example["waveform"])
        ]
        assert near  # fairseq rounds the cut's beginning to the next unit.
    assert len(starts) > 2
    again = examples.example(3, 1)
    assert all(np.array_equal(again[name], value) for name, value in examples.example(3, 1).items())


@pytest.mark.parametrize(
    ("km", "fields", "message"),
    [
        (
            ramp(12) + ramp(50),
            {},
            r"train\.tsv:3: has 8,000 samples, 0\.50 s, and 50 units, which are 1\.00 s",
        ),
        (ramp(12) + "99 " * 25 + "\n", {}, r"has the unit 99, and task\.units is 50"),
        (
            ramp(12) + ramp(25),
            {"least_samples": 9000},
            "2 of 2 utterances are shorter than 9,000.*none is left",
        ),
    ],
)
def test_units_that_are_not_those_of_the_sound_are_refused(tmp_path, km, fields, message):
    with pytest.raises(InputError, match=message):
        open_dataset(units(tmp_path, km, **fields), None, "train")


def test_utterances_without_units_are_not_learned_as_units(tmp_path):
    librispeech(tmp_path, SAID)
    from zoo_spec.data import LibriSpeech

    data = LibriSpeech(directory=str(tmp_path), subsets="dev-clean")
    with pytest.raises(InputError, match=r"trans\.txt:1: has no hidden units"):
        open_dataset(spec_of("hubert_tiny_units", data), None, "train")


def test_spans_are_as_many_as_fairseq_draws_and_may_overlap():
    masks = [span_mask(Stream(0, index), 400, probability=0.8, length=10, least=2) for index in range(400)]
    # 32 of 390 beginnings, without repetition: a frame far from the edges stays in sight if none of the 10 before it
    # begins a span.
    hidden = np.mean([mask[10:390] for mask in masks])
    seen = np.prod([(390 - 32 - step) / (390 - step) for step in range(10)])
    assert hidden == pytest.approx(1 - seen, abs=0.01)
    for mask in masks[:50]:
        borders = np.flatnonzero(np.diff(mask.astype(int), prepend=0, append=0)).reshape(-1, 2)
        assert (np.diff(borders) >= 10).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 11, 13])
def test_short_rows_have_spans_too_and_never_hide_all(frames):
    for index in range(30):
        mask = span_mask(Stream(1, index), frames, probability=0.8, length=10, least=2)
        assert mask.shape == (frames,)
        assert frames < 2 or mask.any()


@pytest.mark.parametrize(
    ("start", "unit_rate", "first"), [(0, 50, 0), (159, 50, 0), (161, 50, 1), (80_000, 100, 500)]
)
def test_a_cut_begins_at_the_nearest_unit(start, unit_rate, first):
    found = aligned(np.arange(2000, dtype=np.int32), unit_rate, 16_000, HUBERT, start, 3)
    assert found.tolist() == [first, first + unit_rate // 50, first + 2 * (unit_rate // 50)]


def test_a_run_that_begins_with_anothers_weights_has_its_letters(tmp_path):
    before = ["<s>", "<pad>", "</s>", "<unk>", *sorted(set("".join(SAID.values()).replace(" ", "|")))]
    (tmp_path / "before").mkdir()
    (tmp_path / "before/labels.json").write_text(json.dumps(before))
    spec = recognition(tmp_path)
    training = spec.training.model_copy(update={"initialize_from": str(tmp_path / "before")})
    assert list(open_dataset(spec, None, "train").letters.names) != before
    found = open_dataset(spec.model_copy(update={"training": training}), None, "train")
    assert list(found.letters.names) == before
