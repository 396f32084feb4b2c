"""Weights in files: what a host reads and writes, and what a save makes of its files. No framework is imported."""

import gc
import os
import re
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo_common.backend import NotFiniteError
from zoo_common.checkpoint import CheckpointStore, DamagedCheckpointError, needed_bytes
from zoo_common.memory import unit_values
from zoo_common.streaming import Host
from zoo_common.streaming.slots import Buffer
from zoo_common.weights import Arrays, Entry, InitialValues
from zoo_spec import load_spec
from zoo_spec.errors import EnvironmentFault, SpecError
from zoo_spec.graph import units
from zoo_spec.trained import trained

SMALL = [
    f"model.{name}" for name in ("hidden_size=16", "num_heads=2", "num_layers=3", "intermediate_size=24")
]
SPEC = load_spec("gpt3_tiny", [*SMALL, "training.execution=weight_streaming"])
GRAPH = SPEC.graph()
UNITS = units(GRAPH)
MOMENTS = ("first_moment", "second_moment")
VALUES = sum(unit.size for unit in UNITS.streamed)
RESIDENT = sum(each.size for each in UNITS.resident.values())


def host(folder, *, moments=MOMENTS, dtype="float32", spec=SPEC, weights=None, spills=False, parts=UNITS):
    learned = trained(GRAPH, spec.training).factors
    given = weights or InitialValues(GRAPH.parameters(), 0)
    return Host(parts, given, folder=folder, dtype=dtype, moments=moments, trained=learned, spills=spills)


def step(found, number, weights, moments):
    """A made-up step over all units and resident moments, on the host's files and on arrays in memory alike."""
    for unit in UNITS.streamed:
        with found.weights(unit) as read:
            assert all(np.array_equal(value, weights[name]) for name, value in read.items())
    for unit in reversed(UNITS.streamed):
        with found.state(unit) as slot:
            for name, value in slot.weights.items():
                value += number
                weights[name] = weights[name] + value.dtype.type(number)
            for name, value in slot.moments.items():
                assert np.array_equal(value, moments[name])
                value -= number
                moments[name] = value.copy()
    for name in UNITS.resident:
        for piece in found.pieces(name):
            for moment, value in piece.values.items():
                value += number
                moments[f"{name}/{moment}"].reshape(-1)[piece.start : piece.stop] += number


def in_memory(dtype="float32"):
    table = GRAPH.parameters()
    weights = {name: value.astype(dtype) for name, value in InitialValues(table, 0).items()}
    return weights, {
        f"{name}/{moment}": np.zeros(each.shape, dtype) for name, each in table.items() for moment in MOMENTS
    }


def save(store, found, number, weights):
    """As a run does: resident weights are the engine's, the rest is in files."""
    resident = {name: weights[name] for name in UNITS.resident}
    everything = {**resident, **found.stored_weights()}
    return store.save(number, everything, found.stored_moments(), {"step": number}, "hash", found.written())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_host_is_what_arrays_in_memory_are_and_a_save_takes_its_files_as_they_are(tmp_path, dtype):
    found, store = host(tmp_path / "working", dtype=dtype), CheckpointStore(tmp_path / "checkpoints", keep=1)
    weights, moments = in_memory(dtype)
    for number in (1, 2, 3):
        step(found, number, weights, moments)
        inodes = {path.stat().st_ino for path in found.folder.iterdir() if path.suffix != ".gradients"}
        path = save(store, found, number, weights)
        assert inodes <= {file.stat().st_ino for file in path.iterdir()}  # Moved, and not written again.
        assert not list(found.folder.iterdir())
        saved = store.latest()
        assert (saved.step, store.steps()) == (number, [number])
        for source, expected in ((saved.weights(), weights), (saved.optimizer(), moments)):
            assert source.keys() == expected.keys()
            assert all(np.array_equal(source[name], expected[name]) for name in expected)
        # And the format's own library reads them.
        theirs = {
            name: value for file in path.glob("*.safetensors") for name, value in load_file(file).items()
        }
        assert theirs.keys() == {*weights, *moments}
        saved.close()


def test_a_saved_file_is_never_written_to_and_an_unsaved_step_leaves_the_checkpoint_whole(tmp_path):
    found, store = host(tmp_path / "working"), CheckpointStore(tmp_path / "checkpoints", keep=1)
    weights, moments = in_memory()
    step(found, 1, weights, moments)
    path = save(store, found, 1, weights)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    for number in (2, 3):
        step(found, number, weights, moments)
    found.settle()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@pytest.mark.parametrize("layout", ["one file", "several files"])
