"""The memory estimate, the machine's room, and the refusal."""

import pytest

from zoo_common.memory import (
    available_bytes,
    largest_micro_batch,
    require_memory,
    step_sizes,
    training_bytes,
)
from zoo_common.memory.machine import _cgroup_room
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault

GB = 10**9


def needed(spec):
    return sum(training_bytes(spec, spec.graph()).values())


def test_bert_base_as_shipped_fits_into_16_gb():
    spec = load_spec("bert_base")
    parts = training_bytes(spec, spec.graph())
    assert parts["weights"] == parts["gradients"] == parts["accumulated"] == 4 * 110_106_428
    assert parts["optimizer"] == 2 * parts["weights"]
    assert step_sizes(spec, spec.graph()) == {"batch": 8, "sequence": 128, "predictions": 20, "examples": 1}
    assert 4 * GB < needed(spec) < 8 * GB
    require_memory(spec, spec.graph(), available=15 * GB)


def test_each_framework_has_its_own_needs_and_an_unknown_one_the_largest():
    spec = load_spec("bert_base")
    graph = spec.graph()
    torch, tf, other = (training_bytes(spec, graph, name) for name in ("torch", "tf", "another"))
    assert other == tf == training_bytes(spec, graph)
    assert all(torch[name] <= size for name, size in tf.items())
    assert torch["accumulated"] == 0  # It adds in place.
    same = ("weights", "copies", "gradients", "optimizer", "activations", "recomputed")
    assert all(torch[name] == tf[name] for name in same)
    largest = sum(torch.values())
    require_memory(spec, graph, "torch", available=largest)
    for framework in ("tf", None):
        with pytest.raises(EnvironmentFault, match="does not fit"):
            require_memory(spec, graph, framework, available=largest)


def test_a_save_needs_what_a_step_has_not_let_go_of():
    """Copies of weights and moments, in the room of gradients and activations where that is given back."""
    spec = load_spec("bert_base", ["training.micro_batch_size=1"])
    parts = training_bytes(spec, spec.graph(), "torch")
    copies = parts["weights"] + parts["optimizer"]
    assert parts["saving"] == copies - parts["gradients"] - parts["activations"] - parts["working"] > 0
    assert training_bytes(spec, spec.graph(), "tf")["saving"] == copies
    many = load_spec("bert_base", ["training.micro_batch_size=32"])
    assert training_bytes(many, many.graph(), "torch")["saving"] == 0


def test_dropout_keeps_its_masks_and_the_weights_that_it_drops():
    """At 8 rows of 128 tokens: a mask for each of 25 activations, and for 12 heads' weights, kept twice."""
    plain, dropped = (
        load_spec("bert_base", [f"model.dropout={rate}", f"model.attention_dropout={rate}"])
        for rate in (0.0, 0.1)
    )
    one, two = (training_bytes(spec, spec.graph())["activations"] for spec in (plain, dropped))
    assert two - one == 4 * (25 * 8 * 128 * 768 + 12 * 2 * 8 * 12 * 128 * 128)


def test_nothing_accumulates_where_a_batch_is_one_piece():
    spec = load_spec("bert_tiny")
    assert training_bytes(spec, spec.graph())["accumulated"] == 0


def test_the_optimizer_holds_what_its_moments_need():
    for kind, copies in (("{kind: sgd}", 0), ("{kind: sgd, momentum: 0.9}", 1), ("adamw", 2)):
        spec = load_spec("mnist_fc", [f"training.optimizer={kind}"])
        parts = training_bytes(spec, spec.graph())
        assert parts["optimizer"] == copies * parts["weights"]


def test_double_precision_doubles_what_depends_on_it():
    single = load_spec("bert_tiny")
    double = load_spec("bert_tiny", ["training.precision=float64"])
    one, two = (training_bytes(spec, spec.graph()) for spec in (single, double))
    assert all(abs(two[part] - 2 * one[part]) <= 2 for part in one if part != "library")


def test_sizes_are_kept_within_the_bounds():
    spec = load_spec("causal_lm", ["data.kind=generated", "data.sequence_length=100000"])
    assert step_sizes(spec, spec.graph())["sequence"] == 128


