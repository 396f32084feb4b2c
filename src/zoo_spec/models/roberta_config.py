"""RoBERTa's configuration as ``transformers`` writes it."""

from __future__ import annotations

from zoo_spec.foreign.config import ACTIVATIONS, Config, ConfigTable, Fields, Key, Keys
from zoo_spec.foreign.hub import ENCODER, EVERYWHERE, labelled, plain, sequence
from zoo_spec.models.bert_config import RATES, SAYS_NOTHING, SIZES


def _positions(config: Config) -> Fields:
    """Positions are counted from the padding's id on, there: so many rows of the table begin it, and are unused."""
    rows, padding = config["max_position_embeddings"], config["pad_token_id"]
    if not isinstance(padding, int) or padding < 0:
        raise ValueError(
            f"pad_token_id is {padding!r}, and positions are counted from it: give the padding's id"
        )
    if not isinstance(rows, int) or rows <= padding + 1:
        raise ValueError(
            f"max_position_embeddings is {rows!r}, and the first {padding + 1} rows are of no position (pad_token_id "
            f"{padding})"
        )
    return {"position": {"kind": "offset_positions", "offset": padding + 1, "size": rows - padding - 1}}


def _rows(model: Fields) -> Config:
    position = model["position"]
    if not isinstance(position, dict) or position["kind"] != "offset_positions":
        raise ValueError("model.position is not offset_positions, and RobertaConfig knows no others")
    offset, size = position["offset"], position["size"]
    assert isinstance(offset, int)
    assert isinstance(size, int)
    return {"max_position_embeddings": offset + size, "pad_token_id": offset - 1}


TRANSFORMERS = ConfigTable(
    model_type="roberta",
    says=(
        Key("vocab_size", "vocab_size", 50265),
        *SIZES,
        Key("hidden_act", "activation", "gelu", ACTIVATIONS),
        Keys({"max_position_embeddings": 512, "pad_token_id": 1}, _positions, _rows),
        Key("type_vocab_size", "type_vocab_size", 2),
        Key("layer_norm_eps", "layer_norm_epsilon", 1e-12),
    ),
    training=RATES,
    only=(*EVERYWHERE, *ENCODER),
    nothing=SAYS_NOTHING,
    tasks=(
        plain("RobertaModel", "representation"),
        plain("RobertaForMaskedLM", "masked_lm"),
        sequence("RobertaForSequenceClassification", dropout="classifier_dropout"),
        labelled("RobertaForTokenClassification", "token_classification", dropout="classifier_dropout"),
        plain("RobertaForQuestionAnswering", "question_answering"),
    ),
    # What fairseq trained, and every published configuration says.
    published={"type_vocab_size": 1, "layer_norm_eps": 1e-5},
)

ROBERTA_CONFIGS = {"transformers": TRANSFORMERS}
