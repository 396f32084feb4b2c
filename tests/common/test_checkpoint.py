"""Checkpoints come back bit for bit, or say what is wrong with them; a kill or a full disk loses none."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo_common.checkpoint import CheckpointStore, manifest, saving
from zoo_common.checkpoint import store as store_module
from zoo_spec.errors import EnvironmentFault, InputError

FILES = ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
SOURCE = Path(__file__).parents[2] / "src"
STATE = {"position": 800, "random": [1, 2**63], "best": 0.1, "name": "é", "none": None}


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    nan = np.frombuffer(draw.bytes(64), dtype=np.float32).copy()  # Any bits: payloads of NaN, denormals, -0.
    return {
        "encoder.layers.0.weight": draw.normal(size=(7, 5)).astype(np.float32),
        "transposed": np.asfortranarray(draw.normal(size=(4, 6))),
        "strided": draw.normal(size=(8, 9, 3)).astype(np.float32)[::2, 1:, ::-1],
        "bits": nan,
        "scalar": np.float64(seed + 0.1) * np.ones(()),
        "empty": np.zeros((0, 3), np.float32),
        "big endian": np.arange(5, dtype=">i4"),
        "integers": np.array([-(2**63), 2**63 - 1]),
        "flags": np.array([True, False, True]),
        "bytes": np.arange(3, dtype=np.uint8),
        "half": draw.normal(size=(3, 5)).astype(np.float16),
        "half of eight bits": draw.normal(size=(5, 3)).astype(ml_dtypes.bfloat16),
    }


def save(store: CheckpointStore, step: int, seed: int | None = None) -> Path:
    seed = step if seed is None else seed
    moments = {f"{name}/first_moment": array for name, array in arrays(seed + 1).items()}
    return store.save(step, arrays(seed), moments, {**STATE, "seed": seed}, spec_hash="abc")


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype.newbyteorder("<")
        assert found[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


def test_what_is_saved_comes_back_bit_for_bit(store):
    path = save(store, 10)
    checkpoint = store.latest()
    assert (checkpoint.step, checkpoint.path, checkpoint.spec_hash) == (10, path, "abc")
    assert checkpoint.state == {**STATE, "seed": 10}
    assert_same_bits(checkpoint.weights(), arrays(10))
    moments = {f"{name}/first_moment": array for name, array in arrays(11).items()}
    assert_same_bits(checkpoint.optimizer(), moments)
    assert all(array.flags.writeable for array in checkpoint.weights().values())


def test_no_arrays_and_no_state_are_a_checkpoint_too(store):
    store.save(0, {}, {}, {}, spec_hash="abc")
    checkpoint = store.latest()
    assert (checkpoint.weights(), checkpoint.optimizer(), checkpoint.state) == ({}, {}, {})


def test_the_library_reads_the_file_and_equal_arrays_give_equal_bytes(store):
    path = save(store, 1)
    assert_same_bits(load_file(path / "weights.safetensors"), arrays(1))
    first = (path / "weights.safetensors").read_bytes()
    shuffled = {name: np.array(array) for name, array in reversed(arrays(1).items())}
    store.save(2, shuffled, {}, {}, spec_hash="abc")
    assert (store.load(2).path / "weights.safetensors").read_bytes() == first


def test_the_newest_are_kept(store):
    for step in (5, 10, 100_000_000, 200):
        save(store, step)
    assert store.steps() == [200, 100_000_000]
    assert store.latest().step == 100_000_000
    assert store.load(200).step == 200
    with pytest.raises(InputError, match="no checkpoint of step 5; saved steps: 200, 100000000"):
        store.load(5)


def test_an_empty_or_absent_directory_has_no_checkpoint(store):
    assert store.latest() is None
    store.directory.mkdir()
    assert store.latest() is None
    assert store.steps() == []


def test_a_step_saved_again_is_replaced(store):
    save(store, 10, seed=1)
    save(store, 10, seed=2)
    assert store.steps() == [10]
    assert_same_bits(store.latest().weights(), arrays(2))


def test_all_is_synced_before_a_checkpoint_takes_its_name_and_the_name_after(store, monkeypatch):
    synced, at_rename = [], []  # Inodes; and at each rename, those that are not on the disk yet.

    def replace(source, target, real=os.replace):
        at_rename.append({os.stat(path).st_ino for path in [source, *Path(source).iterdir()]} - set(synced))
        synced.clear()
        real(source, target)

    def sync_file(descriptor, real=manifest.fsync_file):
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    def sync_directory(path, real=store_module.fsync_directory):
        synced.append(os.stat(path).st_ino)
        real(path)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(manifest, "fsync_file", sync_file)
    for module in (store_module, saving):
        monkeypatch.setattr(module, "fsync_directory", sync_directory)
    save(store, 10)
    assert at_rename == [set()]
    assert synced == [os.stat(store.directory).st_ino]


def test_a_checkpoint_being_replaced_is_still_read(store):
    path = save(store, 10)
    path.rename(path.with_name("step-00000010.replaced"))  # As a kill between the two renames leaves it.
    assert store.latest().step == 10
    save(store, 20)
    assert store.steps() == [10, 20]
    save(store, 30)
    assert sorted(entry.name for entry in store.directory.iterdir()) == ["step-00000020", "step-00000030"]


def test_what_a_killed_process_left_is_ignored_and_removed(store):
    save(store, 10)
    for name in ("step-00000020.partial", "step-00000005.deleted", "step-00000010.replaced"):
        shutil.copytree(store.directory / "step-00000010", store.directory / name)
    for name in ("step-00000010.damaged", "step-11", "notes"):
        (store.directory / name).mkdir()
    assert store.steps() == [10]
    save(store, 20)
    names = {entry.name for entry in store.directory.iterdir()}
    assert names == {"step-00000010", "step-00000020", "step-00000010.damaged", "step-11", "notes"}


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_found_and_its_file_named(store, name):
    save(store, 10)
    path = save(store, 20) / name
    good = path.read_bytes()
    places = random.Random(name).sample(range(len(good)), 40) if name != "manifest.json" else range(len(good))
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        with pytest.raises(InputError, match="to go on from step 10") as error:
            store.latest()
        assert str(path) in str(error.value)
    path.write_bytes(good)
    assert store.latest().step == 20


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, the manifest says|not JSON|SHA-256"),
        (lambda path: path.write_bytes(b""), "has 0 bytes, the manifest says|not JSON"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "bytes, the manifest says|not JSON"),
    ],
    ids=["missing", "cut", "empty", "longer"],
)
def test_a_file_of_another_length_is_named_with_the_way_out(store, name, harm, says):
    path = save(store, 20)
    harm(path / name)
    with pytest.raises(InputError, match=says) as error:
        store.latest()
    assert str(error.value).startswith(str(path / name))
    assert f"delete or move {path} to start again from step 0" in str(error.value)


def test_the_way_out_passes_over_every_damaged_checkpoint(tmp_path):
    store = CheckpointStore(tmp_path, keep=3)
    paths = [save(store, step) for step in (10, 20, 30)]
    for path in paths[1:]:
        (path / "state.json").write_bytes(b"{}")
    with pytest.raises(InputError) as error:
        store.latest()
    assert f"delete or move {paths[2]} and {paths[1]} to go on from step 10" in str(error.value)
    for path in paths[1:]:
        shutil.rmtree(path)
    assert store.latest().step == 10


def rewrite_manifest(path: Path, change) -> None:
    """Change the manifest and make its checksum right again."""
    content = json.loads((path / "manifest.json").read_bytes())
    change(content)
    content["checksum"] = "0" * 64
    blank = json.dumps(content)
    entry = '"checksum": "{}"'.format
    filled = blank.replace(entry("0" * 64), entry(hashlib.sha256(blank.encode()).hexdigest()))
    (path / "manifest.json").write_text(filled)


@pytest.mark.parametrize(
    "name",
    [
        "../state.json",
        "..",
        ".",
        ".hidden",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:x",
        "UPPER",
        "new\nline",
        "",
        "é",
    ],
)
def test_a_manifest_names_plain_files_only(store, name):
    path = save(store, 10)
    record = {"size": 0, "sha256": "0" * 64}
    rewrite_manifest(path, lambda content: content["files"].update({name: record}))
    with pytest.raises(InputError, match=r"manifest\.json: files.*should match pattern"):
        store.latest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content.update(step=11), "is of step 11, not 10"),
        (lambda content: content.update(step=-1), "step: Input should be greater"),
        (lambda content: content.update(step="10"), "step: Input should be a valid integer"),
        (
            lambda content: content.update(version=3),
            "has format version 3, this Zoo reads 1 and 2; update Zoo",
        ),
        (lambda content: content.update(format="other"), "format: Input should be 'zoo-checkpoint'"),
        (lambda content: content["files"].pop("state.json"), "does not list state.json"),
        (lambda content: content["files"]["state.json"].pop("size"), "files.state.json.size: Field required"),
        (lambda content: content["files"]["state.json"].update(size=-1), "files.state.json.size"),
        (lambda content: content["files"].update(more={"size": 0, "sha256": "0" * 64}), "more: is missing"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(store, change, says):
    path = save(store, 10)
    rewrite_manifest(path, change)
    with pytest.raises(InputError, match=says):
        store.latest()


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"checksum": "\\ud800"}', "\xff"])
def test_a_manifest_that_is_none_is_refused(store, text):
    path = save(store, 10)
    (path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"manifest\.json: (is not JSON|has no checksum)"):
        store.latest()


def test_more_files_in_the_manifest_are_verified_too(store):
    path = save(store, 10)
    (path / "layer-0.bin").write_bytes(b"x")
    record = {"size": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    rewrite_manifest(path, lambda content: content["files"].update({"layer-0.bin": record}))
    assert store.latest().step == 10
    (path / "layer-0.bin").write_bytes(b"y")
    with pytest.raises(InputError, match=r"layer-0\.bin: has the SHA-256 a1fce4.*, the manifest says 2d7116"):
        store.latest()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("weights.safetensors", b"not tensors", "is not a safetensors file"),
        ("optimizer.safetensors", (2**60).to_bytes(8, "little"), "is not a safetensors file"),
        ("state.json", b"[1]", "holds a list, not an object"),
        ("state.json", b"{", "is not JSON"),
    ],
)
def test_a_file_that_was_saved_wrong_is_refused_although_its_hash_is_right(store, name, content, says):
    path = save(store, 10)
    (path / name).write_bytes(content)
    record = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite_manifest(path, lambda manifest: manifest["files"].update({name: record}))
    with pytest.raises(InputError, match=says):
        store.latest()


def with_header(path: Path, name: str, entries: object, data: bytes = b"") -> None:
    """Make one of a checkpoint's tensor files anew, and the manifest's record of it right."""
    header = json.dumps(entries).encode()
    content = len(header).to_bytes(8, "little") + header + data
    (path / name).write_bytes(content)
    record = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite_manifest(path, lambda manifest: manifest["files"].update({name: record}))


def entry(shape: object, start: object, end: object, dtype: object = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"a": entry([0, 2**62], 0, 0)}, "no array can have such a shape"),
        ({"a": entry([2**32, 2**32], 0, 8)}, "no array can have such a shape"),
        ({"a": entry([-1], 0, 8)}, "no array can have such a shape"),
        ({"a": entry([True, 2], 0, 8)}, "no array can have such a shape"),
        ({"a": entry([3], 0, 8)}, "the offsets do not fit the shape"),
        ({"a": entry([2], 8, 0)}, "the offsets do not fit the shape"),
        ({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, "b begins at byte 0, not at 8"),
        ({"a": entry([1], 4, 8)}, "a begins at byte 4, not at 0"),
        ({"a": entry([1], 0, 4)}, "its arrays have 4 bytes, and 8 are there"),
        ({"a": entry([2], 0, 8, "F8_E4M3")}, "the dtypes that are read here are"),
        ({"a": entry([2], 0, 8, ["F32"])}, "the dtypes that are read here are"),
        ({"a\x1b[31m": entry([3], 0, 8)}, r"a\\x1b\[31m is described"),
        ({"a": {"dtype": "F32"}}, "not by dtype, shape and data_offsets"),
        ({"a": 1}, "not by dtype, shape and data_offsets"),
        ([1], "a JSON mapping is expected"),
    ],
)
def test_a_header_that_says_what_cannot_be_is_refused(store, entries, says):
    path = save(store, 10)
    with_header(path, "weights.safetensors", entries, bytes(8))
    with pytest.raises(InputError, match=says) as error:
        store.latest()
    assert str(error.value).startswith(str(path / "weights.safetensors"))


def test_a_checkpoint_that_was_opened_is_read_although_it_was_removed_meanwhile(store):
    save(store, 10)
    held = store.latest()
    for step in (20, 30):
        save(store, step)
    assert not held.path.exists()
    assert_same_bits(held.weights(), arrays(10))
    assert_same_bits(held.optimizer(), {f"{name}/first_moment": array for name, array in arrays(11).items()})


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files by /proc")
def test_a_checkpoint_lets_its_files_go_when_it_is_closed_or_dropped(store):
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    path = save(store, 10)
    before = opened()
    held = store.latest()
    assert opened() == before + 3
    held.close()
    assert opened() == before
    store.latest()
    assert opened() == before
    (path / "state.json").write_bytes(b"{}")
    with pytest.raises(InputError):
        store.latest()
    assert opened() == before


@pytest.mark.parametrize("meanwhile", ["newer", "again"])
def test_a_checkpoint_that_goes_while_it_is_opened_is_no_damage(store, monkeypatch, meanwhile):
    save(store, 10)

    def read(directory, real=manifest.Manifest.read):
        found = real(directory)
        monkeypatch.undo()
        if meanwhile == "again":  # The same step with other weights: the manifest is the old one's.
            save(store, 10, seed=1)
        else:
            save(store, 20), save(store, 30)
        return found

    monkeypatch.setattr(manifest.Manifest, "read", read)
    found = store.latest()
    assert found.step == (10 if meanwhile == "again" else 30)
    assert_same_bits(found.weights(), arrays(1 if meanwhile == "again" else 30))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a directory")
def test_a_pipe_in_the_place_of_a_file_does_not_hang(store):
    path = save(store, 10) / "weights.safetensors"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is not a regular file"):
        store.latest()


@pytest.mark.parametrize(
    ("weights", "state", "says"),
    [
        ({"a": np.zeros(2, complex)}, {}, "cannot hold 'a' of dtype complex128"),
        ({"__metadata__": np.zeros(2)}, {}, "__metadata__"),
        ({}, {"loss": float("nan")}, "JSON compliant"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(store, weights, state, says):
    with pytest.raises(ValueError, match=says):
        store.save(1, weights, {}, state, spec_hash="abc")
    assert not store.directory.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_files_have_the_modes_that_the_umask_gives(store):
    before = os.umask(0o027)
    try:
        path = save(store, 1)
    finally:
        os.umask(before)
    assert {stat.S_IMODE((path / name).stat().st_mode) for name in FILES} == {0o640}
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def leave_only(store: CheckpointStore, step: int) -> None:
    assert [entry.name for entry in store.directory.iterdir()] == [f"step-{step:08d}"]
    assert store.latest().step == step


def test_too_little_room_is_seen_before_anything_is_written(store, monkeypatch):
    save(store, 10)
    monkeypatch.setattr("zoo_common.checkpoint.store.free_bytes", lambda path: 10)
    with pytest.raises(
        EnvironmentFault, match=r"step-00000020: .* needed, 10 bytes free on the disk"
    ) as error:
        save(store, 20)
    assert error.value.exit_status == 3
    leave_only(store, 10)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("when", range(6))
def test_a_disk_that_refuses_leaves_the_old_checkpoint_good(store, monkeypatch, number, when):
    """The fault strikes at each sync in turn: four files, the new directory, the parent after the rename."""
    save(store, 10)
    syncs = 0

    def sync(what: int | Path) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == when + 1:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("zoo_common.checkpoint.manifest.fsync_file", sync)
        for module in (store_module, saving):
            patch.setattr(module, "fsync_directory", sync)
        with pytest.raises(EnvironmentFault, match="step-00000020: " + os.strerror(number)):
            save(store, 20)
    if when < 5:
        leave_only(store, 10)
    assert store.load(10).step == 10
    save(store, 30)
    assert store.latest().step == 30


def test_a_directory_that_cannot_be_made_is_explained(store, monkeypatch):
    save(store, 10)

    def mkdir(self: Path, *arguments: object, **options: object) -> None:
        if self.suffix == ".partial":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(EnvironmentFault, match=r"Permission denied.*make it accessible"):
        save(store, 20)
    leave_only(store, 10)


def test_a_file_where_the_directory_should_be_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give another path"):
        save(CheckpointStore(tmp_path / "file" / "checkpoints"), 1)


def test_an_old_checkpoint_that_cannot_be_removed_is_a_warning(store, monkeypatch, caplog):
    save(store, 10)
    save(store, 20)
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).suffix == ".deleted":
            raise PermissionError(errno.EACCES, "in use")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with caplog.at_level(logging.WARNING):
        save(store, 30)
    assert "cannot remove an old checkpoint" in caplog.text
    assert store.steps() == [10, 20, 30]


def run_child(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file-size limit")
def test_a_file_size_limit_ends_with_one_clear_error(store):
    save(store, 10)
    child = run_child(
        """
