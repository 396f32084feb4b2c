"""What authors published computes here, in both frameworks, what their own code computes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

import author_models as authors
from published_runs import outputs_of
from zoo_common.cli.main import main
from zoo_common.published import import_published
from zoo_spec.errors import InputError

LIMIT = 1e-10
D, F, V, P, LAYERS, HEADS = 12, 20, 37, 9, 3, 3
DRAW = np.random.default_rng(0)
IDS = DRAW.integers(1, V, (2, 7))
TYPES = DRAW.integers(0, 2, (2, 7))
MASK = np.array([[1] * 7, [1] * 5 + [0] * 2])
BERT_CONFIG = {
    "vocab_size": V,
    "hidden_size": D,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": F,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": P,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}


def save(folder: Path, variables: dict[str, np.ndarray], **beside: object) -> Path:
    """A checkpoint by TensorFlow itself, with an optimizer's slots and counters, and JSON files beside it."""
    tensors = {name: tf.constant(value) for name, value in variables.items()}
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt-7"),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    for name, value in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def with_slots(variables: dict[str, np.ndarray], *endings: str) -> dict[str, np.ndarray]:
    slots = {f"{name}{ending}": value + 1 for name, value in variables.items() for ending in endings}
    return {**variables, **slots, "global_step": np.array(7, np.int64)}


def left(done) -> dict[str, str]:
    return {row.name: row.note for row in done.report.rows if row.fate == "left"}


