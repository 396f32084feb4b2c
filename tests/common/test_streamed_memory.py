"""What streaming weights is reckoned to take: memory, disk, bytes and time, by arithmetic that was done by hand."""

import re

import numpy as np
import pytest

from zoo_common.memory import (
    Phase,
    examples_at_once,
    inference_bytes,
    largest_batch,
    machine,
    outlook,
    require_disk,
    require_memory,
    step_time,
    streamed,
    training_bytes,
    unit_values,
)
from zoo_common.speeds import DiskSpeed, disk_speed
from zoo_common.units import bytes_text, rounded_up
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, SpecError, ZooError
from zoo_spec.training.byte_counts import byte_count

MB, GB, TB = 10**6, 10**9, 10**12
STREAMS = "training.execution=weight_streaming"


def small(*overrides, layers=4, batch_size=8, micro_batch_size="null", tokens=32):
    """A decoder of 64 wide, whose layer has 12 · 64² + 13 · 64 weights."""
    sizes = [
        "hidden_size=64",
        f"num_layers={layers}",
        "num_heads=4",
        "intermediate_size=256",
        "vocab_size=100",
    ]
    rows = [f"training.batch_size={batch_size}", f"training.micro_batch_size={micro_batch_size}"]
    settings = [
        *(f"model.{each}" for each in sizes),
        *rows,
        f"data={{kind: generated, sequence_length: {tokens}}}",
    ]
    return load_spec("gpt3_125m", [*settings, STREAMS, *overrides])


def taken(spec, framework="torch"):
    return streamed(spec, spec.graph(), framework)


LAYER = 12 * 64**2 + 13 * 64
RESIDENT = 100 * 64 + 2048 * 64 + 2 * 64
"""Tokens, positions, the last norm."""


@pytest.mark.parametrize(
    ("overrides", "streamed_bytes", "resident_bytes"),
    [
        (
            ["training.optimizer.max_gradient_norm=null"],
            28,
            16,
        ),  # 4 forward; 12 read and 12 written backward.
        ([], 40, 16),  # With clipping a gradient is written and read too, and a weight read once more.
        (["training.optimizer={kind: sgd}"], 12, 0),
        (["training.optimizer={kind: sgd, momentum: 0.9, max_gradient_norm: 1.0}"], 32, 8),
        (["training.optimizer.max_gradient_norm=null", "training.precision=float64"], 56, 32),
        (["training.optimizer.max_gradient_norm=null", "training.precision=bfloat16"], 28, 16),
    ],
)
def test_bytes_of_a_step_are_those_of_each_parameter(overrides, streamed_bytes, resident_bytes):
    found = taken(small(*overrides))
    assert found.read + found.written == 4 * LAYER * streamed_bytes + RESIDENT * resident_bytes


def test_the_disk_holds_a_checkpoint_what_the_next_will_be_and_gradients_that_are_clipped():
    plain, clipped = taken(small("training.optimizer.max_gradient_norm=null")), taken(small())
    everything = 4 * LAYER + RESIDENT
    assert plain.disk == {
        "checkpoint": 12 * everything,
        "working": 12 * everything - 4 * RESIDENT,
        "gradients": 0,
    }
    assert clipped.disk["gradients"] == 4 * 4 * LAYER


def test_what_is_frozen_is_read_and_neither_written_nor_given_moments():
    found = taken(small("training.freeze=[decoder.layers.0]", "training.optimizer.max_gradient_norm=null"))
    assert found.read == 4 * LAYER * 4 + 4 * LAYER * 4 + 3 * LAYER * 8 + RESIDENT * 8
    assert found.written == 3 * LAYER * 12 + RESIDENT * 8


def test_memory_grows_with_depth_by_the_layers_inputs_alone():
    few, many = (taken(small(layers=layers)).memory for layers in (4, 16))
    inputs = 12 * 8 * 32 * 64 * 4
    assert {name: many[name] - few[name] for name in few if many[name] != few[name]} == {
        "activations": inputs
    }
    assert few["slots"] == (3 * 16 + 2 * 4) * LAYER


def test_micro_batches_share_a_reading_and_each_keeps_its_inputs():
    one, four = (taken(small(micro_batch_size=size)) for size in (8, 2))
    assert (one.read, one.written, one.flops) == (four.read, four.written, four.flops)
    inputs = (4 * 64 + 64 + 2) * 8 * 32 * 4  # Of four layers and the last norm, which keeps two sums too.
    head = (64 + 100) * 2 * 32 * 4  # It keeps its input and its logits, of one micro-batch at a time.
    assert one.memory["activations"] == inputs
    assert four.memory["activations"] == inputs + head
    # In TensorFlow there is one sum of all gradients; else each has its own of the table, which logits read too.
    assert (one.memory["accumulated"], four.memory["accumulated"]) == (0, 3 * 100 * 64 * 4)


