"""Published folders become runs at step 0: what is taken, new and left, what is refused, what stands in the run."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys

import h5py
import ml_dtypes
import numpy as np
import pytest
import torch
import transformers

from hub_folders import WORDS, bert, config_of, draw, hub_folder, write_tensors
from zoo_common.checkpoint import CheckpointStore, saving
from zoo_common.containers.safetensors import Safetensors
from zoo_common.data.subwords.tokenizer_files import run_tokenizer
from zoo_common.published import import_published
from zoo_common.training.origin import Origin
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.models.base import Model
from zoo_spec.models.vit_names import TRANSFORMERS as VIT
from zoo_spec.registry import classes

TABLES = {
    table.model_type: table
    for cls in classes(Model).values()
    if issubclass(cls, Model) and "foreign_configs" in vars(cls)
    for source, table in cls.foreign_configs().items()
    if source == "transformers"
}


KINDS = ("bert", "roberta", "ernie", "gpt2", "gptj", "gpt_neox", "t5", "vit", "hubert")


def weights_of(run):
    return dict(CheckpointStore(run / "checkpoints").latest_weights().weights())


def left(done):
    return {row.name: row.note for row in done.report.of("left")}


def new(done):
    return {row.name: row.note for row in done.report.of("new")}


@pytest.mark.parametrize("kind", TABLES)
def test_a_configuration_s_defaults_are_those_of_the_class_and_every_key_of_it_is_known(kind):
    table, config = TABLES[kind], transformers.CONFIG_MAPPING[kind]()
    said = json.loads(json.dumps(config.to_dict()))
    assert set(said) <= table.known()
    for key, usual in table.usual.items():
        if usual is not None and key in said:
            assert said[key] == usual, key
    for only in table.only:
        if only.key in said:
            assert said[only.key] in (only.usual or only.values), only.key


@pytest.mark.parametrize("name", [f"{kind}_tiny" for kind in KINDS])
def test_a_model_s_configuration_is_read_back_to_the_same_model(name):
    spec = load_spec(name)
    table = spec.model.foreign_configs()["transformers"]
    fields = spec.model.model_dump(mode="json", serialize_as_any=True)
    config = table.write(fields)
    assert json.loads(json.dumps(config)) == config
    assert table.write({**fields, **table.read(config).model}) == config
    assert not list(table.differing(fields, config))


def test_an_import_is_a_run_at_step_0_with_tokenizer_labels_and_where_it_is_from(tmp_path):
    spec = bert("sequence_classification", "task.classes=3")
    labels = {"0": "no", "1": "maybe", "2": "yes"}
    hub_folder(tmp_path / "hub", spec, id2label=labels)
    done = import_published(tmp_path / "hub", tmp_path / "run", name="mine")
    assert done.report.summary.endswith(f"{len(draw(spec))} taken")
    found, run = weights_of(tmp_path / "run"), tmp_path / "run"
    assert all(np.array_equal(found[name], array) for name, array in draw(spec).items())
    loaded = load_spec(run / "spec.yaml")
    assert (loaded.name, loaded.task.kind, loaded.task.classes) == ("mine", "sequence_classification", 3)
    assert loaded.model.num_layers == 2
    assert json.loads((run / "labels.json").read_text()) == ["no", "maybe", "yes"]
    assert run_tokenizer(loaded.data, run, 64).encode(["paris"])[0] == [WORDS.index("paris")]
    began = Origin.read(run).began_with
    assert began.source == str(tmp_path / "hub")
    assert len(began.sha256) == 64
    assert (run / "published" / "vocab.txt").read_text().splitlines() == list(WORDS)
    assert (run / "published" / "config.json").exists()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_keep_their_precision(dtype, tmp_path):
    spec = bert()
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    given = {name: array.astype(kind) for name, array in draw(spec).items()}
    tensors = hub_folder(tmp_path / "hub", spec)
    narrow = {name: array.astype(kind) for name, array in tensors.items()}
    write_tensors(tmp_path / "hub" / "model.safetensors", narrow)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    found = weights_of(tmp_path / "run")
    assert all(found[name].tobytes() == given[name].tobytes() for name in given)
    assert {row.note for row in done.report.of("taken")} == {dtype}
    assert done.spec.training.precision == "float32"


def test_a_float64_checkpoint_is_computed_with_in_float64(tmp_path):
    spec = bert()
    hub_folder(tmp_path / "hub", spec, draw(spec, "float64"))
    assert import_published(tmp_path / "hub", tmp_path / "run").spec.training.precision == "float64"


def test_a_head_that_is_missing_is_new_and_one_that_is_not_wanted_is_left(tmp_path):
    hub_folder(tmp_path / "hub", bert("masked_lm_next_sentence"))
    done = import_published(tmp_path / "hub", tmp_path / "run", task="sequence_classification")
    assert set(new(done)) == {"classifier.dense.weight", "classifier.dense.bias"}
    assert "truncated_normal (std 0.02" in new(done)["classifier.dense.weight"]
    assert new(done)["classifier.dense.bias"] == "the file has none: drawn from zeros"
    assert left(done)["cls.seq_relationship.weight"] == "the task does not use it"
    assert left(done)["cls.predictions.decoder.weight"].startswith("the task does not use it")
    assert weights_of(tmp_path / "run")["classifier.dense.weight"].std() > 0.01


def test_a_head_of_another_size_is_new_as_a_whole(tmp_path):
    hub_folder(
        tmp_path / "hub", bert("sequence_classification", "task.classes=5"), id2label={"0": "a", "1": "b"}
    )
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert set(new(done)) == {"classifier.dense.weight", "classifier.dense.bias"}
    assert left(done)["classifier.weight"] == "a head of another size: [5, 12] there, [2, 12] here"


def test_a_body_without_a_pooler_gets_a_new_one_where_the_task_needs_one(tmp_path):
    hub_folder(tmp_path / "hub", bert("masked_lm"))
    done = import_published(tmp_path / "hub", tmp_path / "run", task="representation")
    assert set(new(done)) == {"pooler.dense.weight", "pooler.dense.bias"}


@pytest.mark.parametrize(
    "missing", ["cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"]
)
def test_either_of_two_tied_tensors_is_taken(missing, tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert())
    del tensors[missing]
    write_tensors(tmp_path / "hub" / "model.safetensors", tensors)
    import_published(tmp_path / "hub", tmp_path / "run")
    assert np.array_equal(
        weights_of(tmp_path / "run")["embeddings.token.weight"], draw(bert())["embeddings.token.weight"]
    )


def test_the_input_table_wins_where_a_tied_one_differs_and_that_is_said(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert())
    name = "cls.predictions.decoder.weight"
    write_tensors(tmp_path / "hub" / "model.safetensors", {**tensors, name: tensors[name] + 1})
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert left(done)[name].startswith("differs from embeddings.token.weight, to which it is tied")
    assert np.array_equal(
        weights_of(tmp_path / "run")["embeddings.token.weight"], draw(bert())["embeddings.token.weight"]
    )


def test_gpt2_whose_output_differs_from_its_table_has_a_matrix_of_its_own(tmp_path):
    spec = load_spec("gpt2_tiny", ["model.vocab_size=50"])
    tensors = hub_folder(tmp_path / "hub", spec)
    other = tensors["lm_head.weight"] + 1
    write_tensors(tmp_path / "hub" / "model.safetensors", {**tensors, "lm_head.weight": other})
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert done.spec.model.tied_output is False
    assert np.array_equal(weights_of(tmp_path / "run")["lm_head.weight"], other)


def test_old_names_prefixes_and_buffers_are_read(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert(), architectures=None, model_type=None)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in tensors.items()
    }
    old["bert.embeddings.position_ids"] = np.arange(20)[None]
    write_tensors(tmp_path / "hub" / "model.safetensors", old)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert (done.spec.model.kind, done.spec.task.kind) == ("bert", "masked_lm")
    assert left(done)["bert.embeddings.position_ids"] == "says again what embeddings.position.weight says"
    old["bert.embeddings.position_ids"] = np.arange(20)[None, ::-1]
    write_tensors(tmp_path / "hub" / "model.safetensors", old)
    with pytest.raises(
        InputError, match=r"position_ids must follow from embeddings.position.weight, and does not"
    ):
        import_published(tmp_path / "hub", tmp_path / "other")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_model_type_is_told_from_names(kind, tmp_path):
    task = {"bert": "masked_lm", "roberta": "masked_lm", "ernie": "masked_lm", "t5": "sequence_to_sequence_lm",
            "vit": "image_classification", "hubert": "ctc"}.get(kind, "causal_lm")  # fmt: skip
    spec = load_spec(f"{kind}_tiny", [f"task={{kind: {task}}}"])
    hub_folder(tmp_path / "hub", spec, model_type=None, architectures=None)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert done.spec.model.kind == kind
    assert done.spec.task.kind == ("span_corruption" if kind == "t5" else task)
    assert not new(done)


def test_a_recogniser_of_speech_brings_its_letters_and_how_waveforms_are_scaled(tmp_path):
    spec = load_spec("hubert_tiny", ["task={kind: ctc, classes: 6}"])
    hub_folder(tmp_path / "hub", spec)
    letters = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5}
    (tmp_path / "hub" / "vocab.json").write_text(json.dumps(letters))
    said = {"do_normalize": True, "sampling_rate": 8000, "feature_size": 1}
    (tmp_path / "hub" / "preprocessor_config.json").write_text(json.dumps(said))
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "labels.json").read_text()) == list(letters)
    assert (done.spec.data.rate, done.spec.data.normalize) == (8000, True)
    assert any("mean 0 and variance 1" in note for note in done.report.notes)


def test_a_head_that_several_tasks_have_asks_for_the_task(tmp_path):
    hub_folder(tmp_path / "hub", bert("sequence_classification"), architectures=None)
    with pytest.raises(
        InputError, match="sequence_classification or token_classification; say which by --task"
    ):
        import_published(tmp_path / "hub", tmp_path / "run")
    done = import_published(tmp_path / "hub", tmp_path / "run", task="token_classification")
    assert not new(done)


def test_a_class_that_is_not_known_gives_its_body_and_says_what_was_left(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert("representation"), architectures=["BertForMultipleChoice"])
    named = {f"bert.{name}": array for name, array in tensors.items()}
    write_tensors(
        tmp_path / "hub" / "model.safetensors", {**named, "choice.weight": np.zeros((1, 12), np.float32)}
    )
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert left(done) == {"choice.weight": "no model of this family has it"}
    assert any("BertForMultipleChoice is no class that is known here" in note for note in done.report.notes)


def test_what_the_authors_had_otherwise_is_said_and_taken_on_demand(tmp_path):
    spec = load_spec("vit_tiny", ["model.activation=gelu_erf", "model.layer_norm_epsilon=1e-12"])
    hub_folder(tmp_path / "hub", spec)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert (done.spec.model.activation, done.spec.model.layer_norm_epsilon) == ("gelu_erf", 1e-12)
    assert sum("--trained-as authors" in note for note in done.report.notes) == 2
    theirs = import_published(tmp_path / "hub", tmp_path / "theirs", trained_as_authors=True)
    assert (theirs.spec.model.activation, theirs.spec.model.layer_norm_epsilon) == ("gelu_tanh", 1e-6)
    assert any("as the authors had it, in place of gelu_erf" in note for note in theirs.report.notes)


REFUSED = {
    "position_embedding_type": "relative_key",
    "is_decoder": True,
    "add_cross_attention": True,
    "pruned_heads": {"0": [1]},
    "quantization_config": {"quant_method": "bitsandbytes"},
    "auto_map": {"AutoModel": "modeling.Mine"},
    "hidden_act": "quick_gelu",
    "tie_word_embeddings": False,
    "sliding_window": 4,
    "rope_scaling": {"type": "linear", "factor": 2.0},
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_field_that_cannot_be_honoured_is_refused_by_name(key, tmp_path):
    hub_folder(tmp_path / "hub", bert(), **{key: REFUSED[key]})
    with pytest.raises(InputError, match=f"config.json: {key} is "):
        import_published(tmp_path / "hub", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("gpt2_tiny", "scale_attn_by_inverse_layer_idx", True),
        ("gpt2_tiny", "reorder_and_upcast_attn", True),
        ("gpt_neox_tiny", "use_parallel_residual", False),
        ("gpt_neox_tiny", "rope_parameters", {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}),
        ("gpt_neox_tiny", "rope_scaling", {"type": "linear", "factor": 2.0}),
        ("gpt_neox_tiny", "sliding_window", 128),
        ("vit_tiny", "qkv_bias", False),
        ("hubert_tiny", "conv_pos_batch_norm", True),
        ("t5_tiny", "feed_forward_proj", "gated-mish"),
        ("roberta_tiny", "pad_token_id", -1),
    ],
)
def test_each_family_refuses_what_it_cannot_compute_by_name(name, key, value, tmp_path):
    hub_folder(tmp_path / "hub", load_spec(name), **{key: value})
    with pytest.raises(InputError, match=f"config.json: {key}"):
        import_published(tmp_path / "hub", tmp_path / "run")


def test_keys_that_nobody_knows_are_told(tmp_path):
    hub_folder(tmp_path / "hub", bert(), my_own_key=1)
    notes = import_published(tmp_path / "hub", tmp_path / "run").report.notes
    assert "keys of the configuration that are not known, and were passed over: my_own_key" in notes


def test_keys_that_are_left_out_mean_the_class_default_and_are_told(tmp_path):
    hub_folder(tmp_path / "hub", bert(), hidden_act=None, layer_norm_eps=None)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert done.spec.model.activation == "gelu_erf"
    assert any("hidden_act gelu, layer_norm_eps 1e-12" in note for note in done.report.notes)


def refused(folder, tmp_path, match, **options):
    with pytest.raises(InputError, match=match) as found:
        import_published(folder, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".run.*"))
    return str(found.value)


def test_bad_folders_are_refused_in_a_line(tmp_path):
    hub = tmp_path / "hub"
    tensors = hub_folder(hub, bert())
    (hub / "model.safetensors").rename(tmp_path / "aside")
    refused(hub, tmp_path, "holds no weights in a form that is read here")
    (tmp_path / "aside").rename(hub / "model.safetensors")
    (hub / "config.json").rename(tmp_path / "config.json")
    refused(hub, tmp_path, "no configuration that says of what; put config.json")
    (hub / "config.json").write_text(json.dumps({**config_of(bert()), "model_type": "llama"}))
    refused(hub, tmp_path, "model_type is 'llama', and those that are read are bert, ernie, gpt2")
    (hub / "config.json").write_text(json.dumps({**config_of(bert()), "model_type": "fsmt"}))
    refused(hub, tmp_path, "model_type is 'fsmt', which is not read: each language")
    (hub / "config.json").write_text(json.dumps(config_of(load_spec("gpt2_tiny"))))
    refused(hub, tmp_path, "is a configuration of gpt2, and no tensor beside it .* they look like bert's")
    (hub / "config.json").write_text("[1]")
    refused(hub, tmp_path, "a JSON mapping is expected")
    (hub / "config.json").write_text('{"model_type": "bert", "model_type": "gpt2"}')
    refused(hub, tmp_path, "config.json: .*model_type stands in it 2 times")
    (hub / "config.json").write_text(json.dumps(config_of(bert())))
    whole = (hub / "model.safetensors").read_bytes()
    (hub / "model.safetensors").write_bytes(whole[:-100])
    refused(hub, tmp_path, "model.safetensors: is not a safetensors file")
    write_tensors(hub / "model.safetensors", {"cls.predictions.bias": tensors["cls.predictions.bias"]})
    refused(hub, tmp_path, "missing: bert.embeddings.word_embeddings.weight|missing: embeddings")
    refused(tmp_path / "nothing", tmp_path, "there is no such file or folder")


def test_a_body_that_does_not_fit_is_refused_with_both_shapes(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert(), num_hidden_layers=1, vocab_size=65)
    said = refused(tmp_path / "hub", tmp_path, "embeddings.token.weight the shape")
    assert "[64, 12]; this model has [65, 12]" in said
    assert "bert.encoder.layer.1.attention.output.dense.weight" in said
    assert len(tensors) > 20


def test_an_adapter_in_the_body_is_refused_by_name(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert())
    extra = "bert.encoder.layer.0.attention.self.query.lora_A.weight"
    write_tensors(tmp_path / "hub" / "model.safetensors", {**tensors, extra: np.zeros((2, 12), np.float32)})
    refused(tmp_path / "hub", tmp_path, f"not known in the body of such a model: {extra}")


def test_quantized_weights_are_refused_by_name(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert())
    name = "bert.encoder.layer.0.output.dense.weight"
    write_tensors(tmp_path / "hub" / "model.safetensors", {**tensors, name: np.zeros((12, 7), np.int8)})
    refused(tmp_path / "hub", tmp_path, f"{name} holds int8, which is no float")


def test_shards_are_read_and_one_that_is_missing_is_named(tmp_path):
    hub = tmp_path / "hub"
    tensors = hub_folder(hub, bert())
    (hub / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in parts.items():
        write_tensors(hub / file, {name: tensors[name] for name in own})
    places = {name: file for file, own in parts.items() for name in own}
    (hub / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    import_published(hub, tmp_path / "whole")
    assert all(
        np.array_equal(weights_of(tmp_path / "whole")[name], array) for name, array in draw(bert()).items()
    )
    index = {"metadata": {}, "weight_map": {**places, "more": "model-00001-of-00002.safetensors"}}
    (hub / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(hub, tmp_path, "no shard has more")
    (hub / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (hub / "model-00002-of-00002.safetensors").unlink()
    refused(hub, tmp_path, "model-00002-of-00002.safetensors is missing")


def test_an_output_that_is_there_is_left_alone(tmp_path):
    hub_folder(tmp_path / "hub", bert())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("precious")
    with pytest.raises(InputError, match="is there already; give a new path"):
        import_published(tmp_path / "hub", tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]
    (tmp_path / "run" / "mine").unlink()
    import_published(tmp_path / "hub", tmp_path / "run")


@pytest.mark.parametrize(
    ("task", "match"),
    [
        ("causal_lm", "causal_lm"),
        ("no_such_task", "no task of kind 'no_such_task'"),
        ("segmentation", "segmentation needs"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(task, match, tmp_path):
    hub_folder(tmp_path / "hub", bert())
    refused(tmp_path / "hub", tmp_path, match, task=task)


def test_a_run_is_whole_wherever_it_is_moved(tmp_path):
    hub_folder(tmp_path / "hub", bert())
    import_published(tmp_path / "hub", tmp_path / "run")
    shutil.rmtree(tmp_path / "hub")
    (tmp_path / "run").rename(tmp_path / "moved")
    spec = load_spec(tmp_path / "moved" / "spec.yaml")
    assert run_tokenizer(spec.data, tmp_path / "moved", 64).size == len(WORDS)
    path = tmp_path / "moved" / "checkpoints" / "step-00000000" / "weights.safetensors"
    with Safetensors(path) as file:
        assert set(file) == set(spec.graph().parameters())


def write_tensorflow(path, tensors, kernels=("weight",)):
    """``tf_model.h5`` as Keras 2 wrote ``transformers``' models: scopes, turned kernels, lists of names."""
    with h5py.File(path, "w") as file:
        group, names = file.create_group("model"), []
        for name, array in tensors.items():
            parts = (
                re.sub(r"\.(\d+)(?=\.)", r"_!_\1", name).replace(".", "/").replace("_!_", "_._").split("/")
            )
            if "embeddings" in name and array.ndim == 2:
                parts[-1] = "weight" if parts[-2] == "word_embeddings" else "embeddings"
            elif "LayerNorm" in name or "ln_" in name:
                parts[-1] = {"weight": "gamma", "bias": "beta"}[parts[-1]]
            elif parts[-1] == "weight" and array.ndim == 2 and "kernel" in kernels:
                parts[-1], array = "kernel", array.T
            scope = "mlm___cls" if parts[0] == "cls" else parts[0]
            path = "/".join(["tf_model", scope, *parts[1:]]) + ":0"
            group.create_dataset(path, data=array)
            names.append(path.encode())
        group.attrs["weight_names"] = names
        file.attrs["layer_names"] = [b"model"]


