"""What is drawn for images in training: by (seed, epoch, index), masks with their images, nothing in evaluation."""

import numpy as np
import pytest
from scipy import ndimage

from zoo_common.data.makers.augmentation import Drawn, draw
from zoo_common.data.makers.image_examples import open_images
from zoo_spec.data import Augmentation, ImageData
from zoo_spec.data.records import VOID
from zoo_spec.random import Stream

IMAGE = np.random.default_rng(1).integers(1, 255, (7, 9, 3), np.uint8)
MASK = IMAGE[..., 0] % 5


def test_what_is_drawn_hangs_on_seed_epoch_and_index_alone_and_evaluation_draws_nothing():
    wanted = Augmentation(crop_padding=1, flip_left_right=True, rotation=20)

    def at(split="train", seed=0, augmentation=wanted, epoch=0):
        data = ImageData(augmentation=augmentation)
        examples = open_images(
            data, split=split, shape=(8, 8, 1), classes=10, inputs=frozenset(["image"]), seed=seed
        )
        return np.stack([examples.example(epoch, index)["image"] for index in range(8)])

    np.testing.assert_array_equal(at(), at())
    assert (at() != at(epoch=1)).any()
    assert (at() != at(seed=1)).any()
    np.testing.assert_array_equal(at("eval"), at("eval", augmentation=None))


def test_mirrors_and_quarter_turns_are_numpys_for_image_and_mask():
    for drawn, expected in [
        (Drawn(0, 0, mirrored=True), np.fliplr),
        (Drawn(0, 0, upside_down=True), np.flipud),
        (Drawn(0, 0, quarters=3), lambda values: np.rot90(values, 3)),
    ]:
        np.testing.assert_array_equal(drawn.of_image(IMAGE, 7, 9), expected(IMAGE))
        np.testing.assert_array_equal(drawn.of_mask(MASK, 7, 9), expected(MASK))


def test_a_window_beyond_the_image_is_black_there_and_does_not_count():
    drawn = Drawn(-2, 5)
    padded = np.pad(IMAGE, ((2, 0), (0, 3), (0, 0)))
    np.testing.assert_array_equal(drawn.of_image(IMAGE, 6, 7), padded[:6, 5:12])
    np.testing.assert_array_equal(
        drawn.of_mask(MASK, 6, 7), np.pad(MASK, ((2, 0), (0, 3)), constant_values=VOID)[:6, 5:12]
    )


@pytest.mark.parametrize("degrees", [-13.0, 30.0])
def test_a_rotation_is_scipys_bilinear_one_and_its_masks_nearest(degrees):
    found = Drawn(0, 0, degrees).of_image(IMAGE, 7, 9)
    expected = ndimage.rotate(
        IMAGE.astype(float), degrees, axes=(0, 1), reshape=False, order=1, mode="grid-constant"
    )
    np.testing.assert_allclose(found, expected, atol=0.05)
    mask = Drawn(0, 0, degrees).of_mask(MASK, 7, 9)
    nearest = ndimage.rotate(MASK, degrees, reshape=False, order=0, mode="grid-constant", cval=VOID)
    assert (mask == nearest).mean() > 0.95
    assert (mask == VOID).any()


def test_windows_are_everywhere_alike_and_half_of_the_images_mirrored():
    wanted = Augmentation(crop_padding=2, flip_left_right=True, quarter_turns=True)
    drawn = [draw(wanted, Stream(0, index), (8, 8), (0, 0), (8, 8)) for index in range(4000)]
    for values, kinds in (
        ([each.top for each in drawn], range(-2, 3)),
        ([each.left for each in drawn], range(-2, 3)),
        ([each.mirrored for each in drawn], (False, True)),
        ([each.quarters for each in drawn], range(4)),
    ):
        counts = [values.count(kind) for kind in kinds]
        assert sum(counts) == 4000
        expected = 4000 / len(counts)
        assert sum((count - expected) ** 2 / expected for count in counts) < 25  # chi-squared, p about 1e-4
