"""Pictures as JPEG: their pixels are Pillow's own, whichever library decodes them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from zoo_common.data.sources import jpeg
from zoo_common.data.sources.pictures import PictureFile
from zoo_spec.data.limits import ImageLimits
from zoo_spec.errors import InputError

SHAPE = (61, 83)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'


def saved(mode="RGB", **options):
    """A drawn picture, smooth in places, as the bytes of a JPEG."""
    coarse = np.random.default_rng(3).integers(0, 256, (8, 11, 3), np.uint8)
    picture = Image.fromarray(coarse).resize(SHAPE[::-1], Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(exif=exif)


UPRIGHT = {
    "halved in both directions": saved(quality=90),
    "halved in one": saved(subsampling="4:2:2"),
    "whole": saved(subsampling="4:4:4", quality=30),
    "grey": saved("L"),
    "red, green and blue as they are": saved(keep_rgb=True),
    "with a colour profile": saved(icc_profile=bytes(70_000)),
    "a camera's, upright": turned(1),
    "something behind it": saved() + bytes(1000),
}
OTHERS = {
    "progressive": saved(progressive=True),
    "grey as colours": saved("L"),
    "four inks": saved("CMYK"),
    "with a colour profile of another name": saved(icc_profile=b"x").replace(b"ICC_PROFILE", b"ICC_PROFILX"),
    "on its side": turned(6),
    "upside down": turned(3),
    "on its side, by XMP": saved(xmp=XMP),
    "a stray byte before a marker": saved().replace(b"\xff\xda", b"\x00\xff\xda"),
}


@pytest.mark.parametrize("name", [*UPRIGHT, *OTHERS])
def test_the_pixels_of_a_jpeg_are_those_of_pillow(tmp_path, monkeypatch, name):
    path = tmp_path / "a.jpg"
    path.write_bytes({**UPRIGHT, **OTHERS}[name])
    direct, decode = [], jpeg.decode
    monkeypatch.setattr(jpeg, "decode", lambda *given: direct.append(decode(*given)) or direct[-1])
    picture, channels = PictureFile(str(path), ImageLimits()), 1 if name == "grey" else 3
    found = picture.pixels(channels)
    expected = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    assert np.array_equal(found, np.asarray(expected).reshape(found.shape))
    assert picture.size == found.shape[:2]
    assert any(pixels is not None for pixels in direct) == (name in UPRIGHT)


def test_of_a_jpeg_in_several_scans_or_cut_in_its_head_nothing_is_taken_as_told():
    whole = saved()
    scan = whole.index(b"\xff\xda")
    assert jpeg.plain(whole) == jpeg.Plain(*SHAPE, 3)
    assert jpeg.plain(whole[: scan + 4] + b"\x01" + whole[scan + 5 :]) is None  # One of three channels.
    assert not any(jpeg.plain(whole[:end]) for end in range(scan))


def test_four_inks_are_not_four_channels(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved("CMYK"))
    expected = np.asarray(Image.open(path).convert("RGBA"))
    assert np.array_equal(PictureFile(str(path), ImageLimits()).pixels(4), expected)


def test_a_jpeg_that_ends_early_or_says_another_size_is_not_made_up(tmp_path):
    whole, path = saved(quality=95), tmp_path / "a.jpg"
    early = whole[: len(whole) // 2]
    path.write_bytes(early)
    with pytest.raises(InputError, match=r"a\.jpg.*truncated"):
        PictureFile(str(path), ImageLimits()).pixels(3)
    height, width = SHAPE
    assert jpeg.decode(early, height, width, 3) is None
    assert jpeg.decode(whole, height, width - 1, 3) is None
    assert jpeg.decode(whole, height + 1, width, 3) is None