def test_tf_model_h5_is_read_as_the_torch_file_of_the_same_folder(tmp_path):
    tensors = hub_folder(tmp_path / "hub", bert(), architectures=["TFBertForMaskedLM"])
    (tmp_path / "hub" / "model.safetensors").unlink()
    named = {name: array for name, array in tensors.items() if "decoder" not in name}
    write_tensorflow(tmp_path / "hub" / "tf_model.h5", named, ("kernel",))
    done = import_published(tmp_path / "hub", tmp_path / "run")
    found = weights_of(tmp_path / "run")
    assert done.spec.task.kind == "masked_lm"
    assert all(np.array_equal(found[name], array) for name, array in draw(bert()).items())


def test_gpt2_s_matrices_are_not_turned_in_tf_model_h5_and_its_biases_are_rows(tmp_path):
    spec = load_spec("gpt2_tiny", ["model.vocab_size=50"])
    tensors = hub_folder(tmp_path / "hub", spec)
    (tmp_path / "hub" / "model.safetensors").unlink()
    rows = {name: array[None] if name.endswith("c_attn.bias") else array for name, array in tensors.items()}
    del rows["lm_head.weight"]
    write_tensorflow(tmp_path / "hub" / "tf_model.h5", rows)
    import_published(tmp_path / "hub", tmp_path / "run")
    found = weights_of(tmp_path / "run")
    assert all(np.array_equal(found[name], array) for name, array in draw(spec).items())


