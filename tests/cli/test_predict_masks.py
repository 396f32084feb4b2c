"""``zoo predict`` with images by files and folders: masks as PNG, and embeddings as rows of a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from small_runs import bert_run, probed_run
from zoo_common.cli.main import application
from zoo_common.training.spec_run import reopen
from zoo_spec import load_spec
from zoo_torch.backend import TorchBackend

FRAMEWORKS = ("torch", "tf")
SMALL = ["model.image_size=[8, 8]", "model.filters=[2, 3]", "model.norm=null"]
DRAWN = np.random.default_rng(11)


def run(*arguments):
    command = ["predict", *(str(argument) for argument in arguments), "--device", "cpu"]
    return CliRunner().invoke(application(), command)


def answers(*arguments, status=0):
    found = run(*arguments)
    assert found.exit_code == status, found.output
    return [json.loads(line) for line in found.stdout.splitlines()]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return probed_run(load_spec("unet_tiny", SMALL), tmp_path_factory.mktemp("shapes") / "run")


def _logits(directory, image):
    model = reopen(TorchBackend(), directory, device="cpu")
    model.load()
    return model.learner.at_work().predict_step({"image": image[None, ..., None].astype(np.float32) / 255})[
        "logits"
    ][0]


def test_an_image_larger_than_the_models_is_answered_in_tiles_alike_in_both_frameworks(shapes, tmp_path):
    pixels = DRAWN.integers(0, 256, (20, 13), np.uint8)
    folder = tmp_path / "pictures" / "deep"
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels[:8, :8]).save(tmp_path / "pictures" / "b.bmp")
    found = {}
    for framework in FRAMEWORKS:
        masks = tmp_path / framework
        told = answers(
            "--framework", framework, "--run-dir", shapes, "--output", masks, tmp_path / "pictures"
        )
        assert [each["mask"] for each in told] == [str(masks / "b.png"), str(masks / "a.png")]
        found[framework] = [np.asarray(Image.open(masks / f"{name}.png")) for name in "ab"]
        for answer, mask in zip(told, found[framework][::-1], strict=True):
            shares = np.bincount(mask.ravel(), minlength=4) / mask.size
            np.testing.assert_allclose(list(answer["shares"].values()), shares, rtol=1e-7)
    for ours, theirs in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    whole, small = found["torch"]
    assert (whole.shape, small.shape) == ((20, 13), (8, 8))
    assert len(np.unique(whole)) > 1
    np.testing.assert_array_equal(small, _logits(shapes, pixels[:8, :8]).argmax(-1))
    # The first tile's own rows are 0 to 8, its columns 0 to 6: the next one begins at 5, and each has half of that.
    np.testing.assert_array_equal(whole[:8, :6], small[:, :6])
    last = _logits(shapes, pixels[12:, 5:]).argmax(-1)
    np.testing.assert_array_equal(whole[14:, 6:], last[2:, 1:])


def test_a_mask_of_two_classes_is_black_and_white_and_one_of_more_has_pascal_vocs_colours(shapes, tmp_path):
    binary = probed_run(load_spec("unet_tiny_residual", ["model.image_size=[8, 8]", "model.filters=[2, 3]"]),
                        tmp_path / "run")  # fmt: skip
    Image.fromarray(DRAWN.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "x.png")
    for directory, mode in ((binary, "L"), (shapes, "P")):
        output = tmp_path / mode
        answers("--framework", "torch", "--run-dir", directory, "--output", output, tmp_path / "x.png")
        mask = Image.open(output / "x.png")
        assert mask.mode == mode
        if mode == "L":
            assert set(np.unique(np.asarray(mask))) <= {0, 255}
        else:
            # VOC2012's development kit, VOCcolormap: aeroplane 128 0 0, bicycle 0 128 0, bird 128 128 0.
            assert mask.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]


def test_a_model_of_resized_images_answers_with_a_mask_of_the_images_size_and_names(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.fromarray(DRAWN.integers(0, 256, (16, 24), np.uint8)).save(tmp_path / f"images/{number}.png")
        Image.fromarray(DRAWN.integers(0, 2, (16, 24), np.uint8)).save(tmp_path / f"masks/{number}.png")
    data = {
        "kind": "mask_folder",
        "images": f"{tmp_path}/images",
        "masks": f"{tmp_path}/masks",
        "labels": ["no", "yes"],
    }
    spec = load_spec(
        "unet_tiny_residual", ["model.image_size=[8, 8]", "model.filters=[2, 3]", f"data={json.dumps(data)}"]
    )
    directory = probed_run(spec, tmp_path / "run")
    [answer] = answers(
        "--framework", "tf", "--run-dir", directory, "--output", tmp_path / "out", tmp_path / "images/0.png"
    )
    assert list(answer["shares"]) == ["no", "yes"]
    mask = np.asarray(Image.open(tmp_path / "out" / "0.png"))
    assert mask.shape == (16, 24)
    np.testing.assert_array_equal(mask, mask[::2, ::3].repeat(2, 0).repeat(3, 1))


def test_what_cannot_be_written_is_refused_and_a_damaged_image_has_its_error(shapes, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for flags, said in (((), "--output DIR"), (("--output", tmp_path / "x.png"), "is a file")):
        found = run("--framework", "torch", "--run-dir", shapes, *flags, tmp_path / "x.png")
        assert found.exit_code == 2
        assert said in found.stderr
    flags = ("--framework", "torch", "--run-dir", shapes, "--output")
    [same] = answers(*flags, tmp_path, tmp_path / "x.png", status=2)
    assert "its mask would take its place" in same["error"]
    told = answers(*flags, tmp_path / "out", tmp_path / "x.png", tmp_path / "y.png", status=2)
    assert ["mask" in each for each in told] == [True, False]
    assert "y.png" in told[1]["error"]


def test_embeddings_are_rows_of_a_file_the_same_as_are_told_without_it(tmp_path):
    directory = bert_run(tmp_path)
    texts = ["the fox", "a dog and the fox"]
    for framework in FRAMEWORKS:
        flags = ("--framework", framework, "--run-dir", directory, "--embeddings", "pooled")
        told = answers(*flags, *texts)
        short = answers(*flags, "--output", tmp_path / "v.npy", *texts)
        assert [each["row"] for each in short] == [0, 1]
        assert "pooled" not in short[0]
        found = np.load(tmp_path / "v.npy", allow_pickle=False)
        np.testing.assert_array_equal(found, np.array([each["pooled"] for each in told], np.float32))
    long = " ".join(["fox"] * 200)
    flags = (
        "--framework",
        "torch",
        "--run-dir",
        directory,
        "--embeddings",
        "pooled",
        "--output",
        tmp_path / "v.npy",
    )
    told = answers(*flags, long, texts[0], status=2)
    assert "error" in told[0]
    again = np.load(tmp_path / "v.npy")
    assert np.isnan(again[0]).all()
    np.testing.assert_allclose(again[1], found[0], rtol=1e-4, atol=1e-6)
    for wrong, said in ((("--embeddings", "all"), "sentence or pooled"), ((), "sentence or pooled")):
        refused = run(
            "--framework", "torch", "--run-dir", directory, *wrong, "--output", tmp_path / "v.npy", "a"
        )
        assert refused.exit_code == 2
        assert said in refused.stderr
