"""Two folders, of images and of masks, as images with masks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from zoo_common.data.base import Split
from zoo_common.data.file_marks import Source, sources
from zoo_common.data.records import FileRecords, Look, read_records
from zoo_common.data.sources.folders import folder, pictures_in
from zoo_common.data.sources.masks import Coding, MaskedFiles
from zoo_spec.data.mask_folder import MaskFolder
from zoo_spec.reading import UnreadableFileError


@read_records.register
def _read(data: MaskFolder, split: Split, look: Look) -> FileRecords:
    images, masks = data.images, data.masks
    if split == "eval" and data.evaluation_images is not None and data.evaluation_masks is not None:
        images, masks = data.evaluation_images, data.evaluation_masks
    pairs = _pairs(folder(images), folder(masks), data.mask_suffix)
    return FileRecords(data, [MaskedFiles(images, pairs, data.limits, Coding(data.values, data.void))], look)


def _pairs(images: Path, masks: Path, suffix: str) -> list[tuple[str, str | None]]:
    """Each image with the mask of its name."""
    there: dict[str, str] = {}
    for name in pictures_in(masks):
        stem = _stem(name)
        if stem in there:
            raise UnreadableFileError(masks / name, f"and {there[stem]} are masks of one image; keep one")
        there[stem] = name
    pairs: list[tuple[str, str | None]] = []
    seen: dict[str, str] = {}
    for name in pictures_in(images):
        if suffix and images == masks and _stem(name).endswith(suffix):
            continue
        stem = f"{_stem(name)}{suffix}"
        if stem not in there:
            raise UnreadableFileError(
                images / name, f"has no mask {masks / stem}.*; add it, or take the image away"
            )
        if stem in seen:
            raise UnreadableFileError(images / name, f"and {seen[stem]} have one mask; keep one")
        seen[stem] = name
        pairs.append((str(images / name), str(masks / there[stem])))
    stray = next((there[stem] for stem in there if stem not in seen and images != masks), None)
    if stray is not None:
        raise UnreadableFileError(masks / stray, f"is the mask of no image in {images}; take it away")
    return pairs


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


@sources.register
def _sources(data: MaskFolder) -> list[Source]:
    found = []
    for field, path, use in (
        ("images", data.images, "train"),
        ("masks", data.masks, "train"),
        ("evaluation_images", data.evaluation_images, "eval"),
        ("evaluation_masks", data.evaluation_masks, "eval"),
    ):
        if path is not None:
            names = tuple(pictures_in(folder(path)))
            found.append(Source(f"data.{field}", Path(path), "train" if use == "train" else "eval", names))
    return found