GAMMA_BETA = [
    (r"(?i)(norm|layernorm_\w+)\.weight$", "gamma", None),
    (r"(?i)(norm|layernorm_\w+)\.bias$", "beta", None),
]
DENSE = (r"\.weight$", "kernel", (1, 0))
TENSORFLOW = {
    "t5": (
        ["model.tied_output=false"],
        [(r"^shared\.|norm\.weight$", "weight", None), (r"attention_bias\.weight$", "embeddings", None), DENSE],
        r"embed_tokens",
    ),
    "vit": ([], [*GAMMA_BETA, (r"projection\.weight$", "kernel", (2, 3, 1, 0)), DENSE], None),
    "hubert": (
        [],
        [*GAMMA_BETA, (r"original0$", "weight_g", (2, 1, 0)), (r"original1$", "weight_v", None),
         (r"\.conv\.weight$", "kernel", (2, 1, 0)), DENSE],
        None,
    ),
    "roberta": (
        [],
        [*GAMMA_BETA, (r"word_embeddings\.weight$", "weight", None), (r"_embeddings\.weight$", "embeddings", None),
         DENSE],
        r"decoder",
    ),
}  # fmt: skip
"""Of TensorFlow's classes of 4.x: what they call a tensor's last part, and its axes; and what they have once."""


