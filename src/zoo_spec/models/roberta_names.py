"""RoBERTa's weights as ``transformers`` calls them: BERT's names with another prefix and head."""

from __future__ import annotations

from zoo_spec.foreign.names import Entry, Fixed, NameTable, Part, Repeat
from zoo_spec.models.bert_names import TOKEN_HEADS
from zoo_spec.models.bert_names import TRANSFORMERS as BERT

TRANSFORMERS = NameTable(
    prefix="roberta.",
    backbone=BERT.backbone,
    heads=(
        Part(
            entries=(
                Entry("masked_lm.dense.{leaf}", "lm_head.dense.{leaf}"),
                Entry("masked_lm.norm.{leaf}", "lm_head.layer_norm.{leaf}"),
                Entry("masked_lm.decoder.bias", "lm_head.bias"),
            ),
            repeats=(
                Repeat("lm_head.decoder.weight", "embeddings.token.weight"),
                Repeat("lm_head.decoder.bias", "masked_lm.decoder.bias"),
            ),
            # RobertaLMHead calls it by name, where BERT's head takes config.hidden_act.
            fixed=(Fixed("masked_lm", "activation", "gelu_erf"),),
        ),
        # RobertaClassificationHead: BERT's pooler is a part of it.
        Part(
            entries=(
                Entry("pooler.dense.{leaf}", "classifier.dense.{leaf}"),
                Entry("classifier.dense.{leaf}", "classifier.out_proj.{leaf}"),
            ),
            node="classifier",
        ),
        *TOKEN_HEADS,
    ),
)

ROBERTA_NAMES = {"transformers": TRANSFORMERS}