def test_a_host_goes_on_from_a_checkpoint_without_writing_it_anew(tmp_path, layout):
    store = CheckpointStore(tmp_path / "checkpoints")
    weights, moments = in_memory()
    if layout == "one file":
        store.save(1, weights, moments, {"step": 1}, "hash")
    else:
        first = host(tmp_path / "first")
        step(first, 1, weights, moments)
        save(store, first, 1, weights)
    saved = store.latest()
    saved.keep()
    found = host(tmp_path / "working", weights=saved.weights())
    found.import_moments(saved.optimizer())
    saved.close()
    assert not list(found.folder.iterdir())
    step(found, 2, weights, moments)
    save(store, found, 2, weights)
    assert all(np.array_equal(value, weights[name]) for name, value in store.latest().weights().items())
    assert all(np.array_equal(value, moments[name]) for name, value in store.latest().optimizer().items())


def test_frozen_units_have_no_moments_and_one_file_serves_every_checkpoint(tmp_path):
    frozen = load_spec("gpt3_tiny", [*SMALL, "training.freeze=[decoder.layers.0, embeddings]"])
    found, store = host(tmp_path / "working", spec=frozen), CheckpointStore(tmp_path / "checkpoints")
    weights, _ = in_memory()
    for number in (1, 2):
        for unit in UNITS.streamed[1:]:
            with found.state(unit) as slot:
                for value in slot.weights.values():
                    value += 1
        save(store, found, number, weights)
    first, second = (store.load(number) for number in (1, 2))
    assert not [name for name in second.optimizer() if name.startswith(("decoder.layers.0.", "embeddings"))]
    assert np.array_equal(
        second.weights()["decoder.layers.0.attention.query.weight"],
        weights["decoder.layers.0.attention.query.weight"],
    )
    linked = [{file.stat().st_ino for file in each.path.iterdir()} for each in (first, second)]
    assert (
        len(linked[0] & linked[1]) == 3
    )  # The layer's weights, and moments of the last norm, which nobody touched.


@pytest.mark.parametrize(("spills", "read", "written"), [(False, 16, 12), (True, 24, 16)])
def test_a_step_reads_and_writes_what_the_formula_says(tmp_path, spills, read, written):
    found = host(tmp_path / "working", spills=spills)
    for _ in range(3):
        found.settle()
        before = found.bytes_read, found.bytes_written
        for unit in UNITS.streamed:
            with found.weights(unit):
                pass
        for unit in reversed(UNITS.streamed):
            if not spills:
                with found.state(unit):
                    continue
            with found.weights(unit) as slot:
                found.spill(unit, {name: np.full_like(value, 7) for name, value in slot.items()})
        for unit in UNITS.streamed if spills else ():
            with found.spilled(unit) as slot:
                assert all((value == 7).all() for value in slot.gradients.values())
    found.settle()
    # What is read ahead when a step ends is of the next one.
    ahead = 4 * UNITS.streamed[0].size
    assert 0 <= found.bytes_read - before[0] - read * VALUES <= ahead
    assert found.bytes_written - before[1] == written * VALUES


def harmed(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "shorter":
        path.write_bytes(content[:-8])
    elif how == "a bit flipped":
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 4]) + content[-2:])
    else:
        other = host(path.parent.parent.parent / "other", weights=InitialValues(GRAPH.parameters(), 1))
        path.write_bytes((other.folder / path.name).read_bytes())


def test_a_host_that_nobody_has_any_more_takes_its_files_along_and_one_that_waits_holds_no_process_up(
    tmp_path,
):
    found = host(tmp_path / "working", spills=True)
    unit = UNITS.streamed[0]
    with found.weights(unit) as slot:
        found.spill(unit, dict(slot))
    with found.spilled(unit):
        pass
    with found.weights(unit):  # From here on it waits, ahead, for gradients that never come.
        pass
    gone = weakref.ref(found)
    del found, slot
    gc.collect()
    assert gone() is None
    assert not (tmp_path / "working").exists()


@pytest.mark.parametrize("how", ["missing", "shorter", "a bit flipped", "of another run"])
def test_a_working_file_that_is_not_what_was_written_is_named_when_it_is_read_or_saved(tmp_path, how):
    found, weights = host(tmp_path / "working"), in_memory()[0]
    path = found.folder / "unit-00002.weights"
    harmed(path, how)
    for meet in (
        lambda: step(found, 1, weights, {}),
        lambda: save(CheckpointStore(tmp_path / "saved"), found, 1, weights),
    ):
        with pytest.raises(EnvironmentFault, match=f"^{path}: .*the same command goes on") as error:
            meet()
        assert str(tmp_path) in str(error.value)
    assert not CheckpointStore(tmp_path / "saved").steps()