def tensorflow_h5(path, tensors, rules, repeated):
    """``tf_model.h5`` of those classes: one group of a layer, names of which are its scopes."""
    with h5py.File(path, "w") as file:
        names = []
        for name, array in tensors.items():
            if repeated is not None and re.search(repeated, name):
                continue
            leaf, axes = next(
                (found for pattern, *found in rules if re.search(pattern, name)), (name.rsplit(".")[-1], None)
            )
            name = name.replace(".parametrizations.weight", "")
            for new, old in VIT.filed.items() if name.startswith("vit.") else ():
                name = name.replace(new, old)
            scope = re.sub(r"\.(\d+)(?=\.)", r"_._\1", name.rpartition(".")[0])
            scope = scope.replace("_._", "?").replace(".", "/").replace("?", "_._")
            stored = f"tf_class/{scope}/{leaf}:0".replace("//", "/")
            file.create_dataset(f"model/{stored}", data=array if axes is None else array.transpose(axes))
            names.append(stored.encode())
        file["model"].attrs["weight_names"] = names
        file.attrs["layer_names"] = [b"model"]
        return {name.decode() for name in names}


@pytest.mark.parametrize("kind", TENSORFLOW)
def test_each_family_s_tf_model_h5_gives_the_weights_of_its_safetensors(kind, tmp_path):
    changes, rules, repeated = TENSORFLOW[kind]
    spec = load_spec(
        f"{kind}_tiny", [*changes, *(["model.vocab_size=70"] if kind in ("t5", "roberta") else [])]
    )
    hub = tmp_path / "hub"
    tensors = hub_folder(hub, spec)
    import_published(hub, tmp_path / "expected")
    (hub / "model.safetensors").unlink()
    if kind == "hubert":  # Saved from the bare class, which has the prefix there all the same.
        tensors = {f"hubert.{name}": array for name, array in tensors.items()}
    names = tensorflow_h5(hub / "tf_model.h5", tensors, rules, repeated)
    done = import_published(hub, tmp_path / "run")
    expected, found = weights_of(tmp_path / "expected"), weights_of(tmp_path / "run")
    assert not new(done)
    assert set(found) == set(expected) == set(spec.graph().parameters())
    assert all(found[name].tobytes() == array.tobytes() for name, array in expected.items())
    assert PUBLISHED_NAMES[kind] <= names