def assert_same(run: Path, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for framework, found in outputs_of(run, inputs):
        for name, value in expected.items():
            gap = np.abs(found[name] - value).max() / np.abs(value).max()
            assert gap < LIMIT, (framework, name)
            assert np.abs(value).max() > 0.1


@pytest.mark.parametrize(
    "slots", [("/adam_m", "/adam_v"), ("/LAMB", "/LAMB_1"), ("/BERTAdam", "/BERTAdam_1"), ()]
)
def test_bert_of_tensorflow_1_computes_what_its_code_does(slots, tmp_path):
    variables = authors.draw(authors.bert_shapes(D, F, V, P, LAYERS))
    source = save(tmp_path, with_slots(variables, *slots), bert_config=BERT_CONFIG)
    done = import_published(source, tmp_path / "run")
    assert done.spec.task.kind == "masked_lm_next_sentence"
    assert set(left(done)) == {"global_step", *(f"{name}{slot}" for name in variables for slot in slots)}
    if slots:
        return
    positions = np.array([[1, 4], [0, 3]])
    expected = authors.bert(variables, HEADS, LAYERS, IDS, TYPES, MASK)
    expected["masked_logits"] = np.take_along_axis(expected["masked_logits"], positions[..., None], 1)
    expected["hidden_states"] = expected.pop("hidden_states") * MASK[..., None]
    inputs = {"input_ids": IDS, "token_type_ids": TYPES, "example_ids": MASK, "masked_positions": positions}
    for framework, found in outputs_of(tmp_path / "run", inputs):
        found["hidden_states"] = found["hidden_states"] * MASK[..., None]
        for name, value in expected.items():
            assert np.abs(found[name] - value).max() < LIMIT * np.abs(value).max(), (framework, name)


@pytest.mark.parametrize(
    ("head", "task", "output"),
    [
        ("output_weights", "sequence_classification", "logits"),
        ("cls/squad/output_weights", "question_answering", "squad"),
    ],
)
def test_a_fine_tuned_bert_has_its_head(head, task, output, tmp_path):
    shapes = {
        name: shape for name, shape in authors.bert_shapes(D, F, V, P, LAYERS).items() if name[:3] != "cls"
    }
    classes = 5 if output == "logits" else 2
    variables = authors.draw({**shapes, head: (classes, D), head.replace("weights", "bias"): (classes,)})
    done = import_published(save(tmp_path, variables, bert_config=BERT_CONFIG), tmp_path / "run")
    assert done.spec.task.kind == task
    expected = authors.bert(variables, HEADS, LAYERS, IDS, TYPES, MASK * 0 + 1)[output]
    inputs = {"input_ids": IDS, "token_type_ids": TYPES}
    if output == "logits":
        assert_same(tmp_path / "run", inputs, {"logits": expected})
    else:
        assert_same(
            tmp_path / "run", inputs, {"start_logits": expected[..., 0], "end_logits": expected[..., 1]}
        )


def test_gpt2_of_openai_computes_what_its_code_does(tmp_path):
    variables = authors.draw(authors.gpt2_shapes(D, V, P, LAYERS))
    hparams = {"n_vocab": V, "n_ctx": P, "n_embd": D, "n_head": HEADS, "n_layer": LAYERS}
    done = import_published(save(tmp_path, variables, hparams=hparams), tmp_path / "run")
    assert done.spec.task.kind == "causal_lm"
    assert not left(done)
    assert_same(tmp_path / "run", {"input_ids": IDS}, authors.gpt2(variables, HEADS, LAYERS, IDS))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_t5_of_mesh_tensorflow_computes_what_its_code_does(version, tmp_path):
    gated = version == "1.1"
    variables = authors.draw(authors.t5_shapes(D, HEADS, 5, F, V, 2, 3, gated=gated))
    given = with_slots(
        {name: value for name, value in variables.items() if value.ndim == 2}, "_slot_vr", "_slot_vc"
    )
    given |= variables
    if not gated:
        given["decoder/block_000/layer_001/EncDecAttention/relative_attention_bias"] = np.ones((HEADS, 32))
    else:
        given = {
            name.replace("/final_layer_norm/", "/rms_norm/").replace("layer_norm", "rms_norm"): value
            for name, value in given.items()
        }
    done = import_published(save(tmp_path, given), tmp_path / "run")
    assert (done.spec.model.num_layers, done.spec.model.num_decoder_layers) == (2, 3)
    extra = ("_slot_vr", "_slot_vc", "global_step", "EncDecAttention/relative_attention_bias")
    assert set(left(done)) == {name for name in given if name.endswith(extra)}
    target = np.random.default_rng(1).integers(1, V, (2, 6))
    expected = authors.t5(variables, HEADS, (2, 3), IDS, MASK, target)
    assert_same(
        tmp_path / "run", {"input_ids": IDS, "example_ids": MASK, "decoder_input_ids": target}, expected
    )


NPZ_SPELLINGS = {
    "as published": lambda name: name,
    "of a training state": lambda name: f"opt/target/{name}",
    "of big_vision": lambda name: "params/" + (
        name.replace("MultiHeadDotProductAttention_1", "MultiHeadDotProductAttention_0")
        .replace("LayerNorm_2", "LayerNorm_1")
        .replace("MlpBlock_3", "MlpBlock_0")
        .replace("Transformer/posembed_input/pos_embedding", "pos_embedding")
    ),
}  # fmt: skip


@pytest.mark.parametrize("spelling", NPZ_SPELLINGS)
@pytest.mark.parametrize("with_head", [True, False])
def test_vit_of_vision_transformer_computes_what_its_code_does(spelling, with_head, tmp_path):
    shapes = authors.vit_shapes(4, 3, D, HEADS, F, LAYERS)
    head = {"head/kernel": (D, 5), "head/bias": (5,)} if with_head else {}
    variables = authors.draw({**shapes, **head})
    np.savez(
        tmp_path / "vit.npz", **{NPZ_SPELLINGS[spelling](name): value for name, value in variables.items()}
    )
    done = import_published(tmp_path / "vit.npz", tmp_path / "run")
    assert done.spec.task.kind == ("image_classification" if with_head else "representation")
    images = np.random.default_rng(1).standard_normal((2, 12, 12, 3))
    expected = authors.vit(variables, LAYERS, images)
    if with_head:
        del expected["hidden_states"]
    assert_same(tmp_path / "run", {"image": images}, expected)


def test_vits_layer_before_the_head_is_refused_with_the_head_and_left_without(tmp_path):
    shapes = authors.vit_shapes(4, 3, D, HEADS, F, LAYERS)
    more = {"pre_logits/kernel": (D, D), "pre_logits/bias": (D,), "head/kernel": (D, 5), "head/bias": (5,)}
    np.savez(tmp_path / "vit.npz", **authors.draw({**shapes, **more}))
    with pytest.raises(InputError, match=r"representation_size is 12: its pre_logits stands before"):
        import_published(tmp_path / "vit.npz", tmp_path / "run", task="image_classification")
    done = import_published(tmp_path / "vit.npz", tmp_path / "run", task="representation")
    assert set(left(done)) == set(more)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda name: name.replace("encoderblock_0", "encoderblock"), "has all layers in one array each"),
        (lambda name: name.replace("cls", "MAPHead_0/probe"), "cls is missing"),
        (lambda name: name.replace("embedding/bias", "conv_root/kernel"), "is of a hybrid with convolutions"),
        (
            lambda name: name.replace("encoderblock_2", "encoderblock_7"),
            "missing: Transformer/encoderblock_2/",
        ),
        (lambda name: name.replace("Transformer/", "Mixer/"), "pos_embedding is missing"),
    ],
)
def test_a_npz_of_another_architecture_is_refused_by_what_tells_it(change, says, tmp_path):
    variables = authors.draw(authors.vit_shapes(4, 3, D, HEADS, F, LAYERS))
    np.savez(tmp_path / "vit.npz", **{change(name): value for name, value in variables.items()})
    with pytest.raises(InputError, match=says) as error:
        import_published(tmp_path / "vit.npz", tmp_path / "run")
    assert str(error.value).startswith(str(tmp_path / "vit.npz"))


