"""Some rows of a large TIFF that is not compressed, without the rest: aerial images are of 75 MB each.

TIFF revision 6.0 (Adobe, 1992), baseline: strips of whole rows, 8 bits a channel, channels side by side. Whatever is
otherwise is left to Pillow, which reads all of it.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo_spec.data.limits import ImageLimits
from zoo_spec.reading import UnreadableFileError, open_file, reading

_ORIENTATION, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _PREDICTOR = 274, 259, 262, 284, 317
_BITS, _SAMPLES, _OFFSETS, _ROWS_PER_STRIP = 258, 277, 273, 278
_BLACK_IS_ZERO, _RGB = 1, 2


def plain_rows(path: str, top: int, height: int, limits: ImageLimits) -> NDArray[np.uint8] | None:
    """``[height, width, 1 or 3]`` of the rows from ``top`` on; None for what is no such TIFF.

    Raises InputError, naming the file, for one that is cut off.
    """
    with open_file(path) as file, reading(path, "Pillow"):
        start = file.read(4)
        if start not in (b"II*\0", b"MM\0*"):
            return None
        file.seek(0)
        picture = Image.open(file, formats=("TIFF",))
        tags = picture.tag_v2  # type: ignore[attr-defined]  # It is one of TiffImageFile.
        channels = int(tags.get(_SAMPLES, 1))
        bits, wanted = tags.get(_BITS, (1,)), {1: _BLACK_IS_ZERO, 3: _RGB}
        is_plain = (
            tags.get(_COMPRESSION, 1) == 1
            and tags.get(_ORIENTATION, 1) == 1
            and tags.get(_PLANAR, 1) == 1
            and channels in wanted
            and tags.get(_PHOTOMETRIC) == wanted[channels]
            and set(bits if isinstance(bits, tuple) else (bits,)) == {8}
            and _OFFSETS in tags
            and picture.width * picture.height <= limits.picture_pixels
        )
        if not is_plain:
            return None
        width = picture.width
        strip = min(int(tags.get(_ROWS_PER_STRIP, picture.height)), picture.height)
        offsets, size = tags[_OFFSETS], os.fstat(file.fileno()).st_size
        rows = np.empty((height, width, channels), np.uint8)
        row_bytes, row = width * channels, top
        while row < top + height:
            number, inside = divmod(row, strip)
            count = min(strip - inside, top + height - row)
            at = int(offsets[number]) + inside * row_bytes
            if at + count * row_bytes > size:
                raise UnreadableFileError(path, f"is cut off: {size:,} bytes do not hold row {row + count}")
            file.seek(at)
            part = file.read(count * row_bytes)
            rows[row - top : row - top + count] = np.frombuffer(part, np.uint8).reshape(
                count, width, channels
            )
            row += count
        return rows