PUBLISHED_NAMES = {
    "t5": {
        "tf_class/shared/weight:0",
        "tf_class/encoder/block_._0/layer_._0/SelfAttention/relative_attention_bias/embeddings:0",
        "tf_class/decoder/block_._1/layer_._2/DenseReluDense/wo/kernel:0",
        "tf_class/decoder/final_layer_norm/weight:0",
        "tf_class/lm_head/kernel:0",
    },
    "vit": {
        "tf_class/vit/embeddings/cls_token:0",
        "tf_class/vit/embeddings/patch_embeddings/projection/kernel:0",
        "tf_class/vit/encoder/layer_._0/attention/attention/query/kernel:0",
        "tf_class/vit/encoder/layer_._1/output/dense/bias:0",
        "tf_class/vit/encoder/layer_._0/layernorm_before/gamma:0",
        "tf_class/classifier/kernel:0",
    },
    "hubert": {
        "tf_class/hubert/feature_extractor/conv_layers_._0/conv/kernel:0",
        "tf_class/hubert/encoder/pos_conv_embed/conv/weight_g:0",
        "tf_class/hubert/encoder/pos_conv_embed/conv/weight_v:0",
        "tf_class/hubert/masked_spec_embed:0",
    },
    "roberta": {
        "tf_class/roberta/embeddings/word_embeddings/weight:0",
        "tf_class/roberta/encoder/layer_._1/attention/self/value/kernel:0",
        "tf_class/lm_head/layer_norm/beta:0",
        "tf_class/lm_head/bias:0",
    },
}


