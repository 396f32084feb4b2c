"""Every task on every family: it fits, or it is refused by its name and the family's."""

import pytest

from zoo_spec import load_spec
from zoo_spec.errors import SpecError
from zoo_spec.registry import kinds
from zoo_spec.tasks.base import Task

TINY = {
    "bert": "bert_tiny",
    "ernie": "ernie_tiny",
    "gpt2": "gpt2_tiny",
    "gpt3": "gpt3_tiny",
    "gpt_neox": "gpt_neox_tiny",
    "gptj": "gptj_tiny",
    "hubert": "hubert_tiny",
    "linformer": "linformer_tiny",
    "mlp": "mnist_fc",
    "roberta": "roberta_tiny",
    "t5": "t5_tiny",
    "transformer": "transformer_tiny",
    "unet": "unet_tiny",
    "vit": "vit_tiny",
}
_TOKENS = {"representation", "token_classification", "question_answering", "extractive_summarization"}
_POOLED = {"sequence_classification", "sequence_multi_label_classification", "sequence_regression"}
_PAIRS = {"masked_lm_next_sentence", "masked_lm_sentence_order", "masked_lm_sentence_distance"}
_ENCODER = _TOKENS | _POOLED | _PAIRS | {"masked_lm"}
_DECODER = _TOKENS | _POOLED | {"causal_lm", "summarization"}
_BOTH = _TOKENS | {"masked_lm", "sequence_to_sequence_lm", "span_corruption"}
FITTING = {
    **dict.fromkeys(("bert", "ernie", "linformer", "roberta"), _ENCODER),
    **dict.fromkeys(("gpt2", "gpt3", "gpt_neox", "gptj"), _DECODER),
    **dict.fromkeys(("t5", "transformer"), _BOTH),
    "hubert": {"representation", "ctc", "masked_unit_prediction"},
    "mlp": {"representation", "image_classification"},
    "unet": {"representation", "segmentation", "binary_segmentation"},
    "vit": {"representation", "image_classification"},
}


@pytest.mark.parametrize("family", TINY)
def test_each_task_fits_a_family_or_is_refused_by_both_names(family):
    fitting, refused = set(), {}
    for task in kinds(Task):
        try:
            load_spec(TINY[family], [f"task.kind={task}"])
            fitting.add(task)
        except SpecError as error:
            refused[task] = str(error)
    assert fitting == FITTING[family]
    for task, message in refused.items():
        assert message.startswith(f"--set task.kind={task}: task.kind: {task}")
        assert f"(its model is {family})" in message
        assert TINY[family] in message
        assert message.endswith(("another model", "choose another task", "or the task causal_lm"))


@pytest.mark.parametrize("override", ["task.classes=1", "task.classes=0"])
@pytest.mark.parametrize(
    "name", ["vit_tiny", "bert_tiny_classification", "bert_tiny_ner", "hubert_tiny_ctc", "unet_tiny"]
)
def test_a_softmax_has_two_classes_at_least(name, override):
    with pytest.raises(SpecError, match="is out of range; it must be at least 2"):
        load_spec(name, [override])


@pytest.mark.parametrize("units", [0, 1])
def test_there_are_two_units_at_least(units):
    with pytest.raises(SpecError, match=f"task.units: {units} is out of range; it must be at least 2"):
        load_spec("hubert_tiny_units", [f"task.units={units}"])
