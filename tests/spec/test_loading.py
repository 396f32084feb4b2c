from pathlib import Path

import pytest

from zoo_spec import list_specs, load_spec
from zoo_spec.errors import InputError, SpecError
from zoo_spec.spec_files.loading import resolve, validate
from zoo_spec.spec_files.shipped import config_root, shipped_specs
from zoo_spec.spec_files.show import flow, show
from zoo_spec.values import quoted, steps
from zoo_spec.yaml_reader import read_mapping


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return name


def refusal(name, overrides=()) -> str:
    with pytest.raises(SpecError) as raised:
        load_spec(name, overrides)
    assert isinstance(raised.value, InputError)
    assert raised.value.exit_status == 2
    return str(raised.value)


@pytest.mark.parametrize("name", list_specs())
def test_every_shipped_spec_loads_under_its_files_name(name):
    assert load_spec(name).name == name
    assert load_spec(shipped_specs()[name]) == load_spec(name)


def test_shipped_specs_are_the_files_of_the_config_folder():
    assert list_specs() == sorted(path.stem for path in config_root().rglob("*.yaml"))
    assert {"bert_base", "bert_tiny", "mnist_fc"} <= set(list_specs())


def test_a_file_inherits_a_shipped_spec_and_is_called_by_its_own_name(folder):
    spec = load_spec(write(folder, "my.yaml", "extends: bert_tiny\nmodel: {num_layers: 3}\n"))
    assert spec.name == "my"
    assert spec.model.num_layers == 3
    assert spec.model.hidden_size == load_spec("bert_tiny").model.hidden_size


def test_a_name_that_is_stated_wins_over_the_files(folder):
    file = write(folder, "my.yaml", "extends: bert_tiny\nname: mine\n")
    assert load_spec(file).name == "mine"
    assert load_spec(file, ["name=other"]).name == "other"


def test_a_parents_path_is_relative_to_the_file_that_names_it(folder):
    write(folder, "parents/grand.yaml", "extends: bert_tiny\nmodel: {num_layers: 3, num_heads: 4}\n")
    write(folder, "parents/parent.yaml", "extends: ./grand.yaml\nmodel: {num_layers: 4}\n")
    resolved = resolve(write(folder, "my.yaml", "extends: parents/parent.yaml\ntraining: {steps: 7}\n"))
    spec = validate(resolved)
    assert (spec.model.num_layers, spec.model.num_heads, spec.training.steps) == (4, 4, 7)
    assert str(resolved.origins["model", "num_heads"]) == str(Path("parents/grand.yaml")) + ":2"
    assert resolved.sources[-1] == "my.yaml"


def test_a_shipped_name_is_found_before_a_file_of_that_name(folder):
    write(folder, "bert_tiny", "extends: mnist_fc\n")
    assert load_spec(write(folder, "my.yaml", "extends: bert_tiny\n")).model.kind == "bert"


def test_overrides_come_last_and_know_where_they_came_from():
    resolved = resolve("bert_tiny", ["model.num_layers=3", "training.optimizer.learning_rate=1e-4"])
    assert validate(resolved).training.optimizer.learning_rate == 1e-4
    assert str(resolved.origins["model", "num_layers"]) == "--set model.num_layers=3"
    assert str(resolved.origins["training", "optimizer", "kind"]).startswith("configs/bert/bert_base.yaml:")


@pytest.mark.parametrize("name", list_specs())
def test_a_learning_rate_can_be_set_whatever_the_spec_says_of_its_optimizer(name):
    assert load_spec(name, ["training.optimizer.learning_rate=0.25"]).training.optimizer.learning_rate == 0.25


@pytest.mark.parametrize("override", ["training.optimizer=sgd", "training.optimizer.kind=sgd"])
def test_a_change_of_kind_leaves_nothing_of_what_it_replaces(override):
    optimizer = load_spec("bert_base", [override]).training.optimizer
    assert optimizer.kind == "sgd"
    assert optimizer.weight_decay == type(optimizer)().weight_decay


def test_a_slot_given_as_a_text_is_its_kind(folder):
    file = write(folder, "my.yaml", "extends: bert_tiny\nmodel: {norm: rms_norm}\n")
    assert load_spec(file).model.norm.kind == "rms_norm"
    resolved = resolve(file, ["model.norm.epsilon=1e-5"])
    assert resolved.mapping["model"]["norm"] == {"kind": "rms_norm", "epsilon": 1e-5}
    assert str(resolved.origins["model", "norm", "kind"]) == "my.yaml:2"


def test_a_slot_wins_over_an_inherited_flat_field_and_says_so():
    resolved = resolve("bert_tiny", ["model.norm.epsilon=1e-5"])
    assert validate(resolved).model.norm.epsilon == 1e-5
    assert len(resolved.notes) == 1
    assert (
        "model.norm (--set model.norm.epsilon=1e-5) replaces model.layer_norm_epsilon 1e-12"
        in resolved.notes[0]
    )
    assert resolve("bert_tiny").notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "model: {attention: {mask: causal}, num_heads: 4}",
        "model: {norm: {epsilon: 1e-5}, num_heads: 4}",
        "model: {feed_forward: {bias: false}, activation: relu, intermediate_size: 8}",
    ],
)
def test_a_slot_and_a_flat_field_that_do_not_meet_go_together(folder, text):
    load_spec(write(folder, "my.yaml", f"extends: bert_tiny\n{text}\n"))


