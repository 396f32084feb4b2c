"""``zoo export --format transformers``: its own ``from_pretrained`` finds every tensor, and computes the same."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from tokenizers import pre_tokenizers as tokenizer_parts
from tokenizers.models import Unigram
from typer.testing import CliRunner

import zoo_torch
from references import FAMILIES
from zoo_common.cli.main import application
from zoo_common.containers.safetensors_writing import size_of
from zoo_common.data.subwords import byte_level_bpe
from zoo_common.data.subwords.tokenizer import train
from zoo_common.export import Trained, export_files
from zoo_common.export.files.transformers import TransformersFiles
from zoo_common.interop import to_transformers
from zoo_common.published import import_published
from zoo_common.published.sentence import read_sentence
from zoo_common.weights import Arrays, Entry, WeightSource
from zoo_spec import load_spec
from zoo_spec.errors import InputError

WRITTEN = [
    name
    for name, row in FAMILIES.items()
    if row.kind != "transformer" and row.task != "masked_unit_prediction"
]
CASES = [
    *((name, {}) for name in WRITTEN),
    ("gptj", {"intermediate_size": 29, "activation": "relu", "num_layers": 1}),
    ("gpt_neox", {"intermediate_size": 29, "activation": "silu", "tied_output": True}),
]
ONE_EACH = ["bert-pretraining", "roberta", "ernie", "gpt2", "gptj", "gpt_neox", "t5", "vit", "hubert"]
NASTY = [
    "The cat sat.", "naïve café ÀÉÎ", "日本語 text", "a\tb\n c  d", "x" * 150, "don't 1,234.5%", "🙂🙃 e\u0301",
    " leading", "trailing ", "", "ﬁ ligature Ⅷ", "\u200b zero\u00a0width", "UPPER lower MiXeD",
]  # fmt: skip


def draw(spec, dtype=np.float64):
    rng = np.random.default_rng(7)
    found = {}
    for name, parameter in spec.graph().parameters().items():
        scale = 1.5 / np.sqrt(parameter.shape[-1]) if parameter.role == "weight" else 1.0
        found[name] = (scale * rng.standard_normal(parameter.shape)).astype(dtype)
    return found


def written(spec, folder, *, weights=None, form=None, **more):
    weights = draw(spec) if weights is None else weights
    document = export_files(
        Trained(spec, Arrays(weights), more.pop("beside", {}), 3, **more), form or TransformersFiles(), folder
    )
    return weights, document


def loaded(reference, folder):
    # Of ViT there is no body without a pooler but by this; the export says that one is drawn.
    more = {"add_pooling_layer": False} if reference == "ViTModel" else {}
    model, told = getattr(transformers, reference).from_pretrained(folder, output_loading_info=True, **more)
    assert not any(
        told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")
    ), told
    return model.eval()


def keys_of(file):
    with safe_open(file, "np") as found:
        assert found.metadata() == {"format": "pt"}
        return set(found.keys())


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_from_pretrained_has_every_tensor_bit_for_bit_and_saves_the_same_names(family, changes, tmp_path):
    row, spec = FAMILIES[family], FAMILIES[family].spec(**changes)
    weights, _ = written(spec, tmp_path / "out")
    model = loaded(row.reference, tmp_path / "out")
    expected = to_transformers(spec, weights)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    assert state.keys() == expected.keys()
    for name, value in state.items():
        assert value.dtype == np.float64
        assert np.array_equal(value, expected[name]), name
    fresh = type(model)(model.config)  # What was read from a file is saved by the names that the file had.
    row.prepare(fresh)
    fresh.save_pretrained(tmp_path / "theirs")
    there, here = (keys_of(tmp_path / name / "model.safetensors") for name in ("theirs", "out"))
    assert there == here


@pytest.mark.parametrize("family", ONE_EACH)
def test_what_from_pretrained_computes_is_what_the_model_computes(family, tmp_path):
    row = FAMILIES[family]
    spec = row.spec()
    weights, _ = written(spec, tmp_path / "out")
    theirs = loaded(row.reference, tmp_path / "out")
    row.prepare(theirs)
    ours = zoo_torch.compile(spec, dtype="float64")
    zoo_torch.set_weights(ours, weights)
    given = {name: torch.from_numpy(value) for name, value in row.draw_inputs(row.variants[0]).items()}
    with torch.no_grad():
        found = ours(**given)
        expected = row.call(
            theirs,
            {name: value if value.is_floating_point() else value.long() for name, value in given.items()},
        )
    for name, value in expected.items():
        gap = (found[name] - value).abs().max() / value.abs().max()
        assert gap <= 1e-10, (name, float(gap))


@pytest.mark.parametrize("family", WRITTEN)
def test_what_was_imported_is_handed_back_bit_for_bit_under_the_same_names(family, tmp_path):
    row = FAMILIES[family]
    row.build_reference().save_pretrained(tmp_path / "theirs")
    import_published(tmp_path / "theirs", tmp_path / "run", task=row.task)
    found = CliRunner().invoke(
        application(),
        [
            "export",
            "--run-dir",
            str(tmp_path / "run"),
            "--format",
            "transformers",
            "--output",
            str(tmp_path / "out"),
        ],
    )
    assert found.exit_code == 0, found.output
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("theirs", "out"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        assert np.array_equal(value, after[name]), name


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("linformer_tiny", [], "transformers has no such model; it has bert, "),
        ("unet_tiny", [], "transformers has no such model"),
        ("causal_lm", [], "transformers has no such model"),
        ("gpt3_tiny", [], "transformers has no such model"),
        ("hubert_tiny_units", [], "no class of hubert with the head of masked_unit_prediction; it has"),
        ("bert_tiny", ["model.norm=rms_norm"], "model.norm.kind is rms_norm, and there layer_norm"),
        (
            "bert_tiny",
            ["model.feed_forward=gated_feed_forward"],
            "model.feed_forward.kind is gated_feed_forward",
        ),
        ("bert_tiny", ["model.position=sinusoidal_positions"], "model.position.kind is sinusoidal_positions"),
        ("roberta_tiny", ["model.activation=relu"], "the head that transformers has"),
    ],
)
def test_what_transformers_lacks_is_refused_by_name_and_nothing_is_written(name, changes, says, tmp_path):
    spec = load_spec(name, changes)
    with pytest.raises(InputError) as refused:
        written(spec, tmp_path / "out", weights=draw(spec, np.float32))
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_many_bytes_are_sharded_with_an_index_as_theirs(tmp_path):
    spec = load_spec("bert_tiny")
    weights, _ = written(
        spec, tmp_path / "out", weights=draw(spec, np.float32), form=TransformersFiles(shard_bytes=300_000)
    )
    names = sorted(path.name for path in (tmp_path / "out").glob("model*"))
    assert len(names) > 3
    assert names[0] == f"model-00001-of-{len(names) - 1:05}.safetensors"
    model = loaded("BertForPreTraining", tmp_path / "out")
    expected = to_transformers(spec, weights)
    assert all(np.array_equal(value.numpy(), expected[name]) for name, value in model.state_dict().items())
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in weights.values())


class Made(WeightSource):
    """Tensors that are made when they are read."""

    def __init__(self, spec, dtype):
        self.entries = {name: Entry(dtype, each.shape) for name, each in spec.graph().parameters().items()}

    def read(self, name):
        entry = self.entries[name]
        rng = np.random.default_rng(len(name))
        return rng.standard_normal(entry.shape, np.float32).astype(entry.dtype, copy=False)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_half_width_stay_so(dtype, tmp_path):
    spec = load_spec("gpt2_tiny")
    source = Made(spec, dtype)
    export_files(Trained(spec, source, {}, 0), TransformersFiles(), tmp_path / "out")
    state = loaded("GPT2LMHeadModel", tmp_path / "out").state_dict()
    wide = {name: source.read(name).astype(np.float32) for name in source}
    for name, value in to_transformers(spec, wide).items():
        assert state[name].dtype == getattr(torch, dtype)
        assert np.array_equal(state[name].float().numpy(), value), name


@pytest.mark.parametrize("name", ["bert_tiny", "gpt2_tiny"])
def test_one_tensor_is_in_memory_at_a_time(name, tmp_path):
    spec = load_spec(name, ["model.vocab_size=40000"])
    source = Made(spec, "float32")
    largest = max(size_of(entry) for entry in source.entries.values())
    tracemalloc.start()
    export_files(Trained(spec, source, {}, 0), TransformersFiles(), tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 1.05 * largest
    assert peak < 1.3 * largest + (1 << 20)


def pieces(kind):
    text = ["The cat sat on the mat.", "The dog ran to the door, and the cat ran too."] * 12
    return train(text, 120, lower_case=True) if kind == "wordpiece" else byte_level_bpe.train(text, 300)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("bert_tiny", "wordpiece"), ("roberta_tiny", "byte_level_bpe"), ("gpt2_tiny", "byte_level_bpe")],
)
def test_the_tokenizer_gives_our_ids_on_nasty_text_and_the_special_tokens_of_our_examples(
    name, kind, tmp_path
):
    ours = pieces(kind)
    spec = load_spec(name, ["model.vocab_size=300"])
    text = ours.tokenizer.to_str().encode("utf-8")
    written(spec, tmp_path / "out", weights=draw(spec, np.float32), beside={"tokenizer.json": text})
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    for line, ids in zip(NASTY, ours.encode(NASTY), strict=True):
        assert theirs(line, add_special_tokens=False)["input_ids"] == ids, line
        alone = ids if name == "gpt2_tiny" else [ours.cls, *ids, ours.sep]
        assert theirs(line)["input_ids"] == alone
    one, other = ours.encode(["The cat", "the door"])
    pair = theirs("The cat", "the door")
    if name != "gpt2_tiny":
        assert pair["input_ids"] == [ours.cls, *one, *[ours.sep] * ours.between, *other, ours.sep]
        assert (theirs.pad_token_id, theirs.mask_token_id) == (ours.pad, ours.mask)
    if name == "bert_tiny":
        assert pair["token_type_ids"] == [0] * (len(one) + 2) + [1] * (len(other) + 1)
        lines = (tmp_path / "out" / "vocab.txt").read_text(encoding="utf-8").splitlines()
        assert [ours.tokenizer.token_to_id(token) for token in lines] == list(range(len(lines)))


def test_pieces_of_sentences_end_a_text_as_t5_s_do(tmp_path):
    tokens = ["<pad>", "</s>", "<unk>", "▁the", "▁cat", "▁", "t", "h", "e", "c", "a", "s"]
    tokenizer = Tokenizer(Unigram([(token, -float(index)) for index, token in enumerate(tokens)], unk_id=2))
    tokenizer.pre_tokenizer = tokenizer_parts.Metaspace()
    tokenizer.add_special_tokens(tokens[:3])
    spec = load_spec("t5_tiny", ["model.vocab_size=60"])
    text = tokenizer.to_str().encode("utf-8")
    written(spec, tmp_path / "out", weights=draw(spec, np.float32), beside={"tokenizer.json": text})
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer.encode("the cat sat", add_special_tokens=False).ids
    assert len(ids) > 3
    assert theirs("the cat sat")["input_ids"] == [*ids, 1]
    assert (theirs.pad_token_id, theirs.eos_token_id, theirs.unk_token_id) == (0, 1, 2)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (0, 1, 0)


def test_how_a_sentence_s_vector_is_made_is_said_as_it_is_read(tmp_path):
    task = "task={kind: representation, pooling: [max_pooling, mean_pooling], normalize: true}"
    spec = load_spec("bert_tiny", [task, "data.sequence_length=24"])
    _, document = written(spec, tmp_path / "out", weights=draw(spec, np.float32))
    found = read_sentence(tmp_path / "out", 128)
    assert found.task == {"pooling": [{"kind": "max_pooling"}, {"kind": "mean_pooling"}], "normalize": True}
    assert found.longest == 24
    assert not any("pooling" in line for line in document["left_out"])
    other = load_spec("bert_tiny", ["task={kind: representation, pooling: [mean_pooling, max_pooling]}"])
    with pytest.raises(
        InputError, match=r"task\.pooling is mean_pooling, max_pooling, and sentence-transformers"
    ):
        written(other, tmp_path / "other", weights=draw(other, np.float32))


def test_labels_and_what_is_left_out_are_told(tmp_path):
    spec = load_spec("bert_tiny_classification", ["task.classes=2"])
    _, document = written(spec, tmp_path / "out", weights=draw(spec, np.float32), labels=("good", "bad"))
    model = loaded("BertForSequenceClassification", tmp_path / "out")
    assert model.config.id2label == {0: "good", 1: "bad"}
    assert model.config.architectures == ["BertForSequenceClassification"]
    assert document["labels"] == ["good", "bad"]
    assert document["left_out"][0].startswith("the optimizer")
    assert "the loss: BertForSequenceClassification has its own" in document["left_out"]
    assert "a tokenizer: the run has none" in document["left_out"]
