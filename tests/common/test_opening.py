"""From a spec to its examples: each model gets the inputs it has; what does not fit is refused by name."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from zoo_common.data import Wanted, batch, open_data, open_dataset
from zoo_common.data.generated import id_limits
from zoo_spec.data import Data
from zoo_spec.errors import EnvironmentFault, InputError
from zoo_spec.experiment import ExperimentSpec
from zoo_spec.spec_files.loading import load_spec
from zoo_spec.spec_files.shipped import list_specs

BERT = {
    "kind": "bert",
    "hidden_size": 32,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 4096,
    "max_positions": 128,
}


def _spec(model=BERT, **parts):
    return ExperimentSpec.model_validate({"model": model, **parts})


def _ranges_hold(spec, found):
    """Every id is one that the model has a row or a class for."""
    limits = id_limits(spec.graph(), {"sequence": found.get("input_ids", np.zeros((1, 1))).shape[1]})
    for name, limit in limits.items():
        if name in found:
            assert found[name].min() >= 0, name
            assert found[name].max() < limit, name


@pytest.mark.parametrize("split", ["train", "eval"])
@pytest.mark.parametrize(
    ("parts", "names"),
    [
        (
            {},
            "input_ids token_type_ids example_ids masked_positions masked_ids masked_weights "
            "next_sentence_labels",
        ),
        (
            {"task": {"kind": "masked_lm"}},
            "input_ids token_type_ids example_ids masked_positions masked_ids masked_weights",
        ),
        (
            {"model": {**BERT, "attention": {"mask": "causal"}}, "task": {"kind": "causal_lm"}},
            "input_ids token_type_ids example_ids labels label_weights",
        ),
        ({"model": {"kind": "mlp"}}, "image labels"),
    ],
)
def test_each_task_gets_the_inputs_of_its_graph(tmp_path, split, parts, names):
    spec = _spec(**{"model": BERT, **parts})
    dataset = open_dataset(spec, tmp_path, split)
    found = batch(dataset, 0, 0, 4)
    assert set(found) == set(names.split())
    for name, value in found.items():
        declared = spec.graph().inputs[name]
        assert value.dtype == ("int32" if declared.dtype == "int32" else "float32")
        assert value.ndim == declared.rank
    _ranges_hold(spec, found)


def _each_with_data_of_its_own():
    """One shipped spec for each way that data is made; a tokenizer takes seconds to train."""
    found = {}
    for name in list_specs():
        resolved = load_spec(name).resolved()
        found.setdefault((str(resolved["data"]), resolved["task"]["kind"], resolved["model"]["kind"]), name)
    return sorted(found.values())


@pytest.mark.parametrize("name", _each_with_data_of_its_own())
@pytest.mark.parametrize("split", ["train", "eval"])
def test_every_shipped_specs_data_fits_its_model(name, split):
    spec = load_spec(name)
    found = batch(open_dataset(spec, None, split), 0, 3, 2)
    assert set(found) <= set(spec.graph().inputs)
    _ranges_hold(spec, found)


@pytest.mark.parametrize("model", [BERT, {"kind": "mlp"}], ids=["bert", "mlp"])
def test_generated_data_fits_the_graph(model):
    spec = _spec(model, data={"kind": "generated", "samples": 7})
    dataset = open_dataset(spec, None, "train")
    assert len(dataset) == 7
    found = batch(dataset, 0, 0, 5)
    required = {name for name, tensor in spec.graph().inputs.items() if not tensor.optional}
    assert required <= set(found) <= set(spec.graph().inputs)
    _ranges_hold(spec, found)
    again = open_dataset(spec, None, "train").example(0, 3)
    for name, value in dataset.example(0, 3).items():
        assert value.tobytes() == again[name].tobytes()


def test_both_splits_share_one_tokenizer_and_no_sentence(tmp_path):
    spec = _spec()
    training, held_out = (open_dataset(spec, tmp_path, split) for split in ("train", "eval"))
    assert len(training) > 10 * len(held_out) > 0
    assert "tokenizers" in training.description().libraries
    about = training.description()
    assert about.total_bytes == about.samples * about.bytes_per_sample
    assert about.source.startswith("python_docs")


def test_the_same_spec_gives_the_same_bytes_with_and_without_a_run_directory(tmp_path):
    one, two = open_dataset(_spec(), tmp_path, "train"), open_dataset(_spec(), None, "train")
    for name, value in batch(one, 0, 11, 4).items():
        assert value.tobytes() == batch(two, 0, 11, 4)[name].tobytes()


def test_a_users_files_are_read(tmp_path):
    text = "\n\n\n".join(
        f"The {word} sat down. It slept. Then the {word} left." for word in ("cat", "dog", "cow") * 9
    )
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt").write_text("A bird sang. It flew away.")
    data = {"kind": "text", "files": [str(tmp_path / "a.txt")], "sequence_length": 16}
    own = open_dataset(_spec(data={**data, "evaluation_files": str(tmp_path / "b.txt")}), None, "eval")
    assert len(own) == 1
    assert len(open_dataset(_spec(data=data), None, "train")) > 10


@pytest.mark.parametrize(
    ("text", "split", "message"),
    [
        (
            "One",
            "train",
            r"training text is too small for one example: it has 1 sentence\(s\) and 2 are needed",
        ),
        ("One. Two.", "eval", r"evaluation text is too small .*evaluation_fraction is 0.05; raise it"),
    ],
)
def test_too_little_text_is_refused(tmp_path, text, split, message):
    path = tmp_path / "small.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(_spec(data={"kind": "text", "files": [str(path)]}), None, split)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"data": {"kind": "text", "sequence_length": 129}},
            "sequence_length 129 is above the 128 positions of the model",
        ),
        ({"data": {"kind": "images"}}, "labelled images, which masked_lm_next_sentence does not learn from"),
        (
            {"model": {"kind": "mlp"}, "data": {"kind": "text"}},
            "which image_classification does not learn from",
        ),
        ({"model": {"kind": "mlp", "channels": 3}}, r"the images have 1 channel\(s\), the model's input 3"),
        ({"model": {**BERT, "type_vocab_size": 1}}, "pairs have 2 token types, and the model has 1"),
    ],
)
def test_data_that_does_not_fit_the_model_is_refused(parts, message):
    with pytest.raises(InputError, match=message):
        open_dataset(_spec(**{"model": BERT, **parts}), None, "train")


def test_labels_beyond_the_models_classes_are_refused():
    spec = _spec({"kind": "mlp"}, task={"kind": "image_classification", "classes": 9})
    with pytest.raises(
        InputError, match="image 9: label 9 is out of range: ids run from 0 to 8; give the model 10"
    ):
        open_dataset(spec, None, "train")


def test_a_vocabulary_larger_than_the_embedding_is_refused(tmp_path):
    path = tmp_path / "vocab.txt"
    words = [f"word{number}" for number in range(5000)]
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    with pytest.raises(
        InputError, match=r"5,005 tokens, the model's embedding only 4,096 rows; set model.vocab_size"
    ):
        open_dataset(_spec(data={"kind": "text", "vocabulary": str(path)}), tmp_path / "run", "train")
    assert not (tmp_path / "run").exists()


def test_examples_are_the_same_whatever_the_locale_and_hash_seed():
    program = (
        "import hashlib, json, sys\n"
        "from zoo_common.data import batch, open_dataset\n"
        "from zoo_spec.experiment import ExperimentSpec\n"
        "spec = ExperimentSpec.model_validate({'model': json.loads(sys.argv[1])})\n"
        "found = batch(open_dataset(spec, None, 'train'), 0, 2, 8)\n"
        "print(hashlib.sha256(b''.join(found[name].tobytes() for name in sorted(found))).hexdigest())\n"
        "assert not {'torch', 'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    printed = set()
    for changes in ({"PYTHONHASHSEED": "1", "LC_ALL": "C"}, {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8"}):
        command = [sys.executable, "-c", program, json.dumps(BERT)]
        done = subprocess.run(
            command, env={**os.environ, **changes}, capture_output=True, text=True, check=True
        )
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize("name", ["bert_tiny_ner", "bert_tiny_squad", "bert_tiny_regression"])
def test_running_text_is_refused_where_people_s_labels_are_learnt(name):
    """Of these token_classification would else have learnt the next tokens' ids."""
    kind = load_spec(name).task.kind
    with pytest.raises(InputError, match=f"running text, which {kind} does not learn from"):
        open_dataset(load_spec(name, ["data={kind: text}"]), None, "train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.vocab_size=10"], "a vocabulary of 3 leaves no room .*; set model.vocab_size to 17 at least"),
        (
            ["data.vocabulary={}", "model.vocab_size=4096"],
            r"5,005 tokens, .* only 4,089 rows beside 7 for sentinels; .* to 5012 at least",
        ),
    ],
)
def test_a_vocabulary_leaves_room_for_the_sentinels_of_cut_out_spans(tmp_path, changes, message):
    path = tmp_path / "vocab.txt"
    words = [f"word{number}" for number in range(5000)]
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    given = ["data.tokenizer=wordpiece", "data.sequence_length=128"]
    with pytest.raises(InputError, match=message):
        open_dataset(load_spec("t5_tiny", [*given, *(each.format(path) for each in changes)]), None, "train")


def test_data_that_nobody_reads_is_one_line():
    class Unread(Data):  # Without a kind of its own, so that it is not registered.
        """Data of a plugin that forgot its reader."""

    spec = load_spec("mnist_fc")
    with pytest.raises(
        EnvironmentFault, match=r"^nothing reads data of kind 'unread': .*open_data, or.*read_records$"
    ):
        open_data(Unread.model_construct(kind="unread"), Wanted(spec, spec.graph(), "train"))
