"""``benchmarks/device.py`` runs on a CPU, at its smallest, and outlives what goes wrong in a stage."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from drawn import some

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    """The script's own modules, which no package holds."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in ("device", "device_parts", "measure")]:
        del sys.modules[name]


STAGES = {
    "machine": ("matrix product, torch, bfloat16",),
    "parity": (
        "bert_tiny, gradient, float32",
        "bert_tiny, gradient, bfloat16",
        "bert_tiny, curve, float32",
    ),
    "ways": (
        "training, gpt2_tiny, torch, bfloat16, cpu: of the measured peak",
        "bert_tiny, compiled, torch, cpu: losses, against uncompiled",
        "gpt2_tiny, weights on the host, torch, cpu: losses, against resident",
        "gpt2_tiny, divided over one replica, torch, cpu: losses, against resident",
    ),
    "training": (
        "zoo train, torch, cpu to cpu to cpu, against cpu alone",
        "memory/resident_bytes, torch",
        "memory/device_bytes events, torch on the CPU",
    ),
    "BERT": (
        "training step, torch, bfloat16, cpu, of the measured peak",
        "forward, torch / transformers, bfloat16",
    ),
}
"""By stage some rows of the table."""
DRAWN = some("stages", list(STAGES), 2)


def test_the_stages_run_on_a_cpu_and_the_table_has_their_rows(modules, tmp_path):
    assert list(STAGES) == list(modules("device").STAGES)
    done = subprocess.run(
        [
            sys.executable,
            BENCHMARKS / "device.py",
            *(["--small", "--only", "torch", "--device", "cpu", "--seconds", "1800", "--stages", *DRAWN]),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        # All kernels of a program in one file: a compiler takes two seconds to begin each of twenty.
        env={**os.environ, "TORCHINDUCTOR_CPP_WRAPPER": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("== table")[2]
    for stage, rows in STAGES.items():
        assert [row in table for row in rows] == [stage in DRAWN] * len(rows)
    assert "FAIL" not in table
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise MemoryError('no room')", "ended with status 1: MemoryError: no room"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
        ("import subprocess; subprocess.run(['sleep', '600'])", "unfinished after 2 s"),
    ],
)
def test_a_stage_that_fails_is_killed_or_hangs_is_a_row_and_keeps_its_earlier_ones(
    modules, monkeypatch, tmp_path, code, why
):
    device = modules("device")
    (tmp_path / "device_parts").mkdir()
    rows = "from device_parts.rows import row; row('before', 1.5, 1.0)\n"
    (tmp_path / "device_parts" / "bad.py").write_text(rows + code, encoding="utf-8")
    monkeypatch.setattr(device, "HERE", tmp_path)
    seconds = 2 if "unfinished" in why else 60
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    before, failed = device.run(device.Stage("bad", "bad.py", (), 60), seconds, environment)
    assert (before.what, before.value, before.passed) == ("before", 1.5, False)
    assert (failed.what, failed.why, failed.passed) == ("bad", f"FAILED: {why}", False)


def test_wheels_of_what_is_missing_are_unpacked_and_no_others(modules, tmp_path, capsys):
    wheels = modules("device_parts.wheels")
    given = tmp_path / "given"
    given.mkdir()
    minor = sys.version_info.minor
    for name in (
        "zoo_missing-1.0-py3-none-any",
        f"zoo_binary-1.0-cp{sys.version_info.major}{minor}-cp3{minor}-manylinux_2_17_x86_64",
        "zoo_stable-1.0-cp38-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64",
        "zoo_other-1.0-cp399-cp399-manylinux_2_17_x86_64",
        "numpy-0.0-py3-none-any",
    ):
        with zipfile.ZipFile(given / f"{name}.whl", "w") as archive:
            archive.writestr(f"{name.partition('-')[0]}_module.py", "")
    unpacked = {path.stem for path in wheels.unpack(given, tmp_path / "to").iterdir()}
    assert unpacked == {"zoo_missing_module", "zoo_binary_module", "zoo_stable_module"}
    assert (
        "zoo_other-1.0-cp399-cp399-manylinux_2_17_x86_64.whl is not for this Python"
        in capsys.readouterr().out
    )


def test_backends_are_found_where_the_package_is_not_installed(modules, monkeypatch, tmp_path):
    wheels = modules("device_parts.wheels")
    monkeypatch.setattr(wheels, "_installed", lambda name: False)
    wheels.register_backends(BENCHMARKS.parent / "pyproject.toml", tmp_path)
    found = list(importlib.metadata.distributions(path=[str(tmp_path)]))
    entries = {entry.name: entry.value for each in found for entry in each.entry_points}
    assert entries["torch"] == "zoo_torch.backend:TorchBackend"
    assert set(entries) == {"torch", "tf", "torch-host", "tf-host"}
    # A run records the version.
    assert {each.name: each.version for each in found}["dualzoo"] == importlib.metadata.version("dualzoo")