def test_what_follows_the_layers_and_a_layer_computed_again_are_not_there_at_once():
    at_head, in_layer = (taken(small(batch_size=rows)).memory for rows in (1, 8))
    assert at_head["recomputed"] == 0
    assert at_head["working"] == 2 * 2048 * 64 * 4 + round(0.2 * (64 + 100) * 32 * 4)
    again = small().graph().cost(recompute=True, batch=8, sequence=32).bytes["recomputed"]
    assert (in_layer["recomputed"], in_layer["working"]) == (again, round(0.2 * again))


def test_a_limit_takes_layers_apart_and_one_that_leaves_nothing_is_refused():
    limited = ["training.batch_size=1", "training.memory_limit=64GB"]
    spec = load_spec("gpt3_175b", [*limited, STREAMS])
    found = taken(spec)
    assert 3 * 16 * found.units.largest.size <= 32 * GB  # A whole layer of 1.8 G parameters would take 87.
    assert sum(found.memory.values()) < 64 * GB
    assert found.units.largest.size <= unit_values(spec.graph(), spec.training, "torch")
    whole = taken(load_spec("gpt3_175b", ["training.batch_size=1", "training.memory_limit=1TB", STREAMS]))
    values = sum(unit.size for unit in whole.units.streamed)
    assert found.read - whole.read == 4 * values  # Once more, for the inputs of the parts.
    assert found.flops > whole.flops
    spec = load_spec("gpt3_175b", [*limited[:1], "training.memory_limit=2GB", STREAMS])
    with pytest.raises(
        SpecError, match=r"training\.memory_limit: 2\.00 GB are too little .*; raise it to 63.5 GB"
    ):
        taken(spec)


def trains(spec, graph):
    require_memory(spec, graph, "torch", available=64 * GB)


def computes(spec, graph):
    examples_at_once(spec, graph, "torch", available=64 * GB)


@pytest.mark.parametrize("check", [trains, computes])
@pytest.mark.parametrize(
    ("limit", "says"), [("300 MB", "too little to stream layers"), ("374 MB", "does not fit into memory")]
)
def test_a_limit_that_is_named_is_accepted_as_it_is_written_and_the_next_lower_is_not(check, limit, says):
    """Whole layers take more than parts of them, so what fits a higher limit may be more than a lower one lacked."""

    def under(limit):
        spec = small(f"training.memory_limit={limit}", batch_size=2, tokens=2048)
        check(spec, spec.graph())

    with pytest.raises(ZooError, match=says) as refusal:
        under(limit)
    named = re.search(r"raise (?:it|training\.memory_limit) to ([\d.]+ MB)", str(refusal.value))[1]
    under(named)
    with pytest.raises(ZooError):
        under(byte_count(named) - MB)


def test_numbers_of_bytes_are_rounded_up_to_what_is_written():
    draw = np.random.default_rng(0)
    for count in [
        1_000,
        999_499,
        9_995_001,
        810_000_001,
        *(10 ** draw.uniform(3, 14, 1_000)).astype(int).tolist(),
    ]:
        written = byte_count(bytes_text(rounded_up(count)))
        assert count <= written == rounded_up(count) < count * 1.0101


def test_the_largest_gpt_takes_what_was_reckoned_on_paper():
    """175 G parameters, one row: 7 TB a step, 39 minutes at 3 GB/s, 4 hours of computing at 200 GFLOP/s."""
    found = taken(load_spec("gpt3_175b", ["training.batch_size=1", "training.memory_limit=1TB", STREAMS]))
    assert found.read + found.written == pytest.approx(7 * TB, rel=0.01)
    time = step_time(found.phases.values(), DiskSpeed(3 * GB, 3 * GB), 200 * GB)
    assert time.files == pytest.approx(39 * 60, rel=0.01)
    assert time.computing == pytest.approx(4 * 3600, rel=0.03)
    assert sum(found.disk.values()) == pytest.approx(4.9 * TB, rel=0.01)


def test_a_phase_takes_as_long_as_its_computing_or_its_files():
    time = step_time([Phase(10, 1, 0), Phase(10, 30, 40), Phase(0, 5, 0)], DiskSpeed(5.0, 4.0), 2.0)
    assert (time.computing, time.files) == (10.0, 0.2 + 16.0 + 1.0)
    assert (time.step, time.waiting) == (5.0 + 16.0 + 1.0, 12.0)


