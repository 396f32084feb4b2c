"""google-research/vision_transformer's ``.npz`` files, whose arrays say all that there is to know."""

from __future__ import annotations

from zoo_common.containers.npz import Npz
from zoo_common.published.place import Place
from zoo_common.published.source import Published, families_in
from zoo_spec.errors import InputError
from zoo_spec.models.vit_npz import npz_config, npz_names
from zoo_spec.reading import printable

SOURCE = "vision_transformer"


def recognise(place: Place) -> Published | None:
    """What such a file holds; None where there is none."""
    boxes = [box for box in place.boxes if box.format == Npz.format]
    if not boxes:
        return None
    if len(boxes) > 1:
        names = ", ".join(printable(box.path.name) for box in boxes)
        raise InputError(f"{printable(place.path)}: has {names}; name the one that is meant")
    tensors, where = place.tensors(boxes[0]), printable(boxes[0].path)
    table = npz_names(1)  # How names are spelled does not depend on the number of heads.
    try:
        config = npz_config({table.current(name): entry.shape for name, entry in tensors.entries.items()})
    except ValueError as error:
        raise InputError(f"{where}: is no ViT of google-research/vision_transformer: {error}") from None
    return Published(SOURCE, families_in(SOURCE)["vit"], config, where, tensors, boxes[0].files, place.folder)
