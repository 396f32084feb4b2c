"""``zoo predict``: what it answers, that both frameworks answer the same, and what it says of bad input."""

from __future__ import annotations

import gzip
import io
import json
import struct

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from small_models import probe_weights
from small_runs import bert_run, mnist_run, probed_run, text_file
from zoo_common.cli.main import application
from zoo_common.data import open_dataset
from zoo_common.interop import to_transformers
from zoo_common.training.spec_run import reopen
from zoo_spec import load_spec
from zoo_torch.backend import TorchBackend

FRAMEWORKS = ("torch", "tf")


def run(*arguments, stdin=None):
    command = ["predict", *(str(argument) for argument in arguments), "--device", "cpu"]
    return CliRunner().invoke(application(), command, input=stdin)


def answers(*arguments, stdin=None, status=0):
    found = run(*arguments, stdin=stdin)
    assert found.exit_code == status, found.output
    return [json.loads(line) for line in found.stdout.splitlines()]


def both(directory, *arguments, status=0):
    """The answers of both frameworks, which are the same but for the last digits of probabilities."""
    ours, theirs = (
        answers("--framework", name, "--run-dir", directory, *arguments, status=status) for name in FRAMEWORKS
    )
    assert_close(ours, theirs)
    return ours


def assert_close(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert_close(value, theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_close(one, other)
    elif isinstance(ours, float):
        assert abs(ours - theirs) <= 1e-5
    else:
        assert ours == theirs


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return bert_run(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    return mnist_run(tmp_path_factory.mktemp("mnist") / "run", framework="tf")


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    # The evaluated fifth is drawn; the model has seen most of these.
    pixels = np.rint(found.images[:40] * 255 / 16).astype(np.uint8)
    return pixels, found.target[:40]


def test_images_of_every_kind_of_file_are_labelled_alike(mnist, digits, tmp_path):
    pixels, labels = digits
    Image.fromarray(pixels[0]).save(tmp_path / "one.png")
    Image.fromarray(np.stack([pixels[0]] * 3, -1)).save(tmp_path / "colours.png")
    Image.fromarray(pixels[0]).save(tmp_path / "one.bmp")
    np.save(tmp_path / "one.npy", pixels[0])
    np.save(tmp_path / "one_channel.npy", pixels[0][..., None])
    np.save(tmp_path / "many.npy", pixels)
    idx = struct.pack(">HBB3I", 0, 8, 3, *pixels.shape) + pixels.tobytes()
    (tmp_path / "many-idx3-ubyte").write_bytes(idx)
    (tmp_path / "many-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    names = ("one.png", "colours.png", "one.bmp", "one.npy", "one_channel.npy")
    singles = both(mnist, *(tmp_path / name for name in names))
    assert [row["file"] for row in singles] == [str(tmp_path / name) for name in names]
    assert all({**row, "file": ""} == {**singles[0], "file": ""} for row in singles)
    first = singles[0]
    assert first["probability"] == first["probabilities"][first["label"]] == max(first["probabilities"])
    assert sum(first["probabilities"]) == pytest.approx(1, abs=1e-6)
    files = ("many.npy", "many-idx3-ubyte", "many-idx3-ubyte.gz")
    many = both(mnist, *(tmp_path / name for name in files))
    assert [row["index"] for row in many] == [*range(len(pixels))] * 3
    rows = [[{**row, "file": "", "index": 0} for row in many[start : start + 40]] for start in (0, 40, 80)]
    assert rows[0] == rows[1] == rows[2]
    found = np.array([row["label"] for row in many[:40]])
    assert (found == labels).mean() > 0.8
    assert_close({**rows[0][0], "file": ""}, {"file": "", "index": 0, **{**first, "file": ""}})


def test_an_image_is_fed_as_in_training(tmp_path):
    # An image of another size, in a run that shifts and scales pixels: the same as an evaluation's logits.
    directory = mnist_run(
        tmp_path / "run", "data.mean=0.3", "data.std=0.5", "model.image_size=[11, 9]", steps=2
    )
    opened = reopen(TorchBackend(), directory, device="cpu")
    opened.load()
    held_out = open_dataset(opened.learner.spec, directory, "eval")
    index = 7
    logits = opened.learner.at_work().predict_step({"image": held_out.example(0, index)["image"][None]})[
        "logits"
    ][0]
    raw = held_out._records[index].image.pixels(1)[..., 0]
    assert raw.shape == (8, 8)
    # Sixteenths of a full pixel stand at 255ths only to a rounding.
    Image.fromarray(np.rint(raw / 16 * 255).astype(np.uint8)).save(tmp_path / "image.png")
    answer = answers("--framework", "torch", "--run-dir", directory, tmp_path / "image.png")[0]
    expected = torch.from_numpy(logits).double().softmax(-1).numpy()
    np.testing.assert_allclose(answer["probabilities"], expected, atol=2e-3)


@pytest.mark.parametrize(
    "text", ["The [MASK] sat on the [MASK], and ran.", "The cat ran. [SEP] The [MASK] sat[MASK]"]
)
def test_words_for_masks_are_those_of_transformers(bert, text):
    spec = load_spec(bert / "spec.yaml")
    model = spec.model
    config = transformers.BertConfig(
        hidden_size=model.hidden_size, num_hidden_layers=model.num_layers, num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size, vocab_size=model.vocab_size,
        max_position_embeddings=model.max_positions, hidden_act="gelu", layer_norm_eps=model.layer_norm_epsilon,
    )  # fmt: skip
    reference = transformers.BertForPreTraining(config).eval()
    weights = to_transformers(spec, probe_weights(spec.graph()))
    reference.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(bert / "tokenizer.json"), mask_token="[MASK]", pad_token="[PAD]"
    )
    ids = tokenizer(f"[CLS] {text} [SEP]", return_tensors="pt", add_special_tokens=False)["input_ids"]
    ends = (ids == tokenizer.convert_tokens_to_ids("[SEP]")).int()
    with torch.no_grad():
        # Sentence B begins behind the first [SEP].
        logits = reference(input_ids=ids, token_type_ids=ends.cumsum(1) - ends).prediction_logits[0]
    places = (ids[0] == tokenizer.mask_token_id).nonzero()[:, 0]
    assert len(places) == 2
    answer = both(bert, text)[0]
    for told, place in zip(answer["masks"], places, strict=True):
        chances = logits[place].double().softmax(-1)
        best = chances[: len(tokenizer)].topk(5)
        assert [each["word"] for each in told] == tokenizer.convert_ids_to_tokens(best.indices.tolist())
        np.testing.assert_allclose([each["probability"] for each in told], best.values.numpy(), atol=1e-5)
        assert told[0]["probability"] > 1.5 / model.vocab_size


def test_embeddings_are_those_of_transformers(bert):
    spec = load_spec(bert / "spec.yaml")
    model = spec.model
    config = transformers.BertConfig(
        hidden_size=model.hidden_size, num_hidden_layers=model.num_layers, num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size, vocab_size=model.vocab_size,
        max_position_embeddings=model.max_positions, hidden_act="gelu", layer_norm_eps=model.layer_norm_epsilon,
    )  # fmt: skip
    reference = transformers.BertForPreTraining(config).eval()
    weights = to_transformers(spec, probe_weights(spec.graph()))
    reference.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(bert / "tokenizer.json"))
    text = "The cat ran. [SEP] The dog sat on the mat."
    ids = tokenizer(f"[CLS] {text} [SEP]", return_tensors="pt", add_special_tokens=False)["input_ids"]
    ends = (ids == tokenizer.convert_tokens_to_ids("[SEP]")).int()
    with torch.no_grad():
        wanted = reference.bert(input_ids=ids, token_type_ids=ends.cumsum(1) - ends)
    # The shorter line is padded to the longer one's length.
    answer = both(bert, "--embeddings", "all", "--batch-size", 2, text, "The cat.")
    assert [each["token"] for each in answer[0]["tokens"]] == tokenizer.convert_ids_to_tokens(ids[0].tolist())
    found = [each["embedding"] for each in answer[0]["tokens"]]
    np.testing.assert_allclose(found, wanted.last_hidden_state[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(answer[0]["pooled"], wanted.pooler_output[0].numpy(), atol=1e-5)
    assert both(bert, "--embeddings", "pooled", "The cat.")[0].keys() == {"line", "text", "pooled"}
    alone = both(bert, "--embeddings", "tokens", "The cat.")[0]
    assert alone.keys() == {"line", "text", "tokens"}
    assert_close(alone["tokens"], answer[1]["tokens"])


def test_a_model_without_what_is_embedded_says_so(bert, mnist, tmp_path):
    spec = load_spec(bert / "spec.yaml", ["task.kind=masked_lm", f"data.files=[{text_file(tmp_path)}]"])
    directory = probed_run(spec, tmp_path / "run")
    for run_dir, which, says in (
        (bert, "mean", "embeddings are sentence, pooled, tokens, all, not 'mean'"),
        (bert, "sentence", "has no output sentence; it has"),
        (directory, "pooled", "has no output pooled; it has hidden_states"),
        (mnist, "pooled", "was trained on data of kind 'images'"),
    ):
        found = run("--framework", "torch", "--run-dir", run_dir, "--embeddings", which, "The cat.")
        assert (found.exit_code, found.stdout) == (2, "")
        assert says in found.stderr
    assert answers("--framework", "torch", "--run-dir", directory, "--embeddings", "all", "The cat.")[0][
        "tokens"
    ]


def test_an_answer_does_not_depend_on_what_stands_beside_it_or_on_the_batch(bert):
    texts = [
        f"{'The cat sat. ' * count}The [MASK] ran.{' [MASK]' * (count % 3)}" for count in (0, 3, 1, 4, 2)
    ]
    together = both(bert, *texts)
    assert [row["line"] for row in together] == [1, 2, 3, 4, 5]
    for size in (1, 2):
        assert_close(both(bert, *texts, "--batch-size", size), together)
    alone = [both(bert, text)[0]["masks"] for text in texts]
    assert_close(alone, [row["masks"] for row in together])


def test_lines_come_from_a_file_or_standard_input_with_their_numbers(bert, tmp_path):
    content = "﻿The [MASK] sat.\r\n\n   \nThe dog [MASK].\nno mask\n\xff\nThe [MASK] ran.".encode()
    content = content.replace("\xff".encode(), b"\xff")
    file = tmp_path / "lines.txt"
    file.write_bytes(content)
    command = ("--framework", "torch", "--run-dir", bert)
    given = answers(*command, "--input", file, status=2)
    assert [row["line"] for row in given] == [1, 4, 5, 6, 7]
    assert [row["text"] for row in given][:2] == ["The [MASK] sat.", "The dog [MASK]."]
    assert ["error" in row for row in given] == [False, False, True, True, False]
    piped = answers(*command, stdin=content, status=2)
    assert [row.get("masks") for row in piped] == [row.get("masks") for row in given]
    said = run(*command, "--input", file).stderr
    assert f"{file}:5: has no [MASK]" in said
    assert f"{file}:6: not UTF-8: byte 0xff" in said
    assert "2 of 5 inputs have no answer" in said


def test_a_line_too_long_to_read_is_passed_over(bert):
    content = f"The [MASK] sat.\n{'x' * 200}\n{'y' * 39}\n{'[MASK]' * 6}".encode()
    command = ("--framework", "torch", "--run-dir", bert, "--limit", "line_bytes=40")
    given = answers(*command, stdin=content, status=2)
    assert [row["line"] for row in given] == [1, 2, 3, 4]
    assert (
        "the line is longer than 40 bytes; break it up, or raise data.limits.line_bytes" in given[1]["error"]
    )
    assert "has no [MASK]" in given[2]["error"]
    assert len(given[3]["masks"]) == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("No mask here.", "has no [MASK], where a word is to be found"),
        ("The [mask] sat.", "[MASK] is written in capitals"),
        ("The [MASK] " + "cat " * 40, "tokens, special ones included, and the model takes 32"),
        ("a [SEP] b [SEP] [MASK]", "has 3 sentences with [SEP] between them, and the model takes 2"),
    ],
)
def test_what_cannot_be_answered_says_why_in_its_place(bert, text, says):
    good = "The [MASK] sat."
    found = both(bert, good, text, good, status=2)
    assert says in found[1]["error"]
    assert found[0]["masks"] == found[2]["masks"]


def test_words_that_the_tokenizer_does_not_know_are_named(bert):
    known, unknown = both(bert, "The [MASK] sat.", "The ☃ [MASK] 猫 sat.")
    assert "unknown" not in known
    assert unknown["unknown"] == ["☃", "猫"]


def test_top_says_how_many_words_and_no_more_than_there_are(bert):
    three = both(bert, "The [MASK] sat.", "--top", 3)[0]["masks"][0]
    everything = both(bert, "The [MASK] sat.", "--top", 1000)[0]["masks"][0]
    assert len(three) == 3
    assert three == everything[:3]
    tokens = json.loads((bert / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert {row["word"] for row in everything} == set(tokens)
    assert sum(row["probability"] for row in everything) <= 1 + 1e-6


def test_a_causal_model_tells_the_likeliest_next_words(tmp_path):
    small = [
        "model.nodes.embeddings.block.rows=120",
        "model.nodes.embeddings.block.size=16",
        "model.nodes.embeddings.block.position.size=32",
        "model.nodes.decoder.block.layer.attention.num_heads=2",
        "model.bounds.sequence=32",
        "data.sequence_length=24",
        "data.evaluation_fraction=0.3",
        f"data.files=[{text_file(tmp_path)}]",
    ]
    spec = load_spec("causal_lm", small)
    directory = probed_run(spec, tmp_path / "run", framework="tf")
    texts = ("The cat sat on the", "The", "Time flies like")
    found = both(directory, *texts)
    assert [row["text"] for row in found] == list(texts)
    assert all(len(row["words"]) == 5 for row in found)
    assert_close(both(directory, texts[0])[0]["words"], found[0]["words"])
    # What stands behind the last word given cannot matter to a causal model; what stands before it does.
    assert found[0]["words"] != both(directory, "Time flies like the")[0]["words"]
    assert "has no words" in both(directory, "\N{ZERO WIDTH SPACE}", status=2)[0]["error"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_damaged_picture_is_an_error_in_its_place(mnist, digits, tmp_path, kind):
    whole = io.BytesIO()
    Image.fromarray(digits[0][0]).save(whole, kind)
    content = whole.getvalue()
    good = tmp_path / "good"
    good.write_bytes(content)
    cut = tmp_path / "cut"
    cut.write_bytes(content[: len(content) // 2])
    found = both(mnist, good, cut, good, status=2)
    assert ["error" in row for row in found] == [False, True, False]
    assert str(cut) in found[1]["error"]
    assert found[1]["file"] == str(cut)


@pytest.mark.parametrize(
    ("save", "says"),
    [
        (lambda path: path.write_text("text"), "is no image that is read here"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: np.save(path.open("wb"), np.zeros((8, 8))), "holds float64; pixels are uint8"),
        (lambda path: np.save(path.open("wb"), np.zeros(8, np.uint8)), "has the shape [8];"),
        (lambda path: np.save(path.open("wb"), np.zeros((2, 8, 8, 3), np.uint8)), "have 3 channel(s)"),
        (lambda path: np.save(path.open("wb"), np.array([{}], object)), "not an array that NumPy reads"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\0"), "not an array that NumPy reads"),
        (lambda path: path.write_bytes(b"\0\0\x08\x03\0\0"), "cut off in the header"),
        (lambda path: Image.new("RGBA", (8, 8), (9, 9, 9, 9)).save(path, "PNG"), "is transparent"),
    ],
)
def test_a_file_that_is_no_image_says_what_is_wrong(mnist, tmp_path, save, says):
    path = tmp_path / "file"
    save(path)
    found = run("--framework", "torch", "--run-dir", mnist, path)
    assert found.exit_code == 2
    assert says in found.stderr
    assert str(path) in found.stderr
    assert "Traceback" not in found.output


def test_a_picture_beyond_the_limits_is_read_where_they_are_raised(mnist, digits, tmp_path):
    Image.fromarray(digits[0][0]).save(tmp_path / "digit.png")
    command = ("--framework", "torch", "--run-dir", mnist, tmp_path / "digit.png", "--limit")
    found = run(*command, "picture_pixels=63")
    assert found.exit_code == 2
    assert "has 8 x 8 pixels, and 63 are the most; raise data.limits.picture_pixels" in found.stderr
    assert len(answers(*command, "picture_pixels=64")) == 1
    for limit in ("pixels=9", "picture_pixels=-1", "picture_pixels", "picture_pixels=999999999999"):
        found = run(*command, limit)
        assert (found.exit_code, found.stdout) == (2, "")
        assert f"--limit {limit}" in found.stderr


def test_a_missing_image_is_told_before_anything_is_computed(mnist, digits, tmp_path):
    Image.fromarray(digits[0][0]).save(tmp_path / "good.png")
    found = run("--framework", "torch", "--run-dir", mnist, tmp_path / "good.png", tmp_path / "none.png")
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"{tmp_path / 'none.png'}: there is no such file" in found.stderr


def test_wrong_use_is_status_2_and_says_what_is_right(bert, mnist, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The [MASK] sat.\n")
    (tmp_path / "empty").write_bytes(b"")
    cases = [
        ((bert, "The [MASK]", "--input", text), "keep one"),
        ((bert, "--input", tmp_path / "none"), "there is no such file"),
        ((bert, "--input", tmp_path / "empty"), "the file is empty"),
        ((bert,), "there is nothing to predict"),
        ((mnist, text, "--top", 3), "an image is answered with all probabilities"),
        ((tmp_path, "The [MASK]"), "is no run directory"),
    ]
    for (directory, *rest), says in cases:
        found = run("--framework", "torch", "--run-dir", directory, *rest, stdin="")
        assert (found.exit_code, found.stdout) == (2, "")
        assert says in found.stderr


def test_a_run_without_its_tokenizer_or_a_checkpoint_says_so(tmp_path):
    directory = bert_run(tmp_path)
    command = ("--framework", "torch", "--run-dir", directory, "The [MASK] sat.")
    checkpoints = directory / "checkpoints"
    checkpoints.rename(directory / "elsewhere")
    found = run(*command)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "has no checkpoint" in found.stderr
    (directory / "elsewhere").rename(checkpoints)
    (directory / "tokenizer.json").unlink()
    found = run(*command)
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"{directory / 'tokenizer.json'}: there is no such file" in found.stderr


def test_a_run_on_generated_data_has_nothing_to_read_input_with(tmp_path):
    spec = load_spec("mnist_fc", ["data={kind: generated}", "model.hidden_sizes=[4]"])
    directory = probed_run(spec, tmp_path / "run")
    found = run("--framework", "torch", "--run-dir", directory, tmp_path)
    assert found.exit_code == 2
    assert "was trained on data of kind 'generated'" in found.stderr