def test_what_is_not_finite_is_named_and_not_saved(tmp_path):
    found, store, weights = host(tmp_path / "working"), CheckpointStore(tmp_path / "saved"), in_memory()[0]
    with found.state(UNITS.streamed[1]) as slot:
        slot.moments["decoder.layers.1.attention.key.weight/first_moment"][3, 4] = np.nan
    with pytest.raises(NotFiniteError, match=r"^decoder.layers.1.attention.key.weight/first_moment$"):
        save(store, found, 1, weights)
    assert not store.steps()
    assert not list(store.directory.iterdir())


def test_a_disk_that_fills_up_in_a_step_is_one_line_and_the_checkpoint_stays(tmp_path, monkeypatch):
    found, store = host(tmp_path / "working"), CheckpointStore(tmp_path / "checkpoints", keep=1)
    weights, moments = in_memory()
    step(found, 1, weights, moments)
    save(store, found, 1, weights)
    opened = os.open

    def full(path, flags, *others, **options):
        if Path(path).name == "unit-00001.moments" and flags & os.O_CREAT:
            raise OSError(28, "No space left on device", str(path))
        return opened(path, flags, *others, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(EnvironmentFault, match=r"unit-00001.moments: No space left on device: .* needed"):
        save(
            store, found, 2, stepped(found, 2, store)
        )  # The writer is behind: at the latest the save says so.
    monkeypatch.undo()
    assert store.latest().step == 1


def stepped(found, number, store):
    saved = store.latest()
    weights = dict(saved.weights())
    step(found, number, weights, dict(saved.optimizer()))
    return weights


def test_the_limit_says_what_goes_through_memory_and_what_is_too_large_for_it():
    base = load_spec("gpt3_175b")
    graph = base.graph()

    def within(limit):
        training = base.training.model_copy(update={"memory_limit": limit})
        return units(graph, most=unit_values(graph, training, "torch"))

    assert len(within(300 * 10**9).streamed) == 96
    parts = within(128 * 10**9)
    assert {unit.path.rsplit(".", 1)[1] for unit in parts.streamed} >= {"attention", "feed_forward"}
    assert parts.largest.size * 16 * 3 < 64 * 10**9
    inside = {name for unit in parts.streamed for name in unit.parameters}
    assert inside | parts.resident.keys() == graph.parameters().keys()
    assert not inside & parts.resident.keys()
    with pytest.raises(SpecError) as refusal:
        within(16 * 10**9)
    said = re.search(
        r"training.memory_limit: 16\.0 GB .* which takes (\S+) GB: .*feed_forward.inner \(604,",
        str(refusal.value),
    )
    assert said is not None, refusal.value
    least = round(float(said[1]) * 1e9)
    assert within(least + 10**8).largest.size == 604_028_928
    with pytest.raises(SpecError, match=r"training\.memory_limit"):
        within(least - 10**8)


def test_what_several_nodes_apply_stays_in_memory_and_what_has_no_layer_is_refused(tmp_path):
    with pytest.raises(
        SpecError, match=r"training.execution: .*streams the layers of a stack, and mnist_fc has none"
    ):
        load_spec("mnist_fc", ["training.execution=weight_streaming"]).graph()
    layer = (
        "{kind: post_norm_layer, norm: {kind: layer_norm, epsilon: 1e-5}, "
        "attention: {kind: attention, num_heads: 2}, feed_forward: {kind: feed_forward, size: 8, activation: relu}}"
    )
    (tmp_path / "shared.yaml").write_text(
        f"""
model:
  kind: graph
  inputs: {{input_ids: {{shape: [batch, sequence], dtype: int32}}}}
  nodes:
    embeddings: {{block: {{kind: embedding, rows: 11, size: 4}}, inputs: input_ids}}
    once: {{block: {layer}, inputs: embeddings.x}}
    again: {{block: {layer}, inputs: once}}
    third: {{like: once, inputs: again}}
  outputs: {{hidden_states: third}}
"""
    )
    parts = units(load_spec(tmp_path / "shared.yaml").graph())
    assert [unit.path for unit in parts.streamed] == ["again"]
    assert {name.split(".")[0] for name in parts.resident} >= {"embeddings", "once"}


def test_several_processes_write_the_parts_of_one_checkpoint(tmp_path):
    store, (weights, moments) = CheckpointStore(tmp_path), in_memory()
    names = sorted(weights)
    shares = [
        (names[rank::3], [key for key in moments if key.split("/")[0] in names[rank::3]]) for rank in range(3)
    ]
    records = {}
    with store.saving(5, needed_bytes(weights, moments, {})) as saving:

        def write(rank):
            mine, slots = shares[rank]
            part = CheckpointStore(tmp_path).partial(5)  # As another process has it.
            records.update(
                part.write_part(
                    rank + 1, {name: weights[name] for name in mine}, {name: moments[name] for name in slots}
                )
            )

        threads = [threading.Thread(target=write, args=(rank,)) for rank in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert store.steps() == []
        path = saving.finish(records, {"step": 5}, "hash")
    saved = store.load(5)
    assert all(np.array_equal(value, weights[name]) for name, value in saved.weights().items())
    assert saved.optimizer().keys() == moments.keys()
    damaged = path / "optimizer-00002.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert store.load_weights(5).step == 5  # Of the optimizer the size alone is compared.
    with pytest.raises(DamagedCheckpointError, match=r"optimizer-00002.safetensors: has the SHA-256"):
        store.load(5)


def test_two_files_with_one_name_are_damage(tmp_path):
    store, values = CheckpointStore(tmp_path), Arrays({"a": np.ones(3, np.float32)})
    with store.saving(1, 0) as saving:
        records = {**saving.partial.write_part(1, values, {}), **saving.partial.write_part(2, values, {})}
        saving.finish(records, {"step": 1}, "hash")
    with pytest.raises(
        DamagedCheckpointError, match=r"weights-00002.safetensors: has a, which weights-00001"
    ):
        store.load(1)


def test_a_checkpoint_of_more_files_than_a_process_may_open_is_read(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")  # Not on Windows.
    monkeypatch.setattr("zoo_common.checkpoint.manifest.fsync_file", lambda descriptor: None)
    store, before = CheckpointStore(tmp_path), resource.getrlimit(resource.RLIMIT_NOFILE)
    with store.saving(1, 0) as saving:
        records = {}
        for number in range(1, 201):
            records |= saving.partial.write_part(number, {f"w{number}": np.full(2, number, np.float32)}, {})
        saving.finish(records, {"step": 1}, "hash")
    resource.setrlimit(resource.RLIMIT_NOFILE, (160, before[1]))
    try:
        saved = store.load(1)
        assert [saved.weights()[f"w{number}"][0] for number in (1, 200)] == [1, 200]
        saved.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("gives_back", [True, False])
def test_a_slot_whose_memory_is_not_limited_has_what_is_put_in_the_place_of_its_arrays_written(
    tmp_path, gives_back
):
    learned = trained(GRAPH, SPEC.training).factors
    found = Host(
        UNITS,
        InitialValues(GRAPH.parameters(), 0),
        folder=tmp_path,
        dtype="float32",
        moments=MOMENTS,
        trained=learned,
        gives_back=gives_back,
    )
    unit = UNITS.streamed[0]
    with found.state(unit) as slot:
        assert slot.takes is not gives_back
        for arrays in (slot.weights, slot.moments):
            for number, name in enumerate(arrays):
                arrays[name] = np.full_like(arrays[name], number)
    with found.state(unit) as slot:
        for arrays in (slot.weights, slot.moments):
            assert all(np.all(value == number) for number, value in enumerate(arrays.values()))


def test_what_is_trained_without_moments_comes_as_one_piece(tmp_path):
    found = host(tmp_path, moments=())
    for name, each in UNITS.resident.items():
        ((start, stop, values),) = ((piece.start, piece.stop, piece.values) for piece in found.pieces(name))
        assert (start, stop, values) == (0, each.size, {})


@pytest.mark.skipif(sys.platform != "linux", reason="memory goes back page by page on Linux alone")
@pytest.mark.parametrize("gives_back", [True, False])
def test_a_buffer_gives_back_what_the_newest_views_do_not_take_where_it_is_told_to(gives_back: bool) -> None:
    buffer = Buffer(0, 1 << 20, gives_back=gives_back)
    large, small = ({"a": Entry("uint8", (size,))} for size in (1 << 20, 10))
    buffer.views(large)[0]["a"][:] = 1
    buffer.views(small)
    (again,) = buffer.views(large)

    assert again["a"][:10].all()
    assert again["a"][-1] == (0 if gives_back else 1)