import resource, sys
from pathlib import Path
import numpy as np
from zoo_common.checkpoint import CheckpointStore
from zoo_spec.errors import ZooError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    CheckpointStore(Path(sys.argv[1])).save(20, {"a": np.zeros(10**6)}, {}, {}, "abc")
except ZooError as error:
    print(error)
    sys.exit(error.exit_status)
""",
        store.directory,
    )
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 3
    assert "step-00000020: File too large: 8.1 MB needed" in out
    leave_only(store, 10)


SAVE_FOR_EVER = """
import os, sys, time
from pathlib import Path
import numpy as np
from zoo_common.checkpoint import CheckpointStore
real = os.fsync
def slow(descriptor):
    time.sleep(0.002)
    real(descriptor)
os.fsync = slow
store = CheckpointStore(Path(sys.argv[1]))
latest = store.latest()
step = latest.step if latest else 0
while True:
    step += 1
    array = np.full((50, 70), float(step))
    store.save(step, {"a": array}, {"a/momentum": array.T + 0.5}, {"step": step}, "abc")
    print(step, flush=True)
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_kill_loses_no_acknowledged_save_and_mixes_none(store, seed):
    draw = random.Random(seed)
    child = run_child(SAVE_FOR_EVER, store.directory)
    acknowledged = [int(child.stdout.readline()) for _ in range(draw.randrange(1, 8))]
    time.sleep(draw.random() * 0.03)
    child.kill()
    acknowledged += [int(line) for line in child.communicate(timeout=60)[0].splitlines()]

    checkpoint = store.latest()
    step = checkpoint.step
    assert step in (acknowledged[-1], acknowledged[-1] + 1)
    assert checkpoint.state == {"step": step}
    assert (checkpoint.weights()["a"] == step).all()
    assert (checkpoint.optimizer()["a/momentum"] == step + 0.5).all()
    store.save(step + 1, {}, {}, {}, "abc")
    assert len(list(store.directory.iterdir())) == len(store.steps()) <= 2
