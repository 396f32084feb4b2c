"""fairseq's checkpoints: one file with weights, the arguments of their training, and perhaps the dictionaries."""

from __future__ import annotations

from pydantic import JsonValue

from zoo_common.containers.inert import StandIn
from zoo_common.containers.torch_file import TorchFile
from zoo_common.interop.fairseq import FairseqWeights, fairseq_config
from zoo_common.published.fairseq_dictionary import read_dictionary, read_roberta_tokenizer, symbols_of
from zoo_common.published.place import Box, Place
from zoo_common.published.source import Published, ReadTokenizer, families_in, of_no_tensors
from zoo_spec.errors import InputError
from zoo_spec.foreign.config import ConfigTable
from zoo_spec.models.base import Model
from zoo_spec.reading import printable

SOURCE = "fairseq"
_ARCHITECTURES = {"hubert": "hubert", "roberta": "roberta", "xlmr": "roberta", "transformer": "transformer"}
"""Beginnings of the names of fairseq's architectures, and the families that they are of."""
_OTHERS = ("transformer_lm", "hubert_seq2seq", "transformer_align", "roberta_enc_dec")
_TOKENIZERS: dict[str, ReadTokenizer | None] = {
    "hubert": lambda _folder, _rows: (None, []),
    "roberta": read_roberta_tokenizer,
    "transformer": None,
}
_OF_A_MODEL = (
    "activation", "adaptive", "attn", "char_", "conv_", "cross_", "decoder_", "embed", "encoder_", "extractor_",
    "layer", "no_", "pos_", "quant_", "share_", "tie_", "untie_",
)  # fmt: skip
"""Beginnings of arguments that say what a model computes, among all of its training's."""


def recognise(place: Place) -> Published | None:
    """A checkpoint of fairseq's in a file or a folder; None for what is none."""
    found = [(box, tensors) for box in place.boxes if (tensors := _opened(place, box)) is not None]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(printable(box.path.name) for box, _ in found)
        raise InputError(
            f"{printable(place.path)}: holds several checkpoints of fairseq's ({names}); name the one that is meant "
            "(of an ensemble each is a model of its own)"
        )
    (box, tensors) = found[0]
    where = printable(box.path)
    try:
        settings = fairseq_config(tensors.objects)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    family = _family(settings.get("arch"), where)
    weights = FairseqWeights(tensors)
    config = {**_of_the_model(settings, family.foreign_configs()[SOURCE]), **_counted(weights, family)}
    symbols = symbols_of(tensors.objects.get("task_state"))
    if symbols is None and _is_ctc(weights):
        symbols = read_dictionary(place.folder, ("dict.ltr.txt", "dict.phn.txt", "dict.txt"))
    if symbols is not None and _is_ctc(weights) and len(symbols) == config.get("vocab_size"):
        config["id2label"] = {str(index): symbol for index, symbol in enumerate(symbols)}
    return Published(
        SOURCE,
        family,
        config,
        where,
        weights,
        box.files,
        place.folder,
        _classes(weights),
        of_no_tensors(tensors),
        tokenizer=_TOKENIZERS[_kind(family)],
    )


def _opened(place: Place, box: Box) -> TorchFile | None:
    """A file whose tensors stand below ``model``, beside the arguments or the settings of a training."""
    if box.format != "torch":
        return None
    tensors = place.tensors(box)
    if not isinstance(tensors, TorchFile) or tensors.place != "model":
        return None
    has_args = isinstance(tensors.objects.get("args"), StandIn)
    return tensors if has_args or tensors.objects.get("cfg") else None


def _kind(family: type[Model]) -> str:
    return family.foreign_configs()[SOURCE].model_type


def _family(arch: JsonValue, where: str) -> type[Model]:
    name = str(arch)
    known = families_in(SOURCE)
    if not name.startswith(_OTHERS):
        for beginning, kind in _ARCHITECTURES.items():
            if name.startswith(beginning):
                return known[kind]
    raise InputError(
        f"{where}: is of fairseq's architecture {name!r}, and {', '.join(sorted(known))} are read"
    )


def _of_the_model(settings: dict[str, JsonValue], table: ConfigTable) -> dict[str, JsonValue]:
    known = table.known()
    return {key: value for key, value in settings.items() if key in known or key.startswith(_OF_A_MODEL)}


def _counted(weights: FairseqWeights, family: type[Model]) -> dict[str, JsonValue]:
    """What the tensors' shapes tell, and the arguments do not."""
    table = family.model_validate({"kind": family.model_fields["kind"].default}).foreign_names().get(SOURCE)
    shapes = {table.current(name) if table else name: entry.shape for name, entry in weights.entries.items()}
    rows = {
        "vocab_size": (
            "encoder.sentence_encoder.embed_tokens.weight",
            "encoder.embed_tokens.weight",
            "w2v_encoder.proj.weight",
        ),
        "units": ("label_embs_concat", "label_embs"),
        "num_labels": ("classification_heads.one.out_proj.weight",),
    }
    found: dict[str, JsonValue] = {
        key: shapes[name][0] for key, names in rows.items() for name in names if shapes.get(name)
    }
    positions = shapes.get("encoder.sentence_encoder.embed_positions.weight")
    if positions:
        found["max_positions"] = positions[0] - 2
    return found


def _is_ctc(weights: FairseqWeights) -> bool:
    return "w2v_encoder.proj.weight" in weights


def _classes(weights: FairseqWeights) -> tuple[str, ...]:
    """The tasks' classes, as the tables have them, of the heads that are there, the last trained first."""
    heads = {
        "HubertCtc": "w2v_encoder.proj.weight",
        "RobertaClassificationHead": "classification_heads.one.out_proj.weight",
        "RobertaModel": "encoder.lm_head.bias",
        "TransformerModel": "decoder.embed_tokens.weight",
        "HubertModel": "final_proj.weight",
    }
    names = {name.replace("decoder.lm_head.", "encoder.lm_head.") for name in weights}
    return tuple(cls for cls, name in heads.items() if name in names)