def test_two_kinds_of_files_that_differ_are_refused_and_one_can_be_named(tmp_path):
    hub = tmp_path / "hub"
    tensors = hub_folder(hub, bert())
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, hub / "pytorch_model.bin")
    import_published(hub, tmp_path / "same")
    other = {**tensors, "bert.embeddings.LayerNorm.bias": tensors["bert.embeddings.LayerNorm.bias"] + 1}
    torch.save({name: torch.from_numpy(array) for name, array in other.items()}, hub / "pytorch_model.bin")
    refused(
        hub,
        tmp_path,
        "model.safetensors and pytorch_model.bin hold different weights .values of bert.embeddings",
    )
    import_published(hub, tmp_path / "torch", format="torch")
    assert np.array_equal(
        weights_of(tmp_path / "torch")["embeddings.norm.bias"], other["bert.embeddings.LayerNorm.bias"]
    )
    import_published(hub / "pytorch_model.bin", tmp_path / "file")
    refused(hub, tmp_path, "--format parquet: is none of safetensors", format="parquet")
    refused(hub, tmp_path, r"--format npz: .* it has model.safetensors \(safetensors\)", format="npz")


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_trainer_leaves_beside_a_torch_file_of_either_form_is_passed_over(zipped, tmp_path):
    hub = tmp_path / "hub"
    tensors = hub_folder(hub, bert())
    (hub / "model.safetensors").unlink()
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    torch.save(state, hub / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    torch.save({"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}, hub / "optimizer.pt")
    torch.save(transformers.TrainingArguments, hub / "training_args.bin")
    import_published(hub, tmp_path / "run")
    assert np.array_equal(
        weights_of(tmp_path / "run")["embeddings.token.weight"], draw(bert())["embeddings.token.weight"]
    )


def test_marian_s_bias_on_the_scores_is_a_weight(tmp_path):
    spec = load_spec(
        "transformer_tiny",
        ["model.position={kind: sinusoidal_positions, layout: halves}", "model.output_bias=true",
         "model.layer_norm_epsilon=1e-5"],
    )  # fmt: skip
    hub_folder(tmp_path / "hub", spec, scale_embedding=True)
    done = import_published(tmp_path / "hub", tmp_path / "run")
    found = weights_of(tmp_path / "run")
    assert all(np.array_equal(found[name], array) for name, array in draw(spec).items())
    assert found["lm_head.bias"].std() > 0.1
    assert (done.spec.model.kind, done.spec.model.layer_norm_epsilon) == ("transformer", 1e-5)


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    hub_folder(tmp_path / "hub", bert())

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "write_file", refuse)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        import_published(tmp_path / "hub", tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub"]


READ_ALL = """
import json, sys
from pathlib import Path
from zoo_common.containers.safetensors_writing import tensor_chunks
from zoo_common.interop.matching import Renamed
from zoo_common.published.importing import opened, require_whole
from zoo_common.published.spec import read_spec

def peak():  # ru_maxrss would begin with what the process had from which this one was started.
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) << 10

with opened(Path(sys.argv[1])) as published:
    read = read_spec(published, name="big", task=None, trained_as_authors=False, data=None, representation={})
    require_whole(published, read)
    before, count = peak(), 0
    for chunk in tensor_chunks(Renamed(published.tensors, read.match.taken)):
        count += len(chunk)
    print(json.dumps({"beyond": peak() - before, "bytes": count}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell a process' own peak")
def test_shards_of_1_gb_are_read_within_1_3_times_their_largest_tensor(tmp_path):
    sizes = (
        "hidden_size=1024",
        "num_layers=16",
        "intermediate_size=4096",
        "vocab_size=50000",
        "num_heads=16",
    )
    spec = load_spec("bert_base", [*(f"model.{size}" for size in sizes), "task={kind: representation}"])
    names = spec.model.foreign_names()["transformers"].names(spec.graph().parameters(), prefixed=False)
    shapes = {name: parameter.shape for name, parameter in spec.graph().parameters().items()}
    given = {row.foreign[0]: shapes[row.canonical[0]] for row in names.rows}
    places, hub = {}, tmp_path / "hub"
    hub.mkdir()
    for number in range(4):
        file = f"model-{number + 1:05d}-of-00004.safetensors"
        places |= write_sparse(hub / file, dict(list(given.items())[number::4]))
    (hub / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (hub / "config.json").write_text(json.dumps(config_of(spec)))
    found = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(hub)], capture_output=True, text=True, check=True, timeout=300
    )
    said = json.loads(found.stdout)
    largest = 4 * max(np.prod(shape) for shape in given.values())
    assert said["bytes"] > 1e9
    assert 0.5 * largest < said["beyond"] < 1.3 * largest


def write_sparse(path, shapes):
    """A file of zeros that takes no room on the disk; gives the tensors' places in it."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return dict.fromkeys(shapes, path.name)


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ({"image_mean": [0.25] * 3, "image_std": [0.5] * 3}, (0.25, 0.5)),
        ({"do_normalize": False}, (0.0, 1.0)),
        (None, (0.5, 0.5)),
        (
            {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
            ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ),
        ({"image_mean": [None], "image_std": 1}, (0.5, 0.5)),
    ],
)
def test_pixels_are_prepared_as_the_folder_says(said, data, tmp_path):
    hub_folder(tmp_path / "hub", load_spec("vit_tiny"))
    if said is not None:
        (tmp_path / "hub" / "preprocessor_config.json").write_text(json.dumps(said))
    done = import_published(tmp_path / "hub", tmp_path / "run")
    assert (done.spec.data.kind, done.spec.data.mean, done.spec.data.std) == ("images", *data)
    told = [note for note in done.report.notes if "deviation" in note or "pixels" in note]
    assert bool(told) == (data == (0.5, 0.5))


SIZES = {
    "bert": {"vocab_size": 30, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 7, "max_position_embeddings": 20},
    "gpt2": {"vocab_size": 30, "n_embd": 12, "n_layer": 1, "n_head": 2, "n_positions": 20},
    "gptj": {"vocab_size": 30, "n_embd": 12, "n_layer": 1, "n_head": 2, "n_positions": 20, "rotary_dim": 4},
    "gpt_neox": {"vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "intermediate_size": 7, "max_position_embeddings": 20},
    "t5": {"vocab_size": 30, "d_model": 12, "d_kv": 6, "d_ff": 7, "num_layers": 1, "num_heads": 2},
    "vit": {"image_size": 8, "patch_size": 4, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 7},
    "hubert": {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 7,
               "conv_dim": [6, 6], "conv_kernel": [3, 3], "conv_stride": [2, 2], "num_conv_pos_embeddings": 4,
               "num_conv_pos_embedding_groups": 2},
    "marian": {"vocab_size": 30, "d_model": 12, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 7,
               "decoder_ffn_dim": 7, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
               "max_position_embeddings": 20, "pad_token_id": 0, "scale_embedding": True},
}  # fmt: skip
CLASSES = [
    (kind, saved.architecture)
    for kind, table in TABLES.items()
    for saved in table.tasks
    if hasattr(transformers, saved.architecture)
]


@pytest.mark.parametrize(("kind", "name"), CLASSES)
def test_every_class_of_the_tables_has_the_names_and_shapes_that_they_say(kind, name, tmp_path):
    config = transformers.CONFIG_MAPPING[kind](**SIZES.get(kind, SIZES["bert"]))
    with torch.device("meta"):
        model = getattr(transformers, name)(config)
    state = {key: np.zeros(tuple(each.shape), np.float32) for key, each in model.state_dict().items()}
    said = {**json.loads(json.dumps(config.to_dict())), "architectures": [name]}
    hub = tmp_path / "hub"
    hub.mkdir()
    write_tensors(
        hub / "model.safetensors", {key: each for key, each in state.items() if "embed_pos" not in key}
    )
    (hub / "config.json").write_text(json.dumps(said))
    done = import_published(hub, tmp_path / "run")
    assert not {key for key in new(done) if not key.startswith("lm_head")}
    strangers = [key for key, why in left(done).items() if "again" not in why]
    assert all("pooler" in key or key == "lm_head.weight" for key in strangers), strangers


@pytest.mark.parametrize(
    "said",
    [{}, {"do_lower_case": False}, {"strip_accents": False}, {"do_lower_case": False, "strip_accents": True},
     {"tokenize_chinese_chars": False}],
)  # fmt: skip
def test_a_vocabulary_cuts_text_as_the_folder_s_own_tokenizer_does(said, tmp_path):
    hub = tmp_path / "hub"
    hub_folder(hub, bert())
    words = [*WORDS, "é", "É", "E", "##é", "漢", "字", "漢字"]
    (hub / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (hub / "tokenizer_config.json").write_text(json.dumps({**said, "tokenizer_class": "BertTokenizer"}))
    done = import_published(hub, tmp_path / "run")
    ours = run_tokenizer(done.spec.data, tmp_path / "run", 64)
    theirs = transformers.AutoTokenizer.from_pretrained(hub)
    for text in ("é É e E", "漢字 a漢b", "Paris is", "pariS"):
        assert ours.encode([text])[0] == theirs.encode(text, add_special_tokens=False), text