def test_what_is_missing_beside_a_checkpoint_is_said(tmp_path):
    variables = authors.draw(authors.bert_shapes(D, F, V, P, LAYERS))
    save(tmp_path, variables)
    with pytest.raises(
        InputError, match=r"bert_config.json: is missing, and the weights do not say how many heads"
    ):
        import_published(tmp_path, tmp_path / "run")
    save(tmp_path, variables, bert_config={**BERT_CONFIG, "num_hidden_layers": 2})
    with pytest.raises(InputError, match=r"not known in the body of such a model: bert/encoder/layer_2/"):
        import_published(tmp_path, tmp_path / "run")
    save(tmp_path, variables, bert_config={**BERT_CONFIG, "hidden_act": "swish"})
    with pytest.raises(InputError, match=r"hidden_act is 'swish', and is known as gelu, relu, tanh"):
        import_published(tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_nobody_known_is_refused_by_the_command_in_one_line(tmp_path, capsys):
    save(tmp_path, {"global_step": np.array(1, np.int64), "w": np.ones(3)})
    with pytest.raises(SystemExit) as ended:
        main(["import", str(tmp_path), "--output", str(tmp_path / "run")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "has none of the variables bert/embeddings/word_embeddings, model/wte, shared/embedding" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("words", "ids"), [(("the", "cat"), [5, 6]), (("the", "Cat"), [1, 6])])
def test_berts_vocabulary_says_by_its_capitals_whether_texts_are_lower_cased(words, ids, tmp_path):
    variables = authors.draw(authors.bert_shapes(D, F, V, P, LAYERS))
    save(tmp_path, variables, bert_config=BERT_CONFIG)
    more = [f"w{index}" for index in range(V - 7)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *more]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    import_published(tmp_path, tmp_path / "run")
    kept = Tokenizer.from_file(str(tmp_path / "run" / "tokenizer.json"))
    assert kept.encode("The Cat", add_special_tokens=False).ids == ids


def test_gpt2s_own_vocabulary_is_read(tmp_path):
    pieces = [*sorted(ByteLevel.alphabet()), "ab", "<|endoftext|>"]
    variables = authors.draw(authors.gpt2_shapes(D, len(pieces), P, 1))
    hparams = {"n_vocab": len(pieces), "n_ctx": P, "n_embd": D, "n_head": HEADS, "n_layer": 1}
    encoder = {piece: index for index, piece in enumerate(pieces)}
    save(tmp_path, variables, hparams=hparams, encoder=encoder)
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\na b\n\n")
    import_published(tmp_path, tmp_path / "run")
    kept = Tokenizer.from_file(str(tmp_path / "run" / "tokenizer.json"))
    assert kept.encode("cab", add_special_tokens=False).tokens == ["c", "ab"]