def test_training_that_does_not_fit_is_told_to_stream_where_that_fits():
    spec = load_spec("gpt3_1p3b", ["training.batch_size=1", "data={kind: generated}"])
    with pytest.raises(EnvironmentFault) as refusal:
        require_memory(spec, spec.graph(), "torch", available=16 * GB)
    assert "--set training.execution=weight_streaming" in str(refusal.value)
    assert "36.0 GB of disk" in str(refusal.value)
    images = load_spec("unet_tiny")
    with pytest.raises(EnvironmentFault) as refusal:
        require_memory(images, images.graph(), "torch", available=100 * MB)
    assert "weight_streaming" not in str(refusal.value)


def test_a_model_that_only_computes_has_slots_for_weights_alone():
    one = inference_bytes(small(), small().graph(), "torch")
    assert (one["weights"], one["slots"]) == (4 * RESIDENT, 3 * 4 * LAYER)
    spec = load_spec("gpt3_175b", ["training.memory_limit=24GB", STREAMS])
    assert examples_at_once(spec, spec.graph(), "torch", available=64 * GB) == 1
    low = load_spec("gpt3_175b", ["training.memory_limit=2GB", STREAMS])
    with pytest.raises(SpecError, match=r"training\.memory_limit: 2\.00 GB are too little"):
        examples_at_once(low, low.graph(), "torch", available=64 * GB)


def test_the_largest_batch_that_fits_is_named_where_a_streamed_one_does_not():
    spec = small("training.memory_limit=400MB", batch_size=2048, micro_batch_size=1)
    with pytest.raises(EnvironmentFault) as refusal:
        require_memory(spec, spec.graph(), "torch", available=GB)
    batch = largest_batch(spec, spec.graph(), 400 * MB, "torch")
    assert f"training.batch_size (at most {batch})" in str(refusal.value)
    assert "raise training.memory_limit" in str(refusal.value)
    for size, fits in ((batch, True), (batch + 1, False)):
        one = small("training.memory_limit=400MB", batch_size=size, micro_batch_size=1)
        assert (sum(training_bytes(one, one.graph(), "torch").values()) <= 400 * MB) == fits


def test_a_limit_counts_as_memory_of_a_machine_that_has_more(monkeypatch):
    monkeypatch.setattr(machine, "available_bytes", lambda: 64 * GB)
    spec = small("training.memory_limit=400MB", batch_size=2048)
    assert sum(training_bytes(spec, spec.graph(), "torch").values()) > 400 * MB
    with pytest.raises(EnvironmentFault, match=r"400 MB are training\.memory_limit"):
        require_memory(spec, spec.graph(), "torch")


def test_too_small_a_disk_is_refused_with_the_arithmetic(tmp_path, monkeypatch):
    spec = small()
    total = sum(taken(spec).disk.values())
    monkeypatch.setattr("zoo_common.memory.check.free_bytes", lambda folder: total - 100)
    with pytest.raises(EnvironmentFault) as refusal:
        require_disk(spec, spec.graph(), tmp_path / "runs", "torch")
    for part in ("checkpoint", "working", "gradients", "sum"):
        assert part in str(refusal.value)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "of a run that goes on").write_bytes(bytes(100))
    require_disk(spec, spec.graph(), tmp_path / "runs", "torch")
    resident = load_spec("gpt3_125m")
    require_disk(resident, resident.graph(), tmp_path)


def test_files_slower_than_computing_are_told_of_before_a_run(tmp_path, monkeypatch):
    data = "data={kind: generated, sequence_length: 2048}"
    spec = load_spec("gpt3_1p3b", ["training.batch_size=1", data, STREAMS])
    monkeypatch.setattr("zoo_common.memory.expecting.product_speed", lambda dtype: 200 * GB)
    for speed, is_slow in ((GB // 10, True), (3 * GB, False)):
        disk = DiskSpeed(speed, speed)
        monkeypatch.setattr("zoo_common.memory.expecting.disk_speed", lambda folder, found=disk: found)
        found = outlook(spec, spec.graph(), tmp_path, "torch")
        assert found.is_slow == is_slow
        assert ("much slower than computing" in str(found)) == is_slow
    assert outlook(small(), small().graph(), tmp_path) is None  # Not worth a second.


def test_a_disk_is_measured_with_a_file_that_goes_again(tmp_path):
    found = disk_speed(tmp_path / "not" / "there", most=1)
    assert found.read > 0 < found.written
    assert list(tmp_path.iterdir()) == []