def test_a_refusal_names_every_term_and_the_largest_micro_batch_that_fits():
    spec = load_spec("bert_base", ["training.micro_batch_size=256"])
    with pytest.raises(EnvironmentFault) as refusal:
        require_memory(spec, spec.graph(), available=6 * GB)
    message = str(refusal.value)
    for part in ("weights", "gradients", "optimizer", "activations", "library", "saving", "sum", "6.00 GB"):
        assert part in message
    best = largest_micro_batch(spec, spec.graph(), 6 * GB)
    assert f"--set training.micro_batch_size={best}" in message
    fitting, larger = (load_spec("bert_base", [f"training.micro_batch_size={n * best}"]) for n in (1, 2))
    require_memory(fitting, spec.graph(), available=6 * GB)
    with pytest.raises(EnvironmentFault):
        require_memory(larger, spec.graph(), available=6 * GB)


@pytest.mark.parametrize("batch", [96, 97, 2**63 - 1])
def test_the_largest_micro_batch_of_any_batch_is_found_in_a_moment(batch):
    spec = load_spec("bert_tiny", [f"training.batch_size={batch}"])
    best = largest_micro_batch(spec, spec.graph(), GB)
    room = [
        size
        for size in range(1, min(batch, 4_000) + 1)
        if batch % size == 0
        and needed(
            load_spec("bert_tiny", [f"training.batch_size={size * 2}", f"training.micro_batch_size={size}"])
        )
        <= GB
    ]
    assert best == max(room)


def test_a_refusal_without_a_remedy_says_so():
    spec = load_spec("bert_large")
    with pytest.raises(EnvironmentFault, match=r"no training\.micro_batch_size makes it fit"):
        require_memory(spec, spec.graph(), available=2 * GB)


def test_this_machine_has_some_memory():
    assert 0 < available_bytes() < 1 << 60


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_room_in_a_version_2_group_is_its_limit_less_what_cannot_be_reclaimed(tmp_path):
    group = "sys/fs/cgroup/jobs/mine"
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/jobs/mine\n",
            f"{group}/memory.max": "max\n",
            f"{group}/memory.current": "500\n",
            "sys/fs/cgroup/jobs/memory.max": "8000\n",
            "sys/fs/cgroup/jobs/memory.current": "3000\n",
            "sys/fs/cgroup/jobs/memory.stat": "anon 2000\ninactive_file 900\n",
        },
    )
    assert list(_cgroup_room(tmp_path)) == [8000 - 3000 + 900]


def test_room_in_a_version_1_group_is_found_at_the_top_inside_a_container(tmp_path):
    group = "sys/fs/cgroup/memory"
    write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n",
            f"{group}/memory.limit_in_bytes": "4000\n",
            f"{group}/memory.usage_in_bytes": "1000\n",
            f"{group}/memory.stat": "cache 300\ntotal_inactive_file 200\n",
        },
    )
    assert list(_cgroup_room(tmp_path)) == [4000 - 1000 + 200]


def test_a_group_without_a_limit_limits_nothing(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
        },
    )
    assert list(_cgroup_room(tmp_path)) == []
    assert list(_cgroup_room(tmp_path / "elsewhere")) == []


def test_parity_of_weights_that_do_not_fit_is_refused_before_any_is_drawn():
    from zoo_common.parity.suite import run_parity

    with pytest.raises(EnvironmentFault, match="parity of bert_tiny does not fit into memory: its weights"):
        run_parity(load_spec("bert_tiny", ["model.num_layers=100000"]), level="parameters")


def test_of_a_model_that_is_divided_a_replica_holds_its_part_and_a_layer_as_a_whole():
    spec = load_spec("bert_base", ["training.batch_size=16", "training.micro_batch_size=null"])
    divided = load_spec(
        "bert_base", ["training.sharding=full", "training.batch_size=16", "training.micro_batch_size=null"]
    )
    graph = spec.graph()
    whole = training_bytes(spec, graph, "torch", replicas=4)
    part = training_bytes(divided, graph, "torch", replicas=4)
    for name in ("weights", "gradients", "optimizer"):
        assert part[name] == -(-whole[name] // 4)
    assert part["activations"] == whole["activations"]
    layer = (
        4 * 768 * (768 + 1) + 2 * 4 * 768 * 768 + 4 * 768 + 768 + 4 * 768
    )  # Products, feed-forward, two norms.
    outside = graph.value_count - 12 * layer
    assert part["gathered"] == 4 * (2 * outside + 4 * layer)
    assert whole["activations"] * 4 == training_bytes(spec, graph, "torch")["activations"]