@pytest.mark.parametrize(
    ("text", "flat", "remedy"),
    [
        ("norm: {kind: rms_norm}\n  layer_norm_epsilon: 1e-5", "layer_norm_epsilon", "model.norm.epsilon"),
        ("norm: rms_norm\n  layer_norm_epsilon: 1e-5", "layer_norm_epsilon", "model.norm.epsilon"),
        ("norm: {epsilon: 1e-6}\n  layer_norm_epsilon: 1e-5", "layer_norm_epsilon", "model.norm.epsilon"),
        ("attention: {kind: attention}\n  num_heads: 4", "num_heads", "model.attention.num_heads"),
        ("feed_forward: {size: 8}\n  intermediate_size: 9", "intermediate_size", "model.feed_forward.size"),
    ],
)
def test_a_slot_and_a_flat_field_that_it_replaces_are_refused_in_one_file(folder, text, flat, remedy):
    message = refusal(write(folder, "my.yaml", f"extends: bert_tiny\nmodel:\n  {text}\n"))
    slot = text.partition(":")[0]
    assert message.startswith(f"my.yaml:4: model.{flat}: '{flat}' and the slot '{slot}' (my.yaml:3)")
    assert message.endswith(f"leave '{flat}' out and set {remedy}")


def test_a_slot_and_a_flat_field_that_it_replaces_are_refused_on_one_command_line():
    message = refusal("bert_tiny", ["model.norm=rms_norm", "model.layer_norm_epsilon=1e-5"])
    assert "--set model.layer_norm_epsilon=1e-5: model.layer_norm_epsilon: " in message
    assert "the slot 'norm' (--set model.norm=rms_norm)" in message


def test_a_flat_field_over_an_inherited_slot_that_states_it_is_refused(folder):
    file = write(folder, "my.yaml", "extends: bert_tiny\nmodel:\n  norm: {kind: rms_norm, epsilon: 1e-6}\n")
    message = refusal(file, ["model.layer_norm_epsilon=1e-5"])
    assert "would have no effect: the slot 'norm' states its own epsilon (my.yaml:3)" in message
    assert message.endswith("set model.norm.epsilon instead")


def test_a_flat_field_over_an_inherited_slot_that_leaves_it_open_fills_it(folder):
    file = write(folder, "my.yaml", "extends: bert_tiny\nmodel:\n  norm: {kind: rms_norm}\n")
    assert load_spec(file, ["model.layer_norm_epsilon=1e-5"]).model.norm.epsilon == 1e-5


SHOWN = [
    *((name, []) for name in list_specs()),
    ("bert_tiny", ["model.norm=rms_norm"]),
    ("bert_tiny", ["model.norm.epsilon=1e-5"]),
    ("bert_tiny", ["model.feed_forward={kind: gated_feed_forward, activation: silu}"]),
    ("bert_tiny", ["model.initializer=glorot_uniform", "model.attention.initializer=zeros"]),
    ("bert_tiny", ["training.optimizer=sgd", "training.optimizer.no_decay=[]"][1:]),
    ("mnist_fc", ['name="yes: é 1"', "model.hidden_sizes=[5]"]),
]


@pytest.mark.parametrize(("name", "overrides"), SHOWN)
def test_what_is_shown_loads_again_to_the_same_spec(folder, name, overrides):
    resolved = resolve(name, overrides)
    spec = validate(resolved)
    assert load_spec(write(folder, "shown.yaml", show(resolved, spec))) == spec


@pytest.mark.parametrize(("name", "overrides"), SHOWN)
def test_every_shown_value_says_where_it_came_from(name, overrides):
    resolved = resolve(name, overrides)
    for line in show(resolved, validate(resolved)).splitlines():
        _, _, value = line.strip().removeprefix("# ").partition(": ")
        assert not value or "  # " in value or line in [f"# {note}" for note in resolved.notes]


def test_show_names_files_lines_overrides_defaults_and_replacements():
    resolved = resolve("bert_tiny", ["model.norm=rms_norm", "model.num_layers=3"])
    lines = [line.strip() for line in show(resolved, validate(resolved)).splitlines()]
    assert "num_layers: 3  # --set" in lines
    assert "seed: 0  # default" in lines
    assert any(line.startswith("hidden_size: 128  # bert_tiny.yaml:") for line in lines)
    assert any(line.startswith("# layer_norm_epsilon: 1e-12  # bert_base.yaml:") for line in lines)
    assert any(line.endswith(", replaced by model.norm") for line in lines)
    assert any(line.endswith("(layer_norm_epsilon)") and line.startswith("epsilon: 1e-12") for line in lines)


@pytest.mark.parametrize(
    "value",
    ["no", "1", "1e5", "", "a b", "a: b", "#", "x#", "null", '\x7f\n\t"\\', "é😀", "-", ".5", "0o7", "~"],
)
def test_every_string_that_is_shown_is_read_back(value):
    assert read_mapping(f"a: {flow(value)}\nb: [{flow(value)}, {{{flow(value)}: 1}}]", "")[0] == {
        "a": value,
        "b": (value, {value: 1}),
    }


def test_messages_stay_short_and_steer_no_terminal():
    assert len(quoted("x" * 10_000)) < 80
    assert "\x1b" not in quoted("\x1b[2J")


def test_dotted_paths_are_read_as_they_are_written():
    assert steps("model.nodes.join.inputs[1]") == ("model", "nodes", "join", "inputs", 1)
    assert steps("") == ()


def test_the_names_of_specs_that_are_not_there_are_answered_with_near_ones(folder):
    assert (
        refusal("bert_tny")
        == "no shipped spec is called 'bert_tny' (did you mean 'bert_tiny'?); 'zoo list' shows what there is"
    )
    write(folder, "mine", "extends: bert_tiny\n")
    assert refusal("mine").endswith("; a file is called by its path, './mine'")


def test_one_text_is_no_list_of_overrides():
    assert "overrides are a list" in refusal("bert_tiny", "model.num_layers=3")
